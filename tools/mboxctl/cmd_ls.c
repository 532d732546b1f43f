// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl ls: the mailboxes, a line each.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "mboxctl.h"

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
	struct mbox_stat *stats;
	size_t count;
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

/* In columns of the terminal, where bytes and characters may be wider. */
static int width_of(const char *cell)
{
	wchar_t wide[CELL_SIZE];
	size_t len = mbstowcs(wide, cell, CELL_SIZE);

	return len == (size_t)-1 ? (int)strlen(cell) : wcswidth(wide, len);
}

/* The last column is not padded, so that no line ends in blanks. */
static void print_cell(const char *cell, enum column column, int width)
{
	int padding = width - width_of(cell);

	if (columns[column].right)
		printf("%*s%s", padding, "", cell);
	else if (column + 1 < COLUMNS)
		printf("%s%*s", cell, padding, "");
	else
		fputs(cell, stdout);
	fputs(column + 1 < COLUMNS ? "  " : "\n", stdout);
}

static void print_table(const struct list *list)
{
	int widths[COLUMNS];
	char cell[CELL_SIZE];

	for (int c = 0; c < COLUMNS; c++) {
		widths[c] = strlen(columns[c].title);
		for (size_t i = 0; i < list->count; i++) {
			write_cell(cell, &list->stats[i], c);
			if (width_of(cell) > widths[c])
				widths[c] = width_of(cell);
		}
	}
	for (int c = 0; c < COLUMNS; c++)
		print_cell(columns[c].title, c, widths[c]);
	for (size_t i = 0; i < list->count; i++) {
		for (int c = 0; c < COLUMNS; c++) {
			write_cell(cell, &list->stats[i], c);
			print_cell(cell, c, widths[c]);
		}
	}
}

/* Few mailboxes have any; one that is gone meanwhile has none. */
static void find_granted(const struct mbox_stat *stat, struct granted *granted)
{
	int fd;

	granted->count = 0;
	if (!stat->grants)
		return;
	fd = mbox_open_id(stat->id, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	read_granted(fd, granted);
	close(fd);
}

static void print_json(const struct list *list)
{
	struct granted granted;

	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ",\n" : "[\n", stdout);
		find_granted(&list->stats[i], &granted);
		json_stat(&list->stats[i], &granted);
	}
	puts(list->count ? "\n]" : "[]");
}

static int append(struct list *list, const struct mbox_stat *stat)
{
	struct mbox_stat *stats = list->stats;

	/* Room doubles whenever the count is a power of two. */
	if (!(list->count & (list->count - 1))) {
		stats = reallocarray(stats, list->count ? 2 * list->count : 1, sizeof(*stats));
		if (!stats)
			return -1;
		list->stats = stats;
	}
	stats[list->count++] = *stat;
	return 0;
}

static int collect(struct list *list)
{
	struct mbox_stat stat = { 0 };
	int fd = open_device();

	if (fd < 0)
		return -fd;
	while (!mbox_next(fd, stat.id + 1, &stat))
		if (append(list, &stat))
			return fail(NULL, "the list");
	if (errno != ENOENT)
		return fail(NULL, MBOX_DEVICE);
	close(fd);
	return DONE;
}

int cmd_ls(int argc, char **argv)
{
	struct list list = { 0 };
	bool json = false;
	int code;

	code = parse_json_option(argc, argv, &json);
	if (code)
		return code;
	if (optind < argc)
		return wrong_usage("it takes no names; show tells about one mailbox");

	code = collect(&list);
	if (!code)
		(json ? print_json : print_table)(&list);
	free(list.stats);
	return code;
}
