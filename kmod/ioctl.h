/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_IOCTL_H
#define MBOX_IOCTL_H

#include <linux/fs.h>

long mbox_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* MBOX_IOCTL_H */
