// SPDX-License-Identifier: GPL-2.0-only
/* dev.c - /dev/mbox and its descriptors: open, bind, read, write, poll. */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/uio.h>

#include "call.h"
#include "dev.h"
#include "direct.h"
#include "ioctl.h"
#include "mailbox.h"
#include "msg.h"
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

/* Its process, with all that this was known by. */
static void put_process(struct mbox_caller *caller)
{
	mbox_participant_put(caller->self);
	mbox_account_put(caller->payer);
	put_cred(caller->cred);
}

static void forget(struct mbox_caller *caller, struct mbox *mb)
{
	if (caller->spare)
		mbox_msg_free(mb, caller->spare);
	mbox_call_free(caller->request);
	put_process(caller);
}

/* The calling process: 0 or -ENOMEM. It is found when all else is there. */
static int learn(struct mbox_caller *caller)
{
	struct mbox_participant *self = mbox_participant_find(task_tgid(current));
	struct mbox_account *payer;

	if (IS_ERR(self))
		return PTR_ERR(self);
	payer = mbox_account_find(current_user_ns(), current_euid());
	if (IS_ERR(payer)) {
		mbox_participant_put(self);
		return PTR_ERR(payer);
	}
	WRITE_ONCE(caller->self, self);
	caller->payer = payer;
	caller->cred = get_current_cred();
	caller->known = 0;
	/* Pairs with the acquire in mbox_dev_caller(). */
	smp_store_release(&caller->process, self->pid);
	return 0;
}

static bool remembers_all(const struct mbox_caller *callers)
{
	unsigned int nr = 0;

	for (; callers; callers = callers->next)
		nr++;
	return nr >= MBOX_CALLERS_MAX;
}

static struct mbox_caller **bucket(struct mbox_file *mf)
{
	return &mf->callers[hash_ptr(task_tgid(current), MBOX_CALLERS_BITS)];
}

static bool add_caller(struct mbox_caller **bucket, struct mbox_caller *caller)
{
	caller->next = READ_ONCE(*bucket);
	return !remembers_all(caller->next) &&
	       cmpxchg(bucket, caller->next, caller) == caller->next;
}

static bool has_ended(const struct mbox_caller *caller)
{
	/* Somebody else may be replacing it: under RCU what it was is still there. */
	const struct mbox_participant *self = READ_ONCE(caller->self);

	return self && mbox_is_dead(self);
}

/*
 * One whose process has ended, which nobody finds any more, or NULL. The opener is asked
 * for its rights even then.
 */
static struct mbox_caller *take_out_ended(struct mbox_file *mf)
{
	struct mbox_caller *caller;
	const struct pid *process;

	rcu_read_lock();
	/* Pairs with the cmpxchg in add_caller(). */
	for (caller = smp_load_acquire(bucket(mf)); caller; caller = caller->next) {
		/* And with the release in learn(): what it had before is not looked at. */
		process = smp_load_acquire(&caller->process);
		if (process && caller != &mf->opener && has_ended(caller) &&
		    cmpxchg(&caller->process, process, NULL) == process)
			break;
	}
	rcu_read_unlock();
	return caller;
}

/* The calling process takes the place of one that has ended, if there is one. */
static int replace(struct mbox_file *mf)
{
	struct mbox_caller *caller = take_out_ended(mf);

	if (!caller)
		return 0;
	mbox_call_free(xchg(&caller->request, NULL));
	put_process(caller);
	WRITE_ONCE(caller->self, NULL);
	caller->payer = NULL;
	caller->cred = NULL;
	/* If that fails it is nobody's from now on. */
	return learn(caller);
}

/*
 * Another process than the one that opened it, or with other rights: it may come again. 0,
 * if it can be remembered or not, or -ENOMEM.
 */
static int remember(struct mbox_file *mf)
{
	struct mbox_caller *caller;
	int err;

	/* Pairs with the cmpxchg in add_caller(). */
	if (remembers_all(smp_load_acquire(bucket(mf))))
		return replace(mf);
	caller = kzalloc(sizeof(*caller), MBOX_GFP);
	if (!caller)
		return -ENOMEM;
	err = learn(caller);
	if (!err) {
		if (add_caller(bucket(mf), caller))
			return 0;
		forget(caller, NULL);
	}
	kfree(caller);
	return err;
}

/* The caller's account, to be put: most often one that is known. */
struct mbox_account *mbox_dev_payer(const struct mbox_file *mf)
{
	const struct mbox_caller *caller = mbox_dev_caller(mf);

	if (caller)
		return mbox_account_get(caller->payer);
	return mbox_account_find(current_user_ns(), current_euid());
}

/* The calling process, to be put, or -ENOMEM; likewise. */
struct mbox_participant *mbox_dev_self(struct mbox_file *mf)
{
	const struct mbox_caller *caller = mbox_dev_caller(mf);
	int err;

	if (caller)
		return mbox_participant_get(caller->self);
	err = remember(mf);
	if (err)
		return ERR_PTR(err);
	return mbox_participant_find(task_tgid(current));
}

static int dev_open(struct inode *inode, struct file *file)
{
	struct mbox_file *mf = kzalloc(sizeof(*mf), MBOX_GFP);
	int err;

	if (!mf)
		return -ENOMEM;
	err = learn(&mf->opener);
	if (err) {
		kfree(mf);
		return err;
	}
	*bucket(mf) = &mf->opener;
	file->private_data = mf;
	return stream_open(inode, file);
}

static void forget_all(struct mbox_caller *caller, struct mbox_file *mf)
{
	struct mbox_caller *next;

	for (; caller; caller = next) {
		next = caller->next;
		forget(caller, mf->mb);
		if (caller != &mf->opener)
			kfree(caller);
	}
}

static int dev_release(struct inode *inode, struct file *file)
{
	struct mbox_file *mf = file->private_data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mf->callers); i++)
		forget_all(mf->callers[i], mf);
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
	mbox_rights_ask_opener(pass, mf->opener.process, file->f_cred);
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
	wish.who = mbox_dev_self(iocb->ki_filp->private_data);
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
		posting.payer = mbox_account_get(mf->opener.payer);
	} else {
		posting.payer = mbox_dev_payer(mf);
	}
	if (IS_ERR(posting.payer))
		return PTR_ERR(posting.payer);
	posting.from = mbox_dev_self(mf);
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
	struct mbox_participant *self = mbox_dev_self(file->private_data);
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
	struct mbox_viewer viewer = mbox_viewer_self(mf->opener.payer);
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
