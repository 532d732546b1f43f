/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a program, one operation after the other, or all processes at once. */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include "action.h"

#define WAYS_MAX	80

/**
 * struct tally - what was done
 * @programs: run
 * @ops: operations
 * @predicted: of them, those whose outcome was predicted, and came
 * @waited: of those, the ones that waited for others
 * @passed_over: of @ops, those that could not be done where they stood
 * @kinds: of each kind, how many were predicted
 * @successes: and how many succeeded
 * @ways: in which of the ways of ways.c
 */
struct tally {
	uint64_t programs, ops, predicted, waited, passed_over;
	uint64_t kinds[KINDS], successes[KINDS], ways[WAYS_MAX];
};

void tally_success(struct tally *tally, const struct action *action);
void tally_print(const struct tally *tally);
const char *tally_missing(const struct tally *tally);

struct limit {
	const char *name;
	long long value;
};

void limit_all(const struct limit *all, unsigned int nr);

void sequential_open(void);
void sequential_close(void);
void sequential_limit(void);
void sequential_hurry(bool now);
bool sequential_run(const struct program *program, bool verbose, struct tally *tally,
		    uint32_t *new_steps);

bool parallel_run(const struct program *corpus, uint32_t nr, struct dice *dice, uint64_t until,
		  struct tally *tally);

#endif /* FUZZ_RUN_H */
