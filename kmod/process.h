/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_PROCESS_H
#define MBOX_PROCESS_H

#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/sched.h>

struct pid *mbox_process_get(u64 nr);
struct pid *mbox_process_get_pidfd(s32 fd);
bool mbox_process_alive(struct pid *process);
int mbox_process_may_signal(struct pid *process);

/*
 * Its number for the calling process, 0 if it has none: pid_vnr(), which takes 16
 * instructions more where both are of the same namespace.
 */
static inline pid_t mbox_process_nr(struct pid *pid)
{
	const struct upid *own = &pid->numbers[pid->level];

	return own->ns == ns_of_pid(task_pid(current)) ? own->nr : pid_vnr(pid);
}

/* Another reference to credentials, if any. */
static inline const struct cred *mbox_process_get_cred(const struct cred *cred)
{
	/* It also writes to them, always the same, while others do so or read it. */
	return data_race(get_cred(cred));
}

#endif /* MBOX_PROCESS_H */
