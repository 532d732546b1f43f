/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_WAIT_H
#define MBOX_WAIT_H

#include <linux/ktime.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>

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
 * struct mbox_actor - somebody whose right is asked for
 * @process: its process; held by whoever asks
 * @cred: its credentials, likewise
 * @privileged: has it by capability, or since it may signal the owner, whatever becomes
 *	of the mailbox
 */
struct mbox_actor {
	const struct pid *process;
	const struct cred *cred;
	bool privileged;
};

/**
 * struct mbox_pass - the right to do something, as rights.c has found it
 * @right: MBOX_RIGHT_SEND or MBOX_RIGHT_RECV
 * @stamp: of mailbox->access.seq then
 * @holds: whether it is still there; called with the mailbox locked
 * @nr: how many actors must have it
 * @actors: the caller; of read and write also whoever opened the descriptor
 *
 * On the stack of the call, for as long as that has a seat in the mailbox.
 */
struct mbox_pass {
	unsigned int right;
	unsigned int stamp;
	bool (*holds)(const struct mbox *mb, const struct mbox_pass *pass);
	unsigned int nr;
	struct mbox_actor actors[2];
};

/* Whether the right is still there; the mailbox is locked. */
static inline bool mbox_pass_holds(const struct mbox *mb, const struct mbox_pass *pass)
{
	return raw_read_seqcount(&mb->access.seq) == pass->stamp || pass->holds(mb, pass);
}

/**
 * struct mbox_seat - a waiter's place in one mailbox
 * @node: in a lane, or in mailbox->offers, ->receivers, ->seekers or ->gate.turn;
 *	empty if it is in none; mailbox->lock
 * @arrival: of a receiver, its number; mailbox->lock
 * @waiter: whose it is; immutable
 * @pass: what it is there by; immutable
 */
struct mbox_seat {
	struct list_head node;
	u64 arrival;
	struct mbox_waiter *waiter;
	const struct mbox_pass *pass;
};

/**
 * struct mbox_waiter - somebody who wants to send or receive
 * @task: who waits; immutable
 * @seat: where, unless it chooses among several mailboxes
 * @claimed: by mbox_wait_claim()
 * @sync: a sender that is done when a receiver has its message; immutable
 * @brings_files: a sender whose message has files; immutable
 * @lane: of a sender, the one to wait in, or NULL: the mailbox's own; immutable
 * @link: of a receiver, that with the process that it wants messages from, or NULL;
 *	immutable
 * @request: of a caller: what it waits for the reply to; immutable
 * @peek: a receiver that leaves the message where it is; immutable
 * @least: a receiver that takes the least priority first; immutable
 * @picky: a receiver that takes messages of @key only; immutable
 * @key: see @picky
 * @who: of a receiver: the process, held by it; immutable
 * @prio: of a sender; immutable
 * @room: of a receiver: length of the longest message that it takes; after
 *	-EMSGSIZE the length that it would need
 * @files_room: likewise, the most files
 * @msg: what a sender brings, or is given to fill; what a receiver was given
 * @mb: the mailbox that served it
 * @held: of a caller: somebody has its request, so @msg is no longer its own;
 *	lock of @request->mb
 * @peer: of a synchronous sender: the process that received (a reference)
 * @stamp: Lamport's, of the sending, or of the receipt
 * @told: when it was told that it is done, by the local clock of whoever told it
 * @result: 0 or an error
 * @done: everything is final
 *
 * Those from @room on are written under the lock of the mailbox that serves the
 * waiter, before @done is, and read after @done was seen.
 */
struct mbox_waiter {
	struct task_struct *task;
	struct mbox_seat seat;
	bool claimed;
	bool sync;
	bool brings_files;
	struct mbox_lane *lane;
	struct mbox_link *link;
	struct mbox_request *request;
	bool peek;
	bool least;
	bool picky;
	u64 key;
	struct mbox_participant *who;
	u32 prio;
	size_t room;
	u32 files_room;
	struct mbox_msg *msg;
	struct mbox *mb;
	bool held;
	struct pid *peer;
	u64 stamp;
	u64 told;
	int result;
	bool done;
};

/* What a task sleeps for. */
enum mbox_wait_what {
	MBOX_WAIT_SEND,
	MBOX_WAIT_RECV,
	MBOX_WAIT_TURN,
	MBOX_WAIT_CHOICE,
	MBOX_WAIT_REPLY,
};

/* How many tasks are woken after the lock is released; more, under it. */
#define MBOX_WAKE_BATCH	16

/**
 * struct mbox_wakes - what is to be done once the lock is released
 * @nr: length of @tasks
 * @poll: what became possible, for pollers
 * @full: there is no room
 * @tasks: to wake, with references
 * @dropped: messages to free
 * @files: files to close
 */
struct mbox_wakes {
	unsigned int nr;
	__poll_t poll;
	bool full;
	struct task_struct *tasks[MBOX_WAKE_BATCH];
	struct list_head dropped;
	struct list_head files;
};

void mbox_wakes_init(struct mbox_wakes *wakes);
void mbox_wakes_tasks(struct mbox_wakes *wakes);
void mbox_wakes_flush(struct mbox *mb, struct mbox_wakes *wakes);

void mbox_wait_init(struct mbox_waiter *waiter, const struct mbox_pass *pass);
bool mbox_wait_claim(struct mbox_waiter *waiter);
struct task_struct *mbox_wait_tell(struct mbox *mb, struct mbox_waiter *waiter, int result);
void mbox_wait_finish(struct mbox *mb, struct mbox_waiter *waiter, int result,
		      struct mbox_wakes *wakes);
int mbox_wait_sleep(struct mbox *mb, enum mbox_wait_what what,
		    struct mbox_waiter *waiter, const struct mbox_patience *patience);
ktime_t mbox_wait_time(u64 user_ns);

/* Most processes are in no other time namespace than the host: it saves 30 instructions. */
static inline bool mbox_wait_has_own_time(void)
{
#ifdef CONFIG_TIME_NS
	const struct timespec64 *offset = &current->nsproxy->time_ns->offsets.monotonic;

	return offset->tv_sec | offset->tv_nsec;
#else
	return false;
#endif
}

/* From the host's CLOCK_MONOTONIC to the caller's, in nanoseconds. */
static inline u64 mbox_wait_user_time(ktime_t time)
{
	struct timespec64 offset = {};

	if (!mbox_wait_has_own_time())
		return time;
	timens_add_monotonic(&offset);
	return max(ktime_add(time, timespec64_to_ktime(offset)), 0LL);
}

#endif /* MBOX_WAIT_H */
