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
 * @max_msgs: capacity in messages, default 64
 * @max_size: largest message in bytes, default 4096
 * @max_bytes: capacity in bytes of payload, default @max_msgs * @max_size,
 *	at most what the kernel allows
 * @mode: who may send (w) and receive (r), as in chmod(1), default 0200: the
 *	owner's user may send, and only the creating process may receive.
 *	The umask is applied. MBOX_MODE_NONE for no bit at all.
 * @flags: MBOX_EMPTY_ONLY
 */
struct mbox_attr {
	uint32_t max_msgs;
	uint32_t max_size;
	uint64_t max_bytes;
	uint32_t mode;
	uint32_t flags;
};

/* @mode: nobody has a right but the owner's process. */
#define MBOX_MODE_NONE	UINT32_C(0x80000000)
/* @flags: messages have no bytes; @max_size must be 0 and means 0. */
#define MBOX_EMPTY_ONLY	UINT32_C(0x00000001)

/**
 * struct mbox_envelope - what a receiver learns besides the bytes
 * @len: length of the message in bytes, also when it was cut or did not fit
 * @seq: the mailbox accepted it as its seq-th message, beginning with 1
 * @prio: its priority, 0 to MBOX_PRIO_MAX
 * @pid: the sending process, 0 if it cannot be seen from here
 * @uid: its effective user
 * @gid: its effective group
 * @reserved: 0; for later versions
 */
struct mbox_envelope {
	uint64_t len;
	uint64_t seq;
	uint32_t prio;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint64_t reserved[12];
};

/* For mbox_send() and mbox_recv(): EAGAIN instead of waiting. */
#define MBOX_NONBLOCK	0x1
/* For mbox_recv(): take a message that is longer than the buffer, and cut it. */
#define MBOX_TRUNCATE	0x2

/**
 * mbox_create() - make a mailbox and bind a new descriptor to it
 * @name: its name (1 to 63 bytes, see MBOX_NAME_SIZE), or NULL for none
 * @attr: its attributes, or NULL for the defaults
 * @oflag: bits of O_NONBLOCK and O_CLOEXEC
 *
 * Return: the descriptor. Errors: those of open(2) on /dev/mbox; EINVAL,
 * EEXIST, ENOSPC, ENOMEM; ENAMETOOLONG for a name over 63 bytes.
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
 * @flags: 0 or MBOX_NONBLOCK
 * @deadline: when to stop waiting for room, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return: 0, and the mailbox or a receiver has the message. Errors: EBADF,
 * EINVAL, ENOTCONN, EIDRM, EACCES, EMSGSIZE, EFAULT, ENOMEM, EAGAIN, ETIMEDOUT,
 * EINTR; nobody has it then.
 */
int mbox_send(int fd, const void *buf, size_t len, unsigned int prio, int flags,
	      const struct timespec *deadline);

/**
 * mbox_recv() - receive a message
 * @fd: bound descriptor, open for reading
 * @buf: where the message goes
 * @size: size of @buf in bytes
 * @envelope: where the rest of it goes, or NULL
 * @flags: bits of MBOX_NONBLOCK and MBOX_TRUNCATE
 * @deadline: when to stop waiting for a message, on CLOCK_MONOTONIC, or NULL:
 *	never
 *
 * Return: how many bytes of @buf were written; 0 is an empty message. Errors:
 * EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EFAULT, EAGAIN, ETIMEDOUT, EINTR, and
 * EMSGSIZE: @envelope->len bytes are needed; the message stays.
 */
ssize_t mbox_recv(int fd, void *buf, size_t size, struct mbox_envelope *envelope,
		  int flags, const struct timespec *deadline);

/**
 * mbox_delete() - end the mailbox; everybody who uses it is told EIDRM
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES.
 */
int mbox_delete(int fd);

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
 * For mbox_next() and mbox_getinfo(); close-on-exec. Return: the descriptor.
 * Errors: those of open(2).
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
 * mbox_deadline() - a point in time from now on
 * @deadline: where it goes
 * @nanoseconds: how far away
 *
 * Return: @deadline, for mbox_send() and mbox_recv().
 */
struct timespec *mbox_deadline(struct timespec *deadline, uint64_t nanoseconds);

#ifdef __cplusplus
}
#endif

#endif /* MBOX_H */
