// SPDX-License-Identifier: GPL-2.0-only
/*
 * account.c - who has how much, against what a user and a network namespace may
 * have.
 *
 * A user has an account in each user namespace. What is charged to it is charged
 * to its parent, too, the account of the namespace's creator in the namespace
 * around, and so on outward: so nobody has more for making namespaces. The shape
 * is that of the kernel's ucounts, which modules cannot charge.
 *
 *   (inner, 100005) --> (outer, 100000) --> (initial, 1000)
 *
 * The root of the initial namespace makes namespaces for others: it does not pay
 * for them, and nothing limits what it has itself, as with processes
 * (RLIMIT_NPROC).
 *
 * An account exists as long as somebody refers to it: whoever is charged is.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "account.h"
#include "limits.h"
#include "mbox.h"
#include "table.h"

static const struct rhashtable_params params = {
	.key_len = sizeof(struct mbox_account_key),
	.key_offset = offsetof(struct mbox_account, key),
	.head_offset = offsetof(struct mbox_account, node),
	.automatic_shrinking = true,
};

/* Accounts are added, and let go of for the last time, under the mutex. */
static struct rhashtable accounts;
static DEFINE_MUTEX(accounts_lock);

static struct mbox_account *find(const struct mbox_account_key *key)
{
	struct mbox_account *account;

	rcu_read_lock();
	account = rhashtable_lookup(&accounts, key, params);
	if (account && !refcount_inc_not_zero(&account->refs))
		account = NULL;
	rcu_read_unlock();
	return account;
}

static void free_account(struct mbox_account *account)
{
	mbox_account_put(account->parent);
	put_user_ns(account->key.user_ns);
	kfree_rcu(account, rcu);
}

/* Under the mutex, so that what is found has not been let go of. */
static struct mbox_account *add_account(struct mbox_account *account)
{
	struct mbox_account *former;
	int err;

	mutex_lock(&accounts_lock);
	former = find(&account->key);
	err = former ? 0 : mbox_table_add(&accounts, &account->node, params);
	mutex_unlock(&accounts_lock);
	if (!former && !err)
		return account;
	free_account(account);
	return former ?: ERR_PTR(err);
}

/* NULL if there is no one to pay. As deep as user namespaces nest: 32. */
static struct mbox_account *find_parent(const struct user_namespace *user_ns)
{
	while (user_ns->parent && uid_eq(user_ns->owner, GLOBAL_ROOT_UID))
		user_ns = user_ns->parent;
	return user_ns->parent ? mbox_account_find(user_ns->parent, user_ns->owner) : NULL;
}

/* The account of a user, to be put, or -ENOMEM. */
struct mbox_account *mbox_account_find(struct user_namespace *user_ns, kuid_t uid)
{
	struct mbox_account_key key = { .user_ns = user_ns, .uid = uid };
	struct mbox_account *account, *parent;

	account = find(&key);
	if (account)
		return account;
	parent = find_parent(user_ns);
	if (IS_ERR(parent))
		return parent;
	account = kzalloc(sizeof(*account), MBOX_GFP);
	if (!account) {
		mbox_account_put(parent);
		return ERR_PTR(-ENOMEM);
	}
	account->key = key;
	get_user_ns(user_ns);
	account->parent = parent;
	refcount_set(&account->refs, 1);
	return add_account(account);
}

/* Unless somebody has found it meanwhile. */
void mbox_account_put_last(struct mbox_account *account)
{
	if (!refcount_dec_and_mutex_lock(&account->refs, &accounts_lock))
		return;
	mbox_table_remove(&accounts, &account->node, params);
	mutex_unlock(&accounts_lock);
	free_account(account);
}

/* Whoever answers for it in the end. */
struct mbox_account *mbox_account_outermost(struct mbox_account *account)
{
	while (account->parent)
		account = account->parent;
	return account;
}

/*
 * Tallies.
 */

/* What it takes none of is not looked at: a quota may have been lowered. */
static bool fits(atomic_long_t *sum, long amount, long limit)
{
	return !amount || mbox_tally_add_below(sum, amount, limit);
}

/* Most things take of one or two only, and an atomic operation costs more than to see that. */
static void add(atomic_long_t *sum, long amount)
{
	if (amount)
		atomic_long_add(amount, sum);
}

static void sub(atomic_long_t *sum, long amount)
{
	if (amount)
		atomic_long_sub(amount, sum);
}

static bool add_within(struct mbox_tally *tally, const struct mbox_cost *cost,
		       const struct mbox_quota *quota)
{
	if (!fits(&tally->mailboxes, cost->mailboxes, READ_ONCE(quota->mailboxes)))
		return false;
	if (!fits(&tally->msgs, cost->msgs, READ_ONCE(quota->msgs)))
		goto sub_mailboxes;
	if (!fits(&tally->files, cost->files, READ_ONCE(quota->files)))
		goto sub_msgs;
	if (!fits(&tally->listeners, cost->listeners, READ_ONCE(quota->listeners)))
		goto sub_files;
	if (!fits(&tally->bytes, cost->bytes, READ_ONCE(quota->bytes)))
		goto sub_listeners;
	return true;

sub_listeners:
	sub(&tally->listeners, cost->listeners);
sub_files:
	sub(&tally->files, cost->files);
sub_msgs:
	sub(&tally->msgs, cost->msgs);
sub_mailboxes:
	sub(&tally->mailboxes, cost->mailboxes);
	return false;
}

static void add_beyond(struct mbox_tally *tally, const struct mbox_cost *cost)
{
	add(&tally->mailboxes, cost->mailboxes);
	add(&tally->msgs, cost->msgs);
	add(&tally->files, cost->files);
	add(&tally->listeners, cost->listeners);
	add(&tally->bytes, cost->bytes);
}

static bool charge(struct mbox_tally *tally, const struct mbox_cost *cost,
		   const struct mbox_quota *quota, struct user_namespace *user_ns)
{
	if (add_within(tally, cost, quota))
		return true;
	if (!ns_capable(user_ns, CAP_SYS_RESOURCE))
		return false;
	add_beyond(tally, cost);
	return true;
}

void mbox_tally_uncharge(struct mbox_tally *tally, const struct mbox_cost *cost)
{
	sub(&tally->mailboxes, cost->mailboxes);
	sub(&tally->msgs, cost->msgs);
	sub(&tally->files, cost->files);
	sub(&tally->listeners, cost->listeners);
	sub(&tally->bytes, cost->bytes);
}

/* To a network namespace that belongs to @user_ns: 0 or -ENOSPC. */
int mbox_tally_charge_ns(struct mbox_tally *tally, const struct mbox_cost *cost,
			 struct user_namespace *user_ns)
{
	return charge(tally, cost, &mbox_limits.ns, user_ns) ? 0 : -ENOSPC;
}

/* Whether @account answers for @below, or is it. */
static bool answers_for(const struct mbox_account *account, const struct mbox_account *below)
{
	for (; below; below = below->parent)
		if (below == account)
			return true;
	return false;
}

/*
 * To the user and to those who answer for it, but for those who answer for @but, or
 * NULL: what moves from that user to this one costs them nothing. 0 or -EDQUOT.
 */
int mbox_account_charge(struct mbox_account *account, const struct mbox_account *but,
			const struct mbox_cost *cost)
{
	struct mbox_account *at, *undo;

	for (at = account; at && !answers_for(at, but); at = at->parent) {
		if (uid_eq(at->key.uid, GLOBAL_ROOT_UID))
			add_beyond(&at->tally, cost);
		else if (!charge(&at->tally, cost, &mbox_limits.user, &init_user_ns))
			goto undo;
	}
	return 0;

undo:
	for (undo = account; undo != at; undo = undo->parent)
		mbox_tally_uncharge(&undo->tally, cost);
	return -EDQUOT;
}

/* What mbox_account_charge() has done; or, after that, from the other user. */
void mbox_account_uncharge(struct mbox_account *account, const struct mbox_account *but,
			   const struct mbox_cost *cost)
{
	for (; account && !answers_for(account, but); account = account->parent)
		mbox_tally_uncharge(&account->tally, cost);
}

int mbox_account_init(void)
{
	return rhashtable_init(&accounts, &params);
}

void mbox_account_exit(void)
{
	rhashtable_destroy(&accounts);
}
