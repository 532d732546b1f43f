// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_batch.c - many sends or receives in one system call. Each item is carried
 * out, and told its results, as if it came alone, so what has been done is done
 * when the next one fails, or a signal comes.
 */

#include <linux/errno.h>
#include <linux/sched/signal.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "command.h"

/**
 * struct kind - what the items are
 * @size: of the structure
 * @min_size: of its first version
 * @nonblock: its flag for not waiting
 * @run: its command
 * @run_plain: the same the short way, if it may wait, or MBOX_NOT_PLAIN
 * @run_many: some of them, likewise
 */
struct kind {
	size_t size;
	size_t min_size;
	u64 nonblock;
	int (*run)(const struct mbox_command *command, union mbox_argument *arg);
	int (*run_plain)(struct file *file, void __user *user, bool may_wait);
	int (*run_many)(struct file *file, void __user *user, u32 nr, u32 *done);
};

static const struct kind sends = {
	.size = sizeof(struct mbox_send),
	.min_size = offsetofend(struct mbox_send, reserved2),
	.nonblock = MBOX_SEND_NONBLOCK,
	.run = mbox_command_send,
	.run_plain = mbox_command_send_plain,
	.run_many = mbox_command_send_run,
};

static const struct kind recvs = {
	.size = sizeof(struct mbox_recv),
	.min_size = offsetofend(struct mbox_recv, nth),
	.nonblock = MBOX_RECV_NONBLOCK,
	.run = mbox_command_recv,
	.run_plain = mbox_command_recv_plain,
	.run_many = mbox_command_recv_run,
};

/* Every item begins with its flags. */
static_assert(!offsetof(struct mbox_send, flags) && !offsetof(struct mbox_recv, flags));

static noinline int run_general(const struct mbox_command *command,
				const struct mbox_batch *batch, const struct kind *kind,
				void __user *user, bool may_wait)
{
	struct mbox_command item = {
		.file = command->file,
		.mf = command->mf,
		.user = user,
		.size = min_t(size_t, batch->size, kind->size),
	};
	union mbox_argument arg;
	int err;

	err = copy_struct_from_user(&arg, kind->size, user, batch->size);
	if (err)
		return err;
	if (!may_wait)
		arg.flags |= kind->nonblock;
	return kind->run(&item, &arg);
}

/* The next item. */
static void __user *next_of(const struct mbox_batch *batch)
{
	return u64_to_user_ptr(batch->items) + (size_t)batch->done * batch->size;
}

static int run_one(const struct mbox_command *command, struct mbox_batch *batch,
		   const struct kind *kind)
{
	bool may_wait = !batch->done || !(batch->flags & MBOX_BATCH_WAIT_ONE);
	int err = MBOX_NOT_PLAIN;

	if (batch->size == kind->size)
		err = kind->run_plain(command->file, next_of(batch), may_wait);
	if (err == MBOX_NOT_PLAIN)
		err = run_general(command, batch, kind, next_of(batch), may_wait);
	if (!err)
		batch->done++;
	return err;
}

/* After a signal it is one more at most. */
static int run_many(const struct mbox_command *command, struct mbox_batch *batch,
		    const struct kind *kind)
{
	u32 done = 0;
	int err;

	if (batch->size != kind->size || batch->nr - batch->done == 1 || signal_pending(current))
		return MBOX_ALONE;
	err = kind->run_many(command->file, next_of(batch), batch->nr - batch->done, &done);
	batch->done += done;
	return err;
}

/* What has been done is told; and one item alone is as interruptible as its call. */
static bool is_interrupted(const struct mbox_batch *batch)
{
	return batch->done ? signal_pending(current) : fatal_signal_pending(current);
}

/* Of so many items no run is tried: that takes 170 instructions. */
#define ALONE	16

static int run_items(const struct mbox_command *command, struct mbox_batch *batch,
		     const struct kind *kind)
{
	u32 alone = 0;
	int err = 0;

	while (!err && batch->done < batch->nr) {
		err = alone ? MBOX_ALONE : run_many(command, batch, kind);
		if (err == MBOX_ALONE)
			alone = alone ? alone - 1 : ALONE;
		if (err == MBOX_ALONE || err == MBOX_NOT_PLAIN)
			err = is_interrupted(batch) ? -EINTR : run_one(command, batch, kind);
		cond_resched();
	}
	return err;
}

/* A call that has done something is not restarted. */
static int to_user_error(int err)
{
	return err == -ERESTARTSYS ? -EINTR : err;
}

static int tell(const struct mbox_command *command, const struct mbox_batch *batch)
{
	return mbox_command_reply(command, batch, offsetof(struct mbox_batch, done),
				  sizeof(*batch));
}

static int run_batch(const struct mbox_command *command, struct mbox_batch *batch,
		     const struct kind *kind)
{
	int err;

	if (batch->flags & ~MBOX_BATCH_WAIT_ONE || !batch->nr || batch->nr > MBOX_BATCH_MAX)
		return -EINVAL;
	if (batch->size < kind->min_size || batch->size > PAGE_SIZE)
		return -EINVAL;
	batch->done = 0;
	batch->error = 0;
	/* Find out before anything is done whether it can be told. */
	err = tell(command, batch);
	if (err)
		return err;
	err = run_items(command, batch, kind);
	if (err && !batch->done)
		return err;
	batch->error = to_user_error(err);
	return tell(command, batch);
}

int mbox_command_send_batch(const struct mbox_command *command, union mbox_argument *arg)
{
	return run_batch(command, &arg->batch, &sends);
}

int mbox_command_recv_batch(const struct mbox_command *command, union mbox_argument *arg)
{
	return run_batch(command, &arg->batch, &recvs);
}
