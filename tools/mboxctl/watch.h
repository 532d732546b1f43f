/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What commands have in common that go on until they are told to end (watch.c).
 */
#ifndef MBOXCTL_WATCH_H
#define MBOXCTL_WATCH_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "mboxctl.h"

/* What an errno of the netlink means when it comes in the midst of watching. */
extern const struct words watch_words[];

/* Adds a signal to those that are waited for, unless whoever started us ignores it. */
void watch_add(sigset_t *signals, int signal);

/*
 * From now on SIGINT, SIGTERM and those up to 0 come during watch_wait() only. The
 * first two make watch_ended() true, unless they were ignored.
 */
void watch_begin(const int *signals);
bool watch_ended(void);

/* As ppoll(2), but for the mask. */
int watch_wait(struct pollfd *fds, nfds_t count, const struct timespec *timeout);

#endif /* MBOXCTL_WATCH_H */
