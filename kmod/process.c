// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - processes: how they are called, and whether they are alive. A
 * process is the struct pid of a thread group, which no other process gets as
 * long as it is held; numbers are for people only.
 */

#include <linux/err.h>
#include <linux/file.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "process.h"

/* The process itself, or NULL if @pid is a thread, or a group left behind. */
static struct pid *unless_other(struct pid *pid)
{
	if (!pid || pid_has_task(pid, PIDTYPE_TGID))
		return pid;
	put_pid(pid);
	return NULL;
}

/* The process that has this number for the caller, or NULL; to be put. */
struct pid *mbox_process_get(u64 nr)
{
	return unless_other(nr <= INT_MAX ? find_get_pid(nr) : NULL);
}

/* The process of a pidfd; NULL if there is none any more, -EBADF if no pidfd. */
struct pid *mbox_process_get_pidfd(s32 fd)
{
	struct file *file = fd >= 0 ? fget(fd) : NULL;
	struct pid *pid;

	if (!file)
		return ERR_PTR(-EBADF);
	pid = get_pid(mbox_compat_pidfd_pid(file));
	fput(file);
	return pid ? unless_other(pid) : ERR_PTR(-EBADF);
}

/*
 * A process lives until its last thread has ended, reaped or not. Its leader may
 * end before, be traced meanwhile, or be replaced by another thread's exec.
 */
bool mbox_process_alive(struct pid *process)
{
	struct task_struct *leader;
	bool alive;

	rcu_read_lock();
	leader = pid_task(process, PIDTYPE_TGID);
	/*
	 * do_exit() and exec write plainly what is read here. The leader that an exec replaces
	 * has the other thread behind it for as long as it is looked at.
	 */
	alive = leader && !data_race(READ_ONCE(leader->exit_state) && thread_group_empty(leader));
	rcu_read_unlock();
	return alive;
}

/* What kill(2) says to the caller: 0, -ESRCH or -EPERM. LSMs have errors of their own. */
int mbox_process_may_signal(struct pid *process)
{
	int err = kill_pid(process, 0, 0);

	return !err || err == -ESRCH ? err : -EPERM;
}
