// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expiry: a message disappears when its time passes, is counted, and is never
 * delivered later, whoever stalled, waited or failed meanwhile.
 */
#include "kselftest_harness.h"
#include "hog.h"

#define SIZE 16
#define HOUR (3600000 * MSEC)

static int send_until(int fd, const char *text, uint64_t expires, uint64_t flags)
{
	struct mbox_send how = { .flags = MBOX_SEND_EXPIRES | flags, .expires = expires };

	return send_as(fd, text, &how);
}

static int post_until(int fd, const char *text, uint64_t expires)
{
	return send_until(fd, text, expires, MBOX_SEND_NONBLOCK);
}

static pid_t spawn_sender_until(int fd, const char *text, uint64_t expires, uint64_t flags)
{
	pid_t child = spawn();

	if (!child)
		_exit(send_until(fd, text, expires, flags));
	return child;
}

static void wait_until(uint64_t time)
{
	while (now() < time)
		usleep(1000);
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

FIXTURE(expiry) {
	int fd;
	struct letter *letter;
};

FIXTURE_SETUP(expiry)
{
	begin();
	take_signals(0);
	self->fd = mailbox(attributes(8, SIZE));
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(expiry)
{
	sweep();
}

TEST_F(expiry, of_a_message_makes_it_disappear_then_and_counts_it)
{
	uint64_t expires = now() + 50 * MSEC;
	struct mbox_stat stat;

	ASSERT_EQ(0, post_until(self->fd, "soon", expires));
	ASSERT_EQ(0, post_until(self->fd, "later", expires + HOUR));
	ASSERT_EQ(0, post(self->fd, 0, "never", 0));
	WAIT_UNTIL(state(self->fd, 0).expired == 1);
	EXPECT_LE(expires, now());
	stat = state(self->fd, 0);
	EXPECT_EQ(2, stat.msgs);
	EXPECT_EQ(10, stat.bytes);
	EXPECT_EQ(3, stat.sent);
	EXPECT_EQ(0, stat.received);
	expect_next(_metadata, self->fd, "later");
	expect_next(_metadata, self->fd, "never");
	EXPECT_EQ(1, state(self->fd, 0).expired);
}

/* It ends by itself, not because somebody looks. */
TEST_F(expiry, of_a_message_is_told_to_pollers_for_room)
{
	struct pollfd pollfd = { .events = POLLOUT };
	int fd = mailbox(attributes(1, SIZE));

	pollfd.fd = fd;
	ASSERT_EQ(0, post_until(fd, "x", now() + 50 * MSEC));
	EXPECT_EQ(1, poll(&pollfd, 1, -1));
	EXPECT_EQ(POLLOUT, pollfd.revents);
	EXPECT_EQ(0, polled(fd, POLLIN));
	EXPECT_EQ(1, state(fd, 0).expired);
}

TEST_F(expiry, in_the_past_is_ETIMEDOUT)
{
	const uint64_t past[] = { 0, 1, now() - 1 };
	static const uint64_t ways[] = {
		0, MBOX_SEND_NONBLOCK, MBOX_SEND_SYNC, MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK,
	};
	struct mbox_stat stat;
	pid_t receiver;
	unsigned int i;

	/* Also where somebody waits for a message. */
	receiver = spawn_receiver(self->fd, 0, self->letter);
	wait_for_receivers(self->fd, 0, 1);
	stat = state(self->fd, 0);
	for (i = 0; i < ARRAY_SIZE(past) * ARRAY_SIZE(ways); i++)
		EXPECT_EQ(ETIMEDOUT, send_until(self->fd, "x", past[i % 3], ways[i / 3]));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	ASSERT_EQ(0, post_until(self->fd, "good", now() + HOUR));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ("good", self->letter->text);
}

TEST_F(expiry, that_the_clock_cannot_reach_is_never)
{
	static const uint64_t never[] = { INT64_MAX, INT64_MAX + 1ULL, UINT64_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(never); i++)
		ASSERT_EQ(0, post_until(self->fd, "x", never[i]));
	ASSERT_EQ(0, post_until(self->fd, "x", INT64_MAX - 1));
	ASSERT_EQ(0, post_until(self->fd, "soon", now() + 20 * MSEC));
	WAIT_UNTIL(state(self->fd, 0).expired == 1);
	for (i = 0; i < 4; i++)
		expect_next(_metadata, self->fd, "x");
	EXPECT_EQ(1, state(self->fd, 0).expired);
}

TEST_F(expiry, counts_only_with_its_flag)
{
	struct mbox_send how = { .expires = 1 };

	ASSERT_EQ(0, send_as(self->fd, "text", &how));
	expect_next(_metadata, self->fd, "text");
}

TEST_F(expiry, leaves_a_receiver_waiting_for_the_next)
{
	uint64_t expires = now() + 30 * MSEC;
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK };
	struct letter letter;
	pid_t receiver;

	ASSERT_EQ(0, post_until(self->fd, "x", expires));
	wait_until(expires);
	EXPECT_EQ(EAGAIN, receive(self->fd, 0, MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK, 0, &letter));
	how.nth = 1;
	EXPECT_EQ(EAGAIN, receive_as(self->fd, how, &letter));
	EXPECT_EQ(EAGAIN, receive(self->fd, 0, MBOX_RECV_LEAST | MBOX_RECV_NONBLOCK, 0, &letter));
	EXPECT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
	receiver = spawn_receiver(self->fd, 0, self->letter);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "next", 0));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ("next", self->letter->text);
	EXPECT_EQ(1, state(self->fd, 0).expired);
}

TEST_F(expiry, is_by_time_and_not_by_place)
{
	unsigned int i;
	struct letter letter;
	uint64_t start = now();
	int fd = mailbox(attributes(200, SIZE));

	srand(1);
	for (i = 0; i < 200; i++) {
		struct mbox_send how = {
			.flags = MBOX_SEND_EXPIRES | MBOX_SEND_NONBLOCK,
			.prio = rand() % 3,
			.expires = start + (i % 2 ? HOUR : 0) + (100 + rand() % 200) * MSEC,
		};
		int error = send_as(fd, i % 2 ? "late" : "soon", &how);

		/* On a slow machine it may be over before it is sent. */
		ASSERT_TRUE(!error || error == ETIMEDOUT);
		/* Some leave before. */
		if (i % 10 == 9)
			ASSERT_EQ(0, receive(fd, 0, MBOX_RECV_LEAST | MBOX_RECV_NONBLOCK, 0,
					     &letter));
	}
	wait_until(start + 300 * MSEC);
	while (!fetch(fd, 0, &letter))
		EXPECT_STREQ("late", letter.text);
	EXPECT_EQ(state(fd, 0).sent, state(fd, 0).received + state(fd, 0).expired);
	EXPECT_LT(0, state(fd, 0).expired);
}

TEST_F(expiry, leaves_the_others_of_its_tag_in_order)
{
	struct mbox_create attr = attributes(40, SIZE);
	uint64_t expires = now() + 150 * MSEC;
	struct letter letter;
	unsigned int i;
	char text[8];
	int fd;

	attr.flags = MBOX_CREATE_BY_TAG;
	fd = mailbox(attr);
	for (i = 0; i < 40; i++) {
		struct mbox_send how = {
			.flags = MBOX_SEND_EXPIRES,
			.tag = i % 4,
			.expires = i / 4 % 2 ? expires : expires + HOUR,
		};
		int error;

		snprintf(text, sizeof(text), "%u", i);
		error = send_as(fd, text, &how);
		ASSERT_TRUE(!error || (error == ETIMEDOUT && i / 4 % 2));
	}
	WAIT_UNTIL(state(fd, 0).msgs == 20);
	EXPECT_LE(expires, now());
	for (i = 0; i < 40; i++) {
		struct mbox_recv how = {
			.flags = MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK,
			.match = i / 10,
		};
		unsigned int number = i % 10 * 4 + i / 10;

		if (number / 4 % 2)
			continue;
		snprintf(text, sizeof(text), "%u", number);
		ASSERT_EQ(0, receive_as(fd, how, &letter));
		EXPECT_STREQ(text, letter.text);
	}
	EXPECT_EQ(0, state(fd, 0).msgs);
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
	return 0;
}

TEST_F(expiry, is_by_the_clock_of_the_senders_time_namespace)
{
	uint64_t start = now();
	pid_t child = spawn_in_the_future();

	if (!child) {
		NEED(!post_until(self->fd, "soon", now() + 50 * MSEC));
		NEED(!post_until(self->fd, "later", now() + HOUR));
		NEED(post_until(self->fd, "past", now() - HOUR) == ETIMEDOUT);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	WAIT_UNTIL(state(self->fd, 0).expired == 1);
	EXPECT_LE(start + 50 * MSEC, now());
	expect_next(_metadata, self->fd, "later");
}

/* More than are dropped before others have the lock and the processor. */
#define LATE	50

struct late {
	int fds[2];
	uint64_t expires;
	uint32_t over;
};

static void post_what_expires(void *data)
{
	struct late *late = data;
	unsigned int i;

	late->expires = now() + 200 * MSEC;
	for (i = 0; i < 2 * LATE; i++)
		NEED(!post_until(late->fds[i % 2], "soon", late->expires));
}

/* The timer has nobody to tell, since the processor that it is on is busy. */
TEST_F(expiry, is_the_end_though_the_messages_are_still_there)
{
	struct mbox_recv look = { .flags = MBOX_RECV_PEEK, .nth = 1 };
	struct late *late = shared(sizeof(*late));
	struct letter letter;
	unsigned int i;
	pid_t hog;

	stay_on(0);
	late->fds[0] = mailbox(attributes(LATE, SIZE));
	late->fds[1] = mailbox(attributes(LATE + 1, SIZE));
	ASSERT_EQ(0, post(late->fds[1], 0, "never", 0));
	hog = spawn_hog(&late->over, post_what_expires, late);
	while (now() <= late->expires)
		;
	EXPECT_EQ(EAGAIN, fetch(late->fds[0], 0, &letter));
	EXPECT_EQ(EAGAIN, receive_as(late->fds[1], look, &letter));
	end_hog(hog, &late->over);
	for (i = 0; i < 2; i++) {
		WAIT_UNTIL(state(late->fds[i], 0).expired == LATE);
		EXPECT_EQ(i, state(late->fds[i], 0).msgs);
	}
	expect_next(_metadata, late->fds[1], "never");
}

TEST_F(expiry, of_very_many_at_once_leaves_none)
{
	const unsigned int many = 4000;
	int fd = mailbox(attributes(many, 4)), error = 0;
	uint64_t expires;
	unsigned int i;

	/* As long as it takes to send them, and as much again. */
	expires = now();
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, post(fd, 0, "x", 0));
	expires = now() + (now() - expires) * 2 * many / 1000;
	for (i = 1000; i < many && !error; i++)
		error = post_until(fd, "x", expires);
	/* On a machine that is busy there may be no time for all. */
	ASSERT_TRUE(!error || error == ETIMEDOUT);
	WAIT_UNTIL(state(fd, 0).msgs == 1000);
	EXPECT_LE(expires, now());
	EXPECT_EQ(state(fd, 0).sent - 1000, state(fd, 0).expired);
	EXPECT_LT(100, state(fd, 0).expired);
}

/*
 * Senders that wait, in each of the places where they can.
 */
FIXTURE(waiting) {
	int fd;
	uint64_t flags;
};

FIXTURE_VARIANT(waiting) {
	bool full;		/* there is no room */
	bool rendezvous;
	uint64_t flags;
	uint64_t kind;
};

FIXTURE_VARIANT_ADD(waiting, for_room) {
	.full = true,
};

FIXTURE_VARIANT_ADD(waiting, for_room_and_a_receiver) {
	.full = true, .flags = MBOX_SEND_SYNC,
};

FIXTURE_VARIANT_ADD(waiting, for_a_buffer) {
	.full = true, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(waiting, for_a_receiver) {
	.flags = MBOX_SEND_SYNC,
};

FIXTURE_VARIANT_ADD(waiting, for_a_receiver_with_a_buffer) {
	.flags = MBOX_SEND_SYNC, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(waiting, at_a_rendezvous) {
	.rendezvous = true,
};

FIXTURE_SETUP(waiting)
{
	struct mbox_create attr = attributes(variant->rendezvous ? 0 : 1, SIZE);

	begin();
	attr.flags = variant->kind;
	if (variant->kind)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = mailbox(attr);
	if (variant->full)
		ASSERT_EQ(0, post(self->fd, 0, "first", 0));
}

FIXTURE_TEARDOWN(waiting)
{
	sweep();
}

TEST_F(waiting, sender_is_told_when_its_message_expires_and_not_before)
{
	struct mbox_stat before = state(self->fd, 0), after;
	uint64_t expires = now() + 60 * MSEC;

	EXPECT_EQ(ETIMEDOUT, send_until(self->fd, "text", expires, variant->flags));
	EXPECT_LE(expires, now());
	/* It was not sent, so it did not disappear either. */
	after = state(self->fd, 0);
	EXPECT_EQ(before.sent, after.sent);
	EXPECT_EQ(before.msgs, after.msgs);
	EXPECT_EQ(0, after.senders);
	EXPECT_EQ(0, after.expired);
}

TEST_F(waiting, sender_has_a_deadline_of_its_own_as_well)
{
	struct mbox_send how = { .flags = MBOX_SEND_EXPIRES | MBOX_SEND_TIMEOUT | variant->flags };
	uint64_t first = now() + 40 * MSEC;

	how.deadline = first;
	how.expires = first + HOUR;
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "text", &how));
	EXPECT_LE(first, now());
	first = now() + 40 * MSEC;
	how.deadline = first + HOUR;
	how.expires = first;
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "text", &how));
	EXPECT_LE(first, now());
	how.deadline = 0;
	how.expires = first + HOUR;
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "text", &how));
	how.flags |= MBOX_SEND_NONBLOCK;
	EXPECT_EQ(EAGAIN, send_as(self->fd, "text", &how));
	EXPECT_EQ(0, state(self->fd, 0).expired);
}

TEST_F(waiting, sender_is_served_before_its_message_expires)
{
	pid_t sender = spawn_sender_until(self->fd, "text", now() + HOUR, variant->flags);
	struct letter letter;

	wait_for_senders(self->fd, 0, 1);
	if (variant->full)
		expect_next(_metadata, self->fd, "first");
	ASSERT_EQ(0, fetch_and_wait(self->fd, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	EXPECT_EQ(0, join(sender));
}

TEST_F(waiting, sender_gets_the_room_of_a_message_that_expires)
{
	uint64_t expires = now() + 500 * MSEC;
	pid_t first = 0, second;

	if (variant->full) {
		expect_next(_metadata, self->fd, "first");
		ASSERT_EQ(0, post_until(self->fd, "first", expires));
	} else {
		first = spawn_sender_until(self->fd, "first", expires, variant->flags);
		wait_for_senders(self->fd, 0, 1);
	}
	second = spawn_sender(self->fd, 0, "second", 0);
	wait_for_senders(self->fd, 0, variant->full ? 1 : 2);
	if (first)
		EXPECT_EQ(ETIMEDOUT, join(first));
	if (!variant->rendezvous)
		EXPECT_EQ(0, join(second));
	EXPECT_LE(expires, now());
	expect_next(_metadata, self->fd, "second");
	if (variant->rendezvous)
		EXPECT_EQ(0, join(second));
	EXPECT_EQ(variant->full, state(self->fd, 0).expired);
}

/*
 * Too late by a stall: somebody's memory took longer than the message had.
 */
FIXTURE(late) {
	int fd;
	struct stall stall;
	struct letter *letter;
};

FIXTURE_VARIANT(late) {
	uint32_t msgs;
	uint64_t flags;
	uint64_t kind;
};

FIXTURE_VARIANT_ADD(late, async) {
	.msgs = 2,
};

FIXTURE_VARIANT_ADD(late, async_with_a_buffer) {
	.msgs = 2, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(late, sync) {
	.msgs = 2, .flags = MBOX_SEND_SYNC,
};

FIXTURE_VARIANT_ADD(late, sync_with_a_buffer) {
	.msgs = 2, .flags = MBOX_SEND_SYNC, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(late, rendezvous) {
	.msgs = 0,
};

FIXTURE_SETUP(late)
{
	struct mbox_create attr = attributes(variant->msgs, SIZE);

	begin();
	attr.flags = variant->kind;
	if (variant->kind)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = mailbox(attr);
	self->stall = new_stall();
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(late)
{
	sweep();
}

TEST_F(late, message_of_a_sender_that_stalled_is_not_delivered)
{
	pid_t receiver = spawn_receiver(self->fd, 0, self->letter);
	struct task *sender = calloc(1, sizeof(*sender));
	bool waits = variant->flags || !variant->msgs;
	uint64_t expires;

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_NE(NULL, sender);
	expires = now() + 500 * MSEC;
	sender->fd = self->fd;
	sender->command = MBOX_IOC_SEND;
	sender->send.flags = MBOX_SEND_EXPIRES | variant->flags;
	sender->send.expires = expires;
	sender->send.buf = (uintptr_t)self->stall.page;
	sender->send.len = 4;
	start_task(sender);
	wait_for_stall(&self->stall);
	wait_until(expires);
	release_stall(&self->stall);
	if (waits) {
		EXPECT_EQ(ETIMEDOUT, finish(sender));
		EXPECT_EQ(0, state(self->fd, 0).sent);
	} else {
		/* The mailbox had it, for no time at all. */
		EXPECT_EQ(0, finish(sender));
		EXPECT_EQ(1, state(self->fd, 0).sent);
		EXPECT_EQ(1, state(self->fd, 0).expired);
	}
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	EXPECT_EQ(0, state(self->fd, 0).received);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	ASSERT_EQ(0, post(self->fd, 0, "next", 0));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ("next", self->letter->text);
}

TEST_F(late, message_of_a_receiver_that_failed_goes_to_nobody)
{
	struct task *receiver = start_receiving(self->fd, self->stall.page, SIZE);
	uint64_t expires;
	pid_t next;

	wait_for_receivers(self->fd, 0, 1);
	expires = now() + 500 * MSEC;
	ASSERT_EQ(0, send_until(self->fd, "text", expires, variant->flags));
	wait_for_stall(&self->stall);
	next = spawn_receiver(self->fd, 0, self->letter);
	wait_for_receivers(self->fd, 0, 1);
	wait_until(expires);
	fail_stall(&self->stall);
	EXPECT_EQ(EFAULT, finish(receiver));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	EXPECT_EQ(1, state(self->fd, 0).expired);
	EXPECT_EQ(1, state(self->fd, 0).sent);
	EXPECT_EQ(0, state(self->fd, 0).received);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	ASSERT_EQ(0, post(self->fd, 0, "next", 0));
	EXPECT_EQ(0, join(next));
	EXPECT_STREQ("next", self->letter->text);
}

/* He had it in time. */
TEST_F(late, receiver_keeps_what_it_claimed_before)
{
	struct task *receiver = start_receiving(self->fd, self->stall.page, SIZE);
	uint64_t expires;

	wait_for_receivers(self->fd, 0, 1);
	expires = now() + 500 * MSEC;
	ASSERT_EQ(0, send_until(self->fd, "text", expires, variant->flags));
	wait_for_stall(&self->stall);
	wait_until(expires);
	release_stall(&self->stall);
	EXPECT_EQ(0, finish(receiver));
	EXPECT_EQ(0, memcmp("text", self->stall.page, 4));
	EXPECT_EQ(0, state(self->fd, 0).expired);
	EXPECT_EQ(1, state(self->fd, 0).received);
}

/*
 * Races.
 */
#define ROUNDS 500
#define CROWD 3

struct parcel {
	uint64_t number;
	uint64_t expires;
};

FIXTURE(race) {
	int fd;
	unsigned int *received;
	bool *sent;
};

FIXTURE_VARIANT(race) {
	uint32_t msgs;
	bool blocking;		/* receivers */
};

FIXTURE_VARIANT_ADD(race, with_receivers_that_look) {
	.msgs = 16,
};

FIXTURE_VARIANT_ADD(race, with_receivers_that_wait) {
	.msgs = 16, .blocking = true,
};

FIXTURE_VARIANT_ADD(race, with_receivers_at_a_rendezvous) {
	.msgs = 0, .blocking = true,
};

FIXTURE_SETUP(race)
{
	begin();
	self->fd = mailbox(attributes(variant->msgs, sizeof(struct parcel)));
	self->received = shared(ROUNDS * sizeof(*self->received));
	self->sent = shared(ROUNDS);
}

FIXTURE_TEARDOWN(race)
{
	sweep();
}

/* Nobody gets what had expired before he asked for it. */
static int receive_in_time(int fd, bool blocking, unsigned int *received)
{
	uint64_t flags = blocking ? 0 : MBOX_RECV_NONBLOCK;
	struct parcel parcel;
	struct mbox_recv env;
	int error = 0;

	srand(getpid());
	while (!error || error == EAGAIN) {
		uint64_t asked;

		if (!blocking || rand() % 4 == 0)
			usleep(rand() % 1000);
		asked = now();
		error = receive_into(fd, 0, &parcel, sizeof(parcel), flags, 0, &env);
		if (error)
			continue;
		NEED(parcel.number < ROUNDS);
		NEED(parcel.expires > asked);
		__atomic_add_fetch(&received[parcel.number], 1, __ATOMIC_SEQ_CST);
	}
	return error;
}

TEST_F(race, a_message_is_received_in_time_or_expires)
{
	unsigned int i, received = 0, sent = 0;
	struct mbox_stat stat;
	pid_t pids[CROWD];

	srand(5);
	for (i = 0; i < CROWD; i++) {
		pids[i] = spawn();
		if (!pids[i])
			_exit(receive_in_time(self->fd, variant->blocking, self->received));
	}
	for (i = 0; i < ROUNDS; i++) {
		struct parcel parcel = { .number = i, .expires = now() + rand() % 2000 * 1000 };
		struct mbox_send how = {
			.flags = MBOX_SEND_EXPIRES | (rand() % 4 ? 0 : MBOX_SEND_SYNC),
			.buf = (uintptr_t)&parcel,
			.len = sizeof(parcel),
			.prio = rand() % 3,
			.expires = parcel.expires,
		};
		int error = call(self->fd, MBOX_IOC_SEND, &how);

		ASSERT_TRUE(!error || error == ETIMEDOUT);
		self->sent[i] = !error;
		sent += !error;
	}
	WAIT_UNTIL(state(self->fd, 0).msgs == 0);
	stat = state(self->fd, 0);
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(EIDRM, join(pids[i]));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_LE(self->received[i], self->sent[i]);
		received += self->received[i];
	}
	TH_LOG("%u sent, %u received, %llu expired", sent, received,
	       (unsigned long long)stat.expired);
	EXPECT_EQ(sent, stat.sent);
	EXPECT_EQ(received, stat.received);
	EXPECT_EQ(sent, received + stat.expired);
	EXPECT_LT(0, received);
	EXPECT_LT(received, ROUNDS);
}

TEST_F(expiry, at_the_moment_of_the_mailboxs_end_hurts_nobody)
{
	unsigned int i, k;

	srand(6);
	for (i = 0; i < 150; i++) {
		struct mbox_create attr = attributes(8, SIZE);
		uint64_t id;

		attr.flags = i % 2 ? MBOX_CREATE_BY_TAG : 0;
		id = create(self->fd, attr);
		for (k = 0; k < 8; k++) {
			struct mbox_send how = {
				.flags = MBOX_SEND_EXPIRES | MBOX_SEND_NONBLOCK,
				.id = id,
				.expires = now() + rand() % 500 * 1000,
			};
			int error = send_as(self->fd, "x", &how);

			ASSERT_TRUE(!error || error == ETIMEDOUT);
		}
		usleep(rand() % 300);
		ASSERT_EQ(0, delete(self->fd, id));
	}
}

TEST_HARNESS_MAIN
