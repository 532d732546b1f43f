// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c - which waiter is served, with which message, and when.
 *
 * Two moves keep a mailbox settled: hand the first message to the first
 * receiver, and admit the first sender's message to the queue. Every change
 * (somebody joins, gives up, puts a message back) is followed by all the moves
 * that have become possible, so that whenever the lock is free
 *
 *   - no receiver waits while a message is queued, and
 *   - the first sender waits because its message does not fit.
 *
 * A message that meets a waiting receiver goes through the queue, too, but only
 * while the lock is held: that is the direct hand-off.
 */

#include <linux/poll.h>
#include <linux/sched.h>

#include "policy.h"
#include "queue.h"

/* A message is claimed by its receiver here, and nowhere else. */
static bool hand_over(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_waiter *receiver = mbox_wait_first_receiver(mb);
	struct mbox_msg *msg = mbox_queue_first(&mb->queue);

	if (!receiver || !msg)
		return false;
	if (msg->len > receiver->room) {
		receiver->room = msg->len;
		mbox_wait_finish(mb, receiver, -EMSGSIZE, wakes);
		return true;
	}
	mbox_queue_del(&mb->queue, msg);
	mb->received++;
	receiver->msg = msg;
	mbox_wait_finish(mb, receiver, 0, wakes);
	wakes->poll |= EPOLLOUT | EPOLLWRNORM;
	return true;
}

static bool admit(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_waiter *sender = mbox_wait_first_sender(mb);
	struct mbox_msg *msg;

	if (!sender || !mbox_queue_fits(&mb->queue, sender->msg->len))
		return false;
	msg = sender->msg;
	mbox_wait_finish(mb, sender, 0, wakes);
	mbox_queue_add(&mb->queue, msg);
	wakes->poll |= EPOLLIN | EPOLLRDNORM;
	return true;
}

/*
 * Make all the moves. Tasks are woken in batches, so where very many are
 * released the lock is dropped and taken again.
 */
static void settle(struct mbox *mb, struct mbox_wakes *wakes)
{
	lockdep_assert_held(&mb->lock);
	while (mb->state != MBOX_GONE && (hand_over(mb, wakes) || admit(mb, wakes))) {
		if (!mbox_wakes_full(wakes))
			continue;
		spin_unlock(&mb->lock);
		mbox_wakes_tasks(wakes);
		spin_lock(&mb->lock);
	}
	wakes->poll &= mbox_policy_poll(mb);
}

/*
 * Unless it is too late. A sender that leaves may have stood before others
 * whose messages fit, and may have been all that kept pollers from sending.
 */
static int give_up(struct mbox *mb, struct mbox_waiter *waiter, int err,
		   struct mbox_wakes *wakes)
{
	lockdep_assert_held(&mb->lock);
	if (!mbox_wait_cancel(mb, waiter))
		return waiter->result;
	if (waiter->sending)
		wakes->poll |= EPOLLOUT | EPOLLWRNORM;
	settle(mb, wakes);
	return err;
}

/**
 * mbox_policy_meet() - join, be served or wait for it
 * @mb: the mailbox, held
 * @waiter: the caller's, initialised
 * @patience: how long to wait
 *
 * Return: 0: a sender's message has been accepted and is no longer its own; a
 * receiver owns waiter->msg. -EIDRM, -EMSGSIZE (receivers), -EAGAIN, -ETIMEDOUT
 * or -ERESTARTSYS: nothing happened, and will not.
 */
int mbox_policy_meet(struct mbox *mb, struct mbox_waiter *waiter,
		     const struct mbox_patience *patience)
{
	struct mbox_wakes wakes;
	int err = -EIDRM;

	mbox_wakes_init(&wakes);
	spin_lock(&mb->lock);
	if (mb->state != MBOX_GONE) {
		mbox_wait_join(mb, waiter);
		settle(mb, &wakes);
		err = -EINPROGRESS;
		if (waiter->done || patience->nonblock)
			err = give_up(mb, waiter, -EAGAIN, &wakes);
	}
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, &wakes);
	if (err != -EINPROGRESS)
		return err;

	err = mbox_wait_sleep(waiter, patience);
	if (!err)
		return waiter->result;
	spin_lock(&mb->lock);
	err = give_up(mb, waiter, err, &wakes);
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, &wakes);
	return err;
}

/*
 * Return a message that its receiver could not take to its place, over capacity
 * if need be, for the next one. False if the mailbox is gone: then the message
 * remains the caller's.
 */
bool mbox_policy_put_back(struct mbox *mb, struct mbox_msg *msg)
{
	struct mbox_wakes wakes;
	bool live;

	mbox_wakes_init(&wakes);
	spin_lock(&mb->lock);
	live = mb->state != MBOX_GONE;
	if (live) {
		mbox_queue_put_back(&mb->queue, msg);
		mb->received--;
		wakes.poll |= EPOLLIN | EPOLLRDNORM;
		settle(mb, &wakes);
	}
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, &wakes);
	return live;
}

/* The mailbox is gone: tell everybody. Nobody can join any more. */
void mbox_policy_dismiss(struct mbox *mb)
{
	struct mbox_waiter *waiter;
	struct mbox_wakes wakes;

	mbox_wakes_init(&wakes);
	spin_lock(&mb->lock);
	while ((waiter = mbox_wait_first_receiver(mb) ?: mbox_wait_first_sender(mb))) {
		mbox_wait_finish(mb, waiter, -EIDRM, &wakes);
		if (!mbox_wakes_full(&wakes))
			continue;
		spin_unlock(&mb->lock);
		mbox_wakes_tasks(&wakes);
		cond_resched();
		spin_lock(&mb->lock);
	}
	wakes.poll = mbox_policy_poll(mb);
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, &wakes);
}

/*
 * What a poller is told. OUT promises that a message of any allowed size would
 * be accepted at once: were it said while only some fit, a sender of a larger
 * one would spin between poll() and EAGAIN.
 */
__poll_t mbox_policy_poll(const struct mbox *mb)
{
	__poll_t events = 0;

	lockdep_assert_held(&mb->lock);
	if (mb->state == MBOX_GONE)
		return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM |
		       EPOLLERR | EPOLLHUP;
	if (mbox_queue_first(&mb->queue))
		events |= EPOLLIN | EPOLLRDNORM;
	if (!mbox_wait_first_sender(mb) && mbox_queue_fits(&mb->queue, mb->max_size))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}
