/* SPDX-License-Identifier: GPL-2.0-only */
/* compat.h - the differences between kernel versions, all of them. */
#ifndef MBOX_COMPAT_H
#define MBOX_COMPAT_H

#include <net/net_namespace.h>

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

#endif /* MBOX_COMPAT_H */
