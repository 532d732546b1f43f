// SPDX-License-Identifier: GPL-2.0-or-later
/* The tunables net.mbox.*: what they are, what they bound, and who may set them. */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

FIXTURE(tunable) {
	int fd;
	long long initial;
};

FIXTURE_VARIANT(tunable) {
	const char *name;
	long long initial;
	long long lower;	/* a value to set it to */
	long long floor;	/* one less than the least that is allowed */
};

FIXTURE_VARIANT_ADD(tunable, max_msgs) {
	.name = "max_msgs", .initial = 65536, .lower = 10, .floor = 0,
};

FIXTURE_VARIANT_ADD(tunable, max_size) {
	.name = "max_size", .initial = 1048576, .lower = 100, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, max_bytes) {
	.name = "max_bytes", .initial = 67108864, .lower = 1000, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, max_mailboxes) {
	.name = "max_mailboxes", .initial = 131072, .lower = 2, .floor = -1,
};

FIXTURE_SETUP(tunable)
{
	begin();
	self->fd = device(O_RDWR);
	self->initial = tunable(variant->name);
}

FIXTURE_TEARDOWN(tunable)
{
	sweep();
	NEED(!set_tunable(variant->name, self->initial));
}

/* The same number as MBOX_IOC_INFO tells it. */
static long long reported(int fd, const char *name)
{
	struct mbox_info limits = info(fd);

	if (!strcmp(name, "max_msgs"))
		return limits.limit_msgs;
	if (!strcmp(name, "max_size"))
		return limits.limit_size;
	if (!strcmp(name, "max_bytes"))
		return limits.limit_bytes;
	return limits.limit_mailboxes;
}

/* A mailbox that needs @value of that limit; of the count, one more mailbox. */
static int create_with(int fd, const char *name, long long value)
{
	struct mbox_create attr = attributes(1, 1);

	if (!strcmp(name, "max_msgs"))
		attr.max_msgs = value;
	if (!strcmp(name, "max_size"))
		attr.max_bytes = attr.max_size = value;
	if (!strcmp(name, "max_bytes"))
		attr.max_bytes = value;
	return call(fd, MBOX_IOC_CREATE, &attr);
}

TEST_F(tunable, has_the_value_that_is_documented)
{
	EXPECT_EQ(variant->initial, self->initial);
	EXPECT_EQ(variant->initial, reported(self->fd, variant->name));
}

TEST_F(tunable, is_in_force_at_once_for_what_is_created_then)
{
	static const char text[101];
	bool counts = !strcmp(variant->name, "max_mailboxes");
	struct mbox_stat stat;
	uint64_t id;

	id = create(self->fd, attributes(11, sizeof(text)));
	stat = state(self->fd, id);
	ASSERT_EQ(0, set_tunable(variant->name, variant->lower));
	EXPECT_EQ(variant->lower, tunable(variant->name));
	EXPECT_EQ(variant->lower, reported(self->fd, variant->name));
	EXPECT_EQ(0, create_with(self->fd, variant->name, variant->lower));
	EXPECT_EQ(counts ? ENOSPC : EINVAL,
		  create_with(self->fd, variant->name, variant->lower + 1));

	/* What was there before stays as it was, and works. */
	EXPECT_TRUE(same_state(stat, state(self->fd, id)));
	EXPECT_EQ(0, send_bytes(self->fd, id, text, sizeof(text), 0, MBOX_SEND_NONBLOCK, 0));

	ASSERT_EQ(0, set_tunable(variant->name, self->initial));
	EXPECT_EQ(0, create_with(self->fd, variant->name, variant->lower + 1));
}

TEST_F(tunable, refuses_what_is_no_limit)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/mbox/%s", variant->name);
	EXPECT_EQ(EINVAL, set_tunable(variant->name, variant->floor));
	EXPECT_EQ(EINVAL, set_tunable(variant->name, -2));
	EXPECT_EQ(EINVAL, put_file(path, "many"));
	EXPECT_EQ(EINVAL, put_file(path, "99999999999999999999999"));
	EXPECT_EQ(self->initial, tunable(variant->name));
	EXPECT_EQ(self->initial, reported(self->fd, variant->name));
}

TEST_F(tunable, is_out_of_reach_in_another_network_namespace)
{
	pid_t child = spawn();

	if (!child) {
		NEED(!unshare(CLONE_NEWNET));
		NEED(tunable(variant->name) == -1 && errno == ENOENT);
		NEED(set_tunable(variant->name, variant->lower) == ENOENT);
		/* But it is in force there, too. */
		NEED(reported(self->fd, variant->name) == self->initial);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(self->initial, tunable(variant->name));
}

TEST_F(tunable, is_set_by_root_and_read_by_all)
{
	pid_t child = spawn();

	if (!child) {
		become(1000, 1000);
		NEED(tunable(variant->name) == self->initial);
		_exit(set_tunable(variant->name, variant->lower));
	}
	EXPECT_EQ(EACCES, join(child));
	EXPECT_EQ(self->initial, tunable(variant->name));
}

TEST_HARNESS_MAIN
