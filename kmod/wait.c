// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - waiters: joining, being finished by somebody else, giving up, and
 * the sleep between.
 *
 * Two races, and what decides them.
 *
 * 1. The waiter gives up while it is being served.
 *
 *      waiter                          server
 *      timeout or signal               lock
 *      lock                            unlinks it, result, done
 *        (waits)                       unlock
 *      mbox_wait_cancel(): done is set,
 *      so it was served; the result counts, the timeout does not
 *
 *    Joined and not done, or done and not joined: there is no third state that
 *    anybody can see who holds the lock.
 *
 * 2. The waiter returns, and its stack frame with it, before it is woken.
 *
 *      waiter                          server (holds the lock)
 *                                      get_task_struct(waiter->task)
 *                                      result, msg
 *                                      smp_store_release(done)    A
 *      smp_load_acquire(done)  B
 *      returns, the frame is gone      unlock
 *                                      wake_up_process(task), put
 *
 *    A pairs with B: whoever sees done sees the result. After A the server
 *    touches the task only, by its own reference. Waking a task that has gone
 *    on to other things is harmless, as all sleeps recheck what they wait for.
 */

#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/time_namespace.h>

#include "queue.h"
#include "wait.h"

void mbox_wakes_tasks(struct mbox_wakes *wakes)
{
	unsigned int i;

	for (i = 0; i < wakes->nr; i++) {
		wake_up_process(wakes->tasks[i]);
		put_task_struct(wakes->tasks[i]);
	}
	wakes->nr = 0;
}

/*
 * Tasks and pollers, without the lock. A poller adds itself to poll_wait and
 * then takes the lock to read the state; what is flushed here was changed under
 * that lock before. So either the poller sees the change, or the
 * waitqueue_active() here sees the poller.
 */
void mbox_wakes_flush(struct mbox *mb, struct mbox_wakes *wakes)
{
	mbox_wakes_tasks(wakes);
	if (wakes->poll && waitqueue_active(&mb->poll_wait))
		wake_up_interruptible_poll(&mb->poll_wait, wakes->poll);
	wakes->poll = 0;
}

void mbox_wait_join(struct mbox *mb, struct mbox_waiter *waiter)
{
	lockdep_assert_held(&mb->lock);
	if (waiter->sending) {
		mbox_levels_add(&mb->senders, &waiter->node, waiter->msg->prio);
		mb->nr_senders++;
	} else {
		list_add_tail(&waiter->node, &mb->receivers);
		mb->nr_receivers++;
	}
}

static void unlink_waiter(struct mbox *mb, struct mbox_waiter *waiter)
{
	if (waiter->sending) {
		mbox_levels_del(&mb->senders, &waiter->node, waiter->msg->prio);
		mb->nr_senders--;
	} else {
		list_del(&waiter->node);
		mb->nr_receivers--;
	}
}

/*
 * Take the waiter out and tell it @result. Whatever else it is told was written
 * before. There must be room in @wakes.
 */
void mbox_wait_finish(struct mbox *mb, struct mbox_waiter *waiter, int result,
		      struct mbox_wakes *wakes)
{
	lockdep_assert_held(&mb->lock);
	unlink_waiter(mb, waiter);
	if (waiter->task != current) {
		get_task_struct(waiter->task);
		wakes->tasks[wakes->nr++] = waiter->task;
	}
	waiter->result = result;
	/* Pairs with the acquire in mbox_wait_sleep(): race 2 above. */
	smp_store_release(&waiter->done, true);
}

/* Give up. False if that comes too late: the waiter is done. */
bool mbox_wait_cancel(struct mbox *mb, struct mbox_waiter *waiter)
{
	lockdep_assert_held(&mb->lock);
	if (waiter->done)
		return false;
	unlink_waiter(mb, waiter);
	return true;
}

struct mbox_waiter *mbox_wait_first_sender(const struct mbox *mb)
{
	struct list_head *first = mbox_levels_first(&mb->senders);

	return first ? list_entry(first, struct mbox_waiter, node) : NULL;
}

struct mbox_waiter *mbox_wait_first_receiver(const struct mbox *mb)
{
	if (list_empty(&mb->receivers))
		return NULL;
	return list_first_entry(&mb->receivers, struct mbox_waiter, node);
}

/* Sleep until the waiter is done (0), a signal comes or the time is over. */
int mbox_wait_sleep(struct mbox_waiter *waiter, const struct mbox_patience *patience)
{
	ktime_t deadline = patience->deadline;
	bool expired = false;
	int err;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		err = 0;
		/* Pairs with the release in mbox_wait_finish(). */
		if (smp_load_acquire(&waiter->done))
			break;
		err = -ERESTARTSYS;
		if (signal_pending(current))
			break;
		err = -ETIMEDOUT;
		if (expired)
			break;
		expired = !schedule_hrtimeout_range(patience->timed ? &deadline : NULL,
						    current->timer_slack_ns,
						    HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);
	return err;
}

/*
 * From the caller's CLOCK_MONOTONIC in nanoseconds to the host's. What lies
 * before the host's zero is in the past, what lies after its end is never.
 */
ktime_t mbox_wait_deadline(u64 user_ns)
{
	ktime_t deadline = min_t(u64, user_ns, KTIME_MAX);
	struct timespec64 offset = {};
	ktime_t ahead;

	timens_add_monotonic(&offset);
	ahead = timespec64_to_ktime(offset);
	if (ahead > 0)
		return max(deadline - ahead, 0LL);
	return deadline > KTIME_MAX + ahead ? KTIME_MAX : deadline - ahead;
}
