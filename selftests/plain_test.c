// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The short ways of messages, batches, calls and streams (command_plain*.c): what is rare in them.
 * What is common in them is what most other tests do, above all bound_*_test and
 * batch_test.
 */
#include "kselftest_harness.h"
#include <sched.h>
#include <sys/resource.h>
#include "fault.h"
#include "mbox_selftest.h"

#define SIZE	2000
#define MANY	8
#define LONG	500	/* bytes for which memory has to be found: the first message has few */

FIXTURE(plain) {
	int fd;
};

FIXTURE_SETUP(plain)
{
	struct letter letter;

	begin();
	self->fd = mailbox(attributes(MANY, SIZE));
	/* From now on the descriptor knows this process. */
	NEED(!post(self->fd, 0, "first", 0));
	NEED(!fetch(self->fd, 0, &letter));
}

FIXTURE_TEARDOWN(plain)
{
	sweep();
}

static bool can_deny_memory(void)
{
	return choose_faults(SLABS, no_code);
}

/*
 * Batches.
 */

static void send_batch(int fd, const char *text, uint32_t len)
{
	struct mbox_send items[MANY] = { };
	struct mbox_batch batch = {
		.items = (uintptr_t)items, .nr = MANY, .size = sizeof(items[0]),
	};
	uint32_t i;

	for (i = 0; i < MANY; i++) {
		items[i].buf = (uintptr_t)text;
		items[i].len = len;
	}
	NEED(!call(fd, MBOX_IOC_SEND_BATCH, &batch));
	NEED(batch.done == MANY);
}

static void receive_batch(int fd, struct mbox_recv *items, char (*texts)[SIZE])
{
	struct mbox_batch batch = {
		.items = (uintptr_t)items, .nr = MANY, .size = sizeof(items[0]),
	};
	uint32_t i;

	memset(items, 0, MANY * sizeof(*items));
	for (i = 0; i < MANY; i++) {
		items[i].buf = (uintptr_t)texts[i];
		items[i].size = SIZE;
	}
	NEED(!call(fd, MBOX_IOC_RECV_BATCH, &batch));
	NEED(batch.done == MANY);
}

struct author {
	int fd;
	uint32_t tid;		/* told when all is sent */
	uint32_t read;
};

static void *send_and_stay(void *data)
{
	struct author *author = data;

	send_batch(author->fd, "of a thread", 11);
	tell(&author->tid, syscall(SYS_gettid));
	WAIT_UNTIL(told(&author->read));
	return NULL;
}

TEST_F(plain, batch_tells_of_the_thread_that_sent)
{
	static char texts[MANY][SIZE];
	struct author author = { .fd = self->fd };
	struct mbox_recv items[MANY];
	pthread_t thread;
	int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, send_and_stay, &author));
	WAIT_UNTIL(told(&author.tid));
	receive_batch(self->fd, items, texts);
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(getpid(), items[i].pid);
		EXPECT_EQ((int)told(&author.tid), items[i].tid);
		EXPECT_STREQ("of a thread", texts[i]);
	}
	EXPECT_NE(getpid(), items[0].tid);
	tell(&author.read, 1);
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

/* The memory of very short ones is of another kind than that of longer ones. */
TEST_F(plain, batch_does_not_use_the_memory_of_messages_of_another_kind)
{
	static const char longer[] = "a message that is longer than the very short ones";
	static char texts[MANY][SIZE];
	struct mbox_recv items[MANY];
	struct letter letter;
	int i, k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < 3; i++)
			ASSERT_EQ(0, post(self->fd, 0, "short", 0));
		for (i = 0; i < 3; i++)
			ASSERT_EQ(0, fetch(self->fd, 0, &letter));
		send_batch(self->fd, longer, sizeof(longer));
		receive_batch(self->fd, items, texts);
		for (i = 0; i < MANY; i++)
			ASSERT_STREQ(longer, texts[i]);
	}
	send_batch(self->fd, "short", 6);
	receive_batch(self->fd, items, texts);
	for (i = 0; i < MANY; i++)
		ASSERT_STREQ("short", texts[i]);
}

static pid_t spawn_poller(int fd, short event)
{
	pid_t pid = spawn();

	if (!pid)
		exit_when_polled(fd, event);
	WAIT_UNTIL(sleeps(pid));
	return pid;
}

TEST_F(plain, batch_wakes_who_polls)
{
	static char texts[MANY][SIZE];
	struct mbox_recv items[MANY];
	pid_t poller = spawn_poller(self->fd, POLLIN);

	send_batch(self->fd, "x", 1);
	EXPECT_EQ(0, join(poller));
	poller = spawn_poller(self->fd, POLLOUT);
	receive_batch(self->fd, items, texts);
	EXPECT_EQ(0, join(poller));
}

#define TURNS	200

struct clocked {
	pthread_t thread;
	uint64_t clocks[TURNS * MANY];
};

static void *send_and_receive_batches(void *data)
{
	struct clocked *clocked = data;
	int fd = mailbox(attributes(MANY, SIZE));
	struct mbox_recv items[MANY];
	char texts[MANY][SIZE];
	int i, k;

	for (i = 0; i < TURNS; i++) {
		send_batch(fd, "x", 1);
		receive_batch(fd, items, texts);
		for (k = 0; k < MANY; k++)
			clocked->clocks[i * MANY + k] = items[k].clock;
	}
	close(fd);
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Both have the clock of their process, which goes on between two events. */
TEST_F(plain, batches_of_two_threads_are_events_one_after_the_other)
{
	static struct clocked two[2];
	uint64_t all[2 * TURNS * MANY];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&two[i].thread, NULL, send_and_receive_batches, &two[i]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(two[i].thread, NULL));
		memcpy(all + i * TURNS * MANY, two[i].clocks, sizeof(two[i].clocks));
	}
	qsort(all, 2 * TURNS * MANY, sizeof(all[0]), by_number);
	for (i = 1; i < 2 * TURNS * MANY; i++)
		ASSERT_LT(all[i - 1], all[i]);
}

/*
 * Who waits with real-time priority, on a processor that another one needs to send.
 */

static long sleeps_of_this_thread(void)
{
	struct rusage usage;

	NEED(!getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_nvcsw;
}

static void have_priority_on_one_processor(void)
{
	struct sched_param param = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	NEED(!sched_setaffinity(0, sizeof(set), &set));
	NEED(!sched_setscheduler(0, SCHED_FIFO, &param));
}

/* With PREEMPT_RT it sleeps for many reasons. */
static bool may_count_sleeps(void)
{
	return access("/sys/kernel/realtime", F_OK);
}

TEST_F(plain, receive_of_a_real_time_task_lets_the_sender_run_and_does_not_sleep)
{
	uint32_t *awake = shared(sizeof(*awake));
	pid_t child = spawn(), sender;
	struct letter letter;
	long before;
	int i;

	if (child) {
		EXPECT_EQ(0, join(child));
		if (may_count_sleeps())
			EXPECT_LT(0, told(awake));
		return;
	}
	have_priority_on_one_processor();
	/* Through the general way, and from then on the short one. */
	NEED(!post(self->fd, 0, "x", 0));
	NEED(!fetch(self->fd, 0, &letter));
	for (i = 0; i < 10; i++) {
		sender = spawn();
		if (!sender)
			_exit(post(self->fd, 0, "y", 0));
		before = sleeps_of_this_thread();
		NEED(!fetch_and_wait(self->fd, 0, &letter));
		if (sleeps_of_this_thread() == before)
			tell(awake, told(awake) + 1);
		NEED(!strcmp(letter.text, "y"));
		NEED(!join(sender));
	}
	_exit(0);
}

/*
 * Calls: by a thread, to the thread of the test.
 */

struct caller {
	pthread_t thread;
	int fd;
	struct mbox_call *how;
	int error;
};

static void *run_call(void *data)
{
	struct caller *caller = data;

	caller->error = call(caller->fd, MBOX_IOC_CALL, caller->how);
	return NULL;
}

static void begin_to_call(struct caller *caller, int fd, struct mbox_call *how)
{
	caller->fd = fd;
	caller->how = how;
	NEED(!pthread_create(&caller->thread, NULL, run_call, caller));
}

static int end_of_call(struct caller *caller)
{
	NEED(!pthread_join(caller->thread, NULL));
	return caller->error;
}

static uint64_t take_request(int fd)
{
	struct letter letter;

	NEED(!receive_as(fd, (struct mbox_recv){ .flags = MBOX_RECV_TOKEN }, &letter));
	NEED(letter.env.token);
	return letter.env.token;
}

static int reply_to(int fd, uint64_t token)
{
	struct mbox_reply reply = {
		.token = token, .buf = (uintptr_t)"reply", .len = 5,
	};

	return call(fd, MBOX_IOC_REPLY, &reply);
}

static struct mbox_call call_of(const char *text, uint64_t len, char *reply, uint64_t size)
{
	return (struct mbox_call){
		.buf = (uintptr_t)text, .len = len, .reply = (uintptr_t)reply, .size = size,
	};
}

static void call_and_reply(int fd)
{
	struct mbox_call how;
	struct caller caller;
	char reply[8] = "";

	how = call_of("request", 7, reply, sizeof(reply));
	begin_to_call(&caller, fd, &how);
	NEED(!reply_to(fd, take_request(fd)));
	NEED(!end_of_call(&caller));
	NEED(how.reply_len == 5 && !strcmp(reply, "reply"));
}

TEST_F(plain, call_whose_structure_cannot_be_read_is_none)
{
	call_and_reply(self->fd);
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_CALL, (void *)8));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_CALL,
			       before_a_hole(sizeof(struct mbox_call) - 1)));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(0, state(self->fd, 0).requests);
	call_and_reply(self->fd);
}

TEST_F(plain, call_whose_structure_cannot_be_written_loses_its_reply)
{
	struct mbox_call *how = before_a_hole(PAGE);
	struct caller caller;
	char reply[8];

	call_and_reply(self->fd);
	*how = call_of("request", 7, reply, sizeof(reply));
	NEED(!mprotect(how, PAGE, PROT_READ));
	begin_to_call(&caller, self->fd, how);
	EXPECT_EQ(0, reply_to(self->fd, take_request(self->fd)));
	EXPECT_EQ(EFAULT, end_of_call(&caller));
	EXPECT_EQ(0, state(self->fd, 0).requests);
	call_and_reply(self->fd);
}

/*
 * Where there is no memory.
 */

/* What the module asks for is denied to this thread meanwhile. */
static int call_in_need(int fd, unsigned long command, void *arg)
{
	int error;

	fail_always(code_of_module());
	error = call(fd, command, arg);
	fail_always(no_code);
	return error;
}

/* While the one request that is kept is another thread's. */
TEST_F(plain, call_without_memory_for_its_request_is_none)
{
	struct mbox_call how, second;
	struct caller caller;
	char reply[8];
	uint64_t token;

	if (!can_deny_memory())
		SKIP(return, "the kernel cannot deny memory");
	call_and_reply(self->fd);
	second = how = call_of("request", 7, reply, sizeof(reply));
	begin_to_call(&caller, self->fd, &how);
	token = take_request(self->fd);
	EXPECT_EQ(ENOMEM, call_in_need(self->fd, MBOX_IOC_CALL, &second));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).requests);
	EXPECT_EQ(0, reply_to(self->fd, token));
	EXPECT_EQ(0, end_of_call(&caller));
	call_and_reply(self->fd);
}

TEST_F(plain, call_without_memory_for_its_message_is_none)
{
	static char text[LONG];
	struct mbox_call how;
	char reply[8];

	if (!can_deny_memory())
		SKIP(return, "the kernel cannot deny memory");
	call_and_reply(self->fd);
	how = call_of(text, sizeof(text), reply, sizeof(reply));
	EXPECT_EQ(ENOMEM, call_in_need(self->fd, MBOX_IOC_CALL, &how));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(0, state(self->fd, 0).requests);
	call_and_reply(self->fd);
}

/* The caller goes on waiting, and can be replied to. */
TEST_F(plain, reply_without_memory_before_a_receive_is_none)
{
	static char text[LONG], buf[LONG];
	struct mbox_reply reply = { .buf = (uintptr_t)text, .len = sizeof(text) };
	struct mbox_recv how = {
		.flags = MBOX_RECV_TOKEN | MBOX_RECV_REPLY | MBOX_RECV_NONBLOCK,
		.buf = (uintptr_t)buf, .size = sizeof(buf), .reply = (uintptr_t)&reply,
	};
	struct mbox_call call;
	struct caller caller;

	if (!can_deny_memory())
		SKIP(return, "the kernel cannot deny memory");
	call_and_reply(self->fd);
	call = call_of("request", 7, buf, sizeof(buf));
	begin_to_call(&caller, self->fd, &call);
	reply.token = take_request(self->fd);
	EXPECT_EQ(ENOMEM, call_in_need(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_EQ(1, state(self->fd, 0).requests);
	EXPECT_EQ(0, reply_to(self->fd, reply.token));
	EXPECT_EQ(0, end_of_call(&caller));
	EXPECT_EQ(5, call.reply_len);
}

/*
 * Senders that wait for room: threads.
 */

struct sender {
	pthread_t thread;
	int fd;
	const char *text;
	uint32_t prio;
	int error;
};

static void *run_sender(void *data)
{
	struct sender *sender = data;
	struct mbox_send how = { .prio = sender->prio };

	sender->error = send_as(sender->fd, sender->text, &how);
	return NULL;
}

/* It is the @nr-th that waits. */
static void begin_to_send(struct sender *sender, uint32_t nr)
{
	NEED(!pthread_create(&sender->thread, NULL, run_sender, sender));
	wait_for_senders(sender->fd, 0, nr);
}

static int end_of_send(struct sender *sender)
{
	NEED(!pthread_join(sender->thread, NULL));
	return sender->error;
}

static void fill(int fd, uint32_t nr)
{
	while (nr--)
		NEED(!post(fd, 0, "full", 0));
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

TEST_F(plain, senders_that_wait_are_let_in_by_priority_and_arrival)
{
	struct sender senders[] = {
		{ .fd = self->fd, .text = "c", .prio = 0 },
		{ .fd = self->fd, .text = "a", .prio = 2 },
		{ .fd = self->fd, .text = "d", .prio = 0 },
		{ .fd = self->fd, .text = "b", .prio = 2 },
	};
	uint32_t i;

	fill(self->fd, MANY);
	for (i = 0; i < ARRAY_SIZE(senders); i++)
		begin_to_send(&senders[i], i + 1);
	EXPECT_EQ(EAGAIN, post(self->fd, 0, "e", 0));
	/* Each that goes lets one in. */
	expect_next(_metadata, self->fd, "full");
	EXPECT_EQ(0, end_of_send(&senders[1]));
	EXPECT_EQ(3, state(self->fd, 0).senders);
	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(0, end_of_send(&senders[3]));
	expect_next(_metadata, self->fd, "b");
	EXPECT_EQ(0, end_of_send(&senders[0]));
	EXPECT_EQ(1, state(self->fd, 0).senders);
	for (i = 0; i < MANY - 1; i++)
		expect_next(_metadata, self->fd, "full");
	EXPECT_EQ(0, end_of_send(&senders[2]));
	expect_next(_metadata, self->fd, "c");
	expect_next(_metadata, self->fd, "d");
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

/* Who waits for much room keeps out those behind it, but not who comes before it. */
TEST_F(plain, sender_that_waits_is_overtaken_by_priority_only)
{
	struct mbox_create attr = attributes(MANY, 4);
	struct sender large = { .text = "1234" }, behind = { .text = "5" };

	attr.max_bytes = 10;
	large.fd = behind.fd = mailbox(attr);
	fill(large.fd, 2);
	begin_to_send(&large, 1);
	EXPECT_EQ(EAGAIN, post(large.fd, 0, "6", 0));
	begin_to_send(&behind, 2);
	EXPECT_EQ(0, send_as(large.fd, "7", &(struct mbox_send){ .prio = 1 }));
	EXPECT_EQ(2, state(large.fd, 0).senders);
	expect_next(_metadata, large.fd, "7");
	expect_next(_metadata, large.fd, "full");
	EXPECT_EQ(0, end_of_send(&large));
	EXPECT_EQ(0, end_of_send(&behind));
	expect_next(_metadata, large.fd, "full");
	expect_next(_metadata, large.fd, "1234");
	expect_next(_metadata, large.fd, "5");
}

TEST_F(plain, sender_that_waits_is_told_of_the_end)
{
	struct sender sender = { .fd = self->fd, .text = "text" };

	fill(self->fd, MANY);
	begin_to_send(&sender, 1);
	ASSERT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EIDRM, end_of_send(&sender));
}

TEST_F(plain, sender_that_waits_ends_with_a_signal)
{
	struct sender sender = { .fd = self->fd, .text = "text" };
	struct mbox_stat stat;

	take_signals(0);
	fill(self->fd, MANY);
	stat = state(self->fd, 0);
	begin_to_send(&sender, 1);
	ASSERT_EQ(0, pthread_kill(sender.thread, SIGUSR1));
	EXPECT_EQ(EINTR, end_of_send(&sender));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

static int change_mode(int fd, uint32_t mode)
{
	struct mbox_change change = { .flags = MBOX_CHANGE_MODE, .mode = mode };

	return call(fd, MBOX_IOC_CHANGE, &change);
}

/* Root insists on it by its capability, and takes another seat. */
TEST_F(plain, sender_that_waits_insists_on_its_right)
{
	struct sender sender = { .fd = self->fd, .text = "text" };

	fill(self->fd, MANY);
	begin_to_send(&sender, 1);
	ASSERT_EQ(0, change_mode(self->fd, 0));
	wait_for_senders(self->fd, 0, 1);
	expect_next(_metadata, self->fd, "full");
	EXPECT_EQ(0, end_of_send(&sender));
	EXPECT_EQ(MANY, state(self->fd, 0).msgs);
}

TEST_F(plain, sender_that_waits_is_told_that_its_right_is_gone)
{
	uint64_t id = state(self->fd, 0).id;
	pid_t child;

	ASSERT_EQ(0, change_mode(self->fd, 0602));
	fill(self->fd, MANY - 1);
	child = spawn();
	if (!child) {
		struct mbox_send how = { };
		int fd;

		become(1000, 1000);
		fd = descriptor(id, O_RDWR);
		NEED(!post(fd, 0, "mine", 0));
		_exit(send_as(fd, "text", &how));
	}
	wait_for_senders(self->fd, 0, 1);
	ASSERT_EQ(0, change_mode(self->fd, 0600));
	EXPECT_EQ(EKEYREVOKED, join(child));
	EXPECT_EQ(MANY, state(self->fd, 0).msgs);
	EXPECT_EQ(0, state(self->fd, 0).senders);
}

/*
 * Streams: a thread reads or writes, and waits.
 */

struct stream {
	pthread_t thread;
	int fd;
	bool writes;
	char *bytes;
	size_t size;
	ssize_t len;
	int error;
};

/* By the system calls, of which a compiler does not know what addresses they want. */
static void *run_stream(void *data)
{
	struct stream *stream = data;

	stream->len = syscall(stream->writes ? SYS_write : SYS_read, stream->fd, stream->bytes,
			      stream->size);
	stream->error = stream->len < 0 ? errno : 0;
	return NULL;
}

static void begin_stream(struct stream *stream)
{
	NEED(!pthread_create(&stream->thread, NULL, run_stream, stream));
	if (stream->writes)
		wait_for_senders(stream->fd, 0, 1);
	else
		wait_for_receivers(stream->fd, 0, 1);
}

static int end_stream(struct stream *stream)
{
	NEED(!pthread_join(stream->thread, NULL));
	return stream->error;
}

TEST_F(plain, write_and_read_are_of_any_length)
{
	static char sent[SIZE], received[SIZE];
	size_t len;

	for (len = 1; len <= SIZE; len += len < 200 ? 1 : 37) {
		memset(sent, len, len);
		memset(received, 0, sizeof(received));
		ASSERT_EQ((ssize_t)len, write(self->fd, sent, len));
		ASSERT_EQ((ssize_t)len, read(self->fd, received, sizeof(received)));
		ASSERT_EQ(0, memcmp(sent, received, len));
		ASSERT_TRUE(len == SIZE || !received[len]);
	}
}

/* Nobody can reply to what was read. */
TEST_F(plain, read_that_waits_gets_the_bytes_of_a_request)
{
	char bytes[SIZE], reply[8];
	struct stream stream = { .fd = self->fd, .bytes = bytes, .size = SIZE };
	struct mbox_call how = call_of("request", 7, reply, sizeof(reply));

	begin_stream(&stream);
	EXPECT_EQ(ECANCELED, call(self->fd, MBOX_IOC_CALL, &how));
	EXPECT_EQ(0, end_stream(&stream));
	EXPECT_EQ(7, stream.len);
	EXPECT_EQ(0, memcmp("request", bytes, 7));
	EXPECT_EQ(0, state(self->fd, 0).requests);
}

/* Nobody has the file then. */
TEST_F(plain, read_that_waits_gets_the_bytes_that_come_with_a_file)
{
	struct mbox_create attr = attributes(MANY, SIZE);
	struct mbox_send how = { .nr_files = 1 };
	char bytes[SIZE];
	struct stream stream = { .bytes = bytes, .size = SIZE };
	struct pollfd other_end;
	int ends[2], fd;

	ASSERT_EQ(0, pipe(ends));
	other_end = (struct pollfd){ .fd = ends[0] };
	attr.flags = MBOX_CREATE_FILES;
	fd = stream.fd = mailbox(attr);
	how.files = (uintptr_t)&ends[1];
	begin_stream(&stream);
	EXPECT_EQ(0, send_as(fd, "text", &how));
	EXPECT_EQ(0, end_stream(&stream));
	EXPECT_EQ(4, stream.len);
	EXPECT_EQ(0, memcmp("text", bytes, 4));
	close(ends[1]);
	WAIT_UNTIL(poll(&other_end, 1, 0) == 1 && other_end.revents == POLLHUP);
	close(ends[0]);
}

/* Root does by its capability, and takes another seat. */
TEST_F(plain, read_and_write_that_wait_insist_on_their_right)
{
	char bytes[SIZE] = "text";
	struct stream reader = { .bytes = bytes, .size = SIZE };
	struct stream writer = { .bytes = bytes, .size = 4, .writes = true };
	uint64_t id = state(self->fd, 0).id;
	pid_t child;

	/* Of another process, which does not own the mailbox. */
	ASSERT_EQ(0, change_mode(self->fd, 0600));
	child = spawn();
	if (!child) {
		reader.fd = writer.fd = descriptor(id, O_RDWR);
		NEED(write(reader.fd, "a", 1) == 1 && read(reader.fd, bytes, SIZE) == 1);
		begin_stream(&reader);
		NEED(!change_mode(reader.fd, 0));
		usleep(10000);
		NEED(!post(reader.fd, 0, "b", 0));
		NEED(!end_stream(&reader) && reader.len == 1);
		NEED(!change_mode(reader.fd, 0600));
		fill(reader.fd, MANY);
		begin_stream(&writer);
		NEED(!change_mode(writer.fd, 0));
		usleep(10000);
		NEED(read(writer.fd, bytes, SIZE) == 4);
		_exit(end_stream(&writer));
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(MANY, state(self->fd, 0).msgs);
}

TEST_F(plain, read_that_waits_leaves_a_request_that_it_cannot_take)
{
	struct stream stream = { .fd = self->fd, .bytes = unmapped(), .size = SIZE };
	struct mbox_call how;
	struct caller caller;
	char reply[8];

	how = call_of("request", 7, reply, sizeof(reply));
	begin_stream(&stream);
	begin_to_call(&caller, self->fd, &how);
	EXPECT_EQ(EFAULT, end_stream(&stream));
	EXPECT_EQ(0, reply_to(self->fd, take_request(self->fd)));
	EXPECT_EQ(0, end_of_call(&caller));
}

TEST_F(plain, read_that_waits_leaves_a_message_that_it_cannot_take)
{
	struct stream bad = { .fd = self->fd, .bytes = unmapped(), .size = SIZE };
	struct letter letter;
	char bytes[4];
	struct stream small = { .fd = self->fd, .bytes = bytes, .size = 3 };

	begin_stream(&bad);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(EFAULT, end_stream(&bad));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	begin_stream(&small);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	EXPECT_EQ(EMSGSIZE, end_stream(&small));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_STREQ("text", letter.text);
}

TEST_F(plain, read_and_write_that_wait_end_with_a_signal)
{
	char bytes[SIZE] = "one too many";
	struct stream reader = { .fd = self->fd, .bytes = bytes, .size = SIZE };
	struct stream writer = { .fd = self->fd, .bytes = bytes, .size = 12, .writes = true };
	uint32_t i;

	take_signals(0);
	begin_stream(&reader);
	ASSERT_EQ(0, pthread_kill(reader.thread, SIGUSR1));
	EXPECT_EQ(EINTR, end_stream(&reader));
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(1, write(self->fd, "a", 1));
	begin_stream(&writer);
	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_EQ(EINTR, end_stream(&writer));
	EXPECT_EQ(0, state(self->fd, 0).senders);
	EXPECT_EQ(MANY, state(self->fd, 0).msgs);
}

/* As they are for a descriptor that does not know the process. */
TEST_F(plain, read_and_write_that_wait_get_what_they_wait_for)
{
	char bytes[SIZE], text[] = "text";
	struct stream reader = { .fd = self->fd, .bytes = bytes, .size = SIZE };
	struct stream writer = { .fd = self->fd, .bytes = text, .size = 4, .writes = true };
	struct letter letter;
	uint32_t i;

	begin_stream(&reader);
	ASSERT_EQ(5, write(self->fd, "first", 5));
	EXPECT_EQ(0, end_stream(&reader));
	EXPECT_EQ(5, reader.len);
	EXPECT_EQ(0, memcmp("first", bytes, 5));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(1, write(self->fd, "a", 1));
	begin_stream(&writer);
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(1, read(self->fd, bytes, SIZE));
	EXPECT_EQ(0, end_stream(&writer));
	EXPECT_EQ(4, writer.len);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	EXPECT_EQ(0, letter.env.prio);
	EXPECT_EQ(0, letter.env.tag);
}

TEST_F(plain, write_without_memory_sends_nothing)
{
	static char text[LONG];
	struct mbox_stat stat;
	int error;

	if (!can_deny_memory())
		SKIP(return, "the kernel cannot deny memory");
	ASSERT_EQ(1, write(self->fd, "a", 1));
	stat = state(self->fd, 0);
	fail_always(code_of_module());
	error = error_of(write(self->fd, text, sizeof(text)));
	fail_always(no_code);
	EXPECT_EQ(ENOMEM, error);
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(LONG, write(self->fd, text, sizeof(text)));
}

TEST_HARNESS_MAIN
