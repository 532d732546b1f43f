// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Namespaces: mailboxes belong to a network namespace, which hides them and takes
 * them along when it ends; processes and users are told as whoever looks sees
 * them.
 */
#include "kselftest_harness.h"
#include "account.h"

#include <sys/epoll.h>

#define OVERFLOW_ID	65534

/*
 * Two network namespaces, with a mailbox of the same name in each.
 */
FIXTURE(network) {
	int fd;			/* unbound */
	int there_fd;		/* bound to the other one */
	struct puppet *there;
	uint64_t here_id;
	uint64_t there_id;
};

static struct mbox_create named(const char *name)
{
	struct mbox_create attr = public(4);

	set_name(attr.name, name);
	return attr;
}

FIXTURE_SETUP(network)
{
	struct mbox_create attr = named("name");

	begin_accounts();
	self->fd = device(O_RDWR);
	self->there_fd = device(O_RDWR);
	/* So that the ids of the other namespace are not ours. */
	self->here_id = create(self->fd, attributes(1, 1));
	NEED(!delete(self->fd, self->here_id));
	self->here_id = create(self->fd, attr);
	self->there = new_puppet_after(self->there_fd, leave_network_namespace);
	attr.flags = MBOX_CREATE_BIND;
	self->there_id = create_by(self->there, attr);
}

FIXTURE_TEARDOWN(network)
{
	kill_puppet(self->there);
	close(self->there_fd);
	sweep();
	/* The kernel ends a namespace when it finds time. */
	WAIT_UNTIL(pays_nothing(self->fd, 0) && pays_nothing(self->fd, SENDER));
	end_accounts(self->fd);
}

static int open_name(struct puppet *me)
{
	struct mbox_open *arg = (struct mbox_open *)me->arg;
	int fd = device(O_RDWR), error;

	error = call(fd, MBOX_IOC_OPEN, arg);
	close(fd);
	return error;
}

/* What is opened by that name, on a descriptor of its own. */
static int open_name_by(struct puppet *puppet, const char *name, uint64_t *id)
{
	struct mbox_open arg = { };
	int error;

	set_name(arg.name, name);
	memcpy(puppet->arg, &arg, sizeof(arg));
	error = ask(puppet, open_name);
	memcpy(&arg, puppet->arg, sizeof(arg));
	*id = arg.id;
	return error;
}

/* What all operations there say of an id of ours, or of nobody's. */
static int say_all(struct puppet *me)
{
	uint64_t id;

	memcpy(&id, me->text, sizeof(id));
	return said_by_all(me->fd, id);
}

static int said_there(FIXTURE_DATA(network) *self, uint64_t id)
{
	memcpy(self->there->text, &id, sizeof(id));
	return ask(self->there, say_all);
}

TEST_F(network, namespaces_give_out_ids_of_their_own)
{
	EXPECT_EQ(1, self->there_id);
	EXPECT_LT(1, self->here_id);
	EXPECT_EQ(2, create_by(self->there, public(1)));
}

TEST_F(network, namespaces_say_of_an_id_of_another_what_they_say_of_none)
{
	uint64_t gone = create(self->fd, public(1));
	uint64_t left = create(self->fd, public(1));
	struct mbox_stat stat = state(self->fd, self->here_id);

	ASSERT_EQ(0, post(self->fd, left, "text", 0));
	ASSERT_EQ(0, delete(self->fd, gone));
	EXPECT_EQ(ENOENT, said_there(self, left + 1000));
	EXPECT_EQ(ENOENT, said_there(self, self->here_id));
	EXPECT_EQ(ENOENT, said_there(self, gone));
	EXPECT_EQ(ENOENT, said_there(self, left));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, gone));
	EXPECT_TRUE(same_state(stat, state(self->fd, self->here_id)));
	EXPECT_EQ(1, state(self->fd, left).msgs);
	/* Gone there is not gone here. */
	ASSERT_EQ(0, delete_by(self->there, self->there_id));
	EXPECT_EQ(EIDRM, said_there(self, self->there_id));
	EXPECT_EQ(EIDRM, said_by_all(self->fd, 1));
	EXPECT_TRUE(same_state(stat, state(self->fd, self->here_id)));
}

TEST_F(network, namespaces_have_the_same_name_each_for_itself)
{
	struct mbox_create attr = named("only-here");
	uint64_t id;

	EXPECT_EQ(0, open_name_by(self->there, "name", &id));
	EXPECT_EQ(self->there_id, id);
	EXPECT_EQ(0, open_name_by(myself(self->fd), "name", &id));
	EXPECT_EQ(self->here_id, id);
	EXPECT_EQ(EEXIST, try_create_by(self->there, named("name")));
	create(self->fd, attr);
	EXPECT_EQ(ENOENT, open_name_by(self->there, "only-here", &id));
	EXPECT_EQ(0, try_create_by(self->there, attr));
	ASSERT_EQ(0, delete_by(self->there, self->there_id));
	EXPECT_EQ(ENOENT, open_name_by(self->there, "name", &id));
	EXPECT_EQ(0, open_name_by(myself(self->fd), "name", &id));
}

TEST_F(network, namespaces_list_and_count_their_own)
{
	struct mbox_stat stat = { .flags = MBOX_STAT_NEXT, .id = 1 };
	struct mbox_info counts = { };
	struct mbox_usage usage;

	create(self->fd, public(1));
	ASSERT_EQ(0, call_by(self->there, MBOX_IOC_STAT, &stat));
	EXPECT_EQ(self->there_id, stat.id);
	stat = (struct mbox_stat){ .flags = MBOX_STAT_NEXT, .id = self->there_id + 1 };
	EXPECT_EQ(ENOENT, call_by(self->there, MBOX_IOC_STAT, &stat));
	ASSERT_EQ(0, call_by(self->there, MBOX_IOC_INFO, &counts));
	EXPECT_EQ(1, counts.mailboxes);
	EXPECT_EQ(2, info(self->fd).mailboxes);
	usage = own_usage(self->there);
	EXPECT_EQ(1, usage.ns_mailboxes);
	EXPECT_EQ(3, usage.user_mailboxes);
	usage = usage_of(self->fd, 0);
	EXPECT_EQ(2, usage.ns_mailboxes);
	EXPECT_EQ(3, usage.user_mailboxes);
}

/* Wherever the sender is. */
TEST_F(network, namespaces_count_what_is_in_their_mailboxes)
{
	struct puppet *sender = new_puppet(self->there_fd, SENDER, SENDER);
	struct mbox_usage here = usage_of(self->fd, SENDER), there = own_usage(self->there), after;

	ASSERT_EQ(0, post_by(sender, 0, "text"));
	after = usage_of(self->fd, SENDER);
	EXPECT_EQ(1, after.user_msgs);
	EXPECT_EQ(0, after.ns_msgs);
	EXPECT_EQ(here.ns_bytes, after.ns_bytes);
	EXPECT_EQ(1, own_usage(self->there).ns_msgs);
	EXPECT_EQ(there.ns_bytes + after.user_bytes, own_usage(self->there).ns_bytes);
	ASSERT_EQ(0, set_tunable("ns_msgs", 1));
	EXPECT_EQ(ENOSPC, post_by(sender, 0, "text"));
	EXPECT_EQ(0, post_by(sender, self->here_id, "text"));
	kill_puppet(sender);
}

TEST_F(network, namespaces_do_not_change_what_a_descriptor_is_bound_to)
{
	struct puppet *traveller = new_puppet(self->there_fd, 0, 0);
	struct mbox_stat stat;

	EXPECT_EQ(0, post_by(traveller, 0, "text"));
	EXPECT_EQ(1, state(self->there_fd, 0).msgs);
	NEED(!ask(traveller, leave_network_namespace));
	EXPECT_EQ(0, fetch_by(traveller, 0));
	ASSERT_EQ(0, stat_by(traveller, 0, &stat));
	EXPECT_EQ(self->there_id, stat.id);
	EXPECT_EQ(ENOENT, stat_by(traveller, self->there_id, &stat));
	EXPECT_EQ(0, state(self->fd, self->here_id).sent);
	kill_puppet(traveller);
}

/*
 * The end of a network namespace, as seen by those who wait in another one for a
 * mailbox of it.
 */
FIXTURE(end) {
	int fd;
	int bound;
	struct puppet *there;
	struct puppet *waiter;
	struct puppet *first;	/* whose turn it is */
};

FIXTURE_VARIANT(end) {
	struct mbox_create attr;
	void (*wait)(FIXTURE_DATA(end) *self);
	int error;
};

static int wait_in_poll(struct puppet *me)
{
	struct pollfd pollfd = { .fd = me->fd, .events = POLLPRI };

	tell(&me->send.prio, 1);
	NEED(poll(&pollfd, 1, -1) == 1);
	return pollfd.revents;
}

static int wait_in_epoll(struct puppet *me)
{
	struct epoll_event event = { .events = EPOLLPRI };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	NEED(fd >= 0 && !epoll_ctl(fd, EPOLL_CTL_ADD, me->fd, &event));
	tell(&me->send.prio, 1);
	NEED(epoll_wait(fd, &event, 1, -1) == 1);
	return event.events;
}

static void begin_to_receive(FIXTURE_DATA(end) *self)
{
	begin_recv(self->waiter, (struct mbox_recv){ });
	wait_for_receivers(self->bound, 0, 1);
}

static void begin_to_read(FIXTURE_DATA(end) *self)
{
	begin_act(self->waiter, do_read);
	wait_for_receivers(self->bound, 0, 1);
}

static void begin_to_send(FIXTURE_DATA(end) *self)
{
	if (state(self->bound, 0).max_msgs)
		NEED(!post(self->bound, 0, "full", 0));
	begin_send(self->waiter, (struct mbox_send){ }, "text");
	wait_for_senders(self->bound, 0, 1);
}

static void begin_to_write(FIXTURE_DATA(end) *self)
{
	NEED(!post(self->bound, 0, "full", 0));
	strcpy(self->waiter->text, "text");
	begin_act(self->waiter, do_write);
	wait_for_senders(self->bound, 0, 1);
}

static void begin_to_send_in_step(FIXTURE_DATA(end) *self)
{
	begin_send(self->waiter, (struct mbox_send){ .flags = MBOX_SEND_SYNC }, "text");
	wait_for_senders(self->bound, 0, 1);
}

static void begin_to_wait_for_a_turn(FIXTURE_DATA(end) *self)
{
	self->first = new_puppet(self->bound, 0, 0);
	begin_recv(self->first, (struct mbox_recv){ });
	wait_for_receivers(self->bound, 0, 1);
	begin_recv(self->waiter, (struct mbox_recv){ });
	wait_for_receivers(self->bound, 0, 2);
}

static void begin_to_poll(FIXTURE_DATA(end) *self)
{
	begin_act(self->waiter, wait_in_poll);
	WAIT_UNTIL(told(&self->waiter->send.prio) && sleeps(self->waiter->pid));
}

static void begin_to_epoll(FIXTURE_DATA(end) *self)
{
	begin_act(self->waiter, wait_in_epoll);
	WAIT_UNTIL(told(&self->waiter->send.prio) && sleeps(self->waiter->pid));
}

#define BOUNDED { .max_msgs = 1, .max_bytes = 64, .max_size = 64, .mode = 0666 }

FIXTURE_VARIANT_ADD(end, wakes_a_receiver) {
	.attr = BOUNDED, .wait = begin_to_receive, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_a_reader) {
	.attr = BOUNDED, .wait = begin_to_read, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_a_sender) {
	.attr = BOUNDED, .wait = begin_to_send, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_a_writer) {
	.attr = BOUNDED, .wait = begin_to_write, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_a_synchronous_sender) {
	.attr = BOUNDED, .wait = begin_to_send_in_step, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_a_sender_at_a_rendezvous) {
	.attr = { .max_size = 64, .mode = 0666 }, .wait = begin_to_send, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_who_waits_for_a_turn) {
	.attr = {
		.flags = MBOX_CREATE_SINGLE, .max_msgs = 1, .max_bytes = 64, .max_size = 64,
		.mode = 0666,
	},
	.wait = begin_to_wait_for_a_turn, .error = EIDRM,
};

FIXTURE_VARIANT_ADD(end, wakes_a_poller) {
	.attr = BOUNDED, .wait = begin_to_poll, .error = POLLERR | POLLHUP,
};

FIXTURE_VARIANT_ADD(end, wakes_who_waits_in_epoll) {
	.attr = BOUNDED, .wait = begin_to_epoll, .error = EPOLLERR | EPOLLHUP,
};

FIXTURE_SETUP(end)
{
	struct mbox_create attr = variant->attr;

	begin_accounts();
	self->fd = device(O_RDWR);
	self->bound = device(O_RDWR);
	self->there = new_puppet_after(self->bound, leave_network_namespace);
	attr.flags |= MBOX_CREATE_BIND;
	create_by(self->there, attr);
	self->waiter = new_puppet(self->bound, SENDER, SENDER);
}

FIXTURE_TEARDOWN(end)
{
	end_accounts(self->fd);
}

TEST_F(end, and_gives_back_what_they_had)
{
	struct mbox_stat stat;

	variant->wait(self);
	EXPECT_FALSE(is_done(self->waiter));
	kill_puppet(self->there);
	/* The kernel ends a namespace when it finds time. */
	EXPECT_EQ(variant->error, end_act(self->waiter));
	EXPECT_EQ(EIDRM, try_stat(self->bound, 0, 0, &stat));
	EXPECT_EQ(EIDRM, post(self->bound, 0, "text", 0));
	EXPECT_EQ(EIDRM, fetch(self->bound, 0, &(struct letter){ }));
	close(self->bound);
	kill_puppet(self->waiter);
	if (self->first)
		kill_puppet(self->first);
	WAIT_UNTIL(pays_nothing(self->fd, SENDER));
	WAIT_UNTIL(pays_nothing(self->fd, 0));
}

/*
 * Whoever leaves a network namespace may keep descriptors, bound and unbound, and
 * wait for what is in it.
 */
static int leave_and_return(struct puppet *me)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct mbox_create attr = public(1);

	NEED(home >= 0 && !unshare(CLONE_NEWNET));
	attr.flags = MBOX_CREATE_BIND;
	create(me->fd, attr);
	mailbox(public(1));
	device(O_RDWR);
	return error_of(setns(home, CLONE_NEWNET));
}

TEST(no_descriptor_keeps_a_network_namespace)
{
	struct pollfd pollfd = { .fd = device(O_RDWR), .events = POLLPRI };
	struct puppet *puppet;

	begin_accounts();
	puppet = new_puppet_after(pollfd.fd, leave_and_return);
	EXPECT_EQ(1, poll(&pollfd, 1, 20000));
	EXPECT_EQ(POLLERR | POLLHUP, pollfd.revents);
	EXPECT_EQ(EIDRM, fetch_by(puppet, 0));
	kill_puppet(puppet);
	end_accounts(device(O_RDWR));
}

/* What a user had there is its own again, whoever still holds descriptors. */
TEST(the_end_of_a_network_namespace_gives_back_quota)
{
	int fd = device(O_RDWR), bound = device(O_RDWR);
	struct mbox_create attr = public(2);
	struct puppet *owner;

	begin_accounts();
	owner = new_puppet(bound, OWNER, OWNER);
	NEED(!ask(owner, enter_user_namespace) && !ask(owner, leave_network_namespace));
	attr.flags = MBOX_CREATE_BIND;
	create_by(owner, attr);
	ASSERT_EQ(0, post_by(owner, 0, "text"));
	EXPECT_EQ(1, usage_of(fd, OWNER).user_mailboxes);
	EXPECT_EQ(1, usage_of(fd, OWNER).user_msgs);
	kill_puppet(owner);
	WAIT_UNTIL(!usage_of(fd, OWNER).user_mailboxes);
	WAIT_UNTIL(!usage_of(fd, OWNER).user_msgs);
	close(bound);
	WAIT_UNTIL(pays_nothing(fd, OWNER));
	end_accounts(fd);
}

/*
 * Processes: the test's pid namespace, one below it with two processes, and one
 * beside that.
 */
FIXTURE(pid) {
	int fd;
	struct puppet *outer;
	struct puppet *first;	/* pid 1 of the inner namespace */
	struct puppet *second;	/* pid 2 of it */
	struct puppet *beside;
	uint64_t box;		/* open to all; outer's */
};

#define FIRST	1
#define SECOND	2

static struct puppet *new_first_puppet(int fd)
{
	struct puppet *puppet = new_puppet_memory(fd);
	pid_t pid = spawn_as_first();

	if (!pid)
		obey(puppet);
	puppet->pid = pid;
	WAIT_UNTIL(told(&puppet->tid));
	return puppet;
}

static int spawn_second(struct puppet *me)
{
	struct puppet *second;
	pid_t pid;

	memcpy(&second, me->text, sizeof(second));
	pid = spawn();
	if (!pid)
		obey(second);
	return pid == SECOND ? 0 : ECHILD;
}

/* Only the mailbox tells the test what its pid is here. */
static void start_second(struct puppet *first, struct puppet *second)
{
	uint64_t id;

	memcpy(first->text, &second, sizeof(second));
	NEED(!ask(first, spawn_second));
	WAIT_UNTIL(told(&second->tid));
	id = create_by(second, public(1));
	second->pid = state(first->fd, id).pid;
	NEED(second->pid > SECOND && !delete(first->fd, id));
}

FIXTURE_SETUP(pid)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->outer = new_puppet(self->fd, 0, 0);
	self->second = new_puppet_memory(self->fd);
	self->first = new_first_puppet(self->fd);
	start_second(self->first, self->second);
	self->beside = new_first_puppet(self->fd);
	self->box = create_by(self->outer, public(4));
}

FIXTURE_TEARDOWN(pid)
{
	end_accounts(self->fd);
}

static int sender_seen_by(struct puppet *receiver, uint64_t box)
{
	NEED(!fetch_by(receiver, box));
	return receiver->recv.pid;
}

TEST_F(pid, of_a_sender_is_as_the_receiver_sees_it)
{
	struct puppet *senders[] = { self->outer, self->first, self->second };
	pid_t inner[] = { 0, FIRST, SECOND };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, post_by(senders[i], self->box, "text"));
		EXPECT_EQ(inner[i], sender_seen_by(self->first, self->box));
		ASSERT_EQ(0, post_by(senders[i], self->box, "text"));
		EXPECT_EQ(inner[i], sender_seen_by(self->second, self->box));
		ASSERT_EQ(0, post_by(senders[i], self->box, "text"));
		EXPECT_EQ(0, sender_seen_by(self->beside, self->box));
		ASSERT_EQ(0, post_by(senders[i], self->box, "text"));
		EXPECT_EQ(senders[i]->pid, sender_seen_by(self->outer, self->box));
	}
}

TEST_F(pid, of_a_receiver_is_as_the_sender_sees_it)
{
	struct puppet *senders[] = { self->outer, self->second, self->beside };
	pid_t seen[] = { self->first->pid, FIRST, 0 };
	struct mbox_send how = { .id = self->box, .flags = MBOX_SEND_SYNC };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		begin_send(senders[i], how, "text");
		wait_for_senders(self->fd, self->box, 1);
		ASSERT_EQ(0, fetch_by(self->first, self->box));
		ASSERT_EQ(0, end_act(senders[i]));
		EXPECT_EQ(seen[i], senders[i]->send.receiver);
	}
}

static struct mbox_stat seen_by(struct puppet *who, uint64_t box)
{
	struct mbox_stat stat;

	NEED(!stat_by(who, box, &stat));
	return stat;
}

TEST_F(pid, of_an_owner_is_as_whoever_looks_sees_it)
{
	uint64_t box = create_by(self->second, public(1));

	EXPECT_EQ(SECOND, seen_by(self->first, box).pid);
	EXPECT_EQ(self->second->pid, seen_by(self->outer, box).pid);
	EXPECT_EQ(0, seen_by(self->beside, box).pid);
	/* Not to be seen is not to be an orphan. */
	EXPECT_EQ(0, seen_by(self->beside, box).state);
	EXPECT_EQ(0, seen_by(self->first, self->box).pid);
	EXPECT_EQ(0, seen_by(self->first, self->box).state);
	EXPECT_EQ(EBUSY, claim_by(self->first, self->box));
}

TEST_F(pid, that_is_offered_a_mailbox_is_as_whoever_looks_sees_it)
{
	ASSERT_EQ(0, offer_by(self->outer, self->box, self->second->pid, 0));
	EXPECT_EQ(SECOND, seen_by(self->first, self->box).offered);
	EXPECT_EQ(self->second->pid, seen_by(self->outer, self->box).offered);
	EXPECT_EQ(0, seen_by(self->beside, self->box).offered);
	EXPECT_EQ(MBOX_STATE_OFFERED, seen_by(self->beside, self->box).state);
	EXPECT_EQ(EACCES, accept_by(self->first, self->box));
	EXPECT_EQ(0, accept_by(self->second, self->box));
	EXPECT_EQ(self->second->pid, seen_by(self->outer, self->box).pid);
}

/* The one grant that there is. */
static struct mbox_granted granted(struct puppet *who, uint64_t box)
{
	struct mbox_grants arg = { .id = box, .grants = (uintptr_t)who->text, .nr = 2 };
	struct mbox_granted grant;

	NEED(!call_by(who, MBOX_IOC_GRANTS, &arg) && arg.nr == 1);
	memcpy(&grant, who->text, sizeof(grant));
	return grant;
}

TEST_F(pid, of_a_grant_is_as_whoever_looks_sees_it)
{
	ASSERT_EQ(0, grant_by(self->outer, self->box, self->second->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(SECOND, granted(self->first, self->box).pid);
	EXPECT_EQ(MBOX_RIGHT_RECV, granted(self->first, self->box).rights);
	EXPECT_EQ(self->second->pid, granted(self->outer, self->box).pid);
	EXPECT_EQ(0, granted(self->beside, self->box).pid);
	EXPECT_EQ(MBOX_RIGHT_RECV, granted(self->beside, self->box).rights);
}

TEST_F(pid, is_meant_as_the_caller_sees_it)
{
	uint64_t box = create_by(self->first, attributes(1, 8));

	/* A number of the outside says nothing inside. */
	EXPECT_EQ(ESRCH, transfer_by(self->first, box, self->second->pid, 0));
	EXPECT_EQ(ESRCH, offer_by(self->first, box, self->outer->pid, 0));
	EXPECT_EQ(ESRCH, grant_by(self->first, box, self->outer->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(ESRCH, revoke_by(self->first, box, self->outer->pid, MBOX_RIGHT_RECV));

	EXPECT_EQ(0, grant_by(self->first, box, SECOND, MBOX_RIGHT_RECV));
	EXPECT_EQ(self->second->pid, granted(self->outer, box).pid);
	EXPECT_EQ(0, revoke_by(self->first, box, SECOND, MBOX_RIGHT_RECV));
	EXPECT_EQ(0, offer_by(self->first, box, SECOND, 0));
	EXPECT_EQ(self->second->pid, seen_by(self->outer, box).offered);
	EXPECT_EQ(0, transfer_by(self->first, box, SECOND, 0));
	EXPECT_EQ(self->second->pid, seen_by(self->outer, box).pid);
	EXPECT_EQ(0, transfer_by(self->second, box, FIRST, 0));
	EXPECT_EQ(self->first->pid, seen_by(self->outer, box).pid);
}

TEST_F(pid, to_pick_messages_by_is_meant_as_the_caller_sees_it)
{
	struct mbox_create attr = public(4);
	struct mbox_recv how = { .flags = MBOX_RECV_MATCH | MBOX_RECV_NONBLOCK };

	attr.flags = MBOX_CREATE_BY_SENDER;
	how.id = create_by(self->outer, attr);
	ASSERT_EQ(0, post_by(self->outer, how.id, "outer"));
	ASSERT_EQ(0, post_by(self->first, how.id, "first"));
	ASSERT_EQ(0, post_by(self->second, how.id, "second"));
	how.match = SECOND;
	ASSERT_EQ(0, recv_by(self->first, how));
	EXPECT_STREQ("second", self->first->text);
	how.match = self->outer->pid;
	EXPECT_EQ(ESRCH, recv_by(self->first, how));
	how.match = self->first->pid;
	ASSERT_EQ(0, recv_by(self->outer, how));
	EXPECT_STREQ("first", self->outer->text);
}

/*
 * Users: the test's user namespace, and one that knows OWNER only, as root.
 */
FIXTURE(user) {
	int fd;
	struct puppet *outer;
	struct puppet *inner;
	uint64_t box;		/* of root, for all */
};

FIXTURE_SETUP(user)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->outer = new_puppet(self->fd, 0, 0);
	self->inner = new_puppet(self->fd, OWNER, OWNER);
	NEED(!ask(self->inner, enter_user_namespace));
	self->box = create_by(self->outer, public(4));
}

FIXTURE_TEARDOWN(user)
{
	end_accounts(self->fd);
}

TEST_F(user, who_sent_is_as_the_receiver_sees_it)
{
	struct puppet *stranger = new_puppet(self->fd, STRANGER, STRANGER);

	ASSERT_EQ(0, post_by(stranger, self->box, "text"));
	ASSERT_EQ(0, post_by(self->outer, self->box, "text"));
	ASSERT_EQ(0, post_by(self->inner, self->box, "text"));
	ASSERT_EQ(0, fetch_by(self->inner, self->box));
	EXPECT_EQ(OVERFLOW_ID, self->inner->recv.uid);
	EXPECT_EQ(OVERFLOW_ID, self->inner->recv.gid);
	EXPECT_EQ(stranger->pid, self->inner->recv.pid);
	ASSERT_EQ(0, fetch_by(self->inner, self->box));
	EXPECT_EQ(OVERFLOW_ID, self->inner->recv.uid);
	EXPECT_EQ(OVERFLOW_ID, self->inner->recv.gid);
	ASSERT_EQ(0, fetch_by(self->inner, self->box));
	EXPECT_EQ(0, self->inner->recv.uid);
	EXPECT_EQ(0, self->inner->recv.gid);

	ASSERT_EQ(0, post_by(self->inner, self->box, "text"));
	ASSERT_EQ(0, fetch_by(self->outer, self->box));
	EXPECT_EQ(OWNER, self->outer->recv.uid);
	EXPECT_EQ(OWNER, self->outer->recv.gid);
}

TEST_F(user, who_owns_is_as_whoever_looks_sees_it)
{
	uint64_t box = create_by(self->inner, public(1));
	struct mbox_stat stat;

	stat = seen_by(self->inner, self->box);
	EXPECT_EQ(OVERFLOW_ID, stat.uid);
	EXPECT_EQ(OVERFLOW_ID, stat.gid);
	stat = seen_by(self->inner, box);
	EXPECT_EQ(0, stat.uid);
	EXPECT_EQ(0, stat.gid);
	stat = seen_by(self->outer, box);
	EXPECT_EQ(OWNER, stat.uid);
	EXPECT_EQ(OWNER, stat.gid);
}

/* As overflow id it is nobody in particular, and certainly not uid 65534. */
TEST_F(user, who_is_not_seen_is_not_the_overflow_user)
{
	struct puppet *nobody = new_puppet(self->fd, OVERFLOW_ID, OVERFLOW_ID);
	uint64_t box = create_by(self->outer, attributes(1, 8));

	EXPECT_EQ(EACCES, post_by(nobody, box, "text"));
	EXPECT_EQ(EACCES, post_by(self->inner, box, "text"));
}

/* Of another pid and another user namespace: everything but who it was arrives. */
TEST_F(user, who_cannot_be_seen_at_all_is_received_from)
{
	struct puppet *receiver = new_first_puppet(self->fd);
	struct mbox_send how = { .id = self->box, .tag = 1234, .prio = 7 };

	NEED(!ask(receiver, become_owner) && !ask(receiver, enter_user_namespace));
	ASSERT_EQ(0, send_by(self->outer, how, "text"));
	ASSERT_EQ(0, fetch_by(receiver, self->box));
	EXPECT_STREQ("text", receiver->text);
	EXPECT_EQ(0, receiver->recv.pid);
	EXPECT_EQ(OVERFLOW_ID, receiver->recv.uid);
	EXPECT_EQ(OVERFLOW_ID, receiver->recv.gid);
	EXPECT_EQ(1234, receiver->recv.tag);
	EXPECT_EQ(7, receiver->recv.prio);
	EXPECT_EQ(4, receiver->recv.len);
	EXPECT_EQ(self->box, receiver->recv.from);
}

/* Also when the sender has ended, namespaces and all. */
TEST_F(user, who_is_gone_is_received_from)
{
	struct puppet *sender = new_first_puppet(self->fd);
	pid_t pid = sender->pid;

	NEED(!ask(sender, become_owner) && !ask(sender, enter_user_namespace));
	ASSERT_EQ(0, post_by(sender, self->box, "text"));
	kill_puppet(sender);
	ASSERT_EQ(0, fetch_by(self->outer, self->box));
	EXPECT_TRUE(self->outer->recv.pid == pid || self->outer->recv.pid == 0);
	EXPECT_EQ(OWNER, self->outer->recv.uid);
	EXPECT_EQ(OWNER, self->outer->recv.gid);
	EXPECT_STREQ("text", self->outer->text);
}

/* Privilege in a user namespace is for the network namespaces that it owns. */
TEST_F(user, who_is_root_of_a_namespace_is_not_root_of_its_surroundings)
{
	uint64_t box = create_by(self->outer, attributes(1, 8));
	uint64_t own = create_by(self->inner, public(1));
	struct mbox_stat stat;

	EXPECT_EQ(EACCES, stat_by(self->inner, box, &stat));
	EXPECT_EQ(EACCES, delete_by(self->inner, self->box));
	EXPECT_EQ(EACCES, chown_by(self->inner, own, 0, 0));

	NEED(!ask(self->inner, leave_network_namespace));
	own = create_by(self->inner, public(1));
	EXPECT_EQ(0, chown_by(self->inner, own, 0, 0));
	EXPECT_EQ(EINVAL, chown_by(self->inner, own, OWNER, 0));
	EXPECT_EQ(EINVAL, chown_by(self->inner, own, 0, OWNER));
	kill_puppet(self->inner);
	WAIT_UNTIL(usage_of(self->fd, OWNER).user_mailboxes == 1);
}

TEST_HARNESS_MAIN
