// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Participants and their logical clocks: what each message bears of its sender, and
 * that whatever happened before something else has the smaller stamp. And messages
 * that are picked by the participant id of their sender.
 */
#include "kselftest_harness.h"
#include "fault.h"
#include "puppet.h"

#define SIZE 32

static const struct mbox_recv fetches = { .flags = MBOX_RECV_NONBLOCK };
static const struct mbox_send stamped = { .flags = MBOX_SEND_STAMP | MBOX_SEND_NONBLOCK };

static uint64_t later_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct mbox_clock clock_of(struct puppet *puppet, uint64_t flags)
{
	struct mbox_clock clock;

	memset(&clock, POISON, sizeof(clock));
	clock.flags = flags;
	NEED(!call_by(puppet, MBOX_IOC_CLOCK, &clock));
	NEED(clock.flags == flags);
	return clock;
}

/* What its clock shows. */
static uint64_t shown(struct puppet *puppet)
{
	return clock_of(puppet, 0).stamp;
}

static uint64_t tick(struct puppet *puppet)
{
	return clock_of(puppet, MBOX_CLOCK_TICK).stamp;
}

static uint64_t participant(struct puppet *puppet)
{
	return clock_of(puppet, 0).participant;
}

/* Argument: how often. */
static int do_tick(struct puppet *me)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };
	uint64_t times;

	for (memcpy(&times, me->arg, sizeof(times)); times; times--)
		NEED(!call(me->fd, MBOX_IOC_CLOCK, &clock));
	return 0;
}

static void tick_often(struct puppet *puppet, uint64_t times)
{
	memcpy(puppet->arg, &times, sizeof(times));
	NEED(!ask(puppet, do_tick));
}

/* With what a receive tells of its sender poisoned. */
static struct mbox_recv poisoned(struct mbox_recv how)
{
	memset(&how.stamp, POISON,
	       offsetof(struct mbox_recv, nr_files) - offsetof(struct mbox_recv, stamp));
	return how;
}

static int take_by(struct puppet *puppet, struct mbox_recv how)
{
	return recv_by(puppet, poisoned(how));
}

/* Send one; its stamp. */
static uint64_t stamp_of(struct puppet *puppet, const char *text)
{
	struct mbox_send how = stamped;

	memset(&how.stamp, POISON, sizeof(how.stamp));
	NEED(!send_by(puppet, how, text));
	return puppet->send.stamp;
}

FIXTURE(clock) {
	int fd;
	struct puppet *me, *a, *b;
	uint64_t *ids;		/* for a choice: the mailbox */
};

FIXTURE_SETUP(clock)
{
	struct mbox_create attr = attributes(8, SIZE);

	begin();
	take_signals(0);
	attr.flags = MBOX_CREATE_BY_TAG;
	attr.mode = 0666;
	self->fd = mailbox(attr);
	self->ids = shared(sizeof(*self->ids));
	self->ids[0] = state(self->fd, 0).id;
	self->me = myself(self->fd);
	self->a = new_puppet(self->fd, 0, 0);
	self->b = new_puppet(self->fd, 0, 0);
}

FIXTURE_TEARDOWN(clock)
{
	sweep();
}

/*
 * The command.
 */

TEST_F(clock, stands_still_until_something_happens)
{
	struct mbox_clock first = clock_of(self->a, 0), again;

	again = clock_of(self->a, 0);
	EXPECT_EQ(0, memcmp(&first, &again, sizeof(first)));
	tick_often(self->b, 10);
	state(self->fd, 0);
	EXPECT_EQ(first.stamp, shown(self->a));
}

TEST_F(clock, advances_by_one_at_a_local_event)
{
	uint64_t start = shown(self->a), id = participant(self->a), i;

	for (i = 1; i <= 5; i++) {
		struct mbox_clock clock = clock_of(self->a, MBOX_CLOCK_TICK);

		EXPECT_EQ(start + i, clock.stamp);
		EXPECT_EQ(id, clock.participant);
		EXPECT_EQ(start + i, shown(self->a));
	}
}

TEST_F(clock, is_that_of_the_process_whatever_the_descriptor)
{
	static const int oflags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_NONBLOCK };
	struct mbox_clock clock = clock_of(self->me, MBOX_CLOCK_TICK);
	int gone = mailbox(attributes(1, 1));
	size_t i;

	ASSERT_EQ(0, delete(gone, 0));
	for (i = 0; i <= ARRAY_SIZE(oflags); i++) {
		struct puppet *same = myself(i < ARRAY_SIZE(oflags) ? device(oflags[i]) : gone);

		EXPECT_EQ(clock.participant, participant(same));
		EXPECT_EQ(clock.stamp + i, shown(same));
		EXPECT_EQ(clock.stamp + i + 1, tick(same));
		close(same->fd);
	}
}

TEST_F(clock, refuses_every_flag_it_does_not_know)
{
	uint64_t start = shown(self->me);
	unsigned int bit;

	for (bit = 1; bit < 64; bit++) {
		struct mbox_clock clock, before;

		memset(&clock, POISON, sizeof(clock));
		clock.flags = 1ULL << bit | (bit % 2 ? MBOX_CLOCK_TICK : 0);
		before = clock;
		EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CLOCK, &clock));
		EXPECT_EQ(0, memcmp(&before, &clock, sizeof(clock)));
	}
	EXPECT_EQ(start, shown(self->me));
}

static unsigned int clock_command(size_t size)
{
	return _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, _IOC_NR(MBOX_IOC_CLOCK), size);
}

TEST_F(clock, is_asked_with_the_structure_of_its_version_or_a_longer_one)
{
	struct { struct mbox_clock clock; unsigned char tail[16]; } arg;
	size_t size;

	for (size = 0; size < sizeof(arg.clock); size++) {
		memset(&arg, 0, sizeof(arg));
		EXPECT_EQ(EINVAL, call(self->fd, clock_command(size), &arg));
	}
	for (size = sizeof(arg.clock); size <= sizeof(arg); size++) {
		memset(&arg, 0, sizeof(arg));
		arg.clock.participant = ~0ULL;
		memset((char *)&arg + size, POISON, sizeof(arg) - size);
		EXPECT_EQ(0, call(self->fd, clock_command(size), &arg));
		EXPECT_EQ(participant(self->me), arg.clock.participant);
	}
	for (size = sizeof(arg.clock) + 1; size <= sizeof(arg); size++) {
		memset(&arg, 0, sizeof(arg));
		((char *)&arg)[size - 1] = 1;
		EXPECT_EQ(E2BIG, call(self->fd, clock_command(size), &arg));
		EXPECT_EQ(0, arg.clock.participant);
	}
}

TEST_F(clock, that_cannot_be_told_does_not_go_back)
{
	struct mbox_clock *locked = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = shown(self->me);

	ASSERT_NE(MAP_FAILED, locked);
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_CLOCK, unmapped()));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_CLOCK, before_a_hole(sizeof(*locked) - 1)));
	EXPECT_EQ(start, shown(self->me));
	ASSERT_EQ(0, mprotect(locked, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_CLOCK, locked));
	EXPECT_EQ(start, shown(self->me));
	ASSERT_EQ(0, mprotect(locked, PAGE, PROT_READ | PROT_WRITE));
	locked->flags = MBOX_CLOCK_TICK;
	ASSERT_EQ(0, mprotect(locked, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_CLOCK, locked));
	EXPECT_LE(start, shown(self->me));
}

/*
 * Participants.
 */

TEST_F(clock, is_one_of_all_threads)
{
	struct puppet *thread = new_thread(self->a), *third = new_thread(self->a);
	uint64_t start = tick(self->a), id = participant(self->a);

	EXPECT_EQ(start + 1, tick(thread));
	EXPECT_EQ(start + 2, stamp_of(third, "x"));
	EXPECT_EQ(start + 3, tick(self->a));
	EXPECT_EQ(id, participant(thread));
	EXPECT_EQ(id, participant(third));
	ASSERT_EQ(0, take_by(thread, fetches));
	EXPECT_EQ(start + 4, thread->recv.clock);
	EXPECT_EQ(start + 4, shown(third));
}

TEST_F(clock, of_one_process_is_not_that_of_another)
{
	uint64_t a = shown(self->a), b = shown(self->b);

	EXPECT_NE(participant(self->a), participant(self->b));
	EXPECT_NE(participant(self->a), participant(self->me));
	EXPECT_NE(participant(self->b), participant(self->me));
	EXPECT_EQ(a + 1, tick(self->a));
	EXPECT_EQ(b, shown(self->b));
}

static int do_reopen(struct puppet *me)
{
	if (close_range(3, ~0U, 0))
		return errno;
	me->fd = device(O_RDWR);
	return 0;
}

TEST_F(clock, stays_when_all_descriptors_are_closed)
{
	struct mbox_clock before, after;

	before = clock_of(self->a, MBOX_CLOCK_TICK);
	ASSERT_EQ(0, ask(self->a, do_reopen));
	after = clock_of(self->a, 0);
	EXPECT_EQ(before.stamp, after.stamp);
	EXPECT_EQ(before.participant, after.participant);
}

TEST_F(clock, stays_when_nothing_else_is_left)
{
	struct puppet *alone;
	struct mbox_clock before;

	alone = new_puppet(self->fd, 0, 0);
	create_by(alone, attributes(1, 1));
	tick_often(alone, 20);
	before = clock_of(alone, 0);
	sweep();
	ASSERT_EQ(0, ask(alone, do_reopen));
	EXPECT_EQ(before.participant, participant(alone));
	EXPECT_EQ(before.stamp, shown(alone));
}

TEST_F(clock, stays_with_a_process_that_calls_exec)
{
	struct puppet *thread;
	struct mbox_clock before;

	tick_often(self->a, 30);
	before = clock_of(self->a, MBOX_CLOCK_TICK);
	ASSERT_EQ(0, ask(self->a, do_exec));
	EXPECT_EQ(before.stamp, shown(self->a));
	EXPECT_EQ(before.participant, participant(self->a));

	/* The leader is replaced by the thread that calls it. */
	tick_often(self->b, 40);
	thread = new_thread(self->b);
	before = clock_of(self->b, MBOX_CLOCK_TICK);
	ASSERT_EQ(0, ask(thread, do_exec));
	EXPECT_EQ(before.stamp, shown(thread));
	EXPECT_EQ(before.participant, participant(thread));
	EXPECT_EQ(before.stamp + 1, stamp_of(thread, "x"));
	ASSERT_EQ(0, take_by(self->me, fetches));
	EXPECT_EQ(before.participant, self->me->recv.sender);
	EXPECT_EQ(self->b->pid, self->me->recv.pid);
	EXPECT_EQ(self->b->pid, self->me->recv.tid);
}

static int become_somebody_else(struct puppet *me)
{
	(void)me;
	NEED(!unshare(CLONE_NEWNET));
	become(STRANGER, STRANGER);
	return 0;
}

TEST_F(clock, stays_with_a_process_that_changes_user_and_namespace)
{
	struct mbox_clock before;

	tick_often(self->a, 5);
	before = clock_of(self->a, MBOX_CLOCK_TICK);
	ASSERT_EQ(0, ask(self->a, become_somebody_else));
	EXPECT_EQ(before.stamp, shown(self->a));
	EXPECT_EQ(before.participant, participant(self->a));
	EXPECT_EQ(before.stamp + 1, stamp_of(self->a, "x"));
	ASSERT_EQ(0, take_by(self->me, fetches));
	EXPECT_EQ(before.participant, self->me->recv.sender);
	EXPECT_EQ(STRANGER, self->me->recv.uid);
}

static int tell_clock(void *data)
{
	struct puppet *me = data;

	_exit(call(me->fd, MBOX_IOC_CLOCK, me->arg));
}

/* What a child says of its clock; the command is the flags of clone(2). */
static int do_ask_child(struct puppet *me)
{
	static char stack[4 * PAGE] __attribute__((aligned(16)));
	pid_t child;

	child = clone(tell_clock, stack + sizeof(stack), me->command | SIGCHLD, me);
	NEED(child > 0);
	return join(child);
}

static struct mbox_clock clock_of_child(struct puppet *puppet, unsigned long flags)
{
	struct mbox_clock clock = { };

	puppet->command = flags;
	memcpy(puppet->arg, &clock, sizeof(clock));
	NEED(!ask(puppet, do_ask_child));
	memcpy(&clock, puppet->arg, sizeof(clock));
	return clock;
}

TEST_F(clock, is_not_that_of_a_child)
{
	static const unsigned long flags[] = { 0, CLONE_FILES, CLONE_VM | CLONE_FILES };
	struct mbox_clock mine = clock_of(self->a, MBOX_CLOCK_TICK);
	uint64_t others[ARRAY_SIZE(flags)];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		others[i] = clock_of_child(self->a, flags[i]).participant;
		EXPECT_NE(mine.participant, others[i]);
		for (j = 0; j < i; j++)
			EXPECT_NE(others[j], others[i]);
	}
	EXPECT_EQ(mine.participant, participant(self->a));
	EXPECT_EQ(mine.stamp, shown(self->a));
}

TEST_F(clock, and_its_participant_id_are_never_those_of_another_process)
{
	enum { COUNT = 40 };
	struct mbox_clock *clocks = shared(COUNT * sizeof(*clocks));
	pid_t pid = 0;
	int i, j;

	/* All of one pid, where that can be had. */
	for (i = 0; i < COUNT; i++) {
		pid_t child = pid ? spawn_with_pid(pid) : spawn();

		if (child < 0)
			child = spawn();
		if (!child)
			_exit(call(self->fd, MBOX_IOC_CLOCK, &clocks[i]));
		EXPECT_EQ(0, join(child));
		pid = child;
		EXPECT_NE(0, clocks[i].participant);
		for (j = 0; j < i; j++)
			ASSERT_NE(clocks[j].participant, clocks[i].participant);
	}
}

/*
 * Sending.
 */

TEST_F(clock, advances_by_one_with_each_message_which_bears_it)
{
	static const struct mbox_send ways[] = {
		{ .flags = MBOX_SEND_NONBLOCK },
		{ .flags = 0 },
		{ .flags = MBOX_SEND_TIMEOUT, .deadline = INT64_MAX },
		{ .flags = MBOX_SEND_EXPIRES, .expires = INT64_MAX },
		{ .flags = 0, .prio = MBOX_PRIO_MAX, .tag = 9 },
	};
	struct mbox_send how;
	uint64_t before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		before = tick(self->a);
		how = ways[i];
		how.flags |= MBOX_SEND_STAMP;
		memset(&how.stamp, POISON, sizeof(how.stamp));
		ASSERT_EQ(0, send_by(self->a, how, "x"));
		EXPECT_EQ(before + 1, self->a->send.stamp);
		EXPECT_EQ(before + 1, shown(self->a));
		ASSERT_EQ(0, take_by(self->b, fetches));
		EXPECT_EQ(before + 1, self->b->recv.stamp);
		EXPECT_EQ(participant(self->a), self->b->recv.sender);
	}
}

TEST_F(clock, is_told_to_a_sender_that_asks_and_to_no_other)
{
	struct mbox_send how = { .flags = MBOX_SEND_NONBLOCK };
	uint64_t poison;

	memset(&poison, POISON, sizeof(poison));
	how.stamp = poison;
	ASSERT_EQ(0, send_by(self->a, how, "x"));
	EXPECT_EQ(poison, self->a->send.stamp);
	how.flags |= MBOX_SEND_STAMP;
	ASSERT_EQ(0, send_by(self->a, how, "x"));
	EXPECT_EQ(shown(self->a), self->a->send.stamp);
	EXPECT_EQ(0, self->a->send.receiver);
	EXPECT_EQ(0, self->a->send.reserved3);
}

/* Nor does a failure say anything of a stamp. */
TEST_F(clock, does_not_go_back_when_a_send_fails)
{
	struct mbox_send how = { .flags = MBOX_SEND_STAMP | MBOX_SEND_NONBLOCK };
	struct mbox_send fails[] = {
		{ .flags = 1ULL << 63 },
		{ .prio = MBOX_PRIO_MAX + 1 },
		{ .reserved3 = 1 },
		{ .id = 1ULL << 60 },
		{ .len = SIZE + 1 },
		{ .len = 1, .buf = (uintptr_t)unmapped() },
		{ .flags = MBOX_SEND_NONBLOCK },
		{ .flags = MBOX_SEND_TIMEOUT },
		{ .flags = MBOX_SEND_TIMEOUT, .deadline = now() + 10 * MSEC },
		{ .flags = MBOX_SEND_EXPIRES, .expires = 1 },
	};
	static const int errors[] = {
		EINVAL, EINVAL, EINVAL, ENOENT, EMSGSIZE, EFAULT, EAGAIN, ETIMEDOUT, ETIMEDOUT,
		ETIMEDOUT,
	};
	uint64_t last, poison;
	size_t i;

	memset(&poison, POISON, sizeof(poison));
	for (last = 0; !send_by(self->me, how, "x"); last = self->me->send.stamp)
		;
	EXPECT_EQ(8, state(self->fd, 0).msgs);
	for (i = 0; i < ARRAY_SIZE(fails); i++) {
		uint64_t clock = shown(self->me);

		EXPECT_LE(last, clock);
		fails[i].flags |= MBOX_SEND_STAMP;
		fails[i].stamp = poison;
		EXPECT_EQ(errors[i], call(self->fd, MBOX_IOC_SEND, &fails[i])) {
			TH_LOG("failure %zu", i);
		}
		EXPECT_EQ(poison, fails[i].stamp);
		EXPECT_LE(clock, shown(self->me));
		last = clock;
	}
	/* What follows is later all the same. */
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_LT(last, stamp_of(self->me, "x"));
}

TEST_F(clock, whose_stamp_cannot_be_told_is_that_of_a_message_that_was_sent)
{
	struct mbox_send *how = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before = shown(self->me);

	ASSERT_NE(MAP_FAILED, how);
	*how = stamped;
	ASSERT_EQ(0, mprotect(how, PAGE, PROT_READ));
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_SEND, how));
	EXPECT_EQ(0, how->stamp);
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_EQ(before + 1, self->b->recv.stamp);
}

/* A program that knows the flag and not the member. */
TEST_F(clock, is_not_written_behind_a_structure_of_an_older_version)
{
	static const size_t sizes[] = {
		offsetof(struct mbox_send, offer), offsetof(struct mbox_send, files),
		offsetof(struct mbox_send, stamp),
	};
	struct mbox_send how, poison;
	size_t i;

	memset(&poison, POISON, sizeof(poison));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		how = stamped;
		memcpy((char *)&how + sizes[i], &poison, sizeof(how) - sizes[i]);
		ASSERT_EQ(0, call(self->fd, _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC,
						 _IOC_NR(MBOX_IOC_SEND), sizes[i]), &how));
		EXPECT_EQ(0, memcmp((char *)&how + sizes[i], &poison, sizeof(how) - sizes[i]));
	}
}

/* The mailbox accepts it when there is room, not when the sender comes. */
TEST_F(clock, that_a_message_bears_is_that_of_its_acceptance)
{
	struct puppet *thread = new_thread(self->a);
	struct mbox_send how = { .flags = MBOX_SEND_STAMP };
	uint64_t clock;

	while (!post_by(self->me, 0, "x"))
		;
	begin_send(self->a, how, "last");
	wait_for_senders(self->fd, 0, 1);
	tick_often(thread, 20);
	clock = shown(thread);
	ASSERT_EQ(0, take_by(self->b, fetches));
	ASSERT_EQ(0, end_act(self->a));
	EXPECT_EQ(clock + 1, self->a->send.stamp);
	do {
		ASSERT_EQ(0, take_by(self->b, fetches));
	} while (strcmp(self->b->text, "last"));
	EXPECT_EQ(clock + 1, self->b->recv.stamp);
	EXPECT_EQ(participant(thread), self->b->recv.sender);
}

/*
 * Receiving.
 */

struct way {
	const char *name;
	struct mbox_recv how;
};

static const struct way ways[] = {
	{ "at once", { .flags = MBOX_RECV_NONBLOCK } },
	{ "waiting", { .flags = 0 } },
	{ "with a deadline", { .flags = MBOX_RECV_TIMEOUT, .deadline = INT64_MAX } },
	{ "the least", { .flags = MBOX_RECV_LEAST } },
	{ "by tag", { .flags = MBOX_RECV_MATCH, .match = 7 } },
	{ "of a choice", { .flags = MBOX_RECV_CHOICE, .nr_ids = 1 } },
	{ "accepting", { .flags = MBOX_RECV_ACCEPT } },
	{ "cut", { .flags = MBOX_RECV_TRUNCATE } },
	{ "a look", { .flags = MBOX_RECV_PEEK } },
	{ "a look at the next", { .flags = MBOX_RECV_PEEK, .nth = 1 } },
	{ "a look at the least", { .flags = MBOX_RECV_PEEK | MBOX_RECV_LEAST } },
	{ "a look by tag", { .flags = MBOX_RECV_PEEK | MBOX_RECV_MATCH, .match = 7 } },
};

/* The second message is the one with a tag. */
static void expect_merge(struct __test_metadata *_metadata, FIXTURE_DATA(clock) *self,
			 const struct way *way)
{
	struct mbox_send with_tag = { .flags = stamped.flags, .tag = 7 };
	struct mbox_recv how = way->how;
	uint64_t before = shown(self->b), stamps[2];

	stamps[0] = stamp_of(self->a, "first");
	ASSERT_EQ(0, send_by(self->a, with_tag, "second"));
	stamps[1] = self->a->send.stamp;
	if (how.flags & MBOX_RECV_CHOICE)
		how.ids = (uintptr_t)self->ids;
	ASSERT_EQ(0, take_by(self->b, how));
	EXPECT_EQ(stamps[!strcmp(self->b->text, "second")], self->b->recv.stamp);
	EXPECT_EQ(later_of(before, self->b->recv.stamp) + 1, self->b->recv.clock) {
		TH_LOG("%s", way->name);
	}
	EXPECT_EQ(self->b->recv.clock, shown(self->b));
	EXPECT_EQ(participant(self->a), self->b->recv.sender);
	while (!fetch_by(self->me, 0))
		;
}

TEST_F(clock, goes_past_the_stamp_of_what_is_received_or_looked_at)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		tick_often(self->a, 100);
		while (shown(self->a) <= shown(self->b))
			tick_often(self->a, 100);
		expect_merge(_metadata, self, &ways[i]);
	}
}

TEST_F(clock, advances_by_one_when_what_is_received_or_looked_at_is_older)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		while (shown(self->b) < shown(self->a) + 50)
			tick_often(self->b, 100);
		expect_merge(_metadata, self, &ways[i]);
	}
}

TEST_F(clock, goes_past_the_stamp_of_what_was_waited_for)
{
	struct mbox_send with_tag = { .flags = stamped.flags, .tag = 7 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		struct mbox_recv how = poisoned(ways[i].how);
		uint64_t stamp, before = shown(self->b);

		if (how.flags & MBOX_RECV_NONBLOCK || how.nth)
			continue;
		if (how.flags & MBOX_RECV_CHOICE)
			how.ids = (uintptr_t)self->ids;
		begin_recv(self->b, how);
		wait_for_receivers(self->fd, 0, 1);
		tick_often(self->a, 10 * (i % 3) + 1);
		ASSERT_EQ(0, send_by(self->a, with_tag, "x"));
		stamp = self->a->send.stamp;
		ASSERT_EQ(0, end_act(self->b));
		EXPECT_EQ(stamp, self->b->recv.stamp);
		EXPECT_EQ(later_of(before, stamp) + 1, self->b->recv.clock) {
			TH_LOG("%s", ways[i].name);
		}
		while (!fetch_by(self->me, 0))
			;
	}
}

TEST_F(clock, goes_past_that_of_ones_own_message)
{
	uint64_t stamp = stamp_of(self->a, "x");

	ASSERT_EQ(0, take_by(self->a, fetches));
	EXPECT_EQ(stamp, self->a->recv.stamp);
	EXPECT_EQ(stamp + 1, self->a->recv.clock);
}

TEST_F(clock, takes_read_and_write_as_receive_and_send)
{
	uint64_t before, b = shown(self->b);

	tick_often(self->a, 50);
	before = shown(self->a);
	strcpy(self->a->text, "text");
	ASSERT_EQ(0, ask(self->a, do_write));
	EXPECT_EQ(before + 1, shown(self->a));
	ASSERT_EQ(0, take_by(self->me, (struct mbox_recv){ .flags = MBOX_RECV_PEEK }));
	EXPECT_EQ(before + 1, self->me->recv.stamp);
	EXPECT_EQ(participant(self->a), self->me->recv.sender);
	EXPECT_EQ(self->a->pid, self->me->recv.tid);
	ASSERT_EQ(0, ask(self->b, do_read));
	EXPECT_EQ(later_of(before + 1, b) + 1, shown(self->b));
}

/* The message keeps what it bears, wherever it goes. */
TEST_F(clock, does_not_go_back_when_a_receive_fails)
{
	struct mbox_recv fails[] = {
		{ .flags = 1ULL << 63 },
		{ .nth = 1 },
		{ .flags = MBOX_RECV_NONBLOCK, .size = 3 },
		{ .flags = MBOX_RECV_PEEK, .size = 3 },
		{ .flags = MBOX_RECV_PEEK, .nth = 1, .size = SIZE },
		{ .flags = MBOX_RECV_NONBLOCK | MBOX_RECV_MATCH, .match = 8, .size = SIZE },
		{ .flags = MBOX_RECV_NONBLOCK, .buf = (uintptr_t)unmapped(), .size = SIZE },
		{ .flags = MBOX_RECV_PEEK, .buf = (uintptr_t)unmapped(), .size = SIZE },
		{ .flags = MBOX_RECV_TIMEOUT | MBOX_RECV_MATCH, .match = 8, .size = SIZE },
	};
	static const int errors[] = {
		EINVAL, EINVAL, EMSGSIZE, EMSGSIZE, EAGAIN, EAGAIN, EFAULT, EFAULT, ETIMEDOUT,
	};
	char buf[SIZE];
	uint64_t stamp;
	size_t i;

	tick_often(self->a, 1000);
	stamp = stamp_of(self->a, "text");
	for (i = 0; i < ARRAY_SIZE(fails); i++) {
		uint64_t clock = tick(self->me), poison;

		memset(&poison, POISON, sizeof(poison));
		if (!fails[i].buf)
			fails[i].buf = (uintptr_t)buf;
		fails[i] = poisoned(fails[i]);
		EXPECT_EQ(errors[i], call(self->fd, MBOX_IOC_RECV, &fails[i])) {
			TH_LOG("failure %zu", i);
		}
		EXPECT_EQ(poison, fails[i].stamp);
		EXPECT_EQ(poison, fails[i].clock);
		EXPECT_EQ(poison, fails[i].sender);
		EXPECT_LE(clock, shown(self->me));
	}
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_EQ(stamp, self->b->recv.stamp);
	EXPECT_EQ(participant(self->a), self->b->recv.sender);
}

TEST_F(clock, and_all_else_is_told_of_each_message)
{
	struct mbox_recv *got = &self->b->recv;
	uint64_t poison;

	memset(&poison, POISON, sizeof(poison));
	ASSERT_EQ(0, post_by(self->a, 0, "x"));
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_NE(poison, got->stamp);
	EXPECT_NE(poison, got->clock);
	EXPECT_NE(poison, got->time);
	EXPECT_NE(poison, got->realtime);
	EXPECT_NE(poison, got->sender);
	EXPECT_NE(0, got->sender);
	EXPECT_EQ(self->a->pid, got->pid);
	EXPECT_EQ(self->a->pid, got->tid);
	EXPECT_EQ(0, got->got);
	EXPECT_EQ(0, got->nr_files);
	EXPECT_EQ(0, got->reserved);
	EXPECT_EQ(0, got->files);
	EXPECT_EQ(0, got->reply);
}

TEST_F(clock, and_all_else_is_not_told_behind_a_structure_of_an_older_version)
{
	static const size_t sizes[] = {
		offsetof(struct mbox_recv, owned), offsetof(struct mbox_recv, stamp),
		offsetof(struct mbox_recv, time), offsetof(struct mbox_recv, tid),
		offsetof(struct mbox_recv, got), offsetof(struct mbox_recv, nr_files),
	};
	struct mbox_recv how, poison;
	size_t i;

	memset(&poison, POISON, sizeof(poison));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		char buf[SIZE];
		uint64_t clock, stamp = stamp_of(self->a, "x");

		clock = shown(self->me);
		how = fetches;
		how.buf = (uintptr_t)buf;
		how.size = sizeof(buf);
		memcpy((char *)&how + sizes[i], &poison, sizeof(how) - sizes[i]);
		ASSERT_EQ(0, call(self->fd, _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC,
						 _IOC_NR(MBOX_IOC_RECV), sizes[i]), &how));
		EXPECT_EQ(1, how.len);
		EXPECT_EQ(0, memcmp((char *)&how + sizes[i], &poison, sizeof(how) - sizes[i]));
		if (sizes[i] >= offsetof(struct mbox_recv, time))
			EXPECT_EQ(later_of(stamp, clock) + 1, how.clock);
		/* It has been received. */
		EXPECT_EQ(later_of(stamp, clock) + 1, shown(self->me));
	}
}

/*
 * Synchronous senders.
 */

FIXTURE(synchronous) {
	int fd;
	struct puppet *me, *sender, *receiver;
};

FIXTURE_VARIANT(synchronous) {
	uint32_t msgs;
	uint64_t ahead;		/* of the receiver */
	bool receiver_first;
};

FIXTURE_VARIANT_ADD(synchronous, sender_at_a_buffer) {
	.msgs = 1, .ahead = 100,
};

FIXTURE_VARIANT_ADD(synchronous, sender_at_a_buffer_with_a_later_clock) {
	.msgs = 1, .ahead = 0,
};

FIXTURE_VARIANT_ADD(synchronous, sender_at_a_buffer_with_a_receiver) {
	.msgs = 1, .ahead = 100, .receiver_first = true,
};

FIXTURE_VARIANT_ADD(synchronous, sender_at_a_rendezvous) {
	.msgs = 0, .ahead = 100,
};

FIXTURE_VARIANT_ADD(synchronous, sender_at_a_rendezvous_with_a_later_clock) {
	.msgs = 0, .ahead = 0,
};

FIXTURE_VARIANT_ADD(synchronous, sender_at_a_rendezvous_with_a_receiver) {
	.msgs = 0, .ahead = 100, .receiver_first = true,
};

FIXTURE_SETUP(synchronous)
{
	struct mbox_create attr = attributes(variant->msgs, SIZE);

	begin();
	take_signals(0);
	attr.mode = 0666;
	self->fd = mailbox(attr);
	self->me = myself(self->fd);
	self->sender = new_puppet(self->fd, 0, 0);
	self->receiver = new_puppet(self->fd, 0, 0);
	tick_often(self->receiver, variant->ahead);
	tick_often(self->sender, 50);
}

FIXTURE_TEARDOWN(synchronous)
{
	sweep();
}

static const struct mbox_send sync_stamped = { .flags = MBOX_SEND_STAMP | MBOX_SEND_SYNC };

static void expect_past_the_receiver(struct __test_metadata *_metadata,
				     FIXTURE_DATA(synchronous) *self, uint64_t sent, uint64_t had)
{
	uint64_t stamp = self->sender->send.stamp;

	EXPECT_EQ(sent + 1, stamp);
	EXPECT_EQ(stamp, self->receiver->recv.stamp);
	EXPECT_EQ(later_of(stamp, had) + 1, self->receiver->recv.clock);
	EXPECT_EQ(self->receiver->recv.clock + 1, shown(self->sender));
	EXPECT_EQ(self->receiver->recv.clock, shown(self->receiver));
	EXPECT_EQ(self->receiver->pid, self->sender->send.receiver);
	EXPECT_EQ(participant(self->sender), self->receiver->recv.sender);
}

TEST_F(synchronous, is_past_the_receiver_once_it_is_told)
{
	uint64_t sent = shown(self->sender), had = shown(self->receiver);

	if (variant->receiver_first) {
		begin_recv(self->receiver, poisoned((struct mbox_recv){ }));
		wait_for_receivers(self->fd, 0, 1);
		ASSERT_EQ(0, send_by(self->sender, sync_stamped, "x"));
		ASSERT_EQ(0, end_act(self->receiver));
	} else {
		begin_send(self->sender, sync_stamped, "x");
		WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
		ASSERT_EQ(0, take_by(self->receiver, fetches));
		ASSERT_EQ(0, end_act(self->sender));
	}
	expect_past_the_receiver(_metadata, self, sent, had);
}

/* The receiver has the message; that it has yet to copy it does not matter. */
TEST_F(synchronous, is_past_a_receiver_that_takes_its_time)
{
	uint64_t sent = shown(self->sender), had = shown(self->receiver);

	if (variant->receiver_first) {
		begin_stalled_recv(self->receiver, poisoned((struct mbox_recv){ }), 1);
		wait_for_receivers(self->fd, 0, 1);
		ASSERT_EQ(0, send_by(self->sender, sync_stamped, "x"));
		wait_for_stalled(self->receiver);
	} else {
		begin_send(self->sender, sync_stamped, "x");
		WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
		begin_stalled_recv(self->receiver, poisoned((struct mbox_recv){ }), 1);
		wait_for_stalled(self->receiver);
		ASSERT_EQ(0, end_act(self->sender));
	}
	EXPECT_LT(later_of(sent + 1, had) + 1, shown(self->sender));
	ASSERT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_LT(self->receiver->recv.clock, shown(self->sender));
	expect_past_the_receiver(_metadata, self, sent, had);
}

TEST_F(synchronous, is_past_a_receiver_that_cannot_take_it_and_the_next_is_past_both)
{
	uint64_t sent = shown(self->sender), had = shown(self->receiver);
	uint64_t stamp;

	if (variant->receiver_first) {
		begin_stalled_recv(self->receiver, (struct mbox_recv){ }, 1);
		wait_for_receivers(self->fd, 0, 1);
		ASSERT_EQ(0, send_by(self->sender, sync_stamped, "x"));
		wait_for_stalled(self->receiver);
	} else {
		begin_send(self->sender, sync_stamped, "x");
		WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
		begin_stalled_recv(self->receiver, (struct mbox_recv){ }, 1);
		wait_for_stalled(self->receiver);
		ASSERT_EQ(0, end_act(self->sender));
	}
	ASSERT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	stamp = self->sender->send.stamp;
	EXPECT_EQ(sent + 1, stamp);
	EXPECT_LT(later_of(stamp, had), shown(self->sender));
	EXPECT_LE(had, shown(self->receiver));
	ASSERT_EQ(0, take_by(self->me, fetches));
	EXPECT_EQ(stamp, self->me->recv.stamp);
	EXPECT_LT(stamp, self->me->recv.clock);
}

TEST_F(synchronous, does_not_go_back_when_nobody_receives)
{
	uint64_t sent = shown(self->sender);
	struct mbox_send how = sync_stamped;

	how.flags |= MBOX_SEND_TIMEOUT;
	EXPECT_EQ(ETIMEDOUT, send_by(self->sender, how, "x"));
	how.deadline = now() + 10 * MSEC;
	EXPECT_EQ(ETIMEDOUT, send_by(self->sender, how, "x"));
	begin_send(self->sender, sync_stamped, "x");
	WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
	ASSERT_EQ(0, kill(self->sender->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_act(self->sender));
	EXPECT_LE(sent, shown(self->sender));
	EXPECT_EQ(EAGAIN, fetch_by(self->receiver, 0));
	sent = shown(self->sender);
	EXPECT_LT(sent, tick(self->sender));
}

/* By descriptor, where neither is told anything; a write waits at a rendezvous only. */
TEST_F(synchronous, reads_and_writes_count)
{
	uint64_t sent = shown(self->sender), had = shown(self->receiver), received;

	strcpy(self->sender->text, "x");
	if (variant->receiver_first) {
		begin_act(self->receiver, do_read);
		wait_for_receivers(self->fd, 0, 1);
		ASSERT_EQ(0, ask(self->sender, do_write));
	} else {
		begin_act(self->sender, do_write);
		WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
		ASSERT_EQ(0, ask(self->receiver, do_read));
	}
	ASSERT_EQ(0, end_act(self->sender));
	ASSERT_EQ(0, end_act(self->receiver));
	received = shown(self->receiver);
	EXPECT_EQ(later_of(sent + 1, had) + 1, received);
	EXPECT_EQ(variant->msgs ? sent + 1 : received + 1, shown(self->sender));
}

/*
 * What happened before.
 */

TEST_F(clock, grows_along_a_chain_of_processes)
{
	enum { LINKS = 6 };
	struct puppet *chain[LINKS];
	uint64_t last;
	int i;

	for (i = 0; i < LINKS; i++) {
		chain[i] = new_puppet(self->fd, 0, 0);
		/* In no order. */
		tick_often(chain[i], i * 37 % 50);
	}
	last = stamp_of(chain[0], "x");
	for (i = 1; i < LINKS; i++) {
		uint64_t mine = shown(chain[i]);

		ASSERT_EQ(0, take_by(chain[i], fetches));
		EXPECT_EQ(last, chain[i]->recv.stamp);
		EXPECT_EQ(later_of(last, mine) + 1, chain[i]->recv.clock);
		last = stamp_of(chain[i], "x");
		EXPECT_EQ(chain[i]->recv.clock + 1, last);
	}
	/* Who began is behind them all, and learns of it. */
	EXPECT_LT(shown(chain[0]), last);
	ASSERT_EQ(0, take_by(chain[0], fetches));
	EXPECT_EQ(last + 1, chain[0]->recv.clock);
	/* Who took no part in it is where it was. */
	EXPECT_GT(last, shown(self->a));
}

TEST_F(clock, grows_along_a_chain_of_threads_and_execs)
{
	struct puppet *thread = new_thread(self->a), *other = new_thread(self->b);
	uint64_t last;

	tick_often(self->a, 20);
	last = stamp_of(self->a, "1");
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_LT(last, self->b->recv.clock);
	last = self->b->recv.clock;
	EXPECT_LT(last, stamp_of(other, "2"));
	last = other->send.stamp;
	ASSERT_EQ(0, take_by(thread, fetches));
	EXPECT_EQ(last, thread->recv.stamp);
	EXPECT_LT(last, thread->recv.clock);
	last = thread->recv.clock;
	ASSERT_EQ(0, ask(self->a, do_exec));
	EXPECT_LT(last, stamp_of(self->a, "3"));
	last = self->a->send.stamp;
	ASSERT_EQ(0, take_by(self->me, fetches));
	EXPECT_LT(last, self->me->recv.clock);
	EXPECT_EQ(participant(self->a), self->me->recv.sender);
}

/* A look is enough to know of what was sent. */
TEST_F(clock, grows_from_what_was_looked_at_to_what_is_sent)
{
	uint64_t stamp;

	tick_often(self->a, 100);
	stamp = stamp_of(self->a, "x");
	ASSERT_EQ(0, take_by(self->b, (struct mbox_recv){ .flags = MBOX_RECV_PEEK }));
	EXPECT_LT(stamp, stamp_of(self->b, "y"));
}

enum { THREADS = 4, ROUNDS = 200, EVENTS = 3 * ROUNDS };

struct worker {
	pthread_t thread;
	int fd;
	uint64_t values[EVENTS];
};

/* Each finds at least the message that it has sent, or another for it. */
static void *work(void *data)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };
	struct worker *me = data;
	uint64_t *value = me->values;
	struct letter letter;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct mbox_send how = stamped;

		NEED(!call(me->fd, MBOX_IOC_SEND, &how));
		*value++ = how.stamp;
		NEED(!receive_as(me->fd, poisoned(fetches), &letter));
		*value++ = letter.env.clock;
		NEED(letter.env.stamp < letter.env.clock);
		NEED(!call(me->fd, MBOX_IOC_CLOCK, &clock));
		*value++ = clock.stamp;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

TEST_F(clock, gives_each_event_of_many_threads_a_value_of_its_own)
{
	struct worker *workers = calloc(THREADS, sizeof(*workers));
	uint64_t *all = calloc(THREADS * EVENTS, sizeof(*all));
	uint64_t start = shown(self->me);
	int i, j;

	ASSERT_NE(NULL, workers);
	ASSERT_NE(NULL, all);
	for (i = 0; i < THREADS; i++) {
		workers[i].fd = self->fd;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		for (j = 1; j < EVENTS; j++)
			ASSERT_LT(workers[i].values[j - 1], workers[i].values[j]);
		memcpy(all + i * EVENTS, workers[i].values, sizeof(workers[i].values));
	}
	qsort(all, THREADS * EVENTS, sizeof(*all), compare);
	/* None of them failed, so none is left out. */
	for (i = 0; i < THREADS * EVENTS; i++)
		ASSERT_EQ(start + 1 + i, all[i]);
	EXPECT_EQ(start + THREADS * EVENTS, shown(self->me));
	free(all);
	free(workers);
}

/*
 * A run at random, in which everybody notes down what it saw of the clock.
 */

enum { RUNNERS = 6, STEPS = 120, PLACES = 4 };

/**
 * struct note - one event of a runner
 * @what: what it was
 * @value: of its clock, after the event; of a send: the stamp
 * @after: of a synchronous send: its clock when it had been told
 * @stamp: of the message that it received or saw
 * @sender: of that
 * @runner: who sent that, as the message itself says
 * @step: at which step, likewise
 */
struct note {
	enum { NOTHING, TICKED, SENT, SENT_SYNC, RECEIVED, SEEN } what;
	uint64_t value;
	uint64_t after;
	uint64_t stamp;
	uint64_t sender;
	uint32_t runner;
	uint32_t step;
};

struct runner {
	uint64_t participant;
	struct note notes[STEPS];
};

/* What a message says of itself. */
struct origin {
	uint32_t runner;
	uint32_t step;
};

static uint64_t clock_here(int fd, uint64_t flags)
{
	struct mbox_clock clock = { .flags = flags };

	NEED(!call(fd, MBOX_IOC_CLOCK, &clock));
	return clock.stamp;
}

static void send_some(int fd, uint64_t flags, struct origin origin, struct note *note)
{
	struct mbox_send how = {
		.flags = flags | MBOX_SEND_STAMP | MBOX_SEND_TIMEOUT,
		.deadline = now() + 3 * MSEC,
		.buf = (uintptr_t)&origin,
		.len = sizeof(origin),
		.prio = rand() % 3,
	};

	how.receiver = 0;
	if (call(fd, MBOX_IOC_SEND, &how))
		return;
	note->what = how.receiver ? SENT_SYNC : SENT;
	note->value = how.stamp;
	note->after = clock_here(fd, 0);
}

static void write_some(int fd, struct origin origin, struct note *note)
{
	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return;
	if (write(fd, &origin, sizeof(origin)) != sizeof(origin))
		return;
	note->what = SENT;
	note->value = clock_here(fd, 0);
	note->after = note->value;
}

static void receive_some(int fd, uint64_t flags, struct note *note)
{
	struct origin origin;
	struct mbox_recv how = {
		.flags = flags | MBOX_RECV_TIMEOUT,
		.deadline = now() + 3 * MSEC,
		.buf = (uintptr_t)&origin,
		.size = sizeof(origin),
	};

	if (call(fd, MBOX_IOC_RECV, &how))
		return;
	NEED(how.len == sizeof(origin));
	note->what = flags & MBOX_RECV_PEEK ? SEEN : RECEIVED;
	note->value = how.clock;
	note->stamp = how.stamp;
	note->sender = how.sender;
	note->runner = origin.runner;
	note->step = origin.step;
}

/* At a rendezvous, a write is a synchronous send: so only with the others. */
static void run(struct runner *me, uint32_t number, const int *places)
{
	struct mbox_clock clock = { };
	uint32_t i;

	srand(number);
	NEED(!call(places[0], MBOX_IOC_CLOCK, &clock));
	me->participant = clock.participant;
	for (i = 0; i < STEPS; i++) {
		struct note *note = &me->notes[i];
		struct origin origin = { .runner = number, .step = i };
		int place = rand() % PLACES;

		switch (rand() % 8) {
		case 0:
			note->what = TICKED;
			note->value = clock_here(places[0], MBOX_CLOCK_TICK);
			break;
		case 1:
			send_some(places[place], MBOX_SEND_SYNC, origin, note);
			break;
		case 2:
		case 3:
			send_some(places[place], 0, origin, note);
			break;
		case 4:
			write_some(places[1 + place % (PLACES - 1)], origin, note);
			break;
		case 5:
			receive_some(places[place], MBOX_RECV_PEEK, note);
			break;
		default:
			receive_some(places[place], rand() % 2 ? MBOX_RECV_LEAST : 0, note);
		}
	}
}

static bool was_sent(const struct note *note)
{
	return note->what == SENT || note->what == SENT_SYNC;
}

static void expect_a_message(struct __test_metadata *_metadata, struct runner *runners,
			     const struct note *note, uint8_t *received)
{
	const struct runner *sender = &runners[note->runner];
	const struct note *sent;

	ASSERT_GT(RUNNERS, note->runner);
	ASSERT_GT(STEPS, note->step);
	sent = &sender->notes[note->step];
	ASSERT_EQ(sender->participant, note->sender);
	/* Who gave up has taken it back; until then others may have seen it. */
	if (note->what == SEEN && !was_sent(sent))
		return;
	ASSERT_TRUE(was_sent(sent));
	ASSERT_EQ(sent->value, note->stamp);
	ASSERT_LT(note->stamp, note->value);
	if (note->what == SEEN)
		return;
	ASSERT_EQ(0, received[note->runner * STEPS + note->step]++);
	if (sent->what == SENT_SYNC)
		ASSERT_LT(note->value, sent->after);
}

struct label {
	uint64_t stamp;
	uint64_t participant;
};

static int compare_labels(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->stamp != y->stamp)
		return x->stamp < y->stamp ? -1 : 1;
	return compare(&x->participant, &y->participant);
}

/* The same number twice would be neither before nor after itself. */
static void expect_total_order(struct __test_metadata *_metadata, const struct runner *runners)
{
	struct label *labels = calloc(RUNNERS * STEPS, sizeof(*labels));
	uint32_t i, k, nr = 0;

	ASSERT_NE(NULL, labels);
	for (i = 0; i < RUNNERS; i++)
		for (k = 0; k < STEPS; k++)
			if (was_sent(&runners[i].notes[k]))
				labels[nr++] = (struct label){
					.stamp = runners[i].notes[k].value,
					.participant = runners[i].participant,
				};
	qsort(labels, nr, sizeof(*labels), compare_labels);
	for (i = 1; i < nr; i++)
		ASSERT_GT(0, compare_labels(&labels[i - 1], &labels[i]));
	free(labels);
}

TEST_F(clock, of_everybody_agrees_with_what_happened_before)
{
	struct runner *runners = shared(RUNNERS * sizeof(*runners));
	uint8_t *received = calloc(RUNNERS, STEPS);
	unsigned int sums[SEEN + 1] = { };
	pid_t pids[RUNNERS];
	int places[PLACES];
	uint32_t i, k;

	ASSERT_NE(NULL, received);
	for (i = 0; i < PLACES; i++) {
		struct mbox_create attr = attributes(2 * i, SIZE);

		attr.flags = i == 2 ? MBOX_CREATE_BY_TAG : 0;
		attr.mode = 0666;
		places[i] = mailbox(attr);
		if (i)
			NEED(!fcntl(places[i], F_SETFL, O_NONBLOCK * (i == 3)));
	}
	for (i = 0; i < RUNNERS; i++) {
		pids[i] = spawn();
		if (!pids[i]) {
			run(&runners[i], i, places);
			_exit(0);
		}
	}
	for (i = 0; i < RUNNERS; i++)
		ASSERT_EQ(0, join(pids[i]));
	for (i = 0; i < RUNNERS; i++) {
		uint64_t last = 0;

		for (k = 0; k < STEPS; k++) {
			const struct note *note = &runners[i].notes[k];

			sums[note->what]++;
			if (!note->what)
				continue;
			ASSERT_LT(last, note->value);
			last = note->value;
			if (was_sent(note))
				last = note->after;
			ASSERT_LE(note->value, last);
			if (note->what == RECEIVED || note->what == SEEN)
				expect_a_message(_metadata, runners, note, received);
		}
	}
	expect_total_order(_metadata, runners);
	/* There was something to see; and whoever was told of a receiver had one. */
	for (i = TICKED; i <= SEEN; i++)
		EXPECT_LT(0, sums[i]);
	for (i = 0; i < RUNNERS; i++)
		for (k = 0; k < STEPS; k++)
			if (runners[i].notes[k].what == SENT_SYNC)
				ASSERT_EQ(1, received[i * STEPS + k]);
	free(received);
}

/*
 * When it was, and by whom.
 */

static uint64_t realtime(void)
{
	struct timespec t;

	NEED(!clock_gettime(CLOCK_REALTIME, &t));
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The kernel's own reading may be a clock tick behind that of the vDSO. */
#define GRAIN	(20 * MSEC)

TEST_F(clock, aside_the_time_of_acceptance_is_told)
{
	uint64_t before = now(), real_before = realtime(), after, real_after;
	struct mbox_recv looked;

	ASSERT_EQ(0, post_by(self->a, 0, "x"));
	after = now();
	real_after = realtime();
	usleep(100000);
	ASSERT_EQ(0, take_by(self->b, (struct mbox_recv){ .flags = MBOX_RECV_PEEK }));
	looked = self->b->recv;
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_LE(before, self->b->recv.time + GRAIN);
	EXPECT_GE(after, self->b->recv.time);
	EXPECT_LE(real_before, self->b->recv.realtime + GRAIN);
	EXPECT_GE(real_after, self->b->recv.realtime);
	EXPECT_EQ(looked.time, self->b->recv.time);
	EXPECT_EQ(looked.realtime, self->b->recv.realtime);
}

TEST_F(clock, aside_the_time_is_that_of_the_acceptance_not_of_the_call)
{
	uint64_t room;

	while (!post_by(self->me, 0, "x"))
		;
	begin_send(self->a, (struct mbox_send){ }, "last");
	wait_for_senders(self->fd, 0, 1);
	usleep(100000);
	room = now();
	ASSERT_EQ(0, take_by(self->b, fetches));
	ASSERT_EQ(0, end_act(self->a));
	do {
		ASSERT_EQ(0, take_by(self->b, fetches));
	} while (strcmp(self->b->text, "last"));
	EXPECT_LE(room, self->b->recv.time + GRAIN);
	EXPECT_GE(now(), self->b->recv.time);
}

TEST_F(clock, aside_times_do_not_go_back_from_one_message_to_the_next)
{
	uint64_t last = 0;
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, post_by(i % 2 ? self->a : self->b, 0, "x"));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, take_by(self->me, fetches));
		EXPECT_LE(last, self->me->recv.time);
		last = self->me->recv.time;
	}
}

#define AHEAD	(1000000 * 1000 * MSEC)

/* A child whose monotonic clock is far ahead of the test's. */
static pid_t spawn_in_the_future(void)
{
	pid_t outer = spawn();

	if (outer)
		return outer;
	NEED(!unshare(CLONE_NEWTIME));
	NEED(!put_file("/proc/self/timens_offsets", "monotonic 1000000 0"));
	outer = spawn();
	if (outer)
		_exit(join(outer));
	NEED(now() > AHEAD);
	return 0;
}

static bool is_between(uint64_t before, uint64_t time, uint64_t after)
{
	if (before <= time + GRAIN && time <= after)
		return true;
	fprintf(stderr, "# not %llu <= %llu <= %llu\n", (unsigned long long)before,
		(unsigned long long)time, (unsigned long long)after);
	return false;
}

TEST_F(clock, aside_the_time_is_by_the_clock_of_the_receivers_time_namespace)
{
	uint64_t before = now(), real_before = realtime(), after, real_after;
	struct letter letter;
	pid_t child;

	ASSERT_EQ(0, post_by(self->a, 0, "x"));
	after = now();
	real_after = realtime();
	child = spawn_in_the_future();
	if (!child) {
		NEED(!receive_as(self->fd, poisoned(fetches), &letter));
		NEED(is_between(before + AHEAD, letter.env.time, after + AHEAD));
		NEED(is_between(real_before, letter.env.realtime, real_after));
		before = now();
		NEED(!post(self->fd, 0, "y", 0));
		after = now();
		NEED(!receive_as(self->fd, poisoned((struct mbox_recv){ .flags = MBOX_RECV_PEEK }),
				 &letter));
		NEED(is_between(before, letter.env.time, after));
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	ASSERT_EQ(0, receive_as(self->fd, poisoned(fetches), &letter));
	EXPECT_TRUE(is_between(before, letter.env.time, now()));
}

TEST_F(clock, aside_the_thread_that_sent_is_told)
{
	struct puppet *thread = new_thread(self->a);

	ASSERT_NE(thread->tid, self->a->tid);
	ASSERT_EQ(0, post_by(thread, 0, "x"));
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_EQ(self->a->pid, self->b->recv.pid);
	EXPECT_EQ((int)thread->tid, self->b->recv.tid);
	EXPECT_EQ(participant(self->a), self->b->recv.sender);
	ASSERT_EQ(0, post_by(self->a, 0, "x"));
	ASSERT_EQ(0, take_by(thread, fetches));
	EXPECT_EQ(self->a->pid, thread->recv.pid);
	EXPECT_EQ(self->a->pid, thread->recv.tid);
	strcpy(thread->text, "x");
	ASSERT_EQ(0, ask(thread, do_write));
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_EQ((int)thread->tid, self->b->recv.tid);
}

static void *send_two(void *data)
{
	int fd = *(int *)data;

	NEED(!post(fd, 0, "x", 0));
	NEED(!post(fd, 0, "x", 0));
	return NULL;
}

static void send_by_thread(int fd)
{
	pthread_t thread;

	NEED(!pthread_create(&thread, NULL, send_two, &fd));
	NEED(!pthread_join(thread, NULL));
}

TEST_F(clock, aside_a_thread_in_an_inner_pid_namespace_has_a_number_outside)
{
	pid_t init = spawn_as_first();
	struct letter inside;

	if (!init) {
		send_by_thread(self->fd);
		NEED(!receive_as(self->fd, poisoned(fetches), &inside));
		NEED(inside.env.pid == 1 && inside.env.tid == 2);
		for (;;)
			pause();
	}
	WAIT_UNTIL(state(self->fd, 0).received == 1);
	ASSERT_EQ(0, take_by(self->b, fetches));
	EXPECT_EQ(init, self->b->recv.pid);
	EXPECT_LT(init, self->b->recv.tid);
	EXPECT_NE(0, self->b->recv.sender);
	end(init);
}

TEST_F(clock, aside_a_thread_outside_the_pid_namespace_has_no_number)
{
	uint64_t id = participant(self->a), stamp = stamp_of(self->a, "x");
	pid_t init = spawn_as_first();
	struct letter inside;

	if (!init) {
		NEED(!receive_as(self->fd, poisoned(fetches), &inside));
		NEED(inside.env.pid == 0 && inside.env.tid == 0);
		NEED(inside.env.sender == id && inside.env.stamp == stamp);
		_exit(0);
	}
	EXPECT_EQ(0, join(init));
}

/*
 * What fails for want of memory.
 */

enum { TO_CLOCK, TO_SEND, TO_RECEIVE, TO_READ, TO_WRITE, TO_DO };

static int do_what(int fd, int what)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };
	struct mbox_send how = stamped;
	struct letter letter;

	switch (what) {
	case TO_CLOCK:
		return call(fd, MBOX_IOC_CLOCK, &clock);
	case TO_SEND:
		return call(fd, MBOX_IOC_SEND, &how);
	case TO_RECEIVE:
		return receive_as(fd, fetches, &letter);
	case TO_READ:
		return error_of(read(fd, letter.text, sizeof(letter.text)));
	default:
		return error_of(write(fd, "x", 1));
	}
}

enum { NO_FAULT, HARMLESS, HARMFUL };

/* By a process that has not taken part yet. */
static int do_with_fault(int fd, int what, int nth)
{
	struct mbox_stat before = state(fd, 0);
	int fault = open_faults(), error;
	bool over;

	NEED(fault >= 0);
	set_fault(fault, nth);
	error = do_what(fd, what);
	over = fault_is_over(fault);
	if (!error)
		return over ? HARMLESS : NO_FAULT;
	NEED(over && (error == ENOMEM || error == EFAULT));
	NEED(same_state(before, state(fd, 0)));
	NEED(!do_what(fd, what));
	return HARMFUL;
}

TEST_F(clock, and_all_else_stays_when_there_is_no_memory_for_a_participant)
{
	int fault = open_faults(), what, nth, result;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	close(fault);
	for (what = 0; what < TO_DO; what++) {
		unsigned int harmful = 0;

		for (nth = 1, result = HARMFUL; result != NO_FAULT; nth++) {
			pid_t child;

			ASSERT_GT(100, nth);
			if (what == TO_RECEIVE || what == TO_READ)
				ASSERT_EQ(0, post(self->fd, 0, "x", 0));
			child = spawn();
			if (!child)
				_exit(do_with_fault(self->fd, what, nth));
			result = join(child);
			ASSERT_LE(NO_FAULT, result) {
				TH_LOG("fault %d when doing %d", nth, what);
			}
			harmful += result == HARMFUL;
			while (!fetch_by(self->me, 0))
				;
		}
		EXPECT_LT(0, harmful);
	}
}

/*
 * Picking by participant.
 */

FIXTURE(pick) {
	int fd;
	struct puppet *a, *b;
};

FIXTURE_VARIANT(pick) {
	uint64_t flags;		/* of MBOX_IOC_CREATE */
	uint32_t msgs;
	uint64_t how;
};

FIXTURE_VARIANT_ADD(pick, by_participant) {
	.msgs = 16, .how = MBOX_RECV_PARTICIPANT,
};

FIXTURE_VARIANT_ADD(pick, by_participant_from_reserved_buffers) {
	.flags = MBOX_CREATE_RESERVE, .msgs = 16, .how = MBOX_RECV_PARTICIPANT,
};

FIXTURE_VARIANT_ADD(pick, by_pidfd) {
	.msgs = 16, .how = MBOX_RECV_PIDFD,
};

FIXTURE_VARIANT_ADD(pick, by_pid) {
	.msgs = 16, .how = 0,
};

static struct mbox_create by_sender(uint64_t flags, uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.flags = MBOX_CREATE_BY_SENDER | flags;
	attr.mode = 0666;
	if (flags & MBOX_CREATE_RESERVE)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	return attr;
}

FIXTURE_SETUP(pick)
{
	begin();
	self->fd = mailbox(by_sender(variant->flags, variant->msgs));
	self->a = new_puppet(self->fd, 0, 0);
	self->b = new_puppet(self->fd, 0, 0);
}

FIXTURE_TEARDOWN(pick)
{
	sweep();
}

/* What names that process for the test itself. */
static uint64_t key_of(struct puppet *puppet, uint64_t how)
{
	if (how & MBOX_RECV_PARTICIPANT)
		return participant(puppet);
	return how & MBOX_RECV_PIDFD ? open_pidfd(puppet->pid) : puppet->pid;
}

static struct mbox_recv picks(uint64_t key, uint64_t flags)
{
	return (struct mbox_recv){ .flags = MBOX_RECV_MATCH | flags, .match = key };
}

static int pick(int fd, uint64_t key, uint64_t flags, struct letter *letter)
{
	return receive_as(fd, poisoned(picks(key, flags | MBOX_RECV_NONBLOCK)), letter);
}

static void expect_pick(struct __test_metadata *_metadata, int fd, uint64_t key, uint64_t flags,
			const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, pick(fd, key, flags, &letter));
	EXPECT_STREQ(text, letter.text);
}

static int send_prio(struct puppet *puppet, const char *text, uint32_t prio)
{
	return send_by(puppet, (struct mbox_send){ .flags = MBOX_SEND_NONBLOCK, .prio = prio },
		       text);
}

TEST_F(pick, takes_the_messages_of_that_process_in_their_order)
{
	uint64_t a = key_of(self->a, variant->how), b = key_of(self->b, variant->how);
	struct letter letter;

	ASSERT_EQ(0, send_prio(self->a, "a0", 0));
	ASSERT_EQ(0, send_prio(self->b, "b5", 5));
	ASSERT_EQ(0, send_prio(self->a, "a9", 9));
	ASSERT_EQ(0, send_prio(self->a, "a9 too", 9));
	ASSERT_EQ(0, send_prio(self->b, "b0", 0));
	expect_pick(_metadata, self->fd, b, variant->how | MBOX_RECV_PEEK, "b5");
	expect_pick(_metadata, self->fd, a, variant->how | MBOX_RECV_PEEK, "a9");
	expect_pick(_metadata, self->fd, a, variant->how | MBOX_RECV_PEEK | MBOX_RECV_LEAST, "a0");
	expect_pick(_metadata, self->fd, a, variant->how, "a9");
	expect_pick(_metadata, self->fd, b, variant->how | MBOX_RECV_LEAST, "b0");
	expect_pick(_metadata, self->fd, a, variant->how | MBOX_RECV_LEAST, "a0");
	expect_pick(_metadata, self->fd, a, variant->how, "a9 too");
	EXPECT_EQ(EAGAIN, pick(self->fd, a, variant->how, &letter));
	expect_pick(_metadata, self->fd, b, variant->how, "b5");
	EXPECT_EQ(EAGAIN, pick(self->fd, b, variant->how, &letter));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(pick, takes_the_messages_of_all_threads_before_and_after_an_exec)
{
	struct puppet *thread = new_thread(self->a);
	uint64_t a = key_of(self->a, variant->how);

	ASSERT_EQ(0, post_by(thread, 0, "1"));
	ASSERT_EQ(0, ask(thread, do_exec));
	ASSERT_EQ(0, post_by(self->b, 0, "other"));
	ASSERT_EQ(0, post_by(thread, 0, "2"));
	expect_pick(_metadata, self->fd, a, variant->how, "1");
	expect_pick(_metadata, self->fd, a, variant->how, "2");
}

TEST_F(pick, waits_for_that_process_while_others_send)
{
	struct mbox_recv how = picks(key_of(self->a, variant->how), variant->how);
	struct task task = { .fd = self->fd, .command = MBOX_IOC_RECV, .recv = how };
	char buf[SIZE];

	task.recv.buf = (uintptr_t)buf;
	task.recv.size = sizeof(buf);
	start_task(&task);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post_by(self->b, 0, "other"));
	ASSERT_EQ(0, post(self->fd, 0, "mine", 31));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	ASSERT_EQ(0, post_by(self->a, 0, "this"));
	ASSERT_EQ(0, pthread_join(task.thread, NULL));
	EXPECT_EQ(0, task.error);
	EXPECT_EQ(0, memcmp("this", buf, 4));
	EXPECT_EQ(self->a->pid, task.recv.pid);
	EXPECT_EQ(participant(self->a), task.recv.sender);
	EXPECT_EQ(2, state(self->fd, 0).msgs);
}

TEST_F(pick, that_is_in_vain_says_so)
{
	uint64_t key = key_of(self->a, variant->how);
	struct mbox_recv how = picks(key, variant->how | MBOX_RECV_TIMEOUT);
	struct letter letter;

	ASSERT_EQ(0, post_by(self->b, 0, "other"));
	EXPECT_EQ(EAGAIN, pick(self->fd, key, variant->how, &letter));
	EXPECT_EQ(ETIMEDOUT, receive_as(self->fd, how, &letter));
	how.deadline = now() + 10 * MSEC;
	EXPECT_EQ(ETIMEDOUT, receive_as(self->fd, how, &letter));
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
}

TEST_F(pick, finds_the_sender_that_waits_at_a_rendezvous)
{
	struct puppet *first = new_puppet(self->fd, 0, 0), *second = new_puppet(self->fd, 0, 0);
	uint64_t key = key_of(second, variant->how);
	struct mbox_recv how = picks(key, variant->how | MBOX_RECV_NONBLOCK);
	struct mbox_send sends = { };
	struct letter letter;

	sends.id = how.id = create(self->fd, by_sender(0, 0));
	begin_send(first, sends, "first");
	wait_for_senders(self->fd, how.id, 1);
	EXPECT_EQ(EAGAIN, receive_as(self->fd, how, &letter));
	begin_send(second, sends, "second");
	wait_for_senders(self->fd, how.id, 2);
	ASSERT_EQ(0, receive_as(self->fd, how, &letter));
	EXPECT_STREQ("second", letter.text);
	EXPECT_EQ(0, end_act(second));
	EXPECT_EQ(EAGAIN, receive_as(self->fd, how, &letter));
	EXPECT_EQ(1, state(self->fd, how.id).senders);
}

TEST_F(pick, of_too_large_a_message_leaves_it)
{
	struct mbox_recv how = picks(key_of(self->a, variant->how),
				     variant->how | MBOX_RECV_NONBLOCK);
	char buf[2];

	ASSERT_EQ(0, post_by(self->a, 0, "text"));
	how.buf = (uintptr_t)buf;
	how.size = sizeof(buf);
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_EQ(4, how.len);
	how.flags |= MBOX_RECV_TRUNCATE;
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_EQ(0, memcmp("te", buf, 2));
	EXPECT_EQ(participant(self->a), how.sender);
}

static void expect_gone(struct __test_metadata *_metadata, int fd, uint64_t key, uint64_t how)
{
	struct mbox_recv waits = picks(key, how | MBOX_RECV_TIMEOUT);
	struct letter letter;

	EXPECT_EQ(ESRCH, pick(fd, key, how, &letter));
	EXPECT_EQ(ESRCH, pick(fd, key, how | MBOX_RECV_PEEK, &letter));
	EXPECT_EQ(ESRCH, receive_as(fd, picks(key, how), &letter));
	EXPECT_EQ(ESRCH, receive_as(fd, waits, &letter));
	waits.deadline = INT64_MAX;
	EXPECT_EQ(ESRCH, receive_as(fd, waits, &letter));
	EXPECT_EQ(0, state(fd, 0).receivers);
}

TEST_F(pick, takes_what_a_process_sent_that_has_ended_and_was_not_reaped)
{
	uint64_t key = key_of(self->a, variant->how);
	siginfo_t info;

	ASSERT_EQ(0, send_prio(self->a, "1", 1));
	ASSERT_EQ(0, send_prio(self->b, "other", 5));
	ASSERT_EQ(0, send_prio(self->a, "2", 2));
	ASSERT_EQ(0, kill(self->a->pid, SIGKILL));
	ASSERT_EQ(0, waitid(P_PID, self->a->pid, &info, WEXITED | WNOWAIT));
	expect_pick(_metadata, self->fd, key, variant->how | MBOX_RECV_PEEK, "2");
	expect_pick(_metadata, self->fd, key, variant->how | MBOX_RECV_LEAST, "1");
	expect_pick(_metadata, self->fd, key, variant->how, "2");
	expect_gone(_metadata, self->fd, key, variant->how);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(-SIGKILL, join(self->a->pid));
}

/* Of a process that is reaped there is nothing left to call it by but this id. */
TEST_F(pick, takes_what_a_process_sent_that_was_reaped_by_participant_id_only)
{
	uint64_t id = participant(self->a), key = key_of(self->a, variant->how);
	pid_t pid = self->a->pid;
	struct letter letter;

	ASSERT_EQ(0, send_prio(self->a, "1", 1));
	ASSERT_EQ(0, send_prio(self->b, "other", 5));
	ASSERT_EQ(0, send_prio(self->a, "2", 2));
	ASSERT_EQ(-SIGKILL, kill_puppet(self->a));
	if (!(variant->how & MBOX_RECV_PARTICIPANT))
		expect_gone(_metadata, self->fd, key, variant->how);
	EXPECT_EQ(3, state(self->fd, 0).msgs);
	ASSERT_EQ(0, receive_as(self->fd, poisoned(picks(id, MBOX_RECV_PARTICIPANT)), &letter));
	EXPECT_STREQ("2", letter.text);
	EXPECT_EQ(id, letter.env.sender);
	EXPECT_EQ(pid, letter.env.pid);
	EXPECT_EQ(pid, letter.env.tid);
	expect_pick(_metadata, self->fd, id, MBOX_RECV_PARTICIPANT | MBOX_RECV_PEEK, "1");
	expect_pick(_metadata, self->fd, id, MBOX_RECV_PARTICIPANT, "1");
	expect_gone(_metadata, self->fd, id, MBOX_RECV_PARTICIPANT);
	expect_gone(_metadata, self->fd, key, variant->how);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
}

TEST_F(pick, says_so_when_nothing_of_one_that_has_ended_is_here)
{
	uint64_t id = participant(self->a), key = key_of(self->a, variant->how);
	uint64_t other = create(self->fd, by_sender(0, 4));
	struct mbox_recv there = picks(id, MBOX_RECV_PARTICIPANT);
	struct letter letter;

	there.id = other;
	ASSERT_EQ(0, post_by(self->a, other, "there"));
	ASSERT_EQ(0, post_by(self->b, 0, "other"));
	ASSERT_EQ(-SIGKILL, kill_puppet(self->a));
	expect_gone(_metadata, self->fd, id, MBOX_RECV_PARTICIPANT);
	expect_gone(_metadata, self->fd, key, variant->how);
	ASSERT_EQ(0, receive_as(self->fd, there, &letter));
	EXPECT_STREQ("there", letter.text);
	EXPECT_EQ(ESRCH, receive_as(self->fd, there, &letter));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
}

TEST_F(pick, fails_when_the_message_faults_and_leaves_it)
{
	uint64_t id = participant(self->a), key = key_of(self->a, variant->how);
	struct mbox_recv how = picks(key, variant->how | MBOX_RECV_NONBLOCK);

	how.buf = (uintptr_t)unmapped();
	how.size = SIZE;
	ASSERT_EQ(0, post_by(self->a, 0, "text"));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &how));
	ASSERT_EQ(-SIGKILL, kill_puppet(self->a));
	how.match = id;
	how.flags = MBOX_RECV_MATCH | MBOX_RECV_PARTICIPANT;
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &how));
	expect_pick(_metadata, self->fd, id, MBOX_RECV_PARTICIPANT, "text");
}

/*
 * What is left by processes that have ended.
 */

FIXTURE(left) {
	int fd;
	struct puppet *a, *b, *seeker;
};

FIXTURE_SETUP(left)
{
	begin();
	self->fd = mailbox(by_sender(0, 16));
	self->a = new_puppet(self->fd, 0, 0);
	self->b = new_puppet(self->fd, 0, 0);
	self->seeker = new_puppet(self->fd, 0, 0);
}

FIXTURE_TEARDOWN(left)
{
	sweep();
}

/* Somebody had it and could not take it, so it is there again. */
TEST_F(left, is_found_again_when_it_came_back)
{
	uint64_t id = participant(self->a);
	struct letter letter;

	ASSERT_EQ(0, post_by(self->a, 0, "text"));
	begin_stalled_recv(self->seeker, (struct mbox_recv){ }, 4);
	wait_for_stalled(self->seeker);
	ASSERT_EQ(-SIGKILL, kill_puppet(self->a));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(EFAULT, end_stalled(self->seeker, FAIL));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	ASSERT_EQ(0, pick(self->fd, id, MBOX_RECV_PARTICIPANT, &letter));
	EXPECT_STREQ("text", letter.text);
	EXPECT_EQ(id, letter.env.sender);
	expect_gone(_metadata, self->fd, id, MBOX_RECV_PARTICIPANT);
}

/* A turn is waited for by who may wait, whoever the sender is. */
TEST_F(left, is_waited_for_until_it_is_ones_turn)
{
	uint64_t id = participant(self->a);
	struct mbox_recv how = picks(id, MBOX_RECV_PARTICIPANT);
	struct letter letter;

	how.id = create(self->fd, by_sender(MBOX_CREATE_SINGLE, 4));
	ASSERT_EQ(0, post_by(self->a, how.id, "left"));
	ASSERT_EQ(-SIGKILL, kill_puppet(self->a));
	begin_recv(self->b, (struct mbox_recv){
		.id = how.id,
		.flags = MBOX_RECV_MATCH,
		.match = self->b->pid,
	});
	wait_for_receivers(self->fd, how.id, 1);
	how.flags |= MBOX_RECV_NONBLOCK;
	EXPECT_EQ(EBUSY, receive_as(self->fd, how, &letter));
	how.flags &= ~MBOX_RECV_NONBLOCK;
	how.flags |= MBOX_RECV_TIMEOUT;
	how.deadline = now() + 10 * MSEC;
	ASSERT_EQ(ETIMEDOUT, receive_as(self->fd, how, &letter));
	how.flags &= ~MBOX_RECV_TIMEOUT;
	begin_recv(self->seeker, how);
	wait_for_receivers(self->fd, how.id, 2);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->b));
	EXPECT_EQ(0, end_act(self->seeker));
	EXPECT_STREQ("left", self->seeker->text);
}

/*
 * Processes that send and end at once: whoever picks by participant id has got all
 * when it is told that there is no more.
 */
TEST_F(left, is_all_that_was_sent_by_a_process_that_ends_meanwhile)
{
	uint64_t *id = shared(sizeof(*id));
	int round, i;

	for (round = 0; round < 30; round++) {
		int count = round % 8, got = 0, error;
		struct letter letter;
		pid_t child;

		__atomic_store_n(id, 0, __ATOMIC_SEQ_CST);
		child = spawn();
		if (!child) {
			struct mbox_clock clock = { };

			NEED(!call(self->fd, MBOX_IOC_CLOCK, &clock));
			__atomic_store_n(id, clock.participant, __ATOMIC_SEQ_CST);
			for (i = 0; i < count; i++)
				NEED(!post(self->fd, 0, "x", i % 3));
			_exit(0);
		}
		WAIT_UNTIL(__atomic_load_n(id, __ATOMIC_SEQ_CST));
		do {
			error = pick(self->fd, *id, MBOX_RECV_PARTICIPANT, &letter);
			got += !error;
		} while (!error || error == EAGAIN);
		EXPECT_EQ(ESRCH, error);
		EXPECT_EQ(count, got);
		EXPECT_EQ(0, state(self->fd, 0).msgs);
		EXPECT_EQ(0, join(child));
		expect_gone(_metadata, self->fd, *id, MBOX_RECV_PARTICIPANT);
	}
}

TEST_F(left, is_told_apart_of_two_processes_that_had_one_number)
{
	uint64_t first = participant(self->a), second;
	uint32_t *sent = shared(sizeof(*sent));
	pid_t pid = self->a->pid;
	struct letter letter;

	ASSERT_EQ(0, post_by(self->a, 0, "first"));
	ASSERT_EQ(-SIGKILL, kill_puppet(self->a));
	pid = spawn_with_pid(pid);
	if (pid < 0)
		SKIP(return, "no process can be given a number");
	if (!pid) {
		NEED(!post(self->fd, 0, "second", 0));
		tell(sent, 1);
		for (;;)
			pause();
	}
	WAIT_UNTIL(told(sent));
	ASSERT_EQ(0, receive(self->fd, 0, MBOX_RECV_PEEK, 0, &letter));
	EXPECT_STREQ("first", letter.text);
	EXPECT_EQ(first, letter.env.sender);
	ASSERT_EQ(0, pick(self->fd, pid, 0, &letter));
	EXPECT_STREQ("second", letter.text);
	second = letter.env.sender;
	EXPECT_NE(first, second);
	EXPECT_EQ(EAGAIN, pick(self->fd, second, MBOX_RECV_PARTICIPANT, &letter));
	expect_pick(_metadata, self->fd, first, MBOX_RECV_PARTICIPANT, "first");
	end(pid);
}

/* Where it has no pid. */
TEST_F(left, is_picked_by_the_same_id_in_every_pid_namespace)
{
	uint64_t outer = participant(self->a);
	uint32_t *inner = shared(2 * sizeof(*inner));
	struct letter letter;
	pid_t init;

	ASSERT_EQ(0, post_by(self->a, 0, "outside"));
	init = spawn_as_first();
	if (!init) {
		struct mbox_clock clock = { };

		NEED(!pick(self->fd, outer, MBOX_RECV_PARTICIPANT, &letter));
		NEED(!strcmp(letter.text, "outside") && !letter.env.pid);
		NEED(!call(self->fd, MBOX_IOC_CLOCK, &clock));
		NEED(!post(self->fd, 0, "inside", 0));
		inner[1] = clock.participant;
		tell(&inner[0], 1);
		for (;;)
			pause();
	}
	WAIT_UNTIL(told(&inner[0]));
	EXPECT_EQ(EAGAIN, pick(self->fd, outer, MBOX_RECV_PARTICIPANT, &letter));
	expect_pick(_metadata, self->fd, inner[1], MBOX_RECV_PARTICIPANT, "inside");
	end(init);
}

FIXTURE(refused) {
	int fd;
	struct puppet *stranger;
};

FIXTURE_SETUP(refused)
{
	begin();
	self->fd = mailbox(by_sender(0, 4));
	self->stranger = new_puppet(self->fd, STRANGER, STRANGER);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	sweep();
}

TEST_F(refused, is_a_pick_by_two_names_or_without_a_match)
{
	static const uint64_t flags[] = {
		MBOX_RECV_PIDFD,
		MBOX_RECV_PARTICIPANT,
		MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT,
		MBOX_RECV_PIDFD | MBOX_RECV_PEEK,
		MBOX_RECV_PARTICIPANT | MBOX_RECV_PEEK,
		MBOX_RECV_MATCH | MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT,
	};
	struct letter letter;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		EXPECT_EQ(EINVAL, receive(self->fd, 0, flags[i], 0, &letter));
}

TEST_F(refused, is_a_pick_by_the_id_of_nobody)
{
	uint64_t last = clock_of_child(myself(self->fd), 0).participant;
	uint64_t nobody[] = { 0, last + 1000000, 1ULL << 32, INT64_MAX, UINT64_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nobody); i++)
		expect_gone(_metadata, self->fd, nobody[i], MBOX_RECV_PARTICIPANT);
	/* It was somebody. */
	expect_gone(_metadata, self->fd, last, MBOX_RECV_PARTICIPANT);
}

TEST_F(refused, is_a_pick_by_what_is_no_pidfd)
{
	int closed = device(O_RDWR), pidfd = open_pidfd(getpid());
	uint64_t none[] = {
		closed, self->fd, open("/dev/null", O_RDONLY), UINT32_MAX, UINT64_MAX,
		1ULL << 31, pidfd | 1ULL << 32,
	};
	struct letter letter;
	size_t i;

	close(closed);
	for (i = 0; i < ARRAY_SIZE(none); i++) {
		EXPECT_EQ(EBADF, pick(self->fd, none[i], MBOX_RECV_PIDFD, &letter)) {
			TH_LOG("number %zu", i);
		}
		EXPECT_EQ(EBADF, receive_as(self->fd, picks(none[i], MBOX_RECV_PIDFD), &letter));
	}
	EXPECT_EQ(0, pick(self->fd, pidfd, MBOX_RECV_PIDFD | MBOX_RECV_PEEK, &letter));
}

TEST_F(refused, is_a_pick_by_sender_where_none_can_be_picked)
{
	static const uint64_t kinds[] = { 0, MBOX_CREATE_BY_TAG };
	uint64_t pidfd = open_pidfd(getpid());
	struct mbox_clock clock = { };
	struct letter letter;
	size_t i, k;

	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &clock));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct mbox_create attr = attributes(4, SIZE);
		int fd;

		attr.flags = kinds[i];
		fd = mailbox(attr);
		/* Whose tag is that number. */
		for (k = 0; k < 2; k++) {
			struct mbox_send how = {
				.flags = MBOX_SEND_NONBLOCK,
				.tag = k ? pidfd : clock.participant,
			};

			ASSERT_EQ(0, send_as(fd, "x", &how));
		}
		EXPECT_EQ(EOPNOTSUPP, pick(fd, pidfd, MBOX_RECV_PIDFD, &letter));
		EXPECT_EQ(EOPNOTSUPP, pick(fd, clock.participant, MBOX_RECV_PARTICIPANT, &letter));
		EXPECT_EQ(2, state(fd, 0).msgs);
	}
}

/* What is the matter, beginning with what is said first. */
enum wrong { NO_FLAG, NO_FD, NO_MAILBOX, NO_RIGHT, NO_KIND, NO_PROCESS };

TEST_F(refused, is_a_pick_for_the_first_of_all_reasons)
{
	static const int errors[] = {
		[NO_FLAG] = EINVAL, [NO_FD] = EBADF, [NO_MAILBOX] = ENOENT,
		[NO_RIGHT] = EACCES, [NO_KIND] = EOPNOTSUPP, [NO_PROCESS] = ESRCH,
	};
	struct mbox_create attr = attributes(4, SIZE);
	pid_t gone = spawn();
	uint64_t locked, plain;
	enum wrong wrong;
	int pidfd;

	if (!gone)
		pause();
	pidfd = open_pidfd(gone);
	end(gone);
	locked = create(self->fd, by_sender(0, 4));
	ASSERT_EQ(0, chmod_by(myself(self->fd), locked, 0));
	attr.mode = 0666;
	plain = create(self->fd, attr);
	for (wrong = NO_FLAG; wrong <= NO_PROCESS; wrong++) {
		struct puppet *who = new_puppet(self->fd, STRANGER, STRANGER);
		struct mbox_recv how = picks(wrong <= NO_FD ? 1000000 : pidfd,
					     MBOX_RECV_PIDFD | MBOX_RECV_NONBLOCK);

		how.flags |= wrong == NO_FLAG ? 1ULL << 63 : 0;
		how.id = wrong <= NO_MAILBOX ? 1ULL << 60 : wrong == NO_RIGHT ? locked :
			 wrong == NO_KIND ? plain : 0;
		EXPECT_EQ(errors[wrong], recv_by(who, how)) {
			TH_LOG("reason %d", wrong);
		}
	}
}

TEST_F(refused, is_a_pick_without_the_right_whoever_is_meant)
{
	struct mbox_clock clock = { };
	uint64_t locked = create(self->fd, by_sender(0, 4));

	ASSERT_EQ(0, chmod_by(myself(self->fd), locked, 0200));
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &clock));
	for (; clock.participant < 1ULL << 40; clock.participant <<= 8) {
		struct mbox_recv how = picks(clock.participant,
					     MBOX_RECV_PARTICIPANT | MBOX_RECV_NONBLOCK);

		how.id = locked;
		EXPECT_EQ(EACCES, recv_by(self->stranger, how));
	}
}

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	return test_harness_run(argc, argv);
}
