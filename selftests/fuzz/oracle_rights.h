/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rights: who may do what, and the commands that change it. */
#ifndef FUZZ_ORACLE_RIGHTS_H
#define FUZZ_ORACLE_RIGHTS_H

#include "oracle.h"

#define ALL_RIGHTS	(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE)

bool rights_is_root(const struct world *w, int who);
unsigned int rights_of(const struct world *w, const struct box *b, int who);
bool rights_has(const struct world *w, const struct box *b, int who, unsigned int right);
bool rights_see(const struct world *w, const struct box *b, int who);
bool rights_may_signal(const struct world *w, int who, int other);
bool rights_deed_holds(const struct world *w, const struct message *msg);
unsigned int rights_grants(const struct box *b);
void rights_void_offer(struct box *b);
void rights_new_owner(struct world *w, struct box *b, int who);
void rights_end(struct world *w, struct box *b, int who);
void rights_learn_grants(const struct world *w, struct action *x, const struct action *actual);

int predict_transfer(struct world *w, int who, bool offers);
int predict_accept(struct world *w, int who);
int predict_claim(struct world *w, int who);
int predict_grant(struct world *w, int who);
int predict_revoke(struct world *w, int who);
int predict_grants(struct world *w, int who);
int predict_change(struct world *w, int who);

#endif /* FUZZ_ORACLE_RIGHTS_H */
