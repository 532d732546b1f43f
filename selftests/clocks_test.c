// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Vector and matrix clocks, causal delivery and stamps as bytes: what each
 * function promises, and random executions, whose order is known from the graph of
 * their events. Pure functions: neither the module nor root is needed.
 */
#include "kselftest_harness.h"
#include <dlfcn.h>

#include "mbox_clocks.h"
#include "mbox_selftest.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define LAST		UINT64_MAX

/* A copy of an array, behind whose end nothing can be touched. */
#define TIGHT(array)	memcpy(before_a_hole(sizeof(array)), array, sizeof(array))

#define EXPECT_SAME(expected, seen)	EXPECT_EQ(0, memcmp(expected, seen, sizeof(expected)))

/* errno as error_of() gives it; a call that succeeds must not touch it. */
#define ERROR_OF(call) ({					\
	long _result;						\
								\
	errno = 4711;						\
	_result = (call);					\
	NEED(_result < 0 || errno == 4711);			\
	error_of(_result);					\
})

/* What a call returns, or minus its errno. */
#define RESULT_OF(call) ({					\
	long _value;						\
								\
	errno = 4711;						\
	_value = (call);					\
	NEED(_value < 0 || errno == 4711);			\
	_value < 0 ? -errno : _value;				\
})

/*
 * Vector clocks
 */

TEST(vector_tick_counts_an_event_of_ones_own)
{
	uint64_t *clock = TIGHT(((uint64_t[]){ 7, 0, 9 }));

	EXPECT_EQ(0, ERROR_OF(mbox_vector_tick(clock, 3, 1)));
	EXPECT_SAME(((uint64_t[]){ 7, 1, 9 }), clock);
	EXPECT_EQ(0, ERROR_OF(mbox_vector_tick(clock, 3, 2)));
	EXPECT_SAME(((uint64_t[]){ 7, 1, 10 }), clock);
}

TEST(vector_send_counts_an_event_and_copies_the_clock)
{
	uint64_t *clock = TIGHT(((uint64_t[]){ 7, 0, 9 }));
	uint64_t *stamp = TIGHT(((uint64_t[]){ LAST, LAST, LAST }));

	EXPECT_EQ(0, ERROR_OF(mbox_vector_send(clock, 3, 2, stamp)));
	EXPECT_SAME(((uint64_t[]){ 7, 0, 10 }), clock);
	EXPECT_SAME(((uint64_t[]){ 7, 0, 10 }), stamp);
}

TEST(vector_receive_counts_an_event_and_takes_the_larger_of_each_entry)
{
	uint64_t *clock = TIGHT(((uint64_t[]){ 7, 3, 9, 0 }));
	uint64_t *stamp = TIGHT(((uint64_t[]){ 6, 3, 10, LAST }));

	EXPECT_EQ(0, ERROR_OF(mbox_vector_receive(clock, 4, 1, stamp)));
	EXPECT_SAME(((uint64_t[]){ 7, 4, 10, LAST }), clock);
	EXPECT_SAME(((uint64_t[]){ 6, 3, 10, LAST }), stamp);
}

TEST(vector_receive_refuses_events_of_ones_own_that_have_not_happened)
{
	uint64_t *clock = TIGHT(((uint64_t[]){ 7, 3 }));

	EXPECT_EQ(EBADMSG, ERROR_OF(mbox_vector_receive(clock, 2, 1, (uint64_t[]){ 8, 4 })));
	EXPECT_EQ(EBADMSG, ERROR_OF(mbox_vector_receive(clock, 2, 1, (uint64_t[]){ 0, LAST })));
	EXPECT_SAME(((uint64_t[]){ 7, 3 }), clock);
}

TEST(vector_clock_reaches_its_last_event_and_does_not_go_round)
{
	uint64_t clock[] = { 5, LAST - 1 }, stamp[] = { 6, 6 };

	EXPECT_EQ(0, ERROR_OF(mbox_vector_tick(clock, 2, 1)));
	EXPECT_SAME(((uint64_t[]){ 5, LAST }), clock);
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_vector_tick(clock, 2, 1)));
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_vector_send(clock, 2, 1, stamp)));
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_vector_receive(clock, 2, 1, stamp)));
	EXPECT_SAME(((uint64_t[]){ 5, LAST }), clock);
	EXPECT_SAME(((uint64_t[]){ 6, 6 }), stamp);
	EXPECT_EQ(0, ERROR_OF(mbox_vector_tick(clock, 2, 0)));
}

TEST(vector_clock_refuses_who_is_not_of_the_group)
{
	uint64_t *clock = before_a_hole(0), stamp[2] = { 0 };

	for (size_t n = 0; n < 3; n++) {
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_tick(clock, n, n)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_send(clock, n, n, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_receive(clock, n, n, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_tick(clock, n, SIZE_MAX)));
	}
}

FIXTURE(two_vectors) {
};

FIXTURE_VARIANT(two_vectors) {
	uint64_t a[3], b[3];
	enum mbox_order order, reverse;
};

FIXTURE_VARIANT_ADD(two_vectors, of_zeros_are_equal) {
	.order = MBOX_EQUAL,
	.reverse = MBOX_EQUAL,
};

FIXTURE_VARIANT_ADD(two_vectors, that_are_the_same_are_equal) {
	.a = { 1, LAST, 0 },
	.b = { 1, LAST, 0 },
	.order = MBOX_EQUAL,
	.reverse = MBOX_EQUAL,
};

FIXTURE_VARIANT_ADD(two_vectors, that_differ_in_the_first_entry_are_ordered) {
	.a = { 1, 5, 5 },
	.b = { 2, 5, 5 },
	.order = MBOX_BEFORE,
	.reverse = MBOX_AFTER,
};

FIXTURE_VARIANT_ADD(two_vectors, that_differ_in_the_last_entry_are_ordered) {
	.a = { 5, 5, 1 },
	.b = { 5, 5, 2 },
	.order = MBOX_BEFORE,
	.reverse = MBOX_AFTER,
};

FIXTURE_VARIANT_ADD(two_vectors, that_differ_in_all_the_same_way_are_ordered) {
	.a = { 1, 2, 3 },
	.b = { 2, 3, 4 },
	.order = MBOX_BEFORE,
	.reverse = MBOX_AFTER,
};

FIXTURE_VARIANT_ADD(two_vectors, of_numbers_without_sign_are_ordered) {
	.a = { 1, 0, 0 },
	.b = { LAST, 0, LAST / 2 + 1 },
	.order = MBOX_BEFORE,
	.reverse = MBOX_AFTER,
};

FIXTURE_VARIANT_ADD(two_vectors, that_differ_both_ways_are_concurrent) {
	.a = { 1, 5, 2 },
	.b = { 2, 5, 1 },
	.order = MBOX_CONCURRENT,
	.reverse = MBOX_CONCURRENT,
};

FIXTURE_SETUP(two_vectors)
{
}

FIXTURE_TEARDOWN(two_vectors)
{
}

TEST_F(two_vectors, and_the_other_way_round)
{
	const uint64_t *a = TIGHT(variant->a), *b = TIGHT(variant->b);

	EXPECT_EQ(variant->order, mbox_vector_compare(a, b, 3));
	EXPECT_EQ(variant->reverse, mbox_vector_compare(b, a, 3));
	EXPECT_EQ(MBOX_EQUAL, mbox_vector_compare(a, b, 0));
}

/*
 * Matrix clocks
 */

TEST(matrix_tick_counts_an_event_of_ones_own)
{
	uint64_t *clock = TIGHT(((uint64_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9 }));

	EXPECT_EQ(0, ERROR_OF(mbox_matrix_tick(clock, 3, 1)));
	EXPECT_SAME(((uint64_t[]){ 1, 2, 3, 4, 6, 6, 7, 8, 9 }), clock);
	EXPECT_EQ(0, ERROR_OF(mbox_matrix_tick(clock, 3, 2)));
	EXPECT_SAME(((uint64_t[]){ 1, 2, 3, 4, 6, 6, 7, 8, 10 }), clock);
}

TEST(matrix_send_counts_an_event_and_copies_the_clock)
{
	uint64_t *clock = TIGHT(((uint64_t[]){ 1, 2, 3, 4 }));
	uint64_t *stamp = TIGHT(((uint64_t[]){ LAST, LAST, LAST, LAST }));

	EXPECT_EQ(0, ERROR_OF(mbox_matrix_send(clock, 2, 0, stamp)));
	EXPECT_SAME(((uint64_t[]){ 2, 2, 3, 4 }), clock);
	EXPECT_SAME(((uint64_t[]){ 2, 2, 3, 4 }), stamp);
}

TEST(matrix_receive_learns_what_the_sender_knows_and_what_it_knows_of_others)
{
	uint64_t *clock = TIGHT(((uint64_t[]){
		5, 0, 2,
		0, 0, 0,
		3, 0, 1,
	}));
	uint64_t *stamp = TIGHT(((uint64_t[]){
		4, 0, 0,
		4, 8, 4,
		1, 2, 4,
	}));

	EXPECT_EQ(0, ERROR_OF(mbox_matrix_receive(clock, 3, 0, 1, stamp)));
	EXPECT_SAME(((uint64_t[]){
		6, 8, 4,
		4, 8, 4,
		3, 2, 4,
	}), clock);
}

TEST(matrix_receive_refuses_what_cannot_be)
{
	const uint64_t before[] = { 5, 1, 2, 3 };
	uint64_t *clock = TIGHT(before);

	/* Events that have not happened; and the sender's row is not the largest. */
	EXPECT_EQ(EBADMSG, ERROR_OF(mbox_matrix_receive(clock, 2, 0, 1, (uint64_t[]){
		0, 0,
		6, 4,
	})));
	EXPECT_EQ(EBADMSG, ERROR_OF(mbox_matrix_receive(clock, 2, 0, 1, (uint64_t[]){
		6, 0,
		5, 4,
	})));
	EXPECT_EQ(EBADMSG, ERROR_OF(mbox_matrix_receive(clock, 2, 0, 1, (uint64_t[]){
		0, 5,
		5, 4,
	})));
	EXPECT_EQ(EBADMSG, ERROR_OF(mbox_matrix_receive(clock, 2, 0, 1, (uint64_t[]){
		5, 0,
		4, 4,
	})));
	EXPECT_SAME(before, clock);
	EXPECT_EQ(0, ERROR_OF(mbox_matrix_receive(clock, 2, 0, 1, (uint64_t[]){
		5, 4,
		5, 4,
	})));
}

TEST(matrix_receive_refuses_what_the_sender_cannot_know_of_any_other)
{
	const uint64_t before[9] = { 5, 5, 5, 5, 5, 5, 5, 5, 5 };
	uint64_t *clock = TIGHT(before);
	uint64_t stamp[9] = { 4, 4, 4, 4, 4, 4, 4, 4, 4 };

	for (size_t i = 0; i < 9; i++) {
		stamp[i] = 5;
		EXPECT_EQ(i / 3 == 1 ? 0 : EBADMSG,
			  ERROR_OF(mbox_matrix_receive(clock, 3, 0, 1, stamp)));
		stamp[i] = 4;
	}
	EXPECT_SAME(((uint64_t[]){ 8, 5, 5, 5, 5, 5, 5, 5, 5 }), clock);
}

TEST(matrix_clock_reaches_its_last_event_and_does_not_go_round)
{
	uint64_t clock[] = { 0, 0, 0, LAST - 1 }, stamp[] = { 6, 6, 6, 6 };

	EXPECT_EQ(0, ERROR_OF(mbox_matrix_tick(clock, 2, 1)));
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_matrix_tick(clock, 2, 1)));
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_matrix_send(clock, 2, 1, stamp)));
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_matrix_receive(clock, 2, 1, 0, stamp)));
	EXPECT_SAME(((uint64_t[]){ 0, 0, 0, LAST }), clock);
	EXPECT_SAME(((uint64_t[]){ 6, 6, 6, 6 }), stamp);
}

TEST(matrix_clock_refuses_who_is_not_of_the_group)
{
	uint64_t *clock = before_a_hole(0), stamp[4] = { 0 };

	for (size_t n = 0; n < 3; n++) {
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_tick(clock, n, n)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_send(clock, n, n, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_receive(clock, n, n, 0, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_receive(clock, n, 0, n, stamp)));
		EXPECT_EQ(0, mbox_matrix_known_by_all(clock, n, n));
	}
}

TEST(matrix_known_by_all_is_what_the_least_informed_knows)
{
	const uint64_t *clock = TIGHT(((uint64_t[]){
		9, 5, LAST,
		4, 8, LAST,
		6, 3, LAST,
	}));

	EXPECT_EQ(4, mbox_matrix_known_by_all(clock, 3, 0));
	EXPECT_EQ(3, mbox_matrix_known_by_all(clock, 3, 1));
	EXPECT_EQ(LAST, mbox_matrix_known_by_all(clock, 3, 2));
	EXPECT_EQ(9, mbox_matrix_known_by_all(clock, 1, 0));
}

/*
 * Causal delivery: process 1 of three, and a message from process 2 unless the
 * variant says otherwise. With matrices, column 1 has the same numbers.
 */

FIXTURE(causal_message) {
};

FIXTURE_VARIANT(causal_message) {
	uint64_t counts[3], stamp[3];
	size_t from;
	int result;	/* of the test; or minus its errno */
};

FIXTURE_VARIANT_ADD(causal_message, that_is_the_first_is_deliverable) {
	.stamp = { 0, 0, 1 },
	.from = 2,
	.result = 1,
};

FIXTURE_VARIANT_ADD(causal_message, that_is_next_is_deliverable) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 5, 7 },
	.from = 2,
	.result = 1,
};

FIXTURE_VARIANT_ADD(causal_message, whose_sender_knew_less_is_deliverable) {
	.counts = { 4, 5, 6 },
	.stamp = { 0, 0, 7 },
	.from = 2,
	.result = 1,
};

FIXTURE_VARIANT_ADD(causal_message, of_the_first_process_is_deliverable) {
	.counts = { 4, 5, 6 },
	.stamp = { 5, 5, 6 },
	.from = 0,
	.result = 1,
};

FIXTURE_VARIANT_ADD(causal_message, with_the_last_number_is_deliverable) {
	.counts = { 0, 0, LAST - 1 },
	.stamp = { 0, 0, LAST },
	.from = 2,
	.result = 1,
};

FIXTURE_VARIANT_ADD(causal_message, that_overtook_one_of_its_sender_waits) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 5, 8 },
	.from = 2,
	.result = 0,
};

FIXTURE_VARIANT_ADD(causal_message, that_overtook_all_of_its_sender_waits) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 5, LAST },
	.from = 2,
	.result = 0,
};

FIXTURE_VARIANT_ADD(causal_message, that_overtook_one_of_another_waits) {
	.counts = { 4, 5, 6 },
	.stamp = { 5, 5, 7 },
	.from = 2,
	.result = 0,
};

FIXTURE_VARIANT_ADD(causal_message, that_overtook_one_of_the_last_waits) {
	.counts = { 4, 5, 6 },
	.stamp = { 5, 5, 7 },
	.from = 0,
	.result = 0,
};

FIXTURE_VARIANT_ADD(causal_message, that_was_delivered_last_is_refused) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 5, 6 },
	.from = 2,
	.result = -EALREADY,
};

FIXTURE_VARIANT_ADD(causal_message, that_was_delivered_long_ago_is_refused) {
	.counts = { 4, 5, 6 },
	.stamp = { 0, 0, 1 },
	.from = 2,
	.result = -EALREADY,
};

FIXTURE_VARIANT_ADD(causal_message, that_was_never_sent_is_refused) {
	.counts = { 4, 5, LAST },
	.stamp = { 4, 5, 0 },
	.from = 2,
	.result = -EALREADY,
};

FIXTURE_VARIANT_ADD(causal_message, of_ones_own_is_refused) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 5, 6 },
	.from = 1,
	.result = -EALREADY,
};

FIXTURE_VARIANT_ADD(causal_message, of_ones_own_that_was_never_sent_is_refused) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 6, 6 },
	.from = 1,
	.result = -EBADMSG,
};

FIXTURE_VARIANT_ADD(causal_message, caused_by_one_that_we_never_sent_is_refused) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 6, 7 },
	.from = 2,
	.result = -EBADMSG,
};

FIXTURE_VARIANT_ADD(causal_message, of_a_stranger_is_refused) {
	.counts = { 4, 5, 6 },
	.stamp = { 4, 5, 7 },
	.from = 3,
	.result = -EINVAL,
};

FIXTURE_SETUP(causal_message)
{
}

FIXTURE_TEARDOWN(causal_message)
{
}

/* What to deliver returns where the test returns that. */
static int error_of_delivery(int result)
{
	return result == 1 ? 0 : result == 0 ? EAGAIN : -result;
}

TEST_F(causal_message, by_vector)
{
	uint64_t *counts = TIGHT(variant->counts), after[3];
	const uint64_t *stamp = TIGHT(variant->stamp);

	memcpy(after, variant->counts, sizeof(after));
	EXPECT_EQ(variant->result,
		  RESULT_OF(mbox_vector_deliverable(counts, 3, 1, variant->from, stamp)));
	EXPECT_SAME(after, counts);
	EXPECT_EQ(error_of_delivery(variant->result),
		  ERROR_OF(mbox_vector_deliver(counts, 3, 1, variant->from, stamp)));
	if (variant->result == 1)
		after[variant->from]++;
	EXPECT_SAME(after, counts);
}

TEST_F(causal_message, by_matrix)
{
	uint64_t before[9] = { 0, 0, 3, 1, 0, 4, 1, 0, 0 };
	uint64_t with[9] = { 0, 0, 7, 1, 0, 4, 0, 0, 0 };
	uint64_t after[9] = { 0, 0, 7, 1, 0, 4, 1, 0, 0 };
	uint64_t *counts, *stamp;

	for (size_t i = 0; i < 3; i++) {
		before[3 * i + 1] = after[3 * i + 1] = variant->counts[i];
		with[3 * i + 1] = variant->stamp[i];
	}
	if (variant->result == 1)
		after[3 * variant->from + 1]++;
	else
		memcpy(after, before, sizeof(after));

	counts = TIGHT(before);
	stamp = TIGHT(with);
	EXPECT_EQ(variant->result,
		  RESULT_OF(mbox_matrix_deliverable(counts, 3, 1, variant->from, stamp)));
	EXPECT_SAME(before, counts);
	EXPECT_EQ(error_of_delivery(variant->result),
		  ERROR_OF(mbox_matrix_deliver(counts, 3, 1, variant->from, stamp)));
	EXPECT_SAME(after, counts);
}

TEST(matrix_delivery_refuses_what_is_caused_by_any_that_we_never_sent)
{
	const uint64_t before[9] = { 0, 0, 0, 2, 0, 2, 0, 0, 0 };
	uint64_t *counts = TIGHT(before);
	uint64_t stamp[9] = { 0, 0, 0, 2, 0, 2, 0, 1, 0 };

	for (size_t to = 0; to < 3; to++) {
		stamp[3 + to]++;
		EXPECT_EQ(EBADMSG, ERROR_OF(mbox_matrix_deliver(counts, 3, 1, 2, stamp)));
		stamp[3 + to]--;
	}
	EXPECT_SAME(before, counts);
	EXPECT_EQ(0, ERROR_OF(mbox_matrix_deliver(counts, 3, 1, 2, stamp)));
}

TEST(delivery_refuses_who_is_not_of_the_group)
{
	uint64_t *counts = before_a_hole(0), stamp[4] = { 0 };

	for (size_t n = 0; n < 3; n++) {
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_deliverable(counts, n, n, 0, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_deliver(counts, n, n, 0, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_vector_deliver(counts, n, 0, n, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_deliverable(counts, n, n, 0, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_deliver(counts, n, n, 0, stamp)));
		EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_deliver(counts, n, 0, n, stamp)));
	}
}

TEST(matrix_send_to_counts_a_message_and_copies_the_counts)
{
	uint64_t *counts = TIGHT(((uint64_t[]){ 0, 1, 2, 3, 0, 5, 6, 7, 0 }));
	uint64_t *stamp = TIGHT(((uint64_t[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0 }));

	EXPECT_EQ(0, ERROR_OF(mbox_matrix_send_to(counts, 3, 1, 2, stamp)));
	EXPECT_SAME(((uint64_t[]){ 0, 1, 2, 3, 0, 6, 6, 7, 0 }), counts);
	EXPECT_SAME(((uint64_t[]){ 0, 1, 2, 3, 0, 6, 6, 7, 0 }), stamp);
}

TEST(matrix_send_to_refuses_oneself_and_who_is_not_of_the_group)
{
	const uint64_t before[4] = { 0, LAST, 1, 0 };
	uint64_t *counts = TIGHT(before);
	uint64_t *stamp = TIGHT(before);

	EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_send_to(counts, 2, 1, 1, stamp)));
	EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_send_to(counts, 2, 1, 2, stamp)));
	EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_send_to(counts, 2, 2, 1, stamp)));
	EXPECT_EQ(EINVAL, ERROR_OF(mbox_matrix_send_to(counts, 0, 0, 1, stamp)));
	EXPECT_EQ(EOVERFLOW, ERROR_OF(mbox_matrix_send_to(counts, 2, 0, 1, stamp)));
	EXPECT_SAME(before, counts);
	EXPECT_SAME(before, stamp);
	EXPECT_EQ(0, ERROR_OF(mbox_matrix_send_to(counts, 2, 1, 0, stamp)));
}

/*
 * The hold-back buffer: process 0 of three, with messages of process 1. Its
 * messages are a, b, c ... in this order.
 */

struct stamped {
	uint64_t stamp[9];
	char name[2];
};

FIXTURE(buffer) {
	uint64_t counts[9];
	struct mbox_held *slots;
	struct mbox_holdback holdback;
	struct stamped message[6];
};

FIXTURE_VARIANT(buffer) {
	enum mbox_causal causal;
};

FIXTURE_VARIANT_ADD(buffer, of_broadcasts) {
	.causal = MBOX_CAUSAL_BROADCAST,
};

FIXTURE_VARIANT_ADD(buffer, of_messages_to_one) {
	.causal = MBOX_CAUSAL_TO_ONE,
};

FIXTURE_SETUP(buffer)
{
	self->slots = before_a_hole(3 * sizeof(*self->slots));
	self->holdback = (struct mbox_holdback) {
		.causal = variant->causal,
		.counts = self->counts,
		.n = 3,
		.self = 0,
		.slots = self->slots,
		.size = 3,
	};
	for (size_t i = 0; i < COUNT(self->message); i++) {
		self->message[i].name[0] = 'a' + i;
		self->message[i].stamp[variant->causal == MBOX_CAUSAL_BROADCAST ? 1 : 3] = i + 1;
	}
}

FIXTURE_TEARDOWN(buffer)
{
}

static int take(struct mbox_holdback *holdback, struct stamped *message)
{
	return RESULT_OF(mbox_holdback_receive(holdback, message->name, 1, message->stamp));
}

/* What is delivered next, if anything. */
static const char *next(struct mbox_holdback *holdback)
{
	const char *name;

	errno = 4711;
	name = mbox_holdback_next(holdback);
	NEED(errno == 4711);
	return name ? name : "none";
}

TEST_F(buffer, is_passed_by_what_is_deliverable)
{
	EXPECT_STREQ("none", next(&self->holdback));
	EXPECT_EQ(1, take(&self->holdback, &self->message[0]));
	EXPECT_EQ(1, take(&self->holdback, &self->message[1]));
	EXPECT_EQ(0, self->holdback.held);
	EXPECT_STREQ("none", next(&self->holdback));
}

TEST_F(buffer, holds_back_until_the_causes_are_delivered)
{
	EXPECT_EQ(0, take(&self->holdback, &self->message[2]));
	EXPECT_EQ(0, take(&self->holdback, &self->message[1]));
	EXPECT_EQ(2, self->holdback.held);
	EXPECT_STREQ("none", next(&self->holdback));
	EXPECT_EQ(1, take(&self->holdback, &self->message[0]));
	EXPECT_STREQ("b", next(&self->holdback));
	EXPECT_EQ(1, self->holdback.held);
	EXPECT_STREQ("c", next(&self->holdback));
	EXPECT_EQ(0, self->holdback.held);
	EXPECT_STREQ("none", next(&self->holdback));
}

TEST_F(buffer, that_is_full_refuses_what_it_would_hold_and_nothing_else)
{
	EXPECT_EQ(0, take(&self->holdback, &self->message[1]));
	EXPECT_EQ(0, take(&self->holdback, &self->message[2]));
	EXPECT_EQ(0, take(&self->holdback, &self->message[3]));
	EXPECT_EQ(-ENOBUFS, take(&self->holdback, &self->message[4]));
	EXPECT_EQ(-ENOBUFS, take(&self->holdback, &self->message[4]));
	EXPECT_EQ(1, take(&self->holdback, &self->message[0]));
	EXPECT_STREQ("b", next(&self->holdback));
	EXPECT_EQ(0, take(&self->holdback, &self->message[4]));
	EXPECT_STREQ("c", next(&self->holdback));
	EXPECT_STREQ("d", next(&self->holdback));
	EXPECT_STREQ("e", next(&self->holdback));
	EXPECT_STREQ("none", next(&self->holdback));
}

TEST_F(buffer, may_have_no_slots)
{
	self->holdback.slots = NULL;
	self->holdback.size = 0;
	EXPECT_EQ(-ENOBUFS, take(&self->holdback, &self->message[1]));
	EXPECT_EQ(1, take(&self->holdback, &self->message[0]));
	EXPECT_STREQ("none", next(&self->holdback));
	EXPECT_EQ(1, take(&self->holdback, &self->message[1]));
}

TEST_F(buffer, takes_nothing_twice)
{
	struct stamped copy = self->message[1];

	EXPECT_EQ(0, take(&self->holdback, &self->message[1]));
	EXPECT_EQ(-EALREADY, take(&self->holdback, &copy));
	EXPECT_EQ(1, self->holdback.held);
	EXPECT_EQ(1, take(&self->holdback, &self->message[0]));
	EXPECT_EQ(-EALREADY, take(&self->holdback, &self->message[0]));
	/* It could be delivered now, but so can the first one. */
	EXPECT_EQ(-EALREADY, take(&self->holdback, &copy));
	EXPECT_STREQ("b", next(&self->holdback));
	EXPECT_EQ(-EALREADY, take(&self->holdback, &copy));
	EXPECT_STREQ("none", next(&self->holdback));
}

TEST_F(buffer, refuses_what_cannot_be)
{
	struct stamped wrong = self->message[0];

	EXPECT_EQ(EINVAL, ERROR_OF(mbox_holdback_receive(&self->holdback, NULL, 1, wrong.stamp)));
	EXPECT_EQ(EINVAL, ERROR_OF(mbox_holdback_receive(&self->holdback, &wrong, 3, wrong.stamp)));
	wrong.stamp[0] = 1;
	EXPECT_EQ(-EBADMSG, take(&self->holdback, &wrong));
	EXPECT_EQ(0, self->holdback.held);
	for (size_t i = 0; i < COUNT(self->counts); i++)
		EXPECT_EQ(0, self->counts[i]);
}

TEST_F(buffer, keeps_the_order_of_arrival_where_there_is_no_other)
{
	const size_t step = variant->causal == MBOX_CAUSAL_BROADCAST ? 1 : 3;
	struct stamped other[3] = { { .name = "x" }, { .name = "y" }, { .name = "z" } };

	/* From process 2, caused by the first message of process 1, too. */
	for (size_t i = 0; i < COUNT(other); i++) {
		other[i].stamp[1 * step] = 1;
		other[i].stamp[2 * step] = i + 1;
	}
	for (size_t i = 0; i < 2; i++)
		EXPECT_EQ(0, RESULT_OF(mbox_holdback_receive(&self->holdback, other[i].name, 2,
							     other[i].stamp)));
	EXPECT_EQ(0, take(&self->holdback, &self->message[1]));
	EXPECT_EQ(1, take(&self->holdback, &self->message[0]));
	EXPECT_STREQ("x", next(&self->holdback));
	EXPECT_STREQ("y", next(&self->holdback));
	EXPECT_STREQ("b", next(&self->holdback));

	other[2].stamp[1 * step] = 3;
	EXPECT_EQ(0, take(&self->holdback, &self->message[3]));
	EXPECT_EQ(0, RESULT_OF(mbox_holdback_receive(&self->holdback, other[2].name, 2,
						     other[2].stamp)));
	EXPECT_EQ(1, take(&self->holdback, &self->message[2]));
	EXPECT_STREQ("d", next(&self->holdback));
	EXPECT_STREQ("z", next(&self->holdback));
}

/*
 * Stamps as bytes
 */

FIXTURE(bytes) {
	uint64_t stamp[9], out[9];
	size_t count, size, from;
	unsigned char *buf;
};

FIXTURE_VARIANT(bytes) {
	ssize_t (*encode)(const uint64_t *stamp, size_t n, size_t from, void *buf, size_t size);
	ssize_t (*decode)(uint64_t *stamp, size_t n, size_t *from, const void *buf, size_t len);
	bool matrix;
};

FIXTURE_VARIANT_ADD(bytes, of_a_vector) {
	.encode = mbox_vector_encode,
	.decode = mbox_vector_decode,
};

FIXTURE_VARIANT_ADD(bytes, of_a_matrix) {
	.encode = mbox_matrix_encode,
	.decode = mbox_matrix_decode,
	.matrix = true,
};

FIXTURE_SETUP(bytes)
{
	self->count = variant->matrix ? 9 : 3;
	self->size = 8 + 8 * self->count;
	self->buf = before_a_hole(self->size);
	memset(self->buf, POISON, self->size);
	memset(self->out, POISON, sizeof(self->out));
	self->from = POISON;
	for (size_t i = 0; i < self->count; i++)
		self->stamp[i] = LAST / 255 * (i + 1) + i;
}

FIXTURE_TEARDOWN(bytes)
{
}

#define ENCODE(n, from, buf, size)	RESULT_OF(variant->encode(self->stamp, n, from, buf, size))
#define DECODE(n, buf, len)	RESULT_OF(variant->decode(self->out, n, &self->from, buf, len))

TEST_F(bytes, bring_over_a_stamp_and_its_sender)
{
	ASSERT_EQ(self->size, ENCODE(3, 2, self->buf, self->size));
	ASSERT_EQ(self->size, DECODE(3, self->buf, self->size));
	EXPECT_EQ(2, self->from);
	EXPECT_EQ(0, memcmp(self->stamp, self->out, 8 * self->count));
	EXPECT_TRUE(is_poison(self->out + self->count, sizeof(self->out) - 8 * self->count));
}

TEST_F(bytes, are_the_same_on_all_machines)
{
	unsigned char head[8] = { 'm', 'b', variant->matrix ? 'm' : 'v', '1', 3, 0, 1, 0 };

	self->stamp[0] = 0x0807060504030201;
	ASSERT_EQ(self->size, ENCODE(3, 1, self->buf, self->size));
	EXPECT_SAME(head, self->buf);
	for (size_t i = 0; i < 8; i++)
		EXPECT_EQ(i + 1, self->buf[8 + i]);
	EXPECT_EQ(2 + 1, self->buf[16]);
	for (size_t i = 1; i < 8; i++)
		EXPECT_EQ(2, self->buf[16 + i]);
}

TEST_F(bytes, may_lie_anywhere_and_be_followed_by_more)
{
	unsigned char memory[96];

	for (size_t at = 0; at < 8; at++) {
		memset(memory, POISON, sizeof(memory));
		ASSERT_EQ(self->size, ENCODE(3, 2, memory + at, sizeof(memory) - at));
		EXPECT_TRUE(is_poison(memory, at));
		EXPECT_TRUE(is_poison(memory + at + self->size, sizeof(memory) - at - self->size));
		ASSERT_EQ(self->size, DECODE(3, memory + at, sizeof(memory) - at));
		EXPECT_EQ(0, memcmp(self->stamp, self->out, 8 * self->count));
	}
}

TEST_F(bytes, need_all_their_room)
{
	for (size_t size = 0; size < self->size; size++)
		EXPECT_EQ(-EMSGSIZE, ENCODE(3, 2, self->buf, size));
	EXPECT_TRUE(is_poison(self->buf, self->size));
}

TEST_F(bytes, that_were_cut_are_refused)
{
	ASSERT_EQ(self->size, ENCODE(3, 2, self->buf, self->size));
	for (size_t len = 0; len < self->size; len++) {
		/* Whoever reads on behind them, faults. */
		unsigned char *cut = self->buf + self->size - len;

		memmove(cut, self->buf, len);
		EXPECT_EQ(-EBADMSG, DECODE(3, cut, len));
		ASSERT_EQ(self->size, ENCODE(3, 2, self->buf, self->size));
	}
	EXPECT_TRUE(is_poison(self->out, sizeof(self->out)));
	EXPECT_EQ(POISON, self->from);
}

/* The sender's number can be any that is below n, and all else is fixed. */
TEST_F(bytes, with_a_wrong_head_are_refused)
{
	ASSERT_EQ(self->size, ENCODE(3, 2, self->buf, self->size));
	for (size_t i = 0; i < 8; i++) {
		for (unsigned int change = 1; change < 256; change++) {
			self->buf[i] ^= change;
			if (i != 6 || self->buf[i] >= 3)
				EXPECT_EQ(-EBADMSG, DECODE(3, self->buf, self->size));
			self->buf[i] ^= change;
		}
	}
	EXPECT_TRUE(is_poison(self->out, sizeof(self->out)));
	EXPECT_EQ(POISON, self->from);
}

TEST_F(bytes, of_another_kind_or_group_are_refused)
{
	unsigned char other[8 + 8 * 16];

	memset(other, 0, sizeof(other));
	ASSERT_LT(0, (variant->matrix ? mbox_vector_encode : mbox_matrix_encode)
		     (self->stamp, 3, 2, other, sizeof(other)));
	EXPECT_EQ(-EBADMSG, DECODE(3, other, sizeof(other)));
	ASSERT_LT(0, ENCODE(3, 1, other, sizeof(other)));
	EXPECT_EQ(-EBADMSG, DECODE(2, other, sizeof(other)));
	EXPECT_EQ(-EBADMSG, DECODE(4, other, sizeof(other)));
	EXPECT_TRUE(is_poison(self->out, sizeof(self->out)));
}

TEST_F(bytes, are_for_groups_within_the_limit)
{
	const size_t n = MBOX_GROUP_MAX;

	EXPECT_EQ(-EINVAL, ENCODE(3, 3, self->buf, self->size));
	EXPECT_EQ(-EINVAL, ENCODE(0, 0, self->buf, self->size));
	EXPECT_EQ(-EINVAL, ENCODE(n + 1, 0, self->buf, SIZE_MAX));
	EXPECT_EQ(-EINVAL, ENCODE(SIZE_MAX, 0, self->buf, SIZE_MAX));
	EXPECT_EQ(-EMSGSIZE, ENCODE(n, n - 1, self->buf, self->size));
	EXPECT_TRUE(is_poison(self->buf, self->size));
	EXPECT_EQ(-EINVAL, DECODE(0, self->buf, self->size));
	EXPECT_EQ(-EINVAL, DECODE(n + 1, self->buf, SIZE_MAX));
	EXPECT_EQ(-EBADMSG, DECODE(n, self->buf, self->size));
}

TEST(bytes_of_the_largest_group)
{
	const size_t n = MBOX_GROUP_MAX;
	uint64_t *stamp = calloc(n, 8), *out = calloc(n, 8);
	void *buf = malloc(MBOX_VECTOR_SIZE(n));
	size_t from;

	NEED(stamp && out && buf);
	stamp[n - 1] = LAST - 1;
	ASSERT_EQ(8 + 8 * n, mbox_vector_encode(stamp, n, n - 1, buf, MBOX_VECTOR_SIZE(n)));
	ASSERT_EQ(8 + 8 * n, mbox_vector_decode(out, n, &from, buf, MBOX_VECTOR_SIZE(n)));
	EXPECT_EQ(n - 1, from);
	EXPECT_EQ(0, memcmp(stamp, out, 8 * n));
	EXPECT_EQ(8 + 8 * n * n, MBOX_MATRIX_SIZE(n));
	EXPECT_EQ(32, MBOX_VECTOR_SIZE(1 + 2));
	EXPECT_EQ(80, MBOX_MATRIX_SIZE(1 + 2));
}

/*
 * Random executions, the same each time
 */

static uint64_t random_state;

/* 0 to @end - 1; George Marsaglia, Xorshift RNGs, 2003. */
static size_t below(size_t end)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 32) % end;
}

static void begin_at_random(uint64_t seed)
{
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (int i = 0; i < 8; i++)
		below(2);
}

#define EVENTS		96
#define PROCESSES	5

struct event {
	size_t process, number, to;
	int message;			/* the send that this one received, or -1 */
	bool in_flight;
	uint64_t vector[PROCESSES], matrix[PROCESSES * PROCESSES];
	unsigned char vector_bytes[MBOX_VECTOR_SIZE(PROCESSES)];
	unsigned char matrix_bytes[MBOX_MATRIX_SIZE(PROCESSES)];
};

/* @past[a][b]: b is a or happened before it. */
struct execution {
	size_t n;
	struct event event[EVENTS];
	bool past[EVENTS][EVENTS];
};

static int pick_message(struct execution *x, size_t made, size_t to)
{
	int found = -1, seen = 0;

	for (size_t i = 0; i < made; i++)
		if (x->event[i].in_flight && x->event[i].to == to && below(++seen) == 0)
			found = i;
	return found;
}

static void do_send(struct execution *x, struct event *event, uint64_t *vector, uint64_t *matrix)
{
	uint64_t stamp[PROCESSES * PROCESSES];

	event->in_flight = true;
	event->to = below(x->n);
	NEED(!mbox_vector_send(vector, x->n, event->process, stamp));
	NEED(mbox_vector_encode(stamp, x->n, event->process, event->vector_bytes,
				sizeof(event->vector_bytes)) > 0);
	NEED(!mbox_matrix_send(matrix, x->n, event->process, stamp));
	NEED(mbox_matrix_encode(stamp, x->n, event->process, event->matrix_bytes,
				sizeof(event->matrix_bytes)) > 0);
}

static void do_receive(struct execution *x, struct event *event, uint64_t *vector, uint64_t *matrix)
{
	struct event *message = &x->event[event->message];
	uint64_t stamp[PROCESSES * PROCESSES];
	size_t from;

	message->in_flight = false;
	NEED(mbox_vector_decode(stamp, x->n, &from, message->vector_bytes,
				sizeof(message->vector_bytes)) > 0);
	NEED(from == message->process);
	NEED(!mbox_vector_receive(vector, x->n, event->process, stamp));
	NEED(mbox_matrix_decode(stamp, x->n, &from, message->matrix_bytes,
				sizeof(message->matrix_bytes)) > 0);
	NEED(from == message->process);
	NEED(!mbox_matrix_receive(matrix, x->n, event->process, from, stamp));
}

static void do_local(struct execution *x, struct event *event, uint64_t *vector, uint64_t *matrix)
{
	NEED(!mbox_vector_tick(vector, x->n, event->process));
	NEED(!mbox_matrix_tick(matrix, x->n, event->process));
}

static void execute(struct execution *x)
{
	uint64_t vector[PROCESSES][PROCESSES] = { 0 };
	uint64_t matrix[PROCESSES][PROCESSES * PROCESSES] = { 0 };
	size_t numbers[PROCESSES] = { 0 };

	for (size_t i = 0; i < EVENTS; i++) {
		struct event *event = &x->event[i];
		size_t p = below(x->n), what = below(4);

		*event = (struct event) {
			.process = p,
			.number = ++numbers[p],
			.message = what < 2 ? pick_message(x, i, p) : -1,
		};
		if (event->message >= 0)
			do_receive(x, event, vector[p], matrix[p]);
		else if (what < 3)
			do_send(x, event, vector[p], matrix[p]);
		else
			do_local(x, event, vector[p], matrix[p]);
		memcpy(event->vector, vector[p], sizeof(event->vector));
		memcpy(event->matrix, matrix[p], sizeof(event->matrix));
	}
}

/* The edges of the graph, and their transitive closure (Stephen Warshall, 1962). */
static void find_past(struct execution *x)
{
	memset(x->past, 0, sizeof(x->past));
	for (size_t a = 0; a < EVENTS; a++) {
		x->past[a][a] = true;
		if (x->event[a].message >= 0)
			x->past[a][x->event[a].message] = true;
		for (size_t b = 0; b < EVENTS; b++)
			if (x->event[a].process == x->event[b].process &&
			    x->event[a].number == x->event[b].number + 1)
				x->past[a][b] = true;
	}
	for (size_t via = 0; via < EVENTS; via++)
		for (size_t a = 0; a < EVENTS; a++)
			for (size_t b = 0; x->past[a][via] && b < EVENTS; b++)
				x->past[a][b] |= x->past[via][b];
}

/* How many events of process @of are event @a or happened before it. */
static size_t known_at(struct execution *x, size_t a, size_t of)
{
	size_t count = 0;

	for (size_t b = 0; b < EVENTS; b++)
		count += x->event[b].process == of && x->past[a][b];
	return count;
}

static bool vectors_tell_the_order(struct execution *x)
{
	for (size_t a = 0; a < EVENTS; a++) {
		for (size_t b = 0; b < EVENTS; b++) {
			enum mbox_order order = mbox_vector_compare(x->event[a].vector,
								    x->event[b].vector, x->n);

			if (order != (a == b ? MBOX_EQUAL :
				      x->past[b][a] ? MBOX_BEFORE :
				      x->past[a][b] ? MBOX_AFTER : MBOX_CONCURRENT))
				return false;
		}
		for (size_t p = 0; p < x->n; p++)
			if (x->event[a].vector[p] != known_at(x, a, p))
				return false;
	}
	return true;
}

/* The last event of process @p that @a is or has in its past, or -1. */
static int last_of(struct execution *x, size_t a, size_t p)
{
	int last = -1;

	for (size_t b = 0; b < EVENTS; b++)
		if (x->event[b].process == p && x->past[a][b])
			last = b;
	return last;
}

/* Row p, at an event, is what p knew at its last event in the past of this one. */
static bool matrices_tell_what_is_known(struct execution *x)
{
	for (size_t a = 0; a < EVENTS; a++) {
		size_t least[PROCESSES];

		memset(least, 0xff, sizeof(least));
		for (size_t p = 0; p < x->n; p++) {
			int last = last_of(x, a, p);

			for (size_t of = 0; of < x->n; of++) {
				size_t known = last < 0 ? 0 : known_at(x, last, of);

				if (x->event[a].matrix[p * x->n + of] != known)
					return false;
				if (known < least[of])
					least[of] = known;
			}
		}
		for (size_t of = 0; of < x->n; of++)
			if (mbox_matrix_known_by_all(x->event[a].matrix, x->n, of) != least[of])
				return false;
	}
	return true;
}

/* Is the execution one that can tell a clock that works from one that does not? */
static bool has_everything(struct execution *x)
{
	bool concurrent = false, relayed = false, overtaken = false;

	for (size_t a = 0; a < EVENTS; a++) {
		struct event *event = &x->event[a];

		concurrent |= a && !x->past[a][a - 1];
		relayed |= mbox_matrix_known_by_all(event->matrix, x->n, event->process) > 0;
		for (size_t b = 0; b < a && event->message >= 0; b++)
			overtaken |= x->event[b].message > event->message;
	}
	return concurrent && relayed && overtaken;
}

TEST(clocks_tell_the_order_and_the_knowledge_of_random_executions)
{
	struct execution *x = calloc(1, sizeof(*x));
	int full = 0;

	NEED(x);
	for (uint64_t seed = 1; seed <= 40; seed++) {
		begin_at_random(seed);
		x->n = 1 + below(PROCESSES);
		execute(x);
		find_past(x);
		ASSERT_TRUE(vectors_tell_the_order(x)) {
			TH_LOG("seed %ju", (uintmax_t)seed);
		}
		ASSERT_TRUE(matrices_tell_what_is_known(x)) {
			TH_LOG("seed %ju", (uintmax_t)seed);
		}
		full += has_everything(x);
	}
	EXPECT_LE(20, full);
	free(x);
}

/*
 * Causal delivery, where messages come in any order. Sets of messages are bits.
 */

#define MESSAGES	64

struct traffic {
	enum mbox_causal causal;
	size_t n, sent, slots;
	struct {
		size_t from;
		uint64_t past;		/* those whose sending happened before its own */
		uint64_t stamp[PROCESSES * PROCESSES];
	} message[MESSAGES];
	struct {
		uint64_t meant;		/* sent to it */
		uint64_t received;
		uint64_t delivered;
		uint64_t known;		/* whose sending it is or happened before it */
		uint64_t counts[PROCESSES * PROCESSES];
		struct mbox_held slots[MESSAGES];
		struct mbox_holdback holdback;
	} process[PROCESSES];
	size_t held, refused;		/* messages, ever */
	const char *wrong;
};

static uint64_t bit(size_t m)
{
	return UINT64_C(1) << m;
}

static void begin_traffic(struct traffic *t, enum mbox_causal causal, size_t slots)
{
	memset(t, 0, sizeof(*t));
	t->causal = causal;
	t->n = 2 + below(PROCESSES - 1);
	t->slots = slots;
	for (size_t p = 0; p < t->n; p++)
		t->process[p].holdback = (struct mbox_holdback) {
			.causal = causal,
			.counts = t->process[p].counts,
			.n = t->n,
			.self = p,
			.slots = t->process[p].slots,
			.size = slots,
		};
}

static void check(struct traffic *t, bool condition, const char *wrong)
{
	if (!condition && !t->wrong)
		t->wrong = wrong;
}

static void send_one(struct traffic *t)
{
	size_t m = t->sent++, from = below(t->n), to = (from + 1 + below(t->n - 1)) % t->n;

	t->message[m].from = from;
	t->message[m].past = t->process[from].known;
	t->process[from].known |= bit(m);
	if (t->causal == MBOX_CAUSAL_TO_ONE) {
		t->process[to].meant |= bit(m);
		NEED(!mbox_matrix_send_to(t->process[from].counts, t->n, from, to,
					  t->message[m].stamp));
		return;
	}
	for (size_t p = 0; p < t->n; p++)
		if (p != from)
			t->process[p].meant |= bit(m);
	NEED(!mbox_vector_send(t->process[from].counts, t->n, from, t->message[m].stamp));
}

static bool has_its_causes(struct traffic *t, size_t p, size_t m)
{
	return !(t->message[m].past & t->process[p].meant & ~t->process[p].delivered);
}

static void delivered(struct traffic *t, size_t p, size_t m)
{
	check(t, !(t->process[p].delivered & bit(m)), "delivered twice");
	check(t, t->process[p].received & bit(m), "delivered and not received");
	check(t, has_its_causes(t, p, m), "delivered before a cause");
	t->process[p].delivered |= bit(m);
	t->process[p].known |= t->message[m].past | bit(m);
}

static void drain(struct traffic *t, size_t p)
{
	uint64_t held;
	char *message;

	while ((message = mbox_holdback_next(&t->process[p].holdback)))
		delivered(t, p, message - (char *)t);
	held = t->process[p].received & ~t->process[p].delivered;
	check(t, (size_t)__builtin_popcountll(held) == t->process[p].holdback.held, "lost");
	for (size_t m = 0; m < t->sent; m++)
		check(t, !(held & bit(m)) || !has_its_causes(t, p, m), "held back for nothing");
}

/* The test for one message says the same as the graph. */
static void foresee(struct traffic *t, size_t p, size_t m)
{
	int seen = (t->causal == MBOX_CAUSAL_BROADCAST ?
		    mbox_vector_deliverable : mbox_matrix_deliverable)
		   (t->process[p].counts, t->n, p, t->message[m].from, t->message[m].stamp);

	check(t, seen == has_its_causes(t, p, m), "foreseen wrongly");
}

/* A message is known by its number, but 0 would be NULL. */
static int give(struct traffic *t, size_t p, size_t m)
{
	return RESULT_OF(mbox_holdback_receive(&t->process[p].holdback, (char *)t + m,
					       t->message[m].from, t->message[m].stamp));
}

static void receive_message(struct traffic *t, size_t p, size_t m)
{
	bool now = has_its_causes(t, p, m);
	int result;

	foresee(t, p, m);
	result = give(t, p, m);
	if (result == -ENOBUFS) {
		check(t, !now && t->process[p].holdback.held == t->slots, "refused for nothing");
		t->refused++;
		return;
	}
	check(t, result == now, "received wrongly");
	t->process[p].received |= bit(m);
	if (result == 1)
		delivered(t, p, m);
	else
		t->held++;
	if (below(4))
		drain(t, p);
}

/* One of those that process @p has yet to receive, or has received. */
static void receive_one(struct traffic *t, size_t p)
{
	size_t m = below(t->sent);

	if (!(t->process[p].meant & bit(m)))
		return;
	if (t->process[p].received & bit(m))
		check(t, give(t, p, m) == -EALREADY, "received twice");
	else
		receive_message(t, p, m);
}

/* Whatever was refused comes again, until all have been received. */
static void receive_the_rest(struct traffic *t)
{
	for (size_t round = 0; round <= MESSAGES; round++)
		for (size_t p = 0; p < t->n; p++) {
			drain(t, p);
			for (size_t m = t->sent; m-- > 0;)
				if (t->process[p].meant & ~t->process[p].received & bit(m))
					receive_message(t, p, m);
		}
	for (size_t p = 0; p < t->n; p++) {
		drain(t, p);
		check(t, t->process[p].delivered == t->process[p].meant, "not delivered");
	}
}

static void run_traffic(struct traffic *t)
{
	while (t->sent < MESSAGES) {
		if (below(3) == 0 || !t->sent)
			send_one(t);
		else
			receive_one(t, below(t->n));
	}
	receive_the_rest(t);
}

FIXTURE(traffic) {
	struct traffic *t;
};

FIXTURE_VARIANT(traffic) {
	enum mbox_causal causal;
};

FIXTURE_VARIANT_ADD(traffic, of_broadcasts) {
	.causal = MBOX_CAUSAL_BROADCAST,
};

FIXTURE_VARIANT_ADD(traffic, of_messages_to_one) {
	.causal = MBOX_CAUSAL_TO_ONE,
};

FIXTURE_SETUP(traffic)
{
	self->t = malloc(sizeof(*self->t));
	NEED(self->t);
}

FIXTURE_TEARDOWN(traffic)
{
	free(self->t);
}

TEST_F(traffic, in_any_order_is_delivered_once_and_in_causal_order)
{
	size_t held = 0;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		begin_at_random(seed);
		begin_traffic(self->t, variant->causal, MESSAGES);
		run_traffic(self->t);
		ASSERT_EQ(NULL, self->t->wrong) {
			TH_LOG("seed %ju: %s", (uintmax_t)seed, self->t->wrong);
		}
		ASSERT_EQ(0, self->t->refused);
		held += self->t->held;
	}
	EXPECT_LT(200, held);
}

TEST_F(traffic, through_a_small_buffer_is_delivered_as_well)
{
	size_t refused = 0;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		begin_at_random(seed);
		begin_traffic(self->t, variant->causal, seed % 4);
		run_traffic(self->t);
		ASSERT_EQ(NULL, self->t->wrong) {
			TH_LOG("seed %ju: %s", (uintmax_t)seed, self->t->wrong);
		}
		refused += self->t->refused;
	}
	EXPECT_LT(200, refused);
}

TEST(shared_library_exports_the_clocks)
{
	static const char *const names[] = {
		"mbox_holdback_next", "mbox_holdback_receive",
		"mbox_matrix_decode", "mbox_matrix_deliver", "mbox_matrix_deliverable",
		"mbox_matrix_encode", "mbox_matrix_known_by_all", "mbox_matrix_receive",
		"mbox_matrix_send", "mbox_matrix_send_to", "mbox_matrix_tick",
		"mbox_vector_compare", "mbox_vector_decode", "mbox_vector_deliver",
		"mbox_vector_deliverable", "mbox_vector_encode", "mbox_vector_receive",
		"mbox_vector_send", "mbox_vector_tick",
	};
	void *library = dlopen("libmbox.so.0", RTLD_NOW | RTLD_LOCAL);

	ASSERT_NE(NULL, library) {
		TH_LOG("%s", dlerror());
	}
	for (size_t i = 0; i < COUNT(names); i++) {
		EXPECT_NE(NULL, dlvsym(library, names[i], "LIBMBOX_0.1")) {
			TH_LOG("%s", names[i]);
		}
	}
}

TEST_HARNESS_MAIN
