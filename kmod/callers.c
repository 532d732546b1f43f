// SPDX-License-Identifier: GPL-2.0-only
/*
 * callers.c - who uses a descriptor. Most often it is the same few processes, so that they
 * need not be looked for: a descriptor remembers up to MBOX_CALLERS_MAX of each bucket.
 * Entries are only added, without a lock, until it is closed; but one whose process has
 * ended becomes another's.
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "call.h"
#include "callers.h"
#include "msg.h"
#include "participant.h"
#include "process.h"

/* Its process, with all that this was known by. */
static void put_process(struct mbox_caller *caller)
{
	mbox_participant_put(caller->self);
	mbox_account_put(caller->payer);
	put_cred(caller->cred);
}

static void forget(struct mbox_caller *caller, struct mbox *mb)
{
	if (caller->spare)
		mbox_msg_free(mb, caller->spare);
	mbox_call_free(caller->request);
	put_process(caller);
}

/* The calling process: 0 or -ENOMEM. It is found when all else is there. */
static int learn(struct mbox_caller *caller)
{
	struct mbox_participant *self = mbox_participant_find(task_tgid(current));
	struct mbox_account *payer;

	if (IS_ERR(self))
		return PTR_ERR(self);
	payer = mbox_account_find(current_user_ns(), current_euid());
	if (IS_ERR(payer)) {
		mbox_participant_put(self);
		return PTR_ERR(payer);
	}
	WRITE_ONCE(caller->self, self);
	caller->payer = payer;
	caller->cred = mbox_process_get_cred(current_cred());
	caller->known = 0;
	caller->known_of_both = 0;
	/* Pairs with the acquire in mbox_callers_find(). */
	smp_store_release(&caller->process, self->pid);
	return 0;
}

static bool remembers_all(const struct mbox_caller *caller)
{
	unsigned int nr = 0;

	for (; caller; caller = caller->next)
		nr++;
	return nr >= MBOX_CALLERS_MAX;
}

static struct mbox_caller **bucket(struct mbox_callers *callers)
{
	return &callers->buckets[hash_ptr(task_tgid(current), MBOX_CALLERS_BITS)];
}

static bool add_caller(struct mbox_caller **bucket, struct mbox_caller *caller)
{
	caller->next = READ_ONCE(*bucket);
	return !remembers_all(caller->next) &&
	       cmpxchg(bucket, caller->next, caller) == caller->next;
}

static bool has_ended(const struct mbox_caller *caller)
{
	/* Somebody else may be replacing it: under RCU what it was is still there. */
	const struct mbox_participant *self = READ_ONCE(caller->self);

	return self && mbox_is_dead(self);
}

/*
 * One whose process has ended, which nobody finds any more, or NULL. The opener is asked
 * for its rights even then.
 */
static struct mbox_caller *take_out_ended(struct mbox_callers *callers)
{
	struct mbox_caller *caller;
	const struct pid *process;

	rcu_read_lock();
	/* Pairs with the cmpxchg in add_caller(). */
	for (caller = smp_load_acquire(bucket(callers)); caller; caller = caller->next) {
		/* And with the release in learn(): what it had before is not looked at. */
		process = smp_load_acquire(&caller->process);
		if (process && caller != &callers->opener && has_ended(caller) &&
		    cmpxchg(&caller->process, process, NULL) == process)
			break;
	}
	rcu_read_unlock();
	return caller;
}

/* The calling process takes the place of one that has ended, if there is one. */
static int replace(struct mbox_callers *callers)
{
	struct mbox_caller *caller = take_out_ended(callers);

	if (!caller)
		return 0;
	mbox_call_free(xchg(&caller->request, NULL));
	put_process(caller);
	WRITE_ONCE(caller->self, NULL);
	caller->payer = NULL;
	caller->cred = NULL;
	/* If that fails it is nobody's from now on. */
	return learn(caller);
}

/*
 * Another process than the one that opened it, or with other rights: it may come again. 0,
 * if it can be remembered or not, or -ENOMEM.
 */
static int remember(struct mbox_callers *callers)
{
	struct mbox_caller *caller;
	int err;

	/* Pairs with the cmpxchg in add_caller(). */
	if (remembers_all(smp_load_acquire(bucket(callers))))
		return replace(callers);
	caller = kzalloc(sizeof(*caller), MBOX_GFP);
	if (!caller)
		return -ENOMEM;
	err = learn(caller);
	if (!err) {
		if (add_caller(bucket(callers), caller))
			return 0;
		forget(caller, NULL);
	}
	kfree(caller);
	return err;
}

/* The caller's account, to be put: most often one that is known. */
struct mbox_account *mbox_callers_payer(const struct mbox_callers *callers)
{
	const struct mbox_caller *caller = mbox_callers_find(callers);

	if (caller)
		return mbox_account_get(caller->payer);
	return mbox_account_find(current_user_ns(), current_euid());
}

/* The calling process, to be put, or -ENOMEM; likewise. */
struct mbox_participant *mbox_callers_self(struct mbox_callers *callers)
{
	const struct mbox_caller *caller = mbox_callers_find(callers);
	int err;

	if (caller)
		return mbox_participant_get(caller->self);
	err = remember(callers);
	if (err)
		return ERR_PTR(err);
	return mbox_participant_find(task_tgid(current));
}

/* The opener, who is the calling process: 0 or -ENOMEM. */
int mbox_callers_init(struct mbox_callers *callers)
{
	int err = learn(&callers->opener);

	if (!err)
		*bucket(callers) = &callers->opener;
	return err;
}

static void forget_all(struct mbox_callers *callers, struct mbox_caller *caller,
		       struct mbox *mb)
{
	struct mbox_caller *next;

	for (; caller; caller = next) {
		next = caller->next;
		forget(caller, mb);
		if (caller != &callers->opener)
			kfree(caller);
	}
}

/* Nobody uses it any more, which was bound to that mailbox, or to none. */
void mbox_callers_exit(struct mbox_callers *callers, struct mbox *mb)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers->buckets); i++)
		forget_all(callers, callers->buckets[i], mb);
}
