// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls: a request and its reply; what each side is told; and every way that a call
 * ends without a reply, in every state that it can be in.
 */
#include "kselftest_harness.h"
#include "call_stage.h"

#define HOUR	(3600000 * MSEC)

/*
 * What goes over.
 */
FIXTURE(exchange) {
	struct stage stage;
};

FIXTURE_SETUP(exchange)
{
	set_stage(&self->stage, service(4));
}

FIXTURE_TEARDOWN(exchange)
{
	clear_stage(&self->stage);
}

TEST_F(exchange, brings_the_request_to_the_server_and_the_reply_to_the_caller)
{
	struct stage *stage = &self->stage;
	struct puppet *server = stage->server, *caller = stage->caller;
	struct mbox_call how = { .id = stage->id, .tag = 0x1122334455667788, .prio = 7 };
	struct mbox_reply reply = { .tag = 0x99aabbccddeeff00 };
	uint64_t before = now();

	begin_call_as(caller, how, "request");
	reply.token = take(server, stage->id);
	EXPECT_STREQ("request", server->text);
	EXPECT_EQ(7, server->recv.len);
	EXPECT_EQ(1, server->recv.seq);
	EXPECT_EQ(7, server->recv.prio);
	EXPECT_EQ(caller->pid, server->recv.pid);
	EXPECT_EQ(caller->tid, server->recv.tid);
	EXPECT_EQ(STRANGER, server->recv.uid);
	EXPECT_EQ(STRANGER, server->recv.gid);
	EXPECT_EQ(0x1122334455667788, server->recv.tag);
	EXPECT_EQ(stage->id, server->recv.from);
	EXPECT_EQ(MBOX_GOT_REQUEST, server->recv.got);
	EXPECT_EQ(0, server->recv.nr_files);
	EXPECT_EQ(0, server->recv.owned);
	EXPECT_LE(before, server->recv.time);
	EXPECT_GE(now(), server->recv.time);
	EXPECT_FALSE(is_done(caller));

	ASSERT_EQ(0, reply_as(server, reply, "the reply"));
	ASSERT_EQ(0, end_request(caller));
	EXPECT_STREQ("the reply", reply_of(caller));
	EXPECT_EQ(9, called(caller)->reply_len);
	EXPECT_EQ(0x99aabbccddeeff00, called(caller)->reply_tag);
	EXPECT_EQ(server->pid, called(caller)->pid);
	EXPECT_EQ(OWNER, called(caller)->uid);
	EXPECT_EQ(OWNER, called(caller)->gid);
	EXPECT_EQ(0, called(caller)->got);
	EXPECT_EQ(0, called(caller)->nr_reply_files);
	EXPECT_STREQ("request", caller->text);
	expect_quiet(_metadata, stage);
}

static void tick(struct puppet *puppet, int times)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };

	while (times--)
		NEED(!call_by(puppet, MBOX_IOC_CLOCK, &clock));
}

/* One of the two clocks is far ahead. */
static void expect_stamps(struct __test_metadata *_metadata, struct stage *stage)
{
	struct mbox_clock caller = clock_of(stage->caller), server = clock_of(stage->server);
	struct mbox_call reply;
	uint64_t token, most;

	token = hold_request(stage, "request");
	EXPECT_EQ(caller.participant, stage->server->recv.sender);
	EXPECT_EQ(caller.stamp + 1, stage->server->recv.stamp);
	most = server.stamp > caller.stamp + 1 ? server.stamp : caller.stamp + 1;
	EXPECT_EQ(most + 1, stage->server->recv.clock);
	EXPECT_EQ(most + 1, clock_of(stage->server).stamp);
	tick(stage->server, 3);
	ASSERT_EQ(0, reply_by(stage->server, token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	reply = *called(stage->caller);
	EXPECT_EQ(server.participant, reply.sender);
	EXPECT_EQ(most + 5, reply.stamp);
	EXPECT_EQ(most + 5, clock_of(stage->server).stamp);
	EXPECT_EQ(most + 6, reply.clock);
	EXPECT_EQ(most + 6, clock_of(stage->caller).stamp);
}

TEST_F(exchange, takes_the_clocks_along)
{
	tick(self->stage.caller, 20);
	expect_stamps(_metadata, &self->stage);
	tick(self->stage.server, 20);
	expect_stamps(_metadata, &self->stage);
}

TEST_F(exchange, may_be_of_nothing_at_all)
{
	struct stage *stage = &self->stage;
	uint64_t token = hold_request(stage, "");

	EXPECT_EQ(0, stage->server->recv.len);
	EXPECT_EQ(0, reply_by(stage->server, token, ""));
	expect_reply(_metadata, stage->caller, "");

	begin_sized_call(stage->caller, (struct mbox_call){ .id = stage->id }, "request", 0);
	token = take(stage->server, stage->id);
	EXPECT_EQ(EMSGSIZE, reply_by(stage->server, token, "x"));
	EXPECT_EQ(0, reply_by(stage->server, token, ""));
	ASSERT_EQ(0, end_request(stage->caller));
	EXPECT_EQ(0, called(stage->caller)->reply_len);
}

static int call_without_buffers(struct puppet *me)
{
	struct mbox_call how = { };

	memcpy(&how.id, me->arg, sizeof(how.id));
	return call(me->fd, MBOX_IOC_CALL, &how);
}

TEST_F(exchange, of_nothing_takes_no_buffers)
{
	struct stage *stage = &self->stage;
	struct mbox_reply how = { };

	memcpy(stage->caller->arg, &stage->id, sizeof(stage->id));
	begin_act(stage->caller, call_without_buffers);
	how.token = take(stage->server, stage->id);
	EXPECT_EQ(0, call_by(stage->server, MBOX_IOC_REPLY, &how));
	EXPECT_EQ(0, end_act(stage->caller));
}

TEST_F(exchange, is_with_the_mailbox_of_the_descriptor_if_the_id_is_0)
{
	struct stage *stage = &self->stage;
	struct puppet *caller;
	uint64_t token;

	ASSERT_EQ(0, bind_by_id(stage->fd, stage->id));
	caller = new_puppet(stage->fd, STRANGER, STRANGER);
	begin_request(caller, 0, "request");
	token = take(stage->server, 0);
	EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
	expect_reply(_metadata, caller, "reply");
	EXPECT_EQ(0, called(caller)->id);
}

TEST_F(exchange, refuses_a_reply_that_does_not_fit_and_goes_on)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	begin_sized_call(stage->caller, (struct mbox_call){ .id = stage->id }, "request", 4);
	token = take(stage->server, stage->id);
	EXPECT_EQ(EMSGSIZE, reply_by(stage->server, token, "reply"));
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(1, seen(stage).requests);
	EXPECT_EQ(0, ask_about(stage->server, token));
	EXPECT_EQ(EMSGSIZE, reply_by(stage->server, token, "reply"));
	EXPECT_EQ(0, reply_by(stage->server, token, "repl"));
	expect_reply(_metadata, stage->caller, "repl");
	EXPECT_EQ((char)POISON, reply_of(stage->caller)[5]);
	expect_quiet(_metadata, stage);
}

TEST_F(exchange, cuts_a_reply_that_does_not_fit_if_the_caller_wants_that)
{
	static const uint64_t sizes[] = { 0, 1, 4, 5, 6 };
	struct stage *stage = &self->stage;
	struct mbox_call how = { .flags = MBOX_CALL_TRUNCATE, .id = stage->id };
	struct puppet *caller = stage->caller;
	unsigned int i;
	uint64_t token;
	char expected[8];

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin_sized_call(caller, how, "request", sizes[i]);
		token = take(stage->server, stage->id);
		EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
		ASSERT_EQ(0, end_request(caller));
		EXPECT_EQ(5, called(caller)->reply_len);
		snprintf(expected, sizeof(expected), "%.*s", (int)sizes[i], "reply");
		EXPECT_STREQ(expected, reply_of(caller));
		EXPECT_EQ((char)POISON, reply_of(caller)[sizes[i] + 1]);
	}
}

/* A reply is for the caller's buffer: max_size is of what the mailbox takes. */
TEST_F(exchange, brings_a_reply_longer_than_any_message_of_the_mailbox)
{
	struct stage *stage = &self->stage;
	struct mbox_reply how = { .buf = (uintptr_t)large, .len = LARGE };

	memcpy(stage->caller->arg, &stage->id, sizeof(stage->id));
	begin_act(stage->caller, call_for_much);
	how.token = take(stage->server, stage->id);
	how.len = LARGE + 1;
	EXPECT_EQ(EMSGSIZE, call_by(stage->server, MBOX_IOC_REPLY, &how));
	how.len = 1ULL << 40;
	EXPECT_EQ(EMSGSIZE, call_by(stage->server, MBOX_IOC_REPLY, &how));
	how.len = ~0ULL;
	EXPECT_EQ(EMSGSIZE, call_by(stage->server, MBOX_IOC_REPLY, &how));
	how.len = LARGE;
	EXPECT_EQ(0, call_by(stage->server, MBOX_IOC_REPLY, &how));
	EXPECT_EQ(0, end_act(stage->caller));
}

TEST_F(exchange, happens_in_the_namespaces_of_each_side)
{
	struct stage *stage = &self->stage;
	pid_t caller = spawn_as_first();
	uint64_t token;

	if (!caller) {
		struct mbox_call how = { .id = stage->id };

		become(STRANGER, STRANGER);
		become_root_of_a_user_namespace();
		poison_call(&how);
		NEED(!call(stage->fd, MBOX_IOC_CALL, &how));
		NEED(how.pid == 0 && how.uid == 65534 && how.gid == 65534);
		_exit(0);
	}
	token = take(stage->server, stage->id);
	EXPECT_EQ(caller, stage->server->recv.pid);
	EXPECT_EQ(STRANGER, stage->server->recv.uid);
	EXPECT_EQ(STRANGER, stage->server->recv.gid);
	EXPECT_EQ(0, reply_by(stage->server, token, ""));
	EXPECT_EQ(0, join(caller));
}

TEST_F(exchange, may_be_among_threads_of_one_process)
{
	struct stage *stage = &self->stage;
	struct puppet *thread = new_thread(stage->server);
	uint64_t token;

	begin_request(thread, stage->id, "to myself");
	token = take(stage->server, stage->id);
	EXPECT_EQ(thread->pid, stage->server->recv.pid);
	EXPECT_EQ(thread->tid, stage->server->recv.tid);
	EXPECT_NE(stage->server->tid, thread->tid);
	EXPECT_EQ(0, reply_by(stage->server, token, "from myself"));
	expect_reply(_metadata, thread, "from myself");
	EXPECT_EQ(thread->pid, called(thread)->pid);
}

TEST_F(exchange, goes_on_many_at_a_time_and_ends_in_any_order)
{
	static const int order[MANY] = { 11, 3, 0, 7, 6, 5, 9, 1, 10, 8, 2, 4 };
	struct stage *stage = &self->stage;
	struct puppet *callers[MANY];
	uint64_t tokens[MANY] = { };
	char text[16];
	int i, j;

	for (i = 0; i < MANY; i++) {
		callers[i] = another_caller(stage);
		snprintf(text, sizeof(text), "%d", i);
		begin_request(callers[i], stage->id, text);
	}
	for (i = 0; i < MANY; i++) {
		uint64_t token = take(stage->server, stage->id);

		j = atoi(stage->server->text);
		ASSERT_EQ(0, tokens[j]);
		tokens[j] = token;
		EXPECT_EQ(callers[j]->pid, stage->server->recv.pid);
		EXPECT_EQ(i + 1, seen(stage).requests);
	}
	for (i = 0; i < MANY; i++)
		for (j = 0; j < i; j++)
			EXPECT_NE(tokens[i], tokens[j]);
	for (i = 0; i < MANY; i++) {
		j = order[i];
		ASSERT_FALSE(is_done(callers[j]));
		snprintf(text, sizeof(text), "to %d", j);
		EXPECT_EQ(0, reply_by(stage->server, tokens[j], text));
		expect_reply(_metadata, callers[j], text);
		EXPECT_EQ(MANY - 1 - i, seen(stage).requests);
	}
	expect_quiet(_metadata, stage);
}

TEST_F(exchange, may_be_nested)
{
	struct stage *stage = &self->stage;
	struct puppet *middle = stage->server, *last = stage->worker;
	uint64_t inner = create_by(last, service(1)), outer_token, inner_token;

	outer_token = hold_request(stage, "one");
	begin_request(middle, inner, "two");
	inner_token = take(last, inner);
	EXPECT_EQ(middle->pid, last->recv.pid);
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(last, inner_token, "three"));
	expect_reply(_metadata, middle, "three");
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(0, reply_by(middle, outer_token, "four"));
	expect_reply(_metadata, stage->caller, "four");
	expect_quiet(_metadata, stage);
}

TEST_F(exchange, that_is_nested_ends_on_both_sides_when_the_middle_ends)
{
	struct stage *stage = &self->stage;
	uint64_t inner = create_by(stage->worker, service(1)), token;

	hold_request(stage, "one");
	begin_request(stage->server, inner, "two");
	token = take(stage->worker, inner);
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->server));
	EXPECT_EQ(EOWNERDEAD, end_request(stage->caller));
	expect_caller_gone(_metadata, stage->worker, token);
}

/* Each waits for the other; a way out is a deadline. */
TEST_F(exchange, between_two_that_call_each_other_ends_by_deadline)
{
	struct stage *stage = &self->stage;
	struct puppet *one = stage->server, *two = stage->worker;
	struct mbox_call how = { .id = stage->id, .flags = MBOX_CALL_TIMEOUT };
	uint64_t other = create_by(two, service(1)), token;

	begin_request(one, other, "one");
	token = take(two, other);
	how.deadline = soon();
	EXPECT_EQ(ETIMEDOUT, request_as(two, how, "two"));
	EXPECT_EQ(0, reply_by(two, token, "reply"));
	expect_reply(_metadata, one, "reply");
	expect_quiet(_metadata, stage);
}

TEST_F(exchange, follows_priority_then_arrival)
{
	static const uint32_t prios[] = { 0, 3, 3, 31 };
	static const int order[] = { 3, 1, 2, 0 };
	struct stage *stage = &self->stage;
	struct puppet *callers[4];
	char text[4];
	int i;

	for (i = 0; i < 4; i++) {
		struct mbox_call how = { .id = stage->id, .prio = prios[i] };

		callers[i] = another_caller(stage);
		snprintf(text, sizeof(text), "%d", i);
		begin_call_as(callers[i], how, text);
		wait_until_queued(stage, i + 1);
	}
	for (i = 0; i < 4; i++) {
		uint64_t token = take(stage->server, stage->id);

		EXPECT_EQ(order[i], atoi(stage->server->text));
		EXPECT_EQ(0, reply_by(stage->server, token, "reply"));
		expect_reply(_metadata, callers[order[i]], "reply");
	}
}

/* Requests and messages share the mailbox. */
TEST_F(exchange, stands_among_messages_that_are_no_requests)
{
	struct stage *stage = &self->stage;
	struct puppet *server = stage->server;

	ASSERT_EQ(0, post(stage->fd, stage->id, "first", 0));
	begin_request(stage->caller, stage->id, "second");
	wait_until_queued(stage, 2);
	ASSERT_EQ(0, post(stage->fd, stage->id, "third", 0));
	EXPECT_EQ(0, try_take(server, stage->id));
	EXPECT_STREQ("first", server->text);
	EXPECT_EQ(0, server->recv.token);
	EXPECT_EQ(0, server->recv.got);
	EXPECT_EQ(0, seen(stage).requests);
	EXPECT_EQ(0, try_take(server, stage->id));
	EXPECT_STREQ("second", server->text);
	EXPECT_NE(0, server->recv.token);
	EXPECT_EQ(MBOX_GOT_REQUEST, server->recv.got);
	EXPECT_EQ(0, reply_by(server, server->recv.token, "reply"));
	EXPECT_EQ(0, try_take(server, stage->id));
	EXPECT_STREQ("third", server->text);
	EXPECT_EQ(0, server->recv.token);
	expect_reply(_metadata, stage->caller, "reply");
}

TEST_F(exchange, marks_what_is_meant_to_be_shared_memory)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = { .id = stage->id, .flags = MBOX_CALL_SHARED };
	struct mbox_reply reply = { .flags = MBOX_REPLY_SHARED };

	begin_call_as(stage->caller, how, "request");
	reply.token = take(stage->server, stage->id);
	EXPECT_EQ(MBOX_GOT_REQUEST | MBOX_GOT_SHARED, stage->server->recv.got);
	EXPECT_EQ(0, reply_as(stage->server, reply, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	EXPECT_EQ(MBOX_GOT_SHARED, called(stage->caller)->got);
}

/* Writing of both and reading of both: who replies needs no descriptor for sending. */
TEST_F(exchange, takes_a_descriptor_that_is_open_for_writing)
{
	struct stage *stage = &self->stage;
	struct puppet *caller = stage->caller, *server = stage->server;
	int reader = device(O_RDONLY), writer = device(O_WRONLY);
	uint64_t token;

	caller = new_puppet(reader, STRANGER, STRANGER);
	EXPECT_EQ(EBADF, request_as(caller, (struct mbox_call){ .id = stage->id }, "request"));
	expect_quiet(_metadata, stage);

	caller = new_puppet(writer, STRANGER, STRANGER);
	begin_request(caller, stage->id, "request");
	server = new_puppet(reader, OWNER, OWNER);
	token = take(server, stage->id);
	EXPECT_EQ(0, ask_about(server, token));
	EXPECT_EQ(0, reply_by(server, token, "reply"));
	expect_reply(_metadata, caller, "reply");

	begin_request(caller, stage->id, "request");
	server = new_puppet(stage->fd, OWNER, OWNER);
	token = take(server, stage->id);
	server->fd = writer;
	EXPECT_EQ(0, ask_about(server, token));
	EXPECT_EQ(0, reply_by(server, token, "reply"));
	expect_reply(_metadata, caller, "reply");
}

/*
 * States, and everything that can happen in each.
 */
enum where { ROOM, QUEUED, RENDEZVOUS, HELD };

FIXTURE(state) {
	struct stage stage;
	uint64_t token;
};

FIXTURE_VARIANT(state) {
	enum where where;
	uint64_t kind;
};

FIXTURE_VARIANT_ADD(state, waiting_for_room) {
	.where = ROOM,
};

FIXTURE_VARIANT_ADD(state, waiting_for_a_reserved_buffer) {
	.where = ROOM, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(state, queued) {
	.where = QUEUED,
};

FIXTURE_VARIANT_ADD(state, queued_in_a_reserved_buffer) {
	.where = QUEUED, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(state, queued_for_one_process_at_a_time) {
	.where = QUEUED, .kind = MBOX_CREATE_SINGLE,
};

FIXTURE_VARIANT_ADD(state, waiting_at_a_rendezvous) {
	.where = RENDEZVOUS,
};

FIXTURE_VARIANT_ADD(state, held) {
	.where = HELD,
};

FIXTURE_VARIANT_ADD(state, held_from_a_reserved_buffer) {
	.where = HELD, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(state, held_from_a_pair) {
	.where = HELD, .kind = MBOX_CREATE_PAIR,
};

static struct mbox_create mailbox_for(const FIXTURE_VARIANT(state) *variant)
{
	struct mbox_create attr = service(variant->where == RENDEZVOUS ? 0 : 1);

	attr.flags = variant->kind;
	if (variant->kind == MBOX_CREATE_RESERVE)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	return attr;
}

FIXTURE_SETUP(state)
{
	set_stage(&self->stage, mailbox_for(variant));
}

FIXTURE_TEARDOWN(state)
{
	clear_stage(&self->stage);
}

/* Bring the caller there, in every detail of its call. */
static void reach_as(FIXTURE_DATA(state) *self, const FIXTURE_VARIANT(state) *variant,
		     struct mbox_call how)
{
	struct stage *stage = &self->stage;

	how.id = stage->id;
	if (variant->where == ROOM)
		NEED(!post(stage->fd, stage->id, "filler", 0));
	if (variant->where == HELD) {
		/* The receiver is there first, so no deadline is too short for that. */
		begin_recv(stage->server, takes(stage->id));
		wait_for_receivers(stage->fd, stage->id, 1);
	}
	begin_call_as(stage->caller, how, "request");
	if (variant->where == HELD) {
		NEED(!end_act(stage->server));
		self->token = stage->server->recv.token;
	}
}

static void reach(FIXTURE_DATA(state) *self, const FIXTURE_VARIANT(state) *variant)
{
	reach_as(self, variant, (struct mbox_call){ });
	if (variant->where != HELD)
		wait_for_senders(self->stage.fd, self->stage.id, 1);
}

/* What is left of a call that has ended early: nothing, but for the filler. */
static void expect_no_trace(struct __test_metadata *_metadata, FIXTURE_DATA(state) *self,
			    const FIXTURE_VARIANT(state) *variant)
{
	struct stage *stage = &self->stage;

	if (variant->where == HELD)
		expect_caller_gone(_metadata, stage->server, self->token);
	if (variant->where == ROOM) {
		EXPECT_EQ(0, try_take(stage->server, stage->id));
		EXPECT_STREQ("filler", stage->server->text);
		EXPECT_EQ(0, stage->server->recv.token);
	}
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
	expect_quiet(_metadata, stage);
	EXPECT_EQ(0, msgs_of(stage->fd, STRANGER));
}

/* Go on to the end, from wherever it is. */
static void expect_success(struct __test_metadata *_metadata, FIXTURE_DATA(state) *self,
			   const FIXTURE_VARIANT(state) *variant)
{
	struct stage *stage = &self->stage;

	EXPECT_FALSE(is_done(stage->caller));
	if (variant->where == ROOM)
		EXPECT_EQ(0, fetch_by(stage->server, stage->id));
	if (variant->where != HELD) {
		self->token = take(stage->server, stage->id);
		EXPECT_STREQ("request", stage->server->text);
	}
	EXPECT_EQ(0, ask_about(stage->server, self->token));
	EXPECT_EQ(0, reply_by(stage->server, self->token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	expect_quiet(_metadata, stage);
	EXPECT_EQ(EBADR, reply_by(stage->server, self->token, "reply"));
	EXPECT_EQ(EAGAIN, try_take(stage->server, stage->id));
}

TEST_F(state, is_seen_in_the_counters)
{
	struct stage *stage = &self->stage;
	struct mbox_stat stat;

	reach(self, variant);
	stat = seen(stage);
	EXPECT_EQ(variant->where == HELD ? 0 : 1, stat.senders);
	EXPECT_EQ(variant->where == HELD ? 1 : 0, stat.requests);
	EXPECT_EQ(variant->where == ROOM || variant->where == QUEUED ? 1 : 0, stat.msgs);
	EXPECT_EQ(variant->where == ROOM ? 6 : variant->where == QUEUED ? 7 : 0, stat.bytes);
	EXPECT_EQ(variant->where == ROOM || variant->where == HELD ? 1 : 0, stat.sent);
	EXPECT_EQ(variant->where == HELD ? 1 : 0, stat.received);
	/* A reserved buffer is the mailbox's. */
	EXPECT_EQ(variant->where == HELD || variant->kind == MBOX_CREATE_RESERVE ? 0 : 1,
		  msgs_of(stage->fd, STRANGER));
	expect_success(_metadata, self, variant);
	stat = seen(stage);
	EXPECT_EQ(variant->where == ROOM ? 2 : 1, stat.sent);
	EXPECT_TRUE(pays_nothing(stage->fd, STRANGER));
}

TEST_F(state, ends_when_the_mailbox_is_deleted)
{
	struct stage *stage = &self->stage;

	reach(self, variant);
	ASSERT_EQ(0, delete_by(stage->worker, stage->id));
	EXPECT_EQ(EIDRM, end_request(stage->caller));
	if (variant->where == HELD)
		expect_caller_gone(_metadata, stage->server, self->token);
	EXPECT_EQ(EIDRM, request_as(stage->caller, (struct mbox_call){ .id = stage->id }, "x"));
	EXPECT_TRUE(pays_nothing(stage->fd, STRANGER));
}

TEST_F(state, ends_at_the_deadline)
{
	struct mbox_call how = { .flags = MBOX_CALL_TIMEOUT, .deadline = soon() };

	reach_as(self, variant, how);
	EXPECT_EQ(ETIMEDOUT, end_request(self->stage.caller));
	EXPECT_LE(how.deadline, now());
	expect_no_trace(_metadata, self, variant);
	expect_service(_metadata, &self->stage, self->stage.caller, self->stage.server);
}

/* It is tried once. */
TEST_F(state, ends_at_a_deadline_that_has_passed)
{
	struct mbox_call how = { .flags = MBOX_CALL_TIMEOUT, .deadline = 1 };

	reach_as(self, variant, how);
	EXPECT_EQ(ETIMEDOUT, end_request(self->stage.caller));
	expect_no_trace(_metadata, self, variant);
}

TEST_F(state, lasts_while_no_deadline_has_passed)
{
	static const struct mbox_call hows[] = {
		{ .flags = MBOX_CALL_TIMEOUT, .deadline = ~0ULL },
		{ .deadline = 1 },
	};
	struct mbox_call far = { .flags = MBOX_CALL_TIMEOUT, .deadline = now() + HOUR };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hows); i++) {
		reach_as(self, variant, hows[i]);
		expect_success(_metadata, self, variant);
	}
	reach_as(self, variant, far);
	expect_success(_metadata, self, variant);
}

/* Not to wait means: for room, or for a receiver. For the reply it waits. */
static void expect_nonblocking(struct __test_metadata *_metadata, FIXTURE_DATA(state) *self,
			       const FIXTURE_VARIANT(state) *variant, struct mbox_call how)
{
	bool refused = variant->where == ROOM || variant->where == RENDEZVOUS;

	reach_as(self, variant, how);
	if (refused) {
		EXPECT_EQ(EAGAIN, end_request(self->stage.caller));
		expect_no_trace(_metadata, self, variant);
	} else if (how.flags & MBOX_CALL_TIMEOUT) {
		EXPECT_EQ(ETIMEDOUT, end_request(self->stage.caller));
		expect_no_trace(_metadata, self, variant);
	} else {
		expect_success(_metadata, self, variant);
	}
}

TEST_F(state, is_waited_for_by_a_nonblocking_call_only_after_the_request_was_sent)
{
	struct mbox_call how = { .flags = MBOX_CALL_NONBLOCK };

	expect_nonblocking(_metadata, self, variant, how);
	/* It may have an end. */
	kill_puppet(self->stage.caller);
	self->stage.caller = new_puppet(device(O_RDWR | O_NONBLOCK), STRANGER, STRANGER);
	expect_nonblocking(_metadata, self, variant, (struct mbox_call){ });
}

TEST_F(state, of_a_nonblocking_call_ends_at_the_deadline)
{
	struct mbox_call how = {
		.flags = MBOX_CALL_NONBLOCK | MBOX_CALL_TIMEOUT, .deadline = soon(),
	};

	expect_nonblocking(_metadata, self, variant, how);
}

TEST_F(state, ends_by_a_signal)
{
	struct stage *stage = &self->stage;

	reach(self, variant);
	signal_and_wait(stage->caller);
	EXPECT_EQ(EINTR, end_request(stage->caller));
	expect_no_trace(_metadata, self, variant);
	expect_service(_metadata, stage, stage->caller, stage->server);
}

/* The request is taken back and sent again; at no time there are two. */
TEST_F(state, goes_on_after_a_signal_that_restarts_unless_somebody_has_it)
{
	struct stage *stage = &self->stage;
	struct mbox_stat stat;
	int i;

	ASSERT_EQ(0, ask(stage->caller, let_signals_restart));
	reach(self, variant);
	if (variant->where == HELD) {
		signal_and_wait(stage->caller);
		EXPECT_EQ(EINTR, end_request(stage->caller));
		expect_no_trace(_metadata, self, variant);
		return;
	}
	for (i = 0; i < 10; i++) {
		signal_and_wait(stage->caller);
		wait_for_senders(stage->fd, stage->id, 1);
		stat = seen(stage);
		EXPECT_GE(1, stat.msgs);
		EXPECT_EQ(0, stat.requests);
		EXPECT_EQ(variant->where == ROOM ? 1 : 0, stat.sent);
		EXPECT_GE(1, msgs_of(stage->fd, STRANGER));
		EXPECT_FALSE(is_done(stage->caller));
	}
	expect_success(_metadata, self, variant);
	EXPECT_EQ(variant->where == ROOM ? 2 : 1, seen(stage).sent);
}

/* A signal that nobody handles is none. */
TEST_F(state, goes_on_after_a_stop)
{
	struct stage *stage = &self->stage;
	int status;

	reach(self, variant);
	ASSERT_EQ(0, kill(stage->caller->pid, SIGSTOP));
	ASSERT_EQ(stage->caller->pid, waitpid(stage->caller->pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(stage->caller->pid, SIGCONT));
	WAIT_UNTIL(sleeps(stage->caller->pid) || is_done(stage->caller));
	/* For what is never restarted that is an interruption. */
	if (variant->where == HELD && is_done(stage->caller)) {
		EXPECT_EQ(EINTR, end_request(stage->caller));
		expect_no_trace(_metadata, self, variant);
		return;
	}
	expect_success(_metadata, self, variant);
}

TEST_F(state, ends_with_the_caller)
{
	struct stage *stage = &self->stage;

	reach(self, variant);
	EXPECT_EQ(-SIGKILL, kill_puppet(stage->caller));
	expect_no_trace(_metadata, self, variant);
	EXPECT_TRUE(pays_nothing(stage->fd, STRANGER));
	expect_service(_metadata, stage, stage->worker, stage->server);
}

TEST_F(state, ends_with_the_calling_process_whichever_thread_ends_it)
{
	struct stage *stage = &self->stage;
	struct puppet *thread = new_thread(stage->caller);

	reach(self, variant);
	begin_act(thread, exit_at_once);
	EXPECT_EQ(0, join(stage->caller->pid));
	expect_no_trace(_metadata, self, variant);
}

/* Until somebody has the request the right to send is needed, then no more. */
TEST_F(state, ends_when_the_caller_may_not_send_any_more_unless_somebody_has_it)
{
	struct stage *stage = &self->stage;

	reach(self, variant);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0600));
	if (variant->where == HELD) {
		expect_success(_metadata, self, variant);
		return;
	}
	EXPECT_EQ(EKEYREVOKED, end_request(stage->caller));
	expect_no_trace(_metadata, self, variant);
	EXPECT_EQ(EACCES, request_as(stage->caller, (struct mbox_call){ .id = stage->id }, "x"));
}

TEST_F(state, ends_when_the_grant_to_send_is_revoked_unless_somebody_has_it)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0600));
	ASSERT_EQ(0, grant_by(stage->server, stage->id, stage->caller->pid, MBOX_RIGHT_SEND));
	reach(self, variant);
	ASSERT_EQ(0, revoke_by(stage->server, stage->id, stage->caller->pid, MBOX_RIGHT_SEND));
	if (variant->where == HELD) {
		expect_success(_metadata, self, variant);
		return;
	}
	EXPECT_EQ(EKEYREVOKED, end_request(stage->caller));
	expect_no_trace(_metadata, self, variant);
}

TEST_F(state, goes_on_when_the_caller_may_send_for_another_reason)
{
	struct stage *stage = &self->stage;

	ASSERT_EQ(0, grant_by(stage->server, stage->id, stage->caller->pid, MBOX_RIGHT_SEND));
	reach(self, variant);
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0600));
	EXPECT_FALSE(is_done(stage->caller));
	expect_success(_metadata, self, variant);
}

/* What is not held stays for the next server of that mailbox. */
static void expect_next_server(struct __test_metadata *_metadata, FIXTURE_DATA(state) *self,
			       const FIXTURE_VARIANT(state) *variant)
{
	struct stage *stage = &self->stage;

	if (variant->where == HELD) {
		EXPECT_EQ(EOWNERDEAD, end_request(stage->caller));
		expect_quiet(_metadata, stage);
		EXPECT_EQ(EBADR, ask_about(stage->worker, self->token));
		expect_service(_metadata, stage, stage->caller, stage->worker);
		return;
	}
	EXPECT_FALSE(is_done(stage->caller));
	EXPECT_EQ(1, seen(stage).senders);
	EXPECT_EQ(MBOX_STATE_ORPHAN, seen(stage).state);
	stage->server = stage->worker;
	expect_success(_metadata, self, variant);
}

TEST_F(state, ends_when_the_server_is_killed_if_that_had_it)
{
	reach(self, variant);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->stage.server));
	expect_next_server(_metadata, self, variant);
}

TEST_F(state, ends_when_the_server_exits_if_that_had_it)
{
	reach(self, variant);
	exit_puppet(self->stage.server);
	expect_next_server(_metadata, self, variant);
}

static int end_thread(struct puppet *me)
{
	(void)me;
	pthread_exit(NULL);
}

static bool has_thread(pid_t pid, pid_t tid)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return !access(path, F_OK);
}

TEST_F(state, goes_on_when_a_thread_of_the_server_ends)
{
	struct stage *stage = &self->stage;
	struct puppet *first = stage->server, *thread = new_thread(first);

	stage->server = thread;
	reach(self, variant);
	begin_act(thread, end_thread);
	WAIT_UNTIL(!has_thread(first->pid, thread->tid));
	stage->server = first;
	expect_success(_metadata, self, variant);
}

TEST_F(state, goes_on_when_a_look_is_taken)
{
	struct stage *stage = &self->stage;
	struct mbox_recv look = { .id = stage->id, .flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK };

	reach(self, variant);
	if (variant->where == QUEUED || variant->where == RENDEZVOUS) {
		EXPECT_EQ(0, recv_by(stage->server, look));
		EXPECT_STREQ("request", stage->server->text);
		EXPECT_EQ(MBOX_GOT_REQUEST, stage->server->recv.got);
		EXPECT_EQ(0, stage->server->recv.token);
		EXPECT_EQ(stage->caller->pid, stage->server->recv.pid);
		EXPECT_EQ(0, seen(stage).requests);
		EXPECT_EQ(1, seen(stage).senders);
	}
	expect_success(_metadata, self, variant);
}

/* It is a message of fewer bytes than the receiver needs to have room for. */
TEST_F(state, goes_on_when_a_buffer_is_too_small)
{
	struct stage *stage = &self->stage;
	struct mbox_recv how = takes(stage->id);

	reach(self, variant);
	if (variant->where == QUEUED || variant->where == RENDEZVOUS) {
		how.flags |= MBOX_RECV_NONBLOCK;
		how.buf = (uintptr_t)stage->server->text;
		how.size = 6;
		EXPECT_EQ(EMSGSIZE, call_by(stage->server, MBOX_IOC_RECV, &how));
		EXPECT_EQ(7, how.len);
		EXPECT_EQ(0, seen(stage).requests);
	}
	expect_success(_metadata, self, variant);
}

/* Received by somebody who takes no token. */
TEST_F(state, ends_when_the_request_is_received_as_a_message)
{
	struct stage *stage = &self->stage;

	reach(self, variant);
	if (variant->where == HELD) {
		expect_success(_metadata, self, variant);
		return;
	}
	if (variant->where == ROOM) {
		ASSERT_EQ(0, fetch_by(stage->server, stage->id));
		wait_until_queued(stage, 1);
	}
	ASSERT_EQ(0, fetch_by(stage->server, stage->id));
	EXPECT_STREQ("request", stage->server->text);
	EXPECT_EQ(MBOX_GOT_REQUEST, stage->server->recv.got);
	EXPECT_EQ(0, stage->server->recv.token);
	EXPECT_EQ(ECANCELED, end_request(stage->caller));
	expect_quiet(_metadata, stage);
}

TEST_F(state, ends_when_the_request_is_read)
{
	struct stage *stage = &self->stage;
	struct puppet *reader = stage->worker;

	ASSERT_EQ(0, bind_by_id(stage->fd, stage->id));
	reach(self, variant);
	if (variant->where == HELD) {
		expect_success(_metadata, self, variant);
		return;
	}
	if (variant->where == ROOM)
		ASSERT_EQ(0, ask(reader, do_read));
	ASSERT_EQ(0, ask(reader, do_read));
	EXPECT_EQ(0, memcmp("request", reader->text, 7));
	EXPECT_EQ(ECANCELED, end_request(stage->caller));
	expect_quiet(_metadata, stage);
}

/* An old program, which knows no tokens. */
TEST_F(state, ends_when_the_request_is_received_by_a_program_without_tokens)
{
	struct stage *stage = &self->stage;
	struct mbox_recv old = { .id = stage->id, .stamp = POISON };
	unsigned int command = _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, _IOC_NR(MBOX_IOC_RECV),
				    offsetof(struct mbox_recv, stamp));

	reach(self, variant);
	if (variant->where == HELD) {
		expect_success(_metadata, self, variant);
		return;
	}
	old.buf = (uintptr_t)stage->worker->text;
	old.size = sizeof(stage->worker->text);
	if (variant->where == ROOM)
		ASSERT_EQ(0, fetch_by(stage->worker, stage->id));
	EXPECT_EQ(0, call_by(stage->worker, command, &old));
	EXPECT_EQ(7, old.len);
	EXPECT_EQ(POISON, old.stamp);
	EXPECT_EQ(ECANCELED, end_request(stage->caller));
	expect_quiet(_metadata, stage);
}

/* It is with whoever replies next that the mailbox has no more to do. */
TEST_F(state, goes_on_when_the_owner_changes_unless_that_had_it_as_the_owner)
{
	struct stage *stage = &self->stage;
	struct puppet *heir = new_puppet(stage->fd, OWNER, OWNER);

	/* Receiving is for the owner alone, and sending for all. */
	ASSERT_EQ(0, chmod_by(stage->server, stage->id, 0222));
	reach(self, variant);
	ASSERT_EQ(0, transfer_by(stage->server, stage->id, heir->pid, 0));
	if (variant->where == HELD) {
		EXPECT_EQ(EKEYREJECTED, end_request(stage->caller));
		expect_caller_gone(_metadata, stage->server, self->token);
		expect_quiet(_metadata, stage);
		return;
	}
	EXPECT_FALSE(is_done(stage->caller));
	stage->server = heir;
	expect_success(_metadata, self, variant);
}

/*
 * A mailbox that belongs to one process for good.
 */
FIXTURE(process_owned) {
	struct stage stage;
};

FIXTURE_VARIANT(process_owned) {
	enum where where;
	bool exits;
};

FIXTURE_VARIANT_ADD(process_owned, waiting_for_room) {
	.where = ROOM,
};

FIXTURE_VARIANT_ADD(process_owned, queued) {
	.where = QUEUED,
};

FIXTURE_VARIANT_ADD(process_owned, queued_when_it_exits) {
	.where = QUEUED, .exits = true,
};

FIXTURE_VARIANT_ADD(process_owned, at_a_rendezvous) {
	.where = RENDEZVOUS,
};

FIXTURE_VARIANT_ADD(process_owned, held) {
	.where = HELD,
};

FIXTURE_VARIANT_ADD(process_owned, held_when_it_exits) {
	.where = HELD, .exits = true,
};

FIXTURE_SETUP(process_owned)
{
	struct mbox_create attr = attributes(variant->where == RENDEZVOUS ? 0 : 1, SIZE);

	attr.flags = MBOX_CREATE_PROCESS;
	attr.mode = 0222;
	set_stage(&self->stage, attr);
	if (variant->where == ROOM)
		ASSERT_EQ(0, post(self->stage.fd, self->stage.id, "filler", 0));
	begin_request(self->stage.caller, self->stage.id, "request");
	if (variant->where != HELD)
		wait_for_senders(self->stage.fd, self->stage.id, 1);
}

FIXTURE_TEARDOWN(process_owned)
{
	clear_stage(&self->stage);
}

static void end_server(struct stage *stage, bool exits)
{
	if (exits)
		exit_puppet(stage->server);
	else
		NEED(kill_puppet(stage->server) == -SIGKILL);
}

TEST_F(process_owned, call_ends_with_the_owner)
{
	struct stage *stage = &self->stage;
	struct mbox_call how = { .id = stage->id };
	int error;

	if (variant->where == HELD)
		take(stage->server, stage->id);
	end_server(stage, variant->exits);
	error = end_request(stage->caller);
	/* Held: both has happened, the mailbox ended and the process that had it. */
	EXPECT_TRUE(error == EIDRM || (error == EOWNERDEAD && variant->where == HELD)) {
		TH_LOG("error %d", error);
	}
	EXPECT_EQ(EIDRM, request_as(stage->caller, how, "x"));
	WAIT_UNTIL(pays_nothing(stage->fd, STRANGER));
}

TEST_F(process_owned, call_that_was_handed_on_ends_with_the_owner)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	if (variant->where == ROOM)
		ASSERT_EQ(0, fetch_by(stage->server, stage->id));
	token = take(stage->server, stage->id);
	ASSERT_EQ(0, pass_by(stage->server, token, stage->worker->pid));
	end_server(stage, variant->exits);
	EXPECT_EQ(EIDRM, end_request(stage->caller));
	expect_caller_gone(_metadata, stage->worker, token);
}

TEST_F(process_owned, call_is_replied_to)
{
	struct stage *stage = &self->stage;
	uint64_t token;

	if (variant->where == ROOM)
		ASSERT_EQ(0, fetch_by(stage->server, stage->id));
	token = take(stage->server, stage->id);
	ASSERT_EQ(0, pass_by(stage->server, token, stage->worker->pid));
	EXPECT_EQ(0, reply_by(stage->worker, token, "reply"));
	expect_reply(_metadata, stage->caller, "reply");
	expect_quiet(_metadata, stage);
}

TEST_HARNESS_MAIN
