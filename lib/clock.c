// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The logical clock that the kernel keeps for each process. Those that a program
 * keeps for itself are in clocks.c.
 */
#include <sys/ioctl.h>

#include "internal.h"

int mbox_tick(int fd, uint64_t *stamp)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };

	if (ioctl(fd, MBOX_IOC_CLOCK, &clock))
		return -1;
	if (stamp)
		*stamp = clock.stamp;
	return 0;
}

int mbox_getclock(int fd, struct mbox_clock *clock)
{
	*clock = (struct mbox_clock) { 0 };
	return ioctl(fd, MBOX_IOC_CLOCK, clock);
}
