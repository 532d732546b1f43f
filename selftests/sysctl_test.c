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
	long long other;	/* a value to set it to */
	long long floor;	/* one less than the least that is allowed */
	long long ceiling;	/* one more than the most, if that is not the type's */
	bool unreported;	/* nothing that is asked for can exceed it */
};

FIXTURE_VARIANT_ADD(tunable, max_msgs) {
	.name = "max_msgs", .initial = 65536, .other = 10, .floor = 0, .ceiling = 1048577,
};

FIXTURE_VARIANT_ADD(tunable, max_size) {
	.name = "max_size", .initial = 1048576, .other = 100, .floor = -1,
	.ceiling = 16777217,
};

FIXTURE_VARIANT_ADD(tunable, max_bytes) {
	.name = "max_bytes", .initial = 67108864, .other = 1000, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, max_grants) {
	.name = "max_grants", .initial = 128, .other = 0, .floor = -1,
	.ceiling = MBOX_GRANTS_MAX + 1,
};

FIXTURE_VARIANT_ADD(tunable, default_share) {
	.name = "default_share", .initial = 100, .other = 7, .floor = 0, .ceiling = 101,
};

FIXTURE_VARIANT_ADD(tunable, spin_us) {
	.name = "spin_us", .initial = 200, .other = 50, .floor = -1, .ceiling = 1001,
	.unreported = true,
};

FIXTURE_VARIANT_ADD(tunable, user_mailboxes) {
	.name = "user_mailboxes", .initial = 4096, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, user_msgs) {
	.name = "user_msgs", .initial = 262144, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, user_bytes) {
	.name = "user_bytes", .initial = 134217728, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, ns_mailboxes) {
	.name = "ns_mailboxes", .initial = 131072, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, ns_msgs) {
	.name = "ns_msgs", .initial = 4194304, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, user_files) {
	.name = "user_files", .initial = 4096, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, ns_files) {
	.name = "ns_files", .initial = 65536, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, user_listeners) {
	.name = "user_listeners", .initial = 32, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, ns_listeners) {
	.name = "ns_listeners", .initial = 128, .other = 0, .floor = -1,
};

FIXTURE_VARIANT_ADD(tunable, ns_bytes) {
	.name = "ns_bytes", .initial = 2147483648, .other = 0, .floor = -1,
};

FIXTURE_SETUP(tunable)
{
	begin();
	self->fd = device(O_RDWR);
	self->initial = tunable(variant->name);
}

FIXTURE_TEARDOWN(tunable)
{
	reset_tunables();
	sweep();
}

/* The same number as MBOX_IOC_INFO or MBOX_IOC_USAGE tells it; what both tell is one. */
static long long reported(int fd, const char *name)
{
	struct mbox_usage usage = usage_of(fd, 0);
	struct mbox_info limits = info(fd);
	const struct {
		const char *name;
		unsigned long long value;
	} numbers[] = {
		{ "max_msgs", limits.limit_msgs },
		{ "max_size", limits.limit_size },
		{ "max_bytes", limits.limit_bytes },
		{ "max_grants", usage.limit_grants },
		{ "default_share", usage.default_share },
		{ "user_mailboxes", usage.user_mailboxes_limit },
		{ "user_msgs", usage.user_msgs_limit },
		{ "user_bytes", usage.user_bytes_limit },
		{ "user_files", usage.user_files_limit },
		{ "ns_files", usage.ns_files_limit },
		{ "user_listeners", usage.user_listeners_limit },
		{ "ns_listeners", usage.ns_listeners_limit },
		{ "ns_mailboxes", usage.ns_mailboxes_limit },
		{ "ns_msgs", usage.ns_msgs_limit },
		{ "ns_bytes", usage.ns_bytes_limit },
	};
	size_t i;

	NEED(limits.limit_mailboxes == usage.ns_mailboxes_limit);
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(numbers[i].name, name))
			return numbers[i].value;
	NEED(!"known");
	return -1;
}

static bool is_reported(int fd, const FIXTURE_VARIANT(tunable) *variant, long long value)
{
	return variant->unreported || reported(fd, variant->name) == value;
}

TEST_F(tunable, has_the_value_that_is_documented)
{
	EXPECT_EQ(variant->initial, self->initial);
	EXPECT_TRUE(is_reported(self->fd, variant, variant->initial));
}

TEST_F(tunable, is_what_it_is_set_to)
{
	ASSERT_EQ(0, set_tunable(variant->name, variant->other));
	EXPECT_EQ(variant->other, tunable(variant->name));
	EXPECT_TRUE(is_reported(self->fd, variant, variant->other));
	/* The least and the most that it can be. */
	EXPECT_EQ(0, set_tunable(variant->name, variant->floor + 1));
	EXPECT_EQ(0, set_tunable(variant->name, variant->ceiling ? variant->ceiling - 1 : INT_MAX));
}

/* What bounds a mailbox that is created. */
FIXTURE(bound) {
	int fd;
};

FIXTURE_VARIANT(bound) {
	const char *name;
	long long lower;	/* a value to set it to */
	bool counts;		/* mailboxes, not what is in one of them */
};

FIXTURE_VARIANT_ADD(bound, max_msgs) {
	.name = "max_msgs", .lower = 10,
};

FIXTURE_VARIANT_ADD(bound, max_size) {
	.name = "max_size", .lower = 100,
};

FIXTURE_VARIANT_ADD(bound, max_bytes) {
	.name = "max_bytes", .lower = 1000,
};

FIXTURE_VARIANT_ADD(bound, ns_mailboxes) {
	.name = "ns_mailboxes", .lower = 2, .counts = true,
};

FIXTURE_SETUP(bound)
{
	begin();
	self->fd = device(O_RDWR);
	/* It is held by limits like everybody. */
	wield(~(1ULL << CAP_SYS_RESOURCE));
}

FIXTURE_TEARDOWN(bound)
{
	reset_tunables();
	sweep();
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

TEST_F(bound, is_in_force_at_once_for_what_is_created_then)
{
	static const char text[101];
	struct mbox_stat stat;
	uint64_t id;

	id = create(self->fd, attributes(11, sizeof(text)));
	stat = state(self->fd, id);
	ASSERT_EQ(0, set_tunable(variant->name, variant->lower));
	EXPECT_EQ(0, create_with(self->fd, variant->name, variant->lower));
	EXPECT_EQ(variant->counts ? ENOSPC : EINVAL,
		  create_with(self->fd, variant->name, variant->lower + 1));

	/* What was there before stays as it was, and works. */
	EXPECT_TRUE(same_state(stat, state(self->fd, id)));
	EXPECT_EQ(0, send_bytes(self->fd, id, text, sizeof(text), 0, MBOX_SEND_NONBLOCK, 0));

	reset_tunables();
	EXPECT_EQ(0, create_with(self->fd, variant->name, variant->lower + 1));
}

TEST_F(tunable, refuses_what_is_no_limit)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/mbox/%s", variant->name);
	EXPECT_EQ(EINVAL, set_tunable(variant->name, variant->floor));
	EXPECT_EQ(EINVAL, set_tunable(variant->name, -2));
	if (variant->ceiling)
		EXPECT_EQ(EINVAL, set_tunable(variant->name, variant->ceiling));
	EXPECT_EQ(EINVAL, put_file(path, "many"));
	EXPECT_EQ(EINVAL, put_file(path, "99999999999999999999999"));
	EXPECT_EQ(self->initial, tunable(variant->name));
	EXPECT_TRUE(is_reported(self->fd, variant, self->initial));
}

TEST_F(tunable, is_out_of_reach_in_another_network_namespace)
{
	pid_t child = spawn();

	if (!child) {
		NEED(!unshare(CLONE_NEWNET));
		NEED(tunable(variant->name) == -1 && errno == ENOENT);
		NEED(set_tunable(variant->name, variant->other) == ENOENT);
		/* But it is in force there, too. */
		NEED(is_reported(self->fd, variant, self->initial));
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
		_exit(set_tunable(variant->name, variant->other));
	}
	EXPECT_EQ(EACCES, join(child));
	EXPECT_EQ(self->initial, tunable(variant->name));
}

TEST_HARNESS_MAIN
