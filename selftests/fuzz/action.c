// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * action.c - from bytes to calls: every argument is one of a few values, most of which make
 * sense in the world as it is.
 */
#include "mbox_selftest.h"
#include "aim.h"
#include "oracle_quota.h"

#define PICK(values, byte) ((values)[(byte) % (sizeof(values) / sizeof((values)[0]))])
#define MIN_SIZE(type, last) (offsetof(struct type, last) + sizeof(((struct type *)0)->last))

static const struct {
	unsigned long command;
	unsigned int size;
	unsigned int min_size;		/* of its first version */
	int reserved;			/* where there is a reserved word */
} ioctls[KINDS] = {
#define IOCTL(_cmd, _type, _last, _reserved)				\
	{ _cmd, sizeof(struct _type), MIN_SIZE(_type, _last), _reserved }
#define AT(type, member) ((int)offsetof(struct type, member))
	[INFO] = IOCTL(MBOX_IOC_INFO, mbox_info, mailboxes, -1),
	[CREATE] = IOCTL(MBOX_IOC_CREATE, mbox_create, id, -1),
	[OPEN] = IOCTL(MBOX_IOC_OPEN, mbox_open, reserved, AT(mbox_open, reserved)),
	[SEND] = IOCTL(MBOX_IOC_SEND, mbox_send, reserved2, AT(mbox_send, reserved)),
	[RECV] = IOCTL(MBOX_IOC_RECV, mbox_recv, nth, AT(mbox_recv, reserved)),
	[DELETE] = IOCTL(MBOX_IOC_DELETE, mbox_delete, id, -1),
	[STAT] = IOCTL(MBOX_IOC_STAT, mbox_stat, expired, -1),
	[TRANSFER] = IOCTL(MBOX_IOC_TRANSFER, mbox_transfer, reserved,
			   AT(mbox_transfer, reserved)),
	[OFFER] = IOCTL(MBOX_IOC_OFFER, mbox_transfer, reserved, AT(mbox_transfer, reserved)),
	[ACCEPT] = IOCTL(MBOX_IOC_ACCEPT, mbox_take, id, -1),
	[CLAIM] = IOCTL(MBOX_IOC_CLAIM, mbox_take, id, -1),
	[GRANT] = IOCTL(MBOX_IOC_GRANT, mbox_grant, rights, -1),
	[REVOKE] = IOCTL(MBOX_IOC_REVOKE, mbox_grant, rights, -1),
	[GRANTS] = IOCTL(MBOX_IOC_GRANTS, mbox_grants, reserved, AT(mbox_grants, reserved)),
	[CHANGE] = IOCTL(MBOX_IOC_CHANGE, mbox_change, reserved, AT(mbox_change, reserved)),
	[USAGE] = IOCTL(MBOX_IOC_USAGE, mbox_usage, reserved, -1),
	[CLOCK] = IOCTL(MBOX_IOC_CLOCK, mbox_clock, participant, -1),
	[CALL] = IOCTL(MBOX_IOC_CALL, mbox_call, reserved, AT(mbox_call, reserved)),
	[REPLY] = IOCTL(MBOX_IOC_REPLY, mbox_reply, done, AT(mbox_reply, reserved)),
	[TOKEN] = IOCTL(MBOX_IOC_TOKEN, mbox_token, reserved, AT(mbox_token, reserved)),
	[SEND_BATCH] = IOCTL(MBOX_IOC_SEND_BATCH, mbox_batch, error, -1),
	[RECV_BATCH] = IOCTL(MBOX_IOC_RECV_BATCH, mbox_batch, error, -1),
};

/* A page that nobody can touch; and one that can be read in one place, written in another. */
static void *nobodys_page, *read_only_page, *its_other_place;

void action_make_pages(void)
{
	int fd = memfd_create("page", MFD_CLOEXEC);

	NEED(fd >= 0 && !ftruncate(fd, PAGE));
	nobodys_page = unmapped();
	its_other_place = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	read_only_page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	NEED(its_other_place != MAP_FAILED && read_only_page != MAP_FAILED);
	close(fd);
}

void *action_nobodys_page(void)
{
	return nobodys_page;
}

/* Where the kernel is to find the structure. */
void *action_structure(struct action *action)
{
	switch (action->place) {
	case BAD:
		return nobodys_page;
	case READ_ONLY:
		memcpy(its_other_place, &action->arg, sizeof(action->arg));
		return read_only_page;
	default:
		return &action->arg;
	}
}

/* The size of its structure, and that of its first version. */
unsigned int action_sizes(enum what what, unsigned int *min_size)
{
	*min_size = ioctls[what].min_size;
	return ioctls[what].size;
}

/* The bytes of message @number. */
void action_fill(uint8_t *bytes, uint32_t number, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = number * 37 + i * 11;
}

/* How a process is called: PIDFD instead of its number, and what says so. */
static int32_t use_pidfd(struct action *action, __u64 *flags, uint64_t flag, int32_t pid,
			 uint8_t byte)
{
	if (byte % 4 || !pid)
		return pid;
	*flags |= flag;
	if (pid > 0 && pid != NO_PID)
		action->pidfd_of = pid;
	return PIDFD;
}

static bool may_wait(const struct world *world, uint8_t byte)
{
	return byte % 4 >= 2 && oracle_busy(world) < ACTORS - 2;
}

static bool find_named(const struct world *world, const __u8 *name)
{
	unsigned int i;

	for (i = 0; i < world->nr_boxes; i++)
		if (!world->boxes[i].gone && world->boxes[i].attr.name[0] == name[0])
			return true;
	return false;
}

static const uint32_t lengths[] = { 8, 8, 16, 1, 0, 7, 32, 64, 256, 257 };

/* Most are as they may be: without mailboxes there is little to do. */
static void make_valid(const struct world *world, struct mbox_create *create)
{
	const struct mbox_info *limits = &world->limits;

	if (create->flags & MBOX_CREATE_BY_TAG)
		create->flags &= ~MBOX_CREATE_BY_SENDER;
	if (create->flags & MBOX_CREATE_SINGLE)
		create->flags &= ~MBOX_CREATE_PAIR;
	create->mode &= create->flags & MBOX_CREATE_PROCESS ? 0222 : 0666;
	if (create->max_size > limits->limit_size)
		create->max_size = 16;
	if (create->max_msgs != MBOX_UNBOUNDED && create->max_msgs > limits->limit_msgs)
		create->max_msgs = limits->limit_msgs;
	if (create->flags & MBOX_CREATE_RESERVE) {
		create->max_msgs = 1 + create->max_msgs % 3;
		create->max_bytes = MBOX_UNBOUNDED_BYTES;
		create->max_size %= 128;
	}
	if (!create->max_msgs)
		create->max_bytes = create->share = 0;
	else if (create->max_bytes < create->max_size || create->max_bytes > limits->limit_bytes)
		create->max_bytes = MBOX_UNBOUNDED_BYTES;
	create->share = create->share > 100 ? 100 : create->share;
	if (create->name[0] && find_named(world, create->name))
		create->name[0] = 0;
	if (create->name[0] == '1' || create->name[1])
		memset(create->name, 0, sizeof(create->name));
}

static void build_create(struct world *world, const struct op *op, struct action *action)
{
	static const struct {
		uint32_t msgs;
		uint64_t bytes;
	} capacities[] = {
		{ 3, MBOX_UNBOUNDED_BYTES }, { 1, MBOX_UNBOUNDED_BYTES }, { 0, 0 },
		{ MBOX_UNBOUNDED, MBOX_UNBOUNDED_BYTES }, { 2, MBOX_UNBOUNDED_BYTES },
		{ 3, 64 }, { MBOX_UNBOUNDED, 32 }, { 2, 16 }, { 0, 0 }, { 4, 300 },
		{ 1, 0 }, { 7, MBOX_UNBOUNDED_BYTES }, { 0, MBOX_UNBOUNDED_BYTES }, { 2, 701 },
	};
	static const uint64_t flags[] = {
		0, 0, MBOX_CREATE_BY_TAG, MBOX_CREATE_BY_SENDER, MBOX_CREATE_SINGLE,
		MBOX_CREATE_PAIR, MBOX_CREATE_RESERVE, MBOX_CREATE_FIXED, MBOX_CREATE_PROCESS,
		MBOX_CREATE_RESERVE | MBOX_CREATE_BY_TAG, MBOX_CREATE_SINGLE | MBOX_CREATE_BY_TAG,
		MBOX_CREATE_PAIR | MBOX_CREATE_BY_SENDER, MBOX_CREATE_FILES,
		MBOX_CREATE_RESERVE | MBOX_CREATE_SINGLE, MBOX_CREATE_PROCESS | MBOX_CREATE_FIXED,
		MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR, MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER,
	};
	static const uint32_t sizes[] = { 16, 16, 8, 32, 1, 0, 64, 256, 257 };
	static const uint32_t modes[] = {
		0666, 0666, 0666, 0666, 0666, 0666, 0600, 0622, 0644, 0, 0222, 0060, 0667
	};
	static const uint32_t shares[] = { 0, 0, 0, 0, 50, 34, 100, 1, 101 };
	static const char *const names[] = { "", "", "", "", "a", "b", "1", "a/b" };
	struct mbox_create *create = &action->arg.create;

	create->flags = PICK(flags, op->arg[0]);
	create->max_msgs = PICK(capacities, op->arg[1]).msgs;
	create->max_bytes = PICK(capacities, op->arg[1]).bytes;
	create->max_size = PICK(sizes, op->arg[2]);
	create->mode = PICK(modes, op->arg[3]);
	create->share = PICK(shares, op->arg[4]);
	strcpy((char *)create->name, PICK(names, op->arg[5]));
	if (op->arg[6] % 2)
		create->flags |= MBOX_CREATE_BIND;
	if (create->flags & MBOX_CREATE_PROCESS && op->arg[7] % 8)
		create->mode &= 0222;
	if (!create->max_msgs && op->arg[7] % 8)
		create->share = 0;
	if (create->flags & MBOX_CREATE_RESERVE && op->arg[7] % 8) {
		create->max_bytes = MBOX_UNBOUNDED_BYTES;
		create->max_msgs = 1 + op->arg[1] % 3;
	}
	memset(&create->id, POISON, sizeof(create->id));
	if (op->arg[8] % 8)
		make_valid(world, create);
}

static void build_open(struct world *world, const struct op *op, struct action *action)
{
	static const uint32_t uids[] = { 0, 1001, 1002 };
	static const char *const names[] = { "a", "b", "c" };
	struct mbox_open *open = &action->arg.open;

	if (op->arg[0] % 4 == 3)
		strcpy((char *)open->name, PICK(names, op->arg[1]));
	if (op->arg[0] % 4 != 3 || op->arg[2] > 240)
		open->id = aim_any(world, op->box % 252);
	if (op->arg[3] % 4 == 3)
		open->flags = MBOX_OPEN_UID;
	open->uid = PICK(uids, op->arg[4]);
}

/* Most messages are not too long. */
static void fit_length(const struct world *world, int box, __u64 *len, uint8_t byte)
{
	if (box != NOBODY && *len > world->boxes[box].attr.max_size && byte % 8)
		*len = world->boxes[box].attr.max_size;
}

static void build_send_as(struct world *world, unsigned int who, const struct op *op,
			  struct action *action, struct mbox_send *send, unsigned int item)
{
	static const uint64_t flags[] = {
		0, 0, 0, MBOX_SEND_SYNC, MBOX_SEND_STAMP, MBOX_SEND_SHARED,
		MBOX_SEND_SYNC | MBOX_SEND_STAMP, MBOX_SEND_EXPIRES, MBOX_SEND_OFFER,
	};
	static const uint32_t prios[] = { 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 5, 5, 31, 31, 31, 32 };
	uint8_t more = op->arg[6] * item;
	int box;

	send->id = aim_mailbox(world, who, action->fd, op->box + more % 2, action->what);
	send->flags = PICK(flags, op->arg[0] + more);
	send->len = PICK(lengths, op->arg[1] + more / 2);
	send->prio = PICK(prios, op->arg[2] + more / 4);
	send->tag = (op->arg[3] + more) % 3;
	send->expires = op->arg[4] & 24 ? UINT64_MAX : 1;
	if (send->flags & MBOX_SEND_OFFER)
		send->offer = op->arg[5] == 255 ? 0 :
				aim_owned(world, who, action->fd, op->arg[5]);
	send->buf = (uintptr_t)action->in[item];
	send->receiver = POISON;
	send->stamp = POISON;
	box = aim_target(world, who, action->fd, send->id);
	if (box != NOBODY && world->boxes[box].attr.flags & MBOX_CREATE_FIXED && op->arg[7] % 8)
		send->len = world->boxes[box].attr.max_size;
	fit_length(world, box, &send->len, op->arg[7]);
	/* A slot comes first, and the wait for the receiver then: that would be two waits. */
	if (!may_wait(world, op->arg[4]) || item || action->what == SEND_BATCH ||
	    (box != NOBODY && world->boxes[box].attr.flags & MBOX_CREATE_RESERVE &&
	     send->flags & MBOX_SEND_SYNC)) {
		send->flags |= op->arg[4] % 2 ? MBOX_SEND_TIMEOUT : MBOX_SEND_NONBLOCK;
		send->deadline = 1;
	}
	action_fill(action->in[item], ++world->number, IN_MAX);
}

/* Most replies are not too long. */
static void fit_reply(const struct world *world, struct mbox_reply *reply, uint8_t byte)
{
	unsigned int i;

	for (i = 0; byte % 8 && i < world->nr_requests; i++)
		if (world->requests[i].token == reply->token &&
		    world->requests[i].room < reply->len)
			reply->len = world->requests[i].room;
}

static void fill_reply(struct world *world, unsigned int who, const struct op *op,
		       struct action *action, struct mbox_reply *reply)
{
	reply->token = aim_token(world, who, op->arg[0]);
	if (op->arg[1] % 8 == 7) {
		reply->flags = MBOX_REPLY_DISCARD;
		reply->len = op->arg[2] == 255;
		return;
	}
	reply->buf = (uintptr_t)action->in[0];
	reply->len = PICK(lengths, op->arg[2]);
	reply->tag = op->arg[3];
	fit_reply(world, reply, op->arg[5]);
	if (op->arg[4] % 8 == 7)
		reply->flags = MBOX_REPLY_SHARED;
	action_fill(action->in[0], ++world->number, IN_MAX);
}

/* Where messages can be picked they most often are, and elsewhere they are not. */
static void fit_match(const struct world *world, int box, struct mbox_recv *recv, uint8_t byte)
{
	uint64_t kind = box == NOBODY ? 0 : world->boxes[box].attr.flags;

	if (!(byte % 8) || recv->flags & MBOX_RECV_CHOICE)
		return;
	if (!(kind & (MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER)))
		recv->flags &= ~(MBOX_RECV_MATCH | MBOX_RECV_PARTICIPANT);
	else if (byte % 2 && !recv->nth)
		recv->flags |= MBOX_RECV_MATCH;
	if (!(kind & MBOX_CREATE_BY_SENDER) || !(recv->flags & MBOX_RECV_MATCH))
		recv->flags &= ~MBOX_RECV_PARTICIPANT;
	else if (byte / 8 % 4 == 3)
		recv->flags |= MBOX_RECV_PARTICIPANT;
}

/* One who sent what is there, most often, named in one of three ways. */
static uint64_t pick_sender(const struct world *world, int box, struct action *action,
			    struct mbox_recv *recv, uint8_t byte)
{
	const struct person *person = &world->actors[byte % ACTORS].self;
	const struct box *b = &world->boxes[box];

	if (b->nr && byte / ACTORS % 8 && b->queue[byte % b->nr].from.pid)
		person = &b->queue[byte % b->nr].from;
	if (recv->flags & MBOX_RECV_PARTICIPANT)
		return person->id;
	if (!(recv->flags & MBOX_RECV_MATCH) || byte >= 248)
		return (uint32_t)aim_pid(world, byte);
	/* All items of a batch mean the same process by the pidfd. */
	return (uint32_t)use_pidfd(action, &recv->flags, MBOX_RECV_PIDFD,
				   action->pidfd_of ? action->pidfd_of : person->pid, byte / 8);
}

/* Who has a token often uses it so. */
static void build_reply_first(struct world *world, unsigned int who, const struct op *op,
			      struct action *action, struct mbox_recv *recv, unsigned int item)
{
	uint8_t byte = op->arg[10];

	if (byte % (aim_has_token(world, who) ? 2 : 32) || recv->flags & MBOX_RECV_PEEK)
		return;
	recv->flags |= MBOX_RECV_REPLY;
	recv->reply = (uintptr_t)&action->reply;
	if (item)
		return;
	fill_reply(world, who, op, action, &action->reply);
	action->reply.result = POISON;
	action->reply.done = byte == 254 ? 2 : byte > 246;
}

static void build_recv_as(struct world *world, unsigned int who, const struct op *op,
			  struct action *action, struct mbox_recv *recv, unsigned int item)
{
	static const uint64_t flags[] = {
		0, 0, 0, MBOX_RECV_PEEK, MBOX_RECV_LEAST, MBOX_RECV_MATCH, MBOX_RECV_CHOICE,
		MBOX_RECV_PEEK, MBOX_RECV_MATCH | MBOX_RECV_LEAST,
		MBOX_RECV_CHOICE | MBOX_RECV_LEAST, MBOX_RECV_MATCH | MBOX_RECV_PEEK,
		MBOX_RECV_MATCH | MBOX_RECV_PARTICIPANT, MBOX_RECV_CHOICE | MBOX_RECV_PEEK,
		MBOX_RECV_PARTICIPANT,
	};
	static const uint32_t sizes[] = { 256, 256, 64, 16, 8, 1, 0 };
	uint8_t more = op->arg[9] * item;
	int box;

	memset(recv, POISON, sizeof(*recv));
	recv->id = aim_mailbox(world, who, action->fd, op->box + more % 2, action->what);
	recv->flags = PICK(flags, op->arg[0] + more);
	recv->buf = (uintptr_t)action->out[item];
	recv->size = PICK(sizes, op->arg[1]);
	recv->ids = (uintptr_t)action->ids;
	recv->nr_ids = 1 + op->arg[3] % IDS_MAX;
	recv->deadline = 1;
	recv->nth = recv->flags & MBOX_RECV_PEEK && op->arg[3] % 4 == 3 ? op->arg[3] % 65 : 0;
	recv->nr_files = 0;
	recv->reserved = 0;
	if (op->arg[2] & 1)
		recv->flags |= MBOX_RECV_TRUNCATE;
	if (op->arg[2] >> 4 & 3)
		recv->flags |= MBOX_RECV_TOKEN;
	if (op->arg[2] & 4)
		recv->flags |= MBOX_RECV_ACCEPT;
	if (recv->flags & MBOX_RECV_PEEK && op->arg[2] < 240)
		recv->flags &= ~(MBOX_RECV_TOKEN | MBOX_RECV_ACCEPT);
	box = aim_target(world, who, action->fd, recv->id);
	if (recv->flags & MBOX_RECV_CHOICE)
		recv->id = 0;
	fit_match(world, box, recv, op->arg[7]);
	if (box != NOBODY && world->boxes[box].attr.flags & MBOX_CREATE_BY_SENDER)
		recv->match = pick_sender(world, box, action, recv, op->arg[3]);
	else
		recv->match = aim_tag(world, box, op->arg[3]);
	build_reply_first(world, who, op, action, recv, item);
	if (!may_wait(world, op->arg[4]) || item || action->what == RECV_BATCH)
		recv->flags |= op->arg[4] % 2 ? MBOX_RECV_TIMEOUT : MBOX_RECV_NONBLOCK;
}

static void build_recv(struct world *world, unsigned int who, const struct op *op,
		       struct action *action)
{
	unsigned int i;

	build_recv_as(world, who, op, action, &action->arg.recv, 0);
	for (i = 0; i < IDS_MAX; i++)
		action->ids[i] = aim_source(world, who, action->fd, op->arg[5 + i]);
}

/*
 * Do those who wait act on what they are told, and thereby on what comes next? Then only one
 * thing is done at a time.
 */
static bool is_touchy(const struct world *world)
{
	unsigned int i;

	for (i = 0; i < world->nr_boxes; i++) {
		const struct box *box = &world->boxes[i];

		if (box->attr.flags & (MBOX_CREATE_RESERVE | MBOX_CREATE_SINGLE) &&
		    box->nr_senders + box->nr_receivers + box->nr_turn)
			return true;
		/* What a receiver has is charged until it is done with it. */
		if (box->share < 100 && box->nr_receivers)
			return true;
	}
	for (i = 0; i < ACTORS; i++)
		if (world->actors[i].waits != NOTHING && world->actors[i].accepts)
			return true;
	/* Likewise. */
	return oracle_busy(world) && quota_is_near(world, ITEMS_MAX);
}

static void build_batch(struct world *world, unsigned int who, const struct op *op,
			struct action *action)
{
	struct mbox_batch *batch = &action->arg.batch;
	bool sends = action->what == SEND_BATCH;
	unsigned int i;

	batch->items = (uintptr_t)action->items;
	batch->size = sizeof(action->items[0]);
	batch->nr = op->arg[10] == 255 ? 0 : 1 + op->arg[10] % ITEMS_MAX;
	if (batch->nr && is_touchy(world))
		batch->nr = 1;
	batch->flags = op->arg[8] % 2 ? MBOX_BATCH_WAIT_ONE : 0;
	batch->done = POISON;
	batch->error = POISON;
	for (i = 0; i < ITEMS_MAX; i++) {
		memset(&action->items[i], 0, sizeof(action->items[i]));
		if (sends)
			build_send_as(world, who, op, action, &action->items[i].send, i);
		else
			build_recv_as(world, who, op, action, &action->items[i].recv, i);
	}
	for (i = 0; i < IDS_MAX; i++)
		action->ids[i] = aim_source(world, who, action->fd, op->arg[5 + i]);
}

static void build_call(struct world *world, unsigned int who, const struct op *op,
		       struct action *action)
{
	static const uint32_t prios[] = { 0, 0, 0, 1, 1, 2, 31, 32 };
	static const uint32_t sizes[] = { 256, 256, 16, 16, 8, 0 };
	struct mbox_call *call = &action->arg.call;
	int box;

	call->id = aim_mailbox(world, who, action->fd, op->box, action->what);
	call->len = PICK(lengths, op->arg[1]);
	call->prio = PICK(prios, op->arg[2]);
	call->tag = op->arg[3] % 3;
	call->buf = (uintptr_t)action->in[0];
	call->reply = (uintptr_t)action->out[0];
	call->size = PICK(sizes, op->arg[5]);
	call->flags = op->arg[6] % 4 == 3 ? MBOX_CALL_TRUNCATE : 0;
	if (op->arg[6] / 4 % 4 == 3)
		call->flags |= MBOX_CALL_SHARED;
	memset(&call->got, POISON, offsetof(struct mbox_call, reserved) -
	       offsetof(struct mbox_call, got));
	box = aim_target(world, who, action->fd, call->id);
	fit_length(world, box, &call->len, op->arg[7]);
	if (!may_wait(world, op->arg[4] | 2) ||
	    (box != NOBODY && world->boxes[box].attr.flags & MBOX_CREATE_RESERVE)) {
		call->flags |= MBOX_CALL_TIMEOUT;
		call->deadline = 1;
	}
	if (op->arg[7] % 8 == 7)
		call->flags |= MBOX_CALL_NONBLOCK;
	action_fill(action->in[0], ++world->number, IN_MAX);
}

static void build_token(struct world *world, unsigned int who, const struct op *op,
			struct action *action)
{
	struct mbox_token *token = &action->arg.token;

	token->token = aim_token(world, who, op->arg[0]);
	if (op->arg[1] % 2) {
		token->flags = MBOX_TOKEN_PASS;
		token->pid = use_pidfd(action, &token->flags, MBOX_TOKEN_PIDFD,
				       aim_pid(world, op->arg[2]), op->arg[3] * 2);
	} else {
		token->pid = op->arg[2] == 255;
	}
}

static void build_transfer(struct world *world, unsigned int who, const struct op *op,
			   struct action *action)
{
	struct mbox_transfer *transfer = &action->arg.transfer;

	transfer->id = aim_mailbox(world, who, action->fd, op->box, action->what);
	transfer->flags = op->arg[2] % 4 == 3 ? MBOX_TRANSFER_KEEP : 0;
	transfer->pid = op->arg[0] % 8 == 7 ? 0 : aim_pid(world, op->arg[1]);
	transfer->pid = use_pidfd(action, &transfer->flags, MBOX_TRANSFER_PIDFD, transfer->pid,
				  op->arg[3]);
}

static void build_grant(struct world *world, unsigned int who, const struct op *op,
			struct action *action)
{
	static const uint32_t rights[] = {
		MBOX_RIGHT_RECV, MBOX_RIGHT_SEND, MBOX_RIGHT_SEND | MBOX_RIGHT_RECV,
		MBOX_RIGHT_MANAGE, MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE,
		MBOX_RIGHT_SEND, MBOX_RIGHT_RECV, MBOX_RIGHT_SEND, 0, 1,
	};
	struct mbox_grant *grant = &action->arg.grant;

	grant->id = aim_mailbox(world, who, action->fd, op->box, action->what);
	grant->pid = aim_pid(world, op->arg[0]);
	if (action->what == REVOKE)
		grant->pid = aim_granted(world, aim_target(world, who, action->fd, grant->id),
					 op->arg[0]);
	grant->pid = use_pidfd(action, &grant->flags, MBOX_GRANT_PIDFD, grant->pid, op->arg[2]);
	grant->rights = PICK(rights, op->arg[1]);
}

static void build_grants(struct world *world, const struct op *op, struct action *action)
{
	struct mbox_grants *grants = &action->arg.grants;

	grants->id = aim_any(world, op->box);
	grants->grants = (uintptr_t)action->granted;
	grants->nr = op->arg[0] == 255 ? MBOX_GRANTS_MAX + 1 : op->arg[0] % (ACTORS + 1);
	memset(action->granted, POISON, sizeof(action->granted));
}

static void build_change(struct world *world, unsigned int who, const struct op *op,
			 struct action *action)
{
	static const uint32_t modes[] = { 0666, 0600, 0, 0222, 0444, 0066, 0006, 01000 };
	static const uint32_t uids[] = { 1001, 1002, 0 };
	struct mbox_change *change = &action->arg.change;

	change->id = aim_mailbox(world, who, action->fd, op->box, action->what);
	/* User and group only root can change. */
	change->flags = MBOX_CHANGE_MODE;
	if (!(op->arg[0] % (world->actors[who].self.uid ? 8 : 2)))
		change->flags = op->arg[0] / 8 % 8;
	change->mode = PICK(modes, op->arg[1]);
	change->uid = PICK(uids, op->arg[2]);
	change->gid = PICK(uids, op->arg[3]);
}

static void build_stream(struct world *world, const struct op *op, struct action *action)
{
	action->len = PICK(lengths, op->arg[1]);
	action->nonblock = !may_wait(world, op->arg[4]);
	if (action->what == WRITE)
		action_fill(action->in[0], ++world->number, IN_MAX);
	else
		action->bad = op->arg[5] > 240;
	action->nonblock |= action->bad;
}

static void build_kind(struct world *world, unsigned int who, const struct op *op,
		       struct action *action)
{
	static const uint32_t uids[] = { 0, 1001, 1002 };
	union argument *arg = &action->arg;

	switch (action->what) {
	case CREATE:
		build_create(world, op, action);
		break;
	case OPEN:
		build_open(world, op, action);
		break;
	case SEND:
		build_send_as(world, who, op, action, &arg->send, 0);
		break;
	case RECV:
		build_recv(world, who, op, action);
		break;
	case DELETE:
		arg->delete.id = aim_mailbox(world, who, action->fd, op->box, DELETE);
		break;
	case STAT:
		memset(&arg->stat, POISON, sizeof(arg->stat));
		arg->stat.flags = op->arg[0] % 4 == 3 ? MBOX_STAT_NEXT : 0;
		arg->stat.id = aim_any(world, op->box);
		break;
	case TRANSFER:
	case OFFER:
		build_transfer(world, who, op, action);
		break;
	case ACCEPT:
	case CLAIM:
		arg->take.id = aim_mailbox(world, who, action->fd, op->box, action->what);
		break;
	case GRANT:
	case REVOKE:
		build_grant(world, who, op, action);
		break;
	case GRANTS:
		build_grants(world, op, action);
		break;
	case CHANGE:
		build_change(world, who, op, action);
		break;
	case USAGE:
		memset(&arg->usage, POISON, sizeof(arg->usage));
		arg->usage.flags = op->arg[0] % 4 == 3 ? MBOX_USAGE_UID : 0;
		arg->usage.uid = PICK(uids, op->arg[1]);
		break;
	case CLOCK:
		memset(&arg->clock, POISON, sizeof(arg->clock));
		arg->clock.flags = op->arg[0] % 2 ? MBOX_CLOCK_TICK : 0;
		break;
	case CALL:
		build_call(world, who, op, action);
		break;
	case REPLY:
		fill_reply(world, who, op, action, &arg->reply);
		break;
	case TOKEN:
		build_token(world, who, op, action);
		break;
	case SEND_BATCH:
	case RECV_BATCH:
		build_batch(world, who, op, action);
		break;
	case INFO:
		memset(&arg->info, POISON, sizeof(arg->info));
		arg->info.flags = 0;
		break;
	case READ:
	case WRITE:
		build_stream(world, op, action);
		break;
	default:
		break;
	}
}

static void set_size(struct action *action, unsigned int size)
{
	action->size = size;
	action->command &= ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	action->command |= (unsigned long)size << _IOC_SIZESHIFT;
}

/* It is not to wait for something: what comes of the wild things comes at once. */
static void calm(struct action *action)
{
	if (action->what == SEND)
		action->arg.send.flags |= MBOX_SEND_NONBLOCK;
	if (action->what == RECV)
		action->arg.recv.flags |= MBOX_RECV_NONBLOCK;
	if (action->what == CALL) {
		action->arg.call.flags |= MBOX_CALL_TIMEOUT;
		action->arg.call.deadline = 1;
	}
}

static void use_bad_buffer(struct action *action)
{
	action->bad = true;
	switch (action->what) {
	case SEND:
		action->arg.send.buf = (uintptr_t)nobodys_page;
		break;
	case RECV:
		action->arg.recv.buf = (uintptr_t)nobodys_page;
		break;
	case CALL:
		action->arg.call.buf = (uintptr_t)nobodys_page;
		break;
	case REPLY:
		if (action->arg.reply.buf)
			action->arg.reply.buf = (uintptr_t)nobodys_page;
		break;
	case GRANTS:
		action->arg.grants.grants = (uintptr_t)nobodys_page;
		break;
	case SEND_BATCH:
		action->items[ITEMS_MAX - 1].send.buf = (uintptr_t)nobodys_page;
		break;
	case RECV_BATCH:
		action->items[ITEMS_MAX - 1].recv.buf = (uintptr_t)nobodys_page;
		break;
	default:
		action->bad = false;
	}
}

enum { WILD_READ_ONLY = 5, WILD_BUFFER = 8, WILD_WAYS = 11 };

/* What a receive cannot deliver goes back, so that is tried more often. */
static unsigned int way_of(const struct op *op, const struct action *action)
{
	if ((action->what == RECV || action->what == RECV_BATCH) && op->arg[8] & 2)
		return op->arg[8] & 4 ? WILD_READ_ONLY : WILD_BUFFER;
	return op->wild % WILD_WAYS;
}

static void make_wild(const struct op *op, struct action *action)
{
	unsigned int size = ioctls[action->what].size;
	unsigned int min_size = ioctls[action->what].min_size;

	calm(action);
	switch (way_of(op, action)) {
	case 0:
		set_size(action, min_size - 1);
		break;
	case 1:
		memset(action->arg.bytes + min_size, 0, sizeof(action->arg) - min_size);
		set_size(action, min_size);
		break;
	case 2:
		set_size(action, size + 8);
		break;
	case 3:
		action->arg.bytes[size + 7] = 1;
		set_size(action, size + 8);
		break;
	case 4:
		action->place = BAD;
		break;
	case WILD_READ_ONLY:
		action->place = READ_ONLY;
		break;
	case 6:
		/* They all begin with their flags. */
		action->arg.info.flags |= 1ULL << (40 + op->wild % 24);
		break;
	case 7:
		if (ioctls[action->what].reserved >= 0)
			action->arg.bytes[ioctls[action->what].reserved] = 1;
		break;
	case WILD_BUFFER:
		use_bad_buffer(action);
		break;
	case 9:
		action->command = (action->command & ~_IOC_NRMASK) | 0x40;
		break;
	default:
		action->command ^= 1UL << _IOC_TYPESHIFT;
	}
}

static bool has_room(const struct world *world, const struct op *op)
{
	unsigned int i;

	if (op->what % KINDS == CREATE && world->nr_boxes == BOXES_MAX)
		return false;
	for (i = 0; i < world->nr_boxes; i++)
		if (world->boxes[i].nr > QUEUE_MAX - ITEMS_MAX - 2 * ACTORS)
			return false;
	return world->nr_requests < REQUESTS_MAX;
}

/* False if it cannot be: then it is passed over. */
bool action_build(struct world *world, unsigned int who, const struct op *op,
		  struct action *action)
{
	if (!has_room(world, op))
		return false;
	memset(action, 0, sizeof(*action));
	memset(action->out, POISON, sizeof(action->out));
	action->what = op->what % KINDS;
	action->fd = aim_fd(world, who, op, action->what);
	action->command = ioctls[action->what].command;
	action->size = ioctls[action->what].size;
	build_kind(world, who, op, action);
	if (action->command && op->wild > 232)
		make_wild(op, action);
	return true;
}

static void describe_send(const struct mbox_send *send)
{
	printf("{ flags %#llx, id %llu, len %llu, prio %u, tag %llu, offer %llu }",
	       send->flags, send->id, send->len, send->prio, send->tag, send->offer);
}

static void describe_recv(const struct mbox_recv *recv)
{
	printf("{ flags %#llx, id %llu, size %llu, match %lld, nth %u, nr_ids %u }",
	       recv->flags, recv->id, recv->size, recv->match, recv->nth, recv->nr_ids);
}

static void describe_arguments(const struct action *action)
{
	const union argument *arg = &action->arg;
	unsigned int i;

	switch (action->what) {
	case CREATE:
		printf("{ flags %#llx, max_msgs %u, max_bytes %lld, max_size %u, mode %#o, share %u, name \"%.63s\" }",
		       arg->create.flags, arg->create.max_msgs, arg->create.max_bytes,
		       arg->create.max_size, arg->create.mode, arg->create.share,
		       (const char *)arg->create.name);
		break;
	case OPEN:
		printf("{ flags %#llx, id %llu, name \"%.63s\", uid %u }", arg->open.flags,
		       arg->open.id, (const char *)arg->open.name, arg->open.uid);
		break;
	case SEND:
		describe_send(&arg->send);
		break;
	case RECV:
		describe_recv(&arg->recv);
		break;
	case TRANSFER:
	case OFFER:
		printf("{ flags %#llx, id %llu, pid %d }", arg->transfer.flags, arg->transfer.id,
		       arg->transfer.pid);
		break;
	case GRANT:
	case REVOKE:
		printf("{ flags %#llx, id %llu, pid %d, rights %#x }", arg->grant.flags,
		       arg->grant.id, arg->grant.pid, arg->grant.rights);
		break;
	case CHANGE:
		printf("{ flags %#llx, id %llu, mode %#o, uid %u, gid %u }", arg->change.flags,
		       arg->change.id, arg->change.mode, arg->change.uid, arg->change.gid);
		break;
	case CALL:
		printf("{ flags %#llx, id %llu, len %llu, prio %u, size %llu }", arg->call.flags,
		       arg->call.id, arg->call.len, arg->call.prio, arg->call.size);
		break;
	case REPLY:
		printf("{ flags %#llx, token %llu, len %llu }", arg->reply.flags,
		       arg->reply.token, arg->reply.len);
		break;
	case TOKEN:
		printf("{ flags %#llx, token %llu, pid %d }", arg->token.flags, arg->token.token,
		       arg->token.pid);
		break;
	case SEND_BATCH:
	case RECV_BATCH:
		printf("{ flags %#llx, nr %u:", arg->batch.flags, arg->batch.nr);
		for (i = 0; i < arg->batch.nr && i < ITEMS_MAX; i++)
			action->what == SEND_BATCH ? describe_send(&action->items[i].send) :
						     describe_recv(&action->items[i].recv);
		printf(" }");
		break;
	case READ:
	case WRITE:
		printf("%llu bytes", (unsigned long long)action->len);
		break;
	case POLL:
	case REOPEN:
	case DIE:
	case SIGNAL:
		break;
	default:
		printf("{ flags %#llx, id %llu }", arg->stat.flags, arg->stat.id);
	}
}

void action_describe(const struct action *action, unsigned int who)
{
	static const char *const places[] = { "", ", unmapped", ", read-only" };

	printf("process %u: %s ", who, what_name(action->what));
	describe_arguments(action);
	if (action->command && action->size != ioctls[action->what].size)
		printf(", %u bytes", action->size);
	if ((action->command ^ ioctls[action->what].command) & 0xffff)
		printf(", command %#lx", action->command & 0xffff);
	if (action->pidfd_of)
		printf(", pidfd of %d", action->pidfd_of);
	if (action->reply.buf || action->reply.flags)
		printf(", reply { flags %#llx, token %llu, len %llu, done %u }",
		       action->reply.flags, action->reply.token, action->reply.len,
		       action->reply.done);
	printf(", descriptor %u%s%s%s", action->fd, places[action->place],
	       action->bad ? ", bad buffer" : "", action->nonblock ? ", not blocking" : "");
}
