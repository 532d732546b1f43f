/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_NS_H
#define MBOX_NS_H

#include <linux/user_namespace.h>

#include "mbox.h"

struct mbox_ns *mbox_ns_alloc(struct user_namespace *user_ns);
struct mbox_ns *mbox_ns_get(struct mbox_ns *ns);
void mbox_ns_put(struct mbox_ns *ns);

int mbox_ns_charge(struct mbox_ns *ns, struct mbox_account *payer,
		   const struct mbox_cost *cost);
void mbox_ns_uncharge(struct mbox_ns *ns, struct mbox_account *payer,
		      const struct mbox_cost *cost);

int mbox_ns_add(struct mbox_ns *ns, struct mbox *mb);
void mbox_ns_remove(struct mbox_ns *ns, struct mbox *mb);
struct mbox *mbox_ns_find_id(struct mbox_ns *ns, u64 id);
struct mbox *mbox_ns_find_name(struct mbox_ns *ns, const u8 name[MBOX_NAME_SIZE]);

#endif /* MBOX_NS_H */
