// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How mboxctl monitor writes what has happened.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "colour.h"
#include "happening.h"

#define NAME_WIDTH	16

const struct bit events[] = {
	{ MBOX_EVENT_BIT(MBOX_EVENT_CREATED), "created" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_DELETED), "deleted" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_TRANSFERRED), "transferred" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_OFFERED), "offered" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_GRANTED), "granted" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_REVOKED), "revoked" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_ORPHANED), "orphaned" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_CLAIMED), "claimed" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_CHANGED), "changed" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_FULL), "full" },
	{ MBOX_EVENT_BIT(MBOX_EVENT_SPACE), "space" },
	{ 0, NULL }
};

static const struct bit changes[] = {
	{ CHANGE_APPEARED, "appeared" },
	{ CHANGE_VANISHED, "vanished" },
	{ CHANGE_OWNER, "owner" },
	{ CHANGE_OFFER, "offer" },
	{ CHANGE_GRANTS, "grants" },
	{ CHANGE_MODE, "mode" },
	{ CHANGE_FILLED, "filled" },
	{ 0, NULL }
};

/* An event newer than this program is called by its number. */
static const char *event_name(uint32_t what)
{
	static char number[24];

	if (what <= MBOX_EVENT_MAX)
		return events[what].name;
	snprintf(number, sizeof(number), "event-%" PRIu32, what);
	return number;
}

/*
 * For people
 */

/* Of each line the details are parts, with commas between, in columns of their own. */
static bool more;
static int padding;

static void part(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static void part(const char *format, ...)
{
	va_list args;

	if (more)
		fputs(", ", stdout);
	else
		printf("%*s  ", padding, "");
	more = true;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

static void write_time(uint64_t time)
{
	time_t seconds = time / NSEC_PER_SEC;
	struct tm local;
	char text[16];

	localtime_r(&seconds, &local);
	strftime(text, sizeof(text), "%T", &local);
	printf("%s.%03" PRIu64, text, time % NSEC_PER_SEC / 1000000);
}

static void begin_line(uint64_t time, const char *word, enum colour colour)
{
	more = false;
	write_time(time);
	fputs("  ", stdout);
	colour_begin(colour);
	printf("%-11s", word);
	colour_end(colour);
}

static void write_box(const struct mbox_stat *stat)
{
	const char *name = shown_name(stat);
	int width = width_of(name);

	printf("  %6" PRIu64 "  %s", (uint64_t)stat->id, name);
	padding = width < NAME_WIDTH ? NAME_WIDTH - width : 0;
}

/* As "4711 (program)", for as long as the process is there. */
#define PROCESS_SIZE	(PID_SIZE + PRINTABLE_SIZE + 4)

static const char *process(pid_t pid, char text[PROCESS_SIZE])
{
	char name[COMM_SIZE];

	if (!pid)
		return "a process that cannot be seen from here";
	if (read_comm(pid, name))
		snprintf(text, PROCESS_SIZE, "%" PRId32 " (%s)", pid, printable(name));
	else
		snprintf(text, PROCESS_SIZE, "%" PRId32, pid);
	return text;
}

static void part_actor(const struct netlink_event *event)
{
	char text[PROCESS_SIZE];

	if (event->actor)
		part("by %s", process(event->actor, text));
}

static void part_owner(const struct mbox_stat *stat)
{
	char text[PROCESS_SIZE];

	if (stat->state & MBOX_STATE_ORPHAN)
		part("no process owns it");
	else
		part("owned by %s", process(stat->pid, text));
}

static void part_offer(const struct mbox_stat *stat)
{
	char text[PROCESS_SIZE];

	if (stat->state & MBOX_STATE_OFFERED)
		part("offered to %s", process(stat->offered, text));
	else
		part("no longer offered");
}

static void part_mode(const struct mbox_stat *stat)
{
	char mode[MODE_SIZE];
	const char *group;

	shown_mode(stat->mode, mode);
	part("%s of %s", mode, shown_user(stat->uid));
	/* That of the user holds until now only. */
	group = group_name(stat->gid);
	if (group)
		printf(":%s", group);
	else
		printf(":%" PRIu32, stat->gid);
}

static void part_rights(const struct netlink_event *event)
{
	bool given = event->what == MBOX_EVENT_GRANTED;
	uint64_t set = event->rights;
	char text[PROCESS_SIZE];
	const char *name = take_bit(rights, &set);

	part("%s %s", process(event->process, text), given ? "may" : "may no longer");
	while (name) {
		printf(" %s", name);
		name = take_bit(rights, &set);
		if (name)
			fputs(" and", stdout);
	}
}

static void part_msgs(const struct mbox_stat *stat)
{
	if (stat->max_msgs == MBOX_UNBOUNDED)
		part("%" PRIu32 " messages", stat->msgs);
	else
		part("%" PRIu32 " of %" PRIu32 " messages", stat->msgs, stat->max_msgs);
	if (stat->max_bytes == MBOX_UNBOUNDED_BYTES)
		part("%" PRIu64 " bytes", (uint64_t)stat->bytes);
	else
		part("%" PRIu64 " of %" PRIu64 " bytes", (uint64_t)stat->bytes,
		     (uint64_t)stat->max_bytes);
}

static void write_details(const struct netlink_event *event)
{
	const struct mbox_stat *stat = &event->stat;
	char text[PROCESS_SIZE];

	switch (event->what) {
	case MBOX_EVENT_CREATED:
		if (stat->pid != event->actor)
			part_owner(stat);
		break;
	case MBOX_EVENT_DELETED:
		if (stat->msgs)
			part("with %" PRIu32 " message%s", stat->msgs, stat->msgs > 1 ? "s" : "");
		break;
	case MBOX_EVENT_TRANSFERRED:
		part("to %s", process(event->process, text));
		if (event->former)
			printf(" from %s", process(event->former, text));
		break;
	case MBOX_EVENT_OFFERED:
		part_offer(stat);
		break;
	case MBOX_EVENT_GRANTED:
	case MBOX_EVENT_REVOKED:
		part_rights(event);
		break;
	case MBOX_EVENT_ORPHANED:
		part("%s has ended", process(event->former, text));
		break;
	case MBOX_EVENT_CHANGED:
		part_mode(stat);
		break;
	case MBOX_EVENT_FULL:
		part_msgs(stat);
		if (event->count > 1)
			part("%" PRIu32 " times", event->count);
		break;
	case MBOX_EVENT_SPACE:
		part_msgs(stat);
		break;
	}
	part_actor(event);
}

static enum colour colour_of_event(uint32_t what)
{
	switch (what) {
	case MBOX_EVENT_FULL:
		return ALARM;
	case MBOX_EVENT_DELETED:
	case MBOX_EVENT_ORPHANED:
		return NOTICE;
	default:
		return PLAIN;
	}
}

static void print_event(const struct netlink_event *event)
{
	begin_line(event->time, event_name(event->what), colour_of_event(event->what));
	write_box(&event->stat);
	write_details(event);
	putchar('\n');
}

static void print_lost(uint64_t count)
{
	begin_line(read_clock(CLOCK_REALTIME), "lost", ALARM);
	if (count == SOME)
		fputs("  some events", stdout);
	else
		printf("  %" PRIu64 " event%s", count, count == 1 ? "" : "s");
	puts("; what is different now is found by looking");
}

static void print_found(const struct change *change, bool first)
{
	const struct mbox_stat *stat = change->now;
	bool appeared = change->what & CHANGE_APPEARED;

	begin_line(read_clock(CLOCK_REALTIME), "found", PLAIN);
	write_box(stat);
	if (appeared)
		part(first ? "it is there" : "it has appeared");
	if (change->what & CHANGE_VANISHED)
		part("it is gone, or cannot be seen any more");
	if (change->what & (CHANGE_APPEARED | CHANGE_OWNER))
		part_owner(stat);
	if (change->what & CHANGE_OFFER || (appeared && stat->state & MBOX_STATE_OFFERED))
		part_offer(stat);
	if (change->what & CHANGE_GRANTS)
		part("grants to %" PRIu32 " processes, not %" PRIu32, stat->grants,
		     change->before->grants);
	if (change->what & (CHANGE_APPEARED | CHANGE_MODE))
		part_mode(stat);
	if (change->what & CHANGE_FILLED)
		part("it was full %" PRIu64 " times", (uint64_t)(stat->filled -
								 change->before->filled));
	putchar('\n');
}

/*
 * In JSON
 */

static void json_mailbox(struct json *json, const char *key, const struct mbox_stat *stat)
{
	json_key(json, key);
	json_stat(stat);
}

static void end_object(void)
{
	json_end();
	putchar('\n');
}

static void json_event(const struct netlink_event *event)
{
	struct json json;

	json_begin(&json);
	json_text(&json, "event", event_name(event->what));
	json_number(&json, "seq", event->seq);
	json_number(&json, "time", event->time);
	json_number(&json, "actor", event->actor);
	json_number(&json, "process", event->process);
	json_number(&json, "participant", event->participant);
	json_number(&json, "former", event->former);
	json_bits(&json, "rights", rights, event->rights);
	json_number(&json, "count", event->count);
	json_mailbox(&json, "mailbox", &event->stat);
	end_object();
}

static void json_lost(uint64_t count)
{
	struct json json;

	json_begin(&json);
	json_text(&json, "event", "lost");
	json_number(&json, "time", read_clock(CLOCK_REALTIME));
	if (count == SOME)
		json_null(&json, "count");
	else
		json_number(&json, "count", count);
	end_object();
}

static void json_found(const struct change *change, bool first)
{
	static const struct bit there[] = {
		{ CHANGE_APPEARED, "there" },
		{ 0, NULL }
	};
	struct json json;

	json_begin(&json);
	json_text(&json, "event", "found");
	json_number(&json, "time", read_clock(CLOCK_REALTIME));
	json_bits(&json, "changes", first ? there : changes, change->what);
	json_mailbox(&json, "mailbox", change->now);
	if (change->before)
		json_mailbox(&json, "before", change->before);
	else
		json_null(&json, "before");
	end_object();
}

void write_event(const struct netlink_event *event, bool json)
{
	(json ? json_event : print_event)(event);
}

void write_lost(uint64_t count, bool json)
{
	(json ? json_lost : print_lost)(count);
}

void write_found(const struct change *change, bool first, bool json)
{
	(json ? json_found : print_found)(change, first);
}
