// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever the kernel needs memory for, or copies, fails in turn: of what is asked for over
 * netlink, of what listeners are told, of the limits, and when network namespaces and the
 * module itself come.
 */
#include "fault_scene.h"
#include "module.h"
#include "netlink.h"

/*
 * Questions.
 */

static struct watcher *asker;
static struct rows rows;

static void prepare_question(struct scene *s)
{
	struct mbox_grant grant = { .id = s->id, .pid = s->other->pid, .rights = MBOX_RIGHT_RECV };

	NEED(!call(s->fd, MBOX_IOC_GRANT, &grant));
	asker = new_watcher(NULL);
}

static void finish_question(struct scene *s)
{
	(void)s;
	free_rows(&rows);
	close_watcher(asker);
}

static int act_get(struct scene *s)
{
	struct nl_msg *msg = new_request(MBOX_CMD_GET, s->op->flags);

	free_rows(&rows);
	if (!s->op->flags)
		msg = s->op->box.name[0] ? with_name(msg, "named") : with_id(msg, s->id);
	return request(asker, msg, take_seen, &rows);
}

static bool is_told(struct scene *s)
{
	SHOULD(rows.nr == 1);
	SHOULD(same_state(rows.seen[0].stat, state(s->fd, s->id)));
	return true;
}

/* An answer is copied into less memory, if that can be had. */
#define ASKING(_name, ...)							\
	OPERATION(_name, .prepare = prepare_question, .finish = finish_question, \
		  .survives = SLABS, __VA_ARGS__)

ASKING(of_get_by_id, .act = act_get, .check = is_told);
ASKING(of_get_by_name, .act = act_get, .check = is_told, .box = { .name = "named" });
ASKING(of_a_dump, .act = act_get, .check = is_told, .flags = NLM_F_DUMP);
ASKING(of_get_as_another_user, .act = act_get, .check = is_told, .uid = STRANGER);
ASKING(of_a_dump_as_another_user, .act = act_get, .check = is_told, .flags = NLM_F_DUMP,
       .uid = STRANGER);

static int act_get_grants(struct scene *s)
{
	struct nl_msg *msg = new_request(MBOX_CMD_GET_GRANTS, NLM_F_DUMP);

	free_rows(&rows);
	return request(asker, s->op->flags ? with_id(msg, s->id) : msg, take_granted, &rows);
}

static bool is_told_grants(struct scene *s)
{
	SHOULD(rows.nr == 1 && rows.granted[0].id == s->id);
	SHOULD(rows.granted[0].process == s->other->pid);
	return true;
}

ASKING(of_a_dump_of_grants, .act = act_get_grants, .check = is_told_grants);
ASKING(of_a_dump_of_grants_of_one, .act = act_get_grants, .check = is_told_grants, .flags = 1);

static void take_usage(int cmd, struct nlattr **attrs, void *arg)
{
	NEED(cmd == MBOX_CMD_GET_LIMITS && attrs[MBOX_A_USAGE]);
	memcpy(arg, nla_data(attrs[MBOX_A_USAGE]), sizeof(struct mbox_usage));
}

static int act_get_limits(struct scene *s)
{
	struct nl_msg *msg = new_request(MBOX_CMD_GET_LIMITS, 0);

	if (s->op->flags)
		NEED(!nla_put_u32(msg, MBOX_A_UID, s->op->flags));
	memset(&s->usage, POISON, sizeof(s->usage));
	return request(asker, msg, take_usage, &s->usage);
}

static bool is_told_limits(struct scene *s)
{
	SHOULD(s->usage.ns_mailboxes == 1 && s->usage.uid == s->op->flags);
	return true;
}

ASKING(of_the_limits, .act = act_get_limits, .check = is_told_limits);
ASKING(of_the_limits_of_a_new_user, .act = act_get_limits, .check = is_told_limits,
       .flags = SENDER);

static int act_subscribe(struct scene *s)
{
	(void)s;
	return subscribe(asker);
}

static bool is_subscribed(struct scene *s)
{
	struct mbox_change change = { .flags = MBOX_CHANGE_MODE, .id = s->id, .mode = 0600 };

	SHOULD(listeners(s->fd) == 1);
	SHOULD(!call(s->fd, MBOX_IOC_CHANGE, &change));
	SHOULD(next_news(asker).event == MBOX_EVENT_CHANGED);
	return true;
}

ASKING(of_subscribe, .act = act_subscribe, .check = is_subscribed);
ASKING(of_subscribe_as_another_user, .act = act_subscribe, .check = is_subscribed,
       .uid = STRANGER);

/*
 * Events. There are two listeners: what one of them is not told for want of memory, it
 * knows, and the other one is told.
 */

struct ear {
	struct watcher *watcher;
	uint64_t seq;		/* of what it was told last */
	unsigned int told;	/* since the scene began */
	bool knows;		/* that something was lost */
};

static struct ear ears[2];

static void listen_on(struct ear *ear)
{
	for (;;) {
		int said = socket_says(ear->watcher);
		struct news news;

		NEED(said == 0 || said == EAGAIN || said == ENOBUFS);
		if (said == EAGAIN)
			return;
		if (said == ENOBUFS) {
			ear->knows = true;
		} else {
			NEED(poll_news(ear->watcher, &news));
			ear->seq = news.seq;
			ear->told++;
		}
	}
}

static void prepare_ears(struct scene *s)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		ears[i] = (struct ear){ .watcher = new_listener(NULL) };
	if (s->op->flags == MBOX_IOC_ACCEPT) {
		NEED(!transfer_by(s->other, s->id, s->other->pid, 0));
		NEED(!offer_by(s->other, s->id, getpid(), 0));
	}
	if (s->op->flags == MBOX_IOC_REVOKE)
		NEED(!grant_by(s->other, s->id, s->other->pid, MBOX_RIGHT_SEND));
	for (i = 0; i < 2; i++) {
		listen_on(&ears[i]);
		NEED(!ears[i].knows && ears[i].told == ears[i].seq);
	}
}

static void finish_ears(struct scene *s)
{
	unsigned int i;

	(void)s;
	for (i = 0; i < 2; i++)
		close_watcher(ears[i].watcher);
}

/* By the number of the command. */
static int act_and_tell(struct scene *s)
{
	union {
		struct mbox_create create;
		struct mbox_delete delete;
		struct mbox_transfer transfer;
		struct mbox_take take;
		struct mbox_grant grant;
		struct mbox_change change;
	} arg;

	memset(&arg, 0, sizeof(arg));
	switch (s->op->flags) {
	case MBOX_IOC_CREATE:
		arg.create = attributes(1, 1);
		break;
	case MBOX_IOC_TRANSFER:
	case MBOX_IOC_OFFER:
		arg.transfer = (struct mbox_transfer){ .id = s->id, .pid = s->other->pid };
		break;
	case MBOX_IOC_GRANT:
	case MBOX_IOC_REVOKE:
		arg.grant = (struct mbox_grant){
			.id = s->id, .pid = s->other->pid, .rights = MBOX_RIGHT_SEND,
		};
		break;
	case MBOX_IOC_CHANGE:
		arg.change = (struct mbox_change){
			.flags = MBOX_CHANGE_MODE, .id = s->id, .mode = 0600,
		};
		break;
	default:
		arg.delete.id = s->id;
	}
	return call(s->fd, s->op->flags, &arg);
}

/* What happens then is told to both, so both count up to the same number. */
static bool have_been_told(struct scene *s)
{
	unsigned int i, lost = 0;
	uint64_t last[2];

	NEED(!delete(s->fd, create(s->fd, attributes(1, 1))));
	for (i = 0; i < 2; i++) {
		listen_on(&ears[i]);
		last[i] = ears[i].seq;
		lost += last[i] - ears[i].told;
		SHOULD(ears[i].knows == (last[i] != ears[i].told));
	}
	SHOULD(last[0] == last[1]);
	SHOULD(last[0] >= 3);
	/* A page is had elsewhere, and an id may take its place at the second try. */
	if (s->kind == SLABS && s->op->flags != MBOX_IOC_CREATE)
		SHOULD(lost == s->fired);
	else
		SHOULD(lost <= s->fired);
	return true;
}

#define TELLING(_name, _command)						\
	OPERATION(_name, .act = act_and_tell, .flags = _command,		\
		  .prepare = prepare_ears, .finish = finish_ears,		\
		  .check = have_been_told, .survives = SLABS)

TELLING(of_create_that_is_told, MBOX_IOC_CREATE);
TELLING(of_delete_that_is_told, MBOX_IOC_DELETE);
TELLING(of_transfer_that_is_told, MBOX_IOC_TRANSFER);
TELLING(of_offer_that_is_told, MBOX_IOC_OFFER);
TELLING(of_accept_that_is_told, MBOX_IOC_ACCEPT);
TELLING(of_grant_that_is_told, MBOX_IOC_GRANT);
TELLING(of_revoke_that_is_told, MBOX_IOC_REVOKE);
TELLING(of_change_that_is_told, MBOX_IOC_CHANGE);

/*
 * Limits.
 */

static int limit = -1;

static void prepare_limit(struct scene *s)
{
	limit = open(s->op->flags ? "/proc/sys/net/mbox/user_bytes" :
				    "/proc/sys/net/mbox/user_msgs", O_WRONLY | O_CLOEXEC);
	NEED(limit >= 0);
}

static const char *name_of_limit(struct scene *s)
{
	return s->op->flags ? "user_bytes" : "user_msgs";
}

static void finish_limit(struct scene *s)
{
	(void)s;
	close(limit);
}

static int act_limit(struct scene *s)
{
	(void)s;
	return error_of(pwrite(limit, "54321", 5, 0));
}

static bool is_limited(struct scene *s)
{
	SHOULD(tunable(name_of_limit(s)) == 54321);
	reset_tunables();
	return true;
}

static bool is_not_limited(struct scene *s)
{
	SHOULD(tunable(name_of_limit(s)) > 54321);
	return looks_like(s, &s->before);
}

#define LIMITING(_name, _flags)							\
	OPERATION(_name, .act = act_limit, .flags = _flags,			\
		  .prepare = prepare_limit, .finish = finish_limit,		\
		  .check = is_limited, .holds = is_not_limited, .everywhere = true)

LIMITING(of_setting_a_limit_of_messages, 0);
LIMITING(of_setting_a_limit_of_bytes, 1);

/*
 * Network namespaces. The tables of one are made smaller if need be.
 */

static int act_leave(struct scene *s)
{
	(void)s;
	return error_of(unshare(CLONE_NEWNET));
}

static bool can_leave(struct scene *s)
{
	pid_t child = spawn();

	if (!child) {
		struct letter letter;
		int fd;

		NEED(!unshare(CLONE_NEWNET));
		fd = mailbox(attributes(1, SIZE));
		NEED(state(fd, 0).id == 1 && !post(fd, 0, "x", 0) && !fetch(fd, 0, &letter));
		_exit(0);
	}
	SHOULD(join(child) == 0);
	return looks_like(s, &s->before);
}

OPERATION(of_a_new_network_namespace, .act = act_leave, .check = can_leave, .by_newcomer = true,
	  .survives = SLABS);

/*
 * The module. What fails is anything that its beginning needs.
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
	restore_module();
}

TEST_F_TIMEOUT(module, comes_whole_or_not_at_all, 300)
{
	struct code code = code_of_function("do_one_initcall");
	unsigned int failed = 0, survived = 0;
	int fault = open_fault(), nth, error;
	struct letter letter;
	bool over = true;
	int fd;

	SKIP_IF_MISSING();
	ASSERT_TRUE(fault >= 0 && choose_faults(SLABS | PAGES, code));
	ASSERT_EQ(0, unload());
	for (nth = 1; over; nth++) {
		ASSERT_GT(500, nth);
		set_fault(fault, nth);
		error = load();
		over = fault_is_over(fault);
		EXPECT_TRUE(!error || (over && error == ENOMEM)) {
			TH_LOG("at fault %d: %s", nth, strerror(error));
		}
		failed += error != 0;
		survived += over && !error;
		ASSERT_EQ(error ? -1 : 0, users_of_module());
		ASSERT_EQ(!error, !access(MBOX_DEVICE, F_OK));
		if (!error && over)
			ASSERT_EQ(0, unload());
	}
	printf("# %u allocations, %u of them without effect\n", failed + survived, survived);
	EXPECT_LT(0, failed);
	fd = mailbox(attributes(1, SIZE));
	EXPECT_EQ(0, post(fd, 0, "x", 0));
	EXPECT_EQ(0, fetch(fd, 0, &letter));
	close(fd);
}

/* The table of families needs memory for one in some dozens. */
TEST_F_TIMEOUT(module, comes_not_at_all_where_its_family_has_no_place, 300)
{
	struct code code = code_of_function("genl_register_family");
	int error = 0, i;

	SKIP_IF_MISSING();
	for (i = 0; i < 100 && !error; i++) {
		ASSERT_EQ(0, unload());
		fail_always(code);
		error = load();
		fail_always(no_code);
	}
	EXPECT_EQ(ENOMEM, error);
	EXPECT_EQ(-1, users_of_module());
	EXPECT_NE(0, access(MBOX_DEVICE, F_OK));
	ASSERT_EQ(0, load());
	EXPECT_LT(0, mailbox(attributes(1, SIZE)));
}
