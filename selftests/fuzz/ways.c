// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ways.c - in which ways operations can succeed, and how often they did: what never does is
 * not tested, whatever is predicted of it.
 */
#include <stdio.h>

#include "run.h"

static const struct {
	enum what what;
	uint64_t flag;
	const char *name;
	bool at_once_only;		/* the oracle does not know of it */
} ways[WAYS_MAX] = {
	{ CREATE, MBOX_CREATE_BIND, "bind", false },
	{ CREATE, MBOX_CREATE_FIXED, "fixed", false },
	{ CREATE, MBOX_CREATE_RESERVE, "reserve", false },
	{ CREATE, MBOX_CREATE_BY_TAG, "by_tag", false },
	{ CREATE, MBOX_CREATE_BY_SENDER, "by_sender", false },
	{ CREATE, MBOX_CREATE_SINGLE, "single", false },
	{ CREATE, MBOX_CREATE_PAIR, "pair", false },
	{ CREATE, MBOX_CREATE_PROCESS, "process", false },
	{ CREATE, MBOX_CREATE_FILES, "files", false },
	{ CREATE, MBOX_CREATE_INBOX, "inbox", true },
	{ OPEN, MBOX_OPEN_UID, "uid", false },
	{ OPEN, MBOX_OPEN_INBOX, "inbox", true },
	{ OPEN, MBOX_OPEN_PIDFD, "pidfd", true },
	{ OPEN, MBOX_OPEN_PARTICIPANT, "participant", true },
	{ SEND, MBOX_SEND_SYNC, "sync", false },
	{ SEND, MBOX_SEND_EXPIRES, "expires", false },
	{ SEND, MBOX_SEND_OFFER, "offer", false },
	{ SEND, MBOX_SEND_STAMP, "stamp", false },
	{ SEND, MBOX_SEND_SHARED, "shared", false },
	{ SEND, MBOX_SEND_PID, "pid", true },
	{ SEND, MBOX_SEND_PIDFD, "pidfd", true },
	{ SEND, MBOX_SEND_PARTICIPANT, "participant", true },
	{ RECV, MBOX_RECV_TRUNCATE, "truncate", false },
	{ RECV, MBOX_RECV_PEEK, "peek", false },
	{ RECV, MBOX_RECV_LEAST, "least", false },
	{ RECV, MBOX_RECV_MATCH, "match", false },
	{ RECV, MBOX_RECV_CHOICE, "choice", false },
	{ RECV, MBOX_RECV_ACCEPT, "accept", false },
	{ RECV, MBOX_RECV_PIDFD, "pidfd", false },
	{ RECV, MBOX_RECV_PARTICIPANT, "participant", false },
	{ RECV, MBOX_RECV_TOKEN, "token", false },
	{ RECV, MBOX_RECV_REPLY, "reply", false },
	{ RECV, MBOX_RECV_DIRECT, "direct", true },
	{ RECV, MBOX_RECV_FILES, "files", true },
	{ STAT, MBOX_STAT_NEXT, "next", false },
	{ TRANSFER, MBOX_TRANSFER_KEEP, "keep", false },
	{ TRANSFER, MBOX_TRANSFER_PIDFD, "pidfd", false },
	{ OFFER, MBOX_TRANSFER_KEEP, "keep", false },
	{ OFFER, MBOX_TRANSFER_PIDFD, "pidfd", false },
	{ GRANT, MBOX_GRANT_PIDFD, "pidfd", false },
	{ REVOKE, MBOX_GRANT_PIDFD, "pidfd", false },
	{ CHANGE, MBOX_CHANGE_UID, "uid", false },
	{ CHANGE, MBOX_CHANGE_GID, "gid", false },
	{ USAGE, MBOX_USAGE_UID, "uid", false },
	{ CLOCK, MBOX_CLOCK_TICK, "tick", false },
	{ CALL, MBOX_CALL_TRUNCATE, "truncate", false },
	{ CALL, MBOX_CALL_SHARED, "shared", false },
	{ CALL, MBOX_CALL_PID, "pid", true },
	{ CALL, MBOX_CALL_PIDFD, "pidfd", true },
	{ CALL, MBOX_CALL_PARTICIPANT, "participant", true },
	{ REPLY, MBOX_REPLY_DISCARD, "discard", false },
	{ REPLY, MBOX_REPLY_SHARED, "shared", false },
	{ TOKEN, MBOX_TOKEN_PASS, "pass", false },
	{ TOKEN, MBOX_TOKEN_PIDFD, "pidfd", false },
	{ SEND_BATCH, MBOX_BATCH_WAIT_ONE, "wait_one", false },
	{ RECV_BATCH, MBOX_BATCH_WAIT_ONE, "wait_one", false },
};

/* It was asked for; did it come? */
static bool came(const struct action *action, uint64_t flag)
{
	if (action->what == RECV && flag == MBOX_RECV_TOKEN)
		return action->arg.recv.token;
	if (action->what == RECV && flag == MBOX_RECV_ACCEPT)
		return action->arg.recv.owned;
	if (action->what == RECV && flag == MBOX_RECV_REPLY)
		return action->reply.done && !action->reply.result;
	if (action->what == RECV && flag == MBOX_RECV_FILES)
		return action->arg.recv.nr_files;
	return true;
}

/* Many may do so at once. */
void tally_success(struct tally *tally, const struct action *action)
{
	unsigned int i;

	__atomic_fetch_add(&tally->successes[action->what], 1, __ATOMIC_RELAXED);
	if (!action->command)
		return;
	/* All structures begin with their flags. */
	for (i = 0; i < WAYS_MAX && ways[i].name; i++)
		if (ways[i].what == action->what && action->arg.info.flags & ways[i].flag &&
		    came(action, ways[i].flag))
			__atomic_fetch_add(&tally->ways[i], 1, __ATOMIC_RELAXED);
}

void tally_print(const struct tally *tally)
{
	unsigned int i, j;

	printf("# kind:successes/calls, of the successes with what:number");
	for (i = 0; i < KINDS; i++) {
		printf("%s%s:%llu/%llu", i % 4 ? ", " : "\n#   ", what_name(i),
		       (unsigned long long)tally->successes[i],
		       (unsigned long long)tally->kinds[i]);
		for (j = 0; j < WAYS_MAX && ways[j].name; j++)
			if (ways[j].what == i)
				printf(" %s:%llu", ways[j].name,
				       (unsigned long long)tally->ways[j]);
	}
	printf("\n");
}

/* Something that a sequential program can do, and none has, or NULL. */
const char *tally_missing(const struct tally *tally)
{
	static char text[64];
	unsigned int i;

	for (i = 0; i < KINDS; i++)
		if (!tally->successes[i])
			return what_name(i);
	for (i = 0; i < WAYS_MAX && ways[i].name; i++) {
		if (ways[i].at_once_only || tally->ways[i])
			continue;
		snprintf(text, sizeof(text), "%s with %s", what_name(ways[i].what),
			 ways[i].name);
		return text;
	}
	return NULL;
}
