// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * client_server: servers share a mailbox of requests. Each goes to one of them,
 * and says in which mailbox the client wants the reply. That has the tag of the
 * request, so a client can ask several at once, and take replies in any order.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define SERVERS		2
#define CLIENTS		3
#define ROUNDS		50
#define AT_ONCE		4	/* requests that a client has at the servers */

struct request {
	uint64_t reply_to;	/* id of a mailbox */
	uint64_t number;	/* to be squared */
};

static int requests = -1;
static int replies = -1;	/* each client's own */

/* Others are told EIDRM where they wait; clients do not wait for ever, either. */
static void give_up(void)
{
	mbox_delete(requests);
	mbox_delete(replies);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void answer(const struct request *request, uint64_t tag)
{
	/* A server does not wait for a client that does not fetch its replies. */
	struct mbox_send_options options = { .flags = MBOX_NONBLOCK, .tag = tag };
	uint64_t square = request->number * request->number;
	int fd = mbox_open_id(request->reply_to, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || mbox_send_with(fd, &square, sizeof(square), &options))
		fail("cannot reply");
	close(fd);
}

static void serve(void)
{
	struct mbox_envelope envelope;
	struct request request;

	while (mbox_recv(requests, &request, sizeof(request), &envelope, 0, NULL) >= 0)
		answer(&request, envelope.tag);
	/* The end of the mailbox is the end of the service. */
	if (errno != EIDRM)
		fail("cannot receive a request");
}

static void ask(uint64_t reply_to, uint64_t number)
{
	struct request request = { .reply_to = reply_to, .number = number };

	if (mbox_send_with(requests, &request, sizeof(request),
			   &(struct mbox_send_options){ .tag = number }))
		fail("cannot send a request");
}

static void expect(uint64_t number)
{
	struct timespec limit;
	struct mbox_recv_options options = {
		.flags = MBOX_MATCH, .match = number,
		.deadline = mbox_deadline(&limit, UINT64_C(30000000000)), /* servers fail */
	};
	uint64_t square;

	if (mbox_recv_with(replies, &square, sizeof(square), NULL, &options) < 0)
		fail("cannot receive a reply");
	errno = EPROTO;
	if (square != number * number)
		fail("the square is wrong");
}

static void be_client(void)
{
	/* By default, the user's processes may send, and only this one receive. */
	struct mbox_attr attr = { .max_msgs = AT_ONCE, .flags = MBOX_BY_TAG };
	struct mbox_stat stat;
	uint64_t i, last;

	replies = mbox_create(NULL, &attr, O_CLOEXEC);
	if (replies < 0 || mbox_getstat(replies, &stat))
		fail("cannot create a mailbox");
	for (last = AT_ONCE; last <= ROUNDS * AT_ONCE; last += AT_ONCE) {
		for (i = 0; i < AT_ONCE; i++)
			ask(stat.id, last - i);
		for (i = AT_ONCE; i-- > 0;)	/* the other way round */
			expect(last - i);
	}
	if (mbox_delete(replies))
		err(1, "cannot delete the mailbox");
}

static void start(void (*be_what)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		fail("cannot fork");
	if (pid == 0) {
		be_what();
		_exit(0);
	}
}

static void join(int count)
{
	int status;

	while (count--)
		if (wait(&status) < 0 || status)
			give_up();
}

int main(void)
{
	struct mbox_attr attr = { .max_size = sizeof(struct request), .mode = 0600 };
	const unsigned int count = CLIENTS * ROUNDS * AT_ONCE;
	struct mbox_stat stat;
	int i;

	requests = mbox_create(NULL, &attr, O_CLOEXEC);
	if (requests < 0)
		err(1, "cannot create a mailbox");
	for (i = 0; i < SERVERS + CLIENTS; i++)
		start(i < SERVERS ? serve : be_client);
	join(CLIENTS);
	if (mbox_getstat(requests, &stat) || mbox_delete(requests))
		fail("cannot end the mailbox");
	join(SERVERS);
	printf("%ju of %u requests were received\n", (uintmax_t)stat.received, count);
	return stat.received != count;
}
