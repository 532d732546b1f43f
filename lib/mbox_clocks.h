/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vector and matrix clocks, and causal delivery, over plain arrays.
 *
 * A group has @n processes, which agree on who is number 0, 1 ... @n - 1; @self is
 * the caller's own number. A vector is an array of @n entries. A matrix is one of
 * @n * @n, row after row: entry (i, j) is at [i * @n + j]. All begin with zeros.
 * What is copied out to go with a message is its stamp, an array of the same size;
 * it does not overlap the one that it is copied from or merged into. Where in the
 * message it travels is the sender's choice; the encoding at the end is one.
 *
 * An array serves one purpose, either as a clock, which counts events, or for
 * causal delivery, where it counts messages.
 *
 * Functions allocate nothing and keep nothing. They return -1 with errno set on
 * failure, and have changed nothing then; on success errno is not touched. All
 * fail with EINVAL if the number of a process is not below @n, so also if @n is 0.
 * They may be called from any thread and from signal handlers, one at a time for
 * each array. What a stamp says is believed if it can be true: processes of a
 * group trust each other.
 */
#ifndef MBOX_CLOCKS_H
#define MBOX_CLOCKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Vector clocks
 *
 * Entry k tells how many events of process k are known to have happened. Events
 * are sends, receives, and what is local and matters. By their stamps, one event
 * is seen to have happened before another, or neither before the other.
 *
 * Colin Fidge, Timestamps in message-passing systems that preserve the partial
 * ordering, 1988; Friedemann Mattern, Virtual time and global states of
 * distributed systems, 1989. "Happened before": Leslie Lamport, Time, clocks, and
 * the ordering of events in a distributed system, 1978.
 */

/**
 * mbox_vector_tick() - a local event
 * @clock: vector; it is then the stamp of this event
 * @n: processes in the group
 * @self: the caller's number
 *
 * Return: 0. Errors: EINVAL; EOVERFLOW after 2^64 - 1 events.
 */
int mbox_vector_tick(uint64_t *clock, size_t n, size_t self);

/**
 * mbox_vector_send() - an event, and its stamp for a message
 * @clock: vector
 * @n: processes in the group
 * @self: the caller's number
 * @stamp: vector; where the stamp goes
 *
 * It stamps broadcasts for causal delivery, too.
 *
 * Return: 0. Errors: as mbox_vector_tick().
 */
int mbox_vector_send(uint64_t *clock, size_t n, size_t self, uint64_t *stamp);

/**
 * mbox_vector_receive() - the receipt of a message
 * @clock: vector; it is then the stamp of this event
 * @n: processes in the group
 * @self: the caller's number
 * @stamp: vector that came with the message
 *
 * Return: 0. Errors: as mbox_vector_tick(); EBADMSG if the stamp has events of the
 * caller that have not happened.
 */
int mbox_vector_receive(uint64_t *clock, size_t n, size_t self, const uint64_t *stamp);

/* How an event lies to another one. */
enum mbox_order {
	MBOX_EQUAL = 0,		/* they are the same */
	MBOX_BEFORE = 1,	/* it happened before the other */
	MBOX_AFTER = 2,		/* the other happened before it */
	MBOX_CONCURRENT = 3,	/* neither: they cannot have influenced each other */
};

/**
 * mbox_vector_compare() - which of two events happened before the other
 * @a: vector, the stamp of an event
 * @b: vector, the stamp of another
 * @n: processes in the group
 *
 * Return: MBOX_BEFORE if @a happened before @b, and so on.
 */
enum mbox_order mbox_vector_compare(const uint64_t *a, const uint64_t *b, size_t n);

/*
 * Matrix clocks
 *
 * Row @self is the caller's vector clock. Row i is what is known of the vector
 * clock of process i: entry (i, j) tells how many events of process j it has heard
 * of, at least.
 *
 * Gene Wuu and Arthur Bernstein, Efficient solutions to the replicated log and
 * dictionary problems, 1984; Sunil Sarin and Nancy Lynch, Discarding obsolete
 * information in a replicated database system, 1987.
 */

/**
 * mbox_matrix_tick() - a local event
 * @clock: matrix
 * @n: processes in the group
 * @self: the caller's number
 *
 * Return: 0. Errors: EINVAL; EOVERFLOW after 2^64 - 1 events.
 */
int mbox_matrix_tick(uint64_t *clock, size_t n, size_t self);

/**
 * mbox_matrix_send() - an event, and its stamp for a message
 * @clock: matrix
 * @n: processes in the group
 * @self: the caller's number
 * @stamp: matrix; where the stamp goes
 *
 * Return: 0. Errors: as mbox_matrix_tick().
 */
int mbox_matrix_send(uint64_t *clock, size_t n, size_t self, uint64_t *stamp);

/**
 * mbox_matrix_receive() - the receipt of a message
 * @clock: matrix
 * @n: processes in the group
 * @self: the caller's number
 * @from: the sender's number
 * @stamp: matrix that came with the message
 *
 * Return: 0. Errors: as mbox_matrix_tick(); EBADMSG if the stamp has events of the
 * caller that have not happened, or ones that its sender says it has not heard of.
 */
int mbox_matrix_receive(uint64_t *clock, size_t n, size_t self, size_t from,
			const uint64_t *stamp);

/**
 * mbox_matrix_known_by_all() - what everybody is known to know of a process
 * @clock: matrix
 * @n: processes in the group
 * @of: number of the process
 *
 * What is kept only for those who may not have heard of it, such as an entry of
 * a log, may be forgotten up to that event.
 *
 * Return: how many events of process @of all have heard of, at least; 0 if @of is
 * not below @n.
 */
uint64_t mbox_matrix_known_by_all(const uint64_t *clock, size_t n, size_t of);

/*
 * Causal delivery
 *
 * A message is received when it comes and delivered when the program acts on it.
 * In between it is held back until all those have been delivered that were sent
 * to the same process and whose sending happened before its own: its causes.
 * Messages of one process are delivered in the order in which it sent them.
 * What is stamped must also be sent, or what comes after it is held back for ever.
 *
 * Broadcasts: each message goes to the whole group. Vector @counts: entry k is the
 * number of broadcasts of process k delivered here; one's own are delivered by
 * being stamped, with mbox_vector_send(). Kenneth Birman, Andre Schiper and Pat
 * Stephenson, Lightweight causal and atomic group multicast, 1991.
 *
 * Point to point: each message goes to one other process. Matrix @counts: entry
 * (i, j) is the number of messages from i to j that are known to have been sent;
 * in column @self it is the number of those delivered here, too. Stamped with
 * mbox_matrix_send_to(). Michel Raynal, Andre Schiper and Sam Toueg, The causal
 * ordering abstraction and a simple way to implement it, 1991.
 */

/**
 * mbox_matrix_send_to() - a stamp for a message to one process
 * @counts: matrix
 * @n: processes in the group
 * @self: the caller's number
 * @to: the receiver's number, not @self
 * @stamp: matrix; where the stamp goes
 *
 * Return: 0. Errors: EINVAL; EOVERFLOW after 2^64 - 1 messages to @to.
 */
int mbox_matrix_send_to(uint64_t *counts, size_t n, size_t self, size_t to, uint64_t *stamp);

/**
 * mbox_vector_deliverable() - may this broadcast be delivered now?
 * @counts: vector
 * @n: processes in the group
 * @self: the caller's number
 * @from: the sender's number
 * @stamp: vector that came with the message
 *
 * Return: 1; 0 if a cause is missing. Errors: EINVAL; EALREADY if it was delivered
 * before, as all of one's own were; EBADMSG if a cause is a message of the caller's
 * that was never stamped.
 */
int mbox_vector_deliverable(const uint64_t *counts, size_t n, size_t self, size_t from,
			    const uint64_t *stamp);

/**
 * mbox_vector_deliver() - deliver this broadcast
 * @counts: vector
 * @n: processes in the group
 * @self: the caller's number
 * @from: the sender's number
 * @stamp: vector that came with the message
 *
 * Return: 0, and it counts as delivered. Errors: EAGAIN if a cause is missing;
 * those of mbox_vector_deliverable().
 */
int mbox_vector_deliver(uint64_t *counts, size_t n, size_t self, size_t from,
			const uint64_t *stamp);

/**
 * mbox_matrix_deliverable() - may this message to the caller be delivered now?
 * @counts: matrix
 * @n: processes in the group
 * @self: the caller's number
 * @from: the sender's number
 * @stamp: matrix that came with the message
 *
 * Return and errors: as mbox_vector_deliverable().
 */
int mbox_matrix_deliverable(const uint64_t *counts, size_t n, size_t self, size_t from,
			    const uint64_t *stamp);

/**
 * mbox_matrix_deliver() - deliver this message to the caller
 * @counts: matrix
 * @n: processes in the group
 * @self: the caller's number
 * @from: the sender's number
 * @stamp: matrix that came with the message
 *
 * Return and errors: as mbox_vector_deliver().
 */
int mbox_matrix_deliver(uint64_t *counts, size_t n, size_t self, size_t from,
			const uint64_t *stamp);

/* What @counts and the stamps of a hold-back buffer are. */
enum mbox_causal {
	MBOX_CAUSAL_BROADCAST,	/* vectors */
	MBOX_CAUSAL_TO_ONE,	/* matrices */
};

/**
 * struct mbox_held - a message that is held back; the library's
 * @message: the caller's
 * @stamp: what came with it
 * @from: the sender's number
 */
struct mbox_held {
	void *message;
	const uint64_t *stamp;
	size_t from;
};

/**
 * struct mbox_holdback - a hold-back buffer; the caller sets all but @held
 * @causal: broadcasts or messages to one
 * @counts: vector or matrix, as above; the caller stamps its messages with it
 * @n: processes in the group
 * @self: the caller's number
 * @slots: where messages are held back
 * @size: how many slots there are
 * @held: how many are in use, at first 0
 */
struct mbox_holdback {
	enum mbox_causal causal;
	uint64_t *counts;
	size_t n;
	size_t self;
	struct mbox_held *slots;
	size_t size;
	size_t held;
};

/**
 * mbox_holdback_receive() - deliver a message, or hold it back
 * @holdback: the buffer
 * @message: anything but NULL that tells the caller which message it is
 * @from: the sender's number
 * @stamp: what came with the message
 *
 * Return: 1, and the message counts as delivered: act on it, then on all of
 * mbox_holdback_next(). 0 if it is held back: @message and what @stamp points to
 * must stay as they are until mbox_holdback_next() returns it. Errors: EINVAL;
 * EBADMSG as mbox_vector_deliverable(); EALREADY if it was delivered or is held
 * back already; ENOBUFS if it must be held back and no slot is free.
 */
int mbox_holdback_receive(struct mbox_holdback *holdback, void *message, size_t from,
			  const uint64_t *stamp);

/**
 * mbox_holdback_next() - the next message whose causes have all been delivered
 * @holdback: the buffer
 *
 * Of several, the one that was received first.
 *
 * Return: the message, which counts as delivered and is no longer held back; NULL
 * if there is none.
 */
void *mbox_holdback_next(struct mbox_holdback *holdback);

/*
 * A stamp as bytes of a message: four letters that say what follows ("mbv1" or
 * "mbm1"), @n and the sender's number with 2 bytes each, and each entry with 8
 * bytes; the least significant byte first, on all machines.
 */

/* The largest @n: a matrix still has less than 1 GiB. */
#define MBOX_GROUP_MAX	8192

/* How many bytes a stamp takes. */
#define MBOX_VECTOR_SIZE(n)	(8 + 8 * (size_t)(n))
#define MBOX_MATRIX_SIZE(n)	(8 + 8 * (size_t)(n) * (size_t)(n))

/**
 * mbox_vector_encode() - write a stamp into a message
 * @stamp: vector
 * @n: processes in the group, 1 to MBOX_GROUP_MAX
 * @from: the sender's number
 * @buf: where it goes, however aligned
 * @size: size of @buf in bytes
 *
 * Return: how many bytes were written, MBOX_VECTOR_SIZE(@n). Errors: EINVAL;
 * EMSGSIZE if @size is less.
 */
ssize_t mbox_vector_encode(const uint64_t *stamp, size_t n, size_t from, void *buf,
			   size_t size);

/**
 * mbox_vector_decode() - read a stamp from a message
 * @stamp: vector; where it goes
 * @n: processes in the group, 1 to MBOX_GROUP_MAX
 * @from: where the sender's number goes, which is below @n
 * @buf: the message, or the part of it that begins with the stamp
 * @len: its length in bytes
 *
 * The sender may be another than it says: the envelope tells (mbox_recv()).
 *
 * Return: how many bytes were read, MBOX_VECTOR_SIZE(@n); what follows is not
 * looked at. Errors: EINVAL; EBADMSG if @buf is shorter or does not begin with a
 * vector of a group of @n processes, one of which is the sender.
 */
ssize_t mbox_vector_decode(uint64_t *stamp, size_t n, size_t *from, const void *buf,
			   size_t len);

/**
 * mbox_matrix_encode() - write a stamp into a message
 * @stamp: matrix
 * @n: processes in the group, 1 to MBOX_GROUP_MAX
 * @from: the sender's number
 * @buf: where it goes, however aligned
 * @size: size of @buf in bytes
 *
 * Return and errors: as mbox_vector_encode(), with MBOX_MATRIX_SIZE(@n).
 */
ssize_t mbox_matrix_encode(const uint64_t *stamp, size_t n, size_t from, void *buf,
			   size_t size);

/**
 * mbox_matrix_decode() - read a stamp from a message
 * @stamp: matrix; where it goes
 * @n: processes in the group, 1 to MBOX_GROUP_MAX
 * @from: where the sender's number goes, which is below @n
 * @buf: the message, or the part of it that begins with the stamp
 * @len: its length in bytes
 *
 * Return and errors: as mbox_vector_decode(), with MBOX_MATRIX_SIZE(@n).
 */
ssize_t mbox_matrix_decode(uint64_t *stamp, size_t n, size_t *from, const void *buf,
			   size_t len);

#ifdef __cplusplus
}
#endif

#endif /* MBOX_CLOCKS_H */
