// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Direct communication: messages by process instead of by mailbox, the inboxes that
 * they arrive in, and the links that they take.
 */
#include "kselftest_harness.h"
#include "direct.h"
#include "fault.h"

#include <sys/epoll.h>

#define SIZE	16

/* Most tests: three processes of one user, a stranger, and root. */
FIXTURE(world) {
	int fd;
	struct puppet *p, *q, *r, *stranger, *root;
};

FIXTURE_SETUP(world)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, OWNER);
	self->q = new_actor(self->fd, OWNER);
	self->r = new_actor(self->fd, OWNER);
	self->stranger = new_actor(self->fd, STRANGER);
	self->root = new_actor(self->fd, 0);
}

FIXTURE_TEARDOWN(world)
{
	end_cast(self->fd);
}

/*
 * Addressing.
 */

/* Both name each other. */
TEST_F(world, knows_symmetric_communication)
{
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, say(self->r, self->q, "from r"));
	ASSERT_EQ(0, say(self->p, self->q, "from p"));
	expect_to_have_heard(_metadata, self->q, self->p, "from p");

	begin_to_hear_from(self->p, self->q);
	wait_until_hearing(self->fd, self->p, 1);
	ASSERT_EQ(0, say(self->q, self->p, "answer"));
	expect_to_have_heard(_metadata, self->p, self->q, "answer");
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->p));
	expect_to_hear_from(_metadata, self->q, self->r, "from r");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

static void expect_sender(struct __test_metadata *_metadata, struct puppet *who,
			  struct puppet *sender, uid_t uid)
{
	ASSERT_EQ(0, hear(who));
	EXPECT_EQ(sender->pid, who->recv.pid);
	EXPECT_EQ(sender->tid, (uint32_t)who->recv.tid);
	EXPECT_EQ(uid, who->recv.uid);
	EXPECT_EQ(uid, who->recv.gid);
	EXPECT_EQ(participant_of(sender), who->recv.sender);
}

/* Only the sender does; the receiver is told. */
TEST_F(world, knows_asymmetric_communication)
{
	struct puppet *thread = new_thread(self->r);

	ASSERT_EQ(0, say(self->root, self->q, "1"));
	ASSERT_EQ(0, say(self->p, self->q, "2"));
	ASSERT_EQ(0, say(thread, self->q, "3"));
	ASSERT_EQ(0, say(self->p, self->q, "4"));
	expect_sender(_metadata, self->q, self->root, 0);
	expect_sender(_metadata, self->q, self->p, OWNER);
	ASSERT_EQ(0, hear(self->q));
	EXPECT_EQ(self->r->pid, self->q->recv.pid);
	EXPECT_EQ(thread->tid, (uint32_t)self->q->recv.tid);
	expect_sender(_metadata, self->q, self->p, OWNER);
	EXPECT_EQ(EAGAIN, hear(self->q));

	begin_to_hear(self->q);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, say(self->r, self->q, "5"));
	expect_to_have_heard(_metadata, self->q, self->r, "5");
}

TEST_F(world, tells_all_of_a_message)
{
	struct mbox_send how = to(self->q);
	uint64_t before = now();

	how.flags |= MBOX_SEND_STAMP;
	how.tag = 1234;
	how.prio = 7;
	ASSERT_EQ(0, send_by(self->p, how, "text"));
	ASSERT_EQ(0, hear(self->q));
	EXPECT_STREQ("text", self->q->text);
	EXPECT_EQ(4, self->q->recv.len);
	EXPECT_EQ(1, self->q->recv.seq);
	EXPECT_EQ(7, self->q->recv.prio);
	EXPECT_EQ(1234, self->q->recv.tag);
	EXPECT_EQ(inbox_of(self->fd, self->q->pid), self->q->recv.from);
	EXPECT_NE(0, self->p->send.stamp);
	EXPECT_EQ(self->p->send.stamp, self->q->recv.stamp);
	EXPECT_LT(self->q->recv.stamp, self->q->recv.clock);
	EXPECT_LE(before, self->q->recv.time);
	EXPECT_GE(now(), self->q->recv.time);
	EXPECT_EQ(0, self->q->recv.got);
}

/* A pid, a pidfd, a participant id. */
FIXTURE(way) {
	int fd;
	struct puppet *p, *q, *other;
};

FIXTURE_VARIANT(way) {
	uint64_t send, recv, open;
};

FIXTURE_VARIANT_ADD(way, by_pid) {
	.send = MBOX_SEND_PID,
};

FIXTURE_VARIANT_ADD(way, by_pidfd) {
	.send = MBOX_SEND_PIDFD, .recv = MBOX_RECV_PIDFD, .open = MBOX_OPEN_PIDFD,
};

FIXTURE_VARIANT_ADD(way, by_participant) {
	.send = MBOX_SEND_PARTICIPANT, .recv = MBOX_RECV_PARTICIPANT,
	.open = MBOX_OPEN_PARTICIPANT,
};

FIXTURE_SETUP(way)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, OWNER);
	self->q = new_actor(self->fd, OWNER);
	self->other = new_actor(self->fd, OWNER);
}

FIXTURE_TEARDOWN(way)
{
	end_cast(self->fd);
}

/* What @who calls @whom. */
static uint64_t address(const FIXTURE_VARIANT(way) *variant, struct puppet *who,
			struct puppet *whom)
{
	if (variant->send == MBOX_SEND_PID)
		return whom->pid;
	return variant->open == MBOX_OPEN_PIDFD ? (uint64_t)pidfd_by(who, whom->pid) :
						  participant_of(whom);
}

static struct mbox_send to_address(const FIXTURE_VARIANT(way) *variant, uint64_t address)
{
	return (struct mbox_send){
		.flags = variant->send | MBOX_SEND_NONBLOCK, .id = address,
	};
}

static struct mbox_recv from_address(const FIXTURE_VARIANT(way) *variant, uint64_t address)
{
	return (struct mbox_recv){
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK | variant->recv,
		.match = address,
	};
}

TEST_F(way, names_who_is_sent_to)
{
	uint64_t q = address(variant, self->p, self->q);

	ASSERT_EQ(0, send_by(self->p, to_address(variant, q), "text"));
	EXPECT_EQ(EAGAIN, hear(self->p));
	EXPECT_EQ(EAGAIN, hear(self->other));
	expect_to_hear_from(_metadata, self->q, self->p, "text");
}

TEST_F(way, names_who_is_received_from)
{
	struct mbox_recv how = from_address(variant, address(variant, self->q, self->p));

	ASSERT_EQ(0, say(self->other, self->q, "other"));
	EXPECT_EQ(EAGAIN, recv_by(self->q, how));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("text", self->q->text);
	EXPECT_EQ(self->p->pid, self->q->recv.pid);
	EXPECT_EQ(EAGAIN, recv_by(self->q, how));

	how.flags &= ~MBOX_RECV_NONBLOCK;
	begin_recv(self->q, how);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, say(self->p, self->q, "again"));
	expect_to_have_heard(_metadata, self->q, self->p, "again");
}

/* From a mailbox that is no inbox, and from an inbox by its id. */
TEST_F(way, names_who_is_received_from_elsewhere)
{
	struct mbox_create attr = attributes(4, SIZE);
	struct mbox_recv how = {
		.flags = MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK | variant->recv,
		.match = address(variant, self->q, self->p),
	};

	attr.flags = MBOX_CREATE_BY_SENDER;
	how.id = create_by(self->q, attr);
	ASSERT_EQ(0, post_by(self->other, how.id, "other"));
	EXPECT_EQ(EAGAIN, recv_by(self->q, how));
	ASSERT_EQ(0, post_by(self->p, how.id, "text"));
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("text", self->q->text);

	ASSERT_EQ(0, say(self->other, self->q, "other"));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	how.id = inbox_of(self->fd, self->q->pid);
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("text", self->q->text);
}

static int open_inbox_by(struct puppet *who, struct mbox_open *arg)
{
	NEED(!ask(who, do_get_device));
	memset(&arg->uid, POISON, sizeof(arg->uid));
	return call_by(who, MBOX_IOC_OPEN, arg);
}

TEST_F(way, names_whose_inbox_is_opened)
{
	struct mbox_open arg = {
		.flags = MBOX_OPEN_INBOX | variant->open,
		.id = address(variant, self->p, self->q),
	};
	uint64_t id;

	EXPECT_EQ(0, inbox_of(self->fd, self->q->pid));
	ASSERT_EQ(0, open_inbox_by(self->p, &arg));
	id = inbox_of(self->fd, self->q->pid);
	EXPECT_NE(0, id);
	EXPECT_EQ(id, arg.id);
	EXPECT_EQ(OWNER, arg.uid);
	EXPECT_EQ(0, links(self->fd, self->q));
	ASSERT_EQ(0, post_by(self->p, 0, "text"));
	expect_to_hear_from(_metadata, self->q, self->p, "text");
}

TEST_F(way, names_who_is_called)
{
	struct mbox_call arg = {
		.flags = variant->send, .id = address(variant, self->p, self->q),
		.buf = (uintptr_t)self->p->text, .len = 7,
		.reply = (uintptr_t)self->p->text + 64, .size = 16,
	};
	struct mbox_recv how = from(self->p);
	struct mbox_reply reply = { .buf = (uintptr_t)"reply", .len = 5 };

	strcpy(self->p->text, "request");
	begin_call(self->p, MBOX_IOC_CALL, &arg);
	WAIT_UNTIL(inbox_of(self->fd, self->q->pid) && inbox(self->fd, self->q).msgs == 1);
	EXPECT_EQ(EAGAIN, hear(self->other));
	how.flags |= MBOX_RECV_TOKEN;
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("request", self->q->text);
	EXPECT_EQ(MBOX_GOT_REQUEST, self->q->recv.got);
	reply.token = self->q->recv.token;
	EXPECT_EQ(1, inbox(self->fd, self->q).requests);
	ASSERT_EQ(0, call_by(self->q, MBOX_IOC_REPLY, &reply));
	ASSERT_EQ(0, end_act(self->p));
	EXPECT_EQ(0, memcmp("reply", self->p->text + 64, 5));
	memcpy(&arg, self->p->arg, sizeof(arg));
	EXPECT_EQ(5, arg.reply_len);
	EXPECT_EQ(self->q->pid, arg.pid);
	EXPECT_EQ(0, inbox(self->fd, self->q).requests);
	EXPECT_EQ(1, links(self->fd, self->q));
}

/* The process has ended, and is reaped or not: there is nobody to send to. */
TEST_F(way, leads_to_nobody_after_the_end)
{
	uint64_t q = address(variant, self->p, self->q);
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX | variant->open, .id = q };
	struct mbox_call request = { .flags = variant->send, .id = q };
	siginfo_t info;
	int i;

	ASSERT_EQ(0, send_by(self->p, to_address(variant, q), "text"));
	NEED(!kill(self->q->pid, SIGKILL));
	NEED(!waitid(P_PID, self->q->pid, &info, WEXITED | WNOWAIT));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(ESRCH, send_by(self->p, to_address(variant, q), "text"));
		EXPECT_EQ(ESRCH, recv_by(self->p, from_address(variant, q)));
		EXPECT_EQ(ESRCH, call_by(self->p, MBOX_IOC_CALL, &request));
		EXPECT_EQ(ESRCH, call_by(self->p, MBOX_IOC_OPEN, &open));
		EXPECT_EQ(0, inbox_of(self->fd, self->q->pid));
		if (!i)
			NEED(join(self->q->pid) == -SIGKILL);
	}
	WAIT_UNTIL(mailboxes(self->fd) == 1);
	EXPECT_EQ(0, links(self->fd, self->p));
}

/* What it sent, and nothing of others, even of one that has its number now. */
TEST_F(way, leads_to_what_one_that_ended_had_sent)
{
	uint64_t p = address(variant, self->q, self->p);
	struct mbox_recv how = from_address(variant, p);
	siginfo_t info;

	ASSERT_EQ(0, say(self->p, self->q, "1"));
	ASSERT_EQ(0, say(self->other, self->q, "other"));
	ASSERT_EQ(0, say(self->p, self->q, "2"));
	NEED(!kill(self->p->pid, SIGKILL));
	NEED(!waitid(P_PID, self->p->pid, &info, WEXITED | WNOWAIT));
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("1", self->q->text);
	NEED(join(self->p->pid) == -SIGKILL);
	if (variant->send != MBOX_SEND_PARTICIPANT) {
		/* Neither says any more whom it meant. */
		EXPECT_EQ(ESRCH, recv_by(self->q, how));
		ASSERT_EQ(0, hear(self->q));
		EXPECT_STREQ("other", self->q->text);
		ASSERT_EQ(0, hear(self->q));
		EXPECT_STREQ("2", self->q->text);
		return;
	}
	how.flags &= ~MBOX_RECV_NONBLOCK;
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("2", self->q->text);
	EXPECT_EQ(ESRCH, recv_by(self->q, how));
	how.flags |= MBOX_RECV_NONBLOCK;
	EXPECT_EQ(ESRCH, recv_by(self->q, how));
	how.flags |= MBOX_RECV_PEEK;
	EXPECT_EQ(ESRCH, recv_by(self->q, how));
	EXPECT_EQ(1, inbox(self->fd, self->q).msgs);
}

/* What all say of an address, or -1. */
static int said_of(struct puppet *who, const FIXTURE_VARIANT(way) *variant, uint64_t id)
{
	int error = send_raw(who, variant->send, id);

	if (recv_raw(who, variant->recv, id) != error ||
	    call_raw(who, variant->send, id) != error ||
	    (id && open_raw(who, variant->open, id) != error))
		return -1;
	return error;
}

TEST_F(way, leads_nowhere_if_it_is_none)
{
	int none = variant->open == MBOX_OPEN_PIDFD ? EBADF : ESRCH;
	struct puppet *thread = new_thread(self->q);
	uint64_t q = address(variant, self->p, self->q);

	NEED(!ask(self->p, do_get_device));
	EXPECT_EQ(none, said_of(self->p, variant, 1ULL << 31));
	EXPECT_EQ(none, said_of(self->p, variant, (1ULL << 32) + q));
	EXPECT_EQ(none, said_of(self->p, variant, UINT64_MAX));
	EXPECT_EQ(none, said_of(self->p, variant, INT64_MAX));
	if (variant->send == MBOX_SEND_PID)
		EXPECT_EQ(ESRCH, said_of(self->p, variant, thread->tid));
	if (variant->open == MBOX_OPEN_PIDFD) {
		EXPECT_EQ(EBADF, said_of(self->p, variant, self->p->fd));
		EXPECT_EQ(EBADF, said_of(self->p, variant, 1000));
	} else {
		EXPECT_EQ(ESRCH, said_of(self->p, variant, 0));
	}
	EXPECT_EQ(0, inbox_of(self->fd, self->q->pid));
}

/*
 * Inboxes.
 */

/* It may be about something else. */
TEST_F(world, lets_send_to_a_process_that_knows_nothing_of_it)
{
	pid_t child = spawn();
	struct puppet idle = { .pid = child };
	struct mbox_stat stat;

	if (!child) {
		close(self->fd);
		become(OWNER, OWNER);
		pause();
		_exit(0);
	}
	WAIT_UNTIL(sleeps(child));
	ASSERT_EQ(0, say(self->p, &idle, "text"));
	stat = inbox(self->fd, &idle);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(1, stat.links);
	EXPECT_EQ(child, stat.pid);
	EXPECT_EQ(EAGAIN, hear(self->p));
	end(child);
	WAIT_UNTIL(mailboxes(self->fd) == 1);
}

#define INBOX_KIND (MBOX_CREATE_INBOX | MBOX_CREATE_PROCESS | MBOX_CREATE_BY_SENDER | \
		    MBOX_CREATE_FILES)

static void expect_made_by_kernel(struct __test_metadata *_metadata, struct mbox_stat stat)
{
	EXPECT_EQ(MBOX_INBOX_MSGS, stat.max_msgs);
	EXPECT_EQ(MBOX_UNBOUNDED_BYTES, stat.max_bytes);
	EXPECT_EQ(MBOX_INBOX_SIZE, stat.max_size);
	EXPECT_EQ(0, stat.mode);
	EXPECT_EQ(INBOX_KIND, stat.kind);
	EXPECT_EQ(0, stat.name[0]);
	EXPECT_EQ(OWNER, stat.uid);
	EXPECT_EQ(OWNER, stat.gid);
	EXPECT_EQ(0, stat.state);
	EXPECT_EQ(0, stat.grants);
}

TEST_F(world, makes_inboxes_as_documented)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX };

	ASSERT_EQ(0, say(self->root, self->p, "text"));
	expect_made_by_kernel(_metadata, inbox(self->fd, self->p));
	ASSERT_EQ(EAGAIN, hear(self->q));
	expect_made_by_kernel(_metadata, inbox(self->fd, self->q));
	NEED(!ask(self->r, do_get_device));
	ASSERT_EQ(0, call_by(self->r, MBOX_IOC_OPEN, &open));
	expect_made_by_kernel(_metadata, inbox(self->fd, self->r));
	EXPECT_EQ(inbox_of(self->fd, self->r->pid), open.id);
	EXPECT_EQ(3, mailboxes(self->fd));
}

TEST_F(world, makes_inboxes_smaller_where_limits_are)
{
	ASSERT_EQ(0, set_tunable("max_msgs", 10));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(10, inbox(self->fd, self->q).max_msgs);
	EXPECT_EQ(MBOX_INBOX_SIZE, inbox(self->fd, self->q).max_size);
	ASSERT_EQ(0, set_tunable("max_size", 100));
	ASSERT_EQ(0, say(self->q, self->p, "text"));
	EXPECT_EQ(10, inbox(self->fd, self->p).max_msgs);
	EXPECT_EQ(100, inbox(self->fd, self->p).max_size);
}

TEST_F(world, takes_messages_up_to_the_size_of_an_inbox)
{
	static char text[MBOX_INBOX_SIZE + 1];
	struct mbox_send how = to(self->q);

	how.buf = (uintptr_t)text;
	how.len = sizeof(text);
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_SEND, &how));
	how.len--;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND, &how));
	ASSERT_EQ(EMSGSIZE, hear(self->q));
	EXPECT_EQ(MBOX_INBOX_SIZE, self->q->recv.len);
	EXPECT_EQ(inbox_of(self->fd, self->q->pid), self->q->recv.from);
	how.len = 0;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND, &how));
	EXPECT_EQ(2, inbox(self->fd, self->q).msgs);
}

/* Sending makes that of the receiver, receiving one's own, and nothing else. */
TEST_F(world, makes_an_inbox_for_who_needs_one)
{
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(1, mailboxes(self->fd));
	EXPECT_NE(0, inbox_of(self->fd, self->q->pid));
	EXPECT_EQ(EAGAIN, hear_from(self->r, self->stranger));
	EXPECT_EQ(2, mailboxes(self->fd));
	EXPECT_NE(0, inbox_of(self->fd, self->r->pid));
	EXPECT_EQ(EAGAIN, hear(self->root));
	EXPECT_EQ(3, mailboxes(self->fd));
	EXPECT_NE(0, inbox_of(self->fd, self->root->pid));
	EXPECT_EQ(EAGAIN, hear(self->r));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(3, mailboxes(self->fd));
}

TEST_F(world, makes_inboxes_as_the_process_says)
{
	struct mbox_create attr = inbox_for(3, SIZE);
	struct mbox_stat stat;
	uint64_t id;

	attr.max_bytes = 40;
	attr.mode = 0022;
	attr.flags |= MBOX_CREATE_FIXED;
	set_name(attr.name, "inbox-of-q");
	id = create_by(self->q, attr);
	ASSERT_EQ(id, inbox_of(self->fd, self->q->pid));
	stat = state(self->fd, id);
	EXPECT_EQ(3, stat.max_msgs);
	EXPECT_EQ(40, stat.max_bytes);
	EXPECT_EQ(SIZE, stat.max_size);
	EXPECT_EQ(0022, stat.mode);
	EXPECT_STREQ("inbox-of-q", (char *)stat.name);
	EXPECT_EQ(INBOX_KIND | MBOX_CREATE_FIXED, stat.kind);
	EXPECT_EQ(self->q->pid, stat.pid);
	EXPECT_EQ(OWNER, stat.uid);
	EXPECT_EQ(0, stat.links);
	EXPECT_EQ(EMSGSIZE, say(self->p, self->q, "short"));
	ASSERT_EQ(0, say(self->p, self->q, "0123456789012345"));
	EXPECT_EQ(id, inbox_of(self->fd, self->q->pid));
	expect_to_hear_from(_metadata, self->q, self->p, "0123456789012345");
}

TEST_F(world, binds_to_an_inbox_that_is_made)
{
	struct mbox_create attr = inbox_for(1, SIZE);

	NEED(!ask(self->q, do_get_device));
	attr.flags |= MBOX_CREATE_BIND;
	create_by(self->q, attr);
	EXPECT_EQ(INBOX_KIND, inbox(self->fd, self->q).kind);
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, fetch_by(self->q, 0));
	EXPECT_STREQ("text", self->q->text);
}

TEST_F(world, has_one_inbox_for_each_process)
{
	struct mbox_create attr = inbox_for(1, SIZE);
	struct puppet *thread = new_thread(self->q);

	create_by(self->q, attr);
	EXPECT_EQ(EEXIST, try_create_by(self->q, attr));
	EXPECT_EQ(EEXIST, try_create_by(thread, attr));
	ASSERT_EQ(0, say(self->p, self->r, "text"));
	EXPECT_EQ(EEXIST, try_create_by(self->r, attr));
	EXPECT_EQ(EAGAIN, hear(self->p));
	EXPECT_EQ(EEXIST, try_create_by(self->p, attr));
	EXPECT_EQ(3, mailboxes(self->fd));
	/* One of another kind is something else. */
	attr.flags = MBOX_CREATE_PROCESS;
	EXPECT_EQ(0, try_create_by(self->q, attr));
}

TEST_F(world, refuses_inboxes_of_other_kinds)
{
	static const uint64_t refused[] = {
		MBOX_CREATE_RESERVE, MBOX_CREATE_BY_TAG, MBOX_CREATE_BY_SENDER,
		MBOX_CREATE_SINGLE, MBOX_CREATE_PAIR, MBOX_CREATE_PROCESS, MBOX_CREATE_FILES,
		1ULL << 10, 1ULL << 63,
	};
	struct mbox_create attr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		attr = inbox_for(2, SIZE);
		attr.flags |= refused[i];
		EXPECT_EQ(EINVAL, try_create_by(self->q, attr)) {
			TH_LOG("flag %#llx", (unsigned long long)refused[i]);
		}
	}
	attr = inbox_for(2, SIZE);
	attr.share = 50;
	EXPECT_EQ(EINVAL, try_create_by(self->q, attr));
	for (i = 0; i < 10; i++) {
		attr = inbox_for(2, SIZE);
		attr.mode = 1U << i;
		if (!(attr.mode & 0222))
			EXPECT_EQ(EINVAL, try_create_by(self->q, attr));
	}
	attr = inbox_for(0, SIZE);
	attr.max_msgs = 1;
	EXPECT_EQ(EINVAL, try_create_by(self->q, attr));
	attr = inbox_for(2, SIZE);
	attr.max_bytes = SIZE - 1;
	EXPECT_EQ(EINVAL, try_create_by(self->q, attr));
	attr = inbox_for(info(self->fd).limit_msgs + 1, SIZE);
	EXPECT_EQ(EINVAL, try_create_by(self->q, attr));
	EXPECT_EQ(0, mailboxes(self->fd));
	EXPECT_EQ(0, try_create_by(self->q, inbox_for(2, SIZE)));
}

TEST_F(world, has_inboxes_without_bound)
{
	struct mbox_create attr = inbox_for(MBOX_UNBOUNDED, SIZE);
	int i;

	create_by(self->q, attr);
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(200, inbox(self->fd, self->q).msgs);
	ASSERT_EQ(0, set_tunable("max_msgs", 200));
	EXPECT_EQ(ENOBUFS, say(self->p, self->q, "text"));
}

TEST_F(world, shares_the_inbox_among_threads)
{
	struct puppet *thread = new_thread(self->q), *other = new_thread(self->p);

	begin_to_hear(thread);
	wait_until_hearing(self->fd, self->q, 1);
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 2);
	ASSERT_EQ(0, say(other, self->q, "1"));
	expect_to_have_heard(_metadata, thread, self->p, "1");
	ASSERT_EQ(0, say(self->p, self->q, "2"));
	expect_to_have_heard(_metadata, self->q, self->p, "2");
	ASSERT_EQ(0, say(thread, self->p, "3"));
	expect_to_hear_from(_metadata, other, self->q, "3");
	EXPECT_EQ(1, links(self->fd, self->q));
	EXPECT_EQ(1, links(self->fd, self->p));
}

/* The ends of a process are those of its inbox. */
TEST_F(world, ends_an_inbox_with_its_process)
{
	uint64_t id;

	ASSERT_EQ(0, say(self->p, self->q, "text"));
	id = inbox_of(self->fd, self->q->pid);
	kill_puppet(self->q);
	EXPECT_EQ(EIDRM, post_by(self->p, id, "text"));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
	WAIT_UNTIL(!mailboxes(self->fd));
}

TEST_F(world, keeps_an_inbox_across_exec)
{
	struct puppet *thread = new_thread(self->q);
	uint64_t id;

	ASSERT_EQ(0, say(self->p, self->q, "before"));
	id = inbox_of(self->fd, self->q->pid);
	ASSERT_EQ(0, ask(self->q, do_exec));
	EXPECT_EQ(id, inbox_of(self->fd, self->q->pid));
	EXPECT_EQ(1, links(self->fd, self->q));
	expect_to_hear_from(_metadata, self->q, self->p, "before");
	ASSERT_EQ(0, say(self->p, self->q, "after"));
	expect_to_hear_from(_metadata, self->q, self->p, "after");
	ASSERT_EQ(0, say(self->q, self->p, "answer"));
	expect_to_hear_from(_metadata, self->p, self->q, "answer");
	EXPECT_EQ(1, links(self->fd, self->q));
	EXPECT_EQ(1, links(self->fd, self->p));

	/* It has the number of its leader then. */
	thread = new_thread(self->p);
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, ask(thread, do_exec));
	ASSERT_EQ(0, say(thread, self->q, "still the same"));
	expect_to_have_heard(_metadata, self->q, self->p, "still the same");
	EXPECT_EQ(1, links(self->fd, self->q));
}

/* A child of @me speaks to whom @me knows, and does not hear what @me is sent. */
static int have_a_child(struct puppet *me)
{
	struct puppet *child = me + 1;
	pid_t pid;

	child->fd = me->fd;
	child->answered = child->asked;
	child->tid = 0;
	pid = spawn();
	if (!pid)
		obey(child);
	child->pid = pid;
	WAIT_UNTIL(told(&child->tid));
	return 0;
}

TEST_F(world, gives_a_child_neither_inbox_nor_link)
{
	struct puppet *child = self->q + 1;

	ASSERT_EQ(0, say(self->p, self->q, "to q"));
	NEED(!ask(self->q, have_a_child));
	EXPECT_EQ(0, inbox_of(self->fd, child->pid));
	EXPECT_EQ(1, mailboxes(self->fd));
	EXPECT_EQ(EAGAIN, hear(child));
	EXPECT_EQ(0, links(self->fd, child));
	EXPECT_EQ(EACCES, fetch_by(child, inbox_of(self->fd, self->q->pid)));
	ASSERT_EQ(0, say(child, self->p, "from the child"));
	EXPECT_EQ(1, links(self->fd, child));
	EXPECT_EQ(2, links(self->fd, self->p));
	ASSERT_EQ(0, say(child, self->q, "to the parent"));
	EXPECT_EQ(2, links(self->fd, self->q));
	expect_to_hear_from(_metadata, self->p, child, "from the child");
	expect_to_hear_from(_metadata, self->q, child, "to the parent");
	expect_to_hear_from(_metadata, self->q, self->p, "to q");
	NEED(!kill(child->pid, SIGKILL));
	WAIT_UNTIL(links(self->fd, self->q) == 1);
}

/*
 * Deleting.
 */

TEST_F(world, tells_those_who_wait_when_an_inbox_is_deleted)
{
	struct puppet *thread = new_thread(self->q), *third = new_thread(self->q);
	uint64_t id = create_by(self->q, inbox_for(1, SIZE)), next;
	struct mbox_send in_step = to_and_wait(self->q);

	ASSERT_EQ(0, say(self->p, self->q, "dropped"));
	begin_to_say(self->p, self->q, "text");
	wait_until_told(self->fd, self->q, 1);
	in_step.flags |= MBOX_SEND_SYNC;
	begin_send(self->root, in_step, "text");
	wait_until_told(self->fd, self->q, 2);
	begin_to_hear_from(thread, self->r);
	begin_to_hear_from(third, self->stranger);
	wait_until_hearing(self->fd, self->q, 2);
	ASSERT_EQ(0, delete_by(self->q, id));
	EXPECT_EQ(EIDRM, end_act(self->p));
	EXPECT_EQ(EIDRM, end_act(self->root));
	EXPECT_EQ(EIDRM, end_act(thread));
	EXPECT_EQ(EIDRM, end_act(third));
	EXPECT_EQ(0, inbox_of(self->fd, self->q->pid));
	EXPECT_EQ(0, msgs_of(self->fd, OWNER));
	EXPECT_EQ(EIDRM, post_by(self->p, id, "text"));

	ASSERT_EQ(0, say(self->p, self->q, "new"));
	next = inbox_of(self->fd, self->q->pid);
	EXPECT_LT(id, next);
	EXPECT_EQ(MBOX_INBOX_MSGS, state(self->fd, next).max_msgs);
	expect_to_hear(_metadata, self->q, "new");
	EXPECT_EQ(EIDRM, delete_by(self->q, id));
	EXPECT_EQ(EAGAIN, hear(self->q));
}

/* The links are between the processes. */
TEST_F(world, keeps_links_when_an_inbox_is_deleted)
{
	struct mbox_usage before;

	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, say(self->q, self->p, "text"));
	expect_to_hear(_metadata, self->p, "text");
	before = usage_of(self->fd, OWNER);
	ASSERT_EQ(0, delete_by(self->q, inbox_of(self->fd, self->q->pid)));
	EXPECT_EQ(1, links(self->fd, self->p));
	EXPECT_EQ(1, usage_of(self->fd, OWNER).user_mailboxes);
	EXPECT_EQ(EAGAIN, hear(self->q));
	EXPECT_EQ(1, links(self->fd, self->q));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(1, links(self->fd, self->q));
	EXPECT_EQ(1, links(self->fd, self->p));
	EXPECT_EQ(before.user_bytes, usage_of(self->fd, OWNER).user_bytes);
	EXPECT_EQ(before.user_mailboxes, usage_of(self->fd, OWNER).user_mailboxes);
}

TEST_F(world, lets_a_process_make_another_inbox_after_deleting)
{
	uint64_t id = create_by(self->q, inbox_for(1, SIZE));

	ASSERT_EQ(0, delete_by(self->q, id));
	EXPECT_LT(id, create_by(self->q, inbox_for(2, SIZE)));
	EXPECT_EQ(2, inbox(self->fd, self->q).max_msgs);
	EXPECT_EQ(EEXIST, try_create_by(self->q, inbox_for(2, SIZE)));
}

TEST_F(world, lets_those_delete_an_inbox_who_may_manage_it)
{
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(EACCES, delete_by(self->stranger, inbox_of(self->fd, self->q->pid)));
	ASSERT_EQ(0, delete_by(self->p, inbox_of(self->fd, self->q->pid)));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(0, delete_by(self->root, inbox_of(self->fd, self->q->pid)));
}

TEST_F(world, passes_no_inbox_on)
{
	uint64_t id = create_by(self->q, inbox_for(1, SIZE));
	struct mbox_send carrier = to(self->r);
	struct mbox_stat before = state(self->fd, id);

	EXPECT_EQ(EOPNOTSUPP, transfer_by(self->q, id, self->p->pid, 0));
	EXPECT_EQ(EOPNOTSUPP, transfer_by(self->root, id, self->p->pid, 0));
	EXPECT_EQ(EOPNOTSUPP, offer_by(self->q, id, self->p->pid, 0));
	EXPECT_EQ(EOPNOTSUPP, chown_by(self->root, id, STRANGER, STRANGER));
	EXPECT_EQ(EOPNOTSUPP, claim_by(self->p, id));
	EXPECT_EQ(EOPNOTSUPP, accept_by(self->p, id));
	carrier.flags |= MBOX_SEND_OFFER;
	carrier.offer = id;
	EXPECT_EQ(EOPNOTSUPP, send_by(self->q, carrier, "text"));
	EXPECT_TRUE(same_state(before, state(self->fd, id)));
	EXPECT_EQ(EACCES, fetch_by(self->p, id));
	EXPECT_EQ(EACCES, fetch_by(self->root, id));
}

/*
 * Links.
 */

enum use { SEND, RECV_FROM, RECV_ANY, USES };

static void use_by(struct puppet *who, const struct puppet *whom, enum use use)
{
	if (use == SEND)
		NEED(!say(who, whom, "text"));
	else if (use == RECV_FROM)
		hear_from(who, whom);
	else
		hear(who);
}

static uint32_t links_if_any(int fd, const struct puppet *whose)
{
	return inbox_of(fd, whose->pid) ? links(fd, whose) : 0;
}

TEST_F(world, has_one_link_for_each_pair_whoever_comes_first)
{
	enum use first, second;

	for (first = 0; first < RECV_ANY; first++) {
		for (second = 0; second < RECV_ANY; second++) {
			struct puppet *a = new_actor(self->fd, OWNER);
			struct puppet *b = new_actor(self->fd, OWNER);

			use_by(a, b, first);
			EXPECT_EQ(1, links_if_any(self->fd, a) + links_if_any(self->fd, b));
			use_by(b, a, second);
			hear(a);
			hear(b);
			EXPECT_EQ(1, links(self->fd, a));
			EXPECT_EQ(1, links(self->fd, b));
			use_by(a, b, SEND);
			use_by(a, b, RECV_FROM);
			use_by(b, a, SEND);
			use_by(b, a, RECV_FROM);
			EXPECT_EQ(1, links(self->fd, a));
			EXPECT_EQ(1, links(self->fd, b));
			kill_puppet(a);
			kill_puppet(b);
		}
	}
}

TEST_F(world, has_no_link_without_need)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX };

	hear(self->q);
	EXPECT_EQ(0, links(self->fd, self->q));
	NEED(!ask(self->p, do_get_device));
	open.id = self->q->pid;
	ASSERT_EQ(0, call_by(self->p, MBOX_IOC_OPEN, &open));
	EXPECT_EQ(0, links(self->fd, self->q));
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	EXPECT_EQ(0, links(self->fd, self->q));
}

TEST_F(world, counts_the_links_of_an_inbox)
{
	struct puppet *others[] = { self->p, self->r, self->root };
	uint32_t i;

	hear(self->q);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_EQ(i, links(self->fd, self->q));
		ASSERT_EQ(0, say(others[i], self->q, "text"));
	}
	EXPECT_EQ(3, links(self->fd, self->q));
	hear_from(self->q, self->stranger);
	EXPECT_EQ(4, links(self->fd, self->q));
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		kill_puppet(others[i]);
		WAIT_UNTIL(links(self->fd, self->q) == 3 - i);
	}
	/* What they sent is there. */
	EXPECT_EQ(3, inbox(self->fd, self->q).msgs);
	kill_puppet(self->stranger);
	WAIT_UNTIL(!links(self->fd, self->q));
}

/*
 * Capacity: that of an inbox is each link's. Here two messages, of q's.
 */
FIXTURE(bounded) {
	int fd;
	struct puppet *p, *q, *r, *s;
	uint64_t id;		/* q's inbox */
};

FIXTURE_VARIANT(bounded) {
	struct mbox_create attr;
};

FIXTURE_VARIANT_ADD(bounded, in_messages) {
	.attr = {
		.flags = MBOX_CREATE_INBOX, .max_msgs = 2, .max_size = SIZE,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
	},
};

FIXTURE_VARIANT_ADD(bounded, in_bytes) {
	.attr = {
		.flags = MBOX_CREATE_INBOX, .max_msgs = MBOX_UNBOUNDED, .max_size = 8,
		.max_bytes = 8,
	},
};

FIXTURE_VARIANT_ADD(bounded, in_both) {
	.attr = {
		.flags = MBOX_CREATE_INBOX, .max_msgs = 3, .max_size = 4, .max_bytes = 8,
	},
};

FIXTURE_SETUP(bounded)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, OWNER);
	self->q = new_actor(self->fd, OWNER);
	self->r = new_actor(self->fd, OWNER);
	self->s = new_actor(self->fd, OWNER);
	self->id = create_by(self->q, variant->attr);
}

FIXTURE_TEARDOWN(bounded)
{
	end_cast(self->fd);
}

/* Each message of these tests has four bytes. */
static void fill(struct puppet *who, const struct puppet *whom)
{
	NEED(!say(who, whom, "full"));
	NEED(!say(who, whom, "FULL"));
}

TEST_F(bounded, link_makes_its_sender_wait)
{
	fill(self->p, self->q);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
	begin_to_say(self->p, self->q, "more");
	wait_for_senders(self->fd, self->id, 1);
	EXPECT_EQ(2, state(self->fd, self->id).msgs);
	expect_to_hear_from(_metadata, self->q, self->p, "full");
	EXPECT_EQ(0, end_act(self->p));
	EXPECT_EQ(0, state(self->fd, self->id).senders);
	expect_to_hear_from(_metadata, self->q, self->p, "FULL");
	expect_to_hear_from(_metadata, self->q, self->p, "more");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

TEST_F(bounded, link_does_not_stand_in_the_way_of_others)
{
	fill(self->p, self->q);
	begin_to_say(self->p, self->q, "more");
	wait_for_senders(self->fd, self->id, 1);
	fill(self->r, self->q);
	EXPECT_EQ(EAGAIN, say(self->r, self->q, "more"));
	EXPECT_EQ(4, state(self->fd, self->id).msgs);
	begin_to_say(self->r, self->q, "rest");
	wait_for_senders(self->fd, self->id, 2);
	fill(self->s, self->q);
	EXPECT_EQ(6, state(self->fd, self->id).msgs);

	/* Room in one link is room for its own sender. */
	expect_to_hear_from(_metadata, self->q, self->s, "full");
	EXPECT_EQ(2, state(self->fd, self->id).senders);
	EXPECT_EQ(0, say(self->s, self->q, "late"));
	expect_to_hear_from(_metadata, self->q, self->r, "full");
	EXPECT_EQ(0, end_act(self->r));
	EXPECT_EQ(1, state(self->fd, self->id).senders);
	EXPECT_EQ(EAGAIN, say(self->r, self->q, "more"));
	expect_to_hear(_metadata, self->q, "full");
	EXPECT_EQ(0, end_act(self->p));
	EXPECT_EQ(0, state(self->fd, self->id).senders);
	EXPECT_EQ(6, state(self->fd, self->id).msgs);
	expect_to_hear(_metadata, self->q, "FULL");
	EXPECT_EQ(self->p->pid, self->q->recv.pid);
}

/* The other direction is as full as the other inbox allows. */
TEST_F(bounded, link_is_so_in_each_direction)
{
	create_by(self->p, variant->attr);
	fill(self->p, self->q);
	fill(self->q, self->p);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
	EXPECT_EQ(EAGAIN, say(self->q, self->p, "more"));
	expect_to_hear_from(_metadata, self->p, self->q, "full");
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
	EXPECT_EQ(0, say(self->q, self->p, "more"));
	EXPECT_EQ(1, links(self->fd, self->q));
}

/* By priority, then by arrival; nobody overtakes. */
TEST_F(bounded, link_admits_its_senders_in_order)
{
	struct puppet *threads[3];
	static const uint32_t prios[] = { 0, 5, 5 };
	static const char *const texts[] = { "low.", "high", "next" };
	uint32_t i;

	fill(self->p, self->q);
	for (i = 0; i < 3; i++) {
		struct mbox_send how = to_and_wait(self->q);

		threads[i] = new_thread(self->p);
		how.prio = prios[i];
		begin_send(threads[i], how, texts[i]);
		wait_for_senders(self->fd, self->id, i + 1);
	}
	expect_to_hear(_metadata, self->q, "full");
	EXPECT_EQ(0, end_act(threads[1]));
	EXPECT_FALSE(is_done(threads[0]) || is_done(threads[2]));
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
	expect_to_hear(_metadata, self->q, "high");
	EXPECT_EQ(0, end_act(threads[2]));
	EXPECT_FALSE(is_done(threads[0]));
	expect_to_hear(_metadata, self->q, "next");
	EXPECT_EQ(0, end_act(threads[0]));
	expect_to_hear(_metadata, self->q, "FULL");
	expect_to_hear(_metadata, self->q, "low.");
}

/* How a wait for room ends without the message's being sent. */
TEST_F(bounded, link_is_waited_for_as_long_as_the_sender_says)
{
	struct mbox_send how = to_and_wait(self->q);

	fill(self->p, self->q);
	how.flags |= MBOX_SEND_TIMEOUT;
	how.deadline = now() + 20 * MSEC;
	EXPECT_EQ(ETIMEDOUT, send_by(self->p, how, "late"));
	how.deadline = 0;
	EXPECT_EQ(ETIMEDOUT, send_by(self->p, how, "late"));
	how.deadline = UINT64_MAX;
	begin_send(self->p, how, "good");
	wait_for_senders(self->fd, self->id, 1);
	expect_to_hear(_metadata, self->q, "full");
	EXPECT_EQ(0, end_act(self->p));
	expect_to_hear(_metadata, self->q, "FULL");
	expect_to_hear(_metadata, self->q, "good");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

static int do_take_signals(struct puppet *me)
{
	(void)me;
	take_signals(0);
	return 0;
}

TEST_F(bounded, link_is_waited_for_until_a_signal)
{
	NEED(!ask(self->p, do_take_signals) && !ask(self->q, do_take_signals));
	fill(self->p, self->q);
	begin_to_say(self->p, self->q, "late");
	wait_for_senders(self->fd, self->id, 1);
	NEED(!kill(self->p->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_act(self->p));
	EXPECT_EQ(0, state(self->fd, self->id).senders);
	expect_to_hear(_metadata, self->q, "full");
	expect_to_hear(_metadata, self->q, "FULL");
	begin_to_hear_from(self->q, self->p);
	wait_for_receivers(self->fd, self->id, 1);
	NEED(!kill(self->q->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_act(self->q));
	fill(self->p, self->q);
	expect_to_hear(_metadata, self->q, "full");
}

static int do_restart_after_signals(struct puppet *me)
{
	(void)me;
	take_signals(SA_RESTART);
	return 0;
}

TEST_F(bounded, link_is_waited_for_again_after_a_signal)
{
	struct puppet *both[] = { self->p, self->q };
	int i;

	for (i = 0; i < 2; i++)
		NEED(!ask(both[i], do_restart_after_signals));
	fill(self->p, self->q);
	begin_to_say(self->p, self->q, "more");
	wait_for_senders(self->fd, self->id, 1);
	NEED(!kill(self->p->pid, SIGUSR1));
	expect_to_hear(_metadata, self->q, "full");
	EXPECT_EQ(0, end_act(self->p));
	expect_to_hear(_metadata, self->q, "FULL");
	expect_to_hear(_metadata, self->q, "more");
	begin_to_hear_from(self->q, self->p);
	wait_for_receivers(self->fd, self->id, 1);
	NEED(!kill(self->q->pid, SIGUSR1));
	EXPECT_EQ(0, say(self->p, self->q, "last"));
	expect_to_have_heard(_metadata, self->q, self->p, "last");
}

TEST_F(bounded, link_has_room_after_a_killed_sender_that_waited)
{
	struct puppet *thread = new_thread(self->p);
	uint32_t i;

	fill(self->p, self->q);
	begin_to_say(thread, self->q, "lost");
	wait_for_senders(self->fd, self->id, 1);
	kill_puppet(self->p);
	EXPECT_EQ(0, state(self->fd, self->id).senders);
	EXPECT_EQ(2, state(self->fd, self->id).msgs);
	fill(self->r, self->q);
	for (i = 0; i < 2; i++) {
		expect_to_hear(_metadata, self->q, "full");
		expect_to_hear(_metadata, self->q, "FULL");
		if (i)
			EXPECT_EQ(self->r->pid, self->q->recv.pid);
	}
	EXPECT_EQ(EAGAIN, hear(self->q));
}

/* What fails takes no room. */
TEST_F(bounded, link_is_not_filled_by_what_fails)
{
	struct mbox_send how = to(self->q);
	int i;

	how.buf = (uintptr_t)unmapped();
	how.len = 4;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EFAULT, call_by(self->p, MBOX_IOC_SEND, &how));
		EXPECT_EQ(EMSGSIZE, say(self->p, self->q, "much too long for it"));
	}
	EXPECT_EQ(0, state(self->fd, self->id).msgs);
	fill(self->p, self->q);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
}

/* A message that cannot be delivered returns to its place, and keeps its room. */
TEST_F(bounded, link_has_back_what_could_not_be_delivered)
{
	struct mbox_recv how = from(self->p);

	fill(self->p, self->q);
	how.buf = (uintptr_t)unmapped();
	how.size = 8;
	EXPECT_EQ(EFAULT, call_by(self->q, MBOX_IOC_RECV, &how));
	how.size = 1;
	EXPECT_EQ(EMSGSIZE, call_by(self->q, MBOX_IOC_RECV, &how));
	EXPECT_EQ(2, state(self->fd, self->id).msgs);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
	expect_to_hear_from(_metadata, self->q, self->p, "full");
	expect_to_hear_from(_metadata, self->q, self->p, "FULL");
	fill(self->p, self->q);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
}

/* While it is on its way somebody takes the room; then there is too much. */
TEST_F(bounded, link_has_back_more_than_there_is_room_for)
{
	struct puppet *reader = new_actor(self->fd, 0);
	struct mbox_recv how = from(self->p);

	/* It takes a privilege to stall. */
	NEED(!ask(reader, drop_all_but_stalling));
	create_by(reader, variant->attr);
	fill(self->p, self->q);
	ASSERT_EQ(EACCES, say(self->p, reader, "more"));
	ASSERT_EQ(0, chmod_by(reader, inbox_of(self->fd, reader->pid), 0222));
	fill(self->p, reader);
	begin_stalled_recv(reader, how, 4);
	wait_for_stalled(reader);
	ASSERT_EQ(0, say(self->p, reader, "more"));
	ASSERT_EQ(EAGAIN, say(self->p, reader, "much"));
	EXPECT_EQ(EFAULT, end_stalled(reader, FAIL));
	EXPECT_EQ(3, inbox(self->fd, reader).msgs);
	EXPECT_EQ(EAGAIN, say(self->p, reader, "much"));
	expect_to_hear(_metadata, reader, "full");
	EXPECT_EQ(EAGAIN, say(self->p, reader, "much"));
	expect_to_hear(_metadata, reader, "FULL");
	EXPECT_EQ(0, say(self->p, reader, "last"));
	expect_to_hear(_metadata, reader, "more");
	expect_to_hear(_metadata, reader, "last");
}

TEST_F(bounded, link_has_room_when_messages_expire)
{
	struct mbox_send how = to(self->q);

	how.flags |= MBOX_SEND_EXPIRES;
	how.expires = now() + 100 * MSEC;
	NEED(!send_by(self->p, how, "brie"));
	NEED(!say(self->p, self->q, "long"));
	begin_to_say(self->p, self->q, "more");
	EXPECT_EQ(0, end_act(self->p));
	EXPECT_EQ(1, state(self->fd, self->id).expired);
	expect_to_hear(_metadata, self->q, "long");
	expect_to_hear(_metadata, self->q, "more");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

/* Whichever name the inbox is sent to by. */
TEST_F(bounded, link_is_the_same_by_process_and_by_id)
{
	ASSERT_EQ(0, post_by(self->p, self->id, "1..."));
	EXPECT_EQ(1, links(self->fd, self->q));
	ASSERT_EQ(0, say(self->p, self->q, "2..."));
	EXPECT_EQ(EAGAIN, post_by(self->p, self->id, "more"));
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "more"));
	begin_send(self->p, (struct mbox_send){ .id = self->id }, "3...");
	wait_for_senders(self->fd, self->id, 1);
	EXPECT_EQ(0, post_by(self->r, self->id, "4..."));
	expect_to_hear_from(_metadata, self->q, self->p, "1...");
	EXPECT_EQ(0, end_act(self->p));
	expect_to_hear_from(_metadata, self->q, self->p, "2...");
	expect_to_hear(_metadata, self->q, "4...");
	expect_to_hear(_metadata, self->q, "3...");
	EXPECT_EQ(2, links(self->fd, self->q));
}

/* A large message waits, and small ones that would fit do not overtake it. */
TEST_F(world, lets_nobody_overtake_in_a_link)
{
	struct puppet *thread = new_thread(self->p);
	struct mbox_create attr = inbox_for(MBOX_UNBOUNDED, 8);

	attr.max_bytes = 8;
	create_by(self->q, attr);
	ASSERT_EQ(0, say(self->p, self->q, "12345"));
	begin_to_say(thread, self->q, "1234567");
	wait_until_told(self->fd, self->q, 1);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "1"));
	EXPECT_EQ(0, say(self->r, self->q, "1"));
	expect_to_hear_from(_metadata, self->q, self->p, "12345");
	EXPECT_EQ(0, end_act(thread));
	EXPECT_EQ(0, say(self->p, self->q, "1"));
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "2"));
}

TEST_F(world, keeps_the_order_within_a_link_and_among_links)
{
	static const struct {
		bool by_r;
		uint32_t prio;
		const char *text;
	} sent[] = {
		{ false, 0, "p1" }, { true, 1, "r1" }, { false, 1, "p2" }, { true, 0, "r2" },
		{ false, 0, "p3" }, { true, 1, "r3" }, { false, 31, "p4" },
	};
	static const char *const expected[] = { "p4", "r1", "p2", "r3", "p1", "r2", "p3" };
	struct mbox_recv least = from(self->r);
	size_t i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(sent); i++) {
			struct mbox_send how = to(self->q);

			how.prio = sent[i].prio;
			NEED(!send_by(sent[i].by_r ? self->r : self->p, how, sent[i].text));
		}
		if (round)
			break;
		for (i = 0; i < ARRAY_SIZE(sent); i++)
			expect_to_hear(_metadata, self->q, expected[i]);
	}
	expect_to_hear_from(_metadata, self->q, self->r, "r1");
	least.flags |= MBOX_RECV_LEAST;
	ASSERT_EQ(0, recv_by(self->q, least));
	EXPECT_STREQ("r2", self->q->text);
	expect_to_hear_from(_metadata, self->q, self->p, "p4");
	expect_to_hear_from(_metadata, self->q, self->p, "p2");
	expect_to_hear_from(_metadata, self->q, self->p, "p1");
	expect_to_hear_from(_metadata, self->q, self->r, "r3");
	expect_to_hear_from(_metadata, self->q, self->p, "p3");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

TEST_F(world, lets_look_at_what_is_in_an_inbox)
{
	struct mbox_recv how = from_any, one = from(self->r);

	how.flags |= MBOX_RECV_PEEK;
	EXPECT_EQ(EAGAIN, recv_by(self->q, how));
	ASSERT_EQ(0, say(self->p, self->q, "from p"));
	ASSERT_EQ(0, say(self->r, self->q, "from r"));
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("from p", self->q->text);
	how.nth = 1;
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_STREQ("from r", self->q->text);
	one.flags |= MBOX_RECV_PEEK;
	ASSERT_EQ(0, recv_by(self->q, one));
	EXPECT_STREQ("from r", self->q->text);
	EXPECT_EQ(2, inbox(self->fd, self->q).msgs);
	EXPECT_EQ(0, inbox(self->fd, self->q).received);
}

TEST_F(world, chooses_among_an_inbox_and_other_mailboxes)
{
	uint64_t *ids = (uint64_t *)self->q->text + 8;
	struct mbox_recv how = { .flags = MBOX_RECV_CHOICE, .ids = (uintptr_t)ids, .nr_ids = 2 };

	hear(self->q);
	ids[0] = create_by(self->q, attributes(1, SIZE));
	ids[1] = inbox_of(self->fd, self->q->pid);
	begin_call(self->q, MBOX_IOC_RECV, &how);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, say(self->p, self->q, ""));
	EXPECT_EQ(0, end_act(self->q));
	EXPECT_EQ(ids[1], self->q->recv.from);
	EXPECT_EQ(self->p->pid, self->q->recv.pid);
}

/* An ownership travels by a direct message, too. */
TEST_F(world, carries_offers)
{
	struct mbox_send how = to(self->q);
	struct mbox_recv takes = from(self->p);

	how.flags |= MBOX_SEND_OFFER;
	how.offer = create_by(self->p, attributes(1, SIZE));
	ASSERT_EQ(0, send_by(self->p, how, "text"));
	takes.flags |= MBOX_RECV_ACCEPT;
	ASSERT_EQ(0, recv_by(self->q, takes));
	EXPECT_EQ(how.offer, self->q->recv.owned);
	EXPECT_EQ(self->q->pid, state(self->fd, how.offer).pid);
}

/* A file: the descriptor of a pipe's end that q then writes to. */
static int do_send_pipe(struct puppet *me)
{
	int pipe_fds[2], error;
	struct mbox_send how = me->send;
	char byte;

	NEED(!pipe2(pipe_fds, O_CLOEXEC));
	how.files = (uintptr_t)&pipe_fds[1];
	how.nr_files = 1;
	error = call(me->fd, MBOX_IOC_SEND, &how);
	close(pipe_fds[1]);
	if (!error && (read(pipe_fds[0], &byte, 1) != 1 || byte != '!'))
		error = EIO;
	close(pipe_fds[0]);
	return error;
}

static int do_use_file(struct puppet *me)
{
	struct mbox_recv how = from_any_and_wait;
	int file = -1, error;

	how.flags |= MBOX_RECV_FILES;
	how.files = (uintptr_t)&file;
	how.nr_files = 1;
	error = call(me->fd, MBOX_IOC_RECV, &how);
	if (error)
		return error;
	NEED(how.nr_files == 1);
	error = write(file, "!", 1) == 1 ? 0 : errno;
	close(file);
	return error;
}

TEST_F(world, carries_files)
{
	self->p->send = to(self->q);
	begin_act(self->p, do_send_pipe);
	EXPECT_EQ(0, ask(self->q, do_use_file));
	EXPECT_EQ(0, end_act(self->p));
	EXPECT_EQ(0, usage_of(self->fd, OWNER).user_files);
}

/*
 * In step: rendezvous and synchronous sending.
 */

TEST_F(world, tells_a_synchronous_sender_who_received)
{
	struct mbox_send how = to_and_wait(self->q);

	how.flags |= MBOX_SEND_SYNC;
	begin_send(self->p, how, "text");
	WAIT_UNTIL(inbox_of(self->fd, self->q->pid) && inbox(self->fd, self->q).msgs == 1);
	EXPECT_FALSE(is_done(self->p));
	expect_to_hear_from(_metadata, self->q, self->p, "text");
	ASSERT_EQ(0, end_act(self->p));
	EXPECT_EQ(self->q->pid, self->p->send.receiver);

	/* Not blocking: only if somebody waits for it. */
	how.flags |= MBOX_SEND_NONBLOCK;
	EXPECT_EQ(EAGAIN, send_by(self->p, how, "text"));
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 1);
	EXPECT_EQ(EAGAIN, send_by(self->r, how, "text"));
	self->p->send.receiver = 0;
	EXPECT_EQ(0, send_by(self->p, how, "text"));
	EXPECT_EQ(self->q->pid, self->p->send.receiver);
	expect_to_have_heard(_metadata, self->q, self->p, "text");
}

TEST_F(world, lets_processes_meet_at_a_rendezvous)
{
	uint64_t id = create_by(self->q, inbox_for(0, SIZE));

	EXPECT_EQ(0, state(self->fd, id).max_msgs);
	EXPECT_EQ(EAGAIN, say(self->p, self->q, "text"));
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->p));

	/* The sender comes first. */
	begin_to_say(self->p, self->q, "1");
	wait_for_senders(self->fd, id, 1);
	begin_to_say(self->r, self->q, "2");
	wait_for_senders(self->fd, id, 2);
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->root));
	expect_to_hear_from(_metadata, self->q, self->r, "2");
	ASSERT_EQ(0, end_act(self->r));
	EXPECT_EQ(self->q->pid, self->r->send.receiver);
	EXPECT_FALSE(is_done(self->p));
	expect_to_hear(_metadata, self->q, "1");
	ASSERT_EQ(0, end_act(self->p));
	EXPECT_EQ(self->q->pid, self->p->send.receiver);

	/* The receiver comes first. */
	begin_to_hear_from(self->q, self->p);
	wait_for_receivers(self->fd, id, 1);
	EXPECT_EQ(EAGAIN, say(self->r, self->q, "3"));
	EXPECT_EQ(0, say(self->p, self->q, "4"));
	EXPECT_EQ(self->q->pid, self->p->send.receiver);
	expect_to_have_heard(_metadata, self->q, self->p, "4");
	begin_to_hear(self->q);
	wait_for_receivers(self->fd, id, 1);
	EXPECT_EQ(0, say(self->r, self->q, "5"));
	expect_to_have_heard(_metadata, self->q, self->r, "5");
	EXPECT_EQ(0, state(self->fd, id).msgs);
}

/*
 * Ends. Whose end it is: p's.
 */
FIXTURE(end) {
	int fd;
	struct puppet *p, *q, *r;
};

FIXTURE_VARIANT(end) {
	void (*end)(struct puppet *who);
};

static int do_exit(struct puppet *me)
{
	(void)me;
	_exit(3);
}

/* Of the thread, not of the process. */
static int do_exit_thread(struct puppet *me)
{
	(void)me;
	syscall(SYS_exit, 0);
	return 0;
}

static bool is_zombie(pid_t tid)
{
	char path[32], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strstr(text, ") Z ");
}

/* The process has another thread. */
static void end_leader(struct puppet *leader)
{
	begin_act(leader, do_exit_thread);
	WAIT_UNTIL(is_zombie(leader->pid));
}

static void end_by_kill(struct puppet *who)
{
	NEED(kill_puppet(who) == -SIGKILL);
}

static void end_by_exit(struct puppet *who)
{
	begin_act(who, do_exit);
	NEED(join(who->pid) == 3);
}

static void end_leader_first(struct puppet *who)
{
	struct puppet *thread = new_thread(who);

	end_leader(who);
	begin_act(thread, do_exit_thread);
	NEED(join(who->pid) == 0);
}

/* It stays a zombie. */
static void end_unreaped(struct puppet *who)
{
	siginfo_t info;

	NEED(!kill(who->pid, SIGKILL));
	NEED(!waitid(P_PID, who->pid, &info, WEXITED | WNOWAIT));
}

FIXTURE_VARIANT_ADD(end, by_SIGKILL) {
	.end = end_by_kill,
};

FIXTURE_VARIANT_ADD(end, by_exit) {
	.end = end_by_exit,
};

FIXTURE_VARIANT_ADD(end, of_the_last_thread) {
	.end = end_leader_first,
};

FIXTURE_VARIANT_ADD(end, unreaped) {
	.end = end_unreaped,
};

FIXTURE_SETUP(end)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, OWNER);
	self->q = new_actor(self->fd, OWNER);
	self->r = new_actor(self->fd, OWNER);
}

FIXTURE_TEARDOWN(end)
{
	end_cast(self->fd);
}

TEST_F(end, is_told_to_who_receives_from_it_in_particular)
{
	struct puppet *thread = new_thread(self->q);
	struct mbox_recv look = from_and_wait(self->p);

	look.flags |= MBOX_RECV_PEEK;
	begin_to_hear_from(self->q, self->p);
	begin_recv(thread, look);
	wait_until_hearing(self->fd, self->q, 2);
	variant->end(self->p);
	EXPECT_EQ(EIDRM, end_act(self->q));
	EXPECT_EQ(EIDRM, end_act(thread));
	EXPECT_EQ(0, inbox(self->fd, self->q).receivers);
	WAIT_UNTIL(!links(self->fd, self->q));
}

/* So many that some of them lie in one list, whatever the hash. */
TEST_F(world, tells_nobody_of_an_end_who_receives_from_another)
{
	enum { MANY = 32 };
	struct task *tasks[MANY];
	pid_t senders[MANY];
	char byte[MANY];
	unsigned int i;
	uint64_t id;

	for (i = 0; i < MANY; i++) {
		senders[i] = spawn();
		if (!senders[i])
			for (;;)
				pause();
	}
	for (i = 0; i < MANY; i++) {
		tasks[i] = calloc(1, sizeof(*tasks[i]));
		ASSERT_NE(NULL, tasks[i]);
		tasks[i]->fd = self->fd;
		tasks[i]->command = MBOX_IOC_RECV;
		tasks[i]->recv = (struct mbox_recv){
			.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH, .match = senders[i],
			.buf = (uintptr_t)&byte[i], .size = 1,
		};
		start_task(tasks[i]);
	}
	WAIT_UNTIL(inbox_of(self->fd, getpid()));
	id = inbox_of(self->fd, getpid());
	for (i = 0; i < MANY; i++) {
		wait_for_receivers(self->fd, id, MANY - i);
		end(senders[i]);
		EXPECT_EQ(EIDRM, finish(tasks[i]));
	}
	EXPECT_EQ(0, state(self->fd, id).receivers);
}

/* Also if it was never told of anything else, and by every name. */
TEST_F(end, is_told_to_who_knows_it_by_another_name)
{
	struct mbox_recv by_number = from_participant(participant_of(self->p)), by_pidfd;

	by_pidfd = from_and_wait(self->p);
	by_pidfd.flags |= MBOX_RECV_PIDFD;
	by_pidfd.match = pidfd_by(self->r, self->p->pid);
	by_number.flags &= ~MBOX_RECV_NONBLOCK;
	begin_recv(self->q, by_number);
	wait_until_hearing(self->fd, self->q, 1);
	begin_recv(self->r, by_pidfd);
	wait_until_hearing(self->fd, self->r, 1);
	variant->end(self->p);
	EXPECT_EQ(EIDRM, end_act(self->q));
	EXPECT_EQ(EIDRM, end_act(self->r));
}

TEST_F(end, is_not_told_to_who_receives_from_any_or_from_others)
{
	struct puppet *thread = new_thread(self->q);

	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, hear(self->q));
	begin_to_hear_from(thread, self->r);
	wait_until_hearing(self->fd, self->q, 1);
	begin_to_hear(self->q);
	wait_until_hearing(self->fd, self->q, 2);
	variant->end(self->p);
	WAIT_UNTIL(links(self->fd, self->q) == 1);
	EXPECT_EQ(2, inbox(self->fd, self->q).receivers);
	ASSERT_EQ(0, say(self->r, self->q, "1"));
	expect_to_have_heard(_metadata, thread, self->r, "1");
	ASSERT_EQ(0, say(self->r, self->q, "2"));
	expect_to_have_heard(_metadata, self->q, self->r, "2");
}

TEST_F(end, comes_after_what_was_sent_before)
{
	uint64_t participant = participant_of(self->p);
	int i;

	ASSERT_EQ(0, say(self->p, self->q, "1"));
	ASSERT_EQ(0, say(self->r, self->q, "2"));
	ASSERT_EQ(0, say(self->p, self->q, "3"));
	ASSERT_EQ(0, say(self->p, self->q, "4"));
	variant->end(self->p);
	WAIT_UNTIL(links(self->fd, self->q) == 1);
	expect_to_hear(_metadata, self->q, "1");
	for (i = 3; i <= 4; i++) {
		ASSERT_EQ(0, recv_by(self->q, from_participant(participant)));
		EXPECT_EQ('0' + i, self->q->text[0]);
		EXPECT_EQ(participant, self->q->recv.sender);
		EXPECT_EQ(OWNER, self->q->recv.uid);
	}
	EXPECT_EQ(ESRCH, recv_by(self->q, from_participant(participant)));
	expect_to_hear(_metadata, self->q, "2");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

/* The inbox belongs to who lives, and so do the messages in it. */
TEST_F(end, leaves_what_it_had_sent_to_others)
{
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, say(self->q, self->p, "lost"));
	EXPECT_EQ(2, msgs_of(self->fd, OWNER));
	variant->end(self->p);
	WAIT_UNTIL(msgs_of(self->fd, OWNER) == 1);
	WAIT_UNTIL(!links(self->fd, self->q));
	expect_to_hear(_metadata, self->q, "text");
	WAIT_UNTIL(usage_of(self->fd, OWNER).user_mailboxes == 1);
}

/* For room, for a receiver of a message that is there, at a rendezvous, for a reply. */
TEST_F(end, is_told_to_who_waits_to_send_to_it)
{
	struct puppet *sync = self->r, *full = self->q, *thread = new_thread(self->q);
	struct mbox_send in_step = to_and_wait(self->p);
	struct mbox_call request = { .flags = MBOX_CALL_PID, .id = self->p->pid };
	uint32_t senders;

	create_by(self->p, inbox_for(2, SIZE));
	in_step.flags |= MBOX_SEND_SYNC;
	begin_send(sync, in_step, "text");
	WAIT_UNTIL(inbox(self->fd, self->p).msgs == 1);
	begin_call(thread, MBOX_IOC_CALL, &request);
	WAIT_UNTIL(inbox(self->fd, self->p).msgs == 2);
	ASSERT_EQ(0, say(full, self->p, "text"));
	senders = inbox(self->fd, self->p).senders;
	begin_to_say(full, self->p, "text");
	wait_until_told(self->fd, self->p, senders + 1);
	variant->end(self->p);
	EXPECT_EQ(EIDRM, end_act(sync));
	EXPECT_EQ(EIDRM, end_act(full));
	EXPECT_EQ(EIDRM, end_act(thread));
	WAIT_UNTIL(!msgs_of(self->fd, OWNER));
}

TEST_F(end, is_told_to_who_waits_at_a_rendezvous)
{
	create_by(self->p, inbox_for(0, SIZE));
	begin_to_say(self->q, self->p, "text");
	wait_until_told(self->fd, self->p, 1);
	variant->end(self->p);
	EXPECT_EQ(EIDRM, end_act(self->q));
	WAIT_UNTIL(!msgs_of(self->fd, OWNER));
}

TEST_F(end, is_told_to_who_waits_for_a_reply)
{
	struct mbox_call request = { .flags = MBOX_CALL_PID, .id = self->p->pid };
	struct mbox_recv how = from_any;

	begin_call(self->q, MBOX_IOC_CALL, &request);
	WAIT_UNTIL(inbox_of(self->fd, self->p->pid) && inbox(self->fd, self->p).msgs == 1);
	how.flags |= MBOX_RECV_TOKEN;
	ASSERT_EQ(0, recv_by(self->p, how));
	EXPECT_NE(0, self->p->recv.token);
	variant->end(self->p);
	EXPECT_EQ(EOWNERDEAD, end_act(self->q));
}

static int do_poll_for_nothing(struct puppet *me)
{
	struct pollfd pollfd = { .fd = me->fd };

	tell(&me->stall, 1);
	NEED(poll(&pollfd, 1, -1) == 1);
	return pollfd.revents;
}

TEST_F(end, is_told_to_who_polls_its_inbox)
{
	ASSERT_EQ(0, bind_to_inbox(self->q, self->p->pid));
	begin_act(self->q, do_poll_for_nothing);
	WAIT_UNTIL(told(&self->q->stall) && sleeps(self->q->pid));
	variant->end(self->p);
	EXPECT_EQ(POLLERR | POLLHUP, end_act(self->q));
	EXPECT_EQ(EIDRM, post_by(self->q, 0, "text"));
}

TEST_F(end, is_followed_by_ESRCH)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX, .id = self->p->pid };
	struct mbox_call request = { .flags = MBOX_CALL_PID, .id = self->p->pid };

	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, say(self->q, self->p, "text"));
	ASSERT_EQ(0, hear(self->q));
	NEED(!ask(self->q, do_get_device));
	variant->end(self->p);
	EXPECT_EQ(ESRCH, say(self->q, self->p, "text"));
	EXPECT_EQ(ESRCH, send_by(self->q, to_and_wait(self->p), "text"));
	EXPECT_EQ(ESRCH, hear_from(self->q, self->p));
	EXPECT_EQ(ESRCH, recv_by(self->q, from_and_wait(self->p)));
	EXPECT_EQ(ESRCH, call_by(self->q, MBOX_IOC_CALL, &request));
	EXPECT_EQ(ESRCH, call_by(self->q, MBOX_IOC_OPEN, &open));
	WAIT_UNTIL(mailboxes(self->fd) == 1);
}

/* Whoever waits in a call is killed as anybody else. */
TEST_F(end, of_who_waits_leaves_nothing)
{
	struct puppet *thread = new_thread(self->p), *third = new_thread(self->p);

	create_by(self->q, inbox_for(1, SIZE));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	begin_to_hear_from(thread, self->q);
	wait_until_hearing(self->fd, self->p, 1);
	begin_to_say(third, self->q, "more");
	wait_until_told(self->fd, self->q, 1);
	if (variant->end == end_leader_first)
		end_by_kill(self->p);
	else
		variant->end(self->p);
	WAIT_UNTIL(!inbox(self->fd, self->q).senders);
	WAIT_UNTIL(!links(self->fd, self->q));
	EXPECT_EQ(1, inbox(self->fd, self->q).msgs);
	WAIT_UNTIL(mailboxes(self->fd) == 1);
	expect_to_hear(_metadata, self->q, "text");
	EXPECT_EQ(0, say(self->r, self->q, "text"));
}

TEST_F(world, does_not_end_with_the_leader_of_a_process)
{
	struct puppet *thread = new_thread(self->p);

	ASSERT_EQ(0, say(self->p, self->q, "1"));
	expect_to_hear_from(_metadata, self->q, self->p, "1");
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 1);
	end_leader(self->p);
	EXPECT_EQ(1, links(self->fd, self->q));
	ASSERT_EQ(0, say(self->r, self->p, "to p"));
	EXPECT_EQ(1, inbox(self->fd, self->q).receivers);
	ASSERT_EQ(0, say(thread, self->q, "2"));
	expect_to_have_heard(_metadata, self->q, self->p, "2");
	expect_to_hear_from(_metadata, thread, self->r, "to p");
	begin_act(thread, do_exit_thread);
	NEED(join(self->p->pid) == 0);
	WAIT_UNTIL(!links(self->fd, self->q));
}

/* A number that is used again is not the process that was meant. */
TEST_F(world, does_not_take_one_process_for_another_of_the_same_number)
{
	uint64_t participant = participant_of(self->p);
	pid_t pid = self->p->pid, child;

	ASSERT_EQ(0, say(self->p, self->q, "from p"));
	kill_puppet(self->p);
	child = spawn_with_pid(pid);
	if (!child) {
		pause();
		_exit(0);
	}
	if (child < 0)
		SKIP(return, "pids cannot be chosen here");
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->p));
	EXPECT_EQ(ESRCH, send_raw(self->q, MBOX_SEND_PARTICIPANT, participant));
	ASSERT_EQ(0, recv_by(self->q, from_participant(participant)));
	EXPECT_STREQ("from p", self->q->text);
	EXPECT_EQ(participant, self->q->recv.sender);
	end(child);
}

/*
 * Descriptors that are bound to inboxes.
 */

static int do_poll_in_and_out(struct puppet *me)
{
	return polled(me->fd, POLLIN | POLLOUT);
}

static int do_wait_for_out(struct puppet *me)
{
	struct pollfd pollfd = { .fd = me->fd, .events = POLLOUT };

	tell(&me->stall, 1);
	NEED(poll(&pollfd, 1, -1) == 1);
	return pollfd.revents;
}

static int do_wait_for_in(struct puppet *me)
{
	struct pollfd pollfd = { .fd = me->fd, .events = POLLIN };

	tell(&me->stall, 1);
	NEED(poll(&pollfd, 1, -1) == 1);
	return pollfd.revents;
}

/* Edge-triggered. */
static int do_epoll_for_in(struct puppet *me)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd = epoll_create1(EPOLL_CLOEXEC), i;

	NEED(fd >= 0 && !epoll_ctl(fd, EPOLL_CTL_ADD, me->fd, &event));
	for (i = 1; i <= 3; i++) {
		tell(&me->stall, i);
		NEED(epoll_wait(fd, &event, 1, -1) == 1);
		NEED(event.events == EPOLLIN);
	}
	close(fd);
	return 0;
}

static int do_set_nonblocking(struct puppet *me)
{
	return error_of(fcntl(me->fd, F_SETFL, O_NONBLOCK));
}

static int write_by(struct puppet *who, const char *text)
{
	strcpy(who->text, text);
	return ask(who, do_write);
}

static int read_by(struct puppet *who)
{
	memset(who->text, 0, sizeof(who->text));
	return ask(who, do_read);
}

TEST_F(world, reads_and_writes_directly)
{
	create_by(self->q, inbox_for(1, SIZE));
	ASSERT_EQ(0, bind_to_inbox(self->p, self->q->pid));
	ASSERT_EQ(0, bind_to_inbox(self->q, 0));
	ASSERT_EQ(0, bind_to_inbox(self->r, self->q->pid));
	ASSERT_EQ(0, write_by(self->p, "written"));
	EXPECT_EQ(1, links(self->fd, self->q));
	NEED(!ask(self->p, do_set_nonblocking));
	EXPECT_EQ(EAGAIN, write_by(self->p, "more"));
	ASSERT_EQ(0, write_by(self->r, "of another"));
	EXPECT_EQ(EACCES, read_by(self->p));
	EXPECT_EQ(EACCES, write_by(self->q, "to itself"));
	ASSERT_EQ(0, read_by(self->q));
	EXPECT_STREQ("written", self->q->text);
	ASSERT_EQ(0, hear(self->q));
	EXPECT_EQ(self->r->pid, self->q->recv.pid);
	EXPECT_STREQ("of another", self->q->text);

	/* They wait. */
	begin_act(self->q, do_read);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, write_by(self->r, "1"));
	ASSERT_EQ(0, end_act(self->q));
	ASSERT_EQ(0, write_by(self->r, "2"));
	strcpy(self->r->text, "3");
	begin_act(self->r, do_write);
	wait_until_told(self->fd, self->q, 1);
	expect_to_hear(_metadata, self->q, "2");
	ASSERT_EQ(0, end_act(self->r));
	expect_to_hear(_metadata, self->q, "3");
}

TEST_F(world, polls_ones_own_inbox)
{
	ASSERT_EQ(0, bind_to_inbox(self->q, 0));
	EXPECT_EQ(0, ask(self->q, do_poll_in_and_out) & POLLIN);
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(POLLIN, ask(self->q, do_poll_in_and_out) & POLLIN);
	ASSERT_EQ(0, hear(self->q));
	EXPECT_EQ(0, ask(self->q, do_poll_in_and_out) & POLLIN);
	self->q->stall = 0;
	begin_act(self->q, do_wait_for_in);
	WAIT_UNTIL(told(&self->q->stall) && sleeps(self->q->pid));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(POLLIN, end_act(self->q));
	ASSERT_EQ(0, hear(self->q));
	self->q->stall = 0;
	begin_act(self->q, do_epoll_for_in);
	WAIT_UNTIL(told(&self->q->stall) == 1 && sleeps(self->q->pid));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	WAIT_UNTIL(told(&self->q->stall) == 2 && sleeps(self->q->pid));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	WAIT_UNTIL(told(&self->q->stall) == 3 && sleeps(self->q->pid));
	ASSERT_EQ(0, say(self->r, self->q, "text"));
	EXPECT_EQ(0, end_act(self->q));
}

/* Each poller sees its own link. */
TEST_F(world, polls_room_in_ones_own_link)
{
	create_by(self->q, inbox_for(1, SIZE));
	ASSERT_EQ(0, bind_to_inbox(self->p, self->q->pid));
	ASSERT_EQ(0, bind_to_inbox(self->r, self->q->pid));
	EXPECT_EQ(POLLOUT, ask(self->p, do_poll_in_and_out) & POLLOUT);
	ASSERT_EQ(0, write_by(self->p, "text"));
	EXPECT_EQ(0, ask(self->p, do_poll_in_and_out) & POLLOUT);
	EXPECT_EQ(POLLOUT, ask(self->r, do_poll_in_and_out) & POLLOUT);
	ASSERT_EQ(0, write_by(self->r, "text"));
	EXPECT_EQ(0, ask(self->r, do_poll_in_and_out) & POLLOUT);
	expect_to_hear_from(_metadata, self->q, self->r, "text");
	EXPECT_EQ(0, ask(self->p, do_poll_in_and_out) & POLLOUT);
	EXPECT_EQ(POLLOUT, ask(self->r, do_poll_in_and_out) & POLLOUT);

	self->p->stall = 0;
	begin_act(self->p, do_wait_for_out);
	WAIT_UNTIL(told(&self->p->stall) && sleeps(self->p->pid));
	ASSERT_EQ(0, write_by(self->r, "text"));
	expect_to_hear_from(_metadata, self->q, self->r, "text");
	EXPECT_FALSE(is_done(self->p));
	expect_to_hear_from(_metadata, self->q, self->p, "text");
	EXPECT_EQ(POLLOUT, end_act(self->p));
	EXPECT_EQ(0, write_by(self->p, "text"));
}

TEST_F(world, polls_the_end_of_an_inbox)
{
	ASSERT_EQ(0, bind_to_inbox(self->p, self->q->pid));
	ASSERT_EQ(0, bind_to_inbox(self->q, 0));
	ASSERT_EQ(0, delete_by(self->q, inbox_of(self->fd, self->q->pid)));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, ask(self->p, do_poll_in_and_out));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, ask(self->q, do_poll_in_and_out));
	EXPECT_EQ(EIDRM, write_by(self->p, "text"));
	EXPECT_EQ(EIDRM, read_by(self->q));
	/* A descriptor is bound to one mailbox, not to the process. */
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(EIDRM, read_by(self->q));
	expect_to_hear(_metadata, self->q, "text");
}

/*
 * Calls.
 */

static struct mbox_call request_to(const struct puppet *whom)
{
	return (struct mbox_call){ .flags = MBOX_CALL_PID, .id = whom->pid };
}

TEST_F(world, makes_callers_wait_for_room_in_their_link)
{
	struct mbox_call request = request_to(self->q);
	struct puppet *thread = new_thread(self->p);
	struct mbox_reply reply = { };
	struct mbox_recv how = from_any;

	create_by(self->q, inbox_for(1, SIZE));
	ASSERT_EQ(0, say(self->p, self->q, "full"));
	request.flags |= MBOX_CALL_NONBLOCK;
	EXPECT_EQ(EAGAIN, call_by(self->p, MBOX_IOC_CALL, &request));
	request.flags ^= MBOX_CALL_NONBLOCK;
	begin_call(self->p, MBOX_IOC_CALL, &request);
	wait_until_told(self->fd, self->q, 1);
	EXPECT_EQ(0, say(self->r, self->q, "not full"));
	EXPECT_EQ(EAGAIN, say(thread, self->q, "full"));
	expect_to_hear_from(_metadata, self->q, self->p, "full");
	expect_to_hear(_metadata, self->q, "not full");
	how.flags |= MBOX_RECV_TOKEN;
	ASSERT_EQ(0, recv_by(self->q, how));
	EXPECT_EQ(self->p->pid, self->q->recv.pid);
	/* It was received, so there is room. */
	EXPECT_EQ(0, say(thread, self->q, "room"));
	reply.token = self->q->recv.token;
	ASSERT_EQ(0, call_by(self->q, MBOX_IOC_REPLY, &reply));
	EXPECT_EQ(0, end_act(self->p));
}

TEST_F(world, tells_a_caller_that_the_inbox_was_deleted)
{
	struct mbox_call request = request_to(self->q);

	begin_call(self->p, MBOX_IOC_CALL, &request);
	WAIT_UNTIL(inbox_of(self->fd, self->q->pid) && inbox(self->fd, self->q).msgs == 1);
	ASSERT_EQ(0, delete_by(self->q, inbox_of(self->fd, self->q->pid)));
	EXPECT_EQ(EIDRM, end_act(self->p));
}

/* The server may reply and wait for the next request, from one or from any. */
TEST_F(world, replies_and_receives_directly_at_once)
{
	struct mbox_reply *reply = (struct mbox_reply *)(self->q->text + 32);
	struct mbox_call request = request_to(self->q);
	struct mbox_recv how = from_any_and_wait;
	int i;

	how.flags |= MBOX_RECV_TOKEN;
	begin_recv(self->q, how);
	for (i = 0; i < 3; i++) {
		begin_call(self->p, MBOX_IOC_CALL, &request);
		ASSERT_EQ(0, end_act(self->q));
		EXPECT_EQ(self->p->pid, self->q->recv.pid);
		how.token = 0;
		*reply = (struct mbox_reply){ .token = self->q->recv.token };
		how.flags |= MBOX_RECV_REPLY;
		how.reply = (uintptr_t)reply;
		begin_call(self->q, MBOX_IOC_RECV, &how);
		ASSERT_EQ(0, end_act(self->p));
	}
	ASSERT_EQ(0, say(self->r, self->q, ""));
	EXPECT_EQ(0, end_act(self->q));
	EXPECT_EQ(1, reply->done);
	EXPECT_EQ(0, self->q->recv.token);
}

/*
 * Batches.
 */

TEST_F(world, sends_and_receives_directly_in_batches)
{
	struct puppet *whom[] = { self->p, self->q, self->r, self->q };
	struct mbox_send sends[5];
	struct mbox_recv recvs[4];
	struct mbox_batch batch = {
		.items = (uintptr_t)sends, .nr = 5, .size = sizeof(sends[0]),
	};
	struct puppet me = { .pid = getpid() };
	int i;

	for (i = 0; i < 4; i++) {
		sends[i] = to(whom[i]);
		sends[i].tag = i;
	}
	sends[4] = to(&me);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	EXPECT_EQ(4, batch.done);
	EXPECT_EQ(-EACCES, batch.error);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, hear_from(whom[i], &me));
		EXPECT_EQ(i, whom[i]->recv.tag);
		ASSERT_EQ(0, say(self->root, &me, ""));
	}
	for (i = 0; i < 4; i++)
		recvs[i] = i % 2 ? from(self->root) : from_any;
	batch.items = (uintptr_t)recvs;
	batch.nr = 4;
	batch.size = sizeof(recvs[0]);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	EXPECT_EQ(4, batch.done);
	EXPECT_EQ(0, batch.error);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(self->root->pid, recvs[i].pid);
		EXPECT_EQ(i + 1, recvs[i].seq);
	}
}

/*
 * Arguments.
 */

TEST_F(world, refuses_what_does_not_go_together_in_a_send)
{
	static const uint64_t refused[] = {
		MBOX_SEND_PID | MBOX_SEND_PIDFD, MBOX_SEND_PID | MBOX_SEND_PARTICIPANT,
		MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT,
		MBOX_SEND_PID | MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT,
		MBOX_SEND_PID | 1ULL << 10, MBOX_SEND_PID | 1ULL << 63,
	};
	struct mbox_send how;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(EINVAL, send_raw(self->p, refused[i], self->q->pid)) {
			TH_LOG("flags %#llx", (unsigned long long)refused[i]);
		}
		if (refused[i] < 1ULL << 10)
			EXPECT_EQ(EINVAL, call_raw(self->p, refused[i], self->q->pid));
	}
	how = to(self->q);
	how.prio = MBOX_PRIO_MAX + 1;
	EXPECT_EQ(EINVAL, send_by(self->p, how, "text"));
	how = to(self->q);
	how.reserved = 1;
	EXPECT_EQ(EINVAL, send_by(self->p, how, "text"));
	how = to(self->q);
	how.reserved2 = 1;
	EXPECT_EQ(EINVAL, send_by(self->p, how, "text"));
	how = to(self->q);
	how.reserved3 = 1;
	EXPECT_EQ(EINVAL, send_by(self->p, how, "text"));
	how = to(self->q);
	how.nr_files = MBOX_FILES_MAX + 1;
	EXPECT_EQ(EINVAL, send_by(self->p, how, "text"));
	/* Arguments come first. */
	how.id = 1ULL << 40;
	EXPECT_EQ(EINVAL, send_by(self->p, how, "text"));
	EXPECT_EQ(0, mailboxes(self->fd));
}

TEST_F(world, refuses_what_does_not_go_together_in_a_receive)
{
	static const uint64_t refused[] = {
		MBOX_RECV_DIRECT | MBOX_RECV_PIDFD, MBOX_RECV_DIRECT | MBOX_RECV_PARTICIPANT,
		MBOX_RECV_PIDFD, MBOX_RECV_PARTICIPANT,
		MBOX_RECV_DIRECT | MBOX_RECV_MATCH | MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT,
		MBOX_RECV_MATCH | MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT,
		MBOX_RECV_DIRECT | 1ULL << 14, MBOX_RECV_DIRECT | 1ULL << 63,
		MBOX_RECV_DIRECT | MBOX_RECV_PEEK | MBOX_RECV_TOKEN,
	};
	struct mbox_recv how;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		how = (struct mbox_recv){
			.flags = refused[i] | MBOX_RECV_NONBLOCK, .match = self->p->pid,
		};
		EXPECT_EQ(EINVAL, recv_by(self->q, how)) {
			TH_LOG("flags %#llx", (unsigned long long)refused[i]);
		}
	}
	how = from_any;
	how.id = 1;
	EXPECT_EQ(EINVAL, recv_by(self->q, how));
	how = from_any;
	how.flags |= MBOX_RECV_CHOICE;
	how.ids = (uintptr_t)&how.id;
	how.nr_ids = 1;
	EXPECT_EQ(EINVAL, recv_by(self->q, how));
	how = from(self->p);
	how.nth = 1;
	EXPECT_EQ(EINVAL, recv_by(self->q, how));
	how.flags |= MBOX_RECV_PEEK;
	EXPECT_EQ(EINVAL, recv_by(self->q, how));
	how = from_any;
	how.reserved = 1;
	EXPECT_EQ(EINVAL, recv_by(self->q, how));
	EXPECT_EQ(0, mailboxes(self->fd));
}

TEST_F(world, refuses_what_does_not_go_together_in_opening)
{
	static const uint64_t refused[] = {
		MBOX_OPEN_PIDFD, MBOX_OPEN_PARTICIPANT,
		MBOX_OPEN_INBOX | MBOX_OPEN_PIDFD | MBOX_OPEN_PARTICIPANT,
		MBOX_OPEN_INBOX | 1ULL << 4, MBOX_OPEN_INBOX | 1ULL << 63,
	};
	struct mbox_open open;
	size_t i;

	NEED(!ask(self->p, do_get_device));
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		open = (struct mbox_open){ .flags = refused[i], .id = self->q->pid };
		EXPECT_EQ(EINVAL, call_by(self->p, MBOX_IOC_OPEN, &open)) {
			TH_LOG("flags %#llx", (unsigned long long)refused[i]);
		}
	}
	open = (struct mbox_open){ .flags = MBOX_OPEN_INBOX, .id = self->q->pid };
	set_name(open.name, "name");
	EXPECT_EQ(EINVAL, call_by(self->p, MBOX_IOC_OPEN, &open));
	open.id = 0;
	EXPECT_EQ(EINVAL, call_by(self->p, MBOX_IOC_OPEN, &open));
	open = (struct mbox_open){ .flags = MBOX_OPEN_INBOX, .id = self->q->pid, .reserved = 1 };
	EXPECT_EQ(EINVAL, call_by(self->p, MBOX_IOC_OPEN, &open));
	EXPECT_EQ(0, mailboxes(self->fd));
}

/* Neither flag is of use for tags. */
TEST_F(world, picks_by_process_only_where_messages_are_picked_so)
{
	struct mbox_create attr = attributes(1, SIZE);
	struct mbox_recv how = {
		.flags = MBOX_RECV_MATCH | MBOX_RECV_PARTICIPANT | MBOX_RECV_NONBLOCK,
	};

	attr.flags = MBOX_CREATE_BY_TAG;
	how.id = create_by(self->q, attr);
	how.match = participant_of(self->p);
	EXPECT_EQ(EOPNOTSUPP, recv_by(self->q, how));
	how.id = create_by(self->q, attributes(1, SIZE));
	EXPECT_EQ(EOPNOTSUPP, recv_by(self->q, how));
}

static int do_get_device_to_read(struct puppet *me)
{
	me->fd = device(O_RDONLY);
	return 0;
}

static int do_get_device_to_write(struct puppet *me)
{
	me->fd = device(O_WRONLY);
	return 0;
}

TEST_F(world, takes_a_descriptor_that_is_open_for_it)
{
	NEED(!ask(self->p, do_get_device_to_read));
	EXPECT_EQ(EBADF, say(self->p, self->q, "text"));
	EXPECT_EQ(EBADF, call_raw(self->p, MBOX_CALL_PID, self->q->pid));
	EXPECT_EQ(EAGAIN, hear_from(self->p, self->q));
	NEED(!ask(self->p, do_get_device_to_write));
	EXPECT_EQ(EBADF, hear_from(self->p, self->q));
	EXPECT_EQ(EBADF, hear(self->p));
	EXPECT_EQ(0, say(self->p, self->q, "text"));
}

/* Any descriptor will do, whatever it is bound to. */
TEST_F(world, takes_a_descriptor_that_is_bound_elsewhere)
{
	struct mbox_create attr = attributes(1, SIZE);

	NEED(!ask(self->p, do_get_device));
	attr.flags |= MBOX_CREATE_BIND;
	create_by(self->p, attr);
	EXPECT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(EAGAIN, hear(self->p));
	EXPECT_EQ(0, say(self->q, self->p, "answer"));
	expect_to_hear_from(_metadata, self->p, self->q, "answer");
	EXPECT_EQ(EAGAIN, fetch_by(self->p, 0));
}

TEST_F(world, heeds_O_NONBLOCK)
{
	create_by(self->q, inbox_for(1, SIZE));
	NEED(!ask(self->p, do_get_device) && !ask(self->p, do_set_nonblocking));
	ASSERT_EQ(0, send_by(self->p, to_and_wait(self->q), "text"));
	EXPECT_EQ(EAGAIN, send_by(self->p, to_and_wait(self->q), "text"));
	EXPECT_EQ(EAGAIN, recv_by(self->p, from_any_and_wait));
	EXPECT_EQ(EAGAIN, recv_by(self->p, from_and_wait(self->q)));
}

TEST_F(world, waits_for_a_message_until_the_deadline)
{
	struct mbox_recv any = from_any_and_wait, one = from_and_wait(self->p);

	any.flags |= MBOX_RECV_TIMEOUT;
	EXPECT_EQ(ETIMEDOUT, recv_by(self->q, any));
	any.deadline = now() + 20 * MSEC;
	EXPECT_EQ(ETIMEDOUT, recv_by(self->q, any));
	one.flags |= MBOX_RECV_TIMEOUT;
	EXPECT_EQ(ETIMEDOUT, recv_by(self->q, one));
	one.deadline = now() + 20 * MSEC;
	EXPECT_EQ(ETIMEDOUT, recv_by(self->q, one));
	EXPECT_EQ(0, inbox(self->fd, self->q).receivers);
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, recv_by(self->q, one));
	EXPECT_STREQ("text", self->q->text);
}

/* Up to and with that member. */
#define UP_TO(type, member) \
	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))

static unsigned long shorter(unsigned long command, size_t size)
{
	return _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, _IOC_NR(command), size);
}

/* What programs use that were compiled when the structures were shorter. */
TEST_F(world, takes_structures_of_every_size)
{
	static const size_t sends[] = {
		UP_TO(mbox_send, reserved2), UP_TO(mbox_send, offer), sizeof(struct mbox_send),
	};
	static const size_t recvs[] = {
		UP_TO(mbox_recv, nth), UP_TO(mbox_recv, owned), sizeof(struct mbox_recv),
	};
	struct mbox_stat stat;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sends); i++) {
		struct mbox_send how = to(self->q);

		how.buf = (uintptr_t)"text";
		how.len = 4;
		EXPECT_EQ(0, call_by(self->p, shorter(MBOX_IOC_SEND, sends[i]), &how));
	}
	for (i = 0; i < ARRAY_SIZE(recvs); i++) {
		struct mbox_recv how = from(self->p);

		memset(self->q->text, 0, sizeof(self->q->text));
		memset(self->q->arg, POISON, sizeof(self->q->arg));
		how.buf = (uintptr_t)self->q->text;
		how.size = 16;
		EXPECT_EQ(0, call_by(self->q, shorter(MBOX_IOC_RECV, recvs[i]), &how));
		EXPECT_STREQ("text", self->q->text);
		EXPECT_EQ(self->p->pid, how.pid);
		/* Behind it nothing is written. */
		EXPECT_EQ(POISON, self->q->arg[recvs[i]]);
	}
	memset(&stat, POISON, sizeof(stat));
	stat.flags = 0;
	stat.id = inbox_of(self->fd, self->q->pid);
	EXPECT_EQ(0, call(self->fd, shorter(MBOX_IOC_STAT, UP_TO(mbox_stat, reserved)), &stat));
	EXPECT_EQ(POISON | POISON << 8 | POISON << 16 | (uint32_t)POISON << 24, stat.links);
	EXPECT_EQ(3, stat.sent);
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_STAT, &stat));
	EXPECT_EQ(1, stat.links);
}

/*
 * Whatever the kernel needs memory for, or copies, fails in turn: then nothing is
 * sent, nothing is lost, and the same call succeeds the next time.
 */
FIXTURE(fault) {
	int fd;
	struct puppet *me, *other;
};

FIXTURE_VARIANT(fault) {
	int (*act)(FIXTURE_DATA(fault) *self);
	int success;
};

static int fault_send(FIXTURE_DATA(fault) *self)
{
	return say(self->me, self->other, "text");
}

static int fault_recv(FIXTURE_DATA(fault) *self)
{
	return hear_from(self->me, self->other);
}

static int fault_create(FIXTURE_DATA(fault) *self)
{
	return try_create_by(self->me, inbox_for(2, SIZE));
}

FIXTURE_VARIANT_ADD(fault, in_sending) {
	.act = fault_send,
};

FIXTURE_VARIANT_ADD(fault, in_receiving) {
	.act = fault_recv, .success = EAGAIN,
};

FIXTURE_VARIANT_ADD(fault, in_making_an_inbox) {
	.act = fault_create,
};

FIXTURE_SETUP(fault)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->me = myself(self->fd);
}

FIXTURE_TEARDOWN(fault)
{
	end_cast(self->fd);
}

TEST_F(fault, leaves_nothing)
{
	int fault = open_faults(), error, nth;
	unsigned int failed = 0;
	bool over = true;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	for (nth = 1; over; nth++) {
		uint64_t id;

		ASSERT_GT(100, nth);
		self->other = new_puppet(self->fd, 0, 0);
		set_fault(fault, nth);
		error = variant->act(self);
		over = fault_is_over(fault);
		ASSERT_TRUE(error == variant->success ||
			    (over && (error == ENOMEM || error == EFAULT)));
		failed += error != variant->success;
		if (error != variant->success) {
			EXPECT_EQ(variant->success, variant->act(self)) {
				TH_LOG("after fault number %d", nth);
			}
		}
		EXPECT_EQ(1, mailboxes(self->fd));
		if (inbox_of(self->fd, self->other->pid))
			EXPECT_EQ(1, inbox(self->fd, self->other).msgs);
		id = inbox_of(self->fd, getpid());
		if (id)
			NEED(!delete(self->fd, id));
		kill_puppet(self->other);
		WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
	}
	EXPECT_LT(0, failed);
}

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	return test_harness_run(argc, argv);
}
