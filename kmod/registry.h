/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_REGISTRY_H
#define MBOX_REGISTRY_H

#include "mbox.h"

int mbox_registry_add(struct mbox *mb);
int mbox_registry_delete(struct mbox *mb);

struct mbox *mbox_registry_get(u64 id);
struct mbox *mbox_registry_get_named(const u8 name[MBOX_NAME_SIZE]);
struct mbox *mbox_registry_get_next(u64 id);
u32 mbox_registry_count(void);

int mbox_registry_init(void);
void mbox_registry_exit(void);

#endif /* MBOX_REGISTRY_H */
