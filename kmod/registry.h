/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_REGISTRY_H
#define MBOX_REGISTRY_H

#include <net/net_namespace.h>

#include "owner.h"

struct mbox_ns *mbox_registry_ns_of(struct net *net);
struct mbox_ns *mbox_registry_ns(void);
bool mbox_registry_shares_ns(struct pid *process);
int mbox_registry_add(struct mbox *mb, struct mbox_heir *owner);
int mbox_registry_delete(struct mbox *mb, bool by_caller);

struct mbox *mbox_registry_get(struct mbox_ns *ns, u64 id);
struct mbox *mbox_registry_get_named(struct mbox_ns *ns, const u8 name[MBOX_NAME_SIZE]);
struct mbox *mbox_registry_get_next(struct mbox_ns *ns, u64 id);

int mbox_registry_init(void);
void mbox_registry_exit(void);

#endif /* MBOX_REGISTRY_H */
