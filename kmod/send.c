// SPDX-License-Identifier: GPL-2.0-only
/*
 * send.c - one sending, from the user's bytes to the mailbox. The message is
 * built before anything waits for it, and is discarded here unless it was sent.
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "direct.h"
#include "files.h"
#include "gate.h"
#include "msg.h"
#include "payload.h"
#include "policy.h"
#include "request.h"
#include "rights.h"
#include "send.h"

/* Into an inbox messages go by a link, which there is from now on. */
static int join(struct mbox *mb, struct mbox_posting *posting)
{
	const struct cred *saved = override_creds(posting->payer_cred ?: current_cred());
	struct mbox_lane *lane = mbox_direct_lane(mb, posting->from, posting->payer);

	revert_creds(saved);
	if (IS_ERR(lane))
		return PTR_ERR(lane);
	posting->lane = lane;
	return 0;
}

/* Of a message of that length: all that does not depend on its bytes. */
static int check(struct mbox *mb, u64 len, struct mbox_posting *posting)
{
	if (len > mb->max_size)
		return -EMSGSIZE;
	if (mb->kind & MBOX_CREATE_FIXED && len < mb->max_size)
		return -EMSGSIZE;
	if (mbox_is_inbox(mb))
		return join(mb, posting);
	return mbox_gate_take_end(mb, MBOX_END_SEND);
}

static struct mbox_msg *get_slot(struct mbox *mb, u32 prio, struct mbox_posting *posting)
{
	struct mbox_waiter waiter;
	int err;

	do {
		waiter = (struct mbox_waiter) {
			.prio = prio,
			.brings_files = posting->files,
		};
		mbox_wait_init(&waiter, &posting->pass);
		err = mbox_policy_reserve(mb, &waiter, &posting->patience);
	} while (err == -EKEYREVOKED && mbox_rights_insist(mb, &posting->pass) > 0);
	return err ? ERR_PTR(err) : waiter.msg;
}

/* A new buffer, or a slot of the mailbox, for which there may be a wait. */
static struct mbox_msg *get_buffer(struct mbox *mb, enum mbox_form form, u32 len, u32 prio,
				   struct mbox_posting *posting)
{
	struct mbox_msg *msg;

	if (mb->kind & MBOX_CREATE_RESERVE)
		return get_slot(mb, prio, posting);
	msg = mbox_msg_alloc(form, len);
	return msg ?: ERR_PTR(-ENOMEM);
}

static int charge(struct mbox *mb, enum mbox_form form, u32 len,
		  const struct mbox_posting *posting)
{
	const struct cred *saved;
	int err;

	if (!posting->payer_cred)
		return mbox_msg_charge(mb, posting->payer, form, len);
	saved = override_creds(posting->payer_cred);
	err = mbox_msg_charge(mb, posting->payer, form, len);
	revert_creds(saved);
	return err;
}

/* @flags: MBOX_SEND_*. */
static enum mbox_form choose_form(const struct mbox *mb, u64 flags,
				  const struct mbox_posting *posting)
{
	if (mb->kind & (MBOX_CREATE_RESERVE | MBOX_CREATE_INBOX) || mbox_is_rendezvous(mb) ||
	    flags & (MBOX_SEND_SYNC | MBOX_SEND_EXPIRES) ||
	    posting->files || posting->deed || posting->request)
		return MBOX_RARE;
	return mbox_is_indexed(mb) ? MBOX_KEYED : MBOX_PLAIN;
}

static void fill_rare(struct mbox_rare *rare, struct mbox_posting *posting)
{
	rare->deed = posting->deed;
	posting->deed = NULL;
	rare->nr_files = posting->files ? posting->files->nr : 0;
	rare->files = posting->files;
	posting->files = NULL;
	if (posting->request)
		rare->request = mbox_request_get(posting->request);
	if (posting->lane)
		rare->lane = mbox_lane_get(posting->lane);
}

static struct mbox_msg *prepare(struct mbox *mb, u64 flags, u32 len, u32 prio,
				struct mbox_posting *posting)
{
	enum mbox_form form = choose_form(mb, flags, posting);
	struct mbox_msg *msg;
	int err;

	prio = array_index_nospec(prio, MBOX_LEVELS);
	err = charge(mb, form, len, posting);
	if (err)
		return ERR_PTR(err);
	msg = get_buffer(mb, form, len, prio, posting);
	if (IS_ERR(msg)) {
		mbox_msg_uncharge(mb, posting->payer, form, len);
		return msg;
	}
	mbox_msg_sign(msg, posting->from, posting->payer, len);
	msg->prio = prio;
	if (form == MBOX_RARE)
		fill_rare(mbox_msg_rare(msg), posting);
	return msg;
}

static int submit(struct mbox *mb, struct mbox_msg *msg, bool sync,
		  struct mbox_posting *posting, struct mbox_receipt *receipt)
{
	struct mbox_waiter sender;
	int err;

	mbox_msg_set_key(mb, msg);
	do {
		sender = (struct mbox_waiter) {
			.sync = sync || posting->request || mbox_is_rendezvous(mb),
			.request = posting->request,
			.lane = posting->lane,
			.brings_files = mbox_msg_files(msg),
			.prio = msg->prio,
			.msg = msg,
		};
		mbox_wait_init(&sender, &posting->pass);
		err = mbox_policy_send(mb, &sender, &posting->patience);
	} while (err == -EKEYREVOKED && !sender.held &&
		 mbox_rights_insist(mb, &posting->pass) > 0);
	if (err && !sender.held)
		mbox_policy_discard(mb, msg);
	receipt->stamp = sender.stamp;
	receipt->receiver = pid_vnr(sender.peer);
	put_pid(sender.peer);
	return err;
}

/* Who waits for longer than the message lives waits in vain. */
static int limit_wait(struct mbox_patience *patience, ktime_t expires)
{
	if (expires <= ktime_get())
		return -ETIMEDOUT;
	if (!patience->timed || expires < patience->deadline)
		patience->deadline = expires;
	patience->timed = true;
	return 0;
}

static int check_files(const struct mbox *mb, const struct mbox_send *send)
{
	if (!send->nr_files)
		return 0;
	if (!(mb->kind & MBOX_CREATE_FILES))
		return -EOPNOTSUPP;
	if (!mbox_is_orphan(mb))
		return 0;
	return mbox_is_gone(mb) ? -EIDRM : -EOWNERDEAD;
}

static int take_files(struct mbox *mb, const struct mbox_send *send,
		      struct mbox_posting *posting)
{
	struct mbox_files *files;

	if (!send->nr_files)
		return 0;
	files = mbox_files_take(mb, posting->payer, u64_to_user_ptr(send->files),
				send->nr_files);
	if (IS_ERR(files))
		return PTR_ERR(files);
	posting->files = files;
	return 0;
}

static int send_user(struct mbox *mb, const struct mbox_send *send,
		     struct mbox_posting *posting, struct mbox_receipt *receipt)
{
	ktime_t expires = KTIME_MAX;
	struct mbox_msg *msg;
	int err = check(mb, send->len, posting);

	if (!err && send->flags & MBOX_SEND_EXPIRES) {
		expires = mbox_wait_time(send->expires);
		err = limit_wait(&posting->patience, expires);
	}
	if (!err)
		err = take_files(mb, send, posting);
	if (err)
		return err;
	msg = prepare(mb, send->flags, send->len, send->prio, posting);
	if (IS_ERR(msg)) {
		mbox_files_put(posting->files);
		return PTR_ERR(msg);
	}
	if (!mbox_payload_from_user(msg, u64_to_user_ptr(send->buf))) {
		mbox_policy_discard(mb, msg);
		return -EFAULT;
	}
	msg->tag = send->tag;
	msg->shared = !!(send->flags & MBOX_SEND_SHARED);
	if (expires != KTIME_MAX)
		mbox_msg_rare(msg)->expiry.expires = expires;
	return submit(mb, msg, send->flags & MBOX_SEND_SYNC, posting, receipt);
}

static int send_iter(struct mbox *mb, struct iov_iter *from, struct mbox_posting *posting)
{
	size_t len = iov_iter_count(from);
	struct mbox_receipt receipt;
	struct mbox_msg *msg;
	int err;

	err = check(mb, len, posting);
	if (err)
		return err;
	msg = prepare(mb, 0, len, 0, posting);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	if (!mbox_payload_from_iter(msg, from)) {
		mbox_policy_discard(mb, msg);
		return -EFAULT;
	}
	msg->nameless = !!posting->payer_cred;
	return submit(mb, msg, false, posting, &receipt);
}

int mbox_send_user(struct mbox *mb, const struct mbox_send *send,
		   struct mbox_posting *posting, struct mbox_receipt *receipt)
{
	int err = check_files(mb, send);

	if (!err)
		err = send_user(mb, send, posting, receipt);
	mbox_lane_put(posting->lane);
	return err;
}

/*
 * All that @from has is one message, of the least priority; if somebody else pays
 * for it, of no user and group.
 */
int mbox_send_iter(struct mbox *mb, struct iov_iter *from, struct mbox_posting *posting)
{
	int err = send_iter(mb, from, posting);

	mbox_lane_put(posting->lane);
	return err;
}
