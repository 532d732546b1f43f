// SPDX-License-Identifier: GPL-2.0-only
/*
 * participant.c - the processes that have something, and how their end is known.
 *
 * The kernel wakes the wait queue of a process's struct pid, the one that pidfds
 * are polled by, when the process may have ended: under tasklist_lock, before
 * its parent can learn of it. It also does so when a leader that is traced ends
 * before its threads, or is replaced by a thread that calls exec. So we ask
 * whether it is dead, and stay in the queue if not.
 *
 *   the process ends                 its parent
 *   write_lock(tasklist_lock)
 *   process_ended(): dead = true     wait(2)
 *   write_unlock(tasklist_lock)        read_lock(tasklist_lock)
 *                                      reaps
 *                                    uses a mailbox: sees that it is dead
 *
 * All that needs more than a flag is done by the participant's work item. It is
 * queued once, as the entry leaves the wait queue before.
 *
 * Who becomes an owner while it ends: mbox_participant_tie() and the work take
 * ties_lock, and dead is set before the work is queued. So either the tie is
 * refused, or the work finds it.
 */

#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mailbox.h"
#include "owner.h"
#include "participant.h"
#include "process.h"
#include "rights.h"

static const struct rhashtable_params params = {
	.key_len = sizeof(struct pid *),
	.key_offset = offsetof(struct mbox_participant, pid),
	.head_offset = offsetof(struct mbox_participant, node),
	.automatic_shrinking = true,
};

/* Participants are added, and let go of for the last time, under the mutex. */
static struct rhashtable participants;
static DEFINE_MUTEX(participants_lock);
static DEFINE_SPINLOCK(ties_lock);
static struct workqueue_struct *ends;

static int process_ended(wait_queue_entry_t *end, unsigned int mode, int flags, void *key)
{
	struct mbox_participant *participant;

	participant = container_of(end, struct mbox_participant, end);
	if (mbox_process_alive(participant->pid))
		return 0;
	list_del_init(&end->entry);
	WRITE_ONCE(participant->dead, true);
	if (refcount_inc_not_zero(&participant->refs))
		queue_work(ends, &participant->work);
	return 0;
}

/* A mailbox in the list is in the registry, which holds it. */
static struct mbox *first_owned(struct mbox_participant *participant)
{
	struct mbox *mb;

	spin_lock(&ties_lock);
	mb = list_first_entry_or_null(&participant->owned, struct mbox, tie);
	if (mb)
		mbox_mailbox_get(mb);
	spin_unlock(&ties_lock);
	return mb;
}

static struct mbox *first_permitted(struct mbox_participant *participant)
{
	struct mbox_permit *permit;
	struct mbox *mb = NULL;

	spin_lock(&ties_lock);
	permit = list_first_entry_or_null(&participant->permits, struct mbox_permit, tie);
	if (permit)
		mb = mbox_mailbox_get(permit->mb);
	spin_unlock(&ties_lock);
	return mb;
}

static void process_end(struct work_struct *work)
{
	struct mbox_participant *participant;
	struct mbox *mb;

	participant = container_of(work, struct mbox_participant, work);
	while ((mb = first_owned(participant))) {
		mbox_owner_ended(mb, participant);
		mbox_mailbox_put(mb);
		cond_resched();
	}
	while ((mb = first_permitted(participant))) {
		mbox_rights_ended(mb, participant);
		mbox_mailbox_put(mb);
		cond_resched();
	}
	mbox_participant_put(participant);
}

static struct mbox_participant *find(struct pid *process)
{
	struct mbox_participant *participant;

	rcu_read_lock();
	participant = rhashtable_lookup(&participants, &process, params);
	if (participant && !refcount_inc_not_zero(&participant->refs))
		participant = NULL;
	rcu_read_unlock();
	return participant;
}

/* Whoever reads whose a mailbox is may still look at the process. */
static void free_later(struct rcu_head *rcu)
{
	struct mbox_participant *participant;

	participant = container_of(rcu, struct mbox_participant, rcu);
	put_pid(participant->pid);
	kfree(participant);
}

static void free_participant(struct mbox_participant *participant)
{
	/* If it is not in the queue (any more), that does nothing. */
	remove_wait_queue(&participant->pid->wait_pidfd, &participant->end);
	call_rcu(&participant->rcu, free_later);
}

void mbox_participant_put(struct mbox_participant *participant)
{
	if (!participant ||
	    !refcount_dec_and_mutex_lock(&participant->refs, &participants_lock))
		return;
	/* Fails for one that another was faster than. */
	rhashtable_remove_fast(&participants, &participant->node, params);
	mutex_unlock(&participants_lock);
	free_participant(participant);
}

/*
 * Under the mutex, so that what is found has not been let go of. In the wait
 * queue before it can be found: who finds it will hear of an end.
 */
static struct mbox_participant *add(struct mbox_participant *participant)
{
	struct mbox_participant *former;
	int err = 0;

	mutex_lock(&participants_lock);
	former = find(participant->pid);
	if (!former) {
		add_wait_queue(&participant->pid->wait_pidfd, &participant->end);
		err = rhashtable_insert_fast(&participants, &participant->node, params);
	}
	mutex_unlock(&participants_lock);
	if (!former && !err)
		return participant;
	mbox_participant_put(participant);
	return former ?: ERR_PTR(-ENOMEM);
}

static struct mbox_participant *make(struct pid *process)
{
	struct mbox_participant *participant = kzalloc(sizeof(*participant), MBOX_GFP);

	if (!participant)
		return ERR_PTR(-ENOMEM);
	participant->pid = get_pid(process);
	INIT_LIST_HEAD(&participant->owned);
	INIT_LIST_HEAD(&participant->permits);
	INIT_WORK(&participant->work, process_end);
	refcount_set(&participant->refs, 1);
	init_waitqueue_func_entry(&participant->end, process_ended);
	INIT_LIST_HEAD(&participant->end.entry);
	return add(participant);
}

/* A living process as a participant, to be put; -ESRCH or -ENOMEM. */
struct mbox_participant *mbox_participant_find(struct pid *process)
{
	struct mbox_participant *participant = find(process) ?: make(process);

	/* If it ended before the wake-up could reach us, we shall not hear of it. */
	if (IS_ERR(participant) || mbox_process_alive(process))
		return participant;
	mbox_participant_put(participant);
	return ERR_PTR(-ESRCH);
}

struct mbox_participant *mbox_participant_get(struct mbox_participant *participant)
{
	refcount_inc(&participant->refs);
	return participant;
}

/*
 * Put a mailbox, or a permit, in the list of its participant, out of that of
 * another one if it is in that: 0, or -ESRCH if it is too late.
 */
int mbox_participant_tie(struct mbox_participant *participant,
			 struct list_head *tie, struct list_head *ties)
{
	int err = -ESRCH;

	spin_lock(&ties_lock);
	if (!READ_ONCE(participant->dead)) {
		list_move_tail(tie, ties);
		err = 0;
	}
	spin_unlock(&ties_lock);
	return err;
}

void mbox_participant_untie(struct list_head *tie)
{
	spin_lock(&ties_lock);
	list_del_init(tie);
	spin_unlock(&ties_lock);
}

/*
 * Wait until what follows from the ends so far is done. To be called before a
 * user is told that there is no room: there may be, but for those who ended.
 */
void mbox_participant_settle(void)
{
	flush_workqueue(ends);
}

int mbox_participant_init(void)
{
	int err;

	ends = alloc_workqueue("mbox_ends", WQ_UNBOUND, 0);
	if (!ends)
		return -ENOMEM;
	err = rhashtable_init(&participants, &params);
	if (err)
		destroy_workqueue(ends);
	return err;
}

/* There are no mailboxes left, so no participants but those whose work runs. */
void mbox_participant_exit(void)
{
	destroy_workqueue(ends);
	rcu_barrier();
	rhashtable_destroy(&participants);
}
