/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Actors: processes that do what they are told, one action after the other, and can be
 * left waiting in it. What they are told, and what came of it, lies on a desk that all
 * share, at one address.
 */
#ifndef FUZZ_ACTOR_H
#define FUZZ_ACTOR_H

#include <sys/types.h>

#include "action.h"

enum turn { IDLE, GIVEN, DONE };

/**
 * struct desk - of one actor
 * @turn: whose turn it is
 * @pid: of the process, 0 if there is none
 * @fds: its descriptors of /dev/mbox
 * @participant: its number
 * @clock: its logical clock, when it was made
 * @action: what it does
 */
struct desk {
	uint32_t turn;
	pid_t pid;
	int fds[FDS];
	uint64_t participant, clock;
	struct action action;
};

/* Who is of which user. */
extern const uint32_t actor_uids[ACTORS];

struct desk *actors_new(void);
void actor_start(struct desk *desk, unsigned int who);
void actor_end(struct desk *desk);
void actor_reset(struct desk *desk);
void actor_give(struct desk *desk);
bool actor_done(const struct desk *desk);
bool actor_wait(struct desk *desk, unsigned int seconds);
void perform(struct desk *desk, struct action *action);

#endif /* FUZZ_ACTOR_H */
