// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's trace of messages. An instance of tracefs has buffers, events and
 * filters of its own, so nothing that others trace is disturbed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mboxctl.h"
#include "tracing.h"

#define TEXT_SIZE	65536

/* For all processors together, in KiB; and for one, at least and at most. */
#define BUFFER_KB	65536
#define LEAST_KB	1024
#define MOST_KB		16384

static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

/* What mailboxes are called, those tell that come and go. */
#define COMES_OR_GOES	" && (event == 0 || event == 1)"

/* Those of one network namespace; and what more to filter by. */
static const struct {
	const char *name;
	const char *filter;
} events[] = {
	{ "mbox_send", "" },
	{ "mbox_recv", "" },
	{ "mbox_look", "" },
	{ "mbox_return", "" },
	{ "mbox_drop", "" },
	{ "mbox_receipt", "" },
	{ "mbox_reply", "" },
	{ "mbox_replied", "" },
	{ "mbox_pass", "" },
	{ "mbox_tick", "" },
	{ "mbox_event", COMES_OR_GOES },
};

#define EVENTS		(sizeof(events) / sizeof(events[0]))

static char *path_of(const char *dir, const char *file)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, file) < 0)
		exit(fail(NULL, "the recording"));
	return path;
}

static int write_to(const char *dir, const char *file, const char *text)
{
	char *path = path_of(dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int result = fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
	int error = errno;

	if (fd >= 0)
		close(fd);
	free(path);
	errno = error;
	return result;
}

static int write_event(const char *dir, const char *event, const char *file,
		       const char *text)
{
	char *sub, *name;
	int result;

	if (asprintf(&name, "events/%s", event) < 0)
		exit(fail(NULL, "the recording"));
	sub = path_of(dir, name);
	result = write_to(sub, file, text);
	free(sub);
	free(name);
	return result;
}

/*
 * What is missing
 */

static int cannot_trace(const char *place)
{
	static const struct words words[] = {
		{ EACCES, "recording takes root" },
		{ EPERM, "recording takes root" },
		{ ENOENT, "this kernel cannot trace, or tracefs is not mounted: "
			  "\"mount -t tracefs tracefs /sys/kernel/tracing\"" },
		{ 0, NULL }
	};

	return fail(words, "%s", place);
}

static bool has(const char *dir, const char *file)
{
	char *path = path_of(dir, file);
	bool there = !access(path, F_OK);
	int error = errno;

	free(path);
	errno = error;
	return there;
}

/* Sets @place; root alone can look into it. */
static int find_tracefs(const char **place)
{
	int error = ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		*place = places[i];
		if (has(*place, "events"))
			return DONE;
		if (errno != ENOENT)
			error = errno;
	}
	*place = places[0];
	errno = error;
	return cannot_trace(*place);
}

static int find_events(const char *place)
{
	static const struct words words[] = {
		{ ENOENT, "the module mbox is not loaded, or this kernel has no tracepoints" },
		{ 0, NULL }
	};

	if (has(place, "events/mbox"))
		return DONE;
	return fail(words, "%s/events/mbox", place);
}

/*
 * The instance
 */

/* One that was left behind by SIGKILL has the number of a process that is gone. */
static void remove_left(const char *place)
{
	char *instances = path_of(place, "instances");
	DIR *dir = opendir(instances);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *number = entry->d_name + strlen("mboxctl.");
		uint64_t pid;
		char *path;

		if (strncmp(entry->d_name, "mboxctl.", strlen("mboxctl.")) ||
		    !read_digits(&number, &pid) || *number || pid > INT32_MAX ||
		    !kill(pid, 0) || errno != ESRCH)
			continue;
		path = path_of(instances, entry->d_name);
		rmdir(path);
		free(path);
	}
	if (dir)
		closedir(dir);
	free(instances);
}

static int make_instance(struct tracing *tracing, const char *place)
{
	char name[48];

	remove_left(place);
	snprintf(name, sizeof(name), "instances/mboxctl.%" PRId32, getpid());
	tracing->dir = path_of(place, name);
	if (!mkdir(tracing->dir, 0700) || errno == EEXIST)
		return DONE;
	cannot_trace(tracing->dir);
	free(tracing->dir);
	return FAILED;
}

/* What an older kernel lacks is done without. */
static void set_up_buffer(const char *dir)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	long size = BUFFER_KB / (cpus > 0 ? cpus : 1);
	char text[24];

	size = size < LEAST_KB ? LEAST_KB : size > MOST_KB ? MOST_KB : size;
	snprintf(text, sizeof(text), "%ld", size);
	write_to(dir, "buffer_size_kb", text);
	/* So that poll(2) tells of the first event. */
	write_to(dir, "buffer_percent", "0");
	/* All processors go by one clock: the trace has their events in order. */
	write_to(dir, "trace_clock", "global");
}

static int enable_events(const char *dir, bool forks)
{
	struct stat net;
	char filter[96], name[32];

	if (stat("/proc/self/ns/net", &net))
		return fail(NULL, "/proc/self/ns/net");
	for (size_t i = 0; i < EVENTS; i++) {
		snprintf(name, sizeof(name), "mbox/%s", events[i].name);
		snprintf(filter, sizeof(filter), "net == %" PRIu64 "%s", (uint64_t)net.st_ino,
			 events[i].filter);
		if ((write_event(dir, name, "filter", filter)) ||
		    write_event(dir, name, "enable", "1"))
			return fail(NULL, "%s/events/%s", dir, name);
	}
	if (forks && write_event(dir, "sched/sched_process_fork", "enable", "1"))
		return fail(NULL, "%s/events/sched/sched_process_fork", dir);
	return DONE;
}

static int open_pipe(struct tracing *tracing)
{
	char *path = path_of(tracing->dir, "trace_pipe");

	tracing->pipe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (tracing->pipe < 0)
		fail(NULL, "%s", path);
	free(path);
	return tracing->pipe < 0 ? FAILED : DONE;
}

int tracing_begin(struct tracing *tracing, bool forks)
{
	const char *place;
	int code = find_tracefs(&place) ?: find_events(place);

	*tracing = (struct tracing) { .pipe = -1 };
	code = code ?: make_instance(tracing, place);
	if (code)
		return code;
	tracing->text = malloc(TEXT_SIZE);
	if (!tracing->text) {
		code = fail(NULL, "the recording");
	} else {
		set_up_buffer(tracing->dir);
		code = open_pipe(tracing) ?: enable_events(tracing->dir, forks);
	}
	if (code)
		tracing_end(tracing);
	return code;
}

void tracing_stop(struct tracing *tracing)
{
	write_to(tracing->dir, "tracing_on", "0");
	write_to(tracing->dir, "events/enable", "0");
}

/* Somebody may be looking into it just now. */
void tracing_end(struct tracing *tracing)
{
	tracing_stop(tracing);
	if (tracing->pipe >= 0)
		close(tracing->pipe);
	for (int i = 0; rmdir(tracing->dir) && errno == EBUSY && i < 100; i++)
		usleep(10000);
	free(tracing->dir);
	free(tracing->text);
}

/* The kernel has no line that does not fit; such a one is lost. */
static bool give_lines(struct tracing *tracing, bool (*take)(const char *, void *),
		       void *data)
{
	char *line = tracing->text, *end = line + tracing->len, *newline;
	bool more = true;

	while (more && (newline = memchr(line, '\n', end - line))) {
		*newline = '\0';
		more = take(line, data);
		line = newline + 1;
	}
	tracing->len = end - line;
	if (tracing->len == TEXT_SIZE)
		tracing->len = 0;
	memmove(tracing->text, line, tracing->len);
	return more;
}

bool tracing_read(struct tracing *tracing, bool (*take)(const char *line, void *data),
		  void *data)
{
	ssize_t got = read(tracing->pipe, tracing->text + tracing->len,
			   TEXT_SIZE - tracing->len);

	if (got <= 0)
		return got < 0 && errno == EINTR;
	tracing->len += got;
	return give_lines(tracing, take, data);
}
