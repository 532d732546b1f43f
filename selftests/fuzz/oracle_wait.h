/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Those who wait: who is served, with what, and who has to leave. */
#ifndef FUZZ_ORACLE_WAIT_H
#define FUZZ_ORACLE_WAIT_H

#include "oracle.h"

void wait_discard(struct world *w, struct box *b, const struct message *msg);
void wait_dismiss(struct world *w, struct box *b, int who, int error);
void wait_conclude(struct world *w, int who, struct box *b, const struct message *msg);
bool wait_give(struct world *w, struct box *b, int who, unsigned int at);
void wait_settle(struct world *w, struct box *b);
void wait_seat_sender(struct world *w, struct box *b, int who);
void wait_put_back(struct world *w, struct box *b, struct message *msg);
void wait_withdraw(struct world *w, struct box *b, int who);
void wait_leave_gate(struct world *w, struct box *b, int who);
void wait_drain(struct world *w);
void wait_recheck(struct world *w, struct box *b);
void wait_end_box(struct world *w, struct box *b);
int wait_take_result(struct actor *actor);
int wait_receive(struct world *w, struct box *b, int who, int impatience);

#endif /* FUZZ_ORACLE_WAIT_H */
