/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_MSG_H
#define MBOX_MSG_H

#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "account.h"
#include "caller.h"
#include "clock.h"
#include "mbox.h"
#include "ns.h"
#include "participant.h"
#include "payload.h"

/* What is in front of it, in bytes. */
static inline size_t mbox_msg_front(enum mbox_form form)
{
	switch (form) {
	case MBOX_PLAIN:
		return 0;
	case MBOX_KEYED:
		return sizeof(struct mbox_keyed);
	default:
		return sizeof(struct mbox_rare) + sizeof(struct mbox_keyed);
	}
}

/* Up to so many bytes it is from a slab of its own. */
#define MBOX_MSG_SMALL	16

/* Whether its memory may be used again, with its pieces, by one that is about as long. */
static inline bool mbox_msg_is_longer(enum mbox_form form, u32 size)
{
	return form == MBOX_PLAIN && size > MBOX_SPARE_SIZE && size <= MBOX_LONGER_SIZE;
}

/* Whether its memory may be used again, but for pieces. */
static inline bool mbox_msg_is_spare(enum mbox_form form, u32 size)
{
	return form == MBOX_PLAIN &&
	       (size <= MBOX_SPARE_SIZE ||
		(size > MBOX_LONGER_SIZE && mbox_payload_room(size) <= MBOX_SPARE_SIZE));
}

/* Whether a former message had the buffer that one of @len bytes is to have. */
static inline bool mbox_msg_suits(const struct mbox_msg *former, u32 len)
{
	return mbox_msg_is_spare(MBOX_PLAIN, len) &&
	       (former->len <= MBOX_MSG_SMALL) == (len <= MBOX_MSG_SMALL);
}

/* All the memory of a message of @size bytes. */
static inline size_t mbox_msg_bytes(enum mbox_form form, u32 size)
{
	return mbox_msg_front(form) + sizeof(struct mbox_msg) + size;
}

struct mbox_msg *mbox_msg_alloc(enum mbox_form form, u32 size);
struct mbox_msg *mbox_msg_alloc_longer(struct mbox *mb, u32 len);
struct mbox_msg *mbox_msg_lodge(void *memory);
int mbox_msg_charge(struct mbox *mb, struct mbox_account *payer, enum mbox_form form, u32 len);
void mbox_msg_uncharge(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
		       u32 len);
int mbox_msg_charge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			  u32 len);
void mbox_msg_uncharge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			     u32 len);
void mbox_msg_init_rare(struct mbox_rare *rare);
void mbox_msg_free_spares(struct mbox *mb);
struct mbox_msg *mbox_msg_get(struct mbox_msg *msg);
bool mbox_msg_release(struct mbox *mb, struct mbox_msg *msg);
void mbox_msg_free(struct mbox *mb, struct mbox_msg *msg);
void mbox_msg_give_back(struct mbox_msg *msg);
void mbox_msg_free_list(struct mbox *mb, struct list_head *msgs);
void mbox_msg_free_many(struct mbox *mb, struct mbox_msg **msgs, u32 nr);
u32 mbox_msg_take_spares(struct mbox *mb, struct mbox_msg **msgs, u32 nr);
int mbox_msg_init(void);
void mbox_msg_exit(void);

/*
 * The caller will send again: let it find memory then. The mailbox is locked, for only one
 * may take from the list at a time.
 */
static inline void mbox_msg_restock(struct mbox *mb, struct mbox_caller *caller)
{
	struct llist_node *node;
	struct mbox_msg *former;

	lockdep_assert_held(&mb->lock);
	if (READ_ONCE(caller->spare) || llist_empty(&mb->spares.idle))
		return;
	node = llist_del_first(&mb->spares.idle);
	if (!node)
		return;
	atomic_dec(&mb->spares.nr);
	former = xchg(&caller->spare, llist_entry(node, struct mbox_msg, idle));
	if (former)
		mbox_msg_free(mb, former);
}

/* NULL for the one that a process is called by: it has the same struct pid. */
static inline struct pid *mbox_msg_thread(void)
{
	return thread_group_leader(current) ? NULL : get_pid(task_pid(current));
}

/*
 * Make it a message of the calling process, @from, that @payer was charged for. It takes a
 * reference to each over from the caller, and has nothing rare.
 */
static inline void mbox_msg_sign_held(struct mbox_msg *msg, struct mbox_participant *from,
				      struct mbox_account *payer, u32 len)
{
	refcount_set(&msg->refs, 1);
	msg->payer = payer;
	msg->from = from;
	msg->thread = mbox_msg_thread();
	msg->gid = current_egid();
	msg->is_reply = false;
	msg->shared = false;
	msg->nameless = false;
	msg->counted = true;
	msg->prio = 0;
	msg->tag = 0;
	msg->len = len;
}

/* The same of any, with references of its own. */
static __always_inline void mbox_msg_sign(struct mbox_msg *msg, struct mbox_participant *from,
					  struct mbox_account *payer, u32 len)
{
	if (msg->form == MBOX_RARE)
		mbox_msg_init_rare(mbox_msg_rare(msg));
	mbox_msg_sign_held(msg, mbox_participant_get(from), mbox_account_get(payer), len);
}

/* It is over, and nobody's. */
static __always_inline void mbox_msg_unsign(struct mbox_msg *msg)
{
	mbox_account_put(msg->payer);
	mbox_participant_put(msg->from);
	if (msg->thread)
		put_pid(msg->thread);
}

/* It is accepted, at that time. */
static inline void mbox_msg_stamp_at(struct mbox_msg *msg, ktime_t time, ktime_t realtime)
{
	msg->stamp = mbox_clock_tick(&msg->from->clock);
	msg->time = time;
	msg->realtime = realtime;
}

static inline void mbox_msg_stamp(struct mbox_msg *msg)
{
	ktime_t now = ktime_get();

	mbox_msg_stamp_at(msg, now, ktime_mono_to_real(now));
}

/* What it can be picked by. */
static inline void mbox_msg_set_key(const struct mbox *mb, struct mbox_msg *msg)
{
	if (msg->form == MBOX_PLAIN)
		return;
	mbox_msg_keyed(msg)->key = mb->kind & MBOX_CREATE_BY_SENDER ? msg->from->id : msg->tag;
}

static inline kuid_t mbox_msg_uid(const struct mbox_msg *msg)
{
	return msg->nameless ? INVALID_UID : msg->payer->key.uid;
}

static inline kgid_t mbox_msg_gid(const struct mbox_msg *msg)
{
	return msg->nameless ? INVALID_GID : msg->gid;
}

/*
 * What mbox_msg_release() does with the last reference to a message that has nothing rare,
 * of a mailbox in which no user has a share.
 */
static __always_inline void mbox_msg_release_plain(struct mbox *mb, struct mbox_msg *msg)
{
	mbox_ns_uncharge_msgs(mb->ns, msg->payer, 1, mbox_msg_bytes(msg->form, msg->len));
	mbox_msg_unsign(msg);
}

#endif /* MBOX_MSG_H */
