// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue.c - the order of messages and the room for them: pure data, no locks
 * and no waiters of its own. Callers hold the mailbox's lock.
 *
 * A message is in up to three orders at once:
 *
 *   level    all messages of its priority, first in first out
 *   run      those of them that have its key, likewise: a circle through ->run.
 *            The first of the circle stands for it in the index, by ->run_head.
 *            A key has at most one run for each priority, so to look for the
 *            best message of a key means to look at one bucket
 *   expiries a time-ordered tree; the one order that costs O(log n)
 */

#include <linux/bitops.h>
#include <linux/siphash.h>

#include "limits.h"
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
	list_del_init(node);
	if (list_empty(&levels->level[prio]))
		levels->used &= ~BIT(prio);
}

struct list_head *mbox_levels_first(const struct mbox_levels *levels)
{
	if (!levels->used)
		return NULL;
	return levels->level[__fls(levels->used)].next;
}

static struct hlist_head *bucket(const struct mbox_queue *queue, u64 key)
{
	return &queue->index[siphash_1u64(key, &queue->seed) >> (64 - queue->index_bits)];
}

static struct mbox_msg *find_run(const struct mbox_queue *queue, u64 key, u32 prio)
{
	struct mbox_msg *head;

	hlist_for_each_entry(head, bucket(queue, key), run_head)
		if (head->key == key && head->prio == prio)
			return head;
	return NULL;
}

/*
 * A new message is the last of its run, one that is put back was the first: so
 * look at the head, then from the end.
 */
static void index_insert(struct mbox_queue *queue, struct mbox_msg *msg)
{
	struct mbox_msg *head = find_run(queue, msg->key, msg->prio);
	struct mbox_msg *prev;

	INIT_LIST_HEAD(&msg->run);
	INIT_HLIST_NODE(&msg->run_head);
	if (!head) {
		hlist_add_head(&msg->run_head, bucket(queue, msg->key));
		return;
	}
	if (msg->seq < head->seq) {
		list_add_tail(&msg->run, &head->run);
		hlist_add_behind(&msg->run_head, &head->run_head);
		hlist_del_init(&head->run_head);
		return;
	}
	prev = list_prev_entry(head, run);
	while (prev->seq > msg->seq)
		prev = list_prev_entry(prev, run);
	list_add(&msg->run, &prev->run);
}

static void index_del(struct mbox_msg *msg)
{
	struct mbox_msg *next = list_next_entry(msg, run);

	if (!hlist_unhashed(&msg->run_head)) {
		if (next != msg)
			hlist_add_behind(&next->run_head, &msg->run_head);
		hlist_del_init(&msg->run_head);
	}
	list_del_init(&msg->run);
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

static void count_in(struct mbox_queue *queue, const struct mbox_msg *msg)
{
	if (!msg->counted)
		return;
	queue->msgs++;
	queue->bytes += msg->len;
	queue->msgs_high = max(queue->msgs_high, queue->msgs);
	queue->bytes_high = max(queue->bytes_high, queue->bytes);
}

static void add_expiry(struct mbox_queue *queue, struct mbox_msg *msg)
{
	if (msg->expiry.expires != KTIME_MAX)
		timerqueue_add(&queue->expiries, &msg->expiry);
}

/* Accept a new message: it gets its sequence number here. */
void mbox_queue_add(struct mbox_queue *queue, struct mbox_msg *msg)
{
	msg->seq = ++queue->seq;
	mbox_levels_add(&queue->levels, &msg->node, msg->prio);
	if (queue->index)
		index_insert(queue, msg);
	add_expiry(queue, msg);
	count_in(queue, msg);
}

/*
 * Return a message that was handed out and could not be delivered to its place.
 * It was near the head of its level once, so the place is there: only messages
 * that others looked for by key and those put back meanwhile stand before it.
 */
void mbox_queue_put_back(struct mbox_queue *queue, struct mbox_msg *msg)
{
	struct list_head *level = open_level(&queue->levels, msg->prio);
	struct mbox_msg *next;

	list_for_each_entry(next, level, node)
		if (next->seq > msg->seq)
			break;
	list_add_tail(&msg->node, &next->node);
	if (queue->index)
		index_insert(queue, msg);
	add_expiry(queue, msg);
	msg->counted = true;
	count_in(queue, msg);
}

void mbox_queue_del(struct mbox_queue *queue, struct mbox_msg *msg)
{
	mbox_levels_del(&queue->levels, &msg->node, msg->prio);
	if (queue->index)
		index_del(msg);
	if (msg->expiry.expires != KTIME_MAX)
		timerqueue_del(&queue->expiries, &msg->expiry);
	if (msg->counted) {
		queue->msgs--;
		queue->bytes -= msg->len;
	}
}

static struct mbox_msg *first_of(const struct list_head *level)
{
	return list_first_entry(level, struct mbox_msg, node);
}

struct mbox_msg *mbox_queue_first(const struct mbox_queue *queue)
{
	u32 used = queue->levels.used;

	return used ? first_of(&queue->levels.level[__fls(used)]) : NULL;
}

struct mbox_msg *mbox_queue_least(const struct mbox_queue *queue)
{
	u32 used = queue->levels.used;

	return used ? first_of(&queue->levels.level[__ffs(used)]) : NULL;
}

/* The message behind @nth others, in order. */
struct mbox_msg *mbox_queue_nth(const struct mbox_queue *queue, u32 nth)
{
	u32 used = queue->levels.used;
	struct mbox_msg *msg;

	while (used) {
		u32 prio = __fls(used);

		list_for_each_entry(msg, &queue->levels.level[prio], node)
			if (!nth--)
				return msg;
		used &= ~BIT(prio);
	}
	return NULL;
}

/* The first message of that key, of the highest or the least priority. */
struct mbox_msg *mbox_queue_find(const struct mbox_queue *queue, u64 key, bool least)
{
	struct mbox_msg *best = NULL, *head;

	hlist_for_each_entry(head, bucket(queue, key), run_head) {
		if (head->key != key)
			continue;
		if (!best || (least ? head->prio < best->prio : head->prio > best->prio))
			best = head;
	}
	return best;
}

/* The message that expires first. */
struct mbox_msg *mbox_queue_expiring(struct mbox_queue *queue)
{
	struct timerqueue_node *node = timerqueue_getnext(&queue->expiries);

	return node ? container_of(node, struct mbox_msg, expiry) : NULL;
}
