// SPDX-License-Identifier: GPL-2.0-only
/* dev.c - /dev/mbox and its descriptors: open, bind, read, write, poll. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/uio.h>

#include "callers.h"
#include "dev.h"
#include "direct.h"
#include "ioctl.h"
#include "mailbox.h"
#include "participant.h"
#include "payload.h"
#include "recv.h"
#include "rights.h"
#include "send.h"
#include "trace.h"

/* The same for those who want to use it, or why not. */
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

static struct mbox *stream_target(const struct kiocb *iocb, unsigned int right,
				  struct mbox_pass *pass)
{
	const struct file *file = iocb->ki_filp;
	const struct mbox_file *mf = file->private_data;
	struct mbox *mb = mbox_dev_target(mf);

	if (IS_ERR(mb))
		return mb;
	mbox_rights_ask(pass, right);
	mbox_rights_ask_opener(pass, mf->callers.opener.process, file->f_cred);
	if (mbox_rights_admit(mb, pass))
		return mb;
	return ERR_PTR(mbox_rights_refusal(mb));
}

static struct mbox_patience patience_of(const struct kiocb *iocb)
{
	return (struct mbox_patience) {
		.nonblock = (iocb->ki_flags & IOCB_NOWAIT) ||
			    (iocb->ki_filp->f_flags & O_NONBLOCK),
	};
}

static ssize_t read_message(struct kiocb *iocb, struct iov_iter *to)
{
	struct mbox_pass pass;
	struct mbox *mb = stream_target(iocb, MBOX_RIGHT_RECV, &pass);
	struct mbox_patience patience = patience_of(iocb);
	struct mbox_wish wish = { .room = iov_iter_count(to), .files_room = U32_MAX };
	struct mbox_msg *msg;
	bool delivered;
	ssize_t len;

	if (IS_ERR(mb) || !wish.room)
		return PTR_ERR_OR_ZERO(mb);
	wish.who = mbox_callers_self(mbox_dev_callers(iocb->ki_filp));
	if (IS_ERR(wish.who))
		return PTR_ERR(wish.who);
	msg = mbox_recv_claim(mb, &wish, &pass, &patience);
	mbox_participant_put(wish.who);
	if (IS_ERR(msg))
		return PTR_ERR(msg);

	len = msg->len;
	delivered = mbox_payload_to_iter(to, msg);
	mbox_recv_end(mb, msg, &wish, delivered);
	return delivered ? len : -EFAULT;
}

static ssize_t dev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t len = read_message(iocb, to);

	trace_mbox_command("read", len);
	return len;
}

/*
 * A program that runs with more rights than whoever opened the descriptor may
 * not know where it writes, so the message must not speak in its user's name, or
 * be paid for by it.
 */
static bool is_unwitting(const struct file *file)
{
	return !uid_eq(file->f_cred->euid, current_euid()) ||
	       !gid_eq(file->f_cred->egid, current_egid());
}

static ssize_t write_message(struct kiocb *iocb, struct iov_iter *from)
{
	const struct file *file = iocb->ki_filp;
	struct mbox_file *mf = file->private_data;
	struct mbox_posting posting = { .patience = patience_of(iocb) };
	struct mbox *mb = stream_target(iocb, MBOX_RIGHT_SEND, &posting.pass);
	size_t len = iov_iter_count(from);
	int err;

	if (IS_ERR(mb) || !len)
		return PTR_ERR_OR_ZERO(mb);
	if (is_unwitting(file)) {
		posting.payer_cred = file->f_cred;
		posting.payer = mbox_account_get(mf->callers.opener.payer);
	} else {
		posting.payer = mbox_callers_payer(&mf->callers);
	}
	if (IS_ERR(posting.payer))
		return PTR_ERR(posting.payer);
	posting.from = mbox_callers_self(&mf->callers);
	err = PTR_ERR_OR_ZERO(posting.from);
	if (!err) {
		err = mbox_send_iter(mb, from, &posting);
		mbox_participant_put(posting.from);
	}
	mbox_account_put(posting.payer);
	return err ?: len;
}

static ssize_t dev_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t len = write_message(iocb, from);

	trace_mbox_command("write", len);
	return len;
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

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.release = dev_release,
	.read_iter = dev_read_iter,
	.write_iter = dev_write_iter,
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
