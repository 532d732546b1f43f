// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl grant and revoke: rights of one process to a mailbox.
 */
#include <errno.h>
#include <string.h>

#include "mboxctl.h"

static const struct words grant_words[] = {
	{ EACCES, "no right to manage it" },
	{ 0, NULL }
};

static const struct words revoke_words[] = {
	{ EACCES, "no right to manage it" },
	{ ESRCH, "that process has no grant, or does not exist" },
	{ 0, NULL }
};

struct grant {
	pid_t pid;
	unsigned int rights;
};

static unsigned int find_right(const char *name, size_t len)
{
	for (const struct bit *right = rights; right->name; right++)
		if (strlen(right->name) == len && !strncmp(right->name, name, len))
			return right->bit;
	return 0;
}

/* Names with commas between them. */
static int parse_rights(const char *text, unsigned int *set)
{
	const char *name = text, *end;
	unsigned int right;

	*set = 0;
	do {
		end = strchrnul(name, ',');
		right = find_right(name, end - name);
		if (!right)
			return wrong_usage("rights %s: it takes some of send,receive,manage",
					   printable(text));
		*set |= right;
		name = end + 1;
	} while (*end);
	return 0;
}

static int grant_rights(int fd, const void *data)
{
	const struct grant *grant = data;

	return mbox_grant(fd, grant->pid, grant->rights, 0);
}

static int revoke_rights(int fd, const void *data)
{
	const struct grant *grant = data;

	return mbox_revoke(fd, grant->pid, grant->rights, 0);
}

static int run(int argc, char **argv, const struct words *words,
	       int (*deed)(int fd, const void *data))
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	struct grant grant;
	int code;

	code = parse_options(argc, argv, "", options, NULL, NULL);
	if (code)
		return code;
	if (argc != optind + 3)
		return wrong_usage("which mailbox, which process, and which rights?");
	code = parse_pid(argv[optind + 1], &grant.pid);
	if (!code)
		code = parse_rights(argv[optind + 2], &grant.rights);
	return code ?: do_with_box(argv[optind], words, deed, &grant);
}

int cmd_grant(int argc, char **argv)
{
	return run(argc, argv, grant_words, grant_rights);
}

int cmd_revoke(int argc, char **argv)
{
	return run(argc, argv, revoke_words, revoke_rights);
}
