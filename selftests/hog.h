/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that keeps one processor for itself: what is to be done there, by the kernel
 * or by a process that was woken, is not done meanwhile. So what mostly comes first can be
 * made to come last. The kernel limits that to about a second, and where there is but one
 * processor it does not happen; so nothing may depend on it but how likely something is.
 */
#ifndef HOG_H
#define HOG_H

#include "mbox_selftest.h"

static inline int last_processor(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

/* From now on the calling thread, and what it begins, runs there only. */
static inline void stay_on(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	NEED(!sched_setaffinity(0, sizeof(set), &set));
}

/* Before that it does @first there, if that is not NULL. To be ended by end_hog(). */
static inline pid_t spawn_hog(uint32_t *over, void (*first)(void *data), void *data)
{
	struct sched_param param = { .sched_priority = 1 };
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child;

	tell(over, false);
	child = spawn();
	if (!child) {
		stay_on(last_processor());
		NEED(!sched_setscheduler(0, SCHED_FIFO, &param));
		if (first)
			first(data);
		tell(ready, true);
		while (last_processor() && !told(over))
			;
		_exit(0);
	}
	WAIT_UNTIL(told(ready));
	return child;
}

static inline void end_hog(pid_t hog, uint32_t *over)
{
	tell(over, true);
	NEED(!join(hog));
}

#endif /* HOG_H */
