// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl.c - the command table of /dev/mbox: one copy in, a handler for each
 * command that checks its arguments and calls the verb.
 *
 * A handler checks in the order that uapi/linux/mbox.h promises: arguments, the
 * mailbox, the right, the message, the mailbox's state.
 */

#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "dev.h"
#include "ioctl.h"
#include "limits.h"
#include "mailbox.h"
#include "msg.h"
#include "recv.h"
#include "registry.h"
#include "rights.h"
#include "send.h"

union argument {
	struct mbox_info info;
	struct mbox_create create;
	struct mbox_open open;
	struct mbox_send send;
	struct mbox_recv recv;
	struct mbox_delete delete;
	struct mbox_stat stat;
};

/**
 * struct call - one command being carried out
 * @file: the descriptor
 * @mf: its private part
 * @user: the caller's structure
 * @size: the caller's size of it, or ours if that is less
 */
struct call {
	struct file *file;
	struct mbox_file *mf;
	void __user *user;
	size_t size;
};

/* Write the structure back from offset @from on: nothing before is output. */
static int reply(const struct call *call, const void *arg, size_t from)
{
	return copy_to_user(call->user + from, arg + from, call->size - from) ?
		       -EFAULT : 0;
}

/* The mailbox that @id means on this descriptor; to be put. */
static struct mbox *target_get(const struct call *call, u64 id)
{
	struct mbox *mb;

	if (id)
		return mbox_registry_get(id);
	mb = mbox_dev_target(call->mf);
	return IS_ERR(mb) ? mb : mbox_mailbox_get(mb);
}

static struct mbox_patience patience_of(const struct call *call, bool nonblock,
					bool timed, u64 deadline)
{
	struct mbox_patience patience = {
		.nonblock = nonblock || (call->file->f_flags & O_NONBLOCK),
		.timed = timed,
	};

	if (timed)
		patience.deadline = mbox_wait_deadline(deadline);
	return patience;
}

static int do_info(const struct call *call, union argument *arg)
{
	struct mbox_info *info = &arg->info;

	if (info->flags)
		return -EINVAL;
	info->features = MBOX_FEATURE_BASE;
	info->limit_msgs = READ_ONCE(mbox_limits.max_msgs);
	info->limit_size = READ_ONCE(mbox_limits.max_size);
	info->limit_bytes = READ_ONCE(mbox_limits.max_bytes);
	info->limit_mailboxes = READ_ONCE(mbox_limits.max_mailboxes);
	info->mailboxes = mbox_registry_count();
	return reply(call, info, offsetof(struct mbox_info, features));
}

static bool valid_name(const u8 name[MBOX_NAME_SIZE])
{
	size_t len = strnlen(name, MBOX_NAME_SIZE);
	size_t i;

	if (len == MBOX_NAME_SIZE || memchr_inv(name + len, 0, MBOX_NAME_SIZE - len))
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] == 0x7f || name[i] == '/')
			return false;
	return !(name[0] >= '0' && name[0] <= '9');
}

static int check_create(const struct mbox_create *create)
{
	if (create->flags & ~MBOX_CREATE_BIND || create->reserved)
		return -EINVAL;
	if (create->mode & ~0666 || !valid_name(create->name))
		return -EINVAL;
	if (!create->max_msgs || create->max_msgs > READ_ONCE(mbox_limits.max_msgs))
		return -EINVAL;
	if (create->max_size > READ_ONCE(mbox_limits.max_size))
		return -EINVAL;
	if (create->max_bytes < create->max_size ||
	    create->max_bytes > READ_ONCE(mbox_limits.max_bytes))
		return -EINVAL;
	return 0;
}

/* What may fail comes before the mailbox is published. */
static int conclude_create(const struct call *call, struct mbox_create *create,
			 struct mbox *mb)
{
	int err;

	create->id = mb->id;
	err = reply(call, create, offsetof(struct mbox_create, id));
	if (!err && create->flags & MBOX_CREATE_BIND)
		err = mbox_dev_bind(call->mf, mb);
	if (err)
		mbox_registry_delete(mb);
	else
		mbox_registry_publish(mb);
	return err;
}

static int do_create(const struct call *call, union argument *arg)
{
	struct mbox_create *create = &arg->create;
	struct mbox *mb;
	int err;

	err = check_create(create);
	if (err)
		return err;
	if (create->flags & MBOX_CREATE_BIND && mbox_dev_bound(call->mf))
		return -EISCONN;
	mb = mbox_mailbox_alloc(create);
	if (!mb)
		return -ENOMEM;
	err = mbox_registry_reserve(mb);
	if (!err)
		err = conclude_create(call, create, mb);
	mbox_mailbox_put(mb);
	return err;
}

static int conclude_open(const struct call *call, struct mbox_open *open, struct mbox *mb)
{
	int err;

	if (open->flags & MBOX_OPEN_UID &&
	    !uid_eq(make_kuid(current_user_ns(), open->uid), mb->uid))
		return -ENOENT;
	if (!mbox_rights_see(mb))
		return -EACCES;
	open->id = mb->id;
	open->uid = from_kuid_munged(current_user_ns(), mb->uid);
	err = reply(call, open, offsetof(struct mbox_open, id));
	return err ?: mbox_dev_bind(call->mf, mb);
}

static int do_open(const struct call *call, union argument *arg)
{
	struct mbox_open *open = &arg->open;
	struct mbox *mb;
	int err;

	if (open->flags & ~MBOX_OPEN_UID || open->reserved || !valid_name(open->name))
		return -EINVAL;
	if (!open->name[0] == !open->id)
		return -EINVAL;
	if (mbox_dev_bound(call->mf))
		return -EISCONN;
	mb = open->id ? mbox_registry_get(open->id) :
			mbox_registry_get_named(open->name);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = conclude_open(call, open, mb);
	mbox_mailbox_put(mb);
	return err;
}

static int do_send(const struct call *call, union argument *arg)
{
	const struct mbox_send *send = &arg->send;
	struct mbox_patience patience;
	struct mbox *mb;
	int err;

	if (send->flags & ~(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT) ||
	    send->prio > MBOX_PRIO_MAX || send->reserved)
		return -EINVAL;
	if (!(call->file->f_mode & FMODE_WRITE))
		return -EBADF;
	mb = target_get(call, send->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);

	patience = patience_of(call, send->flags & MBOX_SEND_NONBLOCK,
			       send->flags & MBOX_SEND_TIMEOUT, send->deadline);
	err = -EACCES;
	if (mbox_rights_have(mb, MBOX_RIGHT_SEND))
		err = mbox_send_user(mb, send, &patience);
	mbox_mailbox_put(mb);
	return err;
}

/* Everything that goes to the user, so that the receive can still be undone. */
static int deliver(const struct call *call, struct mbox_recv *recv,
		   const struct mbox_msg *msg)
{
	struct user_namespace *user_ns = current_user_ns();
	size_t len = min_t(u64, msg->len, recv->size);

	if (copy_to_user(u64_to_user_ptr(recv->buf), msg->data, len))
		return -EFAULT;
	recv->len = msg->len;
	recv->seq = msg->seq;
	recv->prio = msg->prio;
	recv->pid = pid_vnr(msg->pid);
	recv->uid = from_kuid_munged(user_ns, msg->uid);
	recv->gid = from_kgid_munged(user_ns, msg->gid);
	return reply(call, recv, offsetof(struct mbox_recv, len));
}

static int tell_len(const struct call *call, size_t len)
{
	struct mbox_recv __user *user = call->user;

	return put_user(len, &user->len) ?: -EMSGSIZE;
}

static int receive(const struct call *call, struct mbox_recv *recv, struct mbox *mb,
		   const struct mbox_patience *patience)
{
	size_t room = recv->flags & MBOX_RECV_TRUNCATE ? SIZE_MAX : recv->size;
	struct mbox_msg *msg;
	int err;

	msg = mbox_recv_claim(mb, &room, patience);
	if (IS_ERR(msg))
		return PTR_ERR(msg) == -EMSGSIZE ? tell_len(call, room) : PTR_ERR(msg);
	err = deliver(call, recv, msg);
	if (err)
		mbox_recv_put_back(mb, msg);
	else
		mbox_msg_free(msg);
	return err;
}

static int do_recv(const struct call *call, union argument *arg)
{
	struct mbox_recv *recv = &arg->recv;
	struct mbox_patience patience;
	struct mbox *mb;
	int err;

	if (recv->flags & ~(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TRUNCATE))
		return -EINVAL;
	if (!(call->file->f_mode & FMODE_READ))
		return -EBADF;
	mb = target_get(call, recv->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);

	patience = patience_of(call, recv->flags & MBOX_RECV_NONBLOCK,
			       recv->flags & MBOX_RECV_TIMEOUT, recv->deadline);
	err = -EACCES;
	if (mbox_rights_have(mb, MBOX_RIGHT_RECV))
		err = receive(call, recv, mb, &patience);
	mbox_mailbox_put(mb);
	return err;
}

static int do_delete(const struct call *call, union argument *arg)
{
	struct mbox *mb;
	int err;

	if (arg->delete.flags)
		return -EINVAL;
	mb = target_get(call, arg->delete.id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = -EACCES;
	if (mbox_rights_have(mb, MBOX_RIGHT_MANAGE))
		err = mbox_registry_delete(mb);
	mbox_mailbox_put(mb);
	return err;
}

static int stat_one(const struct call *call, struct mbox_stat *stat)
{
	struct mbox *mb = target_get(call, stat->id);
	int err = 0;

	if (IS_ERR(mb))
		return PTR_ERR(mb);
	if (!mbox_rights_see(mb))
		err = -EACCES;
	else if (!mbox_mailbox_stat(mb, stat))
		err = -EIDRM;
	mbox_mailbox_put(mb);
	return err;
}

/* Passes over those that may not be seen, or are ended at this moment. */
static int stat_next(struct mbox_stat *stat)
{
	u64 id = stat->id;

	for (;;) {
		struct mbox *mb = mbox_registry_get_next(id);
		bool told;

		if (IS_ERR(mb))
			return PTR_ERR(mb);
		told = mbox_rights_see(mb) && mbox_mailbox_stat(mb, stat);
		id = mb->id + 1;
		mbox_mailbox_put(mb);
		if (told)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static int do_stat(const struct call *call, union argument *arg)
{
	struct mbox_stat *stat = &arg->stat;
	int err;

	if (stat->flags & ~MBOX_STAT_NEXT)
		return -EINVAL;
	err = stat->flags & MBOX_STAT_NEXT ? stat_next(stat) : stat_one(call, stat);
	return err ?: reply(call, stat, offsetof(struct mbox_stat, id));
}

struct command {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	int (*run)(const struct call *call, union argument *arg);
};

/* @_last: the last member that the structure's first version had. */
#define COMMAND(_cmd, _struct, _last, _run)				\
	[_IOC_NR(_cmd)] = {						\
		.cmd = _cmd,						\
		.size = sizeof(_struct),				\
		.min_size = offsetofend(_struct, _last),		\
		.run = _run,						\
	}

static const struct command commands[] = {
	COMMAND(MBOX_IOC_INFO, struct mbox_info, mailboxes, do_info),
	COMMAND(MBOX_IOC_CREATE, struct mbox_create, id, do_create),
	COMMAND(MBOX_IOC_OPEN, struct mbox_open, reserved, do_open),
	COMMAND(MBOX_IOC_SEND, struct mbox_send, reserved, do_send),
	COMMAND(MBOX_IOC_RECV, struct mbox_recv, gid, do_recv),
	COMMAND(MBOX_IOC_DELETE, struct mbox_delete, id, do_delete),
	COMMAND(MBOX_IOC_STAT, struct mbox_stat, received, do_stat),
};

/* Everything but the size of the structure, which may grow. */
#define COMMAND_MASK	(~(_IOC_SIZEMASK << _IOC_SIZESHIFT))

static const struct command *find_command(unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd);

	if (nr >= ARRAY_SIZE(commands))
		return NULL;
	nr = array_index_nospec(nr, ARRAY_SIZE(commands));
	return (cmd ^ commands[nr].cmd) & COMMAND_MASK ? NULL : &commands[nr];
}

long mbox_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	const struct command *command = find_command(cmd);
	struct call call = {
		.file = file,
		.mf = file->private_data,
		.user = (void __user *)user,
	};
	union argument arg;
	int err;

	if (!command)
		return -ENOTTY;
	if (_IOC_SIZE(cmd) < command->min_size)
		return -EINVAL;
	call.size = min(_IOC_SIZE(cmd), command->size);
	err = copy_struct_from_user(&arg, command->size, call.user, _IOC_SIZE(cmd));
	return err ?: command->run(&call, &arg);
}

/*
 * The sizes that programs have been compiled with. A structure grows only at
 * its end; a hole would be a leak.
 */
#define CHECK_ABI(_struct, _size, _sum_of_members)			\
	static_assert(sizeof(_struct) == (_size) && (_size) == (_sum_of_members))

CHECK_ABI(struct mbox_info, 40, 3 * 8 + 4 * 4);
CHECK_ABI(struct mbox_create, 104, 3 * 8 + 4 * 4 + MBOX_NAME_SIZE);
CHECK_ABI(struct mbox_open, 88, 2 * 8 + 2 * 4 + MBOX_NAME_SIZE);
CHECK_ABI(struct mbox_send, 48, 5 * 8 + 2 * 4);
CHECK_ABI(struct mbox_recv, 72, 7 * 8 + 4 * 4);
CHECK_ABI(struct mbox_delete, 16, 2 * 8);
CHECK_ABI(struct mbox_stat, 160, 7 * 8 + 10 * 4 + MBOX_NAME_SIZE);
