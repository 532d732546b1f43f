// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct.c - processes that send to each other directly: the inbox of each, and how
 * they come to have a link.
 *
 * An inbox is a mailbox like others, in the registry and all, but that it is found by
 * whose it is, too. It is made by whoever first needs it, be that the process itself
 * or one that may signal it. The process pays, as for a mailbox that is transferred to
 * it: whoever may signal it could do it greater harm.
 */

#include <linux/capability.h>
#include <linux/err.h>
#include <linux/sched/signal.h>

#include "direct.h"
#include "limits.h"
#include "mailbox.h"
#include "owner.h"
#include "participant.h"
#include "policy.h"
#include "registry.h"

/* The inbox that there is, to be put, or NULL. */
static struct mbox *find_inbox(struct mbox_participant *whose)
{
	struct mbox *mb;

	rcu_read_lock();
	mb = rcu_dereference(whose->inbox);
	if (mb && (mbox_is_gone(mb) || !refcount_inc_not_zero(&mb->refs)))
		mb = NULL;
	rcu_read_unlock();
	return mb;
}

static struct mbox_create default_attributes(void)
{
	return (struct mbox_create) {
		.flags = MBOX_CREATE_INBOX,
		.max_msgs = min(MBOX_INBOX_MSGS, READ_ONCE(mbox_limits.max_msgs)),
		.max_size = min(MBOX_INBOX_SIZE, READ_ONCE(mbox_limits.max_size)),
		.max_bytes = MBOX_UNBOUNDED_BYTES,
	};
}

static struct mbox *make_inbox(struct mbox_heir *owner, struct mbox_ns *ns)
{
	const struct mbox_create attr = default_attributes();
	struct mbox *mb = mbox_mailbox_alloc(&attr, ns, owner->payer);
	int err;

	if (IS_ERR(mb))
		return mb;
	err = mbox_registry_add(mb, owner);
	if (!err)
		return mb;
	mbox_mailbox_put(mb);
	return ERR_PTR(err);
}

/*
 * Of another process. To send is a right: without it, an inbox that there is would
 * refuse as well. What cannot be seen cannot be signalled.
 */
static int find_heir(struct mbox_heir *owner, struct mbox_participant *whose,
		     struct mbox_ns *ns)
{
	int err;

	if (!pid_vnr(whose->pid) && !ns_capable(ns->user_ns, CAP_IPC_OWNER))
		return -EACCES;
	err = mbox_owner_other_heir(owner, whose->pid);
	return err == -EPERM ? -EACCES : err;
}

static struct mbox *make_own_inbox(void)
{
	struct mbox_heir owner;
	struct mbox *mb;
	int err;

	err = mbox_owner_heir(&owner);
	if (err)
		return ERR_PTR(err);
	mb = make_inbox(&owner, mbox_registry_ns());
	mbox_owner_heir_free(&owner);
	return mb;
}

/* They have a link, or could have. */
static bool is_near(const struct mbox_participant *whose, const struct mbox_participant *self)
{
	struct mbox_link *link = mbox_link_find(self, whose);

	mbox_link_put(link);
	return link || mbox_registry_shares_ns(whose->pid);
}

/* Where their link is, as long as that is a place to be in, or both are; or NULL. */
static struct mbox_ns *common_ns(const struct mbox_participant *whose,
				 const struct mbox_link *link)
{
	if (link && !READ_ONCE(link->ns->over))
		return link->ns;
	return mbox_registry_shares_ns(whose->pid) ? mbox_registry_ns() : NULL;
}

static struct mbox *make_inbox_of(struct mbox_participant *whose,
				  const struct mbox_participant *self)
{
	struct mbox_link *link = mbox_link_find(self, whose);
	struct mbox_ns *ns = common_ns(whose, link);
	struct mbox_heir owner;
	struct mbox *mb;
	int err;

	err = ns ? find_heir(&owner, whose, ns) : -ESRCH;
	mb = ERR_PTR(err);
	if (!err) {
		mb = make_inbox(&owner, ns);
		mbox_owner_heir_free(&owner);
	}
	mbox_link_put(link);
	return mb;
}

static struct mbox *make(struct mbox_participant *whose, const struct mbox_participant *self)
{
	return whose == self ? make_own_inbox() : make_inbox_of(whose, self);
}

/* Room that a process had is free once it has ended, so look again. */
static struct mbox *settle_and_make(struct mbox_participant *whose,
				    const struct mbox_participant *self)
{
	struct mbox *mb = make(whose, self);

	if (mb != ERR_PTR(-EDQUOT) && mb != ERR_PTR(-ENOSPC))
		return mb;
	mbox_participant_settle();
	return make(whose, self);
}

/*
 * The inbox of a process, to be put, made if there is none for @self, which may be the
 * same: -EACCES if that may not send, -ESRCH if the process has ended or is in another
 * network namespace, -EDQUOT, -ENOSPC, -ENOMEM or -EINTR.
 */
struct mbox *mbox_direct_inbox(struct mbox_participant *whose,
			       const struct mbox_participant *self)
{
	struct mbox *mb;

	if (whose != self && !is_near(whose, self))
		return ERR_PTR(-ESRCH);
	do {
		mb = find_inbox(whose) ?: settle_and_make(whose, self);
		/* Somebody else is about to have made it, or to have ended it or its place. */
		if (mb != ERR_PTR(-EEXIST) && mb != ERR_PTR(-ESTALE))
			return mb;
		cond_resched();
	} while (!fatal_signal_pending(current));
	return ERR_PTR(-EINTR);
}

/*
 * What two processes send to each other by, to be put. To make it they must be in one
 * network namespace, and live: else -ESRCH; -EINVAL if they are one, -EDQUOT, -ENOSPC
 * or -ENOMEM.
 */
struct mbox_link *mbox_direct_link(struct mbox_participant *other,
				   struct mbox_participant *self, struct mbox_account *payer)
{
	struct mbox_link *link;

	if (other == self)
		return ERR_PTR(-EINVAL);
	link = mbox_link_find(self, other);
	if (link)
		return link;
	if (!mbox_registry_shares_ns(other->pid))
		return ERR_PTR(-ESRCH);
	return mbox_link_make(self, other, mbox_registry_ns(), payer);
}

static struct mbox_participant *get_owner(const struct mbox *mb)
{
	struct mbox_participant *owner;

	rcu_read_lock();
	owner = rcu_dereference(mb->access.owner);
	if (owner && !refcount_inc_not_zero(&owner->refs))
		owner = NULL;
	rcu_read_unlock();
	return owner;
}

static struct mbox_lane *lane_of(struct mbox_link *link, const struct mbox *inbox,
				 const struct mbox_participant *self)
{
	return mbox_link_find_lane(link, inbox, self) ?:
	       mbox_link_make_lane(link, inbox, self);
}

/* What @self sends to the inbox by, likewise; -EIDRM if the owner has ended. */
struct mbox_lane *mbox_direct_lane(const struct mbox *inbox, struct mbox_participant *self,
				   struct mbox_account *payer)
{
	struct mbox_participant *owner = get_owner(inbox);
	struct mbox_lane *lane = ERR_PTR(-EIDRM);
	struct mbox_link *link;

	if (owner && !mbox_is_dead(owner)) {
		link = mbox_direct_link(owner, self, payer);
		lane = IS_ERR(link) ? ERR_CAST(link) : lane_of(link, inbox, self);
		if (!IS_ERR(link))
			mbox_link_put(link);
	}
	mbox_participant_put(owner);
	return lane;
}

/* The one that there is, to be put, or NULL. */
struct mbox_lane *mbox_direct_find_lane(const struct mbox *inbox,
					const struct mbox_participant *self)
{
	struct mbox_participant *owner = get_owner(inbox);
	struct mbox_link *link = owner ? mbox_link_find(self, owner) : NULL;
	struct mbox_lane *lane = link ? mbox_link_find_lane(link, inbox, self) : NULL;

	mbox_link_put(link);
	mbox_participant_put(owner);
	return lane;
}

/* One of the two has ended: tell the other, if it waits for that one. */
void mbox_direct_end_link(struct mbox_link *link)
{
	unsigned int i;

	if (!mbox_link_end(link))
		return;
	for (i = 0; i < 2; i++) {
		struct mbox *mb = find_inbox(link->ends[i].who);

		if (!mb)
			continue;
		mbox_policy_end_link(mb, link->ids[!i]);
		mbox_mailbox_put(mb);
	}
}
