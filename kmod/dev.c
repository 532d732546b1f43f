// SPDX-License-Identifier: GPL-2.0-only
/* dev.c - /dev/mbox and its descriptors: open, bind, poll. */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "callers.h"
#include "command.h"
#include "dev.h"
#include "direct.h"
#include "ioctl.h"
#include "mailbox.h"
#include "participant.h"
#include "rights.h"
#include "trace.h"

/* The mailbox that is bound, for those who want to use it, or why they cannot. */
struct mbox *mbox_dev_target(const struct mbox_file *mf)
{
	struct mbox *mb = mbox_dev_bound(mf);

	if (!mb)
		return ERR_PTR(-ENOTCONN);
	return mbox_is_gone(mb) ? ERR_PTR(-EIDRM) : mb;
}

int mbox_dev_bind(struct mbox_file *mf, struct mbox *mb)
{
	mbox_mailbox_get(mb);
	if (cmpxchg(&mf->mb, NULL, mb)) {
		mbox_mailbox_put(mb);
		return -EISCONN;
	}
	return 0;
}

static int dev_open(struct inode *inode, struct file *file)
{
	struct mbox_file *mf = kzalloc(sizeof(*mf), MBOX_GFP);
	int err;

	if (!mf)
		return -ENOMEM;
	err = mbox_callers_init(&mf->callers);
	if (err) {
		kfree(mf);
		return err;
	}
	file->private_data = mf;
	return stream_open(inode, file);
}

static int dev_release(struct inode *inode, struct file *file)
{
	struct mbox_file *mf = file->private_data;

	mbox_callers_exit(&mf->callers, mf->mb);
	if (mf->mb)
		mbox_mailbox_put(mf->mb);
	kfree(mf);
	return 0;
}

/*
 * There may be room for one process and not for another one. A process that has not taken
 * part, and for which there is no memory, has no link.
 */
static __poll_t poll_inbox(struct mbox *mb, struct file *file, poll_table *wait)
{
	struct mbox_participant *self = mbox_callers_self(mbox_dev_callers(file));
	struct mbox_lane *lane;
	__poll_t events;

	if (IS_ERR(self))
		return mbox_mailbox_poll(mb, NULL, file, wait);
	lane = mbox_direct_find_lane(mb, self);
	events = mbox_mailbox_poll(mb, lane, file, wait);
	mbox_lane_put(lane);
	mbox_participant_put(self);
	return events;
}

/* Bind first: a descriptor that is polled unbound has nothing to wait for. */
static __poll_t poll_bound(struct file *file, poll_table *wait)
{
	struct mbox *mb = mbox_dev_bound(file->private_data);

	if (!mb)
		return EPOLLERR;
	if (mbox_is_inbox(mb))
		return poll_inbox(mb, file, wait);
	return mbox_mailbox_poll(mb, NULL, file, wait);
}

static __poll_t dev_poll(struct file *file, poll_table *wait)
{
	__poll_t events = poll_bound(file, wait);

	trace_mbox_command("poll", (__force long)events);
	return events;
}

/*
 * What /proc/PID/fdinfo has of a descriptor: of which mailbox it is, and, for those who
 * may see that, what it holds: both who reads and who opened that file, for a program may
 * not know what it reads.
 */
static void dev_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct mbox_file *mf = file->private_data;
	struct mbox_viewer viewer = mbox_viewer_self(mf->callers.opener.payer);
	struct mbox *mb = mbox_dev_bound(mf);
	struct mbox_stat stat;
	bool live;

	if (!mb)
		return;
	seq_printf(m, "mbox-id:\t%llu\n", mb->id);
	if (m->file->f_cred != viewer.cred)
		viewer.opener = m->file->f_cred;
	if (!mbox_rights_show(mb, &viewer))
		return;
	live = mbox_mailbox_stat(mb, &viewer, &stat, NULL);
	seq_printf(m, "mbox-name:\t%s\n", stat.name);
	seq_printf(m, "mbox-state:\t%s\n", live ? "live" : "gone");
	seq_printf(m, "mbox-owner:\t%d\n", stat.pid);
	seq_printf(m, "mbox-msgs:\t%u\n", stat.msgs);
	seq_printf(m, "mbox-bytes:\t%llu\n", stat.bytes);
	seq_printf(m, "mbox-senders:\t%u\n", stat.senders);
	seq_printf(m, "mbox-receivers:\t%u\n", stat.receivers);
}

/*
 * There are read and write beside what any kind of buffers goes through, as the kernel makes
 * that of one buffer else: it takes 170 instructions more for a write and a read, of 1,970. What
 * kernel_read() and kernel_write() are given must not have both, so they refuse ours.
 */
static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.release = dev_release,
	.read = mbox_command_read,
	.read_iter = mbox_command_read_iter,
	.write = mbox_command_write,
	.write_iter = mbox_command_write_iter,
	.poll = dev_poll,
	.show_fdinfo = dev_show_fdinfo,
	.unlocked_ioctl = mbox_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* For everybody: mailboxes have rights of their own, and users have quotas. */
static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mbox",
	.fops = &dev_fops,
	.mode = 0666,
};

int __init mbox_dev_init(void)
{
	return misc_register(&dev);
}

void mbox_dev_exit(void)
{
	misc_deregister(&dev);
}
