// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl ls: the mailboxes, a line each.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "colour.h"
#include "mboxctl.h"
#include "netlink.h"

enum column { ID, NAME, MODE, OWNER, PID, MSGS, BYTES, LARGEST, WAITING, COLUMNS };

static const struct {
	const char *title;
	bool right;
} columns[COLUMNS] = {
	[ID] = { "ID", true },
	[NAME] = { "NAME", false },
	[MODE] = { "MODE", false },
	[OWNER] = { "OWNER", false },
	[PID] = { "PID", true },
	[MSGS] = { "MSGS", true },
	[BYTES] = { "BYTES", true },
	[LARGEST] = { "LARGEST", true },
	[WAITING] = { "WAITING", false },
};

#define CELL_SIZE	PRINTABLE_SIZE

struct list {
	struct netlink_box *boxes;
	size_t count;
	struct netlink_grant *grants;
	size_t grants_count;
};

#define UNITS_SIZE	32

/* 65536 is "64K", 65537 is "65537": what is shown is exact. */
static const char *in_units(uint64_t bytes, char text[UNITS_SIZE])
{
	static const char units[][2] = { "", "K", "M", "G" };
	int unit = 0;

	while (bytes && bytes % 1024 == 0 && unit < 3) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, UNITS_SIZE, "%" PRIu64 "%s", bytes, units[unit]);
	return text;
}

static void write_waiting(char cell[CELL_SIZE], const struct mbox_stat *stat)
{
	int len = 0;

	if (stat->senders)
		len = snprintf(cell, CELL_SIZE, "%" PRIu32 " send", stat->senders);
	if (stat->receivers)
		len += snprintf(cell + len, CELL_SIZE - len, "%s%" PRIu32 " recv",
				len ? " " : "", stat->receivers);
	if (stat->requests)
		len += snprintf(cell + len, CELL_SIZE - len, "%s%" PRIu32 " reply",
				len ? " " : "", stat->requests);
	if (!len)
		strcpy(cell, "-");
}

/*
 * What is queued, and of how much, if there is a bound. Of an inbox that is how much of
 * each link.
 */
static void write_msgs(char cell[CELL_SIZE], const struct mbox_stat *stat)
{
	if (stat->max_msgs == MBOX_UNBOUNDED)
		snprintf(cell, CELL_SIZE, "%" PRIu32, stat->msgs);
	else if (stat->kind & MBOX_CREATE_INBOX)
		snprintf(cell, CELL_SIZE, "%" PRIu32 "/%" PRIu32 "x%" PRIu32, stat->msgs,
			 stat->max_msgs, stat->links);
	else
		snprintf(cell, CELL_SIZE, "%" PRIu32 "/%" PRIu32, stat->msgs, stat->max_msgs);
}

static void write_bytes(char cell[CELL_SIZE], const struct mbox_stat *stat)
{
	char units[UNITS_SIZE];

	if (stat->max_bytes == MBOX_UNBOUNDED_BYTES)
		snprintf(cell, CELL_SIZE, "%" PRIu64, (uint64_t)stat->bytes);
	else
		snprintf(cell, CELL_SIZE, "%" PRIu64 "/%s", (uint64_t)stat->bytes,
			 in_units(stat->max_bytes, units));
}

static void write_cell(char cell[CELL_SIZE], const struct mbox_stat *stat, enum column column)
{
	switch (column) {
	case ID:
		snprintf(cell, CELL_SIZE, "%" PRIu64, (uint64_t)stat->id);
		break;
	case NAME:
		snprintf(cell, CELL_SIZE, "%s", shown_name(stat));
		break;
	case MODE:
		shown_mode(stat->mode, cell);
		break;
	case OWNER:
		snprintf(cell, CELL_SIZE, "%s", shown_user(stat->uid));
		break;
	case PID:
		shown_pid(stat->pid, !(stat->state & MBOX_STATE_ORPHAN), cell);
		break;
	case MSGS:
		write_msgs(cell, stat);
		break;
	case BYTES:
		write_bytes(cell, stat);
		break;
	case LARGEST:
		in_units(stat->max_size, cell);
		break;
	default:
		write_waiting(cell, stat);
	}
}

static enum colour colour_of_cell(const struct mbox_stat *stat, enum column column)
{
	if ((column == MSGS || column == BYTES) && is_full(stat))
		return ALARM;
	if (column == PID && stat->state & MBOX_STATE_ORPHAN)
		return NOTICE;
	return PLAIN;
}

/* The last column is not padded, so that no line ends in blanks. */
static void print_cell(const char *cell, enum column column, int width, enum colour colour)
{
	int padding = width - width_of(cell);
	bool right = columns[column].right, last = column + 1 == COLUMNS;

	printf("%*s", right ? padding : 0, "");
	colour_begin(colour);
	fputs(cell, stdout);
	colour_end(colour);
	printf("%*s", right || last ? 0 : padding, "");
	fputs(last ? "\n" : "  ", stdout);
}

static void print_line(const struct mbox_stat *stat, const int widths[COLUMNS])
{
	char cell[CELL_SIZE];

	for (int c = 0; c < COLUMNS; c++) {
		write_cell(cell, stat, c);
		print_cell(cell, c, widths[c], colour_of_cell(stat, c));
	}
}

static void print_table(const struct list *list)
{
	int widths[COLUMNS];
	char cell[CELL_SIZE];

	for (int c = 0; c < COLUMNS; c++) {
		widths[c] = strlen(columns[c].title);
		for (size_t i = 0; i < list->count; i++) {
			write_cell(cell, &list->boxes[i].stat, c);
			if (width_of(cell) > widths[c])
				widths[c] = width_of(cell);
		}
	}
	for (int c = 0; c < COLUMNS; c++)
		print_cell(columns[c].title, c, widths[c], HEADING);
	for (size_t i = 0; i < list->count; i++)
		print_line(&list->boxes[i].stat, widths);
}

static void print_json(const struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ",\n" : "[\n", stdout);
		json_box(&list->boxes[i], list->grants, list->grants_count);
	}
	puts(list->count ? "\n]" : "[]");
}

/* As they are, for programs; a terminal might obey them. */
static void print_names(const struct list *list)
{
	bool plain = !isatty(STDOUT_FILENO);

	for (size_t i = 0; i < list->count; i++) {
		const struct mbox_stat *stat = &list->boxes[i].stat;
		const char *name = (const char *)stat->name;

		if (*name)
			puts(plain ? name : printable(name));
		else
			printf("%" PRIu64 "\n", (uint64_t)stat->id);
	}
}

static void print_ids(const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		printf("%" PRIu64 "\n", (uint64_t)list->boxes[i].stat.id);
}

/*
 * Which of them, and in which order
 */

/* No user has that number. */
#define ANY_UID	UINT32_MAX

struct asking {
	const char *sort;
	bool descending;
	uint32_t uid;
	pid_t pid;
	bool full;
	bool orphan;
	bool waiting;
	void (*print)(const struct list *list);
	/* Up to NULL. */
	char **patterns;
};

static bool suits_patterns(const struct mbox_stat *stat, char **patterns)
{
	const char *name = (const char *)stat->name;
	char id[24];

	if (!*patterns)
		return true;
	snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)stat->id);
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, id, 0) || (*name && !fnmatch(*patterns, name, 0)))
			return true;
	return false;
}

static bool suits(const struct mbox_stat *stat, const struct asking *asking)
{
	if (asking->uid != ANY_UID && stat->uid != asking->uid)
		return false;
	if (asking->pid && stat->pid != asking->pid)
		return false;
	if (asking->full && !is_full(stat))
		return false;
	if (asking->orphan && !(stat->state & MBOX_STATE_ORPHAN))
		return false;
	if (asking->waiting && !stat->senders && !stat->receivers && !stat->requests)
		return false;
	return suits_patterns(stat, asking->patterns);
}

static void choose(struct list *list, const struct asking *asking)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (suits(&list->boxes[i].stat, asking))
			list->boxes[kept++] = list->boxes[i];
	list->count = kept;
}

/* False if no number is called so. */
static bool find_number(const struct mbox_stat *stat, const char *key, uint64_t *value)
{
	const struct number more[] = {
		{ "id", stat->id, NULL },
		{ "mode", stat->mode, NULL },
		{ "uid", stat->uid, NULL },
		{ "gid", stat->gid, NULL },
		{ "pid", stat->pid, NULL },
		{ "offered", stat->offered, NULL },
	};
	struct number numbers[NUMBERS + 6];

	numbers_of(stat, numbers);
	memcpy(numbers + NUMBERS, more, sizeof(more));
	for (int i = 0; i < NUMBERS + 6; i++) {
		if (strcmp(numbers[i].key, key))
			continue;
		*value = numbers[i].value;
		return true;
	}
	return false;
}

static int compare(const void *left, const void *right, void *data)
{
	const struct mbox_stat *a = &((const struct netlink_box *)left)->stat;
	const struct mbox_stat *b = &((const struct netlink_box *)right)->stat;
	const struct asking *asking = data;
	uint64_t this, that;
	int order;

	if (find_number(a, asking->sort, &this) && find_number(b, asking->sort, &that))
		order = (this > that) - (this < that);
	else
		order = strcmp((const char *)a->name, (const char *)b->name);
	if (!order)
		return (a->id > b->id) - (a->id < b->id);
	return asking->descending ? -order : order;
}

/* Most have no grants. */
static bool has_grants(const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->boxes[i].stat.grants)
			return true;
	return false;
}

static int collect(struct list *list, struct asking *asking)
{
	struct netlink *netlink = netlink_open();
	int code = DONE;

	if (!netlink)
		return FAILED;
	if (netlink_dump(netlink, &list->boxes, &list->count))
		code = fail(NULL, "the list");
	choose(list, asking);
	if (!code && asking->print == print_json && has_grants(list) &&
	    netlink_grants(netlink, 0, &list->grants, &list->grants_count))
		code = fail(NULL, "the grants");
	netlink_close(netlink);
	if (!code && asking->sort)
		qsort_r(list->boxes, list->count, sizeof(*list->boxes), compare, asking);
	return code;
}

static int take_sort(const char *text, struct asking *asking)
{
	static const struct mbox_stat any;
	uint64_t value;

	asking->descending = *text == '-';
	asking->sort = text + asking->descending;
	if (!strcmp(asking->sort, "name") || find_number(&any, asking->sort, &value))
		return 0;
	return wrong_usage("--sort %s: it takes \"name\", or what a number is called in --json",
			   printable(text));
}

static int take(int option, void *data)
{
	struct asking *asking = data;

	switch (option) {
	case 's':
		return take_sort(optarg, asking);
	case 'u':
		return parse_user(optarg, &asking->uid);
	case 'p':
		return parse_pid(optarg, &asking->pid);
	case 'f':
		asking->full = true;
		return 0;
	case 'o':
		asking->orphan = true;
		return 0;
	case 'w':
		asking->waiting = true;
		return 0;
	case 'n':
		asking->print = print_names;
		return 0;
	case 'i':
		asking->print = print_ids;
		return 0;
	default:
		asking->print = print_json;
		return 0;
	}
}

int cmd_ls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "sort", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ "pid", required_argument, NULL, 'p' },
		{ "full", no_argument, NULL, 'f' },
		{ "orphan", no_argument, NULL, 'o' },
		{ "waiting", no_argument, NULL, 'w' },
		{ "names", no_argument, NULL, 'n' },
		{ "ids", no_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct asking asking = { .uid = ANY_UID, .print = print_table };
	struct list list = { 0 };
	int code;

	code = parse_options(argc, argv, "", options, take, &asking);
	if (code)
		return code;
	asking.patterns = argv + optind;

	code = collect(&list, &asking);
	if (!code)
		asking.print(&list);
	free(list.boxes);
	free(list.grants);
	return code;
}
