/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_SYSCTL_H
#define MBOX_SYSCTL_H

int mbox_sysctl_init(void);
void mbox_sysctl_exit(void);

#endif /* MBOX_SYSCTL_H */
