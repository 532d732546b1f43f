// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Logical clocks that say more than Lamport's: vectors and matrices, and causal
 * delivery by them.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "mbox_clocks.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

static int advance(uint64_t *counter)
{
	if (*counter == UINT64_MAX)
		return fail(EOVERFLOW);
	++*counter;
	return 0;
}

static void copy(uint64_t *to, const uint64_t *from, size_t count)
{
	memcpy(to, from, count * sizeof(*to));
}

static void merge(uint64_t *into, const uint64_t *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (into[i] < from[i])
			into[i] = from[i];
}

/* Is no entry of @a above its counterpart in @b? */
static bool is_within(const uint64_t *a, const uint64_t *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (a[i] > b[i])
			return false;
	return true;
}

int mbox_vector_tick(uint64_t *clock, size_t n, size_t self)
{
	if (self >= n)
		return fail(EINVAL);
	return advance(&clock[self]);
}

int mbox_vector_send(uint64_t *clock, size_t n, size_t self, uint64_t *stamp)
{
	if (mbox_vector_tick(clock, n, self))
		return -1;
	copy(stamp, clock, n);
	return 0;
}

int mbox_vector_receive(uint64_t *clock, size_t n, size_t self, const uint64_t *stamp)
{
	if (self >= n)
		return fail(EINVAL);
	if (stamp[self] > clock[self])
		return fail(EBADMSG);
	if (advance(&clock[self]))
		return -1;
	merge(clock, stamp, n);
	return 0;
}

enum mbox_order mbox_vector_compare(const uint64_t *a, const uint64_t *b, size_t n)
{
	unsigned int order = MBOX_EQUAL;

	if (!is_within(b, a, n))
		order |= MBOX_BEFORE;
	if (!is_within(a, b, n))
		order |= MBOX_AFTER;
	return order;
}

int mbox_matrix_tick(uint64_t *clock, size_t n, size_t self)
{
	if (self >= n)
		return fail(EINVAL);
	return advance(&clock[self * n + self]);
}

int mbox_matrix_send(uint64_t *clock, size_t n, size_t self, uint64_t *stamp)
{
	if (mbox_matrix_tick(clock, n, self))
		return -1;
	copy(stamp, clock, n * n);
	return 0;
}

/* What a process knows that others know, it knows itself. */
static bool row_bounds_all(const uint64_t *matrix, size_t n, size_t row)
{
	for (size_t i = 0; i < n; i++)
		if (!is_within(&matrix[i * n], &matrix[row * n], n))
			return false;
	return true;
}

int mbox_matrix_receive(uint64_t *clock, size_t n, size_t self, size_t from,
			const uint64_t *stamp)
{
	if (self >= n || from >= n)
		return fail(EINVAL);
	if (stamp[from * n + self] > clock[self * n + self] || !row_bounds_all(stamp, n, from))
		return fail(EBADMSG);
	if (advance(&clock[self * n + self]))
		return -1;
	merge(&clock[self * n], &stamp[from * n], n);
	merge(clock, stamp, n * n);
	return 0;
}

uint64_t mbox_matrix_known_by_all(const uint64_t *clock, size_t n, size_t of)
{
	uint64_t least = UINT64_MAX;

	if (of >= n)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (clock[i * n + of] < least)
			least = clock[i * n + of];
	return least;
}

int mbox_matrix_send_to(uint64_t *counts, size_t n, size_t self, size_t to, uint64_t *stamp)
{
	if (self >= n || to >= n || to == self)
		return fail(EINVAL);
	if (advance(&counts[self * n + to]))
		return -1;
	copy(stamp, counts, n * n);
	return 0;
}

/*
 * Whether a message can be delivered depends on one number for each sender: how
 * many of its messages were delivered here, and how many the stamp requires, this
 * one included. These numbers are @step entries apart, a vector or a column of a
 * matrix. 0 if the message can be delivered, else why not.
 */
static int look(const uint64_t *delivered, const uint64_t *required, size_t step, size_t n,
		size_t from)
{
	if (required[from * step] <= delivered[from * step])
		return EALREADY;
	/* No overflow: there is a larger number. */
	if (required[from * step] > delivered[from * step] + 1)
		return EAGAIN;
	for (size_t k = 0; k < n; k++)
		if (k != from && required[k * step] > delivered[k * step])
			return EAGAIN;
	return 0;
}

static int look_at_vector(const uint64_t *counts, size_t n, size_t self, size_t from,
			  const uint64_t *stamp)
{
	if (self >= n || from >= n)
		return EINVAL;
	if (stamp[self] > counts[self])
		return EBADMSG;
	return look(counts, stamp, 1, n, from);
}

/*
 * Raynal, Schiper and Toueg count what was delivered in a vector of its own. Here
 * that is column @self of the matrix, for it is the same: an entry (k, @self) grows
 * when a message of k is delivered, by one, and otherwise only by a merge with the
 * stamp of a delivered message, which had to wait for all that its stamp has there.
 */
static int look_at_matrix(const uint64_t *counts, size_t n, size_t self, size_t from,
			  const uint64_t *stamp)
{
	if (self >= n || from >= n)
		return EINVAL;
	if (!is_within(&stamp[self * n], &counts[self * n], n))
		return EBADMSG;
	return look(&counts[self], &stamp[self], n, n, from);
}

static int deliver_vector(uint64_t *counts, size_t n, size_t self, size_t from,
			  const uint64_t *stamp)
{
	int error = look_at_vector(counts, n, self, from, stamp);

	if (!error)
		counts[from]++;
	return error;
}

static int deliver_matrix(uint64_t *counts, size_t n, size_t self, size_t from,
			  const uint64_t *stamp)
{
	int error = look_at_matrix(counts, n, self, from, stamp);

	if (!error)
		merge(counts, stamp, n * n);
	return error;
}

static int is_deliverable(int error)
{
	if (error && error != EAGAIN)
		return fail(error);
	return !error;
}

int mbox_vector_deliverable(const uint64_t *counts, size_t n, size_t self, size_t from,
			    const uint64_t *stamp)
{
	return is_deliverable(look_at_vector(counts, n, self, from, stamp));
}

int mbox_vector_deliver(uint64_t *counts, size_t n, size_t self, size_t from,
			const uint64_t *stamp)
{
	int error = deliver_vector(counts, n, self, from, stamp);

	return error ? fail(error) : 0;
}

int mbox_matrix_deliverable(const uint64_t *counts, size_t n, size_t self, size_t from,
			    const uint64_t *stamp)
{
	return is_deliverable(look_at_matrix(counts, n, self, from, stamp));
}

int mbox_matrix_deliver(uint64_t *counts, size_t n, size_t self, size_t from,
			const uint64_t *stamp)
{
	int error = deliver_matrix(counts, n, self, from, stamp);

	return error ? fail(error) : 0;
}

/* 0 if the message is delivered, else why not. */
static int deliver(struct mbox_holdback *holdback, size_t from, const uint64_t *stamp)
{
	if (holdback->causal == MBOX_CAUSAL_BROADCAST)
		return deliver_vector(holdback->counts, holdback->n, holdback->self, from, stamp);
	return deliver_matrix(holdback->counts, holdback->n, holdback->self, from, stamp);
}

/* Which message of its sender to this process it is. */
static uint64_t number(const struct mbox_holdback *holdback, size_t from, const uint64_t *stamp)
{
	if (holdback->causal == MBOX_CAUSAL_BROADCAST)
		return stamp[from];
	return stamp[from * holdback->n + holdback->self];
}

static bool is_held(const struct mbox_holdback *holdback, size_t from, const uint64_t *stamp)
{
	const struct mbox_held *slot = holdback->slots;
	const struct mbox_held *end = slot + holdback->held;

	for (; slot < end; slot++)
		if (slot->from == from && number(holdback, from, slot->stamp) ==
					  number(holdback, from, stamp))
			return true;
	return false;
}

static int hold(struct mbox_holdback *holdback, void *message, size_t from,
		const uint64_t *stamp)
{
	if (holdback->held == holdback->size)
		return fail(ENOBUFS);
	holdback->slots[holdback->held++] = (struct mbox_held) {
		.message = message,
		.stamp = stamp,
		.from = from,
	};
	return 0;
}

int mbox_holdback_receive(struct mbox_holdback *holdback, void *message, size_t from,
			  const uint64_t *stamp)
{
	int error;

	if (!message)
		return fail(EINVAL);
	/* First, since a message that is held back may be deliverable by now. */
	if (is_held(holdback, from, stamp))
		return fail(EALREADY);
	error = deliver(holdback, from, stamp);
	if (error == EAGAIN)
		return hold(holdback, message, from, stamp);
	return error ? fail(error) : 1;
}

/* Those behind move up, and stay in the order in which they came. */
static void *release(struct mbox_holdback *holdback, size_t i)
{
	struct mbox_held *slot = &holdback->slots[i];
	void *message = slot->message;

	holdback->held--;
	memmove(slot, slot + 1, (holdback->held - i) * sizeof(*slot));
	return message;
}

void *mbox_holdback_next(struct mbox_holdback *holdback)
{
	for (size_t i = 0; i < holdback->held; i++)
		if (!deliver(holdback, holdback->slots[i].from, holdback->slots[i].stamp))
			return release(holdback, i);
	return NULL;
}

#define HEAD	8	/* bytes before the entries */

static const char vector_kind[4] = { 'm', 'b', 'v', '1' };
static const char matrix_kind[4] = { 'm', 'b', 'm', '1' };

static void put(unsigned char *bytes, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = value >> (8 * i);
}

static uint64_t get(const unsigned char *bytes, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

static ssize_t encode(const char kind[4], const uint64_t *stamp, size_t count, size_t n,
		      size_t from, unsigned char *buf, size_t size)
{
	if (from >= n || n > MBOX_GROUP_MAX)
		return fail(EINVAL);
	if (size < HEAD + 8 * count)
		return fail(EMSGSIZE);
	memcpy(buf, kind, 4);
	put(buf + 4, n, 2);
	put(buf + 6, from, 2);
	for (size_t i = 0; i < count; i++)
		put(buf + HEAD + 8 * i, stamp[i], 8);
	return HEAD + 8 * count;
}

static ssize_t decode(const char kind[4], uint64_t *stamp, size_t count, size_t n,
		      size_t *from, const unsigned char *buf, size_t len)
{
	if (n == 0 || n > MBOX_GROUP_MAX)
		return fail(EINVAL);
	if (len < HEAD + 8 * count || memcmp(buf, kind, 4))
		return fail(EBADMSG);
	if (get(buf + 4, 2) != n || get(buf + 6, 2) >= n)
		return fail(EBADMSG);
	*from = get(buf + 6, 2);
	for (size_t i = 0; i < count; i++)
		stamp[i] = get(buf + HEAD + 8 * i, 8);
	return HEAD + 8 * count;
}

ssize_t mbox_vector_encode(const uint64_t *stamp, size_t n, size_t from, void *buf,
			   size_t size)
{
	return encode(vector_kind, stamp, n, n, from, buf, size);
}

ssize_t mbox_vector_decode(uint64_t *stamp, size_t n, size_t *from, const void *buf,
			   size_t len)
{
	return decode(vector_kind, stamp, n, n, from, buf, len);
}

ssize_t mbox_matrix_encode(const uint64_t *stamp, size_t n, size_t from, void *buf,
			   size_t size)
{
	return encode(matrix_kind, stamp, n * n, n, from, buf, size);
}

ssize_t mbox_matrix_decode(uint64_t *stamp, size_t n, size_t *from, const void *buf,
			   size_t len)
{
	return decode(matrix_kind, stamp, n * n, n, from, buf, len);
}
