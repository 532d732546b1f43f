/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_ACCOUNT_H
#define MBOX_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

/**
 * struct mbox_cost - what something takes of a quota
 * @mailboxes: 1 for a mailbox
 * @msgs: 1 for a message
 * @files: in flight
 * @listeners: 1 for a subscription to events
 * @bytes: memory
 */
struct mbox_cost {
	unsigned int mailboxes;
	unsigned int msgs;
	unsigned int files;
	unsigned int listeners;
	unsigned long bytes;
};

/* What is taken of a quota. */
struct mbox_tally {
	atomic_long_t mailboxes;
	atomic_long_t msgs;
	atomic_long_t files;
	atomic_long_t listeners;
	atomic_long_t bytes;
};

/* Whose account it is. */
struct mbox_account_key {
	struct user_namespace *user_ns;
	kuid_t uid;
	u32 zero;
};

/**
 * struct mbox_account - what a user has in a user namespace and below
 * @key: who (with a reference to the namespace); immutable
 * @parent: who pays, too (a reference), or NULL; immutable
 * @tally: what there is
 * @node: in the table of accounts
 * @refs: of mailboxes, messages, descriptors and accounts below
 * @rcu: lookups may still look at @refs after the last put
 */
struct mbox_account {
	struct mbox_account_key key;
	struct mbox_account *parent;
	struct mbox_tally tally;
	struct rhash_head node;
	refcount_t refs;
	struct rcu_head rcu;
};

struct mbox_account *mbox_account_find(struct user_namespace *user_ns, kuid_t uid);
void mbox_account_put_last(struct mbox_account *account);
struct mbox_account *mbox_account_outermost(struct mbox_account *account);

int mbox_account_charge(struct mbox_account *account, const struct mbox_account *but,
			const struct mbox_cost *cost);
void mbox_account_uncharge(struct mbox_account *account, const struct mbox_account *but,
			   const struct mbox_cost *cost);
int mbox_tally_charge_ns(struct mbox_tally *tally, const struct mbox_cost *cost,
			 struct user_namespace *user_ns);
void mbox_tally_uncharge(struct mbox_tally *tally, const struct mbox_cost *cost);

static inline struct mbox_account *mbox_account_get(struct mbox_account *account)
{
	refcount_inc(&account->refs);
	return account;
}

static inline void mbox_account_put(struct mbox_account *account)
{
	if (account && !refcount_dec_not_one(&account->refs))
		mbox_account_put_last(account);
}

/* So many references, at least one; the last of them is there until the others are put. */
static inline void mbox_account_put_many(struct mbox_account *account, int nr)
{
	WARN_ON_ONCE(refcount_sub_and_test(nr - 1, &account->refs));
	mbox_account_put(account);
}

/* False if that would be above the limit. */
static inline bool mbox_tally_add_below(atomic_long_t *sum, long amount, long limit)
{
	long old = atomic_long_read(sum);

	do {
		if (amount > limit - old)
			return false;
	} while (!atomic_long_try_cmpxchg(sum, &old, old + amount));
	return true;
}

int mbox_account_init(void);
void mbox_account_exit(void);

#endif /* MBOX_ACCOUNT_H */
