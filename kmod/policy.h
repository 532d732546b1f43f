/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_POLICY_H
#define MBOX_POLICY_H

#include "wait.h"

int mbox_policy_meet(struct mbox *mb, struct mbox_waiter *waiter,
		     const struct mbox_patience *patience);
bool mbox_policy_put_back(struct mbox *mb, struct mbox_msg *msg);
void mbox_policy_dismiss(struct mbox *mb);
__poll_t mbox_policy_poll(const struct mbox *mb);

#endif /* MBOX_POLICY_H */
