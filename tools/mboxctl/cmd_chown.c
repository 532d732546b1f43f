// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl chown: the user and the group of a mailbox.
 */
#include <errno.h>
#include <string.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "that takes CAP_IPC_OWNER" },
	{ EDQUOT, "that user has no quota left for it" },
	{ EINVAL, "its user namespace does not have that user or group" },
	{ 0, NULL }
};

struct owner {
	uint32_t uid;
	uint32_t gid;
};

static int change_owner(int fd, const void *data)
{
	const struct owner *owner = data;

	return mbox_chown(fd, owner->uid, owner->gid);
}

/* "USER", ":GROUP" or "USER:GROUP"; what is not said stays as it is. */
static int parse_owner(char *text, struct owner *owner)
{
	char *group = strchr(text, ':');
	int code = 0;

	if (group)
		*group++ = '\0';
	if (group ? !*group : !*text)
		return wrong_usage("which user or group?");
	if (*text)
		code = parse_user(text, &owner->uid);
	if (!code && group)
		code = parse_group(group, &owner->gid);
	return code;
}

int cmd_chown(int argc, char **argv)
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	struct owner owner = { .uid = -1, .gid = -1 };
	int code;

	code = parse_options(argc, argv, "", options, NULL, NULL);
	if (code)
		return code;
	if (argc < optind + 2)
		return wrong_usage("which user or group, and which mailboxes?");
	code = parse_owner(argv[optind], &owner);
	return code ?: do_with_boxes(argv + optind + 1, words, change_owner, &owner);
}
