/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct communication for tests: puppets that send to and receive from each other,
 * and what can be seen of their inboxes and links.
 */
#ifndef DIRECT_H
#define DIRECT_H

#include "kselftest_harness.h"
#include "account.h"

/* Whoever acts in a test. Nobody outlives it, so that no link does. */
static struct puppet *cast[32];
static unsigned int nr_cast;

static inline struct puppet *enlist(struct puppet *puppet)
{
	NEED(nr_cast < sizeof(cast) / sizeof(cast[0]));
	return cast[nr_cast++] = puppet;
}

static inline struct puppet *new_actor(int fd, uid_t uid)
{
	return enlist(new_puppet(fd, uid, uid));
}

static inline struct puppet *new_actor_after(int fd, act_fn *act)
{
	return enlist(new_puppet_after(fd, act));
}

/* Some have ended already. Everything has to be given back. */
static inline void end_cast(int fd)
{
	while (nr_cast) {
		struct puppet *puppet = cast[--nr_cast];

		if (!waitpid(puppet->pid, NULL, WNOHANG))
			kill_puppet(puppet);
	}
	end_accounts(fd);
}

/*
 * What can be seen by root.
 */

/* The inbox of that process, if there is one; it is not made by looking for it. */
static inline bool find_inbox(int fd, pid_t pid, struct mbox_stat *stat)
{
	uint64_t next = 1;

	while (!try_stat(fd, next, MBOX_STAT_NEXT, stat)) {
		if (stat->kind & MBOX_CREATE_INBOX && stat->pid == pid)
			return true;
		next = stat->id + 1;
	}
	return false;
}

/* Its id; 0: there is none. */
static inline uint64_t inbox_of(int fd, pid_t pid)
{
	struct mbox_stat stat;

	return find_inbox(fd, pid, &stat) ? stat.id : 0;
}

static inline struct mbox_stat inbox(int fd, const struct puppet *whose)
{
	struct mbox_stat stat;

	NEED(find_inbox(fd, whose->pid, &stat));
	stat.flags = 0;
	return stat;
}

static inline uint32_t links(int fd, const struct puppet *whose)
{
	return inbox(fd, whose).links;
}

/* Block until so many calls wait for a message in the inbox, which they make. */
static inline void wait_until_hearing(int fd, const struct puppet *who, uint32_t count)
{
	WAIT_UNTIL(inbox_of(fd, who->pid) && inbox(fd, who).receivers == count);
}

/* Block until so many calls wait to send to that process. */
static inline void wait_until_told(int fd, const struct puppet *whom, uint32_t count)
{
	WAIT_UNTIL(inbox_of(fd, whom->pid) && inbox(fd, whom).senders == count);
}

/*
 * Calls.
 */

static inline struct mbox_send to(const struct puppet *whom)
{
	return (struct mbox_send){
		.flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK, .id = whom->pid,
	};
}

static inline struct mbox_send to_and_wait(const struct puppet *whom)
{
	return (struct mbox_send){ .flags = MBOX_SEND_PID, .id = whom->pid };
}

static const struct mbox_recv from_any = {
	.flags = MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK,
};

static const struct mbox_recv from_any_and_wait = { .flags = MBOX_RECV_DIRECT };

static inline struct mbox_recv from(const struct puppet *whom)
{
	return (struct mbox_recv){
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK,
		.match = whom->pid,
	};
}

static inline struct mbox_recv from_and_wait(const struct puppet *whom)
{
	return (struct mbox_recv){
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH, .match = whom->pid,
	};
}

static inline struct mbox_recv from_participant(uint64_t participant)
{
	return (struct mbox_recv){
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH | MBOX_RECV_PARTICIPANT |
			 MBOX_RECV_NONBLOCK,
		.match = participant,
	};
}

static inline int say(struct puppet *who, const struct puppet *whom, const char *text)
{
	return send_by(who, to(whom), text);
}

static inline void begin_to_say(struct puppet *who, const struct puppet *whom, const char *text)
{
	begin_send(who, to_and_wait(whom), text);
}

/* What came is in who->recv and who->text. */
static inline int hear(struct puppet *who)
{
	return recv_by(who, from_any);
}

static inline int hear_from(struct puppet *who, const struct puppet *whom)
{
	return recv_by(who, from(whom));
}

static inline void begin_to_hear(struct puppet *who)
{
	begin_recv(who, from_any_and_wait);
}

static inline void begin_to_hear_from(struct puppet *who, const struct puppet *whom)
{
	begin_recv(who, from_and_wait(whom));
}

static inline uint64_t participant_of(struct puppet *who)
{
	struct mbox_clock clock = { };

	NEED(!call_by(who, MBOX_IOC_CLOCK, &clock));
	return clock.participant;
}

/* An inbox with room for so many messages in each link. */
static inline struct mbox_create inbox_for(uint32_t msgs, uint32_t size)
{
	return (struct mbox_create){
		.flags = MBOX_CREATE_INBOX,
		.max_msgs = msgs,
		.max_bytes = msgs ? MBOX_UNBOUNDED_BYTES : 0,
		.max_size = size,
	};
}

/* The same, and everybody may send. */
static inline struct mbox_create open_inbox_for(uint32_t msgs, uint32_t size)
{
	struct mbox_create attr = inbox_for(msgs, size);

	attr.mode = 0222;
	return attr;
}

/*
 * Acts.
 */

/* From now on it uses a descriptor of its own. */
static inline int do_get_device(struct puppet *me)
{
	me->fd = device(O_RDWR);
	return 0;
}

/* Of its own, and bound to the inbox of that process. */
static inline int bind_to_inbox(struct puppet *who, pid_t pid)
{
	struct mbox_open arg = { .flags = MBOX_OPEN_INBOX, .id = pid };

	NEED(!ask(who, do_get_device));
	return call_by(who, MBOX_IOC_OPEN, &arg);
}

static inline int do_open_pidfd(struct puppet *me)
{
	pid_t pid;

	memcpy(&pid, me->arg, sizeof(pid));
	return open_pidfd(pid);
}

/* A descriptor of @who. */
static inline int pidfd_by(struct puppet *who, pid_t pid)
{
	memcpy(who->arg, &pid, sizeof(pid));
	return ask(who, do_open_pidfd);
}

/*
 * Calls with flags and addresses that may be wrong.
 */

static inline int send_raw(struct puppet *who, uint64_t flag, uint64_t id)
{
	struct mbox_send how = { .flags = flag | MBOX_SEND_NONBLOCK, .id = id };

	return send_by(who, how, "x");
}

static inline int recv_raw(struct puppet *who, uint64_t flag, uint64_t match)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK | flag,
		.match = match,
	};

	return recv_by(who, how);
}

static inline int open_raw(struct puppet *who, uint64_t flag, uint64_t id)
{
	struct mbox_open arg = { .flags = MBOX_OPEN_INBOX | flag, .id = id };

	return call_by(who, MBOX_IOC_OPEN, &arg);
}

static inline int call_raw(struct puppet *who, uint64_t flag, uint64_t id)
{
	struct mbox_call arg = { .flags = flag | MBOX_CALL_NONBLOCK, .id = id };

	return call_by(who, MBOX_IOC_CALL, &arg);
}

/*
 * Expectations.
 */

static inline void expect_to_hear(struct __test_metadata *_metadata, struct puppet *who,
			   const char *text)
{
	ASSERT_EQ(0, hear(who));
	EXPECT_STREQ(text, who->text);
}

static inline void expect_to_hear_from(struct __test_metadata *_metadata, struct puppet *who,
				const struct puppet *whom, const char *text)
{
	ASSERT_EQ(0, hear_from(who, whom));
	EXPECT_STREQ(text, who->text);
	EXPECT_EQ(whom->pid, who->recv.pid);
}

/* Of a call that was begun and waited. */
static inline void expect_to_have_heard(struct __test_metadata *_metadata, struct puppet *who,
				 const struct puppet *whom, const char *text)
{
	ASSERT_EQ(0, end_act(who));
	EXPECT_STREQ(text, who->text);
	EXPECT_EQ(whom->pid, who->recv.pid);
}

static inline uint32_t mailboxes(int fd)
{
	return info(fd).mailboxes;
}

#endif /* DIRECT_H */
