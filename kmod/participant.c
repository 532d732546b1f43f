// SPDX-License-Identifier: GPL-2.0-only
/*
 * participant.c - the processes that take part, and how their end is known.
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
 * All that needs more than a flag is done by the participant's work item (ends.c). It
 * is queued once, as the entry leaves the wait queue before.
 *
 * Who becomes an owner while it ends: mbox_participant_tie() and the work take
 * ties_lock, and dead is set before the work is queued. So either the tie is
 * refused, or the work finds it. With tokens it is the same (call.c).
 */

#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "participant.h"
#include "process.h"
#include "table.h"

static const struct rhashtable_params by_pid = {
	.key_len = sizeof(struct pid *),
	.key_offset = offsetof(struct mbox_participant, pid),
	.head_offset = offsetof(struct mbox_participant, pid_node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params by_id = {
	.key_len = sizeof(u64),
	.key_offset = offsetof(struct mbox_participant, id),
	.head_offset = offsetof(struct mbox_participant, id_node),
	.automatic_shrinking = true,
};

/* Participants are added, and let go of for the last time, under the mutex. */
static struct rhashtable pids, ids;
static LIST_HEAD(participants);
static u64 last_id;
static DEFINE_MUTEX(participants_lock);
static DEFINE_SPINLOCK(ties_lock);
static struct workqueue_struct *ends;
static void (*what_follows)(struct mbox_participant *participant);

static int process_ended(wait_queue_entry_t *end, unsigned int mode, int flags, void *key)
{
	struct mbox_participant *participant;

	participant = container_of(end, struct mbox_participant, end);
	if (mbox_process_alive(participant->pid))
		return 0;
	list_del_init(&end->entry);
	WRITE_ONCE(participant->dead, true);
	queue_work(ends, &participant->work);
	return 0;
}

/* Begin to wait for its end, with a reference. */
static void hook(struct mbox_participant *participant)
{
	mbox_participant_get(participant);
	add_wait_queue(&participant->pid->wait_pidfd, &participant->end);
}

/* False if its end has come and been noticed. */
static bool leave_queue(struct mbox_participant *participant)
{
	wait_queue_head_t *queue = &participant->pid->wait_pidfd;
	bool hooked;

	spin_lock_irq(&queue->lock);
	hooked = !list_empty(&participant->end.entry);
	list_del_init(&participant->end.entry);
	spin_unlock_irq(&queue->lock);
	return hooked;
}

/* No longer wait for its end, unless that has come. */
static void unhook(struct mbox_participant *participant)
{
	if (leave_queue(participant))
		mbox_participant_put(participant);
}

/*
 * It has ended, but the wake-up has not reached us yet, or it came before we were in
 * the queue and will not: whoever sees that first does what the wake-up would do.
 */
static void notice_end(struct mbox_participant *participant)
{
	if (!leave_queue(participant))
		return;
	WRITE_ONCE(participant->dead, true);
	queue_work(ends, &participant->work);
}

static void process_end(struct work_struct *work)
{
	struct mbox_participant *participant;

	participant = container_of(work, struct mbox_participant, work);
	what_follows(participant);
	mbox_participant_put(participant);
}

static struct mbox_participant *get_unless_freed(struct mbox_participant *participant)
{
	if (!participant || !refcount_inc_not_zero(&participant->refs))
		return NULL;
	return participant;
}

static struct mbox_participant *find(struct pid *process)
{
	struct mbox_participant *participant;

	rcu_read_lock();
	participant = get_unless_freed(rhashtable_lookup(&pids, &process, by_pid));
	rcu_read_unlock();
	return participant;
}

static struct mbox_participant *find_id(u64 id)
{
	struct mbox_participant *participant;

	rcu_read_lock();
	participant = get_unless_freed(rhashtable_lookup(&ids, &id, by_id));
	rcu_read_unlock();
	/* Pairs with the release in insert(). */
	if (!participant || smp_load_acquire(&participant->listed))
		return participant;
	mbox_participant_put(participant);
	return NULL;
}

/* Whoever reads whose a mailbox is may still look at the process. */
static void free_later(struct rcu_head *rcu)
{
	struct mbox_participant *participant;

	participant = container_of(rcu, struct mbox_participant, rcu);
	put_pid(participant->pid);
	kfree(participant);
}

/* Unless somebody has found it meanwhile. */
void mbox_participant_put_last(struct mbox_participant *participant)
{
	if (!refcount_dec_and_mutex_lock(&participant->refs, &participants_lock))
		return;
	/* Unless it was never in the tables. */
	mbox_table_remove(&pids, &participant->pid_node, by_pid);
	mbox_table_remove(&ids, &participant->id_node, by_id);
	list_del(&participant->all);
	mutex_unlock(&participants_lock);
	call_rcu(&participant->rcu, free_later);
}

/* It is one only when it is in both tables, which may yet fail: nobody knows its id before. */
static int insert(struct mbox_participant *participant)
{
	int err;

	lockdep_assert_held(&participants_lock);
	participant->id = ++last_id;
	err = mbox_table_add(&ids, &participant->id_node, by_id);
	if (err)
		return err;
	err = mbox_table_add(&pids, &participant->pid_node, by_pid);
	if (err) {
		mbox_table_remove(&ids, &participant->id_node, by_id);
		return err;
	}
	list_add(&participant->all, &participants);
	/* Pairs with the acquire in find_id(). */
	smp_store_release(&participant->listed, true);
	return 0;
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
		hook(participant);
		err = insert(participant);
	}
	mutex_unlock(&participants_lock);
	if (!former && !err)
		return participant;
	unhook(participant);
	mbox_participant_put(participant);
	return former ?: ERR_PTR(err);
}

static struct mbox_participant *make(struct pid *process)
{
	struct mbox_participant *participant = kzalloc(sizeof(*participant), MBOX_GFP);

	if (!participant)
		return ERR_PTR(-ENOMEM);
	participant->pid = get_pid(process);
	INIT_LIST_HEAD(&participant->owned);
	INIT_LIST_HEAD(&participant->permits);
	INIT_LIST_HEAD(&participant->links);
	participant->tokens = RB_ROOT;
	spin_lock_init(&participant->tokens_lock);
	INIT_LIST_HEAD(&participant->all);
	INIT_WORK(&participant->work, process_end);
	refcount_set(&participant->refs, 1);
	init_waitqueue_func_entry(&participant->end, process_ended);
	INIT_LIST_HEAD(&participant->end.entry);
	return add(participant);
}

/* One that was found, if it lives, else it is put. */
static struct mbox_participant *unless_dead(struct mbox_participant *participant)
{
	if (mbox_process_alive(participant->pid))
		return participant;
	notice_end(participant);
	mbox_participant_put(participant);
	return ERR_PTR(-ESRCH);
}

/* A living process as a participant, to be put; -ESRCH or -ENOMEM. */
struct mbox_participant *mbox_participant_find(struct pid *process)
{
	struct mbox_participant *participant = find(process) ?: make(process);

	return IS_ERR(participant) ? participant : unless_dead(participant);
}

static struct mbox_participant *find_and_put(struct pid *process)
{
	struct mbox_participant *participant;

	if (IS_ERR_OR_NULL(process))
		return process ? ERR_CAST(process) : ERR_PTR(-ESRCH);
	participant = find(process) ?: mbox_participant_find(process);
	put_pid(process);
	return participant;
}

/* -EBADF unless it is one; whose it is may be asked later. */
int mbox_participant_check_pidfd(u64 fd)
{
	struct pid *process = fd <= INT_MAX ? mbox_process_get_pidfd(fd) : ERR_PTR(-EBADF);

	if (IS_ERR(process))
		return PTR_ERR(process);
	put_pid(process);
	return 0;
}

/*
 * A process by what a user calls it, to be put; -ESRCH, -EBADF or -ENOMEM. One that
 * has ended is found as long as it can be called so and somebody holds it.
 */
struct mbox_participant *mbox_participant_resolve(enum mbox_address how, u64 address)
{
	switch (how) {
	case MBOX_BY_PID:
		return find_and_put(mbox_process_get(address));
	case MBOX_BY_PIDFD:
		if (address > INT_MAX)
			return ERR_PTR(-EBADF);
		return find_and_put(mbox_process_get_pidfd(address));
	default:
		return find_id(address) ?: ERR_PTR(-ESRCH);
	}
}

/*
 * Put what a participant has in its list of such, out of that of another one if it is
 * in that: 0, or -ESRCH if it is too late.
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

/* The first of its ties of one kind, as @hold makes of it what lasts, or NULL. */
void *mbox_participant_first(struct list_head *ties, void *(*hold)(struct list_head *tie))
{
	void *held;

	spin_lock(&ties_lock);
	held = list_empty(ties) ? NULL : hold(ties->next);
	spin_unlock(&ties_lock);
	return held;
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

/* @ended does what follows from a process's end. */
int mbox_participant_init(void (*ended)(struct mbox_participant *participant))
{
	int err = -ENOMEM;

	what_follows = ended;
	ends = alloc_workqueue("mbox_ends", WQ_UNBOUND, 0);
	if (!ends)
		return err;
	err = rhashtable_init(&pids, &by_pid);
	if (err)
		goto destroy_ends;
	err = rhashtable_init(&ids, &by_id);
	if (err)
		goto destroy_pids;
	return 0;

destroy_pids:
	rhashtable_destroy(&pids);
destroy_ends:
	destroy_workqueue(ends);
	return err;
}

/*
 * There are neither mailboxes nor descriptors left, so no participants but those of
 * processes that live, and those whose work is queued or runs. The former are no
 * longer waited for, after that nothing is queued any more. What they may still have
 * are links, and tokens that nobody waits for.
 */
void mbox_participant_exit(void)
{
	struct mbox_participant *participant, *next;
	LIST_HEAD(left);

	mutex_lock(&participants_lock);
	list_for_each_entry(participant, &participants, all)
		mbox_participant_get(participant);
	list_splice_init(&participants, &left);
	mutex_unlock(&participants_lock);
	list_for_each_entry(participant, &left, all)
		unhook(participant);
	destroy_workqueue(ends);
	list_for_each_entry_safe(participant, next, &left, all) {
		what_follows(participant);
		mbox_participant_put(participant);
	}
	rcu_barrier();
	rhashtable_destroy(&pids);
	rhashtable_destroy(&ids);
}
