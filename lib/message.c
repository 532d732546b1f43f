// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages in and out, and the times that bound the wait and their life.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "mbox.h"

#define NSEC_PER_SEC	UINT64_C(1000000000)

/*
 * The kernel counts in nanoseconds and takes what its clock cannot reach for
 * "never", so the largest number stands for every later time; everything
 * before the clock's zero has passed.
 */
static uint64_t to_ns(const struct timespec *time)
{
	if (time->tv_sec < 0)
		return 0;
	if ((uint64_t)time->tv_sec >= UINT64_MAX / NSEC_PER_SEC)
		return UINT64_MAX;
	return time->tv_sec * NSEC_PER_SEC + time->tv_nsec;
}

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

/* A time counts only with its flag; NULL is none. */
static int set_time(__u64 *ns, const struct timespec *time, __u64 *flags, uint64_t flag)
{
	if (!time)
		return 0;
	if (time->tv_nsec < 0 || time->tv_nsec > 999999999)
		return invalid();
	*ns = to_ns(time);
	*flags |= flag;
	return 0;
}

static bool is_zero(const uint64_t *reserved, size_t count)
{
	while (count--)
		if (reserved[count])
			return false;
	return true;
}

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

int mbox_send_with(int fd, const void *buf, size_t len,
		   const struct mbox_send_options *options)
{
	static const struct mbox_send_options defaults;
	struct mbox_send send = { .buf = (uintptr_t)buf, .len = len };

	if (!options)
		options = &defaults;
	if (options->flags & ~(MBOX_NONBLOCK | MBOX_SYNC) ||
	    !is_zero(options->reserved, COUNT(options->reserved)))
		return invalid();
	send.prio = options->prio;
	send.tag = options->tag;
	if (options->offer) {
		send.offer = options->offer;
		send.flags |= MBOX_SEND_OFFER;
	}
	if (options->flags & MBOX_NONBLOCK)
		send.flags |= MBOX_SEND_NONBLOCK;
	if (options->flags & MBOX_SYNC)
		send.flags |= MBOX_SEND_SYNC;
	if (set_time(&send.deadline, options->deadline, &send.flags, MBOX_SEND_TIMEOUT) ||
	    set_time(&send.expires, options->expires, &send.flags, MBOX_SEND_EXPIRES))
		return -1;
	if (ioctl(fd, MBOX_IOC_SEND, &send))
		return -1;
	if (options->receiver)
		*options->receiver = send.receiver;
	return 0;
}

int mbox_send(int fd, const void *buf, size_t len, unsigned int prio, int flags,
	      const struct timespec *deadline)
{
	const struct mbox_send_options options = {
		.flags = flags,
		.prio = prio,
		.deadline = deadline,
	};

	return mbox_send_with(fd, buf, len, &options);
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
		.tag = recv->tag,
		.from = recv->from,
		.owned = recv->owned,
	};
}

static uint64_t recv_flags(int flags)
{
	return (flags & MBOX_NONBLOCK ? MBOX_RECV_NONBLOCK : 0) |
	       (flags & MBOX_TRUNCATE ? MBOX_RECV_TRUNCATE : 0) |
	       (flags & MBOX_PEEK ? MBOX_RECV_PEEK : 0) |
	       (flags & MBOX_LEAST ? MBOX_RECV_LEAST : 0) |
	       (flags & MBOX_MATCH ? MBOX_RECV_MATCH : 0) |
	       (flags & MBOX_ACCEPT ? MBOX_RECV_ACCEPT : 0);
}

/* The rest of a receive, once what is particular to it is in @recv. */
static ssize_t receive(int fd, struct mbox_recv *recv, struct mbox_envelope *envelope,
		       int flags, const struct timespec *deadline)
{
	recv->flags |= recv_flags(flags);
	if (set_time(&recv->deadline, deadline, &recv->flags, MBOX_RECV_TIMEOUT))
		return -1;
	if (ioctl(fd, MBOX_IOC_RECV, recv)) {
		if (errno == EMSGSIZE && envelope) {
			envelope->len = recv->len;
			envelope->from = recv->from;
		}
		return -1;
	}
	if (envelope)
		fill_envelope(envelope, recv);
	return recv->len < recv->size ? recv->len : recv->size;
}

#define CHOICE_FLAGS	(MBOX_NONBLOCK | MBOX_TRUNCATE | MBOX_LEAST | MBOX_ACCEPT)
#define SIMPLE_FLAGS	(CHOICE_FLAGS | MBOX_PEEK)

ssize_t mbox_recv_with(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		       const struct mbox_recv_options *options)
{
	static const struct mbox_recv_options defaults;
	struct mbox_recv recv = { .buf = (uintptr_t)buf, .size = size };

	if (!options)
		options = &defaults;
	if (options->flags & ~(SIMPLE_FLAGS | MBOX_MATCH) ||
	    !is_zero(options->reserved, COUNT(options->reserved)))
		return invalid();
	recv.match = options->match;
	recv.nth = options->nth;
	return receive(fd, &recv, envelope, options->flags, options->deadline);
}

ssize_t mbox_recv(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		  int flags, const struct timespec *deadline)
{
	struct mbox_recv recv = { .buf = (uintptr_t)buf, .size = size };

	if (flags & ~SIMPLE_FLAGS)
		return invalid();
	return receive(fd, &recv, envelope, flags, deadline);
}

ssize_t mbox_choose(int fd, const uint64_t *ids, unsigned int nr, void *buf, size_t size,
		    struct mbox_envelope *envelope, int flags,
		    const struct timespec *deadline)
{
	struct mbox_recv recv = {
		.flags = MBOX_RECV_CHOICE,
		.buf = (uintptr_t)buf,
		.size = size,
		.ids = (uintptr_t)ids,
		.nr_ids = nr,
	};

	if (flags & ~CHOICE_FLAGS)
		return invalid();
	return receive(fd, &recv, envelope, flags, deadline);
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
