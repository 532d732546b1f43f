// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What there is to know: about a mailbox, about all of them, about the kernel.
 *
 * The structures are the kernel's own and grow at their end. A library that
 * knows longer ones must not write them to a program that was compiled with
 * shorter ones, so each growth is a new symbol version, and the functions here
 * stay as LIBMBOX_0.1.
 */
#include <sys/ioctl.h>

#include "mbox.h"

int mbox_getstat(int fd, struct mbox_stat *stat)
{
	*stat = (struct mbox_stat) { 0 };
	return ioctl(fd, MBOX_IOC_STAT, stat);
}

int mbox_next(int fd, uint64_t id, struct mbox_stat *stat)
{
	*stat = (struct mbox_stat) { .flags = MBOX_STAT_NEXT, .id = id };
	return ioctl(fd, MBOX_IOC_STAT, stat);
}

int mbox_getinfo(int fd, struct mbox_info *info)
{
	*info = (struct mbox_info) { 0 };
	return ioctl(fd, MBOX_IOC_INFO, info);
}

int mbox_getusage(int fd, struct mbox_usage *usage)
{
	*usage = (struct mbox_usage) { 0 };
	return ioctl(fd, MBOX_IOC_USAGE, usage);
}

int mbox_getusage_of(int fd, uid_t uid, struct mbox_usage *usage)
{
	*usage = (struct mbox_usage) { .flags = MBOX_USAGE_UID, .uid = uid };
	return ioctl(fd, MBOX_IOC_USAGE, usage);
}
