/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_LINK_H
#define MBOX_LINK_H

#include "mbox.h"

/**
 * struct mbox_link_end - one of the two processes of a link
 * @link: the link
 * @who: the process (a reference); immutable
 * @tie: in @who->links, while both live
 * @lane: to the inbox of @who (a reference), or NULL: none yet; links_lock, read under
 *	RCU. Another inbox has another lane: what is left in the one before is guarded
 *	by the lock of that
 */
struct mbox_link_end {
	struct mbox_link *link;
	struct mbox_participant *who;
	struct list_head tie;
	struct mbox_lane __rcu *lane;
};

/**
 * struct mbox_link - what two processes have that send to each other directly
 * @ids: of the two participants, the smaller one first; immutable
 * @ends: in that order
 * @over: one of them has ended; set once
 * @payer: whose account it is charged to (a reference); immutable
 * @ns: in whose network namespace it was made (a reference); immutable
 * @node: in the table of links, while both live
 * @refs: of the ties together, and of calls
 * @rcu: lookups may still look at @refs after the last put
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

void mbox_lane_init(struct mbox_lane *lane, const struct mbox *mb);
struct mbox_lane *mbox_lane_get(struct mbox_lane *lane);
void mbox_lane_put(struct mbox_lane *lane);

struct mbox_link *mbox_link_find(const struct mbox_participant *one,
				 const struct mbox_participant *other);
struct mbox_link *mbox_link_make(struct mbox_participant *one, struct mbox_participant *other,
				 struct mbox_ns *ns, struct mbox_account *payer);
struct mbox_link *mbox_link_get(struct mbox_link *link);
void mbox_link_put(struct mbox_link *link);
bool mbox_link_end(struct mbox_link *link);

struct mbox_lane *mbox_link_find_lane(struct mbox_link *link, const struct mbox *inbox,
				      const struct mbox_participant *from);
struct mbox_lane *mbox_link_make_lane(struct mbox_link *link, const struct mbox *inbox,
				      const struct mbox_participant *from);

int mbox_link_init(void);
void mbox_link_exit(void);

#endif /* MBOX_LINK_H */
