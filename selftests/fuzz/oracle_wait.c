// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_wait.c - those who wait, for a message, a turn, room, a receiver or a reply: who of
 * them is served when something comes, and who has to leave when a right or a mailbox goes.
 */
#include <errno.h>
#include <string.h>

#include "oracle_queue.h"
#include "oracle_rights.h"
#include "oracle_talk.h"
#include "oracle_tell.h"
#include "oracle_wait.h"
#include "oracle_world.h"

static void let_in(struct world *w, struct box *b);

/* It is over with a message: its room, and its place in a share, are free. */
void wait_discard(struct world *w, struct box *b, const struct message *msg)
{
	queue_uncharge(b, msg);
	if (b->attr.flags & MBOX_CREATE_RESERVE && !b->gone) {
		b->slots++;
		wait_settle(w, b);
	}
}

static void remove_int(int *list, unsigned int *nr, int value)
{
	unsigned int i, left = 0;

	for (i = 0; i < *nr; i++)
		if (list[i] != value)
			list[left++] = list[i];
	*nr = left;
}

static void unseat_receiver(struct world *w, int who)
{
	unsigned int i;

	for (i = 0; i < w->actors[who].nr_boxes; i++) {
		struct box *b = &w->boxes[w->actors[who].boxes[i]];

		remove_int(b->receivers, &b->nr_receivers, who);
	}
}

/* Of a choice: the next time the next one comes first. */
static void remember_choice(struct actor *r, const struct mbox_recv *recv)
{
	unsigned int i = 0;

	if (!recv || !(recv->flags & MBOX_RECV_CHOICE))
		return;
	while (r->boxes[i] != r->box)
		i++;
	r->fds[r->expect.fd].next_choice = (r->first + i + 1) % r->nr_boxes;
}

static void leave_later(struct world *w, int who)
{
	w->leaving[w->nr_leaving++] = who;
}

/* One that waits for a message, or for its turn, is told that there will be none. */
void wait_dismiss(struct world *w, struct box *b, int who, int error)
{
	struct actor *r = &w->actors[who];

	r->box = world_index(w, b);
	if (r->waits == A_TURN)
		remove_int(b->turn, &b->nr_turn, who);
	else
		unseat_receiver(w, who);
	if (error != EINTR)
		remember_choice(r, tell_recv_of(r));
	if (r->waits == TO_RECEIVE && b->inside == who) {
		b->inside = NOBODY;
		r->waits = NOTHING;
		let_in(w, b);
	}
	tell_end(w, who, error);
}

/* What follows when a receiver has been told. */
void wait_conclude(struct world *w, int who, struct box *b, const struct message *msg)
{
	struct request *q;

	if (msg->request != NOBODY) {
		q = &w->requests[msg->request];
		if (w->actors[who].wants_token)
			q->holder = q->receiver = who;
		else
			talk_fail(w, msg->request, ECANCELED);
	}
	wait_discard(w, b, msg);
}

/* Has it the right to receive from there by a capability only? */
static bool is_privileged_at(const struct world *w, const struct box *b, int who)
{
	const struct actor *r = &w->actors[who];
	unsigned int i;

	for (i = 0; i < r->nr_boxes; i++)
		if (&w->boxes[r->boxes[i]] == b)
			return r->privileged[i];
	return r->privileged[0];
}

/*
 * Receiver @who is given message @at. False if the message stays, since it looked only
 * or its buffer is too small.
 */
bool wait_give(struct world *w, struct box *b, int who, unsigned int at)
{
	struct actor *r = &w->actors[who], *s;
	struct message *msg = &b->queue[at];
	struct request *q;

	r->box = world_index(w, b);
	remember_choice(r, tell_recv_of(r));
	if (msg->len > r->room) {
		tell_end(w, who, tell_needs(w, who, b, msg));
		return false;
	}
	tell_clock(r, msg->stamp);
	r->stamp = r->clock;
	r->msg = *msg;
	if (r->peek) {
		tell_end(w, who, 0);
		return false;
	}
	if (!rights_deed_holds(w, msg))
		r->msg.deed = NOBODY;
	b->received++;
	b->skipped += at != 0;
	queue_take(b, at);
	if (r->msg.request != NOBODY) {
		b->sent++;
		q = &w->requests[r->msg.request];
		q->held = true;
		q->receiver = who;
		q->privileged = is_privileged_at(w, b, who);
	} else if (r->msg.waiter != NOBODY) {
		b->sent++;
		s = &w->actors[r->msg.waiter];
		tell_clock(s, r->stamp);
		tell_sent(w, b, r->msg.waiter, &r->msg, r->self.pid);
		r->msg.waiter = NOBODY;
	}
	r->msg.counted = at != 0;	/* whether others were before it: see wait_put_back() */
	tell_end(w, who, 0);
	return true;
}

/* Offer a queued message to those who wait. */
static void offer(struct world *w, struct box *b, uint64_t seq)
{
	unsigned int i, at;

	for (i = 0; i < b->nr_receivers; i++) {
		int who = b->receivers[i];
		struct actor *r = &w->actors[who];

		for (at = 0; at < b->nr && b->queue[at].seq != seq; at++)
			;
		if (at == b->nr)
			return;
		if (r->picky && r->key != b->queue[at].key)
			continue;
		unseat_receiver(w, who);
		i = -1;
		leave_later(w, who);
		if (wait_give(w, b, who, at))
			return;
		/* What it is told of what it looked at is told at last. */
	}
}

/* The message of a sender that has room enters the queue. */
static void accept(struct world *w, struct box *b, int who)
{
	struct actor *s = &w->actors[who];
	const struct mbox_send *send = tell_send_of(s);
	struct message *msg = &s->msg;

	msg->counted = !queue_is_rendezvous(b);
	msg->seq = ++b->seq;
	msg->stamp = ++s->clock;
	s->box = world_index(w, b);
	if (msg->request != NOBODY) {
		w->requests[msg->request].caller = who;
		msg->waiter = who;
		s->waits = A_REPLY;
	} else if (queue_is_rendezvous(b) || (send && send->flags & MBOX_SEND_SYNC)) {
		msg->waiter = who;
		s->waits = A_RECEIVER;
	} else {
		b->sent++;
		tell_sent(w, b, who, msg, 0);
	}
	queue_add(b, msg);
	offer(w, b, msg->seq);
}

/* Senders that wait for room are admitted, as long as there is some. */
void wait_settle(struct world *w, struct box *b)
{
	while (!b->gone && b->nr_senders) {
		int who = b->senders[0];
		int error = queue_fits(w, b, w->actors[who].msg.len);

		if (error == EAGAIN)
			break;
		remove_int(b->senders, &b->nr_senders, who);
		if (error) {
			b->refused++;
			wait_discard(w, b, &w->actors[who].msg);
			tell_end(w, who, error);
			continue;
		}
		if (b->attr.flags & MBOX_CREATE_RESERVE)
			b->slots--;
		accept(w, b, who);
	}
	if (!b->gone && !w->undecided)
		queue_note_room(w, b);
}

void wait_seat_sender(struct world *w, struct box *b, int who)
{
	unsigned int at = b->nr_senders++;

	while (at && w->actors[b->senders[at - 1]].msg.prio < w->actors[who].msg.prio) {
		b->senders[at] = b->senders[at - 1];
		at--;
	}
	b->senders[at] = who;
	w->actors[who].waits = ROOM;
	w->actors[who].box = world_index(w, b);
}

/* A message that its receiver could not take returns to its place. */
void wait_put_back(struct world *w, struct box *b, struct message *msg)
{
	bool skips = msg->counted;
	struct request *q;

	b->received--;
	b->skipped -= skips;
	if (msg->request != NOBODY) {
		q = &w->requests[msg->request];
		b->sent--;
		q->held = false;
		if (q->caller == NOBODY) {
			wait_discard(w, b, msg);
			return;
		}
		msg->waiter = q->caller;
	}
	msg->counted = true;
	queue_add(b, msg);
	offer(w, b, msg->seq);
	wait_settle(w, b);
}

/* Where the message is that this actor's call waits with, or NOBODY. */
static int queued_by(const struct box *b, int who)
{
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		if (b->queue[i].waiter == who)
			return i;
	return NOBODY;
}

/* What a sender leaves behind. */
struct remains {
	struct message msg;
	bool queued;
};

/* Out of where a sender waits; false if it leaves nothing. */
static bool step_out(struct world *w, struct box *b, int who, struct remains *remains)
{
	struct actor *s = &w->actors[who];
	int at = queued_by(b, who);
	bool held = false;

	remains->msg = s->msg;
	remains->queued = at != NOBODY;

	if (s->msg.request != NOBODY) {
		struct request *q = &w->requests[s->msg.request];

		held = q->held || (s->waits == A_REPLY && at == NOBODY);
		q->held = false;
		q->caller = NOBODY;
	}
	s->waits = NOTHING;
	if (held)
		return false;
	if (at != NOBODY)
		queue_take(b, at);
	else
		remove_int(b->senders, &b->nr_senders, who);
	return !b->gone;
}

/* Who waits for a slot has none. */
static void clear_away(struct world *w, struct box *b, const struct remains *remains)
{
	if (remains->queued)
		wait_discard(w, b, &remains->msg);
	else
		queue_uncharge(b, &remains->msg);
}

/* A sender gives up, or has to. */
void wait_withdraw(struct world *w, struct box *b, int who)
{
	struct remains remains;

	if (!step_out(w, b, who, &remains))
		return;
	wait_settle(w, b);
	clear_away(w, b, &remains);
}

static void let_in(struct world *w, struct box *b)
{
	while (b->inside == NOBODY && b->nr_turn && !b->gone) {
		int who = b->turn[0];
		int error;

		remove_int(b->turn, &b->nr_turn, who);
		b->inside = who;
		w->actors[who].waits = NOTHING;
		error = wait_receive(w, b, who, 0);
		if (error != WAITS) {
			tell_end(w, who, error);
			leave_later(w, who);
		}
	}
}

void wait_leave_gate(struct world *w, struct box *b, int who)
{
	if (b->inside != who)
		return;
	b->inside = NOBODY;
	let_in(w, b);
}

/* Those who have been served do what is left to do. */
void wait_drain(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_leaving; i++) {
		int who = w->leaving[i];
		struct actor *r = &w->actors[who];
		struct box *b = &w->boxes[r->box];

		if (!r->expect.error) {
			r->expect.error = tell_message(w, who, b, &r->msg);
			if (!r->peek)
				wait_conclude(w, who, b, &r->msg);
		}
		wait_leave_gate(w, b, who);
	}
	w->nr_leaving = 0;
}

/* Did that process have the right by what it has no more? */
static bool has_lost(struct world *w, const struct box *b, int who, bool privileged,
		     unsigned int right)
{
	if (privileged || rights_of(w, b, who) & right)
		return false;
	if (rights_is_root(w, who))
		world_lose_track(w, "root waits by a capability from now on");
	return true;
}

/* All have lost it before one of them makes room for another: those who wait for that first. */
static void recheck_receivers(struct world *w, struct box *b)
{
	int list[ACTORS * IDS_MAX + ACTORS];
	unsigned int nr = b->nr_turn, i;

	memcpy(list, b->turn, nr * sizeof(list[0]));
	memcpy(list + nr, b->receivers, b->nr_receivers * sizeof(list[0]));
	nr += b->nr_receivers;
	for (i = 0; i < nr; i++) {
		int who = list[i];

		if ((w->actors[who].waits == TO_RECEIVE || w->actors[who].waits == A_TURN) &&
		    has_lost(w, b, who, is_privileged_at(w, b, who), MBOX_RIGHT_RECV))
			wait_dismiss(w, b, who, EKEYREVOKED);
	}
}

/* Likewise: what one of them had queued makes room for none of the others. */
static void recheck_senders(struct world *w, struct box *b)
{
	struct remains remains[ACTORS];
	unsigned int nr = 0, i;
	int who;

	for (who = 0; who < ACTORS; who++) {
		struct actor *s = &w->actors[who];

		if (s->waits < ROOM || &w->boxes[s->box] != b)
			continue;
		if (s->waits != ROOM && queued_by(b, who) == NOBODY)
			continue;
		if (!has_lost(w, b, who, s->privileged[0], MBOX_RIGHT_SEND))
			continue;
		nr += step_out(w, b, who, &remains[nr]);
		tell_end(w, who, EKEYREVOKED);
	}
	wait_settle(w, b);
	for (i = 0; i < nr; i++)
		clear_away(w, b, &remains[i]);
}

static void recheck_requests(struct world *w, struct box *b)
{
	unsigned int i;

	for (i = 0; i < w->nr_requests; i++) {
		struct request *q = &w->requests[i];

		if (!q->held || q->caller == NOBODY || &w->boxes[q->box] != b ||
		    (q->holder != NOBODY && q->holder != q->receiver))
			continue;
		if (!q->privileged && !(rights_of(w, b, q->receiver) & MBOX_RIGHT_RECV))
			talk_fail(w, i, EKEYREJECTED);
	}
}

void wait_recheck(struct world *w, struct box *b)
{
	recheck_receivers(w, b);
	recheck_senders(w, b);
	recheck_requests(w, b);
	wait_settle(w, b);
}

void wait_end_box(struct world *w, struct box *b)
{
	unsigned int i;
	int who;

	b->gone = true;
	rights_void_offer(b);
	for (who = 0; who < ACTORS; who++) {
		struct actor *actor = &w->actors[who];
		bool here = false;

		for (i = 0; i < b->nr_receivers; i++)
			here |= b->receivers[i] == who;
		for (i = 0; i < b->nr_turn; i++)
			here |= b->turn[i] == who;
		if (here)
			wait_dismiss(w, b, who, EIDRM);
		else if (actor->waits >= ROOM && &w->boxes[actor->box] == b) {
			if (actor->waits == A_REPLY && actor->msg.request != NOBODY)
				talk_fail(w, actor->msg.request, EIDRM);
			else
				tell_end(w, who, EIDRM);
		}
	}
	b->nr = b->nr_senders = 0;
	memset(b->rights, 0, sizeof(b->rights));
}

int wait_take_result(struct actor *actor)
{
	actor->done = false;
	return actor->expect.error;
}

/* With the turn, or without turns: claim a message, or a seat. */
int wait_receive(struct world *w, struct box *b, int who, int impatience)
{
	struct actor *r = &w->actors[who];
	int at = queue_best(b, r);

	r->boxes[0] = world_index(w, b);
	r->nr_boxes = 1;
	if (at != NOBODY) {
		wait_give(w, b, who, at);
		wait_settle(w, b);
		return wait_take_result(r);
	}
	if (impatience)
		return impatience;
	b->receivers[b->nr_receivers++] = who;
	r->waits = TO_RECEIVE;
	r->box = world_index(w, b);
	return WAITS;
}
