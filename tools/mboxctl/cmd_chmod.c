// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl chmod: who may send to a mailbox, and receive from it.
 */
#include <errno.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "no right to change its mode" },
	{ EINVAL, "it is process-owned, so its mode has bits of 0222 only" },
	{ 0, NULL }
};

static int change_mode(int fd, const void *mode)
{
	return mbox_chmod(fd, *(const uint32_t *)mode);
}

int cmd_chmod(int argc, char **argv)
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	uint32_t mode;
	int code;

	code = parse_options(argc, argv, "", options, NULL, NULL);
	if (code)
		return code;
	if (argc < optind + 2)
		return wrong_usage("which mode, and which mailboxes?");
	code = parse_mode("mode", argv[optind], &mode);
	return code ?: do_with_boxes(argv + optind + 1, words, change_mode, &mode);
}
