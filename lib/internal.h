/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the library share. */
#ifndef LIBMBOX_INTERNAL_H
#define LIBMBOX_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mbox.h"

#define NSEC_PER_SEC	UINT64_C(1000000000)

static inline int fail(int error)
{
	errno = error;
	return -1;
}

static inline int invalid(void)
{
	return fail(EINVAL);
}

/*
 * close() may change errno, and the caller is to hear what it was about. A thread that were
 * cancelled in it would leave the descriptor open.
 */
static inline void close_quietly(int fd)
{
	int error = errno, state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	close(fd);
	pthread_setcancelstate(state, &state);
	errno = error;
}

/* What is reserved has up to 64 bytes. */
static inline bool is_zero(const void *reserved, size_t size)
{
	static const uint64_t zero[8];

	return !memcmp(reserved, zero, size);
}

/*
 * The kernel counts in nanoseconds and takes what its clock cannot reach for
 * "never", so the largest number stands for every later time; everything
 * before the clock's zero has passed.
 */
static inline uint64_t to_ns(const struct timespec *time)
{
	if (time->tv_sec < 0)
		return 0;
	if ((uint64_t)time->tv_sec >= UINT64_MAX / NSEC_PER_SEC)
		return UINT64_MAX;
	return time->tv_sec * NSEC_PER_SEC + time->tv_nsec;
}

/* A time counts only with its flag; NULL is none. */
static inline int set_time(__u64 *ns, const struct timespec *time, __u64 *flags, uint64_t flag)
{
	if (!time)
		return 0;
	if (time->tv_nsec < 0 || time->tv_nsec > 999999999)
		return invalid();
	*ns = to_ns(time);
	*flags |= flag;
	return 0;
}

#define DIRECT_FLAGS	(MBOX_DIRECT | MBOX_PIDFD | MBOX_PARTICIPANT)

_Static_assert(MBOX_CALL_PID == MBOX_SEND_PID && MBOX_CALL_PIDFD == MBOX_SEND_PIDFD &&
	       MBOX_CALL_PARTICIPANT == MBOX_SEND_PARTICIPANT, "bits differ");

/* Which process a send or a call is to, if it is to one. */
static inline int set_process(__u64 *id, uint64_t process, int how, __u64 *flags)
{
	if (!(how & MBOX_DIRECT))
		return process || how & (MBOX_PIDFD | MBOX_PARTICIPANT) ? invalid() : 0;
	*id = process;
	switch (how & (MBOX_PIDFD | MBOX_PARTICIPANT)) {
	case 0:
		*flags |= MBOX_SEND_PID;
		return 0;
	case MBOX_PIDFD:
		*flags |= MBOX_SEND_PIDFD;
		return 0;
	case MBOX_PARTICIPANT:
		*flags |= MBOX_SEND_PARTICIPANT;
		return 0;
	default:
		return invalid();
	}
}

/* Receive as @options say, once what is particular to the receive is in @recv. */
__attribute__((visibility("hidden")))
int mbox_internal_receive(int fd, struct mbox_recv *recv,
			  const struct mbox_recv_options *options);

/* What a receive that succeeded, or failed with @error, tells. */
__attribute__((visibility("hidden")))
void mbox_internal_envelope(struct mbox_envelope *envelope, const struct mbox_recv *recv,
			    int error);

static inline ssize_t received(const struct mbox_recv *recv)
{
	return recv->len < recv->size ? recv->len : recv->size;
}

#endif /* LIBMBOX_INTERNAL_H */
