// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl call: a request, and its reply to standard output.
 *
 * The exit code belongs to the reply: its tag, which mboxctl serve makes the exit
 * status of its command. So that mboxctl's own codes are not mistaken for that, a call
 * adds to them (OF_CALL).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"

/* For a tag that is no exit status. */
#define OTHER_TAG	255

struct calling {
	int fd;
	struct target target;
	struct mbox_call_options options;
	uint64_t prio;
	bool newline;
	bool json;
	struct patience patience;
	struct words words[SEND_WORDS];
};

/* What the caller is told when its request was received. */
static const struct words reply_words[] = {
	{ ECANCELED, "the request was received and discarded" },
	{ EKEYREJECTED, "who received the request has lost the right to" },
	{ EOWNERDEAD, "who received the request has ended" },
	{ ETIMEDOUT, "there was no reply in time" },
	{ 0, NULL }
};

static int code_of(int error)
{
	switch (error) {
	case EAGAIN:
		return WOULD_WAIT;
	case ETIMEDOUT:
		return TIMED_OUT;
	case ECANCELED:
	case EKEYREJECTED:
	case EOWNERDEAD:
		return NO_REPLY;
	default:
		return FAILED;
	}
}

static void write_json(const struct mbox_envelope *envelope, const void *bytes)
{
	struct json json;

	json_begin(&json);
	json_envelope(&json, envelope);
	json_bytes(&json, "text", "base64", bytes, envelope->len);
	json_end();
}

static int write_reply(const struct calling *calling, const struct mbox_envelope *envelope,
		       const void *bytes)
{
	if (calling->json)
		write_json(envelope, bytes);
	else
		fwrite(bytes, 1, envelope->len, stdout);
	if (calling->json || calling->newline)
		putchar('\n');
	if (fflush(stdout) || ferror(stdout)) {
		fail(NULL, "the reply is lost: standard output");
		return OF_CALL + REPLY_LOST;
	}
	return envelope->tag < OTHER_TAG ? (int)envelope->tag : OTHER_TAG;
}

static int call(const struct calling *calling, const struct message *request, void *reply,
		size_t size)
{
	struct mbox_envelope envelope;
	int error;

	if (mbox_call_with(calling->fd, request->bytes, request->len, reply, size, &envelope,
			   &calling->options) >= 0)
		return write_reply(calling, &envelope, reply);
	error = errno;
	fail(calling->words, "%s", printable(calling->target.box));
	return OF_CALL + code_of(error);
}

/* Room for whatever the kernel brings; what is not used takes no memory. */
static int call_with_room(const struct calling *calling, const struct message *request,
			  const struct mbox_stat *stat)
{
	struct mbox_info info;
	size_t size = stat->max_size;
	void *reply;
	int code;

	if (mbox_getinfo(calling->fd, &info))
		return OF_CALL + fail(NULL, MBOX_DEVICE);
	if (info.limit_size > size)
		size = info.limit_size;
	reply = malloc(size ?: 1);
	if (!reply)
		return OF_CALL + fail(NULL, "a buffer for the reply");
	code = call(calling, request, reply, size);
	free(reply);
	return code;
}

static int call_with_input(const struct calling *calling, const struct mbox_stat *stat)
{
	struct message message = { 0 };
	int code;

	if (read_message(&message, stat->max_size, EOF) >= 0)
		code = call_with_room(calling, &message, stat);
	else if (errno == EMSGSIZE)
		code = OF_CALL + fail(calling->words, "%s", printable(calling->target.box));
	else
		code = OF_CALL + fail(NULL, "standard input");
	free(message.bytes);
	return code;
}

static int call_with_argument(const struct calling *calling, char *argument,
			      const struct mbox_stat *stat)
{
	const struct message message = { .bytes = argument, .len = strlen(argument) };

	return call_with_room(calling, &message, stat);
}

/* @argument may be NULL. */
static int call_target(struct calling *calling, char *argument)
{
	static const struct words none = { 0, NULL };
	struct mbox_stat stat;

	calling->fd = open_target(&calling->target);
	if (calling->fd < 0)
		return OF_CALL - calling->fd;
	if (mbox_getstat(calling->fd, &stat))
		return OF_CALL + fail(&none, "%s", printable(calling->target.box));
	choose_words(calling->words, reply_words, &calling->target, &stat, !stat.max_msgs);
	return argument ? call_with_argument(calling, argument, &stat)
			: call_with_input(calling, &stat);
}

static int take(int option, void *data)
{
	struct calling *calling = data;

	switch (option) {
	case 'p':
		return parse_number("-p", optarg, 0, MBOX_PRIO_MAX, &calling->prio);
	case 'n':
		calling->patience.flags = MBOX_NONBLOCK;
		return 0;
	case 't':
		return parse_timeout(optarg, &calling->patience);
	case 'l':
		calling->newline = true;
		return 0;
	case 'g':
		return parse_number("--tag", optarg, 0, UINT64_MAX, &calling->options.tag);
	case 'P':
	case 'N':
		return parse_process(&calling->target, option == 'N', optarg);
	default:
		calling->json = true;
		return 0;
	}
}

static int check_options(const struct calling *calling)
{
	if (calling->patience.flags && calling->patience.deadline)
		return wrong_usage("-n and -t exclude each other");
	if (calling->newline && calling->json)
		return wrong_usage("-l and --json exclude each other");
	return 0;
}

int cmd_call(int argc, char **argv)
{
	static const struct option options[] = {
		{ "prio", required_argument, NULL, 'p' },
		{ "nonblock", no_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "lines", no_argument, NULL, 'l' },
		{ "tag", required_argument, NULL, 'g' },
		{ "pid", required_argument, NULL, 'P' },
		{ "participant", required_argument, NULL, 'N' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct calling calling = { 0 };
	int code;

	/* "+": a message is a message, even if it looks like an option. */
	code = parse_options(argc, argv, "+p:nt:l", options, take, &calling);
	if (!code)
		code = check_options(&calling);
	if (!code)
		code = take_box(&calling.target, argc, argv);
	if (!code && argc - optind > 1)
		code = wrong_usage("one message; what is in it, the server takes apart");
	if (code)
		return OF_CALL + code;

	calling.options.prio = calling.prio;
	calling.options.flags = calling.patience.flags;
	calling.options.deadline = calling.patience.deadline;
	return call_target(&calling, argv[optind]);
}
