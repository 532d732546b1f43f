// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl create: a new mailbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
	if (attr->max_msgs > info->limit_msgs)
		return wrong_usage("-c %u: the limit is %u", attr->max_msgs, info->limit_msgs);
	if (attr->max_size > info->limit_size)
		return wrong_usage("-s %u: the limit is %u", attr->max_size, info->limit_size);
	if (attr->max_bytes > info->limit_bytes)
		return wrong_usage("-b %" PRIu64 ": the limit is %" PRIu64,
				   attr->max_bytes, (uint64_t)info->limit_bytes);
	if (attr->max_bytes && attr->max_bytes < attr->max_size)
		return wrong_usage("-b %" PRIu64 ": it holds not even one message of %u bytes",
				   attr->max_bytes, attr->max_size);
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
	bool json;
};

static int take(int option, void *data)
{
	struct creating *creating = data;
	struct mbox_attr *attr = &creating->attr;
	uint64_t number;
	int code;

	switch (option) {
	case 'm':
		return parse_mode(optarg, &attr->mode);
	case 'c':
		code = parse_number("-c", optarg, 1, UINT32_MAX, &number);
		attr->max_msgs = number;
		return code;
	case 's':
		code = parse_size("-s", optarg, 0, UINT32_MAX, &number);
		attr->max_size = number;
		attr->flags = number ? 0 : MBOX_EMPTY_ONLY;
		return code;
	case 'b':
		return parse_size("-b", optarg, 1, UINT64_MAX, &attr->max_bytes);
	default:
		creating->json = true;
		return 0;
	}
}

int cmd_create(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "max-msgs", required_argument, NULL, 'c' },
		{ "max-size", required_argument, NULL, 's' },
		{ "max-bytes", required_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	/* This process ends at once, so it is its user who must have the rights. */
	struct creating creating = {
		.attr = { .mode = 0600, .max_msgs = 64, .max_size = 4096 },
	};
	const char *name;
	int code, fd;

	code = parse_options(argc, argv, "m:c:s:b:", options, take, &creating);
	if (code)
		return code;
	if (argc > optind + 1)
		return wrong_usage("one mailbox at a time");
	name = argv[optind];

	/* The mode is what the user says, as with mkfifo -m. */
	umask(0);
	fd = mbox_create(name, &creating.attr, O_CLOEXEC);
	if (fd < 0)
		return refused(name, &creating.attr);
	return report(fd, creating.json);
}
