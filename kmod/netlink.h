/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_NETLINK_H
#define MBOX_NETLINK_H

#include <net/genetlink.h>

#include "mbox.h"
#include "viewer.h"

extern struct genl_family mbox_netlink_family;

/* The commands of listener.c. */
int mbox_listener_subscribe(struct sk_buff *skb, struct genl_info *info);
int mbox_listener_unsubscribe(struct sk_buff *skb, struct genl_info *info);

/* Whoever sent a request: 0, to be followed by the second, or -ENOMEM. */
int mbox_netlink_viewer(struct mbox_viewer *viewer, const struct sk_buff *skb);
void mbox_netlink_viewer_put(struct mbox_viewer *viewer);

int mbox_netlink_init(void);
void mbox_netlink_exit(void);

int mbox_listener_init(void);
void mbox_listener_exit(void);

#endif /* MBOX_NETLINK_H */
