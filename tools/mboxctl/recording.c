// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines of a recording. Most are the kernel's, as trace_pipe, trace-cmd report and perf
 * script print them:
 *
 *          lamport-212     [001] ...1.    12.345678: mbox_send: net=4026531833 id=...
 *
 * Before the time there may be anything, for a process calls itself as it likes; but
 * its name is too short for a time, a colon and the name of an event. Lines that begin
 * with "# " and one of our words are our own, and say what those of the kernel don't:
 *
 *	# process PARTICIPANT PID NAME
 *	# mailbox NET ID NAME
 *	# inbox NET ID
 *	# program PID
 *
 * with what is no character of a line, and the backslash, as \xHH in NAME. All other
 * lines are passed over; but an event without its numbers is an error.
 */
#include <ctype.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"
#include "recording.h"

struct field {
	const char *key;
	size_t offset;
};

#define FIELD(key, member)	{ key, offsetof(struct event, member) }
#define MAX_FIELDS		9

/* What must be there; the kernel tells more. */
static const struct {
	const char *name;
	struct field fields[MAX_FIELDS];
} kinds_of_events[EVENT_KINDS] = {
	[SENT] = { "mbox_send", {
		FIELD("net", net), FIELD("id", id), FIELD("seq", seq), FIELD("from", who),
		FIELD("pid", pid), FIELD("stamp", stamp), FIELD("token", token) } },
	[RECEIVED] = { "mbox_recv", {
		FIELD("net", net), FIELD("id", id), FIELD("seq", seq), FIELD("from", from),
		FIELD("sent", sent), FIELD("by", who), FIELD("pid", pid),
		FIELD("stamp", stamp), FIELD("token", token) } },
	[LOOKED] = { "mbox_look", {
		FIELD("net", net), FIELD("id", id), FIELD("seq", seq), FIELD("from", from),
		FIELD("sent", sent), FIELD("by", who), FIELD("pid", pid),
		FIELD("stamp", stamp) } },
	[RETURNED] = { "mbox_return", {
		FIELD("net", net), FIELD("id", id), FIELD("seq", seq) } },
	[DROPPED] = { "mbox_drop", {
		FIELD("net", net), FIELD("id", id), FIELD("seq", seq),
		FIELD("reason", reason) } },
	[TOLD] = { "mbox_receipt", {
		FIELD("net", net), FIELD("id", id), FIELD("seq", seq), FIELD("who", who),
		FIELD("pid", pid), FIELD("stamp", stamp) } },
	[REPLY] = { "mbox_reply", {
		FIELD("net", net), FIELD("id", id), FIELD("token", token), FIELD("who", who),
		FIELD("pid", pid), FIELD("stamp", stamp) } },
	[REPLIED] = { "mbox_replied", {
		FIELD("net", net), FIELD("id", id), FIELD("token", token), FIELD("who", who),
		FIELD("pid", pid), FIELD("stamp", stamp) } },
	[PASSED] = { "mbox_pass", {
		FIELD("token", token), FIELD("from", who), FIELD("stamp", stamp),
		FIELD("to", to), FIELD("pid", pid), FIELD("later", later) } },
	[TICKED] = { "mbox_tick", {
		FIELD("who", who), FIELD("pid", pid), FIELD("stamp", stamp) } },
	[NAMED] = { "mbox_event", {
		FIELD("net", net), FIELD("id", id) } },
};

static const char fork_name[] = "sched_process_fork";

/*
 * Memory
 */

static void *or_die(void *memory)
{
	if (!memory)
		exit(fail(NULL, "the recording"));
	return memory;
}

void *grow(void *array, size_t count, size_t size)
{
	/* Room doubles whenever the count is a power of two. */
	if (count & (count - 1))
		return array;
	return or_die(reallocarray(array, count ? 2 * count : 1, size));
}

char *copy_text(const char *text, size_t len)
{
	return or_die(strndup(text, len));
}

/*
 * Those who take part
 */

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_processes(const void *a, const void *b)
{
	return compare(((const struct process *)a)->participant,
		       ((const struct process *)b)->participant);
}

static int compare_boxes(const void *a, const void *b)
{
	const struct box *x = a, *y = b;

	return compare(x->net, y->net) ?: compare(x->id, y->id);
}

static int compare_pids(const void *a, const void *b)
{
	return compare(*(const uint64_t *)a, *(const uint64_t *)b);
}

/* Finds the like of @wanted, or adds a copy of it. */
static void *find_or_add(void **tree, const void *wanted, size_t size,
			 int (*order)(const void *, const void *))
{
	void *const *found = tfind(wanted, tree, order);
	void *new;

	if (found)
		return *found;
	new = or_die(malloc(size));
	memcpy(new, wanted, size);
	or_die(tsearch(new, tree, order));
	return new;
}

struct process *recording_process(struct recording *recording, uint64_t participant)
{
	const struct process wanted = { .participant = participant, .is_new = true };
	struct process *process = find_or_add(&recording->processes, &wanted, sizeof(wanted),
					      compare_processes);

	if (process->is_new)
		recording->nr_processes++;
	process->is_new = false;
	return process;
}

struct box *recording_box(struct recording *recording, uint64_t net, uint64_t id)
{
	const struct box wanted = { .net = net, .id = id };

	return find_or_add(&recording->boxes, &wanted, sizeof(wanted), compare_boxes);
}

bool recording_is_family(const struct recording *recording, uint64_t pid)
{
	return tfind(&pid, &recording->family, compare_pids);
}

static void add_family(struct recording *recording, uint64_t pid)
{
	find_or_add(&recording->family, &pid, sizeof(pid), compare_pids);
}

/* Who is told last how somebody is called is right: exec changes it. */
static void set_name(char **name, char *new)
{
	free(*name);
	*name = new;
}

/*
 * Our own lines
 */

static bool is_of_a_line(unsigned char byte)
{
	return byte >= ' ' && byte != 0x7f && byte != '\\';
}

static char *line_with_name(const char *begin, const char *name)
{
	char *line = or_die(malloc(strlen(begin) + 4 * strlen(name) + 2));
	char *to = stpcpy(line, begin);

	for (; *name; name++) {
		if (is_of_a_line(*name))
			*to++ = *name;
		else
			to += sprintf(to, "\\x%02x", (unsigned char)*name);
	}
	strcpy(to, "\n");
	return line;
}

char *process_line(uint64_t participant, uint64_t pid, const char *name)
{
	char begin[64];

	snprintf(begin, sizeof(begin), "# process %" PRIu64 " %" PRIu64 " ", participant, pid);
	return line_with_name(begin, name);
}

char *box_line(uint64_t net, uint64_t id, const char *name, bool inbox)
{
	char begin[64];

	snprintf(begin, sizeof(begin), "# %s %" PRIu64 " %" PRIu64 " ",
		 inbox ? "inbox" : "mailbox", net, id);
	return line_with_name(begin, name);
}

char *program_line(pid_t pid)
{
	char begin[64];

	snprintf(begin, sizeof(begin), "# program %" PRId32, pid);
	return line_with_name(begin, "");
}

static int digit_of(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* NULL if there is nothing. What is no escape stands for itself. */
static char *unescape(const char *text)
{
	char *name, *to;

	if (!*text)
		return NULL;
	name = to = copy_text(text, strlen(text));
	while (*text) {
		int byte = 0;

		if (text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char)text[2]) &&
		    isxdigit((unsigned char)text[3]))
			byte = 16 * digit_of(text[2]) + digit_of(text[3]);
		*to++ = byte ?: *text;
		text += byte ? 4 : 1;
	}
	*to = '\0';
	return name;
}

/* Numbers with a blank behind each but the last of the line. */
static bool take_numbers(const char **text, uint64_t *numbers, int count)
{
	for (; count; count--, numbers++) {
		if (!read_digits(text, numbers))
			return false;
		if (**text == ' ')
			++*text;
		else if (**text)
			return false;
	}
	return true;
}

static bool begins(const char **text, const char *with)
{
	size_t len = strlen(with);

	if (strncmp(*text, with, len))
		return false;
	*text += len;
	return true;
}

static enum taken take_ours(struct recording *recording, const char *text)
{
	struct process *process;
	uint64_t numbers[2];
	struct box *box;
	bool inbox;

	if (begins(&text, "process ")) {
		if (!take_numbers(&text, numbers, 2))
			return PASSED_OVER;
		process = recording_process(recording, numbers[0]);
		process->pid = numbers[1];
		set_name(&process->name, unescape(text));
		return TAKEN;
	}
	inbox = begins(&text, "inbox ");
	if (inbox || begins(&text, "mailbox ")) {
		if (!take_numbers(&text, numbers, 2))
			return PASSED_OVER;
		box = recording_box(recording, numbers[0], numbers[1]);
		box->inbox = inbox;
		set_name(&box->name, unescape(text));
		return TAKEN;
	}
	if (begins(&text, "program ")) {
		if (!take_numbers(&text, numbers, 1) || *text)
			return PASSED_OVER;
		recording->program = true;
		add_family(recording, numbers[0]);
		return TAKEN;
	}
	return PASSED_OVER;
}

/*
 * Lines of the kernel
 */

/* "CPU:1 [LOST 17 EVENTS]"; trace-cmd has "CPU:1 [17 EVENTS DROPPED]". */
static bool is_loss(const char *line)
{
	uint64_t number;

	if (!begins(&line, "CPU:") || !read_digits(&line, &number) || !begins(&line, " ["))
		return false;
	return (begins(&line, "LOST ") && strstr(line, "EVENTS]")) ||
	       strstr(line, "EVENTS DROPPED]") || strstr(line, "EVENTS LOST]");
}

/* Where @name and a colon are at @text, behind blanks; what follows. */
static const char *behind_name(const char *text, const char *name)
{
	begins(&text, "mbox:");
	begins(&text, "sched:");
	return begins(&text, name) && begins(&text, ": ") ? text : NULL;
}

static const char *find_what(const char *text, enum what *what)
{
	const char *found = behind_name(text, fork_name);

	*what = EVENT_KINDS;
	for (int i = 0; i < EVENT_KINDS && !found; i++) {
		found = behind_name(text, kinds_of_events[i].name);
		if (found)
			*what = i;
	}
	return found;
}

/*
 * Finds a time, as in "12.345678: ", with an event behind it. Sets *@time to its first
 * digit and @what, EVENT_KINDS for a fork; returns what follows the name, or NULL.
 */
static const char *find_event(const char *line, const char **time, enum what *what)
{
	const char *at = line, *behind, *found;

	while ((at = strchr(at, '.'))) {
		const char *point = at++;

		behind = point + 1 + strspn(point + 1, "0123456789");
		if (point == line || !isdigit((unsigned char)point[-1]) ||
		    behind == point + 1 || *behind++ != ':' || !isblank((unsigned char)*behind))
			continue;
		found = find_what(behind + strspn(behind, " \t"), what);
		if (!found)
			continue;
		for (*time = point; *time > line && isdigit((unsigned char)(*time)[-1]);)
			--*time;
		return found;
	}
	return NULL;
}

/* Text from @begin up to @end. */
struct span {
	const char *begin;
	const char *end;
};

static void cut_blanks(struct span *span)
{
	while (span->begin < span->end && isspace((unsigned char)*span->begin))
		span->begin++;
	while (span->begin < span->end && isspace((unsigned char)span->end[-1]))
		span->end--;
}

static bool cut_digits(struct span *span)
{
	const char *end = span->end;

	while (span->begin < span->end && isdigit((unsigned char)span->end[-1]))
		span->end--;
	return span->end < end;
}

static bool cut_char(struct span *span, char c)
{
	if (span->begin == span->end || span->end[-1] != c)
		return false;
	span->end--;
	return true;
}

/*
 * Before the time: NAME-TID [CPU] and perhaps flags; or NAME-TID (TGID) [CPU]. Leaves
 * the name, and returns the thread; 0 if it is something else.
 */
static uint64_t cut_task(struct span *span)
{
	const char *digits;
	uint64_t tid;

	while (span->end > span->begin && span->end[-1] != ']')
		span->end--;
	if (!cut_char(span, ']') || !cut_digits(span) || !cut_char(span, '['))
		return 0;
	cut_blanks(span);
	if (cut_char(span, ')')) {
		while (cut_digits(span) || cut_char(span, '-') || cut_char(span, ' '))
			;
		if (!cut_char(span, '('))
			return 0;
		cut_blanks(span);
	}
	if (!cut_digits(span))
		return 0;
	digits = span->end;
	if (!cut_char(span, '-') || !read_digits(&digits, &tid))
		return 0;
	cut_blanks(span);
	return tid;
}

/* Fields are in any order, and those that are not known are passed over. */
static const char *find_value(const char *text, const char *key)
{
	while (*text) {
		const char *at;

		text += strspn(text, " \t");
		at = text;
		if (begins(&at, key) && *at == '=')
			return at + 1;
		text += strcspn(text, " \t");
	}
	return NULL;
}

static bool ends_value(char c)
{
	return !c || isspace((unsigned char)c);
}

static bool read_value(const char *text, uint64_t *value)
{
	bool negative = *text == '-';

	text += negative;
	if (!read_digits(&text, value) || !ends_value(*text))
		return false;
	if (negative)
		*value = -*value;
	return true;
}

static bool fill_event(struct event *event, const char *text)
{
	const struct field *field = kinds_of_events[event->what].fields;

	for (int i = 0; i < MAX_FIELDS && field[i].key; i++) {
		const char *value = find_value(text, field[i].key);

		if (!value || !read_value(value, (uint64_t *)((char *)event + field[i].offset)))
			return false;
	}
	return event->pid <= INT32_MAX;
}

/* A name has no blanks. */
static void take_box_name(struct recording *recording, const struct event *event,
			  const char *text)
{
	const char *name = find_value(text, "name");
	size_t len = name ? strcspn(name, " \t") : 0;

	if (len)
		set_name(&recording_box(recording, event->net, event->id)->name,
			 copy_text(name, len));
}

/*
 * "comm=A pid=N child_comm=A child_pid=N", where A may be anything of 15 bytes: too
 * little for two of the words that are looked for.
 */
static const char *find_last(const char *text, const char *end, const char *word)
{
	const char *found = NULL, *at = text;
	size_t len = strlen(word);

	while ((at = memmem(at, end - at, word, len)))
		found = at++;
	return found;
}

static enum taken take_fork(struct recording *recording, const char *text)
{
	static const char child_word[] = " child_pid=", parent_word[] = " pid=";
	const char *end = text + strlen(text), *child, *parent;
	uint64_t pid, child_pid;

	child = find_last(text, end, child_word);
	parent = child ? find_last(text, child, " child_comm=") : NULL;
	parent = parent ? find_last(text, parent, parent_word) : NULL;
	if (!parent || !read_value(parent + strlen(parent_word), &pid) ||
	    !read_value(child + strlen(child_word), &child_pid))
		return PASSED_OVER;
	if (!recording_is_family(recording, pid))
		return PASSED_OVER;
	add_family(recording, child_pid);
	return TAKEN;
}

/* The task of the line is often the participant, and then told how that is called. */
static void take_participant(struct recording *recording, const struct event *event,
			     const struct span *name, uint64_t tid)
{
	struct process *process = recording_process(recording, event->who);
	size_t len = name->end - name->begin;

	if (event->what == PASSED) {
		recording_process(recording, event->to)->pid = event->pid;
		return;
	}
	process->pid = event->pid;
	/* What begins with '<' is no name: the kernel has forgotten it. */
	if (tid && tid == event->pid && len && *name->begin != '<')
		set_name(&process->name, copy_text(name->begin, len));
}

static enum taken take_event(struct recording *recording, struct event *event,
			     const char *text, struct span task)
{
	uint64_t tid;

	if (!fill_event(event, text))
		return DAMAGED;
	if (event->what == NAMED) {
		take_box_name(recording, event, text);
		return TAKEN;
	}
	tid = cut_task(&task);
	if (event->what != RETURNED && event->what != DROPPED)
		take_participant(recording, event, &task, tid);
	recording->events = grow(recording->events, recording->nr_events,
				 sizeof(*recording->events));
	recording->events[recording->nr_events++] = *event;
	recording->full = recording->nr_events == MAX_EVENTS ||
			  recording->nr_processes >= MAX_PROCESSES;
	return TAKEN;
}

enum taken recording_take(struct recording *recording, const char *line,
			  const struct event **taken)
{
	struct event event = { .line = ++recording->lines };
	size_t before = recording->nr_events;
	const char *text, *time;
	enum taken result;

	*taken = NULL;
	if (is_loss(line)) {
		recording->lost++;
		return TAKEN;
	}
	text = find_event(line, &time, &event.what);
	if (!text)
		return begins(&line, "# ") ? take_ours(recording, line) : PASSED_OVER;
	if (event.what == EVENT_KINDS)
		return take_fork(recording, text);
	result = take_event(recording, &event, text, (struct span) { line, time });
	if (recording->nr_events > before)
		*taken = &recording->events[before];
	return result;
}

bool read_line(FILE *file, char line[LINE_MAX_BYTES])
{
	size_t len = 0;
	int c;

	while ((c = getc_unlocked(file)) != EOF && c != '\n')
		if (len + 1 < LINE_MAX_BYTES)
			line[len++] = c;
	line[len] = '\0';
	return c != EOF || len;
}
