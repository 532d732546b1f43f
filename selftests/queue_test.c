// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue: in which order messages leave it, how much it holds, and where a
 * message goes that could not be delivered.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

FIXTURE(order) {
	int fd;
};

FIXTURE_SETUP(order)
{
	begin();
	self->fd = mailbox(attributes(96, 32));
}

FIXTURE_TEARDOWN(order)
{
	sweep();
}

TEST_F(order, is_by_priority_the_highest_first)
{
	struct letter letter;
	unsigned int i;

	/* 13 and 32 have no common divisor: every priority comes once. */
	for (i = 0; i <= MBOX_PRIO_MAX; i++)
		ASSERT_EQ(0, post(self->fd, 0, "x", i * 13 % 32));
	for (i = 0; i <= MBOX_PRIO_MAX; i++) {
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		EXPECT_EQ(MBOX_PRIO_MAX - i, letter.env.prio);
		EXPECT_EQ(MBOX_PRIO_MAX - i, state(self->fd, 0).msgs);
	}
}

TEST_F(order, is_first_in_first_out_within_a_priority)
{
	struct letter letter;
	unsigned int i, prio;
	char text[8];

	for (i = 0; i < 3; i++) {
		for (prio = 0; prio <= MBOX_PRIO_MAX; prio++) {
			snprintf(text, sizeof(text), "%u", i);
			ASSERT_EQ(0, post(self->fd, 0, text, prio));
		}
	}
	for (prio = 0; prio <= MBOX_PRIO_MAX; prio++) {
		for (i = 0; i < 3; i++) {
			snprintf(text, sizeof(text), "%u", i);
			ASSERT_EQ(0, fetch(self->fd, 0, &letter));
			EXPECT_EQ(MBOX_PRIO_MAX - prio, letter.env.prio);
			EXPECT_STREQ(text, letter.text);
		}
	}
	EXPECT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
}

/* The same mailbox as a few lines of C. */
struct model_message {
	uint64_t seq;
	uint32_t prio;
	uint32_t len;
};

struct model {
	struct model_message message[96];
	uint32_t count, bytes;
	uint64_t sent;
};

static void model_send(struct model *model, uint32_t prio, uint32_t len)
{
	model->message[model->count++] = (struct model_message){ ++model->sent, prio, len };
	model->bytes += len;
}

static struct model_message model_receive(struct model *model)
{
	struct model_message taken;
	uint32_t best = 0, i;

	for (i = 1; i < model->count; i++)
		if (model->message[i].prio > model->message[best].prio)
			best = i;
	taken = model->message[best];
	model->count--;
	model->bytes -= taken.len;
	memmove(model->message + best, model->message + best + 1,
		(model->count - best) * sizeof(taken));
	return taken;
}

TEST_F(order, follows_a_model_through_random_steps)
{
	struct model model = { };
	struct letter letter;
	char text[32];
	int step;

	srand(1);
	for (step = 0; step < 1500; step++) {
		struct mbox_stat stat;
		bool sends = step / 250 % 2 ? rand() % 4 == 0 : rand() % 4 != 0;

		if (sends) {
			uint32_t prio = rand() % 32, len = rand() % 32;

			memset(text, 'a' + model.sent % 26, sizeof(text));
			if (model.count == 96) {
				ASSERT_EQ(EAGAIN, send_bytes(self->fd, 0, text, len, prio,
							     MBOX_SEND_NONBLOCK, 0));
			} else {
				ASSERT_EQ(0, send_bytes(self->fd, 0, text, len, prio, 0, 0));
				model_send(&model, prio, len);
			}
		} else if (!model.count) {
			ASSERT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
		} else {
			struct model_message expected = model_receive(&model);

			ASSERT_EQ(0, fetch(self->fd, 0, &letter));
			ASSERT_EQ(expected.seq, letter.env.seq);
			ASSERT_EQ(expected.prio, letter.env.prio);
			ASSERT_EQ(expected.len, letter.env.len);
			memset(text, 'a' + (expected.seq - 1) % 26, sizeof(text));
			ASSERT_EQ(0, memcmp(text, letter.text, expected.len));
		}
		stat = state(self->fd, 0);
		ASSERT_EQ(model.count, stat.msgs);
		ASSERT_EQ(model.bytes, stat.bytes);
		ASSERT_EQ(model.sent, stat.sent);
		ASSERT_EQ(model.sent - model.count, stat.received);
	}
}

FIXTURE(capacity) {
	int fd;
};

FIXTURE_VARIANT(capacity) {
	uint32_t max_msgs;
	uint32_t max_bytes;
	uint32_t len;	/* of each message */
	uint32_t fits;	/* so many */
	int rest;	/* a message of this length fits after them; -1 for none */
};

FIXTURE_VARIANT_ADD(capacity, in_messages) {
	.max_msgs = 3, .max_bytes = 1000, .len = 8, .fits = 3, .rest = -1,
};

FIXTURE_VARIANT_ADD(capacity, in_bytes) {
	.max_msgs = 100, .max_bytes = 24, .len = 8, .fits = 3, .rest = 0,
};

FIXTURE_VARIANT_ADD(capacity, in_bytes_with_a_rest) {
	.max_msgs = 100, .max_bytes = 30, .len = 8, .fits = 3, .rest = 6,
};

FIXTURE_VARIANT_ADD(capacity, in_both_at_once) {
	.max_msgs = 3, .max_bytes = 24, .len = 8, .fits = 3, .rest = -1,
};

FIXTURE_VARIANT_ADD(capacity, of_one_byte) {
	.max_msgs = 1, .max_bytes = 1, .len = 1, .fits = 1, .rest = -1,
};

FIXTURE_VARIANT_ADD(capacity, of_no_byte) {
	.max_msgs = 3, .max_bytes = 0, .len = 0, .fits = 3, .rest = -1,
};

FIXTURE_SETUP(capacity)
{
	begin();
	self->fd = mailbox((struct mbox_create){
		.max_msgs = variant->max_msgs,
		.max_bytes = variant->max_bytes,
		.max_size = variant->len,
		.mode = 0600,
	});
}

FIXTURE_TEARDOWN(capacity)
{
	sweep();
}

TEST_F(capacity, is_used_up_to_its_end_and_no_further)
{
	static const char text[16] = "abcdefghijklmnop";
	struct letter letter;
	struct mbox_stat stat;
	uint32_t i;

	for (i = 0; i < variant->fits; i++) {
		ASSERT_EQ(0, send_bytes(self->fd, 0, text, variant->len, 0, MBOX_SEND_NONBLOCK, 0));
		stat = state(self->fd, 0);
		EXPECT_EQ(i + 1, stat.msgs);
		EXPECT_EQ((i + 1) * variant->len, stat.bytes);
	}
	if (variant->rest >= 0) {
		EXPECT_EQ(EAGAIN, send_bytes(self->fd, 0, text, variant->rest + 1, 0,
					     MBOX_SEND_NONBLOCK, 0));
		EXPECT_EQ(0, send_bytes(self->fd, 0, text, variant->rest, 0,
					MBOX_SEND_NONBLOCK, 0));
	} else {
		EXPECT_EQ(EAGAIN, send_bytes(self->fd, 0, text, 0, 0, MBOX_SEND_NONBLOCK, 0));
		EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	}
	/* And used again when something has left. */
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(0, send_bytes(self->fd, 0, text, variant->len, 0, MBOX_SEND_NONBLOCK, 0));
}

/*
 * A receiver has claimed message a, of [a b], all of one priority but that of
 * the variant, and stalls; something happens; its buffer turns out to be bad.
 */
FIXTURE(put_back) {
	int fd;
	struct stall stall;
	struct task *receiver;
};

FIXTURE_SETUP(put_back)
{
	begin();
	self->fd = mailbox(attributes(2, 8));
	self->stall = new_stall();
	ASSERT_EQ(0, post(self->fd, 0, "a", 1));
	ASSERT_EQ(0, post(self->fd, 0, "b", 1));
	self->receiver = start_receiving(self->fd, self->stall.page, 8);
	wait_for_stall(&self->stall);
}

FIXTURE_TEARDOWN(put_back)
{
	sweep();
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

TEST_F(put_back, leaves_everything_as_it_was)
{
	struct mbox_stat stat;

	EXPECT_EQ(1, state(self->fd, 0).msgs);
	fail_stall(&self->stall);
	EXPECT_EQ(EFAULT, finish(self->receiver));
	stat = state(self->fd, 0);
	EXPECT_EQ(2, stat.msgs);
	EXPECT_EQ(2, stat.bytes);
	EXPECT_EQ(2, stat.sent);
	EXPECT_EQ(0, stat.received);
	expect_next(_metadata, self->fd, "a");
	expect_next(_metadata, self->fd, "b");
}

TEST_F(put_back, goes_before_what_was_accepted_later_even_over_capacity)
{
	struct mbox_stat stat;

	EXPECT_EQ(0, post(self->fd, 0, "c", 1));
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "d", 1));
	fail_stall(&self->stall);
	EXPECT_EQ(EFAULT, finish(self->receiver));
	stat = state(self->fd, 0);
	EXPECT_EQ(3, stat.msgs);
	EXPECT_EQ(3, stat.bytes);
	EXPECT_EQ(0, stat.received);
	/* Over capacity there is no room before two have left. */
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "d", 1));
	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "d", 1));
	expect_next(_metadata, self->fd, "b");
	EXPECT_EQ(0, post(self->fd, 0, "d", 1));
	expect_next(_metadata, self->fd, "c");
	expect_next(_metadata, self->fd, "d");
}

TEST_F(put_back, goes_behind_a_higher_priority_and_before_a_lower_one)
{
	expect_next(_metadata, self->fd, "b");
	EXPECT_EQ(0, post(self->fd, 0, "low", 0));
	EXPECT_EQ(0, post(self->fd, 0, "high", 2));
	fail_stall(&self->stall);
	EXPECT_EQ(EFAULT, finish(self->receiver));
	expect_next(_metadata, self->fd, "high");
	expect_next(_metadata, self->fd, "a");
	expect_next(_metadata, self->fd, "low");
}

TEST_F(put_back, does_not_happen_to_a_message_that_was_delivered)
{
	release_stall(&self->stall);
	EXPECT_EQ(0, finish(self->receiver));
	EXPECT_EQ('a', self->stall.page[0]);
	EXPECT_EQ(1, state(self->fd, 0).received);
	expect_next(_metadata, self->fd, "b");
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(put_back, ends_with_the_mailbox)
{
	int error;

	EXPECT_EQ(0, delete(self->fd, 0));
	fail_stall(&self->stall);
	error = finish(self->receiver);
	EXPECT_TRUE(error == EFAULT || error == EIDRM);
}

TEST_HARNESS_MAIN
