// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole model at once: many processes send to and receive from mailboxes of
 * all kinds in all ways, at random, disturbed in all ways. Nothing is lost,
 * doubled or out of order, nobody hangs, and the counters agree at the end.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#define SENDERS		4
#define RECEIVERS	4
#define VICTIMS		2	/* of each, that are killed again and again */
#define EACH		350	/* messages of each sender */
#define MANY		((SENDERS + VICTIMS) * EACH)
#define PRIORITIES	3
#define TAGS		3

struct parcel {
	uint32_t number;
	uint32_t check;
	uint64_t id;		/* where it was sent to */
};

/* One mailbox of each kind. */
static const struct mbox_create kinds[] = {
	{ .max_msgs = 3, .max_bytes = 3 * sizeof(struct parcel) },
	{ .max_msgs = 0, .max_bytes = 0, .flags = MBOX_CREATE_BY_TAG },
	{ .max_msgs = 2, .max_bytes = MBOX_UNBOUNDED_BYTES,
	  .flags = MBOX_CREATE_RESERVE | MBOX_CREATE_BY_SENDER },
	{ .max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES,
	  .flags = MBOX_CREATE_FIXED | MBOX_CREATE_BY_TAG },
	{ .max_msgs = MBOX_UNBOUNDED, .max_bytes = 2 * sizeof(struct parcel),
	  .flags = MBOX_CREATE_PAIR },
	{ .max_msgs = 2, .max_bytes = 2 * sizeof(struct parcel),
	  .flags = MBOX_CREATE_SINGLE | MBOX_CREATE_BY_SENDER },
	{ .max_msgs = 0, .max_bytes = 0, .flags = MBOX_CREATE_SINGLE },
};

#define BOXES	ARRAY_SIZE(kinds)
#define CHOICE	(BOXES - 2)	/* those before are not single */

/* What became of a message; who sent and who received it writes its part. */
struct fate {
	bool sent;
	bool may_expire;
	uint64_t id;
	unsigned int received;
	uint64_t seq;
	uint32_t prio;
};

struct ledger {
	uint64_t ids[BOXES];
	pid_t senders[SENDERS];
	struct fate fates[MANY];
	unsigned int disturbed;
	uint32_t calm;		/* no more mischief that has to be ended with care */
	uint32_t stop;
};

FIXTURE(race) {
	int fd;
	struct ledger *ledger;
	pid_t receivers[RECEIVERS];
	uint64_t first[BOXES];
};

FIXTURE_VARIANT(race) {
	bool signals;
	bool faults;
	bool expiry;
	bool deletes;
	bool kills;
};

FIXTURE_VARIANT_ADD(race, undisturbed) {
};

FIXTURE_VARIANT_ADD(race, with_signals) {
	.signals = true,
};

FIXTURE_VARIANT_ADD(race, with_faults) {
	.faults = true,
};

FIXTURE_VARIANT_ADD(race, with_expiry) {
	.expiry = true,
};

FIXTURE_VARIANT_ADD(race, with_kills) {
	.kills = true,
};

FIXTURE_VARIANT_ADD(race, with_deletes) {
	.deletes = true,
};

FIXTURE_VARIANT_ADD(race, with_everything) {
	.signals = true, .faults = true, .expiry = true, .deletes = true, .kills = true,
};

static uint64_t create_kind(int fd, unsigned int box)
{
	struct mbox_create attr = kinds[box];

	attr.max_size = sizeof(struct parcel);
	attr.mode = 0600;
	return create(fd, attr);
}

FIXTURE_SETUP(race)
{
	unsigned int i;

	begin();
	take_signals(0);
	self->fd = device(O_RDWR);
	self->ledger = shared(sizeof(*self->ledger));
	for (i = 0; i < BOXES; i++)
		self->ledger->ids[i] = self->first[i] = create_kind(self->fd, i);
}

FIXTURE_TEARDOWN(race)
{
	sweep();
}

static bool one_in(int n)
{
	return rand() % n == 0;
}

static uint64_t soon(void)
{
	return now() + rand() % 400 * 1000;
}

static void *nowhere(void)
{
	static void *memory;

	if (!memory)
		memory = unmapped();
	return memory;
}

static uint64_t id_of(const struct ledger *ledger, unsigned int box)
{
	return __atomic_load_n(&ledger->ids[box], __ATOMIC_SEQ_CST);
}

static void count_up(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

/* By write, to a descriptor of that moment. */
static int write_parcel(const struct parcel *parcel)
{
	int fd = device(O_RDWR | O_NONBLOCK), error;

	error = bind_by_id(fd, parcel->id);
	if (!error)
		error = error_of(write(fd, parcel, sizeof(*parcel)));
	close(fd);
	return error;
}

static int send_parcel(int fd, const FIXTURE_VARIANT(race) *variant,
		       const struct parcel *parcel, struct fate *fate)
{
	bool bad = variant->faults && one_in(6);
	struct mbox_send how = {
		.id = parcel->id,
		.buf = (uintptr_t)(bad ? nowhere() : parcel),
		.len = sizeof(*parcel),
		.prio = rand() % PRIORITIES,
		.tag = rand() % TAGS,
		.deadline = soon(),
		.expires = now() + rand() % 3000 * 1000,
	};
	int error;

	how.flags |= one_in(4) ? MBOX_SEND_NONBLOCK : 0;
	how.flags |= one_in(3) ? MBOX_SEND_TIMEOUT : 0;
	how.flags |= one_in(2) ? MBOX_SEND_SYNC : 0;
	how.flags |= variant->expiry && one_in(3) ? MBOX_SEND_EXPIRES : 0;
	fate->may_expire = how.flags & MBOX_SEND_EXPIRES;
	fate->prio = how.prio;
	error = call(fd, MBOX_IOC_SEND, &how);
	NEED(error != EFAULT || bad);
	NEED(error || !bad);
	return error;
}

static void be_sender(int fd, const FIXTURE_VARIANT(race) *variant, struct ledger *ledger,
		      uint32_t sender)
{
	uint32_t n;

	srand(sender + getpid());
	for (n = 0; n < EACH; n++) {
		struct parcel parcel = { .number = sender * EACH + n };
		struct fate *fate = &ledger->fates[parcel.number];
		int error;

		parcel.check = ~parcel.number;
		parcel.id = id_of(ledger, rand() % BOXES);
		fate->id = parcel.id;
		error = one_in(8) ? write_parcel(&parcel) :
				    send_parcel(fd, variant, &parcel, fate);
		NEED(error != EIDRM || variant->deletes || told(&ledger->stop));
		NEED(error != EINTR || variant->signals);
		NEED(!error || error == EAGAIN || error == ETIMEDOUT || error == EFAULT ||
		     error == EINTR || error == EIDRM || error == EPERM);
		fate->sent = !error;
		if (error)
			count_up(&ledger->disturbed);
	}
}

/*
 * What one receiver has had of one mailbox and priority last, of any tag and of
 * each: what comes next is younger.
 */
struct memory {
	uint64_t ids[BOXES];
	uint64_t any[BOXES][PRIORITIES];
	uint64_t key[BOXES][PRIORITIES][TAGS];
};

static void check_order(struct memory *memory, unsigned int box, const struct mbox_recv *env)
{
	bool picked = env->flags & MBOX_RECV_MATCH;
	uint64_t *any = &memory->any[box][env->prio];
	uint64_t *key = &memory->key[box][env->prio][env->tag];

	if (memory->ids[box] != env->from) {
		memory->ids[box] = env->from;
		memset(memory->any[box], 0, sizeof(memory->any[box]));
		memset(memory->key[box], 0, sizeof(memory->key[box]));
	}
	/* Those that are picked by sender have any tag. */
	if (kinds[box].flags & MBOX_CREATE_BY_SENDER && picked)
		return;
	NEED(env->seq > *any && env->seq > *key);
	if (picked)
		*key = env->seq;
	else
		*any = env->seq;
}

static void check_parcel(const struct mbox_recv *env, const struct parcel *parcel)
{
	NEED(env->len == sizeof(*parcel) && parcel->number < MANY);
	if (env->size >= sizeof(*parcel))
		NEED(parcel->check == ~parcel->number && parcel->id == env->from);
	NEED(env->prio < PRIORITIES && env->tag < TAGS);
}

static bool is_expected(const FIXTURE_VARIANT(race) *variant, const struct mbox_recv *how,
			int error)
{
	switch (error) {
	case EAGAIN:
	case EBUSY:
		return how->flags & MBOX_RECV_NONBLOCK || how->nth;
	case ETIMEDOUT:
		return how->flags & MBOX_RECV_TIMEOUT;
	case EFAULT:
	case EMSGSIZE:
		return variant->faults;
	case EINTR:
		return variant->signals;
	case ESRCH:
		return how->flags & MBOX_RECV_MATCH;
	case EIDRM:
	case EPERM:
		return true;
	}
	return false;
}

/* One mailbox, or a choice of some. Returns which it was, by its first id. */
static void aim(const struct ledger *ledger, struct mbox_recv *how, uint64_t *ids)
{
	unsigned int box = rand() % BOXES, i;

	if (one_in(3)) {
		how->flags |= MBOX_RECV_CHOICE;
		how->nr_ids = 1 + rand() % 8;
		how->ids = (uintptr_t)ids;
		for (i = 0; i < how->nr_ids; i++)
			ids[i] = id_of(ledger, rand() % CHOICE);
		return;
	}
	how->id = id_of(ledger, box);
	if (kinds[box].flags & MBOX_CREATE_BY_TAG && one_in(2)) {
		how->flags |= MBOX_RECV_MATCH;
		how->match = rand() % TAGS;
	}
	if (kinds[box].flags & MBOX_CREATE_BY_SENDER && one_in(2)) {
		how->flags |= MBOX_RECV_MATCH;
		how->match = ledger->senders[rand() % SENDERS];
	}
	if (one_in(6)) {
		how->flags |= MBOX_RECV_PEEK;
		if (!(how->flags & MBOX_RECV_MATCH))
			how->nth = rand() % 4;
	}
}

static int receive_parcel(int fd, const FIXTURE_VARIANT(race) *variant,
			  const struct ledger *ledger, struct parcel *parcel,
			  struct mbox_recv *how)
{
	int bad = variant->faults ? rand() % 8 : 0;
	uint64_t ids[8];
	int error;

	*how = (struct mbox_recv){
		.buf = (uintptr_t)(bad == 1 ? nowhere() : parcel),
		.size = bad == 2 ? 4 : sizeof(*parcel),
		.deadline = soon() + (one_in(4) ? 5 * MSEC : 0),
	};
	aim(ledger, how, ids);
	how->flags |= one_in(4) ? MBOX_RECV_NONBLOCK : MBOX_RECV_TIMEOUT;
	how->flags |= bad == 2 && one_in(2) ? MBOX_RECV_TRUNCATE : 0;
	how->flags |= !how->nth && one_in(3) ? MBOX_RECV_LEAST : 0;
	error = call(fd, MBOX_IOC_RECV, how);
	NEED(!error || is_expected(variant, how, error));
	NEED(error || bad != 1);
	return error;
}

static unsigned int box_of(const uint64_t *ids, uint64_t id)
{
	unsigned int i;

	for (i = 0; i < BOXES; i++)
		if (ids[i] == id)
			return i;
	return BOXES;
}

static void note_receipt(struct ledger *ledger, const struct mbox_recv *how,
			 const struct parcel *parcel)
{
	struct fate *fate;

	check_parcel(how, parcel);
	/* The numbers of victims come again and again. */
	if (how->flags & MBOX_RECV_PEEK || parcel->number >= SENDERS * EACH)
		return;
	fate = &ledger->fates[parcel->number];
	NEED(fate->id == how->from && fate->prio == how->prio);
	fate->seq = how->seq;
	count_up(&fate->received);
}

/* What somebody could not take went back, perhaps when nobody received any more. */
static void receive_rest(int fd, struct ledger *ledger)
{
	struct parcel parcel;
	unsigned int box;

	for (box = 0; box < BOXES; box++) {
		const struct mbox_recv any = {
			.id = id_of(ledger, box),
			.flags = MBOX_RECV_NONBLOCK,
			.buf = (uintptr_t)&parcel,
			.size = sizeof(parcel),
		};
		struct mbox_recv how;

		for (how = any; !call(fd, MBOX_IOC_RECV, &how); how = any)
			note_receipt(ledger, &how, &parcel);
	}
}

static void be_receiver(int fd, const FIXTURE_VARIANT(race) *variant, struct ledger *ledger)
{
	bool ordered = !variant->faults && !variant->deletes && !variant->kills;
	struct memory memory = { };
	struct mbox_recv how;
	struct parcel parcel;

	srand(getpid());
	while (!told(&ledger->stop)) {
		if (receive_parcel(fd, variant, ledger, &parcel, &how)) {
			count_up(&ledger->disturbed);
			continue;
		}
		note_receipt(ledger, &how, &parcel);
		if (ordered && !(how.flags & MBOX_RECV_PEEK))
			check_order(&memory, box_of(ledger->ids, how.from), &how);
	}
	receive_rest(fd, ledger);
}

/* Each of a few helpers does its mischief until it is ended. */
static pid_t spawn_signaller(const FIXTURE_DATA(race) *self)
{
	pid_t child = spawn();

	while (!child) {
		kill(one_in(2) ? self->ledger->senders[rand() % SENDERS] :
				 self->receivers[rand() % RECEIVERS], SIGUSR1);
		usleep(rand() % 2000);
	}
	return child;
}

static pid_t spawn_deleter(int fd, struct ledger *ledger)
{
	pid_t child = spawn();

	if (child)
		return child;
	srand(7);
	while (!told(&ledger->calm)) {
		unsigned int box = rand() % BOXES;
		uint64_t id = id_of(ledger, box);

		usleep(rand() % 20000);
		NEED(!delete(fd, id));
		__atomic_store_n(&ledger->ids[box], create_kind(fd, box), __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

/* All numbers that it tells are of one moment. */
static pid_t spawn_watcher(int fd, const struct ledger *ledger)
{
	pid_t child = spawn();
	struct mbox_stat stat;

	while (!child) {
		unsigned int box = rand() % BOXES;
		uint32_t most = kinds[box].max_msgs;

		if (try_stat(fd, id_of(ledger, box), 0, &stat))
			continue;
		NEED(most == MBOX_UNBOUNDED || stat.msgs <= most + RECEIVERS + VICTIMS);
		/* A synchronous message is there, and sent when it is received. */
		NEED(stat.sent <= stat.received + stat.msgs + stat.expired);
		NEED(stat.sent + stat.senders >= stat.received + stat.expired);
		usleep(500);
	}
	return child;
}

/* Senders and receivers that are killed; how many of either. */
static unsigned int kill_victims(FIXTURE_DATA(race) *self,
				 const FIXTURE_VARIANT(race) *variant)
{
	unsigned int kills = 0;
	uint64_t enough = now() + 2000 * MSEC;

	while (now() < enough) {
		unsigned int i;
		pid_t pids[2 * VICTIMS];

		for (i = 0; i < 2 * VICTIMS; i++) {
			pids[i] = spawn();
			if (pids[i])
				continue;
			if (i < VICTIMS)
				be_sender(self->fd, variant, self->ledger, SENDERS + i);
			else
				be_receiver(self->fd, variant, self->ledger);
			_exit(0);
		}
		usleep(rand() % 20000);
		for (i = 0; i < 2 * VICTIMS; i++) {
			kill(pids[i], SIGKILL);
			/* Its numbers are used again, and nobody knows how far it came. */
			join(pids[i]);
			kills++;
		}
	}
	return kills;
}

static void start(FIXTURE_DATA(race) *self, const FIXTURE_VARIANT(race) *variant)
{
	unsigned int i;

	for (i = 0; i < SENDERS; i++) {
		pid_t child = spawn();

		if (!child) {
			be_sender(self->fd, variant, self->ledger, i);
			_exit(0);
		}
		self->ledger->senders[i] = child;
	}
	for (i = 0; i < RECEIVERS; i++) {
		self->receivers[i] = spawn();
		if (!self->receivers[i]) {
			be_receiver(self->fd, variant, self->ledger);
			_exit(0);
		}
	}
}

static bool is_drained(int fd, uint64_t id)
{
	struct mbox_stat stat = state(fd, id);

	return !stat.msgs && !stat.senders;
}

/* Of the messages whose senders lived, those to and from one mailbox. */
static void sum_up(const struct ledger *ledger, uint64_t id, struct mbox_stat *sum)
{
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < SENDERS * EACH; i++) {
		const struct fate *fate = &ledger->fates[i];

		if (fate->id != id)
			continue;
		sum->sent += fate->sent;
		sum->received += fate->received;
		sum->expired += fate->sent && !fate->received && fate->may_expire;
	}
}

static void expect_agreement(struct __test_metadata *_metadata, const struct ledger *ledger,
			     const struct mbox_stat *stat, bool exact)
{
	struct mbox_stat sum;

	EXPECT_EQ(0, stat->senders);
	EXPECT_EQ(0, stat->bytes);
	EXPECT_EQ(stat->sent, stat->received + stat->expired);
	sum_up(ledger, stat->id, &sum);
	EXPECT_LE(sum.sent, stat->sent);
	EXPECT_LE(sum.received, stat->received);
	if (!exact)
		return;
	EXPECT_EQ(sum.sent, stat->sent);
	EXPECT_EQ(sum.received, stat->received);
	EXPECT_EQ(sum.expired, stat->expired);
}

/* A sender's messages were accepted in its order. */
static void expect_order(struct __test_metadata *_metadata, const struct ledger *ledger,
			 const uint64_t *ids)
{
	unsigned int box, i;

	for (box = 0; box < BOXES; box++) {
		uint64_t last = 0;

		for (i = 0; i < SENDERS * EACH; i++) {
			const struct fate *fate = &ledger->fates[i];

			if (i % EACH == 0)
				last = 0;
			if (fate->id != ids[box] || !fate->received)
				continue;
			ASSERT_LT(last, fate->seq);
			last = fate->seq;
		}
	}
}

TEST_F(race, loses_and_doubles_nothing_keeps_the_order_and_counts_right)
{
	pid_t watcher = spawn_watcher(self->fd, self->ledger), signaller = 0, deleter = 0;
	unsigned int i, kills = 0, lost = 0, sent = 0, received = 0;
	struct mbox_stat stats[BOXES];

	start(self, variant);
	if (variant->signals)
		signaller = spawn_signaller(self);
	if (variant->deletes)
		deleter = spawn_deleter(self->fd, self->ledger);
	if (variant->kills)
		kills = kill_victims(self, variant);
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, join(self->ledger->senders[i]));
	if (signaller)
		end(signaller);
	tell(&self->ledger->calm, 1);
	if (deleter)
		EXPECT_EQ(0, join(deleter));
	end(watcher);
	for (i = 0; i < BOXES; i++)
		WAIT_UNTIL(is_drained(self->fd, self->ledger->ids[i]));
	tell(&self->ledger->stop, 1);
	for (i = 0; i < RECEIVERS; i++)
		EXPECT_EQ(0, join(self->receivers[i]));

	for (i = 0; i < BOXES; i++) {
		stats[i] = state(self->fd, self->ledger->ids[i]);
		EXPECT_EQ(0, stats[i].receivers);
		expect_agreement(_metadata, self->ledger, &stats[i], !variant->kills);
		EXPECT_EQ(0, delete(self->fd, self->ledger->ids[i]));
	}
	for (i = 0; i < SENDERS * EACH; i++) {
		const struct fate *fate = &self->ledger->fates[i];

		ASSERT_LE(fate->received, fate->sent);
		sent += fate->sent;
		received += fate->received;
		if (!fate->received && !fate->may_expire &&
		    box_of(self->ledger->ids, fate->id) < BOXES)
			lost += fate->sent;
	}
	/* One that is killed may have received what it had no time to tell. */
	EXPECT_LE(lost, kills);
	if (!variant->deletes)
		expect_order(_metadata, self->ledger, self->first);
	TH_LOG("%u sent, %u received, %u disturbed, %u killed", sent, received,
	       self->ledger->disturbed, kills);
	EXPECT_LT(SENDERS * EACH / 4, received);
	EXPECT_LT(0, self->ledger->disturbed);
}

TEST_HARNESS_MAIN
