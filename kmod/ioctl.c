// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl.c - the command table of /dev/mbox: one copy in, then the function of the
 * command (command_*.c).
 */

#include <linux/build_bug.h>
#include <linux/nospec.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "command.h"
#include "dev.h"
#include "ioctl.h"
#include "mailbox.h"
#include "registry.h"
#include "trace.h"

/*
 * Write the structure back from offset @from to offset @to, as far as the caller
 * knows it: the rest is not output.
 */
int mbox_command_reply(const struct mbox_command *command, const void *arg, size_t from,
		       size_t to)
{
	to = min(command->size, to);
	if (to <= from)
		return 0;
	return copy_to_user(command->user + from, arg + from, to - from) ? -EFAULT : 0;
}

/* The mailbox that @id means on this descriptor; to be put. */
struct mbox *mbox_command_target(const struct mbox_command *command, u64 id)
{
	struct mbox *mb;

	if (id)
		return mbox_registry_get(mbox_registry_ns(), id);
	mb = mbox_dev_target(command->mf);
	return IS_ERR(mb) ? mb : mbox_mailbox_get(mb);
}

struct entry {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	const char *name;
	int (*run)(const struct mbox_command *command, union mbox_argument *arg);
};

/* @_last: the last member that the structure's first version had. */
#define COMMAND(_cmd, _struct, _last, _run)				\
	[_IOC_NR(_cmd)] = {						\
		.cmd = _cmd,						\
		.size = sizeof(_struct),				\
		.min_size = offsetofend(_struct, _last),		\
		.name = #_cmd,						\
		.run = _run,						\
	}

static const struct entry commands[] = {
	COMMAND(MBOX_IOC_INFO, struct mbox_info, mailboxes, mbox_command_info),
	COMMAND(MBOX_IOC_CREATE, struct mbox_create, id, mbox_command_create),
	COMMAND(MBOX_IOC_OPEN, struct mbox_open, reserved, mbox_command_open),
	COMMAND(MBOX_IOC_SEND, struct mbox_send, reserved2, mbox_command_send),
	COMMAND(MBOX_IOC_RECV, struct mbox_recv, nth, mbox_command_recv),
	COMMAND(MBOX_IOC_DELETE, struct mbox_delete, id, mbox_command_delete),
	COMMAND(MBOX_IOC_STAT, struct mbox_stat, expired, mbox_command_stat),
	COMMAND(MBOX_IOC_TRANSFER, struct mbox_transfer, reserved, mbox_command_transfer),
	COMMAND(MBOX_IOC_OFFER, struct mbox_transfer, reserved, mbox_command_offer),
	COMMAND(MBOX_IOC_ACCEPT, struct mbox_take, id, mbox_command_accept),
	COMMAND(MBOX_IOC_CLAIM, struct mbox_take, id, mbox_command_claim),
	COMMAND(MBOX_IOC_GRANT, struct mbox_grant, rights, mbox_command_grant),
	COMMAND(MBOX_IOC_REVOKE, struct mbox_grant, rights, mbox_command_revoke),
	COMMAND(MBOX_IOC_GRANTS, struct mbox_grants, reserved, mbox_command_grants),
	COMMAND(MBOX_IOC_CHANGE, struct mbox_change, reserved, mbox_command_change),
	COMMAND(MBOX_IOC_USAGE, struct mbox_usage, reserved, mbox_command_usage),
	COMMAND(MBOX_IOC_CLOCK, struct mbox_clock, participant, mbox_command_clock),
	COMMAND(MBOX_IOC_CALL, struct mbox_call, reserved, mbox_command_call),
	COMMAND(MBOX_IOC_REPLY, struct mbox_reply, done, mbox_command_reply_to),
	COMMAND(MBOX_IOC_TOKEN, struct mbox_token, reserved, mbox_command_token),
	COMMAND(MBOX_IOC_SEND_BATCH, struct mbox_batch, error, mbox_command_send_batch),
	COMMAND(MBOX_IOC_RECV_BATCH, struct mbox_batch, error, mbox_command_recv_batch),
};

/* Everything but the size of the structure, which may grow. */
#define COMMAND_MASK	(~(_IOC_SIZEMASK << _IOC_SIZESHIFT))

static const struct entry *find_entry(unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd);

	if (nr >= ARRAY_SIZE(commands))
		return NULL;
	nr = array_index_nospec(nr, ARRAY_SIZE(commands));
	return (cmd ^ commands[nr].cmd) & COMMAND_MASK ? NULL : &commands[nr];
}

static int run(const struct entry *entry, struct file *file, unsigned int size,
	       void __user *user)
{
	struct mbox_command command = {
		.file = file,
		.mf = file->private_data,
		.user = user,
		.size = min(size, entry->size),
	};
	union mbox_argument arg;
	int err;

	if (size < entry->min_size)
		return -EINVAL;
	err = copy_struct_from_user(&arg, entry->size, user, size);
	return err ?: entry->run(&command, &arg);
}

static long run_general(struct file *file, unsigned int cmd, void __user *user)
{
	const struct entry *entry = find_entry(cmd);
	int err = -ENOTTY;

	if (entry)
		err = run(entry, file, _IOC_SIZE(cmd), user);
	trace_mbox_command(entry ? entry->name : "unknown", err);
	return err;
}

/* What the short way came to; if the call was not plain, the general one goes on. */
static __always_inline long after_plain(int err, struct file *file, unsigned int cmd,
					const char *name, void __user *user)
{
	if (err == MBOX_NOT_PLAIN)
		return run_general(file, cmd, user);
	trace_mbox_command(name, err);
	return err;
}

long mbox_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case MBOX_IOC_SEND:
		return after_plain(mbox_command_send_plain(file, user, true), file, cmd,
				   "MBOX_IOC_SEND", user);
	case MBOX_IOC_RECV:
		return after_plain(mbox_command_recv_plain(file, user, true), file, cmd,
				   "MBOX_IOC_RECV", user);
	case MBOX_IOC_CALL:
		return after_plain(mbox_command_call_plain(file, user), file, cmd,
				   "MBOX_IOC_CALL", user);
	default:
		return run_general(file, cmd, user);
	}
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
CHECK_ABI(struct mbox_send, 104, 10 * 8 + 6 * 4);
CHECK_ABI(struct mbox_recv, 200, 20 * 8 + 10 * 4);
CHECK_ABI(struct mbox_delete, 16, 2 * 8);
CHECK_ABI(struct mbox_stat, 240, 13 * 8 + 18 * 4 + MBOX_NAME_SIZE);
CHECK_ABI(struct mbox_transfer, 24, 2 * 8 + 2 * 4);
CHECK_ABI(struct mbox_take, 16, 2 * 8);
CHECK_ABI(struct mbox_grant, 24, 2 * 8 + 2 * 4);
CHECK_ABI(struct mbox_granted, 8, 2 * 4);
CHECK_ABI(struct mbox_grants, 32, 3 * 8 + 2 * 4);
CHECK_ABI(struct mbox_change, 32, 2 * 8 + 4 * 4);
CHECK_ABI(struct mbox_usage, 120, 5 * 8 + 20 * 4);
CHECK_ABI(struct mbox_clock, 24, 3 * 8);
CHECK_ABI(struct mbox_call, 152, 15 * 8 + 8 * 4);
CHECK_ABI(struct mbox_reply, 64, 6 * 8 + 4 * 4);
CHECK_ABI(struct mbox_token, 24, 2 * 8 + 2 * 4);
CHECK_ABI(struct mbox_batch, 32, 2 * 8 + 4 * 4);
