// SPDX-License-Identifier: GPL-2.0-only
/*
 * payload.c - the bytes of a message: where they lie, and how they come and go.
 *
 * Up to MBOX_PAYLOAD_WHOLE of them are in the message. Of more, only the first are, so that
 * up to 256 KiB fit in as few pieces as there are 64 KiB in them:
 *
 *   struct mbox_msg | first bytes | pointers to pieces, NULL
 *                                      |
 *                                      +--> 64 KiB | ... | 1, 2, 4, 8, 16, 32 or 64 KiB
 *
 * Pieces are used again by whoever sends next, which costs nothing but to take them. To
 * have the memory of 64 KiB mapped page by page, cleared (init_on_alloc=1, as Debian has
 * it), and given back takes 19,000 instructions on 6.1, more than to copy 64 KiB in and out.
 */

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "payload.h"

#define LEAST	10	/* 1 KiB */
#define MOST	16	/* 64 KiB */

/* By size; of each the kernel keeps a pointer, too. */
static struct kmem_cache *caches[MOST - LEAST + 1];

static size_t size_of(unsigned int bits)
{
	return BIT(bits) - sizeof(void *);
}

/*
 * Pages that lie side by side, if there are so many; else they need not, for to move others
 * out of their way is much work, and may be in vain.
 */
static bool alloc_largest(u8 **pieces, size_t nr)
{
	static const gfp_t easily = (MBOX_GFP | __GFP_NORETRY) &
				    ~(__GFP_RETRY_MAYFAIL | __GFP_DIRECT_RECLAIM);
	size_t i;

	if (!nr || kmem_cache_alloc_bulk(caches[MOST - LEAST], easily, nr, (void **)pieces))
		return true;
	for (i = 0; i < nr; i++) {
		pieces[i] = __vmalloc(MBOX_PAYLOAD_PIECE, MBOX_GFP);
		if (!pieces[i])
			return false;
	}
	return true;
}

static bool alloc_last(u8 **pieces, u32 size)
{
	unsigned int bits = max(mbox_payload_order(size), LEAST);

	pieces[0] = NULL;
	if (!size)
		return true;
	pieces[0] = kmem_cache_alloc(caches[bits - LEAST], MBOX_GFP);
	pieces[1] = NULL;
	return pieces[0];
}

bool mbox_payload_alloc_pieces(struct mbox_msg *msg, u32 size)
{
	u8 **pieces = mbox_payload_pieces(msg);
	u32 nr = (size - MBOX_PAYLOAD_FIRST) / MBOX_PAYLOAD_PIECE;
	u32 last = (size - MBOX_PAYLOAD_FIRST) % MBOX_PAYLOAD_PIECE;

	if (last > size_of(MOST - 1)) {
		last = 0;
		nr++;
	}
	msg->in_pieces = true;
	if (alloc_largest(pieces, nr) && alloc_last(pieces + nr, last))
		return true;
	mbox_payload_free_pieces(msg);
	return false;
}

void mbox_payload_free_pieces(struct mbox_msg *msg)
{
	u8 **piece;

	for (piece = mbox_payload_pieces(msg); *piece; piece++)
		kvfree(*piece);
	msg->in_pieces = false;
}

/* All of it. */
bool mbox_payload_from_user(struct mbox_msg *msg, const void __user *from)
{
	struct mbox_part part;

	mbox_payload_for_each_part(part, msg, msg->len) {
		if (copy_from_user(part.bytes, from, part.len))
			return false;
		from += part.len;
	}
	return true;
}

bool mbox_payload_to_user(void __user *to, const struct mbox_msg *msg, u32 len)
{
	struct mbox_part part;

	mbox_payload_for_each_part(part, msg, len) {
		if (copy_to_user(to, part.bytes, part.len))
			return false;
		to += part.len;
	}
	return true;
}

bool mbox_payload_from_iter(struct mbox_msg *msg, struct iov_iter *from)
{
	struct mbox_part part;

	mbox_payload_for_each_part(part, msg, msg->len)
		if (!copy_from_iter_full(part.bytes, part.len, from))
			return false;
	return true;
}

bool mbox_payload_to_iter(struct iov_iter *to, const struct mbox_msg *msg)
{
	struct mbox_part part;

	mbox_payload_for_each_part(part, msg, msg->len)
		if (copy_to_iter(part.bytes, part.len, to) != part.len)
			return false;
	return true;
}

/*
 * The kernel does not clear what has a constructor. Nobody sees what was in a piece before:
 * a message is sent only if as many bytes have been written there as it is long. Who wants
 * memory to be cleared when it is free (init_on_free=1) has it.
 */
static void leave_as_it_is(void *piece)
{
}

static struct kmem_cache *create_cache(unsigned int bits)
{
	char name[32];

	snprintf(name, sizeof(name), "mbox_payload_%lu", BIT(bits));
	return kmem_cache_create_usercopy(name, size_of(bits), 0, SLAB_ACCOUNT, 0, size_of(bits),
					  want_init_on_free() ? NULL : leave_as_it_is);
}

/* 0 or -ENOMEM: then there is something to exit, too. */
int mbox_payload_init(void)
{
	unsigned int bits;

	for (bits = LEAST; bits <= MOST; bits++) {
		caches[bits - LEAST] = create_cache(bits);
		if (!caches[bits - LEAST])
			return -ENOMEM;
	}
	return 0;
}

void mbox_payload_exit(void)
{
	unsigned int bits;

	for (bits = LEAST; bits <= MOST; bits++)
		kmem_cache_destroy(caches[bits - LEAST]);
}
