/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_POLICY_H
#define MBOX_POLICY_H

#include "msg.h"
#include "wait.h"

int mbox_policy_reserve(struct mbox *mb, struct mbox_waiter *sender,
			const struct mbox_patience *patience);
int mbox_policy_send(struct mbox *mb, struct mbox_waiter *sender,
		     const struct mbox_patience *patience);
int mbox_policy_receive(struct mbox *mb, struct mbox_waiter *receiver,
			const struct mbox_patience *patience);
struct mbox_msg *mbox_policy_peek(struct mbox *mb, u32 nth, const struct mbox_pass *pass);
int mbox_policy_choose(struct mbox **mbs, struct mbox_seat *seats, unsigned int nr,
		       struct mbox_waiter *receiver,
		       const struct mbox_patience *patience);

void mbox_policy_put_back(struct mbox *mb, struct mbox_msg *msg);
void mbox_policy_discard(struct mbox *mb, struct mbox_msg *msg);
bool mbox_policy_is_undecided(struct mbox_request *request);
bool mbox_policy_fail(struct mbox_request *request, int reason);
int mbox_policy_answer(struct mbox_request *request, struct mbox_msg *reply);
void mbox_policy_expire(struct mbox *mb);
void mbox_policy_strip(struct mbox *mb);
void mbox_policy_change(struct mbox *mb, void (*change)(struct mbox *mb, void *arg),
			void *arg);
void mbox_policy_dismiss(struct mbox *mb);
void mbox_policy_end_link(struct mbox *mb, u64 key);
__poll_t mbox_policy_poll(struct mbox *mb, const struct mbox_lane *lane);

void mbox_policy_hand(struct mbox *mb, struct mbox_msg *msg) __releases(&mb->lock);
void mbox_policy_hand_request(struct mbox *mb, struct mbox_waiter *caller)
	__releases(&mb->lock);
void mbox_policy_seat_offer(struct mbox *mb, struct mbox_waiter *sender);
void mbox_policy_hold(struct mbox *mb, struct mbox_rare *rare, const struct mbox_pass *pass);
bool mbox_policy_seat_sender(struct mbox *mb, struct mbox_waiter *sender);
void mbox_policy_seat_receiver(struct mbox *mb, struct mbox_waiter *receiver);
int mbox_policy_leave(struct mbox *mb, struct mbox_waiter *waiter, bool sending, int reason);
void mbox_policy_let_in(struct mbox *mb) __releases(&mb->lock);
void mbox_policy_look_for_room(struct mbox *mb);

/* Where one is counted that waited for so many nanoseconds: they double from one to the next. */
static inline int mbox_policy_bucket(u64 waited)
{
	return min(fls64(waited / MBOX_WAITED_FIRST), MBOX_WAITED_BUCKETS - 1);
}

/*
 * A receiver has the message, which waited for so many nanoseconds: that is what it is
 * counted by, and at least 0.
 */
static inline u64 mbox_policy_count_receipt(struct mbox *mb, struct mbox_msg *msg, s64 time)
{
	u64 waited = max(time, 0LL);
	int bucket = mbox_policy_bucket(waited);

	msg->bucket = bucket;
	mb->received++;
	mb->waited[bucket]++;
	mb->skipped += msg->skips;
	return waited;
}

#endif /* MBOX_POLICY_H */
