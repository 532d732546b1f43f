/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_PARTICIPANT_H
#define MBOX_PARTICIPANT_H

#include "mbox.h"

struct mbox_participant *mbox_participant_find(struct pid *process);
struct mbox_participant *mbox_participant_get(struct mbox_participant *participant);
void mbox_participant_put(struct mbox_participant *participant);

int mbox_participant_tie(struct mbox_participant *participant,
			 struct list_head *tie, struct list_head *ties);
void mbox_participant_untie(struct list_head *tie);
void mbox_participant_settle(void);

int mbox_participant_init(void);
void mbox_participant_exit(void);

#endif /* MBOX_PARTICIPANT_H */
