/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands take, for unions that have more members of their own. */
#ifndef ARGUMENT_H
#define ARGUMENT_H

#include <linux/mbox.h>

#define ARGUMENTS				\
	struct mbox_info info;			\
	struct mbox_create create;		\
	struct mbox_open open;			\
	struct mbox_send send;			\
	struct mbox_recv recv;			\
	struct mbox_delete delete;		\
	struct mbox_stat stat;			\
	struct mbox_transfer transfer;		\
	struct mbox_take take;			\
	struct mbox_grant grant;		\
	struct mbox_grants grants;		\
	struct mbox_change change;		\
	struct mbox_usage usage;		\
	struct mbox_clock clock;		\
	struct mbox_call call;			\
	struct mbox_reply reply;		\
	struct mbox_token token;		\
	struct mbox_batch batch;

#endif /* ARGUMENT_H */
