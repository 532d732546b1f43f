// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_plain_batch.c - the short way of batches: a run of plain items, for which the
 * caller and its right are looked for once, the mailbox is locked once, the clock is read
 * once and quotas are charged once. On 6.1 a send and a receive of 64 bytes take 450
 * instructions in batches of 64, and 1,310 if each item goes the short way alone.
 *
 * It is still as if each item came alone, one after the other:
 *
 *   - Nothing is waited for in a run, not even for user memory that has to be brought in.
 *     What would have to be comes alone, when those before it are done.
 *   - What is received is written to user memory before it leaves the queue, under the
 *     lock. So nothing has to be put back that others might have received meanwhile.
 *   - A run is short, for others wait for the lock. So are its messages: they are of the
 *     kind that spares are for (msg.c).
 *
 * Messages that are accepted under one lock are accepted at one time.
 */

#include <linux/fault-inject-usercopy.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "command_plain.h"
#include "msg.h"
#include "ns.h"
#include "policy.h"
#include "queue.h"
#include "trace.h"

/* The most items of a run. */
#define RUN_MAX		32

/* The longest messages of a run; they have no pieces. */
#define LEN_MAX		MBOX_SPARE_SIZE

/* What of receives is plain. No message of a run has a token. */
#define RECV_FLAGS	(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TOKEN)

/**
 * struct run - items of one caller
 * @mb: the mailbox
 * @caller: who
 * @stamp: of the mailbox's access, by which it has the right
 * @nr: how many messages
 * @msgs: the messages
 * @err: what is to be told of the one after them: 0, an error, or MBOX_ALONE
 */
struct run {
	struct mbox *mb;
	struct mbox_caller *caller;
	unsigned int stamp;
	u32 nr;
	struct mbox_msg *msgs[RUN_MAX];
	int err;
};

/* False if it is not plain. */
static bool begin(struct run *run, const struct file *file, fmode_t mode, unsigned int right)
{
	run->mb = mbox_plain_target(file, mode);
	if (!run->mb || mbox_is_indexed(run->mb))
		return false;
	run->caller = mbox_plain_caller(file, run->mb, right, &run->stamp);
	run->nr = 0;
	run->err = 0;
	return run->caller;
}

/* What messages with so many bytes of payload in all take of quotas. */
static unsigned long cost_of(u32 nr, u32 bytes)
{
	return nr * mbox_msg_bytes(MBOX_PLAIN, 0) + bytes;
}

/* Messages of the same sender that are over. */
struct dues {
	struct mbox_account *payer;
	struct mbox_participant *from;
	u32 nr;
	u32 bytes;
};

static void pay(struct mbox *mb, const struct dues *dues)
{
	if (!dues->nr)
		return;
	mbox_ns_uncharge_msgs(mb->ns, dues->payer, dues->nr, cost_of(dues->nr, dues->bytes));
	mbox_account_put_many(dues->payer, dues->nr);
	mbox_participant_put_many(dues->from, dues->nr);
}

/* Messages that nobody has but the caller are over. */
static void recycle(struct mbox *mb, struct mbox_msg **msgs, u32 nr)
{
	struct dues dues = {};
	u32 i;

	for (i = 0; i < nr; i++) {
		const struct mbox_msg *msg = msgs[i];

		if (msg->payer != dues.payer || msg->from != dues.from) {
			pay(mb, &dues);
			dues = (struct dues) { .payer = msg->payer, .from = msg->from };
		}
		dues.nr++;
		dues.bytes += msg->len;
		if (msg->thread)
			put_pid(msg->thread);
	}
	pay(mb, &dues);
	mbox_msg_free_many(mb, msgs, nr);
}

/* What is read of a send. */
struct item {
	u64 buf;
	u64 tag;
	u32 len;
	u32 prio;
};

/* As many as are plain, and can be read at once; and their payload in bytes. */
static u32 read_items(const struct mbox *mb, struct item *items,
		      const struct mbox_send __user *user, u32 nr, u32 *bytes)
{
	struct mbox_plain_send send;
	u32 i;

	if (!user_access_begin(user, nr * sizeof(*user)))
		return 0;
	for (i = 0; i < nr; i++) {
		if (!mbox_plain_get_send(&send, &user[i]) ||
		    send.len > LEN_MAX ||
		    !mbox_plain_takes_len(mb, send.len))
			break;
		items[i].buf = send.buf;
		items[i].tag = send.tag;
		items[i].len = send.len;
		items[i].prio = send.prio;
		*bytes += send.len;
	}
	user_access_end();
	return i;
}

static u32 take_spares(struct mbox *mb, struct mbox_msg **msgs, u32 nr)
{
	spin_lock(&mb->lock);
	nr = mbox_msg_take_spares(mb, msgs, nr);
	spin_unlock(&mb->lock);
	return nr;
}

/* For how many of them there is a buffer. */
static u32 get_buffers(struct run *run, const struct item *items, u32 nr)
{
	u32 spares = take_spares(run->mb, run->msgs, nr), i;
	struct mbox_msg **msg = run->msgs;

	for (i = 0; i < nr; i++, msg++, items++) {
		if (i < spares && mbox_msg_suits(*msg, items->len))
			continue;
		if (i < spares)
			mbox_msg_give_back(*msg);
		*msg = mbox_msg_alloc(MBOX_PLAIN, items->len);
		if (!*msg)
			break;
		(*msg)->len = items->len;
	}
	if (i == nr)
		return nr;
	/* There may be memory for one alone. */
	run->err = MBOX_ALONE;
	if (i + 1 < spares)
		mbox_msg_free_many(run->mb, msg + 1, spares - i - 1);
	return i;
}

static int fill(const struct run *run, struct mbox_msg *msg, const struct item *item)
{
	if (should_fail_usercopy())
		return -EFAULT;
	if (!mbox_plain_copy_in(msg->start, item->buf, item->len))
		return MBOX_ALONE;
	mbox_msg_sign_held(msg, run->caller->self, run->caller->payer, item->len);
	msg->prio = array_index_nospec(item->prio, MBOX_LEVELS);
	msg->tag = item->tag;
	return 0;
}

/* Those whose bytes can be read at once. */
static void fill_all(struct run *run, const struct item *items, u32 nr)
{
	int err = 0;
	u32 i;

	pagefault_disable();
	for (i = 0; i < nr; i++) {
		err = fill(run, run->msgs[i], &items[i]);
		if (err)
			break;
	}
	pagefault_enable();
	run->nr = i;
	refcount_add(i, &run->caller->self->refs);
	refcount_add(i, &run->caller->payer->refs);
	if (!err)
		return;
	run->err = err;
	mbox_msg_free_many(run->mb, run->msgs + i, nr - i);
}

/* The caller's messages, of so many bytes in all, as make() of command_plain.c makes one. */
static void make(struct run *run, const struct item *items, u32 nr, u32 bytes)
{
	struct mbox_account *payer = run->caller->payer;
	struct mbox_ns *ns = run->mb->ns;
	u32 i;

	if (!mbox_ns_charge_msgs(ns, payer, nr, cost_of(nr, bytes))) {
		run->err = MBOX_ALONE;
		return;
	}
	fill_all(run, items, get_buffers(run, items, nr));
	if (run->nr == nr)
		return;
	for (i = 0; i < run->nr; i++)
		bytes -= items[i].len;
	mbox_ns_uncharge_msgs(ns, payer, nr - run->nr, cost_of(nr - run->nr, bytes));
}

static void queue_all(struct mbox *mb, struct mbox_msg **msgs, u32 nr)
{
	ktime_t time = ktime_get(), realtime = ktime_mono_to_real(time);
	u32 i;

	for (i = 0; i < nr; i++)
		mbox_msg_stamp_at(msgs[i], time, realtime);
	mbox_queue_add_many(&mb->queue, msgs, nr);
	mb->sent += nr;
	for (i = 0; trace_mbox_send_enabled() && i < nr; i++)
		trace_mbox_send(mb, msgs[i]);
}

/* Send as many as there is room for; of them one, if somebody waits for it. */
static u32 post(const struct run *run, struct mbox_msg **msgs, u32 nr)
{
	struct mbox *mb = run->mb;

	spin_lock(&mb->lock);
	nr = mbox_plain_is_as_known(mb, run->stamp) && !mb->nr_senders ?
	     mbox_queue_has_room_for(&mb->queue, msgs, nr) : 0;
	if (!nr) {
		spin_unlock(&mb->lock);
		return 0;
	}
	if (mb->nr_receivers) {
		mbox_msg_stamp(msgs[0]);
		mb->sent++;
		mbox_policy_hand(mb, msgs[0]);
		return 1;
	}
	queue_all(mb, msgs, nr);
	mbox_plain_queued(mb, nr);
	return nr;
}

/* How many are sent. The others are over. */
static u32 post_all(const struct run *run, struct mbox_msg **msgs)
{
	u32 done = 0, nr = 1;

	while (nr && done < run->nr) {
		nr = post(run, msgs + done, run->nr - done);
		done += nr;
	}
	if (done < run->nr)
		recycle(run->mb, msgs + done, run->nr - done);
	return done;
}

/* How many there is room for, were they as long as may be. */
static u32 guess_room(const struct mbox *mb)
{
	const struct mbox_queue *queue = &mb->queue;
	/* A guess, for it is looked at under the lock. */
	u32 msgs = data_race(queue->msgs);
	/* Likewise. */
	u64 bytes = data_race(queue->bytes);
	/* Likewise. */
	u32 senders = data_race(mb->nr_senders);

	if (senders || msgs >= queue->max_msgs || bytes > queue->max_bytes)
		return 0;
	bytes = div_u64(queue->max_bytes - bytes, clamp_t(u32, mb->max_size, 1, LEN_MAX));
	/* One that is shorter may fit in what is left. */
	bytes = max(bytes, 1ULL);
	return min_t(u64, queue->max_msgs - msgs, bytes);
}

/**
 * mbox_command_send_run() - carry out sends that are plain, one after the other
 * @file: the descriptor
 * @user: the first struct mbox_send
 * @nr: how many
 * @done: how many were carried out
 *
 * Return: 0; or, if there are more, what the next one failed with, or MBOX_NOT_PLAIN or
 * MBOX_ALONE: it is to be carried out otherwise.
 */
int mbox_command_send_run(struct file *file, void __user *user, u32 nr, u32 *done)
{
	/* Not to be cleared, as compilers would have it: that takes 6 instructions an item. */
	struct item items[RUN_MAX] __uninitialized;
	struct run run __uninitialized;
	u32 bytes = 0;

	if (!begin(&run, file, FMODE_WRITE, MBOX_RIGHT_SEND))
		return MBOX_ALONE;
	nr = min3(nr, guess_room(run.mb), (u32)RUN_MAX);
	if (!nr)
		return MBOX_NOT_PLAIN;
	pagefault_disable();
	nr = read_items(run.mb, items, user, nr, &bytes);
	pagefault_enable();
	if (!nr)
		return MBOX_ALONE;
	make(&run, items, nr, bytes);
	*done = post_all(&run, run.msgs);
	return *done == run.nr ? run.err : MBOX_NOT_PLAIN;
}

/* What receives of one run have in common. */
struct view {
	ktime_t now;
	const struct mbox_msg *former;
	struct mbox_plain_origin origin;
	u64 waited;
	int bucket;
};

static bool is_same_origin(const struct mbox_msg *a, const struct mbox_msg *b)
{
	return a->from == b->from && a->payer == b->payer && a->thread == b->thread &&
	       a->time == b->time && gid_eq(a->gid, b->gid) && a->nameless == b->nameless;
}

/* Most messages of a run are of one run. */
static void look_at(struct view *view, const struct mbox_msg *msg)
{
	if (view->former && is_same_origin(msg, view->former))
		return;
	mbox_plain_find_origin(&view->origin, msg);
	view->waited = max(view->now - msg->time, 0LL);
	view->bucket = mbox_policy_bucket(view->waited);
	view->former = msg;
}

/*
 * The receiver learns of the message, and is told when that was. Its clock shows it after
 * that could be written only; the clock may have gone on meanwhile.
 */
static bool write_envelope(const struct run *run, struct mbox_recv __user *user,
			   const struct mbox_msg *msg, const struct mbox_plain_origin *origin,
			   u64 *clock)
{
	atomic64_t *own = &run->caller->self->clock;
	s64 former = atomic64_read(own);

	*clock = max_t(u64, former, msg->stamp) + 1;
	if (!mbox_plain_write_envelope(user, run->mb, msg, origin, *clock, 0))
		return false;
	if (likely(atomic64_try_cmpxchg(own, &former, *clock)))
		return true;
	*clock = mbox_clock_merge(own, msg->stamp);
	return !put_user(*clock, &user->clock);
}

/* A message that nobody else looks at: nobody will once it is out of the queue. */
static bool may_be_run(const struct mbox_msg *msg)
{
	if (msg->form != MBOX_PLAIN || msg->len > LEN_MAX ||
	    refcount_read(&msg->refs) != 1)
		return false;
	/* Pairs with the release in mbox_msg_release(). */
	smp_acquire__after_ctrl_dep();
	return true;
}

/* A message that stays where it is: 0 or an error. */
static __always_inline int deliver(const struct run *run, struct mbox_recv __user *user,
				   const struct mbox_msg *msg,
				   const struct mbox_plain_origin *origin, u64 *clock)
{
	struct mbox_plain_recv recv;

	if (!mbox_plain_read_recv(&recv, user, RECV_FLAGS) || msg->len > recv.size)
		return MBOX_ALONE;
	if (should_fail_usercopy())
		return -EFAULT;
	if (!mbox_plain_copy_out(recv.buf, msg->start, msg->len))
		return MBOX_ALONE;
	if (should_fail_usercopy())
		return -EFAULT;
	return write_envelope(run, user, msg, origin, clock) ? 0 : MBOX_ALONE;
}

/* The first messages, which leave the queue then. */
static int receive(struct run *run, struct mbox_recv __user *user, u32 nr)
{
	struct view view = { .now = ktime_get() };
	struct mbox *mb = run->mb;
	struct mbox_msg *msg = mbox_queue_first(&mb->queue);
	int err = 0;
	u64 clock;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!msg || !may_be_run(msg)) {
			err = msg ? MBOX_ALONE : MBOX_NOT_PLAIN;
			break;
		}
		look_at(&view, msg);
		err = deliver(run, user++, msg, &view.origin, &clock);
		if (err)
			break;
		mb->waited[view.bucket]++;
		trace_mbox_recv(mb, msg, run->caller->self, clock, view.waited);
		run->msgs[i] = msg;
		msg = mbox_queue_next(&mb->queue, msg);
	}
	run->nr = i;
	return err;
}

/* Whoever waits for room is let in after the first: what it sends may be the next. */
static int receive_all(struct run *run, struct mbox_recv __user *user, u32 nr)
{
	struct mbox *mb = run->mb;
	int err;

	pagefault_disable();
	err = receive(run, user, mb->nr_senders ? 1 : nr);
	pagefault_enable();
	mb->received += run->nr;
	if (run->nr)
		mbox_queue_del_first(&mb->queue, run->msgs, run->nr);
	return err;
}

static int take(struct run *run, struct mbox_recv __user *user, u32 nr)
{
	struct mbox *mb = run->mb;
	int err = MBOX_NOT_PLAIN;

	spin_lock(&mb->lock);
	if (mbox_plain_is_as_known(mb, run->stamp))
		err = receive_all(run, user, nr);
	mbox_plain_unqueued(mb, run->nr);
	return err;
}

/* Likewise, receives. */
int mbox_command_recv_run(struct file *file, void __user *user, u32 nr, u32 *done)
{
	struct run run __uninitialized;
	int err;

	if (!begin(&run, file, FMODE_READ, MBOX_RIGHT_RECV))
		return MBOX_ALONE;
	/* A guess, for it is looked at under the lock. */
	if (!data_race(run.mb->queue.msgs))
		return MBOX_NOT_PLAIN;
	err = take(&run, user, min_t(u32, nr, RUN_MAX));
	if (run.nr)
		recycle(run.mb, run.msgs, run.nr);
	*done = run.nr;
	return err;
}
