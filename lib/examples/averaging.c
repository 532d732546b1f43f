// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * averaging: clocks agree without a coordinator. When an interval begins by its own
 * clock, each process tells all others its time. Of the values that it has then, it
 * drops the highest and the lowest, as many as there may be liars, and takes the mean
 * of the rest (averaging algorithm, Tanenbaum, Distributed Operating Systems, 1995).
 * Here one lies, and not to all the same.
 *
 * Of N values of which F are lies, two correct processes may have different ones: the
 * means of the rest differ by F / (N - 2 * F) of what the correct ones do, and
 * no more (Dolev, Lynch, Pinter, Stark and Weihl, Reaching approximate agreement in
 * the presence of faults, 1986). So clocks come nearer each other in each interval
 * if N > 3 * F (Lundelius and Lynch, A new fault-tolerant algorithm for clock
 * synchronization, 1988).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "observer.h"

#define ROUNDS		6
#define INTERVAL	1000.0	/* by each process's clock */
#define WINDOW		100.0	/* after which all messages are there, likewise */
#define LIE		400.0

#define PROCESSES	5
#define LIARS		1
#define CORRECT		(PROCESSES - LIARS)	/* the first ones */
#define RATIO		((double)LIARS / (PROCESSES - 2 * LIARS))

/*
 * What a value is off by at most when the window ends: as the message arrived, and
 * by drift since. Clocks begin less than the window apart.
 */
#define ERROR		((MAX_DELAY - MIN_DELAY) / 2 + RHO * (MAX_DELAY + MIN_DELAY) / 2 + \
			 2 * RHO * WINDOW / (1 - RHO))

static const struct {
	double offset, drift;
} clocks[PROCESSES] = {
	{ 0, 0 }, { 25, RHO }, { -35, -RHO }, { 20, RHO },
	{ 0, RHO },	/* the liar */
};

static void tell_all(unsigned int round)
{
	struct message message = { .round = round };
	int i;

	for (i = 0; i < PROCESSES; i++) {
		if (i == me.number)
			continue;
		message.time = my_time();
		if (me.number >= CORRECT)
			message.time += i % 2 ? LIE : -LIE;
		send_to(i, &message, 0);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double mean_of_the_middle(double values[PROCESSES])
{
	double sum = 0;
	int i;

	qsort(values, PROCESSES, sizeof(values[0]), by_value);
	for (i = LIARS; i < PROCESSES - LIARS; i++)
		sum += values[i];
	return sum / (PROCESSES - 2 * LIARS);
}

/* What each clock is ahead of mine; mine by 0. */
static void hear_all(unsigned int round, double values[PROCESSES])
{
	struct message message;
	int i;

	values[0] = 0;
	for (i = 1; i < PROCESSES; i++) {
		receive_of_round(&message, round);
		values[i] = estimate_from_message(message.time).ahead;
	}
}

static void be_process(void)
{
	double values[PROCESSES];
	unsigned int round;

	for (round = 1; round <= ROUNDS; round++) {
		wait_until(round * INTERVAL);
		tell_all(round);
		hear_all(round, values);
		wait_until(round * INTERVAL + WINDOW);
		if (me.number < CORRECT)
			adjust(mean_of_the_middle(values), ERROR);
	}
}

/* When the first of the correct clocks is adjusted, and when the last has settled. */
static double first_adjusts(int round)
{
	double first = INFINITY;
	int i;

	for (i = 0; i < CORRECT; i++)
		first = lesser(first, histories[i].adjustments[round].at);
	return first;
}

static double last_settles(int round)
{
	double last = 0;
	int i;

	for (i = 0; i < CORRECT; i++)
		last = greater(last, clock_settles(&histories[i].adjustments[round].clock));
	return last;
}

/*
 * Until all have settled, some clocks are as they were and some aim at a mean; from
 * then on, all show means.
 */
static void report(int round, double end)
{
	double begin = first_adjusts(round), settled = last_settles(round);
	double before = apart(CORRECT, begin);
	double after = RATIO * before + 2 * ERROR;
	double t, base;

	for (t = begin; t >= 0 && t <= end; t = next_break(t)) {
		base = t >= settled ? after : before + ERROR;
		promise(apart(CORRECT, t) <= base + 2 * RHO * (t - begin),
			"at %.3f, clocks are %.3f apart, not at most %.3f",
			t, apart(CORRECT, t), base + 2 * RHO * (t - begin));
	}
	printf("%5d %10.3f %12.3f %9.3f %12.3f %9.3f\n", round, before,
	       after + 2 * RHO * (settled - begin), apart(CORRECT, settled),
	       after + 2 * RHO * (end - begin), apart(CORRECT, end));
}

int main(void)
{
	const double until = (ROUNDS + 1) * INTERVAL;
	int i;

	make_mailboxes(PROCESSES);
	for (i = 0; i < PROCESSES; i++)
		start(i, clocks[i].offset, clocks[i].drift, be_process);
	observe(CORRECT * ROUNDS, until);

	printf("Clocks drift by %g at most, t = %g ms: 2 * drift * t = %g ms. All in ms.\n\n"
	       "      apart when    when settled          when the round ends\n"
	       "round  it begins     allowed       was     allowed       was\n",
	       RHO, INTERVAL, 2 * RHO * INTERVAL);
	for (i = 1; i <= ROUNDS; i++)
		report(i, i < ROUNDS ? first_adjusts(i + 1) : until);
	for (i = 0; i < CORRECT; i++)
		check_clock(i, true);
	return finish();
}
