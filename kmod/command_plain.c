// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_plain.c - the short way of what is most often sent and received: a message
 * that is nothing but bytes, a tag and a priority, through a descriptor that is bound to
 * the mailbox, by a process that has used it before and has the right without a
 * capability.
 *
 * What is not so is left to the general way (command_message.c), before anything has
 * happened: there is nothing here that is not there, too. On 6.1 a send and a receive of
 * 64 bytes take 6,830 instructions there and 2,200 here, of which 1,140 are those of two
 * system calls that do nothing (make bench). That comes of this:
 *
 *   - the caller's structure is read and written member by member, while user memory is
 *     open for that;
 *   - the process, its account and its rights are those that the descriptor knows
 *     (struct mbox_caller), and need neither to be looked for nor references;
 *   - the memory of messages is used again (struct mbox_spares);
 *   - the mailbox is locked once, and whoever need not wait is no waiter;
 *   - a message that somebody waits for is not queued.
 */

#include <linux/err.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/instrumented.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "command.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "queue.h"
#include "recv.h"
#include "rights.h"
#include "trace.h"
#include "wait.h"

/* What is read of the caller's structures. */
struct plain_send {
	u64 flags;
	u64 buf;
	u64 len;
	u64 tag;
	u32 prio;
};

struct plain_recv {
	u64 flags;
	u64 buf;
	u64 size;
};

/* False if it cannot be read, or is not plain: one test is for all that is to be zero. */
static __always_inline bool read_send(struct plain_send *send,
				      const struct mbox_send __user *user)
{
	u64 id;
	u32 reserved, reserved2, reserved3, nr_files;

	if (!user_access_begin(user, sizeof(*user)))
		return false;
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
	user_access_end();
	return !((send->flags & ~(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT)) | id |
		 reserved | reserved2 | nr_files | reserved3) && send->prio <= MBOX_PRIO_MAX;

fault:
	user_access_end();
	return false;
}

static __always_inline bool read_recv(struct plain_recv *recv,
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
		 nth | nr_files | reserved);

fault:
	user_access_end();
	return false;
}

/*
 * The payload. Where it goes to and comes from is a buffer of ours that is long enough, and
 * is not looked up: copy_from_user() and copy_to_user() would, and with that take 180
 * instructions more each.
 */
static bool read_payload(u8 *to, u64 buf, u32 len)
{
	const void __user *from = u64_to_user_ptr(buf);
	unsigned long left;

	if (should_fail_usercopy())
		return false;
	if (!access_ok(from, len))
		return !len;
	barrier_nospec();
	instrument_copy_from_user_before(to, from, len);
	left = raw_copy_from_user(to, from, len);
	instrument_copy_from_user_after(to, from, len, left);
	return !left;
}

static bool write_payload(u64 buf, const u8 *from, u32 len)
{
	void __user *to = u64_to_user_ptr(buf);

	if (should_fail_usercopy())
		return false;
	if (!access_ok(to, len))
		return !len;
	instrument_copy_to_user(to, from, len);
	return !raw_copy_to_user(to, from, len);
}

/* For most the numbers of users are those that the kernel has. */
static bool has_their_numbers(struct user_namespace *user_ns, const struct mbox_msg *msg)
{
	return user_ns == &init_user_ns && !msg->nameless;
}

/* As command_message.c does it, of a message that has nothing rare. */
static __always_inline bool write_envelope(struct mbox_recv __user *user, const struct mbox *mb,
					   const struct mbox_msg *msg, u64 clock)
{
	struct user_namespace *user_ns = current_user_ns();
	pid_t pid = pid_vnr(msg->from->pid);
	pid_t tid = msg->thread ? pid_vnr(msg->thread) : pid;
	u64 time = mbox_wait_user_time(msg->time);
	uid_t uid = __kuid_val(mbox_msg_uid(msg));
	gid_t gid = __kgid_val(mbox_msg_gid(msg));

	if (!has_their_numbers(user_ns, msg)) {
		uid = from_kuid_munged(user_ns, mbox_msg_uid(msg));
		gid = from_kgid_munged(user_ns, mbox_msg_gid(msg));
	}
	if (should_fail_usercopy() || !user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_put_user(msg->len, &user->len, fault);
	unsafe_put_user(msg->seq, &user->seq, fault);
	unsafe_put_user(msg->prio, &user->prio, fault);
	unsafe_put_user(pid, &user->pid, fault);
	unsafe_put_user(uid, &user->uid, fault);
	unsafe_put_user(gid, &user->gid, fault);
	unsafe_put_user(msg->tag, &user->tag, fault);
	unsafe_put_user(mb->id, &user->from, fault);
	unsafe_put_user(0, &user->owned, fault);
	unsafe_put_user(msg->stamp, &user->stamp, fault);
	unsafe_put_user(clock, &user->clock, fault);
	unsafe_put_user(time, &user->time, fault);
	unsafe_put_user(msg->realtime, &user->realtime, fault);
	unsafe_put_user(msg->from->id, &user->sender, fault);
	unsafe_put_user(0, &user->token, fault);
	unsafe_put_user(tid, &user->tid, fault);
	unsafe_put_user(msg->shared ? MBOX_GOT_SHARED : 0, &user->got, fault);
	unsafe_put_user(0, &user->nr_files, fault);
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
}

/*
 * A buffer for the caller's message, or NULL: the one that it kept, if that is of the kind
 * that such a message would have anyway.
 */
static struct mbox_msg *get_buffer(struct mbox *mb, struct mbox_caller *caller,
				   enum mbox_form form, u32 len)
{
	struct mbox_msg *msg;

	if (!mbox_msg_is_spare(form, len))
		return mbox_msg_alloc(form, len);
	msg = xchg(&caller->spare, NULL);
	if (msg && (msg->len <= MBOX_MSG_SMALL) == (len <= MBOX_MSG_SMALL))
		return msg;
	if (msg)
		mbox_msg_free(mb, msg);
	return mbox_msg_alloc(form, len);
}

/*
 * The caller's message, charged and signed: -ENOMEM, or NULL if it cannot be charged just
 * so.
 */
static __always_inline struct mbox_msg *make(struct mbox *mb, struct mbox_caller *caller,
					     const struct plain_send *send)
{
	enum mbox_form form = mbox_is_indexed(mb) ? MBOX_KEYED : MBOX_PLAIN;
	struct mbox_msg *msg;

	if (!mbox_ns_charge_msg(mb->ns, caller->payer, mbox_msg_bytes(form, send->len)))
		return NULL;
	msg = get_buffer(mb, caller, form, send->len);
	if (!msg) {
		mbox_msg_uncharge(mb, caller->payer, form, send->len);
		return ERR_PTR(-ENOMEM);
	}
	mbox_msg_sign(msg, caller->self, caller->payer, send->len);
	msg->prio = array_index_nospec(send->prio, MBOX_LEVELS);
	msg->tag = send->tag;
	mbox_msg_set_key(mb, msg);
	return msg;
}

/*
 * The caller has received a message, which may still be looked at by others: else its memory
 * is for the caller's next one, or the mailbox's.
 */
static __always_inline void recycle(struct mbox *mb, struct mbox_caller *caller,
				    struct mbox_msg *msg)
{
	if (!refcount_dec_and_test(&msg->refs))
		return;
	mbox_msg_release_plain(mb, msg);
	if (mbox_msg_is_spare(msg->form, msg->len))
		msg = xchg(&caller->spare, msg);
	if (msg)
		mbox_msg_free(mb, msg);
}

/* The mailbox that the descriptor is bound to, if what comes through it may be plain. */
static struct mbox *plain_mailbox(const struct file *file, fmode_t mode)
{
	struct mbox *mb = mbox_dev_bound(file->private_data);

	return mb && mb->plain && READ_ONCE(mb->state) == MBOX_LIVE && file->f_mode & mode ?
	       mb : NULL;
}

static bool takes_len(const struct mbox *mb, u64 len)
{
	return len <= mb->max_size && (len == mb->max_size || !(mb->kind & MBOX_CREATE_FIXED));
}

/* Whoever had the right when access had that stamp still has it, and nobody is gone. */
static bool is_as_known(const struct mbox *mb, unsigned int stamp)
{
	return mb->state == MBOX_LIVE && raw_read_seqcount(&mb->access.seq) == stamp;
}

/*
 * Send it, if there is room and nobody waits for that. Whoever may send had the right when
 * access had that stamp.
 */
static __always_inline bool post(struct mbox *mb, struct mbox_caller *caller,
				 struct mbox_msg *msg, unsigned int stamp)
{
	spin_lock(&mb->lock);
	if (!is_as_known(mb, stamp) || mb->nr_senders ||
	    !mbox_queue_has_room(&mb->queue, msg->len)) {
		spin_unlock(&mb->lock);
		return false;
	}
	mbox_msg_stamp(msg);
	mb->sent++;
	mbox_msg_restock(mb, caller);
	if (mb->nr_receivers) {
		mbox_policy_hand(mb, msg);
		return true;
	}
	mbox_queue_add(&mb->queue, msg);
	trace_mbox_send(mb, msg);
	if (!mbox_queue_has_room(&mb->queue, mb->max_size))
		mbox_policy_look_for_room(mb);
	spin_unlock(&mb->lock);
	/* The lock orders this after the change, see mbox_wakes_flush(). */
	if (waitqueue_active(&mb->poll_wait))
		wake_up_interruptible_poll(&mb->poll_wait, EPOLLIN | EPOLLRDNORM);
	return true;
}

/* The first message, if it has nothing rare and is not too long, or NULL. */
static __always_inline struct mbox_msg *take(struct mbox *mb, const struct mbox_caller *caller,
					     u64 room, unsigned int stamp, u64 *clock)
{
	struct mbox_msg *msg;
	u64 waited;
	bool full;

	spin_lock(&mb->lock);
	msg = is_as_known(mb, stamp) ? mbox_queue_first(&mb->queue) : NULL;
	if (!msg || msg->form == MBOX_RARE || msg->len > room) {
		spin_unlock(&mb->lock);
		return NULL;
	}
	*clock = mbox_clock_merge(&caller->self->clock, msg->stamp);
	msg->skips = false;
	waited = mbox_policy_count_receipt(mb, msg, ktime_get() - msg->time);
	trace_mbox_recv(mb, msg, caller->self, *clock, waited);
	mbox_queue_del(&mb->queue, msg);
	if (mb->nr_senders) {
		mbox_policy_let_in(mb);
		return msg;
	}
	if (mb->full)
		mbox_policy_look_for_room(mb);
	full = mb->full;
	spin_unlock(&mb->lock);
	/* Likewise. */
	if (waitqueue_active(&mb->poll_wait) && !full)
		wake_up_interruptible_poll(&mb->poll_wait, EPOLLOUT | EPOLLWRNORM);
	return msg;
}

/*
 * There was no room, or the right is another one now. The message is there already, and
 * takes its place among the senders that wait.
 */
static noinline int send_later(const struct file *file, struct mbox *mb,
			       struct mbox_caller *caller, struct mbox_msg *msg,
			       bool may_wait, unsigned int stamp)
{
	const struct mbox_patience patience = {
		.nonblock = !may_wait || file->f_flags & O_NONBLOCK,
	};
	struct mbox_waiter sender;
	struct mbox_pass pass;
	int err;

	mbox_rights_ask(&pass, MBOX_RIGHT_SEND);
	pass.stamp = stamp;
	do {
		sender = (struct mbox_waiter) { .prio = msg->prio, .msg = msg };
		mbox_wait_init(&sender, &pass);
		err = mbox_policy_send(mb, &sender, &patience);
	} while (err == -EKEYREVOKED && mbox_rights_insist(mb, &pass) > 0);
	if (err)
		recycle(mb, caller, msg);
	return err;
}

/* 0, an error, or MBOX_NOT_PLAIN. If there is no room it waits only if it @may_wait. */
int mbox_command_send_plain(struct file *file, void __user *user, bool may_wait)
{
	struct mbox *mb = plain_mailbox(file, FMODE_WRITE);
	struct mbox_caller *caller;
	struct plain_send send;
	struct mbox_msg *msg;
	unsigned int stamp;

	if (!mb || !read_send(&send, user) || !takes_len(mb, send.len))
		return MBOX_NOT_PLAIN;
	caller = mbox_dev_caller(file->private_data);
	if (!caller || !mbox_rights_known(mb, caller, MBOX_RIGHT_SEND, &stamp))
		return MBOX_NOT_PLAIN;
	msg = make(mb, caller, &send);
	if (IS_ERR_OR_NULL(msg))
		return msg ? PTR_ERR(msg) : MBOX_NOT_PLAIN;
	if (!read_payload(msg->data, send.buf, send.len)) {
		recycle(mb, caller, msg);
		return -EFAULT;
	}
	if (post(mb, caller, msg, stamp))
		return 0;
	if (!(send.flags & MBOX_SEND_TIMEOUT))
		return send_later(file, mb, caller, msg,
				  may_wait && !(send.flags & MBOX_SEND_NONBLOCK), stamp);
	recycle(mb, caller, msg);
	return MBOX_NOT_PLAIN;
}

/* What the general way delivers: what is rare, and that there is no room for a message. */
static noinline int conclude(struct file *file, struct mbox_recv __user *user, struct mbox *mb,
			     const struct plain_recv *asked, struct mbox_waiter *receiver)
{
	const struct mbox_command command = {
		.file = file,
		.mf = file->private_data,
		.user = user,
		.size = sizeof(*user),
	};
	const struct mbox_wish wish = {
		.room = receiver->room,
		.files_room = receiver->files_room,
		.who = receiver->who,
		.stamp = receiver->stamp,
	};
	struct mbox_recv recv = { .buf = asked->buf, .size = asked->size };
	struct mbox_msg *msg = receiver->result ? ERR_PTR(receiver->result) : receiver->msg;

	return mbox_command_conclude_recv(&command, &recv, mb, msg, &wish);
}

static bool deliver(struct mbox_recv __user *user, struct mbox *mb, struct mbox_caller *caller,
		    struct mbox_msg *msg, u64 buf, u64 clock)
{
	if (!write_payload(buf, msg->data, msg->len) ||
	    !write_envelope(user, mb, msg, clock)) {
		mbox_policy_put_back(mb, msg);
		return false;
	}
	recycle(mb, caller, msg);
	return true;
}

/* False if there may be a message now. */
static bool take_seat(struct mbox *mb, struct mbox_waiter *receiver, unsigned int stamp)
{
	bool waits;

	spin_lock(&mb->lock);
	waits = is_as_known(mb, stamp) && !mbox_queue_first(&mb->queue);
	if (waits)
		mbox_policy_seat_receiver(mb, receiver);
	spin_unlock(&mb->lock);
	return waits;
}

static noinline int wait(struct file *file, struct mbox_recv __user *user, struct mbox *mb,
			 struct mbox_caller *caller, const struct plain_recv *recv,
			 unsigned int stamp)
{
	static const struct mbox_patience for_ever = {};
	struct mbox_waiter receiver = {
		.who = caller->self,
		.room = recv->size,
		.files_room = U32_MAX,
	};
	struct mbox_pass pass;
	int err;

	mbox_rights_ask(&pass, MBOX_RIGHT_RECV);
	pass.stamp = stamp;
	mbox_wait_init(&receiver, &pass);
	if (!take_seat(mb, &receiver, stamp))
		return MBOX_NOT_PLAIN;
	err = mbox_wait_sleep(mb, MBOX_WAIT_RECV, &receiver, &for_ever);
	err = err ? mbox_policy_leave(mb, &receiver, false, err) : receiver.result;
	if (err == -EKEYREVOKED && mbox_rights_insist(mb, &pass) > 0)
		return MBOX_NOT_PLAIN;
	if (err == -EMSGSIZE || (!err && receiver.msg->form == MBOX_RARE))
		return conclude(file, user, mb, recv, &receiver);
	if (!err && !deliver(user, mb, caller, receiver.msg, recv->buf, receiver.stamp))
		err = -EFAULT;
	return err;
}

/* 0, an error, or MBOX_NOT_PLAIN. If there is no message it waits only if it @may_wait. */
int mbox_command_recv_plain(struct file *file, void __user *user, bool may_wait)
{
	struct mbox *mb = plain_mailbox(file, FMODE_READ);
	struct mbox_caller *caller;
	struct plain_recv recv;
	struct mbox_msg *msg;
	unsigned int stamp;
	u64 clock;

	if (!mb || !read_recv(&recv, user))
		return MBOX_NOT_PLAIN;
	caller = mbox_dev_caller(file->private_data);
	if (!caller || !mbox_rights_known(mb, caller, MBOX_RIGHT_RECV, &stamp))
		return MBOX_NOT_PLAIN;
	/* A guess, for it is looked at under the lock. */
	msg = data_race(mb->queue.msgs) ? take(mb, caller, recv.size, stamp, &clock) : NULL;
	if (msg)
		return deliver(user, mb, caller, msg, recv.buf, clock) ? 0 : -EFAULT;
	if (may_wait && !recv.flags && !(file->f_flags & O_NONBLOCK))
		return wait(file, user, mb, caller, &recv, stamp);
	return MBOX_NOT_PLAIN;
}
