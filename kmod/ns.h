/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_NS_H
#define MBOX_NS_H

#include <linux/user_namespace.h>

#include "account.h"
#include "limits.h"
#include "mbox.h"

struct mbox_ns *mbox_ns_alloc(struct user_namespace *user_ns, unsigned int inum);
struct mbox_ns *mbox_ns_get(struct mbox_ns *ns);
void mbox_ns_put(struct mbox_ns *ns);

int mbox_ns_charge(struct mbox_ns *ns, struct mbox_account *payer,
		   const struct mbox_cost *cost);
void mbox_ns_uncharge(struct mbox_ns *ns, struct mbox_account *payer,
		      const struct mbox_cost *cost);

/*
 * The same for messages, of @bytes, which are most of what is charged: false if it is not
 * as simple as that, and mbox_ns_charge() is to say why.
 */
static inline bool mbox_tally_charge_msgs(struct mbox_tally *tally, unsigned int nr,
					  unsigned long bytes, const struct mbox_quota *quota)
{
	if (!mbox_tally_add_below(&tally->msgs, nr, READ_ONCE(quota->msgs)))
		return false;
	if (mbox_tally_add_below(&tally->bytes, bytes, READ_ONCE(quota->bytes)))
		return true;
	atomic_long_sub(nr, &tally->msgs);
	return false;
}

static inline void mbox_tally_uncharge_msgs(struct mbox_tally *tally, unsigned int nr,
					    unsigned long bytes)
{
	atomic_long_sub(nr, &tally->msgs);
	atomic_long_sub(bytes, &tally->bytes);
}

/* To a user whom nobody answers for; as always, there is no limit for root. */
static inline bool mbox_user_charge_msgs(struct mbox_account *payer, unsigned int nr,
					 unsigned long bytes)
{
	if (payer->parent)
		return false;
	if (!uid_eq(payer->key.uid, GLOBAL_ROOT_UID))
		return mbox_tally_charge_msgs(&payer->tally, nr, bytes, &mbox_limits.user);
	atomic_long_add(nr, &payer->tally.msgs);
	atomic_long_add(bytes, &payer->tally.bytes);
	return true;
}

static inline bool mbox_ns_charge_msgs(struct mbox_ns *ns, struct mbox_account *payer,
				       unsigned int nr, unsigned long bytes)
{
	if (!mbox_user_charge_msgs(payer, nr, bytes))
		return false;
	if (mbox_tally_charge_msgs(&ns->tally, nr, bytes, &mbox_limits.ns))
		return true;
	mbox_tally_uncharge_msgs(&payer->tally, nr, bytes);
	return false;
}

static inline void mbox_ns_uncharge_msgs(struct mbox_ns *ns, struct mbox_account *payer,
					 unsigned int nr, unsigned long bytes)
{
	for (; payer; payer = payer->parent)
		mbox_tally_uncharge_msgs(&payer->tally, nr, bytes);
	mbox_tally_uncharge_msgs(&ns->tally, nr, bytes);
}

static inline void mbox_ns_uncharge_bytes(struct mbox_ns *ns, struct mbox_account *payer,
					  unsigned long bytes)
{
	for (; payer; payer = payer->parent)
		atomic_long_sub(bytes, &payer->tally.bytes);
	atomic_long_sub(bytes, &ns->tally.bytes);
}

void mbox_ns_info(struct mbox_ns *ns, struct mbox_info *info);
void mbox_ns_usage(struct mbox_ns *ns, const struct mbox_account *account,
		   struct user_namespace *user_ns, struct mbox_usage *usage);

bool mbox_ns_valid_name(const u8 name[MBOX_NAME_SIZE]);
int mbox_ns_add(struct mbox_ns *ns, struct mbox *mb);
void mbox_ns_remove(struct mbox_ns *ns, struct mbox *mb);
struct mbox *mbox_ns_find_id(struct mbox_ns *ns, u64 id);
struct mbox *mbox_ns_find_next(struct mbox_ns *ns, u64 id);
struct mbox *mbox_ns_find_name(struct mbox_ns *ns, const u8 name[MBOX_NAME_SIZE]);

/* Mailboxes or grants have come or gone: a dump that is under way may have missed them. */
static inline void mbox_ns_changed(struct mbox_ns *ns)
{
	lockdep_assert_held(&ns->lock);
	WRITE_ONCE(ns->changes, ns->changes + 1);
}

/* They are counted before they are in ns->listeners, and until they are not any more. */
static inline bool mbox_ns_has_listeners(const struct mbox_ns *ns)
{
	return atomic_long_read(&ns->tally.listeners);
}

#endif /* MBOX_NS_H */
