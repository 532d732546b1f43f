// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * still.c - nobody waits in vain. When nobody begins a call any more, calls end until only
 * those are left that have something to wait for. Of these the kernel must know, each in the
 * mailbox that it names: one that was served and not woken is not counted there. And what
 * they wait for must not be there.
 */
#include "mbox_selftest.h"
#include "stage.h"

#define MAILBOXES_MAX	64

/* A mailbox as the kernel has it, and what those who wait should make of it. */
struct spot {
	struct mbox_stat stat;
	uint32_t senders, receivers;	/* who name it */
	uint32_t plain_senders;		/* of them, those that wait for room only */
	uint32_t any_receivers;		/* of them, those that take every message */
};

static struct {
	struct spot spots[MAILBOXES_MAX];
	unsigned int nr;
	uint32_t senders, receivers;	/* who do not say where they wait */
	const char *wrong;
	unsigned int who;
	uint64_t where;
} scene;

static bool wrong(const char *text, unsigned int who, uint64_t where)
{
	scene.wrong = text;
	scene.who = who;
	scene.where = where;
	return false;
}

static bool look_around(int fd)
{
	uint64_t next = 1;

	scene.senders = scene.receivers = 0;
	for (scene.nr = 0; scene.nr < MAILBOXES_MAX; scene.nr++) {
		struct spot *spot = &scene.spots[scene.nr];

		memset(spot, 0, sizeof(*spot));
		if (try_stat(fd, next, MBOX_STAT_NEXT, &spot->stat))
			return true;
		next = spot->stat.id + 1;
	}
	return wrong("too many mailboxes", 0, 0);
}

static struct spot *find_spot(uint64_t id)
{
	unsigned int i;

	for (i = 0; i < scene.nr; i++)
		if (scene.spots[i].stat.id == id)
			return &scene.spots[i];
	return NULL;
}

static struct spot *find_inbox(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < scene.nr; i++)
		if (scene.spots[i].stat.kind & MBOX_CREATE_INBOX &&
		    scene.spots[i].stat.pid == pid)
			return &scene.spots[i];
	return NULL;
}

static bool is_rendezvous(const struct spot *spot)
{
	return !spot->stat.max_msgs;
}

/* Whatever else there is, it ends by itself. */
static bool may_wait(const struct action *action)
{
	switch (action->what) {
	case SEND:
		return !(action->arg.send.flags & (MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT));
	case RECV:
		return !(action->arg.recv.flags & (MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT));
	case CALL:
		return !(action->arg.call.flags & MBOX_CALL_TIMEOUT);
	case READ:
	case WRITE:
		return true;
	default:
		return false;
	}
}

/* A send and a call say alike where they go. */
static bool add_sender(unsigned int who, uint64_t flags, uint64_t id, bool plain)
{
	struct spot *spot;

	if (flags & MBOX_SEND_PARTICIPANT || !id) {
		scene.senders++;
		return true;
	}
	if (flags & MBOX_SEND_PIDFD)
		spot = find_inbox(stage->workers[who].desk.action.pidfd_of);
	else
		spot = flags & MBOX_SEND_PID ? find_inbox(id) : find_spot(id);
	if (!spot)
		return wrong("waits to send to what is gone", who, id);
	spot->senders++;
	spot->plain_senders += plain && !is_rendezvous(spot);
	return true;
}

static bool add_receiver_at(unsigned int who, struct spot *spot, uint64_t flags, uint64_t id)
{
	if (!spot)
		return wrong("waits to receive from what is gone", who, id);
	spot->receivers++;
	spot->any_receivers += !(flags & MBOX_RECV_MATCH);
	return true;
}

static bool add_receiver(unsigned int who, const struct action *action)
{
	const struct mbox_recv *recv = &action->arg.recv;
	unsigned int i;

	if (recv->flags & MBOX_RECV_DIRECT)
		return add_receiver_at(who, find_inbox(stage->workers[who].pid), recv->flags, 0);
	if (recv->flags & MBOX_RECV_CHOICE) {
		for (i = 0; i < recv->nr_ids; i++)
			if (!add_receiver_at(who, find_spot(action->ids[i]), recv->flags,
					     action->ids[i]))
				return false;
		return true;
	}
	if (recv->id)
		return add_receiver_at(who, find_spot(recv->id), recv->flags, recv->id);
	scene.receivers++;
	return true;
}

static bool add_waiting(unsigned int who, const struct action *action)
{
	switch (action->what) {
	case SEND:
		return add_sender(who, action->arg.send.flags, action->arg.send.id,
				  !(action->arg.send.flags & MBOX_SEND_SYNC));
	case CALL:
		return add_sender(who, action->arg.call.flags, action->arg.call.id, false);
	case RECV:
		return add_receiver(who, action);
	case WRITE:
		scene.senders++;
		return true;
	default:
		scene.receivers++;
		return true;
	}
}

/* Each rests, or waits where the kernel is to know of it. */
static bool ask_workers(void)
{
	unsigned int i;

	for (i = 0; i < WORKERS; i++) {
		const struct worker *worker = &stage->workers[i];

		if (told(&worker->doing) == RESTING)
			continue;
		if (told(&worker->doing) != CALLING || !may_wait(&worker->desk.action))
			return wrong("does not come to an end", i, 0);
		if (!add_waiting(i, &worker->desk.action))
			return false;
	}
	return true;
}

/* Of so many the kernel knows, these name the spot, and so many others are somewhere. */
static bool matches(uint32_t known, uint32_t named, uint32_t *others)
{
	if (known < named || known - named > *others)
		return false;
	*others -= known - named;
	return true;
}

static bool all_known(void)
{
	unsigned int i;

	for (i = 0; i < scene.nr; i++) {
		const struct spot *spot = &scene.spots[i];
		const struct mbox_stat *stat = &spot->stat;

		if (!matches(stat->receivers, spot->receivers, &scene.receivers))
			return wrong("other receivers wait than the mailbox knows of", WORKERS,
				     stat->id);
		if (!matches(stat->senders + stat->requests, spot->senders, &scene.senders))
			return wrong("other senders wait than the mailbox knows of", WORKERS,
				     stat->id);
	}
	if (scene.receivers || scene.senders)
		return wrong("some wait in no mailbox", WORKERS, 0);
	return true;
}

static bool has_messages(const struct spot *spot)
{
	return spot->stat.msgs || (is_rendezvous(spot) && spot->stat.senders);
}

/* Whoever has the turn may look for another message, and the others wait for the turn. */
static bool can_be_taken(const struct spot *spot)
{
	if (!has_messages(spot) || !spot->any_receivers)
		return false;
	return !(spot->stat.kind & MBOX_CREATE_SINGLE) ||
	       spot->any_receivers == spot->stat.receivers;
}

/* For a message of any size; of what an inbox has each link has its part. */
static bool has_room(const struct mbox_stat *stat)
{
	if (stat->kind & MBOX_CREATE_INBOX)
		return !stat->msgs;
	return (stat->max_msgs == MBOX_UNBOUNDED || stat->msgs < stat->max_msgs) &&
	       (stat->max_bytes == MBOX_UNBOUNDED_BYTES ||
		stat->bytes + stat->max_size <= stat->max_bytes);
}

static bool nothing_there(void)
{
	unsigned int i;

	for (i = 0; i < scene.nr; i++) {
		const struct spot *spot = &scene.spots[i];

		if (can_be_taken(spot))
			return wrong("a receiver waits for what is there", WORKERS,
				     spot->stat.id);
		if (spot->plain_senders && has_room(&spot->stat))
			return wrong("a sender waits for room that is there", WORKERS,
				     spot->stat.id);
	}
	return true;
}

/* The bound is for those who fail. Everybody is to be as told at one moment. */
void stage_check_still(int fd)
{
	unsigned int tries;

	for (tries = 0; tries < 20000; tries++) {
		if (look_around(fd) && ask_workers() && all_known() && nothing_there())
			return;
		usleep(1000);
	}
	if (scene.who < WORKERS)
		broken("process %u: %s, in mailbox %llu: %s", scene.who,
		       what_name(stage->workers[scene.who].desk.action.what),
		       (unsigned long long)scene.where, scene.wrong);
	else
		broken("mailbox %llu: %s", (unsigned long long)scene.where, scene.wrong);
}
