/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_CALL_H
#define MBOX_CALL_H

#include "caller.h"
#include "request.h"

struct mbox_request *mbox_call_begin(struct mbox *mb, struct mbox_account *payer,
				     const struct mbox_call *call);
struct mbox_msg *mbox_call_begin_plain(struct mbox *mb, struct mbox_caller *caller,
				       size_t room, u32 len);
void mbox_call_end_plain(struct mbox_caller *caller, struct mbox_request *request);
void mbox_call_free(struct mbox_request *request);
void mbox_call_take(struct mbox_request *request, struct mbox_participant *self);
int mbox_call_reply(struct mbox_participant *self, struct mbox_account *payer,
		    const struct mbox_reply *reply);
bool mbox_call_may_reply(struct mbox_participant *self, u64 token, const struct mbox *mb,
			 u32 len);
struct mbox_request *mbox_call_seize(struct mbox_participant *self, u64 token,
				     const struct mbox *mb, u32 len);
int mbox_call_ask(struct mbox_participant *self, u64 token);
int mbox_call_pass(struct mbox_participant *self, u64 token, struct mbox_participant *to);
bool mbox_call_abandon(struct mbox_participant *participant);

#endif /* MBOX_CALL_H */
