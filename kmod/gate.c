// SPDX-License-Identifier: GPL-2.0-only
/*
 * gate.c - mailboxes that not every process with a right may use at any time:
 * those of a pair of processes, and those with one receiving process at a time.
 */

#include <linux/sched/signal.h>

#include "gate.h"
#include "process.h"

/* The calling process's from now on, if nobody alive has it: 0 or -EPERM. */
int mbox_gate_take_end(struct mbox *mb, enum mbox_end end)
{
	struct pid *me = task_tgid(current), *former = NULL;
	struct pid **holder = &mb->gate.ends[end];
	int err = 0;

	if (!(mb->kind & MBOX_CREATE_PAIR))
		return 0;
	spin_lock(&mb->lock);
	if (*holder != me) {
		if (*holder && mbox_process_alive(*holder)) {
			err = -EPERM;
		} else {
			former = *holder;
			*holder = get_pid(me);
		}
	}
	spin_unlock(&mb->lock);
	put_pid(former);
	return err;
}

/*
 * A process that is inside stays so with all its calls, but a new call of it
 * does not pass those who wait: else two of its threads could keep them out for
 * ever.
 */
static bool may_enter(const struct mbox_gate *gate)
{
	if (!gate->calls)
		return true;
	return gate->inside == task_tgid(current) && list_empty(&gate->turn);
}

/* The first in the line enters, with the calls of its process right behind it. */
void mbox_gate_let_in(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_gate *gate = &mb->gate;

	while (!list_empty(&gate->turn)) {
		struct mbox_seat *seat = list_first_entry(&gate->turn, struct mbox_seat, node);
		struct pid *process = task_tgid(seat->waiter->task);

		if (gate->calls && gate->inside != process)
			return;
		list_del_init(&seat->node);
		mb->nr_receivers--;
		/* It has no other seat, and whoever claims it takes it out of here. */
		mbox_wait_claim(seat->waiter);
		gate->calls++;
		gate->inside = process;
		mbox_wait_finish(mb, seat->waiter, 0, wakes);
	}
}

static int wait_turn(struct mbox *mb, struct mbox_waiter *waiter,
		     const struct mbox_patience *patience)
{
	struct mbox_wakes wakes;
	int err = mbox_wait_sleep(mb, MBOX_WAIT_TURN, waiter, patience);

	if (!err)
		return waiter->result;
	mbox_wakes_init(&wakes);
	spin_lock(&mb->lock);
	if (mbox_wait_claim(waiter)) {
		list_del_init(&waiter->seat.node);
		mb->nr_receivers--;
		/* It may have kept a call of the process inside from entering. */
		mbox_gate_let_in(mb, &wakes);
	} else {
		err = waiter->result;
	}
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, &wakes);
	return err;
}

/**
 * mbox_gate_enter() - become the process that may receive
 * @mb: the mailbox, held
 * @pass: the right to receive
 * @patience: how long to wait for the turn
 *
 * Return: 0: to be followed by mbox_gate_leave(). -EIDRM, -EKEYREVOKED, -EBUSY,
 * -ETIMEDOUT or -ERESTARTSYS.
 */
int mbox_gate_enter(struct mbox *mb, const struct mbox_pass *pass,
		    const struct mbox_patience *patience)
{
	struct mbox_gate *gate = &mb->gate;
	struct mbox_waiter waiter = {};
	int err = 0;

	if (!(mb->kind & MBOX_CREATE_SINGLE))
		return 0;
	mbox_wait_init(&waiter, pass);
	spin_lock(&mb->lock);
	if (mbox_is_gone(mb)) {
		err = -EIDRM;
	} else if (!mbox_pass_holds(mb, pass)) {
		err = -EKEYREVOKED;
	} else if (may_enter(gate)) {
		gate->calls++;
		gate->inside = task_tgid(current);
	} else if (patience->nonblock) {
		err = -EBUSY;
	} else {
		list_add_tail(&waiter.seat.node, &gate->turn);
		mb->nr_receivers++;
		err = -EINPROGRESS;
	}
	spin_unlock(&mb->lock);
	return err == -EINPROGRESS ? wait_turn(mb, &waiter, patience) : err;
}

void mbox_gate_leave(struct mbox *mb)
{
	struct mbox_wakes wakes;

	if (!(mb->kind & MBOX_CREATE_SINGLE))
		return;
	mbox_wakes_init(&wakes);
	spin_lock(&mb->lock);
	if (!--mb->gate.calls)
		mbox_gate_let_in(mb, &wakes);
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, &wakes);
}

/* The process that had it has lost the right to it; it is kept alive by others. */
void mbox_gate_free_end(struct mbox *mb, enum mbox_end end, const struct pid *process)
{
	struct pid **holder = &mb->gate.ends[end];

	lockdep_assert_held(&mb->lock);
	if (*holder != process)
		return;
	put_pid(*holder);
	*holder = NULL;
}

void mbox_gate_clear(struct mbox_gate *gate)
{
	put_pid(gate->ends[MBOX_END_SEND]);
	put_pid(gate->ends[MBOX_END_RECV]);
}
