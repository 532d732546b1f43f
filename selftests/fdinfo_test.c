// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /proc/PID/fdinfo says of a descriptor, and to whom.
 */
#include "direct.h"

#include <sys/mount.h>

#define SIZE 16

/* The lines of ours in the file, as they are; the rest must be there, too. */
static void read_info(pid_t pid, int fd, char ours[2048])
{
	char path[64], text[4096] = "", *line, *rest = text;
	bool has_flags = false, has_pos = false;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	NEED(file >= 0 && read(file, text, sizeof(text) - 1) > 0);
	close(file);
	ours[0] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		has_pos |= !strncmp(line, "pos:\t", 5);
		has_flags |= !strncmp(line, "flags:\t", 7);
		if (strncmp(line, "mbox", 4))
			continue;
		strcat(ours, line);
		strcat(ours, "\n");
	}
	NEED(has_pos && has_flags);
}

/* What it should say of a mailbox, to one who may see it. */
static void expect_info(struct __test_metadata *_metadata, pid_t pid, int fd,
			const struct mbox_stat *stat, const char *life)
{
	char info[2048], expected[2048];

	snprintf(expected, sizeof(expected),
		 "mbox-id:\t%llu\nmbox-name:\t%s\nmbox-state:\t%s\nmbox-owner:\t%d\n"
		 "mbox-msgs:\t%u\nmbox-bytes:\t%llu\nmbox-senders:\t%u\nmbox-receivers:\t%u\n",
		 stat->id, stat->name, life, stat->pid, stat->msgs, stat->bytes, stat->senders,
		 stat->receivers);
	read_info(pid, fd, info);
	EXPECT_STREQ(expected, info);
}

static void expect_id_only(struct __test_metadata *_metadata, const char *info, uint64_t id)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "mbox-id:\t%llu\n", (unsigned long long)id);
	EXPECT_STREQ(expected, info);
}

FIXTURE(fdinfo) {
	int fd;
	uint64_t id;
};

FIXTURE_SETUP(fdinfo)
{
	struct mbox_create attr = attributes(2, SIZE);

	begin_accounts();
	set_name(attr.name, "letters");
	self->fd = mailbox(attr);
	self->id = state(self->fd, 0).id;
}

FIXTURE_TEARDOWN(fdinfo)
{
	end_cast(self->fd);
}

TEST_F(fdinfo, tells_what_the_mailbox_holds_and_who_waits)
{
	struct puppet *other = new_actor(self->fd, 0);
	struct mbox_stat stat = state(self->fd, 0);

	ASSERT_EQ(getpid(), stat.pid);
	expect_info(_metadata, getpid(), self->fd, &stat, "live");
	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, post(self->fd, 0, "bcd", 0));
	begin_send(other, (struct mbox_send){ }, "e");
	wait_for_senders(self->fd, 0, 1);
	stat.msgs = 2;
	stat.bytes = 4;
	stat.senders = 1;
	expect_info(_metadata, getpid(), self->fd, &stat, "live");
}

TEST_F(fdinfo, tells_who_waits_for_a_message)
{
	struct puppet *other = new_actor(self->fd, 0);
	struct mbox_stat stat = state(self->fd, 0);

	begin_recv(other, (struct mbox_recv){ });
	wait_for_receivers(self->fd, 0, 1);
	stat.receivers = 1;
	expect_info(_metadata, getpid(), self->fd, &stat, "live");
}

TEST_F(fdinfo, of_an_unbound_descriptor_tells_nothing)
{
	int fd = device(O_RDWR);
	struct mbox_stat stat;
	char info[2048];

	read_info(getpid(), fd, info);
	EXPECT_STREQ("", info);
	ASSERT_EQ(0, bind_by_id(fd, self->id));
	stat = state(fd, 0);
	expect_info(_metadata, getpid(), fd, &stat, "live");
}

TEST_F(fdinfo, of_a_mailbox_that_is_gone_says_so)
{
	struct mbox_stat stat = state(self->fd, 0);
	char info[2048];

	ASSERT_EQ(0, post(self->fd, 0, "a", 0));
	ASSERT_EQ(0, delete(self->fd, 0));
	read_info(getpid(), self->fd, info);
	EXPECT_NE(NULL, strstr(info, "\nmbox-state:\tgone\n"));
	EXPECT_NE(NULL, strstr(info, "\nmbox-name:\tletters\n"));
	EXPECT_NE(NULL, strstr(info, "\nmbox-msgs:\t0\n"));
	EXPECT_NE(NULL, strstr(info, "\nmbox-bytes:\t0\n"));
	/* Nor does it become another one that takes its name. */
	ASSERT_NE(0, create(self->fd, (struct mbox_create){
		.max_msgs = 1, .max_bytes = SIZE, .max_size = SIZE, .name = "letters",
	}));
	read_info(getpid(), self->fd, info);
	EXPECT_NE(NULL, strstr(info, "\nmbox-state:\tgone\n"));
	EXPECT_EQ(stat.id, strtoull(info + strlen("mbox-id:\t"), NULL, 10));
}

TEST_F(fdinfo, of_an_orphan_has_no_owner)
{
	struct puppet *owner = new_actor(self->fd, 0);
	struct mbox_stat stat;

	ASSERT_EQ(0, transfer_by(myself(self->fd), 0, owner->pid, 0));
	stat = state(self->fd, 0);
	ASSERT_EQ(owner->pid, stat.pid);
	expect_info(_metadata, getpid(), self->fd, &stat, "live");
	NEED(kill_puppet(owner) == -SIGKILL);
	nr_cast = 0;
	WAIT_UNTIL(state(self->fd, 0).state & MBOX_STATE_ORPHAN);
	stat.pid = 0;
	expect_info(_metadata, getpid(), self->fd, &stat, "live");
}

TEST_F(fdinfo, of_another_process_tells_the_same)
{
	struct puppet *other = new_actor(self->fd, OWNER);
	struct mbox_stat stat = state(self->fd, 0);
	int fd;

	expect_info(_metadata, other->pid, self->fd, &stat, "live");
	NEED(!ask(other, do_get_device));
	fd = other->fd;
	NEED(!chmod_by(myself(self->fd), 0, 0666));
	NEED(!call_by(other, MBOX_IOC_OPEN, &(struct mbox_open){ .id = self->id }));
	NEED(!chmod_by(myself(self->fd), 0, 0600));
	/* The test has no such descriptor, or another one. */
	expect_info(_metadata, other->pid, fd, &stat, "live");
}

static int do_read_info(struct puppet *me)
{
	char info[2048] = "";

	read_info(getpid(), me->fd, info);
	memcpy(me->text, info, sizeof(me->text) - 1);
	return 0;
}

static const char *info_of(struct puppet *whose)
{
	memset(whose->text, 0, sizeof(whose->text));
	NEED(!ask(whose, do_read_info));
	return whose->text;
}

TEST_F(fdinfo, tells_one_without_rights_the_id_only)
{
	struct puppet *stranger = new_actor(self->fd, STRANGER), *me = myself(self->fd);

	expect_id_only(_metadata, info_of(stranger), self->id);
	ASSERT_EQ(0, grant_by(me, 0, stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_NE(NULL, strstr(info_of(stranger), "mbox-name:\tletters\n"));
	ASSERT_EQ(0, revoke_by(me, 0, stranger->pid, MBOX_RIGHT_SEND));
	expect_id_only(_metadata, info_of(stranger), self->id);
	ASSERT_EQ(0, offer_by(me, 0, stranger->pid, 0));
	EXPECT_NE(NULL, strstr(info_of(stranger), "mbox-name:\tletters\n"));
	ASSERT_EQ(0, offer_by(me, 0, 0, 0));
	expect_id_only(_metadata, info_of(stranger), self->id);
	ASSERT_EQ(0, chmod_by(me, 0, 0602));
	EXPECT_NE(NULL, strstr(info_of(stranger), "mbox-name:\tletters\n"));
	ASSERT_EQ(0, chmod_by(me, 0, 0600));
	expect_id_only(_metadata, info_of(stranger), self->id);
	ASSERT_EQ(0, delete(self->fd, 0));
	expect_id_only(_metadata, info_of(stranger), self->id);
}

/* What counts is who reads, not who opened. */
static int do_read_after_giving_up(struct puppet *me)
{
	char text[1024] = "", path[64];
	int file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", me->fd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	NEED(file >= 0);
	become(STRANGER, STRANGER);
	NEED(read(file, text, sizeof(text) - 1) > 0);
	return !strstr(text, "mbox-id:") || strstr(text, "mbox-name:");
}

TEST_F(fdinfo, goes_by_the_rights_of_whoever_reads)
{
	struct puppet *other = new_actor(self->fd, 0);

	EXPECT_NE(NULL, strstr(info_of(other), "mbox-name:\tletters\n"));
	EXPECT_EQ(0, ask(other, do_read_after_giving_up));
}

TEST_F(fdinfo, shows_names_as_they_are)
{
	static const char *const names[] = {
		"\xff\xfe\x80", "%s%n%d", "\\134\\n\"'", "-l", "mbox-id:", "\xc3\xa4rger",
		"a123456789b123456789c123456789d123456789e123456789f123456789g12",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct mbox_create attr = attributes(1, SIZE);
		struct mbox_stat stat;
		int fd;

		set_name(attr.name, names[i]);
		fd = mailbox(attr);
		stat = state(fd, 0);
		ASSERT_STREQ(names[i], (const char *)stat.name);
		expect_info(_metadata, getpid(), fd, &stat, "live");
		close(fd);
	}
}

TEST_F(fdinfo, of_a_mailbox_without_a_name_has_an_empty_one)
{
	int fd = mailbox(attributes(1, SIZE));
	struct mbox_stat stat = state(fd, 0);
	char info[2048];

	expect_info(_metadata, getpid(), fd, &stat, "live");
	read_info(getpid(), fd, info);
	EXPECT_NE(NULL, strstr(info, "\nmbox-name:\t\n"));
}

/* The first process of a pid namespace does not see who is outside. */
TEST_F(fdinfo, numbers_processes_for_whoever_reads)
{
	pid_t child = spawn_as_first();

	if (!child) {
		char info[2048];

		/* /proc is still that of the test, where self is not this process. */
		NEED(!unshare(CLONE_NEWNS));
		NEED(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		NEED(!mount("proc", "/proc", "proc", 0, NULL));
		read_info(1, self->fd, info);
		_exit(!strstr(info, "\nmbox-owner:\t0\n") ||
		      !strstr(info, "\nmbox-name:\tletters\n"));
	}
	EXPECT_EQ(0, join(child));
}

TEST_F(fdinfo, of_an_inbox_is_told_as_of_any_mailbox)
{
	struct puppet *other = new_actor(self->fd, 0);
	struct mbox_stat stat;

	ASSERT_EQ(0, bind_to_inbox(other, 0));
	stat = inbox(self->fd, other);
	expect_info(_metadata, other->pid, other->fd, &stat, "live");
}

/* Reading it while the mailbox goes and others come is safe. */
TEST_F(fdinfo, can_be_read_at_any_time)
{
	pid_t child = spawn();
	int round;

	if (!child) {
		char path[64], text[1024];

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getppid(), self->fd);
		for (;;) {
			int file = open(path, O_RDONLY);

			/* The descriptor is not there all the time. */
			if (file >= 0 && read(file, text, sizeof(text)) < 0)
				NEED(errno == ENOENT);
			close(file);
		}
	}
	for (round = 0; round < 200; round++) {
		int fd;

		close(self->fd);
		fd = mailbox(attributes(1, SIZE));
		NEED(fd == self->fd);
		NEED(!post(fd, 0, "a", 0));
		NEED(!delete(fd, 0));
	}
	end(child);
}

TEST_HARNESS_MAIN
