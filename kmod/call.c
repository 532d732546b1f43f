// SPDX-License-Identifier: GPL-2.0-only
/*
 * call.c - calls: a request and its reply (request.h has the states). The request
 * goes through the mailbox as a message (send.c, policy.c); here is what is about
 * the token, and the way back, which leads past all queues.
 */

#include <linux/err.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "call.h"
#include "clock.h"
#include "files.h"
#include "limits.h"
#include "mailbox.h"
#include "msg.h"
#include "ns.h"
#include "participant.h"
#include "policy.h"
#include "process.h"
#include "table.h"
#include "trace.h"

static const struct rhashtable_params by_token = {
	.key_len = sizeof(u64),
	.key_offset = offsetof(struct mbox_request, token),
	.head_offset = offsetof(struct mbox_request, node),
	.automatic_shrinking = true,
};

static struct rhashtable requests;
static atomic64_t last_token;

static const struct mbox_cost cost = { .bytes = sizeof(struct mbox_request) };

static void free_request(struct mbox_request *request)
{
	put_cred(request->cred);
	mbox_account_put(request->payer);
	mbox_mailbox_put(request->mb);
	kfree_rcu(request, rcu);
}

static void release(struct mbox_request *request)
{
	mbox_table_remove(&requests, &request->node, by_token);
	mbox_ns_uncharge(request->mb->ns, request->payer, &cost);
	free_request(request);
}

/* For a call to the mailbox, to be put: -EDQUOT, -ENOSPC or -ENOMEM. */
struct mbox_request *mbox_call_begin(struct mbox *mb, struct mbox_account *payer,
				     const struct mbox_call *call)
{
	bool truncate = call->flags & MBOX_CALL_TRUNCATE;
	struct mbox_request *request;
	int err;

	request = kzalloc(sizeof(*request), MBOX_GFP);
	if (!request)
		return ERR_PTR(-ENOMEM);
	request->token = atomic64_inc_return(&last_token);
	request->mb = mbox_mailbox_get(mb);
	request->payer = mbox_account_get(payer);
	request->room = truncate ? SIZE_MAX : call->size;
	request->files_room = truncate ? U32_MAX : call->nr_reply_files;
	request->release = release;
	refcount_set(&request->refs, 1);
	INIT_LIST_HEAD(&request->held);
	INIT_LIST_HEAD(&request->tie);
	err = mbox_ns_charge(mb->ns, payer, &cost);
	if (err)
		goto free;
	err = mbox_table_add(&requests, &request->node, by_token);
	if (!err)
		return request;
	mbox_ns_uncharge(mb->ns, payer, &cost);

free:
	free_request(request);
	return ERR_PTR(err);
}

/*
 * Tokens.
 */

/* The calling process has received the request, and is to reply. */
void mbox_call_take(struct mbox_request *request, struct mbox_participant *self)
{
	mbox_request_get(request);
	/* It lives, so this cannot fail. */
	mbox_participant_tie(self, &request->tie, &self->tokens);
	WRITE_ONCE(request->receiver, self->id);
	atomic64_set(&request->holder, self->id);
}

/* What @self has the token of, to be put, or -EBADR. */
static struct mbox_request *find(const struct mbox_participant *self, u64 token)
{
	struct mbox_request *request;

	rcu_read_lock();
	request = rhashtable_lookup(&requests, &token, by_token);
	if (request && !refcount_inc_not_zero(&request->refs))
		request = NULL;
	rcu_read_unlock();
	if (request && atomic64_read(&request->holder) == self->id)
		return request;
	mbox_request_put(request);
	return ERR_PTR(-EBADR);
}

/* Of all who try to use a token, one may. */
static bool seize(struct mbox_request *request, const struct mbox_participant *self)
{
	return atomic64_cmpxchg(&request->holder, self->id, 0) == self->id;
}

static int use_up(struct mbox_request *request, const struct mbox_participant *self)
{
	if (!seize(request, self))
		return -EBADR;
	mbox_participant_untie(&request->tie);
	mbox_request_put(request);
	return 0;
}

/* 0: @to has the token now. -EBADR, or -ESRCH if it has ended. */
int mbox_call_pass(struct mbox_participant *self, u64 token, struct mbox_participant *to)
{
	struct mbox_request *request = find(self, token);
	u64 stamp, later;
	int err;

	if (IS_ERR(request))
		return PTR_ERR(request);
	err = -EBADR;
	if (seize(request, self)) {
		/* It is told something, as by a message: what it does is later. */
		stamp = mbox_clock_tick(&self->clock);
		later = mbox_clock_merge(&to->clock, stamp);
		err = mbox_participant_tie(to, &request->tie, &to->tokens);
		if (!err)
			trace_mbox_pass(request, self, stamp, to, later);
		atomic64_set(&request->holder, err ? self->id : to->id);
	}
	mbox_request_put(request);
	return err;
}

/* Whether the caller still waits: 0, -ECANCELED or -EBADR. */
int mbox_call_ask(struct mbox_participant *self, u64 token)
{
	struct mbox_request *request = find(self, token);
	int err;

	if (IS_ERR(request))
		return PTR_ERR(request);
	err = mbox_policy_is_undecided(request) ? 0 : -ECANCELED;
	mbox_request_put(request);
	return err;
}

/* The process that had the token has ended; with the token's reference. */
void mbox_call_abandon(struct mbox_request *request)
{
	atomic64_set(&request->holder, 0);
	mbox_policy_fail(request, -EOWNERDEAD);
	mbox_request_put(request);
}

/*
 * Replies.
 */

static struct mbox_msg *alloc_reply(struct mbox *mb, struct mbox_participant *self,
				    struct mbox_account *payer, u32 len, u32 nr_files)
{
	enum mbox_form form = nr_files ? MBOX_RARE : MBOX_PLAIN;
	struct mbox_msg *msg;
	int err;

	err = mbox_msg_charge_reply(mb, payer, form, len);
	if (err)
		return ERR_PTR(err);
	msg = mbox_msg_alloc(form, len);
	if (!msg) {
		mbox_msg_uncharge_reply(mb, payer, form, len);
		return ERR_PTR(-ENOMEM);
	}
	mbox_msg_sign(msg, self, payer, len);
	msg->is_reply = true;
	return msg;
}

static int fill_reply(struct mbox *mb, struct mbox_msg *msg, struct mbox_account *payer,
		      const struct mbox_reply *reply)
{
	struct mbox_files *files;

	if (copy_from_user(msg->data, u64_to_user_ptr(reply->buf), msg->len))
		return -EFAULT;
	msg->tag = reply->tag;
	msg->shared = !!(reply->flags & MBOX_REPLY_SHARED);
	if (!reply->nr_files)
		return 0;
	files = mbox_files_take(mb, payer, u64_to_user_ptr(reply->files), reply->nr_files);
	if (IS_ERR(files))
		return PTR_ERR(files);
	mbox_msg_rare(msg)->files = files;
	mbox_msg_rare(msg)->nr_files = files->nr;
	return 0;
}

static struct mbox_msg *make_reply(struct mbox_request *request,
				   struct mbox_participant *self,
				   struct mbox_account *payer, const struct mbox_reply *reply)
{
	struct mbox *mb = request->mb;
	struct mbox_msg *msg;
	int err;

	if (reply->len > request->room || reply->nr_files > request->files_room)
		return ERR_PTR(-EMSGSIZE);
	/* Even one who takes what fits has no use for more than that. */
	if (reply->len > READ_ONCE(mbox_limits.max_size) && reply->len > mb->max_size)
		return ERR_PTR(-EMSGSIZE);
	msg = alloc_reply(mb, self, payer, reply->len, reply->nr_files);
	if (IS_ERR(msg))
		return msg;
	err = fill_reply(mb, msg, payer, reply);
	if (!err)
		return msg;
	mbox_policy_discard(mb, msg);
	return ERR_PTR(err);
}

static int discard(struct mbox_request *request, struct mbox_participant *self)
{
	int err = use_up(request, self);

	if (err)
		return err;
	return mbox_policy_fail(request, -ECANCELED) ? 0 : -ECANCELED;
}

static int answer(struct mbox_request *request, struct mbox_participant *self,
		  struct mbox_account *payer, const struct mbox_reply *reply)
{
	struct mbox_msg *msg = make_reply(request, self, payer, reply);
	int err;

	if (IS_ERR(msg))
		return PTR_ERR(msg);
	err = use_up(request, self);
	if (!err)
		err = mbox_policy_answer(request, msg);
	if (err)
		mbox_policy_discard(request->mb, msg);
	return err;
}

/**
 * mbox_call_reply() - reply to a request, or discard it
 * @self: the calling process
 * @payer: its account
 * @reply: what to reply to what
 *
 * Return: 0, or -ECANCELED: the caller has gone; in both cases the token is used up.
 * -EBADR, -EMSGSIZE, -EDQUOT, -ENOSPC, -ENOMEM, -EFAULT or -EBADF.
 */
int mbox_call_reply(struct mbox_participant *self, struct mbox_account *payer,
		    const struct mbox_reply *reply)
{
	struct mbox_request *request = find(self, reply->token);
	int err;

	if (IS_ERR(request))
		return PTR_ERR(request);
	if (reply->flags & MBOX_REPLY_DISCARD)
		err = discard(request, self);
	else
		err = answer(request, self, payer, reply);
	mbox_request_put(request);
	return err;
}

int mbox_call_init(void)
{
	return rhashtable_init(&requests, &by_token);
}

void mbox_call_exit(void)
{
	rhashtable_destroy(&requests);
}
