// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Direct communication: who may send to whom, who pays for it, and namespaces.
 */
#include "kselftest_harness.h"
#include "direct.h"

#define SIZE	16

/* Most tests: three processes of one user, a stranger, and root. */
FIXTURE(world) {
	int fd;
	struct puppet *p, *q, *r, *stranger, *root;
};

FIXTURE_SETUP(world)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, OWNER);
	self->q = new_actor(self->fd, OWNER);
	self->r = new_actor(self->fd, OWNER);
	self->stranger = new_actor(self->fd, STRANGER);
	self->root = new_actor(self->fd, 0);
}

FIXTURE_TEARDOWN(world)
{
	end_cast(self->fd);
}

/*
 * Who may send.
 */

static int do_kill(struct puppet *me)
{
	pid_t pid;

	memcpy(&pid, me->arg, sizeof(pid));
	return error_of(kill(pid, 0));
}

static int do_setresuid(struct puppet *me)
{
	uid_t uids[3];

	memcpy(uids, me->arg, sizeof(uids));
	NEED(!setresuid(uids[0], uids[1], uids[2]));
	NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	return 0;
}

static void setresuid_by(struct puppet *who, uid_t real, uid_t effective, uid_t saved)
{
	uid_t uids[3] = { real, effective, saved };

	memcpy(who->arg, uids, sizeof(uids));
	NEED(!ask(who, do_setresuid));
}

static struct puppet *new_actor_of(int fd, uid_t real, uid_t effective, uid_t saved)
{
	struct puppet *puppet = new_actor(fd, 0);

	setresuid_by(puppet, real, effective, saved);
	return puppet;
}

static int become_stranger_who_may_signal(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, 1ULL << CAP_KILL);
	return 0;
}

static int become_stranger_with_all_rights(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, 1ULL << CAP_IPC_OWNER);
	return 0;
}

/* kill(2) says so, and so do all ways to send. */
static void expect_as_kill(struct __test_metadata *_metadata, struct puppet *who,
			   const struct puppet *whom, int expected)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX, .id = whom->pid };
	int error;

	memcpy(who->arg, &whom->pid, sizeof(whom->pid));
	error = ask(who, do_kill);
	EXPECT_EQ(expected ? EPERM : 0, error);
	EXPECT_EQ(expected, say(who, whom, "text"));
	NEED(!ask(who, do_get_device));
	EXPECT_EQ(expected, call_by(who, MBOX_IOC_OPEN, &open));
}

TEST_F(world, lets_those_send_who_may_signal)
{
	int fd = self->fd;
	/* Like a set-user-ID program that the user OWNER started. */
	struct puppet *set_uid = new_actor_of(fd, OWNER, 0, 0);
	/* Like a server that acts for that user. */
	struct puppet *server = new_actor_of(fd, 0, OWNER, 0);
	struct puppet *demoted = new_actor_of(fd, STRANGER, SENDER, OWNER);
	struct puppet *really = new_actor_of(fd, OWNER, STRANGER, STRANGER);
	struct puppet *saved = new_actor_of(fd, STRANGER, STRANGER, OWNER);
	struct puppet *by_kill = new_actor_after(fd, become_stranger_who_may_signal);

	expect_as_kill(_metadata, self->p, self->q, 0);
	expect_as_kill(_metadata, self->stranger, self->q, EACCES);
	expect_as_kill(_metadata, self->root, self->q, 0);
	expect_as_kill(_metadata, self->p, self->root, EACCES);
	expect_as_kill(_metadata, self->p, self->stranger, EACCES);
	expect_as_kill(_metadata, self->p, set_uid, 0);
	expect_as_kill(_metadata, self->stranger, set_uid, EACCES);
	expect_as_kill(_metadata, self->p, server, EACCES);
	expect_as_kill(_metadata, self->p, demoted, 0);
	expect_as_kill(_metadata, self->stranger, demoted, 0);
	expect_as_kill(_metadata, really, self->q, 0);
	expect_as_kill(_metadata, really, self->stranger, 0);
	expect_as_kill(_metadata, saved, self->q, EACCES);
	expect_as_kill(_metadata, by_kill, self->q, 0);
	expect_as_kill(_metadata, by_kill, self->root, 0);
}

TEST_F(world, lets_those_send_who_have_every_right)
{
	struct puppet *mighty = new_actor_after(self->fd, become_stranger_with_all_rights);

	hear(self->q);
	EXPECT_EQ(0, say(mighty, self->q, "text"));
	expect_to_hear_from(_metadata, self->q, mighty, "text");
}

/* The refused one has made nothing. */
TEST_F(world, makes_nothing_for_who_may_not_send)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX, .id = self->q->pid };

	NEED(!ask(self->stranger, do_get_device));
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	EXPECT_EQ(EACCES, send_by(self->stranger, to_and_wait(self->q), "text"));
	EXPECT_EQ(EACCES, call_raw(self->stranger, MBOX_CALL_PID, self->q->pid));
	EXPECT_EQ(EACCES, call_by(self->stranger, MBOX_IOC_OPEN, &open));
	EXPECT_EQ(EACCES, send_raw(self->stranger, MBOX_SEND_PIDFD,
				   pidfd_by(self->stranger, self->q->pid)));
	EXPECT_EQ(0, mailboxes(self->fd));
	EXPECT_TRUE(pays_nothing(self->fd, STRANGER));
	EXPECT_TRUE(pays_nothing(self->fd, OWNER));
	EXPECT_EQ(EACCES, send_raw(self->stranger, MBOX_SEND_PARTICIPANT,
				   participant_of(self->q)));
}

TEST_F(world, lets_nobody_send_to_itself)
{
	struct puppet *thread = new_thread(self->q), *everybody[] = { self->q, self->root };
	size_t i;

	EXPECT_EQ(EACCES, say(thread, self->q, "text"));
	for (i = 0; i < 2; i++) {
		struct puppet *who = everybody[i];
		int pidfd = pidfd_by(who, who->pid);
		uint64_t id;

		EXPECT_EQ(EACCES, say(who, who, "text"));
		EXPECT_EQ(EACCES, send_by(who, to_and_wait(who), "text"));
		EXPECT_EQ(EACCES, call_raw(who, MBOX_CALL_PID, who->pid));
		EXPECT_EQ(EACCES, send_raw(who, MBOX_SEND_PIDFD, pidfd));
		EXPECT_EQ(EACCES, send_raw(who, MBOX_SEND_PARTICIPANT, participant_of(who)));
		hear(who);
		id = inbox_of(self->fd, who->pid);
		ASSERT_EQ(0, chmod_by(who, id, 0222));
		EXPECT_EQ(EACCES, say(who, who, "text"));
		EXPECT_EQ(EACCES, post_by(who, id, "text"));
		EXPECT_EQ(0, links(self->fd, who));
		EXPECT_EQ(0, inbox(self->fd, who).msgs);
	}
}

TEST_F(world, opens_an_inbox_wider_by_mode)
{
	uint64_t id;

	hear(self->q);
	hear(self->stranger);
	id = inbox_of(self->fd, self->q->pid);
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	EXPECT_EQ(EACCES, open_by(self->stranger, id));
	EXPECT_EQ(EACCES, chmod_by(self->stranger, id, 0222));
	EXPECT_EQ(EINVAL, chmod_by(self->q, id, 0444));
	EXPECT_EQ(EINVAL, chmod_by(self->q, id, 0600));
	ASSERT_EQ(0, chmod_by(self->q, id, 0200));
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	ASSERT_EQ(0, chmod_by(self->q, id, 0002));
	EXPECT_EQ(0, say(self->stranger, self->q, "text"));
	EXPECT_EQ(0, open_by(self->stranger, id));
	expect_to_hear_from(_metadata, self->q, self->stranger, "text");
	/* Whoever may signal needs no mode. */
	EXPECT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, chmod_by(self->q, id, 0));
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	EXPECT_EQ(0, say(self->p, self->q, "text"));
	/* It is for one direction. */
	EXPECT_EQ(EACCES, say(self->q, self->stranger, "text"));
	EXPECT_EQ(1, links(self->fd, self->stranger));
}

static int join_the_owners(struct puppet *me)
{
	(void)me;
	NEED(!setresgid(OWNER, OWNER, OWNER) && !setgroups(0, NULL));
	NEED(!setresuid(STRANGER, STRANGER, STRANGER));
	NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	return 0;
}

TEST_F(world, opens_an_inbox_to_a_group)
{
	struct puppet *member = new_actor_after(self->fd, join_the_owners);
	struct mbox_create attr = inbox_for(4, SIZE);

	attr.mode = 0020;
	create_by(self->q, attr);
	EXPECT_EQ(0, say(member, self->q, "text"));
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
}

TEST_F(world, opens_an_inbox_by_a_grant)
{
	struct puppet *second = new_actor(self->fd, STRANGER);
	uint64_t id = create_by(self->q, inbox_for(4, SIZE));

	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	ASSERT_EQ(0, grant_by(self->q, id, self->stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_EQ(1, state(self->fd, id).grants);
	EXPECT_EQ(0, say(self->stranger, self->q, "text"));
	EXPECT_EQ(0, post_by(self->stranger, id, "text"));
	EXPECT_EQ(0, open_by(self->stranger, id));
	EXPECT_EQ(EACCES, say(second, self->q, "text"));
	EXPECT_EQ(EACCES, fetch_by(self->stranger, id));
	ASSERT_EQ(0, revoke_by(self->q, id, self->stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_EQ(0, state(self->fd, id).grants);
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	EXPECT_EQ(EACCES, post_by(self->stranger, id, "text"));
	EXPECT_EQ(EACCES, open_by(self->stranger, id));
	EXPECT_EQ(2, state(self->fd, id).msgs);
}

/* There is one receiver, and one owner. */
TEST_F(world, grants_no_more_than_to_send)
{
	static const uint32_t refused[] = {
		MBOX_RIGHT_RECV, MBOX_RIGHT_MANAGE, MBOX_RIGHT_SEND | MBOX_RIGHT_RECV,
		MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE,
	};
	uint64_t id = create_by(self->q, inbox_for(4, SIZE));
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(EOPNOTSUPP, grant_by(self->q, id, self->stranger->pid, refused[i]));
		EXPECT_EQ(EOPNOTSUPP, grant_by(self->root, id, self->stranger->pid, refused[i]));
		EXPECT_EQ(EACCES, grant_by(self->stranger, id, self->stranger->pid, refused[i]));
	}
	EXPECT_EQ(EACCES, grant_by(self->stranger, id, self->stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_EQ(EINVAL, grant_by(self->q, id, self->stranger->pid, 0));
	EXPECT_EQ(0, state(self->fd, id).grants);
	EXPECT_EQ(EACCES, say(self->stranger, self->q, "text"));
	EXPECT_EQ(ESRCH, revoke_by(self->q, id, self->stranger->pid, MBOX_RIGHT_SEND));
}

static void open_to_stranger(struct puppet *who, uint64_t id, bool by_mode,
			     const struct puppet *stranger)
{
	if (by_mode)
		NEED(!chmod_by(who, id, 0002));
	else
		NEED(!grant_by(who, id, stranger->pid, MBOX_RIGHT_SEND));
}

static void close_to_stranger(struct puppet *who, uint64_t id, bool by_mode,
			      const struct puppet *stranger)
{
	if (by_mode)
		NEED(!chmod_by(who, id, 0));
	else
		NEED(!revoke_by(who, id, stranger->pid, MBOX_RIGHT_SEND));
}

/* A sender that waits, and may do so for a reason that ends; another that may stay. */
TEST_F(world, tells_who_waits_when_the_right_is_revoked)
{
	uint64_t id = create_by(self->q, inbox_for(1, SIZE));
	struct mbox_send in_step = to_and_wait(self->q);
	int i;

	ASSERT_EQ(0, say(self->p, self->q, "full"));
	begin_to_say(self->p, self->q, "text");
	wait_for_senders(self->fd, id, 1);
	for (i = 0; i < 2; i++) {
		open_to_stranger(self->q, id, i, self->stranger);
		ASSERT_EQ(0, say(self->stranger, self->q, "full"));
		begin_to_say(self->stranger, self->q, "text");
		wait_for_senders(self->fd, id, 2);
		close_to_stranger(self->q, id, i, self->stranger);
		EXPECT_EQ(EKEYREVOKED, end_act(self->stranger));
		EXPECT_EQ(1, state(self->fd, id).senders);
		expect_to_hear_from(_metadata, self->q, self->stranger, "full");
		EXPECT_EQ(EAGAIN, hear_from(self->q, self->stranger));
	}
	/* In the mailbox, but not received. */
	ASSERT_EQ(0, chmod_by(self->q, id, 0002));
	in_step.flags |= MBOX_SEND_SYNC;
	begin_send(self->stranger, in_step, "text");
	WAIT_UNTIL(state(self->fd, id).msgs == 2);
	ASSERT_EQ(0, chmod_by(self->q, id, 0));
	EXPECT_EQ(EKEYREVOKED, end_act(self->stranger));
	EXPECT_FALSE(is_done(self->p));
	expect_to_hear(_metadata, self->q, "full");
	EXPECT_EQ(0, end_act(self->p));
	expect_to_hear(_metadata, self->q, "text");
	EXPECT_EQ(EAGAIN, hear(self->q));
}

TEST_F(world, asks_for_the_right_at_each_send)
{
	struct puppet *target = new_actor_of(self->fd, OWNER, 0, OWNER);
	struct puppet *sender = new_actor_of(self->fd, OWNER, OWNER, 0);
	uint64_t id;

	ASSERT_EQ(0, say(self->p, target, "text"));
	id = inbox_of(self->fd, target->pid);
	setresuid_by(target, STRANGER, 0, STRANGER);
	EXPECT_EQ(EACCES, say(self->p, target, "text"));
	EXPECT_EQ(EACCES, post_by(self->p, id, "text"));
	EXPECT_EQ(0, say(self->stranger, target, "text"));
	setresuid_by(target, OWNER, 0, OWNER);
	EXPECT_EQ(0, say(self->p, target, "text"));
	EXPECT_EQ(EACCES, say(self->stranger, target, "text"));
	EXPECT_EQ(3, state(self->fd, id).msgs);
	/* Or if the sender changes. */
	EXPECT_EQ(EACCES, say(sender, self->stranger, "text"));
	setresuid_by(sender, 0, 0, 0);
	EXPECT_EQ(0, say(sender, self->stranger, "text"));
}

TEST_F(world, lets_anybody_receive_from_anybody)
{
	begin_to_hear_from(self->stranger, self->root);
	wait_until_hearing(self->fd, self->stranger, 1);
	EXPECT_EQ(1, links(self->fd, self->stranger));
	EXPECT_EQ(EACCES, say(self->p, self->root, "text"));
	ASSERT_EQ(0, say(self->root, self->stranger, "text"));
	expect_to_have_heard(_metadata, self->stranger, self->root, "text");
	EXPECT_EQ(EAGAIN, hear_from(self->stranger, self->p));
	EXPECT_EQ(2, links(self->fd, self->stranger));
}

/* By its id an inbox is a mailbox that the same ones may send to. */
TEST_F(world, has_the_same_rules_for_sending_by_id)
{
	struct mbox_send in_step = { .flags = MBOX_SEND_SYNC };
	uint64_t id;

	hear(self->q);
	id = inbox_of(self->fd, self->q->pid);
	EXPECT_EQ(EACCES, post_by(self->stranger, id, "text"));
	EXPECT_EQ(0, links(self->fd, self->q));
	ASSERT_EQ(0, post_by(self->p, id, "1"));
	EXPECT_EQ(1, links(self->fd, self->q));
	ASSERT_EQ(0, post_by(self->root, id, "2"));
	EXPECT_EQ(2, links(self->fd, self->q));
	EXPECT_EQ(EACCES, post_by(self->q, id, "3"));
	expect_to_hear_from(_metadata, self->q, self->p, "1");
	ASSERT_EQ(0, fetch_by(self->q, id));
	EXPECT_STREQ("2", self->q->text);
	in_step.id = id;
	begin_send(self->p, in_step, "4");
	WAIT_UNTIL(state(self->fd, id).msgs == 1);
	expect_to_hear_from(_metadata, self->q, self->p, "4");
	ASSERT_EQ(0, end_act(self->p));
	EXPECT_EQ(self->q->pid, self->p->send.receiver);
	EXPECT_EQ(EACCES, fetch_by(self->p, id));
}

TEST_F(world, lists_inboxes_to_those_who_may_see_them)
{
	struct puppet *by_kill = new_actor_after(self->fd, become_stranger_who_may_signal);
	struct mbox_stat stat = { .flags = MBOX_STAT_NEXT, .id = 1 };
	struct mbox_stat next = stat;
	uint64_t id;

	hear(self->q);
	id = inbox_of(self->fd, self->q->pid);
	EXPECT_EQ(0, call_by(self->p, MBOX_IOC_STAT, &next));
	EXPECT_EQ(id, next.id);
	next = stat;
	EXPECT_EQ(0, call_by(by_kill, MBOX_IOC_STAT, &next));
	EXPECT_EQ(id, next.id);
	EXPECT_EQ(self->q->pid, next.pid);
	next = stat;
	EXPECT_EQ(ENOENT, call_by(self->stranger, MBOX_IOC_STAT, &next));
	EXPECT_EQ(EACCES, stat_by(self->stranger, id, &next));
	ASSERT_EQ(0, grant_by(self->q, id, self->stranger->pid, MBOX_RIGHT_SEND));
	next = stat;
	EXPECT_EQ(0, call_by(self->stranger, MBOX_IOC_STAT, &next));
	EXPECT_EQ(id, next.id);
	EXPECT_EQ(0, stat_by(self->stranger, id, &next));
}

TEST_F(world, opens_inboxes_of_the_user_that_is_meant)
{
	struct mbox_open open = {
		.flags = MBOX_OPEN_INBOX | MBOX_OPEN_UID, .id = self->q->pid, .uid = STRANGER,
	};

	NEED(!ask(self->root, do_get_device));
	EXPECT_EQ(ENOENT, call_by(self->root, MBOX_IOC_OPEN, &open));
	open.uid = OWNER;
	EXPECT_EQ(0, call_by(self->root, MBOX_IOC_OPEN, &open));
	EXPECT_EQ(inbox_of(self->fd, self->q->pid), open.id);
	open.id = self->q->pid;
	EXPECT_EQ(EISCONN, call_by(self->root, MBOX_IOC_OPEN, &open));
}

static int write_by(struct puppet *who, const char *text)
{
	strcpy(who->text, text);
	return ask(who, do_write);
}

/* It may not know what it writes to, so whoever opened that has to have the right. */
TEST_F(world, asks_for_the_right_of_who_opened_a_descriptor)
{
	uint64_t id = create_by(self->q, inbox_for(4, SIZE));
	int fd = descriptor_of(STRANGER, id);
	struct puppet *writer = new_actor(fd, OWNER);

	EXPECT_EQ(EACCES, write_by(writer, "text"));
	EXPECT_EQ(0, state(self->fd, id).links);
	ASSERT_EQ(0, chmod_by(self->q, id, 0002));
	EXPECT_EQ(0, write_by(writer, "text"));
	ASSERT_EQ(0, chmod_by(self->q, id, 0));
	EXPECT_EQ(EACCES, write_by(writer, "text"));
	/* That the descriptor is bound to it does not matter to others. */
	EXPECT_EQ(0, say(writer, self->q, "text"));
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_msgs);
	EXPECT_EQ(1, usage_of(self->fd, OWNER).user_msgs);
	expect_to_hear_from(_metadata, self->q, writer, "text");
	expect_to_hear_from(_metadata, self->q, writer, "text");
	EXPECT_EQ(0, usage_of(self->fd, STRANGER).user_msgs);
}

/*
 * Who pays: for a message its sender, for an inbox the real user of its process, for
 * a link whoever used it first.
 */
FIXTURE(payer) {
	int fd;
	struct puppet *p;	/* of SENDER */
	struct puppet *q;	/* of OWNER, and open to all */
};

FIXTURE_SETUP(payer)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, SENDER);
	self->q = new_actor(self->fd, OWNER);
	create_by(self->q, open_inbox_for(4, SIZE));
}

FIXTURE_TEARDOWN(payer)
{
	end_cast(self->fd);
}

static struct mbox_usage of_sender(int fd)
{
	return usage_of(fd, SENDER);
}

static struct mbox_usage of_owner(int fd)
{
	return usage_of(fd, OWNER);
}

TEST_F(payer, of_a_message_and_of_a_new_link_is_the_sender)
{
	struct mbox_usage before = of_owner(self->fd), with_message, with_link, after;

	EXPECT_EQ(1, before.user_mailboxes);
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	with_message = of_sender(self->fd);
	EXPECT_EQ(1, with_message.user_msgs);
	EXPECT_EQ(0, with_message.user_mailboxes);
	EXPECT_EQ(before.ns_msgs + 1, with_message.ns_msgs);
	EXPECT_EQ(before.ns_bytes + with_message.user_bytes, with_message.ns_bytes);
	ASSERT_EQ(0, hear(self->q));
	with_link = of_sender(self->fd);
	EXPECT_EQ(0, with_link.user_msgs);
	EXPECT_LT(0, with_link.user_bytes);
	EXPECT_LT(with_link.user_bytes, with_message.user_bytes);
	EXPECT_EQ(before.ns_bytes + with_link.user_bytes, with_link.ns_bytes);
	after = of_owner(self->fd);
	EXPECT_EQ(before.user_bytes, after.user_bytes);
	EXPECT_EQ(1, after.user_mailboxes);
	EXPECT_EQ(0, after.user_msgs);
	/* It is paid for. */
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(with_message.user_bytes, of_sender(self->fd).user_bytes);
	ASSERT_EQ(0, hear(self->q));
	EXPECT_EQ(with_link.user_bytes, of_sender(self->fd).user_bytes);
}

TEST_F(payer, of_a_link_is_who_used_it_first)
{
	struct mbox_usage owner, sender;

	create_by(self->p, open_inbox_for(4, SIZE));
	owner = of_owner(self->fd);
	sender = of_sender(self->fd);
	/* The receiver was first. */
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->p));
	EXPECT_LT(owner.user_bytes, of_owner(self->fd).user_bytes);
	EXPECT_EQ(sender.user_bytes, of_sender(self->fd).user_bytes);
	owner = of_owner(self->fd);
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_LT(sender.user_bytes, of_sender(self->fd).user_bytes);
	ASSERT_EQ(0, hear(self->q));
	EXPECT_EQ(sender.user_bytes, of_sender(self->fd).user_bytes);
	ASSERT_EQ(0, say(self->q, self->p, "text"));
	ASSERT_EQ(0, hear(self->p));
	EXPECT_EQ(sender.user_bytes, of_sender(self->fd).user_bytes);
	EXPECT_EQ(owner.user_bytes, of_owner(self->fd).user_bytes);
}

/* Whoever of the two it is that ends. */
TEST_F(payer, of_a_link_has_it_back_when_one_ends)
{
	struct puppet *again = new_actor(self->fd, OWNER);
	uint64_t link;

	create_by(again, open_inbox_for(4, SIZE));
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	ASSERT_EQ(0, hear(self->q));
	link = of_sender(self->fd).user_bytes;
	ASSERT_EQ(0, say(self->p, again, "text"));
	ASSERT_EQ(0, hear(again));
	EXPECT_EQ(2 * link, of_sender(self->fd).user_bytes);
	kill_puppet(self->q);
	WAIT_UNTIL(of_sender(self->fd).user_bytes == link);
	kill_puppet(self->p);
	WAIT_UNTIL(pays_nothing(self->fd, SENDER));
	EXPECT_EQ(0, links(self->fd, again));
}

TEST_F(payer, of_an_inbox_is_the_real_user_of_its_process)
{
	struct puppet *set_uid = new_actor_of(self->fd, STRANGER, 0, 0);
	struct puppet *root = new_actor(self->fd, 0);
	struct mbox_usage before = usage_of(self->fd, STRANGER);

	EXPECT_EQ(0, before.user_mailboxes);
	ASSERT_EQ(0, say(root, set_uid, "text"));
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_mailboxes);
	EXPECT_LT(0, usage_of(self->fd, STRANGER).user_bytes);
	EXPECT_EQ(0, usage_of(self->fd, STRANGER).user_msgs);
	EXPECT_EQ(STRANGER, inbox(self->fd, set_uid).uid);
	ASSERT_EQ(0, delete_by(root, inbox_of(self->fd, set_uid->pid)));
	EXPECT_TRUE(pays_nothing(self->fd, STRANGER));
}

TEST_F(payer, without_quota_sends_no_message)
{
	ASSERT_EQ(0, say(self->p, self->q, "text"));
	NEED(!set_tunable("user_msgs", 1));
	EXPECT_EQ(EDQUOT, say(self->p, self->q, "text"));
	EXPECT_EQ(EDQUOT, send_by(self->p, to_and_wait(self->q), "text"));
	ASSERT_EQ(0, hear(self->q));
	EXPECT_EQ(0, say(self->p, self->q, "text"));
	reset_tunables();
	NEED(!set_tunable("ns_msgs", 1));
	EXPECT_EQ(ENOSPC, say(self->p, self->q, "text"));
	EXPECT_EQ(1, inbox(self->fd, self->q).msgs);
}

/* Told to whoever wants to send, though it is another's quota. */
TEST_F(payer, without_quota_gets_no_inbox)
{
	struct puppet *full = new_actor(self->fd, OWNER);
	struct mbox_usage before = of_owner(self->fd);
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX };

	EXPECT_EQ(1, before.user_mailboxes);
	NEED(!set_tunable("user_mailboxes", 1));
	NEED(!ask(full, do_get_device));
	EXPECT_EQ(EDQUOT, say(self->q, full, "text"));
	EXPECT_EQ(EDQUOT, hear(full));
	EXPECT_EQ(EDQUOT, hear_from(full, self->q));
	EXPECT_EQ(EDQUOT, try_create_by(full, inbox_for(1, SIZE)));
	EXPECT_EQ(EDQUOT, call_by(full, MBOX_IOC_OPEN, &open));
	EXPECT_EQ(0, inbox_of(self->fd, full->pid));
	EXPECT_EQ(before.user_mailboxes, of_owner(self->fd).user_mailboxes);
	reset_tunables();
	NEED(!set_tunable("ns_mailboxes", 1));
	EXPECT_EQ(ENOSPC, say(self->q, full, "text"));
	EXPECT_EQ(ENOSPC, hear(full));
	EXPECT_EQ(ENOSPC, call_by(full, MBOX_IOC_OPEN, &open));
	EXPECT_EQ(1, mailboxes(self->fd));
	reset_tunables();
	EXPECT_EQ(0, say(self->q, full, "text"));
}

TEST_F(payer, without_quota_gets_no_link)
{
	struct puppet *other = new_actor(self->fd, OWNER), *third = new_actor(self->fd, SENDER);
	struct mbox_usage before;
	uint64_t link;

	hear(other);
	before = of_owner(self->fd);
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->p));
	link = of_owner(self->fd).user_bytes - before.user_bytes;
	EXPECT_LT(0, link);
	before = of_owner(self->fd);
	NEED(!set_tunable("user_bytes", before.user_bytes + link - 1));
	EXPECT_EQ(EDQUOT, hear_from(other, self->p));
	EXPECT_EQ(EDQUOT, say(other, self->q, "text"));
	EXPECT_EQ(before.user_bytes, of_owner(self->fd).user_bytes);
	EXPECT_EQ(0, links(self->fd, other));
	/* One that is there costs nothing. */
	EXPECT_EQ(EAGAIN, hear_from(self->q, self->p));
	EXPECT_EQ(1, links(self->fd, self->q));
	NEED(!set_tunable("user_bytes", before.user_bytes + link));
	EXPECT_EQ(EAGAIN, hear_from(other, self->p));
	EXPECT_EQ(1, links(self->fd, other));

	reset_tunables();
	before = of_owner(self->fd);
	NEED(!set_tunable("ns_bytes", before.ns_bytes + link - 1));
	EXPECT_EQ(ENOSPC, hear_from(other, third));
	EXPECT_EQ(ENOSPC, say(third, self->q, "text"));
	EXPECT_EQ(1, links(self->fd, other));
	EXPECT_EQ(before.ns_bytes, of_owner(self->fd).ns_bytes);
}

/*
 * Namespaces.
 */

static int do_join_network(struct puppet *me)
{
	char path[64];
	int fd, error;
	pid_t pid;

	memcpy(&pid, me->arg, sizeof(pid));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0);
	error = error_of(setns(fd, CLONE_NEWNET));
	close(fd);
	return error;
}

/* Into the network namespace of that process. */
static void join_network(struct puppet *who, pid_t pid)
{
	memcpy(who->arg, &pid, sizeof(pid));
	NEED(!ask(who, do_join_network));
}

FIXTURE(network) {
	int fd;
	struct puppet *p, *q, *r;	/* of root, since they move */
};

FIXTURE_SETUP(network)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->p = new_actor(self->fd, 0);
	self->q = new_actor(self->fd, 0);
	self->r = new_actor(self->fd, 0);
}

FIXTURE_TEARDOWN(network)
{
	end_cast(self->fd);
}

static void expect_apart(struct __test_metadata *_metadata, struct puppet *p, struct puppet *q)
{
	uint64_t participant = participant_of(q);
	int pidfd = pidfd_by(p, q->pid);

	NEED(!ask(p, do_get_device));
	EXPECT_EQ(ESRCH, say(p, q, "text"));
	EXPECT_EQ(ESRCH, hear_from(p, q));
	EXPECT_EQ(ESRCH, recv_by(p, from_and_wait(q)));
	EXPECT_EQ(ESRCH, call_raw(p, MBOX_CALL_PID, q->pid));
	EXPECT_EQ(ESRCH, send_raw(p, MBOX_SEND_PIDFD, pidfd));
	EXPECT_EQ(ESRCH, recv_raw(p, MBOX_RECV_PIDFD, pidfd));
	EXPECT_EQ(ESRCH, send_raw(p, MBOX_SEND_PARTICIPANT, participant));
	EXPECT_EQ(ESRCH, recv_raw(p, MBOX_RECV_PARTICIPANT, participant));
}

TEST_F(network, namespaces_keep_processes_apart)
{
	struct puppet *both[] = { self->p, self->q };
	int i;

	NEED(!ask(self->q, leave_network_namespace));
	/* So that it stays when q is back. */
	join_network(self->r, self->q->pid);
	for (i = 0; i < 2; i++) {
		expect_apart(_metadata, both[i], both[!i]);
		hear(both[i]);
		expect_apart(_metadata, both[i], both[!i]);
	}
	EXPECT_EQ(0, links(self->fd, self->p));
	join_network(self->q, self->p->pid);
	EXPECT_EQ(0, say(self->p, self->q, "text"));
	EXPECT_EQ(0, hear_from(self->q, self->p));
}

TEST_F(network, namespaces_do_not_part_those_who_have_a_link)
{
	hear(self->p);
	ASSERT_EQ(0, say(self->p, self->q, "1"));
	NEED(!ask(self->q, leave_network_namespace));
	expect_to_hear_from(_metadata, self->q, self->p, "1");
	ASSERT_EQ(0, say(self->p, self->q, "2"));
	expect_to_hear_from(_metadata, self->q, self->p, "2");
	ASSERT_EQ(0, say(self->q, self->p, "3"));
	expect_to_hear_from(_metadata, self->p, self->q, "3");
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 1);
	ASSERT_EQ(0, say(self->p, self->q, "4"));
	expect_to_have_heard(_metadata, self->q, self->p, "4");
	EXPECT_EQ(1, links(self->fd, self->p));
	/* With whom there was none it is another matter. */
	expect_apart(_metadata, self->r, self->q);
	begin_to_hear_from(self->p, self->q);
	wait_until_hearing(self->fd, self->p, 1);
	kill_puppet(self->q);
	EXPECT_EQ(EIDRM, end_act(self->p));
}

/* Nor does it matter who used the link, or how. */
TEST_F(network, namespaces_do_not_part_those_who_only_waited)
{
	hear(self->p);
	begin_to_hear_from(self->q, self->p);
	wait_until_hearing(self->fd, self->q, 1);
	NEED(!ask(self->p, leave_network_namespace));
	ASSERT_EQ(0, say(self->p, self->q, "1"));
	expect_to_have_heard(_metadata, self->q, self->p, "1");
	ASSERT_EQ(0, say(self->q, self->p, "2"));
	expect_to_hear_from(_metadata, self->p, self->q, "2");
}

/* The one that stays, and the one that moves, may need an inbox only then. */
TEST_F(network, namespaces_do_not_part_those_who_have_no_inbox_yet)
{
	ASSERT_EQ(0, say(self->p, self->q, "1"));
	NEED(!ask(self->q, leave_network_namespace));
	EXPECT_EQ(0, inbox_of(self->fd, self->p->pid));
	ASSERT_EQ(0, say(self->q, self->p, "2"));
	expect_to_hear_from(_metadata, self->p, self->q, "2");

	EXPECT_EQ(EAGAIN, hear_from(self->r, self->p));
	NEED(!ask(self->r, leave_network_namespace));
	ASSERT_EQ(0, delete_by(self->p, inbox_of(self->fd, self->p->pid)));
	ASSERT_EQ(0, say(self->r, self->p, "3"));
	expect_to_hear_from(_metadata, self->p, self->r, "3");
}

/* Nothing is made in a namespace that has ended, whoever has a link from there. */
TEST_F(network, namespaces_that_end_take_no_inbox_any_more)
{
	NEED(!ask(self->q, leave_network_namespace));
	join_network(self->p, self->q->pid);
	ASSERT_EQ(0, say(self->p, self->q, "there"));
	join_network(self->p, self->r->pid);
	join_network(self->q, self->r->pid);
	/* The inbox goes with it; the next one is where both are. */
	WAIT_UNTIL(!say(self->p, self->q, "here") && inbox_of(self->fd, self->q->pid));
	expect_to_hear_from(_metadata, self->q, self->p, "here");

	NEED(!ask(self->q, leave_network_namespace));
	ASSERT_EQ(0, delete_by(self->r, inbox_of(self->fd, self->q->pid)));
	EXPECT_EQ(ESRCH, say(self->p, self->q, "nowhere"));
	hear(self->q);
	ASSERT_EQ(0, say(self->p, self->q, "elsewhere"));
	expect_to_hear_from(_metadata, self->q, self->p, "elsewhere");
}

TEST_F(network, namespaces_bring_new_neighbours)
{
	ASSERT_EQ(0, say(self->p, self->q, "1"));
	NEED(!ask(self->q, leave_network_namespace));
	join_network(self->r, self->q->pid);
	ASSERT_EQ(0, say(self->r, self->q, "2"));
	ASSERT_EQ(0, say(self->q, self->r, "3"));
	expect_to_hear_from(_metadata, self->r, self->q, "3");
	expect_to_hear_from(_metadata, self->q, self->p, "1");
	expect_to_hear_from(_metadata, self->q, self->r, "2");
	expect_apart(_metadata, self->r, self->p);
}

/* One below the test's, and one beside that. */
FIXTURE(pid) {
	int fd;
	struct puppet *outer, *inner, *beside;
	uint64_t of_outer, of_inner, of_beside;		/* participant ids */
};

static struct puppet *new_first_actor(int fd)
{
	struct puppet *puppet = new_puppet_memory(fd);
	pid_t pid = spawn_as_first();

	if (!pid)
		obey(puppet);
	puppet->pid = pid;
	WAIT_UNTIL(told(&puppet->tid));
	return enlist(puppet);
}

FIXTURE_SETUP(pid)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->outer = new_actor(self->fd, 0);
	self->inner = new_first_actor(self->fd);
	self->beside = new_first_actor(self->fd);
	self->of_outer = participant_of(self->outer);
	self->of_inner = participant_of(self->inner);
	self->of_beside = participant_of(self->beside);
}

FIXTURE_TEARDOWN(pid)
{
	end_cast(self->fd);
}

TEST_F(pid, is_that_of_the_callers_namespace)
{
	struct mbox_stat stat;
	uint64_t id;

	ASSERT_EQ(0, say(self->outer, self->inner, "text"));
	ASSERT_EQ(0, hear(self->inner));
	EXPECT_STREQ("text", self->inner->text);
	EXPECT_EQ(0, self->inner->recv.pid);
	EXPECT_EQ(0, self->inner->recv.tid);
	EXPECT_EQ(self->of_outer, self->inner->recv.sender);
	id = self->inner->recv.from;
	EXPECT_EQ(ESRCH, say(self->inner, self->outer, "text"));
	EXPECT_EQ(ESRCH, hear_from(self->inner, self->outer));
	/* That is itself there. */
	EXPECT_EQ(EACCES, send_raw(self->inner, MBOX_SEND_PID, 1));
	ASSERT_EQ(0, stat_by(self->inner, id, &stat));
	EXPECT_EQ(1, stat.pid);
	ASSERT_EQ(0, stat_by(self->outer, id, &stat));
	EXPECT_EQ(self->inner->pid, stat.pid);
	ASSERT_EQ(0, stat_by(self->beside, id, &stat));
	EXPECT_EQ(0, stat.pid);
}

TEST_F(pid, is_not_needed_where_the_participant_is_known)
{
	ASSERT_EQ(0, send_raw(self->inner, MBOX_SEND_PARTICIPANT, self->of_outer));
	ASSERT_EQ(0, hear_from(self->outer, self->inner));
	EXPECT_EQ(self->of_inner, self->outer->recv.sender);
	ASSERT_EQ(0, say(self->outer, self->inner, "answer"));
	ASSERT_EQ(0, recv_by(self->inner, from_participant(self->of_outer)));
	EXPECT_STREQ("answer", self->inner->text);
	EXPECT_EQ(1, links(self->fd, self->outer));

	ASSERT_EQ(0, send_raw(self->beside, MBOX_SEND_PARTICIPANT, self->of_inner));
	EXPECT_EQ(EAGAIN, recv_by(self->inner, from_participant(self->of_outer)));
	ASSERT_EQ(0, recv_by(self->inner, from_participant(self->of_beside)));
	EXPECT_EQ(0, self->inner->recv.pid);
}

/* Whoever cannot see a process cannot signal it, and needs another right. */
TEST_F(pid, is_needed_for_the_right_to_signal)
{
	NEED(!ask(self->inner, become_owner));
	EXPECT_EQ(EACCES, send_raw(self->inner, MBOX_SEND_PARTICIPANT, self->of_outer));
	NEED(!ask(self->outer, become_owner));
	EXPECT_EQ(EACCES, send_raw(self->inner, MBOX_SEND_PARTICIPANT, self->of_outer));
	EXPECT_EQ(0, inbox_of(self->fd, self->outer->pid));
	EXPECT_EQ(0, say(self->outer, self->inner, "text"));
	hear(self->outer);
	ASSERT_EQ(0, chmod_by(self->outer, inbox_of(self->fd, self->outer->pid), 0200));
	EXPECT_EQ(0, send_raw(self->inner, MBOX_SEND_PARTICIPANT, self->of_outer));
	expect_to_hear_from(_metadata, self->outer, self->inner, "x");
}

TEST_F(pid, of_a_receiver_is_as_the_sender_sees_it)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_PARTICIPANT | MBOX_SEND_SYNC, .id = self->of_inner,
	};

	begin_send(self->outer, how, "text");
	WAIT_UNTIL(inbox_of(self->fd, self->inner->pid));
	WAIT_UNTIL(!hear(self->inner));
	ASSERT_EQ(0, end_act(self->outer));
	EXPECT_EQ(self->inner->pid, self->outer->send.receiver);
	begin_send(self->beside, how, "text");
	WAIT_UNTIL(!hear(self->inner));
	ASSERT_EQ(0, end_act(self->beside));
	EXPECT_EQ(0, self->beside->send.receiver);
}

TEST_F(world, asks_for_the_right_across_user_namespaces)
{
	struct puppet *inner = new_actor(self->fd, OWNER);

	NEED(!ask(inner, enter_user_namespace));
	EXPECT_EQ(0, say(inner, self->p, "text"));
	expect_to_hear(_metadata, self->p, "text");
	EXPECT_EQ(OWNER, self->p->recv.uid);
	EXPECT_EQ(0, say(self->p, inner, "text"));
	ASSERT_EQ(0, hear(inner));
	EXPECT_EQ(0, inner->recv.uid);
	EXPECT_EQ(0, say(self->root, inner, "text"));
	ASSERT_EQ(0, hear(inner));
	EXPECT_EQ(65534, inner->recv.uid);
	EXPECT_EQ(EACCES, say(inner, self->root, "text"));
	EXPECT_EQ(EACCES, say(inner, self->stranger, "text"));
	EXPECT_EQ(EACCES, say(self->stranger, inner, "text"));
	/* Its inbox is paid for by who made the namespace, too. */
	EXPECT_EQ(2, usage_of(self->fd, OWNER).user_mailboxes);
}

TEST_HARNESS_MAIN
