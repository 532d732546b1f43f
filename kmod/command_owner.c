// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_owner.c - the commands about whose a mailbox is and who may use it: transfer,
 * offer, accept, claim, grant, revoke, grants, change.
 */

#include <linux/err.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "command.h"
#include "dev.h"
#include "mailbox.h"
#include "ns.h"
#include "owner.h"
#include "participant.h"
#include "process.h"
#include "rights.h"

/* The process that is meant, to be put; NULL if there is none, or -EBADF. */
static struct pid *process_get(s32 pid, bool is_pidfd)
{
	return is_pidfd ? mbox_process_get_pidfd(pid) : mbox_process_get(pid);
}

static bool valid_transfer(const struct mbox_transfer *transfer)
{
	return !(transfer->flags & ~(MBOX_TRANSFER_KEEP | MBOX_TRANSFER_PIDFD)) &&
	       !transfer->reserved && transfer->pid >= 0;
}

typedef int (*hand_over_t)(struct mbox *mb, struct pid *process, bool keep);

static int hand_over(const struct mbox_command *command, const struct mbox_transfer *transfer,
		     hand_over_t how)
{
	struct pid *process;
	struct mbox *mb;
	int err;

	process = process_get(transfer->pid, transfer->flags & MBOX_TRANSFER_PIDFD);
	if (IS_ERR(process))
		return PTR_ERR(process);
	mb = mbox_command_target(command, transfer->id);
	err = PTR_ERR_OR_ZERO(mb);
	if (!err) {
		err = how(mb, process, transfer->flags & MBOX_TRANSFER_KEEP);
		/* What those had who ended may be what there is no room for. */
		if (err == -EDQUOT || err == -EMLINK) {
			mbox_participant_settle();
			err = how(mb, process, transfer->flags & MBOX_TRANSFER_KEEP);
		}
		mbox_mailbox_put(mb);
	}
	put_pid(process);
	return err;
}

int mbox_command_transfer(const struct mbox_command *command, union mbox_argument *arg)
{
	if (!valid_transfer(&arg->transfer))
		return -EINVAL;
	return hand_over(command, &arg->transfer, mbox_owner_transfer);
}

static int withdraw(const struct mbox_command *command, u64 id)
{
	struct mbox *mb = mbox_command_target(command, id);
	int err;

	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_owner_withdraw(mb);
	mbox_mailbox_put(mb);
	return err;
}

int mbox_command_offer(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_transfer *transfer = &arg->transfer;

	if (!valid_transfer(transfer))
		return -EINVAL;
	if (transfer->pid || transfer->flags & MBOX_TRANSFER_PIDFD)
		return hand_over(command, transfer, mbox_owner_offer);
	return transfer->flags ? -EINVAL : withdraw(command, transfer->id);
}

static int take(const struct mbox_command *command, const struct mbox_take *take,
		int (*how)(struct mbox *mb))
{
	struct mbox *mb;
	int err;

	if (take->flags)
		return -EINVAL;
	mb = mbox_command_target(command, take->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = how(mb);
	if (err == -EDQUOT) {
		mbox_participant_settle();
		err = how(mb);
	}
	mbox_mailbox_put(mb);
	return err;
}

int mbox_command_accept(const struct mbox_command *command, union mbox_argument *arg)
{
	return take(command, &arg->take, mbox_owner_accept);
}

int mbox_command_claim(const struct mbox_command *command, union mbox_argument *arg)
{
	return take(command, &arg->take, mbox_owner_claim);
}

#define RIGHTS	(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE)

static bool valid_grant(const struct mbox_grant *grant)
{
	return !(grant->flags & ~MBOX_GRANT_PIDFD) && grant->rights &&
	       !(grant->rights & ~RIGHTS) && grant->pid >= 0;
}

typedef int (*regulate_t)(struct mbox *mb, struct pid *process, unsigned int rights);

static int regulate(const struct mbox_command *command, const struct mbox_grant *grant,
		    regulate_t how)
{
	struct pid *process;
	struct mbox *mb;
	int err;

	if (!valid_grant(grant))
		return -EINVAL;
	process = process_get(grant->pid, grant->flags & MBOX_GRANT_PIDFD);
	if (IS_ERR(process))
		return PTR_ERR(process);
	mb = mbox_command_target(command, grant->id);
	err = PTR_ERR_OR_ZERO(mb);
	if (!err) {
		err = how(mb, process, grant->rights);
		mbox_mailbox_put(mb);
	}
	put_pid(process);
	return err;
}

/* Grants of processes that have ended may be what there is no room for. */
static int grant(struct mbox *mb, struct pid *process, unsigned int rights)
{
	int err = mbox_owner_grant(mb, process, rights);

	if (err != -EMLINK)
		return err;
	mbox_participant_settle();
	return mbox_owner_grant(mb, process, rights);
}

int mbox_command_grant(const struct mbox_command *command, union mbox_argument *arg)
{
	return regulate(command, &arg->grant, grant);
}

int mbox_command_revoke(const struct mbox_command *command, union mbox_argument *arg)
{
	return regulate(command, &arg->grant, mbox_owner_revoke);
}

static int list_grants(struct mbox *mb, struct mbox_grants *grants)
{
	const struct mbox_viewer viewer = mbox_viewer_self(NULL);
	void __user *to = u64_to_user_ptr(grants->grants);
	struct mbox_granted *granted;
	u32 room = grants->nr;
	int err = 0;

	granted = kcalloc(room, sizeof(*granted), MBOX_GFP);
	if (!granted)
		return -ENOMEM;
	mutex_lock(&mb->ns->lock);
	grants->nr = mbox_rights_list(mb, &viewer, granted, room);
	if (mbox_is_gone(mb))
		err = -EIDRM;
	mutex_unlock(&mb->ns->lock);
	if (!err && copy_to_user(to, granted, min(room, grants->nr) * sizeof(*granted)))
		err = -EFAULT;
	kfree(granted);
	return err;
}

int mbox_command_grants(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_grants *grants = &arg->grants;
	struct mbox *mb;
	int err;

	if (grants->flags || grants->reserved || grants->nr > MBOX_GRANTS_MAX)
		return -EINVAL;
	mb = mbox_command_target(command, grants->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_rights_see(mb) ? list_grants(mb, grants) : mbox_rights_refusal(mb);
	mbox_mailbox_put(mb);
	return err ?: mbox_command_reply(command, grants, offsetof(struct mbox_grants, nr),
			    offsetofend(struct mbox_grants, nr));
}

#define CHANGE_FLAGS	(MBOX_CHANGE_MODE | MBOX_CHANGE_UID | MBOX_CHANGE_GID)

int mbox_command_change(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_change *change = &arg->change;
	struct mbox *mb;
	int err;

	if (!change->flags || change->flags & ~CHANGE_FLAGS || change->reserved)
		return -EINVAL;
	if (change->flags & MBOX_CHANGE_MODE && change->mode & ~0666)
		return -EINVAL;
	mb = mbox_command_target(command, change->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_owner_change(mb, change);
	mbox_mailbox_put(mb);
	return err;
}
