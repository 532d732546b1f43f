/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's trace of messages, from an instance of tracefs of our own (tracing.c).
 */
#ifndef TRACING_H
#define TRACING_H

#include "recording.h"

struct tracing {
	char *dir;
	int pipe;
	/* What was read and is no whole line yet. */
	char *text;
	size_t len;
};

/*
 * Begins to trace the messages of this network namespace, and forks if @forks. Returns
 * 0, or the exit code once it has been said what is missing; then there is nothing to
 * end.
 */
int tracing_begin(struct tracing *tracing, bool forks);

/* Nothing is traced from now on; what has been can be read. */
void tracing_stop(struct tracing *tracing);

/*
 * Reads what there is, and gives each line to @take, with no newline, until that
 * returns false. Returns whether there may be more at once.
 */
bool tracing_read(struct tracing *tracing, bool (*take)(const char *line, void *data),
		  void *data);

/* Leaves nothing behind. */
void tracing_end(struct tracing *tracing);

#endif /* TRACING_H */
