// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_plain.c - the short way of what is most often sent and received, by ioctl, read
 * and write: a message that is nothing but bytes, a tag and a priority, through a
 * descriptor that is bound to the mailbox, by a process that has used it before and has
 * the right without a capability.
 *
 * Calls have one of their own (command_plain_call.c); what they send is received here.
 *
 * What is not so is left to the general way (command_message.c, command_stream.c), before
 * anything has happened: there is nothing here that is not there, too, but that members of
 * a structure which nobody asks for need not be readable. On 6.1 a send and a receive of
 * 64 bytes take 6,830 instructions there and 2,100 here, of which 1,140 are those of two
 * system calls that do nothing (make bench); a writev and a readv 6,030 there, a write and
 * a read 1,970 here. That comes of this:
 *
 *   - the caller's structure is read and written member by member, while user memory is
 *     open for that;
 *   - the process, its account and its rights are those that the descriptor knows
 *     (struct mbox_caller), and need neither to be looked for nor references;
 *   - the memory of messages is used again (struct mbox_spares);
 *   - the mailbox is locked once, and whoever need not wait is no waiter; whoever has to
 *     takes a seat without a look at what may follow from that, since nothing does;
 *   - a message that somebody waits for is not queued.
 */

#include <linux/err.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "command_plain.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "queue.h"
#include "recv.h"
#include "request.h"
#include "rights.h"
#include "trace.h"
#include "wait.h"

/* What of receives is plain. A request is received with its token. */
#define RECV_FLAGS	(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TOKEN | \
			 MBOX_RECV_REPLY)

/* Of large ones, which lie in pieces. */
bool mbox_plain_read_parts(struct mbox_msg *msg, u64 buf)
{
	struct mbox_part part;

	mbox_payload_for_each_part(part, msg, msg->len) {
		if (!mbox_plain_copy_in(part.bytes, buf, part.len))
			return false;
		buf += part.len;
	}
	return true;
}

bool mbox_plain_write_parts(u64 buf, const struct mbox_msg *msg)
{
	struct mbox_part part;

	mbox_payload_for_each_part(part, msg, msg->len) {
		if (!mbox_plain_copy_out(buf, part.bytes, part.len))
			return false;
		buf += part.len;
	}
	return true;
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
	msg = mbox_plain_buffer(mb, caller, form, send->len);
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

/* Send it, if that may be done at once. */
static __always_inline bool post(struct mbox *mb, struct mbox_caller *caller,
				 struct mbox_msg *msg, unsigned int stamp)
{
	spin_lock(&mb->lock);
	if (!mbox_plain_may_send(mb, msg->len, stamp)) {
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
	mbox_plain_queue(mb, msg);
	return true;
}

/* Whether the receiver takes it: it has nothing rare, or is a request, with its token. */
static __always_inline bool takes(const struct mbox_plain_recv *recv, const struct mbox_msg *msg)
{
	return likely(msg->form != MBOX_RARE) ||
	       (recv->flags & MBOX_RECV_TOKEN && mbox_plain_is_request(msg));
}

/* The first message, if that is one to take and not too long, or NULL. */
static __always_inline struct mbox_msg *take(struct mbox *mb, struct mbox_caller *caller,
					     const struct mbox_plain_recv *recv, unsigned int stamp,
					     u64 *clock)
{
	struct mbox_msg *msg;
	u64 waited;

	spin_lock(&mb->lock);
	msg = mbox_plain_is_as_known(mb, stamp) ? mbox_queue_first(&mb->queue) : NULL;
	if (!msg || !takes(recv, msg) || msg->len > recv->size) {
		spin_unlock(&mb->lock);
		return NULL;
	}
	*clock = mbox_clock_merge(&caller->self->clock, msg->stamp);
	msg->skips = false;
	waited = mbox_policy_count_receipt(mb, msg, ktime_get() - msg->time);
	trace_mbox_recv(mb, msg, caller->self, *clock, waited);
	mbox_queue_del_head(&mb->queue, msg);
	if (msg->form == MBOX_RARE)
		mbox_plain_hold(mb, caller, msg, stamp);
	mbox_plain_unqueued(mb, 1);
	return msg;
}

/* Of one that has a seat: 0 when it has been served, an error, or MBOX_NOT_PLAIN. */
static int sleep_for_ever(struct mbox *mb, struct mbox_waiter *waiter, bool sending,
			  struct mbox_pass *pass)
{
	static const struct mbox_patience for_ever = {};
	int err;

	err = mbox_wait_sleep(mb, sending ? MBOX_WAIT_SEND : MBOX_WAIT_RECV, waiter, &for_ever);
	err = err ? mbox_policy_leave(mb, waiter, sending, err) : waiter->result;
	return err == -EKEYREVOKED && mbox_rights_insist(mb, pass) > 0 ? MBOX_NOT_PLAIN : err;
}

/* False if there may be room now. */
static bool take_seat_to_send(struct mbox *mb, struct mbox_caller *caller,
			      struct mbox_waiter *sender, unsigned int stamp)
{
	bool waits;

	spin_lock(&mb->lock);
	waits = mbox_plain_is_as_known(mb, stamp) && mbox_policy_seat_sender(mb, sender);
	mbox_msg_restock(mb, caller);
	spin_unlock(&mb->lock);
	return waits;
}

/* 0 when the message has been accepted, an error, or MBOX_NOT_PLAIN. */
static int wait_to_send(struct mbox *mb, struct mbox_caller *caller, struct mbox_msg *msg,
			struct mbox_pass *pass)
{
	struct mbox_waiter sender = { .prio = msg->prio, .msg = msg };

	mbox_wait_init(&sender, pass);
	return take_seat_to_send(mb, caller, &sender, pass->stamp) ?
	       sleep_for_ever(mb, &sender, true, pass) : MBOX_NOT_PLAIN;
}

static noinline int send_as_waiter(struct mbox *mb, struct mbox_msg *msg, bool may_wait,
				   struct mbox_pass *pass)
{
	const struct mbox_patience patience = { .nonblock = !may_wait };
	struct mbox_waiter sender;
	int err;

	do {
		sender = (struct mbox_waiter) { .prio = msg->prio, .msg = msg };
		mbox_wait_init(&sender, pass);
		err = mbox_policy_send(mb, &sender, &patience);
	} while (err == -EKEYREVOKED && mbox_rights_insist(mb, pass) > 0);
	return err;
}

/*
 * There was no room, or the right is another one now. The message is there already, and
 * takes its place among the senders that wait.
 */
static int send_later(const struct file *file, struct mbox *mb, struct mbox_caller *caller,
		      struct mbox_msg *msg, bool may_wait, struct mbox_pass *pass)
{
	int err = MBOX_NOT_PLAIN;

	may_wait = may_wait && !(file->f_flags & O_NONBLOCK);
	if (may_wait)
		err = wait_to_send(mb, caller, msg, pass);
	if (err == MBOX_NOT_PLAIN)
		err = send_as_waiter(mb, msg, may_wait, pass);
	if (err)
		mbox_plain_recycle(mb, caller, msg);
	return err;
}

static noinline int send_later_as_caller(const struct file *file, struct mbox *mb,
					 struct mbox_caller *caller, struct mbox_msg *msg,
					 bool may_wait, unsigned int stamp)
{
	struct mbox_pass pass;

	mbox_rights_ask(&pass, MBOX_RIGHT_SEND);
	pass.stamp = stamp;
	return send_later(file, mb, caller, msg, may_wait, &pass);
}

/* A message of the caller's that is not posted yet: 0, an error, or MBOX_NOT_PLAIN. */
static __always_inline int prepare(struct mbox *mb, struct mbox_caller *caller,
				   const struct mbox_plain_send *send, struct mbox_msg **msg)
{
	*msg = make(mb, caller, send);
	if (IS_ERR_OR_NULL(*msg))
		return *msg ? PTR_ERR(*msg) : MBOX_NOT_PLAIN;
	if (mbox_plain_read(*msg, send->buf, send->len))
		return 0;
	mbox_plain_recycle(mb, caller, *msg);
	return -EFAULT;
}

/* Likewise. If there is no room it waits only if it @may_wait. */
int mbox_command_send_plain(struct file *file, void __user *user, bool may_wait)
{
	struct mbox *mb = mbox_plain_target(file, FMODE_WRITE);
	struct mbox_plain_send send __uninitialized;
	struct mbox_caller *caller;
	struct mbox_msg *msg;
	unsigned int stamp;
	int err;

	if (!mb || !mbox_plain_read_send(&send, user) || !mbox_plain_takes_len(mb, send.len))
		return MBOX_NOT_PLAIN;
	caller = mbox_plain_caller(file, mb, MBOX_RIGHT_SEND, &stamp);
	if (!caller)
		return MBOX_NOT_PLAIN;
	err = prepare(mb, caller, &send, &msg);
	if (err || post(mb, caller, msg, stamp))
		return err;
	if (!(send.flags & MBOX_SEND_TIMEOUT))
		return send_later_as_caller(file, mb, caller, msg,
					    may_wait && !(send.flags & MBOX_SEND_NONBLOCK),
					    stamp);
	mbox_plain_recycle(mb, caller, msg);
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
		.flags = asked->flags,
		.room = receiver->room,
		.files_room = receiver->files_room,
		.who = receiver->who,
		.stamp = receiver->stamp,
	};
	struct mbox_recv recv = {
		.flags = asked->flags,
		.buf = asked->buf,
		.size = asked->size,
	};
	struct mbox_msg *msg = receiver->result ? ERR_PTR(receiver->result) : receiver->msg;

	return mbox_command_conclude_recv(&command, &recv, mb, msg, &wish);
}

/* False if that fails: the message is where it was. */
static __always_inline bool write_all(struct mbox_recv __user *user, struct mbox *mb,
				      struct mbox_msg *msg, u64 buf, u64 clock, u64 token)
{
	struct mbox_plain_origin origin __uninitialized;

	mbox_plain_find_origin(&origin, msg);
	if (mbox_plain_write(buf, msg) && !should_fail_usercopy() &&
	    mbox_plain_write_envelope(user, mb, msg, &origin, clock, token))
		return true;
	mbox_policy_put_back(mb, msg);
	return false;
}

static noinline bool deliver_request(struct mbox_recv __user *user, struct mbox *mb,
				     struct mbox_caller *caller, struct mbox_msg *msg, u64 buf,
				     u64 clock)
{
	if (!write_all(user, mb, msg, buf, clock, mbox_msg_token(msg)))
		return false;
	mbox_plain_take(mb, caller, msg);
	return true;
}

static __always_inline bool deliver(struct mbox_recv __user *user, struct mbox *mb,
				    struct mbox_caller *caller, struct mbox_msg *msg, u64 buf,
				    u64 clock)
{
	if (msg->form == MBOX_RARE)
		return deliver_request(user, mb, caller, msg, buf, clock);
	if (!write_all(user, mb, msg, buf, clock, 0))
		return false;
	mbox_plain_recycle(mb, caller, msg);
	return true;
}

/* False if there may be a message now. */
static bool take_seat_to_receive(struct mbox *mb, struct mbox_caller *caller,
				 struct mbox_waiter *receiver, unsigned int stamp)
{
	bool waits;

	spin_lock(&mb->lock);
	waits = mbox_plain_is_as_known(mb, stamp) && !mbox_queue_first(&mb->queue);
	if (waits)
		mbox_policy_seat_receiver(mb, receiver);
	mbox_msg_restock(mb, caller);
	spin_unlock(&mb->lock);
	return waits;
}

/* 0 when @receiver has been served, an error, or MBOX_NOT_PLAIN. */
static int wait_to_receive(struct mbox *mb, struct mbox_caller *caller,
			   struct mbox_waiter *receiver, struct mbox_pass *pass)
{
	mbox_wait_init(receiver, pass);
	return take_seat_to_receive(mb, caller, receiver, pass->stamp) ?
	       sleep_for_ever(mb, receiver, false, pass) : MBOX_NOT_PLAIN;
}

static noinline int wait(struct file *file, struct mbox_recv __user *user, struct mbox *mb,
			 struct mbox_caller *caller, const struct mbox_plain_recv *recv,
			 unsigned int stamp)
{
	struct mbox_waiter receiver = {
		.who = caller->self,
		.room = recv->size,
		.files_room = U32_MAX,
	};
	struct mbox_pass pass;
	int err;

	mbox_rights_ask(&pass, MBOX_RIGHT_RECV);
	pass.stamp = stamp;
	err = wait_to_receive(mb, caller, &receiver, &pass);
	if (err == -EMSGSIZE || (!err && !takes(recv, receiver.msg)))
		return conclude(file, user, mb, recv, &receiver);
	if (!err && !deliver(user, mb, caller, receiver.msg, recv->buf, receiver.stamp))
		err = -EFAULT;
	return err;
}

/* Who does not wait is told so. */
static noinline int find_nothing(struct mbox *mb, unsigned int stamp)
{
	bool empty;

	spin_lock(&mb->lock);
	empty = mbox_plain_is_as_known(mb, stamp) && !mbox_queue_first(&mb->queue) &&
		!mb->nr_senders && !mb->full;
	spin_unlock(&mb->lock);
	return empty ? -EAGAIN : MBOX_NOT_PLAIN;
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
	int err;

	if (!mb || !mbox_plain_read_recv(&recv, user, RECV_FLAGS))
		return MBOX_NOT_PLAIN;
	caller = mbox_plain_caller(file, mb, MBOX_RIGHT_RECV, &stamp);
	if (!caller)
		return MBOX_NOT_PLAIN;
	if (recv.flags & MBOX_RECV_REPLY) {
		err = mbox_plain_reply(user, mb, caller);
		if (err)
			return err;
	}
	/* A guess, for it is looked at under the lock. */
	msg = data_race(mb->queue.msgs) ? take(mb, caller, &recv, stamp, &clock) : NULL;
	if (msg)
		return deliver(user, mb, caller, msg, recv.buf, clock) ? 0 : -EFAULT;
	if (recv.flags & MBOX_RECV_TIMEOUT)
		return MBOX_NOT_PLAIN;
	if (may_wait && !(recv.flags & MBOX_RECV_NONBLOCK) && !(file->f_flags & O_NONBLOCK))
		return wait(file, user, mb, caller, &recv, stamp);
	return find_nothing(mb, stamp);
}

/*
 * read() and write(), which know bytes only, and take the right of whoever opened the
 * descriptor, too.
 */

/* As mbox_plain_caller(), if both are known to have the right. */
static __always_inline struct mbox_caller *stream_caller(const struct file *file,
							 struct mbox *mb, unsigned int right,
							 unsigned int *stamp)
{
	struct mbox_callers *callers = mbox_dev_callers(file);
	struct mbox_caller *caller = mbox_callers_find(callers);

	return caller && mbox_rights_known_of_both(mb, caller, callers->opener.process,
						   file->f_cred, right, stamp) ?
	       caller : NULL;
}

static noinline int write_later(struct file *file, struct mbox *mb, struct mbox_caller *caller,
				struct mbox_msg *msg, unsigned int stamp)
{
	struct mbox_pass pass;

	mbox_dev_ask_both(&pass, file, MBOX_RIGHT_SEND);
	pass.stamp = stamp;
	return send_later(file, mb, caller, msg, true, &pass);
}

/* 0, an error, or MBOX_NOT_PLAIN. */
int mbox_command_write_plain(struct file *file, const char __user *bytes, size_t len)
{
	const struct mbox_plain_send send = { .buf = (uintptr_t)bytes, .len = len };
	struct mbox *mb = mbox_plain_target(file, FMODE_WRITE);
	struct mbox_caller *caller;
	struct mbox_msg *msg;
	unsigned int stamp;
	int err;

	if (!mb || !len || !mbox_plain_takes_len(mb, len))
		return MBOX_NOT_PLAIN;
	caller = stream_caller(file, mb, MBOX_RIGHT_SEND, &stamp);
	if (!caller || mbox_dev_is_unwitting(file))
		return MBOX_NOT_PLAIN;
	err = prepare(mb, caller, &send, &msg);
	if (err || post(mb, caller, msg, stamp))
		return err;
	return write_later(file, mb, caller, msg, stamp);
}

static __always_inline int deliver_bytes(struct mbox *mb, struct mbox_caller *caller,
					 struct mbox_msg *msg, char __user *bytes, size_t *len)
{
	if (!mbox_plain_write((uintptr_t)bytes, msg)) {
		mbox_policy_put_back(mb, msg);
		return -EFAULT;
	}
	*len = msg->len;
	mbox_plain_recycle(mb, caller, msg);
	return 0;
}

/* What is rare with it goes. */
static noinline int deliver_rare_bytes(struct mbox *mb, struct mbox_caller *caller,
				       struct mbox_msg *msg, char __user *bytes, size_t *len)
{
	const struct mbox_wish wish = { .who = caller->self };
	bool delivered = mbox_plain_write((uintptr_t)bytes, msg);

	*len = msg->len;
	mbox_recv_end(mb, msg, &wish, delivered);
	return delivered ? 0 : -EFAULT;
}

static noinline int wait_for_bytes(struct file *file, struct mbox *mb,
				   struct mbox_caller *caller, unsigned int stamp,
				   char __user *bytes, size_t size, size_t *len)
{
	struct mbox_waiter receiver = {
		.who = caller->self,
		.room = size,
		.files_room = U32_MAX,
	};
	struct mbox_pass pass;
	int err;

	mbox_dev_ask_both(&pass, file, MBOX_RIGHT_RECV);
	pass.stamp = stamp;
	err = wait_to_receive(mb, caller, &receiver, &pass);
	if (err)
		return err;
	return receiver.msg->form == MBOX_RARE ?
	       deliver_rare_bytes(mb, caller, receiver.msg, bytes, len) :
	       deliver_bytes(mb, caller, receiver.msg, bytes, len);
}

/* 0, an error, or MBOX_NOT_PLAIN; @len is how many bytes there were. */
int mbox_command_read_plain(struct file *file, char __user *bytes, size_t size, size_t *len)
{
	const struct mbox_plain_recv recv = { .size = size };
	struct mbox *mb = mbox_plain_target(file, FMODE_READ);
	struct mbox_caller *caller;
	struct mbox_msg *msg;
	unsigned int stamp;
	u64 clock;

	if (!mb || !size)
		return MBOX_NOT_PLAIN;
	caller = stream_caller(file, mb, MBOX_RIGHT_RECV, &stamp);
	if (!caller)
		return MBOX_NOT_PLAIN;
	/* A guess, for it is looked at under the lock. */
	msg = data_race(mb->queue.msgs) ? take(mb, caller, &recv, stamp, &clock) : NULL;
	if (msg)
		return deliver_bytes(mb, caller, msg, bytes, len);
	if (!(file->f_flags & O_NONBLOCK))
		return wait_for_bytes(file, mb, caller, stamp, bytes, size, len);
	return find_nothing(mb, stamp);
}
