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

static const struct words words[] = {
	{ EEXIST, "the name is taken" },
	{ ENOSPC, "there are as many mailboxes as the limit allows" },
	{ 0, NULL }
};

static int parse_mode(const char *text, uint32_t *mode)
{
	char *end;
	unsigned long bits = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || bits & ~0666UL)
		return wrong_usage("-m %s: it takes octal bits of 0666", printable(text));
	*mode = bits ? bits : MBOX_MODE_NONE;
	return 0;
}

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
	return wrong_usage("%s: not a name; a name has 1 to 63 bytes, no blank, no control "
			   "character, no '/' and does not begin with a digit", label(name));
}

static int refused(const char *name, const struct mbox_attr *attr)
{
	struct mbox_info info;
	int fd;

	if (errno != EINVAL && errno != ENAMETOOLONG)
		return device_failed(O_RDWR) ? FAILED : fail(words, "%s", label(name));
	fd = open_device();
	if (fd < 0)
		return -fd;
	if (mbox_getinfo(fd, &info))
		return fail(NULL, MBOX_DEVICE);
	return explain(name, attr, &info);
}

static int report(int fd, bool json)
{
	struct mbox_stat stat;

	if (mbox_getstat(fd, &stat))
		return fail(NULL, "%s", label(NULL));
	if (json)
		json_stat(&stat);
	else
		printf("%" PRIu64, (uint64_t)stat.id);
	putchar('\n');
	return DONE;
}

struct creating {
	struct mbox_attr attr;
	/* The bit of the last option that has one. */
	int kind;
	bool json;
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

static int take(int option, void *data)
{
	struct creating *creating = data;
	struct mbox_attr *attr = &creating->attr;

	switch (option) {
	case 'm':
		return parse_mode(optarg, &attr->mode);
	case 'c':
		return parse_msgs(optarg, &attr->max_msgs);
	case 's':
		return parse_largest(optarg, attr);
	case 'b':
		return parse_bytes(optarg, &attr->max_bytes);
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
	if (attr->flags & MBOX_RESERVE && attr->max_bytes)
		return wrong_usage("--reserve takes -c and -s, but not -b");
	if (attr->flags & MBOX_RESERVE && attr->max_msgs == MBOX_UNBOUNDED)
		return wrong_usage("--reserve takes a number of messages");
	return 0;
}

/* What the library would do, so that explain() can speak of it. */
static void set_defaults(struct mbox_attr *attr)
{
	if (!attr->max_msgs && !(attr->flags & MBOX_RENDEZVOUS))
		attr->max_msgs = 64;
	if (!attr->max_size && !(attr->flags & MBOX_EMPTY_ONLY))
		attr->max_size = 4096;
}

int cmd_create(int argc, char **argv)
{
	/* This process ends at once, so it is its user who must have the rights. */
	struct creating creating = { .attr.mode = 0600 };
	const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "max-msgs", required_argument, NULL, 'c' },
		{ "max-size", required_argument, NULL, 's' },
		{ "max-bytes", required_argument, NULL, 'b' },
		{ "rendezvous", no_argument, &creating.kind, MBOX_RENDEZVOUS },
		{ "reserve", no_argument, &creating.kind, MBOX_RESERVE },
		{ "fixed", no_argument, &creating.kind, MBOX_FIXED },
		{ "by-tag", no_argument, &creating.kind, MBOX_BY_TAG },
		{ "by-sender", no_argument, &creating.kind, MBOX_BY_SENDER },
		{ "single", no_argument, &creating.kind, MBOX_SINGLE },
		{ "pair", no_argument, &creating.kind, MBOX_PAIR },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	const char *name;
	int code, fd;

	code = parse_options(argc, argv, "m:c:s:b:", options, take, &creating);
	if (!code)
		code = check_options(&creating.attr);
	if (code)
		return code;
	if (argc > optind + 1)
		return wrong_usage("one mailbox at a time");
	name = argv[optind];
	set_defaults(&creating.attr);

	/* The mode is what the user says, as with mkfifo -m. */
	umask(0);
	fd = mbox_create(name, &creating.attr, O_CLOEXEC);
	if (fd < 0)
		return refused(name, &creating.attr);
	return report(fd, creating.json);
}
