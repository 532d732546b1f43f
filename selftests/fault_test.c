// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever the kernel needs memory for, or copies, fails in turn: of the operations on
 * mailboxes, and of sending and receiving.
 */
#include "fault_scene.h"

#include <sys/uio.h>

#define NAME	"named"

/*
 * The device.
 */

static int act_open_device(struct scene *s)
{
	int fd = open(MBOX_DEVICE, O_RDWR | O_CLOEXEC);

	(void)s;
	return fd < 0 ? errno : error_of(close(fd));
}

OPERATION(of_open, .act = act_open_device, .by_newcomer = true);
OPERATION(of_open_by_a_new_user, .act = act_open_device, .by_newcomer = true, .uid = STRANGER);

static int act_info(struct scene *s)
{
	return call(s->spare, MBOX_IOC_INFO, &(struct mbox_info){ });
}

OPERATION(of_info, .act = act_info);

static int act_usage(struct scene *s)
{
	memset(&s->usage, POISON, sizeof(s->usage));
	s->usage.flags = s->op->flags;
	s->usage.uid = SENDER;
	return call(s->spare, MBOX_IOC_USAGE, &s->usage);
}

static bool tells_usage(struct scene *s)
{
	SHOULD(s->usage.uid == (s->op->flags ? SENDER : 0));
	SHOULD(s->usage.ns_mailboxes == 1 && s->usage.user_mailboxes == !s->op->flags);
	return true;
}

OPERATION(of_usage, .act = act_usage, .check = tells_usage);
OPERATION(of_usage_of_a_new_user, .act = act_usage, .check = tells_usage,
	  .flags = MBOX_USAGE_UID);

static int act_clock(struct scene *s)
{
	s->clock = (struct mbox_clock){ .flags = MBOX_CLOCK_TICK };
	return call(s->fd, MBOX_IOC_CLOCK, &s->clock);
}

static bool tells_time(struct scene *s)
{
	SHOULD(s->clock.participant && s->clock.stamp);
	return true;
}

OPERATION(of_clock, .act = act_clock, .check = tells_time);
OPERATION(of_clock_of_a_newcomer, .act = act_clock, .check = tells_time, .by_newcomer = true);

/*
 * Create, open, delete, stat.
 */

static int act_create(struct scene *s)
{
	s->create = s->op->create;
	memset(&s->create.id, POISON, sizeof(s->create.id));
	return call(s->spare, MBOX_IOC_CREATE, &s->create);
}

/* It is there as asked for, and can be used. */
static bool is_created(struct scene *s)
{
	const struct mbox_create *create = &s->op->create;
	uint64_t made = s->create.id;
	struct mbox_stat stat;

	if (s->op->success)
		return looks_like(s, &s->before);
	stat = state(s->fd, made);
	SHOULD(stat.pid == (s->op->by_newcomer ? 0 : getpid()));
	SHOULD((stat.kind | MBOX_CREATE_BIND) == (create->flags | MBOX_CREATE_BIND) ||
	       create->flags & MBOX_CREATE_INBOX);
	SHOULD(stat.max_msgs == create->max_msgs && stat.max_size == create->max_size);
	SHOULD(!memcmp(stat.name, create->name, sizeof(stat.name)));
	if (create->flags & MBOX_CREATE_BIND && !s->op->by_newcomer)
		SHOULD(state(s->spare, 0).id == made);
	return is_usable(s, made);
}

#define ROOM(_msgs, _size) \
	.max_msgs = (_msgs), .max_size = (_size), .max_bytes = (_msgs) * (_size), .mode = 0666
#define NO_ROOM \
	.max_size = SIZE, .mode = 0666
#define BUFFERS(_msgs, _size) \
	.max_msgs = (_msgs), .max_size = (_size), .max_bytes = MBOX_UNBOUNDED_BYTES, .mode = 0666

#define CREATION_THAT_SURVIVES(_name, _survives, ...)				\
	OPERATION(_name, .act = act_create, .check = is_created,		\
		  .survives = _survives, .create = { __VA_ARGS__ })
#define CREATION(_name, ...)							\
	CREATION_THAT_SURVIVES(_name, 0, __VA_ARGS__)
/* What is not there in one piece is put together from pages. */
#define LARGE_CREATION(_name, ...)						\
	CREATION_THAT_SURVIVES(_name, SLABS, __VA_ARGS__)

CREATION(of_create, ROOM(8, SIZE));
CREATION(of_create_with_a_name, ROOM(8, SIZE), .name = NAME);
CREATION(of_create_and_bind, ROOM(8, SIZE), .flags = MBOX_CREATE_BIND);
CREATION(of_create_of_a_size, ROOM(8, SIZE), .flags = MBOX_CREATE_FIXED);
CREATION(of_create_with_a_share, ROOM(8, SIZE), .share = 50);
CREATION(of_create_of_a_rendezvous, NO_ROOM);
CREATION(of_create_without_bounds, .max_msgs = MBOX_UNBOUNDED, .max_size = SIZE,
	 .max_bytes = MBOX_UNBOUNDED_BYTES);
CREATION(of_create_with_buffers, BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE);
LARGE_CREATION(of_create_with_huge_buffers, BUFFERS(2, HUGE), .flags = MBOX_CREATE_RESERVE);
LARGE_CREATION(of_create_by_tag, ROOM(8, SIZE), .flags = MBOX_CREATE_BY_TAG);
LARGE_CREATION(of_create_by_sender, ROOM(8, SIZE), .flags = MBOX_CREATE_BY_SENDER);
LARGE_CREATION(of_create_for_many, ROOM(4096, SIZE), .flags = MBOX_CREATE_BY_TAG);
CREATION(of_create_for_one_receiver, ROOM(8, SIZE), .flags = MBOX_CREATE_SINGLE);
CREATION(of_create_for_a_pair, ROOM(8, SIZE), .flags = MBOX_CREATE_PAIR);
CREATION(of_create_for_files, ROOM(8, SIZE), .flags = MBOX_CREATE_FILES);
CREATION(of_create_with_the_process, .flags = MBOX_CREATE_PROCESS, .max_msgs = 8,
	 .max_size = SIZE, .max_bytes = 8 * SIZE, .mode = 0222);
LARGE_CREATION(of_create_of_all_there_is, BUFFERS(8, SIZE), .name = NAME, .share = 50,
	 .flags = MBOX_CREATE_BIND | MBOX_CREATE_FIXED | MBOX_CREATE_RESERVE |
		  MBOX_CREATE_BY_SENDER | MBOX_CREATE_SINGLE | MBOX_CREATE_FILES);

OPERATION(of_create_of_an_inbox, .act = act_create, .check = is_created, .prepare = prepare_peer,
	  .create = { .flags = MBOX_CREATE_INBOX, .max_msgs = 8, .max_size = SIZE,
		      .max_bytes = 8 * SIZE, .mode = 0222 });
OPERATION(of_create_with_a_name_that_is_taken, .act = act_create, .check = is_created,
	  .box = { .name = NAME }, .success = EEXIST,
	  .create = { .max_msgs = 1, .max_size = 1, .max_bytes = 1, .name = NAME });
OPERATION(of_create_by_a_newcomer, .act = act_create, .check = is_created,
	  .by_newcomer = true, .uid = STRANGER,
	  .create = { .max_msgs = 1, .max_size = 1, .max_bytes = 1, .mode = 0666 });

static int act_open(struct scene *s)
{
	s->open = s->op->open;
	if (s->open.flags & (MBOX_OPEN_PIDFD | MBOX_OPEN_PARTICIPANT))
		s->open.id = s->token;
	else if (s->open.flags & MBOX_OPEN_INBOX)
		s->open.id = s->peer ? s->peer->pid : 0;
	else if (!s->open.name[0])
		s->open.id = s->id;
	return call(s->spare, MBOX_IOC_OPEN, &s->open);
}

static bool is_opened(struct scene *s)
{
	SHOULD(state(s->spare, 0).id == s->open.id);
	if (s->op->open.flags & MBOX_OPEN_INBOX)
		SHOULD(state(s->spare, 0).pid == (s->peer ? s->peer->pid : getpid()));
	else
		SHOULD(s->open.id == s->id);
	return true;
}

static bool is_not_bound(struct scene *s)
{
	struct mbox_stat stat;

	SHOULD(try_stat(s->spare, 0, 0, &stat) == ENOTCONN);
	return true;
}

static bool is_not_opened(struct scene *s)
{
	return is_not_bound(s) && looks_like(s, &s->before);
}

static void prepare_pidfd_of_peer(struct scene *s)
{
	prepare_peer(s);
	s->token = s->files[0] = open_pidfd(s->peer->pid);
}

static void prepare_participant(struct scene *s)
{
	struct mbox_clock clock = { };

	prepare_peer(s);
	NEED(!call_by(s->peer, MBOX_IOC_CLOCK, &clock));
	s->token = clock.participant;
}

OPERATION(of_open_by_id, .act = act_open, .check = is_opened, .holds = is_not_opened);
OPERATION(of_open_by_name, .act = act_open, .check = is_opened, .holds = is_not_opened,
	  .box = { .name = NAME }, .open = { .flags = MBOX_OPEN_UID, .name = NAME });
/* The inbox may have been made. */
OPERATION(of_open_of_the_own_inbox, .act = act_open, .check = is_opened, .holds = is_not_bound,
	  .open = { .flags = MBOX_OPEN_INBOX });
OPERATION(of_open_of_an_inbox, .act = act_open, .check = is_opened, .holds = is_not_bound,
	  .prepare = prepare_peer, .open = { .flags = MBOX_OPEN_INBOX });
OPERATION(of_open_of_an_inbox_by_pidfd, .act = act_open, .check = is_opened,
	  .holds = is_not_bound, .prepare = prepare_pidfd_of_peer,
	  .open = { .flags = MBOX_OPEN_INBOX | MBOX_OPEN_PIDFD });
OPERATION(of_open_of_an_inbox_by_participant, .act = act_open, .check = is_opened,
	  .holds = is_not_bound, .prepare = prepare_participant,
	  .open = { .flags = MBOX_OPEN_INBOX | MBOX_OPEN_PARTICIPANT });

static void prepare_letters(struct scene *s);

static int act_delete(struct scene *s)
{
	return delete(s->fd, s->id);
}

static bool is_deleted(struct scene *s)
{
	return is_gone(s, s->id);
}

OPERATION(of_delete, .act = act_delete, .check = is_deleted, .prepare = prepare_letters);

static int act_stat(struct scene *s)
{
	return try_stat(s->fd, s->id, s->op->flags, &s->stat);
}

static bool tells_state(struct scene *s)
{
	s->stat.flags = 0;
	SHOULD(same_state(s->stat, state(s->fd, s->id)));
	return true;
}

OPERATION(of_stat, .act = act_stat, .check = tells_state, .prepare = prepare_letters);
OPERATION(of_stat_of_the_next, .act = act_stat, .check = tells_state,
	  .flags = MBOX_STAT_NEXT);
OPERATION(of_stat_by_a_new_user, .act = act_stat, .by_newcomer = true, .uid = STRANGER);

/*
 * Sending.
 */

static uint32_t length(const struct operation *op)
{
	return op->len ? op->len : SIZE;
}

static int act_send(struct scene *s)
{
	s->send = s->op->send;
	s->send.flags |= MBOX_SEND_NONBLOCK;
	s->send.id = s->op->uid || !s->peer ? s->id : (uint64_t)s->peer->pid;
	if (s->send.flags & (MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT))
		s->send.id = s->token;
	if (s->send.flags & MBOX_SEND_OFFER)
		s->send.offer = s->second;
	if (s->send.flags & MBOX_SEND_EXPIRES)
		s->send.expires = UINT64_MAX;
	s->send.buf = (uintptr_t)bytes;
	s->send.len = length(s->op);
	if (s->op->with_files) {
		s->send.files = (uintptr_t)s->files;
		s->send.nr_files = FILES;
	}
	return call(s->fd, MBOX_IOC_SEND, &s->send);
}

static bool has_brought_files(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < FILES; i++)
		SHOULD(inode_of(s->slots[i]) == inode_of(s->files[i]));
	SHOULD(s->slots[FILES] == -1);
	return true;
}

/* The message is there once, all of it, and can be received. */
static bool is_sent(struct scene *s)
{
	const struct operation *op = s->op;
	struct mbox_recv recv = {
		.flags = MBOX_RECV_NONBLOCK | MBOX_RECV_ACCEPT, .id = s->id,
		.buf = (uintptr_t)s->got[0], .size = HUGE,
	};

	if (op->success)
		return looks_like(s, &s->before);
	SHOULD(state(s->fd, s->id).msgs == 1);
	if (op->with_files) {
		recv.flags |= MBOX_RECV_FILES;
		recv.files = (uintptr_t)s->slots;
		recv.nr_files = FILES + 1;
	}
	SHOULD(!call(s->fd, MBOX_IOC_RECV, &recv));
	SHOULD(recv.len == length(op) && !memcmp(s->got[0], bytes, recv.len));
	SHOULD(recv.tag == op->send.tag && recv.prio == op->send.prio);
	SHOULD(recv.nr_files == (op->with_files ? FILES : 0));
	SHOULD(recv.owned == (op->send.flags & MBOX_SEND_OFFER ? s->second : 0));
	if (op->send.flags & MBOX_SEND_STAMP && !s->fired)
		SHOULD(recv.stamp == s->send.stamp);
	SHOULD(!op->with_files || has_brought_files(s));
	return true;
}

#define SENDING(_name, ...) \
	OPERATION(_name, .act = act_send, .check = is_sent, __VA_ARGS__)

SENDING(of_send, .send = { .tag = 5, .prio = 7 });
SENDING(of_send_of_something_huge, .survives = SLABS, .len = HUGE,
	.box = { ROOM(1, HUGE) });
/* A new slab need not have the table of whom its objects are charged to. */
SENDING(of_send_of_something_large, .survives = SLABS, .len = 9000, .box = { ROOM(1, HUGE) });
SENDING(of_send_to_a_buffer, .box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE });
SENDING(of_send_to_a_huge_buffer, .len = HUGE,
	.box = { BUFFERS(2, HUGE), .flags = MBOX_CREATE_RESERVE });
SENDING(of_send_by_tag, .box = { .flags = MBOX_CREATE_BY_TAG }, .send = { .tag = 5 });
SENDING(of_send_by_sender, .box = { .flags = MBOX_CREATE_BY_SENDER });
SENDING(of_send_of_a_share, .box = { .share = 50 });
SENDING(of_send_of_a_share_to_a_buffer,
	.box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE, .share = 50 });
SENDING(of_send_by_one_of_a_pair, .box = { .flags = MBOX_CREATE_PAIR });
SENDING(of_send_of_files, .box = { .flags = MBOX_CREATE_FILES }, .with_files = true);
SENDING(of_send_of_files_to_a_buffer, .with_files = true, .send = { .flags = MBOX_SEND_SHARED },
	.box = { BUFFERS(8, SIZE), .share = 50,
		 .flags = MBOX_CREATE_RESERVE | MBOX_CREATE_FILES });
SENDING(of_send_that_expires, .send = { .flags = MBOX_SEND_EXPIRES });
/* That the stamp cannot be told is not told. */
SENDING(of_send_that_tells_its_stamp, .send = { .flags = MBOX_SEND_STAMP }, .survives = COPIES);

static void prepare_second(struct scene *s)
{
	s->second = create(s->fd, attributes(1, SIZE));
}

SENDING(of_send_with_an_offer, .send = { .flags = MBOX_SEND_OFFER }, .prepare = prepare_second);
SENDING(of_send_with_an_offer_to_a_buffer, .send = { .flags = MBOX_SEND_OFFER },
	.box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE }, .prepare = prepare_second);

SENDING(of_send_by_a_newcomer, .by_newcomer = true);
SENDING(of_send_by_a_new_user, .by_newcomer = true, .uid = STRANGER);
SENDING(of_send_of_a_share_by_a_new_user, .by_newcomer = true, .uid = STRANGER,
	.box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE, .share = 50 });

/* There is no room. */
static void prepare_full(struct scene *s)
{
	NEED(!post(s->fd, s->id, letters[0], 0));
}

SENDING(of_send_without_room, .success = EAGAIN, .prepare = prepare_full,
	.box = { ROOM(1, SIZE) });
SENDING(of_send_without_a_buffer, .success = EAGAIN, .prepare = prepare_full,
	.box = { BUFFERS(1, SIZE), .flags = MBOX_CREATE_RESERVE });
SENDING(of_send_of_files_without_room, .success = EAGAIN, .prepare = prepare_full,
	.box = { ROOM(1, SIZE), .flags = MBOX_CREATE_FILES }, .with_files = true);
SENDING(of_send_beyond_the_share, .success = EXFULL, .prepare = prepare_full,
	.box = { ROOM(2, SIZE), .share = 50 });

/* A receiver waits. */
static void prepare_receiver(struct scene *s)
{
	begin_recv(s->other, (struct mbox_recv){ .id = s->id });
	wait_for_receivers(s->fd, s->id, 1);
}

static bool has_been_received(struct scene *s)
{
	SHOULD(!end_act(s->other));
	SHOULD(!memcmp(s->other->text, letters[0], SIZE) && s->other->recv.len == SIZE);
	if (!s->fired)
		SHOULD(s->send.receiver == s->other->pid);
	SHOULD(state(s->fd, s->id).msgs == 0);
	return true;
}

/* That @receiver cannot be told is not told. */
#define MEETING(_name, ...)							\
	OPERATION(_name, .act = act_send, .check = has_been_received,		\
		  .prepare = prepare_receiver, .survives = COPIES, __VA_ARGS__)

MEETING(of_send_that_is_synchronous, .send = { .flags = MBOX_SEND_SYNC });
MEETING(of_send_that_is_synchronous_to_a_buffer, .send = { .flags = MBOX_SEND_SYNC },
	.box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE });
MEETING(of_send_at_a_rendezvous, .box = { NO_ROOM });

static int act_write(struct scene *s)
{
	struct iovec iov[] = { { bytes, SIZE / 2 }, { bytes + SIZE / 2, SIZE / 2 } };

	return error_of(s->op->flags ? writev(s->bound, iov, 2) : write(s->bound, bytes, SIZE));
}

OPERATION(of_write, .act = act_write, .check = is_sent);
OPERATION(of_write_to_a_buffer, .act = act_write, .check = is_sent,
	  .box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE, .share = 50 });
OPERATION(of_write_of_parts, .act = act_write, .check = is_sent, .flags = true);
OPERATION(of_write_by_a_newcomer, .act = act_write, .check = is_sent, .by_newcomer = true);

/* The user is the same, but has another account there. */
static int act_write_in_a_user_namespace(struct scene *s)
{
	NEED(!unshare(CLONE_NEWUSER));
	return act_write(s);
}

OPERATION(of_write_in_a_user_namespace, .act = act_write_in_a_user_namespace, .check = is_sent,
	  .by_newcomer = true);
/* The opener of the descriptor pays. */
OPERATION(of_write_for_somebody_else, .act = act_write, .check = is_sent, .by_newcomer = true,
	  .uid = STRANGER, .box = { .share = 50 });

/*
 * Receiving.
 */

static void send_letter(struct scene *s, unsigned int nr)
{
	struct mbox_send how = {
		.id = s->id, .flags = MBOX_SEND_NONBLOCK, .tag = nr, .prio = 5 - nr,
		.buf = (uintptr_t)letters[nr], .len = SIZE,
	};

	if (!nr) {
		how.buf = (uintptr_t)bytes;
		how.len = length(s->op);
	}
	if (s->op->with_files) {
		how.files = (uintptr_t)s->files;
		how.nr_files = FILES;
	}
	NEED(!call(s->fd, MBOX_IOC_SEND, &how));
}

/* The second one is somebody else's. */
static void prepare_letters(struct scene *s)
{
	struct mbox_send how = {
		.id = s->id, .flags = MBOX_SEND_NONBLOCK, .tag = 1, .prio = 4,
	};
	unsigned int i;

	for (i = 0; i < LETTERS; i++)
		if (i == 1 && !s->op->with_files && !(s->op->box.flags & MBOX_CREATE_PAIR))
			NEED(!send_by(s->other, how, letters[1]));
		else
			send_letter(s, i);
}

/* One of them, and an empty one besides. */
static void prepare_choice(struct scene *s)
{
	prepare_letters(s);
	prepare_second(s);
}

static int act_recv(struct scene *s)
{
	uint64_t ids[] = { s->second, s->id };

	s->recv = s->op->recv;
	poison_envelope(&s->recv);
	s->recv.flags |= MBOX_RECV_NONBLOCK;
	if (s->recv.flags & MBOX_RECV_CHOICE) {
		s->recv.ids = (uintptr_t)ids;
		s->recv.nr_ids = 2;
	} else {
		s->recv.id = s->id;
	}
	if (s->recv.flags & MBOX_RECV_MATCH)
		s->recv.match = s->token;
	if (s->recv.flags & MBOX_RECV_FILES) {
		s->recv.files = (uintptr_t)s->slots;
		s->recv.nr_files = s->op->recv.nr_files ? s->op->recv.nr_files : FILES + 1;
	}
	s->recv.buf = (uintptr_t)s->got[0];
	s->recv.size = s->op->size ? s->op->size : HUGE;
	memset(s->got[0], POISON, SIZE);
	return call(s->fd, MBOX_IOC_RECV, &s->recv);
}

static bool is_letter(const struct scene *s, uint64_t len)
{
	const char *want = s->op->letter ? letters[s->op->letter] : bytes;
	uint64_t size = s->op->size && s->op->size < len ? s->op->size : len;

	SHOULD(len == (s->op->letter ? SIZE : length(s->op)));
	SHOULD(!memcmp(s->got[0], want, size));
	return true;
}

/* The letter was brought, and the other ones are there. */
static bool is_received(struct scene *s)
{
	bool stays = s->op->recv.flags & MBOX_RECV_PEEK;
	struct mbox_stat stat;
	uint32_t i;

	if (s->op->success)
		return looks_like(s, &s->before);
	SHOULD(is_letter(s, s->recv.len));
	SHOULD(s->recv.prio + s->op->letter == 5 && s->recv.from == s->id);
	if (s->recv.flags & MBOX_RECV_FILES && s->recv.nr_files <= FILES &&
	    !(s->op->recv.nr_files))
		SHOULD(has_brought_files(s));
	stat = state(s->fd, s->id);
	SHOULD(stat.received == !stays && stat.msgs + !stays == LETTERS);
	for (i = 0; i < LETTERS; i++) {
		struct letter letter;

		if (i == s->op->letter && !stays)
			continue;
		SHOULD(!receive(s->fd, s->id, MBOX_RECV_NONBLOCK | MBOX_RECV_TRUNCATE, 0, &letter));
		SHOULD(letter.env.tag == i && !memcmp(letter.text, i ? letters[i] : bytes, SIZE));
	}
	return true;
}

#define RECEIVING(_name, _prepare, ...)						\
	OPERATION(_name, .act = act_recv, .check = is_received,			\
		  .prepare = _prepare, __VA_ARGS__)

RECEIVING(of_receive, prepare_letters);
RECEIVING(of_receive_of_something_huge, prepare_letters, .len = HUGE,
	  .box = { ROOM(4, HUGE) });
RECEIVING(of_receive_from_a_buffer, prepare_letters,
	  .box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE, .share = 50 });
RECEIVING(of_receive_from_huge_buffers, prepare_letters, .len = HUGE,
	  .box = { BUFFERS(3, HUGE), .flags = MBOX_CREATE_RESERVE });
RECEIVING(of_receive_of_the_least, prepare_letters,
	  .recv = { .flags = MBOX_RECV_LEAST }, .letter = 2);
RECEIVING(of_receive_of_the_beginning, prepare_letters,
	  .recv = { .flags = MBOX_RECV_TRUNCATE }, .size = 4);
RECEIVING(of_receive_into_too_little, prepare_letters, .success = EMSGSIZE, .size = 4);
RECEIVING(of_receive_by_one_at_a_time, prepare_letters,
	  .box = { .flags = MBOX_CREATE_SINGLE });
RECEIVING(of_receive_by_one_of_a_pair, prepare_letters, .box = { .flags = MBOX_CREATE_PAIR });
RECEIVING(of_receive_from_one_of_two, prepare_choice, .recv = { .flags = MBOX_RECV_CHOICE });
RECEIVING(of_receive_into_too_little_from_one_of_two, prepare_choice,
	  .recv = { .flags = MBOX_RECV_CHOICE }, .size = 4, .success = EMSGSIZE);
RECEIVING(of_look, prepare_letters, .recv = { .flags = MBOX_RECV_PEEK });
RECEIVING(of_look_behind, prepare_letters,
	  .recv = { .flags = MBOX_RECV_PEEK, .nth = 2 }, .letter = 2);
RECEIVING(of_receive_from_nothing, NULL, .success = EAGAIN);

static void prepare_tag(struct scene *s)
{
	prepare_letters(s);
	s->token = 1;
}

RECEIVING(of_receive_by_tag, prepare_tag, .recv = { .flags = MBOX_RECV_MATCH }, .letter = 1,
	  .box = { .flags = MBOX_CREATE_BY_TAG });
RECEIVING(of_receive_by_tag_from_a_buffer, prepare_tag,
	  .recv = { .flags = MBOX_RECV_MATCH }, .letter = 1,
	  .box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_BY_TAG | MBOX_CREATE_RESERVE });

static void prepare_sender(struct scene *s)
{
	struct mbox_clock clock = { };

	prepare_letters(s);
	s->token = s->other->pid;
	if (s->op->recv.flags & MBOX_RECV_PARTICIPANT) {
		NEED(!call_by(s->other, MBOX_IOC_CLOCK, &clock));
		s->token = clock.participant;
	} else if (s->op->recv.flags & MBOX_RECV_PIDFD) {
		s->token = s->files[0] = open_pidfd(s->other->pid);
	}
}

#define BY_SENDER(_name, _flags)						\
	RECEIVING(_name, prepare_sender, .letter = 1,				\
		  .recv = { .flags = MBOX_RECV_MATCH | (_flags) },		\
		  .box = { .flags = MBOX_CREATE_BY_SENDER })

BY_SENDER(of_receive_by_pid, 0);
BY_SENDER(of_receive_by_pidfd, MBOX_RECV_PIDFD);
BY_SENDER(of_receive_by_participant, MBOX_RECV_PARTICIPANT);

/* Somebody who has not taken part; there is nothing from it. */
static void prepare_silence(struct scene *s)
{
	prepare_peer(s);
	prepare_letters(s);
	s->token = s->peer->pid;
}

RECEIVING(of_receive_from_a_newcomer, prepare_silence, .success = EAGAIN,
	  .recv = { .flags = MBOX_RECV_MATCH }, .box = { .flags = MBOX_CREATE_BY_SENDER });

#define WITH_FILES(_name, ...) \
	RECEIVING(_name, prepare_letters, .with_files = true, __VA_ARGS__)

WITH_FILES(of_receive_of_files, .box = { .flags = MBOX_CREATE_FILES },
	   .recv = { .flags = MBOX_RECV_FILES });
WITH_FILES(of_receive_of_files_from_a_buffer, .recv = { .flags = MBOX_RECV_FILES },
	   .box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_FILES | MBOX_CREATE_RESERVE });
WITH_FILES(of_receive_of_some_files, .box = { .flags = MBOX_CREATE_FILES },
	   .recv = { .flags = MBOX_RECV_FILES | MBOX_RECV_TRUNCATE, .nr_files = 1 });
WITH_FILES(of_receive_of_no_files, .box = { .flags = MBOX_CREATE_FILES });
WITH_FILES(of_receive_of_more_files_than_fit, .box = { .flags = MBOX_CREATE_FILES },
	   .recv = { .flags = MBOX_RECV_FILES, .nr_files = 1 }, .success = EMSGSIZE);

/* A sender waits, and goes on waiting if the receive fails. */
static void prepare_meeting(struct scene *s)
{
	begin_send(s->other, (struct mbox_send){ .id = s->id, .flags = s->op->flags, .prio = 5 },
		   letters[0]);
	if (s->op->flags)
		WAIT_UNTIL(state(s->fd, s->id).msgs == 1);
	else
		wait_for_senders(s->fd, s->id, 1);
}

static bool has_met(struct scene *s)
{
	SHOULD(!end_act(s->other));
	SHOULD(s->other->send.receiver == getpid());
	SHOULD(is_letter(s, s->recv.len));
	SHOULD(state(s->fd, s->id).msgs == 0);
	return true;
}

/* The sender may have been told already: then the mailbox has it, beyond its capacity. */
static bool is_there(struct scene *s)
{
	struct message message = look_at(s->fd, s->id, 0);

	SHOULD(!message.error && !memcmp(message.text, letters[0], SIZE));
	SHOULD(state(s->fd, s->id).received == 0);
	return true;
}

OPERATION(of_receive_from_who_waits, .act = act_recv, .check = has_met, .holds = is_there,
	  .prepare = prepare_meeting, .flags = MBOX_SEND_SYNC);
OPERATION(of_receive_at_a_rendezvous, .act = act_recv, .check = has_met, .holds = is_there,
	  .prepare = prepare_meeting, .box = { NO_ROOM });

/* The second mailbox comes with the first letter. */
static void prepare_deed(struct scene *s)
{
	struct mbox_create attr = attributes(1, SIZE);

	s->second = create_by(s->other, attr);
	NEED(!send_by(s->other, (struct mbox_send){ .id = s->id, .prio = 5, .offer = s->second,
			.flags = MBOX_SEND_OFFER }, letters[0]));
	send_letter(s, 1);
	send_letter(s, 2);
}

static bool has_been_accepted(struct scene *s)
{
	SHOULD(s->recv.owned == s->second);
	SHOULD(state(s->fd, s->second).pid == getpid());
	return is_received(s);
}

OPERATION(of_receive_of_an_offer, .act = act_recv, .check = has_been_accepted,
	  .prepare = prepare_deed, .recv = { .flags = MBOX_RECV_ACCEPT });
RECEIVING(of_receive_of_an_offer_that_is_not_wanted, prepare_deed);

RECEIVING(of_receive_by_a_newcomer, prepare_letters, .by_newcomer = true);
RECEIVING(of_receive_by_a_new_user, prepare_letters, .by_newcomer = true, .uid = STRANGER);

static int act_read(struct scene *s)
{
	struct iovec iov[] = { { s->got[0], SIZE / 2 }, { s->got[0] + SIZE / 2, SIZE } };

	memset(s->got[0], POISON, SIZE);
	return error_of(s->op->flags ? readv(s->bound, iov, 2) : read(s->bound, s->got[0], HUGE));
}

static bool is_read(struct scene *s)
{
	s->recv.len = length(s->op);
	s->recv.prio = 5;
	s->recv.from = s->id;
	s->recv.flags = 0;
	return is_received(s);
}

#define READING(_name, ...)							\
	OPERATION(_name, .act = act_read, .check = is_read,			\
		  .prepare = prepare_letters, __VA_ARGS__)

READING(of_read);
READING(of_read_of_parts, .flags = true);
READING(of_read_of_something_huge, .len = HUGE, .box = { ROOM(4, HUGE) });
READING(of_read_from_a_buffer,
	.box = { BUFFERS(8, SIZE), .flags = MBOX_CREATE_RESERVE, .share = 50 });
READING(of_read_by_a_newcomer, .by_newcomer = true);
