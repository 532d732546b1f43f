// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Direct communication of many processes at once, which are killed at any moment:
 * one link for each pair, nothing lost, nothing twice, whoever waits for a dead one
 * is told, and everything is given back.
 */
#include "kselftest_harness.h"
#include "direct.h"
#include "module.h"

#define SIZE	16

/* Rounds are many, but a slow machine makes fewer of them. */
#define ENOUGH	(2000 * MSEC)

static void add_one(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static int send_number(int fd, pid_t pid, uint32_t number, uint64_t flags)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_PID | flags, .id = pid,
		.buf = (uintptr_t)&number, .len = sizeof(number),
	};

	return call(fd, MBOX_IOC_SEND, &how);
}

static int recv_number(int fd, struct mbox_recv how, uint32_t *number, struct mbox_recv *env)
{
	int error;

	how.buf = (uintptr_t)number;
	how.size = sizeof(*number);
	error = call(fd, MBOX_IOC_RECV, &how);
	NEED(error || how.len == sizeof(*number));
	*env = how;
	return error;
}

/*
 * Two processes that know nothing of each other until they do something at the same
 * moment.
 */
struct stage {
	uint32_t ready;
	uint32_t go[2];
	uint32_t done;
	pid_t pids[2];
	int errors[2];
};

FIXTURE(pair) {
	int fd;
	struct stage *stage;
};

typedef int use_fn(int fd, pid_t other);

FIXTURE_VARIANT(pair) {
	use_fn *use[2];
};

static int use_send(int fd, pid_t other)
{
	return send_number(fd, other, 1, MBOX_SEND_NONBLOCK);
}

static int use_recv(int fd, pid_t other)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_MATCH | MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK,
		.match = other,
	};
	uint32_t number;
	int error = recv_number(fd, how, &number, &how);

	return error == EAGAIN ? 0 : error;
}

/* It may be made by the other one, a moment before. */
static int use_create(int fd, pid_t other)
{
	struct mbox_create attr = inbox_for(MBOX_INBOX_MSGS, MBOX_INBOX_SIZE);
	int error = call(fd, MBOX_IOC_CREATE, &attr);

	NEED(!error || error == EEXIST);
	return use_send(fd, other);
}

FIXTURE_VARIANT_ADD(pair, that_both_send) {
	.use = { use_send, use_send },
};

FIXTURE_VARIANT_ADD(pair, of_which_one_receives) {
	.use = { use_send, use_recv },
};

FIXTURE_VARIANT_ADD(pair, that_both_receive) {
	.use = { use_recv, use_recv },
};

FIXTURE_VARIANT_ADD(pair, of_which_one_makes_its_inbox) {
	.use = { use_create, use_send },
};

FIXTURE_SETUP(pair)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->stage = shared(sizeof(*self->stage));
}

FIXTURE_TEARDOWN(pair)
{
	end_cast(self->fd);
}

static void enter_stage(int fd, struct stage *stage, int me, use_fn *use)
{
	add_one(&stage->ready);
	while (!told(&stage->go[me]))
		sched_yield();
	stage->errors[me] = use(fd, stage->pids[!me]);
	add_one(&stage->done);
	for (;;)
		pause();
}

static void prepare(int fd, struct stage *stage, use_fn *const use[2])
{
	int i;

	memset(stage, 0, sizeof(*stage));
	for (i = 0; i < 2; i++) {
		pid_t pid = spawn();

		if (!pid)
			enter_stage(fd, stage, i, use[i]);
		stage->pids[i] = pid;
	}
	WAIT_UNTIL(told(&stage->ready) == 2);
}

static uint32_t links_of(int fd, pid_t pid)
{
	struct mbox_stat stat;

	return find_inbox(fd, pid, &stat) ? stat.links : 0;
}

TEST_F(pair, has_one_link)
{
	uint64_t bytes = 0, end_at = now() + ENOUGH;
	int round, i;

	for (round = 0; round < 10 || (round < 40 && now() < end_at); round++) {
		prepare(self->fd, self->stage, variant->use);
		tell(&self->stage->go[round & 1], 1);
		/* The first two times one after the other, to know what it costs. */
		if (round < 2)
			WAIT_UNTIL(told(&self->stage->done) == 1);
		tell(&self->stage->go[!(round & 1)], 1);
		WAIT_UNTIL(told(&self->stage->done) == 2);
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, self->stage->errors[i]);
			if (inbox_of(self->fd, self->stage->pids[i]))
				ASSERT_EQ(1, links_of(self->fd, self->stage->pids[i]));
		}
		if (!round)
			bytes = usage_of(self->fd, 0).ns_bytes;
		ASSERT_LT(0, bytes);
		/* A message, and an inbox, cost the same whoever made them. */
		ASSERT_EQ(bytes, usage_of(self->fd, 0).ns_bytes);
		end(self->stage->pids[0]);
		WAIT_UNTIL(!links_of(self->fd, self->stage->pids[1]));
		end(self->stage->pids[1]);
		WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
	}
}

/* One of the two is killed meanwhile. */
TEST_F(pair, has_none_if_one_ends)
{
	uint64_t end_at = now() + ENOUGH;
	int round;

	srand(1);
	for (round = 0; round < 10 || (round < 40 && now() < end_at); round++) {
		int dead = rand() % 2, error;

		prepare(self->fd, self->stage, variant->use);
		tell(&self->stage->go[!dead], 1);
		if (rand() % 2)
			tell(&self->stage->go[dead], 1);
		usleep(rand() % 300);
		end(self->stage->pids[dead]);
		WAIT_UNTIL(told(&self->stage->done) >= 1 &&
			   sleeps(self->stage->pids[!dead]));
		error = self->stage->errors[!dead];
		ASSERT_TRUE(!error || error == ESRCH || error == EIDRM) {
			TH_LOG("%s", strerror(error));
		}
		WAIT_UNTIL(!links_of(self->fd, self->stage->pids[!dead]));
		end(self->stage->pids[!dead]);
		WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
	}
}

/*
 * Everybody begins with the same process.
 */
#define MANY 6

FIXTURE(crowd) {
	int fd;
};

FIXTURE_SETUP(crowd)
{
	begin_accounts();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(crowd)
{
	end_cast(self->fd);
}

static int open_inbox(pid_t pid)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX, .id = pid };
	int fd = device(O_RDWR), error = call(fd, MBOX_IOC_OPEN, &open);

	close(fd);
	return error;
}

static void be_one_of_many(int fd, uint32_t number, pid_t pid, uint32_t *go)
{
	while (!told(go))
		sched_yield();
	if (number % 3 == 1)
		NEED(!open_inbox(pid));
	NEED(!send_number(fd, pid, number, 0));
	tell(go + 1 + number, 1);
	for (;;)
		pause();
}

static void be_whom_they_want(int fd, uint32_t *go)
{
	struct mbox_create attr = inbox_for(MBOX_INBOX_MSGS, SIZE);
	int error;

	while (!told(go))
		sched_yield();
	error = call(fd, MBOX_IOC_CREATE, &attr);
	NEED(!error || error == EEXIST);
	for (;;)
		pause();
}

TEST_F(crowd, makes_one_inbox)
{
	uint32_t *go = shared((MANY + 1) * sizeof(*go)), i;
	uint64_t end_at = now() + ENOUGH;
	pid_t pid, crowd[MANY];
	int round;

	for (round = 0; round < 6 || (round < 20 && now() < end_at); round++) {
		memset(go, 0, (MANY + 1) * sizeof(*go));
		pid = spawn();
		if (!pid && round % 2)
			be_whom_they_want(self->fd, go);
		while (!pid)
			pause();
		for (i = 0; i < MANY; i++) {
			crowd[i] = spawn();
			if (!crowd[i])
				be_one_of_many(self->fd, i, pid, go);
		}
		tell(go, 1);
		for (i = 0; i < MANY; i++)
			WAIT_UNTIL(told(go + 1 + i));
		/* One that was made in vain counts until it is gone. */
		WAIT_UNTIL(info(self->fd).mailboxes == 1);
		ASSERT_EQ(MANY, links_of(self->fd, pid));
		ASSERT_EQ(MANY, state(self->fd, inbox_of(self->fd, pid)).msgs);
		if (round % 3)
			end(pid);
		for (i = 0; i < MANY; i++)
			end(crowd[i]);
		if (round % 3 == 0) {
			WAIT_UNTIL(!links_of(self->fd, pid));
			end(pid);
		}
		WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
	}
}

/* What a sender knows that it sent is received, in order, and then its end is told. */
TEST_F(crowd, hears_all_of_a_killed_sender_and_then_of_its_end)
{
	const uint32_t rounds = 40;
	uint32_t *sent = shared(rounds * sizeof(*sent)), round, number, next, told_at;

	srand(2);
	for (round = 0; round < rounds; round++) {
		struct mbox_recv how = from_any_and_wait, env;
		pid_t sender, receiver = getpid();
		int error;

		sender = spawn();
		if (!sender) {
			for (;;) {
				NEED(!send_number(self->fd, receiver, sent[round], 0));
				tell(&sent[round], sent[round] + 1);
			}
		}
		next = 0;
		told_at = rand() % 20;
		how.flags |= MBOX_RECV_MATCH;
		how.match = sender;
		do {
			error = recv_number(self->fd, how, &number, &env);
			if (error)
				break;
			ASSERT_EQ(next++, number);
			ASSERT_EQ(0, env.prio);
			/* From now on by a name that outlives it. */
			how.flags |= MBOX_RECV_PARTICIPANT;
			how.match = env.sender;
			if (next == told_at + 1)
				NEED(!kill(sender, SIGKILL));
		} while (next < 100000);
		NEED(join(sender) == -SIGKILL);
		ASSERT_TRUE(error == EIDRM || error == ESRCH);
		/* The last one may have been sent without its sender's knowing. */
		ASSERT_LE(told(&sent[round]), next);
		ASSERT_LE(next, told(&sent[round]) + 1);
		EXPECT_EQ(ESRCH, recv_number(self->fd, how, &number, &env));
		WAIT_UNTIL(!links_of(self->fd, receiver));
	}
	EXPECT_EQ(0, usage_of(self->fd, 0).user_msgs);
}

/* The link is there, or not yet, or not any more; nobody waits for one that is dead. */
TEST_F(crowd, hears_of_an_end_at_the_moment_of_receiving)
{
	uint32_t *go = shared(2 * sizeof(*go)), number;
	unsigned int waited = 0, round;
	uint64_t end_at = now() + ENOUGH;

	srand(6);
	for (round = 0; round < 50 || (round < 1000 && now() < end_at); round++) {
		struct mbox_recv how = from_any_and_wait, env;
		volatile unsigned int spin = rand() % 20000;
		pid_t other;
		int error;

		memset(go, 0, 2 * sizeof(*go));
		other = spawn();
		if (!other) {
			tell(go, 1);
			while (!told(go + 1))
				sched_yield();
			_exit(0);
		}
		how.flags |= MBOX_RECV_MATCH | MBOX_RECV_TIMEOUT;
		how.match = other;
		WAIT_UNTIL(told(go));
		/* Every other time there is a link already. */
		if (round % 2)
			NEED(recv_number(self->fd, (struct mbox_recv){
				.flags = how.flags | MBOX_RECV_NONBLOCK, .match = other,
			}, &number, &env) == EAGAIN);
		tell(go + 1, 1);
		while (spin)
			spin--;
		how.deadline = now() + 10000 * MSEC;
		error = recv_number(self->fd, how, &number, &env);
		ASSERT_TRUE(error == EIDRM || error == ESRCH) {
			TH_LOG("error %d in round %u", error, round);
		}
		waited += error == EIDRM;
		NEED(!join(other));
	}
	/* Else it was not tried. */
	EXPECT_LT(0, waited);
	WAIT_UNTIL(!links_of(self->fd, getpid()));
}

/* Whoever waits for room, or sends again and again, is told. */
TEST_F(crowd, hears_of_the_end_of_a_killed_receiver)
{
	struct mbox_create attr = inbox_for(2, SIZE);
	uint64_t end_at = now() + ENOUGH;
	int round;

	srand(3);
	for (round = 0; round < 6 || (round < 25 && now() < end_at); round++) {
		pid_t pid = spawn(), senders[MANY];
		uint32_t i, number;
		int error;

		if (!pid) {
			struct mbox_recv env;

			attr.max_msgs = round % 3;
			attr.max_bytes = attr.max_msgs ? attr.max_bytes : 0;
			error = call(self->fd, MBOX_IOC_CREATE, &attr);
			NEED(!error || error == EEXIST);
			for (i = 0; i < 2000; i++)
				NEED(!recv_number(self->fd, from_any_and_wait, &number, &env));
			pause();
			_exit(0);
		}
		for (i = 0; i < MANY; i++) {
			senders[i] = spawn();
			if (senders[i])
				continue;
			do {
				error = send_number(self->fd, pid, 0, i % 2 ? MBOX_SEND_SYNC : 0);
			} while (!error);
			_exit(error);
		}
		usleep(rand() % 20000);
		end(pid);
		for (i = 0; i < MANY; i++) {
			error = join(senders[i]);
			ASSERT_TRUE(error == EIDRM || error == ESRCH);
		}
		WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
	}
}

/*
 * A process deletes its inbox again and again while others send: whatever it receives
 * was sent and comes once, in order, and senders are told EIDRM at most.
 */
TEST_F(crowd, survives_the_deleting_of_an_inbox)
{
	uint32_t *stop = shared(4 * PAGE), *sent = stop + 1, i, number;
	uint32_t next[MANY] = { }, received = 0, deleted = 0, total = 0;
	pid_t receiver = getpid(), senders[MANY];
	uint64_t end_at = now() + ENOUGH;
	struct mbox_recv env;

	srand(4);
	for (i = 0; i < MANY; i++) {
		senders[i] = spawn();
		if (senders[i])
			continue;
		for (number = 0; !told(stop); number++) {
			int error = send_number(self->fd, receiver, number << 8 | i,
						i % 2 ? MBOX_SEND_NONBLOCK : 0);

			NEED(!error || error == EIDRM || (i % 2 && error == EAGAIN));
			sent[i] += !error;
			if (error == EAGAIN)
				usleep(100);
		}
		_exit(0);
	}
	while (deleted < 10 || (deleted < 100 && now() < end_at)) {
		uint64_t id = inbox_of(self->fd, receiver);
		int error;

		if (id && rand() % 20 == 0) {
			NEED(!delete(self->fd, id));
			deleted++;
		}
		error = recv_number(self->fd, from_any, &number, &env);
		ASSERT_TRUE(!error || error == EAGAIN);
		if (error)
			continue;
		received++;
		i = number & 0xff;
		ASSERT_GT(MANY, i);
		ASSERT_LE(next[i], number >> 8);
		next[i] = (number >> 8) + 1;
	}
	tell(stop, 1);
	while (inbox_of(self->fd, receiver))
		NEED(!delete(self->fd, inbox_of(self->fd, receiver)));
	for (i = 0; i < MANY; i++) {
		int status;

		/* A blocking one may have met the next inbox. */
		WAIT_UNTIL(waitpid(senders[i], &status, WNOHANG) ||
			   (inbox_of(self->fd, receiver) &&
			    delete(self->fd, inbox_of(self->fd, receiver))));
		total += told(&sent[i]);
	}
	EXPECT_LT(0, received);
	EXPECT_LE(received, total);
	if (inbox_of(self->fd, receiver))
		NEED(!delete(self->fd, inbox_of(self->fd, receiver)));
	EXPECT_EQ(0, usage_of(self->fd, 0).user_msgs);
	WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
}

/* The right of a sender that waits comes and goes: it is sent, or told, and no more. */
TEST_F(crowd, survives_grants_and_revocations)
{
	uint32_t *counts = shared(PAGE), *sent = counts, *revoked = counts + 1, received = 0;
	struct puppet *q = new_actor(self->fd, OWNER);
	uint64_t id = create_by(q, inbox_for(1, SIZE));
	pid_t sender = spawn();
	int i;

	if (!sender) {
		become(STRANGER, STRANGER);
		for (;;) {
			int error = send_number(self->fd, q->pid, 0, 0);

			NEED(!error || error == EACCES || error == EKEYREVOKED);
			if (!error)
				add_one(sent);
			if (error == EKEYREVOKED)
				add_one(revoked);
		}
	}
	for (i = 0; i < 200 || !told(revoked); i++) {
		ASSERT_GT(5000, i);
		if (i % 3)
			NEED(!grant_by(q, id, sender, MBOX_RIGHT_SEND));
		else
			NEED(!chmod_by(q, id, 0002));
		usleep(rand() % 500);
		received += !hear(q);
		usleep(rand() % 500);
		if (i % 3)
			NEED(!revoke_by(q, id, sender, MBOX_RIGHT_SEND));
		else
			NEED(!chmod_by(q, id, 0));
	}
	end(sender);
	while (!hear(q))
		received++;
	EXPECT_LT(0, received);
	/* The last one may have been sent without its sender's knowing. */
	EXPECT_LE(told(sent), received);
	EXPECT_LE(received, told(sent) + 1);
	WAIT_UNTIL(!links(self->fd, q));
}

/*
 * The storm: everybody sends to and receives from everybody, in every way, and is
 * killed, replaced and interrupted at random.
 *
 * Each process is a life in a table, and so is each message: SENDING before the call,
 * SENT or FAILED after it. The kernel puts what is received into memory that outlives
 * the receiver. So of a message to somebody who lives to the end is known
 *
 *   FAILED	never received
 *   SENDING	(its sender was killed) received at most once
 *   SENT	received once
 *
 * and of one to somebody who does not, that it was received once at most.
 */
#define SLOTS	8
#define LIVES	400
#define ENTRIES	(1U << 18)

enum fate { UNUSED, SENDING, SENT, FAILED };

struct entry {
	uint16_t from;		/* lives */
	uint16_t to;
	uint8_t fate;
	uint8_t received;	/* how often */
	uint8_t prio;
};

/* A message. */
struct parcel {
	uint32_t number;	/* of its entry, plus one; 0: there is none */
	uint32_t check;
};

struct life {
	pid_t pid;
	uint64_t participant;
	uint32_t condemned;	/* it is about to be killed, or was */
	uint32_t waits_for;	/* a life, plus one, without a deadline */
	uint32_t parked;
	uint32_t drained;
	struct parcel parcel;	/* what the kernel gave it last */
};

enum phase { CALM, STORM, STOP, DRAIN };

struct storm {
	uint32_t phase;
	uint32_t next;		/* entry */
	uint32_t nr_lives;
	uint32_t slots[SLOTS];	/* who lives there */
	uint32_t sent;
	uint32_t received;
	uint32_t told_of_ends;
	struct life lives[LIVES];
	struct entry entries[ENTRIES];
};

static struct storm *storm;

/* What a life knows for itself. */
struct self {
	int fd;
	uint32_t me;
	struct life *life;
	uint32_t last[LIVES][2];	/* the last entry of each sender and priority */
};

static bool one_in(int n)
{
	return rand() % n == 0;
}

static uint64_t soon(void)
{
	return now() + rand() % 3000 * 1000;
}

/* Somebody else, who may have died. */
static uint32_t choose(const struct self *self)
{
	uint32_t whom;

	do {
		whom = told(&storm->slots[rand() % SLOTS]);
	} while (whom == self->me);
	return whom;
}

/* What may be said of somebody. Nobody is said to be dead who is not. */
static void check_error(int error, uint32_t whom, bool timed)
{
	switch (error) {
	case 0:
	case EAGAIN:
	case EINTR:
		return;
	case ETIMEDOUT:
		NEED(timed);
		return;
	case EIDRM:
	case ESRCH:
		NEED(whom < LIVES && told(&storm->lives[whom].condemned));
		add_one(&storm->told_of_ends);
		return;
	}
	errno = error;
	NEED(!"an error that may be");
}

static void try_send(struct self *self)
{
	uint32_t number = __atomic_fetch_add(&storm->next, 1, __ATOMIC_SEQ_CST);
	uint32_t whom = choose(self);
	struct parcel parcel = { .number = number + 1, .check = ~number };
	const struct life *life = &storm->lives[whom];
	struct entry *entry = &storm->entries[number];
	struct mbox_send how = {
		.buf = (uintptr_t)&parcel, .len = sizeof(parcel), .prio = rand() % 2,
		.deadline = soon(),
	};
	uint64_t participant = __atomic_load_n(&life->participant, __ATOMIC_SEQ_CST);
	int error;

	if (number >= ENTRIES)
		return;
	entry->from = self->me;
	entry->to = whom;
	entry->prio = how.prio;
	__atomic_store_n(&entry->fate, SENDING, __ATOMIC_SEQ_CST);
	if (participant && one_in(2)) {
		how.flags = MBOX_SEND_PARTICIPANT;
		how.id = participant;
	} else {
		how.flags = MBOX_SEND_PID;
		how.id = life->pid;
	}
	how.flags |= one_in(4) ? MBOX_SEND_SYNC : 0;
	if (one_in(2))
		how.flags |= MBOX_SEND_NONBLOCK;
	else if (!one_in(4))
		how.flags |= MBOX_SEND_TIMEOUT;
	else
		tell(&self->life->waits_for, whom + 1);
	error = call(self->fd, MBOX_IOC_SEND, &how);
	tell(&self->life->waits_for, 0);
	__atomic_store_n(&entry->fate, error ? FAILED : SENT, __ATOMIC_SEQ_CST);
	if (!error)
		add_one(&storm->sent);
	check_error(error, whom, how.flags & MBOX_SEND_TIMEOUT);
}

/* The receiver has it; let the ledger say so. */
static void take(struct self *self, const struct mbox_recv *env)
{
	struct parcel *parcel = &self->life->parcel;
	uint32_t number = parcel->number - 1;
	struct entry *entry = &storm->entries[number];

	NEED(env->len == sizeof(*parcel) && number < ENTRIES && parcel->check == ~number);
	NEED(entry->to == self->me && entry->prio == env->prio);
	NEED(!env->pid || env->pid == storm->lives[entry->from].pid);
	NEED(env->sender == storm->lives[entry->from].participant);
	/* Those of one link and priority come in order. */
	NEED(self->last[entry->from][entry->prio] < number + 1);
	self->last[entry->from][entry->prio] = number + 1;
	__atomic_add_fetch(&entry->received, 1, __ATOMIC_SEQ_CST);
	add_one(&storm->received);
	tell(&parcel->number, 0);
}

static int try_receive(struct self *self, uint64_t flags)
{
	uint32_t whom = LIVES;
	struct mbox_recv how = {
		.flags = MBOX_RECV_DIRECT | flags, .deadline = soon(),
		.buf = (uintptr_t)&self->life->parcel, .size = sizeof(self->life->parcel),
	};
	bool timed = false;
	int error;

	if (!(flags & MBOX_RECV_NONBLOCK)) {
		if (one_in(2)) {
			const struct life *life = &storm->lives[whom = choose(self)];
			uint64_t participant = __atomic_load_n(&life->participant,
							       __ATOMIC_SEQ_CST);

			how.flags |= MBOX_RECV_MATCH;
			how.match = life->pid;
			if (participant && one_in(2)) {
				how.flags |= MBOX_RECV_PARTICIPANT;
				how.match = participant;
			}
		}
		if (whom < LIVES && one_in(4)) {
			tell(&self->life->waits_for, whom + 1);
		} else if (one_in(2)) {
			how.flags |= MBOX_RECV_NONBLOCK;
		} else {
			how.flags |= MBOX_RECV_TIMEOUT;
			timed = true;
		}
	}
	error = call(self->fd, MBOX_IOC_RECV, &how);
	if (!error)
		take(self, &how);
	tell(&self->life->waits_for, 0);
	check_error(error, whom, timed);
	return error;
}

/* Some make a small inbox, some leave it to the kernel. */
static void make_inbox(const struct self *self)
{
	struct mbox_create attr = inbox_for(rand() % 3, SIZE);
	int error;

	if (one_in(2))
		return;
	error = call(self->fd, MBOX_IOC_CREATE, &attr);
	NEED(!error || error == EEXIST);
}

static void live(int fd, uint32_t me)
{
	static struct self self;
	struct mbox_clock clock = { };

	self.fd = fd;
	self.me = me;
	self.life = &storm->lives[me];
	srand(me + 10);
	WAIT_UNTIL(told((uint32_t *)&self.life->pid) && told(&storm->phase) != CALM);
	NEED(!call(fd, MBOX_IOC_CLOCK, &clock));
	__atomic_store_n(&self.life->participant, clock.participant, __ATOMIC_SEQ_CST);
	make_inbox(&self);
	while (told(&storm->phase) == STORM) {
		if (one_in(2))
			try_send(&self);
		else
			try_receive(&self, 0);
	}
	tell(&self.life->parked, 1);
	while (told(&storm->phase) == STOP)
		usleep(1000);
	while (try_receive(&self, MBOX_RECV_NONBLOCK) != EAGAIN)
		;
	tell(&self.life->drained, 1);
	for (;;)
		pause();
}

static void bear(int fd, uint32_t slot)
{
	uint32_t me = storm->nr_lives++;
	pid_t pid;

	NEED(me < LIVES);
	pid = spawn();
	if (!pid)
		live(fd, me);
	tell((uint32_t *)&storm->lives[me].pid, pid);
	tell(&storm->slots[slot], me);
}

static void condemn(uint32_t slot)
{
	struct life *life = &storm->lives[storm->slots[slot]];

	tell(&life->condemned, 1);
	end(life->pid);
}

static bool is_waiting_for_the_dead(void)
{
	uint32_t slot;

	for (slot = 0; slot < SLOTS; slot++) {
		const struct life *life = &storm->lives[storm->slots[slot]];
		uint32_t whom = told(&life->waits_for);

		if (!told(&life->condemned) && whom && told(&storm->lives[whom - 1].condemned))
			return true;
	}
	return false;
}

static bool all_parked(void)
{
	bool all = true;
	uint32_t slot;

	for (slot = 0; slot < SLOTS; slot++) {
		const struct life *life = &storm->lives[storm->slots[slot]];

		if (told(&life->condemned) || told(&life->parked))
			continue;
		/* It may wait for one that lives. */
		NEED(!kill(life->pid, SIGUSR1));
		all = false;
	}
	return all;
}

static bool all_drained(void)
{
	uint32_t slot;

	for (slot = 0; slot < SLOTS; slot++) {
		const struct life *life = &storm->lives[storm->slots[slot]];

		if (!told(&life->condemned) && !told(&life->drained))
			return false;
	}
	return true;
}

static bool add_up(const struct entry *entry)
{
	bool dead = storm->lives[entry->to].condemned;

	switch (entry->fate) {
	case UNUSED:
	case FAILED:
		return !entry->received;
	case SENDING:
		return storm->lives[entry->from].condemned && entry->received <= 1;
	}
	return dead ? entry->received <= 1 : entry->received == 1;
}

TEST_F(crowd, loses_and_doubles_nothing_in_a_storm)
{
	uint64_t end_at = now() + ENOUGH;
	uint32_t slot, i, wrong = 0;
	int killed;

	storm = shared(sizeof(*storm));
	/* For those to come: they may be interrupted as soon as they are there. */
	take_signals(0);
	srand(5);
	for (slot = 0; slot < SLOTS; slot++)
		bear(self->fd, slot);
	tell(&storm->phase, STORM);
	for (killed = 0; killed < 20 || (killed < 150 && now() < end_at); killed++) {
		usleep(rand() % 40000);
		slot = rand() % SLOTS;
		condemn(slot);
		WAIT_UNTIL(!is_waiting_for_the_dead());
		bear(self->fd, slot);
		kill(storm->lives[storm->slots[rand() % SLOTS]].pid, SIGUSR1);
	}
	for (slot = 0; slot < SLOTS / 2; slot++)
		condemn(slot);
	WAIT_UNTIL(!is_waiting_for_the_dead());
	tell(&storm->phase, STOP);
	WAIT_UNTIL(all_parked());
	tell(&storm->phase, DRAIN);
	WAIT_UNTIL(all_drained());
	for (i = 0; i < storm->next && i < ENTRIES; i++)
		wrong += !add_up(&storm->entries[i]);
	EXPECT_EQ(0, wrong);
	for (; slot < SLOTS; slot++) {
		pid_t pid = storm->lives[storm->slots[slot]].pid;

		WAIT_UNTIL(links_of(self->fd, pid) < SLOTS / 2);
		EXPECT_NE(0, inbox_of(self->fd, pid));
	}
	WAIT_UNTIL(!usage_of(self->fd, 0).ns_msgs);
	EXPECT_EQ(SLOTS / 2, info(self->fd).mailboxes);
	TH_LOG("%u sent, %u received, %u times told of an end", storm->sent, storm->received,
	       storm->told_of_ends);
	EXPECT_LT(100, storm->received);
	EXPECT_LT(0, storm->told_of_ends);
	for (slot = SLOTS / 2; slot < SLOTS; slot++)
		condemn(slot);
	WAIT_UNTIL(!usage_of(self->fd, 0).ns_bytes);
}

/*
 * The module goes while processes live that had inboxes and links, and have none.
 */
FIXTURE(module) {
};

FIXTURE_SETUP(module)
{
	begin();
	await_module();
}

FIXTURE_TEARDOWN(module)
{
	restore_module();
}

struct talk {
	uint32_t round;		/* that may begin */
	uint32_t done[2];	/* that each has ended, with no descriptor open */
	uint32_t heard[2];
	uint32_t cleared;	/* that may delete their inboxes */
	pid_t pids[2];
};

/* Each tells the other its number and hears the other's, round by round. */
static void talk(struct talk *talk, int me)
{
	uint32_t round, number;
	struct mbox_recv env;

	WAIT_UNTIL(talk->pids[!me]);
	for (round = 1;; round++) {
		int fd;

		WAIT_UNTIL(told(&talk->round) == round);
		fd = device(O_RDWR);
		NEED(!send_number(fd, talk->pids[!me], me, 0));
		NEED(!recv_number(fd, from_any_and_wait, &number, &env));
		NEED(number == (uint32_t)!me && env.pid == talk->pids[!me]);
		tell(&talk->heard[me], round);
		WAIT_UNTIL(told(&talk->cleared) == round);
		NEED(!delete(fd, env.from));
		close(fd);
		tell(&talk->done[me], round);
	}
}

static void let_talk(struct talk *talk, uint32_t round)
{
	tell(&talk->round, round);
	WAIT_UNTIL(told(&talk->heard[0]) == round && told(&talk->heard[1]) == round);
}

static void let_clear(struct talk *talk, uint32_t round)
{
	tell(&talk->cleared, round);
	WAIT_UNTIL(told(&talk->done[0]) == round && told(&talk->done[1]) == round);
}

TEST_F(module, goes_while_those_live_who_had_links)
{
	struct talk *talking = shared(sizeof(*talking));
	uint32_t round;
	int i, fd;

	SKIP_IF_MISSING();
	for (i = 0; i < 2; i++) {
		pid_t pid = spawn();

		if (!pid)
			talk(talking, i);
		talking->pids[i] = pid;
	}
	for (round = 1; round <= 3; round++) {
		let_talk(talking, round);
		fd = device(O_RDWR);
		for (i = 0; i < 2; i++)
			EXPECT_EQ(1, links_of(fd, talking->pids[i]));
		close(fd);
		EXPECT_EQ(EWOULDBLOCK, unload());
		let_clear(talking, round);
		WAIT_UNTIL(users_of_module() == 0);
		ASSERT_EQ(0, unload());
		ASSERT_EQ(0, load());
	}
	for (i = 0; i < 2; i++)
		end(talking->pids[i]);
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load());
}

/* An inbox goes with its process, and the module is in use until then. */
TEST_F(module, stays_while_one_lives_who_has_an_inbox)
{
	struct talk *talking = shared(sizeof(*talking));
	int i;

	SKIP_IF_MISSING();
	for (i = 0; i < 2; i++) {
		pid_t pid = spawn();

		if (!pid)
			talk(talking, i);
		talking->pids[i] = pid;
	}
	let_talk(talking, 1);
	end(talking->pids[0]);
	EXPECT_EQ(EWOULDBLOCK, unload());
	end(talking->pids[1]);
	WAIT_UNTIL(users_of_module() == 0);
	EXPECT_EQ(0, unload());
	ASSERT_EQ(0, load());
	EXPECT_EQ(0, users_of_module());
}

TEST_HARNESS_MAIN
