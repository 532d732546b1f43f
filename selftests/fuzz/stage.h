/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stage: what the processes that run at once share, and what is noted of each. */
#ifndef FUZZ_STAGE_H
#define FUZZ_STAGE_H

#include "actor.h"
#include "oracle.h"
#include "run.h"

#define WORKERS		6
#define NUMBERS		(1U << 16)	/* messages of a round, at most */

enum fate { UNUSED, BEGUN, SENT, FAILED };

struct entry {
	uint32_t fate;
	uint32_t received;
	uint32_t sender;
	bool may_vanish;		/* without being lost */
	uint64_t expires;		/* when it is to disappear, or 0 */
	uint64_t box;			/* where it was sent to, 0 if by a descriptor or a process */
	uint64_t from, seq;		/* where it was received */
};

/* What a worker is doing: something else, a call, or nothing since all are to be still. */
enum doing { MOVING, CALLING, RESTING };

/**
 * struct worker - one process
 * @desk: its descriptors
 * @pid: it
 * @doing: enum doing
 * @sender: a number that no process before it had
 * @receiving: how many messages it may be about to receive
 * @page: what it receives into; threads take that away
 * @same_page: the same memory elsewhere, always there
 * @clock: what its logical clock was at least
 * @calls: it has made
 */
struct worker {
	struct desk desk;
	pid_t pid;
	uint32_t doing;
	uint32_t sender;
	uint32_t receiving;
	uint8_t *page, *same_page;
	int page_fd;
	uint64_t clock;
	uint64_t calls;
};

struct stage {
	struct world world;		/* which ids and processes there are, no more */
	struct worker workers[WORKERS];
	struct entry entries[NUMBERS];
	struct tally *tally;		/* of all rounds */
	uint32_t number;
	uint32_t boxes;			/* made, besides inboxes */
	uint32_t senders;
	uint32_t kills;
	uint32_t lost;			/* what those who were killed may have had, or did not look at */
	uint32_t still;			/* nobody is to begin a call */
	uint32_t broken;
	char what[256];
};

extern struct stage *stage;

__attribute__((format(printf, 1, 2)))
void broken(const char *format, ...);

void stage_check_still(int fd);

#endif /* FUZZ_STAGE_H */
