// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accounts: how much users and network namespaces may have, who pays for what,
 * and that namespaces multiply nothing.
 */
#include "kselftest_harness.h"
#include "account.h"

/*
 * One limit, and a user without privileges who uses it up.
 */
enum what { MAILBOXES, MSGS, BYTES, WHAT };

#define LIMIT(field) {							\
	#field, offsetof(struct mbox_usage, field),			\
	offsetof(struct mbox_usage, field##_limit),			\
	sizeof(((struct mbox_usage *)NULL)->field)			\
}

/* Of a user, and of a network namespace. */
static const struct {
	const char *name;	/* of the tunable */
	size_t used;		/* where struct mbox_usage has it */
	size_t limit;
	size_t size;
} limits[2][WHAT] = {
	{ LIMIT(user_mailboxes), LIMIT(user_msgs), LIMIT(user_bytes) },
	{ LIMIT(ns_mailboxes), LIMIT(ns_msgs), LIMIT(ns_bytes) },
};

FIXTURE(limit) {
	int fd;			/* root's */
	struct puppet *user;
	uint64_t box;		/* root's, for the messages */
	uint64_t made[8];
	unsigned int count;
};

FIXTURE_VARIANT(limit) {
	bool of_namespace;
	enum what what;
	bool makes;		/* mailboxes, else messages */
	int error;
};

FIXTURE_VARIANT_ADD(limit, of_a_user_for_mailboxes) {
	.what = MAILBOXES, .makes = true, .error = EDQUOT,
};

FIXTURE_VARIANT_ADD(limit, of_a_user_for_messages) {
	.what = MSGS, .error = EDQUOT,
};

FIXTURE_VARIANT_ADD(limit, of_a_user_for_bytes_of_mailboxes) {
	.what = BYTES, .makes = true, .error = EDQUOT,
};

FIXTURE_VARIANT_ADD(limit, of_a_user_for_bytes_of_messages) {
	.what = BYTES, .error = EDQUOT,
};

FIXTURE_VARIANT_ADD(limit, of_a_namespace_for_mailboxes) {
	.of_namespace = true, .what = MAILBOXES, .makes = true, .error = ENOSPC,
};

FIXTURE_VARIANT_ADD(limit, of_a_namespace_for_messages) {
	.of_namespace = true, .what = MSGS, .error = ENOSPC,
};

FIXTURE_VARIANT_ADD(limit, of_a_namespace_for_bytes_of_mailboxes) {
	.of_namespace = true, .what = BYTES, .makes = true, .error = ENOSPC,
};

FIXTURE_VARIANT_ADD(limit, of_a_namespace_for_bytes_of_messages) {
	.of_namespace = true, .what = BYTES, .error = ENOSPC,
};

FIXTURE_SETUP(limit)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->user = new_puppet(self->fd, OWNER, OWNER);
	self->box = create(self->fd, public(100));
}

FIXTURE_TEARDOWN(limit)
{
	end_accounts(self->fd);
}

static uint64_t number_at(const struct mbox_usage *usage, size_t offset, size_t size)
{
	uint64_t number = 0;

	memcpy(&number, (const char *)usage + offset, size);
	return number;
}

static uint64_t used_of(const FIXTURE_VARIANT(limit) *variant, struct mbox_usage usage)
{
	return number_at(&usage, limits[variant->of_namespace][variant->what].used,
			 limits[variant->of_namespace][variant->what].size);
}

static uint64_t limit_of(const FIXTURE_VARIANT(limit) *variant, struct mbox_usage usage)
{
	return number_at(&usage, limits[variant->of_namespace][variant->what].limit,
			 limits[variant->of_namespace][variant->what].size);
}

static uint64_t used(FIXTURE_DATA(limit) *self, const FIXTURE_VARIANT(limit) *variant)
{
	return used_of(variant, usage_of(self->fd, OWNER));
}

static void set_limit(const FIXTURE_VARIANT(limit) *variant, uint64_t value)
{
	NEED(!set_tunable(limits[variant->of_namespace][variant->what].name, value));
}

/* One more mailbox, or message. */
static int add_by(FIXTURE_DATA(limit) *self, const FIXTURE_VARIANT(limit) *variant,
		  struct puppet *who)
{
	struct mbox_create attr = public(1);
	int error;

	if (!variant->makes)
		return post_by(who, self->box, "text");
	error = call_by(who, MBOX_IOC_CREATE, &attr);
	if (error)
		return error;
	NEED(self->count < ARRAY_SIZE(self->made));
	self->made[self->count++] = attr.id;
	return 0;
}

static int add(FIXTURE_DATA(limit) *self, const FIXTURE_VARIANT(limit) *variant)
{
	return add_by(self, variant, self->user);
}

/* One less. */
static int take(FIXTURE_DATA(limit) *self, const FIXTURE_VARIANT(limit) *variant)
{
	struct letter letter;

	if (!variant->makes)
		return fetch(self->fd, self->box, &letter);
	NEED(self->count);
	return delete(self->fd, self->made[--self->count]);
}

/* What one takes of the limit. */
static uint64_t cost(FIXTURE_DATA(limit) *self, const FIXTURE_VARIANT(limit) *variant)
{
	uint64_t before = used(self, variant), with;

	NEED(!add(self, variant));
	with = used(self, variant);
	NEED(!take(self, variant));
	NEED(used(self, variant) == before && with > before);
	return with - before;
}

/* Room for so many, less so much. */
static void leave_room(FIXTURE_DATA(limit) *self, const FIXTURE_VARIANT(limit) *variant,
		       unsigned int count, unsigned int less)
{
	uint64_t each = cost(self, variant);

	set_limit(variant, used(self, variant) + count * each - less);
}

TEST_F(limit, is_seen)
{
	const char *name = limits[variant->of_namespace][variant->what].name;

	EXPECT_EQ(tunable(name), limit_of(variant, usage_of(self->fd, OWNER)));
	set_limit(variant, 12345);
	EXPECT_EQ(12345, limit_of(variant, usage_of(self->fd, OWNER)));
	EXPECT_EQ(12345, limit_of(variant, own_usage(self->user)));
}

TEST_F(limit, is_exact)
{
	uint64_t before;
	int i;

	leave_room(self, variant, 3, 0);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, add(self, variant));
	before = used(self, variant);
	EXPECT_EQ(variant->error, add(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
	EXPECT_EQ(before, used(self, variant));
	EXPECT_EQ(0, take(self, variant));
	EXPECT_EQ(0, add(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
	EXPECT_EQ(before, used(self, variant));
}

/* A byte less, or the whole of it, is one less. */
TEST_F(limit, is_exact_to_the_unit)
{
	leave_room(self, variant, 3, 1);
	EXPECT_EQ(0, add(self, variant));
	EXPECT_EQ(0, add(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
}

TEST_F(limit, of_nothing_allows_nothing)
{
	set_limit(variant, 0);
	EXPECT_EQ(variant->error, add(self, variant));
}

TEST_F(limit, leaves_no_trace_of_what_it_refuses)
{
	struct mbox_stat stat = state(self->fd, self->box);
	struct mbox_usage usage, after;
	struct mbox_create attr = public(1);

	set_name(attr.name, "wanted");
	leave_room(self, variant, 0, 0);
	usage = usage_of(self->fd, OWNER);
	EXPECT_EQ(variant->error, add(self, variant));
	if (variant->makes)
		EXPECT_EQ(variant->error, try_create_by(self->user, attr));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, memcmp(&usage, &after, sizeof(usage)));
	EXPECT_EQ(stat.msgs, state(self->fd, self->box).msgs);
	EXPECT_EQ(1, info(self->fd).mailboxes);
	/* The name, for one, is free. */
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_CREATE, &attr));
}

TEST_F(limit, that_is_lowered_takes_nothing_away)
{
	struct mbox_stat stat;
	uint64_t before;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, add(self, variant));
	stat = state(self->fd, self->box);
	before = used(self, variant);
	set_limit(variant, 0);
	EXPECT_EQ(variant->error, add(self, variant));
	EXPECT_EQ(before, used(self, variant));
	EXPECT_TRUE(same_state(stat, state(self->fd, self->box)));
	EXPECT_EQ(0, take(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
	EXPECT_EQ(0, take(self, variant));
	set_limit(variant, before);
	EXPECT_EQ(0, add(self, variant));
	EXPECT_EQ(0, add(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
}

/* Another user, or the same user in another network namespace. */
TEST_F(limit, does_not_disturb_others)
{
	struct puppet *other = new_puppet(self->fd, STRANGER, STRANGER);
	uint64_t box = self->box;

	if (variant->of_namespace) {
		other = new_puppet_after(self->fd, leave_network_namespace);
		NEED(!ask(other, become_owner));
		box = create_by(other, public(100));
	}
	leave_room(self, variant, 1, 0);
	NEED(!add(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
	self->box = box;
	EXPECT_EQ(0, add_by(self, variant, other));
	/* The kernel ends a namespace when it finds time. */
	kill_puppet(other);
	sweep();
	WAIT_UNTIL(pays_nothing(self->fd, OWNER));
}

TEST_F(limit, is_gone_beyond_with_cap_sys_resource)
{
	struct puppet *beyond = new_puppet_after(self->fd, become_owner_beyond_limits);
	uint64_t each = cost(self, variant), before = used(self, variant);

	set_limit(variant, before);
	EXPECT_EQ(variant->error, add(self, variant));
	EXPECT_EQ(0, add_by(self, variant, beyond));
	EXPECT_EQ(0, add_by(self, variant, beyond));
	EXPECT_EQ(before + 2 * each, used(self, variant));
	EXPECT_EQ(variant->error, add(self, variant));
}

/* The initial root is held by none of its own, by capability or not. */
TEST_F(limit, holds_root_without_the_capability_only_in_a_namespace)
{
	struct puppet *root = new_puppet_after(self->fd, respect_limits);
	uint64_t before = used_of(variant, usage_of(self->fd, 0));

	set_limit(variant, 0);
	EXPECT_EQ(variant->of_namespace ? ENOSPC : 0, add_by(self, variant, root));
	EXPECT_EQ(variant->of_namespace, used_of(variant, usage_of(self->fd, 0)) == before);
	EXPECT_EQ(0, add_by(self, variant, myself(self->fd)));
}

/*
 * Who pays for messages, and how long.
 */
FIXTURE(charge) {
	int fd;
	struct puppet *sender;
	struct puppet *owner;
	uint64_t box;
};

FIXTURE_SETUP(charge)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->sender = new_puppet(self->fd, SENDER, SENDER);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->box = create_by(self->owner, public(10));
}

FIXTURE_TEARDOWN(charge)
{
	end_accounts(self->fd);
}

TEST_F(charge, is_the_senders_not_the_owners)
{
	struct mbox_usage before = usage_of(self->fd, OWNER), after, sender;

	EXPECT_EQ(1, before.user_mailboxes);
	EXPECT_EQ(0, before.user_msgs);
	EXPECT_LT(0, before.user_bytes);
	ASSERT_EQ(0, post_by(self->sender, self->box, "four"));
	ASSERT_EQ(0, post_by(self->sender, self->box, ""));
	sender = usage_of(self->fd, SENDER);
	EXPECT_EQ(0, sender.user_mailboxes);
	EXPECT_EQ(2, sender.user_msgs);
	EXPECT_LT(4, sender.user_bytes);
	EXPECT_EQ(2, sender.ns_msgs);
	EXPECT_EQ(before.ns_bytes + sender.user_bytes, sender.ns_bytes);
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(1, after.user_mailboxes);
	EXPECT_EQ(0, after.user_msgs);
	EXPECT_EQ(before.user_bytes, after.user_bytes);
}

TEST_F(charge, covers_payload_and_overhead)
{
	struct mbox_create attr = public(10);
	uint64_t box, empty;

	attr.max_size = 1000;
	attr.max_bytes = 10000;
	box = create(self->fd, attr);
	ASSERT_EQ(0, post_by(self->sender, box, ""));
	empty = usage_of(self->fd, SENDER).user_bytes;
	EXPECT_LT(0, empty);
	ASSERT_EQ(0, send_large_by(self->sender, box, 1000));
	EXPECT_LE(2 * empty + 1000, usage_of(self->fd, SENDER).user_bytes);
}

TEST_F(charge, is_of_the_effective_user)
{
	int fd = device(O_RDWR);

	NEED(!seteuid(STRANGER));
	ASSERT_EQ(0, post(fd, self->box, "text", 0));
	create(fd, public(1));
	NEED(!seteuid(0));
	EXPECT_EQ(1, msgs_of(self->fd, STRANGER));
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_mailboxes);
	EXPECT_EQ(0, msgs_of(self->fd, 0));
}

/* A program that writes to what it was given pays nothing, and lends no privilege. */
TEST_F(charge, is_the_openers_for_what_a_program_of_another_user_writes)
{
	int fd = descriptor_of(SENDER, self->box);

	ASSERT_EQ(0, set_tunable("user_msgs", 1));
	EXPECT_EQ(4, write(fd, "text", 4));
	EXPECT_EQ(1, msgs_of(self->fd, SENDER));
	EXPECT_EQ(0, msgs_of(self->fd, 0));
	EXPECT_EQ(EDQUOT, error_of(write(fd, "text", 4)));
	EXPECT_EQ(0, post(fd, 0, "text", 0));
	EXPECT_EQ(1, msgs_of(self->fd, 0));
	ASSERT_EQ(0, set_tunable("user_msgs", 2));
	ASSERT_EQ(0, set_tunable("ns_msgs", 2));
	EXPECT_EQ(ENOSPC, error_of(write(fd, "text", 4)));
	EXPECT_EQ(1, msgs_of(self->fd, SENDER));
	close(fd);
}

TEST_F(charge, stays_when_a_message_is_put_back_or_looked_at)
{
	struct mbox_recv env;
	struct letter letter;

	ASSERT_EQ(0, post_by(self->sender, self->box, "text"));
	EXPECT_EQ(EFAULT, receive_into(self->fd, self->box, unmapped(), 64, 0, 0, &env));
	EXPECT_EQ(1, msgs_of(self->fd, SENDER));
	EXPECT_EQ(0, receive(self->fd, self->box, MBOX_RECV_PEEK, 0, &letter));
	EXPECT_EQ(1, msgs_of(self->fd, SENDER));
	EXPECT_EQ(EMSGSIZE, receive_into(self->fd, self->box, &env, 1, 0, 0, &env));
	EXPECT_EQ(1, msgs_of(self->fd, SENDER));
	EXPECT_EQ(0, fetch(self->fd, self->box, &letter));
	EXPECT_TRUE(pays_nothing(self->fd, SENDER));
}

TEST_F(charge, is_not_made_for_what_fails)
{
	struct mbox_send how = { .id = self->box, .len = 4, .flags = MBOX_SEND_NONBLOCK };
	struct puppet *sender = self->sender;
	uint64_t full = create(self->fd, public(1));
	struct mbox_create attr = public(1);

	ASSERT_EQ(0, post(self->fd, full, "full", 0));
	how.buf = (uintptr_t)unmapped();
	EXPECT_EQ(EFAULT, call_by(sender, MBOX_IOC_SEND, &how));
	EXPECT_EQ(EAGAIN, post_by(sender, full, "text"));
	how = (struct mbox_send){ .id = full, .flags = MBOX_SEND_TIMEOUT, .deadline = 1 };
	EXPECT_EQ(ETIMEDOUT, send_by(sender, how, "text"));
	how = (struct mbox_send){ .id = self->box, .flags = MBOX_SEND_EXPIRES, .expires = 1 };
	EXPECT_EQ(ETIMEDOUT, send_by(sender, how, "text"));
	set_name(attr.name, "taken");
	create(self->fd, attr);
	EXPECT_EQ(EEXIST, try_create_by(sender, attr));
	EXPECT_TRUE(pays_nothing(self->fd, SENDER));
}

/* Process-owned: it goes with its owner, and so do messages and charges. */
TEST_F(charge, ends_with_the_owner_of_a_process_owned_mailbox)
{
	struct mbox_create attr = public(1);
	uint64_t box;

	attr.flags = MBOX_CREATE_PROCESS;
	attr.mode = 0222;
	box = create_by(self->owner, attr);
	ASSERT_EQ(0, post_by(self->sender, box, "queued"));
	begin_send(self->sender, (struct mbox_send){ .id = box }, "waits");
	WAIT_UNTIL(msgs_of(self->fd, SENDER) == 2);
	EXPECT_EQ(2, usage_of(self->fd, OWNER).user_mailboxes);
	kill_puppet(self->owner);
	EXPECT_EQ(EIDRM, end_act(self->sender));
	WAIT_UNTIL(pays_nothing(self->fd, SENDER));
	/* The other one is an orphan. */
	WAIT_UNTIL(usage_of(self->fd, OWNER).user_mailboxes == 1);
}

TEST_F(charge, of_an_orphan_stays)
{
	struct mbox_usage before = usage_of(self->fd, OWNER), after;

	ASSERT_EQ(0, post_by(self->sender, self->box, "queued"));
	kill_puppet(self->owner);
	ASSERT_EQ(0, post_by(self->sender, self->box, "queued"));
	kill_puppet(self->sender);
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(1, after.user_mailboxes);
	EXPECT_EQ(before.user_bytes, after.user_bytes);
	EXPECT_EQ(2, msgs_of(self->fd, SENDER));
}

TEST_F(charge, for_a_reserved_mailbox_is_all_its_creators)
{
	struct mbox_create attr = public(4);
	struct mbox_usage before = usage_of(self->fd, OWNER), made, after;
	uint64_t box;

	attr.flags = MBOX_CREATE_RESERVE;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	attr.max_size = 1000;
	box = create_by(self->owner, attr);
	made = usage_of(self->fd, OWNER);
	EXPECT_EQ(before.user_mailboxes + 1, made.user_mailboxes);
	EXPECT_LE(before.user_bytes + 4 * 1000, made.user_bytes);
	EXPECT_LE(before.ns_bytes + 4 * 1000, made.ns_bytes);

	ASSERT_EQ(0, post_by(self->sender, box, "text"));
	ASSERT_EQ(0, post_by(self->sender, box, "text"));
	EXPECT_TRUE(pays_nothing(self->fd, SENDER));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, memcmp(&made, &after, sizeof(made)));
	ASSERT_EQ(0, fetch(self->fd, box, &(struct letter){ }));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, memcmp(&made, &after, sizeof(made)));

	ASSERT_EQ(0, delete(self->fd, box));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(made)));
}

TEST_F(charge, for_a_reserved_mailbox_needs_the_quota_of_its_buffers)
{
	struct mbox_usage usage = usage_of(self->fd, OWNER);
	struct mbox_create attr = public(4);
	uint64_t box;

	ASSERT_EQ(0, set_tunable("user_bytes", usage.user_bytes + 100000));
	attr.flags = MBOX_CREATE_RESERVE;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	attr.max_size = 25000;
	EXPECT_EQ(EDQUOT, try_create_by(self->owner, attr));
	EXPECT_EQ(usage.user_bytes, usage_of(self->fd, OWNER).user_bytes);
	attr.max_msgs = 3;
	box = create_by(self->owner, attr);
	/* And sending to it needs none. */
	ASSERT_EQ(0, set_tunable("user_msgs", 0));
	ASSERT_EQ(0, set_tunable("user_bytes", 0));
	EXPECT_EQ(EDQUOT, post_by(self->sender, self->box, "text"));
	EXPECT_EQ(0, post_by(self->sender, box, "text"));
}

static void expect_no_wait(struct __test_metadata *_metadata, struct puppet *sender,
			   uint64_t box, int error)
{
	EXPECT_EQ(error, send_by(sender, (struct mbox_send){ .id = box }, "text"));
	EXPECT_EQ(error, send_by(sender, (struct mbox_send){
		.id = box, .flags = MBOX_SEND_SYNC }, "text"));
	EXPECT_EQ(error, post_by(sender, box, "text"));
}

/* Room in the mailbox would not help, so there is nothing to wait for. */
TEST_F(charge, that_is_refused_does_not_wait)
{
	static const struct {
		const char *name;
		int error;
	} tunables[] = {
		{ "user_msgs", EDQUOT }, { "user_bytes", EDQUOT },
		{ "ns_msgs", ENOSPC }, { "ns_bytes", ENOSPC },
	};
	struct mbox_create unbounded = public(1);
	uint64_t boxes[3];
	unsigned int i, box;

	unbounded.max_msgs = MBOX_UNBOUNDED;
	unbounded.max_bytes = MBOX_UNBOUNDED_BYTES;
	boxes[0] = create(self->fd, unbounded);
	boxes[1] = create(self->fd, (struct mbox_create){ .max_size = 64, .mode = 0666 });
	boxes[2] = create(self->fd, public(1));
	ASSERT_EQ(0, post(self->fd, boxes[2], "full", 0));
	for (i = 0; i < ARRAY_SIZE(tunables); i++) {
		ASSERT_EQ(0, set_tunable(tunables[i].name, 0));
		for (box = 0; box < ARRAY_SIZE(boxes); box++)
			expect_no_wait(_metadata, self->sender, boxes[box], tunables[i].error);
		reset_tunables();
	}
}

TEST_F(charge, that_both_refuse_is_the_users)
{
	ASSERT_EQ(0, set_tunable("user_msgs", 0));
	ASSERT_EQ(0, set_tunable("ns_msgs", 0));
	EXPECT_EQ(EDQUOT, post_by(self->sender, self->box, "text"));
	ASSERT_EQ(0, set_tunable("user_msgs", 1));
	EXPECT_EQ(ENOSPC, post_by(self->sender, self->box, "text"));
	EXPECT_TRUE(pays_nothing(self->fd, SENDER));
	ASSERT_EQ(0, set_tunable("ns_msgs", 1));
	EXPECT_EQ(0, post_by(self->sender, self->box, "text"));
}

/* A quota is the last thing that is wrong with a call. */
TEST_F(charge, comes_after_all_that_is_wrong_with_the_call)
{
	struct mbox_send how = { .id = self->box, .prio = MBOX_PRIO_MAX + 1 };
	char text[66] = "";

	ASSERT_EQ(0, set_tunable("user_msgs", 0));
	memset(text, 'x', 65);
	EXPECT_EQ(EINVAL, send_by(self->sender, how, "text"));
	EXPECT_EQ(ENOENT, post_by(self->sender, self->box + 1, "text"));
	EXPECT_EQ(EMSGSIZE, post_by(self->sender, self->box, text));
	NEED(!chmod_by(self->owner, self->box, 0));
	EXPECT_EQ(EACCES, post_by(self->sender, self->box, "text"));
}

/*
 * Three messages, and how they go.
 */
FIXTURE(dropped) {
	int fd;
	struct puppet *sender;
	uint64_t box;
};

FIXTURE_VARIANT(dropped) {
	void (*drop)(int fd, uint64_t box);
	bool expire;
};

static void drop_by_receiving(int fd, uint64_t box)
{
	struct letter letter;

	NEED(!fetch(fd, box, &letter) && !fetch(fd, box, &letter) && !fetch(fd, box, &letter));
}

static void drop_by_reading(int fd, uint64_t box)
{
	int bound = descriptor(box, O_RDWR);
	char text[64];

	(void)fd;
	NEED(read(bound, text, 64) == 5 && read(bound, text, 64) == 6);
	NEED(read(bound, text, 64) == 5);
	close(bound);
}

static void drop_by_truncating(int fd, uint64_t box)
{
	struct mbox_recv env;
	char byte;
	int i;

	for (i = 0; i < 3; i++)
		NEED(!receive_into(fd, box, &byte, 1, MBOX_RECV_TRUNCATE, 0, &env));
}

static void drop_by_choosing(int fd, uint64_t box)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_CHOICE, .ids = (uintptr_t)&box, .nr_ids = 1,
	};
	struct letter letter;
	int i;

	for (i = 0; i < 3; i++)
		NEED(!receive_as(fd, how, &letter));
}

static void drop_by_deleting(int fd, uint64_t box)
{
	NEED(!delete(fd, box));
}

static void drop_by_expiry(int fd, uint64_t box)
{
	WAIT_UNTIL(state(fd, box).expired == 3);
}

FIXTURE_VARIANT_ADD(dropped, received) {
	.drop = drop_by_receiving,
};

FIXTURE_VARIANT_ADD(dropped, read) {
	.drop = drop_by_reading,
};

FIXTURE_VARIANT_ADD(dropped, truncated) {
	.drop = drop_by_truncating,
};

FIXTURE_VARIANT_ADD(dropped, chosen) {
	.drop = drop_by_choosing,
};

FIXTURE_VARIANT_ADD(dropped, deleted) {
	.drop = drop_by_deleting,
};

FIXTURE_VARIANT_ADD(dropped, expired) {
	.drop = drop_by_expiry, .expire = true,
};

FIXTURE_SETUP(dropped)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->sender = new_puppet(self->fd, SENDER, SENDER);
	self->box = create(self->fd, public(3));
}

FIXTURE_TEARDOWN(dropped)
{
	end_accounts(self->fd);
}

TEST_F(dropped, messages_cost_nothing_more)
{
	static const char *const texts[] = { "first", "second", "third" };
	struct mbox_usage empty = usage_of(self->fd, SENDER), after;
	int i;

	ASSERT_EQ(0, set_tunable("user_msgs", 3));
	for (i = 0; i < 3; i++) {
		struct mbox_send how = { .id = self->box };

		if (variant->expire) {
			how.flags = MBOX_SEND_EXPIRES;
			how.expires = now() + 500 * MSEC;
		}
		ASSERT_EQ(0, send_by(self->sender, how, texts[i]));
	}
	if (!variant->expire)
		EXPECT_EQ(EDQUOT, post_by(self->sender, self->box, "fourth"));
	variant->drop(self->fd, self->box);
	/* What expires is counted first and freed then. */
	WAIT_UNTIL(pays_nothing(self->fd, SENDER));
	after = usage_of(self->fd, SENDER);
	EXPECT_EQ(0, after.ns_msgs);
	if (after.ns_mailboxes) {
		EXPECT_EQ(empty.ns_bytes, after.ns_bytes);
		EXPECT_EQ(0, post_by(self->sender, self->box, "fourth"));
	}
}

/*
 * A sender that waits, and how that ends.
 */
FIXTURE(waiting) {
	int fd;
	struct puppet *sender;
	uint64_t box;
};

FIXTURE_VARIANT(waiting) {
	int (*end)(FIXTURE_DATA(waiting) *self);
	uint64_t flags;
	int error;
};

static int end_by_itself(FIXTURE_DATA(waiting) *self)
{
	return end_act(self->sender);
}

static int end_by_signal(FIXTURE_DATA(waiting) *self)
{
	NEED(!kill(self->sender->pid, SIGUSR1));
	return end_act(self->sender);
}

static int end_by_death(FIXTURE_DATA(waiting) *self)
{
	return kill_puppet(self->sender);
}

static int end_by_receipt(FIXTURE_DATA(waiting) *self)
{
	struct letter letter;

	/* It is paid for before it is there. */
	WAIT_UNTIL(!fetch(self->fd, self->box, &letter) && !strcmp(letter.text, "waits"));
	return end_act(self->sender);
}

static int end_by_deletion(FIXTURE_DATA(waiting) *self)
{
	NEED(!delete(self->fd, self->box));
	return end_act(self->sender);
}

static int end_by_loss_of_the_right(FIXTURE_DATA(waiting) *self)
{
	NEED(!chmod_by(myself(self->fd), self->box, 0600));
	return end_act(self->sender);
}

FIXTURE_VARIANT_ADD(waiting, until_a_deadline) {
	.end = end_by_itself, .flags = MBOX_SEND_TIMEOUT, .error = ETIMEDOUT,
};

FIXTURE_VARIANT_ADD(waiting, until_the_message_expires) {
	.end = end_by_itself, .flags = MBOX_SEND_EXPIRES, .error = ETIMEDOUT,
};

FIXTURE_VARIANT_ADD(waiting, until_a_signal) {
	.end = end_by_signal, .error = EINTR,
};

FIXTURE_VARIANT_ADD(waiting, until_it_is_killed) {
	.end = end_by_death, .error = -SIGKILL,
};

FIXTURE_VARIANT_ADD(waiting, until_the_message_is_received) {
	.end = end_by_receipt, .error = 0,
};

FIXTURE_VARIANT_ADD(waiting, until_the_mailbox_is_deleted) {
	.end = end_by_deletion, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(waiting, until_it_loses_the_right) {
	.end = end_by_loss_of_the_right, .error = EKEYREVOKED,
};

static int take_interrupts(struct puppet *me)
{
	(void)me;
	take_signals(0);
	return 0;
}

FIXTURE_SETUP(waiting)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->sender = new_puppet(self->fd, SENDER, SENDER);
	NEED(!ask(self->sender, take_interrupts));
}

FIXTURE_TEARDOWN(waiting)
{
	end_accounts(self->fd);
}

static void try_waiting(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) *self,
			const FIXTURE_VARIANT(waiting) *variant, uint64_t flags)
{
	struct mbox_send how = { .id = self->box, .flags = flags | variant->flags };
	bool timed = variant->flags;
	struct mbox_usage usage;

	how.deadline = how.expires = now() + 500 * MSEC;
	begin_send(self->sender, how, "waits");
	/* What is timed may be over before we look. */
	WAIT_UNTIL(msgs_of(self->fd, SENDER) == 1 || (timed && is_done(self->sender)));
	usage = usage_of(self->fd, SENDER);
	EXPECT_TRUE(timed || usage.user_bytes > 5);
	EXPECT_EQ(variant->error, variant->end(self));
	WAIT_UNTIL(pays_nothing(self->fd, SENDER));
}

TEST_F(waiting, for_room_counts)
{
	self->box = create(self->fd, public(1));
	ASSERT_EQ(0, post(self->fd, self->box, "full", 0));
	try_waiting(_metadata, self, variant, 0);
}

TEST_F(waiting, for_a_receiver_counts)
{
	self->box = create(self->fd, public(1));
	try_waiting(_metadata, self, variant, MBOX_SEND_SYNC);
}

TEST_F(waiting, at_a_rendezvous_counts)
{
	self->box = create(self->fd, (struct mbox_create){ .max_size = 64, .mode = 0666 });
	try_waiting(_metadata, self, variant, 0);
}

/*
 * A mailbox with two messages of SENDER passes from OWNER to STRANGER.
 */
FIXTURE(move) {
	int fd;
	struct puppet *owner;
	struct puppet *heir;
	struct puppet *agent;	/* root, held by limits */
	uint64_t box;
	uint64_t post;		/* through which offers travel */
	bool ready;
};

FIXTURE_VARIANT(move) {
	int (*move)(FIXTURE_DATA(move) *self);
};

static int move_by_transfer(FIXTURE_DATA(move) *self)
{
	return transfer_by(self->agent, self->box, self->heir->pid, 0);
}

static int move_by_offer(FIXTURE_DATA(move) *self)
{
	if (!self->ready)
		NEED(!offer_by(self->owner, self->box, self->heir->pid, 0));
	self->ready = true;
	return accept_by(self->heir, self->box);
}

static int move_by_message(FIXTURE_DATA(move) *self)
{
	struct mbox_send offer = {
		.flags = MBOX_SEND_OFFER, .id = self->post, .offer = self->box,
	};
	struct mbox_recv how = {
		.flags = MBOX_RECV_NONBLOCK | MBOX_RECV_ACCEPT, .id = self->post,
	};

	if (!self->ready)
		NEED(!send_by(self->owner, offer, "yours"));
	self->ready = true;
	return recv_by(self->heir, how);
}

static int move_by_claim(FIXTURE_DATA(move) *self)
{
	if (!self->ready)
		NEED(kill_puppet(self->owner) == -SIGKILL);
	self->ready = true;
	return claim_by(self->heir, self->box);
}

static int move_by_chown(FIXTURE_DATA(move) *self)
{
	uid_t uid = own_usage(self->heir).uid;

	return chown_by(self->agent, self->box, uid, uid);
}

FIXTURE_VARIANT_ADD(move, by_transfer) {
	.move = move_by_transfer,
};

FIXTURE_VARIANT_ADD(move, by_offer) {
	.move = move_by_offer,
};

FIXTURE_VARIANT_ADD(move, by_message) {
	.move = move_by_message,
};

FIXTURE_VARIANT_ADD(move, by_claim) {
	.move = move_by_claim,
};

FIXTURE_VARIANT_ADD(move, by_chown) {
	.move = move_by_chown,
};

/* Whoever claims from another user has to be privileged, but not beyond limits. */
static int become_heir(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, 1ULL << CAP_IPC_OWNER);
	return 0;
}

FIXTURE_SETUP(move)
{
	struct puppet *sender;

	begin_accounts();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->heir = new_puppet_after(self->fd, become_heir);
	self->agent = new_puppet_after(self->fd, respect_limits);
	self->post = create(self->fd, public(1));
	self->box = create_by(self->owner, public(2));
	sender = new_puppet(self->fd, SENDER, SENDER);
	NEED(!post_by(sender, self->box, "first") && !post_by(sender, self->box, "second"));
	kill_puppet(sender);
}

FIXTURE_TEARDOWN(move)
{
	end_accounts(self->fd);
}

TEST_F(move, takes_the_charge_along_and_leaves_the_senders_theirs)
{
	struct mbox_usage owner = usage_of(self->fd, OWNER), sender = usage_of(self->fd, SENDER);
	struct mbox_usage heir, after;

	EXPECT_EQ(1, owner.user_mailboxes);
	EXPECT_EQ(2, sender.user_msgs);
	ASSERT_EQ(0, variant->move(self));
	EXPECT_TRUE(pays_nothing(self->fd, OWNER));
	heir = usage_of(self->fd, STRANGER);
	EXPECT_EQ(1, heir.user_mailboxes);
	EXPECT_EQ(owner.user_bytes, heir.user_bytes);
	EXPECT_EQ(0, heir.user_msgs);
	after = usage_of(self->fd, SENDER);
	EXPECT_EQ(0, memcmp(&sender, &after, sizeof(sender)));
	EXPECT_EQ(STRANGER, state(self->fd, self->box).uid);
	EXPECT_EQ(2, state(self->fd, self->box).msgs);
	ASSERT_EQ(0, delete(self->fd, self->box));
	EXPECT_TRUE(pays_nothing(self->fd, STRANGER));
}

/* The same, but the heir has not the quota for it. */
static void expect_refusal(struct __test_metadata *_metadata, FIXTURE_DATA(move) *self,
			   const FIXTURE_VARIANT(move) *variant)
{
	struct mbox_usage owner, heir, after;
	struct mbox_stat stat;

	EXPECT_EQ(EDQUOT, variant->move(self));
	owner = usage_of(self->fd, OWNER);
	heir = usage_of(self->fd, STRANGER);
	stat = state(self->fd, self->box);
	EXPECT_EQ(OWNER, stat.uid);
	EXPECT_EQ(variant->move == move_by_claim ? 0 : self->owner->pid, stat.pid);
	EXPECT_EQ(1, owner.user_mailboxes);
	EXPECT_EQ(EDQUOT, variant->move(self));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, memcmp(&owner, &after, sizeof(owner)));
	after = usage_of(self->fd, STRANGER);
	EXPECT_EQ(0, memcmp(&heir, &after, sizeof(heir)));
	EXPECT_TRUE(same_state(stat, state(self->fd, self->box)));
}

TEST_F(move, fails_if_the_heir_has_as_many_mailboxes_as_it_may)
{
	uint64_t other = create_by(self->heir, public(1));

	ASSERT_EQ(0, set_tunable("user_mailboxes", 1));
	expect_refusal(_metadata, self, variant);
	ASSERT_EQ(0, delete_by(self->heir, other));
	EXPECT_EQ(0, variant->move(self));
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_mailboxes);
	EXPECT_EQ(0, usage_of(self->fd, OWNER).user_mailboxes);
}

TEST_F(move, fails_if_the_heir_has_as_many_bytes_as_it_may)
{
	uint64_t bytes = usage_of(self->fd, OWNER).user_bytes;

	create_by(self->heir, public(2));
	ASSERT_EQ(0, set_tunable("user_bytes", 2 * bytes - 1));
	expect_refusal(_metadata, self, variant);
	ASSERT_EQ(0, set_tunable("user_bytes", 2 * bytes));
	EXPECT_EQ(0, variant->move(self));
	EXPECT_EQ(2 * bytes, usage_of(self->fd, STRANGER).user_bytes);
}

TEST_F(move, within_one_user_needs_no_quota)
{
	struct mbox_usage before = usage_of(self->fd, OWNER);

	self->heir = new_puppet(self->fd, OWNER, OWNER);
	ASSERT_EQ(0, set_tunable("user_mailboxes", 1));
	if (variant->move != move_by_message)
		ASSERT_EQ(0, set_tunable("user_bytes", before.user_bytes));
	EXPECT_EQ(0, variant->move(self));
	EXPECT_EQ(1, usage_of(self->fd, OWNER).user_mailboxes);
	EXPECT_EQ(before.user_bytes, usage_of(self->fd, OWNER).user_bytes);
}

static int become_heir_beyond_limits(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, 1ULL << CAP_IPC_OWNER | 1ULL << CAP_SYS_RESOURCE);
	return 0;
}

TEST_F(move, goes_beyond_limits_with_cap_sys_resource)
{
	self->agent = new_puppet(self->fd, 0, 0);
	self->heir = new_puppet_after(self->fd, become_heir_beyond_limits);
	ASSERT_EQ(0, set_tunable("user_mailboxes", 0));
	EXPECT_EQ(0, variant->move(self));
	EXPECT_EQ(0, usage_of(self->fd, OWNER).user_mailboxes);
	EXPECT_EQ(1, usage_of(self->fd, STRANGER).user_mailboxes);
}

/* A set-user-ID program does not pay for what it did not ask for. */
static int be_stranger_effectively(struct puppet *me)
{
	(void)me;
	NEED(!setresgid(OWNER, STRANGER, STRANGER) && !setresuid(OWNER, STRANGER, STRANGER));
	return 0;
}

TEST(a_transfer_is_charged_to_the_real_user)
{
	struct puppet *heir;
	uint64_t box;
	int fd;

	begin_accounts();
	fd = device(O_RDWR);
	heir = new_puppet_after(fd, be_stranger_effectively);
	box = create(fd, public(1));
	EXPECT_EQ(0, transfer_by(myself(fd), box, heir->pid, 0));
	EXPECT_EQ(OWNER, state(fd, box).uid);
	EXPECT_EQ(1, usage_of(fd, OWNER).user_mailboxes);
	EXPECT_TRUE(pays_nothing(fd, STRANGER));
	EXPECT_EQ(0, usage_of(fd, 0).user_mailboxes);
	end_accounts(fd);
}

/*
 * One user who makes user namespaces to have more. Each place is a process so
 * deep in user namespaces of its own.
 */
#define PLACES	4

FIXTURE(nested) {
	int fd;
	struct puppet *places[PLACES];
	uint64_t boxes[PLACES];
};

FIXTURE_VARIANT(nested) {
	unsigned int depths[PLACES];
	bool net;
};

FIXTURE_VARIANT_ADD(nested, in_one_another) {
	.depths = { 0, 1, 2, 3 },
};

FIXTURE_VARIANT_ADD(nested, beside_one_another) {
	.depths = { 1, 1, 1, 1 },
};

FIXTURE_VARIANT_ADD(nested, in_one_another_with_network_namespaces) {
	.depths = { 0, 1, 2, 3 }, .net = true,
};

FIXTURE_VARIANT_ADD(nested, beside_one_another_with_network_namespaces) {
	.depths = { 1, 1, 1, 1 }, .net = true,
};

FIXTURE_SETUP(nested)
{
	unsigned int i, depth;

	begin_accounts();
	self->fd = device(O_RDWR);
	for (i = 0; i < PLACES; i++) {
		self->places[i] = new_puppet(self->fd, OWNER, OWNER);
		for (depth = 0; depth < variant->depths[i]; depth++)
			NEED(!ask(self->places[i], enter_user_namespace));
		if (depth && variant->net)
			NEED(!ask(self->places[i], leave_network_namespace));
	}
}

FIXTURE_TEARDOWN(nested)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		kill_puppet(self->places[i]);
	sweep();
	/* The kernel ends a namespace when it finds time. */
	WAIT_UNTIL(pays_nothing(self->fd, OWNER));
	end_accounts(self->fd);
}

TEST_F(nested, namespaces_do_not_multiply_mailboxes)
{
	struct mbox_usage usage;
	unsigned int i;

	ASSERT_EQ(0, set_tunable("user_mailboxes", PLACES - 1));
	for (i = 0; i < PLACES - 1; i++) {
		self->boxes[i] = create_by(self->places[i], public(1));
		EXPECT_EQ(i + 1, usage_of(self->fd, OWNER).user_mailboxes);
		usage = own_usage(self->places[i]);
		EXPECT_EQ(variant->depths[i] ? 1 : i + 1, usage.user_mailboxes);
	}
	EXPECT_EQ(EDQUOT, try_create_by(self->places[i], public(1)));
	EXPECT_EQ(EDQUOT, try_create_by(self->places[0], public(1)));
	EXPECT_EQ(0, own_usage(self->places[i]).user_mailboxes);
	EXPECT_EQ(PLACES - 1, usage_of(self->fd, OWNER).user_mailboxes);
	ASSERT_EQ(0, delete_by(self->places[1], self->boxes[1]));
	EXPECT_EQ(0, try_create_by(self->places[i], public(1)));
	EXPECT_EQ(EDQUOT, try_create_by(self->places[1], public(1)));
}

TEST_F(nested, namespaces_do_not_multiply_messages)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		self->boxes[i] = create_by(self->places[i], public(2));
	ASSERT_EQ(0, set_tunable("user_msgs", PLACES - 1));
	for (i = 0; i < PLACES - 1; i++) {
		EXPECT_EQ(0, post_by(self->places[i], self->boxes[i], "text"));
		EXPECT_EQ(i + 1, msgs_of(self->fd, OWNER));
	}
	EXPECT_EQ(EDQUOT, post_by(self->places[i], self->boxes[i], "text"));
	EXPECT_EQ(0, own_usage(self->places[i]).user_msgs);
	EXPECT_EQ(EDQUOT, post_by(self->places[0], self->boxes[0], "text"));
	EXPECT_EQ(PLACES - 1, msgs_of(self->fd, OWNER));
	ASSERT_EQ(0, fetch_by(self->places[1], self->boxes[1]));
	EXPECT_EQ(0, post_by(self->places[i], self->boxes[i], "text"));
	EXPECT_EQ(EDQUOT, post_by(self->places[1], self->boxes[1], "text"));
}

TEST_F(nested, namespaces_do_not_multiply_bytes)
{
	uint64_t before, each;
	unsigned int i;

	for (i = 0; i < PLACES; i++)
		self->boxes[i] = create_by(self->places[i], public(2));
	before = usage_of(self->fd, OWNER).user_bytes;
	NEED(!post_by(self->places[0], self->boxes[0], "text"));
	each = usage_of(self->fd, OWNER).user_bytes - before;
	NEED(!fetch_by(self->places[0], self->boxes[0]));
	ASSERT_EQ(0, set_tunable("user_bytes", before + PLACES * each - 1));
	for (i = 0; i < PLACES - 1; i++)
		EXPECT_EQ(0, post_by(self->places[i], self->boxes[i], "text"));
	EXPECT_EQ(EDQUOT, post_by(self->places[i], self->boxes[i], "text"));
	ASSERT_EQ(0, set_tunable("user_bytes", before + PLACES * each));
	EXPECT_EQ(0, post_by(self->places[i], self->boxes[i], "text"));
	EXPECT_EQ(before + PLACES * each, usage_of(self->fd, OWNER).user_bytes);
}

TEST(a_mailbox_that_moves_between_namespaces_of_one_user_needs_no_quota)
{
	struct puppet *outer, *inner;
	uint64_t box;
	int fd;

	begin_accounts();
	fd = device(O_RDWR);
	outer = new_puppet(fd, OWNER, OWNER);
	inner = new_puppet(fd, OWNER, OWNER);
	NEED(!ask(inner, enter_user_namespace));
	box = create_by(outer, public(1));
	ASSERT_EQ(0, set_tunable("user_mailboxes", 1));
	NEED(!offer_by(outer, box, inner->pid, 0));
	EXPECT_EQ(0, accept_by(inner, box));
	EXPECT_EQ(1, usage_of(fd, OWNER).user_mailboxes);
	EXPECT_EQ(1, own_usage(inner).user_mailboxes);
	NEED(!offer_by(inner, box, outer->pid, 0));
	EXPECT_EQ(0, accept_by(outer, box));
	EXPECT_EQ(1, usage_of(fd, OWNER).user_mailboxes);
	EXPECT_EQ(0, own_usage(inner).user_mailboxes);
	end_accounts(fd);
}

/*
 * A user namespace with several users, made by root or by a user.
 */
FIXTURE(several) {
	int fd;
	struct puppet *makers[3];
};

FIXTURE_VARIANT(several) {
	uid_t maker;
	bool together;	/* do they share one quota? */
};

FIXTURE_VARIANT_ADD(several, in_a_namespace_of_root) {
	.maker = 0, .together = false,
};

FIXTURE_VARIANT_ADD(several, in_a_namespace_of_a_user) {
	.maker = OWNER, .together = true,
};

static int unshare_user_namespace(struct puppet *me)
{
	(void)me;
	NEED(!unshare(CLONE_NEWUSER));
	return error_of(prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static int join_user_namespace(struct puppet *me)
{
	char path[32];
	int ns;

	memcpy(path, me->text, sizeof(path));
	ns = open(path, O_RDONLY | O_CLOEXEC);
	NEED(ns >= 0);
	return error_of(setns(ns, CLONE_NEWUSER));
}

static int become_inner_user(struct puppet *me)
{
	uid_t uid;

	memcpy(&uid, me->text, sizeof(uid));
	NEED(!setresgid(uid, uid, uid) && !setresuid(uid, uid, uid));
	return error_of(prctl(PR_SET_PDEATHSIG, SIGKILL));
}

/* Users 0 to 9 of it are 100000 to 100009, but for root, who is its maker. */
static void map_users(pid_t pid, uid_t maker)
{
	char path[32], map[64];
	const char *file;

	snprintf(map, sizeof(map), "0 %u 1\n1 100001 9\n", maker);
	for (file = "uid_map"; file; file = *file == 'u' ? "gid_map" : NULL) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
		NEED(!put_file(path, map));
	}
}

FIXTURE_SETUP(several)
{
	uid_t uid;

	begin_accounts();
	self->fd = device(O_RDWR);
	self->makers[0] = new_puppet(self->fd, variant->maker, variant->maker);
	NEED(!ask(self->makers[0], unshare_user_namespace));
	map_users(self->makers[0]->pid, variant->maker);
	for (uid = 1; uid < 3; uid++) {
		struct puppet *puppet = new_puppet(self->fd, 0, 0);

		snprintf(puppet->text, sizeof(puppet->text), "/proc/%d/ns/user",
			 self->makers[0]->pid);
		NEED(!ask(puppet, join_user_namespace));
		memcpy(puppet->text, &uid, sizeof(uid));
		NEED(!ask(puppet, become_inner_user));
		self->makers[uid] = puppet;
	}
}

FIXTURE_TEARDOWN(several)
{
	end_accounts(self->fd);
}

TEST_F(several, users_pay_for_themselves_unless_a_user_answers_for_them)
{
	struct mbox_usage maker;

	ASSERT_EQ(0, set_tunable("user_mailboxes", 2));
	create_by(self->makers[1], public(1));
	create_by(self->makers[2], public(1));
	EXPECT_EQ(1, own_usage(self->makers[1]).user_mailboxes);
	EXPECT_EQ(1, own_usage(self->makers[2]).user_mailboxes);
	maker = usage_of(self->fd, variant->maker);
	EXPECT_EQ(variant->together ? 2 : 0, maker.user_mailboxes);
	EXPECT_EQ(variant->together ? EDQUOT : 0, try_create_by(self->makers[1], public(1)));
	EXPECT_EQ(variant->together ? EDQUOT : 0, try_create_by(self->makers[2], public(1)));
	/* Each of them is held by itself, too. */
	EXPECT_EQ(EDQUOT, try_create_by(self->makers[1], public(1)));
}

/* The same number outside is somebody else. */
TEST_F(several, users_are_not_those_of_the_same_number_outside)
{
	struct mbox_usage usage;

	create_by(self->makers[1], public(1));
	usage = usage_of(self->fd, 100001);
	EXPECT_EQ(0, usage.user_mailboxes);
	usage = usage_of(self->fd, 1);
	EXPECT_EQ(0, usage.user_mailboxes);
}

/* Of a mailbox, likewise. */
TEST_F(several, users_have_shares_of_their_own_unless_a_user_answers_for_them)
{
	struct mbox_create attr = public(4);
	struct mbox_stat stat;
	uint64_t box;

	attr.share = 50;
	box = create(self->fd, attr);
	EXPECT_EQ(0, post_by(self->makers[1], box, "text"));
	EXPECT_EQ(0, post_by(self->makers[1], box, "text"));
	EXPECT_EQ(EXFULL, post_by(self->makers[1], box, "text"));
	EXPECT_EQ(variant->together ? EXFULL : 0, post_by(self->makers[2], box, "text"));
	NEED(!stat_by(self->makers[2], box, &stat));
	EXPECT_EQ(variant->together ? 2 : 1, stat.user_msgs);
}

/* In a network namespace of one's own its limits can be gone beyond, not one's own. */
TEST(root_of_a_user_namespace_goes_beyond_the_limits_of_its_network_namespaces)
{
	struct puppet *root;
	uint64_t box;
	int fd;

	begin_accounts();
	fd = device(O_RDWR);
	root = new_puppet(fd, OWNER, OWNER);
	NEED(!ask(root, enter_user_namespace));
	ASSERT_EQ(0, set_tunable("ns_mailboxes", 0));
	ASSERT_EQ(0, set_tunable("ns_msgs", 0));
	ASSERT_EQ(0, set_tunable("ns_bytes", 0));
	EXPECT_EQ(ENOSPC, try_create_by(root, public(1)));
	NEED(!ask(root, leave_network_namespace));
	box = create_by(root, public(10));
	EXPECT_EQ(0, post_by(root, box, "text"));
	NEED(!ask(root, respect_limits));
	EXPECT_EQ(ENOSPC, try_create_by(root, public(1)));
	EXPECT_EQ(ENOSPC, post_by(root, box, "text"));
	kill_puppet(root);
	WAIT_UNTIL(pays_nothing(fd, OWNER));
	end_accounts(fd);
}

/*
 * Who sees what.
 */
FIXTURE(usage) {
	int fd;
	struct puppet *user;
};

FIXTURE_SETUP(usage)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->user = new_puppet(self->fd, OWNER, OWNER);
	create_by(self->user, public(1));
}

FIXTURE_TEARDOWN(usage)
{
	end_accounts(self->fd);
}

static int usage_by(struct puppet *puppet, uint64_t flags, uint32_t uid, struct mbox_usage *usage)
{
	memset(usage, POISON, sizeof(*usage));
	usage->flags = flags;
	usage->uid = uid;
	return call_by(puppet, MBOX_IOC_USAGE, usage);
}

TEST_F(usage, of_oneself_is_everybodys_to_see)
{
	struct mbox_usage usage, expected;

	EXPECT_EQ(0, usage_by(self->user, 0, 4321, &usage));
	expected = (struct mbox_usage){
		.uid = OWNER,
		.default_share = tunable("default_share"),
		.user_bytes = usage.user_bytes,
		.user_bytes_limit = tunable("user_bytes"),
		.user_mailboxes = 1,
		.user_mailboxes_limit = tunable("user_mailboxes"),
		.user_msgs = 0,
		.user_msgs_limit = tunable("user_msgs"),
		.ns_bytes = usage.user_bytes,
		.ns_bytes_limit = tunable("ns_bytes"),
		.ns_mailboxes = 1,
		.ns_mailboxes_limit = tunable("ns_mailboxes"),
		.ns_msgs = 0,
		.ns_msgs_limit = tunable("ns_msgs"),
		.limit_grants = tunable("max_grants"),
		.user_files_limit = tunable("user_files"),
		.ns_files_limit = tunable("ns_files"),
		.user_listeners_limit = tunable("user_listeners"),
		.ns_listeners_limit = tunable("ns_listeners"),
	};
	EXPECT_EQ(0, memcmp(&expected, &usage, sizeof(usage)));
	EXPECT_LT(0, usage.user_bytes);
	EXPECT_EQ(0, usage_by(self->user, MBOX_USAGE_UID, OWNER, &usage));
	expected.flags = MBOX_USAGE_UID;
	EXPECT_EQ(0, memcmp(&expected, &usage, sizeof(usage)));
}

TEST_F(usage, of_others_takes_cap_sys_resource)
{
	struct puppet *stranger = new_puppet(self->fd, STRANGER, STRANGER);
	struct puppet *root = new_puppet_after(self->fd, respect_limits);
	struct puppet *privileged = new_puppet_after(self->fd, become_owner_beyond_limits);
	struct mbox_usage usage;

	EXPECT_EQ(EACCES, usage_by(stranger, MBOX_USAGE_UID, OWNER, &usage));
	EXPECT_EQ(EACCES, usage_by(stranger, MBOX_USAGE_UID, 0, &usage));
	EXPECT_EQ(EACCES, usage_by(root, MBOX_USAGE_UID, OWNER, &usage));
	EXPECT_EQ(0, usage_by(root, MBOX_USAGE_UID, 0, &usage));
	EXPECT_EQ(0, usage_by(privileged, MBOX_USAGE_UID, STRANGER, &usage));
	EXPECT_EQ(STRANGER, usage.uid);
	EXPECT_EQ(0, usage.user_mailboxes);
	EXPECT_EQ(0, usage_by(privileged, MBOX_USAGE_UID, 0, &usage));
	EXPECT_EQ(0, usage.user_mailboxes);
	EXPECT_EQ(1, usage.ns_mailboxes);
}

TEST_F(usage, is_of_users_that_exist_in_the_callers_user_namespace)
{
	struct mbox_usage usage;

	EXPECT_EQ(EINVAL, try_usage(self->fd, MBOX_USAGE_UID, UINT32_MAX, &usage));
	EXPECT_EQ(EINVAL, try_usage(self->fd, 1ULL << 1, 0, &usage));
	NEED(!ask(self->user, enter_user_namespace));
	EXPECT_EQ(EINVAL, usage_by(self->user, MBOX_USAGE_UID, OWNER, &usage));
	EXPECT_EQ(0, usage_by(self->user, MBOX_USAGE_UID, 0, &usage));
	/* What it had outside is not seen from the inside. */
	EXPECT_EQ(0, usage.uid);
	EXPECT_EQ(0, usage.user_mailboxes);
	EXPECT_EQ(1, usage.ns_mailboxes);
}

TEST_HARNESS_MAIN
