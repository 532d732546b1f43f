// SPDX-License-Identifier: GPL-2.0-only
/*
 * msg.c - a message's memory, who pays for it, and who sent it.
 *
 * A buffer is allocated for one message, or once for many (MBOX_CREATE_RESERVE):
 * then it is signed anew for each, and goes back to its mailbox instead of
 * being freed (policy.c).
 *
 * Most messages need little, so they have only that. What others need lies in front:
 *
 *   MBOX_PLAIN	                                  | struct mbox_msg, payload
 *   MBOX_KEYED                 struct mbox_keyed | struct mbox_msg, payload
 *   MBOX_RARE  struct mbox_rare, struct mbox_keyed | struct mbox_msg, payload
 */

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "account.h"
#include "files.h"
#include "link.h"
#include "msg.h"
#include "ns.h"
#include "participant.h"
#include "request.h"
#include "share.h"

/* What there may be very many of has slabs of its own, without the loss of powers of two. */
#define SMALL	16

static struct kmem_cache *small[MBOX_RARE];

static size_t size_in_front(enum mbox_form form)
{
	static const size_t sizes[] = {
		[MBOX_PLAIN] = 0,
		[MBOX_KEYED] = sizeof(struct mbox_keyed),
		[MBOX_RARE] = sizeof(struct mbox_rare) + sizeof(struct mbox_keyed),
	};

	return sizes[form];
}

/* All the memory of a message of @size bytes. */
size_t mbox_msg_bytes(enum mbox_form form, u32 size)
{
	return size_in_front(form) + sizeof(struct mbox_msg) + size;
}

static bool is_small(enum mbox_form form, u32 size)
{
	return form != MBOX_RARE && size <= SMALL;
}

/*
 * Contiguous memory comes in powers of two of pages: a message of 1 MiB, with
 * what we add to it, would take 2 MiB, and those are hard to find. So what is
 * large is put together from pages.
 */
static void *alloc_bytes(enum mbox_form form, u32 size)
{
	size_t bytes = mbox_msg_bytes(form, size);

	if (is_small(form, size))
		return kmem_cache_alloc(small[form], MBOX_GFP);
	if (bytes <= PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)
		return kmalloc(bytes, MBOX_GFP);
	return __vmalloc(bytes, MBOX_GFP);
}

/* A buffer for messages of up to @size bytes; of one that is not MBOX_RARE: of @size. */
struct mbox_msg *mbox_msg_alloc(enum mbox_form form, u32 size)
{
	void *front = alloc_bytes(form, size);
	struct mbox_msg *msg;

	if (!front)
		return NULL;
	msg = front + size_in_front(form);
	msg->form = form;
	if (form == MBOX_RARE)
		mbox_msg_rare(msg)->pool = NULL;
	return msg;
}

static struct mbox_cost cost_of(enum mbox_form form, u32 len)
{
	return (struct mbox_cost) { .msgs = 1, .bytes = mbox_msg_bytes(form, len) };
}

/* Replies are charged to quotas only. 0, -EDQUOT or -ENOSPC. */
int mbox_msg_charge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			  u32 len)
{
	const struct mbox_cost cost = cost_of(form, len);

	return mbox_ns_charge(mb->ns, payer, &cost);
}

void mbox_msg_uncharge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			     u32 len)
{
	const struct mbox_cost cost = cost_of(form, len);

	mbox_ns_uncharge(mb->ns, payer, &cost);
}

/* Whoever created the mailbox may have paid for its buffers. */
static bool is_paid_for(const struct mbox *mb)
{
	return mb->kind & MBOX_CREATE_RESERVE;
}

/* Before a message is made: 0, -EXFULL, -EDQUOT, -ENOSPC or -ENOMEM. */
int mbox_msg_charge(struct mbox *mb, struct mbox_account *payer, enum mbox_form form, u32 len)
{
	int err = mbox_share_charge(mb, payer, len);

	if (err || is_paid_for(mb))
		return err;
	err = mbox_msg_charge_reply(mb, payer, form, len);
	if (err)
		mbox_share_uncharge(mb, payer, len);
	return err;
}

void mbox_msg_uncharge(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
		       u32 len)
{
	mbox_share_uncharge(mb, payer, len);
	if (!is_paid_for(mb))
		mbox_msg_uncharge_reply(mb, payer, form, len);
}

/* NULL for the one that a process is called by: it has the same struct pid. */
static struct pid *get_thread(void)
{
	return thread_group_leader(current) ? NULL : get_pid(task_pid(current));
}

static void init_rare(struct mbox_rare *rare)
{
	timerqueue_init(&rare->expiry);
	rare->expiry.expires = KTIME_MAX;
	rare->sender = NULL;
	rare->deed = NULL;
	rare->lane = NULL;
	rare->request = NULL;
	rare->files = NULL;
	rare->nr_files = 0;
	rare->files_lost = false;
}

/* Make it a message of the calling process, @from, that @payer was charged for. */
void mbox_msg_sign(struct mbox_msg *msg, struct mbox_participant *from,
		   struct mbox_account *payer, u32 len)
{
	if (msg->form == MBOX_RARE)
		init_rare(mbox_msg_rare(msg));
	refcount_set(&msg->refs, 1);
	msg->payer = mbox_account_get(payer);
	msg->from = mbox_participant_get(from);
	msg->thread = get_thread();
	msg->gid = current_egid();
	msg->is_reply = false;
	msg->shared = false;
	msg->nameless = false;
	msg->counted = true;
	msg->prio = 0;
	msg->tag = 0;
	msg->len = len;
}

kuid_t mbox_msg_uid(const struct mbox_msg *msg)
{
	return msg->nameless ? INVALID_UID : msg->payer->key.uid;
}

kgid_t mbox_msg_gid(const struct mbox_msg *msg)
{
	return msg->nameless ? INVALID_GID : msg->gid;
}

struct mbox_msg *mbox_msg_get(struct mbox_msg *msg)
{
	refcount_inc(&msg->refs);
	return msg;
}

static void release_rare(struct mbox_rare *rare)
{
	if (rare->deed)
		rare->deed->release(rare->deed);
	mbox_files_put(rare->files);
	mbox_request_put(rare->request);
	mbox_lane_put(rare->lane);
}

/* Whether that was the last reference: then the buffer is all that is left. */
bool mbox_msg_release(struct mbox *mb, struct mbox_msg *msg)
{
	if (!refcount_dec_and_test(&msg->refs))
		return false;
	if (msg->form == MBOX_RARE)
		release_rare(mbox_msg_rare(msg));
	if (msg->is_reply)
		mbox_msg_uncharge_reply(mb, msg->payer, msg->form, msg->len);
	else
		mbox_msg_uncharge(mb, msg->payer, msg->form, msg->len);
	mbox_account_put(msg->payer);
	mbox_participant_put(msg->from);
	put_pid(msg->thread);
	return true;
}

void mbox_msg_free(struct mbox_msg *msg)
{
	void *front = (void *)msg - size_in_front(msg->form);

	if (is_small(msg->form, msg->len))
		kmem_cache_free(small[msg->form], front);
	else
		kvfree(front);
}

void mbox_msg_free_list(struct list_head *msgs)
{
	struct mbox_msg *msg, *next;

	list_for_each_entry_safe(msg, next, msgs, node) {
		mbox_msg_free(msg);
		cond_resched();
	}
}

static struct kmem_cache *create_cache(const char *name, enum mbox_form form)
{
	size_t front = size_in_front(form) + sizeof(struct mbox_msg);

	return kmem_cache_create_usercopy(name, front + SMALL, 0, SLAB_ACCOUNT, front, SMALL, NULL);
}

int mbox_msg_init(void)
{
	small[MBOX_PLAIN] = create_cache("mbox_msg", MBOX_PLAIN);
	small[MBOX_KEYED] = create_cache("mbox_keyed_msg", MBOX_KEYED);
	if (small[MBOX_PLAIN] && small[MBOX_KEYED])
		return 0;
	mbox_msg_exit();
	return -ENOMEM;
}

void mbox_msg_exit(void)
{
	kmem_cache_destroy(small[MBOX_PLAIN]);
	kmem_cache_destroy(small[MBOX_KEYED]);
}
