// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl accept and claim: become the owner of a mailbox, for a program to run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "mboxctl.h"

static const struct words accept_words[] = {
	{ EACCES, "it is not offered to this process; what was offered to a shell, it accepts "
		  "by \"exec mboxctl accept\"" },
	{ 0, NULL }
};

static const struct words claim_words[] = {
	{ EACCES, "you are not its user, nor have CAP_IPC_OWNER" },
	{ EBUSY, "a process owns it" },
	{ 0, NULL }
};

/* The owner is this process, which ends now. */
static void tell_orphan(const char *box)
{
	printf("%s: ", printable(box));
	printf("it is of user %s now, and owned by no process\n", shown_user(geteuid()));
}

static int take_over(const char *box, const struct words *words, int (*take)(int fd),
		     char **program)
{
	struct mbox_stat stat;
	int code = DONE;
	int fd = open_box(box, O_RDONLY, words);

	if (fd < 0)
		return -fd;
	if (mbox_getstat(fd, &stat) || take(fd))
		return fail(words, "%s", printable(box));
	if (program)
		code = run_program(program, stat.id);
	tell_orphan(box);
	return code;
}

static int run(int argc, char **argv, const struct words *words, int (*take)(int fd))
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	char **program = cut_program(&argc, argv);
	int code;

	code = parse_options(argc, argv, "", options, NULL, NULL);
	if (code)
		return code;
	if (argc != optind + 1)
		return wrong_usage("which mailbox? It takes one.");
	if (program && !*program)
		return wrong_usage("which program, behind \"--\"?");
	return take_over(argv[optind], words, take, program);
}

int cmd_accept(int argc, char **argv)
{
	return run(argc, argv, accept_words, mbox_accept);
}

int cmd_claim(int argc, char **argv)
{
	return run(argc, argv, claim_words, mbox_claim);
}
