// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages in and out, and the times that bound the wait and their life.
 */
#include <sys/ioctl.h>

#include "internal.h"

int mbox_send_with(int fd, const void *buf, size_t len,
		   const struct mbox_send_options *options)
{
	static const struct mbox_send_options defaults;
	struct mbox_send send = { .buf = (uintptr_t)buf, .len = len };

	if (!options)
		options = &defaults;
	if (options->flags & ~(MBOX_NONBLOCK | MBOX_SYNC | MBOX_SHARED | DIRECT_FLAGS) ||
	    !is_zero(options->reserved, sizeof(options->reserved)))
		return invalid();
	send.prio = options->prio;
	send.tag = options->tag;
	send.files = (uintptr_t)options->files;
	send.nr_files = options->nr_files;
	if (options->offer) {
		send.offer = options->offer;
		send.flags |= MBOX_SEND_OFFER;
	}
	if (options->flags & MBOX_NONBLOCK)
		send.flags |= MBOX_SEND_NONBLOCK;
	if (options->flags & MBOX_SYNC)
		send.flags |= MBOX_SEND_SYNC;
	if (options->flags & MBOX_SHARED)
		send.flags |= MBOX_SEND_SHARED;
	if (options->stamp)
		send.flags |= MBOX_SEND_STAMP;
	if (set_process(&send.id, options->process, options->flags, &send.flags) ||
	    set_time(&send.deadline, options->deadline, &send.flags, MBOX_SEND_TIMEOUT) ||
	    set_time(&send.expires, options->expires, &send.flags, MBOX_SEND_EXPIRES))
		return -1;
	if (ioctl(fd, MBOX_IOC_SEND, &send))
		return -1;
	if (options->receiver)
		*options->receiver = send.receiver;
	if (options->stamp)
		*options->stamp = send.stamp;
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

	if (flags & ~(MBOX_NONBLOCK | MBOX_SYNC))
		return invalid();
	return mbox_send_with(fd, buf, len, &options);
}

void mbox_internal_envelope(struct mbox_envelope *envelope, const struct mbox_recv *recv,
			    int error)
{
	if (!envelope)
		return;
	if (error) {
		if (error != EMSGSIZE)
			return;
		envelope->len = recv->len;
		envelope->from = recv->from;
		envelope->nr_files = recv->nr_files;
		return;
	}
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
		.stamp = recv->stamp,
		.clock = recv->clock,
		.time = recv->time,
		.realtime = recv->realtime,
		.sender = recv->sender,
		.token = recv->token,
		.tid = recv->tid,
		.got = recv->got,
		.nr_files = recv->nr_files,
	};
}

static uint64_t recv_flags(int flags)
{
	return (flags & MBOX_NONBLOCK ? MBOX_RECV_NONBLOCK : 0) |
	       (flags & MBOX_TRUNCATE ? MBOX_RECV_TRUNCATE : 0) |
	       (flags & MBOX_PEEK ? MBOX_RECV_PEEK : 0) |
	       (flags & MBOX_LEAST ? MBOX_RECV_LEAST : 0) |
	       (flags & MBOX_MATCH ? MBOX_RECV_MATCH : 0) |
	       (flags & MBOX_ACCEPT ? MBOX_RECV_ACCEPT : 0) |
	       (flags & MBOX_TOKEN ? MBOX_RECV_TOKEN : 0) |
	       (flags & MBOX_DIRECT ? MBOX_RECV_DIRECT : 0) |
	       (flags & MBOX_PIDFD ? MBOX_RECV_PIDFD : 0) |
	       (flags & MBOX_PARTICIPANT ? MBOX_RECV_PARTICIPANT : 0);
}

#define CHOICE_FLAGS	(MBOX_NONBLOCK | MBOX_TRUNCATE | MBOX_LEAST | MBOX_ACCEPT | MBOX_TOKEN)
#define SIMPLE_FLAGS	(CHOICE_FLAGS | MBOX_PEEK)

int mbox_internal_receive(int fd, struct mbox_recv *recv,
			  const struct mbox_recv_options *options)
{
	if (options->flags & ~(SIMPLE_FLAGS | MBOX_MATCH | DIRECT_FLAGS) ||
	    !is_zero(options->reserved, sizeof(options->reserved)))
		return invalid();
	recv->flags |= recv_flags(options->flags);
	recv->match = options->match;
	recv->nth = options->nth;
	recv->nr_files = options->nr_files;
	if (options->files) {
		recv->files = (uintptr_t)options->files;
		recv->flags |= MBOX_RECV_FILES;
	}
	if (set_time(&recv->deadline, options->deadline, &recv->flags, MBOX_RECV_TIMEOUT))
		return -1;
	return ioctl(fd, MBOX_IOC_RECV, recv);
}

static ssize_t receive(int fd, struct mbox_recv *recv, struct mbox_envelope *envelope,
		       const struct mbox_recv_options *options)
{
	if (mbox_internal_receive(fd, recv, options)) {
		mbox_internal_envelope(envelope, recv, errno);
		return -1;
	}
	mbox_internal_envelope(envelope, recv, 0);
	return received(recv);
}

ssize_t mbox_recv_with(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		       const struct mbox_recv_options *options)
{
	static const struct mbox_recv_options defaults;
	struct mbox_recv recv = { .buf = (uintptr_t)buf, .size = size };

	return receive(fd, &recv, envelope, options ? options : &defaults);
}

ssize_t mbox_recv(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		  int flags, const struct timespec *deadline)
{
	const struct mbox_recv_options options = { .flags = flags, .deadline = deadline };
	struct mbox_recv recv = { .buf = (uintptr_t)buf, .size = size };

	if (flags & ~SIMPLE_FLAGS)
		return invalid();
	return receive(fd, &recv, envelope, &options);
}

ssize_t mbox_choose(int fd, const uint64_t *ids, unsigned int nr, void *buf, size_t size,
		    struct mbox_envelope *envelope, int flags,
		    const struct timespec *deadline)
{
	const struct mbox_recv_options options = { .flags = flags, .deadline = deadline };
	struct mbox_recv recv = {
		.flags = MBOX_RECV_CHOICE,
		.buf = (uintptr_t)buf,
		.size = size,
		.ids = (uintptr_t)ids,
		.nr_ids = nr,
	};

	if (flags & ~CHOICE_FLAGS)
		return invalid();
	return receive(fd, &recv, envelope, &options);
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
