// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A space-time diagram as a picture: processes are horizontal lines, time goes to the
 * right. Each event and each arrow is an element with what it stands for in data-
 * attributes, one a line.
 *
 * Where dots are and arrows go is settled first; then each number and each name is put
 * where it covers least of what is there. All that is there are specks, small boxes,
 * found by where they are.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mboxctl.h"
#include "spacetime.h"

#define PITCH		92
#define TOP		44
/* Messages of the first process to itself go above its line. */
#define ARC_ROOM	34
/* From event to event: as labels need it. */
#define LEAST_STEP	46
#define MOST_STEP	84
#define BOTTOM		54
#define LEGEND		30
#define RADIUS		4.0
/* From the names to the first event. */
#define LEAD		36

/* Widths are estimates: which font there will be, nobody knows. */
#define NAME_WIDTH	7.8
#define SMALL_WIDTH	5.9
#define STAMP_WIDTH	6.8
#define LABEL_WIDTH	6.0
#define TEXT_HALF	5.5
/* Of turned text, squares cover more. */
#define TURNED_HALF	4.0

enum speck_kind { ON_LINE, ON_DOT, ON_TEXT };

/* Lines are cut by what is written on them. */
#define UNREADABLE	1000

struct speck {
	double x;
	double y;
	double half_width;
	double half_height;
	enum speck_kind kind;
	size_t next;
};

#define CELL		24.0
#define CELLS		131072

struct picture {
	const struct diagram *diagram;
	FILE *file;
	double top;
	double left;
	double step;
	double width;
	double height;
	struct speck *specks;
	size_t nr_specks;
	/* By a hash of where they are; 1 more than the index, 0 for none. */
	size_t cells[CELLS];
};

struct place {
	double x;
	double y;
};

/* A curve with one control point. */
struct curve {
	struct place begin;
	struct place control;
	struct place end;
};

static const char style[] =
	"<style>\n"
	"svg { --ink: #1a1a1a; --paper: #ffffff; --faint: #6b6b6b; --reply: #1a6b3c;\n"
	"  --receipt: #6b6b6b; --token: #7a4a00; --lost: #b3261e; }\n"
	"@media (prefers-color-scheme: dark) { svg { --ink: #e8e8e8; --paper: #1b1b1d;\n"
	"  --faint: #a0a0a0; --reply: #7fd6a2; --receipt: #a0a0a0; --token: #e0b060;\n"
	"  --lost: #ff8a80; } }\n"
	"text { font-family: \"Helvetica Neue\", Helvetica, Arial, sans-serif; font-size: 11px;\n"
	"  fill: #1a1a1a; fill: var(--ink); }\n"
	".paper { fill: #ffffff; fill: var(--paper); }\n"
	".name { font-size: 13px; font-weight: bold; text-anchor: end; }\n"
	".who, .note { font-size: 10px; fill: #6b6b6b; fill: var(--faint); }\n"
	".who { text-anchor: end; }\n"
	".stamp, .label { text-anchor: middle; paint-order: stroke; stroke: #ffffff;\n"
	"  stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }\n"
	".stamp { font-weight: bold; }\n"
	".label { font-style: italic; font-size: 10.5px; }\n"
	".line { stroke: #6b6b6b; stroke: var(--faint); stroke-width: 1.2; }\n"
	".dot { fill: #1a1a1a; fill: var(--ink); stroke: #1a1a1a; stroke: var(--ink); }\n"
	".hollow { fill: #ffffff; fill: var(--paper); }\n"
	".path { fill: none; stroke: #1a1a1a; stroke: var(--ink); stroke-width: 1.4; }\n"
	".head { fill: #1a1a1a; fill: var(--ink); stroke: none; }\n"
	".faint { fill: #6b6b6b; fill: var(--faint); }\n"
	".reply .path { stroke: #1a6b3c; stroke: var(--reply); stroke-dasharray: 7 3; }\n"
	".receipt .path { stroke: #6b6b6b; stroke: var(--receipt); stroke-width: 1;\n"
	"  stroke-dasharray: 2 3; }\n"
	".token .path { stroke: #7a4a00; stroke: var(--token); stroke-dasharray: 9 3 2 3; }\n"
	".void .path, .dropped .path { stroke: #b3261e; stroke: var(--lost); }\n"
	".void .path { stroke-dasharray: 3 3; }\n"
	"#head-reply path { fill: #ffffff; fill: var(--paper); stroke: #1a6b3c;\n"
	"  stroke: var(--reply); }\n"
	"#head-receipt path { fill: none; stroke: #6b6b6b; stroke: var(--receipt); }\n"
	"#head-token path { fill: #7a4a00; fill: var(--token); stroke: none; }\n"
	"#head-void path { fill: none; stroke: #b3261e; stroke: var(--lost);\n"
	"  stroke-width: 1.6; }\n"
	"</style>\n";

/* Heads of arrows, by what the arrows are. */
static const char heads[] =
	"<defs>\n"
	"<marker id=\"head-message\" viewBox=\"0 0 10 8\" refX=\"10\" refY=\"4\" "
	"markerWidth=\"10\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" "
	"orient=\"auto\"><path class=\"head\" d=\"M0,0 L10,4 L0,8 L2.5,4 Z\"/></marker>\n"
	"<marker id=\"head-reply\" viewBox=\"0 0 11 9\" refX=\"10.5\" refY=\"4.5\" "
	"markerWidth=\"11\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" "
	"orient=\"auto\"><path d=\"M0.7,0.7 L10.3,4.5 L0.7,8.3 Z\"/></marker>\n"
	"<marker id=\"head-receipt\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" "
	"markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" "
	"orient=\"auto\"><path d=\"M1,1 L7.5,4 L1,7\"/></marker>\n"
	"<marker id=\"head-token\" viewBox=\"0 0 10 8\" refX=\"10\" refY=\"4\" "
	"markerWidth=\"10\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" "
	"orient=\"auto\"><path d=\"M0,0 L10,4 L0,8 Z\"/></marker>\n"
	"<marker id=\"head-void\" viewBox=\"0 0 10 10\" refX=\"5\" refY=\"5\" "
	"markerWidth=\"10\" markerHeight=\"10\" markerUnits=\"userSpaceOnUse\" "
	"orient=\"auto\"><path d=\"M1,1 L9,9 M1,9 L9,1\"/></marker>\n"
	"</defs>\n";

/*
 * Text
 */

/* What would turn or hide what stands beside it, or is no character of XML. */
static bool is_unseen(const unsigned char *character, size_t len)
{
	uint32_t code = character[0];

	if (len == 1)
		return code < 0x20 || code == 0x7f;
	if (len == 2)
		return code == 0xc2 && character[1] < 0xa0;
	if (len == 3) {
		code = (code & 15) << 12 | (character[1] & 63) << 6 | (character[2] & 63);
		return (code >= 0x200b && code <= 0x200f) ||
		       (code >= 0x2028 && code <= 0x202e) ||
		       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
		       (code & 0xfffe) == 0xfffe;
	}
	return code == 0xf3 || ((character[2] & 15) == 15 && character[3] >= 0xbe);
}

/* Returns how many characters are seen. A NULL file just counts. */
static size_t write_xml(FILE *file, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t left = strlen(text), len, seen = 0;

	for (; left; at += len, left -= len) {
		len = utf8_length(at, left);
		if (!len || is_unseen(at, len)) {
			len = len ?: 1;
			for (size_t i = 0; file && i < len; i++)
				fprintf(file, "\\x%02x", at[i]);
			seen += 4 * len;
			continue;
		}
		/* Most of what has three bytes or more is wide. */
		seen += len < 3 ? 1 : 2;
		if (!file)
			continue;
		if (strchr("&<>\"'", *at))
			fprintf(file, "&#%d;", *at);
		else
			fwrite(at, len, 1, file);
	}
	return seen;
}

static size_t length_of(const char *text)
{
	return write_xml(NULL, text);
}

static void write_text(const struct picture *picture, const char *class, double x, double y,
		       const char *text)
{
	fprintf(picture->file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	write_xml(picture->file, text);
	fputs("</text>", picture->file);
}

/*
 * What is where
 */

static double lane_y(const struct picture *picture, size_t lane)
{
	return picture->top + (double)PITCH * lane;
}

static struct place place_of(const struct picture *picture, const struct point *point)
{
	return (struct place) {
		.x = picture->left + LEAD + picture->step * point->column,
		.y = lane_y(picture, point->lane),
	};
}

static size_t *cell_at(struct picture *picture, int64_t column, int64_t row)
{
	uint64_t hash = (uint64_t)column * 0x9e3779b97f4a7c15 ^ (uint64_t)row * 0xc2b2ae3d27d4eb4f;

	return &picture->cells[hash >> 47];
}

static void add_speck(struct picture *picture, struct speck speck)
{
	size_t *cell = cell_at(picture, floor(speck.x / CELL), floor(speck.y / CELL));

	speck.next = *cell;
	picture->specks = grow(picture->specks, picture->nr_specks, sizeof(speck));
	picture->specks[picture->nr_specks++] = speck;
	*cell = picture->nr_specks;
}

static bool meets(const struct speck *a, const struct speck *b)
{
	return fabs(a->x - b->x) < a->half_width + b->half_width &&
	       fabs(a->y - b->y) < a->half_height + b->half_height;
}

/* How bad it is to cover what is in the way of @speck. No speck is wider than a cell. */
static int cost_of_speck(struct picture *picture, const struct speck *speck)
{
	static const int costs[] = { [ON_LINE] = 2, [ON_DOT] = UNREADABLE, [ON_TEXT] = UNREADABLE };
	int64_t column = floor(speck->x / CELL), row = floor(speck->y / CELL);
	double to_lane = fabs(remainder(speck->y - picture->top, PITCH));
	int cost = to_lane < speck->half_height + 0.5 ? 3 : 0;

	for (int dx = -1; dx <= 1; dx++) {
		for (int dy = -1; dy <= 1; dy++) {
			size_t at = *cell_at(picture, column + dx, row + dy);

			for (; at; at = picture->specks[at - 1].next)
				if (meets(speck, &picture->specks[at - 1]))
					cost += costs[picture->specks[at - 1].kind];
		}
	}
	return cost;
}

/*
 * Text of that width around a place, turned by an angle: each speck of it to @deed.
 * Returns the sum.
 */
struct patch {
	double x;
	double y;
	double width;
	/* In degrees. */
	double angle;
};

static int for_each_speck(struct picture *picture, const struct patch *patch,
			  int (*deed)(struct picture *picture, const struct speck *speck))
{
	double radians = patch->angle * M_PI / 180;
	int parts = ceil(patch->width / (patch->angle ? 8 : 14)), sum = 0;
	double each;

	parts = parts < 1 ? 1 : parts;
	each = patch->width / parts;
	for (int i = 0; i < parts; i++) {
		double off = (i + 0.5) * each - patch->width / 2;
		const struct speck speck = {
			.x = patch->x + off * cos(radians),
			.y = patch->y + off * sin(radians),
			.half_width = patch->angle ? TURNED_HALF : each / 2,
			.half_height = patch->angle ? TURNED_HALF : TEXT_HALF,
			.kind = ON_TEXT,
		};

		sum += deed(picture, &speck);
	}
	return sum;
}

static int add_text_speck(struct picture *picture, const struct speck *speck)
{
	add_speck(picture, *speck);
	return 0;
}

static int cost_of(struct picture *picture, const struct patch *patch)
{
	return for_each_speck(picture, patch, cost_of_speck);
}

static void cover(struct picture *picture, const struct patch *patch)
{
	for_each_speck(picture, patch, add_text_speck);
}

/* Takes the best of several patches; returns what it costs. */
static int choose_patch(struct picture *picture, const struct patch *patches, int count,
			struct patch *best)
{
	int least = INT32_MAX;

	for (int i = 0; i < count && least; i++) {
		int cost = cost_of(picture, &patches[i]);

		if (cost < least) {
			least = cost;
			*best = patches[i];
		}
	}
	return least;
}

/*
 * Curves
 */

static struct place on_curve(const struct curve *curve, double t)
{
	double a = (1 - t) * (1 - t), b = 2 * t * (1 - t), c = t * t;

	return (struct place) {
		.x = a * curve->begin.x + b * curve->control.x + c * curve->end.x,
		.y = a * curve->begin.y + b * curve->control.y + c * curve->end.y,
	};
}

static double length_between(struct place a, struct place b)
{
	return hypot(b.x - a.x, b.y - a.y);
}

/* From @a towards @b. */
static struct place move(struct place a, struct place b, double by)
{
	double length = length_between(a, b);

	return (struct place) {
		.x = a.x + (b.x - a.x) * by / length,
		.y = a.y + (b.y - a.y) * by / length,
	};
}

/* From place to place, bent to one side; it does not reach into the dots. */
static struct curve curve_between(struct place a, struct place b, double bend)
{
	double length = length_between(a, b);
	struct place control = {
		.x = (a.x + b.x) / 2 - (b.y - a.y) / length * bend,
		.y = (a.y + b.y) / 2 + (b.x - a.x) / length * bend,
	};

	return (struct curve) {
		.begin = move(a, control, RADIUS),
		.control = control,
		.end = move(b, control, RADIUS + 1.5),
	};
}

/* Long ones are looked at as far as this goes. */
static int steps_of(const struct curve *curve)
{
	double steps = length_between(curve->begin, curve->end) / 5;

	return steps < 2 ? 2 : steps > 200 ? 200 : steps;
}

static int cost_of_curve(struct picture *picture, const struct curve *curve)
{
	int steps = steps_of(curve), cost = 0;

	for (int i = 1; i < steps; i++) {
		struct place place = on_curve(curve, (double)i / steps);
		const struct speck speck = { place.x, place.y, 4, 4, ON_LINE, 0 };
		int64_t column = floor(place.x / CELL), row = floor(place.y / CELL);

		/* What is near the ends is their own dots. */
		if (length_between(place, curve->begin) < 9 ||
		    length_between(place, curve->end) < 10)
			continue;
		for (int cell = 0; cell < 9; cell++) {
			size_t at = *cell_at(picture, column + cell % 3 - 1, row + cell / 3 - 1);

			for (; at; at = picture->specks[at - 1].next)
				if (picture->specks[at - 1].kind == ON_DOT &&
				    meets(&speck, &picture->specks[at - 1]))
					cost++;
		}
	}
	return cost;
}

static void cover_curve(struct picture *picture, const struct curve *curve)
{
	int steps = steps_of(curve);

	for (int i = 1; i < steps; i++) {
		struct place place = on_curve(curve, (double)i / steps);

		add_speck(picture, (struct speck) { place.x, place.y, 2, 2, ON_LINE, 0 });
	}
}

/* A message to oneself leaves the line and comes back. */
static struct curve arc_between(struct place a, struct place b)
{
	double rise = 16 + (b.x - a.x) * 0.35;

	return curve_between(a, b, -(rise > PITCH * 0.8 ? PITCH * 0.8 : rise));
}

/* Straight, unless it would pass through the dots of others. */
static struct curve find_curve(struct picture *picture, struct place a, struct place b)
{
	static const double bends[] = { 0, 14, -14, 28, -28, 44, -44 };
	struct curve best = curve_between(a, b, 0);
	int least = INT32_MAX;

	if (a.y == b.y)
		return arc_between(a, b);
	for (size_t i = 0; i < sizeof(bends) / sizeof(bends[0]) && least; i++) {
		struct curve curve = curve_between(a, b, bends[i]);
		int cost = cost_of_curve(picture, &curve);

		if (cost < least) {
			least = cost;
			best = curve;
		}
	}
	return best;
}

/* One that has one end only is short, and goes where there is room. */
static struct curve find_stub(struct picture *picture, struct place at, bool leaves)
{
	double dx = leaves ? 19 : -19;
	struct curve best = { 0 };
	int least = INT32_MAX;

	for (double dy = 25; dy >= -25; dy -= 50) {
		struct place other = { at.x + dx, at.y + dy };
		struct curve curve = leaves ? curve_between(at, other, 0)
					    : curve_between(other, at, 0);
		const struct patch patch = { other.x, other.y, 8, 0 };
		int cost = cost_of(picture, &patch);

		if (cost < least) {
			least = cost;
			best = curve;
		}
	}
	return best;
}

static struct curve curve_of(struct picture *picture, const struct arrow *arrow)
{
	struct curve curve;

	if (!arrow->to)
		return find_stub(picture, place_of(picture, arrow->from), true);
	if (!arrow->from)
		return find_stub(picture, place_of(picture, arrow->to), false);
	curve = find_curve(picture, place_of(picture, arrow->from), place_of(picture, arrow->to));
	/* The cross at its end is about it, not before it. */
	if (arrow->kind == VOID)
		curve.end = move(curve.end, curve.control, RADIUS);
	return curve;
}

/*
 * Processes
 */

static char *name_of(const struct picture *picture, size_t lane)
{
	const char *name = picture->diagram->lanes[lane]->name;
	char *text;

	if (asprintf(&text, "P%zu%s%s", lane + 1, name ? "  " : "", name ?: "") < 0)
		exit(fail(NULL, "the diagram"));
	return text;
}

static void who_of(const struct process *process, char text[80])
{
	if (process->pid)
		snprintf(text, 80, "process %" PRIu64 ", participant %" PRIu64, process->pid,
			 process->participant);
	else
		snprintf(text, 80, "participant %" PRIu64, process->participant);
}

static double width_of_names(const struct picture *picture)
{
	double widest = 0;

	for (size_t i = 0; i < picture->diagram->nr_lanes; i++) {
		char *name = name_of(picture, i), who[80];

		who_of(picture->diagram->lanes[i], who);
		widest = fmax(widest, fmax(length_of(name) * NAME_WIDTH,
					   strlen(who) * SMALL_WIDTH));
		free(name);
	}
	return widest;
}

static void draw_lane(const struct picture *picture, size_t lane)
{
	const struct process *process = picture->diagram->lanes[lane];
	double end = picture->left + LEAD + picture->step * picture->diagram->columns;
	double y = lane_y(picture, lane);
	char *name = name_of(picture, lane), who[80];

	who_of(process, who);
	fprintf(picture->file, "<g class=\"process\" id=\"P%zu\" data-participant=\"%" PRIu64
		"\" data-pid=\"%" PRIu64 "\" data-name=\"", lane + 1, process->participant,
		process->pid);
	write_xml(picture->file, process->name ?: "");
	fputs("\">", picture->file);
	write_text(picture, "name", picture->left, y - 1, name);
	write_text(picture, "who", picture->left, y + 13, who);
	fprintf(picture->file, "<line class=\"line\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
		"y2=\"%.1f\"/>", picture->left + 12, y, end, y);
	fprintf(picture->file, "<path class=\"faint\" d=\"M%.1f,%.1f l8,3.5 l-8,3.5 Z\"/></g>\n",
		end, y - 3.5);
	free(name);
}

/*
 * Arrows
 */

static const char *arrow_class(const struct arrow *arrow)
{
	if (arrow->to)
		return arrow->from ? "" : " from-before";
	if (arrow->kind == MESSAGE && arrow->message->reason)
		return " dropped";
	return " open";
}

static void write_message(FILE *file, const struct message_of *message)
{
	if (message->id)
		fprintf(file, " data-id=\"%" PRIu64 "\"", message->id);
	if (message->box && message->box->name) {
		fputs(" data-mailbox=\"", file);
		write_xml(file, message->box->name);
		fputc('"', file);
	}
	if (message->seq)
		fprintf(file, " data-seq=\"%" PRIu64 "\"", message->seq);
	if (message->token)
		fprintf(file, " data-token=\"%" PRIu64 "\"", message->token);
}

static void write_arrow_data(const struct picture *picture, const struct arrow *arrow)
{
	FILE *file = picture->file;

	write_message(file, arrow->message);
	if (arrow->from)
		fprintf(file, " data-from=\"P%zu\" data-sent=\"%" PRIu64 "\"",
			arrow->from->lane + 1, arrow->from->stamp);
	if (arrow->to)
		fprintf(file, " data-to=\"P%zu\" data-stamp=\"%" PRIu64 "\"",
			arrow->to->lane + 1, arrow->to->stamp);
	if (arrow->message->reason && !arrow->to)
		fprintf(file, " data-reason=\"%s\"", reason_words(arrow->message->reason));
}

static void write_arrow_title(const struct picture *picture, const struct arrow *arrow)
{
	char *box = box_words(arrow->message);

	fprintf(picture->file, "<title>%s", arrow_words[arrow->kind]);
	if (arrow->message->seq)
		fprintf(picture->file, " #%" PRIu64, arrow->message->seq);
	fputs(arrow->kind == ANSWER ? " to a request to " : " of ", picture->file);
	write_xml(picture->file, box);
	if (arrow->message->reason && !arrow->to)
		fprintf(picture->file, ": %s", reason_words(arrow->message->reason));
	else if (!arrow->to && arrow->kind == MESSAGE)
		fputs(": not received", picture->file);
	fputs("</title>", picture->file);
	free(box);
}

static const char *head_of(const struct arrow *arrow)
{
	if (!arrow->to && arrow->kind == MESSAGE)
		return arrow->message->reason ? "void" : NULL;
	return arrow_words[arrow->kind];
}

static void write_curve(const struct picture *picture, const struct curve *curve,
			const char *head)
{
	FILE *file = picture->file;

	fprintf(file, "<path class=\"path\" d=\"M%.1f,%.1f Q%.1f,%.1f %.1f,%.1f\"",
		curve->begin.x, curve->begin.y, curve->control.x, curve->control.y, curve->end.x,
		curve->end.y);
	if (head)
		fprintf(file, " marker-end=\"url(#head-%s)\"", head);
	fputs("/>", file);
}

static void write_ring(const struct picture *picture, struct place place)
{
	fprintf(picture->file, "<circle class=\"dot hollow\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>",
		place.x, place.y);
}

/*
 * Beside an arrow, so that it just does not touch it: along it, unless that is steep or
 * the text is short, or else upright.
 */
static struct patch beside(struct place at, double radians, double width, bool along,
			   int side)
{
	double off_x = sin(radians), off_y = -cos(radians);
	double reach = TEXT_HALF + 3.5;

	if (off_y > 0) {
		off_x = -off_x;
		off_y = -off_y;
	}
	if (!along)
		reach = width / 2 * fabs(off_x) + TEXT_HALF * fabs(off_y) + 4;
	return (struct patch) {
		.x = at.x + side * off_x * reach,
		.y = at.y + side * off_y * reach,
		.width = width,
		.angle = along ? radians * 180 / M_PI : 0,
	};
}

#define SPOTS		11

static int label_spots(const struct curve *curve, double width, struct patch *spots)
{
	static const double places[SPOTS] = {
		0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74, 0.2, 0.8
	};
	int count = 0;

	for (int upright = 0; upright <= 1; upright++) {
		for (int i = 0; i < 2 * SPOTS; i++) {
			struct place at = on_curve(curve, places[i / 2]);
			struct place behind = on_curve(curve, places[i / 2] + 0.01);
			double radians = atan2(behind.y - at.y, behind.x - at.x);

			if (!upright && (fabs(radians) > 0.95 || width < 4 * LABEL_WIDTH))
				continue;
			spots[count++] = beside(at, radians, width, !upright, i % 2 ? -1 : 1);
		}
	}
	return count;
}

/* About the end that is no event. */
static int stub_spots(struct place end, struct place event, double width,
		      struct patch *spots)
{
	double away = end.y > event.y ? 1 : -1, aside = width / 2 + 7;
	const struct patch all[] = {
		{ end.x, end.y + away * 11, width, 0 },
		{ end.x + aside, end.y, width, 0 },
		{ end.x - aside - 10, end.y, width, 0 },
		{ end.x + aside - 8, end.y + away * 11, width, 0 },
		{ end.x - aside + 8, end.y + away * 11, width, 0 },
		{ end.x, end.y + away * 22, width, 0 },
	};

	memcpy(spots, all, sizeof(all));
	return sizeof(all) / sizeof(all[0]);
}

static int find_label(struct picture *picture, const struct arrow *arrow,
		      const struct curve *curve, double width, struct patch *best)
{
	struct patch spots[4 * SPOTS];
	int count;

	if (!arrow->to)
		count = stub_spots(curve->end, curve->begin, width, spots);
	else if (!arrow->from)
		count = stub_spots(curve->begin, curve->end, width, spots);
	else
		count = label_spots(curve, width, spots);
	return choose_patch(picture, spots, count, best);
}

/* One that would cover other text is left out: the title has it. */
static void draw_label(struct picture *picture, const struct arrow *arrow,
		       const struct curve *curve)
{
	char *label = label_of(picture->diagram, arrow->message);
	struct patch patch;
	int cost = find_label(picture, arrow, curve, length_of(label) * LABEL_WIDTH, &patch);

	if (*label && cost < UNREADABLE) {
		cover(picture, &patch);
		fprintf(picture->file, "<text class=\"label\" transform=\"translate(%.1f %.1f)",
			patch.x, patch.y);
		if (patch.angle)
			fprintf(picture->file, " rotate(%.1f)", patch.angle);
		fputs("\" y=\"3.5\">", picture->file);
		write_xml(picture->file, label);
		fputs("</text>", picture->file);
	}
	free(label);
}

static void draw_arrow(struct picture *picture, const struct arrow *arrow,
		       const struct curve *curve)
{
	fprintf(picture->file, "<g class=\"arrow %s%s\"", arrow_words[arrow->kind],
		arrow_class(arrow));
	write_arrow_data(picture, arrow);
	fputc('>', picture->file);
	write_arrow_title(picture, arrow);
	write_curve(picture, curve, head_of(arrow));
	if (!arrow->to && !arrow->message->reason)
		write_ring(picture, curve->end);
	if (!arrow->from)
		write_ring(picture, curve->begin);
	if (arrow->kind == MESSAGE || arrow->kind == VOID)
		draw_label(picture, arrow, curve);
	fputs("</g>\n", picture->file);
}

/*
 * Events
 */

static void write_dot(const struct picture *picture, enum point_kind kind, struct place at)
{
	FILE *file = picture->file;

	if (kind == TICKS)
		fprintf(file, "<path class=\"dot\" d=\"M%.1f,%.1f l4.5,4.5 l-4.5,4.5 "
			"l-4.5,-4.5 Z\"/>", at.x, at.y - 4.5);
	else
		fprintf(file, "<circle class=\"dot%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>",
			kind == LOOKS || kind == FAILS ? " hollow" : "", at.x, at.y, RADIUS);
}

/* Above or below, where no arrow of its own is. */
static void draw_stamp(struct picture *picture, const struct point *point, struct place at,
		       bool below)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, point->stamp);
	double width = len * STAMP_WIDTH, aside = width / 2 + 4;
	double near = below ? 12.5 : -12.5;
	const struct patch patches[] = {
		{ at.x, at.y + near, width, 0 }, { at.x + aside, at.y + near, width, 0 },
		{ at.x - aside, at.y + near, width, 0 }, { at.x, at.y - near, width, 0 },
		{ at.x + aside, at.y - near, width, 0 },
		{ at.x - aside, at.y - near, width, 0 },
	};
	struct patch patch = patches[0];

	choose_patch(picture, patches, sizeof(patches) / sizeof(patches[0]), &patch);
	cover(picture, &patch);
	write_text(picture, "stamp", patch.x, patch.y + 4, text);
}

static void write_point_title(const struct picture *picture, const struct point *point)
{
	fprintf(picture->file, "<title>P%zu: %s", point->lane + 1, point_words[point->kind]);
	if (point->message) {
		char *box = box_words(point->message);

		if (point->message->seq)
			fprintf(picture->file, " #%" PRIu64, point->message->seq);
		fputs(", ", picture->file);
		write_xml(picture->file, box);
		free(box);
	}
	fprintf(picture->file, ", stamp %" PRIu64 "</title>", point->stamp);
}

static void draw_point(struct picture *picture, const struct point *point, bool below)
{
	struct place at = place_of(picture, point);

	fprintf(picture->file, "<g class=\"event %s\" data-process=\"P%zu\" data-participant=\"%"
		PRIu64 "\" data-stamp=\"%" PRIu64 "\"", point_words[point->kind],
		point->lane + 1, picture->diagram->lanes[point->lane]->participant, point->stamp);
	if (point->message)
		write_message(picture->file, point->message);
	fputc('>', picture->file);
	write_point_title(picture, point);
	write_dot(picture, point->kind, at);
	draw_stamp(picture, point, at, below);
	fputs("</g>\n", picture->file);
}

/*
 * All of it
 */

/* What is in the diagram, and what it is. */
static void write_sample(const struct picture *picture, double x, double y,
			 const struct arrow *arrow)
{
	const struct curve curve = { { x, y }, { x + 15, y }, { x + 30, y } };

	fprintf(picture->file, "<g class=\"%s%s\">", arrow_words[arrow->kind],
		arrow_class(arrow));
	write_curve(picture, &curve, head_of(arrow));
	if (!arrow->to && !arrow->message->reason)
		write_ring(picture, curve.end);
	if (!arrow->from)
		write_ring(picture, curve.begin);
	fputs("</g>", picture->file);
}

enum meaning { IS_MESSAGE, NOT_RECEIVED, WAS_DROPPED, SENT_BEFORE, IS_ANSWER, IS_RECEIPT,
	       IS_TOKEN, IS_VOID, MEANINGS };

static const char *const meanings[MEANINGS] = {
	[IS_MESSAGE] = "message",
	[NOT_RECEIVED] = "not received",
	[WAS_DROPPED] = "dropped",
	[SENT_BEFORE] = "sent before",
	[IS_ANSWER] = "reply",
	[IS_RECEIPT] = "sender is told of the receive",
	[IS_TOKEN] = "request handed on",
	[IS_VOID] = "receive that failed",
};

static enum meaning meaning_of(const struct arrow *arrow)
{
	switch (arrow->kind) {
	case ANSWER:
		return IS_ANSWER;
	case RECEIPT:
		return IS_RECEIPT;
	case TOKEN:
		return IS_TOKEN;
	case VOID:
		return IS_VOID;
	default:
		if (!arrow->from)
			return SENT_BEFORE;
		if (arrow->to)
			return IS_MESSAGE;
		return arrow->message->reason ? WAS_DROPPED : NOT_RECEIVED;
	}
}

/* An example of each meaning, if there is one. */
static void find_meanings(const struct diagram *diagram, const struct arrow *told[MEANINGS])
{
	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		const struct arrow *arrow = &diagram->arrows[i];

		if (!told[meaning_of(arrow)])
			told[meaning_of(arrow)] = arrow;
	}
}

static bool has_kind(const struct diagram *diagram, enum point_kind kind)
{
	for (size_t i = 0; i < diagram->nr_points; i++)
		if (diagram->points[i]->kind == kind)
			return true;
	return false;
}

static double legend_mark(const struct picture *picture, double x, double y,
			  enum point_kind kind, const char *meaning)
{
	if (!has_kind(picture->diagram, kind))
		return x;
	if (picture->file) {
		write_dot(picture, kind, (struct place) { x + 5, y });
		write_text(picture, "note", x + 15, y + 3.5, meaning);
	}
	return x + 15 + strlen(meaning) * SMALL_WIDTH + 20;
}

/* Returns where it ends. Without a file it is just measured. */
static double legend(const struct picture *picture)
{
	static const char stamps[] = "numbers: Lamport stamps";
	const struct arrow *told[MEANINGS] = { NULL };
	double x = 16, y = picture->height - LEGEND / 2.0;

	find_meanings(picture->diagram, told);
	for (int i = 0; i < MEANINGS; i++) {
		if (!told[i])
			continue;
		if (picture->file) {
			write_sample(picture, x, y, told[i]);
			write_text(picture, "note", x + 38, y + 3.5, meanings[i]);
		}
		x += 38 + strlen(meanings[i]) * SMALL_WIDTH + 20;
	}
	x = legend_mark(picture, x, y, TICKS, "local event");
	x = legend_mark(picture, x, y, LOOKS, "look");
	if (picture->file)
		write_text(picture, "note", x, y + 3.5, stamps);
	return x + strlen(stamps) * SMALL_WIDTH + 16;
}

static double width_of_labels(const struct diagram *diagram)
{
	double widest = 0;

	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		char *label = label_of(diagram, diagram->arrows[i].message);

		widest = fmax(widest, length_of(label) * LABEL_WIDTH);
		free(label);
	}
	return widest;
}

static bool has_arc(const struct diagram *diagram)
{
	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		const struct arrow *arrow = &diagram->arrows[i];

		if (arrow->from && arrow->to && !arrow->from->lane && !arrow->to->lane)
			return true;
	}
	return false;
}

static void measure(struct picture *picture)
{
	const struct diagram *diagram = picture->diagram;
	const char *lacks = lack_words(diagram);
	size_t lanes = diagram->nr_lanes ?: 1;
	FILE *file = picture->file;

	picture->top = TOP + (has_arc(diagram) ? ARC_ROOM : 0);
	picture->left = 16 + width_of_names(picture);
	picture->step = fmin(fmax(LEAST_STEP, 12 + width_of_labels(diagram)), MOST_STEP);
	picture->width = picture->left + LEAD + picture->step * diagram->columns + 24;
	picture->height = lane_y(picture, lanes - 1) + BOTTOM + LEGEND + (lacks ? 16 : 0);
	picture->file = NULL;
	picture->width = fmax(picture->width, legend(picture));
	picture->file = file;
	if (lacks)
		picture->width = fmax(picture->width, 32 + strlen(lacks) * SMALL_WIDTH);
}

static void write_begin(const struct picture *picture)
{
	fprintf(picture->file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
		"height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n", ceil(picture->width),
		picture->height, ceil(picture->width), picture->height);
	fprintf(picture->file, "<title>Messages between %zu processes</title>\n",
		picture->diagram->nr_lanes);
	fputs(style, picture->file);
	fputs(heads, picture->file);
	fputs("<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n", picture->file);
}

static void write_end(const struct picture *picture)
{
	const char *lacks = lack_words(picture->diagram);

	fputs("<g class=\"legend\">", picture->file);
	legend(picture);
	if (lacks)
		write_text(picture, "note", 16, picture->height - LEGEND - 2, lacks);
	fputs("</g>\n</svg>\n", picture->file);
}

static void cover_dot(struct picture *picture, struct place at)
{
	add_speck(picture, (struct speck) { at.x, at.y, RADIUS + 1, RADIUS + 1, ON_DOT, 0 });
}

static void cover_dots(struct picture *picture)
{
	for (size_t i = 0; i < picture->diagram->nr_points; i++)
		cover_dot(picture, place_of(picture, picture->diagram->points[i]));
}

static bool is_stub(const struct arrow *arrow)
{
	return !arrow->from || !arrow->to;
}

/* The stubs come last: they can go elsewhere. */
static struct curve *find_curves(struct picture *picture)
{
	const struct diagram *diagram = picture->diagram;
	struct curve *curves = calloc(diagram->nr_arrows + 1, sizeof(*curves));

	if (!curves)
		exit(fail(NULL, "the diagram"));
	for (int stubs = 0; stubs <= 1; stubs++) {
		for (size_t i = 0; i < diagram->nr_arrows; i++) {
			const struct arrow *arrow = &diagram->arrows[i];

			if (stubs != is_stub(arrow))
				continue;
			curves[i] = curve_of(picture, arrow);
			cover_curve(picture, &curves[i]);
			if (!arrow->from)
				cover_dot(picture, curves[i].begin);
			if (!arrow->to)
				cover_dot(picture, curves[i].end);
		}
	}
	return curves;
}

/* Which side of its line an event has its arrows on; @sides: more of them below? */
static int *find_sides(const struct picture *picture, const struct curve *curves)
{
	const struct diagram *diagram = picture->diagram;
	int *sides = calloc(2 * diagram->nr_points + 1, sizeof(*sides));

	if (!sides)
		exit(fail(NULL, "the diagram"));
	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		const struct arrow *arrow = &diagram->arrows[i];

		if (arrow->from)
			sides[arrow->from - diagram->all_points] +=
				curves[i].control.y > lane_y(picture, arrow->from->lane) ? 1 : -1;
		if (arrow->to)
			sides[arrow->to - diagram->all_points] +=
				curves[i].control.y > lane_y(picture, arrow->to->lane) ? 1 : -1;
	}
	return sides;
}

void draw_svg(const struct diagram *diagram, FILE *file)
{
	static struct picture picture;
	struct curve *curves;
	int *sides;

	picture = (struct picture) { .diagram = diagram, .file = file };
	measure(&picture);
	cover_dots(&picture);
	curves = find_curves(&picture);
	sides = find_sides(&picture, curves);

	write_begin(&picture);
	for (size_t i = 0; i < diagram->nr_lanes; i++)
		draw_lane(&picture, i);
	/* Stamps are put before labels; but what is painted later lies above. */
	for (size_t i = 0; i < diagram->nr_points; i++)
		draw_point(&picture, diagram->points[i],
			   sides[diagram->points[i] - diagram->all_points] < 0);
	/* Those that have least choice where their names go have it first. */
	for (int stubs = 1; stubs >= 0; stubs--)
		for (size_t i = 0; i < diagram->nr_arrows; i++)
			if (stubs == is_stub(&diagram->arrows[i]))
				draw_arrow(&picture, &diagram->arrows[i], &curves[i]);
	write_end(&picture);
	free(picture.specks);
	free(curves);
	free(sides);
}
