// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One run of a command for one message. Nothing of the message is ever part of the
 * command line: its bytes are standard input, and what is known about it are numbers
 * in the environment.
 *
 * The command is a process group of its own. So what is typed to end mboxctl does not
 * reach it, and it can be ended with all that it has started. Until it is waited for,
 * nobody else can have the number of its group.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"

/* How long a command may take to end when it is told to. */
#define GRACE_MS	2000

#define VARIABLES	12
#define VARIABLE_SIZE	48

struct environment {
	char ours[VARIABLES][VARIABLE_SIZE];
	char **all;
};

static void write_variables(char text[VARIABLES][VARIABLE_SIZE],
			    const struct mbox_envelope *envelope)
{
	const struct {
		const char *name;
		uint64_t value;
	} variables[VARIABLES - 1] = {
		{ "MBOX_ID", envelope->from },
		{ "MBOX_SEQ", envelope->seq },
		{ "MBOX_REQUEST", !!(envelope->got & MBOX_GOT_REQUEST) },
		{ "MBOX_PRIO", envelope->prio },
		{ "MBOX_TAG", envelope->tag },
		{ "MBOX_PID", envelope->pid },
		{ "MBOX_TID", envelope->tid },
		{ "MBOX_UID", envelope->uid },
		{ "MBOX_GID", envelope->gid },
		{ "MBOX_SENDER", envelope->sender },
		{ "MBOX_STAMP", envelope->stamp },
	};

	for (int i = 0; i < VARIABLES - 1; i++)
		snprintf(text[i], VARIABLE_SIZE, "%s=%" PRIu64, variables[i].name,
			 variables[i].value);
	snprintf(text[VARIABLES - 1], VARIABLE_SIZE, "MBOX_TIME=%" PRIu64 ".%09" PRIu64,
		 envelope->realtime / NSEC_PER_SEC, envelope->realtime % NSEC_PER_SEC);
}

static bool is_ours(const struct environment *environment, const char *variable)
{
	size_t len = strcspn(variable, "=") + 1;

	for (int i = 0; i < VARIABLES; i++)
		if (!strncmp(variable, environment->ours[i], len))
			return true;
	return false;
}

/* That of mboxctl, but for the variables about the message. */
static int fill_environment(struct environment *environment,
			    const struct mbox_envelope *envelope)
{
	size_t count = VARIABLES;
	char **to;

	write_variables(environment->ours, envelope);
	for (char **from = environ; *from; from++)
		count++;
	to = environment->all = calloc(count + 1, sizeof(*to));
	if (!to)
		return -1;
	for (int i = 0; i < VARIABLES; i++)
		*to++ = environment->ours[i];
	for (char **from = environ; *from; from++)
		if (!is_ours(environment, *from))
			*to++ = *from;
	return 0;
}

/* A file, which nobody has to wait for who writes or reads it. */
static int open_input(const char *bytes, size_t len)
{
	int fd = memfd_create("mboxctl", MFD_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -1;
	for (; len; bytes += written, len -= written) {
		written = write(fd, bytes, len);
		if (written < 0) {
			close(fd);
			return -1;
		}
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int spawn(struct job *job, const struct task *task, char **variables, int input,
		 int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int error;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
					      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, task->signals);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawn_file_actions_init(&actions);
	error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	if (!error && output >= 0)
		error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (!error)
		error = posix_spawnp(&job->pid, *task->program, &actions, &attributes,
				     task->program, variables);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

static void kill_group(const struct job *job, int signal)
{
	kill(-job->pid, signal);
}

static int spawn_and_open(struct job *job, const struct task *task, char **variables,
			  int input, int output)
{
	int error = spawn(job, task, variables, input, output);

	if (error)
		return error;
	job->process = pidfd_open(job->pid, 0);
	if (job->process >= 0)
		return 0;
	error = errno;
	kill_group(job, SIGKILL);
	waitpid(job->pid, NULL, 0);
	return error;
}

static int start_with_pipe(struct job *job, const struct task *task, char **variables,
			   int input)
{
	int ends[2] = { -1, -1 };
	int error;

	if (task->collect && pipe2(ends, O_CLOEXEC))
		return errno;
	error = spawn_and_open(job, task, variables, input, ends[1]);
	if (task->collect)
		close(ends[1]);
	if (error && task->collect)
		close(ends[0]);
	if (error)
		return error;
	job->pipe = ends[0];
	if (task->collect)
		fcntl(job->pipe, F_SETFL, O_NONBLOCK);
	return 0;
}

int job_start(struct job *job, const struct task *task)
{
	struct environment environment;
	int input, error;

	*job = (struct job) { 0 };
	if (fill_environment(&environment, task->envelope))
		return ENOMEM;
	input = open_input(task->bytes, task->len);
	if (input < 0) {
		error = errno;
	} else {
		error = start_with_pipe(job, task, environment.all, input);
		close(input);
	}
	free(environment.all);
	return error;
}

static void close_pipe(struct job *job)
{
	if (job->pipe >= 0)
		close(job->pipe);
	job->pipe = -1;
}

/* Whether there may be more at once. */
static bool collect(struct job *job)
{
	ssize_t got = read_some(&job->output, job->pipe);

	if (got > 0)
		return true;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got < 0)
		job->error = errno;
	close_pipe(job);
	return false;
}

bool job_runs(struct job *job, int milliseconds, size_t most)
{
	struct pollfd fds[] = {
		{ .fd = job->process, .events = POLLIN },
		{ .fd = job->pipe, .events = POLLIN },
	};

	if (poll(fds, 2, milliseconds) <= 0)
		return true;
	if (!fds[0].revents) {
		collect(job);
		return true;
	}
	/* What it has started may still have the pipe, but is not waited for. */
	while (job->pipe >= 0 && job->output.len <= most && collect(job))
		;
	return false;
}

static bool ends_within(struct job *job, int milliseconds)
{
	struct pollfd process = { .fd = job->process, .events = POLLIN };

	return TEMP_FAILURE_RETRY(poll(&process, 1, milliseconds)) > 0;
}

void job_end(struct job *job)
{
	close_pipe(job);
	kill_group(job, SIGTERM);
	ends_within(job, GRACE_MS);
	kill_group(job, SIGKILL);
	ends_within(job, -1);
}

int job_finish(struct job *job)
{
	int status;

	close_pipe(job);
	close(job->process);
	free(job->output.bytes);
	TEMP_FAILURE_RETRY(waitpid(job->pid, &status, 0));
	return status;
}
