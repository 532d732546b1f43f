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
	{ EBUSY, "another process is receiving from it" },
	{ EOPNOTSUPP, "a --single mailbox takes no part in a choice" },
	{ EPERM, "another process has the receiving end" },
	{ ESRCH, "there is no process to match" },
	{ ETIMEDOUT, "there was no message in time" },
	{ 0, NULL }
};

struct source {
	int fd;
	uint64_t id;
};

struct receiving {
	struct source *sources;
	unsigned int count;
	struct mbox_recv_options options;
	/* MBOX_CREATE_BY_TAG or MBOX_CREATE_BY_SENDER: what to match. */
	uint64_t by;
	uint64_t nth;
	bool follow;
	bool lines;
	bool json;
	struct patience patience;
	struct progress progress;
	size_t max_size;
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
	json_number(&json, "tag", envelope->tag);
	json_number(&json, "box", envelope->from);
	json_number(&json, "len", envelope->len);
	json_bytes(&json, "text", "base64", bytes, envelope->len);
	json_end();
}

/* Nobody else will get a message that was taken, so each one is seen to arrive. */
static int write_message(const struct receiving *receiving,
			 const struct mbox_envelope *envelope, const void *bytes)
{
	if (receiving->json)
		write_json(envelope, bytes);
	else
		fwrite(bytes, 1, envelope->len, stdout);
	if (receiving->json || receiving->lines)
		putchar('\n');

	if (!fflush(stdout) && !ferror(stdout))
		return DONE;
	if (receiving->options.flags & MBOX_PEEK)
		return fail(NULL, "standard output");
	return fail(NULL, "message %" PRIu64 " is lost: standard output", envelope->seq);
}

static ssize_t choose(const struct receiving *receiving, void *buffer,
		      struct mbox_envelope *envelope)
{
	const struct mbox_recv_options *options = &receiving->options;
	uint64_t ids[MBOX_CHOICE_MAX];

	for (unsigned int i = 0; i < receiving->count; i++)
		ids[i] = receiving->sources[i].id;
	return mbox_choose(receiving->sources[0].fd, ids, receiving->count, buffer,
			   receiving->max_size, envelope, options->flags, options->deadline);
}

static ssize_t receive_one(struct receiving *receiving, void *buffer,
			   struct mbox_envelope *envelope)
{
	struct mbox_recv_options *options = &receiving->options;

	options->flags |= receiving->patience.flags;
	options->deadline = receiving->patience.deadline;
	if (receiving->count > 1)
		return choose(receiving, buffer, envelope);
	/* Looks go on from one message to the next. */
	if (options->flags & MBOX_PEEK)
		options->nth = receiving->nth + receiving->progress.done;
	return mbox_recv_with(receiving->sources[0].fd, buffer, receiving->max_size,
			      envelope, options);
}

/* When one is gone, go on with the others. False if none is left. */
static bool drop_gone(struct receiving *receiving)
{
	unsigned int kept = 0;
	struct mbox_stat stat;

	for (unsigned int i = 0; i < receiving->count; i++)
		if (!mbox_getstat(receiving->sources[i].fd, &stat) || errno != EIDRM)
			receiving->sources[kept++] = receiving->sources[i];
	receiving->count = kept;
	return kept;
}

static bool wants_more(const struct receiving *receiving)
{
	return receiving->follow || receiving->progress.done < receiving->progress.total;
}

static int receive(struct receiving *receiving, void *buffer)
{
	struct progress *progress = &receiving->progress;
	struct mbox_envelope envelope;
	int code = DONE;

	while (!code && wants_more(receiving)) {
		if (receive_one(receiving, buffer, &envelope) >= 0) {
			code = write_message(receiving, &envelope, buffer);
			progress->done++;
		} else if (errno != EIDRM || !receiving->follow) {
			code = fail_midway(words, progress);
		} else if (!drop_gone(receiving)) {
			break;
		}
	}
	return code;
}

static int receive_into_buffer(struct receiving *receiving)
{
	void *buffer = malloc(receiving->max_size ?: 1);
	int code;

	if (!buffer)
		return fail(NULL, "a buffer for its messages");
	code = receive(receiving, buffer);
	free(buffer);
	return code;
}

static const struct words unmatched[] = {
	{ EOPNOTSUPP, "it was not created with the --by-tag or --by-sender that this takes" },
	{ 0, NULL }
};

static int open_source(struct receiving *receiving, const char *box)
{
	struct source *source = &receiving->sources[receiving->count++];
	struct mbox_stat stat;

	source->fd = open_box(box, O_RDONLY, words);
	if (source->fd < 0)
		return -source->fd;
	if (mbox_getstat(source->fd, &stat))
		return fail(words, "%s", printable(box));
	/* The kernel would match whatever the mailbox was made for. */
	if (receiving->by & ~stat.kind) {
		errno = EOPNOTSUPP;
		return fail(unmatched, "%s", printable(box));
	}
	source->id = stat.id;
	if (stat.max_size > receiving->max_size)
		receiving->max_size = stat.max_size;
	return DONE;
}

static int open_sources(struct receiving *receiving, char **boxes)
{
	int code = DONE;

	for (; *boxes && !code; boxes++)
		code = open_source(receiving, *boxes);
	return code;
}

static bool output_is_closed(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	return flags < 0 || (flags & O_ACCMODE) == O_RDONLY;
}

static int parse_match(struct receiving *receiving, uint64_t by, const char *option, uint64_t most)
{
	receiving->by |= by;
	receiving->options.flags |= MBOX_MATCH;
	return parse_number(option, optarg, 0, most, &receiving->options.match);
}

static int parse_peek(struct receiving *receiving)
{
	receiving->options.flags |= MBOX_PEEK;
	receiving->progress.verb = "shown";
	receiving->nth = 0;
	return optarg ? parse_number("--peek", optarg, 0, MBOX_PEEK_MAX, &receiving->nth) : 0;
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
	case 'g':
		return parse_match(receiving, MBOX_CREATE_BY_TAG, "--tag", UINT64_MAX);
	case 'm':
		return parse_match(receiving, MBOX_CREATE_BY_SENDER, "--from", INT32_MAX);
	case 'e':
		receiving->options.flags |= MBOX_LEAST;
		return 0;
	case 'k':
		return parse_peek(receiving);
	default:
		receiving->json = true;
		return 0;
	}
}

static int check_peek(const struct receiving *receiving)
{
	uint64_t behind = receiving->progress.total - 1;

	if (receiving->follow)
		return wrong_usage("--peek and -f exclude each other");
	if ((receiving->nth || behind) && receiving->options.flags & (MBOX_LEAST | MBOX_MATCH))
		return wrong_usage("with --tag, --from or --least, --peek looks at one message only");
	if (behind > MBOX_PEEK_MAX - receiving->nth)
		return wrong_usage("--peek looks at the first %d messages only", MBOX_PEEK_MAX + 1);
	return 0;
}

static int check_choice(const struct receiving *receiving)
{
	if (receiving->options.flags & (MBOX_MATCH | MBOX_PEEK))
		return wrong_usage("--tag, --from and --peek are for one mailbox");
	return 0;
}

static int check_options(const struct receiving *receiving)
{
	if (receiving->follow && receiving->progress.total)
		return wrong_usage("-c and -f exclude each other");
	if (receiving->patience.flags && receiving->patience.deadline)
		return wrong_usage("-n and -t exclude each other");
	if (receiving->lines && receiving->json)
		return wrong_usage("-l and --json exclude each other");
	if (receiving->by == (MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER))
		return wrong_usage("--tag and --from exclude each other");
	return 0;
}

/* Before a message is taken: afterwards there is no place for it. */
static int prepare_output(void)
{
	if (output_is_closed()) {
		errno = EBADF;
		return fail(NULL, "standard output");
	}
	/* A reader that has gone is to be an error that tells what was lost. */
	signal(SIGPIPE, SIG_IGN);
	return DONE;
}

static int receive_from(struct receiving *receiving, char **boxes)
{
	int code = prepare_output();

	if (!code)
		code = open_sources(receiving, boxes);
	return code ?: receive_into_buffer(receiving);
}

int cmd_recv(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "follow", no_argument, NULL, 'f' },
		{ "nonblock", no_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "lines", no_argument, NULL, 'l' },
		{ "tag", required_argument, NULL, 'g' },
		{ "from", required_argument, NULL, 'm' },
		{ "least", no_argument, NULL, 'e' },
		{ "peek", optional_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct source sources[MBOX_CHOICE_MAX];
	struct receiving receiving = { .sources = sources, .progress.verb = "received" };
	int code;

	code = parse_options(argc, argv, "c:fnt:l", options, take, &receiving);
	if (!code)
		code = check_options(&receiving);
	if (code)
		return code;
	if (argc == optind)
		return wrong_usage("from which mailbox?");
	if (argc - optind > MBOX_CHOICE_MAX)
		return wrong_usage("a choice has at most %d mailboxes", MBOX_CHOICE_MAX);
	if (!receiving.follow && !receiving.progress.total)
		receiving.progress.total = 1;
	if (receiving.options.flags & MBOX_PEEK)
		code = check_peek(&receiving);
	if (!code && argc - optind > 1)
		code = check_choice(&receiving);
	if (code)
		return code;

	receiving.progress.box = argc - optind > 1 ? "the mailboxes" : argv[optind];
	return receive_from(&receiving, argv + optind);
}
