// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * readers_writer: readers read at the same time, a writer has the data for
 * itself. A mailbox keeps a token for each reader: to read takes one of them, to
 * write all. The longest waiting gets the next, so nobody starves.
 */
#include <err.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define READERS		4
#define WRITERS		2
#define ROUNDS		40
#define A_WHILE		500	/* microseconds */

static int tokens = -1;
/* One message: the turn to collect. Two who had half each would never have all. */
static int turn = -1;

static struct shared {
	volatile int first, second;	/* the data: equal unless a writer is at it */
	atomic_int reading;		/* readers at this moment */
	atomic_int together;		/* how often a reader met another one */
	atomic_int violations;		/* how often a reader and a writer met */
} *shared;

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
static void give_up(void)
{
	mbox_delete(tokens);
	mbox_delete(turn);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void take(int mailbox, int count)
{
	while (count--)
		if (mbox_recv(mailbox, NULL, 0, NULL, 0, NULL) < 0)
			fail("cannot receive");
}

static void put(int mailbox, int count)
{
	while (count--)
		if (mbox_send(mailbox, NULL, 0, 0, 0, NULL))
			fail("cannot send");
}

static void read_data(void)
{
	int value = shared->first;

	if (++shared->reading > 1)
		shared->together++;
	usleep(A_WHILE);
	if (shared->first != value || shared->second != value)
		shared->violations++;
	shared->reading--;
}

/* If another writer comes in between, what one of them adds is lost. */
static void write_data(void)
{
	int value = shared->first;

	usleep(A_WHILE);
	shared->first = value + 1;
	usleep(A_WHILE);
	shared->second = value + 1;
	if (shared->reading)
		shared->violations++;
}

static void be_reader(void)
{
	take(tokens, 1);
	read_data();
	put(tokens, 1);
}

static void be_writer(void)
{
	take(turn, 1);
	take(tokens, READERS);
	write_data();
	put(tokens, READERS);
	put(turn, 1);
}

static void start(void (*be_what)(void))
{
	pid_t pid = fork();
	int i;

	if (pid < 0)
		fail("cannot fork");
	if (pid)
		return;
	for (i = 0; i < ROUNDS; i++)
		be_what();
	_exit(0);
}

static int make_mailbox(uint32_t messages)
{
	struct mbox_attr attr = { .max_msgs = messages, .mode = 0600, .flags = MBOX_EMPTY_ONLY };
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	if (fd < 0)
		fail("cannot create a mailbox");
	put(fd, messages);
	return fd;
}

int main(void)
{
	int i, status;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "cannot map shared memory");
	tokens = make_mailbox(READERS);
	turn = make_mailbox(1);
	for (i = 0; i < READERS + WRITERS; i++)
		start(i < READERS ? be_reader : be_writer);
	for (i = 0; i < READERS + WRITERS; i++)
		if (wait(&status) < 0 || status)
			give_up();
	if (mbox_delete(tokens) || mbox_delete(turn))
		err(1, "cannot delete the mailboxes");
	printf("readers met %d times, readers and writers %d times, %d of %d written\n",
	       shared->together, shared->violations, shared->second, WRITERS * ROUNDS);
	return !shared->together || shared->violations ||
	       shared->first != WRITERS * ROUNDS || shared->second != WRITERS * ROUNDS;
}
