// SPDX-License-Identifier: GPL-2.0-only
/*
 * ns.c - the tables of one network namespace's mailboxes.
 *
 * The network namespace and every mailbox hold them: so whoever ends a mailbox
 * through a descriptor finds them, even when the network namespace is on its
 * way out at the same moment.
 */

#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "ns.h"

/* A tree of ids alone would cost more the more mailboxes there have been. */
static const struct rhashtable_params ids_params = {
	.key_len = sizeof(u64),
	.key_offset = offsetof(struct mbox, id),
	.head_offset = offsetof(struct mbox, id_node),
	.automatic_shrinking = true,
};

/* A name is always compared with its padding, so the key has a fixed length. */
static const struct rhashtable_params names_params = {
	.key_len = MBOX_NAME_SIZE,
	.key_offset = offsetof(struct mbox, name),
	.head_offset = offsetof(struct mbox, name_node),
	.automatic_shrinking = true,
};

struct mbox_ns *mbox_ns_alloc(struct user_namespace *user_ns)
{
	struct mbox_ns *ns = kzalloc(sizeof(*ns), MBOX_GFP);

	if (!ns)
		return NULL;
	if (rhashtable_init(&ns->ids, &ids_params))
		goto free_ns;
	if (rhashtable_init(&ns->names, &names_params))
		goto destroy_ids;
	mutex_init(&ns->lock);
	xa_init_flags(&ns->order, XA_FLAGS_ACCOUNT);
	ns->user_ns = get_user_ns(user_ns);
	refcount_set(&ns->refs, 1);
	return ns;

destroy_ids:
	rhashtable_destroy(&ns->ids);
free_ns:
	kfree(ns);
	return NULL;
}

struct mbox_ns *mbox_ns_get(struct mbox_ns *ns)
{
	refcount_inc(&ns->refs);
	return ns;
}

void mbox_ns_put(struct mbox_ns *ns)
{
	if (!refcount_dec_and_test(&ns->refs))
		return;
	xa_destroy(&ns->order);
	rhashtable_destroy(&ns->names);
	rhashtable_destroy(&ns->ids);
	put_user_ns(ns->user_ns);
	kfree(ns);
}

/* What is in the namespace, to the user and to the namespace: 0, -EDQUOT or -ENOSPC. */
int mbox_ns_charge(struct mbox_ns *ns, struct mbox_account *payer,
		   const struct mbox_cost *cost)
{
	int err = mbox_account_charge(payer, NULL, cost);

	if (err)
		return err;
	err = mbox_tally_charge_ns(&ns->tally, cost, ns->user_ns);
	if (err)
		mbox_account_uncharge(payer, NULL, cost);
	return err;
}

void mbox_ns_uncharge(struct mbox_ns *ns, struct mbox_account *payer,
		      const struct mbox_cost *cost)
{
	mbox_account_uncharge(payer, NULL, cost);
	mbox_tally_uncharge(&ns->tally, cost);
}

static int add_name(struct mbox_ns *ns, struct mbox *mb)
{
	int err;

	if (!mb->name[0])
		return 0;
	err = rhashtable_lookup_insert_fast(&ns->names, &mb->name_node, names_params);
	/* That the table cannot grow is no news for users but that memory is short. */
	return !err || err == -EEXIST ? err : -ENOMEM;
}

static void remove_name(struct mbox_ns *ns, struct mbox *mb)
{
	if (mb->name[0])
		rhashtable_remove_fast(&ns->names, &mb->name_node, names_params);
}

static int add_id(struct mbox_ns *ns, struct mbox *mb)
{
	int err;

	err = xa_insert(&ns->order, mb->id, mb, MBOX_GFP);
	if (err)
		return err;
	err = rhashtable_insert_fast(&ns->ids, &mb->id_node, ids_params);
	if (err)
		xa_erase(&ns->order, mb->id);
	return err ? -ENOMEM : 0;
}

/* Give @mb the next id, and its name if it has one. An id is used up only then. */
int mbox_ns_add(struct mbox_ns *ns, struct mbox *mb)
{
	int err;

	lockdep_assert_held(&ns->lock);
	mb->id = ns->last_id + 1;
	err = add_name(ns, mb);
	if (err)
		return err;
	err = add_id(ns, mb);
	if (err) {
		remove_name(ns, mb);
		return err;
	}
	/* Pairs with the acquire in mbox_registry_get(). */
	smp_store_release(&ns->last_id, mb->id);
	return 0;
}

void mbox_ns_remove(struct mbox_ns *ns, struct mbox *mb)
{
	lockdep_assert_held(&ns->lock);
	rhashtable_remove_fast(&ns->ids, &mb->id_node, ids_params);
	xa_erase(&ns->order, mb->id);
	remove_name(ns, mb);
}

/* Under RCU, like the next; the caller takes a reference if there is one to take. */
struct mbox *mbox_ns_find_id(struct mbox_ns *ns, u64 id)
{
	return rhashtable_lookup(&ns->ids, &id, ids_params);
}

struct mbox *mbox_ns_find_name(struct mbox_ns *ns, const u8 name[MBOX_NAME_SIZE])
{
	return rhashtable_lookup(&ns->names, name, names_params);
}
