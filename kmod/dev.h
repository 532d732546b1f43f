/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_DEV_H
#define MBOX_DEV_H

#include "mbox.h"

/**
 * struct mbox_file - an open descriptor of /dev/mbox
 * @mb: the mailbox it is bound to (a reference), or NULL; set once
 * @opener: the process that opened it (a reference); immutable
 * @payer: its account (a reference); immutable
 * @next_choice: MBOX_RECV_CHOICE looks at this one of its mailboxes first, the
 *	one behind that which was last received from; a hint, without a lock
 */
struct mbox_file {
	struct mbox *mb;
	struct mbox_participant *opener;
	struct mbox_account *payer;
	u32 next_choice;
};

struct mbox *mbox_dev_bound(const struct mbox_file *mf);
struct mbox *mbox_dev_target(const struct mbox_file *mf);
struct mbox_account *mbox_dev_payer(const struct mbox_file *mf);
struct mbox_participant *mbox_dev_self(const struct mbox_file *mf);
int mbox_dev_bind(struct mbox_file *mf, struct mbox *mb);

int mbox_dev_init(void);
void mbox_dev_exit(void);

#endif /* MBOX_DEV_H */
