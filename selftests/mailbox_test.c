// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a mailbox: what it may be created with, that it outlives its
 * creator, what it counts, and who is told of its end.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define CROWD 20

/* One attribute at or beyond its bound; the others would do. */
enum attribute { MAX_MSGS, MAX_SIZE, MAX_BYTES };

FIXTURE(bound) {
	int fd;
	struct mbox_info info;
};

FIXTURE_VARIANT(bound) {
	enum attribute attribute;
	bool limit;		/* the limit of INFO, plus @value */
	int value;
	uint32_t max_size;	/* of the largest message, beside it */
	int error;
};

FIXTURE_VARIANT_ADD(bound, no_message) {
	.attribute = MAX_MSGS, .value = 0, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, one_message) {
	.attribute = MAX_MSGS, .value = 1,
};

FIXTURE_VARIANT_ADD(bound, most_messages) {
	.attribute = MAX_MSGS, .limit = true,
};

FIXTURE_VARIANT_ADD(bound, too_many_messages) {
	.attribute = MAX_MSGS, .limit = true, .value = 1, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, far_too_many_messages) {
	.attribute = MAX_MSGS, .value = -2, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, empty_messages) {
	.attribute = MAX_SIZE, .value = 0,
};

FIXTURE_VARIANT_ADD(bound, longest_message) {
	.attribute = MAX_SIZE, .limit = true,
};

FIXTURE_VARIANT_ADD(bound, too_long_a_message) {
	.attribute = MAX_SIZE, .limit = true, .value = 1, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, far_too_long_a_message) {
	.attribute = MAX_SIZE, .value = -1, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, no_byte_for_empty_messages) {
	.attribute = MAX_BYTES, .value = 0,
};

FIXTURE_VARIANT_ADD(bound, no_byte_for_longer_messages) {
	.attribute = MAX_BYTES, .value = 0, .max_size = 1, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, bytes_for_one_message) {
	.attribute = MAX_BYTES, .value = 10, .max_size = 10,
};

FIXTURE_VARIANT_ADD(bound, bytes_for_less_than_one_message) {
	.attribute = MAX_BYTES, .value = 9, .max_size = 10, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, most_bytes) {
	.attribute = MAX_BYTES, .limit = true,
};

FIXTURE_VARIANT_ADD(bound, too_many_bytes) {
	.attribute = MAX_BYTES, .limit = true, .value = 1, .error = EINVAL,
};

FIXTURE_VARIANT_ADD(bound, far_too_many_bytes) {
	.attribute = MAX_BYTES, .value = -2, .error = EINVAL,
};

FIXTURE_SETUP(bound)
{
	begin();
	self->fd = device(O_RDWR);
	self->info = info(self->fd);
}

FIXTURE_TEARDOWN(bound)
{
	sweep();
}

TEST_F(bound, is_kept)
{
	uint64_t limits[] = {
		[MAX_MSGS] = self->info.limit_msgs,
		[MAX_SIZE] = self->info.limit_size,
		[MAX_BYTES] = self->info.limit_bytes,
	};
	uint64_t value = (variant->limit ? limits[variant->attribute] : 0) + variant->value;
	struct mbox_create attr = {
		.max_msgs = variant->attribute == MAX_MSGS ? value : 1,
		.max_size = variant->attribute == MAX_SIZE ? value : variant->max_size,
		.max_bytes = variant->attribute == MAX_BYTES ? value : self->info.limit_bytes,
		.mode = 0600,
	};
	struct mbox_stat stat;

	ASSERT_EQ(variant->error, call(self->fd, MBOX_IOC_CREATE, &attr));
	EXPECT_EQ(!variant->error, info(self->fd).mailboxes);
	if (variant->error)
		return;
	stat = state(self->fd, attr.id);
	EXPECT_EQ(attr.max_msgs, stat.max_msgs);
	EXPECT_EQ(attr.max_size, stat.max_size);
	EXPECT_EQ(attr.max_bytes, stat.max_bytes);
}

FIXTURE(creation) {
	int fd;
};

FIXTURE_SETUP(creation)
{
	begin();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(creation)
{
	sweep();
}

TEST_F(creation, makes_what_was_asked_for)
{
	struct mbox_create attr = {
		.max_bytes = 1000,
		.max_msgs = 7,
		.max_size = 300,
		.mode = 0642,
		.name = "asked-for",
	};
	struct mbox_stat stat;

	attr.id = create(self->fd, attr);
	stat = state(self->fd, attr.id);
	EXPECT_EQ(attr.id, stat.id);
	EXPECT_EQ(0, memcmp(attr.name, stat.name, sizeof(attr.name)));
	EXPECT_EQ(1000, stat.max_bytes);
	EXPECT_EQ(7, stat.max_msgs);
	EXPECT_EQ(300, stat.max_size);
	EXPECT_EQ(0642, stat.mode);
	EXPECT_EQ(0, stat.uid);
	EXPECT_EQ(0, stat.gid);
	EXPECT_EQ(getpid(), stat.pid);
	EXPECT_EQ(0, stat.bytes);
	EXPECT_EQ(0, stat.bytes_high);
	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.msgs_high);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(0, stat.sent);
	EXPECT_EQ(0, stat.received);
}

TEST_F(creation, takes_the_mode_bits_of_reading_and_writing_and_no_other)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		struct mbox_create attr = attributes(1, 1);
		bool known = 0666 & 1U << bit;

		attr.mode = 1U << bit;
		EXPECT_EQ(known ? 0 : EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr)) {
			TH_LOG("mode %o", attr.mode);
		}
		if (known)
			EXPECT_EQ(1U << bit, state(self->fd, attr.id).mode);
	}
}

TEST_F(creation, applies_the_umask)
{
	struct mbox_create attr = attributes(1, 1);

	attr.mode = 0666;
	umask(027);
	EXPECT_EQ(0640, state(self->fd, create(self->fd, attr)).mode);
	umask(0777);
	EXPECT_EQ(0, state(self->fd, create(self->fd, attr)).mode);
	umask(0);
	EXPECT_EQ(0666, state(self->fd, create(self->fd, attr)).mode);
}

TEST_F(creation, gives_the_effective_user_and_group)
{
	struct mbox_stat stat;
	uint64_t id;

	ASSERT_EQ(0, setegid(2001));
	ASSERT_EQ(0, seteuid(1001));
	id = create(self->fd, attributes(1, 1));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, setegid(0));
	stat = state(self->fd, id);
	EXPECT_EQ(1001, stat.uid);
	EXPECT_EQ(2001, stat.gid);
	EXPECT_EQ(getpid(), stat.pid);
}

TEST_F(creation, binds_the_descriptor_only_when_asked)
{
	struct mbox_create attr = attributes(1, 1);
	struct mbox_stat stat;
	uint64_t id;

	create(self->fd, attr);
	EXPECT_EQ(ENOTCONN, try_stat(self->fd, 0, 0, &stat));
	attr.flags = MBOX_CREATE_BIND;
	id = create(self->fd, attr);
	EXPECT_EQ(id, state(self->fd, 0).id);
}

TEST_F(creation, on_a_bound_descriptor_works_unless_it_would_bind_again)
{
	struct mbox_create attr = attributes(1, 1);
	uint64_t first, other;

	attr.flags = MBOX_CREATE_BIND;
	first = create(self->fd, attr);
	EXPECT_EQ(EISCONN, call(self->fd, MBOX_IOC_CREATE, &attr));
	EXPECT_EQ(1, info(self->fd).mailboxes);
	attr.flags = 0;
	other = create(self->fd, attr);
	EXPECT_NE(first, other);
	EXPECT_EQ(first, state(self->fd, 0).id);
}

TEST_F(creation, lasts_after_the_end_of_the_creator)
{
	uint64_t *id = shared(sizeof(*id));
	struct mbox_stat stat;
	struct letter letter;
	pid_t creator = spawn();

	if (!creator) {
		int fd = mailbox(attributes(4, 16));

		*id = state(fd, 0).id;
		NEED(state(fd, 0).pid == getpid());
		NEED(!post(fd, 0, "a", 1));
		NEED(!post(fd, 0, "b", 2));
		_exit(0);
	}
	ASSERT_EQ(0, join(creator));
	stat = state(self->fd, *id);
	EXPECT_EQ(0, stat.pid);
	EXPECT_EQ(2, stat.msgs);
	EXPECT_EQ(0, post(self->fd, *id, "c", 0));
	ASSERT_EQ(0, fetch(self->fd, *id, &letter));
	EXPECT_STREQ("b", letter.text);
	EXPECT_EQ(creator, letter.env.pid);
	ASSERT_EQ(0, fetch(self->fd, *id, &letter));
	EXPECT_STREQ("a", letter.text);
	ASSERT_EQ(0, fetch(self->fd, *id, &letter));
	EXPECT_STREQ("c", letter.text);
}

FIXTURE(counters) {
	int fd;
};

FIXTURE_SETUP(counters)
{
	begin();
	self->fd = mailbox(attributes(4, 8));
}

FIXTURE_TEARDOWN(counters)
{
	sweep();
}

static void expect_counters(struct __test_metadata *_metadata, int fd, unsigned int msgs,
			    unsigned int bytes, unsigned int sent, unsigned int received)
{
	struct mbox_stat stat = state(fd, 0);

	EXPECT_EQ(msgs, stat.msgs);
	EXPECT_EQ(bytes, stat.bytes);
	EXPECT_EQ(sent, stat.sent);
	EXPECT_EQ(received, stat.received);
}

TEST_F(counters, follow_every_message)
{
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	expect_counters(_metadata, self->fd, 1, 1, 1, 0);
	ASSERT_EQ(0, post(self->fd, 0, "333", 0));
	expect_counters(_metadata, self->fd, 2, 4, 2, 0);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	expect_counters(_metadata, self->fd, 1, 3, 2, 1);
	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	expect_counters(_metadata, self->fd, 2, 3, 3, 1);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	expect_counters(_metadata, self->fd, 1, 0, 3, 2);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	expect_counters(_metadata, self->fd, 0, 0, 3, 3);
}

TEST_F(counters, remember_the_highest)
{
	struct mbox_stat stat;
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "88888888", 0));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	stat = state(self->fd, 0);
	EXPECT_EQ(2, stat.msgs);
	EXPECT_EQ(3, stat.msgs_high);
	EXPECT_EQ(2, stat.bytes);
	EXPECT_EQ(8, stat.bytes_high);
}

TEST_F(counters, tell_who_waits)
{
	pid_t pids[6];
	unsigned int i;

	for (i = 0; i < 6; i++)
		pids[i] = spawn_receiver(self->fd, 0, shared(sizeof(struct letter)));
	wait_for_receivers(self->fd, 0, 6);
	EXPECT_EQ(0, state(self->fd, 0).senders);
	for (i = 0; i < 6; i++)
		end(pids[i]);
	EXPECT_EQ(0, state(self->fd, 0).receivers);

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, post(self->fd, 0, "x", 0));
	for (i = 0; i < 6; i++)
		pids[i] = spawn_sender(self->fd, 0, "x", 0);
	wait_for_senders(self->fd, 0, 6);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	EXPECT_EQ(4, state(self->fd, 0).msgs);
	for (i = 0; i < 6; i++)
		end(pids[i]);
	EXPECT_EQ(0, state(self->fd, 0).senders);
	EXPECT_EQ(4, state(self->fd, 0).sent);
}

FIXTURE(deletion) {
	int fd;
	uint64_t id;
	pid_t pids[CROWD];
};

FIXTURE_SETUP(deletion)
{
	begin();
	self->fd = mailbox(attributes(1, 8));
	self->id = state(self->fd, 0).id;
}

FIXTURE_TEARDOWN(deletion)
{
	sweep();
}

TEST_F(deletion, wakes_every_sender_and_tells_it)
{
	unsigned int i;

	ASSERT_EQ(0, post(self->fd, 0, "x", 0));
	for (i = 0; i < CROWD; i++)
		self->pids[i] = spawn_sender(self->fd, 0, "x", i);
	wait_for_senders(self->fd, 0, CROWD);
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(EIDRM, join(self->pids[i]));
}

TEST_F(deletion, wakes_every_receiver_and_tells_it)
{
	unsigned int i;

	for (i = 0; i < CROWD; i++)
		self->pids[i] = spawn_receiver(self->fd, 0, shared(sizeof(struct letter)));
	wait_for_receivers(self->fd, 0, CROWD);
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(EIDRM, join(self->pids[i]));
}

/* A poller that waits for nothing in particular; 0 if it was told all. */
static int poll_for_the_end(int fd, uint32_t *ready)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLPRI };

	__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
	if (poll(&pollfd, 1, -1) != 1 || pollfd.revents != (POLLERR | POLLHUP))
		return 1;
	pollfd.events = POLLIN | POLLOUT;
	if (poll(&pollfd, 1, 0) != 1)
		return 2;
	return pollfd.revents == (POLLIN | POLLOUT | POLLERR | POLLHUP) ? 0 : 3;
}

TEST_F(deletion, wakes_every_poller_and_tells_it)
{
	uint32_t *ready = shared(sizeof(*ready));
	unsigned int i;

	for (i = 0; i < CROWD; i++) {
		self->pids[i] = spawn();
		if (!self->pids[i])
			_exit(poll_for_the_end(self->fd, ready));
	}
	WAIT_UNTIL(told(ready) == CROWD);
	for (i = 0; i < CROWD; i++)
		WAIT_UNTIL(sleeps(self->pids[i]));
	EXPECT_EQ(0, delete(self->fd, 0));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, join(self->pids[i]));
}

TEST_F(deletion, is_told_for_ever)
{
	int other = descriptor(self->id, O_RDWR), i;
	struct mbox_stat stat;
	struct letter letter;
	char byte;

	ASSERT_EQ(0, post(self->fd, 0, "x", 0));
	EXPECT_EQ(0, delete(device(O_RDWR), self->id));
	for (i = 0; i < 2; i++) {
		int fd = i ? other : self->fd;

		EXPECT_EQ(EIDRM, post(fd, 0, "a", 0));
		EXPECT_EQ(EIDRM, post(fd, self->id, "a", 0));
		EXPECT_EQ(EIDRM, fetch(fd, 0, &letter));
		EXPECT_EQ(EIDRM, fetch(fd, self->id, &letter));
		EXPECT_EQ(EIDRM, try_stat(fd, 0, 0, &stat));
		EXPECT_EQ(EIDRM, try_stat(fd, self->id, 0, &stat));
		EXPECT_EQ(EIDRM, delete(fd, 0));
		EXPECT_EQ(EIDRM, delete(fd, self->id));
		EXPECT_EQ(EIDRM, error_of(write(fd, "a", 1)));
		EXPECT_EQ(EIDRM, error_of(read(fd, &byte, 1)));
		EXPECT_EQ(EIDRM, bind_by_id(device(O_RDWR), self->id));
		/* The descriptor stays bound. */
		EXPECT_EQ(EISCONN, bind_by_id(fd, self->id));
	}
}

TEST_F(deletion, goes_before_right_and_message)
{
	static const char text[9];
	struct mbox_recv env;
	pid_t child;

	ASSERT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, send_bytes(self->fd, 0, text, 9, 0, 0, 0));
	EXPECT_EQ(EIDRM, send_bytes(self->fd, self->id, text, 9, 0, 0, 0));
	EXPECT_EQ(EIDRM, send_bytes(self->fd, 0, NULL, 1, 0, 0, 0));
	EXPECT_EQ(EIDRM, send_bytes(self->fd, self->id, NULL, 1, 0, 0, 0));
	EXPECT_EQ(EIDRM, error_of(write(self->fd, text, 9)));
	child = spawn();
	if (!child) {
		become(1000, 1000);
		NEED(post(self->fd, 0, "a", 0) == EIDRM);
		NEED(post(self->fd, self->id, "a", 0) == EIDRM);
		NEED(receive_into(self->fd, 0, NULL, 0, 0, 0, &env) == EIDRM);
		NEED(receive_into(self->fd, self->id, NULL, 0, 0, 0, &env) == EIDRM);
		NEED(delete(self->fd, 0) == EIDRM);
		NEED(delete(self->fd, self->id) == EIDRM);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
}

TEST_F(deletion, happens_once_among_many_who_try)
{
	uint32_t *go = shared(sizeof(*go)), deleted = 0, i;

	for (i = 0; i < CROWD; i++) {
		self->pids[i] = spawn();
		if (!self->pids[i]) {
			while (!told(go))
				sched_yield();
			_exit(delete(self->fd, 0));
		}
	}
	tell(go, true);
	for (i = 0; i < CROWD; i++) {
		int error = join(self->pids[i]);

		EXPECT_TRUE(error == 0 || error == EIDRM);
		deleted += !error;
	}
	EXPECT_EQ(1, deleted);
}

TEST_HARNESS_MAIN
