/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs: what the fuzzer makes, changes and runs. A program is bytes, and all bytes
 * are a program: so it can be changed at random and be written as a hexadecimal number.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many processes take part, and how many descriptors each has. */
#define ACTORS	4
#define FDS	4

#define OPS_MAX	40

enum what {
	CREATE, OPEN, SEND, RECV, DELETE, STAT, TRANSFER, OFFER, ACCEPT, CLAIM, GRANT, REVOKE,
	GRANTS, CHANGE, USAGE, CLOCK, CALL, REPLY, TOKEN, SEND_BATCH, RECV_BATCH, INFO, READ,
	WRITE, POLL, REOPEN, DIE, SIGNAL,
	KINDS
};

/**
 * struct op - one operation
 * @what: modulo KINDS: which
 * @who: modulo ACTORS: whose; of those that are not busy, the next one
 * @fd: modulo FDS: through which descriptor
 * @box: which mailbox it is about
 * @wild: if it is large, one thing is wrong about the call itself
 * @arg: what else it takes, each by modulo one of a few values
 */
struct op {
	uint8_t what, who, fd, box, wild, arg[11];
};

struct program {
	uint32_t nr;
	struct op ops[OPS_MAX];
};

/* A generator of random numbers of our own: splitmix64. */
struct dice {
	uint64_t state;
};

uint64_t dice_throw(struct dice *dice);
uint32_t dice_below(struct dice *dice, uint32_t bound);

void program_generate(struct program *program, struct dice *dice);
void program_mutate(struct program *program, const struct program *other, struct dice *dice);
void program_remove(struct program *program, uint32_t at, uint32_t nr);
void program_print(const struct program *program);
bool program_parse(struct program *program, const char *hex);
const char *what_name(enum what what);

#endif /* FUZZ_PROGRAM_H */
