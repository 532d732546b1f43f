// SPDX-License-Identifier: GPL-2.0-only
/*
 * files.c - open files that go with a message: taken from the sender's table, charged
 * to it while they are in flight, and put into the receiver's table, or closed.
 *
 * A file in a queue could keep alive what keeps the queue alive: a socket its network
 * namespace, and that its mailboxes. So they are there only while the mailbox has an
 * owner that lives: policy.c lets none in, and takes out those that are there, when
 * that is over (mbox_policy_strip()).
 */

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "files.h"
#include "ns.h"

static struct mbox_cost cost_of(const struct mbox_files *files)
{
	return (struct mbox_cost) { .files = files->nr };
}

static int charge(struct mbox_files *files)
{
	const struct mbox_cost cost = cost_of(files);

	return mbox_ns_charge(files->ns, files->payer, &cost);
}

static void uncharge(struct mbox_files *files)
{
	const struct mbox_cost cost = cost_of(files);

	mbox_ns_uncharge(files->ns, files->payer, &cost);
}

static void close_files(struct mbox_files *files, u32 nr)
{
	while (nr)
		fput(files->file[--nr]);
}

static int open_files(struct mbox_files *files, const s32 *fds)
{
	u32 i;

	for (i = 0; i < files->nr; i++) {
		files->file[i] = fget_raw(fds[i]);
		if (!files->file[i]) {
			close_files(files, i);
			return -EBADF;
		}
	}
	return 0;
}

static void free_files(struct mbox_files *files)
{
	mbox_account_put(files->payer);
	kfree(files);
}

/*
 * The files of the calling process that have these @nr descriptors, 1 to
 * MBOX_FILES_MAX, for a message to the mailbox: -EFAULT, -EBADF, -EDQUOT, -ENOSPC or
 * -ENOMEM.
 */
struct mbox_files *mbox_files_take(struct mbox *mb, struct mbox_account *payer,
				   const s32 __user *fds, u32 nr)
{
	s32 fd[MBOX_FILES_MAX];
	struct mbox_files *files;
	int err;

	if (copy_from_user(fd, fds, nr * sizeof(*fd)))
		return ERR_PTR(-EFAULT);
	files = kmalloc(struct_size(files, file, nr), MBOX_GFP);
	if (!files)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&files->node);
	files->ns = mb->ns;
	files->payer = mbox_account_get(payer);
	files->nr = nr;
	err = open_files(files, fd);
	if (err)
		goto free;
	err = charge(files);
	if (err)
		goto close;
	return files;

close:
	close_files(files, nr);
free:
	free_files(files);
	return ERR_PTR(err);
}

/* Before anything is installed, find out that it can be told. */
int mbox_files_clear_slots(s32 __user *slots, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (put_user(-1, &slots[i]))
			return -EFAULT;
	return 0;
}

/*
 * Into the calling process's table, the first @nr. What is installed stays so, since
 * its threads may use it already, whatever happens to the slot that tells of it.
 */
void mbox_files_install(const struct mbox_files *files, s32 __user *slots, u32 nr)
{
	u32 i;

	for (i = 0; i < min(nr, files->nr); i++) {
		s32 fd = mbox_compat_receive_fd(files->file[i], O_CLOEXEC);

		(void)put_user(fd, &slots[i]);
	}
}

/* Nobody is to have them, or nobody any more. */
void mbox_files_put(struct mbox_files *files)
{
	if (!files)
		return;
	uncharge(files);
	close_files(files, files->nr);
	free_files(files);
}
