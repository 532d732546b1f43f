// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * hello: a process makes a mailbox, and its child sends it a message.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

static void child(uint64_t id)
{
	static const char text[] = "Hello, parent!";
	int fd = mbox_open_id(id, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot open mailbox %ju", (uintmax_t)id);
	if (mbox_send(fd, text, sizeof(text) - 1, 0, 0, NULL))
		err(1, "cannot send");
	_exit(0);
}

int main(void)
{
	int fd = mbox_create(NULL, NULL, O_CLOEXEC);
	struct mbox_envelope from;
	struct mbox_stat stat;
	struct timespec limit;
	char text[4096];
	ssize_t len;
	pid_t pid;

	if (fd < 0)
		err(1, "cannot create a mailbox");
	if (mbox_getstat(fd, &stat))
		err(1, "cannot look at the mailbox");

	pid = fork();
	if (pid == 0)
		child(stat.id);

	/* A deadline, lest we wait for ever for a child that failed. */
	mbox_deadline(&limit, UINT64_C(10000000000));
	len = pid < 0 ? -1 : mbox_recv(fd, text, sizeof(text), &from, 0, &limit);
	if (len < 0)
		warn("no message");
	else
		printf("process %d of user %u sent: %.*s\n",
		       from.pid, from.uid, (int)len, text);

	/* The mailbox is the kernel's: it would stay after our end. */
	if (mbox_delete(fd))
		err(1, "cannot delete the mailbox");
	if (pid > 0 && waitpid(pid, NULL, 0) < 0)
		err(1, "cannot wait for the child");
	return len < 0;
}
