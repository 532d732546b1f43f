// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_call.c - the commands about calls: call, reply, token.
 */

#include <linux/err.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "call.h"
#include "clock.h"
#include "command.h"
#include "dev.h"
#include "files.h"
#include "mailbox.h"
#include "participant.h"
#include "payload.h"
#include "policy.h"
#include "process.h"
#include "send.h"
#include "trace.h"

/* What a call and a send have in common, by the same names and numbers. */
#define SEND_FLAGS	(MBOX_CALL_NONBLOCK | MBOX_CALL_TIMEOUT | MBOX_CALL_PID | \
			 MBOX_CALL_PIDFD | MBOX_CALL_PARTICIPANT | MBOX_CALL_SHARED)
#define CALL_FLAGS	(SEND_FLAGS | MBOX_CALL_TRUNCATE)

static int check_call(const struct mbox_call *call)
{
	if (call->flags & ~CALL_FLAGS || call->reserved)
		return -EINVAL;
	return call->nr_reply_files > MBOX_FILES_MAX ? -EINVAL : 0;
}

static struct mbox_send request_of(const struct mbox_call *call)
{
	return (struct mbox_send) {
		.flags = call->flags & SEND_FLAGS,
		.id = call->id,
		.buf = call->buf,
		.len = call->len,
		.deadline = call->deadline,
		.prio = call->prio,
		.tag = call->tag,
		.files = call->files,
		.nr_files = call->nr_files,
	};
}

static void fill_reply(struct mbox_call *call, const struct mbox_msg *reply, u64 clock)
{
	struct user_namespace *user_ns = current_user_ns();
	u32 nr_files = mbox_msg_nr_files(reply);

	call->got = 0;
	if (reply->shared)
		call->got |= MBOX_GOT_SHARED;
	if (nr_files > call->nr_reply_files)
		call->got |= MBOX_GOT_FILES_LOST;
	call->nr_reply_files = nr_files;
	call->reply_len = reply->len;
	call->reply_tag = reply->tag;
	call->stamp = reply->stamp;
	call->clock = clock;
	call->sender = reply->from->id;
	call->pid = pid_vnr(reply->from->pid);
	call->uid = from_kuid_munged(user_ns, mbox_msg_uid(reply));
	call->gid = from_kgid_munged(user_ns, mbox_msg_gid(reply));
}

static int deliver_reply(const struct mbox_command *command, struct mbox_call *call,
			 const struct mbox_msg *reply, u64 clock)
{
	s32 __user *slots = u64_to_user_ptr(call->reply_files);
	size_t len = min_t(u64, reply->len, call->size);
	const struct mbox_files *files = mbox_msg_files(reply);
	u32 nr_slots = call->nr_reply_files;
	int err;

	if (!mbox_payload_to_user(u64_to_user_ptr(call->reply), reply, len) ||
	    mbox_files_clear_slots(slots, nr_slots))
		return -EFAULT;
	fill_reply(call, reply, clock);
	err = mbox_command_reply(command, call, offsetof(struct mbox_call, nr_reply_files),
				 offsetof(struct mbox_call, reserved));
	if (!err && files)
		mbox_files_install(files, slots, nr_slots);
	return err;
}

static int call(const struct mbox_command *command, struct mbox_call *call, struct mbox *mb,
		struct mbox_posting *posting)
{
	const struct mbox_send send = request_of(call);
	struct mbox_msg **reply = &posting->request->reply;
	struct mbox_receipt receipt;
	u64 clock;
	int err;

	err = mbox_command_post(command, mb, &send, posting, &receipt);
	if (err)
		return err;
	clock = mbox_clock_merge(&posting->from->clock, (*reply)->stamp);
	trace_mbox_replied(posting->request, posting->from, clock);
	err = deliver_reply(command, call, *reply, clock);
	mbox_policy_discard(mb, *reply);
	return err;
}

static int call_to(const struct mbox_command *command, struct mbox_call *arg,
		   struct mbox *mb, struct mbox_participant *self)
{
	struct mbox_posting posting = { .from = self };
	struct mbox_account *payer;
	int err;

	err = mbox_command_admit_sender(mb, &posting);
	if (err)
		return err;
	payer = mbox_callers_payer(&command->mf->callers);
	if (IS_ERR(payer))
		return PTR_ERR(payer);
	posting.request = mbox_call_begin(mb, payer, arg);
	mbox_account_put(payer);
	if (IS_ERR(posting.request))
		return PTR_ERR(posting.request);
	err = call(command, arg, mb, &posting);
	mbox_request_put(posting.request);
	return err;
}

int mbox_command_call(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_send send = request_of(&arg->call);
	struct mbox_participant *self;
	struct mbox *mb;
	int err;

	err = check_call(&arg->call) ?: mbox_command_check_send(command, &send);
	if (err)
		return err;
	self = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(self))
		return PTR_ERR(self);
	mb = mbox_command_send_target(command, &send);
	err = PTR_ERR_OR_ZERO(mb);
	if (!err) {
		err = call_to(command, &arg->call, mb, self);
		mbox_mailbox_put(mb);
	}
	mbox_participant_put(self);
	return err;
}

/*
 * Replies.
 */

static bool valid_reply(const struct mbox_reply *reply)
{
	if (reply->flags & ~(MBOX_REPLY_DISCARD | MBOX_REPLY_SHARED) || reply->reserved ||
	    reply->nr_files > MBOX_FILES_MAX)
		return false;
	return !(reply->flags & MBOX_REPLY_DISCARD) ||
	       !(reply->flags & MBOX_REPLY_SHARED || reply->buf || reply->len || reply->tag ||
		 reply->files || reply->nr_files);
}

static int reply_as(const struct mbox_command *command, const struct mbox_reply *reply,
		    struct mbox_participant *self)
{
	struct mbox_account *payer = mbox_callers_payer(&command->mf->callers);
	int err;

	if (IS_ERR(payer))
		return PTR_ERR(payer);
	err = mbox_call_reply(self, payer, reply);
	mbox_account_put(payer);
	return err;
}

int mbox_command_reply_to(const struct mbox_command *command, union mbox_argument *arg)
{
	const struct mbox_reply *reply = &arg->reply;
	struct mbox_participant *self;
	int err;

	if (!valid_reply(reply) || reply->result || reply->done)
		return -EINVAL;
	self = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(self))
		return PTR_ERR(self);
	err = reply_as(command, reply, self);
	mbox_participant_put(self);
	return err;
}

/*
 * Before a receive, once: a receive that is restarted finds it done. That the caller
 * has gone does not keep the next request from being received.
 */
int mbox_command_reply_first(const struct mbox_command *command,
			     struct mbox_reply __user *user, struct mbox_participant *self)
{
	struct mbox_reply reply;
	int err;

	if (copy_from_user(&reply, user, sizeof(reply)))
		return -EFAULT;
	if (!valid_reply(&reply) || reply.done > 1)
		return -EINVAL;
	if (reply.done)
		return 0;
	/* Find out before it is done whether it can be told. */
	if (put_user(0, &user->result) || put_user(0U, &user->done))
		return -EFAULT;
	err = reply_as(command, &reply, self);
	if (err && err != -ECANCELED)
		return err;
	if (put_user(err, &user->result) || put_user(1U, &user->done))
		return -EFAULT;
	return 0;
}

/*
 * Tokens.
 */

static int pass_token(const struct mbox_token *token, struct mbox_participant *self)
{
	enum mbox_address how = token->flags & MBOX_TOKEN_PIDFD ? MBOX_BY_PIDFD : MBOX_BY_PID;
	struct mbox_participant *to;
	int err;

	to = mbox_participant_resolve(how, token->pid);
	if (to == ERR_PTR(-EBADF))
		return -EBADF;
	/* Who has no token learns nothing about the process. */
	err = mbox_call_ask(self, token->token);
	if (err != -EBADR)
		err = PTR_ERR_OR_ZERO(to) ?: mbox_process_may_signal(to->pid);
	if (!err)
		err = mbox_call_pass(self, token->token, to);
	if (!IS_ERR(to))
		mbox_participant_put(to);
	return err;
}

static bool valid_token(const struct mbox_token *token)
{
	if (token->flags & ~(MBOX_TOKEN_PASS | MBOX_TOKEN_PIDFD) || token->reserved)
		return false;
	if (token->flags & MBOX_TOKEN_PASS)
		return token->pid >= 0;
	return !token->flags && !token->pid;
}

int mbox_command_token(const struct mbox_command *command, union mbox_argument *arg)
{
	const struct mbox_token *token = &arg->token;
	struct mbox_participant *self;
	int err;

	if (!valid_token(token))
		return -EINVAL;
	self = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(self))
		return PTR_ERR(self);
	err = token->flags ? pass_token(token, self) : mbox_call_ask(self, token->token);
	mbox_participant_put(self);
	return err;
}
