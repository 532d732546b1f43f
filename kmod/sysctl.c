// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysctl.c - the limits, under net.mbox. They are one set for all namespaces,
 * and are seen and set in the initial network namespace only.
 */

#include <linux/limits.h>
#include <linux/mbox.h>
#include <linux/sizes.h>
#include <linux/sysctl.h>

#include "compat.h"
#include "limits.h"
#include "sysctl.h"

struct mbox_limits mbox_limits = {
	.max_msgs = SZ_64K,
	.max_size = SZ_1M,
	.max_bytes = SZ_64M,
	.max_grants = 128,
	.default_share = 100,
	.spin_us = 200,
	.user = {
		.mailboxes = SZ_4K,
		.msgs = SZ_256K,
		.files = SZ_4K,
		.listeners = 32,
		.bytes = SZ_128M,
	},
	.ns = {
		.mailboxes = SZ_128K,
		.msgs = SZ_4M,
		.files = SZ_64K,
		.listeners = 128,
		.bytes = SZ_2G,
	},
};

static unsigned int one = 1;
static unsigned int hundred = 100;
static unsigned int most_spin_us = 1000;
static unsigned int most_msgs = SZ_1M;
static unsigned int most_size = SZ_16M;
static unsigned int most_grants = MBOX_GRANTS_MAX;
static unsigned int most_count = INT_MAX;
static unsigned long most_bytes = LONG_MAX;

#define TUNABLE(_name, _limit, _handler, _least, _most) {	\
	.procname = _name,					\
	.data = &mbox_limits._limit,				\
	.maxlen = sizeof(mbox_limits._limit),			\
	.mode = 0644,						\
	.proc_handler = _handler,				\
	.extra1 = _least,					\
	.extra2 = _most,					\
}
#define COUNT(_name, _limit, _least, _most) \
	TUNABLE(_name, _limit, proc_douintvec_minmax, _least, _most)
#define BYTES(_name, _limit) \
	TUNABLE(_name, _limit, proc_doulongvec_minmax, NULL, &most_bytes)

static struct ctl_table table[] = {
	COUNT("max_msgs", max_msgs, &one, &most_msgs),
	COUNT("max_size", max_size, NULL, &most_size),
	BYTES("max_bytes", max_bytes),
	COUNT("max_grants", max_grants, NULL, &most_grants),
	COUNT("default_share", default_share, &one, &hundred),
	COUNT("spin_us", spin_us, NULL, &most_spin_us),
	COUNT("user_mailboxes", user.mailboxes, NULL, &most_count),
	COUNT("user_msgs", user.msgs, NULL, &most_count),
	COUNT("user_files", user.files, NULL, &most_count),
	COUNT("user_listeners", user.listeners, NULL, &most_count),
	BYTES("user_bytes", user.bytes),
	COUNT("ns_mailboxes", ns.mailboxes, NULL, &most_count),
	COUNT("ns_msgs", ns.msgs, NULL, &most_count),
	COUNT("ns_files", ns.files, NULL, &most_count),
	COUNT("ns_listeners", ns.listeners, NULL, &most_count),
	BYTES("ns_bytes", ns.bytes),
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
