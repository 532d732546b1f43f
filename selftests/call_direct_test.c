// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls to a process instead of to a mailbox.
 */
#include "kselftest_harness.h"
#include "call_stage.h"

/* The worker may signal the server, and so call it; the caller may not. */
FIXTURE(direct_call) {
	struct stage stage;
	struct puppet *server, *friend;
};

FIXTURE_SETUP(direct_call)
{
	set_stage(&self->stage, service(1));
	self->server = self->stage.server;
	self->friend = self->stage.worker;
	ASSERT_EQ(0, ask(self->friend, let_signals_interrupt));
}

FIXTURE_TEARDOWN(direct_call)
{
	clear_stage(&self->stage);
}

static struct mbox_call to_process(FIXTURE_DATA(direct_call) *self)
{
	return (struct mbox_call){ .flags = MBOX_CALL_PID, .id = self->server->pid };
}

static struct mbox_recv directly(void)
{
	return (struct mbox_recv){ .flags = MBOX_RECV_DIRECT | MBOX_RECV_TOKEN };
}

static uint64_t take_directly(FIXTURE_DATA(direct_call) *self)
{
	NEED(!recv_by(self->server, directly()));
	NEED(self->server->recv.token);
	return self->server->recv.token;
}

/* What is in it can be seen then. */
static uint64_t make_inbox(FIXTURE_DATA(direct_call) *self, uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.flags = MBOX_CREATE_INBOX;
	attr.mode = 0;
	return create_by(self->server, attr);
}

static void wait_for_msgs(FIXTURE_DATA(direct_call) *self, uint64_t inbox, uint32_t msgs)
{
	WAIT_UNTIL(state(self->stage.fd, inbox).msgs == msgs);
}

static void expect_direct_reply(struct __test_metadata *_metadata,
				FIXTURE_DATA(direct_call) *self)
{
	uint64_t token = take_directly(self);

	EXPECT_STREQ("request", self->server->text);
	EXPECT_EQ(self->friend->pid, self->server->recv.pid);
	EXPECT_EQ(MBOX_GOT_REQUEST, self->server->recv.got);
	EXPECT_EQ(0, reply_by(self->server, token, "reply"));
	expect_reply(_metadata, self->friend, "reply");
	EXPECT_EQ(self->server->pid, called(self->friend)->pid);
	EXPECT_EQ(EBADR, ask_about(self->server, token));
}

TEST_F(direct_call, is_by_pid_or_by_participant_id)
{
	struct mbox_call how = to_process(self);

	begin_call_as(self->friend, how, "request");
	expect_direct_reply(_metadata, self);
	how.flags = MBOX_CALL_PARTICIPANT;
	how.id = clock_of(self->server).participant;
	begin_call_as(self->friend, how, "request");
	expect_direct_reply(_metadata, self);
}

static int call_by_pidfd(struct puppet *me)
{
	struct mbox_call *how = called(me);
	int pidfd = open_pidfd(how->id), error;

	how->id = pidfd;
	error = do_call(me);
	close(pidfd);
	return error;
}

TEST_F(direct_call, is_by_pidfd)
{
	struct mbox_call how = to_process(self);

	how.flags = MBOX_CALL_PIDFD;
	strcpy(self->friend->text, "request");
	how.buf = (uintptr_t)self->friend->text;
	how.len = 7;
	how.reply = (uintptr_t)reply_of(self->friend);
	how.size = REPLY_SIZE;
	self->friend->command = MBOX_IOC_CALL;
	*called(self->friend) = how;
	begin_act(self->friend, call_by_pidfd);
	expect_direct_reply(_metadata, self);
}

TEST_F(direct_call, finds_a_server_that_waits)
{
	uint64_t inbox = make_inbox(self, 1);

	begin_recv(self->server, directly());
	wait_for_receivers(self->stage.fd, inbox, 1);
	begin_call_as(self->friend, to_process(self), "request");
	ASSERT_EQ(0, end_act(self->server));
	EXPECT_EQ(0, reply_by(self->server, self->server->recv.token, "reply"));
	expect_reply(_metadata, self->friend, "reply");
}

TEST_F(direct_call, is_received_from_one_process_in_particular)
{
	struct puppet *other = new_puppet(self->stage.fd, OWNER, OWNER);
	uint64_t inbox = make_inbox(self, 1);
	struct mbox_recv how = directly();

	begin_call_as(other, to_process(self), "other");
	wait_for_msgs(self, inbox, 1);
	begin_call_as(self->friend, to_process(self), "request");
	how.flags |= MBOX_RECV_MATCH;
	how.match = self->friend->pid;
	ASSERT_EQ(0, recv_by(self->server, how));
	EXPECT_STREQ("request", self->server->text);
	EXPECT_EQ(0, reply_by(self->server, self->server->recv.token, "reply"));
	expect_reply(_metadata, self->friend, "reply");
	EXPECT_FALSE(is_done(other));
	EXPECT_EQ(0, reply_by(self->server, take_directly(self), "reply"));
	expect_reply(_metadata, other, "reply");
}

TEST_F(direct_call, can_be_handed_on)
{
	struct puppet *heir = new_puppet(self->stage.fd, OWNER, OWNER);
	uint64_t token;

	begin_call_as(self->friend, to_process(self), "request");
	token = take_directly(self);
	ASSERT_EQ(0, pass_by(self->server, token, heir->pid));
	EXPECT_EQ(0, reply_by(heir, token, "reply"));
	expect_reply(_metadata, self->friend, "reply");
	EXPECT_EQ(heir->pid, called(self->friend)->pid);
}

TEST_F(direct_call, is_refused_to_whoever_may_not_send)
{
	struct mbox_call how = to_process(self);

	EXPECT_EQ(EACCES, request_as(self->stage.caller, how, "request"));
	how.flags = MBOX_CALL_PARTICIPANT;
	how.id = ~0ULL;
	EXPECT_EQ(ESRCH, request_as(self->friend, how, "request"));
	how.flags = MBOX_CALL_PID;
	how.id = 1ULL << 40;
	EXPECT_EQ(ESRCH, request_as(self->friend, how, "request"));
	how.flags = MBOX_CALL_PIDFD;
	how.id = 12345;
	EXPECT_EQ(EBADF, request_as(self->friend, how, "request"));
}

TEST_F(direct_call, ends_with_the_process_whether_that_had_it_or_not)
{
	struct puppet *other = new_puppet(self->stage.fd, OWNER, OWNER);
	uint64_t inbox = make_inbox(self, 1);
	int error;

	begin_call_as(self->friend, to_process(self), "request");
	take_directly(self);
	EXPECT_EQ(1, state(self->stage.fd, inbox).requests);
	begin_call_as(other, to_process(self), "queued");
	wait_for_msgs(self, inbox, 1);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->server));
	EXPECT_EQ(EIDRM, end_request(other));
	/* Both are true. */
	error = end_request(self->friend);
	EXPECT_TRUE(error == EOWNERDEAD || error == EIDRM);
	EXPECT_EQ(ESRCH, request_as(other, to_process(self), "request"));
}

/* Whoever waits for room in a link waits for its own only. */
TEST_F(direct_call, waits_for_room_in_its_own_link)
{
	struct puppet *other = new_puppet(self->stage.fd, OWNER, OWNER);
	struct puppet *second = new_thread(self->friend);
	uint64_t inbox = make_inbox(self, 1);
	struct mbox_call how;

	begin_call_as(self->friend, to_process(self), "request");
	wait_for_msgs(self, inbox, 1);
	how = to_process(self);
	how.flags |= MBOX_CALL_NONBLOCK;
	EXPECT_EQ(EAGAIN, request_as(second, how, "no room"));
	begin_call_as(other, to_process(self), "other");
	expect_direct_reply(_metadata, self);
	EXPECT_EQ(0, reply_by(self->server, take_directly(self), "reply"));
	expect_reply(_metadata, other, "reply");
}

TEST_F(direct_call, that_is_interrupted_is_taken_back_or_told_of)
{
	uint64_t inbox = make_inbox(self, 1), token;
	struct mbox_recv how = directly();

	begin_call_as(self->friend, to_process(self), "request");
	wait_for_msgs(self, inbox, 1);
	signal_and_wait(self->friend);
	EXPECT_EQ(EINTR, end_request(self->friend));
	how.flags |= MBOX_RECV_NONBLOCK;
	EXPECT_EQ(EAGAIN, recv_by(self->server, how));
	begin_call_as(self->friend, to_process(self), "request");
	token = take_directly(self);
	signal_and_wait(self->friend);
	EXPECT_EQ(EINTR, end_request(self->friend));
	expect_caller_gone(_metadata, self->server, token);
}

/* The owner of an inbox only receives. */
TEST_F(direct_call, is_not_to_oneself)
{
	struct puppet *thread = new_thread(self->server);

	EXPECT_EQ(EACCES, request_as(thread, to_process(self), "to myself"));
}

TEST_HARNESS_MAIN
