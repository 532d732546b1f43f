// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - waiters: being claimed, being finished by somebody else, and the
 * sleep until then.
 *
 * Two races, and what decides them.
 *
 * 1. The waiter gives up while it is being served, or, if it chooses among
 *    several mailboxes, two of them serve it at once.
 *
 *      waiter                          server
 *      timeout or signal               lock
 *      mbox_wait_claim(): 1            mbox_wait_claim(): 0
 *      gives up                        passes over it
 *
 *    or the other way round: then the result counts, the timeout does not.
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
 *    A waiter that has seats in several mailboxes leaves them all before it
 *    returns, each under its lock (mbox_policy_choose()).
 *
 * Both are in selftests/model/mbox.pml (claim(), finish(), sleep()), with what happens
 * if one of the steps is left out or moved.
 */

#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/deadline.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/time_namespace.h>

#include "limits.h"
#include "trace.h"
#include "wait.h"

void mbox_wakes_init(struct mbox_wakes *wakes)
{
	wakes->nr = 0;
	wakes->poll = 0;
	INIT_LIST_HEAD(&wakes->dropped);
	INIT_LIST_HEAD(&wakes->files);
}

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
	/* The lock orders this after the change, see above. */
	if (wakes->poll && waitqueue_active(&mb->poll_wait))
		wake_up_interruptible_poll(&mb->poll_wait, wakes->poll);
}

/* A waiter of the calling task; its members that are 0 by default are. */
void mbox_wait_init(struct mbox_waiter *waiter, const struct mbox_pass *pass)
{
	waiter->task = current;
	waiter->seat.waiter = waiter;
	waiter->seat.pass = pass;
	INIT_LIST_HEAD(&waiter->seat.node);
}

/* Whoever gets true decides the waiter's fate, and nobody else. */
bool mbox_wait_claim(struct mbox_waiter *waiter)
{
	return !xchg(&waiter->claimed, true);
}

/*
 * How long a waiter looks on at most, in nanoseconds: not at all where there is one processor
 * only, for then nobody serves it meanwhile.
 */
static u64 longest_moment(void)
{
	return num_online_cpus() > 1 ? READ_ONCE(mbox_limits.spin_us) * NSEC_PER_USEC : 0;
}

/*
 * Tell a claimed waiter without a seat its @result. Whatever else it is told was
 * written before: who is to be woken, to be put, or NULL.
 */
struct task_struct *mbox_wait_tell(struct mbox *mb, struct mbox_waiter *waiter, int result)
{
	struct task_struct *task = waiter->task;

	lockdep_assert_held(&mb->lock);
	waiter->mb = mb;
	waiter->result = result;
	/* Whoever serves itself does not wait. */
	if (task != current) {
		get_task_struct(task);
		if (longest_moment())
			waiter->told = local_clock();
	}
	/* Pairs with the acquires in look_on() and sleep_until_done(): race 2 above. */
	smp_store_release(&waiter->done, true);
	return task == current ? NULL : task;
}

/*
 * The same, and to be woken once the lock is released. Very many are woken at once
 * only where very many fail at once; then it is done under the lock.
 */
void mbox_wait_finish(struct mbox *mb, struct mbox_waiter *waiter, int result,
		      struct mbox_wakes *wakes)
{
	struct task_struct *task = mbox_wait_tell(mb, waiter, result);
	bool late = wakes->nr == MBOX_WAKE_BATCH;

	if (!task)
		return;
	if (!late) {
		wakes->tasks[wakes->nr++] = task;
		return;
	}
	wake_up_process(task);
	put_task_struct(task);
}

/* Whether the time is over. */
static bool pause(const struct mbox_patience *patience)
{
	ktime_t deadline = patience->deadline;

	if (patience->timed)
		return !schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
						 HRTIMER_MODE_ABS);
	schedule();
	return false;
}

/*
 * Whoever is to bring what is waited for may have to run on this processor for that. If it
 * does so before the waiter sleeps, the waiter need not be woken: of a round trip of two
 * tasks on one processor that takes away 2,700 instructions of 11,100, and 800 where the
 * scheduler is fair. Real-time tasks, other than those with deadlines, stand in line for
 * the processor, and are behind others of their priority when they are woken, too.
 */
static void give_way(void)
{
	if (rt_prio(current->prio) && !dl_prio(current->prio) && !single_task_running())
		yield();
	else
		cond_resched();
}

static int sleep_until_done(struct mbox_waiter *waiter, const struct mbox_patience *patience)
{
	bool expired = false;
	int err;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		err = 0;
		/* Pairs with the release in mbox_wait_tell(). */
		if (smp_load_acquire(&waiter->done))
			break;
		err = -ETIMEDOUT;
		if (expired)
			break;
		err = -ERESTARTSYS;
		if (signal_pending(current))
			break;
		expired = pause(patience);
	}
	__set_current_state(TASK_RUNNING);
	return err;
}

/* Whether it is done. No deadline is looked at, for the moment is a short one. */
static bool look_on(const struct mbox_waiter *waiter, u64 begin, u64 moment)
{
	while (local_clock() - begin < moment && single_task_running() && !need_resched() &&
	       !signal_pending(current)) {
		/* Pairs with the release in mbox_wait_tell(). */
		if (smp_load_acquire(&waiter->done))
			return true;
		cpu_relax();
	}
	return false;
}

/*
 * How long a waiter slept before it was told, and, for those to come, how long it took then to
 * wake it; 0 if it was told before it slept, or the clocks of processors differ so much.
 */
static u64 learn_from(struct mbox_spin *spin, const struct mbox_waiter *waiter, u64 begin,
		      u64 longest)
{
	s64 slept = waiter->told - begin;
	s64 woken = local_clock() - waiter->told;
	u32 wake_ns = READ_ONCE(spin->wake_ns);

	if (slept <= 0 || woken <= 0)
		return 0;
	/* It may have been kept from running. */
	WRITE_ONCE(spin->wake_ns, wake_ns - wake_ns / 4 + min_t(u64, woken, longest) / 4);
	return slept;
}

/*
 * To sleep and to be woken by another processor takes longer than many an answer. So a
 * waiter first looks on for a moment, as long as nobody else has use for its processor
 * (competitive spinning: Karlin, Li, Manasse and Owicki, 1991). The moment is a few times
 * what it takes to be woken, for the other side may have to be woken, too, before it can
 * answer. Who has waited for longer than that sleeps the next time at once, until one that
 * sleeps need not have: so nobody is busy with waiting for long. A round trip of 64 bytes,
 * of two processes with a processor each, takes a quarter of the time (make bench).
 */
static int watch_and_sleep(struct mbox *mb, enum mbox_wait_what what,
			   struct mbox_waiter *waiter, const struct mbox_patience *patience,
			   u64 longest)
{
	struct mbox_spin *spin = &mb->spin;
	u64 moment = min_t(u64, 4ULL * READ_ONCE(spin->wake_ns), longest);
	bool brisk = test_bit(what, &spin->brisk);
	u64 begin = local_clock();
	u64 slept = 0;
	bool soon;
	int err;

	if (brisk && look_on(waiter, begin, moment))
		return 0;
	err = sleep_until_done(waiter, patience);
	if (!err)
		slept = learn_from(spin, waiter, begin, longest);
	soon = slept && slept < moment;
	if (brisk != soon)
		assign_bit(what, &spin->brisk, soon);
	return err;
}

/*
 * Sleep until the waiter is done (0), a signal comes or the time is over. @mb is one of
 * the mailboxes that it has a seat in.
 */
int mbox_wait_sleep(struct mbox *mb, enum mbox_wait_what what,
		    struct mbox_waiter *waiter, const struct mbox_patience *patience)
{
	u64 longest = longest_moment();
	int err;

	trace_mbox_wait(mb, what);
	give_way();
	err = longest ? watch_and_sleep(mb, what, waiter, patience, longest) :
			sleep_until_done(waiter, patience);
	trace_mbox_wake(mb, what, err);
	return err;
}

/*
 * From the caller's CLOCK_MONOTONIC in nanoseconds to the host's. What lies
 * before the host's zero is in the past, what lies after its end is never.
 */
ktime_t mbox_wait_time(u64 user_ns)
{
	ktime_t time = min_t(u64, user_ns, KTIME_MAX);
	struct timespec64 offset = {};
	ktime_t ahead;

	timens_add_monotonic(&offset);
	ahead = timespec64_to_ktime(offset);
	if (ahead > 0)
		return max(time - ahead, 0LL);
	return time > KTIME_MAX + ahead ? KTIME_MAX : time - ahead;
}
