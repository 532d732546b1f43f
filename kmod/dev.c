// SPDX-License-Identifier: GPL-2.0-only
/* dev.c - /dev/mbox and its descriptors: open, bind, read, write, poll. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/uio.h>

#include "dev.h"
#include "ioctl.h"
#include "mailbox.h"
#include "recv.h"
#include "rights.h"
#include "send.h"

/* The mailbox stays bound, and so held, for as long as the descriptor is open. */
struct mbox *mbox_dev_bound(const struct mbox_file *mf)
{
	/* Pairs with the cmpxchg in mbox_dev_bind(). */
	return smp_load_acquire(&mf->mb);
}

/* The same for those who want to use it, or why not. */
struct mbox *mbox_dev_target(const struct mbox_file *mf)
{
	struct mbox *mb = mbox_dev_bound(mf);

	if (!mb)
		return ERR_PTR(-ENOTCONN);
	return READ_ONCE(mb->state) == MBOX_GONE ? ERR_PTR(-EIDRM) : mb;
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

	if (!mf)
		return -ENOMEM;
	mf->opener = get_pid(task_tgid(current));
	file->private_data = mf;
	return stream_open(inode, file);
}

static int dev_release(struct inode *inode, struct file *file)
{
	struct mbox_file *mf = file->private_data;

	if (mf->mb)
		mbox_mailbox_put(mf->mb);
	put_pid(mf->opener);
	kfree(mf);
	return 0;
}

static struct mbox *stream_target(const struct kiocb *iocb, unsigned int right)
{
	const struct file *file = iocb->ki_filp;
	const struct mbox_file *mf = file->private_data;
	struct mbox *mb = mbox_dev_target(mf);

	if (!IS_ERR(mb) && !mbox_rights_stream(mb, right, mf->opener, file->f_cred))
		return ERR_PTR(-EACCES);
	return mb;
}

static struct mbox_patience patience_of(const struct kiocb *iocb)
{
	return (struct mbox_patience) {
		.nonblock = (iocb->ki_flags & IOCB_NOWAIT) ||
			    (iocb->ki_filp->f_flags & O_NONBLOCK),
	};
}

static ssize_t dev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct mbox *mb = stream_target(iocb, MBOX_RIGHT_RECV);
	struct mbox_patience patience = patience_of(iocb);
	struct mbox_wish wish = { .room = iov_iter_count(to) };
	struct mbox_msg *msg;
	bool delivered;
	ssize_t len;

	if (IS_ERR(mb) || !wish.room)
		return PTR_ERR_OR_ZERO(mb);
	msg = mbox_recv_claim(mb, &wish, &patience);
	if (IS_ERR(msg))
		return PTR_ERR(msg);

	len = msg->len;
	delivered = copy_to_iter(msg->data, len, to) == len;
	mbox_recv_end(mb, msg, &wish, delivered);
	return delivered ? len : -EFAULT;
}

/*
 * A program that runs with more rights than whoever opened the descriptor may
 * not know where it writes, so the message must not speak in its user's name.
 */
static bool is_unwitting(const struct file *file)
{
	return !uid_eq(file->f_cred->euid, current_euid()) ||
	       !gid_eq(file->f_cred->egid, current_egid());
}

static ssize_t dev_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct mbox *mb = stream_target(iocb, MBOX_RIGHT_SEND);
	struct mbox_patience patience = patience_of(iocb);
	size_t len = iov_iter_count(from);
	int err;

	if (IS_ERR(mb) || !len)
		return PTR_ERR_OR_ZERO(mb);
	err = mbox_send_iter(mb, from, is_unwitting(iocb->ki_filp), &patience);
	return err ?: len;
}

/* Bind first: a descriptor that is polled unbound has nothing to wait for. */
static __poll_t dev_poll(struct file *file, poll_table *wait)
{
	struct mbox *mb = mbox_dev_bound(file->private_data);

	return mb ? mbox_mailbox_poll(mb, file, wait) : EPOLLERR;
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.release = dev_release,
	.read_iter = dev_read_iter,
	.write_iter = dev_write_iter,
	.poll = dev_poll,
	.unlocked_ioctl = mbox_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/*
 * For root alone until there are quotas for each user; an administrator may
 * open it to a group.
 */
static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mbox",
	.fops = &dev_fops,
	.mode = 0600,
};

int __init mbox_dev_init(void)
{
	return misc_register(&dev);
}

void mbox_dev_exit(void)
{
	misc_deregister(&dev);
}
