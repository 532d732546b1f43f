// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waiting until there is something, or a signal: between what is done and the waiting,
 * none gets lost.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "watch.h"

const struct words watch_words[] = {
	{ ENODEV, "the module has gone" },
	{ 0, NULL }
};

static volatile sig_atomic_t ended;
static sigset_t ends;
static sigset_t while_waiting;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

/* A signal that is blocked is kept even if it is ignored. */
void watch_add(sigset_t *signals, int signal)
{
	struct sigaction action;

	sigaction(signal, NULL, &action);
	if (action.sa_handler != SIG_IGN)
		sigaddset(signals, signal);
}

static void catch(int signal)
{
	const struct sigaction action = { .sa_handler = end };

	watch_add(&ends, signal);
	if (sigismember(&ends, signal))
		sigaction(signal, &action, NULL);
}

void watch_begin(const int *signals)
{
	sigset_t set;

	sigemptyset(&ends);
	catch(SIGINT);
	catch(SIGTERM);
	set = ends;
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	sigprocmask(SIG_BLOCK, &set, &while_waiting);
	/* Whoever started us may have blocked them. */
	sigdelset(&while_waiting, SIGINT);
	sigdelset(&while_waiting, SIGTERM);
}

/* Where there is always something to do, waiting takes no signals. Leaves errno. */
bool watch_ended(void)
{
	static const struct timespec at_once;
	int error = errno;

	if (!ended && sigtimedwait(&ends, NULL, &at_once) > 0)
		ended = 1;
	errno = error;
	return ended;
}

int watch_wait(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
	return ppoll(fds, count, timeout, &while_waiting);
}
