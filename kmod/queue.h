/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_QUEUE_H
#define MBOX_QUEUE_H

#include <linux/bitops.h>

#include "limits.h"
#include "mbox.h"

/*
 * At the end: from @first to @last, which are linked with each other already. What list.h
 * does in kernels that check their lists (CONFIG_DEBUG_LIST, as Debian's) would take 25
 * instructions more, here and in mbox_levels_cut().
 */
static inline void mbox_levels_splice(struct mbox_levels *levels, struct list_head *first,
				      struct list_head *last, u32 prio)
{
	struct list_head *former = levels->used & BIT(prio) ? levels->last[prio] : last;

	last->next = former == last ? first : former->next;
	last->next->prev = last;
	former->next = first;
	first->prev = former;
	levels->used |= BIT(prio);
	levels->last[prio] = last;
}

static inline void mbox_levels_add(struct mbox_levels *levels, struct list_head *node, u32 prio)
{
	mbox_levels_splice(levels, node, node, prio);
}

static inline void mbox_levels_del(struct mbox_levels *levels, struct list_head *node, u32 prio)
{
	if (list_empty(node))
		levels->used &= ~BIT(prio);
	else if (levels->last[prio] == node)
		levels->last[prio] = node->prev;
	list_del_init(node);
}

/* All up to @node, which are not to be looked at from one to the next any more. */
static inline void mbox_levels_cut(struct mbox_levels *levels, struct list_head *node, u32 prio)
{
	struct list_head *last = levels->last[prio];

	if (node == last) {
		levels->used &= ~BIT(prio);
		return;
	}
	last->next = node->next;
	node->next->prev = last;
}

/* Of a priority that is used; then the next one, or NULL. */
static inline struct list_head *mbox_levels_first_of(const struct mbox_levels *levels, u32 prio)
{
	return levels->last[prio]->next;
}

static inline struct list_head *mbox_levels_next_of(const struct mbox_levels *levels,
						    const struct list_head *node, u32 prio)
{
	return node == levels->last[prio] ? NULL : node->next;
}

/* Of the highest priority, or NULL. */
static inline struct list_head *mbox_levels_first(const struct mbox_levels *levels)
{
	return levels->used ? mbox_levels_first_of(levels, __fls(levels->used)) : NULL;
}

/*
 * Whether a message of @len bytes surely fits, without a look at what is unbounded and what
 * the system allows now.
 */
static inline bool mbox_queue_has_room(const struct mbox_queue *queue, u32 len)
{
	return queue->msgs < min(queue->max_msgs, READ_ONCE(mbox_limits.max_msgs)) &&
	       queue->bytes + len <= min_t(u64, queue->max_bytes,
					   READ_ONCE(mbox_limits.max_bytes));
}

int mbox_queue_fits(const struct mbox_queue *queue, u32 msgs, u64 bytes, u32 len);
u32 mbox_queue_has_room_for(const struct mbox_queue *queue, struct mbox_msg **msgs, u32 nr);
void mbox_queue_add_many(struct mbox_queue *queue, struct mbox_msg **msgs, u32 nr);
void mbox_queue_del_first(struct mbox_queue *queue, struct mbox_msg **msgs, u32 nr);
void mbox_queue_put_back(struct mbox_queue *queue, struct mbox_msg *msg);
void mbox_queue_insert_orders(struct mbox_queue *queue, struct mbox_msg *msg);
void mbox_queue_remove_orders(struct mbox_queue *queue, struct mbox_msg *msg);

/* Of a message that is in its level. */
static inline void mbox_queue_insert(struct mbox_queue *queue, struct mbox_msg *msg)
{
	if (msg->form != MBOX_PLAIN)
		mbox_queue_insert_orders(queue, msg);
	if (!msg->counted)
		return;
	queue->msgs++;
	queue->bytes += msg->len;
	queue->msgs_high = max(queue->msgs_high, queue->msgs);
	queue->bytes_high = max(queue->bytes_high, queue->bytes);
}

/* Accept a new message: it gets its sequence number here. */
static inline void mbox_queue_add(struct mbox_queue *queue, struct mbox_msg *msg)
{
	msg->seq = ++queue->seq;
	mbox_levels_add(&queue->levels, &msg->node, msg->prio);
	mbox_queue_insert(queue, msg);
}

/*
 * A new message goes to a receiver at once: nobody can tell that it was not queued for a
 * moment.
 */
static inline void mbox_queue_pass(struct mbox_queue *queue, struct mbox_msg *msg)
{
	msg->seq = ++queue->seq;
	queue->msgs_high = max(queue->msgs_high, queue->msgs + 1);
	queue->bytes_high = max(queue->bytes_high, queue->bytes + msg->len);
}

static inline void mbox_queue_del(struct mbox_queue *queue, struct mbox_msg *msg)
{
	mbox_levels_del(&queue->levels, &msg->node, msg->prio);
	if (msg->form != MBOX_PLAIN)
		mbox_queue_remove_orders(queue, msg);
	if (msg->counted) {
		queue->msgs--;
		queue->bytes -= msg->len;
	}
}

/* The same of the first one, which nobody asks then whether it is in a list. */
static inline void mbox_queue_del_head(struct mbox_queue *queue, struct mbox_msg *msg)
{
	mbox_levels_cut(&queue->levels, &msg->node, msg->prio);
	if (msg->form != MBOX_PLAIN)
		mbox_queue_remove_orders(queue, msg);
	queue->msgs--;
	queue->bytes -= msg->len;
}

static inline struct mbox_msg *mbox_queue_first(const struct mbox_queue *queue)
{
	struct list_head *first = mbox_levels_first(&queue->levels);

	return first ? list_entry(first, struct mbox_msg, node) : NULL;
}

/* The one after @msg, in order, or NULL. */
static inline struct mbox_msg *mbox_queue_next(const struct mbox_queue *queue,
					       const struct mbox_msg *msg)
{
	const struct mbox_levels *levels = &queue->levels;
	u32 lower;

	if (&msg->node != levels->last[msg->prio])
		return list_entry(msg->node.next, struct mbox_msg, node);
	lower = levels->used & (BIT(msg->prio) - 1);
	if (!lower)
		return NULL;
	return list_entry(mbox_levels_first_of(levels, __fls(lower)), struct mbox_msg, node);
}

struct mbox_msg *mbox_queue_least(const struct mbox_queue *queue);
struct mbox_msg *mbox_queue_nth(const struct mbox_queue *queue, u32 nth);
struct mbox_msg *mbox_queue_find(const struct mbox_queue *queue, u64 key, bool least);
struct mbox_msg *mbox_queue_expiring(struct mbox_queue *queue);

#endif /* MBOX_QUEUE_H */
