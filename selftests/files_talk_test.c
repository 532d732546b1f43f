// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files that go with requests and replies, and from process to process.
 */
#include "kselftest_harness.h"
#include "files.h"

#define MOST	MBOX_FILES_MAX

/*
 * A client, and the test as the server.
 */
FIXTURE(talk) {
	int fd;			/* bound to the mailbox */
	int *slots;
	struct puppet *client;
	struct puppet *friend;
	uint64_t id;
	int files[4];		/* the client has them, too */
	unsigned int before;	/* descriptors of the client */
	struct line line;	/* nobody else has it */
};

FIXTURE_SETUP(talk)
{
	int i;

	begin_accounts();
	self->slots = new_slots();
	self->fd = mailbox(public_for_files(4));
	self->id = state(self->fd, 0).id;
	for (i = 0; i < 4; i++) {
		self->files[i] = memfd_create("file", MFD_CLOEXEC);
		NEED(self->files[i] >= 0);
	}
	self->client = new_puppet(self->fd, OWNER, OWNER);
	self->friend = new_puppet(self->fd, OWNER, OWNER);
	self->before = descriptors_of(self->client->pid);
	self->line = new_line();
}

/* A link takes bytes of somebody's quota until one of the two ends. */
FIXTURE_TEARDOWN(talk)
{
	kill(self->client->pid, SIGKILL);
	kill(self->friend->pid, SIGKILL);
	end_files(self->fd);
}

/* A call of the client's, with so many files, and room for so many. */
static struct mbox_call request(FIXTURE_DATA(talk) *self, uint32_t nr, uint32_t room)
{
	memset(self->slots, POISON, (MOST + 2) * sizeof(int));
	return (struct mbox_call){
		.id = self->id,
		.files = (uintptr_t)self->files,
		.nr_files = nr,
		.reply_files = (uintptr_t)self->slots,
		.nr_reply_files = room,
		.reply = (uintptr_t)self->client->text,
		.size = 64,
	};
}

static void begin_request(FIXTURE_DATA(talk) *self, struct mbox_call call)
{
	begin_call(self->client, MBOX_IOC_CALL, &call);
}

static struct mbox_call result(FIXTURE_DATA(talk) *self)
{
	struct mbox_call call;

	memcpy(&call, self->client->arg, sizeof(call));
	return call;
}

/* Its token. */
static uint64_t serve(FIXTURE_DATA(talk) *self, struct bundle *bundle)
{
	struct mbox_recv how = { .flags = MBOX_RECV_TOKEN };

	NEED(!take_as(self->fd, how, MOST, bundle));
	NEED(bundle->letter.env.got & MBOX_GOT_REQUEST && bundle->letter.env.token);
	return bundle->letter.env.token;
}

static int reply(FIXTURE_DATA(talk) *self, uint64_t token, const int *files, uint32_t nr)
{
	struct mbox_reply arg = {
		.token = token, .buf = (uintptr_t)"reply", .len = 5, .files = (uintptr_t)files,
		.nr_files = nr,
	};

	return call(self->fd, MBOX_IOC_REPLY, &arg);
}

static int reply_with_line(FIXTURE_DATA(talk) *self, uint64_t token)
{
	return reply(self, token, &self->line.end, 1);
}

static void expect_in_flight(struct __test_metadata *_metadata, FIXTURE_DATA(talk) *self,
			     uint32_t client, uint32_t server)
{
	WAIT_UNTIL(files_of(self->fd, OWNER) == client && files_of(self->fd, 0) == server);
	EXPECT_EQ(client + server, files_here(self->fd));
}

TEST_F(talk, brings_files_both_ways)
{
	struct bundle bundle;
	struct mbox_call call;
	uint64_t token;
	int i;

	begin_request(self, request(self, 2, 5));
	wait_for_receivers(self->fd, 0, 0);
	WAIT_UNTIL(state(self->fd, 0).msgs == 1);
	expect_in_flight(_metadata, self, 2, 0);
	token = serve(self, &bundle);
	EXPECT_EQ(MBOX_GOT_REQUEST, bundle.letter.env.got);
	EXPECT_EQ(2, bundle.letter.env.nr_files);
	EXPECT_TRUE(same_file(getpid(), self->files[0], getpid(), bundle.files[0]));
	EXPECT_TRUE(same_file(getpid(), self->files[1], getpid(), bundle.files[1]));
	EXPECT_EQ(-1, bundle.files[2]);
	drop_files(&bundle);
	expect_in_flight(_metadata, self, 0, 0);
	ASSERT_EQ(0, reply(self, token, self->files + 1, 3));
	ASSERT_EQ(0, end_act(self->client));
	call = result(self);
	EXPECT_EQ(3, call.nr_reply_files);
	EXPECT_EQ(5, call.reply_len);
	EXPECT_EQ(0, call.got);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(same_file(getpid(), self->files[1 + i],
				      self->client->pid, self->slots[i]));
		EXPECT_TRUE(flags_of(self->client->pid, self->slots[i]) & O_CLOEXEC);
	}
	EXPECT_EQ(-1, self->slots[3]);
	EXPECT_EQ(-1, self->slots[4]);
	EXPECT_EQ(UNTOUCHED, self->slots[5]);
	EXPECT_EQ(self->before + 3, descriptors_of(self->client->pid));
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, passes_the_mark_on_both_ways)
{
	struct mbox_call how = request(self, 1, 1);
	struct mbox_reply arg = { .flags = MBOX_REPLY_SHARED };
	struct bundle bundle;

	how.flags = MBOX_CALL_SHARED;
	begin_request(self, how);
	arg.token = serve(self, &bundle);
	EXPECT_EQ(MBOX_GOT_REQUEST | MBOX_GOT_SHARED, bundle.letter.env.got);
	arg.files = (uintptr_t)self->files;
	arg.nr_files = 1;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_REPLY, &arg));
	ASSERT_EQ(0, end_act(self->client));
	EXPECT_EQ(MBOX_GOT_SHARED, result(self).got);
}

/* It is the mailbox that is for files or not. A reply does not go through it. */
TEST_F(talk, brings_files_with_a_reply_from_any_mailbox)
{
	struct bundle bundle;
	uint64_t token;

	self->id = create(self->fd, public(1));
	EXPECT_EQ(EOPNOTSUPP, call_by(self->client, MBOX_IOC_CALL,
				      &(struct mbox_call){ .id = self->id, .nr_files = 1,
				      .files = (uintptr_t)self->files }));
	begin_request(self, request(self, 0, 1));
	ASSERT_EQ(0, take_as(self->fd, (struct mbox_recv){
		.flags = MBOX_RECV_TOKEN, .id = self->id }, 0, &bundle));
	token = bundle.letter.env.token;
	ASSERT_EQ(0, reply(self, token, self->files, 1));
	ASSERT_EQ(0, end_act(self->client));
	EXPECT_EQ(1, result(self).nr_reply_files);
	EXPECT_TRUE(same_file(getpid(), self->files[0], self->client->pid, self->slots[0]));
}

TEST_F(talk, takes_no_files_without_an_owner)
{
	struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
	struct mbox_call call;

	self->id = create_by(owner, public_for_files(4));
	call = request(self, 1, 0);
	begin_request(self, call);
	WAIT_UNTIL(state(self->fd, self->id).msgs == 1);
	kill_puppet(owner);
	/* Nobody has received it: it is taken back. */
	EXPECT_EQ(EOWNERDEAD, end_act(self->client));
	EXPECT_EQ(EOWNERDEAD, call_by(self->client, MBOX_IOC_CALL, &call));
	EXPECT_EQ(0, state(self->fd, self->id).msgs);
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, refuses_files_that_the_caller_has_no_room_for)
{
	struct bundle bundle;
	uint64_t token;
	uint32_t room;

	for (room = 0; room < 3; room++) {
		begin_request(self, request(self, 0, room));
		token = serve(self, &bundle);
		EXPECT_EQ(EMSGSIZE, reply(self, token, self->files, room + 1));
		EXPECT_EQ(EMSGSIZE, reply(self, token, self->files, 4));
		EXPECT_FALSE(is_done(self->client));
		expect_in_flight(_metadata, self, 0, 0);
		EXPECT_EQ(0, reply(self, token, self->files, room));
		ASSERT_EQ(0, end_act(self->client));
		EXPECT_EQ(room, result(self).nr_reply_files);
	}
}

TEST_F(talk, cuts_files_if_asked_to)
{
	struct mbox_call call = request(self, 0, 1);
	struct bundle bundle;
	int files[2] = { self->files[0], self->line.end };

	call.flags = MBOX_CALL_TRUNCATE;
	begin_request(self, call);
	ASSERT_EQ(0, reply(self, serve(self, &bundle), files, 2));
	let_go(&self->line);
	ASSERT_EQ(0, end_act(self->client));
	EXPECT_EQ(2, result(self).nr_reply_files);
	EXPECT_EQ(MBOX_GOT_FILES_LOST, result(self).got);
	EXPECT_TRUE(same_file(getpid(), self->files[0], self->client->pid, self->slots[0]));
	EXPECT_EQ(UNTOUCHED, self->slots[1]);
	WAIT_UNTIL(is_dead(self->line));
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, does_not_reply_with_files_that_are_bad)
{
	int bad[3] = { self->files[0], -1, self->files[1] };
	struct mbox_reply arg = { .len = 0 };
	struct bundle bundle;

	begin_request(self, request(self, 0, 4));
	arg.token = serve(self, &bundle);
	EXPECT_EQ(EBADF, reply(self, arg.token, bad, 3));
	EXPECT_EQ(EFAULT, reply(self, arg.token, unmapped(), 1));
	EXPECT_EQ(EINVAL, reply(self, arg.token, self->files, MOST + 1));
	arg.flags = MBOX_REPLY_DISCARD;
	arg.nr_files = 1;
	arg.files = (uintptr_t)self->files;
	EXPECT_EQ(EINVAL, call(self->fd, MBOX_IOC_REPLY, &arg));
	expect_in_flight(_metadata, self, 0, 0);
	EXPECT_FALSE(is_done(self->client));
	EXPECT_EQ(0, reply(self, arg.token, self->files, 4));
	ASSERT_EQ(0, end_act(self->client));
	EXPECT_EQ(4, result(self).nr_reply_files);
}

TEST_F(talk, counts_files_of_a_reply)
{
	struct bundle bundle;
	uint64_t token;

	begin_request(self, request(self, 0, 4));
	token = serve(self, &bundle);
	wield(~(1ULL << CAP_SYS_RESOURCE));
	NEED(!set_tunable("ns_files", 2));
	EXPECT_EQ(ENOSPC, reply(self, token, self->files, 3));
	EXPECT_FALSE(is_done(self->client));
	EXPECT_EQ(0, reply(self, token, self->files, 2));
	wield(~0ULL);
	ASSERT_EQ(0, end_act(self->client));
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, closes_a_reply_that_comes_too_late)
{
	struct bundle bundle;
	uint64_t token;

	begin_request(self, request(self, 1, 4));
	token = serve(self, &bundle);
	kill_puppet(self->client);
	EXPECT_EQ(ECANCELED, reply_with_line(self, token));
	let_go(&self->line);
	WAIT_UNTIL(is_dead(self->line));
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, closes_a_reply_that_cannot_be_told)
{
	struct mbox_call call = request(self, 0, 4);
	struct bundle bundle;

	call.reply_files = (uintptr_t)unmapped();
	begin_request(self, call);
	/* The replier cannot know. */
	reply_with_line(self, serve(self, &bundle));
	let_go(&self->line);
	EXPECT_EQ(EFAULT, end_act(self->client));
	EXPECT_EQ(self->before, descriptors_of(self->client->pid));
	WAIT_UNTIL(is_dead(self->line));
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, closes_the_files_of_a_request_that_nobody_takes)
{
	struct letter letter;

	begin_request(self, request(self, 2, 0));
	WAIT_UNTIL(state(self->fd, 0).msgs == 1);
	expect_in_flight(_metadata, self, 2, 0);
	ASSERT_EQ(0, receive_plainly(self->fd, 0, 0, &letter));
	EXPECT_EQ(MBOX_GOT_REQUEST | MBOX_GOT_FILES_LOST, letter.env.got);
	EXPECT_EQ(ECANCELED, end_act(self->client));
	expect_in_flight(_metadata, self, 0, 0);
	/* Killed, while it is queued. */
	begin_request(self, request(self, 2, 0));
	WAIT_UNTIL(state(self->fd, 0).msgs == 1);
	kill_puppet(self->client);
	expect_in_flight(_metadata, self, 0, 0);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

/* Reply and wait for the next one, files with either. */
TEST_F(talk, replies_and_receives_with_files)
{
	struct mbox_reply arg = { .files = (uintptr_t)(self->files + 2), .nr_files = 2 };
	struct mbox_recv how = {
		.flags = MBOX_RECV_TOKEN | MBOX_RECV_REPLY, .reply = (uintptr_t)&arg,
	};
	struct bundle bundle;

	begin_request(self, request(self, 1, 3));
	arg.token = serve(self, &bundle);
	ASSERT_EQ(0, post_file(self->fd, 0, "next", self->files[0]));
	ASSERT_EQ(0, take_as(self->fd, how, 2, &bundle));
	EXPECT_EQ(0, arg.result);
	EXPECT_EQ(1, arg.done);
	EXPECT_STREQ("next", bundle.letter.text);
	EXPECT_EQ(1, bundle.letter.env.nr_files);
	EXPECT_TRUE(same_file(getpid(), self->files[0], getpid(), bundle.files[0]));
	ASSERT_EQ(0, end_act(self->client));
	EXPECT_EQ(2, result(self).nr_reply_files);
	EXPECT_TRUE(same_file(getpid(), self->files[3], self->client->pid, self->slots[1]));
	EXPECT_EQ(-1, self->slots[2]);
}

static int leave_room_for_one(struct puppet *me)
{
	struct rlimit rlimit;
	int last, fd;

	(void)me;
	do {
		last = open("/dev/null", O_RDONLY);
		NEED(last >= 0);
	} while (last < 60);
	NEED(!getrlimit(RLIMIT_NOFILE, &rlimit));
	rlimit.rlim_cur = last + 2;
	NEED(!setrlimit(RLIMIT_NOFILE, &rlimit));
	fd = dup(0);
	NEED(fd == last + 1);
	return error_of(close(fd));
}

TEST_F(talk, says_of_each_file_of_a_reply_whether_it_could_be_had)
{
	int files[3] = { self->files[0], self->line.end, self->line.end };
	struct bundle bundle;

	NEED(!ask(self->client, leave_room_for_one));
	begin_request(self, request(self, 0, 4));
	ASSERT_EQ(0, reply(self, serve(self, &bundle), files, 3));
	let_go(&self->line);
	ASSERT_EQ(0, end_act(self->client));
	EXPECT_EQ(3, result(self).nr_reply_files);
	EXPECT_TRUE(same_file(getpid(), self->files[0], self->client->pid, self->slots[0]));
	EXPECT_EQ(-EMFILE, self->slots[1]);
	EXPECT_EQ(-EMFILE, self->slots[2]);
	EXPECT_EQ(-1, self->slots[3]);
	WAIT_UNTIL(is_dead(self->line));
}

/*
 * From process to process: every inbox takes files.
 */

static int send_to(FIXTURE_DATA(talk) *self, pid_t pid, const int *files, uint32_t nr)
{
	struct mbox_send how = with_files(pid, files, nr);

	how.flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK;
	return send_as(self->fd, "direct", &how);
}

TEST_F(talk, brings_files_to_a_process)
{
	struct mbox_recv how = { .flags = MBOX_RECV_DIRECT };
	struct mbox_recv peek = { .flags = MBOX_RECV_DIRECT | MBOX_RECV_PEEK };

	ASSERT_EQ(0, send_to(self, self->client->pid, self->files, 3));
	expect_in_flight(_metadata, self, 0, 3);
	ASSERT_EQ(0, recv_by(self->client, peek));
	EXPECT_EQ(3, self->client->recv.nr_files);
	EXPECT_EQ(EMSGSIZE, take_by(self->client, how, self->slots, 2));
	EXPECT_EQ(3, self->client->recv.nr_files);
	ASSERT_EQ(0, take_by(self->client, how, self->slots, 4));
	EXPECT_EQ(3, self->client->recv.nr_files);
	EXPECT_STREQ("direct", self->client->text);
	EXPECT_TRUE(same_file(getpid(), self->files[0], self->client->pid, self->slots[0]));
	EXPECT_TRUE(same_file(getpid(), self->files[2], self->client->pid, self->slots[2]));
	EXPECT_EQ(-1, self->slots[3]);
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, closes_what_a_process_does_not_take)
{
	ASSERT_EQ(0, send_to(self, self->client->pid, &self->line.end, 1));
	let_go(&self->line);
	EXPECT_FALSE(is_dead(self->line));
	ASSERT_EQ(0, recv_by(self->client, (struct mbox_recv){ .flags = MBOX_RECV_DIRECT }));
	EXPECT_EQ(MBOX_GOT_FILES_LOST, self->client->recv.got);
	WAIT_UNTIL(is_dead(self->line));
	expect_in_flight(_metadata, self, 0, 0);
}

TEST_F(talk, closes_what_was_for_a_process_that_has_ended)
{
	struct task *waiter = calloc(1, sizeof(*waiter));
	int file = self->line.end, error;

	do {
		error = send_to(self, self->client->pid, &self->line.end, 1);
	} while (!error);
	ASSERT_EQ(EAGAIN, error);
	/* The same process: others have room of their own. */
	waiter->fd = self->fd;
	waiter->command = MBOX_IOC_SEND;
	waiter->send = with_files(self->client->pid, &file, 1);
	waiter->send.flags = MBOX_SEND_PID;
	start_task(waiter);
	expect_in_flight(_metadata, self, 0, MBOX_INBOX_MSGS + 1);
	let_go(&self->line);
	EXPECT_FALSE(is_dead(self->line));
	kill_puppet(self->client);
	EXPECT_EQ(EIDRM, finish(waiter));
	WAIT_UNTIL(is_dead(self->line));
	expect_in_flight(_metadata, self, 0, 0);
}

/* What it sent is still received when it has ended. */
TEST_F(talk, brings_files_of_a_process_that_has_ended)
{
	struct mbox_recv how = { .flags = MBOX_RECV_DIRECT };
	struct mbox_send send = with_files(self->client->pid, self->files, 2);

	send.flags = MBOX_SEND_PID;
	ASSERT_EQ(0, send_by(self->friend, send, "last"));
	kill_puppet(self->friend);
	expect_in_flight(_metadata, self, 2, 0);
	ASSERT_EQ(0, take_by(self->client, how, self->slots, 2));
	EXPECT_STREQ("last", self->client->text);
	EXPECT_EQ(0, self->client->recv.got);
	EXPECT_TRUE(same_file(getpid(), self->files[1], self->client->pid, self->slots[1]));
	expect_in_flight(_metadata, self, 0, 0);
}

/* A child sends: the owner of an inbox only receives. */
static int have_oneself_sent(struct puppet *me)
{
	struct mbox_open arg = { .flags = MBOX_OPEN_INBOX };
	int inbox = device(O_RDWR), pair[2], files[3];
	struct mbox_send how = with_files(me->pid, files, 3);
	pid_t child;

	NEED(!call(inbox, MBOX_IOC_OPEN, &arg));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	files[0] = inbox;
	files[1] = pair[0];
	files[2] = pair[1];
	how.flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK;
	child = spawn();
	if (!child)
		_exit(send_as(me->fd, "to you", &how));
	NEED(!join(child));
	close(inbox);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

/* An inbox with its own descriptor in it, in its namespace or one of its own. */
TEST_F(talk, frees_an_inbox_that_is_in_itself)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct puppet *loner = new_puppet(self->fd, 0, 0);

		if (i) {
			NEED(!ask(loner, leave_network_namespace));
			create_by(loner, attributes(1, 1));
		}
		ASSERT_EQ(0, ask(loner, have_oneself_sent));
		EXPECT_EQ(3, files_of(self->fd, 0));
		EXPECT_EQ(2 + i, usage_of(self->fd, 0).user_mailboxes);
		kill_puppet(loner);
		WAIT_UNTIL(!files_of(self->fd, 0));
		WAIT_UNTIL(usage_of(self->fd, 0).user_mailboxes == 1);
	}
}

TEST_HARNESS_MAIN
