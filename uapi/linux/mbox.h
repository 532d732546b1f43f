/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * mbox: mailboxes in the kernel. The contract between /dev/mbox and programs.
 *
 * The model
 * ---------
 * A mailbox is an object of the kernel: it has an identity, an owner, mode
 * bits and a bounded buffer of its own, and it exists independently of every
 * process until somebody with the right to do so deletes it. A process sends
 * messages to it and receives messages from it. A message is a sequence of 0
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
 * Order: messages are received by priority, the highest first, and within one
 * priority in the order in which the mailbox accepted them. A message that is
 * handed out and cannot be delivered (the buffer faults) returns to its place
 * in that order.
 *
 * Capacity: a mailbox holds at most max_msgs messages and max_bytes bytes of
 * payload. A sender that finds no room waits, or gets EAGAIN if it does not
 * block. Waiting senders are admitted by priority, then by arrival; nobody
 * overtakes them. Waiting receivers are served longest waiting first.
 *
 * Rights are those of the calling process at each call, never those of the
 * descriptor. The creator's process owns the mailbox: it may receive, look and
 * delete. Everybody may send whom the mode bits allow to write, and receive
 * whom they allow to read (owner's user, group, others: the first class that
 * matches decides). The owning user may delete and look. CAP_IPC_OWNER in the
 * user namespace that owns the mailbox's network namespace may do everything.
 * read(2) and write(2) happen without a program's knowing, so they ask twice:
 * the calling process must have the right, and whoever opened the descriptor
 * must have it too.
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
 *   EAGAIN     it would have to wait, and was asked not to
 *   EBADF      the descriptor is not open for writing (to send) or not open
 *              for reading (to receive)
 *   EEXIST     the name is taken
 *   EFAULT     an address is bad; nothing was sent, nothing was lost
 *   EIDRM      the mailbox existed and is gone, before or during the call
 *   EINTR      a signal came before anything happened (the call is restarted
 *              instead where the handler was installed with SA_RESTART)
 *   EINVAL     an unknown flag, a reserved field that is not zero, a structure
 *              shorter than its first version, a value out of its range
 *   EISCONN    the descriptor is bound to a mailbox already
 *   EMSGSIZE   sending: the message is longer than max_size; receiving: the
 *              message is longer than the buffer, and stays where it was
 *   ENOENT     no mailbox has had this id or has this name (and owner)
 *   ENOMEM     the kernel, or the memory cgroup, has no memory for it
 *   ENOSPC     the namespace has as many mailboxes as its limit allows
 *   ENOTCONN   the id is 0 and the descriptor is bound to no mailbox
 *   ENOTTY     there is no such command
 *   ETIMEDOUT  the deadline passed before anything happened
 *
 * A call that returns an error has changed nothing. Where more than one error
 * applies, arguments come first (E2BIG, EINVAL, EBADF), then the mailbox
 * (ENOTCONN, ENOENT, EIDRM), the right (EACCES), the message (EMSGSIZE,
 * EFAULT, ENOMEM), and last its state (EIDRM, EAGAIN, ETIMEDOUT, EINTR).
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

/* MBOX_IOC_CREATE to MBOX_IOC_STAT, as this header describes them. */
#define MBOX_FEATURE_BASE	(1ULL << 0)

/**
 * struct mbox_create - make a mailbox (MBOX_IOC_CREATE)
 * @flags: in; MBOX_CREATE_* bits
 * @max_bytes: in; capacity in bytes of payload, @max_size to limit_bytes
 * @max_msgs: in; capacity in messages, 1 to limit_msgs
 * @max_size: in; the largest message, in bytes, 0 to limit_size
 * @mode: in; who may send (w) and receive (r): bits of 0666, less the umask
 * @reserved: in; must be 0
 * @name: in; NUL-terminated and zero to its end, or empty for none
 * @id: out; the new mailbox
 *
 * The calling process becomes the owner, its effective user and group those of
 * the mailbox.
 *
 * Errors: EINVAL, EISCONN, EEXIST, ENOSPC, ENOMEM, EFAULT.
 */
struct mbox_create {
	__u64 flags;
	__u64 max_bytes;
	__u32 max_msgs;
	__u32 max_size;
	__u32 mode;
	__u32 reserved;
	__u8 name[MBOX_NAME_SIZE];
	__u64 id;
};

/* Bind the descriptor to the new mailbox. */
#define MBOX_CREATE_BIND	(1ULL << 0)

/**
 * struct mbox_open - bind the descriptor to a mailbox (MBOX_IOC_OPEN)
 * @flags: in; MBOX_OPEN_* bits
 * @name: in; the mailbox by name, or empty: by @id
 * @id: in and out; the mailbox by id, or 0: by @name
 * @uid: in and out; the owner's user, as the caller's user namespace sees it
 *	(the overflow uid if it cannot); read only with MBOX_OPEN_UID
 * @reserved: in; must be 0
 *
 * Exactly one of @name and @id must be given. The caller must have some right
 * to the mailbox: to send, to receive or to delete.
 *
 * Errors: EINVAL, EISCONN, ENOENT, EIDRM, EACCES, EFAULT.
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

/**
 * struct mbox_send - send a message (MBOX_IOC_SEND)
 * @flags: in; MBOX_SEND_* bits
 * @id: in; the mailbox, 0 for the descriptor's
 * @buf: in; address of the message
 * @len: in; its length in bytes, 0 to max_size
 * @deadline: in; when to give up waiting for room, with MBOX_SEND_TIMEOUT
 * @prio: in; 0 to MBOX_PRIO_MAX
 * @reserved: in; must be 0
 *
 * Success means that the mailbox, or a receiver, has the message. After an
 * error nobody has it, or will.
 *
 * Errors: EBADF, EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EMSGSIZE, EFAULT,
 * ENOMEM, EAGAIN, ETIMEDOUT, EINTR.
 */
struct mbox_send {
	__u64 flags;
	__u64 id;
	__aligned_u64 buf;
	__u64 len;
	__u64 deadline;
	__u32 prio;
	__u32 reserved;
};

/* EAGAIN instead of waiting for room. */
#define MBOX_SEND_NONBLOCK	(1ULL << 0)
/* ETIMEDOUT after @deadline. */
#define MBOX_SEND_TIMEOUT	(1ULL << 1)

/**
 * struct mbox_recv - receive a message (MBOX_IOC_RECV)
 * @flags: in; MBOX_RECV_* bits
 * @id: in; the mailbox, 0 for the descriptor's
 * @buf: in; address of the buffer
 * @size: in; its size in bytes
 * @deadline: in; when to give up waiting, with MBOX_RECV_TIMEOUT
 * @len: out; length of the message in bytes (written with EMSGSIZE, too)
 * @seq: out; sequence number: the mailbox accepted it as its @seq-th message,
 *	beginning with 1
 * @prio: out; its priority
 * @pid: out; the sending process as the receiver's pid namespace sees it, 0 if
 *	it cannot
 * @uid: out; the sender's effective user as the receiver's user namespace sees
 *	it, the overflow uid if it cannot
 * @gid: out; likewise its effective group
 *
 * Output fields are written on success only, but for @len.
 *
 * Errors: EBADF, EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EMSGSIZE, EFAULT,
 * EAGAIN, ETIMEDOUT, EINTR.
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
};

/* EAGAIN instead of waiting for a message. */
#define MBOX_RECV_NONBLOCK	(1ULL << 0)
/* ETIMEDOUT after @deadline. */
#define MBOX_RECV_TIMEOUT	(1ULL << 1)
/*
 * A message longer than the buffer is received all the same: the buffer gets
 * its beginning, @len its length, the rest is gone.
 */
#define MBOX_RECV_TRUNCATE	(1ULL << 2)

/**
 * struct mbox_delete - end a mailbox (MBOX_IOC_DELETE)
 * @flags: in; must be 0
 * @id: in; the mailbox, 0 for the descriptor's
 *
 * Its messages are dropped, its name is free, and everybody who waits for it
 * or uses it from now on is told EIDRM. For the owner's process, the owning
 * user and CAP_IPC_OWNER.
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
 *	it cannot, or the process has ended
 * @bytes: out; payload queued, in bytes
 * @bytes_high: out; the most there ever was
 * @msgs: out; messages queued
 * @msgs_high: out; the most there ever were
 * @senders: out; calls that wait for room
 * @receivers: out; calls that wait for a message
 * @sent: out; messages accepted so far
 * @received: out; messages handed out so far
 *
 * All of them are of one moment. The caller must have some right to the
 * mailbox.
 *
 * Errors: EINVAL, ENOTCONN, ENOENT, EIDRM, EACCES, EFAULT.
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
};

/*
 * Instead of @id, tell of the mailbox with the smallest id that is not smaller
 * than @id, among those of the caller's network namespace to which it has some
 * right; ENOENT if there is none. With id 1, and then the last id plus 1, this
 * lists them all.
 */
#define MBOX_STAT_NEXT		(1ULL << 0)

#define MBOX_IOC_MAGIC	0xBD

#define MBOX_IOC_INFO	_IOWR(MBOX_IOC_MAGIC, 0x00, struct mbox_info)
#define MBOX_IOC_CREATE	_IOWR(MBOX_IOC_MAGIC, 0x01, struct mbox_create)
#define MBOX_IOC_OPEN	_IOWR(MBOX_IOC_MAGIC, 0x02, struct mbox_open)
#define MBOX_IOC_SEND	_IOWR(MBOX_IOC_MAGIC, 0x03, struct mbox_send)
#define MBOX_IOC_RECV	_IOWR(MBOX_IOC_MAGIC, 0x04, struct mbox_recv)
#define MBOX_IOC_DELETE	_IOWR(MBOX_IOC_MAGIC, 0x05, struct mbox_delete)
#define MBOX_IOC_STAT	_IOWR(MBOX_IOC_MAGIC, 0x06, struct mbox_stat)

#endif /* _UAPI_LINUX_MBOX_H */
