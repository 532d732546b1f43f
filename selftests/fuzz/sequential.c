// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sequential.c - one operation after the other, by several processes, each compared with
 * what the oracle says: the errno, every byte that is written and none else, who of those
 * that wait goes on, and the state of each mailbox.
 */
#include "mbox_selftest.h"
#include "actor.h"
#include "aim.h"
#include "kcov.h"
#include "oracle_quota.h"
#include "run.h"

#define PATIENCE	30	/* seconds until something is held to be stuck */
#define HASTE		2	/* the same in a hurry */

static struct desk *desks;
static struct world world;
static int fd;
static struct mbox_usage at_first;
/* Each step is told; what goes wrong is, unless what has failed is only tried again. */
static bool verbose, hasty;

static bool tells_errors(void)
{
	return verbose || !hasty;
}

/* Small limits, so that they are met. */
static const struct limit limits[] = {
	{ "max_msgs", 4 }, { "max_size", 256 }, { "max_bytes", 700 }, { "max_grants", 2 },
	{ "user_mailboxes", 4 }, { "ns_mailboxes", 8 }, { "user_msgs", 8 }, { "ns_msgs", 14 },
};

void limit_all(const struct limit *all, unsigned int nr)
{
	while (nr--)
		NEED(!set_tunable(all[nr].name, all[nr].value));
}

/* Others may have set others. */
void sequential_limit(void)
{
	limit_all(limits, sizeof(limits) / sizeof(limits[0]));
}

void sequential_open(void)
{
	unsigned int i;

	action_make_pages();
	umask(0);
	sweep();
	reset_tunables();
	sequential_limit();
	fd = device(O_RDWR);
	at_first = usage_of(fd, 0);
	desks = actors_new();
	for (i = 0; i < ACTORS; i++)
		actor_start(&desks[i], i);
}

void sequential_close(void)
{
	unsigned int i;

	for (i = 0; i < ACTORS; i++)
		actor_end(&desks[i]);
	sweep();
	reset_tunables();
	close(fd);
}

static void meet(unsigned int who)
{
	struct actor *actor = &world.actors[who];

	memset(actor, 0, sizeof(*actor));
	actor->self.pid = desks[who].pid;
	actor->self.uid = actor_uids[who];
	actor->self.id = desks[who].participant;
	actor->clock = desks[who].clock;
}

static void begin_world(void)
{
	struct mbox_usage usage = usage_of(fd, 0);
	unsigned int i;

	world.nr_boxes = world.nr_requests = world.nr_leaving = world.number = 0;
	world.last_id = 0;
	world.unsure = false;
	world.limits = info(fd);
	world.limits.flags = 0;
	world.quotas = usage;
	for (i = 0; i < ACTORS; i++)
		meet(i);
}

static bool complain(unsigned int who, const char *text)
{
	if (tells_errors())
		printf("\n#     process %u: %s", who, text);
	return false;
}

static const char *name_of(int error)
{
	return error ? strerrorname_np(error) : "success";
}

static bool same(unsigned int who, const char *what, const void *expected, const void *actual,
		 size_t size)
{
	const uint8_t *a = expected, *b = actual;
	size_t at = 0;

	while (at < size && a[at] == b[at])
		at++;
	if (at == size)
		return true;
	at &= ~3;
	if (tells_errors())
		printf("\n#     process %u: %s: word at %zu: expected %#x, got %#x", who, what, at,
		       *(const uint32_t *)(a + at), *(const uint32_t *)(b + at));
	return false;
}

/* For what others bring about: false if it takes too long. */
static bool be_patient(unsigned int *tries)
{
	if (*tries > 20)
		usleep(1000);
	return (*tries)++ < (hasty ? 1000 : 20000);
}

/* What came of an action, and what was expected. */
static bool compare(unsigned int who, struct tally *tally)
{
	struct action *expect = &world.actors[who].expect;
	const struct action *actual = &desks[who].action;

	if (actual->error && actual->error == world.actors[who].or_else)
		expect->error = actual->error;
	if (expect->error != actual->error) {
		if (tells_errors())
			printf("\n#     process %u: expected %s, got %s", who,
			       name_of(expect->error), name_of(actual->error));
		return false;
	}
	if (!expect->error)
		tally_success(tally, actual);
	oracle_learn(&world, who, actual);
	if (expect->value != actual->value) {
		if (tells_errors())
			printf("\n#     process %u: expected %ld to be returned, got %ld", who,
			       expect->value, actual->value);
		return false;
	}
	return same(who, "structure", &expect->arg, &actual->arg, sizeof(expect->arg)) &&
	       same(who, "reply", &expect->reply, &actual->reply, sizeof(expect->reply)) &&
	       same(who, "items", expect->items, actual->items, sizeof(expect->items)) &&
	       same(who, "ids", expect->ids, actual->ids, sizeof(expect->ids)) &&
	       same(who, "grants", expect->granted, actual->granted, sizeof(expect->granted)) &&
	       same(who, "sent", expect->in, actual->in, sizeof(expect->in)) &&
	       same(who, "received", expect->out, actual->out, sizeof(expect->out));
}

static bool same_usage(const struct mbox_usage *usage)
{
	return usage->ns_mailboxes == quota_boxes(&world, NOBODY) &&
	       usage->ns_msgs == quota_messages(&world, NOBODY) &&
	       usage->user_mailboxes == quota_boxes(&world, oracle_user(usage->uid)) &&
	       usage->user_msgs == quota_messages(&world, oracle_user(usage->uid));
}

/* What everybody has is charged, and nothing else is, as soon as those who end have ended. */
static bool compare_usage(void)
{
	struct mbox_usage usage;
	unsigned int i, tries = 0;

	for (i = 0; i < ACTORS; i++) {
		usage = usage_of(fd, actor_uids[i]);
		if (same_usage(&usage))
			continue;
		if (!be_patient(&tries)) {
			if (tells_errors())
				printf("\n#     user %u has %u mailboxes, %u messages; all have %u, %u",
				       usage.uid, usage.user_mailboxes, usage.user_msgs,
				       usage.ns_mailboxes, usage.ns_msgs);
			return false;
		}
		i--;
	}
	return true;
}

static bool same_box(unsigned int box, struct mbox_stat *actual)
{
	struct mbox_stat expect = oracle_stat(&world, box);

	/* Of the user who asks here: see predict_stat() for the others. */
	expect.user_bytes = actual->user_bytes;
	expect.user_msgs = actual->user_msgs;
	return !memcmp(&expect, actual, sizeof(expect));
}

/*
 * Each mailbox is as it should be, or comes to be: those who wait need their time to get
 * there, and the ends of processes to be noticed.
 */
static bool compare_boxes(void)
{
	struct mbox_stat expect, actual;
	unsigned int i, tries = 0;

	for (i = 0; i < world.nr_boxes; i++) {
		int error = try_stat(fd, world.boxes[i].id, 0, &actual);

		if (world.boxes[i].gone ? error == EIDRM : !error && same_box(i, &actual))
			continue;
		if (be_patient(&tries)) {
			i--;
			continue;
		}
		if (tells_errors())
			printf("\n#     mailbox %llu: %s", (unsigned long long)world.boxes[i].id,
			       error ? name_of(error) : "");
		expect = oracle_stat(&world, i);
		expect.user_bytes = actual.user_bytes;
		expect.user_msgs = actual.user_msgs;
		if (!error)
			same(0, "state of the mailbox", &expect, &actual, sizeof(expect));
		return false;
	}
	return true;
}

/* Whoever was to go on does. */
static bool compare_done(uint32_t *new_steps, struct tally *tally)
{
	unsigned int who;

	for (who = 0; who < ACTORS; who++) {
		if (!world.actors[who].done)
			continue;
		world.actors[who].done = false;
		if (!actor_wait(&desks[who], hasty ? HASTE : PATIENCE))
			return complain(who, "still waits, and should not");
		*new_steps += kcov_collect(who);
		tally->waited++;
		if (verbose)
			printf("\n#     process %u goes on: %s", who,
			       name_of(desks[who].action.error));
		if (!compare(who, tally))
			return false;
	}
	return true;
}

/* And whoever waits waits. */
static bool compare_waiting(void)
{
	unsigned int who;

	for (who = 0; who < ACTORS; who++)
		if (world.actors[who].waits != NOTHING && actor_done(&desks[who])) {
			complain(who, "should wait, and does not: ");
			if (tells_errors())
				printf("%s", name_of(desks[who].action.error));
			return false;
		}
	return true;
}

static void die(unsigned int who)
{
	actor_end(&desks[who]);
	oracle_die(&world, who);
	actor_start(&desks[who], who);
	meet(who);
}

static bool is_idle(unsigned int who)
{
	return world.actors[who].waits == NOTHING;
}

/* The one that is meant, or another one: if that is busy, and most often if it could not. */
static unsigned int choose_actor(const struct op *op)
{
	unsigned int i, who = op->who % ACTORS;

	for (i = 0; op->who < 224 && i < ACTORS; i++, who = (who + 1) % ACTORS)
		if (is_idle(who) && aim_exists(&world, who, op->what % KINDS))
			return who;
	while (!is_idle(who))
		who = (who + 1) % ACTORS;
	return who;
}

static bool anybody(bool (*may)(const struct world *world, unsigned int who))
{
	unsigned int who;

	for (who = 0; who < ACTORS; who++)
		if (is_idle(who) && may(&world, who))
			return true;
	return false;
}

static bool anybody_has_aim(enum what what)
{
	unsigned int who;

	for (who = 0; who < ACTORS; who++)
		if (is_idle(who) && aim_exists(&world, who, what))
			return true;
	return false;
}

/* What nobody could do is, most often, replaced by what it takes before that. */
static struct op make_possible(struct op op)
{
	enum what what = op.what % KINDS;

	if (op.who >= 224 || anybody_has_aim(what))
		return op;
	switch (what) {
	case REPLY:
	case TOKEN:
		op.what = anybody(aim_may_take_request) ? RECV : CALL;
		op.box |= 1;			/* where requests are */
		op.arg[0] = 0;			/* no flags */
		op.arg[2] = 0x11;		/* but to truncate, and the token */
		break;
	case ACCEPT:
		op.what = OFFER;
		break;
	case REVOKE:
		op.what = GRANT;
		break;
	case CLAIM:
		op.what = DIE;
		break;
	case RECV:
	case RECV_BATCH:
		/* Or it waits. */
		if (op.who & ACTORS)
			op.what = SEND;
		break;
	default:
		break;
	}
	return op;
}

static bool run_action(unsigned int who, const struct op *op, uint32_t *new_steps,
		       struct tally *tally)
{
	struct action *action = &desks[who].action, *expect = &world.actors[who].expect;

	if (!action_build(&world, who, op, action)) {
		tally->passed_over++;
		return true;
	}
	*expect = *action;
	oracle_predict(&world, who);
	if (world.unsure)
		return true;
	if (verbose) {
		action_describe(action, who);
		printf(": %s", world.actors[who].waits != NOTHING ? "waits" : name_of(expect->error));
		fflush(stdout);
	}
	actor_give(&desks[who]);
	tally->predicted++;
	tally->kinds[action->what]++;
	if (world.actors[who].waits != NOTHING)
		return true;
	if (!actor_wait(&desks[who], hasty ? HASTE : PATIENCE))
		return complain(who, "does not come back");
	*new_steps += kcov_collect(who);
	return world.actors[who].done || compare(who, tally);
}

static bool run_op(const struct op *wish, uint32_t *new_steps, struct tally *tally)
{
	const struct op possible = make_possible(*wish), *op = &possible;
	unsigned int who = choose_actor(op);
	enum what what = op->what % KINDS;
	bool good = true;

	tally->ops++;
	if (what == DIE || what == SIGNAL) {
		who = op->who % ACTORS;
		if (verbose)
			printf("process %u: %s", who, what_name(what));
		tally->predicted++;
		tally->kinds[what]++;
		tally->successes[what]++;
		if (what == DIE) {
			die(who);
		} else if (world.actors[who].waits != NOTHING) {
			oracle_signal(&world, who);
			NEED(!kill(desks[who].pid, SIGUSR1));
		}
	} else {
		good = run_action(who, op, new_steps, tally);
	}
	if (world.unsure)
		return true;
	good = good && compare_done(new_steps, tally) && compare_boxes() && compare_usage() &&
	       compare_waiting();
	if (verbose || (!good && tells_errors()))
		printf("\n");
	return good;
}

/* For one that has failed before, and should fail again soon. */
void sequential_hurry(bool now)
{
	hasty = now;
}

static bool holds_token(unsigned int who)
{
	unsigned int i;

	for (i = 0; i < world.nr_requests; i++)
		if (world.requests[i].holder == (int)who)
			return true;
	return false;
}

/* Everybody who waits ends, every mailbox goes, and then nobody pays for anything. */
static bool end_world(bool good)
{
	struct mbox_usage usage;
	unsigned int i, tries = 0;

	for (i = 0; i < ACTORS; i++) {
		if (!good || world.unsure || world.actors[i].waits != NOTHING || holds_token(i)) {
			actor_end(&desks[i]);
			actor_start(&desks[i], i);
		} else {
			actor_reset(&desks[i]);
		}
	}
	sweep();
	do {
		usage = usage_of(fd, 0);
		if (usage.ns_bytes == at_first.ns_bytes && !usage.ns_msgs && !usage.user_bytes)
			return good;
	} while (be_patient(&tries));
	if (tells_errors())
		printf("#     in the end %llu bytes, %u messages are still charged\n",
		       usage.ns_bytes - at_first.ns_bytes, usage.ns_msgs);
	at_first = usage;
	return false;
}

/* @new_steps: how many steps of the code it made that no program before did. */
bool sequential_run(const struct program *program, bool verbosely, struct tally *tally,
		    uint32_t *new_steps)
{
	bool good = true;
	uint32_t i;

	verbose = verbosely;
	*new_steps = 0;
	begin_world();
	for (i = 0; i < program->nr && good && !world.unsure; i++) {
		if (verbose)
			printf("# %3u ", i);
		good = run_op(&program->ops[i], new_steps, tally);
	}
	if (world.unsure) {
		tally->ops += program->nr - i;
		if (tells_errors())
			printf("%snot predicted: %s\n", verbose ? " " : "# ", world.why);
	}
	tally->programs++;
	return end_world(good);
}
