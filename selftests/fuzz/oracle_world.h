/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world: who is meant by a number. */
#ifndef FUZZ_ORACLE_WORLD_H
#define FUZZ_ORACLE_WORLD_H

#include "oracle.h"

#define END_OF(type, member)	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#define MIN(a, b)	((a) < (b) ? (a) : (b))

int world_index(const struct world *w, const struct box *b);
void world_lose_track(struct world *w, const char *why);
int world_find_pid(const struct world *w, int32_t pid);
int world_find_participant(const struct world *w, uint64_t id);
int world_find_process(const struct world *w, int who, int32_t pid, bool is_pidfd, int *which);
int world_find(struct world *w, int who, uint64_t id, struct box **b);

#endif /* FUZZ_ORACLE_WORLD_H */
