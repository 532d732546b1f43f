// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl rm: the end of mailboxes.
 */
#include <errno.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "no right to delete it" },
	{ 0, NULL }
};

static int delete_box(int fd, const void *data)
{
	(void)data;
	return mbox_delete(fd);
}

int cmd_rm(int argc, char **argv)
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	int code;

	code = parse_options(argc, argv, "", options, NULL, NULL);
	if (code)
		return code;
	if (optind == argc)
		return wrong_usage("which mailboxes?");
	return do_with_boxes(argv + optind, words, delete_box, NULL);
}
