/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock.h - logical clocks (Lamport, Time, Clocks, and the Ordering of Events in a
 * Distributed System, 1978): each participant's is a number that grows with its
 * events. No lock: threads of one process may send and receive at once, and each
 * event gets a number of its own.
 */
#ifndef MBOX_CLOCK_H
#define MBOX_CLOCK_H

#include <linux/atomic.h>
#include <linux/minmax.h>

/* An event: its stamp. */
static inline u64 mbox_clock_tick(atomic64_t *clock)
{
	return atomic64_inc_return(clock);
}

/* The event of learning of another one with @stamp: it is later than that. */
static inline u64 mbox_clock_merge(atomic64_t *clock, u64 stamp)
{
	s64 old = atomic64_read(clock), new;

	do {
		new = max_t(u64, old, stamp) + 1;
	} while (!atomic64_try_cmpxchg(clock, &old, new));
	return new;
}

#endif /* MBOX_CLOCK_H */
