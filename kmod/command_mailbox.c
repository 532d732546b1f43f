// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_mailbox.c - the commands about a mailbox as a whole, and about all of them:
 * info, create, open, delete, stat, usage.
 */

#include <linux/bitops.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "command.h"
#include "dev.h"
#include "limits.h"
#include "mailbox.h"
#include "ns.h"
#include "owner.h"
#include "participant.h"
#include "registry.h"
#include "rights.h"

int mbox_command_info(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_info *info = &arg->info;

	if (info->flags)
		return -EINVAL;
	mbox_ns_info(mbox_registry_ns(), info);
	return mbox_command_reply(command, info, offsetof(struct mbox_info, features), sizeof(*info));
}

static bool is_bounded(u32 msgs, u64 bytes, u32 size)
{
	if (!msgs || (msgs != MBOX_UNBOUNDED && msgs > READ_ONCE(mbox_limits.max_msgs)))
		return false;
	return bytes == MBOX_UNBOUNDED_BYTES ||
	       (bytes >= size && bytes <= READ_ONCE(mbox_limits.max_bytes));
}

static bool is_rendezvous(u32 msgs, u64 bytes)
{
	return !msgs && !bytes;
}

static bool is_reserved(u32 msgs, u64 bytes, u32 size)
{
	return msgs && msgs <= READ_ONCE(mbox_limits.max_msgs) &&
	       bytes == MBOX_UNBOUNDED_BYTES &&
	       (u64)msgs * size <= READ_ONCE(mbox_limits.max_bytes);
}

static bool valid_capacity(const struct mbox_create *create)
{
	u32 msgs = create->max_msgs, size = create->max_size;
	u64 bytes = create->max_bytes;

	if (create->flags & MBOX_CREATE_RESERVE)
		return is_reserved(msgs, bytes, size);
	return is_rendezvous(msgs, bytes) || is_bounded(msgs, bytes, size);
}

#define CREATE_FLAGS	(MBOX_CREATE_BIND | MBOX_CREATE_FIXED | MBOX_CREATE_RESERVE | \
			 MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER |		     \
			 MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR |		     \
			 MBOX_CREATE_PROCESS | MBOX_CREATE_FILES | MBOX_CREATE_INBOX)

/* What an inbox can be besides. */
#define INBOX_FLAGS	(MBOX_CREATE_INBOX | MBOX_CREATE_BIND | MBOX_CREATE_FIXED)

static bool has_both(u64 flags, u64 pair)
{
	return (flags & pair) == pair;
}

static bool valid_mode(const struct mbox_create *create)
{
	u32 bits = create->flags & (MBOX_CREATE_PROCESS | MBOX_CREATE_INBOX) ? 0222 : 0666;

	return !(create->mode & ~bits);
}

static bool valid_share(const struct mbox_create *create)
{
	if (create->flags & MBOX_CREATE_INBOX || is_rendezvous(create->max_msgs, create->max_bytes))
		return !create->share;
	return create->share <= 100;
}

static int check_create(const struct mbox_create *create)
{
	u64 flags = create->flags;

	if (flags & ~CREATE_FLAGS)
		return -EINVAL;
	if (flags & MBOX_CREATE_INBOX && flags & ~INBOX_FLAGS)
		return -EINVAL;
	if (has_both(flags, MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER) ||
	    has_both(flags, MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR))
		return -EINVAL;
	if (!valid_mode(create) || !valid_share(create) || !mbox_ns_valid_name(create->name))
		return -EINVAL;
	if (create->max_size > READ_ONCE(mbox_limits.max_size))
		return -EINVAL;
	return valid_capacity(create) ? 0 : -EINVAL;
}

/* The caller learns the id, or there is no such mailbox. */
static int conclude_create(const struct mbox_command *command, struct mbox_create *create,
			   struct mbox *mb)
{
	int err;

	create->id = mb->id;
	err = mbox_command_reply(command, create, offsetof(struct mbox_create, id), sizeof(*create));
	if (!err && create->flags & MBOX_CREATE_BIND)
		err = mbox_dev_bind(command->mf, mb);
	/* Unless it has become somebody else's meanwhile. */
	if (err)
		mbox_registry_delete(mb, true);
	return err;
}

static int make(const struct mbox_command *command, struct mbox_create *create,
		struct mbox_heir *owner)
{
	struct mbox *mb = mbox_mailbox_alloc(create, mbox_registry_ns(), owner->payer);
	int err;

	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_registry_add(mb, owner);
	if (!err)
		err = conclude_create(command, create, mb);
	mbox_mailbox_put(mb);
	return err;
}

/* A name or room that a process had is free once it has ended, so look again. */
static int make_for(const struct mbox_command *command, struct mbox_create *create,
		    struct mbox_heir *owner)
{
	int err = make(command, create, owner);

	if (err != -EEXIST && err != -EDQUOT && err != -ENOSPC)
		return err;
	mbox_participant_settle();
	return make(command, create, owner);
}

int mbox_command_create(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_create *create = &arg->create;
	struct mbox_heir owner;
	int err;

	err = check_create(create);
	if (err)
		return err;
	if (create->flags & MBOX_CREATE_BIND && mbox_dev_bound(command->mf))
		return -EISCONN;
	/* Find out before others can find the mailbox whether its id can be told. */
	err = mbox_command_reply(command, create, offsetof(struct mbox_create, id), sizeof(*create));
	if (!err)
		err = mbox_owner_heir(&owner);
	if (err)
		return err;
	err = make_for(command, create, &owner);
	mbox_owner_heir_free(&owner);
	return err;
}

static int conclude_open(const struct mbox_command *command, struct mbox_open *open,
			 struct mbox *mb)
{
	kuid_t uid = READ_ONCE(mb->access.uid);
	int err;

	if (open->flags & MBOX_OPEN_UID &&
	    !uid_eq(make_kuid(current_user_ns(), open->uid), uid))
		return -ENOENT;
	if (!mbox_rights_see(mb))
		return mbox_rights_refusal(mb);
	open->id = mb->id;
	open->uid = from_kuid_munged(current_user_ns(), uid);
	err = mbox_command_reply(command, open, offsetof(struct mbox_open, id), sizeof(*open));
	return err ?: mbox_dev_bind(command->mf, mb);
}

#define OPEN_FLAGS	(MBOX_OPEN_UID | MBOX_OPEN_INBOX | MBOX_OPEN_PIDFD | MBOX_OPEN_PARTICIPANT)

static bool valid_open(const struct mbox_open *open)
{
	u64 address = open->flags & (MBOX_OPEN_PIDFD | MBOX_OPEN_PARTICIPANT);

	if (open->flags & ~OPEN_FLAGS || open->reserved || !mbox_ns_valid_name(open->name))
		return false;
	if (open->flags & MBOX_OPEN_INBOX)
		return !open->name[0] && hweight64(address) <= 1;
	return !address && !open->name[0] != !open->id;
}

/* The mailbox, to be put. */
static struct mbox *open_target(const struct mbox_command *command,
				const struct mbox_open *open)
{
	if (!(open->flags & MBOX_OPEN_INBOX))
		return open->id ? mbox_registry_get(mbox_registry_ns(), open->id) :
				  mbox_registry_get_named(mbox_registry_ns(), open->name);
	if (open->flags & MBOX_OPEN_PIDFD)
		return mbox_command_inbox(command, MBOX_BY_PIDFD, open->id);
	if (open->flags & MBOX_OPEN_PARTICIPANT)
		return mbox_command_inbox(command, MBOX_BY_ID, open->id);
	return mbox_command_inbox(command, MBOX_BY_PID, open->id ?: task_tgid_vnr(current));
}

int mbox_command_open(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_open *open = &arg->open;
	struct mbox *mb;
	int err;

	if (!valid_open(open))
		return -EINVAL;
	if (mbox_dev_bound(command->mf))
		return -EISCONN;
	mb = open_target(command, open);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = conclude_open(command, open, mb);
	mbox_mailbox_put(mb);
	return err;
}

int mbox_command_delete(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox *mb;
	int err;

	if (arg->delete.flags)
		return -EINVAL;
	mb = mbox_command_target(command, arg->delete.id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_registry_delete(mb, true);
	mbox_mailbox_put(mb);
	return err;
}

static int stat_one(const struct mbox_command *command, struct mbox_stat *stat,
		    const struct mbox_viewer *viewer)
{
	struct mbox *mb = mbox_command_target(command, stat->id);
	int err = 0;

	if (IS_ERR(mb))
		return PTR_ERR(mb);
	if (!mbox_rights_see(mb))
		err = mbox_rights_refusal(mb);
	else if (!mbox_mailbox_stat(mb, viewer, stat, NULL))
		err = -EIDRM;
	mbox_mailbox_put(mb);
	return err;
}

/* Passes over those that may not be seen, or are ended at this moment. */
static int stat_next(struct mbox_stat *stat, const struct mbox_viewer *viewer)
{
	u64 id = stat->id;

	for (;;) {
		struct mbox *mb = mbox_registry_get_next(mbox_registry_ns(), id);
		bool told;

		if (IS_ERR(mb))
			return PTR_ERR(mb);
		told = mbox_rights_see(mb) && mbox_mailbox_stat(mb, viewer, stat, NULL);
		id = mb->id + 1;
		mbox_mailbox_put(mb);
		if (told)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

int mbox_command_stat(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_stat *stat = &arg->stat;
	struct mbox_viewer viewer;
	int err;

	if (stat->flags & ~MBOX_STAT_NEXT)
		return -EINVAL;
	viewer = mbox_viewer_self(mbox_callers_payer(&command->mf->callers));
	if (IS_ERR(viewer.account))
		return PTR_ERR(viewer.account);
	err = stat->flags & MBOX_STAT_NEXT ? stat_next(stat, &viewer) :
					     stat_one(command, stat, &viewer);
	mbox_account_put(viewer.account);
	return err ?: mbox_command_reply(command, stat, offsetof(struct mbox_stat, id), sizeof(*stat));
}

static struct mbox_account *usage_account(const struct mbox_command *command,
					  const struct mbox_usage *usage)
{
	struct user_namespace *user_ns = current_user_ns();
	kuid_t uid;

	if (!(usage->flags & MBOX_USAGE_UID))
		return mbox_callers_payer(&command->mf->callers);
	uid = make_kuid(user_ns, usage->uid);
	if (!uid_valid(uid))
		return ERR_PTR(-EINVAL);
	if (!uid_eq(uid, current_euid()) && !ns_capable(user_ns, CAP_SYS_RESOURCE))
		return ERR_PTR(-EACCES);
	return mbox_account_find(user_ns, uid);
}

int mbox_command_usage(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_usage *usage = &arg->usage;
	struct mbox_account *account;

	if (usage->flags & ~MBOX_USAGE_UID)
		return -EINVAL;
	account = usage_account(command, usage);
	if (IS_ERR(account))
		return PTR_ERR(account);
	mbox_ns_usage(mbox_registry_ns(), account, current_user_ns(), usage);
	mbox_account_put(account);
	return mbox_command_reply(command, usage, offsetof(struct mbox_usage, uid), sizeof(*usage));
}
