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

/* A deadline has one form, however the program and the library were compiled. */
#if defined(__TIMESIZE) && __TIMESIZE == 32 && !defined(__USE_TIME_BITS64)
#error "libmbox takes times of 64 bits: compile with -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64"
#endif

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
/* @flags: messages may bring files, as long as an owner lives. */
#define MBOX_FILES	UINT32_C(0x00000100)
/*
 * @flags: the calling process's inbox, for direct communication; with MBOX_FIXED at
 * most. @max_msgs and @max_bytes are for each link; the defaults are those of the
 * inbox that the kernel makes: MBOX_INBOX_MSGS, no bound in bytes, MBOX_INBOX_SIZE, or
 * what the limits allow if that is less, MBOX_MODE_NONE. @share must be 0.
 */
#define MBOX_INBOX	UINT32_C(0x00000200)
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
 * @stamp: its Lamport stamp
 * @clock: the caller's logical clock after the receive
 * @time: when it was accepted, on CLOCK_MONOTONIC, in nanoseconds
 * @realtime: the same on CLOCK_REALTIME as it was then, in nanoseconds
 * @sender: participant id of the sending process, which no other process ever has
 * @token: with MBOX_TOKEN, what to reply by; 0 if it is not a request
 * @tid: the sending thread, 0 if it cannot be seen from here
 * @got: bits of MBOX_GOT_REQUEST, MBOX_GOT_FILES_LOST and MBOX_GOT_SHARED
 * @nr_files: how many files came, also when they did not fit
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
	uint64_t stamp;
	uint64_t clock;
	uint64_t time;
	uint64_t realtime;
	uint64_t sender;
	uint64_t token;
	pid_t tid;
	uint32_t got;
	uint32_t nr_files;
	uint32_t reserved[3];
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
/* To receive: if it is a request, take the duty to reply. Not to peek. */
#define MBOX_TOKEN	0x80
/* The process is said by a pidfd: it, and none that has its number later. */
#define MBOX_PIDFD	0x100
/* The process is said by its participant id. */
#define MBOX_PARTICIPANT 0x200
/*
 * Directly: to the process that the options name; from the calling process's inbox,
 * with MBOX_MATCH from one process. mbox_send_to() and mbox_recv_from() set it.
 */
#define MBOX_DIRECT	0x400
/*
 * To send, call and reply: what is meant is in the memory that the first file is.
 * mbox_send_large() sets it.
 */
#define MBOX_SHARED	0x800

/**
 * struct mbox_send_options - how to send; 0 and NULL mean the default
 * @flags: bits of MBOX_NONBLOCK, MBOX_SYNC and MBOX_SHARED; MBOX_DIRECT, with
 *	MBOX_PIDFD or MBOX_PARTICIPANT
 * @prio: 0, the default, to MBOX_PRIO_MAX, the highest
 * @deadline: when to stop waiting for room or for a receiver, on
 *	CLOCK_MONOTONIC; default: never
 * @expires: when the message is to disappear, likewise; default: never
 * @tag: any number, for the receiver, and to be picked by (MBOX_BY_TAG)
 * @receiver: where the process that received goes, 0 if it cannot be seen from
 *	here or, without MBOX_SYNC or a rendezvous, is not known
 * @offer: id of a mailbox that the caller owns, and that whoever receives the
 *	message with MBOX_ACCEPT owns from then on; default: none
 * @process: with MBOX_DIRECT, the process to send to: its pid, or as @flags say
 * @files: descriptors of open files that go with the message; they stay open
 * @stamp: where the Lamport stamp that the message gets goes
 * @nr_files: how many files, 0 to MBOX_FILES_MAX
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
	uint64_t process;
	const int *files;
	uint64_t *stamp;
	unsigned int nr_files;
	uint32_t reserved[(44 - 2 * sizeof(void *)) / 4];
};

/**
 * struct mbox_recv_options - how to receive; 0 and NULL mean the default
 * @flags: bits of MBOX_NONBLOCK, MBOX_TRUNCATE, MBOX_PEEK, MBOX_LEAST,
 *	MBOX_MATCH, MBOX_ACCEPT, MBOX_TOKEN and MBOX_DIRECT; with MBOX_MATCH one of
 *	MBOX_PIDFD and MBOX_PARTICIPANT
 * @nth: how many messages to pass over, 0 to MBOX_PEEK_MAX, with MBOX_PEEK; if it
 *	is not 0, the call does not wait
 * @deadline: when to stop waiting for a message or for one's turn, on
 *	CLOCK_MONOTONIC; default: never
 * @match: with MBOX_MATCH, the tag (MBOX_BY_TAG) or the process (MBOX_BY_SENDER,
 *	MBOX_DIRECT)
 * @files: where the descriptors of the files that come go, close-on-exec; a negative
 *	errno for a file that could not be had, -1 behind the last; NULL: the files
 *	of the message are closed
 * @nr_files: how many fit, 0 to MBOX_FILES_MAX
 * @reserved: must be 0
 */
struct mbox_recv_options {
	int flags;
	unsigned int nth;
	const struct timespec *deadline;
	uint64_t match;
	int *files;
	unsigned int nr_files;
	uint32_t reserved[(60 - sizeof(void *)) / 4];
};

/**
 * struct mbox_call_options - how to call; 0 and NULL mean the default
 * @flags: bits of MBOX_NONBLOCK (EAGAIN instead of waiting for room; the reply is
 *	waited for), MBOX_TRUNCATE (a reply with more bytes or files than fit is cut,
 *	not refused) and MBOX_SHARED (the request); MBOX_DIRECT, with MBOX_PIDFD or
 *	MBOX_PARTICIPANT
 * @prio: of the request, 0, the default, to MBOX_PRIO_MAX, the highest
 * @deadline: when to stop waiting, for room and for the reply, on
 *	CLOCK_MONOTONIC; default: never
 * @tag: any number, for the receiver, and to be picked by (MBOX_BY_TAG)
 * @process: with MBOX_DIRECT, the process to call: its pid, or as @flags say
 * @files: descriptors of open files that go with the request; they stay open
 * @reply_files: where the descriptors of the files of the reply go, as @files of
 *	struct mbox_recv_options
 * @nr_files: how many files, 0 to MBOX_FILES_MAX
 * @nr_reply_files: how many fit, 0 to MBOX_FILES_MAX
 * @reserved: must be 0
 */
struct mbox_call_options {
	int flags;
	unsigned int prio;
	const struct timespec *deadline;
	uint64_t tag;
	uint64_t process;
	const int *files;
	int *reply_files;
	unsigned int nr_files;
	unsigned int nr_reply_files;
	uint64_t reserved[8];
};

/**
 * struct mbox_reply_options - how to reply; 0 and NULL mean the default
 * @flags: 0 or MBOX_SHARED
 * @nr_files: how many files, 0 to MBOX_FILES_MAX
 * @files: descriptors of open files that go with the reply; they stay open
 * @tag: any number, for the caller
 * @reserved: must be 0
 */
struct mbox_reply_options {
	int flags;
	unsigned int nr_files;
	const int *files;
	uint64_t tag;
	uint64_t reserved[8];
};

/**
 * struct mbox_answer - the reply of mbox_reply_recv(), and what became of it
 * @token: in: of the request, 0 for no reply; out: 0 once the reply was given
 * @buf: in; the reply
 * @len: in; its length in bytes
 * @options: in; how to reply, or NULL for the defaults
 * @error: out; with @token 0: 0, or ECANCELED if the caller had given up before
 * @reserved: must be 0
 */
struct mbox_answer {
	uint64_t token;
	const void *buf;
	size_t len;
	const struct mbox_reply_options *options;
	int error;
	uint32_t reserved[5];
};

/**
 * struct mbox_large - a message that may be large; all 0 is none
 * @data: its bytes; what was received is not to be written to
 * @len: how many they are; of a message to be sent it may be made smaller
 * @size: the library's, as all that follows
 */
struct mbox_large {
	void *data;
	size_t len;
	size_t size;
	int file;
	unsigned int state;
	uint64_t reserved[4];
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
 * EOPNOTSUPP; with files EOPNOTSUPP and EOWNERDEAD; with MBOX_DIRECT ESRCH.
 * *@options->receiver and *@options->stamp are written on success.
 */
int mbox_send_with(int fd, const void *buf, size_t len,
		   const struct mbox_send_options *options);

/**
 * mbox_recv() - receive a message
 * @fd: bound descriptor, open for reading
 * @buf: where the message goes
 * @size: size of @buf in bytes
 * @envelope: where the rest of it goes, or NULL
 * @flags: bits of MBOX_NONBLOCK, MBOX_TRUNCATE, MBOX_PEEK, MBOX_LEAST,
 *	MBOX_ACCEPT and MBOX_TOKEN
 * @deadline: when to stop waiting, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return: how many bytes of @buf were written; 0 is an empty message. Errors:
 * EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, ENOMEM, EFAULT, EPERM, EKEYREVOKED, EBUSY,
 * EAGAIN, ETIMEDOUT, EINTR; with MBOX_ACCEPT also EDQUOT; and EMSGSIZE: @envelope->len
 * bytes and room for @envelope->nr_files files are needed; the message stays.
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
 * Return and errors: as mbox_recv(); with MBOX_MATCH also EOPNOTSUPP, ESRCH; with
 * MBOX_DIRECT EDQUOT and ENOSPC.
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
 * @flags: bits of MBOX_NONBLOCK, MBOX_TRUNCATE, MBOX_LEAST, MBOX_ACCEPT and
 *	MBOX_TOKEN
 * @deadline: when to stop waiting, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return and errors: as mbox_recv(), but for ENOTCONN and EBUSY; ENOENT; EOPNOTSUPP if
 * one of them is MBOX_SINGLE.
 */
ssize_t mbox_choose(int fd, const uint64_t *ids, unsigned int nr, void *buf, size_t size,
		    struct mbox_envelope *envelope, int flags,
		    const struct timespec *deadline);

/**
 * mbox_send_to() - send a message directly to a process
 * @fd: any descriptor of /dev/mbox that is open for writing (mbox_device())
 * @process: its pid; with MBOX_PIDFD in @options->flags a pidfd, with
 *	MBOX_PARTICIPANT a participant id
 * @buf: the message
 * @len: its length in bytes
 * @options: how to send it, or NULL for the defaults; @options->process must be 0
 *
 * Return and errors: as mbox_send_with(), but for ENOTCONN; ESRCH, and EPERM: the
 * process may not be signalled and did not open its inbox; EIDRM: it has ended.
 */
int mbox_send_to(int fd, uint64_t process, const void *buf, size_t len,
		 const struct mbox_send_options *options);

/**
 * mbox_recv_from() - receive a message that was sent directly to the calling process
 * @fd: any descriptor of /dev/mbox that is open for reading (mbox_device())
 * @process: from which process: its pid, or as for mbox_send_to(); 0 without
 *	MBOX_PIDFD: from any
 * @buf: where the message goes
 * @size: size of @buf in bytes
 * @envelope: where the rest of it goes, or NULL
 * @options: how to receive it, or NULL for the defaults; @options->match must be 0
 *
 * Return and errors: as mbox_recv_with(), but for ENOTCONN; EIDRM: that process has
 * ended and sent no more.
 */
ssize_t mbox_recv_from(int fd, uint64_t process, void *buf, size_t size,
		       struct mbox_envelope *envelope,
		       const struct mbox_recv_options *options);

/**
 * mbox_open_inbox() - bind a new descriptor to the inbox of a process
 * @process: its pid, 0 for the calling process, or as @flags say
 * @oflag: as for mbox_open()
 * @flags: 0, MBOX_PIDFD or MBOX_PARTICIPANT
 *
 * If there is none yet, it is made.
 * Return: the descriptor. Errors: as for mbox_open_id(), and EBADF, ESRCH, EDQUOT,
 * ENOSPC, ENOMEM.
 */
int mbox_open_inbox(uint64_t process, int oflag, int flags);

/**
 * mbox_call() - send a request and wait for its reply
 * @fd: bound descriptor, open for writing
 * @request: the request
 * @len: its length in bytes, 0 to the mailbox's max_size
 * @reply: where the reply goes
 * @size: size of @reply in bytes
 * @envelope: where the rest of the reply goes, or NULL: @len, @tag, @stamp, @clock,
 *	@sender, @pid, @uid, @gid, @got and @nr_files; the others are 0
 * @deadline: when to stop waiting, on CLOCK_MONOTONIC, or NULL: never
 *
 * Return: how many bytes of @reply were written. Errors: EBADF, EINVAL, ENOTCONN,
 * EIDRM, EACCES, EPERM, EMSGSIZE (the request), EXFULL, EDQUOT, ENOSPC, ENOMEM,
 * EFAULT, EOWNERDEAD, EKEYREJECTED, ECANCELED, EKEYREVOKED, ENOBUFS, EAGAIN,
 * ETIMEDOUT, EINTR. After EOWNERDEAD, EKEYREJECTED, ECANCELED, ETIMEDOUT and EINTR
 * somebody may have begun with what was asked.
 */
ssize_t mbox_call(int fd, const void *request, size_t len, void *reply, size_t size,
		  struct mbox_envelope *envelope, const struct timespec *deadline);

/**
 * mbox_call_with() - send a request and wait for its reply, with every choice
 * @fd: bound descriptor, or with MBOX_DIRECT any, open for writing
 * @request: the request
 * @len: its length in bytes
 * @reply: where the reply goes
 * @size: size of @reply in bytes
 * @envelope: where the rest of the reply goes, or NULL
 * @options: how to call, or NULL for the defaults
 *
 * Return and errors: as mbox_call(); with files also EOPNOTSUPP, with MBOX_DIRECT
 * ESRCH.
 */
ssize_t mbox_call_with(int fd, const void *request, size_t len, void *reply, size_t size,
		       struct mbox_envelope *envelope,
		       const struct mbox_call_options *options);

/**
 * mbox_reply() - reply to a request that was received with MBOX_TOKEN
 * @fd: any descriptor of /dev/mbox
 * @token: the @token of its envelope
 * @buf: the reply
 * @len: its length in bytes
 *
 * Return: 0, and the token is used up. Errors: EBADF, EINVAL, EBADR, EMSGSIZE (longer
 * than what the caller has room for), EDQUOT, ENOSPC, ENOMEM, EFAULT; the token stays;
 * ECANCELED: the caller has given up, and the token is used up.
 */
int mbox_reply(int fd, uint64_t token, const void *buf, size_t len);

/**
 * mbox_reply_with() - reply to a request, with every choice there is
 * @fd: any descriptor of /dev/mbox
 * @token: the @token of its envelope
 * @buf: the reply
 * @len: its length in bytes
 * @options: how to reply, or NULL for the defaults
 *
 * Return and errors: as mbox_reply().
 */
int mbox_reply_with(int fd, uint64_t token, const void *buf, size_t len,
		    const struct mbox_reply_options *options);

/**
 * mbox_reply_recv() - reply, and wait for the next request, in one system call
 * @fd: bound descriptor, or with MBOX_DIRECT any, open for reading
 * @answer: the reply. Its token is 0 after the call once the reply was given; so a
 *	call that was interrupted can be repeated as it is
 * @buf: where the request goes
 * @size: size of @buf in bytes; @buf may be the buffer of the reply
 * @envelope: where the rest of it goes; its token, 0 if what came is no request, is
 *	what the next @answer takes
 * @options: how to receive, or NULL for the defaults; MBOX_TOKEN is implied
 *
 * Return: how many bytes of @buf were written. Errors: if @answer->token is not 0,
 * those of mbox_reply_with() but for ECANCELED (see @answer->error), and nothing was
 * received; else those of mbox_recv_with().
 */
ssize_t mbox_reply_recv(int fd, struct mbox_answer *answer, void *buf, size_t size,
			struct mbox_envelope *envelope,
			const struct mbox_recv_options *options);

/**
 * mbox_discard() - use a token up without a reply; the caller is told ECANCELED
 * @fd: any descriptor of /dev/mbox
 * @token: the @token of the request's envelope
 *
 * Return: 0. Errors: EBADF, EBADR, ENOMEM; ECANCELED as mbox_reply().
 */
int mbox_discard(int fd, uint64_t token);

/**
 * mbox_waits() - does the caller still wait for this reply?
 * @fd: any descriptor of /dev/mbox
 * @token: the @token of the request's envelope; it stays, either way
 *
 * Return: 1, or 0 if the caller has given up. Errors: EBADF, EBADR, ENOMEM.
 */
int mbox_waits(int fd, uint64_t token);

/**
 * mbox_pass() - hand a token on: from now on another process is to reply
 * @fd: any descriptor of /dev/mbox
 * @token: the @token of the request's envelope
 * @pid: a process that the caller may signal; it must learn the token, in a message
 *	for example
 * @flags: 0 or MBOX_PIDFD
 *
 * Return: 0. Errors: EBADF, EINVAL, EBADR, ESRCH, EPERM, ENOMEM, ECANCELED.
 */
int mbox_pass(int fd, uint64_t token, pid_t pid, int flags);

/* For mbox_send_many() and mbox_recv_many(): only the first item may wait. */
#define MBOX_WAIT_ONE	0x01

/**
 * mbox_send_many() - send several messages in one system call
 * @fd: descriptor, open for writing
 * @items: the messages, each with flags and results of its own; see struct mbox_send
 *	in linux/mbox.h; @id 0 is the mailbox that @fd is bound to
 * @nr: how many, 1 to MBOX_BATCH_MAX
 * @flags: 0 or MBOX_WAIT_ONE
 * @error: where the errno of the first that was not sent goes, 0 if all were; or NULL
 *
 * Return: how many were sent, at least 1. Errors: EBADF, EINVAL, E2BIG, EFAULT, and
 * those of the first.
 */
int mbox_send_many(int fd, struct mbox_send *items, unsigned int nr, int flags,
		   int *error);

/**
 * mbox_recv_many() - receive several messages in one system call
 * @fd: descriptor, open for reading
 * @items: where they go, each with flags and results of its own; see struct mbox_recv
 * @nr: how many, 1 to MBOX_BATCH_MAX
 * @flags: 0 or MBOX_WAIT_ONE: take what there is, and wait only if there is none
 * @error: where the errno of the first that was not received goes, 0 if all were; or
 *	NULL
 *
 * Return: how many were received, at least 1. Errors: as mbox_send_many().
 */
int mbox_recv_many(int fd, struct mbox_recv *items, unsigned int nr, int flags,
		   int *error);

/**
 * mbox_tick() - a local event: advance the process's logical clock by one
 * @fd: any descriptor of /dev/mbox
 * @stamp: where what it shows then goes, or NULL
 *
 * Return: 0. Errors: EBADF, ENOMEM, EFAULT.
 */
int mbox_tick(int fd, uint64_t *stamp);

/**
 * mbox_getclock() - the process's logical clock and participant id
 * @fd: any descriptor of /dev/mbox
 * @clock: where they go
 *
 * Return: 0. Errors: EBADF, ENOMEM; *@clock is undefined then.
 */
int mbox_getclock(int fd, struct mbox_clock *clock);

/**
 * mbox_send_large() - send a message of any size: copied, or as shared memory
 * @fd: descriptor, open for writing; the mailbox takes files (MBOX_FILES, inboxes)
 * @buf: the message; it may be changed afterwards
 * @len: its length in bytes
 * @options: how to send it, or NULL for the defaults; with fewer than MBOX_FILES_MAX
 *	files, without MBOX_SHARED
 *
 * For mbox_recv_large(). What is short and fits into the mailbox is copied, also into
 * one that takes no files.
 * Return and errors: as mbox_send_with(), and those of memfd_create(2) and write(2).
 */
int mbox_send_large(int fd, const void *buf, size_t len,
		    const struct mbox_send_options *options);

/**
 * mbox_recv_large() - receive a message of any size
 * @fd: descriptor, open for reading
 * @large: where it goes; what it held before is freed
 * @envelope: where the rest of it goes, or NULL; @envelope->len is the length of the
 *	whole, @envelope->nr_files does not count the memory
 * @options: how to receive it, or NULL for the defaults; without MBOX_TRUNCATE and
 *	MBOX_PEEK. @options->files, if there is any, needs room for one more than the
 *	files that come
 *
 * Return: 0, and @large->data is there until mbox_large_free(). Nobody can change it.
 * Errors: as mbox_recv_with(); EBADMSG: what the sender shares could still be changed or
 * truncated, or is not all there; EOWNERDEAD: the mailbox has lost its owner, and with it
 * the memory; EMFILE, ENFILE, ENOMEM. Then @large is none. After these (ENOMEM: for what
 * is shared) the message is gone, and @envelope tells whose it was.
 */
int mbox_recv_large(int fd, struct mbox_large *large, struct mbox_envelope *envelope,
		    const struct mbox_recv_options *options);

/**
 * mbox_large_alloc() - memory to fill in place, for mbox_send_filled()
 * @large: where it goes; what it held before is freed
 * @len: its size in bytes, at least 1; all of it is there, and 0
 *
 * Return: 0. Errors: EINVAL, and those of memfd_create(2), mmap(2) and madvise(2).
 */
int mbox_large_alloc(struct mbox_large *large, size_t len);

/**
 * mbox_send_filled() - send what was filled in place, without a copy
 * @fd: descriptor, open for writing; the mailbox takes files
 * @large: from mbox_large_alloc(); its first @large->len bytes are the message
 * @options: as for mbox_send_large()
 *
 * Return: 0, and @large is none. Errors: as mbox_send_large(), and EBUSY: somebody
 * else may still write to the memory; then @large can be sent again or freed, but its
 * bytes may only be read.
 */
int mbox_send_filled(int fd, struct mbox_large *large,
		     const struct mbox_send_options *options);

/**
 * mbox_large_seal() - make what was filled in place final, and tell its file
 * @large: from mbox_large_alloc()
 *
 * To share it otherwise than by mbox_send_filled(): as the first file of a message,
 * call or reply with MBOX_SHARED, several times if need be.
 * Return: the descriptor, which mbox_large_free() closes. Errors: EINVAL, EBUSY, and
 * those of ftruncate(2), mmap(2) and fcntl(2).
 */
int mbox_large_seal(struct mbox_large *large);

/**
 * mbox_large_map() - look at the memory that came with MBOX_GOT_SHARED
 * @large: where it goes; what it held before is freed
 * @file: the first of the files that came; it stays open
 *
 * Return: 0. Errors: EBADF, ENOMEM, and EBADMSG as mbox_recv_large().
 */
int mbox_large_map(struct mbox_large *large, int file);

/**
 * mbox_large_free() - give the memory back
 * @large: what was received or allocated, or none; it is none afterwards
 */
void mbox_large_free(struct mbox_large *large);

/**
 * mbox_delete() - end the mailbox; everybody who uses it is told EIDRM
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES.
 */
int mbox_delete(int fd);

/* For mbox_transfer() and mbox_offer(): the former owner may still receive. */
#define MBOX_KEEP	0x01

/**
 * mbox_transfer() - make a process the owner of the mailbox, now
 * @fd: bound descriptor
 * @pid: a process that the caller may signal
 * @flags: bits of MBOX_KEEP and MBOX_PIDFD
 *
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, ESRCH,
 * EPERM, EMLINK, EDQUOT, ENOMEM.
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
 * EMLINK, ENOMEM.
 */
int mbox_offer(int fd, pid_t pid, int flags);

/**
 * mbox_accept() - own the mailbox that is offered to the calling process
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, EDQUOT, ENOMEM.
 */
int mbox_accept(int fd);

/**
 * mbox_claim() - own the mailbox, whose owner has ended
 * @fd: bound descriptor
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES, EOPNOTSUPP, EDQUOT, ENOMEM, and
 * EBUSY: it has an owner.
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
 * EMLINK, ENOMEM.
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
 * ENOMEM.
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
 * Return: 0. Errors: EBADF, EINVAL, ENOTCONN, EIDRM, EACCES, ENOMEM.
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
 * ENOMEM.
 */
int mbox_chown(int fd, uid_t uid, gid_t gid);

/**
 * mbox_getstat() - attributes and counters of the mailbox
 * @fd: bound descriptor
 * @stat: where they go
 *
 * Return: 0. Errors: EBADF, ENOTCONN, EIDRM, EACCES, ENOMEM; *@stat is undefined then.
 */
int mbox_getstat(int fd, struct mbox_stat *stat);

/**
 * mbox_next() - the next mailbox that the caller may see
 * @fd: any descriptor of /dev/mbox, bound or not (mbox_device())
 * @id: look from this id on, 1 to begin
 * @stat: where its attributes and counters go
 *
 * Return: 0. Errors: EBADF, ENOMEM; ENOENT when there is none left; *@stat is undefined
 * then.
 */
int mbox_next(int fd, uint64_t id, struct mbox_stat *stat);

/**
 * mbox_device() - a descriptor of /dev/mbox that is bound to no mailbox
 *
 * For mbox_next(), mbox_getinfo(), mbox_getusage(), mbox_choose(), mbox_send_to(),
 * mbox_recv_from(), mbox_reply() and mbox_tick(); open for reading and writing, or for
 * reading only if the device's mode bits allow no more, close-on-exec.
 * Return: the descriptor. Errors: those of open(2).
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
 * Return: 0. Errors: EBADF, ENOMEM; *@usage is undefined then.
 */
int mbox_getusage(int fd, struct mbox_usage *usage);

/**
 * mbox_getusage_of() - a user's quotas, and what is used of them
 * @fd: any descriptor of /dev/mbox
 * @uid: the user; of another one it takes CAP_SYS_RESOURCE
 * @usage: where they go
 *
 * Return: 0. Errors: EBADF, EINVAL, EACCES, ENOMEM; *@usage is undefined then.
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
