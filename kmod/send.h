/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_SEND_H
#define MBOX_SEND_H

#include <linux/uio.h>

#include "wait.h"

/**
 * struct mbox_posting - one sending
 * @pass: the right to send
 * @payer: whose account is charged; held by the caller
 * @payer_cred: its credentials, if they are not those of the caller, or NULL
 * @patience: how long to wait
 * @deed: an ownership that goes with the message, or NULL; the caller's until
 *	there is a message, then NULL
 */
struct mbox_posting {
	struct mbox_pass pass;
	struct mbox_account *payer;
	const struct cred *payer_cred;
	struct mbox_patience patience;
	struct mbox_deed *deed;
};

int mbox_send_user(struct mbox *mb, struct mbox_send *send, struct mbox_posting *posting);
int mbox_send_iter(struct mbox *mb, struct iov_iter *from, struct mbox_posting *posting);

#endif /* MBOX_SEND_H */
