// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shares: how much of one mailbox the messages of one user may take up, so that
 * nobody keeps the others out.
 */
#include "kselftest_harness.h"
#include "account.h"

#define SIZE	100	/* of the largest message */

/*
 * A mailbox of root's, of which each user has a share, in messages or in bytes.
 * What comes is always of 10 bytes.
 */
FIXTURE(share) {
	int fd;
	struct puppet *user;
	struct puppet *other;
	uint64_t box;
};

FIXTURE_VARIANT(share) {
	uint32_t max_msgs;
	uint64_t max_bytes;
	uint32_t share;
	unsigned int allowed;	/* messages of one user */
	uint64_t flags;
	long long tunable_msgs;	/* instead of what is unbounded */
	long long tunable_bytes;
};

FIXTURE_VARIANT_ADD(share, of_messages) {
	.max_msgs = 10, .max_bytes = 10 * SIZE, .share = 30, .allowed = 3,
};

FIXTURE_VARIANT_ADD(share, of_messages_is_not_rounded_up) {
	.max_msgs = 10, .max_bytes = 10 * SIZE, .share = 39, .allowed = 3,
};

FIXTURE_VARIANT_ADD(share, of_less_than_a_message_is_one) {
	.max_msgs = 10, .max_bytes = 10 * SIZE, .share = 1, .allowed = 1,
};

FIXTURE_VARIANT_ADD(share, of_almost_all) {
	.max_msgs = 10, .max_bytes = 10 * SIZE, .share = 99, .allowed = 9,
};

FIXTURE_VARIANT_ADD(share, of_bytes) {
	.max_msgs = 100, .max_bytes = 100, .share = 40, .allowed = 4,
};

FIXTURE_VARIANT_ADD(share, of_bytes_is_not_rounded_up) {
	.max_msgs = 100, .max_bytes = 100, .share = 39, .allowed = 3,
};

FIXTURE_VARIANT_ADD(share, of_fewer_bytes_than_a_message_is_one) {
	.max_msgs = 100, .max_bytes = 100, .share = 9, .allowed = 1,
};

FIXTURE_VARIANT_ADD(share, of_bytes_where_messages_are_unbounded) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = 100, .share = 40, .allowed = 4,
};

FIXTURE_VARIANT_ADD(share, of_messages_where_bytes_are_unbounded) {
	.max_msgs = 10, .max_bytes = MBOX_UNBOUNDED_BYTES, .share = 30, .allowed = 3,
};

FIXTURE_VARIANT_ADD(share, of_the_limit_for_messages) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .share = 25, .allowed = 2,
	.tunable_msgs = 8,
};

FIXTURE_VARIANT_ADD(share, of_the_limit_for_bytes) {
	.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .share = 25, .allowed = 2,
	.tunable_bytes = 101,
};

FIXTURE_VARIANT_ADD(share, of_reserved_buffers) {
	.max_msgs = 10, .max_bytes = MBOX_UNBOUNDED_BYTES, .share = 30, .allowed = 3,
	.flags = MBOX_CREATE_RESERVE,
};

FIXTURE_SETUP(share)
{
	struct mbox_create attr = {
		.flags = variant->flags, .max_msgs = variant->max_msgs,
		.max_bytes = variant->max_bytes, .max_size = SIZE,
		.mode = 0666, .share = variant->share,
	};

	begin_accounts();
	if (variant->tunable_msgs)
		NEED(!set_tunable("max_msgs", variant->tunable_msgs));
	if (variant->tunable_bytes)
		NEED(!set_tunable("max_bytes", variant->tunable_bytes));
	self->fd = device(O_RDWR);
	self->user = new_puppet(self->fd, OWNER, OWNER);
	self->other = new_puppet(self->fd, STRANGER, STRANGER);
	self->box = create(self->fd, attr);
}

FIXTURE_TEARDOWN(share)
{
	end_accounts(self->fd);
}

static int add(struct puppet *who, uint64_t box)
{
	return send_large_by(who, box, 10);
}

static int add_and_wait(struct puppet *who, uint64_t box, uint64_t flags)
{
	return send_by(who, (struct mbox_send){ .id = box, .flags = flags }, "10 letters");
}

static int take(int fd, uint64_t box)
{
	struct letter letter;

	return fetch(fd, box, &letter);
}

/* How many messages of that user there are, as it sees it. */
static uint32_t share_of(struct puppet *who, uint64_t box)
{
	struct mbox_stat stat;

	NEED(!stat_by(who, box, &stat));
	NEED(stat.user_bytes == 10 * stat.user_msgs);
	return stat.user_msgs;
}

TEST_F(share, is_exact)
{
	unsigned int i;

	EXPECT_EQ(variant->share, state(self->fd, self->box).share);
	for (i = 0; i < variant->allowed; i++) {
		EXPECT_EQ(i, share_of(self->user, self->box));
		EXPECT_EQ(0, add(self->user, self->box));
	}
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	EXPECT_EQ(variant->allowed, share_of(self->user, self->box));
	EXPECT_EQ(variant->allowed, state(self->fd, self->box).msgs);
	ASSERT_EQ(0, take(self->fd, self->box));
	EXPECT_EQ(variant->allowed - 1, share_of(self->user, self->box));
	EXPECT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
}

TEST_F(share, is_told_at_once_whether_the_sender_would_wait_or_not)
{
	struct mbox_stat stat;
	unsigned int i;

	for (i = 0; i < variant->allowed; i++)
		ASSERT_EQ(0, add(self->user, self->box));
	stat = state(self->fd, self->box);
	EXPECT_EQ(EXFULL, add_and_wait(self->user, self->box, 0));
	EXPECT_EQ(EXFULL, add_and_wait(self->user, self->box, MBOX_SEND_SYNC));
	EXPECT_EQ(EXFULL, add_and_wait(self->user, self->box, MBOX_SEND_NONBLOCK));
	EXPECT_TRUE(same_state(stat, state(self->fd, self->box)));
}

TEST_F(share, of_one_leaves_the_others_theirs)
{
	unsigned int i;

	while (!add(self->user, self->box))
		;
	EXPECT_EQ(0, share_of(self->other, self->box));
	/* More than half for each of two is not to be had. */
	for (i = 0; i < variant->allowed && variant->share <= 50; i++)
		EXPECT_EQ(0, add(self->other, self->box));
	if (variant->share <= 50)
		EXPECT_EQ(EXFULL, add(self->other, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	EXPECT_EQ(variant->allowed, share_of(self->user, self->box));
	EXPECT_EQ(variant->share <= 50 ? variant->allowed : 0, share_of(self->other, self->box));
}

TEST_F(share, holds_root_too)
{
	struct puppet *root = myself(self->fd);
	unsigned int i;

	for (i = 0; i < variant->allowed; i++)
		EXPECT_EQ(0, add(root, self->box));
	EXPECT_EQ(EXFULL, add(root, self->box));
	EXPECT_EQ(variant->allowed, share_of(root, self->box));
}

/* Namespaces multiply no share. */
TEST_F(share, is_one_for_all_user_namespaces_of_a_user)
{
	struct puppet *inner = new_puppet(self->fd, OWNER, OWNER);
	struct puppet *sibling = new_puppet(self->fd, OWNER, OWNER);
	struct puppet *all[] = { inner, self->user, sibling };
	unsigned int i;

	NEED(!ask(inner, enter_user_namespace));
	NEED(!ask(inner, enter_user_namespace));
	NEED(!ask(sibling, enter_user_namespace));
	for (i = 0; i < variant->allowed; i++)
		EXPECT_EQ(0, add(all[i % 3], self->box));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EXFULL, add(all[i], self->box));
		EXPECT_EQ(variant->allowed, share_of(all[i], self->box));
	}
	EXPECT_EQ(0, share_of(self->other, self->box));
}

/*
 * A mailbox of four, of which each user may have two messages.
 */
FIXTURE(half) {
	int fd;
	struct puppet *user;
	struct puppet *other;
	struct puppet *waiter;	/* of the first user, too */
	struct puppet *second;
	uint64_t box;
};

FIXTURE_SETUP(half)
{
	struct mbox_create attr = public(4);

	begin_accounts();
	self->fd = device(O_RDWR);
	self->user = new_puppet(self->fd, OWNER, OWNER);
	self->waiter = new_puppet(self->fd, OWNER, OWNER);
	self->second = new_puppet(self->fd, OWNER, OWNER);
	self->other = new_puppet(self->fd, STRANGER, STRANGER);
	attr.share = 50;
	self->box = create(self->fd, attr);
}

FIXTURE_TEARDOWN(half)
{
	end_accounts(self->fd);
}

static void fill(FIXTURE_DATA(half) *self)
{
	struct puppet *root = myself(self->fd);

	NEED(!add(self->other, self->box) && !add(self->other, self->box));
	NEED(!add(root, self->box) && !add(root, self->box));
}

/* Those who wait are in the way of others, too. */
TEST_F(half, counts_those_who_wait_to_send)
{
	fill(self);
	begin_send(self->waiter, (struct mbox_send){ .id = self->box }, "10 letters");
	wait_for_senders(self->fd, self->box, 1);
	EXPECT_EQ(1, share_of(self->user, self->box));
	begin_send(self->second, (struct mbox_send){ .id = self->box }, "10 letters");
	wait_for_senders(self->fd, self->box, 2);
	EXPECT_EQ(2, share_of(self->user, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	EXPECT_EQ(EXFULL, add_and_wait(self->user, self->box, 0));
	EXPECT_EQ(EXFULL, add_and_wait(self->other, self->box, 0));

	kill_puppet(self->second);
	EXPECT_EQ(1, share_of(self->user, self->box));
	EXPECT_EQ(EAGAIN, add(self->user, self->box));
	ASSERT_EQ(0, take(self->fd, self->box));
	EXPECT_EQ(0, end_act(self->waiter));
	EXPECT_EQ(1, share_of(self->user, self->box));
}

TEST_F(half, counts_those_who_wait_to_be_received)
{
	struct mbox_send how = { .id = self->box, .flags = MBOX_SEND_SYNC };

	begin_send(self->waiter, how, "10 letters");
	begin_send(self->second, how, "10 letters");
	wait_for_senders(self->fd, self->box, 2);
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	ASSERT_EQ(0, take(self->fd, self->box));
	EXPECT_EQ(1, share_of(self->user, self->box));
	EXPECT_EQ(0, add(self->user, self->box));
}

TEST_F(half, is_free_when_a_wait_is_over)
{
	struct mbox_send how = {
		.id = self->box, .flags = MBOX_SEND_TIMEOUT, .deadline = now() + 100 * MSEC,
	};

	fill(self);
	EXPECT_EQ(ETIMEDOUT, send_by(self->user, how, "10 letters"));
	EXPECT_EQ(0, share_of(self->user, self->box));
	EXPECT_EQ(EAGAIN, add(self->user, self->box));
	EXPECT_EQ(0, share_of(self->user, self->box));
}

TEST_F(half, is_free_when_messages_expire)
{
	struct mbox_send how = { .id = self->box, .flags = MBOX_SEND_EXPIRES };
	int i;

	for (i = 0; i < 2; i++) {
		how.expires = now() + 500 * MSEC;
		ASSERT_EQ(0, send_by(self->user, how, "10 letters"));
	}
	WAIT_UNTIL(state(self->fd, self->box).expired == 2);
	WAIT_UNTIL(!share_of(self->user, self->box));
	EXPECT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
}

TEST_F(half, stays_taken_when_a_message_is_put_back_or_looked_at)
{
	struct letter letter;
	struct mbox_recv env;

	ASSERT_EQ(0, add(self->user, self->box));
	ASSERT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(EFAULT, receive_into(self->fd, self->box, unmapped(), 64, 0, 0, &env));
	EXPECT_EQ(0, receive(self->fd, self->box, MBOX_RECV_PEEK, 0, &letter));
	EXPECT_EQ(2, share_of(self->user, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
}

TEST_F(half, is_of_this_mailbox_alone)
{
	struct mbox_create attr = public(4);
	uint64_t box;

	attr.share = 50;
	box = create(self->fd, attr);
	ASSERT_EQ(0, add(self->user, self->box));
	ASSERT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(0, share_of(self->user, box));
	EXPECT_EQ(0, add(self->user, box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
}

/* The share is the sending user's: whose the mailbox is does not matter. */
TEST_F(half, is_the_same_whoever_owns_the_mailbox)
{
	ASSERT_EQ(0, add(self->user, self->box));
	ASSERT_EQ(0, add(self->user, self->box));
	ASSERT_EQ(0, transfer_by(myself(self->fd), self->box, self->user->pid, 0));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	ASSERT_EQ(0, fetch_by(self->user, self->box));
	EXPECT_EQ(0, add(self->user, self->box));
	kill_puppet(self->user);
	EXPECT_EQ(EXFULL, add(self->waiter, self->box));
}

TEST_F(half, is_the_openers_for_what_a_program_of_another_user_writes)
{
	int fd = descriptor_of(OWNER, self->box);

	EXPECT_EQ(10, write(fd, "10 letters", 10));
	EXPECT_EQ(10, write(fd, "10 letters", 10));
	EXPECT_EQ(2, share_of(self->user, self->box));
	EXPECT_EQ(EXFULL, error_of(write(fd, "10 letters", 10)));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	EXPECT_EQ(0, add(myself(fd), self->box));
	close(fd);
}

TEST_F(half, comes_before_the_quota_of_the_user)
{
	ASSERT_EQ(0, add(self->user, self->box));
	ASSERT_EQ(0, set_tunable("user_msgs", 1));
	EXPECT_EQ(EDQUOT, add(self->user, self->box));
	EXPECT_EQ(1, share_of(self->user, self->box));
	ASSERT_EQ(0, set_tunable("user_msgs", 2));
	ASSERT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
	ASSERT_EQ(0, set_tunable("ns_msgs", 0));
	EXPECT_EQ(EXFULL, add(self->user, self->box));
}

TEST_F(half, comes_after_all_that_is_wrong_with_the_message)
{
	char text[66] = "";

	memset(text, 'x', 65);
	ASSERT_EQ(0, add(self->user, self->box));
	ASSERT_EQ(0, add(self->user, self->box));
	EXPECT_EQ(EMSGSIZE, post_by(self->user, self->box, text));
	NEED(!chmod_by(myself(self->fd), self->box, 0));
	EXPECT_EQ(EACCES, add(self->user, self->box));
}

TEST_F(half, of_bytes_lets_the_first_message_be_of_any_size)
{
	struct mbox_create attr = {
		.max_msgs = 10, .max_bytes = 100, .max_size = 100, .mode = 0666, .share = 10,
	};
	uint64_t box = create(self->fd, attr);

	EXPECT_EQ(0, send_large_by(self->user, box, 100));
	EXPECT_EQ(EXFULL, send_large_by(self->user, box, 0));
	ASSERT_EQ(0, fetch(self->fd, box, &(struct letter){ }));
	EXPECT_EQ(0, send_large_by(self->user, box, 0));
	EXPECT_EQ(EXFULL, send_large_by(self->user, box, 11));
}

/* At 100 percent nobody counts. */
TEST_F(half, of_it_is_no_bound_if_all_is_allowed)
{
	uint64_t box = create(self->fd, public(2));

	EXPECT_EQ(100, state(self->fd, box).share);
	EXPECT_EQ(0, add(self->user, box));
	EXPECT_EQ(0, add(self->user, box));
	EXPECT_EQ(EAGAIN, add(self->user, box));
	EXPECT_EQ(0, share_of(self->user, box));
}

TEST_F(half, or_another_percentage_is_asked_for_but_at_a_rendezvous)
{
	struct mbox_create rendezvous = { .max_size = 10, .mode = 0600 };
	struct mbox_create attr = attributes(4, 10);
	static const uint32_t wrong[] = { 101, 1000, 0x80000000, UINT32_MAX };
	static const uint32_t right[] = { 1, 50, 99, 100 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		attr.share = wrong[i];
		EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	}
	for (i = 0; i < ARRAY_SIZE(right); i++) {
		attr.share = right[i];
		EXPECT_EQ(right[i], state(self->fd, create(self->fd, attr)).share);
		rendezvous.share = right[i];
		EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &rendezvous));
	}
}

/* A fifth, in fact. */
TEST_F(half, is_the_default_where_that_says_so)
{
	struct mbox_create rendezvous = { .max_size = 10, .mode = 0666 };
	struct mbox_create attr = public(10), all = public(10);
	uint64_t before = create(self->fd, public(10)), box;

	ASSERT_EQ(0, set_tunable("default_share", 20));
	EXPECT_EQ(20, usage_of(self->fd, 0).default_share);
	box = create(self->fd, attr);
	EXPECT_EQ(20, state(self->fd, box).share);
	EXPECT_EQ(100, state(self->fd, before).share);
	all.share = 100;
	EXPECT_EQ(100, state(self->fd, create(self->fd, all)).share);
	EXPECT_EQ(0, add(self->user, box));
	EXPECT_EQ(0, add(self->user, box));
	EXPECT_EQ(EXFULL, add(self->user, box));
	/* What exists keeps what it was made with. */
	ASSERT_EQ(0, set_tunable("default_share", 100));
	EXPECT_EQ(20, state(self->fd, box).share);
	EXPECT_EQ(EXFULL, add(self->user, box));

	/* There is nothing to share at a rendezvous. */
	ASSERT_EQ(0, set_tunable("default_share", 1));
	box = create(self->fd, rendezvous);
	begin_send(self->waiter, (struct mbox_send){ .id = box }, "10 letters");
	wait_for_senders(self->fd, box, 1);
	begin_send(self->second, (struct mbox_send){ .id = box }, "10 letters");
	wait_for_senders(self->fd, box, 2);
	EXPECT_EQ(0, take(self->fd, box));
	EXPECT_EQ(0, take(self->fd, box));
}

TEST_HARNESS_MAIN
