// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Large messages: what goes in comes out, whichever way it went; a receiver looks at
 * nothing that its sender could change, cut or leave out; and nothing leaks.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"
#include "puppet.h"

#include <dirent.h>
#include <mbox.h>
#include <sys/resource.h>

#define FILL(thing)	memset(&(thing), POISON, sizeof(thing))
#define MAX_SIZE	100000	/* more than what is copied by choice, 65536 */
#define SEALS		(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Of this process; the one of the directory itself does not count. */
static int open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int nr = -3;

	NEED(directory);
	while (readdir(directory))
		nr++;
	closedir(directory);
	return nr;
}

/* Mappings of memory files of the library; those of the tests have other names. */
static int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int nr = 0;

	NEED(maps);
	while (fgets(line, sizeof(line), maps))
		nr += !!strstr(line, "memfd:mbox");
	fclose(maps);
	return nr;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	NEED(!fstat(a, &one) && !fstat(b, &other));
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static bool is_none(const struct mbox_large *large)
{
	static const struct mbox_large none;

	return !memcmp(large, &none, sizeof(none));
}

static unsigned char byte_at(size_t i)
{
	return i * 31 + (i >> 12) * 7 + 1;
}

static unsigned char *pattern(size_t len)
{
	unsigned char *bytes = malloc(len + 1);
	size_t i;

	NEED(bytes);
	for (i = 0; i < len; i++)
		bytes[i] = byte_at(i);
	return bytes;
}

static bool has_pattern(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i] != byte_at(i))
			return false;
	return true;
}

static int make(uint32_t flags, uint32_t max_size)
{
	struct mbox_attr attr = {
		.flags = flags, .max_msgs = 4, .max_size = max_size, .mode = 0600,
	};
	int fd = mbox_create(NULL, &attr, O_CLOEXEC);

	NEED(fd >= 0);
	return fd;
}

static uint32_t queued(int fd)
{
	struct mbox_stat stat;

	NEED(!mbox_getstat(fd, &stat));
	return stat.msgs;
}

/* What comes, as the kernel has it: are the bytes in the message, or in a file? */
static uint32_t peeked(int fd, uint64_t *len)
{
	struct mbox_envelope envelope;

	FILL(envelope);
	NEED(mbox_recv(fd, NULL, 0, &envelope, MBOX_PEEK | MBOX_TRUNCATE, NULL) == 0);
	*len = envelope.len;
	return envelope.nr_files;
}

/*
 * Sizes, and what becomes of them in a mailbox that takes messages of up to MAX_SIZE
 * bytes, with files or without.
 */
FIXTURE(large) {
	int fd;
	int files;	/* open ones */
};

FIXTURE_VARIANT(large) {
	uint32_t flags;
	uint32_t max_size;
	size_t len;
	bool shared;
	int error;
};

#define WITH_FILES	.flags = MBOX_FILES, .max_size = MAX_SIZE

FIXTURE_VARIANT_ADD(large, of_no_bytes) {
	WITH_FILES, .len = 0,
};

FIXTURE_VARIANT_ADD(large, of_a_byte) {
	WITH_FILES, .len = 1,
};

FIXTURE_VARIANT_ADD(large, of_as_many_as_are_copied) {
	WITH_FILES, .len = 65536,
};

FIXTURE_VARIANT_ADD(large, of_one_more) {
	WITH_FILES, .len = 65537, .shared = true,
};

FIXTURE_VARIANT_ADD(large, of_more_than_fits) {
	WITH_FILES, .len = MAX_SIZE + 1, .shared = true,
};

FIXTURE_VARIANT_ADD(large, of_16_mib) {
	WITH_FILES, .len = 16 << 20, .shared = true,
};

FIXTURE_VARIANT_ADD(large, of_little_that_does_not_fit) {
	.flags = MBOX_FILES, .max_size = 8, .len = 9, .shared = true,
};

FIXTURE_VARIANT_ADD(large, into_a_mailbox_for_empty_messages) {
	.flags = MBOX_FILES | MBOX_EMPTY_ONLY, .len = 5, .shared = true,
};

FIXTURE_VARIANT_ADD(large, without_files_is_copied) {
	.max_size = MAX_SIZE, .len = MAX_SIZE,
};

FIXTURE_VARIANT_ADD(large, without_files_has_to_fit) {
	.max_size = MAX_SIZE, .len = MAX_SIZE + 1, .error = EMSGSIZE,
};

FIXTURE_VARIANT_ADD(large, of_little_without_files_has_to_fit) {
	.max_size = 8, .len = 9, .error = EMSGSIZE,
};

FIXTURE_VARIANT_ADD(large, of_another_size_than_the_fixed_one) {
	.flags = MBOX_FILES | MBOX_FIXED, .max_size = 8, .len = 9, .error = EMSGSIZE,
};

FIXTURE_SETUP(large)
{
	begin();
	self->fd = make(variant->flags, variant->max_size);
	self->files = open_files();
}

FIXTURE_TEARDOWN(large)
{
	sweep();
}

TEST_F(large, comes_out_as_it_went_in)
{
	unsigned char *bytes = pattern(variant->len);
	struct mbox_send_options options = { .flags = MBOX_NONBLOCK, .tag = 7, .prio = 5 };
	struct mbox_large large = { 0 };
	struct mbox_envelope envelope;
	uint64_t copied;

	ASSERT_EQ(variant->error,
		  error_of(mbox_send_large(self->fd, bytes, variant->len, &options)));
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(0, mappings());
	if (variant->error) {
		EXPECT_EQ(0, queued(self->fd));
		return;
	}
	EXPECT_EQ(variant->shared ? 1 : 0, peeked(self->fd, &copied));
	EXPECT_EQ(variant->shared ? 0 : variant->len, copied);
	/* It is the receiver's now, whatever becomes of the buffer. */
	memset(bytes, 0, variant->len);
	free(bytes);

	FILL(envelope);
	errno = 4711;
	ASSERT_EQ(0, mbox_recv_large(self->fd, &large, &envelope, NULL));
	EXPECT_EQ(4711, errno);
	ASSERT_EQ(variant->len, large.len);
	EXPECT_TRUE(has_pattern(large.data, large.len));
	EXPECT_EQ(variant->len, envelope.len);
	EXPECT_EQ(0, envelope.nr_files);
	EXPECT_EQ(variant->shared ? MBOX_GOT_SHARED : 0, envelope.got);
	EXPECT_EQ(7, envelope.tag);
	EXPECT_EQ(5, envelope.prio);
	EXPECT_EQ(getpid(), envelope.pid);
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(variant->shared ? 1 : 0, mappings());
	mbox_large_free(&large);
	EXPECT_TRUE(is_none(&large));
	EXPECT_EQ(0, mappings());
	mbox_large_free(&large);
	EXPECT_EQ(0, queued(self->fd));
}

/* The same, without an envelope and for a program that waits. */
TEST_F(large, wakes_whoever_waits)
{
	unsigned char *bytes = pattern(variant->len);
	struct mbox_large large = { 0 };
	pid_t child;

	if (variant->error)
		return;
	child = spawn();
	if (!child) {
		wait_for_receivers(self->fd, 0, 1);
		_exit(error_of(mbox_send_large(self->fd, bytes, variant->len, NULL)));
	}
	ASSERT_EQ(0, mbox_recv_large(self->fd, &large, NULL, NULL));
	EXPECT_EQ(variant->len, large.len);
	EXPECT_TRUE(has_pattern(large.data, large.len));
	EXPECT_EQ(0, join(child));
	mbox_large_free(&large);
}

/* One mailbox, and what goes beyond one message. */
FIXTURE(memory) {
	int fd;
	struct mbox_large large;
	int files;
};

FIXTURE_SETUP(memory)
{
	begin();
	self->fd = make(MBOX_FILES, 64);
	self->large = (struct mbox_large){ 0 };
	self->files = open_files();
}

FIXTURE_TEARDOWN(memory)
{
	sweep();
}

static void fill(struct mbox_large *large)
{
	unsigned char *bytes = large->data;
	size_t i;

	for (i = 0; i < large->len; i++)
		bytes[i] = byte_at(i);
}

TEST_F(memory, is_filled_in_place_and_gone_once_sent)
{
	const size_t len = 3 * PAGE + 5;

	errno = 4711;
	ASSERT_EQ(0, mbox_large_alloc(&self->large, len));
	ASSERT_EQ(len, self->large.len);
	for (size_t i = 0; i < len; i++)
		ASSERT_EQ(0, ((char *)self->large.data)[i]);
	fill(&self->large);
	ASSERT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
	EXPECT_EQ(4711, errno);
	EXPECT_TRUE(is_none(&self->large));
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(0, mappings());

	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	ASSERT_EQ(len, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, len));
	mbox_large_free(&self->large);
	EXPECT_EQ(0, mappings());
}

/* What was not touched is there, too. */
TEST_F(memory, may_be_sent_in_part_and_untouched)
{
	ASSERT_EQ(0, mbox_large_alloc(&self->large, 4 * PAGE));
	self->large.len = 2 * PAGE + 1;
	ASSERT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	ASSERT_EQ(2 * PAGE + 1, self->large.len);
	for (size_t i = 0; i < self->large.len; i++)
		ASSERT_EQ(0, ((char *)self->large.data)[i]);

	ASSERT_EQ(0, mbox_large_alloc(&self->large, PAGE));
	self->large.len = PAGE + 1;
	EXPECT_EQ(EINVAL, error_of(mbox_send_filled(self->fd, &self->large, NULL)));
	self->large.len = 0;
	EXPECT_EQ(EINVAL, error_of(mbox_send_filled(self->fd, &self->large, NULL)));
	self->large.len = PAGE;
	fill(&self->large);
	EXPECT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
	EXPECT_EQ(1, queued(self->fd));
}

/*
 * Memory of huge pages, where the system has them for those who ask.
 */

#define HUGE_PAGE	(2u << 20)
#define HUGE_PAGES	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* What it was, to be given to it again; NULL if there is no such thing. */
static const char *set_huge_pages(const char *value)
{
	static const char *const values[] = {
		"always", "within_size", "advise", "never", "deny", "force",
	};
	char text[128] = "", chosen[32];
	int file = open(HUGE_PAGES, O_RDONLY | O_CLOEXEC);
	const char *before = NULL;

	if (file < 0)
		return NULL;
	NEED(read(file, text, sizeof(text) - 1) > 0);
	close(file);
	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(chosen, sizeof(chosen), "[%s]", values[i]);
		if (strstr(text, chosen))
			before = values[i];
	}
	NEED(before && !put_file(HUGE_PAGES, value));
	return before;
}

/* KiB of all memory of the library that are mapped by huge pages. */
static unsigned long in_huge_pages(void)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long sum = 0, size;
	bool ours = false;
	char line[512];

	NEED(maps);
	while (fgets(line, sizeof(line), maps)) {
		/* Names of fields begin with capitals, addresses do not. */
		if (line[0] < 'A' || line[0] > 'Z')
			ours = strstr(line, "memfd:mbox");
		else if (ours && sscanf(line, "ShmemPmdMapped: %lu", &size) == 1)
			sum += size;
	}
	fclose(maps);
	return sum;
}

FIXTURE(huge)
{
	int fd;
	struct mbox_large large;
	const char *before;
};

FIXTURE_SETUP(huge)
{
	self->before = set_huge_pages("advise");
	if (!self->before)
		SKIP(return, "there are no huge pages in memory files");
	/* What other tests left behind may lie in between. */
	NEED(!put_file("/proc/sys/vm/compact_memory", "1"));
	self->fd = make(MBOX_FILES, 64);
	self->large = (struct mbox_large){ 0 };
}

FIXTURE_TEARDOWN(huge)
{
	if (self->before)
		set_huge_pages(self->before);
	sweep();
}

TEST_F(huge, pages_have_what_fills_them_and_no_more)
{
	const size_t len = 2 * HUGE_PAGE + PAGE + 5;

	ASSERT_EQ(0, mbox_large_alloc(&self->large, len));
	EXPECT_EQ(2 * HUGE_PAGE >> 10, in_huge_pages());
	fill(&self->large);
	ASSERT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
	EXPECT_EQ(0, mappings());
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	ASSERT_EQ(len, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, len));
	mbox_large_free(&self->large);

	ASSERT_EQ(0, mbox_large_alloc(&self->large, HUGE_PAGE - 1));
	EXPECT_EQ(0, in_huge_pages());
	mbox_large_free(&self->large);
	EXPECT_EQ(0, mappings());
}

/* A part of a page is sent: what is beyond it is not there any more. */
TEST_F(huge, pages_are_sent_in_part)
{
	const size_t len = HUGE_PAGE / 2 + 1;
	struct stat stat;
	int file;

	ASSERT_EQ(0, mbox_large_alloc(&self->large, HUGE_PAGE));
	fill(&self->large);
	self->large.len = len;
	file = mbox_large_seal(&self->large);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fstat(file, &stat));
	EXPECT_EQ(len, stat.st_size);
	ASSERT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	ASSERT_EQ(len, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, len));
	mbox_large_free(&self->large);
	EXPECT_EQ(0, mappings());
}

TEST_F(memory, that_was_not_sent_can_be_sent_again)
{
	struct mbox_send_options options = { .flags = MBOX_NONBLOCK };
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	ASSERT_EQ(0, mbox_large_alloc(&self->large, PAGE));
	fill(&self->large);
	EXPECT_EQ(EAGAIN, error_of(mbox_send_filled(self->fd, &self->large, &options)));
	EXPECT_EQ(PAGE, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, PAGE));
	EXPECT_EQ(EAGAIN, error_of(mbox_send_filled(self->fd, &self->large, &options)));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, mbox_recv(self->fd, &options, 1, NULL, 0, NULL));
	options.flags = MBOX_NONBLOCK;
	ASSERT_EQ(0, mbox_send_filled(self->fd, &self->large, &options));
	EXPECT_TRUE(is_none(&self->large));
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	EXPECT_TRUE(has_pattern(self->large.data, PAGE));
	mbox_large_free(&self->large);
	EXPECT_EQ(self->files, open_files());
}

TEST_F(memory, that_was_filled_can_be_freed_instead)
{
	ASSERT_EQ(0, mbox_large_alloc(&self->large, PAGE));
	EXPECT_EQ(self->files + 1, open_files());
	EXPECT_EQ(1, mappings());
	/* That takes the place of the one before. */
	ASSERT_EQ(0, mbox_large_alloc(&self->large, PAGE));
	EXPECT_EQ(self->files + 1, open_files());
	EXPECT_EQ(1, mappings());
	ASSERT_LE(0, mbox_large_seal(&self->large));
	EXPECT_EQ(1, mappings());
	errno = 4711;
	mbox_large_free(&self->large);
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(0, mappings());
}

TEST_F(memory, leaves_errno_unless_it_cannot_be_had)
{
	char *text = calloc(1, MAX_SIZE);

	NEED(text);
	errno = 4711;
	EXPECT_EQ(0, mbox_large_alloc(&self->large, HUGE_PAGE));
	EXPECT_LE(0, mbox_large_seal(&self->large));
	EXPECT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
	EXPECT_EQ(0, mbox_send_large(self->fd, text, MAX_SIZE, NULL));
	EXPECT_EQ(0, mbox_send_large(self->fd, text, 1, NULL));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	mbox_large_free(&self->large);
	EXPECT_EQ(4711, errno);
	free(text);
}

TEST_F(memory, that_cannot_be_had_leaves_nothing)
{
	struct rlimit none = { 0, 1024 }, before, room;

	EXPECT_EQ(EINVAL, error_of(mbox_large_alloc(&self->large, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_large_alloc(&self->large, SIZE_MAX)));
	/* In 32 bits that can be had, unless there is a limit. */
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &room));
	before = room;
	if (sizeof(size_t) == 4)
		room.rlim_cur = 1 << 30;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &room));
	EXPECT_NE(0, error_of(mbox_large_alloc(&self->large, PTRDIFF_MAX)));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &before));
	EXPECT_TRUE(is_none(&self->large));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(EMFILE, error_of(mbox_large_alloc(&self->large, PAGE)));
	EXPECT_EQ(EMFILE, error_of(mbox_send_large(self->fd, self, PAGE, NULL)));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	EXPECT_TRUE(is_none(&self->large));
	EXPECT_EQ(EFAULT, error_of(mbox_send_large(self->fd, unmapped(), PAGE, NULL)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_filled(self->fd, &self->large, NULL)));
	EXPECT_EQ(EINVAL, error_of(mbox_large_seal(&self->large)));
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(0, mappings());
	EXPECT_EQ(0, queued(self->fd));
}

/* A child that was forked before has the memory, too, and may write to it. */
TEST_F(memory, that_somebody_else_may_write_to_is_not_sent)
{
	pid_t child;

	ASSERT_EQ(0, mbox_large_alloc(&self->large, PAGE));
	fill(&self->large);
	child = spawn();
	if (!child)
		for (;;)
			pause();
	EXPECT_EQ(EBUSY, error_of(mbox_send_filled(self->fd, &self->large, NULL)));
	EXPECT_TRUE(has_pattern(self->large.data, PAGE));
	EXPECT_EQ(0, queued(self->fd));
	end(child);
	EXPECT_EQ(0, mbox_send_filled(self->fd, &self->large, NULL));
}

TEST_F(memory, is_sealed_once_and_shared_as_a_file)
{
	struct mbox_large other = { 0 };
	struct mbox_send_options send = { .flags = MBOX_SHARED, .nr_files = 1 };
	struct mbox_recv_options recv = { .nr_files = 1 };
	struct mbox_envelope envelope;
	int file, got = -1, i;

	ASSERT_EQ(0, mbox_large_alloc(&self->large, PAGE));
	fill(&self->large);
	file = mbox_large_seal(&self->large);
	ASSERT_LE(0, file);
	EXPECT_EQ(file, mbox_large_seal(&self->large));
	EXPECT_EQ(SEALS, fcntl(file, F_GET_SEALS) & SEALS);
	EXPECT_TRUE(fcntl(file, F_GET_SEALS) & F_SEAL_SEAL);
	EXPECT_EQ(FD_CLOEXEC, fcntl(file, F_GETFD));
	EXPECT_TRUE(has_pattern(self->large.data, PAGE));
	send.files = &file;
	recv.files = &got;
	/* To several, or several times. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, mbox_send_with(self->fd, NULL, 0, &send));
		ASSERT_EQ(0, mbox_recv_with(self->fd, NULL, 0, &envelope, &recv));
		EXPECT_EQ(MBOX_GOT_SHARED, envelope.got);
		ASSERT_EQ(0, mbox_large_map(&other, got));
		close(got);
		ASSERT_EQ(PAGE, other.len);
		EXPECT_TRUE(has_pattern(other.data, PAGE));
	}
	mbox_large_free(&other);
	mbox_large_free(&self->large);
	EXPECT_EQ(self->files, open_files());
}

TEST_F(memory, cannot_be_written_to_by_the_receiver)
{
	unsigned char *bytes = pattern(PAGE);
	pid_t child;

	ASSERT_EQ(0, mbox_send_large(self->fd, bytes, PAGE, NULL));
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	child = spawn();
	if (!child) {
		*(volatile char *)self->large.data = 'x';
		_exit(0);
	}
	EXPECT_EQ(-SIGSEGV, join(child));
}

TEST_F(memory, outlives_its_sender)
{
	unsigned char *bytes = pattern(5 * PAGE);
	pid_t child = spawn();

	if (!child)
		_exit(error_of(mbox_send_large(self->fd, bytes, 5 * PAGE, NULL)));
	ASSERT_EQ(0, join(child));
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
	ASSERT_EQ(5 * PAGE, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, 5 * PAGE));
}

/* Each receive frees what the one before brought. */
TEST_F(memory, is_reused_without_a_leak)
{
	unsigned char *bytes = pattern(PAGE);
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, mbox_send_large(self->fd, bytes, i % 2 ? PAGE : 3, NULL));
		ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, NULL));
		EXPECT_EQ(self->files, open_files());
		EXPECT_EQ(i % 2, mappings());
	}
}

TEST_F(memory, comes_with_other_files)
{
	int extra[2] = { memfd_create("one", 0), memfd_create("two", 0) }, got[4];
	struct mbox_send_options send = { .files = extra, .nr_files = 2 };
	struct mbox_recv_options recv = { .files = got, .nr_files = 3 };
	unsigned char *bytes = pattern(PAGE);
	struct mbox_envelope envelope;
	size_t len;

	/* Copied, and shared. */
	for (len = 3; len <= PAGE; len += PAGE - 3) {
		ASSERT_EQ(0, mbox_send_large(self->fd, bytes, len, &send));
		FILL(got);
		FILL(envelope);
		ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, &envelope, &recv));
		EXPECT_EQ(len, self->large.len);
		EXPECT_TRUE(has_pattern(self->large.data, len));
		EXPECT_EQ(2, envelope.nr_files);
		EXPECT_EQ(len, envelope.len);
		EXPECT_TRUE(same_file(extra[0], got[0]));
		EXPECT_TRUE(same_file(extra[1], got[1]));
		EXPECT_EQ(-1, got[2]);
		EXPECT_EQ(POISON, *(unsigned char *)&got[3]);
		close(got[0]);
		close(got[1]);
		EXPECT_EQ(self->files + 2, open_files());
	}
	/* The memory takes a place: two are not enough for it and two more. */
	ASSERT_EQ(0, mbox_send_large(self->fd, bytes, PAGE, &send));
	recv.nr_files = 2;
	EXPECT_EQ(EMSGSIZE, error_of(mbox_recv_large(self->fd, &self->large, &envelope, &recv)));
	EXPECT_EQ(3, envelope.nr_files);
	EXPECT_TRUE(is_none(&self->large));
	EXPECT_EQ(1, queued(self->fd));
	/* Whoever wants none gets the memory. */
	FILL(envelope);
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, &envelope, NULL));
	EXPECT_TRUE(has_pattern(self->large.data, PAGE));
	EXPECT_EQ(0, envelope.nr_files);
	EXPECT_EQ(MBOX_GOT_SHARED | MBOX_GOT_FILES_LOST, envelope.got);
	EXPECT_EQ(self->files + 2, open_files());
	/* The same of a message that was copied. */
	ASSERT_EQ(0, mbox_send_large(self->fd, bytes, 3, &send));
	FILL(envelope);
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, &envelope, NULL));
	EXPECT_EQ(0, envelope.nr_files);
	EXPECT_EQ(MBOX_GOT_FILES_LOST, envelope.got);
	EXPECT_EQ(self->files + 2, open_files());
}

TEST_F(memory, options_are_checked)
{
	int many[MBOX_FILES_MAX] = { 0 };
	struct mbox_send_options shared = { .flags = MBOX_SHARED };
	struct mbox_send_options full = { .files = many, .nr_files = MBOX_FILES_MAX };
	struct mbox_send_options nowhere = { .nr_files = 1 };
	struct mbox_recv_options recv[] = {
		{ .flags = MBOX_TRUNCATE }, { .flags = MBOX_PEEK }, { .nr_files = 1 },
		{ .files = many, .nr_files = MBOX_FILES_MAX + 1 }, { .reserved = { 1 } },
	};
	size_t i;

	EXPECT_EQ(EINVAL, error_of(mbox_send_large(self->fd, "x", 1, &shared)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_large(self->fd, "x", 1, &full)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_large(self->fd, "x", 1, &nowhere)));
	ASSERT_EQ(0, mbox_large_alloc(&self->large, 1));
	EXPECT_EQ(EINVAL, error_of(mbox_send_filled(self->fd, &self->large, &shared)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_filled(self->fd, &self->large, &full)));
	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	for (i = 0; i < sizeof(recv) / sizeof(recv[0]); i++)
		EXPECT_EQ(EINVAL, error_of(mbox_recv_large(self->fd, &self->large, NULL, &recv[i])));
	EXPECT_EQ(1, queued(self->fd));
}

TEST_F(memory, is_waited_for_as_long_as_asked)
{
	struct timespec past = { 0, 0 };
	struct mbox_recv_options options = { .flags = MBOX_NONBLOCK };
	struct mbox_envelope envelope;

	FILL(envelope);
	EXPECT_EQ(EAGAIN, error_of(mbox_recv_large(self->fd, &self->large, &envelope, &options)));
	options = (struct mbox_recv_options){ .deadline = &past };
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_recv_large(self->fd, &self->large, &envelope, &options)));
	EXPECT_TRUE(is_none(&self->large));
}

/* Sent by mbox_send(), larger than what is copied by choice. */
TEST_F(memory, need_not_be_shared)
{
	int fd = make(0, MAX_SIZE);
	unsigned char *bytes = pattern(MAX_SIZE);

	ASSERT_EQ(0, mbox_send(fd, bytes, MAX_SIZE, 0, 0, NULL));
	errno = 4711;
	ASSERT_EQ(0, mbox_recv_large(fd, &self->large, NULL, NULL));
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(MAX_SIZE, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, MAX_SIZE));
}

/* What came cannot be installed: the message is gone, and nothing leaks. */
TEST_F(memory, that_no_descriptor_is_left_for_is_lost)
{
	struct rlimit none = { 0, 1024 }, before;
	unsigned char *bytes = pattern(PAGE);
	struct mbox_envelope envelope;

	ASSERT_EQ(0, mbox_send_large(self->fd, bytes, PAGE, NULL));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	FILL(envelope);
	EXPECT_EQ(EMFILE, error_of(mbox_recv_large(self->fd, &self->large, &envelope, NULL)));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	EXPECT_EQ(getpid(), envelope.pid);
	EXPECT_TRUE(is_none(&self->large));
	EXPECT_EQ(0, queued(self->fd));
	EXPECT_EQ(self->files, open_files());
}

static void *send_and_receive_cancelled(void *arg)
{
	FIXTURE_DATA(memory) *self = arg;
	unsigned char *bytes = pattern(MAX_SIZE);

	NEED(!pthread_cancel(pthread_self()));
	NEED(!mbox_send_large(self->fd, bytes, MAX_SIZE, NULL));
	NEED(!mbox_recv_large(self->fd, &self->large, NULL, NULL));
	NEED(!mbox_large_alloc(&self->large, PAGE));
	NEED(!mbox_send_filled(self->fd, &self->large, NULL));
	NEED(!mbox_recv_large(self->fd, &self->large, NULL, NULL));
	mbox_large_free(&self->large);
	free(bytes);
	return self;
}

/* A thread that is to be cancelled is so elsewhere, and leaves nothing here. */
TEST_F(memory, is_no_place_to_be_cancelled)
{
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, send_and_receive_cancelled, self));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_TRUE(result == self);
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(0, mappings());
}

/* The owner ends, and with it the files of its mailbox. */
TEST_F(memory, is_lost_with_the_owner)
{
	struct mbox_attr attr = { .flags = MBOX_FILES, .mode = 0600 };
	unsigned char *bytes = pattern(MAX_SIZE);
	uint64_t *id = shared(sizeof(*id));
	struct mbox_stat stat;
	pid_t owner = spawn();
	int fd;

	if (!owner) {
		fd = mbox_create(NULL, &attr, 0);
		NEED(fd >= 0 && !mbox_getstat(fd, &stat));
		NEED(!mbox_send_large(fd, bytes, MAX_SIZE, NULL));
		*id = stat.id;
		_exit(0);
	}
	ASSERT_EQ(0, join(owner));
	fd = mbox_open_id(*id, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	/* That takes a moment longer. */
	WAIT_UNTIL(usage_of(fd, 0).ns_files == 0);
	EXPECT_EQ(EOWNERDEAD, error_of(mbox_recv_large(fd, &self->large, NULL, NULL)));
	EXPECT_TRUE(is_none(&self->large));
	EXPECT_EQ(EOWNERDEAD, error_of(mbox_send_large(fd, bytes, MAX_SIZE, NULL)));
	EXPECT_EQ(self->files + 1, open_files());
}

TEST_F(memory, goes_directly_to_a_process)
{
	struct mbox_recv_options recv = {
		.flags = MBOX_DIRECT | MBOX_MATCH, .match = getpid(),
	};
	struct mbox_send_options send = { .flags = MBOX_DIRECT };
	unsigned char *bytes = pattern(MAX_SIZE);
	int device = mbox_device();
	pid_t child = spawn();

	ASSERT_LE(0, device);
	if (!child) {
		NEED(!mbox_recv_large(device, &self->large, NULL, &recv));
		_exit(self->large.len != MAX_SIZE || !has_pattern(self->large.data, MAX_SIZE));
	}
	send.process = child;
	ASSERT_EQ(0, mbox_send_large(device, bytes, MAX_SIZE, &send));
	EXPECT_EQ(0, join(child));
}

/* A large request, and a large reply, by the parts that the library has for it. */
TEST_F(memory, goes_with_calls_and_replies)
{
	struct mbox_recv_options recv = { .flags = MBOX_TOKEN };
	struct mbox_reply_options reply = { .flags = MBOX_SHARED, .nr_files = 1 };
	struct mbox_call_options call = { .nr_reply_files = 1 };
	unsigned char *bytes = pattern(2 * PAGE);
	struct mbox_envelope envelope;
	pid_t server = spawn();
	int file = -1;

	if (!server) {
		NEED(!mbox_recv_large(self->fd, &self->large, &envelope, &recv));
		NEED(self->large.len == 3 && envelope.token);
		NEED(!mbox_large_alloc(&self->large, 2 * PAGE));
		memcpy(self->large.data, bytes, 2 * PAGE);
		file = mbox_large_seal(&self->large);
		reply.files = &file;
		_exit(error_of(mbox_reply_with(self->fd, envelope.token, NULL, 0, &reply)));
	}
	call.reply_files = &file;
	ASSERT_EQ(0, mbox_call_with(self->fd, "get", 3, NULL, 0, &envelope, &call));
	EXPECT_EQ(MBOX_GOT_SHARED, envelope.got);
	ASSERT_EQ(0, mbox_large_map(&self->large, file));
	EXPECT_EQ(2 * PAGE, self->large.len);
	EXPECT_TRUE(has_pattern(self->large.data, 2 * PAGE));
	EXPECT_EQ(0, join(server));
}

/*
 * What a sender that is up to no good shares. All of it is refused, in words that tell
 * it from everything else, and nothing is left.
 */
static int sealed(int file, int seals)
{
	NEED(file >= 0 && !fcntl(file, F_ADD_SEALS, seals));
	return file;
}

static int filled(unsigned int flags, size_t size)
{
	unsigned char *bytes = pattern(size);
	int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	NEED(file >= 0 && write(file, bytes, size) == (ssize_t)size);
	free(bytes);
	return file;
}

static int unsealed(void)
{
	return filled(0, PAGE);
}

static int not_to_be_sealed(void)
{
	int file = memfd_create("test", MFD_CLOEXEC);

	NEED(file >= 0 && !ftruncate(file, PAGE));
	return file;
}

static int that_can_be_written(void)
{
	return sealed(filled(0, PAGE), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* By a mapping from before. */
static int that_can_be_written_by_one(void)
{
	return sealed(filled(0, PAGE), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE |
				       F_SEAL_SEAL);
}

static int that_can_shrink(void)
{
	return sealed(filled(0, PAGE), F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

static int that_can_grow(void)
{
	return sealed(filled(0, PAGE), F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL);
}

static int with_a_hole(void)
{
	int file = filled(0, PAGE);

	NEED(pwrite(file, "x", 1, 2 * PAGE) == 1);
	return sealed(file, SEALS);
}

static int with_a_hole_and_more_than_its_size(void)
{
	int file = filled(0, PAGE);

	NEED(!fallocate(file, FALLOC_FL_KEEP_SIZE, 4 * PAGE, 16 * PAGE));
	NEED(!ftruncate(file, 2 * PAGE));
	return sealed(file, SEALS);
}

static int that_is_all_hole(void)
{
	int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	NEED(file >= 0 && !ftruncate(file, 1ULL << 40));
	return sealed(file, SEALS);
}

/* Of huge pages, of which none may be there when it is looked at. */
static int of_huge_pages(void)
{
	int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

	if (file < 0)
		return file;
	NEED(!ftruncate(file, 2 << 20));
	return sealed(file, SEALS);
}

static int for_writing_only(void)
{
	int file = sealed(filled(0, PAGE), SEALS), again;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	again = open(path, O_WRONLY | O_CLOEXEC);
	close(file);
	return again;
}

static int of_a_file_system(void)
{
	int file = open("/tmp/large_test", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	NEED(file >= 0 && !ftruncate(file, PAGE) && !unlink("/tmp/large_test"));
	return file;
}

static int of_a_device(void)
{
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int of_proc(void)
{
	return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

static int of_a_pipe(void)
{
	int ends[2];

	NEED(!pipe2(ends, O_CLOEXEC));
	close(ends[1]);
	return ends[0];
}

static int of_a_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int of_a_mailbox(void)
{
	return device(O_RDWR);
}

static int nothing(void)
{
	return -1;
}

FIXTURE(wrong) {
	int fd;
	struct mbox_large large;
	int files;
};

FIXTURE_VARIANT(wrong) {
	int (*file)(void);
};

#define WRONG(name) FIXTURE_VARIANT_ADD(wrong, name) { .file = name, }

WRONG(unsealed);
WRONG(not_to_be_sealed);
WRONG(that_can_be_written);
WRONG(that_can_be_written_by_one);
WRONG(that_can_shrink);
WRONG(that_can_grow);
WRONG(with_a_hole);
WRONG(with_a_hole_and_more_than_its_size);
WRONG(that_is_all_hole);
WRONG(of_huge_pages);
WRONG(for_writing_only);
WRONG(of_a_file_system);
WRONG(of_a_device);
WRONG(of_proc);
WRONG(of_a_pipe);
WRONG(of_a_directory);
WRONG(of_a_mailbox);
WRONG(nothing);

FIXTURE_SETUP(wrong)
{
	begin();
	self->fd = make(MBOX_FILES, 64);
	self->large = (struct mbox_large){ 0 };
	self->files = open_files();
}

FIXTURE_TEARDOWN(wrong)
{
	sweep();
}

TEST_F(wrong, memory_is_refused)
{
	int files[2] = { variant->file(), self->fd };
	struct mbox_send_options send = { .flags = MBOX_SHARED, .files = files, .nr_files = 2 };
	struct mbox_recv_options recv = { .flags = MBOX_NONBLOCK };
	struct mbox_envelope envelope;
	int got[3];

	if (files[0] < 0 && variant->file != nothing)
		SKIP(return, "there is no such memory here");
	if (variant->file == nothing)
		send = (struct mbox_send_options){ .flags = MBOX_SHARED };
	else
		EXPECT_EQ(EBADMSG, error_of(mbox_large_map(&self->large, files[0])));
	EXPECT_TRUE(is_none(&self->large));

	/* Into no files, and into some. */
	for (recv.nr_files = 0; recv.nr_files <= 3; recv.nr_files += 3) {
		recv.files = recv.nr_files ? got : NULL;
		ASSERT_EQ(0, mbox_send_with(self->fd, "", 0, &send));
		FILL(envelope);
		EXPECT_EQ(EBADMSG, error_of(mbox_recv_large(self->fd, &self->large, &envelope,
							    &recv)));
		EXPECT_TRUE(is_none(&self->large));
		EXPECT_EQ(getpid(), envelope.pid);
		EXPECT_EQ(0, envelope.nr_files);
		EXPECT_TRUE(envelope.got & MBOX_GOT_SHARED);
		EXPECT_EQ(0, queued(self->fd));
	}
	close(files[0]);
	EXPECT_EQ(self->files, open_files());
	EXPECT_EQ(0, mappings());
	/* It is out of the way of what comes next. */
	ASSERT_EQ(0, mbox_send_large(self->fd, "next", 4, NULL));
	ASSERT_EQ(0, mbox_recv_large(self->fd, &self->large, NULL, &recv));
	EXPECT_EQ(4, self->large.len);
}

/*
 * mboxctl recv, which shell scripts cannot send that to.
 */

static FILE *mboxctl_recv(const char *options, const int *fds, unsigned int nr)
{
	char command[128];
	int len = snprintf(command, sizeof(command), "exec mboxctl recv %s", options);
	unsigned int i;
	FILE *output;

	for (i = 0; i < nr; i++)
		len += snprintf(command + len, sizeof(command) - len, " %llu",
				(unsigned long long)state(fds[i], 0).id);
	output = popen(command, "r");
	NEED(output);
	return output;
}

TEST_F(memory, that_is_none_does_not_keep_mboxctl_from_the_next_message)
{
	struct mbox_send_options send = { .flags = MBOX_SHARED };
	char text[8] = "";
	FILE *output;

	ASSERT_EQ(0, mbox_send_with(self->fd, "", 0, &send));
	ASSERT_EQ(0, post(self->fd, 0, "next", 0));
	output = mboxctl_recv("-n -c 2", &self->fd, 1);
	EXPECT_EQ(4, fread(text, 1, sizeof(text), output));
	EXPECT_STREQ("next", text);
	EXPECT_EQ(1, WEXITSTATUS(pclose(output)));
}

TEST_F(memory, is_what_mboxctl_writes_when_one_of_several_mailboxes_is_left)
{
	const int fds[] = { mailbox(attributes(1, 1)), self->fd };
	char *bytes = (char *)pattern(MAX_SIZE), *copy = calloc(1, MAX_SIZE);
	FILE *output;

	NEED(copy);
	output = mboxctl_recv("-f", fds, 2);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, mbox_delete(fds[0]));
	ASSERT_EQ(0, mbox_send_large(self->fd, bytes, MAX_SIZE, NULL));
	EXPECT_EQ(MAX_SIZE, fread(copy, 1, MAX_SIZE, output));
	EXPECT_EQ(0, memcmp(bytes, copy, MAX_SIZE));
	ASSERT_EQ(0, mbox_delete(self->fd));
	pclose(output);
	free(copy);
	free(bytes);
}

TEST(memory_of_no_file_is_told_from_memory_that_is_wrong)
{
	struct mbox_large large = { 0 };

	EXPECT_EQ(EBADF, error_of(mbox_large_map(&large, -1)));
	EXPECT_TRUE(is_none(&large));
}

TEST(memory_of_no_bytes_is_a_message_of_no_bytes)
{
	int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct mbox_large large = { 0 };

	sealed(file, SEALS);
	EXPECT_EQ(0, mbox_large_map(&large, file));
	EXPECT_EQ(0, large.len);
	EXPECT_TRUE(is_none(&large));
	close(file);
}

TEST_HARNESS_MAIN
