// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Processes with skewed clocks, and the messages between them.
 */
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <mbox.h>
#include "skew.h"

struct process me;
int reports = -1;

static int inboxes[MAX_PROCESSES];
static int processes;

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
void give_up(void)
{
	delete_mailboxes();
	_exit(1);
}

void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static int make_mailbox(uint32_t size, uint32_t flags)
{
	struct mbox_attr attr = { .max_size = size, .mode = 0600, .flags = flags };
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		fail("cannot create a mailbox");
	return fd;
}

void make_mailboxes(int count)
{
	reports = make_mailbox(sizeof(struct adjustment), 0);
	while (processes < count) {
		inboxes[processes] = make_mailbox(sizeof(struct message), MBOX_BY_TAG);
		processes++;
	}
}

void delete_mailboxes(void)
{
	while (processes > 0)
		mbox_delete(inboxes[--processes]);
	mbox_delete(reports);
}

/*
 * Clocks.
 */
static double hardware(const struct clock *clock, double now)
{
	return clock->offset + (1 + clock->drift) * now;
}

double clock_read(const struct clock *clock, double now)
{
	double shown = hardware(clock, now);
	double reach = SLEW * (shown - clock->start);
	double amount = clock->new - clock->old;

	return shown + clock->old + greater(-reach, lesser(reach, amount));
}

double clock_aim(const struct clock *clock, double now)
{
	return hardware(clock, now) + clock->new;
}

double clock_settles(const struct clock *clock)
{
	double end = clock->start + fabs(clock->new - clock->old) / SLEW;

	return (end - clock->offset) / (1 + clock->drift);
}

void clock_slew(struct clock *clock, double now, double amount)
{
	double shown = hardware(clock, now);

	clock->old = clock_read(clock, now) - shown;
	clock->new = clock->old + amount;
	clock->start = shown;
}

/*
 * Processes.
 */
double my_time(void)
{
	return clock_read(&me.clock, me.now);
}

void wait_until(double time)
{
	me.now += (time - my_time()) / (1 + me.clock.drift);
}

double chance(int number)
{
	static unsigned short states[MAX_PROCESSES][3];
	unsigned short *state = states[number];

	if (!state[0]) {
		state[0] = 1;
		state[1] = 1 + me.number;
		state[2] = 7919 * (1 + me.number) + 104729 * number;
	}
	return erand48(state);
}

void send_to(int number, struct message *message, double held_up)
{
	struct mbox_send_options options = { .tag = message->round };
	double delay = MIN_DELAY + (MAX_DELAY - MIN_DELAY) * chance(number);

	message->from = me.number;
	message->arrives = me.now + delay + held_up;
	if (mbox_send_with(inboxes[number], message, sizeof(*message), &options))
		fail("cannot send");
}

static void receive_with(struct message *message, struct mbox_recv_options *options)
{
	struct timespec limit;

	options->deadline = mbox_deadline(&limit, PATIENCE);
	if (mbox_recv_with(inboxes[me.number], message, sizeof(*message), NULL, options) < 0)
		fail("cannot receive");
	me.now = message->arrives;
}

void receive(struct message *message)
{
	receive_with(message, &(struct mbox_recv_options){ 0 });
}

void receive_of_round(struct message *message, unsigned int round)
{
	receive_with(message, &(struct mbox_recv_options){
			.flags = MBOX_MATCH, .match = round,
		});
}

void adjust(double amount, double error)
{
	struct adjustment adjustment = { .number = me.number, .at = me.now, .error = error };

	clock_slew(&me.clock, me.now, amount);
	adjustment.clock = me.clock;
	if (mbox_send(reports, &adjustment, sizeof(adjustment), 0, 0, NULL))
		fail("cannot report");
}

/* The other clock shows something between @low and @high now: take the middle. */
static struct estimate between(double low, double high)
{
	return (struct estimate) {
		.ahead = (low + high) / 2 - my_time(),
		.error = (high - low) / 2,
	};
}

struct estimate estimate_from_message(double time)
{
	return between(time + MIN_DELAY * (1 - RHO), time + MAX_DELAY * (1 + RHO));
}

/*
 * Cristian 1989: the reply took MIN_DELAY at least, and what the whole took less
 * MIN_DELAY, for the request, at most. But for drift, that is
 * time + round_trip / 2, off by round_trip / 2 - MIN_DELAY at most.
 */
struct estimate estimate_from_reply(double time, double round_trip, double handling)
{
	double on_the_way = round_trip / (1 - RHO) - handling / (1 + RHO);

	return between(time + MIN_DELAY * (1 - RHO),
		       time + (on_the_way - MIN_DELAY) * (1 + RHO));
}
