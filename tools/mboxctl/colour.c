// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Colours on a terminal.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "colour.h"

/* As ECMA-48 has them. */
static const char *const codes[] = {
	[HEADING] = "1",
	[ALARM] = "31",
	[NOTICE] = "33",
};

static bool ask_environment(void)
{
	const char *refused = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(refused && *refused) && term && *term &&
	       strcmp(term, "dumb");
}

bool colours_are_wanted(void)
{
	static enum { UNKNOWN, NO, YES } wanted;

	if (wanted == UNKNOWN)
		wanted = ask_environment() ? YES : NO;
	return wanted == YES;
}

void colour_begin(enum colour colour)
{
	if (colour != PLAIN && colours_are_wanted())
		printf("\033[%sm", codes[colour]);
}

void colour_end(enum colour colour)
{
	if (colour != PLAIN && colours_are_wanted())
		fputs("\033[m", stdout);
}
