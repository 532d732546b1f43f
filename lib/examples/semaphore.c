// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * semaphore: a mailbox of empty messages is a counting semaphore. Its value is
 * the number of messages that it holds: to receive is to wait (P), to send, which
 * does not block here, is to signal (V). With one message, one process at a time
 * is in the critical section.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define PROCESSES	4
#define ROUNDS		500

static int semaphore = -1;

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
static void give_up(void)
{
	mbox_delete(semaphore);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void wait_for_it(void)
{
	if (mbox_recv(semaphore, NULL, 0, NULL, 0, NULL) < 0)
		fail("cannot wait for the semaphore");
}

static void signal_it(void)
{
	if (mbox_send(semaphore, NULL, 0, 0, MBOX_NONBLOCK, NULL))
		fail("cannot signal the semaphore");
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
		wait_for_it();
		increment(counter);
		signal_it();
	}
}

static int make_semaphore(void)
{
	struct mbox_attr attr = {
		.max_msgs = 1,
		.mode = 0600,
		.flags = MBOX_EMPTY_ONLY,
	};
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot create a mailbox");
	return fd;
}

int main(void)
{
	int *counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, status;
	pid_t pid;

	if (counter == MAP_FAILED)
		err(1, "cannot map shared memory");
	semaphore = make_semaphore();
	for (i = 0; i < PROCESSES; i++) {
		pid = fork();
		if (pid < 0)
			fail("cannot fork");
		if (pid == 0) {
			work(counter);
			_exit(0);
		}
	}

	/* Until now its value was 0, and everybody waited. */
	signal_it();
	for (i = 0; i < PROCESSES; i++) {
		if (wait(&status) < 0)
			fail("cannot wait");
		if (status)
			give_up();
	}
	if (mbox_delete(semaphore))
		err(1, "cannot delete the mailbox");

	printf("%d processes incremented the counter %d times each: it is %d\n",
	       PROCESSES, ROUNDS, *counter);
	return *counter != PROCESSES * ROUNDS;
}
