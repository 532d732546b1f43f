// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages from process to process, without a mailbox in between that a program
 * would have to know.
 */
#include "internal.h"

int mbox_send_to(int fd, uint64_t process, const void *buf, size_t len,
		 const struct mbox_send_options *options)
{
	struct mbox_send_options direct = { 0 };

	if (options)
		direct = *options;
	if (direct.process)
		return invalid();
	direct.process = process;
	direct.flags |= MBOX_DIRECT;
	return mbox_send_with(fd, buf, len, &direct);
}

ssize_t mbox_recv_from(int fd, uint64_t process, void *buf, size_t size,
		       struct mbox_envelope *envelope,
		       const struct mbox_recv_options *options)
{
	struct mbox_recv_options direct = { 0 };

	if (options)
		direct = *options;
	if (direct.match || direct.flags & MBOX_MATCH)
		return invalid();
	direct.flags |= MBOX_DIRECT;
	/* A pidfd may be 0. */
	if (process || direct.flags & MBOX_PIDFD) {
		direct.flags |= MBOX_MATCH;
		direct.match = process;
	}
	return mbox_recv_with(fd, buf, size, envelope, &direct);
}
