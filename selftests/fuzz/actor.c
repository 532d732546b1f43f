// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actor.c - the processes of a sequential program.
 */
#include <linux/futex.h>

#include "mbox_selftest.h"
#include "actor.h"
#include "kcov.h"

#define PATIENCE	30	/* seconds for it to begin */

const uint32_t actor_uids[ACTORS] = { 0, 1001, 1001, 1002 };

static const int modes[FDS] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY | O_NONBLOCK };

static void set_turn(struct desk *desk, uint32_t turn)
{
	tell(&desk->turn, turn);
	syscall(SYS_futex, &desk->turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Until it is no longer that; false if that takes too long. */
static bool await_turn(struct desk *desk, uint32_t turn, unsigned int seconds)
{
	struct timespec limit = { .tv_sec = seconds };

	while (told(&desk->turn) == turn)
		if (syscall(SYS_futex, &desk->turn, FUTEX_WAIT, turn, seconds ? &limit : NULL,
			    NULL, 0) && errno == ETIMEDOUT)
			return told(&desk->turn) != turn;
	return true;
}

static void close_all(struct desk *desk)
{
	unsigned int i;

	for (i = 0; i < FDS; i++)
		close(desk->fds[i]);
}

static void open_all(struct desk *desk)
{
	struct mbox_clock clock = { .flags = 0 };
	unsigned int i;

	for (i = 0; i < FDS; i++)
		desk->fds[i] = device(modes[i]);
	NEED(!call(desk->fds[0], MBOX_IOC_CLOCK, &clock));
	desk->participant = clock.participant;
	desk->clock = clock.stamp;
}

static void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	NEED(flags >= 0 && !fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static long poll_now(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&pollfd, 1, 0) < 0 ? -1 : pollfd.revents;
}

static long issue(struct desk *desk, struct action *action)
{
	int *fd = &desk->fds[action->fd];

	switch (action->what) {
	case READ:
		return read(*fd, action->bad ? action_nobodys_page() : action->out[0],
			    action->len);
	case WRITE:
		return write(*fd, action->in[0], action->len);
	case POLL:
		return poll_now(*fd);
	case REOPEN:
		close(*fd);
		*fd = device(modes[action->fd]);
		return 0;
	default:
		return ioctl(*fd, action->command, action_structure(action));
	}
}

static void open_pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	/* It may have ended just now. */
	if (fd < 0)
		return;
	NEED(dup2(fd, PIDFD) == PIDFD);
	close(fd);
}

void perform(struct desk *desk, struct action *action)
{
	bool nonblock = action->nonblock && action->fd != FDS - 1;

	if (nonblock)
		set_nonblock(desk->fds[action->fd], true);
	if (action->pidfd_of)
		open_pidfd(action->pidfd_of);
	kcov_begin();
	action->value = issue(desk, action);
	action->error = action->value < 0 ? errno : 0;
	if (action->pidfd_of)
		close(PIDFD);
	if (nonblock)
		set_nonblock(desk->fds[action->fd], false);
}

static void act(struct desk *desk, unsigned int who)
{
	take_signals(0);
	NEED(!setgroups(0, NULL));
	if (actor_uids[who])
		become(actor_uids[who], actor_uids[who]);
	open_all(desk);
	kcov_enable(who);
	for (;;) {
		set_turn(desk, DONE);
		await_turn(desk, DONE, 0);
		await_turn(desk, IDLE, 0);
		if (desk->action.what == KINDS) {
			close_all(desk);
			open_all(desk);
		} else {
			perform(desk, &desk->action);
		}
	}
}

struct desk *actors_new(void)
{
	return shared(ACTORS * sizeof(struct desk));
}

void actor_start(struct desk *desk, unsigned int who)
{
	pid_t child;

	tell(&desk->turn, IDLE);
	child = spawn();
	if (!child)
		act(desk, who);
	desk->pid = child;
	NEED(actor_wait(desk, PATIENCE));
}

void actor_end(struct desk *desk)
{
	end(desk->pid);
	desk->pid = 0;
}

/* It forgets what it had. */
void actor_reset(struct desk *desk)
{
	desk->action.what = KINDS;
	actor_give(desk);
	NEED(actor_wait(desk, PATIENCE));
}

void actor_give(struct desk *desk)
{
	set_turn(desk, GIVEN);
}

bool actor_done(const struct desk *desk)
{
	return told(&desk->turn) == DONE;
}

/* Until it has done what it was given; false if it does not come to an end. */
bool actor_wait(struct desk *desk, unsigned int seconds)
{
	return await_turn(desk, IDLE, seconds) && await_turn(desk, GIVEN, seconds);
}
