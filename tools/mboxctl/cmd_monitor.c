// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl monitor: what happens to mailboxes, a line an event.
 *
 * Events are read one after the other, and each line is written before the next one is
 * read: whoever does not read the lines makes the kernel lose events, and nothing here
 * grows. After a loss it is what there is that tells what has happened: a list of the
 * mailboxes is compared with those known before, once the events that are not lost have
 * been read.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "happening.h"
#include "watch.h"

/* A burst of more than a thousand events. */
#define EVENTS_BUFFER	(1 << 20)

/* A line is written in one piece. */
#define LINE_BUFFER	16384

/* Those that change what is known of a mailbox. */
#define CHANGING	(MBOX_EVENT_ALL & ~(MBOX_EVENT_BIT(MBOX_EVENT_FULL) | \
					    MBOX_EVENT_BIT(MBOX_EVENT_SPACE)))

struct monitor {
	struct netlink *events;
	struct netlink *questions;
	struct known known;

	/* What is shown. */
	uint32_t chosen;
	char **boxes;
	bool json;
	bool list;
	uint64_t count;

	uint64_t shown;
	/* That of the last event. */
	uint64_t seq;
	/* Events were lost: nobody knows how many; what is known may be wrong. */
	bool uncounted;
	bool doubtful;
	/* The next gap has been told of. */
	bool excused;
	bool first;
};

/* Each event that has the other one among its causes. */
static uint32_t causes(uint32_t changes)
{
	uint32_t set = 0;

	if (changes & CHANGE_APPEARED)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_CREATED);
	if (changes & CHANGE_VANISHED)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_DELETED);
	if (changes & CHANGE_OWNER)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_TRANSFERRED) |
		       MBOX_EVENT_BIT(MBOX_EVENT_ORPHANED) | MBOX_EVENT_BIT(MBOX_EVENT_CLAIMED);
	if (changes & CHANGE_OFFER)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_OFFERED);
	if (changes & CHANGE_GRANTS)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_GRANTED) | MBOX_EVENT_BIT(MBOX_EVENT_REVOKED);
	if (changes & CHANGE_MODE)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_CHANGED);
	if (changes & CHANGE_FILLED)
		set |= MBOX_EVENT_BIT(MBOX_EVENT_FULL) | MBOX_EVENT_BIT(MBOX_EVENT_SPACE);
	return set;
}

static bool is_called(const struct mbox_stat *stat, const char *box)
{
	uint64_t id;

	if (isdigit((unsigned char)*box))
		return read_digits(&box, &id) && id == stat->id;
	return !strcmp(box, (const char *)stat->name);
}

static bool is_chosen(const struct monitor *monitor, const struct mbox_stat *stat)
{
	for (char **box = monitor->boxes; *box; box++)
		if (is_called(stat, *box))
			return true;
	return !*monitor->boxes;
}

/*
 * Waits for a descriptor, and meanwhile for the reader of standard output to go: that
 * is not to be noticed only when something happens. 0, or -1 with errno, EINTR if it is
 * time to end.
 */
static int wait_for(int fd, short what)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = what },
		{ .fd = STDOUT_FILENO },
	};

	do {
		if (watch_wait(fds, 2, NULL) < 0 && errno != EINTR)
			return -1;
		if (watch_ended()) {
			errno = EINTR;
			return -1;
		}
		if (fds[1].revents & POLLERR) {
			raise(SIGPIPE);
			errno = EPIPE;
			return -1;
		}
	} while (!fds[0].revents);
	return 0;
}

/* Signals do not interrupt a write, so it is begun when there is room for it. */
static int end_line(void)
{
	if (!wait_for(STDOUT_FILENO, POLLOUT))
		return fflush(stdout);
	__fpurge(stdout);
	return -1;
}

static int tell_found(const struct change *change, void *data)
{
	struct monitor *monitor = data;

	if (monitor->first && !monitor->list)
		return 0;
	if (!is_chosen(monitor, change->now))
		return 0;
	if (!monitor->first && !(causes(change->what) & monitor->chosen))
		return 0;
	write_found(change, monitor->first, monitor->json);
	return end_line();
}

static int tell_lost(const struct monitor *monitor, uint64_t count)
{
	write_lost(count, monitor->json);
	return end_line();
}

static int look(struct monitor *monitor)
{
	struct netlink_box *boxes;
	size_t count;
	int result;

	if (netlink_dump(monitor->questions, &boxes, &count))
		return -1;
	result = known_compare(&monitor->known, boxes, count, tell_found, monitor);
	free(boxes);
	monitor->first = false;
	return result;
}

/* All events from before the loss have been read. */
static int dispel_doubt(struct monitor *monitor)
{
	if (monitor->uncounted && tell_lost(monitor, SOME))
		return -1;
	monitor->excused = monitor->uncounted;
	monitor->uncounted = false;
	monitor->doubtful = false;
	return look(monitor);
}

static int check_seq(struct monitor *monitor, uint64_t seq)
{
	uint64_t gap = seq - monitor->seq - 1;
	bool excused = monitor->excused;

	monitor->seq = seq;
	monitor->excused = false;
	if (!gap || excused)
		return 0;
	monitor->uncounted = false;
	monitor->doubtful = true;
	return tell_lost(monitor, gap);
}

static int take_event(struct monitor *monitor, const struct netlink_event *event)
{
	bool known = event->what <= MBOX_EVENT_MAX;

	if (check_seq(monitor, event->seq) || known_update(&monitor->known, event))
		return -1;
	/* Of an event newer than this program, nobody could choose the name. */
	if (known ? !(monitor->chosen & MBOX_EVENT_BIT(event->what))
		  : monitor->chosen != MBOX_EVENT_ALL)
		return 0;
	if (!is_chosen(monitor, &event->stat))
		return 0;
	write_event(event, monitor->json);
	monitor->shown++;
	return end_line();
}

/* There is no event at hand. */
static int wait_for_event(struct monitor *monitor)
{
	if (monitor->doubtful)
		return dispel_doubt(monitor);
	if (known_outgrown(&monitor->known) && look(monitor))
		return -1;
	return wait_for(netlink_fd(monitor->events), POLLIN);
}

static int step(struct monitor *monitor)
{
	struct netlink_event event;

	if (!netlink_next(monitor->events, &event))
		return take_event(monitor, &event);
	if (errno == EAGAIN)
		return wait_for_event(monitor);
	if (errno == EINTR)
		return 0;
	if (errno != ENOBUFS)
		return -1;
	monitor->uncounted = true;
	monitor->doubtful = true;
	return 0;
}

static int follow(struct monitor *monitor)
{
	while (!monitor->count || monitor->shown < monitor->count)
		if (watch_ended() || step(monitor))
			return -1;
	return 0;
}

static int subscribe(struct monitor *monitor)
{
	netlink_set_buffer(monitor->events, EVENTS_BUFFER);
	netlink_set_nonblock(monitor->events);
	if (netlink_subscribe(monitor->events, monitor->chosen | CHANGING))
		return fail(watch_words, "events");
	return DONE;
}

static int run(struct monitor *monitor)
{
	static const int no_more[] = { 0 };
	int code = subscribe(monitor);

	if (code)
		return code;
	watch_begin(no_more);
	setvbuf(stdout, NULL, _IOFBF, LINE_BUFFER);
	monitor->first = true;
	if ((!look(monitor) && !follow(monitor)) || watch_ended())
		return DONE;
	if (errno == EPIPE || ferror(stdout))
		return fail(NULL, "standard output");
	return fail(watch_words, "events");
}

static int connect_and_run(struct monitor *monitor)
{
	int code = FAILED;

	monitor->events = netlink_open();
	if (!monitor->events)
		return FAILED;
	monitor->questions = netlink_open();
	if (monitor->questions) {
		code = run(monitor);
		netlink_close(monitor->questions);
	}
	netlink_close(monitor->events);
	known_free(&monitor->known);
	return code;
}

static int find_event(const char *name, size_t len, uint32_t *set)
{
	for (const struct bit *event = events; event->name; event++) {
		if (strlen(event->name) == len && !memcmp(event->name, name, len)) {
			*set |= event->bit;
			return 0;
		}
	}
	return -1;
}

static int parse_events(const char *text, uint32_t *set)
{
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (find_event(text, len, set))
			return wrong_usage("%.*s: there is no such event", (int)len,
					   printable(text));
		if (!text[len])
			return 0;
	}
}

static int take(int option, void *data)
{
	struct monitor *monitor = data;

	switch (option) {
	case 'l':
		monitor->list = true;
		return 0;
	case 'e':
		return parse_events(optarg, &monitor->chosen);
	case 'c':
		return parse_number("-c", optarg, 1, UINT64_MAX, &monitor->count);
	default:
		monitor->json = true;
		return 0;
	}
}

static int check_box(const char *box)
{
	const char *end = box;
	uint64_t id;
	bool valid;

	if (isdigit((unsigned char)*box))
		valid = read_digits(&end, &id) && !*end;
	else
		valid = *box && strlen(box) < MBOX_NAME_SIZE;
	return valid ? 0 : wrong_usage("%s: neither a name nor an id", printable(box));
}

int cmd_monitor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "events", required_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct monitor monitor = { 0 };
	int code;

	code = parse_options(argc, argv, "le:c:", options, take, &monitor);
	monitor.boxes = argv + optind;
	for (char **box = monitor.boxes; !code && *box; box++)
		code = check_box(*box);
	if (code)
		return code;
	if (!monitor.chosen)
		monitor.chosen = MBOX_EVENT_ALL;
	return connect_and_run(&monitor);
}
