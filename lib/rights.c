// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who owns a mailbox, and who may do what with it.
 */
#include <sys/ioctl.h>

#include "internal.h"

static int pass_on(int fd, unsigned long command, pid_t pid, int flags)
{
	struct mbox_transfer request = { .pid = pid };

	if (flags & ~(MBOX_KEEP | MBOX_PIDFD))
		return invalid();
	if (flags & MBOX_KEEP)
		request.flags |= MBOX_TRANSFER_KEEP;
	if (flags & MBOX_PIDFD)
		request.flags |= MBOX_TRANSFER_PIDFD;
	return ioctl(fd, command, &request);
}

int mbox_transfer(int fd, pid_t pid, int flags)
{
	return pass_on(fd, MBOX_IOC_TRANSFER, pid, flags);
}

int mbox_offer(int fd, pid_t pid, int flags)
{
	return pass_on(fd, MBOX_IOC_OFFER, pid, flags);
}

int mbox_accept(int fd)
{
	struct mbox_take request = { 0 };

	return ioctl(fd, MBOX_IOC_ACCEPT, &request);
}

int mbox_claim(int fd)
{
	struct mbox_take request = { 0 };

	return ioctl(fd, MBOX_IOC_CLAIM, &request);
}

static int change_grant(int fd, unsigned long command, pid_t pid, unsigned int rights,
			int flags)
{
	struct mbox_grant request = { .pid = pid, .rights = rights };

	if (flags & ~MBOX_PIDFD)
		return invalid();
	if (flags & MBOX_PIDFD)
		request.flags |= MBOX_GRANT_PIDFD;
	return ioctl(fd, command, &request);
}

int mbox_grant(int fd, pid_t pid, unsigned int rights, int flags)
{
	return change_grant(fd, MBOX_IOC_GRANT, pid, rights, flags);
}

int mbox_revoke(int fd, pid_t pid, unsigned int rights, int flags)
{
	return change_grant(fd, MBOX_IOC_REVOKE, pid, rights, flags);
}

int mbox_grants(int fd, struct mbox_granted *grants, unsigned int nr)
{
	struct mbox_grants request = { .grants = (uintptr_t)grants, .nr = nr };

	return ioctl(fd, MBOX_IOC_GRANTS, &request) ? -1 : (int)request.nr;
}

int mbox_chmod(int fd, mode_t mode)
{
	struct mbox_change request = { .flags = MBOX_CHANGE_MODE, .mode = mode };

	return ioctl(fd, MBOX_IOC_CHANGE, &request);
}

int mbox_chown(int fd, uid_t uid, gid_t gid)
{
	struct mbox_change request = { 0 };

	if (uid != (uid_t)-1) {
		request.flags |= MBOX_CHANGE_UID;
		request.uid = uid;
	}
	if (gid != (gid_t)-1) {
		request.flags |= MBOX_CHANGE_GID;
		request.gid = gid;
	}
	return ioctl(fd, MBOX_IOC_CHANGE, &request);
}
