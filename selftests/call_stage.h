/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stage of a call, for tests that use the harness: a server with a mailbox, a
 * worker and a caller, and what is expected of them.
 */
#ifndef CALL_STAGE_H
#define CALL_STAGE_H

#include "call.h"

#define SIZE	64
#define MANY	12

static inline uint64_t soon(void)
{
	return now() + 50 * MSEC;
}

/* How many signals puppets have handled. */
static uint32_t *handled;

static inline void count_signal(int signal)
{
	(void)signal;
	__atomic_add_fetch(handled, 1, __ATOMIC_SEQ_CST);
}

static inline int handle_signals(int flags)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = flags };

	return error_of(sigaction(SIGUSR1, &action, NULL));
}

static inline int let_signals_interrupt(struct puppet *me)
{
	(void)me;
	return handle_signals(0);
}

static inline int let_signals_restart(struct puppet *me)
{
	(void)me;
	return handle_signals(SA_RESTART);
}

static inline void signal_and_wait(struct puppet *puppet)
{
	uint32_t before = told(handled);

	NEED(!syscall(SYS_tgkill, puppet->pid, puppet->tid, SIGUSR1));
	WAIT_UNTIL(told(handled) == before + 1);
}

/*
 * A server, who owns the mailbox; a worker of the same user; and a caller of
 * another one.
 */
struct stage {
	int fd;
	struct puppet *server, *worker, *caller;
	uint64_t id;
};

/* Everybody sends, the owner's user receives. */
static inline struct mbox_create service(uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.mode = 0622;
	return attr;
}

static inline void set_stage(struct stage *stage, struct mbox_create attr)
{
	begin_accounts();
	handled = shared(sizeof(*handled));
	stage->fd = device(O_RDWR);
	stage->server = new_puppet(stage->fd, OWNER, OWNER);
	stage->worker = new_puppet(stage->fd, OWNER, OWNER);
	stage->caller = new_puppet(stage->fd, STRANGER, STRANGER);
	NEED(!ask(stage->caller, let_signals_interrupt));
	NEED(!ask(stage->server, let_signals_interrupt));
	stage->id = create_by(stage->server, attr);
}

static inline void clear_stage(struct stage *stage)
{
	/* A token that nobody has used is the server's as long as that lives. */
	kill(stage->server->pid, SIGKILL);
	kill(stage->worker->pid, SIGKILL);
	end_accounts(stage->fd);
}

static inline struct mbox_stat seen(struct stage *stage)
{
	return state(stage->fd, stage->id);
}

static inline struct puppet *another_caller(struct stage *stage)
{
	return new_puppet(stage->fd, STRANGER, STRANGER);
}

/* Nothing is there and nobody waits. */
static inline void expect_quiet(struct __test_metadata *_metadata, struct stage *stage)
{
	struct mbox_stat stat = seen(stage);

	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.bytes);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(0, stat.requests);
	EXPECT_EQ(stat.sent, stat.received);
}

static inline void wait_until_queued(struct stage *stage, uint32_t msgs)
{
	WAIT_UNTIL(seen(stage).msgs >= msgs);
}

/* A request that is queued. */
static inline void queue_request(struct stage *stage, const char *text)
{
	begin_request(stage->caller, stage->id, text);
	wait_until_queued(stage, 1);
}

/* A request that the server has. */
static inline uint64_t hold_request(struct stage *stage, const char *text)
{
	begin_request(stage->caller, stage->id, text);
	return take(stage->server, stage->id);
}

static inline void expect_reply(struct __test_metadata *_metadata, struct puppet *caller,
			 const char *text)
{
	ASSERT_EQ(0, end_request(caller));
	EXPECT_STREQ(text, reply_of(caller));
	EXPECT_EQ(strlen(text), called(caller)->reply_len);
}

/* Calls work as ever. */
static inline void expect_service(struct __test_metadata *_metadata, struct stage *stage,
			   struct puppet *caller, struct puppet *server)
{
	uint64_t token;

	begin_request(caller, stage->id, "again");
	token = take(server, stage->id);
	EXPECT_STREQ("again", server->text);
	EXPECT_EQ(0, reply_by(server, token, "and again"));
	expect_reply(_metadata, caller, "and again");
	expect_quiet(_metadata, stage);
}

/* The caller is not there any more; it is told so once, and the token is gone. */
static inline void expect_caller_gone(struct __test_metadata *_metadata, struct puppet *server,
			       uint64_t token)
{
	EXPECT_EQ(ECANCELED, ask_about(server, token));
	EXPECT_EQ(ECANCELED, ask_about(server, token));
	EXPECT_EQ(ECANCELED, reply_by(server, token, "late"));
	EXPECT_EQ(EBADR, ask_about(server, token));
	EXPECT_EQ(EBADR, reply_by(server, token, "later"));
}

static inline struct mbox_clock clock_of(struct puppet *puppet)
{
	struct mbox_clock clock = { };

	NEED(!call_by(puppet, MBOX_IOC_CLOCK, &clock));
	return clock;
}

/* A call with room for a reply of LARGE bytes. */
static inline int call_for_much(struct puppet *me)
{
	unsigned char *buf = malloc(LARGE);
	struct mbox_call how = { .reply = (uintptr_t)buf, .size = LARGE };
	unsigned int i;
	int error;

	memcpy(&how.id, me->arg, sizeof(how.id));
	memset(buf, POISON, LARGE);
	error = call(me->fd, MBOX_IOC_CALL, &how);
	NEED(error || how.reply_len == LARGE);
	for (i = 0; !error && i < LARGE; i++)
		NEED(!buf[i]);
	free(buf);
	return error;
}

#endif /* CALL_STAGE_H */
