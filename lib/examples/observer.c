// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The observer of skewed clocks: it sees the true time, checks and tells.
 */
#include <err.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>
#include "observer.h"

#define ROUNDING	1e-6	/* of the arithmetic, in milliseconds */

struct history histories[MAX_PROCESSES];

static int children;
static int broken;		/* promises */
static double horizon;		/* how far we look */

void start(int number, double offset, double drift, void (*be_what)(void))
{
	struct clock clock = { .offset = offset, .drift = drift, .start = offset };
	pid_t pid;

	histories[number].adjustments[0] = (struct adjustment){ number, 0, clock, 0 };
	histories[number].count = 1;
	pid = fork();
	if (pid < 0)
		fail("cannot fork");
	if (pid == 0) {
		me.number = number;
		me.clock = clock;
		be_what();
		_exit(0);
	}
	children++;
}

void observe(int adjustments, double until)
{
	struct adjustment adjustment;
	struct history *history;
	struct timespec limit;

	horizon = until;
	while (adjustments--) {
		if (mbox_recv(reports, &adjustment, sizeof(adjustment), NULL, 0,
			      mbox_deadline(&limit, PATIENCE)) < 0)
			fail("cannot receive a report");
		history = &histories[adjustment.number];
		history->adjustments[history->count++] = adjustment;
	}
}

void promise(bool kept, const char *format, ...)
{
	va_list args;

	if (kept || ++broken > 10)
		return;
	va_start(args, format);
	vwarnx(format, args);
	va_end(args);
}

/* The one that was made last before @t. */
static const struct adjustment *adjustment_at(int number, double t)
{
	const struct history *history = &histories[number];
	int i = history->count - 1;

	while (i > 0 && history->adjustments[i].at >= t)
		i--;
	return &history->adjustments[i];
}

double reading_of(int number, double t)
{
	return clock_read(&adjustment_at(number, t)->clock, t);
}

double apart(int count, double t)
{
	double least = reading_of(0, t), most = least;

	while (--count > 0) {
		least = lesser(least, reading_of(count, t));
		most = greater(most, reading_of(count, t));
	}
	return most - least;
}

/* Clocks run straight between breaks; so what holds at these holds all the time. */
double next_break(double t)
{
	const struct adjustment *adjustment;
	double next = horizon, settles;
	int i, k;

	if (t >= horizon)
		return -1;
	for (i = 0; i < MAX_PROCESSES; i++) {
		for (k = 1; k < histories[i].count; k++) {
			adjustment = &histories[i].adjustments[k];
			settles = clock_settles(&adjustment->clock);
			if (adjustment->at > t)
				next = lesser(next, adjustment->at);
			if (settles > t)
				next = lesser(next, settles);
		}
	}
	return next;
}

/* It shows the same before and after. */
static void check_change(const struct adjustment *adjustment)
{
	double before = clock_read(&adjustment[-1].clock, adjustment->at);
	double after = clock_read(&adjustment->clock, adjustment->at);

	promise(fabs(after - before) <= ROUNDING, "clock %d was set from %.3f to %.3f",
		adjustment->number, before, after);
}

static void check_pace(const struct adjustment *adjustment, double from, double to)
{
	const struct clock *clock = &adjustment->clock;
	double gone = clock_read(clock, to) - clock_read(clock, from);
	double usual = (1 + clock->drift) * (to - from);

	promise(fabs(gone - usual) <= SLEW * usual + ROUNDING,
		"clock %d went %.3f in the %.3f ms from %.3f on",
		adjustment->number, gone, to - from, from);
}

static bool has_settled(const struct clock *clock, double t)
{
	return clock_settles(clock) <= t &&
	       fabs(clock_read(clock, t) - clock_aim(clock, t)) <= ROUNDING;
}

void check_clock(int number, bool settles)
{
	const struct history *history = &histories[number];
	const struct adjustment *this = history->adjustments;
	double middle, settled, end;
	int i;

	for (i = 0; i < history->count; i++, this++) {
		end = i + 1 < history->count ? this[1].at : horizon;
		settled = clock_settles(&this->clock);
		if (i > 0)
			check_change(this);
		middle = (this->at + lesser(settled, end)) / 2;
		check_pace(this, this->at, middle);
		check_pace(this, middle, lesser(settled, end));
		check_pace(this, lesser(settled, end), end);
		promise(!settles || has_settled(&this->clock, end),
			"clock %d has not settled at %.3f", number, end);
	}
}

/*
 * How far a clock may be off, by its adjustments before @t, and how old that is.
 * While it is being slewed, it is between where the last but one took it and where
 * the last one will: no further off than by both errors, with the older's age.
 * Return: false if nothing is known yet, before the first adjustment is complete.
 */
static bool claim(int number, double t, double *error, double *age)
{
	const struct adjustment *last = adjustment_at(number, t);
	const struct adjustment *first = histories[number].adjustments;

	*error = *age = 0;
	if (histories[number].count == 1)	/* the others follow it */
		return true;
	if (last > first && clock_settles(&last->clock) > t) {
		*error = last->error;
		last--;
	}
	*error += last->error;
	*age = t - last->at;
	return last > first;
}

struct distance check_pair(int number, int other)
{
	struct distance now, worst = { .apart = -1 };
	double t, errors[2], ages[2];

	for (t = next_break(0); t >= 0; t = next_break(t)) {
		if (!claim(number, t, &errors[0], &ages[0]) ||
		    !claim(other, t, &errors[1], &ages[1]))
			continue;
		now.apart = fabs(reading_of(number, t) - reading_of(other, t));
		now.allowed = errors[0] + errors[1] + 2 * RHO * greater(ages[0], ages[1]);
		promise(now.apart <= now.allowed + ROUNDING,
			"at %.3f, clocks %d and %d are %.3f apart, not at most %.3f",
			t, number, other, now.apart, now.allowed);
		if (now.apart > worst.apart)
			worst = now;
	}
	promise(worst.apart >= 0, "clocks %d and %d were never adjusted", number, other);
	return worst;
}

int finish(void)
{
	int status;

	while (children--)
		if (wait(&status) < 0 || status)
			give_up();
	delete_mailboxes();
	return broken != 0;
}
