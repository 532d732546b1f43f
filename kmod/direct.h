/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_DIRECT_H
#define MBOX_DIRECT_H

#include "link.h"

struct mbox *mbox_direct_inbox(struct mbox_participant *whose,
			       const struct mbox_participant *self);
struct mbox_link *mbox_direct_link(struct mbox_participant *other,
				   struct mbox_participant *self, struct mbox_account *payer);
struct mbox_lane *mbox_direct_lane(const struct mbox *inbox, struct mbox_participant *self,
				   struct mbox_account *payer);
struct mbox_lane *mbox_direct_find_lane(const struct mbox *inbox,
					const struct mbox_participant *self);
void mbox_direct_end_link(struct mbox_link *link);

#endif /* MBOX_DIRECT_H */
