/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle: a model of mailboxes in plain C. It is told each action before the kernel is,
 * and says what will come of it, for whoever acts and for those who wait.
 *
 * It knows all commands, and of what they can do nothing of inboxes, files, expiry that
 * comes, quotas of bytes, and namespaces: no sequential program has these. It gives up
 * (world.unsure) where a process keeps its place by a capability which it did not need
 * before, where one waits for its turn only to find nothing, and where a message whose time
 * is over meets one who has yet to get its turn.
 */
#ifndef FUZZ_ORACLE_H
#define FUZZ_ORACLE_H

#include "action.h"

#define BOXES_MAX	12
#define QUEUE_MAX	160
#define REQUESTS_MAX	32
#define USERS		3
#define NOBODY		(-1)

/* Instead of an errno: the call waits. */
#define WAITS		(-1)

/* A process, as others know it, also when it has ended. */
struct person {
	int32_t pid;
	uint32_t uid;
	uint64_t id;
};

/**
 * struct message - one in a mailbox, or of one who waits to send it
 * @number: what it is made of
 * @item: which item of its sender's action it was
 * @payer: who filled a share with it
 * @waiter: the actor whose call waits until it is received, or NOBODY
 * @request: index of what it is a request of, or NOBODY
 * @deed: index of the mailbox that is offered with it, or NOBODY
 */
struct message {
	uint32_t number, len, prio;
	uint64_t seq, tag, key, stamp;
	struct person from;
	int user;
	int payer;
	int waiter;
	int request;
	int deed;
	unsigned int tenure;
	bool counted, shared;
};

struct box {
	bool gone;
	struct mbox_create attr;
	uint64_t id;
	uint32_t mode, uid, gid, share;
	int owner;			/* an actor, or NOBODY */
	int offered;
	bool offered_keeps;
	unsigned int tenure;
	unsigned int rights[ACTORS];	/* granted */
	struct message queue[QUEUE_MAX];
	unsigned int nr;
	uint64_t seq;
	uint32_t slots;
	uint64_t bytes, bytes_high;
	uint32_t msgs, msgs_high;
	uint64_t sent, received, refused, skipped, filled;
	bool full;
	int receivers[ACTORS * IDS_MAX];
	unsigned int nr_receivers;
	int turn[ACTORS];
	unsigned int nr_turn;
	int senders[ACTORS];
	unsigned int nr_senders;
	int inside;			/* who receives from a MBOX_CREATE_SINGLE, or NOBODY */
	int ends[2];			/* actors, or NOBODY: sender, receiver */
	struct {
		uint64_t bytes;
		uint32_t msgs;
	} shares[USERS];
};

/* A request: who waits for the reply, who is to give it, and by which right. */
struct request {
	int caller;
	int holder;
	int receiver;
	int box;
	bool held, privileged;
	uint64_t token, room;
};

/* What one waits for. */
enum wait_for { NOTHING, TO_RECEIVE, A_TURN, ROOM, A_RECEIVER, A_REPLY };

struct actor {
	struct person self;
	uint64_t clock;
	struct {
		bool bound;
		int box;
		unsigned int next_choice;
	} fds[FDS];
	enum wait_for waits;
	bool done;			/* what was waited for has come */
	int or_else;			/* another errno that may come: two ends race */
	int box;			/* where */
	int boxes[IDS_MAX];		/* of a choice */
	unsigned int nr_boxes;
	unsigned int first;
	bool privileged[IDS_MAX];
	unsigned int right;
	bool peek, least, picky, wants_token, accepts;
	bool left;			/* from one that has ended: it does not wait for that */
	uint64_t key, room;
	uint64_t stamp;			/* clock after the receipt */
	int requests[ITEMS_MAX];	/* what was received, or NOBODY */
	struct message msg;		/* to be sent, or received */
	struct action expect;
};

struct world {
	struct mbox_info limits;
	struct mbox_usage quotas;	/* the limits in it */
	uint64_t last_id;
	struct actor actors[ACTORS];
	struct box boxes[BOXES_MAX];
	unsigned int nr_boxes;
	struct request requests[REQUESTS_MAX];
	unsigned int nr_requests;
	uint32_t number;		/* of messages made */
	bool undecided;			/* a call may take back what it does */
	bool unsure;			/* what follows is not predicted */
	const char *why;
	int leaving[ACTORS];		/* receivers that have been served */
	unsigned int nr_leaving;
};

/* What actor @who's action, of which @expect is a copy, will bring: an errno, or WAITS. */
void oracle_predict(struct world *world, unsigned int who);
void oracle_die(struct world *world, unsigned int who);
void oracle_signal(struct world *world, unsigned int who);
void oracle_learn(struct world *world, unsigned int who, const struct action *actual);
struct mbox_stat oracle_stat(const struct world *world, unsigned int box);
bool oracle_may(const struct world *world, unsigned int box, unsigned int who,
		unsigned int right);
unsigned int oracle_busy(const struct world *world);
int oracle_user(uint32_t uid);

#endif /* FUZZ_ORACLE_H */
