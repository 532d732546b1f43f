// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The mailboxes that mboxctl monitor knows of, in a tree by id.
 */
#include <search.h>
#include <stdlib.h>

#include "known.h"

/* The id is looked for in the stat, so that comes first. */
struct node {
	struct mbox_stat stat;
	/* That of the list that had it last. */
	unsigned int round;
};

static int compare_ids(const void *one, const void *other)
{
	uint64_t a = ((const struct mbox_stat *)one)->id;
	uint64_t b = ((const struct mbox_stat *)other)->id;

	return (a > b) - (a < b);
}

static struct node *find(const struct known *known, const struct mbox_stat *stat)
{
	struct node **found = tfind(stat, &known->tree, compare_ids);

	return found ? *found : NULL;
}

static struct node *add(struct known *known, const struct mbox_stat *stat)
{
	struct node *node = malloc(sizeof(*node));

	if (!node)
		return NULL;
	node->stat = *stat;
	node->round = known->round;
	if (!tsearch(node, &known->tree, compare_ids)) {
		free(node);
		return NULL;
	}
	known->count++;
	return node;
}

static void drop(struct known *known, struct node *node)
{
	tdelete(node, &known->tree, compare_ids);
	free(node);
	known->count--;
}

static void set_state(struct mbox_stat *stat, const struct mbox_stat *now, uint32_t bits)
{
	stat->state = (stat->state & ~bits) | (now->state & bits);
}

/*
 * Only what the event is about: after a loss, whatever else is different about the
 * mailbox is told once there is a list.
 */
static void take_over(struct mbox_stat *stat, const struct netlink_event *event)
{
	const struct mbox_stat *now = &event->stat;

	switch (event->what) {
	case MBOX_EVENT_TRANSFERRED:
	case MBOX_EVENT_ORPHANED:
	case MBOX_EVENT_CLAIMED:
		stat->pid = now->pid;
		stat->offered = now->offered;
		stat->grants = now->grants;
		set_state(stat, now, MBOX_STATE_ORPHAN | MBOX_STATE_OFFERED);
		break;
	case MBOX_EVENT_OFFERED:
		stat->offered = now->offered;
		set_state(stat, now, MBOX_STATE_OFFERED);
		break;
	case MBOX_EVENT_GRANTED:
	case MBOX_EVENT_REVOKED:
		stat->grants = now->grants;
		break;
	case MBOX_EVENT_CHANGED:
		stat->mode = now->mode;
		stat->uid = now->uid;
		stat->gid = now->gid;
		break;
	case MBOX_EVENT_FULL:
	case MBOX_EVENT_SPACE:
		stat->filled = now->filled;
		break;
	}
}

/* One that was not known: the event that told of it was lost, or it can be seen now. */
int known_update(struct known *known, const struct netlink_event *event)
{
	struct node *node = find(known, &event->stat);

	if (event->what == MBOX_EVENT_DELETED) {
		if (node)
			drop(known, node);
		return 0;
	}
	if (!node)
		return add(known, &event->stat) ? 0 : -1;
	take_over(&node->stat, event);
	return 0;
}

static uint32_t differences(const struct mbox_stat *before, const struct mbox_stat *now)
{
	uint32_t state = before->state ^ now->state;
	uint32_t what = 0;

	if (before->pid != now->pid || state & MBOX_STATE_ORPHAN)
		what |= CHANGE_OWNER;
	if (before->offered != now->offered || state & MBOX_STATE_OFFERED)
		what |= CHANGE_OFFER;
	if (before->grants != now->grants)
		what |= CHANGE_GRANTS;
	if (before->mode != now->mode || before->uid != now->uid || before->gid != now->gid)
		what |= CHANGE_MODE;
	if (before->filled != now->filled)
		what |= CHANGE_FILLED;
	return what;
}

struct telling {
	int (*tell)(const struct change *change, void *data);
	void *data;
};

static int compare_one(struct known *known, const struct mbox_stat *now,
		       const struct telling *telling)
{
	struct node *node = find(known, now);
	struct mbox_stat before;
	struct change change = { .now = now };

	if (!node) {
		change.what = CHANGE_APPEARED;
		return add(known, now) ? telling->tell(&change, telling->data) : -1;
	}
	before = node->stat;
	node->stat = *now;
	node->round = known->round;
	change.before = &before;
	change.what = differences(&before, now);
	return change.what ? telling->tell(&change, telling->data) : 0;
}

struct leftovers {
	unsigned int round;
	size_t count;
	struct node **nodes;
};

static void collect_leftover(const void *found, VISIT visit, void *data)
{
	struct node *node = *(struct node *const *)found;
	struct leftovers *leftovers = data;

	if ((visit == postorder || visit == leaf) && node->round != leftovers->round)
		leftovers->nodes[leftovers->count++] = node;
}

static int drop_leftovers(struct known *known, const struct telling *telling)
{
	struct leftovers leftovers = { .round = known->round };
	int result = 0;

	if (!known->count)
		return 0;
	leftovers.nodes = calloc(known->count, sizeof(*leftovers.nodes));
	if (!leftovers.nodes)
		return -1;
	twalk_r(known->tree, collect_leftover, &leftovers);
	for (size_t i = 0; i < leftovers.count; i++) {
		struct mbox_stat before = leftovers.nodes[i]->stat;
		struct change change = { CHANGE_VANISHED, &before, &before };

		drop(known, leftovers.nodes[i]);
		if (!result)
			result = telling->tell(&change, telling->data);
	}
	free(leftovers.nodes);
	return result;
}

int known_compare(struct known *known, const struct netlink_box *boxes, size_t count,
		  int (*tell)(const struct change *change, void *data), void *data)
{
	struct telling telling = { tell, data };
	int result = 0;

	known->round++;
	for (size_t i = 0; i < count && !result; i++)
		result = compare_one(known, &boxes[i].stat, &telling);
	if (!result)
		result = drop_leftovers(known, &telling);
	known->listed = count;
	return result;
}

bool known_outgrown(const struct known *known)
{
	return known->count > 2 * known->listed + 1024;
}

void known_free(struct known *known)
{
	tdestroy(known->tree, free);
	known->tree = NULL;
	known->count = 0;
}
