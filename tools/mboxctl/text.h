/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fits into few columns of the terminal.
 */
#ifndef MBOXCTL_TEXT_H
#define MBOXCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes of printable text fit into @width columns. */
size_t text_fitting(const char *text, int width);

/* "999", "1.2k", "34M": at most four columns. @unit is 1000 or 1024. */
#define SHORT_SIZE	8
const char *short_number(double number, int unit, char text[SHORT_SIZE]);

/* "2us", "1.1ms", "34s": at most five columns. */
const char *short_time(uint64_t nanoseconds, char text[SHORT_SIZE]);

#endif /* MBOXCTL_TEXT_H */
