// SPDX-License-Identifier: GPL-2.0-only
/*
 * ns.c - the tables of one network namespace's mailboxes.
 *
 * The network namespace and every mailbox hold them: so whoever ends a mailbox
 * through a descriptor finds them, even when the network namespace is on its
 * way out at the same moment.
 */

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "limits.h"
#include "ns.h"
#include "table.h"

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

struct mbox_ns *mbox_ns_alloc(struct user_namespace *user_ns, unsigned int inum)
{
	struct mbox_ns *ns = kzalloc(sizeof(*ns), MBOX_GFP);

	if (!ns)
		return NULL;
	if (rhashtable_init(&ns->ids, &ids_params))
		goto free_ns;
	if (rhashtable_init(&ns->names, &names_params))
		goto destroy_ids;
	mutex_init(&ns->lock);
	ns->order = RB_ROOT;
	seqcount_mutex_init(&ns->order_seq, &ns->lock);
	INIT_LIST_HEAD(&ns->listeners);
	ns->inum = inum;
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

/* The limits that a mailbox and a message meet, but for @info->flags. */
void mbox_ns_info(struct mbox_ns *ns, struct mbox_info *info)
{
	info->features = MBOX_FEATURE_BASE | MBOX_FEATURE_MODEL | MBOX_FEATURE_RIGHTS |
			 MBOX_FEATURE_CONVERSATION | MBOX_FEATURE_OBSERVATION;
	info->limit_msgs = READ_ONCE(mbox_limits.max_msgs);
	info->limit_size = READ_ONCE(mbox_limits.max_size);
	info->limit_bytes = READ_ONCE(mbox_limits.max_bytes);
	info->limit_mailboxes = READ_ONCE(mbox_limits.ns.mailboxes);
	info->mailboxes = atomic_long_read(&ns->tally.mailboxes);
}

/* What the user has and there is in the namespace, for one in @user_ns; likewise. */
void mbox_ns_usage(struct mbox_ns *ns, const struct mbox_account *account,
		   struct user_namespace *user_ns, struct mbox_usage *usage)
{
	const struct mbox_tally *user = &account->tally, *all = &ns->tally;
	const struct mbox_limits *limits = &mbox_limits;

	usage->uid = from_kuid_munged(user_ns, account->key.uid);
	usage->default_share = READ_ONCE(limits->default_share);
	usage->user_bytes = atomic_long_read(&user->bytes);
	usage->user_bytes_limit = READ_ONCE(limits->user.bytes);
	usage->user_mailboxes = atomic_long_read(&user->mailboxes);
	usage->user_mailboxes_limit = READ_ONCE(limits->user.mailboxes);
	usage->user_msgs = atomic_long_read(&user->msgs);
	usage->user_msgs_limit = READ_ONCE(limits->user.msgs);
	usage->ns_bytes = atomic_long_read(&all->bytes);
	usage->ns_bytes_limit = READ_ONCE(limits->ns.bytes);
	usage->ns_mailboxes = atomic_long_read(&all->mailboxes);
	usage->ns_mailboxes_limit = READ_ONCE(limits->ns.mailboxes);
	usage->ns_msgs = atomic_long_read(&all->msgs);
	usage->ns_msgs_limit = READ_ONCE(limits->ns.msgs);
	usage->limit_grants = READ_ONCE(limits->max_grants);
	usage->reserved = 0;
	usage->user_files = atomic_long_read(&user->files);
	usage->user_files_limit = READ_ONCE(limits->user.files);
	usage->ns_files = atomic_long_read(&all->files);
	usage->ns_files_limit = READ_ONCE(limits->ns.files);
	usage->user_listeners = atomic_long_read(&user->listeners);
	usage->user_listeners_limit = READ_ONCE(limits->user.listeners);
	usage->ns_listeners = atomic_long_read(&all->listeners);
	usage->ns_listeners_limit = READ_ONCE(limits->ns.listeners);
}

/* Padded with zeros, without what a shell or a terminal might take for something else. */
bool mbox_ns_valid_name(const u8 name[MBOX_NAME_SIZE])
{
	size_t len = strnlen(name, MBOX_NAME_SIZE);
	size_t i;

	if (len == MBOX_NAME_SIZE || memchr_inv(name + len, 0, MBOX_NAME_SIZE - len))
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] == 0x7f || name[i] == '/')
			return false;
	return !(name[0] >= '0' && name[0] <= '9');
}

static int add_name(struct mbox_ns *ns, struct mbox *mb)
{
	if (!mb->name[0])
		return 0;
	return mbox_table_add_new(&ns->names, &mb->name_node, names_params);
}

static void remove_name(struct mbox_ns *ns, struct mbox *mb)
{
	if (mb->name[0])
		mbox_table_remove(&ns->names, &mb->name_node, names_params);
}

/* Behind all others: no id was as large. */
static void add_last(struct rb_root *order, struct rb_node *node)
{
	struct rb_node **link = &order->rb_node, *parent = NULL, *first;

	while (*link) {
		parent = *link;
		link = &parent->rb_right;
	}
	rb_link_node(node, parent, &first);
	/*
	 * Pairs with the address that a walk without the lock reads: it comes to the node
	 * only once that is all there. rb_link_node_rcu() would do, but for sparse.
	 */
	smp_store_release(link, node);
	rb_insert_color(node, order);
}

static int add_id(struct mbox_ns *ns, struct mbox *mb)
{
	int err = mbox_table_add(&ns->ids, &mb->id_node, ids_params);

	if (err)
		return err;
	write_seqcount_begin(&ns->order_seq);
	add_last(&ns->order, &mb->order_node);
	write_seqcount_end(&ns->order_seq);
	return 0;
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
	mbox_ns_changed(ns);
	/* Pairs with the acquire in mbox_registry_get(). */
	smp_store_release(&ns->last_id, mb->id);
	return 0;
}

void mbox_ns_remove(struct mbox_ns *ns, struct mbox *mb)
{
	lockdep_assert_held(&ns->lock);
	mbox_table_remove(&ns->ids, &mb->id_node, ids_params);
	write_seqcount_begin(&ns->order_seq);
	rb_erase(&mb->order_node, &ns->order);
	write_seqcount_end(&ns->order_seq);
	remove_name(ns, mb);
	mbox_ns_changed(ns);
}

/* Under RCU, like the next; the caller takes a reference if there is one to take. */
struct mbox *mbox_ns_find_id(struct mbox_ns *ns, u64 id)
{
	return rhashtable_lookup(&ns->ids, &id, ids_params);
}

/*
 * The one with the smallest id from @id on, or NULL. Without the lock it may miss some while
 * the tree is being changed, so it is then true only if ns->order_seq has not moved; but it
 * comes to an end, and what it finds is or was there (lib/rbtree.c).
 */
struct mbox *mbox_ns_find_next(struct mbox_ns *ns, u64 id)
{
	struct rb_node *node = rcu_dereference_raw(ns->order.rb_node);
	struct mbox *mb, *next = NULL;

	while (node) {
		mb = rb_entry(node, struct mbox, order_node);
		if (mb->id < id) {
			node = rcu_dereference_raw(node->rb_right);
		} else {
			next = mb;
			node = rcu_dereference_raw(node->rb_left);
		}
	}
	return next;
}

struct mbox *mbox_ns_find_name(struct mbox_ns *ns, const u8 name[MBOX_NAME_SIZE])
{
	return rhashtable_lookup(&ns->names, name, names_params);
}
