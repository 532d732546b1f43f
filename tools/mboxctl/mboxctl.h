/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands of mboxctl share: exit codes, messages, arguments, output.
 */
#ifndef MBOXCTL_H
#define MBOXCTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mbox.h>

enum {
	DONE,
	FAILED,
	WRONG_USAGE,
	WOULD_WAIT,
	TIMED_OUT,
};

struct command {
	const char *name;
	const char *usage;
	int (*run)(int argc, char **argv);
	/* A line that says what it does, then its options. */
	const char *help;
};

/* The one that runs, for messages; NULL before it is known. */
extern const struct command *command;

int cmd_create(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_recv(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_rm(int argc, char **argv);

/*
 * Messages (common.c)
 */

/* Says what is wrong (NULL: getopt has said it) and how the command is used. */
int wrong_usage(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* What an errno means to a command; a table of them ends with no text. */
struct words {
	int error;
	const char *text;
};

/* Says what failed and what errno means, in @words if they know it. */
int fail(const struct words *words, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* How far a command came with one mailbox; @total 0: nobody knows of how many. */
struct progress {
	const char *box;
	const char *verb;
	uint64_t done;
	uint64_t total;
};

/* As fail(), and says how far it came; returns the exit code for errno. */
int fail_midway(const struct words *words, const struct progress *progress);

/*
 * Arguments (common.c): 0, or the exit code once it has been said what is wrong
 */

/* Options go to @take; argv[optind] is what follows them. */
int parse_options(int argc, char **argv, const char *shorts, const struct option *longs,
		  int (*take)(int option, void *data), void *data);

/* For commands whose only option is --json. */
int parse_json_option(int argc, char **argv, bool *json);

int parse_number(const char *option, const char *text, uint64_t least,
		 uint64_t most, uint64_t *number);
/* With K, M or G behind it. */
int parse_size(const char *option, const char *text, uint64_t least,
	       uint64_t most, uint64_t *bytes);
/* With a fraction. */
int parse_seconds(const char *option, const char *text, uint64_t *nanoseconds);

/* How long to wait, as mbox_send() and mbox_recv() take it. */
struct patience {
	int flags;
	const struct timespec *deadline;
	struct timespec at;
};

int parse_timeout(const char *seconds, struct patience *patience);

/* A descriptor, or the exit code, negative. */
int open_box(const char *box, int oflag, const struct words *words);
int open_device(void);

/* Whether errno came from opening /dev/mbox itself; then it has been said. */
bool device_failed(int oflag);

/*
 * Output (output.c)
 */

/*
 * Text fit for the terminal: what this locale cannot print, and the backslash,
 * as escapes. Holds until the next call; very long text is cut. Leaves errno.
 */
#define PRINTABLE_MAX	256
#define PRINTABLE_SIZE	(4 * PRINTABLE_MAX + 1)
const char *printable(const char *text);

/* The name of a mailbox for the terminal, "-" if it has none. */
const char *shown_name(const struct mbox_stat *stat);

/* Names of users and groups, or NULL. */
const char *user_name(uint32_t uid);
const char *group_name(uint32_t gid);

/* "rw-r-----" */
#define MODE_SIZE	10
void shown_mode(uint32_t mode, char text[MODE_SIZE]);

/*
 * Takes the lowest bit from @kind and returns its name, as the options of create
 * call it; NULL if there is none left. Holds until the next call.
 */
const char *take_kind(uint64_t *kind);

/* The plain numbers of a mailbox, in the order in which they are shown. */
#define NUMBERS	12
struct number {
	const char *key;
	uint64_t value;
	/* The value that means "unbounded", 0 if none does. */
	uint64_t unbounded;
};
void numbers_of(const struct mbox_stat *stat, struct number numbers[NUMBERS]);
bool is_unbounded(const struct number *number);

/* A JSON object on standard output. */
struct json {
	bool more;
};

void json_begin(struct json *json);
void json_end(void);
void json_number(struct json *json, const char *key, uint64_t number);
/* As @key if it is UTF-8 without NUL, else in base64 as @key64. */
void json_bytes(struct json *json, const char *key, const char *key64,
		const void *bytes, size_t len);

/* A mailbox as a JSON object, with the members of struct mbox_stat for keys. */
void json_stat(const struct mbox_stat *stat);

#endif /* MBOXCTL_H */
