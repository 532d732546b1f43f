// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl send: messages from arguments or standard input, to a mailbox or a process.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"

struct sending {
	int fd;
	struct target target;
	struct mbox_send_options options;
	pid_t receiver;
	uint64_t prio;
	bool expires;
	uint64_t lifetime;
	bool lines;
	struct patience patience;
	struct progress progress;
	struct words words[SEND_WORDS];
};

/* Each message lives from now on. */
static const struct mbox_send_options *options_of(struct sending *sending, struct timespec *end)
{
	sending->options.prio = sending->prio;
	sending->options.flags |= sending->patience.flags;
	sending->options.deadline = sending->patience.deadline;
	sending->options.receiver = &sending->receiver;
	if (sending->expires)
		sending->options.expires = mbox_deadline(end, sending->lifetime);
	return &sending->options;
}

static int send_one(struct sending *sending, const void *bytes, size_t len)
{
	struct timespec end;

	if (mbox_send_with(sending->fd, bytes, len, options_of(sending, &end)))
		return fail_midway(sending->words, &sending->progress);
	sending->progress.done++;
	if (sending->options.flags & MBOX_SYNC) {
		printf("%" PRId32 "\n", sending->receiver);
		fflush(stdout);
	}
	return DONE;
}

static int send_arguments(struct sending *sending, char **argument)
{
	int code = DONE;

	for (; *argument && !code; argument++)
		code = send_one(sending, *argument, strlen(*argument));
	return code;
}

static int unreadable(const struct sending *sending)
{
	if (errno == EMSGSIZE)
		return fail_midway(sending->words, &sending->progress);
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

static int send_all(struct sending *sending, char **arguments)
{
	static const struct words none = { 0, NULL };
	struct mbox_stat stat;
	bool meets;

	if (mbox_getstat(sending->fd, &stat))
		return fail(&none, "%s", printable(sending->progress.box));
	meets = sending->options.flags & MBOX_SYNC || !stat.max_msgs;
	choose_words(sending->words, &none, &sending->target, &stat, meets);
	if (sending->progress.total)
		return send_arguments(sending, arguments);
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
	case 's':
		sending->options.flags |= MBOX_SYNC;
		return 0;
	case 'g':
		return parse_number("--tag", optarg, 0, UINT64_MAX, &sending->options.tag);
	case 'e':
		sending->expires = true;
		return parse_seconds("--expires", optarg, &sending->lifetime);
	case 'P':
	case 'N':
		return parse_process(&sending->target, option == 'N', optarg);
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
		{ "sync", no_argument, NULL, 's' },
		{ "tag", required_argument, NULL, 'g' },
		{ "expires", required_argument, NULL, 'e' },
		{ "pid", required_argument, NULL, 'P' },
		{ "participant", required_argument, NULL, 'N' },
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
	code = take_box(&sending.target, argc, argv);
	if (code)
		return code;
	sending.progress.box = sending.target.box;
	sending.progress.total = argc - optind;
	if (sending.lines && sending.progress.total)
		return wrong_usage("-l is for standard input");

	sending.fd = open_target(&sending.target);
	if (sending.fd < 0)
		return -sending.fd;
	return send_all(&sending, argv + optind);
}
