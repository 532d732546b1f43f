// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl rm: the end of mailboxes.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "no right to delete it" },
	{ 0, NULL }
};

static int delete_box(const char *box)
{
	int code = DONE;
	int fd = open_box(box, O_RDONLY, words);

	if (fd < 0)
		return -fd;
	if (mbox_delete(fd))
		code = fail(words, "%s", printable(box));
	close(fd);
	return code;
}

int cmd_rm(int argc, char **argv)
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	int code, result = DONE;

	code = parse_options(argc, argv, "", options, NULL, NULL);
	if (code)
		return code;
	if (optind == argc)
		return wrong_usage("which mailboxes?");

	for (; optind < argc; optind++) {
		code = delete_box(argv[optind]);
		if (code)
			result = code;
	}
	return result;
}
