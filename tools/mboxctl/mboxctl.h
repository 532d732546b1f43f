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
#include <time.h>
#include <mbox.h>

enum {
	DONE,
	FAILED,
	WRONG_USAGE,
	WOULD_WAIT,
	TIMED_OUT,
	NO_REPLY,
	REPLY_LOST,
	/* What mboxctl call adds to those above. */
	OF_CALL = 200,
	/* As shells have it for a program that they cannot start, or not find. */
	NOT_EXECUTED = 126,
	NOT_FOUND = 127,
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
int cmd_call(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_transfer(int argc, char **argv);
int cmd_offer(int argc, char **argv);
int cmd_accept(int argc, char **argv);
int cmd_claim(int argc, char **argv);
int cmd_grant(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_chmod(int argc, char **argv);
int cmd_chown(int argc, char **argv);
int cmd_limits(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_diagram(int argc, char **argv);
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

/*
 * Says what failed and what errno means: in @words, if they know it, else as all
 * mailboxes have it. NULL: what failed is no mailbox.
 */
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
 * Time (common.c), in nanoseconds
 */

#define NSEC_PER_SEC	UINT64_C(1000000000)

uint64_t read_clock(clockid_t clock);

/*
 * Arguments (common.c): 0, or the exit code once it has been said what is wrong
 */

/* Options go to @take; argv[optind] is what follows them. */
int parse_options(int argc, char **argv, const char *shorts, const struct option *longs,
		  int (*take)(int option, void *data), void *data);

/* For commands whose only option is --json. */
int parse_json_option(int argc, char **argv, bool *json);

/* Reads the digits at *@text and moves it behind them; no digit is no number. */
bool read_digits(const char **text, uint64_t *number);

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

/* Mode bits, in octal. */
int parse_mode(const char *option, const char *text, uint32_t *mode);
int parse_pid(const char *text, pid_t *pid);
/* A name or a number. */
int parse_user(const char *text, uint32_t *uid);
int parse_group(const char *text, uint32_t *gid);

/*
 * Mailboxes (box.c)
 */

/* Whether errno came from opening /dev/mbox itself; then it has been said. */
bool device_failed(int oflag);

/* A descriptor, or the exit code, negative. */
int open_box(const char *box, int oflag, const struct words *words);
int open_device(void);

/* Without room for a message of its max_size; a rendezvous and an inbox never are. */
bool is_full(const struct mbox_stat *stat);

/* Where a message goes to: a mailbox, or the inbox of a process. */
struct target {
	/* The mailbox, or words for the process. */
	const char *box;
	/* MBOX_DIRECT, with MBOX_PARTICIPANT; 0: a mailbox. */
	int how;
	uint64_t process;
	char words[40];
};

/* The options --pid and --participant. */
int parse_process(struct target *target, bool participant, const char *text);
/* Takes the mailbox from the arguments, unless it is a process. */
int take_box(struct target *target, int argc, char **argv);
int open_target(const struct target *target);

/* The inbox of this process, to receive from, and who that is. */
struct inbox {
	pid_t pid;
	uint64_t participant;
};
int open_own_inbox(struct inbox *inbox);

/*
 * What an errno means to who sends there: @meets, if that waits for a receiver. @more
 * goes before that, up to no text.
 */
#define SEND_WORDS	16
void choose_words(struct words words[SEND_WORDS], const struct words *more,
		  const struct target *target, const struct mbox_stat *stat, bool meets);

/*
 * Does one thing with a mailbox, or with each of those up to NULL, going on after
 * an error. Returns the exit code, once it has been said what failed.
 */
int do_with_box(const char *box, const struct words *words,
		int (*deed)(int fd, const void *data), const void *data);
int do_with_boxes(char **boxes, const struct words *words,
		  int (*deed)(int fd, const void *data), const void *data);

/* Asks the kernel; 0, or the exit code once it has been said what failed. */
struct netlink;
struct netlink_box;
int find_box(struct netlink *netlink, const char *box, struct netlink_box *answer);

/*
 * Messages that are read (message.c)
 */

/* Grows with what is read, whatever the mailbox would allow. */
struct message {
	char *bytes;
	size_t len;
	size_t room;
};

/*
 * Reads standard input up to @end, which is not part of it, or to the end of the
 * input. Returns 1, 0 if the input had ended before, or -1 with errno, EMSGSIZE if it
 * is larger than @max_size.
 */
int read_message(struct message *message, size_t max_size, int end);
/* Appends what read(2) has, and returns as that does. */
ssize_t read_some(struct message *message, int fd);

/*
 * A program in the place of mboxctl, so that the owner stays (program.c)
 */

/* Cuts the arguments at "--"; what is behind it, or NULL. */
char **cut_program(int *argc, char **argv);
/* With MBOX_ID in the environment. Returns if it fails, the exit code. */
int run_program(char **program, uint64_t id);
/* Says that a program could not be run, with errno; returns the exit code. */
int program_failed(const char *name);

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

/* In columns of the terminal, where bytes and characters may be wider. */
int width_of(const char *text);
/* The length of the UTF-8 character at @text, 0 if there is none. */
size_t utf8_length(const unsigned char *text, size_t len);

/* The name of a mailbox for the terminal, "-" if it has none. */
const char *shown_name(const struct mbox_stat *stat);

/* Names of users and groups, or NULL. */
const char *user_name(uint32_t uid);
const char *group_name(uint32_t gid);

/* The name of a user or, if there is none, the number. */
const char *shown_user(uint32_t uid);

/* What a process is called, as it is; false once it has gone. */
#define COMM_SIZE	64
bool read_comm(uint64_t pid, char name[COMM_SIZE]);

/* A pid, "-" if there is no process, "?" if it cannot be seen. */
#define PID_SIZE	12
void shown_pid(pid_t pid, bool exists, char text[PID_SIZE]);

/* A pid and its user, as in "4711 (root)". */
#define SENDER_SIZE	(PID_SIZE + PRINTABLE_SIZE + 4)
void shown_sender(const struct mbox_envelope *envelope, char text[SENDER_SIZE]);

/* "rw-r-----" */
#define MODE_SIZE	10
void shown_mode(uint32_t mode, char text[MODE_SIZE]);

/* Words for the bits of a set; a table of them ends with no name. */
struct bit {
	uint64_t bit;
	const char *name;
};
extern const struct bit kinds[];
extern const struct bit states[];
extern const struct bit rights[];
extern const struct bit gots[];

/*
 * Takes the lowest bit from @set and returns its name, NULL if there is none left.
 * Holds until the next call.
 */
const char *take_bit(const struct bit *names, uint64_t *set);

/* The plain numbers of a mailbox, in the order in which they are shown. */
#define NUMBERS	20
struct number {
	const char *key;
	uint64_t value;
	/* What there is instead of the number, or NULL. */
	const char *instead;
};
void numbers_of(const struct mbox_stat *stat, struct number numbers[NUMBERS]);

/* A JSON object on standard output. */
struct json {
	bool more;
};

void json_begin(struct json *json);
void json_end(void);
/* What follows is written by others. */
void json_key(struct json *json, const char *key);
void json_number(struct json *json, const char *key, uint64_t number);
void json_null(struct json *json, const char *key);
/* An array of the words of a set. */
void json_bits(struct json *json, const char *key, const struct bit *names, uint64_t set);
/* As @key if it is UTF-8 without NUL, else in base64 as @key64. */
void json_bytes(struct json *json, const char *key, const char *key64,
		const void *bytes, size_t len);
/* Of our own. */
void json_text(struct json *json, const char *key, const char *text);

/* What a message and a reply have in common, from "pid" on. */
void json_envelope(struct json *json, const struct mbox_envelope *envelope);

/* As "name", null if it has none. */
void json_name(struct json *json, const struct mbox_stat *stat);
void json_rate(struct json *json, const char *key, double rate);

/* How many nanoseconds a message waited at least that is counted in that bucket. */
uint64_t waited_from(int bucket);
/* The first bucket by whose end so many percent of the messages are counted. */
int waited_percentile(const uint64_t *waited, unsigned int percent);
uint64_t waited_sum(const uint64_t *waited);

/*
 * A mailbox as a JSON object, with the members of struct mbox_stat for keys, and
 * "granted": to how many processes something was granted.
 */
void json_stat(const struct mbox_stat *stat);

/*
 * Likewise, with the times in the queue, and with "grants", those of @count that are
 * of it, instead.
 */
struct netlink_grant;
void json_box(const struct netlink_box *box, const struct netlink_grant *grants, size_t count);

#endif /* MBOXCTL_H */
