/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_POLICY_H
#define MBOX_POLICY_H

#include "wait.h"

int mbox_policy_reserve(struct mbox *mb, struct mbox_waiter *sender,
			const struct mbox_patience *patience);
int mbox_policy_send(struct mbox *mb, struct mbox_waiter *sender,
		     const struct mbox_patience *patience);
int mbox_policy_receive(struct mbox *mb, struct mbox_waiter *receiver,
			const struct mbox_patience *patience);
struct mbox_msg *mbox_policy_peek(struct mbox *mb, u32 nth, const struct mbox_pass *pass);
int mbox_policy_choose(struct mbox **mbs, struct mbox_seat *seats, unsigned int nr,
		       struct mbox_waiter *receiver,
		       const struct mbox_patience *patience);

void mbox_policy_put_back(struct mbox *mb, struct mbox_msg *msg);
void mbox_policy_discard(struct mbox *mb, struct mbox_msg *msg);
bool mbox_policy_is_undecided(struct mbox_request *request);
bool mbox_policy_fail(struct mbox_request *request, int reason);
int mbox_policy_answer(struct mbox_request *request, struct mbox_msg *reply);
void mbox_policy_expire(struct mbox *mb);
void mbox_policy_strip(struct mbox *mb);
void mbox_policy_change(struct mbox *mb, void (*change)(struct mbox *mb, void *arg),
			void *arg);
void mbox_policy_dismiss(struct mbox *mb);
void mbox_policy_end_link(struct mbox *mb, u64 key);
__poll_t mbox_policy_poll(struct mbox *mb, const struct mbox_lane *lane);

#endif /* MBOX_POLICY_H */
