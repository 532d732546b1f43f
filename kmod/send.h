/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_SEND_H
#define MBOX_SEND_H

#include <linux/uio.h>

#include "wait.h"

int mbox_send_user(struct mbox *mb, struct mbox_send *send,
		   struct mbox_patience *patience);
int mbox_send_iter(struct mbox *mb, struct iov_iter *from, bool unwitting,
		   struct mbox_patience *patience);

#endif /* MBOX_SEND_H */
