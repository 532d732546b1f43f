// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What users try who want more than they have: the processor, a right that was
 * taken from them, the account of somebody else, or what belongs to a process that
 * has ended. Most of it is a race, so it is tried often, and a lock is kept busy.
 */
#include "kselftest_harness.h"
#include "account.h"

#define SIZE	16

#define SEND	MBOX_RIGHT_SEND
#define RECV	MBOX_RIGHT_RECV
#define MANAGE	MBOX_RIGHT_MANAGE

static struct mbox_create closed(uint32_t msgs, uint64_t flags)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.flags = flags;
	attr.mode = 0;
	return attr;
}

/* The tests need two processors to find much; with one they find less. */
static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	NEED(!sched_setaffinity(0, sizeof(set), &set));
}

static int new_pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	NEED(fd >= 0);
	return fd;
}

/* Somebody who does a thing over and over until it is ended, and counts. */
struct repeater {
	pid_t pid;
	uint32_t *times;
};

typedef void once_fn(struct puppet *me, uint64_t id, uint32_t n);

static struct repeater repeat(once_fn *once, int fd, uint64_t id, uid_t uid)
{
	struct repeater repeater = { .times = shared(sizeof(uint32_t)) };
	struct puppet *me;
	uint32_t n;

	repeater.pid = spawn();
	if (repeater.pid) {
		WAIT_UNTIL(told(repeater.times));
		return repeater;
	}
	if (uid)
		become(uid, uid);
	run_on(1);
	me = myself(fd);
	for (n = 0;; n++) {
		once(me, id, n);
		tell(repeater.times, n + 1);
	}
}

/* What takes no right from anybody but the group of the mailbox, and from the test. */
static void change(struct puppet *me, uint64_t id, uint32_t n)
{
	if (n % 64 == 0)
		NEED(!grant_by(me, id, getppid(), SEND));
	else if (n % 64 == 32)
		NEED(!revoke_by(me, id, getppid(), SEND));
	else
		NEED(!chmod_by(me, id, n % 2 ? 0606 : 0646));
}

/*
 * A choice among as many mailboxes as there may be. They are everybody's, but the last
 * is that of STRANGER, who changes it as often as possible.
 */
FIXTURE(choice) {
	int fd;
	uint64_t *ids;
	struct mbox_recv how;
	struct repeater changes;
};

FIXTURE_SETUP(choice)
{
	unsigned int i, last = MBOX_CHOICE_MAX - 1;

	begin();
	self->fd = device(O_RDWR);
	self->ids = shared(MBOX_CHOICE_MAX * sizeof(*self->ids));
	for (i = 0; i < last; i++)
		self->ids[i] = create(self->fd, public(1));
	self->ids[last] = create_by(new_puppet(self->fd, STRANGER, STRANGER), public(1));
	self->how = (struct mbox_recv){
		.flags = MBOX_RECV_CHOICE,
		.ids = (uintptr_t)self->ids,
		.nr_ids = MBOX_CHOICE_MAX,
	};
	self->changes = repeat(change, self->fd, self->ids[last], STRANGER);
}

FIXTURE_TEARDOWN(choice)
{
	end(self->changes.pid);
	sweep();
}

#define CALLS	50
#define TRIES	500	/* until the next pause */
#define PAUSES	100

/* Calls in the middle of which there were changes, but fewer than mailboxes to look at. */
struct short_choices {
	uint32_t of_changed, of_unchanged;
};

static bool is_short_choice(int fd, struct mbox_recv how, const uint32_t *changes)
{
	uint32_t before = told(changes), during;
	struct letter letter;

	NEED(receive_as(fd, how, &letter) == EAGAIN);
	during = told(changes) - before;
	return during > 4 && during <= how.nr_ids;
}

/*
 * Those among mailboxes that nobody changes are as short as they can be. They tell
 * whether the machine lets two processors run side by side: where it does not, it may
 * when one of them has slept.
 */
static struct short_choices count_short_choices(int fd, struct mbox_recv how,
						const uint32_t *changes)
{
	struct short_choices nr = { 0, 0 };
	uint64_t ids[MBOX_CHOICE_MAX];
	struct mbox_recv unchanged = how;
	unsigned int i;

	memcpy(ids, (void *)(uintptr_t)how.ids, sizeof(ids));
	ids[MBOX_CHOICE_MAX - 1] = ids[0];
	unchanged.ids = (uintptr_t)ids;
	for (i = 1; i <= PAUSES * TRIES && nr.of_unchanged < CALLS; i++) {
		nr.of_unchanged += is_short_choice(fd, unchanged, changes);
		nr.of_changed += is_short_choice(fd, how, changes);
		if (i % TRIES == 0)
			usleep(100000);
	}
	return nr;
}

/*
 * One who waits for a moment without changes is through when those who make them have
 * to pause, and hardly ever before.
 */
TEST_F_TIMEOUT(choice, is_over_soon_whatever_changes_that_takes_no_right, 120)
{
	struct short_choices *nr = shared(sizeof(*nr));
	pid_t chooser = spawn();

	if (!chooser) {
		become(OWNER, OWNER);
		run_on(0);
		self->how.flags |= MBOX_RECV_NONBLOCK;
		*nr = count_short_choices(self->fd, self->how, self->changes.times);
		_exit(0);
	}
	EXPECT_EQ(0, join(chooser));
	if (nr->of_unchanged < CALLS)
		SKIP(return, "two processors hardly ever ran at the same time");
	EXPECT_LE(CALLS / 2, nr->of_changed);
}

static void wait_for_changes(const struct repeater *changes)
{
	uint32_t before = told(changes->times);

	WAIT_UNTIL(told(changes->times) - before > 100);
}

TEST_F(choice, that_waits_goes_on_whatever_changes_that_takes_no_right)
{
	struct puppet *chooser = new_puppet(self->fd, OWNER, OWNER);

	begin_recv(chooser, self->how);
	wait_for_receivers(self->fd, self->ids[MBOX_CHOICE_MAX - 1], 1);
	wait_for_changes(&self->changes);
	EXPECT_FALSE(is_done(chooser));
	ASSERT_EQ(0, post(self->fd, self->ids[0], "first", 0));
	EXPECT_EQ(0, end_act(chooser));
	EXPECT_STREQ("first", chooser->text);

	begin_recv(chooser, self->how);
	wait_for_receivers(self->fd, self->ids[0], 1);
	wait_for_changes(&self->changes);
	ASSERT_EQ(0, post(self->fd, self->ids[MBOX_CHOICE_MAX - 1], "last", 0));
	EXPECT_EQ(0, end_act(chooser));
	EXPECT_STREQ("last", chooser->text);

	begin_recv(chooser, self->how);
	wait_for_receivers(self->fd, self->ids[0], 1);
	EXPECT_EQ(-SIGKILL, kill_puppet(chooser));
	EXPECT_EQ(0, state(self->fd, self->ids[0]).receivers);
	EXPECT_EQ(0, state(self->fd, self->ids[MBOX_CHOICE_MAX - 1]).receivers);
}

/*
 * Rights change under one lock for all mailboxes. The more calls wait for a mailbox,
 * the longer it takes to change its own, and so to get the lock for others. A call has
 * many places, if it chooses from the same mailbox many times.
 */
#define CROWD	16

struct crowd {
	pid_t pid;
	struct repeater changes;
	uint64_t id;
	int fd;
};

static void *wait_in_many_places(void *data)
{
	const struct crowd *crowd = data;
	uint64_t ids[MBOX_CHOICE_MAX];
	struct mbox_recv how = {
		.flags = MBOX_RECV_CHOICE, .ids = (uintptr_t)ids, .nr_ids = MBOX_CHOICE_MAX,
	};
	struct letter letter;
	unsigned int i;

	for (i = 0; i < MBOX_CHOICE_MAX; i++)
		ids[i] = crowd->id;
	receive_as(crowd->fd, how, &letter);
	return NULL;
}

static struct crowd new_crowd(int fd)
{
	struct crowd crowd = { .fd = fd, .id = create(fd, public(1)) };
	pthread_t thread;
	unsigned int i;

	crowd.pid = spawn();
	if (!crowd.pid) {
		for (i = 0; i < CROWD; i++)
			NEED(!pthread_create(&thread, NULL, wait_in_many_places, &crowd));
		for (;;)
			pause();
	}
	wait_for_receivers(fd, crowd.id, CROWD * MBOX_CHOICE_MAX);
	crowd.changes = repeat(change, fd, crowd.id, 0);
	return crowd;
}

static void end_crowd(struct crowd *crowd)
{
	end(crowd->changes.pid);
	end(crowd->pid);
}

/*
 * Users who try, each a process of its own, and the test itself, that watches.
 */
FIXTURE(nobody) {
	int fd;
	struct puppet *owner, *stranger, *other, *root;
};

FIXTURE_SETUP(nobody)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->stranger = new_puppet(self->fd, STRANGER, STRANGER);
	self->other = new_puppet(self->fd, SENDER, SENDER);
	self->root = myself(self->fd);
}

FIXTURE_TEARDOWN(nobody)
{
	end_accounts(self->fd);
}

/* A program that OWNER has started and that has the rights of root, */
static int become_set_uid_root(struct puppet *me)
{
	(void)me;
	NEED(!setgroups(0, NULL) && !setresgid(OWNER, OWNER, 0) && !setresuid(OWNER, 0, 0));
	return 0;
}

/* and is root for good then. */
static int become_root(struct puppet *me)
{
	(void)me;
	return error_of(setresuid(0, 0, 0));
}

TEST_F(nobody, gives_a_mailbox_to_a_program_that_has_become_root)
{
	struct puppet *program = new_puppet_after(self->fd, become_set_uid_root);
	uint64_t id = create_by(self->owner, closed(1, 0));

	ASSERT_EQ(0, transfer_by(self->owner, id, program->pid, 0));
	EXPECT_EQ(program->pid, state(self->fd, id).pid);
	EXPECT_EQ(OWNER, state(self->fd, id).uid);
	EXPECT_EQ(1, usage_of(self->fd, OWNER).user_mailboxes);
	ASSERT_EQ(0, transfer_by(self->owner, id, self->owner->pid, 0));
	ASSERT_EQ(0, ask(program, become_root));
	EXPECT_EQ(EPERM, transfer_by(self->owner, id, program->pid, 0));
	EXPECT_EQ(self->owner->pid, state(self->fd, id).pid);
	EXPECT_TRUE(pays_nothing(self->fd, 0));
}

/* The calls, since the library would do more. */
static void become_root_and_owner(struct puppet *me, uint64_t id, uint32_t n)
{
	(void)me;
	(void)id;
	NEED(!syscall(SYS_setresuid, n % 2 ? OWNER : 0, 0, 0));
}

#define TURNS	100

/* Until it was seen often enough that the program has changed its user. */
static void transfer_often(int fd, pid_t heir)
{
	struct puppet *me = myself(fd);
	unsigned int turns = 0;
	struct mbox_stat stat;
	int former = 0;

	run_on(0);
	while (turns < TURNS) {
		uint64_t id = create(fd, public(1));
		int error;

		do {
			error = transfer_by(me, id, heir, 0);
			NEED(!error || error == EPERM);
			turns += error != former;
			former = error;
		} while (error);
		NEED(!try_stat(fd, id, 0, &stat) && stat.uid == OWNER);
		NEED(!delete(fd, id));
	}
}

TEST_F(nobody, gives_a_mailbox_to_a_program_that_becomes_root_as_root_s)
{
	struct repeater program;
	pid_t giver;

	NEED(!setgroups(0, NULL));
	program = repeat(become_root_and_owner, self->fd, 0, 0);
	giver = spawn();
	if (!giver) {
		become(OWNER, OWNER);
		transfer_often(self->fd, program.pid);
		_exit(0);
	}
	EXPECT_EQ(0, join(giver));
	EXPECT_TRUE(pays_nothing(self->fd, 0));
	end(program.pid);
}

/*
 * Many who wait for the end of a process, and are told of it one after the other.
 */
#define PLACES		1000
#define WATCHERS	3

static pid_t spawn_watcher(int pidfd)
{
	static struct pollfd places[PLACES];
	pid_t watcher = spawn();
	unsigned int i;

	if (watcher)
		return watcher;
	run_on(1);
	for (i = 0; i < PLACES; i++)
		places[i] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	NEED(poll(places, PLACES, -1) == PLACES);
	_exit(0);
}

/*
 * Kill it, and return when it is seen to have ended, though not all are told. They are
 * not to run where we do.
 */
static void kill_and_see(pid_t pid)
{
	int pidfd = new_pidfd(pid), i;
	pid_t watchers[WATCHERS];

	for (i = 0; i < WATCHERS; i++) {
		watchers[i] = spawn_watcher(pidfd);
		WAIT_UNTIL(sleeps(watchers[i]));
	}
	NEED(!kill(pid, SIGKILL));
	while (!polled(pidfd, POLLIN))
		;
	close(pidfd);
}

static pid_t spawn_owner(int fd, struct mbox_create attr, uint64_t *id)
{
	pid_t owner;

	run_on(0);
	*id = 0;
	owner = spawn();
	if (!owner) {
		run_on(1);
		__atomic_store_n(id, create(fd, attr), __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	}
	WAIT_UNTIL(__atomic_load_n(id, __ATOMIC_SEQ_CST));
	return owner;
}

#define ENDS	15

TEST_F(nobody, uses_the_mailbox_of_a_process_that_is_seen_to_have_ended)
{
	struct mbox_create attr = closed(1, MBOX_CREATE_PROCESS);
	uint64_t *id = shared(sizeof(*id));
	struct mbox_stat stat;
	unsigned int i;

	attr.mode = 0222;
	for (i = 0; i < ENDS; i++) {
		pid_t owner = spawn_owner(self->fd, attr, id);
		int bound = descriptor(*id, O_RDWR);

		kill_and_see(owner);
		switch (i % 3) {
		case 0:
			EXPECT_EQ(EIDRM, post(self->fd, *id, "x", 0));
			break;
		case 1:
			EXPECT_EQ(EIDRM, try_stat(self->fd, *id, 0, &stat));
			break;
		case 2:
			EXPECT_TRUE(polled(bound, POLLOUT) & POLLHUP);
			break;
		}
		EXPECT_EQ(EIDRM, said_by_all(self->fd, *id));
		EXPECT_EQ(-SIGKILL, join(owner));
		close(bound);
	}
}

TEST_F(nobody, has_to_wait_for_the_orphan_of_a_process_that_is_seen_to_have_ended)
{
	uint64_t *id = shared(sizeof(*id));
	unsigned int i;

	for (i = 0; i < ENDS; i++) {
		pid_t owner = spawn_owner(self->fd, closed(1, 0), id);

		kill_and_see(owner);
		if (i % 2)
			EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, *id).state);
		EXPECT_EQ(0, claim_by(self->root, *id));
		EXPECT_EQ(getpid(), state(self->fd, *id).pid);
		EXPECT_EQ(-SIGKILL, join(owner));
		EXPECT_EQ(getpid(), state(self->fd, *id).pid);
	}
}

/* It gives way at once to whoever else wants to run where the test does. */
static int be_idle(struct puppet *me)
{
	struct sched_param none = { };

	(void)me;
	run_on(0);
	return error_of(sched_setscheduler(0, SCHED_IDLE, &none));
}

#define ROUNDS	20
#define PATIENCE	50	/* times as many, where the machine has other things to do */

/* One who had the right when it asked, and waits for the lock when it is revoked. */
TEST_F_TIMEOUT(nobody, deletes_what_the_right_to_manage_was_revoked_of, 120)
{
	struct crowd crowd = new_crowd(self->fd);
	unsigned int revoked = 0, i;
	struct mbox_stat stat;

	ASSERT_EQ(0, ask(self->stranger, be_idle));
	run_on(0);
	for (i = 0; i < ROUNDS || (!revoked && i < PATIENCE * ROUNDS); i++) {
		struct mbox_delete arg = { .id = create_by(self->owner, closed(1, 0)) };
		int error;

		ASSERT_EQ(0, grant_by(self->owner, arg.id, self->stranger->pid, MANAGE));
		begin_call(self->stranger, MBOX_IOC_DELETE, &arg);
		usleep(100);
		error = revoke_by(self->root, arg.id, self->stranger->pid, MANAGE);
		if (error) {
			EXPECT_EQ(EIDRM, error);
			EXPECT_EQ(0, end_act(self->stranger));
			continue;
		}
		revoked++;
		error = try_stat(self->fd, arg.id, 0, &stat);
		EXPECT_EQ(error ? 0 : EACCES, end_act(self->stranger));
		EXPECT_EQ(error, try_stat(self->fd, arg.id, 0, &stat));
	}
	EXPECT_LT(0, revoked);
	end_crowd(&crowd);
}

TEST_F(nobody, gets_a_grant_beyond_the_limit_by_an_offer)
{
	uint64_t id = create_by(self->owner, closed(1, 0));

	ASSERT_EQ(0, set_tunable("max_grants", 1));
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, SEND));
	EXPECT_EQ(EMLINK, offer_by(self->owner, id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	EXPECT_EQ(0, state(self->fd, id).state);
	EXPECT_EQ(EACCES, accept_by(self->stranger, id));
	/* Neither does an offer that cannot be made take the place of one that was. */
	ASSERT_EQ(0, offer_by(self->owner, id, self->stranger->pid, 0));
	EXPECT_EQ(EMLINK, offer_by(self->owner, id, self->other->pid, MBOX_TRANSFER_KEEP));
	EXPECT_EQ(self->stranger->pid, state(self->fd, id).offered);
	/* Who has a grant already needs no more. */
	ASSERT_EQ(0, revoke_by(self->owner, id, self->other->pid, SEND));
	ASSERT_EQ(0, grant_by(self->owner, id, self->owner->pid, SEND));
	EXPECT_EQ(0, offer_by(self->owner, id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	EXPECT_EQ(0, accept_by(self->stranger, id));
	EXPECT_EQ(1, state(self->fd, id).grants);
	EXPECT_EQ(EAGAIN, fetch_by(self->owner, id));
}

/* The giver was told that the heir may accept. */
TEST_F(nobody, spoils_an_offer_by_grants_up_to_the_limit)
{
	uint64_t id = create_by(self->owner, closed(1, 0));

	ASSERT_EQ(0, set_tunable("max_grants", 1));
	ASSERT_EQ(0, offer_by(self->owner, id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, SEND));
	EXPECT_EQ(EMLINK, grant_by(self->owner, id, self->stranger->pid, SEND));
	EXPECT_EQ(0, accept_by(self->stranger, id));
	EXPECT_EQ(self->stranger->pid, state(self->fd, id).pid);
	EXPECT_EQ(EAGAIN, fetch_by(self->owner, id));
	EXPECT_EQ(2, state(self->fd, id).grants);
	EXPECT_EQ(EMLINK, grant_by(self->stranger, id, getpid(), SEND));
}

/*
 * Who has just seen that it has nothing to look at may be about to look again when
 * the right is revoked.
 */
static uint32_t *seen;

static void look_at_the_second(struct puppet *me, uint64_t id, uint32_t n)
{
	int error = recv_by(me, (struct mbox_recv){ .id = id, .flags = MBOX_RECV_PEEK, .nth = 1 });

	(void)n;
	NEED(!error || error == EAGAIN || error == EACCES || error == EKEYREVOKED);
	if (!error)
		tell(seen, *me->text);
}

static void wait_for_two(const struct repeater *repeater)
{
	uint32_t before = told(repeater->times);

	while (told(repeater->times) - before < 2)
		;
}

#define LOOKS	500

TEST_F(nobody, sees_what_is_sent_after_the_right_was_revoked)
{
	uint64_t id = create_by(self->owner, closed(2, 0));
	struct repeater looker;
	struct letter letter;
	unsigned int i;

	seen = shared(sizeof(*seen));
	looker = repeat(look_at_the_second, self->fd, id, STRANGER);
	run_on(0);
	ASSERT_EQ(0, post(self->fd, id, "1", 0));
	for (i = 0; i < LOOKS && !told(seen); i++) {
		ASSERT_EQ(0, grant_by(self->root, id, looker.pid, RECV));
		wait_for_two(&looker);
		ASSERT_EQ(0, revoke_by(self->root, id, looker.pid, RECV));
		ASSERT_EQ(0, post(self->fd, id, "secret", 0));
		wait_for_two(&looker);
		ASSERT_EQ(0, fetch(self->fd, id, &letter));
		ASSERT_EQ(0, fetch(self->fd, id, &letter));
		ASSERT_EQ(0, post(self->fd, id, "1", 0));
	}
	EXPECT_EQ(0, told(seen));
	end(looker.pid);
}

/*
 * A descriptor that OWNER has opened, in a program of somebody else.
 */
static int open_as_owner(struct puppet *me)
{
	uint64_t id;

	memcpy(&id, me->arg, sizeof(id));
	NEED(!setgroups(0, NULL) && !setresgid(OWNER, OWNER, 0) && !setresuid(OWNER, OWNER, 0));
	me->fd = descriptor(id, O_RDWR);
	strcpy(me->text, "text");
	return 0;
}

static int be_root_effectively(struct puppet *me)
{
	(void)me;
	return error_of(seteuid(0));
}

static int be_root_for_good(struct puppet *me)
{
	(void)me;
	return error_of(seteuid(0)) ?: error_of(setresuid(0, 0, 0));
}

static int be_stranger(struct puppet *me)
{
	(void)me;
	NEED(!seteuid(0));
	become(STRANGER, STRANGER);
	return 0;
}

static int be_stranger_beyond_limits(struct puppet *me)
{
	(void)me;
	NEED(!seteuid(0));
	become_with(STRANGER, 1ULL << CAP_SYS_RESOURCE);
	return 0;
}

FIXTURE(writer) {
	int fd;
	struct puppet *program;
	uint64_t id;
};

FIXTURE_VARIANT(writer) {
	act_fn *become;
	bool beyond;
};

FIXTURE_VARIANT_ADD(writer, root_effectively) {
	.become = be_root_effectively, .beyond = true,
};

FIXTURE_VARIANT_ADD(writer, root_for_good) {
	.become = be_root_for_good, .beyond = true,
};

FIXTURE_VARIANT_ADD(writer, stranger) {
	.become = be_stranger,
};

FIXTURE_VARIANT_ADD(writer, stranger_beyond_limits) {
	.become = be_stranger_beyond_limits, .beyond = true,
};

FIXTURE_SETUP(writer)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->id = create_by(new_puppet(self->fd, SENDER, SENDER), public(16));
	self->program = new_puppet(self->fd, 0, 0);
	memcpy(self->program->arg, &self->id, sizeof(self->id));
	ASSERT_EQ(0, ask(self->program, open_as_owner));
}

FIXTURE_TEARDOWN(writer)
{
	end_accounts(self->fd);
}

TEST_F(writer, pays_for_nothing_and_goes_beyond_no_limit)
{
	struct letter letter;
	struct mbox_usage full;

	ASSERT_EQ(0, set_tunable("user_msgs", 2));
	ASSERT_EQ(0, ask(self->program, do_write));
	ASSERT_EQ(0, ask(self->program, variant->become));
	ASSERT_EQ(0, ask(self->program, do_write));
	full = usage_of(self->fd, OWNER);
	EXPECT_EQ(2, full.user_msgs);
	EXPECT_EQ(EDQUOT, ask(self->program, do_write));
	ASSERT_EQ(0, set_tunable("user_msgs", 3));
	ASSERT_EQ(0, set_tunable("user_bytes", full.user_bytes + 1));
	EXPECT_EQ(EDQUOT, ask(self->program, do_write));
	EXPECT_EQ(2, msgs_of(self->fd, OWNER));
	EXPECT_TRUE(pays_nothing(self->fd, 0));
	EXPECT_TRUE(pays_nothing(self->fd, STRANGER));
	/* Room is for it, too. */
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	EXPECT_EQ(0, ask(self->program, do_write));
	EXPECT_EQ(full.user_bytes, usage_of(self->fd, OWNER).user_bytes);
	EXPECT_EQ(EDQUOT, ask(self->program, do_write));
}

/* To send is another matter: who does that knows where to. */
TEST_F(writer, pays_for_what_it_sends)
{
	ASSERT_EQ(0, set_tunable("user_msgs", 1));
	ASSERT_EQ(0, ask(self->program, do_write));
	ASSERT_EQ(0, ask(self->program, variant->become));
	EXPECT_EQ(EDQUOT, ask(self->program, do_write));
	EXPECT_EQ(0, post_by(self->program, self->id, "x"));
	EXPECT_EQ(1, msgs_of(self->fd, OWNER));
	EXPECT_EQ(1, msgs_of(self->fd, 0) + msgs_of(self->fd, STRANGER));
	EXPECT_EQ(variant->beyond ? 0 : EDQUOT, post_by(self->program, self->id, "x"));
}

/*
 * Mailboxes that are gone, but for those who hold them.
 */
static int bind_to_it(struct puppet *me)
{
	uint64_t id;

	memcpy(&id, me->arg, sizeof(id));
	me->fd = descriptor(id, O_RDWR);
	return 0;
}

FIXTURE(deleted) {
	int fd;
	struct puppet *owner, *sender, *holder, *receiver;
	struct mbox_create attr;
	struct mbox_usage before;
	uint64_t id;
};

FIXTURE_VARIANT(deleted) {
	uint64_t flags;
};

FIXTURE_VARIANT_ADD(deleted, plain) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(deleted, reserved) {
	.flags = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(deleted, by_tag) {
	.flags = MBOX_CREATE_BY_TAG,
};

FIXTURE_VARIANT_ADD(deleted, reserved_by_sender) {
	.flags = MBOX_CREATE_RESERVE | MBOX_CREATE_BY_SENDER,
};

FIXTURE_SETUP(deleted)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->sender = new_puppet(self->fd, SENDER, SENDER);
	self->holder = new_puppet(self->fd, STRANGER, STRANGER);
	self->receiver = new_puppet_after(self->fd, drop_all_but_stalling);
	self->attr = public(4);
	self->attr.flags = variant->flags;
	if (variant->flags & MBOX_CREATE_RESERVE)
		self->attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->before = usage_of(self->fd, OWNER);
	self->id = create_by(self->owner, self->attr);
	memcpy(self->holder->arg, &self->id, sizeof(self->id));
	ASSERT_EQ(0, ask(self->holder, bind_to_it));
}

FIXTURE_TEARDOWN(deleted)
{
	end_accounts(self->fd);
}

TEST_F(deleted, costs_nothing_though_others_hold_it)
{
	struct mbox_usage full = usage_of(self->fd, OWNER);

	ASSERT_EQ(0, set_tunable("user_mailboxes", 1));
	ASSERT_EQ(0, set_tunable("user_bytes", full.user_bytes));
	EXPECT_EQ(EDQUOT, try_create_by(self->owner, self->attr));
	ASSERT_EQ(0, delete_by(self->owner, self->id));
	EXPECT_TRUE(pays_nothing(self->fd, OWNER));
	EXPECT_EQ(self->before.ns_bytes, usage_of(self->fd, OWNER).ns_bytes);
	EXPECT_EQ(0, try_create_by(self->owner, self->attr));
	EXPECT_EQ(full.user_bytes, usage_of(self->fd, OWNER).user_bytes);
	EXPECT_EQ(EIDRM, fetch_by(self->holder, 0));
}

TEST_F(deleted, costs_nothing_though_its_ownership_lies_in_a_message)
{
	uint64_t carrier = create_by(self->holder, public(1));
	struct mbox_send how = { .id = carrier, .flags = MBOX_SEND_OFFER, .offer = self->id };
	uint64_t bytes = usage_of(self->fd, OWNER).user_bytes;
	struct mbox_usage after;
	struct letter letter;

	ASSERT_EQ(0, send_by(self->owner, how, "deed"));
	bytes = usage_of(self->fd, OWNER).user_bytes - bytes;
	ASSERT_EQ(0, delete_by(self->owner, self->id));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, after.user_mailboxes);
	EXPECT_EQ(1, after.user_msgs);
	EXPECT_EQ(bytes, after.user_bytes);
	ASSERT_EQ(0, fetch(self->fd, carrier, &letter));
	EXPECT_TRUE(pays_nothing(self->fd, OWNER));
}

TEST_F(deleted, costs_what_is_being_received_until_that_is_over)
{
	uint32_t ends[] = { GO_ON, FAIL }, i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		uint64_t id = i ? create_by(self->owner, self->attr) : self->id;

		ASSERT_EQ(0, post_by(self->sender, id, "first"));
		ASSERT_EQ(0, post_by(self->sender, id, "second"));
		begin_stalled_recv(self->receiver, (struct mbox_recv){ .id = id }, SIZE);
		wait_for_stalled(self->receiver);
		ASSERT_EQ(0, delete_by(self->owner, id));
		EXPECT_TRUE(pays_nothing(self->fd, OWNER));
		/* What is reserved was paid for with the mailbox. */
		EXPECT_EQ(!(variant->flags & MBOX_CREATE_RESERVE), msgs_of(self->fd, SENDER));
		EXPECT_EQ(ends[i] == FAIL ? EFAULT : 0, end_stalled(self->receiver, ends[i]));
		EXPECT_TRUE(pays_nothing(self->fd, SENDER));
		EXPECT_EQ(self->before.ns_bytes, usage_of(self->fd, OWNER).ns_bytes);
	}
}

TEST_HARNESS_MAIN
