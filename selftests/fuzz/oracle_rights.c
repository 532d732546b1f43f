// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_rights.c - what mode bits, ownership, grants and capabilities allow, what happens to
 * that when an owner or a grant goes, and the commands that pass it on.
 */
#include <errno.h>

#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_tell.h"
#include "oracle_wait.h"
#include "oracle_world.h"

bool rights_is_root(const struct world *w, int who)
{
	return !w->actors[who].self.uid;
}

static unsigned int allowed(const struct box *b, int who)
{
	if (!(b->attr.flags & MBOX_CREATE_PROCESS))
		return ALL_RIGHTS;
	return MBOX_RIGHT_MANAGE | (b->owner == who ? MBOX_RIGHT_RECV : MBOX_RIGHT_SEND);
}

/* But for capabilities. */
unsigned int rights_of(const struct world *w, const struct box *b, int who)
{
	uint32_t uid = w->actors[who].self.uid;
	unsigned int rights = b->mode;

	if (uid == b->uid)
		rights >>= 6;
	else if (uid == b->gid)		/* everybody's group has the number of its user */
		rights >>= 3;
	rights &= MBOX_RIGHT_SEND | MBOX_RIGHT_RECV;
	if (uid == b->uid)
		rights |= MBOX_RIGHT_MANAGE;
	if (b->owner == who)
		rights |= MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE;
	return (rights | b->rights[who]) & allowed(b, who);
}

bool rights_has(const struct world *w, const struct box *b, int who, unsigned int right)
{
	return rights_of(w, b, who) & right || (rights_is_root(w, who) && allowed(b, who) & right);
}

bool oracle_may(const struct world *w, unsigned int box, unsigned int who, unsigned int right)
{
	return rights_has(w, &w->boxes[box], who, right);
}

bool rights_see(const struct world *w, const struct box *b, int who)
{
	return rights_of(w, b, who) || b->offered == who || rights_is_root(w, who);
}

bool rights_may_signal(const struct world *w, int who, int other)
{
	return rights_is_root(w, who) || w->actors[who].self.uid == w->actors[other].self.uid;
}

bool rights_deed_holds(const struct world *w, const struct message *msg)
{
	return msg->deed != NOBODY && !w->boxes[msg->deed].gone &&
	       w->boxes[msg->deed].tenure == msg->tenure &&
	       w->boxes[msg->deed].owner != NOBODY;
}

unsigned int rights_grants(const struct box *b)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ACTORS; i++)
		nr += b->rights[i] != 0;
	return nr;
}

static bool room_for_grant(const struct world *w, const struct box *b, int who)
{
	return b->rights[who] || rights_grants(b) < w->quotas.limit_grants;
}

void rights_void_offer(struct box *b)
{
	b->offered = NOBODY;
	b->offered_keeps = false;
}

void rights_new_owner(struct world *w, struct box *b, int who)
{
	int former = b->owner;

	rights_void_offer(b);
	b->tenure++;
	b->owner = who;
	b->uid = b->gid = w->actors[who].self.uid;
	if (former != NOBODY && former != who && b->ends[1] == former)
		b->ends[1] = NOBODY;
	wait_recheck(w, b);
}

static int check_manager(struct world *w, int who, uint64_t id, struct box **b)
{
	int error = world_find(w, who, id, b);

	if (error)
		return error;
	if (!rights_has(w, *b, who, MBOX_RIGHT_MANAGE))
		return EACCES;
	return (*b)->attr.flags & MBOX_CREATE_PROCESS ? EOPNOTSUPP : 0;
}

int predict_transfer(struct world *w, int who, bool offers)
{
	const struct mbox_transfer *transfer = &w->actors[who].expect.arg.transfer;
	bool keeps = transfer->flags & MBOX_TRANSFER_KEEP;
	bool is_pidfd = transfer->flags & MBOX_TRANSFER_PIDFD;
	struct box *b;
	int error, to;

	if (transfer->flags & ~(MBOX_TRANSFER_KEEP | MBOX_TRANSFER_PIDFD) ||
	    transfer->reserved || transfer->pid < 0)
		return EINVAL;
	if (offers && !transfer->pid && transfer->flags)
		return EINVAL;
	error = world_find_process(w, who, transfer->pid, is_pidfd, &to);
	if (!error)
		error = check_manager(w, who, transfer->id, &b);
	if (error)
		return error;
	if (offers && !transfer->pid) {
		rights_void_offer(b);
		return 0;
	}
	if (to == NOBODY)
		return ESRCH;
	if (!offers && !rights_may_signal(w, who, to))
		return EPERM;
	keeps = keeps && b->owner != NOBODY;
	if (keeps && !room_for_grant(w, b, b->owner))
		return EMLINK;
	if (offers) {
		b->offered = to;
		b->offered_keeps = keeps;
		return 0;
	}
	error = quota_take_over(w, who, to, b);
	if (error)
		return error;
	if (keeps)
		b->rights[b->owner] |= MBOX_RIGHT_RECV;
	rights_new_owner(w, b, to);
	return 0;
}

/* What is to be accepted or claimed. */
static int find_taken(struct world *w, int who, struct box **b)
{
	const struct mbox_take *take = &w->actors[who].expect.arg.take;

	return take->flags ? EINVAL : world_find(w, who, take->id, b);
}

int predict_accept(struct world *w, int who)
{
	struct box *b;
	int error = find_taken(w, who, &b);

	if (error)
		return error;
	if (b->attr.flags & MBOX_CREATE_PROCESS && rights_see(w, b, who))
		return EOPNOTSUPP;
	if (b->offered != who)
		return EACCES;
	error = quota_take_over(w, who, who, b);
	if (error)
		return error;
	if (b->offered_keeps)
		b->rights[b->owner] |= MBOX_RIGHT_RECV;
	rights_new_owner(w, b, who);
	return 0;
}

int predict_claim(struct world *w, int who)
{
	struct box *b;
	int error = find_taken(w, who, &b);

	if (error)
		return error;
	if (w->actors[who].self.uid != b->uid && !rights_is_root(w, who))
		return EACCES;
	if (b->attr.flags & MBOX_CREATE_PROCESS)
		return EOPNOTSUPP;
	if (b->owner != NOBODY)
		return EBUSY;
	error = quota_take_over(w, who, who, b);
	if (error)
		return error;
	rights_new_owner(w, b, who);
	return 0;
}

static int check_grant(struct world *w, int who, struct box **b, int *to)
{
	const struct mbox_grant *grant = &w->actors[who].expect.arg.grant;
	int error;

	if (grant->flags & ~MBOX_GRANT_PIDFD || !grant->rights || grant->rights & ~ALL_RIGHTS ||
	    grant->pid < 0)
		return EINVAL;
	error = world_find_process(w, who, grant->pid, grant->flags & MBOX_GRANT_PIDFD, to);
	if (!error)
		error = check_manager(w, who, grant->id, b);
	if (error)
		return error;
	return *to == NOBODY ? ESRCH : 0;
}

int predict_grant(struct world *w, int who)
{
	struct box *b;
	int to, error = check_grant(w, who, &b, &to);

	if (error)
		return error;
	if (!room_for_grant(w, b, to))
		return EMLINK;
	b->rights[to] |= w->actors[who].expect.arg.grant.rights;
	return 0;
}

int predict_revoke(struct world *w, int who)
{
	struct box *b;
	int to, error = check_grant(w, who, &b, &to);
	unsigned int lost;

	if (error)
		return error;
	lost = b->rights[to] & w->actors[who].expect.arg.grant.rights;
	if (!lost)
		return ESRCH;
	b->rights[to] &= ~lost;
	if (lost & MBOX_RIGHT_SEND && b->ends[0] == to)
		b->ends[0] = NOBODY;
	if (lost & MBOX_RIGHT_RECV && b->ends[1] == to)
		b->ends[1] = NOBODY;
	wait_recheck(w, b);
	return 0;
}

int predict_grants(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_grants *grants = &x->arg.grants, made;
	struct box *b;
	int error;

	if (grants->flags || grants->reserved || grants->nr > MBOX_GRANTS_MAX)
		return EINVAL;
	error = world_find(w, who, grants->id, &b);
	if (error)
		return error;
	if (!rights_see(w, b, who))
		return EACCES;
	if (x->bad && MIN(grants->nr, rights_grants(b)))
		return EFAULT;
	made = *grants;
	made.nr = rights_grants(b);
	x->grants_of = b->id;
	x->grants_room = grants->nr;
	return tell_fields(x, grants, &made, offsetof(struct mbox_grants, nr), END_OF(mbox_grants, nr));
}

int predict_change(struct world *w, int who)
{
	const struct mbox_change *change = &w->actors[who].expect.arg.change;
	struct box *b;
	bool owned;
	int error;

	if (!change->flags || change->flags >> 3 || change->reserved ||
	    (change->flags & MBOX_CHANGE_MODE && change->mode & ~0666))
		return EINVAL;
	error = world_find(w, who, change->id, &b);
	if (error)
		return error;
	owned = b->attr.flags & MBOX_CREATE_PROCESS;
	if (change->flags & MBOX_CHANGE_MODE && !rights_has(w, b, who, MBOX_RIGHT_MANAGE))
		return EACCES;
	if (change->flags & ~MBOX_CHANGE_MODE) {
		if (!rights_is_root(w, who))
			return EACCES;
		if (owned)
			return EOPNOTSUPP;
	}
	if (change->flags & MBOX_CHANGE_MODE && owned && change->mode & 0444)
		return EINVAL;
	if (change->flags & MBOX_CHANGE_MODE)
		b->mode = change->mode;
	if (change->flags & MBOX_CHANGE_UID)
		b->uid = change->uid;
	if (change->flags & MBOX_CHANGE_GID)
		b->gid = change->gid;
	wait_recheck(w, b);
	return 0;
}

void rights_end(struct world *w, struct box *b, int who)
{
	int end;

	for (end = 0; end < 2; end++)
		if (b->ends[end] == who)
			b->ends[end] = NOBODY;
	b->rights[who] = 0;
	if (b->offered == who)
		rights_void_offer(b);
	if (b->owner != who)
		return;
	if (b->attr.flags & MBOX_CREATE_PROCESS) {
		wait_end_box(w, b);
		return;
	}
	rights_void_offer(b);
	b->tenure++;
	b->owner = NOBODY;
	wait_recheck(w, b);
}

/* They come in no particular order; but as many as fit, each once, and these. */
void rights_learn_grants(const struct world *w, struct action *x, const struct action *actual)
{
	const struct box *b = NULL;
	uint32_t nr, i, j;

	for (i = 0; i < w->nr_boxes; i++)
		if (!w->boxes[i].gone && w->boxes[i].id == x->grants_of)
			b = &w->boxes[i];
	if (!b)
		return;
	nr = MIN(rights_grants(b), x->grants_room);
	for (i = 0; i < nr; i++) {
		int who = world_find_pid(w, actual->granted[i].pid);

		for (j = 0; j < i; j++)
			if (actual->granted[j].pid == actual->granted[i].pid)
				return;
		if (who == NOBODY || actual->granted[i].rights != b->rights[who])
			return;
	}
	for (i = 0; i < nr; i++)
		x->granted[i] = actual->granted[i];
}
