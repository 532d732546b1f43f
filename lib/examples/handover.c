// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * handover: a server hands its mailbox, with 1,000 requests in it, to its
 * successor and ends, and no client notices. Every request is answered once, by
 * one of the two, with a ticket; the tickets of the second go on where those of
 * the first stopped.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define QUEUED		1000	/* when the mailbox changes hands */
#define CLIENTS		4
#define AT_ONCE		251	/* unanswered ones of a client; together more than fit */
#define EACH		500	/* requests of a client */
#define BY_THE_FIRST	200	/* leaves enough of each client to fill the mailbox again */
#define PATIENCE	UINT64_C(40000000000)	/* in ns, for what takes a few seconds */

struct request {
	uint64_t reply_to;	/* id of a mailbox */
	uint64_t number;	/* 1, 2, ... of this client */
};

struct reply {
	uint64_t number;
	uint64_t ticket;	/* 1, 2, ... of the service */
};

/* From the first server to the second. */
struct news {
	uint64_t requests;	/* id of the mailbox */
	uint64_t tickets;	/* so many are given out */
};

static int requests = -1;
static int replies = -1;	/* each client's own */
static int inbox = -1;		/* of the second server: news */
static uint64_t tickets;
static struct timespec limit;	/* of all that follows */

/* Others are told EIDRM where they wait, and give up, too. */
static void give_up(void)
{
	mbox_delete(requests);
	mbox_delete(replies);
	mbox_delete(inbox);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void expect(int condition, const char *what)
{
	errno = EPROTO;
	if (!condition)
		fail(what);
}

static struct mbox_stat look(int fd)
{
	struct mbox_stat stat;

	if (mbox_getstat(fd, &stat))
		fail("cannot look at a mailbox");
	return stat;
}

static void send_number(uint64_t number, uint64_t reply_to)
{
	struct request request = { .reply_to = reply_to, .number = number };

	if (mbox_send(requests, &request, sizeof(request), 0, 0, &limit))
		fail("a client noticed: cannot send");
}

static void await_number(uint64_t number)
{
	static uint64_t last;
	struct reply reply;

	if (mbox_recv(replies, &reply, sizeof(reply), NULL, 0, &limit) < 0)
		fail("a client noticed: no reply");
	expect(reply.number == number, "a reply is lost, doubled or out of order");
	expect(reply.ticket > last, "a ticket is given out twice");
	last = reply.ticket;
}

static void be_client(uint64_t id)
{
	struct mbox_attr attr = { .max_msgs = AT_ONCE, .max_size = sizeof(struct reply) };
	uint64_t sent = 0, answered = 0;
	struct mbox_stat stat;

	requests = mbox_open_id(id, O_WRONLY | O_CLOEXEC);
	/* By default, the user's processes may send, and only this one receive. */
	replies = mbox_create(NULL, &attr, O_CLOEXEC);
	if (requests < 0 || replies < 0)
		fail("cannot make the mailbox for replies");
	stat = look(replies);
	while (answered < EACH) {
		while (sent < EACH && sent < answered + AT_ONCE)
			send_number(++sent, stat.id);
		await_number(++answered);
	}
	expect(look(replies).sent == EACH, "there is one reply too many");
	if (mbox_delete(replies))
		fail("cannot delete the mailbox for replies");
	_exit(0);
}

static void answer_one(void)
{
	struct request request;
	struct reply reply;
	int fd;

	if (mbox_recv(requests, &request, sizeof(request), NULL, 0, &limit) < 0)
		fail("cannot receive a request");
	reply = (struct reply){ .number = request.number, .ticket = ++tickets };
	fd = mbox_open_id(request.reply_to, O_WRONLY | O_CLOEXEC);
	/* A server does not wait for a client that does not fetch its replies. */
	if (fd < 0 || mbox_send(fd, &reply, sizeof(reply), 0, MBOX_NONBLOCK, NULL))
		fail("cannot reply");
	close(fd);
}

/* For the show: let so many come in that some clients wait for room. */
static void let_them_queue(void)
{
	struct mbox_stat stat;

	do {
		usleep(1000);
		stat = look(requests);
	} while (stat.msgs < QUEUED || !stat.senders);
}

/* What the successor has to know travels with the ownership, in one message. */
static void hand_over(void)
{
	struct mbox_stat stat = look(requests);
	struct news news = { .requests = stat.id, .tickets = tickets };
	struct mbox_send_options options = { .offer = stat.id, .deadline = &limit };

	if (mbox_send_with(inbox, &news, sizeof(news), &options))
		fail("cannot hand over");
	/* It is ours until it is the successor's: who ends before leaves an orphan. */
	while (look(requests).pid == getpid())
		usleep(1000);
}

static void be_first(void)
{
	struct mbox_attr attr = { .max_msgs = QUEUED, .max_size = sizeof(struct request) };
	struct news news = { 0 };

	requests = mbox_create(NULL, &attr, O_CLOEXEC);
	if (requests < 0)
		fail("cannot make the mailbox for requests");
	news.requests = look(requests).id;
	if (mbox_send(inbox, &news, sizeof(news), 0, 0, NULL))
		fail("cannot say where it is");
	while (tickets < BY_THE_FIRST)
		answer_one();
	let_them_queue();
	hand_over();
	_exit(0);
}

static pid_t split(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("cannot fork");
	return pid;
}

static void join(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || status)
		give_up();
}

static struct mbox_envelope get_news(struct news *news)
{
	struct mbox_envelope envelope;

	if (mbox_recv(inbox, news, sizeof(*news), &envelope, MBOX_ACCEPT, &limit) < 0)
		fail("no news of the first server");
	return envelope;
}

static void take_over(pid_t first)
{
	struct mbox_envelope envelope;
	struct mbox_stat stat;
	struct news news;

	envelope = get_news(&news);
	expect(envelope.owned == news.requests && envelope.pid == first,
	       "the mailbox did not come with the news");
	tickets = news.tickets;
	join(first);

	stat = look(requests);
	expect(stat.pid == getpid() && !(stat.state & MBOX_STATE_ORPHAN), "somebody else owns it");
	expect(stat.msgs == QUEUED && stat.senders, "requests are missing");
	printf("process %d has ended and left %u requests; clients that wait for room: %u\n",
	       first, stat.msgs, stat.senders);
}

int main(void)
{
	pid_t first, clients[CLIENTS];
	struct mbox_stat stat;
	struct news news;
	int i;

	mbox_deadline(&limit, PATIENCE);
	inbox = mbox_create(NULL, NULL, O_CLOEXEC);
	if (inbox < 0)
		err(1, "cannot make the mailbox for news");
	first = split();
	if (first == 0)
		be_first();
	get_news(&news);
	requests = mbox_open_id(news.requests, O_RDONLY | O_CLOEXEC);
	if (requests < 0)
		fail("cannot open the mailbox for requests");
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = split();
		if (clients[i] == 0)
			be_client(news.requests);
	}

	take_over(first);
	while (tickets < CLIENTS * EACH)
		answer_one();
	for (i = 0; i < CLIENTS; i++)
		join(clients[i]);
	stat = look(requests);
	expect(stat.received == CLIENTS * EACH && !stat.msgs, "the sums differ");
	if (mbox_delete(requests) || mbox_delete(inbox))
		fail("cannot delete the mailboxes");
	printf("%ju of %d requests were answered, each once: %d by process %d, the rest by %d\n",
	       (uintmax_t)stat.received, CLIENTS * EACH, BY_THE_FIRST, first, getpid());
	return 0;
}
