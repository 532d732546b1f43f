// SPDX-License-Identifier: GPL-2.0-only
/*
 * recv.c - one receiving: claim a message, copy it out without a lock, then
 * discard it, or put it back if the user's memory would not have it.
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "call.h"
#include "clock.h"
#include "files.h"
#include "gate.h"
#include "policy.h"
#include "recv.h"
#include "rights.h"
#include "trace.h"

static void init_receiver(struct mbox_waiter *receiver, const struct mbox_wish *wish,
			  const struct mbox_pass *pass)
{
	mbox_wait_init(receiver, pass);
	receiver->peek = wish->flags & MBOX_RECV_PEEK;
	receiver->least = wish->flags & MBOX_RECV_LEAST;
	receiver->picky = wish->flags & MBOX_RECV_MATCH;
	receiver->key = wish->key;
	receiver->room = wish->room;
	receiver->files_room = wish->files_room;
	receiver->who = wish->who;
	receiver->link = wish->link;
}

static struct mbox_msg *look_behind(struct mbox *mb, struct mbox_wish *wish,
				    const struct mbox_pass *pass)
{
	struct mbox_msg *msg = mbox_policy_peek(mb, wish->nth, pass);

	if (IS_ERR(msg))
		return msg;
	if (msg->len <= wish->room) {
		wish->stamp = mbox_clock_merge(&wish->who->clock, msg->stamp);
		trace_mbox_look(mb, msg, wish->who, wish->stamp);
		return msg;
	}
	wish->room = msg->len;
	wish->files_room = mbox_msg_nr_files(msg);
	mbox_policy_discard(mb, msg);
	return ERR_PTR(-EMSGSIZE);
}

static struct mbox_msg *claim(struct mbox *mb, struct mbox_wish *wish,
			      struct mbox_pass *pass,
			      const struct mbox_patience *patience)
{
	struct mbox_waiter receiver;
	int err;

	if (wish->nth)
		return look_behind(mb, wish, pass);
	do {
		receiver = (struct mbox_waiter) {};
		init_receiver(&receiver, wish, pass);
		err = mbox_policy_receive(mb, &receiver, patience);
	} while (err == -EKEYREVOKED && mbox_rights_insist(mb, pass) > 0);
	wish->room = receiver.room;
	wish->files_room = receiver.files_room;
	wish->stamp = receiver.stamp;
	return err ? ERR_PTR(err) : receiver.msg;
}

static int enter(struct mbox *mb, struct mbox_pass *pass,
		 const struct mbox_patience *patience)
{
	int err;

	do {
		err = mbox_gate_enter(mb, pass, patience);
	} while (err == -EKEYREVOKED && mbox_rights_insist(mb, pass) > 0);
	return err;
}

/* One's turn is waited for in any case. */
static const struct mbox_patience at_once = { .nonblock = true };

/* A message, with which the caller must call mbox_recv_end(). */
struct mbox_msg *mbox_recv_claim(struct mbox *mb, struct mbox_wish *wish,
				 struct mbox_pass *pass,
				 const struct mbox_patience *patience)
{
	struct mbox_msg *msg;
	int err;

	err = mbox_gate_take_end(mb, MBOX_END_RECV) ?: enter(mb, pass, patience);
	if (err)
		return ERR_PTR(err);
	msg = claim(mb, wish, pass, wish->left ? &at_once : patience);
	if (IS_ERR(msg))
		mbox_gate_leave(mb);
	return msg;
}

/* Not told which of them it was. */
static bool insist_on_all(struct mbox **mbs, struct mbox_pass *passes, unsigned int nr)
{
	int found = 0;

	while (nr-- && found >= 0)
		found = mbox_rights_insist(mbs[nr], &passes[nr]) ?: found;
	return found > 0;
}

static int choose(struct mbox **mbs, struct mbox_pass *passes, unsigned int nr,
		  struct mbox_waiter *receiver, const struct mbox_wish *wish,
		  const struct mbox_patience *patience)
{
	struct mbox_seat *seats = kcalloc(nr, sizeof(*seats), MBOX_GFP);
	unsigned int i;
	int err;

	if (!seats)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		seats[i].pass = &passes[i];
	do {
		*receiver = (struct mbox_waiter) {};
		init_receiver(receiver, wish, NULL);
		err = mbox_policy_choose(mbs, seats, nr, receiver, patience);
	} while (err == -EKEYREVOKED && insist_on_all(mbs, passes, nr));
	kfree(seats);
	return err;
}

/*
 * Likewise from one of several mailboxes, none of which has turns, with a pass for
 * each. The first ones are looked at first. @from is set, too, when the error is
 * -EMSGSIZE.
 */
struct mbox_msg *mbox_recv_choose(struct mbox **mbs, struct mbox_pass *passes,
				  unsigned int nr, struct mbox_wish *wish,
				  const struct mbox_patience *patience,
				  struct mbox **from)
{
	struct mbox_waiter receiver;
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = mbox_gate_take_end(mbs[i], MBOX_END_RECV);
	if (err)
		return ERR_PTR(err);
	err = choose(mbs, passes, nr, &receiver, wish, patience);
	if (err == -ENOMEM)
		return ERR_PTR(err);
	wish->room = receiver.room;
	wish->files_room = receiver.files_room;
	wish->stamp = receiver.stamp;
	*from = receiver.mb;
	return err ? ERR_PTR(err) : receiver.msg;
}

/*
 * It is the receiver's. Who takes no token discards the request. The files go now:
 * somebody who still looks at the message must not keep them.
 */
static void conclude(struct mbox_msg *msg, const struct mbox_wish *wish)
{
	struct mbox_rare *rare = mbox_msg_rare(msg);

	if (!rare)
		return;
	if (rare->request && wish->flags & MBOX_RECV_TOKEN)
		mbox_call_take(rare->request, wish->who);
	else if (rare->request)
		mbox_policy_fail(rare->request, -ECANCELED);
	mbox_files_put(rare->files);
	rare->files = NULL;
}

/* What was looked at stays where it is, what was not delivered goes back. */
void mbox_recv_end(struct mbox *mb, struct mbox_msg *msg,
		   const struct mbox_wish *wish, bool delivered)
{
	if (delivered && !(wish->flags & MBOX_RECV_PEEK))
		conclude(msg, wish);
	if (delivered || wish->flags & MBOX_RECV_PEEK)
		mbox_policy_discard(mb, msg);
	else
		mbox_policy_put_back(mb, msg);
	mbox_gate_leave(mb);
}
