// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way to a mailbox: opening it, and doing one thing with it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mboxctl.h"

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

void read_granted(int fd, struct granted *granted)
{
	int count = mbox_grants(fd, granted->list, MBOX_GRANTS_MAX);

	granted->count = count > 0 ? count : 0;
}
