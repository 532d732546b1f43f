// SPDX-License-Identifier: GPL-2.0-or-later
/* System V message queues. */
#include <err.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "measure.h"
#include "transport.h"

static void lift_limit(void)
{
	static bool lifted;

	if (!lifted)
		measure_set("/proc/sys/kernel/msgmax", "65536");
	lifted = true;
}

/* Their capacity is in bytes only. */
static void enlarge(int id, const struct shape *shape)
{
	struct msqid_ds queue;

	lift_limit();
	if (msgctl(id, IPC_STAT, &queue))
		err(1, "sysv: cannot look");
	queue.msg_qbytes = shape->depth * shape->size;
	if (msgctl(id, IPC_SET, &queue))
		err(1, "sysv: cannot enlarge");
}

static bool sysv_open(struct channel *channel, const struct shape *shape)
{
	channel->in = channel->out = msgget(IPC_PRIVATE, 0600);
	if (channel->in < 0)
		err(1, "sysv: cannot open");
	if (shape->depth)
		enlarge(channel->in, shape);
	return true;
}

static void sysv_close(struct channel *channel)
{
	if (msgctl(channel->in, IPC_RMID, NULL))
		err(1, "sysv: cannot delete");
}

static void sysv_send(struct channel *channel, struct letter *letter, size_t size)
{
	letter->type = 1;
	if (msgsnd(channel->in, letter, size, 0))
		err(1, "sysv: cannot send");
}

static void sysv_receive(struct channel *channel, struct letter *letter, size_t size)
{
	if (msgrcv(channel->out, letter, size, 0, 0) != (ssize_t)size)
		err(1, "sysv: cannot receive");
}

const struct transport sysv = {
	.name = "sysv", .open = sysv_open, .close = sysv_close,
	.send = sysv_send, .receive = sysv_receive,
};
