// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * lamport: four processes send to all four, at the same time and through a mailbox for
 * each, and all deliver the same sequence. The order is that of Lamport (Time, Clocks,
 * and the Ordering of Events in a Distributed System, 1978): by the time of the sending
 * process's logical clock, among equals by participant id. A message is delivered when
 * it is the first in that order of those that have come, and something later has come
 * from everybody: mailboxes keep the order of each sender, so nothing earlier can follow.
 * That this does not take for ever, everybody acknowledges what it gets to everybody.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define MEMBERS		4
#define EACH		25	/* multicasts of a member */
#define ALL		(MEMBERS * EACH)
#define PATIENCE	UINT64_C(40000000000)	/* in ns, for what takes a second */

struct message {
	uint32_t from;		/* index of the member */
	uint32_t number;	/* 1, 2, ... of this member; 0: an acknowledgement */
	uint64_t stamp;		/* when it was sent to all */
	uint32_t known[MEMBERS]; /* how many of each the sender had received by then */
};

struct multicast {
	struct message message;
	uint64_t sender;	/* participant id */
};

/* What a member delivered, in order. */
struct report {
	uint32_t from[ALL];
	uint32_t number[ALL];
};

static int mailboxes[MEMBERS];
static int reports;
static struct timespec limit;

static uint32_t me;
static uint32_t known[MEMBERS];		/* received multicasts of each */
static uint32_t delivered[MEMBERS];	/* delivered ones */
static uint64_t latest[MEMBERS];	/* stamp of the last that came from each */
static struct multicast waiting[ALL];	/* received and not delivered, in order */
static unsigned int nr_waiting;

/* Others are told EIDRM where they wait, and give up, too. */
static void give_up(void)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		mbox_delete(mailboxes[i]);
	mbox_delete(reports);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void expect(int condition, const char *what)
{
	errno = EPROTO;
	if (!condition)
		fail(what);
}

/* The sends that follow have stamps of their own, all of them later. */
static void send_to_all(uint32_t number)
{
	struct message message = { .from = me, .number = number };
	int i;

	memcpy(message.known, known, sizeof(known));
	if (mbox_tick(mailboxes[me], &message.stamp))
		fail("cannot advance the clock");
	for (i = 0; i < MEMBERS; i++)
		if (mbox_send(mailboxes[i], &message, sizeof(message), 0, 0, &limit))
			fail("cannot send");
}

static int before(const struct multicast *a, const struct multicast *b)
{
	if (a->message.stamp != b->message.stamp)
		return a->message.stamp < b->message.stamp;
	return a->sender < b->sender;
}

static void insert(const struct message *message, uint64_t sender)
{
	struct multicast new = { .message = *message, .sender = sender };
	unsigned int i = nr_waiting++;

	for (; i > 0 && before(&new, &waiting[i - 1]); i--)
		waiting[i] = waiting[i - 1];
	waiting[i] = new;
}

static void receive_one(void)
{
	struct mbox_envelope envelope;
	struct message message;

	if (mbox_recv(mailboxes[me], &message, sizeof(message), &envelope, 0, &limit) < 0)
		fail("cannot receive");
	expect(envelope.clock > envelope.stamp && envelope.stamp > message.stamp,
	       "the clock does not go on");
	expect(envelope.stamp > latest[message.from], "messages of one sender are out of order");
	latest[message.from] = envelope.stamp;
	if (!message.number)
		return;
	expect(message.number == ++known[message.from], "a multicast is lost or doubled");
	insert(&message, envelope.sender);
	send_to_all(0);
}

static int first_is_stable(void)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		if (latest[i] <= waiting[0].message.stamp)
			return 0;
	return 1;
}

/* Whatever its sender knew when it sent this happened before, and so comes before. */
static void deliver_first(struct report *report, unsigned int nr)
{
	const struct message *message = &waiting[0].message;
	int i;

	expect(message->number == ++delivered[message->from], "out of the order of its sender");
	for (i = 0; i < MEMBERS; i++)
		expect(message->known[i] <= delivered[i], "effect delivered before cause");
	report->from[nr] = message->from;
	report->number[nr] = message->number;
	memmove(waiting, waiting + 1, --nr_waiting * sizeof(waiting[0]));
}

static void be_member(void)
{
	struct report report;
	unsigned int nr = 0;
	uint32_t sent = 0;

	while (nr < ALL) {
		if (sent < EACH)
			send_to_all(++sent);
		receive_one();
		while (nr_waiting && first_is_stable())
			deliver_first(&report, nr++);
	}
	if (mbox_send(reports, &report, sizeof(report), 0, 0, &limit))
		fail("cannot report");
	_exit(0);
}

/* Room for everything: nobody waits for room, with its own mailbox full. */
static int create(unsigned int messages, unsigned int size)
{
	struct mbox_attr attr = { .max_msgs = messages, .max_size = size, .mode = 0600 };
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot create a mailbox");
	return fd;
}

static void compare_reports(void)
{
	struct report all[MEMBERS];
	int i;

	for (i = 0; i < MEMBERS; i++) {
		if (mbox_recv(reports, &all[i], sizeof(all[i]), NULL, 0, &limit) < 0)
			fail("a member does not report");
		expect(!memcmp(&all[0], &all[i], sizeof(all[0])), "the sequences differ");
	}
}

int main(void)
{
	pid_t pid;
	int status;

	mbox_deadline(&limit, PATIENCE);
	reports = create(MEMBERS, sizeof(struct report));
	for (me = 0; me < MEMBERS; me++)
		mailboxes[me] = create(ALL + MEMBERS * ALL, sizeof(struct message));
	for (me = 0; me < MEMBERS; me++) {
		pid = fork();
		if (pid < 0)
			fail("cannot fork");
		if (pid == 0)
			be_member();
	}
	compare_reports();
	while (wait(&status) > 0)
		if (status)
			give_up();
	for (me = 0; me < MEMBERS; me++)
		if (mbox_delete(mailboxes[me]))
			fail("cannot delete a mailbox");
	if (mbox_delete(reports))
		fail("cannot delete the mailbox for reports");
	printf("%d processes delivered the same sequence of %d messages\n", MEMBERS, ALL);
	return 0;
}
