/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages: the commands that send and receive them. */
#ifndef FUZZ_ORACLE_MESSAGE_H
#define FUZZ_ORACLE_MESSAGE_H

#include "oracle.h"

int message_take_end(const struct world *w, struct box *b, int end, int who);
int message_impatience(const struct actor *actor, uint64_t flags);
int message_submit(struct world *w, struct box *b, int who, int impatience, bool bad);
void message_begin(struct world *w, int who, uint64_t len, uint32_t prio, uint64_t tag);
void message_learn(struct world *w, struct actor *r, struct mbox_recv *expect,
		   const struct mbox_recv *actual, unsigned int item);

int predict_send(struct world *w, int who, const struct mbox_send *send, bool bad);
int predict_write(struct world *w, int who);
int predict_recv(struct world *w, int who, const struct mbox_recv *recv);
int predict_read(struct world *w, int who);
int predict_batch(struct world *w, int who);
int predict_poll(struct world *w, int who);

#endif /* FUZZ_ORACLE_MESSAGE_H */
