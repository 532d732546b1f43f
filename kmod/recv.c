// SPDX-License-Identifier: GPL-2.0-only
/*
 * recv.c - one receiving: claim a message, copy it out without a lock, then
 * free it, or put it back if the user's memory would not have it.
 */

#include <linux/err.h>
#include <linux/sched.h>

#include "msg.h"
#include "policy.h"
#include "recv.h"

/*
 * A message of at most *@room bytes, which the caller must free or put back.
 * -EMSGSIZE if it is longer: *@room is what it needs.
 */
struct mbox_msg *mbox_recv_claim(struct mbox *mb, size_t *room,
				 const struct mbox_patience *patience)
{
	struct mbox_waiter receiver = {
		.task = current,
		.room = *room,
	};
	int err = mbox_policy_meet(mb, &receiver, patience);

	*room = receiver.room;
	return err ? ERR_PTR(err) : receiver.msg;
}

void mbox_recv_put_back(struct mbox *mb, struct mbox_msg *msg)
{
	if (!mbox_policy_put_back(mb, msg))
		mbox_msg_free(msg);
}
