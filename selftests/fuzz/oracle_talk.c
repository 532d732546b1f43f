// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_talk.c - calls: the request, who has its token, the reply, and why there is none.
 */
#include <errno.h>

#include "oracle_message.h"
#include "oracle_queue.h"
#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_talk.h"
#include "oracle_tell.h"
#include "oracle_world.h"

/* The caller is told that there will be no reply. */
void talk_fail(struct world *w, int request, int error)
{
	struct request *q = &w->requests[request];
	int caller = q->caller;

	q->held = false;
	q->caller = NOBODY;
	if (caller != NOBODY)
		tell_end(w, caller, error);
}

#define CALL_FLAGS	(MBOX_CALL_NONBLOCK | MBOX_CALL_TIMEOUT | MBOX_CALL_PID |		\
			 MBOX_CALL_PIDFD | MBOX_CALL_PARTICIPANT | MBOX_CALL_SHARED |	\
			 MBOX_CALL_TRUNCATE)

int predict_call(struct world *w, int who)
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
	error = world_find(w, who, call->id, &b);
	if (error)
		return error;
	if (!rights_has(w, b, who, MBOX_RIGHT_SEND))
		return EACCES;
	s->privileged[0] = !(rights_of(w, b, who) & MBOX_RIGHT_SEND);
	message_begin(w, who, call->len, call->prio, call->tag);
	s->msg.number = w->number;
	s->msg.shared = call->flags & MBOX_CALL_SHARED;
	s->msg.request = w->nr_requests;
	q = &w->requests[w->nr_requests++];
	*q = (struct request) {
		.caller = NOBODY,
		.holder = NOBODY,
		.receiver = NOBODY,
		.box = world_index(w, b),
		.room = call->flags & MBOX_CALL_TRUNCATE ? UINT64_MAX : call->size,
	};
	error = queue_check_size(b, call->len);
	if (!error)
		error = message_take_end(w, b, 0, who);
	if (!error)
		error = message_submit(w, b, who, message_impatience(s, call->flags), s->expect.bad);
	/* Nobody has had it. */
	if (error != WAITS && q->receiver == NOBODY)
		w->nr_requests--;
	return error;
}

uint32_t talk_count(const struct world *w, const struct box *b)
{
	unsigned int i;
	uint32_t nr = 0;

	for (i = 0; i < w->nr_requests; i++)
		nr += w->requests[i].held && &w->boxes[w->requests[i].box] == b;
	return nr;
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

	tell_clock(caller, replier->clock);
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
	tell_end(w, who, tell_fields(x, call, &made, offsetof(struct mbox_call, nr_reply_files),
				     offsetof(struct mbox_call, reserved)));
}

static bool valid_reply(const struct mbox_reply *reply)
{
	if (reply->flags & ~(MBOX_REPLY_DISCARD | MBOX_REPLY_SHARED) || reply->reserved)
		return false;
	return !(reply->flags & MBOX_REPLY_DISCARD) ||
	       !(reply->flags & MBOX_REPLY_SHARED || reply->buf || reply->len || reply->tag);
}

/* What is valid. */
static int reply_as(struct world *w, int who, const struct mbox_reply *reply, bool bad)
{
	struct actor *actor = &w->actors[who];
	struct request *q;
	int error, at, caller;

	at = find_token(w, who, reply->token);
	if (at == NOBODY)
		return EBADR;
	q = &w->requests[at];
	if (!(reply->flags & MBOX_REPLY_DISCARD)) {
		if (reply->len > q->room || (reply->len > w->limits.limit_size &&
					     reply->len > w->boxes[q->box].attr.max_size))
			return EMSGSIZE;
		error = quota_send(w, who);
		if (error)
			return error;
		if (bad && reply->len)
			return EFAULT;
		actor->clock++;
	}
	caller = q->caller;
	q->holder = q->caller = NOBODY;
	q->held = false;
	if (caller == NOBODY)
		return ECANCELED;
	if (reply->flags & MBOX_REPLY_DISCARD)
		tell_end(w, caller, ECANCELED);
	else
		finish_call(w, caller, reply, actor);
	return 0;
}

int predict_reply(struct world *w, int who)
{
	const struct mbox_reply *reply = &w->actors[who].expect.arg.reply;

	if (!valid_reply(reply) || reply->result || reply->done)
		return EINVAL;
	return reply_as(w, who, reply, w->actors[who].expect.bad);
}

/* Before a receive, once: what remains for it is 0 or an error. */
int talk_reply_first(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_reply *reply = &x->reply;
	int error;

	/* A program that does not know of it does not say where it is. */
	if (x->what == RECV && x->size < END_OF(mbox_recv, reply))
		return EFAULT;
	if (!valid_reply(reply) || reply->done > 1)
		return EINVAL;
	if (reply->done)
		return 0;
	reply->result = 0;
	error = reply_as(w, who, reply, false);
	if (error && error != ECANCELED)
		return error;
	reply->result = -error;
	reply->done = 1;
	return 0;
}

int predict_token(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	const struct mbox_token *token = &actor->expect.arg.token;
	bool passes = token->flags & MBOX_TOKEN_PASS;
	int error, at, to;

	if (token->flags & ~(MBOX_TOKEN_PASS | MBOX_TOKEN_PIDFD) || token->reserved ||
	    token->pid < 0 || (!passes && (token->pid || token->flags)))
		return EINVAL;
	error = world_find_process(w, who, token->pid, token->flags & MBOX_TOKEN_PIDFD, &to);
	if (error)
		return error;
	at = find_token(w, who, token->token);
	if (at == NOBODY)
		return EBADR;
	if (!passes)
		return w->requests[at].caller == NOBODY ? ECANCELED : 0;
	if (to == NOBODY)
		return ESRCH;
	if (!rights_may_signal(w, who, to))
		return EPERM;
	actor->clock++;
	tell_clock(&w->actors[to], actor->clock);
	w->requests[at].holder = to;
	return 0;
}

void talk_end(struct world *w, int who)
{
	unsigned int i;

	for (i = 0; i < w->nr_requests; i++) {
		struct request *q = &w->requests[i];

		if (q->holder != who)
			continue;
		q->holder = NOBODY;
		talk_fail(w, i, EOWNERDEAD);
	}
}

/* A token is a number that was not given out before. */
void talk_learn(struct world *w, struct mbox_recv *expect,
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
