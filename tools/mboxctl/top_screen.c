// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl top on a terminal: a screen that is drawn anew each time, and keys. Signals
 * come while it waits for those, at no other time: so none meets ncurses at work.
 */
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#include "colour.h"
#include "top.h"
#include "watch.h"

struct screen {
	struct netlink *netlink;
	struct view *view;
	struct sample sample;
	struct paper paper;
	/* How many more; 0: any number. */
	uint64_t looks;
	/* When the next one is due, CLOCK_MONOTONIC. */
	uint64_t next;
	bool help;
	bool quit;
};

static volatile sig_atomic_t continued;
static int line;

static void note_continued(int signal)
{
	(void)signal;
	continued = 1;
}

/*
 * Drawing
 */

enum { RED = 1, YELLOW, GREEN };

static void set_up_colours(void)
{
	if (!colours_are_wanted() || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	init_pair(RED, COLOR_RED, -1);
	init_pair(YELLOW, COLOR_YELLOW, -1);
	init_pair(GREEN, COLOR_GREEN, -1);
}

/* Pairs that were not made have no colour. */
static attr_t attributes(enum ink ink)
{
	switch (ink) {
	case INK_TITLE:
		return A_BOLD;
	case INK_CHOSEN:
		return A_BOLD | A_REVERSE;
	case INK_GOOD:
		return COLOR_PAIR(GREEN);
	case INK_WARNING:
		return COLOR_PAIR(YELLOW);
	case INK_ALARM:
		return A_BOLD | COLOR_PAIR(RED);
	default:
		return A_NORMAL;
	}
}

static void put(const char *text, size_t len, enum ink ink)
{
	if (line >= LINES)
		return;
	attrset(attributes(ink));
	addnstr(text, len);
	attrset(A_NORMAL);
}

static void end_line(void)
{
	move(++line, 0);
}

static void draw_help(void)
{
	static const char *const rows[] = {
		"mboxctl top: how busy mailboxes are",
		"",
		"  q                     quit",
		"  < >  left right       sort by the column to the left, or to the right",
		"  r                     the other way round",
		"  p  space              pause, and go on",
		"  + -                   look less often, or more often",
		"  up down  PgUp PgDn    scroll; so do Home and End",
		"",
		"  MSGS  BYTES           messages queued, of how many, and their bytes",
		"  SENT/s  RECV/s        messages sent and received, a second",
		"  REF/s                 sends that were refused for want of room",
		"  WAIT                  calls that wait: s to send, r to receive",
		"  P50  P99              of the messages received since the last look, half and",
		"                        99 % had been in the queue for less than that",
		"",
		"Any key: back",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && (int)i < LINES; i++)
		mvaddnstr(i, 0, rows[i], COLS);
}

/* Scrolling does not leave the rows, however many there are now. */
static void keep_in_range(struct screen *screen)
{
	size_t count = screen->sample.count, rows = page_rows(&screen->paper);
	size_t most = count > rows ? count - rows : 0;

	if (screen->view->first > most)
		screen->view->first = most;
}

static void draw(struct screen *screen)
{
	screen->paper.width = COLS;
	screen->paper.height = LINES;
	screen->paper.at = 0;
	line = 0;
	keep_in_range(screen);

	/* Others have had the terminal. */
	if (continued) {
		continued = 0;
		reset_prog_mode();
		clearok(curscr, TRUE);
	}
	erase();
	if (screen->help)
		draw_help();
	else
		page_write(&screen->paper, &screen->sample, screen->view);
	move(LINES - 1, COLS - 1);
	refresh();
}

/*
 * Keys
 */

static void scroll_by(struct screen *screen, int64_t rows)
{
	size_t *first = &screen->view->first;

	if (rows < 0 && (size_t)-rows > *first)
		*first = 0;
	else
		*first += rows;
}

static void sort_by(struct screen *screen, int step)
{
	screen->view->sort = page_neighbour(&screen->paper, &screen->sample,
					    screen->view->sort, step);
	screen->view->reverse = false;
	screen->view->first = 0;
}

/* From now on, as if it had always been so. */
static void set_interval(struct screen *screen, uint64_t interval)
{
	if (interval < INTERVAL_MIN)
		interval = INTERVAL_MIN;
	if (interval > INTERVAL_MAX)
		interval = INTERVAL_MAX;
	screen->next = screen->sample.at + interval;
	screen->view->interval = interval;
}

static void take_key(struct screen *screen, int key)
{
	struct view *view = screen->view;
	int64_t page = page_rows(&screen->paper);

	if (key == KEY_RESIZE)
		return;
	if (screen->help && key != 'q') {
		screen->help = false;
		return;
	}

	switch (key) {
	case 'q':
	case 'Q':
		screen->quit = true;
		break;
	case 'h':
	case '?':
		screen->help = true;
		break;
	case '<':
	case ',':
	case KEY_LEFT:
		sort_by(screen, -1);
		break;
	case '>':
	case '.':
	case KEY_RIGHT:
		sort_by(screen, 1);
		break;
	case 'r':
		view->reverse = !view->reverse;
		break;
	case 'p':
	case ' ':
		view->paused = !view->paused;
		break;
	case '+':
	case '=':
		set_interval(screen, view->interval * 2);
		break;
	case '-':
		set_interval(screen, view->interval / 2);
		break;
	case KEY_UP:
		scroll_by(screen, -1);
		break;
	case KEY_DOWN:
		scroll_by(screen, 1);
		break;
	case KEY_PPAGE:
		scroll_by(screen, -page);
		break;
	case KEY_NPAGE:
		scroll_by(screen, page);
		break;
	case KEY_HOME:
		view->first = 0;
		break;
	case KEY_END:
		view->first = screen->sample.count;
		break;
	case 'L' & 31:
		continued = 1;
		break;
	}
}

static void take_keys(struct screen *screen)
{
	int key;

	while ((key = getch()) != ERR) {
		take_key(screen, key);
		keep_in_range(screen);
	}
	page_sort(&screen->sample, screen->view);
}

/*
 * The loop
 */

/* 0, or -1 with errno. */
static int look(struct screen *screen)
{
	uint64_t begin = read_clock(CLOCK_MONOTONIC);

	if (screen->view->paused || begin < screen->next)
		return 0;
	if (screen->looks && !--screen->looks) {
		screen->quit = true;
		return 0;
	}
	if (sample_take(screen->netlink, &screen->sample))
		return -1;
	page_sort(&screen->sample, screen->view);
	screen->next = begin + screen->view->interval;
	return 0;
}

/* A terminal that has gone has no keys, but it is not waited for either. */
static void wait_for_keys(struct screen *screen)
{
	uint64_t at = read_clock(CLOCK_MONOTONIC), left = screen->next > at ? screen->next - at : 0;
	struct timespec timeout = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	watch_wait(&input, 1, screen->view->paused ? NULL : &timeout);
	take_keys(screen);
	if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
		screen->quit = true;
}

static int watch(struct screen *screen)
{
	for (;;) {
		if (look(screen))
			return -1;
		if (screen->quit || watch_ended())
			return 0;
		draw(screen);
		wait_for_keys(screen);
	}
}

/* ncurses handles SIGTSTP and SIGWINCH. */
static void set_up_signals(void)
{
	static const int signals[] = { SIGTSTP, SIGWINCH, SIGCONT, 0 };
	struct sigaction action = { .sa_handler = note_continued };

	sigaction(SIGCONT, &action, NULL);
	watch_begin(signals);
}

static bool can_be_drawn_on(void)
{
	int error;
	bool can;

	if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return false;
	can = cursor_address;
	del_curterm(cur_term);
	return can;
}

int run_screen(struct netlink *netlink, struct view *view, uint64_t looks)
{
	struct screen screen = {
		.netlink = netlink,
		.view = view,
		/* The last one is shown for as long as the others. */
		.looks = looks ? looks + 1 : 0,
		.paper = { .put = put, .end_line = end_line },
	};
	SCREEN *terminal = can_be_drawn_on() ? newterm(NULL, stdout, stdin) : NULL;
	int error = 0;

	if (!terminal)
		return -1;
	set_up_signals();
	set_up_colours();
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(25);

	if (watch(&screen))
		error = errno;
	endwin();
	delscreen(terminal);
	sample_free(&screen.sample);
	if (!error)
		return DONE;
	errno = error;
	return fail(watch_words, "the list");
}
