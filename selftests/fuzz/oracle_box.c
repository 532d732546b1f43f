// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_box.c - create, open, delete, and what is told of mailboxes, limits, quotas and
 * clocks.
 */
#include <errno.h>
#include <string.h>

#include "oracle_box.h"
#include "oracle_queue.h"
#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_talk.h"
#include "oracle_tell.h"
#include "oracle_wait.h"
#include "oracle_world.h"

static bool valid_capacity(const struct world *w, const struct mbox_create *c)
{
	uint64_t limit = w->limits.limit_bytes;

	if (c->flags & MBOX_CREATE_RESERVE)
		return c->max_msgs && c->max_msgs <= w->limits.limit_msgs &&
		       c->max_bytes == MBOX_UNBOUNDED_BYTES &&
		       (uint64_t)c->max_msgs * c->max_size <= limit;
	if (!c->max_msgs)
		return !c->max_bytes;
	if (c->max_msgs != MBOX_UNBOUNDED && c->max_msgs > w->limits.limit_msgs)
		return false;
	return c->max_bytes == MBOX_UNBOUNDED_BYTES ||
	       (c->max_bytes >= c->max_size && c->max_bytes <= limit);
}

static bool has_both(uint64_t flags, uint64_t pair)
{
	return (flags & pair) == pair;
}

static bool valid_create(const struct world *w, const struct mbox_create *c)
{
	uint32_t modes = c->flags & MBOX_CREATE_PROCESS ? 0222 : 0666;

	if (c->flags >> 10 || c->mode & ~modes || c->max_size > w->limits.limit_size)
		return false;
	if (has_both(c->flags, MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER) ||
	    has_both(c->flags, MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR))
		return false;
	if (c->share > (c->max_msgs || c->max_bytes ? 100U : 0U))
		return false;
	if ((c->name[0] >= '0' && c->name[0] <= '9') || strchr((const char *)c->name, '/'))
		return false;
	return valid_capacity(w, c);
}

static int find_name(const struct world *w, const __u8 *name)
{
	unsigned int i;

	for (i = 0; i < w->nr_boxes; i++)
		if (!w->boxes[i].gone && !memcmp(w->boxes[i].attr.name, name, MBOX_NAME_SIZE))
			return i;
	return NOBODY;
}

static void bind(struct actor *actor, int box)
{
	actor->fds[actor->expect.fd].bound = true;
	actor->fds[actor->expect.fd].box = box;
}

/* Its id is known only then: see oracle_learn(). */
int predict_create(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct mbox_create *c = &actor->expect.arg.create;
	struct box *b = &w->boxes[w->nr_boxes];
	int error;

	if (!valid_create(w, c))
		return EINVAL;
	if (c->flags & MBOX_CREATE_BIND && actor->fds[actor->expect.fd].bound)
		return EISCONN;
	if (actor->expect.place != GOOD)
		return EFAULT;
	error = quota_create(w, who);
	if (error)
		return error;
	if (c->name[0] && find_name(w, c->name) != NOBODY)
		return EEXIST;
	memset(b, 0, sizeof(*b));
	b->attr = *c;
	b->mode = c->mode;
	b->uid = b->gid = actor->self.uid;
	b->share = queue_is_rendezvous(b) || c->share ? c->share : w->quotas.default_share;
	if (queue_is_rendezvous(b))
		b->share = 100;
	b->owner = who;
	b->offered = b->inside = b->ends[0] = b->ends[1] = NOBODY;
	b->slots = c->max_msgs;
	if (c->flags & MBOX_CREATE_BIND)
		bind(actor, w->nr_boxes);
	w->nr_boxes++;
	return 0;
}

int predict_open(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct action *x = &actor->expect;
	struct mbox_open *open = &x->arg.open, made;
	struct box *b;
	int error = 0, named;

	if (open->flags & ~MBOX_OPEN_UID || open->reserved || !open->name[0] == !open->id)
		return EINVAL;
	if (actor->fds[x->fd].bound)
		return EISCONN;
	if (open->id) {
		error = world_find(w, who, open->id, &b);
	} else {
		named = find_name(w, open->name);
		error = named == NOBODY ? ENOENT : 0;
		b = &w->boxes[named];
	}
	if (error)
		return error;
	if (open->flags & MBOX_OPEN_UID && open->uid != b->uid)
		return ENOENT;
	if (!rights_see(w, b, who))
		return EACCES;
	made = *open;
	made.id = b->id;
	made.uid = b->uid;
	error = tell_fields(x, open, &made, offsetof(struct mbox_open, id), sizeof(made));
	if (!error)
		bind(actor, world_index(w, b));
	return error;
}

int predict_delete(struct world *w, int who)
{
	const struct mbox_delete *delete = &w->actors[who].expect.arg.delete;
	struct box *b;
	int error;

	if (delete->flags)
		return EINVAL;
	error = world_find(w, who, delete->id, &b);
	if (error)
		return error;
	if (!rights_has(w, b, who, MBOX_RIGHT_MANAGE))
		return EACCES;
	wait_end_box(w, b);
	return 0;
}

static uint32_t count_waiting_senders(const struct box *b)
{
	uint32_t nr = b->nr_senders;
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		nr += b->queue[i].waiter != NOBODY;
	return nr;
}

/* But for what depends on who asks. */
struct mbox_stat oracle_stat(const struct world *w, unsigned int box)
{
	const struct box *b = &w->boxes[box];
	struct mbox_stat stat = {
		.id = b->id,
		.max_bytes = b->attr.max_bytes,
		.max_msgs = b->attr.max_msgs,
		.max_size = b->attr.max_size,
		.mode = b->mode,
		.uid = b->uid,
		.gid = b->gid,
		.pid = b->owner == NOBODY ? 0 : w->actors[b->owner].self.pid,
		.bytes = b->bytes,
		.bytes_high = b->bytes_high,
		.msgs = b->msgs,
		.msgs_high = b->msgs_high,
		.senders = count_waiting_senders(b),
		.receivers = b->nr_receivers + b->nr_turn,
		.sent = b->sent,
		.received = b->received,
		.kind = b->attr.flags & ~MBOX_CREATE_BIND,
		.share = b->share,
		.offered = b->offered == NOBODY ? 0 : w->actors[b->offered].self.pid,
		.grants = rights_grants(b),
		.requests = talk_count(w, b),
		.refused = b->refused,
		.skipped = b->skipped,
		.filled = b->filled,
	};

	memcpy(stat.name, b->attr.name, sizeof(stat.name));
	if (b->owner == NOBODY)
		stat.state |= MBOX_STATE_ORPHAN;
	if (b->offered != NOBODY)
		stat.state |= MBOX_STATE_OFFERED;
	return stat;
}

static int find_next(struct world *w, int who, uint64_t id, struct box **b)
{
	unsigned int i;

	for (i = 0; i < w->nr_boxes; i++) {
		*b = &w->boxes[i];
		if (!(*b)->gone && (*b)->id >= id && rights_see(w, *b, who))
			return 0;
	}
	return ENOENT;
}

int predict_stat(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_stat *stat = &x->arg.stat, made;
	int user = oracle_user(w->actors[who].self.uid);
	struct box *b;
	int error;

	if (stat->flags & ~MBOX_STAT_NEXT)
		return EINVAL;
	error = stat->flags & MBOX_STAT_NEXT ? find_next(w, who, stat->id, &b) :
					       world_find(w, who, stat->id, &b);
	if (error)
		return error;
	if (!rights_see(w, b, who))
		return EACCES;
	made = oracle_stat(w, world_index(w, b));
	if (b->share < 100) {
		made.user_bytes = b->shares[user].bytes;
		made.user_msgs = b->shares[user].msgs;
	}
	return tell_fields(x, stat, &made, offsetof(struct mbox_stat, id), sizeof(made));
}

int predict_info(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_info made = w->limits;

	if (x->arg.info.flags)
		return EINVAL;
	made.mailboxes = quota_boxes(w, NOBODY);
	return tell_fields(x, &x->arg.info, &made, offsetof(struct mbox_info, features), sizeof(made));
}

int predict_clock(struct world *w, int who)
{
	struct actor *actor = &w->actors[who];
	struct mbox_clock *clock = &actor->expect.arg.clock, made = *clock;

	if (clock->flags & ~MBOX_CLOCK_TICK)
		return EINVAL;
	if (clock->flags & MBOX_CLOCK_TICK)
		actor->clock++;
	made.stamp = actor->clock;
	made.participant = actor->self.id;
	return tell_fields(&actor->expect, clock, &made, offsetof(struct mbox_clock, stamp),
			   sizeof(made));
}

