/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_RECV_H
#define MBOX_RECV_H

#include "wait.h"

struct mbox_msg *mbox_recv_claim(struct mbox *mb, size_t *room,
				 const struct mbox_patience *patience);
void mbox_recv_put_back(struct mbox *mb, struct mbox_msg *msg);

#endif /* MBOX_RECV_H */
