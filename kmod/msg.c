// SPDX-License-Identifier: GPL-2.0-only
/* msg.c - a message's memory and sender. */

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "msg.h"

/*
 * The memory is charged to the sender's memory cgroup. Where there is none
 * left the sender gets an error: nobody is killed for a message.
 */
struct mbox_msg *mbox_msg_alloc(u32 len, u32 prio)
{
	struct mbox_msg *msg;

	msg = kvmalloc(struct_size(msg, data, len),
		       GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!msg)
		return NULL;
	msg->pid = get_pid(task_tgid(current));
	msg->uid = current_euid();
	msg->gid = current_egid();
	msg->prio = prio;
	msg->len = len;
	return msg;
}

void mbox_msg_free(struct mbox_msg *msg)
{
	put_pid(msg->pid);
	kvfree(msg);
}

void mbox_msg_free_list(struct list_head *msgs)
{
	struct mbox_msg *msg, *next;

	list_for_each_entry_safe(msg, next, msgs, node) {
		mbox_msg_free(msg);
		cond_resched();
	}
}
