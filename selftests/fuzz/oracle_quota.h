/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas: how much there is, and whether there may be more. */
#ifndef FUZZ_ORACLE_QUOTA_H
#define FUZZ_ORACLE_QUOTA_H

#include "oracle.h"

uint32_t quota_boxes(const struct world *w, int user);
uint32_t quota_messages(const struct world *w, int user);
int quota_create(const struct world *w, int who);
int quota_take_over(const struct world *w, int who, int to, const struct box *b);
int quota_send(const struct world *w, int who);
bool quota_is_near(const struct world *w, uint32_t nr);
void quota_learn(struct mbox_usage *expect, const struct mbox_usage *actual);

int predict_usage(struct world *w, int who);

#endif /* FUZZ_ORACLE_QUOTA_H */
