/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mbox.h - the ground: what a mailbox is, who may touch which part of it.
 *
 * Overview
 * --------
 * uapi/linux/mbox.h says what mbox does for programs. The code that does it is
 * a house; a room includes headers of its own floor and of those below only:
 *
 *   doors    dev ioctl sysctl main   turn system calls into verbs
 *   verbs    send recv               one use of a mailbox, from start to end
 *   people   registry rights         who can find it, who may use it
 *   thing    mailbox ns              its life and attributes, its namespace
 *   matter   policy wait queue msg   what moves through it, who waits for it
 *   ground   mbox.h limits.h compat.h
 *
 * Everybody who wants something from a mailbox is a waiter: a sender brings a
 * message and waits until it is accepted, a receiver waits until it is given
 * one. A call joins its waiter to the mailbox, lets policy.c serve whoever can
 * be served, and sleeps only if its own waiter is not among them. So there is
 * one place that decides who gets what, and it always runs under the lock.
 *
 * States of a mailbox
 * -------------------
 *
 *   NEW ---publish---> LIVE ---delete, or its namespace ends---> GONE
 *    |                                                            ^
 *    +-----------------creating it failed at the end--------------+
 *
 * NEW has an id and a name reserved, but lookups pass over it. GONE is out of
 * the registry; its messages are dropped, its waiters told, and the memory
 * stays until the last descriptor or call lets go of it.
 *
 * States of a waiter (a stack frame of the task that waits)
 * ---------------------------------------------------------
 *
 *   joined ---served, refused (EMSGSIZE) or told EIDRM---> done
 *     |
 *     +-------signal, timeout, would block: cancelled----> not joined
 *
 * Both arrows are taken under mailbox->lock, so exactly one is. Whoever sets
 * done must not touch the waiter afterwards: it holds a reference to the task
 * and wakes that (wait.c).
 *
 * Locks, outer to inner
 * ---------------------
 *
 *   ns->lock      mutex, since the tables of ids and names allocate. Guards
 *                 both tables and the changes of mailbox->state.
 *   mailbox->lock spinlock, since it is held for a few list operations by every
 *                 send and receive. Guards the queue, the waiters, the counters
 *                 and, together with ns->lock, the way to GONE. Never two at
 *                 once. Under it: no allocation, no user memory, no wake-up, no
 *                 last put.
 *
 * Lookups take no lock: RCU, and refcount_inc_not_zero().
 *
 * Lifetimes
 * ---------
 * A mailbox is held by the registry (while NEW or LIVE), by every descriptor
 * that is bound to it and by every call that uses it by id. It holds its
 * mbox_ns, which outlives the network namespace if need be, and, through the
 * registry, the module. Descriptors do not hold the network namespace.
 */
#ifndef MBOX_H
#define MBOX_H

#include <linux/list.h>
#include <linux/mbox.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#ifndef CONFIG_64BIT
#error "mbox needs a 64-bit kernel: ids are 64 bits wide and index an xarray"
#endif

#define MBOX_LEVELS	(MBOX_PRIO_MAX + 1)

/**
 * struct mbox_levels - a list ordered by (priority, arrival)
 * @used: bit p is set if @level[p] is not empty; a level is initialised when
 *	its bit is set, so that zeroed memory is an empty list
 * @level: first in, first out
 */
struct mbox_levels {
	u32 used;
	struct list_head level[MBOX_LEVELS];
};

/**
 * struct mbox_msg - a message
 * @node: where it is queued; owned by whoever owns the message
 * @seq: the mailbox's number for it, given when it was accepted
 * @pid: the process that sent it (a reference)
 * @uid: its effective user then
 * @gid: its effective group then
 * @prio: priority
 * @len: length of @data in bytes
 * @data: the payload
 *
 * Immutable once it is sent, but for @node and @seq. It has one owner at a
 * time: the sending call, the queue (then mailbox->lock), the receiving call.
 */
struct mbox_msg {
	struct list_head node;
	u64 seq;
	struct pid *pid;
	kuid_t uid;
	kgid_t gid;
	u32 prio;
	u32 len;
	u8 data[];
};

/**
 * struct mbox_queue - accepted messages, in order, and the room for more
 * @levels: the messages
 * @seq: number of the message accepted last
 * @bytes: payload queued
 * @bytes_high: the most there ever was
 * @msgs: messages queued
 * @msgs_high: the most there ever were
 * @max_bytes: capacity; immutable after setup
 * @max_msgs: capacity; immutable after setup
 */
struct mbox_queue {
	struct mbox_levels levels;
	u64 seq;
	u64 bytes;
	u64 bytes_high;
	u32 msgs;
	u32 msgs_high;
	u64 max_bytes;
	u32 max_msgs;
};

/**
 * struct mbox_ns - the mailboxes of one network namespace
 * @lock: guards @ids, @names, @count, @last_id
 * @ids: every mailbox that is NEW or LIVE, by id
 * @names: those of them that have a name
 * @count: how many there are in @ids; read without the lock for information
 * @last_id: the id given out last; read without the lock by lookups
 * @user_ns: owner of the network namespace; immutable after setup
 * @refs: the network namespace's, and one of each mailbox
 */
struct mbox_ns {
	struct mutex lock;
	struct xarray ids;
	struct rhashtable names;
	u32 count;
	u64 last_id;
	struct user_namespace *user_ns;
	refcount_t refs;
};

enum mbox_state {
	MBOX_NEW,
	MBOX_LIVE,
	MBOX_GONE,
};

/**
 * struct mbox - a mailbox
 * @id: identity; immutable after it is reserved
 * @name: zero to its end, empty for none; immutable after setup
 * @ns: where it lives (a reference); immutable after setup
 * @owner: the owning process (a reference to the pid of its thread group,
 *	which no other process gets while it is held); immutable after setup
 * @uid: the owning user; immutable after setup
 * @gid: the owning group; immutable after setup
 * @mode: who may send and receive; immutable after setup
 * @max_size: largest message; immutable after setup
 * @refs: see Lifetimes
 * @rcu: lookups may still look at @refs after the last put
 * @name_node: in ns->names; ns->lock
 * @lock: guards what follows, but for @poll_wait
 * @state: written under ns->lock (and @lock, on the way to GONE)
 * @queue: accepted messages
 * @receivers: waiters, the longest waiting first
 * @senders: waiters, by the priority of what they bring, then arrival
 * @nr_receivers: length of @receivers
 * @nr_senders: length of @senders
 * @received: messages handed out
 * @poll_wait: pollers; epoll holds it as long as a descriptor holds the mailbox
 */
struct mbox {
	u64 id;
	u8 name[MBOX_NAME_SIZE];
	struct mbox_ns *ns;
	struct pid *owner;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	u32 max_size;

	refcount_t refs;
	struct rcu_head rcu;
	struct rhash_head name_node;

	spinlock_t lock;
	enum mbox_state state;
	struct mbox_queue queue;
	struct list_head receivers;
	struct mbox_levels senders;
	u32 nr_receivers;
	u32 nr_senders;
	u64 received;
	wait_queue_head_t poll_wait;
};

#endif /* MBOX_H */
