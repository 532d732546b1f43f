/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_DEV_H
#define MBOX_DEV_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/uidgid.h>

#include "callers.h"
#include "rights.h"

/**
 * struct mbox_file - an open descriptor of /dev/mbox
 * @mb: the mailbox it is bound to (a reference), or NULL; set once
 * @callers: those who have used it
 * @next_choice: MBOX_RECV_CHOICE looks at this one of its mailboxes first, the
 *	one behind that which was last received from; a hint, without a lock
 */
struct mbox_file {
	struct mbox *mb;
	struct mbox_callers callers;
	u32 next_choice;
};

/* The mailbox stays bound, and so held, for as long as the descriptor is open. */
static inline struct mbox *mbox_dev_bound(const struct mbox_file *mf)
{
	/* Pairs with the cmpxchg in mbox_dev_bind(). */
	return smp_load_acquire(&mf->mb);
}

static inline struct mbox_callers *mbox_dev_callers(const struct file *file)
{
	struct mbox_file *mf = file->private_data;

	return &mf->callers;
}

/*
 * A program that runs with more rights than whoever opened the descriptor may
 * not know where it writes, so the message must not speak in its user's name, or
 * be paid for by it.
 */
static inline bool mbox_dev_is_unwitting(const struct file *file)
{
	return !uid_eq(file->f_cred->euid, current_euid()) ||
	       !gid_eq(file->f_cred->egid, current_egid());
}

/* What one who reads or writes asks for, see mbox_rights_ask_opener(). */
static inline void mbox_dev_ask_both(struct mbox_pass *pass, const struct file *file,
				     unsigned int right)
{
	const struct mbox_file *mf = file->private_data;

	mbox_rights_ask(pass, right);
	mbox_rights_ask_opener(pass, mf->callers.opener.process, file->f_cred);
}

struct mbox *mbox_dev_target(const struct mbox_file *mf);
int mbox_dev_bind(struct mbox_file *mf, struct mbox *mb);

int mbox_dev_init(void);
void mbox_dev_exit(void);

#endif /* MBOX_DEV_H */
