/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * command_plain.h - what the short ways have in common, of messages (command_plain.c), of
 * batches (command_plain_batch.c) and of calls (command_plain_call.c).
 */
#ifndef MBOX_COMMAND_PLAIN_H
#define MBOX_COMMAND_PLAIN_H

#include <linux/fault-inject-usercopy.h>
#include <linux/instrumented.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "command.h"
#include "msg.h"
#include "payload.h"
#include "policy.h"
#include "process.h"
#include "queue.h"
#include "rights.h"
#include "trace.h"
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

/* Likewise; @flags are those that it may have. */
static __always_inline bool mbox_plain_read_recv(struct mbox_plain_recv *recv,
						 const struct mbox_recv __user *user, u64 flags)
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
	return !((recv->flags & ~flags) | id | (nth | nr_files | reserved));

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

bool mbox_plain_read_parts(struct mbox_msg *msg, u64 buf);
bool mbox_plain_write_parts(u64 buf, const struct mbox_msg *msg);

/* All of a message. */
static inline bool mbox_plain_read(struct mbox_msg *msg, u64 buf, u32 len)
{
	if (should_fail_usercopy())
		return false;
	return msg->in_pieces ? mbox_plain_read_parts(msg, buf) :
				mbox_plain_copy_in(msg->start, buf, len);
}

static inline bool mbox_plain_write(u64 buf, const struct mbox_msg *msg)
{
	if (should_fail_usercopy())
		return false;
	return msg->in_pieces ? mbox_plain_write_parts(buf, msg) :
				mbox_plain_copy_out(buf, msg->start, msg->len);
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

/* As command_message.c does it, of a message that has nothing rare but a token, or 0. */
static __always_inline bool mbox_plain_write_envelope(struct mbox_recv __user *user,
						      const struct mbox *mb,
						      const struct mbox_msg *msg,
						      const struct mbox_plain_origin *origin,
						      u64 clock, u64 token)
{
	u32 got = msg->shared ? MBOX_GOT_SHARED : 0;

	if (token)
		got |= MBOX_GOT_REQUEST;
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
	unsafe_put_user(token, &user->token, fault);
	unsafe_put_user(origin->tid, &user->tid, fault);
	unsafe_put_user(got, &user->got, fault);
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

/* The calling process, if the descriptor knows it, and that it has the right. */
static inline struct mbox_caller *mbox_plain_caller(const struct file *file, struct mbox *mb,
						    unsigned int right, unsigned int *stamp)
{
	struct mbox_caller *caller = mbox_callers_find(mbox_dev_callers(file));

	return caller && mbox_rights_known(mb, caller, right, stamp) ? caller : NULL;
}

static __always_inline bool mbox_plain_takes_len(const struct mbox *mb, u64 len)
{
	return len <= mb->max_size && (len == mb->max_size || !(mb->kind & MBOX_CREATE_FIXED));
}

/* Whoever had the right when access had that stamp still has it, and nobody is gone. */
static inline bool mbox_plain_is_as_known(const struct mbox *mb, unsigned int stamp)
{
	return mb->state == MBOX_LIVE && raw_read_seqcount(&mb->access.seq) == stamp;
}

/*
 * A buffer for the caller's message, or NULL: the one that it kept, if that is of the kind
 * that such a message would have anyway; else that is given back, so that the next one kept
 * is of the kind that is asked for.
 */
static inline struct mbox_msg *mbox_plain_buffer(struct mbox *mb, struct mbox_caller *caller,
						 enum mbox_form form, u32 len)
{
	struct mbox_msg *msg;

	if (!mbox_msg_is_spare(form, len))
		return mbox_msg_is_longer(form, len) ? mbox_msg_alloc_longer(mb, len) :
						       mbox_msg_alloc(form, len);
	msg = xchg(&caller->spare, NULL);
	if (!msg)
		return mbox_msg_alloc(form, len);
	if (mbox_msg_suits(msg, len) && mbox_payload_alloc(msg, len))
		return msg;
	mbox_msg_give_back(msg);
	return mbox_msg_alloc(form, len);
}

/*
 * The caller has received a message, which may still be looked at by others: else its memory
 * is for the caller's next one, or the mailbox's.
 */
static __always_inline void mbox_plain_recycle(struct mbox *mb, struct mbox_caller *caller,
					       struct mbox_msg *msg)
{
	if (!refcount_dec_and_test(&msg->refs))
		return;
	mbox_msg_release_plain(mb, msg);
	if (mbox_msg_is_spare(msg->form, msg->len)) {
		mbox_payload_free(msg);
		msg = xchg(&caller->spare, msg);
	}
	if (msg)
		mbox_msg_free(mb, msg);
}

/*
 * Whether a message may be sent, as there is room and nobody waits for that, by one who had
 * the right when access had that stamp. The mailbox is locked.
 */
static inline bool mbox_plain_may_send(const struct mbox *mb, u32 len, unsigned int stamp)
{
	return mbox_plain_is_as_known(mb, stamp) && !mb->nr_senders &&
	       mbox_queue_has_room(&mb->queue, len);
}

/* For each of so many messages. */
static __always_inline void mbox_plain_wake_pollers(struct mbox *mb, __poll_t events, u32 nr)
{
	/* The lock orders this after the change, see mbox_wakes_flush(). */
	if (!waitqueue_active(&mb->poll_wait))
		return;
	while (nr--)
		wake_up_interruptible_poll(&mb->poll_wait, events);
}

/* So many messages are queued now. The mailbox is locked before, and not any more. */
static __always_inline void mbox_plain_queued(struct mbox *mb, u32 nr)
	__releases(&mb->lock)
{
	if (!mbox_queue_has_room(&mb->queue, mb->max_size))
		mbox_policy_look_for_room(mb);
	spin_unlock(&mb->lock);
	mbox_plain_wake_pollers(mb, EPOLLIN | EPOLLRDNORM, nr);
}

/* Likewise: so many have left the queue. Whoever waits for room may be let in. */
static __always_inline void mbox_plain_unqueued(struct mbox *mb, u32 nr)
	__releases(&mb->lock)
{
	bool full;

	if (nr && mb->nr_senders) {
		mbox_policy_let_in(mb);
		return;
	}
	if (mb->full)
		mbox_policy_look_for_room(mb);
	full = mb->full;
	spin_unlock(&mb->lock);
	if (!full)
		mbox_plain_wake_pollers(mb, EPOLLOUT | EPOLLWRNORM, nr);
}

/* Into the queue, in which it has room; nobody waits for it. The mailbox is locked before. */
static __always_inline void mbox_plain_queue(struct mbox *mb, struct mbox_msg *msg)
	__releases(&mb->lock)
{
	mbox_queue_add(&mb->queue, msg);
	trace_mbox_send(mb, msg);
	mbox_plain_queued(mb, 1);
}

/* A message that is a request, and has nothing else that is rare. */
static inline bool mbox_plain_is_request(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare && rare->request && !rare->nr_files;
}

int mbox_plain_reply(struct mbox_recv __user *user, struct mbox *mb, struct mbox_caller *caller);
void mbox_plain_hold(struct mbox *mb, struct mbox_caller *caller, struct mbox_msg *msg,
		     unsigned int stamp);
void mbox_plain_take(struct mbox *mb, struct mbox_caller *caller, struct mbox_msg *msg);

#endif /* MBOX_COMMAND_PLAIN_H */
