// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl show: the attributes and counters of a mailbox.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "mboxctl.h"
#include "netlink.h"

struct grants {
	struct netlink_grant *list;
	size_t count;
};

/* "bytes_high" is the longest of them. */
static void print_key(const char *key)
{
	colour_begin(HEADING);
	printf("%s:", key);
	colour_end(HEADING);
	printf("%*s", 11 - (int)strlen(key), "");
}

static void print_owner(const char *key, uint32_t number, const char *name)
{
	print_key(key);
	if (name)
		printf("%" PRIu32 " (%s)\n", number, name);
	else
		printf("%" PRIu32 "\n", number);
}

static void print_mode(uint32_t mode)
{
	char letters[MODE_SIZE];

	shown_mode(mode, letters);
	print_key("mode");
	printf("%04" PRIo32 " (%s)\n", mode, letters);
}

static void print_bits(const struct bit *names, uint64_t set, char between)
{
	const char *name = take_bit(names, &set);

	fputs(name ?: "-", stdout);
	while (name && (name = take_bit(names, &set)))
		printf("%c%s", between, name);
}

static void print_pid(const struct mbox_stat *stat)
{
	bool orphan = stat->state & MBOX_STATE_ORPHAN;
	enum colour colour = orphan ? NOTICE : PLAIN;
	char text[PID_SIZE];

	shown_pid(stat->pid, !orphan, text);
	print_key("pid");
	colour_begin(colour);
	printf("%s%s", text, orphan ? " (orphan)" : "");
	colour_end(colour);
	putchar('\n');
}

static void print_offered(const struct mbox_stat *stat)
{
	char text[PID_SIZE];

	shown_pid(stat->offered, stat->state & MBOX_STATE_OFFERED, text);
	print_key("offered");
	puts(text);
}

/* Rights are written as the command grant takes them. */
static void print_grants(const struct grants *grants)
{
	char text[PID_SIZE];

	for (size_t i = 0; i < grants->count; i++) {
		shown_pid(grants->list[i].pid, true, text);
		print_key("grants");
		printf("%s ", text);
		print_bits(rights, grants->list[i].rights, ',');
		printf(" (participant %" PRIu64 ")\n", grants->list[i].participant);
	}
	if (!grants->count) {
		print_key("grants");
		puts("-");
	}
}

static void print_number(const struct number *number, enum colour colour)
{
	print_key(number->key);
	colour_begin(colour);
	if (number->instead)
		fputs(number->instead, stdout);
	else
		printf("%" PRIu64, number->value);
	colour_end(colour);
	putchar('\n');
}

static void print_stat(const struct mbox_stat *stat, const struct grants *grants)
{
	struct number numbers[NUMBERS];

	print_key("id");
	printf("%" PRIu64 "\n", (uint64_t)stat->id);
	print_key("name");
	printf("%s\n", shown_name(stat));
	print_mode(stat->mode);
	print_owner("uid", stat->uid, user_name(stat->uid));
	print_owner("gid", stat->gid, group_name(stat->gid));
	print_pid(stat);
	print_offered(stat);
	print_grants(grants);
	print_key("kind");
	print_bits(kinds, stat->kind, ' ');
	putchar('\n');

	numbers_of(stat, numbers);
	for (int i = 0; i < NUMBERS; i++) {
		bool queued = !strcmp(numbers[i].key, "msgs") || !strcmp(numbers[i].key, "bytes");

		print_number(&numbers[i], queued && is_full(stat) ? ALARM : PLAIN);
	}
}

/*
 * The time in the queue
 */

#define TIME_SIZE	16

/* Three digits say enough about a power of two. */
static const char *shown_time(uint64_t nanoseconds, char text[TIME_SIZE])
{
	static const char units[][4] = { "ns", "us", "ms", "s" };
	double time = nanoseconds;
	int unit = 0;

	while (time >= 1000 && unit < 3) {
		time /= 1000;
		unit++;
	}
	snprintf(text, TIME_SIZE, "%.*f %s", unit == 0 || time >= 100 ? 0 : time >= 10 ? 1 : 2,
		 time, units[unit]);
	return text;
}

static void print_percentiles(const uint64_t waited[MBOX_WAITED_BUCKETS])
{
	static const unsigned int percents[] = { 50, 90, 99 };
	char text[TIME_SIZE];

	print_key("waited");
	for (int i = 0; i < 3; i++) {
		int bucket = waited_percentile(waited, percents[i]);
		bool last = bucket == MBOX_WAITED_BUCKETS - 1;

		printf("%sp%u %s %s", i ? ", " : "", percents[i], last ? ">=" : "<",
		       shown_time(waited_from(last ? bucket : bucket + 1), text));
	}
	putchar('\n');
}

#define BAR	40

static void print_bucket(int bucket, uint64_t count, uint64_t most)
{
	char from[TIME_SIZE], below[TIME_SIZE] = "", bar[BAR + 1] = "";
	int len = (double)count / most * BAR;

	/* However few they are, they are seen. */
	if (count && !len)
		len = 1;
	memset(bar, '#', len);
	if (bucket < MBOX_WAITED_BUCKETS - 1)
		shown_time(waited_from(bucket + 1), below);
	printf("  %7s .. %7s  %-*s  %" PRIu64 "\n", shown_time(waited_from(bucket), from), below,
	       BAR, bar, count);
}

/* From the first bucket that has any to the last. */
static void print_chart(const uint64_t waited[MBOX_WAITED_BUCKETS])
{
	int first = 0, last = MBOX_WAITED_BUCKETS - 1;
	uint64_t most = 0;

	while (!waited[first])
		first++;
	while (!waited[last])
		last--;
	for (int i = first; i <= last; i++)
		if (waited[i] > most)
			most = waited[i];
	for (int i = first; i <= last; i++)
		print_bucket(i, waited[i], most);
}

static void print_waited(const uint64_t waited[MBOX_WAITED_BUCKETS])
{
	if (!waited_sum(waited)) {
		print_key("waited");
		puts("-");
		return;
	}
	print_percentiles(waited);
	print_chart(waited);
}

/* Grants of a mailbox that is gone meanwhile are none. */
static int ask(const char *name, struct netlink_box *box, struct grants *grants)
{
	struct netlink *netlink = netlink_open();
	int code;

	if (!netlink)
		return FAILED;
	code = find_box(netlink, name, box);
	if (!code && netlink_grants(netlink, box->stat.id, &grants->list, &grants->count) &&
	    errno != EIDRM && errno != EACCES)
		code = fail(NULL, "%s", printable(name));
	netlink_close(netlink);
	return code;
}

int cmd_show(int argc, char **argv)
{
	struct grants grants = { 0 };
	struct netlink_box box;
	bool json = false;
	int code;

	code = parse_json_option(argc, argv, &json);
	if (code)
		return code;
	if (argc != optind + 1)
		return wrong_usage("which mailbox? It takes one.");
	code = ask(argv[optind], &box, &grants);
	if (code)
		return code;

	if (json) {
		json_box(&box, grants.list, grants.count);
		putchar('\n');
	} else {
		print_stat(&box.stat, &grants);
		print_waited(box.waited);
	}
	free(grants.list);
	return DONE;
}
