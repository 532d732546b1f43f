/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_OWNER_H
#define MBOX_OWNER_H

#include "mbox.h"

/**
 * struct mbox_heir - whoever is about to own a mailbox
 * @who: the process (a reference)
 * @payer: its account (a reference)
 * @uid: its user
 * @gid: its group
 * @mb: the mailbox that @payer was charged for, or NULL
 * @former: whoever paid for that then (a reference), or NULL
 *
 * Once it owns the mailbox, @who is the former owner and nothing is charged.
 */
struct mbox_heir {
	struct mbox_participant *who;
	struct mbox_account *payer;
	kuid_t uid;
	kgid_t gid;
	struct mbox *mb;
	struct mbox_account *former;
};

int mbox_owner_heir(struct mbox_heir *heir);
int mbox_owner_other_heir(struct mbox_heir *heir, struct pid *process);
void mbox_owner_heir_free(struct mbox_heir *heir);

int mbox_owner_transfer(struct mbox *mb, struct pid *process, bool keep);
int mbox_owner_offer(struct mbox *mb, struct pid *process, bool keep);
int mbox_owner_withdraw(struct mbox *mb);
int mbox_owner_accept(struct mbox *mb);
int mbox_owner_claim(struct mbox *mb);
int mbox_owner_grant(struct mbox *mb, struct pid *process, unsigned int rights);
int mbox_owner_revoke(struct mbox *mb, struct pid *process, unsigned int rights);
int mbox_owner_change(struct mbox *mb, const struct mbox_change *change);

struct mbox_deed *mbox_owner_write_deed(struct mbox *mb);
int mbox_owner_charge_deed(struct mbox_heir *heir, const struct mbox_deed *deed);
int mbox_owner_accept_deed(struct mbox_heir *heir, const struct mbox_deed *deed);

int mbox_owner_first(struct mbox *mb, struct mbox_heir *heir);
void mbox_owner_show_inbox(struct mbox *mb);
void mbox_owner_ended(struct mbox *mb, struct mbox_participant *owner);
void mbox_owner_clear(struct mbox *mb);

#endif /* MBOX_OWNER_H */
