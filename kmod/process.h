/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_PROCESS_H
#define MBOX_PROCESS_H

#include <linux/pid.h>

struct pid *mbox_process_get(u64 nr);
struct pid *mbox_process_get_pidfd(s32 fd);
bool mbox_process_alive(struct pid *process);
int mbox_process_may_signal(struct pid *process);

#endif /* MBOX_PROCESS_H */
