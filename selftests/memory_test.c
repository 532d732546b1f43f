// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory cgroups: who is charged, and that a cgroup without memory is an error and
 * not the end of anybody.
 */
#include "kselftest_harness.h"
#include "account.h"
#include "cgroup.h"

/*
 * A process in a memory cgroup at its limit. It was built before it went in, and
 * touches no new page afterwards: else it would be killed, and rightly so.
 */
#define LIMITED	"mbox-limited"
#define OTHERS	"mbox-others"
#define MIB	(1LL << 20)

FIXTURE(memory) {
	bool missing;
	int fd;
	uint64_t box;
	uint64_t reserved;
	struct puppet *sender;
	struct puppet *receiver;
	struct puppet *grantees[32];
};

#define SKIP_IF_MISSING() do {						\
	if (self->missing)						\
		SKIP(return, "no memory cgroups here");			\
} while (0)

static int stay_in_memory(struct puppet *me)
{
	(void)me;
	return error_of(mlockall(MCL_CURRENT));
}

static struct puppet *new_puppet_in(const char *cgroup, int fd)
{
	struct puppet *puppet = new_puppet(fd, 0, 0);

	NEED(!ask(puppet, stay_in_memory));
	enter_cgroup(cgroup, puppet->pid);
	return puppet;
}

static struct mbox_create unbounded(uint32_t size)
{
	return (struct mbox_create){
		.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_size = size, .mode = 0666,
	};
}

FIXTURE_SETUP(memory)
{
	begin_accounts();
	self->missing = !use_memory_cgroups(true);
	self->fd = device(O_RDWR);
	if (self->missing)
		return;
	new_cgroup(LIMITED);
	new_cgroup(OTHERS);
	self->box = create(self->fd, unbounded(LARGE));
	self->reserved = create(self->fd, (struct mbox_create){
		.flags = MBOX_CREATE_RESERVE, .max_msgs = 4, .max_size = 16,
		.max_bytes = MBOX_UNBOUNDED_BYTES, .mode = 0666,
	});
	self->sender = new_puppet_in(LIMITED, self->fd);
	self->receiver = new_puppet_in(OTHERS, self->fd);
}

FIXTURE_TEARDOWN(memory)
{
	if (!self->missing) {
		end_cgroup(LIMITED);
		end_cgroup(OTHERS);
		NEED(use_memory_cgroups(false));
	}
	end_accounts(self->fd);
}

/* Send messages of that length until there is an error; how many. */
static unsigned int send_all(struct puppet *who, uint64_t box, uint32_t len, int *error)
{
	unsigned int count = 0;

	while (!(*error = send_large_by(who, box, len)))
		count++;
	return count;
}

/* Make such mailboxes until there is an error. */
static int make_all(struct puppet *who, struct mbox_create attr)
{
	int error;

	while (!(error = try_create_by(who, attr)))
		;
	return error;
}

static unsigned int receive_all(int fd, uint64_t box)
{
	static char text[LARGE];
	struct mbox_recv env;
	unsigned int count = 0;

	while (!receive_into(fd, box, text, sizeof(text), MBOX_RECV_NONBLOCK, 0, &env)) {
		NEED(!memcmp(text, large, env.len));
		count++;
	}
	return count;
}

static long long oom_kills(const char *cgroup)
{
	return cgroup_number(cgroup, "memory.events", "oom_kill ");
}

/* Use up the memory to the last byte that a message fits in. */
static unsigned int fill_memory(struct __test_metadata *_metadata, FIXTURE_DATA(memory) *self)
{
	static const uint32_t sizes[] = { LARGE, 4000, 0 };
	unsigned int count = 0, i;
	int error;

	NEED(!set_cgroup(LIMITED, "memory.max", "2M"));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		count += send_all(self->sender, self->box, sizes[i], &error);
		EXPECT_EQ(ENOMEM, error);
	}
	EXPECT_LT(20, count);
	return count;
}

static void make_grantees(FIXTURE_DATA(memory) *self)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(self->grantees); i++)
		self->grantees[i] = new_puppet(self->fd, 0, 0);
}

TEST_F(memory, at_its_limit_is_an_error_and_kills_nobody)
{
	struct mbox_create reserved = attributes(16, 1000), by_tag = attributes(1, 1);
	unsigned int i, count;
	uint64_t own;
	int error;

	SKIP_IF_MISSING();
	make_grantees(self);
	own = create_by(self->sender, attributes(1, 1));
	count = fill_memory(_metadata, self);
	reserved.flags = MBOX_CREATE_RESERVE;
	reserved.max_bytes = MBOX_UNBOUNDED_BYTES;
	EXPECT_EQ(ENOMEM, make_all(self->sender, reserved));
	by_tag.flags = MBOX_CREATE_BY_TAG;
	EXPECT_EQ(ENOMEM, make_all(self->sender, by_tag));
	EXPECT_EQ(ENOMEM, make_all(self->sender, attributes(1, 1)));
	for (error = 0, i = 0; !error && i < ARRAY_SIZE(self->grantees); i++)
		error = grant_by(self->sender, own, self->grantees[i]->pid, MBOX_RIGHT_RECV);
	EXPECT_EQ(ENOMEM, error);
	/* What was allocated before is at hand. */
	EXPECT_EQ(0, post_by(self->sender, self->reserved, "text"));

	EXPECT_EQ(0, oom_kills(LIMITED));
	EXPECT_EQ(0, kill(self->sender->pid, 0));
	EXPECT_EQ(count, state(self->fd, self->box).msgs);
	/* Others are not held by it. */
	EXPECT_EQ(0, post_by(self->receiver, self->box, ""));
	EXPECT_EQ(count + 1, receive_all(self->fd, self->box));
	EXPECT_EQ(0, send_large_by(self->sender, self->box, LARGE));
	EXPECT_EQ(1, receive_all(self->fd, self->box));
}

/* At the limit one can still receive, which gives memory back. */
TEST_F(memory, at_its_limit_can_be_given_back)
{
	struct mbox_recv how = { .flags = MBOX_RECV_TRUNCATE, .id = self->box };
	unsigned int count;

	SKIP_IF_MISSING();
	for (count = fill_memory(_metadata, self); count; count--)
		ASSERT_EQ(0, recv_by(self->sender, how));
	EXPECT_EQ(0, oom_kills(LIMITED));
	EXPECT_GT(MIB, charged_to(LIMITED));
}

TEST_F(memory, is_charged_to_the_cgroup_of_the_sender)
{
	long long sender, receiver;
	int i;

	SKIP_IF_MISSING();
	sender = charged_to(LIMITED);
	receiver = charged_to(OTHERS);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, send_large_by(self->sender, self->box, LARGE));
	EXPECT_LE(sender + 64 * LARGE, charged_to(LIMITED));
	EXPECT_GT(receiver + MIB, charged_to(OTHERS));
	for (i = 0; i < 64; i++) {
		struct mbox_recv recv = {
			.flags = MBOX_RECV_TRUNCATE, .id = self->box,
		};

		ASSERT_EQ(0, recv_by(self->receiver, recv));
	}
	EXPECT_GT(sender + MIB, charged_to(LIMITED));
	EXPECT_GT(receiver + MIB, charged_to(OTHERS));
}

TEST_F(memory, of_a_reserved_mailbox_is_charged_to_the_cgroup_of_its_creator)
{
	struct mbox_create attr = {
		.flags = MBOX_CREATE_RESERVE, .max_msgs = 64, .max_size = LARGE,
		.max_bytes = MBOX_UNBOUNDED_BYTES, .mode = 0666,
	};
	long long before;
	uint64_t box;
	int i;

	SKIP_IF_MISSING();
	before = charged_to(OTHERS);
	box = create_by(self->receiver, attr);
	EXPECT_LE(before + 64 * LARGE, charged_to(OTHERS));
	NEED(!set_cgroup(LIMITED, "memory.max", "1M"));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, send_large_by(self->sender, box, LARGE));
	EXPECT_EQ(0, oom_kills(LIMITED));
	ASSERT_EQ(0, delete(self->fd, box));
	EXPECT_GT(before + MIB, charged_to(OTHERS));
}

TEST_HARNESS_MAIN
