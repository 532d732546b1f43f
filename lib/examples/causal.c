// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * causal: an answer never comes before its question. Three processes talk, each
 * to all members of the group, and each answers the one before. Urgent messages
 * overtake, and here the later message is always the more urgent one: so whoever
 * reads late reads everything the wrong way round. Vector clocks and a hold-back
 * buffer put it right.
 *
 *	member 0     member 1     member 2     member 3 (reads late)
 *	question ------> *
 *	   |--------------------------> *
 *	   '----------------------------------------> (low priority)
 *	              answer ---------> *
 *	                 '--------------------------> (higher)
 *	                             answer --------> (highest: is read first)
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>
#include <mbox_clocks.h>

#define SPEAKERS	3	/* members 0 to 2 */
#define LATE		3	/* the member that only reads */
#define MEMBERS		4

/* What goes through the mailboxes. */
struct message {
	unsigned char stamp[MBOX_VECTOR_SIZE(MEMBERS)];
	char text[24];
};

/* What was received. */
struct letter {
	uint64_t stamp[MEMBERS];
	size_t from;
	char text[24];
};

struct member {
	uint64_t counts[MEMBERS];
	struct mbox_held slots[SPEAKERS];
	struct mbox_holdback holdback;
	bool aloud;		/* does it print what it acts on? */
	bool heard[MEMBERS];
	size_t heard_all;	/* how many */
	size_t heard_early;	/* so many before what they answer */
};

static const char *const sentences[SPEAKERS] = {
	"Shall we have lunch?", "Gladly. But where?", "At the harbour.",
};

static int boxes[MEMBERS] = { -1, -1, -1, -1 };

/* All the others are told EIDRM where they wait, so nobody waits for ever. */
static void give_up(void)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		mbox_delete(boxes[i]);
	_exit(1);
}

static void fail(const char *what)
{
	warn("%s", what);
	give_up();
}

static void become(struct member *member, size_t self, bool aloud)
{
	memset(member, 0, sizeof(*member));
	member->aloud = aloud;
	member->holdback = (struct mbox_holdback) {
		.causal = MBOX_CAUSAL_BROADCAST,
		.counts = member->counts,
		.n = MEMBERS,
		.self = self,
		.slots = member->slots,
		.size = SPEAKERS,
	};
}

/* Was it heard before what it answers? The clocks have no part in this. */
static bool hear(struct member *member, size_t from)
{
	bool early = from > 0 && !member->heard[from - 1];

	member->heard[from] = true;
	member->heard_all++;
	member->heard_early += early;
	return early;
}

static void speak(struct member *member, size_t self)
{
	struct message message = { 0 };
	uint64_t stamp[MEMBERS];
	size_t to;

	strcpy(message.text, sentences[self]);
	if (mbox_vector_send(member->counts, MEMBERS, self, stamp) ||
	    mbox_vector_encode(stamp, MEMBERS, self, message.stamp, sizeof(message.stamp)) < 0)
		fail("cannot stamp a message");
	for (to = 0; to < MEMBERS; to++)
		if (to != self && mbox_send(boxes[to], &message, sizeof(message), self, 0, NULL))
			fail("cannot send");
	hear(member, self);
}

static void receive(size_t self, struct letter *letter)
{
	struct message message;

	if (mbox_recv(boxes[self], &message, sizeof(message), NULL, 0, NULL) != sizeof(message))
		fail("cannot receive");
	if (mbox_vector_decode(letter->stamp, MEMBERS, &letter->from, message.stamp,
			       sizeof(message.stamp)) < 0)
		fail("a message has no stamp");
	memcpy(letter->text, message.text, sizeof(letter->text));
}

static void act(struct member *member, const struct letter *letter)
{
	bool early = hear(member, letter->from);

	if (member->aloud)
		printf("  %s%s\n", letter->text, early ? "   <- before what it answers" : "");
}

/* Acts on this letter and those that waited for it, or holds it back. */
static void deliver(struct member *member, struct letter *letter)
{
	int now = mbox_holdback_receive(&member->holdback, letter, letter->from, letter->stamp);

	if (now < 0)
		fail("cannot deliver a message");
	if (now == 0)
		return;
	for (; letter; letter = mbox_holdback_next(&member->holdback))
		act(member, letter);
}

/* A speaker speaks when it has heard all who speak before. */
static void converse(size_t self)
{
	struct letter letters[SPEAKERS];
	struct member member;
	size_t received = 0;

	become(&member, self, false);
	while (member.heard_all < SPEAKERS) {
		if (member.heard_all == self) {
			speak(&member, self);
			continue;
		}
		receive(self, &letters[received]);
		deliver(&member, &letters[received++]);
	}
	errno = EPROTO;
	if (member.heard_early)
		fail("a speaker heard an answer before its question");
}

static void start_speaker(size_t self)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("cannot fork");
	if (pid == 0) {
		converse(self);
		_exit(0);
	}
}

static void join_speakers(void)
{
	int i, status;

	for (i = 0; i < SPEAKERS; i++)
		if (wait(&status) < 0 || status)
			give_up();
}

int main(void)
{
	struct mbox_attr attr = { .max_size = sizeof(struct message), .mode = 0600 };
	struct letter letters[SPEAKERS];
	struct member naive, careful;
	size_t i;

	for (i = 0; i < MEMBERS; i++) {
		boxes[i] = mbox_create(NULL, &attr, O_CLOEXEC);
		if (boxes[i] < 0)
			fail("cannot create a mailbox");
	}
	for (i = 0; i < SPEAKERS; i++)
		start_speaker(i);
	/* Until all is said, nobody reads for the late member. */
	join_speakers();
	for (i = 0; i < SPEAKERS; i++)
		receive(LATE, &letters[i]);
	for (i = 0; i < MEMBERS; i++)
		if (mbox_delete(boxes[i]))
			err(1, "cannot delete a mailbox");

	become(&naive, LATE, true);
	printf("as received:\n");
	for (i = 0; i < SPEAKERS; i++)
		act(&naive, &letters[i]);

	become(&careful, LATE, true);
	printf("as delivered, with hold-back:\n");
	for (i = 0; i < SPEAKERS; i++)
		deliver(&careful, &letters[i]);

	printf("answers before their questions: %zu received, %zu of %zu delivered\n",
	       naive.heard_early, careful.heard_early, careful.heard_all);
	return naive.heard_early != SPEAKERS - 1 || careful.heard_early ||
	       careful.heard_all != SPEAKERS;
}
