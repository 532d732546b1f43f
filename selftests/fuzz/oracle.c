// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle.c - the model, from the bottom up: rights, the queue, hand-off, requests, ends,
 * commands. Each command mirrors what <linux/mbox.h> says of it, in the order in which that
 * says errors apply.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "oracle.h"

#define END_OF(type, member)	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))
#define ALL_RIGHTS	(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE)
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#define MIN(a, b)	((a) < (b) ? (a) : (b))

static void settle(struct world *w, struct box *b);
static void recheck(struct world *w, struct box *b);
static void let_in(struct world *w, struct box *b);

static int index_of(const struct world *w, const struct box *b)
{
	return b - w->boxes;
}

static void lose_track(struct world *w, const char *why)
{
	w->unsure = true;
	w->why = why;
}

int oracle_user(uint32_t uid)
{
	return uid ? (int)uid - 1000 : 0;
}

unsigned int oracle_busy(const struct world *w)
{
	unsigned int i, busy = 0;

	for (i = 0; i < ACTORS; i++)
		busy += w->actors[i].waits != NOTHING;
	return busy;
}

/*
 * Rights.
 */

static bool is_root(const struct world *w, int who)
{
	return !w->actors[who].self.uid;
}

static bool is_rendezvous(const struct box *b)
{
	return !b->attr.max_msgs;
}

static unsigned int allowed(const struct box *b, int who)
{
	if (!(b->attr.flags & MBOX_CREATE_PROCESS))
		return ALL_RIGHTS;
	return MBOX_RIGHT_MANAGE | (b->owner == who ? MBOX_RIGHT_RECV : MBOX_RIGHT_SEND);
}

/* But for capabilities. */
static unsigned int rights_of(const struct world *w, const struct box *b, int who)
{
	uint32_t uid = w->actors[who].self.uid;
	unsigned int rights = b->mode;

	if (uid == b->uid)
		rights >>= 6;
	else if (uid == b->gid)		/* everybody's group has the number of its user */
		rights >>= 3;
	rights &= MBOX_RIGHT_SEND | MBOX_RIGHT_RECV;
	if (uid == b->uid)
		rights |= MBOX_RIGHT_MANAGE;
	if (b->owner == who)
		rights |= MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE;
	return (rights | b->rights[who]) & allowed(b, who);
}

static bool has(const struct world *w, const struct box *b, int who, unsigned int right)
{
	return rights_of(w, b, who) & right || (is_root(w, who) && allowed(b, who) & right);
}

bool oracle_may(const struct world *w, unsigned int box, unsigned int who, unsigned int right)
{
	return has(w, &w->boxes[box], who, right);
}

static bool sees(const struct world *w, const struct box *b, int who)
{
	return rights_of(w, b, who) || b->offered == who || is_root(w, who);
}

static bool may_signal(const struct world *w, int who, int other)
{
	return is_root(w, who) || w->actors[who].self.uid == w->actors[other].self.uid;
}

/* Which actor has that number, or NOBODY. */
static int find_pid(const struct world *w, int32_t pid)
{
	int i;

	for (i = 0; i < ACTORS; i++)
		if (w->actors[i].self.pid == pid)
			return i;
	return NOBODY;
}

static int find_participant(const struct world *w, uint64_t id)
{
	int i;

	for (i = 0; i < ACTORS; i++)
		if (w->actors[i].self.id == id)
			return i;
	return NOBODY;
}

/* The mailbox that @id means to that process: 0 or why not. */
static int find_target(struct world *w, int who, uint64_t id, struct box **b)
{
	struct actor *actor = &w->actors[who];
	unsigned int i;

	if (!id) {
		if (!actor->fds[actor->expect.fd].bound)
			return ENOTCONN;
		*b = &w->boxes[actor->fds[actor->expect.fd].box];
		return (*b)->gone ? EIDRM : 0;
	}
	for (i = 0; i < w->nr_boxes; i++) {
		*b = &w->boxes[i];
		if ((*b)->id == id)
			return (*b)->gone ? EIDRM : 0;
	}
	return ENOENT;
}

/*
 * What is told.
 */

/* Write a structure back from offset @from to offset @to, as far as the program knows it. */
static int tell(struct action *x, void *image, const void *made, size_t from, size_t to)
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

static void merge(struct actor *actor, uint64_t stamp)
{
	actor->clock = MAX(actor->clock, stamp) + 1;
}

/* A call that waited is over. */
static void finish(struct world *w, int who, int error)
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
	return send->flags & MBOX_SEND_SYNC || is_rendezvous(b);
}

/* Where what is told of the sending goes, if anywhere. */
static struct mbox_send *send_of(struct actor *actor)
{
	struct action *x = &actor->expect;

	if (x->what == SEND)
		return &x->arg.send;
	return x->what == SEND_BATCH ? &x->items[x->arg.batch.done].send : NULL;
}

/* @peer: the process that received it, if that is to be told. */
static void finish_send(struct world *w, const struct box *b, int who,
			const struct message *msg, int32_t peer)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_send *image = send_of(&w->actors[who]), made;

	if (x->what == WRITE)
		x->value = x->len;
	if (image) {
		made = *image;
		made.receiver = peer;
		made.stamp = msg->stamp;
		if (item_waits_for_receiver(b, image))
			tell(x, image, &made, offsetof(struct mbox_send, receiver),
			     END_OF(mbox_send, receiver));
		if (image->flags & MBOX_SEND_STAMP)
			tell(x, image, &made, offsetof(struct mbox_send, stamp),
			     END_OF(mbox_send, stamp));
	}
	finish(w, who, 0);
}

/*
 * The queue.
 */

static int fits(const struct world *w, const struct box *b, uint32_t len)
{
	bool no_end_of_msgs = b->attr.max_msgs == MBOX_UNBOUNDED;
	bool no_end_of_bytes = b->attr.max_bytes == MBOX_UNBOUNDED_BYTES;

	if (b->attr.flags & MBOX_CREATE_RESERVE)
		return b->slots ? 0 : EAGAIN;
	if (is_rendezvous(b))
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
static void note_room(const struct world *w, struct box *b)
{
	bool full = b->nr_senders || fits(w, b, b->attr.max_size);

	if (is_rendezvous(b))
		return;
	b->filled += full && !b->full;
	b->full = full;
}

/* By priority, then in the order of acceptance. */
static unsigned int enqueue(struct box *b, const struct message *msg)
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

static struct message unqueue(struct box *b, unsigned int at)
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
static int best_for(const struct box *b, const struct actor *r)
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

static void uncharge_share(struct box *b, const struct message *msg)
{
	if (b->share == 100 || is_rendezvous(b))
		return;
	b->shares[msg->user].msgs--;
	b->shares[msg->user].bytes -= msg->len;
}

/* It is over with a message: its room, and its place in a share, are free. */
static void discard(struct world *w, struct box *b, const struct message *msg)
{
	uncharge_share(b, msg);
	if (b->attr.flags & MBOX_CREATE_RESERVE && !b->gone) {
		b->slots++;
		settle(w, b);
	}
}

/*
 * Those who wait.
 */

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

static struct mbox_recv *recv_of(struct actor *actor);

/* One that waits for a message, or for its turn, is told that there will be none. */
static void dismiss_receiver(struct world *w, struct box *b, int who, int error)
{
	struct actor *r = &w->actors[who];

	r->box = index_of(w, b);
	if (r->waits == A_TURN)
		remove_int(b->turn, &b->nr_turn, who);
	else
		unseat_receiver(w, who);
	if (error != EINTR)
		remember_choice(r, recv_of(r));
	if (r->waits == TO_RECEIVE && b->inside == who) {
		b->inside = NOBODY;
		r->waits = NOTHING;
		let_in(w, b);
	}
	finish(w, who, error);
}

/* Where what is told of the receipt goes, if anywhere. */
static struct mbox_recv *recv_of(struct actor *actor)
{
	struct action *x = &actor->expect;

	if (x->what == RECV)
		return &x->arg.recv;
	return x->what == RECV_BATCH ? &x->items[x->arg.batch.done].recv : NULL;
}

static int tell_needs(struct world *w, int who, const struct box *b, const struct message *msg)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_recv *image = recv_of(&w->actors[who]);
	struct mbox_recv made;
	int error;

	if (!image)
		return EMSGSIZE;
	made = *image;
	made.len = msg->len;
	made.from = b->id;
	made.nr_files = 0;
	error = tell(x, image, &made, offsetof(struct mbox_recv, len), END_OF(mbox_recv, len));
	if (!error)
		error = tell(x, image, &made, offsetof(struct mbox_recv, from),
			     END_OF(mbox_recv, from));
	if (!error)
		error = tell(x, image, &made, offsetof(struct mbox_recv, nr_files),
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

static void new_owner(struct world *w, struct box *b, int who);

static bool deed_holds(const struct world *w, const struct message *msg)
{
	return msg->deed != NOBODY && !w->boxes[msg->deed].gone &&
	       w->boxes[msg->deed].tenure == msg->tenure &&
	       w->boxes[msg->deed].owner != NOBODY;
}

/* Everything that goes to the receiver: 0 or EFAULT. */
static int deliver(struct world *w, int who, struct box *b, const struct message *msg)
{
	struct actor *r = &w->actors[who];
	struct action *x = &r->expect;
	struct mbox_recv *image = recv_of(r);
	unsigned int item = x->what == RECV_BATCH ? x->arg.batch.done : 0;
	uint64_t room = image ? image->size : x->len, len = MIN(msg->len, room);
	struct mbox_recv made;
	int error;

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
	error = tell(x, image, &made, offsetof(struct mbox_recv, len),
		     offsetof(struct mbox_recv, match));
	if (!error && r->accepts && deed_holds(w, msg)) {
		made.owned = w->boxes[msg->deed].id;
		new_owner(w, &w->boxes[msg->deed], who);
	}
	if (!error)
		error = tell(x, image, &made, offsetof(struct mbox_recv, owned),
			     END_OF(mbox_recv, nr_files));
	return error;
}

/* The caller is told that there will be no reply. */
static void fail_request(struct world *w, int request, int error)
{
	struct request *q = &w->requests[request];
	int caller = q->caller;

	q->held = false;
	q->caller = NOBODY;
	if (caller != NOBODY)
		finish(w, caller, error);
}

/* What follows when a receiver has been told. */
static void conclude(struct world *w, int who, struct box *b, const struct message *msg)
{
	struct request *q;

	if (msg->request != NOBODY) {
		q = &w->requests[msg->request];
		if (w->actors[who].wants_token)
			q->holder = q->receiver = who;
		else
			fail_request(w, msg->request, ECANCELED);
	}
	discard(w, b, msg);
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
static bool give(struct world *w, struct box *b, int who, unsigned int at)
{
	struct actor *r = &w->actors[who], *s;
	struct message *msg = &b->queue[at];
	struct request *q;

	r->box = index_of(w, b);
	remember_choice(r, recv_of(r));
	if (msg->len > r->room) {
		finish(w, who, tell_needs(w, who, b, msg));
		return false;
	}
	merge(r, msg->stamp);
	r->stamp = r->clock;
	r->msg = *msg;
	if (r->peek) {
		finish(w, who, 0);
		return false;
	}
	if (!deed_holds(w, msg))
		r->msg.deed = NOBODY;
	b->received++;
	b->skipped += at != 0;
	unqueue(b, at);
	if (r->msg.request != NOBODY) {
		b->sent++;
		q = &w->requests[r->msg.request];
		q->held = true;
		q->receiver = who;
		q->privileged = is_privileged_at(w, b, who);
	} else if (r->msg.waiter != NOBODY) {
		b->sent++;
		s = &w->actors[r->msg.waiter];
		merge(s, r->stamp);
		finish_send(w, b, r->msg.waiter, &r->msg, r->self.pid);
		r->msg.waiter = NOBODY;
	}
	r->msg.counted = at != 0;	/* whether others were before it: see put_back() */
	finish(w, who, 0);
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
		if (give(w, b, who, at))
			return;
		/* What it is told of what it looked at is told at last. */
	}
}

/* The message of a sender that has room enters the queue. */
static void accept(struct world *w, struct box *b, int who)
{
	struct actor *s = &w->actors[who];
	const struct mbox_send *send = send_of(s);
	struct message *msg = &s->msg;

	msg->counted = !is_rendezvous(b);
	msg->seq = ++b->seq;
	msg->stamp = ++s->clock;
	s->box = index_of(w, b);
	if (msg->request != NOBODY) {
		w->requests[msg->request].caller = who;
		msg->waiter = who;
		s->waits = A_REPLY;
	} else if (is_rendezvous(b) || (send && send->flags & MBOX_SEND_SYNC)) {
		msg->waiter = who;
		s->waits = A_RECEIVER;
	} else {
		b->sent++;
		finish_send(w, b, who, msg, 0);
	}
	enqueue(b, msg);
	offer(w, b, msg->seq);
}

/* Senders that wait for room are admitted, as long as there is some. */
static void settle(struct world *w, struct box *b)
{
	while (!b->gone && b->nr_senders) {
		int who = b->senders[0];
		int error = fits(w, b, w->actors[who].msg.len);

		if (error == EAGAIN)
			break;
		remove_int(b->senders, &b->nr_senders, who);
		if (error) {
			b->refused++;
			discard(w, b, &w->actors[who].msg);
			finish(w, who, error);
			continue;
		}
		if (b->attr.flags & MBOX_CREATE_RESERVE)
			b->slots--;
		accept(w, b, who);
	}
	if (!b->gone && !w->undecided)
		note_room(w, b);
}

static void seat_sender(struct world *w, struct box *b, int who)
{
	unsigned int at = b->nr_senders++;

	while (at && w->actors[b->senders[at - 1]].msg.prio < w->actors[who].msg.prio) {
		b->senders[at] = b->senders[at - 1];
		at--;
	}
	b->senders[at] = who;
	w->actors[who].waits = ROOM;
	w->actors[who].box = index_of(w, b);
}

/* A message that its receiver could not take returns to its place. */
static void put_back(struct world *w, struct box *b, struct message *msg)
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
			discard(w, b, msg);
			return;
		}
		msg->waiter = q->caller;
	}
	msg->counted = true;
	enqueue(b, msg);
	offer(w, b, msg->seq);
	settle(w, b);
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

/* A sender gives up, or has to. */
static void withdraw(struct world *w, struct box *b, int who)
{
	struct actor *s = &w->actors[who];
	int at = queued_by(b, who);
	struct message msg = s->msg;
	bool held = false;

	if (msg.request != NOBODY) {
		held = w->requests[msg.request].held || (s->waits == A_REPLY && at == NOBODY);
		w->requests[msg.request].held = false;
		w->requests[msg.request].caller = NOBODY;
	}
	s->waits = NOTHING;
	if (held)
		return;
	if (at != NOBODY)
		unqueue(b, at);
	else
		remove_int(b->senders, &b->nr_senders, who);
	if (b->gone)
		return;
	settle(w, b);
	/* Who waits for a slot has none. */
	if (at == NOBODY)
		uncharge_share(b, &msg);
	else
		discard(w, b, &msg);
}

/*
 * Gates.
 */

/* To be followed by the same for whoever it receives from: see drain(). */
static int receive_inside(struct world *w, struct box *b, int who, int impatience);

static void let_in(struct world *w, struct box *b)
{
	while (b->inside == NOBODY && b->nr_turn && !b->gone) {
		int who = b->turn[0];
		int error;

		remove_int(b->turn, &b->nr_turn, who);
		b->inside = who;
		w->actors[who].waits = NOTHING;
		error = receive_inside(w, b, who, 0);
		if (error != WAITS) {
			finish(w, who, error);
			leave_later(w, who);
		}
	}
}

static void leave_gate(struct world *w, struct box *b, int who)
{
	if (b->inside != who)
		return;
	b->inside = NOBODY;
	let_in(w, b);
}

/* Those who have been served do what is left to do. */
static void drain(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_leaving; i++) {
		int who = w->leaving[i];
		struct actor *r = &w->actors[who];
		struct box *b = &w->boxes[r->box];

		if (!r->expect.error) {
			r->expect.error = deliver(w, who, b, &r->msg);
			if (!r->peek)
				conclude(w, who, b, &r->msg);
		}
		leave_gate(w, b, who);
	}
	w->nr_leaving = 0;
}

/*
 * Changes of rights.
 */

/* Did that process have the right by what it has no more? */
static bool has_lost(struct world *w, const struct box *b, int who, bool privileged,
		     unsigned int right)
{
	if (privileged || rights_of(w, b, who) & right)
		return false;
	if (is_root(w, who))
		lose_track(w, "root waits by a capability from now on");
	return true;
}

static void recheck_receivers(struct world *w, struct box *b)
{
	int list[ACTORS * IDS_MAX + ACTORS];
	unsigned int nr = b->nr_receivers, i;

	memcpy(list, b->receivers, nr * sizeof(list[0]));
	memcpy(list + nr, b->turn, b->nr_turn * sizeof(list[0]));
	nr += b->nr_turn;
	for (i = 0; i < nr; i++) {
		int who = list[i];

		if ((w->actors[who].waits == TO_RECEIVE || w->actors[who].waits == A_TURN) &&
		    has_lost(w, b, who, is_privileged_at(w, b, who), MBOX_RIGHT_RECV))
			dismiss_receiver(w, b, who, EKEYREVOKED);
	}
}

static void recheck_senders(struct world *w, struct box *b)
{
	int who;

	for (who = 0; who < ACTORS; who++) {
		struct actor *s = &w->actors[who];

		if (s->waits < ROOM || &w->boxes[s->box] != b)
			continue;
		if (s->waits != ROOM && queued_by(b, who) == NOBODY)
			continue;
		if (!has_lost(w, b, who, s->privileged[0], MBOX_RIGHT_SEND))
			continue;
		withdraw(w, b, who);
		finish(w, who, EKEYREVOKED);
	}
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
			fail_request(w, i, EKEYREJECTED);
	}
}

static void recheck(struct world *w, struct box *b)
{
	recheck_receivers(w, b);
	recheck_senders(w, b);
	recheck_requests(w, b);
	settle(w, b);
}

static unsigned int nr_grants(const struct box *b)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ACTORS; i++)
		nr += b->rights[i] != 0;
	return nr;
}

static bool room_for_grant(const struct world *w, const struct box *b, int who)
{
	return b->rights[who] || nr_grants(b) < w->limit_grants;
}

static void void_offer(struct box *b)
{
	b->offered = NOBODY;
	b->offered_keeps = false;
}

static void new_owner(struct world *w, struct box *b, int who)
{
	int former = b->owner;

	void_offer(b);
	b->tenure++;
	b->owner = who;
	b->uid = b->gid = w->actors[who].self.uid;
	if (former != NOBODY && former != who && b->ends[1] == former)
		b->ends[1] = NOBODY;
	recheck(w, b);
}

static void end_box(struct world *w, struct box *b)
{
	unsigned int i;
	int who;

	b->gone = true;
	void_offer(b);
	for (who = 0; who < ACTORS; who++) {
		struct actor *actor = &w->actors[who];
		bool here = false;

		for (i = 0; i < b->nr_receivers; i++)
			here |= b->receivers[i] == who;
		for (i = 0; i < b->nr_turn; i++)
			here |= b->turn[i] == who;
		if (here)
			dismiss_receiver(w, b, who, EIDRM);
		else if (actor->waits >= ROOM && &w->boxes[actor->box] == b) {
			if (actor->waits == A_REPLY && actor->msg.request != NOBODY)
				fail_request(w, actor->msg.request, EIDRM);
			else
				finish(w, who, EIDRM);
		}
	}
	b->nr = b->nr_senders = 0;
	memset(b->rights, 0, sizeof(b->rights));
}

/*
 * Commands.
 */

static int take_end(const struct world *w, struct box *b, int end, int who)
{
	(void)w;
	if (!(b->attr.flags & MBOX_CREATE_PAIR))
		return 0;
	if (b->ends[end] != NOBODY && b->ends[end] != who)
		return EPERM;
	b->ends[end] = who;
	return 0;
}

/* What a call that does not find what it wants is told: 0 if it waits. */
static int impatience_of(const struct actor *actor, uint64_t flags)
{
	const struct action *x = &actor->expect;

	if (flags & MBOX_SEND_NONBLOCK || x->fd == 3 || x->nonblock)
		return EAGAIN;
	return flags & MBOX_SEND_TIMEOUT ? ETIMEDOUT : 0;
}

static int take_result(struct actor *actor)
{
	actor->done = false;
	return actor->expect.error;
}

static int charge_share(const struct world *w, struct box *b, int user, uint32_t len)
{
	uint64_t msgs = b->attr.max_msgs, bytes = b->attr.max_bytes;

	if (b->share == 100 || is_rendezvous(b))
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

/* A call that only has to wait for its reply. */
static bool is_underway(const struct world *w, const struct box *b, const struct actor *s)
{
	return s->waits == A_REPLY &&
	       (w->requests[s->msg.request].held || !is_rendezvous(b));
}

/* A sending by whoever has the right: s->msg says what. */
static int submit(struct world *w, struct box *b, int who, int impatience, bool bad)
{
	struct actor *s = &w->actors[who];
	uint32_t len = s->msg.len;
	int error;

	error = charge_share(w, b, s->msg.user, len);
	if (error)
		return error;
	if (b->attr.flags & MBOX_CREATE_RESERVE && !b->slots && impatience) {
		b->refused++;
		uncharge_share(b, &s->msg);
		return impatience;
	}
	if (bad && len) {
		if (b->attr.flags & MBOX_CREATE_RESERVE) {
			b->slots--;
			settle(w, b);
		}
		discard(w, b, &s->msg);
		return EFAULT;
	}
	s->msg.key = b->attr.flags & MBOX_CREATE_BY_SENDER ? s->self.id : s->msg.tag;
	seat_sender(w, b, who);
	/* Of what is taken back at once nobody learns. */
	w->undecided = impatience == EAGAIN;
	settle(w, b);
	w->undecided = false;
	if (s->done || is_underway(w, b, s))
		note_room(w, b);
	if (s->done)
		return take_result(s);
	if (!impatience)
		return WAITS;
	/* A call that does not block still waits for its reply. */
	if (impatience == EAGAIN && is_underway(w, b, s)) {
		if (!(s->expect.arg.call.flags & MBOX_CALL_TIMEOUT))
			return WAITS;
		impatience = ETIMEDOUT;
	}
	if (s->msg.request == NOBODY || !w->requests[s->msg.request].held)
		b->refused++;
	else if (!w->actors[w->requests[s->msg.request].receiver].wants_token)
		s->or_else = ECANCELED;
	withdraw(w, b, who);
	return impatience;
}

static void begin_message(struct world *w, int who, uint64_t len, uint32_t prio, uint64_t tag)
{
	struct actor *s = &w->actors[who];

	s->msg = (struct message) {
		.len = len,
		.prio = prio,
		.tag = tag,
		.from = s->self,
		.user = oracle_user(s->self.uid),
		.waiter = NOBODY,
		.request = NOBODY,
		.deed = NOBODY,
	};
}

static int check_size(const struct box *b, uint64_t len)
{
	if (len > b->attr.max_size)
		return EMSGSIZE;
	return b->attr.flags & MBOX_CREATE_FIXED && len < b->attr.max_size ? EMSGSIZE : 0;
}

/* Numbers of messages are given out when actions are built, in order. */
static uint32_t number_of(const struct world *w, const struct action *x)
{
	if (x->what == SEND_BATCH)
		return w->number - ITEMS_MAX + 1 + x->arg.batch.done;
	return w->number;
}

#define SEND_FLAGS	(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT | MBOX_SEND_SYNC |	\
			 MBOX_SEND_EXPIRES | MBOX_SEND_OFFER | MBOX_SEND_PID |		\
			 MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT | MBOX_SEND_STAMP |	\
			 MBOX_SEND_SHARED)

static int write_deed(struct world *w, int who, const struct mbox_send *send)
{
	struct box *b;
	int error;

	if (!(send->flags & MBOX_SEND_OFFER))
		return 0;
	error = find_target(w, who, send->offer, &b);
	if (error)
		return error;
	if (b->owner != who)
		return EACCES;
	if (b->attr.flags & MBOX_CREATE_PROCESS)
		return EOPNOTSUPP;
	w->actors[who].msg.deed = index_of(w, b);
	w->actors[who].msg.tenure = b->tenure;
	return 0;
}

static int predict_send(struct world *w, int who, const struct mbox_send *send, bool bad)
{
	struct actor *s = &w->actors[who];
	struct box *b;
	int error;

	if (send->flags & ~SEND_FLAGS || send->prio > MBOX_PRIO_MAX || send->reserved ||
	    (send->flags & MBOX_SEND_OFFER && !send->offer))
		return EINVAL;
	if (s->expect.fd == 2)
		return EBADF;
	error = find_target(w, who, send->id, &b);
	if (error)
		return error;
	if (!has(w, b, who, MBOX_RIGHT_SEND))
		return EACCES;
	s->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_SEND);
	begin_message(w, who, send->len, send->prio, send->tag);
	s->msg.number = number_of(w, &s->expect);
	s->msg.shared = send->flags & MBOX_SEND_SHARED;
	error = write_deed(w, who, send);
	if (!error)
		error = check_size(b, send->len);
	if (!error)
		error = take_end(w, b, 0, who);
	if (!error && send->flags & MBOX_SEND_EXPIRES && send->expires == 1)
		error = ETIMEDOUT;
	return error ? error : submit(w, b, who, impatience_of(s, send->flags), bad);
}

static int predict_write(struct world *w, int who)
{
	struct actor *s = &w->actors[who];
	struct box *b;
	int error;

	if (s->expect.fd == 2)
		return EBADF;
	error = find_target(w, who, 0, &b);
	if (error)
		return error;
	if (!has(w, b, who, MBOX_RIGHT_SEND))
		return EACCES;
	s->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_SEND);
	if (!s->expect.len)
		return 0;
	begin_message(w, who, s->expect.len, 0, 0);
	s->msg.number = w->number;
	error = check_size(b, s->expect.len);
	if (!error)
		error = take_end(w, b, 0, who);
	return error ? error : submit(w, b, who, impatience_of(s, 0), s->expect.bad);
}

#define CALL_FLAGS	(MBOX_CALL_NONBLOCK | MBOX_CALL_TIMEOUT | MBOX_CALL_PID |		\
			 MBOX_CALL_PIDFD | MBOX_CALL_PARTICIPANT | MBOX_CALL_SHARED |	\
			 MBOX_CALL_TRUNCATE)

static int predict_call(struct world *w, int who)
{
	struct actor *s = &w->actors[who];
	const struct mbox_call *call = &s->expect.arg.call;
	struct request *q;
	struct box *b;
	int error;

	if (call->flags & ~CALL_FLAGS || call->reserved || call->prio > MBOX_PRIO_MAX)
		return EINVAL;
	if (s->expect.fd == 2)
		return EBADF;
	error = find_target(w, who, call->id, &b);
	if (error)
		return error;
	if (!has(w, b, who, MBOX_RIGHT_SEND))
		return EACCES;
	s->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_SEND);
	begin_message(w, who, call->len, call->prio, call->tag);
	s->msg.number = w->number;
	s->msg.request = w->nr_requests;
	q = &w->requests[w->nr_requests++];
	*q = (struct request) {
		.caller = NOBODY,
		.holder = NOBODY,
		.receiver = NOBODY,
		.box = index_of(w, b),
		.room = call->flags & MBOX_CALL_TRUNCATE ? UINT64_MAX : call->size,
	};
	error = check_size(b, call->len);
	if (!error)
		error = take_end(w, b, 0, who);
	if (!error)
		error = submit(w, b, who, impatience_of(s, call->flags), s->expect.bad);
	/* Nobody has had it. */
	if (error != WAITS && q->receiver == NOBODY)
		w->nr_requests--;
	return error;
}

/* With the turn, or without turns: claim a message, or a seat. */
static int receive_inside(struct world *w, struct box *b, int who, int impatience)
{
	struct actor *r = &w->actors[who];
	int at = best_for(b, r);

	r->boxes[0] = index_of(w, b);
	r->nr_boxes = 1;
	if (at != NOBODY) {
		give(w, b, who, at);
		settle(w, b);
		return take_result(r);
	}
	if (impatience)
		return impatience;
	b->receivers[b->nr_receivers++] = who;
	r->waits = TO_RECEIVE;
	r->box = index_of(w, b);
	return WAITS;
}

/* The end of a receive that did not wait. */
static int end_receive(struct world *w, struct box *b, int who)
{
	struct actor *r = &w->actors[who];
	struct message msg = r->msg;
	int error = deliver(w, who, b, &msg);

	if (!error && !r->peek)
		conclude(w, who, b, &msg);
	else if (error && !r->peek)
		put_back(w, b, &msg);
	return error;
}

static int look_behind(struct world *w, struct box *b, int who, unsigned int nth)
{
	struct actor *r = &w->actors[who];

	if (nth >= b->nr)
		return EAGAIN;
	if (b->queue[nth].len > r->room)
		return tell_needs(w, who, b, &b->queue[nth]);
	merge(r, b->queue[nth].stamp);
	r->stamp = r->clock;
	r->msg = b->queue[nth];
	return 0;
}

static int receive(struct world *w, struct box *b, int who, int impatience, unsigned int nth)
{
	int error = take_end(w, b, 1, who);
	bool single = b->attr.flags & MBOX_CREATE_SINGLE;

	if (error)
		return error;
	if (single && b->inside != NOBODY) {
		if (impatience)
			return impatience == EAGAIN ? EBUSY : impatience;
		b->turn[b->nr_turn++] = who;
		w->actors[who].waits = A_TURN;
		w->actors[who].box = index_of(w, b);
		return WAITS;
	}
	if (single)
		b->inside = who;
	error = nth ? look_behind(w, b, who, nth) : receive_inside(w, b, who, impatience);
	if (error == WAITS)
		return WAITS;
	if (!error)
		error = end_receive(w, b, who);
	leave_gate(w, b, who);
	return error;
}

static int choose(struct world *w, int who, const struct mbox_recv *recv, int impatience)
{
	struct actor *r = &w->actors[who];
	unsigned int nr = recv->nr_ids, i;
	unsigned int first = r->fds[r->expect.fd].next_choice % nr;
	struct box *b;
	int error = 0;

	for (i = 0; i < nr; i++)
		if (!r->expect.ids[i])
			return EINVAL;
	for (i = 0; i < nr; i++) {
		error = find_target(w, who, r->expect.ids[(first + i) % nr], &b);
		if (error)
			return error;
		r->boxes[i] = index_of(w, b);
	}
	for (i = 0; i < nr; i++) {
		b = &w->boxes[r->boxes[i]];
		if (!has(w, b, who, MBOX_RIGHT_RECV))
			return EACCES;
		r->privileged[i] = !(rights_of(w, b, who) & MBOX_RIGHT_RECV);
	}
	for (i = 0; i < nr; i++)
		if (w->boxes[r->boxes[i]].attr.flags & MBOX_CREATE_SINGLE)
			return EOPNOTSUPP;
	for (i = 0; i < nr; i++)
		if (take_end(w, &w->boxes[r->boxes[i]], 1, who))
			return EPERM;
	r->nr_boxes = nr;
	r->first = first;
	for (i = 0; i < nr; i++) {
		int at;

		b = &w->boxes[r->boxes[i]];
		at = best_for(b, r);
		if (at == NOBODY)
			continue;
		give(w, b, who, at);
		settle(w, b);
		error = take_result(r);
		return error ? error : end_receive(w, b, who);
	}
	if (impatience)
		return impatience;
	for (i = 0; i < nr; i++) {
		b = &w->boxes[r->boxes[i]];
		b->receivers[b->nr_receivers++] = who;
	}
	r->waits = TO_RECEIVE;
	return WAITS;
}

#define RECV_FLAGS	(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TRUNCATE |	\
			 MBOX_RECV_PEEK | MBOX_RECV_LEAST | MBOX_RECV_MATCH |		\
			 MBOX_RECV_CHOICE | MBOX_RECV_ACCEPT | MBOX_RECV_PIDFD |		\
			 MBOX_RECV_PARTICIPANT | MBOX_RECV_FILES | MBOX_RECV_TOKEN |	\
			 MBOX_RECV_REPLY | MBOX_RECV_DIRECT)

static bool valid_recv(const struct mbox_recv *recv)
{
	bool peek = recv->flags & MBOX_RECV_PEEK;

	if (recv->flags & ~RECV_FLAGS || recv->nth > MBOX_PEEK_MAX || recv->reserved ||
	    recv->nr_files)
		return false;
	if (peek && recv->flags & (MBOX_RECV_ACCEPT | MBOX_RECV_TOKEN | MBOX_RECV_CHOICE))
		return false;
	return !recv->nth || (peek && !(recv->flags & (MBOX_RECV_LEAST | MBOX_RECV_MATCH)));
}

static void begin_receive(struct actor *r, uint64_t flags, uint64_t size, uint64_t key)
{
	r->peek = flags & MBOX_RECV_PEEK;
	r->least = flags & MBOX_RECV_LEAST;
	r->picky = flags & MBOX_RECV_MATCH;
	r->wants_token = flags & MBOX_RECV_TOKEN;
	r->accepts = flags & MBOX_RECV_ACCEPT;
	r->key = key;
	r->room = flags & MBOX_RECV_TRUNCATE ? UINT64_MAX : size;
}

/* Which process's messages are wanted. */
static int find_key(struct world *w, struct actor *r, const struct box *b,
		    const struct mbox_recv *recv)
{
	int sender;

	if (!(recv->flags & MBOX_RECV_MATCH))
		return 0;
	if (!(b->attr.flags & MBOX_CREATE_BY_SENDER))
		return b->attr.flags & MBOX_CREATE_BY_TAG &&
		       !(recv->flags & MBOX_RECV_PARTICIPANT) ? 0 : EOPNOTSUPP;
	sender = recv->flags & MBOX_RECV_PARTICIPANT ? find_participant(w, recv->match) :
						       find_pid(w, recv->match);
	if (sender == NOBODY)
		return ESRCH;
	r->key = w->actors[sender].self.id;
	return 0;
}

static int predict_recv(struct world *w, int who, const struct mbox_recv *recv)
{
	struct actor *r = &w->actors[who];
	int impatience = recv->nth ? EAGAIN : impatience_of(r, recv->flags);
	struct box *b;
	int error;

	if (!valid_recv(recv))
		return EINVAL;
	if (r->expect.fd == 3)
		return EBADF;
	begin_receive(r, recv->flags, recv->size, recv->match);
	if (recv->flags & MBOX_RECV_CHOICE)
		return choose(w, who, recv, impatience);
	error = find_target(w, who, recv->id, &b);
	if (error)
		return error;
	if (!has(w, b, who, MBOX_RIGHT_RECV))
		return EACCES;
	r->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_RECV);
	r->boxes[0] = index_of(w, b);
	r->nr_boxes = 1;
	error = find_key(w, r, b, recv);
	return error ? error : receive(w, b, who, impatience, recv->nth);
}

static int predict_read(struct world *w, int who)
{
	struct actor *r = &w->actors[who];
	struct box *b;
	int error;

	if (r->expect.fd == 3)
		return EBADF;
	error = find_target(w, who, 0, &b);
	if (error)
		return error;
	if (!has(w, b, who, MBOX_RIGHT_RECV))
		return EACCES;
	if (!r->expect.len)
		return 0;
	begin_receive(r, 0, r->expect.len, 0);
	r->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_RECV);
	r->boxes[0] = index_of(w, b);
	r->nr_boxes = 1;
	return receive(w, b, who, impatience_of(r, 0), 0);
}

static int predict_batch(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_batch *batch = &x->arg.batch, made;
	bool sends = x->what == SEND_BATCH;
	int error = 0;

	if (batch->flags & ~MBOX_BATCH_WAIT_ONE || !batch->nr)
		return EINVAL;
	if (x->place != GOOD)
		return EFAULT;
	made = *batch;
	made.done = made.error = 0;
	tell(x, batch, &made, offsetof(struct mbox_batch, done), sizeof(made));
	for (batch->done = 0; batch->done < batch->nr; batch->done++) {
		bool bad = x->bad && batch->done == ITEMS_MAX - 1;
		union { struct mbox_send send; struct mbox_recv recv; } item;

		memcpy(&item, &x->items[batch->done], sizeof(item));
		if (batch->done && batch->flags & MBOX_BATCH_WAIT_ONE)
			item.send.flags |= MBOX_SEND_NONBLOCK;
		error = sends ? predict_send(w, who, &item.send, bad) :
				predict_recv(w, who, &item.recv);
		if (error)
			break;
	}
	if (!batch->done)
		return error;
	made = *batch;
	made.error = -error;
	tell(x, batch, &made, offsetof(struct mbox_batch, done), sizeof(made));
	return 0;
}

static bool valid_capacity(const struct world *w, const struct mbox_create *c)
{
	uint64_t limit = w->limits.limit_bytes;

	if (c->flags & MBOX_CREATE_RESERVE)
		return c->max_msgs && c->max_msgs <= w->limits.limit_msgs &&
		       c->max_bytes == MBOX_UNBOUNDED_BYTES &&
		       (uint64_t)c->max_msgs * c->max_size <= limit;
	if (!c->max_msgs)
		return !c->max_bytes;
	if (c->max_msgs != MBOX_UNBOUNDED && c->max_msgs > w->limits.limit_msgs)
		return false;
	return c->max_bytes == MBOX_UNBOUNDED_BYTES ||
	       (c->max_bytes >= c->max_size && c->max_bytes <= limit);
}

static bool has_both(uint64_t flags, uint64_t pair)
{
	return (flags & pair) == pair;
}

static bool valid_create(const struct world *w, const struct mbox_create *c)
{
	uint32_t modes = c->flags & MBOX_CREATE_PROCESS ? 0222 : 0666;

	if (c->flags >> 10 || c->mode & ~modes || c->max_size > w->limits.limit_size)
		return false;
	if (has_both(c->flags, MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER) ||
	    has_both(c->flags, MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR))
		return false;
	if (c->share > (c->max_msgs || c->max_bytes ? 100U : 0U))
		return false;
	if ((c->name[0] >= '0' && c->name[0] <= '9') || strchr((const char *)c->name, '/'))
		return false;
	return valid_capacity(w, c);
}

static int find_name(const struct world *w, const __u8 *name)
{
	unsigned int i;

	for (i = 0; i < w->nr_boxes; i++)
		if (!w->boxes[i].gone && !memcmp(w->boxes[i].attr.name, name, MBOX_NAME_SIZE))
			return i;
	return NOBODY;
}

static void bind(struct actor *actor, int box)
{
	actor->fds[actor->expect.fd].bound = true;
	actor->fds[actor->expect.fd].box = box;
}

/* Its id is known only then: see oracle_learn(). */
static int predict_create(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct mbox_create *c = &actor->expect.arg.create;
	struct box *b = &w->boxes[w->nr_boxes];

	if (!valid_create(w, c))
		return EINVAL;
	if (c->flags & MBOX_CREATE_BIND && actor->fds[actor->expect.fd].bound)
		return EISCONN;
	if (actor->expect.place != GOOD)
		return EFAULT;
	if (c->name[0] && find_name(w, c->name) != NOBODY)
		return EEXIST;
	memset(b, 0, sizeof(*b));
	b->attr = *c;
	b->mode = c->mode;
	b->uid = b->gid = actor->self.uid;
	b->share = is_rendezvous(b) || c->share ? c->share : w->default_share;
	if (is_rendezvous(b))
		b->share = 100;
	b->owner = who;
	b->offered = b->inside = b->ends[0] = b->ends[1] = NOBODY;
	b->slots = c->max_msgs;
	if (c->flags & MBOX_CREATE_BIND)
		bind(actor, w->nr_boxes);
	w->nr_boxes++;
	return 0;
}

static int predict_open(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct action *x = &actor->expect;
	struct mbox_open *open = &x->arg.open, made;
	struct box *b;
	int error = 0, named;

	if (open->flags & ~MBOX_OPEN_UID || open->reserved || !open->name[0] == !open->id)
		return EINVAL;
	if (actor->fds[x->fd].bound)
		return EISCONN;
	if (open->id) {
		error = find_target(w, who, open->id, &b);
	} else {
		named = find_name(w, open->name);
		error = named == NOBODY ? ENOENT : 0;
		b = &w->boxes[named];
	}
	if (error)
		return error;
	if (open->flags & MBOX_OPEN_UID && open->uid != b->uid)
		return ENOENT;
	if (!sees(w, b, who))
		return EACCES;
	made = *open;
	made.id = b->id;
	made.uid = b->uid;
	error = tell(x, open, &made, offsetof(struct mbox_open, id), sizeof(made));
	if (!error)
		bind(actor, index_of(w, b));
	return error;
}

static int predict_delete(struct world *w, int who)
{
	const struct mbox_delete *delete = &w->actors[who].expect.arg.delete;
	struct box *b;
	int error;

	if (delete->flags)
		return EINVAL;
	error = find_target(w, who, delete->id, &b);
	if (error)
		return error;
	if (!has(w, b, who, MBOX_RIGHT_MANAGE))
		return EACCES;
	end_box(w, b);
	return 0;
}

static uint32_t count_waiting_senders(const struct box *b)
{
	uint32_t nr = b->nr_senders;
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		nr += b->queue[i].waiter != NOBODY;
	return nr;
}

static uint32_t count_held(const struct world *w, const struct box *b)
{
	unsigned int i;
	uint32_t nr = 0;

	for (i = 0; i < w->nr_requests; i++)
		nr += w->requests[i].held && &w->boxes[w->requests[i].box] == b;
	return nr;
}

/* But for what depends on who asks. */
struct mbox_stat oracle_stat(const struct world *w, unsigned int box)
{
	const struct box *b = &w->boxes[box];
	struct mbox_stat stat = {
		.id = b->id,
		.max_bytes = b->attr.max_bytes,
		.max_msgs = b->attr.max_msgs,
		.max_size = b->attr.max_size,
		.mode = b->mode,
		.uid = b->uid,
		.gid = b->gid,
		.pid = b->owner == NOBODY ? 0 : w->actors[b->owner].self.pid,
		.bytes = b->bytes,
		.bytes_high = b->bytes_high,
		.msgs = b->msgs,
		.msgs_high = b->msgs_high,
		.senders = count_waiting_senders(b),
		.receivers = b->nr_receivers + b->nr_turn,
		.sent = b->sent,
		.received = b->received,
		.kind = b->attr.flags & ~MBOX_CREATE_BIND,
		.share = b->share,
		.offered = b->offered == NOBODY ? 0 : w->actors[b->offered].self.pid,
		.grants = nr_grants(b),
		.requests = count_held(w, b),
		.refused = b->refused,
		.skipped = b->skipped,
		.filled = b->filled,
	};

	memcpy(stat.name, b->attr.name, sizeof(stat.name));
	if (b->owner == NOBODY)
		stat.state |= MBOX_STATE_ORPHAN;
	if (b->offered != NOBODY)
		stat.state |= MBOX_STATE_OFFERED;
	return stat;
}

static int find_next(struct world *w, int who, uint64_t id, struct box **b)
{
	unsigned int i;

	for (i = 0; i < w->nr_boxes; i++) {
		*b = &w->boxes[i];
		if (!(*b)->gone && (*b)->id >= id && sees(w, *b, who))
			return 0;
	}
	return ENOENT;
}

static int predict_stat(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_stat *stat = &x->arg.stat, made;
	int user = oracle_user(w->actors[who].self.uid);
	struct box *b;
	int error;

	if (stat->flags & ~MBOX_STAT_NEXT)
		return EINVAL;
	error = stat->flags & MBOX_STAT_NEXT ? find_next(w, who, stat->id, &b) :
					       find_target(w, who, stat->id, &b);
	if (error)
		return error;
	if (!sees(w, b, who))
		return EACCES;
	made = oracle_stat(w, index_of(w, b));
	if (b->share < 100) {
		made.user_bytes = b->shares[user].bytes;
		made.user_msgs = b->shares[user].msgs;
	}
	return tell(x, stat, &made, offsetof(struct mbox_stat, id), sizeof(made));
}

static int check_manager(struct world *w, int who, uint64_t id, struct box **b)
{
	int error = find_target(w, who, id, b);

	if (error)
		return error;
	if (!has(w, *b, who, MBOX_RIGHT_MANAGE))
		return EACCES;
	return (*b)->attr.flags & MBOX_CREATE_PROCESS ? EOPNOTSUPP : 0;
}

static int predict_transfer(struct world *w, int who, bool offers)
{
	const struct mbox_transfer *transfer = &w->actors[who].expect.arg.transfer;
	bool keeps = transfer->flags & MBOX_TRANSFER_KEEP;
	struct box *b;
	int error, to;

	if (transfer->flags & ~(MBOX_TRANSFER_KEEP | MBOX_TRANSFER_PIDFD) ||
	    transfer->reserved || transfer->pid < 0)
		return EINVAL;
	if (offers && !transfer->pid && transfer->flags)
		return EINVAL;
	error = check_manager(w, who, transfer->id, &b);
	if (error)
		return error;
	if (offers && !transfer->pid) {
		void_offer(b);
		return 0;
	}
	to = transfer->pid ? find_pid(w, transfer->pid) : NOBODY;
	if (to == NOBODY)
		return ESRCH;
	if (!offers && !may_signal(w, who, to))
		return EPERM;
	keeps = keeps && b->owner != NOBODY;
	if (keeps && !room_for_grant(w, b, b->owner))
		return EMLINK;
	if (offers) {
		b->offered = to;
		b->offered_keeps = keeps;
		return 0;
	}
	if (keeps)
		b->rights[b->owner] |= MBOX_RIGHT_RECV;
	new_owner(w, b, to);
	return 0;
}

/* What is to be accepted or claimed. */
static int find_taken(struct world *w, int who, struct box **b)
{
	const struct mbox_take *take = &w->actors[who].expect.arg.take;

	return take->flags ? EINVAL : find_target(w, who, take->id, b);
}

static int predict_accept(struct world *w, int who)
{
	struct box *b;
	int error = find_taken(w, who, &b);

	if (error)
		return error;
	if (b->attr.flags & MBOX_CREATE_PROCESS && sees(w, b, who))
		return EOPNOTSUPP;
	if (b->offered != who)
		return EACCES;
	if (b->offered_keeps)
		b->rights[b->owner] |= MBOX_RIGHT_RECV;
	new_owner(w, b, who);
	return 0;
}

static int predict_claim(struct world *w, int who)
{
	struct box *b;
	int error = find_taken(w, who, &b);

	if (error)
		return error;
	if (w->actors[who].self.uid != b->uid && !is_root(w, who))
		return EACCES;
	if (b->attr.flags & MBOX_CREATE_PROCESS)
		return EOPNOTSUPP;
	if (b->owner != NOBODY)
		return EBUSY;
	new_owner(w, b, who);
	return 0;
}

static int check_grant(struct world *w, int who, struct box **b, int *to)
{
	const struct mbox_grant *grant = &w->actors[who].expect.arg.grant;
	int error;

	if (grant->flags & ~MBOX_GRANT_PIDFD || !grant->rights || grant->rights & ~ALL_RIGHTS ||
	    grant->pid < 0)
		return EINVAL;
	error = check_manager(w, who, grant->id, b);
	*to = find_pid(w, grant->pid);
	if (error)
		return error;
	return *to == NOBODY ? ESRCH : 0;
}

static int predict_grant(struct world *w, int who)
{
	struct box *b;
	int to, error = check_grant(w, who, &b, &to);

	if (error)
		return error;
	if (!room_for_grant(w, b, to))
		return EMLINK;
	b->rights[to] |= w->actors[who].expect.arg.grant.rights;
	return 0;
}

static int predict_revoke(struct world *w, int who)
{
	struct box *b;
	int to, error = check_grant(w, who, &b, &to);
	unsigned int lost;

	if (error)
		return error;
	lost = b->rights[to] & w->actors[who].expect.arg.grant.rights;
	if (!lost)
		return ESRCH;
	b->rights[to] &= ~lost;
	if (lost & MBOX_RIGHT_SEND && b->ends[0] == to)
		b->ends[0] = NOBODY;
	if (lost & MBOX_RIGHT_RECV && b->ends[1] == to)
		b->ends[1] = NOBODY;
	recheck(w, b);
	return 0;
}

static int predict_grants(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_grants *grants = &x->arg.grants, made;
	struct box *b;
	int error;

	if (grants->flags || grants->reserved || grants->nr > MBOX_GRANTS_MAX)
		return EINVAL;
	error = find_target(w, who, grants->id, &b);
	if (error)
		return error;
	if (!sees(w, b, who))
		return EACCES;
	if (x->bad && MIN(grants->nr, nr_grants(b)))
		return EFAULT;
	made = *grants;
	made.nr = nr_grants(b);
	x->grants_of = b->id;
	x->grants_room = grants->nr;
	return tell(x, grants, &made, offsetof(struct mbox_grants, nr), END_OF(mbox_grants, nr));
}

static int predict_change(struct world *w, int who)
{
	const struct mbox_change *change = &w->actors[who].expect.arg.change;
	struct box *b;
	bool owned;
	int error;

	if (!change->flags || change->flags >> 3 || change->reserved ||
	    (change->flags & MBOX_CHANGE_MODE && change->mode & ~0666))
		return EINVAL;
	error = find_target(w, who, change->id, &b);
	if (error)
		return error;
	owned = b->attr.flags & MBOX_CREATE_PROCESS;
	if (change->flags & MBOX_CHANGE_MODE && !has(w, b, who, MBOX_RIGHT_MANAGE))
		return EACCES;
	if (change->flags & ~MBOX_CHANGE_MODE) {
		if (!is_root(w, who))
			return EACCES;
		if (owned)
			return EOPNOTSUPP;
	}
	if (change->flags & MBOX_CHANGE_MODE && owned && change->mode & 0444)
		return EINVAL;
	if (change->flags & MBOX_CHANGE_MODE)
		b->mode = change->mode;
	if (change->flags & MBOX_CHANGE_UID)
		b->uid = change->uid;
	if (change->flags & MBOX_CHANGE_GID)
		b->gid = change->gid;
	recheck(w, b);
	return 0;
}

static uint32_t count_boxes(const struct world *w, int user)
{
	uint32_t nr = 0;
	unsigned int i;

	for (i = 0; i < w->nr_boxes; i++)
		nr += !w->boxes[i].gone &&
		      (user == NOBODY || oracle_user(w->boxes[i].uid) == user);
	return nr;
}

static uint32_t count_messages(const struct world *w, int user)
{
	uint32_t nr = 0;
	unsigned int i, j;

	for (i = 0; i < w->nr_boxes; i++) {
		const struct box *b = &w->boxes[i];

		if (b->gone || b->attr.flags & MBOX_CREATE_RESERVE)
			continue;
		for (j = 0; j < b->nr; j++)
			nr += user == NOBODY || b->queue[j].user == user;
		for (j = 0; j < b->nr_senders; j++)
			nr += user == NOBODY || w->actors[b->senders[j]].msg.user == user;
	}
	return nr;
}

static int predict_usage(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_usage *usage = &x->arg.usage, made = *usage;
	uint32_t uid = w->actors[who].self.uid;

	if (usage->flags & ~MBOX_USAGE_UID)
		return EINVAL;
	if (usage->flags & MBOX_USAGE_UID && usage->uid != uid) {
		if (!is_root(w, who))
			return EACCES;
		uid = usage->uid;
	}
	made.uid = uid;
	made.default_share = w->default_share;
	made.user_mailboxes = count_boxes(w, oracle_user(uid));
	made.user_msgs = count_messages(w, oracle_user(uid));
	made.ns_mailboxes = count_boxes(w, NOBODY);
	made.ns_msgs = count_messages(w, NOBODY);
	made.limit_grants = w->limit_grants;
	made.reserved = 0;
	made.user_files = made.ns_files = made.user_listeners = made.ns_listeners = 0;
	return tell(x, usage, &made, offsetof(struct mbox_usage, uid), sizeof(made));
}

static int predict_info(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_info made = w->limits;

	if (x->arg.info.flags)
		return EINVAL;
	made.mailboxes = count_boxes(w, NOBODY);
	return tell(x, &x->arg.info, &made, offsetof(struct mbox_info, features), sizeof(made));
}

static int predict_clock(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct mbox_clock *clock = &actor->expect.arg.clock, made = *clock;

	if (clock->flags & ~MBOX_CLOCK_TICK)
		return EINVAL;
	if (clock->flags & MBOX_CLOCK_TICK)
		actor->clock++;
	made.stamp = actor->clock;
	made.participant = actor->self.id;
	return tell(&actor->expect, clock, &made, offsetof(struct mbox_clock, stamp),
		    sizeof(made));
}

/* The request that this process has the token of, or NOBODY. */
static int find_token(const struct world *w, int who, uint64_t token)
{
	unsigned int i;

	for (i = 0; token && i < w->nr_requests; i++)
		if (w->requests[i].token == token && w->requests[i].holder == who)
			return i;
	return NOBODY;
}

static void finish_call(struct world *w, int who, const struct mbox_reply *reply,
			const struct actor *replier)
{
	struct actor *caller = &w->actors[who];
	struct action *x = &caller->expect;
	struct mbox_call *call = &x->arg.call, made = *call;

	merge(caller, replier->clock);
	action_fill(x->out[0], w->number, MIN(reply->len, call->size));
	made.nr_reply_files = 0;
	made.got = reply->flags & MBOX_REPLY_SHARED ? MBOX_GOT_SHARED : 0;
	made.reply_len = reply->len;
	made.reply_tag = reply->tag;
	made.stamp = replier->clock;
	made.clock = caller->clock;
	made.sender = replier->self.id;
	made.pid = replier->self.pid;
	made.uid = made.gid = replier->self.uid;
	finish(w, who, tell(x, call, &made, offsetof(struct mbox_call, nr_reply_files),
			    offsetof(struct mbox_call, reserved)));
}

static bool valid_reply(const struct mbox_reply *reply)
{
	if (reply->flags & ~(MBOX_REPLY_DISCARD | MBOX_REPLY_SHARED) || reply->reserved ||
	    reply->result || reply->done)
		return false;
	return !(reply->flags & MBOX_REPLY_DISCARD) ||
	       !(reply->flags & MBOX_REPLY_SHARED || reply->buf || reply->len || reply->tag);
}

static int predict_reply(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	const struct mbox_reply *reply = &actor->expect.arg.reply;
	struct request *q;
	int at, caller;

	if (!valid_reply(reply))
		return EINVAL;
	at = find_token(w, who, reply->token);
	if (at == NOBODY)
		return EBADR;
	q = &w->requests[at];
	if (!(reply->flags & MBOX_REPLY_DISCARD)) {
		if (reply->len > q->room || (reply->len > w->limits.limit_size &&
					     reply->len > w->boxes[q->box].attr.max_size))
			return EMSGSIZE;
		if (actor->expect.bad && reply->len)
			return EFAULT;
		actor->clock++;
	}
	caller = q->caller;
	q->holder = q->caller = NOBODY;
	q->held = false;
	if (caller == NOBODY)
		return ECANCELED;
	if (reply->flags & MBOX_REPLY_DISCARD)
		finish(w, caller, ECANCELED);
	else
		finish_call(w, caller, reply, actor);
	return 0;
}

static int predict_token(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	const struct mbox_token *token = &actor->expect.arg.token;
	bool passes = token->flags & MBOX_TOKEN_PASS;
	int at, to;

	if (token->flags & ~(MBOX_TOKEN_PASS | MBOX_TOKEN_PIDFD) || token->reserved ||
	    token->pid < 0 || (!passes && token->pid))
		return EINVAL;
	at = find_token(w, who, token->token);
	if (at == NOBODY)
		return EBADR;
	if (!passes)
		return w->requests[at].caller == NOBODY ? ECANCELED : 0;
	to = token->pid ? find_pid(w, token->pid) : NOBODY;
	if (to == NOBODY)
		return ESRCH;
	if (!may_signal(w, who, to))
		return EPERM;
	actor->clock++;
	merge(&w->actors[to], actor->clock);
	w->requests[at].holder = to;
	return 0;
}

static int predict_poll(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct action *x = &actor->expect;
	struct box *b = &w->boxes[actor->fds[x->fd].box];
	bool room;

	if (!actor->fds[x->fd].bound) {
		x->value = POLLERR;
		return 0;
	}
	x->value = POLLIN | POLLOUT | POLLERR | POLLHUP;
	if (b->gone)
		return 0;
	x->value = b->nr ? POLLIN : 0;
	if (is_rendezvous(b)) {
		unsigned int i;

		room = false;
		for (i = 0; i < b->nr_receivers; i++)
			room |= !w->actors[b->receivers[i]].picky;
	} else {
		room = !b->nr_senders && !fits(w, b, b->attr.max_size);
	}
	x->value |= room ? POLLOUT : 0;
	return 0;
}

static int predict(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;

	switch (x->what) {
	case CREATE:
		return predict_create(w, who);
	case OPEN:
		return predict_open(w, who);
	case SEND:
		return predict_send(w, who, &x->arg.send, x->bad);
	case RECV:
		return predict_recv(w, who, &x->arg.recv);
	case DELETE:
		return predict_delete(w, who);
	case STAT:
		return predict_stat(w, who);
	case TRANSFER:
	case OFFER:
		return predict_transfer(w, who, x->what == OFFER);
	case ACCEPT:
		return predict_accept(w, who);
	case CLAIM:
		return predict_claim(w, who);
	case GRANT:
		return predict_grant(w, who);
	case REVOKE:
		return predict_revoke(w, who);
	case GRANTS:
		return predict_grants(w, who);
	case CHANGE:
		return predict_change(w, who);
	case USAGE:
		return predict_usage(w, who);
	case CLOCK:
		return predict_clock(w, who);
	case CALL:
		return predict_call(w, who);
	case REPLY:
		return predict_reply(w, who);
	case TOKEN:
		return predict_token(w, who);
	case SEND_BATCH:
	case RECV_BATCH:
		return predict_batch(w, who);
	case INFO:
		return predict_info(w, who);
	case READ:
		return predict_read(w, who);
	case WRITE:
		return predict_write(w, who);
	case POLL:
		return predict_poll(w, who);
	case REOPEN:
		memset(&w->actors[who].fds[x->fd], 0, sizeof(w->actors[who].fds[0]));
		return 0;
	default:
		return 0;
	}
}

/* What is wrong about the call itself, whatever it is for: 0, or what it is told. */
static int check_call(const struct action *x, unsigned int size, unsigned int min_size)
{
	if ((x->command & _IOC_NRMASK) > (MBOX_IOC_RECV_BATCH & _IOC_NRMASK) ||
	    _IOC_TYPE(x->command) != MBOX_IOC_MAGIC)
		return ENOTTY;
	if (x->size < min_size)
		return EINVAL;
	if (x->place == BAD)
		return EFAULT;
	return x->size > size && x->arg.bytes[size + 7] ? E2BIG : 0;
}

void oracle_predict(struct world *w, unsigned int who)
{
	struct actor *actor = &w->actors[who];
	unsigned int size, min_size;
	int error = 0;

	actor->expect.value = 0;
	actor->or_else = 0;
	actor->done = false;
	if (actor->expect.command) {
		size = action_sizes(actor->expect.what, &min_size);
		error = check_call(&actor->expect, size, min_size);
	}
	if (!error)
		error = predict(w, who);
	if (error != WAITS) {
		actor->expect.error = error;
		actor->waits = NOTHING;
	}
	/* Also when it was an item of a batch that failed. */
	if (error != WAITS)
		actor->expect.value = error ? -1 : MAX(actor->expect.value, 0);
	actor->done = false;
	drain(w);
}

/* A signal that interrupts. */
void oracle_signal(struct world *w, unsigned int who)
{
	struct actor *actor = &w->actors[who];
	struct box *b = &w->boxes[actor->box];

	switch (actor->waits) {
	case NOTHING:
		return;
	case TO_RECEIVE:
	case A_TURN:
		dismiss_receiver(w, b, who, EINTR);
		break;
	default:
		withdraw(w, b, who);
		finish(w, who, EINTR);
	}
	drain(w);
}

static void end_tokens(struct world *w, int who)
{
	unsigned int i;

	for (i = 0; i < w->nr_requests; i++) {
		struct request *q = &w->requests[i];

		if (q->holder != who)
			continue;
		q->holder = NOBODY;
		fail_request(w, i, EOWNERDEAD);
	}
}

static void end_ownership(struct world *w, struct box *b, int who)
{
	int end;

	for (end = 0; end < 2; end++)
		if (b->ends[end] == who)
			b->ends[end] = NOBODY;
	b->rights[who] = 0;
	if (b->offered == who)
		void_offer(b);
	if (b->owner != who)
		return;
	if (b->attr.flags & MBOX_CREATE_PROCESS) {
		end_box(w, b);
		return;
	}
	void_offer(b);
	b->tenure++;
	b->owner = NOBODY;
	recheck(w, b);
}

/* The process has ended. */
void oracle_die(struct world *w, unsigned int who)
{
	unsigned int i;

	oracle_signal(w, who);
	for (i = 0; i < w->nr_boxes; i++)
		if (!w->boxes[i].gone)
			end_ownership(w, &w->boxes[i], who);
	end_tokens(w, who);
	for (i = 0; i < w->nr_requests; i++)
		if (w->requests[i].receiver == (int)who)
			w->requests[i].receiver = NOBODY;
	w->actors[who].done = false;
	memset(w->actors[who].fds, 0, sizeof(w->actors[who].fds));
	drain(w);
}

/* A token is a number that was not given out before. */
static void learn_token(struct world *w, struct mbox_recv *expect,
			const struct mbox_recv *actual, int request)
{
	unsigned int i;

	if (request == NOBODY || !(expect->flags & MBOX_RECV_TOKEN) || !actual->token)
		return;
	for (i = 0; i < w->nr_requests; i++)
		if (w->requests[i].token == actual->token && i != (unsigned int)request)
			return;
	w->requests[request].token = actual->token;
	expect->token = actual->token;
}

/* Times pass; what else is told of them is for other tests. */
static void learn_receipt(struct world *w, struct actor *r, struct mbox_recv *expect,
			  const struct mbox_recv *actual, unsigned int item)
{
	if (actual->time < actual->realtime) {
		expect->time = actual->time;
		expect->realtime = actual->realtime;
	}
	learn_token(w, expect, actual, r->requests[item]);
}

/* They come in no particular order; but as many as fit, each once, and these. */
static void learn_grants(const struct world *w, struct action *x, const struct action *actual)
{
	uint32_t nr = MIN(x->arg.grants.nr, actual->arg.grants.nr), i, j;
	const struct box *b = NULL;

	for (i = 0; i < w->nr_boxes; i++)
		if (!w->boxes[i].gone && w->boxes[i].id == x->grants_of)
			b = &w->boxes[i];
	for (i = 0; b && i < MIN(nr, x->grants_room); i++) {
		int who = find_pid(w, actual->granted[i].pid);

		for (j = 0; j < i; j++)
			if (actual->granted[j].pid == actual->granted[i].pid)
				return;
		if (who == NOBODY || actual->granted[i].rights != b->rights[who])
			return;
	}
	for (i = 0; i < MIN(nr, x->grants_room); i++)
		x->granted[i] = actual->granted[i];
}

static void learn_usage(struct mbox_usage *expect, const struct mbox_usage *actual)
{
	expect->user_bytes = actual->user_bytes;
	expect->ns_bytes = actual->ns_bytes;
	expect->user_bytes_limit = actual->user_bytes_limit;
	expect->user_mailboxes_limit = actual->user_mailboxes_limit;
	expect->user_msgs_limit = actual->user_msgs_limit;
	expect->ns_bytes_limit = actual->ns_bytes_limit;
	expect->ns_mailboxes_limit = actual->ns_mailboxes_limit;
	expect->ns_msgs_limit = actual->ns_msgs_limit;
	expect->user_files_limit = actual->user_files_limit;
	expect->ns_files_limit = actual->ns_files_limit;
	expect->user_listeners_limit = actual->user_listeners_limit;
	expect->ns_listeners_limit = actual->ns_listeners_limit;
}

/* What only the kernel can know: the numbers that it gives out, times, and memory. */
void oracle_learn(struct world *w, unsigned int who, const struct action *actual)
{
	struct actor *actor = &w->actors[who];
	struct action *x = &actor->expect;
	struct box *b = &w->boxes[w->nr_boxes - 1];
	unsigned int i;

	if (x->error || actual->error)
		return;
	switch (x->what) {
	case CREATE:
		if (actual->arg.create.id > w->last_id)
			x->arg.create.id = b->id = w->last_id = actual->arg.create.id;
		break;
	case RECV:
		learn_receipt(w, actor, &x->arg.recv, &actual->arg.recv, 0);
		break;
	case RECV_BATCH:
		for (i = 0; i < x->arg.batch.done; i++)
			learn_receipt(w, actor, &x->items[i].recv, &actual->items[i].recv, i);
		break;
	case GRANTS:
		learn_grants(w, x, actual);
		break;
	case USAGE:
		learn_usage(&x->arg.usage, &actual->arg.usage);
		break;
	default:
		break;
	}
}
