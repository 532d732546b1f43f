// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registry: ids and names, binding a descriptor by either, listing, the
 * limit, and that all of it belongs to one network namespace.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

FIXTURE(registry) {
	int fd;
	long long limit;
};

FIXTURE_SETUP(registry)
{
	begin();
	self->limit = tunable("ns_mailboxes");
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(registry)
{
	NEED(!set_tunable("ns_mailboxes", self->limit));
	sweep();
}

static struct mbox_create named(const char *name)
{
	struct mbox_create attr = attributes(2, 16);

	set_name(attr.name, name);
	return attr;
}

static int try_create(int fd, struct mbox_create attr)
{
	return call(fd, MBOX_IOC_CREATE, &attr);
}

/* Everything that can be opened; the poison is for what is read only by flag. */
static struct mbox_open opening(const char *name, uint64_t id)
{
	struct mbox_open arg;

	memset(&arg, POISON, sizeof(arg));
	arg.flags = 0;
	set_name(arg.name, name);
	arg.id = id;
	arg.reserved = 0;
	return arg;
}

static int try_open(int fd, const char *name, uint64_t id)
{
	struct mbox_open arg = opening(name, id);

	return call(fd, MBOX_IOC_OPEN, &arg);
}

TEST_F(registry, gives_out_ascending_ids_and_none_twice)
{
	uint64_t last = 0;
	unsigned int i;

	for (i = 0; i < 50; i++) {
		uint64_t id = create(self->fd, attributes(1, 1));

		EXPECT_LT(last, id);
		last = id;
		if (i % 3)
			ASSERT_EQ(0, delete(self->fd, id));
	}
}

TEST_F(registry, tells_a_deleted_id_from_one_never_given_out)
{
	uint64_t id = create(self->fd, attributes(1, 1)), other;
	struct mbox_stat stat;

	other = create(self->fd, attributes(1, 1));
	ASSERT_EQ(0, delete(self->fd, id));
	EXPECT_EQ(EIDRM, try_stat(self->fd, id, 0, &stat));
	EXPECT_EQ(EIDRM, try_open(device(O_RDWR), "", id));
	EXPECT_EQ(ENOENT, try_stat(self->fd, other + 1, 0, &stat));
	EXPECT_EQ(ENOENT, try_open(device(O_RDWR), "", other + 1));
	EXPECT_EQ(ENOENT, try_stat(self->fd, 1ULL << 32, 0, &stat));
	EXPECT_EQ(ENOENT, try_stat(self->fd, (1ULL << 32) + other, 0, &stat));
	EXPECT_EQ(ENOENT, try_stat(self->fd, 1ULL << 63, 0, &stat));
	EXPECT_EQ(ENOENT, try_stat(self->fd, UINT64_MAX, 0, &stat));
	EXPECT_EQ(0, try_stat(self->fd, other, 0, &stat));
	EXPECT_EQ(other, stat.id);
}

TEST_F(registry, keeps_a_name_for_one_mailbox_at_a_time)
{
	uint64_t id = create(self->fd, named("unique"));

	EXPECT_EQ(EEXIST, try_create(self->fd, named("unique")));
	EXPECT_EQ(1, info(self->fd).mailboxes);
	create(self->fd, named("unique2"));
	create(self->fd, named("uni"));
	create(self->fd, named("Unique"));
	ASSERT_EQ(0, delete(self->fd, id));
	EXPECT_EQ(0, try_create(self->fd, named("unique")));
	EXPECT_EQ(EEXIST, try_create(self->fd, named("unique")));
	EXPECT_EQ(4, info(self->fd).mailboxes);
}

TEST_F(registry, lets_many_mailboxes_have_no_name)
{
	EXPECT_EQ(0, try_create(self->fd, named("")));
	EXPECT_EQ(0, try_create(self->fd, named("")));
}

TEST_F(registry, frees_a_name_before_anybody_is_told)
{
	uint64_t id = create(self->fd, named("again"));
	pid_t child = spawn();

	if (!child) {
		struct letter letter;

		NEED(fetch_and_wait(self->fd, id, &letter) == EIDRM);
		_exit(try_create(self->fd, named("again")));
	}
	wait_for_receivers(self->fd, id, 1);
	ASSERT_EQ(0, delete(self->fd, id));
	EXPECT_EQ(0, join(child));
}

/* A name that is no name in one way. */
FIXTURE(bad_name) {
	int fd;
};

FIXTURE_VARIANT(bad_name) {
	__u8 name[MBOX_NAME_SIZE];
};

FIXTURE_VARIANT_ADD(bad_name, with_a_slash) {
	.name = "a/b",
};

FIXTURE_VARIANT_ADD(bad_name, with_a_space) {
	.name = "a b",
};

FIXTURE_VARIANT_ADD(bad_name, with_a_newline) {
	.name = "ab\n",
};

FIXTURE_VARIANT_ADD(bad_name, with_a_control_character) {
	.name = "a\001b",
};

FIXTURE_VARIANT_ADD(bad_name, with_the_last_control_character) {
	.name = "a\037b",
};

FIXTURE_VARIANT_ADD(bad_name, with_del) {
	.name = "a\177",
};

FIXTURE_VARIANT_ADD(bad_name, with_a_leading_digit) {
	.name = "0a",
};

FIXTURE_VARIANT_ADD(bad_name, that_is_a_number) {
	.name = "9",
};

FIXTURE_VARIANT_ADD(bad_name, without_an_end) {
	.name = "0123456789012345678901234567890123456789012345678901234567890123",
};

FIXTURE_VARIANT_ADD(bad_name, with_something_behind_its_end) {
	.name = { [0] = 'a', [2] = 'b' },
};

FIXTURE_VARIANT_ADD(bad_name, with_something_in_its_last_byte) {
	.name = { [0] = 'a', [MBOX_NAME_SIZE - 1] = 'b' },
};

FIXTURE_VARIANT_ADD(bad_name, empty_with_something_behind) {
	.name = { [1] = 'b' },
};

FIXTURE_SETUP(bad_name)
{
	begin();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(bad_name)
{
	sweep();
}

TEST_F(bad_name, is_refused)
{
	struct mbox_create attr = attributes(1, 1);
	struct mbox_open arg = opening("", 0);

	memcpy(attr.name, variant->name, sizeof(attr.name));
	EXPECT_EQ(EINVAL, try_create(self->fd, attr));
	EXPECT_EQ(0, info(self->fd).mailboxes);
	memcpy(arg.name, variant->name, sizeof(arg.name));
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_OPEN, &arg));
}

TEST_F(registry, takes_every_other_name)
{
	struct mbox_create attr = attributes(1, 1);
	unsigned int byte;

	for (byte = '!'; byte < 256; byte++) {
		if (byte == '/' || byte == 0x7f || (byte >= '0' && byte <= '9'))
			continue;
		attr.name[0] = byte;
		EXPECT_EQ(0, try_create(self->fd, attr)) {
			TH_LOG("name of byte %u", byte);
		}
	}
	EXPECT_EQ(0, try_create(self->fd, named("a0")));
	EXPECT_EQ(0, try_create(self->fd, named("x23456789012345678901234567890123456789012345678901"
						"2345678901z")));
}

TEST_F(registry, opens_by_name_and_by_id)
{
	struct mbox_create attr = named("opened");
	uint64_t id = create(self->fd, attr);
	struct mbox_open arg = opening("opened", 0);

	EXPECT_EQ(0, call(self->fd, MBOX_IOC_OPEN, &arg));
	EXPECT_EQ(id, arg.id);
	EXPECT_EQ(0, arg.uid);
	EXPECT_EQ(id, state(self->fd, 0).id);

	self->fd = device(O_RDWR);
	arg = opening("", id);
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_OPEN, &arg));
	EXPECT_EQ(id, arg.id);
	EXPECT_EQ(0, arg.uid);
	EXPECT_EQ(id, state(self->fd, 0).id);
}

TEST_F(registry, opens_by_exactly_one_of_name_and_id)
{
	uint64_t id = create(self->fd, named("opened"));
	struct mbox_stat stat;

	EXPECT_EQ(EINVAL, try_open(self->fd, "", 0));
	EXPECT_EQ(EINVAL, try_open(self->fd, "opened", id));
	EXPECT_EQ(ENOTCONN, try_stat(self->fd, 0, 0, &stat));
}

TEST_F(registry, does_not_find_a_name_that_nobody_has)
{
	uint64_t id = create(self->fd, named("opened"));

	EXPECT_EQ(ENOENT, try_open(self->fd, "openet", 0));
	EXPECT_EQ(ENOENT, try_open(self->fd, "opene", 0));
	EXPECT_EQ(ENOENT, try_open(self->fd, "opened.", 0));
	ASSERT_EQ(0, delete(self->fd, id));
	EXPECT_EQ(ENOENT, try_open(self->fd, "opened", 0));
}

TEST_F(registry, binds_a_descriptor_once)
{
	uint64_t first = create(self->fd, named("first"));
	uint64_t second = create(self->fd, named("second"));

	ASSERT_EQ(0, try_open(self->fd, "first", 0));
	EXPECT_EQ(EISCONN, try_open(self->fd, "second", 0));
	EXPECT_EQ(EISCONN, try_open(self->fd, "first", 0));
	EXPECT_EQ(EISCONN, try_open(self->fd, "", second));
	EXPECT_EQ(first, state(self->fd, 0).id);
}

struct rival {
	pthread_t thread;
	int fd;
	uint32_t *go;
	int error;
};

static void *create_and_bind(void *data)
{
	struct mbox_create attr = attributes(1, 1);
	struct rival *me = data;

	attr.flags = MBOX_CREATE_BIND;
	while (!told(me->go))
		;
	me->error = try_create(me->fd, attr);
	return NULL;
}

/* Of those that come too late nothing is left. */
TEST_F(registry, binds_a_descriptor_once_however_many_try_at_once)
{
	enum { RIVALS = 3, ROUNDS = 40 };
	struct rival rivals[RIVALS];
	unsigned int round, i, won;
	uint32_t go;

	for (round = 0; round < ROUNDS; round++) {
		int fd = device(O_RDWR);

		tell(&go, false);
		for (i = 0; i < RIVALS; i++) {
			rivals[i] = (struct rival){ .fd = fd, .go = &go };
			ASSERT_EQ(0, pthread_create(&rivals[i].thread, NULL, create_and_bind,
						    &rivals[i]));
		}
		tell(&go, true);
		for (i = 0, won = 0; i < RIVALS; i++) {
			ASSERT_EQ(0, pthread_join(rivals[i].thread, NULL));
			EXPECT_TRUE(!rivals[i].error || rivals[i].error == EISCONN);
			won += !rivals[i].error;
		}
		EXPECT_EQ(1, won);
		EXPECT_EQ(1, info(self->fd).mailboxes);
		EXPECT_EQ(0, delete(fd, 0));
		close(fd);
	}
}

TEST_F(registry, opens_only_the_mailbox_of_the_user_that_was_asked_for)
{
	struct mbox_open arg;
	uint64_t id;

	ASSERT_EQ(0, seteuid(1001));
	id = create(self->fd, named("theirs"));
	ASSERT_EQ(0, seteuid(0));

	arg = opening("theirs", 0);
	arg.flags = MBOX_OPEN_UID;
	arg.uid = 0;
	EXPECT_EQ(ENOENT, call(self->fd, MBOX_IOC_OPEN, &arg));
	arg.uid = UINT32_MAX;
	EXPECT_EQ(ENOENT, call(self->fd, MBOX_IOC_OPEN, &arg));
	set_name(arg.name, "");
	arg.id = id;
	EXPECT_EQ(ENOENT, call(self->fd, MBOX_IOC_OPEN, &arg));
	EXPECT_EQ(id, arg.id);
	arg.uid = 1001;
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_OPEN, &arg));

	arg = opening("theirs", 0);
	self->fd = device(O_RDWR);
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_OPEN, &arg));
	EXPECT_EQ(1001, arg.uid);
}

TEST_F(registry, opens_in_terms_of_the_user_namespace_of_the_caller)
{
	struct mbox_create attr = named("of-root");
	int other = device(O_RDWR), third = device(O_RDWR);
	struct mbox_open arg;
	pid_t child;

	attr.mode = 0666;
	create(self->fd, attr);
	ASSERT_EQ(0, seteuid(1001));
	set_name(attr.name, "of-the-caller");
	create(self->fd, attr);
	ASSERT_EQ(0, seteuid(0));
	child = spawn();
	if (!child) {
		become(1001, 1001);
		become_root_of_a_user_namespace();
		arg = opening("of-root", 0);
		arg.flags = MBOX_OPEN_UID;
		arg.uid = 0;
		NEED(call(other, MBOX_IOC_OPEN, &arg) == ENOENT);
		arg.uid = 65534;
		NEED(call(other, MBOX_IOC_OPEN, &arg) == ENOENT);
		arg.flags = 0;
		NEED(!call(other, MBOX_IOC_OPEN, &arg) && arg.uid == 65534);
		arg = opening("of-the-caller", 0);
		arg.flags = MBOX_OPEN_UID;
		arg.uid = 0;
		NEED(!call(third, MBOX_IOC_OPEN, &arg) && arg.uid == 0);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
}

TEST_F(registry, lists_all_mailboxes_in_the_order_of_their_ids)
{
	uint64_t ids[10], next = 0;
	struct mbox_stat stat;
	unsigned int i;
	char name[8];

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "box%u", i);
		ids[i] = create(self->fd, named(name));
	}
	ASSERT_EQ(0, delete(self->fd, ids[0]));
	ASSERT_EQ(0, delete(self->fd, ids[4]));
	ASSERT_EQ(0, delete(self->fd, ids[5]));
	for (i = 0; i < 10; i++) {
		if (i == 0 || i == 4 || i == 5)
			continue;
		ASSERT_EQ(0, try_stat(self->fd, next, MBOX_STAT_NEXT, &stat));
		EXPECT_EQ(ids[i], stat.id);
		snprintf(name, sizeof(name), "box%u", i);
		EXPECT_STREQ(name, (char *)stat.name);
		next = stat.id + 1;
	}
	EXPECT_EQ(ENOENT, try_stat(self->fd, next, MBOX_STAT_NEXT, &stat));
	EXPECT_EQ(next, stat.id);
	EXPECT_EQ(ENOENT, try_stat(self->fd, UINT64_MAX, MBOX_STAT_NEXT, &stat));
	EXPECT_EQ(0, try_stat(self->fd, ids[1], MBOX_STAT_NEXT, &stat));
	EXPECT_EQ(ids[1], stat.id);
	EXPECT_EQ(7, info(self->fd).mailboxes);
}

TEST_F(registry, lists_from_an_id_also_on_a_bound_descriptor)
{
	uint64_t first = create(self->fd, named("first"));
	uint64_t second = create(self->fd, named("second"));
	struct mbox_stat stat;

	ASSERT_EQ(0, try_open(self->fd, "second", 0));
	ASSERT_EQ(0, try_stat(self->fd, 0, MBOX_STAT_NEXT, &stat));
	EXPECT_EQ(first, stat.id);
	EXPECT_EQ(second, state(self->fd, 0).id);
}

/* What is deleted under the lister's hands is passed over, not an error. */
TEST_F(registry, lists_while_mailboxes_come_and_go)
{
	uint64_t end_of_list = create(self->fd, named("stays"));
	uint32_t *stop = shared(sizeof(*stop));
	struct mbox_stat stat;
	pid_t pids[2];
	int i;

	for (i = 0; i < 2; i++) {
		pids[i] = spawn();
		if (pids[i])
			continue;
		while (!told(stop)) {
			struct mbox_create attr = attributes(1, 1);

			NEED(!delete(self->fd, create(self->fd, attr)));
		}
		_exit(0);
	}
	for (i = 0; i < 1000; i++) {
		uint64_t next = 1;
		int error;

		while (!(error = try_stat(self->fd, next, MBOX_STAT_NEXT, &stat))) {
			ASSERT_LE(next, stat.id);
			ASSERT_TRUE(next != 1 || stat.id == end_of_list);
			next = stat.id + 1;
		}
		ASSERT_EQ(ENOENT, error);
		ASSERT_LT(end_of_list, next);
	}
	tell(stop, true);
	EXPECT_EQ(0, join(pids[0]));
	EXPECT_EQ(0, join(pids[1]));
}

TEST_F(registry, holds_as_many_mailboxes_as_the_limit_allows)
{
	struct mbox_create attr = named("one-too-many");
	uint64_t first = create(self->fd, attributes(1, 1));

	wield(~(1ULL << CAP_SYS_RESOURCE));
	ASSERT_EQ(0, set_tunable("ns_mailboxes", 3));
	EXPECT_EQ(3, info(self->fd).limit_mailboxes);
	EXPECT_EQ(0, try_create(self->fd, attributes(1, 1)));
	EXPECT_EQ(0, try_create(self->fd, attributes(1, 1)));
	EXPECT_EQ(ENOSPC, try_create(self->fd, attr));
	EXPECT_EQ(ENOSPC, try_create(self->fd, attributes(1, 1)));
	EXPECT_EQ(3, info(self->fd).mailboxes);
	EXPECT_EQ(ENOENT, try_open(device(O_RDWR), "one-too-many", 0));
	EXPECT_EQ(0, delete(self->fd, first));
	EXPECT_EQ(0, try_create(self->fd, attr));
	EXPECT_EQ(ENOSPC, try_create(self->fd, attributes(1, 1)));
	EXPECT_EQ(0, set_tunable("ns_mailboxes", self->limit));
	EXPECT_EQ(0, try_create(self->fd, attributes(1, 1)));
}

/*
 * Two network namespaces: the test's own, and that of a child which does as the
 * test says: go on when it is told to, and tell when it is done.
 */
FIXTURE(namespace) {
	long long limit;
	int fd;
	uint64_t id;
	struct mbox_create attr;
};

FIXTURE_SETUP(namespace)
{
	begin();
	self->limit = tunable("ns_mailboxes");
	self->fd = device(O_RDWR);
	self->attr = named("here");
	self->attr.mode = 0666;
	self->id = create(self->fd, self->attr);
}

FIXTURE_TEARDOWN(namespace)
{
	NEED(!set_tunable("ns_mailboxes", self->limit));
	sweep();
}

static pid_t spawn_elsewhere(void)
{
	pid_t child = spawn();

	if (!child)
		NEED(!unshare(CLONE_NEWNET));
	return child;
}

TEST_F(namespace, does_not_see_the_mailboxes_of_another)
{
	pid_t child = spawn_elsewhere();
	struct mbox_stat stat;

	if (!child) {
		/* Also through a descriptor that was opened there. */
		NEED(info(self->fd).mailboxes == 0);
		NEED(try_stat(self->fd, self->id, 0, &stat) == ENOENT);
		NEED(try_stat(self->fd, 1, MBOX_STAT_NEXT, &stat) == ENOENT);
		NEED(try_open(self->fd, "here", 0) == ENOENT);
		NEED(try_open(self->fd, "", self->id) == ENOENT);
		NEED(post(self->fd, self->id, "a", 0) == ENOENT);
		NEED(delete(self->fd, self->id) == ENOENT);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(0, state(self->fd, self->id).sent);
}

TEST_F(namespace, has_ids_and_names_of_its_own)
{
	pid_t child = spawn_elsewhere();
	struct mbox_stat stat;

	if (!child) {
		NEED(create(self->fd, self->attr) == 1);
		NEED(create(self->fd, named("there")) == 2);
		NEED(info(self->fd).mailboxes == 2);
		NEED(!post(self->fd, 1, "a", 0));
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(1, info(self->fd).mailboxes);
	EXPECT_EQ(ENOENT, try_open(device(O_RDWR), "there", 0));
	EXPECT_EQ(0, state(self->fd, self->id).sent);
	ASSERT_EQ(0, try_stat(self->fd, 1, MBOX_STAT_NEXT, &stat));
	EXPECT_EQ(self->id, stat.id);
	EXPECT_EQ(ENOENT, try_stat(self->fd, stat.id + 1, MBOX_STAT_NEXT, &stat));
}

TEST_F(namespace, of_another_is_reached_by_a_bound_descriptor)
{
	struct letter letter;
	pid_t child;

	ASSERT_EQ(0, bind_by_id(self->fd, self->id));
	child = spawn_elsewhere();
	if (!child) {
		NEED(!post(self->fd, 0, "a", 0));
		NEED(!post(self->fd, 0, "b", 0));
		NEED(state(self->fd, 0).msgs == 2);
		NEED(!fetch(self->fd, 0, &letter));
		NEED(write(self->fd, "c", 1) == 1);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_STREQ("b", letter.text);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_STREQ("c", letter.text);
}

/* In a new network namespace create a mailbox, bind @fd to it, and return. */
static void live_and_die_elsewhere(struct __test_metadata *_metadata, int fd,
				   const struct mbox_create *attr)
{
	pid_t child = spawn_elsewhere();

	if (!child) {
		struct mbox_create other = *attr;

		other.flags = MBOX_CREATE_BIND;
		create(fd, other);
		NEED(!post(fd, 0, "a", 0));
		_exit(0);
	}
	ASSERT_EQ(0, join(child));
}

TEST_F(namespace, takes_its_mailboxes_with_it_when_it_ends)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLPRI };
	struct mbox_stat stat;
	struct letter letter;

	live_and_die_elsewhere(_metadata, self->fd, &self->attr);
	/* The kernel ends a namespace when it finds time. */
	ASSERT_EQ(1, poll(&pollfd, 1, 20000));
	EXPECT_EQ(POLLERR | POLLHUP, pollfd.revents);
	EXPECT_EQ(EIDRM, try_stat(self->fd, 0, 0, &stat));
	EXPECT_EQ(EIDRM, fetch(self->fd, 0, &letter));
	EXPECT_EQ(EIDRM, post(self->fd, 0, "b", 0));
	EXPECT_EQ(0, state(self->fd, self->id).msgs);
	EXPECT_EQ(1, info(self->fd).mailboxes);
}

TEST_F(namespace, tells_those_in_another_who_wait_for_its_mailboxes)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child = spawn_elsewhere(), receiver;
	struct letter *letter = shared(sizeof(*letter));

	if (!child) {
		self->attr.flags = MBOX_CREATE_BIND;
		create(self->fd, self->attr);
		tell(ready, true);
		/* Until the other one waits: the namespace ends with us. */
		wait_for_receivers(self->fd, 0, 1);
		_exit(0);
	}
	WAIT_UNTIL(told(ready));
	receiver = spawn_receiver(self->fd, 0, letter);
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(EIDRM, join(receiver));
}

TEST_F(namespace, counts_its_own_mailboxes_for_the_limit)
{
	pid_t child;

	wield(~(1ULL << CAP_SYS_RESOURCE));
	ASSERT_EQ(0, set_tunable("ns_mailboxes", 1));
	EXPECT_EQ(ENOSPC, try_create(self->fd, attributes(1, 1)));
	child = spawn_elsewhere();
	if (!child) {
		NEED(!try_create(self->fd, attributes(1, 1)));
		_exit(try_create(self->fd, attributes(1, 1)));
	}
	EXPECT_EQ(ENOSPC, join(child));
}

TEST_HARNESS_MAIN
