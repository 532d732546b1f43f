// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_plain.c - the short way of what is most often sent and received: a message
 * that is nothing but bytes, a tag and a priority, through a descriptor that is bound to
 * the mailbox, by a process that has used it before and has the right without a
 * capability.
 *
 * What is not so is left to the general way (command_message.c), before anything has
 * happened: there is nothing here that is not there, too. On 6.1 a send and a receive of
 * 64 bytes take 6,830 instructions there and 2,090 here, of which 1,140 are those of two
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
#include <linux/nospec.h>
#include <linux/sched.h>

#include "command_plain.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "queue.h"
#include "recv.h"
#include "rights.h"
#include "trace.h"
#include "wait.h"

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
	if (msg && mbox_msg_suits(msg, len))
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
					     const struct mbox_plain_send *send)
{
	enum mbox_form form = mbox_is_indexed(mb) ? MBOX_KEYED : MBOX_PLAIN;
	struct mbox_msg *msg;

	if (!mbox_ns_charge_msgs(mb->ns, caller->payer, 1, mbox_msg_bytes(form, send->len)))
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

/*
 * Send it, if there is room and nobody waits for that. Whoever may send had the right when
 * access had that stamp.
 */
static __always_inline bool post(struct mbox *mb, struct mbox_caller *caller,
				 struct mbox_msg *msg, unsigned int stamp)
{
	spin_lock(&mb->lock);
	if (!mbox_plain_is_as_known(mb, stamp) || mb->nr_senders ||
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
	msg = mbox_plain_is_as_known(mb, stamp) ? mbox_queue_first(&mb->queue) : NULL;
	if (!msg || msg->form == MBOX_RARE || msg->len > room) {
		spin_unlock(&mb->lock);
		return NULL;
	}
	*clock = mbox_clock_merge(&caller->self->clock, msg->stamp);
	msg->skips = false;
	waited = mbox_policy_count_receipt(mb, msg, ktime_get() - msg->time);
	trace_mbox_recv(mb, msg, caller->self, *clock, waited);
	mbox_queue_del_head(&mb->queue, msg);
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
	struct mbox *mb = mbox_plain_target(file, FMODE_WRITE);
	struct mbox_caller *caller;
	struct mbox_plain_send send __uninitialized;
	struct mbox_msg *msg;
	unsigned int stamp;

	if (!mb || !mbox_plain_read_send(&send, user) || !mbox_plain_takes_len(mb, send.len))
		return MBOX_NOT_PLAIN;
	caller = mbox_dev_caller(file->private_data);
	if (!caller || !mbox_rights_known(mb, caller, MBOX_RIGHT_SEND, &stamp))
		return MBOX_NOT_PLAIN;
	msg = make(mb, caller, &send);
	if (IS_ERR_OR_NULL(msg))
		return msg ? PTR_ERR(msg) : MBOX_NOT_PLAIN;
	if (should_fail_usercopy() || !mbox_plain_copy_in(msg->data, send.buf, send.len)) {
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
			     const struct mbox_plain_recv *asked, struct mbox_waiter *receiver)
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

static __always_inline bool deliver(struct mbox_recv __user *user, struct mbox *mb,
				    struct mbox_caller *caller, struct mbox_msg *msg,
				    u64 buf, u64 clock)
{
	struct mbox_plain_origin origin __uninitialized;

	mbox_plain_find_origin(&origin, msg);
	if (should_fail_usercopy() || !mbox_plain_copy_out(buf, msg->data, msg->len) ||
	    should_fail_usercopy() ||
	    !mbox_plain_write_envelope(user, mb, msg, &origin, clock)) {
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
	waits = mbox_plain_is_as_known(mb, stamp) && !mbox_queue_first(&mb->queue);
	if (waits)
		mbox_policy_seat_receiver(mb, receiver);
	spin_unlock(&mb->lock);
	return waits;
}

static noinline int wait(struct file *file, struct mbox_recv __user *user, struct mbox *mb,
			 struct mbox_caller *caller, const struct mbox_plain_recv *recv,
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
	struct mbox *mb = mbox_plain_target(file, FMODE_READ);
	struct mbox_caller *caller;
	struct mbox_plain_recv recv __uninitialized;
	struct mbox_msg *msg;
	unsigned int stamp;
	u64 clock;

	if (!mb || !mbox_plain_read_recv(&recv, user))
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
