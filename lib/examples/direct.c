// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * direct: messages from process to process. Symmetric addressing: producer and consumer
 * name each other, and what a third process sends to the consumer is not in their way.
 * Asymmetric addressing: a server receives from anybody, is told who that is, and names
 * it in the reply.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define ITEMS		200	/* more than a link holds: the producer waits for room */
#define CLIENTS		3
#define QUESTIONS	40
#define PATIENCE	UINT64_C(40000000000)	/* in ns, for what takes a second */

static int device = -1;
static struct timespec limit;

static void expect(int condition, const char *what)
{
	if (!condition)
		errx(1, "%s", what);
}

static void send_number(uint64_t process, int how, uint64_t number)
{
	struct mbox_send_options options = { .flags = how, .deadline = &limit };

	if (mbox_send_to(device, process, &number, sizeof(number), &options))
		err(1, "cannot send to process %ju", (uintmax_t)process);
}

/* From that process, or with 0 from any; -1 if it has ended and sent no more. */
static int recv_number(pid_t process, uint64_t *number, struct mbox_envelope *envelope)
{
	struct mbox_recv_options options = { .deadline = &limit };

	if (mbox_recv_from(device, process, number, sizeof(*number), envelope, &options) >= 0)
		return 0;
	/* It ended while we waited, or before. */
	if (errno != EIDRM && errno != ESRCH)
		err(1, "cannot receive from process %d", process);
	return -1;
}

static pid_t split(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "cannot fork");
	return pid;
}

static void join(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || status)
		errx(1, "a process failed");
}

static void produce(pid_t consumer)
{
	uint64_t i;

	for (i = 1; i <= ITEMS; i++)
		send_number(consumer, 0, i);
	_exit(0);
}

/* Whom to listen to, it hears from its parent; it has to be there before. */
static void consume(pid_t parent)
{
	struct mbox_envelope envelope;
	uint64_t producer, number, i;

	expect(!recv_number(parent, &producer, NULL), "the parent has gone");
	for (i = 1; i <= ITEMS; i++) {
		expect(!recv_number(producer, &number, &envelope), "items are missing");
		expect(number == i && envelope.pid == (pid_t)producer, "it is the wrong item");
	}
	/* The link ends with one of the two, and not before what was sent is received. */
	expect(recv_number(producer, &number, NULL), "there are too many items");
	/* Whoever else has sent has waited. */
	expect(!recv_number(0, &number, &envelope), "nobody else has sent");
	expect(number == 4711 && envelope.pid == parent, "that is not what the parent sent");
	_exit(0);
}

static void show_symmetric(void)
{
	pid_t parent = getpid(), consumer, producer;

	consumer = split();
	if (consumer == 0)
		consume(parent);
	producer = split();
	if (producer == 0)
		produce(consumer);
	send_number(consumer, 0, producer);
	send_number(consumer, 0, 4711);
	/* The consumer names the producer by its pid, which is nobody's once it is joined. */
	join(consumer);
	join(producer);
	printf("%d items came from the process that was named\n", ITEMS);
}

static void be_client(pid_t server, uint64_t first)
{
	struct mbox_envelope envelope;
	uint64_t i, square;

	for (i = first; i < first + QUESTIONS; i++) {
		send_number(server, 0, i);
		expect(!recv_number(server, &square, &envelope), "the server has gone");
		expect(square == i * i, "the square is wrong");
	}
	_exit(0);
}

/* By participant id, which is nobody else's later, as a pid may be. */
static void serve(void)
{
	struct mbox_envelope envelope;
	uint64_t number;
	int i;

	for (i = 0; i < CLIENTS * QUESTIONS; i++) {
		expect(!recv_number(0, &number, &envelope), "the clients have gone");
		send_number(envelope.sender, MBOX_PARTICIPANT, number * number);
	}
}

static void show_asymmetric(void)
{
	pid_t server = getpid(), clients[CLIENTS];
	int i;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = split();
		if (clients[i] == 0)
			be_client(server, 1000 * (i + 1));
	}
	serve();
	for (i = 0; i < CLIENTS; i++)
		join(clients[i]);
	printf("%d questions came from anybody, and were answered\n", CLIENTS * QUESTIONS);
}

int main(void)
{
	mbox_deadline(&limit, PATIENCE);
	device = mbox_device();
	if (device < 0)
		err(1, "cannot open %s", MBOX_DEVICE);
	show_symmetric();
	show_asymmetric();
	return 0;
}
