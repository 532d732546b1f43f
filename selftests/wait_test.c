// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waiting: what ends it (room or a message, a deadline, a signal, death) and
 * that each end is decided once. Everything holds for both sides.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

FIXTURE(wait) {
	int fd;
};

FIXTURE_VARIANT(wait) {
	bool sends;
};

FIXTURE_VARIANT_ADD(wait, to_send) {
	.sends = true,
};

FIXTURE_VARIANT_ADD(wait, to_receive) {
	.sends = false,
};

/* A mailbox of one message in which a sender, or a receiver, must wait. */
static int blocking_mailbox(bool sends)
{
	int fd = mailbox(attributes(1, 16));

	if (sends)
		NEED(!post(fd, 0, "first", 0));
	return fd;
}

FIXTURE_SETUP(wait)
{
	begin();
	self->fd = blocking_mailbox(variant->sends);
}

FIXTURE_TEARDOWN(wait)
{
	sweep();
}

/* The call under test, on either side. */
static int attempt(int fd, bool sends, uint64_t flags, uint64_t deadline)
{
	struct letter letter;

	if (sends)
		return send_bytes(fd, 0, "second", 6, 0, flags, deadline);
	return receive(fd, 0, flags, deadline, &letter);
}

static uint64_t timeout_flag(bool sends)
{
	return sends ? MBOX_SEND_TIMEOUT : MBOX_RECV_TIMEOUT;
}

static int attempt_until(int fd, bool sends, uint64_t deadline)
{
	return attempt(fd, sends, timeout_flag(sends), deadline);
}

static pid_t spawn_attempt(int fd, bool sends, uint64_t flags, uint64_t deadline)
{
	pid_t child = spawn();

	if (!child)
		_exit(attempt(fd, sends, flags, deadline));
	return child;
}

/* What the call waits for. */
static void satisfy(int fd, bool sends)
{
	struct letter letter;

	if (sends)
		NEED(!fetch(fd, 0, &letter));
	else
		NEED(!post(fd, 0, "first", 0));
}

static uint32_t waiters(int fd, bool sends)
{
	struct mbox_stat stat = state(fd, 0);

	return sends ? stat.senders : stat.receivers;
}

static void wait_for_waiter(int fd, bool sends)
{
	WAIT_UNTIL(waiters(fd, sends) == 1);
}

/* The call waits, and succeeds once it can. */
static void expect_patience(struct __test_metadata *_metadata, int fd, bool sends, uint64_t flags,
			    uint64_t deadline)
{
	pid_t child = spawn_attempt(fd, sends, flags, deadline);

	wait_for_waiter(fd, sends);
	satisfy(fd, sends);
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(0, waiters(fd, sends));
}

TEST_F(wait, ends_when_it_can_go_on)
{
	expect_patience(_metadata, self->fd, variant->sends, 0, 0);
}

TEST_F(wait, until_a_deadline_in_the_past_tries_once)
{
	uint64_t past[] = { 0, 1, now() - 1 };
	struct mbox_stat stat = state(self->fd, 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(past); i++) {
		EXPECT_EQ(ETIMEDOUT, attempt_until(self->fd, variant->sends, past[i]));
		EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	}
	satisfy(self->fd, variant->sends);
	EXPECT_EQ(0, attempt_until(self->fd, variant->sends, 0));
}

TEST_F(wait, until_a_deadline_ends_then_and_not_before)
{
	struct mbox_stat stat = state(self->fd, 0);
	uint64_t deadline = now() + 30 * MSEC;

	EXPECT_EQ(ETIMEDOUT, attempt_until(self->fd, variant->sends, deadline));
	EXPECT_LE(deadline, now());
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(wait, until_a_deadline_ends_earlier_when_it_can_go_on)
{
	uint64_t deadline = now() + 3600000 * MSEC;

	expect_patience(_metadata, self->fd, variant->sends, timeout_flag(variant->sends), deadline);
	EXPECT_GT(deadline, now());
}

TEST_F(wait, until_a_deadline_that_the_clock_cannot_reach_has_no_end)
{
	static const uint64_t never[] = { INT64_MAX, INT64_MAX + 1ULL, UINT64_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(never); i++) {
		int fd = blocking_mailbox(variant->sends);

		expect_patience(_metadata, fd, variant->sends, timeout_flag(variant->sends),
				never[i]);
	}
}

TEST_F(wait, takes_no_notice_of_a_deadline_without_its_flag)
{
	expect_patience(_metadata, self->fd, variant->sends, 0, 1);
}

/* A child whose monotonic clock is far ahead of the test's. */
static pid_t spawn_in_the_future(void)
{
	pid_t outer = spawn();

	if (outer)
		return outer;
	NEED(!unshare(CLONE_NEWTIME));
	NEED(!put_file("/proc/self/timens_offsets", "monotonic 1000000 0"));
	outer = spawn();
	if (outer)
		_exit(join(outer));
	NEED(now() > 1000000 * 1000 * MSEC);
	return 0;
}

TEST_F(wait, ends_by_the_clock_of_the_time_namespace)
{
	struct mbox_stat stat = state(self->fd, 0);
	pid_t child = spawn_in_the_future();

	if (!child)
		_exit(attempt_until(self->fd, variant->sends, now() + 30 * MSEC));
	EXPECT_EQ(ETIMEDOUT, join(child));
	child = spawn_in_the_future();
	if (!child)
		_exit(attempt_until(self->fd, variant->sends, now() - 3600000 * MSEC));
	EXPECT_EQ(ETIMEDOUT, join(child));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(wait, does_not_end_early_by_the_clock_of_the_time_namespace)
{
	pid_t child = spawn_in_the_future();

	if (!child)
		_exit(attempt_until(self->fd, variant->sends, now() + 3600000 * MSEC));
	wait_for_waiter(self->fd, variant->sends);
	satisfy(self->fd, variant->sends);
	EXPECT_EQ(0, join(child));
}

TEST_F(wait, ends_with_the_process)
{
	struct mbox_stat stat = state(self->fd, 0);
	pid_t child = spawn_attempt(self->fd, variant->sends, 0, 0);

	wait_for_waiter(self->fd, variant->sends);
	end(child);
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	/* Nobody is left who would take what comes now. */
	satisfy(self->fd, variant->sends);
	EXPECT_EQ(variant->sends ? 0 : 1, state(self->fd, 0).msgs);
}

TEST_F(wait, goes_on_after_stop_and_continue)
{
	pid_t child = spawn_attempt(self->fd, variant->sends, 0, 0);
	int status;

	wait_for_waiter(self->fd, variant->sends);
	ASSERT_EQ(0, kill(child, SIGSTOP));
	ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(child, SIGCONT));
	wait_for_waiter(self->fd, variant->sends);
	satisfy(self->fd, variant->sends);
	EXPECT_EQ(0, join(child));
}

FIXTURE(signal) {
	int fd;
	pid_t child;
	struct mbox_stat before;
};

FIXTURE_VARIANT(signal) {
	bool sends;
	bool restarts;
	bool deadline;
};

FIXTURE_VARIANT_ADD(signal, while_sending) {
	.sends = true,
};

FIXTURE_VARIANT_ADD(signal, while_sending_until_a_deadline) {
	.sends = true, .deadline = true,
};

FIXTURE_VARIANT_ADD(signal, while_receiving) {
	.sends = false,
};

FIXTURE_VARIANT_ADD(signal, while_receiving_until_a_deadline) {
	.sends = false, .deadline = true,
};

FIXTURE_VARIANT_ADD(signal, with_restart_while_sending) {
	.sends = true, .restarts = true,
};

FIXTURE_VARIANT_ADD(signal, with_restart_while_sending_until_a_deadline) {
	.sends = true, .restarts = true, .deadline = true,
};

FIXTURE_VARIANT_ADD(signal, with_restart_while_receiving) {
	.sends = false, .restarts = true,
};

FIXTURE_VARIANT_ADD(signal, with_restart_while_receiving_until_a_deadline) {
	.sends = false, .restarts = true, .deadline = true,
};

static volatile unsigned int *signals_seen;

static void count_signal(int signal)
{
	(void)signal;
	(*signals_seen)++;
}

FIXTURE_SETUP(signal)
{
	struct sigaction action = {
		.sa_handler = count_signal,
		.sa_flags = variant->restarts ? SA_RESTART : 0,
	};

	begin();
	signals_seen = shared(sizeof(*signals_seen));
	self->fd = blocking_mailbox(variant->sends);
	self->before = state(self->fd, 0);
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	self->child = spawn_attempt(self->fd, variant->sends,
				    variant->deadline ? timeout_flag(variant->sends) : 0,
				    now() + 3600000 * MSEC);
	wait_for_waiter(self->fd, variant->sends);
	ASSERT_EQ(0, kill(self->child, SIGUSR1));
}

FIXTURE_TEARDOWN(signal)
{
	sweep();
}

TEST_F(signal, ends_the_wait_or_restarts_it)
{
	if (variant->restarts) {
		WAIT_UNTIL(*signals_seen == 1);
		wait_for_waiter(self->fd, variant->sends);
		satisfy(self->fd, variant->sends);
		EXPECT_EQ(0, join(self->child));
	} else {
		EXPECT_EQ(EINTR, join(self->child));
		EXPECT_EQ(1, *signals_seen);
		EXPECT_TRUE(same_state(self->before, state(self->fd, 0)));
	}
}

#define ROUNDS 300
/* The number in the message that ends a race. */
#define LAST ROUNDS

/* What both sides of a race did with each number. */
struct race {
	bool sent[ROUNDS];
	unsigned int received[ROUNDS];
	unsigned int timeouts;
};

static uint64_t soon(void)
{
	return now() + rand() % 400 * 1000;
}

static int send_number(int fd, uint32_t number, uint64_t flags, uint64_t deadline)
{
	return send_bytes(fd, 0, &number, sizeof(number), 0, flags, deadline);
}

static void send_in_a_hurry(int fd, struct race *race)
{
	uint32_t number;
	int error;

	srand(1);
	for (number = 0; number < ROUNDS; number++) {
		error = send_number(fd, number, MBOX_SEND_TIMEOUT, soon());
		NEED(error == 0 || error == ETIMEDOUT);
		race->sent[number] = !error;
		race->timeouts += !!error;
	}
	NEED(!send_number(fd, LAST, 0, 0));
}

static void send_at_ease(int fd, struct race *race)
{
	uint32_t number;

	srand(2);
	for (number = 0; number < ROUNDS; number++) {
		usleep(rand() % 400);
		NEED(!send_number(fd, number, 0, 0));
		race->sent[number] = true;
	}
	NEED(!send_number(fd, LAST, 0, 0));
}

/* True until the last number came. In order, so each comes after the former. */
static bool take_number(struct race *race, uint32_t number)
{
	static uint32_t next;

	if (number == LAST)
		return false;
	NEED(number >= next && number < LAST);
	next = number + 1;
	race->received[number]++;
	return true;
}

static void receive_in_a_hurry(int fd, struct race *race)
{
	struct mbox_recv env;
	uint32_t number;
	int error;

	srand(3);
	do {
		error = receive_into(fd, 0, &number, sizeof(number), MBOX_RECV_TIMEOUT, soon(),
				     &env);
		NEED(error == 0 || error == ETIMEDOUT);
		race->timeouts += !!error;
	} while (error || take_number(race, number));
}

static void receive_at_ease(int fd, struct race *race)
{
	struct mbox_recv env;
	uint32_t number;

	srand(4);
	do {
		usleep(rand() % 400);
		NEED(!receive_into(fd, 0, &number, sizeof(number), 0, 0, &env));
	} while (take_number(race, number));
}

TEST_F(wait, that_times_out_in_the_middle_of_a_hand_over_loses_and_doubles_nothing)
{
	struct race *race = shared(sizeof(*race));
	int fd = mailbox(attributes(1, 4));
	pid_t sender = spawn(), receiver;
	uint32_t i;

	if (!sender) {
		if (variant->sends)
			send_in_a_hurry(fd, race);
		else
			send_at_ease(fd, race);
		_exit(0);
	}
	receiver = spawn();
	if (!receiver) {
		if (variant->sends)
			receive_at_ease(fd, race);
		else
			receive_in_a_hurry(fd, race);
		_exit(0);
	}
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, join(receiver));
	for (i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(race->sent[i], race->received[i]) {
			TH_LOG("message %u", i);
		}
	}
	EXPECT_LT(0, race->timeouts);
	EXPECT_EQ(0, state(fd, 0).msgs);
	EXPECT_EQ(state(fd, 0).sent, state(fd, 0).received);
}

TEST_HARNESS_MAIN
