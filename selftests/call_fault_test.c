// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls that are caught in the middle of a copy; and calls, replies and questions that
 * are refused.
 */
#include "kselftest_harness.h"
#include "call_stage.h"

/*
 * A receiver stands in the middle of the copy: it does not have the request yet,
 * and nobody else does.
 */
FIXTURE(middle) {
	struct stage stage;
	struct puppet *receiver;
	struct puppet *caller;		/* one that can stall */
};

FIXTURE_VARIANT(middle) {
	uint32_t msgs;
	uint64_t kind;
};

FIXTURE_VARIANT_ADD(middle, of_a_request) {
	.msgs = 1,
};

FIXTURE_VARIANT_ADD(middle, of_a_request_at_a_rendezvous) {
};

FIXTURE_VARIANT_ADD(middle, of_a_request_in_a_reserved_buffer) {
	.msgs = 1, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_SETUP(middle)
{
	struct mbox_create attr = service(variant->msgs);

	attr.flags = variant->kind;
	if (variant->kind)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	set_stage(&self->stage, attr);
	self->receiver = new_puppet(self->stage.fd, 0, 0);
	self->caller = new_puppet(self->stage.fd, 0, 0);
	ASSERT_EQ(0, ask(self->receiver, drop_all_but_stalling));
	ASSERT_EQ(0, ask(self->caller, drop_all_but_stalling));
	ASSERT_EQ(0, grant_by(self->stage.server, self->stage.id, self->receiver->pid,
			      MBOX_RIGHT_RECV));
}

FIXTURE_TEARDOWN(middle)
{
	clear_stage(&self->stage);
}

static void stall_as(FIXTURE_DATA(middle) *self, struct mbox_call how)
{
	how.id = self->stage.id;
	begin_stalled_recv(self->receiver, takes(self->stage.id), SIZE);
	wait_for_receivers(self->stage.fd, self->stage.id, 1);
	begin_call_as(self->stage.caller, how, "request");
	wait_for_stalled(self->receiver);
}

static void stall(FIXTURE_DATA(middle) *self)
{
	stall_as(self, (struct mbox_call){ });
}

/* The receiver goes on, and the caller has gone. */
static void expect_in_vain(struct __test_metadata *_metadata, FIXTURE_DATA(middle) *self)
{
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(MBOX_GOT_REQUEST, self->receiver->recv.got);
	expect_caller_gone(_metadata, self->receiver, self->receiver->recv.token);
	EXPECT_EQ(EAGAIN, try_take(self->stage.server, self->stage.id));
	expect_quiet(_metadata, &self->stage);
	EXPECT_TRUE(pays_nothing(self->stage.fd, STRANGER));
}

/* The receiver fails, and the caller has gone. */
static void expect_vanished(struct __test_metadata *_metadata, FIXTURE_DATA(middle) *self)
{
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_EQ(EAGAIN, try_take(self->stage.server, self->stage.id));
	EXPECT_EQ(EAGAIN, fetch_by(self->stage.server, self->stage.id));
	EXPECT_EQ(0, seen(&self->stage).msgs);
	EXPECT_EQ(0, seen(&self->stage).senders);
	EXPECT_EQ(0, seen(&self->stage).requests);
	EXPECT_TRUE(pays_nothing(self->stage.fd, STRANGER));
}

TEST_F(middle, becomes_a_call_that_is_held)
{
	stall(self);
	EXPECT_EQ(EAGAIN, try_take(self->stage.server, self->stage.id));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(1, seen(&self->stage).requests);
	EXPECT_EQ(0, reply_by(self->receiver, self->receiver->recv.token, "reply"));
	expect_reply(_metadata, self->stage.caller, "reply");
	expect_quiet(_metadata, &self->stage);
}

/* It goes back to its place, for whoever receives next; the caller knows nothing. */
TEST_F(middle, that_fails_is_a_call_that_is_not_held_yet)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	stall(self);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, seen(stage).requests);
	EXPECT_EQ(1, seen(stage).senders);
	token = take(stage->server, stage->id);
	EXPECT_STREQ("request", stage->server->text);
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(EBADR, ask_about(self->receiver, token));
	EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	expect_quiet(_metadata, stage);
}

TEST_F(middle, that_fails_serves_the_next_who_waits)
{
	struct stage *stage = &self->stage;

	stall(self);
	begin_recv(stage->server, takes(stage->id));
	wait_for_receivers(stage->fd, stage->id, 1);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_EQ(0, end_act(stage->server));
	EXPECT_STREQ("request", stage->server->text);
	EXPECT_EQ(0, reply_by(stage->server, stage->server->recv.token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	expect_quiet(_metadata, stage);
}

TEST_F(middle, that_fails_is_a_call_that_can_be_interrupted)
{
	struct stage *stage = &self->stage;

	stall(self);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
	EXPECT_EQ(0, seen(stage).msgs);
	EXPECT_TRUE(pays_nothing(stage->fd, STRANGER));
}

TEST_F(middle, that_fails_is_a_call_that_restarts)
{
	struct stage *stage = &self->stage;
	int i;

	ASSERT_EQ(0, ask(stage->caller, let_signals_restart));
	stall(self);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	for (i = 0; i < 3; i++) {
		signal_and_wait(stage->caller);
		wait_for_senders(stage->fd, stage->id, 1);
		EXPECT_GE(1, seen(stage).msgs);
	}
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
}

TEST_F(middle, that_fails_is_a_call_that_ends_with_the_mailbox)
{
	stall(self);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	ASSERT_EQ(0, delete_by(self->stage.server, self->stage.id));
	EXPECT_EQ(EIDRM, end_request(self->stage.caller));
}

TEST_F(middle, is_noticed_in_vain_when_the_caller_is_interrupted)
{
	stall(self);
	signal_and_wait(self->stage.caller);
	EXPECT_EQ(EINTR, end_request(self->stage.caller));
	expect_in_vain(_metadata, self);
}

TEST_F(middle, that_fails_leaves_nothing_when_the_caller_is_interrupted)
{
	stall(self);
	signal_and_wait(self->stage.caller);
	EXPECT_EQ(EINTR, end_request(self->stage.caller));
	expect_vanished(_metadata, self);
}

TEST_F(middle, is_noticed_in_vain_when_the_deadline_passes)
{
	stall_as(self, (struct mbox_call){ .flags = MBOX_CALL_TIMEOUT, .deadline = soon() });
	EXPECT_EQ(ETIMEDOUT, end_request(self->stage.caller));
	expect_in_vain(_metadata, self);
}

TEST_F(middle, that_fails_leaves_nothing_when_the_deadline_passes)
{
	stall_as(self, (struct mbox_call){ .flags = MBOX_CALL_TIMEOUT, .deadline = soon() });
	EXPECT_EQ(ETIMEDOUT, end_request(self->stage.caller));
	expect_vanished(_metadata, self);
}

TEST_F(middle, is_noticed_in_vain_when_the_caller_is_killed)
{
	stall(self);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->stage.caller));
	expect_in_vain(_metadata, self);
}

TEST_F(middle, that_fails_leaves_nothing_when_the_caller_is_killed)
{
	stall(self);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->stage.caller));
	expect_vanished(_metadata, self);
}

/* It was claimed before, so its bytes are delivered all the same. */
TEST_F(middle, is_noticed_in_vain_when_the_mailbox_is_deleted)
{
	stall(self);
	ASSERT_EQ(0, delete_by(self->stage.server, self->stage.id));
	EXPECT_EQ(EIDRM, end_request(self->stage.caller));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(7, self->receiver->recv.len);
	expect_caller_gone(_metadata, self->receiver, self->receiver->recv.token);
	EXPECT_TRUE(pays_nothing(self->stage.fd, STRANGER));
}

TEST_F(middle, that_fails_leaves_nothing_when_the_mailbox_is_deleted)
{
	stall(self);
	ASSERT_EQ(0, delete_by(self->stage.server, self->stage.id));
	EXPECT_EQ(EIDRM, end_request(self->stage.caller));
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_TRUE(pays_nothing(self->stage.fd, STRANGER));
}

TEST_F(middle, of_a_receiver_that_loses_its_right_gives_no_lasting_token)
{
	stall(self);
	ASSERT_EQ(0, revoke_by(self->stage.server, self->stage.id, self->receiver->pid,
			       MBOX_RIGHT_RECV));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(EKEYREJECTED, end_request(self->stage.caller));
	expect_caller_gone(_metadata, self->receiver, self->receiver->recv.token);
	expect_quiet(_metadata, &self->stage);
}

/* Either it had the request, or somebody else has it now. */
TEST_F(middle, of_a_receiver_that_loses_its_right_and_fails_leaves_no_caller_waiting)
{
	struct stage *stage = &self->stage;

	stall(self);
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->receiver->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	WAIT_UNTIL(is_done(stage->caller) || seen(stage).senders);
	if (!is_done(stage->caller)) {
		EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
		expect_reply(_metadata, stage->caller, "reply");
		return;
	}
	EXPECT_EQ(EKEYREJECTED, end_request(stage->caller));
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
}

TEST_F(middle, of_a_receiver_that_is_killed_leaves_no_caller_waiting)
{
	struct stage *stage = &self->stage;

	stall(self);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->receiver));
	WAIT_UNTIL(is_done(stage->caller) || seen(stage).senders);
	if (!is_done(stage->caller)) {
		EXPECT_EQ(0, seen(stage).requests);
		EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
		expect_reply(_metadata, stage->caller, "reply");
		return;
	}
	EXPECT_EQ(EOWNERDEAD, end_request(stage->caller));
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
	expect_quiet(_metadata, stage);
}

TEST_F(middle, goes_on_when_the_caller_loses_its_right)
{
	struct stage *stage = &self->stage;

	stall(self);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0600));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(0, reply_by(self->receiver, self->receiver->recv.token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(middle, that_fails_when_the_caller_has_lost_its_right_ends_in_one_way)
{
	struct stage *stage = &self->stage;

	stall(self);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0600));
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	WAIT_UNTIL(is_done(stage->caller) || seen(stage).senders);
	if (try_take(stage->server, stage->id)) {
		EXPECT_EQ(EKEYREVOKED, end_request(stage->caller));
		EXPECT_EQ(0, seen(stage).msgs);
		return;
	}
	EXPECT_EQ(0, reply_by(stage->server, stage->server->recv.token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

/* A bad buffer without a stall, again and again. */
TEST_F(middle, that_fails_at_once_can_be_tried_again)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = takes(stage->id);
	int i;

	begin_request(stage->caller, stage->id, "request");
	wait_for_senders(stage->fd, stage->id, 1);
	how.flags |= MBOX_RECV_NONBLOCK;
	how.buf = 8;
	how.size = SIZE;
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(EFAULT, call_by(stage->server, MBOX_IOC_RECV, &how));
		EXPECT_FALSE(is_done(stage->caller));
		EXPECT_EQ(1, seen(stage).senders);
		EXPECT_EQ(0, seen(stage).requests);
	}
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	expect_quiet(_metadata, stage);
}

/* What a fault without a buffer is: the envelope cannot be written. */
static int take_into_nothing(struct puppet *me)
{
	struct mbox_recv *how = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(how != MAP_FAILED);
	*how = *(struct mbox_recv *)me->arg;
	NEED(!mprotect(how, PAGE, PROT_READ));
	return call(me->fd, MBOX_IOC_RECV, how);
}

TEST_F(middle, that_cannot_be_told_of_is_no_receive)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = takes(stage->id);

	begin_request(stage->caller, stage->id, "request");
	wait_for_senders(stage->fd, stage->id, 1);
	how.flags |= MBOX_RECV_NONBLOCK;
	how.buf = (uintptr_t)stage->server->text;
	how.size = SIZE;
	memcpy(stage->server->arg, &how, sizeof(how));
	EXPECT_EQ(EFAULT, ask(stage->server, take_into_nothing));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, seen(stage).requests);
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

/* The other two copies: of the request out of the caller, of the reply into it. */
static struct mbox_call stalled_call(FIXTURE_DATA(middle) *self)
{
	return (struct mbox_call){
		.id = self->stage.id,
		.buf = (uintptr_t)"request",
		.len = 7,
		.reply = (uintptr_t)reply_of(self->caller),
		.size = REPLY_SIZE,
	};
}

TEST_F(middle, of_making_the_request_is_no_call_yet)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = stalled_call(self);

	begin_stalled(self->caller, MBOX_IOC_CALL, &how, do_stalled_request);
	wait_for_stalled(self->caller);
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
	EXPECT_EQ(EFAULT, end_stalled(self->caller, FAIL));
	expect_quiet(_metadata, stage);

	begin_stalled(self->caller, MBOX_IOC_CALL, &how, do_stalled_request);
	wait_for_stalled(self->caller);
	ASSERT_EQ(0, delete_by(stage->server, stage->id));
	EXPECT_EQ(EIDRM, end_stalled(self->caller, GO_ON));
}

TEST_F(middle, of_taking_the_reply_is_a_call_that_was_replied_to)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = stalled_call(self);
	uint64_t token, sender = clock_of(stage->server).participant;
	pid_t server = stage->server->pid;

	begin_stalled(self->caller, MBOX_IOC_CALL, &how, do_stalled_reply);
	token = take(stage->server, stage->id);
	EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
	wait_for_stalled(self->caller);
	EXPECT_EQ(EBADR, ask_about(stage->server, token));
	expect_quiet(_metadata, stage);
	ASSERT_EQ(0, delete_by(stage->server, stage->id));
	kill_puppet(stage->server);
	EXPECT_EQ(0, end_stalled(self->caller, GO_ON));
	EXPECT_EQ(5, called(self->caller)->reply_len);
	/* Who it was is known, though it has ended. */
	EXPECT_EQ(sender, called(self->caller)->sender);
	EXPECT_EQ(server, called(self->caller)->pid);
	EXPECT_EQ(OWNER, called(self->caller)->uid);
	EXPECT_EQ(OWNER, called(self->caller)->gid);
}

TEST_F(middle, of_taking_the_reply_loses_it_if_it_fails)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = stalled_call(self);

	begin_stalled(self->caller, MBOX_IOC_CALL, &how, do_stalled_reply);
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	wait_for_stalled(self->caller);
	EXPECT_EQ(EFAULT, end_stalled(self->caller, FAIL));
	expect_quiet(_metadata, stage);
	EXPECT_TRUE(pays_nothing(stage->fd, STRANGER));
	expect_service(_metadata, stage, stage->caller, stage->server);
}

TEST_F(middle, of_taking_the_reply_leaves_nothing_when_the_caller_is_killed)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = stalled_call(self);

	begin_stalled(self->caller, MBOX_IOC_CALL, &how, do_stalled_reply);
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	wait_for_stalled(self->caller);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->caller));
	expect_quiet(_metadata, stage);
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
}

/* And the fourth: of the reply out of the replier. */
static uint64_t stall_reply(FIXTURE_DATA(middle) *self)
{
	struct mbox_reply reply = { .len = 5 };

	begin_request(self->stage.caller, self->stage.id, "request");
	reply.token = take(self->receiver, self->stage.id);
	begin_stalled(self->receiver, MBOX_IOC_REPLY, &reply, do_stalled_reply);
	wait_for_stalled(self->receiver);
	NEED(!is_done(self->stage.caller));
	return reply.token;
}

TEST_F(middle, of_a_reply_is_a_call_that_goes_on)
{
	stall_reply(self);
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	ASSERT_EQ(0, end_request(self->stage.caller));
	EXPECT_EQ(5, called(self->stage.caller)->reply_len);
}

TEST_F(middle, of_a_reply_that_fails_is_a_call_that_goes_on)
{
	uint64_t token = stall_reply(self);

	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_EQ(1, seen(&self->stage).requests);
	EXPECT_EQ(0, ask_about(self->receiver, token));
	EXPECT_EQ(0, reply_by(self->receiver, token, "reply"));
	expect_reply(_metadata, self->stage.caller, "reply");
}

TEST_F(middle, of_a_reply_comes_too_late_when_the_caller_is_interrupted)
{
	uint64_t token = stall_reply(self);

	signal_and_wait(self->stage.caller);
	EXPECT_EQ(EINTR, end_request(self->stage.caller));
	EXPECT_EQ(ECANCELED, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(EBADR, ask_about(self->receiver, token));
	expect_quiet(_metadata, &self->stage);
}

TEST_F(middle, of_a_reply_comes_too_late_when_the_caller_is_killed)
{
	uint64_t token = stall_reply(self);

	EXPECT_EQ(-SIGKILL, kill_puppet(self->stage.caller));
	EXPECT_EQ(ECANCELED, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(EBADR, ask_about(self->receiver, token));
	expect_quiet(_metadata, &self->stage);
}

TEST_F(middle, of_a_reply_comes_too_late_when_the_right_is_lost)
{
	uint64_t token = stall_reply(self);

	ASSERT_EQ(0, revoke_by(self->stage.server, self->stage.id, self->receiver->pid,
			       MBOX_RIGHT_RECV));
	EXPECT_EQ(EKEYREJECTED, end_request(self->stage.caller));
	EXPECT_EQ(ECANCELED, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(EBADR, ask_about(self->receiver, token));
}

/* One reply, whichever of two threads is the first. */
TEST_F(middle, of_a_reply_leaves_one_reply_when_another_thread_replies)
{
	struct puppet *thread;
	uint64_t token;
	int error;

	thread = new_thread(self->receiver);
	token = stall_reply(self);
	error = reply_by(thread, token, "the other");
	EXPECT_EQ(error ? 0 : EBADR, end_stalled(self->receiver, GO_ON));
	EXPECT_TRUE(error == 0 || error == EBADR);
	ASSERT_EQ(0, end_request(self->stage.caller));
	EXPECT_EQ(error ? 5 : 9, called(self->stage.caller)->reply_len);
	EXPECT_EQ(EBADR, ask_about(thread, token));
}

/* It belongs to one of the two. */
TEST_F(middle, of_a_reply_leaves_one_holder_when_another_thread_hands_the_token_on)
{
	struct puppet *thread = new_thread(self->receiver), *other;
	uint64_t token;
	int error;

	/* Of the same user, so that it may be signalled. */
	other = new_puppet(self->stage.fd, 0, 0);
	token = stall_reply(self);
	error = pass_by(thread, token, other->pid);
	EXPECT_TRUE(error == 0 || error == EBADR);
	EXPECT_EQ(error ? 0 : EBADR, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(error ? EBADR : 0, reply_by(other, token, "the other"));
	ASSERT_EQ(0, end_request(self->stage.caller));
	EXPECT_EQ(error ? 5 : 9, called(self->stage.caller)->reply_len);
}

TEST_F(middle, of_a_reply_ends_the_call_when_the_replier_is_killed)
{
	stall_reply(self);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->receiver));
	EXPECT_EQ(EOWNERDEAD, end_request(self->stage.caller));
	expect_quiet(_metadata, &self->stage);
}

/*
 * Arguments that are broken in one way, and everything else that a call, a reply
 * and a question are refused for. Nothing has changed afterwards.
 */
FIXTURE(refusal) {
	struct stage stage;
	struct puppet *second;
	uint64_t token;
	struct mbox_call how;
	char *hole;		/* memory ends here, also that of the caller */
	uint64_t bytes;		/* of the first request */
};

FIXTURE_SETUP(refusal)
{
	self->hole = (char *)before_a_hole(SIZE) + SIZE;
	set_stage(&self->stage, service(4));
	self->token = hold_request(&self->stage, "request");
	self->bytes = usage_of(self->stage.fd, STRANGER).user_bytes;
	self->second = another_caller(&self->stage);
	self->how.id = self->stage.id;
	self->how.buf = (uintptr_t)self->second->text;
	self->how.len = 7;
	self->how.reply = (uintptr_t)reply_of(self->second);
	self->how.size = REPLY_SIZE;
}

FIXTURE_TEARDOWN(refusal)
{
	clear_stage(&self->stage);
}

static int try_call(FIXTURE_DATA(refusal) *self, struct mbox_call how)
{
	int error;

	poison_call(&how);
	error = call_by(self->second, MBOX_IOC_CALL, &how);
	NEED(!error || !call_is_told(&how));
	return error;
}

/* Nobody was called, the first call goes on. */
static void expect_unchanged(struct __test_metadata *_metadata, FIXTURE_DATA(refusal) *self)
{
	struct mbox_stat stat = seen(&self->stage);

	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(1, stat.sent);
	EXPECT_EQ(1, stat.requests);
	EXPECT_EQ(0, ask_about(self->stage.server, self->token));
	EXPECT_FALSE(is_done(self->stage.caller));
	EXPECT_EQ(self->bytes, usage_of(self->stage.fd, STRANGER).user_bytes);
	EXPECT_EQ(0, msgs_of(self->stage.fd, STRANGER));
}

/* Everything works. */
static void expect_end(struct __test_metadata *_metadata, FIXTURE_DATA(refusal) *self)
{
	EXPECT_EQ(0, reply_by(self->stage.server, self->token, "reply"));
	expect_reply(_metadata, self->stage.caller, "reply");
	expect_service(_metadata, &self->stage, self->second, self->stage.server);
}

TEST_F(refusal, is_of_arguments_of_a_call_that_are_not_valid)
{
	static const uint64_t flags[] = {
		MBOX_SEND_SYNC, MBOX_SEND_EXPIRES, MBOX_SEND_OFFER, MBOX_SEND_STAMP, 1ULL << 10,
		1ULL << 31, 1ULL << 33, 1ULL << 63, MBOX_CALL_PID | MBOX_CALL_PIDFD,
		MBOX_CALL_PID | MBOX_CALL_PARTICIPANT, MBOX_CALL_PIDFD | MBOX_CALL_PARTICIPANT,
	};
	struct mbox_call how;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		how = self->how;
		how.flags = flags[i];
		EXPECT_EQ(EINVAL, try_call(self, how)) {
			TH_LOG("flags 0x%llx", (unsigned long long)flags[i]);
		}
	}
	how = self->how;
	how.prio = MBOX_PRIO_MAX + 1;
	EXPECT_EQ(EINVAL, try_call(self, how));
	how = self->how;
	how.nr_files = MBOX_FILES_MAX + 1;
	EXPECT_EQ(EINVAL, try_call(self, how));
	how = self->how;
	how.nr_reply_files = MBOX_FILES_MAX + 1;
	EXPECT_EQ(EINVAL, try_call(self, how));
	how = self->how;
	how.reserved = 1;
	EXPECT_EQ(EINVAL, try_call(self, how));
	/* Before anything else that is wrong. */
	how.id = 1ULL << 60;
	EXPECT_EQ(EINVAL, try_call(self, how));
	expect_unchanged(_metadata, self);
	expect_end(_metadata, self);
}

TEST_F(refusal, is_of_mailboxes_that_cannot_be_called)
{
	struct stage *stage = &self->stage;
	uint64_t gone = create_by(stage->server, service(1));
	struct mbox_call how = self->how;

	ASSERT_EQ(0, delete_by(stage->server, gone));
	how.id = 0;
	EXPECT_EQ(ENOTCONN, try_call(self, how));
	how.id = gone + 1;
	EXPECT_EQ(ENOENT, try_call(self, how));
	how.id = ~0ULL;
	EXPECT_EQ(ENOENT, try_call(self, how));
	how.id = gone;
	EXPECT_EQ(EIDRM, try_call(self, how));
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0600));
	EXPECT_EQ(EACCES, try_call(self, self->how));
	/* The right goes before the message. */
	how = self->how;
	how.len = SIZE + 1;
	EXPECT_EQ(EACCES, try_call(self, how));
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0622));
	EXPECT_EQ(EMSGSIZE, try_call(self, how));
	how.len = ~0ULL;
	EXPECT_EQ(EMSGSIZE, try_call(self, how));
	expect_unchanged(_metadata, self);
	expect_end(_metadata, self);
}

/* To receive is not to send. */
TEST_F(refusal, is_of_callers_that_may_only_receive)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0644));
	ASSERT_EQ(0, grant_by(stage->server, stage->id, self->second->pid,
			      MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE));
	EXPECT_EQ(EACCES, try_call(self, self->how));
	expect_unchanged(_metadata, self);
}

TEST_F(refusal, is_of_requests_that_cannot_be_read)
{
	struct mbox_call how = self->how;

	how.buf = 8;
	EXPECT_EQ(EFAULT, try_call(self, how));
	how.buf = ~0ULL - 3;
	EXPECT_EQ(EFAULT, try_call(self, how));
	how.buf = (uintptr_t)(self->hole - 6);
	EXPECT_EQ(EFAULT, try_call(self, how));
	expect_unchanged(_metadata, self);
	expect_end(_metadata, self);
}

TEST_F(refusal, is_of_structures_that_cannot_be_read)
{
	EXPECT_EQ(EFAULT, call(self->stage.fd, MBOX_IOC_CALL, (void *)8));
	EXPECT_EQ(EFAULT, call(self->stage.fd, MBOX_IOC_REPLY, (void *)8));
	EXPECT_EQ(EFAULT, call(self->stage.fd, MBOX_IOC_TOKEN, (void *)8));
	EXPECT_EQ(EFAULT, call(self->stage.fd, MBOX_IOC_CALL,
			       before_a_hole(sizeof(struct mbox_call) - 1)));
	expect_unchanged(_metadata, self);
}

/* The reply, if there was one, is lost, and that is all. */
TEST_F(refusal, is_told_to_the_caller_when_its_buffer_is_bad)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = self->how;
	uint64_t token;
	int i;

	for (i = 0; i < 2; i++) {
		how.reply = i ? 8 : (uintptr_t)(self->hole - 2);
		begin_call(self->second, MBOX_IOC_CALL, &how);
		/* It may be found out before. */
		WAIT_UNTIL(is_done(self->second) || seen(stage).msgs);
		if (!is_done(self->second)) {
			token = take(stage->server, stage->id);
			EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
			EXPECT_EQ(EBADR, ask_about(stage->server, token));
		}
		EXPECT_EQ(EFAULT, end_act(self->second));
		EXPECT_EQ(1, seen(stage).requests);
		EXPECT_EQ(self->bytes, usage_of(stage->fd, STRANGER).user_bytes);
	}
	/* A reply that does not reach the hole is none of those. */
	how.reply = (uintptr_t)(self->hole - 2);
	begin_call(self->second, MBOX_IOC_CALL, &how);
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), ""));
	EXPECT_EQ(0, end_act(self->second));
}

static int call_with_a_fixed_structure(struct puppet *me)
{
	struct mbox_call *how = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(how != MAP_FAILED);
	*how = *called(me);
	NEED(!mprotect(how, PAGE, PROT_READ));
	return call(me->fd, MBOX_IOC_CALL, how);
}

TEST_F(refusal, is_told_to_the_caller_that_cannot_be_told_of_the_reply)
{
	struct stage *stage = &self->stage;

	*called(self->second) = self->how;
	begin_act(self->second, call_with_a_fixed_structure);
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	EXPECT_EQ(EFAULT, end_act(self->second));
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(self->bytes, usage_of(stage->fd, STRANGER).user_bytes);
}

static int try_reply(FIXTURE_DATA(refusal) *self, struct mbox_reply how)
{
	return call_by(self->stage.server, MBOX_IOC_REPLY, &how);
}

TEST_F(refusal, is_of_arguments_of_a_reply_that_are_not_valid)
{
	struct mbox_reply valid = {
		.token = self->token, .buf = (uintptr_t)self->stage.server->text, .len = 5,
	};
	struct mbox_reply discard = {
		.flags = MBOX_REPLY_DISCARD, .token = self->token,
	};
	static const uint64_t flags[] = {
		1ULL << 1, 1ULL << 2, 1ULL << 8, 1ULL << 10, 1ULL << 32, 1ULL << 63,
	};
	struct mbox_reply how;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		how = valid;
		how.flags = flags[i];
		EXPECT_EQ(EINVAL, try_reply(self, how));
	}
	how = valid;
	how.reserved = 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = valid;
	how.nr_files = MBOX_FILES_MAX + 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = discard;
	how.buf = 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = discard;
	how.len = 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = discard;
	how.tag = 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = discard;
	how.files = 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = discard;
	how.nr_files = 1;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = discard;
	how.flags |= MBOX_REPLY_SHARED;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	/* Before anything else that is wrong. */
	how.token = NO_TOKEN;
	EXPECT_EQ(EINVAL, try_reply(self, how));
	how = valid;
	how.buf = 8;
	EXPECT_EQ(EFAULT, try_reply(self, how));
	how.buf = ~0ULL - 3;
	EXPECT_EQ(EFAULT, try_reply(self, how));
	/* The token goes before the message. */
	how.token = NO_TOKEN;
	EXPECT_EQ(EBADR, try_reply(self, how));
	how.len = 1ULL << 40;
	EXPECT_EQ(EBADR, try_reply(self, how));
	expect_unchanged(_metadata, self);
	expect_end(_metadata, self);
}

TEST_F(refusal, is_of_arguments_of_a_question_that_are_not_valid)
{
	struct puppet *server = self->stage.server;
	struct mbox_token valid = { .token = self->token }, how;

	how = valid;
	how.flags = 1ULL << 2;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	how.flags = 1ULL << 63;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	how.flags = MBOX_TOKEN_PIDFD;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	how = valid;
	how.pid = self->stage.worker->pid;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	how = valid;
	how.reserved = 1;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	how.flags = MBOX_TOKEN_PASS;
	how.pid = self->stage.worker->pid;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	how.token = NO_TOKEN;
	EXPECT_EQ(EINVAL, call_by(server, MBOX_IOC_TOKEN, &how));
	EXPECT_EQ(EBADR, ask_about(self->stage.worker, self->token));
	expect_unchanged(_metadata, self);
	expect_end(_metadata, self);
}

TEST_F(refusal, is_of_arguments_of_a_receive_that_are_not_valid)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = takes(stage->id);

	begin_request(self->second, stage->id, "second");
	wait_until_queued(stage, 1);
	how.flags |= MBOX_RECV_PEEK;
	EXPECT_EQ(EINVAL, recv_by(stage->server, how));
	how.flags = MBOX_RECV_TOKEN | (1ULL << 14);
	EXPECT_EQ(EINVAL, recv_by(stage->server, how));
	how = takes(stage->id);
	how.reserved = 1;
	EXPECT_EQ(EINVAL, recv_by(stage->server, how));
	EXPECT_EQ(1, seen(stage).msgs);
	EXPECT_FALSE(is_done(self->second));
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, self->second, "reply");
}

/* Sizes of structures: what is newer must be zero, what is shorter is no version. */
TEST_F(refusal, is_of_structures_of_another_size)
{
	static const unsigned long commands[] = {
		MBOX_IOC_CALL, MBOX_IOC_REPLY, MBOX_IOC_TOKEN,
	};
	struct puppet *server = self->stage.server;
	unsigned char arg[512] = { };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		unsigned int nr = _IOC_NR(commands[i]), size = _IOC_SIZE(commands[i]);
		unsigned long longer, shorter;

		longer = _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, nr, size + 8);
		shorter = _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, nr, size - 8);
		EXPECT_EQ(EINVAL, call_by(server, shorter, arg));
		EXPECT_EQ(i ? EBADR : ENOTCONN, call_by(server, longer, arg));
		arg[size + 7] = 1;
		EXPECT_EQ(E2BIG, call_by(server, longer, arg));
		arg[size + 7] = 0;
	}
	expect_unchanged(_metadata, self);
}

TEST_F(refusal, is_of_requests_beyond_a_quota)
{
	static const struct {
		const char *name;
		int error;
	} quotas[] = {
		{ "user_msgs", EDQUOT }, { "user_bytes", EDQUOT },
		{ "ns_msgs", ENOSPC }, { "ns_bytes", ENOSPC },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quotas); i++) {
		ASSERT_EQ(0, set_tunable(quotas[i].name, 0));
		EXPECT_EQ(quotas[i].error, try_call(self, self->how)) {
			TH_LOG("%s", quotas[i].name);
		}
		reset_tunables();
		expect_unchanged(_metadata, self);
	}
	expect_end(_metadata, self);
}

/* The token stays, and the reply can be given when there is room for it. */
/* One who takes what fits may be given so much. */
TEST_F(refusal, is_of_replies_longer_than_both_the_limit_and_the_largest_message)
{
	static const struct {
		uint32_t limit, most;
	} limits[] = {
		{ SIZE / 2, SIZE }, { SIZE + 7, SIZE + 7 },
	};
	struct stage *stage = &self->stage;
	struct puppet *caller = self->second;
	struct mbox_reply how = { .buf = (uintptr_t)large };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		begin_call_as(caller, (struct mbox_call){ .flags = MBOX_CALL_TRUNCATE,
							  .id = stage->id }, "request");
		how.token = take(stage->server, stage->id);
		ASSERT_EQ(0, set_tunable("max_size", limits[i].limit));
		how.len = limits[i].most + 1;
		EXPECT_EQ(EMSGSIZE, call_by(stage->server, MBOX_IOC_REPLY, &how));
		how.len = limits[i].most;
		EXPECT_EQ(0, call_by(stage->server, MBOX_IOC_REPLY, &how));
		EXPECT_EQ(0, end_request(caller));
		EXPECT_EQ(limits[i].most, called(caller)->reply_len);
	}
	reset_tunables();
	expect_end(_metadata, self);
}

TEST_F(refusal, is_of_replies_beyond_a_quota)
{
	struct stage *stage = &self->stage;
	struct mbox_usage before = usage_of(stage->fd, OWNER);
	struct mbox_reply how = {
		.token = self->token, .buf = (uintptr_t)large, .len = LARGE,
	};

	memcpy(stage->caller->arg, &stage->id, sizeof(stage->id));
	ASSERT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	memcpy(stage->caller->arg, &stage->id, sizeof(stage->id));
	begin_act(stage->caller, call_for_much);
	how.token = take(stage->server, stage->id);
	ASSERT_EQ(0, set_tunable("user_bytes", before.user_bytes + 1000));
	EXPECT_EQ(EDQUOT, call_by(stage->server, MBOX_IOC_REPLY, &how));
	EXPECT_EQ(0, ask_about(stage->server, how.token));
	reset_tunables();
	ASSERT_EQ(0, set_tunable("ns_bytes", before.ns_bytes + 1000));
	EXPECT_EQ(ENOSPC, call_by(stage->server, MBOX_IOC_REPLY, &how));
	EXPECT_EQ(0, ask_about(stage->server, how.token));
	reset_tunables();
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, call_by(stage->server, MBOX_IOC_REPLY, &how));
	EXPECT_EQ(0, end_act(stage->caller));
	EXPECT_EQ(before.user_bytes, usage_of(stage->fd, OWNER).user_bytes);
	EXPECT_EQ(0, usage_of(stage->fd, OWNER).user_msgs);
}

TEST_HARNESS_MAIN
