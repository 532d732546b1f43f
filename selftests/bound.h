/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every message through a descriptor that is bound to its mailbox: a test that includes
 * this before all else, and then another one, is that test by the short way of messages
 * and calls, as far as they may go it.
 */
#ifndef BOUND_H
#define BOUND_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/mbox.h>

#define BOUND

/* Descriptors, each for what would go through one of those flags to a mailbox by its id. */
static struct bound {
	uint64_t id;
	int flags, fd;
} bound[8];
static unsigned int nr_bound;
static pthread_mutex_t bound_lock = PTHREAD_MUTEX_INITIALIZER;

static inline int bind_flags(uint64_t id, int flags)
{
	struct mbox_open arg = { .id = id };
	int fd = open("/dev/mbox", flags | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, MBOX_IOC_OPEN, &arg)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* -1 if there is none: it is gone, or there are too many of them. */
static inline int find_bound(uint64_t id, int flags)
{
	struct bound *at = bound;
	int fd = -1;

	pthread_mutex_lock(&bound_lock);
	while (at < bound + nr_bound && (at->id != id || at->flags != flags))
		at++;
	if (at < bound + nr_bound) {
		fd = at->fd;
	} else if (nr_bound < sizeof(bound) / sizeof(*bound)) {
		fd = bind_flags(id, flags);
		if (fd >= 0)
			bound[nr_bound++] = (struct bound){ .id = id, .flags = flags, .fd = fd };
	}
	pthread_mutex_unlock(&bound_lock);
	return fd;
}

/* What these structures begin with; false if it cannot be read, or written. */
static inline bool copy_head(void *argument, uint64_t head[2], bool write)
{
	struct iovec ours = { .iov_base = head, .iov_len = 2 * sizeof(*head) };
	struct iovec theirs = { .iov_base = argument, .iov_len = 2 * sizeof(*head) };
	ssize_t done = write ? process_vm_writev(getpid(), &ours, 1, &theirs, 1, 0) :
			       process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0);

	return done == 2 * sizeof(*head);
}

_Static_assert(offsetof(struct mbox_send, id) == 8 && offsetof(struct mbox_recv, id) == 8 &&
	       offsetof(struct mbox_call, id) == 8, "they begin alike");

/* Flags by which it is not the id of a mailbox: of the same numbers in all of them. */
#define NO_MAILBOX	(MBOX_SEND_PID | MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT)

static inline bool is_for_mailbox(unsigned long command, const uint64_t head[2])
{
	return head[1] && (command == MBOX_IOC_RECV || !(head[0] & NO_MAILBOX));
}

static inline int ioctl_bound(int fd, unsigned long command, void *argument)
{
	uint64_t head[2], without[2] = { };
	int other, result;

	if (command != MBOX_IOC_SEND && command != MBOX_IOC_RECV && command != MBOX_IOC_CALL)
		return ioctl(fd, command, argument);
	if (!copy_head(argument, head, false) || !is_for_mailbox(command, head))
		return ioctl(fd, command, argument);
	other = find_bound(head[1], fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	without[0] = head[0];
	if (other < 0 || !copy_head(argument, without, true))
		return ioctl(fd, command, argument);
	result = ioctl(other, command, argument);
	copy_head(argument, head, true);
	return result;
}

#endif /* BOUND_H */
