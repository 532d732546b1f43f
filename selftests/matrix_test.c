// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The matrix of rights: everything that can be done with a mailbox, tried by
 * everybody who can be there, on every kind of mailbox. What is to happen is in
 * the table rights_matrix; each of its rows is a test here.
 *
 * A row has a mailbox of its own for each caller. They are made by one owner,
 * open to all, so that all can bind a descriptor; then they become what the table
 * says, and then the callers have their turns. What succeeds must have exactly
 * its effect, what fails must change nothing.
 */
#include "kselftest_harness.h"
#include "puppet.h"
#include "rights_matrix.h"

#include <sys/socket.h>

#define FORMER_USER	1900	/* of the owner's process, if its mailbox is FOREIGN */
#define BYSTANDER	4000	/* of whom no caller but root has heard */
#define OF_THE_CALLER	2000	/* plus its number, if it is not to be anybody else */

#define NOBODY	(-1)		/* to try it */
#define MOST_GRANTS 4		/* that a mailbox has here */
#define GIFT	"gift"		/* a message that an offer comes with */

/* Traits of a mailbox. */
#define FOREIGN	0x1
#define OFFERED	0x2
#define PROCESS	0x4
#define ORPHAN	0x8

enum caller {
#define X(name) CALLER_##name,
	MATRIX_CALLERS(X)
#undef X
	CALLERS
};

static const char *const callers[] = {
#define X(name) #name,
	MATRIX_CALLERS(X)
#undef X
};

struct kind {
	uint32_t mode;
	unsigned int traits;
};

#define X(name, _mode, _traits) \
static const struct kind kind_##name = { .mode = _mode, .traits = _traits };
MATRIX_MAILBOXES(X)
#undef X

/**
 * struct cell - one caller and its mailbox; shared by all processes
 * @caller: who tries
 * @actor: its process
 * @uid: its effective and real user
 * @gid: and group
 * @id: the mailbox
 * @fd: the caller's descriptor, bound to the mailbox
 * @unbound: and one that is not
 * @carrier: a mailbox for all, to carry an offer of the first
 * @gift: a mailbox of the test, whose offer waits in the first
 * @target: the process that the operation is about, or that waits for a reply
 * @before: what the mailbox was like before, as the test sees it
 * @carrier_before: likewise the others
 * @gift_before: likewise
 * @granted: likewise the grants
 * @misled: what the caller was told, besides the error, is wrong
 */
struct cell {
	enum caller caller;
	struct puppet *actor;
	uid_t uid;
	gid_t gid;
	uint64_t id;
	int fd;
	int unbound;
	uint64_t carrier;
	uint64_t gift;
	pid_t target;
	struct mbox_stat before;
	struct mbox_stat carrier_before;
	struct mbox_stat gift_before;
	struct mbox_granted granted[MOST_GRANTS];
	bool misled;
};

/**
 * struct operation - a row
 * @prepare: by the test; what it takes besides the mailbox and a message in it
 * @act: by the caller; its errno
 * @effect: makes of the state before what it has to be after a success
 * @has_effect: what is to be seen elsewhere
 * @ends: the mailbox is gone then
 */
struct operation {
	void (*prepare)(struct cell *cell);
	int (*act)(struct cell *cell);
	void (*effect)(const struct cell *cell, struct mbox_stat *stat);
	bool (*has_effect)(const struct cell *cell);
	bool ends;
};

/* Of all processes of a row. */
static struct cell *cells;
static const struct kind *kind;
static const struct operation *operation;
static pid_t bystander;
static int device_fd;
static int sockets[2];	/* for descriptors that are passed on */

/* How many cells were tried, by all tests together. */
static uint32_t *tried;
static bool chosen;		/* not all tests were to run */

static bool is(unsigned int trait)
{
	return kind->traits & trait;
}

/*
 * Calls: of a caller, or of the test, which has all privileges.
 */

static void look_at_grants(uint64_t id, struct mbox_granted list[MOST_GRANTS])
{
	struct mbox_grants arg = { .id = id, .grants = (uintptr_t)list, .nr = MOST_GRANTS };

	memset(list, 0, MOST_GRANTS * sizeof(*list));
	NEED(!call(device_fd, MBOX_IOC_GRANTS, &arg) && arg.nr <= MOST_GRANTS);
}

static uint32_t granted_to(uint64_t id, pid_t pid)
{
	struct mbox_granted list[MOST_GRANTS];
	unsigned int i;

	look_at_grants(id, list);
	for (i = 0; i < MOST_GRANTS; i++)
		if (list[i].pid == pid)
			return list[i].rights;
	return 0;
}

static int grant(int fd, uint64_t id, pid_t pid, uint32_t rights)
{
	struct mbox_grant arg = { .id = id, .pid = pid, .rights = rights };

	return call(fd, MBOX_IOC_GRANT, &arg);
}

static int offer(int fd, uint64_t id, pid_t pid)
{
	struct mbox_transfer arg = { .id = id, .pid = pid };

	return call(fd, MBOX_IOC_OFFER, &arg);
}

static int change(int fd, uint64_t id, uint64_t what, uint32_t mode, uint32_t user_or_group)
{
	struct mbox_change arg = {
		.flags = what,
		.id = id,
		.mode = mode,
		.uid = user_or_group,
		.gid = user_or_group,
	};

	return call(fd, MBOX_IOC_CHANGE, &arg);
}

/* Send a message and the offer of a mailbox with it. */
static int attach(int fd, uint64_t id, uint64_t offered)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_NONBLOCK | MBOX_SEND_OFFER,
		.id = id,
		.offer = offered,
		.prio = 1,
	};

	return send_as(fd, GIFT, &how);
}

static int accept_from(int fd, uint64_t id, struct letter *letter)
{
	struct mbox_recv how = {
		.flags = MBOX_RECV_NONBLOCK | MBOX_RECV_ACCEPT,
		.id = id,
		.owned = ~0ULL,
	};

	return receive_as(fd, how, letter);
}

static uint64_t new_carrier(void)
{
	struct mbox_create attr = attributes(2, 8);

	attr.mode = 0666;
	return create(device_fd, attr);
}

/*
 * Operations: what the caller does, and what has to come of it.
 */

static void is_sent(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->sent++;
	stat->msgs++;
	stat->msgs_high++;
	stat->bytes += strlen("new");
	stat->bytes_high = stat->bytes;
}

static void is_received(const struct cell *cell, struct mbox_stat *stat)
{
	stat->received++;
	stat->msgs--;
	stat->bytes -= strlen(cell->gift ? GIFT : "old");
}

static void changes_hands(struct mbox_stat *stat, pid_t pid, uid_t uid, gid_t gid)
{
	stat->pid = pid;
	stat->uid = uid;
	stat->gid = gid;
	stat->offered = 0;
	stat->state = 0;
}

static void is_the_callers(const struct cell *cell, struct mbox_stat *stat)
{
	changes_hands(stat, cell->actor->pid, cell->uid, cell->gid);
}

static int act_open(struct cell *cell)
{
	struct mbox_open arg = { .id = cell->id, .uid = ~0U };
	int error = call(cell->unbound, MBOX_IOC_OPEN, &arg);

	cell->misled = arg.id != cell->id || arg.uid != cell->before.uid ||
		       polled(cell->unbound, POLLIN) != POLLIN;
	return error;
}

static int act_stat(struct cell *cell)
{
	struct mbox_stat stat;
	int error = try_stat(cell->fd, 0, 0, &stat);

	cell->misled = !same_state(stat, cell->before);
	return error;
}

/* Others follow; that one of them is shown instead is no success. */
static int act_list(struct cell *cell)
{
	struct mbox_stat stat;
	int error = try_stat(cell->unbound, cell->id, MBOX_STAT_NEXT, &stat);

	if (!error && stat.id != cell->id)
		return ENOENT;
	stat.flags = 0;
	cell->misled = !same_state(stat, cell->before);
	return error;
}

static void prepare_grants(struct cell *cell)
{
	int error = grant(device_fd, cell->id, bystander, MBOX_RIGHT_SEND | MBOX_RIGHT_RECV |
			  MBOX_RIGHT_MANAGE);

	NEED(error == (is(PROCESS) ? EOPNOTSUPP : 0));
}

static int act_grants(struct cell *cell)
{
	struct mbox_granted list[MOST_GRANTS] = { };
	struct mbox_grants arg = { .grants = (uintptr_t)list, .nr = MOST_GRANTS };
	int error = call(cell->fd, MBOX_IOC_GRANTS, &arg);

	cell->misled = arg.nr != cell->before.grants ||
		       memcmp(list, cell->granted, sizeof(list));
	return error;
}

static int act_send(struct cell *cell)
{
	return post(cell->fd, 0, "new", 0);
}

static int act_send_files(struct cell *cell)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_NONBLOCK,
		.files = (uintptr_t)&cell->unbound,
		.nr_files = 1,
	};

	return send_as(cell->fd, "new", &how);
}

/* Nobody receives it, so it gives up at once: then it was allowed. */
static int act_call(struct cell *cell)
{
	struct mbox_call arg = {
		.flags = MBOX_CALL_TIMEOUT,
		.buf = (uintptr_t)"new",
		.len = strlen("new"),
	};
	int error = call(cell->fd, MBOX_IOC_CALL, &arg);

	NEED(error);
	return error == ETIMEDOUT ? 0 : error;
}

/* It was there for a moment. */
static void is_called(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->msgs_high++;
	stat->bytes_high += strlen("new");
}

static int act_write(struct cell *cell)
{
	return error_of(write(cell->fd, "new", 3));
}

static int receive_old(struct cell *cell, struct mbox_recv how)
{
	struct letter letter;
	int error;

	how.flags |= MBOX_RECV_NONBLOCK;
	error = receive_as(cell->fd, how, &letter);
	cell->misled = strcmp(letter.text, "old") || letter.env.from != cell->id;
	return error;
}

static int act_recv(struct cell *cell)
{
	return receive_old(cell, (struct mbox_recv){ });
}

/* Somebody asks; it ends well if it gets a reply. */
static void prepare_answer(struct cell *cell)
{
	char reply[8] = "";
	struct mbox_call arg = {
		.id = cell->id,
		.buf = (uintptr_t)"ask",
		.len = strlen("ask"),
		.prio = 1,
		.reply = (uintptr_t)reply,
		.size = sizeof(reply) - 1,
	};
	pid_t child = spawn();

	if (!child)
		_exit(call(device_fd, MBOX_IOC_CALL, &arg) ?: strcmp(reply, "so"));
	cell->target = child;
	WAIT_UNTIL(state(device_fd, cell->id).msgs == 2);
}

static int act_answer(struct cell *cell)
{
	struct mbox_recv how = { .flags = MBOX_RECV_NONBLOCK | MBOX_RECV_TOKEN };
	struct mbox_reply reply = { .buf = (uintptr_t)"so", .len = strlen("so") };
	struct letter letter;
	int error = receive_as(cell->fd, how, &letter);

	if (error)
		return error;
	cell->misled = strcmp(letter.text, "ask");
	reply.token = letter.env.token;
	return call(cell->fd, MBOX_IOC_REPLY, &reply);
}

/* It was sent when it was received. */
static void is_answered(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->sent++;
	stat->senders--;
	stat->received++;
	stat->msgs--;
	stat->bytes -= strlen("ask");
}

static bool has_reply(const struct cell *cell)
{
	return !join(cell->target);
}

static int act_peek(struct cell *cell)
{
	return receive_old(cell, (struct mbox_recv){ .flags = MBOX_RECV_PEEK });
}

/* From the mailbox, or from one that is empty and open to all. */
static int act_choose(struct cell *cell)
{
	uint64_t ids[] = { cell->carrier, cell->id };

	return receive_old(cell, (struct mbox_recv){
		.flags = MBOX_RECV_CHOICE,
		.ids = (uintptr_t)ids,
		.nr_ids = 2,
	});
}

static int act_read(struct cell *cell)
{
	char text[8] = "";
	ssize_t len = read(cell->fd, text, sizeof(text));

	cell->misled = len != 3 || strcmp(text, "old");
	return error_of(len);
}

static void prepare_recv_accept(struct cell *cell)
{
	cell->gift = new_carrier();
	NEED(!attach(device_fd, cell->id, cell->gift));
}

static int act_recv_accept(struct cell *cell)
{
	struct letter letter;
	int error = accept_from(cell->fd, 0, &letter);

	cell->misled = strcmp(letter.text, GIFT) || letter.env.owned != cell->gift;
	return error;
}

static bool has_gift(const struct cell *cell)
{
	struct mbox_stat stat = state(device_fd, cell->gift);

	return stat.pid == cell->actor->pid && stat.uid == cell->uid && stat.gid == cell->gid;
}

static int act_delete(struct cell *cell)
{
	return delete(cell->fd, 0);
}

static int act_grant(struct cell *cell)
{
	return grant(cell->fd, 0, bystander, MBOX_RIGHT_SEND | MBOX_RIGHT_RECV);
}

static void one_more_grant(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->grants++;
}

static bool has_granted(const struct cell *cell)
{
	return granted_to(cell->id, bystander) == (MBOX_RIGHT_SEND | MBOX_RIGHT_RECV);
}

static int act_revoke(struct cell *cell)
{
	struct mbox_grant arg = { .pid = bystander, .rights = MBOX_RIGHT_RECV };

	return call(cell->fd, MBOX_IOC_REVOKE, &arg);
}

static bool has_revoked(const struct cell *cell)
{
	return granted_to(cell->id, bystander) == (MBOX_RIGHT_SEND | MBOX_RIGHT_MANAGE);
}

static int act_chmod(struct cell *cell)
{
	return change(cell->fd, 0, MBOX_CHANGE_MODE, 0202, 0);
}

static void has_that_mode(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->mode = 0202;
}

static int act_chown(struct cell *cell)
{
	return change(cell->fd, 0, MBOX_CHANGE_UID, 0, BYSTANDER);
}

static void has_that_user(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->uid = BYSTANDER;
}

static int act_chgrp(struct cell *cell)
{
	return change(cell->fd, 0, MBOX_CHANGE_GID, 0, BYSTANDER);
}

static void has_that_group(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->gid = BYSTANDER;
}

static int act_offer(struct cell *cell)
{
	return offer(cell->fd, 0, bystander);
}

static void is_offered(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->offered = bystander;
	stat->state |= MBOX_STATE_OFFERED;
}

static void offer_to_bystander(struct cell *cell)
{
	NEED(offer(device_fd, cell->id, bystander) == (is(PROCESS) ? EOPNOTSUPP : 0));
}

/* What is offered to the caller stays so. */
static void prepare_withdraw(struct cell *cell)
{
	if (!is(OFFERED))
		offer_to_bystander(cell);
}

static int act_withdraw(struct cell *cell)
{
	return offer(cell->fd, 0, 0);
}

static void is_not_offered(const struct cell *cell, struct mbox_stat *stat)
{
	(void)cell;
	stat->offered = 0;
	stat->state &= ~MBOX_STATE_OFFERED;
}

static int transfer(int fd, pid_t pid)
{
	struct mbox_transfer arg = { .pid = pid };

	return call(fd, MBOX_IOC_TRANSFER, &arg);
}

static int act_keep(struct cell *cell)
{
	return transfer(cell->fd, getpid());
}

static pid_t new_bystander(uid_t uid, gid_t gid)
{
	pid_t pid = spawn();
	int status;

	if (!pid) {
		become(uid, gid);
		raise(SIGSTOP);
		_exit(0);
	}
	NEED(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	return pid;
}

/* Another process, which the caller may signal since it is of the same user. */
static void prepare_give(struct cell *cell)
{
	cell->target = new_bystander(cell->uid, cell->gid);
}

static int act_give(struct cell *cell)
{
	return transfer(cell->fd, cell->target);
}

static void is_the_targets(const struct cell *cell, struct mbox_stat *stat)
{
	changes_hands(stat, cell->target, cell->uid, cell->gid);
}

static int act_push(struct cell *cell)
{
	return transfer(cell->fd, bystander);
}

static int take(int fd, unsigned long command)
{
	struct mbox_take arg = { };

	return call(fd, command, &arg);
}

static int act_accept(struct cell *cell)
{
	return take(cell->fd, MBOX_IOC_ACCEPT);
}

static void offer_to_caller(struct cell *cell)
{
	NEED(!offer(device_fd, cell->id, cell->actor->pid));
}

static int act_claim(struct cell *cell)
{
	return take(cell->fd, MBOX_IOC_CLAIM);
}

static int act_attach(struct cell *cell)
{
	return attach(cell->fd, cell->carrier, cell->id);
}

/* The test takes what was offered. */
static bool has_attached(const struct cell *cell)
{
	struct letter letter;

	return !accept_from(device_fd, cell->carrier, &letter) &&
	       letter.env.owned == cell->id && state(device_fd, cell->id).pid == getpid();
}

/* The owner offers it. */
static int do_attach(struct puppet *me)
{
	struct cell *cell = *(struct cell **)me->arg;

	return attach(cells[CALLER_owner].fd, cell->carrier, cell->id);
}

static void prepare_take(struct cell *cell)
{
	struct puppet *owner = cells[CALLER_owner].actor;

	memcpy(owner->arg, &cell, sizeof(cell));
	NEED(!ask(owner, do_attach));
}

static int act_take(struct cell *cell)
{
	struct letter letter;
	int error = accept_from(cell->unbound, cell->carrier, &letter);

	cell->misled = strcmp(letter.text, GIFT) || letter.env.owned != cell->id;
	return error;
}

/* The owner has an inbox already: to make it takes more than the right to send. */
static void prepare_inbox(struct cell *cell)
{
	struct mbox_recv how = { .flags = MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK };

	(void)cell;
	NEED(recv_by(cells[CALLER_owner].actor, how) == EAGAIN);
}

static int act_direct(struct cell *cell)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_NONBLOCK | MBOX_SEND_PID,
		.id = cells[CALLER_owner].actor->pid,
	};

	return send_as(cell->unbound, "new", &how);
}

static bool has_got_it(const struct cell *cell)
{
	struct puppet *owner = cells[CALLER_owner].actor;
	struct mbox_recv how = {
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK | MBOX_RECV_MATCH,
		.match = cell->actor->pid,
	};

	return !recv_by(owner, how) && !strcmp(owner->text, "new");
}

static int act_inbox(struct cell *cell)
{
	pid_t owner = cells[CALLER_owner].actor->pid;
	struct mbox_open arg = { .flags = MBOX_OPEN_INBOX, .id = owner, .uid = ~0U };
	int error = call(cell->unbound, MBOX_IOC_OPEN, &arg);

	cell->misled = arg.uid != OWNER || state(device_fd, arg.id).pid != owner ||
		       !(state(device_fd, arg.id).kind & MBOX_CREATE_INBOX);
	return error;
}

static int usage_of_bystander(int fd, struct mbox_usage *usage)
{
	memset(usage, POISON, sizeof(*usage));
	usage->flags = MBOX_USAGE_UID;
	usage->uid = BYSTANDER;
	return call(fd, MBOX_IOC_USAGE, usage);
}

static void prepare_usage(struct cell *cell)
{
	struct mbox_usage usage;

	NEED(!change(device_fd, cell->id, MBOX_CHANGE_UID, 0, BYSTANDER));
	NEED(!usage_of_bystander(device_fd, &usage) && usage.user_mailboxes > 0);
}

/* The bystander has nothing in any user namespace but the initial one. */
static int act_usage(struct cell *cell)
{
	struct mbox_usage usage;
	int error = usage_of_bystander(cell->fd, &usage);

	cell->misled = usage.uid != BYSTANDER || usage.user_mailboxes || usage.user_msgs ||
		       usage.user_bytes;
	return error;
}

#define OPERATION(name, ...) \
static const struct operation operation_##name = { .act = act_##name, __VA_ARGS__ }

OPERATION(open);
OPERATION(stat);
OPERATION(list);
OPERATION(grants, .prepare = prepare_grants);
OPERATION(send, .effect = is_sent);
OPERATION(send_files, .effect = is_sent);
OPERATION(call, .effect = is_called);
OPERATION(write, .effect = is_sent);
OPERATION(recv, .effect = is_received);
OPERATION(answer, .prepare = prepare_answer, .effect = is_answered, .has_effect = has_reply);
OPERATION(peek);
OPERATION(choose, .effect = is_received);
OPERATION(read, .effect = is_received);
OPERATION(recv_accept, .prepare = prepare_recv_accept, .effect = is_received,
	  .has_effect = has_gift);
OPERATION(delete, .ends = true);
OPERATION(grant, .effect = one_more_grant, .has_effect = has_granted);
OPERATION(revoke, .prepare = prepare_grants, .has_effect = has_revoked);
OPERATION(chmod, .effect = has_that_mode);
OPERATION(chown, .effect = has_that_user);
OPERATION(chgrp, .effect = has_that_group);
OPERATION(offer, .effect = is_offered);
OPERATION(withdraw, .prepare = prepare_withdraw, .effect = is_not_offered);
OPERATION(keep, .effect = is_the_callers);
OPERATION(give, .prepare = prepare_give, .effect = is_the_targets);
OPERATION(push);
OPERATION(accept, .prepare = offer_to_bystander);
static const struct operation operation_accept_own = {
	.prepare = offer_to_caller, .act = act_accept, .effect = is_the_callers,
};
OPERATION(claim, .effect = is_the_callers);
OPERATION(attach, .has_effect = has_attached);
OPERATION(take, .prepare = prepare_take, .effect = is_the_callers);
OPERATION(direct, .prepare = prepare_inbox, .has_effect = has_got_it);
OPERATION(inbox, .prepare = prepare_inbox);
OPERATION(usage, .prepare = prepare_usage);

/*
 * Callers: they become who they are, get their descriptors, and act.
 */

static int do_assume(struct puppet *me)
{
	struct cell *cell = *(struct cell **)me->arg;
	bool privileged = cell->caller == CALLER_privileged;
	gid_t group = OWNER;

	NEED(!prctl(PR_SET_KEEPCAPS, privileged));
	NEED(!setgroups(cell->caller == CALLER_group, &group));
	NEED(!setresgid(cell->gid, cell->gid, cell->gid));
	NEED(!setresuid(cell->uid, cell->uid, cell->uid));
	wield(privileged ? 1ULL << CAP_IPC_OWNER : 0);
	if (cell->caller == CALLER_nested)
		NEED(!unshare(CLONE_NEWUSER));
	NEED(!prctl(PR_SET_DUMPABLE, 1));
	NEED(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	return 0;
}

static void pass_on(int socket, const int fds[2])
{
	char byte = 0, control[CMSG_SPACE(2 * sizeof(int))] = { };
	struct iovec data = { &byte, 1 };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, 2 * sizeof(int));
	NEED(sendmsg(socket, &header, 0) == 1);
}

static void get_passed(int socket, int fds[2])
{
	char byte, control[CMSG_SPACE(2 * sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	NEED(recvmsg(socket, &header, 0) == 1 && CMSG_FIRSTHDR(&header));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&header)), 2 * sizeof(int));
}

/* The owner: all mailboxes are its, and so are the first descriptors of them. */
static int do_own(struct puppet *me)
{
	struct mbox_create attr = attributes(4, 8);
	struct puppet *child = cells[CALLER_child].actor;
	struct cell *cell;
	pid_t pid;

	(void)me;
	attr.flags = MBOX_CREATE_BIND | MBOX_CREATE_FILES |
		     (is(PROCESS) ? MBOX_CREATE_PROCESS : 0);
	attr.mode = is(PROCESS) ? 0222 : 0666;
	for (cell = cells; cell < cells + CALLERS; cell++) {
		cell->fd = device(O_RDWR);
		cell->unbound = device(O_RDWR);
		cell->id = create(cell->fd, attr);
	}
	cell = &cells[CALLER_holder];
	pass_on(sockets[0], (int[]){ cell->fd, cell->unbound });
	pid = fork();
	NEED(pid >= 0);
	if (!pid)
		obey(child);
	child->pid = pid;
	return 0;
}

static int do_get_descriptors(struct puppet *me)
{
	struct cell *cell = *(struct cell **)me->arg;
	int passed[2];

	if (cell->caller == CALLER_owner || cell->caller == CALLER_child)
		return 0;
	if (cell->caller == CALLER_holder) {
		get_passed(sockets[1], passed);
		cell->fd = passed[0];
		cell->unbound = passed[1];
		return 0;
	}
	cell->fd = descriptor(cell->id, O_RDWR);
	cell->unbound = device(O_RDWR);
	return 0;
}

static int do_try(struct puppet *me)
{
	struct cell *cell = *(struct cell **)me->arg;

	return operation->act(cell);
}

static int ask_caller(struct cell *cell, int (*act)(struct puppet *me))
{
	memcpy(cell->actor->arg, &cell, sizeof(cell));
	return ask(cell->actor, act);
}

/*
 * A row.
 */

static void cast(struct cell *cell, enum caller caller)
{
	cell->caller = caller;
	cell->uid = OF_THE_CALLER + caller;
	cell->gid = cell->uid;
	if (caller == CALLER_owner || caller == CALLER_child)
		cell->uid = cell->gid = is(FOREIGN) ? FORMER_USER : OWNER;
	if (caller == CALLER_user)
		cell->uid = OWNER;
	if (caller == CALLER_root)
		cell->uid = cell->gid = 0;

	/* The owner forks that one. */
	if (caller == CALLER_child)
		return;
	cell->actor = new_puppet(device_fd, 0, 0);
	NEED(!ask_caller(cell, do_assume));
}

/* Users and groups have the same numbers in that user namespace. */
static void map_all_users_of(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	NEED(!put_file(path, "0 0 65536"));
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	NEED(!put_file(path, "0 0 65536"));
}

static void gather(void)
{
	unsigned int i;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	bystander = new_bystander(BYSTANDER, BYSTANDER);
	cells[CALLER_child].actor = shared(sizeof(struct puppet));
	for (i = 0; i < CALLERS; i++)
		cast(&cells[i], i);
	map_all_users_of(cells[CALLER_nested].actor->pid);
	NEED(!ask(cells[CALLER_owner].actor, do_own));
	for (i = 0; i < CALLERS; i++)
		NEED(!ask_caller(&cells[i], do_get_descriptors));
	if (is(ORPHAN))
		NEED(kill_puppet(cells[CALLER_owner].actor) == -SIGKILL);
}

/* The mailbox becomes what the table says. */
static void arrange(struct cell *cell)
{
	static const uint32_t rights[CALLERS] = {
		[CALLER_sender] = MBOX_RIGHT_SEND,
		[CALLER_receiver] = MBOX_RIGHT_RECV,
		[CALLER_manager] = MBOX_RIGHT_MANAGE,
	};
	uint32_t right = rights[cell->caller];

	NEED(!post(device_fd, cell->id, "old", 0));
	if (right)
		NEED(grant(device_fd, cell->id, cell->actor->pid, right) ==
		     (is(PROCESS) ? EOPNOTSUPP : 0));
	if (is(FOREIGN))
		NEED(!change(device_fd, cell->id, MBOX_CHANGE_UID | MBOX_CHANGE_GID, 0, OWNER));
	NEED(!change(device_fd, cell->id, MBOX_CHANGE_MODE, kind->mode, 0));
	if (is(OFFERED))
		offer_to_caller(cell);
	cell->carrier = new_carrier();
	if (operation->prepare)
		operation->prepare(cell);

	cell->before = state(device_fd, cell->id);
	NEED(cell->before.pid == (is(ORPHAN) ? 0 : cells[CALLER_owner].actor->pid));
	cell->carrier_before = state(device_fd, cell->carrier);
	if (cell->gift)
		cell->gift_before = state(device_fd, cell->gift);
	look_at_grants(cell->id, cell->granted);
}

static bool nothing_happened(const struct cell *cell)
{
	struct mbox_granted granted[MOST_GRANTS];

	look_at_grants(cell->id, granted);
	return same_state(cell->before, state(device_fd, cell->id)) &&
	       same_state(cell->carrier_before, state(device_fd, cell->carrier)) &&
	       (!cell->gift || same_state(cell->gift_before, state(device_fd, cell->gift))) &&
	       !memcmp(cell->granted, granted, sizeof(granted));
}

static bool it_happened(const struct cell *cell)
{
	struct mbox_stat expected = cell->before, stat;

	if (operation->ends)
		return try_stat(device_fd, cell->id, 0, &stat) == EIDRM;
	stat = state(device_fd, cell->id);
	if (operation->effect)
		operation->effect(cell, &expected);
	/* Whether a transfer from oneself to oneself ends an offer, nobody says. */
	if (is(OFFERED) && operation == &operation_keep && cell->caller == CALLER_owner) {
		expected.offered = stat.offered;
		expected.state = stat.state;
	}
	return same_state(expected, stat) &&
	       (!operation->has_effect || operation->has_effect(cell));
}

/* The rest is not waited for: the test ends, and they end with it. */
static void dismiss(void)
{
	NEED(!kill(cells[CALLER_child].actor->pid, SIGKILL));
}

static void try_row(struct __test_metadata *_metadata, const struct kind *that_kind,
		    const struct operation *that_operation, const int expected[CALLERS])
{
	unsigned int i;

	kind = that_kind;
	operation = that_operation;
	gather();
	for (i = 0; i < CALLERS; i++)
		if (expected[i] != NOBODY)
			arrange(&cells[i]);
	for (i = 0; i < CALLERS; i++) {
		struct cell *cell = &cells[i];
		int error;

		if (expected[i] == NOBODY)
			continue;
		error = ask_caller(cell, do_try);
		EXPECT_EQ(expected[i], error) {
			TH_LOG("%s: %s instead of %s", callers[i], strerror(error),
			       strerror(expected[i]));
		}
		EXPECT_TRUE(error ? nothing_happened(cell) : it_happened(cell)) {
			TH_LOG("%s: %s, but that is not so", callers[i], strerror(error));
		}
		EXPECT_FALSE(!error && cell->misled) {
			TH_LOG("%s was told something wrong", callers[i]);
		}
		__atomic_fetch_add(tried, 1, __ATOMIC_SEQ_CST);
	}
	dismiss();
}

FIXTURE(matrix) {
};

FIXTURE_SETUP(matrix)
{
	begin();
	device_fd = device(O_RDWR);
	cells = shared(CALLERS * sizeof(*cells));
}

FIXTURE_TEARDOWN(matrix)
{
	sweep();
}

#define X(_kind, _operation, ...)						\
TEST_F(matrix, _kind##_##_operation)						\
{										\
	static const int expected[CALLERS] = { __VA_ARGS__ };			\
										\
	try_row(_metadata, &kind_##_kind, &operation_##_operation, expected);	\
}
MATRIX_ROWS(X)
#undef X

/* A fixture of its own, since those run in the order in which they stand here. */
FIXTURE(table) {
};

FIXTURE_SETUP(table)
{
}

FIXTURE_TEARDOWN(table)
{
}

TEST_F(table, was_tried_cell_by_cell)
{
	if (chosen)
		SKIP(return, "only some were to be tried");
	EXPECT_EQ(MATRIX_CELLS, told(tried));
}

int main(int argc, char **argv)
{
	chosen = argc > 1;
	tried = shared(sizeof(*tried));
	return test_harness_run(argc, argv);
}
