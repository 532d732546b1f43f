/* SPDX-License-Identifier: GPL-2.0-only */
/* limits.h - how much of everything there may be; sysctl.c lets root set it. */
#ifndef MBOX_LIMITS_H
#define MBOX_LIMITS_H

/**
 * struct mbox_limits - read without a lock; a change counts from then on
 * @max_msgs: capacity in messages that a mailbox may be created with
 * @max_size: message size in bytes that it may be created with
 * @max_mailboxes: mailboxes in one network namespace
 * @max_bytes: capacity in bytes that a mailbox may be created with
 */
struct mbox_limits {
	unsigned int max_msgs;
	unsigned int max_size;
	unsigned int max_mailboxes;
	unsigned long max_bytes;
};

extern struct mbox_limits mbox_limits;

#endif /* MBOX_LIMITS_H */
