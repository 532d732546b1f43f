// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysctl.c - the limits, under net.mbox. They are one set for all namespaces,
 * and are seen and set in the initial network namespace only.
 */

#include <linux/limits.h>
#include <linux/sizes.h>
#include <linux/sysctl.h>

#include "compat.h"
#include "limits.h"
#include "sysctl.h"

struct mbox_limits mbox_limits = {
	.max_msgs = SZ_64K,
	.max_size = SZ_1M,
	.max_mailboxes = SZ_128K,
	.max_bytes = SZ_64M,
};

static unsigned int least_msgs = 1;
static unsigned int most_msgs = SZ_1M;
static unsigned int most_size = SZ_16M;
static unsigned int most_mailboxes = INT_MAX;
static unsigned long most_bytes = LONG_MAX;

static struct ctl_table table[] = {
	{
		.procname = "max_msgs",
		.data = &mbox_limits.max_msgs,
		.maxlen = sizeof(mbox_limits.max_msgs),
		.mode = 0644,
		.proc_handler = proc_douintvec_minmax,
		.extra1 = &least_msgs,
		.extra2 = &most_msgs,
	}, {
		.procname = "max_size",
		.data = &mbox_limits.max_size,
		.maxlen = sizeof(mbox_limits.max_size),
		.mode = 0644,
		.proc_handler = proc_douintvec_minmax,
		.extra2 = &most_size,
	}, {
		.procname = "max_bytes",
		.data = &mbox_limits.max_bytes,
		.maxlen = sizeof(mbox_limits.max_bytes),
		.mode = 0644,
		.proc_handler = proc_doulongvec_minmax,
		.extra2 = &most_bytes,
	}, {
		.procname = "max_mailboxes",
		.data = &mbox_limits.max_mailboxes,
		.maxlen = sizeof(mbox_limits.max_mailboxes),
		.mode = 0644,
		.proc_handler = proc_douintvec_minmax,
		.extra2 = &most_mailboxes,
	},
	{ }
};

static struct ctl_table_header *header;

int __init mbox_sysctl_init(void)
{
	header = mbox_compat_register_net_sysctl(&init_net, "net/mbox", table,
						 ARRAY_SIZE(table) - 1);
	return header ? 0 : -ENOMEM;
}

void mbox_sysctl_exit(void)
{
	unregister_net_sysctl_table(header);
}
