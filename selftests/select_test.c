// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which message: by tag, by sender, by least priority, and those that are only
 * looked at. In each case by priority, then first in first out, among those that
 * match.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#include <linux/sched.h>

#define SIZE 16

static int mailbox_for(uint64_t flags, uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.flags = flags;
	return mailbox(attr);
}

static int post_tagged(int fd, const char *text, uint64_t tag, uint32_t prio)
{
	struct mbox_send how = { .flags = MBOX_SEND_NONBLOCK, .tag = tag, .prio = prio };

	return send_as(fd, text, &how);
}

static int fetch_match(int fd, uint64_t match, struct letter *letter)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK,
		.match = match,
	};

	return receive_as(fd, how, letter);
}

static pid_t spawn_seeker(int fd, uint64_t match, struct letter *letter)
{
	struct mbox_recv how = { .flags = MBOX_RECV_MATCH, .match = match };

	return spawn_receiver_as(fd, how, letter);
}

/* The same in a thread, into that buffer. */
static struct task *start_seeking(int fd, uint64_t match, void *buf)
{
	struct task *task = calloc(1, sizeof(*task));

	NEED(task);
	task->fd = fd;
	task->command = MBOX_IOC_RECV;
	task->recv.flags = MBOX_RECV_MATCH;
	task->recv.match = match;
	task->recv.buf = (uintptr_t)buf;
	task->recv.size = SIZE;
	start_task(task);
	return task;
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

static void expect_match(struct __test_metadata *_metadata, int fd, uint64_t match,
			 const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch_match(fd, match, &letter));
	EXPECT_STREQ(text, letter.text);
}

/*
 * The order of messages as a few lines of C, and everything that can be done to
 * them, at random.
 */
struct model_msg {
	uint64_t seq;
	uint64_t key;
	uint32_t prio;
};

struct model {
	struct model_msg msgs[512];
	unsigned int nr;
	uint64_t seq;
};

/* Is it before the other for a receiver of that kind? */
static bool is_before(const struct model_msg *a, const struct model_msg *b, bool least)
{
	if (a->prio != b->prio)
		return least ? a->prio < b->prio : a->prio > b->prio;
	return a->seq < b->seq;
}

static struct model_msg *model_best(struct model *model, const struct mbox_recv *how)
{
	struct model_msg *best = NULL, *msg;

	for (msg = model->msgs; msg < model->msgs + model->nr; msg++) {
		if (how->flags & MBOX_RECV_MATCH && msg->key != how->match)
			continue;
		if (!best || is_before(msg, best, how->flags & MBOX_RECV_LEAST))
			best = msg;
	}
	return best;
}

/* The one behind so many others. */
static struct model_msg *model_nth(struct model *model, uint32_t nth)
{
	struct model_msg *msg, *other;

	for (msg = model->msgs; msg < model->msgs + model->nr; msg++) {
		uint32_t before = 0;

		for (other = model->msgs; other < model->msgs + model->nr; other++)
			before += is_before(other, msg, false);
		if (before == nth)
			return msg;
	}
	return NULL;
}

static void model_remove(struct model *model, struct model_msg *msg)
{
	*msg = model->msgs[--model->nr];
}

FIXTURE(model) {
	int fd;
	void *nowhere;
	struct model *model;
};

FIXTURE_VARIANT(model) {
	uint64_t flags;
	uint32_t msgs;
	uint32_t most;		/* messages at a time */
	uint32_t keys;
	uint32_t ops;
};

FIXTURE_VARIANT_ADD(model, without_keys) {
	.msgs = 60, .most = 60, .keys = 1, .ops = 1500,
};

FIXTURE_VARIANT_ADD(model, of_a_few_tags) {
	.flags = MBOX_CREATE_BY_TAG, .msgs = 60, .most = 60, .keys = 3, .ops = 2500,
};

FIXTURE_VARIANT_ADD(model, of_many_tags) {
	.flags = MBOX_CREATE_BY_TAG, .msgs = 500, .most = 500, .keys = 200, .ops = 3000,
};

FIXTURE_VARIANT_ADD(model, of_tags_without_bound) {
	.flags = MBOX_CREATE_BY_TAG, .msgs = MBOX_UNBOUNDED, .most = 200, .keys = 20,
	.ops = 1500,
};

FIXTURE_VARIANT_ADD(model, of_tags_in_reserved_buffers) {
	.flags = MBOX_CREATE_BY_TAG | MBOX_CREATE_RESERVE, .msgs = 40, .most = 40, .keys = 4,
	.ops = 1500,
};

FIXTURE_VARIANT_ADD(model, of_senders) {
	.flags = MBOX_CREATE_BY_SENDER, .msgs = 60, .most = 60, .keys = 4, .ops = 1200,
};

FIXTURE_SETUP(model)
{
	begin();
	srand(4);
	self->fd = mailbox((struct mbox_create){
		.flags = variant->flags,
		.max_msgs = variant->msgs,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_size = SIZE,
		.mode = 0600,
	});
	self->nowhere = unmapped();
	self->model = calloc(1, sizeof(*self->model));
	ASSERT_NE(NULL, self->model);
}

FIXTURE_TEARDOWN(model)
{
	sweep();
	free(self->model);
}

/* A child that sends what it is told to. */
struct agent {
	pid_t pid;
	struct order {
		uint32_t turn;
		uint32_t prio;
	} *order;
};

static void obey(int fd, struct order *order)
{
	for (;;) {
		while (told(&order->turn) != 1)
			sched_yield();
		NEED(!post(fd, 0, "text", order->prio));
		tell(&order->turn, 0);
	}
}

static struct agent spawn_agent(int fd)
{
	struct agent agent = { .order = shared(sizeof(*agent.order)) };

	agent.pid = spawn();
	if (!agent.pid)
		obey(fd, agent.order);
	return agent;
}

static void let_send(const struct agent *agent, uint32_t prio)
{
	agent->order->prio = prio;
	tell(&agent->order->turn, 1);
	while (told(&agent->order->turn))
		sched_yield();
}

static void random_send(int fd, struct model *model, uint64_t key, const struct agent *agent)
{
	uint32_t prio = rand() % 4 ? rand() % 3 : rand() % 32;

	if (agent)
		let_send(agent, prio);
	else
		NEED(!post_tagged(fd, "text", key, prio));
	model->msgs[model->nr++] = (struct model_msg){
		.seq = ++model->seq,
		.key = key,
		.prio = prio,
	};
}

static void expect_this(struct __test_metadata *_metadata, const struct letter *letter,
			const struct model_msg *msg, bool by_sender)
{
	ASSERT_EQ(msg->seq, letter->env.seq);
	ASSERT_EQ(msg->prio, letter->env.prio);
	ASSERT_EQ(msg->key, by_sender ? (uint64_t)letter->env.pid : letter->env.tag);
	ASSERT_STREQ("text", letter->text);
}

/* In one of all ways to receive, to look, or to fail to. */
static void random_receive(struct __test_metadata *_metadata, int fd,
			   const FIXTURE_VARIANT(model) *variant, struct model *model,
			   uint64_t key, void *nowhere)
{
	struct mbox_recv how = { .match = key };
	struct model_msg *expected;
	struct letter letter;
	int error, what = rand() % 4;

	if (variant->flags & (MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER))
		how.flags |= rand() % 2 ? MBOX_RECV_MATCH : 0;
	how.flags |= rand() % 2 ? MBOX_RECV_LEAST : 0;
	expected = model_best(model, &how);
	how.flags |= MBOX_RECV_NONBLOCK;
	if (what == 0) {
		error = receive_into(fd, 0, nowhere, SIZE, MBOX_RECV_NONBLOCK, 0, &letter.env);
		ASSERT_EQ(model->nr ? EFAULT : EAGAIN, error);
		how.buf = (uintptr_t)nowhere;
		how.size = SIZE;
		ASSERT_EQ(expected ? EFAULT : EAGAIN, call(fd, MBOX_IOC_RECV, &how));
		return;
	}
	if (what == 1) {
		how.size = 3;
		ASSERT_EQ(expected ? EMSGSIZE : EAGAIN, call(fd, MBOX_IOC_RECV, &how));
		return;
	}
	how.flags |= what == 2 ? MBOX_RECV_PEEK : 0;
	ASSERT_EQ(expected ? 0 : EAGAIN, receive_as(fd, how, &letter));
	if (!expected)
		return;
	expect_this(_metadata, &letter, expected, variant->flags & MBOX_CREATE_BY_SENDER);
	if (what == 3)
		model_remove(model, expected);
}

static void random_look(struct __test_metadata *_metadata, int fd,
			const FIXTURE_VARIANT(model) *variant, struct model *model)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK };
	struct model_msg *expected;
	struct letter letter;

	how.nth = rand() % (MBOX_PEEK_MAX + 1);
	expected = model_nth(model, how.nth);
	ASSERT_EQ(expected ? 0 : EAGAIN, receive_as(fd, how, &letter));
	if (expected)
		expect_this(_metadata, &letter, expected, variant->flags & MBOX_CREATE_BY_SENDER);
}

TEST_F(model, and_mailbox_agree_on_every_message)
{
	struct agent agents[4] = { };
	bool by_sender = variant->flags & MBOX_CREATE_BY_SENDER, grow = true;
	uint64_t keys[200];
	uint32_t i;

	for (i = 0; i < variant->keys; i++) {
		if (by_sender)
			agents[i] = spawn_agent(self->fd);
		keys[i] = by_sender ? (uint64_t)agents[i].pid : i * 0x100000001ULL;
	}
	for (i = 0; i < variant->ops; i++) {
		uint32_t k = rand() % variant->keys;

		if (self->model->nr == variant->most || !self->model->nr)
			grow = !self->model->nr;
		if (self->model->nr < variant->most && rand() % 8 < (grow ? 5 : 1))
			random_send(self->fd, self->model, keys[k], by_sender ? &agents[k] : NULL);
		else if (rand() % 8)
			random_receive(_metadata, self->fd, variant, self->model, keys[k],
				       self->nowhere);
		else
			random_look(_metadata, self->fd, variant, self->model);
		if (i % 16 == 0)
			ASSERT_EQ(self->model->nr, state(self->fd, 0).msgs);
	}
	EXPECT_EQ(self->model->seq, state(self->fd, 0).sent);
	EXPECT_EQ(self->model->seq - self->model->nr, state(self->fd, 0).received);
	for (i = 0; by_sender && i < variant->keys; i++)
		end(agents[i].pid);
}

/*
 * By tag.
 */
FIXTURE(tag) {
	int fd;
	struct letter *letters;
};

FIXTURE_SETUP(tag)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(MBOX_CREATE_BY_TAG, 8);
	self->letters = shared(8 * sizeof(*self->letters));
}

FIXTURE_TEARDOWN(tag)
{
	sweep();
}

TEST_F(tag, may_be_any_number)
{
	static const uint64_t tags[] = { 0, 1, 1ULL << 32, INT64_MAX, UINT64_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tags); i++)
		ASSERT_EQ(0, post_tagged(self->fd, "text", tags[i], 0));
	for (i = ARRAY_SIZE(tags); i-- > 0;) {
		ASSERT_EQ(0, fetch_match(self->fd, tags[i], self->letters));
		EXPECT_EQ(tags[i], self->letters->env.tag);
		EXPECT_EQ(i + 1, self->letters->env.seq);
		EXPECT_EQ(EAGAIN, fetch_match(self->fd, tags[i], self->letters));
	}
}

TEST_F(tag, is_waited_for_while_others_are_there)
{
	pid_t seeker;

	ASSERT_EQ(0, post_tagged(self->fd, "1", 1, 31));
	seeker = spawn_seeker(self->fd, 7, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post_tagged(self->fd, "2", 2, 31));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	ASSERT_EQ(0, post_tagged(self->fd, "7", 7, 0));
	EXPECT_EQ(0, join(seeker));
	EXPECT_STREQ("7", self->letters[0].text);
	EXPECT_EQ(7, self->letters[0].env.tag);
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	expect_next(_metadata, self->fd, "1");
	expect_next(_metadata, self->fd, "2");
}

TEST_F(tag, is_served_to_the_one_that_waits_for_it)
{
	static const char *const texts[] = { "0", "1", "2", "3", "4", "5" };
	pid_t seekers[6];
	unsigned int i;

	for (i = 0; i < 6; i++) {
		seekers[i] = spawn_seeker(self->fd, i, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	for (i = 6; i-- > 0;) {
		ASSERT_EQ(0, post_tagged(self->fd, texts[i], i, 0));
		EXPECT_EQ(0, join(seekers[i]));
		EXPECT_STREQ(texts[i], self->letters[i].text);
		EXPECT_EQ(i, state(self->fd, 0).receivers);
	}
}

TEST_F(tag, is_served_by_arrival_to_those_who_look_for_it_or_for_anything)
{
	/* What they wait for, and who gets which message: 0 is anything. */
	static const uint64_t wants[] = { 7, 0, 7, 8, 0 };
	static const struct {
		uint64_t tag;
		unsigned int receiver;
	} messages[] = { { 8, 1 }, { 8, 3 }, { 7, 0 }, { 7, 2 }, { 8, 4 } };
	pid_t pids[5];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		pids[i] = wants[i] ? spawn_seeker(self->fd, wants[i], &self->letters[i]) :
				     spawn_receiver(self->fd, 0, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	for (i = 0; i < 5; i++) {
		unsigned int receiver = messages[i].receiver;

		ASSERT_EQ(0, post_tagged(self->fd, "text", messages[i].tag, 0));
		EXPECT_EQ(0, join(pids[receiver]));
		EXPECT_EQ(i + 1, self->letters[receiver].env.seq);
	}
}

TEST_F(tag, goes_on_to_the_next_when_a_buffer_is_too_small)
{
	struct mbox_recv how = { .flags = MBOX_RECV_MATCH, .match = 7, .size = 3 };
	struct task *small = calloc(1, sizeof(*small));
	pid_t next;
	char buf[3];

	ASSERT_NE(NULL, small);
	small->fd = self->fd;
	small->command = MBOX_IOC_RECV;
	small->recv = how;
	small->recv.buf = (uintptr_t)buf;
	start_task(small);
	wait_for_receivers(self->fd, 0, 1);
	next = spawn_seeker(self->fd, 7, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 2);
	ASSERT_EQ(0, post_tagged(self->fd, "long", 7, 0));
	EXPECT_EQ(EMSGSIZE, finish(small));
	EXPECT_EQ(0, join(next));
	EXPECT_STREQ("long", self->letters[0].text);
}

TEST_F(tag, that_somebody_gave_up_to_wait_for_stays_for_others)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_MATCH | MBOX_RECV_TIMEOUT,
		.match = 7,
		.deadline = now() + 30 * MSEC,
	};
	pid_t seekers[3];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		seekers[i] = spawn_seeker(self->fd, 7, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	ASSERT_EQ(0, kill(seekers[0], SIGUSR1));
	EXPECT_EQ(EINTR, join(seekers[0]));
	EXPECT_EQ(ETIMEDOUT, receive_as(self->fd, how, &self->letters[2]));
	how.deadline = 0;
	EXPECT_EQ(ETIMEDOUT, receive_as(self->fd, how, &self->letters[2]));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	ASSERT_EQ(0, post_tagged(self->fd, "1", 7, 0));
	EXPECT_EQ(0, join(seekers[1]));
	ASSERT_EQ(0, post_tagged(self->fd, "2", 7, 0));
	EXPECT_EQ(0, receive_as(self->fd, how, &self->letters[2]));
	EXPECT_STREQ("2", self->letters[2].text);
}

TEST_F(tag, is_not_waited_for_any_more_when_the_mailbox_is_deleted)
{
	pid_t seekers[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		seekers[i] = spawn_seeker(self->fd, 7 * i, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(EIDRM, join(seekers[i]));
}

/* Selection sees what was accepted. */
TEST_F(tag, of_a_sender_that_waits_for_room_is_not_seen)
{
	struct mbox_send how = { .tag = 7 };
	pid_t sender;
	unsigned int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, post_tagged(self->fd, "x", 1, 0));
	sender = spawn_sender_as(self->fd, "text", &how);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(EAGAIN, fetch_match(self->fd, 7, self->letters));
	expect_match(_metadata, self->fd, 1, "x");
	EXPECT_EQ(0, join(sender));
	expect_match(_metadata, self->fd, 7, "text");
}

TEST_F(tag, of_a_sender_at_a_rendezvous_is_seen)
{
	struct mbox_send *how = shared(3 * sizeof(*how));
	int fd = mailbox_for(MBOX_CREATE_BY_TAG, 0);
	pid_t senders[3], seeker;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		how[i].tag = i;
		senders[i] = spawn_sender_as(fd, "text", &how[i]);
		wait_for_senders(fd, 0, i + 1);
	}
	expect_match(_metadata, fd, 1, "text");
	EXPECT_EQ(0, join(senders[1]));
	EXPECT_EQ(getpid(), how[1].receiver);
	EXPECT_EQ(EAGAIN, fetch_match(fd, 1, self->letters));
	expect_next(_metadata, fd, "text");
	EXPECT_EQ(0, join(senders[0]));
	expect_match(_metadata, fd, 2, "text");
	EXPECT_EQ(0, join(senders[2]));

	seeker = spawn_seeker(fd, 7, self->letters);
	wait_for_receivers(fd, 0, 1);
	EXPECT_EQ(EAGAIN, post_tagged(fd, "other", 6, 0));
	EXPECT_EQ(0, post_tagged(fd, "this", 7, 0));
	EXPECT_EQ(0, join(seeker));
	EXPECT_STREQ("this", self->letters->text);
}

/*
 * Somebody took b2 out of the middle of [a1 b1 a2 b2 a3 b3] and stalls. What he
 * fails to take goes back there, in the order of all and in that of its tag.
 */
TEST_F(tag, goes_back_to_the_middle)
{
	static const char *const all[] = { "a1", "b1", "a2", "b2", "a3", "b3" };
	struct stall stall = new_stall();
	struct task *task;
	unsigned int i;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, post_tagged(self->fd, all[i], all[i][0], 1));
	expect_match(_metadata, self->fd, 'b', "b1");
	task = start_seeking(self->fd, 'b', stall.page);
	wait_for_stall(&stall);
	ASSERT_EQ(0, post_tagged(self->fd, "b0", 'b', 0));
	ASSERT_EQ(0, post_tagged(self->fd, "b9", 'b', 9));
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(task));

	expect_match(_metadata, self->fd, 'b', "b9");
	expect_match(_metadata, self->fd, 'a', "a1");
	expect_next(_metadata, self->fd, "a2");
	expect_match(_metadata, self->fd, 'b', "b2");
	expect_next(_metadata, self->fd, "a3");
	expect_match(_metadata, self->fd, 'b', "b3");
	expect_next(_metadata, self->fd, "b0");
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

/* Those before it in its tag are there again, those behind it are there still. */
TEST_F(tag, goes_back_between_others_of_its_tag)
{
	static const char *const all[] = { "a1", "a2", "a3", "a4" };
	struct stall stalls[2] = { new_stall(), new_stall() };
	struct task *tasks[2];
	unsigned int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, post_tagged(self->fd, all[i], 'a', 1));
	for (i = 0; i < 2; i++) {
		tasks[i] = start_seeking(self->fd, 'a', stalls[i].page);
		wait_for_stall(&stalls[i]);
	}
	for (i = 0; i < 2; i++) {
		fail_stall(&stalls[i]);
		EXPECT_EQ(EFAULT, finish(tasks[i]));
	}
	for (i = 0; i < 4; i++)
		expect_match(_metadata, self->fd, 'a', all[i]);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(tag, that_goes_back_is_served_to_whoever_came_meanwhile)
{
	struct stall stall = new_stall();
	struct task *task = start_receiving(self->fd, stall.page, SIZE);
	pid_t other, seeker;

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post_tagged(self->fd, "text", 7, 0));
	wait_for_stall(&stall);
	other = spawn_seeker(self->fd, 8, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	seeker = spawn_seeker(self->fd, 7, &self->letters[1]);
	wait_for_receivers(self->fd, 0, 2);
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(task));
	EXPECT_EQ(0, join(seeker));
	EXPECT_STREQ("text", self->letters[1].text);
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	end(other);
}

FIXTURE(refused) {
	int fd;
};

FIXTURE_VARIANT(refused) {
	uint64_t flags;
	int error;		/* of a match */
};

FIXTURE_VARIANT_ADD(refused, without_keys) {
	.flags = 0, .error = EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(refused, by_tag) {
	.flags = MBOX_CREATE_BY_TAG, .error = EAGAIN,
};

FIXTURE_VARIANT_ADD(refused, by_sender) {
	.flags = MBOX_CREATE_BY_SENDER, .error = ESRCH,
};

FIXTURE_SETUP(refused)
{
	begin();
	self->fd = mailbox_for(variant->flags, 8);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
}

FIXTURE_TEARDOWN(refused)
{
	sweep();
}

TEST_F(refused, is_a_match_that_the_mailbox_was_not_created_for)
{
	static const uint64_t nobody[] = {
		0, 4194304, INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32, UINT64_MAX,
	};
	struct mbox_stat stat = state(self->fd, 0);
	struct letter letter;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nobody); i++) {
		struct mbox_recv how = { .flags = MBOX_RECV_MATCH, .match = nobody[i] };

		/* The only message is of tag 0. */
		if (variant->error == EAGAIN && !nobody[i])
			continue;
		EXPECT_EQ(variant->error, fetch_match(self->fd, nobody[i], &letter));
		if (variant->error == EAGAIN)
			continue;
		EXPECT_EQ(variant->error, receive_as(self->fd, how, &letter));
		how.flags |= MBOX_RECV_PEEK | MBOX_RECV_LEAST | MBOX_RECV_TIMEOUT;
		EXPECT_EQ(variant->error, receive_as(self->fd, how, &letter));
	}
	/* Numbers that are a process's but for what is above an int. */
	if (variant->error == ESRCH)
		EXPECT_EQ(ESRCH, fetch_match(self->fd, getpid() | 1ULL << 32, &letter));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(refused, is_a_look_that_means_nothing)
{
	static const struct mbox_recv looks[] = {
		{ .nth = 1 },
		{ .nth = 1, .flags = MBOX_RECV_TRUNCATE },
		{ .nth = MBOX_PEEK_MAX + 1, .flags = MBOX_RECV_PEEK },
		{ .nth = UINT32_MAX, .flags = MBOX_RECV_PEEK },
		{ .nth = 1, .flags = MBOX_RECV_PEEK | MBOX_RECV_LEAST },
		{ .nth = 1, .flags = MBOX_RECV_PEEK | MBOX_RECV_MATCH },
	};
	struct mbox_stat stat = state(self->fd, 0);
	struct letter letter;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(looks); i++)
		EXPECT_EQ(EINVAL, receive_as(self->fd, looks[i], &letter));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(refused, is_no_receive_of_the_least_priority)
{
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "9", 9));
	ASSERT_EQ(0, receive(self->fd, 0, MBOX_RECV_LEAST | MBOX_RECV_PEEK, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	ASSERT_EQ(0, receive(self->fd, 0, MBOX_RECV_LEAST, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	ASSERT_EQ(0, receive(self->fd, 0, MBOX_RECV_LEAST, 0, &letter));
	EXPECT_STREQ("9", letter.text);
}

/*
 * By sender.
 */
FIXTURE(from) {
	int fd;
	struct letter *letters;
};

FIXTURE_SETUP(from)
{
	begin();
	self->fd = mailbox_for(MBOX_CREATE_BY_SENDER, 8);
	self->letters = shared(4 * sizeof(*self->letters));
}

FIXTURE_TEARDOWN(from)
{
	sweep();
}

/* A child that sends, tells so, and lives until it is ended. */
static pid_t spawn_sender_that_stays(int fd, const char *text)
{
	uint32_t *sent = shared(sizeof(*sent));
	pid_t child = spawn();

	if (!child) {
		NEED(!post(fd, 0, text, 0));
		tell(sent, 1);
		for (;;)
			pause();
	}
	WAIT_UNTIL(told(sent));
	return child;
}

TEST_F(from, one_process_is_not_from_another)
{
	pid_t a = spawn_sender_that_stays(self->fd, "a");
	pid_t b = spawn_sender_that_stays(self->fd, "b");

	ASSERT_EQ(0, post(self->fd, 0, "mine", 31));
	expect_match(_metadata, self->fd, b, "b");
	EXPECT_EQ(EAGAIN, fetch_match(self->fd, b, self->letters));
	expect_match(_metadata, self->fd, getpid(), "mine");
	expect_match(_metadata, self->fd, a, "a");
	/* Tags have no say in it. */
	ASSERT_EQ(0, post_tagged(self->fd, "tagged", a, 0));
	EXPECT_EQ(EAGAIN, fetch_match(self->fd, a, self->letters));
	end(a);
	end(b);
}

static void *send_from_a_thread(void *data)
{
	NEED(!post(*(int *)data, 0, "text", 0));
	return NULL;
}

static void *wait_in_a_thread(void *data)
{
	tell(data, syscall(SYS_gettid));
	for (;;)
		pause();
	return NULL;
}

TEST_F(from, a_process_are_the_messages_of_its_threads)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, send_from_a_thread, &self->fd));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	expect_match(_metadata, self->fd, getpid(), "text");
}

TEST_F(from, a_thread_there_is_nothing_for_it_is_no_process)
{
	uint32_t tid = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_in_a_thread, &tid));
	WAIT_UNTIL(told(&tid));
	EXPECT_EQ(ESRCH, fetch_match(self->fd, told(&tid), self->letters));
}

TEST_F(from, a_process_is_waited_for_while_others_send)
{
	uint32_t *go = shared(sizeof(*go));
	pid_t sender = spawn(), seeker;

	if (!sender) {
		WAIT_UNTIL(told(go));
		_exit(post(self->fd, 0, "this", 0));
	}
	seeker = spawn_seeker(self->fd, sender, self->letters);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "other", 31));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	tell(go, 1);
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, join(seeker));
	EXPECT_STREQ("this", self->letters->text);
	EXPECT_EQ(sender, self->letters->env.pid);
	expect_next(_metadata, self->fd, "other");
}

TEST_F(from, a_process_that_has_ended_is_ESRCH_once_it_is_reaped)
{
	pid_t sender = spawn();
	siginfo_t info;

	if (!sender) {
		NEED(!post(self->fd, 0, "1", 0));
		_exit(post(self->fd, 0, "2", 0));
	}
	ASSERT_EQ(0, waitid(P_PID, sender, &info, WEXITED | WNOWAIT));
	expect_match(_metadata, self->fd, sender, "1");
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(ESRCH, fetch_match(self->fd, sender, self->letters));
	/* It is there for whoever takes any. */
	expect_next(_metadata, self->fd, "2");
}

/* A child with a number of one's choice; -1 if the kernel cannot. */
static pid_t spawn_with_pid(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));

	if (!child)
		NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	return child;
}

TEST_F(from, a_process_are_no_messages_of_another_that_had_its_number)
{
	pid_t first = spawn(), second;

	if (!first)
		_exit(post(self->fd, 0, "first", 31));
	EXPECT_EQ(0, join(first));
	second = spawn_with_pid(first);
	if (second < 0)
		SKIP(return, "no process can be given a number");
	if (!second) {
		NEED(!post(self->fd, 0, "second", 0));
		for (;;)
			pause();
	}
	ASSERT_EQ(first, second);
	WAIT_UNTIL(state(self->fd, 0).msgs == 2);
	expect_match(_metadata, self->fd, second, "second");
	EXPECT_EQ(EAGAIN, fetch_match(self->fd, second, self->letters));
	ASSERT_EQ(0, fetch(self->fd, 0, self->letters));
	EXPECT_STREQ("first", self->letters->text);
	end(second);
}

TEST_F(from, a_process_by_its_number_in_the_pid_namespace_of_the_receiver)
{
	pid_t init = spawn_as_first();

	if (!init) {
		pid_t sender = spawn_sender_that_stays(self->fd, "inside");

		NEED(!fetch_match(self->fd, sender, &self->letters[0]));
		NEED(self->letters[0].env.pid == sender);
		NEED(!post(self->fd, 0, "outside", 0));
		for (;;)
			pause();
	}
	WAIT_UNTIL(state(self->fd, 0).sent == 2 && state(self->fd, 0).received == 1);
	EXPECT_STREQ("inside", self->letters[0].text);
	expect_match(_metadata, self->fd, init, "outside");
	end(init);
}

TEST_F(from, a_process_outside_the_pid_namespace_is_nobody)
{
	pid_t init = spawn_as_first();

	/* No process inside has that number. */
	if (!init)
		_exit(fetch_match(self->fd, getpid() + 1000, self->letters));
	EXPECT_EQ(ESRCH, join(init));
}

/*
 * Looking.
 */
FIXTURE(look) {
	int fd;
	struct letter *letters;
};

FIXTURE_SETUP(look)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(MBOX_CREATE_BY_TAG, 70);
	self->letters = shared(4 * sizeof(*self->letters));
}

FIXTURE_TEARDOWN(look)
{
	sweep();
}

TEST_F(look, at_the_nth_is_at_each_from_the_first_to_the_64th)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK };
	struct mbox_stat stat;
	struct letter letter;
	uint64_t seqs[70];
	unsigned int i;

	for (i = 0; i < 70; i++)
		ASSERT_EQ(0, post_tagged(self->fd, "text", 0, i * 13 % 7));
	stat = state(self->fd, 0);
	for (i = 0; i <= MBOX_PEEK_MAX; i++) {
		how.nth = i;
		ASSERT_EQ(0, receive_as(self->fd, how, &letter));
		seqs[i] = letter.env.seq;
		EXPECT_STREQ("text", letter.text);
		EXPECT_EQ(stat.id, letter.env.from);
		EXPECT_EQ(getpid(), letter.env.pid);
	}
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	for (i = 0; i <= MBOX_PEEK_MAX; i++) {
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		EXPECT_EQ(seqs[i], letter.env.seq);
	}
}

TEST_F(look, at_one_that_is_not_there_never_waits)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK, .nth = 2 };
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	EXPECT_EQ(EAGAIN, receive_as(self->fd, how, &letter));
	how.flags |= MBOX_RECV_TIMEOUT;
	how.deadline = INT64_MAX;
	EXPECT_EQ(EAGAIN, receive_as(self->fd, how, &letter));
	how.nth = 1;
	EXPECT_EQ(0, receive_as(self->fd, how, &letter));
	EXPECT_STREQ("2", letter.text);
}

TEST_F(look, at_a_later_one_with_too_small_a_buffer_tells_its_length)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK, .nth = 1, .size = 3 };
	struct mbox_stat stat;
	char buf[4] = "???";

	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "four", 0));
	stat = state(self->fd, 0);
	how.buf = (uintptr_t)buf;
	poison_envelope(&how);
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_EQ(4, how.len);
	EXPECT_EQ(stat.id, how.from);
	how.flags |= MBOX_RECV_TRUNCATE;
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_STREQ("fou", buf);
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(look, waits_for_a_message_and_leaves_it)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK };
	pid_t looker = spawn_receiver_as(self->fd, how, &self->letters[0]);

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, join(looker));
	EXPECT_STREQ("text", self->letters[0].text);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	EXPECT_EQ(0, state(self->fd, 0).received);
	expect_next(_metadata, self->fd, "text");
}

TEST_F(look, of_several_before_one_receives_sees_the_same_message)
{
	struct mbox_recv any = { .flags = MBOX_RECV_PEEK };
	struct mbox_recv tagged = { .flags = MBOX_RECV_PEEK | MBOX_RECV_MATCH, .match = 7 };
	struct mbox_recv least = { .flags = MBOX_RECV_PEEK | MBOX_RECV_LEAST };
	pid_t pids[4];
	unsigned int i;

	pids[0] = spawn_receiver_as(self->fd, any, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	pids[1] = spawn_receiver_as(self->fd, tagged, &self->letters[1]);
	wait_for_receivers(self->fd, 0, 2);
	pids[2] = spawn_receiver_as(self->fd, least, &self->letters[2]);
	wait_for_receivers(self->fd, 0, 3);
	pids[3] = spawn_receiver(self->fd, 0, &self->letters[3]);
	wait_for_receivers(self->fd, 0, 4);
	ASSERT_EQ(0, post_tagged(self->fd, "text", 7, 0));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, join(pids[i]));
		EXPECT_STREQ("text", self->letters[i].text);
		EXPECT_EQ(1, self->letters[i].env.seq);
	}
	EXPECT_EQ(1, state(self->fd, 0).received);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(look, with_a_bad_buffer_changes_nothing)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK, .size = SIZE };
	struct mbox_stat stat;

	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	stat = state(self->fd, 0);
	how.buf = (uintptr_t)unmapped();
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &how));
	how.nth = 1;
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	expect_next(_metadata, self->fd, "1");
	expect_next(_metadata, self->fd, "2");
}

/* He sees it although it is received, and its sender released, meanwhile. */
TEST_F(look, that_stalls_still_sees_a_message_that_is_gone)
{
	struct stall stall = new_stall();
	struct task *looker = calloc(1, sizeof(*looker));

	ASSERT_NE(NULL, looker);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	looker->fd = self->fd;
	looker->command = MBOX_IOC_RECV;
	looker->recv.flags = MBOX_RECV_PEEK;
	looker->recv.buf = (uintptr_t)stall.page;
	looker->recv.size = SIZE;
	start_task(looker);
	wait_for_stall(&stall);
	expect_next(_metadata, self->fd, "text");
	EXPECT_EQ(0, delete(self->fd, 0));
	release_stall(&stall);
	EXPECT_EQ(0, finish(looker));
	EXPECT_EQ(0, memcmp("text", stall.page, 4));
}

/*
 * Many at once: each receiver sees the messages of one tag, sender and priority
 * in their order.
 */
#define SENDERS	3
#define SEEKERS	4
#define TAGS	3
#define EACH	400

struct parcel {
	uint32_t sender;
	uint32_t number;
};

FIXTURE(race) {
	int fd;
	unsigned int (*received)[EACH];
	void *nowhere;
};

FIXTURE_VARIANT(race) {
	uint32_t msgs;
	bool faults;
};

FIXTURE_VARIANT_ADD(race, for_much_room) {
	.msgs = 1000,
};

FIXTURE_VARIANT_ADD(race, at_a_rendezvous) {
	.msgs = 0,
};

FIXTURE_VARIANT_ADD(race, with_faults) {
	.msgs = 10, .faults = true,
};

FIXTURE_SETUP(race)
{
	begin();
	self->fd = mailbox_for(MBOX_CREATE_BY_TAG, variant->msgs);
	self->received = shared(SENDERS * sizeof(*self->received));
	self->nowhere = unmapped();
}

FIXTURE_TEARDOWN(race)
{
	sweep();
}

static int be_sender(int fd, uint32_t sender)
{
	struct parcel parcel = { .sender = sender };
	int error = 0;

	srand(sender);
	for (; parcel.number < EACH && !error; parcel.number++) {
		struct mbox_send how = {
			.buf = (uintptr_t)&parcel,
			.len = sizeof(parcel),
			.tag = rand() % TAGS,
			.prio = rand() % 2,
			.flags = rand() % 2 ? MBOX_SEND_SYNC : 0,
		};

		error = call(fd, MBOX_IOC_SEND, &how);
	}
	return error;
}

/* The last one takes any: so no message is left that nobody looks for. */
static int be_seeker(int fd, uint32_t seeker, bool faults, unsigned int (*received)[EACH],
		     void *nowhere)
{
	uint32_t next[SENDERS][TAGS][2] = { };
	struct parcel parcel;
	int error = 0;

	srand(seeker + 100);
	while (!error || error == EFAULT) {
		struct mbox_recv how = {
			.flags = seeker < TAGS ? MBOX_RECV_MATCH : 0,
			.match = seeker,
			.buf = (uintptr_t)&parcel,
			.size = sizeof(parcel),
		};
		uint32_t *expected;

		how.flags |= rand() % 3 ? 0 : MBOX_RECV_LEAST;
		if (faults && rand() % 4 == 0)
			how.buf = (uintptr_t)nowhere;
		error = call(fd, MBOX_IOC_RECV, &how);
		if (error)
			continue;
		NEED(how.len == sizeof(parcel) && parcel.sender < SENDERS);
		NEED(seeker >= TAGS || how.tag == seeker);
		expected = &next[parcel.sender][how.tag][how.prio];
		NEED(faults || parcel.number >= *expected);
		*expected = parcel.number + 1;
		__atomic_add_fetch(&received[parcel.sender][parcel.number], 1, __ATOMIC_SEQ_CST);
	}
	return error;
}

/* A receive that is yet to fault counts as received: so ask the receivers. */
static unsigned int received_by_all(unsigned int (*received)[EACH])
{
	unsigned int sum = 0, i, number;

	for (i = 0; i < SENDERS; i++)
		for (number = 0; number < EACH; number++)
			sum += __atomic_load_n(&received[i][number], __ATOMIC_SEQ_CST);
	return sum;
}

TEST_F(race, loses_and_doubles_nothing_and_keeps_the_order)
{
	pid_t senders[SENDERS], seekers[SEEKERS];
	uint32_t i, number;

	for (i = 0; i < SEEKERS; i++) {
		seekers[i] = spawn();
		if (!seekers[i])
			_exit(be_seeker(self->fd, i, variant->faults, self->received,
					self->nowhere));
	}
	for (i = 0; i < SENDERS; i++) {
		senders[i] = spawn();
		if (!senders[i])
			_exit(be_sender(self->fd, i));
	}
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, join(senders[i]));
	WAIT_UNTIL(received_by_all(self->received) == SENDERS * EACH);
	EXPECT_EQ(SENDERS * EACH, state(self->fd, 0).sent);
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < SEEKERS; i++)
		EXPECT_EQ(EIDRM, join(seekers[i]));
	for (i = 0; i < SENDERS; i++)
		for (number = 0; number < EACH; number++)
			ASSERT_EQ(1, self->received[i][number]);
}

TEST_HARNESS_MAIN
