// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl top: how busy mailboxes are, again and again; here in plain lines.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "colour.h"
#include "top.h"
#include "watch.h"

struct top {
	struct view view;
	uint64_t looks;
	bool batch;
};

static void put(const char *text, size_t len, enum ink ink)
{
	static const enum colour colours[] = {
		[INK_TITLE] = HEADING,
		[INK_CHOSEN] = HEADING,
		[INK_WARNING] = NOTICE,
		[INK_ALARM] = ALARM,
	};

	colour_begin(colours[ink]);
	fwrite(text, len, 1, stdout);
	colour_end(colours[ink]);
}

static void end_line(void)
{
	putchar('\n');
}

/* Also when the reader of standard output goes, whom nothing would tell until then. */
static void wait_for_next(uint64_t interval)
{
	struct timespec timeout = { interval / NSEC_PER_SEC, interval % NSEC_PER_SEC };
	struct pollfd output = { .fd = STDOUT_FILENO };

	ppoll(&output, 1, &timeout, NULL);
}

static int print_pages(struct netlink *netlink, const struct top *top)
{
	struct paper paper = { .put = put, .end_line = end_line };
	struct sample sample = { 0 };
	int code = DONE;

	for (uint64_t i = 0; !top->looks || i < top->looks; i++) {
		if (i)
			wait_for_next(top->view.interval);
		if (sample_take(netlink, &sample)) {
			code = fail(watch_words, "the list");
			break;
		}
		if (i)
			putchar('\n');
		page_sort(&sample, &top->view);
		page_write(&paper, &sample, &top->view);
		if (fflush(stdout))
			break;
	}
	sample_free(&sample);
	return code;
}

static int run(struct netlink *netlink, struct top *top)
{
	int code = -1;

	if (!top->batch && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		code = run_screen(netlink, &top->view, top->looks);
	return code < 0 ? print_pages(netlink, top) : code;
}

static int parse_interval(const char *text, uint64_t *interval)
{
	int code = parse_seconds("-i", text, interval);

	if (!code && (*interval < INTERVAL_MIN || *interval > INTERVAL_MAX))
		return wrong_usage("-i %s: it takes seconds from 0.1 to 3600", printable(text));
	return code;
}

static int parse_sort(const char *name, enum column *sort)
{
	int column = find_column(name);

	if (column < 0)
		return wrong_usage("-s %s: there is no such column", printable(name));
	*sort = column;
	return 0;
}

static int take(int option, void *data)
{
	struct top *top = data;

	switch (option) {
	case 'b':
		top->batch = true;
		return 0;
	case 'i':
		return parse_interval(optarg, &top->view.interval);
	case 'n':
		return parse_number("-n", optarg, 1, UINT64_MAX, &top->looks);
	default:
		return parse_sort(optarg, &top->view.sort);
	}
}

int cmd_top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "batch", no_argument, NULL, 'b' },
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "sort", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 }
	};
	struct top top = { .view = { .sort = SENT, .interval = 2 * NSEC_PER_SEC } };
	struct netlink *netlink;
	int code;

	code = parse_options(argc, argv, "bi:n:s:", options, take, &top);
	if (code)
		return code;
	if (optind < argc)
		return wrong_usage("it takes no names; monitor can follow one mailbox");
	netlink = netlink_open();
	if (!netlink)
		return FAILED;
	code = run(netlink, &top);
	netlink_close(netlink);
	return code;
}
