// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many processes on both sides of one mailbox, and disturbances in the middle
 * of it: nothing is lost, doubled or out of order.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define SENDERS		4
#define RECEIVERS	4
#define EACH		2000	/* messages of each sender */
#define PRIORITIES	3
#define LONGEST		256

/* A message; the rest of its bytes repeat the low byte of the number. */
struct parcel {
	uint32_t sender;
	uint32_t number;
	unsigned char rest[LONGEST - 8];
};

/* What everybody did, in shared memory. */
struct ledger {
	bool sent[SENDERS][EACH];
	unsigned int received[SENDERS][EACH];
	unsigned int seqs[SENDERS * EACH + 1];
	uint32_t delivered;		/* messages that receivers have whole */
	unsigned int disturbed;		/* calls that failed as they should */
	uint32_t hold;			/* nobody sends its last message while this is set */
};

FIXTURE(race) {
	int fd;
	struct ledger *ledger;
	pid_t senders[SENDERS];
	pid_t receivers[RECEIVERS];
};

FIXTURE_VARIANT(race) {
	uint32_t max_msgs;
	uint32_t max_bytes;
	bool nonblocking;	/* some calls are, and poll instead */
	bool deadlines;		/* some calls have one, very near */
	bool signals;		/* that interrupt */
	bool faults;		/* some buffers are bad or too small */
};

FIXTURE_VARIANT_ADD(race, for_a_single_place) {
	.max_msgs = 1, .max_bytes = LONGEST,
};

FIXTURE_VARIANT_ADD(race, for_bytes) {
	.max_msgs = 1000, .max_bytes = 3 * LONGEST,
};

FIXTURE_VARIANT_ADD(race, for_much_room) {
	.max_msgs = 1000, .max_bytes = 1000 * LONGEST,
};

FIXTURE_VARIANT_ADD(race, with_nonblocking_calls) {
	.max_msgs = 4, .max_bytes = 4 * LONGEST, .nonblocking = true,
};

FIXTURE_VARIANT_ADD(race, with_deadlines) {
	.max_msgs = 2, .max_bytes = 2 * LONGEST, .deadlines = true,
};

FIXTURE_VARIANT_ADD(race, with_signals) {
	.max_msgs = 2, .max_bytes = 2 * LONGEST, .signals = true,
};

FIXTURE_VARIANT_ADD(race, with_faults) {
	.max_msgs = 4, .max_bytes = 4 * LONGEST, .faults = true,
};

FIXTURE_VARIANT_ADD(race, with_everything) {
	.max_msgs = 3, .max_bytes = 2 * LONGEST, .nonblocking = true, .deadlines = true,
	.signals = true, .faults = true,
};

FIXTURE_SETUP(race)
{
	begin();
	self->fd = mailbox((struct mbox_create){
		.max_msgs = variant->max_msgs,
		.max_bytes = variant->max_bytes,
		.max_size = LONGEST,
		.mode = 0600,
	});
	self->ledger = shared(sizeof(*self->ledger));
}

FIXTURE_TEARDOWN(race)
{
	sweep();
}

static bool one_in(int n)
{
	return rand() % n == 0;
}

static void count_up(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static uint64_t soon(void)
{
	return now() + rand() % 200 * 1000;
}

static void wait_for(int fd, short event)
{
	struct pollfd pollfd = { .fd = fd, .events = event };

	NEED(poll(&pollfd, 1, -1) == 1 || errno == EINTR);
}

/* Did the call have no effect, and may so be repeated? Or it must not fail. */
static bool in_vain(int error, bool bad, struct ledger *ledger)
{
	if (!error || error == EIDRM)
		return false;
	NEED(error == EAGAIN || error == ETIMEDOUT || error == EINTR ||
	     (bad && (error == EFAULT || error == EMSGSIZE)));
	count_up(&ledger->disturbed);
	return true;
}

static uint32_t make_parcel(struct parcel *parcel, uint32_t sender, uint32_t number)
{
	uint32_t len = 8 + rand() % sizeof(parcel->rest);

	parcel->sender = sender;
	parcel->number = number;
	memset(parcel->rest, number, len - 8);
	return len;
}

static int send_somehow(int fd, const FIXTURE_VARIANT(race) *variant, struct ledger *ledger,
			const struct parcel *parcel, uint32_t len, uint32_t prio)
{
	static void *nowhere;
	uint64_t flags;
	bool bad;
	int error;

	if (!nowhere)
		nowhere = unmapped();
	do {
		bad = variant->faults && one_in(4);
		flags = variant->nonblocking && one_in(2) ? MBOX_SEND_NONBLOCK : 0;
		flags |= variant->deadlines && one_in(2) ? MBOX_SEND_TIMEOUT : 0;
		error = send_bytes(fd, 0, bad ? nowhere : parcel, len, prio, flags, soon());
		NEED(!bad || error == EFAULT || error == EIDRM);
		if (error == EAGAIN)
			wait_for(fd, POLLOUT);
	} while (in_vain(error, bad, ledger));
	return error;
}

static int be_sender(int fd, const FIXTURE_VARIANT(race) *variant, struct ledger *ledger,
		     uint32_t sender)
{
	struct parcel parcel;
	uint32_t number, len;
	int error;

	srand(sender + 1);
	for (number = 0; number < EACH; number++) {
		if (number == EACH - 1)
			WAIT_UNTIL(!told(&ledger->hold));
		len = make_parcel(&parcel, sender, number);
		error = send_somehow(fd, variant, ledger, &parcel, len, rand() % PRIORITIES);
		if (error)
			return error;
		ledger->sent[sender][number] = true;
	}
	return 0;
}

static int receive_somehow(int fd, const FIXTURE_VARIANT(race) *variant, struct ledger *ledger,
			   struct parcel *parcel, struct mbox_recv *env)
{
	static void *nowhere;
	uint64_t flags, size;
	int bad, error;

	if (!nowhere)
		nowhere = unmapped();
	do {
		bad = variant->faults ? rand() % 6 : 0;
		size = bad == 2 ? rand() % LONGEST : LONGEST;
		flags = variant->nonblocking && one_in(2) ? MBOX_RECV_NONBLOCK : 0;
		flags |= variant->deadlines && one_in(2) ? MBOX_RECV_TIMEOUT : 0;
		error = receive_into(fd, 0, bad == 1 ? nowhere : parcel, size, flags, soon(), env);
		NEED(bad != 1 || error);
		if (error == EAGAIN)
			wait_for(fd, POLLIN);
	} while (in_vain(error, bad, ledger));
	return error;
}

static void check_parcel(const struct parcel *parcel, const struct mbox_recv *env)
{
	size_t i;

	NEED(env->len >= 8 && env->len <= LONGEST);
	NEED(parcel->sender < SENDERS && parcel->number < EACH);
	for (i = 0; i < env->len - 8; i++)
		NEED(parcel->rest[i] == (unsigned char)parcel->number);
}

/*
 * What one receiver gets of one priority comes in order, if none was put back
 * by another receiver meanwhile.
 */
static int be_receiver(int fd, const FIXTURE_VARIANT(race) *variant, struct ledger *ledger,
		       uint32_t receiver)
{
	uint32_t next[PRIORITIES][SENDERS] = { };
	uint64_t last_seq[PRIORITIES] = { };
	struct parcel parcel;
	struct mbox_recv env;
	int error;

	srand(receiver + 100);
	while (!(error = receive_somehow(fd, variant, ledger, &parcel, &env))) {
		check_parcel(&parcel, &env);
		NEED(env.prio < PRIORITIES);
		if (!variant->faults) {
			NEED(parcel.number >= next[env.prio][parcel.sender]);
			NEED(env.seq > last_seq[env.prio]);
		}
		next[env.prio][parcel.sender] = parcel.number + 1;
		last_seq[env.prio] = env.seq;
		NEED(env.seq <= SENDERS * EACH);
		count_up(&ledger->seqs[env.seq]);
		count_up(&ledger->received[parcel.sender][parcel.number]);
		count_up(&ledger->delivered);
	}
	return error;
}

static void ignore(int signal)
{
	(void)signal;
}

static void start(FIXTURE_DATA(race) *self, const FIXTURE_VARIANT(race) *variant)
{
	struct sigaction action = { .sa_handler = ignore };
	uint32_t i;

	NEED(!sigaction(SIGUSR1, &action, NULL));
	for (i = 0; i < RECEIVERS; i++) {
		self->receivers[i] = spawn();
		if (!self->receivers[i])
			_exit(be_receiver(self->fd, variant, self->ledger, i));
	}
	for (i = 0; i < SENDERS; i++) {
		self->senders[i] = spawn();
		if (!self->senders[i])
			_exit(be_sender(self->fd, variant, self->ledger, i));
	}
}

/* A child that sends signals to everybody, until it is killed. */
static pid_t spawn_disturber(const FIXTURE_DATA(race) *self)
{
	pid_t child = spawn();

	if (child)
		return child;
	srand(1000);
	for (;;) {
		/* They are children of the test, and zombies until it is over. */
		kill(one_in(2) ? self->senders[rand() % SENDERS] :
				 self->receivers[rand() % RECEIVERS], SIGUSR1);
		usleep(rand() % 1000);
	}
}

/*
 * A child that looks at the mailbox until it is gone. All numbers are of one
 * moment, and at no moment does somebody wait for what is there.
 */
static pid_t spawn_watcher(int fd, const FIXTURE_VARIANT(race) *variant)
{
	uint32_t most = variant->max_msgs + (variant->faults ? RECEIVERS : 0);
	pid_t child = spawn();
	struct mbox_stat stat;
	int error;

	if (child)
		return child;
	while (!(error = try_stat(fd, 0, 0, &stat))) {
		NEED(stat.sent == stat.received + stat.msgs);
		NEED(stat.msgs <= most && stat.bytes <= (uint64_t)most * LONGEST);
		NEED(!stat.msgs || !stat.receivers);
		usleep(300);
	}
	_exit(error);
}

static void expect_all_over(struct __test_metadata *_metadata, struct mbox_stat stat)
{
	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.bytes);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(SENDERS * EACH, stat.sent);
	EXPECT_EQ(SENDERS * EACH, stat.received);
}

TEST_F(race, loses_and_doubles_nothing_and_keeps_the_order)
{
	pid_t disturber = 0, watcher = spawn_watcher(self->fd, variant);
	uint32_t i, number;

	start(self, variant);
	if (variant->signals)
		disturber = spawn_disturber(self);
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, join(self->senders[i]));
	if (variant->signals)
		end(disturber);
	/* Not what the mailbox handed out: that may still come back. */
	WAIT_UNTIL(told(&self->ledger->delivered) == SENDERS * EACH);
	expect_all_over(_metadata, state(self->fd, 0));
	EXPECT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, join(watcher));
	for (i = 0; i < RECEIVERS; i++)
		EXPECT_EQ(EIDRM, join(self->receivers[i]));

	for (i = 0; i < SENDERS; i++)
		for (number = 0; number < EACH; number++)
			ASSERT_EQ(1, self->ledger->received[i][number]);
	for (i = 1; i <= SENDERS * EACH; i++)
		ASSERT_EQ(1, self->ledger->seqs[i]);
	if (variant->nonblocking || variant->deadlines || variant->signals || variant->faults)
		EXPECT_LT(0, self->ledger->disturbed);
}

/* A send that reported success was received or was in the mailbox. */
TEST_F(race, ends_for_everybody_when_the_mailbox_is_deleted)
{
	uint32_t i, number, dropped = 0;
	pid_t disturber = 0;

	self->ledger->hold = true;
	start(self, variant);
	if (variant->signals)
		disturber = spawn_disturber(self);
	WAIT_UNTIL(state(self->fd, 0).received > EACH / 4);
	EXPECT_EQ(0, delete(self->fd, 0));
	tell(&self->ledger->hold, false);
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(EIDRM, join(self->senders[i]));
	for (i = 0; i < RECEIVERS; i++)
		EXPECT_EQ(EIDRM, join(self->receivers[i]));
	if (variant->signals)
		end(disturber);

	for (i = 0; i < SENDERS; i++) {
		for (number = 0; number < EACH; number++) {
			unsigned int received = self->ledger->received[i][number];

			ASSERT_LE(received, self->ledger->sent[i][number]);
			dropped += self->ledger->sent[i][number] - received;
		}
	}
	/* More than there is room for only where receivers put something back. */
	EXPECT_LE(dropped, variant->max_msgs + (variant->faults ? RECEIVERS : 0));
}

FIXTURE(kill) {
	int fd;
};

FIXTURE_SETUP(kill)
{
	begin();
	self->fd = mailbox(attributes(2, 8));
}

FIXTURE_TEARDOWN(kill)
{
	sweep();
}

/* Send numbers for ever, each @sender's own; how many is in shared memory. */
static void send_for_ever(int fd, uint32_t sender, uint32_t *sent)
{
	uint32_t text[2] = { sender, 0 };

	for (;;) {
		NEED(!send_bytes(fd, 0, text, sizeof(text), 0, 0, 0));
		tell(sent, ++text[1]);
	}
}

TEST_F(kill, of_senders_leaves_whole_messages_and_nobody_who_waits)
{
	const uint32_t rounds = 40;
	uint32_t *sent = shared(rounds * sizeof(*sent)), text[2], next = 0, round;
	struct mbox_recv env;
	int error;

	srand(1);
	for (round = 0; round < rounds; round++) {
		pid_t sender = spawn();

		if (!sender)
			send_for_ever(self->fd, round, &sent[round]);
		/* Sometimes it waits for room, sometimes it does not. */
		usleep(rand() % 3000);
		next = 0;
		if (one_in(2)) {
			do {
				error = receive_into(self->fd, 0, text, sizeof(text),
						     MBOX_RECV_NONBLOCK, 0, &env);
				ASSERT_TRUE(error == 0 || error == EAGAIN);
				if (!error && text[0] == round)
					ASSERT_EQ(next++, text[1]);
			} while (next < 20);
		}
		end(sender);
		EXPECT_EQ(0, state(self->fd, 0).senders);
		while (!receive_into(self->fd, 0, text, sizeof(text), MBOX_RECV_NONBLOCK, 0, &env)) {
			ASSERT_EQ(round, text[0]);
			ASSERT_EQ(next++, text[1]);
		}
		/* The last one may have been sent without its sender's knowing. */
		EXPECT_LE(sent[round], next);
		EXPECT_LE(next, sent[round] + 1);
	}
}

TEST_F(kill, of_receivers_takes_one_message_each_at_the_most)
{
	const uint32_t rounds = 40;
	uint32_t *received = shared(sizeof(*received)), round;
	struct mbox_stat stat;
	uint64_t sent = 0;

	srand(2);
	for (round = 0; round < rounds; round++) {
		pid_t receiver = spawn();
		struct letter letter;

		if (!receiver) {
			for (;;) {
				NEED(!fetch_and_wait(self->fd, 0, &letter));
				tell(received, *received + 1);
			}
		}
		usleep(rand() % 2000);
		while (one_in(4) == false)
			sent += !post(self->fd, 0, "a", 0);
		end(receiver);
	}
	stat = state(self->fd, 0);
	EXPECT_EQ(0, stat.receivers);
	EXPECT_EQ(sent, stat.sent);
	EXPECT_EQ(sent, stat.received + stat.msgs);
	EXPECT_LE(*received, stat.received);
	EXPECT_LE(stat.received, *received + rounds);
}

TEST_HARNESS_MAIN
