/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_RIGHTS_H
#define MBOX_RIGHTS_H

#include <linux/cred.h>

#include "caller.h"
#include "viewer.h"
#include "wait.h"

bool mbox_rights_have(const struct mbox *mb, unsigned int right);
bool mbox_rights_privileged(const struct mbox *mb);
bool mbox_rights_see(const struct mbox *mb);
bool mbox_rights_show(const struct mbox *mb, const struct mbox_viewer *viewer);
int mbox_rights_refusal(const struct mbox *mb);

void mbox_rights_ask(struct mbox_pass *pass, unsigned int right);
void mbox_rights_ask_opener(struct mbox_pass *pass, const struct pid *opener,
			    const struct cred *opener_cred);
bool mbox_rights_admit(const struct mbox *mb, struct mbox_pass *pass);
int mbox_rights_insist(const struct mbox *mb, struct mbox_pass *pass);
void mbox_rights_change(struct mbox *mb, void (*change)(struct mbox *mb, void *arg),
			void *arg);

struct mbox_permit *mbox_rights_alloc(struct mbox *mb, unsigned int rights);
void mbox_rights_free(struct mbox_permit *permit);
bool mbox_rights_room(const struct mbox *mb, const struct pid *process);
int mbox_rights_grant(struct mbox *mb, struct mbox_permit *permit);
int mbox_rights_revoke(struct mbox *mb, struct pid *process, unsigned int rights);
void mbox_rights_ended(struct mbox *mb, struct mbox_participant *holder);
void mbox_rights_clear(struct mbox *mb);
u32 mbox_rights_list(struct mbox *mb, const struct mbox_viewer *viewer,
		     struct mbox_granted *granted, u32 nr);
u32 mbox_rights_each(struct mbox *mb, u32 from,
		     int (*each)(const struct mbox_permit *permit, void *arg), void *arg);

bool mbox_rights_learn(const struct mbox *mb, struct mbox_caller *caller, unsigned int right,
		       unsigned int *stamp);
bool mbox_rights_learn_of_both(const struct mbox *mb, struct mbox_caller *caller,
			       const struct pid *opener, const struct cred *opener_cred,
			       unsigned int right, unsigned int *stamp);

/* Of rights and the stamp of the mailbox's access as of which they were found. */
static inline bool mbox_rights_still(const struct mbox *mb, u64 known, unsigned int right,
				     unsigned int *stamp)
{
	*stamp = known >> 32;
	return known & right && raw_read_seqcount(&mb->access.seq) == *stamp;
}

/*
 * Whether a caller has the right, and as of which stamp of the mailbox, by what was found
 * the last time: only what it has without capabilities is known, and as long as nothing
 * there has changed. What it has changes with its credentials, too: those are others then.
 */
static inline bool mbox_rights_known(const struct mbox *mb, struct mbox_caller *caller,
				     unsigned int right, unsigned int *stamp)
{
	return mbox_rights_still(mb, READ_ONCE(caller->known), right, stamp) ||
	       mbox_rights_learn(mb, caller, right, stamp);
}

/* Likewise whether whoever opened the descriptor has it, too: see mbox_rights_ask_opener(). */
static inline bool mbox_rights_known_of_both(const struct mbox *mb, struct mbox_caller *caller,
					     const struct pid *opener,
					     const struct cred *opener_cred, unsigned int right,
					     unsigned int *stamp)
{
	return mbox_rights_still(mb, READ_ONCE(caller->known_of_both), right, stamp) ||
	       mbox_rights_learn_of_both(mb, caller, opener, opener_cred, right, stamp);
}

#endif /* MBOX_RIGHTS_H */
