// SPDX-License-Identifier: GPL-2.0-only
/*
 * link.c - links: of two processes that have to do with each other directly there is
 * one, from the first time on until one of them ends.
 *
 *   made: in the table, tied to both ---one of them ends---> over: in neither
 *
 * It is over before those are told who
 * wait for more (ends.c), so whoever finds it not over, under the lock of the inbox
 * that it waits in, will be told.
 *
 * For each of the two it has a lane to its inbox, which counts what the other one has
 * sent that is still there, and keeps those in line who wait for room.
 */

#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "account.h"
#include "link.h"
#include "ns.h"
#include "participant.h"
#include "table.h"

static const struct rhashtable_params by_ids = {
	.key_len = sizeof_field(struct mbox_link, ids),
	.key_offset = offsetof(struct mbox_link, ids),
	.head_offset = offsetof(struct mbox_link, node),
	.automatic_shrinking = true,
};

/* Links are added under the mutex. */
static struct rhashtable links;
static DEFINE_MUTEX(links_lock);

/* With its lanes. Those that lead to an inbox that is gone do not last. */
static const struct mbox_cost cost = {
	.bytes = sizeof(struct mbox_link) + 2 * sizeof(struct mbox_lane),
};

void mbox_lane_init(struct mbox_lane *lane, const struct mbox *mb)
{
	lane->mb = mb;
	refcount_set(&lane->refs, 1);
	lane->senders.used = 0;
	lane->bytes = 0;
	lane->msgs = 0;
	INIT_LIST_HEAD(&lane->waiting);
	INIT_LIST_HEAD(&lane->stirred);
}

struct mbox_lane *mbox_lane_get(struct mbox_lane *lane)
{
	refcount_inc(&lane->refs);
	return lane;
}

void mbox_lane_put(struct mbox_lane *lane)
{
	if (lane && refcount_dec_and_test(&lane->refs))
		kfree_rcu(lane, rcu);
}

static struct mbox_link *find(const u64 ids[2])
{
	struct mbox_link *link;

	rcu_read_lock();
	link = rhashtable_lookup(&links, ids, by_ids);
	if (link && !refcount_inc_not_zero(&link->refs))
		link = NULL;
	rcu_read_unlock();
	return link;
}

/* The link of two processes, to be put, or NULL. */
struct mbox_link *mbox_link_find(const struct mbox_participant *one,
				 const struct mbox_participant *other)
{
	const u64 ids[2] = { min(one->id, other->id), max(one->id, other->id) };

	return find(ids);
}

static void free_link(struct mbox_link *link)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		mbox_lane_put(rcu_dereference_protected(link->ends[i].lane, true));
		mbox_participant_put(link->ends[i].who);
	}
	mbox_account_put(link->payer);
	mbox_ns_put(link->ns);
	kfree_rcu(link, rcu);
}

static void init_end(struct mbox_link *link, unsigned int i, struct mbox_participant *who)
{
	struct mbox_link_end *end = &link->ends[i];

	link->ids[i] = who->id;
	end->link = link;
	end->who = mbox_participant_get(who);
	INIT_LIST_HEAD(&end->tie);
	RCU_INIT_POINTER(end->lane, NULL);
}

static struct mbox_link *alloc(struct mbox_participant *one, struct mbox_participant *other,
			       struct mbox_ns *ns, struct mbox_account *payer)
{
	struct mbox_link *link = kmalloc(sizeof(*link), MBOX_GFP);
	int err;

	if (!link)
		return ERR_PTR(-ENOMEM);
	if (one->id > other->id)
		swap(one, other);
	init_end(link, 0, one);
	init_end(link, 1, other);
	link->over = false;
	link->payer = mbox_account_get(payer);
	link->ns = mbox_ns_get(ns);
	refcount_set(&link->refs, 1);
	err = mbox_ns_charge(ns, payer, &cost);
	if (!err)
		return link;
	free_link(link);
	return ERR_PTR(err);
}

static int tie(struct mbox_link_end *end)
{
	return mbox_participant_tie(end->who, &end->tie, &end->who->links);
}

static void untie(struct mbox_link *link)
{
	mbox_participant_untie(&link->ends[0].tie);
	mbox_participant_untie(&link->ends[1].tie);
}

/* Tied before it can be found: those who find it hear of an end. */
static int insert(struct mbox_link *link)
{
	int err;

	lockdep_assert_held(&links_lock);
	err = tie(&link->ends[0]) ?: tie(&link->ends[1]);
	if (!err)
		err = mbox_table_add(&links, &link->node, by_ids);
	if (err) {
		untie(link);
		link->over = true;
		return err;
	}
	atomic_inc(&link->ends[0].who->nr_links);
	atomic_inc(&link->ends[1].who->nr_links);
	mbox_link_get(link);
	return 0;
}

/*
 * The link of two processes, made if there is none, to be put: -ESRCH if one of them
 * has ended, -EDQUOT, -ENOSPC or -ENOMEM.
 */
struct mbox_link *mbox_link_make(struct mbox_participant *one, struct mbox_participant *other,
				 struct mbox_ns *ns, struct mbox_account *payer)
{
	struct mbox_link *link = alloc(one, other, ns, payer), *former;
	int err = 0;

	if (IS_ERR(link))
		return link;
	mutex_lock(&links_lock);
	former = find(link->ids);
	if (!former)
		err = insert(link);
	mutex_unlock(&links_lock);
	if (!former && !err)
		return link;
	mbox_link_put(link);
	return former ?: ERR_PTR(err);
}

struct mbox_link *mbox_link_get(struct mbox_link *link)
{
	refcount_inc(&link->refs);
	return link;
}

void mbox_link_put(struct mbox_link *link)
{
	if (!link || !refcount_dec_and_test(&link->refs))
		return;
	mbox_ns_uncharge(link->ns, link->payer, &cost);
	free_link(link);
}

/* One of the two has ended. False if the other one has, too, and was first. */
bool mbox_link_end(struct mbox_link *link)
{
	bool first;

	mutex_lock(&links_lock);
	first = !link->over;
	WRITE_ONCE(link->over, true);
	if (first)
		mbox_table_remove(&links, &link->node, by_ids);
	mutex_unlock(&links_lock);
	if (!first)
		return false;
	untie(link);
	atomic_dec(&link->ends[0].who->nr_links);
	atomic_dec(&link->ends[1].who->nr_links);
	mbox_link_put(link);
	return true;
}

/*
 * Lanes.
 */

/* Of what @from sends. */
static struct mbox_link_end *other_end(struct mbox_link *link,
				       const struct mbox_participant *from)
{
	return &link->ends[link->ends[0].who == from];
}

/* That by which @from sends to @inbox, to be put, or NULL if there is none. */
struct mbox_lane *mbox_link_find_lane(struct mbox_link *link, const struct mbox *inbox,
				      const struct mbox_participant *from)
{
	struct mbox_lane *lane;

	rcu_read_lock();
	lane = rcu_dereference(other_end(link, from)->lane);
	if (lane && (lane->mb != inbox || !refcount_inc_not_zero(&lane->refs)))
		lane = NULL;
	rcu_read_unlock();
	return lane;
}

/* Likewise, made if there is none, or -ENOMEM. */
struct mbox_lane *mbox_link_make_lane(struct mbox_link *link, const struct mbox *inbox,
				      const struct mbox_participant *from)
{
	struct mbox_link_end *end = other_end(link, from);
	struct mbox_lane *lane, *former;

	lane = kmalloc(sizeof(*lane), MBOX_GFP);
	if (!lane)
		return ERR_PTR(-ENOMEM);
	mbox_lane_init(lane, inbox);
	mutex_lock(&links_lock);
	former = mbox_link_find_lane(link, inbox, from);
	if (!former)
		former = rcu_replace_pointer(end->lane, mbox_lane_get(lane),
					     lockdep_is_held(&links_lock));
	else
		swap(lane, former);
	mutex_unlock(&links_lock);
	mbox_lane_put(former);
	return lane;
}

int mbox_link_init(void)
{
	return rhashtable_init(&links, &by_ids);
}

void mbox_link_exit(void)
{
	rhashtable_destroy(&links);
}
