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
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
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

/*
 * Write the structure back from offset @from to offset @to, as far as the caller
 * knows it: the rest is not output.
 */
static int reply(const struct call *call, const void *arg, size_t from, size_t to)
{
	to = min(call->size, to);
	if (to <= from)
		return 0;
	return copy_to_user(call->user + from, arg + from, to - from) ? -EFAULT : 0;
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
		patience.deadline = mbox_wait_time(deadline);
	return patience;
}

static int do_info(const struct call *call, union argument *arg)
{
	struct mbox_info *info = &arg->info;

	if (info->flags)
		return -EINVAL;
	info->features = MBOX_FEATURE_BASE | MBOX_FEATURE_MODEL;
	info->limit_msgs = READ_ONCE(mbox_limits.max_msgs);
	info->limit_size = READ_ONCE(mbox_limits.max_size);
	info->limit_bytes = READ_ONCE(mbox_limits.max_bytes);
	info->limit_mailboxes = READ_ONCE(mbox_limits.max_mailboxes);
	info->mailboxes = mbox_registry_count();
	return reply(call, info, offsetof(struct mbox_info, features), sizeof(*info));
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

static bool is_bounded(u32 msgs, u64 bytes, u32 size)
{
	if (!msgs || (msgs != MBOX_UNBOUNDED && msgs > READ_ONCE(mbox_limits.max_msgs)))
		return false;
	return bytes == MBOX_UNBOUNDED_BYTES ||
	       (bytes >= size && bytes <= READ_ONCE(mbox_limits.max_bytes));
}

static bool is_rendezvous(u32 msgs, u64 bytes)
{
	return !msgs && !bytes;
}

static bool is_reserved(u32 msgs, u64 bytes, u32 size)
{
	return msgs && msgs <= READ_ONCE(mbox_limits.max_msgs) &&
	       bytes == MBOX_UNBOUNDED_BYTES &&
	       (u64)msgs * size <= READ_ONCE(mbox_limits.max_bytes);
}

static bool valid_capacity(const struct mbox_create *create)
{
	u32 msgs = create->max_msgs, size = create->max_size;
	u64 bytes = create->max_bytes;

	if (create->flags & MBOX_CREATE_RESERVE)
		return is_reserved(msgs, bytes, size);
	return is_rendezvous(msgs, bytes) || is_bounded(msgs, bytes, size);
}

#define CREATE_FLAGS	(MBOX_CREATE_BIND | MBOX_CREATE_FIXED | MBOX_CREATE_RESERVE | \
			 MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER |		     \
			 MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR)

static bool has_both(u64 flags, u64 pair)
{
	return (flags & pair) == pair;
}

static int check_create(const struct mbox_create *create)
{
	u64 flags = create->flags;

	if (flags & ~CREATE_FLAGS || create->reserved)
		return -EINVAL;
	if (has_both(flags, MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER) ||
	    has_both(flags, MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR))
		return -EINVAL;
	if (create->mode & ~0666 || !valid_name(create->name))
		return -EINVAL;
	if (create->max_size > READ_ONCE(mbox_limits.max_size))
		return -EINVAL;
	return valid_capacity(create) ? 0 : -EINVAL;
}

/* The caller learns the id, or there is no such mailbox. */
static int conclude_create(const struct call *call, struct mbox_create *create,
			   struct mbox *mb)
{
	int err;

	create->id = mb->id;
	err = reply(call, create, offsetof(struct mbox_create, id), sizeof(*create));
	if (!err && create->flags & MBOX_CREATE_BIND)
		err = mbox_dev_bind(call->mf, mb);
	if (err)
		mbox_registry_delete(mb);
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
	/* Find out before others can find the mailbox whether its id can be told. */
	err = reply(call, create, offsetof(struct mbox_create, id), sizeof(*create));
	if (err)
		return err;
	mb = mbox_mailbox_alloc(create);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_registry_add(mb);
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
	err = reply(call, open, offsetof(struct mbox_open, id), sizeof(*open));
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

#define SEND_FLAGS	(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT | \
			 MBOX_SEND_SYNC | MBOX_SEND_EXPIRES)

static int check_send(const struct call *call, const struct mbox_send *send)
{
	if (send->flags & ~SEND_FLAGS || send->prio > MBOX_PRIO_MAX ||
	    send->reserved || send->reserved2)
		return -EINVAL;
	return call->file->f_mode & FMODE_WRITE ? 0 : -EBADF;
}

/* The message is delivered: that this cannot be told would be no use to know. */
static void tell_receiver(const struct call *call, const struct mbox_send *send)
{
	(void)reply(call, send, offsetof(struct mbox_send, receiver),
		    offsetofend(struct mbox_send, receiver));
}

static int do_send(const struct call *call, union argument *arg)
{
	struct mbox_send *send = &arg->send;
	struct mbox_patience patience;
	struct mbox *mb;
	bool sync;
	int err;

	err = check_send(call, send);
	if (err)
		return err;
	mb = target_get(call, send->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);

	send->prio = array_index_nospec(send->prio, MBOX_LEVELS);
	patience = patience_of(call, send->flags & MBOX_SEND_NONBLOCK,
			       send->flags & MBOX_SEND_TIMEOUT, send->deadline);
	sync = send->flags & MBOX_SEND_SYNC || mbox_is_rendezvous(mb);
	send->receiver = 0;
	err = -EACCES;
	if (mbox_rights_have(mb, MBOX_RIGHT_SEND))
		err = mbox_send_user(mb, send, &patience);
	mbox_mailbox_put(mb);
	if (!err && sync)
		tell_receiver(call, send);
	return err;
}

#define RECV_FLAGS	(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TRUNCATE | \
			 MBOX_RECV_PEEK | MBOX_RECV_LEAST | MBOX_RECV_MATCH |	       \
			 MBOX_RECV_CHOICE)

static bool valid_recv(const struct mbox_recv *recv)
{
	u64 flags = recv->flags;

	if (flags & ~RECV_FLAGS || recv->nth > MBOX_PEEK_MAX)
		return false;
	if (recv->nth && !(flags & MBOX_RECV_PEEK))
		return false;
	if (recv->nth && flags & (MBOX_RECV_LEAST | MBOX_RECV_MATCH))
		return false;
	if (!(flags & MBOX_RECV_CHOICE))
		return true;
	return !(flags & (MBOX_RECV_PEEK | MBOX_RECV_MATCH)) && !recv->id &&
	       recv->nr_ids && recv->nr_ids <= MBOX_CHOICE_MAX;
}

/* Everything that goes to the user, so that the receive can still be undone. */
static int deliver(const struct call *call, struct mbox_recv *recv,
		   const struct mbox *mb, const struct mbox_msg *msg)
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
	recv->tag = msg->tag;
	recv->from = mb->id;
	return reply(call, recv, offsetof(struct mbox_recv, len),
		     offsetof(struct mbox_recv, match));
}

/* What the caller can use to make room, and nothing else. */
static int tell_len(const struct call *call, struct mbox_recv *recv,
		    const struct mbox *mb, size_t len)
{
	int err;

	recv->len = len;
	recv->from = mb->id;
	err = reply(call, recv, offsetof(struct mbox_recv, len),
		    offsetofend(struct mbox_recv, len));
	if (!err)
		err = reply(call, recv, offsetof(struct mbox_recv, from),
			    offsetofend(struct mbox_recv, from));
	return err ?: -EMSGSIZE;
}

static int conclude_recv(const struct call *call, struct mbox_recv *recv, struct mbox *mb,
			 struct mbox_msg *msg, const struct mbox_wish *wish)
{
	int err;

	if (PTR_ERR(msg) == -EMSGSIZE)
		return tell_len(call, recv, mb, wish->room);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	err = deliver(call, recv, mb, msg);
	mbox_recv_end(mb, msg, wish, !err);
	return err;
}

/* The process that has this number for the caller, or NULL; to be put. */
static struct pid *process_get(u64 nr)
{
	struct pid *pid = nr <= INT_MAX ? find_get_pid(nr) : NULL;

	/* It may be that of a thread, or of a group or session left behind. */
	if (!pid || pid_has_task(pid, PIDTYPE_TGID))
		return pid;
	put_pid(pid);
	return NULL;
}

/* The process to match is held while its messages are looked for. */
static int receive_from(const struct call *call, struct mbox_recv *recv, struct mbox *mb,
			struct mbox_wish *wish, const struct mbox_patience *patience)
{
	struct pid *sender = process_get(recv->match);
	int err;

	if (!sender)
		return -ESRCH;
	wish->key = (unsigned long)sender;
	err = conclude_recv(call, recv, mb, mbox_recv_claim(mb, wish, patience), wish);
	put_pid(sender);
	return err;
}

static int receive(const struct call *call, struct mbox_recv *recv, struct mbox *mb,
		   struct mbox_wish *wish, const struct mbox_patience *patience)
{
	if (!mbox_rights_have(mb, MBOX_RIGHT_RECV))
		return -EACCES;
	if (wish->flags & MBOX_RECV_MATCH) {
		if (mb->kind & MBOX_CREATE_BY_SENDER)
			return receive_from(call, recv, mb, wish, patience);
		if (!(mb->kind & MBOX_CREATE_BY_TAG))
			return -EOPNOTSUPP;
	}
	return conclude_recv(call, recv, mb, mbox_recv_claim(mb, wish, patience), wish);
}

/**
 * struct choice - the mailboxes of a MBOX_RECV_CHOICE
 * @ids: as the caller gave them
 * @mbs: held; in the order of @ids, turned so that the first is the one to look
 *	at first
 * @nr: how many are held
 */
struct choice {
	u64 ids[MBOX_CHOICE_MAX];
	struct mbox *mbs[MBOX_CHOICE_MAX];
	unsigned int nr;
};

static int check_choice(const struct choice *choice)
{
	unsigned int i;

	for (i = 0; i < choice->nr; i++)
		if (!mbox_rights_have(choice->mbs[i], MBOX_RIGHT_RECV))
			return -EACCES;
	for (i = 0; i < choice->nr; i++)
		if (choice->mbs[i]->kind & MBOX_CREATE_SINGLE)
			return -EOPNOTSUPP;
	return 0;
}

static int hold_choice(struct choice *choice, unsigned int nr, unsigned int first)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!choice->ids[i])
			return -EINVAL;
	for (i = 0; i < nr; i++) {
		struct mbox *mb = mbox_registry_get(choice->ids[(first + i) % nr]);

		if (IS_ERR(mb))
			return PTR_ERR(mb);
		choice->mbs[choice->nr++] = mb;
	}
	return check_choice(choice);
}

/*
 * The next place in the list comes first the next time. A mailbox that is in it
 * more than once was served at the first of its places.
 */
static void remember_choice(struct mbox_file *mf, const struct choice *choice,
			    const struct mbox *from, unsigned int first)
{
	unsigned int i = 0;

	if (!from)
		return;
	while (choice->mbs[i] != from)
		i++;
	WRITE_ONCE(mf->next_choice, (first + i + 1) % choice->nr);
}

static int choose(const struct call *call, struct mbox_recv *recv,
		  struct mbox_wish *wish, const struct mbox_patience *patience)
{
	unsigned int nr = recv->nr_ids, first = READ_ONCE(call->mf->next_choice) % nr;
	struct mbox *from = NULL;
	struct choice *choice;
	struct mbox_msg *msg;
	int err;

	choice = kmalloc(sizeof(*choice), MBOX_GFP);
	if (!choice)
		return -ENOMEM;
	choice->nr = 0;
	err = -EFAULT;
	if (!copy_from_user(choice->ids, u64_to_user_ptr(recv->ids), nr * sizeof(u64)))
		err = hold_choice(choice, nr, first);
	if (!err) {
		msg = mbox_recv_choose(choice->mbs, nr, wish, patience, &from);
		err = conclude_recv(call, recv, from, msg, wish);
		remember_choice(call->mf, choice, from, first);
	}
	while (choice->nr)
		mbox_mailbox_put(choice->mbs[--choice->nr]);
	kfree(choice);
	return err;
}

static int do_recv(const struct call *call, union argument *arg)
{
	struct mbox_recv *recv = &arg->recv;
	struct mbox_wish wish = { .flags = recv->flags, .nth = recv->nth };
	struct mbox_patience patience;
	struct mbox *mb;
	int err;

	if (!valid_recv(recv))
		return -EINVAL;
	if (!(call->file->f_mode & FMODE_READ))
		return -EBADF;
	patience = patience_of(call, recv->flags & MBOX_RECV_NONBLOCK || recv->nth,
			       recv->flags & MBOX_RECV_TIMEOUT, recv->deadline);
	wish.key = recv->match;
	wish.room = recv->flags & MBOX_RECV_TRUNCATE ? SIZE_MAX : recv->size;
	if (recv->flags & MBOX_RECV_CHOICE)
		return choose(call, recv, &wish, &patience);

	mb = target_get(call, recv->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = receive(call, recv, mb, &wish, &patience);
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
	return err ?: reply(call, stat, offsetof(struct mbox_stat, id), sizeof(*stat));
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
	COMMAND(MBOX_IOC_SEND, struct mbox_send, reserved2, do_send),
	COMMAND(MBOX_IOC_RECV, struct mbox_recv, nth, do_recv),
	COMMAND(MBOX_IOC_DELETE, struct mbox_delete, id, do_delete),
	COMMAND(MBOX_IOC_STAT, struct mbox_stat, expired, do_stat),
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
CHECK_ABI(struct mbox_send, 72, 7 * 8 + 4 * 4);
CHECK_ABI(struct mbox_recv, 112, 11 * 8 + 6 * 4);
CHECK_ABI(struct mbox_delete, 16, 2 * 8);
CHECK_ABI(struct mbox_stat, 176, 9 * 8 + 10 * 4 + MBOX_NAME_SIZE);
