// SPDX-License-Identifier: GPL-2.0-only
/*
 * ends.c - what follows from a process's end, for all that it had. Nothing is added to
 * that any more: whoever adds looks whether it is dead (mbox_participant_tie()).
 */

#include <linux/sched.h>

#include "call.h"
#include "direct.h"
#include "ends.h"
#include "mailbox.h"
#include "owner.h"
#include "participant.h"
#include "rights.h"

/* A mailbox in the list is in the registry, which holds it. */
static void *hold_owned(struct list_head *tie)
{
	return mbox_mailbox_get(list_entry(tie, struct mbox, tie));
}

static void *hold_permitted(struct list_head *tie)
{
	return mbox_mailbox_get(list_entry(tie, struct mbox_permit, tie)->mb);
}

/* Whoever ends it keeps it until it is out of this list. */
static void *hold_link(struct list_head *tie)
{
	list_del_init(tie);
	return mbox_link_get(list_entry(tie, struct mbox_link_end, tie)->link);
}

void mbox_ends_process(struct mbox_participant *participant)
{
	struct mbox_link *link;
	struct mbox *mb;

	while (mbox_call_abandon(participant))
		cond_resched();
	while ((mb = mbox_participant_first(&participant->owned, hold_owned))) {
		mbox_owner_ended(mb, participant);
		mbox_mailbox_put(mb);
		cond_resched();
	}
	while ((link = mbox_participant_first(&participant->links, hold_link))) {
		mbox_direct_end_link(link);
		mbox_link_put(link);
		cond_resched();
	}
	while ((mb = mbox_participant_first(&participant->permits, hold_permitted))) {
		mbox_rights_ended(mb, participant);
		mbox_mailbox_put(mb);
		cond_resched();
	}
}
