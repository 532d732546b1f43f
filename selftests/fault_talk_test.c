// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever the kernel needs memory for, or copies, fails in turn: of direct communication,
 * calls, batches, and the operations on ownership and rights.
 */
#include "call.h"
#include "fault_scene.h"

/*
 * Direct communication. The inbox and the link may have been made in spite of an error,
 * so what is asked for is that nothing has been sent, and nothing is lost.
 */

static uint64_t inbox_of(struct scene *s, pid_t pid)
{
	struct mbox_stat stat;
	uint64_t next = 1;

	while (!try_stat(s->fd, next, MBOX_STAT_NEXT, &stat)) {
		if (stat.kind & MBOX_CREATE_INBOX && stat.pid == pid)
			return stat.id;
		next = stat.id + 1;
	}
	return 0;
}

static void name_peer(struct scene *s)
{
	struct mbox_clock clock = { };

	prepare_peer(s);
	s->token = s->peer->pid;
	if (s->op->flags & MBOX_SEND_PARTICIPANT) {
		NEED(!call_by(s->peer, MBOX_IOC_CLOCK, &clock));
		s->token = clock.participant;
	} else if (s->op->flags & MBOX_SEND_PIDFD) {
		s->token = s->files[0] = open_pidfd(s->peer->pid);
	}
}

static int act_say(struct scene *s)
{
	s->send = (struct mbox_send){
		.flags = s->op->flags | MBOX_SEND_NONBLOCK, .id = s->token,
		.buf = (uintptr_t)bytes, .len = SIZE,
	};
	if (s->op->with_files) {
		s->send.files = (uintptr_t)s->files;
		s->send.nr_files = FILES;
	}
	return call(s->fd, MBOX_IOC_SEND, &s->send);
}

static bool is_said(struct scene *s)
{
	struct mbox_recv recv = { .flags = MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK };

	SHOULD(state(s->fd, inbox_of(s, s->peer->pid)).msgs == 1);
	SHOULD(!recv_by(s->peer, recv));
	SHOULD(!memcmp(s->peer->text, bytes, SIZE) && s->peer->recv.len == SIZE);
	SHOULD(s->peer->recv.nr_files == (s->op->with_files ? FILES : 0));
	SHOULD(recv_by(s->peer, recv) == EAGAIN);
	return true;
}

static bool is_not_said(struct scene *s)
{
	uint64_t id = inbox_of(s, s->peer->pid);

	SHOULD(!id || state(s->fd, id).msgs == 0);
	SHOULD(usage_of(s->fd, 0).ns_msgs == 0 && usage_of(s->fd, 0).ns_files == 0);
	return true;
}

#define SAYING(_name, ...)							\
	OPERATION(_name, .act = act_say, .prepare = name_peer, .check = is_said,	\
		  .holds = is_not_said, .survives = SLABS, __VA_ARGS__)

SAYING(of_send_to_a_process, .flags = MBOX_SEND_PID);
SAYING(of_send_to_a_pidfd, .flags = MBOX_SEND_PIDFD);
SAYING(of_send_to_a_participant, .flags = MBOX_SEND_PARTICIPANT);
SAYING(of_send_of_files_to_a_process, .flags = MBOX_SEND_PID, .with_files = true);
SAYING(of_send_to_a_process_by_a_newcomer, .flags = MBOX_SEND_PID, .by_newcomer = true);

static int act_hear(struct scene *s)
{
	s->recv = (struct mbox_recv){
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK | s->op->flags,
		.buf = (uintptr_t)s->got[0], .size = HUGE,
	};
	if (s->op->flags & MBOX_RECV_MATCH)
		s->recv.match = s->token;
	memset(s->got[0], POISON, SIZE);
	return call(s->fd, MBOX_IOC_RECV, &s->recv);
}

static void prepare_silence(struct scene *s)
{
	prepare_peer(s);
	s->token = s->peer->pid;
}

static void prepare_said(struct scene *s)
{
	struct mbox_send how = { .flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK, .id = getpid() };

	prepare_silence(s);
	NEED(!send_by(s->peer, how, letters[0]));
	NEED(!send_by(s->peer, how, letters[1]));
}

static bool is_heard(struct scene *s)
{
	struct letter letter;

	SHOULD(s->recv.len == SIZE && !memcmp(s->got[0], letters[0], SIZE));
	SHOULD(s->recv.pid == s->peer->pid);
	SHOULD(!receive(s->fd, 0, MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK, 0, &letter));
	SHOULD(!memcmp(letter.text, letters[1], SIZE));
	return true;
}

static bool is_silent(struct scene *s)
{
	uint64_t id = inbox_of(s, getpid());

	SHOULD(!id || (state(s->fd, id).msgs == 0 && state(s->fd, id).received == 0));
	return true;
}

OPERATION(of_receive_directly, .act = act_hear, .prepare = prepare_said, .check = is_heard);
OPERATION(of_receive_from_a_process, .act = act_hear, .prepare = prepare_said, .check = is_heard,
	  .flags = MBOX_RECV_MATCH);
OPERATION(of_receive_directly_from_nobody, .act = act_hear, .check = is_silent, .holds = is_silent,
	  .success = EAGAIN, .survives = SLABS);
OPERATION(of_receive_from_a_process_that_is_silent, .act = act_hear, .prepare = prepare_silence,
	  .check = is_silent, .holds = is_silent, .success = EAGAIN, .flags = MBOX_RECV_MATCH,
	  .survives = SLABS);

static bool is_as_before(struct scene *s)
{
	return looks_like(s, &s->before);
}

/* Its inbox goes with it. */
OPERATION(of_receive_directly_by_a_new_user, .act = act_hear, .check = is_as_before,
	  .success = EAGAIN, .by_newcomer = true, .uid = STRANGER, .survives = SLABS);

/* For each link there is room, or not; who asks may not take part for want of memory. */
static void prepare_inbox(struct scene *s)
{
	struct mbox_open open = { .flags = MBOX_OPEN_INBOX };

	NEED(!call(s->spare, MBOX_IOC_OPEN, &open));
}

static int act_poll(struct scene *s)
{
	return polled(s->spare, POLLIN | POLLOUT) == POLLOUT ? 0 : EIO;
}

OPERATION(of_poll_of_an_inbox_by_a_newcomer, .act = act_poll, .prepare = prepare_inbox,
	  .by_newcomer = true, .survives = SLABS);

/* Whoever pays for the inbox does not pay for the link. */
static void prepare_inbox_and_silence(struct scene *s)
{
	prepare_inbox(s);
	prepare_silence(s);
}

OPERATION(of_receive_from_a_process_as_another_user, .act = act_hear, .uid = STRANGER,
	  .prepare = prepare_inbox_and_silence, .check = is_silent, .holds = is_silent,
	  .success = EAGAIN, .flags = MBOX_RECV_MATCH, .survives = SLABS);

/*
 * Calls. The other process serves.
 */

#define ANSWER	"the answer to it"

static int act_call(struct scene *s)
{
	s->call = (struct mbox_call){
		.flags = s->op->flags, .id = s->peer ? (uint64_t)s->peer->pid : s->id,
		.buf = (uintptr_t)bytes, .len = SIZE, .tag = 5,
		.reply = (uintptr_t)s->got[0], .size = HUGE,
	};
	memset(s->got[0], POISON, SIZE);
	if (s->op->with_files) {
		s->call.files = (uintptr_t)s->files;
		s->call.nr_files = FILES;
		s->call.reply_files = (uintptr_t)s->slots;
		s->call.nr_reply_files = FILES + 1;
	}
	return call(s->fd, MBOX_IOC_CALL, &s->call);
}

/* Serve one request after the other, until one says to end. */
static int serve(struct puppet *me)
{
	uint64_t flags = MBOX_RECV_TOKEN | (me->recv.flags & MBOX_RECV_DIRECT);
	uint64_t id = me->recv.id;

	for (;;) {
		int slots[FILES];
		char text[SIZE];
		struct mbox_recv recv = {
			.flags = flags | MBOX_RECV_FILES, .id = id, .buf = (uintptr_t)text,
			.size = SIZE, .files = (uintptr_t)slots, .nr_files = FILES,
		};
		struct mbox_reply reply = { .buf = (uintptr_t)ANSWER, .len = SIZE };
		uint32_t i;

		NEED(!call(me->fd, MBOX_IOC_RECV, &recv));
		if (!recv.token)
			return 0;
		NEED(recv.len == SIZE && !memcmp(text, letters[0], SIZE));
		reply.token = recv.token;
		reply.files = (uintptr_t)slots;
		reply.nr_files = recv.nr_files;
		NEED(!call(me->fd, MBOX_IOC_REPLY, &reply));
		for (i = 0; i < recv.nr_files; i++)
			close(slots[i]);
	}
}

static void prepare_server(struct scene *s)
{
	struct puppet *server = s->other;

	if (s->op->flags & MBOX_CALL_PID) {
		prepare_peer(s);
		server = s->peer;
	}
	server->recv = (struct mbox_recv){ .id = s->peer ? 0 : s->id,
					   .flags = s->peer ? MBOX_RECV_DIRECT : 0 };
	begin_act(server, serve);
	if (s->peer)
		WAIT_UNTIL(inbox_of(s, s->peer->pid));
	wait_for_receivers(s->fd, s->peer ? inbox_of(s, s->peer->pid) : s->id, 1);
}

/* "After EFAULT the reply, if there was one, is lost." */
static bool is_not_answered(struct scene *s)
{
	struct mbox_stat stat;
	uint64_t id = s->peer ? inbox_of(s, s->peer->pid) : s->id;

	wait_for_receivers(s->fd, id, 1);
	stat = state(s->fd, id);
	SHOULD(stat.msgs == 0 && stat.requests == 0 && stat.senders == 0);
	SHOULD(usage_of(s->fd, 0).ns_msgs == 0);
	WAIT_UNTIL(!usage_of(s->fd, 0).ns_files);
	SHOULD(s->slots[0] == -1);
	SHOULD(own_descriptors() == s->before.descriptors);
	return true;
}

static bool is_answered(struct scene *s)
{
	struct puppet *server = s->peer ? s->peer : s->other;
	uint32_t i;

	SHOULD(s->call.reply_len == SIZE && !memcmp(s->got[0], ANSWER, SIZE));
	SHOULD(s->call.pid == server->pid);
	SHOULD(s->call.nr_reply_files == (s->op->with_files ? FILES : 0));
	for (i = 0; i < s->call.nr_reply_files; i++)
		SHOULD(inode_of(s->slots[i]) == inode_of(s->files[i]));
	if (s->peer)
		return true;
	/* Not a request: the end. */
	wait_for_receivers(s->fd, s->id, 1);
	SHOULD(!post(s->fd, s->id, letters[0], 0));
	SHOULD(!end_act(s->other));
	return true;
}

#define CALLING(_name, ...)							\
	OPERATION(_name, .act = act_call, .prepare = prepare_server,		\
		  .check = is_answered, .holds = is_not_answered, __VA_ARGS__)

CALLING(of_call);
CALLING(of_call_to_a_buffer,
	.box = { .max_msgs = 8, .max_size = SIZE, .max_bytes = MBOX_UNBOUNDED_BYTES,
		 .flags = MBOX_CREATE_RESERVE, .mode = 0666, .share = 50 });
CALLING(of_call_at_a_rendezvous, .box = { .max_size = SIZE, .mode = 0666 });
CALLING(of_call_with_files, .box = { .flags = MBOX_CREATE_FILES }, .with_files = true);
CALLING(of_call_by_a_new_user, .by_newcomer = true, .uid = STRANGER);
CALLING(of_call_to_a_process, .flags = MBOX_CALL_PID, .survives = SLABS);

/* The peer waits for a reply, and we have the token. */
static void prepare_token(struct scene *s)
{
	struct mbox_call how = {
		.id = s->id, .reply_files = (uintptr_t)s->theirs, .nr_reply_files = FILES,
	};
	struct mbox_recv recv = {
		.flags = MBOX_RECV_TOKEN, .id = s->id, .buf = (uintptr_t)s->got[0], .size = HUGE,
	};

	prepare_peer(s);
	begin_call_as(s->peer, how, "request");
	NEED(!call(s->fd, MBOX_IOC_RECV, &recv));
	s->token = recv.token;
}

static struct mbox_reply reply_to(struct scene *s)
{
	struct mbox_reply reply = { .flags = s->op->flags, .token = s->token };

	if (!(s->op->flags & MBOX_REPLY_DISCARD)) {
		reply.buf = (uintptr_t)ANSWER;
		reply.len = SIZE;
		reply.tag = 6;
	}
	if (s->op->with_files) {
		reply.files = (uintptr_t)s->files;
		reply.nr_files = FILES;
	}
	return reply;
}

static int act_reply(struct scene *s)
{
	struct mbox_reply reply = reply_to(s);

	return call(s->fd, MBOX_IOC_REPLY, &reply);
}

static int ask_about_token(struct scene *s)
{
	return call(s->fd, MBOX_IOC_TOKEN, &(struct mbox_token){ .token = s->token });
}

static bool is_replied(struct scene *s)
{
	int error = end_request(s->peer);

	if (s->op->flags & MBOX_REPLY_DISCARD) {
		SHOULD(error == ECANCELED);
	} else {
		SHOULD(!error && !memcmp(reply_of(s->peer), ANSWER, SIZE));
		SHOULD(called(s->peer)->reply_tag == 6);
		SHOULD(called(s->peer)->nr_reply_files == (s->op->with_files ? FILES : 0));
	}
	SHOULD(ask_about_token(s) == EBADR);
	SHOULD(state(s->fd, s->id).requests == 0);
	return true;
}

/* The caller waits, and the token is good. */
static bool is_open(struct scene *s)
{
	SHOULD(!is_done(s->peer));
	SHOULD(!ask_about_token(s));
	return looks_like(s, &s->before);
}

#define REPLYING(_name, ...)							\
	OPERATION(_name, .act = act_reply, .prepare = prepare_token,		\
		  .check = is_replied, .holds = is_open, __VA_ARGS__)

REPLYING(of_reply);
REPLYING(of_reply_with_files, .with_files = true);
REPLYING(of_reply_that_discards, .flags = MBOX_REPLY_DISCARD);
REPLYING(of_reply_as_another_user, .uid = STRANGER);

/* And the next letter is there. */
static void prepare_token_and_letter(struct scene *s)
{
	prepare_token(s);
	NEED(!post(s->fd, s->id, letters[1], 0));
	s->reply = reply_to(s);
}

static int act_reply_and_receive(struct scene *s)
{
	s->recv = (struct mbox_recv){
		.flags = MBOX_RECV_REPLY | MBOX_RECV_NONBLOCK, .id = s->id,
		.buf = (uintptr_t)s->got[0], .size = HUGE, .reply = (uintptr_t)&s->reply,
	};
	memset(s->got[0], POISON, SIZE);
	return call(s->fd, MBOX_IOC_RECV, &s->recv);
}

static bool is_replied_and_received(struct scene *s)
{
	SHOULD(s->reply.done == 1 && s->reply.result == 0);
	SHOULD(s->recv.len == SIZE && !memcmp(s->got[0], letters[1], SIZE));
	SHOULD(state(s->fd, s->id).msgs == 0);
	return is_replied(s);
}

/* Once it has replied, that is told; and the letter is there. */
static bool is_open_or_replied(struct scene *s)
{
	struct message message = look_at(s->fd, s->id, 0);

	SHOULD(s->reply.done || is_open(s));
	SHOULD(s->reply.done == (ask_about_token(s) == EBADR));
	SHOULD(state(s->fd, s->id).requests == !s->reply.done);
	SHOULD(!message.error && !memcmp(message.text, letters[1], SIZE));
	return true;
}

OPERATION(of_reply_and_receive, .act = act_reply_and_receive, .check = is_replied_and_received,
	  .holds = is_open_or_replied, .prepare = prepare_token_and_letter);
OPERATION(of_reply_with_files_and_receive, .act = act_reply_and_receive, .with_files = true,
	  .check = is_replied_and_received, .holds = is_open_or_replied,
	  .prepare = prepare_token_and_letter);

static int act_ask(struct scene *s)
{
	return ask_about_token(s);
}

static bool is_good(struct scene *s)
{
	SHOULD(!act_reply(s));
	return is_replied(s);
}

OPERATION(of_asking_about_a_token, .act = act_ask, .prepare = prepare_token, .check = is_good,
	  .holds = is_open);

/* Who has no token is told so, and it is good as before. */
OPERATION(of_asking_about_a_token_by_a_newcomer, .act = act_ask, .prepare = prepare_token,
	  .check = is_good, .holds = is_open, .by_newcomer = true, .success = EBADR);
OPERATION(of_reply_by_a_newcomer, .act = act_reply, .prepare = prepare_token,
	  .check = is_good, .holds = is_open, .by_newcomer = true, .success = EBADR);

static int act_pass(struct scene *s)
{
	struct mbox_token token = {
		.flags = MBOX_TOKEN_PASS | s->op->flags, .token = s->token,
		.pid = s->op->flags ? s->files[0] : s->other->pid,
	};

	return call(s->fd, MBOX_IOC_TOKEN, &token);
}

static void prepare_pass(struct scene *s)
{
	s->files[0] = open_pidfd(s->other->pid);
	prepare_token(s);
}

static bool is_passed(struct scene *s)
{
	SHOULD(ask_about_token(s) == EBADR);
	SHOULD(!is_done(s->peer));
	SHOULD(!reply_as(s->other, (struct mbox_reply){ .token = s->token }, ANSWER));
	SHOULD(!end_request(s->peer));
	SHOULD(!memcmp(reply_of(s->peer), ANSWER, SIZE));
	return true;
}

OPERATION(of_passing_a_token, .act = act_pass, .prepare = prepare_pass, .check = is_passed,
	  .holds = is_open);
OPERATION(of_passing_a_token_to_a_pidfd, .act = act_pass, .prepare = prepare_pass,
	  .check = is_passed, .holds = is_open, .flags = MBOX_TOKEN_PIDFD);

/*
 * Batches. Some of the items may have been carried out: the rest is what is tried again.
 */

static int batch_error(struct scene *s, unsigned long command, void *items, uint32_t size)
{
	int error;

	if (s->moved == LETTERS)
		return 0;
	s->batch = (struct mbox_batch){
		.flags = MBOX_BATCH_WAIT_ONE, .items = (uintptr_t)items + s->moved * size,
		.nr = LETTERS - s->moved, .size = size,
	};
	error = call(s->fd, command, &s->batch);
	return error ? error : -s->batch.error;
}

static int act_send_batch(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < LETTERS; i++)
		s->sends[i] = (struct mbox_send){
			.id = s->id, .buf = (uintptr_t)letters[i], .len = SIZE,
			.flags = MBOX_SEND_NONBLOCK,
		};
	return batch_error(s, MBOX_IOC_SEND_BATCH, s->sends, sizeof(s->sends[0]));
}

/* As many as is said; or all, and that could not be said. */
static bool is_said_how_many(struct scene *s)
{
	struct mbox_stat stat = state(s->fd, s->id);

	s->moved = s->op->flags ? stat.received : stat.sent;
	SHOULD(s->moved == s->batch.done || (s->moved == LETTERS && !s->batch.error));
	SHOULD(stat.msgs == (s->op->flags ? LETTERS - s->moved : s->moved));
	SHOULD(usage_of(s->fd, 0).ns_msgs == stat.msgs);
	return true;
}

static bool are_sent(struct scene *s)
{
	struct letter letter;
	unsigned int i;

	for (i = 0; i < LETTERS; i++) {
		SHOULD(!fetch(s->fd, s->id, &letter));
		SHOULD(!memcmp(letter.text, letters[i], SIZE));
	}
	SHOULD(fetch(s->fd, s->id, &letter) == EAGAIN);
	return true;
}

OPERATION(of_sending_a_batch, .act = act_send_batch, .check = are_sent,
	  .holds = is_said_how_many);

static void prepare_batch(struct scene *s)
{
	unsigned int i;

	for (i = 0; i < LETTERS; i++)
		NEED(!post(s->fd, s->id, letters[i], 0));
	memset(s->got, POISON, sizeof(s->got));
}

static int act_recv_batch(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < LETTERS; i++)
		s->recvs[i] = (struct mbox_recv){
			.id = s->id, .buf = (uintptr_t)s->got[i], .size = HUGE,
			.flags = MBOX_RECV_NONBLOCK,
		};
	return batch_error(s, MBOX_IOC_RECV_BATCH, s->recvs, sizeof(s->recvs[0]));
}

static bool are_received(struct scene *s)
{
	unsigned int i;

	for (i = 0; i < LETTERS; i++)
		SHOULD(!memcmp(s->got[i], letters[i], SIZE));
	SHOULD(state(s->fd, s->id).msgs == 0);
	return true;
}

OPERATION(of_receiving_a_batch, .act = act_recv_batch, .check = are_received,
	  .holds = is_said_how_many, .prepare = prepare_batch, .flags = true);

/*
 * Ownership and rights. The other one has taken part or not; the peer has not.
 */

static pid_t heir(struct scene *s)
{
	return s->peer ? s->peer->pid : s->other->pid;
}

static int act_transfer(struct scene *s)
{
	struct mbox_transfer arg = { .flags = s->op->flags, .id = s->id, .pid = heir(s) };

	return call(s->fd, MBOX_IOC_TRANSFER, &arg);
}

static bool is_transferred(struct scene *s)
{
	SHOULD(state(s->fd, s->id).pid == heir(s));
	SHOULD(state(s->fd, s->id).grants == !!(s->op->flags & MBOX_TRANSFER_KEEP));
	return true;
}

OPERATION(of_transfer, .act = act_transfer, .check = is_transferred);
OPERATION(of_transfer_to_a_newcomer, .act = act_transfer, .check = is_transferred,
	  .prepare = prepare_peer, .flags = MBOX_TRANSFER_KEEP);

static int act_offer(struct scene *s)
{
	struct mbox_transfer arg = {
		.flags = s->op->flags, .id = s->id, .pid = heir(s),
	};

	return call(s->fd, MBOX_IOC_OFFER, &arg);
}

static bool is_offered(struct scene *s)
{
	SHOULD(state(s->fd, s->id).offered == heir(s));
	SHOULD(state(s->fd, s->id).pid == getpid());
	return true;
}

OPERATION(of_offer, .act = act_offer, .check = is_offered);
OPERATION(of_offer_to_a_newcomer, .act = act_offer, .check = is_offered,
	  .prepare = prepare_peer, .flags = MBOX_TRANSFER_KEEP);

/* One that takes the place of another one. */
static void prepare_offered(struct scene *s)
{
	struct mbox_transfer arg = {
		.flags = MBOX_TRANSFER_KEEP, .id = s->id, .pid = s->other->pid,
	};

	NEED(!call(s->fd, MBOX_IOC_OFFER, &arg));
	prepare_peer(s);
}

OPERATION(of_another_offer, .act = act_offer, .check = is_offered, .prepare = prepare_offered,
	  .flags = MBOX_TRANSFER_KEEP);

static int act_withdraw(struct scene *s)
{
	return call(s->fd, MBOX_IOC_OFFER, &(struct mbox_transfer){ .id = s->id });
}

static bool is_withdrawn(struct scene *s)
{
	SHOULD(state(s->fd, s->id).state == 0);
	return true;
}

OPERATION(of_withdrawing_an_offer, .act = act_withdraw, .check = is_withdrawn,
	  .prepare = prepare_offered);

static int act_take(struct scene *s)
{
	return call(s->fd, s->op->flags, &(struct mbox_take){ .id = s->id });
}

/* The other one's, who keeps the right to receive. */
static void prepare_accept(struct scene *s)
{
	NEED(!call(s->fd, MBOX_IOC_TRANSFER,
		   &(struct mbox_transfer){ .id = s->id, .pid = s->other->pid }));
	NEED(!offer_by(s->other, s->id, getpid(), MBOX_TRANSFER_KEEP));
}

static bool is_mine(struct scene *s)
{
	SHOULD(state(s->fd, s->id).pid == getpid());
	SHOULD(state(s->fd, s->id).grants == (s->op->flags == MBOX_IOC_ACCEPT));
	return true;
}

OPERATION(of_accept, .act = act_take, .check = is_mine, .prepare = prepare_accept,
	  .flags = MBOX_IOC_ACCEPT);

static void prepare_orphan(struct scene *s)
{
	prepare_peer(s);
	NEED(!call(s->fd, MBOX_IOC_TRANSFER,
		   &(struct mbox_transfer){ .id = s->id, .pid = s->peer->pid }));
	kill_puppet(s->peer);
	NEED(!munmap(s->peer, PAGE));
	s->peer = NULL;
	WAIT_UNTIL(state(s->fd, s->id).state == MBOX_STATE_ORPHAN);
}

OPERATION(of_claim, .act = act_take, .check = is_mine, .prepare = prepare_orphan,
	  .flags = MBOX_IOC_CLAIM);

static int act_regulate(struct scene *s)
{
	struct mbox_grant arg = { .id = s->id, .pid = heir(s), .rights = MBOX_RIGHT_RECV };

	return call(s->fd, s->op->flags, &arg);
}

static bool is_granted(struct scene *s)
{
	SHOULD(state(s->fd, s->id).grants == (s->op->flags == MBOX_IOC_GRANT));
	return true;
}

static void prepare_grant(struct scene *s)
{
	struct mbox_grant arg = { .id = s->id, .pid = s->other->pid, .rights = MBOX_RIGHT_RECV };

	NEED(!call(s->fd, MBOX_IOC_GRANT, &arg));
}

OPERATION(of_grant, .act = act_regulate, .check = is_granted, .flags = MBOX_IOC_GRANT);
OPERATION(of_grant_to_a_newcomer, .act = act_regulate, .check = is_granted,
	  .prepare = prepare_peer, .flags = MBOX_IOC_GRANT);
OPERATION(of_grant_once_more, .act = act_regulate, .check = is_granted, .prepare = prepare_grant,
	  .flags = MBOX_IOC_GRANT);
OPERATION(of_revoke, .act = act_regulate, .check = is_granted, .prepare = prepare_grant,
	  .flags = MBOX_IOC_REVOKE);

static int act_list(struct scene *s)
{
	memset(s->granted, POISON, sizeof(s->granted));
	s->grants = (struct mbox_grants){
		.id = s->id, .grants = (uintptr_t)s->granted, .nr = 4,
	};
	return call(s->fd, MBOX_IOC_GRANTS, &s->grants);
}

static bool is_listed(struct scene *s)
{
	SHOULD(s->grants.nr == 1 && s->granted[0].pid == s->other->pid);
	SHOULD(s->granted[0].rights == MBOX_RIGHT_RECV);
	return true;
}

OPERATION(of_listing_grants, .act = act_list, .check = is_listed, .prepare = prepare_grant);

static int act_change(struct scene *s)
{
	struct mbox_change arg = {
		.flags = s->op->flags, .id = s->id, .mode = 0222, .uid = SENDER, .gid = SENDER,
	};

	return call(s->fd, MBOX_IOC_CHANGE, &arg);
}

static bool is_changed(struct scene *s)
{
	struct mbox_stat stat = state(s->fd, s->id);

	SHOULD(stat.mode == (s->op->flags & MBOX_CHANGE_MODE ? 0222 : 0666));
	SHOULD(stat.uid == (s->op->flags & MBOX_CHANGE_UID ? SENDER : 0));
	SHOULD(usage_of(s->fd, SENDER).user_mailboxes == !!(s->op->flags & MBOX_CHANGE_UID));
	return true;
}

OPERATION(of_change_of_mode, .act = act_change, .check = is_changed, .flags = MBOX_CHANGE_MODE);
OPERATION(of_change_of_user, .act = act_change, .check = is_changed,
	  .flags = MBOX_CHANGE_UID | MBOX_CHANGE_GID);
