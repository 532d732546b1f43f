// SPDX-License-Identifier: GPL-2.0-only
/*
 * owner.c - who has a mailbox, and how it changes hands.
 *
 *            create
 *              |
 *              v     transfer, accept
 *    +------ owned <------------------+
 *    |         |  \__________________/
 *    |         | its owner ends
 *    |         v
 *    |       orphan --claim, transfer--> owned
 *    v         |
 *   gone <-----+ delete; or process-owned, and its owner ends
 *
 * A new owner is made in steps that can fail, each of which can be undone: find
 * the process and its account (mbox_owner_heir()), charge it, put the mailbox in
 * its list, unless it has ended. What follows cannot fail (install()). All of
 * it but the first step is under ns->lock, so that of two who want the mailbox one
 * is first.
 *
 * An offer is for a process, or travels with a message as a deed. Both end with
 * the ownership that they were made in, which is numbered (mailbox->tenure).
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "event.h"
#include "gate.h"
#include "mailbox.h"
#include "owner.h"
#include "participant.h"
#include "policy.h"
#include "process.h"
#include "registry.h"
#include "rights.h"

static struct mbox_participant *owner_of(const struct mbox *mb)
{
	return rcu_dereference_protected(mb->access.owner, lockdep_is_held(&mb->ns->lock));
}

/*
 * Heirs.
 */

static int init_heir(struct mbox_heir *heir, struct pid *process,
		     struct user_namespace *user_ns, kuid_t uid, kgid_t gid)
{
	heir->mb = NULL;
	heir->former = NULL;
	heir->uid = uid;
	heir->gid = gid;
	heir->who = mbox_participant_find(process);
	if (IS_ERR(heir->who))
		return PTR_ERR(heir->who);
	heir->payer = mbox_account_find(user_ns, uid);
	if (!IS_ERR(heir->payer))
		return 0;
	mbox_participant_put(heir->who);
	return PTR_ERR(heir->payer);
}

/* The calling process: 0 or -ENOMEM. */
int mbox_owner_heir(struct mbox_heir *heir)
{
	return init_heir(heir, task_tgid(current), current_user_ns(), current_euid(),
			 current_egid());
}

/*
 * A process that did not ask for it pays as whoever runs it: else a mailbox could
 * be put on root's account by running a set-user-ID program. For the same reason
 * it must have been of that user when it was found that it may be signalled.
 */
int mbox_owner_other_heir(struct mbox_heir *heir, struct pid *process)
{
	struct task_struct *task = get_pid_task(process, PIDTYPE_TGID);
	const struct cred *cred;
	int err;

	if (!task)
		return -ESRCH;
	cred = get_task_cred(task);
	err = mbox_process_may_signal(process);
	if (!err && rcu_access_pointer(task->real_cred) != cred)
		err = -EPERM;
	if (!err)
		err = init_heir(heir, process, cred->user_ns, cred->uid, cred->gid);
	put_cred(cred);
	put_task_struct(task);
	return err;
}

static int charge_heir(struct mbox_heir *heir, struct mbox *mb)
{
	const struct mbox_cost cost = mbox_mailbox_cost(mb);
	int err;

	lockdep_assert_held(&mb->ns->lock);
	err = mbox_account_charge(heir->payer, mb->payer, &cost);
	if (err)
		return err;
	heir->mb = mb;
	heir->former = mbox_account_get(mb->payer);
	return 0;
}

static void uncharge_heir(struct mbox_heir *heir)
{
	if (heir->mb) {
		const struct mbox_cost cost = mbox_mailbox_cost(heir->mb);

		mbox_account_uncharge(heir->payer, heir->former, &cost);
	}
	mbox_account_put(heir->former);
	heir->mb = NULL;
	heir->former = NULL;
}

void mbox_owner_heir_free(struct mbox_heir *heir)
{
	uncharge_heir(heir);
	mbox_account_put(heir->payer);
	mbox_participant_put(heir->who);
}

/* From now on @payer pays, who was charged for it. Returns who did until now. */
static struct mbox_account *change_payer(struct mbox *mb, struct mbox_account *payer)
{
	const struct mbox_cost cost = mbox_mailbox_cost(mb);

	mbox_account_uncharge(mb->payer, payer, &cost);
	swap(mb->payer, payer);
	return payer;
}

/*
 * Changes of hands.
 */

static void drop_offer(struct mbox *mb)
{
	struct mbox_participant *to;

	to = rcu_replace_pointer(mb->offer.to, NULL, lockdep_is_held(&mb->ns->lock));
	mbox_participant_put(to);
	mbox_rights_free(mb->offer.keep);
	mb->offer.keep = NULL;
}

/* To be followed by mbox_event_tell(). */
static void void_offer(struct mbox *mb)
{
	mbox_event_look(mb);
	drop_offer(mb);
}

static void set_owner(struct mbox *mb, void *arg)
{
	struct mbox_heir *heir = arg;
	struct mbox_participant *owner = heir->who, *former;

	former = rcu_replace_pointer(mb->access.owner, owner, lockdep_is_held(&mb->lock));
	if (former && former != owner)
		mbox_gate_free_end(mb, MBOX_END_RECV, former->pid);
	heir->who = former;
	WRITE_ONCE(mb->access.uid, heir->uid);
	WRITE_ONCE(mb->access.gid, heir->gid);
}

static void install(struct mbox *mb, struct mbox_heir *heir)
{
	void_offer(mb);
	WRITE_ONCE(mb->tenure, mb->tenure + 1);
	heir->payer = change_payer(mb, heir->payer);
	heir->mb = NULL;
	mbox_rights_change(mb, set_owner, heir);
}

/*
 * The owner is to have @keep, of which there was room when that was said: by now it may be one
 * more than there may be. Whoever owns nothing any more keeps nothing.
 */
static void keep_right(struct mbox *mb, struct mbox_permit **keep)
{
	if (*keep && (*keep)->holder && !mbox_rights_grant(mb, *keep))
		*keep = NULL;
}

static void tell(struct mbox *mb, enum mbox_event event, struct pid *actor,
		 const struct mbox_participant *process, const struct mbox_participant *former)
{
	const struct mbox_news news = {
		.event = event,
		.actor = actor,
		.process = process,
		.former = former,
	};

	mbox_event_tell(mb, &news);
}

/* 0: the heir, who was charged, is the owner; -ESRCH if it has ended. */
static int inherit(struct mbox *mb, struct mbox_heir *heir, struct mbox_permit **keep,
		   enum mbox_event event)
{
	int err;

	lockdep_assert_held(&mb->ns->lock);
	err = mbox_participant_tie(heir->who, &mb->tie, &heir->who->owned);
	if (err)
		return err;
	keep_right(mb, keep);
	install(mb, heir);
	tell(mb, event, task_tgid(current), owner_of(mb), heir->who);
	return 0;
}

/*
 * An inbox is its owner's from the moment that it can be found by its id until that
 * ends. Before that, and after, it keeps others from being made at the same time.
 */
void mbox_owner_show_inbox(struct mbox *mb)
{
	lockdep_assert_held(&mb->ns->lock);
	if (mbox_is_inbox(mb))
		rcu_assign_pointer(owner_of(mb)->inbox, mb);
}

static int reserve_inbox(const struct mbox *mb, struct mbox_participant *who)
{
	return mbox_is_inbox(mb) && xchg(&who->has_inbox, true) ? -EEXIST : 0;
}

static void clear_inbox(const struct mbox *mb, struct mbox_participant *who)
{
	if (!mbox_is_inbox(mb))
		return;
	RCU_INIT_POINTER(who->inbox, NULL);
	/* Pairs with the xchg() in reserve_inbox(). */
	smp_store_release(&who->has_inbox, false);
}

/* The first owner of a mailbox that nobody finds yet: 0, -EEXIST or -ESRCH. */
int mbox_owner_first(struct mbox *mb, struct mbox_heir *heir)
{
	int err;

	lockdep_assert_held(&mb->ns->lock);
	err = reserve_inbox(mb, heir->who);
	if (err)
		return err;
	err = mbox_participant_tie(heir->who, &mb->tie, &heir->who->owned);
	if (err) {
		clear_inbox(mb, heir->who);
		return err;
	}
	mb->access.uid = heir->uid;
	mb->access.gid = heir->gid;
	rcu_assign_pointer(mb->access.owner, mbox_participant_get(heir->who));
	return 0;
}

static void orphan(struct mbox *mb)
{
	struct mbox_heir nobody = { .uid = mb->access.uid, .gid = mb->access.gid };

	void_offer(mb);
	WRITE_ONCE(mb->tenure, mb->tenure + 1);
	mbox_participant_untie(&mb->tie);
	mbox_rights_change(mb, set_owner, &nobody);
	tell(mb, MBOX_EVENT_ORPHANED, NULL, NULL, nobody.who);
	mbox_participant_put(nobody.who);
	mbox_policy_strip(mb);
}

/*
 * Before the mailbox changes hands: if its owner has ended, what follows from that
 * comes first, and not when the work item gets to it.
 */
static void settle(struct mbox *mb)
{
	if (owner_of(mb) && mbox_is_orphan(mb) && !mbox_is_gone(mb))
		orphan(mb);
}

static int lock_hands(struct mbox *mb)
{
	int err = mutex_lock_killable(&mb->ns->lock);

	if (err)
		return err;
	settle(mb);
	return 0;
}

static void unlock_hands(struct mbox *mb)
{
	mutex_unlock(&mb->ns->lock);
}

static int check_right(const struct mbox *mb)
{
	if (mbox_is_gone(mb))
		return -EIDRM;
	return mbox_rights_have(mb, MBOX_RIGHT_MANAGE) ? 0 : -EACCES;
}

/* Of whoever wants to pass it on. */
static int check_manager(const struct mbox *mb)
{
	int err = check_right(mb);

	if (err)
		return err;
	return mb->kind & MBOX_CREATE_PROCESS ? -EOPNOTSUPP : 0;
}

/* Of whoever wants to grant or revoke: an inbox can be opened to senders. */
static int check_granter(const struct mbox *mb, unsigned int rights)
{
	int err = check_right(mb);

	if (err)
		return err;
	if (mbox_is_inbox(mb))
		return rights & ~MBOX_RIGHT_SEND ? -EOPNOTSUPP : 0;
	return mb->kind & MBOX_CREATE_PROCESS ? -EOPNOTSUPP : 0;
}

/*
 * Name the owner, if there is one, as the one who keeps its right to receive: 0, or
 * -EMLINK if there is no room.
 */
static int name_keeper(struct mbox *mb, struct mbox_permit *keep)
{
	struct mbox_participant *owner = owner_of(mb);

	if (!keep || !owner)
		return 0;
	if (!mbox_rights_room(mb, owner->pid))
		return -EMLINK;
	keep->holder = mbox_participant_get(owner);
	return 0;
}

/*
 * Let @how pass it on to @to, with a permit for the owner's right to receive if it
 * @keeps that; what is left of the permit is not needed.
 */
static int hand_over(struct mbox *mb, bool keeps, void *to,
		     int (*how)(struct mbox *mb, void *to, struct mbox_permit **keep))
{
	struct mbox_permit *keep = NULL;
	int err;

	if (keeps) {
		keep = mbox_rights_alloc(mb, MBOX_RIGHT_RECV);
		if (!keep)
			return -ENOMEM;
	}
	err = lock_hands(mb);
	if (!err) {
		err = check_manager(mb) ?: name_keeper(mb, keep) ?: how(mb, to, &keep);
		unlock_hands(mb);
	}
	mbox_rights_free(keep);
	return err;
}

static int pass_on(struct mbox *mb, void *to, struct mbox_permit **keep)
{
	struct mbox_heir *heir = to;

	return charge_heir(heir, mb) ?: inherit(mb, heir, keep, MBOX_EVENT_TRANSFERRED);
}

int mbox_owner_transfer(struct mbox *mb, struct pid *process, bool keeps)
{
	struct mbox_heir heir;
	int err;

	/* Who may not do it learns nothing about the process. */
	err = check_manager(mb);
	if (!err)
		err = process ? mbox_owner_other_heir(&heir, process) : -ESRCH;
	if (err)
		return err;
	err = hand_over(mb, keeps, &heir, pass_on);
	mbox_owner_heir_free(&heir);
	return err;
}

static int set_offer(struct mbox *mb, void *to, struct mbox_permit **keep)
{
	void_offer(mb);
	swap(mb->offer.keep, *keep);
	rcu_assign_pointer(mb->offer.to, mbox_participant_get(to));
	tell(mb, MBOX_EVENT_OFFERED, task_tgid(current), to, NULL);
	return 0;
}

int mbox_owner_offer(struct mbox *mb, struct pid *process, bool keeps)
{
	struct mbox_participant *to;
	int err = check_manager(mb);

	if (err)
		return err;
	to = process ? mbox_participant_find(process) : ERR_PTR(-ESRCH);
	if (IS_ERR(to))
		return PTR_ERR(to);
	err = hand_over(mb, keeps, to, set_offer);
	mbox_participant_put(to);
	return err;
}

int mbox_owner_withdraw(struct mbox *mb)
{
	int err = lock_hands(mb);

	if (err)
		return err;
	err = check_manager(mb);
	if (!err && rcu_access_pointer(mb->offer.to)) {
		void_offer(mb);
		tell(mb, MBOX_EVENT_OFFERED, task_tgid(current), NULL, NULL);
	}
	unlock_hands(mb);
	return err;
}

/* Nobody is offered what is not to be passed on: whoever sees it is told why. */
static int take_offered(struct mbox *mb, struct mbox_heir *heir)
{
	if (mbox_is_gone(mb))
		return -EIDRM;
	if (mb->kind & MBOX_CREATE_PROCESS && mbox_rights_see(mb))
		return -EOPNOTSUPP;
	if (rcu_access_pointer(mb->offer.to) != heir->who)
		return -EACCES;
	return charge_heir(heir, mb) ?:
	       inherit(mb, heir, &mb->offer.keep, MBOX_EVENT_TRANSFERRED);
}

static int take_orphan(struct mbox *mb, struct mbox_heir *heir)
{
	struct mbox_permit *keep = NULL;

	if (mbox_is_gone(mb))
		return -EIDRM;
	if (!uid_eq(heir->uid, mb->access.uid) && !mbox_rights_privileged(mb))
		return -EACCES;
	if (mb->kind & MBOX_CREATE_PROCESS)
		return -EOPNOTSUPP;
	if (owner_of(mb))
		return -EBUSY;
	return charge_heir(heir, mb) ?: inherit(mb, heir, &keep, MBOX_EVENT_CLAIMED);
}

static int take(struct mbox *mb, int (*how)(struct mbox *mb, struct mbox_heir *heir))
{
	struct mbox_heir heir;
	int err = mbox_owner_heir(&heir);

	if (err)
		return err;
	err = lock_hands(mb);
	if (!err) {
		err = how(mb, &heir);
		unlock_hands(mb);
	}
	mbox_owner_heir_free(&heir);
	return err;
}

int mbox_owner_accept(struct mbox *mb)
{
	return take(mb, take_offered);
}

int mbox_owner_claim(struct mbox *mb)
{
	return take(mb, take_orphan);
}

/*
 * Grants.
 */

static int add_permit(struct mbox *mb, struct mbox_permit *permit)
{
	int err = check_granter(mb, permit->rights);

	if (err)
		return err;
	if (!mbox_rights_room(mb, permit->holder->pid))
		return -EMLINK;
	return mbox_rights_grant(mb, permit);
}

static int grant(struct mbox *mb, struct mbox_participant *holder, unsigned int rights)
{
	struct mbox_permit *permit = mbox_rights_alloc(mb, rights);
	int err;

	if (!permit)
		return -ENOMEM;
	permit->holder = mbox_participant_get(holder);
	err = mutex_lock_killable(&mb->ns->lock);
	if (!err) {
		err = add_permit(mb, permit);
		mutex_unlock(&mb->ns->lock);
	}
	if (err)
		mbox_rights_free(permit);
	return err;
}

int mbox_owner_grant(struct mbox *mb, struct pid *process, unsigned int rights)
{
	struct mbox_participant *holder;
	int err = check_granter(mb, rights);

	if (err)
		return err;
	holder = process ? mbox_participant_find(process) : ERR_PTR(-ESRCH);
	if (IS_ERR(holder))
		return PTR_ERR(holder);
	err = grant(mb, holder, rights);
	mbox_participant_put(holder);
	return err;
}

int mbox_owner_revoke(struct mbox *mb, struct pid *process, unsigned int rights)
{
	int err = mutex_lock_killable(&mb->ns->lock);

	if (err)
		return err;
	err = check_granter(mb, rights);
	if (!err)
		err = process ? mbox_rights_revoke(mb, process, rights) : -ESRCH;
	mutex_unlock(&mb->ns->lock);
	return err;
}

/*
 * Deeds.
 */

static void release_deed(struct mbox_deed *deed)
{
	mbox_mailbox_put(deed->mb);
	kfree(deed);
}

static int check_deed_writer(const struct mbox *mb)
{
	const struct mbox_participant *owner = owner_of(mb);

	if (mbox_is_gone(mb))
		return -EIDRM;
	if (!owner || owner->pid != task_tgid(current))
		return -EACCES;
	return mb->kind & MBOX_CREATE_PROCESS ? -EOPNOTSUPP : 0;
}

/* The ownership of the caller's mailbox, to go with a message. */
struct mbox_deed *mbox_owner_write_deed(struct mbox *mb)
{
	struct mbox_deed *deed = kmalloc(sizeof(*deed), MBOX_GFP);
	int err;

	if (!deed)
		return ERR_PTR(-ENOMEM);
	err = mutex_lock_killable(&mb->ns->lock);
	if (!err) {
		err = check_deed_writer(mb);
		deed->tenure = mb->tenure;
		mutex_unlock(&mb->ns->lock);
	}
	if (err) {
		kfree(deed);
		return ERR_PTR(err);
	}
	deed->mb = mbox_mailbox_get(mb);
	deed->release = release_deed;
	return deed;
}

/* Since the message was received, its owner may have ended, and nothing else. */
static bool is_still_valid(const struct mbox_deed *deed)
{
	const struct mbox *mb = deed->mb;

	if (!deed->valid || mbox_is_gone(mb))
		return false;
	return mb->tenure == deed->tenure ||
	       (mb->tenure == deed->tenure + 1 && !owner_of(mb));
}

/* Another user may own it and pay for it meanwhile. */
static int charge_again(struct mbox_heir *heir, struct mbox *mb)
{
	if (heir->former == mb->payer)
		return 0;
	uncharge_heir(heir);
	return charge_heir(heir, mb);
}

/* The caller, able to accept it: 0, -EDQUOT or -ENOMEM. */
int mbox_owner_charge_deed(struct mbox_heir *heir, const struct mbox_deed *deed)
{
	int err = mbox_owner_heir(heir);

	if (err)
		return err;
	mutex_lock(&deed->mb->ns->lock);
	err = charge_heir(heir, deed->mb);
	mutex_unlock(&deed->mb->ns->lock);
	if (err)
		mbox_owner_heir_free(heir);
	return err;
}

/* 0, -ESTALE if it has become void, or -EDQUOT. */
int mbox_owner_accept_deed(struct mbox_heir *heir, const struct mbox_deed *deed)
{
	struct mbox_permit *keep = NULL;
	struct mbox *mb = deed->mb;
	int err = -ESTALE;

	mutex_lock(&mb->ns->lock);
	settle(mb);
	if (is_still_valid(deed))
		err = charge_again(heir, mb) ?:
		      inherit(mb, heir, &keep, MBOX_EVENT_TRANSFERRED);
	mutex_unlock(&mb->ns->lock);
	return err;
}

/*
 * Attributes.
 */

struct attributes {
	const struct mbox_change *change;
	struct mbox_account *payer;
	kuid_t uid;
	kgid_t gid;
};

static void set_attributes(struct mbox *mb, void *arg)
{
	const struct attributes *attr = arg;
	struct mbox_access *access = &mb->access;

	if (attr->change->flags & MBOX_CHANGE_MODE)
		WRITE_ONCE(access->mode, attr->change->mode);
	if (attr->change->flags & MBOX_CHANGE_UID)
		WRITE_ONCE(access->uid, attr->uid);
	if (attr->change->flags & MBOX_CHANGE_GID)
		WRITE_ONCE(access->gid, attr->gid);
}

static int check_attributes(const struct mbox *mb, const struct attributes *attr)
{
	struct user_namespace *user_ns = mb->ns->user_ns;
	u64 flags = attr->change->flags;
	bool owned = mb->kind & MBOX_CREATE_PROCESS;

	if (mbox_is_gone(mb))
		return -EIDRM;
	if (flags & MBOX_CHANGE_MODE && !mbox_rights_have(mb, MBOX_RIGHT_MANAGE))
		return -EACCES;
	if (flags & (MBOX_CHANGE_UID | MBOX_CHANGE_GID)) {
		if (!mbox_rights_privileged(mb))
			return -EACCES;
		if (owned)
			return -EOPNOTSUPP;
	}
	if (flags & MBOX_CHANGE_MODE && owned && attr->change->mode & 0444)
		return -EINVAL;
	if (flags & MBOX_CHANGE_UID && !kuid_has_mapping(user_ns, attr->uid))
		return -EINVAL;
	if (flags & MBOX_CHANGE_GID && !kgid_has_mapping(user_ns, attr->gid))
		return -EINVAL;
	return 0;
}

static int charge_user(struct mbox *mb, struct attributes *attr)
{
	const struct mbox_cost cost = mbox_mailbox_cost(mb);
	int err = mbox_account_charge(attr->payer, mb->payer, &cost);

	if (!err)
		attr->payer = change_payer(mb, attr->payer);
	return err;
}

static int apply(struct mbox *mb, struct attributes *attr)
{
	int err = check_attributes(mb, attr);

	if (!err && attr->change->flags & MBOX_CHANGE_UID)
		err = charge_user(mb, attr);
	if (err)
		return err;
	mbox_rights_change(mb, set_attributes, attr);
	tell(mb, MBOX_EVENT_CHANGED, task_tgid(current), NULL, NULL);
	return 0;
}

int mbox_owner_change(struct mbox *mb, const struct mbox_change *change)
{
	struct attributes attr = {
		.change = change,
		.uid = make_kuid(current_user_ns(), change->uid),
		.gid = make_kgid(current_user_ns(), change->gid),
	};
	int err;

	/* Another user pays in the namespace that the mailbox lives in. */
	if (change->flags & MBOX_CHANGE_UID)
		attr.payer = mbox_account_find(mb->ns->user_ns, attr.uid);
	if (IS_ERR(attr.payer))
		return PTR_ERR(attr.payer);
	err = mutex_lock_killable(&mb->ns->lock);
	if (!err) {
		err = apply(mb, &attr);
		mutex_unlock(&mb->ns->lock);
	}
	mbox_account_put(attr.payer);
	return err;
}

/*
 * Ends.
 */

/* The process has ended that owned it, unless somebody was faster. */
void mbox_owner_ended(struct mbox *mb, struct mbox_participant *owner)
{
	if (mb->kind & MBOX_CREATE_PROCESS) {
		mbox_registry_delete(mb, false);
		return;
	}
	mutex_lock(&mb->ns->lock);
	if (owner_of(mb) == owner)
		orphan(mb);
	mutex_unlock(&mb->ns->lock);
}

/* The mailbox is gone, or never was there: so is whatever said whose it is. */
void mbox_owner_clear(struct mbox *mb)
{
	struct mbox_participant *owner;

	drop_offer(mb);
	mbox_participant_untie(&mb->tie);
	owner = rcu_replace_pointer(mb->access.owner, NULL,
				    lockdep_is_held(&mb->ns->lock));
	if (owner)
		clear_inbox(mb, owner);
	mbox_participant_put(owner);
}
