// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many processes send files to each other through several mailboxes, and are killed at
 * random, owners too: no file comes to the wrong message, none is lost that has an
 * owner, and none is left open.
 *
 * What travels are writing ends of pipes, which all workers have. A message tells which
 * pipes it brings, by number, and an inode tells which pipe a descriptor is of. In the
 * end, with nobody left but the test, who has let go of them, every pipe has to be dead.
 */
#include "kselftest_harness.h"
#include "files.h"

#define LINES		16
#define WORKERS		12
#define BOXES		3
#define MOST_AT_ONCE	6	/* files of one message */
#define KILLS		50	/* some in each step of what a worker does */
#define SECONDS		5	/* or as many as there are in that time */

/* A message. */
struct parcel {
	uint32_t nr;
	uint8_t line[MOST_AT_ONCE];
};

struct ledger {
	ino_t inodes[LINES];
	uint64_t boxes[BOXES];
	uint32_t sent;
	uint32_t received;	/* with their files */
	uint32_t lost;		/* whose files were */
	uint32_t dead;		/* sends that found no owner */
	uint32_t claimed;
	uint32_t wrong;		/* never */
	uint32_t stop;
};

FIXTURE(race) {
	int fd;
	struct line lines[LINES];
	struct ledger *ledger;
	pid_t workers[WORKERS];
};

FIXTURE_VARIANT(race) {
	uint32_t msgs;
	uint64_t kind;
	uint64_t send_flags;
	bool deletes;
};

FIXTURE_VARIANT_ADD(race, through_buffers) {
	.msgs = 3,
};

FIXTURE_VARIANT_ADD(race, through_reserved_buffers) {
	.msgs = 3, .kind = MBOX_CREATE_RESERVE,
};

FIXTURE_VARIANT_ADD(race, through_rendezvous) {
	.msgs = 0,
};

FIXTURE_VARIANT_ADD(race, of_synchronous_senders) {
	.msgs = 3, .send_flags = MBOX_SEND_SYNC,
};

FIXTURE_VARIANT_ADD(race, of_messages_that_expire) {
	.msgs = 3, .send_flags = MBOX_SEND_EXPIRES,
};

FIXTURE_VARIANT_ADD(race, through_mailboxes_that_go) {
	.msgs = 3, .deletes = true,
};

static uint64_t new_box(int fd, const FIXTURE_VARIANT(race) *variant)
{
	struct mbox_create attr = public_for_files(variant->msgs);

	attr.flags |= variant->kind;
	if (variant->kind & MBOX_CREATE_RESERVE)
		attr.max_bytes = MBOX_UNBOUNDED_BYTES;
	return create(fd, attr);
}

FIXTURE_SETUP(race)
{
	int i;

	begin_accounts();
	self->fd = device(O_RDWR);
	self->ledger = shared(sizeof(*self->ledger));
	for (i = 0; i < LINES; i++) {
		self->lines[i] = new_line();
		self->ledger->inodes[i] = inode_of(self->lines[i].end);
	}
	for (i = 0; i < BOXES; i++)
		self->ledger->boxes[i] = new_box(self->fd, variant);
}

FIXTURE_TEARDOWN(race)
{
	end_files(self->fd);
}

static void count_up(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static uint64_t some_box(FIXTURE_DATA(race) *self)
{
	return __atomic_load_n(&self->ledger->boxes[rand() % BOXES], __ATOMIC_SEQ_CST);
}

static void send_something(FIXTURE_DATA(race) *self, const FIXTURE_VARIANT(race) *variant)
{
	struct parcel parcel = { .nr = rand() % (MOST_AT_ONCE + 1) };
	int files[MOST_AT_ONCE], error;
	struct mbox_send how;
	uint32_t i;

	for (i = 0; i < parcel.nr; i++) {
		parcel.line[i] = rand() % LINES;
		files[i] = self->lines[parcel.line[i]].end;
	}
	how = with_files(some_box(self), files, parcel.nr);
	how.flags = variant->send_flags | (rand() % 2 ? MBOX_SEND_TIMEOUT : MBOX_SEND_NONBLOCK);
	how.deadline = now() + rand() % 5 * MSEC;
	how.expires = now() + rand() % 5 * MSEC;
	how.buf = (uintptr_t)&parcel;
	how.len = sizeof(parcel);
	error = call(self->fd, MBOX_IOC_SEND, &how);
	switch (error) {
	case 0:
		count_up(&self->ledger->sent);
		break;
	case EOWNERDEAD:
		if (!parcel.nr)
			count_up(&self->ledger->wrong);
		count_up(&self->ledger->dead);
		break;
	case EAGAIN:
	case ETIMEDOUT:
	case EIDRM:
		break;
	default:
		fprintf(stderr, "# a send failed with %d\n", error);
		count_up(&self->ledger->wrong);
	}
}

/* Are they just those that the message tells of? */
static bool is_right(struct ledger *ledger, const struct parcel *parcel,
		     const struct mbox_recv *env, const int *files)
{
	uint32_t i;

	if (env->got & MBOX_GOT_FILES_LOST)
		return parcel->nr && !env->nr_files && files[0] < 0;
	if (env->nr_files != parcel->nr)
		return false;
	for (i = 0; i < parcel->nr; i++)
		if (files[i] < 0 || inode_of(files[i]) != ledger->inodes[parcel->line[i]])
			return false;
	return files[i] < 0;
}

static void receive_something(FIXTURE_DATA(race) *self)
{
	int files[MOST_AT_ONCE + 1], error, i;
	struct parcel parcel = { };
	struct mbox_recv how = {
		.flags = MBOX_RECV_FILES, .id = some_box(self), .buf = (uintptr_t)&parcel,
		.size = sizeof(parcel), .files = (uintptr_t)files,
		.nr_files = MOST_AT_ONCE + 1,
	};

	how.flags |= rand() % 2 ? MBOX_RECV_TIMEOUT : MBOX_RECV_NONBLOCK;
	how.deadline = now() + rand() % 5 * MSEC;
	memset(files, POISON, sizeof(files));
	/* Some addresses are bad, and some receivers have too little room. */
	if (rand() % 8 == 0)
		how.files = (uintptr_t)unmapped();
	else if (rand() % 8 == 0)
		how.nr_files = rand() % MOST_AT_ONCE;
	error = call(self->fd, MBOX_IOC_RECV, &how);
	if (how.files != (uintptr_t)files)
		munmap((void *)(uintptr_t)how.files, PAGE);
	if (error == EAGAIN || error == ETIMEDOUT || error == EIDRM || error == EFAULT ||
	    error == EMSGSIZE)
		return;
	if (error) {
		fprintf(stderr, "# a receive failed with %d\n", error);
		count_up(&self->ledger->wrong);
		return;
	}
	if (!is_right(self->ledger, &parcel, &how, files)) {
		fprintf(stderr, "# %u files sent, %u came, got %#x\n", parcel.nr, how.nr_files,
			how.got);
		count_up(&self->ledger->wrong);
	}
	count_up(how.got & MBOX_GOT_FILES_LOST ? &self->ledger->lost : &self->ledger->received);
	for (i = 0; i < MOST_AT_ONCE && files[i] >= 0; i++)
		close(files[i]);
}

static void work(FIXTURE_DATA(race) *self, const FIXTURE_VARIANT(race) *variant, int seed)
{
	struct puppet *me = myself(self->fd);

	srand(seed);
	while (!told(&self->ledger->stop)) {
		int what = rand() % 100;
		uint64_t id = some_box(self);

		if (what < 45) {
			send_something(self, variant);
		} else if (what < 90) {
			receive_something(self);
		} else if (what < 96) {
			if (!claim_by(me, id))
				count_up(&self->ledger->claimed);
		} else if (what < 99 || !variant->deletes) {
			transfer_by(me, id, self->workers[rand() % WORKERS], 0);
		} else {
			delete(self->fd, id);
		}
	}
	_exit(0);
}

static void hire(FIXTURE_DATA(race) *self, const FIXTURE_VARIANT(race) *variant, int place)
{
	static int seed;
	pid_t child;

	seed++;
	child = spawn();
	if (!child)
		work(self, variant, seed);
	self->workers[place] = child;
}

/* In place of those that were deleted. */
static void make_new_ones(FIXTURE_DATA(race) *self, const FIXTURE_VARIANT(race) *variant)
{
	struct mbox_stat stat;
	int i;

	for (i = 0; i < BOXES; i++)
		if (try_stat(self->fd, self->ledger->boxes[i], 0, &stat))
			__atomic_store_n(&self->ledger->boxes[i], new_box(self->fd, variant),
					 __ATOMIC_SEQ_CST);
}

/* Nobody uses the mailboxes any more: what is in them is as it should be. */
static void empty(FIXTURE_DATA(race) *self)
{
	uint64_t next = 1;
	struct mbox_stat stat;

	while (!try_stat(self->fd, next, MBOX_STAT_NEXT, &stat)) {
		struct mbox_recv how = { .flags = MBOX_RECV_NONBLOCK, .id = stat.id };
		struct bundle bundle;

		while (!take_as(self->fd, how, MBOX_FILES_MAX, &bundle)) {
			struct parcel parcel;

			NEED(bundle.letter.env.len == sizeof(parcel));
			memcpy(&parcel, bundle.letter.text, sizeof(parcel));
			if (!is_right(self->ledger, &parcel, &bundle.letter.env, bundle.files))
				count_up(&self->ledger->wrong);
			drop_files(&bundle);
		}
		next = stat.id + 1;
	}
}

/* Something of it, for there to be something to see. */
static bool all_has_happened(const struct ledger *ledger)
{
	return told(&ledger->sent) && told(&ledger->received) && told(&ledger->dead) &&
	       told(&ledger->claimed);
}

TEST_F_TIMEOUT(race, leaves_no_file_open, 120)
{
	uint64_t end_of_storm = now() + SECONDS * 1000 * MSEC;
	struct ledger *ledger = self->ledger;
	int i, kills;

	srand(1);
	for (i = 0; i < WORKERS; i++)
		hire(self, variant, i);
	for (kills = 0; (kills < KILLS && now() < end_of_storm) || !all_has_happened(ledger);
	     kills++) {
		int place = rand() % WORKERS;

		usleep(rand() % 20 * 1000);
		end(self->workers[place]);
		hire(self, variant, place);
		make_new_ones(self, variant);
	}
	/* Half end in the middle of what they do, half do not. */
	for (i = 0; i < WORKERS / 2; i++)
		end(self->workers[i]);
	tell(&ledger->stop, true);
	for (; i < WORKERS; i++)
		EXPECT_EQ(0, join(self->workers[i]));
	EXPECT_EQ(0, told(&ledger->wrong));
	TH_LOG("%u messages sent, %u received, %u without the files, %u claims", ledger->sent,
	       ledger->received, ledger->lost, ledger->claimed);
	empty(self);
	EXPECT_EQ(0, told(&ledger->wrong));
	WAIT_UNTIL(!files_of(self->fd, 0) && !files_here(self->fd));
	for (i = 0; i < LINES; i++) {
		EXPECT_FALSE(is_dead(self->lines[i]));
		let_go(&self->lines[i]);
	}
	for (i = 0; i < LINES; i++)
		WAIT_UNTIL(is_dead(self->lines[i]));
}

/*
 * Duels: two things that happen at the same time, many times.
 */
FIXTURE(duel) {
	int fd;
	struct line line;
	uint32_t *go;
};

FIXTURE_SETUP(duel)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->go = shared(sizeof(*self->go));
}

FIXTURE_TEARDOWN(duel)
{
	end_files(self->fd);
}

/* Sends until it is told that there is no owner; its status is then how often. */
static pid_t spawn_persistent_sender(FIXTURE_DATA(duel) *self, uint64_t id)
{
	pid_t child = spawn();
	int count = 0, error;

	if (child)
		return child;
	do {
		error = post_file(self->fd, id, "file", self->line.end);
		count += !error;
		if (count)
			tell(self->go, true);
	} while (!error || error == EAGAIN);
	_exit(error == EOWNERDEAD ? 100 + (count > 100 ? 100 : count) : error);
}

TEST_F(duel, of_an_owner_that_ends_and_a_sender)
{
	int i, status;

	for (i = 0; i < 40; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		uint64_t id = create_by(owner, public_for_files(1000));
		unsigned int count = 0;
		struct letter letter;
		pid_t sender;

		self->line = new_line();
		tell(self->go, false);
		sender = spawn_persistent_sender(self, id);
		WAIT_UNTIL(told(self->go));
		kill_puppet(owner);
		status = join(sender);
		ASSERT_LT(100, status);
		let_go(&self->line);
		WAIT_UNTIL(is_dead(self->line));
		WAIT_UNTIL(!files_of(self->fd, 0));
		/* What was sent is there, and says what it had. */
		while (!receive_plainly(self->fd, id, 0, &letter)) {
			ASSERT_EQ(MBOX_GOT_FILES_LOST, letter.env.got);
			ASSERT_EQ(0, letter.env.nr_files);
			count++;
		}
		EXPECT_TRUE(status == 200 ? count >= 100 : count == status - 100U);
		ASSERT_EQ(0, delete(self->fd, id));
		close(self->line.ear);
	}
}

/* Takes until the mailbox is gone; its status is how many were not whole. */
static pid_t spawn_taker(FIXTURE_DATA(duel) *self, uint64_t id)
{
	pid_t child = spawn();
	struct mbox_recv how = { .id = id };
	struct bundle bundle;
	int wrong = 0, error;

	if (child)
		return child;
	close(self->line.end);
	while (!(error = take_as(self->fd, how, 2, &bundle))) {
		wrong += bundle.letter.env.got || bundle.letter.env.nr_files != 1 ||
			 bundle.files[0] < 0 ||
			 inode_of(bundle.files[0]) != inode_of(self->line.ear);
		drop_files(&bundle);
		tell(self->go, true);
	}
	_exit(error == EIDRM ? wrong : 99);
}

TEST_F(duel, of_a_deletion_and_a_receiver)
{
	int i, k;

	for (i = 0; i < 40; i++) {
		uint64_t id = create(self->fd, public_for_files(1000));
		pid_t taker;

		self->line = new_line();
		for (k = 0; k < 50; k++)
			ASSERT_EQ(0, post_file(self->fd, id, "file", self->line.end));
		tell(self->go, false);
		taker = spawn_taker(self, id);
		WAIT_UNTIL(told(self->go));
		ASSERT_EQ(0, delete(self->fd, id));
		ASSERT_EQ(0, join(taker));
		let_go(&self->line);
		WAIT_UNTIL(is_dead(self->line));
		WAIT_UNTIL(!files_of(self->fd, 0));
		close(self->line.ear);
	}
}

/* With its files or without: one of the two, and each message once. */
TEST_F(duel, of_an_owner_that_ends_and_a_receiver)
{
	int i, k;

	for (i = 0; i < 40; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		uint64_t id = create_by(owner, public_for_files(100));
		unsigned int with = 0, without = 0;
		struct bundle bundle;

		self->line = new_line();
		for (k = 0; k < 50; k++)
			ASSERT_EQ(0, post_file(self->fd, id, "file", self->line.end));
		let_go(&self->line);
		NEED(!kill(owner->pid, SIGKILL));
		while (!take_from(self->fd, id, &bundle)) {
			if (bundle.letter.env.got) {
				ASSERT_EQ(MBOX_GOT_FILES_LOST, bundle.letter.env.got);
				ASSERT_EQ(0, bundle.letter.env.nr_files);
				ASSERT_EQ(-1, bundle.files[0]);
				without++;
			} else {
				ASSERT_EQ(1, bundle.letter.env.nr_files);
				ASSERT_EQ(inode_of(self->line.ear), inode_of(bundle.files[0]));
				with++;
			}
			ASSERT_EQ(-1, bundle.files[1]);
			drop_files(&bundle);
		}
		ASSERT_EQ(50, with + without);
		NEED(join(owner->pid) == -SIGKILL);
		WAIT_UNTIL(is_dead(self->line));
		WAIT_UNTIL(!files_of(self->fd, 0));
		ASSERT_EQ(0, delete(self->fd, id));
		close(self->line.ear);
	}
}

/* A look finds a number, or that they are lost, and breaks nothing. */
TEST_F(duel, of_an_owner_that_ends_and_one_who_looks)
{
	int i, k;

	for (i = 0; i < 20; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		uint64_t id = create_by(owner, public_for_files(100));
		struct letter letter;

		self->line = new_line();
		for (k = 0; k < 50; k++)
			ASSERT_EQ(0, post_file(self->fd, id, "file", self->line.end));
		let_go(&self->line);
		NEED(!kill(owner->pid, SIGKILL));
		do {
			struct mbox_recv how = { .flags = MBOX_RECV_PEEK, .id = id, .nth = 49 };

			poison_all(&how);
			ASSERT_EQ(0, receive_as(self->fd, how, &letter));
			ASSERT_EQ(letter.env.got ? MBOX_GOT_FILES_LOST : 0, letter.env.got);
			ASSERT_EQ(letter.env.got ? 0 : 1, letter.env.nr_files);
		} while (!letter.env.got);
		NEED(join(owner->pid) == -SIGKILL);
		WAIT_UNTIL(is_dead(self->line));
		ASSERT_EQ(50, state(self->fd, id).msgs);
		ASSERT_EQ(0, delete(self->fd, id));
		close(self->line.ear);
	}
}

TEST_HARNESS_MAIN
