// SPDX-License-Identifier: GPL-2.0-only
/*
 * link.c - links: of two processes that have to do with each other directly there is
 * one, from the first time on until one of them ends. It counts what each has sent to
 * the other that waits there, and keeps those in line who wait for room.
 *
 *   made: in the table, tied to both ---one of them ends---> over: in neither
 *
 * Messages on their way keep it beyond that. It is over before those are told who
 * wait for more (ends.c), so whoever finds it not over, under the lock of the inbox
 * that it waits in, will be told.
 */

#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "account.h"
#include "link.h"
#include "ns.h"
#include "participant.h"

static const struct rhashtable_params by_ids = {
	.key_len = sizeof_field(struct mbox_link, ids),
	.key_offset = offsetof(struct mbox_link, ids),
	.head_offset = offsetof(struct mbox_link, node),
	.automatic_shrinking = true,
};

/* Links are added under the mutex. */
static struct rhashtable links;
static DEFINE_MUTEX(links_lock);

static const struct mbox_cost cost = { .bytes = sizeof(struct mbox_link) };

void mbox_lane_init(struct mbox_lane *lane)
{
	lane->senders.used = 0;
	lane->bytes = 0;
	lane->msgs = 0;
	INIT_LIST_HEAD(&lane->waiting);
	INIT_LIST_HEAD(&lane->stirred);
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
	mbox_participant_put(link->ends[0].who);
	mbox_participant_put(link->ends[1].who);
	mbox_account_put(link->payer);
	mbox_ns_put(link->ns);
	kfree_rcu(link, rcu);
}

static int charge(struct mbox_link *link)
{
	int err = mbox_account_charge(link->payer, NULL, &cost);

	if (err)
		return err;
	err = mbox_tally_charge_ns(&link->ns->tally, &cost, link->ns->user_ns);
	if (err)
		mbox_account_uncharge(link->payer, NULL, &cost);
	return err;
}

static void uncharge(struct mbox_link *link)
{
	mbox_account_uncharge(link->payer, NULL, &cost);
	mbox_tally_uncharge(&link->ns->tally, &cost);
}

static void init_end(struct mbox_link *link, unsigned int i, struct mbox_participant *who)
{
	struct mbox_link_end *end = &link->ends[i];

	link->ids[i] = who->id;
	end->link = link;
	end->who = mbox_participant_get(who);
	INIT_LIST_HEAD(&end->tie);
	mbox_lane_init(&end->lane);
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
	err = charge(link);
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
	if (!err && rhashtable_insert_fast(&links, &link->node, by_ids))
		err = -ENOMEM;
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
	uncharge(link);
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
		rhashtable_remove_fast(&links, &link->node, by_ids);
	mutex_unlock(&links_lock);
	if (!first)
		return false;
	untie(link);
	atomic_dec(&link->ends[0].who->nr_links);
	atomic_dec(&link->ends[1].who->nr_links);
	mbox_link_put(link);
	return true;
}

int mbox_link_init(void)
{
	return rhashtable_init(&links, &by_ids);
}

void mbox_link_exit(void)
{
	rhashtable_destroy(&links);
}
