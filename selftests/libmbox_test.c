// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library: what lib/mbox.h promises beyond what the kernel does.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"
#include "puppet.h"

#include <dlfcn.h>
#include <mbox.h>
#include <sys/mount.h>

static struct mbox_stat stat_of(int fd)
{
	struct mbox_stat stat;

	memset(&stat, POISON, sizeof(stat));
	NEED(!mbox_getstat(fd, &stat));
	return stat;
}

/* The descriptor that the next open will get: the same if none has leaked. */
static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	NEED(fd >= 0);
	close(fd);
	return fd;
}

static bool all_bytes_are(const void *memory, unsigned char value, size_t size)
{
	const unsigned char *bytes = memory;

	while (size--)
		if (*bytes++ != value)
			return false;
	return true;
}

FIXTURE(create) {
	struct mbox_info info;
};

FIXTURE_SETUP(create)
{
	int fd = device(O_RDWR);

	begin();
	self->info = info(fd);
	close(fd);
}

FIXTURE_TEARDOWN(create)
{
	reset_tunables();
	sweep();
}

TEST_F(create, without_attributes_has_the_defaults)
{
	int fd = mbox_create("plain", NULL, 0);
	struct mbox_stat stat;

	ASSERT_LE(0, fd);
	stat = stat_of(fd);
	EXPECT_STREQ("plain", (char *)stat.name);
	EXPECT_EQ(64, stat.max_msgs);
	EXPECT_EQ(4096, stat.max_size);
	EXPECT_EQ(64 * 4096, stat.max_bytes);
	EXPECT_EQ(0200, stat.mode);
	EXPECT_EQ(getpid(), stat.pid);
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
}

TEST_F(create, without_a_name_has_none)
{
	struct mbox_attr attr = { 0 };
	struct mbox_stat stat;
	int fd = mbox_create(NULL, &attr, 0);

	ASSERT_LE(0, fd);
	stat = stat_of(fd);
	EXPECT_TRUE(all_bytes_are(stat.name, 0, sizeof(stat.name)));
	EXPECT_EQ(64, stat.max_msgs);
	EXPECT_EQ(4096, stat.max_size);
	EXPECT_EQ(64 * 4096, stat.max_bytes);
	EXPECT_EQ(0200, stat.mode);
}

TEST_F(create, takes_every_attribute)
{
	struct mbox_attr attr = {
		.max_msgs = 7,
		.max_size = 100,
		.max_bytes = 333,
		.mode = 0642,
		.share = 42,
	};
	int fd = mbox_create(NULL, &attr, 0);
	struct mbox_stat stat;

	ASSERT_LE(0, fd);
	stat = stat_of(fd);
	EXPECT_EQ(7, stat.max_msgs);
	EXPECT_EQ(100, stat.max_size);
	EXPECT_EQ(333, stat.max_bytes);
	EXPECT_EQ(0642, stat.mode);
	EXPECT_EQ(42, stat.share);
}

TEST_F(create, with_a_share_that_cannot_be_is_refused)
{
	struct mbox_attr attr = { .share = 101 };

	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &attr, 0)));
	attr = (struct mbox_attr) { .share = 100, .flags = MBOX_RENDEZVOUS };
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &attr, 0)));
}

TEST_F(create, has_a_reserve_that_must_be_0)
{
	struct mbox_attr attr = { 0 };

	for (size_t i = 0; i < sizeof(attr.reserved) / sizeof(attr.reserved[0]); i++) {
		attr.reserved[i] = 1;
		EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &attr, 0)));
		attr.reserved[i] = 0;
	}
	EXPECT_LE(0, mbox_create(NULL, &attr, 0));
}

TEST_F(create, multiplies_defaults_with_what_is_given)
{
	struct mbox_attr attr = { .max_msgs = 3 };
	int fd = mbox_create(NULL, &attr, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(3 * 4096, stat_of(fd).max_bytes);

	attr = (struct mbox_attr) { .max_size = 5 };
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(64 * 5, stat_of(fd).max_bytes);
}

TEST_F(create, never_asks_for_more_bytes_than_allowed)
{
	struct mbox_attr attr = {
		.max_msgs = self->info.limit_msgs,
		.max_size = self->info.limit_size,
	};
	int fd;

	/* Also, the product has more than 32 bits. */
	ASSERT_LT(UINT32_MAX, (uint64_t)attr.max_msgs * attr.max_size);
	ASSERT_LT(self->info.limit_bytes, (uint64_t)attr.max_msgs * attr.max_size);
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(self->info.limit_bytes, stat_of(fd).max_bytes);
}

TEST_F(create, for_empty_messages_only)
{
	struct mbox_attr attr = { .flags = MBOX_EMPTY_ONLY };
	int fd = mbox_create(NULL, &attr, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, stat_of(fd).max_size);
	EXPECT_EQ(0, stat_of(fd).max_bytes);
	EXPECT_EQ(EMSGSIZE, error_of(mbox_send(fd, "x", 1, 0, 0, NULL)));
	attr.mode = 0600;
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, mbox_send(fd, NULL, 0, 0, 0, NULL));
	EXPECT_EQ(0, mbox_recv(fd, NULL, 0, NULL, 0, NULL));

	attr.max_size = 1;
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &attr, 0)));
}

TEST_F(create, makes_an_inbox_as_the_kernel_does)
{
	struct mbox_attr attr = { .flags = MBOX_INBOX };
	struct mbox_stat stat;
	int fd = mbox_create(NULL, &attr, 0);

	ASSERT_LE(0, fd);
	stat = stat_of(fd);
	EXPECT_EQ(MBOX_INBOX_MSGS, stat.max_msgs);
	EXPECT_EQ(MBOX_INBOX_SIZE, stat.max_size);
	EXPECT_EQ(MBOX_UNBOUNDED_BYTES, stat.max_bytes);
	EXPECT_EQ(0, stat.mode);
	ASSERT_EQ(0, mbox_delete(fd));

	NEED(!set_tunable("max_msgs", 10) && !set_tunable("max_size", 32768));
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_LE(0, fd);
	stat = stat_of(fd);
	EXPECT_EQ(10, stat.max_msgs);
	EXPECT_EQ(32768, stat.max_size);
	EXPECT_EQ(MBOX_UNBOUNDED_BYTES, stat.max_bytes);
	ASSERT_EQ(0, mbox_delete(fd));

	/* What is said is not made less. */
	attr.max_msgs = 11;
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &attr, 0)));
	attr = (struct mbox_attr) { .flags = MBOX_INBOX, .max_size = 32769 };
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &attr, 0)));
	attr = (struct mbox_attr) { .flags = MBOX_INBOX, .max_msgs = 7, .max_size = 100 };
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(7, stat_of(fd).max_msgs);
	EXPECT_EQ(100, stat_of(fd).max_size);
}

TEST_F(create, rejects_unknown_flags)
{
	for (uint32_t known = MBOX_FIXED | MBOX_RESERVE | MBOX_BY_TAG | MBOX_BY_SENDER |
			      MBOX_SINGLE | MBOX_PAIR | MBOX_PROCESS | MBOX_FILES |
			      MBOX_INBOX | MBOX_RENDEZVOUS | MBOX_EMPTY_ONLY,
	     flag = 1; flag; flag <<= 1) {
		struct mbox_attr attr = { .flags = flag };

		EXPECT_EQ(known & flag ? 0 : EINVAL, error_of(mbox_create(NULL, &attr, 0)));
	}
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, NULL, O_APPEND)));
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, NULL, O_WRONLY)));
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, NULL, O_RDWR | O_CLOEXEC)));
}

TEST_F(create, passes_on_nonblock_and_cloexec)
{
	int fd = mbox_create(NULL, NULL, O_NONBLOCK);

	ASSERT_LE(0, fd);
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(EAGAIN, error_of(mbox_recv(fd, NULL, 0, NULL, 0, NULL)));

	fd = mbox_create(NULL, NULL, O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

/* What the attributes become, and what the library or the kernel refuses. */
FIXTURE(kind) {
};

FIXTURE_VARIANT(kind) {
	struct mbox_attr attr;
	int error;
	uint32_t max_msgs;
	uint64_t max_bytes;
};

FIXTURE_VARIANT_ADD(kind, rendezvous_holds_nothing) {
	.attr = { .flags = MBOX_RENDEZVOUS },
};

FIXTURE_VARIANT_ADD(kind, rendezvous_combines) {
	.attr = { .flags = MBOX_RENDEZVOUS | MBOX_FIXED | MBOX_BY_SENDER | MBOX_PAIR },
};

FIXTURE_VARIANT_ADD(kind, rendezvous_may_be_for_empty_messages) {
	.attr = { .flags = MBOX_RENDEZVOUS | MBOX_EMPTY_ONLY },
};

FIXTURE_VARIANT_ADD(kind, rendezvous_takes_no_messages) {
	.attr = { .flags = MBOX_RENDEZVOUS, .max_msgs = 1 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, rendezvous_takes_no_bytes) {
	.attr = { .flags = MBOX_RENDEZVOUS, .max_bytes = 4096 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, rendezvous_reserves_nothing) {
	.attr = { .flags = MBOX_RENDEZVOUS | MBOX_RESERVE },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, reserve_has_no_bound_in_bytes) {
	.attr = { .flags = MBOX_RESERVE },
	.max_msgs = 64,
	.max_bytes = MBOX_UNBOUNDED_BYTES,
};

FIXTURE_VARIANT_ADD(kind, reserve_combines) {
	.attr = { .flags = MBOX_RESERVE | MBOX_FIXED | MBOX_BY_TAG | MBOX_SINGLE, .max_msgs = 3 },
	.max_msgs = 3,
	.max_bytes = MBOX_UNBOUNDED_BYTES,
};

FIXTURE_VARIANT_ADD(kind, reserve_takes_no_bytes) {
	.attr = { .flags = MBOX_RESERVE, .max_bytes = 64 * 4096 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, reserve_is_bounded) {
	.attr = { .flags = MBOX_RESERVE, .max_msgs = MBOX_UNBOUNDED },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, unbounded_messages_make_unbounded_bytes) {
	.attr = { .max_msgs = MBOX_UNBOUNDED },
	.max_msgs = MBOX_UNBOUNDED,
	.max_bytes = MBOX_UNBOUNDED_BYTES,
};

FIXTURE_VARIANT_ADD(kind, unbounded_messages_go_with_bounded_bytes) {
	.attr = { .max_msgs = MBOX_UNBOUNDED, .max_bytes = 8192 },
	.max_msgs = MBOX_UNBOUNDED,
	.max_bytes = 8192,
};

FIXTURE_VARIANT_ADD(kind, unbounded_bytes_go_with_bounded_messages) {
	.attr = { .max_bytes = MBOX_UNBOUNDED_BYTES },
	.max_msgs = 64,
	.max_bytes = MBOX_UNBOUNDED_BYTES,
};

FIXTURE_VARIANT_ADD(kind, by_tag_and_by_sender_is_too_much) {
	.attr = { .flags = MBOX_BY_TAG | MBOX_BY_SENDER },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, single_and_pair_is_too_much) {
	.attr = { .flags = MBOX_SINGLE | MBOX_PAIR },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, process_owned_has_the_defaults) {
	.attr = { .flags = MBOX_PROCESS },
	.max_msgs = 64,
	.max_bytes = 64 * 4096,
};

FIXTURE_VARIANT_ADD(kind, process_owned_combines) {
	.attr = { .flags = MBOX_PROCESS | MBOX_RENDEZVOUS | MBOX_BY_TAG, .mode = 0222 },
};

FIXTURE_VARIANT_ADD(kind, process_owned_has_one_receiver) {
	.attr = { .flags = MBOX_PROCESS, .mode = 0600 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(kind, files_combine) {
	.attr = { .flags = MBOX_FILES | MBOX_PROCESS | MBOX_BY_TAG },
	.max_msgs = 64,
	.max_bytes = 64 * 4096,
};

FIXTURE_VARIANT_ADD(kind, inbox_is_neither_shared_nor_by_tag) {
	.attr = { .flags = MBOX_INBOX | MBOX_BY_TAG },
	.error = EINVAL,
};

FIXTURE_SETUP(kind)
{
	begin();
}

FIXTURE_TEARDOWN(kind)
{
	sweep();
}

TEST_F(kind, is_as_documented)
{
	const struct mbox_attr *attr = &variant->attr;
	int fd = mbox_create(NULL, attr, 0);
	struct mbox_stat stat;

	ASSERT_EQ(variant->error, error_of(fd));
	if (variant->error)
		return;
	stat = stat_of(fd);
	EXPECT_EQ(variant->max_msgs, stat.max_msgs);
	EXPECT_EQ(variant->max_bytes, stat.max_bytes);
	EXPECT_EQ(attr->flags & MBOX_EMPTY_ONLY ? 0 : 4096, stat.max_size);
	EXPECT_EQ(attr->flags & ~(MBOX_RENDEZVOUS | MBOX_EMPTY_ONLY), stat.kind);
	EXPECT_EQ(attr->mode ? attr->mode : 0200, stat.mode);
}

FIXTURE(mode) {
};

FIXTURE_VARIANT(mode) {
	uint32_t asked;
	mode_t mask;
	int error;
	uint32_t got;
};

FIXTURE_VARIANT_ADD(mode, of_0_is_0200) {
	.got = 0200,
};

FIXTURE_VARIANT_ADD(mode, none_is_no_bit) {
	.asked = MBOX_MODE_NONE,
};

FIXTURE_VARIANT_ADD(mode, loses_the_umask) {
	.asked = 0666,
	.mask = 026,
	.got = 0640,
};

FIXTURE_VARIANT_ADD(mode, none_is_with_nothing_else) {
	.asked = MBOX_MODE_NONE | 0200,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(mode, has_no_x) {
	.asked = 0700,
	.error = EINVAL,
};

FIXTURE_SETUP(mode)
{
	begin();
}

FIXTURE_TEARDOWN(mode)
{
	sweep();
}

TEST_F(mode, is_as_documented)
{
	struct mbox_attr attr = { .mode = variant->asked };
	int fd;

	umask(variant->mask);
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_EQ(variant->error, error_of(fd));
	if (!variant->error)
		EXPECT_EQ(variant->got, stat_of(fd).mode);
}

FIXTURE(mailbox) {
	int fd;
	uint64_t id;
	char long_name[MBOX_NAME_SIZE + 1];
};

FIXTURE_SETUP(mailbox)
{
	struct mbox_attr attr = { .max_msgs = 2, .max_size = 64, .mode = 0602 };

	begin();
	self->fd = mbox_create("here", &attr, 0);
	NEED(self->fd >= 0);
	self->id = stat_of(self->fd).id;
	memset(self->long_name, 'n', MBOX_NAME_SIZE);
}

FIXTURE_TEARDOWN(mailbox)
{
	sweep();
}

TEST_F(mailbox, opens_by_name_id_and_owner)
{
	int fd = mbox_open("here", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(self->id, stat_of(fd).id);
	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	EXPECT_EQ(0, fcntl(fd, F_GETFD));

	fd = mbox_open_id(self->id, O_WRONLY | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(self->id, stat_of(fd).id);
	EXPECT_EQ(O_WRONLY | O_NONBLOCK, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));

	fd = mbox_open_owned("here", geteuid(), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(self->id, stat_of(fd).id);
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

TEST_F(mailbox, may_have_a_name_of_63_bytes)
{
	int fd;

	self->long_name[MBOX_NAME_SIZE - 1] = '\0';
	fd = mbox_create(self->long_name, NULL, 0);
	ASSERT_LE(0, fd);
	EXPECT_STREQ(self->long_name, (char *)stat_of(fd).name);
	EXPECT_LE(0, mbox_open(self->long_name, O_RDONLY));
}

/* Each in its own words, and none leaves a descriptor open. */
TEST_F(mailbox, fails_to_open_without_a_trace)
{
	struct mbox_attr too_many = { .max_msgs = UINT32_MAX - 1 };
	int other = mbox_create(NULL, NULL, 0);
	int next = next_descriptor();
	uint64_t gone;

	ASSERT_LE(0, other);
	gone = stat_of(other).id;
	ASSERT_EQ(0, mbox_delete(other));

	EXPECT_EQ(EEXIST, error_of(mbox_create("here", NULL, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_create("", NULL, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_create("1st", NULL, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_create(NULL, &too_many, 0)));
	EXPECT_EQ(ENAMETOOLONG, error_of(mbox_create(self->long_name, NULL, 0)));

	EXPECT_EQ(ENOENT, error_of(mbox_open("nowhere", O_RDONLY)));
	EXPECT_EQ(EINVAL, error_of(mbox_open("", O_RDONLY)));
	EXPECT_EQ(EINVAL, error_of(mbox_open(NULL, O_RDONLY)));
	EXPECT_EQ(EINVAL, error_of(mbox_open("here", O_ACCMODE)));
	EXPECT_EQ(EINVAL, error_of(mbox_open("here", O_RDWR | O_CREAT)));
	EXPECT_EQ(ENAMETOOLONG, error_of(mbox_open(self->long_name, O_RDONLY)));

	EXPECT_EQ(ENOENT, error_of(mbox_open_owned("here", geteuid() + 1, O_RDONLY)));
	EXPECT_EQ(ENAMETOOLONG, error_of(mbox_open_owned(self->long_name, 0, O_RDONLY)));

	EXPECT_EQ(EINVAL, error_of(mbox_open_id(0, O_RDONLY)));
	EXPECT_EQ(EIDRM, error_of(mbox_open_id(gone, O_RDONLY)));
	EXPECT_EQ(ENOENT, error_of(mbox_open_id(gone + 1, O_RDONLY)));

	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(1, info(self->fd).mailboxes);
}

TEST_F(mailbox, open_tells_a_missing_device_from_a_missing_mailbox)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("none", "/dev", "tmpfs", 0, NULL));
	EXPECT_EQ(ENODEV, error_of(mbox_open("here", O_RDONLY)));
	EXPECT_EQ(ENODEV, error_of(mbox_open_id(1, O_RDONLY)));
	EXPECT_EQ(ENODEV, error_of(mbox_create("there", NULL, 0)));
	EXPECT_EQ(ENODEV, error_of(mbox_device()));
	ASSERT_EQ(0, umount("/dev"));
}

TEST_F(mailbox, delete_leaves_the_descriptor)
{
	struct mbox_stat stat;

	ASSERT_EQ(0, mbox_delete(self->fd));
	EXPECT_EQ(EIDRM, error_of(mbox_delete(self->fd)));
	EXPECT_EQ(EIDRM, error_of(mbox_getstat(self->fd, &stat)));
	EXPECT_EQ(EIDRM, error_of(mbox_send(self->fd, "x", 1, 0, 0, NULL)));
	EXPECT_EQ(EIDRM, error_of(mbox_recv(self->fd, NULL, 0, NULL, 0, NULL)));
	EXPECT_EQ(ENOENT, error_of(mbox_open("here", O_RDONLY)));
	EXPECT_EQ(0, close(self->fd));
}

TEST_F(mailbox, envelope_tells_all_of_a_message)
{
	uint64_t before = now();
	struct mbox_envelope envelope;
	char text[8] = "-------";
	pid_t child = spawn();

	if (!child) {
		NEED(!setegid(5678));
		NEED(!seteuid(1234));
		_exit(error_of(mbox_send(self->fd, "abc", 3, 9, 0, NULL)));
	}
	ASSERT_EQ(0, join(child));

	memset(&envelope, POISON, sizeof(envelope));
	ASSERT_EQ(3, mbox_recv(self->fd, text, sizeof(text), &envelope, 0, NULL));
	EXPECT_STREQ("abc----", text);
	EXPECT_EQ(3, envelope.len);
	EXPECT_EQ(1, envelope.seq);
	EXPECT_EQ(9, envelope.prio);
	EXPECT_EQ(child, envelope.pid);
	EXPECT_EQ(1234, envelope.uid);
	EXPECT_EQ(5678, envelope.gid);
	EXPECT_EQ(0, envelope.tag);
	EXPECT_EQ(self->id, envelope.from);
	EXPECT_EQ(0, envelope.owned);
	EXPECT_LT(0, envelope.stamp);
	EXPECT_LT(envelope.stamp, envelope.clock);
	EXPECT_LE(before, envelope.time);
	EXPECT_GE(now(), envelope.time);
	EXPECT_LT(UINT64_C(1000000000), envelope.realtime);
	EXPECT_LT(0, envelope.sender);
	EXPECT_EQ(0, envelope.token);
	EXPECT_EQ(child, envelope.tid);
	EXPECT_EQ(0, envelope.got);
	EXPECT_EQ(0, envelope.nr_files);
	EXPECT_TRUE(all_bytes_are(envelope.reserved, 0, sizeof(envelope.reserved)));
}

TEST_F(mailbox, message_that_is_too_long_tells_its_length_and_stays)
{
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send(self->fd, "abcdef", 6, 0, 0, NULL));
	memset(&envelope, POISON, sizeof(envelope));
	EXPECT_EQ(EMSGSIZE, error_of(mbox_recv(self->fd, text, 4, &envelope, 0, NULL)));
	EXPECT_EQ(6, envelope.len);
	EXPECT_EQ(self->id, envelope.from);
	EXPECT_TRUE(all_bytes_are(&envelope.seq, POISON, offsetof(struct mbox_envelope, from) -
				  offsetof(struct mbox_envelope, seq)));
	EXPECT_EQ(0, envelope.nr_files);
	EXPECT_TRUE(all_bytes_are(&envelope.owned, POISON,
				  offsetof(struct mbox_envelope, nr_files) -
				  offsetof(struct mbox_envelope, owned)));
	EXPECT_EQ(EMSGSIZE, error_of(mbox_recv(self->fd, text, 4, NULL, 0, NULL)));
	EXPECT_EQ(1, stat_of(self->fd).msgs);
}

TEST_F(mailbox, truncate_cuts_a_message_and_tells_its_length)
{
	struct mbox_envelope envelope;
	char text[6] = "-----";

	ASSERT_EQ(0, mbox_send(self->fd, "abcdef", 6, 0, 0, NULL));
	ASSERT_EQ(0, mbox_send(self->fd, "gh", 2, 0, 0, NULL));
	EXPECT_EQ(4, mbox_recv(self->fd, text, 4, &envelope, MBOX_TRUNCATE, NULL));
	EXPECT_STREQ("abcd-", text);
	EXPECT_EQ(6, envelope.len);
	EXPECT_EQ(2, mbox_recv(self->fd, text, 4, &envelope, MBOX_TRUNCATE, NULL));
	EXPECT_STREQ("ghcd-", text);
	EXPECT_EQ(2, envelope.len);
}

TEST_F(mailbox, failed_receive_leaves_the_envelope)
{
	struct mbox_envelope envelope;

	memset(&envelope, POISON, sizeof(envelope));
	EXPECT_EQ(EAGAIN, error_of(mbox_recv(self->fd, NULL, 0, &envelope, MBOX_NONBLOCK, NULL)));
	EXPECT_TRUE(all_bytes_are(&envelope, POISON, sizeof(envelope)));
}

TEST_F(mailbox, nonblock_flag_and_priority_reach_the_kernel)
{
	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, MBOX_PRIO_MAX, MBOX_NONBLOCK, NULL));
	ASSERT_EQ(0, mbox_send(self->fd, "y", 1, 0, MBOX_NONBLOCK, NULL));
	EXPECT_EQ(EAGAIN, error_of(mbox_send(self->fd, "z", 1, 0, MBOX_NONBLOCK, NULL)));
	EXPECT_EQ(EINVAL, error_of(mbox_send(self->fd, "z", 1, MBOX_PRIO_MAX + 1, 0, NULL)));
	EXPECT_EQ(2, stat_of(self->fd).sent);
}

/* A flag of the one call may have the number of another flag in the other. */
TEST_F(mailbox, unknown_flags_are_rejected)
{
	const int sends = MBOX_NONBLOCK | MBOX_SYNC;
	const int chooses = MBOX_NONBLOCK | MBOX_TRUNCATE | MBOX_LEAST | MBOX_ACCEPT |
			    MBOX_TOKEN;
	const int receives = chooses | MBOX_PEEK;
	char text[4];

	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	for (int bit = 0; bit < 32; bit++) {
		int flag = 1U << bit;
		struct mbox_send_options send = { .flags = flag };
		struct mbox_recv_options recv = { .flags = flag };

		if (!(flag & sends))
			EXPECT_EQ(EINVAL, error_of(mbox_send(self->fd, "x", 1, 0, flag, NULL)));
		if (!(flag & (sends | MBOX_SHARED | MBOX_DIRECT)))
			EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &send)));
		if (!(flag & receives))
			EXPECT_EQ(EINVAL, error_of(mbox_recv(self->fd, text, 4, NULL, flag, NULL)));
		if (!(flag & (receives | MBOX_MATCH | MBOX_DIRECT)))
			EXPECT_EQ(EINVAL, error_of(mbox_recv_with(self->fd, text, 4, NULL, &recv)));
		if (!(flag & chooses))
			EXPECT_EQ(EINVAL, error_of(mbox_choose(self->fd, &self->id, 1, text, 4,
							       NULL, flag, NULL)));
	}
	EXPECT_EQ(1, stat_of(self->fd).msgs);
	EXPECT_EQ(1, stat_of(self->fd).sent);
}

TEST_F(mailbox, options_have_a_reserve_that_must_be_0)
{
	struct mbox_send_options send = { 0 };
	struct mbox_recv_options recv = { 0 };
	char text[4];

	for (size_t i = 0; i < sizeof(send.reserved) / sizeof(send.reserved[0]); i++) {
		send.reserved[i] = 1;
		EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &send)));
		send.reserved[i] = 0;
	}
	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &send));
	for (size_t i = 0; i < sizeof(recv.reserved) / sizeof(recv.reserved[0]); i++) {
		recv.reserved[i] = 1;
		EXPECT_EQ(EINVAL, error_of(mbox_recv_with(self->fd, text, 4, NULL, &recv)));
		recv.reserved[i] = 0;
	}
	EXPECT_EQ(1, mbox_recv_with(self->fd, text, 4, NULL, &recv));
}

TEST_F(mailbox, options_may_be_null)
{
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, NULL));
	ASSERT_EQ(1, mbox_recv_with(self->fd, text, 4, &envelope, NULL));
	EXPECT_EQ(0, envelope.prio);
	EXPECT_EQ(0, envelope.tag);
}

TEST_F(mailbox, options_reach_the_message)
{
	struct mbox_send_options options = { .prio = 9, .tag = UINT64_MAX };
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &options));
	ASSERT_EQ(1, mbox_recv(self->fd, text, 4, &envelope, 0, NULL));
	EXPECT_EQ(9, envelope.prio);
	EXPECT_EQ(UINT64_MAX, envelope.tag);
}

/* Full or empty, so that each would have to wait. */
TEST_F(mailbox, options_bound_the_wait)
{
	struct timespec past = { 0, 0 }, wrong = { 0, -1 };
	struct mbox_send_options send = { .flags = MBOX_NONBLOCK };
	struct mbox_recv_options recv = { .flags = MBOX_NONBLOCK };
	char text[4];

	EXPECT_EQ(EAGAIN, error_of(mbox_recv_with(self->fd, text, 4, NULL, &recv)));
	recv = (struct mbox_recv_options){ .deadline = &past };
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_recv_with(self->fd, text, 4, NULL, &recv)));
	recv.deadline = &wrong;
	EXPECT_EQ(EINVAL, error_of(mbox_recv_with(self->fd, text, 4, NULL, &recv)));

	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	EXPECT_EQ(EAGAIN, error_of(mbox_send_with(self->fd, "x", 1, &send)));
	send = (struct mbox_send_options){ .deadline = &past };
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_send_with(self->fd, "x", 1, &send)));
	send.deadline = &wrong;
	EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &send)));
	send = (struct mbox_send_options){ .expires = &wrong };
	EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &send)));
}

TEST_F(mailbox, sync_tells_who_received)
{
	pid_t receiver = -1;
	struct mbox_send_options options = { .flags = MBOX_SYNC, .receiver = &receiver };
	pid_t child = spawn();
	char text[4];

	if (!child)
		_exit(error_of(mbox_recv(self->fd, text, 4, NULL, 0, NULL)));
	EXPECT_EQ(0, mbox_send_with(self->fd, "x", 1, &options));
	EXPECT_EQ(child, receiver);
	ASSERT_EQ(0, join(child));

	/* Nobody waits now, and the message is taken back. */
	receiver = -1;
	options.flags |= MBOX_NONBLOCK;
	EXPECT_EQ(EAGAIN, error_of(mbox_send_with(self->fd, "x", 1, &options)));
	EXPECT_EQ(EAGAIN, error_of(mbox_send(self->fd, "x", 1, 0, MBOX_SYNC | MBOX_NONBLOCK, NULL)));
	EXPECT_EQ(-1, receiver);
	EXPECT_EQ(0, stat_of(self->fd).msgs);

	options.flags = 0;
	EXPECT_EQ(0, mbox_send_with(self->fd, "x", 1, &options));
	EXPECT_EQ(0, receiver);
}

TEST_F(mailbox, message_disappears_when_it_expires)
{
	struct timespec end;
	struct mbox_send_options options = { .expires = mbox_deadline(&end, 20 * MSEC) };
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &options));
	WAIT_UNTIL(stat_of(self->fd).expired == 1);
	EXPECT_EQ(EAGAIN, error_of(mbox_recv(self->fd, text, 4, NULL, MBOX_NONBLOCK, NULL)));
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_send_with(self->fd, "x", 1, &options)));
}

TEST_F(mailbox, peek_looks_and_least_turns_the_order)
{
	struct mbox_recv_options second = { .flags = MBOX_PEEK, .nth = 1 };
	char text[2] = "";

	ASSERT_EQ(0, mbox_send(self->fd, "h", 1, 3, 0, NULL));
	ASSERT_EQ(0, mbox_send(self->fd, "l", 1, 2, 0, NULL));
	ASSERT_EQ(1, mbox_recv(self->fd, text, 1, NULL, MBOX_PEEK, NULL));
	EXPECT_STREQ("h", text);
	ASSERT_EQ(1, mbox_recv_with(self->fd, text, 1, NULL, &second));
	EXPECT_STREQ("l", text);
	second.nth = 2;
	EXPECT_EQ(EAGAIN, error_of(mbox_recv_with(self->fd, text, 1, NULL, &second)));
	second.flags = 0;
	EXPECT_EQ(EINVAL, error_of(mbox_recv_with(self->fd, text, 1, NULL, &second)));
	EXPECT_EQ(2, stat_of(self->fd).msgs);
	text[0] = '-';
	ASSERT_EQ(1, mbox_recv(self->fd, text, 1, NULL, MBOX_LEAST, NULL));
	EXPECT_STREQ("l", text);
	ASSERT_EQ(1, mbox_recv(self->fd, text, 1, NULL, 0, NULL));
	EXPECT_STREQ("h", text);
}

TEST_F(mailbox, match_picks_by_tag_or_sender)
{
	struct mbox_attr attr = { .mode = 0600, .flags = MBOX_BY_TAG };
	struct mbox_send_options tagged = { .tag = 7 };
	struct mbox_recv_options options = { .flags = MBOX_MATCH | MBOX_NONBLOCK, .match = 7 };
	int fd = mbox_create(NULL, &attr, 0);
	char text[2] = "";

	ASSERT_LE(0, fd);
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_recv_with(self->fd, text, 1, NULL, &options)));
	ASSERT_EQ(0, mbox_send(fd, "0", 1, 0, 0, NULL));
	ASSERT_EQ(0, mbox_send_with(fd, "7", 1, &tagged));
	ASSERT_EQ(1, mbox_recv_with(fd, text, 1, NULL, &options));
	EXPECT_STREQ("7", text);
	EXPECT_EQ(EAGAIN, error_of(mbox_recv_with(fd, text, 1, NULL, &options)));

	attr.flags = MBOX_BY_SENDER;
	fd = mbox_create(NULL, &attr, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, mbox_send(fd, "m", 1, 0, 0, NULL));
	options.match = 1;
	EXPECT_EQ(getpid() == 1 ? 0 : EAGAIN, error_of(mbox_recv_with(fd, text, 1, NULL, &options)));
	options.match = getpid();
	ASSERT_EQ(1, mbox_recv_with(fd, text, 1, NULL, &options));
	EXPECT_STREQ("m", text);
}

TEST_F(mailbox, choice_takes_one_message_and_tells_from_where)
{
	struct mbox_attr attr = { .mode = 0600, .flags = MBOX_RENDEZVOUS };
	int other = mbox_create(NULL, &attr, 0);
	int chooser = mbox_device();
	struct mbox_envelope envelope;
	uint64_t ids[2] = { self->id };
	struct timespec past = { 0, 0 };
	char text[2] = "";
	pid_t child;

	ASSERT_LE(0, other);
	ASSERT_LE(0, chooser);
	ids[1] = stat_of(other).id;
	EXPECT_EQ(EAGAIN, error_of(mbox_choose(chooser, ids, 2, text, 1, NULL, MBOX_NONBLOCK, NULL)));
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_choose(chooser, ids, 2, text, 1, NULL, 0, &past)));
	EXPECT_EQ(EINVAL, error_of(mbox_choose(chooser, ids, 0, text, 1, NULL, 0, NULL)));

	ASSERT_EQ(0, mbox_send(self->fd, "l", 1, 1, 0, NULL));
	ASSERT_EQ(0, mbox_send(self->fd, "high", 4, 2, 0, NULL));
	memset(&envelope, POISON, sizeof(envelope));
	EXPECT_EQ(EMSGSIZE, error_of(mbox_choose(chooser, ids, 2, text, 1, &envelope, 0, NULL)));
	EXPECT_EQ(4, envelope.len);
	EXPECT_EQ(self->id, envelope.from);
	ASSERT_EQ(1, mbox_choose(chooser, ids, 2, text, 1, &envelope, MBOX_LEAST, NULL));
	EXPECT_STREQ("l", text);
	ASSERT_EQ(1, mbox_choose(chooser, ids, 2, text, 1, &envelope, MBOX_TRUNCATE, NULL));
	EXPECT_STREQ("h", text);
	EXPECT_EQ(4, envelope.len);

	child = spawn();
	if (!child)
		_exit(error_of(mbox_send(other, "r", 1, 0, 0, NULL)));
	ASSERT_EQ(1, mbox_choose(chooser, ids, 2, text, 1, &envelope, 0, NULL));
	EXPECT_STREQ("r", text);
	EXPECT_EQ(ids[1], envelope.from);
	EXPECT_EQ(child, envelope.pid);
	EXPECT_EQ(0, join(child));
}

TEST_F(mailbox, success_leaves_errno)
{
	struct mbox_envelope envelope;
	struct mbox_stat stat;
	struct mbox_info info;
	struct mbox_usage usage;
	struct timespec limit;
	pid_t pid = getpid();
	char text[4];
	int fd;

	errno = 4711;
	EXPECT_EQ(&limit, mbox_deadline(&limit, 1));
	EXPECT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, &limit));
	EXPECT_EQ(1, mbox_recv(self->fd, text, 4, &envelope, 0, &limit));
	EXPECT_EQ(0, mbox_getstat(self->fd, &stat));
	EXPECT_EQ(0, mbox_next(self->fd, 1, &stat));
	EXPECT_EQ(0, mbox_getinfo(self->fd, &info));
	EXPECT_LE(0, mbox_open("here", O_RDWR));
	EXPECT_LE(0, mbox_open_owned("here", geteuid(), O_RDWR));
	EXPECT_LE(0, mbox_open_id(self->id, O_RDWR));
	EXPECT_LE(0, mbox_device());
	EXPECT_EQ(0, mbox_getusage(self->fd, &usage));
	EXPECT_EQ(0, mbox_getusage_of(self->fd, 1234, &usage));
	EXPECT_EQ(0, mbox_grant(self->fd, pid, MBOX_RIGHT_RECV, 0));
	EXPECT_EQ(1, mbox_grants(self->fd, NULL, 0));
	EXPECT_EQ(0, mbox_revoke(self->fd, pid, MBOX_RIGHT_RECV, 0));
	EXPECT_EQ(0, mbox_offer(self->fd, pid, 0));
	EXPECT_EQ(0, mbox_accept(self->fd));
	EXPECT_EQ(0, mbox_transfer(self->fd, pid, 0));
	EXPECT_EQ(0, mbox_chmod(self->fd, 0600));
	EXPECT_EQ(0, mbox_chown(self->fd, 0, 0));
	fd = mbox_create(NULL, NULL, 0);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, mbox_delete(fd));
	EXPECT_EQ(4711, errno);
}

TEST_F(mailbox, next_lists_all)
{
	struct mbox_stat stat, found;
	int second = mbox_create("second", NULL, 0);
	int third = mbox_create(NULL, NULL, 0);
	int fd = mbox_device();
	uint64_t id;

	ASSERT_LE(0, second);
	ASSERT_LE(0, third);
	ASSERT_LE(0, fd);
	id = stat_of(second).id;

	memset(&found, POISON, sizeof(found));
	ASSERT_EQ(0, mbox_next(fd, 1, &found));
	EXPECT_EQ(self->id, found.id);
	ASSERT_EQ(0, mbox_next(fd, found.id + 1, &found));
	EXPECT_EQ(id, found.id);
	EXPECT_STREQ("second", (char *)found.name);
	ASSERT_EQ(0, mbox_next(self->fd, found.id + 1, &found));
	stat = stat_of(third);
	found.flags = stat.flags;
	EXPECT_EQ(0, memcmp(&stat, &found, sizeof(stat)));
	EXPECT_EQ(ENOENT, error_of(mbox_next(fd, found.id + 1, &found)));

	ASSERT_EQ(0, mbox_delete(second));
	ASSERT_EQ(0, mbox_next(fd, id, &found));
	EXPECT_EQ(stat.id, found.id);
}

TEST_F(mailbox, device_is_bound_to_nothing)
{
	struct mbox_stat stat;
	struct mbox_info info;
	int fd = mbox_device();

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	EXPECT_EQ(ENOTCONN, error_of(mbox_getstat(fd, &stat)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_recv(fd, NULL, 0, NULL, 0, NULL)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_delete(fd)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_transfer(fd, getpid(), 0)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_offer(fd, getpid(), 0)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_accept(fd)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_claim(fd)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_grant(fd, getpid(), MBOX_RIGHT_SEND, 0)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_revoke(fd, getpid(), MBOX_RIGHT_SEND, 0)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_grants(fd, NULL, 0)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_chmod(fd, 0600)));
	EXPECT_EQ(ENOTCONN, error_of(mbox_chown(fd, 0, 0)));

	memset(&info, POISON, sizeof(info));
	ASSERT_EQ(0, mbox_getinfo(fd, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_TRUE(info.features & MBOX_FEATURE_BASE);
	EXPECT_EQ(1, info.mailboxes);
}

TEST_F(mailbox, is_waited_for_until_the_deadline)
{
	struct timespec time;
	uint64_t end;

	mbox_deadline(&time, 20 * MSEC);
	end = time.tv_sec * 1000000000ULL + time.tv_nsec;
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_recv(self->fd, NULL, 0, NULL, 0, &time)));
	EXPECT_LE(end, now());
}

/*
 * Somebody else, who does as it is told, through the descriptor that it has
 * inherited. It gives no right, but root needs none.
 */
FIXTURE(rights) {
	int fd;
	uint64_t id;
	struct puppet *other;
	int other_pidfd;
	int no_pidfd;
};

FIXTURE_SETUP(rights)
{
	begin();
	self->fd = mbox_create(NULL, NULL, 0);
	NEED(self->fd >= 0);
	self->id = stat_of(self->fd).id;
	self->other = new_puppet(self->fd, 0, 0);
	self->other_pidfd = syscall(SYS_pidfd_open, self->other->pid, 0);
	NEED(self->other_pidfd >= 0);
	self->no_pidfd = open("/dev/null", O_RDONLY);
	NEED(self->no_pidfd >= 0);
}

FIXTURE_TEARDOWN(rights)
{
	kill_puppet(self->other);
	sweep();
}

static int do_accept(struct puppet *me)
{
	return error_of(mbox_accept(me->fd));
}

/* What @pid was granted; there is no other grant. */
static uint32_t granted(int fd, pid_t pid)
{
	struct mbox_granted grant;
	int nr = mbox_grants(fd, &grant, 1);

	NEED(nr == 0 || (nr == 1 && grant.pid == pid));
	return nr ? grant.rights : 0;
}

TEST_F(rights, transfer_makes_another_process_the_owner)
{
	EXPECT_EQ(0, mbox_transfer(self->fd, self->other->pid, 0));
	EXPECT_EQ(self->other->pid, stat_of(self->fd).pid);
	EXPECT_EQ(0, mbox_grants(self->fd, NULL, 0));
}

TEST_F(rights, transfer_may_keep_the_right_to_receive)
{
	EXPECT_EQ(0, mbox_transfer(self->fd, self->other->pid, MBOX_KEEP));
	EXPECT_EQ(self->other->pid, stat_of(self->fd).pid);
	EXPECT_EQ(MBOX_RIGHT_RECV, granted(self->fd, getpid()));
}

TEST_F(rights, transfer_takes_a_pidfd)
{
	EXPECT_EQ(0, mbox_transfer(self->fd, self->other_pidfd, MBOX_PIDFD));
	EXPECT_EQ(self->other->pid, stat_of(self->fd).pid);
	EXPECT_EQ(0, mbox_grants(self->fd, NULL, 0));
}

TEST_F(rights, transfer_that_fails_changes_nothing)
{
	struct mbox_stat before = stat_of(self->fd), after;

	EXPECT_EQ(ESRCH, error_of(mbox_transfer(self->fd, INT_MAX, 0)));
	EXPECT_EQ(ESRCH, error_of(mbox_transfer(self->fd, 0, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_transfer(self->fd, -1, 0)));
	EXPECT_EQ(EBADF, error_of(mbox_transfer(self->fd, self->no_pidfd, MBOX_PIDFD)));
	after = stat_of(self->fd);
	EXPECT_TRUE(same_state(before, after));
}

TEST_F(rights, offer_is_accepted_or_taken_back)
{
	pid_t pid = self->other->pid;

	EXPECT_EQ(EACCES, ask(self->other, do_accept));
	ASSERT_EQ(0, mbox_offer(self->fd, pid, 0));
	EXPECT_EQ(pid, stat_of(self->fd).offered);
	EXPECT_EQ(getpid(), stat_of(self->fd).pid);
	ASSERT_EQ(0, mbox_offer(self->fd, 0, 0));
	EXPECT_EQ(0, stat_of(self->fd).offered);
	EXPECT_EQ(EACCES, ask(self->other, do_accept));

	ASSERT_EQ(0, mbox_offer(self->fd, pid, 0));
	ASSERT_EQ(0, ask(self->other, do_accept));
	EXPECT_EQ(0, stat_of(self->fd).offered);
	EXPECT_EQ(pid, stat_of(self->fd).pid);
	EXPECT_EQ(0, mbox_grants(self->fd, NULL, 0));
}

TEST_F(rights, offer_takes_a_pidfd_and_may_keep_the_right_to_receive)
{
	pid_t pid = self->other->pid;

	ASSERT_EQ(0, mbox_offer(self->fd, self->other_pidfd, MBOX_PIDFD));
	EXPECT_EQ(pid, stat_of(self->fd).offered);
	ASSERT_EQ(0, mbox_offer(self->fd, self->other_pidfd, MBOX_PIDFD | MBOX_KEEP));
	EXPECT_EQ(pid, stat_of(self->fd).offered);
	ASSERT_EQ(0, ask(self->other, do_accept));
	EXPECT_EQ(pid, stat_of(self->fd).pid);
	EXPECT_EQ(MBOX_RIGHT_RECV, granted(self->fd, getpid()));
}

TEST_F(rights, offer_that_fails_changes_nothing)
{
	struct mbox_stat before, after;

	ASSERT_EQ(0, mbox_offer(self->fd, self->other->pid, 0));
	before = stat_of(self->fd);
	EXPECT_EQ(ESRCH, error_of(mbox_offer(self->fd, INT_MAX, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_offer(self->fd, -1, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_offer(self->fd, 0, MBOX_KEEP)));
	EXPECT_EQ(EBADF, error_of(mbox_offer(self->fd, self->no_pidfd, MBOX_PIDFD)));
	after = stat_of(self->fd);
	EXPECT_TRUE(same_state(before, after));
}

TEST_F(rights, claim_takes_an_orphan_and_nothing_else)
{
	ASSERT_EQ(0, mbox_transfer(self->fd, self->other->pid, 0));
	EXPECT_EQ(EBUSY, error_of(mbox_claim(self->fd)));
	EXPECT_EQ(self->other->pid, stat_of(self->fd).pid);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->other));
	EXPECT_EQ(MBOX_STATE_ORPHAN, stat_of(self->fd).state);

	ASSERT_EQ(0, mbox_claim(self->fd));
	EXPECT_EQ(getpid(), stat_of(self->fd).pid);
	EXPECT_EQ(0, stat_of(self->fd).state);
	self->other = new_puppet(self->fd, 0, 0);
}

TEST_F(rights, grant_adds_and_revoke_takes_away)
{
	pid_t pid = self->other->pid;

	ASSERT_EQ(0, mbox_grant(self->fd, pid, MBOX_RIGHT_SEND, 0));
	EXPECT_EQ(MBOX_RIGHT_SEND, granted(self->fd, pid));
	ASSERT_EQ(0, mbox_grant(self->fd, pid, MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE, 0));
	EXPECT_EQ(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE, granted(self->fd, pid));
	ASSERT_EQ(0, mbox_revoke(self->fd, pid, MBOX_RIGHT_SEND | MBOX_RIGHT_MANAGE, 0));
	EXPECT_EQ(MBOX_RIGHT_RECV, granted(self->fd, pid));
	ASSERT_EQ(0, mbox_revoke(self->fd, pid, MBOX_RIGHT_RECV, 0));
	EXPECT_EQ(0, mbox_grants(self->fd, NULL, 0));
}

TEST_F(rights, grant_and_revoke_take_a_pidfd)
{
	pid_t pid = self->other->pid;

	ASSERT_EQ(0, mbox_grant(self->fd, self->other_pidfd,
				MBOX_RIGHT_SEND | MBOX_RIGHT_RECV, MBOX_PIDFD));
	EXPECT_EQ(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV, granted(self->fd, pid));
	ASSERT_EQ(0, mbox_revoke(self->fd, self->other_pidfd, MBOX_RIGHT_SEND, MBOX_PIDFD));
	EXPECT_EQ(MBOX_RIGHT_RECV, granted(self->fd, pid));
}

TEST_F(rights, grant_or_revoke_that_fails_changes_nothing)
{
	pid_t pid = self->other->pid;

	EXPECT_EQ(ESRCH, error_of(mbox_revoke(self->fd, pid, MBOX_RIGHT_SEND, 0)));
	EXPECT_EQ(ESRCH, error_of(mbox_grant(self->fd, INT_MAX, MBOX_RIGHT_SEND, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_grant(self->fd, pid, 0, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_grant(self->fd, pid, MBOX_RIGHT_SEND | 1, 0)));
	EXPECT_EQ(EBADF, error_of(mbox_grant(self->fd, self->no_pidfd, MBOX_RIGHT_SEND,
					     MBOX_PIDFD)));
	EXPECT_EQ(0, mbox_grants(self->fd, NULL, 0));

	ASSERT_EQ(0, mbox_grant(self->fd, pid, MBOX_RIGHT_SEND, 0));
	EXPECT_EQ(EINVAL, error_of(mbox_revoke(self->fd, pid, 0, 0)));
	EXPECT_EQ(EINVAL, error_of(mbox_revoke(self->fd, pid, MBOX_RIGHT_SEND | 1, 0)));
	EXPECT_EQ(EBADF, error_of(mbox_revoke(self->fd, self->no_pidfd, MBOX_RIGHT_SEND,
					      MBOX_PIDFD)));
	EXPECT_EQ(MBOX_RIGHT_SEND, granted(self->fd, pid));
}

TEST_F(rights, grants_writes_what_fits_and_tells_how_many_there_are)
{
	struct mbox_granted grants[3];
	pid_t pid = self->other->pid;
	uint32_t seen = 0;
	int i;

	ASSERT_EQ(0, mbox_grant(self->fd, pid, MBOX_RIGHT_SEND, 0));
	ASSERT_EQ(0, mbox_grant(self->fd, getpid(), MBOX_RIGHT_RECV, 0));
	memset(grants, POISON, sizeof(grants));
	ASSERT_EQ(2, mbox_grants(self->fd, grants, 3));
	EXPECT_TRUE(all_bytes_are(grants + 2, POISON, sizeof(grants[2])));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(grants[i].rights == MBOX_RIGHT_SEND ? pid : getpid(), grants[i].pid);
		seen |= grants[i].rights;
	}
	EXPECT_EQ(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV, seen);

	memset(grants, POISON, sizeof(grants));
	EXPECT_EQ(2, mbox_grants(self->fd, grants, 1));
	EXPECT_FALSE(all_bytes_are(grants, POISON, sizeof(grants[0])));
	EXPECT_TRUE(all_bytes_are(grants + 1, POISON, 2 * sizeof(grants[0])));
	EXPECT_EQ(2, mbox_grants(self->fd, NULL, 0));
	EXPECT_EQ(EFAULT, error_of(mbox_grants(self->fd, NULL, 1)));
	EXPECT_EQ(EINVAL, error_of(mbox_grants(self->fd, grants, MBOX_GRANTS_MAX + 1)));
}

TEST_F(rights, unknown_flags_are_rejected)
{
	struct mbox_stat before = stat_of(self->fd), after;
	pid_t pid = self->other->pid;

	for (int bit = 0; bit < 32; bit++) {
		int flag = 1U << bit;

		if (!(flag & (MBOX_KEEP | MBOX_PIDFD))) {
			EXPECT_EQ(EINVAL, error_of(mbox_transfer(self->fd, pid, flag)));
			EXPECT_EQ(EINVAL, error_of(mbox_offer(self->fd, pid, flag)));
		}
		if (flag == MBOX_PIDFD)
			continue;
		EXPECT_EQ(EINVAL, error_of(mbox_grant(self->fd, pid, MBOX_RIGHT_SEND, flag)));
		EXPECT_EQ(EINVAL, error_of(mbox_revoke(self->fd, pid, MBOX_RIGHT_SEND, flag)));
	}
	after = stat_of(self->fd);
	EXPECT_TRUE(same_state(before, after));
}

TEST_F(rights, chmod_changes_the_mode_and_nothing_else)
{
	struct mbox_stat before = stat_of(self->fd), after;

	umask(0777);
	EXPECT_EQ(0, mbox_chmod(self->fd, 0642));
	EXPECT_EQ(0642, stat_of(self->fd).mode);
	EXPECT_EQ(0, mbox_chmod(self->fd, 0));
	EXPECT_EQ(0, stat_of(self->fd).mode);
	EXPECT_EQ(EINVAL, error_of(mbox_chmod(self->fd, 0700)));
	EXPECT_EQ(EINVAL, error_of(mbox_chmod(self->fd, MBOX_MODE_NONE)));
	EXPECT_EQ(0, stat_of(self->fd).mode);
	EXPECT_EQ(0, mbox_chmod(self->fd, before.mode));
	after = stat_of(self->fd);
	EXPECT_TRUE(same_state(before, after));
}

TEST_F(rights, chown_changes_user_or_group_or_both)
{
	struct mbox_stat before = stat_of(self->fd), after;

	EXPECT_EQ(0, mbox_chown(self->fd, 1234, -1));
	after = stat_of(self->fd);
	EXPECT_EQ(1234, after.uid);
	EXPECT_EQ(before.gid, after.gid);
	EXPECT_EQ(0, mbox_chown(self->fd, -1, 5678));
	after = stat_of(self->fd);
	EXPECT_EQ(1234, after.uid);
	EXPECT_EQ(5678, after.gid);
	EXPECT_EQ(EINVAL, error_of(mbox_chown(self->fd, -1, -1)));
	EXPECT_EQ(0, mbox_chown(self->fd, before.uid, before.gid));
	after = stat_of(self->fd);
	EXPECT_TRUE(same_state(before, after));
}

/* What root need not be told, another user is. */
TEST_F(rights, errors_of_the_kernel_come_through)
{
	struct mbox_granted grant;
	struct mbox_usage usage;
	pid_t pid = self->other->pid;
	int fd;

	ASSERT_EQ(0, mbox_transfer(self->fd, pid, 0));
	/* Until it takes back what it saved. */
	ASSERT_EQ(0, setresuid(1234, 1234, 0));
	fd = mbox_create(NULL, NULL, 0);
	EXPECT_LE(0, fd);
	EXPECT_EQ(EACCES, error_of(mbox_transfer(self->fd, getpid(), 0)));
	EXPECT_EQ(EPERM, error_of(mbox_transfer(fd, pid, 0)));
	EXPECT_EQ(EACCES, error_of(mbox_offer(self->fd, getpid(), 0)));
	EXPECT_EQ(EACCES, error_of(mbox_accept(self->fd)));
	EXPECT_EQ(EACCES, error_of(mbox_claim(self->fd)));
	EXPECT_EQ(EACCES, error_of(mbox_grant(self->fd, getpid(), MBOX_RIGHT_RECV, 0)));
	EXPECT_EQ(EACCES, error_of(mbox_revoke(self->fd, getpid(), MBOX_RIGHT_RECV, 0)));
	EXPECT_EQ(EACCES, error_of(mbox_grants(self->fd, &grant, 1)));
	EXPECT_EQ(EACCES, error_of(mbox_chmod(self->fd, 0666)));
	EXPECT_EQ(EACCES, error_of(mbox_chown(fd, 1234, 1234)));
	EXPECT_EQ(0, mbox_getusage_of(fd, 1234, &usage));
	EXPECT_EQ(EACCES, error_of(mbox_getusage_of(fd, 0, &usage)));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	EXPECT_EQ(pid, stat_of(self->fd).pid);
	EXPECT_EQ(0, mbox_grants(self->fd, NULL, 0));
}

TEST_F(rights, process_owned_mailbox_is_for_one_to_receive_and_others_to_send)
{
	struct mbox_attr attr = { .flags = MBOX_PROCESS };
	int fd = mbox_create("own", &attr, 0);
	pid_t child, pid = self->other->pid;
	char text[4];

	ASSERT_LE(0, fd);
	child = spawn();
	if (!child)
		_exit(error_of(mbox_send(fd, "x", 1, 0, 0, NULL)));
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(1, mbox_recv(fd, text, 4, NULL, 0, NULL));
	EXPECT_EQ(EACCES, error_of(mbox_send(fd, "x", 1, 0, 0, NULL)));

	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_transfer(fd, pid, 0)));
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_offer(fd, pid, 0)));
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_accept(fd)));
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_claim(fd)));
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_grant(fd, pid, MBOX_RIGHT_RECV, 0)));
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_revoke(fd, pid, MBOX_RIGHT_RECV, 0)));
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_chown(fd, 1234, 1234)));
	EXPECT_EQ(EINVAL, error_of(mbox_chmod(fd, 0600)));
	EXPECT_EQ(0, mbox_chmod(fd, 0222));
	EXPECT_EQ(0222, stat_of(fd).mode);
}

TEST_F(rights, process_owned_mailbox_ends_with_its_process)
{
	struct mbox_attr attr = { .flags = MBOX_PROCESS };
	pid_t child = spawn();

	if (!child)
		_exit(error_of(mbox_create("own", &attr, 0)));
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(ENOENT, error_of(mbox_open("own", O_RDWR)));
}

TEST_F(rights, usage_tells_of_the_caller_or_of_another_user)
{
	struct mbox_usage mine, same, others;
	pid_t child;

	memset(&mine, POISON, sizeof(mine));
	ASSERT_EQ(0, mbox_getusage(self->fd, &mine));
	EXPECT_EQ(0, mine.flags);
	EXPECT_EQ(geteuid(), mine.uid);
	EXPECT_EQ(1, mine.user_mailboxes);
	EXPECT_EQ(tunable("user_mailboxes"), mine.user_mailboxes_limit);
	EXPECT_EQ(0, mine.reserved);

	memset(&others, POISON, sizeof(others));
	ASSERT_EQ(0, mbox_getusage_of(self->fd, 1234, &others));
	EXPECT_EQ(1234, others.uid);
	EXPECT_EQ(0, others.user_mailboxes);
	EXPECT_EQ(mine.ns_bytes, others.ns_bytes);

	child = spawn();
	if (!child) {
		become(1234, 1234);
		_exit(mbox_create(NULL, NULL, 0) < 0);
	}
	ASSERT_EQ(0, join(child));
	ASSERT_EQ(0, mbox_getusage_of(self->fd, 1234, &others));
	EXPECT_EQ(1, others.user_mailboxes);

	/* By a descriptor that is bound to nothing, and of root by its number. */
	ASSERT_EQ(0, mbox_getusage(mbox_device(), &mine));
	ASSERT_EQ(0, mbox_getusage_of(self->fd, geteuid(), &same));
	same.flags = mine.flags;
	EXPECT_EQ(0, memcmp(&mine, &same, sizeof(mine)));
}

/* A mailbox that goes with a message, in each call that receives. */
FIXTURE(gift) {
	int fd;
	uint64_t id;
	struct puppet *giver;
	uint64_t given;
};

FIXTURE_VARIANT(gift) {
	ssize_t (*take)(int fd, struct mbox_envelope *envelope, int flags);
};

static ssize_t take_simply(int fd, struct mbox_envelope *envelope, int flags)
{
	char text[4];

	return mbox_recv(fd, text, sizeof(text), envelope, flags, NULL);
}

static ssize_t take_with_options(int fd, struct mbox_envelope *envelope, int flags)
{
	struct mbox_recv_options options = { .flags = flags };
	char text[4];

	return mbox_recv_with(fd, text, sizeof(text), envelope, &options);
}

static ssize_t take_by_choice(int fd, struct mbox_envelope *envelope, int flags)
{
	uint64_t id = stat_of(fd).id;
	char text[4];

	return mbox_choose(fd, &id, 1, text, sizeof(text), envelope, flags, NULL);
}

FIXTURE_VARIANT_ADD(gift, simply) {
	.take = take_simply,
};

FIXTURE_VARIANT_ADD(gift, with_options) {
	.take = take_with_options,
};

FIXTURE_VARIANT_ADD(gift, by_choice) {
	.take = take_by_choice,
};

FIXTURE_SETUP(gift)
{
	begin();
	self->fd = mbox_create(NULL, NULL, 0);
	NEED(self->fd >= 0);
	self->id = stat_of(self->fd).id;
	self->giver = new_puppet(self->fd, 0, 0);
	self->given = create_by(self->giver, attributes(1, 1));
}

FIXTURE_TEARDOWN(gift)
{
	kill_puppet(self->giver);
	sweep();
}

/* Of the mailbox whose id lies in @me->arg. */
static int do_give(struct puppet *me)
{
	struct mbox_send_options options = { .flags = MBOX_NONBLOCK };

	memcpy(&options.offer, me->arg, sizeof(options.offer));
	return error_of(mbox_send_with(me->fd, "x", 1, &options));
}

static int give_by(struct puppet *puppet, uint64_t id)
{
	memcpy(puppet->arg, &id, sizeof(id));
	return ask(puppet, do_give);
}

TEST_F(gift, belongs_to_whoever_accepts_it)
{
	struct mbox_envelope envelope;

	ASSERT_EQ(0, give_by(self->giver, self->given));
	EXPECT_EQ(self->giver->pid, state(self->fd, self->given).pid);
	memset(&envelope, POISON, sizeof(envelope));
	ASSERT_EQ(1, variant->take(self->fd, &envelope, MBOX_ACCEPT | MBOX_NONBLOCK));
	EXPECT_EQ(self->given, envelope.owned);
	EXPECT_EQ(self->id, envelope.from);
	EXPECT_EQ(getpid(), state(self->fd, self->given).pid);

	/* One that comes with nothing. */
	ASSERT_EQ(0, give_by(self->giver, 0));
	memset(&envelope, POISON, sizeof(envelope));
	ASSERT_EQ(1, variant->take(self->fd, &envelope, MBOX_ACCEPT | MBOX_NONBLOCK));
	EXPECT_EQ(0, envelope.owned);
}

TEST_F(gift, is_not_forced_on_anybody)
{
	struct mbox_envelope envelope;

	ASSERT_EQ(0, give_by(self->giver, self->given));
	memset(&envelope, POISON, sizeof(envelope));
	ASSERT_EQ(1, variant->take(self->fd, &envelope, MBOX_NONBLOCK));
	EXPECT_EQ(0, envelope.owned);
	EXPECT_EQ(self->giver->pid, state(self->fd, self->given).pid);
}

TEST_F(gift, is_the_givers_to_give)
{
	struct mbox_attr attr = { .flags = MBOX_PROCESS };
	int own = mbox_create(NULL, &attr, 0);
	struct mbox_send_options options = { .flags = MBOX_NONBLOCK };

	ASSERT_LE(0, own);
	EXPECT_EQ(EACCES, give_by(self->giver, self->id));
	EXPECT_EQ(ENOENT, give_by(self->giver, UINT64_MAX));
	options.offer = stat_of(own).id;
	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_send_with(self->fd, "x", 1, &options)));
	EXPECT_EQ(0, stat_of(self->fd).msgs);
}

TEST_F(gift, is_not_taken_by_a_look)
{
	struct mbox_envelope envelope;

	ASSERT_EQ(0, give_by(self->giver, self->given));
	memset(&envelope, POISON, sizeof(envelope));
	EXPECT_EQ(EINVAL, error_of(variant->take(self->fd, &envelope, MBOX_PEEK | MBOX_ACCEPT)));
	EXPECT_TRUE(all_bytes_are(&envelope, POISON, sizeof(envelope)));
	EXPECT_EQ(1, stat_of(self->fd).msgs);
}

FIXTURE(stranger) {
	int fd;
};

FIXTURE_VARIANT(stranger) {
	const char *path;
	int error;
};

FIXTURE_VARIANT_ADD(stranger, closed) {
	.error = EBADF,
};

FIXTURE_VARIANT_ADD(stranger, of_another_device) {
	.path = "/dev/null",
	.error = ENOTTY,
};

FIXTURE_SETUP(stranger)
{
	self->fd = -1;
	if (!variant->path)
		return;
	self->fd = open(variant->path, O_RDWR);
	NEED(self->fd >= 0);
}

FIXTURE_TEARDOWN(stranger)
{
	close(self->fd);
}

TEST_F(stranger, is_told_from_a_mailbox)
{
	struct mbox_answer answer = { .token = 1 };
	struct mbox_large large = { 0 };
	struct mbox_send send = { 0 };
	struct mbox_recv recv = { 0 };
	struct mbox_clock clock;
	char text[1];
	struct mbox_usage usage;
	struct mbox_stat stat;
	struct mbox_info info;

	EXPECT_EQ(variant->error, error_of(mbox_send(self->fd, "x", 1, 0, 0, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_recv(self->fd, NULL, 0, NULL, 0, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_delete(self->fd)));
	EXPECT_EQ(variant->error, error_of(mbox_getstat(self->fd, &stat)));
	EXPECT_EQ(variant->error, error_of(mbox_next(self->fd, 1, &stat)));
	EXPECT_EQ(variant->error, error_of(mbox_getinfo(self->fd, &info)));
	EXPECT_EQ(variant->error, error_of(mbox_transfer(self->fd, getpid(), 0)));
	EXPECT_EQ(variant->error, error_of(mbox_offer(self->fd, getpid(), 0)));
	EXPECT_EQ(variant->error, error_of(mbox_accept(self->fd)));
	EXPECT_EQ(variant->error, error_of(mbox_claim(self->fd)));
	EXPECT_EQ(variant->error, error_of(mbox_grant(self->fd, getpid(), MBOX_RIGHT_SEND, 0)));
	EXPECT_EQ(variant->error, error_of(mbox_revoke(self->fd, getpid(), MBOX_RIGHT_SEND, 0)));
	EXPECT_EQ(variant->error, error_of(mbox_grants(self->fd, NULL, 0)));
	EXPECT_EQ(variant->error, error_of(mbox_chmod(self->fd, 0600)));
	EXPECT_EQ(variant->error, error_of(mbox_chown(self->fd, 0, 0)));
	EXPECT_EQ(variant->error, error_of(mbox_getusage(self->fd, &usage)));
	EXPECT_EQ(variant->error, error_of(mbox_getusage_of(self->fd, 1234, &usage)));
	EXPECT_EQ(variant->error, error_of(mbox_send_to(self->fd, 1, "x", 1, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_recv_from(self->fd, 1, text, 1, NULL, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_call(self->fd, "x", 1, text, 1, NULL, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_reply(self->fd, 1, "x", 1)));
	EXPECT_EQ(variant->error, error_of(mbox_reply_recv(self->fd, &answer, text, 1, NULL, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_discard(self->fd, 1)));
	EXPECT_EQ(variant->error, error_of(mbox_waits(self->fd, 1)));
	EXPECT_EQ(variant->error, error_of(mbox_pass(self->fd, 1, getpid(), 0)));
	EXPECT_EQ(variant->error, error_of(mbox_send_many(self->fd, &send, 1, 0, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_recv_many(self->fd, &recv, 1, 0, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_tick(self->fd, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_getclock(self->fd, &clock)));
	EXPECT_EQ(variant->error, error_of(mbox_send_large(self->fd, "x", 1, NULL)));
	EXPECT_EQ(variant->error, error_of(mbox_recv_large(self->fd, &large, NULL, NULL)));
}

/* Deadlines that a call meets at once, where it would have to wait. */
FIXTURE(deadline) {
	int fd;
};

FIXTURE_VARIANT(deadline) {
	struct timespec time;
	int error;
};

FIXTURE_VARIANT_ADD(deadline, at_the_beginning_has_passed) {
	.time = { 0, 0 },
	.error = ETIMEDOUT,
};

FIXTURE_VARIANT_ADD(deadline, before_the_beginning_has_passed) {
	.time = { -1, 999999999 },
	.error = ETIMEDOUT,
};

FIXTURE_VARIANT_ADD(deadline, long_before_the_beginning_has_passed) {
	.time = { INT64_MIN, 0 },
	.error = ETIMEDOUT,
};

FIXTURE_VARIANT_ADD(deadline, with_a_negative_fraction_is_invalid) {
	.time = { 1, -1 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(deadline, with_a_whole_fraction_is_invalid) {
	.time = { 0, 1000000000 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(deadline, that_is_never_is_checked_too) {
	.time = { INT64_MAX, 1000000000 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(deadline, before_the_beginning_is_checked_too) {
	.time = { -1, -1 },
	.error = EINVAL,
};

FIXTURE_SETUP(deadline)
{
	struct mbox_attr attr = { .max_msgs = 1, .mode = 0600 };

	begin();
	self->fd = mbox_create(NULL, &attr, 0);
	NEED(self->fd >= 0);
}

FIXTURE_TEARDOWN(deadline)
{
	sweep();
}

TEST_F(deadline, is_met_by_both)
{
	const struct timespec *time = &variant->time;
	char text[4];

	EXPECT_EQ(variant->error, error_of(mbox_recv(self->fd, text, 4, NULL, 0, time)));
	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	EXPECT_EQ(variant->error, error_of(mbox_send(self->fd, "y", 1, 0, 0, time)));
	EXPECT_EQ(1, stat_of(self->fd).sent);
	if (variant->error != ETIMEDOUT)
		return;

	/* It tries once, and does not block if it is told not to. */
	EXPECT_EQ(EAGAIN, error_of(mbox_send(self->fd, "y", 1, 0, MBOX_NONBLOCK, time)));
	EXPECT_EQ(1, mbox_recv(self->fd, text, 4, NULL, 0, time));
	EXPECT_EQ(EAGAIN, error_of(mbox_recv(self->fd, text, 4, NULL, MBOX_NONBLOCK, time)));
	EXPECT_EQ(0, mbox_send(self->fd, "y", 1, 0, 0, time));
}

/* Deadlines that never come. The second and third are small modulo 2^64 ns. */
FIXTURE(never) {
	int fd;
};

FIXTURE_VARIANT(never) {
	struct timespec time;
};

FIXTURE_VARIANT_ADD(never, is_beyond_2_to_63) {
	.time = { 9223372036, 854775808 },
};

FIXTURE_VARIANT_ADD(never, is_2_to_64) {
	.time = { 18446744073, 709551616 },
};

FIXTURE_VARIANT_ADD(never, is_beyond_2_to_64) {
	.time = { 18446744074, 0 },
};

FIXTURE_VARIANT_ADD(never, is_the_end_of_time_t) {
	.time = { INT64_MAX, 999999999 },
};

FIXTURE_SETUP(never)
{
	struct mbox_attr attr = { .mode = 0600 };

	begin();
	self->fd = mbox_create(NULL, &attr, 0);
	NEED(self->fd >= 0);
}

FIXTURE_TEARDOWN(never)
{
	sweep();
}

TEST_F(never, comes)
{
	pid_t child = spawn();
	char text[4];
	int error;

	if (!child) {
		wait_for_receivers(self->fd, 0, 1);
		_exit(error_of(mbox_send(self->fd, "x", 1, 0, 0, NULL)));
	}
	error = error_of(mbox_recv(self->fd, text, 4, NULL, 0, &variant->time));
	EXPECT_EQ(0, error);
	if (error)
		end(child);
	else
		EXPECT_EQ(0, join(child));
}

/* From now on, in nanoseconds. */
FIXTURE(distance) {
};

FIXTURE_VARIANT(distance) {
	uint64_t ns;
};

FIXTURE_VARIANT_ADD(distance, none) {
	.ns = 0,
};

FIXTURE_VARIANT_ADD(distance, short_of_a_second) {
	.ns = 999999999,
};

FIXTURE_VARIANT_ADD(distance, of_seconds_and_a_half) {
	.ns = 2500000000,
};

FIXTURE_VARIANT_ADD(distance, of_a_hundred_years) {
	.ns = 3155760000000000000,
};

FIXTURE_SETUP(distance)
{
}

FIXTURE_TEARDOWN(distance)
{
}

TEST_F(distance, is_added_to_the_clock)
{
	struct timespec time = { -1, -1 };
	uint64_t before, sum, after;

	before = now();
	ASSERT_EQ(&time, mbox_deadline(&time, variant->ns));
	after = now();
	EXPECT_LE(0, time.tv_nsec);
	EXPECT_GT(1000000000, time.tv_nsec);
	sum = time.tv_sec * 1000000000ULL + time.tv_nsec;
	EXPECT_LE(before + variant->ns, sum);
	EXPECT_GE(after + variant->ns, sum);
}

TEST(distance_may_be_the_largest_number)
{
	struct timespec time = { -1, -1 };

	mbox_deadline(&time, UINT64_MAX);
	EXPECT_LE(UINT64_MAX / 1000000000, (uint64_t)time.tv_sec);
	EXPECT_LE(0, time.tv_nsec);
	EXPECT_GT(1000000000, time.tv_nsec);
}

TEST(shared_library_exports_one_version)
{
	static const char *const names[] = {
		"mbox_accept", "mbox_call", "mbox_call_with", "mbox_chmod", "mbox_choose",
		"mbox_chown", "mbox_claim", "mbox_create", "mbox_deadline", "mbox_delete",
		"mbox_device", "mbox_discard", "mbox_getclock", "mbox_getinfo", "mbox_getstat",
		"mbox_getusage", "mbox_getusage_of", "mbox_grant", "mbox_grants",
		"mbox_large_alloc", "mbox_large_free", "mbox_large_map", "mbox_large_seal",
		"mbox_next", "mbox_offer", "mbox_open", "mbox_open_id", "mbox_open_inbox",
		"mbox_open_owned", "mbox_pass", "mbox_recv", "mbox_recv_from",
		"mbox_recv_large", "mbox_recv_many", "mbox_recv_with", "mbox_reply",
		"mbox_reply_recv", "mbox_reply_with", "mbox_revoke", "mbox_send",
		"mbox_send_filled", "mbox_send_large", "mbox_send_many", "mbox_send_to",
		"mbox_send_with", "mbox_tick", "mbox_transfer", "mbox_waits",
	};
	void *library = dlopen("libmbox.so.0", RTLD_NOW | RTLD_LOCAL);
	size_t i;

	ASSERT_NE(NULL, library) {
		TH_LOG("%s", dlerror());
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_NE(NULL, dlvsym(library, names[i], "LIBMBOX_0.1")) {
			TH_LOG("%s", names[i]);
		}
	}
}

TEST_HARNESS_MAIN
