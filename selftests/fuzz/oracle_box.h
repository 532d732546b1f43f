/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mailboxes: how they are made, found, ended and described. */
#ifndef FUZZ_ORACLE_BOX_H
#define FUZZ_ORACLE_BOX_H

#include "oracle.h"

int predict_create(struct world *w, int who);
int predict_open(struct world *w, int who);
int predict_delete(struct world *w, int who);
int predict_stat(struct world *w, int who);
int predict_info(struct world *w, int who);
int predict_clock(struct world *w, int who);

#endif /* FUZZ_ORACLE_BOX_H */
