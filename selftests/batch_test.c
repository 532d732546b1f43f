// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches: many sends or receives in one system call, each as if it came alone; and
 * what is told when one of them fails, or a signal comes.
 */
#include "kselftest_harness.h"
#include "fault.h"
#include "puppet.h"

#define SIZE	32
#define MANY	MBOX_BATCH_MAX

/* What the items are, where a test is about either. */
enum kind { SENDS, RECVS };

static const unsigned int commands[] = {
	[SENDS] = MBOX_IOC_SEND_BATCH, [RECVS] = MBOX_IOC_RECV_BATCH,
};

static const uint32_t sizes[] = {
	[SENDS] = sizeof(struct mbox_send), [RECVS] = sizeof(struct mbox_recv),
};

/* Of the first version of each structure. */
static const uint32_t first_sizes[] = {
	[SENDS] = offsetof(struct mbox_send, offer), [RECVS] = offsetof(struct mbox_recv, owned),
};

/**
 * struct desk - what batches are made of; shared with the puppets
 * @sends: items
 * @recvs: items
 * @texts: of the messages
 * @ids: for a choice
 * @files: descriptors
 */
struct desk {
	struct mbox_send sends[MANY];
	struct mbox_recv recvs[MANY];
	char texts[MANY][SIZE];
	uint64_t ids[MANY];
	int files[4];
};

FIXTURE(batch) {
	int fd;
	uint64_t id;
	struct desk *desk;
	struct puppet *me, *a, *b;
};

FIXTURE_SETUP(batch)
{
	struct mbox_create attr = attributes(MANY, SIZE);

	begin();
	take_signals(0);
	attr.mode = 0666;
	self->fd = mailbox(attr);
	self->id = state(self->fd, 0).id;
	self->desk = shared(sizeof(*self->desk));
	self->me = myself(self->fd);
	self->a = new_puppet(self->fd, 0, 0);
	self->b = new_puppet(self->fd, 0, 0);
}

FIXTURE_TEARDOWN(batch)
{
	sweep();
}

static struct mbox_batch batch_of(const void *items, uint32_t nr, uint32_t size, uint64_t flags)
{
	struct mbox_batch batch;

	memset(&batch, POISON, sizeof(batch));
	batch.flags = flags;
	batch.items = (uintptr_t)items;
	batch.nr = nr;
	batch.size = size;
	return batch;
}

static struct mbox_batch batch_on(struct desk *desk, enum kind kind, uint32_t nr, uint64_t flags)
{
	void *items = kind == SENDS ? (void *)desk->sends : desk->recvs;

	return batch_of(items, nr, sizes[kind], flags);
}

/* Texts that begin with that number. */
static void fill_sends(struct desk *desk, uint32_t nr, int first, uint64_t flags)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		sprintf(desk->texts[i], "%d", first + (int)i);
		memset(&desk->sends[i], 0, sizeof(desk->sends[i]));
		desk->sends[i].flags = flags;
		desk->sends[i].buf = (uintptr_t)desk->texts[i];
		desk->sends[i].len = strlen(desk->texts[i]);
	}
}

static void poison_recv(struct mbox_recv *recv)
{
	poison_envelope(recv);
	memset(&recv->owned, POISON,
	       offsetof(struct mbox_recv, nr_files) - offsetof(struct mbox_recv, owned));
}

static void fill_recvs(struct desk *desk, uint32_t nr, uint64_t flags)
{
	uint32_t i;

	memset(desk->texts, 0, sizeof(desk->texts));
	for (i = 0; i < nr; i++) {
		memset(&desk->recvs[i], 0, sizeof(desk->recvs[i]));
		desk->recvs[i].flags = flags;
		desk->recvs[i].buf = (uintptr_t)desk->texts[i];
		desk->recvs[i].size = SIZE - 1;
		poison_recv(&desk->recvs[i]);
	}
}

static void fill(struct desk *desk, enum kind kind, uint32_t nr, uint64_t flags)
{
	if (kind == SENDS)
		fill_sends(desk, nr, 0, flags);
	else
		fill_recvs(desk, nr, flags);
}

/* What carried out a batch was told of it. */
static struct mbox_batch result_of(struct puppet *puppet)
{
	struct mbox_batch batch;

	memcpy(&batch, puppet->arg, sizeof(batch));
	return batch;
}

static void expect_outcome(struct __test_metadata *_metadata, struct mbox_batch batch,
			   uint32_t done, int error)
{
	EXPECT_EQ(done, batch.done);
	EXPECT_EQ(-error, batch.error);
}

/* Send messages whose texts are numbers, one by one. */
static void post_numbers(struct puppet *puppet, int first, int count)
{
	char text[16];

	while (count--) {
		sprintf(text, "%d", first++);
		NEED(!post_by(puppet, 0, text));
	}
}

static void expect_numbers(struct __test_metadata *_metadata, int fd, int first, int count)
{
	struct letter letter;
	char text[16];

	while (count--) {
		sprintf(text, "%d", first++);
		ASSERT_EQ(0, fetch(fd, 0, &letter));
		ASSERT_STREQ(text, letter.text);
	}
	EXPECT_EQ(EAGAIN, fetch(fd, 0, &letter));
}

/*
 * All goes well.
 */

TEST_F(batch, carries_out_each_item_in_turn)
{
	static const uint32_t counts[] = { 1, 2, 7, MANY - 1, MANY };
	struct mbox_batch batch;
	size_t i;
	uint32_t k;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		uint32_t nr = counts[i];
		char text[16];

		fill_sends(self->desk, nr, 1000, 0);
		batch = batch_on(self->desk, SENDS, nr, 0);
		ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
		expect_outcome(_metadata, batch, nr, 0);
		EXPECT_EQ(nr, state(self->fd, 0).msgs);
		fill_recvs(self->desk, nr, 0);
		batch = batch_on(self->desk, RECVS, nr, 0);
		ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
		expect_outcome(_metadata, batch, nr, 0);
		EXPECT_EQ(nr, batch.nr);
		EXPECT_EQ(sizes[RECVS], batch.size);
		EXPECT_EQ(0, batch.flags);
		for (k = 0; k < nr; k++) {
			sprintf(text, "%u", 1000 + k);
			ASSERT_STREQ(text, self->desk->texts[k]);
			ASSERT_EQ(strlen(text), self->desk->recvs[k].len);
			ASSERT_EQ(self->desk->recvs[0].seq + k, self->desk->recvs[k].seq);
		}
		EXPECT_EQ(0, state(self->fd, 0).msgs);
	}
}

TEST_F(batch, tells_of_each_message_what_a_receive_tells)
{
	struct mbox_send how = { .tag = 9, .prio = 3 };
	struct mbox_batch batch;
	struct mbox_recv single;
	struct letter letter;

	ASSERT_EQ(0, send_by(self->a, how, "text"));
	ASSERT_EQ(0, receive(self->fd, 0, MBOX_RECV_PEEK, 0, &letter));
	fill_recvs(self->desk, 1, 0);
	single = self->desk->recvs[0];
	single.flags = MBOX_RECV_PEEK;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV, &single));
	batch = batch_on(self->desk, RECVS, 1, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	/* But for what is an event of its own. */
	single.flags = 0;
	EXPECT_EQ(single.clock + 1, self->desk->recvs[0].clock);
	single.clock = self->desk->recvs[0].clock;
	EXPECT_EQ(0, memcmp(&single, &self->desk->recvs[0], sizeof(single)));
	EXPECT_STREQ("text", self->desk->texts[0]);
	EXPECT_EQ(self->a->pid, single.pid);
}

TEST_F(batch, stamps_each_message)
{
	struct mbox_clock before = { }, after = { };
	struct mbox_batch batch;
	uint32_t i;

	fill_sends(self->desk, 5, 0, MBOX_SEND_STAMP);
	self->desk->sends[3].flags = 0;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &before));
	batch = batch_on(self->desk, SENDS, 5, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &after));
	EXPECT_EQ(before.stamp + 5, after.stamp);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(i == 3 ? 0 : before.stamp + 1 + i, self->desk->sends[i].stamp);
	fill_recvs(self->desk, 5, 0);
	batch = batch_on(self->desk, RECVS, 5, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(before.stamp + 1 + i, self->desk->recvs[i].stamp);
		EXPECT_EQ(after.stamp + 1 + i, self->desk->recvs[i].clock);
		EXPECT_EQ(after.participant, self->desk->recvs[i].sender);
	}
}

/* Each kind of send, and then each kind of receive. */
TEST_F(batch, has_items_of_every_kind)
{
	struct mbox_send *sends = self->desk->sends;
	struct mbox_recv *recvs = self->desk->recvs;
	struct mbox_create by_tag = attributes(8, SIZE), by_sender = attributes(8, SIZE);
	struct mbox_create with_files = attributes(8, SIZE);
	struct mbox_clock clock = { };
	uint64_t tags, senders, files, given;
	struct mbox_batch batch;
	int i, pidfd = open_pidfd(getpid());

	by_tag.flags = MBOX_CREATE_BY_TAG;
	by_sender.flags = MBOX_CREATE_BY_SENDER;
	with_files.flags = MBOX_CREATE_FILES;
	tags = create(self->fd, by_tag);
	senders = create(self->fd, by_sender);
	files = create(self->fd, with_files);
	given = create(self->fd, attributes(1, 1));
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &clock));

	fill_sends(self->desk, 12, 0, MBOX_SEND_NONBLOCK);
	sends[0].prio = 5;
	sends[1].prio = 9;
	sends[2].flags |= MBOX_SEND_EXPIRES;
	sends[2].expires = INT64_MAX;
	sends[3].flags |= MBOX_SEND_TIMEOUT;
	sends[4].flags |= MBOX_SEND_OFFER;
	sends[4].offer = given;
	sends[5].id = tags;
	sends[5].tag = 7;
	sends[6].id = tags;
	sends[6].tag = 8;
	sends[7].id = senders;
	sends[8].id = senders;
	sends[9].id = senders;
	sends[10].len = 0;
	sends[11].id = files;
	sends[11].flags |= MBOX_SEND_SHARED;
	sends[11].files = (uintptr_t)self->desk->files;
	sends[11].nr_files = 1;
	self->desk->files[0] = self->fd;
	batch = batch_on(self->desk, SENDS, 12, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 12, 0);

	fill_recvs(self->desk, 13, MBOX_RECV_NONBLOCK);
	recvs[0].flags |= MBOX_RECV_PEEK;
	recvs[1].flags |= MBOX_RECV_PEEK;
	recvs[1].nth = 1;
	recvs[2].flags |= MBOX_RECV_LEAST | MBOX_RECV_TIMEOUT;
	recvs[3].flags |= MBOX_RECV_TRUNCATE;
	recvs[3].size = 0;
	recvs[5].flags |= MBOX_RECV_CHOICE;
	recvs[5].ids = (uintptr_t)self->desk->ids;
	recvs[5].nr_ids = 1;
	self->desk->ids[0] = self->id;
	recvs[6].flags |= MBOX_RECV_ACCEPT;
	recvs[7].id = tags;
	recvs[7].flags |= MBOX_RECV_MATCH;
	recvs[7].match = 8;
	recvs[8].id = senders;
	recvs[8].flags |= MBOX_RECV_MATCH;
	recvs[8].match = getpid();
	recvs[9].id = senders;
	recvs[9].flags |= MBOX_RECV_MATCH | MBOX_RECV_PIDFD;
	recvs[9].match = pidfd;
	recvs[10].id = senders;
	recvs[10].flags |= MBOX_RECV_MATCH | MBOX_RECV_PARTICIPANT;
	recvs[10].match = clock.participant;
	recvs[12].id = files;
	recvs[12].flags |= MBOX_RECV_FILES;
	recvs[12].files = (uintptr_t)self->desk->files;
	recvs[12].nr_files = 1;
	self->desk->files[0] = -2;
	batch = batch_on(self->desk, RECVS, 13, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 13, 0);
	{
		static const char *const texts[] = {
			"1", "0", "2", "", "0", "3", "4", "6", "7", "8", "9", "", "11",
		};

		for (i = 0; i < 13; i++) {
			EXPECT_STREQ(texts[i], self->desk->texts[i]) {
				TH_LOG("item %d", i);
			}
		}
	}
	EXPECT_EQ(9, recvs[3].prio);
	EXPECT_EQ(1, recvs[3].len);
	EXPECT_EQ(self->id, recvs[5].from);
	EXPECT_EQ(given, recvs[6].owned);
	EXPECT_EQ(8, recvs[7].tag);
	EXPECT_EQ(clock.participant, recvs[10].sender);
	EXPECT_EQ(0, recvs[11].len);
	EXPECT_EQ(MBOX_GOT_SHARED, recvs[12].got);
	EXPECT_EQ(1, recvs[12].nr_files);
	EXPECT_LE(0, self->desk->files[0]);
	EXPECT_EQ(self->id, state(self->desk->files[0], 0).id);
	EXPECT_EQ(1, state(self->fd, tags).msgs);
	EXPECT_EQ(0, state(self->fd, 0).msgs);
}

TEST_F(batch, has_synchronous_items_that_are_told_who_received)
{
	struct mbox_send *sends = self->desk->sends;
	uint64_t rendezvous = create(self->fd, attributes(0, SIZE));
	int i;

	fill_sends(self->desk, 3, 0, MBOX_SEND_SYNC | MBOX_SEND_STAMP);
	sends[1].id = rendezvous;
	sends[1].flags = MBOX_SEND_STAMP;
	for (i = 0; i < 3; i++)
		memset(&sends[i].receiver, 0, sizeof(sends[i].receiver));
	{
		struct mbox_batch batch = batch_on(self->desk, SENDS, 3, 0);

		begin_call(self->a, MBOX_IOC_SEND_BATCH, &batch);
	}
	ASSERT_EQ(0, recv_by(self->b, (struct mbox_recv){ }));
	EXPECT_STREQ("0", self->b->text);
	wait_for_senders(self->fd, rendezvous, 1);
	EXPECT_EQ(self->b->pid, sends[0].receiver);
	EXPECT_EQ(0, sends[1].receiver);
	ASSERT_EQ(0, recv_by(self->me, (struct mbox_recv){ .id = rendezvous }));
	EXPECT_STREQ("1", self->me->text);
	ASSERT_EQ(0, recv_by(self->b, (struct mbox_recv){ }));
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 3, 0);
	EXPECT_EQ(getpid(), sends[1].receiver);
	EXPECT_EQ(self->b->pid, sends[2].receiver);
	EXPECT_LT(sends[0].stamp, sends[1].stamp);
	/* Past the receiver of the one before, and there is an event for that. */
	EXPECT_LT(sends[0].stamp + 1, sends[1].stamp);
	EXPECT_LT(sends[1].stamp + 1, sends[2].stamp);
}

/*
 * What is refused.
 */

FIXTURE(refused) {
	int fd;
	struct desk *desk;
	struct mbox_stat before;
};

FIXTURE_VARIANT(refused) {
	enum kind kind;
};

FIXTURE_VARIANT_ADD(refused, send) {
	.kind = SENDS,
};

FIXTURE_VARIANT_ADD(refused, receive) {
	.kind = RECVS,
};

FIXTURE_SETUP(refused)
{
	begin();
	self->fd = mailbox(attributes(16, SIZE));
	self->desk = shared(sizeof(*self->desk));
	ASSERT_EQ(0, post(self->fd, 0, "1", 0));
	ASSERT_EQ(0, post(self->fd, 0, "2", 0));
	fill(self->desk, variant->kind, MANY, 0);
	self->before = state(self->fd, 0);
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_TRUE(same_state(self->before, state(self->fd, 0)));
	sweep();
}

TEST_F(refused, is_every_flag_it_does_not_know)
{
	unsigned int bit;

	for (bit = 1; bit < 64; bit++) {
		uint64_t flags = 1ULL << bit | (bit % 2 ? MBOX_BATCH_WAIT_ONE : 0);
		struct mbox_batch batch = batch_on(self->desk, variant->kind, 2, flags);

		EXPECT_EQ(EINVAL, call(self->fd, commands[variant->kind], &batch));
	}
}

TEST_F(refused, is_a_number_of_items_out_of_its_range)
{
	static const uint32_t numbers[] = { 0, MANY + 1, 1U << 31, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct mbox_batch batch = batch_on(self->desk, variant->kind, numbers[i], 0);

		EXPECT_EQ(EINVAL, call(self->fd, commands[variant->kind], &batch));
	}
}

TEST_F(refused, is_an_item_shorter_than_its_first_version)
{
	uint32_t size;

	for (size = 0; size < first_sizes[variant->kind]; size++) {
		struct mbox_batch batch = batch_on(self->desk, variant->kind, 1, 0);

		batch.size = size;
		ASSERT_EQ(EINVAL, call(self->fd, commands[variant->kind], &batch));
	}
}

TEST_F(refused, is_an_item_of_absurd_size)
{
	static const uint32_t absurd[] = { 1U << 16, 1U << 31, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(absurd); i++) {
		struct mbox_batch batch = batch_on(self->desk, variant->kind, MANY, 0);
		int error;

		batch.size = absurd[i];
		error = call(self->fd, commands[variant->kind], &batch);
		EXPECT_TRUE(error == EINVAL || error == E2BIG || error == EFAULT);
	}
}

TEST_F(refused, is_an_item_with_anything_in_its_tail)
{
	uint32_t size = sizes[variant->kind] + 24, at;
	char *item = calloc(1, size);

	ASSERT_NE(NULL, item);
	for (at = sizes[variant->kind]; at < size; at++) {
		struct mbox_batch batch = batch_of(item, 1, size, 0);

		fill(self->desk, variant->kind, 1, MBOX_SEND_NONBLOCK);
		memset(item, 0, size);
		if (variant->kind == SENDS)
			memcpy(item, &self->desk->sends[0], sizeof(self->desk->sends[0]));
		else
			memcpy(item, &self->desk->recvs[0], sizeof(self->desk->recvs[0]));
		item[at] = 1;
		EXPECT_EQ(E2BIG, call(self->fd, commands[variant->kind], &batch));
	}
	free(item);
}

TEST_F(refused, is_a_bad_address)
{
	struct mbox_batch *locked = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int command = commands[variant->kind];
	uint64_t bad[] = {
		0, (uintptr_t)unmapped(), 1ULL << 63, UINT64_MAX - 64, (uintptr_t)unmapped() + 1,
	};
	size_t i;

	ASSERT_NE(MAP_FAILED, locked);
	EXPECT_EQ(EFAULT, call(self->fd, command, unmapped()));
	*locked = batch_on(self->desk, variant->kind, 2, 0);
	ASSERT_EQ(0, mprotect(locked, PAGE, PROT_READ));
	/* It could not be told what has been done. */
	EXPECT_EQ(EFAULT, call(self->fd, command, locked));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct mbox_batch batch = batch_of(NULL, 2, sizes[variant->kind], 0);

		batch.items = bad[i];
		EXPECT_EQ(EFAULT, call(self->fd, command, &batch));
	}
}

static unsigned int batch_command(enum kind kind, size_t size)
{
	return _IOC(_IOC_READ | _IOC_WRITE, MBOX_IOC_MAGIC, _IOC_NR(commands[kind]), size);
}

TEST_F(refused, is_a_structure_shorter_than_its_first_version_or_longer_and_not_zero)
{
	struct { struct mbox_batch batch; unsigned char tail[16]; } arg;
	size_t size;

	for (size = 0; size < sizeof(arg.batch); size++) {
		arg.batch = batch_on(self->desk, variant->kind, 1, 0);
		EXPECT_EQ(EINVAL, call(self->fd, batch_command(variant->kind, size), &arg));
	}
	for (size = sizeof(arg.batch) + 1; size <= sizeof(arg); size++) {
		memset(&arg, 0, sizeof(arg));
		arg.batch = batch_on(self->desk, variant->kind, 1, 0);
		((char *)&arg)[size - 1] = 1;
		EXPECT_EQ(E2BIG, call(self->fd, batch_command(variant->kind, size), &arg));
	}
}

TEST_F(refused, is_a_descriptor_that_is_not_open_for_it)
{
	int other = variant->kind == SENDS ? O_RDONLY : O_WRONLY;
	struct mbox_batch batch = batch_on(self->desk, variant->kind, 2, 0);

	EXPECT_EQ(EBADF, call(descriptor(self->before.id, other), commands[variant->kind], &batch));
	EXPECT_EQ(ENOTCONN, call(device(O_RDWR), commands[variant->kind], &batch));
}

/*
 * One in the middle.
 */

enum failure {
	F_FLAG, F_SIZE, F_ID, F_GONE, F_BUF, F_FULL, F_TIME, F_KIND, FAILURES,
};

static const int failed[] = {
	[F_FLAG] = EINVAL, [F_SIZE] = EMSGSIZE, [F_ID] = ENOENT, [F_GONE] = EIDRM,
	[F_BUF] = EFAULT, [F_FULL] = EAGAIN, [F_TIME] = ETIMEDOUT, [F_KIND] = EOPNOTSUPP,
};

/* Mailboxes with which an item fails. */
struct places {
	uint64_t gone, full, empty;
	void *nowhere;
	int file;
};

static struct places find_places(int fd)
{
	struct mbox_create small = attributes(1, SIZE);
	struct places places = { .nowhere = unmapped(), .file = fd };

	places.gone = create(fd, small);
	NEED(!delete(fd, places.gone));
	places.empty = create(fd, small);
	places.full = create(fd, small);
	NEED(!post(fd, places.full, "x", 0));
	return places;
}

static void break_send(struct mbox_send *send, enum failure how, const struct places *places)
{
	switch (how) {
	case F_FLAG:
		send->flags |= 1ULL << 63;
		break;
	case F_SIZE:
		send->len = SIZE + 1;
		break;
	case F_ID:
		send->id = 1ULL << 60;
		break;
	case F_GONE:
		send->id = places->gone;
		break;
	case F_BUF:
		send->buf = (uintptr_t)places->nowhere;
		break;
	case F_FULL:
		send->id = places->full;
		send->flags |= MBOX_SEND_NONBLOCK;
		break;
	case F_TIME:
		send->id = places->full;
		send->flags |= MBOX_SEND_TIMEOUT;
		send->deadline = now() + 2 * MSEC;
		break;
	default:
		/* It takes no files. */
		send->files = (uintptr_t)&places->file;
		send->nr_files = 1;
	}
}

static void break_recv(struct mbox_recv *recv, enum failure how, const struct places *places)
{
	switch (how) {
	case F_FLAG:
		recv->flags |= 1ULL << 63;
		break;
	case F_SIZE:
		recv->size = 0;
		break;
	case F_ID:
		recv->id = 1ULL << 60;
		break;
	case F_GONE:
		recv->id = places->gone;
		break;
	case F_BUF:
		recv->buf = (uintptr_t)places->nowhere;
		break;
	case F_FULL:
		recv->id = places->empty;
		recv->flags |= MBOX_RECV_NONBLOCK;
		break;
	case F_TIME:
		recv->id = places->empty;
		recv->flags |= MBOX_RECV_TIMEOUT;
		recv->deadline = now() + 2 * MSEC;
		break;
	default:
		recv->flags |= MBOX_RECV_MATCH;
	}
}

TEST_F(batch, of_sends_ends_with_the_first_that_fails_and_says_which)
{
	static const uint32_t at[] = { 0, 1, 3, 5 };
	struct places places = find_places(self->fd);
	enum failure how;
	size_t i;

	for (how = 0; how < FAILURES; how++) {
		for (i = 0; i < ARRAY_SIZE(at); i++) {
			struct mbox_batch batch = batch_on(self->desk, SENDS, 6, 0);
			uint64_t sent = state(self->fd, 0).sent;
			uint32_t k = at[i];

			fill_sends(self->desk, 6, 0, MBOX_SEND_STAMP);
			break_send(&self->desk->sends[k], how, &places);
			EXPECT_EQ(k ? 0 : failed[how],
				  call(self->fd, MBOX_IOC_SEND_BATCH, &batch)) {
				TH_LOG("failure %d at %u", how, k);
			}
			if (k)
				expect_outcome(_metadata, batch, k, failed[how]);
			EXPECT_EQ(sent + k, state(self->fd, 0).sent);
			expect_numbers(_metadata, self->fd, 0, k);
			for (; k < 6; k++)
				EXPECT_EQ(0, self->desk->sends[k].stamp);
		}
	}
	EXPECT_EQ(1, state(self->fd, places.full).msgs);
}

TEST_F(batch, of_receives_ends_with_the_first_that_fails_and_says_which)
{
	static const uint32_t at[] = { 0, 1, 3, 5 };
	struct places places = find_places(self->fd);
	enum failure how;
	size_t i;

	for (how = 0; how < FAILURES; how++) {
		for (i = 0; i < ARRAY_SIZE(at); i++) {
			struct mbox_batch batch = batch_on(self->desk, RECVS, 6, 0);
			struct mbox_recv *recvs = self->desk->recvs;
			uint32_t k = at[i];

			post_numbers(self->me, 0, 6);
			fill_recvs(self->desk, 6, 0);
			break_recv(&recvs[k], how, &places);
			EXPECT_EQ(k ? 0 : failed[how],
				  call(self->fd, MBOX_IOC_RECV_BATCH, &batch)) {
				TH_LOG("failure %d at %u", how, k);
			}
			if (k) {
				expect_outcome(_metadata, batch, k, failed[how]);
				EXPECT_EQ('0' + (int)k - 1, self->desk->texts[k - 1][0]);
			}
			if (how == F_SIZE) {
				EXPECT_EQ(1, recvs[k].len);
			} else {
				EXPECT_TRUE(is_poison(&recvs[k].len, sizeof(recvs[k].len)));
			}
			EXPECT_TRUE(is_poison(&recvs[k].stamp, sizeof(recvs[k].stamp)));
			if (k < 5)
				EXPECT_TRUE(is_poison(&recvs[k + 1].len, sizeof(recvs[k].len)));
			EXPECT_EQ(6 - k, state(self->fd, 0).msgs);
			expect_numbers(_metadata, self->fd, k, 6 - k);
		}
	}
	EXPECT_EQ(0, state(self->fd, places.empty).received);
}

/* Items of a size that many of them fill pages. */
#define PITCH	256U

TEST_F(batch, ends_where_its_items_cannot_be_read)
{
	uint32_t whole = 2 * PAGE / PITCH, i;
	char *items = before_a_hole(2 * PAGE);
	struct mbox_batch batch = batch_of(items, whole + 3, PITCH, 0);

	fill_sends(self->desk, whole, 0, 0);
	for (i = 0; i < whole; i++)
		memcpy(items + i * PITCH, &self->desk->sends[i], sizeof(struct mbox_send));
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, whole, EFAULT);
	expect_numbers(_metadata, self->fd, 0, whole);
	/* And works where they end with the page. */
	batch = batch_of(items, whole, PITCH, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, whole, 0);
	expect_numbers(_metadata, self->fd, 0, whole);
	/* The second half of an item. */
	batch = batch_of(items + PITCH / 2 + PAGE, PAGE / PITCH, PITCH, 0);
	for (i = 0; i < PAGE / PITCH - 1; i++) {
		memset(items + PAGE + PITCH / 2 + i * PITCH, 0, PITCH);
		memcpy(items + PAGE + PITCH / 2 + i * PITCH, &self->desk->sends[i],
		       sizeof(struct mbox_send));
	}
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, PAGE / PITCH - 1, EFAULT);
	expect_numbers(_metadata, self->fd, 0, PAGE / PITCH - 1);
}

TEST_F(batch, ends_where_its_items_cannot_be_written_and_nothing_is_lost)
{
	char *items = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	uint32_t whole = 2 * PAGE / PITCH, half = PAGE / PITCH, i;
	struct mbox_batch batch = batch_of(items, whole, PITCH, 0);

	ASSERT_NE(MAP_FAILED, items);
	fill_recvs(self->desk, whole, 0);
	for (i = 0; i < whole; i++)
		memcpy(items + i * PITCH, &self->desk->recvs[i], sizeof(struct mbox_recv));
	ASSERT_EQ(0, mprotect(items + PAGE, PAGE, PROT_READ));
	post_numbers(self->me, 0, whole);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, half, EFAULT);
	EXPECT_EQ(half, state(self->fd, 0).msgs);
	expect_numbers(_metadata, self->fd, half, half);
}

/*
 * Waiting.
 */

TEST_F(batch, of_receives_waits_for_each_of_its_messages)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 5, 0);
	int i;

	fill_recvs(self->desk, 5, 0);
	begin_call(self->a, MBOX_IOC_RECV_BATCH, &batch);
	for (i = 0; i < 5; i++) {
		wait_for_receivers(self->fd, 0, 1);
		EXPECT_FALSE(is_done(self->a));
		EXPECT_EQ(i, (int)state(self->fd, 0).received);
		post_numbers(self->me, i, 1);
		WAIT_UNTIL(state(self->fd, 0).received == (uint64_t)i + 1);
	}
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 5, 0);
	for (i = 0; i < 5; i++)
		EXPECT_EQ('0' + i, self->desk->texts[i][0]);
}

TEST_F(batch, of_sends_waits_for_room_for_each_of_its_messages)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_batch batch = batch_on(self->desk, SENDS, 4, 0);
	struct letter letter;
	int i;

	fill_sends(self->desk, 4, 0, 0);
	for (i = 0; i < 4; i++)
		self->desk->sends[i].id = id;
	begin_call(self->a, MBOX_IOC_SEND_BATCH, &batch);
	for (i = 0; i < 4; i++) {
		/* One is there, and the next one waits for its place. */
		wait_for_senders(self->fd, id, i < 3);
		WAIT_UNTIL(state(self->fd, id).sent == (uint64_t)i + 1);
		ASSERT_EQ(0, fetch_and_wait(self->fd, id, &letter));
		EXPECT_EQ('0' + i, letter.text[0]);
	}
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 4, 0);
}

TEST_F(batch, that_may_wait_once_takes_what_is_there)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 5, MBOX_BATCH_WAIT_ONE);
	int i;

	post_numbers(self->me, 0, 3);
	fill_recvs(self->desk, 5, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 3, EAGAIN);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(i < 3 ? '0' + i : 0, self->desk->texts[i][0]);
		/* The flags are input. */
		EXPECT_EQ(0, self->desk->recvs[i].flags);
	}
	post_numbers(self->me, 0, 5);
	batch = batch_on(self->desk, RECVS, 5, MBOX_BATCH_WAIT_ONE);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 5, 0);
}

TEST_F(batch, that_may_wait_once_waits_for_the_first)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 5, MBOX_BATCH_WAIT_ONE);

	fill_recvs(self->desk, 5, 0);
	begin_call(self->a, MBOX_IOC_RECV_BATCH, &batch);
	wait_for_receivers(self->fd, 0, 1);
	EXPECT_FALSE(is_done(self->a));
	post_numbers(self->me, 7, 1);
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 1, EAGAIN);
	EXPECT_STREQ("7", self->desk->texts[0]);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
}

TEST_F(batch, that_may_wait_once_waits_for_room_once)
{
	uint64_t id = create(self->fd, attributes(1, SIZE));
	struct mbox_batch batch = batch_on(self->desk, SENDS, 3, MBOX_BATCH_WAIT_ONE);
	struct letter letter;
	int i;

	ASSERT_EQ(0, post(self->fd, id, "x", 0));
	fill_sends(self->desk, 3, 0, 0);
	for (i = 0; i < 3; i++)
		self->desk->sends[i].id = id;
	begin_call(self->a, MBOX_IOC_SEND_BATCH, &batch);
	wait_for_senders(self->fd, id, 1);
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 1, EAGAIN);
	ASSERT_EQ(0, fetch(self->fd, id, &letter));
	EXPECT_STREQ("0", letter.text);
	EXPECT_EQ(EAGAIN, fetch(self->fd, id, &letter));
}

/* That of the descriptor, to which messages go a shorter way. */
TEST_F(batch, that_may_wait_once_sends_to_the_mailbox_of_the_descriptor_as_to_any)
{
	int fd = mailbox(attributes(1, SIZE));
	struct mbox_batch batch = batch_on(self->desk, SENDS, 3, MBOX_BATCH_WAIT_ONE);

	fill_sends(self->desk, 3, 0, 0);
	EXPECT_EQ(0, call(fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 1, EAGAIN);
	expect_numbers(_metadata, fd, 0, 1);
}

/* Each of them does what the header says of its flag. */
TEST_F(batch, that_may_wait_once_waits_at_most_as_the_first_item_says)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 3, MBOX_BATCH_WAIT_ONE);
	int fd;

	fill_recvs(self->desk, 3, MBOX_RECV_NONBLOCK);
	EXPECT_EQ(EAGAIN, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	fill_recvs(self->desk, 3, MBOX_RECV_TIMEOUT);
	self->desk->recvs[0].deadline = now() + 5 * MSEC;
	EXPECT_EQ(ETIMEDOUT, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	/* Not blocking goes before a deadline. */
	self->desk->recvs[1].deadline = INT64_MAX;
	post_numbers(self->me, 0, 1);
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 1, EAGAIN);
	fill_recvs(self->desk, 3, 0);
	fd = descriptor(self->id, O_RDWR | O_NONBLOCK);
	batch = batch_on(self->desk, RECVS, 3, MBOX_BATCH_WAIT_ONE);
	EXPECT_EQ(EAGAIN, call(fd, MBOX_IOC_RECV_BATCH, &batch));
	batch.flags = 0;
	EXPECT_EQ(EAGAIN, call(fd, MBOX_IOC_RECV_BATCH, &batch));
	fill_sends(self->desk, 3, 0, MBOX_SEND_SYNC);
	batch = batch_on(self->desk, SENDS, 3, MBOX_BATCH_WAIT_ONE);
	self->desk->sends[0].flags = 0;
	EXPECT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 1, EAGAIN);
	expect_numbers(_metadata, self->fd, 0, 1);
}

TEST_F(batch, keeps_what_was_done_when_a_later_item_times_out)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 4, 0);

	fill_recvs(self->desk, 4, MBOX_RECV_TIMEOUT);
	self->desk->recvs[0].deadline = INT64_MAX;
	self->desk->recvs[1].deadline = 1;
	self->desk->recvs[2].deadline = now() + 20 * MSEC;
	post_numbers(self->me, 0, 2);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 2, ETIMEDOUT);
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	EXPECT_LE(self->desk->recvs[2].deadline, now());
}

TEST_F(batch, keeps_what_was_done_when_the_mailbox_is_deleted)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 4, 0);

	fill_recvs(self->desk, 4, 0);
	post_numbers(self->me, 0, 2);
	begin_call(self->a, MBOX_IOC_RECV_BATCH, &batch);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, delete(self->fd, 0));
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 2, EIDRM);
}

TEST_F(batch, keeps_what_was_done_when_the_right_is_lost)
{
	struct puppet *stranger = new_puppet(self->fd, STRANGER, STRANGER);
	struct mbox_batch batch = batch_on(self->desk, RECVS, 4, 0);

	fill_recvs(self->desk, 4, 0);
	post_numbers(self->me, 0, 2);
	begin_call(stranger, MBOX_IOC_RECV_BATCH, &batch);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, chmod_by(self->me, self->id, 0200));
	ASSERT_EQ(0, end_act(stranger));
	expect_outcome(_metadata, result_of(stranger), 2, EKEYREVOKED);
	EXPECT_EQ(EACCES, call_by(stranger, MBOX_IOC_RECV_BATCH, &batch));
}

/*
 * Signals.
 */

static int let_restart(struct puppet *me)
{
	(void)me;
	take_signals(SA_RESTART);
	return 0;
}

TEST_F(batch, keeps_what_was_done_when_a_signal_comes)
{
	int restart;

	for (restart = 0; restart < 2; restart++) {
		struct mbox_batch batch = batch_on(self->desk, RECVS, 4, 0);

		if (restart)
			ASSERT_EQ(0, ask(self->a, let_restart));
		fill_recvs(self->desk, 4, 0);
		post_numbers(self->me, 0, 2);
		begin_call(self->a, MBOX_IOC_RECV_BATCH, &batch);
		wait_for_receivers(self->fd, 0, 1);
		ASSERT_EQ(0, kill(self->a->pid, SIGUSR1));
		ASSERT_EQ(0, end_act(self->a));
		expect_outcome(_metadata, result_of(self->a), 2, EINTR);
		EXPECT_EQ(0, state(self->fd, 0).receivers);
		/* What is not done is not begun. */
		EXPECT_TRUE(is_poison(&self->desk->recvs[2].len, sizeof(uint64_t)));
	}
}

TEST_F(batch, of_sends_keeps_what_was_done_when_a_signal_comes)
{
	uint64_t id = create(self->fd, attributes(2, SIZE));
	struct mbox_batch batch = batch_on(self->desk, SENDS, 4, 0);
	struct letter letter;
	int i;

	fill_sends(self->desk, 4, 0, MBOX_SEND_STAMP);
	for (i = 0; i < 4; i++)
		self->desk->sends[i].id = id;
	begin_call(self->a, MBOX_IOC_SEND_BATCH, &batch);
	wait_for_senders(self->fd, id, 1);
	ASSERT_EQ(0, kill(self->a->pid, SIGUSR1));
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 2, EINTR);
	EXPECT_LT(0, self->desk->sends[1].stamp);
	EXPECT_EQ(0, self->desk->sends[2].stamp);
	EXPECT_EQ(0, fetch(self->fd, id, &letter));
	EXPECT_EQ(0, fetch(self->fd, id, &letter));
	EXPECT_STREQ("1", letter.text);
	EXPECT_EQ(EAGAIN, fetch(self->fd, id, &letter));
}

TEST_F(batch, that_has_done_nothing_is_interrupted_or_restarted_as_a_single_one)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 2, 0);

	fill_recvs(self->desk, 2, 0);
	begin_call(self->a, MBOX_IOC_RECV_BATCH, &batch);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, kill(self->a->pid, SIGUSR1));
	EXPECT_EQ(EINTR, end_act(self->a));
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	ASSERT_EQ(0, ask(self->a, let_restart));
	begin_call(self->a, MBOX_IOC_RECV_BATCH, &batch);
	wait_for_receivers(self->fd, 0, 1);
	ASSERT_EQ(0, kill(self->a->pid, SIGUSR1));
	usleep(20000);
	wait_for_receivers(self->fd, 0, 1);
	EXPECT_FALSE(is_done(self->a));
	post_numbers(self->me, 0, 2);
	ASSERT_EQ(0, end_act(self->a));
	expect_outcome(_metadata, result_of(self->a), 2, 0);
	EXPECT_STREQ("1", self->desk->texts[1]);
}

/* A batch by a thread of the test, which stalls at one of its buffers. */
struct stalling {
	pthread_t thread;
	int fd;
	unsigned int command;
	struct mbox_batch batch;
	int error;
};

static void *run_stalling(void *data)
{
	struct stalling *me = data;

	me->error = call(me->fd, me->command, &me->batch);
	return NULL;
}

/* The signal comes while none of the items waits: until then all are carried out. */
TEST_F(batch, ends_with_the_item_during_which_a_signal_comes)
{
	enum kind kind;

	for (kind = SENDS; kind <= RECVS; kind++) {
		struct stall stall = new_stall();
		struct stalling task = {
			.fd = self->fd,
			.command = commands[kind],
			.batch = batch_on(self->desk, kind, 100, 0),
		};

		fill(self->desk, kind, 100, 0);
		if (kind == SENDS)
			self->desk->sends[40].buf = (uintptr_t)stall.page;
		else
			self->desk->recvs[40].buf = (uintptr_t)stall.page;
		if (kind == RECVS)
			post_numbers(self->me, 0, 100);
		ASSERT_EQ(0, pthread_create(&task.thread, NULL, run_stalling, &task));
		wait_for_stall(&stall);
		ASSERT_EQ(0, pthread_kill(task.thread, SIGUSR1));
		release_stall(&stall);
		ASSERT_EQ(0, pthread_join(task.thread, NULL));
		EXPECT_EQ(0, task.error);
		expect_outcome(_metadata, task.batch, 41, EINTR);
		EXPECT_EQ(kind == SENDS ? 41 : 59, state(self->fd, 0).msgs);
		while (!fetch_by(self->me, 0))
			;
	}
}

TEST_F(batch, whose_item_cannot_be_copied_in_the_end_keeps_the_others)
{
	struct stall stall = new_stall();
	struct stalling task = {
		.fd = self->fd,
		.command = MBOX_IOC_RECV_BATCH,
		.batch = batch_on(self->desk, RECVS, 10, 0),
	};

	post_numbers(self->me, 0, 10);
	fill_recvs(self->desk, 10, 0);
	self->desk->recvs[4].buf = (uintptr_t)stall.page;
	ASSERT_EQ(0, pthread_create(&task.thread, NULL, run_stalling, &task));
	wait_for_stall(&stall);
	EXPECT_EQ(5, state(self->fd, 0).msgs);
	fail_stall(&stall);
	ASSERT_EQ(0, pthread_join(task.thread, NULL));
	EXPECT_EQ(0, task.error);
	expect_outcome(_metadata, task.batch, 4, EFAULT);
	expect_numbers(_metadata, self->fd, 4, 6);
}

TEST_F(batch, of_a_process_that_is_killed_has_done_what_it_has)
{
	uint64_t id = create(self->fd, attributes(3, SIZE));
	struct mbox_batch batch = batch_on(self->desk, SENDS, 8, 0);
	struct letter letter;
	int i;

	/* As a sender that waits for room, */
	fill_sends(self->desk, 8, 0, 0);
	for (i = 0; i < 8; i++)
		self->desk->sends[i].id = id;
	begin_call(self->a, MBOX_IOC_SEND_BATCH, &batch);
	wait_for_senders(self->fd, id, 1);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->a));
	EXPECT_EQ(0, state(self->fd, id).senders);
	EXPECT_EQ(3, state(self->fd, id).sent);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, fetch(self->fd, id, &letter));
		EXPECT_EQ('0' + i, letter.text[0]);
	}
	EXPECT_EQ(EAGAIN, fetch(self->fd, id, &letter));
	/* and as a receiver that waits for a message. */
	fill_recvs(self->desk, 8, 0);
	post_numbers(self->me, 0, 2);
	batch = batch_on(self->desk, RECVS, 8, 0);
	begin_call(self->b, MBOX_IOC_RECV_BATCH, &batch);
	wait_for_receivers(self->fd, 0, 1);
	EXPECT_EQ(-SIGKILL, kill_puppet(self->b));
	EXPECT_EQ(0, state(self->fd, 0).receivers);
	EXPECT_EQ(2, state(self->fd, 0).received);
	EXPECT_STREQ("1", self->desk->texts[1]);
	post_numbers(self->me, 5, 1);
	expect_numbers(_metadata, self->fd, 5, 1);
}

/* Kills at any time: what is there are the first ones, each of them once. */
TEST_F(batch, of_a_process_that_is_killed_at_any_time_is_done_up_to_somewhere)
{
	struct mbox_create attr = attributes(MANY, SIZE);
	int round;

	for (round = 0; round < 15; round++) {
		uint64_t id = create(self->fd, attr), sent;
		struct mbox_batch batch = batch_on(self->desk, SENDS, MANY, 0);
		struct letter letter;
		char text[16];
		uint32_t i;
		pid_t child;

		fill_sends(self->desk, MANY, 0, 0);
		for (i = 0; i < MANY; i++)
			self->desk->sends[i].id = id;
		child = spawn();
		if (!child)
			_exit(call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
		/* Before it begins, while it is at it, or when it has ended. */
		usleep(round % 5 * 500);
		if (round % 3)
			WAIT_UNTIL(state(self->fd, id).sent > (uint64_t)round * 10);
		NEED(!kill(child, SIGKILL));
		join(child);
		sent = state(self->fd, id).sent;
		EXPECT_EQ(sent, state(self->fd, id).msgs);
		EXPECT_GE(MANY, sent);
		for (i = 0; i < sent; i++) {
			sprintf(text, "%u", i);
			ASSERT_EQ(0, fetch(self->fd, id, &letter));
			ASSERT_STREQ(text, letter.text);
		}
		EXPECT_EQ(EAGAIN, fetch(self->fd, id, &letter));
		ASSERT_EQ(0, delete(self->fd, id));
	}
}

/*
 * Items of other versions.
 */

TEST_F(batch, of_sends_works_with_items_of_every_size)
{
	uint32_t size, i;
	char *items = calloc(4, PITCH);

	ASSERT_NE(NULL, items);
	for (size = first_sizes[SENDS]; size <= PITCH; size++) {
		struct mbox_batch batch = batch_of(items, 4, size, 0);
		uint32_t known = size < sizes[SENDS] ? size : sizes[SENDS];

		fill_sends(self->desk, 4, 0, MBOX_SEND_STAMP);
		memset(items, 0, 4 * PITCH);
		for (i = 0; i < 4; i++)
			memcpy(items + i * size, &self->desk->sends[i], known);
		ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
		ASSERT_EQ(4, batch.done);
		for (i = 0; i < 4; i++) {
			struct mbox_send got = self->desk->sends[i], zero = { };

			memcpy(&got, items + i * size, known);
			/* Nothing was written but the stamp, as far as it is known. */
			if (size >= sizes[SENDS])
				ASSERT_NE(0, got.stamp);
			if (size >= sizes[SENDS])
				got.stamp = 0;
			ASSERT_EQ(0, memcmp(&self->desk->sends[i], &got, known & ~7U));
			ASSERT_EQ(0, memcmp(&zero, items + i * size + known, size - known < 64 ?
					    size - known : 64));
		}
		expect_numbers(_metadata, self->fd, 0, 4);
	}
	free(items);
}

TEST_F(batch, of_receives_works_with_items_of_every_size)
{
	char *items = malloc(5 * PITCH);
	uint32_t size, i;

	ASSERT_NE(NULL, items);
	for (size = first_sizes[RECVS]; size <= PITCH; size++) {
		struct mbox_batch batch = batch_of(items, 3, size, 0);
		uint32_t known = size < sizes[RECVS] ? size : sizes[RECVS];

		fill_recvs(self->desk, 3, 0);
		memset(items, POISON, 5 * PITCH);
		for (i = 0; i < 3; i++) {
			memset(items + i * size, 0, size);
			memcpy(items + i * size, &self->desk->recvs[i], known);
		}
		post_numbers(self->me, 0, 3);
		ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
		ASSERT_EQ(3, batch.done);
		ASSERT_TRUE(is_poison(items + 3 * size, 2 * PITCH));
		for (i = 0; i < 3; i++) {
			struct mbox_recv got = { };

			memcpy(&got, items + i * size, known);
			ASSERT_EQ(1, got.len);
			ASSERT_EQ(getpid(), got.pid);
			ASSERT_EQ('0' + (int)i, self->desk->texts[i][0]);
			if (size >= offsetof(struct mbox_recv, time))
				ASSERT_LT(got.stamp, got.clock);
		}
	}
	free(items);
}

TEST_F(batch, ends_with_an_item_that_has_anything_in_its_tail)
{
	char *items = calloc(6, PITCH);
	struct mbox_batch batch = batch_of(items, 6, PITCH, 0);
	uint32_t i;

	ASSERT_NE(NULL, items);
	fill_sends(self->desk, 6, 0, 0);
	for (i = 0; i < 6; i++)
		memcpy(items + i * PITCH, &self->desk->sends[i], sizeof(struct mbox_send));
	items[4 * PITCH + PITCH - 1] = 1;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 4, E2BIG);
	expect_numbers(_metadata, self->fd, 0, 4);
	free(items);
}

TEST_F(batch, works_with_a_longer_structure_and_leaves_its_tail_alone)
{
	struct { struct mbox_batch batch; uint64_t tail; } arg = { };

	fill_sends(self->desk, 3, 0, 0);
	arg.batch = batch_on(self->desk, SENDS, 3, 0);
	ASSERT_EQ(0, call(self->fd, batch_command(SENDS, sizeof(arg)), &arg));
	expect_outcome(_metadata, arg.batch, 3, 0);
	EXPECT_EQ(0, arg.tail);
	expect_numbers(_metadata, self->fd, 0, 3);
}

/*
 * Whatever fails within an item is told as the item's failure. That the number of
 * items cannot be written, though it could at first, is all that is left to an error.
 */
TEST_F(batch, says_how_far_it_came_whatever_fails_within)
{
	int fault = open_faults(), nth, error;
	enum kind kind;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	for (kind = SENDS; kind <= RECVS; kind++) {
		unsigned int failures = 0;
		bool over = true;

		for (nth = 1; over; nth++) {
			struct mbox_batch batch = batch_on(self->desk, kind, 3, 0);
			struct mbox_stat before, after;
			uint64_t moved;

			ASSERT_GT(200, nth);
			if (kind == RECVS)
				post_numbers(self->me, 0, 3);
			fill(self->desk, kind, 3, 0);
			before = state(self->fd, 0);
			set_fault(fault, nth);
			error = call(self->fd, commands[kind], &batch);
			over = fault_is_over(fault);
			after = state(self->fd, 0);
			moved = kind == SENDS ? after.sent - before.sent :
						after.received - before.received;
			if (!error) {
				ASSERT_EQ(moved, batch.done);
				ASSERT_EQ(moved == 3, !batch.error);
				failures += moved < 3;
			} else if (error == EFAULT && moved) {
				ASSERT_EQ(3, moved);
			} else {
				ASSERT_TRUE(error == ENOMEM || error == EFAULT);
				ASSERT_TRUE(same_state(before, after));
			}
			while (!fetch_by(self->me, 0))
				;
		}
		EXPECT_LT(0, failures);
	}
	close(fault);
}

/*
 * Runs: most batches are of plain items, which go a short way together. That makes no
 * difference but time.
 */

#define LONG	300
#define MIXED	300

/* What a batch of sends and then one of receives did. */
struct outcome {
	struct mbox_recv recvs[MIXED];
	unsigned char texts[MIXED][LONG];
	struct mbox_stat stat;
};

/* Of all lengths about those at which something changes, and few priorities. */
static uint32_t mixed_len(uint32_t i)
{
	static const uint32_t lens[] = { 0, 1, 15, 16, 17, 64, 95, 96, 97, 200, LONG };

	return i / 40 % 2 ? lens[i % ARRAY_SIZE(lens)] : 20 + i % 50;
}

/* Items that are longer than the structure go the general way. */
static void send_and_receive_mixed(const char *items_of_sends, uint32_t send_size,
				   const char *items_of_recvs, uint32_t recv_size,
				   int fd, struct outcome *outcome)
{
	struct mbox_batch sends = batch_of(items_of_sends, MIXED, send_size, 0);
	struct mbox_batch recvs = batch_of(items_of_recvs, MIXED, recv_size, 0);
	uint32_t i;

	NEED(!call(fd, MBOX_IOC_SEND_BATCH, &sends) && sends.done == MIXED);
	NEED(!call(fd, MBOX_IOC_RECV_BATCH, &recvs) && recvs.done == MIXED);
	outcome->stat = state(fd, 0);
	for (i = 0; i < MIXED; i++)
		memcpy(&outcome->recvs[i], items_of_recvs + i * recv_size, sizeof(struct mbox_recv));
}

static void mix(int fd, uint32_t send_size, uint32_t recv_size, struct outcome *outcome)
{
	static unsigned char texts[MIXED][LONG];
	char *sends = calloc(MIXED, send_size), *recvs = calloc(MIXED, recv_size);
	uint32_t i;

	NEED(sends && recvs);
	memset(outcome->texts, POISON, sizeof(outcome->texts));
	for (i = 0; i < MIXED; i++) {
		struct mbox_send *send = (void *)(sends + (size_t)i * send_size);
		struct mbox_recv *recv = (void *)(recvs + (size_t)i * recv_size);

		memset(texts[i], i + 1, LONG);
		send->buf = (uintptr_t)texts[i];
		send->len = mixed_len(i);
		send->tag = i * 1000003ULL;
		send->prio = i / 30 % 2 ? i * 7 % 5 : 31 * (i % 100 > 50);
		recv->buf = (uintptr_t)outcome->texts[i];
		recv->size = LONG;
		poison_recv(recv);
	}
	send_and_receive_mixed(sends, send_size, recvs, recv_size, fd, outcome);
	free(sends);
	free(recvs);
}

/* What is of that one only: clocks go on, and ids are others. */
static void drop_own(struct outcome *outcome)
{
	uint32_t i;

	for (i = 0; i < MIXED; i++) {
		struct mbox_recv *recv = &outcome->recvs[i];

		recv->buf = recv->from = recv->stamp = recv->clock = 0;
		recv->time = recv->realtime = 0;
	}
	outcome->stat.id = 0;
}

TEST_F(batch, is_carried_out_the_short_way_as_it_is_the_general_one)
{
	struct outcome *plain = shared(sizeof(*plain)), *general = shared(sizeof(*general));
	uint64_t stamps[MIXED] = { };
	uint32_t i;

	mix(mailbox(attributes(MIXED, LONG)), sizes[SENDS], sizes[RECVS], plain);
	mix(mailbox(attributes(MIXED, LONG)), sizes[SENDS] + 8, sizes[RECVS] + 8, general);
	for (i = 0; i < MIXED; i++) {
		struct mbox_recv *recv = &plain->recvs[i], *next = recv + 1;

		/* Each event has its number; the messages, in the order of sending. */
		ASSERT_EQ(0, stamps[recv->seq - 1]);
		stamps[recv->seq - 1] = recv->stamp;
		ASSERT_EQ(plain->recvs[0].clock + i, recv->clock);
		ASSERT_LT(recv->stamp, recv->clock);
		if (i + 1 == MIXED)
			break;
		ASSERT_LE(next->prio, recv->prio);
		if (next->prio != recv->prio)
			continue;
		ASSERT_LT(recv->seq, next->seq);
		ASSERT_LE(recv->time, next->time);
		ASSERT_LE(recv->realtime, next->realtime);
	}
	for (i = 1; i < MIXED; i++)
		ASSERT_EQ(stamps[0] + i, stamps[i]);
	drop_own(plain);
	drop_own(general);
	EXPECT_EQ(0, memcmp(plain->texts, general->texts, sizeof(plain->texts)));
	EXPECT_EQ(0, memcmp(plain->recvs, general->recvs, sizeof(plain->recvs)));
	EXPECT_TRUE(same_state(plain->stat, general->stat));
}

static void *fresh_pages(size_t nr)
{
	void *pages = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	NEED(pages != MAP_FAILED);
	return pages;
}

/* What has to be brought in is, and nothing happens twice for that. */
TEST_F(batch, works_with_memory_that_is_not_there_yet)
{
	struct mbox_batch batch = batch_on(self->desk, SENDS, 20, 0);
	char *pages = fresh_pages(20), *zeros = fresh_pages(20);
	struct mbox_clock clock = { };
	uint32_t i;

	fill_sends(self->desk, 20, 0, 0);
	for (i = 0; i < 20; i += 3)
		self->desk->sends[i].buf = (uintptr_t)zeros + i * PAGE;
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 20, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CLOCK, &clock));
	fill_recvs(self->desk, 20, 0);
	for (i = 0; i < 20; i++)
		if (i % 4)
			self->desk->recvs[i].buf = (uintptr_t)pages + i * PAGE;
	batch = batch_on(self->desk, RECVS, 20, 0);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 20, 0);
	for (i = 0; i < 20; i++) {
		const char *text = i % 4 ? pages + i * PAGE : self->desk->texts[i];
		char expected[16] = "";

		if (i % 3)
			sprintf(expected, "%u", i);
		EXPECT_STREQ(expected, text);
		EXPECT_EQ(self->desk->recvs[0].seq + i, self->desk->recvs[i].seq);
	}
	EXPECT_LT(clock.stamp, self->desk->recvs[0].clock);
	EXPECT_EQ(20, state(self->fd, 0).received);
}

/* Of items whose results cannot be written nothing is received, and no clock ticks. */
TEST_F(batch, of_receives_ends_where_its_items_cannot_be_written)
{
	uint32_t half = PAGE / sizes[RECVS], i;
	char *pages = fresh_pages(2);
	struct mbox_recv *items = (void *)(pages + PAGE - half * sizes[RECVS]);
	struct mbox_batch batch = batch_of(items, half + 2, sizes[RECVS], 0);

	post_numbers(self->me, 0, half + 2);
	fill_recvs(self->desk, half + 2, 0);
	memcpy(items, self->desk->recvs, (half + 2) * sizes[RECVS]);
	ASSERT_EQ(0, mprotect(pages + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, half, EFAULT);
	for (i = 0; i < half; i++)
		ASSERT_EQ(items[0].clock + i, items[i].clock);
	EXPECT_TRUE(is_poison(&items[half].len, sizeof(items[half].len)));
	expect_numbers(_metadata, self->fd, half, 2);
}

/* Who waits for room is let in as soon as there is some: it may be the next. */
TEST_F(batch, of_receives_lets_senders_in_after_each_of_its_items)
{
	struct mbox_batch batch = batch_on(self->desk, RECVS, 4, 0);
	uint64_t id = create(self->fd, attributes(2, SIZE));
	uint32_t i;

	NEED(!post(self->fd, id, "1", 0));
	NEED(!post(self->fd, id, "2", 0));
	begin_send(self->a, (struct mbox_send){ .id = id }, "low");
	wait_for_senders(self->fd, id, 1);
	begin_send(self->b, (struct mbox_send){ .id = id, .prio = 9 }, "high");
	wait_for_senders(self->fd, id, 2);
	fill_recvs(self->desk, 4, 0);
	EXPECT_EQ(0, call(descriptor(id, O_RDWR), MBOX_IOC_RECV_BATCH, &batch));
	expect_outcome(_metadata, batch, 4, 0);
	EXPECT_EQ(0, end_act(self->a));
	EXPECT_EQ(0, end_act(self->b));
	for (i = 0; i < 4; i++) {
		static const char *const texts[] = { "1", "high", "2", "low" };

		EXPECT_STREQ(texts[i], self->desk->texts[i]);
	}
}

TEST_F(batch, of_sends_stops_where_the_bytes_are_used_up)
{
	struct mbox_create attr = attributes(100, SIZE);
	struct mbox_batch batch = batch_on(self->desk, SENDS, 60, 0);
	int fd;

	attr.max_bytes = 75;
	fd = mailbox(attr);
	/* Ten of one byte, and then of two. */
	fill_sends(self->desk, 60, 0, MBOX_SEND_NONBLOCK);
	ASSERT_EQ(0, call(fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 42, EAGAIN);
	EXPECT_EQ(74, state(fd, 0).bytes);
	EXPECT_EQ(42, state(fd, 0).sent);
	EXPECT_EQ(1, state(fd, 0).refused);
	EXPECT_EQ(1, state(fd, 0).filled);
	expect_numbers(_metadata, fd, 0, 42);
}

TEST_F(batch, of_messages_without_bytes_works_where_there_are_no_others)
{
	struct mbox_create attr = attributes(100, 0);
	struct mbox_batch batch = batch_on(self->desk, SENDS, 60, 0);
	uint32_t i;
	int fd;

	attr.max_bytes = 0;
	fd = mailbox(attr);
	fill_sends(self->desk, 60, 0, MBOX_SEND_NONBLOCK);
	for (i = 0; i < 60; i++)
		self->desk->sends[i].len = 0;
	self->desk->sends[50].len = 1;
	ASSERT_EQ(0, call(fd, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 50, EMSGSIZE);
	EXPECT_EQ(50, state(fd, 0).msgs);
}

TEST_F(batch, of_sends_stops_where_a_quota_does)
{
	struct mbox_batch batch = batch_on(self->desk, SENDS, 60, 0);
	struct puppet *user = new_puppet(self->fd, OWNER, OWNER);

	fill_sends(self->desk, 60, 0, 0);
	ASSERT_EQ(0, set_tunable("user_msgs", 37));
	EXPECT_EQ(0, call_by(user, MBOX_IOC_SEND_BATCH, &batch));
	expect_outcome(_metadata, batch, 37, EDQUOT);
	batch = batch_on(self->desk, SENDS, 60, 0);
	EXPECT_EQ(EDQUOT, call_by(user, MBOX_IOC_SEND_BATCH, &batch));
	reset_tunables();
	expect_numbers(_metadata, self->fd, 0, 37);
}

/*
 * Many at once.
 */

enum { SENDERS = 3, RECEIVERS = 2, EACH = 600 };

/* By the number of the sender and of the message; in batches of odd sizes. */
static void send_batches(int fd, uint32_t number)
{
	static struct mbox_send items[64];
	static uint32_t words[64][2];
	uint32_t next = 0, nr, i;

	srand(number);
	while (next < EACH) {
		struct mbox_batch batch;

		nr = 1 + rand() % 64;
		nr = nr < EACH - next ? nr : EACH - next;
		for (i = 0; i < nr; i++) {
			words[i][0] = number;
			words[i][1] = next + i;
			items[i] = (struct mbox_send){
				.buf = (uintptr_t)words[i],
				.len = sizeof(words[i]),
			};
		}
		batch = batch_of(items, nr, sizeof(items[0]),
				 rand() % 2 ? MBOX_BATCH_WAIT_ONE : 0);
		NEED(!call(fd, MBOX_IOC_SEND_BATCH, &batch));
		NEED(batch.done && batch.done <= nr);
		NEED(batch.done == nr ? !batch.error : batch.error == -EAGAIN);
		next += batch.done;
	}
}

/* How often each was received; and who takes all takes them in order. */
static void receive_batches(int fd, uint32_t number, uint32_t (*times)[EACH], uint32_t *total)
{
	static struct mbox_recv items[64];
	static uint32_t words[64][2];
	int64_t last[SENDERS] = { -1, -1, -1 };
	uint32_t nr, i;

	srand(number);
	while (told(total) < SENDERS * EACH) {
		struct mbox_batch batch;
		int error;

		nr = 1 + rand() % 64;
		for (i = 0; i < nr; i++)
			items[i] = (struct mbox_recv){
				.flags = MBOX_RECV_TIMEOUT,
				.deadline = now() + 3 * MSEC,
				.buf = (uintptr_t)words[i],
				.size = sizeof(words[i]),
			};
		batch = batch_of(items, nr, sizeof(items[0]),
				 rand() % 2 ? MBOX_BATCH_WAIT_ONE : 0);
		error = call(fd, MBOX_IOC_RECV_BATCH, &batch);
		NEED(!error || error == ETIMEDOUT);
		for (i = 0; !error && i < batch.done; i++) {
			NEED(words[i][0] < SENDERS && words[i][1] < EACH);
			NEED(last[words[i][0]] < words[i][1]);
			last[words[i][0]] = words[i][1];
			__atomic_fetch_add(&times[words[i][0]][words[i][1]], 1, __ATOMIC_SEQ_CST);
			__atomic_fetch_add(total, 1, __ATOMIC_SEQ_CST);
		}
	}
}

TEST_F(batch, of_many_senders_and_receivers_loses_nothing_and_doubles_nothing)
{
	uint32_t (*times)[EACH] = shared(SENDERS * sizeof(*times));
	uint32_t *total = shared(sizeof(*total));
	pid_t pids[SENDERS + RECEIVERS];
	int fd = mailbox(attributes(20, SIZE));
	uint32_t i, k;

	for (i = 0; i < SENDERS + RECEIVERS; i++) {
		pids[i] = spawn();
		if (pids[i])
			continue;
		if (i < SENDERS)
			send_batches(fd, i);
		else
			receive_batches(fd, i, times, total);
		_exit(0);
	}
	for (i = 0; i < SENDERS + RECEIVERS; i++)
		EXPECT_EQ(0, join(pids[i]));
	for (i = 0; i < SENDERS; i++)
		for (k = 0; k < EACH; k++)
			ASSERT_EQ(1, times[i][k]);
	EXPECT_EQ(0, state(fd, 0).msgs);
	EXPECT_EQ(SENDERS * EACH, state(fd, 0).sent);
}

TEST_HARNESS_MAIN
