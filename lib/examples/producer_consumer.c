// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * producer_consumer: a mailbox is a bounded buffer. Producers wait while it is
 * full, consumers while it is empty, and nobody has to know how many of the
 * others there are.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define PRODUCERS	3
#define CONSUMERS	2
#define ITEMS		UINT64_C(3000)	/* of all producers */
#define CAPACITY	8

struct sum {
	uint64_t items;
	uint64_t total;
};

static int buffer = -1;	/* items; an empty message says: no more */
static int results = -1;	/* a sum from each consumer */

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
static void give_up(void)
{
	mbox_delete(buffer);
	mbox_delete(results);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void start(void (*work)(int), int number)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("cannot fork");
	if (pid == 0) {
		work(number);
		_exit(0);
	}
}

/* Wait for the end of so many processes. */
static void join(int count)
{
	int status;

	while (count--) {
		if (wait(&status) < 0)
			fail("cannot wait");
		if (status)
			give_up();
	}
}

/* The numbers from 1 to ITEMS are shared out among the producers. */
static void produce(int number)
{
	uint64_t item;

	for (item = number; item <= ITEMS; item += PRODUCERS)
		if (mbox_send(buffer, &item, sizeof(item), 0, 0, NULL))
			fail("cannot send an item");
}

static void consume(int number)
{
	struct sum sum = { 0 };
	uint64_t item;
	ssize_t len;

	while ((len = mbox_recv(buffer, &item, sizeof(item), NULL, 0, NULL)) > 0) {
		sum.items++;
		sum.total += item;
	}
	if (len < 0)
		fail("cannot receive an item");
	printf("consumer %d had %" PRIu64 " items\n", number, sum.items);
	if (fflush(stdout))
		fail("standard output");
	if (mbox_send(results, &sum, sizeof(sum), 0, 0, NULL))
		fail("cannot send a sum");
}

static int make_mailbox(uint32_t max_msgs, uint32_t max_size)
{
	/* This user's processes may send and, unlike by default, receive. */
	struct mbox_attr attr = {
		.max_msgs = max_msgs,
		.max_size = max_size,
		.mode = 0600,
	};
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		fail("cannot create a mailbox");
	return fd;
}

int main(void)
{
	struct sum sum, all = { 0 };
	struct mbox_stat stat;
	int i;

	buffer = make_mailbox(CAPACITY, sizeof(uint64_t));
	results = make_mailbox(CONSUMERS, sizeof(struct sum));
	for (i = 1; i <= CONSUMERS; i++)
		start(consume, i);
	for (i = 1; i <= PRODUCERS; i++)
		start(produce, i);

	/* First in, first out: what comes last is received last. */
	join(PRODUCERS);
	for (i = 1; i <= CONSUMERS; i++)
		if (mbox_send(buffer, NULL, 0, 0, 0, NULL))
			fail("cannot send the end");
	join(CONSUMERS);

	for (i = 1; i <= CONSUMERS; i++) {
		if (mbox_recv(results, &sum, sizeof(sum), NULL, MBOX_NONBLOCK, NULL) < 0)
			fail("cannot receive a sum");
		all.items += sum.items;
		all.total += sum.total;
	}
	if (mbox_getstat(buffer, &stat))
		fail("cannot look at the mailbox");
	if (mbox_delete(buffer) || mbox_delete(results))
		err(1, "cannot delete the mailboxes");

	printf("%" PRIu64 " items, total %" PRIu64 ", at most %u in the buffer\n",
	       all.items, all.total, stat.msgs_high);
	return all.items != ITEMS || all.total != ITEMS * (ITEMS + 1) / 2 ||
	       stat.msgs_high > CAPACITY;
}
