/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * mbox: mailboxes in the kernel. The contract between /dev/mbox and programs.
 *
 * The model
 * ---------
 * A mailbox is an object of the kernel: it has an identity, an owner, mode
 * bits and a bounded buffer of its own. Unless it was made for one process
 * (MBOX_CREATE_PROCESS), it exists independently of every process until somebody
 * with the right to do so deletes it. A process sends messages to it and
 * receives messages from it. A message is a sequence of 0
 * to max_size bytes that is accepted as a whole, delivered as a whole, to one
 * receiver, once.
 *
 * Opening /dev/mbox gives a descriptor. Every command works on any such
 * descriptor and says by its id which mailbox it means. A descriptor can also
 * be bound to one mailbox, once, by MBOX_IOC_CREATE with MBOX_CREATE_BIND or
 * by MBOX_IOC_OPEN: then id 0 means that mailbox, and read(2), write(2),
 * poll(2) and epoll(7) work on it. Closing a descriptor does nothing to the
 * mailbox.
 *
 * Ids are numbers that the network namespace gives out one after the other,
 * beginning with 1, and never twice. Names are unique among the mailboxes that
 * exist in a network namespace. Ids and names are looked up in the network
 * namespace of the calling process; a bound descriptor keeps its mailbox.
 *
 * Order: messages are received by priority, the highest first (or the lowest,
 * by MBOX_RECV_LEAST), and within one priority in the order in which the
 * mailbox accepted them. From a mailbox that was created for it, the messages
 * of one tag or of one sending process can be picked (MBOX_RECV_MATCH). A
 * message that is handed out and cannot be delivered (the buffer faults)
 * returns to its place in that order.
 *
 * Capacity, in messages (max_msgs) and in bytes of payload (max_bytes):
 *
 *   bounded      a sender that finds no room waits, or gets EAGAIN if it does
 *                not block; one of the two bounds may be MBOX_UNBOUNDED
 *   unbounded    both are MBOX_UNBOUNDED: a sender never waits
 *   rendezvous   both are 0: the mailbox holds nothing; sender and receiver
 *                wait for each other, and a sender that does not block gets
 *                EAGAIN unless a receiver waits already
 *   reserved     MBOX_CREATE_RESERVE: max_msgs buffers of max_size bytes are
 *                set aside when the mailbox is made; sending allocates nothing
 *
 * What is unbounded still has the system's limit: then ENOBUFS, not a wait. A
 * message that could not be delivered returns even if its room is taken.
 *
 * Waiting senders are admitted by priority, then by arrival; nobody overtakes
 * them. A waiting message is served to the longest waiting of the receivers
 * that it suits.
 *
 * Synchronisation: sending is done when the mailbox has the message or, with
 * MBOX_SEND_SYNC and at every rendezvous, when a receiver has it; that sender
 * learns which process it was. Until then the sender can take the message back
 * (by deadline or signal); which of the two came first is decided once. Each
 * with MBOX_SEND_NONBLOCK means: if that is possible at once.
 *
 * Who receives: any process with the right; MBOX_CREATE_SINGLE: one process at
 * a time, the others wait for their turn to receive; MBOX_CREATE_PAIR: the
 * first process that sends and the first that receives, until it ends.
 *
 * Choice: MBOX_RECV_CHOICE receives one message from whichever of several
 * mailboxes has one first (Hoare's alternative, Communicating Sequential
 * Processes, 1978), rendezvous mailboxes included.
 *
 * A message with an expiry (MBOX_SEND_EXPIRES) disappears when it passes and is
 * never delivered later.
 *
 * Participants: a process that uses a mailbox, or is named by one that does, is
 * a participant until it ends. It has a participant id, a number that no other
 * process gets while the module is loaded, and a logical clock (Lamport, Time,
 * Clocks, and the Ordering of Events in a Distributed System, 1978). The clock
 * advances by one whenever a mailbox accepts a message of the process, and at
 * each local event (MBOX_IOC_CLOCK); the message bears the clock's new value as
 * its stamp. At each receive and look it advances to one more than the larger of
 * its value and the message's stamp. A synchronous sender's clock advances likewise
 * past the receiver's, once it is told of the receipt. So whatever happened before
 * something else has the smaller stamp, and (stamp, participant id) orders all
 * messages totally. A failed call may have advanced the clock, too.
 *
 * Direct communication is by process instead of by mailbox. The messages to a
 * process arrive in its inbox, a process-owned mailbox that the kernel makes when
 * the process is first sent to or first receives directly, or the process itself
 * by MBOX_CREATE_INBOX. Two processes have a link from the first time that one of
 * them sends to the other, or receives from it in particular, until one of them
 * ends. The capacity of an inbox is that of each link into it: senders wait for
 * room in their own link only, and do not stand in the way of others. Whoever may
 * signal a process, as kill(2) with signal 0 decides, may send to it, as may those
 * to whom it opens its inbox by mode bits (MBOX_IOC_CHANGE) or a grant; that is
 * asked at each send. Both must be in one network namespace when the link is made.
 * Once a process has ended, what it sent is still received; who then waits for
 * more from it in particular, or for room to send to it, is told EIDRM. A link
 * takes some bytes of the quota of the process's user that used it first.
 *
 * Calls: MBOX_IOC_CALL sends a request and waits for its reply. Whoever receives
 * it with MBOX_RECV_TOKEN gets a token with it. The token belongs to the process,
 * so any of its threads can use it, once, to reply (MBOX_IOC_REPLY, or
 * MBOX_RECV_REPLY to wait for the next request in the same call), and it can be
 * handed on to another process (MBOX_IOC_TOKEN). Until then the call ends early,
 * and the caller is told why:
 *
 *   EIDRM         the mailbox was deleted, or ended with its owner, who did not have
 *                 the token
 *   EOWNERDEAD    the process that had the token ended
 *   EKEYREJECTED  it lost the right to receive by which it got the token (one that
 *                 was handed the token on needs no such right)
 *   ECANCELED     the request was discarded: by MBOX_REPLY_DISCARD, or received
 *                 by somebody who took no token
 *   ETIMEDOUT, EINTR  the caller gave up
 *
 * A caller that gives up before its request is received takes it back. After that
 * whoever has the token is told ECANCELED when it replies, or when it asks
 * (MBOX_IOC_TOKEN). A token takes some bytes of the quota of the caller's user until it
 * is used or its holder ends, even if the caller has given up. To hand it on is an
 * event for the clocks of both processes.
 *
 * Files: a mailbox made for it (MBOX_CREATE_FILES, and every inbox) takes up to
 * MBOX_FILES_MAX open files with a message, while its owner lives. The receiver
 * that asks for them gets descriptors of the same open files, close-on-exec. If the
 * mailbox loses its owner, the files of its messages are closed, and the messages
 * say so (MBOX_GOT_FILES_LOST); a sender that still waits is told EOWNERDEAD, and
 * has not sent. A descriptor of any kind can be sent, O_PATH ones included.
 *
 * Rights are those of the calling process at each call, never those of the
 * descriptor. A process is a thread group: its threads share its rights, exec
 * keeps them, a forked child has none of them. There are three:
 *
 *   send      from the mode bits (w) or a grant
 *   receive   from ownership, the mode bits (r) or a grant
 *   manage    from ownership, a grant, or being of the owning user: to delete,
 *             transfer, offer, grant, revoke and change the mode
 *
 * Mode bits are those of files: owner's user, group, others, and the first class
 * that matches decides. A grant gives one process what the mode bits do not.
 * Whoever has any right, or is offered the ownership, may open the mailbox and
 * look at its attributes. CAP_IPC_OWNER in the user namespace that owns the
 * mailbox's network namespace stands for every right, and is what it takes to
 * change owning user and group. What is taken away is gone at once: calls that
 * wait and may not go on are told EKEYREVOKED.
 *
 * read(2) and write(2) happen without a program's knowing, so they ask twice:
 * the calling process must have the right, and whoever opened the descriptor
 * must have it too. If the two are not of the same effective user and group, a
 * message that was written bears the overflow uid and gid, since the program
 * that wrote it may not have known where its output goes.
 *
 * Ownership: the creating process owns the mailbox, and at first nobody else may
 * receive. Queued messages, waiting senders, grants and mode bits stay as they
 * are whenever the owner changes. There are three ways to another owner:
 *
 *   transfer  to a process that the caller may signal, as kill(2) decides
 *   offer     to any process, which accepts; also, attached to a message
 *             (MBOX_SEND_OFFER), to whichever process receives that and wants it
 *             (MBOX_RECV_ACCEPT)
 *   claim     of an orphan: the owner ended, the mailbox did not. By a process
 *             of the owning user, or with CAP_IPC_OWNER
 *
 * A MBOX_CREATE_PROCESS mailbox belongs to its creator for good: the owner only
 * receives, everybody else only sends, privileged or not, and nothing is passed
 * on. It is gone when its owner's last thread has ended, before the parent can
 * learn of that.
 *
 * Quotas: mailboxes, messages and bytes are counted for the effective user who
 * made them (of a mailbox that changed hands: for the new owner's), in its user
 * namespace and for the creator of each namespace around it, except the initial
 * namespace's root; and for the network namespace. Bytes are payload and what the
 * kernel adds to each message and mailbox (not descriptors and grants, which only
 * the memory cgroup counts). A message counts from before it is sent until it is
 * received or dropped, for whoever opened the descriptor if it was written by a
 * program of another user; a reserved buffer counts as part of its mailbox, and so
 * do the few that any mailbox keeps for messages to come.
 * CAP_SYS_RESOURCE goes beyond: in the initial user namespace for
 * quotas of users, in the mailbox's for those of the network namespace. The
 * share that a mailbox allows one user binds everybody.
 *
 * Time: a deadline is absolute, on CLOCK_MONOTONIC of the calling process's
 * time namespace, in nanoseconds; larger ones than the clock can reach mean
 * "never". It counts only with its flag. A deadline in the past means: try
 * once. Not blocking (the flag, or O_NONBLOCK) goes before a deadline.
 *
 * Errors
 * ------
 * Each errno has one meaning, everywhere:
 *
 *   E2BIG      the structure is newer than this kernel's and its additional
 *              part is not zero
 *   EACCES     the calling process (for read and write: or the opener of the
 *              descriptor) does not have the right
 *   EAGAIN     it would have to wait for a message, for room or for a
 *              receiver, and was asked not to
 *   EBADF      the descriptor is not open for writing (to send) or not open
 *              for reading (to receive); no such pidfd, no such file to send
 *   EBADR      the calling process has no such token
 *   EBUSY      somebody else has it: another process is receiving from a
 *              MBOX_CREATE_SINGLE mailbox and the call was asked not to wait, or
 *              the mailbox to be claimed has an owner
 *   ECANCELED  the other side has given the call up: the request was discarded,
 *              or the caller does not wait any more
 *   EDQUOT     a user has as many mailboxes, messages, bytes, files in flight or
 *              listeners as its quota allows: the caller, whoever is to own the mailbox, or the
 *              creator of a user namespace around them
 *   EEXIST     the name is taken; the process has an inbox
 *   EFAULT     an address is bad; nothing was sent, nothing was lost
 *   EIDRM      the mailbox, or the process at the other end of the link, existed
 *              and is gone, before or during the call
 *   EINTR      a signal came before anything happened (the call is restarted
 *              instead where the handler was installed with SA_RESTART), or while
 *              somebody had the request of a call (never restarted, not even when
 *              the process was only stopped and continued). Commands that neither
 *              send, receive nor call are ended by no signal but one that kills the
 *              process
 *   EINVAL     an unknown flag, a reserved field that is not zero, a structure
 *              shorter than its first version, a value out of its range
 *   EISCONN    the descriptor is bound to a mailbox already
 *   EKEYREJECTED the process that had the request lost its right to receive
 *   EKEYREVOKED the caller had the right when the call began and has lost it
 *   EMLINK     the mailbox has as many grants as the limit allows
 *   EMSGSIZE   sending: the message is longer than max_size, or the reply than the
 *              caller's buffer; receiving: the message is longer than the buffer, or
 *              has more files than fit, and stays where it was
 *   ENOBUFS    an unbounded mailbox holds as much as the system's limit allows
 *   ENOENT     no mailbox has had this id or has this name (and owner)
 *   ENOMEM     the kernel, or the memory cgroup, has no memory for it
 *   ENOSPC     the network namespace has as many mailboxes, messages, bytes, files in
 *              flight or listeners as its quota allows
 *   ENOTCONN   the id is 0 and the descriptor is bound to no mailbox
 *   ENOTTY     there is no such command
 *   EOPNOTSUPP the mailbox was not created for it
 *   EOWNERDEAD a process that must live for it has ended: the one that had the
 *              request, or the owner of the mailbox (files)
 *   EPERM      another process stands against it: it has that end of a
 *              MBOX_CREATE_PAIR mailbox, or may not be signalled by the caller
 *              and was not asked to accept
 *   ESRCH      the process that is meant does not exist, is in another network
 *              namespace (links), or has no grant
 *   ETIMEDOUT  the deadline passed before anything happened
 *   EXFULL     the sender's user fills its share of the mailbox
 *
 * A call that returns an error has changed nothing, but that clocks may have advanced,
 * that a mailbox counts what it refused, that an inbox and a link may have been made or the
 * end of a pair taken, and for what is said below of batches and replies. Where more than
 * one error applies, arguments come first (E2BIG, EINVAL, EBADF but for files), then the
 * mailbox (ENOTCONN, ENOENT, EIDRM) or token (EBADR), the right (EACCES), what it was
 * created for (EOPNOTSUPP), the process it is about (ESRCH, EPERM), the message (EMSGSIZE,
 * EBADF, EXFULL, EDQUOT, ENOSPC, ENOMEM, EFAULT), and last its state (EIDRM,
 * EOWNERDEAD, EKEYREVOKED, EKEYREJECTED, ECANCELED, EBUSY, ENOBUFS, EAGAIN, ETIMEDOUT,
 * EINTR). Two waits come before the message's bytes are looked at: that for a reserved
 * buffer, and the one that is over since the message has expired already.
 *
 * Growth
 * ------
 * Structures are the same for 32 and 64 bit programs, have no implicit padding
 * and grow at their end. The size that the program was compiled with is part
 * of the command number; what the kernel does not know must be zero, what the
 * program does not know is not written. MBOX_IOC_INFO tells what there is.
 */
#ifndef _UAPI_LINUX_MBOX_H
#define _UAPI_LINUX_MBOX_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MBOX_DEVICE	"/dev/mbox"

/* Priorities go from 0, the least, to MBOX_PRIO_MAX. */
#define MBOX_PRIO_MAX	31

/*
 * Size of a name with its terminating NUL. A name has 1 to 63 bytes, none of
 * them a control character, a space, DEL or '/', and does not begin with a
 * digit, so that a name is never mistaken for an id.
 */
#define MBOX_NAME_SIZE	64

/* What a process may do with a mailbox. The first two are mode bits. */
#define MBOX_RIGHT_SEND		0x2
#define MBOX_RIGHT_RECV		0x4
#define MBOX_RIGHT_MANAGE	0x8

/**
 * struct mbox_info - what this kernel offers (MBOX_IOC_INFO)
 * @flags: in; must be 0
 * @features: out; MBOX_FEATURE_* bits
 * @limit_msgs: out; the most messages a mailbox may be created to hold
 * @limit_size: out; the largest message size it may be created with, in bytes
 * @limit_bytes: out; the most payload it may be created to hold, in bytes
 * @limit_mailboxes: out; the most mailboxes in one network namespace
 * @mailboxes: out; how many there are in the caller's network namespace
 */
struct mbox_info {
	__u64 flags;
	__u64 features;
	__u32 limit_msgs;
	__u32 limit_size;
	__u64 limit_bytes;
	__u32 limit_mailboxes;
	__u32 mailboxes;
};

/* MBOX_IOC_CREATE to MBOX_IOC_STAT: kernel-owned mailboxes. */
#define MBOX_FEATURE_BASE	(1ULL << 0)
/*
 * Every flag of MBOX_IOC_CREATE, _SEND and _RECV in this header: all kinds of
 * capacity, size, synchronisation, order and receivers.
 */
#define MBOX_FEATURE_MODEL	(1ULL << 1)
/*
 * MBOX_IOC_TRANSFER to MBOX_IOC_USAGE, MBOX_CREATE_PROCESS, @share,
 * MBOX_SEND_OFFER and MBOX_RECV_ACCEPT: owners, rights and quotas.
 */
#define MBOX_FEATURE_RIGHTS	(1ULL << 2)
/*
 * MBOX_IOC_CLOCK to MBOX_IOC_RECV_BATCH, and all flags and members that go with
 * participants, inboxes, files and requests.
 */
#define MBOX_FEATURE_CONVERSATION (1ULL << 3)
/* linux/mbox_netlink.h, and the counters that came with it. */
#define MBOX_FEATURE_OBSERVATION (1ULL << 4)

/**
 * struct mbox_create - make a mailbox (MBOX_IOC_CREATE)
 * @flags: in; MBOX_CREATE_* bits
 * @max_bytes: in; capacity in bytes of payload, @max_size to limit_bytes;
 *	MBOX_UNBOUNDED_BYTES; 0 for a rendezvous
 * @max_msgs: in; capacity in messages, 1 to limit_msgs; MBOX_UNBOUNDED; 0 for a
 *	rendezvous
 * @max_size: in; the largest message, in bytes, 0 to limit_size
 * @mode: in; who may send (w) and receive (r): bits of 0666, less the umask
 * @share: in; how much of the capacity (of what is unbounded: of the system's
 *	limit) the messages of one user may take up, in percent, 1 to 100; 0 for
 *	the default (default_share of struct mbox_usage). A user who has no
 *	message there may send one of any size. Not for a rendezvous: 0
 * @name: in; NUL-terminated and zero to its end, or empty for none
 * @id: out; the new mailbox
 *
 * The calling process becomes the owner, its effective user and group those of
 * the mailbox.
 *
 * Errors: EINVAL, EISCONN, EEXIST, EDQUOT, ENOSPC, ENOMEM, EFAULT.
 */
struct mbox_create {
	__u64 flags;
	__u64 max_bytes;
	__u32 max_msgs;
	__u32 max_size;
	__u32 mode;
	__u32 share;
	__u8 name[MBOX_NAME_SIZE];
	__u64 id;
};

/* No bound, for @max_msgs and @max_bytes. */
#define MBOX_UNBOUNDED		0xffffffffU
#define MBOX_UNBOUNDED_BYTES	0xffffffffffffffffULL

/* Bind the descriptor to the new mailbox. */
#define MBOX_CREATE_BIND	(1ULL << 0)
/* Fixed size: every message has exactly @max_size bytes. */
#define MBOX_CREATE_FIXED	(1ULL << 1)
/*
 * Explicit buffering: memory for @max_msgs messages of @max_size bytes, together
 * at most limit_bytes, is reserved now. @max_msgs must be a number of 1 or more,
 * @max_bytes MBOX_UNBOUNDED_BYTES.
 */
#define MBOX_CREATE_RESERVE	(1ULL << 2)
/* Messages can be picked by tag, or by sending process; one of the two. */
#define MBOX_CREATE_BY_TAG	(1ULL << 3)
#define MBOX_CREATE_BY_SENDER	(1ULL << 4)
/*
 * One process in receive at a time, with all its threads; the others wait for
 * their turn, first come first served. Not with MBOX_CREATE_PAIR.
 */
#define MBOX_CREATE_SINGLE	(1ULL << 5)
/*
 * The first process that sends has the sending end, the first that receives the
 * receiving end; others get EPERM. An end is free again when its process ends, or
 * loses a grant of that right, the receiving end also with the ownership.
 */
#define MBOX_CREATE_PAIR	(1ULL << 6)
/*
 * Process-owned: the calling process is the owner for good and the only receiver,
 * everybody else is a sender at most, and the mailbox is gone when that process
 * ends. @mode has bits of 0222 only.
 */
#define MBOX_CREATE_PROCESS	(1ULL << 7)
/* Messages may bring files, as long as the mailbox has an owner that lives. */
#define MBOX_CREATE_FILES	(1ULL << 8)
/*
 * The calling process's inbox (else EEXIST). @max_msgs and @max_bytes are the
 * capacity of each link, @share is 0. It goes with MBOX_CREATE_BIND and
 * MBOX_CREATE_FIXED only, and implies MBOX_CREATE_PROCESS, MBOX_CREATE_BY_SENDER
 * and MBOX_CREATE_FILES. One that the kernel makes has capacity
 * MBOX_INBOX_MSGS and MBOX_UNBOUNDED_BYTES, messages of up to MBOX_INBOX_SIZE
 * bytes, or what the limits allow if that is less, and mode 0.
 */
#define MBOX_CREATE_INBOX	(1ULL << 9)

#define MBOX_INBOX_MSGS		64
#define MBOX_INBOX_SIZE		65536

/**
 * struct mbox_open - bind the descriptor to a mailbox (MBOX_IOC_OPEN)
 * @flags: in; MBOX_OPEN_* bits
 * @name: in; the mailbox by name, or empty: by @id
 * @id: in and out; the mailbox by id, or 0: by @name; with MBOX_OPEN_INBOX in: the
 *	process as the caller's pid namespace sees it, 0 for the calling process
 * @uid: in and out; the owner's user, as the caller's user namespace sees it
 *	(the overflow uid if it cannot); read only with MBOX_OPEN_UID
 * @reserved: in; must be 0
 *
 * Exactly one of @name and @id must be given, or MBOX_OPEN_INBOX with no name. The
 * caller must have some right to the mailbox, or be offered it.
 *
 * Errors: EINVAL, EISCONN, ENOENT, EIDRM, EACCES, EFAULT; with MBOX_OPEN_INBOX also
 * EBADF, ESRCH, EDQUOT, ENOSPC, ENOMEM.
 */
struct mbox_open {
	__u64 flags;
	__u8 name[MBOX_NAME_SIZE];
	__u64 id;
	__u32 uid;
	__u32 reserved;
};

/* ENOENT unless the mailbox belongs to user @uid: a name may be squatted. */
#define MBOX_OPEN_UID		(1ULL << 0)
/* The inbox of a process, which is made if there is none and the caller may send. */
#define MBOX_OPEN_INBOX		(1ULL << 1)
/* With MBOX_OPEN_INBOX: @id is a pidfd, or a participant id. */
#define MBOX_OPEN_PIDFD		(1ULL << 2)
#define MBOX_OPEN_PARTICIPANT	(1ULL << 3)

/**
 * struct mbox_send - send a message (MBOX_IOC_SEND)
 * @flags: in; MBOX_SEND_* bits
 * @id: in; the mailbox, 0 for the descriptor's; or a process, see MBOX_SEND_PID
 * @buf: in; address of the message
 * @len: in; its length in bytes, 0 to max_size
 * @deadline: in; when to give up waiting for room, with MBOX_SEND_TIMEOUT
 * @prio: in; 0 to MBOX_PRIO_MAX
 * @reserved: in; must be 0
 * @tag: in; any number, for the receiver and for MBOX_CREATE_BY_TAG
 * @expires: in; when the message is to disappear, with MBOX_SEND_EXPIRES; a
 *	sender that still waits then gets ETIMEDOUT
 * @receiver: out; MBOX_SEND_SYNC and rendezvous: the process that received, as
 *	the sender's pid namespace sees it, 0 if it cannot
 * @reserved2: in; must be 0
 * @offer: in; id of a mailbox that the calling process owns, with
 *	MBOX_SEND_OFFER
 * @files: in; address of an array of @nr_files descriptors (__s32) to go with it
 * @nr_files: in; 0 to MBOX_FILES_MAX
 * @reserved3: in; must be 0
 * @stamp: out; the stamp that the message got, with MBOX_SEND_STAMP
 *
 * Success means that the mailbox, or a receiver, has the message. After an
 * error nobody has it, or will, with one exception: if @receiver or @stamp cannot
 * be written, that is not told, for the message is delivered.
 *
 * Errors: EBADF, EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP (offer, files),
 * ESRCH (process), EPERM, EMSGSIZE, EXFULL, EDQUOT, ENOSPC, ENOMEM, EFAULT,
 * EOWNERDEAD (files), EKEYREVOKED, ENOBUFS, EAGAIN, ETIMEDOUT, EINTR.
 */
struct mbox_send {
	__u64 flags;
	__u64 id;
	__aligned_u64 buf;
	__u64 len;
	__u64 deadline;
	__u32 prio;
	__u32 reserved;
	__u64 tag;
	__u64 expires;
	__s32 receiver;
	__u32 reserved2;
	__u64 offer;
	__aligned_u64 files;
	__u32 nr_files;
	__u32 reserved3;
	__u64 stamp;
};

/* EAGAIN instead of waiting, for room or for a receiver. */
#define MBOX_SEND_NONBLOCK	(1ULL << 0)
/* ETIMEDOUT after @deadline. */
#define MBOX_SEND_TIMEOUT	(1ULL << 1)
/* Done when a receiver has the message, not when the mailbox has it. */
#define MBOX_SEND_SYNC		(1ULL << 2)
/* The message disappears at @expires. */
#define MBOX_SEND_EXPIRES	(1ULL << 3)
/*
 * The message carries the offer of the ownership of mailbox @offer, for the
 * process that receives it with MBOX_RECV_ACCEPT. The sender owns the mailbox
 * until then. The offer is void if the sender ends or the mailbox has another
 * owner before the message is received, and when it is received without that flag
 * or dropped. A synchronous sender that was told of the receipt may end at once.
 */
#define MBOX_SEND_OFFER		(1ULL << 4)
/*
 * To a process: @id is its pid as the caller's pid namespace sees it, a pidfd, or a
 * participant id; one of the three.
 */
#define MBOX_SEND_PID		(1ULL << 5)
#define MBOX_SEND_PIDFD		(1ULL << 6)
#define MBOX_SEND_PARTICIPANT	(1ULL << 7)
/* Tell @stamp. */
#define MBOX_SEND_STAMP		(1ULL << 8)
/*
 * A mark for the receiver (MBOX_GOT_SHARED) that what is meant is in the memory that
 * the first file is. The kernel passes it on; mbox_send_large(3) uses it.
 */
#define MBOX_SEND_SHARED	(1ULL << 9)

#define MBOX_FILES_MAX		64

/**
 * struct mbox_recv - receive a message (MBOX_IOC_RECV)
 * @flags: in; MBOX_RECV_* bits
 * @id: in; the mailbox, 0 for the descriptor's
 * @buf: in; address of the buffer
 * @size: in; its size in bytes
 * @deadline: in; when to give up waiting, with MBOX_RECV_TIMEOUT
 * @len: out; length of the message in bytes (written with EMSGSIZE, too)
 * @seq: out; sequence number, ascending from 1 in the order of acceptance; what
 *	was taken back or expired leaves a gap
 * @prio: out; its priority
 * @pid: out; the sending process as the receiver's pid namespace sees it, 0 if
 *	it cannot
 * @uid: out; the sender's effective user as the receiver's user namespace sees
 *	it, the overflow uid if it cannot
 * @gid: out; likewise its effective group
 * @tag: out; its tag
 * @from: out; the mailbox that it comes from (written with EMSGSIZE, too)
 * @match: in; the tag, or the sending process as the caller's pid namespace
 *	sees it (but see MBOX_RECV_PIDFD), with MBOX_RECV_MATCH
 * @ids: in; address of an array of @nr_ids ids, with MBOX_RECV_CHOICE; @id must
 *	be 0
 * @nr_ids: in; 1 to MBOX_CHOICE_MAX
 * @nth: in; how many messages to pass over, 0 to MBOX_PEEK_MAX, with
 *	MBOX_RECV_PEEK
 * @owned: out; with MBOX_RECV_ACCEPT: the mailbox that belongs to the caller now
 *	since its ownership came with the message, 0 if none came or it was void
 * @stamp: out; its Lamport stamp
 * @clock: out; the receiver's clock after the receive, its stamp
 * @time: out; when it was accepted, on CLOCK_MONOTONIC of the caller's time
 *	namespace, in nanoseconds
 * @realtime: out; the same on CLOCK_REALTIME as it was then
 * @sender: out; participant id of the sending process
 * @token: out; with MBOX_RECV_TOKEN, what to reply by; 0 if it is not a request
 * @tid: out; the sending thread, 0 if the receiver's pid namespace cannot see it
 * @got: out; MBOX_GOT_* bits
 * @nr_files: in: length of the array @files, 0 to MBOX_FILES_MAX, with
 *	MBOX_RECV_FILES, else 0; out: how many files came, wanted or not; 0 if they
 *	were lost with the owner (written with EMSGSIZE, too)
 * @reserved: in; must be 0
 * @files: in; address of an array of descriptors (__s32), with MBOX_RECV_FILES.
 *	Written: for each file that came the new descriptor, or a negative errno
 *	if this one could not be had (EMFILE, or what a security module says) and is
 *	closed; -1 behind them
 * @reply: in; address of a struct mbox_reply, with MBOX_RECV_REPLY
 *
 * Output fields are written on success only, but for @len, @from and @nr_files.
 * MBOX_RECV_PEEK tells how many files and that it is a request, and gives neither.
 *
 * Errors: EBADF, EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP, ESRCH,
 * EPERM, EMSGSIZE, EDQUOT (accept, direct), ENOSPC (direct), ENOMEM (choice, accept,
 * by sender, direct, or a process that has not taken part yet), EFAULT, EKEYREVOKED,
 * EBUSY, EAGAIN, ETIMEDOUT, EINTR; with MBOX_RECV_REPLY also those of MBOX_IOC_REPLY,
 * but for ECANCELED.
 */
struct mbox_recv {
	__u64 flags;
	__u64 id;
	__aligned_u64 buf;
	__u64 size;
	__u64 deadline;
	__u64 len;
	__u64 seq;
	__u32 prio;
	__s32 pid;
	__u32 uid;
	__u32 gid;
	__u64 tag;
	__u64 from;
	__u64 match;
	__aligned_u64 ids;
	__u32 nr_ids;
	__u32 nth;
	__u64 owned;
	__u64 stamp;
	__u64 clock;
	__u64 time;
	__u64 realtime;
	__u64 sender;
	__u64 token;
	__s32 tid;
	__u32 got;
	__u32 nr_files;
	__u32 reserved;
	__aligned_u64 files;
	__aligned_u64 reply;
};

/* EAGAIN instead of waiting for a message, EBUSY instead of for one's turn. */
#define MBOX_RECV_NONBLOCK	(1ULL << 0)
/* ETIMEDOUT after @deadline. */
#define MBOX_RECV_TIMEOUT	(1ULL << 1)
/*
 * A message longer than the buffer is received all the same: the buffer gets
 * its beginning, @len its length, the rest is gone.
 */
#define MBOX_RECV_TRUNCATE	(1ULL << 2)
/*
 * Look at the message and leave it where it is, the first or, passing over @nth,
 * a later one. A look reserves nothing. A look at a later one never waits, and
 * goes neither with MBOX_RECV_LEAST nor with MBOX_RECV_MATCH.
 */
#define MBOX_RECV_PEEK		(1ULL << 3)
/* The lowest priority first. */
#define MBOX_RECV_LEAST		(1ULL << 4)
/*
 * Only a message with tag @match, or from process @match, as the mailbox was
 * created by MBOX_CREATE_BY_TAG or MBOX_CREATE_BY_SENDER, else EOPNOTSUPP.
 */
#define MBOX_RECV_MATCH		(1ULL << 5)
/*
 * From whichever of several mailboxes has a message first; of those that have
 * one now, from each equally often. Not with MBOX_RECV_PEEK or MBOX_RECV_MATCH;
 * EOPNOTSUPP if one of them is MBOX_CREATE_SINGLE.
 */
#define MBOX_RECV_CHOICE	(1ULL << 6)
/*
 * Become the owner of the mailbox that comes with the message. If that cannot be
 * (EDQUOT, ENOMEM), the message stays where it was. Not with MBOX_RECV_PEEK.
 */
#define MBOX_RECV_ACCEPT	(1ULL << 7)
/*
 * From the calling process's inbox, which is made if there is none; @id must be 0.
 * With MBOX_RECV_MATCH from one process, and a link to that is made; EIDRM if it
 * ends before it has sent.
 */
#define MBOX_RECV_DIRECT	(1ULL << 8)
/*
 * With MBOX_RECV_MATCH, of a sending process: @match is a pidfd, or a participant id,
 * which may be one of a process that has ended: then what it sent is received, and
 * ESRCH if that is nothing.
 */
#define MBOX_RECV_PIDFD		(1ULL << 9)
#define MBOX_RECV_PARTICIPANT	(1ULL << 10)
/*
 * Install the files that come with the message; if there are more than fit into
 * @files: EMSGSIZE, or, with MBOX_RECV_TRUNCATE, the first ones. Without this flag
 * they are closed (MBOX_GOT_FILES_LOST). Not with MBOX_RECV_PEEK.
 */
#define MBOX_RECV_FILES		(1ULL << 11)
/*
 * If it is a request, take the duty to reply. Without this flag a request that is
 * received is a message like others, and its caller is told ECANCELED. Not with
 * MBOX_RECV_PEEK.
 */
#define MBOX_RECV_TOKEN		(1ULL << 12)
/*
 * Reply first, as @reply says. If the reply fails, that is the error, and nothing is
 * received; but that the caller has gone (ECANCELED) is told in @reply->result. Not
 * with MBOX_RECV_PEEK.
 */
#define MBOX_RECV_REPLY		(1ULL << 13)

/* It is a request. */
#define MBOX_GOT_REQUEST	(1U << 0)
/* It had files that nobody gets any more: see MBOX_RECV_FILES and Files. */
#define MBOX_GOT_FILES_LOST	(1U << 1)
/* It was sent with MBOX_SEND_SHARED. */
#define MBOX_GOT_SHARED		(1U << 2)

#define MBOX_CHOICE_MAX		64
#define MBOX_PEEK_MAX		63

/**
 * struct mbox_delete - end a mailbox (MBOX_IOC_DELETE)
 * @flags: in; must be 0
 * @id: in; the mailbox, 0 for the descriptor's
 *
 * Its messages are dropped, its name is free, and everybody who waits for it
 * or uses it from now on is told EIDRM. It takes the right to manage.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES.
 */
struct mbox_delete {
	__u64 flags;
	__u64 id;
};

/**
 * struct mbox_stat - attributes and counters of a mailbox (MBOX_IOC_STAT)
 * @flags: in; MBOX_STAT_* bits
 * @id: in and out; the mailbox, 0 for the descriptor's
 * @name: out; zero to its end
 * @max_bytes: out; capacity in bytes of payload
 * @max_msgs: out; capacity in messages
 * @max_size: out; the largest message, in bytes
 * @mode: out; mode bits
 * @uid: out; owning user, as the caller's user namespace sees it
 * @gid: out; owning group, likewise
 * @pid: out; the owner's process as the caller's pid namespace sees it; 0 if
 *	it cannot, or there is none (MBOX_STATE_ORPHAN)
 * @bytes: out; payload queued, in bytes
 * @bytes_high: out; the most there ever was
 * @msgs: out; messages queued
 * @msgs_high: out; the most there ever were
 * @senders: out; calls that wait for room or for a receiver
 * @receivers: out; calls that wait for a message, or for their turn
 * @sent: out; messages sent so far
 * @received: out; messages handed out so far
 * @kind: out; the MBOX_CREATE_* bits it was created with, but for
 *	MBOX_CREATE_BIND
 * @expired: out; messages that disappeared at their expiry so far
 * @state: out; MBOX_STATE_* bits
 * @share: out; how much of the capacity one user may take up, in percent
 * @offered: out; the process that the ownership is offered to, as the caller's pid
 *	namespace sees it; 0 if it cannot, or there is none
 * @grants: out; how many processes have grants
 * @user_bytes: out; payload of the caller's user here, in bytes, what waits to be
 *	sent included; counted if @share is less than 100, else 0
 * @user_msgs: out; its messages, likewise
 * @reserved: out; 0
 * @requests: out; requests that were received and wait for their reply
 * @links: out; of an inbox: processes that have a link to its owner
 * @refused: out; sends so far that failed since there was no room or, for those that
 *	wait for one, no receiver: EAGAIN, ETIMEDOUT, EXFULL or ENOBUFS
 * @skipped: out; messages so far that were received before another one which was
 *	before them in the order: by MBOX_RECV_MATCH or MBOX_RECV_LEAST
 * @filled: out; how often it became full so far: without room for a message of
 *	max_size; a rendezvous and an inbox never are. A message that could not be
 *	delivered and returns may make it full once more
 *
 * Counters are of one moment, and so are attributes. The caller must have some
 * right to the mailbox, or be offered it.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, ENOMEM, EFAULT.
 */
struct mbox_stat {
	__u64 flags;
	__u64 id;
	__u8 name[MBOX_NAME_SIZE];
	__u64 max_bytes;
	__u32 max_msgs;
	__u32 max_size;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__s32 pid;
	__u64 bytes;
	__u64 bytes_high;
	__u32 msgs;
	__u32 msgs_high;
	__u32 senders;
	__u32 receivers;
	__u64 sent;
	__u64 received;
	__u64 kind;
	__u64 expired;
	__u32 state;
	__u32 share;
	__s32 offered;
	__u32 grants;
	__u64 user_bytes;
	__u32 user_msgs;
	__u32 reserved;
	__u32 requests;
	__u32 links;
	__u64 refused;
	__u64 skipped;
	__u64 filled;
};

/* No process owns it; one of the owning user may claim it. */
#define MBOX_STATE_ORPHAN	(1U << 0)
/* Its ownership is offered to a process, see @offered. */
#define MBOX_STATE_OFFERED	(1U << 1)

/*
 * Instead of @id, tell of the mailbox with the smallest id that is not smaller
 * than @id, among those of the caller's network namespace to which it has some
 * right or that are offered to it; ENOENT if there is none. With id 1, and then
 * the last id plus 1, this lists them all.
 */
#define MBOX_STAT_NEXT		(1ULL << 0)

/**
 * struct mbox_transfer - another owner (MBOX_IOC_TRANSFER, MBOX_IOC_OFFER)
 * @flags: in; MBOX_TRANSFER_* bits
 * @id: in; the mailbox, 0 for the descriptor's
 * @pid: in; the process, as the caller's pid namespace sees it; to offer: 0 takes
 *	the offer back
 * @reserved: in; must be 0
 *
 * It takes the right to manage, not ownership. MBOX_IOC_TRANSFER makes that
 * process the owner, now; the caller must be allowed to signal it, as kill(2)
 * with signal 0 decides. The process's real user and group become those of the
 * mailbox: a set-user-ID program does not pay for what it did not ask for.
 *
 * MBOX_IOC_OFFER takes the place of the offer before it, if there is one, and
 * lasts until it is accepted, until then the owner changes or ends, or until the
 * process ends that it was made to.
 *
 * Either way the former owner's right to receive goes with the ownership, and so
 * does the right to manage, but for what it has by mode, grant or user.
 * A transfer ends every offer, also one from a process to itself.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP, EBADF, ESRCH, EPERM
 * (transfer), EMLINK (keep), EDQUOT (transfer), ENOMEM.
 */
struct mbox_transfer {
	__u64 flags;
	__u64 id;
	__s32 pid;
	__u32 reserved;
};

/* The former owner is granted the right to receive in the same moment. */
#define MBOX_TRANSFER_KEEP	(1ULL << 0)
/* @pid is a pidfd: that process, and none that has its number later. */
#define MBOX_TRANSFER_PIDFD	(1ULL << 1)

/**
 * struct mbox_take - become the owner (MBOX_IOC_ACCEPT, MBOX_IOC_CLAIM)
 * @flags: in; must be 0
 * @id: in; the mailbox, 0 for the descriptor's
 *
 * MBOX_IOC_ACCEPT: of a mailbox that is offered to the calling process (else
 * EACCES). MBOX_IOC_CLAIM: of an orphan, for a process of the owning user and
 * CAP_IPC_OWNER (else EACCES); the first one gets it, the others EBUSY. The
 * caller's effective user and group become those of the mailbox.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP, EBUSY (claim),
 * EDQUOT, ENOMEM.
 */
struct mbox_take {
	__u64 flags;
	__u64 id;
};

/**
 * struct mbox_grant - rights of one process (MBOX_IOC_GRANT, MBOX_IOC_REVOKE)
 * @flags: in; MBOX_GRANT_* bits
 * @id: in; the mailbox, 0 for the descriptor's
 * @pid: in; the process, as the caller's pid namespace sees it
 * @rights: in; one or more MBOX_RIGHT_* bits, to add or to take away
 *
 * It takes the right to manage. A grant is for that process as long as it lives,
 * whatever its user and whoever the owner. To revoke takes away what was
 * granted, not what ownership or mode bits give. Of an inbox MBOX_RIGHT_SEND is all
 * that can be granted, of other MBOX_CREATE_PROCESS mailboxes nothing.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP, EBADF, ESRCH,
 * EMLINK (grant), ENOMEM.
 */
struct mbox_grant {
	__u64 flags;
	__u64 id;
	__s32 pid;
	__u32 rights;
};

/* @pid is a pidfd. */
#define MBOX_GRANT_PIDFD	(1ULL << 0)

/**
 * struct mbox_granted - what a process was granted
 * @pid: the process, as the caller's pid namespace sees it, 0 if it cannot
 * @rights: MBOX_RIGHT_* bits
 */
struct mbox_granted {
	__s32 pid;
	__u32 rights;
};

/**
 * struct mbox_grants - what was granted to whom (MBOX_IOC_GRANTS)
 * @flags: in; must be 0
 * @id: in; the mailbox, 0 for the descriptor's
 * @grants: in; address of an array of struct mbox_granted
 * @nr: in: length of the array, 0 to MBOX_GRANTS_MAX; out: how many grants there
 *	are, of which as many as fit have been written
 * @reserved: in; must be 0
 *
 * For whoever may open the mailbox.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, ENOMEM, EFAULT.
 */
struct mbox_grants {
	__u64 flags;
	__u64 id;
	__aligned_u64 grants;
	__u32 nr;
	__u32 reserved;
};

#define MBOX_GRANTS_MAX		1024

/**
 * struct mbox_change - change attributes (MBOX_IOC_CHANGE)
 * @flags: in; MBOX_CHANGE_* bits, one or more: which of the following
 * @id: in; the mailbox, 0 for the descriptor's
 * @mode: in; bits of 0666, or of 0222 for MBOX_CREATE_PROCESS; no umask
 * @uid: in; the owning user, as the caller's user namespace sees it
 * @gid: in; the owning group, likewise
 * @reserved: in; must be 0
 *
 * The mode takes the right to manage; user and group take CAP_IPC_OWNER, and
 * must exist in the user namespace that owns the mailbox's network namespace
 * (else EINVAL). The owner stays the owner.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP (user or group of
 * MBOX_CREATE_PROCESS), EDQUOT, ENOMEM.
 */
struct mbox_change {
	__u64 flags;
	__u64 id;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 reserved;
};

#define MBOX_CHANGE_MODE	(1ULL << 0)
#define MBOX_CHANGE_UID		(1ULL << 1)
#define MBOX_CHANGE_GID		(1ULL << 2)

/**
 * struct mbox_usage - quotas and what is used of them (MBOX_IOC_USAGE)
 * @flags: in; MBOX_USAGE_* bits
 * @uid: in and out; the user; read only with MBOX_USAGE_UID, else the caller's
 *	effective user; as the caller's user namespace sees it
 * @default_share: out; share of one user of a mailbox created without one, in
 *	percent
 * @user_bytes: out; memory in bytes of the mailboxes and messages of that user in
 *	the caller's user namespace and in those that it has created there
 * @user_bytes_limit: out; the most for a user
 * @user_mailboxes: out; mailboxes, likewise
 * @user_mailboxes_limit: out
 * @user_msgs: out; messages, likewise
 * @user_msgs_limit: out
 * @ns_bytes: out; memory in bytes of all mailboxes and messages in the caller's
 *	network namespace
 * @ns_bytes_limit: out; the most for a network namespace
 * @ns_mailboxes: out; mailboxes, likewise
 * @ns_mailboxes_limit: out
 * @ns_msgs: out; messages, likewise
 * @ns_msgs_limit: out
 * @limit_grants: out; the most grants of a mailbox
 * @reserved: out; 0
 * @user_files: out; files in flight: sent and not received; likewise
 * @user_files_limit: out
 * @ns_files: out; files in flight in the caller's network namespace
 * @ns_files_limit: out
 * @user_listeners: out; subscriptions to events, likewise
 * @user_listeners_limit: out
 * @ns_listeners: out; subscriptions to the events of the caller's network namespace
 * @ns_listeners_limit: out
 *
 * Of another user it takes CAP_SYS_RESOURCE in the caller's user namespace.
 *
 * Errors: EINVAL, EACCES, ENOMEM, EFAULT.
 */
struct mbox_usage {
	__u64 flags;
	__u32 uid;
	__u32 default_share;
	__u64 user_bytes;
	__u64 user_bytes_limit;
	__u32 user_mailboxes;
	__u32 user_mailboxes_limit;
	__u32 user_msgs;
	__u32 user_msgs_limit;
	__u64 ns_bytes;
	__u64 ns_bytes_limit;
	__u32 ns_mailboxes;
	__u32 ns_mailboxes_limit;
	__u32 ns_msgs;
	__u32 ns_msgs_limit;
	__u32 limit_grants;
	__u32 reserved;
	__u32 user_files;
	__u32 user_files_limit;
	__u32 ns_files;
	__u32 ns_files_limit;
	__u32 user_listeners;
	__u32 user_listeners_limit;
	__u32 ns_listeners;
	__u32 ns_listeners_limit;
};

/* Of user @uid. */
#define MBOX_USAGE_UID		(1ULL << 0)

/**
 * struct mbox_clock - the calling process's logical clock (MBOX_IOC_CLOCK)
 * @flags: in; MBOX_CLOCK_* bits
 * @stamp: out; what the clock shows, after it has advanced if it does
 * @participant: out; the participant id of the calling process
 *
 * Errors: EINVAL, ENOMEM, EFAULT.
 */
struct mbox_clock {
	__u64 flags;
	__u64 stamp;
	__u64 participant;
};

/* A local event: advance the clock by one, first. */
#define MBOX_CLOCK_TICK		(1ULL << 0)

/**
 * struct mbox_call - send a request and wait for its reply (MBOX_IOC_CALL)
 * @flags: in; MBOX_CALL_* bits
 * @id: in; the mailbox, 0 for the descriptor's; or a process, see MBOX_CALL_PID
 * @buf: in; address of the request
 * @len: in; its length in bytes, 0 to max_size
 * @deadline: in; when to give up waiting, for room and for the reply, with
 *	MBOX_CALL_TIMEOUT
 * @tag: in; any number, as for struct mbox_send
 * @prio: in; 0 to MBOX_PRIO_MAX
 * @nr_files: in; how many files go with the request, 0 to MBOX_FILES_MAX
 * @files: in; address of an array of their descriptors (__s32)
 * @reply: in; address of the buffer for the reply
 * @size: in; its size in bytes
 * @reply_files: in; address of an array of descriptors (__s32) for the files that
 *	come with the reply; written as @files of struct mbox_recv
 * @nr_reply_files: in: its length, 0 to MBOX_FILES_MAX; out: how many came
 * @got: out; MBOX_GOT_* bits of the reply
 * @reply_len: out; length of the reply in bytes
 * @reply_tag: out; its tag
 * @stamp: out; its Lamport stamp
 * @clock: out; the caller's clock after it
 * @sender: out; participant id of the process that replied
 * @pid: out; that process as the caller's pid namespace sees it, 0 if it cannot
 * @uid: out; its effective user as the caller's user namespace sees it
 * @gid: out; likewise its effective group
 * @reserved: in; must be 0
 *
 * Output fields are written on success only. A reply that does not fit is refused
 * to whoever gives it (EMSGSIZE), and the call goes on. Takes a descriptor that is
 * open for writing. After EFAULT the reply, if there was one, is lost.
 *
 * Errors: EBADF, EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EOPNOTSUPP (files), ESRCH
 * (process), EPERM, EMSGSIZE, EXFULL, EDQUOT, ENOSPC, ENOMEM, EFAULT, EOWNERDEAD,
 * EKEYREJECTED, ECANCELED, EKEYREVOKED, ENOBUFS, EAGAIN, ETIMEDOUT, EINTR.
 */
struct mbox_call {
	__u64 flags;
	__u64 id;
	__aligned_u64 buf;
	__u64 len;
	__u64 deadline;
	__u64 tag;
	__u32 prio;
	__u32 nr_files;
	__aligned_u64 files;
	__aligned_u64 reply;
	__u64 size;
	__aligned_u64 reply_files;
	__u32 nr_reply_files;
	__u32 got;
	__u64 reply_len;
	__u64 reply_tag;
	__u64 stamp;
	__u64 clock;
	__u64 sender;
	__s32 pid;
	__u32 uid;
	__u32 gid;
	__u32 reserved;
};

/*
 * EAGAIN instead of waiting for room (at a rendezvous: for a receiver). The reply is
 * waited for all the same.
 */
#define MBOX_CALL_NONBLOCK	MBOX_SEND_NONBLOCK
/* ETIMEDOUT after @deadline. */
#define MBOX_CALL_TIMEOUT	MBOX_SEND_TIMEOUT
/* To a process, as MBOX_SEND_PID. */
#define MBOX_CALL_PID		MBOX_SEND_PID
#define MBOX_CALL_PIDFD		MBOX_SEND_PIDFD
#define MBOX_CALL_PARTICIPANT	MBOX_SEND_PARTICIPANT
/* As MBOX_SEND_SHARED, of the request. */
#define MBOX_CALL_SHARED	MBOX_SEND_SHARED
/* A reply that is longer than @size, or has more files, is cut, not refused. */
#define MBOX_CALL_TRUNCATE	(1ULL << 32)

/**
 * struct mbox_reply - reply to a request (MBOX_IOC_REPLY, MBOX_RECV_REPLY)
 * @flags: in; MBOX_REPLY_* bits
 * @token: in; of the request
 * @buf: in; address of the reply
 * @len: in; its length in bytes, 0 to what the caller has room for, and at most
 *	limit_size or the mailbox's max_size, whichever is larger
 * @tag: in; any number, for the caller
 * @files: in; address of an array of descriptors (__s32) to go with it, whatever the
 *	mailbox was made for
 * @nr_files: in; 0 to what the caller has room for, at most MBOX_FILES_MAX
 * @reserved: in; must be 0
 * @result: out, with MBOX_RECV_REPLY: 0, or -ECANCELED if the caller had gone;
 *	with MBOX_IOC_REPLY it must be 0
 * @done: in and out, with MBOX_RECV_REPLY: 0; 1 once that has replied. A call with 1
 *	does not reply: so one that was interrupted can be repeated. With
 *	MBOX_IOC_REPLY it must be 0
 *
 * Errors: EINVAL, EBADR, EBADF (files), EMSGSIZE, EDQUOT, ENOSPC, ENOMEM, EFAULT, and
 * ECANCELED. After that, as after success, the token is used up.
 */
struct mbox_reply {
	__u64 flags;
	__u64 token;
	__aligned_u64 buf;
	__u64 len;
	__u64 tag;
	__aligned_u64 files;
	__u32 nr_files;
	__u32 reserved;
	__s32 result;
	__u32 done;
};

/* No reply: the caller is told ECANCELED. @buf to @nr_files must be 0. */
#define MBOX_REPLY_DISCARD	(1ULL << 0)
/* As MBOX_SEND_SHARED. */
#define MBOX_REPLY_SHARED	MBOX_SEND_SHARED

/**
 * struct mbox_token - ask about a request, or hand it on (MBOX_IOC_TOKEN)
 * @flags: in; MBOX_TOKEN_* bits
 * @token: in; of the request
 * @pid: in; with MBOX_TOKEN_PASS the process that is to have it; else 0
 * @reserved: in; must be 0
 *
 * Without a flag it tells whether the caller still waits (else ECANCELED; the token
 * stays until it is used). A process may be handed a token that the holder may
 * signal (else EPERM).
 *
 * Errors: EINVAL, EBADR, EBADF, ESRCH, EPERM, ENOMEM, ECANCELED.
 */
struct mbox_token {
	__u64 flags;
	__u64 token;
	__s32 pid;
	__u32 reserved;
};

/* From now on process @pid has the token, and the calling process has not. */
#define MBOX_TOKEN_PASS		(1ULL << 0)
/* @pid is a pidfd. */
#define MBOX_TOKEN_PIDFD	(1ULL << 1)

/**
 * struct mbox_batch - many messages at once (MBOX_IOC_SEND_BATCH, _RECV_BATCH)
 * @flags: in; MBOX_BATCH_* bits
 * @items: in; address of an array of struct mbox_send, or of struct mbox_recv
 * @nr: in; its length, 1 to MBOX_BATCH_MAX
 * @size: in; size of each item in bytes, as the program knows the structure
 * @done: out; how many items were carried out
 * @error: out; 0 if all were, else the negative errno of the next one
 *
 * Each item, with flags and results of its own, is carried out as by MBOX_IOC_SEND
 * or MBOX_IOC_RECV, one after the other, until one fails or a signal comes. Items and
 * what they send may be read before those in front of them are carried out. The call
 * fails, with the errno of the first item, only if @done would be 0; or with EFAULT,
 * if the structure becomes unwritable meanwhile.
 *
 * Errors: EINVAL, E2BIG, EFAULT, and those of the items.
 */
struct mbox_batch {
	__u64 flags;
	__aligned_u64 items;
	__u32 nr;
	__u32 size;
	__u32 done;
	__s32 error;
};

/* Only the first item may wait: the others are not blocking, whatever they say. */
#define MBOX_BATCH_WAIT_ONE	(1ULL << 0)

#define MBOX_BATCH_MAX		1024

#define MBOX_IOC_MAGIC	0xBD

#define MBOX_IOC_INFO	_IOWR(MBOX_IOC_MAGIC, 0x00, struct mbox_info)
#define MBOX_IOC_CREATE	_IOWR(MBOX_IOC_MAGIC, 0x01, struct mbox_create)
#define MBOX_IOC_OPEN	_IOWR(MBOX_IOC_MAGIC, 0x02, struct mbox_open)
#define MBOX_IOC_SEND	_IOWR(MBOX_IOC_MAGIC, 0x03, struct mbox_send)
#define MBOX_IOC_RECV	_IOWR(MBOX_IOC_MAGIC, 0x04, struct mbox_recv)
#define MBOX_IOC_DELETE	_IOWR(MBOX_IOC_MAGIC, 0x05, struct mbox_delete)
#define MBOX_IOC_STAT	_IOWR(MBOX_IOC_MAGIC, 0x06, struct mbox_stat)
#define MBOX_IOC_TRANSFER _IOWR(MBOX_IOC_MAGIC, 0x07, struct mbox_transfer)
#define MBOX_IOC_OFFER	_IOWR(MBOX_IOC_MAGIC, 0x08, struct mbox_transfer)
#define MBOX_IOC_ACCEPT	_IOWR(MBOX_IOC_MAGIC, 0x09, struct mbox_take)
#define MBOX_IOC_CLAIM	_IOWR(MBOX_IOC_MAGIC, 0x0a, struct mbox_take)
#define MBOX_IOC_GRANT	_IOWR(MBOX_IOC_MAGIC, 0x0b, struct mbox_grant)
#define MBOX_IOC_REVOKE	_IOWR(MBOX_IOC_MAGIC, 0x0c, struct mbox_grant)
#define MBOX_IOC_GRANTS	_IOWR(MBOX_IOC_MAGIC, 0x0d, struct mbox_grants)
#define MBOX_IOC_CHANGE	_IOWR(MBOX_IOC_MAGIC, 0x0e, struct mbox_change)
#define MBOX_IOC_USAGE	_IOWR(MBOX_IOC_MAGIC, 0x0f, struct mbox_usage)
#define MBOX_IOC_CLOCK	_IOWR(MBOX_IOC_MAGIC, 0x10, struct mbox_clock)
#define MBOX_IOC_CALL	_IOWR(MBOX_IOC_MAGIC, 0x11, struct mbox_call)
#define MBOX_IOC_REPLY	_IOWR(MBOX_IOC_MAGIC, 0x12, struct mbox_reply)
#define MBOX_IOC_TOKEN	_IOWR(MBOX_IOC_MAGIC, 0x13, struct mbox_token)
#define MBOX_IOC_SEND_BATCH _IOWR(MBOX_IOC_MAGIC, 0x14, struct mbox_batch)
#define MBOX_IOC_RECV_BATCH _IOWR(MBOX_IOC_MAGIC, 0x15, struct mbox_batch)

#endif /* _UAPI_LINUX_MBOX_H */
