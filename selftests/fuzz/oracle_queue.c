// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_queue.c - the order of messages, the room for them, and a user's share of that. It
 * knows of nobody who waits.
 */
#include <errno.h>
#include <string.h>

#include "oracle_queue.h"
#include "oracle_world.h"

bool queue_is_rendezvous(const struct box *b)
{
	return !b->attr.max_msgs;
}

int queue_fits(const struct world *w, const struct box *b, uint32_t len)
{
	bool no_end_of_msgs = b->attr.max_msgs == MBOX_UNBOUNDED;
	bool no_end_of_bytes = b->attr.max_bytes == MBOX_UNBOUNDED_BYTES;

	if (b->attr.flags & MBOX_CREATE_RESERVE)
		return b->slots ? 0 : EAGAIN;
	if (queue_is_rendezvous(b))
		return 0;
	if ((!no_end_of_msgs && b->msgs >= b->attr.max_msgs) ||
	    (!no_end_of_bytes && b->bytes + len > b->attr.max_bytes))
		return EAGAIN;
	if ((no_end_of_msgs && b->msgs >= w->limits.limit_msgs) ||
	    (no_end_of_bytes && b->bytes + len > w->limits.limit_bytes))
		return ENOBUFS;
	return 0;
}

/* It is full without room for a message of the largest size. */
void queue_note_room(const struct world *w, struct box *b)
{
	bool full = b->nr_senders || queue_fits(w, b, b->attr.max_size);

	if (queue_is_rendezvous(b))
		return;
	b->filled += full && !b->full;
	b->full = full;
}

/* By priority, then in the order of acceptance. */
unsigned int queue_add(struct box *b, const struct message *msg)
{
	unsigned int at = 0;

	while (at < b->nr && (b->queue[at].prio > msg->prio ||
			      (b->queue[at].prio == msg->prio && b->queue[at].seq < msg->seq)))
		at++;
	memmove(&b->queue[at + 1], &b->queue[at], (b->nr - at) * sizeof(*msg));
	b->queue[at] = *msg;
	b->nr++;
	if (msg->counted) {
		b->msgs++;
		b->bytes += msg->len;
		b->msgs_high = MAX(b->msgs_high, b->msgs);
		b->bytes_high = MAX(b->bytes_high, b->bytes);
	}
	return at;
}

struct message queue_take(struct box *b, unsigned int at)
{
	struct message msg = b->queue[at];

	b->nr--;
	memmove(&b->queue[at], &b->queue[at + 1], (b->nr - at) * sizeof(msg));
	if (msg.counted) {
		b->msgs--;
		b->bytes -= msg.len;
	}
	return msg;
}

/* The message that suits that receiver best, or NOBODY. */
int queue_best(const struct box *b, const struct actor *r)
{
	int best = NOBODY;
	unsigned int i;

	for (i = 0; i < b->nr; i++) {
		if (r->picky && b->queue[i].key != r->key)
			continue;
		if (best == NOBODY || (r->least && b->queue[i].prio < b->queue[best].prio))
			best = i;
	}
	return best;
}

void queue_uncharge(struct box *b, const struct message *msg)
{
	if (b->share == 100 || queue_is_rendezvous(b))
		return;
	b->shares[msg->user].msgs--;
	b->shares[msg->user].bytes -= msg->len;
}

int queue_charge(const struct world *w, struct box *b, int user, uint32_t len)
{
	uint64_t msgs = b->attr.max_msgs, bytes = b->attr.max_bytes;

	if (b->share == 100 || queue_is_rendezvous(b))
		return 0;
	if (msgs == MBOX_UNBOUNDED)
		msgs = w->limits.limit_msgs;
	if (bytes == MBOX_UNBOUNDED_BYTES)
		bytes = w->limits.limit_bytes;
	if (b->shares[user].msgs &&
	    ((b->shares[user].msgs + 1) * 100ULL > msgs * b->share ||
	     b->shares[user].bytes + len > bytes * b->share / 100)) {
		b->refused++;
		return EXFULL;
	}
	b->shares[user].msgs++;
	b->shares[user].bytes += len;
	return 0;
}

int queue_check_size(const struct box *b, uint64_t len)
{
	if (len > b->attr.max_size)
		return EMSGSIZE;
	return b->attr.flags & MBOX_CREATE_FIXED && len < b->attr.max_size ? EMSGSIZE : 0;
}
