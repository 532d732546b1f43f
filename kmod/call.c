// SPDX-License-Identifier: GPL-2.0-only
/*
 * call.c - calls: a request and its reply (request.h has the states). The request
 * goes through the mailbox as a message (send.c, policy.c); here is what is about
 * the token, and the way back, which leads past all queues.
 */

#include <linux/err.h>
#include <linux/rbtree.h>
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
#include "payload.h"
#include "policy.h"
#include "process.h"
#include "trace.h"

static atomic64_t last_token;

/*
 * What a process keeps for its next call (struct mbox_caller) has behind it room for a
 * message, that of the request, if it is short.
 */
#define PLAIN_BYTES	512
#define PLAIN_USED	(sizeof(struct mbox_request) + sizeof(struct mbox_rare) + \
			 sizeof(struct mbox_keyed) + sizeof(struct mbox_msg))
#define PLAIN_LEN	(PLAIN_BYTES - PLAIN_USED)

static_assert(PLAIN_USED < PLAIN_BYTES);

void mbox_call_free(struct mbox_request *request)
{
	if (!request)
		return;
	put_cred(request->cred);
	mbox_account_put(request->payer);
	mbox_mailbox_put(request->mb);
	kfree(request);
}

static void release(struct mbox_request *request)
{
	mbox_ns_uncharge_bytes(request->mb->ns, request->payer, request->bytes);
	mbox_call_free(request);
}

static struct mbox_request *alloc_request(struct mbox *mb, struct mbox_account *payer,
					  u32 bytes)
{
	struct mbox_request *request = kmalloc(bytes, MBOX_GFP);

	if (!request)
		return NULL;
	request->mb = mbox_mailbox_get(mb);
	request->payer = mbox_account_get(payer);
	request->bytes = bytes;
	request->release = release;
	return request;
}

/* For a call, which has a reference. */
static void init_request(struct mbox_request *request, size_t room, u32 files_room)
{
	request->token = atomic64_inc_return(&last_token);
	request->room = room;
	request->files_room = files_room;
	request->caller = NULL;
	request->reply = NULL;
	INIT_LIST_HEAD(&request->held);
	request->cred = NULL;
	request->receiver = 0;
	request->passed_on = false;
	request->holder = 0;
	refcount_set(&request->refs, 1);
}

/* For a call to the mailbox, to be put: -EDQUOT, -ENOSPC or -ENOMEM. */
struct mbox_request *mbox_call_begin(struct mbox *mb, struct mbox_account *payer,
				     const struct mbox_call *call)
{
	const struct mbox_cost cost = { .bytes = sizeof(struct mbox_request) };
	bool truncate = call->flags & MBOX_CALL_TRUNCATE;
	struct mbox_request *request = alloc_request(mb, payer, sizeof(*request));
	int err;

	if (!request)
		return ERR_PTR(-ENOMEM);
	init_request(request, truncate ? SIZE_MAX : call->size,
		     truncate ? U32_MAX : call->nr_reply_files);
	err = mbox_ns_charge(mb->ns, payer, &cost);
	if (!err)
		return request;
	mbox_call_free(request);
	return ERR_PTR(err);
}

/* The message of a request, of @len bytes; or NULL. */
static struct mbox_msg *alloc_msg(struct mbox_request *request, u32 len)
{
	return len <= PLAIN_LEN ? mbox_msg_lodge(request + 1) : mbox_msg_alloc(MBOX_RARE, len);
}

static struct mbox_msg *make_request(struct mbox_request *request, struct mbox_caller *caller,
				     u32 len)
{
	struct mbox_msg *msg = alloc_msg(request, len);

	if (!msg)
		return NULL;
	mbox_msg_sign(msg, caller->self, caller->payer, len);
	mbox_msg_rare(msg)->request = mbox_request_get(request);
	return msg;
}

/**
 * mbox_call_begin_plain() - the same for one who has a descriptor for the mailbox
 * @mb: the mailbox
 * @caller: the calling process
 * @room: the longest reply that it takes; without files
 * @len: length of the request
 *
 * Return: the request's message, charged and signed, with the request, which is to be put
 * (mbox_call_end_plain()); NULL if it cannot be charged just so; or -ENOMEM.
 */
struct mbox_msg *mbox_call_begin_plain(struct mbox *mb, struct mbox_caller *caller,
				       size_t room, u32 len)
{
	size_t bytes = mbox_msg_bytes(MBOX_RARE, len) + PLAIN_BYTES;
	struct mbox_request *request;
	struct mbox_msg *msg;

	if (!mbox_ns_charge_msgs(mb->ns, caller->payer, 1, bytes))
		return NULL;
	request = xchg(&caller->request, NULL) ?: alloc_request(mb, caller->payer, PLAIN_BYTES);
	if (!request)
		goto uncharge;
	init_request(request, room, 0);
	msg = make_request(request, caller, len);
	if (msg)
		return msg;
	mbox_call_free(request);

uncharge:
	mbox_ns_uncharge_msgs(mb->ns, caller->payer, 1, bytes);
	return ERR_PTR(-ENOMEM);
}

/* Put it. It is kept for the next call, unless somebody still has it. */
void mbox_call_end_plain(struct mbox_caller *caller, struct mbox_request *request)
{
	if (!refcount_dec_and_test(&request->refs))
		return;
	mbox_ns_uncharge_bytes(request->mb->ns, request->payer, request->bytes);
	mbox_call_free(xchg(&caller->request, request));
}

/*
 * Tokens: each process has those of its requests in a tree, as it may have very many.
 */

static bool is_earlier(struct rb_node *node, const struct rb_node *other)
{
	return rb_entry(node, struct mbox_request, node)->token <
	       rb_entry(other, struct mbox_request, node)->token;
}

/* The process has the token from now on, with a reference. */
static void add_token(struct mbox_participant *to, struct mbox_request *request)
{
	lockdep_assert_held(&to->tokens_lock);
	rb_add(&request->node, &to->tokens, is_earlier);
	WRITE_ONCE(request->holder, to->id);
}

static void remove_token(struct mbox_participant *self, struct mbox_request *request)
{
	lockdep_assert_held(&self->tokens_lock);
	rb_erase(&request->node, &self->tokens);
	WRITE_ONCE(request->holder, 0);
}

static struct mbox_request *look_up(const struct mbox_participant *self, u64 token)
{
	struct rb_node *node = self->tokens.rb_node;
	struct mbox_request *request;

	lockdep_assert_held(&self->tokens_lock);
	while (node) {
		request = rb_entry(node, struct mbox_request, node);
		if (request->token == token)
			return request;
		node = token < request->token ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* The calling process has received the request, and is to reply. */
void mbox_call_take(struct mbox_request *request, struct mbox_participant *self)
{
	request->receiver = self->id;
	mbox_request_get(request);
	spin_lock(&self->tokens_lock);
	add_token(self, request);
	spin_unlock(&self->tokens_lock);
}

/* A reply of @len bytes, by one who has a descriptor for the mailbox, is nothing rare. */
static struct mbox_request *look_up_plain(const struct mbox_participant *self, u64 token,
					  const struct mbox *mb, u32 len)
{
	struct mbox_request *request = look_up(self, token);

	return request && request->mb == mb && len <= request->room ? request : NULL;
}

bool mbox_call_may_reply(struct mbox_participant *self, u64 token, const struct mbox *mb,
			 u32 len)
{
	bool may;

	spin_lock(&self->tokens_lock);
	may = look_up_plain(self, token, mb, len);
	spin_unlock(&self->tokens_lock);
	return may;
}

/* Likewise: the token, with its reference, or NULL. */
struct mbox_request *mbox_call_seize(struct mbox_participant *self, u64 token,
				     const struct mbox *mb, u32 len)
{
	struct mbox_request *request;

	spin_lock(&self->tokens_lock);
	request = look_up_plain(self, token, mb, len);
	if (request)
		remove_token(self, request);
	spin_unlock(&self->tokens_lock);
	return request;
}

/* What @self has the token of, to be put, or -EBADR. */
static struct mbox_request *find(struct mbox_participant *self, u64 token)
{
	struct mbox_request *request;

	spin_lock(&self->tokens_lock);
	request = look_up(self, token);
	if (request)
		mbox_request_get(request);
	spin_unlock(&self->tokens_lock);
	return request ?: ERR_PTR(-EBADR);
}

/* Of all who try to use a token, one gets it, with its reference. */
static bool seize(struct mbox_request *request, struct mbox_participant *self)
{
	bool has;

	spin_lock(&self->tokens_lock);
	has = READ_ONCE(request->holder) == self->id;
	if (has)
		remove_token(self, request);
	spin_unlock(&self->tokens_lock);
	return has;
}

/* A token that @self had is handed on: 0, or -ESRCH: it keeps it, for @to has ended. */
static int hand_on(struct mbox_request *request, struct mbox_participant *self,
		   struct mbox_participant *to)
{
	/* It is told something, as by a message: what it does is later. */
	u64 stamp = mbox_clock_tick(&self->clock);
	u64 later = mbox_clock_merge(&to->clock, stamp);
	bool lives;

	spin_lock(&to->tokens_lock);
	lives = !READ_ONCE(to->dead);
	if (lives) {
		trace_mbox_pass(request, self, stamp, to, later);
		WRITE_ONCE(request->passed_on, to->id != request->receiver);
		add_token(to, request);
	}
	spin_unlock(&to->tokens_lock);
	if (lives)
		return 0;
	spin_lock(&self->tokens_lock);
	add_token(self, request);
	spin_unlock(&self->tokens_lock);
	return -ESRCH;
}

/* 0: @to has the token now. -EBADR, or -ESRCH if it has ended. */
int mbox_call_pass(struct mbox_participant *self, u64 token, struct mbox_participant *to)
{
	struct mbox_request *request = find(self, token);
	int err;

	if (IS_ERR(request))
		return PTR_ERR(request);
	err = seize(request, self) ? hand_on(request, self, to) : -EBADR;
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

/* The process has ended, and will not reply to one of its requests. False if there is none. */
bool mbox_call_abandon(struct mbox_participant *participant)
{
	struct mbox_request *request = NULL;
	struct rb_node *first;

	spin_lock(&participant->tokens_lock);
	first = rb_first(&participant->tokens);
	if (first) {
		request = rb_entry(first, struct mbox_request, node);
		remove_token(participant, request);
	}
	spin_unlock(&participant->tokens_lock);
	if (!request)
		return false;
	mbox_policy_fail(request, -EOWNERDEAD);
	mbox_request_put(request);
	return true;
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

	if (!mbox_payload_from_user(msg, u64_to_user_ptr(reply->buf)))
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
	if (!seize(request, self))
		return -EBADR;
	mbox_request_put(request);
	return mbox_policy_fail(request, -ECANCELED) ? 0 : -ECANCELED;
}

static int answer(struct mbox_request *request, struct mbox_participant *self,
		  struct mbox_account *payer, const struct mbox_reply *reply)
{
	struct mbox_msg *msg = make_reply(request, self, payer, reply);
	int err;

	if (IS_ERR(msg))
		return PTR_ERR(msg);
	err = seize(request, self) ? mbox_policy_answer(request, msg) : -EBADR;
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
