// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command table: what every command says to arguments that are broken in
 * one way, and that nothing has changed afterwards.
 */
#include "kselftest_harness.h"
#include "argument.h"
#include "mbox_selftest.h"

#include <stddef.h>

union argument {
	ARGUMENTS
	__u64 flags;	/* the first member of each */
	unsigned char bytes[1 << _IOC_SIZEBITS];
};

struct field {
	size_t offset;
	size_t size;
};

#define FIELD(type, member) \
	{ offsetof(struct type, member), sizeof(((struct type *)0)->member) }

/* Up to and with that member. */
#define UP_TO(type, member) \
	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))

static char text[64] = "second";
static char buffer[64];

static unsigned int command_of(unsigned int nr, size_t size)
{
	return _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, nr, size);
}

/*
 * An unbound descriptor, and a mailbox with one message. Requests have a tag by
 * which they can be told from that.
 */
struct subject {
	int fd;
	uint64_t id;
};

#define REQUEST	77

static struct subject new_subject(void)
{
	struct subject subject = { .fd = device(O_RDWR) };
	struct mbox_create attr = attributes(4, 64);

	attr.flags = MBOX_CREATE_BY_TAG | MBOX_CREATE_FILES;
	subject.id = create(subject.fd, attr);
	NEED(!post(subject.fd, subject.id, "first", 3));
	return subject;
}

static void drop_subject(struct subject subject)
{
	int error = delete(subject.fd, subject.id);

	NEED(error == 0 || error == EIDRM);
	close(subject.fd);
}

/* Arguments with which each command works; the rest of @arg is poison. */
static void fill_info(union argument *arg, uint64_t id)
{
	(void)id;
	arg->info.flags = 0;
}

static void fill_create(union argument *arg, uint64_t id)
{
	(void)id;
	arg->create = attributes(4, 64);
	memset(&arg->create.id, POISON, sizeof(arg->create.id));
}

static void fill_open(union argument *arg, uint64_t id)
{
	arg->open.flags = 0;
	memset(arg->open.name, 0, sizeof(arg->open.name));
	arg->open.id = id;
	arg->open.reserved = 0;
}

static const __s32 standard_input[1];

/* As programs send that know nothing of files and stamps. */
static struct mbox_send plain_send(uint64_t id)
{
	return (struct mbox_send){
		.flags = MBOX_SEND_NONBLOCK,
		.id = id,
		.buf = (uintptr_t)text,
		.len = 6,
		.prio = 1,
	};
}

static void fill_send(union argument *arg, uint64_t id)
{
	arg->send = plain_send(id);
}

static void fill_send_files(union argument *arg, uint64_t id)
{
	arg->send = plain_send(id);
	arg->send.flags |= MBOX_SEND_STAMP | MBOX_SEND_SHARED;
	arg->send.files = (uintptr_t)standard_input;
	arg->send.nr_files = ARRAY_SIZE(standard_input);
	memset(&arg->send.stamp, POISON, sizeof(arg->send.stamp));
}

static void fill_recv(union argument *arg, uint64_t id)
{
	arg->recv.flags = MBOX_RECV_NONBLOCK | MBOX_RECV_ACCEPT;
	arg->recv.id = id;
	arg->recv.buf = (uintptr_t)buffer;
	arg->recv.size = sizeof(buffer);
	arg->recv.deadline = 0;
	arg->recv.match = 0;
	arg->recv.ids = 0;
	arg->recv.nr_ids = 0;
	arg->recv.nth = 0;
	arg->recv.nr_files = 0;
	arg->recv.reserved = 0;
	arg->recv.files = 0;
	arg->recv.reply = 0;
}

static __s32 received_files[2];

static struct mbox_call request(uint64_t id)
{
	return (struct mbox_call){
		.id = id,
		.buf = (uintptr_t)text,
		.len = 6,
		.tag = REQUEST,
		.prio = 1,
		.files = (uintptr_t)standard_input,
		.nr_files = ARRAY_SIZE(standard_input),
		.reply = (uintptr_t)buffer,
		.size = sizeof(buffer),
		.reply_files = (uintptr_t)received_files,
		.nr_reply_files = ARRAY_SIZE(received_files),
	};
}

/* A child that calls, once; its exit status is the errno. */
static pid_t spawn_caller(uint64_t id)
{
	pid_t child = spawn();

	if (!child) {
		struct mbox_call arg = request(id);

		_exit(call(device(O_RDWR), MBOX_IOC_CALL, &arg));
	}
	return child;
}

/* Of somebody who waits for the reply. */
static void fill_recv_request(union argument *arg, uint64_t id)
{
	int fd = device(O_RDWR);
	uint32_t msgs = state(fd, id).msgs;

	fill_recv(arg, id);
	arg->recv.flags |= MBOX_RECV_MATCH | MBOX_RECV_FILES | MBOX_RECV_TOKEN;
	arg->recv.match = REQUEST;
	arg->recv.files = (uintptr_t)received_files;
	arg->recv.nr_files = ARRAY_SIZE(received_files);
	spawn_caller(id);
	WAIT_UNTIL(state(fd, id).msgs == msgs + 1);
	close(fd);
}

/* The token of a request whose caller waits. */
static uint64_t take_request(uint64_t id)
{
	struct mbox_recv arg = {
		.flags = MBOX_RECV_MATCH | MBOX_RECV_TOKEN,
		.id = id,
		.match = REQUEST,
		.buf = (uintptr_t)buffer,
		.size = sizeof(buffer),
	};
	int fd = device(O_RDWR);

	NEED(!call(fd, MBOX_IOC_RECV, &arg) && arg.token);
	close(fd);
	return arg.token;
}

static void fill_delete(union argument *arg, uint64_t id)
{
	arg->delete = (struct mbox_delete){ .id = id };
}

static void fill_stat(union argument *arg, uint64_t id)
{
	arg->stat.flags = 0;
	arg->stat.id = id;
}

static void fill_transfer(union argument *arg, uint64_t id)
{
	arg->transfer = (struct mbox_transfer){ .id = id, .pid = getpid() };
}

static void fill_accept(union argument *arg, uint64_t id)
{
	struct mbox_transfer offer = { .id = id, .pid = getpid() };
	int fd = device(O_RDWR);

	NEED(!call(fd, MBOX_IOC_OFFER, &offer));
	close(fd);
	arg->take = (struct mbox_take){ .id = id };
}

/* The mailbox becomes an orphan. */
static void fill_claim(union argument *arg, uint64_t id)
{
	struct mbox_transfer transfer = { .id = id };
	int fd = device(O_RDWR);
	pid_t child = spawn();

	if (!child) {
		pause();
		_exit(0);
	}
	transfer.pid = child;
	NEED(!call(fd, MBOX_IOC_TRANSFER, &transfer));
	end(child);
	close(fd);
	arg->take = (struct mbox_take){ .id = id };
}

static void fill_grant(union argument *arg, uint64_t id)
{
	arg->grant = (struct mbox_grant){
		.id = id, .pid = getpid(), .rights = MBOX_RIGHT_RECV,
	};
}

static void fill_revoke(union argument *arg, uint64_t id)
{
	int fd = device(O_RDWR);

	fill_grant(arg, id);
	NEED(!call(fd, MBOX_IOC_GRANT, &arg->grant));
	close(fd);
}

static struct mbox_granted granted[2];

static void fill_grants(union argument *arg, uint64_t id)
{
	arg->grants = (struct mbox_grants){
		.id = id, .grants = (uintptr_t)granted, .nr = ARRAY_SIZE(granted),
	};
}

static void fill_change(union argument *arg, uint64_t id)
{
	arg->change.flags = MBOX_CHANGE_MODE;
	arg->change.id = id;
	arg->change.mode = 0640;
	arg->change.reserved = 0;
}

static void fill_usage(union argument *arg, uint64_t id)
{
	(void)id;
	arg->usage.flags = 0;
}

static void fill_clock(union argument *arg, uint64_t id)
{
	(void)id;
	arg->clock.flags = MBOX_CLOCK_TICK;
}

static void reply_to(int fd, uint64_t token)
{
	struct mbox_reply arg = {
		.token = token,
		.buf = (uintptr_t)text,
		.len = 3,
		.tag = 5,
		.files = (uintptr_t)standard_input,
		.nr_files = ARRAY_SIZE(standard_input),
	};

	NEED(!call(fd, MBOX_IOC_REPLY, &arg));
}

/* A child answers, as long as the mailbox is there. */
static void fill_call(union argument *arg, uint64_t id)
{
	int fd = device(O_RDWR);
	pid_t child = spawn();

	if (!child) {
		struct mbox_recv recv = {
			.flags = MBOX_RECV_MATCH | MBOX_RECV_TOKEN,
			.id = id,
			.match = REQUEST,
			.buf = (uintptr_t)buffer,
			.size = sizeof(buffer),
		};

		while (!call(fd, MBOX_IOC_RECV, &recv))
			reply_to(fd, recv.token);
		_exit(0);
	}
	wait_for_receivers(fd, id, 1);
	close(fd);
	arg->call = request(id);
	memset(&arg->call.got, POISON,
	       offsetof(struct mbox_call, reserved) - offsetof(struct mbox_call, got));
}

static void fill_reply(union argument *arg, uint64_t id)
{
	spawn_caller(id);
	arg->reply = (struct mbox_reply){
		.token = take_request(id),
		.buf = (uintptr_t)text,
		.len = 3,
		.tag = 5,
		.files = (uintptr_t)standard_input,
		.nr_files = ARRAY_SIZE(standard_input),
	};
}

static void fill_token(union argument *arg, uint64_t id)
{
	spawn_caller(id);
	arg->token = (struct mbox_token){ .token = take_request(id) };
}

#define ITEMS	2

static void fill_batch(union argument *arg, const void *items, size_t size)
{
	arg->batch.flags = MBOX_BATCH_WAIT_ONE;
	arg->batch.items = (uintptr_t)items;
	arg->batch.nr = ITEMS;
	arg->batch.size = size;
}

static void fill_send_batch(union argument *arg, uint64_t id)
{
	static struct mbox_send items[ITEMS];
	size_t i;

	for (i = 0; i < ITEMS; i++)
		items[i] = plain_send(id);
	fill_batch(arg, items, sizeof(items[0]));
}

/* There is one message, so the second item fails. */
static void fill_recv_batch(union argument *arg, uint64_t id)
{
	static struct mbox_recv items[ITEMS];
	union argument item;
	size_t i;

	for (i = 0; i < ITEMS; i++) {
		memset(&item, POISON, sizeof(item.recv));
		fill_recv(&item, id);
		items[i] = item.recv;
	}
	fill_batch(arg, items, sizeof(items[0]));
}

#define SEND_FLAGS	(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT | MBOX_SEND_SYNC |	\
			 MBOX_SEND_EXPIRES | MBOX_SEND_OFFER | MBOX_SEND_PID |		\
			 MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT | MBOX_SEND_STAMP |	\
			 MBOX_SEND_SHARED)

#define RECV_FLAGS	(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TRUNCATE |	\
			 MBOX_RECV_PEEK | MBOX_RECV_LEAST | MBOX_RECV_MATCH |		\
			 MBOX_RECV_CHOICE | MBOX_RECV_ACCEPT | MBOX_RECV_DIRECT |	\
			 MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT | MBOX_RECV_FILES |	\
			 MBOX_RECV_TOKEN | MBOX_RECV_REPLY)

#define CALL_FLAGS	(MBOX_CALL_NONBLOCK | MBOX_CALL_TIMEOUT | MBOX_CALL_PID |	\
			 MBOX_CALL_PIDFD | MBOX_CALL_PARTICIPANT | MBOX_CALL_SHARED |	\
			 MBOX_CALL_TRUNCATE)

/* What every receive tells. */
#define RECV_OUTPUTS									\
	FIELD(mbox_recv, len), FIELD(mbox_recv, seq), FIELD(mbox_recv, prio),		\
	FIELD(mbox_recv, pid), FIELD(mbox_recv, uid), FIELD(mbox_recv, gid),		\
	FIELD(mbox_recv, tag), FIELD(mbox_recv, from), FIELD(mbox_recv, owned),		\
	FIELD(mbox_recv, stamp), FIELD(mbox_recv, clock), FIELD(mbox_recv, time),	\
	FIELD(mbox_recv, realtime), FIELD(mbox_recv, sender), FIELD(mbox_recv, token),	\
	FIELD(mbox_recv, tid), FIELD(mbox_recv, got)

FIXTURE(command) {
};

FIXTURE_VARIANT(command) {
	unsigned int nr;
	size_t size;
	size_t first;			/* that of its first version, if it has grown */
	size_t needed;			/* of it, by what @fill makes, if it is more */
	__u64 flags;			/* those it knows */
	void (*fill)(union argument *arg, uint64_t id);
	bool may_be_untold;		/* works even if it cannot write */
	bool late;			/* has done something when it finds that it cannot */
	struct field outputs[32];	/* in and out: what is in @fill's hands */
};

FIXTURE_VARIANT_ADD(command, info) {
	.nr = 0,
	.size = sizeof(struct mbox_info),
	.fill = fill_info,
	.outputs = {
		FIELD(mbox_info, features), FIELD(mbox_info, limit_msgs),
		FIELD(mbox_info, limit_size), FIELD(mbox_info, limit_bytes),
		FIELD(mbox_info, limit_mailboxes), FIELD(mbox_info, mailboxes),
	},
};

FIXTURE_VARIANT_ADD(command, create) {
	.nr = 1,
	.size = sizeof(struct mbox_create),
	.flags = MBOX_CREATE_BIND | MBOX_CREATE_FIXED | MBOX_CREATE_RESERVE |
		 MBOX_CREATE_BY_TAG | MBOX_CREATE_BY_SENDER | MBOX_CREATE_SINGLE |
		 MBOX_CREATE_PAIR | MBOX_CREATE_PROCESS | MBOX_CREATE_FILES |
		 MBOX_CREATE_INBOX,
	.fill = fill_create,
	.outputs = { FIELD(mbox_create, id) },
};

FIXTURE_VARIANT_ADD(command, open) {
	.nr = 2,
	.size = sizeof(struct mbox_open),
	.flags = MBOX_OPEN_UID | MBOX_OPEN_INBOX | MBOX_OPEN_PIDFD | MBOX_OPEN_PARTICIPANT,
	.fill = fill_open,
	.outputs = { FIELD(mbox_open, uid) },
};

FIXTURE_VARIANT_ADD(command, send) {
	.nr = 3,
	.size = sizeof(struct mbox_send),
	.first = UP_TO(mbox_send, reserved2),
	.flags = SEND_FLAGS,
	.fill = fill_send,
};

FIXTURE_VARIANT_ADD(command, send_files) {
	.nr = 3,
	.size = sizeof(struct mbox_send),
	.first = UP_TO(mbox_send, reserved2),
	.needed = UP_TO(mbox_send, nr_files),
	.flags = SEND_FLAGS,
	.fill = fill_send_files,
	.may_be_untold = true,
	.outputs = { FIELD(mbox_send, stamp) },
};

FIXTURE_VARIANT_ADD(command, recv) {
	.nr = 4,
	.size = sizeof(struct mbox_recv),
	.first = UP_TO(mbox_recv, nth),
	.flags = RECV_FLAGS,
	.fill = fill_recv,
	.outputs = { RECV_OUTPUTS },
};

FIXTURE_VARIANT_ADD(command, recv_request) {
	.nr = 4,
	.size = sizeof(struct mbox_recv),
	.first = UP_TO(mbox_recv, nth),
	.needed = UP_TO(mbox_recv, files),
	.flags = RECV_FLAGS,
	.fill = fill_recv_request,
	.outputs = { RECV_OUTPUTS, FIELD(mbox_recv, nr_files) },
};

FIXTURE_VARIANT_ADD(command, delete) {
	.nr = 5,
	.size = sizeof(struct mbox_delete),
	.fill = fill_delete,
};

FIXTURE_VARIANT_ADD(command, stat) {
	.nr = 6,
	.size = sizeof(struct mbox_stat),
	.first = UP_TO(mbox_stat, expired),
	.flags = MBOX_STAT_NEXT,
	.fill = fill_stat,
	.outputs = {
		FIELD(mbox_stat, name), FIELD(mbox_stat, max_bytes), FIELD(mbox_stat, max_msgs),
		FIELD(mbox_stat, max_size), FIELD(mbox_stat, mode), FIELD(mbox_stat, uid),
		FIELD(mbox_stat, gid), FIELD(mbox_stat, pid), FIELD(mbox_stat, bytes),
		FIELD(mbox_stat, bytes_high), FIELD(mbox_stat, msgs),
		FIELD(mbox_stat, msgs_high), FIELD(mbox_stat, senders),
		FIELD(mbox_stat, receivers), FIELD(mbox_stat, sent), FIELD(mbox_stat, received),
		FIELD(mbox_stat, kind), FIELD(mbox_stat, expired), FIELD(mbox_stat, state),
		FIELD(mbox_stat, share), FIELD(mbox_stat, offered), FIELD(mbox_stat, grants),
		FIELD(mbox_stat, user_bytes), FIELD(mbox_stat, user_msgs),
		FIELD(mbox_stat, reserved), FIELD(mbox_stat, requests),
		FIELD(mbox_stat, links), FIELD(mbox_stat, refused), FIELD(mbox_stat, skipped),
		FIELD(mbox_stat, filled),
	},
};

FIXTURE_VARIANT_ADD(command, transfer) {
	.nr = 7,
	.size = sizeof(struct mbox_transfer),
	.flags = MBOX_TRANSFER_KEEP | MBOX_TRANSFER_PIDFD,
	.fill = fill_transfer,
};

FIXTURE_VARIANT_ADD(command, offer) {
	.nr = 8,
	.size = sizeof(struct mbox_transfer),
	.flags = MBOX_TRANSFER_KEEP | MBOX_TRANSFER_PIDFD,
	.fill = fill_transfer,
};

FIXTURE_VARIANT_ADD(command, accept) {
	.nr = 9,
	.size = sizeof(struct mbox_take),
	.fill = fill_accept,
};

FIXTURE_VARIANT_ADD(command, claim) {
	.nr = 10,
	.size = sizeof(struct mbox_take),
	.fill = fill_claim,
};

FIXTURE_VARIANT_ADD(command, grant) {
	.nr = 11,
	.size = sizeof(struct mbox_grant),
	.flags = MBOX_GRANT_PIDFD,
	.fill = fill_grant,
};

FIXTURE_VARIANT_ADD(command, revoke) {
	.nr = 12,
	.size = sizeof(struct mbox_grant),
	.flags = MBOX_GRANT_PIDFD,
	.fill = fill_revoke,
};

FIXTURE_VARIANT_ADD(command, grants) {
	.nr = 13,
	.size = sizeof(struct mbox_grants),
	.fill = fill_grants,
	.outputs = { FIELD(mbox_grants, nr) },
};

FIXTURE_VARIANT_ADD(command, change) {
	.nr = 14,
	.size = sizeof(struct mbox_change),
	.flags = MBOX_CHANGE_MODE | MBOX_CHANGE_UID | MBOX_CHANGE_GID,
	.fill = fill_change,
};

FIXTURE_VARIANT_ADD(command, usage) {
	.nr = 15,
	.size = sizeof(struct mbox_usage),
	.first = UP_TO(mbox_usage, reserved),
	.flags = MBOX_USAGE_UID,
	.fill = fill_usage,
	.outputs = {
		FIELD(mbox_usage, uid), FIELD(mbox_usage, default_share),
		FIELD(mbox_usage, user_bytes), FIELD(mbox_usage, user_bytes_limit),
		FIELD(mbox_usage, user_mailboxes), FIELD(mbox_usage, user_mailboxes_limit),
		FIELD(mbox_usage, user_msgs), FIELD(mbox_usage, user_msgs_limit),
		FIELD(mbox_usage, ns_bytes), FIELD(mbox_usage, ns_bytes_limit),
		FIELD(mbox_usage, ns_mailboxes), FIELD(mbox_usage, ns_mailboxes_limit),
		FIELD(mbox_usage, ns_msgs), FIELD(mbox_usage, ns_msgs_limit),
		FIELD(mbox_usage, limit_grants), FIELD(mbox_usage, reserved),
		FIELD(mbox_usage, user_files), FIELD(mbox_usage, user_files_limit),
		FIELD(mbox_usage, ns_files), FIELD(mbox_usage, ns_files_limit),
		FIELD(mbox_usage, user_listeners), FIELD(mbox_usage, user_listeners_limit),
		FIELD(mbox_usage, ns_listeners), FIELD(mbox_usage, ns_listeners_limit),
	},
};

FIXTURE_VARIANT_ADD(command, clock) {
	.nr = 16,
	.size = sizeof(struct mbox_clock),
	.flags = MBOX_CLOCK_TICK,
	.fill = fill_clock,
	.outputs = { FIELD(mbox_clock, stamp), FIELD(mbox_clock, participant) },
};

FIXTURE_VARIANT_ADD(command, call) {
	.nr = 17,
	.size = sizeof(struct mbox_call),
	.flags = CALL_FLAGS,
	.fill = fill_call,
	.late = true,
	.outputs = {
		FIELD(mbox_call, nr_reply_files), FIELD(mbox_call, got),
		FIELD(mbox_call, reply_len), FIELD(mbox_call, reply_tag),
		FIELD(mbox_call, stamp), FIELD(mbox_call, clock), FIELD(mbox_call, sender),
		FIELD(mbox_call, pid), FIELD(mbox_call, uid), FIELD(mbox_call, gid),
	},
};

FIXTURE_VARIANT_ADD(command, reply) {
	.nr = 18,
	.size = sizeof(struct mbox_reply),
	.flags = MBOX_REPLY_DISCARD | MBOX_REPLY_SHARED,
	.fill = fill_reply,
};

FIXTURE_VARIANT_ADD(command, token) {
	.nr = 19,
	.size = sizeof(struct mbox_token),
	.flags = MBOX_TOKEN_PASS | MBOX_TOKEN_PIDFD,
	.fill = fill_token,
};

FIXTURE_VARIANT_ADD(command, send_batch) {
	.nr = 20,
	.size = sizeof(struct mbox_batch),
	.flags = MBOX_BATCH_WAIT_ONE,
	.fill = fill_send_batch,
	.outputs = { FIELD(mbox_batch, done), FIELD(mbox_batch, error) },
};

FIXTURE_VARIANT_ADD(command, recv_batch) {
	.nr = 21,
	.size = sizeof(struct mbox_batch),
	.flags = MBOX_BATCH_WAIT_ONE,
	.fill = fill_recv_batch,
	.outputs = { FIELD(mbox_batch, done), FIELD(mbox_batch, error) },
};

FIXTURE_SETUP(command)
{
	begin();
}

FIXTURE_TEARDOWN(command)
{
	sweep();
}

static union argument prepared(const FIXTURE_VARIANT(command) *variant, uint64_t id)
{
	union argument arg;

	memset(&arg, POISON, sizeof(arg));
	variant->fill(&arg, id);
	return arg;
}

static bool writes(const FIXTURE_VARIANT(command) *variant)
{
	return variant->outputs[0].size;
}

/* Every output that the caller knows was written, and nothing else. */
static void check_written(struct __test_metadata *_metadata,
			  const FIXTURE_VARIANT(command) *variant, size_t size,
			  const union argument *before, const unsigned char *after)
{
	bool output[sizeof(struct mbox_stat) + sizeof(struct mbox_create)] = { };
	const struct field *field;
	size_t i;

	for (field = variant->outputs; field->size; field++) {
		size_t known = field->offset < size ? size - field->offset : 0;

		if (known > field->size)
			known = field->size;
		EXPECT_TRUE(!known || memcmp(before->bytes + field->offset,
					     after + field->offset, known)) {
			TH_LOG("output at %zu was not written", field->offset);
		}
		memset(output + field->offset, true, field->size);
	}
	for (i = 0; i < variant->size; i++) {
		if (i == size)
			memset(output + size, false, sizeof(output) - size);
		EXPECT_TRUE(output[i] || before->bytes[i] == after[i]) {
			TH_LOG("input at %zu was written", i);
		}
	}
}

/* The command, of @size bytes, works at @place and writes what it should. */
static void expect_success(struct __test_metadata *_metadata,
			   const FIXTURE_VARIANT(command) *variant,
			   unsigned char *place, size_t size)
{
	struct subject subject = new_subject();
	union argument arg = prepared(variant, subject.id);
	size_t i;

	memset(arg.bytes + variant->size, 0, sizeof(arg) - variant->size);
	memcpy(place, &arg, size);
	EXPECT_EQ(0, call(subject.fd, command_of(variant->nr, size), place)) {
		TH_LOG("size %zu at %p: %s", size, place, strerror(errno));
	}
	check_written(_metadata, variant, variant->size, &arg, place);
	for (i = variant->size; i < size; i++)
		EXPECT_EQ(0, place[i]);
	drop_subject(subject);
}

/* The command fails like that, and the mailbox and descriptor are as before. */
static int refused_size(struct __test_metadata *_metadata,
			const FIXTURE_VARIANT(command) *variant, struct subject subject,
			void *place, size_t size)
{
	struct mbox_stat before = state(subject.fd, subject.id), unbound;
	unsigned int count = info(subject.fd).mailboxes;
	int error;

	error = call(subject.fd, command_of(variant->nr, size), place);
	EXPECT_TRUE(same_state(before, state(subject.fd, subject.id)));
	EXPECT_EQ(count, info(subject.fd).mailboxes);
	EXPECT_EQ(ENOTCONN, try_stat(subject.fd, 0, 0, &unbound));
	return error;
}

static int refused(struct __test_metadata *_metadata, const FIXTURE_VARIANT(command) *variant,
		   struct subject subject, void *place)
{
	return refused_size(_metadata, variant, subject, place, variant->size);
}

TEST_F(command, writes_all_its_outputs_and_no_input)
{
	union argument place;

	expect_success(_metadata, variant, place.bytes, variant->size);
}

TEST_F(command, works_at_any_alignment)
{
	unsigned char place[sizeof(struct mbox_stat) + 8];
	unsigned int shift;

	for (shift = 0; shift < 8; shift++)
		expect_success(_metadata, variant, place + shift, variant->size);
}

TEST_F(command, works_where_the_structure_ends_with_its_page)
{
	expect_success(_metadata, variant, before_a_hole(variant->size), variant->size);
}

TEST_F(command, refuses_a_structure_that_reaches_into_a_hole)
{
	struct subject subject = new_subject();
	union argument arg = prepared(variant, subject.id);
	size_t there;

	for (there = 8; there < variant->size; there += 8) {
		void *place = before_a_hole(there);

		memcpy(place, &arg, there);
		EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, place)) {
			TH_LOG("with %zu bytes there", there);
		}
		EXPECT_EQ(0, memcmp(&arg, place, there));
	}
}

TEST_F(command, refuses_a_bad_address)
{
	struct subject subject = new_subject();

	EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, NULL));
	EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, unmapped()));
	EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, before_a_hole(0)));
	EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, (void *)-PAGE));
	EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, (void *)-1L));
	EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, of_the_kernel()));
}

TEST_F(command, needs_a_writable_structure_only_where_it_writes)
{
	struct subject subject = new_subject();
	union argument arg = prepared(variant, subject.id);
	void *place = before_a_hole(PAGE);

	memcpy(place, &arg, variant->size);
	ASSERT_EQ(0, mprotect(place, PAGE, PROT_READ));
	if (!writes(variant) || variant->may_be_untold) {
		EXPECT_EQ(0, call(subject.fd, command_of(variant->nr, variant->size), place));
	} else if (variant->late) {
		EXPECT_EQ(EFAULT, call(subject.fd, command_of(variant->nr, variant->size),
				       place));
	} else {
		EXPECT_EQ(EFAULT, refused(_metadata, variant, subject, place));
	}
	EXPECT_EQ(0, memcmp(&arg, place, variant->size));
}

static size_t first_size(const FIXTURE_VARIANT(command) *variant)
{
	return variant->first ? variant->first : variant->size;
}

/* As a program calls that was compiled long ago: the rest is not even there. */
TEST_F(command, works_with_the_structure_of_every_version)
{
	size_t size = variant->needed ?: first_size(variant);

	for (; size <= variant->size; size += 4) {
		struct subject subject = new_subject();
		union argument arg = prepared(variant, subject.id), after;
		unsigned char *place = before_a_hole(size);

		memcpy(place, &arg, size);
		EXPECT_EQ(0, call(subject.fd, command_of(variant->nr, size), place)) {
			TH_LOG("size %zu", size);
		}
		after = arg;
		memcpy(&after, place, size);
		check_written(_metadata, variant, size, &arg, after.bytes);
		drop_subject(subject);
	}
}

TEST_F(command, refuses_a_structure_shorter_than_its_first_version)
{
	struct subject subject = new_subject();
	union argument arg = prepared(variant, subject.id), before = arg;
	size_t size;

	for (size = 0; size < first_size(variant); size++) {
		EXPECT_EQ(EINVAL, refused_size(_metadata, variant, subject, &arg, size)) {
			TH_LOG("size %zu", size);
		}
	}
	EXPECT_EQ(0, memcmp(&before, &arg, sizeof(arg)));
}

TEST_F(command, works_with_a_longer_structure_and_leaves_its_tail_alone)
{
	union argument place;
	size_t sizes[] = { variant->size + 1, variant->size + 8, PAGE, sizeof(place) - 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		expect_success(_metadata, variant, place.bytes, sizes[i]);
	/* What lies behind the tail does not count. */
	expect_success(_metadata, variant, before_a_hole(sizes[1]), sizes[1]);
}

TEST_F(command, refuses_a_longer_structure_with_anything_in_its_tail)
{
	struct subject subject = new_subject();
	union argument clean = prepared(variant, subject.id);
	size_t spots[] = { 0, 1, 7, 8, 31, 1024 };
	size_t i;

	memset(clean.bytes + variant->size, 0, sizeof(clean) - variant->size);
	for (i = 0; i < ARRAY_SIZE(spots); i++) {
		union argument arg = clean;
		size_t spot = variant->size + spots[i];

		arg.bytes[spot] = 0x80;
		EXPECT_EQ(E2BIG, refused_size(_metadata, variant, subject, &arg, spot + 1)) {
			TH_LOG("dirty at %zu", spot);
		}
		arg.bytes[spot] = 0;
		EXPECT_EQ(0, memcmp(&clean, &arg, sizeof(arg)));
	}
}

TEST_F(command, refuses_every_flag_it_does_not_know)
{
	struct subject subject = new_subject();
	union argument clean = prepared(variant, subject.id);
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		union argument arg = clean;

		if (variant->flags & 1ULL << bit)
			continue;
		arg.flags |= 1ULL << bit;
		EXPECT_EQ(EINVAL, refused(_metadata, variant, subject, &arg)) {
			TH_LOG("bit %u", bit);
		}
		arg.flags = clean.flags;
		EXPECT_EQ(0, memcmp(&clean, &arg, sizeof(arg)));
	}
}

TEST_F(command, exists_only_with_its_magic_and_direction)
{
	static const unsigned int directions[] = { _IOC_NONE, _IOC_READ, _IOC_WRITE };
	struct subject subject = new_subject();
	union argument arg = prepared(variant, subject.id), before = arg;
	struct mbox_stat stat = state(subject.fd, subject.id);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		EXPECT_EQ(ENOTTY, call(subject.fd, _IOC(directions[i], MBOX_IOC_MAGIC, variant->nr,
							variant->size), &arg)) {
			TH_LOG("direction %u", directions[i]);
		}
	}
	EXPECT_EQ(ENOTTY, call(subject.fd, _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC ^ 1,
						variant->nr, variant->size), &arg));
	EXPECT_EQ(0, memcmp(&before, &arg, sizeof(arg)));
	EXPECT_TRUE(same_state(stat, state(subject.fd, subject.id)));
}

#ifdef __x86_64__
/* ioctl(2) as a 32-bit program calls it. */
static int call_as_32_bit(int fd, unsigned int command, void *place)
{
	long result;

	asm volatile("int $0x80" : "=a" (result)
		     : "a" (54), "b" (fd), "c" (command), "d" (place)
		     : "memory", "r8", "r9", "r10", "r11");
	return -result;
}

TEST_F(command, is_the_same_for_32_bit_programs)
{
	struct subject subject = new_subject();
	union argument arg = prepared(variant, subject.id);
	unsigned char *place = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int error;

	ASSERT_NE(MAP_FAILED, place);
	memcpy(place, &arg, variant->size);
	error = call_as_32_bit(subject.fd, command_of(variant->nr, variant->size), place);
	if (error == ENOSYS)
		SKIP(return, "this kernel runs no 32-bit programs");
	ASSERT_EQ(0, error);
	check_written(_metadata, variant, variant->size, &arg, place);
}
#endif

FIXTURE(table) {
	struct subject subject;
};

FIXTURE_SETUP(table)
{
	begin();
	self->subject = new_subject();
}

FIXTURE_TEARDOWN(table)
{
	sweep();
}

TEST_F(table, knows_no_other_command)
{
	struct mbox_stat before = state(self->subject.fd, self->subject.id);
	union argument arg;
	unsigned int nr;

	memset(&arg, 0, sizeof(arg));
	for (nr = 22; nr < 256; nr++) {
		EXPECT_EQ(ENOTTY, call(self->subject.fd, command_of(nr, 64), &arg)) {
			TH_LOG("number %u", nr);
		}
	}
	EXPECT_EQ(ENOTTY, call(self->subject.fd, 0, &arg));
	EXPECT_EQ(ENOTTY, call(self->subject.fd, -1U, &arg));
	EXPECT_TRUE(same_state(before, state(self->subject.fd, self->subject.id)));
}

TEST_F(table, tells_what_this_kernel_offers)
{
	struct mbox_info told = info(self->subject.fd);

	EXPECT_EQ(MBOX_FEATURE_BASE | MBOX_FEATURE_MODEL | MBOX_FEATURE_RIGHTS |
		  MBOX_FEATURE_CONVERSATION | MBOX_FEATURE_OBSERVATION, told.features);
	EXPECT_EQ(1, told.mailboxes);
	EXPECT_LT(0, told.limit_msgs);
	EXPECT_LT(0, told.limit_size);
	EXPECT_LE(told.limit_size, told.limit_bytes);
	EXPECT_LT(0, told.limit_mailboxes);
}

TEST_F(table, refuses_every_reserved_bit)
{
	struct subject s = self->subject;
	union argument of_call, of_reply, of_token;
	struct mbox_stat before;
	unsigned int bit;

	fill_reply(&of_reply, s.id);
	fill_token(&of_token, s.id);
	fill_call(&of_call, s.id);
	before = state(s.fd, s.id);
	for (bit = 0; bit < 32; bit++) {
		union argument arg;

		memset(&arg, POISON, sizeof(arg));
		fill_open(&arg, s.id);
		arg.open.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_OPEN, &arg));
		fill_send(&arg, s.id);
		arg.send.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_SEND, &arg));
		fill_send(&arg, s.id);
		arg.send.reserved2 = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_SEND, &arg));
		fill_transfer(&arg, s.id);
		arg.transfer.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_TRANSFER, &arg));
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_OFFER, &arg));
		fill_grants(&arg, s.id);
		arg.grants.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_GRANTS, &arg));
		fill_change(&arg, s.id);
		arg.change.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_CHANGE, &arg));
		fill_send_files(&arg, s.id);
		arg.send.reserved3 = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_SEND, &arg));
		fill_recv(&arg, s.id);
		arg.recv.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_RECV, &arg));
		arg = of_call;
		arg.call.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_CALL, &arg));
		arg = of_reply;
		arg.reply.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_REPLY, &arg));
		arg = of_token;
		arg.token.reserved = 1U << bit;
		EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_TOKEN, &arg));
	}
	EXPECT_EQ(1, info(s.fd).mailboxes);
	EXPECT_TRUE(same_state(before, state(s.fd, s.id)));
}

/* Each is known, but not where another one is, or is not. */
TEST_F(table, refuses_flags_that_do_not_go_together)
{
	static const struct {
		unsigned long command;
		__u64 flags;
	} refused[] = {
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_RESERVE },
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_BY_TAG },
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_SINGLE },
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_PAIR },
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_PROCESS },
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_BY_SENDER },
		{ MBOX_IOC_CREATE, MBOX_CREATE_INBOX | MBOX_CREATE_FILES },
		{ MBOX_IOC_OPEN, MBOX_OPEN_PIDFD },
		{ MBOX_IOC_OPEN, MBOX_OPEN_PARTICIPANT },
		{ MBOX_IOC_OPEN, MBOX_OPEN_INBOX | MBOX_OPEN_PIDFD | MBOX_OPEN_PARTICIPANT },
		{ MBOX_IOC_SEND, MBOX_SEND_PID | MBOX_SEND_PIDFD },
		{ MBOX_IOC_SEND, MBOX_SEND_PID | MBOX_SEND_PARTICIPANT },
		{ MBOX_IOC_SEND, MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT },
		{ MBOX_IOC_CALL, MBOX_CALL_PID | MBOX_CALL_PIDFD },
		{ MBOX_IOC_CALL, MBOX_CALL_PID | MBOX_CALL_PARTICIPANT },
		{ MBOX_IOC_CALL, MBOX_CALL_PIDFD | MBOX_CALL_PARTICIPANT },
		{ MBOX_IOC_RECV, MBOX_RECV_PEEK | MBOX_RECV_CHOICE },
		{ MBOX_IOC_RECV, MBOX_RECV_MATCH | MBOX_RECV_CHOICE },
		{ MBOX_IOC_RECV, MBOX_RECV_DIRECT | MBOX_RECV_CHOICE },
		{ MBOX_IOC_RECV, MBOX_RECV_PEEK | MBOX_RECV_ACCEPT },
		{ MBOX_IOC_RECV, MBOX_RECV_PEEK | MBOX_RECV_FILES },
		{ MBOX_IOC_RECV, MBOX_RECV_PEEK | MBOX_RECV_TOKEN },
		{ MBOX_IOC_RECV, MBOX_RECV_PEEK | MBOX_RECV_REPLY },
		{ MBOX_IOC_RECV, MBOX_RECV_PIDFD },
		{ MBOX_IOC_RECV, MBOX_RECV_PARTICIPANT },
		{ MBOX_IOC_RECV, MBOX_RECV_MATCH | MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT },
		{ MBOX_IOC_TOKEN, MBOX_TOKEN_PIDFD },
	};
	struct subject s = self->subject;
	union argument of_reply, of_token;
	struct mbox_stat before;
	size_t i;

	fill_reply(&of_reply, s.id);
	fill_token(&of_token, s.id);
	before = state(s.fd, s.id);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		union argument arg;

		memset(&arg, POISON, sizeof(arg));
		switch (refused[i].command) {
		case MBOX_IOC_CREATE:
			fill_create(&arg, 0);
			break;
		case MBOX_IOC_OPEN:
			fill_open(&arg, getpid());
			break;
		case MBOX_IOC_SEND:
			fill_send(&arg, getpid());
			break;
		case MBOX_IOC_CALL:
			arg.call = request(getpid());
			break;
		case MBOX_IOC_RECV:
			fill_recv(&arg, refused[i].flags & MBOX_RECV_DIRECT ? 0 : s.id);
			arg.recv.match = getpid();
			if (refused[i].flags & MBOX_RECV_CHOICE) {
				arg.recv.id = 0;
				arg.recv.ids = (uintptr_t)&s.id;
				arg.recv.nr_ids = 1;
			}
			arg.recv.reply = (uintptr_t)&of_reply;
			break;
		default:
			arg = of_token;
			arg.token.pid = getppid();
			break;
		}
		arg.flags = refused[i].flags;
		EXPECT_EQ(EINVAL, call(s.fd, refused[i].command, &arg)) {
			TH_LOG("command %lu with %llx", _IOC_NR(refused[i].command),
			       refused[i].flags);
		}
	}
	EXPECT_EQ(1, info(s.fd).mailboxes);
	EXPECT_TRUE(same_state(before, state(s.fd, s.id)));
}

/* One member is wrong; the rest is what works. */
TEST_F(table, refuses_members_out_of_their_range)
{
	struct subject s = self->subject;
	union argument of_reply, of_token, arg;
	struct mbox_stat before;

#define EXPECT_REFUSED(_command, _original, _change)				\
	do {									\
		arg = (_original);						\
		_change;							\
		EXPECT_EQ(EINVAL, call(s.fd, (_command), &arg)) {		\
			TH_LOG("%s", #_change);					\
		}								\
	} while (0)

	fill_reply(&of_reply, s.id);
	fill_token(&of_token, s.id);
	before = state(s.fd, s.id);
	memset(&arg, 0, sizeof(arg));

	fill_send_files(&arg, s.id);
	EXPECT_REFUSED(MBOX_IOC_SEND, arg, arg.send.nr_files = MBOX_FILES_MAX + 1);
	EXPECT_REFUSED(MBOX_IOC_SEND, arg, arg.send.nr_files = -1);

	fill_recv(&arg, s.id);
	EXPECT_REFUSED(MBOX_IOC_RECV, arg, arg.recv.nr_files = 1);
	arg.recv.flags |= MBOX_RECV_FILES;
	EXPECT_REFUSED(MBOX_IOC_RECV, arg, arg.recv.nr_files = MBOX_FILES_MAX + 1);
	EXPECT_REFUSED(MBOX_IOC_RECV, arg, arg.recv.nr_files = -1);
	fill_recv(&arg, s.id);
	arg.recv.flags |= MBOX_RECV_DIRECT;	/* and an id */
	EXPECT_EQ(EINVAL, call(s.fd, MBOX_IOC_RECV, &arg));

	arg.call = request(s.id);
	EXPECT_REFUSED(MBOX_IOC_CALL, arg, arg.call.prio = MBOX_PRIO_MAX + 1);
	arg.call = request(s.id);
	EXPECT_REFUSED(MBOX_IOC_CALL, arg, arg.call.nr_files = MBOX_FILES_MAX + 1);
	arg.call = request(s.id);
	EXPECT_REFUSED(MBOX_IOC_CALL, arg, arg.call.nr_reply_files = MBOX_FILES_MAX + 1);

	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.nr_files = MBOX_FILES_MAX + 1);
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.done = 1);
	/* To discard, there must be nothing but the token. */
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.flags = MBOX_REPLY_DISCARD);
	of_reply.reply = (struct mbox_reply){
		.flags = MBOX_REPLY_DISCARD, .token = of_reply.reply.token,
	};
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.buf = (uintptr_t)text);
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.len = 1);
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.tag = 1);
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.files = (uintptr_t)standard_input);
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.nr_files = 1);
	EXPECT_REFUSED(MBOX_IOC_REPLY, of_reply, arg.reply.flags |= MBOX_REPLY_SHARED);

	EXPECT_REFUSED(MBOX_IOC_TOKEN, of_token, arg.token.pid = getppid());
	of_token.token.flags = MBOX_TOKEN_PASS;
	EXPECT_REFUSED(MBOX_IOC_TOKEN, of_token, arg.token.pid = -1);

	fill_send_batch(&arg, s.id);
	EXPECT_REFUSED(MBOX_IOC_SEND_BATCH, arg, arg.batch.nr = 0);
	fill_send_batch(&arg, s.id);
	EXPECT_REFUSED(MBOX_IOC_SEND_BATCH, arg, arg.batch.nr = MBOX_BATCH_MAX + 1);
	fill_recv_batch(&arg, s.id);
	EXPECT_REFUSED(MBOX_IOC_RECV_BATCH, arg, arg.batch.nr = 0);
	fill_recv_batch(&arg, s.id);
	EXPECT_REFUSED(MBOX_IOC_RECV_BATCH, arg, arg.batch.nr = MBOX_BATCH_MAX + 1);
#undef EXPECT_REFUSED

	EXPECT_EQ(1, info(s.fd).mailboxes);
	EXPECT_TRUE(same_state(before, state(s.fd, s.id)));
	/* What they were refused does not use a token up. */
	EXPECT_EQ(0, call(s.fd, MBOX_IOC_REPLY, &of_reply));
}

/* Those of a process that is not there, or of nobody. */
TEST_F(table, knows_no_token_but_those_that_it_gave)
{
	struct subject s = self->subject;
	union argument arg;
	__u64 token;
	pid_t child;

	fill_token(&arg, s.id);
	token = arg.token.token;
	EXPECT_EQ(0, call(s.fd, MBOX_IOC_TOKEN, &arg));
	for (arg.token.token = token + 1; arg.token.token < token + 100; arg.token.token++)
		EXPECT_EQ(EBADR, call(s.fd, MBOX_IOC_TOKEN, &arg));
	arg.token.token = 0;
	EXPECT_EQ(EBADR, call(s.fd, MBOX_IOC_TOKEN, &arg));
	arg.token.token = ~0ULL;
	EXPECT_EQ(EBADR, call(s.fd, MBOX_IOC_TOKEN, &arg));
	arg.token.token = token;
	child = spawn();
	if (!child)
		_exit(call(s.fd, MBOX_IOC_TOKEN, &arg));
	EXPECT_EQ(EBADR, join(child));
	EXPECT_EQ(0, call(s.fd, MBOX_IOC_TOKEN, &arg));
}

/*
 * The items of a batch are structures like those of the commands.
 */

static int send_items(int fd, void *items, uint32_t nr, uint32_t size, uint32_t *done)
{
	struct mbox_batch batch = { .items = (uintptr_t)items, .nr = nr, .size = size };
	int error;

	memset(&batch.done, POISON, sizeof(batch.done));
	error = call(fd, MBOX_IOC_SEND_BATCH, &batch);
	*done = batch.done;
	return error ?: -batch.error;
}

TEST_F(table, takes_the_items_of_a_batch_of_every_version)
{
	static const struct mbox_create attr = {
		.max_msgs = MBOX_UNBOUNDED,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
		.max_size = 64,
		.mode = 0600,
	};
	size_t first = UP_TO(mbox_send, reserved2), size, whole = sizeof(struct mbox_send);
	int fd = self->subject.fd;
	uint64_t id = create(fd, attr), sent = 0;
	struct mbox_send send = plain_send(id);
	uint32_t done;

	for (size = 0; size < whole + 16; size++) {
		unsigned char *items = before_a_hole(2 * size);
		size_t i;

		memset(items, 0, 2 * size);
		for (i = 0; i < 2; i++)
			memcpy(items + i * size, &send, size < whole ? size : whole);
		if (size < first) {
			EXPECT_EQ(EINVAL, send_items(fd, items, 2, size, &done)) {
				TH_LOG("size %zu", size);
			}
			continue;
		}
		EXPECT_EQ(0, send_items(fd, items, 2, size, &done)) {
			TH_LOG("size %zu", size);
		}
		EXPECT_EQ(2, done);
		sent += 2;
		EXPECT_EQ(sent, state(fd, id).sent);
		if (size <= whole)
			continue;
		/* The tail of the second is not clean, then that of the first. */
		items[2 * size - 1] = 1;
		EXPECT_EQ(E2BIG, send_items(fd, items, 2, size, &done));
		EXPECT_EQ(1, done);
		items[size - 1] = 1;
		EXPECT_EQ(E2BIG, send_items(fd, items, 2, size, &done));
		EXPECT_EQ(++sent, state(fd, id).sent);
	}
}

TEST_F(table, tells_each_item_of_a_batch_as_much_as_it_knows)
{
	size_t first = UP_TO(mbox_recv, nth), size;
	struct subject s = self->subject;

	for (size = first; size <= sizeof(struct mbox_recv); size += 4) {
		struct mbox_batch batch = { .nr = 2, .size = size };
		unsigned char *items = before_a_hole(2 * size);
		union argument before, after;
		const struct field outputs[] = { RECV_OUTPUTS };
		size_t i, j;

		ASSERT_EQ(0, post(s.fd, s.id, "second", 2));
		memset(&before, POISON, sizeof(before));
		fill_recv(&before, s.id);
		for (i = 0; i < 2; i++)
			memcpy(items + i * size, &before, size);
		batch.items = (uintptr_t)items;
		EXPECT_EQ(0, call(s.fd, MBOX_IOC_RECV_BATCH, &batch));
		EXPECT_EQ(2, batch.done);
		EXPECT_EQ(0, batch.error);
		for (i = 0; i < 2; i++) {
			after = before;
			memcpy(&after, items + i * size, size);
			for (j = 0; j < ARRAY_SIZE(outputs); j++) {
				size_t end = outputs[j].offset + outputs[j].size;

				EXPECT_TRUE(end > size ||
					    memcmp(before.bytes + outputs[j].offset,
						   after.bytes + outputs[j].offset,
						   outputs[j].size)) {
					TH_LOG("output at %zu", outputs[j].offset);
				}
				memcpy(after.bytes + outputs[j].offset,
				       before.bytes + outputs[j].offset, outputs[j].size);
			}
			EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
		}
		ASSERT_EQ(0, post(s.fd, s.id, "first", 3));
	}
}

TEST_F(table, stops_a_batch_where_its_items_cannot_be_read)
{
	struct subject s = self->subject;
	struct mbox_stat before = state(s.fd, s.id);
	struct mbox_send send = plain_send(s.id), *items = before_a_hole(sizeof(send));
	uint32_t done;

	*items = send;
	EXPECT_EQ(EFAULT, send_items(s.fd, items, 2, sizeof(send), &done));
	EXPECT_EQ(1, done);
	EXPECT_EQ(before.sent + 1, state(s.fd, s.id).sent);
	EXPECT_EQ(EFAULT, send_items(s.fd, unmapped(), 2, sizeof(send), &done));
	EXPECT_EQ(EFAULT, send_items(s.fd, NULL, 1, sizeof(send), &done));
	EXPECT_EQ(EFAULT, send_items(s.fd, (void *)-PAGE, 1, sizeof(send), &done));
	EXPECT_EQ(before.sent + 1, state(s.fd, s.id).sent);
}

/* A batch that could not tell how far it came does nothing. */
TEST_F(table, begins_no_batch_that_it_cannot_end)
{
	struct subject s = self->subject;
	struct mbox_stat before = state(s.fd, s.id);
	struct mbox_batch *place = before_a_hole(PAGE);
	union argument arg;

	fill_send_batch(&arg, s.id);
	*place = arg.batch;
	ASSERT_EQ(0, mprotect(place, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, call(s.fd, MBOX_IOC_SEND_BATCH, place));
	EXPECT_TRUE(same_state(before, state(s.fd, s.id)));
}

/*
 * The reply that goes before a receive is a structure like that of its command.
 */

static int reply_and_receive(struct subject s, void *reply)
{
	union argument arg;

	memset(&arg, POISON, sizeof(arg));
	fill_recv(&arg, s.id);
	arg.recv.flags |= MBOX_RECV_REPLY;
	arg.recv.reply = (uintptr_t)reply;
	return call(s.fd, MBOX_IOC_RECV, &arg);
}

TEST_F(table, checks_the_reply_of_a_receive_like_any_other)
{
	struct subject s = self->subject;
	struct mbox_stat before;
	union argument of_reply, arg;
	unsigned int bit;

	fill_reply(&of_reply, s.id);
	before = state(s.fd, s.id);
	for (bit = 0; bit < 64; bit++) {
		arg = of_reply;
		arg.reply.flags |= 1ULL << bit;
		if (1ULL << bit != MBOX_REPLY_SHARED)
			EXPECT_EQ(EINVAL, reply_and_receive(s, &arg)) {
				TH_LOG("bit %u", bit);
			}
		arg = of_reply;
		arg.reply.reserved = 1U << bit % 32;
		EXPECT_EQ(EINVAL, reply_and_receive(s, &arg));
		arg.reply.reserved = 0;
		EXPECT_EQ(0, memcmp(&of_reply.reply, &arg.reply, sizeof(arg.reply)));
	}
	arg = of_reply;
	arg.reply.token++;
	EXPECT_EQ(EBADR, reply_and_receive(s, &arg));
	EXPECT_EQ(0, arg.reply.done);
	EXPECT_EQ(EFAULT, reply_and_receive(s, NULL));
	EXPECT_EQ(EFAULT, reply_and_receive(s, unmapped()));
	EXPECT_EQ(EFAULT, reply_and_receive(s, (void *)-PAGE));
	EXPECT_TRUE(same_state(before, state(s.fd, s.id)));
}

TEST_F(table, replies_before_a_receive_wherever_the_reply_stands)
{
	struct subject s = self->subject;
	unsigned int shift;

	for (shift = 0; shift <= 8; shift++) {
		unsigned char *place = before_a_hole(sizeof(struct mbox_reply) + shift);
		union argument before, after;

		fill_reply(&before, s.id);
		memset(&before.reply.result, POISON, sizeof(before.reply.result));
		memcpy(place, &before.reply, sizeof(before.reply));
		EXPECT_EQ(0, reply_and_receive(s, place)) {
			TH_LOG("%u bytes before the page ends", shift);
		}
		memcpy(&after.reply, place, sizeof(after.reply));
		EXPECT_EQ(0, after.reply.result);
		EXPECT_EQ(1, after.reply.done);
		after.reply.result = before.reply.result;
		after.reply.done = before.reply.done;
		EXPECT_EQ(0, memcmp(&before.reply, &after.reply, sizeof(after.reply)));
		EXPECT_EQ(0, state(s.fd, s.id).requests);
		ASSERT_EQ(0, post(s.fd, s.id, "next", 0));
	}
}

/* What cannot be told of the reply is found out before it is made. */
TEST_F(table, does_not_reply_where_it_could_not_tell)
{
	struct mbox_reply *place = before_a_hole(PAGE);
	struct subject s = self->subject;
	struct mbox_stat before;
	union argument arg;

	fill_reply(&arg, s.id);
	before = state(s.fd, s.id);
	*place = arg.reply;
	ASSERT_EQ(0, mprotect(place, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, reply_and_receive(s, place));
	EXPECT_TRUE(same_state(before, state(s.fd, s.id)));
}

TEST_F(table, creates_nothing_when_the_id_cannot_be_told)
{
	struct mbox_create attr = attributes(4, 64), *place = before_a_hole(PAGE);
	int fd = device(O_RDWR);
	struct mbox_stat unbound;

	attr.flags = MBOX_CREATE_BIND;
	set_name(attr.name, "untold");
	*place = attr;
	ASSERT_EQ(0, mprotect(place, PAGE, PROT_READ));
	EXPECT_EQ(EFAULT, call(fd, MBOX_IOC_CREATE, place));
	EXPECT_EQ(1, info(fd).mailboxes);
	EXPECT_EQ(ENOTCONN, try_stat(fd, 0, 0, &unbound));
	EXPECT_EQ(0, call(fd, MBOX_IOC_CREATE, &attr));
}

/*
 * The header says which error goes first. Everything from the n-th error on is
 * wrong at once, so that the n-th must be the one that is told.
 */

FIXTURE(order) {
	int fd, read_only, write_only;
	uint64_t locked, full;
};

FIXTURE_SETUP(order)
{
	struct mbox_create attr = attributes(1, 8);

	begin();
	self->fd = device(O_RDWR);
	self->read_only = device(O_RDONLY);
	self->write_only = device(O_WRONLY);
	attr.mode = 0;
	self->locked = create(self->fd, attr);
	attr.mode = 0666;
	self->full = create(self->fd, attr);
	ASSERT_EQ(0, post(self->fd, self->full, "12345678", 0));
}

FIXTURE_TEARDOWN(order)
{
	reset_tunables();
	sweep();
}

enum { DIRTY_TAIL, FLAG, FD, ID, RIGHT, LENGTH, ADDRESS, STATE, NOTHING };

static const int expected_errors[] = {
	[DIRTY_TAIL] = E2BIG, [FLAG] = EINVAL, [FD] = EBADF, [ID] = ENOENT, [RIGHT] = EACCES,
	[LENGTH] = EMSGSIZE, [ADDRESS] = EFAULT, [STATE] = EAGAIN, [NOTHING] = 0,
};

static uint64_t id_for(int first_wrong, uint64_t locked, uint64_t full)
{
	if (first_wrong <= ID)
		return 1ULL << 60;
	return first_wrong <= RIGHT ? locked : full;
}

TEST_F(order, of_errors_is_that_of_the_header_when_sending_and_calling)
{
	/* The first members of both structures are the same. */
	static const unsigned long commands[] = { MBOX_IOC_SEND, MBOX_IOC_CALL };
	struct mbox_stat before = state(self->fd, self->full);
	void *bad = unmapped();
	int try;

	for (try = 0; try < 2 * NOTHING; try++) {
		unsigned long command = commands[try / NOTHING];
		size_t size = _IOC_SIZE(command);
		int wrong = try % NOTHING, fd = wrong <= FD ? self->read_only : self->write_only;
		union argument arg = { .send = {
			.flags = MBOX_SEND_NONBLOCK | (wrong <= FLAG ? 1ULL << 63 : 0),
			.id = id_for(wrong, self->locked, self->full),
			.buf = wrong <= ADDRESS ? (uintptr_t)bad : (uintptr_t)text,
			.len = wrong <= LENGTH ? 9 : 8,
		} };
		pid_t child;

		arg.bytes[size] = wrong == DIRTY_TAIL;
		child = spawn();
		if (!child) {
			become(1000, 1000);
			_exit(call(fd, command_of(_IOC_NR(command), size + 1), &arg));
		}
		EXPECT_EQ(expected_errors[wrong], join(child)) {
			TH_LOG("command %lu", _IOC_NR(command));
		}
	}
	/* Each found it full once. */
	before.refused += 2;
	EXPECT_TRUE(same_state(before, state(self->fd, self->full)));
	EXPECT_EQ(0, state(self->fd, self->locked).sent);
}

/* Whatever else it has no room for, who may not is told that. */
TEST_F(order, has_the_right_before_any_quota)
{
	static const unsigned long commands[] = { MBOX_IOC_SEND, MBOX_IOC_CALL };
	union argument arg = { .send = { .flags = MBOX_SEND_NONBLOCK, .id = self->locked } };
	size_t i;

	ASSERT_EQ(0, set_tunable("user_bytes", 0));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		pid_t child = spawn();

		if (!child) {
			become(1000, 1000);
			_exit(call(self->fd, commands[i], &arg));
		}
		EXPECT_EQ(EACCES, join(child)) {
			TH_LOG("command %lu", _IOC_NR(commands[i]));
		}
	}
}

TEST_F(order, of_errors_is_that_of_the_header_when_receiving)
{
	struct mbox_stat before = state(self->fd, self->full);
	void *bad = unmapped();
	int wrong;

	for (wrong = DIRTY_TAIL; wrong <= ADDRESS; wrong++) {
		int fd = wrong <= FD ? self->write_only : self->read_only;
		union argument arg = { .recv = {
			.flags = MBOX_RECV_NONBLOCK | (wrong <= FLAG ? 1ULL << 63 : 0),
			.id = id_for(wrong, self->locked, self->full),
			.buf = (uintptr_t)bad,
			.size = wrong <= LENGTH ? 7 : 8,
		} };
		pid_t child;

		arg.bytes[sizeof(arg.recv)] = wrong == DIRTY_TAIL;
		child = spawn();
		if (!child) {
			become(1000, 1000);
			_exit(call(fd, command_of(4, sizeof(arg.recv) + 1), &arg));
		}
		EXPECT_EQ(expected_errors[wrong], join(child));
	}
	/* The message that could not be delivered may have filled it once more. */
	EXPECT_GE(1, state(self->fd, self->full).filled - before.filled);
	before.filled = state(self->fd, self->full).filled;
	EXPECT_TRUE(same_state(before, state(self->fd, self->full)));
}

TEST_F(order, of_errors_is_that_of_the_header_for_what_needs_only_a_mailbox)
{
	static const unsigned int commands[] = {
		MBOX_IOC_OPEN, MBOX_IOC_DELETE, MBOX_IOC_STAT, MBOX_IOC_ACCEPT, MBOX_IOC_CLAIM,
		MBOX_IOC_GRANTS,
	};
	int wrong;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		for (wrong = DIRTY_TAIL; wrong <= RIGHT; wrong++) {
			unsigned int nr = _IOC_NR(commands[i]), size = _IOC_SIZE(commands[i]);
			uint64_t id = id_for(wrong, self->locked, self->full);
			union argument arg = { };
			pid_t child;

			if (wrong == FD)
				continue;
			arg.flags = wrong <= FLAG ? 1ULL << 63 : 0;
			if (commands[i] == MBOX_IOC_OPEN)
				arg.open.id = id;
			else	/* the second member of all others */
				arg.take.id = id;
			arg.bytes[size] = wrong == DIRTY_TAIL;
			child = spawn();
			if (!child) {
				become(1000, 1000);
				_exit(call(self->fd, command_of(nr, size + 1), &arg));
			}
			EXPECT_EQ(expected_errors[wrong], join(child)) {
				TH_LOG("command %u", nr);
			}
		}
	}
	EXPECT_EQ(2, info(self->fd).mailboxes);
}

/* For what is about a process, which is the next to be wrong. */
enum { KIND = RIGHT + 1, PROCESS, PERMISSION };

static int closed_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* A descriptor of a process that has ended, or of one that is not ours. */
static int pidfd_of(bool living)
{
	pid_t pid = living ? getppid() : spawn();
	int fd;

	if (!pid)
		_exit(0);
	fd = syscall(SYS_pidfd_open, pid, 0);
	NEED(fd >= 0);
	if (!living)
		NEED(!join(pid));
	return fd;
}

/* Everything from the error @wrong on is wrong. */
static int try_about_a_process(int fd, unsigned int command, int wrong, uint64_t locked)
{
	unsigned int nr = _IOC_NR(command), size = _IOC_SIZE(command);
	struct mbox_create attr = attributes(1, 8);
	union argument arg = { };
	uint64_t own;

	become(1000, 1000);
	if (wrong == KIND) {
		attr.flags = MBOX_CREATE_PROCESS;
		attr.mode = 0200;
	}
	own = create(fd, attr);
	if (nr == _IOC_NR(MBOX_IOC_GRANT) || nr == _IOC_NR(MBOX_IOC_REVOKE))
		arg.grant.rights = MBOX_RIGHT_RECV;
	/* The same flag and members in both structures. */
	arg.transfer.flags = MBOX_TRANSFER_PIDFD | (wrong <= FLAG ? 1ULL << 63 : 0);
	if (command == MBOX_IOC_GRANT || command == MBOX_IOC_REVOKE)
		arg.grant.flags = MBOX_GRANT_PIDFD | (wrong <= FLAG ? 1ULL << 63 : 0);
	arg.transfer.id = wrong <= ID ? 1ULL << 60 : wrong <= RIGHT ? locked : own;
	arg.transfer.pid = wrong <= FD ? closed_descriptor() : pidfd_of(wrong == PERMISSION);
	arg.bytes[size] = wrong == DIRTY_TAIL;
	return call(fd, command_of(nr, size + 1), &arg);
}

TEST_F(order, of_errors_is_that_of_the_header_for_what_is_about_a_process)
{
	static const unsigned int commands[] = {
		MBOX_IOC_TRANSFER, MBOX_IOC_OFFER, MBOX_IOC_GRANT, MBOX_IOC_REVOKE,
	};
	static const int errors[] = {
		[DIRTY_TAIL] = E2BIG, [FLAG] = EINVAL, [FD] = EBADF, [ID] = ENOENT,
		[RIGHT] = EACCES, [KIND] = EOPNOTSUPP, [PROCESS] = ESRCH, [PERMISSION] = EPERM,
	};
	size_t i;
	int wrong;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		/* Only a transfer asks whether the process may be signalled. */
		int last = commands[i] == MBOX_IOC_TRANSFER ? PERMISSION : PROCESS;

		for (wrong = DIRTY_TAIL; wrong <= last; wrong++) {
			pid_t child = spawn();

			if (!child)
				_exit(try_about_a_process(self->fd, commands[i], wrong,
							  self->locked));
			EXPECT_EQ(errors[wrong], join(child)) {
				TH_LOG("command %zu", i);
			}
		}
	}
}

TEST_HARNESS_MAIN
