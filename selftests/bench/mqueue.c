// SPDX-License-Identifier: GPL-2.0-or-later
/* POSIX message queues. */
#include <err.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/resource.h>

#include "transport.h"

/* The limit of the user; beyond those of the system root may go. */
static void lift_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MSGQUEUE, &limit))
		err(1, "mqueue: cannot lift the limit");
}

static bool mqueue_open(struct channel *channel, const struct shape *shape)
{
	struct mq_attr attr = { .mq_maxmsg = shape->depth, .mq_msgsize = shape->size };
	static const char name[] = "/mbox-bench";

	if (shape->depth)
		lift_limit();
	channel->in = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
			      shape->depth ? &attr : NULL);
	if (channel->in < 0)
		err(1, "mqueue: cannot open");
	channel->out = channel->in;
	mq_unlink(name);
	return true;
}

static void mqueue_close(struct channel *channel)
{
	mq_close(channel->in);
}

static void mqueue_send(struct channel *channel, struct letter *letter, size_t size)
{
	if (mq_send(channel->in, letter->data, size, 0))
		err(1, "mqueue: cannot send");
}

static void mqueue_receive(struct channel *channel, struct letter *letter, size_t size)
{
	if (mq_receive(channel->out, letter->data, size, NULL) != (ssize_t)size)
		err(1, "mqueue: cannot receive");
}

const struct transport mqueue = {
	.name = "mqueue", .open = mqueue_open, .close = mqueue_close,
	.send = mqueue_send, .receive = mqueue_receive,
};
