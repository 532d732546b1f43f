/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * observer: who starts the processes with skewed clocks, is told of every
 * adjustment, and so knows what each clock showed at each true time.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include <stdbool.h>
#include "skew.h"

#define MAX_ROUNDS	16

struct history {
	int count;
	struct adjustment adjustments[1 + MAX_ROUNDS];	/* 0: the clock at first */
};

extern struct history histories[MAX_PROCESSES];

struct distance {
	double apart;
	double allowed;
};

void start(int number, double offset, double drift, void (*be_what)(void));
/* Wait for that many adjustments; then look at the clocks until that true time. */
void observe(int adjustments, double until);
/* When a clock is adjusted or has settled: the first such time after @t, or -1. */
double next_break(double t);
double reading_of(int number, double t);
/* Greatest difference between the first so many clocks. */
double apart(int processes, double t);
/* A promise was kept, or the exit code will be 1. */
void promise(bool kept, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It was slewed and never set; and if @settles, it had settled before the next time. */
void check_clock(int number, bool settles);
/*
 * Two clocks that were off by e1 and e2 when they were adjusted, t ago, differ by
 * e1 + e2 + 2 * RHO * t at most. Return: how it was when they differed most.
 */
struct distance check_pair(int number, int other);
/* Return: the exit code. */
int finish(void);

#endif /* OBSERVER_H */
