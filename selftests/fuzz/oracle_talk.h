/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls: requests, tokens and replies. */
#ifndef FUZZ_ORACLE_TALK_H
#define FUZZ_ORACLE_TALK_H

#include "oracle.h"

void talk_fail(struct world *w, int request, int error);
uint32_t talk_count(const struct world *w, const struct box *b);
int talk_reply_first(struct world *w, int who);
void talk_end(struct world *w, int who);
void talk_learn(struct world *w, struct mbox_recv *expect,
		const struct mbox_recv *actual, int request);

int predict_call(struct world *w, int who);
int predict_reply(struct world *w, int who);
int predict_token(struct world *w, int who);

#endif /* FUZZ_ORACLE_TALK_H */
