// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mailboxes as the kernel tells of them by generic netlink: questions and their
 * answers, events. libnl builds and parses the messages. They are received here, since
 * libnl goes on after a signal and has fewer errors than the kernel.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "mboxctl.h"
#include "netlink.h"

/* The kernel makes none that are larger. */
#define DATAGRAM_SIZE	65536

/* How often a dump is made anew because mailboxes came or went meanwhile. */
#define DUMPS_MAX	8

/* What there are any number of. */
struct list {
	size_t size;
	size_t count;
	char *items;
};

struct netlink {
	struct nl_sock *sock;
	int family;
	/* For recv(2), of events. */
	int flags;

	/* What is not read yet of the last datagram. */
	struct nlmsghdr *at;
	int left;

	/* Events that came before the answer did, and how many of them were told. */
	struct list early;
	size_t told;

	char datagram[DATAGRAM_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

#define END_OF(type, member)	(offsetof(type, member) + sizeof(((type *)0)->member))

/* What is shorter is malformed: structures were never shorter here. */
static struct nla_policy policy[MBOX_A_MAX + 1] = {
	[MBOX_A_ID] = { .type = NLA_U64 },
	[MBOX_A_STAT] = { .minlen = END_OF(struct mbox_stat, filled) },
	[MBOX_A_WAITED] = { .minlen = MBOX_WAITED_BUCKETS * sizeof(uint64_t) },
	[MBOX_A_INFO] = { .minlen = END_OF(struct mbox_info, mailboxes) },
	[MBOX_A_USAGE] = { .minlen = END_OF(struct mbox_usage, ns_listeners_limit) },
	[MBOX_A_EVENT] = { .type = NLA_U32 },
	[MBOX_A_SEQ] = { .type = NLA_U64 },
	[MBOX_A_TIME] = { .type = NLA_U64 },
	[MBOX_A_ACTOR] = { .type = NLA_S32 },
	[MBOX_A_PROCESS] = { .type = NLA_S32 },
	[MBOX_A_PARTICIPANT] = { .type = NLA_U64 },
	[MBOX_A_FORMER] = { .type = NLA_S32 },
	[MBOX_A_RIGHTS] = { .type = NLA_U32 },
	[MBOX_A_COUNT] = { .type = NLA_U32 },
};

static int set_errno(int error)
{
	errno = error;
	return -1;
}

/* A new item, all of it 0, or NULL. */
static void *append(struct list *list)
{
	char *items = list->items;

	/* Room doubles whenever the count is a power of two. */
	if (!(list->count & (list->count - 1))) {
		items = reallocarray(items, list->count ? 2 * list->count : 1, list->size);
		if (!items)
			return NULL;
		list->items = items;
	}
	return memset(items + list->count++ * list->size, 0, list->size);
}

/*
 * Connections
 */

/* The number of the family, or one of libnl's errors, negative. */
static int connect_family(struct nl_sock *sock)
{
	int error = sock ? genl_connect(sock) : -NLE_NOMEM;

	return error ? error : genl_ctrl_resolve(sock, MBOX_GENL_NAME);
}

/* Errors of libnl are not those of errno. */
static void say_failed(int error)
{
	const struct words words[] = {
		{ EPROTO, error == -NLE_OBJ_NOTFOUND
				? "nobody tells of mailboxes; is the module loaded?"
				: nl_geterror(error) },
		{ 0, NULL }
	};

	errno = EPROTO;
	fail(words, "generic netlink");
}

struct netlink *netlink_open(void)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));

	if (!netlink) {
		say_failed(-NLE_NOMEM);
		return NULL;
	}
	netlink->early.size = sizeof(struct netlink_event);
	netlink->sock = nl_socket_alloc();
	netlink->family = connect_family(netlink->sock);
	if (netlink->family >= 0)
		return netlink;

	say_failed(netlink->family);
	netlink_close(netlink);
	return NULL;
}

void netlink_close(struct netlink *netlink)
{
	nl_socket_free(netlink->sock);
	free(netlink->early.items);
	free(netlink);
}

int netlink_fd(const struct netlink *netlink)
{
	return nl_socket_get_fd(netlink->sock);
}

/* Beyond the sysctl net.core.rmem_max, for those who may. */
void netlink_set_buffer(struct netlink *netlink, int bytes)
{
	int fd = netlink_fd(netlink);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void netlink_set_nonblock(struct netlink *netlink)
{
	netlink->flags = MSG_DONTWAIT;
}

/* Or its place was taken by another one, whose ids mean other mailboxes. */
static bool family_is_gone(const struct netlink *netlink)
{
	struct nl_sock *sock = nl_socket_alloc();
	int family = connect_family(sock);

	nl_socket_free(sock);
	return family == -NLE_OBJ_NOTFOUND || (family >= 0 && family != netlink->family);
}

/*
 * Messages
 */

/* What others send is passed over. */
static int receive(struct netlink *netlink, int flags)
{
	struct sockaddr_nl from;
	socklen_t size;
	ssize_t len;

	do {
		size = sizeof(from);
		len = recvfrom(netlink_fd(netlink), netlink->datagram, DATAGRAM_SIZE,
			       flags | MSG_TRUNC, (struct sockaddr *)&from, &size);
		if (len < 0)
			return -1;
	} while (from.nl_pid);

	if (len > DATAGRAM_SIZE)
		return set_errno(EBADMSG);
	netlink->at = (struct nlmsghdr *)netlink->datagram;
	netlink->left = len;
	return 0;
}

static struct nlmsghdr *next_message(struct netlink *netlink, int flags)
{
	struct nlmsghdr *message;

	while (netlink->left <= 0)
		if (receive(netlink, flags))
			return NULL;
	message = netlink->at;
	if (!nlmsg_ok(message, netlink->left)) {
		netlink->left = 0;
		errno = EBADMSG;
		return NULL;
	}
	netlink->at = nlmsg_next(message, &netlink->left);
	return message;
}

static int parse(struct nlmsghdr *message, struct nlattr *attrs[MBOX_A_MAX + 1])
{
	return genlmsg_parse(message, 0, attrs, MBOX_A_MAX, policy) ? set_errno(EBADMSG) : 0;
}

static uint64_t get_u64(const struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static uint32_t get_u32(const struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

/* Structures grow at their end: what there is not reads as 0. */
static void get_struct(const struct nlattr *attr, void *to, size_t size)
{
	size_t len = nla_len(attr);

	memset(to, 0, size);
	memcpy(to, nla_data(attr), len < size ? len : size);
}

static int get_stat(const struct nlattr *attr, struct mbox_stat *stat)
{
	if (!attr)
		return set_errno(EBADMSG);
	get_struct(attr, stat, sizeof(*stat));
	return stat->name[MBOX_NAME_SIZE - 1] ? set_errno(EBADMSG) : 0;
}

static bool is_event(const struct netlink *netlink, struct nlmsghdr *message)
{
	return message->nlmsg_type == netlink->family && genlmsg_valid_hdr(message, 0) &&
	       genlmsg_hdr(message)->cmd == MBOX_CMD_EVENT;
}

static int read_event(struct nlmsghdr *message, struct netlink_event *event)
{
	struct nlattr *attrs[MBOX_A_MAX + 1];

	if (parse(message, attrs) || get_stat(attrs[MBOX_A_STAT], &event->stat))
		return -1;
	if (!attrs[MBOX_A_EVENT] || !attrs[MBOX_A_SEQ] || !attrs[MBOX_A_TIME])
		return set_errno(EBADMSG);

	event->what = get_u32(attrs[MBOX_A_EVENT]);
	event->seq = get_u64(attrs[MBOX_A_SEQ]);
	event->time = get_u64(attrs[MBOX_A_TIME]);
	event->actor = get_u32(attrs[MBOX_A_ACTOR]);
	event->process = get_u32(attrs[MBOX_A_PROCESS]);
	event->former = get_u32(attrs[MBOX_A_FORMER]);
	event->participant = get_u64(attrs[MBOX_A_PARTICIPANT]);
	event->rights = get_u32(attrs[MBOX_A_RIGHTS]);
	event->count = get_u32(attrs[MBOX_A_COUNT]);
	return 0;
}

static int keep_event(struct netlink *netlink, struct nlmsghdr *message)
{
	struct netlink_event *event = append(&netlink->early);

	return event ? read_event(message, event) : -1;
}

/*
 * Questions
 */

/* What is done with each message of an answer: 0, or -1 with errno. */
struct taker {
	int (*take)(struct nlattr **attrs, void *data);
	void *data;
	/* The first errno of that; the rest of the answer is read all the same. */
	int error;
	bool interrupted;
};

static void take(struct taker *taker, struct nlmsghdr *message)
{
	struct nlattr *attrs[MBOX_A_MAX + 1];

	if (parse(message, attrs) || taker->take(attrs, taker->data))
		taker->error = errno;
}

#define MAX_ERRNO	4095

/* Of an acknowledgement, an error, or the end of a dump: 0, or a negative errno. */
static int get_result(struct nlmsghdr *message)
{
	int result;

	if (nlmsg_datalen(message) < (int)sizeof(result))
		return -EBADMSG;
	memcpy(&result, nlmsg_data(message), sizeof(result));
	if (result < -MAX_ERRNO)
		return -EBADMSG;
	return result < 0 ? result : 0;
}

static int read_answer(struct netlink *netlink, uint32_t seq, struct taker *taker)
{
	struct nlmsghdr *message;
	int result = 1;

	while (result > 0) {
		message = next_message(netlink, 0);
		if (!message && errno == EINTR)
			continue;
		if (!message)
			return -1;
		if (is_event(netlink, message)) {
			if (keep_event(netlink, message))
				taker->error = errno;
			continue;
		}
		if (message->nlmsg_seq != seq)
			continue;

		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			taker->interrupted = true;
		if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
			result = get_result(message);
		else if (message->nlmsg_type == netlink->family && !taker->error)
			take(taker, message);
	}
	/* What a dump is told of a module that is about to go. */
	if (result == -EPROTONOSUPPORT || (result == -ENOENT && family_is_gone(netlink)))
		result = -ENODEV;
	if (!result)
		result = -taker->error;
	return result ? set_errno(-result) : 0;
}

static struct nl_msg *new_question(struct netlink *netlink, int verb, int flags)
{
	struct nl_msg *question = nlmsg_alloc();

	if (!question || genlmsg_put(question, NL_AUTO_PORT, NL_AUTO_SEQ, netlink->family, 0, flags,
				     verb, MBOX_GENL_VERSION))
		return question;
	nlmsg_free(question);
	return NULL;
}

static int send_question(struct netlink *netlink, const struct nlmsghdr *question)
{
	ssize_t len;

	do
		len = send(netlink_fd(netlink), question, question->nlmsg_len, 0);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -1 : 0;
}

/* Frees the question. @failed: something did not fit into it. */
static int ask(struct netlink *netlink, struct nl_msg *question, bool failed, struct taker *taker)
{
	struct nlmsghdr *header;
	int result = -1;

	if (!question || failed) {
		nlmsg_free(question);
		return set_errno(ENOMEM);
	}
	nl_complete_msg(netlink->sock, question);
	header = nlmsg_hdr(question);
	if (!send_question(netlink, header))
		result = read_answer(netlink, header->nlmsg_seq, taker);
	nlmsg_free(question);
	return result;
}

static int take_one(struct nlattr **attrs, void *data)
{
	struct netlink_box *box = data;

	if (!attrs[MBOX_A_WAITED])
		return set_errno(EBADMSG);
	get_struct(attrs[MBOX_A_WAITED], box->waited, sizeof(box->waited));
	return get_stat(attrs[MBOX_A_STAT], &box->stat);
}

/* By name or, with NULL, by id. An answer without the mailbox leaves its id 0. */
static int get(struct netlink *netlink, const char *name, uint64_t id, struct netlink_box *answer)
{
	struct taker taker = { .take = take_one, .data = answer };
	struct nl_msg *question = new_question(netlink, MBOX_CMD_GET, 0);
	bool failed = false;

	memset(answer, 0, sizeof(*answer));
	if (question)
		failed = name ? nla_put_string(question, MBOX_A_NAME, name)
			      : nla_put_u64(question, MBOX_A_ID, id);
	if (ask(netlink, question, failed, &taker))
		return -1;
	return answer->stat.id ? 0 : set_errno(EBADMSG);
}

int netlink_get_id(struct netlink *netlink, uint64_t id, struct netlink_box *answer)
{
	return get(netlink, NULL, id, answer);
}

/* Names never begin with a digit, ids always do. */
int netlink_get(struct netlink *netlink, const char *box, struct netlink_box *answer)
{
	uint64_t id;

	if (isdigit((unsigned char)*box)) {
		if (!read_digits(&box, &id) || *box)
			return set_errno(EINVAL);
		return get(netlink, NULL, id, answer);
	}
	if (!*box)
		return set_errno(EINVAL);
	if (strlen(box) >= MBOX_NAME_SIZE)
		return set_errno(ENAMETOOLONG);
	return get(netlink, box, 0, answer);
}

static int dump_once(struct netlink *netlink, int verb, uint64_t id, struct taker *taker)
{
	struct nl_msg *question = new_question(netlink, verb, NLM_F_DUMP);
	bool failed = false;

	if (question && id)
		failed = nla_put_u64(question, MBOX_A_ID, id);
	return ask(netlink, question, failed, taker);
}

static int dump(struct netlink *netlink, int verb, uint64_t id, struct list *list,
		int (*take_item)(struct nlattr **attrs, void *list))
{
	struct taker taker = { .take = take_item, .data = list, .interrupted = true };

	for (int i = 0; i < DUMPS_MAX && taker.interrupted; i++) {
		free(list->items);
		list->items = NULL;
		list->count = 0;
		taker.interrupted = false;
		if (dump_once(netlink, verb, id, &taker)) {
			free(list->items);
			return -1;
		}
	}
	return 0;
}

static int append_box(struct nlattr **attrs, void *list)
{
	struct netlink_box *box = append(list);

	return box ? take_one(attrs, box) : -1;
}

int netlink_dump(struct netlink *netlink, struct netlink_box **boxes, size_t *count)
{
	struct list list = { .size = sizeof(**boxes) };

	if (dump(netlink, MBOX_CMD_GET, 0, &list, append_box))
		return -1;
	*boxes = (struct netlink_box *)list.items;
	*count = list.count;
	return 0;
}

static int append_grant(struct nlattr **attrs, void *list)
{
	struct netlink_grant *grant = append(list);

	if (!grant)
		return -1;
	grant->id = get_u64(attrs[MBOX_A_ID]);
	grant->participant = get_u64(attrs[MBOX_A_PARTICIPANT]);
	grant->pid = get_u32(attrs[MBOX_A_PROCESS]);
	grant->rights = get_u32(attrs[MBOX_A_RIGHTS]);
	return 0;
}

int netlink_grants(struct netlink *netlink, uint64_t id, struct netlink_grant **grants,
		   size_t *count)
{
	struct list list = { .size = sizeof(**grants) };

	if (dump(netlink, MBOX_CMD_GET_GRANTS, id, &list, append_grant))
		return -1;
	*grants = (struct netlink_grant *)list.items;
	*count = list.count;
	return 0;
}

struct limits {
	struct mbox_info *info;
	struct mbox_usage *usage;
	bool there;
};

static int take_limits(struct nlattr **attrs, void *data)
{
	struct limits *limits = data;

	if (!attrs[MBOX_A_INFO] || !attrs[MBOX_A_USAGE])
		return set_errno(EBADMSG);
	get_struct(attrs[MBOX_A_INFO], limits->info, sizeof(*limits->info));
	get_struct(attrs[MBOX_A_USAGE], limits->usage, sizeof(*limits->usage));
	limits->there = true;
	return 0;
}

int netlink_limits(struct netlink *netlink, const uint32_t *uid, struct mbox_info *info,
		   struct mbox_usage *usage)
{
	struct limits limits = { .info = info, .usage = usage };
	struct taker taker = { .take = take_limits, .data = &limits };
	struct nl_msg *question = new_question(netlink, MBOX_CMD_GET_LIMITS, 0);
	bool failed = false;

	if (question && uid)
		failed = nla_put_u32(question, MBOX_A_UID, *uid);
	if (ask(netlink, question, failed, &taker))
		return -1;
	return limits.there ? 0 : set_errno(EBADMSG);
}

/*
 * Events
 */

/* Whatever the acknowledgement has beyond its errno. */
static int take_nothing(struct nlattr **attrs, void *data)
{
	(void)attrs;
	(void)data;
	return 0;
}

int netlink_subscribe(struct netlink *netlink, uint32_t events)
{
	struct taker taker = { .take = take_nothing };
	struct nl_msg *question = new_question(netlink, MBOX_CMD_SUBSCRIBE, 0);
	bool failed = false;

	if (question)
		failed = nla_put_u32(question, MBOX_A_EVENTS, events);
	return ask(netlink, question, failed, &taker);
}

int netlink_next(struct netlink *netlink, struct netlink_event *event)
{
	const struct netlink_event *early = (const struct netlink_event *)netlink->early.items;
	struct nlmsghdr *message;

	if (netlink->told < netlink->early.count) {
		*event = early[netlink->told++];
		return 0;
	}
	do {
		message = next_message(netlink, netlink->flags);
		if (!message)
			return -1;
	} while (!is_event(netlink, message));
	return read_event(message, event);
}
