// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a send is done: when the mailbox has the message, or when a receiver has
 * it; what its sender is told; and that it is taken back or received, never both.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define HOUR (3600000 * MSEC)

enum kind { ASYNC, SYNC, RENDEZVOUS };
enum limit { NONE, TIMEOUT, PAST };
enum receiver { WAITS, LATER, NEVER };

/* Room for one message, or for none. */
static int mailbox_for(enum kind kind)
{
	return mailbox(attributes(kind == RENDEZVOUS ? 0 : 1, 16));
}

static uint64_t flags_for(enum kind kind)
{
	return kind == SYNC ? MBOX_SEND_SYNC : 0;
}

static bool is_told(const struct mbox_send *how)
{
	struct mbox_send poisoned;

	memset(&poisoned, POISON, sizeof(poisoned));
	return how->receiver != poisoned.receiver;
}

/*
 * Every way to send meets every behaviour of receivers.
 */
FIXTURE(matrix) {
	int fd;
	struct mbox_send *how;
	struct letter *letter;
};

FIXTURE_VARIANT(matrix) {
	enum kind kind;
	bool nonblock;
	enum limit limit;
	enum receiver receiver;
};

#define CELL(_name, _kind, _nonblock, _limit, _receiver)			\
	FIXTURE_VARIANT_ADD(matrix, _name) {					\
		.kind = _kind, .nonblock = _nonblock, .limit = _limit,		\
		.receiver = _receiver,						\
	}

#define RECEIVERS(_name, _kind, _nonblock, _limit)				\
	CELL(_name##_to_one_that_waits, _kind, _nonblock, _limit, WAITS);	\
	CELL(_name##_to_one_that_comes_later, _kind, _nonblock, _limit, LATER);	\
	CELL(_name##_to_nobody, _kind, _nonblock, _limit, NEVER)

#define LIMITS(_name, _kind, _nonblock)						\
	RECEIVERS(_name##_without_timeout, _kind, _nonblock, NONE);		\
	RECEIVERS(_name##_with_timeout, _kind, _nonblock, TIMEOUT);		\
	RECEIVERS(_name##_past_deadline, _kind, _nonblock, PAST)

LIMITS(async_blocking, ASYNC, false);
LIMITS(async_nonblocking, ASYNC, true);
LIMITS(sync_blocking, SYNC, false);
LIMITS(sync_nonblocking, SYNC, true);
LIMITS(rendezvous_blocking, RENDEZVOUS, false);
LIMITS(rendezvous_nonblocking, RENDEZVOUS, true);

FIXTURE_SETUP(matrix)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(variant->kind);
	self->letter = shared(sizeof(*self->letter));
	self->how = shared(sizeof(*self->how));
	self->how->flags = flags_for(variant->kind);
	self->how->flags |= variant->nonblock ? MBOX_SEND_NONBLOCK : 0;
	self->how->flags |= variant->limit != NONE ? MBOX_SEND_TIMEOUT : 0;
	if (variant->limit == TIMEOUT)
		self->how->deadline = now() + (variant->receiver == NEVER ? 30 * MSEC : HOUR);
}

FIXTURE_TEARDOWN(matrix)
{
	sweep();
}

/* The promise, in one place. */
static int promised(const FIXTURE_VARIANT(matrix) *variant)
{
	if (variant->kind == ASYNC || variant->receiver == WAITS)
		return 0;
	if (variant->nonblock)
		return EAGAIN;
	if (variant->limit == PAST)
		return ETIMEDOUT;
	if (variant->receiver == LATER)
		return 0;
	return variant->limit == TIMEOUT ? ETIMEDOUT : EINTR;
}

/* For longer than it takes to look. */
static bool has_to_wait(const FIXTURE_VARIANT(matrix) *variant)
{
	return variant->kind != ASYNC && variant->receiver != WAITS && !variant->nonblock &&
	       (variant->limit == NONE ||
		(variant->limit == TIMEOUT && variant->receiver == LATER));
}

static void expect_waiting(struct __test_metadata *_metadata, int fd, enum kind kind)
{
	struct mbox_stat stat;

	wait_for_senders(fd, 0, 1);
	stat = state(fd, 0);
	EXPECT_EQ(kind == SYNC, stat.msgs);
	EXPECT_EQ(0, stat.sent);
	EXPECT_EQ(0, stat.received);
}

TEST_F(matrix, ends_as_promised)
{
	int expected = promised(variant);
	pid_t sender, receiver = 0;
	struct mbox_stat stat;

	if (variant->receiver == WAITS) {
		receiver = spawn_receiver(self->fd, 0, self->letter);
		wait_for_receivers(self->fd, 0, 1);
	}
	sender = spawn_sender_as(self->fd, "text", self->how);
	if (has_to_wait(variant))
		expect_waiting(_metadata, self->fd, variant->kind);
	if (variant->receiver == LATER && !expected)
		receiver = spawn_receiver(self->fd, 0, self->letter);
	if (expected == EINTR)
		kill(sender, SIGUSR1);
	ASSERT_EQ(expected, join(sender));

	if (receiver) {
		EXPECT_EQ(0, join(receiver));
		EXPECT_STREQ("text", self->letter->text);
	}
	if (variant->kind != ASYNC && !expected) {
		EXPECT_EQ(receiver, self->how->receiver);
	} else {
		EXPECT_FALSE(is_told(self->how));
	}
	stat = state(self->fd, 0);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(!expected, stat.sent);
	EXPECT_EQ(!!receiver, stat.received);
	EXPECT_EQ(!expected && !receiver, stat.msgs);
	/* What was taken back is not there for whoever comes now. */
	EXPECT_EQ(stat.msgs ? 0 : EAGAIN, fetch(self->fd, 0, self->letter));
}

/* What holds for both kinds that wait for a receiver. */
FIXTURE(sync) {
	int fd;
	struct mbox_send *how;
	struct letter *letter;
};

FIXTURE_VARIANT(sync) {
	enum kind kind;
};

FIXTURE_VARIANT_ADD(sync, with_room) {
	.kind = SYNC,
};

FIXTURE_VARIANT_ADD(sync, at_a_rendezvous) {
	.kind = RENDEZVOUS,
};

FIXTURE_SETUP(sync)
{
	begin();
	take_signals(0);
	self->fd = mailbox_for(variant->kind);
	self->letter = shared(sizeof(*self->letter));
	self->how = shared(sizeof(*self->how));
	self->how->flags = flags_for(variant->kind);
}

FIXTURE_TEARDOWN(sync)
{
	sweep();
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

/* Nobody waits, nothing is there, and so much happened. */
static void expect_quiet(struct __test_metadata *_metadata, int fd, uint64_t sent)
{
	struct mbox_stat stat = state(fd, 0);

	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.bytes);
	EXPECT_EQ(sent, stat.sent);
	EXPECT_EQ(sent, stat.received);
}

TEST_F(sync, sender_is_told_the_process_of_a_thread_that_received)
{
	char buf[16];
	struct task *thread = start_receiving(self->fd, buf, sizeof(buf));

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(0, send_as(self->fd, "text", self->how));
	EXPECT_EQ(getpid(), self->how->receiver);
	EXPECT_EQ(0, finish(thread));
}

TEST_F(sync, sender_is_told_the_receiver_as_its_own_pid_namespace_sees_it)
{
	pid_t receiver = spawn_as_first();

	if (!receiver)
		_exit(fetch_and_wait(self->fd, 0, self->letter));
	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(0, send_as(self->fd, "text", self->how));
	EXPECT_EQ(receiver, self->how->receiver);
	EXPECT_EQ(0, join(receiver));
	EXPECT_EQ(0, self->letter->env.pid);
}

TEST_F(sync, sender_is_told_nobody_that_its_pid_namespace_cannot_see)
{
	pid_t receiver = spawn_receiver(self->fd, 0, self->letter), sender;

	wait_for_receivers(self->fd, 0, 1);
	sender = spawn_as_first();
	if (!sender)
		_exit(send_as(self->fd, "text", self->how));
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, self->how->receiver);
	EXPECT_EQ(0, join(receiver));
	EXPECT_EQ(sender, self->letter->env.pid);
}

TEST_F(sync, sender_and_receiver_in_one_pid_namespace_see_each_other_there)
{
	pid_t outer = spawn_as_first(), receiver;

	if (!outer) {
		receiver = spawn_receiver(self->fd, 0, self->letter);
		wait_for_receivers(self->fd, 0, 1);
		NEED(!send_as(self->fd, "text", self->how));
		NEED(self->how->receiver == receiver && receiver != 1);
		NEED(!join(receiver) && self->letter->env.pid == 1);
		_exit(0);
	}
	EXPECT_EQ(0, join(outer));
}

/* The message is delivered, so that is not an error. */
TEST_F(sync, sender_that_cannot_be_told_has_sent_all_the_same)
{
	pid_t receiver = spawn_receiver(self->fd, 0, self->letter);
	struct mbox_send *fixed = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, fixed);
	*fixed = *self->how;
	fixed->buf = (uintptr_t)"text";
	fixed->len = 4;
	ASSERT_EQ(0, mprotect(fixed, PAGE, PROT_READ));
	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_SEND, fixed));
	EXPECT_EQ(0, join(receiver));
	EXPECT_STREQ("text", self->letter->text);
}

TEST_F(sync, sender_is_not_released_by_a_look)
{
	pid_t sender = spawn_sender_as(self->fd, "text", self->how);
	struct letter letter;

	wait_for_senders(self->fd, 0, 1);
	ASSERT_EQ(0, receive(self->fd, 0, MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	EXPECT_EQ(1, state(self->fd, 0).senders);
	EXPECT_EQ(0, state(self->fd, 0).sent);
	expect_next(_metadata, self->fd, "text");
	EXPECT_EQ(0, join(sender));
	expect_quiet(_metadata, self->fd, 1);
}

TEST_F(sync, sender_is_not_released_by_a_buffer_that_is_too_small)
{
	pid_t sender = spawn_sender_as(self->fd, "text", self->how);
	struct mbox_recv env;
	char buf[3];

	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(EMSGSIZE, receive_into(self->fd, 0, buf, 3, MBOX_RECV_NONBLOCK, 0, &env));
	EXPECT_EQ(4, env.len);
	EXPECT_EQ(state(self->fd, 0).id, env.from);
	EXPECT_EQ(1, state(self->fd, 0).senders);
	EXPECT_EQ(0, receive_into(self->fd, 0, buf, 3, MBOX_RECV_NONBLOCK | MBOX_RECV_TRUNCATE, 0,
				  &env));
	EXPECT_EQ(0, memcmp("tex", buf, 3));
	EXPECT_EQ(0, join(sender));
	expect_quiet(_metadata, self->fd, 1);
}

TEST_F(sync, nonblocking_sender_whose_receiver_wants_less_keeps_its_message)
{
	char buf[3];
	struct task *receiver = start_receiving(self->fd, buf, sizeof(buf));

	wait_for_receivers(self->fd, 0, 1);
	self->how->flags |= MBOX_SEND_NONBLOCK;
	EXPECT_EQ(EAGAIN, send_as(self->fd, "text", self->how));
	EXPECT_EQ(EMSGSIZE, finish(receiver));
	expect_quiet(_metadata, self->fd, 0);
}

TEST_F(sync, sender_that_is_killed_takes_its_message_with_it)
{
	pid_t sender = spawn_sender_as(self->fd, "text", self->how);
	struct letter letter;

	wait_for_senders(self->fd, 0, 1);
	end(sender);
	expect_quiet(_metadata, self->fd, 0);
	EXPECT_EQ(EAGAIN, fetch(self->fd, 0, &letter));
	EXPECT_EQ(0, polled(self->fd, POLLIN));
}

TEST_F(sync, sender_that_is_interrupted_and_restarted_sends_once)
{
	pid_t sender;

	take_signals(SA_RESTART);
	sender = spawn_sender_as(self->fd, "text", self->how);
	wait_for_senders(self->fd, 0, 1);
	ASSERT_EQ(0, kill(sender, SIGUSR1));
	ASSERT_EQ(0, kill(sender, SIGSTOP));
	ASSERT_EQ(sender, waitpid(sender, NULL, WUNTRACED));
	ASSERT_EQ(0, kill(sender, SIGCONT));
	wait_for_senders(self->fd, 0, 1);
	expect_next(_metadata, self->fd, "text");
	EXPECT_EQ(0, join(sender));
	expect_quiet(_metadata, self->fd, 1);
}

TEST_F(sync, sender_is_told_when_the_mailbox_is_deleted)
{
	pid_t sender = spawn_sender_as(self->fd, "text", self->how);

	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, join(sender));
	EXPECT_FALSE(is_told(self->how));
}

/*
 * The claim is what "a receiver has it" means. What the receiver then cannot
 * take is a message like any other that was accepted.
 */
TEST_F(sync, sender_is_released_by_the_claim_even_if_the_receiver_then_fails)
{
	struct stall stall = new_stall();
	struct task *receiver = start_receiving(self->fd, stall.page, 16);
	struct mbox_stat stat;

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(0, send_as(self->fd, "text", self->how));
	EXPECT_EQ(getpid(), self->how->receiver);
	wait_for_stall(&stall);
	expect_quiet(_metadata, self->fd, 1);
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(receiver));

	stat = state(self->fd, 0);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(4, stat.bytes);
	EXPECT_EQ(1, stat.sent);
	EXPECT_EQ(0, stat.received);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(POLLIN, polled(self->fd, POLLIN));
	expect_next(_metadata, self->fd, "text");
	expect_quiet(_metadata, self->fd, 1);
}

TEST_F(sync, message_of_a_receiver_that_failed_goes_to_the_next_that_waits)
{
	struct stall stall = new_stall();
	struct task *receiver = start_receiving(self->fd, stall.page, 16);
	pid_t next;

	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(0, send_as(self->fd, "text", self->how));
	wait_for_stall(&stall);
	next = spawn_receiver(self->fd, 0, self->letter);
	wait_for_receivers(self->fd, 0, 1);
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(receiver));
	EXPECT_EQ(0, join(next));
	EXPECT_STREQ("text", self->letter->text);
	expect_quiet(_metadata, self->fd, 1);
}

TEST_F(sync, message_of_a_receiver_that_failed_outlives_its_sender)
{
	void *nowhere = unmapped();
	pid_t sender = spawn_sender_as(self->fd, "text", self->how);
	struct mbox_recv env;

	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(EFAULT, receive_into(self->fd, 0, nowhere, 16, 0, 0, &env));
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(getpid(), self->how->receiver);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	expect_next(_metadata, self->fd, "text");
	expect_quiet(_metadata, self->fd, 1);
}

TEST_F(sync, senders_are_served_by_priority_then_by_arrival)
{
	static const struct {
		const char *text;
		uint32_t prio;
	} arrivals[] = { { "a", 1 }, { "b", 5 }, { "c", 1 }, { "d", 31 }, { "e", 5 } };
	static const char *const order[] = { "d", "b", "e", "a", "c" };
	pid_t senders[ARRAY_SIZE(arrivals)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arrivals); i++) {
		self->how->prio = arrivals[i].prio;
		senders[i] = spawn_sender_as(self->fd, arrivals[i].text, self->how);
		wait_for_senders(self->fd, 0, i + 1);
	}
	/* With room for one, the first is in the queue and only then the best is. */
	if (variant->kind == SYNC)
		expect_next(_metadata, self->fd, "a");
	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (variant->kind == RENDEZVOUS || strcmp(order[i], "a"))
			expect_next(_metadata, self->fd, order[i]);
	for (i = 0; i < ARRAY_SIZE(arrivals); i++)
		EXPECT_EQ(0, join(senders[i]));
	expect_quiet(_metadata, self->fd, ARRAY_SIZE(arrivals));
}

#define ROUNDS 500
#define LAST ROUNDS	/* the number that ends a race */

/* What became of each number. */
struct race {
	bool sent[ROUNDS + 1];
	unsigned int received[ROUNDS + 1];
	unsigned int failed;
};

static int send_number(int fd, uint32_t number, uint64_t flags, uint64_t deadline)
{
	return send_bytes(fd, 0, &number, sizeof(number), 0, flags, deadline);
}

/* Until the last number has come; each comes after the former. */
static void receive_numbers(int fd, struct race *race, bool nonblock)
{
	uint32_t number = 0, next = 0;
	struct mbox_recv env;
	int error;

	srand(2);
	while (number != LAST) {
		if (nonblock && rand() % 3)
			usleep(rand() % 200);
		error = receive_into(fd, 0, &number, sizeof(number),
				     nonblock ? MBOX_RECV_NONBLOCK : 0, 0, &env);
		NEED(!error || (error == EAGAIN && nonblock));
		if (error)
			continue;
		NEED(number >= next && number <= LAST);
		next = number + 1;
		race->received[number]++;
	}
}

static void expect_all_decided_once(struct __test_metadata *_metadata, const struct race *race)
{
	unsigned int i, sent = 0;

	for (i = 0; i <= LAST; i++) {
		EXPECT_EQ(race->sent[i], race->received[i]) {
			TH_LOG("message %u", i);
		}
		sent += race->sent[i];
	}
	/* Otherwise it was no race. */
	EXPECT_LT(1, sent);
	EXPECT_LT(0, race->failed);
}

static void send_in_a_hurry(int fd, uint64_t flags, struct race *race)
{
	uint32_t number;
	int error;

	srand(1);
	for (number = 0; number < LAST; number++) {
		error = send_number(fd, number, flags | MBOX_SEND_TIMEOUT,
				    now() + rand() % 300 * 1000);
		NEED(!error || error == ETIMEDOUT);
		race->sent[number] = !error;
		race->failed += !!error;
	}
	NEED(!send_number(fd, LAST, flags, 0));
	race->sent[LAST] = true;
}

TEST_F(sync, send_that_times_out_while_it_is_received_is_decided_once)
{
	struct race *race = shared(sizeof(*race));
	pid_t sender = spawn(), receiver;

	if (!sender) {
		send_in_a_hurry(self->fd, self->how->flags, race);
		_exit(0);
	}
	receiver = spawn();
	if (!receiver) {
		receive_numbers(self->fd, race, true);
		_exit(0);
	}
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, join(receiver));
	expect_all_decided_once(_metadata, race);
	expect_quiet(_metadata, self->fd, state(self->fd, 0).sent);
}

static void send_while_disturbed(int fd, uint64_t flags, struct race *race)
{
	uint32_t number;
	int error;

	for (number = 0; number < LAST; number++) {
		error = send_number(fd, number, flags, 0);
		NEED(!error || error == EINTR);
		race->sent[number] = !error;
		race->failed += !!error;
	}
	do {
		error = send_number(fd, LAST, flags, 0);
		NEED(!error || error == EINTR);
	} while (error);
	race->sent[LAST] = true;
}

TEST_F(sync, send_that_is_interrupted_while_it_is_received_is_decided_once)
{
	struct race *race = shared(sizeof(*race));
	pid_t sender = spawn(), receiver, disturber;

	if (!sender) {
		send_while_disturbed(self->fd, self->how->flags, race);
		_exit(0);
	}
	disturber = spawn();
	while (!disturber) {
		kill(sender, SIGUSR1);
		usleep(rand() % 600);
	}
	receiver = spawn();
	if (!receiver) {
		receive_numbers(self->fd, race, true);
		_exit(0);
	}
	EXPECT_EQ(0, join(receiver));
	EXPECT_EQ(0, join(sender));
	end(disturber);
	expect_all_decided_once(_metadata, race);
	expect_quiet(_metadata, self->fd, state(self->fd, 0).sent);
}

/* Both sides without waiting: each receive finds a sender there, or does not. */
TEST_F(sync, send_without_waiting_is_received_or_was_not_sent)
{
	struct race *race = shared(sizeof(*race));
	uint64_t flags = self->how->flags | MBOX_SEND_NONBLOCK;
	pid_t receiver = spawn();
	uint32_t number;

	if (!receiver) {
		receive_numbers(self->fd, race, false);
		_exit(0);
	}
	for (number = 0; number < LAST; number++) {
		int error = send_number(self->fd, number, flags, 0);

		ASSERT_TRUE(!error || error == EAGAIN);
		race->sent[number] = !error;
		race->failed += !!error;
		if (number % 4 == 0)
			wait_for_receivers(self->fd, 0, 1);
	}
	ASSERT_EQ(0, send_number(self->fd, LAST, self->how->flags, 0));
	race->sent[LAST] = true;
	EXPECT_EQ(0, join(receiver));
	expect_all_decided_once(_metadata, race);
}

/* Killed at any moment: the message was received, or never is. */
TEST_F(sync, sender_that_is_killed_while_it_is_received_has_sent_at_most_once)
{
	const uint32_t rounds = 25;
	uint32_t *done = shared(sizeof(*done)), number, round, taken;
	struct mbox_recv env;

	srand(3);
	for (round = 0; round < rounds; round++) {
		pid_t sender = spawn();

		if (!sender) {
			tell(done, 0);
			for (number = 0;; number++) {
				NEED(!send_number(self->fd, number, self->how->flags, 0));
				tell(done, number + 1);
			}
		}
		for (taken = 0; taken < (uint32_t)rand() % 4; taken++) {
			ASSERT_EQ(0, receive_into(self->fd, 0, &number, 4, 0, 0, &env));
			ASSERT_EQ(taken, number);
		}
		end(sender);
		EXPECT_EQ(EAGAIN, receive_into(self->fd, 0, &number, 4, MBOX_RECV_NONBLOCK, 0,
					       &env));
		ASSERT_LE(taken ? told(done) : 0, taken);
		ASSERT_EQ(0, state(self->fd, 0).senders);
	}
	expect_quiet(_metadata, self->fd, state(self->fd, 0).sent);
}

/* The rest is of one kind only. */
FIXTURE(room) {
	int fd;
	struct mbox_send *how;
};

FIXTURE_SETUP(room)
{
	begin();
	take_signals(0);
	self->fd = mailbox(attributes(2, 16));
	self->how = shared(sizeof(*self->how));
	self->how->flags = MBOX_SEND_SYNC;
}

FIXTURE_TEARDOWN(room)
{
	sweep();
}

TEST_F(room, is_taken_by_a_synchronous_message_until_it_is_received)
{
	pid_t sender = spawn_sender_as(self->fd, "sync", self->how);

	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(0, post(self->fd, 0, "async", 0));
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "more", 0));
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	EXPECT_EQ(9, state(self->fd, 0).bytes);
	EXPECT_EQ(1, state(self->fd, 0).sent);
	expect_next(_metadata, self->fd, "sync");
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, post(self->fd, 0, "more", 0));
}

TEST_F(room, is_waited_for_and_then_the_receiver)
{
	pid_t sender;

	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	sender = spawn_sender_as(self->fd, "sync", self->how);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	expect_next(_metadata, self->fd, "1");
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).senders);
	EXPECT_EQ(2, state(self->fd, 0).sent);
	expect_next(_metadata, self->fd, "2");
	EXPECT_EQ(1, state(self->fd, 0).senders);
	expect_next(_metadata, self->fd, "sync");
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(getpid(), self->how->receiver);
	EXPECT_EQ(3, state(self->fd, 0).sent);
}

/* By a signal, or by a deadline that is for both waits together. */
static void give_up_in_the_queue(struct __test_metadata *_metadata, int fd, struct mbox_send *how,
				 bool deadline)
{
	pid_t sender, next;

	if (deadline) {
		how->flags |= MBOX_SEND_TIMEOUT;
		how->deadline = now() + 2500 * MSEC;
	}
	NEED(!post(fd, 0, "1", 0));
	NEED(!post(fd, 0, "2", 0));
	sender = spawn_sender_as(fd, "sync", how);
	wait_for_senders(fd, 0, 1);
	next = spawn_sender(fd, 0, "next", 0);
	wait_for_senders(fd, 0, 2);
	expect_next(_metadata, fd, "1");
	EXPECT_EQ(2, state(fd, 0).msgs);
	EXPECT_EQ(2, state(fd, 0).senders);
	if (!deadline)
		NEED(!kill(sender, SIGUSR1));
	EXPECT_EQ(deadline ? ETIMEDOUT : EINTR, join(sender));
	EXPECT_EQ(0, join(next));
	EXPECT_EQ(0, state(fd, 0).senders);
	expect_next(_metadata, fd, "2");
	expect_next(_metadata, fd, "next");
	EXPECT_EQ(3, state(fd, 0).sent);
}

TEST_F(room, of_a_message_taken_back_by_timeout_goes_to_the_next_sender)
{
	give_up_in_the_queue(_metadata, self->fd, self->how, true);
}

TEST_F(room, of_a_message_taken_back_by_signal_goes_to_the_next_sender)
{
	give_up_in_the_queue(_metadata, self->fd, self->how, false);
}

TEST_F(room, of_a_message_taken_back_is_told_to_pollers)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLOUT };
	pid_t sender;

	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	sender = spawn_sender_as(self->fd, "sync", self->how);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(0, polled(self->fd, POLLOUT));
	ASSERT_EQ(0, kill(sender, SIGUSR1));
	EXPECT_EQ(1, poll(&pollfd, 1, -1));
	EXPECT_EQ(POLLOUT, pollfd.revents);
	EXPECT_EQ(EINTR, join(sender));
}

FIXTURE(rendezvous) {
	int fd;
	struct letter *letter;
};

FIXTURE_SETUP(rendezvous)
{
	begin();
	self->fd = mailbox_for(RENDEZVOUS);
	self->letter = shared(sizeof(*self->letter));
}

FIXTURE_TEARDOWN(rendezvous)
{
	sweep();
}

TEST_F(rendezvous, is_readable_while_a_sender_waits)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLIN };
	pid_t sender = spawn();

	if (!sender) {
		usleep(20000);
		_exit(post_and_wait(self->fd, 0, "text", 0));
	}
	EXPECT_EQ(1, poll(&pollfd, 1, -1));
	EXPECT_EQ(POLLIN, pollfd.revents);
	EXPECT_EQ(POLLIN, polled(self->fd, POLLIN | POLLOUT));
	expect_next(_metadata, self->fd, "text");
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(0, polled(self->fd, POLLIN | POLLOUT));
}

TEST_F(rendezvous, is_writable_while_a_receiver_waits)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLOUT };
	pid_t receiver = spawn();

	if (!receiver) {
		usleep(20000);
		_exit(fetch_and_wait(self->fd, 0, self->letter));
	}
	EXPECT_EQ(1, poll(&pollfd, 1, -1));
	EXPECT_EQ(POLLOUT, pollfd.revents);
	EXPECT_EQ(POLLOUT, polled(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(0, polled(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, join(receiver));
}

TEST_F(rendezvous, of_write_and_read)
{
	pid_t writer = spawn();
	char buf[16];

	if (!writer)
		_exit(write(self->fd, "text", 4) == 4 ? 0 : errno);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(4, read(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp("text", buf, 4));
	EXPECT_EQ(0, join(writer));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(EAGAIN, error_of(write(self->fd, "text", 4)));
	EXPECT_EQ(EAGAIN, error_of(read(self->fd, buf, sizeof(buf))));
	EXPECT_EQ(0, state(self->fd, 0).senders + state(self->fd, 0).receivers);
}

TEST_F(rendezvous, holds_nothing_and_counts_nothing_as_held)
{
	pid_t senders[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		senders[i] = spawn_sender(self->fd, 0, "text", 0);
		wait_for_senders(self->fd, 0, i + 1);
		EXPECT_EQ(0, state(self->fd, 0).msgs);
		EXPECT_EQ(0, state(self->fd, 0).bytes);
	}
	for (i = 0; i < 3; i++)
		expect_next(_metadata, self->fd, "text");
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, join(senders[i]));
	EXPECT_EQ(0, state(self->fd, 0).msgs_high);
	EXPECT_EQ(0, state(self->fd, 0).bytes_high);
}

TEST_HARNESS_MAIN
