// SPDX-License-Identifier: GPL-2.0-only
/*
 * share.c - how much of one mailbox each user fills, so that none can keep the
 * others out. Counted are the messages that the user has on their way, from
 * before they wait for room until they are received or dropped: waiting senders
 * are a way to keep others out, too.
 */

#include <linux/hash.h>
#include <linux/math64.h>
#include <linux/slab.h>

#include "limits.h"
#include "share.h"

#define SHARE_BITS	6

/**
 * struct share - what a user has in a mailbox; exists while that is something
 * @node: in mailbox->shares; mailbox->lock
 * @user: whoever answers for the senders; one of their messages holds it
 * @bytes: payload; mailbox->lock
 * @msgs: messages; mailbox->lock
 */
struct share {
	struct hlist_node node;
	struct mbox_account *user;
	u64 bytes;
	u32 msgs;
};

int mbox_share_init(struct mbox *mb)
{
	if (mb->share == 100)
		return 0;
	mb->shares = kcalloc(BIT(SHARE_BITS), sizeof(*mb->shares), MBOX_GFP);
	return mb->shares ? 0 : -ENOMEM;
}

static struct hlist_head *bucket(const struct mbox *mb, const struct mbox_account *user)
{
	return &mb->shares[hash_ptr(user, SHARE_BITS)];
}

static struct share *find(const struct mbox *mb, const struct mbox_account *user)
{
	struct share *share;

	lockdep_assert_held(&mb->lock);
	hlist_for_each_entry(share, bucket(mb, user), node)
		if (share->user == user)
			return share;
	return NULL;
}

static bool fits(const struct mbox *mb, const struct share *share, u32 len)
{
	u64 msgs = mb->queue.max_msgs, bytes = mb->queue.max_bytes;

	if (msgs == MBOX_UNBOUNDED)
		msgs = READ_ONCE(mbox_limits.max_msgs);
	if (bytes == MBOX_UNBOUNDED_BYTES)
		bytes = READ_ONCE(mbox_limits.max_bytes);
	return (share->msgs + 1) * 100ULL <= msgs * mb->share &&
	       share->bytes + len <= mul_u64_u32_div(bytes, mb->share, 100);
}

/* Count the message in, in @spare if it is the user's first: 0 or -EXFULL. */
static int count(struct mbox *mb, struct mbox_account *user, u32 len, struct share **spare)
{
	struct share *share = find(mb, user);

	if (share && !fits(mb, share, len)) {
		mb->refused++;
		return -EXFULL;
	}
	if (!share) {
		share = *spare;
		*spare = NULL;
		share->user = user;
		hlist_add_head(&share->node, bucket(mb, user));
	}
	share->msgs++;
	share->bytes += len;
	return 0;
}

/* A message of @len bytes is on its way: 0, -EXFULL or -ENOMEM. */
int mbox_share_charge(struct mbox *mb, struct mbox_account *payer, u32 len)
{
	struct share *spare;
	int err;

	if (!mb->shares)
		return 0;
	spare = kzalloc(sizeof(*spare), MBOX_GFP);
	if (!spare)
		return -ENOMEM;
	spin_lock(&mb->lock);
	err = count(mb, mbox_account_outermost(payer), len, &spare);
	spin_unlock(&mb->lock);
	kfree(spare);
	return err;
}

/* It was received or dropped. @payer is still held for it. */
void mbox_share_uncharge(struct mbox *mb, struct mbox_account *payer, u32 len)
{
	struct share *share, *last = NULL;

	if (!mb->shares)
		return;
	spin_lock(&mb->lock);
	share = find(mb, mbox_account_outermost(payer));
	share->msgs--;
	share->bytes -= len;
	if (!share->msgs) {
		hlist_del(&share->node);
		last = share;
	}
	spin_unlock(&mb->lock);
	kfree(last);
}

void mbox_share_tell(struct mbox *mb, struct mbox_account *payer, struct mbox_stat *stat)
{
	struct share *share;

	lockdep_assert_held(&mb->lock);
	stat->user_bytes = 0;
	stat->user_msgs = 0;
	share = mb->shares ? find(mb, mbox_account_outermost(payer)) : NULL;
	if (!share)
		return;
	stat->user_bytes = share->bytes;
	stat->user_msgs = share->msgs;
}
