/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_QUEUE_H
#define MBOX_QUEUE_H

#include "mbox.h"

void mbox_levels_add(struct mbox_levels *levels, struct list_head *node, u32 prio);
void mbox_levels_del(struct mbox_levels *levels, struct list_head *node, u32 prio);
struct list_head *mbox_levels_first(const struct mbox_levels *levels);

int mbox_queue_fits(const struct mbox_queue *queue, u32 msgs, u64 bytes, u32 len);
void mbox_queue_add(struct mbox_queue *queue, struct mbox_msg *msg);
void mbox_queue_put_back(struct mbox_queue *queue, struct mbox_msg *msg);
void mbox_queue_del(struct mbox_queue *queue, struct mbox_msg *msg);

struct mbox_msg *mbox_queue_first(const struct mbox_queue *queue);
struct mbox_msg *mbox_queue_least(const struct mbox_queue *queue);
struct mbox_msg *mbox_queue_nth(const struct mbox_queue *queue, u32 nth);
struct mbox_msg *mbox_queue_find(const struct mbox_queue *queue, u64 key, bool least);
struct mbox_msg *mbox_queue_expiring(struct mbox_queue *queue);

#endif /* MBOX_QUEUE_H */
