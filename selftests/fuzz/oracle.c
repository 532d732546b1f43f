// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle.c - what comes of an action, of a signal and of the end of a process: the doors of
 * the oracle. Each command mirrors, in its room, what <linux/mbox.h> says of it, in the order
 * in which that says errors apply.
 *
 *   oracle.c      doors
 *   oracle_box, oracle_message, oracle_talk, oracle_rights
 *                 commands
 *   oracle_wait   those who wait
 *   oracle_tell   what they are told
 *   oracle_queue  messages
 *   oracle_quota  how many of them, and of mailboxes
 *   oracle_world  finding things
 */
#include <errno.h>
#include <string.h>

#include "oracle_box.h"
#include "oracle_message.h"
#include "oracle_quota.h"
#include "oracle_rights.h"
#include "oracle_talk.h"
#include "oracle_tell.h"
#include "oracle_wait.h"
#include "oracle_world.h"

static int predict(struct world *w, int who)
{
	struct action *x = &w->actors[who].expect;

	switch (x->what) {
	case CREATE:
		return predict_create(w, who);
	case OPEN:
		return predict_open(w, who);
	case SEND:
		return predict_send(w, who, &x->arg.send, x->bad);
	case RECV:
		return predict_recv(w, who, &x->arg.recv);
	case DELETE:
		return predict_delete(w, who);
	case STAT:
		return predict_stat(w, who);
	case TRANSFER:
	case OFFER:
		return predict_transfer(w, who, x->what == OFFER);
	case ACCEPT:
		return predict_accept(w, who);
	case CLAIM:
		return predict_claim(w, who);
	case GRANT:
		return predict_grant(w, who);
	case REVOKE:
		return predict_revoke(w, who);
	case GRANTS:
		return predict_grants(w, who);
	case CHANGE:
		return predict_change(w, who);
	case USAGE:
		return predict_usage(w, who);
	case CLOCK:
		return predict_clock(w, who);
	case CALL:
		return predict_call(w, who);
	case REPLY:
		return predict_reply(w, who);
	case TOKEN:
		return predict_token(w, who);
	case SEND_BATCH:
	case RECV_BATCH:
		return predict_batch(w, who);
	case INFO:
		return predict_info(w, who);
	case READ:
		return predict_read(w, who);
	case WRITE:
		return predict_write(w, who);
	case POLL:
		return predict_poll(w, who);
	case REOPEN:
		memset(&w->actors[who].fds[x->fd], 0, sizeof(w->actors[who].fds[0]));
		return 0;
	default:
		return 0;
	}
}

/* What is wrong about the call itself, whatever it is for: 0, or what it is told. */
static int check_call(const struct action *x, unsigned int size, unsigned int min_size)
{
	if ((x->command & _IOC_NRMASK) > (MBOX_IOC_RECV_BATCH & _IOC_NRMASK) ||
	    _IOC_TYPE(x->command) != MBOX_IOC_MAGIC)
		return ENOTTY;
	if (x->size < min_size)
		return EINVAL;
	if (x->place == BAD)
		return EFAULT;
	return x->size > size && x->arg.bytes[size + 7] ? E2BIG : 0;
}

void oracle_predict(struct world *w, unsigned int who)
{
	struct actor *actor = &w->actors[who];
	unsigned int size, min_size;
	int error = 0;

	actor->expect.value = 0;
	actor->or_else = 0;
	actor->done = false;
	if (actor->expect.command) {
		size = action_sizes(actor->expect.what, &min_size);
		error = check_call(&actor->expect, size, min_size);
	}
	if (!error)
		error = predict(w, who);
	if (error != WAITS) {
		actor->expect.error = error;
		actor->waits = NOTHING;
	}
	/* Also when it was an item of a batch that failed. */
	if (error != WAITS)
		actor->expect.value = error ? -1 : MAX(actor->expect.value, 0);
	actor->done = false;
	wait_drain(w);
}

/* A signal that interrupts. */
void oracle_signal(struct world *w, unsigned int who)
{
	struct actor *actor = &w->actors[who];
	struct box *b = &w->boxes[actor->box];

	switch (actor->waits) {
	case NOTHING:
		return;
	case TO_RECEIVE:
	case A_TURN:
		wait_dismiss(w, b, who, EINTR);
		break;
	default:
		wait_withdraw(w, b, who);
		tell_end(w, who, EINTR);
	}
	wait_drain(w);
}

/* The process has ended. */
void oracle_die(struct world *w, unsigned int who)
{
	unsigned int i;

	oracle_signal(w, who);
	talk_end(w, who);
	for (i = 0; i < w->nr_boxes; i++)
		if (!w->boxes[i].gone)
			rights_end(w, &w->boxes[i], who);
	for (i = 0; i < w->nr_requests; i++)
		if (w->requests[i].receiver == (int)who)
			w->requests[i].receiver = NOBODY;
	w->actors[who].done = false;
	memset(w->actors[who].fds, 0, sizeof(w->actors[who].fds));
	wait_drain(w);
}

/* What only the kernel can know: the numbers that it gives out, times, and memory. */
void oracle_learn(struct world *w, unsigned int who, const struct action *actual)
{
	struct actor *actor = &w->actors[who];
	struct action *x = &actor->expect;
	struct box *b = &w->boxes[w->nr_boxes - 1];
	unsigned int i;

	/* They are written before it is found that their number cannot be. */
	if (x->what == GRANTS)
		rights_learn_grants(w, x, actual);
	if (x->error || actual->error)
		return;
	switch (x->what) {
	case CREATE:
		if (actual->arg.create.id > w->last_id)
			x->arg.create.id = b->id = w->last_id = actual->arg.create.id;
		break;
	case RECV:
		message_learn(w, actor, &x->arg.recv, &actual->arg.recv, 0);
		break;
	case RECV_BATCH:
		for (i = 0; i < x->arg.batch.done; i++)
			message_learn(w, actor, &x->items[i].recv, &actual->items[i].recv, i);
		break;
	case USAGE:
		quota_learn(&x->arg.usage, &actual->arg.usage);
		break;
	default:
		break;
	}
}
