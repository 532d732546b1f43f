/* SPDX-License-Identifier: GPL-2.0-only */
/* limits.h - how much of everything there may be; sysctl.c lets root set it. */
#ifndef MBOX_LIMITS_H
#define MBOX_LIMITS_H

/**
 * struct mbox_quota - how much one user, or one network namespace, may have
 * @mailboxes: how many
 * @msgs: how many
 * @files: how many in flight
 * @listeners: how many subscriptions to events
 * @bytes: memory of mailboxes and messages, in bytes
 */
struct mbox_quota {
	unsigned int mailboxes;
	unsigned int msgs;
	unsigned int files;
	unsigned int listeners;
	unsigned long bytes;
};

/**
 * struct mbox_limits - read without a lock; a change counts from then on
 * @max_msgs: capacity in messages that a mailbox may be created with
 * @max_size: message size in bytes that it may be created with
 * @max_bytes: capacity in bytes that it may be created with
 * @max_grants: grants that it may have
 * @default_share: how much of it a user may fill, in percent, unless it says so
 * @spin_us: how long a waiter may stay awake before it sleeps, in microseconds
 * @user: what a user may have
 * @ns: what a network namespace may have
 */
struct mbox_limits {
	unsigned int max_msgs;
	unsigned int max_size;
	unsigned long max_bytes;
	unsigned int max_grants;
	unsigned int default_share;
	unsigned int spin_us;
	struct mbox_quota user;
	struct mbox_quota ns;
};

extern struct mbox_limits mbox_limits;

#endif /* MBOX_LIMITS_H */
