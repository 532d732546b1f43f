/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * request.h - a request, from the call that sends it to the reply or to what comes
 * instead.
 *
 *   queued ----received----> held ----reply, failure--> decided
 *     |  <----put back------   |
 *     +----caller gives up, mailbox gone, right lost--> decided
 *
 * While it is queued its caller is a synchronous sender like others; the receipt,
 * which releases those, leaves it waiting. The fate of a request is decided once,
 * under the lock of its mailbox, by whoever finds a caller there. Apart from that,
 * whoever received it may have its token, which is used once: by whoever takes it out
 * of what its process has, for a reply or to hand it on, and nobody else.
 */
#ifndef MBOX_REQUEST_H
#define MBOX_REQUEST_H

#include <linux/cred.h>

#include "wait.h"

/**
 * struct mbox_request - a request
 * @token: its number for users; immutable
 * @mb: where it was sent to (a reference); immutable
 * @payer: whose account it is charged to (a reference); immutable
 * @room: the longest reply that its caller takes; immutable
 * @files_room: the most files; immutable
 * @bytes: of memory, for quotas; immutable
 * @caller: the waiter of its caller, once the mailbox has it and until it is
 *	decided, else NULL; mailbox->lock
 * @reply: what the caller was given; the caller's then
 * @held: in mailbox->held, while it is held and not decided; mailbox->lock
 * @pass: by what its receiver received it; mailbox->lock. Its process is looked at only
 *	as long as the token is the receiver's; it may be a former one then
 * @cred: of the receiver (a reference), while it is in mailbox->held, or NULL
 * @receiver: participant id of the process that received it, and took the token
 * @passed_on: another process has been handed the token since
 * @holder: participant id of the process that has the token, or 0; written under its
 *	tokens_lock
 * @node: in holder->tokens, with a reference
 * @refs: of the caller, the message, the token
 * @release: what to do after that
 */
struct mbox_request {
	u64 token;
	struct mbox *mb;
	struct mbox_account *payer;
	size_t room;
	u32 files_room;
	u32 bytes;
	struct mbox_waiter *caller;
	struct mbox_msg *reply;
	struct list_head held;
	struct mbox_pass pass;
	const struct cred *cred;
	u64 receiver;
	bool passed_on;
	u64 holder;
	struct rb_node node;
	refcount_t refs;
	void (*release)(struct mbox_request *request);
};

static inline struct mbox_request *mbox_request_get(struct mbox_request *request)
{
	refcount_inc(&request->refs);
	return request;
}

/* Of the request that the message is, or 0. */
static inline u64 mbox_msg_token(const struct mbox_msg *msg)
{
	const struct mbox_request *request = mbox_msg_request(msg);

	return request ? request->token : 0;
}

static inline void mbox_request_put(struct mbox_request *request)
{
	if (request && refcount_dec_and_test(&request->refs))
		request->release(request);
}

#endif /* MBOX_REQUEST_H */
