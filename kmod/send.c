// SPDX-License-Identifier: GPL-2.0-only
/*
 * send.c - one sending, from the user's bytes to the mailbox. The message is
 * built before anything waits for it, and is freed here unless it was accepted.
 */

#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "msg.h"
#include "policy.h"
#include "send.h"

static int submit(struct mbox *mb, struct mbox_msg *msg,
		  const struct mbox_patience *patience)
{
	struct mbox_waiter sender = {
		.task = current,
		.sending = true,
		.msg = msg,
	};
	int err = mbox_policy_meet(mb, &sender, patience);

	if (err)
		mbox_msg_free(msg);
	return err;
}

int mbox_send_user(struct mbox *mb, const struct mbox_send *send,
		   const struct mbox_patience *patience)
{
	struct mbox_msg *msg;

	if (send->len > mb->max_size)
		return -EMSGSIZE;
	msg = mbox_msg_alloc(send->len, send->prio);
	if (!msg)
		return -ENOMEM;
	if (copy_from_user(msg->data, u64_to_user_ptr(send->buf), msg->len)) {
		mbox_msg_free(msg);
		return -EFAULT;
	}
	return submit(mb, msg, patience);
}

/* All that @from has is one message, of the least priority. */
int mbox_send_iter(struct mbox *mb, struct iov_iter *from,
		   const struct mbox_patience *patience)
{
	size_t len = iov_iter_count(from);
	struct mbox_msg *msg;

	if (len > mb->max_size)
		return -EMSGSIZE;
	msg = mbox_msg_alloc(len, 0);
	if (!msg)
		return -ENOMEM;
	if (!copy_from_iter_full(msg->data, len, from)) {
		mbox_msg_free(msg);
		return -EFAULT;
	}
	return submit(mb, msg, patience);
}
