/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mailboxes as the kernel tells of them to those who watch, by generic netlink
 * (linux/mbox_netlink.h).
 *
 * A connection is for questions, or it is subscribed to events and takes those: who
 * wants both opens two. So a question never stands behind events, and events that are
 * not read in time are the only ones that are lost.
 */
#ifndef MBOXCTL_NETLINK_H
#define MBOXCTL_NETLINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/mbox_netlink.h>

struct netlink;

/* A mailbox, and of how many messages the time in its queue was how long. */
struct netlink_box {
	struct mbox_stat stat;
	uint64_t waited[MBOX_WAITED_BUCKETS];
};

/* @pid is 0 if the process cannot be seen. */
struct netlink_grant {
	uint64_t id;
	uint64_t participant;
	pid_t pid;
	uint32_t rights;
};

/* What an event does not have is 0. @what may be newer than enum mbox_event here. */
struct netlink_event {
	uint32_t what;
	uint32_t rights;
	uint64_t seq;
	uint64_t time;
	uint64_t participant;
	pid_t actor;
	pid_t process;
	pid_t former;
	uint32_t count;
	struct mbox_stat stat;
};

/* NULL, once it has been said why. */
struct netlink *netlink_open(void);
void netlink_close(struct netlink *netlink);

/* For poll(2). */
int netlink_fd(const struct netlink *netlink);

/*
 * Questions: 0, or -1 with errno as linux/mbox_netlink.h has it. Also ENODEV: the
 * module has gone; EBADMSG: the answer is no answer. Signals do not interrupt them.
 */

/* @box is a name or an id; EINVAL and ENAMETOOLONG: it is neither. */
int netlink_get(struct netlink *netlink, const char *box, struct netlink_box *answer);
int netlink_get_id(struct netlink *netlink, uint64_t id, struct netlink_box *answer);

/*
 * All of them, by rising id, to be freed. If mailboxes come and go too quickly for a
 * list that is of one moment, it has at least those that were there all the time.
 */
int netlink_dump(struct netlink *netlink, struct netlink_box **boxes, size_t *count);

/* Of one mailbox or, with id 0, of all; likewise. */
int netlink_grants(struct netlink *netlink, uint64_t id, struct netlink_grant **grants,
		   size_t *count);

/* Of the user *@uid or, with NULL, of the one who asks. */
int netlink_limits(struct netlink *netlink, const uint32_t *uid, struct mbox_info *info,
		   struct mbox_usage *usage);

/*
 * Events
 */

/* Room for events that are not read yet; as much of it as the system allows. */
void netlink_set_buffer(struct netlink *netlink, int bytes);

/* netlink_next() fails with EAGAIN from now on, instead of waiting. */
void netlink_set_nonblock(struct netlink *netlink);

/* To those in a set of MBOX_EVENT_BIT()s, once for a connection. As for questions. */
int netlink_subscribe(struct netlink *netlink, uint32_t events);

/*
 * The next event: 0, or -1 with errno. ENOBUFS: some were lost; ENODEV: the module has
 * gone; EINTR: a signal came. Events may have come with the subscription already, so
 * this is asked before poll(2) is.
 */
int netlink_next(struct netlink *netlink, struct netlink_event *event);

#endif /* MBOXCTL_NETLINK_H */
