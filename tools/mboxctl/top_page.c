// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What mboxctl top writes: a head with what holds for all mailboxes, and a table. It
 * fits 80 columns, and has more where there are more.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text.h"
#include "top.h"

/* Lines above the table, its titles included, and below it. */
#define HEAD_LINES	7
#define FOOT_LINES	1

#define NAME_MIN	8
#define NAME_WANTED	16
#define BAR_WIDTH	10
#define CELL_SIZE	PRINTABLE_SIZE

static const struct {
	const char *name;
	const char *title;
	int width;
	bool right;
	/* Whether the largest comes first. */
	bool falling;
} columns[COLUMNS_OF_TOP] = {
	[ID] = { "id", "ID", 2, true, false },
	[NAME] = { "name", "NAME", NAME_MIN, false, false },
	[USER] = { "user", "USER", 8, false, false },
	[OWNER] = { "owner", "OWNER", 7, true, false },
	[MSGS] = { "msgs", "MSGS", 9, true, true },
	[FILL] = { "fill", "FILL", BAR_WIDTH, false, true },
	[BYTES] = { "bytes", "BYTES", 5, true, true },
	[SENT] = { "sent", "SENT/s", 6, true, true },
	[RECEIVED] = { "received", "RECV/s", 6, true, true },
	[REFUSED] = { "refused", "REF/s", 5, true, true },
	[WAITING] = { "waiting", "WAIT", 5, true, true },
	[P50] = { "p50", "P50", 5, true, true },
	[P99] = { "p99", "P99", 5, true, true },
};

int find_column(const char *name)
{
	for (int c = 0; c < COLUMNS_OF_TOP; c++)
		if (!strcmp(name, columns[c].name))
			return c;
	return -1;
}

/*
 * Order
 */

static double value_of(const struct row *row, enum column column)
{
	const struct mbox_stat *stat = &row->box->stat;

	switch (column) {
	case USER:
		return stat->uid;
	case OWNER:
		return stat->pid;
	case MSGS:
		return stat->msgs;
	case FILL:
		return fill_of(stat);
	case BYTES:
		return stat->bytes;
	case SENT:
		return row->sent;
	case RECEIVED:
		return row->received;
	case REFUSED:
		return row->refused;
	case WAITING:
		return (double)stat->senders + stat->receivers;
	case P50:
		return row->p50;
	case P99:
		return row->p99;
	default:
		return stat->id;
	}
}

static int compare_values(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_columns(const struct row *a, const struct row *b, enum column column)
{
	int order;

	if (column == NAME)
		order = strcmp((const char *)a->box->stat.name, (const char *)b->box->stat.name);
	else
		order = compare_values(value_of(a, column), value_of(b, column));
	return columns[column].falling ? -order : order;
}

/* Of those that are equal, the fuller ones, then the older ones come first. */
static int compare_rows(const void *one, const void *other, void *data)
{
	const struct row *a = one, *b = other;
	const struct view *view = data;
	int order = compare_columns(a, b, view->sort);

	if (view->reverse)
		order = -order;
	return order ?: compare_columns(a, b, MSGS) ?: compare_columns(a, b, ID);
}

void page_sort(struct sample *sample, const struct view *view)
{
	qsort_r(sample->rows, sample->count, sizeof(*sample->rows), compare_rows, (void *)view);
}

/*
 * Lines
 */

static void put(struct paper *paper, const char *text, enum ink ink)
{
	size_t len = strlen(text);

	if (paper->width)
		len = text_fitting(text, paper->width - paper->at);
	paper->put(text, len, ink);
	paper->at += width_of(text);
	if (paper->width && paper->at > paper->width)
		paper->at = paper->width;
}

static void say(struct paper *paper, enum ink ink, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct paper *paper, enum ink ink, const char *format, ...)
{
	char text[CELL_SIZE + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(paper, text, ink);
}

static void end_line(struct paper *paper)
{
	paper->end_line();
	paper->at = 0;
}

/*
 * The head
 */

static void write_first_line(struct paper *paper, const struct sample *sample,
			     const struct view *view)
{
	bool falling = columns[view->sort].falling != view->reverse;
	struct tm local;
	char clock[16];

	localtime_r(&sample->time, &local);
	strftime(clock, sizeof(clock), "%T", &local);
	say(paper, INK_TITLE, "mboxctl top");
	say(paper, INK_PLAIN, "  %s, every %g s, by %s%s", clock, view->interval / 1e9,
	    columns[view->sort].name, falling ? "" : ", rising");
	if (view->paused)
		say(paper, INK_WARNING, "  PAUSED");
	end_line(paper);
}

struct total {
	size_t used;
	size_t full;
	size_t orphans;
	size_t waiting;
	uint64_t msgs;
	uint64_t bytes;
	double sent;
	double received;
	double refused;
	bool compared;
};

static void add_row(struct total *total, const struct row *row)
{
	const struct mbox_stat *stat = &row->box->stat;

	total->used += stat->msgs > 0;
	total->full += is_full(stat);
	total->orphans += (stat->state & MBOX_STATE_ORPHAN) != 0;
	total->waiting += stat->senders || stat->receivers;
	total->msgs += stat->msgs;
	total->bytes += stat->bytes;
	total->sent += row->sent;
	total->received += row->received;
	total->refused += row->refused;
	total->compared |= row->compared;
}

static void write_mailboxes(struct paper *paper, const struct sample *sample,
			    const struct total *total)
{
	say(paper, INK_PLAIN, "Mailboxes: %zu, %zu with messages, ", sample->count, total->used);
	say(paper, total->full ? INK_ALARM : INK_PLAIN, "%zu full", total->full);
	say(paper, INK_PLAIN, ", %zu waited for, ", total->waiting);
	say(paper, total->orphans ? INK_WARNING : INK_PLAIN, "%zu without owner", total->orphans);
	end_line(paper);
}

static const char *rate(double number, char text[SHORT_SIZE])
{
	if (number > 0 && number < 9.95)
		snprintf(text, SHORT_SIZE, "%.1f", number);
	else
		short_number(number, 1000, text);
	return text;
}

static void write_messages(struct paper *paper, const struct total *total)
{
	char msgs[SHORT_SIZE], bytes[SHORT_SIZE];

	say(paper, INK_PLAIN, "Messages:  %s, %s bytes; ",
	    short_number(total->msgs, 1000, msgs), short_number(total->bytes, 1024, bytes));
	if (!total->compared) {
		say(paper, INK_PLAIN, "rates are known next time");
	} else {
		say(paper, INK_PLAIN, "a second: %s sent, ", rate(total->sent, msgs));
		say(paper, INK_PLAIN, "%s received, ", rate(total->received, msgs));
		say(paper, total->refused > 0 ? INK_ALARM : INK_PLAIN, "%s refused",
		    rate(total->refused, msgs));
	}
	end_line(paper);
}

struct quota {
	uint64_t used;
	uint64_t limit;
	int unit;
	const char *what;
};

/* Nine tenths are as good as all: somebody will soon be refused. */
static void write_quota(struct paper *paper, const struct quota *quota, const char *before)
{
	bool scarce = quota->used >= quota->limit / 10.0 * 9;
	char used[SHORT_SIZE], limit[SHORT_SIZE];

	put(paper, before, INK_PLAIN);
	say(paper, scarce ? INK_ALARM : INK_PLAIN, "%s/%s %s",
	    short_number(quota->used, quota->unit, used),
	    short_number(quota->limit, quota->unit, limit), quota->what);
}

static void write_quotas(struct paper *paper, const char *whose, const struct quota quotas[4])
{
	say(paper, INK_PLAIN, "Used by %s: ", whose);
	for (int i = 0; i < 4; i++)
		write_quota(paper, &quotas[i], i ? ", " : "");
	end_line(paper);
}

static void write_limits(struct paper *paper, const struct mbox_usage *usage)
{
	const struct quota user[] = {
		{ usage->user_mailboxes, usage->user_mailboxes_limit, 1000, "mailboxes" },
		{ usage->user_msgs, usage->user_msgs_limit, 1000, "msgs" },
		{ usage->user_bytes, usage->user_bytes_limit, 1024, "memory" },
		{ usage->user_files, usage->user_files_limit, 1000, "files" },
	};
	const struct quota all[] = {
		{ usage->ns_mailboxes, usage->ns_mailboxes_limit, 1000, "mailboxes" },
		{ usage->ns_msgs, usage->ns_msgs_limit, 1000, "msgs" },
		{ usage->ns_bytes, usage->ns_bytes_limit, 1024, "memory" },
		{ usage->ns_files, usage->ns_files_limit, 1000, "files" },
	};

	write_quotas(paper, shown_user(usage->uid), user);
	write_quotas(paper, "all", all);
}

static void write_head(struct paper *paper, const struct sample *sample, const struct view *view)
{
	struct total total = { 0 };

	for (size_t i = 0; i < sample->count; i++)
		add_row(&total, &sample->rows[i]);
	write_first_line(paper, sample, view);
	write_mailboxes(paper, sample, &total);
	write_messages(paper, &total);
	write_limits(paper, &sample->usage);
	end_line(paper);
}

/*
 * The table
 */

/* 0: the column is not shown. */
struct layout {
	int widths[COLUMNS_OF_TOP];
};

static int longest(const struct sample *sample, enum column column)
{
	int width, most = strlen(columns[column].title);
	char id[24];

	for (size_t i = 0; i < sample->count; i++) {
		const struct mbox_stat *stat = &sample->rows[i].box->stat;

		if (column == ID)
			width = snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)stat->id);
		else
			width = width_of(shown_name(stat));
		if (width > most)
			most = width;
	}
	return most;
}

/* Shows the column if that leaves the name as much as it wants. */
static void show_if_room(struct layout *layout, enum column column, int *room)
{
	int width = columns[column].width;

	if (*room < NAME_WANTED + width + 1)
		return;
	layout->widths[column] = width;
	*room -= width + 1;
}

static void lay_out(struct layout *layout, const struct paper *paper, const struct sample *sample)
{
	int room = paper->width ?: INT32_MAX;
	int name = longest(sample, NAME);

	for (int c = 0; c < COLUMNS_OF_TOP; c++)
		layout->widths[c] = columns[c].width;
	layout->widths[ID] = longest(sample, ID);
	layout->widths[NAME] = layout->widths[FILL] = layout->widths[USER] = 0;
	for (int c = 0; c < COLUMNS_OF_TOP; c++)
		if (layout->widths[c])
			room -= layout->widths[c] + 1;

	if (paper->width)
		show_if_room(layout, FILL, &room);
	show_if_room(layout, USER, &room);
	if (name < NAME_WANTED)
		name = NAME_WANTED;
	if (name > room)
		name = room;
	layout->widths[NAME] = name < NAME_MIN ? NAME_MIN : name;
}

enum column page_neighbour(const struct paper *paper, const struct sample *sample,
			   enum column column, int step)
{
	struct layout layout;
	int next = column;

	lay_out(&layout, paper, sample);
	do
		next = (next + step + COLUMNS_OF_TOP) % COLUMNS_OF_TOP;
	while (!layout.widths[next]);
	return next;
}

static void write_msgs(char cell[CELL_SIZE], const struct mbox_stat *stat)
{
	double rooms = stat->kind & MBOX_CREATE_INBOX ? stat->links : 1;
	char msgs[SHORT_SIZE], most[SHORT_SIZE];

	short_number(stat->msgs, 1000, msgs);
	if (stat->max_msgs == MBOX_UNBOUNDED)
		strcpy(cell, msgs);
	else
		snprintf(cell, CELL_SIZE, "%s/%s", msgs,
			 short_number(stat->max_msgs * rooms, 1000, most));
}

static void write_bar(char cell[CELL_SIZE], const struct mbox_stat *stat)
{
	double fill = fill_of(stat);
	int full = fill * BAR_WIDTH;

	if (stat->max_msgs == MBOX_UNBOUNDED && stat->max_bytes == MBOX_UNBOUNDED_BYTES) {
		strcpy(cell, "-");
		return;
	}
	/* Not empty looks so. */
	if (!full && fill > 0)
		full = 1;
	memset(cell, '#', full);
	memset(cell + full, '.', BAR_WIDTH - full);
	cell[BAR_WIDTH] = '\0';
}

static void write_waiting(char cell[CELL_SIZE], const struct mbox_stat *stat)
{
	char count[SHORT_SIZE];
	int len = 0;

	strcpy(cell, "-");
	if (stat->senders)
		len = sprintf(cell, "%ss", short_number(stat->senders, 1000, count));
	if (stat->receivers)
		sprintf(cell + len, "%sr", short_number(stat->receivers, 1000, count));
}

static void write_rate(char cell[CELL_SIZE], const struct row *row, double number)
{
	if (row->compared)
		rate(number, cell);
	else
		strcpy(cell, "-");
}

static void write_quantile(char cell[CELL_SIZE], uint64_t nanoseconds)
{
	uint64_t most = waited_from(MBOX_WAITED_BUCKETS - 1);

	if (nanoseconds == UINT64_MAX)
		snprintf(cell, CELL_SIZE, ">%.0fm", most / 60e9);
	else if (nanoseconds)
		short_time(nanoseconds, cell);
	else
		strcpy(cell, "-");
}

static void write_cell(char cell[CELL_SIZE], const struct row *row, enum column column)
{
	const struct mbox_stat *stat = &row->box->stat;

	switch (column) {
	case ID:
		snprintf(cell, CELL_SIZE, "%" PRIu64, (uint64_t)stat->id);
		break;
	case NAME:
		strcpy(cell, shown_name(stat));
		break;
	case USER:
		snprintf(cell, CELL_SIZE, "%s", shown_user(stat->uid));
		break;
	case OWNER:
		shown_pid(stat->pid, !(stat->state & MBOX_STATE_ORPHAN), cell);
		break;
	case MSGS:
		write_msgs(cell, stat);
		break;
	case FILL:
		write_bar(cell, stat);
		break;
	case BYTES:
		short_number(stat->bytes, 1024, cell);
		break;
	case SENT:
		write_rate(cell, row, row->sent);
		break;
	case RECEIVED:
		write_rate(cell, row, row->received);
		break;
	case REFUSED:
		write_rate(cell, row, row->refused);
		break;
	case WAITING:
		write_waiting(cell, stat);
		break;
	case P50:
		write_quantile(cell, row->p50);
		break;
	default:
		write_quantile(cell, row->p99);
	}
}

static enum ink ink_of(const struct row *row, enum column column)
{
	const struct mbox_stat *stat = &row->box->stat;
	double fill;

	switch (column) {
	case OWNER:
		return stat->state & MBOX_STATE_ORPHAN ? INK_WARNING : INK_PLAIN;
	case MSGS:
		return is_full(stat) ? INK_ALARM : INK_PLAIN;
	case REFUSED:
		return row->refused > 0 ? INK_ALARM : INK_PLAIN;
	case FILL:
		fill = fill_of(stat);
		if (is_full(stat))
			return INK_ALARM;
		return fill >= 0.75 ? INK_WARNING : fill > 0 ? INK_GOOD : INK_PLAIN;
	default:
		return INK_PLAIN;
	}
}

/* What is cut ends with a "+"; the last column is not padded. */
static void put_cell(struct paper *paper, const char *cell, enum column column, int width,
		     enum ink ink)
{
	int padding = width - width_of(cell);
	char cut[CELL_SIZE];

	if (padding < 0) {
		snprintf(cut, sizeof(cut), "%.*s+", (int)text_fitting(cell, width - 1), cell);
		cell = cut;
		padding = width - width_of(cell);
	}
	if (columns[column].right)
		say(paper, INK_PLAIN, "%*s", padding, "");
	put(paper, cell, ink);
	if (column + 1 == COLUMNS_OF_TOP)
		return;
	say(paper, INK_PLAIN, "%*s", columns[column].right ? 1 : padding + 1, "");
}

static void write_titles(struct paper *paper, const struct layout *layout, enum column sort)
{
	for (int c = 0; c < COLUMNS_OF_TOP; c++)
		if (layout->widths[c])
			put_cell(paper, columns[c].title, c, layout->widths[c],
				 c == (int)sort ? INK_CHOSEN : INK_TITLE);
	end_line(paper);
}

static void write_row(struct paper *paper, const struct layout *layout, const struct row *row)
{
	char cell[CELL_SIZE];

	for (int c = 0; c < COLUMNS_OF_TOP; c++) {
		if (!layout->widths[c])
			continue;
		write_cell(cell, row, c);
		put_cell(paper, cell, c, layout->widths[c], ink_of(row, c));
	}
	end_line(paper);
}

size_t page_rows(const struct paper *paper)
{
	int rows = paper->height - HEAD_LINES - FOOT_LINES;

	if (!paper->height)
		return SIZE_MAX;
	return rows > 0 ? rows : 0;
}

/* Where one can scroll. */
static void write_foot(struct paper *paper, size_t first, size_t end, size_t count)
{
	for (size_t row = end; row - first < page_rows(paper); row++)
		end_line(paper);
	say(paper, INK_TITLE, "q");
	say(paper, INK_PLAIN, " quit  ");
	say(paper, INK_TITLE, "h");
	say(paper, INK_PLAIN, " help");
	if (end - first < count)
		say(paper, INK_PLAIN, "  rows %zu to %zu of %zu", first + 1, end, count);
	end_line(paper);
}

void page_write(struct paper *paper, const struct sample *sample, const struct view *view)
{
	size_t first = view->first, end = sample->count;
	struct layout layout;

	lay_out(&layout, paper, sample);
	write_head(paper, sample, view);
	write_titles(paper, &layout, view->sort);
	if (end - first > page_rows(paper))
		end = first + page_rows(paper);
	for (size_t i = first; i < end; i++)
		write_row(paper, &layout, &sample->rows[i]);
	if (paper->height)
		write_foot(paper, first, end, sample->count);
}
