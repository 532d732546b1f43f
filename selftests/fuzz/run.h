/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a program, one operation after the other, or all processes at once. */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include "program.h"

/**
 * struct tally - what was done
 * @programs: run
 * @ops: operations
 * @predicted: of them, those whose outcome was predicted, and came
 * @waited: of those, the ones that waited for others
 * @passed_over: of @ops, those that could not be done where they stood
 * @kinds: of each kind, how many were predicted
 * @errors: and how many of these to fail
 */
struct tally {
	uint64_t programs, ops, predicted, waited, passed_over;
	uint64_t kinds[KINDS], errors[KINDS];
};

void sequential_open(void);
void sequential_close(void);
bool sequential_run(const struct program *program, bool verbose, struct tally *tally,
		    uint32_t *new_steps);

bool parallel_run(const struct program *corpus, uint32_t nr, struct dice *dice, uint64_t until,
		  struct tally *tally);

#endif /* FUZZ_RUN_H */
