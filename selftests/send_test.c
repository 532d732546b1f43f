// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MBOX_IOC_SEND: when it waits, what it refuses, and that what it refused is
 * nowhere afterwards.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define SIZE 16

FIXTURE(send) {
	int fd;
};

FIXTURE_SETUP(send)
{
	begin();
	self->fd = mailbox(attributes(2, SIZE));
}

FIXTURE_TEARDOWN(send)
{
	sweep();
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

TEST_F(send, with_room_does_not_wait)
{
	struct mbox_stat stat;

	ASSERT_EQ(0, post_and_wait(self->fd, 0, "a", 0));
	ASSERT_EQ(0, post_and_wait(self->fd, 0, "bc", 0));
	stat = state(self->fd, 0);
	EXPECT_EQ(2, stat.msgs);
	EXPECT_EQ(3, stat.bytes);
	EXPECT_EQ(2, stat.sent);
	expect_next(_metadata, self->fd, "a");
	expect_next(_metadata, self->fd, "bc");
}

TEST_F(send, a_full_mailbox_makes_a_blocking_sender_wait_until_there_is_room)
{
	pid_t sender;

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, post(self->fd, 0, "b", 0));
	sender = spawn_sender(self->fd, 0, "c", 0);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	EXPECT_EQ(2, state(self->fd, 0).sent);

	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, state(self->fd, 0).senders);
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	EXPECT_EQ(3, state(self->fd, 0).sent);
	expect_next(_metadata, self->fd, "b");
	expect_next(_metadata, self->fd, "c");
}

TEST_F(send, hands_the_message_to_a_receiver_that_waits)
{
	struct letter *letter = shared(sizeof(*letter));
	pid_t receiver = spawn_receiver(self->fd, 0, letter);
	struct mbox_stat stat;

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post(self->fd, 0, "a", 7));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ("a", letter->text);
	EXPECT_EQ(7, letter->env.prio);
	stat = state(self->fd, 0);
	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(1, stat.sent);
	EXPECT_EQ(1, stat.received);
}

FIXTURE(nonblocking_send) {
	int fd;
};

FIXTURE_VARIANT(nonblocking_send) {
	int oflag;
	uint64_t flags;
};

FIXTURE_VARIANT_ADD(nonblocking_send, by_flag) {
	.flags = MBOX_SEND_NONBLOCK,
};

FIXTURE_VARIANT_ADD(nonblocking_send, by_descriptor) {
	.oflag = O_NONBLOCK,
};

FIXTURE_VARIANT_ADD(nonblocking_send, by_flag_in_spite_of_a_deadline) {
	.flags = MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT,
};

FIXTURE_VARIANT_ADD(nonblocking_send, by_descriptor_in_spite_of_a_deadline) {
	.oflag = O_NONBLOCK,
	.flags = MBOX_SEND_TIMEOUT,
};

FIXTURE_SETUP(nonblocking_send)
{
	struct mbox_create attr = attributes(1, SIZE);

	begin();
	attr.flags = MBOX_CREATE_BIND;
	self->fd = device(O_RDWR | variant->oflag);
	create(self->fd, attr);
}

FIXTURE_TEARDOWN(nonblocking_send)
{
	sweep();
}

TEST_F(nonblocking_send, is_told_that_there_is_no_room)
{
	uint64_t never = UINT64_MAX;
	struct mbox_stat stat;

	EXPECT_EQ(0, send_bytes(self->fd, 0, "a", 1, 0, variant->flags, never));
	stat = state(self->fd, 0);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(EAGAIN, send_bytes(self->fd, 0, "b", 1, 0, variant->flags, never));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

FIXTURE(refused_length) {
	int fd;
};

FIXTURE_VARIANT(refused_length) {
	uint64_t len;
};

FIXTURE_VARIANT_ADD(refused_length, one_too_many) {
	.len = SIZE + 1,
};

FIXTURE_VARIANT_ADD(refused_length, int_min) {
	.len = 1ULL << 31,
};

FIXTURE_VARIANT_ADD(refused_length, over_32_bit) {
	.len = 1ULL << 32,
};

FIXTURE_VARIANT_ADD(refused_length, over_32_bit_and_a_bit) {
	.len = (1ULL << 32) + 1,
};

FIXTURE_VARIANT_ADD(refused_length, long_min) {
	.len = 1ULL << 63,
};

FIXTURE_VARIANT_ADD(refused_length, largest) {
	.len = UINT64_MAX,
};

FIXTURE_SETUP(refused_length)
{
	begin();
	self->fd = mailbox(attributes(1, SIZE));
}

FIXTURE_TEARDOWN(refused_length)
{
	sweep();
}

/* Not a wait: there will never be room. */
TEST_F(refused_length, is_an_error_with_and_without_room)
{
	static const char text[SIZE + 1];
	struct mbox_stat stat = state(self->fd, 0);

	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, text, variant->len, 0, 0, 0));
	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, NULL, variant->len, 0, 0, 0));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	stat = state(self->fd, 0);
	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, text, variant->len, 0, 0, 0));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

FIXTURE(faulting_buffer) {
	int fd;
	struct mbox_stat stat;
};

FIXTURE_SETUP(faulting_buffer)
{
	begin();
	self->fd = mailbox(attributes(2, 3 * PAGE));
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	self->stat = state(self->fd, 0);
}

FIXTURE_TEARDOWN(faulting_buffer)
{
	EXPECT_TRUE(same_state(self->stat, state(self->fd, 0)));
	sweep();
}

TEST_F(faulting_buffer, null)
{
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, NULL, 1, 0, 0, 0));
}

TEST_F(faulting_buffer, unmapped)
{
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, unmapped(), 1, 0, 0, 0));
}

TEST_F(faulting_buffer, of_the_kernel)
{
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, of_the_kernel(), 8, 0, 0, 0));
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, (void *)-8L, 8, 0, 0, 0));
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, (void *)-8L, 16, 0, 0, 0));
}

/* In 32 bits the rest would do. */
TEST_F(faulting_buffer, beyond_what_a_pointer_can_say)
{
	struct mbox_send arg = { .buf = 1ULL << 63 | (uintptr_t)"b", .len = 1 };

	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_SEND, &arg));
}

TEST_F(faulting_buffer, that_ends_in_a_hole)
{
	char *buf = before_a_hole(PAGE + 8);

	memset(buf, 'x', PAGE + 8);
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, buf, PAGE + 9, 0, 0, 0));
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, buf + PAGE + 7, 2, 0, 0, 0));
}

TEST_F(faulting_buffer, with_a_hole_in_it)
{
	char *buf = before_a_hole(3 * PAGE);

	memset(buf, 'x', 3 * PAGE);
	ASSERT_EQ(0, munmap(buf + PAGE, PAGE));
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, buf, 3 * PAGE, 0, 0, 0));
}

/* The bad buffer is told at once, not after a wait for room. */
TEST_F(faulting_buffer, when_the_mailbox_is_full)
{
	ASSERT_EQ(0, post(self->fd, 0, "b", 0));
	self->stat = state(self->fd, 0);
	EXPECT_EQ(EFAULT, send_bytes(self->fd, 0, unmapped(), 1, 0, 0, 0));
}

TEST_F(send, takes_bytes_from_memory_that_is_read_only)
{
	char *buf = before_a_hole(PAGE);

	strcpy(buf, "a");
	ASSERT_EQ(0, mprotect(buf, PAGE, PROT_READ));
	EXPECT_EQ(0, post(self->fd, 0, buf, 0));
	expect_next(_metadata, self->fd, "a");
}

TEST_F(send, an_empty_message_needs_no_buffer)
{
	struct letter letter;

	EXPECT_EQ(0, send_bytes(self->fd, 0, NULL, 0, 0, 0, 0));
	EXPECT_EQ(0, send_bytes(self->fd, 0, (void *)-1L, 0, 1, 0, 0));
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	EXPECT_EQ(0, state(self->fd, 0).bytes);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(0, letter.env.len);
	EXPECT_EQ(1, letter.env.prio);
}

TEST_F(send, takes_the_priorities_there_are_and_no_other)
{
	static const uint32_t others[] = { 32, 33, 64, 255, 256, 1U << 31, UINT32_MAX };
	struct letter letter;
	struct mbox_stat stat;
	uint32_t prio, i;

	for (prio = 0; prio <= MBOX_PRIO_MAX; prio++) {
		EXPECT_EQ(0, post(self->fd, 0, "a", prio));
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		EXPECT_EQ(prio, letter.env.prio);
	}
	stat = state(self->fd, 0);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		EXPECT_EQ(EINVAL, post(self->fd, 0, "a", others[i]));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(send, needs_a_descriptor_that_is_open_for_writing)
{
	uint64_t id = state(self->fd, 0).id;

	EXPECT_EQ(EBADF, post(descriptor(id, O_RDONLY), 0, "a", 0));
	EXPECT_EQ(EBADF, post(device(O_RDONLY), id, "a", 0));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(0, post(descriptor(id, O_WRONLY), 0, "a", 0));
	EXPECT_EQ(0, post(device(O_WRONLY), id, "b", 0));
	EXPECT_EQ(2, state(self->fd, 0).msgs);
}

TEST_F(send, goes_to_the_mailbox_of_the_id_whatever_the_descriptor_is_bound_to)
{
	uint64_t other = create(self->fd, attributes(2, SIZE));

	EXPECT_EQ(0, post(self->fd, other, "a", 0));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, other).msgs);
}

/* More than a descriptor remembers, of which those that have ended make room for others. */
#define PROCESSES 100

TEST_F(send, speaks_for_the_process_that_calls_however_many_use_the_descriptor)
{
	struct letter letter;
	pid_t child;
	int i;

	for (i = 0; i < PROCESSES; i++) {
		child = spawn();
		if (!child) {
			/* The second goes as those of one who is known. */
			_exit(post(self->fd, 0, "a", 0) || post(self->fd, 0, "b", 0));
		}
		ASSERT_EQ(0, join(child));
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		ASSERT_EQ(child, letter.env.pid);
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		ASSERT_EQ(child, letter.env.pid);
		ASSERT_STREQ("b", letter.text);
	}
}

TEST_F(send, needs_a_mailbox)
{
	uint64_t id = state(self->fd, 0).id;

	EXPECT_EQ(ENOTCONN, post(device(O_RDWR), 0, "a", 0));
	EXPECT_EQ(ENOENT, post(self->fd, id + 1, "a", 0));
	EXPECT_EQ(ENOENT, post(self->fd, UINT64_MAX, "a", 0));
	EXPECT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EIDRM, post(self->fd, id, "a", 0));
}

TEST_F(send, whose_buffer_stalls_holds_up_nobody)
{
	struct stall stall = new_stall();
	struct task *sender = start_sending(self->fd, stall.page, 1);
	struct letter letter;

	wait_for_stall(&stall);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(0, post(self->fd, 0, "a", 0));
	expect_next(_metadata, self->fd, "a");
	release_stall(&stall);
	EXPECT_EQ(0, finish(sender));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(1, letter.env.len);
	EXPECT_EQ(0, letter.text[0]);
	EXPECT_EQ(2, letter.env.seq);
}

TEST_F(send, whose_buffer_stalls_and_fails_leaves_nothing)
{
	struct stall stall = new_stall();
	struct task *sender = start_sending(self->fd, stall.page, 1);
	struct mbox_stat stat = state(self->fd, 0);

	wait_for_stall(&stall);
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(sender));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(send, is_told_when_the_mailbox_goes_while_its_buffer_stalls)
{
	struct stall stall = new_stall();
	struct task *sender = start_sending(self->fd, stall.page, 1);

	wait_for_stall(&stall);
	EXPECT_EQ(0, delete(self->fd, 0));
	release_stall(&stall);
	EXPECT_EQ(EIDRM, finish(sender));
}

TEST_HARNESS_MAIN
