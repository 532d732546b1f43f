// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls by way of every kind of mailbox and every way to receive; receives that reply
 * first; and files that go with requests and replies.
 */
#include "kselftest_harness.h"
#include "call_stage.h"

/*
 * Reply, and receive the next: MBOX_RECV_REPLY.
 */
FIXTURE(reply_and_receive) {
	struct stage stage;
	struct puppet *second;
	struct mbox_reply *reply;	/* shared with the server, at the same address */
	char *text;
	uint64_t token;
};

FIXTURE_VARIANT(reply_and_receive) {
	uint32_t msgs;
};

FIXTURE_VARIANT_ADD(reply_and_receive, with_room) {
	.msgs = 4,
};

FIXTURE_VARIANT_ADD(reply_and_receive, at_a_rendezvous) {
	.msgs = 0,
};

FIXTURE_SETUP(reply_and_receive)
{
	self->reply = shared(PAGE);
	self->text = (char *)(self->reply + 1);
	set_stage(&self->stage, service(variant->msgs));
	self->second = another_caller(&self->stage);
	self->token = hold_request(&self->stage, "first");
}

FIXTURE_TEARDOWN(reply_and_receive)
{
	clear_stage(&self->stage);
}

/* The receive, and the reply that goes before it. */
static struct mbox_recv both(FIXTURE_DATA(reply_and_receive) *self, uint64_t token,
			     const char *text)
{
	struct mbox_recv how = takes(self->stage.id);

	strcpy(self->text, text);
	*self->reply = (struct mbox_reply){
		.token = token,
		.buf = (uintptr_t)self->text,
		.len = strlen(text),
		.tag = 77,
	};
	memset(&self->reply->result, POISON, sizeof(self->reply->result));
	how.flags |= MBOX_RECV_REPLY;
	how.reply = (uintptr_t)self->reply;
	return how;
}

static void queue_second(FIXTURE_DATA(reply_and_receive) *self)
{
	begin_request(self->second, self->stage.id, "second");
	wait_for_senders(self->stage.fd, self->stage.id, 1);
}

/* The server has the second request now. */
static void expect_second(struct __test_metadata *_metadata,
			  FIXTURE_DATA(reply_and_receive) *self)
{
	struct puppet *server = self->stage.server;

	EXPECT_STREQ("second", server->text);
	EXPECT_EQ(MBOX_GOT_REQUEST, server->recv.got);
	EXPECT_EQ(1, seen(&self->stage).requests);
	EXPECT_EQ(0, reply_by(server, server->recv.token, "reply two"));
	expect_reply(_metadata, self->second, "reply two");
	EXPECT_EQ(EBADR, ask_about(server, self->token));
	expect_quiet(_metadata, &self->stage);
}

TEST_F(reply_and_receive, does_both_when_a_request_is_there)
{
	struct puppet *server = self->stage.server;

	queue_second(self);
	EXPECT_EQ(0, recv_by(server, both(self, self->token, "reply one")));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_reply(_metadata, self->stage.caller, "reply one");
	EXPECT_EQ(77, called(self->stage.caller)->reply_tag);
	EXPECT_EQ(server->pid, called(self->stage.caller)->pid);
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, replies_before_it_waits)
{
	struct stage *stage = &self->stage;

	begin_recv(stage->server, both(self, self->token, "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
	wait_for_receivers(stage->fd, stage->id, 1);
	EXPECT_EQ(0, seen(stage).requests);
	EXPECT_FALSE(is_done(stage->server));
	begin_request(self->second, stage->id, "second");
	ASSERT_EQ(0, end_act(stage->server));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, tells_that_the_caller_has_gone_and_receives_all_the_same)
{
	struct stage *stage = &self->stage;

	signal_and_wait(stage->caller);
	ASSERT_EQ(EINTR, end_request(stage->caller));
	queue_second(self);
	EXPECT_EQ(0, recv_by(stage->server, both(self, self->token, "reply one")));
	EXPECT_EQ(-ECANCELED, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, tells_that_the_caller_has_gone_though_nothing_is_there)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = both(self, self->token, "reply one");

	signal_and_wait(stage->caller);
	ASSERT_EQ(EINTR, end_request(stage->caller));
	how.flags |= MBOX_RECV_NONBLOCK;
	EXPECT_EQ(EAGAIN, recv_by(stage->server, how));
	EXPECT_EQ(-ECANCELED, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	EXPECT_EQ(EBADR, ask_about(stage->server, self->token));
}

TEST_F(reply_and_receive, discards)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = both(self, self->token, "");

	queue_second(self);
	*self->reply = (struct mbox_reply){
		.flags = MBOX_REPLY_DISCARD, .token = self->token,
	};
	EXPECT_EQ(0, recv_by(stage->server, how));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	EXPECT_EQ(ECANCELED, end_request(stage->caller));
	expect_second(_metadata, self);
}

/* After it nothing is received, and nobody was replied to. */
static void expect_failure(struct __test_metadata *_metadata,
			   FIXTURE_DATA(reply_and_receive) *self, struct mbox_recv how, int error)
{
	struct stage *stage = &self->stage;
	uint64_t received = seen(stage).received;

	EXPECT_EQ(error, recv_by(stage->server, how));
	EXPECT_EQ(received, seen(stage).received);
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_FALSE(is_done(self->second));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, ask_about(stage->server, self->token));
}

TEST_F(reply_and_receive, receives_nothing_if_the_reply_fails)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how;

	stage->worker = another_caller(stage);
	queue_second(self);
	how = both(self, NO_TOKEN, "reply one");
	expect_failure(_metadata, self, how, EBADR);
	EXPECT_EQ(0, self->reply->done);

	how = both(self, self->token, "reply one");
	self->reply->len = REPLY_SIZE + 1;
	expect_failure(_metadata, self, how, EMSGSIZE);
	EXPECT_EQ(0, self->reply->done);

	how = both(self, self->token, "reply one");
	self->reply->buf = 8;
	expect_failure(_metadata, self, how, EFAULT);
	EXPECT_EQ(0, self->reply->done);

	how = both(self, self->token, "reply one");
	how.reply = 8;
	expect_failure(_metadata, self, how, EFAULT);

	how = both(self, self->token, "reply one");
	self->reply->flags = 1ULL << 40;
	expect_failure(_metadata, self, how, EINVAL);
	EXPECT_EQ(0, self->reply->done);

	how = both(self, self->token, "reply one");
	self->reply->reserved = 1;
	expect_failure(_metadata, self, how, EINVAL);

	how = both(self, self->token, "reply one");
	self->reply->flags = MBOX_REPLY_DISCARD;
	expect_failure(_metadata, self, how, EINVAL);

	how = both(self, self->token, "reply one");
	self->reply->nr_files = MBOX_FILES_MAX + 1;
	expect_failure(_metadata, self, how, EINVAL);

	how = both(self, self->token, "reply one");
	self->reply->done = 2;
	expect_failure(_metadata, self, how, EINVAL);

	how = both(self, self->token, "reply one");
	how.flags |= MBOX_RECV_PEEK;
	how.flags &= ~MBOX_RECV_TOKEN;
	expect_failure(_metadata, self, how, EINVAL);

	EXPECT_EQ(0, recv_by(stage->server, both(self, self->token, "reply one")));
	expect_reply(_metadata, stage->caller, "reply one");
	expect_second(_metadata, self);
}

static int deny_writing(struct puppet *me)
{
	return error_of(mprotect((void *)(uintptr_t)me->recv.reply, PAGE, PROT_READ));
}

static int allow_writing(struct puppet *me)
{
	return error_of(mprotect((void *)(uintptr_t)me->recv.reply, PAGE, PROT_READ | PROT_WRITE));
}

TEST_F(reply_and_receive, replies_only_if_that_can_be_told)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = both(self, self->token, "reply one");
	int result = self->reply->result;

	queue_second(self);
	stage->server->recv = how;
	ASSERT_EQ(0, ask(stage->server, deny_writing));
	expect_failure(_metadata, self, how, EFAULT);
	EXPECT_EQ(result, self->reply->result);
	EXPECT_EQ(0, self->reply->done);
	ASSERT_EQ(0, ask(stage->server, allow_writing));
	EXPECT_EQ(0, recv_by(stage->server, how));
	expect_reply(_metadata, stage->caller, "reply one");
	expect_second(_metadata, self);
}

/* Its bytes stall; when they have been read, there is no more writing. */
static int reply_and_lose_the_right_to_write(struct puppet *me)
{
	struct mbox_reply *reply = (struct mbox_reply *)(uintptr_t)me->recv.reply;
	struct task task = { .fd = me->fd, .command = MBOX_IOC_RECV, .recv = me->recv };
	struct stall stall = new_stall();

	reply->buf = (uintptr_t)stall.page;
	start_task(&task);
	wait_for_stall(&stall);
	NEED(!deny_writing(me));
	release_stall(&stall);
	NEED(!pthread_join(task.thread, NULL));
	NEED(!allow_writing(me));
	return task.error;
}

/* The test itself replies, for to stall takes privileges. */
TEST_F(reply_and_receive, receives_nothing_if_that_it_has_replied_cannot_be_told)
{
	struct stage *stage = &self->stage;
	struct puppet *me = myself(stage->fd), *third = another_caller(stage);
	uint64_t received, token;

	begin_request(self->second, stage->id, "second");
	token = take(me, stage->id);
	begin_request(third, stage->id, "third");
	wait_for_senders(stage->fd, stage->id, 1);
	received = seen(stage).received;
	me->recv = both(self, token, "reply two");
	EXPECT_EQ(EFAULT, reply_and_lose_the_right_to_write(me));
	EXPECT_EQ(0, self->reply->done);
	EXPECT_EQ(0, end_request(self->second));
	EXPECT_EQ(strlen("reply two"), called(self->second)->reply_len);
	EXPECT_EQ(received, seen(stage).received);
	EXPECT_FALSE(is_done(third));
	EXPECT_EQ(EBADR, recv_by(me, both(self, token, "reply two")));
	self->reply->done = 1;
	ASSERT_EQ(0, recv_by(me, me->recv));
	EXPECT_STREQ("third", me->text);
	EXPECT_EQ(0, reply_by(me, me->recv.token, "reply three"));
	expect_reply(_metadata, third, "reply three");
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
	expect_quiet(_metadata, stage);
}

TEST_F(reply_and_receive, that_has_replied_can_be_repeated_after_any_error)
{
	struct stage *stage = &self->stage;
	struct puppet *server = stage->server;
	struct mbox_recv how = both(self, self->token, "reply one");

	how.flags |= MBOX_RECV_NONBLOCK;
	EXPECT_EQ(EAGAIN, recv_by(server, how));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_reply(_metadata, stage->caller, "reply one");

	EXPECT_EQ(EAGAIN, recv_by(server, how));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);

	how.flags = MBOX_RECV_TOKEN | MBOX_RECV_REPLY | MBOX_RECV_TIMEOUT;
	how.deadline = soon();
	EXPECT_EQ(ETIMEDOUT, recv_by(server, how));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);

	queue_second(self);
	how.flags = MBOX_RECV_TOKEN | MBOX_RECV_REPLY;
	how.buf = (uintptr_t)server->text;
	how.size = 3;
	EXPECT_EQ(EMSGSIZE, call_by(server, MBOX_IOC_RECV, &how));
	EXPECT_EQ(6, how.len);
	EXPECT_EQ(1, self->reply->done);
	EXPECT_EQ(0, recv_by(server, how));
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, replies_though_the_receive_then_fails)
{
	struct stage *stage = &self->stage;
	struct puppet *server = stage->server;
	struct mbox_recv how = both(self, self->token, "reply one");

	queue_second(self);
	how.buf = (uintptr_t)server->text;
	how.size = 3;
	EXPECT_EQ(EMSGSIZE, call_by(server, MBOX_IOC_RECV, &how));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_reply(_metadata, stage->caller, "reply one");
	EXPECT_EQ(0, seen(stage).requests);
	how.size = SIZE;
	EXPECT_EQ(0, recv_by(server, how));
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, that_was_interrupted_is_repeated_without_a_second_reply)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = both(self, self->token, "reply one");

	begin_recv(stage->server, how);
	expect_reply(_metadata, stage->caller, "reply one");
	wait_for_receivers(stage->fd, stage->id, 1);
	signal_and_wait(stage->server);
	EXPECT_EQ(EINTR, end_act(stage->server));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	queue_second(self);
	EXPECT_EQ(0, recv_by(stage->server, how));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, that_is_restarted_does_not_reply_again)
{
	struct stage *stage = &self->stage;
	int i;

	ASSERT_EQ(0, ask(stage->server, let_signals_restart));
	begin_recv(stage->server, both(self, self->token, "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
	for (i = 0; i < 5; i++) {
		wait_for_receivers(stage->fd, stage->id, 1);
		signal_and_wait(stage->server);
	}
	wait_for_receivers(stage->fd, stage->id, 1);
	EXPECT_FALSE(is_done(stage->server));
	begin_request(self->second, stage->id, "second");
	ASSERT_EQ(0, end_act(stage->server));
	EXPECT_EQ(0, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_second(_metadata, self);
}

TEST_F(reply_and_receive, that_is_restarted_keeps_what_it_was_told)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, ask(stage->server, let_signals_restart));
	signal_and_wait(stage->caller);
	ASSERT_EQ(EINTR, end_request(stage->caller));
	begin_recv(stage->server, both(self, self->token, "reply one"));
	wait_for_receivers(stage->fd, stage->id, 1);
	signal_and_wait(stage->server);
	wait_for_receivers(stage->fd, stage->id, 1);
	begin_request(self->second, stage->id, "second");
	ASSERT_EQ(0, end_act(stage->server));
	EXPECT_EQ(-ECANCELED, self->reply->result);
	EXPECT_EQ(1, self->reply->done);
	expect_second(_metadata, self);
}

/* Whatever else it says. */
TEST_F(reply_and_receive, that_is_done_does_not_look_at_the_reply)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how;
	uint64_t second;

	queue_second(self);
	how = both(self, NO_TOKEN, "reply one");
	self->reply->done = 1;
	self->reply->result = 0;
	EXPECT_EQ(0, recv_by(stage->server, how));
	EXPECT_EQ(1, self->reply->done);
	second = stage->server->recv.token;
	EXPECT_STREQ("second", stage->server->text);
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
	EXPECT_EQ(0, reply_by(stage->server, second, "reply two"));
	expect_reply(_metadata, self->second, "reply two");
}

TEST_F(reply_and_receive, takes_no_token_unless_it_is_asked_to)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how;

	queue_second(self);
	how = both(self, self->token, "reply one");
	how.flags &= ~MBOX_RECV_TOKEN;
	EXPECT_EQ(0, recv_by(stage->server, how));
	expect_reply(_metadata, stage->caller, "reply one");
	EXPECT_STREQ("second", stage->server->text);
	EXPECT_EQ(0, stage->server->recv.token);
	EXPECT_EQ(ECANCELED, end_request(self->second));
	expect_quiet(_metadata, stage);
}

/* Whether it replied is known in every case. */
TEST_F(reply_and_receive, says_whether_it_replied_when_it_may_not_receive)
{
	static const int errors[] = { EACCES, EIDRM, ENOENT };
	struct stage *stage = &self->stage;
	struct puppet *worker = stage->worker, *server = stage->server;
	uint64_t closed_id, gone_id, ids[3];
	struct mbox_recv how;
	unsigned int i;

	closed_id = create_by(another_caller(stage), attributes(1, SIZE));
	gone_id = create_by(worker, service(1));
	ASSERT_EQ(0, delete_by(worker, gone_id));
	ids[0] = closed_id;
	ids[1] = gone_id;
	ids[2] = 1ULL << 62;
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		begin_request(self->second, stage->id, "second");
		how = both(self, take(server, stage->id), "reply");
		how.id = ids[i];
		EXPECT_EQ(errors[i], recv_by(server, how));
		EXPECT_GE(1, self->reply->done);
		EXPECT_EQ(self->reply->done ? EBADR : 0, ask_about(server, self->reply->token));
		if (!self->reply->done)
			EXPECT_EQ(0, reply_by(server, self->reply->token, "reply"));
		expect_reply(_metadata, self->second, "reply");
	}
}

/* The mailbox of the call is not that of the receive. */
TEST_F(reply_and_receive, may_be_of_two_mailboxes)
{
	struct stage *stage = &self->stage;
	uint64_t id = create_by(stage->server, service(1));
	struct mbox_recv how = both(self, self->token, "reply one");

	begin_request(self->second, id, "second");
	wait_for_senders(stage->fd, id, 1);
	how.id = id;
	EXPECT_EQ(0, recv_by(stage->server, how));
	EXPECT_EQ(id, stage->server->recv.from);
	expect_reply(_metadata, stage->caller, "reply one");
	EXPECT_EQ(0, reply_by(stage->server, stage->server->recv.token, "reply two"));
	expect_reply(_metadata, self->second, "reply two");
}

/*
 * Kinds of mailboxes, and ways to receive.
 */
FIXTURE(kind) {
	struct stage stage;
	struct puppet *second;
};

FIXTURE_SETUP(kind)
{
	set_stage(&self->stage, service(4));
	self->second = another_caller(&self->stage);
}

FIXTURE_TEARDOWN(kind)
{
	clear_stage(&self->stage);
}

/* Another mailbox takes the place of the first. */
static void use_kind(struct stage *stage, uint32_t msgs, uint64_t kind)
{
	struct mbox_create attr = service(msgs);

	attr.flags = kind;
	NEED(!delete_by(stage->server, stage->id));
	stage->id = create_by(stage->server, attr);
}

TEST_F(kind, by_tag_gives_requests_by_tag)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how;
	uint64_t token;

	use_kind(stage, 4, MBOX_CREATE_BY_TAG);
	begin_call_as(stage->caller, (struct mbox_call){ .id = stage->id, .tag = 1 }, "one");
	wait_until_queued(stage, 1);
	begin_call_as(self->second, (struct mbox_call){ .id = stage->id, .tag = 2 }, "two");
	wait_until_queued(stage, 2);
	how = takes(stage->id);
	how.flags |= MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK;
	how.match = 3;
	EXPECT_EQ(EAGAIN, recv_by(stage->server, how));
	how.match = 2;
	ASSERT_EQ(0, recv_by(stage->server, how));
	EXPECT_STREQ("two", stage->server->text);
	token = stage->server->recv.token;
	EXPECT_EQ(0, reply_by(stage->server, token, "reply two"));
	expect_reply(_metadata, self->second, "reply two");
	EXPECT_FALSE(is_done(stage->caller));
	how.match = 1;
	ASSERT_EQ(0, recv_by(stage->server, how));
	EXPECT_EQ(0, reply_by(stage->server, stage->server->recv.token, "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
}

TEST_F(kind, by_sender_gives_requests_by_sender)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how;

	use_kind(stage, 4, MBOX_CREATE_BY_SENDER);
	begin_request(stage->caller, stage->id, "one");
	wait_until_queued(stage, 1);
	begin_request(self->second, stage->id, "two");
	wait_until_queued(stage, 2);
	how = takes(stage->id);
	how.flags |= MBOX_RECV_MATCH;
	how.match = self->second->pid;
	ASSERT_EQ(0, recv_by(stage->server, how));
	EXPECT_STREQ("two", stage->server->text);
	EXPECT_EQ(self->second->pid, stage->server->recv.pid);
	EXPECT_EQ(0, reply_by(stage->server, stage->server->recv.token, "reply two"));
	expect_reply(_metadata, self->second, "reply two");
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
}

/* A matching request that comes is given to the one who waits for it. */
TEST_F(kind, by_tag_hands_a_request_to_the_receiver_that_waits_for_it)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how;

	use_kind(stage, 4, MBOX_CREATE_BY_TAG);
	how = takes(stage->id);
	how.flags |= MBOX_RECV_MATCH;
	how.match = 2;
	begin_recv(stage->server, how);
	how.match = 1;
	begin_recv(stage->worker, how);
	wait_for_receivers(stage->fd, stage->id, 2);
	begin_call_as(stage->caller, (struct mbox_call){ .id = stage->id, .tag = 1 }, "one");
	ASSERT_EQ(0, end_act(stage->worker));
	EXPECT_FALSE(is_done(stage->server));
	EXPECT_EQ(0, reply_by(stage->worker, stage->worker->recv.token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(kind, of_any_gives_the_least_priority_first_if_that_is_wanted)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = takes(stage->id);

	begin_call_as(stage->caller, (struct mbox_call){ .id = stage->id, .prio = 5 }, "high");
	wait_until_queued(stage, 1);
	begin_call_as(self->second, (struct mbox_call){ .id = stage->id, .prio = 4 }, "low");
	wait_until_queued(stage, 2);
	how.flags |= MBOX_RECV_LEAST;
	ASSERT_EQ(0, recv_by(stage->server, how));
	EXPECT_STREQ("low", stage->server->text);
	EXPECT_EQ(0, reply_by(stage->server, stage->server->recv.token, "reply"));
	expect_reply(_metadata, self->second, "reply");
	EXPECT_FALSE(is_done(stage->caller));
}

TEST_F(kind, of_any_gives_requests_to_one_who_chooses)
{
	struct stage *stage = &self->stage;
	uint64_t ids[3] = {
		stage->id, create_by(stage->server, service(1)),
		create_by(stage->server, service(0)),
	};
	uint64_t *choice = shared(sizeof(ids));
	struct mbox_recv how = {
		.flags = MBOX_RECV_CHOICE | MBOX_RECV_TOKEN,
		.ids = (uintptr_t)choice,
		.nr_ids = ARRAY_SIZE(ids),
	};
	struct puppet *server;
	unsigned int i, waits;

	memcpy(choice, ids, sizeof(ids));
	/* Memory that is mapped now is shared with those that come now. */
	server = new_puppet(stage->fd, OWNER, OWNER);
	for (i = 0; i < 2 * ARRAY_SIZE(ids); i++) {
		waits = i % 2;
		if (waits) {
			begin_recv(server, how);
			wait_for_receivers(stage->fd, ids[i / 2], 1);
		}
		begin_request(stage->caller, ids[i / 2], "request");
		ASSERT_EQ(0, waits ? end_act(server) : recv_by(server, how));
		EXPECT_EQ(ids[i / 2], server->recv.from);
		EXPECT_EQ(MBOX_GOT_REQUEST, server->recv.got);
		EXPECT_EQ(1, state(stage->fd, ids[i / 2]).requests);
		EXPECT_EQ(0, reply_by(server, server->recv.token, "reply"));
		expect_reply(_metadata, stage->caller, "reply");
	}
}

/* To have a token is not to be receiving. */
TEST_F(kind, of_one_process_at_a_time_lets_the_next_receive_while_a_call_goes_on)
{
	struct stage *stage = &self->stage;
	uint64_t one, two;

	use_kind(stage, 4, MBOX_CREATE_SINGLE);
	one = hold_request(stage, "one");
	begin_request(self->second, stage->id, "two");
	two = take(stage->worker, stage->id);
	EXPECT_EQ(2, seen(stage).requests);
	EXPECT_EQ(0, reply_by(stage->worker, two, "reply two"));
	EXPECT_EQ(0, reply_by(stage->server, one, "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
	expect_reply(_metadata, self->second, "reply two");
}

TEST_F(kind, of_a_pair_takes_calls_of_one_process)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	use_kind(stage, 4, MBOX_CREATE_PAIR);
	token = hold_request(stage, "request");
	EXPECT_EQ(EPERM, request_as(self->second, (struct mbox_call){ .id = stage->id }, "x"));
	EXPECT_EQ(EPERM, try_take(stage->worker, stage->id));
	ASSERT_EQ(0, pass_by(stage->server, token, stage->worker->pid));
	EXPECT_EQ(0, reply_by(stage->worker, token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(kind, of_a_fixed_size_takes_requests_of_that_size_and_any_reply)
{
	struct stage *stage = &self->stage;
	struct mbox_create attr = service(4);

	attr.flags = MBOX_CREATE_FIXED;
	attr.max_size = 7;
	stage->id = create_by(stage->server, attr);
	EXPECT_EQ(EMSGSIZE, request_as(stage->caller, (struct mbox_call){ .id = stage->id },
				       "shorte"));
	EXPECT_EQ(EMSGSIZE, request_as(stage->caller, (struct mbox_call){ .id = stage->id },
				       "too long"));
	EXPECT_EQ(0, reply_by(stage->server, hold_request(stage, "exactly"), "any"));
	expect_reply(_metadata, stage->caller, "any");
	expect_quiet(_metadata, stage);
}

TEST_F(kind, with_a_share_counts_requests_until_they_are_received)
{
	struct stage *stage = &self->stage;
	struct puppet *third = another_caller(stage);
	struct mbox_create attr = service(4);
	uint64_t token;

	attr.share = 50;
	stage->id = create_by(stage->server, attr);
	queue_request(stage, "one");
	begin_request(self->second, stage->id, "two");
	wait_until_queued(stage, 2);
	EXPECT_EQ(EXFULL, request_as(third, (struct mbox_call){ .id = stage->id }, "three"));
	token = take(stage->server, stage->id);
	begin_request(third, stage->id, "three");
	wait_until_queued(stage, 2);
	EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(EXFULL, request_as(stage->caller, (struct mbox_call){ .id = stage->id }, "x"));
}

TEST_F(kind, without_bounds_says_when_the_system_has_no_room)
{
	struct stage *stage = &self->stage;
	struct mbox_create attr = service(1);

	attr.max_msgs = MBOX_UNBOUNDED;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	ASSERT_EQ(0, set_tunable("max_msgs", 2));
	stage->id = create_by(stage->server, attr);
	ASSERT_EQ(0, post(stage->fd, stage->id, "one", 0));
	queue_request(stage, "two");
	wait_until_queued(stage, 2);
	EXPECT_EQ(ENOBUFS, request_as(self->second, (struct mbox_call){ .id = stage->id }, "x"));
	ASSERT_EQ(0, fetch_by(stage->server, stage->id));
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

/* Senders that wait for room, in their order. */
TEST_F(kind, of_any_admits_calls_that_wait_for_room_as_it_admits_senders)
{
	struct stage *stage = &self->stage;
	struct puppet *third = another_caller(stage);

	use_kind(stage, 1, 0);
	ASSERT_EQ(0, post(stage->fd, stage->id, "filler", 0));
	begin_request(stage->caller, stage->id, "first");
	wait_for_senders(stage->fd, stage->id, 1);
	begin_send(self->second, (struct mbox_send){ .id = stage->id }, "second");
	wait_for_senders(stage->fd, stage->id, 2);
	begin_call_as(third, (struct mbox_call){ .id = stage->id, .prio = 1 }, "urgent");
	wait_for_senders(stage->fd, stage->id, 3);
	EXPECT_EQ(0, try_take(stage->server, stage->id));
	EXPECT_STREQ("filler", stage->server->text);
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, third, "reply");
	EXPECT_EQ(0, reply_by(stage->server, take(stage->server, stage->id), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(0, end_act(self->second));
	EXPECT_EQ(0, try_take(stage->server, stage->id));
	EXPECT_STREQ("second", stage->server->text);
}

/* What is held takes no room. */
TEST_F(kind, of_any_has_room_for_the_next_request_while_one_is_held)
{
	struct stage *stage = &self->stage;
	uint64_t kinds[] = { 0, MBOX_CREATE_RESERVE };
	struct mbox_create attr = service(1);
	unsigned int i;
	uint64_t token;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		attr.flags = kinds[i];
		attr.max_bytes = i ? MBOX_UNBOUNDED_BYTES : attr.max_bytes;
		stage->id = create_by(stage->server, attr);
		token = hold_request(stage, "one");
		EXPECT_EQ(0, seen(stage).msgs);
		ASSERT_EQ(0, post(stage->fd, stage->id, "two", 0));
		EXPECT_EQ(0, fetch_by(stage->server, stage->id));
		EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
		expect_reply(_metadata, stage->caller, "reply");
	}
}

/* A batch of receives brings a token each. */
static int take_two(struct puppet *me)
{
	struct mbox_recv items[2] = { };
	struct mbox_batch batch = {
		.items = (uintptr_t)items, .nr = 2, .size = sizeof(items[0]),
	};
	uint64_t tokens[2];
	char texts[2][8];
	int i, error;

	for (i = 0; i < 2; i++) {
		memcpy(&items[i].id, me->arg, sizeof(items[i].id));
		items[i].flags = MBOX_RECV_TOKEN;
		items[i].buf = (uintptr_t)texts[i];
		items[i].size = sizeof(texts[i]);
	}
	error = call(me->fd, MBOX_IOC_RECV_BATCH, &batch);
	NEED(error || batch.done == 2);
	for (i = 0; i < 2; i++)
		tokens[i] = items[i].token;
	memcpy(me->arg, tokens, sizeof(tokens));
	return error;
}

TEST_F(kind, of_any_gives_many_requests_at_once)
{
	struct stage *stage = &self->stage;
	uint64_t tokens[2];

	queue_request(stage, "one");
	begin_request(self->second, stage->id, "two");
	wait_until_queued(stage, 2);
	memcpy(stage->server->arg, &stage->id, sizeof(stage->id));
	ASSERT_EQ(0, ask(stage->server, take_two));
	memcpy(tokens, stage->server->arg, sizeof(tokens));
	EXPECT_EQ(2, seen(stage).requests);
	EXPECT_EQ(0, reply_by(stage->server, tokens[1], "reply two"));
	EXPECT_EQ(0, reply_by(stage->server, tokens[0], "reply one"));
	expect_reply(_metadata, stage->caller, "reply one");
	expect_reply(_metadata, self->second, "reply two");
}

/*
 * Files that go with a request, and with a reply.
 */
FIXTURE(files) {
	struct stage stage;
	int *memory;		/* shared: arrays of descriptors */
	int one, two;		/* files that everybody has */
};

FIXTURE_SETUP(files)
{
	struct mbox_create attr = service(2);

	attr.flags = MBOX_CREATE_FILES;
	self->memory = shared(PAGE);
	self->one = memfd_create("one", 0);
	self->two = memfd_create("two", 0);
	ASSERT_LE(0, self->two);
	set_stage(&self->stage, attr);
}

FIXTURE_TEARDOWN(files)
{
	clear_stage(&self->stage);
}

static uint64_t inode(int fd)
{
	struct stat stat;

	NEED(!fstat(fd, &stat));
	return stat.st_ino;
}

/* Whether a puppet's descriptor, in its argument, is of that file, and is close-on-exec. */
struct comparison {
	int fd;
	int expected;
};

static int compare(struct puppet *me)
{
	struct comparison *arg = (struct comparison *)me->arg;
	int flags = fcntl(arg->fd, F_GETFD);

	if (flags < 0)
		return errno;
	if (!(flags & FD_CLOEXEC))
		return EINVAL;
	if (inode(arg->fd) != inode(arg->expected))
		return ENOENT;
	NEED(!close(arg->fd));
	return 0;
}

static int has_file(struct puppet *puppet, int fd, int expected)
{
	struct comparison arg = { .fd = fd, .expected = expected };

	memcpy(puppet->arg, &arg, sizeof(arg));
	return ask(puppet, compare);
}

#define AT_CALLER	0	/* places in the shared memory */
#define FROM_CALLER	16
#define AT_SERVER	32
#define FROM_SERVER	48

static struct mbox_call call_with_files(FIXTURE_DATA(files) *self, uint32_t sent, uint32_t room)
{
	self->memory[FROM_CALLER] = self->one;
	self->memory[FROM_CALLER + 1] = self->two;
	memset(self->memory + AT_CALLER, POISON, 16 * sizeof(int));
	return (struct mbox_call){
		.id = self->stage.id,
		.nr_files = sent,
		.files = (uintptr_t)(self->memory + FROM_CALLER),
		.nr_reply_files = room,
		.reply_files = (uintptr_t)(self->memory + AT_CALLER),
	};
}

static uint64_t take_with_files(FIXTURE_DATA(files) *self, uint32_t room)
{
	struct mbox_recv how = takes(self->stage.id);

	memset(self->memory + AT_SERVER, POISON, 16 * sizeof(int));
	how.flags |= MBOX_RECV_FILES;
	how.nr_files = room;
	how.files = (uintptr_t)(self->memory + AT_SERVER);
	NEED(!recv_by(self->stage.server, how));
	return self->stage.server->recv.token;
}

static struct mbox_reply reply_with_files(FIXTURE_DATA(files) *self, uint64_t token, uint32_t sent)
{
	self->memory[FROM_SERVER] = self->two;
	self->memory[FROM_SERVER + 1] = self->one;
	return (struct mbox_reply){
		.token = token,
		.nr_files = sent,
		.files = (uintptr_t)(self->memory + FROM_SERVER),
	};
}

static uint32_t files_of(FIXTURE_DATA(files) *self, uid_t uid)
{
	return usage_of(self->stage.fd, uid).user_files;
}

TEST_F(files, go_with_a_request_and_with_its_reply)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	begin_call_as(stage->caller, call_with_files(self, 2, 3), "request");
	wait_until_queued(stage, 1);
	EXPECT_EQ(2, files_of(self, STRANGER));
	token = take_with_files(self, 4);
	EXPECT_EQ(2, stage->server->recv.nr_files);
	EXPECT_EQ(MBOX_GOT_REQUEST, stage->server->recv.got);
	EXPECT_EQ(0, files_of(self, STRANGER));
	EXPECT_EQ(0, has_file(stage->server, self->memory[AT_SERVER], self->one));
	EXPECT_EQ(0, has_file(stage->server, self->memory[AT_SERVER + 1], self->two));
	EXPECT_EQ(-1, self->memory[AT_SERVER + 2]);
	EXPECT_EQ(-1, self->memory[AT_SERVER + 3]);

	EXPECT_EQ(0, reply_as(stage->server, reply_with_files(self, token, 2), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(2, called(stage->caller)->nr_reply_files);
	EXPECT_EQ(0, called(stage->caller)->got);
	EXPECT_EQ(-1, self->memory[AT_CALLER + 2]);
	EXPECT_EQ(0, has_file(stage->caller, self->memory[AT_CALLER], self->two));
	EXPECT_EQ(0, has_file(stage->caller, self->memory[AT_CALLER + 1], self->one));
	EXPECT_EQ(0, files_of(self, OWNER));
}

TEST_F(files, of_a_reply_that_do_not_fit_are_refused)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	begin_call_as(stage->caller, call_with_files(self, 0, 1), "request");
	token = take(stage->server, stage->id);
	EXPECT_EQ(EMSGSIZE, reply_as(stage->server, reply_with_files(self, token, 2), "reply"));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, ask_about(stage->server, token));
	EXPECT_EQ(0, files_of(self, OWNER));
	EXPECT_EQ(0, reply_as(stage->server, reply_with_files(self, token, 1), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(1, called(stage->caller)->nr_reply_files);
	EXPECT_EQ(0, has_file(stage->caller, self->memory[AT_CALLER], self->two));
}

TEST_F(files, of_a_reply_that_do_not_fit_are_cut_if_the_caller_wants_that)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = call_with_files(self, 0, 1);
	uint64_t token;

	how.flags = MBOX_CALL_TRUNCATE;
	begin_call_as(stage->caller, how, "request");
	token = take(stage->server, stage->id);
	EXPECT_EQ(0, reply_as(stage->server, reply_with_files(self, token, 2), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(2, called(stage->caller)->nr_reply_files);
	EXPECT_EQ((int)(POISON * 0x01010101U), self->memory[AT_CALLER + 1]);
	EXPECT_EQ(0, has_file(stage->caller, self->memory[AT_CALLER], self->two));
	EXPECT_EQ(0, files_of(self, OWNER));
}

TEST_F(files, that_a_server_does_not_want_are_lost_and_the_call_goes_on)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	begin_call_as(stage->caller, call_with_files(self, 2, 0), "request");
	token = take(stage->server, stage->id);
	EXPECT_EQ(MBOX_GOT_REQUEST | MBOX_GOT_FILES_LOST, stage->server->recv.got);
	EXPECT_EQ(0, files_of(self, STRANGER));
	EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(files, are_closed_when_the_caller_gives_up)
{
	struct stage *stage = &self->stage;

	begin_call_as(stage->caller, call_with_files(self, 2, 0), "request");
	wait_until_queued(stage, 1);
	EXPECT_EQ(2, files_of(self, STRANGER));
	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	WAIT_UNTIL(!files_of(self, STRANGER));
	expect_quiet(_metadata, stage);
}

TEST_F(files, are_closed_when_the_caller_is_killed)
{
	struct stage *stage = &self->stage;

	begin_call_as(stage->caller, call_with_files(self, 2, 0), "request");
	wait_until_queued(stage, 1);
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->caller));
	WAIT_UNTIL(!files_of(self, STRANGER));
	expect_quiet(_metadata, stage);
}

/* No trap for a server that has replied: what is too late is closed. */
TEST_F(files, of_a_reply_that_comes_too_late_are_closed)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	begin_call_as(stage->caller, call_with_files(self, 0, 2), "request");
	token = take(stage->server, stage->id);
	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	EXPECT_EQ(ECANCELED, reply_as(stage->server, reply_with_files(self, token, 2), "reply"));
	WAIT_UNTIL(!files_of(self, OWNER));
	EXPECT_EQ(EBADR, ask_about(stage->server, token));
}

TEST_F(files, that_are_none_are_refused)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = call_with_files(self, 2, 0);
	struct mbox_reply reply;
	uint64_t token, plain;

	self->memory[FROM_CALLER + 1] = 12345;
	EXPECT_EQ(EBADF, request_as(stage->caller, how, "request"));
	self->memory[FROM_CALLER + 1] = -1;
	EXPECT_EQ(EBADF, request_as(stage->caller, how, "request"));
	how.files = 8;
	EXPECT_EQ(EFAULT, request_as(stage->caller, how, "request"));
	expect_quiet(_metadata, stage);
	plain = create_by(stage->server, service(1));
	how = call_with_files(self, 1, 0);
	how.id = plain;
	EXPECT_EQ(EOPNOTSUPP, request_as(stage->caller, how, "request"));

	begin_call_as(stage->caller, call_with_files(self, 0, 2), "request");
	token = take(stage->server, stage->id);
	reply = reply_with_files(self, token, 2);
	self->memory[FROM_SERVER] = 12345;
	EXPECT_EQ(EBADF, reply_as(stage->server, reply, "reply"));
	EXPECT_EQ(0, ask_about(stage->server, token));
	reply.files = 8;
	EXPECT_EQ(EFAULT, reply_as(stage->server, reply, "reply"));
	EXPECT_EQ(0, ask_about(stage->server, token));
	EXPECT_EQ(0, files_of(self, OWNER));
	EXPECT_EQ(0, reply_as(stage->server, reply_with_files(self, token, 2), "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(0, has_file(stage->caller, self->memory[AT_CALLER], self->two));
}

/* Then they are lost with it: a descriptor that nobody knows of would stay for ever. */
TEST_F(files, of_a_reply_whose_array_is_bad_are_told_of_as_a_fault)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = call_with_files(self, 0, 2);

	how.reply_files = 8;
	begin_call_as(stage->caller, how, "request");
	EXPECT_EQ(0, reply_as(stage->server,
			      reply_with_files(self, take(stage->server, stage->id), 2), "reply"));
	EXPECT_EQ(EFAULT, end_request(stage->caller));
	WAIT_UNTIL(!files_of(self, OWNER));
	expect_quiet(_metadata, stage);
}

TEST_F(files, are_not_taken_by_an_orphan_and_no_call_is_made)
{
	struct stage *stage = &self->stage;

	EXPECT_EQ(-SIGKILL, kill_puppet(stage->server));
	WAIT_UNTIL(seen(stage).state & MBOX_STATE_ORPHAN);
	EXPECT_EQ(EOWNERDEAD, request_as(stage->caller, call_with_files(self, 1, 0), "request"));
	expect_quiet(_metadata, stage);
	expect_service(_metadata, stage, stage->caller, stage->worker);
}

/* It is taken back, as is whatever somebody waits for. */
TEST_F(files, of_a_queued_request_end_the_call_when_the_owner_ends)
{
	struct stage *stage = &self->stage;

	begin_call_as(stage->caller, call_with_files(self, 2, 0), "request");
	wait_until_queued(stage, 1);
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->server));
	EXPECT_EQ(EOWNERDEAD, end_request(stage->caller));
	WAIT_UNTIL(!files_of(self, STRANGER));
	EXPECT_EQ(EAGAIN, try_take(stage->worker, stage->id));
	expect_quiet(_metadata, stage);
	expect_service(_metadata, stage, stage->caller, stage->worker);
}

TEST_HARNESS_MAIN
