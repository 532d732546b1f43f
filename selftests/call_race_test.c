// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls and what comes in between, at the same moment: each call has one outcome,
 * both sides agree on it, and nothing stays.
 */
#include "kselftest_harness.h"
#include "call.h"

#define SIZE	64
#define ROUNDS	60	/* of which each side wins some */

static bool one_in(int n)
{
	return rand() % n == 0;
}

static int interruptible(struct puppet *me)
{
	(void)me;
	take_signals(0);
	return 0;
}

static int restartable(struct puppet *me)
{
	(void)me;
	take_signals(SA_RESTART);
	return 0;
}

static void spin_until(uint64_t time)
{
	while (now() < time)
		;
}

static void spin_a_little(void)
{
	spin_until(now() + rand() % 100 * 1000);
}

/*
 * Duels: somebody replies, or receives, and at the same moment something else
 * happens.
 */
FIXTURE(duel) {
	int fd;
	uint64_t id;
	struct puppet *server, *second;		/* threads of one process */
	struct puppet *worker, *caller;
	unsigned int wins, losses;
};

static struct puppet *new_caller(FIXTURE_DATA(duel) *self)
{
	struct puppet *caller = new_puppet(self->fd, STRANGER, STRANGER);

	NEED(!ask(caller, interruptible));
	return caller;
}

static void make_mailbox(FIXTURE_DATA(duel) *self)
{
	struct mbox_create attr = attributes(2, SIZE);

	attr.mode = 0622;
	self->id = create(self->fd, attr);
}

static void make_server(FIXTURE_DATA(duel) *self)
{
	self->server = new_puppet(self->fd, OWNER, OWNER);
	self->second = new_thread(self->server);
}

FIXTURE_SETUP(duel)
{
	begin_accounts();
	srand(getpid());
	self->fd = device(O_RDWR);
	make_server(self);
	self->worker = new_puppet(self->fd, OWNER, OWNER);
	self->caller = new_caller(self);
	make_mailbox(self);
	NEED(!chown_by(myself(self->fd), self->id, OWNER, OWNER));
}

FIXTURE_TEARDOWN(duel)
{
	TH_LOG("%u to %u", self->wins, self->losses);
	end_accounts(self->fd);
}

/* Nothing is there, nobody waits. */
static void expect_quiet(struct __test_metadata *_metadata, FIXTURE_DATA(duel) *self)
{
	struct mbox_stat stat = state(self->fd, self->id);

	ASSERT_EQ(0, stat.requests);
	ASSERT_EQ(0, stat.msgs);
	ASSERT_EQ(0, stat.senders);
	ASSERT_EQ(0, stat.receivers);
}

static void begin_reply(struct puppet *server, uint64_t token, const char *text)
{
	struct mbox_reply how = { .token = token, .len = strlen(text) };

	strcpy(server->text, text);
	how.buf = (uintptr_t)server->text;
	begin_call(server, MBOX_IOC_REPLY, &how);
}

static void begin_try_take(struct puppet *server, uint64_t id)
{
	struct mbox_recv how = takes(id);

	how.flags |= MBOX_RECV_NONBLOCK;
	begin_recv(server, how);
}

/* What can happen to a call; how it is begun, and what the caller is told then. */
enum event { DEADLINE, SIGNAL, RESTART, KILL, DELETE, REVOKE };

FIXTURE_VARIANT(duel) {
	enum event event;
	int told;
};

FIXTURE_VARIANT_ADD(duel, with_a_deadline) {
	.event = DEADLINE, .told = ETIMEDOUT,
};

FIXTURE_VARIANT_ADD(duel, with_a_signal) {
	.event = SIGNAL, .told = EINTR,
};

FIXTURE_VARIANT_ADD(duel, with_a_signal_that_restarts) {
	.event = RESTART, .told = EINTR,
};

FIXTURE_VARIANT_ADD(duel, with_the_end_of_the_caller) {
	.event = KILL, .told = EINTR,
};

FIXTURE_VARIANT_ADD(duel, with_the_end_of_the_mailbox) {
	.event = DELETE, .told = EIDRM,
};

FIXTURE_VARIANT_ADD(duel, with_the_loss_of_a_right) {
	.event = REVOKE, .told = EKEYREJECTED,
};

static void prepare_event(FIXTURE_DATA(duel) *self, const FIXTURE_VARIANT(duel) *variant,
			  struct mbox_call *how)
{
	*how = (struct mbox_call){ .id = self->id };
	if (variant->event == DEADLINE) {
		how->flags = MBOX_CALL_TIMEOUT;
		how->deadline = now() + 3 * MSEC + rand() % 2000 * 1000;
	}
	if (variant->event == RESTART)
		NEED(!ask(self->caller, restartable));
}

static void cause_event(FIXTURE_DATA(duel) *self, const FIXTURE_VARIANT(duel) *variant,
			uint64_t deadline, uint32_t mode)
{
	switch (variant->event) {
	case DEADLINE:
		/* It comes by itself; whoever is to meet it has to be in time. */
		spin_until(deadline - rand() % 200 * 1000);
		break;
	case SIGNAL:
	case RESTART:
		NEED(!syscall(SYS_tgkill, self->caller->pid, self->caller->tid, SIGUSR1));
		break;
	case KILL:
		NEED(!kill(self->caller->pid, SIGKILL));
		break;
	case DELETE:
		NEED(!delete(self->fd, self->id));
		break;
	case REVOKE:
		NEED(!chmod_by(myself(self->fd), self->id, mode));
		break;
	}
}

/* What the caller says; as if it had been interrupted if it was killed. */
static int outcome(FIXTURE_DATA(duel) *self, const FIXTURE_VARIANT(duel) *variant)
{
	if (variant->event != KILL)
		return end_request(self->caller);
	NEED(join(self->caller->pid) == -SIGKILL);
	return EINTR;
}

static void repair(FIXTURE_DATA(duel) *self, const FIXTURE_VARIANT(duel) *variant)
{
	if (variant->event == KILL)
		self->caller = new_caller(self);
	if (variant->event == REVOKE)
		NEED(!chmod_by(myself(self->fd), self->id, 0622));
	if (variant->event == DELETE) {
		make_mailbox(self);
		NEED(!chown_by(myself(self->fd), self->id, OWNER, OWNER));
	}
}

/* The replier and the caller agree; of a caller that was killed nothing is known. */
static void expect_agreement(struct __test_metadata *_metadata, FIXTURE_DATA(duel) *self,
			     const FIXTURE_VARIANT(duel) *variant, int replied, int told)
{
	if (variant->event == KILL) {
		ASSERT_TRUE(replied == 0 || replied == ECANCELED);
	} else {
		ASSERT_EQ(replied ? variant->told : 0, told);
		ASSERT_EQ(told ? ECANCELED : 0, replied);
	}
	replied ? self->losses++ : self->wins++;
	if (!told)
		ASSERT_STREQ("reply", reply_of(self->caller));
}

TEST_F(duel, of_a_reply_has_one_outcome)
{
	struct mbox_call how;
	uint64_t token;
	int i, replied, told;

	for (i = 0; i < ROUNDS; i++) {
		bool first = one_in(2);

		begin_recv(self->server, takes(self->id));
		wait_for_receivers(self->fd, self->id, 1);
		prepare_event(self, variant, &how);
		begin_call_as(self->caller, how, "request");
		ASSERT_EQ(0, end_act(self->server));
		token = self->server->recv.token;
		first = first && variant->event != DEADLINE;
		if (first)
			begin_reply(self->server, token, "reply");
		spin_a_little();
		/* Only the owner's user receives, and it is not the owner. */
		cause_event(self, variant, how.deadline, 0022);
		if (!first)
			begin_reply(self->server, token, "reply");
		replied = end_act(self->server);
		told = outcome(self, variant);
		expect_agreement(_metadata, self, variant, replied, told);
		ASSERT_EQ(EBADR, ask_about(self->server, token));
		if (variant->event != DELETE)
			expect_quiet(_metadata, self);
		repair(self, variant);
	}
}

TEST_F(duel, of_a_receive_has_one_outcome)
{
	struct mbox_call how;
	int i, taken, replied, told;

	for (i = 0; i < ROUNDS; i++) {
		bool first = one_in(2) && variant->event != DEADLINE;

		prepare_event(self, variant, &how);
		begin_call_as(self->caller, how, "request");
		if (variant->event != DEADLINE)
			WAIT_UNTIL(state(self->fd, self->id).msgs == 1);
		if (first)
			begin_try_take(self->server, self->id);
		spin_a_little();
		/* Nobody else sends any more. */
		cause_event(self, variant, how.deadline, 0600);
		if (!first)
			begin_try_take(self->server, self->id);
		taken = end_act(self->server);
		ASSERT_TRUE(taken == 0 || taken == EAGAIN ||
			    (taken == EIDRM && variant->event == DELETE));
		if (taken == EAGAIN && variant->event == RESTART) {
			/* It has been away for a moment. */
			taken = recv_by(self->server, takes(self->id));
			ASSERT_EQ(0, taken);
		}
		if (taken) {
			self->losses++;
			told = outcome(self, variant);
			ASSERT_EQ(variant->event == REVOKE ? EKEYREVOKED : variant->told, told);
		} else {
			ASSERT_STREQ("request", self->server->text);
			replied = reply_by(self->server, self->server->recv.token, "reply");
			told = outcome(self, variant);
			/* Then it needs no right any more. */
			if (variant->event == REVOKE)
				ASSERT_EQ(0, replied);
			expect_agreement(_metadata, self, variant, replied, told);
		}
		if (variant->event != DELETE) {
			expect_quiet(_metadata, self);
			ASSERT_EQ(EAGAIN, try_take(self->server, self->id));
		}
		repair(self, variant);
	}
}

/*
 * Rivals: two use one token, or one request.
 */
FIXTURE(rivals) {
	int fd;
	uint64_t id;
	struct puppet *server, *second;		/* threads of one process */
	struct puppet *worker, *caller;
	unsigned int wins[2];
};

static void start_server(FIXTURE_DATA(rivals) *self)
{
	self->server = new_puppet(self->fd, OWNER, OWNER);
	self->second = new_thread(self->server);
}

FIXTURE_SETUP(rivals)
{
	struct mbox_create attr = attributes(2, SIZE);

	begin_accounts();
	srand(getpid());
	attr.mode = 0666;
	self->fd = device(O_RDWR);
	start_server(self);
	self->worker = new_puppet(self->fd, OWNER, OWNER);
	self->caller = new_puppet(self->fd, STRANGER, STRANGER);
	self->id = create(self->fd, attr);
}

FIXTURE_TEARDOWN(rivals)
{
	TH_LOG("%u to %u", self->wins[0], self->wins[1]);
	end_accounts(self->fd);
}

static uint64_t held(FIXTURE_DATA(rivals) *self)
{
	begin_request(self->caller, self->id, "request");
	return take(self->server, self->id);
}

static void expect_nothing(struct __test_metadata *_metadata, FIXTURE_DATA(rivals) *self)
{
	struct mbox_stat stat = state(self->fd, self->id);

	ASSERT_EQ(0, stat.requests);
	ASSERT_EQ(0, stat.msgs);
	ASSERT_EQ(0, stat.senders);
	ASSERT_EQ(EAGAIN, try_take(self->server, self->id));
}

/* One has it, the other has no such token. */
static void expect_one(struct __test_metadata *_metadata, FIXTURE_DATA(rivals) *self, int one,
		       int two)
{
	ASSERT_TRUE((one == 0 && two == EBADR) || (one == EBADR && two == 0)) {
		TH_LOG("%d and %d", one, two);
	}
	self->wins[one ? 1 : 0]++;
}

TEST_F(rivals, that_reply_are_served_once)
{
	uint64_t token;
	int i, one, two;

	for (i = 0; i < 2 * ROUNDS; i++) {
		token = held(self);
		begin_reply(i % 2 ? self->server : self->second, token, i % 2 ? "one" : "two");
		begin_reply(i % 2 ? self->second : self->server, token, i % 2 ? "two" : "one");
		one = end_act(self->server);
		two = end_act(self->second);
		expect_one(_metadata, self, one, two);
		ASSERT_EQ(0, end_request(self->caller));
		ASSERT_STREQ(one ? "two" : "one", reply_of(self->caller));
		expect_nothing(_metadata, self);
	}
}

TEST_F(rivals, that_reply_and_discard_are_served_once)
{
	struct mbox_reply discard = { .flags = MBOX_REPLY_DISCARD };
	int i, one, two;

	for (i = 0; i < ROUNDS; i++) {
		discard.token = held(self);
		if (i % 2)
			begin_reply(self->server, discard.token, "one");
		begin_call(self->second, MBOX_IOC_REPLY, &discard);
		if (!(i % 2))
			begin_reply(self->server, discard.token, "one");
		one = end_act(self->server);
		two = end_act(self->second);
		expect_one(_metadata, self, one, two);
		ASSERT_EQ(one ? ECANCELED : 0, end_request(self->caller));
		expect_nothing(_metadata, self);
	}
}

TEST_F(rivals, that_reply_and_hand_on_are_served_once)
{
	struct mbox_token pass = { .flags = MBOX_TOKEN_PASS, .pid = self->worker->pid };
	int i, one, two;

	for (i = 0; i < ROUNDS; i++) {
		pass.token = held(self);
		if (i % 2)
			begin_reply(self->server, pass.token, "one");
		begin_call(self->second, MBOX_IOC_TOKEN, &pass);
		if (!(i % 2))
			begin_reply(self->server, pass.token, "one");
		one = end_act(self->server);
		two = end_act(self->second);
		expect_one(_metadata, self, one, two);
		ASSERT_EQ(two, reply_by(self->worker, pass.token, "two"));
		ASSERT_EQ(0, end_request(self->caller));
		ASSERT_STREQ(one ? "two" : "one", reply_of(self->caller));
		expect_nothing(_metadata, self);
	}
}

TEST_F(rivals, that_receive_are_served_once)
{
	int i, one, two;

	for (i = 0; i < ROUNDS; i++) {
		struct puppet *holder;

		begin_request(self->caller, self->id, "request");
		if (one_in(2))
			WAIT_UNTIL(state(self->fd, self->id).msgs == 1);
		begin_try_take(self->server, self->id);
		begin_try_take(self->worker, self->id);
		one = end_act(self->server);
		two = end_act(self->worker);
		ASSERT_TRUE(one || two);
		ASSERT_TRUE(one == 0 || one == EAGAIN);
		ASSERT_TRUE(two == 0 || two == EAGAIN);
		holder = one ? self->worker : self->server;
		self->wins[one ? 1 : 0]++;
		if (one && two)
			take(holder, self->id);
		ASSERT_EQ(EBADR, ask_about(one ? self->server : self->worker,
					   holder->recv.token));
		ASSERT_EQ(0, reply_by(holder, holder->recv.token, "reply"));
		ASSERT_EQ(0, end_request(self->caller));
		expect_nothing(_metadata, self);
	}
}

/* One of them takes no token. */
TEST_F(rivals, that_receive_in_two_ways_are_served_once)
{
	struct mbox_recv plain = { .id = self->id, .flags = MBOX_RECV_NONBLOCK };
	int i, one, two;

	for (i = 0; i < ROUNDS; i++) {
		begin_request(self->caller, self->id, "request");
		WAIT_UNTIL(state(self->fd, self->id).msgs == 1);
		if (i % 2)
			begin_try_take(self->server, self->id);
		begin_recv(self->worker, plain);
		if (!(i % 2))
			begin_try_take(self->server, self->id);
		one = end_act(self->server);
		two = end_act(self->worker);
		ASSERT_TRUE((one == 0 && two == EAGAIN) || (one == EAGAIN && two == 0));
		self->wins[one ? 1 : 0]++;
		if (!one)
			ASSERT_EQ(0, reply_by(self->server, self->server->recv.token, "reply"));
		ASSERT_EQ(one ? ECANCELED : 0, end_request(self->caller));
		expect_nothing(_metadata, self);
	}
}

TEST_F(rivals, of_which_one_is_the_end_leave_one_outcome)
{
	uint64_t token;
	int i, told;

	for (i = 0; i < ROUNDS; i++) {
		token = held(self);
		begin_reply(self->server, token, "reply");
		spin_a_little();
		ASSERT_EQ(-SIGKILL, kill_puppet(self->server));
		told = end_request(self->caller);
		ASSERT_TRUE(told == 0 || told == EOWNERDEAD);
		self->wins[told ? 1 : 0]++;
		if (!told)
			ASSERT_STREQ("reply", reply_of(self->caller));
		start_server(self);
		expect_nothing(_metadata, self);
	}
}

/* The heir ends as it is handed the token. */
TEST_F(rivals, of_which_one_is_the_end_of_the_heir_leave_one_holder)
{
	struct mbox_token pass = { .flags = MBOX_TOKEN_PASS };
	int i, error, told;

	for (i = 0; i < ROUNDS; i++) {
		pass.token = held(self);
		pass.pid = self->worker->pid;
		if (i % 2)
			begin_call(self->server, MBOX_IOC_TOKEN, &pass);
		spin_a_little();
		ASSERT_EQ(0, kill(self->worker->pid, SIGKILL));
		if (!(i % 2))
			begin_call(self->server, MBOX_IOC_TOKEN, &pass);
		error = end_act(self->server);
		ASSERT_EQ(-SIGKILL, join(self->worker->pid));
		ASSERT_TRUE(error == 0 || error == ESRCH);
		self->wins[error ? 1 : 0]++;
		ASSERT_EQ(error ? 0 : EBADR, reply_by(self->server, pass.token, "reply"));
		told = end_request(self->caller);
		ASSERT_EQ(error ? 0 : EOWNERDEAD, told);
		expect_nothing(_metadata, self);
		self->worker = new_puppet(self->fd, OWNER, OWNER);
	}
}

/* The holder ends as it hands the token on. */
TEST_F(rivals, of_which_one_is_the_end_of_the_holder_leave_one_holder)
{
	struct mbox_token pass = { .flags = MBOX_TOKEN_PASS, .pid = self->worker->pid };
	int i, error;

	for (i = 0; i < ROUNDS; i++) {
		pass.token = held(self);
		begin_call(self->server, MBOX_IOC_TOKEN, &pass);
		spin_a_little();
		ASSERT_EQ(-SIGKILL, kill_puppet(self->server));
		error = reply_by(self->worker, pass.token, "reply");
		ASSERT_TRUE(error == 0 || error == EBADR);
		self->wins[error ? 1 : 0]++;
		ASSERT_EQ(error ? EOWNERDEAD : 0, end_request(self->caller));
		start_server(self);
		expect_nothing(_metadata, self);
	}
}

/*
 * Crowds of callers and of servers, who are killed, interrupted, late, or clumsy.
 *
 * Each call is an entry in a ledger that all share. A server that was killed may have
 * done one thing more than it says there; a caller that was killed knows nothing of
 * its last call. Of everything else the outcome is known on both sides, and has to
 * be the same.
 */
#define CALLERS	4
#define SERVERS	3
#define EACH	150	/* calls of each caller */
#define LIVES	4096	/* servers, one after the other, at most */

struct entry {
	int outcome;		/* what the caller was told, plus 1 */
	bool killed;		/* the caller, before it knew that */
	uint32_t taken;		/* how often a server got the token */
	uint32_t replied;
	uint32_t cancelled;	/* replies that came too late */
	uint32_t discarded;
	uint32_t dropped;	/* received without token */
	uint32_t life;		/* of the server whose reply came */
};

/* A token that is handed on: who has it knows by this. */
struct gift {
	uint32_t state;
	uint32_t number;
	uint64_t token;
};

enum { FREE, TAKEN, GIVEN };

struct ledger {
	struct entry entries[CALLERS * EACH];
	uint32_t next[CALLERS];
	bool was_killed[LIVES];
	uint32_t lives;
	uint32_t stop;
	uint32_t handed_on;
	pid_t servers[SERVERS];
	struct gift gifts[SERVERS];
};

/* A request, and a reply. */
struct parcel {
	uint32_t number;	/* of the entry */
	uint32_t life;
	uint32_t check;
};

FIXTURE(crowd) {
	int fd;
	struct ledger *ledger;
	pid_t callers[CALLERS];
	uint32_t lives[SERVERS];
	unsigned int killed;
};

FIXTURE_VARIANT(crowd) {
	uint32_t msgs;
	uint64_t kind;
	bool kill_servers;
	bool kill_callers;
	bool deadlines;
	bool signals;
	bool hand_on;
	bool combined;		/* reply and receive in one call */
	bool clumsy;		/* bad buffers, requests that are dropped or discarded */
};

FIXTURE_VARIANT_ADD(crowd, at_peace) {
	.msgs = 2,
};

FIXTURE_VARIANT_ADD(crowd, that_replies_and_receives) {
	.msgs = 2, .combined = true,
};

FIXTURE_VARIANT_ADD(crowd, with_deadlines) {
	.msgs = 2, .deadlines = true,
};

FIXTURE_VARIANT_ADD(crowd, with_signals) {
	.msgs = 2, .signals = true, .combined = true,
};

FIXTURE_VARIANT_ADD(crowd, that_hands_on) {
	.msgs = 2, .hand_on = true,
};

FIXTURE_VARIANT_ADD(crowd, that_is_clumsy) {
	.msgs = 2, .clumsy = true,
};

FIXTURE_VARIANT_ADD(crowd, with_servers_that_end) {
	.msgs = 2, .kill_servers = true,
};

FIXTURE_VARIANT_ADD(crowd, with_callers_that_end) {
	.msgs = 2, .kill_callers = true,
};

FIXTURE_VARIANT_ADD(crowd, with_everything) {
	.msgs = 2, .kill_servers = true, .kill_callers = true, .deadlines = true,
	.signals = true, .hand_on = true, .combined = true, .clumsy = true,
};

FIXTURE_VARIANT_ADD(crowd, with_everything_at_a_rendezvous) {
	.msgs = 0, .kill_servers = true, .kill_callers = true, .deadlines = true,
	.signals = true, .hand_on = true, .combined = true, .clumsy = true,
};

FIXTURE_VARIANT_ADD(crowd, with_everything_in_reserved_buffers) {
	.msgs = 2, .kind = MBOX_CREATE_RESERVE, .kill_servers = true, .kill_callers = true,
	.deadlines = true, .signals = true, .hand_on = true, .combined = true, .clumsy = true,
};

FIXTURE_SETUP(crowd)
{
	struct mbox_create attr = attributes(variant->msgs, SIZE);

	begin_accounts();
	/* For the children: a signal may reach them before they say how they take it. */
	take_signals(SA_RESTART);
	attr.flags = variant->kind;
	if (variant->kind)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = mailbox(attr);
	self->ledger = shared(sizeof(*self->ledger));
}

FIXTURE_TEARDOWN(crowd)
{
	end_accounts(self->fd);
}

static void count_up(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static struct parcel make_parcel(uint32_t number, uint32_t life)
{
	return (struct parcel){
		.number = number, .life = life, .check = number * 2654435761U ^ life,
	};
}

static void check_parcel(const struct parcel *parcel, uint64_t len)
{
	NEED(len == sizeof(*parcel) && parcel->number < CALLERS * EACH);
	NEED(parcel->check == make_parcel(parcel->number, parcel->life).check);
}

/* Callers. */

static int call_once(int fd, const FIXTURE_VARIANT(crowd) *variant, struct ledger *ledger,
		     uint32_t number)
{
	static uint64_t clock;
	struct parcel request = make_parcel(number, 0), reply = { };
	struct mbox_call how = {
		.buf = (uintptr_t)&request,
		.len = sizeof(request),
		.reply = (uintptr_t)&reply,
		.size = sizeof(reply),
	};
	int error;

	if (variant->deadlines && one_in(2)) {
		how.flags |= MBOX_CALL_TIMEOUT;
		how.deadline = now() + rand() % 3000 * 1000;
	}
	if (one_in(16))
		how.flags |= MBOX_CALL_NONBLOCK;
	error = call(fd, MBOX_IOC_CALL, &how);
	if (error)
		return error;
	check_parcel(&reply, how.reply_len);
	NEED(reply.number == number && how.reply_tag == number);
	NEED(how.stamp > clock && how.clock > how.stamp);
	clock = how.clock;
	ledger->entries[number].life = reply.life;
	return 0;
}

static int be_caller(int fd, const FIXTURE_VARIANT(crowd) *variant, struct ledger *ledger,
		     uint32_t caller)
{
	srand(getpid());
	/* Of signals, half of them know nothing, unless somebody has the request. */
	take_signals(caller % 2 ? SA_RESTART : 0);
	while (ledger->next[caller] < EACH) {
		uint32_t number = caller * EACH + ledger->next[caller];
		int error = call_once(fd, variant, ledger, number);

		tell((uint32_t *)&ledger->entries[number].outcome, error + 1);
		count_up(&ledger->next[caller]);
	}
	return 0;
}

/* Servers. */

struct server {
	int fd;
	const FIXTURE_VARIANT(crowd) *variant;
	struct ledger *ledger;
	uint32_t index;
	uint32_t life;
	struct mbox_reply pending;	/* to be given with the next receive, if it has a token */
	struct parcel reply;
	uint32_t number;		/* of that */
};

/* What became of a reply. */
static void count_reply(struct server *server, uint32_t number, int error, bool discard)
{
	struct entry *entry = &server->ledger->entries[number];

	NEED(error == 0 || error == ECANCELED);
	count_up(error ? &entry->cancelled : discard ? &entry->discarded : &entry->replied);
}

/* Was the token given to another server? */
static bool hand_on(struct server *server, uint32_t number, uint64_t token)
{
	struct ledger *ledger = server->ledger;
	uint32_t heir = rand() % SERVERS, expected = FREE;
	struct gift *gift = &ledger->gifts[heir];
	struct mbox_token pass = {
		.flags = MBOX_TOKEN_PASS, .token = token, .pid = ledger->servers[heir],
	};
	int error;

	if (heir == server->index || !pass.pid ||
	    !__atomic_compare_exchange_n(&gift->state, &expected, TAKEN, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	gift->number = number;
	gift->token = token;
	error = call(server->fd, MBOX_IOC_TOKEN, &pass);
	tell(&gift->state, error ? FREE : GIVEN);
	if (!error)
		count_up(&ledger->handed_on);
	NEED(!error || error == ESRCH || error == ECANCELED);
	return !error;
}

static void handle(struct server *server, uint32_t number, uint64_t token)
{
	const FIXTURE_VARIANT(crowd) *variant = server->variant;
	struct parcel reply = make_parcel(number, server->life);
	struct mbox_reply how = {
		.token = token,
		.buf = (uintptr_t)&reply,
		.len = sizeof(reply),
		.tag = number,
	};
	struct mbox_token question = { .token = token };
	int error;

	if (one_in(8))
		usleep(rand() % 2000);
	if (one_in(8)) {
		error = call(server->fd, MBOX_IOC_TOKEN, &question);
		NEED(error == 0 || error == ECANCELED);
	}
	if (variant->hand_on && one_in(3) && hand_on(server, number, token))
		return;
	if (variant->clumsy && one_in(10)) {
		how = (struct mbox_reply){ .flags = MBOX_REPLY_DISCARD, .token = token };
		error = call(server->fd, MBOX_IOC_REPLY, &how);
		count_reply(server, number, error, true);
		return;
	}
	if (variant->clumsy && one_in(10)) {
		how.buf = 8;
		error = call(server->fd, MBOX_IOC_REPLY, &how);
		NEED(error == EFAULT || error == ECANCELED);
		if (error == ECANCELED) {
			count_reply(server, number, error, false);
			return;
		}
		how.buf = (uintptr_t)&reply;
	}
	if (variant->combined && !server->pending.token && one_in(2)) {
		server->reply = reply;
		server->pending = how;
		server->pending.buf = (uintptr_t)&server->reply;
		server->number = number;
		return;
	}
	error = call(server->fd, MBOX_IOC_REPLY, &how);
	count_reply(server, number, error, false);
}

static void look_for_gift(struct server *server)
{
	struct gift *gift = &server->ledger->gifts[server->index], found = *gift;
	struct mbox_token question;
	int error;

	if (told(&gift->state) != GIVEN)
		return;
	found = *gift;
	tell(&gift->state, FREE);
	question = (struct mbox_token){ .token = found.token };
	error = call(server->fd, MBOX_IOC_TOKEN, &question);
	/* It may have been for the one who was here before. */
	if (error == EBADR && server->variant->kill_servers)
		return;
	NEED(error == 0 || error == ECANCELED);
	handle(server, found.number, found.token);
}

/* The reply that went before a receive. */
static void settle(struct server *server)
{
	if (!server->pending.done)
		return;
	count_reply(server, server->number, -server->pending.result, false);
	server->pending.token = 0;
}

static void serve_once(struct server *server)
{
	const FIXTURE_VARIANT(crowd) *variant = server->variant;
	bool bad = variant->clumsy && one_in(8), plain = variant->clumsy && one_in(10);
	bool replies = server->pending.token;
	struct parcel request;
	struct mbox_recv how = {
		.flags = MBOX_RECV_TIMEOUT | (plain ? 0 : MBOX_RECV_TOKEN),
		.deadline = now() + 5 * MSEC,
		.buf = bad ? 8 : (uintptr_t)&request,
		.size = sizeof(request),
	};
	struct entry *entry;
	int error;

	if (replies) {
		how.flags |= MBOX_RECV_REPLY;
		how.reply = (uintptr_t)&server->pending;
	}
	error = call(server->fd, MBOX_IOC_RECV, &how);
	if (replies) {
		settle(server);
		NEED(!server->pending.token || (error && error != EAGAIN && error != ETIMEDOUT));
	}
	if (error) {
		NEED(error == ETIMEDOUT || error == EINTR || (bad && error == EFAULT));
		return;
	}
	check_parcel(&request, how.len);
	NEED(how.got == MBOX_GOT_REQUEST && !how.token == plain);
	entry = &server->ledger->entries[request.number];
	count_up(plain ? &entry->dropped : &entry->taken);
	if (!plain)
		handle(server, request.number, how.token);
}

static int be_server(int fd, const FIXTURE_VARIANT(crowd) *variant, struct ledger *ledger,
		     uint32_t index, uint32_t life)
{
	struct server server = {
		.fd = fd, .variant = variant, .ledger = ledger, .index = index, .life = life,
	};

	srand(getpid());
	take_signals(one_in(2) ? SA_RESTART : 0);
	while (!told(&ledger->stop)) {
		look_for_gift(&server);
		serve_once(&server);
	}
	look_for_gift(&server);
	if (server.pending.token) {
		server.pending.result = call(fd, MBOX_IOC_REPLY, &server.pending);
		count_reply(&server, server.number, server.pending.result, false);
	}
	return 0;
}

/* Everybody's birth and death. */

static void start_server_of_crowd(FIXTURE_DATA(crowd) *self,
				  const FIXTURE_VARIANT(crowd) *variant, uint32_t index)
{
	uint32_t life = self->lives[index] = self->ledger->lives++;
	pid_t child;

	NEED(life < LIVES);
	tell(&self->ledger->gifts[index].state, FREE);
	child = spawn();
	if (!child)
		_exit(be_server(self->fd, variant, self->ledger, index, life));
	tell((uint32_t *)&self->ledger->servers[index], child);
}

static void start_caller(FIXTURE_DATA(crowd) *self, const FIXTURE_VARIANT(crowd) *variant,
			 uint32_t caller)
{
	pid_t child = spawn();

	if (!child)
		_exit(be_caller(self->fd, variant, self->ledger, caller));
	self->callers[caller] = child;
}

static void kill_a_server(FIXTURE_DATA(crowd) *self, const FIXTURE_VARIANT(crowd) *variant)
{
	uint32_t index = rand() % SERVERS;
	pid_t pid = self->ledger->servers[index];

	tell((uint32_t *)&self->ledger->servers[index], 0);
	NEED(!kill(pid, SIGKILL));
	NEED(join(pid) == -SIGKILL);
	self->ledger->was_killed[self->lives[index]] = true;
	self->killed++;
	start_server_of_crowd(self, variant, index);
}

static void kill_a_caller(FIXTURE_DATA(crowd) *self, const FIXTURE_VARIANT(crowd) *variant)
{
	uint32_t caller = rand() % CALLERS, number;
	struct entry *entry;

	if (!self->callers[caller])
		return;
	NEED(!kill(self->callers[caller], SIGKILL));
	join(self->callers[caller]);
	self->callers[caller] = 0;
	self->killed++;
	if (self->ledger->next[caller] >= EACH)
		return;
	number = caller * EACH + self->ledger->next[caller]++;
	entry = &self->ledger->entries[number];
	entry->killed = !entry->outcome;
	start_caller(self, variant, caller);
}

/* Has every caller come to its end? */
static bool all_called(FIXTURE_DATA(crowd) *self)
{
	bool all = true;
	int i, status;

	for (i = 0; i < CALLERS; i++) {
		if (!self->callers[i])
			continue;
		if (!waitpid(self->callers[i], &status, WNOHANG)) {
			all = false;
			continue;
		}
		NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		self->callers[i] = 0;
	}
	return all;
}

static void disturb(FIXTURE_DATA(crowd) *self, const FIXTURE_VARIANT(crowd) *variant)
{
	pid_t pid;

	if (variant->kill_servers && one_in(4))
		kill_a_server(self, variant);
	if (variant->kill_callers && one_in(4))
		kill_a_caller(self, variant);
	if (!variant->signals)
		return;
	pid = one_in(3) ? self->ledger->servers[rand() % SERVERS] :
			  self->callers[rand() % CALLERS];
	if (pid)
		kill(pid, SIGUSR1);
}

static void expect_consistent(struct __test_metadata *_metadata, struct ledger *ledger,
			      const FIXTURE_VARIANT(crowd) *variant, uint32_t number)
{
	struct entry *e = &ledger->entries[number];
	uint32_t used = e->replied + e->cancelled + e->discarded;
	bool restarts = number / EACH % 2;
	/* Somebody may have done more than it could say. */
	bool doubt = variant->kill_servers;
	/* A token that was handed on may have come when all was over. */
	bool unused = doubt || variant->hand_on;

	ASSERT_GE(1, used + e->dropped);
	ASSERT_GE(1, e->taken + e->dropped);
	/* Nobody used what nobody had. */
	if (!doubt)
		ASSERT_GE(e->taken, used);
	ASSERT_EQ(!e->outcome, e->killed);
	if (e->killed)
		return;
	switch (e->outcome - 1) {
	case 0:
		ASSERT_EQ(0, e->cancelled + e->discarded + e->dropped);
		ASSERT_TRUE(e->replied == 1 || ledger->was_killed[e->life]);
		break;
	case EAGAIN:
		ASSERT_EQ(0, e->taken + used + e->dropped);
		break;
	case ECANCELED:
		ASSERT_TRUE(variant->clumsy);
		ASSERT_EQ(0, e->replied + e->cancelled);
		ASSERT_TRUE(doubt || e->discarded + e->dropped == 1);
		break;
	case EOWNERDEAD:
		ASSERT_TRUE(variant->kill_servers);
		ASSERT_EQ(0, used + e->dropped);
		break;
	case ETIMEDOUT:
		ASSERT_TRUE(variant->deadlines);
		ASSERT_EQ(0, e->replied + e->discarded);
		ASSERT_TRUE(unused || e->cancelled == e->taken);
		break;
	case EINTR:
		ASSERT_TRUE(variant->signals);
		ASSERT_EQ(0, e->replied + e->discarded);
		ASSERT_TRUE(unused || e->cancelled == e->taken);
		/* Unless somebody had it, it is restarted. */
		if (restarts && !doubt && !variant->clumsy)
			ASSERT_EQ(1, e->taken);
		break;
	default:
		ASSERT_TRUE(false) {
			TH_LOG("outcome %d", e->outcome - 1);
		}
	}
}

TEST_F(crowd, agrees_on_the_outcome_of_each_call)
{
	static const int errors[] = {
		0, EAGAIN, ECANCELED, EOWNERDEAD, ETIMEDOUT, EINTR,
	};
	unsigned int counts[ARRAY_SIZE(errors)] = { }, unknown = 0, j;
	struct mbox_stat stat;
	uint32_t i;

	srand(getpid());
	for (i = 0; i < SERVERS; i++)
		start_server_of_crowd(self, variant, i);
	for (i = 0; i < CALLERS; i++)
		start_caller(self, variant, i);
	while (!all_called(self)) {
		usleep(1000 + rand() % 3000);
		disturb(self, variant);
	}
	tell(&self->ledger->stop, true);
	for (i = 0; i < SERVERS; i++)
		EXPECT_EQ(0, join(self->ledger->servers[i]));
	for (i = 0; i < CALLERS * EACH; i++) {
		struct entry *e = &self->ledger->entries[i];

		expect_consistent(_metadata, self->ledger, variant, i);
		unknown += e->killed;
		for (j = 0; j < ARRAY_SIZE(errors); j++)
			counts[j] += e->outcome - 1 == errors[j];
	}
	TH_LOG("%u replies, %u times no room, %u discarded, %u dead, %u late, %u interrupted, "
	       "%u unknown; %u killed, %u handed on", counts[0], counts[1], counts[2], counts[3],
	       counts[4], counts[5], unknown, self->killed, self->ledger->handed_on);
	stat = state(self->fd, 0);
	EXPECT_EQ(0, stat.requests);
	EXPECT_EQ(0, stat.msgs);
	EXPECT_EQ(0, stat.senders);
	EXPECT_EQ(0, stat.receivers);
	/* What came back from a bad buffer was sent, and may have been taken back since. */
	EXPECT_TRUE(stat.sent == stat.received || (variant->clumsy && stat.sent > stat.received));
	EXPECT_EQ(0, msgs_of(self->fd, 0));
	/* It was no test of calls if there were none. */
	EXPECT_LT(0, counts[0]);
}

TEST_HARNESS_MAIN
