/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mbox.h - the ground: what a mailbox is, who may touch which part of it.
 *
 * Overview
 * --------
 * uapi/linux/mbox.h says what mbox does for programs. The code that does it is
 * a house; a room includes headers of its own floor and of those below only:
 *
 *   doors    dev callers ioctl command_* netlink listener sysctl main
 *                                    what system calls become verbs by
 *   verbs    send recv call          one use of a mailbox, from start to end;
 *            ends                    what follows from the end of a process
 *   people   registry owner rights direct
 *                                    who can find it, has it, may use it
 *   thing    mailbox                 its life and attributes
 *   matter   policy gate share link request wait queue msg payload files
 *            event trace             what moves through it, who waits
 *   ground   account participant process ns
 *            clock.h table.h viewer.h caller.h mbox.h limits.h compat.h
 *
 * Everybody who wants something from a mailbox is a waiter: a sender brings a
 * message and waits until it is accepted (or, synchronous, received), a receiver
 * waits until it is given one. A call joins its waiter to the mailbox, lets
 * policy.c serve whoever can be served, and sleeps only if its own waiter is not
 * among them. So there is one place that decides who gets what, and it always
 * runs under the lock. Who need not wait, and sends or receives what most do, makes
 * the same steps without being a waiter (command_plain.c); a call that is like most
 * makes them on a short way of its own (command_plain_call.c).
 *
 * States of a mailbox
 * -------------------
 *
 *   LIVE ---delete, its namespace ends, its creation fails late, or
 *           it is process-owned and its owner ends---------------------> GONE
 *
 * LIVE from the moment it is in the registry: were there a state before that,
 * whoever can hold up its creator could hide what it makes. GONE is out of the
 * registry; its messages are dropped, its waiters told, and the memory stays
 * until the last descriptor or call lets go of it.
 *
 * A LIVE mailbox is owned or, without an owner or with a dead one, an orphan.
 * The end of a process is known at once, what follows from it is done by a work
 * item soon after (participant.c). So whoever asks must use mbox_is_gone() and
 * mbox_is_orphan(), which look at the owner, too.
 *
 * States of a waiter (on the stack of the task that waits)
 * --------------------------------------------------------
 *
 *   joined ---served, refused (EMSGSIZE), or told EIDRM
 *     |        or EKEYREVOKED----------------------------> done
 *     |
 *     +-------signal, timeout, would block: cancelled----> not joined
 *
 * Whoever takes one of the arrows claims the waiter first (mbox_wait_claim()),
 * and only one can. A waiter that has joined one mailbox is claimed under its
 * lock; one that chooses among several is claimed under the lock of the one that
 * serves it, or by itself. Whoever sets done must not touch the waiter
 * afterwards: it holds a reference to the task and wakes that (wait.c).
 *
 * A sender is joined in one of two ways: in a lane of the mailbox while there is no
 * room, and then, if it is synchronous, in mailbox->offers and by msg->sender
 * while its message is queued. A rendezvous is the second way without the first:
 * its queue holds what waiting senders offer. A caller (request.h) is joined in the
 * same ways, and then, while somebody has its request, in neither.
 *
 * Locks, outer to inner
 * ---------------------
 *
 *   ns->lock      mutex, since the tables of ids and names allocate. Guards
 *                 the tables and the changes of mailbox->state; and all that
 *                 says who owns the mailbox and who may use it: whoever changes
 *                 that has one view of it from the first check to the last
 *                 consequence.
 *   links_lock    mutex (link.c): adding and ending.
 *   accounts_lock, participants_lock
 *                 mutexes (account.c, participant.c): adding, and the last put.
 *                 In neither of them another one is taken.
 *   mailbox->lock spinlock, since it is held for a few list operations by every
 *                 send and receive. Guards the queue, the waiters, the counters
 *                 and, together with ns->lock, the way to GONE and every change
 *                 of mailbox->access. Never two at once. Under it: no
 *                 allocation, no user memory that may have to be brought in
 *                 (command_plain_batch.c), no wake-up, no last put.
 *   ties_lock     spinlock (participant.c): which mailboxes, permits and links a
 *                 process has. Not with a mailbox->lock.
 *   participant->tokens_lock
 *                 spinlock: likewise, which tokens (call.c).
 *
 * Lookups take no lock: RCU, and refcount_inc_not_zero(); that of the next
 * mailbox is tried again if ns->order_seq has moved. Neither does the question
 * whether the caller has a right: RCU, and mailbox->access.seq; a waiter brings
 * what it read there, and joins only if that still holds.
 *
 * Lifetimes
 * ---------
 * A mailbox is held by the registry (while LIVE), by every descriptor
 * that is bound to it, by every call that uses it by id and by every message
 * that carries its ownership. It holds its mbox_ns, which outlives the network
 * namespace if need be, and, through the registry, the module. Descriptors do not
 * hold the network namespace; listeners do, by their sockets.
 *
 * A participant is held by its process, as long as that lives, so that it keeps its
 * id and its clock; by descriptors that the process has used, by the messages that it
 * sent, and by LIVE mailboxes that it owns, is offered or has permits for. It does
 * not hold the module, which when it goes takes leave of the processes that live.
 */
#ifndef MBOX_H
#define MBOX_H

#include <linux/gfp.h>
#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mbox.h>
#include <linux/mbox_netlink.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/seqlock.h>
#include <linux/siphash.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "account.h"
#include "process.h"

#ifndef CONFIG_64BIT
#error "mbox needs a 64-bit kernel: limits and tallies of bytes are longs"
#endif

#define MBOX_LEVELS	(MBOX_PRIO_MAX + 1)

/*
 * All memory is charged to the memory cgroup of whoever asks for it. Where there
 * is none left it gets an error: nobody is killed for a mailbox or a message.
 */
#define MBOX_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct mbox_levels - a list ordered by (priority, arrival)
 * @used: bit p is set if there is something of priority p
 * @last: of each priority that is used, the last node; they are a ring, first in, first
 *	out, without a head: it takes half the space
 */
struct mbox_levels {
	u32 used;
	struct list_head *last[MBOX_LEVELS];
};

struct mbox;

/**
 * struct mbox_lane - those who wait for the same room in a mailbox: its own, or, in an
 *	inbox, that of one link (link.c); guarded by mailbox->lock
 * @mb: the inbox, as long as there is something of it in the lane; immutable
 * @refs: of a link's lane: of the link, of messages and of calls
 * @rcu: whoever has just told the last waiter may still look at it
 * @senders: seats of senders without room, by priority, then arrival
 * @bytes: of a link: payload queued
 * @msgs: likewise, messages
 * @waiting: in mailbox->waiting while there are senders
 * @stirred: in mailbox->stirred while there are senders, and may be room
 */
struct mbox_lane {
	const struct mbox *mb;
	refcount_t refs;
	struct rcu_head rcu;
	struct mbox_levels senders;
	u64 bytes;
	u32 msgs;
	struct list_head waiting;
	struct list_head stirred;
};

struct mbox_waiter;
struct mbox_request;
struct mbox_link;

/**
 * struct mbox_participant - a process that uses mbox, or is named by one that does
 *	(participant.c)
 * @pid: the process (a reference); immutable
 * @id: no other one has had it; immutable after it is in the tables
 * @clock: its logical clock (clock.h)
 * @listed: it is in all tables; set once
 * @dead: it has ended; set once
 * @end: in the wait queue of @pid, until it has ended
 * @work: what is to be done then; has the reference that @end had
 * @owned: its mailboxes; ties_lock
 * @permits: its permits; ties_lock
 * @links: its ends of links; ties_lock
 * @tokens: requests that it is to reply to, by their tokens; @tokens_lock
 * @tokens_lock: see Locks
 * @nr_links: how many links it has
 * @has_inbox: there is an inbox of its, or one about to be
 * @inbox: its inbox, while that is LIVE, or NULL
 * @all: in the list of participants
 * @pid_node: in the table by @pid
 * @id_node: in the table by @id
 * @refs: see Lifetimes
 * @rcu: who asks for its rights may still look at it after the last put
 */
struct mbox_participant {
	struct pid *pid;
	u64 id;
	atomic64_t clock;
	bool listed;
	bool dead;
	wait_queue_entry_t end;
	struct work_struct work;
	struct list_head owned;
	struct list_head permits;
	struct list_head links;
	struct rb_root tokens;
	spinlock_t tokens_lock;
	atomic_t nr_links;
	bool has_inbox;
	struct mbox __rcu *inbox;
	struct list_head all;
	struct rhash_head pid_node;
	struct rhash_head id_node;
	refcount_t refs;
	struct rcu_head rcu;
};

/**
 * struct mbox_permit - what one process was granted
 * @node: in access->permits of the mailbox
 * @tie: in holder->permits
 * @mb: the mailbox; it outlives the permit
 * @holder: the process (a reference)
 * @rights: MBOX_RIGHT_* bits
 * @rcu: who asks for rights may still look at it
 */
struct mbox_permit {
	struct hlist_node node;
	struct list_head tie;
	struct mbox *mb;
	struct mbox_participant *holder;
	unsigned int rights;
	struct rcu_head rcu;
};

#define MBOX_PERMIT_BITS	4

/**
 * struct mbox_access - who may do what
 * @seq: changes with everything here
 * @owner: the owning process (a reference), or NULL
 * @uid: the owning user
 * @gid: the owning group
 * @mode: mode bits
 * @nr_permits: how many
 * @permits: by the pid of their holders
 *
 * Written under ns->lock and mailbox->lock; read with either, or under RCU as @seq
 * allows. Before the mailbox can be found, and when it is gone, ns->lock is enough, and
 * @seq need not tell.
 */
struct mbox_access {
	seqcount_spinlock_t seq;
	struct mbox_participant __rcu *owner;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	u32 nr_permits;
	DECLARE_HASHTABLE(permits, MBOX_PERMIT_BITS);
};

/**
 * struct mbox_offer - the ownership, offered to a process
 * @to: the process (a reference), or NULL; read under RCU, too
 * @keep: the permit that the former owner is to have, or NULL
 */
struct mbox_offer {
	struct mbox_participant __rcu *to;
	struct mbox_permit *keep;
};

/**
 * struct mbox_deed - the ownership, offered with a message
 * @mb: of which mailbox (a reference)
 * @tenure: of whom; else it is void
 * @valid: it was not void when the message was given to a receiver; that decides,
 *	for a sender that was told so may end at once
 * @release: what to do with it when the message is gone
 */
struct mbox_deed {
	struct mbox *mb;
	u64 tenure;
	bool valid;
	void (*release)(struct mbox_deed *deed);
};

struct mbox_msg;

/**
 * struct mbox_files - the files of a message
 * @node: in mailbox->filed while the message is queued; mailbox->lock
 * @msg: the message; set with @node
 * @payer: whose account they are charged to (a reference)
 * @ns: the mailbox's, which holds it
 * @nr: how many
 * @file: references
 */
struct mbox_files {
	struct list_head node;
	struct mbox_msg *msg;
	struct mbox_account *payer;
	struct mbox_ns *ns;
	u32 nr;
	struct file *file[];
};

/**
 * struct mbox_keyed - what a message has in a mailbox that it can be picked from
 * @run: the messages of the same key and priority, in order (queue.c)
 * @head: in the queue's index, if it is the first of its run
 * @key: what it can be picked by
 */
struct mbox_keyed {
	struct list_head run;
	struct hlist_node head;
	u64 key;
};

/**
 * struct mbox_rare - what few messages have
 * @expiry: in queue->expiries; the time, or KTIME_MAX for never
 * @sender: the synchronous sender that waits until it is received, or NULL
 * @pool: the mailbox that its memory belongs to, or NULL
 * @deed: the ownership that comes with it, or NULL
 * @lane: of an inbox, the one that it goes through (a reference), or NULL
 * @request: that it is (a reference), or NULL
 * @files: that come with it, or NULL; those of a queued one may be taken away
 * @nr_files: how many came with it
 * @files_lost: there were files, but they have been taken away
 * @lodges: its memory is part of that of @request; immutable
 */
struct mbox_rare {
	struct timerqueue_node expiry;
	struct mbox_waiter *sender;
	struct mbox *pool;
	struct mbox_deed *deed;
	struct mbox_lane *lane;
	struct mbox_request *request;
	struct mbox_files *files;
	u32 nr_files;
	bool files_lost;
	bool lodges;
};

/* What a message has in front of it. */
enum mbox_form {
	MBOX_PLAIN,		/* nothing */
	MBOX_KEYED,		/* struct mbox_keyed */
	MBOX_RARE,		/* struct mbox_rare, then struct mbox_keyed */
};

/**
 * struct mbox_msg - a message
 * @node: in its level of the queue, or in a list of whoever owns it
 * @idle: in spares->idle of the mailbox, if it is no message now
 * @seq: the mailbox's number for it, given when it was accepted
 * @tag: the sender's, for the receiver
 * @stamp: Lamport's, given when it was accepted
 * @time: when that was, CLOCK_MONOTONIC
 * @realtime: likewise, CLOCK_REALTIME
 * @payer: whose account it is charged to (a reference): the sender's user then, unless
 *	it is @nameless
 * @from: the process that sent it (a reference)
 * @thread: the thread (a reference), or NULL if it is the one that @from is called by
 * @gid: its effective group then
 * @refs: of those who look at it, and its owner's
 * @len: length of @data in bytes
 * @form: what is in front of it, an enum mbox_form; immutable
 * @is_reply: it takes up no share, and nothing of a reserve
 * @shared: the sender's mark MBOX_SEND_SHARED
 * @nameless: of no user and no group
 * @in_pieces: only the first bytes are in @start (payload.c); immutable but for spares
 * @prio: priority
 * @bucket: of mailbox->waited, where its receipt is counted
 * @skips: its receipt is counted in mailbox->skipped
 * @counted: it takes up capacity
 * @start: the payload, or its beginning
 *
 * It has one owner at a time: the sending call, the queue, the receiving call.
 * What is queued is guarded by mailbox->lock; the payload and the sender's
 * identity do not change once it is sent. There may be very many: with 16 bytes of
 * payload one is to take up no more than 128 bytes of memory, those included by which
 * the kernel knows who pays for it.
 */
struct mbox_msg {
	union {
		struct list_head node;
		struct llist_node idle;
	};
	u64 seq;
	u64 tag;
	u64 stamp;
	ktime_t time;
	ktime_t realtime;
	struct mbox_account *payer;
	struct mbox_participant *from;
	struct pid *thread;
	kgid_t gid;
	refcount_t refs;
	u32 len;
	u8 form : 2;
	u8 is_reply : 1;
	u8 shared : 1;
	u8 nameless : 1;
	u8 in_pieces : 1;
	u8 prio;
	u8 bucket : 7;
	u8 skips : 1;
	bool counted;
	u8 start[];
};

/* Only of one that is not MBOX_PLAIN. */
static inline struct mbox_keyed *mbox_msg_keyed(const struct mbox_msg *msg)
{
	return (struct mbox_keyed *)msg - 1;
}

static inline struct mbox_msg *mbox_keyed_msg(const struct mbox_keyed *keyed)
{
	return (struct mbox_msg *)(keyed + 1);
}

/* Or NULL. */
static inline struct mbox_rare *mbox_msg_rare(const struct mbox_msg *msg)
{
	return msg->form == MBOX_RARE ? (struct mbox_rare *)mbox_msg_keyed(msg) - 1 : NULL;
}

static inline struct mbox_msg *mbox_rare_msg(const struct mbox_rare *rare)
{
	return mbox_keyed_msg((const struct mbox_keyed *)(rare + 1));
}

static inline struct mbox_request *mbox_msg_request(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare ? rare->request : NULL;
}

static inline struct mbox_deed *mbox_msg_deed(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare ? rare->deed : NULL;
}

static inline struct mbox_files *mbox_msg_files(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare ? rare->files : NULL;
}

/* How many files there are with it, as those see it who look only. */
static inline u32 mbox_msg_nr_files(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare && !READ_ONCE(rare->files_lost) ? rare->nr_files : 0;
}

/**
 * struct mbox_queue - accepted messages, in order, and the room for more
 * @levels: the messages
 * @index: buckets of the first messages of runs, or NULL: not by key
 * @index_bits: how many buckets
 * @seed: of the hash: senders choose the tags, and must not make a bucket long
 * @expiries: those of the messages that have one
 * @seq: number of the message accepted last
 * @bytes: payload queued
 * @bytes_high: the most there ever was
 * @msgs: messages queued
 * @msgs_high: the most there ever were
 * @max_bytes: capacity, or MBOX_UNBOUNDED_BYTES; immutable after setup
 * @max_msgs: capacity, or MBOX_UNBOUNDED; immutable after setup
 */
struct mbox_queue {
	struct mbox_levels levels;
	struct hlist_head *index;
	unsigned int index_bits;
	siphash_key_t seed;
	struct timerqueue_head expiries;
	u64 seq;
	u64 bytes;
	u64 bytes_high;
	u32 msgs;
	u32 msgs_high;
	u64 max_bytes;
	u32 max_msgs;
};

/*
 * Receivers that wait for a key lie in one of so many lists: of a mailbox, and of an
 * inbox, of which there are many.
 */
#define MBOX_SEEKER_BITS	10
#define MBOX_INBOX_SEEKER_BITS	6
#define MBOX_INBOX_INDEX_BITS	8

/**
 * struct mbox_gate - which processes may send or receive now (gate.c)
 * @inside: MBOX_CREATE_SINGLE: the process that is receiving, if @calls; held
 *	by being alive
 * @calls: how many of its calls are inside
 * @turn: waiters that want to be inside, the longest waiting first
 * @ends: MBOX_CREATE_PAIR: the sending and the receiving process (references)
 */
struct mbox_gate {
	struct pid *inside;
	unsigned int calls;
	struct list_head turn;
	struct pid *ends[2];
};

/**
 * struct mbox_ns - the mailboxes of one network namespace
 * @lock: guards @ids, @order, @names, @last_id, @changes, @listeners
 * @ids: every mailbox that is LIVE, by id
 * @order: the same, in the order of their ids; read without the lock
 * @order_seq: says whether @order has changed meanwhile
 * @names: those of them that have a name
 * @last_id: the id given out last; released after the mailbox is in @ids, and
 *	read without the lock by lookups, before they look
 * @changes: counts mailboxes and grants that came and went; read without the lock
 * @listeners: those who subscribed to events
 * @over: the network namespace has ended, and nothing is added any more; written under
 *	@lock
 * @inum: number of the network namespace, for people; immutable after setup
 * @user_ns: owner of the network namespace; immutable after setup
 * @tally: what there is in it
 * @refs: the network namespace's, and one of each mailbox
 */
struct mbox_ns {
	struct mutex lock;
	struct rhashtable ids;
	struct rb_root order;
	seqcount_mutex_t order_seq;
	struct rhashtable names;
	u64 last_id;
	u32 changes;
	struct list_head listeners;
	bool over;
	unsigned int inum;
	struct user_namespace *user_ns;
	struct mbox_tally tally;
	refcount_t refs;
};

/*
 * A mailbox keeps so many buffers of plain messages that are over, for those to come: most of
 * what a message costs is else to find memory, to have it charged to a memory cgroup, and to
 * give it back. They are those of messages of up to MBOX_SPARE_SIZE bytes: 64, as many as most
 * mailboxes have room for, and 16 for those who have one in their hands (with that, 16 senders
 * to one take 60 instructions less a message). Of longer ones, up to MBOX_LONGER_SIZE, it keeps
 * one, pieces and all: those often go one at a time, back and forth. With that a send and a
 * receive of 1 KiB take 2,690 instructions instead of 3,030, and instead of 3,400 in a memory
 * cgroup.
 */
#ifdef CONFIG_KASAN
#define MBOX_SPARES_MAX		1	/* let it see what becomes of most messages */
#else
#define MBOX_SPARES_MAX		(64 + 16)
#endif
#define MBOX_SPARE_BYTES	192
#define MBOX_SPARE_SIZE		(MBOX_SPARE_BYTES - sizeof(struct mbox_msg))
#define MBOX_LONGER_SIZE	SZ_4K

/**
 * struct mbox_spares - memory of messages, to be used again
 * @idle: added to without a lock, taken from under mailbox->lock
 * @nr: how many there are
 * @longer: of a longer message, or NULL; whoever exchanges it has it
 */
struct mbox_spares {
	struct llist_head idle;
	atomic_t nr;
	struct mbox_msg *longer;
};

/**
 * struct mbox_spin - whether it pays to wait awake for a moment (wait.c); hints, read and
 *	written without a lock
 * @brisk: of each mbox_wait_what, a bit: whoever waited last was served within that moment
 * @wake_ns: how long it takes from being served until one that sleeps runs, in nanoseconds:
 *	a moving average, 0 if nobody has slept
 */
struct mbox_spin {
	unsigned long brisk;
	u32 wake_ns;
};

enum mbox_state {
	MBOX_LIVE,
	MBOX_GONE,
};

/**
 * struct mbox - a mailbox
 * @id: identity; immutable after it is in the registry
 * @name: zero to its end, empty for none; immutable after setup
 * @ns: where it lives (a reference); immutable after setup
 * @max_size: largest message; immutable after setup
 * @share: how much of it a user may fill, in percent; immutable after setup
 * @kind: MBOX_CREATE_* bits; immutable after setup
 * @plain: messages can go the short way (command_plain.c); immutable after setup
 * @bytes: its memory, as it is charged while it is LIVE; immutable after setup
 * @refs: see Lifetimes
 * @rcu: lookups may still look at @refs after the last put
 * @id_node: in ns->ids; ns->lock
 * @order_node: in ns->order; ns->lock, or read under RCU
 * @name_node: in ns->names; ns->lock
 * @payer: whose account it is charged to (a reference); ns->lock
 * @tie: in owner->owned
 * @tenure: counts the owners it had; ns->lock
 * @offer: the ownership, offered; ns->lock
 * @access: who may do what
 * @lock: guards @access and what follows, but for @poll_wait
 * @state: written under ns->lock and @lock
 * @queue: accepted messages; of a rendezvous: offered ones
 * @receivers: seats of receivers that take any message, longest waiting first
 * @seekers: lists of seats of receivers that wait for a key, by its hash, each
 *	longest waiting first; NULL unless messages can be picked
 * @seeker_bits: how many lists; immutable after setup
 * @arrivals: number of the receiver that joined last
 * @lane: senders that wait for its own room
 * @waiting: lanes with senders that wait
 * @stirred: those of them in which somebody may have room now, but for @lane, which
 *	is always looked at
 * @offers: seats of senders whose message is queued
 * @held: requests that were received and wait for their reply
 * @filed: the files of queued messages
 * @slots: MBOX_CREATE_RESERVE: the buffers that are free
 * @spares: of one that is @plain: buffers to be used again
 * @spin: how those wait who wait in it
 * @gate: which processes may use it now
 * @shares: how much each user fills, by user; NULL if @share is 100
 * @nr_receivers: how many seats of receivers there are
 * @nr_senders: how many senders wait for room
 * @nr_offers: how many queued messages have a sender that waits
 * @nr_held: length of @held
 * @sent: messages sent
 * @received: messages handed out
 * @expired: messages dropped at their expiry
 * @refused: sends that failed since there was no room, or no receiver
 * @skipped: messages received before others in the order
 * @waited: of messages received, how many waited in the queue how long
 * @full: it has no room, as mbox_policy_poll() says
 * @filled: how often it came to that
 * @told_full: @full, as listeners know it
 * @told_filled: likewise, @filled
 * @room_work: tells them
 * @expiry_timer: goes off at the first of queue->expiries
 * @expiry_work: drops what has expired
 * @poll_wait: pollers; epoll holds it as long as a descriptor holds the mailbox
 */
struct mbox {
	u64 id;
	u8 name[MBOX_NAME_SIZE];
	struct mbox_ns *ns;
	u32 max_size;
	u32 share;
	u64 kind;
	bool plain;
	size_t bytes;

	refcount_t refs;
	struct rcu_head rcu;
	struct rhash_head id_node;
	struct rb_node order_node;
	struct rhash_head name_node;

	struct mbox_account *payer;
	struct list_head tie;
	u64 tenure;
	struct mbox_offer offer;
	struct mbox_access access;

	spinlock_t lock;
	enum mbox_state state;
	struct mbox_queue queue;
	struct list_head receivers;
	struct list_head *seekers;
	unsigned int seeker_bits;
	u64 arrivals;
	struct mbox_lane lane;
	struct list_head waiting;
	struct list_head stirred;
	struct list_head offers;
	struct list_head held;
	struct list_head filed;
	struct list_head slots;
	struct mbox_spares spares;
	struct mbox_spin spin;
	struct mbox_gate gate;
	struct hlist_head *shares;
	u32 nr_receivers;
	u32 nr_senders;
	u32 nr_offers;
	u32 nr_held;
	u64 sent;
	u64 received;
	u64 expired;
	u64 refused;
	u64 skipped;
	u64 waited[MBOX_WAITED_BUCKETS];
	bool full;
	u64 filled;
	bool told_full;
	u64 told_filled;
	struct delayed_work room_work;
	struct hrtimer expiry_timer;
	struct work_struct expiry_work;
	wait_queue_head_t poll_wait;
};

static inline bool mbox_is_inbox(const struct mbox *mb)
{
	return mb->kind & MBOX_CREATE_INBOX;
}

/* Messages can be picked by a key: there is an index, but for one that is gone. */
static inline bool mbox_is_indexed(const struct mbox *mb)
{
	return mb->kind & (MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER);
}

static inline bool mbox_is_rendezvous(const struct mbox *mb)
{
	return !mb->queue.max_msgs;
}

/*
 * The flag is set after the process can be seen to have ended, by polling its
 * pidfd for one, so ask for that itself. It never comes true again.
 */
static inline bool mbox_is_dead(const struct mbox_participant *participant)
{
	return READ_ONCE(participant->dead) || !mbox_process_alive(participant->pid);
}

/* Nobody owns it, or nobody who lives. */
static inline bool mbox_is_orphan(const struct mbox *mb)
{
	const struct mbox_participant *owner;
	bool orphan;

	rcu_read_lock();
	owner = rcu_dereference(mb->access.owner);
	orphan = !owner || mbox_is_dead(owner);
	rcu_read_unlock();
	return orphan;
}

static inline bool mbox_is_gone(const struct mbox *mb)
{
	return READ_ONCE(mb->state) == MBOX_GONE ||
	       (mb->kind & MBOX_CREATE_PROCESS && mbox_is_orphan(mb));
}

/*
 * The process that the ownership is offered to, or NULL, under RCU. What an owner
 * offered that has ended is void.
 */
static inline struct mbox_participant *mbox_offered_to(const struct mbox *mb)
{
	const struct mbox_participant *owner = rcu_dereference(mb->access.owner);
	struct mbox_participant *to = rcu_dereference(mb->offer.to);

	if (!to || mbox_is_dead(to) || (owner && mbox_is_dead(owner)))
		return NULL;
	return to;
}

/* Whoever wrote the deed still owns the mailbox. */
static inline bool mbox_deed_holds(const struct mbox_deed *deed)
{
	return READ_ONCE(deed->mb->tenure) == deed->tenure &&
	       !mbox_is_orphan(deed->mb) && !mbox_is_gone(deed->mb);
}

#endif /* MBOX_H */
