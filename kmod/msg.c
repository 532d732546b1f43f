// SPDX-License-Identifier: GPL-2.0-only
/*
 * msg.c - a message's memory, who pays for it, and who sent it.
 *
 * A buffer is allocated for one message, or once for many (MBOX_CREATE_RESERVE):
 * then it is signed anew for each, and goes back to its mailbox instead of
 * being freed (policy.c).
 */

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "files.h"
#include "link.h"
#include "msg.h"
#include "ns.h"
#include "participant.h"
#include "request.h"
#include "share.h"

/*
 * Contiguous memory comes in powers of two of pages: a message of 1 MiB, with
 * what we add to it, would take 2 MiB, and those are hard to find. So what is
 * large is put together from pages.
 */
struct mbox_msg *mbox_msg_alloc(u32 size)
{
	struct mbox_msg *msg;
	size_t bytes = struct_size(msg, data, size);

	if (bytes <= PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)
		msg = kmalloc(bytes, MBOX_GFP);
	else
		msg = __vmalloc(bytes, MBOX_GFP);
	if (msg)
		msg->pool = NULL;
	return msg;
}

static struct mbox_cost cost_of(u32 len)
{
	return (struct mbox_cost) { .msgs = 1, .bytes = sizeof(struct mbox_msg) + len };
}

/* Replies are charged to quotas only. 0, -EDQUOT or -ENOSPC. */
int mbox_msg_charge_reply(struct mbox *mb, struct mbox_account *payer, u32 len)
{
	const struct mbox_cost cost = cost_of(len);

	return mbox_ns_charge(mb->ns, payer, &cost);
}

void mbox_msg_uncharge_reply(struct mbox *mb, struct mbox_account *payer, u32 len)
{
	const struct mbox_cost cost = cost_of(len);

	mbox_ns_uncharge(mb->ns, payer, &cost);
}

/* Whoever created the mailbox may have paid for its buffers. */
static bool is_paid_for(const struct mbox *mb)
{
	return mb->kind & MBOX_CREATE_RESERVE;
}

/* Before a message is made: 0, -EXFULL, -EDQUOT, -ENOSPC or -ENOMEM. */
int mbox_msg_charge(struct mbox *mb, struct mbox_account *payer, u32 len)
{
	int err = mbox_share_charge(mb, payer, len);

	if (err || is_paid_for(mb))
		return err;
	err = mbox_msg_charge_reply(mb, payer, len);
	if (err)
		mbox_share_uncharge(mb, payer, len);
	return err;
}

void mbox_msg_uncharge(struct mbox *mb, struct mbox_account *payer, u32 len)
{
	mbox_share_uncharge(mb, payer, len);
	if (!is_paid_for(mb))
		mbox_msg_uncharge_reply(mb, payer, len);
}

/* NULL for the one that a process is called by: it has the same struct pid. */
static struct pid *get_thread(void)
{
	return thread_group_leader(current) ? NULL : get_pid(task_pid(current));
}

/* Make it a message of the calling process, @from, that @payer was charged for. */
void mbox_msg_sign(struct mbox_msg *msg, struct mbox_participant *from,
		   struct mbox_account *payer, u32 len)
{
	refcount_set(&msg->refs, 1);
	timerqueue_init(&msg->expiry);
	msg->expiry.expires = KTIME_MAX;
	msg->sender = NULL;
	msg->deed = NULL;
	msg->lane = NULL;
	msg->request = NULL;
	msg->files = NULL;
	msg->is_reply = false;
	msg->shared = false;
	msg->files_lost = false;
	msg->nr_files = 0;
	msg->payer = mbox_account_get(payer);
	msg->from = mbox_participant_get(from);
	msg->thread = get_thread();
	msg->uid = current_euid();
	msg->gid = current_egid();
	msg->counted = true;
	msg->prio = 0;
	msg->tag = 0;
	msg->key = 0;
	msg->len = len;
}

struct mbox_msg *mbox_msg_get(struct mbox_msg *msg)
{
	refcount_inc(&msg->refs);
	return msg;
}

/* Whether that was the last reference: then the buffer is all that is left. */
bool mbox_msg_release(struct mbox *mb, struct mbox_msg *msg)
{
	if (!refcount_dec_and_test(&msg->refs))
		return false;
	if (msg->deed)
		msg->deed->release(msg->deed);
	mbox_files_put(msg->files);
	mbox_request_put(msg->request);
	mbox_lane_put(msg->lane);
	if (msg->is_reply)
		mbox_msg_uncharge_reply(mb, msg->payer, msg->len);
	else
		mbox_msg_uncharge(mb, msg->payer, msg->len);
	mbox_account_put(msg->payer);
	mbox_participant_put(msg->from);
	put_pid(msg->thread);
	return true;
}

void mbox_msg_free(struct mbox_msg *msg)
{
	kvfree(msg);
}

void mbox_msg_free_list(struct list_head *msgs)
{
	struct mbox_msg *msg, *next;

	list_for_each_entry_safe(msg, next, msgs, node) {
		mbox_msg_free(msg);
		cond_resched();
	}
}
