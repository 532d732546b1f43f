/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_CALLER_H
#define MBOX_CALLER_H

#include <linux/cred.h>

#include "mbox.h"

/**
 * struct mbox_caller - a process that has used a descriptor, with the credentials that it
 *	had then: it need not be looked for. There until that is closed, or the process has
 *	ended and another one takes its place
 * @next: another one; immutable, as all is but @spare, @request, @known and @known_of_both,
 *	unless it is replaced
 * @process: the process, held by @self; NULL while it is nobody's
 * @cred: the credentials (a reference)
 * @self: the process (a reference)
 * @payer: its account by these credentials (a reference)
 * @spare: memory for its next message, or NULL; of the mailbox's spares (msg.c)
 * @request: likewise for its next call (call.c); with references of its own
 * @known: what it may do with the mailbox that the descriptor is bound to (rights.c)
 * @known_of_both: likewise, what whoever opened the descriptor may do, too
 */
struct mbox_caller {
	struct mbox_caller *next;
	const struct pid *process;
	const struct cred *cred;
	struct mbox_participant *self;
	struct mbox_account *payer;
	struct mbox_msg *spare;
	struct mbox_request *request;
	u64 known;
	u64 known_of_both;
};

#endif /* MBOX_CALLER_H */
