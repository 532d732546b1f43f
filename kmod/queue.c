// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue.c - the order of messages and the room for them: pure data, no locks
 * and no waiters of its own. Callers hold the mailbox's lock.
 */

#include <linux/bitops.h>

#include "queue.h"

static struct list_head *open_level(struct mbox_levels *levels, u32 prio)
{
	struct list_head *level = &levels->level[prio];

	if (!(levels->used & BIT(prio))) {
		INIT_LIST_HEAD(level);
		levels->used |= BIT(prio);
	}
	return level;
}

void mbox_levels_add(struct mbox_levels *levels, struct list_head *node, u32 prio)
{
	list_add_tail(node, open_level(levels, prio));
}

void mbox_levels_del(struct mbox_levels *levels, struct list_head *node, u32 prio)
{
	list_del(node);
	if (list_empty(&levels->level[prio]))
		levels->used &= ~BIT(prio);
}

struct list_head *mbox_levels_first(const struct mbox_levels *levels)
{
	if (!levels->used)
		return NULL;
	return levels->level[__fls(levels->used)].next;
}

/*
 * Messages that were put back may have filled the queue over its capacity, so
 * compare sums, not what is left.
 */
bool mbox_queue_fits(const struct mbox_queue *queue, u32 len)
{
	return queue->msgs < queue->max_msgs &&
	       queue->bytes + len <= queue->max_bytes;
}

static void count_in(struct mbox_queue *queue, const struct mbox_msg *msg)
{
	queue->msgs++;
	queue->bytes += msg->len;
	queue->msgs_high = max(queue->msgs_high, queue->msgs);
	queue->bytes_high = max(queue->bytes_high, queue->bytes);
}

/* Accept a new message: it gets its sequence number here. */
void mbox_queue_add(struct mbox_queue *queue, struct mbox_msg *msg)
{
	msg->seq = ++queue->seq;
	mbox_levels_add(&queue->levels, &msg->node, msg->prio);
	count_in(queue, msg);
}

/*
 * Return a message that was handed out and could not be delivered to its place.
 * It was the first of its level once, so the place is near the head: only other
 * messages that were put back meanwhile can stand before it.
 */
void mbox_queue_put_back(struct mbox_queue *queue, struct mbox_msg *msg)
{
	struct list_head *level = open_level(&queue->levels, msg->prio);
	struct mbox_msg *next;

	list_for_each_entry(next, level, node)
		if (next->seq > msg->seq)
			break;
	list_add_tail(&msg->node, &next->node);
	count_in(queue, msg);
}

struct mbox_msg *mbox_queue_first(const struct mbox_queue *queue)
{
	struct list_head *first = mbox_levels_first(&queue->levels);

	return first ? list_entry(first, struct mbox_msg, node) : NULL;
}

void mbox_queue_del(struct mbox_queue *queue, struct mbox_msg *msg)
{
	mbox_levels_del(&queue->levels, &msg->node, msg->prio);
	queue->msgs--;
	queue->bytes -= msg->len;
}

/* Move all messages to @msgs, in no order that matters: they are dropped. */
void mbox_queue_drain(struct mbox_queue *queue, struct list_head *msgs)
{
	struct mbox_levels *levels = &queue->levels;

	while (levels->used) {
		u32 prio = __fls(levels->used);

		list_splice(&levels->level[prio], msgs);
		levels->used &= ~BIT(prio);
	}
	queue->msgs = 0;
	queue->bytes = 0;
}
