// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages in and out, and the deadlines that bound the wait.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "mbox.h"

#define NSEC_PER_SEC	UINT64_C(1000000000)

/*
 * The kernel counts in nanoseconds and takes what its clock cannot reach for
 * "never", so the largest number stands for every later time; everything
 * before the clock's zero has passed.
 */
static int to_ns(__u64 *ns, const struct timespec *deadline)
{
	if (deadline->tv_nsec < 0 || deadline->tv_nsec > 999999999) {
		errno = EINVAL;
		return -1;
	}
	if (deadline->tv_sec < 0)
		*ns = 0;
	else if ((uint64_t)deadline->tv_sec >= UINT64_MAX / NSEC_PER_SEC)
		*ns = UINT64_MAX;
	else
		*ns = deadline->tv_sec * NSEC_PER_SEC + deadline->tv_nsec;
	return 0;
}

int mbox_send(int fd, const void *buf, size_t len, unsigned int prio, int flags,
	      const struct timespec *deadline)
{
	struct mbox_send send = {
		.buf = (uintptr_t)buf,
		.len = len,
		.prio = prio,
	};

	if (flags & ~MBOX_NONBLOCK) {
		errno = EINVAL;
		return -1;
	}
	if (flags & MBOX_NONBLOCK)
		send.flags |= MBOX_SEND_NONBLOCK;
	if (deadline) {
		if (to_ns(&send.deadline, deadline))
			return -1;
		send.flags |= MBOX_SEND_TIMEOUT;
	}
	return ioctl(fd, MBOX_IOC_SEND, &send);
}

static void fill_envelope(struct mbox_envelope *envelope,
			  const struct mbox_recv *recv)
{
	*envelope = (struct mbox_envelope) {
		.len = recv->len,
		.seq = recv->seq,
		.prio = recv->prio,
		.pid = recv->pid,
		.uid = recv->uid,
		.gid = recv->gid,
	};
}

ssize_t mbox_recv(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		  int flags, const struct timespec *deadline)
{
	struct mbox_recv recv = {
		.buf = (uintptr_t)buf,
		.size = size,
	};

	if (flags & ~(MBOX_NONBLOCK | MBOX_TRUNCATE)) {
		errno = EINVAL;
		return -1;
	}
	if (flags & MBOX_NONBLOCK)
		recv.flags |= MBOX_RECV_NONBLOCK;
	if (flags & MBOX_TRUNCATE)
		recv.flags |= MBOX_RECV_TRUNCATE;
	if (deadline) {
		if (to_ns(&recv.deadline, deadline))
			return -1;
		recv.flags |= MBOX_RECV_TIMEOUT;
	}
	if (ioctl(fd, MBOX_IOC_RECV, &recv)) {
		if (errno == EMSGSIZE && envelope)
			envelope->len = recv.len;
		return -1;
	}
	if (envelope)
		fill_envelope(envelope, &recv);
	return recv.len < size ? recv.len : size;
}

struct timespec *mbox_deadline(struct timespec *deadline, uint64_t nanoseconds)
{
	uint64_t seconds = nanoseconds / NSEC_PER_SEC;

	clock_gettime(CLOCK_MONOTONIC, deadline);

	deadline->tv_nsec += nanoseconds % NSEC_PER_SEC;
	if (deadline->tv_nsec > 999999999) {
		deadline->tv_nsec -= NSEC_PER_SEC;
		seconds++;
	}
	/* A time_t of 32 bits ends long before a uint64_t of nanoseconds. */
	if (__builtin_add_overflow(deadline->tv_sec, seconds, &deadline->tv_sec))
		deadline->tv_sec = (UINT64_C(1) << (8 * sizeof(time_t) - 1)) - 1;
	return deadline;
}
