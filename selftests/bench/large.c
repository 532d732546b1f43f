// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From which size on to share a message is cheaper than to copy it. Each size goes
 * through a mailbox in three ways, in turns, so that what else the machine does meets
 * all alike:
 *
 *   copied   written to a buffer, sent, received into another one
 *   shared   the same buffer, by mbox_send_large() and mbox_recv_large()
 *   filled   written in place, by mbox_large_alloc() and mbox_send_filled()
 *
 * In all of them the sender writes all of the message, and the receiver reads it. Tells
 * the median of each, of the ratios to copied, and how many times the cheapest round the
 * dearest one of each cost: where that is much, the median says little. In instructions
 * in a guest whose clock counts these (selftests/vm/vm cost large), and any sleep counts
 * there as the time to the next timer; elsewhere in nanoseconds.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mbox.h>

#include "measure.h"

#define LARGEST		((size_t)16 << 20)
#define ROUNDS		33	/* at most; odd, so no median is a mean of two */
#define BUDGET		((size_t)64 << 20) /* bytes of one way and size, for the larger ones */
#define FEWEST		9

static int copying, sharing;	/* mailboxes */
static char *from, *to;
static volatile uint64_t sink;

static void produce(void *data, size_t len)
{
	static unsigned char value;

	memset(data, ++value, len);
}

static void consume(const void *data, size_t len)
{
	const uint64_t *words = data;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < len / sizeof(*words); i++)
		sum += words[i];
	sink = sum;
}

static void copied(size_t len)
{
	produce(from, len);
	if (mbox_send(copying, from, len, 0, 0, NULL))
		err(1, "cannot send %zu bytes", len);
	if (mbox_recv(copying, to, len, NULL, 0, NULL) != (ssize_t)len)
		err(1, "cannot receive %zu bytes", len);
	consume(to, len);
}

static void take(size_t len)
{
	struct mbox_large large = { 0 };

	if (mbox_recv_large(sharing, &large, NULL, NULL) || large.len != len)
		err(1, "cannot receive %zu bytes of shared memory", len);
	consume(large.data, len);
	mbox_large_free(&large);
}

static void shared(size_t len)
{
	produce(from, len);
	if (mbox_send_large(sharing, from, len, NULL))
		err(1, "cannot share %zu bytes", len);
	take(len);
}

static void filled(size_t len)
{
	struct mbox_large large = { 0 };

	if (mbox_large_alloc(&large, len))
		err(1, "no memory for %zu bytes", len);
	produce(large.data, len);
	if (mbox_send_filled(sharing, &large, NULL))
		err(1, "cannot send %zu bytes", len);
	take(len);
}

static void (*const ways[])(size_t len) = { copied, shared, filled };

#define WAYS	(sizeof(ways) / sizeof(ways[0]))

static void measure(size_t len)
{
	unsigned int rounds = BUDGET / len, round, way;
	double costs[WAYS][ROUNDS], ratios[WAYS][ROUNDS];

	rounds = rounds > ROUNDS ? ROUNDS : rounds < FEWEST ? FEWEST : rounds | 1;
	for (way = 0; way < WAYS; way++)
		ways[way](len);
	for (round = 0; round < rounds; round++) {
		for (way = 0; way < WAYS; way++) {
			uint64_t before = measure_now();

			ways[way](len);
			costs[way][round] = measure_now() - before;
		}
		for (way = 0; way < WAYS; way++)
			ratios[way][round] = costs[way][round] / costs[0][round];
	}
	printf("# %8zu", len);
	for (way = 0; way < WAYS; way++)
		printf(" %12.0f", measure_median(costs[way], rounds));
	for (way = 1; way < WAYS; way++)
		printf(" %8.2f", measure_median(ratios[way], rounds));
	/* They are in order by now. */
	for (way = 0; way < WAYS; way++)
		printf(" %8.2f", costs[way][rounds - 1] / costs[way][0]);
	printf("\n");
	fflush(stdout);
}

/* Messages of that size are more than is usually allowed. */
static void raise_limit(void)
{
	FILE *limit = fopen("/proc/sys/net/mbox/max_size", "r+");
	unsigned long size;

	if (!limit || fscanf(limit, "%lu", &size) != 1)
		err(1, "cannot read the limit of messages");
	rewind(limit);
	if (size < LARGEST && (fprintf(limit, "%zu", LARGEST) < 0 || fflush(limit)))
		err(1, "cannot raise the limit of messages");
	fclose(limit);
}

static int create(uint32_t flags, uint32_t max_size)
{
	struct mbox_attr attr = {
		.max_msgs = 1, .flags = flags, .max_size = max_size, .mode = 0600,
	};
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot create a mailbox");
	return fd;
}

int main(void)
{
	size_t len;

	measure_begin();
	raise_limit();
	copying = create(0, LARGEST);
	sharing = create(MBOX_FILES | MBOX_EMPTY_ONLY, 0);
	from = malloc(LARGEST);
	to = malloc(LARGEST);
	if (!from || !to)
		errx(1, "no memory");
	memset(from, 1, LARGEST);
	memset(to, 1, LARGEST);
	printf("TAP version 13\n1..1\n");
	printf("# %8s %12s %12s %12s %8s %8s %26s\n", "bytes", "copied", "shared", "filled",
	       "shared/", "filled/", "dearest round of each");
	for (len = 4096; len <= LARGEST; len *= 2)
		measure(len);
	if (mbox_delete(copying) || mbox_delete(sharing))
		err(1, "cannot delete the mailboxes");
	printf("ok 1 sizes were measured\n");
	return 0;
}
