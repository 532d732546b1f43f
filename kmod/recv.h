/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_RECV_H
#define MBOX_RECV_H

#include "wait.h"

/**
 * struct mbox_wish - which message, and what came of it
 * @flags: MBOX_RECV_PEEK, MBOX_RECV_LEAST, MBOX_RECV_MATCH, MBOX_RECV_TOKEN
 * @key: with MBOX_RECV_MATCH
 * @nth: with MBOX_RECV_PEEK, how many to pass over
 * @room: length of the longest message that is wanted; after -EMSGSIZE the
 *	length that it would need
 * @files_room: likewise, the most files
 * @who: the calling process; held by the caller
 * @link: with the process whose messages are wanted, or NULL; held by the caller
 * @stamp: Lamport's, of the receipt
 */
struct mbox_wish {
	u64 flags;
	u64 key;
	u32 nth;
	size_t room;
	u32 files_room;
	struct mbox_participant *who;
	struct mbox_link *link;
	u64 stamp;
};

struct mbox_msg *mbox_recv_claim(struct mbox *mb, struct mbox_wish *wish,
				 struct mbox_pass *pass,
				 const struct mbox_patience *patience);
struct mbox_msg *mbox_recv_choose(struct mbox **mbs, struct mbox_pass *passes,
				  unsigned int nr, struct mbox_wish *wish,
				  const struct mbox_patience *patience,
				  struct mbox **from);
void mbox_recv_end(struct mbox *mb, struct mbox_msg *msg,
		   const struct mbox_wish *wish, bool delivered);

#endif /* MBOX_RECV_H */
