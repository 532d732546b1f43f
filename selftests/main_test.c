// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module: it cannot go while anything of it is in use, and can when nothing
 * is. Every test ends with the module loaded.
 */
#include "kselftest_harness.h"
#include "module.h"

FIXTURE(module) {
};

FIXTURE_SETUP(module)
{
	begin();
	await_module();
}

FIXTURE_TEARDOWN(module)
{
	restore_module();
}

static void expect_busy(struct __test_metadata *_metadata)
{
	EXPECT_EQ(EWOULDBLOCK, unload());
	EXPECT_LT(0, users_of_module());
}

static void expect_free(struct __test_metadata *_metadata)
{
	EXPECT_EQ(0, unload());
	EXPECT_EQ(-1, users_of_module());
	EXPECT_EQ(-1, tunable("max_msgs"));
	EXPECT_NE(0, access(MBOX_DEVICE, F_OK));
	ASSERT_EQ(0, load());
	EXPECT_EQ(0, users_of_module());
}

TEST_F(module, goes_and_comes_when_nothing_uses_it)
{
	SKIP_IF_MISSING();
	expect_free(_metadata);
	expect_free(_metadata);
	EXPECT_LT(0, mailbox(attributes(1, 1)));
}

TEST_F(module, stays_while_a_descriptor_is_open)
{
	int fd;

	SKIP_IF_MISSING();
	fd = device(O_RDWR);
	expect_busy(_metadata);
	EXPECT_EQ(0, info(fd).mailboxes);
	close(fd);
	expect_free(_metadata);
}

TEST_F(module, stays_while_a_mailbox_exists)
{
	uint64_t id;
	int fd;

	SKIP_IF_MISSING();
	fd = mailbox(attributes(1, 1));
	id = state(fd, 0).id;
	ASSERT_EQ(0, post(fd, 0, "a", 0));
	close(fd);
	expect_busy(_metadata);
	fd = device(O_RDWR);
	EXPECT_EQ(1, state(fd, id).msgs);
	EXPECT_EQ(0, delete(fd, id));
	close(fd);
	expect_free(_metadata);
}

TEST_F(module, stays_while_a_descriptor_of_a_deleted_mailbox_is_open)
{
	struct mbox_stat stat;
	int fd;

	SKIP_IF_MISSING();
	fd = mailbox(attributes(1, 1));
	EXPECT_EQ(0, delete(fd, 0));
	expect_busy(_metadata);
	EXPECT_EQ(EIDRM, try_stat(fd, 0, 0, &stat));
	close(fd);
	expect_free(_metadata);
}

TEST_F(module, is_held_by_nothing_that_failed)
{
	struct mbox_create attr = attributes(1, 1);
	int fd;

	SKIP_IF_MISSING();
	fd = device(O_RDWR);
	attr.max_msgs = 0;
	EXPECT_EQ(EINVAL, call(fd, MBOX_IOC_CREATE, &attr));
	attr = attributes(1, 1);
	set_name(attr.name, "name");
	attr.id = create(fd, attr);
	EXPECT_EQ(EEXIST, call(fd, MBOX_IOC_CREATE, &attr));
	EXPECT_EQ(0, delete(fd, attr.id));
	EXPECT_EQ(EIDRM, delete(fd, attr.id));
	close(fd);
	EXPECT_EQ(0, users_of_module());
	expect_free(_metadata);
}

TEST_F(module, stays_while_a_mailbox_exists_in_another_network_namespace)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child;

	SKIP_IF_MISSING();
	child = spawn();
	if (!child) {
		NEED(!unshare(CLONE_NEWNET));
		close(mailbox(attributes(1, 1)));
		tell(ready, true);
		pause();
	}
	WAIT_UNTIL(told(ready));
	expect_busy(_metadata);
	end(child);
	/* The kernel ends a namespace when it finds time. */
	WAIT_UNTIL(users_of_module() == 0);
	expect_free(_metadata);
}

TEST_F(module, goes_while_another_network_namespace_is_there_without_mailboxes)
{
	uint32_t *ready = shared(sizeof(*ready)), *loaded = shared(sizeof(*loaded));
	pid_t child;

	SKIP_IF_MISSING();
	child = spawn();
	if (!child) {
		NEED(!unshare(CLONE_NEWNET));
		tell(ready, true);
		WAIT_UNTIL(told(loaded));
		_exit(delete(mailbox(attributes(1, 1)), 0));
	}
	WAIT_UNTIL(told(ready));
	expect_free(_metadata);
	tell(loaded, true);
	EXPECT_EQ(0, join(child));
}

/**
 * struct member - a process that has taken part, and will again
 * @pid: of it
 * @turn: even: it is the process's; odd: it is the test's
 * @clock: what it was told last of its clock
 */
struct member {
	pid_t pid;
	uint32_t turn;
	struct mbox_clock clock;
};

enum { TICKS = 100 };

static void take_part(struct member *me, int ticks)
{
	int fd = mailbox(attributes(1, 1));
	struct letter letter;

	NEED(!call(fd, MBOX_IOC_CLOCK, &me->clock));
	if (ticks) {
		NEED(!post(fd, 0, "x", 0));
		NEED(!fetch(fd, 0, &letter));
	}
	me->clock.flags = MBOX_CLOCK_TICK;
	while (ticks--)
		NEED(!call(fd, MBOX_IOC_CLOCK, &me->clock));
	me->clock.flags = 0;
	NEED(!delete(fd, 0));
	close(fd);
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* Each takes part once, and once more when it is told to; some have threads. */
static void spawn_members(struct member *members, int count)
{
	pthread_t thread;
	int i;

	for (i = 0; i < count; i++) {
		struct member *me = &members[i];
		pid_t pid;

		me->turn = 0;
		pid = spawn();
		if (pid) {
			me->pid = pid;
			continue;
		}
		if (i % 2)
			NEED(!pthread_create(&thread, NULL, idle, NULL));
		take_part(me, TICKS);
		tell(&me->turn, 1);
		WAIT_UNTIL(told(&me->turn) == 2);
		take_part(me, 0);
		tell(&me->turn, 3);
		idle(NULL);
	}
	for (i = 0; i < count; i++)
		WAIT_UNTIL(told(&members[i].turn) == 1);
}

TEST_F(module, goes_while_processes_live_that_took_part_and_begins_anew_with_them)
{
	enum { COUNT = 4 };
	struct member *members = shared((COUNT + 1) * sizeof(*members));
	struct member *newborn = &members[COUNT];
	pid_t pid;
	int i, j;

	SKIP_IF_MISSING();
	spawn_members(members, COUNT);
	EXPECT_EQ(0, users_of_module());
	for (i = 0; i < COUNT; i++)
		EXPECT_LT(TICKS, members[i].clock.stamp);
	expect_free(_metadata);
	pid = spawn();
	if (!pid) {
		take_part(newborn, 0);
		_exit(0);
	}
	EXPECT_EQ(0, join(pid));
	for (i = 0; i < COUNT; i++) {
		tell(&members[i].turn, 2);
		WAIT_UNTIL(told(&members[i].turn) == 3);
		EXPECT_EQ(newborn->clock.stamp, members[i].clock.stamp);
		EXPECT_NE(newborn->clock.participant, members[i].clock.participant);
		for (j = 0; j < i; j++)
			EXPECT_NE(members[j].clock.participant, members[i].clock.participant);
	}
	for (i = 0; i < COUNT; i++)
		end(members[i].pid);
	expect_free(_metadata);
}

TEST_F(module, goes_and_processes_that_took_part_end_afterwards)
{
	enum { COUNT = 4 };
	struct member *members = shared(COUNT * sizeof(*members));
	int i;

	SKIP_IF_MISSING();
	spawn_members(members, COUNT);
	ASSERT_EQ(0, unload());
	for (i = 0; i < COUNT / 2; i++)
		end(members[i].pid);
	ASSERT_EQ(0, load());
	for (; i < COUNT; i++)
		end(members[i].pid);
	expect_free(_metadata);
}

TEST_F(module, goes_while_processes_that_took_part_end)
{
	enum { COUNT = 6, ROUNDS = 10 };
	struct member *members = shared(COUNT * sizeof(*members));
	int round, i;

	SKIP_IF_MISSING();
	for (round = 0; round < ROUNDS; round++) {
		spawn_members(members, COUNT);
		EXPECT_EQ(0, users_of_module());
		for (i = 0; i < COUNT; i++)
			ASSERT_EQ(0, kill(members[i].pid, SIGKILL));
		ASSERT_EQ(0, unload());
		for (i = 0; i < COUNT; i++)
			EXPECT_EQ(-SIGKILL, join(members[i].pid));
		ASSERT_EQ(0, load());
	}
	expect_free(_metadata);
}

TEST_HARNESS_MAIN
