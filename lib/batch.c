// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Several messages in one system call. The items are the kernel's structures; what
 * is said in stat.c of their growth holds here as well.
 */
#include <sys/ioctl.h>

#include "internal.h"

static int carry_out(int fd, unsigned long command, struct mbox_batch *batch, int flags,
		     int *error)
{
	if (flags & ~MBOX_WAIT_ONE)
		return invalid();
	if (flags & MBOX_WAIT_ONE)
		batch->flags |= MBOX_BATCH_WAIT_ONE;
	if (ioctl(fd, command, batch))
		return -1;
	if (error)
		*error = -batch->error;
	return batch->done;
}

int mbox_send_many(int fd, struct mbox_send *items, unsigned int nr, int flags, int *error)
{
	struct mbox_batch batch = {
		.items = (uintptr_t)items,
		.nr = nr,
		.size = sizeof(*items),
	};

	return carry_out(fd, MBOX_IOC_SEND_BATCH, &batch, flags, error);
}

int mbox_recv_many(int fd, struct mbox_recv *items, unsigned int nr, int flags, int *error)
{
	struct mbox_batch batch = {
		.items = (uintptr_t)items,
		.nr = nr,
		.size = sizeof(*items),
	};

	return carry_out(fd, MBOX_IOC_RECV_BATCH, &batch, flags, error);
}
