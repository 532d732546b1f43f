// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue.c - the order of messages and the room for them: pure data, no locks
 * and no waiters of its own. Callers hold the mailbox's lock.
 *
 * A message is in up to three orders at once:
 *
 *   level    all messages of its priority, first in first out
 *   run      those of them that have its key, likewise: a circle through ->run.
 *            The first of the circle stands for it in the index, by ->head.
 *            A key has at most one run for each priority, so to look for the
 *            best message of a key means to look at one bucket
 *   expiries a time-ordered tree; the one order that costs O(log n)
 */

#include <linux/bitops.h>
#include <linux/siphash.h>

#include "limits.h"
#include "queue.h"

static struct hlist_head *bucket(const struct mbox_queue *queue, u64 key)
{
	return &queue->index[siphash_1u64(key, &queue->seed) >> (64 - queue->index_bits)];
}

static u32 prio_of(const struct mbox_keyed *keyed)
{
	return mbox_keyed_msg(keyed)->prio;
}

static u64 seq_of(const struct mbox_keyed *keyed)
{
	return mbox_keyed_msg(keyed)->seq;
}

static struct mbox_keyed *find_run(const struct mbox_queue *queue, u64 key, u32 prio)
{
	struct mbox_keyed *first;

	hlist_for_each_entry(first, bucket(queue, key), head)
		if (first->key == key && prio_of(first) == prio)
			return first;
	return NULL;
}

/*
 * A new message is the last of its run, one that is put back was the first, and comes behind
 * those only that others took before it and put back: so look at the head, then from the end.
 */
static void index_insert(struct mbox_queue *queue, struct mbox_keyed *keyed)
{
	struct mbox_keyed *first = find_run(queue, keyed->key, prio_of(keyed));
	struct mbox_keyed *prev;

	INIT_LIST_HEAD(&keyed->run);
	INIT_HLIST_NODE(&keyed->head);
	if (!first) {
		hlist_add_head(&keyed->head, bucket(queue, keyed->key));
		return;
	}
	if (seq_of(keyed) < seq_of(first)) {
		list_add_tail(&keyed->run, &first->run);
		hlist_add_behind(&keyed->head, &first->head);
		hlist_del_init(&first->head);
		return;
	}
	prev = list_prev_entry(first, run);
	while (seq_of(prev) > seq_of(keyed))
		prev = list_prev_entry(prev, run);
	list_add(&keyed->run, &prev->run);
}

static void index_del(struct mbox_keyed *keyed)
{
	struct mbox_keyed *next = list_next_entry(keyed, run);

	if (!hlist_unhashed(&keyed->head)) {
		if (next != keyed)
			hlist_add_behind(&next->head, &keyed->head);
		hlist_del_init(&keyed->head);
	}
	list_del_init(&keyed->run);
}

/*
 * 0 if a message of @len bytes fits now, where @msgs with @bytes are, -EAGAIN if it
 * will when others have gone, -ENOBUFS if the system's limit is what it meets.
 * Messages that were put back may have filled the queue over its capacity, so compare
 * sums, not what is left.
 */
int mbox_queue_fits(const struct mbox_queue *queue, u32 msgs, u64 bytes, u32 len)
{
	bool no_end_of_msgs = queue->max_msgs == MBOX_UNBOUNDED;
	bool no_end_of_bytes = queue->max_bytes == MBOX_UNBOUNDED_BYTES;

	if (!no_end_of_msgs && msgs >= queue->max_msgs)
		return -EAGAIN;
	if (!no_end_of_bytes && bytes + len > queue->max_bytes)
		return -EAGAIN;
	if (no_end_of_msgs && msgs >= READ_ONCE(mbox_limits.max_msgs))
		return -ENOBUFS;
	if (no_end_of_bytes && bytes + len > READ_ONCE(mbox_limits.max_bytes))
		return -ENOBUFS;
	return 0;
}

static bool expires(const struct mbox_rare *rare)
{
	return rare && rare->expiry.expires != KTIME_MAX;
}

/* The orders that only some messages are in. */
void mbox_queue_insert_orders(struct mbox_queue *queue, struct mbox_msg *msg)
{
	struct mbox_rare *rare = mbox_msg_rare(msg);

	if (queue->index)
		index_insert(queue, mbox_msg_keyed(msg));
	if (expires(rare))
		timerqueue_add(&queue->expiries, &rare->expiry);
}

void mbox_queue_remove_orders(struct mbox_queue *queue, struct mbox_msg *msg)
{
	struct mbox_rare *rare = mbox_msg_rare(msg);

	if (queue->index)
		index_del(mbox_msg_keyed(msg));
	if (expires(rare))
		timerqueue_del(&queue->expiries, &rare->expiry);
}

/* How many of them, which may be spares, surely fit, one after the other. */
u32 mbox_queue_has_room_for(const struct mbox_queue *queue, struct mbox_msg **msgs, u32 nr)
{
	u32 max_msgs = min(queue->max_msgs, READ_ONCE(mbox_limits.max_msgs));
	u64 max_bytes = min_t(u64, queue->max_bytes, READ_ONCE(mbox_limits.max_bytes));
	u64 bytes = queue->bytes;
	u32 i;

	if (queue->msgs >= max_msgs)
		return 0;
	nr = min(nr, max_msgs - queue->msgs);
	/* If all would, were they as long as the longest may be. */
	if (bytes + nr * MBOX_SPARE_SIZE <= max_bytes)
		return nr;
	for (i = 0; i < nr; i++) {
		bytes += msgs[i]->len;
		if (bytes > max_bytes)
			break;
	}
	return i;
}

static void splice(struct mbox_queue *queue, struct mbox_msg *first, struct mbox_msg *last)
{
	mbox_levels_splice(&queue->levels, &first->node, &last->node, last->prio);
}

/*
 * Accept new messages, at least one, that are MBOX_PLAIN, as mbox_queue_add() does it with
 * each in turn: linked with each other first they take 50 instructions less each.
 */
void mbox_queue_add_many(struct mbox_queue *queue, struct mbox_msg **msgs, u32 nr)
{
	struct mbox_msg *first = msgs[0], *former = first;
	u64 bytes = queue->bytes;
	u32 i;

	for (i = 0; i < nr; i++) {
		struct mbox_msg *msg = msgs[i];

		msg->seq = queue->seq + 1 + i;
		bytes += msg->len;
		if (msg->prio == former->prio) {
			former->node.next = &msg->node;
			msg->node.prev = &former->node;
		} else {
			splice(queue, first, former);
			first = msg;
		}
		former = msg;
	}
	splice(queue, first, former);
	queue->seq += nr;
	queue->msgs += nr;
	queue->bytes = bytes;
	queue->msgs_high = max(queue->msgs_high, queue->msgs);
	queue->bytes_high = max(queue->bytes_high, bytes);
}

/* The first messages, at least one, in order, which are MBOX_PLAIN, leave it likewise. */
void mbox_queue_del_first(struct mbox_queue *queue, struct mbox_msg **msgs, u32 nr)
{
	struct mbox_levels *levels = &queue->levels;
	struct mbox_msg *last = msgs[nr - 1];
	u64 bytes = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		bytes += msgs[i]->len;
	queue->msgs -= nr;
	queue->bytes -= bytes;
	/* Those of higher priority than the last one are all that there were. */
	levels->used &= BIT(last->prio) | (BIT(last->prio) - 1);
	mbox_levels_cut(levels, &last->node, last->prio);
}

static u64 seq_at(const struct list_head *node)
{
	return list_entry(node, struct mbox_msg, node)->seq;
}

/* Before which one of its level, which is used, a message has its place; NULL: the last one. */
static struct list_head *place_of(const struct mbox_levels *levels, const struct mbox_msg *msg)
{
	struct list_head *first = mbox_levels_first_of(levels, msg->prio);
	struct list_head *last = levels->last[msg->prio], *next;

	if (seq_at(first) > msg->seq)
		return first;
	if (seq_at(last) < msg->seq)
		return NULL;
	/* From whichever end is nearer. */
	if (msg->seq - seq_at(first) > seq_at(last) - msg->seq) {
		for (next = last; seq_at(next->prev) > msg->seq; next = next->prev)
			;
		return next;
	}
	for (next = first; seq_at(next) < msg->seq; next = next->next)
		;
	return next;
}

/*
 * Return a message that was handed out and could not be delivered to its place. If it was
 * the first of all, that is near the head: before it are those only that were put back
 * meanwhile. One that was looked for by key may have to be brought back to the middle of
 * the queue: this is the one step whose cost grows with that.
 */
void mbox_queue_put_back(struct mbox_queue *queue, struct mbox_msg *msg)
{
	struct mbox_levels *levels = &queue->levels;
	struct list_head *next = NULL;

	if (levels->used & BIT(msg->prio))
		next = place_of(levels, msg);
	if (next)
		list_add_tail(&msg->node, next);
	else
		mbox_levels_add(levels, &msg->node, msg->prio);
	msg->counted = true;
	mbox_queue_insert(queue, msg);
}

struct mbox_msg *mbox_queue_least(const struct mbox_queue *queue)
{
	const struct mbox_levels *levels = &queue->levels;

	if (!levels->used)
		return NULL;
	return list_entry(mbox_levels_first_of(levels, __ffs(levels->used)),
			  struct mbox_msg, node);
}

/* The message behind @nth others, in order. */
struct mbox_msg *mbox_queue_nth(const struct mbox_queue *queue, u32 nth)
{
	const struct mbox_levels *levels = &queue->levels;
	u32 used = levels->used;
	struct list_head *node;

	while (used) {
		u32 prio = __fls(used);

		for (node = mbox_levels_first_of(levels, prio); node;
		     node = mbox_levels_next_of(levels, node, prio))
			if (!nth--)
				return list_entry(node, struct mbox_msg, node);
		used &= ~BIT(prio);
	}
	return NULL;
}

/* The first message of that key, of the highest or the least priority. */
struct mbox_msg *mbox_queue_find(const struct mbox_queue *queue, u64 key, bool least)
{
	struct mbox_keyed *best = NULL, *first;

	hlist_for_each_entry(first, bucket(queue, key), head) {
		if (first->key != key)
			continue;
		if (!best || (least ? prio_of(first) < prio_of(best) :
				      prio_of(first) > prio_of(best)))
			best = first;
	}
	return best ? mbox_keyed_msg(best) : NULL;
}

/* The message that expires first. */
struct mbox_msg *mbox_queue_expiring(struct mbox_queue *queue)
{
	struct timerqueue_node *node = timerqueue_getnext(&queue->expiries);

	return node ? mbox_rare_msg(container_of(node, struct mbox_rare, expiry)) : NULL;
}
