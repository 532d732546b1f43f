/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run of a command for one message: what mboxctl serve does with each (job.c).
 */
#ifndef JOB_H
#define JOB_H

#include <signal.h>
#include <sys/types.h>

#include "mboxctl.h"

/* What the command gets; its standard input is @bytes. */
struct task {
	char **program;
	const sigset_t *signals;
	const struct mbox_envelope *envelope;
	const void *bytes;
	size_t len;
	/* Else it has the standard output of mboxctl. */
	bool collect;
};

struct job {
	pid_t pid;
	int process;
	/* -1 once there is no more. */
	int pipe;
	struct message output;
	/* An errno, once output could not be kept. */
	int error;
};

/* 0, or an errno; then there is no job. */
int job_start(struct job *job, const struct task *task);
/*
 * Collects output until there is some, the command has ended or @milliseconds have
 * passed. False if it has ended; then all output is there that is less than @most.
 */
bool job_runs(struct job *job, int milliseconds, size_t most);
/* Ends the command with all that it has started in its process group. */
void job_end(struct job *job);
/* Of a command that has ended: its status, as waitpid(2) has it. */
int job_finish(struct job *job);

#endif /* JOB_H */
