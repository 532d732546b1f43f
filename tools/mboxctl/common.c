// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the commands have in common before they do their work: saying what is
 * wrong, reading arguments.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"

static void begin_message(void)
{
	fflush(stdout);
	fputs("mboxctl: ", stderr);
	if (command)
		fprintf(stderr, "%s: ", command->name);
}

int wrong_usage(const char *format, ...)
{
	va_list args;

	if (format) {
		begin_message();
		va_start(args, format);
		vfprintf(stderr, format, args);
		va_end(args);
		fputc('\n', stderr);
	}
	if (command)
		fprintf(stderr, "Usage: mboxctl %s %s\n", command->name, command->usage);
	else
		fputs("\"mboxctl help\" lists the commands.\n", stderr);
	return WRONG_USAGE;
}

static const char *find_words(const struct words *words, int error)
{
	for (; words && words->text; words++)
		if (words->error == error)
			return words->text;
	return NULL;
}

static const char *meaning(const struct words *words, int error)
{
	static const struct words general[] = {
		{ EDQUOT, "a quota of its user is used up; \"mboxctl limits\" shows it" },
		{ EIDRM, "the mailbox is gone" },
		{ EKEYREVOKED, "the right to do that has been taken away" },
		{ EMLINK, "it has as many grants as the limit allows" },
		{ ENOENT, "there is no such mailbox" },
		{ ENOSPC, "a quota of the network namespace is used up; "
			  "\"mboxctl limits\" shows it" },
		{ EOPNOTSUPP, "it is process-owned: nothing of it can be passed on" },
		{ ESRCH, "there is no such process" },
		{ 0, NULL }
	};
	const char *text = find_words(words, error);

	if (!text && words)
		text = find_words(general, error);

	return text ?: strerror(error);
}

int fail(const struct words *words, const char *format, ...)
{
	int error = errno;
	va_list args;

	begin_message();
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", meaning(words, error));
	return FAILED;
}

int fail_midway(const struct words *words, const struct progress *progress)
{
	const char *box = printable(progress->box);
	int error = errno;

	if (progress->total > 1)
		fail(words, "%" PRIu64 " of %" PRIu64 " messages %s: %s",
		     progress->done, progress->total, progress->verb, box);
	else if (progress->done)
		fail(words, "%" PRIu64 " message%s %s: %s", progress->done,
		     progress->done > 1 ? "s" : "", progress->verb, box);
	else
		fail(words, "%s", box);

	if (error == EAGAIN || error == EBUSY)
		return WOULD_WAIT;
	return error == ETIMEDOUT ? TIMED_OUT : FAILED;
}

uint64_t read_clock(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return at.tv_sec * NSEC_PER_SEC + at.tv_nsec;
}

int parse_options(int argc, char **argv, const char *shorts, const struct option *longs,
		  int (*take)(int option, void *data), void *data)
{
	int option, code;

	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (option == '?')
			return wrong_usage(NULL);
		code = take(option, data);
		if (code)
			return code;
	}
	return 0;
}

static int take_json(int option, void *json)
{
	(void)option;
	*(bool *)json = true;
	return 0;
}

int parse_json_option(int argc, char **argv, bool *json)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};

	return parse_options(argc, argv, "", options, take_json, json);
}

bool read_digits(const char **text, uint64_t *number)
{
	const char *at = *text;

	*number = 0;
	for (; isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, *at - '0', number))
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

static int out_of_range(const char *option, const char *text, uint64_t least,
			uint64_t most)
{
	return wrong_usage("%s %s: it takes a number from %" PRIu64 " to %" PRIu64,
			   option, printable(text), least, most);
}

int parse_number(const char *option, const char *text, uint64_t least,
		 uint64_t most, uint64_t *number)
{
	const char *end = text;

	if (!read_digits(&end, number) || *end || *number < least || *number > most)
		return out_of_range(option, text, least, most);
	return 0;
}

int parse_size(const char *option, const char *text, uint64_t least,
	       uint64_t most, uint64_t *bytes)
{
	static const char suffixes[] = "KMG";
	const char *end = text, *suffix;

	if (!read_digits(&end, bytes))
		return out_of_range(option, text, least, most);
	suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
	if (suffix) {
		if (__builtin_mul_overflow(*bytes, 1024ULL << 10 * (suffix - suffixes), bytes))
			return out_of_range(option, text, least, most);
		end++;
	}
	if (*end || *bytes < least || *bytes > most)
		return out_of_range(option, text, least, most);
	return 0;
}

/* "2.5" is 2500000000; digits behind the ninth do not count. */
static bool read_seconds(const char *text, uint64_t *nanoseconds)
{
	uint64_t seconds, unit = NSEC_PER_SEC / 10;

	if (!read_digits(&text, &seconds))
		return false;
	if (__builtin_mul_overflow(seconds, NSEC_PER_SEC, nanoseconds))
		*nanoseconds = UINT64_MAX - NSEC_PER_SEC;
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text); text++, unit /= 10)
			*nanoseconds += (*text - '0') * unit;
	return !*text;
}

int parse_seconds(const char *option, const char *text, uint64_t *nanoseconds)
{
	if (!read_seconds(text, nanoseconds))
		return wrong_usage("%s %s: it takes seconds, as in 2 or 0.25",
				   option, printable(text));
	return 0;
}

int parse_timeout(const char *seconds, struct patience *patience)
{
	uint64_t nanoseconds = 0;
	int code = parse_seconds("-t", seconds, &nanoseconds);

	patience->deadline = mbox_deadline(&patience->at, nanoseconds);
	return code;
}

int parse_mode(const char *option, const char *text, uint32_t *mode)
{
	char *end;
	unsigned long bits = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || bits & ~0666UL)
		return wrong_usage("%s %s: it takes octal bits of 0666", option, printable(text));
	*mode = bits;
	return 0;
}

int parse_pid(const char *text, pid_t *pid)
{
	uint64_t number = 0;
	int code = parse_number("pid", text, 1, INT32_MAX, &number);

	*pid = number;
	return code;
}

/* The last number means "none" to the kernel. */
static bool read_id(const char *text, uint32_t *id)
{
	uint64_t number;

	if (!read_digits(&text, &number) || *text || number >= UINT32_MAX)
		return false;
	*id = number;
	return true;
}

int parse_user(const char *text, uint32_t *uid)
{
	const struct passwd *user = getpwnam(text);

	if (user)
		*uid = user->pw_uid;
	else if (!read_id(text, uid))
		return wrong_usage("%s: there is no such user", printable(text));
	return 0;
}

int parse_group(const char *text, uint32_t *gid)
{
	const struct group *group = getgrnam(text);

	if (group)
		*gid = group->gr_gid;
	else if (!read_id(text, gid))
		return wrong_usage("%s: there is no such group", printable(text));
	return 0;
}
