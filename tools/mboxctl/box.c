// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way to a mailbox: opening it, and doing one thing with it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "mboxctl.h"
#include "netlink.h"

bool device_failed(int oflag)
{
	static const struct words words[] = {
		{ ENOENT, "it does not exist; is the module loaded?" },
		{ ENODEV, "nobody serves it; is the module loaded?" },
		{ ENXIO, "nobody serves it; is the module loaded?" },
		{ 0, NULL }
	};
	int error = errno;
	int fd = open(MBOX_DEVICE, oflag | O_CLOEXEC);

	if (fd < 0) {
		fail(words, MBOX_DEVICE);
		return true;
	}
	close(fd);
	errno = error;
	return false;
}

/* Names never begin with a digit, ids always do. */
static int bind_box(const char *box, int oflag)
{
	uint64_t id;

	if (!isdigit((unsigned char)*box))
		return mbox_open(box, oflag);
	if (!read_digits(&box, &id) || *box) {
		errno = EINVAL;
		return -1;
	}
	return mbox_open_id(id, oflag);
}

int open_box(const char *box, int oflag, const struct words *words)
{
	int fd = bind_box(box, oflag | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EINVAL || errno == ENAMETOOLONG)
		return -wrong_usage("%s: neither a name nor an id", printable(box));
	if (!device_failed(oflag))
		fail(words, "%s", printable(box));
	return -FAILED;
}

int open_device(void)
{
	int fd = mbox_device();

	if (fd >= 0)
		return fd;
	if (!device_failed(O_RDONLY))
		fail(NULL, MBOX_DEVICE);
	return -FAILED;
}

bool is_full(const struct mbox_stat *stat)
{
	bool rendezvous = !stat->max_msgs && !stat->max_bytes;

	if (rendezvous || stat->kind & MBOX_CREATE_INBOX)
		return false;
	if (stat->max_msgs != MBOX_UNBOUNDED && stat->msgs >= stat->max_msgs)
		return true;
	return stat->max_bytes != MBOX_UNBOUNDED_BYTES &&
	       stat->bytes + stat->max_size > stat->max_bytes;
}

int parse_process(struct target *target, bool participant, const char *text)
{
	const char *option = participant ? "--participant" : "--pid";
	uint64_t most = participant ? UINT64_MAX : INT32_MAX;
	int how = participant ? MBOX_DIRECT | MBOX_PARTICIPANT : MBOX_DIRECT;

	if (target->how && target->how != how)
		return wrong_usage("--pid and --participant exclude each other");
	target->how = how;
	return parse_number(option, text, 1, most, &target->process);
}

int take_box(struct target *target, int argc, char **argv)
{
	if (target->how) {
		snprintf(target->words, sizeof(target->words), "%s %" PRIu64,
			 target->how & MBOX_PARTICIPANT ? "participant" : "process",
			 target->process);
		target->box = target->words;
		return 0;
	}
	if (optind == argc)
		return wrong_usage("to which mailbox, or process?");
	target->box = argv[optind++];
	return 0;
}

static const struct words box_words[] = {
	{ EACCES, "no right to send to it" },
	{ EPERM, "another process has the sending end" },
	{ 0, NULL }
};

static const struct words process_words[] = {
	{ EACCES, "you may not signal it, and it has not opened its inbox to you" },
	{ EIDRM, "the process has ended" },
	{ EPERM, "you may not signal it, and it has not opened its inbox to you" },
	{ 0, NULL }
};

/* Bound to the inbox: so whoever gets the pid later does not get the message. */
int open_target(const struct target *target)
{
	int fd;

	if (!target->how)
		return open_box(target->box, O_WRONLY, box_words);
	fd = mbox_open_inbox(target->process, O_WRONLY | O_CLOEXEC,
			     target->how & MBOX_PARTICIPANT);
	if (fd >= 0)
		return fd;
	if (!device_failed(O_WRONLY))
		fail(process_words, "%s", target->box);
	return -FAILED;
}

int open_own_inbox(struct inbox *inbox)
{
	struct mbox_clock clock;
	int fd = mbox_open_inbox(0, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0) {
		if (!device_failed(O_RDONLY))
			fail(process_words, "the inbox");
		return -FAILED;
	}
	if (mbox_getclock(fd, &clock)) {
		close(fd);
		return -fail(process_words, "the inbox");
	}
	inbox->pid = getpid();
	inbox->participant = clock.participant;
	return fd;
}

static struct words *add_words(struct words *to, const struct words *from)
{
	for (; from->text; from++)
		*to++ = *from;
	*to = *from;
	return to;
}

void choose_words(struct words words[SEND_WORDS], const struct words *more,
		  const struct target *target, const struct mbox_stat *stat, bool meets)
{
	bool fixed = stat->kind & MBOX_CREATE_FIXED;
	const struct words of_box[] = {
		{ EAGAIN, meets ? "nobody waits to receive it" : "there is no room" },
		{ ETIMEDOUT, meets ? "nobody received it in time" : "there was no room in time" },
		{ EMSGSIZE, fixed ? "the message is not exactly as large as its max_size"
				  : "the message is larger than its max_size" },
		{ EXFULL, "your messages take up the share of it that one user may have" },
		{ ENOBUFS, "it holds as much as the limits of the system allow" },
		{ 0, NULL }
	};

	words = add_words(words, more);
	words = add_words(words, target->how ? process_words : box_words);
	add_words(words, of_box);
}

int do_with_box(const char *box, const struct words *words,
		int (*deed)(int fd, const void *data), const void *data)
{
	int code = DONE;
	int fd = open_box(box, O_RDONLY, words);

	if (fd < 0)
		return -fd;
	if (deed(fd, data))
		code = fail(words, "%s", printable(box));
	close(fd);
	return code;
}

int do_with_boxes(char **boxes, const struct words *words,
		  int (*deed)(int fd, const void *data), const void *data)
{
	int code, result = DONE;

	for (; *boxes; boxes++) {
		code = do_with_box(*boxes, words, deed, data);
		if (code)
			result = code;
	}
	return result;
}

int find_box(struct netlink *netlink, const char *box, struct netlink_box *answer)
{
	static const struct words words[] = {
		{ EACCES, "no right to it" },
		{ ENODEV, "the module has gone" },
		{ 0, NULL }
	};

	if (!netlink_get(netlink, box, answer))
		return DONE;
	if (errno == EINVAL || errno == ENAMETOOLONG)
		return wrong_usage("%s: neither a name nor an id", printable(box));
	return fail(words, "%s", printable(box));
}
