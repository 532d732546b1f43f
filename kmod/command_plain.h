/* SPDX-License-Identifier: GPL-2.0-only */
/* command_plain.h - what the short ways of sending and receiving have in common. */
#ifndef MBOX_COMMAND_PLAIN_H
#define MBOX_COMMAND_PLAIN_H

#include <linux/instrumented.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "command.h"
#include "msg.h"
#include "process.h"
#include "wait.h"

/* What is read of the caller's structures. */
struct mbox_plain_send {
	u64 flags;
	u64 buf;
	u64 len;
	u64 tag;
	u32 prio;
};

struct mbox_plain_recv {
	u64 flags;
	u64 buf;
	u64 size;
};

/*
 * False if it cannot be read, or is not plain: one test is for all that is to be zero. User
 * memory is open.
 */
static __always_inline bool mbox_plain_get_send(struct mbox_plain_send *send,
						const struct mbox_send __user *user)
{
	u32 reserved, reserved2, reserved3, nr_files;
	u64 id;

	unsafe_get_user(send->flags, &user->flags, fault);
	unsafe_get_user(id, &user->id, fault);
	unsafe_get_user(send->buf, &user->buf, fault);
	unsafe_get_user(send->len, &user->len, fault);
	unsafe_get_user(send->prio, &user->prio, fault);
	unsafe_get_user(reserved, &user->reserved, fault);
	unsafe_get_user(send->tag, &user->tag, fault);
	unsafe_get_user(reserved2, &user->reserved2, fault);
	unsafe_get_user(nr_files, &user->nr_files, fault);
	unsafe_get_user(reserved3, &user->reserved3, fault);
	return !((send->flags & ~(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT)) | id |
		 (reserved | reserved2 | nr_files | reserved3)) && send->prio <= MBOX_PRIO_MAX;

fault:
	return false;
}

static __always_inline bool mbox_plain_read_send(struct mbox_plain_send *send,
						 const struct mbox_send __user *user)
{
	bool plain;

	if (!user_access_begin(user, sizeof(*user)))
		return false;
	plain = mbox_plain_get_send(send, user);
	user_access_end();
	return plain;
}

static __always_inline bool mbox_plain_read_recv(struct mbox_plain_recv *recv,
						 const struct mbox_recv __user *user)
{
	u32 nth, nr_files, reserved;
	u64 id;

	if (!user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_get_user(recv->flags, &user->flags, fault);
	unsafe_get_user(id, &user->id, fault);
	unsafe_get_user(recv->buf, &user->buf, fault);
	unsafe_get_user(recv->size, &user->size, fault);
	unsafe_get_user(nth, &user->nth, fault);
	unsafe_get_user(nr_files, &user->nr_files, fault);
	unsafe_get_user(reserved, &user->reserved, fault);
	user_access_end();
	return !((recv->flags & ~(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT)) | id |
		 (nth | nr_files | reserved));

fault:
	user_access_end();
	return false;
}

/*
 * The payload. Where it goes to and comes from is a buffer of ours that is long enough, and
 * is not looked up: copy_from_user() and copy_to_user() would, and with that take 180
 * instructions more each. What they ask, too, is for the caller: should_fail_usercopy().
 */
static inline bool mbox_plain_copy_in(u8 *to, u64 buf, u32 len)
{
	const void __user *from = u64_to_user_ptr(buf);
	unsigned long left;

	if (!access_ok(from, len))
		return !len;
	barrier_nospec();
	instrument_copy_from_user_before(to, from, len);
	left = raw_copy_from_user(to, from, len);
	instrument_copy_from_user_after(to, from, len, left);
	return !left;
}

static inline bool mbox_plain_copy_out(u64 buf, const u8 *from, u32 len)
{
	void __user *to = u64_to_user_ptr(buf);

	if (!access_ok(to, len))
		return !len;
	instrument_copy_to_user(to, from, len);
	return !raw_copy_to_user(to, from, len);
}

/* For most the numbers of users are those that the kernel has. */
static inline bool mbox_plain_has_numbers(struct user_namespace *user_ns,
					  const struct mbox_msg *msg)
{
	return user_ns == &init_user_ns && !msg->nameless;
}

/* What the receiver is told of the sender, and of the time, by its namespaces. */
struct mbox_plain_origin {
	pid_t pid;
	pid_t tid;
	uid_t uid;
	gid_t gid;
	u64 time;
};

static __always_inline void mbox_plain_find_origin(struct mbox_plain_origin *origin,
						   const struct mbox_msg *msg)
{
	struct user_namespace *user_ns = current_user_ns();

	origin->pid = mbox_process_nr(msg->from->pid);
	origin->tid = msg->thread ? mbox_process_nr(msg->thread) : origin->pid;
	origin->time = mbox_wait_user_time(msg->time);
	origin->uid = __kuid_val(mbox_msg_uid(msg));
	origin->gid = __kgid_val(mbox_msg_gid(msg));
	if (mbox_plain_has_numbers(user_ns, msg))
		return;
	origin->uid = from_kuid_munged(user_ns, mbox_msg_uid(msg));
	origin->gid = from_kgid_munged(user_ns, mbox_msg_gid(msg));
}

/* As command_message.c does it, of a message that has nothing rare. */
static __always_inline bool mbox_plain_write_envelope(struct mbox_recv __user *user,
						      const struct mbox *mb,
						      const struct mbox_msg *msg,
						      const struct mbox_plain_origin *origin,
						      u64 clock)
{
	if (!user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_put_user(msg->len, &user->len, fault);
	unsafe_put_user(msg->seq, &user->seq, fault);
	unsafe_put_user(msg->prio, &user->prio, fault);
	unsafe_put_user(origin->pid, &user->pid, fault);
	unsafe_put_user(origin->uid, &user->uid, fault);
	unsafe_put_user(origin->gid, &user->gid, fault);
	unsafe_put_user(msg->tag, &user->tag, fault);
	unsafe_put_user(mb->id, &user->from, fault);
	unsafe_put_user(0, &user->owned, fault);
	unsafe_put_user(msg->stamp, &user->stamp, fault);
	unsafe_put_user(clock, &user->clock, fault);
	unsafe_put_user(origin->time, &user->time, fault);
	unsafe_put_user(msg->realtime, &user->realtime, fault);
	unsafe_put_user(msg->from->id, &user->sender, fault);
	unsafe_put_user(0, &user->token, fault);
	unsafe_put_user(origin->tid, &user->tid, fault);
	unsafe_put_user(msg->shared ? MBOX_GOT_SHARED : 0, &user->got, fault);
	unsafe_put_user(0, &user->nr_files, fault);
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
}

/* The mailbox that the descriptor is bound to, if what comes through it may be plain. */
static inline struct mbox *mbox_plain_target(const struct file *file, fmode_t mode)
{
	struct mbox *mb = mbox_dev_bound(file->private_data);

	return mb && mb->plain && READ_ONCE(mb->state) == MBOX_LIVE && file->f_mode & mode ?
	       mb : NULL;
}

static inline bool mbox_plain_takes_len(const struct mbox *mb, u64 len)
{
	return len <= mb->max_size && (len == mb->max_size || !(mb->kind & MBOX_CREATE_FIXED));
}

/* Whoever had the right when access had that stamp still has it, and nobody is gone. */
static inline bool mbox_plain_is_as_known(const struct mbox *mb, unsigned int stamp)
{
	return mb->state == MBOX_LIVE && raw_read_seqcount(&mb->access.seq) == stamp;
}

#endif /* MBOX_COMMAND_PLAIN_H */
