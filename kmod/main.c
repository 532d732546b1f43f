// SPDX-License-Identifier: GPL-2.0-only
/* main.c - the module comes and goes. The device comes last and goes first. */

#include <linux/init.h>
#include <linux/module.h>

#include "account.h"
#include "dev.h"
#include "ends.h"
#include "link.h"
#include "msg.h"
#include "netlink.h"
#include "participant.h"
#include "registry.h"
#include "sysctl.h"

static int __init mbox_init(void)
{
	int err;

	err = mbox_sysctl_init();
	if (err)
		return err;
	err = mbox_msg_init();
	if (err)
		goto exit_sysctl;
	err = mbox_account_init();
	if (err)
		goto exit_msg;
	err = mbox_link_init();
	if (err)
		goto exit_account;
	err = mbox_registry_init();
	if (err)
		goto exit_link;
	err = mbox_participant_init(mbox_ends_process);
	if (err)
		goto exit_registry;
	err = mbox_netlink_init();
	if (err)
		goto exit_participant;
	err = mbox_dev_init();
	if (err)
		goto exit_netlink;
	return 0;

exit_netlink:
	mbox_netlink_exit();
exit_participant:
	mbox_participant_exit();
exit_registry:
	mbox_registry_exit();
exit_link:
	mbox_link_exit();
exit_account:
	mbox_account_exit();
exit_msg:
	mbox_msg_exit();
exit_sysctl:
	mbox_sysctl_exit();
	return err;
}

/* The ends of processes may still hold what comes after them. */
static void __exit mbox_exit(void)
{
	mbox_dev_exit();
	mbox_netlink_exit();
	mbox_participant_exit();
	mbox_registry_exit();
	mbox_link_exit();
	mbox_account_exit();
	mbox_msg_exit();
	mbox_sysctl_exit();
}

module_init(mbox_init);
module_exit(mbox_exit);
MODULE_DESCRIPTION("Mailboxes: messages between processes through /dev/mbox");
MODULE_AUTHOR("The mbox authors");
MODULE_LICENSE("GPL");
