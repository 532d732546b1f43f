// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owners: who has a kernel-owned mailbox at first, after a transfer, an offer or
 * a claim, and when nobody has it; and that queue, senders and identity stay.
 */
#include "kselftest_harness.h"
#include "fault.h"
#include "puppet.h"

#define SIZE 16

/* Mode 0200: only the owner receives. */
static struct mbox_create kept(uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.mode = 0200;
	return attr;
}

/* A process that has ended, is reaped, and is nobody. */
static pid_t former_process(void)
{
	pid_t child = spawn();

	if (!child)
		_exit(0);
	NEED(!join(child));
	return child;
}

static pid_t spawn_zombie(void)
{
	siginfo_t info;
	pid_t child = spawn();

	if (!child)
		_exit(0);
	NEED(!waitid(P_PID, child, &info, WEXITED | WNOWAIT));
	return child;
}

/* Most tests: an owner, another process of the same user, a stranger, and us. */
FIXTURE(world) {
	int fd;
	struct puppet *owner, *same_user, *stranger, *root;
	uint64_t id;
};

FIXTURE_SETUP(world)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->same_user = new_puppet(self->fd, OWNER, OWNER);
	self->stranger = new_puppet(self->fd, STRANGER, STRANGER);
	self->root = myself(self->fd);
	self->id = create_by(self->owner, kept(4));
}

FIXTURE_TEARDOWN(world)
{
	reset_tunables();
	sweep();
}

static void expect_owner(struct __test_metadata *_metadata, int fd, uint64_t id,
			 const struct puppet *owner, uid_t uid)
{
	struct mbox_stat stat = state(fd, id);

	EXPECT_EQ(owner ? owner->pid : 0, stat.pid);
	EXPECT_EQ(uid, stat.uid);
	EXPECT_EQ(uid, stat.gid);
	EXPECT_EQ(owner ? 0 : MBOX_STATE_ORPHAN, stat.state & MBOX_STATE_ORPHAN);
}

static void expect_next(struct __test_metadata *_metadata, struct puppet *puppet, uint64_t id,
			const char *text)
{
	ASSERT_EQ(0, fetch_by(puppet, id));
	EXPECT_STREQ(text, puppet->text);
}

/*
 * The first state.
 */

TEST_F(world, at_first_has_the_creator_as_owner)
{
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
	EXPECT_EQ(0, state(self->fd, self->id).offered);
	EXPECT_EQ(0, state(self->fd, self->id).grants);
}

static int fetch_in_a_child(struct puppet *me)
{
	pid_t child = spawn();
	struct letter letter;

	if (!child)
		_exit(fetch(me->fd, me->recv.id, &letter));
	return join(child);
}

TEST_F(world, at_first_has_the_owner_as_only_receiver)
{
	struct puppet *thread = new_thread(self->owner);

	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	EXPECT_EQ(EACCES, fetch_by(self->same_user, self->id));
	EXPECT_EQ(EACCES, fetch_by(self->stranger, self->id));
	self->owner->recv.id = self->id;
	EXPECT_EQ(EACCES, ask(self->owner, fetch_in_a_child));
	expect_next(_metadata, thread, self->id, "a");
	ASSERT_EQ(0, post_by(self->same_user, self->id, "b"));
	expect_next(_metadata, self->owner, self->id, "b");
}

/*
 * Identity.
 */

TEST_F(world, keeps_id_and_name_of_a_mailbox_when_its_owner_changes)
{
	struct mbox_create attr = kept(1);
	struct mbox_stat stat;
	uint64_t id;

	set_name(attr.name, "same");
	id = create_by(self->owner, attr);
	ASSERT_EQ(0, transfer_by(self->root, id, self->stranger->pid, 0));
	ASSERT_EQ(0, stat_by(self->stranger, id, &stat));
	EXPECT_STREQ("same", (char *)stat.name);
	EXPECT_EQ(EEXIST, call_by(self->owner, MBOX_IOC_CREATE, &attr));
	end(self->stranger->pid);
	EXPECT_STREQ("same", (char *)state(self->fd, id).name);
	EXPECT_EQ(EEXIST, call_by(self->owner, MBOX_IOC_CREATE, &attr));
	ASSERT_EQ(0, claim_by(self->root, id));
	EXPECT_EQ(id, state(self->fd, id).id);
	EXPECT_STREQ("same", (char *)state(self->fd, id).name);
	EXPECT_EQ(EEXIST, call_by(self->owner, MBOX_IOC_CREATE, &attr));
	ASSERT_EQ(0, delete_by(self->root, id));
	EXPECT_EQ(0, call_by(self->owner, MBOX_IOC_CREATE, &attr));
}

TEST_F(world, gives_no_id_out_twice)
{
	uint64_t last = self->id;
	int i;

	for (i = 0; i < 20; i++) {
		struct mbox_create attr = kept(1);
		uint64_t id;

		if (i % 2) {
			attr.flags = MBOX_CREATE_PROCESS;
			attr.mode = 0222;
		}
		set_name(attr.name, "reused");
		id = create_by(self->owner, attr);
		EXPECT_LT(last, id);
		EXPECT_EQ(EEXIST, call_by(self->stranger, MBOX_IOC_CREATE, &attr));
		ASSERT_EQ(0, delete_by(self->owner, id));
		EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
		last = id;
	}
	/* Still, with others of the same name after it. */
	EXPECT_EQ(EIDRM, said_by_all(self->fd, self->id + 1));
	EXPECT_EQ(ENOENT, said_by_all(self->fd, last + 1));
	EXPECT_EQ(ENOENT, said_by_all(self->fd, 1ULL << 62));
}

/*
 * Orphans.
 */

TEST_F(world, makes_an_orphan_of_what_outlives_its_owner)
{
	struct mbox_stat before, after;

	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	ASSERT_EQ(0, post_by(self->same_user, self->id, "b"));
	before = state(self->fd, self->id);
	end(self->owner->pid);
	after = state(self->fd, self->id);
	before.pid = 0;
	before.state = MBOX_STATE_ORPHAN;
	EXPECT_TRUE(same_state(before, after));
	ASSERT_EQ(0, post_by(self->same_user, self->id, "c"));
	ASSERT_EQ(0, claim_by(self->same_user, self->id));
	expect_next(_metadata, self->same_user, self->id, "a");
	expect_next(_metadata, self->same_user, self->id, "b");
	expect_next(_metadata, self->same_user, self->id, "c");
}

TEST_F(world, lets_receivers_by_mode_or_grant_go_on_with_an_orphan)
{
	struct puppet *by_grant = self->stranger, *by_mode = self->same_user;

	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0600));
	ASSERT_EQ(0, grant_by(self->owner, self->id, by_grant->pid, MBOX_RIGHT_RECV));
	begin_recv(by_mode, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	begin_recv(by_grant, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 2);
	end(self->owner->pid);
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, self->id).state);
	EXPECT_EQ(2, state(self->fd, self->id).receivers);
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	EXPECT_EQ(0, end_act(by_mode));
	EXPECT_STREQ("a", by_mode->text);
	ASSERT_EQ(0, post(self->fd, self->id, "b", 0));
	EXPECT_EQ(0, end_act(by_grant));
	EXPECT_STREQ("b", by_grant->text);
}

TEST_F(world, lets_senders_wait_for_whoever_claims_an_orphan)
{
	uint64_t id = create_by(self->owner, kept(0));
	struct puppet *sender = new_thread(self->same_user);

	begin_send(sender, (struct mbox_send){ .id = id }, "text");
	wait_for_senders(self->fd, id, 1);
	end(self->owner->pid);
	EXPECT_EQ(1, state(self->fd, id).senders);
	ASSERT_EQ(0, claim_by(self->same_user, id));
	expect_next(_metadata, self->same_user, id, "text");
	EXPECT_EQ(0, end_act(sender));
}

/*
 * Claims.
 */

TEST_F(world, gives_an_orphan_to_a_process_of_the_owning_user_that_claims_it)
{
	end(self->owner->pid);
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
	EXPECT_EQ(0, claim_by(self->same_user, self->id));
	expect_owner(_metadata, self->fd, self->id, self->same_user, OWNER);
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	expect_next(_metadata, self->same_user, self->id, "a");
	/* And again, when that one has ended. */
	end(self->same_user->pid);
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
}

TEST_F(world, gives_an_orphan_to_no_other_user_whatever_its_rights)
{
	struct puppet *same_group = new_puppet(self->fd, STRANGER, OWNER);

	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0666));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->stranger->pid,
			      MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE));
	EXPECT_EQ(EACCES, claim_by(self->stranger, self->id));
	end(self->owner->pid);
	EXPECT_EQ(EACCES, claim_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, claim_by(same_group, self->id));
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
}

static int become_privileged_stranger(struct puppet *me)
{
	(void)me;
	NEED(!prctl(PR_SET_KEEPCAPS, 1));
	become(STRANGER, STRANGER);
	wield(1ULL << CAP_IPC_OWNER);
	return 0;
}

TEST_F(world, gives_an_orphan_to_privilege_and_its_user)
{
	struct puppet *privileged = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, ask(privileged, become_privileged_stranger));
	EXPECT_EQ(EBUSY, claim_by(privileged, self->id));
	end(self->owner->pid);
	EXPECT_EQ(0, claim_by(privileged, self->id));
	expect_owner(_metadata, self->fd, self->id, privileged, STRANGER);
	end(privileged->pid);
	EXPECT_EQ(EACCES, claim_by(self->same_user, self->id));
	EXPECT_EQ(0, claim_by(self->root, self->id));
	expect_owner(_metadata, self->fd, self->id, self->root, 0);
}

TEST_F(world, gives_nobody_what_is_no_orphan)
{
	struct mbox_stat before = state(self->fd, self->id);

	EXPECT_EQ(EBUSY, claim_by(self->same_user, self->id));
	EXPECT_EQ(EBUSY, claim_by(self->root, self->id));
	EXPECT_EQ(EBUSY, claim_by(self->owner, self->id));
	EXPECT_EQ(EACCES, claim_by(self->stranger, self->id));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
}

static int become_owner_effectively(struct puppet *me)
{
	(void)me;
	NEED(!setresgid(STRANGER, OWNER, STRANGER));
	NEED(!setresuid(STRANGER, OWNER, STRANGER));
	return 0;
}

TEST_F(world, gives_an_orphan_by_the_effective_user)
{
	struct puppet *one = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, ask(one, become_owner_effectively));
	end(self->owner->pid);
	EXPECT_EQ(0, claim_by(one, self->id));
	expect_owner(_metadata, self->fd, self->id, one, OWNER);
}

TEST_F(world, leaves_grants_and_mode_as_they_are_when_an_orphan_is_claimed)
{
	struct mbox_stat stat;

	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0220));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->stranger->pid, MBOX_RIGHT_RECV));
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	end(self->owner->pid);
	ASSERT_EQ(0, claim_by(self->same_user, self->id));
	stat = state(self->fd, self->id);
	EXPECT_EQ(0220, stat.mode);
	EXPECT_EQ(1, stat.grants);
	expect_next(_metadata, self->stranger, self->id, "a");
}

#define CLAIMERS 8

TEST_F(world, gives_an_orphan_to_one_of_many_who_claim_it_at_once)
{
	uint32_t *round = shared(sizeof(*round)), *won = shared(2 * sizeof(*won)), i;
	uint64_t *id = shared(sizeof(*id));
	pid_t pids[CLAIMERS];

	for (i = 0; i < CLAIMERS; i++) {
		struct puppet *me;
		uint32_t last = 0;
		int error;

		pids[i] = spawn();
		if (pids[i])
			continue;
		become(OWNER, OWNER);
		me = myself(self->fd);
		for (;;) {
			while (told(round) == last)
				futex_wait(round, last);
			last = told(round);
			error = claim_by(me, *id);
			NEED(!error || error == EBUSY);
			NEED(error || state(self->fd, *id).pid == getpid());
			__atomic_add_fetch(&won[0], !error, __ATOMIC_SEQ_CST);
			__atomic_add_fetch(&won[1], 1, __ATOMIC_SEQ_CST);
		}
	}
	for (i = 1; i <= 60; i++) {
		pid_t owner = spawn();

		if (!owner) {
			become(OWNER, OWNER);
			*id = create(self->fd, kept(1));
			_exit(0);
		}
		tell(&won[0], 0);
		tell(&won[1], 0);
		ASSERT_EQ(0, join(owner));
		futex_tell(round, i);
		WAIT_UNTIL(told(&won[1]) == CLAIMERS);
		ASSERT_EQ(1, told(&won[0]));
		ASSERT_EQ(0, delete(self->fd, *id));
	}
}

/*
 * Transfers.
 */

TEST_F(world, shows_the_new_owner_after_a_transfer)
{
	EXPECT_EQ(0, transfer_by(self->owner, self->id, self->same_user->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->same_user, OWNER);
	EXPECT_EQ(0, transfer_by(self->root, self->id, self->stranger->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
	EXPECT_EQ(0200, state(self->fd, self->id).mode);
}

TEST_F(world, takes_all_rights_of_the_former_owner_with_a_transfer)
{
	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	ASSERT_EQ(0, transfer_by(self->root, self->id, self->stranger->pid, 0));
	EXPECT_EQ(EACCES, fetch_by(self->owner, self->id));
	EXPECT_EQ(EACCES, post_by(self->owner, self->id, "x"));
	EXPECT_EQ(EACCES, open_by(self->owner, self->id));
	EXPECT_EQ(EACCES, delete_by(self->owner, self->id));
	EXPECT_EQ(EACCES, chmod_by(self->owner, self->id, 0666));
	EXPECT_EQ(EACCES, transfer_by(self->owner, self->id, self->owner->pid, 0));
	expect_next(_metadata, self->stranger, self->id, "a");
}

TEST_F(world, leaves_the_former_owner_what_its_user_has)
{
	ASSERT_EQ(0, transfer_by(self->owner, self->id, self->same_user->pid, 0));
	EXPECT_EQ(EACCES, fetch_by(self->owner, self->id));
	EXPECT_EQ(0, post_by(self->owner, self->id, "x"));
	EXPECT_EQ(0, chmod_by(self->owner, self->id, 0600));
	EXPECT_EQ(0, fetch_by(self->owner, self->id));
	/* And it may have it back. */
	EXPECT_EQ(0, chmod_by(self->owner, self->id, 0));
	EXPECT_EQ(0, transfer_by(self->owner, self->id, self->owner->pid, 0));
	EXPECT_EQ(EAGAIN, fetch_by(self->owner, self->id));
	EXPECT_EQ(EACCES, fetch_by(self->same_user, self->id));
}

TEST_F(world, leaves_the_former_owner_the_right_to_receive_if_it_is_to_keep_it)
{
	struct mbox_granted granted[2];
	struct mbox_grants grants = {
		.id = self->id, .grants = (uintptr_t)granted, .nr = ARRAY_SIZE(granted),
	};

	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	ASSERT_EQ(0, post_by(self->owner, self->id, "b"));
	ASSERT_EQ(0, transfer_by(self->root, self->id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
	ASSERT_EQ(0, call_by(self->root, MBOX_IOC_GRANTS, &grants));
	ASSERT_EQ(1, grants.nr);
	EXPECT_EQ(self->owner->pid, granted[0].pid);
	EXPECT_EQ(MBOX_RIGHT_RECV, granted[0].rights);
	expect_next(_metadata, self->owner, self->id, "a");
	EXPECT_EQ(EACCES, post_by(self->owner, self->id, "x"));
	EXPECT_EQ(EACCES, chmod_by(self->owner, self->id, 0666));
	expect_next(_metadata, self->stranger, self->id, "b");
	EXPECT_EQ(0, revoke_by(self->stranger, self->id, self->owner->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(EACCES, fetch_by(self->owner, self->id));
}

TEST_F(world, changes_nothing_if_what_the_owner_keeps_is_one_grant_too_many)
{
	struct mbox_stat before = state(self->fd, self->id);

	ASSERT_EQ(0, set_tunable("max_grants", 0));
	EXPECT_EQ(EMLINK, transfer_by(self->owner, self->id, self->same_user->pid,
				      MBOX_TRANSFER_KEEP));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	EXPECT_EQ(EAGAIN, fetch_by(self->owner, self->id));
	/* Nothing hangs on the one who was to have it. */
	end(self->same_user->pid);
	usleep(20000);
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	end(self->owner->pid);
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, self->id).state);
}

TEST_F(world, changes_nothing_by_a_transfer_to_the_owner)
{
	struct mbox_stat before = state(self->fd, self->id);

	EXPECT_EQ(0, transfer_by(self->owner, self->id, self->owner->pid, 0));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	EXPECT_EQ(EAGAIN, fetch_by(self->owner, self->id));
	end(self->owner->pid);
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, self->id).state);
}

#define THOUSAND 1000

static void expect_parcel(struct __test_metadata *_metadata, struct puppet *puppet,
			  uint64_t id, uint32_t prio, unsigned int number, uint64_t seq)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", number);
	ASSERT_EQ(0, fetch_by(puppet, id));
	ASSERT_STREQ(text, puppet->text);
	ASSERT_EQ(prio, puppet->recv.prio);
	ASSERT_EQ(seq, puppet->recv.seq);
	ASSERT_EQ(getpid(), puppet->recv.pid);
}

/* Each of four owners in turn receives a quarter. */
TEST_F(world, hands_over_the_queue_as_it_is)
{
	struct puppet *owners[] = { self->owner, self->same_user, self->stranger, self->owner };
	uint64_t id = create_by(self->owner, kept(THOUSAND));
	struct mbox_stat before, after;
	unsigned int i;
	char text[8];

	for (i = 0; i < THOUSAND; i++) {
		snprintf(text, sizeof(text), "%u", i);
		ASSERT_EQ(0, post(self->fd, id, text, i % 2));
	}
	for (i = 0; i < THOUSAND; i++) {
		struct puppet *owner = owners[i / 250];
		/* First the odd ones. */
		unsigned int number = 2 * i % THOUSAND + (i < THOUSAND / 2);

		if (i && i % 250 == 0) {
			before = state(self->fd, id);
			ASSERT_EQ(0, transfer_by(self->root, id, owner->pid, 0));
			after = state(self->fd, id);
			before.pid = after.pid;
			before.uid = after.uid;
			before.gid = after.gid;
			ASSERT_TRUE(same_state(before, after));
		}
		expect_parcel(_metadata, owner, id, i < THOUSAND / 2, number, number + 1);
	}
	EXPECT_EQ(THOUSAND, state(self->fd, id).received);
}

TEST_F(world, hands_over_senders_that_wait_in_their_order)
{
	uint64_t id = create_by(self->owner, kept(1));
	struct puppet *first = new_thread(self->same_user), *second = new_thread(self->same_user);
	struct puppet *heir = new_puppet(self->fd, OWNER, OWNER);

	ASSERT_EQ(0, post(self->fd, id, "0", 0));
	begin_send(second, (struct mbox_send){ .id = id }, "2");
	wait_for_senders(self->fd, id, 1);
	begin_send(first, (struct mbox_send){ .id = id, .prio = 1 }, "1");
	wait_for_senders(self->fd, id, 2);
	ASSERT_EQ(0, transfer_by(self->owner, id, heir->pid, 0));
	EXPECT_EQ(2, state(self->fd, id).senders);
	expect_next(_metadata, heir, id, "0");
	EXPECT_EQ(0, end_act(first));
	expect_next(_metadata, heir, id, "1");
	EXPECT_EQ(0, end_act(second));
	expect_next(_metadata, heir, id, "2");
}

TEST_F(world, asks_of_a_transfer_what_kill_would_ask)
{
	struct mbox_stat before = state(self->fd, self->id);
	struct puppet *roots = new_puppet(self->fd, 0, 0);

	EXPECT_EQ(EPERM, transfer_by(self->owner, self->id, self->stranger->pid, 0));
	EXPECT_EQ(EPERM, transfer_by(self->owner, self->id, roots->pid, 0));
	EXPECT_EQ(EPERM, transfer_by(self->owner, self->id, self->stranger->pid,
				     MBOX_TRANSFER_KEEP));
	EXPECT_EQ(EPERM, transfer_by(self->same_user, self->id, self->stranger->pid, 0));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	EXPECT_EQ(EAGAIN, fetch_by(self->owner, self->id));
}

static int become_owner_who_may_signal(struct puppet *me)
{
	(void)me;
	NEED(!prctl(PR_SET_KEEPCAPS, 1));
	become(OWNER, OWNER);
	wield(1ULL << CAP_KILL);
	return 0;
}

TEST_F(world, asks_of_a_transfer_no_more_than_kill_would_ask)
{
	struct puppet *killer = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, ask(killer, become_owner_who_may_signal));
	EXPECT_EQ(0, transfer_by(killer, self->id, self->stranger->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
}

TEST_F(world, transfers_by_whoever_may_manage)
{
	EXPECT_EQ(EACCES, transfer_by(self->stranger, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->stranger->pid,
			      MBOX_RIGHT_SEND | MBOX_RIGHT_RECV));
	EXPECT_EQ(EACCES, transfer_by(self->stranger, self->id, self->stranger->pid, 0));
	EXPECT_EQ(EACCES, offer_by(self->stranger, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->stranger->pid, MBOX_RIGHT_MANAGE));
	EXPECT_EQ(EPERM, transfer_by(self->stranger, self->id, self->same_user->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
	EXPECT_EQ(0, transfer_by(self->stranger, self->id, self->stranger->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
}

TEST_F(world, transfers_and_offers_to_nobody_who_is_not_there)
{
	struct mbox_stat before = state(self->fd, self->id);
	struct puppet *thread = new_thread(self->same_user);
	pid_t zombie = spawn_zombie();
	pid_t nobody[] = { former_process(), thread->tid, zombie, INT_MAX, 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nobody); i++) {
		EXPECT_EQ(ESRCH, transfer_by(self->root, self->id, nobody[i], 0)) {
			TH_LOG("nobody number %zu", i);
		}
		if (nobody[i])
			EXPECT_EQ(ESRCH, offer_by(self->root, self->id, nobody[i], 0));
	}
	EXPECT_EQ(EINVAL, transfer_by(self->root, self->id, -1, 0));
	EXPECT_EQ(EINVAL, offer_by(self->root, self->id, INT_MIN, 0));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	ASSERT_EQ(0, join(zombie));
}

TEST_F(world, transfers_and_offers_by_pidfd)
{
	int pidfd = open_pidfd(self->same_user->pid), other = open_pidfd(self->stranger->pid);
	struct puppet *me = self->root;

	EXPECT_EQ(0, transfer_by(me, self->id, pidfd, MBOX_TRANSFER_PIDFD));
	expect_owner(_metadata, self->fd, self->id, self->same_user, OWNER);
	EXPECT_EQ(0, offer_by(me, self->id, other, MBOX_TRANSFER_PIDFD));
	EXPECT_EQ(self->stranger->pid, state(self->fd, self->id).offered);
	EXPECT_EQ(0, accept_by(self->stranger, self->id));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
}

TEST_F(world, transfers_and_offers_to_no_process_by_what_is_no_pidfd)
{
	int gone = open_pidfd(self->same_user->pid), closed = dup(gone), zero = dup(0);
	int no_pidfds[] = { self->fd, open("/proc/self", O_RDONLY | O_DIRECTORY), closed };
	struct mbox_stat before = state(self->fd, self->id);
	size_t i;

	close(closed);
	for (i = 0; i < ARRAY_SIZE(no_pidfds); i++) {
		EXPECT_EQ(EBADF, transfer_by(self->root, self->id, no_pidfds[i],
					     MBOX_TRANSFER_PIDFD)) {
			TH_LOG("descriptor number %zu", i);
		}
		EXPECT_EQ(EBADF, offer_by(self->root, self->id, no_pidfds[i],
					  MBOX_TRANSFER_PIDFD));
	}
	/* 0 is a descriptor like others, if it is one. */
	EXPECT_EQ(EBADF, offer_by(self->root, self->id, 0, MBOX_TRANSFER_PIDFD));
	ASSERT_EQ(0, dup2(gone, 0));
	end(self->same_user->pid);
	EXPECT_EQ(ESRCH, transfer_by(self->root, self->id, gone, MBOX_TRANSFER_PIDFD));
	EXPECT_EQ(ESRCH, offer_by(self->root, self->id, gone, MBOX_TRANSFER_PIDFD));
	EXPECT_EQ(ESRCH, offer_by(self->root, self->id, 0, MBOX_TRANSFER_PIDFD));
	ASSERT_EQ(0, dup2(zero, 0));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
}

static int become_set_uid(struct puppet *me)
{
	(void)me;
	NEED(!setgroups(0, NULL) && !setresgid(STRANGER, OWNER, OWNER));
	NEED(!setresuid(STRANGER, OWNER, OWNER));
	return 0;
}

TEST_F(world, puts_a_transfer_on_the_account_of_the_real_user)
{
	struct puppet *set_uid = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, ask(set_uid, become_set_uid));
	EXPECT_EQ(0, transfer_by(self->root, self->id, set_uid->pid, 0));
	expect_owner(_metadata, self->fd, self->id, set_uid, STRANGER);
}

static int become_root_of_a_namespace(struct puppet *me)
{
	(void)me;
	become_root_of_a_user_namespace();
	return 0;
}

TEST_F(world, transfers_to_a_process_in_another_user_namespace)
{
	struct mbox_stat stat;

	ASSERT_EQ(0, ask(self->same_user, become_root_of_a_namespace));
	EXPECT_EQ(0, transfer_by(self->owner, self->id, self->same_user->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->same_user, OWNER);
	ASSERT_EQ(0, stat_by(self->same_user, self->id, &stat));
	EXPECT_EQ(0, stat.uid);
	EXPECT_EQ(EAGAIN, fetch_by(self->same_user, self->id));
}

TEST_F(world, transfers_an_orphan)
{
	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	end(self->owner->pid);
	EXPECT_EQ(0, transfer_by(self->same_user, self->id, self->same_user->pid, 0));
	expect_owner(_metadata, self->fd, self->id, self->same_user, OWNER);
	expect_next(_metadata, self->same_user, self->id, "a");
	/* Nobody is left to keep anything. */
	end(self->same_user->pid);
	EXPECT_EQ(0, transfer_by(self->root, self->id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
	EXPECT_EQ(0, state(self->fd, self->id).grants);
}

/*
 * Offers.
 */

static void expect_offered(struct __test_metadata *_metadata, int fd, uint64_t id,
			   const struct puppet *to)
{
	struct mbox_stat stat = state(fd, id);

	EXPECT_EQ(to ? to->pid : 0, stat.offered);
	EXPECT_EQ(to ? MBOX_STATE_OFFERED : 0, stat.state & MBOX_STATE_OFFERED);
}

TEST_F(world, makes_owner_whoever_accepts_an_offer)
{
	struct mbox_stat before = state(self->fd, self->id), after;

	/* Nobody is asked whether one may signal the other. */
	EXPECT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	expect_offered(_metadata, self->fd, self->id, self->stranger);
	after = state(self->fd, self->id);
	after.offered = before.offered;
	after.state = before.state;
	EXPECT_TRUE(same_state(before, after));

	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	EXPECT_EQ(0, accept_by(self->stranger, self->id));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
	expect_offered(_metadata, self->fd, self->id, NULL);
	EXPECT_EQ(EACCES, fetch_by(self->owner, self->id));
	expect_next(_metadata, self->stranger, self->id, "a");
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
}

TEST_F(world, leaves_owner_whoever_has_offered_until_it_is_accepted)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	expect_next(_metadata, self->owner, self->id, "a");
	EXPECT_EQ(0, chmod_by(self->owner, self->id, 0600));
	EXPECT_EQ(EBUSY, claim_by(self->same_user, self->id));
}

static int list_by(struct puppet *puppet, uint64_t id)
{
	struct mbox_stat stat = { .flags = MBOX_STAT_NEXT, .id = id };
	int error = call_by(puppet, MBOX_IOC_STAT, &stat);

	NEED(error || stat.id == id);
	return error;
}

TEST_F(world, shows_a_mailbox_to_whom_it_is_offered_and_lets_it_do_nothing_else)
{
	struct mbox_stat stat;

	EXPECT_EQ(EACCES, stat_by(self->stranger, self->id, &stat));
	EXPECT_EQ(ENOENT, list_by(self->stranger, self->id));
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	EXPECT_EQ(0, stat_by(self->stranger, self->id, &stat));
	EXPECT_EQ(self->stranger->pid, stat.offered);
	EXPECT_EQ(0, open_by(self->stranger, self->id));
	EXPECT_EQ(0, list_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, post_by(self->stranger, self->id, "x"));
	EXPECT_EQ(EACCES, fetch_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, delete_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, chmod_by(self->stranger, self->id, 0666));
	EXPECT_EQ(EACCES, claim_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, offer_by(self->stranger, self->id, self->stranger->pid, 0));
	EXPECT_EQ(EACCES, grant_by(self->stranger, self->id, self->stranger->pid,
				   MBOX_RIGHT_RECV));
	ASSERT_EQ(0, offer_by(self->owner, self->id, 0, 0));
	EXPECT_EQ(EACCES, stat_by(self->stranger, self->id, &stat));
	EXPECT_EQ(EACCES, open_by(self->stranger, self->id));
	EXPECT_EQ(ENOENT, list_by(self->stranger, self->id));
}

static int accept_in_a_child(struct puppet *me)
{
	pid_t child = spawn();

	if (!child)
		_exit(accept_by(myself(me->fd), me->stat.id));
	return join(child);
}

TEST_F(world, lets_nobody_accept_what_is_offered_to_another)
{
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, accept_by(self->root, self->id));
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->same_user->pid, 0));
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, accept_by(self->owner, self->id));
	EXPECT_EQ(EACCES, accept_by(self->root, self->id));
	self->same_user->stat.id = self->id;
	EXPECT_EQ(EACCES, ask(self->same_user, accept_in_a_child));
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
	/* But every thread of it may. */
	EXPECT_EQ(0, accept_by(new_thread(self->same_user), self->id));
	expect_owner(_metadata, self->fd, self->id, self->same_user, OWNER);
}

TEST_F(world, accepts_in_the_name_of_the_effective_user)
{
	struct puppet *one = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, ask(one, become_set_uid));
	ASSERT_EQ(0, transfer_by(self->root, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, offer_by(self->stranger, self->id, one->pid, 0));
	EXPECT_EQ(0, accept_by(one, self->id));
	expect_owner(_metadata, self->fd, self->id, one, OWNER);
}

TEST_F(world, lets_a_new_offer_take_the_place_of_the_one_before)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->same_user->pid, 0));
	expect_offered(_metadata, self->fd, self->id, self->same_user);
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	EXPECT_EQ(0, accept_by(self->same_user, self->id));
}

TEST_F(world, takes_an_offer_back)
{
	/* Also where there is none. */
	EXPECT_EQ(0, offer_by(self->owner, self->id, 0, 0));
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	EXPECT_EQ(0, offer_by(self->owner, self->id, 0, 0));
	expect_offered(_metadata, self->fd, self->id, NULL);
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
}

TEST_F(world, voids_an_offer_when_the_owner_changes)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, transfer_by(self->owner, self->id, self->same_user->pid, 0));
	expect_offered(_metadata, self->fd, self->id, NULL);
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	/* And it does not come back with the owner. */
	ASSERT_EQ(0, transfer_by(self->same_user, self->id, self->owner->pid, 0));
	expect_offered(_metadata, self->fd, self->id, NULL);
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
}

TEST_F(world, voids_an_offer_by_a_transfer_to_the_owner_itself)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, transfer_by(self->owner, self->id, self->owner->pid, 0));
	expect_offered(_metadata, self->fd, self->id, NULL);
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
}

TEST_F(world, voids_an_offer_when_the_owner_ends)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	end(self->owner->pid);
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	expect_offered(_metadata, self->fd, self->id, NULL);
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
	EXPECT_EQ(0, claim_by(self->same_user, self->id));
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
}

TEST_F(world, voids_an_offer_when_the_mailbox_is_deleted)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, delete_by(self->owner, self->id));
	EXPECT_EQ(EIDRM, accept_by(self->stranger, self->id));
}

TEST_F(world, voids_an_offer_when_whom_it_was_made_to_ends)
{
	pid_t heir = self->stranger->pid, again;

	ASSERT_EQ(0, offer_by(self->owner, self->id, heir, 0));
	end(heir);
	expect_offered(_metadata, self->fd, self->id, NULL);
	again = spawn_with_pid(heir);
	if (again < 0)
		SKIP(return, "this kernel gives out no chosen pid");
	if (!again) {
		become(STRANGER, STRANGER);
		_exit(accept_by(myself(self->fd), self->id));
	}
	EXPECT_EQ(EACCES, join(again));
	expect_offered(_metadata, self->fd, self->id, NULL);
	expect_owner(_metadata, self->fd, self->id, self->owner, OWNER);
}

TEST_F(world, keeps_an_offer_over_exec)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, ask(self->stranger, do_exec));
	EXPECT_EQ(0, accept_by(self->stranger, self->id));
	expect_owner(_metadata, self->fd, self->id, self->stranger, STRANGER);
}

TEST_F(world, lets_the_former_owner_keep_its_right_when_an_offer_says_so)
{
	ASSERT_EQ(0, post_by(self->owner, self->id, "a"));
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	EXPECT_EQ(0, state(self->fd, self->id).grants);
	ASSERT_EQ(0, accept_by(self->stranger, self->id));
	EXPECT_EQ(1, state(self->fd, self->id).grants);
	expect_next(_metadata, self->owner, self->id, "a");
	EXPECT_EQ(EACCES, chmod_by(self->owner, self->id, 0666));
}

TEST_F(world, lets_no_offer_promise_one_grant_too_many)
{
	struct mbox_stat before;

	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	before = state(self->fd, self->id);
	ASSERT_EQ(0, set_tunable("max_grants", 0));
	EXPECT_EQ(EMLINK, offer_by(self->owner, self->id, self->same_user->pid,
				   MBOX_TRANSFER_KEEP));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	EXPECT_EQ(0, accept_by(self->stranger, self->id));
}

/* Whoever accepts is not to be told of it. */
TEST_F(world, keeps_the_word_of_an_offer_whatever_the_limit_is_then)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	ASSERT_EQ(0, set_tunable("max_grants", 0));
	EXPECT_EQ(0, accept_by(self->stranger, self->id));
	EXPECT_EQ(1, state(self->fd, self->id).grants);
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	expect_next(_metadata, self->owner, self->id, "a");
}

TEST_F(world, forgets_that_a_former_offer_let_the_owner_keep_its_right)
{
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, MBOX_TRANSFER_KEEP));
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
	ASSERT_EQ(0, accept_by(self->stranger, self->id));
	EXPECT_EQ(0, state(self->fd, self->id).grants);
	EXPECT_EQ(EACCES, fetch_by(self->owner, self->id));
}

/* Either it is taken back, or it is accepted: never both, never neither. */
TEST_F(world, decides_once_between_accepting_and_taking_back)
{
	unsigned int accepted = 0, i;

	for (i = 0; i < 150; i++) {
		struct mbox_take take = { .id = self->id };
		struct mbox_stat stat;
		int error;

		ASSERT_EQ(0, offer_by(self->owner, self->id, self->stranger->pid, 0));
		begin_call(self->stranger, MBOX_IOC_ACCEPT, &take);
		if (i % 3)
			sched_yield();
		error = offer_by(self->owner, self->id, 0, 0);
		ASSERT_TRUE(error == 0 || error == EACCES);
		stat = state(self->fd, self->id);
		if (!end_act(self->stranger)) {
			accepted++;
			ASSERT_EQ(EACCES, error);
			ASSERT_EQ(self->stranger->pid, state(self->fd, self->id).pid);
			ASSERT_EQ(EACCES, fetch_by(self->owner, self->id));
			ASSERT_EQ(0, transfer_by(self->root, self->id, self->owner->pid, 0));
		} else {
			ASSERT_EQ(0, error);
			ASSERT_EQ(EACCES, self->stranger->error);
			ASSERT_EQ(self->owner->pid, stat.pid);
		}
		ASSERT_EQ(0, state(self->fd, self->id).offered);
	}
	TH_LOG("%u of %u accepted", accepted, i);
}

/*
 * Offers that come with a message: through the carrier, which all may use.
 */
FIXTURE(deed) {
	int fd;
	struct puppet *sender, *receiver, *other, *root;
	uint64_t id, carrier;
	struct mbox_send with;
	struct mbox_recv accepting;
};

static struct mbox_create open_to_all(uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.mode = 0666;
	return attr;
}

FIXTURE_SETUP(deed)
{
	begin();
	self->fd = device(O_RDWR);
	self->sender = new_puppet(self->fd, OWNER, OWNER);
	self->other = new_puppet(self->fd, OWNER, OWNER);
	self->receiver = new_puppet(self->fd, STRANGER, STRANGER);
	self->root = myself(self->fd);
	self->id = create_by(self->sender, kept(4));
	self->carrier = create(self->fd, open_to_all(4));
	self->with = (struct mbox_send){
		.id = self->carrier, .flags = MBOX_SEND_OFFER, .offer = self->id,
	};
	self->accepting = (struct mbox_recv){
		.id = self->carrier, .flags = MBOX_RECV_ACCEPT | MBOX_RECV_NONBLOCK,
	};
}

FIXTURE_TEARDOWN(deed)
{
	reset_tunables();
	sweep();
}

TEST_F(deed, makes_owner_whoever_receives_with_the_flag)
{
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_STREQ("deed", self->receiver->text);
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	EXPECT_EQ(self->sender->pid, self->receiver->recv.pid);
	expect_owner(_metadata, self->fd, self->id, self->receiver, STRANGER);
	EXPECT_EQ(EACCES, fetch_by(self->sender, self->id));
	expect_next(_metadata, self->receiver, self->id, "a");
}

TEST_F(deed, leaves_the_sender_owner_until_it_is_received)
{
	struct mbox_stat before = state(self->fd, self->id);

	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	ASSERT_EQ(0, post_by(self->sender, self->id, "a"));
	expect_next(_metadata, self->sender, self->id, "a");
	/* It is no offer to somebody. */
	EXPECT_EQ(EACCES, accept_by(self->receiver, self->id));
	EXPECT_EQ(EACCES, open_by(self->receiver, self->id));
}

TEST_F(deed, is_nothing_to_whoever_receives_without_the_flag)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, fetch_by(self->receiver, self->carrier));
	EXPECT_STREQ("deed", self->receiver->text);
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
	EXPECT_EQ(EAGAIN, recv_by(self->receiver, self->accepting));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
}

TEST_F(deed, is_nothing_to_whoever_looks)
{
	struct mbox_recv look = { .id = self->carrier, .flags = MBOX_RECV_PEEK };

	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, recv_by(self->receiver, look));
	look.flags |= MBOX_RECV_ACCEPT;
	EXPECT_EQ(EINVAL, recv_by(self->receiver, look));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
}

TEST_F(deed, is_none_in_a_message_without_one)
{
	struct mbox_send without = { .id = self->carrier };

	ASSERT_EQ(0, send_by(self->sender, without, "plain"));
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(0, self->receiver->recv.owned);
	/* The id counts only with its flag. */
	without.offer = self->id;
	ASSERT_EQ(0, send_by(self->sender, without, "plain"));
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(0, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
}

static void expect_void(struct __test_metadata *_metadata, struct puppet *receiver,
			struct mbox_recv accepting)
{
	ASSERT_EQ(0, recv_by(receiver, accepting));
	EXPECT_STREQ("deed", receiver->text);
	EXPECT_EQ(0, receiver->recv.owned);
}

TEST_F(deed, is_void_when_its_sender_has_ended)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	end(self->sender->pid);
	expect_void(_metadata, self->receiver, self->accepting);
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
}

TEST_F(deed, is_void_when_the_mailbox_was_claimed_since)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	end(self->sender->pid);
	ASSERT_EQ(0, claim_by(self->other, self->id));
	expect_void(_metadata, self->receiver, self->accepting);
	expect_owner(_metadata, self->fd, self->id, self->other, OWNER);
}

TEST_F(deed, is_void_when_the_mailbox_has_another_owner)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, transfer_by(self->sender, self->id, self->other->pid, 0));
	expect_void(_metadata, self->receiver, self->accepting);
	expect_owner(_metadata, self->fd, self->id, self->other, OWNER);
}

TEST_F(deed, is_void_when_the_mailbox_had_another_owner_meanwhile)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, transfer_by(self->sender, self->id, self->other->pid, 0));
	ASSERT_EQ(0, transfer_by(self->other, self->id, self->sender->pid, 0));
	expect_void(_metadata, self->receiver, self->accepting);
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
}

TEST_F(deed, is_void_when_the_mailbox_was_transferred_to_its_owner_itself)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, transfer_by(self->sender, self->id, self->sender->pid, 0));
	expect_void(_metadata, self->receiver, self->accepting);
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
}

TEST_F(deed, is_void_when_the_mailbox_is_gone)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, delete_by(self->sender, self->id));
	expect_void(_metadata, self->receiver, self->accepting);
}

TEST_F(deed, is_written_by_the_owner_only)
{
	self->with.flags |= MBOX_SEND_NONBLOCK;
	EXPECT_EQ(EACCES, send_by(self->other, self->with, "deed"));
	EXPECT_EQ(EACCES, send_by(self->receiver, self->with, "deed"));
	EXPECT_EQ(EACCES, send_by(self->root, self->with, "deed"));
	ASSERT_EQ(0, grant_by(self->sender, self->id, self->other->pid, MBOX_RIGHT_MANAGE));
	EXPECT_EQ(EACCES, send_by(self->other, self->with, "deed"));
	EXPECT_EQ(0, state(self->fd, self->carrier).sent);
	ASSERT_EQ(0, transfer_by(self->sender, self->id, self->other->pid, 0));
	EXPECT_EQ(EACCES, send_by(self->sender, self->with, "deed"));
	EXPECT_EQ(0, send_by(self->other, self->with, "deed"));
}

TEST_F(deed, is_of_a_mailbox_that_exists)
{
	self->with.flags |= MBOX_SEND_NONBLOCK;
	self->with.offer = 1ULL << 60;
	EXPECT_EQ(ENOENT, send_by(self->sender, self->with, "deed"));
	self->with.offer = self->id;
	ASSERT_EQ(0, delete_by(self->sender, self->id));
	EXPECT_EQ(EIDRM, send_by(self->sender, self->with, "deed"));
	EXPECT_EQ(0, state(self->fd, self->carrier).sent);
}

static int receive_nowhere(struct puppet *me)
{
	me->recv.buf = (uintptr_t)unmapped();
	me->recv.size = PAGE;
	return call(me->fd, MBOX_IOC_RECV, &me->recv);
}

TEST_F(deed, stays_with_a_message_that_cannot_be_received)
{
	struct mbox_stat before;

	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	before = state(self->fd, self->id);
	self->receiver->recv = self->accepting;
	EXPECT_EQ(EFAULT, ask(self->receiver, receive_nowhere));
	self->accepting.size = 3;
	EXPECT_EQ(EMSGSIZE, call_by(self->receiver, MBOX_IOC_RECV, &self->accepting));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	EXPECT_EQ(1, state(self->fd, self->carrier).msgs);
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->receiver, STRANGER);
}

TEST_F(deed, comes_through_the_very_mailbox_that_it_is_of)
{
	uint64_t id = create_by(self->sender, open_to_all(4));

	self->with.id = self->with.offer = self->accepting.id = id;
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, post(self->fd, id, "next", 0));
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, id, self->receiver, STRANGER);
	ASSERT_EQ(0, chmod_by(self->receiver, id, 0));
	expect_next(_metadata, self->receiver, id, "next");
}

TEST_F(deed, does_not_keep_its_own_mailbox_from_its_end)
{
	uint64_t id = create_by(self->sender, open_to_all(4));

	self->with.id = self->with.offer = id;
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, delete_by(self->sender, id));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
	EXPECT_EQ(2, info(self->fd).mailboxes);
}

TEST_F(deed, that_is_accepted_first_wins)
{
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_void(_metadata, self->other, self->accepting);
	expect_owner(_metadata, self->fd, self->id, self->receiver, STRANGER);
}

TEST_F(deed, is_dropped_with_its_message)
{
	self->with.flags |= MBOX_SEND_EXPIRES;
	self->with.expires = now() + 50 * MSEC;
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	WAIT_UNTIL(state(self->fd, self->carrier).msgs == 0);
	EXPECT_EQ(EAGAIN, recv_by(self->receiver, self->accepting));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);

	self->with.flags = MBOX_SEND_OFFER;
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, delete(self->fd, self->carrier));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
	EXPECT_EQ(0, delete_by(self->sender, self->id));
	EXPECT_EQ(0, info(self->fd).mailboxes);
}

TEST_F(deed, comes_by_choice)
{
	uint64_t *ids = (uint64_t *)(self->receiver->text + 64);
	struct mbox_recv choice = {
		.flags = MBOX_RECV_CHOICE | MBOX_RECV_ACCEPT,
		.ids = (uintptr_t)ids,
		.nr_ids = 2,
		.buf = (uintptr_t)self->receiver->text,
		.size = 64,
	};

	ids[0] = create(self->fd, open_to_all(0));
	ids[1] = self->carrier;
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, call_by(self->receiver, MBOX_IOC_RECV, &choice));
	EXPECT_EQ(self->id, choice.owned);
	EXPECT_EQ(self->carrier, choice.from);

	/* And to one who waits, from a sender who waits for that. */
	choice.id = 0;
	begin_call(self->receiver, MBOX_IOC_RECV, &choice);
	wait_for_receivers(self->fd, ids[0], 1);
	self->with.id = ids[0];
	self->with.offer = create_by(self->sender, kept(1));
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	ASSERT_EQ(0, end_act(self->receiver));
	EXPECT_EQ(self->with.offer, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->with.offer, self->receiver, STRANGER);
}

TEST_F(deed, goes_to_a_receiver_that_waits)
{
	self->accepting.flags = MBOX_RECV_ACCEPT;
	begin_recv(self->receiver, self->accepting);
	wait_for_receivers(self->fd, self->carrier, 1);
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	EXPECT_EQ(0, end_act(self->receiver));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->receiver, STRANGER);
}

TEST_F(deed, goes_from_a_sender_that_waits)
{
	self->with.flags |= MBOX_SEND_SYNC;
	begin_send(self->sender, self->with, "deed");
	wait_for_senders(self->fd, self->carrier, 1);
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	EXPECT_EQ(0, end_act(self->sender));
	EXPECT_EQ(self->receiver->pid, self->sender->send.receiver);
	expect_owner(_metadata, self->fd, self->id, self->receiver, STRANGER);
}

TEST_F(deed, that_is_taken_back_was_never_given)
{
	self->with.flags |= MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT;
	EXPECT_EQ(ETIMEDOUT, send_by(self->sender, self->with, "deed"));
	EXPECT_EQ(EAGAIN, recv_by(self->receiver, self->accepting));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
	EXPECT_EQ(0, delete_by(self->sender, self->id));
}

TEST_F(deed, to_the_owner_itself_changes_nothing)
{
	struct mbox_stat before;

	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	before = state(self->fd, self->id);
	ASSERT_EQ(0, recv_by(self->sender, self->accepting));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	ASSERT_EQ(0, post_by(self->sender, self->id, "a"));
	expect_next(_metadata, self->sender, self->id, "a");
	end(self->sender->pid);
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
}

TEST_F(deed, takes_the_right_of_the_sender_s_receivers_that_wait)
{
	struct puppet *thread = new_thread(self->sender);

	begin_recv(thread, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, send_by(self->sender, self->with, "deed"));
	EXPECT_EQ(1, state(self->fd, self->id).receivers);
	ASSERT_EQ(0, recv_by(self->receiver, self->accepting));
	EXPECT_EQ(EKEYREVOKED, end_act(thread));
}

/* While the message is being copied, everything can still happen. */
FIXTURE(deed_being_received) {
	int fd;
	struct puppet *sender, *heir, *receiver;
	uint64_t id, carrier;
};

FIXTURE_SETUP(deed_being_received)
{
	struct mbox_send with;

	begin();
	self->fd = device(O_RDWR);
	self->sender = new_puppet(self->fd, OWNER, OWNER);
	self->heir = new_puppet(self->fd, OWNER, OWNER);
	self->receiver = new_puppet(self->fd, 0, 0);
	ASSERT_EQ(0, ask(self->receiver, drop_all_but_stalling));
	self->id = create_by(self->sender, kept(4));
	self->carrier = create(self->fd, open_to_all(4));
	with = (struct mbox_send){
		.id = self->carrier, .flags = MBOX_SEND_OFFER, .offer = self->id,
	};
	ASSERT_EQ(0, send_by(self->sender, with, "deed"));
	begin_stalled_recv(self->receiver, (struct mbox_recv){
		.id = self->carrier, .flags = MBOX_RECV_ACCEPT }, SIZE);
	wait_for_stalled(self->receiver);
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
}

FIXTURE_TEARDOWN(deed_being_received)
{
	reset_tunables();
	sweep();
}

TEST_F(deed_being_received, is_accepted_at_the_end)
{
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->receiver, 0);
}

/* The sender may have been told already that the message was received. */
TEST_F(deed_being_received, is_accepted_though_the_sender_has_ended)
{
	end(self->sender->pid);
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->receiver, 0);
}

TEST_F(deed_being_received, is_void_if_the_orphan_was_claimed_before)
{
	end(self->sender->pid);
	ASSERT_EQ(0, claim_by(self->heir, self->id));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(0, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->heir, OWNER);
}

TEST_F(deed_being_received, is_void_for_the_next_if_the_sender_has_ended_before)
{
	struct mbox_recv accepting = { .id = self->carrier, .flags = MBOX_RECV_ACCEPT };

	end(self->sender->pid);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	ASSERT_EQ(0, recv_by(self->heir, accepting));
	EXPECT_EQ(0, self->heir->recv.owned);
	expect_owner(_metadata, self->fd, self->id, NULL, OWNER);
}

TEST_F(deed_being_received, is_void_if_the_mailbox_has_another_owner_before)
{
	ASSERT_EQ(0, transfer_by(self->sender, self->id, self->heir->pid, 0));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(0, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->heir, OWNER);
}

/* Another user may own it by then, while the owner is the same. */
TEST_F(deed_being_received, is_taken_from_the_account_that_it_is_on_then)
{
	ASSERT_EQ(0, chown_by(myself(self->fd), self->id, STRANGER, STRANGER));
	EXPECT_EQ(0, usage_of(self->fd, OWNER).user_mailboxes);
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_mailboxes);
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->receiver, 0);
	EXPECT_EQ(0, usage_of(self->fd, OWNER).user_mailboxes);
	EXPECT_EQ(0, usage_of(self->fd, STRANGER).user_mailboxes);
	EXPECT_EQ(2, usage_of(self->fd, 0).user_mailboxes);
}

static int become_owner_that_stalls(struct puppet *me)
{
	NEED(!prctl(PR_SET_KEEPCAPS, 1));
	become(OWNER, OWNER);
	return drop_all_but_stalling(me);
}

/* From one's own user it costs nothing, and then it does. */
TEST_F(deed_being_received, comes_back_if_there_is_no_quota_for_it_then)
{
	uint64_t other = create_by(self->sender, kept(4));
	struct mbox_recv accepting = { .id = self->carrier, .flags = MBOX_RECV_ACCEPT };
	struct mbox_send with = {
		.id = self->carrier, .flags = MBOX_SEND_OFFER, .offer = other,
	};

	self->heir = new_puppet(self->fd, 0, 0);
	ASSERT_EQ(0, ask(self->heir, become_owner_that_stalls));
	ASSERT_EQ(0, send_by(self->sender, with, "other"));
	begin_stalled_recv(self->heir, accepting, SIZE);
	wait_for_stalled(self->heir);
	ASSERT_EQ(0, chown_by(myself(self->fd), other, STRANGER, STRANGER));
	ASSERT_EQ(0, set_tunable("user_mailboxes", 0));
	EXPECT_EQ(EDQUOT, end_stalled(self->heir, GO_ON));
	expect_owner(_metadata, self->fd, other, self->sender, STRANGER);
	EXPECT_EQ(1, state(self->fd, self->carrier).msgs);
	EXPECT_EQ(1, usage_of(self->fd, OWNER).user_mailboxes);
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_mailboxes);
	reset_tunables();
	ASSERT_EQ(0, recv_by(self->heir, accepting));
	EXPECT_EQ(other, self->heir->recv.owned);
	expect_owner(_metadata, self->fd, other, self->heir, OWNER);
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
}

TEST_F(deed_being_received, is_void_if_the_mailbox_is_gone_before)
{
	ASSERT_EQ(0, delete_by(self->sender, self->id));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(0, self->receiver->recv.owned);
}

TEST_F(deed_being_received, is_accepted_though_its_carrier_is_gone)
{
	ASSERT_EQ(0, delete(self->fd, self->carrier));
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(self->id, self->receiver->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->receiver, 0);
}

TEST_F(deed_being_received, comes_back_with_its_message)
{
	struct mbox_recv accepting = { .id = self->carrier, .flags = MBOX_RECV_ACCEPT };

	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	expect_owner(_metadata, self->fd, self->id, self->sender, OWNER);
	ASSERT_EQ(0, recv_by(self->heir, accepting));
	EXPECT_EQ(self->id, self->heir->recv.owned);
	expect_owner(_metadata, self->fd, self->id, self->heir, OWNER);
}

/*
 * Whatever the kernel needs memory for, or copies, fails in turn: then nothing has
 * changed.
 */
FIXTURE(fault) {
	int fd, nth;
	struct puppet *me, *other;
	uint64_t id, carrier;
};

FIXTURE_VARIANT(fault) {
	void (*prepare)(FIXTURE_DATA(fault) *self);
	int (*act)(FIXTURE_DATA(fault) *self);
};

/* Ours again, and nothing else. */
static void prepare_nothing(FIXTURE_DATA(fault) *self)
{
	NEED(!transfer_by(self->me, self->id, getpid(), 0));
	NEED(!offer_by(self->me, self->id, 0, 0));
	revoke_by(self->me, self->id, self->other->pid, MBOX_RIGHT_RECV);
	revoke_by(self->me, self->id, getpid(), MBOX_RIGHT_RECV);
}

static void prepare_offer(FIXTURE_DATA(fault) *self)
{
	prepare_nothing(self);
	NEED(!transfer_by(self->me, self->id, self->other->pid, 0));
	NEED(!offer_by(self->other, self->id, getpid(), MBOX_TRANSFER_KEEP));
}

static void prepare_orphan(FIXTURE_DATA(fault) *self)
{
	pid_t child = spawn();

	if (!child) {
		pause();
		_exit(0);
	}
	NEED(!transfer_by(self->me, self->id, child, 0));
	end(child);
}

static void prepare_grant(FIXTURE_DATA(fault) *self)
{
	prepare_nothing(self);
	NEED(!grant_by(self->me, self->id, self->other->pid, MBOX_RIGHT_RECV));
}

static void prepare_empty_carrier(FIXTURE_DATA(fault) *self)
{
	prepare_nothing(self);
	while (!fetch_by(self->me, self->carrier))
		;
}

static void prepare_deed(FIXTURE_DATA(fault) *self)
{
	struct mbox_send with = {
		.id = self->carrier, .flags = MBOX_SEND_OFFER, .offer = self->id,
	};

	prepare_empty_carrier(self);
	NEED(!transfer_by(self->me, self->id, self->other->pid, 0));
	NEED(!send_by(self->other, with, "deed"));
}

static int fault_transfer(FIXTURE_DATA(fault) *self)
{
	return transfer_by(self->me, self->id, self->other->pid, MBOX_TRANSFER_KEEP);
}

static int fault_offer(FIXTURE_DATA(fault) *self)
{
	return offer_by(self->me, self->id, self->other->pid, MBOX_TRANSFER_KEEP);
}

static int fault_accept(FIXTURE_DATA(fault) *self)
{
	return accept_by(self->me, self->id);
}

static int fault_claim(FIXTURE_DATA(fault) *self)
{
	return claim_by(self->me, self->id);
}

static int fault_grant(FIXTURE_DATA(fault) *self)
{
	return grant_by(self->me, self->id, self->other->pid, MBOX_RIGHT_RECV);
}

static int fault_revoke(FIXTURE_DATA(fault) *self)
{
	return revoke_by(self->me, self->id, self->other->pid, MBOX_RIGHT_RECV);
}

static int fault_list(FIXTURE_DATA(fault) *self)
{
	struct mbox_granted granted;
	struct mbox_grants arg = { .id = self->id, .grants = (uintptr_t)&granted, .nr = 1 };

	return call_by(self->me, MBOX_IOC_GRANTS, &arg);
}

static int fault_change(FIXTURE_DATA(fault) *self)
{
	uid_t uid = self->nth % 2 ? STRANGER : 1002;

	return chown_by(self->me, self->id, uid, uid);
}

static int fault_deed(FIXTURE_DATA(fault) *self)
{
	return recv_by(self->me, (struct mbox_recv){
		.id = self->carrier, .flags = MBOX_RECV_ACCEPT | MBOX_RECV_NONBLOCK });
}

static int fault_send(FIXTURE_DATA(fault) *self)
{
	return send_by(self->me, (struct mbox_send){
		.id = self->carrier, .flags = MBOX_SEND_OFFER | MBOX_SEND_NONBLOCK,
		.offer = self->id }, "deed");
}

#define FAULT(_name, _prepare, _act)						\
	FIXTURE_VARIANT_ADD(fault, _name) { .prepare = _prepare, .act = _act }

FAULT(in_a_transfer, prepare_nothing, fault_transfer);
FAULT(in_an_offer, prepare_nothing, fault_offer);
FAULT(in_accepting, prepare_offer, fault_accept);
FAULT(in_claiming, prepare_orphan, fault_claim);
FAULT(in_a_grant, prepare_nothing, fault_grant);
FAULT(in_revoking, prepare_grant, fault_revoke);
FAULT(in_listing_grants, prepare_grant, fault_list);
FAULT(in_changing_the_user, prepare_nothing, fault_change);
FAULT(in_sending_an_offer, prepare_empty_carrier, fault_send);
FAULT(in_accepting_what_comes_with_a_message, prepare_deed, fault_deed);

FIXTURE_SETUP(fault)
{
	begin();
	self->fd = device(O_RDWR);
	self->me = myself(self->fd);
	self->other = new_puppet(self->fd, 0, 0);
	self->id = create(self->fd, kept(2));
	self->carrier = create(self->fd, open_to_all(2));
}

FIXTURE_TEARDOWN(fault)
{
	sweep();
}

TEST_F(fault, has_changed_nothing)
{
	struct mbox_stat before[2];
	int fault = open_faults(), error;
	unsigned int failed = 0;
	bool over = true;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	for (self->nth = 1; over; self->nth++) {
		ASSERT_GT(100, self->nth);
		variant->prepare(self);
		before[0] = state(self->fd, self->id);
		before[1] = state(self->fd, self->carrier);
		set_fault(fault, self->nth);
		error = variant->act(self);
		over = fault_is_over(fault);
		ASSERT_TRUE(!error || (over && (error == ENOMEM || error == EFAULT)));
		failed += error != 0;
		if (!error)
			continue;
		EXPECT_TRUE(same_state(before[0], state(self->fd, self->id)));
		EXPECT_TRUE(same_state(before[1], state(self->fd, self->carrier)));
		EXPECT_EQ(0, variant->act(self)) {
			TH_LOG("after fault number %d", self->nth);
		}
	}
	EXPECT_LT(0, failed);
}

/*
 * Signals, and processes that end in the middle.
 */

static int lose_patience(struct puppet *me)
{
	(void)me;
	take_signals(SA_RESTART);
	return 0;
}

/* Every call either happened, once, or did not. */
TEST_F(world, is_not_confused_by_signals)
{
	struct puppet *players[] = { self->owner, self->same_user };
	pid_t disturber;
	unsigned int i;

	ASSERT_EQ(0, ask(self->owner, lose_patience));
	ASSERT_EQ(0, ask(self->same_user, lose_patience));
	disturber = spawn();
	if (!disturber) {
		for (i = 0;; i++) {
			kill(players[i % 2]->pid, SIGUSR1);
			sched_yield();
		}
	}
	for (i = 0; i < 100; i++) {
		struct puppet *from = players[i % 2], *to = players[(i + 1) % 2];

		ASSERT_EQ(0, grant_by(from, self->id, to->pid, MBOX_RIGHT_RECV));
		ASSERT_EQ(1, state(self->fd, self->id).grants);
		ASSERT_EQ(0, transfer_by(from, self->id, to->pid, 0));
		ASSERT_EQ(to->pid, state(self->fd, self->id).pid);
		ASSERT_EQ(0, revoke_by(to, self->id, to->pid, MBOX_RIGHT_RECV));
		ASSERT_EQ(0, state(self->fd, self->id).grants);
		ASSERT_EQ(0, offer_by(to, self->id, from->pid, MBOX_TRANSFER_KEEP));
		ASSERT_EQ(0, accept_by(from, self->id));
		ASSERT_EQ(1, state(self->fd, self->id).grants);
		ASSERT_EQ(0, revoke_by(from, self->id, to->pid, MBOX_RIGHT_RECV));
		ASSERT_EQ(0, transfer_by(from, self->id, to->pid, 0));
	}
	end(disturber);
}

/* To a process that is just ending: it never has it when it has ended. */
TEST_F(world, gives_nothing_for_good_to_a_process_that_ends)
{
	unsigned int given = 0, orphaned = 0, i;

	for (i = 0; i < 40; i++) {
		unsigned int before = given;
		pid_t heir = spawn();
		struct mbox_stat stat;
		int error;

		if (!heir) {
			usleep(3000);
			_exit(0);
		}
		while (!(error = transfer_by(self->root, self->id, heir, 0))) {
			given++;
			if (i % 2)
				ASSERT_EQ(0, transfer_by(self->root, self->id,
							 self->owner->pid, 0));
		}
		ASSERT_EQ(ESRCH, error);
		ASSERT_EQ(0, join(heir));
		stat = state(self->fd, self->id);
		/* It kept what it got if that was not taken from it again. */
		if (i % 2 == 0)
			ASSERT_EQ(given > before, stat.state == MBOX_STATE_ORPHAN);
		orphaned += stat.state == MBOX_STATE_ORPHAN;
		ASSERT_EQ(stat.state == MBOX_STATE_ORPHAN ? 0 : self->owner->pid, stat.pid);
		ASSERT_EQ(0, transfer_by(self->root, self->id, self->owner->pid, 0));
	}
	/* On a slow machine some do not live long enough. */
	EXPECT_LT(0, given);
	EXPECT_LT(0, orphaned);
}

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	return test_harness_run(argc, argv);
}
