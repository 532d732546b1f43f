// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_stream.c - read and write, which know nothing but the bytes of a message. A program
 * that makes them may not know of mailboxes at all, so they take the right of whoever opened
 * the descriptor, too. What is plain goes the short way (command_plain.c) if it comes in one
 * piece, by read(2) and write(2).
 */

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/uio.h>

#include "callers.h"
#include "command.h"
#include "dev.h"
#include "participant.h"
#include "payload.h"
#include "recv.h"
#include "rights.h"
#include "send.h"
#include "trace.h"

static struct mbox *stream_target(const struct file *file, unsigned int right,
				  struct mbox_pass *pass)
{
	struct mbox *mb = mbox_dev_target(file->private_data);

	if (IS_ERR(mb))
		return mb;
	mbox_dev_ask_both(pass, file, right);
	if (mbox_rights_admit(mb, pass))
		return mb;
	return ERR_PTR(mbox_rights_refusal(mb));
}

static ssize_t receive(struct file *file, struct iov_iter *to, bool nowait)
{
	struct mbox_patience patience = { .nonblock = nowait || file->f_flags & O_NONBLOCK };
	struct mbox_pass pass;
	struct mbox *mb = stream_target(file, MBOX_RIGHT_RECV, &pass);
	struct mbox_wish wish = { .room = iov_iter_count(to), .files_room = U32_MAX };
	struct mbox_msg *msg;
	bool delivered;
	ssize_t len;

	if (IS_ERR(mb) || !wish.room)
		return PTR_ERR_OR_ZERO(mb);
	wish.who = mbox_callers_self(mbox_dev_callers(file));
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

ssize_t mbox_command_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t len = receive(iocb->ki_filp, to, iocb->ki_flags & IOCB_NOWAIT);

	trace_mbox_command("read", len);
	return len;
}

static noinline ssize_t receive_buffer(struct file *file, char __user *bytes, size_t size)
{
	struct iov_iter to;

	iov_iter_ubuf(&to, ITER_DEST, bytes, size);
	return receive(file, &to, false);
}

ssize_t mbox_command_read(struct file *file, char __user *bytes, size_t size, loff_t *pos)
{
	size_t got;
	int err = mbox_command_read_plain(file, bytes, size, &got);
	ssize_t len = err ?: got;

	if (err == MBOX_NOT_PLAIN)
		len = receive_buffer(file, bytes, size);
	trace_mbox_command("read", len);
	return len;
}

static ssize_t send(struct file *file, struct iov_iter *from, bool nowait)
{
	struct mbox_file *mf = file->private_data;
	struct mbox_posting posting = {
		.patience = { .nonblock = nowait || file->f_flags & O_NONBLOCK },
	};
	struct mbox *mb = stream_target(file, MBOX_RIGHT_SEND, &posting.pass);
	size_t len = iov_iter_count(from);
	int err;

	if (IS_ERR(mb) || !len)
		return PTR_ERR_OR_ZERO(mb);
	if (mbox_dev_is_unwitting(file)) {
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

ssize_t mbox_command_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t len = send(iocb->ki_filp, from, iocb->ki_flags & IOCB_NOWAIT);

	trace_mbox_command("write", len);
	return len;
}

static noinline ssize_t send_buffer(struct file *file, const char __user *bytes, size_t size)
{
	struct iov_iter from;

	iov_iter_ubuf(&from, ITER_SOURCE, (void __user *)bytes, size);
	return send(file, &from, false);
}

ssize_t mbox_command_write(struct file *file, const char __user *bytes, size_t size, loff_t *pos)
{
	int err = mbox_command_write_plain(file, bytes, size);
	ssize_t len = err ?: size;

	if (err == MBOX_NOT_PLAIN)
		len = send_buffer(file, bytes, size);
	trace_mbox_command("write", len);
	return len;
}
