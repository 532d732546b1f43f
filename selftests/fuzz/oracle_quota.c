// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle_quota.c - how many mailboxes and messages there are, of each user and of all, and
 * who may have more. Root has what it likes, and makes it for others.
 */
#include <errno.h>

#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_tell.h"
#include "oracle_world.h"

uint32_t quota_boxes(const struct world *w, int user)
{
	uint32_t nr = 0;
	unsigned int i;

	for (i = 0; i < w->nr_boxes; i++)
		nr += !w->boxes[i].gone &&
		      (user == NOBODY || oracle_user(w->boxes[i].uid) == user);
	return nr;
}

uint32_t quota_messages(const struct world *w, int user)
{
	uint32_t nr = 0;
	unsigned int i, j;

	for (i = 0; i < w->nr_boxes; i++) {
		const struct box *b = &w->boxes[i];

		if (b->gone || b->attr.flags & MBOX_CREATE_RESERVE)
			continue;
		for (j = 0; j < b->nr; j++)
			nr += user == NOBODY || b->queue[j].user == user;
		for (j = 0; j < b->nr_senders; j++)
			nr += user == NOBODY || w->actors[b->senders[j]].msg.user == user;
	}
	return nr;
}

int quota_create(const struct world *w, int who)
{
	if (rights_is_root(w, who))
		return 0;
	if (quota_boxes(w, oracle_user(w->actors[who].self.uid)) >=
	    w->quotas.user_mailboxes_limit)
		return EDQUOT;
	return quota_boxes(w, NOBODY) >= w->quotas.ns_mailboxes_limit ? ENOSPC : 0;
}

/* @to is to be the owner: by what @who does. */
int quota_take_over(const struct world *w, int who, int to, const struct box *b)
{
	uint32_t uid = w->actors[to].self.uid;

	if (rights_is_root(w, who) || rights_is_root(w, to) || uid == b->uid)
		return 0;
	return quota_boxes(w, oracle_user(uid)) >= w->quotas.user_mailboxes_limit ? EDQUOT : 0;
}

int quota_send(const struct world *w, int who)
{
	if (rights_is_root(w, who))
		return 0;
	if (quota_messages(w, oracle_user(w->actors[who].self.uid)) >= w->quotas.user_msgs_limit)
		return EDQUOT;
	return quota_messages(w, NOBODY) >= w->quotas.ns_msgs_limit ? ENOSPC : 0;
}

/* Whether so many messages more may be too many. */
bool quota_is_near(const struct world *w, uint32_t nr)
{
	int user;

	for (user = 1; user < USERS; user++)
		if (quota_messages(w, user) + nr > w->quotas.user_msgs_limit)
			return true;
	return quota_messages(w, NOBODY) + nr > w->quotas.ns_msgs_limit;
}

int predict_usage(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;
	struct mbox_usage *usage = &x->arg.usage, made = *usage;
	uint32_t uid = w->actors[who].self.uid;

	if (usage->flags & ~MBOX_USAGE_UID)
		return EINVAL;
	if (usage->flags & MBOX_USAGE_UID && usage->uid != uid) {
		if (!rights_is_root(w, who))
			return EACCES;
		uid = usage->uid;
	}
	made.uid = uid;
	made.default_share = w->quotas.default_share;
	made.user_mailboxes_limit = w->quotas.user_mailboxes_limit;
	made.user_msgs_limit = w->quotas.user_msgs_limit;
	made.ns_mailboxes_limit = w->quotas.ns_mailboxes_limit;
	made.ns_msgs_limit = w->quotas.ns_msgs_limit;
	made.user_mailboxes = quota_boxes(w, oracle_user(uid));
	made.user_msgs = quota_messages(w, oracle_user(uid));
	made.ns_mailboxes = quota_boxes(w, NOBODY);
	made.ns_msgs = quota_messages(w, NOBODY);
	made.limit_grants = w->quotas.limit_grants;
	made.reserved = 0;
	made.user_files = made.ns_files = made.user_listeners = made.ns_listeners = 0;
	return tell_fields(x, usage, &made, offsetof(struct mbox_usage, uid), sizeof(made));
}

void quota_learn(struct mbox_usage *expect, const struct mbox_usage *actual)
{
	expect->user_bytes = actual->user_bytes;
	expect->ns_bytes = actual->ns_bytes;
	expect->user_bytes_limit = actual->user_bytes_limit;
	expect->ns_bytes_limit = actual->ns_bytes_limit;
	expect->user_files_limit = actual->user_files_limit;
	expect->ns_files_limit = actual->ns_files_limit;
	expect->user_listeners_limit = actual->user_listeners_limit;
	expect->ns_listeners_limit = actual->ns_listeners_limit;
}
