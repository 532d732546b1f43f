// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Capacity: unbounded, bounded by messages or by bytes alone, none; the limits
 * of the system behind it; and which attributes go together at all.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define SIZE 16

/* As the manual page has them; a test may change them. */
static void reset_limits(void)
{
	NEED(!set_tunable("max_msgs", 65536));
	NEED(!set_tunable("max_bytes", 67108864));
}

static const char text[SIZE + 1] = "0123456789abcdef";

static int try_send(int fd, uint64_t len, uint64_t flags)
{
	return send_bytes(fd, 0, text, len, 0, flags, 0);
}

/*
 * A bound on one thing is no bound on the other.
 */
FIXTURE(unbounded) {
	int fd;
};

FIXTURE_VARIANT(unbounded) {
	uint32_t max_msgs;
	uint64_t max_bytes;
	uint32_t msgs;		/* so many are sent */
	uint32_t len;		/* of so many bytes each */
	bool full;		/* and then there is no more room */
};

FIXTURE_VARIANT_ADD(unbounded, in_everything) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES,
	.msgs = 3000, .len = SIZE,
};

FIXTURE_VARIANT_ADD(unbounded, in_bytes) {
	.max_msgs = 500, .max_bytes = MBOX_UNBOUNDED_BYTES,
	.msgs = 500, .len = SIZE, .full = true,
};

FIXTURE_VARIANT_ADD(unbounded, in_messages) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = 500 * SIZE,
	.msgs = 500, .len = SIZE, .full = true,
};

FIXTURE_VARIANT_ADD(unbounded, in_messages_that_are_empty) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = SIZE,
	.msgs = 3000, .len = 0,
};

FIXTURE_SETUP(unbounded)
{
	begin();
	self->fd = mailbox((struct mbox_create){
		.max_msgs = variant->max_msgs,
		.max_bytes = variant->max_bytes,
		.max_size = SIZE,
		.mode = 0600,
	});
}

FIXTURE_TEARDOWN(unbounded)
{
	sweep();
}

TEST_F(unbounded, mailbox_takes_messages_without_a_wait)
{
	struct mbox_stat stat;
	struct letter letter;
	uint32_t i;

	EXPECT_EQ(variant->max_msgs, state(self->fd, 0).max_msgs);
	EXPECT_EQ(variant->max_bytes, state(self->fd, 0).max_bytes);
	for (i = 0; i < variant->msgs; i++)
		ASSERT_EQ(0, try_send(self->fd, variant->len, 0));
	stat = state(self->fd, 0);
	EXPECT_EQ(variant->msgs, stat.msgs);
	EXPECT_EQ((uint64_t)variant->msgs * variant->len, stat.bytes);
	EXPECT_EQ(variant->full ? 0 : POLLOUT, polled(self->fd, POLLOUT));
	EXPECT_EQ(variant->full ? EAGAIN : 0, try_send(self->fd, SIZE, MBOX_SEND_NONBLOCK));
	for (i = 0; i < variant->msgs; i++) {
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		ASSERT_EQ(i + 1, letter.env.seq);
	}
}

TEST_F(unbounded, mailbox_makes_a_sender_wait_at_its_bound_and_nowhere_else)
{
	struct letter letter;
	pid_t sender;
	uint32_t i;

	for (i = 0; i < variant->msgs; i++)
		ASSERT_EQ(0, try_send(self->fd, variant->len, 0));
	sender = spawn_sender(self->fd, 0, "late", 0);
	if (variant->full) {
		wait_for_senders(self->fd, 0, 1);
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	}
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(variant->msgs + !variant->full, state(self->fd, 0).msgs);
}

/*
 * What a mailbox does not bound the system does.
 */
FIXTURE(limit) {
	int fd;
};

FIXTURE_VARIANT(limit) {
	const char *tunable;
	long long value;
	uint32_t max_msgs;
	uint64_t max_bytes;
	uint32_t len;
	uint32_t fits;
};

FIXTURE_VARIANT_ADD(limit, on_messages_without_a_bound) {
	.tunable = "max_msgs", .value = 20,
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .len = 8, .fits = 20,
};

FIXTURE_VARIANT_ADD(limit, on_bytes_without_a_bound) {
	.tunable = "max_bytes", .value = 100,
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .len = 10, .fits = 10,
};

FIXTURE_VARIANT_ADD(limit, on_bytes_of_a_mailbox_bounded_by_messages) {
	.tunable = "max_bytes", .value = 105,
	.max_msgs = 50, .max_bytes = MBOX_UNBOUNDED_BYTES, .len = 10, .fits = 10,
};

FIXTURE_VARIANT_ADD(limit, on_messages_of_a_mailbox_bounded_by_bytes) {
	.tunable = "max_msgs", .value = 20,
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = 5000, .len = 8, .fits = 20,
};

FIXTURE_SETUP(limit)
{
	begin();
	take_signals(0);
	reset_limits();
	self->fd = mailbox((struct mbox_create){
		.max_msgs = variant->max_msgs,
		.max_bytes = variant->max_bytes,
		.max_size = variant->len,
		.mode = 0600,
	});
	ASSERT_EQ(0, set_tunable(variant->tunable, variant->value));
}

FIXTURE_TEARDOWN(limit)
{
	sweep();
	reset_limits();
}

/* How many more there is room for. */
static uint32_t fill(int fd, uint32_t len, int expected)
{
	uint32_t count = 0;
	int error;

	while (!(error = try_send(fd, len, 0)))
		count++;
	NEED(error == expected);
	return count;
}

TEST_F(limit, says_ENOBUFS_and_makes_nobody_wait)
{
	static const uint64_t ways[] = {
		0, MBOX_SEND_NONBLOCK, MBOX_SEND_TIMEOUT, MBOX_SEND_SYNC,
		MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK,
	};
	struct mbox_stat stat;
	struct letter letter;
	unsigned int i;

	EXPECT_EQ(POLLOUT, polled(self->fd, POLLOUT));
	EXPECT_EQ(variant->fits, fill(self->fd, variant->len, ENOBUFS));
	stat = state(self->fd, 0);
	EXPECT_EQ(variant->fits, stat.msgs);
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		EXPECT_EQ(ENOBUFS, try_send(self->fd, variant->len, ways[i]));
	EXPECT_EQ(ENOBUFS, error_of(write(self->fd, text, variant->len)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(0, polled(self->fd, POLLOUT));

	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(POLLOUT, polled(self->fd, POLLOUT));
	EXPECT_EQ(1, fill(self->fd, variant->len, ENOBUFS));
}

TEST_F(limit, is_the_one_at_the_moment)
{
	struct letter letter;
	uint32_t i;

	EXPECT_EQ(variant->fits, fill(self->fd, variant->len, ENOBUFS));
	ASSERT_EQ(0, set_tunable(variant->tunable, 2 * variant->value));
	EXPECT_LE(variant->fits, fill(self->fd, variant->len, ENOBUFS));
	ASSERT_EQ(0, set_tunable(variant->tunable, variant->value));
	for (i = state(self->fd, 0).msgs; i > variant->fits; i--) {
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		EXPECT_EQ(ENOBUFS, try_send(self->fd, variant->len, 0));
	}
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(1, fill(self->fd, variant->len, ENOBUFS));
}

TEST_F(limit, is_on_what_is_held_and_not_on_what_passes)
{
	struct letter letter;
	uint32_t i;

	for (i = 0; i < 3 * variant->fits; i++) {
		ASSERT_EQ(0, try_send(self->fd, variant->len, 0));
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	}
	EXPECT_EQ(variant->fits, fill(self->fd, variant->len, ENOBUFS));
}

FIXTURE(limits) {
	int fd;
};

FIXTURE_SETUP(limits)
{
	begin();
	reset_limits();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(limits)
{
	sweep();
	reset_limits();
}

/* It waits for bytes, and when there are some the messages are too many. */
TEST_F(limits, met_by_a_sender_that_waits_are_told_when_its_turn_comes)
{
	struct letter letter;
	pid_t first, second;
	int fd = mailbox((struct mbox_create){
		.max_msgs = MBOX_UNBOUNDED,
		.max_bytes = 10,
		.max_size = 10,
		.mode = 0600,
	});

	ASSERT_EQ(0, try_send(fd, 4, 0));
	ASSERT_EQ(0, try_send(fd, 3, 0));
	ASSERT_EQ(0, try_send(fd, 3, 0));
	first = spawn_sender(fd, 0, "four", 0);
	wait_for_senders(fd, 0, 1);
	second = spawn_sender(fd, 0, "4444", 0);
	wait_for_senders(fd, 0, 2);
	ASSERT_EQ(0, set_tunable("max_msgs", 2));
	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_EQ(ENOBUFS, join(first));
	EXPECT_EQ(ENOBUFS, join(second));
	EXPECT_EQ(2, state(fd, 0).msgs);
	EXPECT_EQ(0, state(fd, 0).senders);
}

TEST_F(limits, bound_what_a_mailbox_is_created_with)
{
	struct mbox_info limits = info(self->fd);
	struct mbox_create attr = attributes(4, SIZE);

	attr.max_msgs = limits.limit_msgs;
	create(self->fd, attr);
	attr.max_msgs++;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	attr.max_msgs = MBOX_UNBOUNDED - 1;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));

	attr = attributes(4, SIZE);
	attr.max_bytes = limits.limit_bytes;
	create(self->fd, attr);
	attr.max_bytes++;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	attr.max_bytes = MBOX_UNBOUNDED_BYTES - 1;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));

	attr = attributes(0, limits.limit_size);
	create(self->fd, attr);
	attr.max_size++;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	attr.max_msgs = MBOX_UNBOUNDED;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
}

TEST_F(limits, bound_what_can_be_reserved)
{
	struct mbox_create attr = {
		.flags = MBOX_CREATE_RESERVE,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_msgs = 10,
		.max_size = 100,
	};

	ASSERT_EQ(0, set_tunable("max_bytes", 1000));
	create(self->fd, attr);
	attr.max_msgs = 11;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	attr.max_msgs = 10;
	attr.max_size = 101;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	ASSERT_EQ(0, set_tunable("max_msgs", 9));
	attr.max_size = 1;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	attr.max_msgs = 9;
	create(self->fd, attr);
}

/*
 * Each kind of capacity with each set of flags.
 */
FIXTURE(combination) {
	int fd;
};

FIXTURE_VARIANT(combination) {
	uint32_t max_msgs;
	uint64_t max_bytes;
	bool valid;		/* without MBOX_CREATE_RESERVE */
	bool reservable;	/* with it */
};

FIXTURE_VARIANT_ADD(combination, bounded) {
	.max_msgs = 4, .max_bytes = 4 * SIZE, .valid = true,
};

FIXTURE_VARIANT_ADD(combination, bounded_by_messages) {
	.max_msgs = 4, .max_bytes = MBOX_UNBOUNDED_BYTES, .valid = true, .reservable = true,
};

FIXTURE_VARIANT_ADD(combination, bounded_by_bytes) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = SIZE, .valid = true,
};

FIXTURE_VARIANT_ADD(combination, unbounded) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .valid = true,
};

FIXTURE_VARIANT_ADD(combination, rendezvous) {
	.max_msgs = 0, .max_bytes = 0, .valid = true,
};

FIXTURE_VARIANT_ADD(combination, no_messages_but_bytes) {
	.max_msgs = 0, .max_bytes = SIZE,
};

FIXTURE_VARIANT_ADD(combination, no_messages_but_bytes_without_bound) {
	.max_msgs = 0, .max_bytes = MBOX_UNBOUNDED_BYTES,
};

FIXTURE_VARIANT_ADD(combination, messages_but_no_bytes) {
	.max_msgs = 4, .max_bytes = 0,
};

FIXTURE_VARIANT_ADD(combination, messages_without_bound_but_no_bytes) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = 0,
};

FIXTURE_VARIANT_ADD(combination, less_bytes_than_one_message) {
	.max_msgs = 4, .max_bytes = SIZE - 1,
};

FIXTURE_SETUP(combination)
{
	begin();
	reset_limits();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(combination)
{
	sweep();
}

static const uint64_t flags[] = {
	MBOX_CREATE_FIXED, MBOX_CREATE_RESERVE, MBOX_CREATE_BY_TAG, MBOX_CREATE_BY_SENDER,
	MBOX_CREATE_SINGLE, MBOX_CREATE_PAIR, MBOX_CREATE_PROCESS, MBOX_CREATE_FILES,
	MBOX_CREATE_INBOX,
};

/* With the flags that some imply. */
static uint64_t kind_of(uint64_t set)
{
	if (set & MBOX_CREATE_INBOX)
		set |= MBOX_CREATE_PROCESS | MBOX_CREATE_BY_SENDER | MBOX_CREATE_FILES;
	return set;
}

static uint64_t subset(unsigned int nr)
{
	uint64_t set = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		set |= nr & (1 << i) ? flags[i] : 0;
	return set;
}

static bool both(uint64_t set, uint64_t a, uint64_t b)
{
	return (set & a) && (set & b);
}

static bool means_something(const FIXTURE_VARIANT(combination) *variant, uint64_t set)
{
	if (both(set, MBOX_CREATE_BY_TAG, MBOX_CREATE_BY_SENDER))
		return false;
	if (both(set, MBOX_CREATE_SINGLE, MBOX_CREATE_PAIR))
		return false;
	if (set & MBOX_CREATE_INBOX && set & ~(MBOX_CREATE_INBOX | MBOX_CREATE_FIXED))
		return false;
	return set & MBOX_CREATE_RESERVE ? variant->reservable : variant->valid;
}

TEST_F(combination, is_created_if_it_means_something_else_EINVAL)
{
	unsigned int nr, accepted = 0;

	for (nr = 0; nr < 1 << ARRAY_SIZE(flags); nr++) {
		struct mbox_create attr = {
			.flags = subset(nr),
			.max_bytes = variant->max_bytes,
			.max_msgs = variant->max_msgs,
			.max_size = SIZE,
		};
		bool good = means_something(variant, attr.flags);
		struct mbox_stat stat;

		ASSERT_EQ(good ? 0 : EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr)) {
			TH_LOG("flags %llx", (unsigned long long)subset(nr));
		}
		ASSERT_EQ(good, info(self->fd).mailboxes);
		if (!good)
			continue;
		accepted++;
		stat = state(self->fd, attr.id);
		EXPECT_EQ(kind_of(attr.flags), stat.kind);
		EXPECT_EQ(attr.max_msgs, stat.max_msgs);
		EXPECT_EQ(attr.max_bytes, stat.max_bytes);
		EXPECT_EQ(attr.max_size, stat.max_size);
		ASSERT_EQ(0, delete(self->fd, attr.id));
	}
	EXPECT_EQ(variant->valid || variant->reservable, !!accepted);
}

TEST_F(combination, with_a_flag_that_nobody_knows_is_EINVAL)
{
	unsigned int bit;

	for (bit = 10; bit < 64; bit++) {
		struct mbox_create attr = {
			.flags = 1ULL << bit,
			.max_bytes = variant->max_bytes,
			.max_msgs = variant->max_msgs,
			.max_size = SIZE,
		};

		EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	}
	EXPECT_EQ(0, info(self->fd).mailboxes);
}

TEST_HARNESS_MAIN
