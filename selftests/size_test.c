// SPDX-License-Identifier: GPL-2.0-or-later
/* The size of messages: fixed, exactly so many bytes, or variable, up to so many. */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define MOST 1048576	/* bytes; the largest size in these tests */

FIXTURE(size) {
	int fd;
	unsigned char *out;
	unsigned char *in;
};

FIXTURE_VARIANT(size) {
	uint32_t size;
	uint64_t flags;
};

#define SIZES(_name, _flags)						\
	FIXTURE_VARIANT_ADD(size, _name##_of_0) {			\
		.size = 0, .flags = _flags,				\
	};								\
	FIXTURE_VARIANT_ADD(size, _name##_of_1) {			\
		.size = 1, .flags = _flags,				\
	};								\
	FIXTURE_VARIANT_ADD(size, _name##_of_100) {			\
		.size = 100, .flags = _flags,				\
	};								\
	FIXTURE_VARIANT_ADD(size, _name##_of_4096) {			\
		.size = 4096, .flags = _flags,				\
	};								\
	FIXTURE_VARIANT_ADD(size, _name##_of_70001) {			\
		.size = 70001, .flags = _flags,				\
	};								\
	FIXTURE_VARIANT_ADD(size, _name##_of_1048576) {			\
		.size = MOST, .flags = _flags,				\
	}

SIZES(variable, 0);
SIZES(fixed, MBOX_CREATE_FIXED);
SIZES(variable_and_reserved, MBOX_CREATE_RESERVE);
SIZES(fixed_and_reserved, MBOX_CREATE_FIXED | MBOX_CREATE_RESERVE);

FIXTURE_SETUP(size)
{
	unsigned int i;

	begin();
	self->fd = mailbox((struct mbox_create){
		.flags = variant->flags,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_msgs = 1,
		.max_size = variant->size,
		.mode = 0600,
	});
	self->out = malloc(MOST + 1);
	self->in = malloc(MOST + 1);
	ASSERT_TRUE(self->out && self->in);
	for (i = 0; i <= variant->size; i++)
		self->out[i] = i ^ i >> 8 ^ i >> 16;
}

FIXTURE_TEARDOWN(size)
{
	sweep();
	free(self->out);
	free(self->in);
}

/* What the mailbox must say to a message of that length. */
static int promised(const FIXTURE_VARIANT(size) *variant, uint64_t len)
{
	if (variant->flags & MBOX_CREATE_FIXED)
		return len == variant->size ? 0 : EMSGSIZE;
	return len <= variant->size ? 0 : EMSGSIZE;
}

static void expect_whole(struct __test_metadata *_metadata, int fd, const unsigned char *out,
			 unsigned char *in, uint64_t len)
{
	struct mbox_recv env;

	memset(in, POISON, len + 1);
	ASSERT_EQ(0, receive_into(fd, 0, in, MOST + 1, MBOX_RECV_NONBLOCK, 0, &env));
	ASSERT_EQ(len, env.len);
	EXPECT_EQ(0, memcmp(out, in, len));
	EXPECT_EQ(POISON, in[len]);
}

TEST_F(size, is_kept_to_by_messages_of_every_length)
{
	const uint64_t lengths[] = {
		0, 1, 2, variant->size / 2, variant->size - 1, variant->size, variant->size + 1,
		2ULL * variant->size + 1, MOST, MOST + 1, UINT32_MAX, 1ULL << 32,
		(1ULL << 32) + variant->size, INT64_MAX, UINT64_MAX - variant->size, UINT64_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct mbox_stat before = state(self->fd, 0);
		int expected = promised(variant, lengths[i]);

		ASSERT_EQ(expected, send_bytes(self->fd, 0, self->out, lengths[i], 0,
					       MBOX_SEND_NONBLOCK, 0)) {
			TH_LOG("%llu bytes", (unsigned long long)lengths[i]);
		}
		if (!expected)
			expect_whole(_metadata, self->fd, self->out, self->in, lengths[i]);
		else
			EXPECT_TRUE(same_state(before, state(self->fd, 0)));
	}
}

TEST_F(size, is_kept_to_by_write)
{
	const uint64_t lengths[] = { 1, variant->size - 1, variant->size, variant->size + 1 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		int expected = promised(variant, lengths[i]);

		/* That is no write, or would be one of 4 GiB. */
		if (!lengths[i] || lengths[i] > MOST + 1)
			continue;
		ASSERT_EQ(expected, error_of(write(self->fd, self->out, lengths[i])));
		if (!expected)
			expect_whole(_metadata, self->fd, self->out, self->in, lengths[i]);
	}
}

/* It will never fit, so there is nothing to wait for, nor anything to look at. */
TEST_F(size, that_is_wrong_is_told_also_where_there_is_no_room_and_no_message)
{
	uint64_t wrong = variant->size + 1;

	ASSERT_EQ(0, send_bytes(self->fd, 0, self->out, variant->size, 0, 0, 0));
	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, self->out, wrong, 0, 0, 0));
	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, unmapped(), wrong, 0, 0, 0));
	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, self->out, wrong, 0, MBOX_SEND_SYNC, 0));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	expect_whole(_metadata, self->fd, self->out, self->in, variant->size);
}

TEST_F(size, of_the_buffer_may_be_any_that_the_message_fits_in)
{
	struct mbox_recv env;

	ASSERT_EQ(0, send_bytes(self->fd, 0, self->out, variant->size, 0, 0, 0));
	if (variant->size) {
		EXPECT_EQ(EMSGSIZE, receive_into(self->fd, 0, self->in, variant->size - 1, 0, 0,
						 &env));
		EXPECT_EQ(variant->size, env.len);
	}
	EXPECT_EQ(0, receive_into(self->fd, 0, self->in, variant->size, 0, 0, &env));
	EXPECT_EQ(0, memcmp(self->out, self->in, variant->size));
}

FIXTURE(rendezvous) {
	int fd;
};

FIXTURE_VARIANT(rendezvous) {
	uint64_t flags;
};

FIXTURE_VARIANT_ADD(rendezvous, variable) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(rendezvous, fixed) {
	.flags = MBOX_CREATE_FIXED,
};

FIXTURE_SETUP(rendezvous)
{
	begin();
	self->fd = mailbox((struct mbox_create){
		.flags = variant->flags,
		.max_size = 4,
		.mode = 0600,
	});
}

FIXTURE_TEARDOWN(rendezvous)
{
	sweep();
}

TEST_F(rendezvous, has_a_size_too)
{
	struct letter *letter = shared(sizeof(*letter));
	pid_t receiver = spawn_receiver(self->fd, 0, letter);
	bool fixed = variant->flags & MBOX_CREATE_FIXED;

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(EMSGSIZE, post(self->fd, 0, "five5", 0));
	if (fixed)
		EXPECT_EQ(EMSGSIZE, post(self->fd, 0, "3!!", 0));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	EXPECT_EQ(0, post(self->fd, 0, fixed ? "four" : "3!!", 0));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ(fixed ? "four" : "3!!", letter->text);
}

TEST_HARNESS_MAIN
