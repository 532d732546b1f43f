// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Choice: one receive from whichever of several mailboxes has a message first;
 * rendezvous among them; one message, no more; fair; and nothing stays behind in
 * the others.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define SIZE 16
#define HOUR (3600000 * MSEC)

/* Receive by choice as @how says beyond that. */
static int choose_as(int fd, const uint64_t *ids, uint32_t nr, struct mbox_recv how,
		     struct letter *letter)
{
	how.flags |= MBOX_RECV_CHOICE;
	how.ids = (uintptr_t)ids;
	how.nr_ids = nr;
	return receive_as(fd, how, letter);
}

static int choose(int fd, const uint64_t *ids, uint32_t nr, uint64_t flags, uint64_t deadline,
		  struct letter *letter)
{
	struct mbox_recv how = { .flags = flags, .deadline = deadline };

	return choose_as(fd, ids, nr, how, letter);
}

static int choose_now(int fd, const uint64_t *ids, uint32_t nr, struct letter *letter)
{
	return choose(fd, ids, nr, MBOX_RECV_NONBLOCK, 0, letter);
}

static pid_t spawn_chooser(int fd, const uint64_t *ids, uint32_t nr, uint64_t flags,
			   struct letter *letter)
{
	pid_t child = spawn();

	if (!child)
		_exit(choose(fd, ids, nr, flags, 0, letter));
	return child;
}

static uint32_t receivers(int fd, const uint64_t *ids, uint32_t nr)
{
	uint32_t sum = 0, i;

	for (i = 0; i < nr; i++)
		sum += state(fd, ids[i]).receivers;
	return sum;
}

/* Until each has another receiver; the last one is joined last. */
static void wait_for_choice(int fd, const uint64_t *ids, uint32_t nr)
{
	WAIT_UNTIL(receivers(fd, ids, nr) == nr);
}

/*
 * Mailboxes in number, each other one a rendezvous if they are mixed. Then a
 * sender is a child that waits.
 */
FIXTURE(choice) {
	int fd;
	uint64_t ids[MBOX_CHOICE_MAX];
	struct letter *letter;
};

FIXTURE_VARIANT(choice) {
	uint32_t nr;
	bool mixed;
};

FIXTURE_VARIANT_ADD(choice, of_1) {
	.nr = 1,
};

FIXTURE_VARIANT_ADD(choice, of_2) {
	.nr = 2,
};

FIXTURE_VARIANT_ADD(choice, of_7) {
	.nr = 7,
};

FIXTURE_VARIANT_ADD(choice, of_64) {
	.nr = 64,
};

FIXTURE_VARIANT_ADD(choice, of_2_and_rendezvous) {
	.nr = 2, .mixed = true,
};

FIXTURE_VARIANT_ADD(choice, of_7_and_rendezvous) {
	.nr = 7, .mixed = true,
};

FIXTURE_VARIANT_ADD(choice, of_64_and_rendezvous) {
	.nr = 64, .mixed = true,
};

FIXTURE_SETUP(choice)
{
	uint32_t i;

	begin();
	take_signals(0);
	self->fd = device(O_RDWR);
	self->letter = shared(sizeof(*self->letter));
	for (i = 0; i < variant->nr; i++)
		self->ids[i] = create(self->fd,
				      attributes(variant->mixed && i % 2 == 0 ? 0 : 4, SIZE));
}

FIXTURE_TEARDOWN(choice)
{
	sweep();
}

/* A message is there, or a sender with one. */
static bool has_one(int fd, uint64_t id, bool rendezvous)
{
	struct mbox_stat stat = state(fd, id);

	return (rendezvous ? stat.senders : stat.msgs) == 1;
}

/* Every third of many, and the last. */
static uint32_t next_place(uint32_t place, uint32_t nr)
{
	if (place == nr - 1)
		return nr;
	return place + 3 < nr ? place + 3 : nr - 1;
}

TEST_F(choice, takes_from_the_one_that_has_a_message)
{
	struct letter letter;
	uint32_t i;

	for (i = 0; i < variant->nr; i = next_place(i, variant->nr)) {
		pid_t sender = 0;

		if (state(self->fd, self->ids[i]).max_msgs) {
			ASSERT_EQ(0, post(self->fd, self->ids[i], "text", i % 32));
		} else {
			sender = spawn_sender(self->fd, self->ids[i], "text", i % 32);
			wait_for_senders(self->fd, self->ids[i], 1);
		}
		ASSERT_EQ(0, choose(self->fd, self->ids, variant->nr, 0, 0, &letter));
		EXPECT_STREQ("text", letter.text);
		EXPECT_EQ(self->ids[i], letter.env.from);
		EXPECT_EQ(i % 32, letter.env.prio);
		EXPECT_EQ(0, receivers(self->fd, self->ids, variant->nr));
		if (sender)
			EXPECT_EQ(0, join(sender));
	}
}

TEST_F(choice, waits_for_whichever_is_sent_to_first)
{
	uint32_t i;

	for (i = 0; i < variant->nr; i = next_place(i, variant->nr)) {
		pid_t child = spawn_chooser(self->fd, self->ids, variant->nr, 0, self->letter);

		wait_for_choice(self->fd, self->ids, variant->nr);
		/* Also a sender that does not wait meets it at a rendezvous. */
		ASSERT_EQ(0, post(self->fd, self->ids[i], "text", 0));
		EXPECT_EQ(0, join(child));
		EXPECT_STREQ("text", self->letter->text);
		EXPECT_EQ(self->ids[i], self->letter->env.from);
		EXPECT_EQ(0, receivers(self->fd, self->ids, variant->nr));
	}
}

TEST_F(choice, takes_one_message_and_leaves_the_others_where_they_are)
{
	struct letter letter;
	uint32_t i, left = 0;

	for (i = 0; i < variant->nr; i++) {
		bool rendezvous = !state(self->fd, self->ids[i]).max_msgs;

		spawn_sender(self->fd, self->ids[i], "text", 0);
		WAIT_UNTIL(has_one(self->fd, self->ids[i], rendezvous));
	}
	ASSERT_EQ(0, choose(self->fd, self->ids, variant->nr, 0, 0, &letter));
	for (i = 0; i < variant->nr; i++) {
		bool rendezvous = !state(self->fd, self->ids[i]).max_msgs;
		bool has = has_one(self->fd, self->ids[i], rendezvous);

		EXPECT_EQ(self->ids[i] != letter.env.from, has);
		EXPECT_EQ(0, state(self->fd, self->ids[i]).receivers);
		left += has;
	}
	EXPECT_EQ(variant->nr - 1, left);
}

TEST_F(choice, that_was_made_is_over_in_all_the_others)
{
	pid_t child = spawn_chooser(self->fd, self->ids, variant->nr, 0, self->letter);
	uint32_t i;

	wait_for_choice(self->fd, self->ids, variant->nr);
	ASSERT_EQ(0, post(self->fd, self->ids[0], "first", 0));
	/* At once, while it is on its way out. */
	for (i = 1; i < variant->nr; i++) {
		bool rendezvous = variant->mixed && i % 2 == 0;

		EXPECT_EQ(rendezvous ? EAGAIN : 0, post(self->fd, self->ids[i], "other", 0));
	}
	EXPECT_EQ(0, join(child));
	EXPECT_STREQ("first", self->letter->text);
	for (i = 1; i < variant->nr; i++) {
		struct mbox_stat stat = state(self->fd, self->ids[i]);

		EXPECT_EQ(!!stat.max_msgs, stat.msgs);
		EXPECT_EQ(0, stat.received);
		EXPECT_EQ(0, stat.receivers);
	}
}

TEST_F(choice, without_waiting_says_EAGAIN)
{
	int fd = device(O_RDWR | O_NONBLOCK);
	struct letter letter;

	EXPECT_EQ(EAGAIN, choose_now(self->fd, self->ids, variant->nr, &letter));
	EXPECT_EQ(EAGAIN, choose(fd, self->ids, variant->nr, 0, 0, &letter));
	EXPECT_EQ(EAGAIN, choose(fd, self->ids, variant->nr, MBOX_RECV_TIMEOUT, 0, &letter));
	EXPECT_EQ(0, receivers(self->fd, self->ids, variant->nr));
	close(fd);
}

TEST_F(choice, until_a_deadline_ends_then)
{
	uint64_t deadline = now() + 30 * MSEC;
	struct letter letter;

	EXPECT_EQ(ETIMEDOUT, choose(self->fd, self->ids, variant->nr, MBOX_RECV_TIMEOUT, 0,
				    &letter));
	EXPECT_EQ(ETIMEDOUT, choose(self->fd, self->ids, variant->nr, MBOX_RECV_TIMEOUT, deadline,
				    &letter));
	EXPECT_LE(deadline, now());
	EXPECT_EQ(0, receivers(self->fd, self->ids, variant->nr));
}

TEST_F(choice, past_its_deadline_tries_once)
{
	uint32_t last = variant->nr - 1;
	bool rendezvous = !state(self->fd, self->ids[last]).max_msgs;
	pid_t sender = spawn_sender(self->fd, self->ids[last], "text", 0);
	struct letter letter;

	WAIT_UNTIL(has_one(self->fd, self->ids[last], rendezvous));
	EXPECT_EQ(0, choose(self->fd, self->ids, variant->nr, MBOX_RECV_TIMEOUT, 0, &letter));
	EXPECT_EQ(self->ids[last], letter.env.from);
	EXPECT_EQ(0, join(sender));
}

TEST_F(choice, until_a_deadline_ends_earlier_when_there_is_a_message)
{
	uint64_t deadline = now() + HOUR;
	pid_t child = spawn();

	if (!child)
		_exit(choose(self->fd, self->ids, variant->nr, MBOX_RECV_TIMEOUT, deadline,
			     self->letter));
	wait_for_choice(self->fd, self->ids, variant->nr);
	ASSERT_EQ(0, post(self->fd, self->ids[variant->nr / 2], "text", 0));
	EXPECT_EQ(0, join(child));
	EXPECT_STREQ("text", self->letter->text);
}

TEST_F(choice, is_ended_by_a_signal_and_takes_nothing)
{
	pid_t child = spawn_chooser(self->fd, self->ids, variant->nr, 0, self->letter);

	wait_for_choice(self->fd, self->ids, variant->nr);
	ASSERT_EQ(0, kill(child, SIGUSR1));
	EXPECT_EQ(EINTR, join(child));
	EXPECT_EQ(0, receivers(self->fd, self->ids, variant->nr));
}

TEST_F(choice, is_made_again_after_a_signal_that_restarts)
{
	pid_t child;

	take_signals(SA_RESTART);
	child = spawn_chooser(self->fd, self->ids, variant->nr, 0, self->letter);
	wait_for_choice(self->fd, self->ids, variant->nr);
	ASSERT_EQ(0, kill(child, SIGUSR1));
	ASSERT_EQ(0, kill(child, SIGSTOP));
	ASSERT_EQ(child, waitpid(child, NULL, WUNTRACED));
	ASSERT_EQ(0, kill(child, SIGCONT));
	wait_for_choice(self->fd, self->ids, variant->nr);
	ASSERT_EQ(0, post(self->fd, self->ids[variant->nr - 1], "text", 0));
	EXPECT_EQ(0, join(child));
	EXPECT_STREQ("text", self->letter->text);
}

TEST_F(choice, ends_with_its_process)
{
	pid_t child = spawn_chooser(self->fd, self->ids, variant->nr, 0, self->letter);

	wait_for_choice(self->fd, self->ids, variant->nr);
	end(child);
	EXPECT_EQ(0, receivers(self->fd, self->ids, variant->nr));
}

TEST_F(choice, is_told_when_one_is_deleted_and_leaves_the_others)
{
	pid_t child = spawn_chooser(self->fd, self->ids, variant->nr, 0, self->letter);
	uint32_t gone = variant->nr / 2, i;
	struct letter letter;

	wait_for_choice(self->fd, self->ids, variant->nr);
	ASSERT_EQ(0, delete(self->fd, self->ids[gone]));
	EXPECT_EQ(EIDRM, join(child));
	for (i = 0; i < variant->nr; i++)
		if (i != gone)
			EXPECT_EQ(0, state(self->fd, self->ids[i]).receivers);
	EXPECT_EQ(EIDRM, choose(self->fd, self->ids, variant->nr, 0, 0, &letter));
}

/*
 * Fairness: some of several always have messages.
 */
FIXTURE(fair) {
	int fd;
	uint64_t ids[MBOX_CHOICE_MAX];
};

FIXTURE_VARIANT(fair) {
	uint32_t nr;
	uint32_t ready;		/* so many of them, spread evenly */
};

FIXTURE_VARIANT_ADD(fair, among_2_of_2) {
	.nr = 2, .ready = 2,
};

FIXTURE_VARIANT_ADD(fair, among_2_of_5) {
	.nr = 5, .ready = 2,
};

FIXTURE_VARIANT_ADD(fair, among_5_of_5) {
	.nr = 5, .ready = 5,
};

FIXTURE_VARIANT_ADD(fair, among_3_of_64) {
	.nr = 64, .ready = 3,
};

FIXTURE_VARIANT_ADD(fair, among_63_of_64) {
	.nr = 64, .ready = 63,
};

FIXTURE_VARIANT_ADD(fair, among_64_of_64) {
	.nr = 64, .ready = 64,
};

FIXTURE_SETUP(fair)
{
	uint32_t i;

	begin();
	self->fd = device(O_RDWR);
	for (i = 0; i < variant->nr; i++)
		self->ids[i] = create(self->fd, attributes(32, SIZE));
}

FIXTURE_TEARDOWN(fair)
{
	sweep();
}

#define TURNS 12

static bool is_ready(uint32_t place, uint32_t nr, uint32_t ready)
{
	return place * ready / nr != (place + 1) * ready / nr;
}

TEST_F(fair, choice_serves_each_that_is_ready_once_in_each_round)
{
	struct letter letter;
	uint32_t i, round;

	for (i = 0; i < variant->nr; i++)
		for (round = 0; round < TURNS && is_ready(i, variant->nr, variant->ready); round++)
			ASSERT_EQ(0, post(self->fd, self->ids[i], "x", 0));
	for (round = 1; round <= TURNS; round++) {
		for (i = 0; i < variant->ready; i++)
			ASSERT_EQ(0, choose_now(self->fd, self->ids, variant->nr, &letter));
		for (i = 0; i < variant->nr; i++) {
			if (is_ready(i, variant->nr, variant->ready))
				ASSERT_EQ(round, state(self->fd, self->ids[i]).received);
		}
	}
	EXPECT_EQ(EAGAIN, choose_now(self->fd, self->ids, variant->nr, &letter));
}

FIXTURE(chosen) {
	int fd;
	uint64_t ids[4];
	struct letter *letter;
};

FIXTURE_SETUP(chosen)
{
	uint32_t i;

	begin();
	take_signals(0);
	self->fd = device(O_RDWR);
	self->letter = shared(sizeof(*self->letter));
	for (i = 0; i < 4; i++)
		self->ids[i] = create(self->fd, attributes(64, SIZE));
}

FIXTURE_TEARDOWN(chosen)
{
	sweep();
}

/* How often the first of the two was served. */
static unsigned int serve(int fd, const uint64_t *ids, uint32_t nr, unsigned int rounds)
{
	unsigned int first = 0, i;
	struct letter letter;

	for (i = 0; i < rounds; i++) {
		NEED(!choose_now(fd, ids, nr, &letter));
		first += letter.env.from == ids[0];
	}
	return first;
}

TEST_F(chosen, more_than_once_a_mailbox_has_a_turn_for_each_time)
{
	const uint64_t a = self->ids[0], b = self->ids[1];
	const uint64_t lists[][3] = { { a, b, a }, { a, a, b }, { b, a, a } };
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(lists); k++) {
		for (i = 0; i < 8; i++) {
			ASSERT_EQ(0, post(self->fd, a, "a", 0));
			ASSERT_EQ(0, post(self->fd, a, "a", 0));
			ASSERT_EQ(0, post(self->fd, b, "b", 0));
		}
		EXPECT_EQ(lists[k][0] == a ? 8 : 4, serve(self->fd, lists[k], 3, 12));
		EXPECT_EQ(8, state(self->fd, a).msgs);
		EXPECT_EQ(4, state(self->fd, b).msgs);
		serve(self->fd, lists[k], 3, 12);
	}
}

TEST_F(chosen, more_than_once_a_mailbox_gives_one_message)
{
	uint64_t ids[MBOX_CHOICE_MAX];
	struct letter letter;
	unsigned int i;
	pid_t child;

	for (i = 0; i < MBOX_CHOICE_MAX; i++)
		ids[i] = self->ids[0];
	ASSERT_EQ(0, post(self->fd, ids[0], "1", 0));
	ASSERT_EQ(0, post(self->fd, ids[0], "2", 0));
	ASSERT_EQ(0, choose_now(self->fd, ids, MBOX_CHOICE_MAX, &letter));
	EXPECT_STREQ("1", letter.text);
	EXPECT_EQ(1, state(self->fd, ids[0]).msgs);
	ASSERT_EQ(0, choose_now(self->fd, ids, MBOX_CHOICE_MAX, &letter));
	EXPECT_EQ(EAGAIN, choose_now(self->fd, ids, MBOX_CHOICE_MAX, &letter));

	child = spawn_chooser(self->fd, ids, MBOX_CHOICE_MAX, 0, self->letter);
	WAIT_UNTIL(state(self->fd, ids[0]).receivers == MBOX_CHOICE_MAX);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, post(self->fd, ids[0], "3", 0));
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(2, state(self->fd, ids[0]).msgs);
	EXPECT_EQ(0, state(self->fd, ids[0]).receivers);
}

TEST_F(chosen, mailbox_that_is_deleted_is_told_to_everybody)
{
	struct letter *letters = shared(3 * sizeof(*letters));
	pid_t children[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		children[i] = spawn_chooser(self->fd, self->ids + i, 2, 0, &letters[i]);
	WAIT_UNTIL(receivers(self->fd, self->ids, 4) == 6);
	ASSERT_EQ(0, delete(self->fd, self->ids[1]));
	EXPECT_EQ(EIDRM, join(children[0]));
	EXPECT_EQ(EIDRM, join(children[1]));
	EXPECT_EQ(0, state(self->fd, self->ids[0]).receivers);
	EXPECT_EQ(1, state(self->fd, self->ids[2]).receivers);
	ASSERT_EQ(0, post(self->fd, self->ids[3], "x", 0));
	EXPECT_EQ(0, join(children[2]));
}

TEST_F(chosen, mailboxes_serve_choosers_and_others_by_arrival)
{
	struct letter *letters = shared(3 * sizeof(*letters));
	pid_t first, second, third;

	first = spawn_chooser(self->fd, self->ids, 2, 0, &letters[0]);
	wait_for_receivers(self->fd, self->ids[1], 1);
	second = spawn_receiver(self->fd, self->ids[1], &letters[1]);
	wait_for_receivers(self->fd, self->ids[1], 2);
	third = spawn_chooser(self->fd, self->ids + 1, 2, 0, &letters[2]);
	wait_for_receivers(self->fd, self->ids[2], 1);
	ASSERT_EQ(0, post(self->fd, self->ids[1], "1", 0));
	EXPECT_EQ(0, join(first));
	ASSERT_EQ(0, post(self->fd, self->ids[1], "2", 0));
	EXPECT_EQ(0, join(second));
	ASSERT_EQ(0, post(self->fd, self->ids[1], "3", 0));
	EXPECT_EQ(0, join(third));
	EXPECT_STREQ("1", letters[0].text);
	EXPECT_STREQ("2", letters[1].text);
	EXPECT_STREQ("3", letters[2].text);
}

TEST_F(chosen, message_that_is_too_long_stays_and_is_told_with_its_mailbox)
{
	struct mbox_recv env = {
		.flags = MBOX_RECV_CHOICE,
		.ids = (uintptr_t)self->ids,
		.nr_ids = 4,
		.size = 3,
	};
	struct task *task = calloc(1, sizeof(*task));
	char buf[4];

	/* There already. */
	ASSERT_EQ(0, post(self->fd, self->ids[2], "four", 0));
	env.buf = (uintptr_t)buf;
	poison_envelope(&env);
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_RECV, &env));
	EXPECT_EQ(4, env.len);
	EXPECT_EQ(self->ids[2], env.from);
	EXPECT_EQ(1, state(self->fd, self->ids[2]).msgs);
	EXPECT_EQ(0, receivers(self->fd, self->ids, 4));
	env.flags |= MBOX_RECV_TRUNCATE;
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_RECV, &env));
	EXPECT_EQ(0, memcmp("fou", buf, 3));

	/* Or later. */
	ASSERT_NE(NULL, task);
	env.flags = MBOX_RECV_CHOICE;
	task->fd = self->fd;
	task->command = MBOX_IOC_RECV;
	task->recv = env;
	start_task(task);
	wait_for_choice(self->fd, self->ids, 4);
	ASSERT_EQ(0, post(self->fd, self->ids[1], "12345", 0));
	ASSERT_EQ(0, pthread_join(task->thread, NULL));
	EXPECT_EQ(EMSGSIZE, task->error);
	EXPECT_EQ(5, task->recv.len);
	EXPECT_EQ(self->ids[1], task->recv.from);
	EXPECT_EQ(1, state(self->fd, self->ids[1]).msgs);
	EXPECT_EQ(0, receivers(self->fd, self->ids, 4));
	free(task);
}

TEST_F(chosen, message_that_cannot_be_delivered_goes_back_to_its_mailbox)
{
	struct mbox_recv env = {
		.flags = MBOX_RECV_CHOICE,
		.ids = (uintptr_t)self->ids,
		.nr_ids = 4,
		.buf = (uintptr_t)unmapped(),
		.size = SIZE,
	};
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, self->ids[2], "first", 0));
	ASSERT_EQ(0, post(self->fd, self->ids[2], "second", 0));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &env));
	EXPECT_EQ(2, state(self->fd, self->ids[2]).msgs);
	ASSERT_EQ(0, choose_now(self->fd, self->ids, 4, &letter));
	EXPECT_STREQ("first", letter.text);
}

TEST_F(chosen, message_of_the_least_priority_is_the_one_of_its_mailbox)
{
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, self->ids[1], "5", 5));
	ASSERT_EQ(0, post(self->fd, self->ids[1], "3", 3));
	ASSERT_EQ(0, post(self->fd, self->ids[1], "9", 9));
	ASSERT_EQ(0, choose(self->fd, self->ids, 4, MBOX_RECV_LEAST, 0, &letter));
	EXPECT_STREQ("3", letter.text);
	ASSERT_EQ(0, choose(self->fd, self->ids, 4, 0, 0, &letter));
	EXPECT_STREQ("9", letter.text);
}

TEST_F(chosen, sender_is_told_who_received)
{
	pid_t child = spawn_chooser(self->fd, self->ids, 4, 0, self->letter);
	struct mbox_send how = { .flags = MBOX_SEND_SYNC, .id = self->ids[3] };

	wait_for_choice(self->fd, self->ids, 4);
	EXPECT_EQ(0, send_as(self->fd, "text", &how));
	EXPECT_EQ(child, how.receiver);
	EXPECT_EQ(0, join(child));
}

/*
 * What is refused, and that it changes nothing anywhere.
 */
FIXTURE(refused) {
	int fd;
	uint64_t good[3];	/* with a message each */
	uint64_t secret;	/* of somebody else, with a message */
	uint64_t single;
	uint64_t gone;
	uint64_t never;
	struct mbox_stat before[3];
};

FIXTURE_SETUP(refused)
{
	struct mbox_create attr = attributes(4, SIZE);
	uint32_t i;

	begin();
	self->fd = device(O_RDWR);
	attr.mode = 0666;
	for (i = 0; i < 3; i++) {
		self->good[i] = create(self->fd, attr);
		ASSERT_EQ(0, post(self->fd, self->good[i], "text", 0));
	}
	self->secret = create(self->fd, attributes(4, SIZE));
	ASSERT_EQ(0, post(self->fd, self->secret, "text", 0));
	self->gone = create(self->fd, attr);
	ASSERT_EQ(0, delete(self->fd, self->gone));
	attr.flags = MBOX_CREATE_SINGLE;
	self->single = create(self->fd, attr);
	self->never = self->single + 100;
	for (i = 0; i < 3; i++)
		self->before[i] = state(self->fd, self->good[i]);
}

FIXTURE_TEARDOWN(refused)
{
	sweep();
}

static void expect_refused(struct __test_metadata *_metadata, FIXTURE_DATA(refused) *self,
			   const char *what, int expected, uint64_t a, uint64_t b)
{
	/* The one in question first, in the middle and last. */
	uint64_t lists[][4] = {
		{ a, b, self->good[0], self->good[1] },
		{ self->good[0], a, b, self->good[1] },
		{ self->good[0], self->good[1], a, b },
	};
	struct letter letter;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		EXPECT_EQ(expected, choose_now(self->fd, lists[i], 4, &letter)) {
			TH_LOG("%s, list %u", what, i);
		}
		for (k = 0; k < 3; k++)
			EXPECT_TRUE(same_state(self->before[k], state(self->fd, self->good[k])));
	}
}

TEST_F(refused, is_what_is_not_there)
{
	uint64_t good = self->good[2];

	expect_refused(_metadata, self, "never", ENOENT, self->never, good);
	expect_refused(_metadata, self, "gone", EIDRM, self->gone, good);
	expect_refused(_metadata, self, "single", EOPNOTSUPP, self->single, good);
	expect_refused(_metadata, self, "zero", EINVAL, 0, good);
}

/* Arguments first, then the mailboxes, what they were created for last. */
TEST_F(refused, is_told_by_the_error_that_comes_first)
{
	uint64_t single = self->single;

	expect_refused(_metadata, self, "never, zero", EINVAL, self->never, 0);
	expect_refused(_metadata, self, "zero, never", EINVAL, 0, self->never);
	expect_refused(_metadata, self, "gone, zero", EINVAL, self->gone, 0);
	expect_refused(_metadata, self, "single, never", ENOENT, single, self->never);
	expect_refused(_metadata, self, "never, single", ENOENT, self->never, single);
	expect_refused(_metadata, self, "single, gone", EIDRM, single, self->gone);
	expect_refused(_metadata, self, "gone, single", EIDRM, self->gone, single);
}

TEST_F(refused, is_what_the_caller_has_no_right_to)
{
	uint64_t secret = self->secret;
	pid_t child = spawn();

	if (!child) {
		become(1000, 1000);
		expect_refused(_metadata, self, "secret", EACCES, secret, self->good[2]);
		expect_refused(_metadata, self, "secret, single", EACCES, secret, self->single);
		expect_refused(_metadata, self, "single, secret", EACCES, self->single, secret);
		expect_refused(_metadata, self, "secret, never", ENOENT, secret, self->never);
		_exit(_metadata->exit_code);
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(0, state(self->fd, secret).received);
	EXPECT_EQ(0, state(self->fd, secret).receivers);
}

TEST_F(refused, are_arguments_that_mean_nothing)
{
	static const struct {
		struct mbox_recv recv;
		int expected;
	} calls[] = {
		{ { .nr_ids = 0 }, EINVAL },
		{ { .nr_ids = MBOX_CHOICE_MAX + 1 }, EINVAL },
		{ { .nr_ids = UINT32_MAX }, EINVAL },
		{ { .nr_ids = 3, .id = 1 }, EINVAL },
		{ { .nr_ids = 3, .nth = 1 }, EINVAL },
		{ { .nr_ids = 3, .flags = MBOX_RECV_PEEK }, EINVAL },
		{ { .nr_ids = 3, .flags = MBOX_RECV_PEEK, .nth = 1 }, EINVAL },
		{ { .nr_ids = 3, .flags = MBOX_RECV_MATCH }, EINVAL },
		{ { .nr_ids = 3, .flags = 1ULL << 63 }, EINVAL },
	};
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		struct mbox_recv recv = calls[i].recv;
		char buf[SIZE];

		recv.flags |= MBOX_RECV_CHOICE | MBOX_RECV_NONBLOCK;
		recv.ids = (uintptr_t)self->good;
		recv.buf = (uintptr_t)buf;
		recv.size = sizeof(buf);
		EXPECT_EQ(calls[i].expected, call(self->fd, MBOX_IOC_RECV, &recv)) {
			TH_LOG("call %u", i);
		}
		for (k = 0; k < 3; k++)
			EXPECT_TRUE(same_state(self->before[k], state(self->fd, self->good[k])));
	}
}

TEST_F(refused, is_a_list_that_cannot_be_read)
{
	uint64_t *ids = before_a_hole(2 * sizeof(*ids));
	struct letter letter;
	unsigned int k;

	ids[0] = self->good[0];
	ids[1] = self->good[1];
	EXPECT_EQ(EFAULT, choose_now(self->fd, unmapped(), 3, &letter));
	EXPECT_EQ(EFAULT, choose_now(self->fd, ids, 3, &letter));
	for (k = 0; k < 3; k++)
		EXPECT_TRUE(same_state(self->before[k], state(self->fd, self->good[k])));
	EXPECT_EQ(0, choose_now(self->fd, ids, 2, &letter));
}

TEST_F(refused, is_a_descriptor_not_open_for_reading)
{
	struct letter letter;
	int fd = device(O_WRONLY);

	EXPECT_EQ(EBADF, choose_now(fd, self->good, 3, &letter));
	close(fd);
}

TEST_F(refused, is_the_receiving_end_of_a_pair_that_another_process_has)
{
	struct mbox_create attr = attributes(4, SIZE);
	uint64_t ids[2] = { self->good[0] };
	struct letter *letter = shared(sizeof(*letter));
	pid_t child;

	attr.flags = MBOX_CREATE_PAIR;
	ids[1] = create(self->fd, attr);
	child = spawn_receiver(self->fd, ids[1], letter);
	wait_for_receivers(self->fd, ids[1], 1);
	EXPECT_EQ(EPERM, choose_now(self->fd, ids, 2, letter));
	EXPECT_TRUE(same_state(self->before[0], state(self->fd, ids[0])));
	ASSERT_EQ(0, post(self->fd, ids[1], "text", 0));
	EXPECT_EQ(0, join(child));
	/* Its process has ended: the end is free. */
	ASSERT_EQ(0, post(self->fd, ids[1], "text", 0));
	EXPECT_EQ(0, choose_now(self->fd, ids + 1, 1, letter));
}

/*
 * Many send, each to a mailbox of its own; many choose.
 */
#define BOXES		6
#define CHOOSERS	3
#define EACH		150

struct ledger {
	uint64_t ids[BOXES];
	unsigned int received[BOXES][EACH];
	unsigned int delivered;		/* the sum of these */
	unsigned int disturbed;
};

FIXTURE(race) {
	int fd;
	struct ledger *ledger;
};

FIXTURE_VARIANT(race) {
	bool rendezvous;	/* all; otherwise each third */
	bool disturbed;		/* by signals, deadlines, bad buffers */
};

FIXTURE_VARIANT_ADD(race, for_all_kinds) {
	.rendezvous = false,
};

FIXTURE_VARIANT_ADD(race, for_rendezvous) {
	.rendezvous = true,
};

FIXTURE_VARIANT_ADD(race, for_all_kinds_disturbed) {
	.disturbed = true,
};

FIXTURE_VARIANT_ADD(race, for_rendezvous_disturbed) {
	.rendezvous = true, .disturbed = true,
};

FIXTURE_SETUP(race)
{
	unsigned int i;

	begin();
	take_signals(0);
	self->fd = device(O_RDWR);
	self->ledger = shared(sizeof(*self->ledger));
	for (i = 0; i < BOXES; i++)
		self->ledger->ids[i] = create(self->fd,
			attributes(variant->rendezvous || i % 3 == 0 ? 0 : i % 3, SIZE));
}

FIXTURE_TEARDOWN(race)
{
	sweep();
}

static void send_numbers(int fd, uint64_t id)
{
	uint32_t number;
	int error;

	srand(id);
	for (number = 0; number < EACH; number++) {
		do {
			error = send_bytes(fd, id, &number, sizeof(number), 0,
					   rand() % 2 ? MBOX_SEND_SYNC : 0, 0);
			NEED(!error || error == EINTR);
		} while (error);
	}
}

static int choose_somehow(int fd, struct ledger *ledger, bool disturbed, uint32_t *number,
			  struct mbox_recv *env)
{
	uint64_t ids[2 * BOXES];
	unsigned int i, nr = 1 + rand() % (2 * BOXES);
	static void *nowhere;
	int what = disturbed ? rand() % 6 : 0;

	if (!nowhere)
		nowhere = unmapped();
	for (i = 0; i < nr; i++)
		ids[i] = ledger->ids[rand() % BOXES];
	*env = (struct mbox_recv){
		.flags = MBOX_RECV_CHOICE,
		.ids = (uintptr_t)ids,
		.nr_ids = nr,
		.buf = (uintptr_t)(what == 1 ? nowhere : number),
		.size = what == 2 ? 2 : 4,
		.deadline = now() + rand() % 300 * 1000,
	};
	env->flags |= what == 3 ? MBOX_RECV_NONBLOCK : 0;
	/* Those that it chose may have had their last message. */
	env->flags |= MBOX_RECV_TIMEOUT;
	if (what != 4)
		env->deadline += 5 * MSEC;
	return call(fd, MBOX_IOC_RECV, env);
}

static void count_one(struct ledger *ledger, uint64_t from, uint32_t number)
{
	unsigned int i;

	for (i = 0; ledger->ids[i] != from; i++)
		NEED(i < BOXES);
	NEED(number < EACH);
	__atomic_add_fetch(&ledger->received[i][number], 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&ledger->delivered, 1, __ATOMIC_SEQ_CST);
}

static void be_chooser(int fd, struct ledger *ledger, bool disturbed)
{
	struct mbox_recv env;
	uint32_t number;
	int error;

	srand(getpid());
	while ((error = choose_somehow(fd, ledger, disturbed, &number, &env)) != EIDRM) {
		if (!error) {
			NEED(env.len == 4);
			count_one(ledger, env.from, number);
			continue;
		}
		NEED(error == ETIMEDOUT || (disturbed && (error == EAGAIN || error == EFAULT ||
							  error == EMSGSIZE || error == EINTR)));
		__atomic_add_fetch(&ledger->disturbed, 1, __ATOMIC_SEQ_CST);
	}
}

static pid_t spawn_disturber(const pid_t *pids, unsigned int nr)
{
	pid_t child = spawn();

	while (!child) {
		kill(pids[rand() % nr], SIGUSR1);
		usleep(rand() % 1500);
	}
	return child;
}

TEST_F(race, is_won_for_each_message_by_one)
{
	pid_t pids[BOXES + CHOOSERS], disturber = 0;
	unsigned int i, number;

	for (i = 0; i < BOXES + CHOOSERS; i++) {
		int fd = self->fd;

		pids[i] = spawn();
		if (pids[i])
			continue;
		if (i < BOXES)
			send_numbers(fd, self->ledger->ids[i]);
		else
			be_chooser(i % 2 ? device(O_RDWR) : fd, self->ledger, variant->disturbed);
		_exit(0);
	}
	if (variant->disturbed)
		disturber = spawn_disturber(pids, BOXES + CHOOSERS);
	for (i = 0; i < BOXES; i++)
		EXPECT_EQ(0, join(pids[i]));
	if (disturber)
		end(disturber);
	/* The kernel counts those, too, that a chooser is about to give back. */
	WAIT_UNTIL(told(&self->ledger->delivered) == BOXES * EACH);
	for (i = 0; i < BOXES; i++) {
		EXPECT_EQ(EACH, state(self->fd, self->ledger->ids[i]).received);
		EXPECT_EQ(EACH, state(self->fd, self->ledger->ids[i]).sent);
		EXPECT_EQ(0, state(self->fd, self->ledger->ids[i]).msgs);
		ASSERT_EQ(0, delete(self->fd, self->ledger->ids[i]));
	}
	for (i = BOXES; i < BOXES + CHOOSERS; i++)
		EXPECT_EQ(0, join(pids[i]));
	for (i = 0; i < BOXES; i++)
		for (number = 0; number < EACH; number++)
			ASSERT_EQ(1, self->ledger->received[i][number]);
}

TEST_HARNESS_MAIN
