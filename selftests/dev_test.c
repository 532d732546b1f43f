// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The descriptor: read and write as messages, poll and epoll, and what open,
 * dup and close do to the mailbox, which is nothing.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define SIZE 16

/* The calls themselves: the C library's prototypes know which arguments are bad. */
static int try_read(int fd, void *buf, size_t size)
{
	return error_of(syscall(SYS_read, fd, buf, size));
}

static int try_write(int fd, const void *buf, size_t len)
{
	return error_of(syscall(SYS_write, fd, buf, len));
}

static void expect_next(struct __test_metadata *_metadata, int fd, const char *text)
{
	struct letter letter;

	ASSERT_EQ(0, fetch(fd, 0, &letter));
	EXPECT_STREQ(text, letter.text);
}

FIXTURE(stream) {
	int fd;
};

FIXTURE_SETUP(stream)
{
	begin();
	self->fd = mailbox(attributes(4, SIZE));
}

FIXTURE_TEARDOWN(stream)
{
	sweep();
}

TEST_F(stream, write_sends_one_message_of_the_least_priority)
{
	struct letter letter;

	EXPECT_EQ(3, write(self->fd, "abc", 3));
	EXPECT_EQ(2, write(self->fd, "de", 2));
	EXPECT_EQ(2, state(self->fd, 0).msgs);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_STREQ("abc", letter.text);
	EXPECT_EQ(0, letter.env.prio);
	EXPECT_EQ(getpid(), letter.env.pid);
	expect_next(_metadata, self->fd, "de");
}

TEST_F(stream, read_receives_one_message)
{
	char buf[SIZE + 4];

	ASSERT_EQ(0, post(self->fd, 0, "low", 0));
	ASSERT_EQ(0, post(self->fd, 0, "high", 1));
	memset(buf, POISON, sizeof(buf));
	EXPECT_EQ(4, read(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp("high", buf, 4));
	EXPECT_EQ(POISON, (unsigned char)buf[4]);
	EXPECT_EQ(3, read(self->fd, buf, 3));
	EXPECT_EQ(0, memcmp("low", buf, 3));
	EXPECT_EQ(0, state(self->fd, 0).msgs);
	EXPECT_EQ(2, state(self->fd, 0).received);
}

TEST_F(stream, writev_sends_one_message)
{
	struct iovec parts[] = { { "ab", 2 }, { NULL, 0 }, { "cde", 3 }, { "f", 1 } };

	EXPECT_EQ(6, writev(self->fd, parts, ARRAY_SIZE(parts)));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	expect_next(_metadata, self->fd, "abcdef");
}

TEST_F(stream, readv_receives_one_message)
{
	char first[2], second[8];
	struct iovec parts[] = { { first, 2 }, { NULL, 0 }, { second, 8 } };

	ASSERT_EQ(0, post(self->fd, 0, "abcde", 0));
	ASSERT_EQ(0, post(self->fd, 0, "f", 0));
	memset(second, POISON, sizeof(second));
	EXPECT_EQ(5, readv(self->fd, parts, ARRAY_SIZE(parts)));
	EXPECT_EQ(0, memcmp("ab", first, 2));
	EXPECT_EQ(0, memcmp("cde", second, 3));
	EXPECT_EQ(POISON, (unsigned char)second[3]);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
}

TEST_F(stream, write_of_no_byte_sends_nothing)
{
	struct iovec none[] = { { NULL, 0 }, { "a", 0 } };
	struct mbox_stat stat = state(self->fd, 0);

	EXPECT_EQ(0, write(self->fd, "a", 0));
	EXPECT_EQ(0, write(self->fd, NULL, 0));
	EXPECT_EQ(0, writev(self->fd, none, 2));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(stream, read_of_an_empty_message_returns_0_and_takes_it)
{
	char buf[SIZE];

	memset(buf, POISON, sizeof(buf));
	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(0, read(self->fd, buf, SIZE));
	EXPECT_EQ(POISON, (unsigned char)buf[0]);
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(1, read(self->fd, buf, SIZE));
}

TEST_F(stream, read_of_no_byte_takes_nothing)
{
	struct mbox_stat stat;
	char byte;

	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	stat = state(self->fd, 0);
	EXPECT_EQ(0, read(self->fd, &byte, 0));
	EXPECT_EQ(0, read(self->fd, NULL, 0));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(stream, write_of_too_much_is_refused_as_a_whole)
{
	/* Not on the stack: read and write refuse what reaches beyond all addresses. */
	static char text[SIZE + 1];
	struct iovec parts[] = { { text, SIZE }, { text, 1 } };
	struct mbox_stat stat = state(self->fd, 0);

	EXPECT_EQ(EMSGSIZE, try_write(self->fd, text, SIZE + 1));
	EXPECT_EQ(EMSGSIZE, try_write(self->fd, text, 1UL << 31));
	EXPECT_EQ(EMSGSIZE, error_of(writev(self->fd, parts, 2)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(SIZE, write(self->fd, text, SIZE));
}

TEST_F(stream, read_into_too_little_leaves_the_message)
{
	struct mbox_stat stat;
	char buf[SIZE];

	ASSERT_EQ(0, post(self->fd, 0, "abcd", 0));
	stat = state(self->fd, 0);
	memset(buf, POISON, sizeof(buf));
	EXPECT_EQ(EMSGSIZE, try_read(self->fd, buf, 3));
	EXPECT_EQ(POISON, (unsigned char)buf[0]);
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(4, read(self->fd, buf, 4));
}

TEST_F(stream, write_from_a_bad_address_sends_nothing)
{
	struct mbox_stat stat = state(self->fd, 0);
	char *end = before_a_hole(2);
	struct iovec parts[] = { { "ab", 2 }, { unmapped(), 2 } };

	EXPECT_EQ(EFAULT, try_write(self->fd, NULL, 1));
	EXPECT_EQ(EFAULT, try_write(self->fd, unmapped(), 1));
	EXPECT_EQ(EFAULT, try_write(self->fd, end, 3));
	EXPECT_EQ(EFAULT, error_of(writev(self->fd, parts, 2)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
}

TEST_F(stream, read_to_a_bad_address_leaves_the_message_in_its_place)
{
	char first[2], *end = before_a_hole(2);
	struct iovec parts[] = { { first, 2 }, { unmapped(), 8 } };
	struct mbox_stat stat;

	ASSERT_EQ(0, post(self->fd, 0, "abcd", 1));
	ASSERT_EQ(0, post(self->fd, 0, "e", 1));
	stat = state(self->fd, 0);
	EXPECT_EQ(EFAULT, try_read(self->fd, NULL, SIZE));
	EXPECT_EQ(EFAULT, try_read(self->fd, unmapped(), SIZE));
	EXPECT_EQ(EFAULT, try_read(self->fd, end, SIZE));
	EXPECT_EQ(EFAULT, error_of(readv(self->fd, parts, 2)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	expect_next(_metadata, self->fd, "abcd");
	expect_next(_metadata, self->fd, "e");
}

TEST_F(stream, blocks_until_it_can_go_on)
{
	pid_t child = spawn();
	char buf[SIZE];
	int i;

	if (!child)
		_exit(read(self->fd, buf, SIZE) == 1 && buf[0] == 'a' ? 0 : 1);
	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(1, write(self->fd, "a", 1));
	EXPECT_EQ(0, join(child));

	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, write(self->fd, "b", 1));
	child = spawn();
	if (!child)
		_exit(write(self->fd, "c", 1) == 1 ? 0 : 1);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(1, read(self->fd, buf, SIZE));
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(4, state(self->fd, 0).msgs);
}

TEST_F(stream, does_not_block_when_told_so_after_opening)
{
	char buf[SIZE];
	int i;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(EAGAIN, try_read(self->fd, buf, SIZE));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, write(self->fd, "a", 1));
	EXPECT_EQ(EAGAIN, try_write(self->fd, "a", 1));
	EXPECT_EQ(4, state(self->fd, 0).msgs);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, read(self->fd, buf, SIZE));
	EXPECT_EQ(EAGAIN, try_read(self->fd, buf, SIZE));
}

TEST_F(stream, has_no_position)
{
	char buf[SIZE];

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(ESPIPE, error_of(pread(self->fd, buf, SIZE, 0)));
	EXPECT_EQ(ESPIPE, error_of(pwrite(self->fd, "b", 1, 0)));
	EXPECT_EQ(ESPIPE, error_of(lseek(self->fd, 0, SEEK_SET)));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).sent);
}

TEST_F(stream, needs_the_mode_it_was_opened_with)
{
	uint64_t id = state(self->fd, 0).id;
	char buf[SIZE];

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EBADF, try_write(descriptor(id, O_RDONLY), "b", 1));
	EXPECT_EQ(EBADF, try_read(descriptor(id, O_WRONLY), buf, SIZE));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(1, state(self->fd, 0).sent);
}

TEST_F(stream, needs_a_mailbox)
{
	int fd = device(O_RDWR);
	char buf[SIZE];

	EXPECT_EQ(ENOTCONN, try_write(fd, "a", 1));
	EXPECT_EQ(ENOTCONN, try_read(fd, buf, SIZE));
}

FIXTURE(descriptor) {
	int fd;
	uint64_t id;
};

FIXTURE_SETUP(descriptor)
{
	begin();
	self->fd = mailbox(attributes(4, SIZE));
	self->id = state(self->fd, 0).id;
}

FIXTURE_TEARDOWN(descriptor)
{
	sweep();
}

TEST_F(descriptor, that_is_duplicated_is_bound_to_the_same)
{
	int before = device(O_RDWR), copy = dup(before);

	ASSERT_EQ(0, bind_by_id(before, self->id));
	EXPECT_EQ(self->id, state(copy, 0).id);
	ASSERT_EQ(0, close(before));
	EXPECT_EQ(0, post(copy, 0, "a", 0));
	expect_next(_metadata, self->fd, "a");
}

TEST_F(descriptor, that_is_closed_leaves_the_mailbox)
{
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, close(self->fd));
	self->fd = descriptor(self->id, O_RDWR);
	expect_next(_metadata, self->fd, "a");
}

TEST_F(descriptor, is_one_of_very_many)
{
	struct rlimit limit = { 3000, 3000 };
	unsigned int i;
	int fd = -1;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < 2000; i++)
		fd = descriptor(self->id, O_RDWR);
	EXPECT_EQ(0, post(fd, 0, "a", 0));
	EXPECT_EQ(0, delete(fd, 0));
	EXPECT_EQ(EIDRM, post(self->fd, 0, "a", 0));
}

TEST_F(descriptor, that_is_closed_in_the_middle_of_a_call_changes_nothing)
{
	int fd = descriptor(self->id, O_RDWR);
	char buf[SIZE];
	struct task *receiver = start_receiving(fd, buf, sizeof(buf));

	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(1, state(self->fd, 0).receivers);
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(0, finish(receiver));
	EXPECT_EQ('a', buf[0]);
}

FIXTURE(poll) {
	int fd;
};

FIXTURE_SETUP(poll)
{
	begin();
	/* One large message, or two small ones. */
	self->fd = mailbox((struct mbox_create){
		.max_msgs = 2,
		.max_size = 10,
		.max_bytes = 15,
		.mode = 0600,
	});
}

FIXTURE_TEARDOWN(poll)
{
	sweep();
}

/* All that poll has to tell now. */
static int events(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };

	NEED(poll(&pollfd, 1, 0) >= 0);
	return pollfd.revents;
}

TEST_F(poll, says_in_while_there_is_a_message)
{
	struct letter letter;

	EXPECT_EQ(POLLOUT, events(self->fd));
	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	EXPECT_EQ(POLLIN | POLLOUT, events(self->fd));
	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	EXPECT_EQ(POLLIN, events(self->fd));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(POLLIN | POLLOUT, events(self->fd));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(POLLOUT, events(self->fd));
}

TEST_F(poll, says_out_only_while_the_largest_message_would_be_accepted)
{
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "12345", 0));
	EXPECT_EQ(POLLIN | POLLOUT, events(self->fd));
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	/* Ten bytes would not fit, though four would. */
	ASSERT_EQ(0, post(self->fd, 0, "123456", 0));
	EXPECT_EQ(POLLIN, events(self->fd));
	EXPECT_EQ(0, post(self->fd, 0, "1234", 0));
}

TEST_F(poll, does_not_say_out_while_a_sender_waits)
{
	pid_t sender;

	ASSERT_EQ(0, post(self->fd, 0, "12345", 0));
	ASSERT_EQ(0, post(self->fd, 0, "", 0));
	sender = spawn_sender(self->fd, 0, "123456789", 0);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(POLLIN, events(self->fd));
	end(sender);
	EXPECT_EQ(POLLIN, events(self->fd));
	expect_next(_metadata, self->fd, "12345");
	EXPECT_EQ(POLLIN | POLLOUT, events(self->fd));
}

TEST_F(poll, says_error_on_a_descriptor_that_is_bound_to_nothing)
{
	EXPECT_EQ(POLLERR, events(device(O_RDWR)));
}

TEST_F(poll, says_everything_when_the_mailbox_is_gone)
{
	ASSERT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, events(self->fd));
}

TEST_F(poll, tells_state_and_not_rights)
{
	struct mbox_create attr = attributes(1, 1);
	pid_t child;
	int fd;

	attr.mode = 0;
	fd = mailbox(attr);
	ASSERT_EQ(0, post(fd, 0, "a", 0));
	child = spawn();
	if (!child) {
		become(1000, 1000);
		NEED(post(fd, 0, "a", 0) == EACCES);
		_exit(events(fd) == POLLIN ? 0 : 1);
	}
	EXPECT_EQ(0, join(child));
}

/* A child that polls for one event; 0 if it was told that one. */
static pid_t spawn_poller(int fd, short event, uint32_t *polls)
{
	pid_t child = spawn();

	if (child)
		return child;
	NEED(!(events(fd) & event));
	tell(polls, true);
	exit_when_polled(fd, event);
}

static void wait_for_poller(pid_t poller, uint32_t *polls)
{
	WAIT_UNTIL(told(polls) && sleeps(poller));
}

TEST_F(poll, wakes_when_a_message_comes)
{
	uint32_t *polls = shared(sizeof(*polls));
	pid_t poller = spawn_poller(self->fd, POLLIN, polls);

	wait_for_poller(poller, polls);
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(0, join(poller));
}

TEST_F(poll, wakes_when_there_is_room)
{
	uint32_t *polls = shared(sizeof(*polls));
	struct letter letter;
	pid_t poller;

	ASSERT_EQ(0, post(self->fd, 0, "1234567890", 0));
	poller = spawn_poller(self->fd, POLLOUT, polls);
	wait_for_poller(poller, polls);
	ASSERT_EQ(0, fetch(self->fd, 0, &letter));
	EXPECT_EQ(0, join(poller));
}

TEST_F(poll, wakes_when_a_message_is_put_back)
{
	uint32_t *polls = shared(sizeof(*polls));
	struct stall stall = new_stall();
	struct task *receiver;
	pid_t poller;

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	receiver = start_receiving(self->fd, stall.page, SIZE);
	wait_for_stall(&stall);
	EXPECT_EQ(POLLOUT, events(self->fd));
	poller = spawn_poller(self->fd, POLLIN, polls);
	wait_for_poller(poller, polls);
	fail_stall(&stall);
	EXPECT_EQ(EFAULT, finish(receiver));
	EXPECT_EQ(0, join(poller));
}

struct poll_task {
	int fd;
	int revents;
	uint32_t tid;
};

static void *run_poll(void *data)
{
	struct poll_task *task = data;
	struct pollfd pollfd = { .fd = task->fd, .events = POLLIN };

	tell(&task->tid, syscall(SYS_gettid));
	NEED(poll(&pollfd, 1, -1) == 1);
	task->revents = pollfd.revents;
	return NULL;
}

/* The one that sleeps holds the file; awake again, poll looks for it in vain. */
TEST_F(poll, wakes_also_when_the_descriptor_was_closed_meanwhile)
{
	struct poll_task task = { .fd = self->fd };
	uint64_t id = state(self->fd, 0).id;
	int other = device(O_RDWR);
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, run_poll, &task));
	WAIT_UNTIL(told(&task.tid) && sleeps(told(&task.tid)));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, post(other, id, "a", 0));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(POLLNVAL, task.revents);
}

FIXTURE(epoll) {
	int fd;
	int epoll;
};

FIXTURE_SETUP(epoll)
{
	begin();
	self->fd = mailbox(attributes(8, SIZE));
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
}

FIXTURE_TEARDOWN(epoll)
{
	sweep();
}

static void watch(int epoll, int fd, uint32_t wanted)
{
	struct epoll_event event = { .events = wanted };

	NEED(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

/* What epoll has to tell now; 0 for nothing. */
static uint32_t epoll_events(int epoll)
{
	struct epoll_event event = { };
	int count = epoll_wait(epoll, &event, 1, 0);

	NEED(count >= 0);
	return count ? event.events : 0;
}

TEST_F(epoll, tells_a_level_again_and_again)
{
	watch(self->epoll, self->fd, EPOLLIN);
	EXPECT_EQ(0, epoll_events(self->epoll));
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EPOLLIN, epoll_events(self->epoll));
	EXPECT_EQ(EPOLLIN, epoll_events(self->epoll));
	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(0, epoll_events(self->epoll));
}

TEST_F(epoll, tells_an_edge_for_every_message)
{
	int i;

	watch(self->epoll, self->fd, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, epoll_events(self->epoll));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, post(self->fd, 0, "a", 0));
		EXPECT_EQ(EPOLLIN, epoll_events(self->epoll));
		EXPECT_EQ(0, epoll_events(self->epoll));
	}
	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(0, epoll_events(self->epoll));
}

TEST_F(epoll, tells_an_edge_for_the_message_of_a_sender_that_waited)
{
	pid_t sender;
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	watch(self->epoll, self->fd, EPOLLIN | EPOLLET);
	EXPECT_EQ(EPOLLIN, epoll_events(self->epoll));
	sender = spawn_sender(self->fd, 0, "b", 0);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(0, epoll_events(self->epoll));
	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(EPOLLIN, epoll_events(self->epoll));
	EXPECT_EQ(0, epoll_events(self->epoll));
}

TEST_F(epoll, tells_an_edge_when_there_is_room_again)
{
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	watch(self->epoll, self->fd, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, epoll_events(self->epoll));
	expect_next(_metadata, self->fd, "a");
	EXPECT_EQ(EPOLLOUT, epoll_events(self->epoll));
	EXPECT_EQ(0, epoll_events(self->epoll));
}

TEST_F(epoll, tells_every_instance_that_watches)
{
	int other = epoll_create1(EPOLL_CLOEXEC);

	watch(self->epoll, self->fd, EPOLLIN);
	watch(other, self->fd, EPOLLIN);
	watch(other, self->epoll, EPOLLIN);
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	EXPECT_EQ(EPOLLIN, epoll_events(self->epoll));
	EXPECT_EQ(EPOLLIN, epoll_events(other));
	ASSERT_EQ(0, close(self->epoll));
	EXPECT_EQ(EPOLLIN, epoll_events(other));
}

TEST_F(epoll, tells_of_the_end_whatever_it_was_asked)
{
	watch(self->epoll, self->fd, EPOLLET);
	EXPECT_EQ(0, epoll_events(self->epoll));
	ASSERT_EQ(0, delete(self->fd, 0));
	EXPECT_EQ(EPOLLERR | EPOLLHUP, epoll_events(self->epoll));
	EXPECT_EQ(0, epoll_events(self->epoll));
}

TEST_F(epoll, forgets_a_descriptor_that_is_closed)
{
	uint64_t id = state(self->fd, 0).id;
	int fd = device(O_RDWR);

	watch(self->epoll, self->fd, EPOLLIN);
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, post(fd, id, "a", 0));
	EXPECT_EQ(0, epoll_events(self->epoll));
	ASSERT_EQ(0, delete(fd, id));
	EXPECT_EQ(0, epoll_events(self->epoll));
}

TEST_HARNESS_MAIN
