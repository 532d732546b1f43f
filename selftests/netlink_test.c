// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What can be asked over generic netlink: the same as over the device, by those who may
 * know it, of the network namespace of the socket.
 */
#include "fault.h"
#include "module.h"
#include "netlink.h"

#define ANY_RIGHT	(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE)

FIXTURE(netlink) {
	int fd;
	struct watcher *root;
	struct puppet *owner;
	struct puppet *other;		/* another user */
	struct puppet *fellow;		/* of the owner's user */
	struct watcher *as_owner;
	struct watcher *as_other;
	struct watcher *as_fellow;
};

FIXTURE_SETUP(netlink)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->other = new_puppet(self->fd, STRANGER, STRANGER);
	self->fellow = new_puppet(self->fd, OWNER, OWNER);
	self->root = new_watcher(NULL);
	self->as_owner = new_watcher(self->owner);
	self->as_other = new_watcher(self->other);
	self->as_fellow = new_watcher(self->fellow);
}

static void end_puppet(struct puppet *puppet)
{
	if (!waitpid(puppet->pid, NULL, WNOHANG))
		kill_puppet(puppet);
}

FIXTURE_TEARDOWN(netlink)
{
	drop_watcher(self->root);
	drop_watcher(self->as_owner);
	drop_watcher(self->as_other);
	drop_watcher(self->as_fellow);
	end_puppet(self->owner);
	end_puppet(self->other);
	end_puppet(self->fellow);
	end_accounts(self->fd);
}

static const struct seen *find_seen(const struct rows *rows, uint64_t id)
{
	unsigned int i;

	for (i = 0; i < rows->nr; i++)
		if (rows->seen[i].stat.id == id)
			return &rows->seen[i];
	return NULL;
}

/* Alone and in a dump, it is what MBOX_IOC_STAT tells the same process. */
static void expect_same(struct __test_metadata *_metadata, int line, FIXTURE_DATA(netlink) *self,
			struct watcher *watcher, uint64_t id)
{
	struct puppet *who = watcher->who ? watcher->who : myself(self->fd);
	struct rows rows = dump(watcher);
	const struct seen *row = find_seen(&rows, id);
	struct mbox_stat stat;
	struct seen seen;

	ASSERT_EQ(0, stat_by(who, id, &stat));
	ASSERT_EQ(0, get_by_id(watcher, id, &seen));
	EXPECT_TRUE(same_state(stat, seen.stat)) {
		TH_LOG("line %d", line);
	}
	ASSERT_NE(NULL, row);
	EXPECT_EQ(0, memcmp(row, &seen, sizeof(seen))) {
		TH_LOG("line %d", line);
	}
	if (who->pid == getpid())
		munmap(who, sizeof(*who));
	free_rows(&rows);
}

#define EXPECT_SAME(watcher, id)	expect_same(_metadata, __LINE__, self, watcher, id)

TEST_F(netlink, tells_the_state_of_each_kind_of_mailbox)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(each_kind); i++) {
		uint64_t id = create_by(self->owner, each_kind[i]);
		struct seen seen;

		EXPECT_SAME(self->root, id);
		EXPECT_SAME(self->as_owner, id);
		EXPECT_SAME(self->as_fellow, id);
		if (each_kind[i].name[0]) {
			ASSERT_EQ(0, get_by_name(self->root, "name", &seen));
			EXPECT_TRUE(same_state(state(self->fd, id), seen.stat));
			EXPECT_SAME(self->as_other, id);
		}
	}
}

TEST_F(netlink, tells_what_is_queued_and_counted)
{
	struct mbox_create attr = public(4);
	uint64_t id;
	struct letter letter;
	struct seen seen;

	attr.share = 50;
	attr.flags = MBOX_CREATE_BY_TAG;
	id = create_by(self->owner, attr);
	ASSERT_EQ(0, post_by(self->other, id, "one"));
	ASSERT_EQ(0, send_by(self->other, (struct mbox_send){ .id = id, .tag = 7 }, "seven"));
	EXPECT_EQ(EXFULL, post_by(self->other, id, "too much"));
	ASSERT_EQ(0, post_by(self->owner, id, "one"));
	ASSERT_EQ(0, send_by(self->owner, (struct mbox_send){
		.id = id, .flags = MBOX_SEND_EXPIRES, .expires = now() + 500 * MSEC }, "x"));
	WAIT_UNTIL(state(self->fd, id).expired == 1);
	ASSERT_EQ(0, receive_as(self->fd, (struct mbox_recv){
		.id = id, .flags = MBOX_RECV_MATCH, .match = 7 }, &letter));
	EXPECT_SAME(self->root, id);
	EXPECT_SAME(self->as_owner, id);
	/* Whoever looks sees what is its own of it. */
	EXPECT_SAME(self->as_other, id);
	ASSERT_EQ(0, get_by_id(self->as_other, id, &seen));
	EXPECT_EQ(1, seen.stat.user_msgs);
	EXPECT_EQ(3, seen.stat.user_bytes);
	EXPECT_EQ(1, seen.stat.refused);
	EXPECT_EQ(1, seen.stat.skipped);
	EXPECT_EQ(1, seen.stat.expired);
	EXPECT_EQ(1, seen.stat.filled);
	EXPECT_EQ(2, seen.stat.msgs);
	ASSERT_EQ(0, get_by_id(self->root, id, &seen));
	EXPECT_EQ(0, seen.stat.user_msgs);
}

TEST_F(netlink, tells_who_waits_and_for_what)
{
	struct puppet *thread = new_thread(self->other);
	uint64_t full = create_by(self->owner, public(1));
	uint64_t empty = create_by(self->owner, public(1));
	uint64_t calls = create_by(self->owner, public(1));
	char reply[8];
	struct mbox_call request = {
		.id = calls, .buf = (uintptr_t)large, .len = 1, .reply = (uintptr_t)reply,
		.size = sizeof(reply),
	};
	struct mbox_reply answer = { };
	struct seen seen;

	ASSERT_EQ(0, post_by(self->fellow, full, "x"));
	begin_send(self->other, (struct mbox_send){ .id = full }, "y");
	begin_recv(thread, (struct mbox_recv){ .id = empty });
	wait_for_senders(self->fd, full, 1);
	wait_for_receivers(self->fd, empty, 1);
	EXPECT_SAME(self->root, full);
	EXPECT_SAME(self->root, empty);
	ASSERT_EQ(0, get_by_id(self->root, full, &seen));
	EXPECT_EQ(1, seen.stat.senders);
	ASSERT_EQ(0, get_by_id(self->root, empty, &seen));
	EXPECT_EQ(1, seen.stat.receivers);
	begin_call(self->fellow, MBOX_IOC_CALL, &request);
	WAIT_UNTIL(state(self->fd, calls).msgs == 1);
	EXPECT_SAME(self->root, calls);
	ASSERT_EQ(0, recv_by(self->owner, (struct mbox_recv){
		.id = calls, .flags = MBOX_RECV_TOKEN }));
	answer.token = self->owner->recv.token;
	EXPECT_SAME(self->root, calls);
	ASSERT_EQ(0, get_by_id(self->root, calls, &seen));
	EXPECT_EQ(1, seen.stat.requests);
	ASSERT_EQ(0, call_by(self->owner, MBOX_IOC_REPLY, &answer));
	EXPECT_EQ(0, end_act(self->fellow));
	ASSERT_EQ(0, fetch_by(self->owner, full));
	EXPECT_EQ(0, end_act(self->other));
	ASSERT_EQ(0, post_by(self->owner, empty, "z"));
	EXPECT_EQ(0, end_act(thread));
	EXPECT_SAME(self->root, full);
	EXPECT_SAME(self->root, empty);
	EXPECT_SAME(self->root, calls);
}

TEST_F(netlink, tells_of_offers_grants_links_and_orphans)
{
	uint64_t id = create_by(self->owner, attributes(1, 1)), inbox;
	struct mbox_create attr = attributes(1, 1);
	struct seen seen;

	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	ASSERT_EQ(0, grant_by(self->owner, id, self->fellow->pid, MBOX_RIGHT_RECV));
	EXPECT_SAME(self->root, id);
	/* Who is offered it may look. */
	EXPECT_SAME(self->as_other, id);
	ASSERT_EQ(0, get_by_id(self->as_other, id, &seen));
	EXPECT_EQ(self->other->pid, seen.stat.offered);
	EXPECT_EQ(MBOX_STATE_OFFERED, seen.stat.state);
	EXPECT_EQ(1, seen.stat.grants);
	attr.flags = MBOX_CREATE_INBOX;
	attr.mode = 0;
	inbox = create_by(self->fellow, attr);
	ASSERT_EQ(0, send_by(self->owner, (struct mbox_send){
		.flags = MBOX_SEND_PID, .id = self->fellow->pid }, "x"));
	EXPECT_SAME(self->root, inbox);
	EXPECT_SAME(self->as_fellow, inbox);
	ASSERT_EQ(0, get_by_id(self->root, inbox, &seen));
	EXPECT_EQ(1, seen.stat.links);
	EXPECT_EQ(self->fellow->pid, seen.stat.pid);
	kill_puppet(self->owner);
	WAIT_UNTIL(state(self->fd, id).state == MBOX_STATE_ORPHAN);
	WAIT_UNTIL(state(self->fd, inbox).links == 0);
	EXPECT_SAME(self->root, id);
	EXPECT_SAME(self->root, inbox);
	ASSERT_EQ(0, get_by_id(self->root, id, &seen));
	EXPECT_EQ(0, seen.stat.pid);
	EXPECT_EQ(MBOX_STATE_ORPHAN, seen.stat.state);
}

/*
 * How long messages waited.
 */

static uint64_t sum(const struct seen *seen)
{
	uint64_t all = 0;
	int i;

	for (i = 0; i < MBOX_WAITED_BUCKETS; i++)
		all += seen->waited[i];
	return all;
}

/* The least time that is counted in a bucket; of one more than the last: never. */
static uint64_t least(int bucket)
{
	if (!bucket)
		return 0;
	return bucket < MBOX_WAITED_BUCKETS ? (uint64_t)MBOX_WAITED_FIRST << (bucket - 1) : -1ULL;
}

TEST_F(netlink, tells_how_long_messages_waited)
{
	uint64_t id = create_by(self->owner, public(8)), received = 0;
	struct mbox_recv bad = {
		.id = id, .flags = MBOX_RECV_NONBLOCK, .buf = (uintptr_t)unmapped(), .size = 9,
	};
	struct seen seen, before;
	struct letter letter;
	unsigned int pause;

	ASSERT_EQ(0, get_by_id(self->root, id, &before));
	EXPECT_EQ(0, sum(&before));
	for (pause = 0; pause < 300000; pause = pause * 3 + 100) {
		uint64_t begun = now(), sent, fetched;
		int bucket;

		ASSERT_EQ(0, post(self->fd, id, "x", 0));
		sent = now();
		usleep(pause);
		/* A look is no receipt, nor is one that fails. */
		ASSERT_EQ(0, receive(self->fd, id, MBOX_RECV_PEEK, 0, &letter));
		EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &bad));
		ASSERT_EQ(0, get_by_id(self->root, id, &seen));
		EXPECT_EQ(0, memcmp(before.waited, seen.waited, sizeof(seen.waited)));
		fetched = now();
		ASSERT_EQ(0, fetch(self->fd, id, &letter));
		ASSERT_EQ(0, get_by_id(self->root, id, &seen));
		EXPECT_EQ(++received, seen.stat.received);
		EXPECT_EQ(received, sum(&seen));
		for (bucket = 0; seen.waited[bucket] == before.waited[bucket]; bucket++)
			;
		EXPECT_EQ(before.waited[bucket] + 1, seen.waited[bucket]);
		EXPECT_LT(fetched - sent, least(bucket + 1));
		EXPECT_GE(now() - begun, least(bucket));
		before = seen;
	}
}

TEST_F(netlink, counts_a_message_that_does_not_wait_in_a_low_bucket)
{
	struct mbox_create attr = { .max_size = 8, .mode = 0666 };
	uint64_t id = create_by(self->owner, attr);
	struct seen seen;
	int i;

	/* At a rendezvous the receiver is there already. */
	for (i = 0; i < 20; i++) {
		begin_recv(self->owner, (struct mbox_recv){ .id = id });
		wait_for_receivers(self->fd, id, 1);
		ASSERT_EQ(0, post(self->fd, id, "x", 0));
		ASSERT_EQ(0, end_act(self->owner));
	}
	ASSERT_EQ(0, get_by_id(self->root, id, &seen));
	EXPECT_EQ(20, sum(&seen));
	EXPECT_EQ(0, seen.waited[MBOX_WAITED_BUCKETS - 1]);
}

/*
 * What is refused.
 */

static int try_name(FIXTURE_DATA(netlink) *self, int cmd, int flags, const void *name, int len)
{
	struct nl_msg *msg = new_request(cmd, flags);

	NEED(!nla_put(msg, MBOX_A_NAME, len, name));
	return request(self->root, msg, NULL, NULL);
}

static void expect_refusals(struct __test_metadata *_metadata, FIXTURE_DATA(netlink) *self,
			    int cmd, int flags, uint64_t id)
{
	static const int sizes[] = { 0, 1, 2, 4, 7, 9, 12, 16 };
	char text[128], number[16] = { };
	unsigned int i;
	struct nl_msg *msg;

	memset(text, 'a', sizeof(text));
	memcpy(number, &id, sizeof(id));
	msg = with_id(with_name(new_request(cmd, flags), "name"), id);
	EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		msg = new_request(cmd, flags);
		NEED(!nla_put(msg, MBOX_A_ID, sizes[i], number));
		EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL)) {
			TH_LOG("id of %d bytes", sizes[i]);
		}
	}
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, "", 0));
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, "", 1));
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, "name", 4));
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, "name\0\0", 6));
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, "name\0name", 10));
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, text, 100));
	text[MBOX_NAME_SIZE] = '\0';
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, text, MBOX_NAME_SIZE + 1));
	text[4] = '\0';
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, text, 100));
	memset(text, 'a', sizeof(text));
	text[MBOX_NAME_SIZE - 1] = '\0';
	EXPECT_EQ(ENOENT, try_name(self, cmd, flags, text, MBOX_NAME_SIZE));
	EXPECT_EQ(ENOENT, try_name(self, cmd, flags, "names", 6));
	EXPECT_EQ(EINVAL, try_name(self, cmd, flags, "a name/", 8));
	msg = with_id(new_request(cmd, flags), id + 1);
	EXPECT_EQ(ENOENT, request(self->root, msg, NULL, NULL));
	EXPECT_EQ(ENOENT, request(self->root, with_id(new_request(cmd, flags), -1ULL), NULL, NULL));
	/* What belongs to other commands, or to none. */
	for (i = 0; i <= MBOX_A_MAX + 3; i++) {
		if (i == MBOX_A_ID || i == MBOX_A_NAME)
			continue;
		msg = with_id(new_request(cmd, flags), id);
		NEED(!nla_put_u32(msg, i, 0));
		EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL)) {
			TH_LOG("attribute %u", i);
		}
	}
	msg = new_request(cmd, flags);
	NEED(!nla_put_u64(msg, MBOX_A_ID | NLA_F_NESTED, id));
	EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL));
	for (i = 1; i < 4; i++) {
		msg = with_id(new_request(cmd, flags), id);
		NEED(!nlmsg_append(msg, text, i, 0));
		EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL)) {
			TH_LOG("%u bytes behind the attributes", i);
		}
	}
}

TEST_F(netlink, refuses_what_is_not_a_question)
{
	struct mbox_create attr = attributes(1, 1);
	uint64_t id;
	int cmd;

	set_name(attr.name, "name");
	id = create_by(self->owner, attr);
	EXPECT_EQ(EINVAL, request(self->root, new_request(MBOX_CMD_GET, 0), NULL, NULL));
	expect_refusals(_metadata, self, MBOX_CMD_GET, 0, id);
	expect_refusals(_metadata, self, MBOX_CMD_GET, NLM_F_DUMP, id);
	expect_refusals(_metadata, self, MBOX_CMD_GET_GRANTS, NLM_F_DUMP, id);
	EXPECT_EQ(EOPNOTSUPP, request(self->root, with_id(new_request(MBOX_CMD_GET_GRANTS, 0), id),
				      NULL, NULL));
	EXPECT_EQ(EOPNOTSUPP, request(self->root, new_request(MBOX_CMD_GET_LIMITS, NLM_F_DUMP),
				      NULL, NULL));
	EXPECT_EQ(EOPNOTSUPP, request(self->root, new_request(MBOX_CMD_UNSPEC, 0), NULL, NULL));
	for (cmd = MBOX_CMD_EVENT; cmd < 256; cmd += 50) {
		EXPECT_EQ(EOPNOTSUPP, request(self->root, new_request(cmd, 0), NULL, NULL));
		EXPECT_EQ(EOPNOTSUPP, request(self->root, new_request(cmd, NLM_F_DUMP), NULL,
					      NULL));
	}
	EXPECT_EQ(id, state(self->fd, id).id);
}

TEST_F(netlink, says_of_a_mailbox_what_the_device_says)
{
	struct mbox_create attr = attributes(1, 1);
	struct watcher *watchers[] = { self->root, self->as_owner, self->as_other };
	uint64_t id, gone;
	struct seen seen;
	unsigned int i;

	set_name(attr.name, "name");
	gone = create_by(self->owner, attr);
	ASSERT_EQ(0, delete_by(self->owner, gone));
	id = create_by(self->owner, attr);
	for (i = 0; i < ARRAY_SIZE(watchers); i++) {
		int error = watchers[i] == self->as_other ? EACCES : 0;

		EXPECT_EQ(EIDRM, get_by_id(watchers[i], gone, &seen));
		EXPECT_EQ(ENOENT, get_by_id(watchers[i], id + 1, &seen));
		EXPECT_EQ(EINVAL, get_by_id(watchers[i], 0, &seen));
		EXPECT_EQ(error, get_by_id(watchers[i], id, &seen));
		EXPECT_EQ(error, get_by_name(watchers[i], "name", &seen));
		EXPECT_EQ(ENOENT, get_by_name(watchers[i], "names", &seen));
	}
}

/*
 * Dumps.
 */

/* As little as is allowed in one message of the socket. */
static void read_little(struct watcher *watcher)
{
	NEED(!nl_socket_set_msg_buf_size(watcher->sk, PAGE));
	nl_socket_disable_msg_peek(watcher->sk);
}

static uint64_t *create_many(int fd, unsigned int nr)
{
	uint64_t *ids = calloc(nr, sizeof(*ids));
	unsigned int i;

	NEED(ids);
	for (i = 0; i < nr; i++)
		ids[i] = create(fd, attributes(1, 1));
	return ids;
}

TEST_F_TIMEOUT(netlink, dumps_all_mailboxes_by_rising_id_in_many_messages, 120)
{
	enum { COUNT = 2500 };
	struct rows rows = { };
	struct answer answer;
	uint64_t *ids = create_many(self->fd, COUNT);
	unsigned int i;

	read_little(self->root);
	for (i = 0; i < COUNT; i += 100)
		ASSERT_EQ(0, delete(self->fd, ids[i]));
	write_to_kernel(self->root, new_request(MBOX_CMD_GET, NLM_F_DUMP));
	answer = read_answer(self->root, take_seen, &rows);
	EXPECT_EQ(0, answer.error);
	EXPECT_FALSE(answer.interrupted);
	EXPECT_LT(COUNT / 10, answer.reads);
	ASSERT_EQ(COUNT - COUNT / 100, rows.nr);
	for (i = 0; i < rows.nr; i++) {
		unsigned int nth = i + 1 + i / 99;

		EXPECT_EQ(ids[nth], rows.seen[i].stat.id);
		if (i % 97 == 0)
			EXPECT_TRUE(same_state(state(self->fd, ids[nth]), rows.seen[i].stat));
	}
	free_rows(&rows);
	free(ids);
}

TEST_F(netlink, dumps_nothing_where_there_is_nothing)
{
	struct rows rows = dump(self->root);

	EXPECT_EQ(0, rows.nr);
	free_rows(&rows);
	rows = dump_grants(self->root);
	EXPECT_EQ(0, rows.nr);
	free_rows(&rows);
}

TEST_F(netlink, dumps_one_mailbox_by_id_or_name)
{
	struct mbox_create attr = public(1);
	struct rows rows = { };
	uint64_t ids[3];
	int i;

	for (i = 0; i < 3; i++) {
		snprintf((char *)attr.name, sizeof(attr.name), "name%d", i);
		ids[i] = create_by(self->owner, attr);
	}
	EXPECT_EQ(0, request(self->root, with_id(new_request(MBOX_CMD_GET, NLM_F_DUMP), ids[1]),
			     take_seen, &rows));
	ASSERT_EQ(1, rows.nr);
	EXPECT_EQ(ids[1], rows.seen[0].stat.id);
	free_rows(&rows);
	EXPECT_EQ(0, request(self->root, with_name(new_request(MBOX_CMD_GET, NLM_F_DUMP), "name2"),
			     take_seen, &rows));
	ASSERT_EQ(1, rows.nr);
	EXPECT_EQ(ids[2], rows.seen[0].stat.id);
	free_rows(&rows);
	ASSERT_EQ(0, chmod_by(self->owner, ids[1], 0));
	EXPECT_EQ(EACCES, request(self->as_other,
				  with_id(new_request(MBOX_CMD_GET, NLM_F_DUMP), ids[1]),
				  take_seen, &rows));
	ASSERT_EQ(0, delete_by(self->owner, ids[1]));
	EXPECT_EQ(EIDRM, request(self->root, with_id(new_request(MBOX_CMD_GET, NLM_F_DUMP), ids[1]),
				 take_seen, &rows));
	EXPECT_EQ(0, rows.nr);
}

/* Read the first message of a dump only. */
static struct answer begin_dump(struct watcher *watcher, int cmd, row_fn *row, struct rows *rows)
{
	struct answer answer = { .watcher = watcher, .row = row, .arg = rows };

	read_little(watcher);
	write_to_kernel(watcher, new_request(cmd, NLM_F_DUMP));
	read_some(&answer);
	NEED(!answer.over && rows->nr);
	return answer;
}

static void end_dump(struct answer *answer)
{
	while (!answer->over)
		read_some(answer);
}

TEST_F(netlink, marks_a_dump_that_mailboxes_came_to_or_went_from)
{
	enum { COUNT = 100 };
	unsigned int way, i;

	for (way = 0; way < 4; way++) {
		uint64_t *ids = create_many(self->fd, COUNT);
		struct rows rows = { };
		struct answer answer;

		answer = begin_dump(self->root, MBOX_CMD_GET, take_seen, &rows);
		EXPECT_FALSE(answer.interrupted);
		if (way == 1)
			create(self->fd, attributes(1, 1));
		if (way == 2)
			ASSERT_EQ(0, delete(self->fd, ids[COUNT - 1]));
		if (way == 3)
			ASSERT_EQ(0, delete(self->fd, ids[0]));
		/* That is no coming nor going. */
		ASSERT_EQ(0, post(self->fd, ids[50], "x", 0));
		end_dump(&answer);
		EXPECT_EQ(0, answer.error);
		EXPECT_EQ(way != 0, answer.interrupted);
		for (i = 1; i < COUNT - 1; i++)
			EXPECT_TRUE(has_seen(&rows, ids[i]));
		for (i = 1; i < rows.nr; i++)
			EXPECT_LT(rows.seen[i - 1].stat.id, rows.seen[i].stat.id);
		/* The next one is a dump of its own. */
		free_rows(&rows);
		write_to_kernel(self->root, new_request(MBOX_CMD_GET, NLM_F_DUMP));
		answer = read_answer(self->root, take_seen, &rows);
		EXPECT_FALSE(answer.interrupted);
		EXPECT_EQ(info(self->fd).mailboxes, rows.nr);
		free_rows(&rows);
		free(ids);
		sweep();
	}
}

TEST_F(netlink, dumps_what_is_there_all_the_time_once_while_others_come_and_go)
{
	enum { COUNT = 150, ROUNDS = 15 };
	uint64_t *ids = create_many(self->fd, COUNT);
	bool interrupted = false;
	pid_t children[2];
	int round, i;

	for (i = 0; i < 2; i++) {
		children[i] = spawn();
		while (!children[i]) {
			uint64_t id = create(self->fd, attributes(1, 1));

			NEED(!delete(self->fd, id));
		}
	}
	read_little(self->root);
	for (round = 0; round < ROUNDS; round++) {
		struct rows rows = { };
		struct answer answer;

		write_to_kernel(self->root, new_request(MBOX_CMD_GET, NLM_F_DUMP));
		answer = read_answer(self->root, take_seen, &rows);
		EXPECT_EQ(0, answer.error);
		interrupted = interrupted || answer.interrupted;
		for (i = 0; i < COUNT; i++)
			EXPECT_TRUE(has_seen(&rows, ids[i]));
		for (i = 1; i < (int)rows.nr; i++)
			EXPECT_LT(rows.seen[i - 1].stat.id, rows.seen[i].stat.id);
		free_rows(&rows);
	}
	EXPECT_TRUE(interrupted);
	end(children[0]);
	end(children[1]);
	free(ids);
}

/*
 * Who sees what.
 */

/* Those who are asked: a mailbox of the owner's, by these mode bits. */
TEST_F(netlink, shows_by_mode_bits)
{
	static const struct {
		uint32_t mode;
		bool others, group;
	} table[] = {
		{ 0, false, false }, { 0600, false, false }, { 0060, false, true },
		{ 0040, false, true }, { 0020, false, true }, { 0006, true, false },
		{ 0004, true, false }, { 0002, true, false }, { 0666, true, true },
		{ 0111 & 0666, false, false },
	};
	struct puppet *group = new_puppet(self->fd, STRANGER, OWNER);
	struct watcher *as_group = new_watcher(group);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct mbox_create attr = attributes(1, 1);
		uint64_t id;

		attr.mode = table[i].mode;
		id = create_by(self->owner, attr);
		EXPECT_TRUE(sees(self->root, id));
		EXPECT_TRUE(sees(self->as_owner, id));
		EXPECT_TRUE(sees(self->as_fellow, id));
		EXPECT_EQ(table[i].others, sees(self->as_other, id)) {
			TH_LOG("mode %o", table[i].mode);
		}
		EXPECT_EQ(table[i].group, sees(as_group, id)) {
			TH_LOG("mode %o", table[i].mode);
		}
	}
	close_watcher(as_group);
	kill_puppet(group);
}

TEST_F(netlink, shows_by_grant_offer_and_ownership)
{
	struct mbox_create attr = attributes(1, 1);
	uint64_t id = create_by(self->owner, attr);

	EXPECT_FALSE(sees(self->as_other, id));
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_MANAGE));
	EXPECT_TRUE(sees(self->as_other, id));
	ASSERT_EQ(0, revoke_by(self->owner, id, self->other->pid, MBOX_RIGHT_MANAGE));
	EXPECT_FALSE(sees(self->as_other, id));
	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_TRUE(sees(self->as_other, id));
	ASSERT_EQ(0, offer_by(self->owner, id, 0, 0));
	EXPECT_FALSE(sees(self->as_other, id));
	/* The process owns it, and its user does not. */
	ASSERT_EQ(0, transfer_by(myself(self->fd), id, self->other->pid, 0));
	ASSERT_EQ(0, chown_by(myself(self->fd), id, SENDER, SENDER));
	EXPECT_TRUE(sees(self->as_other, id));
	EXPECT_FALSE(sees(self->as_owner, id));
	attr.flags = MBOX_CREATE_PROCESS;
	attr.mode = 0;
	id = create_by(self->owner, attr);
	EXPECT_TRUE(sees(self->as_owner, id));
	EXPECT_TRUE(sees(self->as_fellow, id));
	EXPECT_FALSE(sees(self->as_other, id));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0002));
	EXPECT_TRUE(sees(self->as_other, id));
}

static int half_fellow(struct puppet *me)
{
	(void)me;
	/* Whoever is OWNER may signal it, but it is STRANGER's. */
	NEED(!setgroups(0, NULL) && !setresgid(STRANGER, STRANGER, STRANGER));
	return error_of(setresuid(STRANGER, STRANGER, OWNER));
}

TEST_F(netlink, shows_the_inbox_of_a_process_that_may_be_signalled)
{
	struct puppet *half = new_puppet_after(self->fd, half_fellow);
	struct mbox_create attr = attributes(1, 1);
	struct seen seen;
	uint64_t id;

	attr.flags = MBOX_CREATE_INBOX;
	attr.mode = 0;
	id = create_by(half, attr);
	EXPECT_EQ(0, get_by_id(self->as_owner, id, &seen));
	EXPECT_EQ(STRANGER, seen.stat.uid);
	EXPECT_EQ(EACCES, get_by_id(new_watcher(new_puppet(self->fd, SENDER, SENDER)), id, &seen));
	EXPECT_SAME(self->as_owner, id);
	kill_puppet(half);
}

static int become_ipc_owner(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, 1ULL << CAP_IPC_OWNER);
	return 0;
}

static int become_all_but_ipc_owner(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, ~(1ULL << CAP_IPC_OWNER) & 0x1ffffffffff);
	return 0;
}

static int drop_capabilities(struct puppet *me)
{
	(void)me;
	wield(0);
	return 0;
}

static int become_other_root(struct puppet *me)
{
	(void)me;
	become(STRANGER, STRANGER);
	become_root_of_a_user_namespace();
	return 0;
}

TEST_F(netlink, shows_all_to_cap_ipc_owner_in_the_right_user_namespace)
{
	struct {
		act_fn *act;
		bool sees;
	} kinds[] = {
		{ become_ipc_owner, true },
		{ become_all_but_ipc_owner, false },
		{ drop_capabilities, false },
		{ become_other_root, false },
	};
	uint64_t id = create_by(self->owner, attributes(1, 1));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct puppet *puppet = new_puppet_after(self->fd, kinds[i].act);
		struct watcher *watcher = new_watcher(puppet);

		EXPECT_EQ(kinds[i].sees, sees(watcher, id)) {
			TH_LOG("kind %u", i);
		}
		close_watcher(watcher);
		kill_puppet(puppet);
	}
}

static int become_root_of_both(struct puppet *me)
{
	(void)me;
	become(STRANGER, STRANGER);
	become_root_of_a_user_namespace();
	return error_of(unshare(CLONE_NEWNET));
}

static int join_network_of(struct puppet *me)
{
	char path[32];
	pid_t pid;
	int fd;

	memcpy(&pid, me->arg, sizeof(pid));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0 && !setns(fd, CLONE_NEWNET));
	close(fd);
	become(OWNER, OWNER);
	return 0;
}

TEST_F(netlink, shows_all_to_root_of_the_user_namespace_that_has_the_network_namespace)
{
	struct puppet *root = new_puppet_after(self->fd, become_root_of_both);
	struct puppet *guest = new_puppet(self->fd, 0, 0), *fellow;
	struct watcher *as_root = new_watcher(root), *as_guest, *as_fellow;
	uint64_t id, mine;

	memcpy(guest->arg, &root->pid, sizeof(pid_t));
	ASSERT_EQ(0, ask(guest, join_network_of));
	fellow = new_puppet(self->fd, 0, 0);
	memcpy(fellow->arg, &root->pid, sizeof(pid_t));
	ASSERT_EQ(0, ask(fellow, join_network_of));
	as_guest = new_watcher(guest);
	as_fellow = new_watcher(fellow);
	id = create_by(guest, attributes(1, 1));
	mine = create_by(root, attributes(1, 1));
	EXPECT_TRUE(sees(as_root, id));
	EXPECT_TRUE(sees(as_guest, id));
	EXPECT_TRUE(sees(as_fellow, id));
	EXPECT_TRUE(sees(as_root, mine));
	EXPECT_FALSE(sees(as_guest, mine));
	close_watcher(as_root);
	close_watcher(as_guest);
	close_watcher(as_fellow);
	kill_puppet(root);
	kill_puppet(guest);
	kill_puppet(fellow);
	WAIT_UNTIL(pays_nothing(self->fd, OWNER) && pays_nothing(self->fd, STRANGER));
}

/*
 * Sockets that somebody else has opened, or reads from.
 */

/* Odd ones are for everybody to see. */
static void create_half_hidden(FIXTURE_DATA(netlink) *self, uint64_t *ids, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ids[i] = create_by(self->owner, i % 2 ? public(1) : attributes(1, 1));
}

TEST_F(netlink, shows_what_the_asking_process_may_see_whoever_reads)
{
	enum { COUNT = 60 };
	struct rows rows = { };
	struct answer answer;
	uint64_t ids[COUNT];
	unsigned int i;
	pid_t child;

	/* The other one asks, and root, who is the test, reads. */
	create_half_hidden(self, ids, COUNT);
	answer = begin_dump(self->as_other, MBOX_CMD_GET, take_seen, &rows);
	end_dump(&answer);
	EXPECT_LT(3, answer.reads);
	EXPECT_EQ(COUNT / 2, rows.nr);
	for (i = 0; i < COUNT; i++)
		EXPECT_EQ(i % 2, has_seen(&rows, ids[i]));
	free_rows(&rows);
	/* Root asks, and somebody else reads what root may see. */
	answer = begin_dump(self->root, MBOX_CMD_GET, take_seen, &rows);
	child = spawn();
	if (!child) {
		become(SENDER, SENDER);
		end_dump(&answer);
		NEED(answer.reads > 3);
		_exit(answer.error ? 1 : rows.nr);
	}
	EXPECT_EQ(COUNT, join(child));
	free_rows(&rows);
}

TEST_F(netlink, shows_what_it_may_see_when_it_asked)
{
	enum { COUNT = 60 };
	struct rows rows = { };
	struct answer answer;
	uint64_t ids[COUNT];
	unsigned int i, before;

	create_half_hidden(self, ids, COUNT);
	answer = begin_dump(self->as_other, MBOX_CMD_GET, take_seen, &rows);
	before = rows.nr;
	/* The process that asked is another user's now. */
	kill_puppet(self->other);
	for (i = 0; i < COUNT; i += 2)
		ASSERT_EQ(0, chmod_by(self->owner, ids[i], 0));
	end_dump(&answer);
	EXPECT_LT(before, rows.nr);
	for (i = 0; i < COUNT; i++)
		EXPECT_EQ(i % 2, has_seen(&rows, ids[i]));
	free_rows(&rows);
}

static int become_stranger(struct puppet *me)
{
	(void)me;
	become(STRANGER, STRANGER);
	return 0;
}

TEST_F(netlink, shows_no_more_than_the_opener_of_the_socket_may_see_for_certain)
{
	int ours = borrow(self->other, self->as_other->fd);
	struct watcher *lent = new_watcher_at(NULL, ours, ours);
	uint64_t hidden = create_by(self->owner, attributes(1, 1));
	uint64_t open = create_by(self->owner, public(1));
	uint64_t own = create_by(self->other, attributes(1, 1));

	EXPECT_TRUE(sees(self->root, hidden));
	EXPECT_FALSE(sees(lent, hidden));
	EXPECT_TRUE(sees(lent, open));
	EXPECT_TRUE(sees(lent, own));
	/* Grants and offers are to a process, which is not asked here. */
	ASSERT_EQ(0, grant_by(self->owner, hidden, self->other->pid, MBOX_RIGHT_SEND));
	EXPECT_TRUE(sees(self->as_other, hidden));
	EXPECT_FALSE(sees(lent, hidden));
	drop_watcher(lent);
}

TEST_F(netlink, shows_no_more_through_a_socket_that_root_has_opened)
{
	struct puppet *user = new_puppet(self->fd, 0, 0);
	struct watcher *watcher = new_watcher(user);
	uint64_t hidden = create_by(self->owner, attributes(1, 1));
	uint64_t open = create_by(self->owner, public(1));

	EXPECT_TRUE(sees(watcher, hidden));
	ASSERT_EQ(0, ask(user, become_stranger));
	EXPECT_FALSE(sees(watcher, hidden));
	EXPECT_TRUE(sees(watcher, open));
	ASSERT_EQ(0, offer_by(self->owner, hidden, user->pid, 0));
	EXPECT_TRUE(sees(watcher, hidden));
	close_watcher(watcher);
	kill_puppet(user);
}

/*
 * Namespaces.
 */

TEST_F(netlink, tells_pids_as_the_asking_process_sees_them)
{
	struct puppet *inner = new_puppet_memory(self->fd);
	struct rows rows;
	struct watcher *inside;
	struct seen seen;
	uint64_t id, mine;
	pid_t pid;

	pid = spawn_as_first();
	if (!pid)
		obey(inner);
	inner->pid = pid;
	WAIT_UNTIL(told(&inner->tid));
	inside = new_watcher(inner);
	id = create_by(self->owner, public(1));
	ASSERT_EQ(0, grant_by(self->owner, id, pid, MBOX_RIGHT_RECV));
	ASSERT_EQ(0, grant_by(self->owner, id, self->fellow->pid, MBOX_RIGHT_SEND));
	ASSERT_EQ(0, offer_by(self->owner, id, pid, 0));
	mine = create_by(inner, public(1));
	ASSERT_EQ(0, get_by_id(inside, id, &seen));
	EXPECT_EQ(0, seen.stat.pid);
	EXPECT_EQ(1, seen.stat.offered);
	ASSERT_EQ(0, get_by_id(inside, mine, &seen));
	EXPECT_EQ(1, seen.stat.pid);
	EXPECT_SAME(inside, id);
	EXPECT_SAME(inside, mine);
	rows = dump_grants(inside);
	ASSERT_EQ(2, rows.nr);
	EXPECT_EQ(1, rows.granted[0].process + rows.granted[1].process);
	EXPECT_EQ(MBOX_RIGHT_RECV, rows.granted[rows.granted[1].process].rights);
	free_rows(&rows);
	ASSERT_EQ(0, get_by_id(self->root, mine, &seen));
	EXPECT_EQ(pid, seen.stat.pid);
	close_watcher(inside);
	kill_puppet(inner);
}

TEST_F(netlink, tells_users_as_the_asking_process_sees_them)
{
	uint64_t mine = create_by(self->other, attributes(1, 1));
	uint64_t theirs = create_by(self->owner, public(1));
	struct puppet *user = new_puppet_after(self->fd, become_other_root);
	struct watcher *inside = new_watcher(user);
	struct seen seen;

	ASSERT_EQ(0, get_by_id(inside, mine, &seen));
	EXPECT_EQ(0, seen.stat.uid);
	EXPECT_EQ(0, seen.stat.gid);
	ASSERT_EQ(0, get_by_id(inside, theirs, &seen));
	EXPECT_EQ(65534, seen.stat.uid);
	EXPECT_EQ(65534, seen.stat.gid);
	EXPECT_SAME(inside, mine);
	EXPECT_SAME(inside, theirs);
	close_watcher(inside);
	kill_puppet(user);
}

TEST_F(netlink, knows_the_network_namespace_of_the_socket_only)
{
	struct puppet *there = new_puppet(self->fd, 0, 0);
	struct watcher *here = new_watcher(there), *inside;
	struct mbox_create attr = public(1);
	uint64_t id, other_id = 0;
	struct seen seen;
	struct rows rows;
	int i;

	set_name(attr.name, "here");
	for (i = 0; i < 3; i++)
		create_by(self->owner, public(1));
	id = create_by(self->owner, attr);
	ASSERT_EQ(0, ask(there, leave_network_namespace));
	inside = new_watcher(there);
	set_name(attr.name, "there");
	other_id = create_by(there, attr);
	EXPECT_EQ(1, other_id);
	/* The process asks from there. */
	EXPECT_EQ(ENOENT, get_by_id(inside, id, &seen));
	EXPECT_EQ(ENOENT, get_by_name(inside, "here", &seen));
	ASSERT_EQ(0, get_by_name(inside, "there", &seen));
	EXPECT_EQ(1, seen.stat.id);
	rows = dump(inside);
	EXPECT_EQ(1, rows.nr);
	free_rows(&rows);
	/* With the socket that it had before, it asks here. */
	ASSERT_EQ(0, get_by_name(here, "here", &seen));
	EXPECT_EQ(id, seen.stat.id);
	EXPECT_EQ(ENOENT, get_by_name(here, "there", &seen));
	rows = dump(here);
	EXPECT_EQ(4, rows.nr);
	free_rows(&rows);
	/* With its socket, we ask there. */
	close_watcher(here);
	here = new_watcher_at(NULL, socket_of(inside), dup(socket_of(inside)));
	ASSERT_EQ(0, get_by_name(here, "there", &seen));
	EXPECT_EQ(there->pid, seen.stat.pid);
	EXPECT_EQ(ENOENT, get_by_id(here, id, &seen));
	drop_watcher(here);
	close_watcher(inside);
	kill_puppet(there);
	WAIT_UNTIL(!usage_of(self->fd, 0).user_mailboxes);
}

/*
 * Grants.
 */

static struct mbox_granted granted[MBOX_GRANTS_MAX];

static uint32_t ask_device(int fd, uint64_t id)
{
	struct mbox_grants arg = {
		.id = id, .grants = (uintptr_t)granted, .nr = MBOX_GRANTS_MAX,
	};

	NEED(!call(fd, MBOX_IOC_GRANTS, &arg));
	return arg.nr;
}

static uint32_t rights_of(uint32_t nr, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (granted[i].pid == pid)
			return granted[i].rights;
	return 0;
}

TEST_F(netlink, dumps_grants_as_the_device_tells_them)
{
	enum { HOLDERS = 8, BOXES = 20 };
	struct puppet *holders[HOLDERS];
	uint64_t participants[HOLDERS], ids[BOXES];
	unsigned int box, i, row = 0, all = 0;
	struct rows rows;

	for (i = 0; i < HOLDERS; i++) {
		holders[i] = new_puppet(self->fd, SENDER, SENDER);
		participants[i] = participant_of(holders[i]);
	}
	for (box = 0; box < BOXES; box++) {
		ids[box] = create_by(self->owner, attributes(1, 1));
		for (i = 0; i < box % (HOLDERS + 1); i++, all++)
			ASSERT_EQ(0, grant_by(self->owner, ids[box], holders[i]->pid,
					      2U << (box + i) % 3));
	}
	read_little(self->root);
	rows = dump_grants(self->root);
	EXPECT_EQ(all, rows.nr);
	for (box = 0; box < BOXES; box++) {
		uint32_t nr = ask_device(self->fd, ids[box]), found = 0;

		for (; row < rows.nr && rows.granted[row].id == ids[box]; row++, found++) {
			struct granted *told = &rows.granted[row];

			EXPECT_EQ(rights_of(nr, told->process), told->rights);
			for (i = 0; i < HOLDERS && participants[i] != told->participant; i++)
				;
			ASSERT_LT(i, HOLDERS);
			EXPECT_EQ(holders[i]->pid, told->process);
		}
		EXPECT_EQ(nr, found);
		EXPECT_EQ(box % (HOLDERS + 1), nr);
	}
	EXPECT_EQ(rows.nr, row);
	free_rows(&rows);
	/* Of one mailbox. */
	EXPECT_EQ(0, request(self->root,
			     with_id(new_request(MBOX_CMD_GET_GRANTS, NLM_F_DUMP), ids[5]),
			     take_granted, &rows));
	EXPECT_EQ(5, rows.nr);
	for (i = 0; i < rows.nr; i++)
		EXPECT_EQ(ids[5], rows.granted[i].id);
	free_rows(&rows);
	/* Only of what one may see: holders see each mailbox that they have. */
	rows = dump_grants(self->as_other);
	EXPECT_EQ(0, rows.nr);
	free_rows(&rows);
	EXPECT_EQ(EACCES, request(self->as_other,
				  with_id(new_request(MBOX_CMD_GET_GRANTS, NLM_F_DUMP), ids[5]),
				  take_granted, &rows));
	for (i = 0; i < HOLDERS; i++)
		kill_puppet(holders[i]);
}

TEST_F_TIMEOUT(netlink, dumps_hundreds_of_grants_of_one_mailbox_in_many_messages, 180)
{
	enum { COUNT = 600 };
	uint64_t id = create_by(self->owner, attributes(1, 1)), marker;
	struct rows rows = { };
	struct answer answer;
	pid_t *holders = calloc(COUNT, sizeof(*holders));
	unsigned int i, j;

	NEED(!set_tunable("max_grants", MBOX_GRANTS_MAX));
	for (i = 0; i < COUNT; i++) {
		holders[i] = spawn();
		if (!holders[i])
			for (;;)
				pause();
		ASSERT_EQ(0, grant_by(self->owner, id, holders[i], MBOX_RIGHT_RECV));
	}
	marker = create_by(self->owner, attributes(1, 1));
	ASSERT_EQ(0, grant_by(self->owner, marker, holders[0], MBOX_RIGHT_SEND));
	answer = begin_dump(self->root, MBOX_CMD_GET_GRANTS, take_granted, &rows);
	end_dump(&answer);
	EXPECT_EQ(0, answer.error);
	EXPECT_FALSE(answer.interrupted);
	EXPECT_LT(5, answer.reads);
	EXPECT_EQ(COUNT + 1, rows.nr);
	EXPECT_EQ(marker, rows.granted[COUNT].id);
	EXPECT_EQ(COUNT, ask_device(self->fd, id));
	for (i = 0; i < COUNT; i++) {
		EXPECT_EQ(id, rows.granted[i].id);
		/* Both go the same way. */
		EXPECT_EQ(granted[i].pid, rows.granted[i].process);
		for (j = 0; j < i; j++)
			NEED(rows.granted[i].participant != rows.granted[j].participant);
	}
	free_rows(&rows);
	/* A change in the middle is marked; nothing is told twice. */
	answer = begin_dump(self->root, MBOX_CMD_GET_GRANTS, take_granted, &rows);
	ASSERT_EQ(0, revoke_by(self->owner, id, holders[COUNT - 1], MBOX_RIGHT_RECV));
	end_dump(&answer);
	EXPECT_TRUE(answer.interrupted);
	free_rows(&rows);
	/* The mailbox goes in the middle. */
	answer = begin_dump(self->root, MBOX_CMD_GET_GRANTS, take_granted, &rows);
	ASSERT_EQ(0, delete_by(self->owner, id));
	end_dump(&answer);
	EXPECT_EQ(0, answer.error);
	EXPECT_TRUE(answer.interrupted);
	EXPECT_EQ(marker, rows.granted[rows.nr - 1].id);
	free_rows(&rows);
	for (i = 0; i < COUNT; i++)
		end(holders[i]);
	free(holders);
}

TEST_F(netlink, tells_no_pid_of_a_holder_that_has_ended)
{
	uint64_t id = create_by(self->owner, attributes(1, 1));
	int round;

	for (round = 0; round < 20; round++) {
		struct puppet *holder = new_puppet(self->fd, SENDER, SENDER);
		uint64_t participant = participant_of(holder);
		struct rows rows;
		siginfo_t end;

		ASSERT_EQ(0, grant_by(self->owner, id, holder->pid, MBOX_RIGHT_SEND));
		rows = dump_grants(self->root);
		ASSERT_EQ(1, rows.nr);
		EXPECT_EQ(holder->pid, rows.granted[0].process);
		EXPECT_EQ(participant, rows.granted[0].participant);
		free_rows(&rows);
		ASSERT_EQ(0, kill(holder->pid, SIGKILL));
		ASSERT_EQ(0, waitid(P_PID, holder->pid, &end, WEXITED | WNOWAIT));
		rows = dump_grants(self->root);
		if (rows.nr) {
			EXPECT_EQ(1, rows.nr);
			EXPECT_EQ(0, rows.granted[0].process);
			EXPECT_EQ(participant, rows.granted[0].participant);
		}
		free_rows(&rows);
		EXPECT_EQ(-SIGKILL, join(holder->pid));
		WAIT_UNTIL(!state(self->fd, id).grants);
		rows = dump_grants(self->root);
		EXPECT_EQ(0, rows.nr);
		free_rows(&rows);
		munmap(holder, PAGE);
	}
}

/*
 * Limits.
 */

struct limits {
	unsigned int nr;
	struct mbox_info info;
	struct mbox_usage usage;
};

static void take_limits(int cmd, struct nlattr **attrs, void *arg)
{
	struct limits *limits = arg;
	uint32_t has = 0;
	int i;

	NEED(cmd == MBOX_CMD_GET_LIMITS);
	memset(limits, POISON, sizeof(*limits));
	limits->nr = 1;
	take(attrs, MBOX_A_INFO, &limits->info, sizeof(limits->info), &has);
	take(attrs, MBOX_A_USAGE, &limits->usage, sizeof(limits->usage), &has);
	NEED(has == (HAS(MBOX_A_INFO) | HAS(MBOX_A_USAGE)));
	for (i = MBOX_A_PAD + 1; i <= MBOX_A_MAX; i++)
		NEED(!attrs[i] || has & HAS(i));
}

static int get_limits(struct watcher *watcher, struct limits *limits)
{
	return request(watcher, new_request(MBOX_CMD_GET_LIMITS, 0), take_limits, limits);
}

static int get_limits_of(struct watcher *watcher, uint32_t uid, struct limits *limits)
{
	struct nl_msg *msg = new_request(MBOX_CMD_GET_LIMITS, 0);

	NEED(!nla_put_u32(msg, MBOX_A_UID, uid));
	return request(watcher, msg, take_limits, limits);
}

/* But for @flags, which is of the question. */
static bool same_usage(struct mbox_usage a, struct mbox_usage b)
{
	b.flags = a.flags;
	return !memcmp(&a, &b, sizeof(a));
}

TEST_F(netlink, tells_limits_and_what_is_used_of_them)
{
	struct watcher *listening = new_listener(self->owner);
	uint64_t id = create_by(self->owner, public(3));
	struct mbox_info offered = info(self->fd);
	struct limits limits;

	NEED(!set_tunable("user_files", 17) && !set_tunable("max_msgs", 55));
	ASSERT_EQ(0, post_by(self->other, id, "text"));
	offered = info(self->fd);
	ASSERT_EQ(0, get_limits(self->root, &limits));
	EXPECT_EQ(0, memcmp(&offered, &limits.info, sizeof(offered)));
	EXPECT_EQ(55, limits.info.limit_msgs);
	EXPECT_EQ(0, limits.usage.flags);
	EXPECT_TRUE(same_usage(usage_of(self->fd, 0), limits.usage));
	ASSERT_EQ(0, get_limits(self->as_owner, &limits));
	EXPECT_EQ(0, memcmp(&offered, &limits.info, sizeof(offered)));
	EXPECT_TRUE(same_usage(own_usage(self->owner), limits.usage));
	EXPECT_EQ(OWNER, limits.usage.uid);
	EXPECT_EQ(1, limits.usage.user_mailboxes);
	EXPECT_EQ(1, limits.usage.user_listeners);
	EXPECT_EQ(1, limits.usage.ns_listeners);
	EXPECT_EQ(17, limits.usage.user_files_limit);
	/* By name, the same. */
	ASSERT_EQ(0, get_limits_of(self->as_owner, OWNER, &limits));
	EXPECT_TRUE(same_usage(own_usage(self->owner), limits.usage));
	ASSERT_EQ(0, get_limits_of(self->root, STRANGER, &limits));
	EXPECT_TRUE(same_usage(usage_of(self->fd, STRANGER), limits.usage));
	EXPECT_EQ(1, limits.usage.user_msgs);
	close_watcher(listening);
}

static int become_sys_resource(struct puppet *me)
{
	(void)me;
	become_with(STRANGER, 1ULL << CAP_SYS_RESOURCE);
	return 0;
}

TEST_F(netlink, tells_what_others_use_to_cap_sys_resource_only)
{
	struct puppet *strong = new_puppet_after(self->fd, become_sys_resource);
	struct puppet *weak = new_puppet_after(self->fd, respect_limits);
	struct puppet *inside = new_puppet_after(self->fd, become_other_root);
	struct watcher *as_strong = new_watcher(strong), *as_weak = new_watcher(weak);
	struct watcher *as_inside = new_watcher(inside), *lent;
	int ours = borrow(self->other, self->as_other->fd);
	struct limits limits;

	EXPECT_EQ(EACCES, get_limits_of(self->as_other, OWNER, &limits));
	EXPECT_EQ(EACCES, get_limits_of(self->as_other, 0, &limits));
	EXPECT_EQ(EACCES, get_limits_of(as_weak, OWNER, &limits));
	EXPECT_EQ(0, get_limits_of(as_weak, 0, &limits));
	EXPECT_EQ(0, get_limits_of(as_strong, OWNER, &limits));
	EXPECT_EQ(OWNER, limits.usage.uid);
	EXPECT_EQ(EINVAL, get_limits_of(self->root, -1, &limits));
	/* Users that are not there. */
	EXPECT_EQ(0, get_limits_of(as_inside, 0, &limits));
	EXPECT_EQ(0, limits.usage.uid);
	EXPECT_EQ(EINVAL, get_limits_of(as_inside, OWNER, &limits));
	/* Through a socket whose opener lacks it. */
	lent = new_watcher_at(NULL, ours, ours);
	EXPECT_EQ(EACCES, get_limits_of(lent, OWNER, &limits));
	EXPECT_EQ(EACCES, get_limits_of(lent, STRANGER, &limits));
	EXPECT_EQ(EACCES, get_limits(lent, &limits));
	drop_watcher(lent);
	/* The reverse. */
	lent = new_watcher(weak);
	ASSERT_EQ(0, ask(weak, become_stranger));
	EXPECT_EQ(EACCES, get_limits_of(lent, OWNER, &limits));
	close_watcher(lent);
	close_watcher(as_strong);
	close_watcher(as_weak);
	close_watcher(as_inside);
	kill_puppet(strong);
	kill_puppet(weak);
	kill_puppet(inside);
}

TEST_F(netlink, refuses_other_questions_about_limits)
{
	struct nl_msg *msg;
	int attr;

	for (attr = 0; attr <= MBOX_A_MAX + 2; attr++) {
		if (attr == MBOX_A_UID)
			continue;
		msg = new_request(MBOX_CMD_GET_LIMITS, 0);
		NEED(!nla_put_u32(msg, attr, 0));
		EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL)) {
			TH_LOG("attribute %d", attr);
		}
	}
	msg = new_request(MBOX_CMD_GET_LIMITS, 0);
	NEED(!nla_put_u64(msg, MBOX_A_UID, 0));
	EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL));
	msg = new_request(MBOX_CMD_GET_LIMITS, 0);
	NEED(!nla_put_u16(msg, MBOX_A_UID, 0));
	EXPECT_EQ(EINVAL, request(self->root, msg, NULL, NULL));
}

/*
 * Dumps that do not come to their end.
 */

static int begin_dump_there(struct puppet *me)
{
	struct watcher *watcher = new_watcher(NULL);
	struct rows rows = { };

	begin_dump(watcher, MBOX_CMD_GET, take_seen, &rows);
	memcpy(me->arg, &(int){ socket_of(watcher) }, sizeof(int));
	return 0;
}

/* The socket holds the network namespace, and that its mailboxes, but for those of processes. */
TEST_F(netlink, goes_on_with_a_dump_of_a_network_namespace_that_nobody_is_in)
{
	enum { COUNT = 50 };
	struct puppet *there = new_puppet_after(self->fd, leave_network_namespace);
	struct rows rows = { };
	struct answer answer = { .row = take_seen, .arg = &rows };
	struct watcher *watcher;
	int i, fd;

	for (i = 0; i < COUNT; i++)
		create_by(there, attributes(1, 1));
	ASSERT_EQ(0, ask(there, begin_dump_there));
	memcpy(&fd, there->arg, sizeof(fd));
	fd = borrow(there, fd);
	watcher = new_watcher_at(NULL, fd, fd);
	read_little(watcher);
	kill_puppet(there);
	answer.watcher = watcher;
	end_dump(&answer);
	EXPECT_EQ(0, answer.error);
	EXPECT_LT(COUNT / 2, rows.nr);
	free_rows(&rows);
	rows = dump(watcher);
	EXPECT_EQ(COUNT, rows.nr);
	for (i = 0; i < COUNT; i++)
		EXPECT_EQ(MBOX_STATE_ORPHAN, rows.seen[i].stat.state);
	free_rows(&rows);
	/* In the middle of one. */
	begin_dump(watcher, MBOX_CMD_GET, take_seen, &rows);
	free_rows(&rows);
	close_watcher(watcher);
	WAIT_UNTIL(!usage_of(self->fd, 0).user_mailboxes);
}

static void ask_for_ever(int fd, unsigned int seed)
{
	struct watcher *watcher = NULL;

	for (;;) {
		struct rows rows = { };
		struct answer answer = { .row = take_seen, .arg = &rows };
		int cmd = rand_r(&seed) % 2 ? MBOX_CMD_GET : MBOX_CMD_GET_GRANTS, reads;
		struct seen seen;

		if (!watcher) {
			watcher = new_watcher(NULL);
			read_little(watcher);
		}
		get_by_id(watcher, info(fd).mailboxes, &seen);
		answer.watcher = watcher;
		answer.row = cmd == MBOX_CMD_GET ? take_seen : take_granted;
		write_to_kernel(watcher, new_request(cmd, NLM_F_DUMP));
		for (reads = rand_r(&seed) % 30; reads && !answer.over; reads--)
			read_some(&answer);
		NEED(!answer.error);
		free_rows(&rows);
		if (answer.over)
			continue;
		close_watcher(watcher);
		watcher = NULL;
	}
}

static void change_for_ever(int fd, unsigned int seed)
{
	struct puppet *me = myself(fd);
	uint64_t ids[40] = { };

	for (;;) {
		int at = rand_r(&seed) % 40;
		struct mbox_create attr = public(1);

		snprintf((char *)attr.name, sizeof(attr.name), "%c%d-%d", 'a', me->pid, at);
		if (ids[at]) {
			delete(fd, ids[at]);
			ids[at] = 0;
			continue;
		}
		ids[at] = create(fd, attr);
		grant_by(me, ids[at], getppid(), MBOX_RIGHT_SEND);
		grant_by(me, ids[at], me->pid, MBOX_RIGHT_RECV);
		if (rand_r(&seed) % 2)
			revoke_by(me, ids[at], me->pid, MBOX_RIGHT_RECV);
		offer_by(me, ids[at], getppid(), 0);
	}
}

TEST_F_TIMEOUT(netlink, storms_of_dumps_leave_nothing_behind, 120)
{
	enum { ROUNDS = 12, PROCESSES = 6 };
	pid_t children[PROCESSES] = { };
	unsigned int seed = 1;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < PROCESSES; i++) {
			if (children[i] && rand_r(&seed) % 3)
				continue;
			if (children[i])
				end(children[i]);
			children[i] = spawn();
			if (children[i])
				continue;
			if (i % 2)
				change_for_ever(self->fd, round);
			else
				ask_for_ever(self->fd, round);
		}
		usleep(100000);
	}
	for (i = 0; i < PROCESSES; i++)
		end(children[i]);
}

/*
 * Want of memory.
 */

enum { NO_ANSWER = -1 };

/* What comes of it if the @nth of all that can fail does: an errno, or NO_ANSWER. */
static int ask_with_fault(struct watcher *watcher, struct nl_msg *msg, int fault, int nth,
			  bool *came_to_pass)
{
	struct answer answer = { .watcher = watcher };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket_of(watcher), error;
	struct nlmsghdr *header;

	nl_complete_msg(watcher->sk, msg);
	header = nlmsg_hdr(msg);
	set_fault(fault, nth);
	error = error_of(sendto(fd, header, header->nlmsg_len, 0, (struct sockaddr *)&kernel,
				sizeof(kernel)));
	*came_to_pass = fault_is_over(fault);
	nlmsg_free(msg);
	while (!error && !answer.over) {
		error = socket_says(watcher);
		if (!error)
			read_some(&answer);
	}
	if (error)
		return error == EAGAIN ? NO_ANSWER : error;
	return answer.error;
}

static struct nl_msg *question(int which, uint64_t id)
{
	static const struct {
		int cmd, flags;
		bool id;
	} questions[] = {
		{ MBOX_CMD_GET, 0, true }, { MBOX_CMD_GET, NLM_F_DUMP, false },
		{ MBOX_CMD_GET, NLM_F_DUMP, true }, { MBOX_CMD_GET_GRANTS, NLM_F_DUMP, false },
		{ MBOX_CMD_GET_LIMITS, 0, false }, { MBOX_CMD_SUBSCRIBE, 0, false },
		{ MBOX_CMD_UNSUBSCRIBE, 0, false },
	};
	struct nl_msg *msg;

	if (which == ARRAY_SIZE(questions))
		return NULL;
	msg = new_request(questions[which].cmd, questions[which].flags);
	return questions[which].id ? with_id(msg, id) : msg;
}

TEST_F(netlink, says_so_and_leaves_nothing_behind_where_memory_fails)
{
	uint64_t id = create_by(self->owner, attributes(1, 1));
	int fault = open_faults(), which;
	struct nl_msg *msg;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_SEND));
	for (which = 0; (msg = question(which, id)); which++) {
		bool came_to_pass = true;
		unsigned int failed = 0;
		int nth;

		nlmsg_free(msg);
		for (nth = 1; came_to_pass; nth++) {
			struct watcher *watcher = new_watcher(NULL);
			int error;

			ASSERT_GT(100, nth);
			error = ask_with_fault(watcher, question(which, id), fault, nth,
					       &came_to_pass);
			EXPECT_TRUE(!error || error == ENOMEM || error == ENOBUFS ||
				    error == EFAULT || error == NO_ANSWER) {
				TH_LOG("question %d: %d", which, error);
			}
			EXPECT_TRUE(came_to_pass || !error);
			failed += error != 0;
			/* That the ack could not be made does not undo it. */
			if (which != 5 || (error != ENOBUFS && error != NO_ANSWER))
				EXPECT_EQ(which == 5 && !error, listeners(self->fd));
			close_watcher(watcher);
			EXPECT_EQ(0, listeners(self->fd));
			watcher = new_watcher(NULL);
			EXPECT_EQ(0, request(watcher, question(which, id), NULL, NULL));
			close_watcher(watcher);
		}
		EXPECT_LT(0, failed);
	}
}

/*
 * The module.
 */
FIXTURE(module) {
};

FIXTURE_SETUP(module)
{
	begin();
	await_module();
}

FIXTURE_TEARDOWN(module)
{
	family_number = 0;
	restore_module();
}

/* With a dump under way, of mailboxes that are gone. */
static void begin_dump_and_sweep(struct watcher *watcher)
{
	struct rows rows = { };
	int fd = device(O_RDWR);

	free(create_many(fd, 100));
	begin_dump(watcher, MBOX_CMD_GET, take_seen, &rows);
	free_rows(&rows);
	close(fd);
	sweep();
}

TEST_F(module, stays_while_a_dump_is_under_way_and_goes_when_that_is_given_up)
{
	struct watcher *watcher;

	SKIP_IF_MISSING();
	watcher = new_watcher(NULL);
	begin_dump_and_sweep(watcher);
	EXPECT_EQ(EWOULDBLOCK, unload());
	close_watcher(watcher);
	WAIT_UNTIL(!users_of_module());
	EXPECT_EQ(0, unload());
	ASSERT_EQ(0, load());
}

TEST_F(module, goes_after_a_dump_has_come_to_its_end)
{
	struct rows rows = { };
	struct answer answer = { .row = take_seen, .arg = &rows };
	struct watcher *watcher;

	SKIP_IF_MISSING();
	watcher = new_watcher(NULL);
	begin_dump_and_sweep(watcher);
	answer.watcher = watcher;
	end_dump(&answer);
	EXPECT_EQ(0, users_of_module());
	EXPECT_EQ(0, unload());
	/* The family is gone. */
	EXPECT_EQ(ENOENT, request(watcher, new_request(MBOX_CMD_GET, 0), NULL, NULL));
	ASSERT_EQ(0, load());
	close_watcher(watcher);
}

TEST_F(module, goes_when_whoever_read_a_dump_is_killed)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child;

	SKIP_IF_MISSING();
	family();
	child = spawn();
	if (!child) {
		begin_dump_and_sweep(new_watcher(NULL));
		tell(ready, true);
		pause();
	}
	WAIT_UNTIL(told(ready));
	EXPECT_EQ(EWOULDBLOCK, unload());
	end(child);
	WAIT_UNTIL(!users_of_module());
	EXPECT_EQ(0, unload());
	ASSERT_EQ(0, load());
}

TEST_HARNESS_MAIN
