// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What fits into few columns of the terminal: text that is cut, numbers of few digits.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

/* The next character: its length in bytes, and its width. */
static size_t step(const char *text, int *width)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t len = mbrtowc(&wide, text, strlen(text), &state);

	*width = 1;
	if (len == 0 || len > strlen(text))
		return 1;
	*width = wcwidth(wide);
	return len;
}

size_t text_fitting(const char *text, int width)
{
	const char *at = text;
	size_t len;
	int taken;

	while (*at) {
		len = step(at, &taken);
		if (taken > width)
			break;
		width -= taken;
		at += len;
	}
	return at - text;
}

/* Rounding must not make a fourth digit. */
static void write_short(double number, const char *suffix, char text[SHORT_SIZE])
{
	bool fraction = *suffix && number < 9.95 && number != (int)number;

	snprintf(text, SHORT_SIZE, "%.*f%s", fraction, number, suffix);
}

const char *short_number(double number, int unit, char text[SHORT_SIZE])
{
	static const char *const thousands[] = { "", "k", "M", "G", "T", "P", "E" };
	static const char *const kilos[] = { "", "K", "M", "G", "T", "P", "E" };
	size_t i = 0;

	while (number >= 999.5 && i < 6) {
		number /= unit;
		i++;
	}
	write_short(number, unit == 1024 ? kilos[i] : thousands[i], text);
	return text;
}

const char *short_time(uint64_t nanoseconds, char text[SHORT_SIZE])
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double number = nanoseconds;
	size_t i = 0;

	while (number >= 999.5 && i < 3) {
		number /= 1000;
		i++;
	}
	write_short(number, units[i], text);
	return text;
}
