// SPDX-License-Identifier: GPL-2.0-only
/* mailbox.c - the mailbox as a thing: its life, its attributes, its poll mask. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "gate.h"
#include "mailbox.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"

/* In interrupt context, so only ask for it to be done. */
static enum hrtimer_restart expiry_due(struct hrtimer *timer)
{
	struct mbox *mb = container_of(timer, struct mbox, expiry_timer);

	queue_work(system_wq, &mb->expiry_work);
	return HRTIMER_NORESTART;
}

static void expire(struct work_struct *work)
{
	mbox_policy_expire(container_of(work, struct mbox, expiry_work));
}

static void free_mailbox(struct mbox *mb)
{
	mbox_msg_free_list(&mb->slots);
	kvfree(mb->queue.index);
	kvfree(mb->seekers);
	mbox_gate_clear(&mb->gate);
	put_pid(mb->owner);
	kfree_rcu(mb, rcu);
}

/* About as many buckets as there may be messages. */
static int alloc_index(struct mbox *mb)
{
	struct mbox_queue *queue = &mb->queue;
	u32 msgs = clamp(queue->max_msgs, 1U << MBOX_SEEKER_BITS, 1U << 16);
	unsigned int i;

	queue->index_bits = order_base_2(msgs);
	queue->index = kvcalloc(BIT(queue->index_bits), sizeof(*queue->index),
				MBOX_GFP);
	mb->seekers = kvmalloc_array(BIT(MBOX_SEEKER_BITS), sizeof(*mb->seekers),
				     MBOX_GFP);
	if (!queue->index || !mb->seekers)
		return -ENOMEM;
	for (i = 0; i < BIT(MBOX_SEEKER_BITS); i++)
		INIT_LIST_HEAD(&mb->seekers[i]);
	return 0;
}

static int alloc_slots(struct mbox *mb)
{
	u32 i;

	for (i = 0; i < mb->queue.max_msgs; i++) {
		struct mbox_msg *slot = mbox_msg_alloc(mb->max_size);

		if (!slot)
			return -ENOMEM;
		slot->pool = mb;
		list_add_tail(&slot->node, &mb->slots);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void init_mailbox(struct mbox *mb, const struct mbox_create *attr)
{
	memcpy(mb->name, attr->name, sizeof(mb->name));
	mb->owner = get_pid(task_tgid(current));
	mb->uid = current_euid();
	mb->gid = current_egid();
	mb->mode = attr->mode & ~current_umask();
	mb->max_size = attr->max_size;
	mb->kind = attr->flags & ~MBOX_CREATE_BIND;
	mb->queue.max_msgs = attr->max_msgs;
	mb->queue.max_bytes = attr->max_bytes;
	timerqueue_init_head(&mb->queue.expiries);
	mb->state = MBOX_LIVE;
	refcount_set(&mb->refs, 1);
	spin_lock_init(&mb->lock);
	INIT_LIST_HEAD(&mb->receivers);
	INIT_LIST_HEAD(&mb->slots);
	INIT_LIST_HEAD(&mb->gate.turn);
	hrtimer_init(&mb->expiry_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	mb->expiry_timer.function = expiry_due;
	INIT_WORK(&mb->expiry_work, expire);
	init_waitqueue_head(&mb->poll_wait);
}

/* A mailbox of the calling process, in no namespace yet. */
struct mbox *mbox_mailbox_alloc(const struct mbox_create *attr)
{
	struct mbox *mb = kzalloc(sizeof(*mb), MBOX_GFP);
	int err = 0;

	if (!mb)
		return ERR_PTR(-ENOMEM);
	init_mailbox(mb, attr);
	if (mb->kind & (MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER))
		err = alloc_index(mb);
	if (!err && mb->kind & MBOX_CREATE_RESERVE)
		err = alloc_slots(mb);
	if (!err)
		return mb;
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
	if (mb->ns)
		mbox_ns_put(mb->ns);
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
 * Drop the messages of a mailbox that is gone, and tell those who wait for it.
 * The timer is not started again: that happens under the lock, unless GONE.
 */
void mbox_mailbox_clear(struct mbox *mb)
{
	hrtimer_cancel(&mb->expiry_timer);
	cancel_work_sync(&mb->expiry_work);
	mbox_policy_dismiss(mb);
}

__poll_t mbox_mailbox_poll(struct mbox *mb, struct file *file, poll_table *wait)
{
	__poll_t events;

	/* Before the state is read: see mbox_wakes_flush(). */
	poll_wait(file, &mb->poll_wait, wait);
	spin_lock(&mb->lock);
	events = mbox_policy_poll(mb);
	spin_unlock(&mb->lock);
	return events;
}

static pid_t owner_nr(const struct mbox *mb)
{
	pid_t nr = 0;

	rcu_read_lock();
	if (pid_task(mb->owner, PIDTYPE_TGID))
		nr = pid_vnr(mb->owner);
	rcu_read_unlock();
	return nr;
}

/* False if it is gone. */
bool mbox_mailbox_stat(struct mbox *mb, struct mbox_stat *stat)
{
	const struct mbox_queue *queue = &mb->queue;
	struct user_namespace *user_ns = current_user_ns();
	bool gone;

	stat->id = mb->id;
	memcpy(stat->name, mb->name, sizeof(stat->name));
	stat->max_bytes = queue->max_bytes;
	stat->max_msgs = queue->max_msgs;
	stat->max_size = mb->max_size;
	stat->mode = mb->mode;
	stat->kind = mb->kind;
	stat->uid = from_kuid_munged(user_ns, mb->uid);
	stat->gid = from_kgid_munged(user_ns, mb->gid);
	stat->pid = owner_nr(mb);

	spin_lock(&mb->lock);
	gone = mb->state == MBOX_GONE;
	stat->bytes = queue->bytes;
	stat->bytes_high = queue->bytes_high;
	stat->msgs = queue->msgs;
	stat->msgs_high = queue->msgs_high;
	stat->senders = mb->nr_senders + mb->nr_offers;
	stat->receivers = mb->nr_receivers;
	stat->sent = mb->sent;
	stat->received = mb->received;
	stat->expired = mb->expired;
	spin_unlock(&mb->lock);
	return !gone;
}
