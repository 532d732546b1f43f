/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of /dev/mbox share: calls that return their errno, poisoned
 * arguments, the state of a mailbox, and processes that block in it.
 */
#ifndef MBOX_SELFTEST_H
#define MBOX_SELFTEST_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/mbox.h>
#include <linux/userfaultfd.h>

#define POISON	0xa5
#define PAGE	4096UL
#define MSEC	1000000ULL

/*
 * For what a test stands on, as opposed to what it tests. Unlike ASSERT it
 * works in any function and in any process; the harness sees the SIGABRT.
 */
#define NEED(condition) do {						\
	if (!(condition)) {						\
		fprintf(stderr, "# %s:%d: needed: %s (%s)\n", __FILE__,	\
			__LINE__, #condition, strerror(errno));		\
		abort();						\
	}								\
} while (0)

/*
 * Seconds of each test: the harness's 30 are too few for a race on a debug kernel, beside
 * other guests.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120

/* For what other processes bring about; the limit is below that of a test. */
#define WAIT_UNTIL(condition) do {					\
	int _tries = 20000;						\
									\
	while (!(condition)) {						\
		NEED(--_tries && "in time");				\
		usleep(1000);						\
	}								\
} while (0)

/* The errno of a system call's result, 0 for success. */
static inline int error_of(long result)
{
	return result < 0 ? errno : 0;
}

static inline int call(int fd, unsigned long command, void *argument)
{
#ifdef BOUND
	int result = ioctl_bound(fd, command, argument);
#else
	int result = ioctl(fd, command, argument);
#endif

	NEED(result == 0 || result == -1);
	return error_of(result);
}

static inline uint64_t now(void)
{
	struct timespec t;

	NEED(!clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline int device(int oflag)
{
	int fd = open(MBOX_DEVICE, oflag | O_CLOEXEC);

	NEED(fd >= 0);
	return fd;
}

/* Room for @msgs messages of the largest size; the owner's user may do all. */
static inline struct mbox_create attributes(uint32_t msgs, uint32_t size)
{
	return (struct mbox_create){
		.max_bytes = (uint64_t)msgs * size,
		.max_msgs = msgs,
		.max_size = size,
		.mode = 0600,
	};
}

static inline void set_name(__u8 name[MBOX_NAME_SIZE], const char *text)
{
	NEED(strlen(text) < MBOX_NAME_SIZE);
	memset(name, 0, MBOX_NAME_SIZE);
	memcpy(name, text, strlen(text));
}

static inline uint64_t create(int fd, struct mbox_create attr)
{
	memset(&attr.id, POISON, sizeof(attr.id));
	NEED(!call(fd, MBOX_IOC_CREATE, &attr));
	return attr.id;
}

static inline int bind_by_id(int fd, uint64_t id)
{
	struct mbox_open arg = { .id = id };

	return call(fd, MBOX_IOC_OPEN, &arg);
}

/* A new descriptor of that mailbox. */
static inline int descriptor(uint64_t id, int oflag)
{
	int fd = device(oflag);

	NEED(!bind_by_id(fd, id));
	return fd;
}

/* A new mailbox; the descriptor is bound to it. */
static inline int mailbox(struct mbox_create attr)
{
	int fd = device(O_RDWR);

	attr.flags |= MBOX_CREATE_BIND;
	create(fd, attr);
	return fd;
}

static inline int delete(int fd, uint64_t id)
{
	struct mbox_delete arg = { .id = id };

	return call(fd, MBOX_IOC_DELETE, &arg);
}

static inline int try_stat(int fd, uint64_t id, uint64_t flags, struct mbox_stat *stat)
{
	memset(stat, POISON, sizeof(*stat));
	stat->flags = flags;
	stat->id = id;
	return call(fd, MBOX_IOC_STAT, stat);
}

static inline struct mbox_stat state(int fd, uint64_t id)
{
	struct mbox_stat stat;

	NEED(!try_stat(fd, id, 0, &stat));
	return stat;
}

/*
 * struct mbox_stat has no padding. What was refused is counted, though nothing else
 * changes: see counter_test.
 */
static inline bool same_state(struct mbox_stat a, struct mbox_stat b)
{
	b.refused = a.refused;
	return !memcmp(&a, &b, sizeof(a));
}

static inline struct mbox_info info(int fd)
{
	struct mbox_info arg;

	memset(&arg, POISON, sizeof(arg));
	arg.flags = 0;
	NEED(!call(fd, MBOX_IOC_INFO, &arg));
	return arg;
}

static inline int try_usage(int fd, uint64_t flags, uint32_t uid, struct mbox_usage *usage)
{
	memset(usage, POISON, sizeof(*usage));
	usage->flags = flags;
	usage->uid = uid;
	return call(fd, MBOX_IOC_USAGE, usage);
}

/* What that user has, and the network namespace of the calling process. */
static inline struct mbox_usage usage_of(int fd, uint32_t uid)
{
	struct mbox_usage usage;

	NEED(!try_usage(fd, MBOX_USAGE_UID, uid, &usage));
	return usage;
}

/* Block until so many calls wait for room, or for a message. */
static inline void wait_for_senders(int fd, uint64_t id, uint32_t count)
{
	WAIT_UNTIL(state(fd, id).senders == count);
}

static inline void wait_for_receivers(int fd, uint64_t id, uint32_t count)
{
	WAIT_UNTIL(state(fd, id).receivers == count);
}

static inline int send_bytes(int fd, uint64_t id, const void *buf, uint64_t len,
			     uint32_t prio, uint64_t flags, uint64_t deadline)
{
	struct mbox_send arg = {
		.flags = flags,
		.id = id,
		.buf = (uintptr_t)buf,
		.len = len,
		.deadline = deadline,
		.prio = prio,
	};

	return call(fd, MBOX_IOC_SEND, &arg);
}

/* A send in every detail; it leaves there which process received. */
static inline int send_as(int fd, const char *text, struct mbox_send *how)
{
	how->buf = (uintptr_t)text;
	how->len = strlen(text);
	memset(&how->receiver, POISON, sizeof(how->receiver));
	return call(fd, MBOX_IOC_SEND, how);
}

/* Send a text, without its NUL. */
static inline int post(int fd, uint64_t id, const char *text, uint32_t prio)
{
	return send_bytes(fd, id, text, strlen(text), prio, MBOX_SEND_NONBLOCK, 0);
}

static inline int post_and_wait(int fd, uint64_t id, const char *text, uint32_t prio)
{
	return send_bytes(fd, id, text, strlen(text), prio, 0, 0);
}

/* What a receive brought. */
struct letter {
	struct mbox_recv env;
	char text[128];
};

/*
 * Of what a receive tells, every byte; what it is told has to be zero where it
 * says nothing.
 */
static inline void poison_envelope(struct mbox_recv *env)
{
	memset(&env->len, POISON,
	       offsetof(struct mbox_recv, match) - offsetof(struct mbox_recv, len));
}

static inline int receive_into(int fd, uint64_t id, void *buf, uint64_t size, uint64_t flags,
			       uint64_t deadline, struct mbox_recv *env)
{
	*env = (struct mbox_recv){
		.flags = flags,
		.id = id,
		.buf = (uintptr_t)buf,
		.size = size,
		.deadline = deadline,
	};
	poison_envelope(env);
	return call(fd, MBOX_IOC_RECV, env);
}

/* A receive in every detail but for the buffer. */
static inline int receive_as(int fd, struct mbox_recv how, struct letter *letter)
{
	size_t size = sizeof(letter->text) - 1;
	int error;

	memset(letter->text, POISON, sizeof(letter->text));
	letter->env = how;
	letter->env.buf = (uintptr_t)letter->text;
	letter->env.size = size;
	poison_envelope(&letter->env);
	error = call(fd, MBOX_IOC_RECV, &letter->env);
	if (!error)
		letter->text[letter->env.len < size ? letter->env.len : size] = '\0';
	return error;
}

static inline int receive(int fd, uint64_t id, uint64_t flags, uint64_t deadline,
			  struct letter *letter)
{
	struct mbox_recv how = { .flags = flags, .id = id, .deadline = deadline };

	return receive_as(fd, how, letter);
}

static inline int fetch(int fd, uint64_t id, struct letter *letter)
{
	return receive(fd, id, MBOX_RECV_NONBLOCK, 0, letter);
}

static inline int fetch_and_wait(int fd, uint64_t id, struct letter *letter)
{
	return receive(fd, id, 0, 0, letter);
}

/* What poll(2) says at once, of these events and of those that it always tells. */
static inline short polled(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	NEED(poll(&pollfd, 1, 0) >= 0);
	return pollfd.revents;
}

/* The end of a child: 0 if it is told of that event, and of nothing else. */
static inline void __attribute__((noreturn)) exit_when_polled(int fd, short event)
{
	struct pollfd pollfd = { .fd = fd, .events = event };

	_exit(poll(&pollfd, 1, -1) == 1 && pollfd.revents == event ? 0 : 1);
}

static inline bool is_poison(const void *memory, size_t size)
{
	const unsigned char *byte = memory;

	while (size--)
		if (*byte++ != POISON)
			return false;
	return true;
}

/* Memory that children share with the test. */
static inline void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	NEED(memory != MAP_FAILED);
	return memory;
}

/* One word that one process sets and another watches. */
static inline void tell(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline uint32_t told(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* @size bytes that end where a page ends that cannot be touched. */
static inline void *before_a_hole(size_t size)
{
	size_t whole = (size + PAGE - 1) / PAGE * PAGE;
	char *memory = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(memory != MAP_FAILED);
	NEED(!mprotect(memory + whole, PAGE, PROT_NONE));
	return memory + whole - size;
}

/* The lowest address that can only be the kernel's; in 32 bits, one that no program gets. */
static inline void *of_the_kernel(void)
{
	return (void *)(uintptr_t)(sizeof(void *) == 8 ? 1ULL << 63 : 0UL - PAGE);
}

/* Nobody can touch it, and it stays so: what is mapped later lies elsewhere. */
static inline void *unmapped(void)
{
	void *memory = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(memory != MAP_FAILED);
	return memory;
}

/*
 * A page that stalls the kernel when it copies to or from it, so that a test can
 * act in the middle of a call. The call itself runs in a thread.
 */
struct stall {
	int uffd;
	char *page;
};

static inline struct stall new_stall(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct stall stall;

	stall.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(stall.page != MAP_FAILED);
	stall.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	NEED(stall.uffd >= 0);
	NEED(!ioctl(stall.uffd, UFFDIO_API, &api));
	range.range.start = (uintptr_t)stall.page;
	range.range.len = PAGE;
	NEED(!ioctl(stall.uffd, UFFDIO_REGISTER, &range));
	return stall;
}

static inline void wait_for_stall(struct stall *stall)
{
	struct uffd_msg event;

	NEED(read(stall->uffd, &event, sizeof(event)) == sizeof(event));
	NEED(event.event == UFFD_EVENT_PAGEFAULT);
}

/* The copy fails: the page is gone. Children may hold the descriptor, so wake. */
static inline void fail_stall(struct stall *stall)
{
	struct uffdio_range range = { .start = (uintptr_t)stall->page, .len = PAGE };

	NEED(!munmap(stall->page, PAGE));
	NEED(!ioctl(stall->uffd, UFFDIO_WAKE, &range));
	close(stall->uffd);
}

/* The copy goes on with a page of zeros. */
static inline void release_stall(struct stall *stall)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)stall->page, .len = PAGE },
	};

	NEED(!ioctl(stall->uffd, UFFDIO_ZEROPAGE, &zero));
	close(stall->uffd);
}

/* A receive or a send, made by a thread of the test. */
struct task {
	pthread_t thread;
	int fd;
	unsigned long command;
	union {
		struct mbox_recv recv;
		struct mbox_send send;
	};
	int error;
};

static inline void *run_task(void *data)
{
	struct task *task = data;

	task->error = call(task->fd, task->command, &task->recv);
	return NULL;
}

static inline void start_task(struct task *task)
{
	NEED(!pthread_create(&task->thread, NULL, run_task, task));
}

static inline struct task *start_receiving(int fd, void *buf, uint64_t size)
{
	struct task *task = calloc(1, sizeof(*task));

	NEED(task);
	task->fd = fd;
	task->command = MBOX_IOC_RECV;
	task->recv.buf = (uintptr_t)buf;
	task->recv.size = size;
	start_task(task);
	return task;
}

static inline struct task *start_sending(int fd, const void *buf, uint64_t len)
{
	struct task *task = calloc(1, sizeof(*task));

	NEED(task);
	task->fd = fd;
	task->command = MBOX_IOC_SEND;
	task->send.buf = (uintptr_t)buf;
	task->send.len = len;
	start_task(task);
	return task;
}

static inline int finish(struct task *task)
{
	int error;

	NEED(!pthread_join(task->thread, NULL));
	error = task->error;
	free(task);
	return error;
}

/* fork(), but the child does not outlive the test. */
static inline pid_t spawn(void)
{
	pid_t parent = getpid();
	pid_t child = fork();

	NEED(child >= 0);
	if (!child) {
		NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
		if (getppid() != parent)
			_exit(1);
	}
	return child;
}

/* The same, as the first process of a new pid namespace. */
static inline pid_t spawn_as_first(void)
{
	pid_t child = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, 0UL);

	NEED(child >= 0);
	if (!child)
		NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL) && getpid() == 1);
	return child;
}

/* Is that process, or thread, asleep? */
static inline bool sleeps(pid_t pid)
{
	char path[32], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strstr(text, ") S ");
}

/* Its exit status, or minus the signal that killed it. */
static inline int join(pid_t child)
{
	int status;

	NEED(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void end(pid_t child)
{
	NEED(!kill(child, SIGKILL));
	NEED(join(child) == -SIGKILL);
}

/* A child that sends or receives, blocking; its exit status is the errno. */
static inline pid_t spawn_sender(int fd, uint64_t id, const char *text, uint32_t prio)
{
	pid_t child = spawn();

	if (!child)
		_exit(post_and_wait(fd, id, text, prio));
	return child;
}

static inline pid_t spawn_receiver(int fd, uint64_t id, struct letter *letter)
{
	pid_t child = spawn();

	if (!child)
		_exit(fetch_and_wait(fd, id, letter));
	return child;
}

/* The same in every detail; what it is told is shared with the test. */
static inline pid_t spawn_sender_as(int fd, const char *text, struct mbox_send *how)
{
	pid_t child = spawn();

	if (!child)
		_exit(send_as(fd, text, how));
	return child;
}

static inline pid_t spawn_receiver_as(int fd, struct mbox_recv how, struct letter *letter)
{
	pid_t child = spawn();

	if (!child)
		_exit(receive_as(fd, how, letter));
	return child;
}

static inline void do_nothing(int signal)
{
	(void)signal;
}

/* From now on SIGUSR1 interrupts calls, or with SA_RESTART restarts them. */
static inline void take_signals(int flags)
{
	struct sigaction action = { .sa_handler = do_nothing, .sa_flags = flags };

	NEED(!sigaction(SIGUSR1, &action, NULL));
}

/* Give up root for good: no capability is left. */
static inline void become(uid_t uid, gid_t gid)
{
	NEED(!setgroups(0, NULL));
	NEED(!setresgid(gid, gid, gid));
	NEED(!setresuid(uid, uid, uid));
	/* Both were lost with the identity; /proc/self needs the first. */
	NEED(!prctl(PR_SET_DUMPABLE, 1));
	NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
}

/* Of the capabilities that the process is permitted, only these are in effect. */
static inline void wield(uint64_t capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	NEED(!syscall(SYS_capget, &header, data));
	data[0].effective = data[0].permitted & capabilities;
	data[1].effective = data[1].permitted & capabilities >> 32;
	NEED(!syscall(SYS_capset, &header, data));
}

/* Write a short text to a file; its errno. */
static inline int put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return errno;
	error = error_of(write(fd, text, strlen(text)));
	close(fd);
	return error;
}

/* Root in a new user namespace, which knows no other user. */
static inline void become_root_of_a_user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char line[64];

	NEED(!unshare(CLONE_NEWUSER));
	NEED(!put_file("/proc/self/setgroups", "deny"));
	snprintf(line, sizeof(line), "0 %u 1", uid);
	NEED(!put_file("/proc/self/uid_map", line));
	snprintf(line, sizeof(line), "0 %u 1", gid);
	NEED(!put_file("/proc/self/gid_map", line));
	NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
}

/* The tunables net.mbox.*; -1 if there is no such file. */
static inline long long tunable(const char *name)
{
	char path[96], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/mbox/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	NEED(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoll(text, NULL, 10);
}

static inline int set_tunable(const char *name, long long value)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), "/proc/sys/net/mbox/%s", name);
	snprintf(text, sizeof(text), "%lld", value);
	return put_file(path, text);
}

/* Set all of them to what is documented: a test that failed leaves its own. */
static inline void reset_tunables(void)
{
	static const struct {
		const char *name;
		long long value;
	} tunables[] = {
		{ "max_msgs", 65536 }, { "max_size", 1048576 }, { "max_bytes", 67108864 },
		{ "max_grants", 128 }, { "default_share", 100 }, { "spin_us", 200 },
		{ "user_mailboxes", 4096 }, { "user_msgs", 262144 }, { "user_bytes", 134217728 },
		{ "ns_mailboxes", 131072 }, { "ns_msgs", 4194304 }, { "ns_bytes", 2147483648 },
		{ "user_files", 4096 }, { "ns_files", 65536 },
		{ "user_listeners", 32 }, { "ns_listeners", 128 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(tunables) / sizeof(tunables[0]); i++)
		NEED(!set_tunable(tunables[i].name, tunables[i].value));
}

static inline bool is_swept(int fd)
{
	struct mbox_stat stat;
	uint64_t next = 1;

	while (!try_stat(fd, next, MBOX_STAT_NEXT, &stat)) {
		int error = delete(fd, stat.id);

		/* Its owner may have ended just now. */
		NEED(!error || error == EIDRM);
		next = stat.id + 1;
	}
	return !info(fd).mailboxes;
}

/*
 * Delete every mailbox of this network namespace. Those of processes that have just ended
 * cannot be seen any more, but counted; and who is about to be killed may make others.
 */
static inline void sweep(void)
{
	int fd = device(O_RDWR);

	WAIT_UNTIL(is_swept(fd));
	close(fd);
}

/*
 * First step of each fixture (the last is sweep()). A test that failed may have
 * left something; and mode bits mean what they say.
 */
static inline void begin(void)
{
	umask(0);
	sweep();
}

#endif /* MBOX_SELFTEST_H */
