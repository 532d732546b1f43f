// SPDX-License-Identifier: GPL-2.0-only
/* mailbox.c - the mailbox as a thing: its life, its attributes, its poll mask. */

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "mailbox.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "queue.h"

/* A NEW mailbox of the calling process, in no namespace yet. */
struct mbox *mbox_mailbox_alloc(const struct mbox_create *attr)
{
	struct mbox *mb = kzalloc(sizeof(*mb), GFP_KERNEL_ACCOUNT);

	if (!mb)
		return NULL;
	memcpy(mb->name, attr->name, sizeof(mb->name));
	mb->owner = get_pid(task_tgid(current));
	mb->uid = current_euid();
	mb->gid = current_egid();
	mb->mode = attr->mode & ~current_umask();
	mb->max_size = attr->max_size;
	mb->queue.max_msgs = attr->max_msgs;
	mb->queue.max_bytes = attr->max_bytes;
	mb->state = MBOX_NEW;
	refcount_set(&mb->refs, 1);
	spin_lock_init(&mb->lock);
	INIT_LIST_HEAD(&mb->receivers);
	init_waitqueue_head(&mb->poll_wait);
	return mb;
}

struct mbox *mbox_mailbox_get(struct mbox *mb)
{
	refcount_inc(&mb->refs);
	return mb;
}

/*
 * The last put finds nobody waiting (waiters hold the mailbox) and nothing
 * queued (what was never published has no messages, what is gone was cleared).
 */
void mbox_mailbox_put(struct mbox *mb)
{
	if (!refcount_dec_and_test(&mb->refs))
		return;
	if (mb->ns)
		mbox_ns_put(mb->ns);
	put_pid(mb->owner);
	kfree_rcu(mb, rcu);
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

/* Drop the messages of a mailbox that is gone, and tell those who wait for it. */
void mbox_mailbox_clear(struct mbox *mb)
{
	LIST_HEAD(msgs);

	spin_lock(&mb->lock);
	mbox_queue_drain(&mb->queue, &msgs);
	spin_unlock(&mb->lock);

	mbox_policy_dismiss(mb);
	mbox_msg_free_list(&msgs);
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
	stat->uid = from_kuid_munged(user_ns, mb->uid);
	stat->gid = from_kgid_munged(user_ns, mb->gid);
	stat->pid = owner_nr(mb);

	spin_lock(&mb->lock);
	gone = mb->state == MBOX_GONE;
	stat->bytes = queue->bytes;
	stat->bytes_high = queue->bytes_high;
	stat->msgs = queue->msgs;
	stat->msgs_high = queue->msgs_high;
	stat->senders = mb->nr_senders;
	stat->receivers = mb->nr_receivers;
	stat->sent = queue->seq;
	stat->received = mb->received;
	spin_unlock(&mb->lock);
	return !gone;
}
