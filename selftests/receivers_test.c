// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who receives: anybody, the longest waiting first; one process at a time; or
 * the two processes of a pair.
 */
#include "kselftest_harness.h"
#include "hog.h"

#define SIZE 16
#define SECOND (1000 * MSEC)

static int mailbox_for(uint64_t flags)
{
	struct mbox_create attr = attributes(8, SIZE);

	attr.flags = flags;
	attr.mode = 0666;
	return mailbox(attr);
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

/*
 * Anybody.
 */
#define LOOPERS 4

FIXTURE(any) {
	int fd;
	uint32_t *taken;
};

FIXTURE_VARIANT(any) {
	uint64_t flags;
	uint32_t msgs;
	bool tagged;		/* every other one receives by tag */
};

FIXTURE_VARIANT_ADD(any, of_a_bounded_mailbox) {
	.msgs = 8,
};

FIXTURE_VARIANT_ADD(any, of_a_rendezvous) {
	.msgs = 0,
};

FIXTURE_VARIANT_ADD(any, who_look_for_a_tag_or_for_none) {
	.msgs = 8, .flags = MBOX_CREATE_BY_TAG, .tagged = true,
};

FIXTURE_SETUP(any)
{
	struct mbox_create attr = attributes(variant->msgs, SIZE);

	begin();
	attr.flags = variant->flags;
	self->fd = mailbox(attr);
	self->taken = shared(LOOPERS * sizeof(*self->taken));
}

FIXTURE_TEARDOWN(any)
{
	sweep();
}

static void receive_for_ever(int fd, bool tagged, uint32_t *taken)
{
	struct mbox_recv how = { .flags = tagged ? MBOX_RECV_MATCH : 0, .match = 7 };
	struct letter letter;

	while (!receive_as(fd, how, &letter))
		tell(taken, *taken + 1);
}

static uint32_t sum_of(const uint32_t *taken)
{
	uint32_t sum = 0, i;

	for (i = 0; i < LOOPERS; i++)
		sum += told(&taken[i]);
	return sum;
}

/* 40,000 messages, or as many as there is time for, but enough to tell turns from luck. */
TEST_F(any, receivers_that_always_wait_take_turns)
{
	struct mbox_send how = { .flags = MBOX_SEND_NONBLOCK, .tag = 7 };
	uint64_t enough = now() + SECOND;
	uint32_t sent = 0, i;
	pid_t pids[LOOPERS];

	for (i = 0; i < LOOPERS; i++) {
		pids[i] = spawn();
		if (!pids[i])
			receive_for_ever(self->fd, variant->tagged && i % 2, &self->taken[i]);
	}
	while (sent < 40000 && (sent % LOOPERS || sent < 400 || now() < enough)) {
		while (state(self->fd, 0).receivers < LOOPERS)
			sched_yield();
		ASSERT_EQ(0, send_as(self->fd, "x", &how));
		sent++;
	}
	WAIT_UNTIL(sum_of(self->taken) == sent);
	TH_LOG("%u messages", sent);
	for (i = 0; i < LOOPERS; i++) {
		uint32_t part = told(&self->taken[i]);

		EXPECT_GE(part, sent / LOOPERS * 99 / 100);
		EXPECT_LE(part, (sent / LOOPERS + 1) * 101 / 100);
		end(pids[i]);
	}
}

/*
 * One process at a time.
 */
FIXTURE(single) {
	int fd;
	struct letter *letters;
};

FIXTURE_SETUP(single)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(MBOX_CREATE_SINGLE);
	self->letters = shared(4 * sizeof(*self->letters));
}

FIXTURE_TEARDOWN(single)
{
	sweep();
}

/* A child that has taken a message and stalls; it fails when it is told to. */
struct staller {
	pid_t pid;
	uint32_t *stalls;
	uint32_t *fail;
};

static void stall_in_receive(int fd, const struct staller *staller)
{
	struct stall stall = new_stall();
	struct task *task = start_receiving(fd, stall.page, SIZE);

	wait_for_stall(&stall);
	tell(staller->stalls, 1);
	WAIT_UNTIL(told(staller->fail));
	if (told(staller->fail) == 1)
		release_stall(&stall);
	else
		fail_stall(&stall);
	_exit(finish(task));
}

static struct staller spawn_staller(int fd)
{
	struct staller staller = {
		.stalls = shared(sizeof(uint32_t)),
		.fail = shared(sizeof(uint32_t)),
	};

	staller.pid = spawn();
	if (!staller.pid)
		stall_in_receive(fd, &staller);
	return staller;
}

TEST_F(single, process_is_inside_until_it_has_its_message)
{
	struct staller first = spawn_staller(self->fd);
	pid_t second;

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	WAIT_UNTIL(told(first.stalls));
	second = spawn_receiver(self->fd, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	usleep(20000);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	tell(first.fail, 1);
	EXPECT_EQ(0, join(first.pid));
	EXPECT_EQ(0, join(second));
	EXPECT_STREQ("2", self->letters[0].text);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
}

TEST_F(single, process_that_fails_lets_the_next_have_its_message)
{
	struct staller first = spawn_staller(self->fd);
	pid_t second;

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	WAIT_UNTIL(told(first.stalls));
	second = spawn_receiver(self->fd, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	tell(first.fail, 2);
	EXPECT_EQ(EFAULT, join(first.pid));
	EXPECT_EQ(0, join(second));
	EXPECT_STREQ("1", self->letters[0].text);
	expect_next(_metadata, self->fd, "2");
}

TEST_F(single, process_that_is_killed_in_the_middle_lets_the_next_have_its_message)
{
	struct staller first = spawn_staller(self->fd);
	pid_t second;

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	WAIT_UNTIL(told(first.stalls));
	second = spawn_receiver(self->fd, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 1);
	end(first.pid);
	EXPECT_EQ(0, join(second));
	EXPECT_STREQ("1", self->letters[0].text);
	EXPECT_EQ(1, state(self->fd, 0).received);
}

TEST_F(single, process_after_process_enters_by_arrival)
{
	static const char *const texts[] = { "0", "1", "2", "3" };
	pid_t pids[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		pids[i] = spawn_receiver(self->fd, 0, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, post(self->fd, 0, texts[i], 0));
		EXPECT_EQ(0, join(pids[i]));
		EXPECT_STREQ(texts[i], self->letters[i].text);
		wait_for_receivers(self->fd, 0, 3 - i);
	}
}

TEST_F(single, process_inside_is_EBUSY_to_others_that_do_not_wait)
{
	pid_t inside = spawn_receiver(self->fd, 0, &self->letters[0]);
	struct mbox_stat stat;
	struct letter letter;
	char buf[SIZE];

	wait_for_receivers(self->fd, 0, 1);
	stat = state(self->fd, 0);
	EXPECT_EQ(EBUSY, fetch(self->fd, 0, &letter));
	EXPECT_EQ(EBUSY, receive(self->fd, 0, MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT, 0, &letter));
	EXPECT_EQ(EBUSY, receive(self->fd, 0, MBOX_RECV_NONBLOCK | MBOX_RECV_PEEK, 0, &letter));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(EBUSY, fetch_and_wait(self->fd, 0, &letter));
	EXPECT_EQ(EBUSY, error_of(read(self->fd, buf, sizeof(buf))));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, join(inside));
	EXPECT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
}

TEST_F(single, process_inside_keeps_others_waiting_until_their_deadline)
{
	pid_t inside = spawn_receiver(self->fd, 0, &self->letters[0]);
	uint64_t deadline = now() + 30 * MSEC;
	struct mbox_stat stat;
	struct letter letter;

	wait_for_receivers(self->fd, 0, 1);
	stat = state(self->fd, 0);
	EXPECT_EQ(ETIMEDOUT, receive(self->fd, 0, MBOX_RECV_TIMEOUT, 0, &letter));
	EXPECT_EQ(ETIMEDOUT, receive(self->fd, 0, MBOX_RECV_TIMEOUT, deadline, &letter));
	EXPECT_LE(deadline, now());
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	end(inside);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
}

/* The deadline is for both waits together. */
TEST_F(single, process_that_had_its_turn_waits_until_the_same_deadline)
{
	pid_t inside = spawn_receiver(self->fd, 0, &self->letters[0]), next;
	uint64_t deadline = now() + 1500 * MSEC;

	wait_for_receivers(self->fd, 0, 1);
	next = spawn();
	if (!next)
		_exit(receive(self->fd, 0, MBOX_RECV_TIMEOUT, deadline, &self->letters[1]));
	wait_for_receivers(self->fd, 0, 2);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, join(inside));
	EXPECT_EQ(ETIMEDOUT, join(next));
	EXPECT_LE(deadline, now());
	EXPECT_EQ(0, state(self->fd, 0).receivers);
}

TEST_F(single, process_that_is_killed_lets_the_next_in)
{
	pid_t first = spawn_receiver(self->fd, 0, &self->letters[0]), second;

	wait_for_receivers(self->fd, 0, 1);
	second = spawn_receiver(self->fd, 0, &self->letters[1]);
	wait_for_receivers(self->fd, 0, 2);
	end(first);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, join(second));
	EXPECT_STREQ("text", self->letters[1].text);
}

TEST_F(single, process_with_too_small_a_buffer_lets_the_next_in)
{
	char buf[2];
	struct task *small = start_receiving(self->fd, buf, sizeof(buf));
	pid_t next;

	wait_for_receivers(self->fd, 0, 1);
	next = spawn_receiver(self->fd, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 2);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(EMSGSIZE, finish(small));
	EXPECT_EQ(0, join(next));
	EXPECT_STREQ("text", self->letters[0].text);
}

enum giving_up { KILLED, INTERRUPTED, TIMED_OUT };

FIXTURE(line) {
	int fd;
	struct letter *letters;
};

FIXTURE_VARIANT(line) {
	enum giving_up how;
};

FIXTURE_VARIANT_ADD(line, killed) {
	.how = KILLED,
};

FIXTURE_VARIANT_ADD(line, interrupted) {
	.how = INTERRUPTED,
};

FIXTURE_VARIANT_ADD(line, timed_out) {
	.how = TIMED_OUT,
};

FIXTURE_SETUP(line)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(MBOX_CREATE_SINGLE);
	self->letters = shared(4 * sizeof(*self->letters));
}

FIXTURE_TEARDOWN(line)
{
	sweep();
}

static pid_t spawn_reluctant(int fd, enum giving_up how, struct letter *letter)
{
	uint64_t flags = how == TIMED_OUT ? MBOX_RECV_TIMEOUT : 0;
	uint64_t deadline = now() + 2500 * MSEC;
	pid_t child = spawn();

	if (!child)
		_exit(receive(fd, 0, flags, deadline, letter));
	return child;
}

static int give_up(pid_t child, enum giving_up how)
{
	if (how != TIMED_OUT)
		NEED(!kill(child, how == KILLED ? SIGKILL : SIGUSR1));
	return join(child);
}

TEST_F(line, that_somebody_left_closes_up)
{
	char buf[2][SIZE];
	struct task *inside = start_receiving(self->fd, buf[0], SIZE), *thread;
	pid_t second, last;

	wait_for_receivers(self->fd, 0, 1);
	second = spawn_reluctant(self->fd, variant->how, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 2);
	/* Of the process inside, but it must not pass the second. */
	thread = start_receiving(self->fd, buf[1], SIZE);
	wait_for_receivers(self->fd, 0, 3);
	last = spawn_receiver(self->fd, 0, &self->letters[1]);
	wait_for_receivers(self->fd, 0, 4);

	EXPECT_EQ(variant->how == KILLED ? -SIGKILL :
		  variant->how == INTERRUPTED ? EINTR : ETIMEDOUT,
		  give_up(second, variant->how));
	wait_for_receivers(self->fd, 0, 3);
	/* Now both threads are inside: they take both before anybody leaves. */
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	EXPECT_EQ(0, finish(inside));
	EXPECT_EQ(0, finish(thread));
	EXPECT_EQ('1', buf[0][0]);
	EXPECT_EQ('2', buf[1][0]);
	ASSERT_EQ(0, post(self->fd, 0, "3", 0));
	EXPECT_EQ(0, join(last));
	EXPECT_STREQ("3", self->letters[1].text);
}

TEST_F(single, process_is_inside_with_all_its_threads)
{
	char buf[3][SIZE];
	struct task *threads[3];
	struct letter letter;
	pid_t other;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		threads[i] = start_receiving(self->fd, buf[i], SIZE);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	EXPECT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
	other = spawn_receiver(self->fd, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 4);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, post(self->fd, 0, "x", 0));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, finish(threads[i]));
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "other", 0));
	EXPECT_EQ(0, join(other));
	EXPECT_STREQ("other", self->letters[0].text);
}

/* Stalled in the middle: another thread of the process still receives. */
TEST_F(single, process_whose_thread_stalls_receives_with_another)
{
	struct stall stall = new_stall();
	struct task *stalled = start_receiving(self->fd, stall.page, SIZE);

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	wait_for_stall(&stall);
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	expect_next(_metadata, self->fd, "2");
	release_stall(&stall);
	EXPECT_EQ(0, finish(stalled));
	EXPECT_EQ('1', stall.page[0]);
}

TEST_F(single, process_inside_does_not_pass_one_that_waits)
{
	char buf[2][SIZE];
	struct task *inside = start_receiving(self->fd, buf[0], SIZE), *behind;
	struct letter letter;
	pid_t other;

	wait_for_receivers(self->fd, 0, 1);
	other = spawn_receiver(self->fd, 0, &self->letters[0]);
	wait_for_receivers(self->fd, 0, 2);
	EXPECT_EQ(EBUSY, fetch(self->fd, 0, &letter));
	behind = start_receiving(self->fd, buf[1], SIZE);
	wait_for_receivers(self->fd, 0, 3);
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	EXPECT_EQ(0, finish(inside));
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	EXPECT_EQ(0, join(other));
	EXPECT_STREQ("2", self->letters[0].text);
	ASSERT_EQ(0, post(self->fd, 0, "3", 0));
	EXPECT_EQ(0, finish(behind));
	EXPECT_EQ('3', buf[1][0]);
}

struct looper {
	int fd;
	uint32_t *taken;
};

static void *receive_in_a_loop(void *data)
{
	struct looper *looper = data;
	struct letter letter;

	while (!fetch_and_wait(looper->fd, 0, &letter))
		__atomic_add_fetch(looper->taken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void receive_with_two_threads(int fd, uint32_t *taken)
{
	struct looper looper = { .fd = fd, .taken = taken };
	pthread_t thread;

	NEED(!pthread_create(&thread, NULL, receive_in_a_loop, &looper));
	receive_in_a_loop(&looper);
	_exit(1);
}

/* One of its two is inside at any time, but they must let the other process in. */
TEST_F(single, process_cannot_keep_another_out_with_two_threads)
{
	uint32_t *greedy = shared(sizeof(*greedy)), *modest = shared(sizeof(*modest)), i;
	const uint32_t turns = 25;
	pid_t two = spawn(), one;

	if (!two)
		receive_with_two_threads(self->fd, greedy);
	WAIT_UNTIL(state(self->fd, 0).receivers == 2);
	one = spawn();
	if (!one) {
		struct letter letter;

		for (i = 0; i < turns; i++) {
			NEED(!fetch_and_wait(self->fd, 0, &letter));
			tell(modest, i + 1);
		}
		_exit(0);
	}
	for (i = 0; i < 5000 && told(modest) < turns; i++)
		ASSERT_EQ(0, post_and_wait(self->fd, 0, "x", 0));
	TH_LOG("%u messages, %u of them taken by two threads", i, told(greedy));
	EXPECT_EQ(turns, told(modest));
	EXPECT_LT(0, told(greedy));
	end(two);
	if (told(modest) < turns)
		end(one);
	else
		EXPECT_EQ(0, join(one));
}

TEST_F(single, mailbox_that_is_deleted_tells_who_is_inside_and_who_waits)
{
	pid_t pids[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		pids[i] = spawn_receiver(self->fd, 0, &self->letters[i]);
		wait_for_receivers(self->fd, 0, i + 1);
	}
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(EIDRM, join(pids[i]));
}

/* It has its turn, but does not come to use it before. */
TEST_F(single, mailbox_that_is_deleted_tells_who_was_let_in)
{
	uint32_t *over = shared(sizeof(*over));
	struct task *inside;
	pid_t next, hog;
	char buf[SIZE];

	stay_on(0);
	inside = start_receiving(self->fd, buf, SIZE);
	wait_for_receivers(self->fd, 0, 1);
	next = spawn();
	if (!next) {
		stay_on(last_processor());
		_exit(fetch_and_wait(self->fd, 0, &self->letters[0]));
	}
	wait_for_receivers(self->fd, 0, 2);
	WAIT_UNTIL(sleeps(next));
	hog = spawn_hog(over, NULL, NULL);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, finish(inside));
	EXPECT_EQ(0, delete(self->fd, 0));
	end_hog(hog, over);
	EXPECT_EQ(EIDRM, join(next));
}

TEST_F(single, process_that_looks_is_inside_too)
{
	struct mbox_recv look = { .flags = MBOX_RECV_PEEK };
	pid_t looker = spawn_receiver_as(self->fd, look, &self->letters[0]);
	struct letter letter;

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(EBUSY, fetch(self->fd, 0, &letter));
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, join(looker));
	EXPECT_STREQ("text", self->letters[0].text);
	expect_next(_metadata, self->fd, "text");
}

TEST_F(single, process_that_looks_at_a_later_one_never_waits)
{
	struct mbox_recv look = { .flags = MBOX_RECV_PEEK, .nth = 1 };
	pid_t inside = spawn_receiver(self->fd, 0, &self->letters[0]);
	struct letter letter;

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(EBUSY, receive_as(self->fd, look, &letter));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	end(inside);
	EXPECT_EQ(EAGAIN, receive_as(self->fd, look, &letter));
}

/* Whoever is inside may look for what never comes. */
TEST_F(single, process_inside_decides_alone_what_it_waits_for)
{
	struct mbox_recv tag = { .flags = MBOX_RECV_MATCH, .match = 7 };
	int fd = mailbox_for(MBOX_CREATE_SINGLE | MBOX_CREATE_BY_TAG);
	pid_t picky = spawn_receiver_as(fd, tag, &self->letters[0]), other;

	wait_for_receivers(fd, 0, 1);
	other = spawn_receiver(fd, 0, &self->letters[1]);
	wait_for_receivers(fd, 0, 2);
	ASSERT_EQ(0, post(fd, 0, "other", 0));
	EXPECT_EQ(1, state(fd, 0).msgs);
	EXPECT_EQ(2, state(fd, 0).receivers);
	end(picky);
	EXPECT_EQ(0, join(other));
	EXPECT_STREQ("other", self->letters[1].text);
}

TEST_F(single, process_receives_at_a_rendezvous)
{
	struct mbox_create attr = attributes(0, SIZE);
	pid_t first, second;
	int fd;

	attr.flags = MBOX_CREATE_SINGLE;
	fd = mailbox(attr);
	first = spawn_receiver(fd, 0, &self->letters[0]);
	wait_for_receivers(fd, 0, 1);
	second = spawn_receiver(fd, 0, &self->letters[1]);
	wait_for_receivers(fd, 0, 2);
	ASSERT_EQ(0, post_and_wait(fd, 0, "1", 0));
	ASSERT_EQ(0, post_and_wait(fd, 0, "2", 0));
	EXPECT_EQ(0, join(first));
	EXPECT_EQ(0, join(second));
	EXPECT_STREQ("1", self->letters[0].text);
	EXPECT_STREQ("2", self->letters[1].text);
}

/* Many loop, with deadlines and signals; one at a time, and none is forgotten. */
#define CROWD 5
#define EACH 150

static void take_turns(int fd, uint32_t *taken)
{
	struct letter letter;
	int error = 0;

	srand(getpid());
	while (error != EIDRM) {
		uint64_t flags = rand() % 2 ? MBOX_RECV_TIMEOUT : 0;

		flags |= rand() % 4 ? 0 : MBOX_RECV_NONBLOCK;
		error = receive(fd, 0, flags, now() + rand() % 500 * 1000, &letter);
		if (!error)
			__atomic_add_fetch(taken, 1, __ATOMIC_SEQ_CST);
		NEED(!error || error == EBUSY || error == EAGAIN || error == ETIMEDOUT ||
		     error == EINTR || error == EIDRM);
	}
}

TEST_F(single, process_after_process_among_many_loses_nothing)
{
	uint32_t *taken = shared(sizeof(*taken)), i;
	pid_t pids[CROWD];

	for (i = 0; i < CROWD; i++) {
		pids[i] = spawn();
		if (!pids[i]) {
			take_turns(self->fd, taken);
			_exit(0);
		}
	}
	for (i = 0; i < CROWD * EACH; i++) {
		ASSERT_EQ(0, post_and_wait(self->fd, 0, "x", 0));
		if (i % 8 == 0)
			NEED(!kill(pids[rand() % CROWD], SIGUSR1));
	}
	WAIT_UNTIL(told(taken) == CROWD * EACH);
	EXPECT_EQ(CROWD * EACH, state(self->fd, 0).received);
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, join(pids[i]));
}

/*
 * The two of a pair.
 */
FIXTURE(pair) {
	int fd;
	struct letter *letter;
};

FIXTURE_VARIANT(pair) {
	bool sends;		/* of the two ends, which is it about */
};

FIXTURE_VARIANT_ADD(pair, sender) {
	.sends = true,
};

FIXTURE_VARIANT_ADD(pair, receiver) {
	.sends = false,
};

FIXTURE_SETUP(pair)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(MBOX_CREATE_PAIR);
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(pair)
{
	sweep();
}

/* The call that takes an end. There is room, and a message, for it. */
static int use_end(int fd, bool sends)
{
	struct letter letter;

	if (sends)
		return post(fd, 0, "text", 0);
	return receive(fd, 0, MBOX_RECV_NONBLOCK | MBOX_RECV_PEEK, 0, &letter);
}

/* A process that uses its end and then lives on. */
static pid_t spawn_holder(int fd, bool sends)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child = spawn();

	if (!child) {
		NEED(!use_end(fd, sends));
		tell(ready, 1);
		for (;;)
			pause();
	}
	WAIT_UNTIL(told(ready));
	return child;
}

static int use_end_in_a_child(int fd, bool sends)
{
	pid_t child = spawn();

	if (!child)
		_exit(use_end(fd, sends));
	return join(child);
}

/* Something to receive, of a sender that has ended. */
static void prepare(int fd, bool sends)
{
	if (!sends)
		NEED(!use_end_in_a_child(fd, true));
}

TEST_F(pair, has_its_end_for_itself_while_it_lives)
{
	struct mbox_stat stat;
	pid_t holder;

	prepare(self->fd, variant->sends);
	holder = spawn_holder(self->fd, variant->sends);
	stat = state(self->fd, 0);
	EXPECT_EQ(EPERM, use_end(self->fd, variant->sends));
	EXPECT_EQ(EPERM, use_end_in_a_child(self->fd, variant->sends));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	end(holder);
	EXPECT_EQ(0, use_end(self->fd, variant->sends));
	EXPECT_EQ(EPERM, use_end_in_a_child(self->fd, variant->sends));
}

TEST_F(pair, is_refused_in_every_way_to_use_the_end_of_another)
{
	char buf[SIZE] = "text";
	struct letter letter;
	struct mbox_stat stat;
	pid_t holder;

	prepare(self->fd, variant->sends);
	holder = spawn_holder(self->fd, variant->sends);
	stat = state(self->fd, 0);
	if (variant->sends) {
		EXPECT_EQ(EPERM, post_and_wait(self->fd, 0, "x", 0));
		EXPECT_EQ(EPERM, send_bytes(self->fd, 0, "x", 1, 0, MBOX_SEND_SYNC, 0));
		EXPECT_EQ(EPERM, error_of(write(self->fd, buf, 4)));
		/* What is wrong with the message comes first. */
		EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, buf, SIZE + 1, 0, 0, 0));
	} else {
		EXPECT_EQ(EPERM, fetch_and_wait(self->fd, 0, &letter));
		EXPECT_EQ(EPERM, receive(self->fd, 0, MBOX_RECV_TIMEOUT, 0, &letter));
		EXPECT_EQ(EPERM, receive(self->fd, 0, MBOX_RECV_LEAST, 0, &letter));
		EXPECT_EQ(EPERM, receive_as(self->fd, (struct mbox_recv){
			.flags = MBOX_RECV_PEEK, .nth = 1,
		}, &letter));
		EXPECT_EQ(EPERM, error_of(read(self->fd, buf, sizeof(buf))));
	}
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	end(holder);
}

TEST_F(pair, loses_its_end_as_a_zombie)
{
	siginfo_t info;
	pid_t holder;

	prepare(self->fd, variant->sends);
	holder = spawn_holder(self->fd, variant->sends);
	ASSERT_EQ(0, kill(holder, SIGKILL));
	ASSERT_EQ(0, waitid(P_PID, holder, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(0, use_end(self->fd, variant->sends));
	EXPECT_EQ(-SIGKILL, join(holder));
	EXPECT_EQ(0, use_end(self->fd, variant->sends));
}

static void *outlive_the_leader(void *data)
{
	(void)data;
	for (;;)
		pause();
	return NULL;
}

TEST_F(pair, keeps_its_end_while_one_of_its_threads_lives)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t holder;
	char path[64];

	prepare(self->fd, variant->sends);
	holder = spawn();
	if (!holder) {
		pthread_t thread;

		NEED(!use_end(self->fd, variant->sends));
		NEED(!pthread_create(&thread, NULL, outlive_the_leader, NULL));
		tell(ready, 1);
		pthread_exit(NULL);
	}
	WAIT_UNTIL(told(ready));
	/* The leader is a zombie now. */
	snprintf(path, sizeof(path), "/proc/%d/stat", holder);
	for (;;) {
		char text[64] = "";
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		NEED(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		if (strstr(text, ") Z "))
			break;
		usleep(1000);
	}
	EXPECT_EQ(EPERM, use_end(self->fd, variant->sends));
	end(holder);
	EXPECT_EQ(0, use_end(self->fd, variant->sends));
}

TEST_F(pair, keeps_its_end_over_exec)
{
	int gate[2];
	pid_t holder;
	char comm[32];
	int fd;

	ASSERT_EQ(0, pipe(gate));
	prepare(self->fd, variant->sends);
	holder = spawn();
	if (!holder) {
		NEED(!use_end(self->fd, variant->sends));
		NEED(dup2(gate[0], 0) == 0);
		close(gate[1]);
		execl("/bin/sh", "sh", "-c", "read nothing", NULL);
		_exit(1);
	}
	snprintf(comm, sizeof(comm), "/proc/%d/comm", holder);
	WAIT_UNTIL(({
		char name[16] = "";

		fd = open(comm, O_RDONLY | O_CLOEXEC);
		NEED(fd >= 0 && read(fd, name, sizeof(name) - 1) > 0);
		close(fd);
		!strncmp(name, "sh", 2) || !strncmp(name, "busybox", 7) ||
			!strncmp(name, "dash", 4) || !strncmp(name, "bash", 4);
	}));
	EXPECT_EQ(EPERM, use_end(self->fd, variant->sends));
	end(holder);
	EXPECT_EQ(0, use_end(self->fd, variant->sends));
}

TEST_F(pair, may_be_one_process_at_both_ends)
{
	EXPECT_EQ(0, use_end(self->fd, true));
	EXPECT_EQ(0, use_end(self->fd, false));
	EXPECT_EQ(EPERM, use_end_in_a_child(self->fd, variant->sends));
	expect_next(_metadata, self->fd, "text");
}

TEST_F(pair, has_its_end_while_it_waits)
{
	pid_t waiting = spawn();
	int error = 0;

	if (!waiting) {
		/* Until there is no more room, or at once, as nothing is there. */
		while (!error)
			error = variant->sends ? post_and_wait(self->fd, 0, "x", 0) :
						 fetch_and_wait(self->fd, 0, self->letter);
		_exit(error);
	}
	WAIT_UNTIL(state(self->fd, 0).senders + state(self->fd, 0).receivers == 1);
	EXPECT_EQ(EPERM, use_end(self->fd, variant->sends));
	ASSERT_EQ(0, kill(waiting, SIGUSR1));
	EXPECT_EQ(EINTR, join(waiting));
	EXPECT_EQ(EAGAIN, use_end(self->fd, variant->sends));
}

TEST_F(pair, does_not_get_its_end_without_the_right)
{
	struct mbox_create attr = attributes(8, SIZE);
	pid_t stranger;
	int fd;

	attr.flags = MBOX_CREATE_PAIR;
	attr.mode = 0600;
	fd = mailbox(attr);
	prepare(fd, variant->sends);
	stranger = spawn();
	if (!stranger) {
		become(1000, 1000);
		NEED(use_end(fd, variant->sends) == EACCES);
		for (;;)
			pause();
	}
	WAIT_UNTIL(sleeps(stranger));
	usleep(10000);
	EXPECT_EQ(0, use_end(fd, variant->sends));
	end(stranger);
}

TEST_F(pair, does_not_get_its_end_with_a_message_that_is_too_long)
{
	pid_t stranger = spawn();

	if (!stranger) {
		NEED(send_bytes(self->fd, 0, "12345678901234567", SIZE + 1, 0, 0, 0) == EMSGSIZE);
		for (;;)
			pause();
	}
	WAIT_UNTIL(sleeps(stranger));
	usleep(10000);
	EXPECT_EQ(0, use_end(self->fd, true));
	end(stranger);
}

TEST_F(pair, leaves_its_messages_and_the_other_end_when_it_ends)
{
	pid_t sender = spawn_holder(self->fd, true), receiver = spawn_holder(self->fd, false);

	end(variant->sends ? sender : receiver);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(EPERM, use_end(self->fd, !variant->sends));
	EXPECT_EQ(0, use_end(self->fd, variant->sends));
	end(variant->sends ? receiver : sender);
	EXPECT_EQ(0, use_end(self->fd, !variant->sends));
	expect_next(_metadata, self->fd, "text");
}

/* Many want it at once: one gets it, and after its end another. */
TEST_F(pair, is_one_of_many)
{
	enum { MANY = 6, ROUNDS = 12 };
	uint32_t *go = shared(sizeof(*go)), *got = shared(sizeof(*got));
	uint32_t *refused = shared(sizeof(*refused)), i, round;
	pid_t pids[MANY];

	prepare(self->fd, variant->sends);
	for (round = 0; round < ROUNDS; round++) {
		int fd = mailbox_for(MBOX_CREATE_PAIR);

		prepare(fd, variant->sends);
		tell(go, 0);
		tell(got, 0);
		tell(refused, 0);
		for (i = 0; i < MANY; i++) {
			pids[i] = spawn();
			if (pids[i])
				continue;
			while (!told(go))
				sched_yield();
			__atomic_add_fetch(use_end(fd, variant->sends) ? refused : got, 1,
					   __ATOMIC_SEQ_CST);
			for (;;)
				pause();
		}
		tell(go, 1);
		WAIT_UNTIL(told(got) + told(refused) == MANY);
		EXPECT_EQ(1, told(got));
		for (i = 0; i < MANY; i++)
			end(pids[i]);
		EXPECT_EQ(0, use_end(fd, variant->sends));
		ASSERT_EQ(0, delete(fd, 0));
		close(fd);
	}
}

TEST_HARNESS_MAIN
