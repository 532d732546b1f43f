// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl send: messages from arguments or standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "no right to send to it" },
	{ EAGAIN, "there is no room" },
	{ ETIMEDOUT, "there was no room in time" },
	{ EMSGSIZE, "the message is larger than its max_size" },
	{ 0, NULL }
};

struct sending {
	int fd;
	uint64_t prio;
	bool lines;
	struct patience patience;
	struct progress progress;
};

/* Grows with what is read, whatever the mailbox would allow. */
struct message {
	char *bytes;
	size_t len;
	size_t room;
};

static int send_one(struct sending *sending, const void *bytes, size_t len)
{
	const struct patience *patience = &sending->patience;

	if (mbox_send(sending->fd, bytes, len, sending->prio, patience->flags,
		      patience->deadline))
		return fail_midway(words, &sending->progress);
	sending->progress.done++;
	return DONE;
}

static int send_arguments(struct sending *sending, char **argument)
{
	int code = DONE;

	for (; *argument && !code; argument++)
		code = send_one(sending, *argument, strlen(*argument));
	return code;
}

static int append(struct message *message, char byte)
{
	if (message->len == message->room) {
		size_t room = message->room ? 2 * message->room : 4096;
		char *bytes = realloc(message->bytes, room);

		if (!bytes)
			return -1;
		message->bytes = bytes;
		message->room = room;
	}
	message->bytes[message->len++] = byte;
	return 0;
}

/*
 * Reads up to @end, which is not part of it, or to the end of the input.
 * Returns 1, 0 if the input had ended before, or -1 with errno.
 */
static int read_message(struct message *message, size_t max_size, int end)
{
	int byte;

	message->len = 0;
	while ((byte = getc_unlocked(stdin)) != EOF && byte != end) {
		if (message->len == max_size) {
			errno = EMSGSIZE;
			return -1;
		}
		if (append(message, byte))
			return -1;
	}
	if (ferror(stdin))
		return -1;
	return byte != EOF || message->len;
}

static int unreadable(const struct sending *sending)
{
	if (errno == EMSGSIZE)
		return fail_midway(words, &sending->progress);
	return fail(NULL, "standard input");
}

static int send_lines(struct sending *sending, size_t max_size)
{
	struct message message = { 0 };
	int got, code = DONE;

	while (!code && (got = read_message(&message, max_size, '\n')))
		code = got < 0 ? unreadable(sending)
			       : send_one(sending, message.bytes, message.len);
	free(message.bytes);
	return code;
}

static int send_whole(struct sending *sending, size_t max_size)
{
	struct message message = { 0 };
	int code;

	if (read_message(&message, max_size, EOF) < 0)
		code = unreadable(sending);
	else
		code = send_one(sending, message.bytes, message.len);
	free(message.bytes);
	return code;
}

static int send_input(struct sending *sending)
{
	struct mbox_stat stat;

	if (mbox_getstat(sending->fd, &stat))
		return fail(words, "%s", printable(sending->progress.box));
	return (sending->lines ? send_lines : send_whole)(sending, stat.max_size);
}

static int take(int option, void *data)
{
	struct sending *sending = data;

	switch (option) {
	case 'p':
		return parse_number("-p", optarg, 0, MBOX_PRIO_MAX, &sending->prio);
	case 'n':
		sending->patience.flags = MBOX_NONBLOCK;
		return 0;
	case 't':
		return parse_timeout(optarg, &sending->patience);
	default:
		sending->lines = true;
		return 0;
	}
}

int cmd_send(int argc, char **argv)
{
	static const struct option options[] = {
		{ "prio", required_argument, NULL, 'p' },
		{ "nonblock", no_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "lines", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 }
	};
	struct sending sending = { .progress.verb = "sent" };
	int code;

	/* "+": a message is a message, even if it looks like an option. */
	code = parse_options(argc, argv, "+p:nt:l", options, take, &sending);
	if (code)
		return code;
	if (sending.patience.flags && sending.patience.deadline)
		return wrong_usage("-n and -t exclude each other");
	if (optind == argc)
		return wrong_usage("to which mailbox?");
	sending.progress.box = argv[optind++];
	sending.progress.total = argc - optind;
	if (sending.lines && sending.progress.total)
		return wrong_usage("-l is for standard input");

	sending.fd = open_box(sending.progress.box, O_WRONLY, words);
	if (sending.fd < 0)
		return -sending.fd;
	if (sending.progress.total)
		return send_arguments(&sending, argv + optind);
	return send_input(&sending);
}
