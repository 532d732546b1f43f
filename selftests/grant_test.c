// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rights of one process, by grant, and of users, by mode and owner: that they
 * are given and taken at once, and that those who wait and lose theirs are told.
 */
#include "kselftest_harness.h"
#include "puppet.h"

#define SIZE 16

#define SEND	MBOX_RIGHT_SEND
#define RECV	MBOX_RIGHT_RECV
#define MANAGE	MBOX_RIGHT_MANAGE

/* Without mode bits, so that only ownership and grants give rights. */
static struct mbox_create closed(uint32_t msgs, uint64_t flags)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.flags = flags;
	attr.mode = 0;
	return attr;
}

FIXTURE(grant) {
	int fd;
	struct puppet *owner, *grantee, *other, *root;
	uint64_t id;
};

FIXTURE_SETUP(grant)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->grantee = new_puppet(self->fd, STRANGER, STRANGER);
	self->other = new_puppet(self->fd, STRANGER, STRANGER);
	self->root = myself(self->fd);
	self->id = create_by(self->owner, closed(4, 0));
	ASSERT_EQ(0, post(self->fd, self->id, "0", 0));
}

FIXTURE_TEARDOWN(grant)
{
	reset_tunables();
	sweep();
}

/* What it may do: MBOX_RIGHT_* bits, as far as that can be tried without harm. */
static uint32_t rights_of(struct puppet *puppet, uint64_t id)
{
	struct mbox_recv look = { .id = id, .flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK };
	struct mbox_send late = { .id = id, .flags = MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK };
	uint32_t rights = 0;
	struct mbox_stat stat;
	int error;

	error = send_by(puppet, late, "x");
	NEED(error == EAGAIN || error == EACCES);
	rights |= error == EACCES ? 0 : SEND;
	error = recv_by(puppet, look);
	NEED(!error || error == EAGAIN || error == EACCES);
	rights |= error == EACCES ? 0 : RECV;
	error = offer_by(puppet, id, 0, 0);
	NEED(!error || error == EACCES);
	rights |= error ? 0 : MANAGE;
	/* Whoever has any may look. */
	NEED(stat_by(puppet, id, &stat) == (rights ? 0 : EACCES));
	NEED(open_by(puppet, id) == (rights ? 0 : EACCES));
	return rights;
}

TEST_F(grant, gives_each_right_alone)
{
	uint32_t rights;

	EXPECT_EQ(0, rights_of(self->grantee, self->id));
	for (rights = 2; rights < 16; rights += 2) {
		EXPECT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, rights));
		EXPECT_EQ(rights, rights_of(self->grantee, self->id));
		EXPECT_EQ(0, rights_of(self->other, self->id));
		EXPECT_EQ(0, revoke_by(self->owner, self->id, self->grantee->pid, rights));
		EXPECT_EQ(0, rights_of(self->grantee, self->id));
	}
}

TEST_F(grant, adds_to_those_before)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND));
	EXPECT_EQ(SEND, rights_of(self->grantee, self->id));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, RECV));
	EXPECT_EQ(SEND | RECV, rights_of(self->grantee, self->id));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, RECV | MANAGE));
	EXPECT_EQ(SEND | RECV | MANAGE, rights_of(self->grantee, self->id));
	EXPECT_EQ(1, state(self->fd, self->id).grants);
}

TEST_F(grant, is_taken_away_right_by_right)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND | RECV | MANAGE));
	EXPECT_EQ(0, revoke_by(self->owner, self->id, self->grantee->pid, RECV));
	EXPECT_EQ(SEND | MANAGE, rights_of(self->grantee, self->id));
	/* More than there is takes what there is. */
	EXPECT_EQ(0, revoke_by(self->owner, self->id, self->grantee->pid, RECV | SEND));
	EXPECT_EQ(MANAGE, rights_of(self->grantee, self->id));
	EXPECT_EQ(1, state(self->fd, self->id).grants);
	EXPECT_EQ(0, revoke_by(self->owner, self->id, self->grantee->pid, MANAGE));
	EXPECT_EQ(0, rights_of(self->grantee, self->id));
	EXPECT_EQ(0, state(self->fd, self->id).grants);
}

TEST_F(grant, that_is_not_there_cannot_be_taken_away)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, RECV));
	EXPECT_EQ(ESRCH, revoke_by(self->owner, self->id, self->other->pid, RECV));
	EXPECT_EQ(ESRCH, revoke_by(self->owner, self->id, self->owner->pid, RECV));
	EXPECT_EQ(ESRCH, revoke_by(self->owner, self->id, self->grantee->pid, SEND));
	EXPECT_EQ(0, revoke_by(self->owner, self->id, self->grantee->pid, RECV));
	EXPECT_EQ(ESRCH, revoke_by(self->owner, self->id, self->grantee->pid, RECV));
	/* What is not granted stays. */
	EXPECT_EQ(RECV | MANAGE, rights_of(self->owner, self->id));
}

TEST_F(grant, takes_away_no_right_of_mode_or_owner)
{
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0606));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND | RECV));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->owner->pid, SEND | RECV | MANAGE));
	EXPECT_EQ(0, revoke_by(self->owner, self->id, self->grantee->pid, SEND | RECV));
	EXPECT_EQ(0, revoke_by(self->owner, self->id, self->owner->pid, SEND | RECV | MANAGE));
	EXPECT_EQ(SEND | RECV, rights_of(self->grantee, self->id));
	EXPECT_EQ(SEND | RECV | MANAGE, rights_of(self->owner, self->id));
}

TEST_F(grant, is_of_one_or_more_rights_that_there_are)
{
	unsigned int bit;

	EXPECT_EQ(EINVAL, grant_by(self->owner, self->id, self->grantee->pid, 0));
	EXPECT_EQ(EINVAL, revoke_by(self->owner, self->id, self->grantee->pid, 0));
	for (bit = 0; bit < 32; bit++) {
		uint32_t rights = 1U << bit | RECV;
		int error = rights & ~(SEND | RECV | MANAGE) ? EINVAL : 0;

		EXPECT_EQ(error, grant_by(self->owner, self->id, self->grantee->pid, rights));
		EXPECT_EQ(error, revoke_by(self->owner, self->id, self->grantee->pid, rights)) {
			TH_LOG("rights %#x", rights);
		}
	}
	EXPECT_EQ(0, state(self->fd, self->id).grants);
}

TEST_F(grant, is_made_and_taken_away_by_whoever_may_manage)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND | RECV));
	EXPECT_EQ(EACCES, grant_by(self->grantee, self->id, self->other->pid, SEND));
	EXPECT_EQ(EACCES, revoke_by(self->grantee, self->id, self->grantee->pid, SEND));
	EXPECT_EQ(EACCES, grant_by(self->other, self->id, self->other->pid, SEND));
	ASSERT_EQ(0, grant_by(self->root, self->id, self->grantee->pid, MANAGE));
	EXPECT_EQ(0, grant_by(self->grantee, self->id, self->other->pid, SEND));
	EXPECT_EQ(SEND, rights_of(self->other, self->id));
	EXPECT_EQ(0, revoke_by(self->grantee, self->id, self->other->pid, SEND));
	/* Its own, too. */
	EXPECT_EQ(0, revoke_by(self->grantee, self->id, self->grantee->pid, MANAGE));
	EXPECT_EQ(EACCES, grant_by(self->grantee, self->id, self->other->pid, SEND));
}

TEST_F(grant, to_manage_is_to_do_what_the_owner_may_but_receive)
{
	struct puppet *manager = self->grantee;

	ASSERT_EQ(0, grant_by(self->owner, self->id, manager->pid, MANAGE));
	EXPECT_EQ(EACCES, post_by(manager, self->id, "x"));
	EXPECT_EQ(EACCES, fetch_by(manager, self->id));
	EXPECT_EQ(EACCES, chown_by(manager, self->id, STRANGER, STRANGER));
	EXPECT_EQ(EACCES, claim_by(manager, self->id));
	EXPECT_EQ(0, chmod_by(manager, self->id, 0002));
	EXPECT_EQ(0, post_by(manager, self->id, "x"));
	EXPECT_EQ(0, offer_by(manager, self->id, self->other->pid, 0));
	EXPECT_EQ(0, transfer_by(manager, self->id, self->other->pid, 0));
	EXPECT_EQ(self->other->pid, state(self->fd, self->id).pid);
	EXPECT_EQ(0, delete_by(manager, self->id));
}

static int rights_in_a_child(struct puppet *me)
{
	pid_t child = spawn();

	if (!child)
		_exit(rights_of(myself(me->fd), me->stat.id));
	return join(child);
}

TEST_F(grant, is_of_a_process_with_all_its_threads_and_without_its_children)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND | RECV | MANAGE));
	EXPECT_EQ(SEND | RECV | MANAGE, rights_of(new_thread(self->grantee), self->id));
	self->grantee->stat.id = self->id;
	EXPECT_EQ(0, ask(self->grantee, rights_in_a_child));
}

static int become_somebody_else(struct puppet *me)
{
	(void)me;
	become(1002, 1002);
	return 0;
}

TEST_F(grant, stays_when_its_process_changes_its_user_or_program)
{
	struct puppet *grantee = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, grant_by(self->owner, self->id, grantee->pid, SEND | RECV));
	ASSERT_EQ(0, ask(grantee, become_somebody_else));
	EXPECT_EQ(SEND | RECV, rights_of(grantee, self->id));
	ASSERT_EQ(0, ask(grantee, do_exec));
	EXPECT_EQ(SEND | RECV, rights_of(grantee, self->id));
	EXPECT_EQ(1, state(self->fd, self->id).grants);
}

TEST_F(grant, stays_whoever_the_owner_is)
{
	struct puppet *heir = new_puppet(self->fd, OWNER, OWNER);

	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND | RECV));
	ASSERT_EQ(0, transfer_by(self->owner, self->id, heir->pid, 0));
	EXPECT_EQ(SEND | RECV, rights_of(self->grantee, self->id));
	end(heir->pid);
	EXPECT_EQ(SEND | RECV, rights_of(self->grantee, self->id));
	ASSERT_EQ(0, claim_by(self->root, self->id));
	EXPECT_EQ(SEND | RECV, rights_of(self->grantee, self->id));
	ASSERT_EQ(0, chown_by(self->root, self->id, 1002, 1002));
	EXPECT_EQ(SEND | RECV, rights_of(self->grantee, self->id));
	EXPECT_EQ(0, revoke_by(self->root, self->id, self->grantee->pid, SEND | RECV));
}

TEST_F(grant, ends_with_its_process)
{
	pid_t pid = self->grantee->pid, again;

	ASSERT_EQ(0, grant_by(self->owner, self->id, pid, SEND | RECV | MANAGE));
	end(pid);
	WAIT_UNTIL(state(self->fd, self->id).grants == 0);
	EXPECT_EQ(ESRCH, revoke_by(self->owner, self->id, pid, SEND));
	again = spawn_with_pid(pid);
	if (again < 0)
		SKIP(return, "this kernel gives out no chosen pid");
	if (!again) {
		become(STRANGER, STRANGER);
		_exit(rights_of(myself(self->fd), self->id));
	}
	EXPECT_EQ(0, join(again));
}

/* However late it comes: as long as it can be made, it ends. */
TEST_F(grant, to_a_process_that_is_ending_ends_with_it)
{
	unsigned int i, made = 0;
	int error;

	for (i = 0; i < 40; i++) {
		pid_t mortal = spawn();

		if (!mortal) {
			usleep(3000);
			_exit(0);
		}
		do {
			error = grant_by(self->root, self->id, mortal, RECV);
			made += !error;
			if (!error)
				error = revoke_by(self->root, self->id, mortal, RECV);
		} while (!error);
		ASSERT_EQ(ESRCH, error);
		ASSERT_EQ(0, join(mortal));
		WAIT_UNTIL(state(self->fd, self->id).grants == 0);
	}
	EXPECT_LT(0, made);
}

TEST_F(grant, ends_with_the_mailbox)
{
	uint64_t ids[3];
	int i;

	for (i = 0; i < 3; i++) {
		ids[i] = create_by(self->owner, closed(1, 0));
		ASSERT_EQ(0, grant_by(self->owner, ids[i], self->grantee->pid, RECV));
	}
	ASSERT_EQ(0, delete_by(self->owner, ids[1]));
	EXPECT_EQ(EIDRM, revoke_by(self->owner, ids[1], self->grantee->pid, RECV));
	EXPECT_EQ(RECV, rights_of(self->grantee, ids[0]));
	EXPECT_EQ(RECV, rights_of(self->grantee, ids[2]));
	end(self->grantee->pid);
	WAIT_UNTIL(!state(self->fd, ids[0]).grants && !state(self->fd, ids[2]).grants);
}

TEST_F(grant, is_one_of_as_many_as_the_limit_allows)
{
	struct puppet *third = new_puppet(self->fd, STRANGER, STRANGER);

	ASSERT_EQ(0, set_tunable("max_grants", 2));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, RECV));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->other->pid, RECV));
	EXPECT_EQ(EMLINK, grant_by(self->owner, self->id, third->pid, RECV));
	/* Privilege does not matter, and more rights are no more grants. */
	EXPECT_EQ(EMLINK, grant_by(self->root, self->id, third->pid, SEND));
	EXPECT_EQ(0, grant_by(self->owner, self->id, self->other->pid, SEND));
	EXPECT_EQ(2, state(self->fd, self->id).grants);
	EXPECT_EQ(0, rights_of(third, self->id));

	end(self->grantee->pid);
	EXPECT_EQ(0, grant_by(self->owner, self->id, third->pid, RECV));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->other->pid, RECV));
	EXPECT_EQ(EMLINK, grant_by(self->owner, self->id, getpid(), RECV));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->other->pid, SEND));
	EXPECT_EQ(0, grant_by(self->owner, self->id, getpid(), RECV));
}

static int grant_by_pidfd(struct puppet *puppet, uint64_t id, int pidfd, uint32_t rights)
{
	struct mbox_grant arg = {
		.flags = MBOX_GRANT_PIDFD, .id = id, .pid = pidfd, .rights = rights,
	};

	return call_by(puppet, MBOX_IOC_GRANT, &arg);
}

static int revoke_by_pidfd(struct puppet *puppet, uint64_t id, int pidfd, uint32_t rights)
{
	struct mbox_grant arg = {
		.flags = MBOX_GRANT_PIDFD, .id = id, .pid = pidfd, .rights = rights,
	};

	return call_by(puppet, MBOX_IOC_REVOKE, &arg);
}

TEST_F(grant, is_made_and_taken_away_by_pidfd)
{
	int pidfd = open_pidfd(self->grantee->pid);

	EXPECT_EQ(0, grant_by_pidfd(self->root, self->id, pidfd, RECV));
	EXPECT_EQ(RECV, rights_of(self->grantee, self->id));
	EXPECT_EQ(0, revoke_by_pidfd(self->root, self->id, pidfd, RECV));
	EXPECT_EQ(0, rights_of(self->grantee, self->id));
	EXPECT_EQ(EBADF, grant_by_pidfd(self->root, self->id, self->fd, RECV));
	EXPECT_EQ(EBADF, revoke_by_pidfd(self->root, self->id, self->fd, RECV));
	end(self->grantee->pid);
	EXPECT_EQ(ESRCH, grant_by_pidfd(self->root, self->id, pidfd, RECV));
	EXPECT_EQ(ESRCH, revoke_by_pidfd(self->root, self->id, pidfd, RECV));
	EXPECT_EQ(0, state(self->fd, self->id).grants);
}

TEST_F(grant, is_made_to_nobody_who_is_not_there)
{
	struct puppet *thread = new_thread(self->other);
	pid_t zombie = spawn(), nobody[] = {
		self->grantee->pid, zombie, thread->tid, 0, INT_MAX,
	};
	siginfo_t info;
	size_t i;

	if (!zombie)
		_exit(0);
	ASSERT_EQ(0, waitid(P_PID, zombie, &info, WEXITED | WNOWAIT));
	end(self->grantee->pid);
	for (i = 0; i < ARRAY_SIZE(nobody); i++) {
		EXPECT_EQ(ESRCH, grant_by(self->owner, self->id, nobody[i], RECV)) {
			TH_LOG("nobody number %zu", i);
		}
		EXPECT_EQ(ESRCH, revoke_by(self->owner, self->id, nobody[i], RECV));
	}
	EXPECT_EQ(EINVAL, grant_by(self->owner, self->id, -1, RECV));
	EXPECT_EQ(EINVAL, revoke_by(self->owner, self->id, INT_MIN, RECV));
	EXPECT_EQ(0, state(self->fd, self->id).grants);
	ASSERT_EQ(0, join(zombie));
}

static int list_grants(struct puppet *puppet, uint64_t id, struct mbox_granted *granted,
		       uint32_t *nr)
{
	struct mbox_grants arg = { .id = id, .grants = (uintptr_t)granted, .nr = *nr };
	int error = call_by(puppet, MBOX_IOC_GRANTS, &arg);

	*nr = arg.nr;
	return error;
}

static uint32_t listed(const struct mbox_granted *granted, uint32_t nr, pid_t pid)
{
	uint32_t rights = 0, i;

	for (i = 0; i < nr; i++)
		if (granted[i].pid == pid)
			rights |= granted[i].rights;
	return rights;
}

TEST_F(grant, is_listed)
{
	struct mbox_granted granted[4];
	uint32_t nr = 4, poison;

	memset(&poison, POISON, sizeof(poison));
	EXPECT_EQ(0, list_grants(self->root, self->id, granted, &nr));
	EXPECT_EQ(0, nr);
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->other->pid, RECV | MANAGE));

	memset(granted, POISON, sizeof(granted));
	nr = 4;
	EXPECT_EQ(0, list_grants(self->root, self->id, granted, &nr));
	EXPECT_EQ(2, nr);
	EXPECT_EQ(SEND, listed(granted, 2, self->grantee->pid));
	EXPECT_EQ(RECV | MANAGE, listed(granted, 2, self->other->pid));
	EXPECT_EQ(poison, granted[2].rights);

	/* As many as there is room for, and how many there are. */
	memset(granted, POISON, sizeof(granted));
	nr = 1;
	EXPECT_EQ(0, list_grants(self->root, self->id, granted, &nr));
	EXPECT_EQ(2, nr);
	EXPECT_NE(poison, granted[0].rights);
	EXPECT_EQ(poison, granted[1].rights);
	nr = 0;
	EXPECT_EQ(0, list_grants(self->root, self->id, NULL, &nr));
	EXPECT_EQ(2, nr);
	nr = 0;
	EXPECT_EQ(0, list_grants(self->root, self->id, unmapped(), &nr));

	nr = MBOX_GRANTS_MAX;
	EXPECT_EQ(0, list_grants(self->root, self->id, before_a_hole(2 * sizeof(*granted)), &nr));
	nr = MBOX_GRANTS_MAX + 1;
	EXPECT_EQ(EINVAL, list_grants(self->root, self->id, granted, &nr));
	EXPECT_EQ(MBOX_GRANTS_MAX + 1, nr);
	nr = 2;
	EXPECT_EQ(EFAULT, list_grants(self->root, self->id, unmapped(), &nr));
	EXPECT_EQ(2, nr);
	EXPECT_EQ(EFAULT, list_grants(self->root, self->id, before_a_hole(sizeof(*granted)), &nr));
}

TEST_F(grant, is_shown_to_whoever_may_look)
{
	uint32_t nr = 0;

	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND));
	EXPECT_EQ(0, list_grants(self->grantee, self->id, NULL, &nr));
	EXPECT_EQ(1, nr);
	nr = 0;
	EXPECT_EQ(EACCES, list_grants(self->other, self->id, NULL, &nr));
	EXPECT_EQ(0, nr);
	ASSERT_EQ(0, offer_by(self->owner, self->id, self->other->pid, 0));
	EXPECT_EQ(0, list_grants(self->other, self->id, NULL, &nr));
}

TEST_F(grant, is_shown_as_the_pid_namespace_of_the_viewer_has_it)
{
	pid_t first;

	ASSERT_EQ(0, grant_by(self->owner, self->id, self->grantee->pid, SEND));
	first = spawn_as_first();
	if (!first) {
		struct puppet *me = myself(self->fd);
		struct mbox_granted granted[2];
		uint32_t nr = 2;

		/* A number means who has it here. */
		NEED(grant_by(me, self->id, self->grantee->pid, RECV) == ESRCH);
		NEED(!grant_by(me, self->id, 1, RECV));
		NEED(!list_grants(me, self->id, granted, &nr) && nr == 2);
		NEED(listed(granted, nr, 0) == SEND && listed(granted, nr, 1) == RECV);
		NEED(transfer_by(me, self->id, self->grantee->pid, 0) == ESRCH);
		NEED(state(self->fd, self->id).pid == 0);
		NEED(!transfer_by(me, self->id, 1, 0));
		NEED(state(self->fd, self->id).pid == 1);
		_exit(0);
	}
	EXPECT_EQ(0, join(first));
}

/*
 * Mode, user and group.
 */
FIXTURE(change) {
	int fd;
	struct puppet *owner, *stranger, *root;
	uint64_t id;
};

FIXTURE_SETUP(change)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->stranger = new_puppet(self->fd, STRANGER, STRANGER);
	self->root = myself(self->fd);
	self->id = create_by(self->owner, closed(4, 0));
}

FIXTURE_TEARDOWN(change)
{
	reset_tunables();
	sweep();
}

TEST_F(change, of_the_mode_gives_and_takes_rights_at_once)
{
	struct puppet *same_user = new_puppet(self->fd, OWNER, STRANGER);
	struct puppet *same_group = new_puppet(self->fd, STRANGER, OWNER);
	uint32_t bits;

	for (bits = 0; bits < 8; bits += 2) {
		EXPECT_EQ(0, chmod_by(self->owner, self->id, bits));
		EXPECT_EQ(bits, rights_of(self->stranger, self->id));
		EXPECT_EQ(0, rights_of(same_group, self->id));
		EXPECT_EQ(MANAGE, rights_of(same_user, self->id));
		EXPECT_EQ(0, chmod_by(same_user, self->id, bits << 3));
		EXPECT_EQ(0, rights_of(self->stranger, self->id));
		EXPECT_EQ(bits, rights_of(same_group, self->id));
		EXPECT_EQ(0, chmod_by(self->root, self->id, bits << 6));
		EXPECT_EQ(0, rights_of(same_group, self->id));
		EXPECT_EQ(MANAGE | bits, rights_of(same_user, self->id));
		EXPECT_EQ(RECV | MANAGE | bits, rights_of(self->owner, self->id));
		EXPECT_EQ(bits << 6, state(self->fd, self->id).mode);
	}
}

TEST_F(change, of_the_mode_takes_the_right_to_manage)
{
	EXPECT_EQ(EACCES, chmod_by(self->stranger, self->id, 0666));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0666));
	EXPECT_EQ(EACCES, chmod_by(self->stranger, self->id, 0));
	EXPECT_EQ(0666, state(self->fd, self->id).mode);
}

TEST_F(change, of_the_mode_is_to_bits_of_reading_and_writing)
{
	unsigned int bit;

	umask(0777);
	for (bit = 0; bit < 32; bit++) {
		bool known = 0666 & 1U << bit;

		ASSERT_EQ(0, chmod_by(self->root, self->id, 0));
		EXPECT_EQ(known ? 0 : EINVAL, chmod_by(self->root, self->id, 1U << bit));
		EXPECT_EQ(known ? 1U << bit : 0, state(self->fd, self->id).mode);
	}
}

TEST_F(change, of_user_and_group_takes_privilege)
{
	struct mbox_stat before = state(self->fd, self->id);

	EXPECT_EQ(EACCES, chown_by(self->owner, self->id, OWNER, OWNER));
	EXPECT_EQ(EACCES, chown_by(self->owner, self->id, STRANGER, STRANGER));
	EXPECT_EQ(EACCES, chown_by(self->stranger, self->id, STRANGER, STRANGER));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	EXPECT_EQ(0, chown_by(self->root, self->id, STRANGER, 1002));
	before.uid = STRANGER;
	before.gid = 1002;
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
}

static int change_by(struct puppet *puppet, uint64_t id, uint64_t flags)
{
	struct mbox_change arg = {
		.flags = flags, .id = id, .mode = 0644, .uid = 1002, .gid = 1003,
	};

	return call_by(puppet, MBOX_IOC_CHANGE, &arg);
}

TEST_F(change, is_of_what_its_flags_say)
{
	unsigned int flags;

	EXPECT_EQ(EINVAL, change_by(self->root, self->id, 0));
	for (flags = 1; flags < 8; flags++) {
		uint64_t id = create_by(self->owner, closed(1, 0));
		struct mbox_stat stat;

		EXPECT_EQ(0, change_by(self->root, id, flags));
		stat = state(self->fd, id);
		EXPECT_EQ(flags & MBOX_CHANGE_MODE ? 0644 : 0, stat.mode);
		EXPECT_EQ(flags & MBOX_CHANGE_UID ? 1002 : OWNER, stat.uid);
		EXPECT_EQ(flags & MBOX_CHANGE_GID ? 1003 : OWNER, stat.gid);
	}
}

TEST_F(change, happens_as_a_whole_or_not)
{
	struct mbox_stat before = state(self->fd, self->id);
	struct mbox_change arg = {
		.flags = MBOX_CHANGE_MODE | MBOX_CHANGE_UID,
		.id = self->id,
		.mode = 0666,
		.uid = STRANGER,
	};

	EXPECT_EQ(EACCES, call_by(self->owner, MBOX_IOC_CHANGE, &arg));
	arg.uid = -1;
	EXPECT_EQ(EINVAL, call_by(self->root, MBOX_IOC_CHANGE, &arg));
	arg.uid = STRANGER;
	arg.mode = 0777;
	EXPECT_EQ(EINVAL, call_by(self->root, MBOX_IOC_CHANGE, &arg));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
}

TEST_F(change, of_user_and_group_moves_their_rights)
{
	struct puppet *new_group = new_puppet(self->fd, 1002, 1002);
	struct puppet *old_user = new_puppet(self->fd, OWNER, OWNER);

	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0620));
	EXPECT_EQ(SEND | RECV | MANAGE, rights_of(old_user, self->id));
	ASSERT_EQ(0, chown_by(self->root, self->id, STRANGER, 1002));
	EXPECT_EQ(0, rights_of(old_user, self->id));
	EXPECT_EQ(SEND | RECV | MANAGE, rights_of(self->stranger, self->id));
	EXPECT_EQ(SEND, rights_of(new_group, self->id));
	/* The owner stays the owner. */
	EXPECT_EQ(RECV | MANAGE, rights_of(self->owner, self->id));
	EXPECT_EQ(self->owner->pid, state(self->fd, self->id).pid);
	end(self->owner->pid);
	EXPECT_EQ(EACCES, claim_by(old_user, self->id));
	EXPECT_EQ(0, claim_by(self->stranger, self->id));
}

static int be_root_of_a_network(struct puppet *me)
{
	uint64_t id;

	become(OWNER, OWNER);
	become_root_of_a_user_namespace();
	NEED(!unshare(CLONE_NEWNET));
	id = create(me->fd, closed(1, 0));
	/* Nobody but 0 is known there. */
	NEED(chown_by(me, id, OWNER, 0) == EINVAL);
	NEED(chown_by(me, id, 0, OWNER) == EINVAL);
	NEED(chown_by(me, id, 65534, 0) == EINVAL);
	NEED(chown_by(me, id, 0, 0) == 0);
	return 0;
}

TEST_F(change, of_user_and_group_is_to_those_that_its_user_namespace_knows)
{
	struct mbox_stat before = state(self->fd, self->id);
	pid_t child;

	EXPECT_EQ(EINVAL, chown_by(self->root, self->id, -1, 0));
	EXPECT_EQ(EINVAL, chown_by(self->root, self->id, 0, -1));
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
	child = spawn();
	if (!child)
		_exit(be_root_of_a_network(myself(self->fd)));
	EXPECT_EQ(0, join(child));
}

/* Root of another user namespace than the mailbox's is nobody. */
TEST_F(change, of_user_and_group_takes_privilege_where_the_mailbox_is)
{
	pid_t child = spawn();

	if (!child) {
		become(OWNER, OWNER);
		become_root_of_a_user_namespace();
		_exit(chown_by(myself(self->fd), self->id, 0, 0));
	}
	EXPECT_EQ(EACCES, join(child));
}

/*
 * Those who wait, and lose the right to. Every way to wait meets every way to
 * lose it.
 */

/* Somebody of user STRANGER has @right of mailbox @id, and then has not. */
struct loss {
	void (*gain)(struct puppet *owner, struct puppet *waiter, uint64_t id, uint32_t right);
	void (*lose)(struct puppet *owner, struct puppet *waiter, uint64_t id, uint32_t right);
};

static struct puppet *me_as_root(struct puppet *any)
{
	static struct puppet *me;

	if (!me || me->pid != getpid())
		me = myself(any->fd);
	return me;
}

static void by_grant(struct puppet *owner, struct puppet *waiter, uint64_t id, uint32_t right)
{
	NEED(!grant_by(owner, id, waiter->pid, right | MANAGE));
}

static void by_revocation(struct puppet *owner, struct puppet *waiter, uint64_t id,
			  uint32_t right)
{
	NEED(!revoke_by(owner, id, waiter->pid, right));
}

/* One of the rights in the mode of others. */
static void by_mode(struct puppet *owner, struct puppet *waiter, uint64_t id, uint32_t right)
{
	(void)waiter;
	NEED(!chmod_by(owner, id, right));
}

static void by_another_mode(struct puppet *owner, struct puppet *waiter, uint64_t id,
			    uint32_t right)
{
	(void)waiter;
	NEED(!chmod_by(owner, id, 0666 & ~right));
}

static void by_user(struct puppet *owner, struct puppet *waiter, uint64_t id, uint32_t right)
{
	(void)waiter;
	NEED(!chmod_by(owner, id, right << 6));
	NEED(!chown_by(me_as_root(owner), id, STRANGER, OWNER));
}

static void by_another_user(struct puppet *owner, struct puppet *waiter, uint64_t id,
			    uint32_t right)
{
	(void)waiter;
	(void)right;
	NEED(!chown_by(me_as_root(owner), id, OWNER, OWNER));
}

static void by_group(struct puppet *owner, struct puppet *waiter, uint64_t id, uint32_t right)
{
	(void)waiter;
	NEED(!chmod_by(owner, id, right << 3));
	NEED(!chown_by(me_as_root(owner), id, OWNER, STRANGER));
}

/* Ownership gives the right to receive, the mode that to send. */
static void by_ownership(struct puppet *owner, struct puppet *waiter, uint64_t id,
			 uint32_t right)
{
	if (right == SEND)
		NEED(!chmod_by(owner, id, 0200));
	NEED(!transfer_by(me_as_root(owner), id, waiter->pid, 0));
}

static void by_transfer(struct puppet *owner, struct puppet *waiter, uint64_t id,
			uint32_t right)
{
	(void)waiter;
	(void)right;
	NEED(!transfer_by(me_as_root(owner), id, owner->pid, 0));
}

static void by_acceptance(struct puppet *owner, struct puppet *waiter, uint64_t id,
			  uint32_t right)
{
	(void)right;
	/* Its first thread is busy waiting. */
	NEED(!offer_by(waiter + 1, id, owner->pid, 0));
	NEED(!accept_by(owner, id));
}

static const struct loss losses[] = {
	{ by_grant, by_revocation },
	{ by_mode, by_another_mode },
	{ by_user, by_another_user },
	{ by_group, by_another_user },
	{ by_ownership, by_transfer },
	{ by_ownership, by_acceptance },
};

enum { REVOCATION, MODE, USER, GROUP, TRANSFER, ACCEPTANCE };

FIXTURE(receiver) {
	int fd, bound;
	struct puppet *owner, *waiter, *next;
	uint64_t id, other_id;
};

FIXTURE_VARIANT(receiver) {
	uint64_t kind;			/* of the mailbox */
	struct mbox_recv how;
	bool reads;
	bool in_line;			/* behind somebody who is receiving */
};

FIXTURE_VARIANT_ADD(receiver, of_anything) {
};

FIXTURE_VARIANT_ADD(receiver, with_a_deadline) {
	.how = { .flags = MBOX_RECV_TIMEOUT, .deadline = UINT64_MAX },
};

FIXTURE_VARIANT_ADD(receiver, that_reads) {
	.reads = true,
};

FIXTURE_VARIANT_ADD(receiver, that_looks) {
	.how = { .flags = MBOX_RECV_PEEK },
};

FIXTURE_VARIANT_ADD(receiver, of_the_least) {
	.how = { .flags = MBOX_RECV_LEAST },
};

FIXTURE_VARIANT_ADD(receiver, of_a_tag) {
	.kind = MBOX_CREATE_BY_TAG, .how = { .flags = MBOX_RECV_MATCH, .match = 7 },
};

FIXTURE_VARIANT_ADD(receiver, that_chooses) {
	.how = { .flags = MBOX_RECV_CHOICE, .nr_ids = 2 },
};

FIXTURE_VARIANT_ADD(receiver, that_accepts) {
	.how = { .flags = MBOX_RECV_ACCEPT },
};

FIXTURE_VARIANT_ADD(receiver, that_is_the_single_one) {
	.kind = MBOX_CREATE_SINGLE,
};

FIXTURE_VARIANT_ADD(receiver, that_waits_for_its_turn) {
	.kind = MBOX_CREATE_SINGLE, .in_line = true,
};

FIXTURE_SETUP(receiver)
{
	begin();
	self->fd = device(O_RDWR);
	self->bound = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->waiter = new_puppet(self->fd, STRANGER, STRANGER);
	new_thread(self->waiter);
	self->next = new_puppet(self->fd, 1002, 1002);
	self->id = create_by(self->owner, closed(4, variant->kind));
	self->other_id = create_by(self->waiter, closed(4, 0));
	ASSERT_EQ(0, bind_by_id(self->bound, self->id));
	/* Nothing takes this away. */
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->next->pid, RECV));
}

FIXTURE_TEARDOWN(receiver)
{
	sweep();
}

static void start_waiting(FIXTURE_DATA(receiver) *self, const FIXTURE_VARIANT(receiver) *variant,
			  struct puppet *waiter)
{
	struct mbox_recv how = variant->how;
	uint64_t *ids = (uint64_t *)(waiter->text + 64);

	if (variant->reads) {
		waiter->fd = self->bound;
		begin_act(waiter, do_read);
		return;
	}
	how.buf = (uintptr_t)waiter->text;
	how.size = 64;
	if (how.flags & MBOX_RECV_CHOICE) {
		ids[0] = self->other_id;
		ids[1] = self->id;
		how.ids = (uintptr_t)ids;
	} else {
		how.id = self->id;
	}
	begin_call(waiter, MBOX_IOC_RECV, &how);
}

static void lose_while_waiting(struct __test_metadata *_metadata,
			       FIXTURE_DATA(receiver) *self,
			       const FIXTURE_VARIANT(receiver) *variant,
			       const struct loss *loss)
{
	struct mbox_recv how = { .id = self->id };
	struct mbox_send message = { .id = self->id, .tag = 7 };

	loss->gain(self->owner, self->waiter, self->id, RECV);
	if (variant->in_line) {
		begin_recv(self->next, how);
		wait_for_receivers(self->fd, self->id, 1);
	}
	start_waiting(self, variant, self->waiter);
	wait_for_receivers(self->fd, self->id, 1 + variant->in_line);
	if (!variant->in_line) {
		begin_recv(self->next, how);
		wait_for_receivers(self->fd, self->id, 2);
	}

	loss->lose(self->owner, self->waiter, self->id, RECV);
	EXPECT_EQ(EKEYREVOKED, end_act(self->waiter));
	EXPECT_FALSE(is_done(self->next));
	/* It may just be on the way from its turn to its message. */
	wait_for_receivers(self->fd, self->id, 1);
	EXPECT_EQ(0, state(self->fd, self->other_id).receivers);
	/* From now on it does not even begin. */
	EXPECT_EQ(EACCES, fetch_by(self->waiter, self->id));
	ASSERT_EQ(0, send_as(self->fd, "text", &message));
	EXPECT_EQ(0, end_act(self->next));
	EXPECT_STREQ("text", self->next->text);
	EXPECT_EQ(0, state(self->fd, self->id).receivers);
}

TEST_F(receiver, is_told_when_its_grant_is_revoked)
{
	lose_while_waiting(_metadata, self, variant, &losses[REVOCATION]);
}

TEST_F(receiver, is_told_when_the_mode_changes)
{
	lose_while_waiting(_metadata, self, variant, &losses[MODE]);
}

TEST_F(receiver, is_told_when_the_user_changes)
{
	lose_while_waiting(_metadata, self, variant, &losses[USER]);
}

TEST_F(receiver, is_told_when_the_group_changes)
{
	lose_while_waiting(_metadata, self, variant, &losses[GROUP]);
}

TEST_F(receiver, is_told_when_the_mailbox_is_transferred)
{
	lose_while_waiting(_metadata, self, variant, &losses[TRANSFER]);
}

TEST_F(receiver, is_told_when_an_offer_of_the_mailbox_is_accepted)
{
	lose_while_waiting(_metadata, self, variant, &losses[ACCEPTANCE]);
}

/* The place in the order is kept by those who have the right in another way. */
TEST_F(receiver, stays_where_it_waits_if_it_has_the_right_all_the_same)
{
	struct mbox_recv how = { .id = self->id };
	struct mbox_send message = { .id = self->id, .tag = 7 };

	ASSERT_EQ(0, transfer_by(me_as_root(self->owner), self->id, self->waiter->pid, 0));
	ASSERT_EQ(0, grant_by(self->waiter, self->id, self->waiter->pid, RECV));
	if (variant->in_line) {
		begin_recv(self->next, how);
		wait_for_receivers(self->fd, self->id, 1);
	}
	start_waiting(self, variant, self->waiter);
	wait_for_receivers(self->fd, self->id, 1 + variant->in_line);
	if (!variant->in_line) {
		begin_recv(self->next, how);
		wait_for_receivers(self->fd, self->id, 2);
	}
	/* No more owner, but by grant; then by mode; then by grant again. */
	ASSERT_EQ(0, transfer_by(me_as_root(self->owner), self->id, self->owner->pid, 0));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0004));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->waiter->pid, RECV));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->waiter->pid, RECV | SEND));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->waiter->pid, SEND));
	EXPECT_EQ(2, state(self->fd, self->id).receivers);
	EXPECT_FALSE(is_done(self->waiter));
	if (variant->in_line) {
		ASSERT_EQ(0, send_as(self->fd, "text", &message));
		EXPECT_EQ(0, end_act(self->next));
		EXPECT_FALSE(is_done(self->waiter));
		begin_recv(self->next, how);
		wait_for_receivers(self->fd, self->id, 2);
	}
	ASSERT_EQ(0, send_as(self->fd, "text", &message));
	EXPECT_EQ(0, end_act(self->waiter));
	/* Whoever looked left it to the other one. */
	if (variant->how.flags == MBOX_RECV_PEEK) {
		EXPECT_EQ(0, end_act(self->next));
	} else {
		wait_for_receivers(self->fd, self->id, 1);
	}
}

/*
 * The same for senders.
 */
FIXTURE(sender) {
	int fd, bound;
	struct puppet *owner, *waiter, *next;
	uint64_t id;
	uint32_t room;
};

FIXTURE_VARIANT(sender) {
	uint32_t msgs;
	uint64_t kind;
	uint64_t flags;
	bool full;
	bool writes;
};

FIXTURE_VARIANT_ADD(sender, that_waits_for_room) {
	.msgs = 1, .full = true,
};

FIXTURE_VARIANT_ADD(sender, that_writes) {
	.msgs = 1, .full = true, .writes = true,
};

FIXTURE_VARIANT_ADD(sender, that_waits_for_a_reserved_buffer) {
	.msgs = 1, .kind = MBOX_CREATE_RESERVE, .full = true,
};

FIXTURE_VARIANT_ADD(sender, that_waits_for_a_receiver) {
	.msgs = 2, .flags = MBOX_SEND_SYNC,
};

FIXTURE_VARIANT_ADD(sender, that_waits_for_a_receiver_with_a_reserved_buffer) {
	.msgs = 2, .kind = MBOX_CREATE_RESERVE, .flags = MBOX_SEND_SYNC,
};

FIXTURE_VARIANT_ADD(sender, that_waits_for_room_and_then_a_receiver) {
	.msgs = 1, .flags = MBOX_SEND_SYNC, .full = true,
};

FIXTURE_VARIANT_ADD(sender, at_a_rendezvous) {
	.msgs = 0,
};

FIXTURE_SETUP(sender)
{
	struct mbox_create attr = closed(variant->msgs, variant->kind);

	begin();
	if (variant->kind)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = device(O_RDWR);
	self->bound = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->waiter = new_puppet(self->fd, STRANGER, STRANGER);
	self->next = new_puppet(self->fd, 1002, 1002);
	self->id = create_by(self->owner, attr);
	ASSERT_EQ(0, bind_by_id(self->bound, self->id));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->next->pid, SEND));
	if (variant->full)
		ASSERT_EQ(0, post(self->fd, self->id, "first", 0));
}

FIXTURE_TEARDOWN(sender)
{
	sweep();
}

static void start_sending_by(FIXTURE_DATA(sender) *self, const FIXTURE_VARIANT(sender) *variant,
			     struct puppet *puppet, const char *text)
{
	struct mbox_send how = { .id = self->id, .flags = variant->flags };

	if (variant->writes) {
		strcpy(puppet->text, text);
		puppet->fd = self->bound;
		begin_act(puppet, do_write);
	} else {
		begin_send(puppet, how, text);
	}
}

static void expect_message(struct __test_metadata *_metadata, int fd, uint64_t id,
			   const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, id, &letter));
	EXPECT_STREQ(text, letter.text);
}

static void lose_while_sending(struct __test_metadata *_metadata, FIXTURE_DATA(sender) *self,
			       const FIXTURE_VARIANT(sender) *variant, const struct loss *loss)
{
	struct mbox_stat stat;

	loss->gain(self->owner, self->waiter, self->id, SEND);
	start_sending_by(self, variant, self->waiter, "never");
	wait_for_senders(self->fd, self->id, 1);
	start_sending_by(self, variant, self->next, "next");
	wait_for_senders(self->fd, self->id, 2);

	loss->lose(self->owner, self->waiter, self->id, SEND);
	EXPECT_EQ(EKEYREVOKED, end_act(self->waiter));
	EXPECT_FALSE(is_done(self->next));
	/* Where the descriptor is root's, it may just be asking again. */
	wait_for_senders(self->fd, self->id, 1);
	stat = state(self->fd, self->id);
	EXPECT_EQ(variant->full, stat.sent);
	EXPECT_EQ(variant->full || variant->flags, stat.msgs);
	EXPECT_EQ(EACCES, post_by(self->waiter, self->id, "x"));
	if (variant->full)
		expect_message(_metadata, self->fd, self->id, "first");
	if (variant->flags == MBOX_SEND_SYNC)
		WAIT_UNTIL(state(self->fd, self->id).msgs == 1);
	else if (variant->full)
		EXPECT_EQ(0, end_act(self->next));
	expect_message(_metadata, self->fd, self->id, "next");
	if (!is_done(self->next))
		EXPECT_EQ(0, end_act(self->next));
	EXPECT_EQ(EAGAIN, fetch(self->fd, self->id, &(struct letter){ }));
}

TEST_F(sender, is_told_when_its_grant_is_revoked)
{
	lose_while_sending(_metadata, self, variant, &losses[REVOCATION]);
}

TEST_F(sender, is_told_when_the_mode_changes)
{
	lose_while_sending(_metadata, self, variant, &losses[MODE]);
}

TEST_F(sender, is_told_when_the_user_changes)
{
	lose_while_sending(_metadata, self, variant, &losses[USER]);
}

TEST_F(sender, is_told_when_the_group_changes)
{
	lose_while_sending(_metadata, self, variant, &losses[GROUP]);
}

TEST_F(sender, is_told_when_the_mailbox_is_transferred)
{
	lose_while_sending(_metadata, self, variant, &losses[TRANSFER]);
}

TEST_F(sender, stays_where_it_waits_if_it_has_the_right_all_the_same)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->waiter->pid, SEND));
	start_sending_by(self, variant, self->waiter, "waited");
	wait_for_senders(self->fd, self->id, 1);
	start_sending_by(self, variant, self->next, "next");
	wait_for_senders(self->fd, self->id, 2);
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0002));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->waiter->pid, SEND));
	ASSERT_EQ(0, transfer_by(me_as_root(self->owner), self->id, self->next->pid, 0));
	EXPECT_EQ(2, state(self->fd, self->id).senders);
	if (variant->full)
		expect_message(_metadata, self->fd, self->id, "first");
	if (variant->msgs)
		WAIT_UNTIL(state(self->fd, self->id).msgs);
	expect_message(_metadata, self->fd, self->id, "waited");
	EXPECT_EQ(0, end_act(self->waiter));
	if (variant->msgs)
		WAIT_UNTIL(state(self->fd, self->id).msgs);
	expect_message(_metadata, self->fd, self->id, "next");
	EXPECT_EQ(0, end_act(self->next));
}

/*
 * Around that.
 */
FIXTURE(loss) {
	int fd;
	struct puppet *owner, *one, *two, *root;
	uint64_t id;
};

FIXTURE_SETUP(loss)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->one = new_puppet(self->fd, STRANGER, STRANGER);
	self->two = new_puppet(self->fd, STRANGER, STRANGER);
	self->root = myself(self->fd);
	self->id = create_by(self->owner, closed(4, 0));
}

FIXTURE_TEARDOWN(loss)
{
	sweep();
}

/* Bytes: 6 of 10 are taken; 8 wait, and 4 behind them. */
TEST_F(loss, of_the_first_sender_in_line_lets_those_behind_it_in)
{
	struct mbox_create attr = closed(10, 0);
	uint64_t id;

	attr.max_bytes = attr.max_size = 10;
	id = create_by(self->owner, attr);
	ASSERT_EQ(0, grant_by(self->owner, id, self->one->pid, SEND));
	ASSERT_EQ(0, grant_by(self->owner, id, self->two->pid, SEND));
	ASSERT_EQ(0, post(self->fd, id, "123456", 0));
	begin_send(self->one, (struct mbox_send){ .id = id }, "12345678");
	wait_for_senders(self->fd, id, 1);
	begin_send(self->two, (struct mbox_send){ .id = id }, "1234");
	wait_for_senders(self->fd, id, 2);
	ASSERT_EQ(0, revoke_by(self->owner, id, self->one->pid, SEND));
	EXPECT_EQ(EKEYREVOKED, end_act(self->one));
	EXPECT_EQ(0, end_act(self->two));
	EXPECT_EQ(2, state(self->fd, id).msgs);
	EXPECT_EQ(10, state(self->fd, id).bytes);
}

/* The message of a synchronous sender takes up room until it is taken back. */
TEST_F(loss, of_a_sender_gives_back_the_room_of_its_message)
{
	uint64_t id = create_by(self->owner, closed(1, 0));
	int bound = descriptor(id, O_RDWR);

	ASSERT_EQ(0, grant_by(self->owner, id, self->one->pid, SEND));
	ASSERT_EQ(0, grant_by(self->owner, id, self->two->pid, SEND));
	begin_send(self->one, (struct mbox_send){ .id = id, .flags = MBOX_SEND_SYNC }, "one");
	wait_for_senders(self->fd, id, 1);
	begin_send(self->two, (struct mbox_send){ .id = id }, "two");
	wait_for_senders(self->fd, id, 2);
	EXPECT_EQ(POLLIN, polled(bound, POLLIN | POLLOUT));
	ASSERT_EQ(0, revoke_by(self->owner, id, self->one->pid, SEND));
	EXPECT_EQ(EKEYREVOKED, end_act(self->one));
	EXPECT_EQ(0, end_act(self->two));
	expect_message(_metadata, self->fd, id, "two");
	EXPECT_EQ(POLLOUT, polled(bound, POLLIN | POLLOUT));
}

TEST_F(loss, of_a_sender_is_told_to_those_who_poll_for_its_room)
{
	uint64_t id = create_by(self->owner, closed(1, 0));
	int fd = descriptor(id, O_RDWR);
	pid_t poller;

	ASSERT_EQ(0, grant_by(self->owner, id, self->one->pid, SEND));
	begin_send(self->one, (struct mbox_send){ .id = id, .flags = MBOX_SEND_SYNC }, "one");
	wait_for_senders(self->fd, id, 1);
	poller = spawn();
	if (!poller)
		exit_when_polled(fd, POLLOUT);
	WAIT_UNTIL(sleeps(poller));
	ASSERT_EQ(0, revoke_by(self->owner, id, self->one->pid, SEND));
	EXPECT_EQ(EKEYREVOKED, end_act(self->one));
	EXPECT_EQ(0, join(poller));
}

TEST_F(loss, does_not_touch_pollers)
{
	int fd = descriptor(self->id, O_RDWR);
	pid_t poller = spawn();

	if (!poller) {
		become(STRANGER, STRANGER);
		exit_when_polled(fd, POLLIN);
	}
	WAIT_UNTIL(sleeps(poller));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0666));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0));
	ASSERT_EQ(0, transfer_by(self->root, self->id, self->one->pid, 0));
	usleep(10000);
	EXPECT_TRUE(sleeps(poller));
	ASSERT_EQ(0, post(self->fd, self->id, "x", 0));
	EXPECT_EQ(0, join(poller));
}

/* A transfer takes the right from the owner's threads and from nobody else. */
TEST_F(loss, is_of_those_who_lose_the_right_and_of_nobody_else)
{
	struct puppet *group_one = new_puppet(self->fd, STRANGER, OWNER);
	struct puppet *group_two = new_puppet(self->fd, STRANGER, OWNER);
	struct puppet *thread = new_thread(self->owner), *heir;
	struct mbox_recv how = { .id = self->id };

	heir = new_puppet(self->fd, OWNER, OWNER);
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0040));
	begin_recv(group_one, how);
	wait_for_receivers(self->fd, self->id, 1);
	begin_recv(thread, how);
	wait_for_receivers(self->fd, self->id, 2);
	begin_recv(group_two, how);
	wait_for_receivers(self->fd, self->id, 3);
	ASSERT_EQ(0, transfer_by(self->owner, self->id, heir->pid, 0));
	EXPECT_EQ(EKEYREVOKED, end_act(thread));
	EXPECT_EQ(2, state(self->fd, self->id).receivers);
	ASSERT_EQ(0, post(self->fd, self->id, "1", 0));
	EXPECT_EQ(0, end_act(group_one));
	EXPECT_FALSE(is_done(group_two));
	ASSERT_EQ(0, post(self->fd, self->id, "2", 0));
	EXPECT_EQ(0, end_act(group_two));
	EXPECT_STREQ("2", group_two->text);
}

/* What changes is nothing to them, but the second waits since before that. */
TEST_F(loss, of_nobody_leaves_the_line_for_a_turn_as_it_is)
{
	uint64_t id = create_by(self->owner, closed(4, MBOX_CREATE_SINGLE));
	struct puppet *three = new_puppet(self->fd, STRANGER, STRANGER);
	struct puppet *line[] = { self->one, self->two, three };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, grant_by(self->owner, id, line[i]->pid, RECV));
		ASSERT_EQ(0, chmod_by(self->owner, id, 0600));
		begin_recv(line[i], (struct mbox_recv){ .id = id });
		wait_for_receivers(self->fd, id, i + 1);
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, post(self->fd, id, "x", 0));
		EXPECT_EQ(0, end_act(line[i]));
	}
}

/* They stand behind somebody else, but it is their process's turn. */
TEST_F(loss, of_one_in_the_line_lets_the_calls_of_the_process_inside_go_on)
{
	struct mbox_recv picky = { .flags = MBOX_RECV_MATCH, .match = 7 }, any = { };
	struct puppet *thread = new_thread(self->one);

	picky.id = any.id = create_by(self->owner, closed(4, MBOX_CREATE_SINGLE |
							     MBOX_CREATE_BY_TAG));
	ASSERT_EQ(0, grant_by(self->owner, any.id, self->one->pid, RECV));
	ASSERT_EQ(0, grant_by(self->owner, any.id, self->two->pid, RECV));
	begin_recv(self->one, picky);
	wait_for_receivers(self->fd, any.id, 1);
	begin_recv(self->two, any);
	wait_for_receivers(self->fd, any.id, 2);
	begin_recv(thread, any);
	wait_for_receivers(self->fd, any.id, 3);
	ASSERT_EQ(0, revoke_by(self->owner, any.id, self->two->pid, RECV));
	EXPECT_EQ(EKEYREVOKED, end_act(self->two));
	ASSERT_EQ(0, post(self->fd, any.id, "x", 0));
	EXPECT_EQ(0, end_act(thread));
	EXPECT_FALSE(is_done(self->one));
}

/* Not even while it is given and taken in turns. */
TEST_F(loss, of_one_is_not_that_of_the_other)
{
	unsigned int i;

	ASSERT_EQ(0, grant_by(self->owner, self->id, self->one->pid, RECV));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->two->pid, RECV));
	begin_recv(self->one, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	for (i = 0; i < 30; i++) {
		begin_recv(self->two, (struct mbox_recv){ .id = self->id });
		if (i % 2)
			wait_for_receivers(self->fd, self->id, 2);
		ASSERT_EQ(0, revoke_by(self->owner, self->id, self->two->pid, RECV));
		end_act(self->two);
		/* If it had not begun it is told that it may not. */
		ASSERT_TRUE(self->two->error == EKEYREVOKED ||
			    (self->two->error == EACCES && i % 2 == 0));
		ASSERT_EQ(0, grant_by(self->owner, self->id, self->two->pid, RECV));
		ASSERT_FALSE(is_done(self->one));
	}
	ASSERT_EQ(0, post(self->fd, self->id, "x", 0));
	EXPECT_EQ(0, end_act(self->one));
}

TEST_F(loss, does_not_touch_those_whose_right_is_privilege)
{
	struct puppet *privileged = new_puppet(self->fd, 0, 0);

	begin_recv(privileged, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0));
	ASSERT_EQ(0, transfer_by(self->root, self->id, self->one->pid, 0));
	ASSERT_EQ(0, chmod_by(self->one, self->id, 0));
	EXPECT_FALSE(is_done(privileged));
	ASSERT_EQ(0, post(self->fd, self->id, "x", 0));
	EXPECT_EQ(0, end_act(privileged));
}

/* It had another right when it began, but it has one. */
TEST_F(loss, does_not_touch_those_who_have_privilege_instead)
{
	struct puppet *privileged = new_puppet(self->fd, 0, 0);

	ASSERT_EQ(0, grant_by(self->owner, self->id, privileged->pid, RECV));
	begin_recv(privileged, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, revoke_by(self->owner, self->id, privileged->pid, RECV));
	wait_for_receivers(self->fd, self->id, 1);
	EXPECT_FALSE(is_done(privileged));
	ASSERT_EQ(0, post(self->fd, self->id, "x", 0));
	EXPECT_EQ(0, end_act(privileged));
	EXPECT_STREQ("x", privileged->text);
}

/* Somebody stands in the middle of a copy. */
FIXTURE(middle) {
	int fd;
	struct puppet *owner, *receiver, *sender, *next;
	uint64_t id;
};

FIXTURE_VARIANT(middle) {
	uint64_t kind;
};

FIXTURE_VARIANT_ADD(middle, of_a_message) {
};

FIXTURE_VARIANT_ADD(middle, of_a_reserved_message) {
	.kind = MBOX_CREATE_RESERVE,
};

FIXTURE_SETUP(middle)
{
	struct mbox_create attr = closed(1, variant->kind);

	begin();
	if (variant->kind)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->receiver = new_puppet(self->fd, 0, 0);
	self->sender = new_puppet(self->fd, 0, 0);
	self->next = new_puppet(self->fd, STRANGER, STRANGER);
	ASSERT_EQ(0, ask(self->receiver, drop_all_but_stalling));
	ASSERT_EQ(0, ask(self->sender, drop_all_but_stalling));
	self->id = create_by(self->owner, attr);
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->receiver->pid, RECV));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->sender->pid, SEND));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->next->pid, SEND | RECV));
}

FIXTURE_TEARDOWN(middle)
{
	sweep();
}

static void stall_with_a_message(FIXTURE_DATA(middle) *self)
{
	struct mbox_send how = { .id = self->id, .flags = MBOX_SEND_SYNC };

	begin_stalled_recv(self->receiver, (struct mbox_recv){ .id = self->id }, SIZE);
	wait_for_receivers(self->fd, self->id, 1);
	begin_send(self->sender, how, "text");
	wait_for_stalled(self->receiver);
}

TEST_F(middle, what_a_receiver_has_is_delivered_though_both_lose_their_rights)
{
	stall_with_a_message(self);
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->receiver->pid, RECV));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->sender->pid, SEND));
	EXPECT_EQ(0, end_act(self->sender));
	EXPECT_EQ(self->receiver->pid, self->sender->send.receiver);
	EXPECT_EQ(0, end_stalled(self->receiver, GO_ON));
	EXPECT_EQ(4, self->receiver->recv.len);
	EXPECT_EQ(1, state(self->fd, self->id).received);
	EXPECT_EQ(0, state(self->fd, self->id).msgs);
}

TEST_F(middle, what_comes_back_is_for_those_who_have_the_right_then)
{
	stall_with_a_message(self);
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->receiver->pid, RECV));
	begin_recv(self->next, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_EQ(0, end_act(self->next));
	EXPECT_STREQ("text", self->next->text);
	EXPECT_EQ(0, end_act(self->sender));
}

TEST_F(middle, what_a_sender_has_not_sent_yet_is_not_sent_when_it_loses_its_right)
{
	struct mbox_send how = { .id = self->id };

	begin_stalled_send(self->sender, how, 4);
	wait_for_stalled(self->sender);
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->sender->pid, SEND));
	EXPECT_EQ(EKEYREVOKED, end_stalled(self->sender, GO_ON));
	EXPECT_EQ(0, state(self->fd, self->id).sent);
	EXPECT_EQ(EAGAIN, fetch_by(self->next, self->id));
	/* Nor does it keep any room. */
	EXPECT_EQ(0, post_by(self->next, self->id, "next"));
	expect_message(_metadata, self->fd, self->id, "next");
}

TEST_F(middle, what_a_sender_has_not_sent_yet_is_sent_if_it_still_has_the_right)
{
	struct mbox_send how = { .id = self->id };

	begin_stalled_send(self->sender, how, 4);
	wait_for_stalled(self->sender);
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0002));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->sender->pid, SEND));
	EXPECT_EQ(0, end_stalled(self->sender, GO_ON));
	EXPECT_EQ(1, state(self->fd, self->id).msgs);
}

/*
 * read and write: also whoever opened the descriptor must have the right, as
 * long as they wait.
 */
FIXTURE(opener) {
	int fd, opened;
	struct puppet *owner, *opener, *caller;
	uint64_t id;
};

FIXTURE_VARIANT(opener) {
	uint32_t right;
	act_fn *act;
	bool again;	/* the descriptor knows the caller, and that both had the rights */
};

FIXTURE_VARIANT_ADD(opener, for_one_who_reads) {
	.right = RECV, .act = do_read,
};

FIXTURE_VARIANT_ADD(opener, for_one_who_writes) {
	.right = SEND, .act = do_write,
};

FIXTURE_VARIANT_ADD(opener, for_one_who_reads_again) {
	.right = RECV, .act = do_read, .again = true,
};

FIXTURE_VARIANT_ADD(opener, for_one_who_writes_again) {
	.right = SEND, .act = do_write, .again = true,
};

/* Its answer is the descriptor. */
static int open_device(struct puppet *me)
{
	(void)me;
	return device(O_RDWR);
}

/* A descriptor that the puppet opens; ours is the same. */
static int opened_by(struct puppet *puppet)
{
	int pidfd = open_pidfd(puppet->pid), theirs = ask(puppet, open_device);
	int ours = syscall(SYS_pidfd_getfd, pidfd, theirs, 0);

	NEED(ours >= 0);
	close(pidfd);
	return ours;
}

static void write_and_read(FIXTURE_DATA(opener) *self)
{
	NEED(!grant_by(self->owner, self->id, self->opener->pid, SEND | RECV));
	strcpy(self->caller->text, "before");
	NEED(!ask(self->caller, do_write));
	NEED(!ask(self->caller, do_read));
	NEED(!revoke_by(self->owner, self->id, self->opener->pid, SEND | RECV));
}

FIXTURE_SETUP(opener)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->opener = new_puppet(self->fd, STRANGER, STRANGER);
	self->opened = opened_by(self->opener);
	self->caller = new_puppet(self->opened, 1002, 1002);
	self->id = create_by(self->owner, closed(1, 0));
	ASSERT_EQ(0, bind_by_id(self->opened, self->id));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->caller->pid, SEND | RECV));
	if (variant->again)
		write_and_read(self);
	/* There is something to wait for. */
	if (variant->right == SEND)
		ASSERT_EQ(0, post(self->fd, self->id, "first", 0));
}

FIXTURE_TEARDOWN(opener)
{
	sweep();
}

static void begin_stream(FIXTURE_DATA(opener) *self, const FIXTURE_VARIANT(opener) *variant)
{
	strcpy(self->caller->text, "text");
	begin_act(self->caller, variant->act);
	if (variant->right == RECV)
		wait_for_receivers(self->fd, self->id, 1);
	else
		wait_for_senders(self->fd, self->id, 1);
}

/* What the caller waits for comes. */
static void expect_stream(struct __test_metadata *_metadata, FIXTURE_DATA(opener) *self,
			  const FIXTURE_VARIANT(opener) *variant)
{
	EXPECT_FALSE(is_done(self->caller));
	if (variant->right == SEND)
		expect_message(_metadata, self->fd, self->id, "first");
	else
		NEED(!post(self->fd, self->id, "text", 0));
	EXPECT_EQ(0, end_act(self->caller));
}

TEST_F(opener, that_has_no_right_is_EACCES)
{
	EXPECT_EQ(EACCES, ask(self->caller, variant->act));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->opener->pid,
			      (SEND | RECV) & ~variant->right));
	EXPECT_EQ(EACCES, ask(self->caller, variant->act));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->opener->pid, variant->right));
	begin_stream(self, variant);
	expect_stream(_metadata, self, variant);
}

TEST_F(opener, whose_grant_is_revoked_is_told_to_who_waits)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->opener->pid, variant->right));
	begin_stream(self, variant);
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->opener->pid, variant->right));
	EXPECT_EQ(EKEYREVOKED, end_act(self->caller));
	EXPECT_EQ(EACCES, ask(self->caller, variant->act));
}

TEST_F(opener, whose_user_loses_the_right_by_mode_is_told_to_who_waits)
{
	/* The caller has it by grant; that mode is for its opener. */
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0006));
	begin_stream(self, variant);
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0006 & ~variant->right));
	EXPECT_EQ(EKEYREVOKED, end_act(self->caller));
}

TEST_F(opener, whose_end_takes_its_grant_is_told_to_who_waits)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->opener->pid, variant->right));
	begin_stream(self, variant);
	end(self->opener->pid);
	EXPECT_EQ(EKEYREVOKED, end_act(self->caller));
	EXPECT_EQ(EACCES, ask(self->caller, variant->act));
}

TEST_F(opener, that_has_ended_has_what_the_mode_gives_its_user)
{
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0006));
	begin_stream(self, variant);
	end(self->opener->pid);
	expect_stream(_metadata, self, variant);
}

TEST_F(opener, that_still_has_the_right_in_another_way_does_not_matter)
{
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0006));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->opener->pid, variant->right));
	begin_stream(self, variant);
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0006));
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->opener->pid, variant->right));
	expect_stream(_metadata, self, variant);
}

/* Whoever calls by ioctl knows what it does. */
TEST_F(opener, does_not_matter_to_ioctl)
{
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->opener->pid, variant->right));
	if (variant->right == RECV) {
		begin_recv(self->caller, (struct mbox_recv){ });
		wait_for_receivers(self->fd, self->id, 1);
	} else {
		begin_send(self->caller, (struct mbox_send){ }, "text");
		wait_for_senders(self->fd, self->id, 1);
	}
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->opener->pid, variant->right));
	expect_stream(_metadata, self, variant);
}

/*
 * Signals: a call that was interrupted is made again as a whole, and asks again.
 */
static int restart_calls(struct puppet *me)
{
	(void)me;
	take_signals(SA_RESTART);
	return 0;
}

TEST_F(loss, is_not_forgotten_when_the_call_is_restarted)
{
	ASSERT_EQ(0, ask(self->one, restart_calls));
	ASSERT_EQ(0, grant_by(self->owner, self->id, self->one->pid, RECV | SEND));
	begin_recv(self->one, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, kill(self->one->pid, SIGUSR1));
	usleep(10000);
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, revoke_by(self->owner, self->id, self->one->pid, RECV));
	EXPECT_EQ(EKEYREVOKED, end_act(self->one));

	/* Sent once, however often it was interrupted before. */
	while (!post(self->fd, self->id, "x", 0))
		;
	begin_send(self->one, (struct mbox_send){ .id = self->id }, "once");
	wait_for_senders(self->fd, self->id, 1);
	ASSERT_EQ(0, kill(self->one->pid, SIGUSR1));
	usleep(10000);
	wait_for_senders(self->fd, self->id, 1);
	expect_message(_metadata, self->fd, self->id, "x");
	EXPECT_EQ(0, end_act(self->one));
	EXPECT_EQ(5, state(self->fd, self->id).sent);
}

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	return test_harness_run(argc, argv);
}
