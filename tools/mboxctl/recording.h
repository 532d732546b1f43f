/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's tracepoints told of messages, read from lines of text
 * (recording.c). tracing.c has them from the kernel, spacetime.c makes a diagram of
 * them.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum what {
	SENT,
	RECEIVED,
	LOOKED,
	RETURNED,
	DROPPED,
	TOLD,
	REPLY,
	REPLIED,
	PASSED,
	TICKED,
	NAMED,
	EVENT_KINDS,
};

/* Of a line; what does not go with @what is 0. */
struct event {
	enum what what;
	uint64_t line;
	uint64_t net;
	/* The message: mailbox and sequence number. */
	uint64_t id;
	uint64_t seq;
	/* Participant it happened to, its pid and its clock. */
	uint64_t who;
	uint64_t pid;
	uint64_t stamp;
	/* Received: who sent the message, and with which stamp. */
	uint64_t from;
	uint64_t sent;
	/* A token that was passed on: to whom, whose pid it is, and with which stamp. */
	uint64_t to;
	uint64_t later;
	uint64_t token;
	/* Dropped: an errno. */
	int64_t reason;
};

struct process {
	uint64_t participant;
	/* 0: nothing told it. */
	uint64_t pid;
	/* NULL: likewise. */
	char *name;
	bool is_new;
	/* Whoever records has asked for more; so for mailboxes. */
	bool asked;
};

struct box {
	uint64_t net;
	uint64_t id;
	/* NULL: it has none, or nothing told it. */
	char *name;
	bool inbox;
	bool asked;
};

/* Nobody can read a diagram of more than that. */
#define MAX_EVENTS	20000
#define MAX_PROCESSES	256

struct recording {
	/* Of messages that are sent, received, ... and of no other. */
	struct event *events;
	size_t nr_events;
	/* Lines that were taken, and lines of the kernel that say that some are missing. */
	uint64_t lines;
	uint64_t lost;
	bool full;
	/* Roots of trees (search.h). */
	void *processes;
	size_t nr_processes;
	void *boxes;
	/* Pids of PROGRAM and of what it has started, if there was one. */
	void *family;
	bool program;
};

enum taken { TAKEN, PASSED_OVER, DAMAGED };

/*
 * Takes a line; it is passed over if it does not concern the diagram. TAKEN leaves
 * *@event, which holds until the next call, or NULL. Without memory mboxctl ends.
 */
enum taken recording_take(struct recording *recording, const char *line,
			  const struct event **event);

/* What is known of a participant, and of a mailbox; it is added if it was not there. */
struct process *recording_process(struct recording *recording, uint64_t participant);
struct box *recording_box(struct recording *recording, uint64_t net, uint64_t id);

/* Whether the process of that number belongs to PROGRAM. */
bool recording_is_family(const struct recording *recording, uint64_t pid);

/*
 * Lines of our own, as recording_take() knows them, with a newline; names are escaped
 * as needed. To be freed.
 */
char *process_line(uint64_t participant, uint64_t pid, const char *name);
char *box_line(uint64_t net, uint64_t id, const char *name, bool inbox);
char *program_line(pid_t pid);

/*
 * Reads a line without its newline. Returns false at the end, or with ferror(). What
 * is longer than LINE_MAX_BYTES is cut.
 */
#define LINE_MAX_BYTES	4096
bool read_line(FILE *file, char line[LINE_MAX_BYTES]);

/* As realloc(3) and strndup(3), but without memory mboxctl ends. */
void *grow(void *array, size_t count, size_t size);
char *copy_text(const char *text, size_t len);

#endif /* RECORDING_H */
