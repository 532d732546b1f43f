/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_SEND_H
#define MBOX_SEND_H

#include <linux/uio.h>

#include "wait.h"

/**
 * struct mbox_posting - one sending
 * @pass: the right to send
 * @from: the calling process; held by the caller
 * @payer: whose account is charged; held by the caller
 * @payer_cred: its credentials, if they are not those of the caller, or NULL
 * @patience: how long to wait
 * @deed: an ownership that goes with the message, or NULL; the caller's until
 *	there is a message, then NULL
 * @request: that the message is, or NULL; held by the caller
 * @lane: that the message goes through, or NULL; set while it is sent
 * @files: that go with it, or NULL; set until there is a message
 */
struct mbox_posting {
	struct mbox_pass pass;
	struct mbox_participant *from;
	struct mbox_account *payer;
	const struct cred *payer_cred;
	struct mbox_patience patience;
	struct mbox_deed *deed;
	struct mbox_request *request;
	struct mbox_lane *lane;
	struct mbox_files *files;
};

/**
 * struct mbox_receipt - what a sender is told
 * @stamp: Lamport's, of the message
 * @receiver: the process that received, as the caller's pid namespace sees it; 0 if
 *	it cannot, or is not known
 */
struct mbox_receipt {
	u64 stamp;
	pid_t receiver;
};

int mbox_send_user(struct mbox *mb, const struct mbox_send *send,
		   struct mbox_posting *posting, struct mbox_receipt *receipt);
int mbox_send_iter(struct mbox *mb, struct iov_iter *from, struct mbox_posting *posting);

#endif /* MBOX_SEND_H */
