// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * choice: many into one. Each source offers messages at a rendezvous of its own,
 * and this process takes from whichever offers first: Hoare's
 *
 *	*[ source1 ? number -> take || source2 ? number -> take || ... ]
 *
 * To poll and then receive would not do: a poll takes nothing, and what it has
 * seen may be gone by then.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define SOURCES		4
#define COUNT		400	/* messages of each */
#define FAIR		100	/* so many of them while all the others offer, too */

static int boxes[SOURCES] = { -1, -1, -1, -1 };
static uint64_t ids[SOURCES];
static uint64_t taken[SOURCES];

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
static void give_up(void)
{
	int i;

	for (i = 0; i < SOURCES; i++)
		mbox_delete(boxes[i]);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void make_rendezvous(int i)
{
	struct mbox_attr attr = {
		.max_size = sizeof(uint64_t),
		.flags = MBOX_RENDEZVOUS,
	};
	struct mbox_stat stat;

	boxes[i] = mbox_create(NULL, &attr, O_CLOEXEC);
	if (boxes[i] < 0 || mbox_getstat(boxes[i], &stat))
		fail("cannot create a mailbox");
	ids[i] = stat.id;
}

static void start_source(int box)
{
	pid_t pid = fork();
	uint64_t number;

	if (pid < 0)
		fail("cannot fork");
	if (pid)
		return;
	for (number = 1; number <= COUNT; number++)
		if (mbox_send(box, &number, sizeof(number), 0, 0, NULL))
			fail("a source cannot send");
	_exit(0);
}

/* A rendezvous is readable while a sender waits there. */
static void wait_for_all(void)
{
	int i;

	for (i = 0; i < SOURCES; i++) {
		struct pollfd box = { .fd = boxes[i], .events = POLLIN };

		if (poll(&box, 1, -1) < 0 || box.revents != POLLIN)
			fail("cannot wait for a source");
	}
}

/* Of each source the next number comes, or one was lost or came twice. */
static void take_from_any(int chooser)
{
	struct mbox_envelope envelope;
	uint64_t number;
	int i = 0;

	if (mbox_choose(chooser, ids, SOURCES, &number, sizeof(number), &envelope,
			0, NULL) != sizeof(number))
		fail("cannot choose");
	while (ids[i] != envelope.from)
		i++;
	if (number != ++taken[i]) {
		warnx("source %d: %" PRIu64 " came instead of %" PRIu64, i, number, taken[i]);
		give_up();
	}
}

/* Of those who offer now, each is served equally often. */
static void check_fairness(void)
{
	int i;

	for (i = 0; i < SOURCES; i++) {
		if (taken[i] == FAIR)
			continue;
		warnx("source %d was served %" PRIu64 " times, not %d", i, taken[i], FAIR);
		give_up();
	}
}

int main(void)
{
	int chooser = mbox_device();
	int i, status;

	if (chooser < 0)
		err(1, "cannot open the device");
	for (i = 0; i < SOURCES; i++)
		make_rendezvous(i);
	for (i = 0; i < SOURCES; i++)
		start_source(boxes[i]);

	for (i = 0; i < SOURCES * FAIR; i++) {
		wait_for_all();
		take_from_any(chooser);
	}
	check_fairness();
	for (; i < SOURCES * COUNT; i++)
		take_from_any(chooser);

	for (i = 0; i < SOURCES; i++)
		if (wait(&status) < 0 || status)
			give_up();
	for (i = 0; i < SOURCES; i++)
		if (mbox_delete(boxes[i]))
			err(1, "cannot delete a mailbox");
	printf("%d messages from each of %d sources, each in its turn\n", COUNT, SOURCES);
	return 0;
}
