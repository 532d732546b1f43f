// SPDX-License-Identifier: GPL-2.0-or-later
/* Mailboxes, through descriptors that are bound to them, or by id through a common one. */
#include <err.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/mbox.h>

#include "transport.h"

#define DEFAULT_DEPTH	64

static void command(int fd, unsigned long number, void *argument, const char *what)
{
	if (ioctl(fd, number, argument))
		err(1, "mbox: cannot %s", what);
}

static int device(void)
{
	int fd = open(MBOX_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot open %s", MBOX_DEVICE);
	return fd;
}

static uint64_t create(int fd, const struct shape *shape, uint64_t flags)
{
	struct mbox_create create = {
		.flags = flags,
		.max_msgs = shape->depth ? shape->depth : DEFAULT_DEPTH,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_size = shape->size,
		.mode = 0600,
	};

	command(fd, MBOX_IOC_CREATE, &create, "create a mailbox");
	return create.id;
}

static void delete(int fd, uint64_t id)
{
	struct mbox_delete delete = { .id = id };

	command(fd, MBOX_IOC_DELETE, &delete, "delete a mailbox");
}

static bool open_bound(struct channel *channel, const struct shape *shape, uint64_t flags)
{
	channel->in = channel->out = device();
	channel->id = 0;
	create(channel->in, shape, MBOX_CREATE_BIND | flags);
	return true;
}

static bool mbox_open(struct channel *channel, const struct shape *shape)
{
	return open_bound(channel, shape, 0);
}

static bool mbox_open_by_tag(struct channel *channel, const struct shape *shape)
{
	return open_bound(channel, shape, MBOX_CREATE_BY_TAG);
}

static bool mbox_open_by_sender(struct channel *channel, const struct shape *shape)
{
	return open_bound(channel, shape, MBOX_CREATE_BY_SENDER);
}

static void mbox_close(struct channel *channel)
{
	delete(channel->in, 0);
	close(channel->in);
}

static bool mbox_open_by_id(struct channel *channel, const struct shape *shape)
{
	static int common = -1;

	if (common < 0)
		common = device();
	channel->in = channel->out = common;
	channel->id = create(common, shape, 0);
	return true;
}

static void mbox_close_by_id(struct channel *channel)
{
	delete(channel->in, channel->id);
}

/*
 * Who sends or receives often has the structures ready, and fills in what changes: they are
 * longer than those of others.
 */
static struct mbox_send sends[MANY];
static struct mbox_recv recvs[MANY];

static void fill_send(unsigned int i, const struct channel *channel, struct letter *letter,
		      size_t size)
{
	sends[i].id = channel->id;
	sends[i].buf = (uintptr_t)letter->data + i * size;
	sends[i].len = size;
}

static void fill_recv(unsigned int i, const struct channel *channel, struct letter *letter,
		      size_t size)
{
	recvs[i].id = channel->id;
	recvs[i].buf = (uintptr_t)letter->data + i * size;
	recvs[i].size = size;
}

static void mbox_send(struct channel *channel, struct letter *letter, size_t size)
{
	fill_send(0, channel, letter, size);
	command(channel->in, MBOX_IOC_SEND, &sends[0], "send");
}

static void mbox_receive(struct channel *channel, struct letter *letter, size_t size)
{
	fill_recv(0, channel, letter, size);
	command(channel->out, MBOX_IOC_RECV, &recvs[0], "receive");
}

static void mbox_send_many(struct channel *channel, struct letter *letter, size_t size,
			   unsigned int nr)
{
	struct mbox_batch batch = {
		.items = (uintptr_t)sends, .nr = nr, .size = sizeof(*sends),
	};
	unsigned int i;

	for (i = 0; i < nr; i++)
		fill_send(i, channel, letter, size);
	command(channel->in, MBOX_IOC_SEND_BATCH, &batch, "send a batch");
	if (batch.done != nr)
		errx(1, "mbox: only %u of %u messages were sent", batch.done, nr);
}

static unsigned int mbox_receive_many(struct channel *channel, struct letter *letter, size_t size,
				      unsigned int nr)
{
	struct mbox_batch batch = {
		.flags = MBOX_BATCH_WAIT_ONE,
		.items = (uintptr_t)recvs, .nr = nr, .size = sizeof(*recvs),
	};
	unsigned int i;

	for (i = 0; i < nr; i++)
		fill_recv(i, channel, letter, size);
	command(channel->out, MBOX_IOC_RECV_BATCH, &batch, "receive a batch");
	return batch.done;
}

static void mbox_call(struct channel *channel, struct letter *letter, size_t size)
{
	struct mbox_call call = {
		.id = channel->id,
		.buf = (uintptr_t)letter->data, .len = size,
		.reply = (uintptr_t)letter->data, .size = size,
	};

	command(channel->in, MBOX_IOC_CALL, &call, "call");
}

static void mbox_serve(struct channel *channel, struct letter *letter, size_t size,
		       uint64_t *token)
{
	struct mbox_reply reply = {
		.token = *token, .buf = (uintptr_t)letter->data, .len = size,
	};
	struct mbox_recv recv = {
		.flags = MBOX_RECV_TOKEN | (*token ? MBOX_RECV_REPLY : 0),
		.id = channel->id, .buf = (uintptr_t)letter->data, .size = size,
		.reply = *token ? (uintptr_t)&reply : 0,
	};

	command(channel->out, MBOX_IOC_RECV, &recv, "serve");
	if (reply.result)
		errx(1, "mbox: the caller has gone");
	*token = recv.token;
}

/* Bytes only, as of a pipe. */

static void mbox_write(struct channel *channel, struct letter *letter, size_t size)
{
	if (write(channel->in, letter->data, size) != (ssize_t)size)
		err(1, "mbox: cannot write");
}

static void mbox_read(struct channel *channel, struct letter *letter, size_t size)
{
	if (read(channel->out, letter->data, size) != (ssize_t)size)
		err(1, "mbox: cannot read");
}

const struct transport mbox_stream = {
	.name = "mbox-stream", .ours = true, .open = mbox_open, .close = mbox_close,
	.send = mbox_write, .receive = mbox_read,
};

#define USED_ALIKE						\
	.ours = true,						\
	.send = mbox_send, .receive = mbox_receive,		\
	.send_many = mbox_send_many, .receive_many = mbox_receive_many, \
	.call = mbox_call, .serve = mbox_serve

const struct transport mbox = {
	.name = "mbox", .open = mbox_open, .close = mbox_close, USED_ALIKE,
};

const struct transport mbox_by_id = {
	.name = "mbox-by-id", .open = mbox_open_by_id, .close = mbox_close_by_id, USED_ALIKE,
};

const struct transport mbox_by_tag = {
	.name = "mbox-by-tag", .open = mbox_open_by_tag, .close = mbox_close, USED_ALIKE,
};

const struct transport mbox_by_sender = {
	.name = "mbox-by-sender", .open = mbox_open_by_sender, .close = mbox_close, USED_ALIKE,
};
