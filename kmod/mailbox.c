// SPDX-License-Identifier: GPL-2.0-only
/* mailbox.c - the mailbox as a thing: its life, its attributes, its poll mask. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "event.h"
#include "gate.h"
#include "limits.h"
#include "link.h"
#include "mailbox.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "process.h"
#include "share.h"

/* In interrupt context, so only ask for it to be done. */
static enum hrtimer_restart expiry_due(struct hrtimer *timer)
{
	struct mbox *mb = container_of(timer, struct mbox, expiry_timer);

	queue_work(system_wq, &mb->expiry_work);
	return HRTIMER_NORESTART;
}

static void tell_room(struct work_struct *work)
{
	mbox_event_tell_room(container_of(to_delayed_work(work), struct mbox, room_work));
}

static void expire(struct work_struct *work)
{
	mbox_policy_expire(container_of(work, struct mbox, expiry_work));
}

/* What is large, and needed by those only who send and receive. */
static void free_buffers(struct mbox *mb)
{
	struct hlist_head *index;
	struct list_head *seekers;
	LIST_HEAD(slots);

	spin_lock(&mb->lock);
	list_splice_init(&mb->slots, &slots);
	mbox_msg_free_spares(mb);
	index = mb->queue.index;
	seekers = mb->seekers;
	mb->queue.index = NULL;
	mb->seekers = NULL;
	spin_unlock(&mb->lock);
	mbox_msg_free_list(mb, &slots);
	kvfree(index);
	kvfree(seekers);
}

static void free_mailbox(struct mbox *mb)
{
	mbox_msg_free_spares(mb);
	kfree(mb->shares);
	mbox_gate_clear(&mb->gate);
	mbox_account_put(mb->payer);
	mbox_ns_put(mb->ns);
	kfree_rcu(mb, rcu);
}

static int alloc_index(struct mbox *mb)
{
	struct mbox_queue *queue = &mb->queue;
	unsigned int i;

	if (!mbox_is_indexed(mb))
		return 0;
	get_random_bytes(&queue->seed, sizeof(queue->seed));
	queue->index = kvcalloc(BIT(queue->index_bits), sizeof(*queue->index),
				MBOX_GFP);
	mb->seekers = kvmalloc_array(BIT(mb->seeker_bits), sizeof(*mb->seekers), MBOX_GFP);
	if (!queue->index || !mb->seekers)
		return -ENOMEM;
	for (i = 0; i < BIT(mb->seeker_bits); i++)
		INIT_LIST_HEAD(&mb->seekers[i]);
	return 0;
}

static int alloc_slots(struct mbox *mb)
{
	u32 i;

	if (!(mb->kind & MBOX_CREATE_RESERVE))
		return 0;
	for (i = 0; i < mb->queue.max_msgs; i++) {
		struct mbox_msg *slot = mbox_msg_alloc(MBOX_RARE, mb->max_size);

		if (!slot)
			return -ENOMEM;
		mbox_msg_rare(slot)->pool = mb;
		list_add_tail(&slot->node, &mb->slots);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* About as many buckets as there may be messages. */
static unsigned int index_bits(const struct mbox *mb)
{
	if (mbox_is_inbox(mb))
		return MBOX_INBOX_INDEX_BITS;
	return order_base_2(clamp(mb->queue.max_msgs, 1U << MBOX_SEEKER_BITS, 1U << 16));
}

/* All the memory that is set aside when it is made. */
static size_t bytes_of(const struct mbox *mb)
{
	size_t bytes = sizeof(*mb);

	if (mbox_is_indexed(mb))
		bytes += BIT(mb->queue.index_bits) * sizeof(*mb->queue.index) +
			 BIT(mb->seeker_bits) * sizeof(*mb->seekers);
	if (mb->plain)
		bytes += MBOX_SPARES_MAX * MBOX_SPARE_BYTES;
	if (mb->plain && mb->max_size > MBOX_SPARE_SIZE)
		bytes += mbox_msg_bytes(MBOX_PLAIN, min_t(u32, mb->max_size, MBOX_LONGER_SIZE));
	if (mb->kind & MBOX_CREATE_RESERVE)
		bytes += mb->queue.max_msgs * mbox_msg_bytes(MBOX_RARE, mb->max_size);
	return bytes;
}

/* There is nothing to share at a rendezvous; in an inbox each link has its own. */
static u32 share_of(const struct mbox *mb, const struct mbox_create *attr)
{
	if (mbox_is_rendezvous(mb) || mbox_is_inbox(mb))
		return 100;
	return attr->share ?: READ_ONCE(mbox_limits.default_share);
}

/* What it was asked for, and what that implies. */
static u64 kind_of(u64 flags)
{
	if (flags & MBOX_CREATE_INBOX)
		flags |= MBOX_CREATE_PROCESS | MBOX_CREATE_BY_SENDER | MBOX_CREATE_FILES;
	return flags & ~MBOX_CREATE_BIND;
}

/* Whatever wants more than room of those who send, or more than a right, is none. */
static bool is_plain(const struct mbox *mb)
{
	return mb->share == 100 && !mbox_is_rendezvous(mb) &&
	       !(mb->kind & (MBOX_CREATE_PROCESS | MBOX_CREATE_RESERVE | MBOX_CREATE_SINGLE |
			     MBOX_CREATE_PAIR));
}

static void init_mailbox(struct mbox *mb, const struct mbox_create *attr)
{
	memcpy(mb->name, attr->name, sizeof(mb->name));
	mb->access.mode = attr->mode & ~current_umask();
	mb->max_size = attr->max_size;
	mb->kind = kind_of(attr->flags);
	mb->queue.max_msgs = attr->max_msgs;
	mb->queue.max_bytes = attr->max_bytes;
	mb->queue.index_bits = index_bits(mb);
	mb->seeker_bits = mbox_is_inbox(mb) ? MBOX_INBOX_SEEKER_BITS : MBOX_SEEKER_BITS;
	mb->share = share_of(mb, attr);
	mb->plain = is_plain(mb);
	timerqueue_init_head(&mb->queue.expiries);
	mb->bytes = bytes_of(mb);
	mb->state = MBOX_LIVE;
	refcount_set(&mb->refs, 1);
	INIT_LIST_HEAD(&mb->tie);
	spin_lock_init(&mb->lock);
	seqcount_spinlock_init(&mb->access.seq, &mb->lock);
	hash_init(mb->access.permits);
	INIT_LIST_HEAD(&mb->receivers);
	INIT_LIST_HEAD(&mb->offers);
	mbox_lane_init(&mb->lane, mb);
	INIT_LIST_HEAD(&mb->waiting);
	INIT_LIST_HEAD(&mb->stirred);
	INIT_LIST_HEAD(&mb->held);
	INIT_LIST_HEAD(&mb->filed);
	INIT_LIST_HEAD(&mb->slots);
	INIT_LIST_HEAD(&mb->gate.turn);
	hrtimer_init(&mb->expiry_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	mb->expiry_timer.function = expiry_due;
	INIT_WORK(&mb->expiry_work, expire);
	INIT_DELAYED_WORK(&mb->room_work, tell_room);
	init_waitqueue_head(&mb->poll_wait);
}

struct mbox_cost mbox_mailbox_cost(const struct mbox *mb)
{
	return (struct mbox_cost) { .mailboxes = 1, .bytes = mb->bytes };
}

static int charge(struct mbox *mb)
{
	const struct mbox_cost cost = mbox_mailbox_cost(mb);

	return mbox_ns_charge(mb->ns, mb->payer, &cost);
}

/*
 * Nobody needs what was charged, but for the mailbox itself, which remains until the last put.
 * Only a memory cgroup still counts that: who keeps it by a descriptor, a token or a deed need
 * not be who paid for it.
 */
static void release(struct mbox *mb)
{
	const struct mbox_cost cost = mbox_mailbox_cost(mb);

	free_buffers(mb);
	mbox_ns_uncharge(mb->ns, mb->payer, &cost);
}

/* A mailbox that nobody owns and nobody finds yet. */
struct mbox *mbox_mailbox_alloc(const struct mbox_create *attr, struct mbox_ns *ns,
				struct mbox_account *payer)
{
	struct mbox *mb = kzalloc(sizeof(*mb), MBOX_GFP);
	int err;

	if (!mb)
		return ERR_PTR(-ENOMEM);
	init_mailbox(mb, attr);
	mb->ns = mbox_ns_get(ns);
	mb->payer = mbox_account_get(payer);
	err = charge(mb);
	if (err)
		goto free;
	err = alloc_index(mb) ?: mbox_share_init(mb) ?: alloc_slots(mb);
	if (!err)
		return mb;
	mbox_mailbox_put(mb);
	return ERR_PTR(err);

free:
	free_mailbox(mb);
	return ERR_PTR(err);
}

struct mbox *mbox_mailbox_get(struct mbox *mb)
{
	refcount_inc(&mb->refs);
	return mb;
}

/*
 * The last put finds nobody waiting (waiters hold the mailbox) and nothing
 * queued (what nobody found has no messages, what is gone was cleared).
 */
void mbox_mailbox_put(struct mbox *mb)
{
	if (!refcount_dec_and_test(&mb->refs))
		return;
	/* If it was ever found, that is done. */
	if (mb->state == MBOX_LIVE)
		release(mb);
	free_mailbox(mb);
}

/* From now on every call is told EIDRM. False if it was so already. */
bool mbox_mailbox_mark_gone(struct mbox *mb)
{
	bool first;

	lockdep_assert_held(&mb->ns->lock);
	spin_lock(&mb->lock);
	first = mb->state != MBOX_GONE;
	WRITE_ONCE(mb->state, MBOX_GONE);
	spin_unlock(&mb->lock);
	return first;
}

/*
 * Drop the messages and buffers of a mailbox that is gone, and tell those who
 * wait for it.
 * The timers are not started again: that happens under the lock, unless GONE.
 */
void mbox_mailbox_clear(struct mbox *mb)
{
	hrtimer_cancel(&mb->expiry_timer);
	cancel_work_sync(&mb->expiry_work);
	cancel_delayed_work_sync(&mb->room_work);
	mbox_policy_dismiss(mb);
	release(mb);
}

/* @lane: the one that the caller would send by, or NULL. */
__poll_t mbox_mailbox_poll(struct mbox *mb, const struct mbox_lane *lane,
			   struct file *file, poll_table *wait)
{
	__poll_t events;

	/* Before the state is read: see mbox_wakes_flush(). */
	poll_wait(file, &mb->poll_wait, wait);
	spin_lock(&mb->lock);
	events = mbox_policy_poll(mb, lane);
	spin_unlock(&mb->lock);
	return events;
}

static void stat_counters(struct mbox *mb, const struct mbox_viewer *viewer,
			  struct mbox_stat *stat)
{
	const struct mbox_queue *queue = &mb->queue;

	stat->bytes = queue->bytes;
	stat->bytes_high = queue->bytes_high;
	stat->msgs = queue->msgs;
	stat->msgs_high = queue->msgs_high;
	stat->senders = mb->nr_senders + mb->nr_offers;
	stat->receivers = mb->nr_receivers;
	stat->requests = mb->nr_held;
	stat->sent = mb->sent;
	stat->received = mb->received;
	stat->expired = mb->expired;
	stat->refused = mb->refused;
	stat->skipped = mb->skipped;
	stat->filled = mb->filled;
	mbox_share_tell(mb, viewer->account, stat);
}

static void stat_access(struct mbox *mb, const struct mbox_viewer *viewer,
			struct mbox_stat *stat)
{
	struct user_namespace *user_ns = viewer->cred->user_ns;
	const struct mbox_access *access = &mb->access;
	const struct mbox_participant *owner, *to;

	rcu_read_lock();
	owner = rcu_dereference(access->owner);
	to = mbox_offered_to(mb);
	stat->mode = access->mode;
	stat->uid = from_kuid_munged(user_ns, access->uid);
	stat->gid = from_kgid_munged(user_ns, access->gid);
	stat->pid = owner ? mbox_viewer_living_nr(viewer, owner->pid) : 0;
	stat->offered = to ? mbox_viewer_living_nr(viewer, to->pid) : 0;
	stat->grants = access->nr_permits;
	stat->links = mbox_is_inbox(mb) && owner ? atomic_read(&owner->nr_links) : 0;
	stat->state = 0;
	if (mbox_is_orphan(mb))
		stat->state |= MBOX_STATE_ORPHAN;
	if (to)
		stat->state |= MBOX_STATE_OFFERED;
	rcu_read_unlock();
}

/*
 * For @viewer; and, unless it is NULL, in @waited how many messages waited how long. False
 * if it is gone.
 */
bool mbox_mailbox_stat(struct mbox *mb, const struct mbox_viewer *viewer,
		       struct mbox_stat *stat, u64 *waited)
{
	bool gone;

	stat->flags = 0;
	stat->id = mb->id;
	memcpy(stat->name, mb->name, sizeof(stat->name));
	stat->max_bytes = mb->queue.max_bytes;
	stat->max_msgs = mb->queue.max_msgs;
	stat->max_size = mb->max_size;
	stat->share = mb->share;
	stat->kind = mb->kind;
	stat->reserved = 0;

	spin_lock(&mb->lock);
	gone = mbox_is_gone(mb);
	stat_access(mb, viewer, stat);
	stat_counters(mb, viewer, stat);
	if (waited)
		memcpy(waited, mb->waited, sizeof(mb->waited));
	spin_unlock(&mb->lock);
	return !gone;
}
