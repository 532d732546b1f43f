// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message: its bytes arrive as they were sent, it says who sent it in the
 * receiver's terms, and its memory is the sender's expense.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define MOST	458729	/* bytes; the largest of those that take turns */

FIXTURE(content) {
	int fd;
};

FIXTURE_VARIANT(content) {
	uint32_t len;
	uint64_t flags;
};

#define CONTENT_OF(name, _len) FIXTURE_VARIANT_ADD(content, of_##name) { .len = _len }

CONTENT_OF(no_byte, 0);
CONTENT_OF(a_byte, 1);
CONTENT_OF(a_word, 8);
CONTENT_OF(an_odd_number, 191);
CONTENT_OF(almost_a_page, PAGE - 64);
CONTENT_OF(a_page_less_a_byte, PAGE - 1);
CONTENT_OF(a_page, PAGE);
CONTENT_OF(a_page_and_a_byte, PAGE + 1);
CONTENT_OF(two_pages, 2 * PAGE);
CONTENT_OF(pages_less_a_byte, 16 * PAGE - 1);
CONTENT_OF(more_than_kmalloc_likes, 33 * PAGE + 7);
CONTENT_OF(a_mebibyte_less_a_byte, 256 * PAGE - 1);
CONTENT_OF(a_mebibyte, 256 * PAGE);

/* Where the kernel puts it: see kmod/payload.h. */
CONTENT_OF(what_is_in_one_place, 928);
CONTENT_OF(a_byte_more_than_is_in_one_place, 929);
CONTENT_OF(the_smallest_piece, 32 + 1016);
CONTENT_OF(a_byte_more_than_the_smallest_piece, 32 + 1016 + 1);
CONTENT_OF(the_largest_piece_but_one, 32 + 32760);
CONTENT_OF(a_byte_more_than_the_largest_piece_but_one, 32 + 32760 + 1);
CONTENT_OF(the_largest_piece, 32 + 65528);
CONTENT_OF(a_byte_more_than_the_largest_piece, 32 + 65528 + 1);
CONTENT_OF(two_pieces, 32 + 2 * 65528);
CONTENT_OF(a_byte_more_than_two_pieces, 32 + 2 * 65528 + 1);
CONTENT_OF(pieces_that_a_spare_has_room_for, 32 + 7 * 65528);
CONTENT_OF(more_pieces_than_a_spare_has_room_for, 32 + 7 * 65528 + 1);

#define CONTENT_IN(name, _flags, _len)					\
	FIXTURE_VARIANT_ADD(content, name) { .len = _len, .flags = _flags }

CONTENT_IN(of_a_page_with_a_tag, MBOX_CREATE_BY_TAG, PAGE);
CONTENT_IN(of_pages_with_a_tag, MBOX_CREATE_BY_TAG, 16 * PAGE + 1);
CONTENT_IN(of_a_page_in_reserve, MBOX_CREATE_RESERVE, PAGE);
CONTENT_IN(of_pages_in_reserve, MBOX_CREATE_RESERVE, 16 * PAGE + 1);

FIXTURE_SETUP(content)
{
	struct mbox_create attr = attributes(4, variant->len);

	begin();
	attr.flags |= variant->flags;
	if (attr.flags & MBOX_CREATE_RESERVE)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = mailbox(attr);
}

FIXTURE_TEARDOWN(content)
{
	sweep();
}

/* Bytes without a period that a page or a word could hide. */
static void fill(unsigned char *buf, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761U + 1;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = x >> 24;
	}
}

/* Both buffers end at a hole, so that nothing more is read or written. */
TEST_F(content, arrives_as_it_was_sent)
{
	unsigned char *out = before_a_hole(variant->len), *in = before_a_hole(variant->len);
	struct mbox_recv env;

	fill(out, variant->len, 1);
	memset(in, POISON, variant->len);
	ASSERT_EQ(0, send_bytes(self->fd, 0, out, variant->len, 0, 0, 0));
	EXPECT_EQ(variant->len, state(self->fd, 0).bytes);
	ASSERT_EQ(0, receive_into(self->fd, 0, in, variant->len, 0, 0, &env));
	EXPECT_EQ(variant->len, env.len);
	EXPECT_EQ(0, memcmp(out, in, variant->len));
	EXPECT_EQ(0, state(self->fd, 0).bytes);
}

TEST_F(content, is_that_of_the_moment_of_sending)
{
	unsigned char *buf = before_a_hole(variant->len), *in = before_a_hole(variant->len);
	struct mbox_recv env;
	int i;

	for (i = 0; i < 3; i++) {
		fill(buf, variant->len, i);
		ASSERT_EQ(0, send_bytes(self->fd, 0, buf, variant->len, 0, 0, 0));
	}
	for (i = 0; i < 3; i++) {
		fill(buf, variant->len, i);
		memset(in, POISON, variant->len);
		ASSERT_EQ(0, receive_into(self->fd, 0, in, variant->len, 0, 0, &env));
		EXPECT_EQ(0, memcmp(buf, in, variant->len));
	}
}

/* Through a descriptor that is not bound goes what takes the short way else. */
TEST_F(content, arrives_by_id)
{
	unsigned char *out = before_a_hole(variant->len), *in = before_a_hole(variant->len);
	uint64_t id = state(self->fd, 0).id;
	int fd = device(O_RDWR);
	struct mbox_recv env;

	fill(out, variant->len, 4);
	memset(in, POISON, variant->len);
	ASSERT_EQ(0, send_bytes(fd, id, out, variant->len, 0, 0, 0));
	ASSERT_EQ(0, receive_into(fd, id, in, variant->len, 0, 0, &env));
	EXPECT_EQ(variant->len, env.len);
	EXPECT_EQ(0, memcmp(out, in, variant->len));
}

TEST_F(content, arrives_by_write_and_read)
{
	unsigned char *out = before_a_hole(variant->len), *in = before_a_hole(variant->len);

	if (!variant->len)
		return;
	fill(out, variant->len, 5);
	memset(in, POISON, variant->len);
	ASSERT_EQ(variant->len, write(self->fd, out, variant->len));
	ASSERT_EQ(variant->len, read(self->fd, in, variant->len));
	EXPECT_EQ(0, memcmp(out, in, variant->len));
}

TEST_F(content, can_be_seen_in_part)
{
	const uint32_t parts[] = {
		0, 1, 31, 32, 33, 928, 929, 65560, 65561, variant->len / 2, variant->len,
	};
	unsigned char *out = before_a_hole(variant->len), *in;
	struct mbox_recv env;
	unsigned int i;

	fill(out, variant->len, 6);
	ASSERT_EQ(0, send_bytes(self->fd, 0, out, variant->len, 0, 0, 0));
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i] > variant->len)
			continue;
		in = before_a_hole(parts[i]);
		memset(in, POISON, parts[i]);
		ASSERT_EQ(0, receive_into(self->fd, 0, in, parts[i],
					  MBOX_RECV_PEEK | MBOX_RECV_TRUNCATE, 0, &env));
		EXPECT_EQ(variant->len, env.len);
		EXPECT_EQ(0, memcmp(out, in, parts[i]));
	}
}

/* Bound, and by id. */
TEST_F(content, that_cannot_be_copied_to_its_end_stays)
{
	unsigned char *out = before_a_hole(variant->len), *in = before_a_hole(variant->len);
	uint64_t ids[] = { 0, state(self->fd, 0).id };
	int fds[] = { self->fd, device(O_RDWR) };
	struct mbox_recv env;
	unsigned int i;

	if (!variant->len)
		return;
	fill(out, variant->len, 7);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(EFAULT, send_bytes(fds[i], ids[i], out + 1, variant->len, 0, 0, 0));
		EXPECT_EQ(0, state(self->fd, 0).msgs);
		ASSERT_EQ(0, send_bytes(fds[i], ids[i], out, variant->len, 0, 0, 0));
		EXPECT_EQ(EFAULT, receive_into(fds[i], ids[i], in + 1, variant->len, 0, 0, &env));
		EXPECT_EQ(1, state(self->fd, 0).msgs);
		memset(in, POISON, variant->len);
		ASSERT_EQ(0, receive_into(fds[i], ids[i], in, variant->len, 0, 0, &env));
		EXPECT_EQ(0, memcmp(out, in, variant->len));
	}
}

/* A message of that size goes and comes; behind it there is nothing. */
static void pass(struct __test_metadata *_metadata, int fd, uint32_t len, uint32_t seed)
{
	static unsigned char *from, *to;
	unsigned char *out, *in;
	struct mbox_recv env;

	from = from ?: before_a_hole(MOST);
	to = to ?: before_a_hole(MOST);
	out = from + MOST - len;
	in = to + MOST - len;
	fill(out, len, seed);
	memset(in, POISON, len);
	ASSERT_EQ(0, send_bytes(fd, 0, out, len, 0, 0, 0));
	ASSERT_EQ(0, receive_into(fd, 0, in, len, 0, 0, &env));
	ASSERT_EQ(len, env.len);
	ASSERT_EQ(0, memcmp(out, in, len));
}

/* Of all kinds, in turns: each finds the memory of the one before. */
TEST(messages_of_all_sizes_take_turns)
{
	static const uint32_t sizes[] = {
		65536, 0, 64, 1000, 16, 4096, 96, 97, 458728, 17, 458729, 65536, 928, 33000, 929,
	};
	unsigned int i;
	int fd;

	begin();
	fd = mailbox(attributes(4, MOST));
	for (i = 0; i < 4 * sizeof(sizes) / sizeof(sizes[0]); i++)
		pass(_metadata, fd, sizes[i * 4 % (sizeof(sizes) / sizeof(sizes[0]))], i);
	sweep();
}

/* Each after each; of those from 97 to 4,096 bytes on the memory is kept whole. */
TEST(messages_of_similar_sizes_take_turns)
{
	static const uint32_t sizes[] = {
		16, 96, 97, 160, 161, 416, 417, 928, 929, 1048, 1049, 2072, 2073, 4096, 4097,
	};
	const unsigned int nr = sizeof(sizes) / sizeof(sizes[0]);
	unsigned int i, k;
	int fd;

	begin();
	fd = mailbox(attributes(4, MOST));
	for (i = 0; i < nr; i++)
		for (k = 0; k < nr; k++) {
			pass(_metadata, fd, sizes[i], i);
			pass(_metadata, fd, sizes[k], nr + k);
		}
	sweep();
}

TEST_F(content, is_no_longer_than_the_mailbox_allows)
{
	unsigned char *buf = before_a_hole(variant->len + 1);

	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, 0, buf, variant->len + 1, 0, 0, 0));
	EXPECT_EQ(0, state(self->fd, 0).sent);
}

FIXTURE(sender) {
	int fd;
	struct letter *letter;
};

FIXTURE_SETUP(sender)
{
	struct mbox_create attr = attributes(4, 8);

	begin();
	attr.mode = 0666;
	self->fd = mailbox(attr);
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(sender)
{
	sweep();
}

TEST_F(sender, is_told_by_its_effective_user_and_group)
{
	pid_t child = spawn();

	if (!child) {
		NEED(!setresgid(2001, 2002, 2003));
		NEED(!setresuid(1001, 1002, 1003));
		_exit(post(self->fd, 0, "a", 0));
	}
	ASSERT_EQ(0, join(child));
	/* The sender has ended, and was who it was. */
	ASSERT_EQ(0, fetch(self->fd, 0, self->letter));
	EXPECT_EQ(child, self->letter->env.pid);
	EXPECT_EQ(1002, self->letter->env.uid);
	EXPECT_EQ(2002, self->letter->env.gid);
}

TEST_F(sender, is_told_as_it_was_when_it_sent)
{
	ASSERT_EQ(0, setresuid(-1, 1001, -1));
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, setresuid(-1, 0, -1));
	ASSERT_EQ(0, fetch(self->fd, 0, self->letter));
	EXPECT_EQ(getpid(), self->letter->env.pid);
	EXPECT_EQ(1001, self->letter->env.uid);
	EXPECT_EQ(0, self->letter->env.gid);
}

static void *post_from_thread(void *data)
{
	NEED(getpid() != (pid_t)syscall(SYS_gettid));
	NEED(!post(*(int *)data, 0, "a", 0));
	return NULL;
}

TEST_F(sender, is_the_process_and_not_the_thread)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, post_from_thread, &self->fd));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, fetch(self->fd, 0, self->letter));
	EXPECT_EQ(getpid(), self->letter->env.pid);
}

TEST_F(sender, is_told_to_a_receiver_that_waits)
{
	pid_t receiver = spawn_receiver(self->fd, 0, self->letter);

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, setresuid(-1, 1001, -1));
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, setresuid(-1, 0, -1));
	ASSERT_EQ(0, join(receiver));
	EXPECT_EQ(getpid(), self->letter->env.pid);
	EXPECT_EQ(1001, self->letter->env.uid);
}

/*
 * A child as the first process of a new pid namespace. For whoever calls, its
 * number is *@pid.
 */
static pid_t spawn_in_pid_namespace(pid_t *pid)
{
	pid_t outer = spawn(), inner;

	if (outer)
		return outer;
	NEED(!unshare(CLONE_NEWPID));
	inner = fork();
	NEED(inner >= 0);
	if (inner) {
		*pid = inner;
		_exit(join(inner));
	}
	NEED(getpid() == 1);
	return 0;
}

TEST_F(sender, in_a_pid_namespace_is_told_by_its_number_outside)
{
	pid_t *pid = shared(sizeof(*pid)), child = spawn_in_pid_namespace(pid);

	if (!child) {
		NEED(!post(self->fd, 0, "a", 0));
		NEED(!fetch(self->fd, 0, self->letter));
		NEED(self->letter->env.pid == 1);
		_exit(post(self->fd, 0, "b", 0));
	}
	ASSERT_EQ(0, join(child));
	ASSERT_EQ(0, fetch(self->fd, 0, self->letter));
	EXPECT_NE(1, self->letter->env.pid);
	EXPECT_EQ(*pid, self->letter->env.pid);
}

TEST_F(sender, outside_the_pid_namespace_of_the_receiver_has_no_number)
{
	pid_t *pid = shared(sizeof(*pid)), child;

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	child = spawn_in_pid_namespace(pid);
	if (!child) {
		NEED(state(self->fd, 0).pid == 0);
		_exit(fetch(self->fd, 0, self->letter));
	}
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(0, self->letter->env.pid);
	EXPECT_EQ(0, self->letter->env.uid);
}

TEST_F(sender, is_told_in_terms_of_the_user_namespace_of_the_receiver)
{
	pid_t child;
	struct mbox_stat *stat = shared(sizeof(*stat));

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, setresgid(-1, 2001, -1));
	ASSERT_EQ(0, setresuid(-1, 1001, -1));
	ASSERT_EQ(0, post(self->fd, 0, "b", 0));
	ASSERT_EQ(0, setresuid(-1, 0, -1));
	ASSERT_EQ(0, setresgid(-1, 0, -1));
	child = spawn();
	if (!child) {
		become(1001, 2001);
		become_root_of_a_user_namespace();
		*stat = state(self->fd, 0);
		NEED(!fetch(self->fd, 0, &self->letter[0]));
		NEED(self->letter->env.uid == 65534 && self->letter->env.gid == 65534);
		_exit(fetch(self->fd, 0, self->letter));
	}
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(getpid(), self->letter->env.pid);
	EXPECT_EQ(0, self->letter->env.uid);
	EXPECT_EQ(0, self->letter->env.gid);
	EXPECT_EQ(65534, stat->uid);
	EXPECT_EQ(65534, stat->gid);
	EXPECT_EQ(getpid(), stat->pid);
}

TEST_F(sender, in_another_user_namespace_is_told_in_terms_of_the_receiver)
{
	pid_t child = spawn();

	if (!child) {
		become(1001, 2001);
		become_root_of_a_user_namespace();
		NEED(geteuid() == 0);
		_exit(post(self->fd, 0, "a", 0));
	}
	ASSERT_EQ(0, join(child));
	ASSERT_EQ(0, fetch(self->fd, 0, self->letter));
	EXPECT_EQ(child, self->letter->env.pid);
	EXPECT_EQ(1001, self->letter->env.uid);
	EXPECT_EQ(2001, self->letter->env.gid);
}

#define CGROUPS	"/sys/fs/cgroup"
#define CGROUP	CGROUPS "/mbox-selftest"
#define LARGE	(1U << 20)

/* A memory cgroup of 8 MiB, and a mailbox that may hold 64. */
FIXTURE(cgroup) {
	int fd;
	bool missing;
};

static bool has_word(const char *path, const char *word)
{
	char text[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	NEED(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	return strstr(text, word);
}

/* KASAN keeps memory that is freed from being used again, and so charged, for a while. */
static bool is_kept_when_freed(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[256];
	bool found = false;

	NEED(symbols);
	while (!found && fgets(line, sizeof(line), symbols))
		found = strstr(line, " kasan_quarantine_put\n");
	fclose(symbols);
	return found;
}

FIXTURE_SETUP(cgroup)
{
	begin();
	self->fd = mailbox(attributes(64, LARGE));
	self->missing = !has_word(CGROUPS "/cgroup.controllers", "memory");
	if (self->missing)
		return;
	ASSERT_EQ(0, put_file(CGROUPS "/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, put_file(CGROUP "/memory.max", "8388608"));
}

FIXTURE_TEARDOWN(cgroup)
{
	sweep();
	if (self->missing)
		return;
	/* What was charged to it may hold it for a moment. */
	WAIT_UNTIL(!rmdir(CGROUP));
	put_file(CGROUPS "/cgroup.subtree_control", "-memory");
}

/*
 * A child inside. All memory that it will need it has already, charged to where
 * it comes from: what else it asked for would be refused by killing it.
 */
static pid_t spawn_inside(void)
{
	pid_t child = spawn();

	if (!child) {
		NEED(!mlockall(MCL_CURRENT));
		NEED(!put_file(CGROUP "/cgroup.procs", "0"));
	}
	return child;
}

static int send_large(int fd)
{
	static char text[LARGE];

	return send_bytes(fd, 0, text, sizeof(text), 0, MBOX_SEND_NONBLOCK, 0);
}

TEST_F(cgroup, without_memory_tells_the_sender_and_kills_nobody)
{
	unsigned int *sent = shared(sizeof(*sent));
	struct mbox_stat stat;
	pid_t child;

	if (self->missing)
		SKIP(return, "no memory controller in " CGROUPS);
	child = spawn_inside();
	if (!child) {
		int error;

		while (!(error = send_large(self->fd)))
			++*sent;
		NEED(send_large(self->fd) == error);
		_exit(error);
	}
	EXPECT_EQ(ENOMEM, join(child));
	EXPECT_LT(0, *sent);
	EXPECT_GT(8, *sent);
	EXPECT_TRUE(has_word(CGROUP "/memory.events", "oom_kill 0"));
	/* What it sent is there, what was refused is not. */
	stat = state(self->fd, 0);
	EXPECT_EQ(*sent, stat.msgs);
	EXPECT_EQ(*sent, stat.sent);
	EXPECT_EQ((uint64_t)*sent * LARGE, stat.bytes);
	/* Others send as before. */
	EXPECT_EQ(0, send_large(self->fd));
}

TEST_F(cgroup, has_its_memory_back_when_the_messages_are_gone)
{
	static char buf[LARGE];
	pid_t child;

	if (self->missing)
		SKIP(return, "no memory controller in " CGROUPS);
	if (is_kept_when_freed())
		SKIP(return, "this kernel keeps what is freed for a while");
	memset(buf, POISON, sizeof(buf));
	child = spawn_inside();
	if (!child) {
		struct mbox_recv env;
		int i;

		/* Ten times what fits, received or dropped. */
		for (i = 0; i < 80; i++) {
			if (send_large(self->fd) == 0)
				continue;
			NEED(!receive_into(self->fd, 0, buf, sizeof(buf), 0, 0, &env));
			NEED(!receive_into(self->fd, 0, buf, sizeof(buf), 0, 0, &env));
			NEED(!send_large(self->fd));
		}
		NEED(!delete(self->fd, 0));
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	self->fd = mailbox(attributes(64, LARGE));
	child = spawn_inside();
	if (!child)
		_exit(send_large(self->fd));
	EXPECT_EQ(0, join(child));
	EXPECT_TRUE(has_word(CGROUP "/memory.events", "oom_kill 0"));
}

TEST_HARNESS_MAIN
