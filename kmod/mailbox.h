/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_MAILBOX_H
#define MBOX_MAILBOX_H

#include <linux/fs.h>
#include <linux/poll.h>

#include "mbox.h"
#include "viewer.h"

struct mbox *mbox_mailbox_alloc(const struct mbox_create *attr, struct mbox_ns *ns,
				struct mbox_account *payer);
struct mbox_cost mbox_mailbox_cost(const struct mbox *mb);
struct mbox *mbox_mailbox_get(struct mbox *mb);
void mbox_mailbox_put(struct mbox *mb);
bool mbox_mailbox_mark_gone(struct mbox *mb);
void mbox_mailbox_clear(struct mbox *mb);
__poll_t mbox_mailbox_poll(struct mbox *mb, const struct mbox_lane *lane,
			   struct file *file, poll_table *wait);
bool mbox_mailbox_stat(struct mbox *mb, const struct mbox_viewer *viewer,
		       struct mbox_stat *stat, u64 *waited);

#endif /* MBOX_MAILBOX_H */
