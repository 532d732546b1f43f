// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mutex_rendezvous: mutual exclusion without a buffer. A server process takes,
 * in turn, a message from `enter` and one from `leave`. Both mailboxes hold
 * nothing, so a client's send ends when the server takes the message: that is
 * the grant, and no reply is needed.
 *
 *	client                server               another client
 *	send to enter ------> receive from enter
 *	(critical section)    receive from leave   send to enter
 *	send to leave ------>         .                  . (waits)
 *	                      receive from enter <------ .
 *	                              .            (critical section)
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define CLIENTS		4
#define ROUNDS		500

static int enter = -1, leave = -1;

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
static void give_up(void)
{
	mbox_delete(enter);
	mbox_delete(leave);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void serve(void)
{
	struct mbox_envelope in, out;

	/* The end of `enter` is the end of the service. */
	while (mbox_recv(enter, NULL, 0, &in, 0, NULL) == 0) {
		if (mbox_recv(leave, NULL, 0, &out, 0, NULL))
			fail("cannot receive from leave");
		if (in.pid != out.pid) {
			warnx("process %d entered, process %d left", in.pid, out.pid);
			give_up();
		}
	}
	if (errno != EIDRM)
		fail("cannot receive from enter");
}

/* If another process comes in between, one of the two increments is lost. */
static void increment(volatile int *counter)
{
	int value = *counter;

	sched_yield();
	*counter = value + 1;
}

static void work(volatile int *counter)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (mbox_send(enter, NULL, 0, 0, 0, NULL))
			fail("cannot enter");
		increment(counter);
		if (mbox_send(leave, NULL, 0, 0, 0, NULL))
			fail("cannot leave");
	}
}

static pid_t fork_or_fail(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("cannot fork");
	return pid;
}

static void join(int count)
{
	int status;

	while (count--) {
		if (wait(&status) < 0)
			fail("cannot wait");
		if (status)
			give_up();
	}
}

static int make_rendezvous(void)
{
	struct mbox_attr attr = {
		.mode = 0600,
		.flags = MBOX_RENDEZVOUS | MBOX_EMPTY_ONLY,
	};
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		fail("cannot create a mailbox");
	return fd;
}

int main(void)
{
	int *counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	if (counter == MAP_FAILED)
		err(1, "cannot map shared memory");
	enter = make_rendezvous();
	leave = make_rendezvous();
	if (fork_or_fail() == 0) {
		serve();
		_exit(0);
	}
	for (i = 0; i < CLIENTS; i++) {
		if (fork_or_fail() == 0) {
			work(counter);
			_exit(0);
		}
	}

	join(CLIENTS);
	if (mbox_delete(enter))
		fail("cannot delete the mailbox");
	join(1);
	if (mbox_delete(leave))
		fail("cannot delete the mailbox");

	printf("%d processes incremented the counter %d times each: it is %d\n",
	       CLIENTS, ROUNDS, *counter);
	return *counter != CLIENTS * ROUNDS;
}
