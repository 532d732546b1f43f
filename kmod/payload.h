/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_PAYLOAD_H
#define MBOX_PAYLOAD_H

#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/sizes.h>
#include <linux/uio.h>

#include "mbox.h"

/* Of so many bytes all are in the message itself, of more so many. */
#define MBOX_PAYLOAD_WHOLE	(SZ_1K - sizeof(struct mbox_msg))
#define MBOX_PAYLOAD_FIRST	32

/*
 * The largest piece, next to what the kernel adds: where there are two, the second one costs
 * 500 instructions. Up to half of the last piece is not used, which nobody is charged for but
 * a memory cgroup.
 */
#define MBOX_PAYLOAD_PIECE	((u32)(SZ_64K - sizeof(void *)))

/**
 * struct mbox_part - bytes of a message that lie in a row
 * @bytes: where
 * @len: how many
 * @rest: how many there are after them
 * @next: where those lie
 */
struct mbox_part {
	u8 *bytes;
	u32 len;
	u32 rest;
	u8 **next;
};

bool mbox_payload_alloc_pieces(struct mbox_msg *msg, u32 size);
void mbox_payload_free_pieces(struct mbox_msg *msg);
bool mbox_payload_from_user(struct mbox_msg *msg, const void __user *from);
bool mbox_payload_to_user(void __user *to, const struct mbox_msg *msg, u32 len);
bool mbox_payload_from_iter(struct mbox_msg *msg, struct iov_iter *from);
bool mbox_payload_to_iter(struct iov_iter *to, const struct mbox_msg *msg);
int mbox_payload_init(void);
void mbox_payload_exit(void);

/* How many bytes of a message are in itself, or are needed there for the others. */
static inline size_t mbox_payload_room(u32 size)
{
	if (size <= MBOX_PAYLOAD_WHOLE)
		return size;
	return MBOX_PAYLOAD_FIRST +
	       (DIV_ROUND_UP(size - MBOX_PAYLOAD_FIRST, MBOX_PAYLOAD_PIECE) + 1) * sizeof(u8 *);
}

/* Which power of two is allocated for a piece of so many bytes, if that is not the least. */
static inline int mbox_payload_order(u32 size)
{
	return order_base_2(size + sizeof(void *));
}

/* Of a message that has that room, and no more: false if there is no memory. */
static inline bool mbox_payload_alloc(struct mbox_msg *msg, u32 size)
{
	return size <= MBOX_PAYLOAD_WHOLE || mbox_payload_alloc_pieces(msg, size);
}

static inline void mbox_payload_free(struct mbox_msg *msg)
{
	if (msg->in_pieces)
		mbox_payload_free_pieces(msg);
}

/* Pointers to them, then NULL. */
static inline u8 **mbox_payload_pieces(const struct mbox_msg *msg)
{
	return (u8 **)(msg->start + MBOX_PAYLOAD_FIRST);
}

static inline struct mbox_part mbox_payload_first_part(const struct mbox_msg *msg, u32 len)
{
	u32 here = msg->in_pieces ? min_t(u32, len, MBOX_PAYLOAD_FIRST) : len;

	return (struct mbox_part) {
		.bytes = (u8 *)msg->start,
		.len = here,
		.rest = len - here,
		.next = mbox_payload_pieces(msg),
	};
}

static inline void mbox_payload_next_part(struct mbox_part *part)
{
	part->len = min(part->rest, MBOX_PAYLOAD_PIECE);
	if (!part->len)
		return;
	part->rest -= part->len;
	part->bytes = *part->next++;
}

/* The first @_len bytes. */
#define mbox_payload_for_each_part(_part, _msg, _len)		\
	for (_part = mbox_payload_first_part(_msg, _len);	\
	     _part.len; mbox_payload_next_part(&_part))

#endif /* MBOX_PAYLOAD_H */
