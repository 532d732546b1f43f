// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl recv: messages to standard output, from mailboxes or this process's inbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static const struct words inbox_words[] = {
	{ EAGAIN, "there is no message" },
	{ EIDRM, "the process has ended, and sent no more" },
	{ ETIMEDOUT, "there was no message in time" },
	{ 0, NULL }
};

static const struct words lost_words[] = {
	{ EBADMSG, "it is shared memory, and not what that is to be" },
	{ EOWNERDEAD, "it is shared memory, which has gone with the mailbox's owner" },
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
	bool inbox;
	bool follow;
	bool lines;
	bool verbose;
	bool json;
	struct patience patience;
	struct progress progress;
	/* For what the library does not keep in @large. */
	void *buffer;
	size_t max_size;
	struct mbox_large large;
};

static bool is_choice(const struct receiving *receiving)
{
	return receiving->count > 1;
}

static bool is_look(const struct receiving *receiving)
{
	return receiving->options.flags & MBOX_PEEK;
}

static const struct words *words_of(const struct receiving *receiving)
{
	return receiving->inbox ? inbox_words : words;
}

static void write_json(const struct mbox_envelope *envelope, const void *bytes, size_t len)
{
	struct json json;

	json_begin(&json);
	json_number(&json, "seq", envelope->seq);
	json_number(&json, "prio", envelope->prio);
	json_number(&json, "box", envelope->from);
	json_number(&json, "tid", envelope->tid);
	json_number(&json, "time", envelope->time);
	json_number(&json, "realtime", envelope->realtime);
	json_envelope(&json, envelope);
	json_bytes(&json, "text", "base64", bytes, len);
	json_end();
}

static void write_time(uint64_t realtime)
{
	time_t seconds = realtime / NSEC_PER_SEC;
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s.%06" PRIu64, text, realtime % NSEC_PER_SEC / 1000);
}

/* A line about the message, which says nothing of what is as usual. */
static void write_envelope(const struct receiving *receiving,
			   const struct mbox_envelope *envelope)
{
	uint64_t got = envelope->got;
	char sender[SENDER_SIZE];
	const char *name;

	shown_sender(envelope, sender);
	printf("%" PRIu64 ": %" PRIu64 " bytes from %s at ", envelope->seq, envelope->len,
	       sender);
	write_time(envelope->realtime);
	printf(", stamp %" PRIu64 " of participant %" PRIu64, envelope->stamp, envelope->sender);
	if (is_choice(receiving))
		printf(", box %" PRIu64, envelope->from);
	if (envelope->prio)
		printf(", prio %" PRIu32, envelope->prio);
	if (envelope->tag)
		printf(", tag %" PRIu64, envelope->tag);
	if (envelope->nr_files)
		printf(", files %" PRIu32, envelope->nr_files);
	while ((name = take_bit(gots, &got)))
		printf(", %s", name);
	putchar('\n');
}

/* Of what is in shared memory, a look and a choice see nothing. */
static size_t seen(const struct receiving *receiving, const struct mbox_envelope *envelope)
{
	bool hidden = envelope->got & MBOX_GOT_SHARED &&
		      (is_choice(receiving) || is_look(receiving));

	return hidden ? 0 : envelope->len;
}

/* Nobody else will get a message that was taken, so each one is seen to arrive. */
static int write_message(const struct receiving *receiving,
			 const struct mbox_envelope *envelope, const void *bytes)
{
	size_t len = seen(receiving, envelope);

	if (receiving->verbose)
		write_envelope(receiving, envelope);
	if (receiving->json)
		write_json(envelope, bytes, len);
	else if (len)
		fwrite(bytes, 1, len, stdout);
	if (receiving->json || receiving->lines || receiving->verbose)
		putchar('\n');

	if (!fflush(stdout) && !ferror(stdout))
		return DONE;
	if (is_look(receiving))
		return fail(NULL, "standard output");
	return fail(NULL, "message %" PRIu64 " is lost: standard output", envelope->seq);
}

static ssize_t choose(const struct receiving *receiving, struct mbox_envelope *envelope)
{
	const struct mbox_recv_options *options = &receiving->options;
	uint64_t ids[MBOX_CHOICE_MAX];

	for (unsigned int i = 0; i < receiving->count; i++)
		ids[i] = receiving->sources[i].id;
	return mbox_choose(receiving->sources[0].fd, ids, receiving->count, receiving->buffer,
			   receiving->max_size, envelope, options->flags, options->deadline);
}

/* Looks go on from one message to the next. */
static ssize_t look(struct receiving *receiving, struct mbox_envelope *envelope)
{
	receiving->options.nth = receiving->nth + receiving->progress.done;
	return mbox_recv_with(receiving->sources[0].fd, receiving->buffer, receiving->max_size,
			      envelope, &receiving->options);
}

/* The bytes of the message, or NULL with errno. */
static const void *receive_one(struct receiving *receiving, struct mbox_envelope *envelope)
{
	struct mbox_recv_options *options = &receiving->options;

	options->flags |= receiving->patience.flags;
	options->deadline = receiving->patience.deadline;
	if (is_choice(receiving))
		return choose(receiving, envelope) < 0 ? NULL : receiving->buffer;
	if (is_look(receiving))
		return look(receiving, envelope) < 0 ? NULL : receiving->buffer;
	if (mbox_recv_large(receiving->sources[0].fd, &receiving->large, envelope, options))
		return NULL;
	return receiving->large.data ?: "";
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

static int receive(struct receiving *receiving)
{
	struct progress *progress = &receiving->progress;
	struct mbox_envelope envelope;
	const void *bytes;
	bool lost = false;
	int code = DONE;

	while (!code && wants_more(receiving)) {
		envelope = (struct mbox_envelope) { 0 };
		bytes = receive_one(receiving, &envelope);
		if (bytes) {
			code = write_message(receiving, &envelope, bytes);
			progress->done++;
		} else if (envelope.seq) {
			/* It came: nobody who may send is to end us. */
			fail(lost_words, "message %" PRIu64 " is lost", envelope.seq);
			lost = true;
			progress->done++;
		} else if (errno != EIDRM || !receiving->follow) {
			code = fail_midway(words_of(receiving), progress);
		} else if (!drop_gone(receiving)) {
			break;
		}
	}
	return lost ? FAILED : code;
}

static int receive_into_buffer(struct receiving *receiving)
{
	int code;

	if (is_choice(receiving) || is_look(receiving)) {
		receiving->buffer = malloc(receiving->max_size ?: 1);
		if (!receiving->buffer)
			return fail(NULL, "a buffer for its messages");
	}
	code = receive(receiving);
	mbox_large_free(&receiving->large);
	free(receiving->buffer);
	return code;
}

static const struct words unmatched[] = {
	{ EOPNOTSUPP, "it was not created with the --by-tag or --by-sender that this takes" },
	{ 0, NULL }
};

static int add_source(struct receiving *receiving, const char *box, int fd)
{
	struct source *source = &receiving->sources[receiving->count++];
	struct mbox_stat stat;

	source->fd = fd;
	if (mbox_getstat(fd, &stat))
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
	int code = DONE, fd;

	for (; *boxes && !code; boxes++) {
		fd = open_box(*boxes, O_RDONLY, words);
		code = fd < 0 ? -fd : add_source(receiving, *boxes, fd);
	}
	return code;
}

/* Whoever is to send to it must know who it is. */
static int open_inbox(struct receiving *receiving)
{
	struct inbox inbox;
	int fd = open_own_inbox(&inbox);

	if (fd < 0)
		return -fd;
	fprintf(stderr, "mboxctl: recv: this is process %" PRId32 ", participant %" PRIu64 "\n",
		inbox.pid, inbox.participant);
	receiving->options.flags |= MBOX_DIRECT;
	return add_source(receiving, receiving->progress.box, fd);
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
	case 'i':
		receiving->inbox = true;
		return 0;
	case 'v':
		receiving->verbose = true;
		return 0;
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
	if (receiving->lines + receiving->verbose + receiving->json > 1)
		return wrong_usage("-l, --long and --json exclude each other");
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
		code = receiving->inbox ? open_inbox(receiving) : open_sources(receiving, boxes);
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
		{ "inbox", no_argument, NULL, 'i' },
		{ "long", no_argument, NULL, 'v' },
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
	if (receiving.inbox && argc > optind)
		return wrong_usage("--inbox is the mailbox, and takes no other");
	if (!receiving.inbox && argc == optind)
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

	receiving.progress.box = receiving.inbox ? "the inbox" :
				 argc - optind > 1 ? "the mailboxes" : argv[optind];
	return receive_from(&receiving, argv + optind);
}
