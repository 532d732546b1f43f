/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * command.h - the commands of /dev/mbox, each a function that checks its arguments,
 * finds the mailbox and calls the verb, in the order that uapi/linux/mbox.h
 * promises: arguments, the mailbox, the right, the message, the mailbox's state.
 * What is most often sent and received goes a shorter way (command_plain.c).
 */
#ifndef MBOX_COMMAND_H
#define MBOX_COMMAND_H

#include <linux/fs.h>

#include "dev.h"
#include "mbox.h"
#include "participant.h"
#include "recv.h"
#include "send.h"

/* What the caller gave, in a structure as long as ours; each begins with its flags. */
union mbox_argument {
	u64 flags;
	struct mbox_info info;
	struct mbox_create create;
	struct mbox_open open;
	struct mbox_send send;
	struct mbox_recv recv;
	struct mbox_delete delete;
	struct mbox_stat stat;
	struct mbox_transfer transfer;
	struct mbox_take take;
	struct mbox_grant grant;
	struct mbox_grants grants;
	struct mbox_change change;
	struct mbox_usage usage;
	struct mbox_clock clock;
	struct mbox_call call;
	struct mbox_reply reply;
	struct mbox_token token;
	struct mbox_batch batch;
};

/**
 * struct mbox_command - one command being carried out
 * @file: the descriptor
 * @mf: its private part
 * @user: the caller's structure
 * @size: the caller's size of it, or ours if that is less
 */
struct mbox_command {
	struct file *file;
	struct mbox_file *mf;
	void __user *user;
	size_t size;
};

int mbox_command_reply(const struct mbox_command *command, const void *arg, size_t from,
		       size_t to);
struct mbox *mbox_command_target(const struct mbox_command *command, u64 id);

int mbox_command_check_send(const struct mbox_command *command, const struct mbox_send *send);
struct mbox *mbox_command_send_target(const struct mbox_command *command,
				      const struct mbox_send *send);
struct mbox *mbox_command_inbox(const struct mbox_command *command, enum mbox_address how,
				u64 address);
int mbox_command_admit_sender(struct mbox *mb, struct mbox_posting *posting);
int mbox_command_post(const struct mbox_command *command, struct mbox *mb,
		      const struct mbox_send *send, struct mbox_posting *posting,
		      struct mbox_receipt *receipt);
int mbox_command_reply_first(const struct mbox_command *command,
			     struct mbox_reply __user *user, struct mbox_participant *self);

int mbox_command_conclude_recv(const struct mbox_command *command, struct mbox_recv *recv,
			       struct mbox *mb, struct mbox_msg *msg,
			       const struct mbox_wish *wish);

/* Nothing has happened: it is for the general way. */
#define MBOX_NOT_PLAIN	1

/* @user: a struct mbox_send, a struct mbox_recv, or a struct mbox_call. */
int mbox_command_send_plain(struct file *file, void __user *user, bool may_wait);
int mbox_command_recv_plain(struct file *file, void __user *user, bool may_wait);
int mbox_command_call_plain(struct file *file, void __user *user);
int mbox_command_write_plain(struct file *file, const char __user *bytes, size_t len);
int mbox_command_read_plain(struct file *file, char __user *bytes, size_t size, size_t *len);

/* Nor are the next ones likely to be plain: they are not to be tried together for a while. */
#define MBOX_ALONE	2

int mbox_command_send_run(struct file *file, void __user *user, u32 nr, u32 *done);
int mbox_command_recv_run(struct file *file, void __user *user, u32 nr, u32 *done);

ssize_t mbox_command_read(struct file *file, char __user *bytes, size_t size, loff_t *pos);
ssize_t mbox_command_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t mbox_command_write(struct file *file, const char __user *bytes, size_t size,
			   loff_t *pos);
ssize_t mbox_command_write_iter(struct kiocb *iocb, struct iov_iter *from);

int mbox_command_info(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_create(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_open(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_send(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_recv(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_delete(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_stat(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_transfer(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_offer(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_accept(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_claim(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_grant(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_revoke(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_grants(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_change(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_usage(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_clock(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_call(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_reply_to(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_token(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_send_batch(const struct mbox_command *command, union mbox_argument *arg);
int mbox_command_recv_batch(const struct mbox_command *command, union mbox_argument *arg);

#endif /* MBOX_COMMAND_H */
