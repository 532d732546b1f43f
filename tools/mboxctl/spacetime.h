/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The space-time diagram of a recording: who stands where, and what goes from where to
 * where (spacetime.c); as a picture (diagram_svg.c) and as text (diagram_text.c).
 */
#ifndef SPACETIME_H
#define SPACETIME_H

#include "recording.h"

/* What is drawn of a recording. */
struct choice {
	/* Of processes, 0 of them: of all, or of PROGRAM and its descendants. */
	uint64_t *pids;
	size_t nr_pids;
	/* Names or ids, up to NULL; none: all. */
	char **boxes;
};

enum point_kind {
	SENDS,
	RECEIVES,
	LOOKS,
	/* Receives, but could not be given the message. */
	FAILS,
	IS_TOLD,
	REPLIES,
	HAS_REPLY,
	HANDS_ON,
	IS_HANDED,
	TICKS,
	POINT_KINDS,
};

extern const char *const point_words[POINT_KINDS];

struct message_of {
	uint64_t net;
	uint64_t id;
	/* 0: only its reply is in the recording. */
	uint64_t seq;
	uint64_t token;
	const struct box *box;
	/* What happened to it; NULL: not while that was recorded. */
	struct point *sent;
	struct point *received;
	struct point *reply;
	struct point *replied;
	/* How many receives failed, and of how many that is known by now. */
	size_t returns;
	size_t returned;
	/* An errno if it was dropped. */
	int64_t reason;
	bool chosen;
};

/* An event at the line of a process. */
struct point {
	enum point_kind kind;
	uint64_t stamp;
	size_t lane;
	/* Events are in order by column; those of one column do not depend on each other. */
	size_t column;
	const struct event *event;
	struct message_of *message;
	/* The event before at the same line, and the one at the other end of the arrow. */
	struct point *before;
	struct point *cause;
	bool placed;
	bool causes;
};

enum arrow_kind {
	MESSAGE,
	/* To a receive that failed. */
	VOID,
	RECEIPT,
	ANSWER,
	TOKEN,
	ARROW_KINDS,
};

extern const char *const arrow_words[ARROW_KINDS];

/* One of its ends may be NULL: it lies before or behind the recording, or is none. */
struct arrow {
	enum arrow_kind kind;
	const struct point *from;
	const struct point *to;
	const struct message_of *message;
};

struct diagram {
	/* By participant id. */
	struct process **lanes;
	size_t nr_lanes;
	/* In order. */
	struct point **points;
	size_t nr_points;
	struct arrow *arrows;
	size_t nr_arrows;
	size_t columns;
	uint64_t largest_stamp;
	/* Messages of more than one mailbox, which labels tell apart. */
	bool many_boxes;
	/* Some of it is missing: events that were lost, or were too many. */
	bool lost;
	bool full;

	struct point *all_points;
	struct message_of **messages;
	void *by_seq;
	void *by_token;
};

/* Whether this receive is of a message that is to be drawn. */
bool is_chosen_receive(struct recording *recording, const struct choice *choice,
		       const struct event *event);

/*
 * Makes a diagram, which stays until mboxctl ends. Returns 0, or the number of a line
 * whose stamp contradicts what happened before it.
 */
uint64_t lay_out(struct diagram *diagram, struct recording *recording,
		 const struct choice *choice);

/* "jobs #3", where there is more than one mailbox; else "#3". To be freed. */
char *label_of(const struct diagram *diagram, const struct message_of *message);
/* "jobs", or "mailbox 7", or "the inbox 7", in any case. To be freed. */
char *box_words(const struct message_of *message);
/* Why a message was dropped. */
const char *reason_words(int64_t reason);

void draw_svg(const struct diagram *diagram, FILE *file);
/* @columns: how wide it should be; it may have to be wider. */
void draw_text(const struct diagram *diagram, FILE *file, size_t columns);

/* What is to be said at the end of a diagram that lacks something, or NULL. */
const char *lack_words(const struct diagram *diagram);

#endif /* SPACETIME_H */
