// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * aim.c - which mailbox, process, token or descriptor an operation is about: most often one
 * with which it can succeed, if there is any.
 */
#include "aim.h"
#include "oracle_queue.h"

#define NEVER_ID	(1ULL << 40)	/* no mailbox either */

/* An index of a mailbox, or NOBODY. */
static int pick_box(const struct world *world, uint8_t byte)
{
	if (!world->nr_boxes)
		return NOBODY;
	return byte < 64 ? (int)world->nr_boxes - 1 : (int)(byte % world->nr_boxes);
}

/* And an id, most often of a mailbox, else the descriptor's or none. */
uint64_t aim_any(const struct world *world, uint8_t byte)
{
	int box = pick_box(world, byte);

	if (byte > 252 || box == NOBODY)
		return NEVER_ID;
	return byte > 200 ? 0 : world->boxes[box].id;
}

typedef bool (*suits_t)(const struct world *world, unsigned int box, unsigned int who);

/* Of a pair; of others nobody has the end. */
static bool may_have_end(const struct world *world, unsigned int box, int end, unsigned int who)
{
	int holder = world->boxes[box].ends[end];

	return !(world->boxes[box].attr.flags & MBOX_CREATE_PAIR) || holder == NOBODY ||
	       holder == (int)who;
}

static bool may_send(const struct world *world, unsigned int box, unsigned int who)
{
	return oracle_may(world, box, who, MBOX_RIGHT_SEND) && may_have_end(world, box, 0, who);
}

static bool may_receive(const struct world *world, unsigned int box, unsigned int who)
{
	return oracle_may(world, box, who, MBOX_RIGHT_RECV) && may_have_end(world, box, 1, who);
}

/* Or a receiver. */
static bool has_room_for(const struct world *world, unsigned int box, unsigned int who)
{
	const struct box *b = &world->boxes[box];

	if (!may_send(world, box, who) || b->nr_senders)
		return false;
	return queue_is_rendezvous(b) ? b->nr_receivers : !queue_fits(world, b, b->attr.max_size);
}

/* Or nobody knows: processes that run at once have no model. */
static bool has_message(const struct world *world, unsigned int box, unsigned int who)
{
	return may_receive(world, box, who) && world->boxes[box].nr;
}

static bool has_request(const struct world *world, unsigned int box, unsigned int who)
{
	unsigned int i;

	for (i = 0; i < world->boxes[box].nr; i++)
		if (world->boxes[box].queue[i].request != NOBODY)
			return may_receive(world, box, who);
	return false;
}

static bool may_manage(const struct world *world, unsigned int box, unsigned int who)
{
	return oracle_may(world, box, who, MBOX_RIGHT_MANAGE) &&
	       !(world->boxes[box].attr.flags & MBOX_CREATE_PROCESS);
}

static bool may_delete(const struct world *world, unsigned int box, unsigned int who)
{
	return oracle_may(world, box, who, MBOX_RIGHT_MANAGE);
}

/* By somebody who will be told of what becomes of it. */
static bool is_awaited(const struct world *world, unsigned int box, unsigned int who)
{
	const struct box *b = &world->boxes[box];

	return may_delete(world, box, who) && b->nr_receivers + b->nr_turn + b->nr_senders;
}

/* Whoever receives next waits for its turn. */
static bool has_turn(const struct world *world, unsigned int box, unsigned int who)
{
	return may_receive(world, box, who) &&
	       world->boxes[box].attr.flags & MBOX_CREATE_SINGLE &&
	       world->boxes[box].inside != NOBODY;
}

static bool has_grants(const struct world *world, unsigned int box, unsigned int who)
{
	unsigned int i;

	for (i = 0; i < ACTORS; i++)
		if (world->boxes[box].rights[i])
			return may_manage(world, box, who);
	return false;
}

static bool is_owner(const struct world *world, unsigned int box, unsigned int who)
{
	return world->boxes[box].owner == (int)who;
}

static bool is_offered(const struct world *world, unsigned int box, unsigned int who)
{
	return world->boxes[box].offered == (int)who;
}

static bool is_orphan(const struct world *world, unsigned int box, unsigned int who)
{
	const struct actor *actor = &world->actors[who];

	return world->boxes[box].owner == NOBODY &&
	       (!actor->self.uid || actor->self.uid == world->boxes[box].uid);
}

static int find_suitable(const struct world *world, unsigned int who, uint8_t byte, suits_t suits)
{
	unsigned int i, at;

	for (i = 0; i < world->nr_boxes; i++) {
		at = (pick_box(world, byte) + i) % world->nr_boxes;
		if (!world->boxes[at].gone && suits(world, at, who))
			return at;
	}
	return NOBODY;
}

/* Most often one that suits, if there is any. */
static uint64_t pick_suitable(const struct world *world, unsigned int who, unsigned int fd,
			      uint8_t byte, suits_t suits)
{
	uint64_t id = aim_any(world, byte);
	int box;

	if ((!id && world->actors[who].fds[fd].bound) || byte > 252 || byte % 16 == 15)
		return id;
	box = find_suitable(world, who, byte, suits);
	return box == NOBODY ? id : world->boxes[box].id;
}

static bool has_receivers(const struct world *world, unsigned int box, unsigned int who)
{
	return may_send(world, box, who) && world->boxes[box].nr_receivers;
}

/* Where somebody waits, or there is room, if there is. */
static uint64_t pick_sink(const struct world *world, unsigned int who, unsigned int fd,
			  uint8_t byte)
{
	if (byte % 2 && find_suitable(world, who, byte, has_receivers) != NOBODY)
		return pick_suitable(world, who, fd, byte, has_receivers);
	if (byte % 4 && find_suitable(world, who, byte, has_room_for) != NOBODY)
		return pick_suitable(world, who, fd, byte, has_room_for);
	return pick_suitable(world, who, fd, byte, may_send);
}

/* Where there is something, if there is: sometimes a request, or a turn to wait for. */
static uint64_t pick_source(const struct world *world, unsigned int who, unsigned int fd,
			    uint8_t byte)
{
	if (byte % 2 == 0 && find_suitable(world, who, byte, has_turn) != NOBODY)
		return pick_suitable(world, who, fd, byte, has_turn);
	if (byte % 2 && find_suitable(world, who, byte, has_request) != NOBODY)
		return pick_suitable(world, who, fd, byte, has_request);
	if (byte % 8 && find_suitable(world, who, byte, has_message) != NOBODY)
		return pick_suitable(world, who, fd, byte, has_message);
	return pick_suitable(world, who, fd, byte, may_receive);
}

bool aim_has_token(const struct world *world, unsigned int who)
{
	unsigned int i;

	for (i = 0; i < world->nr_requests; i++)
		if (world->requests[i].holder == (int)who)
			return true;
	return false;
}

/* Is there a request that this process may receive? */
bool aim_may_take_request(const struct world *world, unsigned int who)
{
	return find_suitable(world, who, 64, has_request) != NOBODY;
}

/* What an operation is aimed at; others at nothing in particular. */
static const suits_t suits[KINDS] = {
	[SEND] = may_send, [CALL] = may_send, [SEND_BATCH] = may_send,
	[RECV] = has_message, [RECV_BATCH] = has_message, [READ] = has_message,
	[TRANSFER] = may_manage, [OFFER] = may_manage, [ACCEPT] = is_offered,
	[CLAIM] = is_orphan, [GRANT] = may_manage, [REVOKE] = has_grants,
	[CHANGE] = may_manage, [DELETE] = may_delete,
};

/* Is there something that this process could do so? */
bool aim_exists(const struct world *world, unsigned int who, enum what what)
{
	if (what == REPLY || what == TOKEN)
		return aim_has_token(world, who);
	return !suits[what] || find_suitable(world, who, 64, suits[what]) != NOBODY;
}

/* The mailbox of an operation; of those that have an aim. */
uint64_t aim_mailbox(const struct world *world, unsigned int who, unsigned int fd, uint8_t byte,
		     enum what what)
{
	switch (what) {
	case SEND:
	case CALL:
	case SEND_BATCH:
		return pick_sink(world, who, fd, byte);
	case RECV:
	case RECV_BATCH:
		return pick_source(world, who, fd, byte);
	case DELETE:
	case TRANSFER:
	case REVOKE:
	case CHANGE:
		if (byte % 2 && find_suitable(world, who, byte, is_awaited) != NOBODY)
			return pick_suitable(world, who, fd, byte, is_awaited);
		break;
	default:
		break;
	}
	return pick_suitable(world, who, fd, byte, suits[what]);
}

/* One that the process could offer with a message. */
uint64_t aim_owned(const struct world *world, unsigned int who, unsigned int fd, uint8_t byte)
{
	return pick_suitable(world, who, fd, byte, is_owner);
}

/* One of a choice. */
uint64_t aim_source(const struct world *world, unsigned int who, unsigned int fd, uint8_t byte)
{
	return pick_suitable(world, who, fd, byte % 201, has_message);
}

/* Which mailbox that call is about, or NOBODY. */
int aim_target(const struct world *world, unsigned int who, unsigned int fd, uint64_t id)
{
	unsigned int i;

	if (!id)
		return world->actors[who].fds[fd].bound ? world->actors[who].fds[fd].box : NOBODY;
	for (i = 0; i < world->nr_boxes; i++)
		if (world->boxes[i].id == id)
			return i;
	return NOBODY;
}

int32_t aim_pid(const struct world *world, uint8_t byte)
{
	if (byte >= 248)
		return byte == 255 ? -1 : NO_PID;
	return world->actors[byte % ACTORS].self.pid;
}

/* Most often one that the process has. */
uint64_t aim_token(const struct world *world, unsigned int who, uint8_t byte)
{
	unsigned int i, at;

	if (!world->nr_requests || byte > 240)
		return byte;
	for (i = 0; i < world->nr_requests; i++) {
		at = (byte + i) % world->nr_requests;
		if (world->requests[at].holder == (int)who)
			return world->requests[at].token;
	}
	return world->requests[byte % world->nr_requests].token;
}

uint64_t aim_tag(const struct world *world, int box, uint8_t byte)
{
	const struct box *b = &world->boxes[box];

	return box != NOBODY && b->nr && byte % 4 ? b->queue[byte % b->nr].tag : byte % 3;
}

/* One that has a grant there, if any. */
int32_t aim_granted(const struct world *world, int box, uint8_t byte)
{
	unsigned int i, who;

	for (i = 0; box != NOBODY && byte < 240 && i < ACTORS; i++) {
		who = (byte + i) % ACTORS;
		if (world->boxes[box].rights[who])
			return world->actors[who].self.pid;
	}
	return aim_pid(world, byte);
}

static bool fd_suits(const struct world *world, unsigned int who, unsigned int fd,
		     enum what what)
{
	const struct actor *actor = &world->actors[who];
	bool bound = actor->fds[fd].bound;
	unsigned int box = actor->fds[fd].box;

	switch (what) {
	case SEND:
	case CALL:
	case SEND_BATCH:
		return fd != 2;
	case RECV:
	case RECV_BATCH:
		return fd != 3;
	case READ:
		return fd != 3 && bound && has_message(world, box, who);
	case WRITE:
		return fd != 2 && bound && may_send(world, box, who);
	case OPEN:
		return !bound;
	case POLL:
		return bound;
	default:
		return true;
	}
}

/* Most descriptors can do what they are to do. */
unsigned int aim_fd(const struct world *world, unsigned int who, const struct op *op,
		    enum what what)
{
	unsigned int fd = op->fd % FDS, i;

	for (i = 0; op->fd < 224 && i < FDS; i++)
		if (fd_suits(world, who, (fd + i) % FDS, what))
			return (fd + i) % FDS;
	return fd;
}
