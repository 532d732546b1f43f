// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_world.c - finding mailboxes and processes by what calls name them by, and what all
 * rooms of the oracle need of the world.
 */
#include <errno.h>

#include "oracle_world.h"

int world_index(const struct world *w, const struct box *b)
{
	return b - w->boxes;
}

void world_lose_track(struct world *w, const char *why)
{
	w->unsure = true;
	w->why = why;
}

int oracle_user(uint32_t uid)
{
	return uid ? (int)uid - 1000 : 0;
}

unsigned int oracle_busy(const struct world *w)
{
	unsigned int i, busy = 0;

	for (i = 0; i < ACTORS; i++)
		busy += w->actors[i].waits != NOTHING;
	return busy;
}

/* Which actor has that number, or NOBODY. */
int world_find_pid(const struct world *w, int32_t pid)
{
	int i;

	for (i = 0; i < ACTORS; i++)
		if (w->actors[i].self.pid == pid)
			return i;
	return NOBODY;
}

int world_find_participant(const struct world *w, uint64_t id)
{
	int i;

	for (i = 0; i < ACTORS; i++)
		if (w->actors[i].self.id == id)
			return i;
	return NOBODY;
}

/* Which actor an argument means, or NOBODY: 0, or EBADF. Of the dead there are no pidfds. */
int world_find_process(const struct world *w, int who, int32_t pid, bool is_pidfd, int *which)
{
	const struct action *x = &w->actors[who].expect;

	*which = world_find_pid(w, is_pidfd ? x->pidfd_of : pid);
	return is_pidfd && *which == NOBODY ? EBADF : 0;
}

/* The mailbox that @id means to that process: 0 or why not. */
int world_find(struct world *w, int who, uint64_t id, struct box **b)
{
	struct actor *actor = &w->actors[who];
	unsigned int i;

	if (!id) {
		if (!actor->fds[actor->expect.fd].bound)
			return ENOTCONN;
		*b = &w->boxes[actor->fds[actor->expect.fd].box];
		return (*b)->gone ? EIDRM : 0;
	}
	for (i = 0; i < w->nr_boxes; i++) {
		*b = &w->boxes[i];
		if ((*b)->id == id)
			return (*b)->gone ? EIDRM : 0;
	}
	return ENOENT;
}
