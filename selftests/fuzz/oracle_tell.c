// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_tell.c - what the kernel writes into structures and buffers, as far as it can, and
 * the end of a call that waited.
 */
#include <errno.h>
#include <string.h>

#include "oracle_queue.h"
#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_tell.h"
#include "oracle_world.h"

/* Write a structure back from offset @from to offset @to, as far as the program knows it. */
int tell_fields(struct action *x, void *image, const void *made, size_t from, size_t to)
{
	bool item = image != &x->arg;

	if (!item)
		to = MIN(to, x->size);
	if (to <= from)
		return 0;
	if (!item && x->place != GOOD)
		return EFAULT;
	memcpy((char *)image + from, (const char *)made + from, to - from);
	return 0;
}

void tell_clock(struct actor *actor, uint64_t stamp)
{
	actor->clock = MAX(actor->clock, stamp) + 1;
}

/* A call that waited is over. */
void tell_end(struct world *w, int who, int error)
{
	struct actor *actor = &w->actors[who];

	actor->expect.error = error;
	if (error)
		actor->expect.value = -1;
	actor->waits = NOTHING;
	actor->done = true;
}

static bool item_waits_for_receiver(const struct box *b, const struct mbox_send *send)
{
	return send->flags & MBOX_SEND_SYNC || queue_is_rendezvous(b);
}

/* Where what is told of the sending goes, if anywhere. */
struct mbox_send *tell_send_of(struct actor *actor)
{
	struct action *x = &actor->expect;

	if (x->what == SEND)
		return &x->arg.send;
	return x->what == SEND_BATCH ? &x->items[x->arg.batch.done].send : NULL;
}

/* @peer: the process that received it, if that is to be told. */
void tell_sent(struct world *w, const struct box *b, int who,
	       const struct message *msg, int32_t peer)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_send *image = tell_send_of(&w->actors[who]), made;

	if (x->what == WRITE)
		x->value = x->len;
	if (image) {
		made = *image;
		made.receiver = peer;
		made.stamp = msg->stamp;
		if (item_waits_for_receiver(b, image))
			tell_fields(x, image, &made, offsetof(struct mbox_send, receiver),
				    END_OF(mbox_send, receiver));
		if (image->flags & MBOX_SEND_STAMP)
			tell_fields(x, image, &made, offsetof(struct mbox_send, stamp),
				    END_OF(mbox_send, stamp));
	}
	tell_end(w, who, 0);
}

/* Where what is told of the receipt goes, if anywhere. */
struct mbox_recv *tell_recv_of(struct actor *actor)
{
	struct action *x = &actor->expect;

	if (x->what == RECV)
		return &x->arg.recv;
	return x->what == RECV_BATCH ? &x->items[x->arg.batch.done].recv : NULL;
}

int tell_needs(struct world *w, int who, const struct box *b, const struct message *msg)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_recv *image = tell_recv_of(&w->actors[who]);
	struct mbox_recv made;
	int error;

	if (!image)
		return EMSGSIZE;
	made = *image;
	made.len = msg->len;
	made.from = b->id;
	made.nr_files = 0;
	error = tell_fields(x, image, &made, offsetof(struct mbox_recv, len), END_OF(mbox_recv, len));
	if (!error)
		error = tell_fields(x, image, &made, offsetof(struct mbox_recv, from),
				    END_OF(mbox_recv, from));
	if (!error)
		error = tell_fields(x, image, &made, offsetof(struct mbox_recv, nr_files),
				    END_OF(mbox_recv, nr_files));
	return error ? error : EMSGSIZE;
}

static void fill_envelope(const struct actor *r, const struct box *b,
			  const struct message *msg, struct mbox_recv *made)
{
	made->len = msg->len;
	made->seq = msg->seq;
	made->prio = msg->prio;
	made->pid = msg->from.pid;
	made->uid = msg->from.uid;
	made->gid = msg->from.uid;
	made->tag = msg->tag;
	made->from = b->id;
	made->owned = 0;
	made->stamp = msg->stamp;
	made->clock = r->stamp;
	made->sender = msg->from.id;
	/* Which token it is nobody can tell beforehand: see oracle_learn(). */
	made->token = 0;
	made->tid = msg->from.pid;
	made->got = (msg->shared ? MBOX_GOT_SHARED : 0) |
		    (msg->request != NOBODY ? MBOX_GOT_REQUEST : 0);
	made->nr_files = 0;
}

/* Everything that goes to the receiver: 0 or EFAULT. */
int tell_message(struct world *w, int who, struct box *b, const struct message *msg)
{
	struct actor *r = &w->actors[who];
	struct action *x = &r->expect;
	struct mbox_recv *image = tell_recv_of(r);
	unsigned int item = x->what == RECV_BATCH ? x->arg.batch.done : 0;
	uint64_t room = image ? image->size : x->len, len = MIN(msg->len, room);
	struct mbox_recv made;
	bool accepts;
	int error = 0;

	accepts = r->accepts && rights_deed_holds(w, msg);
	if (accepts)
		error = quota_take_over(w, who, who, &w->boxes[msg->deed]);
	if (error)
		return error;
	if (x->bad && len && (x->what != RECV_BATCH || item == ITEMS_MAX - 1))
		return EFAULT;
	action_fill(x->out[item], msg->number, len);
	if (!image) {
		x->value = msg->len;
		return 0;
	}
	made = *image;
	fill_envelope(r, b, msg, &made);
	r->requests[item] = r->peek ? NOBODY : msg->request;
	error = tell_fields(x, image, &made, offsetof(struct mbox_recv, len),
			    offsetof(struct mbox_recv, match));
	if (!error && accepts) {
		made.owned = w->boxes[msg->deed].id;
		rights_new_owner(w, &w->boxes[msg->deed], who);
	}
	if (!error)
		error = tell_fields(x, image, &made, offsetof(struct mbox_recv, owned),
				    END_OF(mbox_recv, nr_files));
	return error;
}
