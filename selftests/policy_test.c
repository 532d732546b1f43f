// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which of those who wait is served: receivers the longest waiting first,
 * senders by priority, then arrival, and nobody overtakes.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define CROWD 6

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

FIXTURE(receivers) {
	int fd;
	struct letter *letters;
	pid_t pids[CROWD];
};

FIXTURE_SETUP(receivers)
{
	begin();
	self->fd = mailbox(attributes(CROWD, 32));
	self->letters = shared(CROWD * sizeof(*self->letters));
}

FIXTURE_TEARDOWN(receivers)
{
	sweep();
}

static const char *const numbers[CROWD] = { "0", "1", "2", "3", "4", "5" };

static void gather_receivers(int fd, struct letter *letters, pid_t *pids)
{
	unsigned int i;

	for (i = 0; i < CROWD; i++) {
		pids[i] = spawn_receiver(fd, 0, &letters[i]);
		wait_for_receivers(fd, 0, i + 1);
	}
}

TEST_F(receivers, are_served_the_longest_waiting_first)
{
	unsigned int i;

	gather_receivers(self->fd, self->letters, self->pids);
	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, post(self->fd, 0, numbers[i], i));
	for (i = 0; i < CROWD; i++) {
		EXPECT_EQ(0, join(self->pids[i]));
		EXPECT_STREQ(numbers[i], self->letters[i].text);
	}
}

TEST_F(receivers, keep_their_turn_when_another_gives_up)
{
	unsigned int i;

	gather_receivers(self->fd, self->letters, self->pids);
	end(self->pids[0]);
	end(self->pids[3]);
	EXPECT_EQ(CROWD - 2, state(self->fd, 0).receivers);
	for (i = 0; i < CROWD; i++) {
		if (i == 0 || i == 3)
			continue;
		ASSERT_EQ(0, post(self->fd, 0, numbers[i], 0));
		EXPECT_EQ(0, join(self->pids[i]));
		EXPECT_STREQ(numbers[i], self->letters[i].text);
	}
}

TEST_F(receivers, that_loop_take_turns)
{
	const unsigned int rounds = 60;
	unsigned int *taker = shared(rounds * sizeof(*taker));
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct letter letter;

		self->pids[i] = spawn();
		if (self->pids[i])
			continue;
		while (!fetch_and_wait(self->fd, 0, &letter))
			taker[letter.env.seq - 1] = i + 1;
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		wait_for_receivers(self->fd, 0, 2);
		ASSERT_EQ(0, post(self->fd, 0, "x", 0));
	}
	wait_for_receivers(self->fd, 0, 2);
	for (i = 1; i < rounds; i++) {
		EXPECT_EQ(3, taker[i] + taker[i - 1]) {
			TH_LOG("messages %u and %u went to %u and %u", i, i + 1, taker[i - 1],
			       taker[i]);
		}
	}
}

/* The child's own buffer has @size bytes; how it ended is its exit status. */
static pid_t spawn_small_receiver(int fd, uint64_t size, uint64_t flags, struct letter *letter)
{
	pid_t child = spawn();

	if (!child) {
		memset(letter->text, POISON, sizeof(letter->text));
		_exit(receive_into(fd, 0, letter->text, size, flags, 0, &letter->env));
	}
	return child;
}

TEST_F(receivers, with_too_small_a_buffer_are_told_and_the_next_is_served)
{
	pid_t small, large;

	small = spawn_small_receiver(self->fd, 3, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	large = spawn_receiver(self->fd, 0, &self->letters[1]);
	wait_for_receivers(self->fd, 0, 2);
	ASSERT_EQ(0, post(self->fd, 0, "long", 0));
	EXPECT_EQ(EMSGSIZE, join(small));
	EXPECT_EQ(4, self->letters[0].env.len);
	EXPECT_EQ(POISON, (unsigned char)self->letters[0].text[0]);
	EXPECT_EQ(0, join(large));
	EXPECT_STREQ("long", self->letters[1].text);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).received);
}

TEST_F(receivers, with_too_small_buffers_leave_the_message_first)
{
	struct mbox_stat stat;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		self->pids[i] = spawn_small_receiver(self->fd, i, 0, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	ASSERT_EQ(0, post(self->fd, 0, "long", 1));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EMSGSIZE, join(self->pids[i]));
		EXPECT_EQ(4, self->letters[i].env.len);
	}
	stat = state(self->fd, 0);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(0, stat.received);
	ASSERT_EQ(0, post(self->fd, 0, "later", 1));
	expect_next(_metadata, self->fd, "long");
}

TEST_F(receivers, that_truncate_are_served_with_any_buffer)
{
	pid_t small = spawn_small_receiver(self->fd, 3, MBOX_RECV_TRUNCATE, &self->letters[0]);

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "long", 0));
	EXPECT_EQ(0, join(small));
	EXPECT_EQ(4, self->letters[0].env.len);
	EXPECT_EQ(0, memcmp("lon", self->letters[0].text, 3));
	EXPECT_EQ(POISON, (unsigned char)self->letters[0].text[3]);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

FIXTURE(senders) {
	int fd;
};

FIXTURE_SETUP(senders)
{
	begin();
}

FIXTURE_TEARDOWN(senders)
{
	sweep();
}

TEST_F(senders, are_admitted_by_priority_then_by_arrival)
{
	static const struct {
		const char *text;
		uint32_t prio;
	} arrivals[CROWD] = {
		{ "a", 1 }, { "b", 5 }, { "c", 1 }, { "d", 5 }, { "e", 31 }, { "f", 0 },
	};
	static const char *const admitted[CROWD] = { "e", "b", "d", "a", "c", "f" };
	pid_t pids[CROWD];
	struct letter letter;
	unsigned int i;
	int fd = mailbox(attributes(1, 8));

	ASSERT_EQ(0, post(fd, 0, "first", 0));
	for (i = 0; i < CROWD; i++) {
		pids[i] = spawn_sender(fd, 0, arrivals[i].text, arrivals[i].prio);
		wait_for_senders(fd, 0, i + 1);
	}
	expect_next(_metadata, fd, "first");
	for (i = 0; i < CROWD; i++) {
		EXPECT_EQ(CROWD - 1 - i, state(fd, 0).senders);
		ASSERT_EQ(0, fetch(fd, 0, &letter));
		EXPECT_STREQ(admitted[i], letter.text);
		EXPECT_EQ(i + 2, letter.env.seq);
	}
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, join(pids[i]));
}

/* 100 bytes, of which 80 are taken, by two messages. */
static int crowded_mailbox(void)
{
	char text[41] = "";
	int fd = mailbox((struct mbox_create){
		.max_msgs = 100,
		.max_bytes = 100,
		.max_size = 100,
		.mode = 0600,
	});

	memset(text, '4', 40);
	NEED(!post(fd, 0, text, 0));
	NEED(!post(fd, 0, text, 0));
	return fd;
}

static const char large[] = "sixty bytes: 0123456789012345678901234567890123456789 sixty.";
static const char small[] = "ten bytes.";

TEST_F(senders, are_not_overtaken_by_one_that_does_not_wait)
{
	int fd = crowded_mailbox();
	struct mbox_stat stat;
	pid_t waiting;

	ASSERT_EQ(0, post(fd, 0, small, 0));
	waiting = spawn_sender(fd, 0, large, 0);
	wait_for_senders(fd, 0, 1);
	stat = state(fd, 0);
	EXPECT_EQ(90, stat.bytes);
	EXPECT_EQ(EAGAIN, post(fd, 0, small, 0));
	EXPECT_EQ(EAGAIN, post(fd, 0, "", 0));
	EXPECT_TRUE(same_state(stat, state(fd, 0)));
	end(waiting);
	EXPECT_EQ(0, post(fd, 0, small, 0));
}

TEST_F(senders, are_not_overtaken_by_one_that_waits)
{
	int fd = crowded_mailbox();
	pid_t first, second;
	struct letter letter;

	first = spawn_sender(fd, 0, large, 0);
	wait_for_senders(fd, 0, 1);
	second = spawn_sender(fd, 0, small, 0);
	wait_for_senders(fd, 0, 2);
	EXPECT_EQ(80, state(fd, 0).bytes);

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_EQ(0, join(first));
	EXPECT_EQ(100, state(fd, 0).bytes);
	EXPECT_EQ(1, state(fd, 0).senders);
	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_EQ(0, join(second));
	expect_next(_metadata, fd, large);
	expect_next(_metadata, fd, small);
}

TEST_F(senders, of_small_messages_are_all_admitted_when_a_large_one_leaves)
{
	char text[101] = "";
	struct letter letter;
	pid_t pids[CROWD];
	unsigned int i;
	int fd = mailbox((struct mbox_create){
		.max_msgs = 100,
		.max_bytes = 100,
		.max_size = 100,
		.mode = 0600,
	});

	memset(text, 'x', 100);
	ASSERT_EQ(0, post(fd, 0, text, 0));
	for (i = 0; i < CROWD; i++) {
		pids[i] = spawn_sender(fd, 0, numbers[i], 0);
		wait_for_senders(fd, 0, i + 1);
	}
	ASSERT_EQ(0, fetch(fd, 0, &letter));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, join(pids[i]));
	EXPECT_EQ(0, state(fd, 0).senders);
	for (i = 0; i < CROWD; i++)
		expect_next(_metadata, fd, numbers[i]);
}

TEST_F(senders, are_all_admitted_in_their_order_however_many_they_are)
{
	enum { MANY = 40, LEN = 2 };
	struct letter letter;
	char text[MANY * LEN + 1] = "";
	pid_t pids[MANY];
	unsigned int i;
	int fd = mailbox((struct mbox_create){
		.max_msgs = MANY,
		.max_bytes = MANY * LEN,
		.max_size = MANY * LEN,
		.mode = 0600,
	});

	memset(text, 'x', MANY * LEN);
	ASSERT_EQ(0, send_bytes(fd, 0, text, MANY * LEN, 0, MBOX_SEND_NONBLOCK, 0));
	for (i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "%02u", i);
		pids[i] = spawn_sender(fd, 0, text, 0);
		wait_for_senders(fd, 0, i + 1);
	}
	ASSERT_EQ(0, receive(fd, 0, MBOX_RECV_TRUNCATE, 0, &letter));
	EXPECT_EQ(0, state(fd, 0).senders);
	EXPECT_EQ(MANY, state(fd, 0).msgs);
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(0, join(pids[i]));
		snprintf(text, sizeof(text), "%02u", i);
		expect_next(_metadata, fd, text);
	}
}

enum giving_up { KILLED, INTERRUPTED, TIMED_OUT };

FIXTURE(sender_that_gives_up) {
	int fd;
};

FIXTURE_VARIANT(sender_that_gives_up) {
	enum giving_up how;
};

FIXTURE_VARIANT_ADD(sender_that_gives_up, killed) {
	.how = KILLED,
};

FIXTURE_VARIANT_ADD(sender_that_gives_up, interrupted) {
	.how = INTERRUPTED,
};

FIXTURE_VARIANT_ADD(sender_that_gives_up, timed_out) {
	.how = TIMED_OUT,
};

FIXTURE_SETUP(sender_that_gives_up)
{
	begin();
	self->fd = crowded_mailbox();
}

FIXTURE_TEARDOWN(sender_that_gives_up)
{
	sweep();
}

static void ignore(int signal)
{
	(void)signal;
}

static pid_t spawn_reluctant_sender(int fd, enum giving_up how, uint64_t deadline)
{
	struct sigaction action = { .sa_handler = ignore };
	pid_t child = spawn();

	if (child)
		return child;
	NEED(!sigaction(SIGUSR1, &action, NULL));
	_exit(send_bytes(fd, 0, large, strlen(large), 0, how == TIMED_OUT ? MBOX_SEND_TIMEOUT : 0,
			 deadline));
}

TEST_F(sender_that_gives_up, lets_in_those_behind_it)
{
	uint64_t deadline = now() + 3000 * MSEC;
	pid_t first = spawn_reluctant_sender(self->fd, variant->how, deadline);
	pid_t second, third;

	wait_for_senders(self->fd, 0, 1);
	second = spawn_sender(self->fd, 0, small, 0);
	wait_for_senders(self->fd, 0, 2);
	third = spawn_sender(self->fd, 0, "", 0);
	wait_for_senders(self->fd, 0, 3);
	EXPECT_EQ(2, state(self->fd, 0).msgs);

	if (variant->how != TIMED_OUT) {
		ASSERT_EQ(0, kill(first, variant->how == KILLED ? SIGKILL : SIGUSR1));
	}
	EXPECT_EQ(variant->how == KILLED ? -SIGKILL :
		  variant->how == INTERRUPTED ? EINTR : ETIMEDOUT, join(first));
	EXPECT_EQ(0, join(second));
	EXPECT_EQ(0, join(third));
	EXPECT_EQ(4, state(self->fd, 0).msgs);
	EXPECT_EQ(90, state(self->fd, 0).bytes);
	EXPECT_EQ(0, state(self->fd, 0).senders);
}

TEST_HARNESS_MAIN
