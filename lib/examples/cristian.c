// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * cristian: clients follow the clock of a time server, each in a way of its own.
 * To pull is to ask: the client times the round trip, so it knows how wrong its
 * estimate can be, and may ask again for a better one (Cristian, Probabilistic clock
 * synchronization, 1989), or take the mean of those that were not held up
 * (Tanenbaum, Distributed Operating Systems, 1995). A push comes unasked and costs
 * one message; it is as good as what is assumed of its delay.
 *
 * An estimate that is off by e at most is off by e + 2 * drift * t at most after t, as
 * both clocks drift: so to stay within D, synchronise every (D - e) / (2 * drift).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include "observer.h"

#define ROUNDS		8
#define INTERVAL	1000.0	/* between adjustments, by the client's clock */
#define PROBES		8	/* of those who ask several times */
#define HANDLING	2.0	/* of a request takes so long, and up to twice that */
#define HELD_UP		20.0	/* each third reply to a client, by the network */
#define USUAL		(2 * MAX_DELAY)	/* round trip, without the handling */
/* What clocks drift apart while a client asks several times, at most. */
#define PROBING		(PROBES * (USUAL + 2 * HANDLING + HELD_UP))
#define AGEING		(2 * RHO * PROBING)

#define SERVER		0
#define REQUESTS	(2 * ROUNDS * (1 + PROBES))

struct probe {
	struct estimate estimate;
	double trip;		/* without the handling, if that is known */
	double made;		/* when, by the client's clock */
};

static struct probe ask_once(bool handling_known)
{
	struct message message = { 0 };
	struct probe probe;
	double asked = my_time(), handling;

	send_to(SERVER, &message, 0);
	receive(&message);
	handling = handling_known ? message.handling : 0;
	probe.made = my_time();
	probe.trip = probe.made - asked - handling;
	probe.estimate = estimate_from_reply(message.time, probe.made - asked, handling);
	return probe;
}

/* The clocks have drifted since. */
static struct estimate aged(const struct probe *probe)
{
	struct estimate estimate = probe->estimate;

	estimate.error += 2 * RHO * (my_time() - probe->made) / (1 - RHO);
	return estimate;
}

static struct estimate one_probe(void)
{
	return ask_once(false).estimate;
}

static struct estimate one_probe_handling_known(void)
{
	return ask_once(true).estimate;
}

static struct estimate least_of_several(void)
{
	struct probe least = ask_once(true), next;
	int i;

	for (i = 1; i < PROBES; i++) {
		next = ask_once(true);
		if (next.trip < least.trip)
			least = next;
	}
	return aged(&least);
}

/* The mean is off by the mean of the errors at most. */
static struct estimate mean_of_several(void)
{
	struct estimate estimate, sum = { 0 };
	struct probe probes[PROBES];
	int i, usual = 0;

	for (i = 0; i < PROBES; i++)
		probes[i] = ask_once(true);
	for (i = 0; i < PROBES; i++) {
		if (probes[i].trip > USUAL * (1 + RHO))
			continue;
		estimate = aged(&probes[i]);
		sum.ahead += estimate.ahead;
		sum.error += estimate.error;
		usual++;
	}
	errno = EPROTO;
	if (!usual)
		fail("every reply was held up");
	return (struct estimate) { sum.ahead / usual, sum.error / usual };
}

static struct estimate await_push(void)
{
	struct message message;

	receive(&message);
	return estimate_from_message(message.time);
}

static const struct client {
	const char *name;
	struct estimate (*ask)(void);
	double error;		/* of the estimate, at most, but for drift */
	double offset, drift;	/* of the clock */
} clients[] = {
	{ "pull, one probe", one_probe,
	  (USUAL + HELD_UP + 2 * HANDLING) / 2 - MIN_DELAY, 60, RHO },
	{ "  less handling", one_probe_handling_known,
	  (USUAL + HELD_UP) / 2 - MIN_DELAY, -70, RHO },
	{ "  least of 8", least_of_several, USUAL / 2 - MIN_DELAY, 50, RHO },
	{ "  mean of 8", mean_of_several, USUAL / 2 - MIN_DELAY, -80, RHO },
	{ "push", await_push, (MAX_DELAY - MIN_DELAY) / 2, 30, RHO },
};

#define CLIENTS		(int)(sizeof(clients) / sizeof(clients[0]))
#define LISTENER	CLIENTS		/* the last one listens for what is pushed */

static void be_client(void)
{
	const struct client *client = &clients[me.number - 1];
	struct estimate estimate;
	int round;

	for (round = 1; round <= ROUNDS; round++) {
		if (me.number != LISTENER)
			wait_until(round * INTERVAL);
		estimate = client->ask();
		adjust(estimate.ahead, estimate.error);
	}
}

/* It only answers, each request as if it were the only one: a passive time server. */
static void be_passive_server(void)
{
	static unsigned int replies[CLIENTS + 1];
	struct message message;
	double asked;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		receive(&message);
		asked = my_time();
		wait_until(asked + HANDLING * (1 + chance(message.from)));
		message.time = my_time();
		message.handling = message.time - asked;
		send_to(message.from, &message, ++replies[message.from] % 3 ? 0 : HELD_UP);
	}
}

/* It speaks without being asked: an active time server. */
static void be_active_server(void)
{
	struct message message = { 0 };
	int round;

	for (round = 1; round <= ROUNDS; round++) {
		wait_until(round * INTERVAL);
		message.time = my_time();
		send_to(LISTENER, &message, 0);
	}
}

/* What a client aimed at when it adjusted its clock, against the server's clock. */
static void check_estimates(int number, double *error, double *off)
{
	const struct history *history = &histories[number];
	const struct adjustment *adjustment;
	double difference;
	int i;

	*error = *off = 0;
	for (i = 1; i < history->count; i++) {
		adjustment = &history->adjustments[i];
		difference = fabs(clock_aim(&adjustment->clock, adjustment->at) -
				  reading_of(SERVER, adjustment->at));
		promise(difference <= adjustment->error,
			"client %d was %.3f off, not at most %.3f",
			number, difference, adjustment->error);
		promise(adjustment->error <= clients[number - 1].error + AGEING,
			"client %d knows its error to be within %.3f only",
			number, adjustment->error);
		*error = greater(*error, adjustment->error);
		*off = greater(*off, difference);
	}
}

static void report(int number)
{
	const struct client *client = &clients[number - 1];
	struct distance distance = check_pair(number, SERVER);
	double error, off;

	check_estimates(number, &error, &off);
	check_clock(number, true);
	printf("%-16s %+7.1f %+8.4f %9.3f %8.3f %9.3f %8.3f\n", client->name,
	       client->offset, client->drift, off, error, distance.apart, distance.allowed);
}

int main(void)
{
	int i, j;

	make_mailboxes(CLIENTS + 1);
	start(SERVER, 0, -RHO, be_passive_server);
	start(SERVER, 0, -RHO, be_active_server);
	for (i = 1; i <= CLIENTS; i++)
		start(i, clients[i - 1].offset, clients[i - 1].drift, be_client);
	observe(CLIENTS * ROUNDS, (ROUNDS + 1) * INTERVAL);

	printf("Clocks drift by %g at most, t = %g ms: 2 * drift * t = %g ms. All in ms.\n\n"
	       "                                  estimate          from the server\n"
	       "client            offset    drift    off by  at most     apart  allowed\n",
	       RHO, INTERVAL, 2 * RHO * INTERVAL);
	for (i = 1; i <= CLIENTS; i++)
		report(i);
	for (i = 1; i <= CLIENTS; i++)
		for (j = i + 1; j <= CLIENTS; j++)
			check_pair(i, j);
	return finish();
}
