/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue: the order of messages, and the room for them. */
#ifndef FUZZ_ORACLE_QUEUE_H
#define FUZZ_ORACLE_QUEUE_H

#include "oracle.h"

bool queue_is_rendezvous(const struct box *b);
int queue_fits(const struct world *w, const struct box *b, uint32_t len);
void queue_note_room(const struct world *w, struct box *b);
unsigned int queue_add(struct box *b, const struct message *msg);
struct message queue_take(struct box *b, unsigned int at);
int queue_best(const struct box *b, const struct actor *r);
void queue_uncharge(struct box *b, const struct message *msg);
int queue_charge(const struct world *w, struct box *b, int user, uint32_t len);
int queue_check_size(const struct box *b, uint64_t len);

#endif /* FUZZ_ORACLE_QUEUE_H */
