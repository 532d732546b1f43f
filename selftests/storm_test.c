// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The storm: 1,000 processes own, send, receive, transfer, offer, accept, grant
 * and claim, and are killed at random all the while. Afterwards everything has to
 * add up, to the single message, and everything has to be given back.
 *
 * How it adds up
 * --------------
 * Each message is a number in a ledger that all processes share. The entry says
 * SENDING before the call and SENT or FAILED after it, so of a sender that is
 * killed one entry at most, the last one, is in doubt. A receiver has the kernel
 * put the message into the shared memory, then counts it in its entry, then clears
 * that place: so of a receiver that is killed one message at most is in doubt, and
 * it lies there. Of all others the fate is known, and so has to be:
 *
 *   FAILED	never received
 *   SENDING	(its sender was killed) received at most once
 *   SENT	received once; or, if it lies with a killed receiver or was for one
 *		of the mailboxes that may go, at most once
 *
 *   main ---> nursery ---> workers
 *
 * The nursery kills workers and replaces them. It lives in a memory cgroup of its
 * own, with all that the workers are charged for.
 */
#include "kselftest_harness.h"
#include "cgroup.h"
#include "module.h"
#include "puppet.h"

#include <sys/resource.h>

#define WORKERS		1000
#define TWO_THREADED	10		/* one of so many workers has two threads */
#define THREADS		(WORKERS + WORKERS / TWO_THREADED)
#define BATCH		16		/* killed at a time */
#define BOXES		100		/* mailboxes, about */
#define ENTRIES		(1U << 20)
#define CGROUP		"mbox-storm"
#define SECONDS		12		/* that it lasts, unless STORM_TIME says another */
#define PATIENCE	300		/* more, until each verb has succeeded */

static const uid_t users[] = { OWNER, STRANGER };

/* Mailboxes for messages of that size may be deleted, or may not. */
#define MORTAL		63
#define LASTING		64

enum fate { UNUSED, SENDING, SENT, FAILED };

struct entry {
	uint32_t box;
	uint32_t worker;	/* the sender, by its number */
	uint32_t pid;
	uint8_t fate;
	bool lasting;		/* its mailbox stays */
	uint8_t received;	/* how often */
	uint8_t doubted;	/* how many killed receivers it lay with */
};

/* A message. */
struct parcel {
	uint64_t number;	/* of its entry, plus one; 0: there is none */
	uint64_t check;
};

struct worker {
	pid_t pid;
	uint32_t number;	/* never used twice */
	uint32_t sent;
	uint32_t hint;		/* a mailbox that somebody gave it or offers it */
	struct parcel parcels[2];	/* what the kernel gave each thread last */
};

enum phase { CALM, STORM, STOP, DRAIN, END };

enum verb {
	CREATE, SEND, RECV, TRANSFER, OFFER, ACCEPT, CLAIM, GRANT, REVOKE, CHANGE, DELETE, WRITE,
	VERBS
};

static const char *const verbs[] = {
	"create", "send", "receive", "transfer", "offer", "accept", "claim", "grant", "revoke",
	"change", "delete", "write",
};

struct storm {
	int fd;
	uint32_t phase;
	uint32_t parked;	/* threads that have reached the phase */
	uint32_t pace;		/* how long owners rest, in us */
	uint32_t next;		/* entry */
	uint32_t last_id;	/* about */
	uint32_t killed;
	uint32_t doubts;
	uint32_t ghosts;	/* mailboxes that a dead process owned */
	uint32_t strange;	/* messages that are none, rights that fail */
	uint32_t done[VERBS];	/* with success */
	uint32_t surprises[VERBS];
	int surprise[VERBS];	/* the last error that was one */
	struct worker workers[WORKERS];
	struct entry entries[ENTRIES];
};

static struct storm *storm;

/* What a thread of a worker knows. */
struct self {
	struct worker *worker;
	struct parcel *parcel;
	uint64_t random;
	uint64_t own[3];	/* mailboxes that it had lately */
	pid_t friend;		/* whom it granted something last */
};

static void add_one(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static uint32_t below(struct self *self, uint32_t bound)
{
	self->random ^= self->random << 13;
	self->random ^= self->random >> 7;
	self->random ^= self->random << 17;
	return (self->random >> 16) % bound;
}

static uint64_t soon(struct self *self)
{
	return now() + below(self, 50) * MSEC;
}

/* What may be said in a storm. */
static bool expected(enum verb verb, int error)
{
	switch (error) {
	case 0:
	case EIDRM:
		return true;
	case EACCES:
		return verb != CREATE;
	case EDQUOT:
		return verb == CREATE || verb == RECV || verb == TRANSFER || verb == ACCEPT ||
		       verb == CLAIM;
	case EAGAIN:
	case EKEYREVOKED:
		return verb == SEND || verb == RECV || verb == WRITE;
	case ETIMEDOUT:
		return verb == SEND || verb == RECV;
	case EXFULL:
		return verb == SEND || verb == WRITE;
	case EBUSY:
		return verb == RECV || verb == CLAIM;
	case EPERM:
		return verb == TRANSFER;
	case ESRCH:
		return verb == TRANSFER || verb == OFFER || verb == GRANT || verb == REVOKE;
	case EMLINK:
		return verb == TRANSFER || verb == OFFER || verb == GRANT;
	case EOPNOTSUPP:
		return verb != SEND && verb != CREATE && verb != DELETE;
	}
	return false;
}

static void note(enum verb verb, int error)
{
	if (!error)
		add_one(&storm->done[verb]);
	if (expected(verb, error))
		return;
	add_one(&storm->surprises[verb]);
	storm->surprise[verb] = error;
}

/*
 * Verbs.
 */

static void remember(struct self *self, uint64_t box)
{
	if (self->own[0] == box || self->own[1] == box || self->own[2] == box)
		return;
	memmove(self->own + 1, self->own, 2 * sizeof(self->own[0]));
	self->own[0] = box;
}

static struct mbox_create any_kind(struct self *self)
{
	static const uint64_t kinds[] = {
		0, 0, 0, MBOX_CREATE_PROCESS, MBOX_CREATE_PROCESS, MBOX_CREATE_SINGLE,
		MBOX_CREATE_BY_SENDER, MBOX_CREATE_RESERVE,
	};
	uint32_t size = below(self, 4) ? LASTING : MORTAL;
	struct mbox_create attr = attributes(1 + below(self, 20), size);

	attr.mode = below(self, 4) ? 0222 : 0200;
	attr.flags = kinds[below(self, ARRAY_SIZE(kinds))];
	if (attr.flags & MBOX_CREATE_RESERVE)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	else if (!below(self, 6))
		attr.max_msgs = attr.max_bytes = 0;
	else if (below(self, 2))
		attr.share = 50;
	return attr;
}

static void try_create(struct self *self)
{
	struct mbox_create attr = any_kind(self);
	int error = call(storm->fd, MBOX_IOC_CREATE, &attr);

	note(CREATE, error);
	if (error)
		return;
	remember(self, attr.id);
	if (told(&storm->last_id) < attr.id)
		tell(&storm->last_id, attr.id);
}

static bool is_lasting(const struct mbox_stat *box)
{
	return box->max_size == LASTING && !(box->kind & MBOX_CREATE_PROCESS);
}

static struct entry *new_entry(struct self *self, const struct mbox_stat *box,
			       struct parcel *parcel)
{
	uint32_t number = __atomic_fetch_add(&storm->next, 1, __ATOMIC_SEQ_CST);
	struct entry *entry = &storm->entries[number];

	if (number >= ENTRIES)
		return NULL;
	entry->box = box->id;
	entry->lasting = is_lasting(box);
	entry->worker = self->worker->number;
	entry->pid = self->worker->pid;
	__atomic_store_n(&entry->fate, SENDING, __ATOMIC_SEQ_CST);
	parcel->number = number + 1;
	parcel->check = ~parcel->number;
	return entry;
}

static void close_entry(struct self *self, struct entry *entry, int error)
{
	if (!error)
		add_one(&self->worker->sent);
	__atomic_store_n(&entry->fate, error ? FAILED : SENT, __ATOMIC_SEQ_CST);
}

/* To @box, and perhaps with it the ownership of @offer. */
static void try_send(struct self *self, const struct mbox_stat *box, uint64_t offer)
{
	struct parcel parcel;
	struct entry *entry = new_entry(self, box, &parcel);
	struct mbox_send send = {
		.id = box->id, .buf = (uintptr_t)&parcel, .len = sizeof(parcel),
		.flags = MBOX_SEND_TIMEOUT, .deadline = soon(self), .prio = below(self, 3),
		.offer = offer,
	};
	int error;

	if (!entry)
		return;
	if (!below(self, 3))
		send.flags = MBOX_SEND_NONBLOCK;
	if (!below(self, 4))
		send.flags |= MBOX_SEND_SYNC;
	if (offer)
		send.flags |= MBOX_SEND_OFFER;
	error = call(storm->fd, MBOX_IOC_SEND, &send);
	close_entry(self, entry, error);
	note(offer && error == EOPNOTSUPP ? OFFER : SEND, error);
}

static void try_write(struct self *self, const struct mbox_stat *box)
{
	int fd = device(O_RDWR | O_NONBLOCK), error;
	struct parcel parcel;
	struct entry *entry;

	error = bind_by_id(fd, box->id);
	entry = error ? NULL : new_entry(self, box, &parcel);
	if (entry) {
		error = error_of(write(fd, &parcel, sizeof(parcel)));
		close_entry(self, entry, error);
	}
	note(WRITE, error);
	close(fd);
}

/* The receiver has it; let the ledger say so. */
static void enter(struct parcel *parcel, const struct mbox_recv *env)
{
	struct entry *entry = &storm->entries[parcel->number - 1];

	if (parcel->check != ~parcel->number || parcel->number > ENTRIES ||
	    env->len != sizeof(*parcel) || env->from != entry->box ||
	    (env->pid && (uint32_t)env->pid != entry->pid))
		add_one(&storm->strange);
	else
		__atomic_add_fetch(&entry->received, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&parcel->number, 0, __ATOMIC_SEQ_CST);
}

static int receive_parcel(struct parcel *parcel, struct mbox_recv *env)
{
	int error;

	env->buf = (uintptr_t)parcel;
	env->size = sizeof(*parcel);
	error = call(storm->fd, MBOX_IOC_RECV, env);
	if (!error)
		enter(parcel, env);
	return error;
}

static int try_receive(struct self *self, uint64_t box)
{
	struct mbox_recv env = {
		.id = box, .flags = MBOX_RECV_TIMEOUT, .deadline = soon(self),
	};
	int error;

	if (below(self, 2))
		env.flags = MBOX_RECV_NONBLOCK;
	if (!below(self, 3))
		env.flags |= MBOX_RECV_ACCEPT;
	if (!below(self, 4) && self->own[1]) {
		env.id = 0;
		env.flags |= MBOX_RECV_CHOICE;
		env.ids = (uintptr_t)self->own;
		env.nr_ids = self->own[2] ? 3 : 2;
	}
	error = receive_parcel(self->parcel, &env);
	note(RECV, error);
	return error;
}

static struct worker *somebody(struct self *self)
{
	return &storm->workers[below(self, WORKERS)];
}

static void try_transfer(struct self *self, uint64_t box, bool offer)
{
	struct worker *heir = somebody(self);
	struct mbox_transfer arg = { .id = box, .pid = heir->pid };
	int error;

	if (below(self, 2))
		arg.flags = MBOX_TRANSFER_KEEP;
	error = call(storm->fd, offer ? MBOX_IOC_OFFER : MBOX_IOC_TRANSFER, &arg);
	note(offer ? OFFER : TRANSFER, error);
	if (!error)
		tell(&heir->hint, box);
}

static void try_take(struct self *self, uint64_t box, bool claim)
{
	struct mbox_take arg = { .id = box };
	int error = call(storm->fd, claim ? MBOX_IOC_CLAIM : MBOX_IOC_ACCEPT, &arg);

	note(claim ? CLAIM : ACCEPT, error);
	if (!error)
		remember(self, box);
}

static void try_grant(struct self *self, uint64_t box)
{
	struct worker *other = somebody(self);
	struct mbox_grant arg = {
		.id = box, .pid = other->pid, .rights = MBOX_RIGHT_RECV | MBOX_RIGHT_SEND,
	};
	int error;

	error = call(storm->fd, MBOX_IOC_GRANT, &arg);
	note(GRANT, error);
	if (error)
		return;
	self->friend = arg.pid;
	tell(&other->hint, box);
}

static void try_revoke(struct self *self, uint64_t box)
{
	struct mbox_grant arg = { .id = box, .pid = self->friend, .rights = MBOX_RIGHT_RECV };

	if (self->friend)
		note(REVOKE, call(storm->fd, MBOX_IOC_REVOKE, &arg));
}

static void try_change(struct self *self, uint64_t box)
{
	struct mbox_change arg = {
		.flags = MBOX_CHANGE_MODE, .id = box, .mode = below(self, 4) ? 0222 : 0200,
	};

	note(CHANGE, call(storm->fd, MBOX_IOC_CHANGE, &arg));
}

/*
 * Workers.
 */

/* A mailbox that is there; false if there is none. */
static bool pick(struct self *self, struct mbox_stat *stat)
{
	uint64_t from = 1 + below(self, told(&storm->last_id) + 1);

	return !try_stat(storm->fd, from, MBOX_STAT_NEXT, stat) ||
	       !try_stat(storm->fd, 1, MBOX_STAT_NEXT, stat);
}

/* One that it had a while ago; false if it has it no more. */
static bool pick_own(struct self *self, struct mbox_stat *stat)
{
	uint32_t i = below(self, ARRAY_SIZE(self->own));

	if (!self->own[i])
		return false;
	if (!try_stat(storm->fd, self->own[i], 0, stat) && stat->pid == self->worker->pid)
		return true;
	memmove(self->own + i, self->own + i + 1, (2 - i) * sizeof(self->own[0]));
	self->own[2] = 0;
	return false;
}

static void use_own(struct self *self, const struct mbox_stat *box)
{
	struct mbox_stat other;
	uint32_t what = below(self, 100), i;

	remember(self, box->id);
	if (what < 70)
		for (i = 0; i < 10 && !try_receive(self, box->id); i++)
			;
	else if (what < 78)
		try_transfer(self, box->id, false);
	else if (what < 84)
		try_transfer(self, box->id, true);
	else if (what < 88)
		try_grant(self, box->id);
	else if (what < 92)
		try_revoke(self, box->id);
	else if (what < 94)
		try_change(self, box->id);
	else if (what < 98 && pick(self, &other))
		try_send(self, &other, box->id);
	else if (box->max_size == MORTAL)
		note(DELETE, delete(storm->fd, box->id));
}

static void use_others(struct self *self, const struct mbox_stat *box)
{
	uint32_t what = below(self, 100);

	if (box->state & MBOX_STATE_ORPHAN && what < 50)
		try_take(self, box->id, true);
	else if (box->offered == self->worker->pid && what < 50)
		try_take(self, box->id, false);
	else if (what < 85)
		try_send(self, box, 0);
	else if (what < 90)
		try_write(self, box);
	else if (what < 97)
		try_receive(self, box->id);
	else
		try_take(self, box->id, what % 2);
}

/* What it was told of, what it had, or any other. */
static bool choose(struct self *self, struct mbox_stat *stat)
{
	uint32_t hint = __atomic_exchange_n(&self->worker->hint, 0, __ATOMIC_SEQ_CST);

	if (hint && !try_stat(storm->fd, hint, 0, stat))
		return true;
	return (below(self, 4) && pick_own(self, stat)) || pick(self, stat);
}

static void act(struct self *self)
{
	struct mbox_stat box;

	if (!below(self, 20) && info(storm->fd).mailboxes < BOXES)
		try_create(self);
	if (!choose(self, &box))
		return;
	if (box.pid == self->worker->pid)
		use_own(self, &box);
	else
		use_others(self, &box);
	usleep(below(self, self->own[0] ? storm->pace : 10 * storm->pace));
}

static void await(enum phase wanted)
{
	enum phase phase;

	while ((phase = told(&storm->phase)) < wanted)
		futex_wait(&storm->phase, phase);
}

static void park(enum phase until)
{
	add_one(&storm->parked);
	await(until);
}

/* Every mailbox that it owns it may receive from, until there is no more. */
static void drain(struct self *self)
{
	struct mbox_stat stat = { .id = 0 };
	struct mbox_recv env;
	int error;

	while (!try_stat(storm->fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		if (stat.pid != self->worker->pid)
			continue;
		do {
			env = (struct mbox_recv){ .id = stat.id, .flags = MBOX_RECV_NONBLOCK };
			error = receive_parcel(self->parcel, &env);
		} while (!error);
		if (error != EAGAIN)
			add_one(&storm->strange);
	}
}

static void *work(void *data)
{
	struct parcel *parcel = data;
	struct worker *worker = &storm->workers[((char *)data - (char *)storm->workers) /
						sizeof(*worker)];
	struct self self = {
		.worker = worker, .parcel = parcel,
		.random = 88172645463325252ULL * (worker->number + 2) + (uintptr_t)parcel,
	};

	await(STORM);
	while (told(&storm->phase) == STORM)
		act(&self);
	park(DRAIN);
	if (parcel == worker->parcels)
		drain(&self);
	park(END);
	return NULL;
}

static void be_worker(struct worker *worker)
{
	uint32_t index = worker - storm->workers;
	pthread_attr_t attr;
	pthread_t thread;

	become(users[index % 2], users[index % 2]);
	NEED(!setpriority(PRIO_PROCESS, 0, 0));
	if (index % TWO_THREADED == 0) {
		NEED(!pthread_attr_init(&attr) && !pthread_attr_setstacksize(&attr, 65536));
		NEED(!pthread_create(&thread, &attr, work, &worker->parcels[1]));
	}
	work(&worker->parcels[0]);
	pause();
}

/*
 * The nursery.
 */

static void start(struct worker *worker, uint32_t number)
{
	pid_t pid;

	worker->number = number;
	worker->sent = 0;
	worker->hint = 0;
	pid = spawn();
	if (!pid) {
		worker->pid = getpid();
		be_worker(worker);
	}
	worker->pid = pid;
}

/* What it received last may not be in the ledger. */
static void settle(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct parcel *parcel = &worker->parcels[i];

		if (!parcel->number)
			continue;
		storm->entries[parcel->number - 1].doubted++;
		storm->doubts++;
		parcel->number = 0;
	}
}

/* Everybody who is dead has been reaped: so whoever owns something lives. */
static void look_for_ghosts(void)
{
	struct mbox_stat stat = { .id = 0 };

	while (!try_stat(storm->fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		bool orphan = stat.state & MBOX_STATE_ORPHAN;

		if (orphan ? stat.pid || stat.kind & MBOX_CREATE_PROCESS
			   : !stat.pid || kill(stat.pid, 0))
			storm->ghosts++;
	}
}

static void kill_some(void)
{
	struct worker *victims[BATCH];
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		/* Each of them once. */
		victims[i] = &storm->workers[rand() % (WORKERS / BATCH) * BATCH + i];
		/* Or it waits for its turn to die behind a thousand others. */
		NEED(!setpriority(PRIO_PROCESS, victims[i]->pid, -20));
		NEED(!kill(victims[i]->pid, SIGKILL));
	}
	for (i = 0; i < BATCH; i++) {
		NEED(join(victims[i]->pid) == -SIGKILL);
		settle(victims[i]);
	}
	look_for_ghosts();
	for (i = 0; i < BATCH; i++)
		start(victims[i], WORKERS + storm->killed++);
}

static uint64_t usual_end(void)
{
	const char *seconds = getenv("STORM_TIME");

	return now() + (seconds ? atoi(seconds) : SECONDS) * 1000 * MSEC;
}

static bool all_were_done(void)
{
	unsigned int i;

	for (i = 0; i < VERBS; i++)
		if (!told(&storm->done[i]))
			return false;
	return true;
}

static void be_nursery(void)
{
	uint64_t begin = now(), end, latest_end;
	unsigned int i;

	NEED(!setpriority(PRIO_PROCESS, 0, -20));
	srand(1);
	for (i = 0; i < WORKERS; i++)
		start(&storm->workers[i], i);
	/* So that the machine has time to kill, too, however slow it is. */
	storm->pace = (now() - begin) / 25000;
	if (storm->pace > 500000)
		storm->pace = 500000;
	futex_tell(&storm->phase, STORM);
	end = usual_end();
	latest_end = end + PATIENCE * 1000 * MSEC;
	while (now() < end || (!all_were_done() && now() < latest_end)) {
		kill_some();
		usleep(10000);
	}
	futex_tell(&storm->phase, STOP);
	await(END);
	for (i = 0; i < WORKERS; i++)
		NEED(!kill(storm->workers[i].pid, SIGKILL));
	for (i = 0; i < WORKERS; i++)
		NEED(join(storm->workers[i].pid) == -SIGKILL);
	look_for_ghosts();
	_exit(0);
}

/*
 * The module, and memory.
 */

/*
 * What is charged to the cgroup, when nobody is left in it. The kernel keeps some
 * of what was freed in stock, unless it is short of memory; and of the rest there
 * may be less than a page for each processor.
 */
static long long still_charged(void)
{
	long long rounding = sysconf(_SC_NPROCESSORS_CONF) * PAGE, charged = 0;
	int tries;

	/* What is freed after a grace period may take some seconds. */
	for (tries = 0; tries < 200; tries++) {
		NEED(!set_cgroup(CGROUP, "memory.max", "0"));
		charged = charged_to(CGROUP);
		if (charged < rounding)
			return 0;
		usleep(100000);
	}
	return charged;
}

FIXTURE(storm) {
	bool cgroups;
	pid_t nursery;
};

FIXTURE_SETUP(storm)
{
	begin();
	reset_tunables();
	self->cgroups = use_memory_cgroups(true);
	if (self->cgroups)
		new_cgroup(CGROUP);
	storm = shared(sizeof(*storm));
	/* All of it is ours, not the cgroup's. */
	memset(storm, 0, sizeof(*storm));
	storm->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(storm)
{
	if (users_of_module() < 0)
		NEED(!load());
	if (self->cgroups) {
		end_cgroup(CGROUP);
		NEED(use_memory_cgroups(false));
	}
	sweep();
	reset_tunables();
}

/* What the ledger and the mailbox say of what is in it. */
struct balance {
	uint64_t sent;		/* by the ledger */
	uint64_t sending;
	uint64_t received;
	uint64_t doubted;	/* and not counted as received */
};

/* The storm is over, everybody is parked: what each user has is what there is. */
static void check_accounts(struct __test_metadata *_metadata)
{
	uint64_t mailboxes[ARRAY_SIZE(users)] = { }, msgs = 0, charged = 0;
	struct mbox_stat stat = { .id = 0 };
	struct mbox_usage usage;
	unsigned int i;

	while (!try_stat(storm->fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		EXPECT_EQ(0, stat.senders);
		EXPECT_EQ(0, stat.receivers);
		for (i = 0; i < ARRAY_SIZE(users); i++)
			mailboxes[i] += stat.uid == users[i];
		if (!(stat.kind & MBOX_CREATE_RESERVE))
			msgs += stat.msgs;
	}
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		usage = usage_of(storm->fd, users[i]);
		EXPECT_EQ(mailboxes[i], usage.user_mailboxes);
		charged += usage.user_msgs;
	}
	EXPECT_EQ(msgs, charged);
	EXPECT_EQ(msgs, usage.ns_msgs);
	EXPECT_EQ(info(storm->fd).mailboxes, usage.ns_mailboxes);
}

/* Take out all that is left. */
static void receive_rest(struct __test_metadata *_metadata)
{
	struct mbox_stat stat = { .id = 0 };
	struct parcel parcel;
	struct mbox_recv env;

	while (!try_stat(storm->fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		EXPECT_EQ(MBOX_STATE_ORPHAN, stat.state & MBOX_STATE_ORPHAN);
		do {
			env = (struct mbox_recv){ .id = stat.id, .flags = MBOX_RECV_NONBLOCK };
		} while (!receive_parcel(&parcel, &env));
	}
}

/* Is the fate of that message as it has to be? */
static bool agrees(const struct entry *entry)
{
	switch (entry->fate) {
	case FAILED:
	case UNUSED:
		return !entry->received;
	case SENDING:
		return entry->received <= 1;
	}
	return entry->received == 1 ||
	       (!entry->received && (!entry->lasting || entry->doubted));
}

static void add_up(const struct entry *entry, struct balance *box)
{
	box->sent += entry->fate == SENT;
	box->sending += entry->fate == SENDING;
	box->received += entry->received;
	box->doubted += entry->doubted && !entry->received;
}

/* Balances by the ids of the mailboxes that are left. */
static struct balance **new_balances(void)
{
	uint64_t end = create(storm->fd, attributes(1, 1));
	struct balance **balances = calloc(end, sizeof(*balances));
	struct mbox_stat stat = { .id = 0 };

	NEED(balances && !delete(storm->fd, end));
	while (!try_stat(storm->fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		balances[stat.id] = calloc(1, sizeof(struct balance));
		NEED(balances[stat.id]);
	}
	return balances;
}

static void check_ledger(struct __test_metadata *_metadata, struct balance **balances,
			 uint32_t entries)
{
	uint32_t *sent = calloc(WORKERS + storm->killed, sizeof(*sent)), wrong = 0, i;
	uint32_t fates[FAILED + 1] = { }, received = 0, lost = 0, gone = 0;

	NEED(sent);
	for (i = 0; i < entries; i++) {
		struct entry *entry = &storm->entries[i];
		struct balance *box = balances[entry->box];

		wrong += !agrees(entry);
		gone += entry->lasting && !box;
		fates[entry->fate]++;
		received += entry->received;
		sent[entry->worker] += entry->fate == SENT;
		lost += entry->fate == SENT && !entry->received;
		if (box)
			add_up(entry, box);
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, gone);
	EXPECT_LE(fates[UNUSED] + fates[SENDING], 2 * storm->killed);
	for (i = 0; i < WORKERS; i++) {
		const struct worker *survivor = &storm->workers[i];

		EXPECT_EQ(survivor->sent, sent[survivor->number]);
	}
	TH_LOG("%u killed; of %u sends %u succeeded, %u were cut short; %u messages received, "
	       "%u lay with the killed, %u went with their mailboxes", storm->killed, entries,
	       fates[SENT], fates[SENDING], received, storm->doubts, lost);
	free(sent);
}

static void check_balances(struct __test_metadata *_metadata, struct balance **balances)
{
	struct mbox_stat stat = { .id = 0 };

	while (!try_stat(storm->fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		struct balance *box = balances[stat.id];

		EXPECT_EQ(0, stat.msgs);
		EXPECT_EQ(stat.sent, stat.received);
		EXPECT_LE(box->sent, stat.sent);
		EXPECT_GE(box->sent + box->sending, stat.sent);
		EXPECT_LE(box->received, stat.received);
		EXPECT_GE(box->received + box->doubted, stat.received);
	}
}

static void check_sums(struct __test_metadata *_metadata)
{
	uint32_t entries = storm->next < ENTRIES ? storm->next : ENTRIES;
	struct balance **balances = new_balances();

	check_ledger(_metadata, balances, entries);
	check_balances(_metadata, balances);
}

static void check_verbs(struct __test_metadata *_metadata)
{
	unsigned int i;

	for (i = 0; i < VERBS; i++) {
		EXPECT_LT(0, storm->done[i]) {
			TH_LOG("%s never succeeded", verbs[i]);
		}
		EXPECT_EQ(0, storm->surprises[i]) {
			TH_LOG("%s said %s", verbs[i], strerror(storm->surprise[i]));
		}
	}
	EXPECT_EQ(0, storm->ghosts);
	EXPECT_EQ(0, storm->strange);
}

static void check_nothing_is_used(struct __test_metadata *_metadata)
{
	struct mbox_usage usage;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(users); i++) {
		usage = usage_of(storm->fd, users[i]);
		EXPECT_EQ(0, usage.user_mailboxes);
		EXPECT_EQ(0, usage.user_msgs);
		EXPECT_EQ(0, usage.user_bytes);
	}
	EXPECT_EQ(0, usage.ns_mailboxes);
	EXPECT_EQ(0, usage.ns_msgs);
	EXPECT_EQ(0, usage.ns_bytes);
}

/* There are many, and all have something to end first: the harness limits that. */
static void wait_for_parked(pid_t nursery, unsigned int nr)
{
	while (told(&storm->parked) != nr) {
		NEED(!waitpid(nursery, NULL, WNOHANG));
		usleep(1000);
	}
}

TEST_F_TIMEOUT(storm, leaves_nothing_lost_nothing_doubled_and_nothing_behind, 550)
{
	/* Tight enough to be met. */
	ASSERT_EQ(0, set_tunable("user_mailboxes", BOXES * 52 / 100));
	ASSERT_EQ(0, set_tunable("max_grants", 8));
	self->nursery = spawn();
	if (!self->nursery) {
		if (self->cgroups)
			enter_cgroup(CGROUP, getpid());
		be_nursery();
	}
	while (told(&storm->phase) < STOP) {
		NEED(!waitpid(self->nursery, NULL, WNOHANG));
		futex_wait(&storm->phase, told(&storm->phase));
	}
	wait_for_parked(self->nursery, THREADS);
	check_accounts(_metadata);
	futex_tell(&storm->phase, DRAIN);
	wait_for_parked(self->nursery, 2 * THREADS);
	check_accounts(_metadata);
	futex_tell(&storm->phase, END);
	ASSERT_EQ(0, join(self->nursery));

	receive_rest(_metadata);
	check_sums(_metadata);
	check_verbs(_metadata);

	sweep();
	check_nothing_is_used(_metadata);
	close(storm->fd);
	WAIT_UNTIL(users_of_module() == 0);
	EXPECT_EQ(0, unload());
	if (self->cgroups)
		EXPECT_EQ(0, still_charged());
	EXPECT_EQ(0, load());
	EXPECT_EQ(0, users_of_module());
}

TEST_HARNESS_MAIN
