// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a send and each kind of receive cost, in instructions, and that this does
 * not depend on how much is queued, how many wait and how many mailboxes there
 * are. For a guest whose time stamp counter counts the instructions executed
 * (selftests/vm/vm cost); elsewhere the numbers mean nothing.
 *
 * Each row is measured at several sizes. A row is flat if no size costs more
 * than 2 % over the cheapest; a row that may be logarithmic may cost, from the
 * smallest size to the largest, so much more per doubling.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/mbox.h>

#include "measure.h"

#define ROUNDS		256	/* of which the median counts */
#define FLAT		0.02
#define PER_DOUBLING	0.02
#define SIZE		16

static int tests, failed;
static char buffer[SIZE];

static void call(int fd, unsigned long command, void *arg, const char *what)
{
	if (ioctl(fd, command, arg))
		err(1, "%s", what);
}

static int device(void)
{
	int fd = open(MBOX_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot open %s", MBOX_DEVICE);
	return fd;
}

static int mailbox(uint64_t kind, uint32_t max_msgs)
{
	struct mbox_create create = {
		.flags = MBOX_CREATE_BIND | kind,
		.max_msgs = max_msgs,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_size = SIZE,
		.mode = 0600,
	};
	int fd = device();

	call(fd, MBOX_IOC_CREATE, &create, "create");
	return fd;
}

static void end(int fd)
{
	struct mbox_delete delete = { 0 };

	call(fd, MBOX_IOC_DELETE, &delete, "delete");
	close(fd);
}

static void post(int fd, struct mbox_send *send)
{
	send->buf = (uintptr_t)buffer;
	send->len = sizeof(buffer);
	call(fd, MBOX_IOC_SEND, send, "send");
}

static void fetch(int fd, struct mbox_recv *recv)
{
	recv->buf = (uintptr_t)buffer;
	recv->size = sizeof(buffer);
	call(fd, MBOX_IOC_RECV, recv, "recv");
}

/* What reading the counter costs is in every number alike. */
#define MEASURE(cost, statement) do {				\
		uint64_t before = measure_now();		\
								\
		statement;					\
		(cost) = measure_now() - before;		\
	} while (0)

/*
 * Rows.
 */

struct row {
	const char *name;
	double (*cost)(const struct row *row, unsigned int size);
	const char *unit;
	unsigned int sizes[3];
	uint64_t kind;
	struct mbox_send send;
	struct mbox_recv recv;
	bool logarithmic;
	bool by_id;
};

static uint64_t far_away(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * UINT64_C(1000000000) + UINT64_C(3600000000000);
}

/*
 * Other messages than the one that is measured, of other tags, priorities and
 * times: that one comes out again, so that the allocator always gets back what it
 * just gave.
 */
static void fill(const struct row *row, int fd, unsigned int size)
{
	uint64_t later = far_away();
	unsigned int i;

	for (i = 0; i < size; i++) {
		struct mbox_send send = row->send;

		send.tag = 1000 + i;
		send.prio = 1 + i % 30;
		send.expires = later + i * 1000;
		post(fd, &send);
	}
}

/* Those of another sender. */
static void fill_by_another(const struct row *row, int fd, unsigned int size)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		err(1, "cannot fork");
	if (!child) {
		fill(row, fd, size);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status)
		errx(1, "the filling process failed");
}

/* A send and a receive among @size queued messages. */
static double cost_among_messages(const struct row *row, unsigned int size)
{
	int fd = mailbox(row->kind, size + 1);
	double costs[ROUNDS];
	unsigned int i;

	if (row->kind & MBOX_CREATE_BY_SENDER)
		fill_by_another(row, fd, size - 1);
	else
		fill(row, fd, size - 1);
	for (i = 0; i < ROUNDS; i++) {
		struct mbox_send send = row->send;
		struct mbox_recv recv = row->recv, rest = row->recv;

		send.expires = far_away();
		if (row->kind & MBOX_CREATE_BY_SENDER)
			recv.match = getpid();
		MEASURE(costs[i], (post(fd, &send), fetch(fd, &recv)));
		/* What was looked at only goes, too. */
		rest.flags &= ~MBOX_RECV_PEEK;
		if (row->recv.flags & MBOX_RECV_PEEK)
			fetch(fd, &rest);
	}
	end(fd);
	return measure_median(costs, ROUNDS);
}

static void create_many(int fd, unsigned int nr)
{
	while (nr--) {
		struct mbox_create create = {
			.max_msgs = 1,
			.max_bytes = SIZE,
			.max_size = SIZE,
			.mode = 0600,
		};

		call(fd, MBOX_IOC_CREATE, &create, "create");
	}
}

static void delete_all(int fd)
{
	struct mbox_stat stat = { .flags = MBOX_STAT_NEXT, .id = 1 };

	while (!ioctl(fd, MBOX_IOC_STAT, &stat)) {
		struct mbox_delete delete = { .id = stat.id };

		call(fd, MBOX_IOC_DELETE, &delete, "delete");
		stat = (struct mbox_stat) { .flags = MBOX_STAT_NEXT, .id = stat.id + 1 };
	}
}

/* A send and a receive, through a descriptor or by id, among @size mailboxes. */
static double cost_among_mailboxes(const struct row *row, unsigned int size)
{
	int fd = mailbox(0, 1), other = device();
	struct mbox_stat stat = { 0 };
	double costs[ROUNDS];
	unsigned int i;

	call(fd, MBOX_IOC_STAT, &stat, "stat");
	create_many(other, size - 1);
	/* The kernel enlarges its tables when it finds the time. */
	usleep(1000000);
	for (i = 0; i < ROUNDS; i++) {
		/* Their ids follow each other; some are found sooner than others. */
		struct mbox_send send = { .id = row->by_id ? stat.id + i * 389 % size : 0 };
		struct mbox_recv recv = { .id = send.id };

		MEASURE(costs[i], (post(fd, &send), fetch(fd, &recv)));
	}
	delete_all(other);
	close(other);
	close(fd);
	return measure_median(costs, ROUNDS);
}

/*
 * Waiters are threads. Everything has one processor and one priority: nobody that is
 * woken runs before the one that measures sleeps.
 */

struct waiters {
	const struct row *row;
	int fd;
	unsigned int nr;
	uint64_t tag;
};

static void *wait_to_receive(void *arg)
{
	struct waiters *waiters = arg;
	struct mbox_recv recv = waiters->row->recv;
	char message[SIZE];
	uint64_t tag = __atomic_fetch_add(&waiters->tag, 1, __ATOMIC_RELAXED);

	if (recv.flags & MBOX_RECV_MATCH)
		recv.match = tag;
	recv.buf = (uintptr_t)message;
	recv.size = sizeof(message);
	while (!ioctl(waiters->fd, MBOX_IOC_RECV, &recv))
		;
	return NULL;
}

static void *wait_to_send(void *arg)
{
	struct waiters *waiters = arg;
	struct mbox_send send = waiters->row->send;
	char message[SIZE] = "";

	send.buf = (uintptr_t)message;
	send.len = sizeof(message);
	while (!ioctl(waiters->fd, MBOX_IOC_SEND, &send))
		;
	return NULL;
}

static void let_them_wait(const struct waiters *waiters)
{
	struct mbox_stat stat = { 0 };

	do {
		usleep(100);
		call(waiters->fd, MBOX_IOC_STAT, &stat, "stat");
	} while (stat.senders + stat.receivers != waiters->nr);
}

static pthread_t *start(struct waiters *waiters, void *(*body)(void *))
{
	pthread_t *threads = calloc(waiters->nr, sizeof(*threads));
	pthread_attr_t attr;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (i = 0; threads && i < waiters->nr; i++)
		if (pthread_create(&threads[i], &attr, body, waiters))
			errx(1, "cannot start a thread");
	let_them_wait(waiters);
	return threads;
}

static void finish(struct waiters *waiters, pthread_t *threads)
{
	unsigned int i;

	end(waiters->fd);
	for (i = 0; i < waiters->nr; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

/* A send that one of @size waiting receivers gets. */
static double cost_among_receivers(const struct row *row, unsigned int size)
{
	struct waiters waiters = { .row = row, .fd = mailbox(row->kind, 1), .nr = size };
	pthread_t *threads = start(&waiters, wait_to_receive);
	double costs[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		struct mbox_send send = row->send;

		send.tag = (i * 7) % size;
		MEASURE(costs[i], post(waiters.fd, &send));
		let_them_wait(&waiters);
	}
	finish(&waiters, threads);
	return measure_median(costs, ROUNDS);
}

/* A receive that lets one of @size waiting senders in. */
static double cost_among_senders(const struct row *row, unsigned int size)
{
	struct waiters waiters = { .row = row, .fd = mailbox(row->kind, 1), .nr = size };
	struct mbox_send send = row->send;
	double costs[ROUNDS];
	pthread_t *threads;
	unsigned int i;

	post(waiters.fd, &send);
	threads = start(&waiters, wait_to_send);
	for (i = 0; i < ROUNDS; i++) {
		struct mbox_recv recv = row->recv;

		MEASURE(costs[i], fetch(waiters.fd, &recv));
		let_them_wait(&waiters);
	}
	finish(&waiters, threads);
	return measure_median(costs, ROUNDS);
}

#define QUEUED	.cost = cost_among_messages, .unit = "queued", .sizes = { 1, 1000, 60000 }

/* By id comes first among mailboxes: the table of ids is as deep as the last one is large. */
static const struct row rows[] = {
	{ .name = "send and receive, one priority", QUEUED, .send.prio = 31 },
	{ .name = "send and receive, the least priority", QUEUED,
	  .recv.flags = MBOX_RECV_LEAST },
	{ .name = "send and look", QUEUED, .send.prio = 31, .recv.flags = MBOX_RECV_PEEK },
	{ .name = "send and receive by tag", QUEUED, .kind = MBOX_CREATE_BY_TAG,
	  .send.tag = 5, .recv = { .flags = MBOX_RECV_MATCH, .match = 5 } },
	{ .name = "send and receive by sender", QUEUED, .kind = MBOX_CREATE_BY_SENDER,
	  .recv.flags = MBOX_RECV_MATCH },
	{ .name = "send that expires and receive", QUEUED, .logarithmic = true,
	  .send = { .flags = MBOX_SEND_EXPIRES, .prio = 31 } },
	{ .name = "send to a waiting receiver", .cost = cost_among_receivers,
	  .unit = "waiting", .sizes = { 1, 1000 } },
	{ .name = "send to a receiver that waits for a tag", .cost = cost_among_receivers,
	  .unit = "waiting", .sizes = { 1, 1000 }, .kind = MBOX_CREATE_BY_TAG,
	  .recv.flags = MBOX_RECV_MATCH },
	{ .name = "receive that lets a sender in", .cost = cost_among_senders,
	  .unit = "waiting", .sizes = { 1, 1000 }, .kind = MBOX_CREATE_RESERVE },
	{ .name = "send and receive by id", .cost = cost_among_mailboxes,
	  .unit = "mailboxes", .sizes = { 1, 100000 }, .by_id = true },
	{ .name = "send and receive through a descriptor", .cost = cost_among_mailboxes,
	  .unit = "mailboxes", .sizes = { 1, 100000 } },
};

static unsigned int doublings(unsigned int from, unsigned int to)
{
	return from < to ? 1 + doublings(from * 2, to) : 0;
}

static void measure(const struct row *row)
{
	double least = INFINITY, most = 0, cost, allowed = FLAT, over;
	unsigned int i;

	printf("# %s:", row->name);
	for (i = 0; i < 3 && row->sizes[i]; i++) {
		cost = row->cost(row, row->sizes[i]);
		printf(" %.0f with %u %s%s", cost, row->sizes[i], row->unit,
		       i < 2 && row->sizes[i + 1] ? "," : "\n");
		least = cost < least ? cost : least;
		most = cost > most ? cost : most;
	}
	if (row->logarithmic)
		allowed = PER_DOUBLING * doublings(row->sizes[0], row->sizes[i - 1]);
	over = (most - least) / least;
	failed += over > allowed;
	printf("%s %d %s: %s, +%.1f %%\n", over > allowed ? "not ok" : "ok", ++tests, row->name,
	       row->logarithmic ? "logarithmic" : "flat", over * 100);
	fflush(stdout);
}

int main(void)
{
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	measure_begin();
	printf("TAP version 13\n1..%zu\n", sizeof(rows) / sizeof(rows[0]));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		measure(&rows[i]);
	return failed > 0;
}
