// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files: a message brings open files, to one receiver or to nobody, while the mailbox
 * has an owner; and what nobody gets is closed.
 */
#include "kselftest_harness.h"
#include "fault.h"
#include "files.h"
#include "module.h"

#include <sys/epoll.h>

#define MOST	MBOX_FILES_MAX

/*
 * What comes with a message, in a mailbox of the test's own.
 */
FIXTURE(box) {
	int fd;
	int files[MOST];	/* open, each for itself */
	unsigned int before;	/* descriptors of the test */
};

FIXTURE_SETUP(box)
{
	unsigned int i;

	begin_accounts();
	self->fd = mailbox(for_files(8));
	for (i = 0; i < MOST; i++) {
		self->files[i] = memfd_create("file", MFD_CLOEXEC);
		NEED(self->files[i] >= 0);
	}
	self->before = descriptors_of(getpid());
}

FIXTURE_TEARDOWN(box)
{
	end_files(self->fd);
}

/* They came, in that order, each as a new descriptor; slots behind them say so. */
static void expect_files(struct __test_metadata *_metadata, const struct bundle *bundle,
			 uint32_t room, const int *files, uint32_t nr)
{
	uint32_t i;

	EXPECT_EQ(nr, bundle->letter.env.nr_files);
	for (i = 0; i < nr; i++) {
		ASSERT_LE(0, bundle->files[i]);
		EXPECT_NE(files[i], bundle->files[i]);
		EXPECT_TRUE(same_file(getpid(), files[i], getpid(), bundle->files[i]));
		EXPECT_EQ(FD_CLOEXEC, fcntl(bundle->files[i], F_GETFD));
	}
	for (; i < room; i++)
		EXPECT_EQ(-1, bundle->files[i]);
	EXPECT_EQ(UNTOUCHED, bundle->files[room]);
}

/* Nobody's descriptors have changed, and nothing is in flight. */
static void expect_none(struct __test_metadata *_metadata, FIXTURE_DATA(box) *self)
{
	EXPECT_EQ(self->before, descriptors_of(getpid()));
	WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
}

TEST_F(box, brings_up_to_64_files_in_order)
{
	static const uint32_t numbers[] = { 1, 2, 3, 17, 63, 64 };
	struct bundle bundle;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, numbers[i]));
		EXPECT_EQ(numbers[i], files_of(self->fd, 0));
		EXPECT_EQ(numbers[i], files_here(self->fd));
		EXPECT_EQ(self->before, descriptors_of(getpid()));
		ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
		expect_files(_metadata, &bundle, MOST, self->files, numbers[i]);
		EXPECT_STREQ("text", bundle.letter.text);
		EXPECT_EQ(4, bundle.letter.env.len);
		EXPECT_EQ(0, bundle.letter.env.got);
		EXPECT_EQ(getpid(), bundle.letter.env.pid);
		EXPECT_EQ(i + 1, bundle.letter.env.seq);
		drop_files(&bundle);
		expect_none(_metadata, self);
	}
}

TEST_F(box, brings_none_where_none_were_sent)
{
	struct bundle bundle;
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, NULL, 0);
	EXPECT_EQ(0, bundle.letter.env.got);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	ASSERT_EQ(0, take_as(self->fd, (struct mbox_recv){ }, 0, &bundle));
	expect_files(_metadata, &bundle, 0, NULL, 0);
	ASSERT_EQ(0, post(self->fd, 0, "text", 0));
	ASSERT_EQ(0, receive_plainly(self->fd, 0, 0, &letter));
	EXPECT_EQ(0, letter.env.nr_files);
	EXPECT_EQ(0, letter.env.got);
	expect_none(_metadata, self);
}

TEST_F(box, brings_files_of_just_the_number_that_fits)
{
	struct bundle bundle;

	ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 3));
	ASSERT_EQ(0, take_as(self->fd, (struct mbox_recv){ }, 3, &bundle));
	expect_files(_metadata, &bundle, 3, self->files, 3);
	drop_files(&bundle);
	expect_none(_metadata, self);
}

TEST_F(box, brings_files_with_a_message_of_no_bytes)
{
	struct bundle bundle;

	ASSERT_EQ(0, post_files(self->fd, 0, "", self->files, 2));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, self->files, 2);
	EXPECT_EQ(0, bundle.letter.env.len);
	drop_files(&bundle);
}

/* Not copies: they share the offset. */
TEST_F(box, brings_the_same_open_file)
{
	struct bundle bundle;
	char text[8] = "";

	NEED(write(self->files[0], "abcdef", 6) == 6);
	ASSERT_EQ(0, post_file(self->fd, 0, "text", self->files[0]));
	/* What happens to it meanwhile has happened. */
	NEED(lseek(self->files[0], 2, SEEK_SET) == 2);
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, self->files, 1);
	EXPECT_EQ(2, read(bundle.files[0], text, 2));
	EXPECT_STREQ("cd", text);
	EXPECT_EQ(4, lseek(self->files[0], 0, SEEK_CUR));
	NEED(lseek(self->files[0], 1, SEEK_SET) == 1);
	EXPECT_EQ(1, lseek(bundle.files[0], 0, SEEK_CUR));
	drop_files(&bundle);
	/* Closed there is not closed here. */
	EXPECT_EQ(1, lseek(self->files[0], 0, SEEK_CUR));
}

TEST_F(box, brings_files_as_they_are_open)
{
	int files[] = {
		open("/dev/zero", O_RDONLY), open("/dev/zero", O_WRONLY | O_APPEND),
		open("/dev/zero", O_RDWR | O_NONBLOCK), open("/", O_RDONLY | O_DIRECTORY),
		open("/dev/zero", O_PATH),
	};
	const unsigned int nr = ARRAY_SIZE(files);
	struct bundle bundle;
	unsigned int i;

	ASSERT_EQ(0, post_files(self->fd, 0, "text", files, nr));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, files, nr);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(fcntl(files[i], F_GETFL), fcntl(bundle.files[i], F_GETFL));
	drop_files(&bundle);
}

TEST_F(box, brings_one_file_as_often_as_it_was_given)
{
	int files[MOST];
	struct bundle bundle;
	unsigned int i;

	for (i = 0; i < MOST; i++)
		files[i] = self->files[i % 2];
	ASSERT_EQ(0, post_files(self->fd, 0, "text", files, MOST));
	EXPECT_EQ(MOST, files_of(self->fd, 0));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, files, MOST);
	EXPECT_EQ(self->before + MOST, descriptors_of(getpid()));
	drop_files(&bundle);
	expect_none(_metadata, self);
}

TEST_F(box, keeps_files_that_the_sender_closes)
{
	struct line line = new_line();
	struct bundle bundle;
	char c = 0;

	ASSERT_EQ(0, post_file(self->fd, 0, "text", line.end));
	let_go(&line);
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	EXPECT_EQ(1, write(bundle.files[0], "x", 1));
	EXPECT_EQ(1, read(line.ear, &c, 1));
	EXPECT_EQ('x', c);
	drop_files(&bundle);
	EXPECT_TRUE(is_dead(line));
}

TEST_F(box, keeps_files_with_their_message)
{
	struct bundle bundle;
	uint32_t i;

	/* Message i has i files and priority i % 3. */
	for (i = 0; i < 6; i++) {
		struct mbox_send how = with_files(0, self->files + i, i);
		char text[2] = { 'a' + i, 0 };

		how.prio = i % 3;
		ASSERT_EQ(0, send_as(self->fd, text, &how));
	}
	EXPECT_EQ(1 + 2 + 3 + 4 + 5, files_of(self->fd, 0));
	for (i = 0; i < 6; i++) {
		static const uint32_t order[] = { 2, 5, 1, 4, 0, 3 };
		uint32_t nr = order[i];

		ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
		EXPECT_EQ('a' + nr, bundle.letter.text[0]);
		expect_files(_metadata, &bundle, MOST, self->files + nr, nr);
		drop_files(&bundle);
	}
	expect_none(_metadata, self);
}

TEST_F(box, gives_files_to_a_waiting_receiver)
{
	struct mbox_recv how = { .files = (uintptr_t)calloc(MOST, sizeof(int)) };
	const int *slots = (int *)(uintptr_t)how.files;
	struct task *task = calloc(1, sizeof(*task));

	task->fd = self->fd;
	task->command = MBOX_IOC_RECV;
	task->recv = how;
	task->recv.flags = MBOX_RECV_FILES;
	task->recv.nr_files = 4;
	start_task(task);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, post_files(self->fd, 0, "", self->files, 3));
	NEED(!pthread_join(task->thread, NULL));
	EXPECT_EQ(0, task->error);
	EXPECT_EQ(3, task->recv.nr_files);
	EXPECT_TRUE(same_file(getpid(), slots[0], getpid(), self->files[0]));
	EXPECT_TRUE(same_file(getpid(), slots[1], getpid(), self->files[1]));
	EXPECT_TRUE(same_file(getpid(), slots[2], getpid(), self->files[2]));
	EXPECT_EQ(-1, slots[3]);
	EXPECT_EQ(self->before + 3, descriptors_of(getpid()));
	EXPECT_EQ(0, files_of(self->fd, 0));
}

/* The descriptor is looked up when the call begins. */
TEST_F(box, takes_from_a_waiting_sender_what_it_has_closed)
{
	struct task *task = calloc(1, sizeof(*task));
	struct line line = new_line();
	struct bundle bundle;
	int i, file = line.end;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, post(self->fd, 0, "full", 0));
	task->fd = self->fd;
	task->command = MBOX_IOC_SEND;
	task->send = with_files(0, &file, 1);
	start_task(task);
	wait_for_senders(self->fd, 0, 1);
	EXPECT_EQ(1, files_of(self->fd, 0));
	let_go(&line);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	ASSERT_EQ(0, finish(task));
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	EXPECT_EQ(1, bundle.letter.env.nr_files);
	EXPECT_EQ(1, write(bundle.files[0], "x", 1));
	drop_files(&bundle);
	EXPECT_TRUE(is_dead(line));
}

/*
 * The mark.
 */

TEST_F(box, passes_the_mark_on)
{
	struct mbox_send how = with_files(0, self->files, 1);
	struct bundle bundle;
	struct letter letter;
	int i;

	how.flags = MBOX_SEND_SHARED;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, send_as(self->fd, "text", &how));
	EXPECT_EQ(0, receive_plainly(self->fd, 0, MBOX_RECV_PEEK, &letter));
	EXPECT_EQ(MBOX_GOT_SHARED, letter.env.got);
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	EXPECT_EQ(MBOX_GOT_SHARED, bundle.letter.env.got);
	expect_files(_metadata, &bundle, MOST, self->files, 1);
	drop_files(&bundle);
	ASSERT_EQ(0, receive_plainly(self->fd, 0, 0, &letter));
	EXPECT_EQ(MBOX_GOT_SHARED | MBOX_GOT_FILES_LOST, letter.env.got);
	/* It is of one message. */
	ASSERT_EQ(0, post_file(self->fd, 0, "text", self->files[0]));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	EXPECT_EQ(0, bundle.letter.env.got);
	drop_files(&bundle);
}

/*
 * Arguments.
 */

TEST_F(box, sends_nothing_if_a_descriptor_is_bad)
{
	struct mbox_usage usage = usage_of(self->fd, 0), after;
	struct mbox_stat stat = state(self->fd, 0);
	static const int bad[] = { -1, -EBADF, 1000000, INT_MAX, INT_MIN, 0 };
	static const uint32_t places[] = { 0, 1, 31, 62, 63 };
	int closed = dup(0), file;
	unsigned int i, k;

	NEED(closed >= 0 && !close(closed));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (k = 0; k < ARRAY_SIZE(places); k++) {
			file = self->files[places[k]];
			self->files[places[k]] = bad[i] ?: closed;
			EXPECT_EQ(EBADF, post_files(self->fd, 0, "text", self->files, MOST));
			EXPECT_EQ(EBADF, post_files(self->fd, 0, "text", self->files,
						    places[k] + 1));
			self->files[places[k]] = file;
		}
	}
	after = usage_of(self->fd, 0);
	EXPECT_EQ(0, memcmp(&usage, &after, sizeof(usage)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(self->before, descriptors_of(getpid()));
	/* Those before the bad one were given back. */
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct line line = new_line();
		int files[2] = { line.end, bad[i] ?: closed };

		/* The pipe may have got that number. */
		if (fcntl(files[1], F_GETFD) >= 0)
			files[1] = -1;
		EXPECT_EQ(EBADF, post_files(self->fd, 0, "text", files, 2));
		let_go(&line);
		EXPECT_TRUE(is_dead(line));
	}
}

TEST_F(box, sends_only_as_many_as_there_may_be)
{
	static const uint32_t numbers[] = { MOST + 1, 65536, INT_MAX, UINT32_MAX };
	struct mbox_stat stat = state(self->fd, 0);
	struct mbox_send how;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		how = with_files(0, self->files, numbers[i]);
		EXPECT_EQ(EINVAL, send_as(self->fd, "text", &how));
	}
	how = with_files(0, self->files, 1);
	how.reserved3 = 1;
	EXPECT_EQ(EINVAL, send_as(self->fd, "text", &how));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	expect_none(_metadata, self);
}

TEST_F(box, sends_nothing_if_the_array_is_bad)
{
	struct mbox_stat stat = state(self->fd, 0);
	int *part = before_a_hole(2 * sizeof(int));
	struct line line = new_line();

	EXPECT_EQ(EFAULT, post_files(self->fd, 0, "text", NULL, 1));
	EXPECT_EQ(EFAULT, post_files(self->fd, 0, "text", unmapped(), 1));
	EXPECT_EQ(EFAULT, post_files(self->fd, 0, "text", unmapped(), MOST));
	part[0] = part[1] = line.end;
	EXPECT_EQ(EFAULT, post_files(self->fd, 0, "text", part, 3));
	EXPECT_EQ(EFAULT, post_files(self->fd, 0, "text", part + 2, 1));
	EXPECT_EQ(EFAULT, post_files(self->fd, 0, "text", (int *)(uintptr_t)-4096, 1));
	/* The array is good, the text is not. */
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_SEND, &(struct mbox_send){
		.buf = (uintptr_t)unmapped(), .len = 8, .files = (uintptr_t)part, .nr_files = 2,
	}));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	WAIT_UNTIL(!files_of(self->fd, 0));
	let_go(&line);
	EXPECT_TRUE(is_dead(line));
	close(line.ear);
	expect_none(_metadata, self);
	/* The end of the array is where it has to be. */
	part[0] = part[1] = self->files[0];
	EXPECT_EQ(0, post_files(self->fd, 0, "text", part, 2));
}

TEST_F(box, receives_files_only_with_arguments_that_make_sense)
{
	const struct mbox_recv bad[] = {
		{ .flags = MBOX_RECV_FILES | MBOX_RECV_PEEK, .nr_files = 1 },
		{ .flags = MBOX_RECV_FILES, .nr_files = MOST + 1 },
		{ .flags = MBOX_RECV_FILES, .nr_files = UINT32_MAX },
		{ .flags = MBOX_RECV_FILES, .nr_files = 1, .reserved = 1 },
		{ .nr_files = 1 },
		{ .nr_files = MOST },
		{ .reserved = 1 },
		{ .flags = MBOX_RECV_PEEK, .nr_files = 1 },
	};
	struct mbox_usage usage, after;
	struct bundle bundle;
	struct mbox_stat stat;
	unsigned int i;

	ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 1));
	usage = usage_of(self->fd, 0);
	stat = state(self->fd, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct mbox_recv how = bad[i];

		how.files = (uintptr_t)bundle.files;
		memset(&bundle, POISON, sizeof(bundle));
		EXPECT_EQ(EINVAL, receive_as(self->fd, how, &bundle.letter)) {
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(how.nr_files, bundle.letter.env.nr_files);
		EXPECT_EQ(UNTOUCHED, bundle.files[0]);
	}
	after = usage_of(self->fd, 0);
	EXPECT_EQ(0, memcmp(&usage, &after, sizeof(usage)));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(self->before, descriptors_of(getpid()));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, self->files, 1);
}

TEST_F(box, is_none_for_files_unless_created_so)
{
	struct mbox_create kinds[] = {
		attributes(4, 64),
		attributes(0, 64),
		attributes(4, 64),
		attributes(4, 64),
	};
	struct mbox_send how;
	struct bundle bundle;
	unsigned int i;

	kinds[2].flags = MBOX_CREATE_PROCESS;
	kinds[2].mode = 0200;
	kinds[3].flags = MBOX_CREATE_RESERVE;
	kinds[3].max_bytes = MBOX_UNBOUNDED_BYTES;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t id = create(self->fd, kinds[i]);
		struct puppet *sender = new_puppet(self->fd, 0, 0);

		EXPECT_FALSE(state(self->fd, id).kind & MBOX_CREATE_FILES);
		how = with_files(id, NULL, 1);
		*(int *)sender->text = 0;
		how.files = (uintptr_t)sender->text;
		EXPECT_EQ(EOPNOTSUPP, call_by(sender, MBOX_IOC_SEND, &how));
		how.flags = MBOX_SEND_NONBLOCK;
		EXPECT_EQ(EOPNOTSUPP, call_by(sender, MBOX_IOC_SEND, &how));
		EXPECT_EQ(0, state(self->fd, id).sent);
		/* Who asks for files gets what there is. */
		if (kinds[i].max_msgs)
			EXPECT_EQ(0, post_by(sender, id, "text"));
		EXPECT_EQ(kinds[i].max_msgs ? 0 : EAGAIN, take_from(self->fd, id, &bundle));
		kill_puppet(sender);
	}
	EXPECT_TRUE(state(self->fd, 0).kind & MBOX_CREATE_FILES);
	EXPECT_EQ(0, files_of(self->fd, 0));
}

TEST_F(box, asks_for_the_right_before_it_looks_at_files)
{
	struct puppet *stranger = new_puppet(self->fd, STRANGER, STRANGER);
	struct mbox_send how = with_files(state(self->fd, 0).id, NULL, 1);
	uint64_t plain = create(self->fd, attributes(1, 64));

	*(int *)stranger->text = 0;
	how.files = (uintptr_t)stranger->text;
	EXPECT_EQ(EACCES, call_by(stranger, MBOX_IOC_SEND, &how));
	how.id = plain;
	EXPECT_EQ(EACCES, call_by(stranger, MBOX_IOC_SEND, &how));
	how.id = plain + 1;
	EXPECT_EQ(ENOENT, call_by(stranger, MBOX_IOC_SEND, &how));
	ASSERT_EQ(0, delete(self->fd, plain));
	how.id = plain;
	EXPECT_EQ(EIDRM, call_by(stranger, MBOX_IOC_SEND, &how));
	EXPECT_EQ(0, files_of(self->fd, STRANGER));
}

TEST_F(box, refuses_a_long_message_with_its_files)
{
	struct line line = new_line();
	char text[66];

	memset(text, 'a', 65);
	text[65] = '\0';
	EXPECT_EQ(EMSGSIZE, post_file(self->fd, 0, text, line.end));
	EXPECT_EQ(0, files_of(self->fd, 0));
	let_go(&line);
	EXPECT_TRUE(is_dead(line));
}

/* As everywhere: the message first by its size, then what is to be paid for it. */
TEST_F(box, finds_a_message_too_long_before_it_looks_at_its_files)
{
	static const char text[66];
	struct mbox_send how = { .buf = (uintptr_t)text, .len = 65, .nr_files = 1 };

	how.files = (uintptr_t)unmapped();
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_SEND, &how));
	how.files = (uintptr_t)self->files;
	wield(~(1ULL << CAP_SYS_RESOURCE));
	NEED(!set_tunable("ns_files", 0));
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_SEND, &how));
	how.len = 64;
	EXPECT_EQ(ENOSPC, call(self->fd, MBOX_IOC_SEND, &how));
	EXPECT_EQ(0, state(self->fd, 0).sent);
	wield(~0ULL);
}

/*
 * A look.
 */

TEST_F(box, shows_how_many_files_there_are_and_gives_none)
{
	struct mbox_recv how = { .flags = MBOX_RECV_PEEK };
	struct bundle bundle;
	struct letter letter;
	uint32_t i;

	for (i = 1; i <= 4; i++)
		ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, i));
	for (i = 0; i < 4; i++) {
		how.nth = i;
		how.nr_files = 0;
		poison_all(&how);
		ASSERT_EQ(0, receive_as(self->fd, how, &letter));
		EXPECT_EQ(i + 1, letter.env.nr_files);
		EXPECT_EQ(0, letter.env.got);
		EXPECT_STREQ("text", letter.text);
	}
	EXPECT_EQ(self->before, descriptors_of(getpid()));
	EXPECT_EQ(10, files_of(self->fd, 0));
	for (i = 1; i <= 4; i++) {
		ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
		expect_files(_metadata, &bundle, MOST, self->files, i);
		drop_files(&bundle);
	}
}

/*
 * Too little room.
 */

static void expect_intact(struct __test_metadata *_metadata, FIXTURE_DATA(box) *self,
			  const struct mbox_stat *stat, uint32_t nr)
{
	EXPECT_TRUE(same_state(*stat, state(self->fd, 0)));
	EXPECT_EQ(nr, files_of(self->fd, 0));
	EXPECT_EQ(nr, files_here(self->fd));
	EXPECT_EQ(self->before, descriptors_of(getpid()));
}

TEST_F(box, keeps_a_message_with_more_files_than_fit)
{
	uint64_t id = state(self->fd, 0).id;
	struct bundle bundle;
	struct mbox_stat stat;
	uint32_t room, i;

	ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 5));
	stat = state(self->fd, 0);
	for (room = 0; room < 5; room++) {
		EXPECT_EQ(EMSGSIZE, take_as(self->fd, (struct mbox_recv){ }, room, &bundle));
		EXPECT_EQ(5, bundle.letter.env.nr_files);
		EXPECT_EQ(4, bundle.letter.env.len);
		EXPECT_EQ(id, bundle.letter.env.from);
		/* Nothing else is told. */
		for (i = 0; i < MOST; i++)
			EXPECT_EQ(UNTOUCHED, bundle.files[i]);
		EXPECT_EQ((uint32_t)UNTOUCHED, bundle.letter.env.prio);
		EXPECT_EQ((uint32_t)UNTOUCHED, bundle.letter.env.got);
		EXPECT_EQ(UNTOUCHED, bundle.letter.env.tid);
		EXPECT_EQ((char)POISON, bundle.letter.text[0]);
		expect_intact(_metadata, self, &stat, 5);
	}
	ASSERT_EQ(0, take_as(self->fd, (struct mbox_recv){ }, 5, &bundle));
	expect_files(_metadata, &bundle, 5, self->files, 5);
	drop_files(&bundle);
	expect_none(_metadata, self);
}

/* With either too small both are told. */
TEST_F(box, keeps_a_message_that_does_not_fit_with_its_files)
{
	struct mbox_recv how = { .flags = MBOX_RECV_FILES };
	struct bundle bundle;
	struct mbox_stat stat;
	uint32_t room;
	char small[3];

	ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 2));
	stat = state(self->fd, 0);
	for (room = 0; room < 4; room++) {
		struct mbox_recv env = how;

		memset(&bundle, POISON, sizeof(bundle));
		poison_all(&env);
		env.buf = (uintptr_t)small;
		env.size = sizeof(small);
		env.files = (uintptr_t)bundle.files;
		env.nr_files = room;
		EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_RECV, &env));
		EXPECT_EQ(4, env.len);
		EXPECT_EQ(2, env.nr_files);
		EXPECT_EQ(UNTOUCHED, bundle.files[0]);
		expect_intact(_metadata, self, &stat, 2);
	}
	/* Who wants no files is told of them, too. */
	how = (struct mbox_recv){ .buf = (uintptr_t)small, .size = sizeof(small) };
	EXPECT_EQ(EMSGSIZE, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_EQ(4, how.len);
	EXPECT_EQ(2, how.nr_files);
	expect_intact(_metadata, self, &stat, 2);
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, self->files, 2);
}

TEST_F(box, cuts_files_with_the_message_if_asked_to)
{
	struct mbox_recv how = { .flags = MBOX_RECV_TRUNCATE };
	struct line lines[4];
	struct bundle bundle;
	uint32_t room, i;
	int files[4];

	for (room = 0; room <= 4; room++) {
		for (i = 0; i < 4; i++) {
			lines[i] = new_line();
			files[i] = lines[i].end;
		}
		ASSERT_EQ(0, post_files(self->fd, 0, "text", files, 4));
		for (i = 0; i < 4; i++)
			let_go(&lines[i]);
		ASSERT_EQ(0, take_as(self->fd, how, room, &bundle));
		EXPECT_STREQ("text", bundle.letter.text);
		/* As the length: what it was, not what is left. */
		EXPECT_EQ(4, bundle.letter.env.nr_files);
		EXPECT_EQ(room < 4 ? MBOX_GOT_FILES_LOST : 0, bundle.letter.env.got);
		for (i = 0; i < room; i++) {
			EXPECT_LE(0, bundle.files[i]);
			EXPECT_EQ(inode_of(lines[i].ear), inode_of(bundle.files[i]));
		}
		EXPECT_EQ(UNTOUCHED, bundle.files[room]);
		for (i = 0; i < 4; i++)
			EXPECT_EQ(i >= room, is_dead(lines[i]));
		EXPECT_EQ(0, files_of(self->fd, 0));
		drop_files(&bundle);
		for (i = 0; i < 4; i++) {
			EXPECT_TRUE(is_dead(lines[i]));
			close(lines[i].ear);
		}
		expect_none(_metadata, self);
	}
}

/*
 * Those who do not ask for files.
 */

TEST_F(box, says_what_who_did_not_ask_has_missed)
{
	struct line line = new_line();
	struct letter letter;

	ASSERT_EQ(0, post_file(self->fd, 0, "text", line.end));
	let_go(&line);
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, receive_plainly(self->fd, 0, 0, &letter));
	EXPECT_STREQ("text", letter.text);
	EXPECT_EQ(MBOX_GOT_FILES_LOST, letter.env.got);
	EXPECT_TRUE(is_dead(line));
	close(line.ear);
	expect_none(_metadata, self);
}

TEST_F(box, closes_the_files_of_what_is_read)
{
	struct line line = new_line();
	char text[8] = "";

	ASSERT_EQ(0, post_file(self->fd, 0, "text", line.end));
	let_go(&line);
	EXPECT_EQ(4, read(self->fd, text, sizeof(text)));
	EXPECT_STREQ("text", text);
	EXPECT_TRUE(is_dead(line));
	close(line.ear);
	expect_none(_metadata, self);
}

/* A program that was compiled before there were files. */
#define OLD(nr, type, member) \
	_IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, nr, offsetof(type, member))

TEST_F(box, serves_programs_that_know_of_no_files)
{
	struct mbox_recv recv = { .flags = 0 };
	struct mbox_send send = with_files(0, unmapped(), UINT32_MAX);
	struct line line = new_line();
	struct bundle bundle;
	char text[8] = "";

	send.buf = (uintptr_t)"text";
	send.len = 4;
	EXPECT_EQ(0, call(self->fd, OLD(0x03, struct mbox_send, files), &send));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, NULL, 0);

	ASSERT_EQ(0, post_file(self->fd, 0, "text", line.end));
	let_go(&line);
	memset(&recv, POISON, sizeof(recv));
	memset(&recv, 0, offsetof(struct mbox_recv, stamp));
	recv.buf = (uintptr_t)text;
	recv.size = sizeof(text);
	EXPECT_EQ(0, call(self->fd, OLD(0x04, struct mbox_recv, stamp), &recv));
	EXPECT_STREQ("text", text);
	EXPECT_EQ(4, recv.len);
	EXPECT_EQ((uint32_t)UNTOUCHED, recv.nr_files);
	EXPECT_EQ((uint32_t)UNTOUCHED, recv.got);
	EXPECT_TRUE(is_dead(line));
	close(line.ear);
	expect_none(_metadata, self);
}

TEST_F(box, tells_old_programs_what_is_used_but_not_of_files)
{
	struct mbox_usage usage;

	memset(&usage, POISON, sizeof(usage));
	usage.flags = 0;
	EXPECT_EQ(0, call(self->fd, OLD(0x0f, struct mbox_usage, user_files), &usage));
	EXPECT_EQ(1, usage.user_mailboxes);
	EXPECT_EQ(0, usage.reserved);
	EXPECT_EQ((uint32_t)UNTOUCHED, usage.user_files);
	EXPECT_EQ((uint32_t)UNTOUCHED, usage.ns_files_limit);
}

/*
 * Addresses.
 */

TEST_F(box, gives_nothing_to_an_array_that_cannot_be_written)
{
	int *part = before_a_hole(3 * sizeof(int)), *sealed = before_a_hole(PAGE);
	struct { void *files; uint32_t room; } bad[] = {
		{ NULL, 2 }, { unmapped(), 2 }, { unmapped(), MOST }, { part, 4 },
		{ part + 2, 2 }, { part + 3, 2 }, { part + 3, MOST }, { sealed, 2 },
		{ (void *)(uintptr_t)-4096, 2 },
	};
	struct mbox_recv how = { .flags = MBOX_RECV_FILES };
	struct bundle bundle;
	struct letter letter;
	struct mbox_stat stat;
	unsigned int i;

	memset(sealed, POISON, PAGE);
	NEED(!mprotect(sealed, PAGE, PROT_READ));
	ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 2));
	stat = state(self->fd, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		how.files = (uintptr_t)bad[i].files;
		how.nr_files = bad[i].room;
		EXPECT_EQ(EFAULT, receive_as(self->fd, how, &letter)) {
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(bad[i].room, letter.env.nr_files);
		expect_intact(_metadata, self, &stat, 2);
	}
	/* Where it ends is exact. */
	how.files = (uintptr_t)part;
	how.nr_files = 3;
	ASSERT_EQ(0, receive_as(self->fd, how, &letter));
	EXPECT_EQ(2, letter.env.nr_files);
	memcpy(bundle.files, part, 3 * sizeof(int));
	EXPECT_TRUE(same_file(getpid(), part[0], getpid(), self->files[0]));
	EXPECT_TRUE(same_file(getpid(), part[1], getpid(), self->files[1]));
	EXPECT_EQ(-1, part[2]);
	close(part[0]);
	close(part[1]);
	expect_none(_metadata, self);
}

TEST_F(box, gives_nothing_if_another_address_is_bad)
{
	struct mbox_recv *part = before_a_hole(PAGE), how = { .flags = MBOX_RECV_FILES };
	struct bundle bundle;
	struct mbox_stat stat;

	ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 2));
	stat = state(self->fd, 0);
	memset(&bundle, POISON, sizeof(bundle));
	how.buf = (uintptr_t)unmapped();
	how.size = 8;
	how.files = (uintptr_t)bundle.files;
	how.nr_files = 4;
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &how));
	expect_intact(_metadata, self, &stat, 2);
	/* What the kernel can read and not write. */
	*part = how;
	part->buf = (uintptr_t)bundle.letter.text;
	NEED(!mprotect(part, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, part));
	expect_intact(_metadata, self, &stat, 2);
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	expect_files(_metadata, &bundle, MOST, self->files, 2);
}

/*
 * Descriptors that cannot be had.
 */

/* So that no number below the last one that it opens is free; how many it opens. */
static int fill_descriptors(int number, int *opened)
{
	int nr = 0;

	do {
		NEED(nr < 64);
		opened[nr] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		NEED(opened[nr] >= 0);
	} while (opened[nr++] < number);
	return nr;
}

static void limit_descriptors(rlim_t limit)
{
	struct rlimit rlimit;

	NEED(!getrlimit(RLIMIT_NOFILE, &rlimit));
	rlimit.rlim_cur = limit;
	NEED(!setrlimit(RLIMIT_NOFILE, &rlimit));
}

TEST_F(box, says_of_each_file_whether_it_could_be_had)
{
	static const uint32_t rooms[] = { 0, 1, 3, 4, 5 };
	struct line lines[4];
	struct bundle bundle;
	unsigned int i;
	uint32_t k;

	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		uint32_t room = rooms[i];
		int files[4], opened[64], nr, last;
		struct rlimit old;

		for (k = 0; k < 4; k++) {
			lines[k] = new_line();
			files[k] = lines[k].end;
		}
		ASSERT_EQ(0, post_files(self->fd, 0, "text", files, 4));
		nr = fill_descriptors(lines[3].end, opened);
		last = opened[nr - 1];
		NEED(!getrlimit(RLIMIT_NOFILE, &old));
		limit_descriptors(last + 1 + room);
		ASSERT_EQ(0, take_as(self->fd, (struct mbox_recv){ }, 6, &bundle));
		NEED(!setrlimit(RLIMIT_NOFILE, &old));
		while (nr)
			close(opened[--nr]);
		for (k = 0; k < 4; k++)
			let_go(&lines[k]);
		/* All else is as ever. */
		EXPECT_STREQ("text", bundle.letter.text);
		EXPECT_EQ(4, bundle.letter.env.len);
		EXPECT_EQ(4, bundle.letter.env.nr_files);
		EXPECT_EQ(getpid(), bundle.letter.env.pid);
		EXPECT_EQ(0, state(self->fd, 0).msgs);
		EXPECT_EQ(0, files_of(self->fd, 0));
		for (k = 0; k < 4; k++) {
			if (k < room) {
				EXPECT_LT(last, bundle.files[k]);
				EXPECT_EQ(inode_of(lines[k].ear), inode_of(bundle.files[k]));
				EXPECT_FALSE(is_dead(lines[k]));
			} else {
				EXPECT_EQ(-EMFILE, bundle.files[k]);
				EXPECT_TRUE(is_dead(lines[k]));
			}
		}
		EXPECT_EQ(-1, bundle.files[4]);
		EXPECT_EQ(-1, bundle.files[5]);
		EXPECT_EQ(UNTOUCHED, bundle.files[6]);
		drop_files(&bundle);
		for (k = 0; k < 4; k++) {
			EXPECT_TRUE(is_dead(lines[k]));
			close(lines[k].ear);
		}
		expect_none(_metadata, self);
	}
}

/*
 * Every allocation and every copy of a send and of a receive fails in turn.
 */
TEST_F(box, sends_and_brings_files_whole_whatever_fails)
{
	unsigned int failed[2] = { 0, 0 };
	struct mbox_usage usage, after;
	struct mbox_stat stat;
	struct bundle bundle;
	int fault = open_faults(), nth, error;
	bool over = true;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	self->before = descriptors_of(getpid());
	for (nth = 1; over; nth++) {
		ASSERT_GT(100, nth);
		usage = usage_of(self->fd, 0);
		stat = state(self->fd, 0);
		set_fault(fault, nth);
		error = post_files(self->fd, 0, "text", self->files, 3);
		over = fault_is_over(fault);
		ASSERT_TRUE(!error || (over && (error == ENOMEM || error == EFAULT)));
		failed[0] += error != 0;
		if (!error) {
			ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
			expect_files(_metadata, &bundle, MOST, self->files, 3);
			drop_files(&bundle);
		} else {
			WAIT_UNTIL(!files_of(self->fd, 0));
			after = usage_of(self->fd, 0);
			EXPECT_EQ(0, memcmp(&usage, &after, sizeof(usage)));
			EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
		}
	}
	over = true;
	for (nth = 1; over; nth++) {
		ASSERT_GT(200, nth);
		ASSERT_EQ(0, post_files(self->fd, 0, "text", self->files, 3));
		stat = state(self->fd, 0);
		set_fault(fault, nth);
		error = take_as(self->fd, (struct mbox_recv){ }, 4, &bundle);
		over = fault_is_over(fault);
		ASSERT_TRUE(!error || (over && (error == ENOMEM || error == EFAULT)));
		failed[1] += error != 0;
		if (error) {
			EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
			EXPECT_EQ(3, files_of(self->fd, 0));
			EXPECT_EQ(self->before, descriptors_of(getpid()));
			ASSERT_EQ(0, take_as(self->fd, (struct mbox_recv){ }, 4, &bundle));
		}
		if (!over || error)
			expect_files(_metadata, &bundle, 4, self->files, 3);
		drop_files(&bundle);
		expect_none(_metadata, self);
	}
	EXPECT_LT(0, failed[0]);
	EXPECT_LT(0, failed[1]);
}

/*
 * How a file comes to nobody.
 */
FIXTURE(loss) {
	int fd;			/* bound to the mailbox */
	struct puppet *owner;
	struct puppet *receiver;	/* of the same user */
	int *slots;
	uint64_t id;
	struct line line;
};

FIXTURE_VARIANT(loss) {
	uint64_t kind;
	bool rendezvous;
	void (*lose)(FIXTURE_DATA(loss) *self);
};

FIXTURE_SETUP(loss)
{
	struct mbox_create attr = public_for_files(variant->rendezvous ? 0 : 2);

	begin_accounts();
	attr.flags |= variant->kind;
	if (variant->kind & MBOX_CREATE_PROCESS)
		attr.mode = 0222;
	if (variant->kind & MBOX_CREATE_RESERVE)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	self->fd = device(O_RDWR);
	self->slots = new_slots();
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->receiver = new_puppet(self->fd, OWNER, OWNER);
	self->id = create_by(self->owner, attr);
	NEED(!bind_by_id(self->fd, self->id));
	self->line = new_line();
}

FIXTURE_TEARDOWN(loss)
{
	end_files(self->fd);
}

/* The message has it, and nobody else. */
static void send_away(FIXTURE_DATA(loss) *self, uint64_t flags, uint64_t expires)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);

	how.flags = flags;
	how.expires = expires;
	NEED(!send_as(self->fd, "text", &how));
	let_go(&self->line);
	NEED(!is_dead(self->line) && files_of(self->fd, 0) == 1);
}

static void fill(FIXTURE_DATA(loss) *self)
{
	int error;

	do {
		error = post(self->fd, self->id, "full", 0);
	} while (!error);
	NEED(error == EAGAIN);
}

/* A child that waits to send it; nobody else has it. */
static pid_t wait_to_send(FIXTURE_DATA(loss) *self, struct mbox_send how)
{
	pid_t child;

	how.files = (uintptr_t)&self->line.end;
	how.nr_files = 1;
	child = spawn();
	if (!child) {
		take_signals(0);
		_exit(send_as(self->fd, "text", &how));
	}
	let_go(&self->line);
	return child;
}

static pid_t wait_for_room(FIXTURE_DATA(loss) *self, uint64_t flags)
{
	pid_t child;

	fill(self);
	child = wait_to_send(self, (struct mbox_send){ .flags = flags, .id = self->id });
	wait_for_senders(self->fd, 0, 1);
	NEED(!is_dead(self->line) && files_of(self->fd, 0) == 1);
	return child;
}

static void by_who_does_not_ask(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	NEED(!fetch_by(self->owner, self->id));
	NEED(self->owner->recv.got == MBOX_GOT_FILES_LOST);
}

static void by_who_reads(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	NEED(!ask(self->owner, do_read));
}

static void by_who_has_no_room(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	NEED(!take_by(self->owner, (struct mbox_recv){
		.flags = MBOX_RECV_TRUNCATE, .id = self->id }, self->slots, 0));
	NEED(self->owner->recv.got == MBOX_GOT_FILES_LOST);
}

static void by_deletion(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	NEED(!delete_by(self->owner, self->id));
}

static void by_the_end_of_the_owner(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	kill_puppet(self->owner);
}

static void by_the_end_of_an_heir(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	NEED(!transfer_by(self->owner, self->id, self->receiver->pid, 0));
	kill_puppet(self->receiver);
}

static void by_expiry(FIXTURE_DATA(loss) *self)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);

	how.flags = MBOX_SEND_EXPIRES;
	how.expires = now() + 500 * MSEC;
	NEED(!send_as(self->fd, "text", &how));
	let_go(&self->line);
}

static void by_expiry_in_the_past(FIXTURE_DATA(loss) *self)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);

	how.flags = MBOX_SEND_EXPIRES;
	how.expires = 1;
	send_as(self->fd, "text", &how);
	let_go(&self->line);
}

static void by_expiry_while_it_waits(FIXTURE_DATA(loss) *self)
{
	struct mbox_send how = {
		.id = self->id, .flags = MBOX_SEND_EXPIRES, .expires = now() + 10 * MSEC,
	};

	fill(self);
	NEED(join(wait_to_send(self, how)) == ETIMEDOUT);
}

static void for_want_of_room(FIXTURE_DATA(loss) *self)
{
	fill(self);
	NEED(post_file(self->fd, self->id, "text", self->line.end) == EAGAIN);
	let_go(&self->line);
}

static void by_deadline(FIXTURE_DATA(loss) *self)
{
	struct mbox_send how = {
		.id = self->id, .flags = MBOX_SEND_TIMEOUT, .deadline = now() + 10 * MSEC,
	};

	fill(self);
	NEED(join(wait_to_send(self, how)) == ETIMEDOUT);
}

static void by_deadline_of_who_wants_it_received(FIXTURE_DATA(loss) *self)
{
	struct mbox_send how = {
		.id = self->id, .flags = MBOX_SEND_TIMEOUT | MBOX_SEND_SYNC,
		.deadline = now() + 10 * MSEC,
	};

	NEED(join(wait_to_send(self, how)) == ETIMEDOUT);
}

static void by_signal(FIXTURE_DATA(loss) *self)
{
	pid_t child = wait_for_room(self, 0);

	NEED(!kill(child, SIGUSR1));
	NEED(join(child) == EINTR);
}

static void by_signal_to_who_wants_it_received(FIXTURE_DATA(loss) *self)
{
	pid_t child = wait_to_send(self, (struct mbox_send){
		.id = self->id, .flags = MBOX_SEND_SYNC });

	WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
	WAIT_UNTIL(sleeps(child));
	NEED(!is_dead(self->line));
	NEED(!kill(child, SIGUSR1));
	NEED(join(child) == EINTR);
	NEED(!state(self->fd, 0).msgs);
}

static void by_the_end_of_the_sender(FIXTURE_DATA(loss) *self)
{
	end(wait_for_room(self, 0));
}

static void by_the_end_of_who_wants_it_received(FIXTURE_DATA(loss) *self)
{
	pid_t child = wait_to_send(self, (struct mbox_send){
		.id = self->id, .flags = MBOX_SEND_SYNC });

	WAIT_UNTIL(state(self->fd, 0).msgs + state(self->fd, 0).senders);
	WAIT_UNTIL(sleeps(child));
	NEED(!is_dead(self->line));
	end(child);
	WAIT_UNTIL(!state(self->fd, 0).msgs);
}

static void by_deletion_before_there_is_room(FIXTURE_DATA(loss) *self)
{
	pid_t child = wait_for_room(self, 0);

	NEED(!delete_by(self->owner, self->id));
	NEED(join(child) == EIDRM);
}

static void by_the_end_of_the_owner_before_there_is_room(FIXTURE_DATA(loss) *self)
{
	pid_t child = wait_for_room(self, 0);

	kill_puppet(self->owner);
	NEED(join(child) == EOWNERDEAD);
}

static void by_the_end_of_a_process_owner_before_there_is_room(FIXTURE_DATA(loss) *self)
{
	pid_t child = wait_for_room(self, 0);

	kill_puppet(self->owner);
	NEED(join(child) == EIDRM);
}

static void by_losing_the_right_to_send(FIXTURE_DATA(loss) *self)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);
	pid_t child;

	fill(self);
	child = spawn();
	if (!child) {
		become(STRANGER, STRANGER);
		_exit(send_as(self->fd, "text", &how));
	}
	let_go(&self->line);
	wait_for_senders(self->fd, 0, 1);
	NEED(files_of(self->fd, STRANGER) == 1);
	NEED(!chmod_by(self->owner, self->id, 0600));
	NEED(join(child) == EKEYREVOKED);
}

static void by_the_end_of_who_has_taken_it(FIXTURE_DATA(loss) *self)
{
	send_away(self, 0, 0);
	NEED(!take_by(self->owner, (struct mbox_recv){ .id = self->id }, self->slots, 1));
	NEED(same_file(self->owner->pid, self->slots[0], self->owner->pid, self->slots[0]));
	NEED(!is_dead(self->line) && !files_of(self->fd, 0));
	kill_puppet(self->owner);
}

#define LOSS(_name, ...)			\
	FIXTURE_VARIANT_ADD(loss, _name) {	\
		.lose = _name, __VA_ARGS__	\
	}

LOSS(by_who_does_not_ask);
LOSS(by_who_reads);
LOSS(by_who_has_no_room);
LOSS(by_deletion);
LOSS(by_the_end_of_the_owner);
LOSS(by_the_end_of_an_heir);
LOSS(by_expiry);
LOSS(by_expiry_in_the_past);
LOSS(by_expiry_while_it_waits);
LOSS(for_want_of_room);
LOSS(by_deadline);
LOSS(by_deadline_of_who_wants_it_received);
LOSS(by_signal);
LOSS(by_signal_to_who_wants_it_received);
LOSS(by_the_end_of_the_sender);
LOSS(by_the_end_of_who_wants_it_received);
LOSS(by_deletion_before_there_is_room);
LOSS(by_the_end_of_the_owner_before_there_is_room);
LOSS(by_losing_the_right_to_send);
LOSS(by_the_end_of_who_has_taken_it);

#define LOSS_OF(_kind, _name, ...)			\
	FIXTURE_VARIANT_ADD(loss, _kind##_##_name) {	\
		.lose = _name, __VA_ARGS__		\
	}

#define OF_PROCESS	.kind = MBOX_CREATE_PROCESS

LOSS_OF(of_a_process, by_who_does_not_ask, OF_PROCESS);
LOSS_OF(of_a_process, by_deletion, OF_PROCESS);
LOSS_OF(of_a_process, by_the_end_of_the_owner, OF_PROCESS);
LOSS_OF(of_a_process, by_the_end_of_the_sender, OF_PROCESS);
LOSS_OF(of_a_process, by_the_end_of_who_has_taken_it, OF_PROCESS);
LOSS_OF(of_a_process, by_the_end_of_a_process_owner_before_there_is_room, OF_PROCESS);

LOSS_OF(rendezvous, for_want_of_room, .rendezvous = true);
LOSS_OF(rendezvous, by_deadline, .rendezvous = true);
LOSS_OF(rendezvous, by_signal, .rendezvous = true);
LOSS_OF(rendezvous, by_expiry_while_it_waits, .rendezvous = true);
LOSS_OF(rendezvous, by_the_end_of_the_sender, .rendezvous = true);
LOSS_OF(rendezvous, by_deletion_before_there_is_room, .rendezvous = true);
LOSS_OF(rendezvous, by_the_end_of_the_owner_before_there_is_room, .rendezvous = true);
LOSS_OF(rendezvous, by_losing_the_right_to_send, .rendezvous = true);

#define RESERVED	.kind = MBOX_CREATE_RESERVE

LOSS_OF(reserved, by_who_does_not_ask, RESERVED);
LOSS_OF(reserved, by_deletion, RESERVED);
LOSS_OF(reserved, by_the_end_of_the_owner, RESERVED);
LOSS_OF(reserved, by_expiry, RESERVED);
LOSS_OF(reserved, for_want_of_room, RESERVED);
LOSS_OF(reserved, by_deadline, RESERVED);
LOSS_OF(reserved, by_signal, RESERVED);
LOSS_OF(reserved, by_the_end_of_the_sender, RESERVED);
LOSS_OF(reserved, by_signal_to_who_wants_it_received, RESERVED);
LOSS_OF(reserved, by_deletion_before_there_is_room, RESERVED);
LOSS_OF(reserved, by_the_end_of_the_owner_before_there_is_room, RESERVED);

TEST_F(loss, closes_what_nobody_gets)
{
	variant->lose(self);
	ASSERT_EQ(-1, self->line.end);
	WAIT_UNTIL(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0) && !files_of(self->fd, STRANGER));
	WAIT_UNTIL(!files_here(self->fd));
}

/*
 * Mailboxes that lose their owner.
 */
FIXTURE(orphan) {
	int fd;			/* bound to the mailbox */
	struct puppet *owner;
	struct puppet *heir;	/* of the same user */
	struct puppet *reader;	/* root */
	int *slots;
	uint64_t id;
	struct line line;
};

FIXTURE_SETUP(orphan)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->slots = new_slots();
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->heir = new_puppet(self->fd, OWNER, OWNER);
	self->reader = new_puppet(self->fd, 0, 0);
	self->id = create_by(self->owner, public_for_files(4));
	NEED(!bind_by_id(self->fd, self->id));
	self->line = new_line();
}

FIXTURE_TEARDOWN(orphan)
{
	end_files(self->fd);
}

static int post_line(FIXTURE_DATA(orphan) *self, const char *text)
{
	return post_file(self->fd, self->id, text, self->line.end);
}

/* The next message had files, which are lost. */
static void expect_lost(struct __test_metadata *_metadata, FIXTURE_DATA(orphan) *self,
			const char *text)
{
	struct bundle bundle;

	ASSERT_EQ(0, take_from(self->fd, self->id, &bundle));
	EXPECT_STREQ(text, bundle.letter.text);
	EXPECT_EQ(MBOX_GOT_FILES_LOST, bundle.letter.env.got);
	EXPECT_EQ(0, bundle.letter.env.nr_files);
	EXPECT_EQ(-1, bundle.files[0]);
	EXPECT_EQ(-1, bundle.files[MOST - 1]);
}

/* It has one, as sent. */
static void expect_line(struct __test_metadata *_metadata, FIXTURE_DATA(orphan) *self,
			const char *text)
{
	struct bundle bundle;

	ASSERT_EQ(0, take_from(self->fd, self->id, &bundle));
	EXPECT_STREQ(text, bundle.letter.text);
	EXPECT_EQ(0, bundle.letter.env.got);
	EXPECT_EQ(1, bundle.letter.env.nr_files);
	ASSERT_LE(0, bundle.files[0]);
	EXPECT_EQ(inode_of(self->line.ear), inode_of(bundle.files[0]));
	EXPECT_EQ(-1, bundle.files[1]);
	drop_files(&bundle);
}

TEST_F(orphan, takes_no_files)
{
	struct mbox_stat stat;

	ASSERT_EQ(0, post_line(self, "first"));
	kill_puppet(self->owner);
	/* At once, whether or not the kernel has found time for what it left. */
	EXPECT_EQ(EOWNERDEAD, post_line(self, "second"));
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, 0).state);
	stat = state(self->fd, 0);
	EXPECT_EQ(EOWNERDEAD, post_files(self->fd, 0, "a", &self->line.end, 1));
	EXPECT_EQ(EOWNERDEAD, send_as(self->fd, "b", &(struct mbox_send){
		.flags = MBOX_SEND_SYNC, .files = (uintptr_t)&self->line.end, .nr_files = 1 }));
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	EXPECT_EQ(0, post(self->fd, 0, "without", 0));
	let_go(&self->line);
	WAIT_UNTIL(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0));
	expect_lost(_metadata, self, "first");
	ASSERT_EQ(0, fetch_by(self->heir, self->id));
	EXPECT_STREQ("without", self->heir->text);
}

TEST_F(orphan, takes_no_files_at_a_full_mailbox)
{
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, post(self->fd, 0, "full", 0));
	kill_puppet(self->owner);
	EXPECT_EQ(EOWNERDEAD, send_as(self->fd, "a", &(struct mbox_send){
		.files = (uintptr_t)&self->line.end, .nr_files = 1 }));
	EXPECT_EQ(4, state(self->fd, 0).sent);
}

/* With no file in flight when the owner ends, and right after that. */
TEST_F(orphan, takes_no_files_ever_after)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);

		ASSERT_EQ(0, transfer_by(self->reader, self->id, owner->pid, 0));
		ASSERT_EQ(0, post_line(self, "before"));
		kill_puppet(owner);
		ASSERT_EQ(EOWNERDEAD, post_line(self, "after"));
		WAIT_UNTIL(!files_of(self->fd, 0));
		expect_lost(_metadata, self, "before");
		ASSERT_EQ(EAGAIN, fetch_by(self->reader, self->id));
	}
}

TEST_F(orphan, closes_files_of_queued_messages_and_says_so)
{
	struct letter letter;
	struct mbox_stat stat;

	ASSERT_EQ(0, post_line(self, "first"));
	ASSERT_EQ(0, post(self->fd, 0, "without", 0));
	ASSERT_EQ(0, post_line(self, "second"));
	let_go(&self->line);
	stat = state(self->fd, 0);
	kill_puppet(self->owner);
	WAIT_UNTIL(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
	stat.pid = 0;
	stat.state = MBOX_STATE_ORPHAN;
	EXPECT_TRUE(same_state(stat, state(self->fd, 0)));
	ASSERT_EQ(0, receive_plainly(self->fd, 0, MBOX_RECV_PEEK, &letter));
	EXPECT_EQ(MBOX_GOT_FILES_LOST, letter.env.got);
	EXPECT_EQ(0, letter.env.nr_files);
	expect_lost(_metadata, self, "first");
	ASSERT_EQ(0, receive_plainly(self->fd, 0, 0, &letter));
	EXPECT_STREQ("without", letter.text);
	EXPECT_EQ(0, letter.env.got);
	/* There is nothing that would not fit. */
	ASSERT_EQ(0, take_by(self->heir, (struct mbox_recv){ .id = self->id }, self->slots, 0));
	EXPECT_STREQ("second", self->heir->text);
	EXPECT_EQ(MBOX_GOT_FILES_LOST, self->heir->recv.got);
}

/* Also when the new owner was so quick that nobody saw it without one. */
TEST_F(orphan, says_so_after_a_claim)
{
	int i;

	kill_puppet(self->owner);
	ASSERT_EQ(0, claim_by(self->heir, self->id));
	for (i = 0; i < 20; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);

		ASSERT_EQ(0, transfer_by(self->reader, self->id, owner->pid, 0));
		ASSERT_EQ(0, post_line(self, "before"));
		kill_puppet(owner);
		ASSERT_EQ(0, i % 2 ? claim_by(self->heir, self->id) :
			  transfer_by(self->reader, self->id, self->heir->pid, 0));
		ASSERT_EQ(0, post_line(self, "after"));
		EXPECT_EQ(self->heir->pid, state(self->fd, 0).pid);
		expect_lost(_metadata, self, "before");
		expect_line(_metadata, self, "after");
	}
}

TEST_F(orphan, tells_senders_with_files_and_no_others)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);
	pid_t with[2], without;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, post(self->fd, 0, "full", 0));
	how.prio = 1;
	with[0] = spawn_sender_as(self->fd, "with", &how);
	wait_for_senders(self->fd, 0, 1);
	without = spawn_sender(self->fd, self->id, "without", 1);
	wait_for_senders(self->fd, 0, 2);
	how.flags = MBOX_SEND_SYNC;
	with[1] = spawn_sender_as(self->fd, "with", &how);
	wait_for_senders(self->fd, 0, 3);
	EXPECT_EQ(2, files_of(self->fd, 0));
	kill_puppet(self->owner);
	EXPECT_EQ(EOWNERDEAD, join(with[0]));
	EXPECT_EQ(EOWNERDEAD, join(with[1]));
	WAIT_UNTIL(!files_of(self->fd, 0));
	EXPECT_EQ(1, state(self->fd, 0).senders);
	ASSERT_EQ(0, fetch_by(self->reader, self->id));
	EXPECT_EQ(0, join(without));
	EXPECT_EQ(0, state(self->fd, 0).senders);
	ASSERT_EQ(0, fetch_by(self->reader, self->id));
	EXPECT_STREQ("without", self->reader->text);
	EXPECT_EQ(0, self->reader->recv.got);
}

/* There is room the moment the owner has ended. */
TEST_F(orphan, admits_no_files_later)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);
	int i, k;

	for (i = 0; i < 20; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		pid_t sender;

		ASSERT_EQ(0, transfer_by(self->reader, self->id, owner->pid, 0));
		for (k = 0; k < 4; k++)
			ASSERT_EQ(0, post(self->fd, 0, "full", 0));
		sender = spawn_sender_as(self->fd, "with", &how);
		wait_for_senders(self->fd, 0, 1);
		kill_puppet(owner);
		for (k = 0; k < 4; k++)
			ASSERT_EQ(0, fetch_by(self->reader, self->id));
		ASSERT_EQ(EOWNERDEAD, join(sender));
		ASSERT_EQ(EAGAIN, fetch_by(self->reader, self->id));
	}
}

/* A claim makes up for nothing that was before it. */
TEST_F(orphan, tells_senders_although_there_is_a_new_owner)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);
	int i, k;

	for (k = 0; k < 4; k++)
		ASSERT_EQ(0, post(self->fd, 0, "full", 0));
	for (i = 0; i < 20; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		pid_t sender;

		ASSERT_EQ(0, transfer_by(self->reader, self->id, owner->pid, 0));
		sender = spawn_sender_as(self->fd, "with", &how);
		wait_for_senders(self->fd, 0, 1);
		kill_puppet(owner);
		ASSERT_EQ(0, claim_by(self->heir, self->id));
		ASSERT_EQ(EOWNERDEAD, join(sender));
	}
}

TEST_F(orphan, tells_who_waits_for_a_receiver)
{
	struct mbox_create attr = public_for_files(0);
	struct mbox_send how = with_files(create_by(self->owner, attr), &self->line.end, 1);
	pid_t sender = spawn_sender_as(self->fd, "with", &how);

	wait_for_senders(self->fd, how.id, 1);
	kill_puppet(self->owner);
	EXPECT_EQ(EOWNERDEAD, join(sender));
	EXPECT_EQ(EAGAIN, fetch_by(self->reader, how.id));
	WAIT_UNTIL(!files_of(self->fd, 0));
}

/* What nobody has received by then is taken back, with its files, if it has some. */
TEST_F(orphan, tells_who_waits_until_the_message_is_received)
{
	struct mbox_send how = with_files(self->id, &self->line.end, 1);
	pid_t with, without;

	how.flags = MBOX_SEND_SYNC;
	with = spawn_sender_as(self->fd, "with", &how);
	WAIT_UNTIL(state(self->fd, 0).msgs == 1);
	how.nr_files = 0;
	without = spawn_sender_as(self->fd, "without", &how);
	WAIT_UNTIL(state(self->fd, 0).msgs == 2);
	EXPECT_EQ(1, files_of(self->fd, 0));
	kill_puppet(self->owner);
	EXPECT_EQ(EOWNERDEAD, join(with));
	WAIT_UNTIL(!files_of(self->fd, 0));
	WAIT_UNTIL(sleeps(without));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	ASSERT_EQ(0, fetch_by(self->reader, self->id));
	EXPECT_STREQ("without", self->reader->text);
	EXPECT_EQ(0, self->reader->recv.got);
	EXPECT_EQ(0, join(without));
}

TEST_F(orphan, is_not_what_a_mailbox_is_whose_owner_changes)
{
	ASSERT_EQ(0, post_line(self, "first"));
	ASSERT_EQ(0, transfer_by(self->owner, self->id, self->heir->pid, 0));
	ASSERT_EQ(0, post_line(self, "second"));
	ASSERT_EQ(0, offer_by(self->heir, self->id, self->reader->pid, 0));
	ASSERT_EQ(0, accept_by(self->reader, self->id));
	ASSERT_EQ(0, transfer_by(self->reader, self->id, self->reader->pid, 0));
	ASSERT_EQ(0, chown_by(self->reader, self->id, OWNER, OWNER));
	kill_puppet(self->owner);
	kill_puppet(self->heir);
	ASSERT_EQ(0, post_line(self, "third"));
	EXPECT_EQ(3, files_of(self->fd, 0));
	expect_line(_metadata, self, "first");
	expect_line(_metadata, self, "second");
	expect_line(_metadata, self, "third");
}

TEST_F(orphan, is_not_what_an_exec_makes)
{
	struct puppet *thread;

	ASSERT_EQ(0, post_line(self, "first"));
	ASSERT_EQ(0, ask(self->owner, do_exec));
	thread = new_thread(self->owner);
	ASSERT_EQ(0, ask(thread, do_exec));
	ASSERT_EQ(0, post_line(self, "second"));
	EXPECT_EQ(0, state(self->fd, 0).state);
	expect_line(_metadata, self, "first");
	expect_line(_metadata, self, "second");
	/* Its parent's death is no signal to a thread that was not forked. */
	kill_puppet(self->owner);
}

static int end_thread(struct puppet *me)
{
	futex_tell(&me->answered, told(&me->asked));
	syscall(SYS_exit, 0);
	return 0;
}

/* An owner lives as long as one of its threads. */
TEST_F(orphan, is_not_what_the_end_of_a_thread_makes)
{
	struct puppet *thread = new_thread(self->owner);

	ASSERT_EQ(0, post_line(self, "first"));
	NEED(!ask(self->owner, end_thread));
	WAIT_UNTIL(!sleeps(self->owner->tid));
	ASSERT_EQ(0, post_line(self, "second"));
	ASSERT_EQ(0, take_by(thread, (struct mbox_recv){ .id = self->id }, self->slots, 1));
	EXPECT_STREQ("first", thread->text);
	EXPECT_EQ(0, thread->recv.got);
	NEED(!close_by(thread, self->slots[0]));
	EXPECT_EQ(1, files_of(self->fd, 0));
	let_go(&self->line);
	EXPECT_FALSE(is_dead(self->line));
	kill_puppet(self->owner);
	WAIT_UNTIL(is_dead(self->line));
}

/*
 * In the middle of a copy.
 */

/* As do_stalled_call(), but it is the array that stalls. */
static int do_call_with_stalling_array(struct puppet *me)
{
	struct task task = { .fd = me->fd, .command = me->command, .recv = me->recv };
	struct stall stall = new_stall();

	if (me->command == MBOX_IOC_SEND) {
		task.send = me->send;
		task.send.files = (uintptr_t)stall.page;
	} else {
		task.recv.files = (uintptr_t)stall.page;
	}
	start_task(&task);
	wait_for_stall(&stall);
	tell(&me->stall, STALLS);
	WAIT_UNTIL(told(&me->stall) != STALLS);
	if (told(&me->stall) == GO_ON)
		release_stall(&stall);
	else
		fail_stall(&stall);
	NEED(!pthread_join(task.thread, NULL));
	if (me->command == MBOX_IOC_RECV)
		me->recv = task.recv;
	return task.error;
}

static void begin_with_stalling_array(struct puppet *puppet)
{
	puppet->stall = 0;
	begin_act(puppet, do_call_with_stalling_array);
	wait_for_stalled(puppet);
}

/* The reader is about to get a message with the file, which nobody else has. */
static void stall_reader(FIXTURE_DATA(orphan) *self, bool array)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_FILES, .id = self->id, .files = (uintptr_t)self->slots,
		.nr_files = 2,
	};

	/* What the reader inherited is not to count. */
	NEED(!post_line(self, "text"));
	let_go(&self->line);
	memset(self->slots, POISON, 2 * sizeof(int));
	if (array) {
		self->reader->command = MBOX_IOC_RECV;
		how.buf = (uintptr_t)self->reader->text;
		how.size = sizeof(self->reader->text);
		self->reader->recv = how;
		begin_with_stalling_array(self->reader);
	} else {
		begin_stalled_recv(self->reader, how, 64);
		wait_for_stalled(self->reader);
	}
	NEED(!is_dead(self->line));
}

static void bring_back(struct __test_metadata *_metadata, FIXTURE_DATA(orphan) *self, bool array)
{
	unsigned int before = descriptors_of(self->reader->pid);

	stall_reader(self, array);
	EXPECT_EQ(EFAULT, end_stalled(self->reader, FAIL));
	EXPECT_EQ(before, descriptors_of(self->reader->pid));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	EXPECT_EQ(1, files_of(self->fd, 0));
	expect_line(_metadata, self, "text");
	EXPECT_TRUE(is_dead(self->line));
}

TEST_F(orphan, is_not_what_a_fault_makes)
{
	bring_back(_metadata, self, false);
}

TEST_F(orphan, is_not_what_a_fault_of_the_array_makes)
{
	bring_back(_metadata, self, true);
}

static void bring_back_to_orphan(struct __test_metadata *_metadata, FIXTURE_DATA(orphan) *self,
				 bool array)
{
	unsigned int before = descriptors_of(self->reader->pid);

	stall_reader(self, array);
	kill_puppet(self->owner);
	EXPECT_EQ(EFAULT, end_stalled(self->reader, FAIL));
	WAIT_UNTIL(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
	EXPECT_EQ(before, descriptors_of(self->reader->pid));
	expect_lost(_metadata, self, "text");
}

TEST_F(orphan, closes_files_of_what_comes_back)
{
	bring_back_to_orphan(_metadata, self, false);
}

TEST_F(orphan, closes_files_of_what_comes_back_from_the_array)
{
	bring_back_to_orphan(_metadata, self, true);
}

/* And to somebody else, who never had the files that the owner before had. */
TEST_F(orphan, closes_files_of_what_comes_back_to_a_new_owner)
{
	stall_reader(self, false);
	kill_puppet(self->owner);
	ASSERT_EQ(0, claim_by(self->heir, self->id));
	EXPECT_EQ(EFAULT, end_stalled(self->reader, FAIL));
	EXPECT_EQ(1, state(self->fd, 0).msgs);
	/* Both are sound: the mailbox may have an owner that lives, or had none. */
	ASSERT_EQ(0, take_by(self->heir, (struct mbox_recv){ .id = self->id }, self->slots, 1));
	if (self->heir->recv.got) {
		EXPECT_EQ(MBOX_GOT_FILES_LOST, self->heir->recv.got);
		EXPECT_EQ(-1, self->slots[0]);
	} else {
		EXPECT_EQ(0, close_by(self->heir, self->slots[0]));
	}
	WAIT_UNTIL(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0));
}

/* A message that was claimed before is delivered, whole. */
TEST_F(orphan, delivers_what_is_being_received)
{
	unsigned int before = descriptors_of(self->reader->pid);

	stall_reader(self, false);
	kill_puppet(self->owner);
	WAIT_UNTIL(state(self->fd, 0).state == MBOX_STATE_ORPHAN);
	EXPECT_EQ(0, end_stalled(self->reader, GO_ON));
	EXPECT_EQ(0, self->reader->recv.got);
	EXPECT_EQ(1, self->reader->recv.nr_files);
	EXPECT_LE(0, self->slots[0]);
	EXPECT_EQ(before + 1, descriptors_of(self->reader->pid));
	EXPECT_FALSE(is_dead(self->line));
	NEED(!close_by(self->reader, self->slots[0]));
	EXPECT_TRUE(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0));
}

/* The same of a mailbox that is gone altogether. */
TEST_F(orphan, delivers_what_is_being_received_from_a_deleted_mailbox)
{
	stall_reader(self, false);
	ASSERT_EQ(0, delete_by(self->heir, self->id));
	EXPECT_EQ(0, end_stalled(self->reader, GO_ON));
	EXPECT_EQ(1, self->reader->recv.nr_files);
	EXPECT_LE(0, self->slots[0]);
	EXPECT_FALSE(is_dead(self->line));
	NEED(!close_by(self->reader, self->slots[0]));
	EXPECT_TRUE(is_dead(self->line));
	WAIT_UNTIL(!files_of(self->fd, 0));
}

TEST_F(orphan, leaves_no_files_of_what_comes_back_to_nothing)
{
	int i;

	for (i = 0; i < 2; i++) {
		unsigned int before = descriptors_of(self->reader->pid);
		int error;

		self->id = create_by(self->heir, public_for_files(1));
		stall_reader(self, i);
		ASSERT_EQ(0, delete_by(self->heir, self->id));
		error = end_stalled(self->reader, FAIL);
		EXPECT_TRUE(error == EFAULT || error == EIDRM);
		WAIT_UNTIL(is_dead(self->line));
		WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
		EXPECT_EQ(before, descriptors_of(self->reader->pid));
		close(self->line.ear);
		self->line = new_line();
	}
}

/* A receiver that is killed in the middle has not received. */
TEST_F(orphan, is_not_what_the_end_of_a_receiver_makes)
{
	stall_reader(self, false);
	kill_puppet(self->reader);
	WAIT_UNTIL(state(self->fd, 0).msgs == 1);
	EXPECT_FALSE(is_dead(self->line));
	expect_line(_metadata, self, "text");
	EXPECT_TRUE(is_dead(self->line));
}

/* The owner itself: then there is an orphan in the end, and no file. */
TEST_F(orphan, has_no_files_of_a_receiver_that_was_the_owner)
{
	int i;

	for (i = 0; i < 2; i++) {
		let_go(&self->line);
		self->reader = new_puppet(self->fd, 0, 0);
		self->line = new_line();
		ASSERT_EQ(0, transfer_by(self->reader, self->id, self->reader->pid, 0));
		stall_reader(self, i);
		kill_puppet(self->reader);
		WAIT_UNTIL(state(self->fd, 0).msgs == 1);
		WAIT_UNTIL(is_dead(self->line));
		WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
		expect_lost(_metadata, self, "text");
		close(self->line.ear);
		self->line = new_line();
	}
}

static void stall_sender(FIXTURE_DATA(orphan) *self, bool array)
{
	struct mbox_send how = with_files(self->id, self->slots, 1);

	/* The page of zeros that comes in place of the array: the first descriptor. */
	self->slots[0] = 0;
	if (array) {
		how.buf = (uintptr_t)self->reader->text;
		how.len = 4;
		self->reader->command = MBOX_IOC_SEND;
		self->reader->send = how;
		begin_with_stalling_array(self->reader);
	} else {
		begin_stalled_send(self->reader, how, 4);
		wait_for_stalled(self->reader);
	}
}

TEST_F(orphan, takes_no_files_from_who_was_sending)
{
	int i;

	for (i = 0; i < 4; i++) {
		bool array = i % 2, fails = i / 2;
		int error;

		self->owner = new_puppet(self->fd, OWNER, OWNER);
		ASSERT_EQ(0, transfer_by(myself(self->fd), self->id, self->owner->pid, 0));
		stall_sender(self, array);
		kill_puppet(self->owner);
		error = end_stalled(self->reader, fails ? FAIL : GO_ON);
		EXPECT_TRUE(error == EOWNERDEAD || (fails && error == EFAULT));
		EXPECT_EQ(0, state(self->fd, 0).sent);
		WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
	}
}

/* Who was sending had the only buffer. */
TEST_F(orphan, has_the_buffer_back_of_what_it_does_not_take)
{
	struct mbox_create attr = public_for_files(1);
	int i;

	attr.flags |= MBOX_CREATE_RESERVE;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	for (i = 0; i < 4; i++) {
		bool fails = i % 2, claimed = i / 2;
		struct letter letter;
		int error;

		self->owner = new_puppet(self->fd, OWNER, OWNER);
		self->id = create_by(self->owner, attr);
		stall_sender(self, false);
		EXPECT_EQ(EAGAIN, post(self->fd, self->id, "full", 0));
		kill_puppet(self->owner);
		if (claimed)
			ASSERT_EQ(0, claim_by(self->heir, self->id));
		error = end_stalled(self->reader, fails ? FAIL : GO_ON);
		EXPECT_TRUE(fails ? error == EFAULT : error == EOWNERDEAD || (claimed && !error));
		if (!error)
			ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
		EXPECT_EQ(0, post(self->fd, self->id, "next", 0));
		WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
		ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
		EXPECT_STREQ("next", letter.text);
		EXPECT_EQ(0, letter.env.got);
	}
}

TEST_F(orphan, or_what_is_deleted_takes_no_files_from_who_was_sending)
{
	int i;

	for (i = 0; i < 4; i++) {
		bool array = i % 2, fails = i / 2;
		int error;

		self->id = create_by(self->heir, public_for_files(1));
		stall_sender(self, array);
		ASSERT_EQ(0, delete_by(self->heir, self->id));
		error = end_stalled(self->reader, fails ? FAIL : GO_ON);
		EXPECT_TRUE(error == EIDRM || (fails && error == EFAULT));
		WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
	}
}

TEST_F(orphan, or_not_keeps_no_files_of_a_sender_that_is_killed)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->reader = new_puppet(self->fd, 0, 0);
		stall_sender(self, i);
		kill_puppet(self->reader);
		WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
		EXPECT_EQ(0, state(self->fd, 0).sent);
	}
}

/*
 * How many files there may be in flight.
 */
FIXTURE(quota) {
	int fd;
	int *slots;
	struct puppet *user;
	uint64_t box;		/* root's */
};

FIXTURE_VARIANT(quota) {
	bool of_namespace;
	const char *name;
	int error;
};

FIXTURE_VARIANT_ADD(quota, of_a_user) {
	.name = "user_files", .error = EDQUOT,
};

FIXTURE_VARIANT_ADD(quota, of_a_namespace) {
	.of_namespace = true, .name = "ns_files", .error = ENOSPC,
};

FIXTURE_SETUP(quota)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->slots = new_slots();
	self->user = new_puppet(self->fd, OWNER, OWNER);
	self->box = create(self->fd, public_for_files(100));
}

FIXTURE_TEARDOWN(quota)
{
	end_files(self->fd);
}

/* Send a message with so many files; any will do. */
static int send_some_by(FIXTURE_DATA(quota) *self, struct puppet *who, uint64_t box, uint32_t nr)
{
	struct mbox_send how = with_files(box, self->slots, nr);
	unsigned int i;

	how.flags = MBOX_SEND_NONBLOCK;
	for (i = 0; i < MOST; i++)
		self->slots[i] = self->fd;
	return send_by(who, how, "text");
}

static int send_some(FIXTURE_DATA(quota) *self, uint32_t nr)
{
	return send_some_by(self, self->user, self->box, nr);
}

static uint32_t used(FIXTURE_DATA(quota) *self, const FIXTURE_VARIANT(quota) *variant)
{
	struct mbox_usage usage = usage_of(self->fd, OWNER);

	return variant->of_namespace ? usage.ns_files : usage.user_files;
}

static uint32_t limit_in(struct mbox_usage usage, const FIXTURE_VARIANT(quota) *variant)
{
	return variant->of_namespace ? usage.ns_files_limit : usage.user_files_limit;
}

TEST_F(quota, is_seen)
{
	EXPECT_EQ(variant->of_namespace ? 65536 : 4096, tunable(variant->name));
	EXPECT_EQ(tunable(variant->name), limit_in(usage_of(self->fd, OWNER), variant));
	ASSERT_EQ(0, set_tunable(variant->name, 12345));
	EXPECT_EQ(12345, limit_in(usage_of(self->fd, OWNER), variant));
	EXPECT_EQ(12345, limit_in(own_usage(self->user), variant));
	EXPECT_EQ(12345, tunable(variant->name));
	EXPECT_EQ(EINVAL, set_tunable(variant->name, -1));
	EXPECT_EQ(EINVAL, set_tunable(variant->name, 1LL << 31));
	EXPECT_EQ(12345, tunable(variant->name));
}

TEST_F(quota, is_exact)
{
	struct mbox_usage usage, after;
	struct bundle bundle;
	struct mbox_stat stat;

	ASSERT_EQ(0, set_tunable(variant->name, 7));
	EXPECT_EQ(variant->error, send_some(self, 8));
	EXPECT_EQ(0, used(self, variant));
	EXPECT_EQ(0, send_some(self, 3));
	EXPECT_EQ(variant->error, send_some(self, 5));
	EXPECT_EQ(0, send_some(self, 4));
	EXPECT_EQ(7, used(self, variant));
	usage = usage_of(self->fd, OWNER);
	stat = state(self->fd, self->box);
	EXPECT_EQ(variant->error, send_some(self, 1));
	EXPECT_EQ(variant->error, send_some(self, 64));
	after = usage_of(self->fd, OWNER);
	EXPECT_EQ(0, memcmp(&usage, &after, sizeof(usage)));
	EXPECT_TRUE(same_state(stat, state(self->fd, self->box)));
	/* Messages without are not held up. */
	EXPECT_EQ(0, send_some(self, 0));
	EXPECT_EQ(0, take_from(self->fd, self->box, &bundle));
	EXPECT_EQ(3, bundle.letter.env.nr_files);
	drop_files(&bundle);
	EXPECT_EQ(4, used(self, variant));
	EXPECT_EQ(variant->error, send_some(self, 4));
	EXPECT_EQ(0, send_some(self, 3));
	EXPECT_EQ(7, used(self, variant));
}

TEST_F(quota, of_nothing_allows_nothing)
{
	ASSERT_EQ(0, set_tunable(variant->name, 0));
	EXPECT_EQ(variant->error, send_some(self, 1));
	EXPECT_EQ(0, send_some(self, 0));
}

TEST_F(quota, that_is_lowered_takes_nothing_away)
{
	struct bundle bundle;

	EXPECT_EQ(0, send_some(self, 5));
	EXPECT_EQ(0, send_some(self, 5));
	ASSERT_EQ(0, set_tunable(variant->name, 6));
	EXPECT_EQ(10, used(self, variant));
	EXPECT_EQ(variant->error, send_some(self, 1));
	ASSERT_EQ(0, take_from(self->fd, self->box, &bundle));
	EXPECT_EQ(5, bundle.letter.env.nr_files);
	EXPECT_EQ(0, bundle.letter.env.got);
	drop_files(&bundle);
	EXPECT_EQ(variant->error, send_some(self, 2));
	EXPECT_EQ(0, send_some(self, 1));
	EXPECT_EQ(6, used(self, variant));
}

/* Another user, or the same user in another network namespace. */
TEST_F(quota, does_not_disturb_others)
{
	struct puppet *other = new_puppet(self->fd, STRANGER, STRANGER);
	uint64_t box = self->box;

	if (variant->of_namespace) {
		other = new_puppet_after(self->fd, leave_network_namespace);
		NEED(!ask(other, become_owner));
		box = create_by(other, public_for_files(100));
	}
	ASSERT_EQ(0, set_tunable(variant->name, 2));
	EXPECT_EQ(0, send_some(self, 2));
	EXPECT_EQ(variant->error, send_some(self, 1));
	EXPECT_EQ(0, send_some_by(self, other, box, 2));
	EXPECT_EQ(variant->error, send_some_by(self, other, box, 1));
	EXPECT_EQ(2, variant->of_namespace ? own_usage(other).ns_files : own_usage(other).user_files);
	EXPECT_EQ(2, used(self, variant));
	kill_puppet(other);
	sweep();
	WAIT_UNTIL(pays_nothing(self->fd, OWNER) && !files_of(self->fd, OWNER));
}

TEST_F(quota, is_gone_beyond_with_cap_sys_resource)
{
	struct puppet *beyond = new_puppet_after(self->fd, become_owner_beyond_limits);

	ASSERT_EQ(0, set_tunable(variant->name, 2));
	EXPECT_EQ(0, send_some(self, 2));
	EXPECT_EQ(variant->error, send_some(self, 1));
	EXPECT_EQ(0, send_some_by(self, beyond, self->box, 64));
	EXPECT_EQ(66, used(self, variant));
	EXPECT_EQ(variant->error, send_some(self, 1));
}

TEST_F(quota, holds_root_without_the_capability_only_in_a_namespace)
{
	struct puppet *root = new_puppet_after(self->fd, respect_limits);

	ASSERT_EQ(0, set_tunable(variant->name, 0));
	EXPECT_EQ(variant->of_namespace ? ENOSPC : 0, send_some_by(self, root, self->box, 1));
	EXPECT_EQ(0, send_some_by(self, myself(self->fd), self->box, 1));
}

/* Whoever has the mailbox, and while they wait. */
TEST_F(quota, counts_for_the_sender)
{
	struct mbox_send how = with_files(self->box, self->slots, 3);
	struct puppet *waiter = new_puppet(self->fd, OWNER, OWNER);
	struct puppet *heir = new_puppet(self->fd, STRANGER, STRANGER);

	how.id = create(self->fd, public_for_files(1));
	EXPECT_EQ(0, send_some_by(self, self->user, how.id, 2));
	begin_send(waiter, how, "text");
	wait_for_senders(self->fd, how.id, 1);
	EXPECT_EQ(5, used(self, variant));
	EXPECT_EQ(0, transfer_by(myself(self->fd), how.id, heir->pid, 0));
	EXPECT_EQ(5, files_of(self->fd, OWNER));
	EXPECT_EQ(0, files_of(self->fd, STRANGER));
	ASSERT_EQ(0, set_tunable(variant->name, 5));
	EXPECT_EQ(variant->error, send_some(self, 1));
	ASSERT_EQ(0, fetch_by(heir, how.id));
	EXPECT_EQ(0, end_act(waiter));
	EXPECT_EQ(3, used(self, variant));
	/* What has ended pays on. */
	kill_puppet(waiter);
	EXPECT_EQ(3, used(self, variant));
	ASSERT_EQ(0, delete(self->fd, how.id));
	WAIT_UNTIL(!used(self, variant));
}

TEST_F(quota, is_not_multiplied_by_user_namespaces)
{
	struct puppet *inner = new_puppet(self->fd, OWNER, OWNER);

	NEED(!ask(inner, enter_user_namespace));
	ASSERT_EQ(0, set_tunable(variant->name, 5));
	EXPECT_EQ(0, send_some_by(self, inner, self->box, 3));
	EXPECT_EQ(3, own_usage(inner).user_files);
	EXPECT_EQ(3, used(self, variant));
	EXPECT_EQ(variant->error, send_some(self, 3));
	EXPECT_EQ(0, send_some(self, 2));
	EXPECT_EQ(variant->error, send_some_by(self, inner, self->box, 1));
	EXPECT_EQ(3, own_usage(inner).user_files);
	EXPECT_EQ(5, used(self, variant));
}

/*
 * Mailboxes in their own queue: what nobody can reach is freed when the owners end.
 */
FIXTURE(cycle) {
	int fd;
	int users;		/* of the module, without what the test makes */
	uint32_t *made;		/* mailboxes; then: delete them; they are deleted */
};

FIXTURE_VARIANT(cycle) {
	uint64_t kind;
	bool apart;		/* in a network namespace of its own */
	/* How many mailboxes it made. They have files of each other or themselves. */
	uint32_t (*make)(const FIXTURE_VARIANT(cycle) *variant);
};

FIXTURE_SETUP(cycle)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	/* Namespaces of earlier tests may still be ending. */
	WAIT_UNTIL(pays_nothing(self->fd, 0));
	WAIT_UNTIL(users_of_module() == 1);
	self->users = users_of_module();
	self->made = shared(3 * sizeof(*self->made));
}

FIXTURE_TEARDOWN(cycle)
{
	end_files(self->fd);
}

static int cycle_box(const FIXTURE_VARIANT(cycle) *variant)
{
	struct mbox_create attr = for_files(4);

	attr.flags |= variant->kind;
	if (variant->kind & MBOX_CREATE_PROCESS)
		attr.mode = 0222;
	return mailbox(attr);
}

/* The owner of a process-owned mailbox only receives; others have to send. */
static void put_into(int box, int file)
{
	pid_t child = spawn();

	if (!child)
		_exit(post_file(box, 0, "", file));
	NEED(!join(child));
}

static void send_over(int socket, int file)
{
	char control[CMSG_SPACE(sizeof(int))] = "", c = 0;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &file, sizeof(file));
	NEED(sendmsg(socket, &msg, 0) == 1);
}

/* -1 if there is nothing. */
static int get_from(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = "", c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int file = -1;

	if (recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&msg);
	if (header)
		memcpy(&file, CMSG_DATA(header), sizeof(file));
	return file;
}

static void socket_pair(int pair[2])
{
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
}

static uint32_t of_itself(const FIXTURE_VARIANT(cycle) *variant)
{
	int box = cycle_box(variant);

	put_into(box, box);
	put_into(box, box);
	return 1;
}

static uint32_t of_two(const FIXTURE_VARIANT(cycle) *variant)
{
	int a = cycle_box(variant), b = cycle_box(variant);

	put_into(a, b);
	put_into(b, a);
	return 2;
}

static uint32_t of_many(const FIXTURE_VARIANT(cycle) *variant)
{
	int boxes[8], i;

	for (i = 0; i < 8; i++)
		boxes[i] = cycle_box(variant);
	for (i = 0; i < 32; i++)
		put_into(boxes[i % 8], boxes[(i + 1 + i / 8) % 8]);
	return 8;
}

static uint32_t through_a_socket(const FIXTURE_VARIANT(cycle) *variant)
{
	int box = cycle_box(variant), pair[2];

	socket_pair(pair);
	send_over(pair[0], box);
	send_over(pair[0], pair[1]);
	put_into(box, pair[1]);
	put_into(box, pair[0]);
	return 1;
}

static uint32_t through_epoll(const FIXTURE_VARIANT(cycle) *variant)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int box = cycle_box(variant), epoll = epoll_create1(EPOLL_CLOEXEC);

	NEED(epoll >= 0 && !epoll_ctl(epoll, EPOLL_CTL_ADD, box, &event));
	put_into(box, box);
	put_into(box, epoll);
	return 1;
}

static uint32_t through_its_network_namespace(const FIXTURE_VARIANT(cycle) *variant)
{
	int box = cycle_box(variant), names = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int inet = socket(AF_INET, SOCK_DGRAM, 0), pair[2];

	NEED(names >= 0 && inet >= 0);
	socket_pair(pair);
	put_into(box, names);
	put_into(box, inet);
	put_into(box, pair[0]);
	put_into(box, box);
	return 1;
}

static uint32_t through_a_socket_of_its_network_namespace(const FIXTURE_VARIANT(cycle) *variant)
{
	int box = cycle_box(variant), unix_socket = socket(AF_UNIX, SOCK_DGRAM, 0);

	NEED(unix_socket >= 0);
	put_into(box, unix_socket);
	return 1;
}

static uint32_t of_two_through_their_network_namespace(const FIXTURE_VARIANT(cycle) *variant)
{
	int a = cycle_box(variant), b = cycle_box(variant), pair[2];

	socket_pair(pair);
	send_over(pair[0], a);
	send_over(pair[1], b);
	put_into(a, pair[0]);
	put_into(b, pair[1]);
	return 2;
}

#define CYCLE(_make)							\
	FIXTURE_VARIANT_ADD(cycle, _make) {				\
		.make = _make,						\
	};								\
	FIXTURE_VARIANT_ADD(cycle, of_process_##_make) {		\
		.make = _make, .kind = MBOX_CREATE_PROCESS,		\
	};								\
	FIXTURE_VARIANT_ADD(cycle, apart_##_make) {			\
		.make = _make, .apart = true,				\
	};								\
	FIXTURE_VARIANT_ADD(cycle, apart_of_process_##_make) {		\
		.make = _make, .apart = true, .kind = MBOX_CREATE_PROCESS, \
	}

CYCLE(of_itself);
CYCLE(of_two);
CYCLE(of_many);
CYCLE(through_a_socket);
CYCLE(through_epoll);
CYCLE(through_its_network_namespace);
CYCLE(through_a_socket_of_its_network_namespace);
CYCLE(of_two_through_their_network_namespace);

/*
 * The kernel looks for sockets that only sockets know when it closes one. When that was one
 * of theirs it may have looked too early, so close others.
 */
#define COLLECT_UNTIL(condition) \
	WAIT_UNTIL((close(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), condition))

/* A child that makes it and then has no descriptor of it, or has them all. */
static pid_t spawn_maker(FIXTURE_DATA(cycle) *self, const FIXTURE_VARIANT(cycle) *variant,
			 bool closes)
{
	pid_t child;
	uint32_t made;

	memset(self->made, 0, 3 * sizeof(*self->made));
	child = spawn();
	if (!child) {
		/* That of the test is not to keep anything. */
		close(self->fd);
		if (variant->apart)
			NEED(!unshare(CLONE_NEWNET));
		/* A mailbox like others lasts as long as the namespace does. */
		if (variant->apart)
			close(mailbox(attributes(1, 1)));
		made = variant->make(variant) + variant->apart;
		if (closes)
			NEED(!syscall(SYS_close_range, 3, ~0U, 0));
		tell(self->made, made);
		WAIT_UNTIL(told(self->made + 1));
		sweep();
		tell(self->made + 2, true);
		for (;;)
			pause();
	}
	WAIT_UNTIL(told(self->made));
	return child;
}

static void expect_freed(struct __test_metadata *_metadata, FIXTURE_DATA(cycle) *self,
			 const FIXTURE_VARIANT(cycle) *variant, bool closes)
{
	pid_t maker = spawn_maker(self, variant, closes);
	uint32_t left = variant->apart || variant->kind & MBOX_CREATE_PROCESS ? 0 :
			told(self->made);

	EXPECT_LT(0, files_of(self->fd, 0));
	EXPECT_EQ(told(self->made), usage_of(self->fd, 0).user_mailboxes);
	EXPECT_EQ(variant->apart ? 0 : told(self->made), info(self->fd).mailboxes);
	EXPECT_LE(self->users + told(self->made), users_of_module());
	end(maker);
	WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
	/* In a network namespace that has ended nothing is left, nor of a process. */
	COLLECT_UNTIL(usage_of(self->fd, 0).user_mailboxes == left);
	COLLECT_UNTIL(users_of_module() == self->users + (int)left);
	EXPECT_EQ(left, info(self->fd).mailboxes);
	sweep();
	COLLECT_UNTIL(users_of_module() == self->users);
	EXPECT_TRUE(pays_nothing(self->fd, 0));
}

TEST_F(cycle, is_freed_when_its_owner_ends)
{
	expect_freed(_metadata, self, variant, false);
}

TEST_F(cycle, that_nobody_has_a_descriptor_of_is_freed_when_its_owner_ends)
{
	expect_freed(_metadata, self, variant, true);
}

/* Without an end of anybody. */
TEST_F(cycle, is_freed_by_deletion)
{
	pid_t maker = spawn_maker(self, variant, true);

	EXPECT_LT(0, files_of(self->fd, 0));
	tell(self->made + 1, true);
	WAIT_UNTIL(told(self->made + 2));
	WAIT_UNTIL(!files_of(self->fd, 0));
	COLLECT_UNTIL(users_of_module() == self->users);
	EXPECT_TRUE(pays_nothing(self->fd, 0));
	end(maker);
}

/* And then the module can go. */
TEST_F(cycle, keeps_no_module)
{
	SKIP_IF_MISSING();
	end(spawn_maker(self, variant, true));
	sweep();
	close(self->fd);
	COLLECT_UNTIL(!users_of_module());
	ASSERT_EQ(0, unload());
	NEED(!load());
	self->fd = device(O_RDWR);
}

/*
 * A namespace that nothing keeps but a file in a mailbox of an owner elsewhere.
 */
FIXTURE(far) {
	int fd;
	int bound;		/* to the mailbox there */
	int home;		/* the test's network namespace */
	int *slots;
	struct puppet *owner;
};

FIXTURE_SETUP(far)
{
	struct mbox_create attr = for_files(4);

	begin_accounts();
	self->fd = device(O_RDWR);
	WAIT_UNTIL(pays_nothing(self->fd, 0));
	self->bound = device(O_RDWR);
	self->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	self->slots = new_slots();
	self->owner = new_puppet_after(self->bound, leave_network_namespace);
	attr.flags |= MBOX_CREATE_BIND;
	create_by(self->owner, attr);
	/* It lasts as long as the namespace. */
	create_by(self->owner, attributes(1, 1));
}

FIXTURE_TEARDOWN(far)
{
	kill_puppet(self->owner);
	WAIT_UNTIL(pays_nothing(self->fd, 0));
	end_files(self->fd);
}

/* Send a socket of the namespace to the mailbox, and go home. */
static int leave_a_socket(struct puppet *me)
{
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int home = *(int *)me->text;

	NEED(!post_file(me->fd, 0, "socket", file));
	NEED(!close(file));
	return error_of(setns(home, CLONE_NEWNET));
}

/* The kernel ends namespaces in the order in which they are left. */
static void wait_for_the_end_of_another_namespace(int fd)
{
	uint32_t before = usage_of(fd, 0).user_mailboxes;
	struct puppet *other = new_puppet_after(fd, leave_network_namespace);

	create_by(other, attributes(1, 1));
	NEED(usage_of(fd, 0).user_mailboxes == before + 1);
	kill_puppet(other);
	WAIT_UNTIL(usage_of(fd, 0).user_mailboxes <= before);
}

TEST_F(far, stays_while_the_owner_lives)
{
	struct mbox_recv how = { .flags = MBOX_RECV_NONBLOCK };

	*(int *)self->owner->text = self->home;
	ASSERT_EQ(0, ask(self->owner, leave_a_socket));
	wait_for_the_end_of_another_namespace(self->fd);
	EXPECT_EQ(2, usage_of(self->fd, 0).user_mailboxes);
	EXPECT_EQ(1, files_of(self->fd, 0));
	ASSERT_EQ(0, take_by(self->owner, how, self->slots, 1));
	EXPECT_EQ(1, self->owner->recv.nr_files);
	wait_for_the_end_of_another_namespace(self->fd);
	EXPECT_EQ(2, usage_of(self->fd, 0).user_mailboxes);
	ASSERT_EQ(0, close_by(self->owner, self->slots[0]));
	/* A mailbox and a descriptor keep nothing. */
	WAIT_UNTIL(pays_nothing(self->fd, 0));
	EXPECT_EQ(EIDRM, recv_by(self->owner, how));
}

TEST_F(far, has_the_files_of_what_is_sent_there)
{
	struct mbox_recv how = { .flags = MBOX_RECV_NONBLOCK };

	ASSERT_EQ(0, post_file(self->bound, 0, "file", self->home));
	EXPECT_EQ(1, files_of(self->fd, 0));
	EXPECT_EQ(0, files_here(self->fd));
	EXPECT_EQ(1, own_usage(self->owner).ns_files);
	ASSERT_EQ(0, take_by(self->owner, how, self->slots, 1));
	EXPECT_TRUE(same_file(getpid(), self->home, self->owner->pid, self->slots[0]));
	EXPECT_EQ(0, files_of(self->fd, 0));
	EXPECT_EQ(0, own_usage(self->owner).ns_files);
}

TEST_F(far, ends_with_the_owner)
{
	*(int *)self->owner->text = self->home;
	ASSERT_EQ(0, ask(self->owner, leave_a_socket));
	wait_for_the_end_of_another_namespace(self->fd);
	EXPECT_EQ(2, usage_of(self->fd, 0).user_mailboxes);
	NEED(!kill(self->owner->pid, SIGKILL));
	/* The descriptor of the test is there all the time. */
	WAIT_UNTIL(pays_nothing(self->fd, 0) && !files_of(self->fd, 0));
}

TEST_F(far, ends_when_the_message_is_received_without_the_file)
{
	*(int *)self->owner->text = self->home;
	ASSERT_EQ(0, ask(self->owner, leave_a_socket));
	wait_for_the_end_of_another_namespace(self->fd);
	EXPECT_EQ(2, usage_of(self->fd, 0).user_mailboxes);
	ASSERT_EQ(0, recv_by(self->owner, (struct mbox_recv){ }));
	EXPECT_EQ(MBOX_GOT_FILES_LOST, self->owner->recv.got);
	WAIT_UNTIL(pays_nothing(self->fd, 0) && !files_of(self->fd, 0));
}

/*
 * Sockets with files of their own, and descriptors of mailboxes.
 */

TEST_F(box, brings_a_socket_with_what_is_in_it)
{
	struct line line = new_line();
	struct bundle bundle;
	int pair[2], file;

	socket_pair(pair);
	send_over(pair[0], line.end);
	let_go(&line);
	ASSERT_EQ(0, post_file(self->fd, 0, "socket", pair[1]));
	close(pair[0]);
	close(pair[1]);
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	file = get_from(bundle.files[0]);
	EXPECT_LE(0, file);
	EXPECT_EQ(1, write(file, "x", 1));
	close(file);
	EXPECT_TRUE(is_dead(line));
	drop_files(&bundle);
}

TEST_F(box, drops_a_socket_with_what_is_in_it)
{
	struct line line = new_line();
	int pair[2];

	socket_pair(pair);
	send_over(pair[0], line.end);
	let_go(&line);
	ASSERT_EQ(0, post_file(self->fd, 0, "socket", pair[1]));
	close(pair[0]);
	close(pair[1]);
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, delete(self->fd, 0));
	WAIT_UNTIL(is_dead(line));
}

/* The kernel looks for sockets that only sockets know when it closes some. */
static void collect_sockets(void)
{
	struct line line = new_line();
	int pair[2];

	socket_pair(pair);
	send_over(pair[0], pair[1]);
	send_over(pair[0], line.end);
	let_go(&line);
	close(pair[1]);
	close(pair[0]);
	WAIT_UNTIL(is_dead(line));
	close(line.ear);
}

/* One that has itself in its queue, and is in a mailbox, is known. */
TEST_F(box, keeps_a_socket_from_being_collected)
{
	struct line line = new_line();
	struct bundle bundle;
	int pair[2], file;

	socket_pair(pair);
	send_over(pair[0], pair[1]);
	send_over(pair[0], line.end);
	let_go(&line);
	ASSERT_EQ(0, post_file(self->fd, 0, "socket", pair[1]));
	close(pair[0]);
	close(pair[1]);
	collect_sockets();
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, take_from(self->fd, 0, &bundle));
	collect_sockets();
	file = get_from(bundle.files[0]);
	EXPECT_LE(0, file);
	EXPECT_TRUE(same_file(getpid(), file, getpid(), bundle.files[0]));
	close(file);
	file = get_from(bundle.files[0]);
	EXPECT_LE(0, file);
	EXPECT_FALSE(is_dead(line));
	close(file);
	drop_files(&bundle);
	EXPECT_TRUE(is_dead(line));
}

TEST_F(box, leaves_a_socket_to_be_collected)
{
	struct line line = new_line();
	int pair[2];

	socket_pair(pair);
	send_over(pair[0], pair[1]);
	send_over(pair[0], line.end);
	let_go(&line);
	ASSERT_EQ(0, post_file(self->fd, 0, "socket", pair[1]));
	close(pair[0]);
	close(pair[1]);
	EXPECT_FALSE(is_dead(line));
	ASSERT_EQ(0, delete(self->fd, 0));
	WAIT_UNTIL(!files_of(self->fd, 0));
	collect_sockets();
	WAIT_UNTIL(is_dead(line));
}

/* What it is bound to comes with a descriptor, and no right. */
TEST_F(box, brings_descriptors_of_mailboxes_that_give_no_right)
{
	uint64_t id = create(self->fd, attributes(4, 64));
	int *slots = new_slots(), other = descriptor(id, O_RDWR);
	struct puppet *stranger = new_puppet(self->fd, STRANGER, STRANGER);
	struct mbox_recv how = { .flags = MBOX_RECV_NONBLOCK };
	int files[2] = { self->fd, other };
	struct mbox_stat stat;

	ASSERT_EQ(0, grant_by(myself(self->fd), 0, stranger->pid, MBOX_RIGHT_RECV));
	ASSERT_EQ(0, post_files(self->fd, 0, "both", files, 2));
	ASSERT_EQ(0, take_by(stranger, how, slots, 2));
	ASSERT_EQ(2, stranger->recv.nr_files);
	EXPECT_TRUE(same_file(getpid(), self->fd, stranger->pid, slots[0]));
	EXPECT_TRUE(same_file(getpid(), other, stranger->pid, slots[1]));
	stranger->fd = slots[1];
	EXPECT_EQ(EACCES, stat_by(stranger, 0, &stat));
	EXPECT_EQ(EACCES, post_by(stranger, 0, "text"));
	EXPECT_EQ(EACCES, fetch_by(stranger, 0));
	EXPECT_EQ(EACCES, ask(stranger, do_read));
	stranger->fd = slots[0];
	EXPECT_EQ(EACCES, post_by(stranger, 0, "text"));
	ASSERT_EQ(0, stat_by(stranger, 0, &stat));
	EXPECT_EQ(state(self->fd, 0).id, stat.id);
	ASSERT_EQ(0, grant_by(myself(self->fd), id, stranger->pid, MBOX_RIGHT_SEND));
	stranger->fd = slots[1];
	EXPECT_EQ(0, post_by(stranger, 0, "text"));
	EXPECT_EQ(1, state(self->fd, id).msgs);
}

/*
 * With all else that there is.
 */

/* Buffers that are used again bring nothing of what they had. */
TEST_F(box, reserves_no_files)
{
	struct mbox_create attr = for_files(2);
	struct bundle bundle;
	struct letter letter;
	uint64_t id;
	int i;

	attr.flags |= MBOX_CREATE_RESERVE;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	id = create(self->fd, attr);
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, post_files(self->fd, id, "a", self->files, 3));
		ASSERT_EQ(0, post_files(self->fd, id, "b", self->files + 3, 1));
		EXPECT_EQ(EAGAIN, post_files(self->fd, id, "c", self->files, 2));
		EXPECT_EQ(4, files_of(self->fd, 0));
		ASSERT_EQ(0, take_from(self->fd, id, &bundle));
		expect_files(_metadata, &bundle, MOST, self->files, 3);
		drop_files(&bundle);
		ASSERT_EQ(0, receive_plainly(self->fd, id, 0, &letter));
		EXPECT_EQ(MBOX_GOT_FILES_LOST, letter.env.got);
		EXPECT_EQ(0, files_of(self->fd, 0));
		ASSERT_EQ(0, post(self->fd, id, "d", 0));
		ASSERT_EQ(0, post(self->fd, id, "e", 0));
		ASSERT_EQ(0, take_from(self->fd, id, &bundle));
		expect_files(_metadata, &bundle, MOST, NULL, 0);
		EXPECT_EQ(0, bundle.letter.env.got);
		ASSERT_EQ(0, receive_plainly(self->fd, id, 0, &letter));
		EXPECT_EQ(0, letter.env.got);
		EXPECT_EQ(0, letter.env.nr_files);
	}
	expect_none(_metadata, self);
}

TEST_F(box, brings_files_to_a_rendezvous)
{
	uint64_t id = create(self->fd, for_files(0));
	struct mbox_recv how = { .id = id };
	struct mbox_send *send = shared(sizeof(*send));
	struct bundle bundle;
	pid_t sender;
	int i;

	*send = with_files(id, self->files, 2);
	for (i = 0; i < 2; i++) {
		/* The sender waits, then the receiver does. */
		sender = spawn();
		if (!sender) {
			if (i)
				wait_for_receivers(self->fd, id, 1);
			send->flags = i ? MBOX_SEND_NONBLOCK : 0;
			_exit(send_as(self->fd, "text", send));
		}
		if (!i) {
			wait_for_senders(self->fd, id, 1);
			EXPECT_EQ(2, files_of(self->fd, 0));
			/* Of one that does not fit nothing has happened. */
			EXPECT_EQ(EMSGSIZE, take_as(self->fd, how, 1, &bundle));
			EXPECT_EQ(2, bundle.letter.env.nr_files);
			EXPECT_EQ(1, state(self->fd, id).senders);
		}
		ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
		EXPECT_EQ(0, join(sender));
		EXPECT_EQ(getpid(), send->receiver);
		expect_files(_metadata, &bundle, 3, self->files, 2);
		drop_files(&bundle);
		expect_none(_metadata, self);
	}
	EXPECT_EQ(EAGAIN, post_files(self->fd, id, "text", self->files, 2));
	expect_none(_metadata, self);
}

/* A fault at a rendezvous: then the mailbox has the message, over its capacity. */
TEST_F(box, keeps_files_of_a_rendezvous_that_failed)
{
	uint64_t id = create(self->fd, for_files(0));
	struct mbox_recv how = {
		.flags = MBOX_RECV_FILES, .id = id, .nr_files = 3, .files = (uintptr_t)unmapped(),
	};
	struct mbox_send send = with_files(id, self->files, 2);
	pid_t sender = spawn_sender_as(self->fd, "text", &send);
	struct bundle bundle;
	struct letter letter;

	wait_for_senders(self->fd, id, 1);
	EXPECT_EQ(EFAULT, receive_as(self->fd, how, &letter));
	EXPECT_EQ(2, files_of(self->fd, 0));
	EXPECT_EQ(self->before, descriptors_of(getpid()));
	ASSERT_EQ(0, take_from(self->fd, id, &bundle));
	expect_files(_metadata, &bundle, MOST, self->files, 2);
	EXPECT_EQ(0, join(sender));
}

TEST_F(box, brings_files_of_a_synchronous_sender)
{
	struct mbox_send *send = shared(sizeof(*send));
	struct mbox_recv how = { .flags = 0 };
	struct bundle bundle;
	pid_t sender;

	*send = with_files(0, self->files, 5);
	send->flags = MBOX_SEND_SYNC;
	sender = spawn_sender_as(self->fd, "text", send);
	WAIT_UNTIL(state(self->fd, 0).msgs == 1);
	EXPECT_EQ(EMSGSIZE, take_as(self->fd, how, 4, &bundle));
	WAIT_UNTIL(sleeps(sender));
	ASSERT_EQ(0, take_as(self->fd, how, 5, &bundle));
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(getpid(), send->receiver);
	expect_files(_metadata, &bundle, 5, self->files, 5);
}

TEST_F(box, brings_files_from_whichever_is_chosen)
{
	uint64_t ids[3] = {
		create(self->fd, attributes(4, 64)), create(self->fd, for_files(4)),
		create(self->fd, for_files(0)),
	};
	struct mbox_recv how = { .flags = MBOX_RECV_CHOICE, .ids = (uintptr_t)ids, .nr_ids = 3 };
	struct mbox_send send = with_files(ids[2], self->files, 3);
	struct bundle bundle;
	pid_t sender;

	ASSERT_EQ(0, post_files(self->fd, ids[1], "files", self->files, 2));
	EXPECT_EQ(EMSGSIZE, take_as(self->fd, how, 1, &bundle));
	EXPECT_EQ(2, bundle.letter.env.nr_files);
	EXPECT_EQ(ids[1], bundle.letter.env.from);
	ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
	EXPECT_EQ(ids[1], bundle.letter.env.from);
	expect_files(_metadata, &bundle, 3, self->files, 2);
	drop_files(&bundle);
	ASSERT_EQ(0, post(self->fd, ids[0], "none", 0));
	ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
	EXPECT_EQ(ids[0], bundle.letter.env.from);
	expect_files(_metadata, &bundle, 3, NULL, 0);
	sender = spawn_sender_as(self->fd, "met", &send);
	ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
	EXPECT_EQ(ids[2], bundle.letter.env.from);
	expect_files(_metadata, &bundle, 3, self->files, 3);
	drop_files(&bundle);
	EXPECT_EQ(0, join(sender));
	expect_none(_metadata, self);
}

TEST_F(box, brings_files_by_tag_and_by_priority)
{
	struct mbox_create attr = for_files(4);
	struct bundle bundle;
	struct mbox_recv how;
	uint64_t id, tag;

	attr.flags |= MBOX_CREATE_BY_TAG;
	id = create(self->fd, attr);
	for (tag = 1; tag <= 3; tag++) {
		struct mbox_send send = with_files(id, self->files + tag, tag);

		send.tag = tag;
		send.prio = tag;
		ASSERT_EQ(0, send_as(self->fd, "text", &send));
	}
	how = (struct mbox_recv){ .flags = MBOX_RECV_MATCH, .id = id, .match = 2 };
	ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
	expect_files(_metadata, &bundle, 3, self->files + 2, 2);
	how = (struct mbox_recv){ .flags = MBOX_RECV_LEAST, .id = id };
	ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
	expect_files(_metadata, &bundle, 3, self->files + 1, 1);
	ASSERT_EQ(0, take_as(self->fd, how, 3, &bundle));
	expect_files(_metadata, &bundle, 3, self->files + 3, 3);
}

/* The ownership of a mailbox and files, with one message. */
TEST_F(box, brings_files_with_an_offer)
{
	uint64_t box = state(self->fd, 0).id, offered = create(self->fd, for_files(4));
	int *slots = new_slots();
	struct puppet *heir = new_puppet(self->fd, STRANGER, STRANGER);
	struct mbox_recv how = { .flags = MBOX_RECV_ACCEPT | MBOX_RECV_NONBLOCK, .id = box };
	struct mbox_send send = with_files(0, self->files, 2);

	self->before = descriptors_of(getpid());
	send.flags = MBOX_SEND_OFFER;
	send.offer = offered;
	ASSERT_EQ(0, grant_by(myself(self->fd), box, heir->pid, MBOX_RIGHT_RECV));
	ASSERT_EQ(0, post_files(self->fd, offered, "inside", self->files, 4));
	ASSERT_EQ(0, send_as(self->fd, "offer", &send));
	EXPECT_EQ(6, files_of(self->fd, 0));
	/* Neither comes if one cannot. */
	EXPECT_EQ(EMSGSIZE, take_by(heir, how, slots, 1));
	EXPECT_EQ(getpid(), state(self->fd, offered).pid);
	ASSERT_EQ(0, set_tunable("user_mailboxes", 0));
	EXPECT_EQ(EDQUOT, take_by(heir, how, slots, 2));
	EXPECT_GT(0, slots[0]);
	EXPECT_GT(0, slots[1]);
	EXPECT_EQ(getpid(), state(self->fd, offered).pid);
	EXPECT_EQ(6, files_of(self->fd, 0));
	reset_tunables();
	ASSERT_EQ(0, take_by(heir, how, slots, 2));
	EXPECT_EQ(offered, heir->recv.owned);
	EXPECT_EQ(2, heir->recv.nr_files);
	EXPECT_TRUE(same_file(getpid(), self->files[0], heir->pid, slots[0]));
	EXPECT_TRUE(same_file(getpid(), self->files[1], heir->pid, slots[1]));
	EXPECT_EQ(heir->pid, state(self->fd, offered).pid);
	/* What was in it has changed hands with it. */
	how = (struct mbox_recv){ .id = offered };
	ASSERT_EQ(0, take_by(heir, how, slots, 4));
	EXPECT_STREQ("inside", heir->text);
	EXPECT_EQ(4, heir->recv.nr_files);
	EXPECT_TRUE(same_file(getpid(), self->files[3], heir->pid, slots[3]));
	expect_none(_metadata, self);
}

static int run_batch(int fd, unsigned long command, void *items, uint32_t nr, size_t size,
		     struct mbox_batch *batch)
{
	*batch = (struct mbox_batch){ .items = (uintptr_t)items, .nr = nr, .size = size };
	memset(&batch->done, POISON, sizeof(batch->done) + sizeof(batch->error));
	return call(fd, command, batch);
}

TEST_F(box, brings_files_in_batches)
{
	struct mbox_send sends[4];
	struct mbox_recv recvs[4];
	struct bundle bundles[4];
	struct mbox_batch batch;
	int bad = -1, i, k;

	memset(bundles, POISON, sizeof(bundles));
	for (i = 0; i < 4; i++) {
		sends[i] = with_files(0, self->files + i, i);
		sends[i].buf = (uintptr_t)"text";
		sends[i].len = i;
		recvs[i] = (struct mbox_recv){
			.flags = MBOX_RECV_FILES | MBOX_RECV_NONBLOCK,
			.buf = (uintptr_t)bundles[i].letter.text, .size = 8,
			.files = (uintptr_t)bundles[i].files, .nr_files = 3,
		};
	}
	/* One file is bad: those before it are sent. */
	sends[3].files = (uintptr_t)&bad;
	sends[3].nr_files = 1;
	ASSERT_EQ(0, run_batch(self->fd, MBOX_IOC_SEND_BATCH, sends, 4, sizeof(*sends), &batch));
	EXPECT_EQ(3, batch.done);
	EXPECT_EQ(-EBADF, batch.error);
	EXPECT_EQ(3, files_of(self->fd, 0));
	sends[3].files = (uintptr_t)(self->files + 3);
	sends[3].nr_files = 3;
	ASSERT_EQ(0, run_batch(self->fd, MBOX_IOC_SEND_BATCH, sends + 3, 1, sizeof(*sends),
			       &batch));
	EXPECT_EQ(1, batch.done);
	EXPECT_EQ(0, batch.error);
	EXPECT_EQ(6, files_of(self->fd, 0));

	/* The last has too little room. */
	recvs[3].nr_files = 2;
	ASSERT_EQ(0, run_batch(self->fd, MBOX_IOC_RECV_BATCH, recvs, 4, sizeof(*recvs), &batch));
	EXPECT_EQ(3, batch.done);
	EXPECT_EQ(-EMSGSIZE, batch.error);
	EXPECT_EQ(3, files_of(self->fd, 0));
	recvs[3].nr_files = 3;
	ASSERT_EQ(0, run_batch(self->fd, MBOX_IOC_RECV_BATCH, recvs + 3, 1, sizeof(*recvs),
			       &batch));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(i, recvs[i].nr_files);
		EXPECT_EQ(i, recvs[i].len);
		for (k = 0; k < 3; k++) {
			int file = bundles[i].files[k];

			EXPECT_EQ(k < i, file >= 0 && same_file(getpid(), self->files[i + k],
								getpid(), file));
			EXPECT_EQ(k >= i, file == -1);
		}
		drop_files(&bundles[i]);
	}
	expect_none(_metadata, self);
}

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	return test_harness_run(argc, argv);
}
