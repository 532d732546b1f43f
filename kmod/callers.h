/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_CALLERS_H
#define MBOX_CALLERS_H

#include <linux/bits.h>
#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/sched/signal.h>

#include "caller.h"

/* They are found by their process. Of each bucket so many are remembered. */
#define MBOX_CALLERS_BITS	4
#define MBOX_CALLERS_MAX	4

/**
 * struct mbox_callers - those who have used a descriptor
 * @buckets: of them; only added to
 * @opener: one of them; immutable
 */
struct mbox_callers {
	struct mbox_caller *buckets[BIT(MBOX_CALLERS_BITS)];
	struct mbox_caller opener;
};

/* The calling process, if the descriptor knows it, or NULL. */
static inline struct mbox_caller *mbox_callers_find(const struct mbox_callers *callers)
{
	const struct cred *cred = current_cred();
	const struct pid *process = task_tgid(current);
	struct mbox_caller *caller;

	/* Pairs with the cmpxchg that adds one. */
	for (caller = smp_load_acquire(&callers->buckets[hash_ptr(process, MBOX_CALLERS_BITS)]);
	     caller; caller = caller->next)
		/* Likewise with the release in learn(). */
		if (smp_load_acquire(&caller->process) == process && caller->cred == cred)
			return caller;
	return NULL;
}

int mbox_callers_init(struct mbox_callers *callers);
void mbox_callers_exit(struct mbox_callers *callers, struct mbox *mb);
struct mbox_account *mbox_callers_payer(const struct mbox_callers *callers);
struct mbox_participant *mbox_callers_self(struct mbox_callers *callers);

#endif /* MBOX_CALLERS_H */
