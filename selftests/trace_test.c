// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tracepoints: each is passed where it should be, in whosever context that is, and
 * tells what the calls told.
 */
#include "direct.h"
#include "call.h"

#include <sys/mount.h>
#include <linux/mbox_netlink.h>

#define SIZE	64
#define TRACING	"/sys/kernel/tracing"

/*
 * A buffer of our own, so that nobody else who traces is in the way.
 */

static char instance[128];

static void write_to(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	NEED(!put_file(path, text));
}

static void start_tracing(void)
{
	if (access(TRACING "/instances", F_OK))
		NEED(!mount("tracefs", TRACING, "tracefs", 0, NULL));
	snprintf(instance, sizeof(instance), TRACING "/instances/mbox-%d", getpid());
	/*
	 * No names of tasks, which an instance can be told only by the state in which it
	 * is made: to learn them, the scheduler itself is patched, each time, which not
	 * every emulator takes well while it runs on another processor.
	 */
	NEED(!put_file(TRACING "/options/record-cmd", "0"));
	NEED(!mkdir(instance, 0700));
	NEED(!put_file(TRACING "/options/record-cmd", "1"));
	/* Events are in the order in which they happened, on whichever processor. */
	write_to("trace_clock", "counter");
	write_to("events/mbox/enable", "1");
}

static void stop_tracing(void)
{
	write_to("events/mbox/enable", "0");
	NEED(!rmdir(instance));
}

/* One event as it was written. */
struct event {
	pid_t tid;
	char name[24];
	char fields[320];
};

#define MAX_EVENTS 8192

static struct event events[MAX_EVENTS];
static unsigned int nr_events;

/* "  name-TID   [000] d..1.  12: mbox_send: net=...", with a name that may be anything. */
static void parse(const char *line)
{
	const char *name = strstr(line, ": mbox_"), *cpu = strstr(line, " [0"), *end;
	struct event *event = &events[nr_events];

	if (line[0] == '#' || !line[0])
		return;
	NEED(!strstr(line, "LOST") && name && cpu && nr_events < MAX_EVENTS);
	while (cpu[-1] == ' ')
		cpu--;
	while (cpu[-1] != '-')
		cpu--;
	event->tid = atoi(cpu);
	name += 2;
	end = strchr(name, ':');
	NEED(end && end - name < (int)sizeof(event->name));
	memcpy(event->name, name, end - name);
	event->name[end - name] = '\0';
	NEED(strlen(end + 1) < sizeof(event->fields));
	strcpy(event->fields, end + 1);
	nr_events++;
}

/* What there is by now, but for what others than those do who act in a test. */
static void read_events(void)
{
	char path[256], *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	nr_events = 0;
	snprintf(path, sizeof(path), "%s/trace", instance);
	file = fopen(path, "re");
	NEED(file);
	while ((len = getline(&line, &size, file)) > 0) {
		line[len - 1] = '\0';
		parse(line);
	}
	fclose(file);
	free(line);
}

static void forget_events(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/trace", instance);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	NEED(fd >= 0);
	close(fd);
}

static unsigned int count_of(const char *name)
{
	unsigned int i, count = 0;

	for (i = 0; i < nr_events; i++)
		count += !strcmp(events[i].name, name);
	return count;
}

/* The @nth one of that name, from 0. */
static const struct event *nth(const char *name, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < nr_events; i++)
		if (!strcmp(events[i].name, name) && !n--)
			return &events[i];
	fprintf(stderr, "# there is no %s; events:\n", name);
	for (i = 0; i < nr_events; i++)
		fprintf(stderr, "#   %d %s:%s\n", events[i].tid, events[i].name,
			events[i].fields);
	NEED(!"such an event");
	return NULL;
}

static const char *value_of(const struct event *event, const char *key)
{
	char text[32];
	const char *at;

	snprintf(text, sizeof(text), " %s=", key);
	at = strstr(event->fields, text);
	NEED(at && "field");
	return at + strlen(text);
}

static uint64_t number(const struct event *event, const char *key)
{
	return strtoull(value_of(event, key), NULL, 10);
}

static int64_t integer(const struct event *event, const char *key)
{
	return strtoll(value_of(event, key), NULL, 10);
}

static bool says(const struct event *event, const char *key, const char *word)
{
	const char *value = value_of(event, key);
	size_t len = strlen(word);

	return !strncmp(value, word, len) && (!value[len] || value[len] == ' ');
}

static unsigned int network(pid_t pid)
{
	char path[64];
	struct stat stat;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	NEED(!fstatat(AT_FDCWD, path, &stat, 0));
	return stat.st_ino;
}

/* The command that that task made last. */
static const struct event *last_command(pid_t tid)
{
	const struct event *found = NULL;
	unsigned int i;

	for (i = 0; i < nr_events; i++)
		if (!strcmp(events[i].name, "mbox_command") && events[i].tid == tid)
			found = &events[i];
	NEED(found);
	return found;
}

FIXTURE(trace) {
	int fd;
	uint64_t id;
	struct puppet *other;
	struct puppet *third;
	uint64_t self;
};

FIXTURE_SETUP(trace)
{
	struct mbox_clock clock = { };

	begin_accounts();
	self->fd = device(O_RDWR);
	self->id = create(self->fd, attributes(4, SIZE));
	self->other = new_actor(self->fd, 0);
	self->third = new_actor(self->fd, 0);
	NEED(!call(self->fd, MBOX_IOC_CLOCK, &clock));
	self->self = clock.participant;
	start_tracing();
}

FIXTURE_TEARDOWN(trace)
{
	stop_tracing();
	end_cast(self->fd);
}

#define EXPECT_NUMBER(value, event, key) EXPECT_EQ((uint64_t)(value), number(event, key))

#define EXPECT_PLACE(event, _id, _seq) do {				\
	EXPECT_NUMBER(network(getpid()), event, "net");			\
	EXPECT_NUMBER(_id, event, "id");				\
	EXPECT_NUMBER(_seq, event, "seq");				\
} while (0)

TEST_F(trace, has_nothing_where_nothing_happens)
{
	struct mbox_send how = { .id = self->id, .flags = MBOX_SEND_NONBLOCK };
	struct letter letter;

	usleep(100000);
	read_events();
	EXPECT_EQ(0, nr_events);
	/* What fails is a command and nothing else. */
	EXPECT_EQ(EAGAIN, fetch(self->fd, self->id, &letter));
	EXPECT_EQ(ENOENT, fetch(self->fd, ~0ULL, &letter));
	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, self->id, unmapped(), SIZE + 1, 0, 0, 0));
	EXPECT_EQ(EFAULT, send_bytes(self->fd, self->id, unmapped(), SIZE, 0, 0, 0));
	how.flags = 1ULL << 63;
	EXPECT_EQ(EINVAL, send_as(self->fd, "a", &how));
	read_events();
	EXPECT_EQ(5, nr_events);
	EXPECT_EQ(5, count_of("mbox_command"));
	EXPECT_EQ(-EAGAIN, integer(nth("mbox_command", 0), "result"));
	EXPECT_EQ(-ENOENT, integer(nth("mbox_command", 1), "result"));
	EXPECT_EQ(-EMSGSIZE, integer(nth("mbox_command", 2), "result"));
	EXPECT_EQ(-EFAULT, integer(nth("mbox_command", 3), "result"));
	EXPECT_EQ(-EINVAL, integer(nth("mbox_command", 4), "result"));
}

TEST_F(trace, has_nothing_when_it_is_off)
{
	write_to("events/mbox/enable", "0");
	EXPECT_EQ(0, post(self->fd, self->id, "a", 0));
	read_events();
	EXPECT_EQ(0, nr_events);
}

TEST_F(trace, tells_of_a_message_what_its_sender_and_its_receiver_are_told)
{
	struct mbox_send how = {
		.id = self->id, .flags = MBOX_SEND_STAMP, .tag = ~0ULL, .prio = 7,
	};
	const struct event *event;
	struct letter letter;
	uint64_t lay, lies;

	NEED(!post(self->fd, self->id, "first", 0));
	forget_events();
	ASSERT_EQ(0, send_as(self->fd, "second", &how));
	lay = now();
	usleep(20000);
	ASSERT_EQ(0, recv_by(self->other, (struct mbox_recv){ .id = self->id }));
	lies = now();
	letter.env = self->other->recv;
	ASSERT_EQ(2, letter.env.seq);

	read_events();
	EXPECT_EQ(4, nr_events);
	event = nth("mbox_send", 0);
	EXPECT_EQ(getpid(), event->tid);
	EXPECT_PLACE(event, self->id, 2);
	EXPECT_NUMBER(self->self, event, "from");
	EXPECT_NUMBER(getpid(), event, "pid");
	EXPECT_NUMBER(how.stamp, event, "stamp");
	EXPECT_NUMBER(6, event, "len");
	EXPECT_NUMBER(7, event, "prio");
	EXPECT_NUMBER(~0ULL, event, "tag");
	EXPECT_NUMBER(0, event, "token");

	event = nth("mbox_recv", 0);
	EXPECT_EQ(self->other->pid, event->tid);
	EXPECT_PLACE(event, self->id, letter.env.seq);
	EXPECT_NUMBER(letter.env.sender, event, "from");
	EXPECT_NUMBER(letter.env.stamp, event, "sent");
	EXPECT_NUMBER(self->other->pid, event, "pid");
	EXPECT_NUMBER(letter.env.clock, event, "stamp");
	EXPECT_NUMBER(6, event, "len");
	EXPECT_NUMBER(0, event, "token");
	EXPECT_LE(20 * MSEC, number(event, "waited"));
	EXPECT_LE(number(event, "waited"), lies - letter.env.time);
	EXPECT_LE(letter.env.time, lay);
	EXPECT_NUMBER(participant_of(self->other), event, "by");
}

TEST_F(trace, tells_of_looks)
{
	const struct event *event;
	struct letter letter;
	unsigned int i;

	NEED(!post(self->fd, self->id, "first", 0));
	NEED(!post(self->fd, self->id, "second", 0));
	for (i = 0; i < 2; i++) {
		struct mbox_recv how = {
			.id = self->id, .flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK, .nth = i,
		};

		forget_events();
		ASSERT_EQ(0, receive_as(self->fd, how, &letter));
		read_events();
		EXPECT_EQ(2, nr_events);
		event = nth("mbox_look", 0);
		EXPECT_PLACE(event, self->id, i + 1);
		EXPECT_NUMBER(self->self, event, "from");
		EXPECT_NUMBER(letter.env.stamp, event, "sent");
		EXPECT_NUMBER(self->self, event, "by");
		EXPECT_NUMBER(getpid(), event, "pid");
		EXPECT_NUMBER(letter.env.clock, event, "stamp");
	}
}

TEST_F(trace, tells_that_a_receipt_did_not_succeed)
{
	struct mbox_recv env;

	NEED(!post(self->fd, self->id, "first", 0));
	forget_events();
	EXPECT_EQ(EFAULT, receive_into(self->fd, self->id, unmapped(), SIZE, MBOX_RECV_NONBLOCK,
				       0, &env));
	read_events();
	EXPECT_EQ(3, nr_events);
	EXPECT_EQ(&events[0], nth("mbox_recv", 0));
	EXPECT_EQ(&events[1], nth("mbox_return", 0));
	EXPECT_PLACE(&events[1], self->id, 1);
	EXPECT_EQ(-EFAULT, integer(&events[2], "result"));
}

/* A message that nobody will receive, and why. */
static void expect_drop(struct __test_metadata *_metadata, uint64_t id, uint64_t seq, int reason)
{
	read_events();
	EXPECT_EQ(1, count_of("mbox_drop"));
	EXPECT_PLACE(nth("mbox_drop", 0), id, seq);
	EXPECT_EQ(-reason, integer(nth("mbox_drop", 0), "reason"));
	EXPECT_EQ(0, count_of("mbox_recv"));
	forget_events();
}

TEST_F(trace, tells_why_a_message_is_dropped)
{
	struct mbox_send how = { .id = self->id };
	struct puppet *stranger = new_actor(self->fd, STRANGER), *me = myself(self->fd);

	/* It expires. */
	how.flags = MBOX_SEND_EXPIRES | MBOX_SEND_NONBLOCK;
	how.expires = now() + 300 * MSEC;
	ASSERT_EQ(0, send_as(self->fd, "a", &how));
	WAIT_UNTIL(state(self->fd, self->id).expired == 1);
	expect_drop(_metadata, self->id, 1, ETIMEDOUT);
	/* Its sender gives up. */
	how.flags = MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT;
	how.deadline = now() + 20 * MSEC;
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	expect_drop(_metadata, self->id, 2, ECANCELED);
	how.flags = MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK;
	EXPECT_EQ(EAGAIN, send_as(self->fd, "a", &how));
	expect_drop(_metadata, self->id, 3, ECANCELED);
	/* Its sender may not send any more. */
	NEED(!grant_by(me, self->id, stranger->pid, MBOX_RIGHT_SEND));
	begin_send(stranger, (struct mbox_send){ .id = self->id, .flags = MBOX_SEND_SYNC }, "a");
	wait_for_senders(self->fd, self->id, 1);
	NEED(!revoke_by(me, self->id, stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_EQ(EKEYREVOKED, end_act(stranger));
	expect_drop(_metadata, self->id, 4, EKEYREVOKED);
	/* The mailbox goes. */
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, delete(self->fd, self->id));
	expect_drop(_metadata, self->id, 5, EIDRM);
}

TEST_F(trace, tells_why_one_that_came_back_is_dropped)
{
	struct mbox_call how = { .id = self->id, .flags = MBOX_CALL_TIMEOUT };
	struct mbox_recv takes_it = { .id = self->id, .flags = MBOX_RECV_TOKEN };

	/* Its caller gave up meanwhile. */
	how.deadline = now() + 2000 * MSEC;
	begin_call_as(self->other, how, "a");
	begin_stalled_recv(self->third, takes_it, SIZE);
	wait_for_stalled(self->third);
	EXPECT_EQ(ETIMEDOUT, end_request(self->other));
	EXPECT_EQ(EFAULT, end_stalled(self->third, FAIL));
	read_events();
	EXPECT_EQ(1, count_of("mbox_recv"));
	EXPECT_EQ(1, count_of("mbox_return"));
	EXPECT_EQ(1, count_of("mbox_drop"));
	EXPECT_EQ(-ECANCELED, integer(nth("mbox_drop", 0), "reason"));
	forget_events();
	/* The mailbox is gone. */
	ASSERT_EQ(0, post(self->fd, self->id, "b", 0));
	begin_stalled_recv(self->third, (struct mbox_recv){ .id = self->id }, SIZE);
	wait_for_stalled(self->third);
	ASSERT_EQ(0, delete(self->fd, self->id));
	EXPECT_EQ(EFAULT, end_stalled(self->third, FAIL));
	read_events();
	EXPECT_EQ(1, count_of("mbox_return"));
	EXPECT_EQ(1, count_of("mbox_drop"));
	EXPECT_EQ(-EIDRM, integer(nth("mbox_drop", 0), "reason"));
}

/* It is told in the receiver's context, with the sender's clock. */
TEST_F(trace, tells_of_the_receipt_to_a_synchronous_sender)
{
	struct mbox_clock clock = { };
	const struct event *event;
	struct letter letter;

	begin_send(self->other, (struct mbox_send){ .id = self->id, .flags = MBOX_SEND_SYNC },
		   "a");
	wait_for_senders(self->fd, self->id, 1);
	forget_events();
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	ASSERT_EQ(0, end_act(self->other));
	NEED(!call_by(self->other, MBOX_IOC_CLOCK, &clock));
	read_events();
	event = nth("mbox_receipt", 0);
	EXPECT_EQ(1, count_of("mbox_receipt"));
	EXPECT_LT(nth("mbox_recv", 0), event);
	EXPECT_EQ(getpid(), event->tid);
	EXPECT_PLACE(event, self->id, 1);
	EXPECT_NUMBER(letter.env.sender, event, "who");
	EXPECT_NUMBER(clock.participant, event, "who");
	EXPECT_NUMBER(self->other->pid, event, "pid");
	EXPECT_NUMBER(clock.stamp, event, "stamp");
	EXPECT_LT(letter.env.clock, number(event, "stamp"));
	/* Others are not told. */
	forget_events();
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	read_events();
	EXPECT_EQ(0, count_of("mbox_receipt"));
}

TEST_F(trace, tells_of_a_rendezvous)
{
	struct mbox_create attr = { .max_size = SIZE, .mode = 0600 };
	uint64_t id = create(self->fd, attr);
	struct letter letter;

	begin_send(self->other, (struct mbox_send){ .id = id }, "a");
	wait_for_senders(self->fd, id, 1);
	read_events();
	/* Offered. */
	EXPECT_PLACE(nth("mbox_send", 0), id, 1);
	EXPECT_EQ(0, count_of("mbox_recv"));
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	ASSERT_EQ(0, end_act(self->other));
	read_events();
	EXPECT_EQ(1, count_of("mbox_send"));
	EXPECT_PLACE(nth("mbox_recv", 0), id, 1);
	EXPECT_PLACE(nth("mbox_receipt", 0), id, 1);
	EXPECT_EQ(0, count_of("mbox_drop"));
}

/* Whoever makes the room admits it: the event is of the sender, the context is not. */
TEST_F(trace, tells_of_an_admission_by_another_process)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	const struct event *event;
	struct letter letter;

	NEED(!post(self->fd, id, "a", 0));
	begin_send(self->other, (struct mbox_send){ .id = id, .tag = 5 }, "bc");
	wait_for_senders(self->fd, id, 1);
	forget_events();
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	ASSERT_EQ(0, end_act(self->other));
	read_events();
	event = nth("mbox_send", 0);
	EXPECT_EQ(getpid(), event->tid);
	EXPECT_NUMBER(self->other->pid, event, "pid");
	EXPECT_PLACE(event, id, 2);
	EXPECT_NUMBER(5, event, "tag");
	EXPECT_NUMBER(2, event, "len");
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	EXPECT_NUMBER(letter.env.sender, event, "from");
	EXPECT_NUMBER(letter.env.stamp, event, "stamp");
}

/* Likewise a receiver is served by the sender. */
TEST_F(trace, tells_of_a_hand_over_in_the_context_of_the_sender)
{
	const struct event *event;

	begin_recv(self->other, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	forget_events();
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, end_act(self->other));
	read_events();
	event = nth("mbox_recv", 0);
	EXPECT_LT(nth("mbox_send", 0), event);
	EXPECT_EQ(getpid(), event->tid);
	EXPECT_NUMBER(self->other->pid, event, "pid");
	EXPECT_NUMBER(self->other->recv.clock, event, "stamp");
	EXPECT_NUMBER(self->other->recv.seq, event, "seq");
	EXPECT_TRUE(says(nth("mbox_wake", 0), "what", "recv"));
	EXPECT_EQ(self->other->pid, nth("mbox_wake", 0)->tid);
}

TEST_F(trace, tells_of_a_call_from_its_request_to_its_reply)
{
	const struct mbox_call *how = called(self->other);
	const struct event *event;
	uint64_t token;

	begin_request(self->other, self->id, "request");
	token = take(self->third, self->id);
	ASSERT_EQ(0, reply_as(self->third, (struct mbox_reply){ .token = token, .tag = 3 },
			      "reply"));
	ASSERT_EQ(0, end_request(self->other));
	read_events();
	event = nth("mbox_send", 0);
	EXPECT_NUMBER(token, event, "token");
	EXPECT_NUMBER(self->other->pid, event, "pid");
	event = nth("mbox_recv", 0);
	EXPECT_NUMBER(token, event, "token");
	EXPECT_NUMBER(self->third->pid, event, "pid");
	event = nth("mbox_reply", 0);
	EXPECT_EQ(self->third->pid, event->tid);
	EXPECT_NUMBER(network(getpid()), event, "net");
	EXPECT_NUMBER(self->id, event, "id");
	EXPECT_NUMBER(token, event, "token");
	EXPECT_NUMBER(how->sender, event, "who");
	EXPECT_NUMBER(self->third->pid, event, "pid");
	EXPECT_NUMBER(how->stamp, event, "stamp");
	EXPECT_NUMBER(5, event, "len");
	event = nth("mbox_replied", 0);
	EXPECT_EQ(self->other->pid, event->tid);
	EXPECT_NUMBER(network(getpid()), event, "net");
	EXPECT_NUMBER(self->id, event, "id");
	EXPECT_NUMBER(token, event, "token");
	EXPECT_NUMBER(self->other->pid, event, "pid");
	EXPECT_NUMBER(how->clock, event, "stamp");
	EXPECT_NUMBER(number(nth("mbox_send", 0), "from"), event, "who");
	EXPECT_EQ(1, count_of("mbox_reply"));
	EXPECT_EQ(1, count_of("mbox_replied"));
	EXPECT_EQ(0, count_of("mbox_receipt"));
}

TEST_F(trace, tells_of_no_reply_where_there_is_none)
{
	uint64_t token;

	begin_request(self->other, self->id, "a");
	token = take(self->third, self->id);
	EXPECT_EQ(0, discard_by(self->third, token));
	EXPECT_EQ(ECANCELED, end_request(self->other));
	EXPECT_EQ(EBADR, reply_by(self->third, token, "b"));
	read_events();
	EXPECT_EQ(0, count_of("mbox_reply"));
	EXPECT_EQ(0, count_of("mbox_replied"));
}

TEST_F(trace, tells_that_a_token_is_handed_on)
{
	const struct event *event;
	struct mbox_clock from = { }, to = { };
	uint64_t token;

	begin_request(self->other, self->id, "a");
	token = take(self->third, self->id);
	forget_events();
	ASSERT_EQ(0, pass_by(self->third, token, getpid()));
	NEED(!call_by(self->third, MBOX_IOC_CLOCK, &from));
	NEED(!call(self->fd, MBOX_IOC_CLOCK, &to));
	read_events();
	EXPECT_EQ(1, count_of("mbox_pass"));
	event = nth("mbox_pass", 0);
	EXPECT_EQ(self->third->pid, event->tid);
	EXPECT_NUMBER(token, event, "token");
	EXPECT_NUMBER(from.participant, event, "from");
	EXPECT_NUMBER(from.stamp, event, "stamp");
	EXPECT_NUMBER(self->self, event, "to");
	EXPECT_NUMBER(getpid(), event, "pid");
	EXPECT_NUMBER(to.stamp, event, "later");
	EXPECT_LT(from.stamp, to.stamp);
	forget_events();
	EXPECT_EQ(EBADR, pass_by(self->third, token, getpid()));
	read_events();
	EXPECT_EQ(0, count_of("mbox_pass"));
	ASSERT_EQ(0, reply_by(myself(self->fd), token, "b"));
	EXPECT_EQ(0, end_request(self->other));
}

TEST_F(trace, tells_of_local_events)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };
	const struct event *event;

	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &clock));
	read_events();
	EXPECT_EQ(2, nr_events);
	event = nth("mbox_tick", 0);
	EXPECT_NUMBER(self->self, event, "who");
	EXPECT_NUMBER(getpid(), event, "pid");
	EXPECT_NUMBER(clock.stamp, event, "stamp");
	/* To look at the clock is none. */
	clock.flags = 0;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &clock));
	read_events();
	EXPECT_EQ(1, count_of("mbox_tick"));
}

/*
 * Waits.
 */

/* One wait and one wake of that task, for that. */
static void expect_sleep(struct __test_metadata *_metadata, pid_t tid, uint64_t id,
			 const char *what, int result)
{
	const struct event *wait, *wake;

	read_events();
	EXPECT_EQ(1, count_of("mbox_wait"));
	EXPECT_EQ(1, count_of("mbox_wake"));
	wait = nth("mbox_wait", 0);
	wake = nth("mbox_wake", 0);
	EXPECT_LT(wait, wake);
	EXPECT_EQ(tid, wait->tid);
	EXPECT_EQ(tid, wake->tid);
	EXPECT_NUMBER(network(getpid()), wait, "net");
	EXPECT_NUMBER(network(getpid()), wake, "net");
	EXPECT_NUMBER(id, wait, "id");
	EXPECT_NUMBER(id, wake, "id");
	EXPECT_TRUE(says(wait, "what", what));
	EXPECT_TRUE(says(wake, "what", what));
	EXPECT_EQ(result, integer(wake, "result"));
	forget_events();
}

static int let_signals_interrupt(struct puppet *me)
{
	(void)me;
	take_signals(0);
	return 0;
}

#define INTERNAL_RESTART (-512)	/* ERESTARTSYS: to the caller, EINTR or a restart */

TEST_F(trace, tells_that_a_receiver_sleeps)
{
	struct letter letter;

	begin_recv(self->other, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	read_events();
	EXPECT_EQ(1, count_of("mbox_wait"));
	EXPECT_EQ(0, count_of("mbox_wake"));
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, end_act(self->other));
	expect_sleep(_metadata, self->other->pid, self->id, "recv", 0);

	EXPECT_EQ(ETIMEDOUT, receive(self->fd, self->id, MBOX_RECV_TIMEOUT, now() + 20 * MSEC,
				     &letter));
	expect_sleep(_metadata, getpid(), self->id, "recv", -ETIMEDOUT);
	/* A deadline that has passed: it tries once. */
	EXPECT_EQ(ETIMEDOUT, receive(self->fd, self->id, MBOX_RECV_TIMEOUT, 1, &letter));
	forget_events();

	NEED(!ask(self->other, let_signals_interrupt));
	begin_recv(self->other, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	NEED(!kill(self->other->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_act(self->other));
	expect_sleep(_metadata, self->other->pid, self->id, "recv", INTERNAL_RESTART);
}

TEST_F(trace, tells_that_a_sender_sleeps)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_send how = { .id = id, .flags = MBOX_SEND_TIMEOUT };
	struct letter letter;

	NEED(!post(self->fd, id, "a", 0));
	forget_events();
	begin_send(self->other, (struct mbox_send){ .id = id }, "b");
	wait_for_senders(self->fd, id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	ASSERT_EQ(0, end_act(self->other));
	expect_sleep(_metadata, self->other->pid, id, "send", 0);

	how.deadline = now() + 20 * MSEC;
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "c", &how));
	expect_sleep(_metadata, getpid(), id, "send", -ETIMEDOUT);

	begin_send(self->other, (struct mbox_send){ .id = self->id, .flags = MBOX_SEND_SYNC },
		   "d");
	wait_for_senders(self->fd, self->id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	ASSERT_EQ(0, end_act(self->other));
	expect_sleep(_metadata, self->other->pid, self->id, "send", 0);
}

TEST_F(trace, tells_that_a_caller_sleeps)
{
	uint64_t token;

	begin_request(self->other, self->id, "a");
	wait_for_senders(self->fd, self->id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	token = take(self->third, self->id);
	ASSERT_EQ(0, reply_by(self->third, token, "b"));
	ASSERT_EQ(0, end_request(self->other));
	expect_sleep(_metadata, self->other->pid, self->id, "reply", 0);
}

TEST_F(trace, tells_that_one_waits_for_its_turn)
{
	struct mbox_create attr = attributes(4, SIZE);
	struct letter letter;
	uint64_t id;

	attr.flags = MBOX_CREATE_SINGLE;
	id = create(self->fd, attr);
	begin_recv(self->other, (struct mbox_recv){ .id = id });
	wait_for_receivers(self->fd, id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	forget_events();
	EXPECT_EQ(ETIMEDOUT, receive(self->fd, id, MBOX_RECV_TIMEOUT, now() + 20 * MSEC,
				     &letter));
	expect_sleep(_metadata, getpid(), id, "turn", -ETIMEDOUT);
	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	ASSERT_EQ(0, end_act(self->other));
}

TEST_F(trace, tells_that_one_waits_for_a_choice)
{
	uint64_t id = create(self->fd, attributes(4, SIZE)), ids[] = { self->id, id };
	const struct event *wait;

	memcpy(self->other->text + 64, ids, sizeof(ids));
	begin_call(self->other, MBOX_IOC_RECV, &(struct mbox_recv){
		.flags = MBOX_RECV_CHOICE, .ids = (uintptr_t)self->other->text + 64, .nr_ids = 2,
		.buf = (uintptr_t)self->other->text, .size = 64,
	});
	wait_for_receivers(self->fd, id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	forget_events();
	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_EQ(id, self->other->recv.from);
	read_events();
	EXPECT_EQ(0, count_of("mbox_wait"));
	wait = nth("mbox_wake", 0);
	EXPECT_TRUE(says(wait, "what", "choice"));
	EXPECT_EQ(0, integer(wait, "result"));
	/* One of the two. */
	EXPECT_TRUE(number(wait, "id") == id || number(wait, "id") == self->id);
	EXPECT_NUMBER(id, nth("mbox_recv", 0), "id");
}

TEST_F(trace, tells_of_no_sleep_where_there_is_none)
{
	struct letter letter;

	ASSERT_EQ(0, post_and_wait(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, fetch_and_wait(self->fd, self->id, &letter));
	EXPECT_EQ(EAGAIN, fetch(self->fd, self->id, &letter));
	read_events();
	EXPECT_EQ(0, count_of("mbox_wait"));
	EXPECT_EQ(0, count_of("mbox_wake"));
}

/* To be told that it is gone is to be done. */
TEST_F(trace, tells_that_a_sleep_ends_with_the_mailbox)
{
	begin_recv(self->other, (struct mbox_recv){ .id = self->id });
	wait_for_receivers(self->fd, self->id, 1);
	WAIT_UNTIL(sleeps(self->other->pid));
	ASSERT_EQ(0, delete(self->fd, self->id));
	EXPECT_EQ(EIDRM, end_act(self->other));
	expect_sleep(_metadata, self->other->pid, self->id, "recv", 0);
}

/*
 * Events and commands.
 */

static bool has_events(const char *name)
{
	read_events();
	return count_of(name);
}

static void expect_event(struct __test_metadata *_metadata, uint64_t id, const char *what,
			 const char *name, pid_t pid)
{
	const struct event *event;

	read_events();
	EXPECT_EQ(1, count_of("mbox_event"));
	event = nth("mbox_event", 0);
	EXPECT_NUMBER(network(getpid()), event, "net");
	EXPECT_NUMBER(id, event, "id");
	EXPECT_TRUE(says(event, "event", what));
	EXPECT_TRUE(says(event, "name", name));
	EXPECT_NUMBER(pid, event, "pid");
	forget_events();
}

TEST_F(trace, tells_what_happens_to_a_mailbox)
{
	struct puppet *me = myself(self->fd);
	struct mbox_create attr = attributes(4, SIZE);
	pid_t former;
	uint64_t id;

	set_name(attr.name, "letters");
	id = create(self->fd, attr);
	expect_event(_metadata, id, "created", "letters", getpid());
	ASSERT_EQ(0, grant_by(me, id, self->other->pid, MBOX_RIGHT_SEND));
	expect_event(_metadata, id, "granted", "letters", self->other->pid);
	ASSERT_EQ(0, revoke_by(me, id, self->other->pid, MBOX_RIGHT_SEND));
	expect_event(_metadata, id, "revoked", "letters", self->other->pid);
	ASSERT_EQ(0, chmod_by(me, id, 0666));
	expect_event(_metadata, id, "changed", "letters", 0);
	ASSERT_EQ(0, offer_by(me, id, self->other->pid, 0));
	expect_event(_metadata, id, "offered", "letters", self->other->pid);
	ASSERT_EQ(0, offer_by(me, id, 0, 0));
	expect_event(_metadata, id, "offered", "letters", 0);
	ASSERT_EQ(0, transfer_by(me, id, self->other->pid, 0));
	expect_event(_metadata, id, "transferred", "letters", self->other->pid);
	former = self->other->pid;
	NEED(kill_puppet(self->other) == -SIGKILL);
	/* It is told soon after it is so. */
	WAIT_UNTIL(has_events("mbox_event"));
	expect_event(_metadata, id, "orphaned", "letters", former);
	ASSERT_EQ(0, claim_by(me, id));
	expect_event(_metadata, id, "claimed", "letters", getpid());
	ASSERT_EQ(0, delete(self->fd, id));
	expect_event(_metadata, id, "deleted", "letters", getpid());
	cast[0] = cast[--nr_cast];
}

TEST_F(trace, tells_of_nothing_that_failed_to_happen)
{
	struct puppet *stranger = new_actor(self->fd, STRANGER);
	struct mbox_create attr = attributes(4, SIZE);

	attr.max_size = ~0U;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_CREATE, &attr));
	EXPECT_EQ(EACCES, delete_by(stranger, self->id));
	EXPECT_EQ(EACCES, chmod_by(stranger, self->id, 0666));
	EXPECT_EQ(ESRCH, revoke_by(myself(self->fd), self->id, stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_EQ(EBUSY, claim_by(myself(self->fd), self->id));
	read_events();
	EXPECT_EQ(0, count_of("mbox_event"));
	EXPECT_EQ(5, count_of("mbox_command"));
}

TEST_F(trace, names_each_command_and_its_result)
{
	static const struct {
		unsigned long command;
		const char *name;
	} commands[] = {
		{ MBOX_IOC_INFO, "MBOX_IOC_INFO" },
		{ MBOX_IOC_CREATE, "MBOX_IOC_CREATE" },
		{ MBOX_IOC_OPEN, "MBOX_IOC_OPEN" },
		{ MBOX_IOC_SEND, "MBOX_IOC_SEND" },
		{ MBOX_IOC_RECV, "MBOX_IOC_RECV" },
		{ MBOX_IOC_DELETE, "MBOX_IOC_DELETE" },
		{ MBOX_IOC_STAT, "MBOX_IOC_STAT" },
		{ MBOX_IOC_TRANSFER, "MBOX_IOC_TRANSFER" },
		{ MBOX_IOC_OFFER, "MBOX_IOC_OFFER" },
		{ MBOX_IOC_ACCEPT, "MBOX_IOC_ACCEPT" },
		{ MBOX_IOC_CLAIM, "MBOX_IOC_CLAIM" },
		{ MBOX_IOC_GRANT, "MBOX_IOC_GRANT" },
		{ MBOX_IOC_REVOKE, "MBOX_IOC_REVOKE" },
		{ MBOX_IOC_GRANTS, "MBOX_IOC_GRANTS" },
		{ MBOX_IOC_CHANGE, "MBOX_IOC_CHANGE" },
		{ MBOX_IOC_USAGE, "MBOX_IOC_USAGE" },
		{ MBOX_IOC_CLOCK, "MBOX_IOC_CLOCK" },
		{ MBOX_IOC_CALL, "MBOX_IOC_CALL" },
		{ MBOX_IOC_REPLY, "MBOX_IOC_REPLY" },
		{ MBOX_IOC_TOKEN, "MBOX_IOC_TOKEN" },
		{ MBOX_IOC_SEND_BATCH, "MBOX_IOC_SEND_BATCH" },
		{ MBOX_IOC_RECV_BATCH, "MBOX_IOC_RECV_BATCH" },
	};
	static const unsigned long wrong[] = {
		_IO(MBOX_IOC_MAGIC, 0xff), _IO('X', 0),
	};
	struct mbox_info right = { };
	unsigned int i;

	/* One ran well; each fails that has an argument of ones. */
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_INFO, &right));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		unsigned char ones[512];
		const struct event *event;
		int error;

		memset(ones, 0xff, sizeof(ones));
		error = call(self->fd, commands[i].command, ones);
		EXPECT_NE(0, error);
		read_events();
		EXPECT_EQ(i + 2, nr_events);
		event = last_command(getpid());
		EXPECT_TRUE(says(event, "name", commands[i].name)) {
			TH_LOG("%s:%s", commands[i].name, event->fields);
		}
		EXPECT_EQ(-error, integer(event, "result"));
	}
	EXPECT_EQ(0, integer(&events[0], "result"));
	forget_events();
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(ENOTTY, call(self->fd, wrong[i], NULL));
		read_events();
		EXPECT_EQ(i + 1, nr_events);
		EXPECT_TRUE(says(&events[i], "name", "unknown"));
		EXPECT_EQ(-ENOTTY, integer(&events[i], "result"));
	}
	/* Of a structure that is too short, too. */
	EXPECT_EQ(EINVAL, call(self->fd, _IOWR(MBOX_IOC_MAGIC, 3, __u64), NULL));
	read_events();
	EXPECT_TRUE(says(&events[i], "name", "MBOX_IOC_SEND"));
	EXPECT_EQ(-EINVAL, integer(&events[i], "result"));
}

TEST_F(trace, tells_of_read_write_and_poll)
{
	int fd = descriptor(self->id, O_RDWR | O_NONBLOCK);
	const struct event *event;
	char buf[8];

	forget_events();
	ASSERT_EQ(5, write(fd, "abcde", 5));
	read_events();
	event = last_command(getpid());
	EXPECT_TRUE(says(event, "name", "write"));
	EXPECT_NUMBER(5, event, "result");
	EXPECT_EQ(POLLIN | POLLOUT, polled(fd, POLLIN | POLLOUT));
	read_events();
	event = last_command(getpid());
	EXPECT_TRUE(says(event, "name", "poll"));
	EXPECT_EQ(POLLIN | POLLOUT, integer(event, "result") & (POLLIN | POLLOUT | POLLERR));
	ASSERT_EQ(5, read(fd, buf, sizeof(buf)));
	read_events();
	event = last_command(getpid());
	EXPECT_TRUE(says(event, "name", "read"));
	EXPECT_NUMBER(5, event, "result");
	EXPECT_EQ(EAGAIN, error_of(read(fd, buf, sizeof(buf))));
	read_events();
	event = last_command(getpid());
	EXPECT_TRUE(says(event, "name", "read"));
	EXPECT_EQ(-EAGAIN, integer(event, "result"));
	EXPECT_NUMBER(1, nth("mbox_send", 0), "seq");
	EXPECT_NUMBER(1, nth("mbox_recv", 0), "seq");
}

TEST_F(trace, tells_of_each_message_of_a_batch_and_one_command)
{
	struct mbox_send items[3];
	struct mbox_batch batch = { .items = (uintptr_t)items, .nr = 3, .size = sizeof(items[0]) };
	unsigned int i;

	for (i = 0; i < 3; i++)
		items[i] = (struct mbox_send){ .id = self->id };
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	read_events();
	EXPECT_EQ(4, nr_events);
	for (i = 0; i < 3; i++)
		EXPECT_PLACE(nth("mbox_send", i), self->id, i + 1);
	EXPECT_TRUE(says(nth("mbox_command", 0), "name", "MBOX_IOC_SEND_BATCH"));
}

/* The same, when the items are carried out together. */
TEST_F(trace, tells_of_each_message_of_a_batch_that_goes_the_short_way)
{
	struct mbox_send items[3] = { };
	struct mbox_batch batch = { .items = (uintptr_t)items, .nr = 3, .size = sizeof(items[0]) };
	int fd = mailbox(attributes(4, SIZE));
	uint64_t id = state(fd, 0).id;
	struct letter letter;
	unsigned int i;

	ASSERT_EQ(0, post(fd, 0, "a", 0));
	ASSERT_EQ(0, fetch(fd, 0, &letter));
	ASSERT_EQ(0, call(fd, MBOX_IOC_SEND_BATCH, &batch));
	EXPECT_EQ(3, batch.done);
	read_events();
	for (i = 0; i < 4; i++)
		EXPECT_PLACE(nth("mbox_send", i), id, i + 1);
}

/*
 * Namespaces, and processes that are no more.
 */

TEST_F(trace, numbers_processes_for_all_of_the_system)
{
	pid_t child = spawn_as_first();

	if (!child)
		_exit(post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, join(child));
	read_events();
	EXPECT_NUMBER(child, nth("mbox_send", 0), "pid");
	EXPECT_EQ(child, nth("mbox_send", 0)->tid);
}

TEST_F(trace, tells_the_network_namespaces_apart)
{
	struct puppet *elsewhere = new_actor_after(self->fd, leave_network_namespace);
	uint64_t id = create_by(elsewhere, attributes(4, SIZE));

	forget_events();
	ASSERT_EQ(0, post_by(elsewhere, id, "a"));
	read_events();
	EXPECT_NE(network(getpid()), network(elsewhere->pid));
	EXPECT_NUMBER(network(elsewhere->pid), nth("mbox_send", 0), "net");
	EXPECT_NUMBER(id, nth("mbox_send", 0), "id");
}

TEST_F(trace, still_tells_who_sent_when_that_has_ended)
{
	struct letter letter;

	ASSERT_EQ(0, post_by(self->other, self->id, "a"));
	NEED(kill_puppet(self->other) == -SIGKILL);
	cast[0] = cast[--nr_cast];
	forget_events();
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	read_events();
	EXPECT_NUMBER(letter.env.sender, nth("mbox_recv", 0), "from");
}

TEST_F(trace, tells_of_messages_between_processes)
{
	struct mbox_stat stat;

	ASSERT_EQ(0, say(self->other, self->third, "a"));
	ASSERT_EQ(0, hear(self->third));
	stat = inbox(self->fd, self->third);
	read_events();
	EXPECT_PLACE(nth("mbox_send", 0), stat.id, 1);
	EXPECT_NUMBER(self->other->pid, nth("mbox_send", 0), "pid");
	EXPECT_PLACE(nth("mbox_recv", 0), stat.id, 1);
	EXPECT_NUMBER(self->third->recv.clock, nth("mbox_recv", 0), "stamp");
	EXPECT_TRUE(says(nth("mbox_event", 0), "event", "created"));
	EXPECT_TRUE(says(nth("mbox_event", 0), "name", ""));
	EXPECT_NUMBER(stat.id, nth("mbox_event", 0), "id");
}

/*
 * Filters and formats.
 */

TEST_F(trace, can_be_filtered)
{
	uint64_t id = create(self->fd, attributes(4, SIZE));
	char filter[64];

	snprintf(filter, sizeof(filter), "id == %llu", (unsigned long long)id);
	write_to("events/mbox/mbox_send/filter", filter);
	write_to("events/mbox/mbox_command/filter", "result < 0");
	write_to("events/mbox/mbox_event/filter", "name == \"seen\"");
	forget_events();
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, post(self->fd, id, "b", 0));
	ASSERT_EQ(ENOENT, post(self->fd, ~0ULL, "c", 0));
	create(self->fd, (struct mbox_create){ .max_size = 1, .name = "unseen" });
	create(self->fd, (struct mbox_create){ .max_size = 1, .name = "seen" });
	read_events();
	EXPECT_EQ(3, nr_events);
	EXPECT_NUMBER(id, nth("mbox_send", 0), "id");
	EXPECT_EQ(-ENOENT, integer(nth("mbox_command", 0), "result"));
	EXPECT_TRUE(says(nth("mbox_event", 0), "name", "seen"));
}

TEST_F(trace, has_formats_with_the_documented_fields)
{
	static const char *const formats[][12] = {
		{ "mbox_send", "net", "id", "seq", "from", "pid", "stamp", "len", "prio", "tag",
		  "token" },
		{ "mbox_recv", "net", "id", "seq", "from", "sent", "by", "pid", "stamp", "len",
		  "token", "waited" },
		{ "mbox_look", "net", "id", "seq", "from", "sent", "by", "pid", "stamp" },
		{ "mbox_return", "net", "id", "seq" },
		{ "mbox_drop", "net", "id", "seq", "reason" },
		{ "mbox_receipt", "net", "id", "seq", "who", "pid", "stamp" },
		{ "mbox_reply", "net", "id", "token", "who", "pid", "stamp", "len" },
		{ "mbox_replied", "net", "id", "token", "who", "pid", "stamp" },
		{ "mbox_pass", "token", "from", "stamp", "to", "pid", "later" },
		{ "mbox_tick", "who", "pid", "stamp" },
		{ "mbox_wait", "net", "id", "what" },
		{ "mbox_wake", "net", "id", "what", "result" },
		{ "mbox_event", "net", "id", "name", "event", "pid" },
		{ "mbox_command", "name", "result" },
	};
	unsigned int i, j, end = 0;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		char path[256], text[4096] = "", *print;
		int fd;

		snprintf(path, sizeof(path), "%s/events/mbox/%s/format", instance, formats[i][0]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
		close(fd);
		print = strstr(text, "print fmt:");
		ASSERT_NE(NULL, print);
		/* Tools that parse the format do not know the names of enumerations. */
		EXPECT_EQ(NULL, strstr(print, "MBOX_"));
		for (j = 1; j < ARRAY_SIZE(formats[i]) && formats[i][j]; j++) {
			char field[32];
			const char *at;

			snprintf(field, sizeof(field), " %s;\toffset", formats[i][j]);
			at = strstr(text, field);
			if (!at) {
				/* Of an array, with its size. */
				snprintf(field, sizeof(field), " %s[", formats[i][j]);
				at = strstr(text, field);
			}
			EXPECT_NE(NULL, at) {
				TH_LOG("%s has no field %s", formats[i][0], formats[i][j]);
			}
			snprintf(field, sizeof(field), "%s=%%", formats[i][j]);
			EXPECT_NE(NULL, strstr(print, field)) {
				TH_LOG("%s does not print %s", formats[i][0], formats[i][j]);
			}
		}
		end += j > 1;
	}
	EXPECT_EQ(14, end);
}

/*
 * Clocks.
 */

struct clock {
	uint64_t who;
	uint64_t stamp;
};

static bool rises(struct clock clocks[32], uint64_t who, uint64_t stamp)
{
	unsigned int i = 0;

	while (clocks[i].who && clocks[i].who != who)
		i++;
	NEED(i < 32);
	if (clocks[i].who && clocks[i].stamp >= stamp)
		return false;
	clocks[i] = (struct clock){ .who = who, .stamp = stamp };
	return true;
}

/* The events of a process, as its clock has them, in the order of the trace. */
static bool all_rise(void)
{
	static const struct {
		const char *name, *who, *stamp;
	} clocked[] = {
		{ "mbox_send", "from", "stamp" }, { "mbox_recv", "by", "stamp" },
		{ "mbox_look", "by", "stamp" }, { "mbox_receipt", "who", "stamp" },
		{ "mbox_reply", "who", "stamp" }, { "mbox_replied", "who", "stamp" },
		{ "mbox_pass", "from", "stamp" }, { "mbox_pass", "to", "later" },
		{ "mbox_tick", "who", "stamp" },
	};
	struct clock clocks[32] = { };
	unsigned int i, j;

	for (i = 0; i < nr_events; i++) {
		for (j = 0; j < ARRAY_SIZE(clocked); j++) {
			if (strcmp(events[i].name, clocked[j].name) ||
			    rises(clocks, number(&events[i], clocked[j].who),
				  number(&events[i], clocked[j].stamp)))
				continue;
			fprintf(stderr, "# does not rise: %s:%s\n", events[i].name,
				events[i].fields);
			return false;
		}
	}
	return true;
}

/* One step of the others, all of whose clocks go on with what they hear. */
static void take_step(int fd, uint64_t id, struct puppet *one, struct puppet *other, int what)
{
	struct mbox_clock clock = { .flags = MBOX_CLOCK_TICK };
	struct mbox_recv peek = { .id = id, .flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK };
	struct letter letter;
	uint64_t token;

	switch (what) {
	case 0:
		NEED(!call_by(one, MBOX_IOC_CLOCK, &clock));
		break;
	case 1:
		NEED(!post_by(one, id, "a"));
		NEED(!fetch_by(other, id));
		break;
	case 2:
		NEED(!post_by(one, id, "a"));
		NEED(!recv_by(other, peek));
		NEED(!fetch(fd, id, &letter));
		break;
	case 3:
		begin_send(one, (struct mbox_send){ .id = id, .flags = MBOX_SEND_SYNC }, "a");
		wait_for_senders(fd, id, 1);
		NEED(!fetch_by(other, id));
		NEED(!end_act(one));
		break;
	case 4:
		begin_request(one, id, "a");
		token = take(other, id);
		NEED(!reply_by(other, token, "b"));
		NEED(!end_request(one));
		break;
	case 5:
		begin_request(one, id, "a");
		token = take(other, id);
		NEED(!pass_by(other, token, getpid()));
		NEED(!reply_by(myself(fd), token, "b"));
		NEED(!end_request(one));
		break;
	}
}

TEST_F(trace, has_stamps_of_each_process_that_rise)
{
	unsigned int seed = 1, i;

	for (i = 0; i < 60; i++) {
		bool swap = rand_r(&seed) % 2;

		take_step(self->fd, self->id, swap ? self->third : self->other,
			  swap ? self->other : self->third, rand_r(&seed) % 6);
	}
	read_events();
	EXPECT_LT(150, nr_events);
	EXPECT_TRUE(all_rise());
	for (i = 0; i < 6; i++)
		EXPECT_NE(0, count_of((const char *[]){
			"mbox_send", "mbox_recv", "mbox_look", "mbox_receipt", "mbox_reply",
			"mbox_pass",
		}[i]));
}

/* Whatever was sent was received once, or dropped; each wait ended. */
TEST_F(trace, balances_when_all_is_over)
{
	enum { PROCESSES = 4, ROUNDS = 60 };
	pid_t child[PROCESSES];
	struct mbox_stat stat;
	unsigned int i;

	for (i = 0; i < PROCESSES; i++) {
		unsigned int round, seed = i;

		child[i] = spawn();
		if (child[i])
			continue;
		for (round = 0; round < ROUNDS; round++) {
			struct mbox_send how = {
				.id = self->id, .deadline = now() + MSEC,
				.flags = MBOX_SEND_TIMEOUT |
					 (rand_r(&seed) % 2 ? MBOX_SEND_SYNC : 0),
			};
			struct letter letter;
			struct mbox_recv env;

			if (i % 2)
				send_as(self->fd, "a", &how);
			else if (rand_r(&seed) % 4)
				receive(self->fd, self->id, MBOX_RECV_TIMEOUT, now() + MSEC,
					&letter);
			else
				receive_into(self->fd, self->id, (void *)8, SIZE,
					     MBOX_RECV_NONBLOCK, 0, &env);
		}
		_exit(0);
	}
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(0, join(child[i]));
	stat = state(self->fd, self->id);
	read_events();
	EXPECT_EQ(stat.received, count_of("mbox_recv") - count_of("mbox_return"));
	EXPECT_EQ(count_of("mbox_send"), stat.received + count_of("mbox_drop") + stat.msgs);
	EXPECT_EQ(stat.sent, stat.received + stat.msgs);
	EXPECT_EQ(count_of("mbox_wait"), count_of("mbox_wake"));
	EXPECT_LT(0, count_of("mbox_wait"));
}

TEST_HARNESS_MAIN
