// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a mailbox counts: sends that were refused, receipts out of order, how often it
 * was full, and how long messages lay in it.
 */
#include "direct.h"
#include "call.h"

#include <linux/genetlink.h>
#include <linux/mbox_netlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#define SIZE	16
#define WHOLE	"sixteen bytes.."	/* and its NUL */

_Static_assert(sizeof(WHOLE) == SIZE, "as large as a message may be");

/*
 * The histogram, over generic netlink.
 */

struct answer {
	struct nlmsghdr header;
	struct genlmsghdr genl;
	char attrs[4096];
};

#define ATTRS_OF(answer) ((answer)->header.nlmsg_len - offsetof(struct answer, attrs))

static const void *attribute(const struct answer *answer, int type, size_t *size)
{
	const char *at = answer->attrs, *end = at + ATTRS_OF(answer);

	while (at < end) {
		const struct nlattr *attr = (const struct nlattr *)at;

		*size = attr->nla_len - NLA_HDRLEN;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return at + NLA_HDRLEN;
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

/* Ask with one attribute, and have the answer. */
static void converse(int family, int command, int type, const void *value, size_t size,
		     struct answer *answer)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr header;
		struct genlmsghdr genl;
		struct nlattr attr;
		char value[64];
	} request = {
		.header = {
			.nlmsg_len = offsetof(typeof(request), value) + NLA_ALIGN(size),
			.nlmsg_type = family,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.genl = { .cmd = command, .version = 1 },
		.attr = { .nla_len = NLA_HDRLEN + size, .nla_type = type },
	};
	ssize_t len;

	NEED(sock >= 0 && size <= sizeof(request.value));
	memcpy(request.value, value, size);
	NEED(sendto(sock, &request, request.header.nlmsg_len, 0, (struct sockaddr *)&kernel,
		    sizeof(kernel)) == (ssize_t)request.header.nlmsg_len);
	len = recv(sock, answer, sizeof(*answer), 0);
	NEED(len >= (ssize_t)offsetof(struct answer, attrs));
	NEED(answer->header.nlmsg_len == (size_t)len && answer->header.nlmsg_type == family);
	close(sock);
}

static int family_id(void)
{
	static int family;
	struct answer answer;
	const void *id;
	size_t size;

	if (family)
		return family;
	converse(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, MBOX_GENL_NAME,
		 sizeof(MBOX_GENL_NAME), &answer);
	id = attribute(&answer, CTRL_ATTR_FAMILY_ID, &size);
	NEED(id && size == sizeof(uint16_t));
	family = *(const uint16_t *)id;
	return family;
}

struct waited {
	uint64_t bucket[MBOX_WAITED_BUCKETS];
};

static struct waited waited(uint64_t id)
{
	struct waited result;
	struct answer answer;
	const void *value;
	size_t size;

	converse(family_id(), MBOX_CMD_GET, MBOX_A_ID, &id, sizeof(id), &answer);
	value = attribute(&answer, MBOX_A_WAITED, &size);
	NEED(value && size == sizeof(result));
	memcpy(&result, value, sizeof(result));
	return result;
}

static uint64_t total(const struct waited *waited)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < MBOX_WAITED_BUCKETS; i++)
		sum += waited->bucket[i];
	return sum;
}

/* As documented: where a time belongs. */
static int bucket_of(uint64_t ns)
{
	uint64_t bound = MBOX_WAITED_FIRST;
	int i = 0;

	while (ns >= bound && i < MBOX_WAITED_BUCKETS - 1) {
		bound *= 2;
		i++;
	}
	return i;
}

/* The one in which there is one more than before. */
static int grown(const struct waited *before, const struct waited *after)
{
	int i, found = -1;

	for (i = 0; i < MBOX_WAITED_BUCKETS; i++) {
		if (after->bucket[i] == before->bucket[i])
			continue;
		if (found >= 0 || after->bucket[i] != before->bucket[i] + 1)
			return -1;
		found = i;
	}
	return found;
}

/*
 * Calls.
 */

static int take_signals_once(struct puppet *me)
{
	(void)me;
	take_signals(0);
	return 0;
}

static int take_signals_and_restart(struct puppet *me)
{
	(void)me;
	take_signals(SA_RESTART);
	return 0;
}

static struct mbox_send at(uint64_t id, uint64_t flags, uint64_t time)
{
	return (struct mbox_send){ .id = id, .flags = flags, .deadline = time, .expires = time };
}

static int send_tagged(int fd, uint64_t id, const char *text, uint64_t tag, uint32_t prio)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_NONBLOCK, .id = id, .tag = tag, .prio = prio,
	};

	return send_as(fd, text, &how);
}

static struct mbox_recv picks(uint64_t id, uint64_t flags, uint64_t match)
{
	return (struct mbox_recv){
		.flags = MBOX_RECV_NONBLOCK | flags, .id = id, .match = match,
	};
}

/* A call that is refused at once, or gives up; nobody replies. */
static int try_call(int fd, uint64_t id, uint64_t flags, uint64_t deadline)
{
	struct mbox_call how = {
		.flags = flags, .id = id, .buf = (uintptr_t)WHOLE, .len = SIZE,
		.deadline = deadline,
	};

	return call(fd, MBOX_IOC_CALL, &how);
}

/*
 * Refused: for want of room.
 */

FIXTURE(full) {
	int fd;
	uint64_t id;
	struct puppet *sender;
};

FIXTURE_VARIANT(full) {
	struct mbox_create attr;
	bool rendezvous;
};

FIXTURE_VARIANT_ADD(full, by_messages) {
	.attr = { .max_msgs = 1, .max_bytes = MBOX_UNBOUNDED_BYTES },
};

FIXTURE_VARIANT_ADD(full, by_bytes) {
	.attr = { .max_msgs = MBOX_UNBOUNDED, .max_bytes = SIZE },
};

FIXTURE_VARIANT_ADD(full, reserved) {
	.attr = {
		.flags = MBOX_CREATE_RESERVE, .max_msgs = 1, .max_bytes = MBOX_UNBOUNDED_BYTES,
	},
};

/* Full in so far as nobody receives. */
FIXTURE_VARIANT_ADD(full, rendezvous) {
	.rendezvous = true,
};

FIXTURE_SETUP(full)
{
	struct mbox_create attr = variant->attr;

	begin_accounts();
	self->fd = device(O_RDWR);
	attr.max_size = SIZE;
	attr.mode = 0600;
	self->id = create(self->fd, attr);
	self->sender = new_actor(self->fd, 0);
	if (!variant->rendezvous)
		NEED(!send_bytes(self->fd, self->id, WHOLE, SIZE, 0, MBOX_SEND_NONBLOCK, 0));
	NEED(!state(self->fd, self->id).refused);
}

FIXTURE_TEARDOWN(full)
{
	end_cast(self->fd);
}

static void expect_refused(struct __test_metadata *_metadata, int fd, uint64_t id, uint64_t count)
{
	EXPECT_EQ(count, state(fd, id).refused);
}

#define EXPECT_REFUSED(count) expect_refused(_metadata, self->fd, self->id, count)

TEST_F(full, refuses_and_counts_a_send_that_does_not_wait)
{
	struct mbox_stat stat = state(self->fd, self->id);

	EXPECT_EQ(EAGAIN, post(self->fd, self->id, "a", 0));
	EXPECT_REFUSED(1);
	EXPECT_EQ(EAGAIN, post(self->fd, self->id, "a", MBOX_PRIO_MAX));
	EXPECT_REFUSED(2);
	stat.refused = 2;
	EXPECT_TRUE(same_state(stat, state(self->fd, self->id)));
}

TEST_F(full, refuses_and_counts_a_write)
{
	int fd = descriptor(self->id, O_RDWR | O_NONBLOCK);

	EXPECT_EQ(EAGAIN, error_of(write(fd, "a", 1)));
	EXPECT_REFUSED(1);
	EXPECT_EQ(0, error_of(write(fd, "a", 0)));
	EXPECT_REFUSED(1);
}

TEST_F(full, refuses_and_counts_a_call)
{
	EXPECT_EQ(EAGAIN, try_call(self->fd, self->id, MBOX_CALL_NONBLOCK, 0));
	EXPECT_REFUSED(1);
	EXPECT_EQ(ETIMEDOUT, try_call(self->fd, self->id, MBOX_CALL_TIMEOUT, 1));
	EXPECT_REFUSED(2);
	EXPECT_EQ(ETIMEDOUT, try_call(self->fd, self->id, MBOX_CALL_TIMEOUT, now() + 20 * MSEC));
	EXPECT_REFUSED(3);
}

TEST_F(full, counts_a_batch_by_the_item_that_was_refused)
{
	struct mbox_send items[3] = { };
	struct mbox_batch batch = {
		.items = (uintptr_t)items, .nr = 3, .size = sizeof(items[0]),
	};
	int i;

	for (i = 0; i < 3; i++) {
		items[i] = at(self->id, MBOX_SEND_NONBLOCK, 0);
		items[i].buf = (uintptr_t)WHOLE;
		items[i].len = SIZE;
	}
	EXPECT_EQ(EAGAIN, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	EXPECT_REFUSED(1);
}

TEST_F(full, counts_one_whose_deadline_had_passed)
{
	struct mbox_send how = at(self->id, MBOX_SEND_TIMEOUT, 1);

	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(1);
}

TEST_F(full, counts_one_whose_deadline_passes)
{
	struct mbox_send how = at(self->id, MBOX_SEND_TIMEOUT, now() + 20 * MSEC);

	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(1);
}

TEST_F(full, counts_one_whose_message_expires)
{
	struct mbox_send how = at(self->id, MBOX_SEND_EXPIRES, now() + 20 * MSEC);

	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(1);
	EXPECT_EQ(0, state(self->fd, self->id).expired);
}

TEST_F(full, counts_a_synchronous_send_once)
{
	struct mbox_send how = at(self->id, MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK, 0);

	EXPECT_EQ(EAGAIN, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(1);
	how = at(self->id, MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT, now() + 20 * MSEC);
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(2);
	how = at(self->id, MBOX_SEND_SYNC | MBOX_SEND_EXPIRES, now() + 20 * MSEC);
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(3);
}

TEST_F(full, does_not_count_one_that_waits_and_is_let_in)
{
	struct letter letter;

	begin_send(self->sender, at(self->id, 0, 0), "a");
	wait_for_senders(self->fd, self->id, 1);
	EXPECT_REFUSED(0);
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	EXPECT_EQ(0, end_act(self->sender));
	EXPECT_REFUSED(0);
}

TEST_F(full, does_not_count_one_that_a_signal_ends)
{
	NEED(!ask(self->sender, take_signals_once));
	begin_send(self->sender, at(self->id, 0, 0), "a");
	wait_for_senders(self->fd, self->id, 1);
	NEED(!kill(self->sender->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_act(self->sender));
	EXPECT_EQ(0, state(self->fd, self->id).senders);
	EXPECT_REFUSED(0);
}

TEST_F(full, does_not_count_one_that_is_restarted)
{
	struct letter letter;

	NEED(!ask(self->sender, take_signals_and_restart));
	begin_send(self->sender, at(self->id, 0, 0), "a");
	wait_for_senders(self->fd, self->id, 1);
	NEED(!kill(self->sender->pid, SIGUSR1));
	/* Whether it has been already cannot be seen: either way it is not refused. */
	wait_for_senders(self->fd, self->id, 1);
	EXPECT_REFUSED(0);
	ASSERT_EQ(0, fetch_and_wait(self->fd, self->id, &letter));
	EXPECT_EQ(0, end_act(self->sender));
	EXPECT_REFUSED(0);
}

TEST_F(full, does_not_count_one_whose_process_is_killed)
{
	begin_send(self->sender, at(self->id, 0, 0), "a");
	wait_for_senders(self->fd, self->id, 1);
	NEED(kill_puppet(self->sender) == -SIGKILL);
	nr_cast--;
	wait_for_senders(self->fd, self->id, 0);
	EXPECT_REFUSED(0);
}

TEST_F(full, does_not_count_one_that_loses_its_right)
{
	struct puppet *stranger = new_actor(self->fd, STRANGER);
	struct puppet *me = myself(self->fd);

	NEED(!grant_by(me, self->id, stranger->pid, MBOX_RIGHT_SEND));
	begin_send(stranger, at(self->id, 0, 0), "a");
	wait_for_senders(self->fd, self->id, 1);
	NEED(!revoke_by(me, self->id, stranger->pid, MBOX_RIGHT_SEND));
	EXPECT_EQ(EKEYREVOKED, end_act(stranger));
	EXPECT_REFUSED(0);
	EXPECT_EQ(EACCES, post_by(stranger, self->id, "a"));
	EXPECT_REFUSED(0);
}

TEST_F(full, does_not_count_what_has_other_reasons)
{
	struct mbox_send how = at(self->id, 1ULL << 63, 0);
	struct letter letter;

	EXPECT_EQ(EMSGSIZE, send_bytes(self->fd, self->id, WHOLE "!", SIZE + 1, 0,
				       MBOX_SEND_NONBLOCK, 0));
	EXPECT_EQ(EINVAL, send_as(self->fd, "a", &how));
	EXPECT_EQ(EBADF, post(device(O_RDONLY), self->id, "a", 0));
	/* The bytes come after the wait for a buffer, and before that for room. */
	if (!(variant->attr.flags & MBOX_CREATE_RESERVE))
		EXPECT_EQ(EFAULT, send_bytes(self->fd, self->id, unmapped(), 1, 0,
					     MBOX_SEND_NONBLOCK, 0));
	/* It need not have looked for room. */
	how = at(self->id, MBOX_SEND_EXPIRES, 1);
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_REFUSED(0);

	if (!variant->rendezvous)
		ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	EXPECT_EQ(EAGAIN, fetch(self->fd, self->id, &letter));
	EXPECT_EQ(ETIMEDOUT, receive(self->fd, self->id, MBOX_RECV_TIMEOUT, 1, &letter));
	EXPECT_REFUSED(0);
}

/*
 * Refused: behind others, in shares, by the system's limit, by process.
 */

FIXTURE(refusal) {
	int fd;
};

FIXTURE_SETUP(refusal)
{
	begin_accounts();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(refusal)
{
	end_cast(self->fd);
}

TEST_F(refusal, is_counted_behind_a_sender_that_waits)
{
	struct mbox_create attr = {
		.max_msgs = MBOX_UNBOUNDED, .max_bytes = SIZE, .max_size = SIZE, .mode = 0600,
	};
	struct puppet *sender = new_actor(self->fd, 0);
	uint64_t id = create(self->fd, attr);
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	begin_send(sender, at(id, 0, 0), "sixteen bytes...");
	wait_for_senders(self->fd, id, 1);
	/* There is room for it, but not its turn. */
	EXPECT_EQ(EAGAIN, post(self->fd, id, "b", 0));
	expect_refused(_metadata, self->fd, id, 1);
	EXPECT_EQ(0, post(self->fd, id, "c", 1));
	expect_refused(_metadata, self->fd, id, 1);
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	EXPECT_EQ(0, end_act(sender));
	expect_refused(_metadata, self->fd, id, 1);
}

TEST_F(refusal, is_counted_of_a_synchronous_send_that_nobody_receives)
{
	uint64_t id = create(self->fd, attributes(4, SIZE));
	struct mbox_send how = at(id, MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK, 0);

	EXPECT_EQ(EAGAIN, send_as(self->fd, "a", &how));
	expect_refused(_metadata, self->fd, id, 1);
	how = at(id, MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT, now() + 20 * MSEC);
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	expect_refused(_metadata, self->fd, id, 2);
	how = at(id, MBOX_SEND_SYNC | MBOX_SEND_EXPIRES, now() + 20 * MSEC);
	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	expect_refused(_metadata, self->fd, id, 3);
	EXPECT_EQ(0, state(self->fd, id).expired);
	EXPECT_EQ(0, state(self->fd, id).sent);
}

TEST_F(refusal, is_counted_where_the_receiver_that_waits_wants_something_else)
{
	struct mbox_create attr = { .flags = MBOX_CREATE_BY_TAG, .max_size = SIZE, .mode = 0600 };
	struct puppet *receiver = new_actor(self->fd, 0);
	uint64_t id = create(self->fd, attr);

	begin_recv(receiver, (struct mbox_recv){
		.id = id, .flags = MBOX_RECV_MATCH, .match = 2,
	});
	wait_for_receivers(self->fd, id, 1);
	EXPECT_EQ(EAGAIN, send_tagged(self->fd, id, "a", 1, 0));
	expect_refused(_metadata, self->fd, id, 1);
	EXPECT_EQ(0, send_tagged(self->fd, id, "b", 2, 0));
	expect_refused(_metadata, self->fd, id, 1);
	EXPECT_EQ(0, end_act(receiver));
}

TEST_F(refusal, is_counted_of_a_call_that_nobody_received_and_not_after_that)
{
	struct puppet *server = new_actor(self->fd, 0), *caller = new_actor(self->fd, 0);
	uint64_t id = create(self->fd, attributes(4, SIZE)), token;

	EXPECT_EQ(ETIMEDOUT, try_call(self->fd, id, MBOX_CALL_TIMEOUT, now() + 20 * MSEC));
	expect_refused(_metadata, self->fd, id, 1);

	begin_call_as(caller, (struct mbox_call){
		.id = id, .flags = MBOX_CALL_TIMEOUT, .deadline = now() + 300 * MSEC,
	}, "a");
	token = try_take(server, id) ? 0 : server->recv.token;
	while (!token && !is_done(caller))
		token = try_take(server, id) ? 0 : server->recv.token;
	EXPECT_EQ(ETIMEDOUT, end_request(caller));
	/* Where the machine was too slow, nobody had received it. */
	expect_refused(_metadata, self->fd, id, token ? 1 : 2);
}

TEST_F(refusal, is_not_counted_of_a_call_that_ends_otherwise)
{
	struct puppet *server = new_actor(self->fd, 0), *caller = new_actor(self->fd, 0);
	uint64_t id = create(self->fd, attributes(4, SIZE)), token;

	NEED(!ask(caller, take_signals_once));
	begin_request(caller, id, "a");
	wait_for_senders(self->fd, id, 1);
	NEED(!kill(caller->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_request(caller));
	expect_refused(_metadata, self->fd, id, 0);

	begin_request(caller, id, "a");
	token = take(server, id);
	NEED(!kill(caller->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_request(caller));
	EXPECT_EQ(ECANCELED, reply_by(server, token, "b"));
	expect_refused(_metadata, self->fd, id, 0);

	begin_request(caller, id, "a");
	token = take(server, id);
	EXPECT_EQ(0, discard_by(server, token));
	EXPECT_EQ(ECANCELED, end_request(caller));
	expect_refused(_metadata, self->fd, id, 0);

	/* It goes on waiting for the reply: there is nothing to be refused for. */
	begin_call_as(caller, (struct mbox_call){ .id = id, .flags = MBOX_CALL_NONBLOCK }, "a");
	token = take(server, id);
	EXPECT_EQ(0, reply_by(server, token, "b"));
	EXPECT_EQ(0, end_request(caller));
	expect_refused(_metadata, self->fd, id, 0);
}

TEST_F(refusal, is_counted_where_a_share_is_full)
{
	struct puppet *one = new_actor(self->fd, STRANGER), *other = new_actor(self->fd, SENDER);
	struct mbox_create attr = public(4);
	uint64_t id;

	attr.share = 50;
	id = create(self->fd, attr);
	EXPECT_EQ(0, post_by(one, id, "a"));
	EXPECT_EQ(0, post_by(one, id, "b"));
	expect_refused(_metadata, self->fd, id, 0);
	EXPECT_EQ(EXFULL, post_by(one, id, "c"));
	expect_refused(_metadata, self->fd, id, 1);
	EXPECT_EQ(EXFULL, request_as(one, (struct mbox_call){ .id = id }, "c"));
	expect_refused(_metadata, self->fd, id, 2);
	EXPECT_EQ(0, post_by(other, id, "d"));
	expect_refused(_metadata, self->fd, id, 2);
	EXPECT_EQ(0, state(self->fd, id).filled);
}

TEST_F(refusal, is_counted_where_the_limit_of_the_system_is_reached)
{
	struct mbox_create attr = {
		.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .max_size = SIZE,
		.mode = 0600,
	};
	uint64_t id = create(self->fd, attr);
	struct letter letter;

	NEED(!set_tunable("max_msgs", 1));
	EXPECT_EQ(0, post(self->fd, id, "a", 0));
	expect_refused(_metadata, self->fd, id, 0);
	EXPECT_EQ(ENOBUFS, post(self->fd, id, "b", 0));
	expect_refused(_metadata, self->fd, id, 1);
	EXPECT_EQ(ENOBUFS, post_and_wait(self->fd, id, "b", 0));
	expect_refused(_metadata, self->fd, id, 2);
	EXPECT_EQ(ENOBUFS, try_call(self->fd, id, 0, 0));
	expect_refused(_metadata, self->fd, id, 3);
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	EXPECT_EQ(0, post(self->fd, id, "b", 0));
	expect_refused(_metadata, self->fd, id, 3);
}

TEST_F(refusal, is_counted_of_messages_to_a_process_whose_link_is_full)
{
	struct puppet *one = new_actor(self->fd, 0), *other = new_actor(self->fd, 0);
	struct puppet *whom = new_actor(self->fd, 0);
	struct mbox_send how;

	create_by(whom, inbox_for(1, SIZE));
	EXPECT_EQ(0, say(one, whom, "a"));
	EXPECT_EQ(0, inbox(self->fd, whom).refused);
	EXPECT_EQ(EAGAIN, say(one, whom, "b"));
	EXPECT_EQ(1, inbox(self->fd, whom).refused);
	how = to_and_wait(whom);
	how.flags |= MBOX_SEND_TIMEOUT;
	how.deadline = now() + 20 * MSEC;
	EXPECT_EQ(ETIMEDOUT, send_by(one, how, "b"));
	EXPECT_EQ(2, inbox(self->fd, whom).refused);
	/* The link of another one has room. */
	EXPECT_EQ(0, say(other, whom, "c"));
	EXPECT_EQ(EAGAIN, say(other, whom, "d"));
	EXPECT_EQ(3, inbox(self->fd, whom).refused);
	EXPECT_EQ(0, inbox(self->fd, whom).filled);
	EXPECT_EQ(0, inbox(self->fd, whom).skipped);
}

TEST_F(refusal, is_not_counted_where_a_quota_refuses)
{
	struct puppet *stranger = new_actor(self->fd, STRANGER);
	uint64_t id = create(self->fd, public(1));

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	NEED(!set_tunable("user_msgs", 0));
	EXPECT_EQ(EDQUOT, post_by(stranger, id, "b"));
	expect_refused(_metadata, self->fd, id, 0);
	NEED(!set_tunable("user_msgs", 100));
	NEED(!set_tunable("ns_msgs", 0));
	EXPECT_EQ(ENOSPC, post_by(stranger, id, "b"));
	expect_refused(_metadata, self->fd, id, 0);
	reset_tunables();
	EXPECT_EQ(EAGAIN, post_by(stranger, id, "b"));
	expect_refused(_metadata, self->fd, id, 1);
}

TEST_F(refusal, is_not_counted_of_files_without_an_owner)
{
	struct puppet *owner = new_actor(self->fd, 0), *sender = new_actor(self->fd, 0);
	struct mbox_create attr = attributes(1, SIZE);
	int files[] = { self->fd };
	struct mbox_send how = { .files = (uintptr_t)files, .nr_files = 1 };

	attr.flags = MBOX_CREATE_FILES;
	attr.mode = 0666;
	how.id = create_by(owner, attr);
	NEED(!post_by(sender, how.id, "a"));
	how.buf = (uintptr_t)sender->text;
	how.len = 1;
	memcpy(sender->text + 64, files, sizeof(files));
	how.files = (uintptr_t)sender->text + 64;
	begin_call(sender, MBOX_IOC_SEND, &how);
	wait_for_senders(self->fd, how.id, 1);
	exit_puppet(owner);
	cast[0] = cast[--nr_cast];
	EXPECT_EQ(EOWNERDEAD, end_act(sender));
	expect_refused(_metadata, self->fd, how.id, 0);
}

/* Those who give up at the same time are counted each, and once. */
TEST_F(refusal, is_counted_once_of_each_who_is_refused)
{
	enum { SENDERS = 8, ROUNDS = 20 };
	uint64_t id = create(self->fd, attributes(1, SIZE)), sent, refusals = 0;
	uint32_t *count = shared(sizeof(*count));
	pid_t child[SENDERS];
	int i, round;

	for (i = 0; i < SENDERS; i++) {
		child[i] = spawn();
		if (child[i])
			continue;
		for (round = 0; round < ROUNDS; round++) {
			struct mbox_send how = at(id, round % 2 ? MBOX_SEND_TIMEOUT :
						  MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT,
						  now() + MSEC * (round % 4));
			int error = send_as(self->fd, "a", &how);

			NEED(!error || error == ETIMEDOUT);
			if (error)
				__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
		}
		_exit(0);
	}
	for (round = 0; round < ROUNDS; round++) {
		struct letter letter;

		fetch(self->fd, id, &letter);
		usleep(500);
	}
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, join(child[i]));
	sent = state(self->fd, id).sent;
	refusals = state(self->fd, id).refused;
	EXPECT_EQ(told(count), refusals);
	EXPECT_EQ(SENDERS * ROUNDS, sent + refusals);
}

/*
 * Skipped.
 */

FIXTURE(skipped) {
	int fd;
	uint64_t id;
	struct puppet *receiver;
};

FIXTURE_SETUP(skipped)
{
	struct mbox_create attr = attributes(8, SIZE);

	begin_accounts();
	self->fd = device(O_RDWR);
	attr.flags = MBOX_CREATE_BY_TAG;
	self->id = create(self->fd, attr);
	self->receiver = new_actor(self->fd, 0);
}

FIXTURE_TEARDOWN(skipped)
{
	end_cast(self->fd);
}

static void expect_counts(struct __test_metadata *_metadata, int fd, uint64_t id,
			  uint64_t received, uint64_t skipped)
{
	struct mbox_stat stat = state(fd, id);
	struct waited times = waited(id);

	EXPECT_EQ(received, stat.received);
	EXPECT_EQ(skipped, stat.skipped);
	EXPECT_EQ(received, total(&times));
}

#define EXPECT_COUNTS(received, skipped) \
	expect_counts(_metadata, self->fd, self->id, received, skipped)

/* Receive, and expect a text and how many were skipped so far. */
static void expect_pick(struct __test_metadata *_metadata, int fd, struct mbox_recv how,
			const char *text, uint64_t received, uint64_t skipped)
{
	struct letter letter;

	ASSERT_EQ(0, receive_as(fd, how, &letter));
	EXPECT_STREQ(text, letter.text);
	expect_counts(_metadata, fd, how.id, received, skipped);
}

TEST_F(skipped, is_nothing_by_plain_order)
{
	struct mbox_recv first = picks(self->id, 0, 0);

	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 2, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "urgent", 3, 5));
	expect_pick(_metadata, self->fd, first, "urgent", 1, 0);
	expect_pick(_metadata, self->fd, first, "a", 2, 0);
	expect_pick(_metadata, self->fd, first, "b", 3, 0);
}

TEST_F(skipped, counts_what_was_picked_by_its_tag)
{
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 2, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "c", 3, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "urgent", 4, 5));
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_MATCH, 4), "urgent", 1, 0);
	/* However many it passes over, it is one. */
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_MATCH, 3), "c", 2, 1);
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_MATCH, 1), "a", 3, 1);
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_MATCH, 2), "b", 4, 1);
}

TEST_F(skipped, counts_what_was_picked_as_the_least)
{
	struct mbox_recv least = picks(self->id, MBOX_RECV_LEAST, 0);

	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 1, 0));
	expect_pick(_metadata, self->fd, least, "a", 1, 0);
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "urgent", 1, 5));
	expect_pick(_metadata, self->fd, least, "b", 2, 1);
	expect_pick(_metadata, self->fd, least, "urgent", 3, 1);
}

TEST_F(skipped, counts_what_was_picked_both_ways_once)
{
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 5));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 1, 4));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "c", 2, 3));
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_MATCH | MBOX_RECV_LEAST, 1),
		    "b", 1, 1);
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_MATCH | MBOX_RECV_LEAST, 1),
		    "a", 2, 1);
}

TEST_F(skipped, counts_what_a_waiting_receiver_is_handed_while_others_lie_there)
{
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 0));
	begin_recv(self->receiver, (struct mbox_recv){
		.id = self->id, .flags = MBOX_RECV_MATCH, .match = 2,
	});
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 2, 0));
	ASSERT_EQ(0, end_act(self->receiver));
	EXPECT_STREQ("b", self->receiver->text);
	EXPECT_COUNTS(1, 1);
	/* One of a higher priority comes before what lies there. */
	begin_recv(self->receiver, (struct mbox_recv){
		.id = self->id, .flags = MBOX_RECV_MATCH, .match = 2,
	});
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "c", 2, 1));
	ASSERT_EQ(0, end_act(self->receiver));
	EXPECT_COUNTS(2, 1);
	/* And where nothing lies there is nothing to skip. */
	expect_pick(_metadata, self->fd, picks(self->id, 0, 0), "a", 3, 1);
	begin_recv(self->receiver, (struct mbox_recv){
		.id = self->id, .flags = MBOX_RECV_MATCH, .match = 2,
	});
	wait_for_receivers(self->fd, self->id, 1);
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "d", 2, 0));
	ASSERT_EQ(0, end_act(self->receiver));
	EXPECT_COUNTS(4, 1);
}

TEST_F(skipped, does_not_count_looks_and_failures)
{
	struct mbox_recv least = picks(self->id, MBOX_RECV_LEAST, 0);
	struct letter letter;
	char byte;

	ASSERT_EQ(0, send_tagged(self->fd, self->id, "urgent", 1, 5));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "ab", 2, 0));
	EXPECT_EQ(0, receive_as(self->fd, picks(self->id, MBOX_RECV_LEAST | MBOX_RECV_PEEK, 0),
				&letter));
	EXPECT_EQ(0, receive_as(self->fd, picks(self->id, MBOX_RECV_MATCH | MBOX_RECV_PEEK, 2),
				&letter));
	letter.env = picks(self->id, MBOX_RECV_PEEK, 0);
	letter.env.nth = 1;
	EXPECT_EQ(0, receive_as(self->fd, letter.env, &letter));
	EXPECT_COUNTS(0, 0);
	EXPECT_EQ(EMSGSIZE, receive_into(self->fd, self->id, &byte, 1,
					 MBOX_RECV_LEAST | MBOX_RECV_NONBLOCK, 0, &least));
	EXPECT_EQ(EAGAIN, receive_as(self->fd, picks(self->id, MBOX_RECV_MATCH, 3), &letter));
	EXPECT_COUNTS(0, 0);
	/* Cut is received. */
	EXPECT_EQ(0, receive_into(self->fd, self->id, &byte, 1, MBOX_RECV_LEAST |
				  MBOX_RECV_TRUNCATE | MBOX_RECV_NONBLOCK, 0, &least));
	EXPECT_COUNTS(1, 1);
}

TEST_F(skipped, does_not_count_a_receipt_that_faulted)
{
	struct mbox_recv env;

	ASSERT_EQ(0, send_tagged(self->fd, self->id, "urgent", 1, 5));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "ab", 2, 0));
	EXPECT_EQ(EFAULT, receive_into(self->fd, self->id, unmapped(), SIZE,
				       MBOX_RECV_LEAST | MBOX_RECV_NONBLOCK, 0, &env));
	EXPECT_COUNTS(0, 0);
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_LEAST, 0), "ab", 1, 1);
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_LEAST, 0), "urgent", 2, 1);
}

TEST_F(skipped, counts_a_receipt_until_it_faults)
{
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "urgent", 1, 5));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "ab", 2, 0));
	begin_stalled_recv(self->receiver, picks(self->id, MBOX_RECV_LEAST, 0), SIZE);
	wait_for_stalled(self->receiver);
	EXPECT_COUNTS(1, 1);
	/* What is received meanwhile is the first there is. */
	expect_pick(_metadata, self->fd, picks(self->id, 0, 0), "urgent", 2, 1);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_COUNTS(1, 0);
	/* And now this is. */
	expect_pick(_metadata, self->fd, picks(self->id, MBOX_RECV_LEAST, 0), "ab", 2, 0);
}

TEST_F(skipped, is_not_what_was_received_before_one_that_came_back)
{
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 2, 0));
	begin_stalled_recv(self->receiver, picks(self->id, 0, 0), SIZE);
	wait_for_stalled(self->receiver);
	expect_pick(_metadata, self->fd, picks(self->id, 0, 0), "b", 2, 0);
	EXPECT_EQ(EFAULT, end_stalled(self->receiver, FAIL));
	EXPECT_COUNTS(1, 0);
	expect_pick(_metadata, self->fd, picks(self->id, 0, 0), "a", 2, 0);
}

TEST_F(skipped, counts_in_batches_and_choices)
{
	char buf[2][SIZE];
	struct mbox_recv items[2] = {
		picks(self->id, MBOX_RECV_MATCH, 2), picks(self->id, 0, 0),
	};
	struct mbox_batch batch = {
		.items = (uintptr_t)items, .nr = 2, .size = sizeof(items[0]),
	};
	struct mbox_recv choice = {
		.flags = MBOX_RECV_CHOICE | MBOX_RECV_LEAST | MBOX_RECV_NONBLOCK,
		.ids = (uintptr_t)&self->id,
		.nr_ids = 1,
	};
	struct letter letter;
	int i;

	for (i = 0; i < 2; i++) {
		items[i].buf = (uintptr_t)buf[i];
		items[i].size = SIZE;
	}
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "a", 1, 0));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "b", 2, 0));
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	EXPECT_EQ(2, batch.done);
	EXPECT_COUNTS(2, 1);
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "c", 1, 1));
	ASSERT_EQ(0, send_tagged(self->fd, self->id, "d", 2, 0));
	ASSERT_EQ(0, receive_as(self->fd, choice, &letter));
	EXPECT_STREQ("d", letter.text);
	EXPECT_COUNTS(3, 2);
}

TEST_F(skipped, counts_what_was_picked_by_its_sender)
{
	struct puppet *one = new_actor(self->fd, 0), *other = new_actor(self->fd, 0);
	struct mbox_create attr = attributes(8, SIZE);
	uint64_t id;

	attr.flags = MBOX_CREATE_BY_SENDER;
	id = create(self->fd, attr);
	ASSERT_EQ(0, post_by(one, id, "a"));
	ASSERT_EQ(0, post_by(other, id, "b"));
	expect_pick(_metadata, self->fd, picks(id, MBOX_RECV_MATCH, other->pid), "b", 1, 1);
	expect_pick(_metadata, self->fd, picks(id, MBOX_RECV_MATCH, one->pid), "a", 2, 1);
}

TEST_F(skipped, counts_in_an_inbox)
{
	struct puppet *one = new_actor(self->fd, 0), *other = new_actor(self->fd, 0);

	ASSERT_EQ(0, say(one, self->receiver, "a"));
	ASSERT_EQ(0, say(other, self->receiver, "b"));
	expect_to_hear_from(_metadata, self->receiver, other, "b");
	EXPECT_EQ(1, inbox(self->fd, self->receiver).skipped);
	expect_to_hear_from(_metadata, self->receiver, one, "a");
	EXPECT_EQ(1, inbox(self->fd, self->receiver).skipped);
}

/*
 * Filled.
 */

FIXTURE(filled) {
	int fd;
	struct puppet *other;
};

FIXTURE_SETUP(filled)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->other = new_actor(self->fd, 0);
}

FIXTURE_TEARDOWN(filled)
{
	end_cast(self->fd);
}

#define EXPECT_FILLED(count, id) EXPECT_EQ(count, state(self->fd, id).filled)

static void drain_one(int fd, uint64_t id)
{
	struct letter letter;

	NEED(!fetch(fd, id, &letter));
}

TEST_F(filled, counts_each_time_that_the_last_message_fits)
{
	uint64_t id = create(self->fd, attributes(2, SIZE));
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_FILLED(i, id);
		ASSERT_EQ(0, post(self->fd, id, "a", 0));
		EXPECT_FILLED(i, id);
		ASSERT_EQ(0, post(self->fd, id, "b", 0));
		EXPECT_FILLED(i + 1, id);
		EXPECT_EQ(EAGAIN, post(self->fd, id, "c", 0));
		EXPECT_FILLED(i + 1, id);
		drain_one(self->fd, id);
		EXPECT_FILLED(i + 1, id);
		if (i % 2)
			ASSERT_EQ(0, post(self->fd, id, "c", 0));
		EXPECT_FILLED(i + 1 + i % 2, id);
		if (i % 2)
			break;
		drain_one(self->fd, id);
	}
}

TEST_F(filled, counts_when_there_is_no_room_for_a_message_of_the_largest_size)
{
	struct mbox_create attr = {
		.max_msgs = MBOX_UNBOUNDED, .max_bytes = 2 * SIZE, .max_size = SIZE, .mode = 0600,
	};
	uint64_t id = create(self->fd, attr);

	ASSERT_EQ(0, send_bytes(self->fd, id, WHOLE, SIZE, 0, MBOX_SEND_NONBLOCK, 0));
	EXPECT_FILLED(0, id);
	ASSERT_EQ(0, post(self->fd, id, "", 0));
	EXPECT_FILLED(0, id);
	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	EXPECT_FILLED(1, id);
	/* Fuller is not full once more. */
	ASSERT_EQ(0, post(self->fd, id, "b", 0));
	EXPECT_FILLED(1, id);
	drain_one(self->fd, id);
	EXPECT_FILLED(1, id);
	ASSERT_EQ(0, send_bytes(self->fd, id, WHOLE, SIZE, 0, MBOX_SEND_NONBLOCK, 0));
	EXPECT_FILLED(2, id);
}

TEST_F(filled, counts_in_a_reserved_mailbox)
{
	struct mbox_create attr = attributes(1, SIZE);
	uint64_t id;

	attr.flags = MBOX_CREATE_RESERVE;
	attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	id = create(self->fd, attr);
	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	EXPECT_FILLED(1, id);
	EXPECT_EQ(EAGAIN, post(self->fd, id, "b", 0));
	EXPECT_FILLED(1, id);
	drain_one(self->fd, id);
	ASSERT_EQ(0, post(self->fd, id, "b", 0));
	EXPECT_FILLED(2, id);
}

TEST_F(filled, does_not_count_when_a_waiting_sender_takes_the_place)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	EXPECT_FILLED(1, id);
	begin_send(self->other, at(id, 0, 0), "b");
	wait_for_senders(self->fd, id, 1);
	EXPECT_FILLED(1, id);
	drain_one(self->fd, id);
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_FILLED(1, id);
	drain_one(self->fd, id);
	EXPECT_FILLED(1, id);
}

TEST_F(filled, does_not_count_a_hand_over)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));

	begin_recv(self->other, (struct mbox_recv){ .id = id });
	wait_for_receivers(self->fd, id, 1);
	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_FILLED(0, id);
}

TEST_F(filled, does_not_count_a_synchronous_send_that_is_refused_at_once)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_send how = at(id, MBOX_SEND_SYNC | MBOX_SEND_NONBLOCK, 0);

	EXPECT_EQ(EAGAIN, send_as(self->fd, "a", &how));
	EXPECT_FILLED(0, id);
}

TEST_F(filled, counts_a_synchronous_message_that_waits)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_send how = at(id, MBOX_SEND_SYNC | MBOX_SEND_TIMEOUT, now() + 20 * MSEC);

	EXPECT_EQ(ETIMEDOUT, send_as(self->fd, "a", &how));
	EXPECT_FILLED(1, id);
	begin_send(self->other, at(id, MBOX_SEND_SYNC, 0), "b");
	wait_for_senders(self->fd, id, 1);
	EXPECT_FILLED(2, id);
	drain_one(self->fd, id);
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_FILLED(2, id);
}

TEST_F(filled, counts_again_after_messages_have_expired)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_send how = at(id, MBOX_SEND_EXPIRES, now() + 500 * MSEC);
	int error;

	error = send_as(self->fd, "a", &how);
	ASSERT_EQ(0, error);
	EXPECT_FILLED(1, id);
	WAIT_UNTIL(state(self->fd, id).expired == 1);
	EXPECT_FILLED(1, id);
	ASSERT_EQ(0, post(self->fd, id, "b", 0));
	EXPECT_FILLED(2, id);
}

TEST_F(filled, does_not_count_what_comes_back_over_capacity_as_full_once_more)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	EXPECT_FILLED(1, id);
	begin_stalled_recv(self->other, (struct mbox_recv){ .id = id }, SIZE);
	wait_for_stalled(self->other);
	ASSERT_EQ(0, post(self->fd, id, "b", 0));
	EXPECT_FILLED(2, id);
	EXPECT_EQ(EFAULT, end_stalled(self->other, FAIL));
	EXPECT_EQ(2, state(self->fd, id).msgs);
	EXPECT_FILLED(2, id);
	drain_one(self->fd, id);
	EXPECT_FILLED(2, id);
	drain_one(self->fd, id);
	ASSERT_EQ(0, post(self->fd, id, "c", 0));
	EXPECT_FILLED(3, id);
}

TEST_F(filled, counts_what_comes_back_to_where_nothing_else_came)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_recv env;

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	EXPECT_EQ(EFAULT, receive_into(self->fd, id, unmapped(), SIZE, MBOX_RECV_NONBLOCK, 0,
				       &env));
	EXPECT_FILLED(2, id);
}

TEST_F(filled, is_never_a_rendezvous)
{
	struct mbox_create attr = { .max_size = SIZE, .mode = 0600 };
	uint64_t id = create(self->fd, attr);

	EXPECT_EQ(EAGAIN, post(self->fd, id, "a", 0));
	begin_send(self->other, at(id, 0, 0), "a");
	wait_for_senders(self->fd, id, 1);
	EXPECT_FILLED(0, id);
	drain_one(self->fd, id);
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_FILLED(0, id);
}

TEST_F(filled, is_an_unbounded_mailbox_at_the_limit_of_the_system)
{
	struct mbox_create attr = {
		.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .max_size = SIZE,
		.mode = 0600,
	};
	uint64_t id = create(self->fd, attr);

	NEED(!set_tunable("max_msgs", 2));
	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	EXPECT_FILLED(0, id);
	ASSERT_EQ(0, post(self->fd, id, "b", 0));
	EXPECT_FILLED(1, id);
	drain_one(self->fd, id);
	EXPECT_FILLED(1, id);
}

/*
 * Waited.
 */

FIXTURE(waited) {
	int fd;
	uint64_t id;
	struct puppet *other;
};

FIXTURE_SETUP(waited)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->id = create(self->fd, attributes(8, SIZE));
	self->other = new_actor(self->fd, 0);
}

FIXTURE_TEARDOWN(waited)
{
	end_cast(self->fd);
}

/* Between its acceptance, which the message tells, and the receipt, it was there. */
static void expect_time(struct __test_metadata *_metadata, int fd, uint64_t id,
			const struct waited *before, uint64_t from, uint64_t to, uint64_t accepted)
{
	struct waited after = waited(id);
	int bucket = grown(before, &after);

	ASSERT_LE(0, bucket);
	EXPECT_LE(bucket_of(from > accepted ? from - accepted : 0), bucket);
	EXPECT_GE(bucket_of(to - accepted), bucket);
	EXPECT_EQ(state(fd, id).received, total(&after));
}

TEST_F(waited, counts_by_time_in_the_queue_as_documented)
{
	uint64_t delay;

	for (delay = 1000; delay < 300 * MSEC; delay = delay * 3 / 2) {
		struct waited before = waited(self->id);
		struct letter letter;
		uint64_t from, to;

		ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
		to = now() + delay;
		while ((from = now()) < to)
			if (to - from > MSEC)
				usleep((to - from) / 2000);
		ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
		to = now();
		ASSERT_LE(delay, from - letter.env.time);
		expect_time(_metadata, self->fd, self->id, &before, from, to, letter.env.time);
	}
}

TEST_F(waited, counts_nothing_before_something_is_received)
{
	struct waited times = waited(self->id);

	EXPECT_EQ(0, total(&times));
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	EXPECT_COUNTS(0, 0);
	EXPECT_EQ(0, state(self->fd, self->id).received);
}

/* Between the two is no more than a few instructions, if nothing comes between. */
TEST_F(waited, counts_a_hand_over_as_short)
{
	int i, low = 0;

	for (i = 0; i < 32; i++) {
		struct waited before = waited(self->id), after;
		int bucket;

		begin_recv(self->other, (struct mbox_recv){ .id = self->id });
		wait_for_receivers(self->fd, self->id, 1);
		ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
		ASSERT_EQ(0, end_act(self->other));
		after = waited(self->id);
		bucket = grown(&before, &after);
		ASSERT_LE(0, bucket);
		low += bucket <= bucket_of(MSEC);
	}
	EXPECT_LT(0, low);
	EXPECT_COUNTS(32, 0);
}

TEST_F(waited, counts_at_a_rendezvous_how_long_the_sender_was_there)
{
	struct mbox_create attr = { .max_size = SIZE, .mode = 0600 };
	uint64_t id = create(self->fd, attr), from, to;
	struct waited before = waited(id);
	struct letter letter;

	begin_send(self->other, at(id, 0, 0), "a");
	wait_for_senders(self->fd, id, 1);
	usleep(20000);
	from = now();
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	to = now();
	ASSERT_EQ(0, end_act(self->other));
	expect_time(_metadata, self->fd, id, &before, from, to, letter.env.time);
}

/* What its sender waited for room does not count. */
TEST_F(waited, counts_from_the_time_that_the_mailbox_had_it)
{
	uint64_t id = create(self->fd, attributes(1, SIZE)), from, to;
	struct waited before;
	struct letter letter;

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	begin_send(self->other, at(id, 0, 0), "b");
	wait_for_senders(self->fd, id, 1);
	usleep(300000);
	drain_one(self->fd, id);
	ASSERT_EQ(0, end_act(self->other));
	before = waited(id);
	from = now();
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	to = now();
	EXPECT_STREQ("b", letter.text);
	expect_time(_metadata, self->fd, id, &before, from, to, letter.env.time);
}

TEST_F(waited, takes_back_what_faulted_and_counts_it_from_its_acceptance_later)
{
	struct waited before = waited(self->id);
	struct letter letter;
	struct mbox_recv env;
	uint64_t from, to;

	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	begin_stalled_recv(self->other, (struct mbox_recv){ .id = self->id }, SIZE);
	wait_for_stalled(self->other);
	EXPECT_COUNTS(1, 0);
	EXPECT_EQ(EFAULT, end_stalled(self->other, FAIL));
	EXPECT_COUNTS(0, 0);
	EXPECT_EQ(EFAULT, receive_into(self->fd, self->id, unmapped(), SIZE, MBOX_RECV_NONBLOCK,
				       0, &env));
	EXPECT_COUNTS(0, 0);
	usleep(20000);
	from = now();
	ASSERT_EQ(0, fetch(self->fd, self->id, &letter));
	to = now();
	expect_time(_metadata, self->fd, self->id, &before, from, to, letter.env.time);
}

TEST_F(waited, counts_every_way_to_receive_and_no_look)
{
	int fd = descriptor(self->id, O_RDWR | O_NONBLOCK);
	struct mbox_recv choice = {
		.flags = MBOX_RECV_CHOICE | MBOX_RECV_NONBLOCK,
		.ids = (uintptr_t)&self->id,
		.nr_ids = 1,
	};
	struct letter letter;
	char byte;

	EXPECT_EQ(1, write(fd, "a", 1));
	EXPECT_EQ(0, receive(self->fd, self->id, MBOX_RECV_PEEK, 0, &letter));
	EXPECT_COUNTS(0, 0);
	EXPECT_EQ(1, read(fd, &byte, 1));
	EXPECT_COUNTS(1, 0);
	ASSERT_EQ(0, post(self->fd, self->id, "a", 0));
	EXPECT_EQ(0, receive_as(self->fd, choice, &letter));
	EXPECT_COUNTS(2, 0);
	begin_request(self->other, self->id, "a");
	ASSERT_EQ(0, fetch_and_wait(self->fd, self->id, &letter));
	EXPECT_EQ(ECANCELED, end_request(self->other));
	EXPECT_COUNTS(3, 0);
}

TEST_F(waited, counts_each_receipt_once_whoever_receives)
{
	enum { THREADS = 4, ROUNDS = 200 };
	pid_t child[2 * THREADS];
	struct letter letter;
	int i, round;

	for (i = 0; i < 2 * THREADS; i++) {
		child[i] = spawn();
		if (child[i])
			continue;
		for (round = 0; round < ROUNDS; round++) {
			struct mbox_recv env;

			if (i < THREADS)
				NEED(!post_and_wait(self->fd, self->id, "a", 0));
			else if (round % 4)
				fetch(self->fd, self->id, &letter);
			else
				receive_into(self->fd, self->id, (void *)8, SIZE,
					     MBOX_RECV_NONBLOCK, 0, &env);
		}
		if (i < THREADS)
			_exit(0);
		while (state(self->fd, self->id).received < THREADS * ROUNDS)
			fetch(self->fd, self->id, &letter);
		_exit(0);
	}
	for (i = 0; i < 2 * THREADS; i++)
		EXPECT_EQ(0, join(child[i]));
	EXPECT_EQ(0, state(self->fd, self->id).msgs);
	EXPECT_COUNTS(THREADS * ROUNDS, 0);
}

/*
 * Programs that know nothing of it.
 */

FIXTURE(older) {
	int fd;
};

FIXTURE_SETUP(older)
{
	begin_accounts();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(older)
{
	end_cast(self->fd);
}

static unsigned long sized(unsigned long command, size_t size)
{
	return _IOC(_IOC_DIR(command), _IOC_TYPE(command), _IOC_NR(command), size);
}

TEST_F(older, programs_get_what_they_know)
{
	size_t known = offsetof(struct mbox_stat, refused);
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_usage usage;
	struct mbox_stat stat;

	ASSERT_EQ(0, post(self->fd, id, "a", 0));
	ASSERT_EQ(EAGAIN, post(self->fd, id, "a", 0));
	memset(&stat, POISON, sizeof(stat));
	stat.flags = 0;
	stat.id = id;
	EXPECT_EQ(0, call(self->fd, sized(MBOX_IOC_STAT, known), &stat));
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(0, stat.links);
	EXPECT_TRUE(is_poison(&stat.refused, sizeof(stat) - known));
	EXPECT_EQ(0, call(self->fd, sized(MBOX_IOC_STAT, known + 8), &stat));
	EXPECT_EQ(1, stat.refused);
	EXPECT_TRUE(is_poison(&stat.skipped, sizeof(stat) - known - 8));

	known = offsetof(struct mbox_usage, user_listeners);
	memset(&usage, POISON, sizeof(usage));
	usage.flags = 0;
	EXPECT_EQ(0, call(self->fd, sized(MBOX_IOC_USAGE, known), &usage));
	EXPECT_EQ(1, usage.ns_mailboxes);
	EXPECT_TRUE(is_poison(&usage.user_listeners, sizeof(usage) - known));
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_USAGE, &usage));
	EXPECT_EQ(0, usage.ns_listeners);
	EXPECT_EQ(32, usage.user_listeners_limit);
	EXPECT_EQ(128, usage.ns_listeners_limit);
}

TEST_F(older, kernels_would_not_say_so)
{
	EXPECT_TRUE(info(self->fd).features & MBOX_FEATURE_OBSERVATION);
}

TEST_HARNESS_MAIN
