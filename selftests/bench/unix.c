// SPDX-License-Identifier: GPL-2.0-or-later
/* AF_UNIX, a pair of sockets, whose senders share one. */
#include <err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport.h"

/* What the kernel counts for each message besides its bytes, about. */
#define OVERHEAD	752

/* Senders wait for room in their buffer, of which the kernel makes twice what is asked for. */
static void enlarge(int fd, const struct shape *shape)
{
	int bytes = shape->depth * (shape->size + OVERHEAD) / 2;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		err(1, "unix: cannot enlarge");
}

static bool open_pair(struct channel *channel, const struct shape *shape, int type)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair))
		err(1, "unix: cannot open");
	channel->in = pair[0];
	channel->out = pair[1];
	if (shape->depth)
		enlarge(channel->in, shape);
	return true;
}

static bool seqpacket_open(struct channel *channel, const struct shape *shape)
{
	return open_pair(channel, shape, SOCK_SEQPACKET);
}

static bool dgram_open(struct channel *channel, const struct shape *shape)
{
	return open_pair(channel, shape, SOCK_DGRAM);
}

static void unix_close(struct channel *channel)
{
	close(channel->in);
	close(channel->out);
}

static void unix_send(struct channel *channel, struct letter *letter, size_t size)
{
	if (send(channel->in, letter->data, size, 0) != (ssize_t)size)
		err(1, "unix: cannot send");
}

static void unix_receive(struct channel *channel, struct letter *letter, size_t size)
{
	if (recv(channel->out, letter->data, size, 0) != (ssize_t)size)
		err(1, "unix: cannot receive");
}

static void lay_out(struct mmsghdr *headers, struct iovec *vectors, struct letter *letter,
		    size_t size, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		vectors[i] = (struct iovec) { letter->data + i * size, size };
		headers[i] = (struct mmsghdr) {
			.msg_hdr = { .msg_iov = &vectors[i], .msg_iovlen = 1 },
		};
	}
}

static void unix_send_many(struct channel *channel, struct letter *letter, size_t size,
			   unsigned int nr)
{
	struct mmsghdr headers[MANY];
	struct iovec vectors[MANY];

	lay_out(headers, vectors, letter, size, nr);
	if (sendmmsg(channel->in, headers, nr, 0) != (int)nr)
		err(1, "unix: cannot send many");
}

static unsigned int unix_receive_many(struct channel *channel, struct letter *letter, size_t size,
				      unsigned int nr)
{
	struct mmsghdr headers[MANY];
	struct iovec vectors[MANY];
	int got;

	lay_out(headers, vectors, letter, size, nr);
	got = recvmmsg(channel->out, headers, nr, MSG_WAITFORONE, NULL);
	if (got <= 0)
		err(1, "unix: cannot receive many");
	return got;
}

#define USED_ALIKE						\
	.close = unix_close,					\
	.send = unix_send, .receive = unix_receive,		\
	.send_many = unix_send_many, .receive_many = unix_receive_many

const struct transport seqpacket = {
	.name = "seqpacket", .open = seqpacket_open, USED_ALIKE,
};

const struct transport dgram = {
	.name = "dgram", .open = dgram_open, USED_ALIKE,
};
