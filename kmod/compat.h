/* SPDX-License-Identifier: GPL-2.0-only */
/* compat.h - the differences between kernel versions, all of them. */
#ifndef MBOX_COMPAT_H
#define MBOX_COMPAT_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/string.h>
#include <linux/version.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

/* Its kfree() does not know what is from a kmem_cache; it went with 6.4. */
#ifdef CONFIG_SLOB
#error mbox needs SLUB or SLAB
#endif

/*
 * Newer kernels are told the size of a table, older ones look for an empty row
 * behind its last. So the table has that row, and @rows does not count it.
 */
static inline struct ctl_table_header *
mbox_compat_register_net_sysctl(struct net *net, const char *path,
				struct ctl_table *table, size_t rows)
{
#ifdef register_net_sysctl
	return register_net_sysctl_sz(net, path, table, rows);
#else
	return register_net_sysctl(net, path, table);
#endif
}

/*
 * The process (or thread) of a pidfd, borrowed from it, or NULL if it is another
 * kind of file. No symbol tells that, but the file system does: newer kernels
 * have one for pidfds only; in older ones they are the anonymous inodes of that
 * name, which only the kernel gives.
 */
static inline struct pid *mbox_compat_pidfd_pid(const struct file *file)
{
	const struct inode *inode = file_inode(file);

#ifdef PID_FS_MAGIC
	return inode->i_sb->s_magic == PID_FS_MAGIC ? inode->i_private : NULL;
#else
	if (inode->i_sb->s_magic != ANON_INODE_FS_MAGIC ||
	    strcmp(file->f_path.dentry->d_name.name, "[pidfd]"))
		return NULL;
	return file->private_data;
#endif
}

/* Installs another reference to the file: its new descriptor, or an error. */
static inline int mbox_compat_receive_fd(struct file *file, unsigned int flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return receive_fd(file, NULL, flags);
#else
	return receive_fd(file, flags);
#endif
}

/* The attributes of the request that a dump answers. */
static inline struct nlattr **mbox_compat_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return genl_info_dump(cb)->attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

#endif /* MBOX_COMPAT_H */
