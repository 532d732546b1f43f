/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults in one operation after the other: the scene that each of them finds anew, and
 * the sweep through all of its faults. After each of them nothing has changed, or
 * what was asked for is done; and the mailbox can be used.
 */
#ifndef FAULT_SCENE_H
#define FAULT_SCENE_H

#include "kselftest_harness.h"
#include "account.h"
#include "fault.h"
#include "files.h"

#define SIZE	16	/* of most messages */
#define HUGE	50000	/* and of those whose memory is put together from pages */

/* The letters that are there before something is received, 16 bytes each. */
static const char *const letters[] = {
	"sixteen letters.", "another sixteen.", "the last sixteen",
};

enum { LETTERS = sizeof(letters) / sizeof(letters[0]), FILES = 2 };

/* What is said of what should be. For functions that tell whether all is well. */
#define SHOULD(condition) do {						\
	if (!(condition)) {						\
		printf("# %s:%d: should be: %s\n", __FILE__, __LINE__, #condition); \
		return false;						\
	}								\
} while (0)

struct scene;

/**
 * struct operation - what is tried
 * @box: attributes of the mailbox; if @max_size is 0: room for 8 messages
 * @create: for act_create()
 * @open: for act_open()
 * @send: for act_send(), but for where to and what
 * @recv: for act_recv(), but for where from and to where
 * @len: of the first message; 0: SIZE
 * @size: of the buffer that is received into; 0: there is room
 * @letter: of @letters, which one act_recv() should bring
 * @with_files: messages bring files
 * @flags: for other acts
 * @prepare: what it finds besides, or NULL
 * @act: does it; its errno
 * @check: whether it is done
 * @holds: instead of that nothing has changed, what is true after an error; or NULL
 * @success: the errno that is expected without a fault
 * @survives: kinds of faults that need not keep it from being done; that the kernel gets no
 *	page of one kind never need
 * @finish: lets go of what @prepare has opened, or NULL
 * @everywhere: what fails need not be called by the module
 * @by_newcomer: by a process that has not taken part yet
 * @uid: effective user of whoever acts, if not root
 */
struct operation {
	struct mbox_create box;
	struct mbox_create create;
	struct mbox_open open;
	struct mbox_send send;
	struct mbox_recv recv;
	uint32_t len;
	uint64_t size;
	unsigned int letter;
	bool with_files;
	uint64_t flags;
	void (*prepare)(struct scene *s);
	int (*act)(struct scene *s);
	bool (*check)(struct scene *s);
	bool (*holds)(struct scene *s);
	void (*finish)(struct scene *s);
	int success;
	int survives;
	bool everywhere;
	bool by_newcomer;
	uid_t uid;
};

/* What can be seen of a message without receiving it. */
struct message {
	int error;
	uint64_t len, seq, tag, sender;
	uint32_t prio, nr_files, got;
	char text[SIZE];
};

struct box {
	struct mbox_stat stat;
	struct mbox_granted granted[4];
	uint32_t nr_granted;
	struct message messages[6];
};

/* All that must not change. */
struct look {
	struct mbox_usage usage;
	unsigned int descriptors;
	unsigned int nr_boxes;
	struct box boxes[5];
};

/**
 * struct scene - shared with the processes that act
 * @op: what is tried
 * @fd: of the device, bound to nothing
 * @bound: bound to the mailbox
 * @spare: of the device, for the act
 * @fault: fail-nth of this thread
 * @id: the mailbox, which belongs to the test
 * @second: another one, or 0
 * @other: another process
 * @peer: another one, which ends with the scene; or NULL
 * @files: to send; or a pidfd is the first
 * @ears: their other ends
 * @empty: how it looks when there is no scene
 * @before: before the act
 * @kind: of the faults
 * @fired: the fault came to pass
 * @create: as the act left it, like the others
 * @token: of a request; or what names the peer
 * @moved: how many items of a batch
 * @got: what was received
 * @slots: descriptors of what was received
 * @theirs: the same of the peer
 */
struct scene {
	const struct operation *op;
	int fd, bound, spare;
	int fault;
	uint64_t id, second;
	struct puppet *other, *peer;
	int files[FILES], ears[FILES];
	struct look empty, before;
	int kind;
	bool fired;
	union {
		struct mbox_create create;
		struct mbox_open open;
		struct mbox_send send;
		struct mbox_recv recv;
		struct mbox_stat stat;
		struct mbox_usage usage;
		struct mbox_clock clock;
		struct mbox_call call;
		struct mbox_batch batch;
		struct mbox_grants grants;
	};
	struct mbox_reply reply;
	struct mbox_granted granted[4];
	union {
		struct mbox_send sends[LETTERS];
		struct mbox_recv recvs[LETTERS];
	};
	uint64_t token, moved;
	char got[LETTERS][HUGE];
	int slots[FILES + 1];
	int theirs[FILES];
};

/* What is sent: the first letter, and if need be more. */
static char bytes[HUGE];

/*
 * How it looks.
 */

/* Asking for each is faster than to read the directory. */
static inline unsigned int own_descriptors(void)
{
	unsigned int count = 0;
	int fd;

	for (fd = 0; fd < 64; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static inline struct message look_at(int fd, uint64_t id, uint32_t nth)
{
	struct message message = { };
	struct letter letter;
	struct mbox_recv how = {
		.flags = MBOX_RECV_PEEK | MBOX_RECV_NONBLOCK | MBOX_RECV_TRUNCATE,
		.id = id, .nth = nth,
	};

	message.error = receive_as(fd, how, &letter);
	if (message.error)
		return message;
	message.len = letter.env.len;
	message.seq = letter.env.seq;
	message.tag = letter.env.tag;
	message.sender = letter.env.sender;
	message.prio = letter.env.prio;
	message.nr_files = letter.env.nr_files;
	message.got = letter.env.got;
	memcpy(message.text, letter.text, SIZE);
	return message;
}

/* Who looks into a mailbox of a pair takes an end of it. */
static inline void look_into(int fd, struct box *box)
{
	struct mbox_grants grants = { .id = box->stat.id, .grants = (uintptr_t)box->granted, .nr = 4 };
	uint32_t i;

	NEED(!call(fd, MBOX_IOC_GRANTS, &grants));
	box->nr_granted = grants.nr;
	for (i = 0; i < 6 && !(box->stat.kind & MBOX_CREATE_PAIR); i++) {
		box->messages[i] = look_at(fd, box->stat.id, i);
		if (box->messages[i].error)
			break;
	}
}

static inline void look(const struct scene *s, struct look *look)
{
	struct mbox_stat stat;
	uint64_t next = 1;

	memset(look, 0, sizeof(*look));
	while (!try_stat(s->fd, next, MBOX_STAT_NEXT, &stat)) {
		NEED(look->nr_boxes < 5);
		/* What it refused, it may count. */
		stat.refused = 0;
		look->boxes[look->nr_boxes].stat = stat;
		look_into(s->fd, &look->boxes[look->nr_boxes++]);
		next = stat.id + 1;
	}
	look->usage = usage_of(s->fd, 0);
	look->descriptors = own_descriptors();
}

static inline bool tell_difference(const struct look *a, const struct look *b)
{
	unsigned int i;

	SHOULD(a->descriptors == b->descriptors);
	SHOULD(a->nr_boxes == b->nr_boxes);
	for (i = 0; i < a->nr_boxes; i++) {
		SHOULD(same_state(a->boxes[i].stat, b->boxes[i].stat));
		SHOULD(!memcmp(a->boxes[i].messages, b->boxes[i].messages,
			       sizeof(a->boxes[i].messages)));
		SHOULD(!memcmp(&a->boxes[i], &b->boxes[i], sizeof(a->boxes[i])));
	}
	SHOULD(a->usage.user_bytes == b->usage.user_bytes);
	SHOULD(a->usage.ns_bytes == b->usage.ns_bytes);
	SHOULD(!memcmp(&a->usage, &b->usage, sizeof(a->usage)));
	return true;
}

/* Files are closed a little later, and processes end so. */
static inline bool looks_like(const struct scene *s, const struct look *want)
{
	static struct look is;
	int tries;

	for (tries = 0; tries < 500; tries++) {
		look(s, &is);
		if (!memcmp(&is, want, sizeof(is)))
			return true;
		usleep(1000);
	}
	return tell_difference(&is, want);
}

/*
 * The scene.
 */

static inline struct mbox_create box_of(const struct operation *op)
{
	struct mbox_create attr = op->box;

	if (attr.max_size)
		return attr;
	attr = attributes(8, SIZE);
	attr.mode = 0666;
	attr.flags = op->box.flags;
	attr.share = op->box.share;
	memcpy(attr.name, op->box.name, sizeof(attr.name));
	return attr;
}

static inline void open_scene(struct scene *s)
{
	unsigned int i;

	memset(&s->create, POISON, offsetof(struct scene, reply) - offsetof(struct scene, create));
	s->second = 0;
	s->token = s->moved = 0;
	s->peer = NULL;
	s->reply = (struct mbox_reply){ };
	for (i = 0; i < FILES; i++) {
		struct line line = { -1, -1 };

		if (s->op->with_files)
			line = new_line();
		s->files[i] = line.end;
		s->ears[i] = line.ear;
		s->slots[i] = -1;
	}
	s->spare = device(O_RDWR | O_NONBLOCK);
	s->id = create(s->fd, box_of(s->op));
	s->bound = descriptor(s->id, O_RDWR | O_NONBLOCK);
	if (s->op->prepare)
		s->op->prepare(s);
	look(s, &s->before);
}

static inline void close_all(int *files)
{
	unsigned int i;

	for (i = 0; i < FILES; i++) {
		if (files[i] >= 0)
			NEED(!close(files[i]));
		files[i] = -1;
	}
}

/* All of it is gone, and nothing has leaked. */
static inline bool close_scene(struct scene *s)
{
	struct mbox_stat stat;

	close_all(s->slots);
	close_all(s->files);
	close_all(s->ears);
	if (s->op->finish)
		s->op->finish(s);
	close(s->bound);
	close(s->spare);
	if (s->peer)
		kill_puppet(s->peer);
	while (!try_stat(s->fd, 1, MBOX_STAT_NEXT, &stat)) {
		int error = delete(s->fd, stat.id);

		NEED(!error || error == EIDRM);
	}
	SHOULD(is_done(s->other));
	if (s->peer) {
		NEED(!munmap(s->peer, PAGE));
		s->peer = NULL;
	}
	return looks_like(s, &s->empty);
}

/* A process that is there for this scene only. */
static inline void prepare_peer(struct scene *s)
{
	s->peer = new_puppet(s->fd, 0, 0);
	close(s->peer->memory);
}

/*
 * A message goes through the mailbox.
 */

static inline bool is_gone(const struct scene *s, uint64_t id)
{
	struct mbox_stat stat;

	return try_stat(s->fd, id, 0, &stat) == EIDRM;
}

static inline bool is_usable(struct scene *s, uint64_t id)
{
	struct mbox_stat stat = state(s->fd, id);
	struct letter letter;
	char *text = s->got[0];

	while (!receive(s->fd, id, MBOX_RECV_NONBLOCK | MBOX_RECV_TRUNCATE, 0, &letter))
		;
	if (stat.kind & MBOX_CREATE_PROCESS) {
		SHOULD(!post_by(s->peer ? s->peer : s->other, id, "can be used"));
	} else if (!stat.max_msgs) {
		SHOULD(send_bytes(s->fd, id, text, 1, 0, MBOX_SEND_NONBLOCK, 0) == EAGAIN);
		return true;
	} else {
		memset(text, 'u', stat.max_size);
		SHOULD(!send_bytes(s->fd, id, text, stat.max_size, 0, MBOX_SEND_NONBLOCK, 0));
	}
	SHOULD(!receive(s->fd, id, MBOX_RECV_NONBLOCK | MBOX_RECV_TRUNCATE, 0, &letter));
	SHOULD(letter.env.len == (stat.kind & MBOX_CREATE_PROCESS ? 11 : stat.max_size));
	SHOULD(letter.text[0] == (stat.kind & MBOX_CREATE_PROCESS ? 'c' : 'u'));
	SHOULD(state(s->fd, id).msgs == 0);
	return true;
}

/*
 * The sweep.
 */

static inline int act_in_child(struct scene *s, int nth)
{
	int status, error;
	pid_t child = spawn();

	if (!child) {
		int fault = open_fault();

		NEED(fault >= 0);
		if (s->op->uid)
			become(s->op->uid, s->op->uid);
		if (nth)
			set_fault(fault, nth);
		error = s->op->act(s);
		if (nth)
			s->fired = fault_is_over(fault);
		_exit(error);
	}
	status = join(child);
	NEED(status >= 0);
	return status;
}

/* With the @nth fault, or with none. */
static inline int act(struct scene *s, int nth)
{
	int error;

	s->fired = false;
	if (s->op->by_newcomer)
		return act_in_child(s, nth);
	if (nth)
		set_fault(s->fault, nth);
	if (s->op->uid)
		NEED(!seteuid(s->op->uid));
	error = s->op->act(s);
	if (s->op->uid)
		NEED(!seteuid(0));
	if (nth)
		s->fired = fault_is_over(s->fault);
	return error;
}

static inline bool is_left(struct scene *s)
{
	if (s->op->holds)
		return s->op->holds(s);
	return looks_like(s, &s->before);
}

enum outcome { NO_FAULT, HARMLESS, HARMFUL };

/* HARMLESS: it is done in spite of the fault. */
static inline bool try_fault(struct scene *s, int kind, int nth, enum outcome *outcome)
{
	int error = act(s, nth), want = kind == COPIES ? EFAULT : ENOMEM;

	*outcome = !s->fired ? NO_FAULT : error == s->op->success ? HARMLESS : HARMFUL;
	if (*outcome == HARMFUL) {
		if (error != want)
			printf("# says: %s\n", strerror(error));
		SHOULD(error == want);
		SHOULD(is_left(s));
		error = act(s, 0);
	}
	if (error != s->op->success)
		printf("# says: %s\n", strerror(error));
	SHOULD(error == s->op->success);
	if (s->op->check)
		SHOULD(s->op->check(s));
	close_all(s->slots);
	return is_gone(s, s->id) || is_usable(s, s->id);
}

/**
 * struct tally - what a sweep has come across
 * @points: faults that came to pass
 * @harmless: of those, that did not keep it from being done
 */
struct tally {
	unsigned int points, harmless;
};

/*
 * Tables of the debug kernel's own are filled now and then, and need not be: so a fault
 * may hit those once, but not each time.
 */
static inline bool sweep_faults(struct scene *s, int kind, struct tally *tally)
{
	int survives = s->op->survives | PAGES;
	enum outcome outcome = HARMFUL;
	unsigned int tries = 0;
	int nth = 1;

	s->kind = kind;
	NEED(choose_faults(kind, s->op->everywhere ? all_code : code_of_module()));
	while (outcome != NO_FAULT) {
		SHOULD(nth < 200);
		open_scene(s);
		SHOULD(try_fault(s, kind, nth, &outcome) || !printf("# at fault %d\n", nth));
		SHOULD(close_scene(s) || !printf("# after fault %d\n", nth));
		if (outcome == HARMLESS && !(survives & kind)) {
			SHOULD(++tries < 4 || !printf("# at fault %d\n", nth));
			continue;
		}
		tally->points += outcome != NO_FAULT;
		tally->harmless += outcome == HARMLESS;
		tries = 0;
		nth++;
	}
	return true;
}

FIXTURE(fault) {
	struct scene *scene;
};

FIXTURE_VARIANT(fault) {
	struct operation op;
};

FIXTURE_SETUP(fault)
{
	struct scene *s = shared(sizeof(*s));

	begin_accounts();
	self->scene = s;
	s->op = &variant->op;
	s->fault = open_fault();
	NEED(s->fault >= 0);
	memset(bytes, 'b', sizeof(bytes));
	memcpy(bytes, letters[0], SIZE);
	s->fd = device(O_RDWR);
	s->other = new_puppet(s->fd, 0, 0);
	look(s, &s->empty);
}

FIXTURE_TEARDOWN(fault)
{
	end_accounts(self->scene->fd);
}

/* Where the machine is slow and busy, so are those with many faults. */
TEST_F_TIMEOUT(fault, leaves_nothing_half_done, 300)
{
	struct tally slabs = { }, pages = { }, copies = { };
	struct scene *s = self->scene;

	EXPECT_TRUE(sweep_faults(s, SLABS, &slabs));
	EXPECT_TRUE(sweep_faults(s, PAGES, &pages));
	EXPECT_TRUE(sweep_faults(s, COPIES, &copies));
	printf("# %u slabs, %u pages, %u copies, of those without effect %u, %u, %u\n",
	       slabs.points, pages.points, copies.points, slabs.harmless, pages.harmless,
	       copies.harmless);
	/* There was something to fail. */
	EXPECT_LT(0, slabs.points + pages.points + copies.points);
}

#define OPERATION(_name, ...) \
	FIXTURE_VARIANT_ADD(fault, _name) { .op = { __VA_ARGS__ } }

/* Where nothing can fail, there is nothing to set up either. */
int main(int argc, char **argv)
{
	if (!choose_faults(0, no_code))
		ksft_exit_skip("the kernel cannot make allocations and copies fail\n");
	leave_notes_alone();
	return test_harness_run(argc, argv);
}

#endif /* FAULT_SCENE_H */
