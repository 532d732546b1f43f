// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Explicit buffering: the buffers that a mailbox was created with are all that
 * it ever uses, and each comes back, whatever became of its message.
 */
#include "kselftest_harness.h"
#include "fault.h"
#include "mbox_selftest.h"

#define SLOTS 3
#define SIZE 16

static struct mbox_create reserved(uint32_t msgs, uint32_t size)
{
	return (struct mbox_create){
		.flags = MBOX_CREATE_RESERVE,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_msgs = msgs,
		.max_size = size,
		.mode = 0600,
	};
}

static const char text[SIZE + 2] = "0123456789abcdefg";

static int send_len(int fd, uint64_t len, uint64_t flags)
{
	return send_bytes(fd, 0, text, len, 0, flags, 0);
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *expected)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(expected, letter.text);
}

/* Take all free buffers and give them back; how many there were. */
static uint32_t free_slots(int fd)
{
	uint32_t before = state(fd, 0).msgs, count = 0;
	struct letter letter;

	while (!post(fd, 0, "probe", 0))
		count++;
	NEED(state(fd, 0).msgs == before + count);
	while (!before && !fetch(fd, 0, &letter))
		NEED(!strcmp("probe", letter.text));
	return count;
}

FIXTURE(reserve) {
	int fd;
	struct letter *letter;
};

FIXTURE_SETUP(reserve)
{
	begin();
	take_signals(0);
	self->fd = mailbox(reserved(SLOTS, SIZE));
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(reserve)
{
	sweep();
}

TEST_F(reserve, holds_as_many_messages_of_the_largest_size_as_was_said)
{
	unsigned int round, i;
	struct mbox_stat stat;
	struct letter letter;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < SLOTS; i++) {
			EXPECT_EQ(POLLOUT, polled(self->fd, POLLOUT));
			ASSERT_EQ(0, send_len(self->fd, SIZE, 0));
		}
		stat = state(self->fd, 0);
		EXPECT_EQ(SLOTS, stat.msgs);
		EXPECT_EQ(SLOTS * SIZE, stat.bytes);
		EXPECT_EQ(0, polled(self->fd, POLLOUT));
		EXPECT_EQ(EAGAIN, send_len(self->fd, SIZE, MBOX_SEND_NONBLOCK));
		EXPECT_EQ(EAGAIN, send_len(self->fd, 0, MBOX_SEND_NONBLOCK));
		EXPECT_EQ(ETIMEDOUT, send_len(self->fd, 0, MBOX_SEND_TIMEOUT));
		EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
		for (i = 0; i < SLOTS; i++) {
			ASSERT_EQ(0, fetch(self->fd, 0, &letter));
			EXPECT_EQ(SIZE, letter.env.len);
			EXPECT_EQ(0, memcmp(text, letter.text, SIZE));
		}
	}
}

/* A long message leaves nothing in a short one that comes after it. */
TEST_F(reserve, buffer_has_nothing_of_the_message_before)
{
	struct letter letter;
	unsigned int i;

	for (i = 0; i < 2 * SLOTS; i++) {
		struct mbox_send how = { .tag = i % 2 ? 77 : 0, .prio = i % 2 ? 7 : 0 };

		ASSERT_EQ(0, send_as(self->fd, i % 2 ? "long message" : "s", &how));
		ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		EXPECT_STREQ(i % 2 ? "long message" : "s", letter.text);
		EXPECT_EQ(how.tag, letter.env.tag);
		EXPECT_EQ(how.prio, letter.env.prio);
		EXPECT_EQ(i + 1, letter.env.seq);
	}
}

static void fill(int fd)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		NEED(!post(fd, 0, "x", 0));
}

TEST_F(reserve, that_is_used_up_makes_senders_wait_in_their_order)
{
	static const struct {
		const char *text;
		uint32_t prio;
	} arrivals[] = { { "a", 1 }, { "b", 5 }, { "c", 1 }, { "d", 31 } };
	static const char *const order[] = { "d", "b", "a", "c" };
	pid_t senders[ARRAY_SIZE(arrivals)];
	unsigned int i;

	fill(self->fd);
	for (i = 0; i < ARRAY_SIZE(arrivals); i++) {
		senders[i] = spawn_sender(self->fd, 0, arrivals[i].text, arrivals[i].prio);
		wait_for_senders(self->fd, 0, i + 1);
	}
	/* One buffer after the other, and with it one sender after the other. */
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		struct letter letter;
		struct mbox_recv how = { .flags = MBOX_RECV_LEAST };

		ASSERT_EQ(0, receive_as(self->fd, how, &letter));
		EXPECT_STREQ(i < SLOTS ? "x" : "a", letter.text);
		WAIT_UNTIL(state(self->fd, 0).sent == SLOTS + i + 1);
		EXPECT_EQ(ARRAY_SIZE(order) - 1 - i, state(self->fd, 0).senders);
		EXPECT_EQ(EAGAIN, post(self->fd, 0, "x", 31));
	}
	expect_next(_metadata, self->fd, "d");
	expect_next(_metadata, self->fd, "b");
	expect_next(_metadata, self->fd, "c");
	for (i = 0; i < ARRAY_SIZE(arrivals); i++)
		EXPECT_EQ(0, join(senders[i]));
	EXPECT_EQ(SLOTS, free_slots(self->fd));
}

TEST_F(reserve, is_waited_for_before_the_message_is_read)
{
	char *page = shared(PAGE);
	pid_t sender;

	fill(self->fd);
	strcpy(page, "early");
	sender = spawn_sender(self->fd, 0, page, 0);
	wait_for_senders(self->fd, 0, 1);
	strcpy(page, "later");
	expect_next(_metadata, self->fd, "x");
	EXPECT_EQ(0, join(sender));
	expect_next(_metadata, self->fd, "x");
	expect_next(_metadata, self->fd, "x");
	expect_next(_metadata, self->fd, "later");
}

enum giving_up { KILLED, INTERRUPTED, TIMED_OUT };

static void give_up(struct __test_metadata *_metadata, int fd, enum giving_up how)
{
	uint64_t flags = how == TIMED_OUT ? MBOX_SEND_TIMEOUT : 0;
	pid_t sender = spawn();

	if (!sender)
		_exit(send_bytes(fd, 0, text, 1, 0, flags, now() + 300 * MSEC));
	if (how != TIMED_OUT) {
		wait_for_senders(fd, 0, 1);
		NEED(!kill(sender, how == KILLED ? SIGKILL : SIGUSR1));
	}
	EXPECT_EQ(how == KILLED ? -SIGKILL : how == INTERRUPTED ? EINTR : ETIMEDOUT,
		  join(sender));
	EXPECT_EQ(0, state(fd, 0).senders);
}

TEST_F(reserve, that_somebody_gave_up_to_wait_for_goes_to_another)
{
	pid_t other;

	fill(self->fd);
	give_up(_metadata, self->fd, KILLED);
	give_up(_metadata, self->fd, INTERRUPTED);
	give_up(_metadata, self->fd, TIMED_OUT);
	other = spawn_sender(self->fd, 0, "other", 0);
	wait_for_senders(self->fd, 0, 1);
	expect_next(_metadata, self->fd, "x");
	EXPECT_EQ(0, join(other));
	EXPECT_EQ(SLOTS, state(self->fd, 0).msgs);
}

/*
 * A buffer comes back after everything that can become of a message.
 */
FIXTURE(slot) {
	int fd;
	void *nowhere;
};

FIXTURE_VARIANT(slot) {
	void (*use)(int fd, void *nowhere);
};

static void use_receive(int fd, void *nowhere)
{
	struct letter letter;

	(void)nowhere;
	NEED(!post(fd, 0, "text", 0));
	NEED(!fetch(fd, 0, &letter));
}

FIXTURE_VARIANT_ADD(slot, a_receive) {
	.use = use_receive,
};

static void use_truncate(int fd, void *nowhere)
{
	struct mbox_recv env;
	char buf[2];

	(void)nowhere;
	NEED(!post(fd, 0, "text", 0));
	NEED(!receive_into(fd, 0, buf, 2, MBOX_RECV_TRUNCATE, 0, &env));
}

FIXTURE_VARIANT_ADD(slot, a_truncated_receive) {
	.use = use_truncate,
};

static void use_read(int fd, void *nowhere)
{
	char buf[8];

	NEED(write(fd, "text", 4) == 4);
	NEED(read(fd, buf, 2) == -1 && errno == EMSGSIZE);
	NEED(read(fd, nowhere, sizeof(buf)) == -1 && errno == EFAULT);
	NEED(read(fd, buf, sizeof(buf)) == 4);
	NEED(write(fd, nowhere, 4) == -1 && errno == EFAULT);
}

FIXTURE_VARIANT_ADD(slot, read_and_write) {
	.use = use_read,
};

static void use_peek(int fd, void *nowhere)
{
	struct letter letter;

	(void)nowhere;
	NEED(!post(fd, 0, "text", 0));
	NEED(!post(fd, 0, "next", 0));
	NEED(!receive(fd, 0, MBOX_RECV_PEEK, 0, &letter));
	NEED(!receive_as(fd, (struct mbox_recv){ .flags = MBOX_RECV_PEEK, .nth = 1 }, &letter));
	NEED(!fetch(fd, 0, &letter));
	NEED(!fetch(fd, 0, &letter));
}

FIXTURE_VARIANT_ADD(slot, a_look) {
	.use = use_peek,
};

static void use_put_back(int fd, void *nowhere)
{
	struct mbox_recv env;
	struct letter letter;

	NEED(!post(fd, 0, "text", 0));
	NEED(receive_into(fd, 0, nowhere, SIZE, 0, 0, &env) == EFAULT);
	NEED(receive_into(fd, 0, nowhere, SIZE, MBOX_RECV_PEEK, 0, &env) == EFAULT);
	NEED(receive_into(fd, 0, letter.text, 3, 0, 0, &env) == EMSGSIZE);
	NEED(!fetch(fd, 0, &letter));
}

FIXTURE_VARIANT_ADD(slot, a_receive_that_failed) {
	.use = use_put_back,
};

static void use_bad_send(int fd, void *nowhere)
{
	NEED(send_bytes(fd, 0, nowhere, 4, 0, 0, 0) == EFAULT);
	NEED(send_len(fd, SIZE + 1, 0) == EMSGSIZE);
}

FIXTURE_VARIANT_ADD(slot, a_send_that_failed) {
	.use = use_bad_send,
};

static void use_take_back(int fd, void *nowhere)
{
	(void)nowhere;
	NEED(send_len(fd, 4, MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK) == EAGAIN);
	NEED(send_len(fd, 4, MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT) == ETIMEDOUT);
	NEED(send_bytes(fd, 0, text, 4, 0, MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT,
			now() + MSEC) == ETIMEDOUT);
}

FIXTURE_VARIANT_ADD(slot, a_send_that_was_taken_back) {
	.use = use_take_back,
};

static void use_kill(int fd, void *nowhere)
{
	pid_t sender = spawn();

	(void)nowhere;
	if (!sender)
		_exit(send_len(fd, 4, MBOX_SEND_SYNC));
	wait_for_senders(fd, 0, 1);
	end(sender);
}

FIXTURE_VARIANT_ADD(slot, the_end_of_its_sender) {
	.use = use_kill,
};

static void use_hand_off(int fd, void *nowhere)
{
	struct letter *letter = shared(sizeof(*letter));
	pid_t receiver = spawn_receiver(fd, 0, letter);

	(void)nowhere;
	wait_for_receivers(fd, 0, 1);
	NEED(!send_len(fd, 4, MBOX_SEND_SYNC));
	NEED(!join(receiver));
}

FIXTURE_VARIANT_ADD(slot, a_hand_off) {
	.use = use_hand_off,
};

static void use_expiry(int fd, void *nowhere)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_EXPIRES,
		.expires = now() + 200 * MSEC,
	};

	(void)nowhere;
	NEED(!send_as(fd, "text", &how));
	WAIT_UNTIL(state(fd, 0).msgs == 0);
}

FIXTURE_VARIANT_ADD(slot, expiry) {
	.use = use_expiry,
};

FIXTURE_SETUP(slot)
{
	begin();
	self->fd = mailbox(reserved(SLOTS, SIZE));
	self->nowhere = unmapped();
}

FIXTURE_TEARDOWN(slot)
{
	sweep();
}

TEST_F(slot, comes_back_after)
{
	unsigned int i;

	/* More often than there are: one that is lost each time is missed. */
	for (i = 0; i < SLOTS + 1; i++)
		variant->use(self->fd, self->nowhere);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(POLLOUT, polled(self->fd, POLLOUT));
	EXPECT_EQ(SLOTS, free_slots(self->fd));
}

/*
 * Somebody stalls in the middle of a copy: who has the buffer until then?
 */
FIXTURE(stall) {
	int fd;
	struct stall stall;
	struct letter *letter;
};

FIXTURE_SETUP(stall)
{
	begin();
	self->fd = mailbox(reserved(1, SIZE));
	self->stall = new_stall();
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(stall)
{
	sweep();
}

TEST_F(stall, of_a_receiver_keeps_the_buffer_until_it_has_the_message)
{
	struct task *receiver;

	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	receiver = start_receiving(self->fd, self->stall.page, SIZE);
	wait_for_stall(&self->stall);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "next", 0));
	EXPECT_EQ(0, polled(self->fd, POLLOUT));
	release_stall(&self->stall);
	EXPECT_EQ(0, finish(receiver));
	EXPECT_EQ(1, free_slots(self->fd));
}

TEST_F(stall, of_a_receiver_that_fails_leaves_the_message_in_its_buffer)
{
	struct task *receiver;
	pid_t sender;

	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	receiver = start_receiving(self->fd, self->stall.page, SIZE);
	wait_for_stall(&self->stall);
	sender = spawn_sender(self->fd, 0, "next", 31);
	wait_for_senders(self->fd, 0, 1);
	fail_stall(&self->stall);
	EXPECT_EQ(EFAULT, finish(receiver));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).senders);
	expect_next(_metadata, self->fd, "text");
	EXPECT_EQ(0, join(sender));
	expect_next(_metadata, self->fd, "next");
	EXPECT_EQ(1, free_slots(self->fd));
}

TEST_F(stall, of_one_who_looks_keeps_the_buffer_after_it_was_received)
{
	struct task *looker;
	pid_t sender;

	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	looker = calloc(1, sizeof(*looker));
	ASSERT_NE(NULL, looker);
	looker->fd = self->fd;
	looker->command = MBOX_IOC_RECV;
	looker->recv.flags = MBOX_RECV_PEEK;
	looker->recv.buf = (uintptr_t)self->stall.page;
	looker->recv.size = SIZE;
	start_task(looker);
	wait_for_stall(&self->stall);
	expect_next(_metadata, self->fd, "text");
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "next", 0));
	sender = spawn_sender(self->fd, 0, "next", 0);
	wait_for_senders(self->fd, 0, 1);
	release_stall(&self->stall);
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, finish(looker));
	EXPECT_EQ(0, memcmp("text", self->stall.page, 4));
	expect_next(_metadata, self->fd, "next");
	EXPECT_EQ(1, free_slots(self->fd));
}

TEST_F(stall, of_a_sender_that_fails_gives_the_buffer_to_the_next)
{
	struct task *sender = start_sending(self->fd, self->stall.page, 4);
	pid_t last, first;

	wait_for_stall(&self->stall);
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "x", 0));
	last = spawn_sender(self->fd, 0, "last", 0);
	wait_for_senders(self->fd, 0, 1);
	first = spawn_sender(self->fd, 0, "first", 1);
	wait_for_senders(self->fd, 0, 2);
	fail_stall(&self->stall);
	EXPECT_EQ(EFAULT, finish(sender));
	EXPECT_EQ(0, join(first));
	EXPECT_EQ(1, state(self->fd, 0).senders);
	expect_next(_metadata, self->fd, "first");
	EXPECT_EQ(0, join(last));
	expect_next(_metadata, self->fd, "last");
	EXPECT_EQ(1, free_slots(self->fd));
}

TEST_F(stall, of_a_sender_does_not_save_the_mailbox_from_its_end)
{
	struct task *sender = start_sending(self->fd, self->stall.page, 4);
	pid_t waiting;

	wait_for_stall(&self->stall);
	waiting = spawn_sender(self->fd, 0, "x", 0);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, join(waiting));
	release_stall(&self->stall);
	EXPECT_EQ(EIDRM, finish(sender));
}

TEST_F(stall, of_a_receiver_does_not_save_the_mailbox_from_its_end)
{
	struct task *receiver;
	pid_t waiting;

	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	receiver = start_receiving(self->fd, self->stall.page, SIZE);
	wait_for_stall(&self->stall);
	waiting = spawn_sender(self->fd, 0, "x", 0);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, join(waiting));
	release_stall(&self->stall);
	EXPECT_EQ(0, finish(receiver));
	EXPECT_EQ(0, memcmp("text", self->stall.page, 4));
}

/* No memory is left for the kernel: what needs some says ENOMEM. */
FIXTURE(memory) {
	int fault;
};

FIXTURE_SETUP(memory)
{
	begin();
	self->fault = open_faults();
	if (self->fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
}

FIXTURE_TEARDOWN(memory)
{
	sweep();
}

/* Whatever can fail does so in turn; how often that was for want of memory. */
static unsigned int fail_in_turn(int fault, int fd)
{
	unsigned int nth, no_memory = 0;

	for (nth = 1;; nth++) {
		int error;

		NEED(nth < 100);
		set_fault(fault, nth);
		error = send_len(fd, SIZE, MBOX_SEND_NONBLOCK);
		if (!fault_is_over(fault)) {
			NEED(!error);
			return no_memory;
		}
		NEED(error == 0 || error == EFAULT || error == ENOMEM);
		no_memory += error == ENOMEM;
	}
}

TEST_F(memory, is_not_needed_to_send_to_what_was_reserved)
{
	int with = mailbox(reserved(100, SIZE)), without = mailbox(attributes(100, SIZE));

	EXPECT_EQ(0, fail_in_turn(self->fault, with));
	EXPECT_LT(0, fail_in_turn(self->fault, without));
}

TEST_F(memory, that_there_is_none_of_makes_no_half_a_mailbox)
{
	struct mbox_create attr = reserved(20, SIZE);
	int fd = device(O_RDWR), error;
	unsigned int nth;

	for (nth = 1;; nth++) {
		ASSERT_GT(200, nth);
		set_fault(self->fault, nth);
		error = call(fd, MBOX_IOC_CREATE, &attr);
		if (!fault_is_over(self->fault))
			break;
		ASSERT_TRUE(error == 0 || error == EFAULT || error == ENOMEM);
		ASSERT_EQ(!error, info(fd).mailboxes);
		if (!error)
			ASSERT_EQ(0, delete(fd, attr.id));
	}
	EXPECT_EQ(0, error);
	/* At least the buffers were tried, each. */
	EXPECT_LT(20, nth);
}

#define CROWD 4
#define EACH 250

static void be_careless_sender(int fd, void *nowhere)
{
	unsigned int done = 0;

	srand(getpid());
	while (done < EACH) {
		struct mbox_send how = { .prio = rand() % 3 };
		int what = rand() % 6, error;

		how.flags = what & 1 ? MBOX_SEND_SYNC : 0;
		if (what & 2) {
			how.flags |= MBOX_SEND_TIMEOUT;
			how.deadline = now() + rand() % 300 * 1000;
		}
		if (what == 5) {
			NEED(send_bytes(fd, 0, nowhere, 4, 0, MBOX_SEND_NONBLOCK, 0));
			continue;
		}
		error = send_as(fd, "text", &how);
		NEED(!error || error == ETIMEDOUT);
		done += !error;
	}
}

static void be_careless_receiver(int fd, void *nowhere, uint32_t *received)
{
	struct mbox_recv env;
	char buf[SIZE];
	int error = 0;

	srand(getpid());
	while (error != EIDRM) {
		int what = rand() % 5;

		error = receive_into(fd, 0, what == 4 ? nowhere : buf, what == 3 ? 2 : SIZE,
				     what == 2 ? MBOX_RECV_PEEK : 0, 0, &env);
		NEED(!error || error == EFAULT || error == EMSGSIZE || error == EIDRM);
		if (!error && what != 2)
			__atomic_add_fetch(received, 1, __ATOMIC_SEQ_CST);
	}
}

TEST_F(reserve, is_whole_again_after_all_that_many_can_do_at_once)
{
	pid_t senders[CROWD], receivers[CROWD];
	uint32_t *received = shared(sizeof(*received));
	void *nowhere = unmapped();
	unsigned int i;

	for (i = 0; i < CROWD; i++) {
		receivers[i] = spawn();
		if (!receivers[i]) {
			be_careless_receiver(self->fd, nowhere, received);
			_exit(0);
		}
		senders[i] = spawn();
		if (!senders[i]) {
			be_careless_sender(self->fd, nowhere);
			_exit(0);
		}
	}
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, join(senders[i]));
	/* The kernel counts those, too, that a receiver is about to give back. */
	WAIT_UNTIL(told(received) == CROWD * EACH);
	EXPECT_EQ(CROWD * EACH, state(self->fd, 0).received);
	EXPECT_EQ(CROWD * EACH, state(self->fd, 0).sent);
	for (i = 0; i < CROWD; i++)
		end(receivers[i]);
	EXPECT_EQ(SLOTS, free_slots(self->fd));
	EXPECT_EQ(SLOTS, state(self->fd, 0).msgs_high);
}

TEST_HARNESS_MAIN
