/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_WAIT_H
#define MBOX_WAIT_H

#include <linux/ktime.h>
#include <linux/poll.h>

#include "mbox.h"

/**
 * struct mbox_patience - how long a call may take
 * @nonblock: not at all; goes before @timed
 * @timed: until @deadline, else until it is done
 * @deadline: CLOCK_MONOTONIC of the host
 */
struct mbox_patience {
	bool nonblock;
	bool timed;
	ktime_t deadline;
};

/**
 * struct mbox_waiter - somebody who wants to send or receive
 * @node: in mailbox->senders or ->receivers while joined; mailbox->lock
 * @task: who waits; immutable
 * @sending: which of the two; immutable
 * @msg: what a sender brings (immutable), what a receiver was given
 * @room: of a receiver: length of the longest message that it takes; after
 *	-EMSGSIZE the length that it would need
 * @result: 0 or an error
 * @done: @result, @msg and @room are final, the waiter is not joined
 *
 * It lies on its task's stack. The last three and @msg are written under
 * mailbox->lock before @done is, and read after @done was seen.
 */
struct mbox_waiter {
	struct list_head node;
	struct task_struct *task;
	bool sending;
	struct mbox_msg *msg;
	size_t room;
	int result;
	bool done;
};

/* How many tasks one holding of the lock may release at the most. */
#define MBOX_WAKE_BATCH	16

/**
 * struct mbox_wakes - who is to be woken once the lock is released
 * @nr: length of @tasks
 * @poll: what became possible, for pollers
 * @tasks: references
 */
struct mbox_wakes {
	unsigned int nr;
	__poll_t poll;
	struct task_struct *tasks[MBOX_WAKE_BATCH];
};

static inline void mbox_wakes_init(struct mbox_wakes *wakes)
{
	wakes->nr = 0;
	wakes->poll = 0;
}

static inline bool mbox_wakes_full(const struct mbox_wakes *wakes)
{
	return wakes->nr == MBOX_WAKE_BATCH;
}

void mbox_wakes_tasks(struct mbox_wakes *wakes);
void mbox_wakes_flush(struct mbox *mb, struct mbox_wakes *wakes);

void mbox_wait_join(struct mbox *mb, struct mbox_waiter *waiter);
void mbox_wait_finish(struct mbox *mb, struct mbox_waiter *waiter, int result,
		      struct mbox_wakes *wakes);
bool mbox_wait_cancel(struct mbox *mb, struct mbox_waiter *waiter);
struct mbox_waiter *mbox_wait_first_sender(const struct mbox *mb);
struct mbox_waiter *mbox_wait_first_receiver(const struct mbox *mb);

int mbox_wait_sleep(struct mbox_waiter *waiter, const struct mbox_patience *patience);
ktime_t mbox_wait_deadline(u64 user_ns);

#endif /* MBOX_WAIT_H */
