/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_PARTICIPANT_H
#define MBOX_PARTICIPANT_H

#include "mbox.h"

/* How a process is named. */
enum mbox_address { MBOX_BY_PID, MBOX_BY_PIDFD, MBOX_BY_ID };

struct mbox_participant *mbox_participant_find(struct pid *process);
int mbox_participant_check_pidfd(u64 fd);
struct mbox_participant *mbox_participant_resolve(enum mbox_address how, u64 address);
void mbox_participant_put_last(struct mbox_participant *participant);

int mbox_participant_tie(struct mbox_participant *participant,
			 struct list_head *tie, struct list_head *ties);
void mbox_participant_untie(struct list_head *tie);
void *mbox_participant_first(struct list_head *ties, void *(*hold)(struct list_head *tie));
void mbox_participant_settle(void);

int mbox_participant_init(void (*ended)(struct mbox_participant *participant));
void mbox_participant_exit(void);

static inline struct mbox_participant *
mbox_participant_get(struct mbox_participant *participant)
{
	refcount_inc(&participant->refs);
	return participant;
}

static inline void mbox_participant_put(struct mbox_participant *participant)
{
	if (participant && !refcount_dec_not_one(&participant->refs))
		mbox_participant_put_last(participant);
}

/* So many references, at least one; the last of them is there until the others are put. */
static inline void mbox_participant_put_many(struct mbox_participant *participant, int nr)
{
	WARN_ON_ONCE(refcount_sub_and_test(nr - 1, &participant->refs));
	mbox_participant_put(participant);
}

#endif /* MBOX_PARTICIPANT_H */
