/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_MSG_H
#define MBOX_MSG_H

#include "mbox.h"

size_t mbox_msg_bytes(enum mbox_form form, u32 size);
struct mbox_msg *mbox_msg_alloc(enum mbox_form form, u32 size);
int mbox_msg_charge(struct mbox *mb, struct mbox_account *payer, enum mbox_form form, u32 len);
void mbox_msg_uncharge(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
		       u32 len);
int mbox_msg_charge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			  u32 len);
void mbox_msg_uncharge_reply(struct mbox *mb, struct mbox_account *payer, enum mbox_form form,
			     u32 len);
void mbox_msg_sign(struct mbox_msg *msg, struct mbox_participant *from,
		   struct mbox_account *payer, u32 len);
kuid_t mbox_msg_uid(const struct mbox_msg *msg);
kgid_t mbox_msg_gid(const struct mbox_msg *msg);
struct mbox_msg *mbox_msg_get(struct mbox_msg *msg);
bool mbox_msg_release(struct mbox *mb, struct mbox_msg *msg);
void mbox_msg_free(struct mbox_msg *msg);
void mbox_msg_free_list(struct list_head *msgs);
int mbox_msg_init(void);
void mbox_msg_exit(void);

#endif /* MBOX_MSG_H */
