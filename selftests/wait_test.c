// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waiting: what ends it (room or a message, a deadline, a signal, death) and
 * that each end is decided once. Everything holds for both sides.
 */
#include "kselftest_harness.h"
#include <sys/resource.h>

#include "hog.h"
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

/* A child whose monotonic clock differs so from the test's. */
static pid_t spawn_in_another_time(const char *offset)
{
	pid_t outer = spawn();

	if (outer)
		return outer;
	NEED(!unshare(CLONE_NEWTIME));
	NEED(!put_file("/proc/self/timens_offsets", offset));
	outer = spawn();
	if (outer)
		_exit(join(outer));
	return 0;
}

static pid_t spawn_in_the_future(void)
{
	pid_t child = spawn_in_another_time("monotonic 1000000 0");

	NEED(child || now() > 1000000 * 1000 * MSEC);
	return child;
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

TEST_F(wait, until_a_deadline_that_no_clock_of_a_time_namespace_can_reach_has_no_end)
{
	static const char *const offsets[] = { "monotonic 1000000 0", "monotonic -1 0" };
	static const uint64_t never[] = { INT64_MAX, UINT64_MAX };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		int fd = blocking_mailbox(variant->sends);
		pid_t child = spawn_in_another_time(offsets[i / 2]);

		if (!child)
			_exit(attempt_until(fd, variant->sends, never[i % 2]));
		wait_for_waiter(fd, variant->sends);
		satisfy(fd, variant->sends);
		EXPECT_EQ(0, join(child));
	}
}

/* What is now in the test's time is to come there, and was there a while ago. */
TEST_F(wait, ends_by_the_clock_of_a_time_namespace_that_is_behind)
{
	pid_t child = spawn_in_another_time("monotonic -1 0");

	if (!child)
		_exit(attempt_until(self->fd, variant->sends, now() + 30 * MSEC));
	EXPECT_EQ(ETIMEDOUT, join(child));
	child = spawn_in_another_time("monotonic -1 0");
	if (!child)
		_exit(attempt_until(self->fd, variant->sends, 0));
	EXPECT_EQ(ETIMEDOUT, join(child));
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

/*
 * The race between giving up and being served, at its very edge: a child gives up
 * at a deadline or a signal, the test serves it at about the same moment, and
 * moves that moment so that each of the two wins half of the rounds. On a busy machine
 * it may take a while to find it: there are more rounds until each has won enough of them.
 */
#define ROUNDS	250
#define MANY	2500
#define FILLER	MANY	/* no round's number */
#define STEP_MIN	(4 * 1000L)	/* nanoseconds */
#define STEP_MAX	(1000 * 1000L)

struct rounds {
	uint32_t allowed, begun, ended;	/* rounds: by the test, by the child */
	uint64_t deadline;		/* of this round */
	bool gave_up[MANY];
	unsigned int received[MANY];
};

FIXTURE(giving_up) {
	int fd;
	struct rounds *rounds;
	pid_t child;
};

FIXTURE_VARIANT(giving_up) {
	bool sends;
	bool signal;
};

FIXTURE_VARIANT_ADD(giving_up, at_a_deadline_while_sending) {
	.sends = true,
};

FIXTURE_VARIANT_ADD(giving_up, at_a_deadline_while_receiving) {
	.sends = false,
};

FIXTURE_VARIANT_ADD(giving_up, at_a_signal_while_sending) {
	.sends = true, .signal = true,
};

FIXTURE_VARIANT_ADD(giving_up, at_a_signal_while_receiving) {
	.sends = false, .signal = true,
};

FIXTURE_SETUP(giving_up)
{
	struct sigaction action = { .sa_handler = count_signal };

	begin();
	self->fd = mailbox(attributes(1, sizeof(uint32_t)));
	self->rounds = shared(sizeof(*self->rounds));
	signals_seen = shared(sizeof(*signals_seen));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
}

FIXTURE_TEARDOWN(giving_up)
{
	sweep();
}

static int send_number(int fd, uint32_t number, uint64_t flags, uint64_t deadline)
{
	return send_bytes(fd, 0, &number, sizeof(number), 0, flags, deadline);
}

static int receive_number(int fd, struct rounds *rounds, uint64_t flags, uint64_t deadline)
{
	struct mbox_recv env;
	uint32_t number;
	int error;

	error = receive_into(fd, 0, &number, sizeof(number), flags, deadline, &env);
	if (!error && number != FILLER)
		rounds->received[number]++;
	return error;
}

/* The child: waits in each round until it is served or gives up. */
static void play(int fd, struct rounds *rounds, bool sends, bool signal)
{
	uint64_t flags = signal ? 0 : timeout_flag(sends);
	uint32_t round;
	int error;

	/* Without this the kernel lets deadlines pass by up to 50 microseconds. */
	NEED(!prctl(PR_SET_TIMERSLACK, 1));
	for (round = 0;; round++) {
		while (told(&rounds->allowed) <= round)
			sched_yield();
		rounds->deadline = now() + MSEC / 2;
		tell(&rounds->begun, round + 1);
		if (sends)
			error = send_number(fd, round, flags, rounds->deadline);
		else
			error = receive_number(fd, rounds, flags, rounds->deadline);
		NEED(!error || error == (signal ? EINTR : ETIMEDOUT));
		rounds->gave_up[round] = error;
		tell(&rounds->ended, round + 1);
	}
}

static void spin_until(uint64_t moment)
{
	while (now() < moment)
		;
}

/* What the child waits for: room, or the number of the round. */
static void serve(int fd, struct rounds *rounds, bool sends, uint32_t round)
{
	if (sends)
		NEED(!receive_number(fd, rounds, MBOX_RECV_NONBLOCK, 0));
	else
		NEED(!send_number(fd, round, MBOX_SEND_NONBLOCK, 0));
}

/* Serve the child so many nanoseconds after it is to give up, or before that. */
static void play_against(const FIXTURE_DATA(giving_up) *self,
			 const FIXTURE_VARIANT(giving_up) *variant, uint32_t round, long after)
{
	struct rounds *rounds = self->rounds;

	if (!variant->signal) {
		spin_until(rounds->deadline + after);
		serve(self->fd, rounds, variant->sends, round);
		return;
	}
	/* The signal of the last round may come late, and end this one. */
	while (!waiters(self->fd, variant->sends) && told(&rounds->ended) <= round)
		sched_yield();
	if (after < 0)
		serve(self->fd, rounds, variant->sends, round);
	else
		NEED(!kill(self->child, SIGUSR1));
	spin_until(now() + labs(after));
	if (after < 0)
		NEED(!kill(self->child, SIGUSR1));
	else
		serve(self->fd, rounds, variant->sends, round);
}

/*
 * How far the next round is from this one: less than in the last one if that was decided
 * otherwise, so that what is looked for lies between them, and more if it was not.
 */
static long next_step(const struct rounds *rounds, uint32_t round, long step)
{
	if (!round || rounds->gave_up[round] != rounds->gave_up[round - 1])
		return step / 2 > STEP_MIN ? step / 2 : STEP_MIN;
	return step * 2 < STEP_MAX ? step * 2 : STEP_MAX;
}

/* A sender finds the mailbox full, a receiver finds it empty. */
static void restore(int fd, struct rounds *rounds, bool sends)
{
	uint32_t msgs = state(fd, 0).msgs;

	if (sends && !msgs)
		NEED(!send_number(fd, FILLER, 0, 0));
	if (!sends && msgs)
		NEED(!receive_number(fd, rounds, 0, 0));
}

static bool is_enough(uint32_t rounds, unsigned int gave_up)
{
	return rounds >= ROUNDS && gave_up > ROUNDS / 10 && rounds - gave_up > ROUNDS / 10;
}

TEST_F(giving_up, in_the_middle_of_being_served_loses_and_doubles_nothing)
{
	struct rounds *rounds = self->rounds;
	unsigned int gave_up = 0;
	long after = 0, step = STEP_MIN;
	uint32_t round, i;

	restore(self->fd, rounds, variant->sends);
	self->child = spawn();
	if (!self->child)
		play(self->fd, rounds, variant->sends, variant->signal);
	srand(1);
	for (round = 0; round < MANY && !is_enough(round, gave_up); round++) {
		tell(&rounds->allowed, round + 1);
		while (told(&rounds->begun) <= round)
			sched_yield();
		play_against(self, variant, round, after);
		while (told(&rounds->ended) <= round)
			sched_yield();
		gave_up += rounds->gave_up[round];
		step = next_step(rounds, round, step);
		after += rounds->gave_up[round] ? -(rand() % step) : rand() % step;
		restore(self->fd, rounds, variant->sends);
	}
	end(self->child);
	if (variant->sends)
		ASSERT_EQ(0, receive_number(self->fd, rounds, 0, 0));

	for (i = 0; i < round; i++) {
		EXPECT_EQ(variant->sends ? !rounds->gave_up[i] : 1, rounds->received[i]) {
			TH_LOG("round %u, which the child %s", i,
			       rounds->gave_up[i] ? "gave up" : "won");
		}
	}
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	TH_LOG("%u rounds", round);
	EXPECT_LT(ROUNDS / 10, gave_up);
	EXPECT_LT(ROUNDS / 10, round - gave_up);
}

/*
 * Who is served soon, by another processor, need not sleep for it.
 */

#define VIGILS	300
#define TRIES	20	/* for other work of the machine to be over */

struct vigil {
	uint32_t steps;		/* of a process that does nothing else */
	uint32_t awake;		/* how many waits ended without sleep */
};

FIXTURE(vigil) {
	int fd;
	struct vigil *vigil;
};

FIXTURE_VARIANT(vigil) {
	bool sends;
};

FIXTURE_VARIANT_ADD(vigil, to_send) {
	.sends = true,
};

FIXTURE_VARIANT_ADD(vigil, to_receive) {
	.sends = false,
};

FIXTURE_SETUP(vigil)
{
	begin();
	self->fd = blocking_mailbox(variant->sends);
	self->vigil = shared(sizeof(*self->vigil));
	stay_on(last_processor());
}

FIXTURE_TEARDOWN(vigil)
{
	reset_tunables();
	sweep();
}

/* Whether the machine lets both processors run, most of the time, and does so now. */
static bool run_side_by_side(struct vigil *vigil)
{
	unsigned int i, n, both = 0;
	pid_t other = spawn();
	uint32_t before;

	if (!other) {
		stay_on(0);
		for (;;)
			tell(&vigil->steps, vigil->steps + 1);
	}
	WAIT_UNTIL(told(&vigil->steps));
	for (i = 0; i < VIGILS; i++) {
		before = told(&vigil->steps);
		for (n = 0; n < 10; n++)
			getppid();
		both += told(&vigil->steps) != before;
	}
	end(other);
	return both > VIGILS / 2;
}

static long sleeps_so_far(void)
{
	struct rusage usage;

	NEED(!getrusage(RUSAGE_SELF, &usage));
	return usage.ru_nvcsw;
}

/* How many waits end without sleep, of those that are ended as soon as they are seen. */
static unsigned int count_awake(int fd, bool sends, struct vigil *vigil)
{
	pid_t waiter = spawn();
	unsigned int i;
	long before;

	if (!waiter) {
		stay_on(0);
		for (i = vigil->awake = 0; i < VIGILS; i++) {
			before = sleeps_so_far();
			NEED(!attempt(fd, sends, 0, 0));
			vigil->awake += sleeps_so_far() == before;
		}
		_exit(0);
	}
	for (i = 0; i < VIGILS; i++) {
		while (!waiters(fd, sends))
			;
		satisfy(fd, sends);
	}
	NEED(!join(waiter));
	return vigil->awake;
}

TEST_F_TIMEOUT(vigil, that_is_short_needs_no_sleep_if_the_tunable_says_so, 120)
{
	unsigned int asleep = 0, awake = 0, i;
	bool measured = false;

	for (i = 0; last_processor() && i < TRIES && awake <= asleep + VIGILS / 10; i++) {
		if (!run_side_by_side(self->vigil)) {
			usleep(100000);
			continue;
		}
		measured = true;
		ASSERT_EQ(0, set_tunable("spin_us", 0));
		asleep = count_awake(self->fd, variant->sends, self->vigil);
		ASSERT_EQ(0, set_tunable("spin_us", 1000));
		awake = count_awake(self->fd, variant->sends, self->vigil);
	}
	if (!measured)
		SKIP(return, "two processors hardly ever ran at the same time");
	TH_LOG("of %u waits %u ended without sleep, and %u if there was none to be",
	       VIGILS, awake, asleep);
	EXPECT_LT(asleep + VIGILS / 10, awake);
}

TEST_HARNESS_MAIN
