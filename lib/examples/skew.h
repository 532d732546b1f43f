/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * skew: what the examples of time services share: processes with skewed clocks
 * and the messages between them. observer.h is for who looks at all clocks.
 *
 * Processes, mailboxes and messages are real; time is simulated, in milliseconds.
 * Each process keeps the true time for itself, and its clock is a function of it.
 * A message says when it arrives, and takes its receiver there. So clocks drift
 * and messages take as long as we choose, a run can be repeated, and how busy the
 * machine is makes no difference.
 */
#ifndef SKEW_H
#define SKEW_H

#include <stdint.h>

/* What is real here, in nanoseconds: after that, the other process must have failed. */
#define PATIENCE	UINT64_C(30000000000)

/* A correct clock gains or loses at most this much a millisecond; quartz: 0.00001. */
#define RHO		0.001
/* To correct a clock, it is made so much faster or slower for a while. */
#define SLEW		0.1
/* A message takes that long, in true time, unless the network holds it up. */
#define MIN_DELAY	1.0
#define MAX_DELAY	1.5

#define MAX_PROCESSES	8

static inline double lesser(double a, double b)
{
	return a < b ? a : b;
}

static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

/*
 * A clock shows what its hardware says, which nobody can change, plus a correction
 * that moves from one value to the next little by little (Cristian 1989, "amortize").
 * So it never jumps; and as SLEW is less than 1, it never goes back.
 */
struct clock {
	double offset, drift;	/* hardware: offset + (1 + drift) * true time */
	double old, new;	/* correction: from this value to that one */
	double start;		/* from when on, by the hardware */
};

double clock_read(const struct clock *clock, double now);
/* What it would show if the correction were complete; and when that is so. */
double clock_aim(const struct clock *clock, double now);
double clock_settles(const struct clock *clock);
/* Move it by @amount from what it shows now, whatever was under way before. */
void clock_slew(struct clock *clock, double now, double amount);

struct message {
	double arrives;		/* true time; only for receive() */
	int from;		/* number of a process */
	unsigned int round;	/* also the tag */
	double time;		/* by the sender's clock */
	double handling;	/* for how long the server had it, by its clock */
	double amount;		/* by which to adjust the clock */
	double error;		/* of that amount, at most */
};

/* What another clock is ahead of this process's clock, and how wrong that can be. */
struct estimate {
	double ahead;
	double error;
};

struct process {
	int number;
	double now;		/* true time, which no algorithm may look at */
	struct clock clock;
};

extern struct process me;

/* What the observer, which started all the others, is told. */
struct adjustment {
	int number;
	double at;		/* true time */
	struct clock clock;	/* from then on */
	double error;		/* of what it aims at, at most */
};

extern int reports;		/* mailbox of adjustments */

/* One for each process that is to be, by number, and that of adjustments. */
void make_mailboxes(int processes);
void delete_mailboxes(void);
/* End with exit code 1, and all the others too; or with errno as the reason. */
void give_up(void) __attribute__((noreturn));
void fail(const char *what) __attribute__((noreturn));

double my_time(void);
/* Until my clock, which must have settled, shows @time. */
void wait_until(double time);
/* A number from 0 to 1, the next of a sequence for me and that process. */
double chance(int number);
/* The network holds the message up for so long, besides the usual delay. */
void send_to(int number, struct message *message, double held_up);
void receive(struct message *message);
/* Those of other rounds stay in the mailbox. */
void receive_of_round(struct message *message, unsigned int round);
/* Slew my clock by @amount; what it aims at is off by @error at most. */
void adjust(double amount, double error);

/* The other clock showed @time when a message left that has come just now. */
struct estimate estimate_from_message(double time);
/*
 * The same if the message answers one of mine: by my clock, that was @round_trip
 * ago, and for @handling, by its clock, the other process had it; 0 if unknown.
 */
struct estimate estimate_from_reply(double time, double round_trip, double handling);

#endif /* SKEW_H */
