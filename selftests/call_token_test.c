// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tokens of calls: whose they are, how they are used up, handed on and lost, and what
 * they do not keep.
 */
#include "kselftest_harness.h"
#include "call_stage.h"
#include "module.h"

/*
 * Tokens: whose they are, and what becomes of them.
 */
FIXTURE(token) {
	struct stage stage;
	uint64_t token;
};

FIXTURE_SETUP(token)
{
	set_stage(&self->stage, service(4));
	self->token = hold_request(&self->stage, "request");
}

FIXTURE_TEARDOWN(token)
{
	clear_stage(&self->stage);
}

/* Every use of it; the errno that all of them say, or -1. */
static int said_of(struct puppet *puppet, uint64_t token)
{
	int error = ask_about(puppet, token);

	if (reply_by(puppet, token, "x") != error || discard_by(puppet, token) != error ||
	    pass_by(puppet, token, puppet->pid) != error)
		return -1;
	return error;
}

TEST_F(token, is_used_once)
{
	struct stage *stage = &self->stage;

	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	/* Nor does it come back with another request. */
	EXPECT_NE(self->token, hold_request(stage, "second"));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	EXPECT_FALSE(is_done(stage->caller));
}

TEST_F(token, is_used_up_by_a_discard)
{
	struct stage *stage = &self->stage;

	EXPECT_EQ(0, discard_by(stage->server, self->token));
	EXPECT_EQ(ECANCELED, end_request(stage->caller));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	expect_quiet(_metadata, stage);
	expect_service(_metadata, stage, stage->caller, stage->server);
}

TEST_F(token, is_used_up_by_a_discard_that_comes_too_late)
{
	struct stage *stage = &self->stage;

	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	EXPECT_EQ(ECANCELED, ask_about(stage->server, self->token));
	EXPECT_EQ(ECANCELED, discard_by(stage->server, self->token));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
}

TEST_F(token, belongs_to_no_other_process)
{
	struct stage *stage = &self->stage;
	struct puppet *root = new_puppet(stage->fd, 0, 0);
	struct puppet *other = another_caller(stage);

	EXPECT_EQ(EBADR, said_of(stage->worker, self->token));
	EXPECT_EQ(EBADR, said_of(root, self->token));
	EXPECT_EQ(EBADR, said_of(other, self->token));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, is_none_that_was_not_given)
{
	const uint64_t none[] = {
		0, self->token + 1, self->token - 1, self->token ^ 1ULL << 32,
		self->token ^ 1ULL << 63, NO_TOKEN, ~0ULL,
	};
	struct stage *stage = &self->stage;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		EXPECT_EQ(EBADR, said_of(stage->server, none[i])) {
			TH_LOG("number %u", i);
		}
	}
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_FALSE(is_done(stage->caller));
}

TEST_F(token, is_for_every_thread_of_the_process)
{
	struct stage *stage = &self->stage;
	struct puppet *thread = new_thread(stage->server);

	EXPECT_EQ(0, ask_about(thread, self->token));
	EXPECT_EQ(0, reply_by(thread, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(stage->server->pid, called(stage->caller)->pid);
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
}

static int use_in_a_child(struct puppet *me)
{
	struct mbox_token query = { };
	struct mbox_reply reply = { };
	pid_t child = spawn();

	if (!child) {
		memcpy(&query.token, me->arg, sizeof(query.token));
		reply.token = query.token;
		if (call(me->fd, MBOX_IOC_TOKEN, &query) != EBADR)
			_exit(1);
		_exit(call(me->fd, MBOX_IOC_REPLY, &reply));
	}
	return join(child);
}

TEST_F(token, is_not_for_a_forked_child)
{
	struct stage *stage = &self->stage;

	memcpy(stage->server->arg, &self->token, sizeof(self->token));
	EXPECT_EQ(EBADR, ask(stage->server, use_in_a_child));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, is_kept_over_exec)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, ask(stage->server, do_exec));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, is_kept_over_exec_by_another_thread)
{
	struct stage *stage = &self->stage;
	struct puppet *thread = new_thread(stage->server);

	ASSERT_EQ(0, ask(thread, do_exec));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(thread, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

/* In which ids of mailboxes mean nothing. */
static int enter_other_namespaces(struct puppet *me)
{
	enter_user_namespace(me);
	return leave_network_namespace(me);
}

TEST_F(token, is_kept_in_other_namespaces)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, ask(stage->server, enter_other_namespaces));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

/* Closing descriptors does nothing, to mailboxes and to calls. */
static int close_descriptor(struct puppet *me)
{
	NEED(!close(me->fd));
	me->fd = device(O_RDWR);
	return 0;
}

TEST_F(token, does_not_hang_on_a_descriptor)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, ask(stage->server, close_descriptor));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, handed_on_is_the_other_process_s)
{
	struct stage *stage = &self->stage;
	struct puppet *thread = new_thread(stage->worker);

	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, ask_about(stage->worker, self->token));
	EXPECT_EQ(0, reply_by(thread, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(stage->worker->pid, called(stage->caller)->pid);
	EXPECT_EQ(clock_of(stage->worker).participant, called(stage->caller)->sender);
	EXPECT_EQ(EBADR, said_of(stage->worker, self->token));
	expect_quiet(_metadata, stage);
}

/* What happened before has the smaller stamp, whichever way the request has gone. */
TEST_F(token, handed_on_takes_the_clock_along)
{
	struct stage *stage = &self->stage;
	struct mbox_clock tick = { .flags = MBOX_CLOCK_TICK };
	uint64_t requested;
	int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, call_by(stage->server, MBOX_IOC_CLOCK, &tick));
	requested = clock_of(stage->server).stamp;
	ASSERT_GT(requested, clock_of(stage->worker).stamp);
	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	EXPECT_EQ(0, reply_by(stage->worker, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_LT(requested, called(stage->caller)->stamp);
	EXPECT_LT(called(stage->caller)->stamp, called(stage->caller)->clock);
}

static int pass_by_pidfd(struct puppet *me)
{
	struct mbox_token how = { .flags = MBOX_TOKEN_PASS | MBOX_TOKEN_PIDFD };
	pid_t pid;
	int error;

	memcpy(&how.token, me->arg, sizeof(how.token));
	memcpy(&pid, me->arg + sizeof(how.token), sizeof(pid));
	how.pid = open_pidfd(pid);
	error = call(me->fd, MBOX_IOC_TOKEN, &how);
	close(how.pid);
	return error;
}

TEST_F(token, is_handed_on_by_pidfd)
{
	struct stage *stage = &self->stage;

	memcpy(stage->server->arg, &self->token, sizeof(self->token));
	memcpy(stage->server->arg + sizeof(self->token), &stage->worker->pid, sizeof(pid_t));
	ASSERT_EQ(0, ask(stage->server, pass_by_pidfd));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->worker, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, is_handed_on_and_back_and_to_oneself)
{
	struct stage *stage = &self->stage;

	EXPECT_EQ(0, pass_by(stage->server, self->token, stage->server->pid));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	EXPECT_EQ(0, pass_by(stage->worker, self->token, stage->server->pid));
	EXPECT_EQ(EBADR, said_of(stage->worker, self->token));
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, is_handed_on_only_to_whom_the_holder_may_signal)
{
	struct stage *stage = &self->stage;
	struct puppet *stranger = another_caller(stage);
	struct mbox_token how = {
		.flags = MBOX_TOKEN_PASS | MBOX_TOKEN_PIDFD, .token = self->token,
	};

	EXPECT_EQ(EPERM, pass_by(stage->server, self->token, stranger->pid));
	EXPECT_EQ(EPERM, pass_by(stage->server, self->token, stage->caller->pid));
	EXPECT_EQ(EPERM, pass_by(stage->server, self->token, getpid()));
	memcpy(stage->server->arg, &self->token, sizeof(self->token));
	memcpy(stage->server->arg + sizeof(self->token), &stranger->pid, sizeof(pid_t));
	EXPECT_EQ(EPERM, ask(stage->server, pass_by_pidfd));
	/* It knows of no descriptor but those that it inherited. */
	how.pid = 12345;
	EXPECT_EQ(EBADF, call_by(stage->server, MBOX_IOC_TOKEN, &how));
	how.pid = stage->fd;
	EXPECT_EQ(EBADF, call_by(stage->server, MBOX_IOC_TOKEN, &how));
	EXPECT_EQ(EBADR, ask_about(stranger, self->token));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, is_not_handed_on_to_nobody)
{
	struct stage *stage = &self->stage;
	pid_t zombie = spawn();

	if (!zombie)
		_exit(0);
	NEED(!waitid(P_PID, zombie, NULL, WEXITED | WNOWAIT));
	EXPECT_EQ(ESRCH, pass_by(stage->server, self->token, zombie));
	ASSERT_EQ(0, join(zombie));
	EXPECT_EQ(ESRCH, pass_by(stage->server, self->token, zombie));
	EXPECT_EQ(ESRCH, pass_by(stage->server, self->token, 0));
	EXPECT_EQ(EINVAL, pass_by(stage->server, self->token, -1));
	EXPECT_EQ(EINVAL, pass_by(stage->server, self->token, -stage->worker->pid));
	EXPECT_EQ(ESRCH, pass_by(stage->server, self->token, INT_MAX));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

/* As a thread's number is no process's. */
TEST_F(token, is_handed_on_to_the_process_of_a_thread_or_to_nobody)
{
	struct stage *stage = &self->stage;
	struct puppet *thread = new_thread(stage->worker);
	int error = pass_by(stage->server, self->token, thread->tid);

	EXPECT_TRUE(error == 0 || error == ESRCH);
	EXPECT_EQ(error ? 0 : EBADR, ask_about(stage->server, self->token));
	EXPECT_EQ(error ? EBADR : 0, ask_about(thread, self->token));
	EXPECT_EQ(0, reply_by(error ? stage->server : thread, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(token, of_a_caller_that_is_gone_is_of_no_use_to_others)
{
	struct stage *stage = &self->stage;
	struct puppet *holder = stage->server;
	int error;

	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	EXPECT_EQ(0, seen(stage).requests);
	error = pass_by(stage->server, self->token, stage->worker->pid);
	EXPECT_TRUE(error == 0 || error == ECANCELED);
	if (!error)
		holder = stage->worker;
	EXPECT_EQ(EBADR, ask_about(error ? stage->worker : stage->server, self->token));
	expect_caller_gone(_metadata, holder, self->token);
}

TEST_F(token, that_was_handed_on_ends_with_the_process_that_has_it)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->worker));
	EXPECT_EQ(EOWNERDEAD, end_request(stage->caller));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	expect_service(_metadata, stage, stage->caller, stage->server);
}

TEST_F(token, that_was_handed_on_does_not_end_with_the_process_that_had_it)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->server));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(0, ask_about(stage->worker, self->token));
	EXPECT_EQ(0, reply_by(stage->worker, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	expect_service(_metadata, stage, stage->caller, stage->worker);
}

TEST_F(token, that_was_handed_on_ends_with_the_mailbox)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	ASSERT_EQ(0, delete_by(stage->server, stage->id));
	EXPECT_EQ(EIDRM, end_request(stage->caller));
	EXPECT_EQ(EBADR, said_of(stage->server, self->token));
	expect_caller_gone(_metadata, stage->worker, self->token);
}

/* Every call that a process has is told of its end. */
TEST_F(token, is_one_of_many_that_end_together)
{
	struct stage *stage = &self->stage;
	struct puppet *callers[MANY];
	uint64_t tokens[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		callers[i] = another_caller(stage);
		begin_request(callers[i], stage->id, "one of many");
		tokens[i] = take(stage->server, stage->id);
	}
	ASSERT_EQ(0, pass_by(stage->server, tokens[3], stage->worker->pid));
	ASSERT_EQ(0, reply_by(stage->server, tokens[5], "reply"));
	ASSERT_EQ(0, discard_by(stage->server, tokens[7]));
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->server));
	EXPECT_EQ(EOWNERDEAD, end_request(stage->caller));
	for (i = 0; i < MANY; i++) {
		if (i == 3)
			continue;
		EXPECT_EQ(i == 5 ? 0 : i == 7 ? ECANCELED : EOWNERDEAD, end_request(callers[i]));
	}
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(0, reply_by(stage->worker, tokens[3], "reply"));
	expect_reply(_metadata, callers[3], "reply");
	expect_quiet(_metadata, stage);
}

/* The caller's user pays for the request while the call lasts, and for no token. */
TEST_F(token, that_nobody_uses_is_paid_for_by_the_caller_until_it_is_used)
{
	struct stage *stage = &self->stage;

	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	EXPECT_EQ(ECANCELED, ask_about(stage->server, self->token));
	EXPECT_FALSE(pays_nothing(stage->fd, STRANGER));
	EXPECT_EQ(ECANCELED, discard_by(stage->server, self->token));
	EXPECT_TRUE(pays_nothing(stage->fd, STRANGER));
}

/*
 * The right to receive, which the holder must have as long as it has the token by it.
 */
FIXTURE(right) {
	struct stage stage;
	struct puppet *root, *other;
	uint64_t token;
};

FIXTURE_SETUP(right)
{
	set_stage(&self->stage, service(4));
	self->root = new_puppet(self->stage.fd, 0, 0);
	self->other = another_caller(&self->stage);
	/* The worker receives by mode, the other by grant, the server as the owner. */
	ASSERT_EQ(0, grant_by(self->stage.server, self->stage.id, self->other->pid,
			      MBOX_RIGHT_RECV));
}

FIXTURE_TEARDOWN(right)
{
	clear_stage(&self->stage);
}

static void hold_by(FIXTURE_DATA(right) *self, struct puppet *holder)
{
	begin_request(self->stage.caller, self->stage.id, "request");
	self->token = take(holder, self->stage.id);
}

static void expect_rejected(struct __test_metadata *_metadata, FIXTURE_DATA(right) *self,
			    struct puppet *holder)
{
	EXPECT_EQ(EKEYREJECTED, end_request(self->stage.caller));
	expect_quiet(_metadata, &self->stage);
	expect_caller_gone(_metadata, holder, self->token);
}

static void expect_kept(struct __test_metadata *_metadata, FIXTURE_DATA(right) *self,
			struct puppet *holder)
{
	EXPECT_FALSE(is_done(self->stage.caller));
	EXPECT_EQ(1, seen(&self->stage).requests);
	EXPECT_EQ(0, ask_about(holder, self->token));
	EXPECT_EQ(0, reply_by(holder, self->token, "reply"));
	expect_reply(_metadata, self->stage.caller, "reply");
	expect_quiet(_metadata, &self->stage);
}

TEST_F(right, of_the_owner_goes_with_the_ownership)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	hold_by(self, stage->server);
	ASSERT_EQ(0, transfer_by(stage->server, stage->id, stage->worker->pid, 0));
	expect_rejected(_metadata, self, stage->server);
	expect_service(_metadata, stage, stage->caller, stage->worker);
}

TEST_F(right, of_the_owner_stays_with_a_transfer_that_keeps_it)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	hold_by(self, stage->server);
	ASSERT_EQ(0, transfer_by(stage->server, stage->id, stage->worker->pid,
				 MBOX_TRANSFER_KEEP));
	expect_kept(_metadata, self, stage->server);
	hold_by(self, stage->server);
	ASSERT_EQ(0, revoke_by(stage->worker, stage->id, stage->server->pid, MBOX_RIGHT_RECV));
	expect_rejected(_metadata, self, stage->server);
}

TEST_F(right, of_the_owner_stays_with_one_that_has_it_by_mode)
{
	hold_by(self, self->stage.server);
	ASSERT_EQ(0, transfer_by(self->stage.server, self->stage.id, self->stage.worker->pid, 0));
	expect_kept(_metadata, self, self->stage.server);
}

TEST_F(right, of_the_owner_stays_while_the_mode_changes)
{
	hold_by(self, self->stage.server);
	ASSERT_EQ(0, chmod_by(self->stage.server, self->stage.id, 0));
	expect_kept(_metadata, self, self->stage.server);
}

TEST_F(right, of_the_owner_goes_when_an_offer_is_accepted)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	hold_by(self, stage->server);
	ASSERT_EQ(0, offer_by(stage->server, stage->id, stage->worker->pid, 0));
	EXPECT_FALSE(is_done(stage->caller));
	ASSERT_EQ(0, accept_by(stage->worker, stage->id));
	expect_rejected(_metadata, self, stage->server);
}

TEST_F(right, of_the_owner_that_ends_is_no_matter_of_others)
{
	struct stage *stage = &self->stage;

	hold_by(self, self->other);
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->server));
	WAIT_UNTIL(seen(stage).state & MBOX_STATE_ORPHAN);
	EXPECT_FALSE(is_done(stage->caller));
	ASSERT_EQ(0, claim_by(stage->worker, stage->id));
	expect_kept(_metadata, self, self->other);
}

TEST_F(right, by_grant_goes_when_that_is_revoked)
{
	struct stage *stage = &self->stage;

	hold_by(self, self->other);
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_RECV));
	expect_rejected(_metadata, self, self->other);
	EXPECT_EQ(EACCES, try_take(self->other, stage->id));
}

TEST_F(right, by_grant_stays_when_something_else_is_revoked)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, grant_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_SEND));
	ASSERT_EQ(0, grant_by(stage->server, stage->id, self->root->pid, MBOX_RIGHT_RECV));
	hold_by(self, self->other);
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_SEND));
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->root->pid, MBOX_RIGHT_RECV));
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0));
	expect_kept(_metadata, self, self->other);
}

TEST_F(right, by_grant_stays_when_the_mode_gives_it_too)
{
	struct stage *stage = &self->stage;

	hold_by(self, self->other);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0626));
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_RECV));
	expect_kept(_metadata, self, self->other);
	hold_by(self, self->other);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0622));
	expect_rejected(_metadata, self, self->other);
}

TEST_F(right, by_mode_goes_when_that_changes)
{
	struct stage *stage = &self->stage;

	hold_by(self, stage->worker);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	expect_rejected(_metadata, self, stage->worker);
}

TEST_F(right, by_mode_goes_when_the_user_changes)
{
	struct stage *stage = &self->stage;

	hold_by(self, stage->worker);
	ASSERT_EQ(0, chown_by(self->root, stage->id, STRANGER, STRANGER));
	expect_rejected(_metadata, self, stage->worker);
}

TEST_F(right, by_mode_stays_when_a_grant_gives_it_too)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, grant_by(stage->server, stage->id, stage->worker->pid, MBOX_RIGHT_RECV));
	hold_by(self, stage->worker);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	expect_kept(_metadata, self, stage->worker);
}

TEST_F(right, of_the_privileged_stays)
{
	struct stage *stage = &self->stage;

	hold_by(self, self->root);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0));
	ASSERT_EQ(0, transfer_by(stage->server, stage->id, stage->worker->pid, 0));
	expect_kept(_metadata, self, self->root);
}

/* Only the one call that it got by it. */
TEST_F(right, that_is_lost_ends_no_calls_of_others)
{
	struct stage *stage = &self->stage;
	struct puppet *second = another_caller(stage), *third = another_caller(stage);
	uint64_t token;

	begin_request(second, stage->id, "second");
	token = take(stage->worker, stage->id);
	hold_by(self, self->other);
	begin_request(third, stage->id, "third");
	wait_until_queued(stage, 1);
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(EKEYREJECTED, end_request(stage->caller));
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(0, reply_by(stage->worker, token, "reply"));
	expect_reply(_metadata, second, "reply");
	token = take(stage->worker, stage->id);
	EXPECT_EQ(0, reply_by(stage->worker, token, "reply"));
	expect_reply(_metadata, third, "reply");
	expect_caller_gone(_metadata, self->other, self->token);
}

TEST_F(right, of_one_mailbox_is_not_that_of_another)
{
	struct stage *stage = &self->stage;
	uint64_t id = create_by(stage->server, service(1)), token;
	struct puppet *second = another_caller(stage);

	ASSERT_EQ(0, grant_by(stage->server, id, self->other->pid, MBOX_RIGHT_RECV));
	hold_by(self, self->other);
	begin_request(second, id, "second");
	token = take(self->other, id);
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(EKEYREJECTED, end_request(stage->caller));
	expect_caller_gone(_metadata, self->other, self->token);
	EXPECT_EQ(1, state(stage->fd, id).requests);
	EXPECT_EQ(0, reply_by(self->other, token, "reply"));
	expect_reply(_metadata, second, "reply");
}

TEST_F(right, is_not_needed_by_whom_the_token_was_handed)
{
	struct stage *stage = &self->stage;
	struct puppet *helper = new_puppet(stage->fd, STRANGER, STRANGER);

	/* It never had the right. */
	hold_by(self, self->other);
	ASSERT_EQ(0, pass_by(self->other, self->token, helper->pid));
	EXPECT_EQ(EACCES, try_take(helper, stage->id));
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, self->other->pid, MBOX_RIGHT_RECV));
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0));
	expect_kept(_metadata, self, helper);
}

TEST_F(right, is_not_needed_by_whom_the_token_was_handed_and_lost_it)
{
	struct stage *stage = &self->stage;

	hold_by(self, stage->server);
	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	EXPECT_EQ(EACCES, try_take(stage->worker, stage->id));
	expect_kept(_metadata, self, stage->worker);
}

TEST_F(right, of_the_next_owner_has_nothing_to_do_with_what_was_handed_on)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	hold_by(self, stage->server);
	ASSERT_EQ(0, pass_by(stage->server, self->token, stage->worker->pid));
	ASSERT_EQ(0, transfer_by(stage->server, stage->id, stage->worker->pid, 0));
	ASSERT_EQ(0, transfer_by(stage->worker, stage->id, stage->server->pid, 0));
	expect_kept(_metadata, self, stage->worker);
}

#ifndef BOUND	/* that keeps descriptors open */
/*
 * The module, which calls keep no longer than mailboxes and descriptors do.
 */
FIXTURE(module) {
	uint32_t *step;		/* shared */
	uint64_t *token;
	int *error;
};

FIXTURE_SETUP(module)
{
	begin_accounts();
	await_module();
	self->step = shared(PAGE);
	self->token = (uint64_t *)(self->step + 2);
	self->error = (int *)(self->step + 6);
}

FIXTURE_TEARDOWN(module)
{
	restore_module();
}

static pid_t spawn_calling(uint64_t id, int *error)
{
	pid_t child = spawn();

	if (!child) {
		*error = call(device(O_RDWR), MBOX_IOC_CALL, &(struct mbox_call){ .id = id });
		_exit(0);
	}
	return child;
}

TEST_F(module, stays_while_a_call_is_out_and_goes_though_its_token_is_still_there)
{
	pid_t server, caller;
	uint64_t id;
	int fd;

	SKIP_IF_MISSING();
	fd = device(O_RDWR);
	id = create(fd, attributes(1, SIZE));
	server = spawn();
	if (!server) {
		struct mbox_recv how = takes(id);

		NEED(!call(fd, MBOX_IOC_RECV, &how) && how.token);
		close(fd);
		tell(self->step, 1);
		pause();
	}
	caller = spawn_calling(id, self->error);
	WAIT_UNTIL(told(self->step) == 1);
	close(fd);
	EXPECT_EQ(EWOULDBLOCK, unload());
	end(caller);
	/* A token is left, and a mailbox. */
	EXPECT_EQ(EWOULDBLOCK, unload());
	sweep();
	EXPECT_EQ(0, users_of_module());
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load());
	end(server);
}

TEST_F(module, goes_when_the_caller_was_told_of_the_end_of_the_mailbox)
{
	pid_t server, caller;
	uint64_t id;
	int fd;

	SKIP_IF_MISSING();
	fd = device(O_RDWR);
	id = create(fd, attributes(1, SIZE));
	caller = spawn_calling(id, self->error);
	server = spawn();
	if (!server) {
		struct mbox_recv how = takes(id);

		NEED(!call(fd, MBOX_IOC_RECV, &how) && how.token);
		close(fd);
		tell(self->step, 1);
		WAIT_UNTIL(told(self->step) == 2);
		/* It is another module now, which has given no token. */
		fd = device(O_RDWR);
		_exit(call(fd, MBOX_IOC_TOKEN, &(struct mbox_token){ .token = how.token }));
	}
	WAIT_UNTIL(told(self->step) == 1);
	EXPECT_EQ(0, delete(fd, id));
	close(fd);
	EXPECT_EQ(0, join(caller));
	EXPECT_EQ(EIDRM, *self->error);
	EXPECT_EQ(0, users_of_module());
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load());
	tell(self->step, 2);
	EXPECT_EQ(EBADR, join(server));
}
#endif

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	return test_harness_run(argc, argv);
}
