// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * rpc: clients call a server, whose two threads reply and take the next request in one
 * system call each. What takes longer they hand on to a worker, another process, which
 * replies in their place, so that they are free for others; the client is told who it
 * was. A client that does not wait any longer is no harm.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define THREADS		2
#define CLIENTS		3
#define CALLS		60	/* of a client, every third one for the worker */
#define PATIENCE	UINT64_C(40000000000)	/* in ns, for what takes a second */

struct request {
	uint32_t number;	/* to be squared */
	uint32_t hard;
};

struct job {
	uint64_t token;
	uint32_t number;
};

static int requests = -1;
static int jobs = -1;		/* the worker's */
static pid_t server, worker;
static unsigned int handed_on;

/* Others are told EIDRM where they wait, and give up, too. */
static void give_up(void)
{
	mbox_delete(requests);
	mbox_delete(jobs);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void expect(int condition, const char *what)
{
	if (condition)
		return;
	errno = EPROTO;
	fail(what);
}

/* The token first: until then it is the server's, and the worker could not reply. */
static void hand_on(uint64_t token, uint32_t number)
{
	struct job job = { .token = token, .number = number };

	if (mbox_pass(requests, token, worker, 0)) {
		if (errno != ECANCELED)
			fail("cannot hand a request on");
		mbox_discard(requests, token);
		return;
	}
	if (mbox_send(jobs, &job, sizeof(job), 0, 0, NULL))
		fail("cannot tell the worker");
	__atomic_fetch_add(&handed_on, 1, __ATOMIC_RELAXED);
}

static void *serve(void *unused)
{
	struct mbox_envelope envelope;
	struct mbox_answer answer = { 0 };	/* to nobody, at first */
	struct request request;
	uint64_t square;

	(void)unused;
	for (;;) {
		if (mbox_reply_recv(requests, &answer, &request, sizeof(request), &envelope,
				    NULL) < 0) {
			/* What was replied stays replied: it is repeated as it is. */
			if (errno == EINTR)
				continue;
			/* The end of the mailbox is the end of the service. */
			if (errno == EIDRM)
				return NULL;
			fail("cannot reply or receive");
		}
		if (request.hard) {
			hand_on(envelope.token, request.number);
			continue;
		}
		square = (uint64_t)request.number * request.number;
		answer.token = envelope.token;
		answer.buf = &square;
		answer.len = sizeof(square);
	}
}

static void be_worker(void)
{
	uint64_t square;
	struct job job;

	while (mbox_recv(jobs, &job, sizeof(job), NULL, 0, NULL) >= 0) {
		/* Why begin? */
		if (!mbox_waits(requests, job.token)) {
			mbox_discard(requests, job.token);
			continue;
		}
		usleep(1000);
		square = (uint64_t)job.number * job.number;
		if (mbox_reply(requests, job.token, &square, sizeof(square)) &&
		    errno != ECANCELED)
			fail("the worker cannot reply");
	}
	if (errno != EIDRM)
		fail("the worker cannot receive");
	_exit(0);
}

static void be_client(uint32_t first)
{
	struct mbox_envelope envelope;
	struct timespec limit, past = { 0, 0 };
	struct request request;
	uint64_t square;
	ssize_t got;
	uint32_t i;

	mbox_deadline(&limit, PATIENCE);
	for (i = 0; i < CALLS; i++) {
		request = (struct request){ .number = first + i, .hard = i % 3 == 0 };
		if (mbox_call(requests, &request, sizeof(request), &square, sizeof(square),
			      &envelope, &limit) != sizeof(square))
			fail("a call failed");
		expect(square == (uint64_t)request.number * request.number,
		       "the square is wrong");
		expect(envelope.pid == (request.hard ? worker : server),
		       "somebody else has replied");
	}
	/* There is no time: its request is taken back, unless somebody is that quick. */
	got = mbox_call(requests, &request, sizeof(request), &square, sizeof(square), NULL,
			&past);
	expect(got == sizeof(square) || (got < 0 && errno == ETIMEDOUT),
	       "the call took its time");
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

int main(void)
{
	struct mbox_attr for_requests = { .max_size = sizeof(struct request) };
	struct mbox_attr for_jobs = { .max_size = sizeof(struct job), .mode = 0600 };
	pthread_t threads[THREADS];
	pid_t clients[CLIENTS];
	int i;

	server = getpid();
	requests = mbox_create(NULL, &for_requests, O_CLOEXEC);
	jobs = mbox_create(NULL, &for_jobs, O_CLOEXEC);
	if (requests < 0 || jobs < 0)
		err(1, "cannot create a mailbox");
	worker = split();
	if (worker == 0)
		be_worker();
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = split();
		if (clients[i] == 0)
			be_client(1000 * (i + 1));
	}
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, serve, NULL))
			fail("cannot start a thread");

	for (i = 0; i < CLIENTS; i++)
		join(clients[i]);
	if (mbox_delete(requests))
		fail("cannot end the service");
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (mbox_delete(jobs))
		fail("cannot end the work");
	join(worker);
	expect(handed_on >= CLIENTS * CALLS / 3, "too little was handed on");
	printf("%d calls were answered, %d of them by the worker\n", CLIENTS * CALLS,
	       CLIENTS * CALLS / 3);
	return 0;
}
