// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Descriptors and the mailboxes they are bound to: make, open, delete.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "internal.h"

#define OFLAGS	(O_NONBLOCK | O_CLOEXEC)

/* NULL leaves @to empty, which the kernel takes for "no name". */
static int copy_name(__u8 to[MBOX_NAME_SIZE], const char *name)
{
	size_t len;

	if (!name)
		return 0;
	len = strnlen(name, MBOX_NAME_SIZE);
	if (len == 0)
		return invalid();
	if (len == MBOX_NAME_SIZE)
		return fail(ENAMETOOLONG);
	memcpy(to, name, len);
	return 0;
}

static int close_and_fail(int fd)
{
	close_quietly(fd);
	return -1;
}

/* That there is no device must not read as "no mailbox of that name". */
static int open_device(int flags)
{
	int fd = open(MBOX_DEVICE, flags);

	return fd < 0 && errno == ENOENT ? fail(ENODEV) : fd;
}

static int default_bytes(int fd, struct mbox_create *create)
{
	struct mbox_info info = { 0 };

	if (ioctl(fd, MBOX_IOC_INFO, &info))
		return -1;
	create->max_bytes = (uint64_t)create->max_msgs * create->max_size;
	if (create->max_bytes > info.limit_bytes)
		create->max_bytes = info.limit_bytes;
	if (create->max_bytes < create->max_size)
		create->max_bytes = create->max_size;
	return 0;
}

/* Those whose bits are the kernel's. */
#define KERNEL_FLAGS	(MBOX_FIXED | MBOX_RESERVE | MBOX_BY_TAG | MBOX_BY_SENDER | \
			 MBOX_SINGLE | MBOX_PAIR | MBOX_PROCESS | MBOX_FILES | MBOX_INBOX)
_Static_assert(KERNEL_FLAGS == (MBOX_CREATE_FIXED | MBOX_CREATE_RESERVE |
				MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER |
				MBOX_CREATE_SINGLE | MBOX_CREATE_PAIR |
				MBOX_CREATE_PROCESS | MBOX_CREATE_FILES |
				MBOX_CREATE_INBOX), "bits differ");

static int check_attr(const struct mbox_attr *attr)
{
	if (!is_zero(attr->reserved, sizeof(attr->reserved)))
		return invalid();
	if (attr->flags & ~(KERNEL_FLAGS | MBOX_RENDEZVOUS | MBOX_EMPTY_ONLY))
		return invalid();
	if ((attr->flags & MBOX_EMPTY_ONLY) && attr->max_size)
		return invalid();
	if ((attr->flags & MBOX_RENDEZVOUS) && (attr->max_msgs || attr->max_bytes))
		return invalid();
	return 0;
}

static void fill_create(struct mbox_create *create, const struct mbox_attr *attr)
{
	bool inbox = attr->flags & MBOX_INBOX;

	create->flags |= attr->flags & KERNEL_FLAGS;
	if (!(attr->flags & MBOX_RENDEZVOUS))
		create->max_msgs = attr->max_msgs ? attr->max_msgs : inbox ? MBOX_INBOX_MSGS : 64;
	if (!(attr->flags & MBOX_EMPTY_ONLY))
		create->max_size = attr->max_size ? attr->max_size : inbox ? MBOX_INBOX_SIZE : 4096;

	create->max_bytes = attr->max_bytes;
	if (!attr->max_bytes && create->max_msgs &&
	    (inbox || attr->flags & MBOX_RESERVE || attr->max_msgs == MBOX_UNBOUNDED))
		create->max_bytes = MBOX_UNBOUNDED_BYTES;

	create->mode = attr->mode || inbox ? attr->mode : 0200;
	if (attr->mode == MBOX_MODE_NONE)
		create->mode = 0;
	create->share = attr->share;
}

/* What is not said of an inbox: as the kernel makes one, no more than is allowed. */
static int limit_inbox(int fd, struct mbox_create *create, const struct mbox_attr *attr)
{
	struct mbox_info info = { 0 };

	if (ioctl(fd, MBOX_IOC_INFO, &info))
		return -1;
	if (!attr->max_msgs && create->max_msgs > info.limit_msgs)
		create->max_msgs = info.limit_msgs;
	if (!attr->max_size && create->max_size > info.limit_size)
		create->max_size = info.limit_size;
	return 0;
}

int mbox_create(const char *name, const struct mbox_attr *attr, int oflag)
{
	static const struct mbox_attr defaults;
	struct mbox_create create = { .flags = MBOX_CREATE_BIND };
	int fd;

	if (!attr)
		attr = &defaults;
	if (oflag & ~OFLAGS)
		return invalid();
	if (copy_name(create.name, name) || check_attr(attr))
		return -1;
	fill_create(&create, attr);

	fd = open_device(O_RDWR | oflag);
	if (fd < 0)
		return -1;
	if (attr->flags & MBOX_INBOX && limit_inbox(fd, &create, attr))
		return close_and_fail(fd);
	if (create.max_msgs && !create.max_bytes && default_bytes(fd, &create))
		return close_and_fail(fd);
	if (ioctl(fd, MBOX_IOC_CREATE, &create))
		return close_and_fail(fd);
	return fd;
}

static int open_bound(struct mbox_open *request, int oflag)
{
	int fd;

	if (oflag & ~(O_ACCMODE | OFLAGS))
		return invalid();
	if ((oflag & O_ACCMODE) == O_ACCMODE)
		return invalid();
	fd = open_device(oflag);
	if (fd < 0)
		return -1;
	if (ioctl(fd, MBOX_IOC_OPEN, request))
		return close_and_fail(fd);
	return fd;
}

int mbox_open(const char *name, int oflag)
{
	struct mbox_open request = { 0 };

	if (copy_name(request.name, name))
		return -1;
	return open_bound(&request, oflag);
}

int mbox_open_owned(const char *name, uid_t uid, int oflag)
{
	struct mbox_open request = { .flags = MBOX_OPEN_UID, .uid = uid };

	if (copy_name(request.name, name))
		return -1;
	return open_bound(&request, oflag);
}

int mbox_open_id(uint64_t id, int oflag)
{
	struct mbox_open request = { .id = id };

	return open_bound(&request, oflag);
}

int mbox_open_inbox(uint64_t process, int oflag, int flags)
{
	struct mbox_open request = { .flags = MBOX_OPEN_INBOX, .id = process };

	if (flags & ~(MBOX_PIDFD | MBOX_PARTICIPANT))
		return invalid();
	if (flags & MBOX_PIDFD)
		request.flags |= MBOX_OPEN_PIDFD;
	if (flags & MBOX_PARTICIPANT)
		request.flags |= MBOX_OPEN_PARTICIPANT;
	return open_bound(&request, oflag);
}

/* Who may not open it for writing can still look, choose and reply. */
int mbox_device(void)
{
	int before = errno;
	int fd = open_device(O_RDWR | O_CLOEXEC);

	if (fd >= 0 || errno != EACCES)
		return fd;
	fd = open_device(O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		errno = before;
	return fd;
}

int mbox_delete(int fd)
{
	struct mbox_delete request = { 0 };

	return ioctl(fd, MBOX_IOC_DELETE, &request);
}
