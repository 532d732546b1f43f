// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * berkeley: clocks agree though none of them is right. A coordinator, whose own
 * clock is no better, asks all for their time. It takes the mean of the largest
 * group that are near each other, so a broken clock has no influence, and tells
 * each process by how much to adjust: unlike a time, that is not out of date when
 * it arrives. (Gusella and Zatti, The accuracy of the clock synchronization achieved
 * by TEMPO in Berkeley UNIX 4.3BSD, 1989.)
 */
#include <math.h>
#include <stdio.h>
#include "observer.h"

#define ROUNDS		6
#define INTERVAL	1000.0	/* between polls, by the coordinator's clock */
#define POLL		20.0	/* when it has heard from everybody, likewise */
#define NEAR		150.0	/* clocks of one group are that far apart at most */

#define COORDINATOR	0
#define CORRECT		5	/* the first ones */
#define PROCESSES	6

static const struct {
	double offset, drift;
} clocks[PROCESSES] = {
	{ 0, 0 }, { 30, RHO }, { -45, -RHO }, { 60, RHO }, { -20, -RHO / 2 },
	{ 5000, 50 * RHO },	/* broken */
};

/* What each clock is ahead of the coordinator's; its own by 0. */
static void poll_all(unsigned int round, struct estimate estimates[PROCESSES])
{
	struct message message = { .round = round };
	double asked = my_time();
	int i;

	for (i = 1; i < PROCESSES; i++)
		send_to(i, &message, 0);
	for (i = 1; i < PROCESSES; i++) {
		receive(&message);
		estimates[message.from] = estimate_from_reply(message.time,
							      my_time() - asked, 0);
	}
}

/* The mean of those from @least on that are near; how many is in @count. */
static double mean_from(double least, const struct estimate estimates[PROCESSES], int *count)
{
	double sum = 0;
	int i;

	*count = 0;
	for (i = 0; i < PROCESSES; i++) {
		if (estimates[i].ahead < least || estimates[i].ahead > least + NEAR)
			continue;
		sum += estimates[i].ahead;
		++*count;
	}
	return sum / *count;
}

static double mean_of_most(const struct estimate estimates[PROCESSES])
{
	double mean, best = 0;
	int i, count, most = 0;

	for (i = 0; i < PROCESSES; i++) {
		mean = mean_from(estimates[i].ahead, estimates, &count);
		if (count > most) {
			most = count;
			best = mean;
		}
	}
	return best;
}

/* An amount is off by the error of its clock's estimate and that of the mean. */
static double error_of_amounts(const struct estimate estimates[PROCESSES])
{
	double worst = 0;
	int i;

	for (i = 0; i < PROCESSES; i++)
		worst = greater(worst, estimates[i].error);
	/* The clocks drift until the last of the amounts is there. */
	return 2 * (worst + 2 * RHO * (POLL + MAX_DELAY) / (1 - RHO));
}

static void be_coordinator(void)
{
	struct estimate estimates[PROCESSES] = { 0 };
	struct message message = { 0 };
	double mean;
	int i;

	while (message.round++ < ROUNDS) {
		wait_until(message.round * INTERVAL);
		poll_all(message.round, estimates);
		wait_until(message.round * INTERVAL + POLL);

		mean = mean_of_most(estimates);
		message.error = error_of_amounts(estimates);
		for (i = 1; i < PROCESSES; i++) {
			message.amount = mean - estimates[i].ahead;
			send_to(i, &message, 0);
		}
		adjust(mean, message.error);
	}
}

static void be_member(void)
{
	struct message message;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		receive(&message);
		message.time = my_time();
		send_to(COORDINATOR, &message, 0);

		receive(&message);
		adjust(message.amount, message.error);
	}
}

/* When the coordinator had decided, all aim at the mean of the correct clocks. */
static void check_aims(int round)
{
	const struct adjustment *adjustment = &histories[COORDINATOR].adjustments[round];
	double t = adjustment->at, error = adjustment->error;
	double aim, mean = 0;
	int i;

	for (i = 0; i < CORRECT; i++)
		mean += clock_read(&histories[i].adjustments[round - 1].clock, t) / CORRECT;
	for (i = 0; i < CORRECT; i++) {
		aim = clock_aim(&histories[i].adjustments[round].clock, t);
		promise(fabs(aim - mean) <= error,
			"clock %d aims at %.3f, where the mean is %.3f", i, aim, mean);
	}
}

static void report(int round)
{
	const struct adjustment *adjustment;
	int i;

	check_aims(round);
	printf("%5d %8.3f", round,
	       apart(CORRECT, histories[COORDINATOR].adjustments[round].at));
	for (i = 0; i < PROCESSES; i++) {
		adjustment = &histories[i].adjustments[round];
		printf(" %+9.3f", adjustment->clock.new - adjustment->clock.old);
	}
	printf("\n");
}

int main(void)
{
	struct distance distance, worst = { .apart = -1 };
	int i, j;

	make_mailboxes(PROCESSES);
	start(COORDINATOR, clocks[0].offset, clocks[0].drift, be_coordinator);
	for (i = 1; i < PROCESSES; i++)
		start(i, clocks[i].offset, clocks[i].drift, be_member);
	observe(PROCESSES * ROUNDS, (ROUNDS + 1) * INTERVAL);

	printf("Clocks drift by %g at most, t = %g ms: 2 * drift * t = %g ms. All in ms.\n\n"
	       "round    apart adjust 0         1         2         3         4  5 (broken)\n",
	       RHO, INTERVAL, 2 * RHO * INTERVAL);
	for (i = 1; i <= ROUNDS; i++)
		report(i);
	for (i = 0; i < PROCESSES; i++)
		check_clock(i, i < CORRECT);
	for (i = 0; i < CORRECT; i++) {
		for (j = i + 1; j < CORRECT; j++) {
			distance = check_pair(i, j);
			if (distance.apart > worst.apart)
				worst = distance;
		}
	}
	printf("\nFrom then on, two clocks were %.3f apart at most, where %.3f is allowed.\n",
	       worst.apart, worst.allowed);
	return finish();
}
