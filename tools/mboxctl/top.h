/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mboxctl top shows (top_sample.c), how (top_page.c), and on which paper: plain
 * lines (cmd_top.c) or a screen (top_screen.c).
 */
#ifndef MBOXCTL_TOP_H
#define MBOXCTL_TOP_H

#include "mboxctl.h"
#include "netlink.h"

/* A mailbox, and what has happened to it since the sample before. */
struct row {
	const struct netlink_box *box;
	/* Whether it was there then; if not, nothing is known of the rest. */
	bool compared;
	/* A second. */
	double sent;
	double received;
	double refused;
	/*
	 * In nanoseconds: half of what was received, and 99 %, took less. 0: none was,
	 * UINT64_MAX: it took longer than is counted.
	 */
	uint64_t p50;
	uint64_t p99;
};

/* All mailboxes at one moment. */
struct sample {
	struct netlink_box *boxes;
	struct row *rows;
	size_t count;
	/* CLOCK_MONOTONIC, and what the clock on the wall says. */
	uint64_t at;
	time_t time;
	struct mbox_usage usage;
};

/*
 * Makes a new one of the last one. Returns 0, or -1 with errno, and then the last one
 * is as it was.
 */
int sample_take(struct netlink *netlink, struct sample *sample);
void sample_free(struct sample *sample);

/* How full a mailbox is, up to 1; 0 if there is no bound. */
double fill_of(const struct mbox_stat *stat);

enum column {
	ID, NAME, USER, OWNER, MSGS, FILL, BYTES, SENT, RECEIVED, REFUSED, WAITING, P50, P99,
	COLUMNS_OF_TOP,
};

/* The column of that name, or -1. */
int find_column(const char *name);

/* What the user chooses. */
struct view {
	enum column sort;
	bool reverse;
	bool paused;
	/* In nanoseconds. */
	uint64_t interval;
	/* The first row that is shown, of those sorted. */
	size_t first;
};

enum ink { INK_PLAIN, INK_TITLE, INK_CHOSEN, INK_GOOD, INK_WARNING, INK_ALARM };

/* Where a page goes; @width and @height: 0 if there is no bound. */
struct paper {
	int width;
	int height;
	void (*put)(const char *text, size_t len, enum ink ink);
	void (*end_line)(void);
	/* Columns written of the line so far. */
	int at;
};

void page_sort(struct sample *sample, const struct view *view);
/* The rows that fit below the head. */
size_t page_rows(const struct paper *paper);
void page_write(struct paper *paper, const struct sample *sample, const struct view *view);
/* The one that is shown @step columns to the right, or to the left. */
enum column page_neighbour(const struct paper *paper, const struct sample *sample,
			   enum column column, int step);

/*
 * On the terminal, until the user ends it: the exit code. -1: this terminal is none
 * that a screen can be drawn on. @looks: how many; 0: any number.
 */
int run_screen(struct netlink *netlink, struct view *view, uint64_t looks);

/* The shortest interval, and the longest one. */
#define INTERVAL_MIN	UINT64_C(100000000)
#define INTERVAL_MAX	UINT64_C(3600000000000)

#endif /* MBOXCTL_TOP_H */
