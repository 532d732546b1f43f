// SPDX-License-Identifier: GPL-2.0-or-later
/* Pipes. They know bytes, not messages: all must have one size, and be whole. */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "transport.h"

#define PAGE	4096

/* What is longer than that is not written as a whole if others write, too. */
static bool can_be(const struct shape *shape)
{
	return !shape->shared || shape->size <= PIPE_BUF;
}

static bool pipe_open(struct channel *channel, const struct shape *shape)
{
	size_t bytes = shape->depth * shape->size;
	int ends[2];

	if (!can_be(shape))
		return false;
	if (pipe2(ends, O_CLOEXEC))
		err(1, "pipe: cannot open");
	channel->out = ends[0];
	channel->in = ends[1];
	if (bytes && fcntl(channel->in, F_SETPIPE_SZ, bytes < PAGE ? PAGE : (int)bytes) < 0)
		err(1, "pipe: cannot enlarge");
	return true;
}

static void pipe_close(struct channel *channel)
{
	close(channel->in);
	close(channel->out);
}

static void pipe_send(struct channel *channel, struct letter *letter, size_t size)
{
	if (write(channel->in, letter->data, size) != (ssize_t)size)
		err(1, "pipe: cannot send");
}

static size_t read_some(struct channel *channel, char *data, size_t size)
{
	ssize_t got = read(channel->out, data, size);

	if (got <= 0)
		err(1, "pipe: cannot receive");
	return got;
}

static void pipe_receive(struct channel *channel, struct letter *letter, size_t size)
{
	size_t got = read_some(channel, letter->data, size);

	while (got < size)
		got += read_some(channel, letter->data + got, size - got);
}

static void pipe_send_many(struct channel *channel, struct letter *letter, size_t size,
			   unsigned int nr)
{
	pipe_send(channel, letter, size * nr);
}

static unsigned int pipe_receive_many(struct channel *channel, struct letter *letter, size_t size,
				      unsigned int nr)
{
	size_t got = read_some(channel, letter->data, size * nr);

	while (got % size)
		got += read_some(channel, letter->data + got, size - got % size);
	return got / size;
}

const struct transport pipes = {
	.name = "pipe", .open = pipe_open, .close = pipe_close,
	.send = pipe_send, .receive = pipe_receive,
	.send_many = pipe_send_many, .receive_many = pipe_receive_many,
};
