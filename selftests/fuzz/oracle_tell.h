/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What callers are told: the structures and buffers that the kernel writes. */
#ifndef FUZZ_ORACLE_TELL_H
#define FUZZ_ORACLE_TELL_H

#include "oracle.h"

int tell_fields(struct action *x, void *image, const void *made, size_t from, size_t to);
void tell_clock(struct actor *actor, uint64_t stamp);
void tell_end(struct world *w, int who, int error);
struct mbox_send *tell_send_of(struct actor *actor);
void tell_sent(struct world *w, const struct box *b, int who,
	       const struct message *msg, int32_t peer);
struct mbox_recv *tell_recv_of(struct actor *actor);
int tell_needs(struct world *w, int who, const struct box *b, const struct message *msg);
int tell_message(struct world *w, int who, struct box *b, const struct message *msg);

#endif /* FUZZ_ORACLE_TELL_H */
