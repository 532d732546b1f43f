/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls, for tests: puppets that call, and puppets that have a token and reply.
 */
#ifndef CALL_H
#define CALL_H

#include "account.h"

/* The second half of a caller's text is its buffer for the reply. */
#define REPLY_AT	64
#define REPLY_SIZE	63

#define NO_TOKEN	0xdeadbeefdeadbeefULL

_Static_assert(sizeof(struct mbox_recv) >= sizeof(struct mbox_call), "a task has room for it");
_Static_assert(sizeof(((struct puppet *)0)->arg) >= sizeof(struct mbox_call), "fits");

/* The caller's side. */

static inline struct mbox_call *called(struct puppet *caller)
{
	return (struct mbox_call *)caller->arg;
}

static inline char *reply_of(struct puppet *caller)
{
	return caller->text + REPLY_AT;
}

static inline void poison_call(struct mbox_call *how)
{
	memset(&how->got, POISON,
	       offsetof(struct mbox_call, reserved) - offsetof(struct mbox_call, got));
}

/* Written on success only. */
static inline bool call_is_told(const struct mbox_call *how)
{
	struct mbox_call poisoned = *how;

	poison_call(&poisoned);
	return memcmp(&poisoned, how, sizeof(poisoned));
}

static inline void begin_sized_call(struct puppet *caller, struct mbox_call how, const char *text,
				    uint64_t size)
{
	NEED(strlen(text) < REPLY_AT && size <= REPLY_SIZE);
	strcpy(caller->text, text);
	memset(reply_of(caller), POISON, REPLY_SIZE + 1);
	how.buf = (uintptr_t)caller->text;
	how.len = strlen(text);
	how.reply = (uintptr_t)reply_of(caller);
	how.size = size;
	poison_call(&how);
	begin_call(caller, MBOX_IOC_CALL, &how);
}

/* A call in every detail but for the buffers. */
static inline void begin_call_as(struct puppet *caller, struct mbox_call how, const char *text)
{
	begin_sized_call(caller, how, text, REPLY_SIZE);
}

static inline void begin_request(struct puppet *caller, uint64_t id, const char *text)
{
	begin_call_as(caller, (struct mbox_call){ .id = id }, text);
}

/* What the call said; the reply is in reply_of() and called(). */
static inline int end_request(struct puppet *caller)
{
	struct mbox_call *how = called(caller);
	int error = end_act(caller);
	uint64_t len;

	if (error) {
		NEED(!call_is_told(how));
		return error;
	}
	len = how->reply_len < how->size ? how->reply_len : how->size;
	reply_of(caller)[len] = '\0';
	return 0;
}

static inline int request_as(struct puppet *caller, struct mbox_call how, const char *text)
{
	begin_call_as(caller, how, text);
	return end_request(caller);
}

/* The side of whoever replies. */

static inline struct mbox_recv takes(uint64_t id)
{
	return (struct mbox_recv){ .id = id, .flags = MBOX_RECV_TOKEN };
}

/* Receive the next request, which may still have to come. */
static inline uint64_t take(struct puppet *server, uint64_t id)
{
	NEED(!recv_by(server, takes(id)));
	NEED(server->recv.token && server->recv.got & MBOX_GOT_REQUEST);
	return server->recv.token;
}

/* Receive one that is there, or say why not. */
static inline int try_take(struct puppet *server, uint64_t id)
{
	struct mbox_recv how = takes(id);

	how.flags |= MBOX_RECV_NONBLOCK;
	return recv_by(server, how);
}

static inline int reply_as(struct puppet *server, struct mbox_reply how, const char *text)
{
	NEED(strlen(text) < sizeof(server->text));
	strcpy(server->text, text);
	how.buf = (uintptr_t)server->text;
	how.len = strlen(text);
	return call_by(server, MBOX_IOC_REPLY, &how);
}

static inline int reply_by(struct puppet *server, uint64_t token, const char *text)
{
	return reply_as(server, (struct mbox_reply){ .token = token }, text);
}

static inline int discard_by(struct puppet *server, uint64_t token)
{
	struct mbox_reply how = { .flags = MBOX_REPLY_DISCARD, .token = token };

	return call_by(server, MBOX_IOC_REPLY, &how);
}

/* 0: the caller waits; ECANCELED: it does not any more; EBADR: no such token. */
static inline int ask_about(struct puppet *server, uint64_t token)
{
	return call_by(server, MBOX_IOC_TOKEN, &(struct mbox_token){ .token = token });
}

static inline int pass_by(struct puppet *server, uint64_t token, pid_t pid)
{
	struct mbox_token how = { .flags = MBOX_TOKEN_PASS, .token = token, .pid = pid };

	return call_by(server, MBOX_IOC_TOKEN, &how);
}

/* Acts. */

/*
 * A call whose reply, or a reply whose bytes, stall until the test says how to go
 * on; as do_stalled_call().
 */
static inline int do_stalled(struct puppet *me, bool request)
{
	struct task task = { .fd = me->fd, .command = me->command };
	struct mbox_call *how = (struct mbox_call *)&task.recv;
	struct mbox_reply *reply = (struct mbox_reply *)&task.recv;
	struct stall stall = new_stall();

	memcpy(&task.recv, me->arg, _IOC_SIZE(me->command));
	if (me->command == MBOX_IOC_REPLY)
		reply->buf = (uintptr_t)stall.page;
	else if (request)
		how->buf = (uintptr_t)stall.page;
	else
		how->reply = (uintptr_t)stall.page;
	start_task(&task);
	wait_for_stall(&stall);
	tell(&me->stall, STALLS);
	WAIT_UNTIL(told(&me->stall) != STALLS);
	if (told(&me->stall) == GO_ON)
		release_stall(&stall);
	else
		fail_stall(&stall);
	NEED(!pthread_join(task.thread, NULL));
	memcpy(me->arg, &task.recv, _IOC_SIZE(me->command));
	return task.error;
}

static inline int do_stalled_request(struct puppet *me)
{
	return do_stalled(me, true);
}

static inline int do_stalled_reply(struct puppet *me)
{
	return do_stalled(me, false);
}

static inline void begin_stalled(struct puppet *puppet, unsigned long command, const void *arg,
				 act_fn *act)
{
	puppet->stall = 0;
	puppet->command = command;
	memcpy(puppet->arg, arg, _IOC_SIZE(command));
	begin_act(puppet, act);
}

static inline int exit_at_once(struct puppet *me)
{
	(void)me;
	exit(0);
}

static inline void exit_puppet(struct puppet *puppet)
{
	begin_act(puppet, exit_at_once);
	NEED(join(puppet->pid) == 0);
}

static inline int become_stranger(struct puppet *me)
{
	(void)me;
	become(STRANGER, STRANGER);
	return 0;
}

#endif /* CALL_H */
