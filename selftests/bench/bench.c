// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mbox beside its peers. Each series is a workload at several points; at each point all
 * transports take their turns, round by round, first in the root memory cgroup and then
 * in one below it. What they cost for each operation is printed as JSON, a line for each,
 * for selftests/bench/report and plot: in instructions in a guest that counts them, the mean
 * of one round, which is as good as many, elsewhere in nanoseconds, the median, which means
 * little but for the ratios, each of two costs of one round.
 *
 * BENCH in the environment names the series to measure, separated by commas: all by default.
 */
#include <err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "workload.h"

#define ROUNDS		7
#define SAMPLES		33
#define GROUP		"bench"
#define LENGTH(array)	(sizeof(array) / sizeof((array)[0]))

/* The first is what others are compared to. */
static const struct transport *const peers[] = {
	&mbox, &mbox_stream, &mqueue, &sysv, &seqpacket, &dgram, &pipes, &ring, NULL,
};

static const struct transport *const by_descriptor_or_id[] = {
	&mbox, &mbox_by_id, &mqueue, &sysv, &seqpacket, &dgram, &pipes, NULL,
};

static const struct transport *const kinds[] = {
	&mbox, &mbox_by_tag, &mbox_by_sender, &mqueue, &sysv, &seqpacket, &dgram, &pipes, NULL,
};

static const struct transport *const alone[] = { &mbox, NULL };

#define TRANSPORTS	8

struct series {
	const char *name;
	const struct workload *workload;	/* NULL: the memory of messages */
	const struct transport *const *by;
	const char *unit;			/* of what varies */
	size_t varies;				/* member of struct point */
	unsigned int xs[8];
	struct point at;
	bool counted_only;
	unsigned int peers_up_to;		/* beyond only mbox is measured, unless 0 */
};

#define VARIES(member, name)	.varies = offsetof(struct point, member), .unit = name
#define SIZES	VARIES(size, "bytes"), .xs = { 16, 64, 256, 1024, 4096, 16384, 65536 }
#define LARGE_SIZES	VARIES(size, "bytes"), .xs = { 65536, 262144, 1048576, 4194304, 16777216 }
#define NUMBERS(name)	VARIES(processes, name), .xs = { 1, 4, 16, 64 }

static const struct series all[] = {
	{ "send-and-receive", &pair, peers, SIZES, .at = { .depth = 1 } },
	{ "one-way", &one_way, peers, SIZES, .at = { .depth = 64, .processes = 1, .batch = 1 } },
	{ "batches", &one_way, peers, VARIES(batch, "in a batch"), .xs = { 1, 8, 64 },
	  .at = { .size = 64, .depth = 64, .processes = 1 } },
	{ "round-trip", &round_trip, peers, SIZES, .at = { .depth = 1, .processes = 1 } },
	{ "request-reply", &request, peers, SIZES, .at = { .depth = 1, .processes = 1 } },
	{ "fan-in", &one_way, peers, NUMBERS("senders"),
	  .at = { .size = 64, .depth = 64, .batch = 1 } },
	{ "fan-out", &fan_out, peers, NUMBERS("receivers"), .at = { .size = 64, .depth = 64 } },
	{ "queued", &among_queued, peers, VARIES(depth, "queued"), .xs = { 1, 100, 1000, 60000 },
	  .at = { .size = 16 } },
	{ "create-delete", &create_delete, by_descriptor_or_id, VARIES(size, "bytes"), .xs = { 64 } },
	{ "shared-memory", &shared_memory, alone, LARGE_SIZES },
	{ "shared-huge-pages", &shared_huge_pages, alone, LARGE_SIZES },
	{ "channels", &among_channels, by_descriptor_or_id, VARIES(channels, "channels"),
	  .xs = { 1, 1000, 10000, 100000 }, .at = { .size = 64, .depth = 1 }, .counted_only = true,
	  .peers_up_to = 1000 },
	{ "memory", NULL, kinds, VARIES(size, "bytes"), .xs = { 16 }, .at = { .depth = 50000 },
	  .counted_only = true },
};

struct result {
	double costs[ROUNDS];
	double samples[ROUNDS * SAMPLES];
	bool works;
};

static unsigned int rounds;

/*
 * Time is disturbed by what else the machine does, instructions by little but the tick. A
 * sample is not as long as it takes until everybody has had their turn: so no median is taken
 * of those.
 */
static double cost_of(double *samples, size_t nr)
{
	return measure_counts ? measure_mean(samples, nr) : measure_median(samples, nr);
}

static struct point point_of(const struct series *series, unsigned int x)
{
	struct point at = series->at;

	memcpy((char *)&at + series->varies, &x, sizeof(x));
	return at;
}

/* It is the same each time: there are no rounds of it. */
static void take_memory(const struct series *series, const struct point *at, unsigned int i,
			struct result *result)
{
	result->works = memory_measure(series->by[i], at, GROUP, &result->costs[0]);
	result->samples[0] = result->costs[0];
}

static void take_round(const struct series *series, const struct point *at, unsigned int i,
		       unsigned int round, struct result *result)
{
	double costs[SAMPLES];

	if (round && !result->works)
		return;
	result->works = workload_measure(series->workload, series->by[i], at, costs, SAMPLES);
	if (!result->works)
		return;
	memcpy(result->samples + round * SAMPLES, costs, sizeof(costs));
	result->costs[round] = cost_of(costs, SAMPLES);
}

static double ratio_to(const struct result *first, const struct result *other)
{
	double ratios[ROUNDS];
	unsigned int i;

	for (i = 0; i < rounds; i++)
		ratios[i] = first->costs[i] / other->costs[i];
	return measure_median(ratios, rounds);
}

/* The ratio is of the first transport's cost to this one's. */
static void print_result(const struct series *series, unsigned int x, const char *group,
			 const struct transport *by, struct result *result, double ratio)
{
	const char *unit = measure_counts ? "instructions" : "nanoseconds";
	size_t nr = series->workload ? rounds * SAMPLES : 1;

	printf("# {\"series\":\"%s\",\"x\":%u,\"of\":\"%s\",",
	       series->name, x, series->unit);
	printf("\"cgroup\":\"%s\",\"by\":\"%s\",\"unit\":\"%s\",",
	       group ? "inside" : "root", by->name, series->workload ? unit : "bytes");
	printf("\"cost\":%.1f,\"p99\":%.1f,\"ratio\":%.4f}\n",
	       cost_of(result->samples, nr), measure_percentile(result->samples, nr, 99), ratio);
}

static bool takes_part(const struct series *series, unsigned int x, const struct transport *by)
{
	return by->ours || !series->peers_up_to || x <= series->peers_up_to;
}

static void measure_point(const struct series *series, unsigned int x, const char *group)
{
	static struct result results[TRANSPORTS];
	struct point at = point_of(series, x);
	double ratios[TRANSPORTS];
	unsigned int round, i;

	group_enter(group);
	memset(results, 0, sizeof(results));
	for (round = 0; round < rounds; round++)
		for (i = 0; series->by[i]; i++)
			if (!takes_part(series, x, series->by[i]))
				continue;
			else if (series->workload)
				take_round(series, &at, i, round, &results[i]);
			else
				take_memory(series, &at, i, &results[i]);
	for (i = 0; series->by[i]; i++)
		ratios[i] = ratio_to(&results[0], &results[i]);
	for (i = 0; series->by[i]; i++)
		if (results[i].works)
			print_result(series, x, group, series->by[i], &results[i], ratios[i]);
	fflush(stdout);
}

static void measure_series(const struct series *series)
{
	unsigned int i;

	for (i = 0; i < LENGTH(series->xs) && series->xs[i]; i++) {
		/* Nobody pays for memory in the root. */
		if (series->workload)
			measure_point(series, series->xs[i], NULL);
		measure_point(series, series->xs[i], GROUP);
	}
}

static bool is_chosen(const struct series *series, const char *names)
{
	char list[256], name[64];

	snprintf(list, sizeof(list), ",%s,", names);
	snprintf(name, sizeof(name), ",%s,", series->name);
	return !*names || strstr(list, name);
}

/* A name that is none would be passed over. */
static void check(const char *names)
{
	unsigned int i, named = *names != 0, found = 0;
	const char *name;

	for (name = names; *name; name++)
		named += *name == ',';
	for (i = 0; i < LENGTH(all); i++)
		found += *names && is_chosen(&all[i], names);
	if (found != named)
		errx(1, "not all of these are series: %s", names);
}

int main(void)
{
	const char *names = getenv("BENCH") ? getenv("BENCH") : "";
	unsigned int i, done = 0;

	check(names);
	measure_begin();
	rounds = measure_counts ? 1 : ROUNDS;
	printf("TAP version 13\n");
	for (i = 0; i < LENGTH(all); i++) {
		if (!is_chosen(&all[i], names) || (all[i].counted_only && !measure_counts))
			continue;
		measure_series(&all[i]);
		printf("ok %u %s\n", ++done, all[i].name);
		fflush(stdout);
	}
	if (done)
		printf("1..%u\n", done);
	else
		printf("1..0 # SKIP these can be counted only\n");
	return 0;
}
