/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_DEV_H
#define MBOX_DEV_H

#include <linux/bits.h>
#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/sched/signal.h>

#include "caller.h"

/* They are found by their process. Of each bucket so many are remembered. */
#define MBOX_CALLERS_BITS	4
#define MBOX_CALLERS_MAX	4

/**
 * struct mbox_file - an open descriptor of /dev/mbox
 * @mb: the mailbox it is bound to (a reference), or NULL; set once
 * @callers: those who have used it; only added to
 * @opener: one of them; immutable
 * @next_choice: MBOX_RECV_CHOICE looks at this one of its mailboxes first, the
 *	one behind that which was last received from; a hint, without a lock
 */
struct mbox_file {
	struct mbox *mb;
	struct mbox_caller *callers[BIT(MBOX_CALLERS_BITS)];
	struct mbox_caller opener;
	u32 next_choice;
};

/* The mailbox stays bound, and so held, for as long as the descriptor is open. */
static inline struct mbox *mbox_dev_bound(const struct mbox_file *mf)
{
	/* Pairs with the cmpxchg in mbox_dev_bind(). */
	return smp_load_acquire(&mf->mb);
}

/* The calling process, if the descriptor knows it, or NULL. */
static inline struct mbox_caller *mbox_dev_caller(const struct mbox_file *mf)
{
	const struct cred *cred = current_cred();
	const struct pid *process = task_tgid(current);
	struct mbox_caller *caller;

	/* Pairs with the cmpxchg that adds one. */
	for (caller = smp_load_acquire(&mf->callers[hash_ptr(process, MBOX_CALLERS_BITS)]);
	     caller; caller = caller->next)
		/* Likewise with the release in learn(). */
		if (smp_load_acquire(&caller->process) == process && caller->cred == cred)
			return caller;
	return NULL;
}

struct mbox *mbox_dev_target(const struct mbox_file *mf);
struct mbox_account *mbox_dev_payer(const struct mbox_file *mf);
struct mbox_participant *mbox_dev_self(struct mbox_file *mf);
int mbox_dev_bind(struct mbox_file *mf, struct mbox *mb);

int mbox_dev_init(void);
void mbox_dev_exit(void);

#endif /* MBOX_DEV_H */
