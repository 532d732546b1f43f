// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes and their ends: mailboxes that belong to one process for good, and
 * what becomes of a process's mailboxes when it ends, however it ends, and not
 * before.
 */
#include "kselftest_harness.h"
#include "module.h"
#include "puppet.h"

#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#define SIZE 16

static struct mbox_create of_a_process(uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, SIZE);

	attr.flags = MBOX_CREATE_PROCESS;
	attr.mode = 0222;
	return attr;
}

static const struct mbox_recv looks = {
	.flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK,
};

FIXTURE(process_owned) {
	int fd;
	int bound;
	struct puppet *owner, *same_user, *stranger, *root;
	uint64_t id;
};

FIXTURE_SETUP(process_owned)
{
	begin();
	self->fd = device(O_RDWR);
	self->bound = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->same_user = new_puppet(self->fd, OWNER, OWNER);
	self->stranger = new_puppet(self->fd, STRANGER, STRANGER);
	self->root = new_puppet(self->fd, 0, 0);
	self->id = create_by(self->owner, of_a_process(4));
	ASSERT_EQ(0, bind_by_id(self->bound, self->id));
}

FIXTURE_TEARDOWN(process_owned)
{
	sweep();
}

/* Every way to receive; the errno that all of them say, or -1. */
static int receive_in_every_way(struct puppet *puppet, uint64_t id, int bound)
{
	struct mbox_recv later = looks, how = { .id = id };
	int error = fetch_by(puppet, id), fd = puppet->fd;

	later.id = id;
	later.nth = 1;
	if (recv_by(puppet, how) != error)
		return -1;
	how.flags = MBOX_RECV_LEAST;
	if (recv_by(puppet, how) != error || recv_by(puppet, later) != error)
		return -1;
	puppet->fd = bound;
	if (recv_by(puppet, looks) != error || ask(puppet, do_read) != error)
		error = -1;
	puppet->fd = fd;
	return error;
}

TEST_F(process_owned, mailbox_is_received_from_by_its_owner_only)
{
	struct puppet *thread = new_thread(self->owner);
	struct puppet *others[] = { self->same_user, self->stranger, self->root };
	size_t i;

	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	ASSERT_EQ(0, post(self->fd, self->id, "b", 0));
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_EQ(EACCES, receive_in_every_way(others[i], self->id, self->bound)) {
			TH_LOG("somebody else, number %zu", i);
		}
	}
	EXPECT_EQ(2, state(self->fd, self->id).msgs);
	EXPECT_EQ(0, fetch_by(self->owner, self->id));
	EXPECT_STREQ("a", self->owner->text);
	EXPECT_EQ(0, fetch_by(thread, self->id));
	EXPECT_STREQ("b", thread->text);
}

/* Every way to send; the errno that all of them say, or -1. */
static int send_in_every_way(struct puppet *puppet, uint64_t id, int bound)
{
	struct mbox_send how = { .id = id };
	int error = post_by(puppet, id, "x"), fd = puppet->fd;

	if (send_by(puppet, how, "x") != error)
		return -1;
	how.flags = MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT;
	if (send_by(puppet, how, "x") != (error ?: ETIMEDOUT))
		return -1;
	puppet->fd = bound;
	if (ask(puppet, do_write) != error)
		error = -1;
	puppet->fd = fd;
	return error;
}

static int send_in_a_child(struct puppet *me)
{
	pid_t child = spawn();
	uint64_t id;

	if (!child) {
		memcpy(&id, me->arg, sizeof(id));
		_exit(post(me->fd, id, "x", 0));
	}
	return join(child);
}

TEST_F(process_owned, mailbox_is_sent_to_by_everybody_but_its_owner)
{
	struct puppet *thread = new_thread(self->owner);

	EXPECT_EQ(EACCES, send_in_every_way(self->owner, self->id, self->bound));
	EXPECT_EQ(EACCES, send_in_every_way(thread, self->id, self->bound));
	EXPECT_EQ(0, state(self->fd, self->id).sent);
	EXPECT_EQ(0, send_in_every_way(self->same_user, self->id, self->bound));
	EXPECT_EQ(3, state(self->fd, self->id).sent);
	EXPECT_EQ(0, post_by(self->stranger, self->id, "x"));
	while (!fetch_by(self->owner, self->id))
		;
	EXPECT_EQ(0, post_by(self->root, self->id, "x"));
	memcpy(self->owner->arg, &self->id, sizeof(self->id));
	EXPECT_EQ(0, ask(self->owner, send_in_a_child));
	EXPECT_EQ(6, state(self->fd, self->id).sent);
}

TEST_F(process_owned, mailbox_is_so_for_privileged_owners_too)
{
	uint64_t id = create_by(self->root, of_a_process(4));
	int bound = descriptor(id, O_RDWR);

	EXPECT_EQ(0, post_by(self->stranger, id, "x"));
	/* Of its own process: the descriptor is newer than the puppet. */
	self->root->fd = self->fd;
	EXPECT_EQ(EACCES, post_by(self->root, id, "x"));
	EXPECT_EQ(EACCES, send_by(self->root, (struct mbox_send){ .id = id }, "x"));
	EXPECT_EQ(EACCES, fetch_by(self->stranger, id));
	EXPECT_EQ(EACCES, error_of(read(bound, &(char){ 0 }, 1)));
	EXPECT_EQ(0, fetch_by(self->root, id));
}

TEST_F(process_owned, mailbox_is_sent_to_by_whom_its_mode_allows)
{
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0200));
	EXPECT_EQ(0, post_by(self->same_user, self->id, "x"));
	EXPECT_EQ(EACCES, post_by(self->stranger, self->id, "x"));
	EXPECT_EQ(EACCES, open_by(self->stranger, self->id));
	ASSERT_EQ(0, chmod_by(self->same_user, self->id, 0002));
	EXPECT_EQ(EACCES, post_by(self->same_user, self->id, "x"));
	EXPECT_EQ(0, post_by(self->stranger, self->id, "x"));
	EXPECT_EQ(0, open_by(self->stranger, self->id));
	ASSERT_EQ(0, chmod_by(self->root, self->id, 0));
	EXPECT_EQ(EACCES, post_by(self->stranger, self->id, "x"));
	EXPECT_EQ(EACCES, post_by(self->same_user, self->id, "x"));
	EXPECT_EQ(EACCES, post_by(self->owner, self->id, "x"));
	EXPECT_EQ(0, post_by(self->root, self->id, "x"));
}

TEST_F(process_owned, mailbox_has_no_mode_bits_of_receiving)
{
	unsigned int bit;

	for (bit = 0; bit < 10; bit++) {
		struct mbox_create attr = of_a_process(1);
		int error = 0222 & 1U << bit ? 0 : EINVAL;

		attr.mode = 1U << bit;
		EXPECT_EQ(error, call(self->fd, MBOX_IOC_CREATE, &attr));
		EXPECT_EQ(error, chmod_by(self->owner, self->id, 0200 | 1U << bit));
	}
	EXPECT_EQ(0200, state(self->fd, self->id).mode);
}

enum passing { TRANSFER, KEEP, OFFER, WITHDRAW, GRANT, REVOKE, CHOWN, PASSINGS };

static int pass_on(struct puppet *puppet, enum passing how, uint64_t id, pid_t pid)
{
	switch (how) {
	case TRANSFER:
		return transfer_by(puppet, id, pid, 0);
	case KEEP:
		return transfer_by(puppet, id, pid, MBOX_TRANSFER_KEEP);
	case OFFER:
		return offer_by(puppet, id, pid, 0);
	case WITHDRAW:
		return offer_by(puppet, id, 0, 0);
	case GRANT:
		return grant_by(puppet, id, pid, MBOX_RIGHT_SEND);
	case REVOKE:
		return revoke_by(puppet, id, pid, MBOX_RIGHT_SEND);
	default:
		return chown_by(puppet, id, OWNER, OWNER);
	}
}

TEST_F(process_owned, mailbox_is_not_passed_on)
{
	struct mbox_stat before = state(self->fd, self->id);
	pid_t heir = self->same_user->pid;
	enum passing how;

	for (how = 0; how < PASSINGS; how++) {
		/* To whom who owns has no right to give it does not come to that. */
		int owner = how == CHOWN ? EACCES : EOPNOTSUPP;

		EXPECT_EQ(owner, pass_on(self->owner, how, self->id, heir));
		EXPECT_EQ(owner, pass_on(self->same_user, how, self->id, heir));
		EXPECT_EQ(EACCES, pass_on(self->stranger, how, self->id, heir));
		EXPECT_EQ(EOPNOTSUPP, pass_on(self->root, how, self->id, heir)) {
			TH_LOG("way %u to pass it on", how);
		}
	}
	EXPECT_TRUE(same_state(before, state(self->fd, self->id)));
}

TEST_F(process_owned, mailbox_is_not_taken_over)
{
	struct puppet *those_who_could_claim[] = { self->owner, self->same_user, self->root };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(those_who_could_claim); i++) {
		EXPECT_EQ(EOPNOTSUPP, accept_by(those_who_could_claim[i], self->id));
		EXPECT_EQ(EOPNOTSUPP, claim_by(those_who_could_claim[i], self->id));
	}
	EXPECT_EQ(EOPNOTSUPP, accept_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, claim_by(self->stranger, self->id));
	ASSERT_EQ(0, chmod_by(self->owner, self->id, 0200));
	EXPECT_EQ(EACCES, accept_by(self->stranger, self->id));
	EXPECT_EQ(EACCES, claim_by(self->stranger, self->id));
	EXPECT_EQ(self->owner->pid, state(self->fd, self->id).pid);
}

TEST_F(process_owned, mailbox_is_not_passed_on_with_a_message)
{
	uint64_t carrier = create_by(self->same_user, attributes(4, SIZE));
	struct mbox_send how = {
		.id = carrier,
		.flags = MBOX_SEND_OFFER | MBOX_SEND_NONBLOCK,
		.offer = self->id,
	};

	EXPECT_EQ(EOPNOTSUPP, send_by(self->owner, how, "x"));
	EXPECT_EQ(0, state(self->fd, carrier).sent);
}

TEST_F(process_owned, mailbox_is_deleted_by_owner_user_or_privilege)
{
	EXPECT_EQ(EACCES, delete_by(self->stranger, self->id));
	EXPECT_EQ(0, delete_by(self->owner, self->id));
	EXPECT_EQ(0, delete_by(self->same_user, create_by(self->owner, of_a_process(1))));
	EXPECT_EQ(0, delete_by(self->root, create_by(self->owner, of_a_process(1))));
	EXPECT_EQ(0, info(self->fd).mailboxes);
}

TEST_F(process_owned, mailbox_says_so)
{
	struct mbox_stat stat = state(self->fd, self->id);

	EXPECT_EQ(MBOX_CREATE_PROCESS, stat.kind);
	EXPECT_EQ(self->owner->pid, stat.pid);
	EXPECT_EQ(OWNER, stat.uid);
	EXPECT_EQ(OWNER, stat.gid);
	EXPECT_EQ(0, stat.state);
}

TEST_F(process_owned, mailbox_is_of_any_kind)
{
	static const uint64_t kinds[] = {
		MBOX_CREATE_FIXED, MBOX_CREATE_RESERVE, MBOX_CREATE_BY_TAG,
		MBOX_CREATE_BY_SENDER, MBOX_CREATE_SINGLE, MBOX_CREATE_PAIR,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct mbox_create attr = of_a_process(2);
		uint64_t id;

		attr.flags |= kinds[i];
		attr.max_size = 4;
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
		id = create_by(self->owner, attr);
		EXPECT_EQ(0, post_by(self->stranger, id, "text"));
		EXPECT_EQ(EACCES, fetch_by(self->stranger, id));
		EXPECT_EQ(EACCES, post_by(self->owner, id, "text"));
		EXPECT_EQ(0, fetch_by(self->owner, id)) {
			TH_LOG("kind %#llx", (unsigned long long)kinds[i]);
		}
	}
}

TEST_F(process_owned, mailboxes_are_chosen_among)
{
	uint64_t *ids = (uint64_t *)self->owner->text + 8;
	struct mbox_recv how = { .flags = MBOX_RECV_CHOICE, .ids = (uintptr_t)ids, .nr_ids = 2 };

	ids[0] = self->id;
	ids[1] = create_by(self->owner, of_a_process(0));
	begin_call(self->owner, MBOX_IOC_RECV, &how);
	wait_for_receivers(self->fd, ids[1], 1);
	EXPECT_EQ(0, send_by(self->stranger, (struct mbox_send){ .id = ids[1] }, ""));
	EXPECT_EQ(0, end_act(self->owner));
	EXPECT_EQ(ids[1], self->owner->recv.from);
}

static int become_a_stranger(struct puppet *me)
{
	(void)me;
	become(STRANGER, STRANGER);
	return 0;
}

TEST_F(process_owned, mailbox_stays_with_its_owner_when_that_changes_its_user)
{
	struct puppet *owner = new_puppet(self->fd, 0, 0);
	uint64_t id;

	id = create_by(owner, of_a_process(1));
	ASSERT_EQ(0, ask(owner, become_a_stranger));
	ASSERT_EQ(0, post_by(self->same_user, id, "a"));
	EXPECT_EQ(EACCES, post_by(owner, id, "b"));
	EXPECT_EQ(0, fetch_by(owner, id));
	EXPECT_EQ(owner->pid, state(self->fd, id).pid);
}

/*
 * Ways to end. Each leaves the process reaped.
 */

static int do_exit(struct puppet *me)
{
	(void)me;
	_exit(3);
}

static int do_fault(struct puppet *me)
{
	struct rlimit none = { };

	(void)me;
	NEED(!setrlimit(RLIMIT_CORE, &none));
	raise(SIGSEGV);
	return 0;
}

/* Of the thread, not of the process. */
static int do_exit_thread(struct puppet *me)
{
	(void)me;
	syscall(SYS_exit, 0);
	return 0;
}

static bool is_zombie(pid_t tid)
{
	char path[32], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strstr(text, ") Z ");
}

/* The process has another thread. */
static void end_leader(struct puppet *leader)
{
	begin_act(leader, do_exit_thread);
	WAIT_UNTIL(is_zombie(leader->pid));
}

static void end_thread(struct puppet *thread)
{
	begin_act(thread, do_exit_thread);
	WAIT_UNTIL(syscall(SYS_tgkill, thread->pid, thread->tid, 0) && errno == ESRCH);
}

static void end_by_exit(struct puppet *owner)
{
	begin_act(owner, do_exit);
	NEED(join(owner->pid) == 3);
}

static void end_by_kill(struct puppet *owner)
{
	NEED(kill_puppet(owner) == -SIGKILL);
}

static void end_by_fault(struct puppet *owner)
{
	begin_act(owner, do_fault);
	NEED(join(owner->pid) == -SIGSEGV);
}

static void end_leader_first(struct puppet *owner)
{
	struct puppet *thread = new_thread(owner);

	end_leader(owner);
	begin_act(thread, do_exit_thread);
	NEED(join(owner->pid) == 0);
}

static void end_leader_first_then_exit(struct puppet *owner)
{
	struct puppet *thread = new_thread(owner);

	end_leader(owner);
	begin_act(thread, do_exit);
	NEED(join(owner->pid) == 3);
}

static void end_leader_first_then_kill(struct puppet *owner)
{
	new_thread(owner);
	end_leader(owner);
	end_by_kill(owner);
}

static void end_of_many_threads(struct puppet *owner)
{
	int i;

	for (i = 1; i < PUPPET_THREADS; i++)
		new_thread(owner);
	end_by_kill(owner);
}

static int wait_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

/* A child that lives on with copies of all that its parent has. */
static int leave_a_child(struct puppet *me)
{
	pid_t child = fork();

	NEED(child >= 0);
	if (!child)
		wait_for_ever(me);
	memcpy(me->arg, &child, sizeof(child));
	return 0;
}

/* The same with all shared: not the copies, the things. */
static int leave_a_sharing_child(struct puppet *me)
{
	static char stack[4 * PAGE] __attribute__((aligned(16)));
	pid_t child = clone(wait_for_ever, stack + sizeof(stack),
			    CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_IO | SIGCHLD, NULL);

	NEED(child > 0);
	memcpy(me->arg, &child, sizeof(child));
	return 0;
}

static pid_t left_behind;

static void end_but_for(struct puppet *owner, act_fn *leave)
{
	NEED(!ask(owner, leave));
	memcpy(&left_behind, owner->arg, sizeof(left_behind));
	end_by_kill(owner);
	NEED(!kill(left_behind, 0));
}

static void end_with_a_child_left(struct puppet *owner)
{
	end_but_for(owner, leave_a_child);
}

static void end_with_a_sharing_child_left(struct puppet *owner)
{
	end_but_for(owner, leave_a_sharing_child);
}

static int lead_a_session(struct puppet *me)
{
	NEED(setsid() == getpid());
	return leave_a_child(me);
}

/* The number of the process stays in use: as that of the session. */
static void end_with_its_session_left(struct puppet *owner)
{
	end_but_for(owner, lead_a_session);
}

static void end_traced(struct puppet *owner)
{
	NEED(!ptrace(PTRACE_SEIZE, owner->pid, NULL, 0L));
	end_by_kill(owner);
}

/* Argument: the process to trace; for another than the parent. */
static int do_trace(struct puppet *me)
{
	pid_t pid;

	memcpy(&pid, me->arg, sizeof(pid));
	return error_of(ptrace(PTRACE_SEIZE, pid, NULL, 0L));
}

/* That process has ended; so the tracer is told, and then its parent. */
static int do_reap_traced(struct puppet *me)
{
	pid_t pid;

	memcpy(&pid, me->arg, sizeof(pid));
	return error_of(waitpid(pid, NULL, __WALL));
}

static void end_traced_by_another(struct puppet *owner)
{
	struct puppet *tracer = new_puppet(owner->fd, 0, 0);

	memcpy(tracer->arg, &owner->pid, sizeof(owner->pid));
	NEED(!ask(tracer, do_trace));
	NEED(!kill(owner->pid, SIGKILL));
	NEED(!ask(tracer, do_reap_traced));
	NEED(join(owner->pid) == -SIGKILL);
	end(tracer->pid);
}

static int do_trace_for_life(struct puppet *me)
{
	pid_t pid;

	memcpy(&pid, me->arg, sizeof(pid));
	return error_of(ptrace(PTRACE_SEIZE, pid, NULL, (long)PTRACE_O_EXITKILL));
}

static void end_with_its_tracer(struct puppet *owner)
{
	struct puppet *tracer = new_puppet(owner->fd, 0, 0);

	memcpy(tracer->arg, &owner->pid, sizeof(owner->pid));
	NEED(!ask(tracer, do_trace_for_life));
	end(tracer->pid);
	NEED(join(owner->pid) == -SIGKILL);
}

/* The last thread ends while the leader, which ended before, is traced. */
static void end_with_a_traced_leader(struct puppet *owner)
{
	struct puppet *thread = new_thread(owner);

	NEED(!ptrace(PTRACE_SEIZE, owner->pid, NULL, 0L));
	end_leader(owner);
	begin_act(thread, do_exit_thread);
	NEED(join(owner->pid) == 0);
}

static void end_with_a_traced_thread(struct puppet *owner)
{
	struct puppet *thread = new_thread(owner);

	NEED(!ptrace(PTRACE_SEIZE, thread->tid, NULL, 0L));
	end_leader(owner);
	begin_act(thread, do_exit_thread);
	/* It is a zombie of ours, and the process is there as long as it is. */
	NEED(waitpid(thread->tid, NULL, __WALL) == (pid_t)thread->tid);
	NEED(join(owner->pid) == 0);
}

/* One that its first process does not reap before it is gone itself. */
static struct puppet *new_puppet_in_a_pid_namespace(int fd)
{
	struct puppet *puppet = new_puppet_memory(fd);
	pid_t first = spawn_as_first();

	if (!first) {
		if (spawn()) {
			for (;;)
				pause();
		}
		become(OWNER, OWNER);
		obey(puppet);
	}
	puppet->pid = first;
	WAIT_UNTIL(told(&puppet->tid));
	return puppet;
}

static void end_with_its_pid_namespace(struct puppet *owner)
{
	end_by_kill(owner);
}

/* One whose parent does not want to know when it ends. */
static struct puppet *new_puppet_of_an_ignorant(int fd)
{
	struct puppet *puppet = new_puppet_memory(fd);
	pid_t parent = spawn();

	if (!parent) {
		NEED(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
		if (spawn())
			_exit(waitpid(-1, NULL, 0) == -1 && errno == ECHILD ? 0 : 1);
		become(OWNER, OWNER);
		obey(puppet);
	}
	puppet->pid = parent;
	WAIT_UNTIL(told(&puppet->tid));
	return puppet;
}

static void end_unnoticed(struct puppet *owner)
{
	NEED(!kill(owner->tid, SIGKILL));
	NEED(!join(owner->pid));
}

static struct puppet *new_owner(int fd)
{
	return new_puppet(fd, OWNER, OWNER);
}

FIXTURE(end) {
	int fd;
	struct puppet *owner;
	uint64_t id;
};

FIXTURE_VARIANT(end) {
	struct puppet *(*make)(int fd);
	void (*end)(struct puppet *owner);
};

#define END(_name, _make, _end)							\
	FIXTURE_VARIANT_ADD(end, _name) { .make = _make, .end = _end }

END(by_exit, new_owner, end_by_exit);
END(by_SIGKILL, new_owner, end_by_kill);
END(by_a_fault, new_owner, end_by_fault);
END(of_the_leader_before_the_last_thread, new_owner, end_leader_first);
END(of_the_leader_before_another_calls_exit, new_owner, end_leader_first_then_exit);
END(by_SIGKILL_without_its_leader, new_owner, end_leader_first_then_kill);
END(by_SIGKILL_of_many_threads, new_owner, end_of_many_threads);
END(while_a_child_has_its_descriptors, new_owner, end_with_a_child_left);
END(while_a_child_shares_all_it_has, new_owner, end_with_a_sharing_child_left);
END(while_its_session_lives_on, new_owner, end_with_its_session_left);
END(while_its_parent_traces_it, new_owner, end_traced);
END(while_another_traces_it, new_owner, end_traced_by_another);
END(with_its_tracer, new_owner, end_with_its_tracer);
END(after_that_of_its_traced_leader, new_owner, end_with_a_traced_leader);
END(with_that_of_its_traced_thread, new_owner, end_with_a_traced_thread);
END(with_its_pid_namespace, new_puppet_in_a_pid_namespace, end_with_its_pid_namespace);
END(that_its_parent_ignores, new_puppet_of_an_ignorant, end_unnoticed);

FIXTURE_SETUP(end)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = variant->make(self->fd);
}

FIXTURE_TEARDOWN(end)
{
	if (left_behind)
		kill(left_behind, SIGKILL);
	sweep();
}

static int try_open_name(const char *name)
{
	int fd = device(O_RDWR), error;
	struct mbox_open arg = { };

	set_name(arg.name, name);
	error = call(fd, MBOX_IOC_OPEN, &arg);
	close(fd);
	return error;
}

/* A descriptor that was bound to what is gone. */
static void expect_end_of(struct __test_metadata *_metadata, int bound)
{
	struct mbox_stat stat;
	char byte = 0;

	EXPECT_EQ(EIDRM, try_stat(bound, 0, 0, &stat));
	EXPECT_EQ(EIDRM, post(bound, 0, "x", 0));
	EXPECT_EQ(EIDRM, error_of(read(bound, &byte, 1)));
	EXPECT_EQ(EIDRM, error_of(write(bound, &byte, 1)));
	EXPECT_EQ(POLLERR | POLLHUP, polled(bound, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, polled(bound, POLLIN | POLLOUT));
}

TEST_F(end, takes_the_process_owned_mailbox_along)
{
	struct mbox_create attr = of_a_process(2), other = attributes(2, SIZE);
	struct mbox_stat stat;
	uint64_t id, again;
	int bound;

	set_name(attr.name, "mine");
	id = create_by(self->owner, attr);
	bound = descriptor(id, O_RDWR);
	ASSERT_EQ(0, post(bound, 0, "x", 0));

	variant->end(self->owner);
	EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
	expect_end_of(_metadata, bound);
	EXPECT_EQ(ENOENT, try_stat(self->fd, 1, MBOX_STAT_NEXT, &stat));
	EXPECT_EQ(ENOENT, try_open_name("mine"));
	set_name(other.name, "mine");
	again = create(self->fd, other);
	EXPECT_LT(id, again);
	EXPECT_EQ(0, try_open_name("mine"));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
}

TEST_F(end, leaves_the_kernel_owned_mailbox_an_orphan)
{
	uint64_t id = create_by(self->owner, attributes(2, SIZE));
	struct puppet *heir = new_puppet(self->fd, OWNER, OWNER);
	struct mbox_stat stat;

	ASSERT_EQ(0, post(self->fd, id, "x", 0));
	EXPECT_EQ(EBUSY, claim_by(heir, id));
	EXPECT_EQ(0, state(self->fd, id).state);
	EXPECT_LT(0, state(self->fd, id).pid);
	variant->end(self->owner);
	stat = state(self->fd, id);
	EXPECT_EQ(MBOX_STATE_ORPHAN, stat.state);
	EXPECT_EQ(0, stat.pid);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(0, claim_by(heir, id));
	EXPECT_EQ(heir->pid, state(self->fd, id).pid);
	EXPECT_EQ(0, fetch_by(heir, id));
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLPRI | EPOLLET };

	NEED(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static pid_t spawn_poller(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLPRI };
	pid_t child = spawn();

	if (!child)
		_exit(poll(&pollfd, 1, -1) == 1 && pollfd.revents == (POLLERR | POLLHUP) ? 0 : 1);
	WAIT_UNTIL(sleeps(child));
	return child;
}

static pid_t spawn_epoller(int epoll)
{
	struct epoll_event event;
	pid_t child = spawn();

	if (!child)
		_exit(epoll_wait(epoll, &event, 1, -1) == 1 &&
		      event.events == (EPOLLERR | EPOLLHUP) ? 0 : 1);
	WAIT_UNTIL(sleeps(child));
	return child;
}

static pid_t spawn_writer(int fd)
{
	pid_t child = spawn();

	if (!child)
		_exit(error_of(write(fd, "x", 1)));
	return child;
}

enum { FULL, SYNC, RENDEZVOUS, KINDS };

TEST_F(end, tells_those_who_wait_for_the_process_owned_mailbox)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), fds[KINDS], i;
	struct mbox_send how = { .flags = MBOX_SEND_SYNC };
	pid_t senders[KINDS + 1], poller, epoller;

	for (i = 0; i < KINDS; i++)
		fds[i] = descriptor(create_by(self->owner, of_a_process(i != RENDEZVOUS)), O_RDWR);
	ASSERT_EQ(0, post(fds[FULL], 0, "x", 0));
	senders[FULL] = spawn_sender(fds[FULL], 0, "x", 0);
	senders[SYNC] = spawn_sender_as(fds[SYNC], "x", &how);
	senders[RENDEZVOUS] = spawn_sender(fds[RENDEZVOUS], 0, "x", 0);
	senders[KINDS] = spawn_writer(fds[FULL]);
	for (i = 0; i < KINDS; i++)
		wait_for_senders(fds[i], 0, i == FULL ? 2 : 1);
	watch(epoll, fds[FULL]);
	poller = spawn_poller(fds[SYNC]);
	epoller = spawn_epoller(epoll);

	variant->end(self->owner);
	for (i = 0; i < KINDS + 1; i++)
		EXPECT_EQ(EIDRM, join(senders[i]));
	EXPECT_EQ(0, join(poller));
	EXPECT_EQ(0, join(epoller));
}

/*
 * What looks like an end and is none.
 */

static void exec_leader(struct puppet *owner, struct puppet *thread)
{
	(void)thread;
	NEED(!ask(owner, do_exec));
}

static void exec_thread(struct puppet *owner, struct puppet *thread)
{
	(void)owner;
	NEED(!ask(thread, do_exec));
	NEED((pid_t)told(&thread->tid) == thread->pid);
}

static void trace(uint32_t tid)
{
	NEED(!ptrace(PTRACE_SEIZE, tid, NULL, 0L));
}

static void exec_leader_traced(struct puppet *owner, struct puppet *thread)
{
	trace(owner->tid);
	exec_leader(owner, thread);
}

static void exec_thread_with_traced_leader(struct puppet *owner, struct puppet *thread)
{
	trace(owner->tid);
	exec_thread(owner, thread);
}

static void exec_thread_after_leader(struct puppet *owner, struct puppet *thread)
{
	end_leader(owner);
	exec_thread(owner, thread);
}

static void exec_thread_after_traced_leader(struct puppet *owner, struct puppet *thread)
{
	trace(owner->tid);
	end_leader(owner);
	exec_thread(owner, thread);
}

static void leader_ends(struct puppet *owner, struct puppet *thread)
{
	(void)thread;
	end_leader(owner);
}

static void traced_leader_ends(struct puppet *owner, struct puppet *thread)
{
	(void)thread;
	trace(owner->tid);
	end_leader(owner);
	/* Who is told of it, but cannot reap it. */
	NEED(waitpid(owner->pid, NULL, WNOHANG | __WALL) == 0);
}

static void leader_of_traced_threads_ends(struct puppet *owner, struct puppet *thread)
{
	trace(owner->tid);
	trace(thread->tid);
	end_leader(owner);
}

static void leader_traced_by_another_ends(struct puppet *owner, struct puppet *thread)
{
	struct puppet *tracer = new_puppet(owner->fd, 0, 0);

	(void)thread;
	memcpy(tracer->arg, &owner->pid, sizeof(owner->pid));
	NEED(!ask(tracer, do_trace));
	end_leader(owner);
	/* With it goes the trace, and its parent is told what it was not. */
	end(tracer->pid);
}

static void thread_ends(struct puppet *owner, struct puppet *thread)
{
	(void)owner;
	end_thread(thread);
}

static void traced_thread_ends(struct puppet *owner, struct puppet *thread)
{
	(void)owner;
	trace(thread->tid);
	begin_act(thread, do_exit_thread);
	NEED(waitpid(thread->tid, NULL, __WALL) == (pid_t)thread->tid);
}

static int see_a_child_end(struct puppet *me)
{
	pid_t child = spawn();

	(void)me;
	if (!child)
		_exit(0);
	return join(child);
}

static int exit_at_once(void *unused)
{
	(void)unused;
	return 0;
}

static int see_a_sharing_child_end(struct puppet *me)
{
	static char stack[4 * PAGE] __attribute__((aligned(16)));
	pid_t child = clone(exit_at_once, stack + sizeof(stack),
			    CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, NULL);

	(void)me;
	return join(child);
}

static void children_end(struct puppet *owner, struct puppet *thread)
{
	(void)thread;
	NEED(!ask(owner, see_a_child_end));
	NEED(!ask(owner, see_a_sharing_child_end));
}

static void is_stopped_and_goes_on(struct puppet *owner, struct puppet *thread)
{
	int status;

	(void)thread;
	NEED(!kill(owner->pid, SIGSTOP));
	NEED(waitpid(owner->pid, &status, WUNTRACED) == owner->pid && WIFSTOPPED(status));
	NEED(!kill(owner->pid, SIGCONT));
}

static void is_traced_for_a_while(struct puppet *owner, struct puppet *thread)
{
	int status;

	(void)thread;
	trace(owner->tid);
	NEED(!ptrace(PTRACE_INTERRUPT, owner->tid, NULL, NULL));
	NEED(waitpid(owner->pid, &status, __WALL) == owner->pid && WIFSTOPPED(status));
	NEED(!ptrace(PTRACE_DETACH, owner->tid, NULL, NULL));
}

enum survivor { LEADER, THREAD };

FIXTURE(no_end) {
	int fd;
	struct puppet *owner, *thread;
};

FIXTURE_VARIANT(no_end) {
	void (*happens)(struct puppet *owner, struct puppet *thread);
	enum survivor survivor;
};

#define NO_END(_name, _happens, _survivor)					\
	FIXTURE_VARIANT_ADD(no_end, _name) { .happens = _happens, .survivor = _survivor }

NO_END(is_exec, exec_leader, LEADER);
NO_END(is_exec_by_another_thread, exec_thread, THREAD);
NO_END(is_exec_of_a_traced_process, exec_leader_traced, LEADER);
NO_END(is_exec_by_another_than_the_traced_leader, exec_thread_with_traced_leader, THREAD);
NO_END(is_exec_after_the_end_of_the_leader, exec_thread_after_leader, THREAD);
NO_END(is_exec_after_the_end_of_the_traced_leader, exec_thread_after_traced_leader, THREAD);
NO_END(is_that_of_the_leader, leader_ends, THREAD);
NO_END(is_that_of_the_traced_leader, traced_leader_ends, THREAD);
NO_END(is_that_of_the_leader_of_traced_threads, leader_of_traced_threads_ends, THREAD);
NO_END(is_that_of_the_leader_and_its_tracer, leader_traced_by_another_ends, THREAD);
NO_END(is_that_of_a_thread, thread_ends, LEADER);
NO_END(is_that_of_a_traced_thread, traced_thread_ends, LEADER);
NO_END(is_that_of_its_children, children_end, LEADER);
NO_END(is_a_stop, is_stopped_and_goes_on, LEADER);
NO_END(is_a_trace, is_traced_for_a_while, LEADER);

FIXTURE_SETUP(no_end)
{
	begin();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->thread = new_thread(self->owner);
}

FIXTURE_TEARDOWN(no_end)
{
	sweep();
}

TEST_F(no_end, of_the_owner)
{
	uint64_t id = create_by(self->owner, of_a_process(0));
	uint64_t kept = create_by(self->owner, attributes(1, SIZE));
	struct puppet *survivor = variant->survivor == LEADER ? self->owner : self->thread;
	pid_t sender = spawn_sender(self->fd, id, "text", 0);

	wait_for_senders(self->fd, id, 1);
	variant->happens(self->owner, self->thread);
	/* What is wrongly begun is done by then. */
	usleep(20000);
	EXPECT_EQ(survivor->pid, state(self->fd, id).pid);
	EXPECT_EQ(survivor->pid, state(self->fd, kept).pid);
	EXPECT_EQ(0, state(self->fd, kept).state);
	EXPECT_EQ(1, state(self->fd, id).senders);
	EXPECT_EQ(0, fetch_by(survivor, id));
	EXPECT_STREQ("text", survivor->text);
	EXPECT_EQ(0, join(sender));
	EXPECT_EQ(EACCES, post_by(survivor, id, "x"));
	EXPECT_EQ(EAGAIN, fetch_by(survivor, kept));
	EXPECT_EQ(0, polled(descriptor(id, O_RDWR), 0));

	/* And then it comes all the same. */
	sender = spawn_sender(self->fd, id, "text", 0);
	wait_for_senders(self->fd, id, 1);
	NEED(!kill(survivor->pid, SIGKILL));
	/* Where it is traced, the thread ends for us, too. */
	NEED(waitpid(self->thread->tid, NULL, __WALL) != -1 || errno == ECHILD);
	NEED(waitpid(survivor->pid, NULL, __WALL) != -1 || errno == ECHILD);
	EXPECT_EQ(EIDRM, join(sender));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, kept).state);
}

FIXTURE(life) {
	int fd;
};

FIXTURE_SETUP(life)
{
	begin();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(life)
{
	sweep();
}

/* A process whose exit is held up has not ended. */
TEST_F(life, lasts_while_a_tracer_holds_up_the_exit)
{
	struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
	uint64_t id = create_by(owner, of_a_process(1));
	int status;

	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, owner->pid, NULL, (long)PTRACE_O_TRACEEXIT));
	begin_act(owner, do_exit);
	ASSERT_EQ(owner->pid, waitpid(owner->pid, &status, __WALL));
	ASSERT_EQ(SIGTRAP | PTRACE_EVENT_EXIT << 8, status >> 8);
	EXPECT_EQ(0, post(self->fd, id, "x", 0));
	EXPECT_EQ(owner->pid, state(self->fd, id).pid);
	ASSERT_EQ(0, ptrace(PTRACE_CONT, owner->pid, NULL, NULL));
	EXPECT_EQ(3, join(owner->pid));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, id));
}

TEST_F(life, of_one_process_is_not_that_of_another)
{
	struct puppet *one = new_puppet(self->fd, OWNER, OWNER);
	struct puppet *other = new_puppet(self->fd, OWNER, OWNER);
	uint64_t ones = create_by(one, of_a_process(1)), others = create_by(other, of_a_process(1));

	end(one->pid);
	EXPECT_EQ(EIDRM, said_by_all(self->fd, ones));
	EXPECT_EQ(0, post(self->fd, others, "x", 0));
	EXPECT_EQ(0, fetch_by(other, others));
	end(other->pid);
	EXPECT_EQ(EIDRM, said_by_all(self->fd, others));
}

#define MANY 200

TEST_F(life, takes_many_mailboxes_of_both_kinds)
{
	struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
	struct mbox_stat stat;
	uint64_t ids[MANY];
	pid_t senders[4];
	int i;

	for (i = 0; i < MANY; i++)
		ids[i] = create_by(owner, i % 2 ? attributes(1, SIZE) : of_a_process(0));
	for (i = 0; i < 4; i++) {
		senders[i] = spawn_sender(self->fd, ids[i * 66], "x", 0);
		wait_for_senders(self->fd, ids[i * 66], 1);
	}
	end(owner->pid);
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(i % 2 ? 0 : EIDRM, try_stat(self->fd, ids[i], 0, &stat));
		if (i % 2)
			EXPECT_EQ(MBOX_STATE_ORPHAN, stat.state);
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(EIDRM, join(senders[i]));
	WAIT_UNTIL(info(self->fd).mailboxes == MANY / 2);
}

/*
 * Once the parent can know, it is so: what is tried first is tried in turn.
 */
#define ROUNDS 100

enum news { BY_WAITID, BY_SIGCHLD };

FIXTURE(reaped) {
	int fd;
	long long quota;
};

FIXTURE_VARIANT(reaped) {
	enum news news;
	bool threads;
};

FIXTURE_VARIANT_ADD(reaped, as_waitid_tells) {
	.news = BY_WAITID,
};

FIXTURE_VARIANT_ADD(reaped, as_waitid_tells_of_threads) {
	.news = BY_WAITID, .threads = true,
};

FIXTURE_VARIANT_ADD(reaped, as_a_signal_tells) {
	.news = BY_SIGCHLD,
};

FIXTURE_SETUP(reaped)
{
	begin();
	self->fd = device(O_RDWR);
	self->quota = tunable("user_mailboxes");
	NEED(!set_tunable("user_mailboxes", 1));
}

FIXTURE_TEARDOWN(reaped)
{
	NEED(!set_tunable("user_mailboxes", self->quota));
	sweep();
}

static void *just_wait(void *unused)
{
	wait_for_ever(unused);
	return NULL;
}

/* A child that owns what is described by @attr, until it is killed. */
static pid_t spawn_owner(int fd, struct mbox_create attr, bool threads, uint64_t *id)
{
	pthread_t thread;
	pid_t child;

	futex_tell((uint32_t *)id, 0);
	child = spawn();
	if (!child) {
		if (threads)
			NEED(!pthread_create(&thread, NULL, just_wait, NULL));
		attr.id = create(fd, attr);
		__atomic_store_n(id, attr.id, __ATOMIC_SEQ_CST);
		futex_tell((uint32_t *)id, (uint32_t)attr.id);
		just_wait(NULL);
	}
	while (!told((uint32_t *)id))
		futex_wait((uint32_t *)id, 0);
	return child;
}

/* Kill it, and return as soon as it is known that it has ended. */
static void kill_and_know(pid_t child, enum news news)
{
	siginfo_t info;
	sigset_t set;

	NEED(!kill(child, SIGKILL));
	if (news == BY_WAITID) {
		NEED(!waitid(P_PID, child, &info, WEXITED | WNOWAIT));
		return;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	NEED(sigwaitinfo(&set, &info) == SIGCHLD && info.si_pid == child);
}

static void need_no_trace(int fd, const struct mbox_create *attr, uint64_t id, int first)
{
	struct mbox_create again = *attr;
	struct mbox_stat stat;

	switch (first) {
	case 0:
		NEED(!call(fd, MBOX_IOC_CREATE, &again));
		NEED(!delete(fd, again.id));
		break;
	case 1:
		NEED(try_open_name("mine") == ENOENT);
		break;
	case 2:
		NEED(post(fd, id, "x", 0) == EIDRM);
		break;
	case 3:
		NEED(try_stat(fd, 1, MBOX_STAT_NEXT, &stat) == ENOENT);
		break;
	}
	NEED(said_by_all(fd, id) == EIDRM);
	NEED(try_open_name("mine") == ENOENT);
	NEED(try_stat(fd, 1, MBOX_STAT_NEXT, &stat) == ENOENT);
	NEED(!call(fd, MBOX_IOC_CREATE, &again));
	NEED(!delete(fd, again.id));
}

static int be_parent_of_owners(int fd, const FIXTURE_VARIANT(reaped) *variant)
{
	struct mbox_create attr = of_a_process(1);
	uint64_t *id = shared(sizeof(*id));
	sigset_t set;
	int round;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	NEED(!sigprocmask(SIG_BLOCK, &set, NULL));
	become(OWNER, OWNER);
	set_name(attr.name, "mine");
	for (round = 0; round < ROUNDS; round++) {
		pid_t child = spawn_owner(fd, attr, variant->threads, id);

		kill_and_know(child, variant->news);
		need_no_trace(fd, &attr, *id, round % 5);
		NEED(join(child) == -SIGKILL);
	}
	return 0;
}

TEST_F(reaped, owner_has_left_no_trace)
{
	pid_t parent = spawn();

	if (!parent)
		_exit(be_parent_of_owners(self->fd, variant));
	EXPECT_EQ(0, join(parent));
}

static int be_parent_of_orphaners(int fd, const FIXTURE_VARIANT(reaped) *variant)
{
	uint64_t *id = shared(sizeof(*id));
	struct puppet *me = myself(fd);
	sigset_t set;
	int round;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	NEED(!sigprocmask(SIG_BLOCK, &set, NULL));
	become(OWNER, OWNER);
	for (round = 0; round < ROUNDS; round++) {
		pid_t child = spawn_owner(fd, attributes(1, SIZE), variant->threads, id);

		kill_and_know(child, variant->news);
		if (round % 2) {
			NEED(state(fd, *id).pid == 0);
			NEED(state(fd, *id).state == MBOX_STATE_ORPHAN);
		}
		NEED(!claim_by(me, *id));
		NEED(state(fd, *id).pid == getpid() && state(fd, *id).state == 0);
		NEED(claim_by(me, *id) == EBUSY);
		NEED(join(child) == -SIGKILL);
		NEED(fetch(fd, *id, &(struct letter){ }) == EAGAIN);
		NEED(!delete(fd, *id));
	}
	return 0;
}

TEST_F(reaped, owner_has_left_an_orphan_to_be_claimed)
{
	pid_t parent = spawn();

	if (!parent)
		_exit(be_parent_of_orphaners(self->fd, variant));
	EXPECT_EQ(0, join(parent));
}

static void *create_for_ever(void *data)
{
	int fd = *(int *)data, error;

	for (;;) {
		struct mbox_create attr = of_a_process(1);

		error = call(fd, MBOX_IOC_CREATE, &attr);
		NEED(!error || error == EDQUOT);
		if (error || attr.id % 3 == 0)
			delete(fd, attr.id);
	}
	return NULL;
}

TEST_F(life, leaves_nothing_that_was_just_being_created)
{
	struct mbox_stat stat;
	int round;

	srand(1);
	for (round = 0; round < 60; round++) {
		pid_t child = spawn();

		if (!child) {
			pthread_t thread;

			become(OWNER, OWNER);
			NEED(!pthread_create(&thread, NULL, create_for_ever, &self->fd));
			create_for_ever(&self->fd);
		}
		usleep(rand() % 20000);
		end(child);
		ASSERT_EQ(ENOENT, try_stat(self->fd, 1, MBOX_STAT_NEXT, &stat));
		WAIT_UNTIL(info(self->fd).mailboxes == 0);
	}
}

/* Whoever has nothing any more is forgotten, though it lives on. */
TEST_F(life, goes_on_without_the_module)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child;

	SKIP_IF_MISSING();
	child = spawn();
	if (!child) {
		struct puppet *me = myself(self->fd);
		uint64_t id = create(self->fd, attributes(1, SIZE));

		NEED(!delete(self->fd, create(self->fd, of_a_process(1))));
		NEED(!grant_by(me, id, getpid(), MBOX_RIGHT_RECV));
		NEED(!offer_by(me, id, getpid(), 0));
		NEED(!delete(self->fd, id));
		close(self->fd);
		tell(ready, true);
		wait_for_ever(NULL);
	}
	WAIT_UNTIL(told(ready));
	close(self->fd);
	WAIT_UNTIL(!unload());
	ASSERT_EQ(0, load());
	end(child);
}

static void *exec_myself(void *argv)
{
	execv("/proc/thread-self/exe", argv);
	return NULL;
}

/* Another thread than the first execs, so often; then stop. */
static int exec_again(int fd, int times)
{
	char fd_text[16], times_text[16];
	char *argv[] = { "test", "exec", fd_text, times_text, NULL };
	pthread_t thread;

	if (!times)
		raise(SIGSTOP);
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	snprintf(times_text, sizeof(times_text), "%d", times - 1);
	NEED(!pthread_create(&thread, NULL, exec_myself, argv));
	return wait_for_ever(NULL);
}

TEST_F(life, never_seems_to_end_in_exec_by_threads)
{
	uint64_t *id = shared(sizeof(*id));
	pid_t owner = spawn();
	int status, error;

	if (!owner) {
		*id = create(self->fd, of_a_process(1));
		NEED(!fcntl(self->fd, F_SETFD, 0));
		_exit(exec_again(self->fd, 20));
	}
	WAIT_UNTIL(__atomic_load_n(id, __ATOMIC_SEQ_CST));
	while (!waitpid(owner, &status, WUNTRACED | WNOHANG)) {
		error = post(self->fd, *id, "", 0);
		ASSERT_TRUE(!error || error == EAGAIN);
		ASSERT_EQ(owner, state(self->fd, *id).pid);
	}
	EXPECT_TRUE(WIFSTOPPED(status));
	end(owner);
	EXPECT_EQ(EIDRM, said_by_all(self->fd, *id));
}

/*
 * A process that ends while somebody names it: whoever looks for it may see its end
 * before the kernel tells of it.
 */
FIXTURE(named) {
	int fd;
	pthread_t namer;
};

static volatile pid_t named;
static volatile bool enough;

static void *name_it(void *arg)
{
	int fd = *(int *)arg;

	while (!enough) {
		struct mbox_transfer offer = { .pid = named };

		if (offer.pid)
			(void)!ioctl(fd, MBOX_IOC_OFFER, &offer);
	}
	return NULL;
}

FIXTURE_SETUP(named)
{
	begin();
	self->fd = mailbox(attributes(4, 16));
	enough = false;
	NEED(!pthread_create(&self->namer, NULL, name_it, &self->fd));
}

FIXTURE_TEARDOWN(named)
{
	enough = true;
	pthread_join(self->namer, NULL);
	sweep();
}

TEST_F_TIMEOUT(named, by_others_ends_with_all_that_it_has, 120)
{
	struct mbox_create attr = attributes(4, 16);
	uint32_t *step = shared(sizeof(*step));
	int i;

	attr.flags = MBOX_CREATE_PROCESS;
	attr.mode = 0200;
	for (i = 0; i < 150; i++) {
		pid_t child;

		tell(step, 0);
		child = spawn();
		if (!child) {
			create(device(O_RDWR), attr);
			tell(step, 1);
			WAIT_UNTIL(told(step) == 2);
			_exit(0);
		}
		WAIT_UNTIL(told(step) == 1);
		named = child;
		tell(step, 2);
		EXPECT_EQ(0, join(child));
		named = 0;
	}
	/* But for the one that is offered. */
	WAIT_UNTIL(info(self->fd).mailboxes == 1);
}

int main(int argc, char **argv)
{
	if (argc == PUPPET_ARGC && !strcmp(argv[1], "puppet"))
		return resume_puppet(argv);
	if (argc == 4 && !strcmp(argv[1], "exec"))
		return exec_again(atoi(argv[2]), atoi(argv[3]));
	return test_harness_run(argc, argv);
}
