// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * process_owned: a server whose mailbox ends with it. It is killed; clients that
 * wait for it are told at once, look for the next one, and send it again what
 * the first one did not take.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#define NAME		"example.process_owned"
#define CLIENTS		3
#define EACH		50	/* messages of a client */
#define BY_THE_FIRST	20	/* messages until the first server is killed */
#define PATIENCE	UINT64_C(30000000000)	/* in ns, for what takes a second */

static struct timespec limit;	/* of all that follows */

static int be_server(int messages)
{
	/* Nothing lies in it: what was sent has been received. */
	struct mbox_attr attr = { .flags = MBOX_PROCESS | MBOX_RENDEZVOUS };
	int fd = mbox_create(NAME, &attr, O_CLOEXEC);
	char buf[4096];

	if (fd < 0)
		err(1, "cannot create the mailbox");
	while (messages--)
		if (mbox_recv(fd, buf, sizeof(buf), NULL, 0, &limit) < 0)
			err(1, "cannot receive");
	return 0;
}

static int find_server(void)
{
	struct timespec now;
	int fd;

	while ((fd = mbox_open(NAME, O_WRONLY | O_CLOEXEC)) < 0) {
		mbox_deadline(&now, 0);
		if (errno != ENOENT || now.tv_sec > limit.tv_sec)
			err(1, "cannot find a server");
		usleep(1000);
	}
	return fd;
}

static int be_client(void)
{
	int server = find_server();
	int sent = 0;

	while (sent < EACH) {
		if (!mbox_send(server, "work", 4, 0, 0, &limit)) {
			sent++;
		} else if (errno == EIDRM) {
			/* It has not received this one, and nobody else will. */
			close(server);
			server = find_server();
		} else {
			err(1, "cannot send");
		}
	}
	return 0;
}

static pid_t split(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "cannot fork");
	return pid;
}

static pid_t start_server(int messages, int signal)
{
	pid_t pid = split();

	if (pid)
		return pid;
	be_server(messages);
	raise(signal);
	_exit(0);
}

/* How a child ended: 0, or the number of the signal that killed it. */
static int join(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || (WIFEXITED(status) && status))
		errx(1, "a child failed");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int main(void)
{
	pid_t server, clients[CLIENTS];
	int i;

	mbox_deadline(&limit, PATIENCE);
	server = start_server(BY_THE_FIRST, SIGKILL);
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = split();
		if (clients[i] == 0)
			_exit(be_client());
	}

	if (join(server) != SIGKILL)
		errx(1, "the first server was not killed");
	if (mbox_open(NAME, O_WRONLY) >= 0 || errno != ENOENT)
		errx(1, "its mailbox is still there");
	server = start_server(CLIENTS * EACH - BY_THE_FIRST, 0);
	for (i = 0; i < CLIENTS; i++)
		if (join(clients[i]))
			errx(1, "a client was killed");
	if (join(server))
		errx(1, "the second server was killed");
	printf("two servers received %d messages, each once; the first was killed after %d\n",
	       CLIENTS * EACH, BY_THE_FIRST);
	return 0;
}
