/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_EVENT_H
#define MBOX_EVENT_H

#include "mbox.h"

/**
 * struct mbox_news - something that has happened to a mailbox
 * @event: what
 * @actor: the process that did it, or NULL
 * @process: the one that it is about, or NULL
 * @former: the owner that was, or NULL
 * @rights: granted or revoked; MBOX_RIGHT_* bits
 * @count: how often
 */
struct mbox_news {
	enum mbox_event event;
	struct pid *actor;
	const struct mbox_participant *process;
	const struct mbox_participant *former;
	unsigned int rights;
	u32 count;
};

/**
 * struct mbox_audience - those who are told
 * @look: rights are about to change; called with ns->lock held
 * @tell: it has happened; likewise
 *
 * Who could see the mailbox at the one or at the other moment is told.
 */
struct mbox_audience {
	void (*look)(struct mbox *mb);
	void (*tell)(struct mbox *mb, const struct mbox_news *news);
};

int mbox_event_init(const struct mbox_audience *audience);
void mbox_event_exit(void);
void mbox_event_look(struct mbox *mb);
void mbox_event_tell(struct mbox *mb, const struct mbox_news *news);
void mbox_event_room(struct mbox *mb);
void mbox_event_tell_room(struct mbox *mb);

#endif /* MBOX_EVENT_H */
