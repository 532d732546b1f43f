/* SPDX-License-Identifier: GPL-2.0-only */
/* viewer.h - whoever is shown something, now or later, maybe by another task. */
#ifndef MBOX_VIEWER_H
#define MBOX_VIEWER_H

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "mbox.h"
#include "process.h"

/**
 * struct mbox_viewer - whoever is shown something
 * @process: which process
 * @cred: its credentials, when it asked
 * @opener: the credentials of whoever opened the socket that it asked through, if they
 *	are others, else NULL
 * @account: its account
 * @later: it is shown what happens after it asked, so what only the calling process can
 *	be asked does not count
 *
 * Who keeps it holds all that it points to.
 */
struct mbox_viewer {
	struct pid *process;
	const struct cred *cred;
	const struct cred *opener;
	struct mbox_account *account;
	bool later;
};

/* The calling process, with its @account. */
static inline struct mbox_viewer mbox_viewer_self(struct mbox_account *account)
{
	return (struct mbox_viewer) {
		.process = task_tgid(current),
		.cred = current_cred(),
		.account = account,
	};
}

/* The number that a process has for the viewer, or 0. */
static inline pid_t mbox_viewer_nr(const struct mbox_viewer *viewer, struct pid *process)
{
	return pid_nr_ns(process, ns_of_pid(viewer->process));
}

/* Likewise, but 0 once it has ended. */
static inline pid_t mbox_viewer_living_nr(const struct mbox_viewer *viewer,
					  struct pid *process)
{
	return mbox_process_alive(process) ? mbox_viewer_nr(viewer, process) : 0;
}

#endif /* MBOX_VIEWER_H */
