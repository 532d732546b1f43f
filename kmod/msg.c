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
 *
 * Of a large payload only the beginning is there (payload.c).
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "account.h"
#include "files.h"
#include "link.h"
#include "msg.h"
#include "ns.h"
#include "participant.h"
#include "payload.h"
#include "request.h"
#include "share.h"

/* What there may be very many of has slabs of its own, without the loss of powers of two. */
static struct kmem_cache *small[MBOX_RARE];

static bool is_small(enum mbox_form form, u32 size)
{
	return form != MBOX_RARE && size <= MBOX_MSG_SMALL;
}

/* Which power of two is allocated for the bytes of a longer message, in itself or as a piece. */
static unsigned int order_of(u32 size)
{
	return size <= MBOX_PAYLOAD_WHOLE ? order_base_2(sizeof(struct mbox_msg) + size) :
					    mbox_payload_order(size - MBOX_PAYLOAD_FIRST);
}

static void *alloc_bytes(enum mbox_form form, u32 size)
{
	if (is_small(form, size))
		return kmem_cache_alloc(small[form], MBOX_GFP);
	if (mbox_msg_is_spare(form, size))
		return kmalloc(MBOX_SPARE_BYTES, MBOX_GFP);
	if (mbox_msg_is_longer(form, size) && size <= MBOX_PAYLOAD_WHOLE)
		return kmalloc(BIT(order_of(size)), MBOX_GFP);
	return kmalloc(mbox_msg_bytes(form, mbox_payload_room(size)), MBOX_GFP);
}

/* A buffer for messages of up to @size bytes; of one that is not MBOX_RARE: of @size. */
struct mbox_msg *mbox_msg_alloc(enum mbox_form form, u32 size)
{
	void *front = alloc_bytes(form, size);
	struct mbox_msg *msg;

	if (!front)
		return NULL;
	msg = front + mbox_msg_front(form);
	msg->form = form;
	if (form == MBOX_RARE) {
		mbox_msg_rare(msg)->pool = NULL;
		mbox_msg_rare(msg)->lodges = false;
	}
	msg->in_pieces = false;
	if (mbox_payload_alloc(msg, size))
		return msg;
	kfree(front);
	return NULL;
}

/*
 * The buffer for a message of a request, in memory of that which holds up to
 * mbox_msg_bytes(MBOX_RARE, length).
 */
struct mbox_msg *mbox_msg_lodge(void *memory)
{
	struct mbox_msg *msg = memory + mbox_msg_front(MBOX_RARE);

	msg->form = MBOX_RARE;
	msg->in_pieces = false;
	mbox_msg_rare(msg)->pool = NULL;
	mbox_msg_rare(msg)->lodges = true;
	return msg;
}

/* Replies are charged to quotas only. 0, -EDQUOT or -ENOSPC. */
int mbox_msg_charge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			  u32 len)
{
	const struct mbox_cost cost = { .msgs = 1, .bytes = mbox_msg_bytes(form, len) };

	return mbox_ns_charge_msgs(mb->ns, payer, cost.msgs, cost.bytes) ?
	       0 : mbox_ns_charge(mb->ns, payer, &cost);
}

void mbox_msg_uncharge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			     u32 len)
{
	mbox_ns_uncharge_msgs(mb->ns, payer, 1, mbox_msg_bytes(form, len));
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

void mbox_msg_init_rare(struct mbox_rare *rare)
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

static bool lodges(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare && rare->lodges;
}

/* A buffer, back to where it came from. */
void mbox_msg_give_back(struct mbox_msg *msg)
{
	void *front = (void *)msg - mbox_msg_front(msg->form);

	mbox_payload_free(msg);
	if (lodges(msg))
		mbox_request_put(mbox_msg_request(msg));
	else if (is_small(msg->form, msg->len))
		kmem_cache_free(small[msg->form], front);
	else
		kfree(front);
}

/* Whether a former longer message had the memory that one of @len bytes is to have. */
static bool has_memory_for(const struct mbox_msg *former, u32 len)
{
	return former->in_pieces == (len > MBOX_PAYLOAD_WHOLE) &&
	       order_of(former->len) == order_of(len);
}

/* A buffer for a longer message: the one that was kept, if it is of that kind. */
struct mbox_msg *mbox_msg_alloc_longer(struct mbox *mb, u32 len)
{
	struct mbox_msg *msg = xchg(&mb->spares.longer, NULL);

	if (msg && has_memory_for(msg, len))
		return msg;
	if (msg)
		mbox_msg_give_back(msg);
	return mbox_msg_alloc(MBOX_PLAIN, len);
}

/* Its memory is over, or the mailbox's while that lives, for messages to come. */
void mbox_msg_free(struct mbox *mb, struct mbox_msg *msg)
{
	bool keeps = mb->plain && READ_ONCE(mb->state) == MBOX_LIVE;

	if (keeps && mbox_msg_is_spare(msg->form, msg->len) &&
	    atomic_add_unless(&mb->spares.nr, 1, MBOX_SPARES_MAX)) {
		mbox_payload_free(msg);
		llist_add(&msg->idle, &mb->spares.idle);
		return;
	}
	if (keeps && mbox_msg_is_longer(msg->form, msg->len))
		msg = xchg(&mb->spares.longer, msg);
	if (msg)
		mbox_msg_give_back(msg);
}

/* For how many there is room; they count from now on. */
static int take_room(struct mbox_spares *spares, int nr)
{
	int old = atomic_read(&spares->nr), taken;

	do {
		taken = min(nr, MBOX_SPARES_MAX - old);
	} while (taken && !atomic_try_cmpxchg(&spares->nr, &old, old + taken));
	return taken;
}

/* Likewise, of many that may be spares of a mailbox which is plain. */
void mbox_msg_free_many(struct mbox *mb, struct mbox_msg **msgs, u32 nr)
{
	u32 kept = READ_ONCE(mb->state) == MBOX_LIVE ? take_room(&mb->spares, nr) : 0, i;

	for (i = 1; i < kept; i++)
		msgs[i - 1]->idle.next = &msgs[i]->idle;
	if (kept)
		llist_add_batch(&msgs[0]->idle, &msgs[kept - 1]->idle, &mb->spares.idle);
	for (i = kept; i < nr; i++)
		mbox_msg_give_back(msgs[i]);
}

/* How many there were, up to @nr. The mailbox is locked, see mbox_msg_restock(). */
u32 mbox_msg_take_spares(struct mbox *mb, struct mbox_msg **msgs, u32 nr)
{
	struct llist_node *first, *node;
	u32 taken;

	lockdep_assert_held(&mb->lock);
	/* Others add before the first one only. Pairs with the cmpxchg of llist_add_batch(). */
	first = smp_load_acquire(&mb->spares.idle.first);
	do {
		node = first;
		for (taken = 0; node && taken < nr; taken++) {
			msgs[taken] = llist_entry(node, struct mbox_msg, idle);
			node = node->next;
		}
	} while (!try_cmpxchg(&mb->spares.idle.first, &first, node));
	atomic_sub(taken, &mb->spares.nr);
	return taken;
}

/* Nobody uses them: the mailbox is locked, or nobody has it any more. */
void mbox_msg_free_spares(struct mbox *mb)
{
	struct mbox_msg *msg, *next;

	llist_for_each_entry_safe(msg, next, llist_del_all(&mb->spares.idle), idle)
		mbox_msg_give_back(msg);
	atomic_set(&mb->spares.nr, 0);
	msg = xchg(&mb->spares.longer, NULL);
	if (msg)
		mbox_msg_give_back(msg);
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
	if (!rare->lodges)
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
	mbox_msg_unsign(msg);
	return true;
}

void mbox_msg_free_list(struct mbox *mb, struct list_head *msgs)
{
	struct mbox_msg *msg, *next;

	list_for_each_entry_safe(msg, next, msgs, node) {
		mbox_msg_free(mb, msg);
		cond_resched();
	}
}

static struct kmem_cache *create_cache(const char *name, enum mbox_form form)
{
	size_t front = mbox_msg_front(form) + sizeof(struct mbox_msg);

	return kmem_cache_create_usercopy(name, front + MBOX_MSG_SMALL, 0, SLAB_ACCOUNT, front,
					 MBOX_MSG_SMALL, NULL);
}

int mbox_msg_init(void)
{
	small[MBOX_PLAIN] = create_cache("mbox_msg", MBOX_PLAIN);
	small[MBOX_KEYED] = create_cache("mbox_keyed_msg", MBOX_KEYED);
	if (small[MBOX_PLAIN] && small[MBOX_KEYED] && !mbox_payload_init())
		return 0;
	mbox_msg_exit();
	return -ENOMEM;
}

void mbox_msg_exit(void)
{
	kmem_cache_destroy(small[MBOX_PLAIN]);
	kmem_cache_destroy(small[MBOX_KEYED]);
	mbox_payload_exit();
}
