// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c - which waiter is served, with which message, and when.
 *
 * Three things happen to a mailbox, each followed by all that it makes possible,
 * so that when it is over nobody waits who could be served:
 *
 *   - a message is queued: it is offered to the longest waiting receiver that it
 *     suits. That is the direct hand-off: a message that meets its receiver
 *     passes through the queue only while the lock is held.
 *   - a receiver comes: it takes the best message queued that suits it.
 *   - room appears (a message or a waiting sender has gone): settle() admits the
 *     senders that wait for it, in their order.
 *
 * A fourth, that rights change, may only make some leave: mbox_policy_change().
 *
 * A rendezvous has no room and no need of it: what is queued there is what
 * waiting senders offer.
 *
 * selftests/model/mbox.pml has these steps under the same names, for spin: who
 * changes what is done between begin() and end() changes it there, too.
 */

#include <linux/err.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/siphash.h>

#include "clock.h"
#include "event.h"
#include "files.h"
#include "gate.h"
#include "link.h"
#include "msg.h"
#include "policy.h"
#include "process.h"
#include "queue.h"
#include "request.h"
#include "trace.h"

#define READABLE	(EPOLLIN | EPOLLRDNORM)
#define WRITABLE	(EPOLLOUT | EPOLLWRNORM)

/*
 * Seats.
 */

static struct list_head *seekers_of(const struct mbox *mb, u64 key)
{
	return &mb->seekers[siphash_1u64(key, &mb->queue.seed) >> (64 - mb->seeker_bits)];
}

static void seat_receiver(struct mbox *mb, struct mbox_seat *seat)
{
	const struct mbox_waiter *receiver = seat->waiter;

	seat->arrival = ++mb->arrivals;
	list_add_tail(&seat->node, receiver->picky ? seekers_of(mb, receiver->key) :
						     &mb->receivers);
	mb->nr_receivers++;
}

static void unseat_receiver(struct mbox *mb, struct mbox_seat *seat)
{
	if (list_empty(&seat->node))
		return;
	list_del_init(&seat->node);
	mb->nr_receivers--;
}

static struct mbox_lane *lane_of(struct mbox *mb, const struct mbox_waiter *sender)
{
	return sender->lane ?: &mb->lane;
}

/* Somebody may have room in it now. */
static void stir(struct mbox *mb, struct mbox_lane *lane)
{
	if (lane != &mb->lane && lane->senders.used)
		list_move_tail(&lane->stirred, &mb->stirred);
}

static void seat_sender(struct mbox *mb, struct mbox_seat *seat)
{
	struct mbox_lane *lane = lane_of(mb, seat->waiter);

	if (!lane->senders.used)
		list_add_tail(&lane->waiting, &mb->waiting);
	mbox_levels_add(&lane->senders, &seat->node, seat->waiter->prio);
	mb->nr_senders++;
	stir(mb, lane);
}

/* A lane without senders may be gone as soon as the last of them has been told. */
static void unseat_sender(struct mbox *mb, struct mbox_seat *seat)
{
	struct mbox_lane *lane = lane_of(mb, seat->waiter);

	mbox_levels_del(&lane->senders, &seat->node, seat->waiter->prio);
	mb->nr_senders--;
	if (lane->senders.used)
		return;
	list_del_init(&lane->waiting);
	list_del_init(&lane->stirred);
}

static struct mbox_waiter *first_sender(const struct mbox_lane *lane)
{
	struct list_head *first = mbox_levels_first(&lane->senders);

	return first ? list_entry(first, struct mbox_seat, node)->waiter : NULL;
}

static struct mbox_seat *first_seeker(const struct mbox *mb, u64 key)
{
	struct mbox_seat *seat;

	list_for_each_entry(seat, seekers_of(mb, key), node)
		if (seat->waiter->key == key)
			return seat;
	return NULL;
}

/* The longest waiting receiver that the message suits. */
static struct mbox_seat *next_receiver(const struct mbox *mb, const struct mbox_msg *msg)
{
	struct mbox_seat *any = NULL, *seeker = NULL;

	if (!list_empty(&mb->receivers))
		any = list_first_entry(&mb->receivers, struct mbox_seat, node);
	if (mb->seekers)
		seeker = first_seeker(mb, mbox_msg_keyed(msg)->key);
	if (!any || !seeker)
		return any ?: seeker;
	return any->arrival < seeker->arrival ? any : seeker;
}

/*
 * Messages.
 */

static bool has_expired(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare && rare->expiry.expires != KTIME_MAX && rare->expiry.expires <= ktime_get();
}

static void enqueue(struct mbox *mb, struct mbox_msg *msg,
		    void (*add)(struct mbox_queue *queue, struct mbox_msg *msg))
{
	struct mbox_rare *rare = mbox_msg_rare(msg);

	add(&mb->queue, msg);
	if (!rare)
		return;
	if (rare->lane && msg->counted) {
		rare->lane->msgs++;
		rare->lane->bytes += msg->len;
	}
	if (rare->files) {
		rare->files->msg = msg;
		list_add_tail(&rare->files->node, &mb->filed);
	}
}

/* The synchronous sender of a queued message that still waits, or NULL. */
static struct mbox_waiter *sender_of(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare ? rare->sender : NULL;
}

/* The sender waits while its message is queued. The mailbox is locked. */
void mbox_policy_seat_offer(struct mbox *mb, struct mbox_waiter *sender)
{
	lockdep_assert_held(&mb->lock);
	mbox_msg_rare(sender->msg)->sender = sender;
	list_add_tail(&sender->seat.node, &mb->offers);
	mb->nr_offers++;
}

static void unseat_offer(struct mbox *mb, struct mbox_rare *rare)
{
	list_del_init(&rare->sender->seat.node);
	mb->nr_offers--;
	rare->sender = NULL;
}

/* Take a message out of the queue whose sender may still be waiting. */
static struct mbox_waiter *unqueue(struct mbox *mb, struct mbox_msg *msg)
{
	struct mbox_rare *rare = mbox_msg_rare(msg);
	struct mbox_waiter *sender;

	mbox_queue_del(&mb->queue, msg);
	if (!rare)
		return NULL;
	if (rare->lane && msg->counted) {
		rare->lane->msgs--;
		rare->lane->bytes -= msg->len;
		stir(mb, rare->lane);
	}
	if (rare->files)
		list_del_init(&rare->files->node);
	sender = rare->sender;
	if (sender)
		unseat_offer(mb, rare);
	return sender;
}

/*
 * Requests.
 */

/*
 * Somebody has received it, by that pass. Only the first of the actors is asked again who
 * takes a token: there is one then.
 */
static void hold(struct mbox *mb, struct mbox_request *request, const struct mbox_pass *pass)
{
	request->pass = *pass;
	request->cred = mbox_process_get_cred(pass->actors[0].cred);
	list_add_tail(&request->held, &mb->held);
	mb->nr_held++;
	request->caller->held = true;
}

static void unhold(struct mbox *mb, struct mbox_request *request)
{
	if (list_empty(&request->held))
		return;
	list_del_init(&request->held);
	mb->nr_held--;
	put_cred(request->cred);
	request->cred = NULL;
}

/* The caller gives up, or is told. */
static void dismiss_request(struct mbox *mb, struct mbox_request *request)
{
	request->caller = NULL;
	unhold(mb, request);
}

/* Tell the caller, if it still waits. */
static bool decide(struct mbox *mb, struct mbox_request *request, int result,
		   struct mbox_wakes *wakes)
{
	struct mbox_waiter *caller = request->caller;

	dismiss_request(mb, request);
	if (!caller || !mbox_wait_claim(caller))
		return false;
	mbox_wait_finish(mb, caller, result, wakes);
	return true;
}

/* Tell a synchronous sender that its message, which it keeps, was not received. */
static void fail_sender(struct mbox *mb, struct mbox_waiter *sender, int reason,
			struct mbox_wakes *wakes)
{
	if (sender->request)
		decide(mb, sender->request, reason, wakes);
	else if (mbox_wait_claim(sender))
		mbox_wait_finish(mb, sender, reason, wakes);
}

static void drop(struct mbox *mb, struct mbox_msg *msg, int reason,
		 struct mbox_wakes *wakes)
{
	struct mbox_waiter *sender = unqueue(mb, msg);

	trace_mbox_drop(mb, msg, reason);
	wakes->poll |= WRITABLE;
	if (sender)
		fail_sender(mb, sender, reason, wakes);
	else
		list_add(&msg->node, &wakes->dropped);
}

/* What a sender still waits for it takes back: that was never sent. */
static void drop_expired(struct mbox *mb, struct mbox_msg *msg, struct mbox_wakes *wakes)
{
	if (sender_of(msg))
		mb->refused++;
	else
		mb->expired++;
	drop(mb, msg, -ETIMEDOUT, wakes);
}

static struct mbox_msg *best_for(struct mbox *mb, const struct mbox_waiter *receiver)
{
	if (receiver->picky)
		return mbox_queue_find(&mb->queue, receiver->key, receiver->least);
	if (receiver->least)
		return mbox_queue_least(&mb->queue);
	return mbox_queue_first(&mb->queue);
}

/* Take away the files of a message. */
static void strip(struct mbox_rare *rare, struct mbox_wakes *wakes)
{
	list_move(&rare->files->node, &wakes->files);
	rare->files = NULL;
	WRITE_ONCE(rare->files_lost, true);
}

/* The mailbox has lost its owner. What a sender still waits for it takes back. */
static bool strip_or_drop(struct mbox *mb, struct mbox_msg *msg, struct mbox_wakes *wakes)
{
	bool drops = sender_of(msg);

	if (drops)
		drop(mb, msg, -EOWNERDEAD, wakes);
	else
		strip(mbox_msg_rare(msg), wakes);
	return drops;
}

/* Nobody is to receive it any more, or not its files. True if it is dropped. */
static bool drop_stale(struct mbox *mb, struct mbox_msg *msg, struct mbox_wakes *wakes)
{
	if (has_expired(msg)) {
		drop_expired(mb, msg, wakes);
		return true;
	}
	return mbox_msg_files(msg) && mbox_is_orphan(mb) && strip_or_drop(mb, msg, wakes);
}

static void uncount_receipt(struct mbox *mb, const struct mbox_msg *msg)
{
	mb->received--;
	mb->waited[msg->bucket]--;
	mb->skipped -= msg->skips;
	trace_mbox_return(mb, msg);
}

/*
 * Serve a claimed receiver with a queued message. Here, and nowhere else, a
 * receiver has it: the sender that waits for that is released. False if the
 * message stays, for the receiver looked only or its buffer is too small.
 */
static bool give(struct mbox *mb, struct mbox_seat *seat, struct mbox_msg *msg,
		 struct mbox_wakes *wakes)
{
	struct mbox_waiter *receiver = seat->waiter, *sender;
	struct mbox_request *request = mbox_msg_request(msg);
	struct mbox_deed *deed = mbox_msg_deed(msg);
	u32 nr_files = mbox_msg_nr_files(msg);
	u64 stamp, waited;

	if (msg->len > receiver->room || nr_files > receiver->files_room) {
		receiver->room = msg->len;
		receiver->files_room = nr_files;
		mbox_wait_finish(mb, receiver, -EMSGSIZE, wakes);
		return false;
	}
	receiver->stamp = mbox_clock_merge(&receiver->who->clock, msg->stamp);
	if (receiver->peek) {
		receiver->msg = mbox_msg_get(msg);
		trace_mbox_look(mb, msg, receiver->who, receiver->stamp);
		mbox_wait_finish(mb, receiver, 0, wakes);
		return false;
	}
	if (deed)
		deed->valid = mbox_deed_holds(deed);
	msg->skips = msg != mbox_queue_first(&mb->queue);
	waited = mbox_policy_count_receipt(mb, msg, ktime_get() - msg->time);
	trace_mbox_recv(mb, msg, receiver->who, receiver->stamp, waited);
	sender = unqueue(mb, msg);
	if (request) {
		mb->sent++;
		hold(mb, request, seat->pass);
	} else if (sender && mbox_wait_claim(sender)) {
		mb->sent++;
		sender->peer = get_pid(receiver->who->pid);
		stamp = mbox_clock_merge(&msg->from->clock, receiver->stamp);
		trace_mbox_receipt(mb, msg, stamp);
		mbox_wait_finish(mb, sender, 0, wakes);
	}
	wakes->poll |= WRITABLE;
	receiver->msg = msg;
	mbox_wait_finish(mb, receiver, 0, wakes);
	return true;
}

/*
 * Offer a queued message to those who wait, unless it has expired. A seat whose
 * waiter is claimed belongs to one that chose another mailbox and has not left
 * this one yet.
 */
static void offer(struct mbox *mb, struct mbox_msg *msg, struct mbox_wakes *wakes)
{
	struct mbox_seat *seat;

	if (has_expired(msg)) {
		drop_expired(mb, msg, wakes);
		return;
	}
	while ((seat = next_receiver(mb, msg))) {
		unseat_receiver(mb, seat);
		if (mbox_wait_claim(seat->waiter) && give(mb, seat, msg, wakes))
			return;
	}
}

static void watch_expiry(struct mbox *mb, const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	if (rare && rare->expiry.expires != KTIME_MAX && mbox_queue_expiring(&mb->queue) == msg)
		hrtimer_start(&mb->expiry_timer, rare->expiry.expires, HRTIMER_MODE_ABS);
}

/* The message of a sender that has room enters the queue. */
static void accept(struct mbox *mb, struct mbox_waiter *sender, struct mbox_wakes *wakes)
{
	struct mbox_msg *msg = sender->msg;

	msg->counted = !mbox_is_rendezvous(mb);
	mbox_msg_stamp(msg);
	sender->stamp = msg->stamp;
	if (sender->request)
		sender->request->caller = sender;
	if (sender->sync) {
		mbox_policy_seat_offer(mb, sender);
	} else if (mbox_wait_claim(sender)) {
		mb->sent++;
		mbox_wait_finish(mb, sender, 0, wakes);
	}
	enqueue(mb, msg, mbox_queue_add);
	trace_mbox_send(mb, msg);
	watch_expiry(mb, msg);
	wakes->poll |= READABLE;
	offer(mb, msg, wakes);
}

/* Files are there only as long as somebody lives who answers for the mailbox. */
static bool may_bring_files(const struct mbox *mb, const struct mbox_waiter *sender)
{
	return !sender->brings_files || !mbox_is_orphan(mb);
}

/* Whether so many bytes more fit into the room that the lane leads to. */
static int fits(const struct mbox *mb, const struct mbox_lane *lane, u32 len)
{
	const struct mbox_queue *queue = &mb->queue;

	if (lane == &mb->lane)
		return mbox_queue_fits(queue, queue->msgs, queue->bytes, len);
	return mbox_queue_fits(queue, lane->msgs, lane->bytes, len);
}

/* -EAGAIN: the sender has to wait for room. */
static int room_for(const struct mbox *mb, const struct mbox_lane *lane,
		    const struct mbox_waiter *sender)
{
	if (!may_bring_files(mb, sender))
		return -EOWNERDEAD;
	if (mb->kind & MBOX_CREATE_RESERVE)
		return list_empty(&mb->slots) ? -EAGAIN : 0;
	if (mbox_is_rendezvous(mb))
		return 0;
	return fits(mb, lane, sender->msg->len);
}

static void fill_slot(struct mbox *mb, struct mbox_waiter *sender, struct mbox_wakes *wakes)
{
	struct mbox_msg *slot = list_first_entry(&mb->slots, struct mbox_msg, node);

	list_del_init(&slot->node);
	sender->msg = slot;
	mbox_wait_finish(mb, sender, 0, wakes);
}

static void refuse(struct mbox *mb, struct mbox_waiter *sender, int reason,
		   struct mbox_wakes *wakes)
{
	if (reason == -ENOBUFS)
		mb->refused++;
	mbox_wait_finish(mb, sender, reason, wakes);
}

/* The lane needs no further look. False if there is none that does. */
static bool leave_lane(struct mbox_lane *lane)
{
	bool stirred = !list_empty(&lane->stirred);

	list_del_init(&lane->stirred);
	return stirred;
}

/* Admit the first sender if it has room, or tell it that there will be none. */
static bool admit_one(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_lane *lane;
	struct mbox_waiter *sender;
	int err;

	lane = list_first_entry_or_null(&mb->stirred, struct mbox_lane, stirred) ?: &mb->lane;
	sender = first_sender(lane);
	err = sender ? room_for(mb, lane, sender) : -EAGAIN;
	if (err == -EAGAIN)
		return leave_lane(lane);
	unseat_sender(mb, &sender->seat);
	if (!err && !(mb->kind & MBOX_CREATE_RESERVE))
		accept(mb, sender, wakes);
	else if (!mbox_wait_claim(sender))
		WARN_ON_ONCE(1);
	else if (err)
		refuse(mb, sender, err, wakes);
	else
		fill_slot(mb, sender, wakes);
	return true;
}

static bool is_full(const struct mbox *mb, __poll_t events)
{
	return !(events & WRITABLE) && !mbox_is_rendezvous(mb);
}

/*
 * In the middle of a change that may be a long one, after each step: between batches of them
 * others have the lock and the processor. No caller relies on what it saw before.
 */
static void breathe(struct mbox *mb, struct mbox_wakes *wakes, unsigned int *steps)
{
	lockdep_assert_held(&mb->lock);
	if (++*steps < MBOX_WAKE_BATCH && wakes->nr < MBOX_WAKE_BATCH)
		return;
	*steps = 0;
	spin_unlock(&mb->lock);
	mbox_wakes_tasks(wakes);
	cond_resched();
	spin_lock(&mb->lock);
}

/* A large message that goes may let very many in. */
static void settle(struct mbox *mb, struct mbox_wakes *wakes)
{
	unsigned int steps = 0;
	__poll_t events;

	lockdep_assert_held(&mb->lock);
	while (!mbox_is_gone(mb) && admit_one(mb, wakes))
		breathe(mb, wakes, &steps);
	events = mbox_policy_poll(mb, NULL);
	wakes->poll &= events;
	wakes->full = is_full(mb, events);
}

/*
 * The lock, held for one change and all that follows from it.
 */

static void begin(struct mbox *mb, struct mbox_wakes *wakes)
	__acquires(&mb->lock)
{
	mbox_wakes_init(wakes);
	spin_lock(&mb->lock);
	wakes->full = mb->full;
}

/* What it was between begin() and end() nobody has seen. */
static void note_room(struct mbox *mb, bool full)
{
	if (full == mb->full)
		return;
	mb->full = full;
	mb->filled += full;
	mbox_event_room(mb);
}

static void end(struct mbox *mb, struct mbox_wakes *wakes)
	__releases(&mb->lock)
{
	struct mbox_files *files, *next_files;
	struct mbox_msg *msg, *next;

	note_room(mb, wakes->full);
	spin_unlock(&mb->lock);
	mbox_wakes_flush(mb, wakes);
	list_for_each_entry_safe(msg, next, &wakes->dropped, node) {
		mbox_policy_discard(mb, msg);
		cond_resched();
	}
	list_for_each_entry_safe(files, next_files, &wakes->files, node)
		mbox_files_put(files);
}

/* What follows when a message has gone and senders wait. The mailbox is locked before. */
void mbox_policy_let_in(struct mbox *mb)
	__releases(&mb->lock)
{
	struct mbox_wakes wakes;

	mbox_wakes_init(&wakes);
	wakes.poll = WRITABLE;
	settle(mb, &wakes);
	end(mb, &wakes);
}

/* Whether there is room for any message may have changed; no sender waits for it. */
void mbox_policy_look_for_room(struct mbox *mb)
{
	note_room(mb, fits(mb, &mb->lane, mb->max_size) != 0);
}

/* A slot is free again. False if the mailbox has no use for it any more. */
static bool return_slot(struct mbox *mb, struct mbox_msg *slot)
{
	struct mbox_wakes wakes;
	bool live;

	begin(mb, &wakes);
	live = mb->state != MBOX_GONE;
	if (live) {
		list_add(&slot->node, &mb->slots);
		wakes.poll |= WRITABLE;
		settle(mb, &wakes);
	}
	end(mb, &wakes);
	return live;
}

static bool is_slot(const struct mbox_msg *msg)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);

	return rare && rare->pool;
}

/* Let go of a message: the last one to do so frees it, or its slot. */
void mbox_policy_discard(struct mbox *mb, struct mbox_msg *msg)
{
	if (mbox_msg_release(mb, msg) && !(is_slot(msg) && return_slot(mb, msg)))
		mbox_msg_free(mb, msg);
}

/* Its caller waits for it to be received, again; false if it may not, or has given up. */
static bool take_back(struct mbox *mb, struct mbox_msg *msg, struct mbox_wakes *wakes)
{
	struct mbox_rare *rare = mbox_msg_rare(msg);
	struct mbox_waiter *caller = rare->request->caller;

	mb->sent--;
	unhold(mb, rare->request);
	if (!caller)
		return false;
	if (!mbox_pass_holds(mb, caller->seat.pass)) {
		decide(mb, rare->request, -EKEYREVOKED, wakes);
		return false;
	}
	caller->held = false;
	mbox_policy_seat_offer(mb, caller);
	return true;
}

/*
 * Return a message that its receiver could not take to its place, over capacity
 * if need be, for the next one. It is an accepted message from now on, also at a
 * rendezvous: its sender has been told that it was received.
 */
void mbox_policy_put_back(struct mbox *mb, struct mbox_msg *msg)
{
	struct mbox_wakes wakes;
	bool live;

	begin(mb, &wakes);
	uncount_receipt(mb, msg);
	live = !mbox_is_gone(mb) && (!mbox_msg_request(msg) || take_back(mb, msg, &wakes));
	if (live) {
		if (mbox_msg_files(msg) && mbox_is_orphan(mb))
			strip(mbox_msg_rare(msg), &wakes);
		enqueue(mb, msg, mbox_queue_put_back);
		watch_expiry(mb, msg);
		wakes.poll |= READABLE;
		offer(mb, msg, &wakes);
		settle(mb, &wakes);
	}
	if (!live)
		trace_mbox_drop(mb, msg, mbox_is_gone(mb) ? -EIDRM : -ECANCELED);
	end(mb, &wakes);
	if (!live)
		mbox_policy_discard(mb, msg);
}

/* A caller that only has to wait for its reply. */
static bool is_underway(const struct mbox *mb, const struct mbox_waiter *waiter)
{
	if (!waiter->request)
		return false;
	return waiter->held ||
	       (sender_of(waiter->msg) == waiter && !mbox_is_rendezvous(mb));
}

/* Out of where it waits, unless it is too late. */
static bool cancel(struct mbox *mb, struct mbox_waiter *waiter, bool sending,
		   struct mbox_wakes *wakes)
{
	lockdep_assert_held(&mb->lock);
	if (!mbox_wait_claim(waiter))
		return false;
	if (!sending) {
		unseat_receiver(mb, &waiter->seat);
		return true;
	}
	if (waiter->request)
		dismiss_request(mb, waiter->request);
	if (waiter->held)
		return true;
	if (waiter->msg && sender_of(waiter->msg) == waiter) {
		trace_mbox_drop(mb, waiter->msg, -ECANCELED);
		unqueue(mb, waiter->msg);
	} else {
		unseat_sender(mb, &waiter->seat);
	}
	stir(mb, lane_of(mb, waiter));
	/* It may have stood before others, or been what kept pollers out. */
	wakes->poll |= WRITABLE;
	settle(mb, wakes);
	return true;
}

static enum mbox_wait_what what_for(const struct mbox *mb, const struct mbox_waiter *waiter,
				    bool sending)
{
	if (!sending)
		return MBOX_WAIT_RECV;
	return is_underway(mb, waiter) ? MBOX_WAIT_REPLY : MBOX_WAIT_SEND;
}

/* A sender has given up. */
static void count_refusal(struct mbox *mb, const struct mbox_waiter *sender, int reason)
{
	if (!sender->held && (reason == -EAGAIN || reason == -ETIMEDOUT))
		mb->refused++;
}

/* The waiter does not wait, or no longer: true if it gives up for @reason. */
static bool give_up(struct mbox *mb, struct mbox_waiter *waiter, bool sending, int reason,
		    struct mbox_wakes *wakes)
{
	if (!cancel(mb, waiter, sending, wakes))
		return false;
	if (sending)
		count_refusal(mb, waiter, reason);
	return true;
}

/* Whether there is something to wait for. */
static bool has_to_wait(struct mbox *mb, struct mbox_waiter *waiter, bool sending,
			const struct mbox_patience *patience, struct mbox_wakes *wakes)
{
	if (waiter->done)
		return false;
	return !patience->nonblock || is_underway(mb, waiter) ||
	       !give_up(mb, waiter, sending, -EAGAIN, wakes);
}

/*
 * Its sleep was over before it was served. What it is told: @reason, or what it was served
 * meanwhile.
 */
int mbox_policy_leave(struct mbox *mb, struct mbox_waiter *waiter, bool sending, int reason)
{
	struct mbox_wakes wakes;

	begin(mb, &wakes);
	if (!give_up(mb, waiter, sending, reason, &wakes))
		reason = waiter->result;
	else if (mbox_is_gone(mb))
		reason = -EIDRM;
	else if (waiter->held && reason == -ERESTARTSYS)
		reason = -EINTR;
	end(mb, &wakes);
	return reason;
}

/* The second half of a call whose waiter has joined: until it is done. */
static int finish(struct mbox *mb, struct mbox_waiter *waiter, bool sending,
		  const struct mbox_patience *patience, struct mbox_wakes *wakes)
	__releases(&mb->lock)
{
	bool waits = has_to_wait(mb, waiter, sending, patience, wakes);
	/* An owner may have ended since that was asked for. */
	int err = waiter->done ? waiter->result : mbox_is_gone(mb) ? -EIDRM : -EAGAIN;
	enum mbox_wait_what what = MBOX_WAIT_SEND;

	if (waits)
		what = what_for(mb, waiter, sending);
	end(mb, wakes);
	if (!waits)
		return err;

	err = mbox_wait_sleep(mb, what, waiter, patience);
	return err ? mbox_policy_leave(mb, waiter, sending, err) : waiter->result;
}

/* Whether a waiter may have a seat: 0, or what it is told instead. */
static int check_in(const struct mbox *mb, const struct mbox_pass *pass)
{
	lockdep_assert_held(&mb->lock);
	if (mbox_is_gone(mb))
		return -EIDRM;
	return mbox_pass_holds(mb, pass) ? 0 : -EKEYREVOKED;
}

static int join_sender(struct mbox *mb, struct mbox_waiter *sender,
		       const struct mbox_patience *patience)
{
	struct mbox_wakes wakes;
	int err;

	begin(mb, &wakes);
	err = check_in(mb, sender->seat.pass);
	if (err) {
		end(mb, &wakes);
		return err;
	}
	seat_sender(mb, &sender->seat);
	settle(mb, &wakes);
	return finish(mb, sender, true, patience, &wakes);
}

/**
 * mbox_policy_reserve() - wait for a slot of a MBOX_CREATE_RESERVE mailbox
 * @mb: the mailbox, held
 * @sender: the caller's waiter, without a message
 * @patience: how long to wait
 *
 * Return: 0: sender->msg is the slot; it has room in the queue. Else as
 * mbox_policy_send().
 */
int mbox_policy_reserve(struct mbox *mb, struct mbox_waiter *sender,
			const struct mbox_patience *patience)
{
	return join_sender(mb, sender, patience);
}

/* Whoever holds a slot has waited for its turn. */
static int send_slot(struct mbox *mb, struct mbox_waiter *sender,
		     const struct mbox_patience *patience)
{
	struct mbox_wakes wakes;
	int err;

	begin(mb, &wakes);
	err = check_in(mb, sender->seat.pass);
	if (!err && !may_bring_files(mb, sender))
		err = -EOWNERDEAD;
	if (err) {
		end(mb, &wakes);
		return err;
	}
	accept(mb, sender, &wakes);
	settle(mb, &wakes);
	return finish(mb, sender, true, patience, &wakes);
}

/**
 * mbox_policy_send() - wait until the mailbox, or a receiver, has the message
 * @mb: the mailbox, held
 * @sender: the caller's waiter, with its message
 * @patience: how long to wait
 *
 * Return: 0: the message is no longer the caller's. -EIDRM, -EKEYREVOKED,
 * -ENOBUFS, -EAGAIN, -ETIMEDOUT or -ERESTARTSYS: it is, and nobody else has had
 * it.
 */
int mbox_policy_send(struct mbox *mb, struct mbox_waiter *sender,
		     const struct mbox_patience *patience)
{
	if (mb->kind & MBOX_CREATE_RESERVE)
		return send_slot(mb, sender, patience);
	return join_sender(mb, sender, patience);
}

/*
 * The short way (command_plain.c). What it does itself is what happens if nobody waits.
 */

/* It would be the first of the queue. */
static bool comes_first(const struct mbox *mb, const struct mbox_msg *msg)
{
	return !(mb->queue.levels.used >> msg->prio);
}

/*
 * Where the longest waiting receiver is that the message suits, claimed, if it can have it
 * without its passing through the queue; or NULL.
 */
static struct mbox_seat *claim_receiver(struct mbox *mb, const struct mbox_msg *msg)
{
	struct mbox_seat *seat = next_receiver(mb, msg);

	if (!seat || seat->waiter->peek || msg->len > seat->waiter->room)
		return NULL;
	unseat_receiver(mb, seat);
	return mbox_wait_claim(seat->waiter) ? seat : NULL;
}

/* What has to be done is done, but that @task, which was told, is woken. */
static void unlock_and_wake(struct mbox *mb, struct task_struct *task)
	__releases(&mb->lock)
{
	spin_unlock(&mb->lock);
	wake_up_process(task);
	put_task_struct(task);
}

static struct task_struct *hand(struct mbox *mb, struct mbox_msg *msg,
				struct mbox_waiter *receiver)
{
	u64 waited;

	mbox_queue_pass(&mb->queue, msg);
	trace_mbox_send(mb, msg);
	receiver->stamp = mbox_clock_merge(&receiver->who->clock, msg->stamp);
	msg->skips = !comes_first(mb, msg);
	waited = mbox_policy_count_receipt(mb, msg, 0);
	trace_mbox_recv(mb, msg, receiver->who, receiver->stamp, waited);
	receiver->msg = msg;
	return mbox_wait_tell(mb, receiver, 0);
}

/* Nobody takes it just so. Apart, since that list is long, and cleared first. */
static noinline void queue_and_offer(struct mbox *mb, struct mbox_msg *msg)
	__releases(&mb->lock)
{
	struct mbox_wakes wakes;

	mbox_wakes_init(&wakes);
	wakes.poll = READABLE;
	enqueue(mb, msg, mbox_queue_add);
	trace_mbox_send(mb, msg);
	offer(mb, msg, &wakes);
	settle(mb, &wakes);
	end(mb, &wakes);
}

/**
 * mbox_policy_hand() - somebody waits while a message is sent that has nothing rare
 * @mb: the mailbox, locked, in which it has room; it is not any more afterwards
 * @msg: the message, stamped and counted as sent
 */
void mbox_policy_hand(struct mbox *mb, struct mbox_msg *msg)
	__releases(&mb->lock)
{
	struct mbox_seat *seat = claim_receiver(mb, msg);

	if (seat)
		unlock_and_wake(mb, hand(mb, msg, seat->waiter));
	else
		queue_and_offer(mb, msg);
}

/**
 * mbox_policy_hand_request() - likewise, but a request is sent
 * @mb: the mailbox, locked, in which it has room; it is not any more afterwards
 * @caller: who waits for the reply, with the request, stamped
 */
void mbox_policy_hand_request(struct mbox *mb, struct mbox_waiter *caller)
	__releases(&mb->lock)
{
	struct mbox_seat *seat = claim_receiver(mb, caller->msg);

	if (!seat) {
		mbox_policy_seat_offer(mb, caller);
		queue_and_offer(mb, caller->msg);
		return;
	}
	mb->sent++;
	hold(mb, caller->request, seat->pass);
	unlock_and_wake(mb, hand(mb, caller->msg, seat->waiter));
}

/* Somebody has received the request that was queued, by that pass. The mailbox is locked. */
void mbox_policy_hold(struct mbox *mb, struct mbox_rare *rare, const struct mbox_pass *pass)
{
	lockdep_assert_held(&mb->lock);
	unseat_offer(mb, rare);
	mb->sent++;
	hold(mb, rare->request, pass);
}

/*
 * A sender takes a seat, if its message does not fit: nobody is let in for that, and the
 * mailbox, which is full, stays so. False if there is more to look at. The mailbox is locked.
 */
bool mbox_policy_seat_sender(struct mbox *mb, struct mbox_waiter *sender)
{
	lockdep_assert_held(&mb->lock);
	if (!mb->full || fits(mb, &mb->lane, sender->msg->len) != -EAGAIN)
		return false;
	seat_sender(mb, &sender->seat);
	return true;
}

/* A receiver of any message takes a seat, for there is none. The mailbox is locked. */
void mbox_policy_seat_receiver(struct mbox *mb, struct mbox_waiter *receiver)
{
	lockdep_assert_held(&mb->lock);
	seat_receiver(mb, &receiver->seat);
}

/* The message that suits the receiver best, NULL, or why it gets none. */
static struct mbox_msg *find(struct mbox *mb, const struct mbox_seat *seat,
			     struct mbox_wakes *wakes)
{
	unsigned int steps = 0;
	struct mbox_msg *msg;
	int err = check_in(mb, seat->pass);

	while (!err && (msg = best_for(mb, seat->waiter)) && drop_stale(mb, msg, wakes)) {
		breathe(mb, wakes, &steps);
		err = check_in(mb, seat->pass);
	}
	return err ? ERR_PTR(err) : msg;
}

/*
 * Serve the receiver at once, or give it a seat: 1 if it is claimed, now or, if it has
 * seats in other mailboxes, by one of them meanwhile; else 0, or an error.
 */
static int serve_or_seat(struct mbox *mb, struct mbox_seat *seat, struct mbox_wakes *wakes)
{
	struct mbox_waiter *receiver = seat->waiter;
	struct mbox_msg *msg = find(mb, seat, wakes);

	if (IS_ERR(msg)) {
		settle(mb, wakes);
		return PTR_ERR(msg);
	}
	if (!msg && receiver->link && READ_ONCE(receiver->link->over)) {
		if (mbox_wait_claim(receiver))
			mbox_wait_finish(mb, receiver, -EIDRM, wakes);
	} else if (!msg) {
		seat_receiver(mb, seat);
		if (mbox_is_rendezvous(mb))
			wakes->poll |= WRITABLE;
	} else if (mbox_wait_claim(receiver)) {
		give(mb, seat, msg, wakes);
	}
	settle(mb, wakes);
	return READ_ONCE(receiver->claimed);
}

/**
 * mbox_policy_receive() - wait until there is a message for the receiver
 * @mb: the mailbox, held
 * @receiver: the caller's waiter
 * @patience: how long to wait
 *
 * Return: 0: receiver->msg is the caller's, or one to look at; in both cases to
 * be discarded. -EIDRM, -EKEYREVOKED, -EMSGSIZE, -EAGAIN, -ETIMEDOUT or
 * -ERESTARTSYS: nothing happened.
 */
int mbox_policy_receive(struct mbox *mb, struct mbox_waiter *receiver,
			const struct mbox_patience *patience)
{
	struct mbox_wakes wakes;
	int err;

	begin(mb, &wakes);
	err = serve_or_seat(mb, &receiver->seat, &wakes);
	if (err < 0) {
		end(mb, &wakes);
		return err;
	}
	return finish(mb, receiver, false, patience, &wakes);
}

static struct mbox_msg *look_behind(struct mbox *mb, u32 nth, const struct mbox_pass *pass,
				    struct mbox_wakes *wakes)
{
	unsigned int steps = 0;
	struct mbox_msg *msg;
	int err = check_in(mb, pass);

	while (!err && (msg = mbox_queue_nth(&mb->queue, nth)) && has_expired(msg)) {
		drop_expired(mb, msg, wakes);
		breathe(mb, wakes, &steps);
		err = check_in(mb, pass);
	}
	if (err)
		return ERR_PTR(err);
	return msg ? mbox_msg_get(msg) : ERR_PTR(-EAGAIN);
}

/* The message behind @nth others, to look at and discard, or an error. */
struct mbox_msg *mbox_policy_peek(struct mbox *mb, u32 nth, const struct mbox_pass *pass)
{
	struct mbox_wakes wakes;
	struct mbox_msg *msg;

	begin(mb, &wakes);
	msg = look_behind(mb, nth, pass, &wakes);
	settle(mb, &wakes);
	end(mb, &wakes);
	return msg;
}

/* Join one of several mailboxes: 0, an error, or 1 if it need not wait. */
static int join_choice(struct mbox *mb, struct mbox_seat *seat)
{
	struct mbox_wakes wakes;
	int ret;

	begin(mb, &wakes);
	ret = serve_or_seat(mb, seat, &wakes);
	end(mb, &wakes);
	return ret;
}

/*
 * Leave them all. Whoever claimed the waiter did so under one of these locks,
 * and was done with it when it released it.
 */
static void leave_choice(struct mbox **mbs, struct mbox_seat *seats, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		spin_lock(&mbs[i]->lock);
		unseat_receiver(mbs[i], &seats[i]);
		spin_unlock(&mbs[i]->lock);
	}
}

/**
 * mbox_policy_choose() - receive from whichever mailbox has a message first
 * @mbs: the mailboxes, held, in the order in which to look
 * @seats: one for each, with its pass
 * @nr: how many
 * @receiver: the caller's waiter
 * @patience: how long to wait
 *
 * Return: as mbox_policy_receive(); receiver->mb is the mailbox it was.
 */
int mbox_policy_choose(struct mbox **mbs, struct mbox_seat *seats, unsigned int nr,
		       struct mbox_waiter *receiver,
		       const struct mbox_patience *patience)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr; i++) {
		INIT_LIST_HEAD(&seats[i].node);
		seats[i].waiter = receiver;
	}
	for (i = 0; i < nr && !ret; i++)
		ret = join_choice(mbs[i], &seats[i]);
	if (!ret)
		ret = patience->nonblock ? -EAGAIN :
		      mbox_wait_sleep(mbs[0], MBOX_WAIT_CHOICE, receiver, patience);
	/* Give up, or find that somebody was faster. */
	if (ret < 0 && !mbox_wait_claim(receiver))
		ret = 0;
	leave_choice(mbs, seats, i);
	return ret < 0 ? ret : receiver->result;
}

bool mbox_policy_is_undecided(struct mbox_request *request)
{
	bool undecided;

	spin_lock(&request->mb->lock);
	undecided = request->caller;
	spin_unlock(&request->mb->lock);
	return undecided;
}

/* The request will get no reply. Whether its caller was told so by this. */
bool mbox_policy_fail(struct mbox_request *request, int reason)
{
	struct mbox_wakes wakes;
	bool told;

	begin(request->mb, &wakes);
	told = decide(request->mb, request, reason, &wakes);
	end(request->mb, &wakes);
	return told;
}

/*
 * 0, and the reply is the caller's; -ECANCELED if that has gone. With a reference to the
 * request, which is put: before the caller is told, for that is to be the last to put it,
 * and to use its memory again.
 */
int mbox_policy_answer(struct mbox_request *request, struct mbox_msg *reply)
{
	struct mbox *mb = request->mb;
	struct mbox_waiter *caller;

	reply->stamp = mbox_clock_tick(&reply->from->clock);
	spin_lock(&mb->lock);
	trace_mbox_reply(request, reply);
	caller = request->caller;
	dismiss_request(mb, request);
	if (!caller || !mbox_wait_claim(caller)) {
		spin_unlock(&mb->lock);
		mbox_request_put(request);
		return -ECANCELED;
	}
	request->reply = reply;
	refcount_dec(&request->refs);
	unlock_and_wake(mb, mbox_wait_tell(mb, caller, 0));
	return 0;
}

static bool expire_one(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_msg *msg = mbox_queue_expiring(&mb->queue);

	if (!msg || !has_expired(msg))
		return false;
	drop_expired(mb, msg, wakes);
	return true;
}

/* The timer of the message that expires first has gone off. */
void mbox_policy_expire(struct mbox *mb)
{
	struct mbox_wakes wakes;
	struct mbox_msg *next;
	unsigned int i;

	do {
		begin(mb, &wakes);
		for (i = 0; i < MBOX_WAKE_BATCH && expire_one(mb, &wakes); i++)
			;
		next = mbox_queue_expiring(&mb->queue);
		if (i < MBOX_WAKE_BATCH && next && !mbox_is_gone(mb))
			watch_expiry(mb, next);
		settle(mb, &wakes);
		end(mb, &wakes);
		cond_resched();
	} while (i == MBOX_WAKE_BATCH);
}

/* Tell the receivers in the list: all, or those that have lost their right. */
static void dismiss_seats(struct mbox *mb, struct list_head *seats, int reason,
			  struct mbox_wakes *wakes)
{
	struct mbox_seat *seat, *next;

	list_for_each_entry_safe(seat, next, seats, node) {
		if (reason == -EKEYREVOKED && mbox_pass_holds(mb, seat->pass))
			continue;
		unseat_receiver(mb, seat);
		if (!mbox_wait_claim(seat->waiter))
			continue;
		mbox_wait_finish(mb, seat->waiter, reason, wakes);
	}
}

static void dismiss_receivers(struct mbox *mb, int reason, struct mbox_wakes *wakes)
{
	unsigned int i;

	dismiss_seats(mb, &mb->receivers, reason, wakes);
	dismiss_seats(mb, &mb->gate.turn, reason, wakes);
	for (i = 0; mb->seekers && i < BIT(mb->seeker_bits); i++)
		dismiss_seats(mb, &mb->seekers[i], reason, wakes);
}

static void dismiss_lane(struct mbox *mb, struct mbox_lane *lane, int reason,
			 bool (*may_wait)(const struct mbox *mb, const struct mbox_seat *seat),
			 struct mbox_wakes *wakes)
{
	unsigned long used = lane->senders.used;
	struct list_head *node, *next;
	unsigned int prio;

	stir(mb, lane);
	for_each_set_bit(prio, &used, MBOX_LEVELS) {
		for (node = mbox_levels_first_of(&lane->senders, prio); node; node = next) {
			struct mbox_seat *seat = list_entry(node, struct mbox_seat, node);

			next = mbox_levels_next_of(&lane->senders, node, prio);
			if (may_wait(mb, seat))
				continue;
			unseat_sender(mb, seat);
			if (mbox_wait_claim(seat->waiter))
				mbox_wait_finish(mb, seat->waiter, reason, wakes);
		}
	}
}

/* Those who wait for room and may no longer do so. */
static void dismiss_senders(struct mbox *mb, int reason,
			    bool (*may_wait)(const struct mbox *mb, const struct mbox_seat *seat),
			    struct mbox_wakes *wakes)
{
	struct mbox_lane *lane, *next;

	list_for_each_entry_safe(lane, next, &mb->waiting, waiting)
		dismiss_lane(mb, lane, reason, may_wait, wakes);
	wakes->poll |= WRITABLE;
}

static bool seat_holds(const struct mbox *mb, const struct mbox_seat *seat)
{
	return mbox_pass_holds(mb, seat->pass);
}

/* Senders that lose their right take back what nobody has received. */
static void revoke_senders(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_seat *seat, *next;

	list_for_each_entry_safe(seat, next, &mb->offers, node)
		if (!seat_holds(mb, seat))
			drop(mb, seat->waiter->msg, -EKEYREVOKED, wakes);
	dismiss_senders(mb, -EKEYREVOKED, seat_holds, wakes);
}

/*
 * Whoever has a request and loses the right that it received it by. Who was handed the token
 * needs no right.
 */
static void revoke_held(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_request *request, *next;

	list_for_each_entry_safe(request, next, &mb->held, held)
		if (!READ_ONCE(request->passed_on) && !mbox_pass_holds(mb, &request->pass))
			decide(mb, request, -EKEYREJECTED, wakes);
}

/**
 * mbox_policy_change() - change who may do what
 * @mb: the mailbox, LIVE
 * @change: makes the change
 * @arg: for @change
 *
 * Those that wait and have lost their right are told -EKEYREVOKED. All of it is one
 * step: who has lost it gets nothing any more, and who has just been given it
 * may find that gone which was waited for.
 */
void mbox_policy_change(struct mbox *mb, void (*change)(struct mbox *mb, void *arg),
			void *arg)
{
	struct mbox_wakes wakes;

	begin(mb, &wakes);
	write_seqcount_begin(&mb->access.seq);
	change(mb, arg);
	write_seqcount_end(&mb->access.seq);
	dismiss_receivers(mb, -EKEYREVOKED, &wakes);
	mbox_gate_let_in(mb, &wakes);
	revoke_senders(mb, &wakes);
	revoke_held(mb, &wakes);
	settle(mb, &wakes);
	end(mb, &wakes);
}

static bool seat_brings_none(const struct mbox *mb, const struct mbox_seat *seat)
{
	return may_bring_files(mb, seat->waiter);
}

static bool strip_one(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_files *files;

	files = list_first_entry_or_null(&mb->filed, struct mbox_files, node);
	if (files)
		strip_or_drop(mb, files->msg, wakes);
	return files;
}

/* The mailbox has lost its owner: nobody answers for files any more. */
void mbox_policy_strip(struct mbox *mb)
{
	struct mbox_wakes wakes;
	unsigned int i;

	begin(mb, &wakes);
	dismiss_senders(mb, -EOWNERDEAD, seat_brings_none, &wakes);
	settle(mb, &wakes);
	end(mb, &wakes);
	do {
		begin(mb, &wakes);
		for (i = 0; i < MBOX_WAKE_BATCH && strip_one(mb, &wakes); i++)
			;
		settle(mb, &wakes);
		end(mb, &wakes);
		cond_resched();
	} while (i == MBOX_WAKE_BATCH);
}

/* The next sender, message or request to be dismissed. */
static bool dismiss_one(struct mbox *mb, struct mbox_wakes *wakes)
{
	struct mbox_request *request;
	struct mbox_lane *lane;
	struct mbox_msg *msg;

	lane = list_first_entry_or_null(&mb->waiting, struct mbox_lane, waiting);
	if (lane) {
		struct mbox_waiter *sender = first_sender(lane);

		unseat_sender(mb, &sender->seat);
		if (mbox_wait_claim(sender))
			mbox_wait_finish(mb, sender, -EIDRM, wakes);
		return true;
	}
	msg = mbox_queue_first(&mb->queue);
	if (msg) {
		drop(mb, msg, -EIDRM, wakes);
		return true;
	}
	request = list_first_entry_or_null(&mb->held, struct mbox_request, held);
	if (request)
		decide(mb, request, -EIDRM, wakes);
	return request;
}

/*
 * The mailbox is gone: drop what it has and tell everybody. Nobody can join any
 * more, so the lock may be released in between.
 */
void mbox_policy_dismiss(struct mbox *mb)
{
	struct mbox_wakes wakes;
	unsigned int i;

	begin(mb, &wakes);
	dismiss_receivers(mb, -EIDRM, &wakes);
	wakes.poll = mbox_policy_poll(mb, NULL);
	end(mb, &wakes);

	do {
		begin(mb, &wakes);
		for (i = 0; i < MBOX_WAKE_BATCH && dismiss_one(mb, &wakes); i++)
			;
		end(mb, &wakes);
		cond_resched();
	} while (i);
}

/* The process has ended that those wait for; it has left nothing that suits them. */
void mbox_policy_end_link(struct mbox *mb, u64 key)
{
	struct mbox_seat *seat, *next;
	struct mbox_wakes wakes;

	begin(mb, &wakes);
	if (mb->seekers) {
		list_for_each_entry_safe(seat, next, seekers_of(mb, key), node) {
			if (seat->waiter->key != key)
				continue;
			unseat_receiver(mb, seat);
			if (mbox_wait_claim(seat->waiter))
				mbox_wait_finish(mb, seat->waiter, -EIDRM, &wakes);
		}
	}
	end(mb, &wakes);
}

/*
 * What a poller is told, who would send by @lane. OUT promises that a message of any
 * allowed size would be accepted at once: were it said while only some fit, a sender
 * of a larger one would spin between poll() and EAGAIN. At a rendezvous it says that a
 * receiver waits. Into an inbox somebody can always send, or can begin to.
 */
__poll_t mbox_policy_poll(struct mbox *mb, const struct mbox_lane *lane)
{
	__poll_t events = 0;
	bool room;

	lockdep_assert_held(&mb->lock);
	if (mbox_is_gone(mb))
		return READABLE | WRITABLE | EPOLLERR | EPOLLHUP;
	if (mbox_is_rendezvous(mb))
		room = !list_empty(&mb->receivers);
	else if (mbox_is_inbox(mb) && !lane)
		room = true;
	else if (mb->kind & MBOX_CREATE_RESERVE)
		room = !list_empty(&mb->slots);
	else
		room = !fits(mb, lane ?: &mb->lane, mb->max_size);
	if (room && !first_sender(lane ?: &mb->lane))
		events |= WRITABLE;
	if (mbox_queue_first(&mb->queue))
		events |= READABLE;
	return events;
}
