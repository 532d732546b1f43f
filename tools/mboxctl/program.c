// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program in the place of mboxctl: exec keeps the identity of the process, so
 * what mboxctl owns is the program's then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mboxctl.h"

char **cut_program(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "--")) {
			argv[i] = NULL;
			*argc = i;
			return argv + i + 1;
		}
	}
	return NULL;
}

int program_failed(const char *name)
{
	static const struct words words[] = {
		{ ENOENT, "there is no such program, or not what interprets it" },
		{ 0, NULL }
	};
	int code = errno == ENOENT ? NOT_FOUND : NOT_EXECUTED;

	fail(words, "%s", printable(name));
	return code;
}

int run_program(char **program, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	if (setenv("MBOX_ID", text, 1))
		return fail(NULL, "MBOX_ID");
	execvp(*program, program);
	return program_failed(*program);
}
