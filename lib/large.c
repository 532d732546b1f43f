// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages of any size. What is short is copied by the kernel, like every message;
 * what is long is written to memory that is a file, sealed, and sent as that file.
 *
 * The receiver does not trust the sender. It looks at memory only that
 *
 *   - nobody can change or truncate any more: sealed against writing and shrinking,
 *     which the kernel grants only when nobody maps it for writing, and for good;
 *   - is ordinary memory, all of it there: a page that is missing would be made at the
 *     receiver's expense when it is touched, and where there is none left (huge pages,
 *     a file system with a limit) to touch it is SIGBUS.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "internal.h"

/* What has up to so many bytes is copied if it fits: the largest that an inbox takes. */
#define COPIED_MAX	((size_t)65536)

#define HUGE_PAGE	((size_t)2 << 20)

/* Since Linux 6.3; without it that kernel complains. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SAFE_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* @state of struct mbox_large. */
enum {
	NONE,
	COPIED,		/* @data is from malloc() */
	MAPPED,		/* @size bytes are mapped at @data, as in those that follow */
	FILLING,	/* the caller writes to them; @file is their file */
	FINAL,		/* nobody here writes to them any more */
	SEALED,		/* nor anybody else */
};

void mbox_large_free(struct mbox_large *large)
{
	int error = errno;

	if (large->state == COPIED)
		free(large->data);
	if (large->state >= MAPPED)
		munmap(large->data, large->size);
	if (large->state >= FILLING)
		close_quietly(large->file);
	*large = (struct mbox_large) { 0 };
	errno = error;
}

/*
 * To send.
 */

static int new_memory(void)
{
	static const char name[] = "mbox";
	static unsigned int noexec = MFD_NOEXEC_SEAL;
	unsigned int flags = __atomic_load_n(&noexec, __ATOMIC_RELAXED);
	int before = errno;
	int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (file >= 0 || errno != EINVAL || !flags)
		return file;
	__atomic_store_n(&noexec, 0, __ATOMIC_RELAXED);
	errno = before;
	return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static int seal(int file)
{
	return fcntl(file, F_ADD_SEALS, SAFE_SEALS | F_SEAL_SEAL);
}

/* A thread that were cancelled here would leave the memory behind. */
static ssize_t write_some(int file, const char *buf, size_t len)
{
	ssize_t written;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	written = write(file, buf, len);
	pthread_setcancelstate(state, &state);
	return written;
}

static int write_all(int file, const char *buf, size_t len)
{
	ssize_t written;

	while (len) {
		written = write_some(file, buf, len);
		if (written < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		buf += written;
		len -= written;
	}
	return 0;
}

static int check_options(const struct mbox_send_options *options)
{
	return options->flags & MBOX_SHARED || options->nr_files >= MBOX_FILES_MAX ||
	       (options->nr_files && !options->files) ? invalid() : 0;
}

/* The message itself is empty: what is meant is the file, and its size. */
static int send_file(int fd, int file, const struct mbox_send_options *options)
{
	struct mbox_send_options shared = *options;
	int files[MBOX_FILES_MAX] = { file };

	if (options->nr_files)
		memcpy(files + 1, options->files, options->nr_files * sizeof(*files));
	shared.files = files;
	shared.nr_files = options->nr_files + 1;
	shared.flags |= MBOX_SHARED;
	return mbox_send_with(fd, NULL, 0, &shared);
}

static int share(int fd, const void *buf, size_t len, const struct mbox_send_options *options)
{
	int file = new_memory();
	int result;

	if (file < 0)
		return -1;
	result = write_all(file, buf, len) || seal(file) ? -1 : send_file(fd, file, options);
	close_quietly(file);
	return result;
}

/* What is short is better copied, if it fits; what is long may have to be. */
static int copy_or_share(int fd, const void *buf, size_t len,
			 const struct mbox_send_options *options)
{
	if (len > COPIED_MAX) {
		if (!share(fd, buf, len, options))
			return 0;
		/* It takes no files, but it may take messages of that size. */
		return errno == EOPNOTSUPP ? mbox_send_with(fd, buf, len, options) : -1;
	}
	if (!mbox_send_with(fd, buf, len, options))
		return 0;
	if (errno != EMSGSIZE)
		return -1;
	if (!share(fd, buf, len, options))
		return 0;
	return errno == EOPNOTSUPP ? fail(EMSGSIZE) : -1;
}

int mbox_send_large(int fd, const void *buf, size_t len,
		    const struct mbox_send_options *options)
{
	static const struct mbox_send_options defaults;
	int before = errno;

	if (!options)
		options = &defaults;
	if (check_options(options) || copy_or_share(fd, buf, len, options))
		return -1;
	errno = before;
	return 0;
}

/*
 * To hand memory over takes the kernel some 700 instructions for each page, and some 8,000
 * for a huge one, which is as much as 512. Whether there are such the system decides; what is
 * smaller gets none.
 */
static void advise_huge_pages(void *data, size_t len)
{
	int before = errno;

	if (len < HUGE_PAGE)
		return;
	/* A kernel that was built without them refuses. */
	madvise(data, len & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
	errno = before;
}

/* All of it is there from the beginning: a hole would be refused. */
static void *map_to_fill(int file, size_t len)
{
	void *data;

	if (ftruncate(file, len))
		return NULL;
	data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (data == MAP_FAILED)
		return NULL;
	advise_huge_pages(data, len);
	if (!madvise(data, len, MADV_POPULATE_WRITE))
		return data;
	munmap(data, len);
	return NULL;
}

int mbox_large_alloc(struct mbox_large *large, size_t len)
{
	void *data;
	int file;

	mbox_large_free(large);
	if (!len || len > PTRDIFF_MAX)
		return invalid();
	file = new_memory();
	if (file < 0)
		return -1;
	data = map_to_fill(file, len);
	if (!data) {
		close_quietly(file);
		return -1;
	}
	*large = (struct mbox_large) {
		.data = data,
		.len = len,
		.size = len,
		.file = file,
		.state = FILLING,
	};
	return 0;
}

/* A mapping that can be written to stands against the seal. */
static int stop_filling(struct mbox_large *large)
{
	void *data;

	if (large->len > large->size)
		return invalid();
	data = mmap(NULL, large->len, PROT_READ, MAP_PRIVATE, large->file, 0);
	if (data == MAP_FAILED)
		return -1;
	if (ftruncate(large->file, large->len)) {
		munmap(data, large->len);
		return -1;
	}
	/* Else Linux 6.1 finds of each page that it is in use: 700 instructions. */
	madvise(large->data, large->size, MADV_SEQUENTIAL);
	munmap(large->data, large->size);
	large->data = data;
	large->size = large->len;
	large->state = FINAL;
	return 0;
}

int mbox_large_seal(struct mbox_large *large)
{
	if (large->state < FILLING)
		return invalid();
	if (large->state == FILLING && stop_filling(large))
		return -1;
	large->len = large->size;
	if (large->state == FINAL) {
		if (seal(large->file))
			return -1;
		large->state = SEALED;
	}
	return large->file;
}

int mbox_send_filled(int fd, struct mbox_large *large,
		     const struct mbox_send_options *options)
{
	static const struct mbox_send_options defaults;
	int file;

	if (!options)
		options = &defaults;
	if (check_options(options))
		return -1;
	file = mbox_large_seal(large);
	if (file < 0 || send_file(fd, file, options))
		return -1;
	mbox_large_free(large);
	return 0;
}

/*
 * To receive.
 */

static int check_memory(int file, off_t *size)
{
	int seals = fcntl(file, F_GET_SEALS);
	struct statfs statfs;
	struct stat stat;

	if (seals < 0)
		return errno == EBADF ? -1 : fail(EBADMSG);
	/* Only then the size is what it will be. */
	if ((seals & SAFE_SEALS) != SAFE_SEALS)
		return fail(EBADMSG);
	if (fstat(file, &stat) || fstatfs(file, &statfs))
		return -1;
	if (!S_ISREG(stat.st_mode) || statfs.f_type != TMPFS_MAGIC)
		return fail(EBADMSG);
	if (stat.st_size && lseek(file, 0, SEEK_HOLE) != stat.st_size)
		return fail(EBADMSG);
	*size = stat.st_size;
	return 0;
}

int mbox_large_map(struct mbox_large *large, int file)
{
	off_t size;
	void *data;

	mbox_large_free(large);
	if (check_memory(file, &size))
		return -1;
	if (!size)
		return 0;
	if ((uintmax_t)size > PTRDIFF_MAX)
		return fail(ENOMEM);
	/* A shared mapping of what is sealed is refused by some kernels. */
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
	if (data == MAP_FAILED)
		return errno == ENOMEM ? -1 : fail(EBADMSG);
	*large = (struct mbox_large) {
		.data = data,
		.len = size,
		.size = size,
		.state = MAPPED,
	};
	return 0;
}

/* @large gets a buffer that is long enough, and the message, if that is not shared. */
static int receive(int fd, struct mbox_recv *recv, struct mbox_large *large,
		   const struct mbox_recv_options *options)
{
	size_t size = COPIED_MAX;
	int before = errno;
	void *buf;

	for (;;) {
		buf = realloc(large->data, size);
		if (!buf)
			return -1;
		large->data = buf;
		large->state = COPIED;
		*recv = (struct mbox_recv) { .buf = (uintptr_t)buf, .size = size };
		if (!mbox_internal_receive(fd, recv, options))
			break;
		/* Or it has too many files. */
		if (errno != EMSGSIZE || recv->len <= size)
			return -1;
		if (recv->len > PTRDIFF_MAX)
			return fail(ENOMEM);
		size = recv->len;
	}
	large->len = recv->len;
	/* What is given back cannot fail to be, but may not be 0. */
	buf = realloc(large->data, large->len ? large->len : 1);
	if (buf)
		large->data = buf;
	errno = before;
	return 0;
}

static int map_first(const struct mbox_recv *recv, struct mbox_large *large, const int *files)
{
	if (recv->got & MBOX_GOT_FILES_LOST)
		return fail(EOWNERDEAD);
	if (!recv->nr_files)
		return fail(EBADMSG);
	if (files[0] < 0)
		return fail(-files[0]);
	return mbox_large_map(large, files[0]);
}

static void close_all(const int *files, unsigned int nr)
{
	while (nr--)
		if (files[nr] >= 0)
			close_quietly(files[nr]);
}

int mbox_recv_large(int fd, struct mbox_large *large, struct mbox_envelope *envelope,
		    const struct mbox_recv_options *options)
{
	struct mbox_recv_options all = { 0 };
	int files[MBOX_FILES_MAX + 1];
	unsigned int wanted, first = 0;
	struct mbox_recv recv = { 0 };
	int error = 0;

	mbox_large_free(large);
	if (options)
		all = *options;
	if (all.flags & (MBOX_TRUNCATE | MBOX_PEEK) || all.nr_files > MBOX_FILES_MAX ||
	    (all.nr_files && !all.files))
		return invalid();
	wanted = all.nr_files;
	if (!all.files)
		all.nr_files = MBOX_FILES_MAX;
	all.files = files;

	if (receive(fd, &recv, large, &all)) {
		error = errno;
		mbox_large_free(large);
		mbox_internal_envelope(envelope, &recv, error);
		return fail(error);
	}
	files[all.nr_files] = -1;
	if (recv.got & MBOX_GOT_SHARED) {
		error = map_first(&recv, large, files) ? errno : 0;
		if (files[0] >= 0)
			close_quietly(files[0]);
		files[0] = -1;
		if (recv.nr_files) {
			first = 1;
			recv.nr_files--;
		}
		recv.len = large->len;
	}
	if (error || !wanted) {
		close_all(files, all.nr_files);
		if (recv.nr_files)
			recv.got |= MBOX_GOT_FILES_LOST;
		recv.nr_files = 0;
	} else {
		memcpy(options->files, files + first, wanted * sizeof(*files));
	}
	mbox_internal_envelope(envelope, &recv, 0);
	if (!error)
		return 0;
	mbox_large_free(large);
	return fail(error);
}
