/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_FILES_H
#define MBOX_FILES_H

#include "mbox.h"

struct mbox_files *mbox_files_take(struct mbox *mb, struct mbox_account *payer,
				   const s32 __user *fds, u32 nr);
int mbox_files_clear_slots(s32 __user *slots, u32 nr);
void mbox_files_install(const struct mbox_files *files, s32 __user *slots, u32 nr);
void mbox_files_put(struct mbox_files *files);

#endif /* MBOX_FILES_H */
