/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_RIGHTS_H
#define MBOX_RIGHTS_H

#include <linux/cred.h>

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

#endif /* MBOX_RIGHTS_H */
