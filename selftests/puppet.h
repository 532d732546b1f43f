/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puppets: processes, and threads of them, that make the calls that the test
 * tells them to make, one after the other.
 */
#ifndef PUPPET_H
#define PUPPET_H

#include "mbox_selftest.h"

#include <linux/futex.h>

#define OWNER	 1000	/* user and group of most owners */
#define STRANGER 1001	/* and of somebody else */

#define PUPPET_THREADS	4

/**
 * struct puppet - somebody who does as the test says; shared with the test
 * @pid: its process
 * @tid: its thread
 * @fd: the descriptor that it uses; inherited
 * @memory: descriptor of the file that this is in
 * @asked: how often the test asked it to act
 * @answered: how often it did
 * @act: what to do, as it lies to obey(): exec may move both
 * @error: what that returned
 * @command: for do_call(): of ioctl(2)
 * @send: for do_call(): the argument, as are the others
 * @text: of a message
 * @nr_threads: of the first puppet of a process: how many there are
 * @stall: for do_stalled_call(): STALLS and what follows from it
 */
struct puppet {
	pid_t pid;
	uint32_t tid;
	int fd;
	int memory;
	uint32_t asked;
	uint32_t answered;
	intptr_t act;
	int error;
	unsigned int nr_threads;
	uint32_t stall;
	unsigned long command;
	union {
		struct mbox_create create;
		struct mbox_send send;
		struct mbox_recv recv;
		struct mbox_stat stat;
		unsigned char arg[512];
	};
	char text[128];
};

_Static_assert(PUPPET_THREADS * sizeof(struct puppet) <= PAGE, "one page is mapped anew");

typedef int act_fn(struct puppet *me);

/* In 32 bits there are two, and ours has times of 64 bits. */
#ifdef SYS_futex_time64
#undef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

static inline void futex_wait(uint32_t *word, uint32_t value)
{
	struct timespec second = { .tv_sec = 1 };

	syscall(SYS_futex, word, FUTEX_WAIT, value, &second, NULL, 0);
}

static inline void futex_tell(uint32_t *word, uint32_t value)
{
	tell(word, value);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static inline void *obey(void *data)
{
	struct puppet *me = data;
	uint32_t done = told(&me->answered);
	act_fn *act;

	tell(&me->tid, syscall(SYS_gettid));
	for (;;) {
		while (told(&me->asked) == done)
			futex_wait(&me->asked, done);
		act = (act_fn *)((intptr_t)obey + me->act);
		me->error = act(me);
		futex_tell(&me->answered, ++done);
	}
	return NULL;
}

static inline void *map_puppet_at(uintptr_t address, int memory)
{
	return mmap((void *)address, PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, memory, 0);
}

/* Room for the threads of one process, where there is nothing after an exec either. */
static inline struct puppet *new_puppet_memory(int fd)
{
	int memory = memfd_create("puppet", 0), i;
	uintptr_t address = 1 << 28;
	struct puppet *puppet;

	NEED(memory >= 0 && !ftruncate(memory, PAGE));
	while ((puppet = map_puppet_at(address, memory)) == MAP_FAILED) {
		NEED(errno == EEXIST);
		address += PAGE;
	}
	for (i = 0; i < PUPPET_THREADS; i++) {
		puppet[i].fd = fd;
		puppet[i].memory = memory;
	}
	puppet->nr_threads = 1;
	return puppet;
}

/* A child of that user and group; root stays what it is. */
static inline struct puppet *new_puppet(int fd, uid_t uid, gid_t gid)
{
	struct puppet *puppet = new_puppet_memory(fd);
	pid_t pid = spawn();

	if (!pid) {
		if (uid || gid)
			become(uid, gid);
		obey(puppet);
	}
	puppet->pid = pid;
	WAIT_UNTIL(told(&puppet->tid));
	return puppet;
}

/* The test itself, for whatever takes a puppet and does not block. */
static inline struct puppet *myself(int fd)
{
	struct puppet *puppet = shared(sizeof(*puppet));

	puppet->pid = getpid();
	puppet->fd = fd;
	return puppet;
}

/* Begin, without waiting for the end: for what blocks. */
static inline void begin_act(struct puppet *puppet, act_fn *act)
{
	NEED(told(&puppet->answered) == puppet->asked);
	puppet->act = (intptr_t)act - (intptr_t)obey;
	futex_tell(&puppet->asked, puppet->asked + 1);
}

static inline bool is_done(const struct puppet *puppet)
{
	return told(&puppet->answered) == puppet->asked;
}

static inline int end_act(struct puppet *puppet)
{
	int tries = 20;

	while (!is_done(puppet)) {
		NEED(tries-- && "in time");
		futex_wait(&puppet->answered, puppet->asked - 1);
	}
	return puppet->error;
}

static inline int ask(struct puppet *puppet, act_fn *act)
{
	if (puppet->pid == getpid())
		return act(puppet);
	begin_act(puppet, act);
	return end_act(puppet);
}

static inline int start_thread(struct puppet *me)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, obey, me + me->nr_threads - 1);
}

/* Another thread of the same process. */
static inline struct puppet *new_thread(struct puppet *first)
{
	struct puppet *thread = first + first->nr_threads++;

	NEED(first->nr_threads <= PUPPET_THREADS);
	thread->pid = first->pid;
	NEED(!ask(first, start_thread));
	WAIT_UNTIL(told(&thread->tid));
	return thread;
}

/*
 * Exec this test anew, whose main() hands over to resume_puppet(): the puppet goes
 * on, its other threads are gone.
 */
#define PUPPET_ARGC	4

static inline int do_exec(struct puppet *me)
{
	char memory[16], address[32];

	NEED(!fcntl(me->fd, F_SETFD, 0));
	snprintf(memory, sizeof(memory), "%d", me->memory);
	snprintf(address, sizeof(address), "%p", (void *)me);
	execl("/proc/thread-self/exe", "test", "puppet", memory, address, NULL);
	return errno;
}

static inline int resume_puppet(char **argv)
{
	uintptr_t address = strtoull(argv[3], NULL, 16), base = address / PAGE * PAGE;
	struct puppet *me = (struct puppet *)address;

	NEED(map_puppet_at(base, atoi(argv[2])) == (void *)base);
	tell(&me->tid, syscall(SYS_gettid));
	futex_tell(&me->answered, told(&me->asked));
	obey(me);
	return 1;
}

/* The end of a process that nothing is left of; its status as join() has it. */
static inline int kill_puppet(struct puppet *puppet)
{
	NEED(!kill(puppet->pid, SIGKILL));
	return join(puppet->pid);
}

/* Fork until a child has that number. 0 in the child. */
static inline pid_t spawn_with_pid(pid_t pid)
{
	char text[16];
	int tries;

	snprintf(text, sizeof(text), "%d", pid - 1);
	for (tries = 0; tries < 100; tries++) {
		pid_t child;

		if (put_file("/proc/sys/kernel/ns_last_pid", text))
			return -1;
		child = spawn();
		if (!child && getpid() != pid)
			_exit(0);
		if (!child || child == pid)
			return child;
		NEED(!join(child));
	}
	return -1;
}

static inline int open_pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	NEED(fd >= 0);
	return fd;
}

/*
 * Calls.
 */

static inline int do_call(struct puppet *me)
{
	return call(me->fd, me->command, me->arg);
}

static inline void begin_call(struct puppet *puppet, unsigned long command, const void *arg)
{
	puppet->command = command;
	memcpy(puppet->arg, arg, _IOC_SIZE(command));
	begin_act(puppet, do_call);
}

static inline int call_by(struct puppet *puppet, unsigned long command, void *arg)
{
	int error;

	puppet->command = command;
	memcpy(puppet->arg, arg, _IOC_SIZE(command));
	error = ask(puppet, do_call);
	memcpy(arg, puppet->arg, _IOC_SIZE(command));
	return error;
}

enum { STALLS = 1, GO_ON, FAIL };

/* What a page that stalls the kernel takes, and nothing of a mailbox. */
static inline int drop_all_but_stalling(struct puppet *me)
{
	(void)me;
	wield(1ULL << CAP_SYS_PTRACE);
	return 0;
}

/* A send or receive with a buffer that stalls until the test says how to go on. */
static inline int do_stalled_call(struct puppet *me)
{
	struct task task = { .fd = me->fd, .command = me->command, .recv = me->recv };
	struct stall stall = new_stall();

	if (me->command == MBOX_IOC_SEND) {
		task.send = me->send;
		task.send.buf = (uintptr_t)stall.page;
	} else {
		task.recv.buf = (uintptr_t)stall.page;
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

static inline void begin_stalled_send(struct puppet *puppet, struct mbox_send how, uint64_t len)
{
	how.len = len;
	puppet->stall = 0;
	puppet->command = MBOX_IOC_SEND;
	puppet->send = how;
	begin_act(puppet, do_stalled_call);
}

static inline void begin_stalled_recv(struct puppet *puppet, struct mbox_recv how, uint64_t size)
{
	how.size = size;
	puppet->stall = 0;
	puppet->command = MBOX_IOC_RECV;
	puppet->recv = how;
	begin_act(puppet, do_stalled_call);
}

static inline void wait_for_stalled(struct puppet *puppet)
{
	WAIT_UNTIL(told(&puppet->stall) == STALLS);
}

static inline int end_stalled(struct puppet *puppet, uint32_t how)
{
	tell(&puppet->stall, how);
	return end_act(puppet);
}

static inline uint64_t create_by(struct puppet *puppet, struct mbox_create attr)
{
	NEED(!call_by(puppet, MBOX_IOC_CREATE, &attr));
	return attr.id;
}

static inline void begin_send(struct puppet *puppet, struct mbox_send how, const char *text)
{
	strcpy(puppet->text, text);
	how.buf = (uintptr_t)puppet->text;
	how.len = strlen(text);
	begin_call(puppet, MBOX_IOC_SEND, &how);
}

static inline int send_by(struct puppet *puppet, struct mbox_send how, const char *text)
{
	strcpy(puppet->text, text);
	how.buf = (uintptr_t)puppet->text;
	how.len = strlen(text);
	return call_by(puppet, MBOX_IOC_SEND, &how);
}

static inline int post_by(struct puppet *puppet, uint64_t id, const char *text)
{
	return send_by(puppet, (struct mbox_send){ .id = id, .flags = MBOX_SEND_NONBLOCK }, text);
}

static inline void begin_recv(struct puppet *puppet, struct mbox_recv how)
{
	memset(puppet->text, 0, sizeof(puppet->text));
	how.buf = (uintptr_t)puppet->text;
	how.size = sizeof(puppet->text) - 1;
	begin_call(puppet, MBOX_IOC_RECV, &how);
}

/* What came is in puppet->recv and puppet->text. */
static inline int recv_by(struct puppet *puppet, struct mbox_recv how)
{
	memset(puppet->text, 0, sizeof(puppet->text));
	how.buf = (uintptr_t)puppet->text;
	how.size = sizeof(puppet->text) - 1;
	poison_envelope(&how);
	return call_by(puppet, MBOX_IOC_RECV, &how);
}

static inline int fetch_by(struct puppet *puppet, uint64_t id)
{
	return recv_by(puppet, (struct mbox_recv){ .id = id, .flags = MBOX_RECV_NONBLOCK });
}

static inline int do_read(struct puppet *me)
{
	return error_of(read(me->fd, me->text, sizeof(me->text)));
}

static inline int do_write(struct puppet *me)
{
	return error_of(write(me->fd, me->text, strlen(me->text)));
}

static inline int delete_by(struct puppet *puppet, uint64_t id)
{
	return call_by(puppet, MBOX_IOC_DELETE, &(struct mbox_delete){ .id = id });
}

static inline int stat_by(struct puppet *puppet, uint64_t id, struct mbox_stat *stat)
{
	memset(stat, POISON, sizeof(*stat));
	stat->flags = 0;
	stat->id = id;
	return call_by(puppet, MBOX_IOC_STAT, stat);
}

static inline int do_open(struct puppet *me)
{
	struct mbox_open arg = { };
	int fd = device(O_RDWR), error;

	memcpy(&arg.id, me->arg, sizeof(arg.id));
	error = call(fd, MBOX_IOC_OPEN, &arg);
	close(fd);
	return error;
}

/* Open by id, on a descriptor of its own. */
static inline int open_by(struct puppet *puppet, uint64_t id)
{
	memcpy(puppet->arg, &id, sizeof(id));
	return ask(puppet, do_open);
}

static inline int transfer_by(struct puppet *puppet, uint64_t id, pid_t pid, uint64_t flags)
{
	struct mbox_transfer arg = { .flags = flags, .id = id, .pid = pid };

	return call_by(puppet, MBOX_IOC_TRANSFER, &arg);
}

static inline int offer_by(struct puppet *puppet, uint64_t id, pid_t pid, uint64_t flags)
{
	struct mbox_transfer arg = { .flags = flags, .id = id, .pid = pid };

	return call_by(puppet, MBOX_IOC_OFFER, &arg);
}

static inline int accept_by(struct puppet *puppet, uint64_t id)
{
	return call_by(puppet, MBOX_IOC_ACCEPT, &(struct mbox_take){ .id = id });
}

static inline int claim_by(struct puppet *puppet, uint64_t id)
{
	return call_by(puppet, MBOX_IOC_CLAIM, &(struct mbox_take){ .id = id });
}

static inline int grant_by(struct puppet *puppet, uint64_t id, pid_t pid, uint32_t rights)
{
	struct mbox_grant arg = { .id = id, .pid = pid, .rights = rights };

	return call_by(puppet, MBOX_IOC_GRANT, &arg);
}

static inline int revoke_by(struct puppet *puppet, uint64_t id, pid_t pid, uint32_t rights)
{
	struct mbox_grant arg = { .id = id, .pid = pid, .rights = rights };

	return call_by(puppet, MBOX_IOC_REVOKE, &arg);
}

static inline int chmod_by(struct puppet *puppet, uint64_t id, uint32_t mode)
{
	struct mbox_change arg = { .flags = MBOX_CHANGE_MODE, .id = id, .mode = mode };

	return call_by(puppet, MBOX_IOC_CHANGE, &arg);
}

static inline int chown_by(struct puppet *puppet, uint64_t id, uid_t uid, gid_t gid)
{
	struct mbox_change arg = {
		.flags = MBOX_CHANGE_UID | MBOX_CHANGE_GID,
		.id = id,
		.uid = uid,
		.gid = gid,
	};

	return call_by(puppet, MBOX_IOC_CHANGE, &arg);
}

/*
 * What every operation that names a mailbox says, where all say the same, else -1.
 * The test itself tries them.
 */
static inline int said_by_all(int fd, uint64_t id)
{
	static struct puppet *me;
	struct mbox_grants grants = { .id = id };
	struct mbox_recv choice = {
		.flags = MBOX_RECV_CHOICE | MBOX_RECV_NONBLOCK,
		.ids = (uintptr_t)&id,
		.nr_ids = 1,
	};
	int said[24], nr = 0, pid = getpid(), i;
	struct mbox_stat stat;

	if (!me || me->pid != pid)
		me = myself(fd);
	said[nr++] = stat_by(me, id, &stat);
	if (!said[0])
		return -1;	/* it exists, so some would wait */
	said[nr++] = post_by(me, id, "x");
	said[nr++] = send_by(me, (struct mbox_send){ .id = id }, "x");
	said[nr++] = send_by(me, (struct mbox_send){ .id = id, .flags = MBOX_SEND_SYNC }, "x");
	said[nr++] = fetch_by(me, id);
	said[nr++] = recv_by(me, (struct mbox_recv){ .id = id });
	said[nr++] = recv_by(me, (struct mbox_recv){ .id = id, .flags = MBOX_RECV_PEEK });
	said[nr++] = recv_by(me, choice);
	said[nr++] = open_by(me, id);
	said[nr++] = transfer_by(me, id, pid, 0);
	said[nr++] = offer_by(me, id, pid, 0);
	said[nr++] = offer_by(me, id, 0, 0);
	said[nr++] = accept_by(me, id);
	said[nr++] = claim_by(me, id);
	said[nr++] = grant_by(me, id, pid, MBOX_RIGHT_RECV);
	said[nr++] = revoke_by(me, id, pid, MBOX_RIGHT_RECV);
	said[nr++] = call_by(me, MBOX_IOC_GRANTS, &grants);
	said[nr++] = chmod_by(me, id, 0200);
	said[nr++] = chown_by(me, id, 0, 0);
	said[nr++] = delete_by(me, id);
	for (i = 1; i < nr; i++) {
		if (said[i] == said[0])
			continue;
		fprintf(stderr, "# operation 0 says %d, operation %d says %d\n", said[0], i,
			said[i]);
		return -1;
	}
	return said[0];
}

#endif /* PUPPET_H */
