/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mailboxes that mboxctl monitor knows of: from a list at first, then from events,
 * and from a list again once events were lost. Then it tells what is different.
 */
#ifndef MBOXCTL_KNOWN_H
#define MBOXCTL_KNOWN_H

#include "mboxctl.h"
#include "netlink.h"

struct known {
	void *tree;
	size_t count;
	/* How many there were in the last list. */
	size_t listed;
	unsigned int round;
};

/* What can be different about a mailbox. */
enum {
	CHANGE_APPEARED = 1 << 0,
	CHANGE_VANISHED = 1 << 1,
	CHANGE_OWNER = 1 << 2,
	CHANGE_OFFER = 1 << 3,
	CHANGE_GRANTS = 1 << 4,
	CHANGE_MODE = 1 << 5,
	CHANGE_FILLED = 1 << 6,
};

/* What has become different, and how it was; NULL: it was not known. */
struct change {
	uint32_t what;
	const struct mbox_stat *before;
	const struct mbox_stat *now;
};

/* 0, or -1 with errno. */
int known_update(struct known *known, const struct netlink_event *event);

/*
 * Takes over a list, and calls @tell for each mailbox that is different, as long as
 * that returns 0. Returns that, or -1 with errno.
 */
int known_compare(struct known *known, const struct netlink_box *boxes, size_t count,
		  int (*tell)(const struct change *change, void *data), void *data);

/*
 * Whether there are many more than the last list had. A mailbox that one may not see
 * any more stays known, since no event tells of its end.
 */
bool known_outgrown(const struct known *known);

void known_free(struct known *known);

#endif /* MBOXCTL_KNOWN_H */
