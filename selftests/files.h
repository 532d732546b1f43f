/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files for tests: sent and received with messages, compared, and seen to be closed.
 *
 * That is seen at the other end of a pipe. What travels is its writing end; once
 * nobody has that any more, poll(2) says POLLHUP of the reading end.
 */
#ifndef FILES_H
#define FILES_H

#include "account.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <linux/kcmp.h>

#define UNTOUCHED	((int)0xa5a5a5a5)	/* a slot with nothing but POISON */

struct line {
	int end;	/* it travels; -1 once the test has let go of it */
	int ear;
};

static inline struct line new_line(void)
{
	int fds[2];

	NEED(!pipe2(fds, O_CLOEXEC));
	return (struct line){ .end = fds[1], .ear = fds[0] };
}

static inline void let_go(struct line *line)
{
	NEED(!close(line->end));
	line->end = -1;
}

/* Is the end that travelled closed for good? */
static inline bool is_dead(struct line line)
{
	return polled(line.ear, POLLIN) & POLLHUP;
}

static inline ino_t inode_of(int fd)
{
	struct stat stat;

	NEED(!fstat(fd, &stat));
	return stat.st_ino;
}

/* Do the two descriptors, each of its process, mean one open file? */
static inline bool same_file(pid_t a, int fd_a, pid_t b, int fd_b)
{
	long result = syscall(SYS_kcmp, a, b, KCMP_FILE, fd_a, fd_b);

	NEED(result >= 0);
	return !result;
}

/* How many descriptors that process has; for itself one more, always. */
static inline unsigned int descriptors_of(pid_t pid)
{
	unsigned int count = 0;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	NEED(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* How that process has it open: O_ flags. */
static inline int flags_of(pid_t pid, int fd)
{
	char path[48], text[128] = "", *found;
	int info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	NEED(info >= 0 && read(info, text, sizeof(text) - 1) > 0);
	close(info);
	found = strstr(text, "flags:");
	NEED(found);
	return strtol(found + strlen("flags:"), NULL, 8);
}

/* A mailbox that takes files. */
static inline struct mbox_create for_files(uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, 64);

	attr.flags = MBOX_CREATE_FILES;
	return attr;
}

static inline struct mbox_create public_for_files(uint32_t msgs)
{
	struct mbox_create attr = for_files(msgs);

	attr.mode = 0666;
	return attr;
}

static inline struct mbox_send with_files(uint64_t id, const int *files, uint32_t nr)
{
	return (struct mbox_send){ .id = id, .files = (uintptr_t)files, .nr_files = nr };
}

/* Send a text with files, and do not wait. */
static inline int post_files(int fd, uint64_t id, const char *text, const int *files, uint32_t nr)
{
	struct mbox_send how = with_files(id, files, nr);

	how.flags = MBOX_SEND_NONBLOCK;
	return send_as(fd, text, &how);
}

static inline int post_file(int fd, uint64_t id, const char *text, int file)
{
	return post_files(fd, id, text, &file, 1);
}

/* What a receive brought, with room for more files than there may be. */
struct bundle {
	struct letter letter;
	int files[MBOX_FILES_MAX + 2];
};

/* All that a receive tells, but for @nr_files, which is told it, too. */
static inline void poison_all(struct mbox_recv *env)
{
	poison_envelope(env);
	memset(&env->owned, POISON,
	       offsetof(struct mbox_recv, nr_files) - offsetof(struct mbox_recv, owned));
}

/* A receive in every detail, with room for so many files. */
static inline int take_as(int fd, struct mbox_recv how, uint32_t room, struct bundle *bundle)
{
	poison_all(&how);
	memset(bundle, POISON, sizeof(*bundle));
	how.flags |= MBOX_RECV_FILES;
	how.files = (uintptr_t)bundle->files;
	how.nr_files = room;
	return receive_as(fd, how, &bundle->letter);
}

static inline int take_from(int fd, uint64_t id, struct bundle *bundle)
{
	struct mbox_recv how = { .flags = MBOX_RECV_NONBLOCK, .id = id };

	return take_as(fd, how, MBOX_FILES_MAX, bundle);
}

/* Without asking for files. */
static inline int receive_plainly(int fd, uint64_t id, uint64_t flags, struct letter *letter)
{
	struct mbox_recv how = { .flags = flags | MBOX_RECV_NONBLOCK, .id = id };

	poison_all(&how);
	return receive_as(fd, how, letter);
}

static inline void drop_files(struct bundle *bundle)
{
	unsigned int i;

	for (i = 0; i < MBOX_FILES_MAX; i++)
		if (bundle->files[i] >= 0)
			NEED(!close(bundle->files[i]));
}

/* The same by a puppet, to where all can see it: @slots is older than the puppet. */
static inline int take_by(struct puppet *puppet, struct mbox_recv how, int *slots, uint32_t room)
{
	poison_all(&how);
	memset(slots, POISON, (MBOX_FILES_MAX + 2) * sizeof(*slots));
	how.flags |= MBOX_RECV_FILES;
	how.files = (uintptr_t)slots;
	how.nr_files = room;
	return recv_by(puppet, how);
}

static inline int *new_slots(void)
{
	return shared((MBOX_FILES_MAX + 2) * sizeof(int));
}

static inline int close_text(struct puppet *me)
{
	return error_of(close(atoi(me->text)));
}

/* Close a descriptor of a puppet's. */
static inline int close_by(struct puppet *puppet, int fd)
{
	snprintf(puppet->text, sizeof(puppet->text), "%d", fd);
	return ask(puppet, close_text);
}

static inline uint32_t files_of(int fd, uid_t uid)
{
	return usage_of(fd, uid).user_files;
}

/* In the caller's network namespace. */
static inline uint32_t files_here(int fd)
{
	return usage_of(fd, 0).ns_files;
}

/* What is closed by the end of something else is closed soon after. */
static inline void end_files(int fd)
{
	unsigned int i;

	end_accounts(fd);
	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		WAIT_UNTIL(!files_of(fd, users[i]));
	WAIT_UNTIL(!files_of(fd, 0) && !files_here(fd));
}

#endif /* FILES_H */
