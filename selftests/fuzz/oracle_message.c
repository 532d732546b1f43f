// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_message.c - send, receive, batches of them, read, write and poll: each in the order
 * in which errors apply, until it is done or waits.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "oracle_message.h"
#include "oracle_queue.h"
#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_talk.h"
#include "oracle_tell.h"
#include "oracle_wait.h"
#include "oracle_world.h"

int message_take_end(const struct world *w, struct box *b, int end, int who)
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
int message_impatience(const struct actor *actor, uint64_t flags)
{
	const struct action *x = &actor->expect;

	if (flags & MBOX_SEND_NONBLOCK || x->fd == 3 || x->nonblock)
		return EAGAIN;
	return flags & MBOX_SEND_TIMEOUT ? ETIMEDOUT : 0;
}

/* A call that only has to wait for its reply. */
static bool is_underway(const struct world *w, const struct box *b, const struct actor *s)
{
	return s->waits == A_REPLY &&
	       (w->requests[s->msg.request].held || !queue_is_rendezvous(b));
}

/* A sending by whoever has the right: s->msg says what. */
int message_submit(struct world *w, struct box *b, int who, int impatience, bool bad)
{
	struct actor *s = &w->actors[who];
	uint32_t len = s->msg.len;
	int error;

	error = queue_charge(w, b, s->msg.user, len);
	if (error)
		return error;
	if (!(b->attr.flags & MBOX_CREATE_RESERVE))
		error = quota_send(w, who);
	if (error) {
		queue_uncharge(b, &s->msg);
		return error;
	}
	if (b->attr.flags & MBOX_CREATE_RESERVE && !b->slots && impatience) {
		b->refused++;
		queue_uncharge(b, &s->msg);
		return impatience;
	}
	if (bad && len) {
		if (b->attr.flags & MBOX_CREATE_RESERVE) {
			b->slots--;
			wait_settle(w, b);
		}
		wait_discard(w, b, &s->msg);
		return EFAULT;
	}
	s->msg.key = b->attr.flags & MBOX_CREATE_BY_SENDER ? s->self.id : s->msg.tag;
	wait_seat_sender(w, b, who);
	/* Of what is taken back at once nobody learns. */
	w->undecided = impatience == EAGAIN;
	wait_settle(w, b);
	w->undecided = false;
	if (s->done || is_underway(w, b, s))
		queue_note_room(w, b);
	if (s->done)
		return wait_take_result(s);
	if (!impatience)
		return WAITS;
	/* A call that does not block still waits for its reply. */
	if (impatience == EAGAIN && is_underway(w, b, s)) {
		if (!(s->expect.arg.call.flags & MBOX_CALL_TIMEOUT))
			return WAITS;
		impatience = ETIMEDOUT;
	}
	if (impatience == ETIMEDOUT && w->nr_leaving && b->nr_turn)
		world_lose_track(w, "the end of a time races with a turn");
	if (s->msg.request == NOBODY || !w->requests[s->msg.request].held)
		b->refused++;
	else if (!w->actors[w->requests[s->msg.request].receiver].wants_token)
		s->or_else = ECANCELED;
	wait_withdraw(w, b, who);
	return impatience;
}

void message_begin(struct world *w, int who, uint64_t len, uint32_t prio, uint64_t tag)
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
	error = world_find(w, who, send->offer, &b);
	if (error)
		return error;
	if (b->owner != who)
		return EACCES;
	if (b->attr.flags & MBOX_CREATE_PROCESS)
		return EOPNOTSUPP;
	w->actors[who].msg.deed = world_index(w, b);
	w->actors[who].msg.tenure = b->tenure;
	return 0;
}

int predict_send(struct world *w, int who, const struct mbox_send *send, bool bad)
{
	struct actor *s = &w->actors[who];
	struct box *b;
	int error;

	if (send->flags & ~SEND_FLAGS || send->prio > MBOX_PRIO_MAX || send->reserved ||
	    (send->flags & MBOX_SEND_OFFER && !send->offer))
		return EINVAL;
	if (s->expect.fd == 2)
		return EBADF;
	error = world_find(w, who, send->id, &b);
	if (error)
		return error;
	if (!rights_has(w, b, who, MBOX_RIGHT_SEND))
		return EACCES;
	s->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_SEND);
	message_begin(w, who, send->len, send->prio, send->tag);
	s->msg.number = number_of(w, &s->expect);
	s->msg.shared = send->flags & MBOX_SEND_SHARED;
	error = write_deed(w, who, send);
	if (!error)
		error = queue_check_size(b, send->len);
	if (!error)
		error = message_take_end(w, b, 0, who);
	if (!error && send->flags & MBOX_SEND_EXPIRES && send->expires == 1)
		error = ETIMEDOUT;
	return error ? error : message_submit(w, b, who, message_impatience(s, send->flags), bad);
}

int predict_write(struct world *w, int who)
{
	struct actor *s = &w->actors[who];
	struct box *b;
	int error;

	if (s->expect.fd == 2)
		return EBADF;
	error = world_find(w, who, 0, &b);
	if (error)
		return error;
	if (!rights_has(w, b, who, MBOX_RIGHT_SEND))
		return EACCES;
	s->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_SEND);
	if (!s->expect.len)
		return 0;
	message_begin(w, who, s->expect.len, 0, 0);
	s->msg.number = w->number;
	error = queue_check_size(b, s->expect.len);
	if (!error)
		error = message_take_end(w, b, 0, who);
	return error ? error : message_submit(w, b, who, message_impatience(s, 0), s->expect.bad);
}

/* The end of a receive that did not wait. */
static int end_receive(struct world *w, struct box *b, int who)
{
	struct actor *r = &w->actors[who];
	struct message msg = r->msg;
	int error = tell_message(w, who, b, &msg);

	if (!error && !r->peek)
		wait_conclude(w, who, b, &msg);
	else if (error && !r->peek)
		wait_put_back(w, b, &msg);
	return error;
}

static int look_behind(struct world *w, struct box *b, int who, unsigned int nth)
{
	struct actor *r = &w->actors[who];

	if (nth >= b->nr)
		return EAGAIN;
	if (b->queue[nth].len > r->room)
		return tell_needs(w, who, b, &b->queue[nth]);
	tell_clock(r, b->queue[nth].stamp);
	r->stamp = r->clock;
	r->msg = b->queue[nth];
	return 0;
}

static int receive(struct world *w, struct box *b, int who, int impatience, unsigned int nth)
{
	int error = message_take_end(w, b, 1, who);
	bool single = b->attr.flags & MBOX_CREATE_SINGLE;

	if (error)
		return error;
	if (single && b->inside != NOBODY) {
		if (impatience)
			return impatience == EAGAIN ? EBUSY : impatience;
		if (w->actors[who].left)
			world_lose_track(w, "it waits for its turn only");
		b->turn[b->nr_turn++] = who;
		w->actors[who].waits = A_TURN;
		w->actors[who].box = world_index(w, b);
		return WAITS;
	}
	if (single)
		b->inside = who;
	if (w->actors[who].left)
		impatience = EAGAIN;
	error = nth ? look_behind(w, b, who, nth) : wait_receive(w, b, who, impatience);
	if (error == WAITS)
		return WAITS;
	if (!error)
		error = end_receive(w, b, who);
	wait_leave_gate(w, b, who);
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
		error = world_find(w, who, r->expect.ids[(first + i) % nr], &b);
		if (error)
			return error;
		r->boxes[i] = world_index(w, b);
	}
	for (i = 0; i < nr; i++) {
		b = &w->boxes[r->boxes[i]];
		if (!rights_has(w, b, who, MBOX_RIGHT_RECV))
			return EACCES;
		r->privileged[i] = !(rights_of(w, b, who) & MBOX_RIGHT_RECV);
	}
	for (i = 0; i < nr; i++)
		if (w->boxes[r->boxes[i]].attr.flags & MBOX_CREATE_SINGLE)
			return EOPNOTSUPP;
	for (i = 0; i < nr; i++)
		if (message_take_end(w, &w->boxes[r->boxes[i]], 1, who))
			return EPERM;
	r->nr_boxes = nr;
	r->first = first;
	for (i = 0; i < nr; i++) {
		int at;

		b = &w->boxes[r->boxes[i]];
		at = queue_best(b, r);
		if (at == NOBODY)
			continue;
		wait_give(w, b, who, at);
		wait_settle(w, b);
		error = wait_take_result(r);
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

/* That @match is not a pid. */
#define PROCESS_FLAGS	(MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT)

static bool valid_recv(const struct mbox_recv *recv)
{
	bool peek = recv->flags & MBOX_RECV_PEEK;

	if (recv->flags & ~RECV_FLAGS || recv->nth > MBOX_PEEK_MAX || recv->reserved ||
	    recv->nr_files)
		return false;
	if (peek && recv->flags & (MBOX_RECV_ACCEPT | MBOX_RECV_TOKEN | MBOX_RECV_REPLY |
				   MBOX_RECV_CHOICE))
		return false;
	if (recv->flags & PROCESS_FLAGS &&
	    (!(recv->flags & MBOX_RECV_MATCH) || !(~recv->flags & PROCESS_FLAGS)))
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
	r->left = false;
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
		       !(recv->flags & PROCESS_FLAGS) ? 0 : EOPNOTSUPP;
	if (recv->flags & MBOX_RECV_PARTICIPANT) {
		r->left = world_find_participant(w, recv->match) == NOBODY;
		return 0;
	}
	sender = world_find_pid(w, recv->flags & MBOX_RECV_PIDFD ? r->expect.pidfd_of :
								   (int32_t)recv->match);
	if (sender == NOBODY)
		return ESRCH;
	r->key = w->actors[sender].self.id;
	return 0;
}

int predict_recv(struct world *w, int who, const struct mbox_recv *recv)
{
	struct actor *r = &w->actors[who];
	int impatience = recv->nth ? EAGAIN : message_impatience(r, recv->flags);
	struct box *b;
	int error = 0;

	if (!valid_recv(recv))
		return EINVAL;
	if (r->expect.fd == 3)
		return EBADF;
	if (recv->flags & MBOX_RECV_PIDFD &&
	    world_find_pid(w, r->expect.pidfd_of) == NOBODY)
		return EBADF;
	if (recv->flags & MBOX_RECV_REPLY)
		error = talk_reply_first(w, who);
	if (error)
		return error;
	begin_receive(r, recv->flags, recv->size, recv->match);
	if (recv->flags & MBOX_RECV_CHOICE)
		return choose(w, who, recv, impatience);
	error = world_find(w, who, recv->id, &b);
	if (error)
		return error;
	if (!rights_has(w, b, who, MBOX_RIGHT_RECV))
		return EACCES;
	r->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_RECV);
	r->boxes[0] = world_index(w, b);
	r->nr_boxes = 1;
	error = find_key(w, r, b, recv);
	if (!error)
		error = receive(w, b, who, impatience, recv->nth);
	return r->left && error == EAGAIN ? ESRCH : error;
}

int predict_read(struct world *w, int who)
{
	struct actor *r = &w->actors[who];
	struct box *b;
	int error;

	if (r->expect.fd == 3)
		return EBADF;
	error = world_find(w, who, 0, &b);
	if (error)
		return error;
	if (!rights_has(w, b, who, MBOX_RIGHT_RECV))
		return EACCES;
	if (!r->expect.len)
		return 0;
	begin_receive(r, 0, r->expect.len, 0);
	r->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_RECV);
	r->boxes[0] = world_index(w, b);
	r->nr_boxes = 1;
	return receive(w, b, who, message_impatience(r, 0), 0);
}

int predict_batch(struct world *w, int who)
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
	tell_fields(x, batch, &made, offsetof(struct mbox_batch, done), sizeof(made));
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
	tell_fields(x, batch, &made, offsetof(struct mbox_batch, done), sizeof(made));
	return 0;
}

int predict_poll(struct world *w, int who)
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
	if (queue_is_rendezvous(b)) {
		unsigned int i;

		room = false;
		for (i = 0; i < b->nr_receivers; i++)
			room |= !w->actors[b->receivers[i]].picky;
	} else {
		room = !b->nr_senders && !queue_fits(w, b, b->attr.max_size);
	}
	x->value |= room ? POLLOUT : 0;
	return 0;
}

/* Times pass; what else is told of them is for other tests. */
void message_learn(struct world *w, struct actor *r, struct mbox_recv *expect,
		   const struct mbox_recv *actual, unsigned int item)
{
	if (actual->time < actual->realtime) {
		expect->time = actual->time;
		expect->realtime = actual->realtime;
	}
	talk_learn(w, expect, actual, r->requests[item]);
}
