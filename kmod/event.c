// SPDX-License-Identifier: GPL-2.0-only
/*
 * event.c - what happens to a mailbox, on its way to those who listen (listener.c).
 *
 * What changes a mailbox is told under ns->lock, in the order in which it happens, by
 * whoever does it. That a mailbox becomes full, or no longer is, happens under its own
 * lock, where nobody may be told, and as often as messages are sent. So it is noted
 * there, and told by a work item some time after, all of it at once:
 *
 *   known to listeners    since then           now     they are told
 *   space                 full n times         full    full, n times
 *   space                 full n times         space   full, n times; space
 *   full                  -                    space   space
 *   full                  full n times more    full    space; full, n times
 *   full                  full n times more    space   space; full, n times; space
 */

#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "event.h"
#include "ns.h"
#include "trace.h"

/* Nobody sees more than this many changes a second of one mailbox. */
#define ROOM_DELAY	(HZ / 100)

static const struct mbox_audience *audience;

/* One work item at a time: more would stand in line for ns->lock before everybody else. */
static struct workqueue_struct *tellers;

/* Before the device is there, and so before there is a mailbox. */
int mbox_event_init(const struct mbox_audience *those)
{
	audience = those;
	tellers = alloc_workqueue("mbox_events", WQ_UNBOUND, 1);
	return tellers ? 0 : -ENOMEM;
}

void mbox_event_exit(void)
{
	destroy_workqueue(tellers);
}

/* The rights to the mailbox are about to change. To be followed by what has happened. */
void mbox_event_look(struct mbox *mb)
{
	lockdep_assert_held(&mb->ns->lock);
	if (mbox_ns_has_listeners(mb->ns))
		audience->look(mb);
}

void mbox_event_tell(struct mbox *mb, const struct mbox_news *news)
{
	const struct mbox_participant *process = news->process ?: news->former;

	lockdep_assert_held(&mb->ns->lock);
	trace_mbox_event(mb, news->event, process ? process->pid : NULL);
	if (mbox_ns_has_listeners(mb->ns))
		audience->tell(mb, news);
}

/* It has become full, or no longer is. What nobody hears is not told later. */
void mbox_event_room(struct mbox *mb)
{
	lockdep_assert_held(&mb->lock);
	if (mbox_ns_has_listeners(mb->ns) && mb->state == MBOX_LIVE) {
		queue_delayed_work(tellers, &mb->room_work, ROOM_DELAY);
		return;
	}
	mb->told_full = mb->full;
	mb->told_filled = mb->filled;
}

static void tell(struct mbox *mb, enum mbox_event event, u32 count)
{
	const struct mbox_news news = { .event = event, .count = count };

	mbox_event_tell(mb, &news);
}

/* In the order of the table above. */
void mbox_event_tell_room(struct mbox *mb)
{
	bool was_full, full, live;
	u64 filled;

	mutex_lock(&mb->ns->lock);
	spin_lock(&mb->lock);
	live = !mbox_is_gone(mb);
	was_full = mb->told_full;
	full = mb->full;
	filled = mb->filled - mb->told_filled;
	mb->told_full = full;
	mb->told_filled = mb->filled;
	spin_unlock(&mb->lock);
	if (live && was_full && (filled || !full))
		tell(mb, MBOX_EVENT_SPACE, 0);
	if (live && filled)
		tell(mb, MBOX_EVENT_FULL, min_t(u64, filled, U32_MAX));
	if (live && filled && !full)
		tell(mb, MBOX_EVENT_SPACE, 0);
	mutex_unlock(&mb->ns->lock);
}
