// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * program.c - making programs, and changing them.
 */
#include <stdio.h>
#include <string.h>

#include "program.h"

static const struct {
	const char *name;
	unsigned int weight;	/* how often, of their sum */
} kinds[KINDS] = {
	[CREATE] = { "create", 10 }, [OPEN] = { "open", 5 }, [SEND] = { "send", 24 },
	[RECV] = { "recv", 24 }, [DELETE] = { "delete", 4 }, [STAT] = { "stat", 5 },
	[TRANSFER] = { "transfer", 2 }, [OFFER] = { "offer", 2 }, [ACCEPT] = { "accept", 2 },
	[CLAIM] = { "claim", 2 }, [GRANT] = { "grant", 4 }, [REVOKE] = { "revoke", 2 },
	[GRANTS] = { "grants", 1 }, [CHANGE] = { "change", 2 }, [USAGE] = { "usage", 1 },
	[CLOCK] = { "clock", 1 }, [CALL] = { "call", 6 }, [REPLY] = { "reply", 5 },
	[TOKEN] = { "token", 3 }, [SEND_BATCH] = { "send_batch", 6 },
	[RECV_BATCH] = { "recv_batch", 4 }, [INFO] = { "info", 1 }, [READ] = { "read", 4 },
	[WRITE] = { "write", 4 }, [POLL] = { "poll", 2 }, [REOPEN] = { "reopen", 2 },
	[DIE] = { "die", 1 }, [SIGNAL] = { "signal", 2 },
};

uint64_t dice_throw(struct dice *dice)
{
	uint64_t z = (dice->state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t dice_below(struct dice *dice, uint32_t bound)
{
	return dice_throw(dice) % bound;
}

const char *what_name(enum what what)
{
	return kinds[what].name;
}

static enum what random_kind(struct dice *dice)
{
	unsigned int sum = 0, i, at;

	for (i = 0; i < KINDS; i++)
		sum += kinds[i].weight;
	at = dice_below(dice, sum);
	for (i = 0; at >= kinds[i].weight; i++)
		at -= kinds[i].weight;
	return i;
}

static struct op random_op(struct dice *dice)
{
	struct op op;
	size_t i;

	for (i = 0; i < sizeof(op); i++)
		((uint8_t *)&op)[i] = dice_throw(dice);
	op.what = random_kind(dice);
	return op;
}

/* What has a chance to succeed once the other has: often it is what follows. */
static enum what random_follower(enum what what, enum what before, struct dice *dice)
{
	switch (what) {
	case CALL:
		return RECV;
	case RECV:
		return before == CALL ? REPLY : random_kind(dice);
	case OFFER:
		return ACCEPT;
	case DIE:
		return CLAIM;
	case GRANT:
		return REVOKE;
	case TOKEN:
		return REPLY;
	case SEND:
		return dice_below(dice, 2) ? SEND : random_kind(dice);
	default:
		return random_kind(dice);
	}
}

/* They begin with mailboxes, without which little happens. */
void program_generate(struct program *program, struct dice *dice)
{
	uint32_t i, creates = 1 + dice_below(dice, 3);

	memset(program, 0, sizeof(*program));
	program->nr = 5 + dice_below(dice, OPS_MAX - 4);
	for (i = 0; i < program->nr; i++) {
		program->ops[i] = random_op(dice);
		if (i > creates && dice_below(dice, 3))
			program->ops[i].what = random_follower(program->ops[i - 1].what,
							       program->ops[i - 2].what,
							       dice);
		/* Queues are short where every message has a mailbox of its own. */
		if (i > creates && program->ops[i - 1].what == SEND && dice_below(dice, 4))
			program->ops[i].box = program->ops[i - 1].box;
		if (i >= creates)
			continue;
		program->ops[i].what = CREATE;
		program->ops[i].wild = 0;
	}
}

static void insert(struct program *program, uint32_t at, struct op op)
{
	if (program->nr == OPS_MAX)
		program->nr--;
	if (at > program->nr)
		at = program->nr;
	memmove(&program->ops[at + 1], &program->ops[at],
		(program->nr - at) * sizeof(op));
	program->ops[at] = op;
	program->nr++;
}

void program_remove(struct program *program, uint32_t at, uint32_t nr)
{
	memmove(&program->ops[at], &program->ops[at + nr],
		(program->nr - at - nr) * sizeof(struct op));
	program->nr -= nr;
}

/* The beginning of one and the end of the other. */
static void splice(struct program *program, const struct program *other, struct dice *dice)
{
	uint32_t from = dice_below(dice, other->nr);
	uint32_t at = dice_below(dice, program->nr) + 1;

	while (at < OPS_MAX && from < other->nr)
		program->ops[at++] = other->ops[from++];
	program->nr = at;
}

static void mutate_once(struct program *program, const struct program *other, struct dice *dice)
{
	uint32_t at = dice_below(dice, program->nr), to = dice_below(dice, program->nr);
	struct op op = program->ops[at];

	switch (dice_below(dice, 8)) {
	case 0:
	case 1:
		insert(program, at, random_op(dice));
		break;
	case 2:
		insert(program, to, op);
		break;
	case 3:
		program->ops[at] = program->ops[to];
		program->ops[to] = op;
		break;
	case 4:
		if (program->nr > 1)
			program_remove(program, at, 1);
		break;
	case 5:
		splice(program, other, dice);
		break;
	default:
		((uint8_t *)&program->ops[at])[dice_below(dice, sizeof(op))] = dice_throw(dice);
	}
}

void program_mutate(struct program *program, const struct program *other, struct dice *dice)
{
	uint32_t times = 1 + dice_below(dice, 4);

	while (times--)
		mutate_once(program, other, dice);
}

void program_print(const struct program *program)
{
	const uint8_t *bytes = (const uint8_t *)program->ops;
	size_t i;

	for (i = 0; i < program->nr * sizeof(struct op); i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

bool program_parse(struct program *program, const char *hex)
{
	size_t len = strlen(hex), i;
	unsigned int byte;

	memset(program, 0, sizeof(*program));
	if (!len || len % (2 * sizeof(struct op)) || len > 2 * sizeof(program->ops))
		return false;
	for (i = 0; i < len / 2; i++) {
		if (strspn(hex + 2 * i, "0123456789abcdef") < 2 ||
		    sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		((uint8_t *)program->ops)[i] = byte;
	}
	program->nr = len / 2 / sizeof(struct op);
	return true;
}
