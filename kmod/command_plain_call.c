// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_plain_call.c - the short way of calls: a request that is nothing but bytes, a tag
 * and a priority, and its reply, likewise, by a server that replies and waits for the next
 * one in the same system call (MBOX_RECV_REPLY). Who may go it is said in command_plain.c,
 * which receives the requests, too.
 *
 * On 6.1 a call and its reply of 64 bytes take 13,400 instructions the general way
 * (command_call.c) and 7,300 here, of which 5,000 are those of two system calls that do
 * nothing and of two tasks that take turns (make bench). That comes of what messages have,
 * too (command_plain.c), and of this:
 *
 *   - a request uses the memory of the caller's last one again, with its message in it and
 *     its references (call.c);
 *   - the token is looked for and used up in one step, when the reply is ready.
 */

#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "call.h"
#include "command_plain.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "request.h"
#include "rights.h"
#include "trace.h"
#include "wait.h"

/* What is read of the caller's structures. */
struct plain_call {
	u64 flags;
	u64 buf;
	u64 len;
	u64 deadline;
	u64 tag;
	u64 reply;
	u64 size;
	u32 prio;
};

struct plain_reply {
	u64 flags;
	u64 token;
	u64 buf;
	u64 len;
	u64 tag;
	u32 done;
};

#define PLAIN_CALL_FLAGS	(MBOX_CALL_NONBLOCK | MBOX_CALL_TIMEOUT)

/* False if it cannot be read, or is not plain: one test is for all that is to be zero. */
static __always_inline bool read_call(struct plain_call *call,
				      const struct mbox_call __user *user)
{
	u32 nr_files, nr_reply_files, reserved;
	u64 id;

	if (!user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_get_user(call->flags, &user->flags, fault);
	unsafe_get_user(id, &user->id, fault);
	unsafe_get_user(call->buf, &user->buf, fault);
	unsafe_get_user(call->len, &user->len, fault);
	unsafe_get_user(call->deadline, &user->deadline, fault);
	unsafe_get_user(call->tag, &user->tag, fault);
	unsafe_get_user(call->prio, &user->prio, fault);
	unsafe_get_user(nr_files, &user->nr_files, fault);
	unsafe_get_user(call->reply, &user->reply, fault);
	unsafe_get_user(call->size, &user->size, fault);
	unsafe_get_user(nr_reply_files, &user->nr_reply_files, fault);
	unsafe_get_user(reserved, &user->reserved, fault);
	user_access_end();
	return !((call->flags & ~PLAIN_CALL_FLAGS) | id | nr_files | nr_reply_files | reserved) &&
	       call->prio <= MBOX_PRIO_MAX;

fault:
	user_access_end();
	return false;
}

/* And the address of it, in the structure of the receive that is to come. */
static __always_inline bool read_reply(struct plain_reply *reply,
				       struct mbox_reply __user **user,
				       const struct mbox_recv __user *recv)
{
	struct mbox_reply __user *from;
	u32 nr_files, reserved;
	u64 address;

	if (!user_access_begin(recv, sizeof(*recv)))
		return false;
	unsafe_get_user(address, &recv->reply, fault);
	user_access_end();
	from = u64_to_user_ptr(address);
	if (!user_access_begin(from, sizeof(*from)))
		return false;
	unsafe_get_user(reply->flags, &from->flags, fault);
	unsafe_get_user(reply->token, &from->token, fault);
	unsafe_get_user(reply->buf, &from->buf, fault);
	unsafe_get_user(reply->len, &from->len, fault);
	unsafe_get_user(reply->tag, &from->tag, fault);
	unsafe_get_user(nr_files, &from->nr_files, fault);
	unsafe_get_user(reserved, &from->reserved, fault);
	unsafe_get_user(reply->done, &from->done, fault);
	user_access_end();
	*user = from;
	return !((reply->flags & ~MBOX_REPLY_SHARED) | nr_files | reserved) && reply->done <= 1;

fault:
	user_access_end();
	return false;
}

static __always_inline bool tell_replied(struct mbox_reply __user *user, int result, u32 done)
{
	if (!user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_put_user(result, &user->result, fault);
	unsafe_put_user(done, &user->done, fault);
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
}

/* As command_call.c does it, of a reply without files. */
static __always_inline bool write_reply(struct mbox_call __user *user,
					const struct mbox_msg *reply, u64 clock)
{
	u32 got = reply->shared ? MBOX_GOT_SHARED : 0;
	struct mbox_plain_origin origin __uninitialized;

	mbox_plain_find_origin(&origin, reply);
	if (should_fail_usercopy() || !user_access_begin(user, sizeof(*user)))
		return false;
	unsafe_put_user(0, &user->nr_reply_files, fault);
	unsafe_put_user(got, &user->got, fault);
	unsafe_put_user(reply->len, &user->reply_len, fault);
	unsafe_put_user(reply->tag, &user->reply_tag, fault);
	unsafe_put_user(reply->stamp, &user->stamp, fault);
	unsafe_put_user(clock, &user->clock, fault);
	unsafe_put_user(reply->from->id, &user->sender, fault);
	unsafe_put_user(origin.pid, &user->pid, fault);
	unsafe_put_user(origin.uid, &user->uid, fault);
	unsafe_put_user(origin.gid, &user->gid, fault);
	user_access_end();
	return true;

fault:
	user_access_end();
	return false;
}

/*
 * Calls.
 */

/* Ready to take a seat, by the pass. */
static void init_sender(struct mbox_waiter *sender, struct mbox_msg *msg,
			const struct mbox_pass *pass)
{
	*sender = (struct mbox_waiter) {
		.sync = true,
		.request = mbox_msg_request(msg),
		.prio = msg->prio,
		.msg = msg,
	};
	mbox_wait_init(sender, pass);
}

/* Send it, if that may be done at once. */
static __always_inline bool post(struct mbox *mb, struct mbox_waiter *sender)
{
	struct mbox_msg *msg = sender->msg;

	spin_lock(&mb->lock);
	if (!mbox_plain_may_send(mb, msg->len, sender->seat.pass->stamp)) {
		spin_unlock(&mb->lock);
		return false;
	}
	mbox_msg_stamp(msg);
	sender->stamp = msg->stamp;
	sender->request->caller = sender;
	if (mb->nr_receivers) {
		mbox_policy_hand_request(mb, sender);
	} else {
		mbox_policy_seat_offer(mb, sender);
		mbox_plain_queue(mb, msg);
	}
	return true;
}

/* 0: there is the reply. Else the message may still be the caller's. */
static int send_and_wait(struct mbox *mb, struct mbox_waiter *sender,
			 const struct mbox_patience *patience)
{
	int err;

	if (!post(mb, sender))
		return mbox_policy_send(mb, sender, patience);
	err = mbox_wait_sleep(mb, MBOX_WAIT_REPLY, sender, patience);
	return err ? mbox_policy_leave(mb, sender, true, err) : sender->result;
}

static int exchange(const struct file *file, struct mbox *mb, struct mbox_msg *msg,
		    const struct plain_call *call, unsigned int stamp)
{
	struct mbox_patience patience = {
		.nonblock = call->flags & MBOX_CALL_NONBLOCK || file->f_flags & O_NONBLOCK,
		.timed = call->flags & MBOX_CALL_TIMEOUT,
	};
	struct mbox_waiter sender;
	struct mbox_pass pass;
	int err;

	if (patience.timed)
		patience.deadline = mbox_wait_time(call->deadline);
	mbox_rights_ask(&pass, MBOX_RIGHT_SEND);
	pass.stamp = stamp;
	do {
		init_sender(&sender, msg, &pass);
		err = send_and_wait(mb, &sender, &patience);
	} while (err == -EKEYREVOKED && !sender.held && mbox_rights_insist(mb, &pass) > 0);
	if (err && !sender.held)
		mbox_policy_discard(mb, msg);
	return err;
}

static int deliver(struct mbox_call __user *user, const struct plain_call *call,
		   struct mbox_caller *caller, const struct mbox_request *request)
{
	const struct mbox_msg *reply = request->reply;
	u64 clock = mbox_clock_merge(&caller->self->clock, reply->stamp);

	trace_mbox_replied(request, caller->self, clock);
	return mbox_plain_write(call->reply, reply) &&
	       write_reply(user, reply, clock) ? 0 : -EFAULT;
}

/* 0, an error, or MBOX_NOT_PLAIN. */
int mbox_command_call_plain(struct file *file, void __user *user)
{
	struct mbox *mb = mbox_plain_target(file, FMODE_WRITE);
	struct mbox_request *request;
	struct mbox_caller *caller;
	struct plain_call call;
	struct mbox_msg *msg;
	unsigned int stamp;
	int err;

	if (!mb || !read_call(&call, user) || !mbox_plain_takes_len(mb, call.len))
		return MBOX_NOT_PLAIN;
	caller = mbox_plain_caller(file, mb, MBOX_RIGHT_SEND, &stamp);
	if (!caller)
		return MBOX_NOT_PLAIN;
	msg = mbox_call_begin_plain(mb, caller, call.size, call.len);
	if (IS_ERR_OR_NULL(msg))
		return msg ? PTR_ERR(msg) : MBOX_NOT_PLAIN;
	request = mbox_msg_request(msg);
	msg->prio = array_index_nospec(call.prio, MBOX_LEVELS);
	msg->tag = call.tag;
	mbox_msg_set_key(mb, msg);
	if (!mbox_plain_read(msg, call.buf, call.len)) {
		mbox_policy_discard(mb, msg);
		err = -EFAULT;
	} else {
		err = exchange(file, mb, msg, &call, stamp);
	}
	if (!err) {
		err = deliver(user, &call, caller, request);
		mbox_plain_recycle(mb, caller, request->reply);
	}
	mbox_call_end_plain(caller, request);
	return err;
}

/*
 * Replies.
 */

/* Charged and signed: -ENOMEM, -EFAULT, or NULL if it cannot be charged just so. */
static __always_inline struct mbox_msg *make_reply(struct mbox *mb, struct mbox_caller *caller,
						   const struct plain_reply *reply)
{
	struct mbox_msg *msg;
	u32 len = reply->len;

	if (!mbox_ns_charge_msgs(mb->ns, caller->payer, 1, mbox_msg_bytes(MBOX_PLAIN, len)))
		return NULL;
	msg = mbox_plain_buffer(mb, caller, MBOX_PLAIN, len);
	if (!msg) {
		mbox_msg_uncharge_reply(mb, caller->payer, MBOX_PLAIN, len);
		return ERR_PTR(-ENOMEM);
	}
	mbox_msg_sign(msg, caller->self, caller->payer, len);
	msg->is_reply = true;
	msg->shared = !!(reply->flags & MBOX_REPLY_SHARED);
	msg->tag = reply->tag;
	if (mbox_plain_read(msg, reply->buf, len))
		return msg;
	mbox_plain_recycle(mb, caller, msg);
	return ERR_PTR(-EFAULT);
}

/* It went wrong, which is told only to who has that token. */
static noinline int refuse(struct mbox *mb, struct mbox_caller *caller,
			   const struct plain_reply *reply, int err)
{
	return err && mbox_call_may_reply(caller->self, reply->token, mb, reply->len) ?
	       err : MBOX_NOT_PLAIN;
}

/* Before a receive, as mbox_command_reply_first(): 0, an error, or MBOX_NOT_PLAIN. */
int mbox_plain_reply(struct mbox_recv __user *user, struct mbox *mb, struct mbox_caller *caller)
{
	struct mbox_reply __user *told;
	struct mbox_request *request;
	struct plain_reply reply;
	struct mbox_msg *msg;
	int err;

	if (!read_reply(&reply, &told, user) || reply.len > mb->max_size)
		return MBOX_NOT_PLAIN;
	if (reply.done)
		return 0;
	/* Find out before it is done whether it can be told. */
	if (!tell_replied(told, 0, 0))
		return MBOX_NOT_PLAIN;
	msg = make_reply(mb, caller, &reply);
	if (IS_ERR_OR_NULL(msg))
		return refuse(mb, caller, &reply, PTR_ERR_OR_ZERO(msg));
	request = mbox_call_seize(caller->self, reply.token, mb, reply.len);
	if (!request) {
		mbox_plain_recycle(mb, caller, msg);
		return MBOX_NOT_PLAIN;
	}
	err = mbox_policy_answer(request, msg);
	if (err)
		mbox_plain_recycle(mb, caller, msg);
	return tell_replied(told, err, 1) ? 0 : -EFAULT;
}

/*
 * Requests.
 */

/* One that was queued is received by the calling process. The mailbox is locked. */
void mbox_plain_hold(struct mbox *mb, struct mbox_caller *caller, struct mbox_msg *msg,
		     unsigned int stamp)
{
	struct mbox_pass pass;

	mbox_rights_ask(&pass, MBOX_RIGHT_RECV);
	pass.stamp = stamp;
	mbox_policy_hold(mb, mbox_msg_rare(msg), &pass);
	mbox_msg_restock(mb, caller);
}

/* It was delivered: the calling process is to reply. */
void mbox_plain_take(struct mbox *mb, struct mbox_caller *caller, struct mbox_msg *msg)
{
	mbox_call_take(mbox_msg_request(msg), caller->self);
	mbox_policy_discard(mb, msg);
}
