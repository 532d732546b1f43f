// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl stat: what happens in an interval, line after line.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "colour.h"
#include "mboxctl.h"
#include "netlink.h"
#include "watch.h"

/* How many lines a terminal shows of a table whose titles have gone. */
#define PAGE		20

struct asking {
	uint64_t interval;
	/* 0: without end. */
	uint64_t count;
	bool json;
	bool all;
	unsigned int lines;
};

/* What there was to see at a time. */
struct look {
	struct netlink_box *boxes;
	size_t count;
	uint64_t time;
};

/* Of a mailbox, or of all: what came in an interval, and what is there at its end. */
struct sums {
	uint64_t sent;
	uint64_t received;
	uint64_t refused;
	uint64_t expired;
	uint64_t msgs;
	uint64_t bytes;
	uint64_t senders;
	uint64_t receivers;
	bool full;
};

#define LABEL_SIZE	24

/* The name or, if it has none, the id. */
static const char *label(const struct mbox_stat *stat, char id[LABEL_SIZE])
{
	if (*stat->name)
		return shown_name(stat);
	snprintf(id, LABEL_SIZE, "%" PRIu64, (uint64_t)stat->id);
	return id;
}

/*
 * Looking
 */

static int look_at_all(struct netlink *netlink, struct look *look)
{
	if (netlink_dump(netlink, &look->boxes, &look->count))
		return fail(NULL, "the list");
	return DONE;
}

/* At those that were seen before, if they are still there. */
static int look_again(struct netlink *netlink, const struct look *before, struct look *look)
{
	static const struct words words[] = {
		{ EACCES, "no right to it any more" },
		{ ENODEV, "the module has gone" },
		{ 0, NULL }
	};
	char id[LABEL_SIZE];

	look->boxes = calloc(before->count, sizeof(*look->boxes));
	look->count = 0;
	if (!look->boxes && before->count)
		return fail(NULL, "the list");
	for (size_t i = 0; i < before->count; i++) {
		if (!netlink_get_id(netlink, before->boxes[i].stat.id, &look->boxes[look->count]))
			look->count++;
		else if (errno != EIDRM)
			return fail(words, "%s", label(&before->boxes[i].stat, id));
	}
	return DONE;
}

static int look_at_named(struct netlink *netlink, char **names, size_t count, struct look *look)
{
	int code = DONE;

	look->boxes = calloc(count, sizeof(*look->boxes));
	if (!look->boxes)
		return fail(NULL, "the list");
	for (look->count = 0; look->count < count && !code; look->count++)
		code = find_box(netlink, names[look->count], &look->boxes[look->count]);
	return code;
}

/*
 * Comparing two looks
 */

static void add(struct sums *sums, const struct mbox_stat *before, const struct mbox_stat *after)
{
	sums->sent += after->sent - before->sent;
	sums->received += after->received - before->received;
	sums->refused += after->refused - before->refused;
	sums->expired += after->expired - before->expired;
	sums->msgs += after->msgs;
	sums->bytes += after->bytes;
	sums->senders += after->senders;
	sums->receivers += after->receivers;
	sums->full = sums->full || is_full(after);
}

/*
 * Both are by rising id. A mailbox with an id beyond all that were there is new; one
 * that was there but could not be seen has done what it has at some other time.
 */
static struct sums sum_up(const struct look *before, const struct look *after)
{
	static const struct mbox_stat new;
	uint64_t last = before->count ? before->boxes[before->count - 1].stat.id : 0;
	struct sums sums = { 0 };
	size_t b = 0;

	for (size_t a = 0; a < after->count; a++) {
		const struct mbox_stat *stat = &after->boxes[a].stat;

		while (b < before->count && before->boxes[b].stat.id < stat->id)
			b++;
		if (b < before->count && before->boxes[b].stat.id == stat->id)
			add(&sums, &before->boxes[b].stat, stat);
		else
			add(&sums, stat->id > last ? &new : stat, stat);
	}
	return sums;
}

/* Those of @after were all there before, in the same order. */
static struct sums sums_of(const struct look *before, const struct mbox_stat *stat)
{
	struct sums sums = { 0 };

	for (size_t i = 0; i < before->count; i++) {
		if (before->boxes[i].stat.id != stat->id)
			continue;
		add(&sums, &before->boxes[i].stat, stat);
		break;
	}
	return sums;
}

/*
 * Printing
 */

#define NAME_WIDTH	15

static void print_titles(bool all)
{
	colour_begin(HEADING);
	if (!all)
		printf("%-*s  ", NAME_WIDTH, "NAME");
	printf("%9s %9s %9s %9s %9s %11s %7s %9s", "SENT/S", "RECV/S", "REFUSED/S", "EXPIRED/S",
	       "MSGS", "BYTES", "SENDERS", "RECEIVERS");
	colour_end(HEADING);
	putchar('\n');
}

static void print_rate(uint64_t count, double seconds)
{
	double rate = count / seconds;

	printf("%9.*f ", rate < 100 ? 1 : 0, rate);
}

static void print_line(const struct sums *sums, double seconds)
{
	enum colour colour = sums->full ? ALARM : PLAIN;

	print_rate(sums->sent, seconds);
	print_rate(sums->received, seconds);
	print_rate(sums->refused, seconds);
	print_rate(sums->expired, seconds);
	colour_begin(colour);
	printf("%9" PRIu64 " %11" PRIu64, sums->msgs, sums->bytes);
	colour_end(colour);
	printf(" %7" PRIu64 " %9" PRIu64 "\n", sums->senders, sums->receivers);
}

static void print_name(const struct mbox_stat *stat)
{
	char id[LABEL_SIZE];
	const char *name = label(stat, id);

	printf("%s%*s  ", name, NAME_WIDTH > width_of(name) ? NAME_WIDTH - width_of(name) : 0, "");
}

/* @stat is NULL for all mailboxes, of which there are @count. */
static void print_object(const struct mbox_stat *stat, size_t count, const struct sums *sums,
			 double seconds)
{
	struct json json;

	json_begin(&json);
	json_number(&json, "realtime", read_clock(CLOCK_REALTIME));
	json_rate(&json, "seconds", seconds);
	if (stat) {
		json_number(&json, "id", stat->id);
		json_name(&json, stat);
	} else {
		json_number(&json, "mailboxes", count);
	}
	json_rate(&json, "sent_rate", sums->sent / seconds);
	json_rate(&json, "received_rate", sums->received / seconds);
	json_rate(&json, "refused_rate", sums->refused / seconds);
	json_rate(&json, "expired_rate", sums->expired / seconds);
	json_number(&json, "msgs", sums->msgs);
	json_number(&json, "bytes", sums->bytes);
	json_number(&json, "senders", sums->senders);
	json_number(&json, "receivers", sums->receivers);
	json_end();
	putchar('\n');
}

static void print(struct asking *asking, const struct mbox_stat *stat, size_t count,
		  const struct sums *sums, double seconds)
{
	if (asking->json) {
		print_object(stat, count, sums, seconds);
		return;
	}
	if (!asking->lines || (asking->lines % PAGE == 0 && isatty(STDOUT_FILENO)))
		print_titles(!stat);
	asking->lines++;
	if (stat)
		print_name(stat);
	print_line(sums, seconds);
}

static void compare(struct asking *asking, const struct look *before, const struct look *after)
{
	double seconds = (double)(after->time - before->time) / NSEC_PER_SEC;
	struct sums sums;

	if (asking->all) {
		sums = sum_up(before, after);
		print(asking, NULL, after->count, &sums, seconds);
		return;
	}
	for (size_t i = 0; i < after->count; i++) {
		sums = sums_of(before, &after->boxes[i].stat);
		print(asking, &after->boxes[i].stat, 1, &sums, seconds);
	}
}

/*
 * Going on
 */

/* Up to a time on CLOCK_MONOTONIC; false if it is to end. */
static bool wait_until(uint64_t time)
{
	do {
		uint64_t at = read_clock(CLOCK_MONOTONIC), left = time > at ? time - at : 0;
		struct timespec rest = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };

		watch_wait(NULL, 0, &rest);
		if (watch_ended())
			return false;
	} while (read_clock(CLOCK_MONOTONIC) < time);
	return true;
}

static int look(struct netlink *netlink, const struct asking *asking, const struct look *before,
		struct look *after)
{
	int code = asking->all ? look_at_all(netlink, after) : look_again(netlink, before, after);

	after->time = read_clock(CLOCK_MONOTONIC);
	return code;
}

/* Lines keep their pace, however long one took; those that come too late are left out. */
static uint64_t next_time(uint64_t last, uint64_t interval)
{
	uint64_t next, earliest = read_clock(CLOCK_MONOTONIC);

	if (__builtin_add_overflow(last, interval, &next))
		return UINT64_MAX;
	return next < earliest ? earliest : next;
}

static int go_on(struct netlink *netlink, struct asking *asking, struct look *before)
{
	static const int no_more[] = { 0 };
	struct look after = { 0 };
	uint64_t done = 0, next = before->time;
	int code = DONE;

	watch_begin(no_more);
	while (!code && (!asking->count || done++ < asking->count)) {
		next = next_time(next, asking->interval);
		if (!wait_until(next))
			break;
		code = look(netlink, asking, before, &after);
		if (!code)
			compare(asking, before, &after);
		free(before->boxes);
		*before = after;
		after.boxes = NULL;
		if (code || (!asking->all && !before->count) || fflush(stdout))
			break;
	}
	return code;
}

static int watch(struct asking *asking, char **names, size_t count)
{
	struct netlink *netlink = netlink_open();
	struct look first = { 0 };
	int code;

	if (!netlink)
		return FAILED;
	asking->all = !count;
	code = count ? look_at_named(netlink, names, count, &first) : look_at_all(netlink, &first);
	first.time = read_clock(CLOCK_MONOTONIC);
	if (!code)
		code = go_on(netlink, asking, &first);
	free(first.boxes);
	netlink_close(netlink);
	return code;
}

static int take(int option, void *data)
{
	struct asking *asking = data;

	switch (option) {
	case 'i':
		return parse_seconds("-i", optarg, &asking->interval);
	case 'c':
		return parse_number("-c", optarg, 1, UINT64_MAX, &asking->count);
	default:
		asking->json = true;
		return 0;
	}
}

int cmd_stat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct asking asking = { .interval = NSEC_PER_SEC };
	int code;

	code = parse_options(argc, argv, "i:c:", options, take, &asking);
	if (code)
		return code;
	if (!asking.interval)
		return wrong_usage("-i 0: there would be no time for anything to happen");
	return watch(&asking, argv + optind, argc - optind);
}
