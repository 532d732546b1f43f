// SPDX-License-Identifier: GPL-2.0-or-later
/* How to measure: see measure.h. */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "measure.h"

bool measure_counts;

void measure_set(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(value, file) < 0 || fclose(file))
		err(1, "cannot write %s to %s", value, path);
}

static void go_first(void)
{
	struct sched_param param = { .sched_priority = 1 };

	measure_set("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "cannot have real-time priority");
}

void measure_begin(void)
{
	const char *counting = getenv("counting");

	measure_counts = counting && !strcmp(counting, "yes");
	if (measure_counts)
		go_first();
	if (mlockall(MCL_CURRENT))
		err(1, "cannot lock memory");
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double measure_percentile(double *numbers, size_t nr, unsigned int percent)
{
	qsort(numbers, nr, sizeof(*numbers), by_number);
	return numbers[(nr * percent + 99) / 100 - 1];
}

double measure_median(double *numbers, size_t nr)
{
	return measure_percentile(numbers, nr, 50);
}

double measure_mean(const double *numbers, size_t nr)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		sum += numbers[i];
	return sum / nr;
}
