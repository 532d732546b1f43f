// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fuzzer. It makes programs at random and changes those that reached code which no other
 * did, as KCOV tells, if the kernel has that. Sequential programs are compared with a model;
 * one that fails is made as short as it can be, and printed as a number that repeats it.
 * Then many processes run at once, disturbed in all ways: nothing may be lost, doubled or
 * left behind. How they meet depends on more than the seed, so that cannot be repeated.
 *
 * What it is told in the environment, which in the guest is the kernel's command line:
 *
 *   FUZZ_TIME		how many seconds: by default more where more is found
 *   FUZZ_SEED		what chance begins with: by default always the same
 *   FUZZ_PROGRAM	only this sequential program, as it was printed
 */
#include "mbox_selftest.h"
#include "fuzz/kcov.h"
#include "fuzz/oracle.h"
#include "fuzz/run.h"

#define SECOND		(1000 * MSEC)
#define CORPUS_MAX	4096
#define SURVEY_MAX	1000	/* programs */
#define FAILURES_MAX	5	/* after so many it is time to look at them */

static struct program *corpus;
static uint32_t corpus_nr;
static struct tally tally;
static uint64_t begun;

/* Wherever a program has ended, the others know what was printed. */
static void say(const char *text)
{
	printf("%s", text);
	fflush(stdout);
}

static void next_program(struct program *program, struct dice *dice)
{
	if (!corpus_nr || !dice_below(dice, 4)) {
		program_generate(program, dice);
		return;
	}
	*program = corpus[dice_below(dice, corpus_nr)];
	program_mutate(program, &corpus[dice_below(dice, corpus_nr)], dice);
}

static bool fails(const struct program *program)
{
	struct tally unused = { .ops = 0 };
	uint32_t steps;

	return !sequential_run(program, false, &unused, &steps);
}

/*
 * Take away what it does not need to fail, more at first. What fails by waiting for too long
 * takes as long each time, so not for ever.
 */
static void minimise(struct program *program)
{
	uint64_t until = now() + 60 * SECOND;
	uint32_t size, at;
	struct program shorter;

	sequential_hurry(true);
	for (size = program->nr / 2; size; size /= 2)
		for (at = 0; at + size <= program->nr && program->nr > size && now() < until;) {
			shorter = *program;
			program_remove(&shorter, at, size);
			if (fails(&shorter))
				*program = shorter;
			else
				at += size;
		}
	sequential_hurry(false);
}

static void report(struct program *program, uint64_t seed)
{
	struct tally unused = { .ops = 0 };
	uint32_t steps;

	printf("# failed after %llu s, with seed %llu:\n",
	       (unsigned long long)((now() - begun) / SECOND), (unsigned long long)seed);
	fflush(stdout);
	sequential_run(program, true, &unused, &steps);
	if (fails(program)) {
		minimise(program);
		printf("# and as short as it can be:\n");
		sequential_run(program, true, &unused, &steps);
	} else {
		printf("# it did not fail again\n");
	}
	printf("# fuzz --program ");
	program_print(program);
	fflush(stdout);
}

static void print_tally(void)
{
	printf("# %llu programs, %llu operations: %llu predicted, %llu passed over, %llu not predicted\n",
	       (unsigned long long)tally.programs, (unsigned long long)tally.ops,
	       (unsigned long long)tally.predicted, (unsigned long long)tally.passed_over,
	       (unsigned long long)(tally.ops - tally.predicted - tally.passed_over));
	printf("# %llu waited for others; corpus %u, code reached %u\n",
	       (unsigned long long)tally.waited, corpus_nr, kcov_pcs());
	tally_print(&tally);
	fflush(stdout);
}

/* One that reached something new is kept. */
static bool try_program(struct program *program, uint64_t seed)
{
	uint32_t new_steps;

	if (!sequential_run(program, false, &tally, &new_steps)) {
		report(program, seed);
		return false;
	}
	if (new_steps && corpus_nr < CORPUS_MAX)
		corpus[corpus_nr++] = *program;
	return true;
}

/*
 * What no program does is not tested, so each operation is to succeed in each of its ways.
 * Always the same programs: that they are enough has been seen.
 */
static bool survey(bool *good)
{
	struct dice dice = { .state = 1 };
	struct program program;
	const char *missing;

	while ((missing = tally_missing(&tally)) && *good && tally.programs < SURVEY_MAX) {
		program_generate(&program, &dice);
		*good = try_program(&program, 1);
	}
	printf("# after %llu programs %s%s\n", (unsigned long long)tally.programs,
	       missing ? "never succeeded: " : "each operation has succeeded in each way",
	       missing ?: "");
	return !missing;
}

static bool fuzz_sequentially(struct dice *dice, uint64_t seed, uint64_t until)
{
	struct program program;
	uint32_t failures = 0;

	while (failures < FAILURES_MAX && now() < until) {
		next_program(&program, dice);
		failures += !try_program(&program, seed);
	}
	return !failures;
}

static bool fuzz_at_once(struct dice *dice, uint64_t until)
{
	struct tally at_once = { .ops = 0 };
	bool good = parallel_run(corpus, corpus_nr, dice, until, &at_once);

	printf("# %llu rounds of %llu calls with %llu messages; %llu processes killed\n",
	       (unsigned long long)at_once.programs, (unsigned long long)at_once.ops,
	       (unsigned long long)at_once.predicted, (unsigned long long)at_once.waited);
	tally_print(&at_once);
	if (!good)
		printf("# failed after %llu s\n",
		       (unsigned long long)((now() - begun) / SECOND));
	fflush(stdout);
	return good;
}

/* In turns; each is at most a minute, and what was done is told. */
static void fuzz(struct dice *dice, uint64_t seed, uint64_t seconds, bool *good,
		 bool *good_at_once)
{
	uint64_t until = now() + seconds * SECOND;
	uint64_t turn = (seconds < 60 ? seconds : 60) * SECOND;

	/* What the survey found does not keep the other part from being tried. */
	do {
		if (*good)
			*good = fuzz_sequentially(dice, seed, now() + turn * 2 / 3);
		print_tally();
		*good_at_once = fuzz_at_once(dice, now() + turn / 3);
	} while (*good && *good_at_once && now() < until);
}

static bool repeat(const char *hex)
{
	struct program program;
	uint32_t steps;

	if (!program_parse(&program, hex)) {
		fprintf(stderr, "fuzz: that is no program\n");
		exit(2);
	}
	return sequential_run(&program, true, &tally, &steps);
}

/* A number from the environment, which the kernel's command line is in the guest. */
static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	uint64_t value;
	char *end;

	if (!text || !*text)
		return otherwise;
	value = strtoull(text, &end, 10);
	if (*end) {
		fprintf(stderr, "%s is no number: %s\n", name, text);
		exit(2);
	}
	return value;
}

/* Where nothing else is said: longer where more is found. */
static uint64_t usual_time(void)
{
	return access("/sys/kernel/debug/kmemleak", F_OK) &&
	       access("/sys/kernel/debug/kcsan", F_OK) ? 6 : 60;
}

int main(void)
{
	uint64_t seed = setting("FUZZ_SEED", 1);
	uint64_t seconds = setting("FUZZ_TIME", usual_time());
	const char *hex = getenv("FUZZ_PROGRAM");
	const char *skipped = hex && *hex ? " # SKIP only that program is run" : "";
	struct dice dice = { .state = seed };
	bool complete = true, good = true, good_at_once = true;

	corpus = calloc(CORPUS_MAX, sizeof(*corpus));
	NEED(corpus);
	printf("TAP version 13\n1..3\n# seed %llu, %llu seconds\n", (unsigned long long)seed,
	       (unsigned long long)seconds);
	if (!kcov_open(ACTORS))
		say("# no KCOV here: programs are not guided by the code they reach\n");
	sequential_open();
	begun = now();
	if (hex && *hex) {
		good = repeat(hex);
	} else {
		complete = survey(&good);
		fuzz(&dice, seed, seconds, &good, &good_at_once);
	}
	sequential_close();
	printf("%s 1 every operation succeeds%s\n", complete ? "ok" : "not ok", skipped);
	printf("%s 2 sequential\n", good ? "ok" : "not ok");
	printf("%s 3 parallel%s\n", good_at_once ? "ok" : "not ok", skipped);
	return !complete || !good || !good_at_once;
}
