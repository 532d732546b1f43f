/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Colours, on a terminal only: where NO_COLOR is set (no-color.org) or TERM is dumb,
 * these do nothing. No colour tells what words do not tell, too.
 */
#ifndef MBOXCTL_COLOUR_H
#define MBOXCTL_COLOUR_H

#include <stdbool.h>

enum colour {
	PLAIN,
	/* Titles. */
	HEADING,
	/* What needs somebody soon: a full mailbox. */
	ALARM,
	/* What is not as usual: an orphan. */
	NOTICE,
};

/* For those who have colours of their own. */
bool colours_are_wanted(void);

/* What is written to standard output between these two has that colour. */
void colour_begin(enum colour colour);
void colour_end(enum colour colour);

#endif /* MBOXCTL_COLOUR_H */
