// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MBOX_IOC_RECV: when it waits, what it tells, and that a receive that failed
 * has taken nothing.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#include <stddef.h>

#define SIZE 16

FIXTURE(recv) {
	int fd;
};

FIXTURE_SETUP(recv)
{
	begin();
	self->fd = mailbox(attributes(4, SIZE));
}

FIXTURE_TEARDOWN(recv)
{
	sweep();
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

static bool poisoned(const void *memory, size_t size)
{
	const unsigned char *byte = memory;

	while (size--)
		if (*byte++ != POISON)
			return false;
	return true;
}

/* Nothing was written but, perhaps, @len and @from. */
static bool envelope_untouched(const struct mbox_recv *env)
{
	return poisoned(&env->seq, offsetof(struct mbox_recv, from) -
				   offsetof(struct mbox_recv, seq));
}

TEST_F(recv, takes_the_first_message_and_tells_about_it)
{
	struct letter letter;
	struct mbox_stat stat;

	ASSERT_EQ(0, post(self->fd, 0, "a", 3));
	ASSERT_EQ(0, post(self->fd, 0, "bcd", 9));
	ASSERT_EQ(0, fetch_and_wait(self->fd, 0, &letter));
	EXPECT_STREQ("bcd", letter.text);
	EXPECT_EQ(3, letter.env.len);
	EXPECT_EQ(2, letter.env.seq);
	EXPECT_EQ(9, letter.env.prio);
	EXPECT_EQ(getpid(), letter.env.pid);
	EXPECT_EQ(0, letter.env.uid);
	EXPECT_EQ(0, letter.env.gid);
	EXPECT_TRUE(poisoned(letter.text + 4, sizeof(letter.text) - 4));
	stat = state(self->fd, 0);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(1, stat.bytes);
	EXPECT_EQ(2, stat.sent);
	EXPECT_EQ(1, stat.received);

	ASSERT_EQ(0, fetch_and_wait(self->fd, 0, &letter));
	EXPECT_STREQ("a", letter.text);
	EXPECT_EQ(1, letter.env.seq);
	EXPECT_EQ(3, letter.env.prio);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(recv, an_empty_mailbox_makes_a_blocking_receiver_wait_for_a_message)
{
	struct letter *letter = shared(sizeof(*letter));
	pid_t receiver = spawn_receiver(self->fd, 0, letter);

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(0, post(self->fd, 0, "a", 5));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ("a", letter->text);
	EXPECT_EQ(1, letter->env.len);
	EXPECT_EQ(1, letter->env.seq);
	EXPECT_EQ(5, letter->env.prio);
	EXPECT_EQ(getpid(), letter->env.pid);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	EXPECT_EQ(1, state(self->fd, 0).received);
}

FIXTURE(nonblocking_recv) {
	int fd;
};

FIXTURE_VARIANT(nonblocking_recv) {
	int oflag;
	uint64_t flags;
};

FIXTURE_VARIANT_ADD(nonblocking_recv, by_flag) {
	.flags = MBOX_RECV_NONBLOCK,
};

FIXTURE_VARIANT_ADD(nonblocking_recv, by_descriptor) {
	.oflag = O_NONBLOCK,
};

FIXTURE_VARIANT_ADD(nonblocking_recv, by_flag_in_spite_of_a_deadline) {
	.flags = MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT,
};

FIXTURE_VARIANT_ADD(nonblocking_recv, by_descriptor_in_spite_of_a_deadline) {
	.oflag = O_NONBLOCK,
	.flags = MBOX_RECV_TIMEOUT,
};

FIXTURE_SETUP(nonblocking_recv)
{
	struct mbox_create attr = attributes(1, SIZE);

	begin();
	attr.flags = MBOX_CREATE_BIND;
	self->fd = device(O_RDWR | variant->oflag);
	create(self->fd, attr);
}

FIXTURE_TEARDOWN(nonblocking_recv)
{
	sweep();
}

TEST_F(nonblocking_recv, is_told_that_there_is_no_message)
{
	struct mbox_stat stat = state(self->fd, 0);
	uint64_t never = UINT64_MAX;
	struct letter letter;

	EXPECT_EQ(EAGAIN, receive(self->fd, 0, variant->flags, never, &letter));
	EXPECT_TRUE(poisoned(&letter.env.len, sizeof(letter.env.len)));
	EXPECT_TRUE(envelope_untouched(&letter.env));
	EXPECT_TRUE(poisoned(letter.text, sizeof(letter.text)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(0, receive(self->fd, 0, variant->flags, never, &letter));
	EXPECT_STREQ("a", letter.text);
}

TEST_F(recv, into_too_small_a_buffer_tells_the_length_and_leaves_the_message_first)
{
	struct mbox_stat stat;
	uint64_t size;

	ASSERT_EQ(0, post(self->fd, 0, "abcd", 1));
	ASSERT_EQ(0, post(self->fd, 0, "e", 0));
	stat = state(self->fd, 0);
	for (size = 0; size < 4; size++) {
		struct letter letter;

		memset(letter.text, POISON, sizeof(letter.text));
		EXPECT_EQ(EMSGSIZE, receive_into(self->fd, 0, letter.text, size, 0, 0,
						 &letter.env));
		EXPECT_EQ(4, letter.env.len);
		EXPECT_TRUE(envelope_untouched(&letter.env));
		EXPECT_TRUE(poisoned(letter.text, sizeof(letter.text)));
		EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	}
	expect_next(_metadata, self->fd, "abcd");
	expect_next(_metadata, self->fd, "e");
}

TEST_F(recv, into_just_enough_succeeds)
{
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "abcd", 0));
	memset(letter.text, POISON, sizeof(letter.text));
	EXPECT_EQ(0, receive_into(self->fd, 0, letter.text, 4, 0, 0, &letter.env));
	EXPECT_EQ(0, memcmp("abcd", letter.text, 4));
	EXPECT_TRUE(poisoned(letter.text + 4, sizeof(letter.text) - 4));
}

TEST_F(recv, truncates_when_asked_and_tells_the_whole_length)
{
	uint64_t size;

	for (size = 0; size <= 5; size++) {
		struct letter letter;
		uint64_t written = size < 4 ? size : 4;

		ASSERT_EQ(0, post(self->fd, 0, "abcd", 0));
		memset(letter.text, POISON, sizeof(letter.text));
		EXPECT_EQ(0, receive_into(self->fd, 0, letter.text, size, MBOX_RECV_TRUNCATE, 0,
					  &letter.env));
		EXPECT_EQ(4, letter.env.len);
		EXPECT_EQ(size + 1, letter.env.seq);
		EXPECT_EQ(0, memcmp("abcd", letter.text, written));
		EXPECT_TRUE(poisoned(letter.text + written, sizeof(letter.text) - written));
		EXPECT_EQ(0, state(self->fd, 0).msgs);
		EXPECT_EQ(size + 1, state(self->fd, 0).received);
	}
}

TEST_F(recv, needs_no_buffer_for_no_byte)
{
	struct mbox_recv env;

	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	EXPECT_EQ(0, receive_into(self->fd, 0, NULL, 0, 0, 0, &env));
	EXPECT_EQ(0, env.len);
	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	EXPECT_EQ(0, receive_into(self->fd, 0, (void *)-1L, SIZE, 0, 0, &env));
	EXPECT_EQ(0, env.len);
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(0, receive_into(self->fd, 0, NULL, 0, MBOX_RECV_TRUNCATE, 0, &env));
	EXPECT_EQ(1, env.len);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(recv, believes_in_any_size_of_buffer)
{
	static const uint64_t sizes[] = {
		1ULL << 31, 1ULL << 32, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX,
	};
	struct letter letter;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, post(self->fd, 0, "abcd", 0));
		memset(letter.text, POISON, sizeof(letter.text));
		EXPECT_EQ(0, receive_into(self->fd, 0, letter.text, sizes[i], MBOX_RECV_NONBLOCK, 0,
					  &letter.env)) {
			TH_LOG("size %#llx", (unsigned long long)sizes[i]);
		}
		EXPECT_EQ(4, letter.env.len);
		EXPECT_EQ(0, memcmp("abcd", letter.text, 4));
		EXPECT_TRUE(poisoned(letter.text + 4, sizeof(letter.text) - 4));
	}
}

TEST_F(recv, needs_a_descriptor_that_is_open_for_reading)
{
	uint64_t id = state(self->fd, 0).id;
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, post(self->fd, 0, "b", 0));
	EXPECT_EQ(EBADF, fetch(descriptor(id, O_WRONLY), 0, &letter));
	EXPECT_EQ(EBADF, fetch(device(O_WRONLY), id, &letter));
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	EXPECT_EQ(0, fetch(descriptor(id, O_RDONLY), 0, &letter));
	EXPECT_STREQ("a", letter.text);
	EXPECT_EQ(0, fetch(device(O_RDONLY), id, &letter));
	EXPECT_STREQ("b", letter.text);
}

TEST_F(recv, comes_from_the_mailbox_of_the_id_whatever_the_descriptor_is_bound_to)
{
	uint64_t other = create(self->fd, attributes(2, SIZE));
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, other, "a", 0));
	EXPECT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
	EXPECT_EQ(0, fetch(self->fd, other, &letter));
	EXPECT_STREQ("a", letter.text);
}

TEST_F(recv, needs_a_mailbox)
{
	uint64_t id = state(self->fd, 0).id;
	struct letter letter;

	EXPECT_EQ(ENOTCONN, fetch(device(O_RDWR), 0, &letter));
	EXPECT_EQ(ENOENT, fetch(self->fd, id + 1, &letter));
	EXPECT_EQ(ENOENT, fetch(self->fd, UINT64_MAX, &letter));
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, fetch(self->fd, 0, &letter));
	EXPECT_EQ(EIDRM, fetch(self->fd, id, &letter));
}

/* What can be wrong with where a message of two pages is to go. */
enum place { NULL_PLACE, UNMAPPED, KERNEL, READ_ONLY, SHORT, HOLE };

FIXTURE(faulting_buffer) {
	int fd;
	char *buf;
};

FIXTURE_VARIANT(faulting_buffer) {
	enum place place;
};

FIXTURE_VARIANT_ADD(faulting_buffer, null) {
	.place = NULL_PLACE,
};

FIXTURE_VARIANT_ADD(faulting_buffer, unmapped) {
	.place = UNMAPPED,
};

FIXTURE_VARIANT_ADD(faulting_buffer, of_the_kernel) {
	.place = KERNEL,
};

FIXTURE_VARIANT_ADD(faulting_buffer, read_only) {
	.place = READ_ONLY,
};

FIXTURE_VARIANT_ADD(faulting_buffer, that_ends_in_a_hole) {
	.place = SHORT,
};

FIXTURE_VARIANT_ADD(faulting_buffer, with_a_hole_in_it) {
	.place = HOLE,
};

static char *bad_buffer(enum place place)
{
	char *buf = before_a_hole(3 * PAGE);

	switch (place) {
	case NULL_PLACE:
		return NULL;
	case UNMAPPED:
		return unmapped();
	case KERNEL:
		return of_the_kernel();
	case READ_ONLY:
		NEED(!mprotect(buf, 3 * PAGE, PROT_READ));
		return buf;
	case SHORT:
		return buf + PAGE + 1;
	case HOLE:
		NEED(!munmap(buf + PAGE, PAGE));
		return buf + 8;
	}
	return NULL;
}

FIXTURE_SETUP(faulting_buffer)
{
	static char text[2 * PAGE];

	begin();
	self->fd = mailbox(attributes(4, 2 * PAGE));
	self->buf = bad_buffer(variant->place);
	memset(text, 'a', sizeof(text));
	ASSERT_EQ(0, send_bytes(self->fd, 0, text, sizeof(text), 1, 0, 0));
	ASSERT_EQ(0, post(self->fd, 0, "b", 1));
	ASSERT_EQ(0, post(self->fd, 0, "c", 0));
}

FIXTURE_TEARDOWN(faulting_buffer)
{
	sweep();
}

TEST_F(faulting_buffer, leaves_the_message_in_its_place)
{
	static char text[2 * PAGE], expected[2 * PAGE];
	struct mbox_stat stat = state(self->fd, 0);
	struct mbox_recv env;
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EFAULT, receive_into(self->fd, 0, self->buf, 2 * PAGE, 0, 0, &env));
		EXPECT_TRUE(envelope_untouched(&env));
		EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	}
	memset(expected, 'a', sizeof(expected));
	ASSERT_EQ(0, receive_into(self->fd, 0, text, 2 * PAGE, 0, 0, &env));
	EXPECT_EQ(1, env.seq);
	EXPECT_EQ(2 * PAGE, env.len);
	EXPECT_EQ(0, memcmp(expected, text, sizeof(text)));
	expect_next(_metadata, self->fd, "b");
	expect_next(_metadata, self->fd, "c");
}

/* In 32 bits the rest would do. */
TEST_F(recv, into_a_buffer_beyond_what_a_pointer_can_say_leaves_the_message_in_its_place)
{
	char text[SIZE];
	struct mbox_recv env = { .buf = 1ULL << 63 | (uintptr_t)text, .size = sizeof(text) };

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &env));
	expect_next(_metadata, self->fd, "a");
}

TEST_F(recv, whose_envelope_cannot_be_written_leaves_the_message_in_its_place)
{
	struct mbox_recv *env = before_a_hole(PAGE);
	struct mbox_stat stat;
	char text[SIZE];

	ASSERT_EQ(0, post(self->fd, 0, "a", 1));
	ASSERT_EQ(0, post(self->fd, 0, "b", 1));
	env->buf = (uintptr_t)text;
	env->size = sizeof(text);
	ASSERT_EQ(0, mprotect(env, PAGE, PROT_READ));
	stat = state(self->fd, 0);
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, env));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	expect_next(_metadata, self->fd, "a");
	expect_next(_metadata, self->fd, "b");
}

/* A receiver that fails after others began to wait: they are served. */
TEST_F(recv, that_fails_gives_the_message_to_a_receiver_that_came_meanwhile)
{
	struct letter *letter = shared(sizeof(*letter));
	struct stall stall = new_stall();
	struct task *first;
	pid_t second;

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	first = start_receiving(self->fd, stall.page, SIZE);
	wait_for_stall(&stall);
	second = spawn_receiver(self->fd, 0, letter);
	wait_for_receivers(self->fd, 0, 1);
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(first));
	EXPECT_EQ(0, join(second));
	EXPECT_STREQ("a", letter->text);
	EXPECT_EQ(1, letter->env.seq);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).received);
}

FIXTURE(waiting_recv) {
	int fd;
	pid_t bad, good;
	struct letter *letter;
};

FIXTURE_VARIANT(waiting_recv) {
	bool envelope;	/* this is what cannot be written, else the buffer */
};

FIXTURE_VARIANT_ADD(waiting_recv, with_a_bad_buffer) {
	.envelope = false,
};

FIXTURE_VARIANT_ADD(waiting_recv, with_a_bad_envelope) {
	.envelope = true,
};

static int receive_in_vain(int fd, bool bad_envelope)
{
	struct mbox_recv *env = before_a_hole(PAGE);
	char text[SIZE];

	env->buf = bad_envelope ? (uintptr_t)text : (uintptr_t)unmapped();
	env->size = sizeof(text);
	if (bad_envelope)
		NEED(!mprotect(env, PAGE, PROT_READ));
	return call(fd, MBOX_IOC_RECV, env);
}

FIXTURE_SETUP(waiting_recv)
{
	begin();
	self->fd = mailbox(attributes(4, SIZE));
	self->letter = shared(sizeof(*self->letter));
	self->bad = spawn();
	if (!self->bad)
		_exit(receive_in_vain(self->fd, variant->envelope));
	wait_for_receivers(self->fd, 0, 1);
}

FIXTURE_TEARDOWN(waiting_recv)
{
	sweep();
}

TEST_F(waiting_recv, leaves_the_message_in_the_mailbox)
{
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EFAULT, join(self->bad));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(0, state(self->fd, 0).received);
	expect_next(_metadata, self->fd, "a");
}

TEST_F(waiting_recv, passes_the_message_to_the_next_that_waits)
{
	self->good = spawn_receiver(self->fd, 0, self->letter);
	wait_for_receivers(self->fd, 0, 2);
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EFAULT, join(self->bad));
	EXPECT_EQ(0, join(self->good));
	EXPECT_STREQ("a", self->letter->text);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).received);
}

TEST_HARNESS_MAIN
