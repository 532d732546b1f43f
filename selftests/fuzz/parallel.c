// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * parallel.c - many processes at once, of several users, on the same mailboxes, while
 * others interrupt, stop and kill them, take their memory away and close what they use.
 * Nobody can tell what comes of each call. But each message has a number: it is received
 * once at most, as it was sent, in the order in which its sender sent it, and not lost
 * unless whoever received it was killed; and in the end nothing is left.
 */
#include <stdarg.h>

#include "mbox_selftest.h"
#include "stage.h"

#define IN_NAMESPACE	5		/* this one is root in a user namespace of its own */
#define STORMS		4		/* of a round */
#define STORM		(100 * MSEC)
#define MAGIC		0x6d626f78
#define FILES		2

/* What a message begins with. */
struct stamp {
	uint32_t magic, number, sender, check;
};

struct stage *stage;
static struct tally *shared_tally;

void broken(const char *format, ...)
{
	va_list list;

	if (__atomic_fetch_add(&stage->broken, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(list, format);
	vsnprintf(stage->what, sizeof(stage->what), format, list);
	va_end(list);
}

/*
 * Messages.
 */

static uint32_t check_of(const struct stamp *stamp)
{
	return stamp->magic ^ stamp->number * 2654435761U ^ stamp->sender * 40503U;
}

/* Give a message that is about to be sent its number; NUMBERS if it has none. */
static uint32_t put_number(struct worker *worker, uint8_t *bytes, uint64_t len, uint64_t box,
			   bool may_vanish)
{
	struct stamp stamp = { .magic = MAGIC, .sender = worker->sender };
	struct entry *entry;

	memset(bytes, 0, sizeof(stamp));
	stamp.number = __atomic_fetch_add(&stage->number, 1, __ATOMIC_SEQ_CST);
	if (len < sizeof(stamp) || stamp.number >= NUMBERS)
		return NUMBERS;
	stamp.check = check_of(&stamp);
	memcpy(bytes, &stamp, sizeof(stamp));
	entry = &stage->entries[stamp.number];
	entry->sender = worker->sender;
	entry->box = box;
	entry->may_vanish = may_vanish;
	tell(&entry->fate, BEGUN);
	return stamp.number;
}

static void set_fate(uint32_t number, enum fate fate)
{
	if (number < NUMBERS)
		tell(&stage->entries[number].fate, fate);
}

/* A message was received by a call that began then; @from and @seq if that was told. */
static void check_message(const uint8_t *bytes, uint64_t len, uint64_t from, uint64_t seq,
			  uint64_t begun)
{
	struct entry *entry;
	struct stamp stamp;

	if (len < sizeof(stamp))
		return;
	memcpy(&stamp, bytes, sizeof(stamp));
	if (!stamp.magic && !stamp.number && !stamp.sender && !stamp.check)
		return;
	if (stamp.magic != MAGIC || stamp.check != check_of(&stamp) ||
	    stamp.number >= NUMBERS) {
		broken("received what nobody sent: %#x %#x %#x %#x", stamp.magic, stamp.number,
		       stamp.sender, stamp.check);
		return;
	}
	entry = &stage->entries[stamp.number];
	if (__atomic_fetch_add(&entry->received, 1, __ATOMIC_SEQ_CST))
		broken("message %u was received twice", stamp.number);
	if (entry->sender != stamp.sender)
		broken("message %u is of sender %u, not of %u", stamp.number, stamp.sender,
		       entry->sender);
	if (from && entry->box && entry->box != from)
		broken("message %u was sent to mailbox %llu and received from %llu",
		       stamp.number, (unsigned long long)entry->box, (unsigned long long)from);
	if (entry->expires && entry->expires < begun)
		broken("message %u was received when it had expired", stamp.number);
	entry->from = from;
	entry->seq = seq;
}

/*
 * What a worker does.
 */

static struct op random_op(const struct program *corpus, uint32_t nr, struct dice *dice)
{
	struct program program;

	if (nr && dice_below(dice, 2)) {
		const struct program *some = &corpus[dice_below(dice, nr)];

		return some->ops[dice_below(dice, some->nr)];
	}
	program_generate(&program, dice);
	return program.ops[program.nr - 1];
}

static uint64_t soon(struct dice *dice)
{
	return now() + dice_below(dice, 20 * MSEC);
}

/* A process in one of three ways, of which @pid is the first flag. */
static __u64 name_process(struct action *action, __u64 *flags, __u64 pid, struct dice *dice)
{
	const struct person *person = &stage->world.actors[dice_below(dice, ACTORS)].self;

	switch (dice_below(dice, 3)) {
	case 0:
		*flags |= pid;
		return person->pid;
	case 1:
		*flags |= pid << 1;
		if (!action->pidfd_of)
			action->pidfd_of = person->pid;
		return PIDFD;
	default:
		*flags |= pid << 2;
		return person->id;
	}
}

_Static_assert(MBOX_SEND_PIDFD == MBOX_SEND_PID << 1, "they follow one another");
_Static_assert(MBOX_SEND_PARTICIPANT == MBOX_SEND_PID << 2, "they follow one another");
_Static_assert(MBOX_OPEN_PIDFD == MBOX_OPEN_INBOX << 1, "they follow one another");
_Static_assert(MBOX_OPEN_PARTICIPANT == MBOX_OPEN_INBOX << 2, "they follow one another");

/* Ways of sending that the oracle knows nothing of. */
static void vary_send(struct action *action, struct mbox_send *send, int32_t *files,
		      struct dice *dice)
{
	if (send->flags & MBOX_SEND_TIMEOUT)
		send->deadline = soon(dice);
	if (send->flags & MBOX_SEND_EXPIRES)
		send->expires = soon(dice);
	if (!dice_below(dice, 4))
		send->id = name_process(action, &send->flags, MBOX_SEND_PID, dice);
	if (!dice_below(dice, 6)) {
		send->nr_files = 1 + dice_below(dice, FILES);
		send->files = (uintptr_t)files;
	}
}

static void vary_recv(struct mbox_recv *recv, int32_t *files, struct dice *dice)
{
	if (recv->flags & MBOX_RECV_TIMEOUT)
		recv->deadline = soon(dice);
	if (!dice_below(dice, 6)) {
		recv->flags = (recv->flags | MBOX_RECV_DIRECT) & ~MBOX_RECV_CHOICE;
		recv->id = 0;
	}
	if (!(recv->flags & MBOX_RECV_PEEK) && !dice_below(dice, 3)) {
		recv->flags |= MBOX_RECV_FILES;
		recv->nr_files = dice_below(dice, FILES + 1);
		recv->files = (uintptr_t)files;
	}
}

static void close_files(const int32_t *files, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr && i < FILES; i++)
		if (files[i] >= 0)
			close(files[i]);
}

static bool is_direct(uint64_t flags)
{
	return flags & (MBOX_SEND_PID | MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT);
}

static uint64_t place_of(const struct mbox_send *send)
{
	return is_direct(send->flags) ? 0 : send->id;
}

static void make_call(struct worker *worker, struct action *action)
{
	tell(&worker->doing, CALLING);
	perform(&worker->desk, action);
	tell(&worker->doing, MOVING);
	__atomic_fetch_add(&stage->tally->kinds[action->what], 1, __ATOMIC_RELAXED);
	if (!action->error)
		tally_success(stage->tally, action);
}

static void do_send(struct worker *worker, struct action *action, struct dice *dice)
{
	bool batch = action->what == SEND_BATCH;
	uint32_t nr = batch ? action->arg.batch.nr : 1, numbers[ITEMS_MAX], i, done;
	int32_t files[FILES] = { worker->desk.fds[0], worker->page_fd };

	for (i = 0; i < nr; i++) {
		struct mbox_send *send = batch ? &action->items[i].send : &action->arg.send;

		vary_send(action, send, files, dice);
		numbers[i] = put_number(worker, action->in[i], send->len, place_of(send),
					send->flags & MBOX_SEND_EXPIRES);
		if (numbers[i] < NUMBERS && send->flags & MBOX_SEND_EXPIRES)
			stage->entries[numbers[i]].expires = send->expires;
	}
	make_call(worker, action);
	/* Of a structure that cannot be written, nobody knows. */
	if (action->place != GOOD)
		return;
	done = action->error ? 0 : batch ? action->arg.batch.done : 1;
	for (i = 0; i < nr; i++)
		set_fate(numbers[i], i < done ? SENT : FAILED);
}

static void do_write(struct worker *worker, struct action *action)
{
	uint32_t number = put_number(worker, action->in[0], action->len, 0, false);

	make_call(worker, action);
	set_fate(number, action->error ? FAILED : SENT);
}

static void note_token(const struct worker *worker, const struct mbox_recv *recv)
{
	uint32_t at;

	if (!(recv->flags & MBOX_RECV_TOKEN) || !recv->token)
		return;
	at = __atomic_fetch_add(&stage->world.nr_requests, 1, __ATOMIC_SEQ_CST) % 16;
	stage->world.requests[at].token = recv->token;
	stage->world.requests[at].holder = (worker - stage->workers) % ACTORS;
	if (stage->world.nr_requests > 16)
		stage->world.nr_requests = 16;
}

/* The token is used up, or never was one. */
static void forget_token(uint64_t token)
{
	unsigned int i;

	for (i = 0; i < stage->world.nr_requests; i++)
		if (stage->world.requests[i].token == token)
			stage->world.requests[i].holder = NOBODY;
}

/* Each receipt is later than the sending, and than whatever the process did before. */
static void check_clock(struct worker *worker, const struct mbox_recv *recv)
{
	if (recv->clock <= recv->stamp || recv->clock <= worker->clock)
		broken("a message with stamp %llu was received at %llu, after %llu",
		       (unsigned long long)recv->stamp, (unsigned long long)recv->clock,
		       (unsigned long long)worker->clock);
	worker->clock = recv->clock;
}

static void do_recv(struct worker *worker, struct action *action, struct dice *dice)
{
	bool batch = action->what == RECV_BATCH;
	uint32_t nr = batch ? action->arg.batch.nr : 1, i, done;
	int32_t files[ITEMS_MAX][FILES];
	uint64_t begun = now();

	for (i = 0; i < nr; i++) {
		struct mbox_recv *recv = batch ? &action->items[i].recv : &action->arg.recv;

		vary_recv(recv, files[i], dice);
		if (recv->buf == (uintptr_t)action->out[i])
			recv->buf = (uintptr_t)worker->page + i * OUT_MAX;
	}
	tell(&worker->receiving, nr);
	make_call(worker, action);
	if (action->reply.done)
		forget_token(action->reply.token);
	done = action->error ? 0 : batch ? action->arg.batch.done : 1;
	for (i = 0; i < done; i++) {
		struct mbox_recv *recv = batch ? &action->items[i].recv : &action->arg.recv;
		uint64_t len = recv->len < recv->size ? recv->len : recv->size;

		if (action->place == GOOD && (batch || action->size >= sizeof(*recv)))
			check_clock(worker, recv);
		if (recv->flags & MBOX_RECV_PEEK)
			continue;
		if (recv->flags & MBOX_RECV_FILES)
			close_files(files[i], recv->nr_files);
		/* So little of it came that nobody can tell which it was. */
		if (len < recv->len && len < sizeof(struct stamp))
			__atomic_fetch_add(&stage->lost, 1, __ATOMIC_SEQ_CST);
		check_message(worker->same_page + i * OUT_MAX, len, recv->from, recv->seq, begun);
		note_token(worker, recv);
	}
	tell(&worker->receiving, 0);
}

static void do_read(struct worker *worker, struct action *action)
{
	uint64_t begun = now();

	tell(&worker->receiving, 1);
	make_call(worker, action);
	if (!action->error)
		check_message(action->out[0], action->value, 0, 0, begun);
	tell(&worker->receiving, 0);
}

static void do_create(struct worker *worker, struct action *action, struct dice *dice)
{
	uint32_t at;

	if (!dice_below(dice, 8))
		action->arg.create.flags |= MBOX_CREATE_INBOX;
	make_call(worker, action);
	if (action->error || action->arg.create.flags & MBOX_CREATE_INBOX)
		return;
	at = __atomic_fetch_add(&stage->boxes, 1, __ATOMIC_SEQ_CST);
	if (at >= BOXES_MAX)
		at = dice_below(dice, BOXES_MAX);
	stage->world.boxes[at].attr = action->arg.create;
	/* For all that is known, it has messages. */
	stage->world.boxes[at].nr = 1;
	stage->world.boxes[at].id = action->arg.create.id;
	stage->world.nr_boxes = stage->boxes < BOXES_MAX ? stage->boxes : BOXES_MAX;
}

static void do_open(struct worker *worker, struct action *action, struct dice *dice)
{
	struct mbox_open *open = &action->arg.open;

	if (!dice_below(dice, 4)) {
		memset(open->name, 0, sizeof(open->name));
		open->flags |= MBOX_OPEN_INBOX;
		open->id = name_process(action, &open->flags, MBOX_OPEN_INBOX, dice);
	}
	make_call(worker, action);
}

static void do_call(struct worker *worker, struct action *action, struct dice *dice)
{
	struct mbox_call *call = &action->arg.call;

	if (call->flags & MBOX_CALL_TIMEOUT)
		call->deadline = soon(dice);
	if (!dice_below(dice, 4))
		call->id = name_process(action, &call->flags, MBOX_CALL_PID, dice);
	/* Whether its request was received its caller may not learn. */
	put_number(worker, action->in[0], call->len, is_direct(call->flags) ? 0 : call->id, true);
	make_call(worker, action);
}

/* A child has the descriptors and none of the rights; or it is another program soon. */
static void do_fork(struct worker *worker, struct dice *dice)
{
	bool executes = dice_below(dice, 2);
	struct mbox_stat stat;
	pid_t child = fork();

	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	try_stat(worker->desk.fds[0], 0, 0, &stat);
	polled(worker->desk.fds[1], POLLIN | POLLOUT);
	post(worker->desk.fds[0], stage->world.boxes[0].id, "x", 1);
	if (executes)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

static void do_one(struct worker *worker, const struct op *op, struct dice *dice)
{
	unsigned int who = (worker - stage->workers) % ACTORS;
	struct action *action = &worker->desk.action;

	if (op->what % KINDS == DIE || op->what % KINDS == SIGNAL) {
		do_fork(worker, dice);
		return;
	}
	if (!action_build(&stage->world, who, op, action))
		return;
	worker->calls++;
	switch (action->what) {
	case SEND:
	case SEND_BATCH:
		do_send(worker, action, dice);
		break;
	case RECV:
	case RECV_BATCH:
		do_recv(worker, action, dice);
		break;
	case READ:
		do_read(worker, action);
		break;
	case WRITE:
		do_write(worker, action);
		break;
	case CREATE:
		do_create(worker, action, dice);
		break;
	case CALL:
		do_call(worker, action, dice);
		break;
	case OPEN:
		do_open(worker, action, dice);
		break;
	case REPLY:
		make_call(worker, action);
		forget_token(action->arg.reply.token);
		break;
	case DELETE:
		/* Seldom: else there is nothing left to use. */
		if (!dice_below(dice, 4))
			make_call(worker, action);
		break;
	default:
		make_call(worker, action);
	}
}

/* A thread that takes away what the other one uses. */
static void *interfere(void *data)
{
	struct worker *worker = data;
	struct dice dice = { .state = worker->sender };

	for (;;) {
		int *fd = &worker->desk.fds[dice_below(&dice, FDS)];

		usleep(dice_below(&dice, 3000));
		switch (dice_below(&dice, 4)) {
		case 0:
			NEED(!mprotect(worker->page, PAGE, PROT_NONE));
			break;
		case 1:
			NEED(!munmap(worker->page, PAGE));
			break;
		case 2:
			/* The same number means another file from now on. */
			dup3(worker->desk.fds[0], *fd, O_CLOEXEC);
			break;
		}
		usleep(dice_below(&dice, 500));
		NEED(mmap(worker->page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			  worker->page_fd, 0) == worker->page);
	}
	return NULL;
}

/* As long as all are to be still. */
static void rest(struct worker *worker)
{
	while (told(&stage->still)) {
		tell(&worker->doing, RESTING);
		usleep(1000);
	}
	tell(&worker->doing, MOVING);
}

static void make_page(struct worker *worker)
{
	worker->page_fd = memfd_create("buffer", MFD_CLOEXEC);
	NEED(worker->page_fd >= 0 && !ftruncate(worker->page_fd, PAGE));
	worker->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, worker->page_fd, 0);
	worker->same_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				 worker->page_fd, 0);
	NEED(worker->page != MAP_FAILED && worker->same_page != MAP_FAILED);
}

/* So that others can send to it. */
static void tell_participant(struct worker *worker)
{
	struct mbox_clock clock = { .flags = 0 };

	NEED(!call(worker->desk.fds[0], MBOX_IOC_CLOCK, &clock));
	if (worker - stage->workers < ACTORS)
		stage->world.actors[worker - stage->workers].self.id = clock.participant;
}

static void work(struct worker *worker, const struct program *corpus, uint32_t nr,
		 struct dice dice)
{
	unsigned int at = worker - stage->workers, i;
	uint32_t uid = actor_uids[at % ACTORS];
	pthread_t thread;

	take_signals(at % 2 ? SA_RESTART : 0);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	NEED(!setgroups(0, NULL));
	if (uid)
		become(uid, uid);
	if (at == IN_NAMESPACE)
		become_root_of_a_user_namespace();
	make_page(worker);
	for (i = 0; i < FDS; i++)
		worker->desk.fds[i] = device(i == 2 ? O_RDONLY : i == 3 ? O_WRONLY | O_NONBLOCK :
						      O_RDWR);
	tell_participant(worker);
	NEED(!pthread_create(&thread, NULL, interfere, worker));
	for (;;) {
		struct op op = random_op(corpus, nr, &dice);

		rest(worker);
		do_one(worker, &op, &dice);
	}
}

/*
 * What happens to them.
 */

static void start(unsigned int at, const struct program *corpus, uint32_t nr, struct dice *dice)
{
	struct worker *worker = &stage->workers[at];
	struct dice own = { .state = dice_throw(dice) };
	pid_t child;

	/* From its first moment on. */
	take_signals(0);
	worker->sender = ++stage->senders;
	worker->receiving = 0;
	worker->clock = 0;
	worker->doing = MOVING;
	child = spawn();
	if (!child)
		work(worker, corpus, nr, own);
	tell((uint32_t *)&worker->pid, child);
	if (at < ACTORS)
		stage->world.actors[at].self.pid = child;
}

/* It ends when it is told to, wherever it is. */
static void stop(unsigned int at)
{
	struct worker *worker = &stage->workers[at];
	unsigned int tries;
	int status;

	NEED(!kill(worker->pid, SIGKILL));
	for (tries = 0; waitpid(worker->pid, &status, WNOHANG) != worker->pid; tries++) {
		if (tries == 30000) {
			broken("a process that was killed does not end");
			NEED(!"all processes ended");
		}
		usleep(1000);
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		broken("a process ended by itself, with status %#x", status);
	__atomic_fetch_add(&stage->lost, told(&worker->receiving), __ATOMIC_SEQ_CST);
	stage->kills++;
}

static void disturb(const struct program *corpus, uint32_t nr, struct dice *dice)
{
	unsigned int at = dice_below(dice, WORKERS);
	pid_t pid = stage->workers[at].pid;

	switch (dice_below(dice, 30)) {
	case 0:
		stop(at);
		start(at, corpus, nr, dice);
		break;
	case 1:
		NEED(!kill(pid, SIGSTOP));
		usleep(dice_below(dice, 2000));
		NEED(!kill(pid, SIGCONT));
		break;
	default:
		NEED(!kill(pid, SIGUSR1));
	}
}

static void storm(const struct program *corpus, uint32_t nr, struct dice *dice)
{
	uint64_t end = now() + STORM;

	while (now() < end && !told(&stage->broken)) {
		usleep(dice_below(dice, 1000));
		disturb(corpus, nr, dice);
	}
}

/*
 * After a while without signals, which would hide that somebody was not woken, nobody begins
 * anything; and when nobody else can go on, there may be no mailbox left to wait for.
 */
static void calm(int fd, bool sweeps, struct dice *dice)
{
	usleep(dice_below(dice, 50000));
	tell(&stage->still, true);
	stage_check_still(fd);
	if (sweeps) {
		sweep();
		stage_check_still(fd);
	}
	tell(&stage->still, false);
}

/*
 * What is left.
 */

/* Messages that are still there are not lost. */
static void drain(int fd, uint64_t id)
{
	static uint8_t bytes[OUT_MAX];
	struct mbox_recv env;
	uint64_t begun;
	int error;

	for (;;) {
		begun = now();
		error = receive_into(fd, id, bytes, sizeof(bytes), MBOX_RECV_NONBLOCK, 0, &env);
		if (error)
			break;
		check_message(bytes, env.len, env.from, env.seq, begun);
	}
}

static bool is_there(int fd, uint64_t id, struct mbox_stat *stat)
{
	return id && !try_stat(fd, id, 0, stat);
}

static void check_rest(int fd)
{
	uint32_t i, missing = 0, nr = stage->number < NUMBERS ? stage->number : NUMBERS;
	struct mbox_stat stat;

	for (i = 0; i < BOXES_MAX; i++)
		if (is_there(fd, stage->world.boxes[i].id, &stat) &&
		    !(stat.kind & MBOX_CREATE_PROCESS))
			drain(fd, stat.id);
	for (i = 0; i < nr; i++) {
		struct entry *entry = &stage->entries[i];

		if (entry->fate == FAILED && entry->received)
			broken("message %u was received, and its sender told an error", i);
		if (entry->fate == SENT && !entry->received && !entry->may_vanish &&
		    is_there(fd, entry->box, &stat) && !(stat.kind & MBOX_CREATE_PROCESS))
			missing++;
	}
	if (missing > stage->lost)
		broken("%u messages are lost, and processes that were killed can have had %u",
		       missing, stage->lost);
}

/* What one process sends to one mailbox is accepted in the order of its sending. */
static void check_order(void)
{
	uint32_t i, j, nr = stage->number < NUMBERS ? stage->number : NUMBERS;

	for (i = 0; i < nr; i++) {
		struct entry *entry = &stage->entries[i], *next;

		if (!entry->received || !entry->seq)
			continue;
		for (j = i + 1; j < nr && j < i + 300; j++) {
			next = &stage->entries[j];
			if (!next->received || !next->seq || next->sender != entry->sender ||
			    next->from != entry->from)
				continue;
			if (next->seq <= entry->seq)
				broken("messages %u and %u of one sender have numbers %llu and %llu",
				       i, j, (unsigned long long)entry->seq,
				       (unsigned long long)next->seq);
			break;
		}
	}
}

static void check_usage(int fd, const struct mbox_usage *at_first)
{
	struct mbox_usage usage;
	unsigned int tries;

	for (tries = 0; tries < 20000; tries++) {
		usage = usage_of(fd, 0);
		if (usage.ns_bytes == at_first->ns_bytes && !usage.ns_msgs && !usage.ns_files &&
		    !usage.ns_mailboxes && !usage.user_bytes)
			return;
		usleep(1000);
	}
	broken("in the end %llu bytes, %u messages, %u files are still charged",
	       (unsigned long long)(usage.ns_bytes - at_first->ns_bytes), usage.ns_msgs,
	       usage.ns_files);
}

static void make_boxes(struct dice *dice)
{
	struct worker *maker = &stage->workers[0];
	struct action *action = &maker->desk.action;

	maker->desk.fds[0] = device(O_RDWR);
	while (stage->world.nr_boxes < BOXES_MAX / 2) {
		struct op op;
		size_t i;

		for (i = 0; i < sizeof(op); i++)
			((uint8_t *)&op)[i] = dice_throw(dice);
		op.what = CREATE;
		op.fd = op.wild = 0;
		NEED(action_build(&stage->world, 0, &op, action));
		action->arg.create.flags &= ~(MBOX_CREATE_BIND | MBOX_CREATE_PROCESS);
		action->arg.create.mode = 0666;
		do_create(maker, action, dice);
	}
	close(maker->desk.fds[0]);
}

static bool run_round(int fd, const struct program *corpus, uint32_t nr, struct dice *dice,
		      struct tally *tally)
{
	struct mbox_usage at_first = usage_of(fd, 0);
	unsigned int i;

	memset(stage, 0, sizeof(*stage));
	stage->tally = shared_tally;
	stage->world.limits = info(fd);
	make_boxes(dice);
	for (i = 0; i < WORKERS; i++)
		start(i, corpus, nr, dice);
	for (i = 0; i < STORMS && !told(&stage->broken); i++) {
		storm(corpus, nr, dice);
		calm(fd, i == STORMS - 1 && dice_below(dice, 2), dice);
	}
	for (i = 0; i < WORKERS; i++)
		stop(i);
	check_rest(fd);
	check_order();
	sweep();
	check_usage(fd, &at_first);
	for (i = 0; i < WORKERS; i++)
		tally->ops += stage->workers[i].calls;
	tally->programs++;
	tally->waited += stage->kills;
	tally->predicted += stage->number;
	return !stage->broken;
}

/* They are met, but do not keep everybody from everything. */
static const struct limit limits[] = {
	{ "user_mailboxes", 12 }, { "ns_mailboxes", 30 }, { "user_msgs", 24 }, { "ns_msgs", 60 },
	{ "user_files", 12 },
};

/* Rounds of that, until then. */
bool parallel_run(const struct program *corpus, uint32_t nr, struct dice *dice, uint64_t until,
		  struct tally *tally)
{
	int fd = device(O_RDWR);
	bool good = true;

	limit_all(limits, sizeof(limits) / sizeof(limits[0]));
	stage = shared(sizeof(*stage));
	shared_tally = shared(sizeof(*shared_tally));
	while (good && now() < until)
		good = run_round(fd, corpus, nr, dice, tally);
	if (!good)
		printf("# %s\n", stage->what);
	memcpy(tally->kinds, shared_tally->kinds, sizeof(tally->kinds));
	memcpy(tally->successes, shared_tally->successes, sizeof(tally->successes));
	memcpy(tally->ways, shared_tally->ways, sizeof(tally->ways));
	sequential_limit();
	munmap(shared_tally, sizeof(*shared_tally));
	munmap(stage, sizeof(*stage));
	close(fd);
	return good;
}
