/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink for tests: watchers, who ask or listen through a socket of their own, and
 * what they are told. Who asks may be a puppet; the test reads what it is answered.
 */
#ifndef NETLINK_TEST_H
#define NETLINK_TEST_H

#include "kselftest_harness.h"
#include "account.h"

#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <linux/mbox_netlink.h>

#define HAS(attr)	(1U << (attr))
#define EVERY_EVENT	(HAS(MBOX_A_EVENT) | HAS(MBOX_A_SEQ) | HAS(MBOX_A_TIME) | HAS(MBOX_A_STAT))

/**
 * struct news - an event, as a watcher was told of it
 * @has: HAS() of the attributes that it came with
 */
struct news {
	uint32_t has;
	uint32_t event;
	uint64_t seq;
	uint64_t time;
	int32_t actor;
	int32_t process;
	uint64_t participant;
	int32_t former;
	uint32_t rights;
	uint32_t count;
	struct mbox_stat stat;
};

/**
 * struct watcher - somebody with a netlink socket
 * @who: the puppet that has opened it and asks; NULL: the test
 * @fd: what the socket is there
 * @sk: the same socket, for the test
 * @news: events that came while an answer was waited for, or were read at once
 * @nr_news: how many
 * @seq: number of the event that was expected last
 * @time: what comes next has happened later than this, on the test's clock
 */
struct watcher {
	struct puppet *who;
	int fd;
	struct nl_sock *sk;
	struct news *news;
	unsigned int nr_news;
	uint64_t seq;
	uint64_t time;
};

static inline uint64_t realtime(void)
{
	struct timespec t;

	NEED(!clock_gettime(CLOCK_REALTIME, &t));
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The family has another number each time that the module comes. */
static int family_number;

static inline int family(void)
{
	struct nl_sock *sk;

	if (family_number)
		return family_number;
	sk = nl_socket_alloc();
	NEED(sk && !genl_connect(sk));
	family_number = genl_ctrl_resolve(sk, MBOX_GENL_NAME);
	NEED(family_number > 0);
	nl_socket_free(sk);
	return family_number;
}

/* The socket stays open as long as its process lives, or do_close() comes. */
static inline int do_open_socket(struct puppet *me)
{
	struct nl_sock *sk = nl_socket_alloc();

	NEED(sk && !genl_connect(sk));
	memcpy(me->arg, &(int){ nl_socket_get_fd(sk) }, sizeof(int));
	return 0;
}

static inline int do_close(struct puppet *me)
{
	int fd;

	memcpy(&fd, me->arg, sizeof(fd));
	return error_of(close(fd));
}

/* A descriptor of the test for what a puppet has open. */
static inline int borrow(const struct puppet *from, int fd)
{
	int pidfd = open_pidfd(from->pid), mine;

	mine = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	NEED(mine >= 0);
	close(pidfd);
	return mine;
}

static inline struct nl_sock *wrap(int fd)
{
	struct nl_sock *sk = nl_socket_alloc();

	NEED(sk && !nl_socket_set_fd(sk, NETLINK_GENERIC, fd));
	nl_socket_disable_seq_check(sk);
	return sk;
}

/* Through a socket that somebody has opened. */
static inline struct watcher *new_watcher_at(struct puppet *who, int theirs, int ours)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	NEED(watcher);
	watcher->who = who;
	watcher->fd = theirs;
	watcher->sk = wrap(ours);
	watcher->time = realtime();
	return watcher;
}

static inline struct watcher *new_watcher(struct puppet *who)
{
	struct puppet *opener = who ? who : myself(-1);
	int fd;

	NEED(!ask(opener, do_open_socket));
	memcpy(&fd, opener->arg, sizeof(fd));
	return new_watcher_at(who, fd, who ? borrow(who, fd) : fd);
}

/* What the puppet has of it stays open. */
static inline void drop_watcher(struct watcher *watcher)
{
	nl_socket_free(watcher->sk);
	free(watcher->news);
	free(watcher);
}

static inline void close_watcher(struct watcher *watcher)
{
	if (watcher->who) {
		memcpy(watcher->who->arg, &watcher->fd, sizeof(watcher->fd));
		NEED(!ask(watcher->who, do_close));
	}
	drop_watcher(watcher);
}

static inline int socket_of(const struct watcher *watcher)
{
	return nl_socket_get_fd(watcher->sk);
}

/*
 * Requests.
 */

static inline struct nl_msg *new_request(int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	NEED(msg);
	NEED(genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family(), 0, NLM_F_REQUEST | flags, cmd,
			 MBOX_GENL_VERSION));
	return msg;
}

/* What a puppet writes to its socket. */
struct letter_to_kernel {
	int fd;
	uint32_t len;
	char bytes[500];
};

static inline int do_write_to_kernel(struct puppet *me)
{
	const struct letter_to_kernel *letter = (void *)me->arg;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	return error_of(sendto(letter->fd, letter->bytes, letter->len, 0,
			       (struct sockaddr *)&kernel, sizeof(kernel)));
}

/* Without waiting for the answer; @msg is freed. */
static inline void write_to_kernel(struct watcher *watcher, struct nl_msg *msg)
{
	struct letter_to_kernel letter = { .fd = watcher->fd };
	struct nlmsghdr *header;

	nl_complete_msg(watcher->sk, msg);
	header = nlmsg_hdr(msg);
	if (!watcher->who) {
		NEED(nl_sendto(watcher->sk, header, header->nlmsg_len) >= 0);
	} else {
		NEED(header->nlmsg_len <= sizeof(letter.bytes));
		letter.len = header->nlmsg_len;
		memcpy(letter.bytes, header, header->nlmsg_len);
		memcpy(watcher->who->arg, &letter, sizeof(letter));
		NEED(!ask(watcher->who, do_write_to_kernel));
	}
	nlmsg_free(msg);
}

/*
 * Answers. What is read is of the size that is promised, and nothing that is unknown.
 */

typedef void row_fn(int cmd, struct nlattr **attrs, void *arg);

/**
 * struct answer - an answer on its way
 * @watcher: whose
 * @row: gets each message of it, or NULL
 * @arg: for that
 * @error: positive errno
 * @over: nothing follows
 * @reads: calls of recv(2) so far
 * @interrupted: it said that something changed meanwhile
 */
struct answer {
	struct watcher *watcher;
	row_fn *row;
	void *arg;
	int error;
	bool over;
	unsigned int reads;
	bool interrupted;
};

static inline void take(struct nlattr **attrs, int attr, void *to, size_t size, uint32_t *has)
{
	if (!attrs[attr])
		return;
	NEED(nla_len(attrs[attr]) == (int)size);
	memcpy(to, nla_data(attrs[attr]), size);
	*has |= HAS(attr);
}

static inline void push_news(struct watcher *watcher, struct nlattr **attrs)
{
	size_t nr = watcher->nr_news++;
	struct news *news;
	uint32_t has = 0;
	int i, there = 0;

	watcher->news = realloc(watcher->news, (nr + 1) * sizeof(*news));
	NEED(watcher->news);
	news = &watcher->news[nr];
	memset(news, 0, sizeof(*news));
	take(attrs, MBOX_A_EVENT, &news->event, sizeof(news->event), &has);
	take(attrs, MBOX_A_SEQ, &news->seq, sizeof(news->seq), &has);
	take(attrs, MBOX_A_TIME, &news->time, sizeof(news->time), &has);
	take(attrs, MBOX_A_STAT, &news->stat, sizeof(news->stat), &has);
	take(attrs, MBOX_A_ACTOR, &news->actor, sizeof(news->actor), &has);
	take(attrs, MBOX_A_PROCESS, &news->process, sizeof(news->process), &has);
	take(attrs, MBOX_A_PARTICIPANT, &news->participant, sizeof(news->participant), &has);
	take(attrs, MBOX_A_FORMER, &news->former, sizeof(news->former), &has);
	take(attrs, MBOX_A_RIGHTS, &news->rights, sizeof(news->rights), &has);
	take(attrs, MBOX_A_COUNT, &news->count, sizeof(news->count), &has);
	for (i = MBOX_A_PAD + 1; i <= MBOX_A_MAX; i++)
		there |= attrs[i] ? HAS(i) : 0;
	NEED(there == (int)has);
	news->has = has;
}

static inline int take_message(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct nlattr *attrs[MBOX_A_MAX + 1];
	struct answer *answer = arg;
	struct nlattr *attr;
	int rest, cmd;

	NEED(header->nlmsg_type == family());
	NEED(nlmsg_get_src(msg)->nl_pid == 0);
	cmd = genlmsg_hdr(header)->cmd;
	nla_for_each_attr(attr, genlmsg_attrdata(genlmsg_hdr(header), 0),
			  genlmsg_attrlen(genlmsg_hdr(header), 0), rest)
		NEED(nla_type(attr) <= MBOX_A_MAX);
	NEED(!genlmsg_parse(header, 0, attrs, MBOX_A_MAX, NULL));
	if (cmd == MBOX_CMD_EVENT)
		push_news(answer->watcher, attrs);
	else if (answer->row)
		answer->row(cmd, attrs, answer->arg);
	return NL_OK;
}

static inline int take_end(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->over = true;
	return NL_STOP;
}

static inline int take_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->error = -error->error;
	answer->over = true;
	return NL_STOP;
}

static inline int take_interruption(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->interrupted = true;
	return NL_OK;
}

static inline int pass(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

/* libnl would read until the end of a dump: it gets one message of the socket at a time. */
static bool has_read;

static inline int read_once(struct nl_sock *sk, struct sockaddr_nl *from, unsigned char **buf,
			    struct ucred **creds)
{
	if (has_read)
		return 0;
	has_read = true;
	return nl_recv(sk, from, buf, creds);
}

/* One recv(2), of whatever comes. That events were lost is what their numbers tell. */
static inline void read_some(struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int result;

	NEED(cb);
	NEED(!nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, take_message, answer));
	NEED(!nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, pass, answer));
	NEED(!nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, take_end, answer));
	NEED(!nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, take_end, answer));
	NEED(!nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, take_interruption, answer));
	NEED(!nl_cb_err(cb, NL_CB_CUSTOM, take_error, answer));
	nl_cb_overwrite_recv(cb, read_once);
	has_read = false;
	answer->reads++;
	result = nl_recvmsgs(answer->watcher->sk, cb);
	if (result == -NLE_NODEV) {
		answer->error = ENODEV;
		answer->over = true;
	} else if (result < 0 && result != -NLE_NOMEM && !answer->over) {
		fprintf(stderr, "# nl_recvmsgs: %s\n", nl_geterror(result));
		abort();
	}
	nl_cb_put(cb);
}

static inline struct answer read_answer(struct watcher *watcher, row_fn *row, void *arg)
{
	struct answer answer = { .watcher = watcher, .row = row, .arg = arg };

	while (!answer.over)
		read_some(&answer);
	return answer;
}

/* Its errno. */
static inline int request(struct watcher *watcher, struct nl_msg *msg, row_fn *row, void *arg)
{
	write_to_kernel(watcher, msg);
	return read_answer(watcher, row, arg).error;
}

/*
 * Mailboxes and grants.
 */

struct seen {
	struct mbox_stat stat;
	uint64_t waited[MBOX_WAITED_BUCKETS];
};

struct granted {
	uint64_t id;
	int32_t process;
	uint64_t participant;
	uint32_t rights;
};

/* An array that grows. */
struct rows {
	unsigned int nr;
	union {
		struct seen *seen;
		struct granted *granted;
		void *memory;
	};
};

static inline void free_rows(struct rows *rows)
{
	free(rows->memory);
	*rows = (struct rows){ };
}

/* The next one, poisoned. */
static inline void *add_row(struct rows *rows, size_t size)
{
	rows->memory = realloc(rows->memory, (rows->nr + 1) * size);
	NEED(rows->memory);
	return memset((char *)rows->memory + rows->nr++ * size, POISON, size);
}

static inline void take_seen(int cmd, struct nlattr **attrs, void *arg)
{
	struct seen *seen = add_row(arg, sizeof(*seen));
	uint32_t has = 0;
	int i;

	NEED(cmd == MBOX_CMD_GET);
	take(attrs, MBOX_A_STAT, &seen->stat, sizeof(seen->stat), &has);
	take(attrs, MBOX_A_WAITED, seen->waited, sizeof(seen->waited), &has);
	NEED(has == (HAS(MBOX_A_STAT) | HAS(MBOX_A_WAITED)));
	for (i = MBOX_A_PAD + 1; i <= MBOX_A_MAX; i++)
		NEED(!attrs[i] || has & HAS(i));
}

static inline void take_granted(int cmd, struct nlattr **attrs, void *arg)
{
	struct granted *row = add_row(arg, sizeof(*row));
	uint32_t has = 0;
	int i;

	NEED(cmd == MBOX_CMD_GET_GRANTS);
	take(attrs, MBOX_A_ID, &row->id, sizeof(row->id), &has);
	take(attrs, MBOX_A_PROCESS, &row->process, sizeof(row->process), &has);
	take(attrs, MBOX_A_PARTICIPANT, &row->participant, sizeof(row->participant), &has);
	take(attrs, MBOX_A_RIGHTS, &row->rights, sizeof(row->rights), &has);
	NEED(has == (HAS(MBOX_A_ID) | HAS(MBOX_A_PROCESS) | HAS(MBOX_A_PARTICIPANT) |
		     HAS(MBOX_A_RIGHTS)));
	for (i = MBOX_A_PAD + 1; i <= MBOX_A_MAX; i++)
		NEED(!attrs[i] || has & HAS(i));
}

static inline struct nl_msg *with_id(struct nl_msg *msg, uint64_t id)
{
	NEED(!nla_put_u64(msg, MBOX_A_ID, id));
	return msg;
}

static inline struct nl_msg *with_name(struct nl_msg *msg, const char *name)
{
	NEED(!nla_put_string(msg, MBOX_A_NAME, name));
	return msg;
}

static inline int get_one(struct watcher *watcher, struct nl_msg *msg, struct seen *seen)
{
	struct rows rows = { };
	int error = request(watcher, msg, take_seen, &rows);

	NEED(rows.nr == !error);
	if (!error)
		*seen = rows.seen[0];
	free_rows(&rows);
	return error;
}

static inline int get_by_id(struct watcher *watcher, uint64_t id, struct seen *seen)
{
	return get_one(watcher, with_id(new_request(MBOX_CMD_GET, 0), id), seen);
}

static inline int get_by_name(struct watcher *watcher, const char *name, struct seen *seen)
{
	return get_one(watcher, with_name(new_request(MBOX_CMD_GET, 0), name), seen);
}

/* All that the watcher sees. */
static inline struct rows dump(struct watcher *watcher)
{
	struct rows rows = { };

	NEED(!request(watcher, new_request(MBOX_CMD_GET, NLM_F_DUMP), take_seen, &rows));
	return rows;
}

static inline struct rows dump_grants(struct watcher *watcher)
{
	struct rows rows = { };

	NEED(!request(watcher, new_request(MBOX_CMD_GET_GRANTS, NLM_F_DUMP), take_granted, &rows));
	return rows;
}

static inline bool has_seen(const struct rows *rows, uint64_t id)
{
	unsigned int i, count = 0;

	for (i = 0; i < rows->nr; i++)
		count += rows->seen[i].stat.id == id;
	NEED(count <= 1);
	return count;
}

/* Whether a dump has it; MBOX_CMD_GET must say the same. */
static inline bool sees(struct watcher *watcher, uint64_t id)
{
	struct rows rows = dump(watcher);
	bool seen = has_seen(&rows, id);
	struct seen one;

	NEED(get_by_id(watcher, id, &one) == (seen ? 0 : EACCES));
	free_rows(&rows);
	return seen;
}

/*
 * Events.
 */

static inline int subscribe_to(struct watcher *watcher, uint32_t events)
{
	struct nl_msg *msg = new_request(MBOX_CMD_SUBSCRIBE, 0);

	NEED(!nla_put_u32(msg, MBOX_A_EVENTS, events));
	return request(watcher, msg, NULL, NULL);
}

static inline int subscribe(struct watcher *watcher)
{
	return request(watcher, new_request(MBOX_CMD_SUBSCRIBE, 0), NULL, NULL);
}

static inline int unsubscribe(struct watcher *watcher)
{
	return request(watcher, new_request(MBOX_CMD_UNSUBSCRIBE, 0), NULL, NULL);
}

static inline struct watcher *new_listener(struct puppet *who)
{
	struct watcher *watcher = new_watcher(who);

	NEED(!subscribe(watcher));
	watcher->time = realtime();
	return watcher;
}

/* What recv(2) would say now: 0, EAGAIN, or an error, which is told once. */
static inline int socket_says(const struct watcher *watcher)
{
	char byte;

	return error_of(recv(socket_of(watcher), &byte, 1, MSG_PEEK | MSG_DONTWAIT));
}

/* Whether nothing was told that has not been taken. */
static inline bool is_silent(const struct watcher *watcher)
{
	return !watcher->nr_news && socket_says(watcher) == EAGAIN;
}

static inline struct news pop_news(struct watcher *watcher)
{
	struct news news = watcher->news[0];

	watcher->nr_news--;
	memmove(watcher->news, watcher->news + 1, watcher->nr_news * sizeof(news));
	return news;
}

/* Of what happens late. */
static inline void wait_for_news(struct watcher *watcher)
{
	struct answer answer = { .watcher = watcher };

	while (!watcher->nr_news) {
		struct pollfd pollfd = { .fd = socket_of(watcher), .events = POLLIN };

		NEED(poll(&pollfd, 1, 20000) == 1 && "told in time");
		read_some(&answer);
		NEED(!answer.over);
	}
}

static inline struct news next_news(struct watcher *watcher)
{
	wait_for_news(watcher);
	return pop_news(watcher);
}

/* What came so far, without waiting. */
static inline bool poll_news(struct watcher *watcher, struct news *news)
{
	struct answer answer = { .watcher = watcher };

	if (!watcher->nr_news) {
		if (socket_says(watcher))
			return false;
		read_some(&answer);
		if (!watcher->nr_news)
			return false;
	}
	*news = pop_news(watcher);
	return true;
}

/* Attributes that are there when they are not 0, and those that must be all the same. */
static inline uint32_t attributes_of(const struct news *news)
{
	return EVERY_EVENT | news->has | (news->actor ? HAS(MBOX_A_ACTOR) : 0) |
	       (news->process ? HAS(MBOX_A_PROCESS) : 0) |
	       (news->participant ? HAS(MBOX_A_PARTICIPANT) : 0) |
	       (news->former ? HAS(MBOX_A_FORMER) : 0) |
	       (news->rights ? HAS(MBOX_A_RIGHTS) : 0) |
	       (news->count ? HAS(MBOX_A_COUNT) : 0);
}

/* What is told next is that, member by member; without an id, not what @stat has. */
static inline void expect_news(struct __test_metadata *_metadata, int line,
			       struct watcher *watcher, struct news want)
{
	struct news news = next_news(watcher);
	uint64_t time = realtime();
	bool as_expected;

	as_expected = attributes_of(&want) == news.has && want.event == news.event &&
		      ++watcher->seq == news.seq && news.time >= watcher->time &&
		      news.time <= time && want.actor == news.actor &&
		      want.process == news.process && want.participant == news.participant &&
		      want.former == news.former && want.rights == news.rights &&
		      want.count == news.count &&
		      (!want.stat.id || same_state(want.stat, news.stat));
	/* What comes next and is there has happened before, and after this. */
	watcher->time = is_silent(watcher) ? time : news.time;
	EXPECT_TRUE(as_expected) {
		TH_LOG("line %d: event %u/%u, seq %llu/%llu, has %#x/%#x, actor %d/%d", line,
		       news.event, want.event, (unsigned long long)news.seq,
		       (unsigned long long)watcher->seq, news.has, attributes_of(&want),
		       news.actor, want.actor);
		TH_LOG("process %d/%d, participant %llu/%llu, former %d/%d, rights %u/%u",
		       news.process, want.process, (unsigned long long)news.participant,
		       (unsigned long long)want.participant, news.former, want.former,
		       news.rights, want.rights);
		TH_LOG("count %u/%u, id %llu/%llu, stat %s", news.count, want.count,
		       (unsigned long long)news.stat.id, (unsigned long long)want.stat.id,
		       same_state(want.stat, news.stat) ? "the same" : "another");
	}
}

#define EXPECT_NEWS(_watcher, ...)						\
	expect_news(_metadata, __LINE__, (_watcher), (struct news){ __VA_ARGS__ })

/*
 * Who is who.
 */

static inline uint64_t participant_of(struct puppet *who)
{
	struct mbox_clock clock = { };

	NEED(!call_by(who, MBOX_IOC_CLOCK, &clock));
	return clock.participant;
}

static inline uint32_t listeners_of(int fd, uid_t uid)
{
	return usage_of(fd, uid).user_listeners;
}

static inline uint32_t listeners(int fd)
{
	return usage_of(fd, 0).ns_listeners;
}

/* Mailboxes of each kind. */
static const struct mbox_create each_kind[] = {
	{ .max_msgs = 3, .max_bytes = 30, .max_size = 10, .mode = 0640 },
	{ .max_msgs = 3, .max_bytes = 30, .max_size = 10, .mode = 0666, .name = "name" },
	{ .max_size = 10, .mode = 0 },
	{ .max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .max_size = 1 },
	{ .flags = MBOX_CREATE_RESERVE, .max_msgs = 2,
	  .max_bytes = MBOX_UNBOUNDED_BYTES, .max_size = 9 },
	{ .flags = MBOX_CREATE_BY_TAG, .max_msgs = 1, .max_bytes = 9, .max_size = 9 },
	{ .flags = MBOX_CREATE_BY_SENDER | MBOX_CREATE_SINGLE, .max_msgs = 1,
	  .max_bytes = 9, .max_size = 9 },
	{ .flags = MBOX_CREATE_PAIR | MBOX_CREATE_FIXED, .max_msgs = 1, .max_bytes = 9,
	  .max_size = 9 },
	{ .flags = MBOX_CREATE_FILES, .max_msgs = 1, .max_bytes = 9, .max_size = 9,
	  .share = 50 },
	{ .flags = MBOX_CREATE_PROCESS, .max_msgs = 1, .max_bytes = 9, .max_size = 9 },
	{ .flags = MBOX_CREATE_INBOX, .max_msgs = 1, .max_bytes = 9, .max_size = 9 },
};

#endif /* NETLINK_TEST_H */
