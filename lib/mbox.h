/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmbox: mailboxes of the Linux kernel, for programs.
 *
 * A mailbox is used through a descriptor that is bound to it, which poll(2),
 * epoll(7), read(2), write(2), fcntl(2) and close(2) take as well. Functions
 * return -1 with errno set on failure; linux/mbox.h and mbox(4) say what each
 * errno means. A function that opens a descriptor has the errors of open(2), too,
 * but for ENODEV instead of ENOENT: there is no /dev/mbox, so the module is not
 * loaded. All functions may be called from any thread.
 */
#ifndef MBOX_H
#define MBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <linux/mbox.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct mbox_attr - what a mailbox is created with; 0 means the default
 * @max_msgs: capacity in messages, or MBOX_UNBOUNDED; default 64
 * @max_size: largest message in bytes, default 4096
 * @max_bytes: capacity in bytes of payload, or MBOX_UNBOUNDED_BYTES; default
 *	@max_msgs * @max_size, at most what the kernel allows, without bound if
 *	@max_msgs is
 * @mode: who may send (w) and receive (r), as in chmod(1), default 0200: the
 *	owner's user may send, and only the creating process may receive.
 *	The umask is applied. MBOX_MODE_NONE for no bit at all.
 * @flags: the bits below; mbox(4) has the table of what goes together
 * @share: how much of the capacity the messages of one user may take up, in
 *	percent, 1 to 100; default is what the administrator set
 *	(default_share). Not with MBOX_RENDEZVOUS
 * @reserved: must be 0
 */
struct mbox_attr {
	uint32_t max_msgs;
	uint32_t max_size;
	uint64_t max_bytes;
	uint32_t mode;
	uint32_t flags;
	uint32_t share;
	uint32_t reserved[5];
};

/* @mode: nobody has a right but the owner's process. */
#define MBOX_MODE_NONE	UINT32_C(0x80000000)

/* @flags: every message has exactly @max_size bytes. */
#define MBOX_FIXED	UINT32_C(0x00000002)
/* @flags: buffers for @max_msgs messages are reserved now; not with @max_bytes. */
#define MBOX_RESERVE	UINT32_C(0x00000004)
/* @flags: messages can be picked by tag, or by sending process; one of the two. */
#define MBOX_BY_TAG	UINT32_C(0x00000008)
#define MBOX_BY_SENDER	UINT32_C(0x00000010)
/* @flags: one process in receive at a time; not with MBOX_PAIR. */
#define MBOX_SINGLE	UINT32_C(0x00000020)
/* @flags: for the first process that sends and the first that receives. */
#define MBOX_PAIR	UINT32_C(0x00000040)
/*
 * @flags: process-owned. The calling process is the owner for good and the only
 * receiver, and the mailbox is gone when it ends; @mode has no r.
 */
#define MBOX_PROCESS	UINT32_C(0x00000080)
/* @flags: holds nothing; @max_msgs and @max_bytes must be 0 and mean 0. */
#define MBOX_RENDEZVOUS	UINT32_C(0x40000000)
/* @flags: messages have no bytes; @max_size must be 0 and means 0. */
#define MBOX_EMPTY_ONLY	UINT32_C(0x80000000)

/**
 * struct mbox_envelope - what a receiver learns besides the bytes
 * @len: length of the message in bytes, also when it was cut or did not fit
 * @seq: sequence number, ascending from 1 in the order of acceptance; what was
 *	taken back or expired leaves a gap
 * @prio: its priority, 0 to MBOX_PRIO_MAX
 * @pid: the sending process, 0 if it cannot be seen from here
 * @uid: its effective user
 * @gid: its effective group
 * @tag: the number that the sender gave it
 * @from: id of the mailbox it comes from, also when it did not fit
 * @owned: with MBOX_ACCEPT, id of the mailbox that belongs to the caller now since
 *	its ownership came with the message; 0 if none came or the offer was void
 * @reserved: 0; for later versions
 */
struct mbox_envelope {
	uint64_t len;
	uint64_t seq;
	uint32_t prio;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint64_t tag;
	uint64_t from;
	uint64_t owned;
	uint64_t reserved[9];
};

/* To send and to receive: EAGAIN (or EBUSY) instead of waiting. */
#define MBOX_NONBLOCK	0x01
/* To receive: take a message that is longer than the buffer, and cut it. */
#define MBOX_TRUNCATE	0x02
/* To send: done when a receiver has the message, not when the mailbox has it. */
#define MBOX_SYNC	0x04
/* To receive: look at the message and leave it. Not to choose. */
#define MBOX_PEEK	0x08
/* To receive: the lowest priority first. */
#define MBOX_LEAST	0x10
/* For mbox_recv_with(): only a message with this tag, or from this process. */
#define MBOX_MATCH	0x20
/* To receive: own the mailbox that is offered with the message. Not to peek. */
#define MBOX_ACCEPT	0x40

/**
 * struct mbox_send_options - how to send; 0 and NULL mean the default
 * @flags: bits of MBOX_NONBLOCK and MBOX_SYNC
 * @prio: 0, the default, to MBOX_PRIO_MAX, the highest
 * @deadline: when to stop waiting for room or for a receiver, on
 *	CLOCK_MONOTONIC; default: never
 * @expires: when the message is to disappear, likewise; default: never
 * @tag: any number, for the receiver, and to be picked by (MBOX_BY_TAG)
 * @receiver: where the process that received goes, 0 if it cannot be seen from
 *	here or, without MBOX_SYNC or a rendezvous, is not known
 * @offer: id of a mailbox that the caller owns, and that whoever receives the
 *	message with MBOX_ACCEPT owns from then on; default: none
 * @reserved: must be 0
 */
struct mbox_send_options {
	int flags;
	unsigned int prio;
	const struct timespec *deadline;
	const struct timespec *expires;
	uint64_t tag;
	pid_t *receiver;
	uint64_t offer;
	uint64_t reserved[7];
};

/**
 * struct mbox_recv_options - how to receive; 0 and NULL mean the default
 * @flags: bits of MBOX_NONBLOCK, MBOX_TRUNCATE, MBOX_PEEK, MBOX_LEAST,
 *	MBOX_MATCH and MBOX_ACCEPT
 * @nth: how many messages to pass over, 0 to MBOX_PEEK_MAX, with MBOX_PEEK; if it
 *	is not 0, the call does not wait
 * @deadline: when to stop waiting for a message or for one's turn, on
 *	CLOCK_MONOTONIC; default: never
 * @match: with MBOX_MATCH, the tag (MBOX_BY_TAG) or the process (MBOX_BY_SENDER)
 * @reserved: must be 0
 */
struct mbox_recv_options {
	int flags;
	unsigned int nth;
	const struct timespec *deadline;
	uint64_t match;
	uint64_t reserved[8];
};

/**
 * mbox_create() - make a mailbox and bind a new descriptor to it
 * @name: its name (1 to 63 bytes, see MBOX_NAME_SIZE), or NULL for none
 * @attr: its attributes, or NULL for the defaults
 * @oflag: bits of O_NONBLOCK and O_CLOEXEC
 *
 * Return: the descriptor. Errors: those of open(2) on /dev/mbox; EINVAL,
 * EEXIST, EDQUOT, ENOSPC, ENOMEM; ENAMETOOLONG for a name over 63 bytes.
 */
int mbox_create(const char *name, const struct mbox_attr *attr, int oflag);

/**
 * mbox_open() - bind a new descriptor to the mailbox of that name
 * @name: its name
 * @oflag: O_RDONLY (receive), O_WRONLY (send) or O_RDWR, with bits of
 *	O_NONBLOCK and O_CLOEXEC
 *
 * Return: the descriptor. Errors: those of open(2) on /dev/mbox; EINVAL,
 * ENOENT, EACCES; ENAMETOOLONG for a name over 63 bytes.
 */
int mbox_open(const char *name, int oflag);

/**
 * mbox_open_owned() - mbox_open(), if the mailbox belongs to that user
 * @name: its name
 * @uid: the user who must own it; ENOENT otherwise
 * @oflag: as for mbox_open()
 */
int mbox_open_owned(const char *name, uid_t uid, int oflag);

/**
 * mbox_open_id() - bind a new descriptor to the mailbox of that id
 * @id: its id, not 0
 * @oflag: as for mbox_open()
 *
 * Return: the descriptor. Errors: as for mbox_open(), and EIDRM.
 */
int mbox_open_id(uint64_t id, int oflag);

/**
 * mbox_send() - send a message
 * @fd: bound descriptor, open for writing
 * @buf: the message
 * @len: its length in bytes, 0 to the mailbox's max_size
 * @prio: 0 to MBOX_PRIO_MAX, the highest
 * @flags: bits of MBOX_NONBLOCK and MBOX_SYNC
 * @deadline: when to stop waiting, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return: 0, and the mailbox has the message or, with MBOX_SYNC and at a
 * rendezvous, a receiver. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EPERM,
 * EMSGSIZE, EXFULL, EDQUOT, ENOSPC, ENOMEM, EFAULT, EKEYREVOKED, ENOBUFS, EAGAIN,
 * ETIMEDOUT, EINTR; nobody has it then, or will.
 */
int mbox_send(int fd, const void *buf, size_t len, unsigned int prio, int flags,
	      const struct timespec *deadline);

/**
 * mbox_send_with() - send a message, with every choice there is
 * @fd: bound descriptor, open for writing
 * @buf: the message
 * @len: its length in bytes
 * @options: how to send it, or NULL for the defaults
 *
 * Return and errors: as mbox_send(); with @options->offer also ENOENT and
 * EOPNOTSUPP. *@options->receiver is written on success.
 */
int mbox_send_with(int fd, const void *buf, size_t len,
		   const struct mbox_send_options *options);

/**
 * mbox_recv() - receive a message
 * @fd: bound descriptor, open for reading
 * @buf: where the message goes
 * @size: size of @buf in bytes
 * @envelope: where the rest of it goes, or NULL
 * @flags: bits of MBOX_NONBLOCK, MBOX_TRUNCATE, MBOX_PEEK, MBOX_LEAST and
 *	MBOX_ACCEPT
 * @deadline: when to stop waiting, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return: how many bytes of @buf were written; 0 is an empty message. Errors:
 * EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EFAULT, EPERM, EKEYREVOKED, EBUSY, EAGAIN,
 * ETIMEDOUT, EINTR; with MBOX_ACCEPT also EDQUOT and ENOMEM; and EMSGSIZE:
 * @envelope->len bytes are needed; the message stays.
 */
ssize_t mbox_recv(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		  int flags, const struct timespec *deadline);

/**
 * mbox_recv_with() - receive a message, with every choice there is
 * @fd: bound descriptor, open for reading
 * @buf: where the message goes
 * @size: size of @buf in bytes
 * @envelope: where the rest of it goes, or NULL
 * @options: how to receive it, or NULL for the defaults
 *
 * Return and errors: as mbox_recv(); with MBOX_MATCH also EOPNOTSUPP, ESRCH.
 */
ssize_t mbox_recv_with(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		       const struct mbox_recv_options *options);

/**
 * mbox_choose() - receive from whichever of several mailboxes has a message first
 * @fd: any descriptor of /dev/mbox that is open for reading, bound or not
 *	(mbox_device()); it remembers which mailbox was served, so that each gets
 *	its turn
 * @ids: the ids of the mailboxes
 * @nr: how many, 1 to MBOX_CHOICE_MAX
 * @buf: where the message goes
 * @size: size of @buf in bytes
 * @envelope: where the rest of it goes, or NULL; @envelope->from tells which it was
 * @flags: bits of MBOX_NONBLOCK, MBOX_TRUNCATE, MBOX_LEAST and MBOX_ACCEPT
 * @deadline: when to stop waiting, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return and errors: as mbox_recv(), but for ENOTCONN and EBUSY; ENOENT, ENOMEM;
 * EOPNOTSUPP if one of them is MBOX_SINGLE.
 */
ssize_t mbox_choose(int fd, const uint64_t *ids, unsigned int nr, void *buf, size_t size,
		    struct mbox_envelope *envelope, int flags,
		    const struct timespec *deadline);

/**
 * mbox_delete() - end the mailbox; everybody who uses it is told EIDRM
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES.
 */
int mbox_delete(int fd);

/* For mbox_transfer() and mbox_offer(): the former owner may still receive. */
#define MBOX_KEEP	0x01
/* The process is said by a pidfd: it, and none that has its number later. */
#define MBOX_PIDFD	0x02

/**
 * mbox_transfer() - make a process the owner of the mailbox, now
 * @fd: bound descriptor
 * @pid: a process that the caller may signal
 * @flags: bits of MBOX_KEEP and MBOX_PIDFD
 *
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, ESRCH,
 * EPERM, EMLINK, EDQUOT, ENOMEM, EINTR.
 */
int mbox_transfer(int fd, pid_t pid, int flags);

/**
 * mbox_offer() - offer the ownership of the mailbox to a process
 * @fd: bound descriptor
 * @pid: the process, in the place of the one it was offered to before, if any;
 *	0 with @flags 0 takes the offer back
 * @flags: bits of MBOX_KEEP and MBOX_PIDFD
 *
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, ESRCH,
 * EMLINK, ENOMEM, EINTR.
 */
int mbox_offer(int fd, pid_t pid, int flags);

/**
 * mbox_accept() - own the mailbox that is offered to the calling process
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, EDQUOT, ENOMEM,
 * EINTR.
 */
int mbox_accept(int fd);

/**
 * mbox_claim() - own the mailbox, whose owner has ended
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, EDQUOT, ENOMEM,
 * EINTR, and EBUSY: it has an owner.
 */
int mbox_claim(int fd);

/**
 * mbox_grant() - give a process rights to the mailbox
 * @fd: bound descriptor
 * @pid: the process
 * @rights: one or more of MBOX_RIGHT_SEND, MBOX_RIGHT_RECV and MBOX_RIGHT_MANAGE,
 *	in addition to those it has
 * @flags: 0 or MBOX_PIDFD
 *
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, ESRCH,
 * EMLINK, ENOMEM, EINTR.
 */
int mbox_grant(int fd, pid_t pid, unsigned int rights, int flags);

/**
 * mbox_revoke() - take back what was granted to a process
 * @fd: bound descriptor
 * @pid: the process
 * @rights: what to take away, as for mbox_grant()
 * @flags: 0 or MBOX_PIDFD
 *
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, ESRCH,
 * ENOMEM, EINTR.
 */
int mbox_revoke(int fd, pid_t pid, unsigned int rights, int flags);

/**
 * mbox_grants() - who was granted what
 * @fd: bound descriptor
 * @grants: where it goes
 * @nr: how many fit, 0 to MBOX_GRANTS_MAX
 *
 * Return: how many grants there are, which may be more than @nr. Errors: EBADF,
 * EINVAL, ENOTCONN, EIDRM, EACCES, ENOMEM, EFAULT; @grants is undefined then.
 */
int mbox_grants(int fd, struct mbox_granted *grants, unsigned int nr);

/**
 * mbox_chmod() - change the mode bits of the mailbox
 * @fd: bound descriptor
 * @mode: bits of 0666 (MBOX_PROCESS: of 0222), 0 for none; the umask does not
 *	count
 *
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, ENOMEM, EINTR.
 */
int mbox_chmod(int fd, mode_t mode);

/**
 * mbox_chown() - change the owning user and group of the mailbox
 * @fd: bound descriptor
 * @uid: the user, or (uid_t)-1 to leave it
 * @gid: the group, or (gid_t)-1 to leave it; not both
 *
 * It takes CAP_IPC_OWNER. The owner's process stays the owner.
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, EDQUOT,
 * ENOMEM, EINTR.
 */
int mbox_chown(int fd, uid_t uid, gid_t gid);

/**
 * mbox_getstat() - attributes and counters of the mailbox
 * @fd: bound descriptor
 * @stat: where they go
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES; *@stat is undefined then.
 */
int mbox_getstat(int fd, struct mbox_stat *stat);

/**
 * mbox_next() - the next mailbox that the caller may see
 * @fd: any descriptor of /dev/mbox, bound or not (mbox_device())
 * @id: look from this id on, 1 to begin
 * @stat: where its attributes and counters go
 *
 * Return: 0. Errors: EBADF; ENOENT when there is none left; *@stat is undefined
 * then.
 */
int mbox_next(int fd, uint64_t id, struct mbox_stat *stat);

/**
 * mbox_device() - a descriptor of /dev/mbox that is bound to no mailbox
 *
 * For mbox_next(), mbox_getinfo(), mbox_getusage() and mbox_choose(); open for
 * reading, close-on-exec. Return: the descriptor. Errors: those of open(2).
 */
int mbox_device(void);

/**
 * mbox_getinfo() - features and limits of this kernel's mbox
 * @fd: any descriptor of /dev/mbox
 * @info: where they go
 *
 * Return: 0. Errors: EBADF; *@info is undefined then.
 */
int mbox_getinfo(int fd, struct mbox_info *info);

/**
 * mbox_getusage() - the caller's quotas, and what is used of them
 * @fd: any descriptor of /dev/mbox
 * @usage: where they go
 *
 * Return: 0. Errors: EBADF; *@usage is undefined then.
 */
int mbox_getusage(int fd, struct mbox_usage *usage);

/**
 * mbox_getusage_of() - a user's quotas, and what is used of them
 * @fd: any descriptor of /dev/mbox
 * @uid: the user; of another one it takes CAP_SYS_RESOURCE
 * @usage: where they go
 *
 * Return: 0. Errors: EBADF, EINVAL, EACCES; *@usage is undefined then.
 */
int mbox_getusage_of(int fd, uid_t uid, struct mbox_usage *usage);

/**
 * mbox_deadline() - a point in time from now on
 * @deadline: where it goes
 * @nanoseconds: how far away
 *
 * Return: @deadline, for whatever takes one.
 */
struct timespec *mbox_deadline(struct timespec *deadline, uint64_t nanoseconds);

#ifdef __cplusplus
}
#endif

#endif /* MBOX_H */
