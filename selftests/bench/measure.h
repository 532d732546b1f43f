/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How all programs here measure. In a guest that was started to count (selftests/vm/vm
 * says so by counting=yes), the time stamp counter counts the instructions executed, and
 * is read directly; elsewhere time passes in nanoseconds.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

extern bool measure_counts;	/* instructions, not nanoseconds */

/*
 * Before anything is measured. What counts has real-time priority, and its children have
 * it: who is woken waits for its turn, and nobody is made to pause.
 */
void measure_begin(void);

/* These put the numbers in order. The p-th of n is one of them, by nearest rank. */
double measure_median(double *numbers, size_t nr);
double measure_percentile(double *numbers, size_t nr, unsigned int percent);
double measure_mean(const double *numbers, size_t nr);

/* Write a number to a file of /proc or /sys. */
void measure_set(const char *path, const char *value);

static inline uint64_t measure_now(void)
{
	struct timespec time;

	if (measure_counts)
		return __rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * UINT64_C(1000000000) + time.tv_nsec;
}

#endif /* MEASURE_H */
