/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Actions: an operation made concrete, with everything that goes into the kernel and comes
 * out of it in one place. What is expected of it is another one, to be compared byte by
 * byte.
 */
#ifndef FUZZ_ACTION_H
#define FUZZ_ACTION_H

#include "argument.h"
#include "program.h"

#define ITEMS_MAX	3	/* of a batch */
#define IN_MAX		320	/* for each of them */
#define OUT_MAX		320
#define IDS_MAX		4
#define PIDFD		100	/* the number of the pidfd that a call takes */

union argument {
	ARGUMENTS
	uint8_t bytes[320];
};

/* What the first argument of the kernel is. */
enum place { GOOD, BAD, READ_ONLY };

/**
 * struct action - an operation of one process
 * @what: which
 * @fd: number of the descriptor
 * @command: of ioctl(2)
 * @size: of the structure, as the program knows it
 * @place: whether the structure is where the kernel can have it
 * @nonblock: the descriptor is not to block this time
 * @bad: the buffer is not where the kernel can have it
 * @len: read(2), write(2)
 * @pidfd_of: which process PIDFD is to mean during the call, or 0: then it is no descriptor
 * @arg: the structure
 * @reply: what a receive replies first
 * @items: of a batch
 * @in: what is sent
 * @out: what is received
 * @error: the errno that came of it, or 0
 * @value: what else it returned: of read(2) and write(2) the length, of poll(2) the events
 */
struct action {
	enum what what;
	unsigned int fd;
	unsigned long command;
	unsigned int size;
	enum place place;
	bool nonblock;
	bool bad;
	uint64_t len;
	int32_t pidfd_of;
	union argument arg;
	struct mbox_reply reply;
	union {
		struct mbox_send send;
		struct mbox_recv recv;
	} items[ITEMS_MAX];
	uint64_t ids[IDS_MAX];
	struct mbox_granted granted[ACTORS];
	uint8_t in[ITEMS_MAX][IN_MAX];
	uint8_t out[ITEMS_MAX][OUT_MAX];
	int error;
	long value;
	/* Of what is expected only: whose grants, and how many fit. */
	uint64_t grants_of;
	uint32_t grants_room;
};

struct world;

bool action_build(struct world *world, unsigned int who, const struct op *op,
		  struct action *action);
void action_describe(const struct action *action, unsigned int who);
void action_fill(uint8_t *bytes, uint32_t number, size_t len);

void action_make_pages(void);
unsigned int action_sizes(enum what what, unsigned int *min_size);
void *action_structure(struct action *action);
void *action_nobodys_page(void);

#endif /* FUZZ_ACTION_H */
