// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl create: a new mailbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mboxctl.h"
#include "netlink.h"

static const struct words words[] = {
	{ EEXIST, "the name is taken" },
	{ 0, NULL }
};

static const struct words inbox_words[] = {
	{ EEXIST, "the process has an inbox, or the name is taken" },
	{ 0, NULL }
};

static const char *label(const char *name)
{
	return name ? printable(name) : "the new mailbox";
}

/* The kernel says EINVAL to whatever is out of its range: find out what is. */
static int explain(const char *name, const struct mbox_attr *attr, const struct mbox_info *info)
{
	if (attr->max_msgs != MBOX_UNBOUNDED && attr->max_msgs > info->limit_msgs)
		return wrong_usage("-c %u: the limit is %u", attr->max_msgs, info->limit_msgs);
	if (attr->max_size > info->limit_size)
		return wrong_usage("-s %u: the limit is %u", attr->max_size, info->limit_size);
	if (attr->max_bytes != MBOX_UNBOUNDED_BYTES && attr->max_bytes > info->limit_bytes)
		return wrong_usage("-b %" PRIu64 ": the limit is %" PRIu64,
				   attr->max_bytes, (uint64_t)info->limit_bytes);
	if (attr->max_bytes && attr->max_bytes < attr->max_size)
		return wrong_usage("-b %" PRIu64 ": it holds not even one message of %u bytes",
				   attr->max_bytes, attr->max_size);
	if (attr->flags & MBOX_RESERVE &&
	    (uint64_t)attr->max_msgs * attr->max_size > info->limit_bytes)
		return wrong_usage("--reserve of %u times %u bytes: the limit is %" PRIu64,
				   attr->max_msgs, attr->max_size, (uint64_t)info->limit_bytes);
	if (name)
		return wrong_usage("%s: not a name; a name has 1 to 63 bytes, no blank, no control "
				   "character, no '/' and does not begin with a digit",
				   printable(name));
	errno = EINVAL;
	return fail(NULL, "%s", label(NULL));
}

static int refused(const char *name, const struct mbox_attr *attr)
{
	struct mbox_info info;
	int fd;

	if (errno != EINVAL && errno != ENAMETOOLONG && device_failed(O_RDWR))
		return FAILED;
	if (errno != EINVAL && errno != ENAMETOOLONG)
		return fail(attr->flags & MBOX_INBOX ? inbox_words : words, "%s", label(name));
	fd = open_device();
	if (fd < 0)
		return -fd;
	if (mbox_getinfo(fd, &info))
		return fail(NULL, MBOX_DEVICE);
	return explain(name, attr, &info);
}

static void report(const struct mbox_stat *stat, bool json)
{
	const struct netlink_box box = { .stat = *stat };

	if (json)
		json_box(&box, NULL, 0);
	else
		printf("%" PRIu64, (uint64_t)stat->id);
	putchar('\n');
}

/* A mailbox whose program cannot be run is not left behind. */
static int finish(int fd, bool json, char **program)
{
	struct mbox_stat stat;
	int code = DONE;

	if (mbox_getstat(fd, &stat))
		return fail(words, "%s", label(NULL));
	if (program) {
		code = run_program(program, stat.id);
		mbox_delete(fd);
	} else {
		report(&stat, json);
	}
	return code;
}

struct creating {
	struct mbox_attr attr;
	/* The bit of the last option that has one. */
	int kind;
	bool json;
	char **program;
};

static bool says_unbounded(const char *text)
{
	return !strcmp(text, "unbounded");
}

static int parse_msgs(const char *text, uint32_t *msgs)
{
	uint64_t number = MBOX_UNBOUNDED;
	int code = 0;

	if (!says_unbounded(text))
		code = parse_number("-c", text, 1, MBOX_UNBOUNDED - 1, &number);
	*msgs = number;
	return code;
}

static int parse_bytes(const char *text, uint64_t *bytes)
{
	*bytes = MBOX_UNBOUNDED_BYTES;
	if (says_unbounded(text))
		return 0;
	return parse_size("-b", text, 1, MBOX_UNBOUNDED_BYTES - 1, bytes);
}

static int parse_largest(const char *text, struct mbox_attr *attr)
{
	uint64_t number = 0;
	int code = parse_size("-s", text, 0, UINT32_MAX, &number);

	attr->max_size = number;
	attr->flags &= ~MBOX_EMPTY_ONLY;
	if (!number)
		attr->flags |= MBOX_EMPTY_ONLY;
	return code;
}

static int parse_bits(const char *text, struct mbox_attr *attr)
{
	int code = parse_mode("-m", text, &attr->mode);

	attr->mode = attr->mode ?: MBOX_MODE_NONE;
	return code;
}

static int parse_share(const char *text, struct mbox_attr *attr)
{
	uint64_t number = 0;
	int code = parse_number("--share", text, 1, 100, &number);

	attr->share = number;
	return code;
}

static int take(int option, void *data)
{
	struct creating *creating = data;
	struct mbox_attr *attr = &creating->attr;

	switch (option) {
	case 'm':
		return parse_bits(optarg, attr);
	case 'c':
		return parse_msgs(optarg, &attr->max_msgs);
	case 's':
		return parse_largest(optarg, attr);
	case 'b':
		return parse_bytes(optarg, &attr->max_bytes);
	case 'h':
		return parse_share(optarg, attr);
	case 'j':
		creating->json = true;
		return 0;
	default:
		attr->flags |= creating->kind;
		return 0;
	}
}

static bool has_both(const struct mbox_attr *attr, uint32_t pair)
{
	return (attr->flags & pair) == pair;
}

static int check_process_owned(const struct creating *creating, const char *option)
{
	uint32_t mode = creating->attr.mode & ~MBOX_MODE_NONE;

	if (!creating->program)
		return wrong_usage("%s takes a PROGRAM, which is the owner", option);
	if (mode & ~0222)
		return wrong_usage("%s takes -m with bits of 0222 only", option);
	return 0;
}

/* Files, picking by sender and one owner come with it. */
static int check_inbox(const struct creating *creating)
{
	const struct mbox_attr *attr = &creating->attr;

	if (attr->flags & ~(MBOX_INBOX | MBOX_FIXED | MBOX_EMPTY_ONLY) || attr->share)
		return wrong_usage("--inbox goes with -m, -c, -s, -b and --fixed only");
	return check_process_owned(creating, "--inbox");
}

static int check_program(const struct creating *creating)
{
	if (creating->program && !*creating->program)
		return wrong_usage("which program, behind \"--\"?");
	if (creating->program && creating->json)
		return wrong_usage("--json and a PROGRAM exclude each other");
	if (creating->attr.flags & MBOX_INBOX)
		return check_inbox(creating);
	if (creating->attr.flags & MBOX_PROCESS)
		return check_process_owned(creating, "--process-owned");
	return 0;
}

static int check_options(const struct mbox_attr *attr)
{
	if (has_both(attr, MBOX_BY_TAG | MBOX_BY_SENDER))
		return wrong_usage("--by-tag and --by-sender exclude each other");
	if (has_both(attr, MBOX_SINGLE | MBOX_PAIR))
		return wrong_usage("--single and --pair exclude each other");
	if (has_both(attr, MBOX_RENDEZVOUS | MBOX_RESERVE))
		return wrong_usage("--rendezvous and --reserve exclude each other");
	if (attr->flags & MBOX_RENDEZVOUS && (attr->max_msgs || attr->max_bytes))
		return wrong_usage("--rendezvous holds nothing, so it takes neither -c nor -b");
	if (attr->flags & MBOX_RENDEZVOUS && attr->share)
		return wrong_usage("--rendezvous holds nothing, so there is nothing to --share");
	if (attr->flags & MBOX_RESERVE && attr->max_bytes)
		return wrong_usage("--reserve takes -c and -s, but not -b");
	if (attr->flags & MBOX_RESERVE && attr->max_msgs == MBOX_UNBOUNDED)
		return wrong_usage("--reserve takes a number of messages");
	return 0;
}

/*
 * What the library would do, so that explain() can speak of it. But mboxctl ends at
 * once, and so do most programs that a shell starts, so it is the user who is to
 * have the rights.
 */
static void set_defaults(struct mbox_attr *attr)
{
	bool inbox = attr->flags & MBOX_INBOX;

	if (!attr->mode && !inbox)
		attr->mode = attr->flags & MBOX_PROCESS ? 0200 : 0600;
	if (!attr->max_msgs && !(attr->flags & MBOX_RENDEZVOUS))
		attr->max_msgs = inbox ? MBOX_INBOX_MSGS : 64;
	if (!attr->max_size && !(attr->flags & MBOX_EMPTY_ONLY))
		attr->max_size = inbox ? MBOX_INBOX_SIZE : 4096;
}

/* The mode is what the user says, as with mkfifo -m; the umask is the program's. */
static int create(const char *name, const struct mbox_attr *attr)
{
	mode_t mask = umask(0);
	int fd = mbox_create(name, attr, O_CLOEXEC);

	umask(mask);
	return fd;
}

int cmd_create(int argc, char **argv)
{
	struct creating creating = { .program = cut_program(&argc, argv) };
	const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "max-msgs", required_argument, NULL, 'c' },
		{ "max-size", required_argument, NULL, 's' },
		{ "max-bytes", required_argument, NULL, 'b' },
		{ "share", required_argument, NULL, 'h' },
		{ "rendezvous", no_argument, &creating.kind, MBOX_RENDEZVOUS },
		{ "reserve", no_argument, &creating.kind, MBOX_RESERVE },
		{ "fixed", no_argument, &creating.kind, MBOX_FIXED },
		{ "by-tag", no_argument, &creating.kind, MBOX_BY_TAG },
		{ "by-sender", no_argument, &creating.kind, MBOX_BY_SENDER },
		{ "single", no_argument, &creating.kind, MBOX_SINGLE },
		{ "pair", no_argument, &creating.kind, MBOX_PAIR },
		{ "process-owned", no_argument, &creating.kind, MBOX_PROCESS },
		{ "files", no_argument, &creating.kind, MBOX_FILES },
		{ "inbox", no_argument, &creating.kind, MBOX_INBOX },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	const char *name;
	int code, fd;

	code = parse_options(argc, argv, "m:c:s:b:", options, take, &creating);
	if (!code)
		code = check_options(&creating.attr);
	if (!code)
		code = check_program(&creating);
	if (code)
		return code;
	if (argc > optind + 1)
		return wrong_usage("one mailbox at a time");
	name = argv[optind];
	set_defaults(&creating.attr);

	fd = create(name, &creating.attr);
	if (fd < 0)
		return refused(name, &creating.attr);
	return finish(fd, creating.json, creating.program);
}
