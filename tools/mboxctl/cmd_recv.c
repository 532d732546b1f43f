// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl recv: messages to standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mboxctl.h"

static const struct words words[] = {
	{ EACCES, "no right to receive from it" },
	{ EAGAIN, "there is no message" },
	{ ETIMEDOUT, "there was no message in time" },
	{ 0, NULL }
};

struct receiving {
	int fd;
	bool follow;
	bool lines;
	bool json;
	struct patience patience;
	struct progress progress;
};

static void write_json(const struct mbox_envelope *envelope, const void *bytes)
{
	struct json json;

	json_begin(&json);
	json_number(&json, "seq", envelope->seq);
	json_number(&json, "prio", envelope->prio);
	json_number(&json, "pid", envelope->pid);
	json_number(&json, "uid", envelope->uid);
	json_number(&json, "gid", envelope->gid);
	json_number(&json, "len", envelope->len);
	json_bytes(&json, "text", "base64", bytes, envelope->len);
	json_end();
}

/* Nobody else will get this message, so each one is seen to arrive. */
static int write_message(const struct receiving *receiving,
			 const struct mbox_envelope *envelope, const void *bytes)
{
	if (receiving->json)
		write_json(envelope, bytes);
	else
		fwrite(bytes, 1, envelope->len, stdout);
	if (receiving->json || receiving->lines)
		putchar('\n');

	if (fflush(stdout) || ferror(stdout))
		return fail(NULL, "message %" PRIu64 " is lost: standard output",
			    envelope->seq);
	return DONE;
}

static int receive(struct receiving *receiving, void *buffer, size_t size)
{
	const struct patience *patience = &receiving->patience;
	struct progress *progress = &receiving->progress;
	struct mbox_envelope envelope;
	int code = DONE;

	for (; !code && (receiving->follow || progress->done < progress->total); progress->done++) {
		if (mbox_recv(receiving->fd, buffer, size, &envelope,
			      patience->flags, patience->deadline) < 0) {
			if (errno == EIDRM && receiving->follow)
				return DONE;
			return fail_midway(words, progress);
		}
		code = write_message(receiving, &envelope, buffer);
	}
	return code;
}

static int receive_into_buffer(struct receiving *receiving)
{
	struct mbox_stat stat;
	void *buffer;
	int code;

	if (mbox_getstat(receiving->fd, &stat))
		return fail(words, "%s", printable(receiving->progress.box));
	buffer = malloc(stat.max_size ?: 1);
	if (!buffer)
		return fail(NULL, "a buffer for its messages");
	code = receive(receiving, buffer, stat.max_size);
	free(buffer);
	return code;
}

static bool output_is_closed(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	return flags < 0 || (flags & O_ACCMODE) == O_RDONLY;
}

static int take(int option, void *data)
{
	struct receiving *receiving = data;

	switch (option) {
	case 'c':
		return parse_number("-c", optarg, 1, UINT64_MAX, &receiving->progress.total);
	case 'f':
		receiving->follow = true;
		return 0;
	case 'n':
		receiving->patience.flags = MBOX_NONBLOCK;
		return 0;
	case 't':
		return parse_timeout(optarg, &receiving->patience);
	case 'l':
		receiving->lines = true;
		return 0;
	default:
		receiving->json = true;
		return 0;
	}
}

static int check_options(const struct receiving *receiving)
{
	if (receiving->follow && receiving->progress.total)
		return wrong_usage("-c and -f exclude each other");
	if (receiving->patience.flags && receiving->patience.deadline)
		return wrong_usage("-n and -t exclude each other");
	if (receiving->lines && receiving->json)
		return wrong_usage("-l and --json exclude each other");
	return 0;
}

int cmd_recv(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "follow", no_argument, NULL, 'f' },
		{ "nonblock", no_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "lines", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct receiving receiving = { .progress.verb = "received" };
	int code;

	code = parse_options(argc, argv, "c:fnt:l", options, take, &receiving);
	if (!code)
		code = check_options(&receiving);
	if (code)
		return code;
	if (argc != optind + 1)
		return wrong_usage("from which mailbox? It takes one.");
	receiving.progress.box = argv[optind];
	if (!receiving.follow && !receiving.progress.total)
		receiving.progress.total = 1;

	/* Before a message is taken: afterwards there is no place for it. */
	if (output_is_closed()) {
		errno = EBADF;
		return fail(NULL, "standard output");
	}
	/* A reader that has gone is to be an error that tells what was lost. */
	signal(SIGPIPE, SIG_IGN);

	receiving.fd = open_box(receiving.progress.box, O_RDONLY, words);
	if (receiving.fd < 0)
		return -receiving.fd;
	return receive_into_buffer(&receiving);
}
