/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_MSG_H
#define MBOX_MSG_H

#include "mbox.h"

struct mbox_msg *mbox_msg_alloc(u32 len, u32 prio);
void mbox_msg_free(struct mbox_msg *msg);
void mbox_msg_free_list(struct list_head *msgs);

#endif /* MBOX_MSG_H */
