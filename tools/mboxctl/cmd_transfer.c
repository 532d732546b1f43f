// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl transfer and offer: another process is to own a mailbox.
 */
#include <errno.h>

#include "mboxctl.h"

static const struct words transfer_words[] = {
	{ EACCES, "no right to transfer it" },
	{ EDQUOT, "the user of that process has no quota left for it" },
	{ EPERM, "you may not signal that process; offer it the mailbox instead" },
	{ 0, NULL }
};

static const struct words offer_words[] = {
	{ EACCES, "no right to offer it" },
	{ 0, NULL }
};

struct passing {
	pid_t pid;
	int flags;
	bool withdraw;
};

static int take(int option, void *data)
{
	struct passing *passing = data;

	if (option == 'k')
		passing->flags |= MBOX_KEEP;
	else
		passing->withdraw = true;
	return 0;
}

static int transfer(int fd, const void *data)
{
	const struct passing *passing = data;

	return mbox_transfer(fd, passing->pid, passing->flags);
}

static int offer(int fd, const void *data)
{
	const struct passing *passing = data;

	return mbox_offer(fd, passing->pid, passing->flags);
}

int cmd_transfer(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keep", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 }
	};
	struct passing passing = { 0 };
	int code;

	code = parse_options(argc, argv, "", options, take, &passing);
	if (code)
		return code;
	if (argc != optind + 2)
		return wrong_usage("which mailbox, to which process?");
	code = parse_pid(argv[optind + 1], &passing.pid);
	return code ?: do_with_box(argv[optind], transfer_words, transfer, &passing);
}

/* No process means to the kernel that the offer is taken back. */
static int parse_offer(int argc, char **argv, struct passing *passing)
{
	if (!passing->withdraw) {
		if (argc != optind + 2)
			return wrong_usage("which mailbox, to which process?");
		return parse_pid(argv[optind + 1], &passing->pid);
	}
	if (passing->flags)
		return wrong_usage("--withdraw and --keep exclude each other");
	if (argc != optind + 1)
		return wrong_usage("--withdraw takes one mailbox, and no process");
	return 0;
}

int cmd_offer(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keep", no_argument, NULL, 'k' },
		{ "withdraw", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 }
	};
	struct passing passing = { 0 };
	int code;

	code = parse_options(argc, argv, "", options, take, &passing);
	if (!code)
		code = parse_offer(argc, argv, &passing);
	return code ?: do_with_box(argv[optind], offer_words, offer, &passing);
}
