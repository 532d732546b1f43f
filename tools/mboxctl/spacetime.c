// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a recording to a space-time diagram, as Lamport has drawn it (Time, Clocks, and
 * the Ordering of Events in a Distributed System, 1978): a line for each process, an
 * arrow for each message.
 *
 * The order of the events is that of the recording, unless it cannot be: the kernel
 * traces what one processor does when another one may have gone on already. Events of
 * one process are in the order of their stamps, and what arrives has been sent. Stamps
 * rise along both, so there always is such an order.
 */
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"
#include "spacetime.h"

const char *const point_words[POINT_KINDS] = {
	[SENDS] = "send",
	[RECEIVES] = "receive",
	[LOOKS] = "look",
	[FAILS] = "void",
	[IS_TOLD] = "receipt",
	[REPLIES] = "reply",
	[HAS_REPLY] = "replied",
	[HANDS_ON] = "pass",
	[IS_HANDED] = "passed",
	[TICKS] = "tick",
};

const char *const arrow_words[ARROW_KINDS] = {
	[MESSAGE] = "message",
	[VOID] = "void",
	[RECEIPT] = "receipt",
	[ANSWER] = "reply",
	[TOKEN] = "token",
};

static void *need(void *memory)
{
	if (!memory)
		exit(fail(NULL, "the diagram"));
	return memory;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * Messages
 */

static int compare_by_seq(const void *a, const void *b)
{
	const struct message_of *x = a, *y = b;

	return compare(x->net, y->net) ?: compare(x->id, y->id) ?: compare(x->seq, y->seq);
}

static int compare_by_token(const void *a, const void *b)
{
	return compare(((const struct message_of *)a)->token,
		       ((const struct message_of *)b)->token);
}

static struct message_of *find(void *const *tree, const struct message_of *wanted,
			       int (*order)(const void *, const void *))
{
	void *const *found = tfind(wanted, tree, order);

	return found ? *found : NULL;
}

static struct message_of *add_message(const struct message_of *wanted)
{
	struct message_of *message = need(malloc(sizeof(*message)));

	*message = *wanted;
	return message;
}

/* A reply tells the token only, and so does who passes it on. */
static struct message_of *message_of(struct diagram *diagram, struct recording *recording,
				     const struct event *event)
{
	const struct message_of wanted = {
		.net = event->net,
		.id = event->id,
		.seq = event->seq,
		.token = event->token,
	};
	struct message_of *message = NULL, *same = NULL;

	if (wanted.seq)
		message = find(&diagram->by_seq, &wanted, compare_by_seq);
	if (!message && wanted.token)
		same = find(&diagram->by_token, &wanted, compare_by_token);
	/* A token has one message; the number of that may come after the token. */
	if (same && (!wanted.seq || !same->seq))
		message = same;
	if (!message)
		message = add_message(&wanted);
	if (wanted.id && !message->box) {
		message->net = wanted.net;
		message->id = wanted.id;
		message->box = recording_box(recording, wanted.net, wanted.id);
	}
	message->seq = wanted.seq ?: message->seq;
	if (wanted.seq)
		need(tsearch(message, &diagram->by_seq, compare_by_seq));
	if (wanted.token) {
		message->token = wanted.token;
		need(tsearch(message, &diagram->by_token, compare_by_token));
	}
	return message;
}

static void find_messages(struct diagram *diagram, struct recording *recording)
{
	diagram->messages = need(calloc(recording->nr_events + 1,
					sizeof(*diagram->messages)));
	for (size_t i = 0; i < recording->nr_events; i++) {
		const struct event *event = &recording->events[i];
		struct message_of *message;

		if (event->what == TICKED)
			continue;
		message = message_of(diagram, recording, event);
		diagram->messages[i] = message;
		if (event->what == RETURNED)
			message->returns++;
		if (event->what == DROPPED)
			message->reason = event->reason ?: -EIDRM;
	}
}

/*
 * Which of them
 */

static bool is_box(const struct box *box, const char *name)
{
	const char *end = name;
	uint64_t id;

	/* Names do not begin with a digit. */
	if (read_digits(&end, &id) && !*end)
		return box->id == id;
	return box->name && !strcmp(box->name, name);
}

static bool is_chosen_box(const struct choice *choice, const struct box *box)
{
	if (!*choice->boxes)
		return true;
	for (char **name = choice->boxes; *name; name++)
		if (is_box(box, *name))
			return true;
	return false;
}

static bool takes_all(const struct recording *recording, const struct choice *choice)
{
	return !choice->nr_pids && (!recording->program || *choice->boxes);
}

static bool is_chosen_pid(const struct recording *recording, const struct choice *choice,
			  uint64_t pid)
{
	if (!pid)
		return false;
	if (!choice->nr_pids)
		return recording_is_family(recording, pid);
	for (size_t i = 0; i < choice->nr_pids; i++)
		if (choice->pids[i] == pid)
			return true;
	return false;
}

static bool is_chosen_participant(struct recording *recording, const struct choice *choice,
				  uint64_t participant)
{
	return participant && is_chosen_pid(recording, choice,
					    recording_process(recording, participant)->pid);
}

static bool has_chosen_end(struct recording *recording, const struct choice *choice,
			   const struct event *event)
{
	return takes_all(recording, choice) ||
	       is_chosen_participant(recording, choice, event->who) ||
	       is_chosen_participant(recording, choice, event->from) ||
	       is_chosen_participant(recording, choice, event->to);
}

bool is_chosen_receive(struct recording *recording, const struct choice *choice,
		       const struct event *event)
{
	return event->what == RECEIVED && has_chosen_end(recording, choice, event) &&
	       is_chosen_box(choice, recording_box(recording, event->net, event->id));
}

static bool has_point(const struct event *event)
{
	return event->what != RETURNED && event->what != DROPPED;
}

/*
 * A message is drawn as a whole, with all who have to do with it. What only a token is
 * known of may be of another network namespace, if another tool has recorded it.
 */
static void choose_messages(struct diagram *diagram, struct recording *recording,
			    const struct choice *choice)
{
	for (size_t i = 0; i < recording->nr_events; i++) {
		const struct event *event = &recording->events[i];
		struct message_of *message = diagram->messages[i];

		if (message && !message->chosen)
			message->chosen = message->box && has_point(event) &&
					  has_chosen_end(recording, choice, event) &&
					  is_chosen_box(choice, message->box);
	}
}

/*
 * Lines of processes
 */

static int compare_lanes(const void *a, const void *b)
{
	const struct process *const *x = a, *const *y = b;

	return compare((*x)->participant, (*y)->participant);
}

static void add_lane(struct diagram *diagram, struct process *process)
{
	diagram->lanes = grow(diagram->lanes, diagram->nr_lanes, sizeof(*diagram->lanes));
	diagram->lanes[diagram->nr_lanes++] = process;
}

/* Local events make a line for those only who were asked for. */
static bool makes_lane(struct diagram *diagram, struct recording *recording,
		       const struct choice *choice, size_t i)
{
	const struct event *event = &recording->events[i];

	if (diagram->messages[i])
		return diagram->messages[i]->chosen && has_point(event);
	return !takes_all(recording, choice) &&
	       is_chosen_participant(recording, choice, event->who);
}

static void find_lanes(struct diagram *diagram, struct recording *recording,
		       const struct choice *choice)
{
	struct process **lanes;
	size_t nr = 0;

	for (size_t i = 0; i < recording->nr_events; i++) {
		const struct event *event = &recording->events[i];

		if (!makes_lane(diagram, recording, choice, i))
			continue;
		add_lane(diagram, recording_process(recording, event->who));
		if (event->what == PASSED)
			add_lane(diagram, recording_process(recording, event->to));
	}
	lanes = diagram->lanes;
	if (!lanes)
		return;
	qsort(lanes, diagram->nr_lanes, sizeof(*lanes), compare_lanes);
	for (size_t i = 0; i < diagram->nr_lanes; i++)
		if (!nr || lanes[i] != lanes[nr - 1])
			lanes[nr++] = lanes[i];
	diagram->nr_lanes = nr;
}

/* The line of a participant; SIZE_MAX if it has none. */
static size_t find_lane(const struct diagram *diagram, uint64_t participant)
{
	const struct process wanted = { .participant = participant }, *key = &wanted;
	struct process **found = NULL;

	if (diagram->lanes)
		found = bsearch(&key, diagram->lanes, diagram->nr_lanes,
				sizeof(*diagram->lanes), compare_lanes);
	return found ? (size_t)(found - diagram->lanes) : SIZE_MAX;
}

/*
 * Points and arrows
 */

static struct point *add_point(struct diagram *diagram, enum point_kind kind,
			       const struct event *event, struct message_of *message)
{
	struct point *point = &diagram->all_points[diagram->nr_points++];

	*point = (struct point) {
		.kind = kind,
		.stamp = kind == IS_HANDED ? event->later : event->stamp,
		.lane = find_lane(diagram, kind == IS_HANDED ? event->to : event->who),
		.event = event,
		.message = message,
	};
	if (point->stamp > diagram->largest_stamp)
		diagram->largest_stamp = point->stamp;
	return point;
}

static void add_arrow(struct diagram *diagram, enum arrow_kind kind, struct point *from,
		      struct point *to, const struct message_of *message)
{
	diagram->arrows = grow(diagram->arrows, diagram->nr_arrows, sizeof(*diagram->arrows));
	diagram->arrows[diagram->nr_arrows++] = (struct arrow) {
		.kind = kind,
		.from = from,
		.to = to,
		.message = message,
	};
	if (to)
		to->cause = from;
	if (from)
		from->causes = true;
}

/* The first receives are those that have failed. */
static void add_receive(struct diagram *diagram, const struct event *event,
			struct message_of *message)
{
	if (message->returned < message->returns) {
		message->returned++;
		add_point(diagram, FAILS, event, message);
	} else {
		message->received = add_point(diagram, RECEIVES, event, message);
	}
}

static void add_pass(struct diagram *diagram, const struct event *event,
		     struct message_of *message)
{
	struct point *from = add_point(diagram, HANDS_ON, event, message);

	add_arrow(diagram, TOKEN, from, add_point(diagram, IS_HANDED, event, message),
		  message);
}

static void add_points_of(struct diagram *diagram, const struct event *event,
			  struct message_of *message)
{
	switch (event->what) {
	case SENT:
		message->sent = add_point(diagram, SENDS, event, message);
		break;
	case RECEIVED:
		add_receive(diagram, event, message);
		break;
	case LOOKED:
		add_point(diagram, LOOKS, event, message);
		break;
	case TOLD:
		add_point(diagram, IS_TOLD, event, message);
		break;
	case REPLY:
		message->reply = add_point(diagram, REPLIES, event, message);
		break;
	case REPLIED:
		message->replied = add_point(diagram, HAS_REPLY, event, message);
		break;
	case PASSED:
		add_pass(diagram, event, message);
		break;
	case TICKED:
		add_point(diagram, TICKS, event, NULL);
		break;
	default:
		break;
	}
}

static void add_points(struct diagram *diagram, const struct recording *recording)
{
	diagram->all_points = need(calloc(2 * recording->nr_events + 1,
					  sizeof(*diagram->all_points)));
	for (size_t i = 0; i < recording->nr_events; i++) {
		const struct event *event = &recording->events[i];
		struct message_of *message = diagram->messages[i];

		if (message ? message->chosen : find_lane(diagram, event->who) != SIZE_MAX)
			add_points_of(diagram, event, message);
	}
}

/* When all points are known: they need not be recorded in order. */
static void add_arrows(struct diagram *diagram)
{
	for (size_t i = 0; i < diagram->nr_points; i++) {
		struct point *point = &diagram->all_points[i];
		struct message_of *message = point->message;

		switch (point->kind) {
		case SENDS:
			if (message->sent == point)
				add_arrow(diagram, MESSAGE, point, message->received, message);
			break;
		case RECEIVES:
			if (!message->sent)
				add_arrow(diagram, MESSAGE, NULL, point, message);
			break;
		case FAILS:
			add_arrow(diagram, VOID, message->sent, point, message);
			break;
		case IS_TOLD:
			add_arrow(diagram, RECEIPT, message->received, point, message);
			break;
		case REPLIES:
			if (message->reply == point)
				add_arrow(diagram, ANSWER, point, message->replied, message);
			break;
		case HAS_REPLY:
			if (!message->reply)
				add_arrow(diagram, ANSWER, NULL, point, message);
			break;
		default:
			break;
		}
	}
}

/* Inboxes are told apart by the lines that messages arrive at. */
static void look_for_boxes(struct diagram *diagram)
{
	const struct box *first = NULL;

	for (size_t i = 0; i < diagram->nr_points; i++) {
		const struct message_of *message = diagram->all_points[i].message;

		if (!message || !message->box || message->box->inbox)
			continue;
		if (first && message->box != first)
			diagram->many_boxes = true;
		first = message->box;
	}
}

/*
 * Their order
 */

static int compare_points(const void *a, const void *b)
{
	const struct point *x = *(struct point *const *)a, *y = *(struct point *const *)b;

	return compare(x->lane, y->lane) ?: compare(x->stamp, y->stamp) ?:
	       compare((uintptr_t)x, (uintptr_t)y);
}

static void link_lanes(struct diagram *diagram)
{
	struct point **points = diagram->points;

	for (size_t i = 0; i < diagram->nr_points; i++)
		points[i] = &diagram->all_points[i];
	qsort(points, diagram->nr_points, sizeof(*points), compare_points);
	for (size_t i = 1; i < diagram->nr_points; i++)
		if (points[i]->lane == points[i - 1]->lane)
			points[i]->before = points[i - 1];
}

/* What stamps forbid: an arrow that does not go on in time. */
static uint64_t find_contradiction(const struct diagram *diagram)
{
	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		const struct arrow *arrow = &diagram->arrows[i];

		if (arrow->from && arrow->to && arrow->from->stamp >= arrow->to->stamp)
			return arrow->to->event->line;
	}
	return 0;
}

static struct point *unplaced(struct point *point)
{
	return point && !point->placed ? point : NULL;
}

/* In the order of the recording, but what comes before a point is placed before it. */
static void order_points(struct diagram *diagram)
{
	struct point **stack = need(calloc(diagram->nr_points + 1, sizeof(*stack)));
	size_t placed = 0, depth;

	for (size_t i = 0; i < diagram->nr_points; i++) {
		stack[0] = &diagram->all_points[i];
		depth = !stack[0]->placed;
		while (depth) {
			struct point *point = stack[depth - 1], *earlier;

			earlier = unplaced(point->before) ?: unplaced(point->cause);
			if (earlier) {
				stack[depth++] = earlier;
				continue;
			}
			point->placed = true;
			diagram->points[placed++] = point;
			depth--;
		}
	}
	free(stack);
}

static size_t distance(const struct point *a, const struct point *b)
{
	return a->lane > b->lane ? a->lane - b->lane : b->lane - a->lane;
}

/*
 * An event is in the column of the one before it, or in a later one: behind that of the
 * event before it at its line, and so far behind its cause that no arrow is steep.
 */
static void choose_columns(struct diagram *diagram)
{
	size_t column = 0;

	for (size_t i = 0; i < diagram->nr_points; i++) {
		struct point *point = diagram->points[i];

		if (point->before && point->before->column >= column)
			column = point->before->column + 1;
		if (point->cause) {
			size_t least = point->cause->column +
				       (distance(point, point->cause) + 1) / 2;

			if (column < least)
				column = least;
		}
		point->column = column;
	}
	diagram->columns = diagram->nr_points ? column + 1 : 0;
}

uint64_t lay_out(struct diagram *diagram, struct recording *recording,
		 const struct choice *choice)
{
	uint64_t line;

	*diagram = (struct diagram) { .lost = recording->lost, .full = recording->full };
	find_messages(diagram, recording);
	choose_messages(diagram, recording, choice);
	find_lanes(diagram, recording, choice);
	add_points(diagram, recording);
	add_arrows(diagram);
	look_for_boxes(diagram);
	diagram->points = need(calloc(diagram->nr_points + 1, sizeof(*diagram->points)));
	link_lanes(diagram);
	line = find_contradiction(diagram);
	if (line)
		return line;
	order_points(diagram);
	choose_columns(diagram);
	return 0;
}

/*
 * Words
 */

char *label_of(const struct diagram *diagram, const struct message_of *message)
{
	const struct box *box = message->box;
	char *label, seq[24] = "";
	int len;

	if (message->seq)
		snprintf(seq, sizeof(seq), "#%" PRIu64, message->seq);
	if (!diagram->many_boxes || !box || box->inbox)
		len = asprintf(&label, "%s", seq);
	else if (box->name)
		len = asprintf(&label, "%s%s%s", box->name, *seq ? " " : "", seq);
	else
		len = asprintf(&label, "%" PRIu64 "%s%s", box->id, *seq ? " " : "", seq);
	return len < 0 ? need(NULL) : label;
}

char *box_words(const struct message_of *message)
{
	const struct box *box = message->box;
	char *words;
	int len;

	if (!box)
		len = asprintf(&words, "a mailbox");
	else if (box->name)
		len = asprintf(&words, "%s", box->name);
	else
		len = asprintf(&words, "%s %" PRIu64, box->inbox ? "inbox" : "mailbox", box->id);
	return len < 0 ? need(NULL) : words;
}

const char *reason_words(int64_t reason)
{
	switch (-reason) {
	case ETIMEDOUT:
		return "expired";
	case EIDRM:
		return "mailbox gone";
	case ECANCELED:
		return "withdrawn";
	case EKEYREVOKED:
		return "right revoked";
	default:
		return "dropped";
	}
}

const char *lack_words(const struct diagram *diagram)
{
	if (diagram->lost)
		return "The kernel has lost events: some of this is missing.";
	if (diagram->full)
		return "This is the beginning: there were too many events.";
	return NULL;
}
