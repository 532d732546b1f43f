/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_PLAIN_H
#define MBOX_PLAIN_H

#include <linux/fs.h>
#include <linux/mbox.h>

/* Nothing has happened: it is for the general way. */
#define MBOX_NOT_PLAIN	1

int mbox_plain_send(struct file *file, const struct mbox_send __user *user);
int mbox_plain_recv(struct file *file, struct mbox_recv __user *user, bool may_wait);

#endif /* MBOX_PLAIN_H */
