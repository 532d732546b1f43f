// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library in conversations: stamps, batches, files, calls, direct messages. What
 * lib/mbox.h promises of them beyond what the kernel does.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"
#include "puppet.h"

#include <dirent.h>
#include <mbox.h>

#define FILL(thing)	memset(&(thing), POISON, sizeof(thing))

static bool all_bytes_are(const void *memory, unsigned char value, size_t size)
{
	const unsigned char *bytes = memory;

	while (size--)
		if (*bytes++ != value)
			return false;
	return true;
}

static struct mbox_stat stat_of(int fd)
{
	struct mbox_stat stat;

	NEED(!mbox_getstat(fd, &stat));
	return stat;
}

static struct mbox_clock clock_of(int fd)
{
	struct mbox_clock clock;

	FILL(clock);
	NEED(!mbox_getclock(fd, &clock));
	return clock;
}

/* Of this process; the one of the directory itself does not count. */
static int open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int nr = -3;

	NEED(directory);
	while (readdir(directory))
		nr++;
	closedir(directory);
	return nr;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	NEED(!fstat(a, &one) && !fstat(b, &other));
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static int some_file(void)
{
	int file = memfd_create("some", MFD_CLOEXEC);

	NEED(file >= 0);
	return file;
}

/* What a caller, a child, was told; shared with the test. */
struct outcome {
	ssize_t result;
	int error;
	char reply[16];
	struct mbox_envelope envelope;
	int nr_open;		/* more descriptors afterwards */
};

static const struct mbox_call_options no_options;

static pid_t spawn_caller(int fd, const char *request, size_t size,
			  const struct mbox_call_options *options, struct outcome *outcome)
{
	pid_t child;

	FILL(*outcome);
	child = spawn();
	if (child)
		return child;
	/* So a signal interrupts it. */
	take_signals(0);
	outcome->nr_open = -open_files();
	outcome->result = mbox_call_with(fd, request, strlen(request), outcome->reply, size,
					 &outcome->envelope, options);
	outcome->error = error_of(outcome->result);
	outcome->nr_open += open_files();
	_exit(0);
}

FIXTURE(talk) {
	int fd;
	uint64_t id;
	struct outcome *outcome;
	int next;		/* open files */
};

FIXTURE_SETUP(talk)
{
	struct mbox_attr attr = { .max_msgs = 3, .max_size = 16, .mode = 0600,
				  .flags = MBOX_FILES };

	begin();
	self->fd = mbox_create(NULL, &attr, O_CLOEXEC);
	NEED(self->fd >= 0);
	self->id = stat_of(self->fd).id;
	self->outcome = shared(sizeof(*self->outcome));
	self->next = open_files();
}

FIXTURE_TEARDOWN(talk)
{
	sweep();
}

/* Stamps. */

TEST_F(talk, stamp_is_told_to_both_sides)
{
	uint64_t stamp = 0;
	struct mbox_send_options options = { .stamp = &stamp };
	struct mbox_clock before = clock_of(self->fd);
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &options));
	EXPECT_EQ(before.stamp + 1, stamp);
	FILL(envelope);
	ASSERT_EQ(1, mbox_recv(self->fd, text, 4, &envelope, 0, NULL));
	EXPECT_EQ(stamp, envelope.stamp);
	EXPECT_EQ(stamp + 1, envelope.clock);
	EXPECT_EQ(before.participant, envelope.sender);
	EXPECT_EQ(envelope.clock, clock_of(self->fd).stamp);
}

TEST_F(talk, stamp_of_a_send_that_fails_is_not_written)
{
	uint64_t stamp = 4711;
	struct mbox_send_options options = { .flags = MBOX_NONBLOCK, .stamp = &stamp };

	EXPECT_EQ(EMSGSIZE, error_of(mbox_send_with(self->fd, "12345678901234567", 17, &options)));
	EXPECT_EQ(4711, stamp);
}

TEST_F(talk, clock_ticks_when_it_is_told_to)
{
	struct mbox_clock clock = clock_of(self->fd);
	uint64_t stamp = 0;

	EXPECT_EQ(0, clock.flags);
	EXPECT_LT(0, clock.participant);
	EXPECT_EQ(clock.stamp, clock_of(self->fd).stamp);
	ASSERT_EQ(0, mbox_tick(self->fd, &stamp));
	EXPECT_EQ(clock.stamp + 1, stamp);
	ASSERT_EQ(0, mbox_tick(self->fd, NULL));
	EXPECT_EQ(clock.stamp + 2, clock_of(self->fd).stamp);
	EXPECT_EQ(clock.participant, clock_of(self->fd).participant);
}

/* Batches. */

static struct mbox_send send_item(const char *text, uint64_t flags)
{
	return (struct mbox_send){
		.flags = flags,
		.buf = (uintptr_t)text,
		.len = strlen(text),
	};
}

TEST_F(talk, batch_sends_and_receives_all)
{
	struct mbox_send sends[3] = { send_item("a", 0), send_item("bc", 0), send_item("", 0) };
	struct mbox_recv recvs[3] = { };
	char texts[3][4] = { "---", "---", "---" };
	int error = 4711, i;

	ASSERT_EQ(3, mbox_send_many(self->fd, sends, 3, 0, &error));
	EXPECT_EQ(0, error);
	for (i = 0; i < 3; i++)
		recvs[i] = (struct mbox_recv){ .buf = (uintptr_t)texts[i], .size = 4 };
	error = 4711;
	ASSERT_EQ(3, mbox_recv_many(self->fd, recvs, 3, 0, &error));
	EXPECT_EQ(0, error);
	EXPECT_STREQ("a--", texts[0]);
	EXPECT_STREQ("bc-", texts[1]);
	EXPECT_STREQ("---", texts[2]);
	EXPECT_EQ(1, recvs[0].len);
	EXPECT_EQ(2, recvs[1].len);
	EXPECT_EQ(0, recvs[2].len);
	EXPECT_EQ(3, recvs[2].seq);
}

TEST_F(talk, batch_ends_at_the_first_that_fails)
{
	struct mbox_send sends[4];
	struct mbox_recv recvs[4] = { };
	char text[4];
	int error = 4711, i;

	for (i = 0; i < 4; i++) {
		sends[i] = send_item("a", MBOX_SEND_NONBLOCK);
		recvs[i].buf = (uintptr_t)text;
		recvs[i].size = 4;
		recvs[i].flags = MBOX_RECV_NONBLOCK;
	}
	ASSERT_EQ(3, mbox_send_many(self->fd, sends, 4, 0, &error));
	EXPECT_EQ(EAGAIN, error);
	error = 4711;
	EXPECT_EQ(EAGAIN, error_of(mbox_send_many(self->fd, sends, 4, 0, &error)));
	EXPECT_EQ(4711, error);
	EXPECT_EQ(3, stat_of(self->fd).msgs);
	ASSERT_EQ(3, mbox_recv_many(self->fd, recvs, 4, 0, &error));
	EXPECT_EQ(EAGAIN, error);
	EXPECT_EQ(EAGAIN, error_of(mbox_recv_many(self->fd, recvs, 4, 0, NULL)));
}

TEST_F(talk, batch_may_wait_for_the_first_only)
{
	struct mbox_send sends[4];
	struct mbox_recv recvs[4] = { };
	char text[4];
	int error = 0, i;

	for (i = 0; i < 4; i++) {
		sends[i] = send_item("a", 0);
		recvs[i] = (struct mbox_recv){ .buf = (uintptr_t)text, .size = 4 };
	}
	ASSERT_EQ(3, mbox_send_many(self->fd, sends, 4, MBOX_WAIT_ONE, &error));
	EXPECT_EQ(EAGAIN, error);
	ASSERT_EQ(3, mbox_recv_many(self->fd, recvs, 4, MBOX_WAIT_ONE, &error));
	EXPECT_EQ(EAGAIN, error);
	/* The first waits as it says. */
	recvs[0].flags = MBOX_RECV_TIMEOUT;
	EXPECT_EQ(ETIMEDOUT, error_of(mbox_recv_many(self->fd, recvs, 4, MBOX_WAIT_ONE, NULL)));
}

TEST_F(talk, batch_has_a_length_and_no_other_flags)
{
	struct mbox_send send = send_item("a", 0);
	struct mbox_recv recv = { .flags = MBOX_RECV_NONBLOCK };
	int bit;

	EXPECT_EQ(EINVAL, error_of(mbox_send_many(self->fd, &send, 0, 0, NULL)));
	EXPECT_EQ(EINVAL, error_of(mbox_recv_many(self->fd, &recv, 0, 0, NULL)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_many(self->fd, &send, MBOX_BATCH_MAX + 1, 0, NULL)));
	for (bit = 1; bit < 32; bit++) {
		EXPECT_EQ(EINVAL, error_of(mbox_send_many(self->fd, &send, 1, 1U << bit, NULL)));
		EXPECT_EQ(EINVAL, error_of(mbox_recv_many(self->fd, &recv, 1, 1U << bit, NULL)));
	}
	EXPECT_EQ(0, stat_of(self->fd).sent);
}

/* Files. */

TEST_F(talk, files_go_with_a_message)
{
	int files[2] = { some_file(), some_file() }, got[4];
	struct mbox_send_options send = { .files = files, .nr_files = 2 };
	struct mbox_recv_options recv = { .files = got, .nr_files = 4 };
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &send));
	EXPECT_EQ(self->next + 2, open_files());
	FILL(got);
	FILL(envelope);
	ASSERT_EQ(1, mbox_recv_with(self->fd, text, 4, &envelope, &recv));
	EXPECT_EQ(2, envelope.nr_files);
	EXPECT_EQ(0, envelope.got);
	EXPECT_EQ(self->next + 4, open_files());
	EXPECT_TRUE(same_file(files[0], got[0]));
	EXPECT_TRUE(same_file(files[1], got[1]));
	EXPECT_EQ(FD_CLOEXEC, fcntl(got[0], F_GETFD));
	EXPECT_EQ(-1, got[2]);
	EXPECT_EQ(-1, got[3]);
}

TEST_F(talk, files_that_do_not_fit_stay_with_their_message)
{
	int file = some_file(), files[3] = { file, file, file }, got[2];
	struct mbox_send_options send = { .files = files, .nr_files = 3 };
	struct mbox_recv_options recv = { .files = got, .nr_files = 2 };
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &send));
	FILL(envelope);
	EXPECT_EQ(EMSGSIZE, error_of(mbox_recv_with(self->fd, text, 4, &envelope, &recv)));
	EXPECT_EQ(3, envelope.nr_files);
	EXPECT_EQ(1, envelope.len);
	EXPECT_EQ(self->id, envelope.from);
	EXPECT_EQ(1, stat_of(self->fd).msgs);
	EXPECT_EQ(self->next + 1, open_files());

	recv.flags = MBOX_TRUNCATE;
	ASSERT_EQ(1, mbox_recv_with(self->fd, text, 4, &envelope, &recv));
	EXPECT_EQ(3, envelope.nr_files);
	EXPECT_TRUE(same_file(file, got[1]));
	EXPECT_EQ(self->next + 3, open_files());
}

TEST_F(talk, files_that_nobody_wants_are_closed)
{
	int file = some_file();
	struct mbox_send_options send = { .files = &file, .nr_files = 1 };
	struct mbox_envelope envelope;
	char text[4];

	ASSERT_EQ(0, mbox_send_with(self->fd, "x", 1, &send));
	FILL(envelope);
	ASSERT_EQ(1, mbox_recv(self->fd, text, 4, &envelope, 0, NULL));
	EXPECT_EQ(MBOX_GOT_FILES_LOST, envelope.got);
	EXPECT_EQ(self->next + 1, open_files());
}

TEST_F(talk, files_that_cannot_be_sent_stop_the_message)
{
	struct mbox_recv_options no_room = { .nr_files = 1 };
	struct mbox_attr attr = { .mode = 0600 };
	int plain = mbox_create(NULL, &attr, O_CLOEXEC);
	int file = some_file();
	struct mbox_send_options send = { .files = &file, .nr_files = 1 };
	char text[4];

	EXPECT_EQ(EOPNOTSUPP, error_of(mbox_send_with(plain, "x", 1, &send)));
	send.nr_files = MBOX_FILES_MAX + 1;
	EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &send)));
	send = (struct mbox_send_options){ .nr_files = 1 };
	EXPECT_EQ(EFAULT, error_of(mbox_send_with(self->fd, "x", 1, &send)));
	close(file);
	send = (struct mbox_send_options){ .files = &file, .nr_files = 1 };
	EXPECT_EQ(EBADF, error_of(mbox_send_with(self->fd, "x", 1, &send)));
	EXPECT_EQ(0, stat_of(self->fd).sent);
	/* Room, but nowhere. */
	EXPECT_EQ(EINVAL, error_of(mbox_recv_with(self->fd, text, 4, NULL, &no_room)));
}

TEST_F(talk, mark_of_shared_memory_is_passed_on)
{
	int file = some_file(), got;
	struct mbox_send_options send = { .flags = MBOX_SHARED, .files = &file, .nr_files = 1 };
	struct mbox_recv_options recv = { .files = &got, .nr_files = 1 };
	struct mbox_envelope envelope;

	ASSERT_EQ(0, mbox_send_with(self->fd, NULL, 0, &send));
	FILL(envelope);
	ASSERT_EQ(0, mbox_recv_with(self->fd, NULL, 0, &envelope, &recv));
	EXPECT_EQ(MBOX_GOT_SHARED, envelope.got);
}

/* Calls. */

static ssize_t take(int fd, char *text, struct mbox_envelope *envelope)
{
	FILL(*envelope);
	memset(text, 0, 16);
	return mbox_recv(fd, text, 15, envelope, MBOX_TOKEN, NULL);
}

TEST_F(talk, call_brings_back_the_reply)
{
	struct mbox_call_options call = { .prio = 5, .tag = 6 };
	struct mbox_reply_options reply = { .tag = 7 };
	pid_t child = spawn_caller(self->fd, "ping", 8, &call, self->outcome);
	struct mbox_envelope request, *envelope = &self->outcome->envelope;
	char text[16];

	ASSERT_EQ(4, take(self->fd, text, &request));
	EXPECT_STREQ("ping", text);
	EXPECT_EQ(5, request.prio);
	EXPECT_EQ(6, request.tag);
	EXPECT_EQ(child, request.pid);
	EXPECT_EQ(MBOX_GOT_REQUEST, request.got);
	EXPECT_NE(0, request.token);
	EXPECT_EQ(1, mbox_waits(self->fd, request.token));
	EXPECT_EQ(1, stat_of(self->fd).requests);
	ASSERT_EQ(0, mbox_reply_with(self->fd, request.token, "pong!", 5, &reply));
	EXPECT_EQ(EBADR, error_of(mbox_reply(self->fd, request.token, "again", 5)));
	EXPECT_EQ(EBADR, error_of(mbox_waits(self->fd, request.token)));
	ASSERT_EQ(0, join(child));

	ASSERT_EQ(5, self->outcome->result);
	EXPECT_EQ(0, memcmp("pong!\xa5", self->outcome->reply, 6));
	EXPECT_EQ(5, envelope->len);
	EXPECT_EQ(7, envelope->tag);
	EXPECT_EQ(getpid(), envelope->pid);
	EXPECT_EQ(0, envelope->uid);
	EXPECT_EQ(0, envelope->gid);
	EXPECT_EQ(clock_of(self->fd).participant, envelope->sender);
	EXPECT_LT(request.clock, envelope->stamp);
	EXPECT_LT(envelope->stamp, envelope->clock);
	EXPECT_EQ(0, envelope->got);
	EXPECT_EQ(0, envelope->nr_files);
	EXPECT_EQ(0, envelope->token);
	EXPECT_EQ(0, envelope->seq);
	EXPECT_EQ(0, envelope->from);
	EXPECT_EQ(0, self->outcome->nr_open);
}

struct simple_call {
	int fd;
	ssize_t result;
	char reply[4];
};

static void *call_simply(void *data)
{
	struct simple_call *call = data;

	call->result = mbox_call(call->fd, "x", 1, call->reply, sizeof(call->reply), NULL, NULL);
	return NULL;
}

/* Also within a process, and without an envelope. */
TEST_F(talk, call_needs_no_options)
{
	struct simple_call call = { .fd = self->fd };
	struct mbox_envelope request;
	pthread_t thread;
	char text[16];

	ASSERT_EQ(0, pthread_create(&thread, NULL, call_simply, &call));
	ASSERT_EQ(1, take(self->fd, text, &request));
	ASSERT_EQ(0, mbox_reply(self->fd, request.token, "yes", 3));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(3, call.result);
	EXPECT_EQ(0, memcmp("yes", call.reply, 3));
}

TEST_F(talk, reply_that_is_too_long_is_refused_and_another_taken)
{
	pid_t child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
	struct mbox_envelope request;
	char text[16];

	ASSERT_EQ(1, take(self->fd, text, &request));
	EXPECT_EQ(EMSGSIZE, error_of(mbox_reply(self->fd, request.token, "12345", 5)));
	EXPECT_EQ(1, mbox_waits(self->fd, request.token));
	EXPECT_EQ(0, mbox_reply(self->fd, request.token, "1234", 4));
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(4, self->outcome->result);
}

TEST_F(talk, reply_is_cut_for_whoever_wants_that)
{
	struct mbox_call_options cut = { .flags = MBOX_TRUNCATE };
	pid_t child = spawn_caller(self->fd, "q", 4, &cut, self->outcome);
	struct mbox_envelope request;
	char text[16];

	ASSERT_EQ(1, take(self->fd, text, &request));
	EXPECT_EQ(0, mbox_reply(self->fd, request.token, "12345", 5));
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(4, self->outcome->result);
	EXPECT_EQ(5, self->outcome->envelope.len);
	EXPECT_EQ(0, memcmp("1234\xa5", self->outcome->reply, 5));
}

TEST_F(talk, call_that_is_discarded_is_cancelled)
{
	pid_t child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
	struct mbox_envelope request;
	char text[16];

	ASSERT_EQ(1, take(self->fd, text, &request));
	EXPECT_EQ(0, mbox_discard(self->fd, request.token));
	EXPECT_EQ(EBADR, error_of(mbox_discard(self->fd, request.token)));
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(ECANCELED, self->outcome->error);
	EXPECT_TRUE(all_bytes_are(&self->outcome->envelope, POISON, sizeof(request)));
}

TEST_F(talk, caller_that_gives_up_is_told_of)
{
	struct timespec end;
	struct mbox_call_options call = { .deadline = mbox_deadline(&end, 300 * MSEC) };
	pid_t child = spawn_caller(self->fd, "q", 4, &call, self->outcome);
	struct mbox_envelope request;
	char text[16];

	ASSERT_EQ(1, take(self->fd, text, &request));
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(ETIMEDOUT, self->outcome->error);
	errno = 4711;
	EXPECT_EQ(0, mbox_waits(self->fd, request.token));
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(0, mbox_waits(self->fd, request.token));
	EXPECT_EQ(ECANCELED, error_of(mbox_reply(self->fd, request.token, "a", 1)));
	EXPECT_EQ(EBADR, error_of(mbox_reply(self->fd, request.token, "a", 1)));
}

TEST_F(talk, call_takes_its_request_back)
{
	struct timespec past = { 0, 0 };
	struct mbox_call_options full = { .flags = MBOX_NONBLOCK };
	char reply[4];
	int i;

	EXPECT_EQ(ETIMEDOUT, error_of(mbox_call(self->fd, "q", 1, reply, 4, NULL, &past)));
	EXPECT_EQ(0, stat_of(self->fd).msgs);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	EXPECT_EQ(EAGAIN, error_of(mbox_call_with(self->fd, "q", 1, reply, 4, NULL, &full)));
	EXPECT_EQ(3, stat_of(self->fd).msgs);
}

TEST_F(talk, request_without_a_taker_is_cancelled)
{
	pid_t child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
	struct mbox_envelope request;
	char text[4];

	ASSERT_EQ(1, mbox_recv(self->fd, text, 4, &request, 0, NULL));
	EXPECT_EQ(0, request.token);
	EXPECT_EQ(MBOX_GOT_REQUEST, request.got);
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(ECANCELED, self->outcome->error);
}

TEST_F(talk, message_is_no_request)
{
	struct mbox_envelope envelope;
	char text[16];

	ASSERT_EQ(0, mbox_send(self->fd, "x", 1, 0, 0, NULL));
	ASSERT_EQ(1, take(self->fd, text, &envelope));
	EXPECT_EQ(0, envelope.token);
	EXPECT_EQ(0, envelope.got);
}

/* As mbox_recv_with() and mbox_choose() do. */
TEST_F(talk, token_comes_by_every_way_to_receive)
{
	struct mbox_recv_options options = { .flags = MBOX_TOKEN };
	struct mbox_answer nothing = { 0 };
	struct mbox_envelope request;
	char text[4];
	pid_t child;
	int way;

	for (way = 0; way < 3; way++) {
		child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
		FILL(request);
		if (way == 0)
			ASSERT_EQ(1, mbox_recv_with(self->fd, text, 4, &request, &options));
		if (way == 1)
			ASSERT_EQ(1, mbox_choose(self->fd, &self->id, 1, text, 4, &request,
						 MBOX_TOKEN, NULL));
		if (way == 2)
			ASSERT_EQ(1, mbox_reply_recv(self->fd, &nothing, text, 4, &request, NULL));
		ASSERT_EQ(0, mbox_reply(self->fd, request.token, "a", 1));
		ASSERT_EQ(0, join(child));
		EXPECT_EQ(1, self->outcome->result);
	}
}

TEST_F(talk, token_is_handed_on)
{
	pid_t child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
	struct mbox_envelope request;
	int to_worker[2];
	uint64_t token;
	char text[16];
	pid_t worker;

	ASSERT_EQ(0, pipe2(to_worker, O_CLOEXEC));
	worker = spawn();
	if (!worker) {
		NEED(read(to_worker[0], &token, sizeof(token)) == sizeof(token));
		_exit(error_of(mbox_reply(self->fd, token, "w", 1)));
	}
	ASSERT_EQ(1, take(self->fd, text, &request));
	EXPECT_EQ(EINVAL, error_of(mbox_pass(self->fd, request.token, worker, MBOX_KEEP)));
	EXPECT_EQ(EBADR, error_of(mbox_pass(self->fd, request.token + 1, worker, 0)));
	EXPECT_EQ(EBADF, error_of(mbox_pass(self->fd, request.token, 1000, MBOX_PIDFD)));
	EXPECT_EQ(1, mbox_waits(self->fd, request.token));
	ASSERT_EQ(0, mbox_pass(self->fd, request.token, open_pidfd(worker), MBOX_PIDFD));
	EXPECT_EQ(EBADR, error_of(mbox_waits(self->fd, request.token)));
	ASSERT_EQ(sizeof(token), write(to_worker[1], &request.token, sizeof(token)));
	EXPECT_EQ(0, join(worker));
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(1, self->outcome->result);
	EXPECT_EQ('w', self->outcome->reply[0]);
	EXPECT_EQ(worker, self->outcome->envelope.pid);
}

TEST_F(talk, files_go_with_request_and_reply)
{
	int file = some_file(), back[2], got;
	struct mbox_call_options call = {
		.files = &file, .nr_files = 1, .reply_files = back, .nr_reply_files = 2,
	};
	struct mbox_recv_options recv = { .flags = MBOX_TOKEN, .files = &got, .nr_files = 1 };
	struct mbox_reply_options reply = { .nr_files = 1 };
	pid_t child = spawn_caller(self->fd, "f", 4, &call, self->outcome);
	struct mbox_envelope request;
	int three[3];
	char text[4];

	ASSERT_EQ(1, mbox_recv_with(self->fd, text, 4, &request, &recv));
	EXPECT_EQ(1, request.nr_files);
	EXPECT_TRUE(same_file(file, got));
	three[0] = three[1] = three[2] = got;
	reply.files = three;
	reply.nr_files = 3;
	EXPECT_EQ(EMSGSIZE, error_of(mbox_reply_with(self->fd, request.token, "", 0, &reply)));
	reply.nr_files = 1;
	reply.flags = MBOX_SHARED;
	EXPECT_EQ(0, mbox_reply_with(self->fd, request.token, "", 0, &reply));
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(0, self->outcome->result);
	EXPECT_EQ(1, self->outcome->envelope.nr_files);
	EXPECT_EQ(MBOX_GOT_SHARED, self->outcome->envelope.got);
	EXPECT_EQ(1, self->outcome->nr_open);
}

/* Reply and receive. */

TEST_F(talk, reply_and_the_next_request_are_one_call)
{
	struct outcome *second = shared(sizeof(*second));
	struct mbox_reply_options options = { .tag = 9 };
	struct mbox_answer answer = { .buf = "one", .len = 3, .options = &options, .error = 4711 };
	struct mbox_envelope request;
	char text[16] = "";
	pid_t first, other;

	first = spawn_caller(self->fd, "1", 8, &no_options, self->outcome);
	ASSERT_EQ(1, take(self->fd, text, &request));
	other = spawn_caller(self->fd, "2", 8, &no_options, second);

	answer.token = request.token;
	FILL(request);
	ASSERT_EQ(1, mbox_reply_recv(self->fd, &answer, text, 16, &request, NULL));
	EXPECT_EQ(0, answer.token);
	EXPECT_EQ(0, answer.error);
	EXPECT_STREQ("2", text);
	EXPECT_EQ(other, request.pid);
	ASSERT_EQ(0, join(first));
	EXPECT_EQ(3, self->outcome->result);
	EXPECT_EQ(9, self->outcome->envelope.tag);

	ASSERT_EQ(0, mbox_reply(self->fd, request.token, "two", 3));
	ASSERT_EQ(0, join(other));
	EXPECT_EQ(3, second->result);
}

/* A server whose caller, the test, interrupts it while it waits. */
static void serve_and_be_interrupted(int fd, uint32_t *error, uint64_t *token)
{
	struct mbox_answer answer = { .buf = "a", .len = 1 };
	struct mbox_envelope request;
	uint32_t next;
	char text[16];

	NEED(mbox_recv(fd, text, 16, &request, MBOX_TOKEN, NULL) == 1);
	answer.token = request.token;
	next = error_of(mbox_reply_recv(fd, &answer, text, 16, &request, NULL));
	*token = answer.token;
	tell(error, next);
	/* As it is; so it receives only. */
	NEED(mbox_reply_recv(fd, &answer, text, 16, &request, NULL) == 1);
	NEED(!answer.token && !answer.error);
	_exit(error_of(mbox_reply(fd, request.token, "b", 1)));
}

TEST_F(talk, reply_that_was_given_is_not_given_again_after_a_signal)
{
	struct seen {
		uint32_t error;
		uint64_t token;
	} *seen = shared(sizeof(*seen));
	char reply[4] = "";
	pid_t server;

	FILL(*seen);
	server = spawn();
	if (!server) {
		take_signals(0);
		serve_and_be_interrupted(self->fd, &seen->error, &seen->token);
	}
	ASSERT_EQ(1, mbox_call(self->fd, "1", 1, reply, 4, NULL, NULL));
	EXPECT_STREQ("a", reply);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, kill(server, SIGUSR1));
	/* Who comes before the signal is received by the same call. */
	WAIT_UNTIL(told(&seen->error) != POISON * 0x01010101U);
	ASSERT_EQ(1, mbox_call(self->fd, "2", 1, reply, 4, NULL, NULL));
	EXPECT_STREQ("b", reply);
	EXPECT_EQ(0, join(server));
	EXPECT_EQ(EINTR, seen->error);
	EXPECT_EQ(0, seen->token);
}

TEST_F(talk, reply_that_was_given_is_not_given_again_after_a_restart)
{
	struct mbox_answer answer = { .buf = "a", .len = 1 };
	struct mbox_envelope request;
	char text[16], reply[4] = "";
	pid_t server = spawn();

	if (!server) {
		take_signals(SA_RESTART);
		NEED(mbox_recv(self->fd, text, 16, &request, MBOX_TOKEN, NULL) == 1);
		answer.token = request.token;
		NEED(mbox_reply_recv(self->fd, &answer, text, 16, &request, NULL) == 1);
		NEED(!answer.token && !answer.error);
		_exit(error_of(mbox_reply(self->fd, request.token, "b", 1)));
	}
	ASSERT_EQ(1, mbox_call(self->fd, "1", 1, reply, 4, NULL, NULL));
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, kill(server, SIGUSR1));
	WAIT_UNTIL(stat_of(self->fd).receivers == 1 && sleeps(server));
	ASSERT_EQ(1, mbox_call(self->fd, "2", 1, reply, 4, NULL, NULL));
	EXPECT_STREQ("b", reply);
	EXPECT_EQ(0, join(server));
}

TEST_F(talk, reply_that_fails_receives_nothing)
{
	pid_t child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
	struct mbox_recv_options nonblock = { .flags = MBOX_NONBLOCK };
	struct mbox_answer answer = { .buf = "12345", .len = 5, .error = 4711 };
	struct mbox_envelope request, envelope;
	char text[16];

	ASSERT_EQ(1, take(self->fd, text, &request));
	ASSERT_EQ(0, mbox_send(self->fd, "next", 4, 0, 0, NULL));
	answer.token = request.token;
	FILL(envelope);
	EXPECT_EQ(EMSGSIZE, error_of(mbox_reply_recv(self->fd, &answer, text, 16, &envelope, NULL)));
	EXPECT_EQ(request.token, answer.token);
	EXPECT_EQ(4711, answer.error);
	EXPECT_TRUE(all_bytes_are(&envelope, POISON, sizeof(envelope)));
	EXPECT_EQ(1, stat_of(self->fd).msgs);

	answer.len = 4;
	/* The reply fits; the next message does not, and says so. */
	EXPECT_EQ(EMSGSIZE, error_of(mbox_reply_recv(self->fd, &answer, text, 3, &envelope, NULL)));
	EXPECT_EQ(0, answer.token);
	EXPECT_EQ(0, answer.error);
	EXPECT_EQ(4, envelope.len);
	ASSERT_EQ(0, join(child));
	EXPECT_EQ(4, self->outcome->result);
	EXPECT_EQ(4, mbox_reply_recv(self->fd, &answer, text, 16, &envelope, &nonblock));
	EXPECT_EQ(EAGAIN, error_of(mbox_reply_recv(self->fd, &answer, text, 16, NULL, &nonblock)));

	answer.token = request.token;
	EXPECT_EQ(EBADR, error_of(mbox_reply_recv(self->fd, &answer, text, 16, NULL, &nonblock)));
	EXPECT_EQ(request.token, answer.token);
}

TEST_F(talk, caller_that_has_gone_does_not_stop_the_server)
{
	pid_t child = spawn_caller(self->fd, "q", 4, &no_options, self->outcome);
	struct mbox_recv_options nonblock = { .flags = MBOX_NONBLOCK };
	struct mbox_answer answer = { .buf = "a", .len = 1 };
	struct mbox_envelope request;
	char text[16];

	ASSERT_EQ(1, take(self->fd, text, &request));
	end(child);
	answer.token = request.token;
	EXPECT_EQ(EAGAIN, error_of(mbox_reply_recv(self->fd, &answer, text, 16, NULL, &nonblock)));
	EXPECT_EQ(0, answer.token);
	EXPECT_EQ(ECANCELED, answer.error);
}

TEST_F(talk, calls_and_replies_have_no_unknown_flags_and_a_reserve)
{
	const int calls = MBOX_NONBLOCK | MBOX_TRUNCATE | MBOX_SHARED | MBOX_DIRECT;
	struct mbox_recv_options nonblock = { .flags = MBOX_NONBLOCK };
	struct mbox_answer answer = { .token = 1 };
	struct mbox_reply_options reply;
	struct mbox_call_options call;
	char text[4];
	size_t i;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		call = (struct mbox_call_options){ .flags = 1U << bit };
		reply = (struct mbox_reply_options){ .flags = 1U << bit };
		answer.options = &reply;
		if (!(1 << bit & calls))
			EXPECT_EQ(EINVAL, error_of(mbox_call_with(self->fd, "q", 1, text, 4, NULL,
								  &call)));
		if (1 << bit != MBOX_SHARED) {
			EXPECT_EQ(EINVAL, error_of(mbox_reply_with(self->fd, 1, "a", 1, &reply)));
			EXPECT_EQ(EINVAL, error_of(mbox_reply_recv(self->fd, &answer, text, 4, NULL,
								   &nonblock)));
			EXPECT_EQ(1, answer.token);
		}
		if (1 << bit != MBOX_PIDFD)
			EXPECT_EQ(EINVAL, error_of(mbox_pass(self->fd, 1, 1, 1U << bit)));
	}
	for (i = 0; i < sizeof(call.reserved) / sizeof(call.reserved[0]); i++) {
		call = no_options;
		call.reserved[i] = 1;
		EXPECT_EQ(EINVAL, error_of(mbox_call_with(self->fd, "q", 1, text, 4, NULL, &call)));
	}
	for (i = 0; i < sizeof(reply.reserved) / sizeof(reply.reserved[0]); i++) {
		reply = (struct mbox_reply_options){ 0 };
		reply.reserved[i] = 1;
		EXPECT_EQ(EINVAL, error_of(mbox_reply_with(self->fd, 1, "a", 1, &reply)));
	}
	for (i = 0; i < sizeof(answer.reserved) / sizeof(answer.reserved[0]); i++) {
		answer = (struct mbox_answer){ 0 };
		answer.reserved[i] = 1;
		EXPECT_EQ(EINVAL, error_of(mbox_reply_recv(self->fd, &answer, text, 4, NULL,
							   &nonblock)));
	}
	call = (struct mbox_call_options){ .process = 1 };
	EXPECT_EQ(EINVAL, error_of(mbox_call_with(self->fd, "q", 1, text, 4, NULL, &call)));
	EXPECT_EQ(0, stat_of(self->fd).sent);
}

/* Direct communication. */

FIXTURE(direct) {
	int fd;
	pid_t peer;
	uint64_t participant;
	int pidfd;
	struct outcome *outcome;
};

/* How the peer is said. */
FIXTURE_VARIANT(direct) {
	int flags;
};

FIXTURE_VARIANT_ADD(direct, by_pid) {
};

FIXTURE_VARIANT_ADD(direct, by_pidfd) {
	.flags = MBOX_PIDFD,
};

FIXTURE_VARIANT_ADD(direct, by_participant) {
	.flags = MBOX_PARTICIPANT,
};

/* The peer echoes what it gets from its parent, and ends on an empty message. */
static void echo(int fd, pid_t parent)
{
	struct mbox_recv_options token = { .flags = MBOX_TOKEN };
	struct mbox_envelope envelope;
	char text[16];
	ssize_t len;

	for (;;) {
		len = mbox_recv_from(fd, parent, text, sizeof(text), &envelope, &token);
		NEED(len >= 0 && envelope.pid == parent);
		if (!len)
			_exit(0);
		if (envelope.token)
			NEED(!mbox_reply(fd, envelope.token, text, len));
		else
			NEED(!mbox_send_to(fd, parent, text, len, NULL));
	}
}

FIXTURE_SETUP(direct)
{
	pid_t parent = getpid();

	begin();
	self->fd = mbox_device();
	NEED(self->fd >= 0);
	self->outcome = shared(sizeof(*self->outcome));
	self->peer = spawn();
	if (!self->peer) {
		self->outcome->envelope.sender = clock_of(self->fd).participant;
		tell((uint32_t *)&self->outcome->error, 1);
		echo(self->fd, parent);
	}
	WAIT_UNTIL(told((uint32_t *)&self->outcome->error));
	self->participant = self->outcome->envelope.sender;
	self->pidfd = open_pidfd(self->peer);
}

FIXTURE_TEARDOWN(direct)
{
	kill(self->peer, SIGKILL);
	sweep();
}

static uint64_t said(const FIXTURE_DATA(direct) *self, int flags)
{
	if (flags & MBOX_PARTICIPANT)
		return self->participant;
	return flags & MBOX_PIDFD ? self->pidfd : self->peer;
}

TEST_F(direct, message_goes_there_and_back)
{
	uint64_t peer = said(self, variant->flags);
	struct mbox_send_options send = { .flags = variant->flags, .tag = 5, .prio = 3 };
	struct mbox_recv_options recv = { .flags = variant->flags };
	struct mbox_envelope envelope;
	char text[16] = "";

	ASSERT_EQ(0, mbox_send_to(self->fd, peer, "to you", 6, &send));
	FILL(envelope);
	ASSERT_EQ(6, mbox_recv_from(self->fd, peer, text, 16, &envelope, &recv));
	EXPECT_STREQ("to you", text);
	EXPECT_EQ(self->peer, envelope.pid);
	EXPECT_EQ(self->participant, envelope.sender);

	/* The other way to say it. */
	send = (struct mbox_send_options){ .flags = variant->flags | MBOX_DIRECT, .process = peer };
	recv = (struct mbox_recv_options){
		.flags = variant->flags | MBOX_DIRECT | MBOX_MATCH, .match = peer,
	};
	ASSERT_EQ(0, mbox_send_with(self->fd, "2", 1, &send));
	ASSERT_EQ(1, mbox_recv_with(self->fd, text, 16, &envelope, &recv));
	EXPECT_STREQ("2o you", text);

	/* From anybody, who is told. */
	ASSERT_EQ(0, mbox_send_to(self->fd, peer, "3", 1,
				  &(struct mbox_send_options){ .flags = variant->flags }));
	FILL(envelope);
	ASSERT_EQ(1, mbox_recv_from(self->fd, 0, text, 16, &envelope, NULL));
	EXPECT_EQ(self->peer, envelope.pid);
}

TEST_F(direct, call_is_answered)
{
	struct mbox_call_options call = {
		.flags = MBOX_DIRECT | variant->flags,
		.process = said(self, variant->flags),
	};
	struct mbox_envelope envelope;
	char text[16] = "";

	ASSERT_EQ(3, mbox_call_with(self->fd, "you", 3, text, 16, &envelope, &call));
	EXPECT_STREQ("you", text);
	EXPECT_EQ(self->peer, envelope.pid);
}

TEST_F(direct, inbox_can_be_opened)
{
	uint64_t peer = said(self, variant->flags);
	char text[16] = "";
	struct mbox_stat stat;
	int fd = mbox_open_inbox(peer, O_WRONLY | O_CLOEXEC, variant->flags);

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	stat = stat_of(fd);
	EXPECT_EQ(self->peer, stat.pid);
	EXPECT_TRUE(stat.kind & MBOX_CREATE_INBOX);
	ASSERT_EQ(0, mbox_send(fd, "hello", 5, 0, 0, NULL));
	ASSERT_EQ(5, mbox_recv_from(self->fd, self->peer, text, 16, NULL, NULL));
	EXPECT_STREQ("hello", text);
	EXPECT_EQ(EINVAL, error_of(mbox_open_inbox(peer, O_WRONLY, MBOX_PIDFD | MBOX_PARTICIPANT)));
	EXPECT_EQ(EINVAL, error_of(mbox_open_inbox(peer, O_WRONLY, MBOX_DIRECT)));
	EXPECT_EQ(EINVAL, error_of(mbox_open_inbox(peer, O_WRONLY | O_CREAT, variant->flags)));
}

TEST_F(direct, peer_that_ends_is_told_of)
{
	uint64_t peer = said(self, variant->flags);
	struct mbox_send_options send = { .flags = variant->flags };
	struct mbox_recv_options recv = { .flags = variant->flags };
	char text[16];

	/* It answers once more, and ends. */
	ASSERT_EQ(0, mbox_send_to(self->fd, peer, "last", 4, &send));
	ASSERT_EQ(0, mbox_send_to(self->fd, peer, "", 0, &send));
	WAIT_UNTIL(polled(self->pidfd, POLLIN));
	EXPECT_EQ(4, mbox_recv_from(self->fd, peer, text, 16, NULL, &recv));
	EXPECT_NE(0, error_of(mbox_recv_from(self->fd, peer, text, 16, NULL, &recv)));
	EXPECT_NE(0, error_of(mbox_send_to(self->fd, peer, "x", 1, &send)));
	EXPECT_EQ(0, join(self->peer));
}

TEST_F(direct, process_is_said_in_one_way)
{
	struct mbox_send_options both = { .flags = MBOX_PIDFD | MBOX_PARTICIPANT };
	struct mbox_send_options twice = { .process = 1 };
	struct mbox_send_options undirected = { .process = self->peer };
	struct mbox_send_options how = { .flags = MBOX_PIDFD };
	struct mbox_recv_options match = { .match = 1 }, matched = { .flags = MBOX_MATCH };
	struct mbox_recv_options recv = { .flags = MBOX_PIDFD | MBOX_PARTICIPANT };
	char text[4];

	EXPECT_EQ(EINVAL, error_of(mbox_send_to(self->fd, self->peer, "x", 1, &both)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_to(self->fd, self->peer, "x", 1, &twice)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &undirected)));
	EXPECT_EQ(EINVAL, error_of(mbox_send_with(self->fd, "x", 1, &how)));
	EXPECT_EQ(EINVAL, error_of(mbox_recv_from(self->fd, self->peer, text, 4, NULL, &match)));
	EXPECT_EQ(EINVAL, error_of(mbox_recv_from(self->fd, self->peer, text, 4, NULL, &matched)));
	EXPECT_EQ(EINVAL, error_of(mbox_recv_from(self->fd, self->peer, text, 4, NULL, &recv)));
	/* 0 is a pidfd like others; standard input is none. */
	recv.flags = MBOX_PIDFD | MBOX_NONBLOCK;
	EXPECT_EQ(EBADF, error_of(mbox_recv_from(self->fd, 0, text, 4, NULL, &recv)));
}

/* An inbox that the process makes itself. */

FIXTURE(inbox) {
};

FIXTURE_VARIANT(inbox) {
	struct mbox_attr attr;
	int error;
	uint32_t max_msgs, max_size;
	uint64_t max_bytes;
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(inbox, has_the_kernels_defaults) {
	.attr = { .flags = MBOX_INBOX },
	.max_msgs = MBOX_INBOX_MSGS,
	.max_size = MBOX_INBOX_SIZE,
	.max_bytes = MBOX_UNBOUNDED_BYTES,
};

FIXTURE_VARIANT_ADD(inbox, is_as_it_was_asked_for) {
	.attr = { .flags = MBOX_INBOX | MBOX_FIXED, .max_msgs = 3, .max_size = 8,
		  .max_bytes = 16, .mode = 0222 },
	.max_msgs = 3,
	.max_size = 8,
	.max_bytes = 16,
	.mode = 0222,
};

FIXTURE_VARIANT_ADD(inbox, is_for_one_to_receive) {
	.attr = { .flags = MBOX_INBOX, .mode = 0600 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(inbox, has_no_share) {
	.attr = { .flags = MBOX_INBOX, .share = 50 },
	.error = EINVAL,
};

FIXTURE_SETUP(inbox)
{
	begin();
}

FIXTURE_TEARDOWN(inbox)
{
	sweep();
}

TEST_F(inbox, is_as_documented)
{
	int fd = mbox_create(NULL, &variant->attr, O_CLOEXEC), own;
	struct mbox_stat stat;

	ASSERT_EQ(variant->error, error_of(fd));
	if (variant->error)
		return;
	stat = stat_of(fd);
	EXPECT_EQ(variant->max_msgs, stat.max_msgs);
	EXPECT_EQ(variant->max_size, stat.max_size);
	EXPECT_EQ(variant->max_bytes, stat.max_bytes);
	EXPECT_EQ(variant->mode, stat.mode);
	EXPECT_TRUE(stat.kind & MBOX_CREATE_INBOX);
	own = mbox_open_inbox(0, O_RDONLY | O_CLOEXEC, 0);
	ASSERT_LE(0, own);
	EXPECT_EQ(stat.id, stat_of(own).id);
	EXPECT_EQ(EEXIST, error_of(mbox_create(NULL, &variant->attr, 0)));
}

TEST_HARNESS_MAIN
