/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_LINK_H
#define MBOX_LINK_H

#include "mbox.h"

/**
 * struct mbox_link_end - one of the two processes of a link
 * @link: the link
 * @who: the process (a reference); immutable
 * @tie: in @who->links, while both live
 * @lane: to the inbox of @who; the lock of that
 */
struct mbox_link_end {
	struct mbox_link *link;
	struct mbox_participant *who;
	struct list_head tie;
	struct mbox_lane lane;
};

/**
 * struct mbox_link - what two processes have that send to each other directly
 * @ids: of the two participants, the smaller one first; immutable
 * @ends: in that order
 * @over: one of them has ended; set once
 * @payer: whose account it is charged to (a reference); immutable
 * @ns: in whose network namespace it was made (a reference); immutable
 * @node: in the table of links, while both live
 * @refs: of the ties together, of messages, and of calls
 * @rcu: lookups, and whoever has just told the last waiter, may still look at it
 */
struct mbox_link {
	u64 ids[2];
	struct mbox_link_end ends[2];
	bool over;
	struct mbox_account *payer;
	struct mbox_ns *ns;
	struct rhash_head node;
	refcount_t refs;
	struct rcu_head rcu;
};

/* Of what @from sends. */
static inline struct mbox_lane *mbox_link_lane(struct mbox_link *link,
					       const struct mbox_participant *from)
{
	return &link->ends[link->ends[0].who == from].lane;
}

void mbox_lane_init(struct mbox_lane *lane);

struct mbox_link *mbox_link_find(const struct mbox_participant *one,
				 const struct mbox_participant *other);
struct mbox_link *mbox_link_make(struct mbox_participant *one, struct mbox_participant *other,
				 struct mbox_ns *ns, struct mbox_account *payer);
struct mbox_link *mbox_link_get(struct mbox_link *link);
void mbox_link_put(struct mbox_link *link);
bool mbox_link_end(struct mbox_link *link);

int mbox_link_init(void);
void mbox_link_exit(void);

#endif /* MBOX_LINK_H */
