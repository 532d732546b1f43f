/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * mbox over generic netlink: for those who watch. What can be asked here changes
 * nothing; what does is in linux/mbox.h.
 *
 * The family is MBOX_GENL_NAME. It tells of the mailboxes of the network namespace
 * that the socket was made in, and of those only which the asking process may see:
 * to which it has some right, or which are offered to it, when it asks. If the socket
 * was opened with other credentials, those must suffice to see them, too, by mode bits,
 * as the owning user or with CAP_IPC_OWNER: a program with more rights may not know
 * what it writes there. (A forked child's credentials are others, even if they are
 * equal.) Pids, users and groups are those of the namespaces of the
 * process that asked. The device node is not asked for: who may not open that can see
 * here what its rights let it see.
 *
 * Commands
 * --------
 *
 *   MBOX_CMD_GET         the mailbox MBOX_A_ID or MBOX_A_NAME: MBOX_A_STAT and
 *                        MBOX_A_WAITED. As a dump, without them: all, by rising id
 *   MBOX_CMD_GET_GRANTS  a dump only: who was granted what, of that mailbox or, without
 *                        them, of all. A message for each grant: MBOX_A_ID,
 *                        MBOX_A_PROCESS, MBOX_A_PARTICIPANT, MBOX_A_RIGHTS
 *   MBOX_CMD_GET_LIMITS  every limit and what is used of it: MBOX_A_INFO and
 *                        MBOX_A_USAGE; for the asking user, or for MBOX_A_UID, which
 *                        takes CAP_SYS_RESOURCE if that is another one
 *   MBOX_CMD_SUBSCRIBE   from now on events are sent to this socket: those in
 *                        MBOX_A_EVENTS, or all. Once more: others
 *   MBOX_CMD_UNSUBSCRIBE no more of them; so does closing the socket
 *   MBOX_CMD_EVENT       from the kernel: something has happened
 *
 * A dump during which mailboxes or grants came or went is marked NLM_F_DUMP_INTR; it
 * has each mailbox that was there all the time, once.
 *
 * Errors are those of linux/mbox.h. MBOX_CMD_GET: EINVAL, ENOENT, EIDRM, EACCES,
 * ENOMEM. MBOX_CMD_GET_GRANTS: likewise, of MBOX_A_ID. MBOX_CMD_GET_LIMITS: EINVAL,
 * EACCES, ENOMEM. MBOX_CMD_SUBSCRIBE: EINVAL, EDQUOT (user_listeners), ENOSPC
 * (ns_listeners), ENOMEM.
 *
 * Events
 * ------
 * A subscriber is sent an event if the process that subscribed may see the mailbox
 * before or after it. Its rights are looked up each time, with the credentials that
 * it had when it subscribed. Once it has another effective user or group, or more
 * capabilities, what it owns, was granted or is offered does not count. That it may
 * signal the owner of an inbox, and so send to it, does not count here.
 *
 * Nobody waits for a subscriber. If its socket is full, events are lost, and it
 * learns of that twice: recv(2) fails with ENOBUFS, and MBOX_A_SEQ, which counts the
 * events meant for this subscriber from 1, has a gap. What it then needs is a dump,
 * which shows what came of every event that was read, or lost, before it began. If the
 * module goes, recv(2) fails with ENODEV.
 *
 * A mailbox is full while a message of its max_size would find no room, and has space
 * again when it would find some; a rendezvous and an inbox are neither. This is told some
 * milliseconds late, or later where very much changes, so that a mailbox that changes
 * quickly between the two does not drown everything else: MBOX_A_COUNT says how often it
 * became full. What is not told yet when it is deleted is not told any more.
 */
#ifndef _UAPI_LINUX_MBOX_NETLINK_H
#define _UAPI_LINUX_MBOX_NETLINK_H

#include <linux/mbox.h>

#define MBOX_GENL_NAME		"mbox"
#define MBOX_GENL_VERSION	1

enum {
	MBOX_CMD_UNSPEC,
	MBOX_CMD_GET,
	MBOX_CMD_GET_GRANTS,
	MBOX_CMD_GET_LIMITS,
	MBOX_CMD_SUBSCRIBE,
	MBOX_CMD_UNSUBSCRIBE,
	MBOX_CMD_EVENT,
	__MBOX_CMD_MAX,
};

#define MBOX_CMD_MAX		(__MBOX_CMD_MAX - 1)

/**
 * enum mbox_genl_attr - attributes
 * @MBOX_A_UNSPEC: none
 * @MBOX_A_PAD: nothing; for alignment
 * @MBOX_A_ID: u64; a mailbox
 * @MBOX_A_NAME: string of less than MBOX_NAME_SIZE bytes; a mailbox
 * @MBOX_A_UID: u32; a user
 * @MBOX_A_EVENTS: u32; a set of MBOX_EVENT_BIT()s
 * @MBOX_A_STAT: struct mbox_stat, as MBOX_IOC_STAT has it
 * @MBOX_A_WAITED: array of MBOX_WAITED_BUCKETS u64: of how many messages received so far
 *	the time in the queue was how long. The first counts those of less than
 *	MBOX_WAITED_FIRST nanoseconds, each other one those of up to twice the time of
 *	the one before it, the last one all that took longer
 * @MBOX_A_INFO: struct mbox_info, as MBOX_IOC_INFO has it
 * @MBOX_A_USAGE: struct mbox_usage, as MBOX_IOC_USAGE has it
 * @MBOX_A_EVENT: u32; enum mbox_event
 * @MBOX_A_SEQ: u64; number of the event for this subscriber
 * @MBOX_A_TIME: u64; when it happened, CLOCK_REALTIME in nanoseconds
 * @MBOX_A_ACTOR: s32; pid of the process that did it; 0 if none did, or it cannot be
 *	seen
 * @MBOX_A_PROCESS: s32; pid of the process that it is about, likewise
 * @MBOX_A_PARTICIPANT: u64; its participant id
 * @MBOX_A_FORMER: s32; pid of the owner that was, likewise
 * @MBOX_A_RIGHTS: u32; MBOX_RIGHT_* bits
 * @MBOX_A_COUNT: u32; how often
 *
 * Structures grow at their end: what the sender did not know reads as 0, what the
 * reader does not know is to be passed over.
 */
enum mbox_genl_attr {
	MBOX_A_UNSPEC,
	MBOX_A_PAD,
	MBOX_A_ID,
	MBOX_A_NAME,
	MBOX_A_UID,
	MBOX_A_EVENTS,
	MBOX_A_STAT,
	MBOX_A_WAITED,
	MBOX_A_INFO,
	MBOX_A_USAGE,
	MBOX_A_EVENT,
	MBOX_A_SEQ,
	MBOX_A_TIME,
	MBOX_A_ACTOR,
	MBOX_A_PROCESS,
	MBOX_A_PARTICIPANT,
	MBOX_A_FORMER,
	MBOX_A_RIGHTS,
	MBOX_A_COUNT,
	/* private: */
	__MBOX_A_MAX,
};

#define MBOX_A_MAX		(__MBOX_A_MAX - 1)

#define MBOX_WAITED_BUCKETS	32
#define MBOX_WAITED_FIRST	1024

/**
 * enum mbox_event - what has happened
 * @MBOX_EVENT_CREATED: there is a new mailbox; MBOX_A_PROCESS: its owner
 * @MBOX_EVENT_DELETED: it is gone; MBOX_A_STAT: as it was; MBOX_A_PROCESS: its owner,
 *	if it had one. Without MBOX_A_ACTOR it went with that
 * @MBOX_EVENT_TRANSFERRED: MBOX_A_PROCESS owns it now, by transfer or since it accepted
 *	an offer, instead of MBOX_A_FORMER
 * @MBOX_EVENT_OFFERED: the ownership is offered to MBOX_A_PROCESS; without that, the
 *	offer was taken back
 * @MBOX_EVENT_GRANTED: MBOX_A_PROCESS was granted MBOX_A_RIGHTS
 * @MBOX_EVENT_REVOKED: MBOX_A_PROCESS was granted MBOX_A_RIGHTS no longer, or has ended
 * @MBOX_EVENT_ORPHANED: its owner MBOX_A_FORMER has ended
 * @MBOX_EVENT_CLAIMED: MBOX_A_PROCESS has claimed it
 * @MBOX_EVENT_CHANGED: mode bits, user or group were set
 * @MBOX_EVENT_FULL: it has become full, MBOX_A_COUNT times since that was told last
 * @MBOX_EVENT_SPACE: it is no longer full
 *
 * Each has MBOX_A_EVENT, MBOX_A_SEQ, MBOX_A_TIME, MBOX_A_STAT and, if a process did it,
 * MBOX_A_ACTOR.
 */
enum mbox_event {
	MBOX_EVENT_CREATED,
	MBOX_EVENT_DELETED,
	MBOX_EVENT_TRANSFERRED,
	MBOX_EVENT_OFFERED,
	MBOX_EVENT_GRANTED,
	MBOX_EVENT_REVOKED,
	MBOX_EVENT_ORPHANED,
	MBOX_EVENT_CLAIMED,
	MBOX_EVENT_CHANGED,
	MBOX_EVENT_FULL,
	MBOX_EVENT_SPACE,
	/* private: */
	__MBOX_EVENT_MAX,
};

#define MBOX_EVENT_MAX		(__MBOX_EVENT_MAX - 1)
#define MBOX_EVENT_BIT(event)	(1U << (event))
#define MBOX_EVENT_ALL		(MBOX_EVENT_BIT(__MBOX_EVENT_MAX) - 1)

#endif /* _UAPI_LINUX_MBOX_NETLINK_H */
