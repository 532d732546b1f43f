/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accounts for tests: users and what they have, and puppets in namespaces and with
 * capabilities.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "puppet.h"

#define SENDER	1002	/* of messages, where the owner is not meant */

static const uid_t users[] = { OWNER, STRANGER, SENDER };

/* A mailbox that takes everybody's messages. */
static inline struct mbox_create public(uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, 64);

	attr.mode = 0666;
	return attr;
}

/* A message, of zeros. */
#define LARGE	60000

static const char large[LARGE];

static inline int send_large_by(struct puppet *who, uint64_t box, uint32_t len)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_NONBLOCK, .id = box, .buf = (uintptr_t)large, .len = len,
	};

	return call_by(who, MBOX_IOC_SEND, &how);
}

/* Fixtures begin and end with no account in use. */
static inline void begin_accounts(void)
{
	begin();
	reset_tunables();
}

static inline uint32_t msgs_of(int fd, uid_t uid)
{
	return usage_of(fd, uid).user_msgs;
}

static inline bool pays_nothing(int fd, uid_t uid)
{
	struct mbox_usage usage = usage_of(fd, uid);

	return !usage.user_mailboxes && !usage.user_msgs && !usage.user_bytes;
}

/* A descriptor that another user has opened, bound to that mailbox. */
static inline int descriptor_of(uid_t uid, uint64_t box)
{
	int fd;

	NEED(!seteuid(uid));
	fd = open(MBOX_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	NEED(fd >= 0 && !seteuid(0));
	NEED(!bind_by_id(fd, box));
	return fd;
}

/* What the end of a process or of a namespace leaves is cleared soon after. */
static inline void end_accounts(int fd)
{
	unsigned int i;

	sweep();
	reset_tunables();
	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		WAIT_UNTIL(pays_nothing(fd, users[i]));
	WAIT_UNTIL(!usage_of(fd, 0).ns_bytes);
	NEED(!usage_of(fd, 0).ns_mailboxes && !usage_of(fd, 0).ns_msgs);
}

/* Acts of puppets. */

static inline int leave_network_namespace(struct puppet *me)
{
	(void)me;
	return error_of(unshare(CLONE_NEWNET));
}

static inline int enter_user_namespace(struct puppet *me)
{
	(void)me;
	become_root_of_a_user_namespace();
	return 0;
}

static inline int become_owner(struct puppet *me)
{
	(void)me;
	become(OWNER, OWNER);
	return 0;
}

static inline void become_with(uid_t uid, uint64_t capabilities)
{
	NEED(!prctl(PR_SET_KEEPCAPS, 1));
	become(uid, uid);
	wield(capabilities);
}

static inline int become_owner_beyond_limits(struct puppet *me)
{
	(void)me;
	become_with(OWNER, 1ULL << CAP_SYS_RESOURCE);
	return 0;
}

static inline int respect_limits(struct puppet *me)
{
	(void)me;
	wield(~(1ULL << CAP_SYS_RESOURCE));
	return 0;
}

static inline struct puppet *new_puppet_after(int fd, act_fn *act)
{
	struct puppet *puppet = new_puppet(fd, 0, 0);

	NEED(!ask(puppet, act));
	return puppet;
}

static inline int try_create_by(struct puppet *puppet, struct mbox_create attr)
{
	return call_by(puppet, MBOX_IOC_CREATE, &attr);
}

static inline struct mbox_usage own_usage(struct puppet *puppet)
{
	struct mbox_usage usage = { };

	NEED(!call_by(puppet, MBOX_IOC_USAGE, &usage));
	return usage;
}

#endif /* ACCOUNT_H */
