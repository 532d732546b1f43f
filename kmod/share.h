/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_SHARE_H
#define MBOX_SHARE_H

#include "mbox.h"

int mbox_share_init(struct mbox *mb);
int mbox_share_charge(struct mbox *mb, struct mbox_account *payer, u32 len);
void mbox_share_uncharge(struct mbox *mb, struct mbox_account *payer, u32 len);
void mbox_share_tell(struct mbox *mb, struct mbox_account *payer, struct mbox_stat *stat);

#endif /* MBOX_SHARE_H */
