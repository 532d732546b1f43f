// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl show: the attributes and counters of a mailbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "no right to it" },
	{ 0, NULL }
};

/* "bytes_high" is the longest of them. */
static void print_key(const char *key)
{
	printf("%s:%*s", key, 11 - (int)strlen(key), "");
}

static void print_owner(const char *key, uint32_t number, const char *name)
{
	print_key(key);
	if (name)
		printf("%" PRIu32 " (%s)\n", number, name);
	else
		printf("%" PRIu32 "\n", number);
}

static void print_mode(uint32_t mode)
{
	char letters[MODE_SIZE];

	shown_mode(mode, letters);
	print_key("mode");
	printf("%04" PRIo32 " (%s)\n", mode, letters);
}

static void print_bits(const struct bit *names, uint64_t set, char between)
{
	const char *name = take_bit(names, &set);

	fputs(name ?: "-", stdout);
	while (name && (name = take_bit(names, &set)))
		printf("%c%s", between, name);
	putchar('\n');
}

static void print_process(const char *key, pid_t pid, bool exists, const char *remark)
{
	char text[PID_SIZE];

	shown_pid(pid, exists, text);
	print_key(key);
	printf("%s%s\n", text, remark);
}

/* Rights are written as the command grant takes them. */
static void print_grants(const struct granted *granted)
{
	char text[PID_SIZE];

	for (unsigned int i = 0; i < granted->count; i++) {
		shown_pid(granted->list[i].pid, true, text);
		print_key("grants");
		printf("%s ", text);
		print_bits(rights, granted->list[i].rights, ',');
	}
	if (!granted->count) {
		print_key("grants");
		puts("-");
	}
}

static void print_number(const struct number *number)
{
	print_key(number->key);
	if (number->instead)
		puts(number->instead);
	else
		printf("%" PRIu64 "\n", number->value);
}

static void print_stat(const struct mbox_stat *stat, const struct granted *granted)
{
	bool orphan = stat->state & MBOX_STATE_ORPHAN;
	struct number numbers[NUMBERS];

	print_key("id");
	printf("%" PRIu64 "\n", (uint64_t)stat->id);
	print_key("name");
	printf("%s\n", shown_name(stat));
	print_mode(stat->mode);
	print_owner("uid", stat->uid, user_name(stat->uid));
	print_owner("gid", stat->gid, group_name(stat->gid));
	print_process("pid", stat->pid, !orphan, orphan ? " (orphan)" : "");
	print_process("offered", stat->offered, stat->state & MBOX_STATE_OFFERED, "");
	print_grants(granted);
	print_key("kind");
	print_bits(kinds, stat->kind, ' ');

	numbers_of(stat, numbers);
	for (int i = 0; i < NUMBERS; i++)
		print_number(&numbers[i]);
}

int cmd_show(int argc, char **argv)
{
	struct granted granted;
	struct mbox_stat stat;
	bool json = false;
	int code, fd;

	code = parse_json_option(argc, argv, &json);
	if (code)
		return code;
	if (argc != optind + 1)
		return wrong_usage("which mailbox? It takes one.");

	fd = open_box(argv[optind], O_RDONLY, words);
	if (fd < 0)
		return -fd;
	if (mbox_getstat(fd, &stat))
		return fail(words, "%s", printable(argv[optind]));
	read_granted(fd, &granted);
	close(fd);

	if (!json) {
		print_stat(&stat, &granted);
		return DONE;
	}
	json_stat(&stat, &granted);
	putchar('\n');
	return DONE;
}
