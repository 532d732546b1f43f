// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A space-time diagram as text: processes are columns, time goes downwards, an event a
 * line. A message leaves its sender, goes down in a track between the processes while
 * others do other things, and turns to its receiver:
 *
 *	3 *--.          |
 *	  |  :          * 7
 *	  |  '-- #1 --->* 8
 *
 * Where there is no room for a track, both ends bear the name of the message. In a
 * locale without the characters for lines it looks as above.
 */
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "mboxctl.h"
#include "spacetime.h"

enum stroke { NONE, LIGHT, DOUBLE, DOTTED, LANE, STROKES };

#define GLYPH_SIZE	8

struct cell {
	enum stroke across;
	enum stroke down;
	/* Instead of what the strokes give. */
	char glyph[GLYPH_SIZE];
	/* The glyph before takes this cell, too. */
	bool taken;
};

/* More tracks than anybody could follow. */
#define MAX_TRACKS	40

/* What is between the line of a process and that of the next. */
struct gap {
	const struct arrow *tracks[MAX_TRACKS];
};

struct route {
	size_t gap;
	/* SIZE_MAX: there was no room. */
	size_t track;
};

struct text {
	const struct diagram *diagram;
	/* NULL to measure. */
	FILE *file;
	bool utf8;
	/* Room for a stamp at each side of a line, and between those. */
	size_t side;
	size_t zone;
	size_t tracks;
	/* Gap i is left of line i; the last one is right of all. */
	struct gap *gaps;
	size_t tracks_used;
	/* Whether there are any right of all lines. */
	bool last_used;
	/* By arrow; and the arrows of each point, by its place in all_points. */
	struct route *routes;
	const struct arrow **out;
	const struct arrow **in;
	struct cell *cells;
	size_t width;
};

static void *need(void *memory)
{
	if (!memory)
		exit(fail(NULL, "the diagram"));
	return memory;
}

/*
 * Strokes
 */

static const char *cross(const struct text *text, enum stroke across, enum stroke down)
{
	static const char *const lines[STROKES][STROKES] = {
		[NONE] = { " ", "│", "║", "┊", "┃" },
		[LIGHT] = { "─", "┼", "╫", "┼", "╂" },
		[DOUBLE] = { "═", "╪", "╬", "╪", "╪" },
		[DOTTED] = { "┄", "┼", "╫", "┼", "╂" },
	};
	static const char *const ascii[STROKES][STROKES] = {
		[NONE] = { " ", ":", ":", ":", "|" },
		[LIGHT] = { "-", "+", "+", "+", "|" },
		[DOUBLE] = { "=", "+", "+", "+", "|" },
		[DOTTED] = { ".", "+", "+", "+", "|" },
	};

	return (text->utf8 ? lines : ascii)[across][down];
}

static const char *corner(const struct text *text, enum stroke stroke, bool down, bool right)
{
	/* From the right, from the left. */
	static const char *const light[] = { "╰", "╯", "╭", "╮" };
	static const char *const twin[] = { "╚", "╝", "╔", "╗" };
	static const char *const ascii[] = { "'", "'", ".", "." };
	int which = 2 * down + right;

	return !text->utf8 ? ascii[which] : stroke == DOUBLE ? twin[which] : light[which];
}

static const char *dot(const struct text *text, enum point_kind kind)
{
	switch (kind) {
	case TICKS:
		return text->utf8 ? "◆" : "+";
	case LOOKS:
	case FAILS:
		return text->utf8 ? "○" : "o";
	default:
		return text->utf8 ? "●" : "*";
	}
}

static const char *head(const struct text *text, enum arrow_kind kind, bool right)
{
	if (kind == VOID)
		return text->utf8 ? "╳" : "x";
	if (!text->utf8)
		return right ? ">" : "<";
	if (kind == MESSAGE || kind == ANSWER)
		return right ? "▶" : "◀";
	return right ? "▷" : "◁";
}

static enum stroke stroke_of(enum arrow_kind kind)
{
	return kind == MESSAGE ? LIGHT : kind == ANSWER ? DOUBLE : DOTTED;
}

/*
 * Tracks
 */

static size_t index_of(const struct text *text, const struct arrow *arrow)
{
	return arrow - text->diagram->arrows;
}

static bool goes_right(const struct arrow *arrow)
{
	return arrow->to->lane >= arrow->from->lane;
}

static bool take_track(struct text *text, const struct arrow *arrow, size_t gap)
{
	for (size_t i = 0; i < text->tracks; i++) {
		size_t track = goes_right(arrow) ? i : text->tracks - 1 - i;

		if (text->gaps[gap].tracks[track])
			continue;
		text->gaps[gap].tracks[track] = arrow;
		text->routes[index_of(text, arrow)] = (struct route) { gap, track };
		if (text->tracks_used <= i)
			text->tracks_used = i + 1;
		if (gap == text->diagram->nr_lanes)
			text->last_used = true;
		return true;
	}
	return false;
}

/* Close to the sender, if there is room, else further on its way. */
static void find_track(struct text *text, const struct arrow *arrow)
{
	size_t gap = arrow->from->lane + goes_right(arrow);
	size_t last = arrow->to->lane + !goes_right(arrow);

	text->routes[index_of(text, arrow)].track = SIZE_MAX;
	if (arrow->to->lane == arrow->from->lane)
		last = gap;
	while (!take_track(text, arrow, gap) && gap != last)
		gap += goes_right(arrow) ? 1 : -1;
}

static void leave_track(struct text *text, const struct arrow *arrow)
{
	const struct route *route = &text->routes[index_of(text, arrow)];

	if (route->track != SIZE_MAX)
		text->gaps[route->gap].tracks[route->track] = NULL;
}

/*
 * A line of text
 */

static size_t lane_x(const struct text *text, size_t lane)
{
	return text->side + 1 + lane * (2 * text->side + text->zone + 1);
}

static size_t track_x(const struct text *text, const struct route *route)
{
	return lane_x(text, route->gap) - text->side - text->zone + 2 * route->track;
}

static void put_glyph(struct text *text, size_t x, const char *glyph)
{
	strcpy(text->cells[x].glyph, glyph);
}

/* The line is as long as it must be. Returns where the text ends. */
static size_t put_text(struct text *text, size_t x, const char *words)
{
	const char *shown = printable(words);
	mbstate_t state = { 0 };
	wchar_t wide;

	while (*shown) {
		size_t len = mbrtowc(&wide, shown, MB_CUR_MAX, &state);
		int width = len < GLYPH_SIZE ? wcwidth(wide) : 1;

		if (len >= GLYPH_SIZE) {
			len = 1;
			memset(&state, 0, sizeof(state));
		}
		memcpy(text->cells[x].glyph, shown, len);
		text->cells[x].glyph[len] = '\0';
		for (x++; width > 1; width--)
			text->cells[x++].taken = true;
		shown += len;
	}
	return x;
}

static void print_cells(struct text *text)
{
	size_t end = text->width;

	while (end && !text->cells[end - 1].glyph[0] && !text->cells[end - 1].across &&
	       !text->cells[end - 1].down)
		end--;
	for (size_t x = 0; x < end; x++) {
		const struct cell *cell = &text->cells[x];

		if (!cell->taken)
			fputs(*cell->glyph ? cell->glyph : cross(text, cell->across, cell->down),
			      text->file);
	}
	fputc('\n', text->file);
}

static void begin_cells(struct text *text)
{
	memset(text->cells, 0, text->width * sizeof(*text->cells));
	for (size_t i = 0; i < text->diagram->nr_lanes; i++)
		text->cells[lane_x(text, i)].down = LANE;
	for (size_t gap = 0; gap <= text->diagram->nr_lanes; gap++) {
		for (size_t track = 0; track < text->tracks; track++) {
			const struct route route = { gap, track };
			const struct arrow *arrow = text->gaps[gap].tracks[track];

			if (arrow)
				text->cells[track_x(text, &route)].down = stroke_of(arrow->kind);
		}
	}
}

/* From the cell beside @from to the one beside @to. */
static void put_stroke(struct text *text, size_t from, size_t to, enum stroke stroke)
{
	size_t least = from < to ? from : to, most = from < to ? to : from;

	for (size_t x = least + 1; x < most; x++)
		text->cells[x].across = stroke;
}

/* As wide as a line about one event can be, from where the diagram ends. */
#define ASIDE		(2 * PRINTABLE_SIZE + 64)

static size_t aside_x(const struct text *text)
{
	return lane_x(text, text->diagram->nr_lanes ?: 1) -
	       (text->last_used ? 0 : text->zone + text->side) + 2;
}

static void put_aside(struct text *text, const char *words)
{
	put_text(text, aside_x(text), words);
}

/* On the longest piece of an arrow that crosses nothing; beside all, if that is short. */
static void put_label(struct text *text, const char *label)
{
	size_t best = 0, longest = 0, run = 0, width = width_of(printable(label));

	for (size_t x = 0; x < aside_x(text); x++) {
		const struct cell *cell = &text->cells[x];

		run = cell->across && !cell->down && !*cell->glyph ? run + 1 : 0;
		if (run > longest) {
			longest = run;
			best = x + 1 - run;
		}
	}
	if (!width)
		return;
	if (longest < width + 3) {
		put_aside(text, label);
		return;
	}
	best += (longest - width) / 2;
	put_glyph(text, best - 1, " ");
	put_glyph(text, put_text(text, best, label), " ");
}

/*
 * An event
 */

struct row {
	const struct point *point;
	/* The arrows that it is drawn with, or NULL. */
	const struct arrow *out;
	const struct arrow *in;
};

/* All others are drawn at their end, straight from the line where they begin. */
static bool has_track(const struct arrow *arrow)
{
	return arrow->from && arrow->to && (arrow->kind == MESSAGE || arrow->kind == ANSWER);
}

static const struct route *route_of(const struct text *text, const struct arrow *arrow)
{
	const struct route *route;

	if (!has_track(arrow))
		return NULL;
	route = &text->routes[index_of(text, arrow)];
	return route->track == SIZE_MAX ? NULL : route;
}

static bool is_straight(const struct arrow *arrow)
{
	return arrow->from && arrow->to && !has_track(arrow) &&
	       arrow->from->lane != arrow->to->lane;
}

static void put_route(struct text *text, const struct row *row, const struct route *route)
{
	const struct arrow *arrow = row->out ?: row->in;
	size_t x = lane_x(text, row->point->lane), bend = track_x(text, route);

	put_stroke(text, x, bend, stroke_of(arrow->kind));
	text->cells[bend].across = NONE;
	text->cells[bend].down = NONE;
	put_glyph(text, bend, corner(text, stroke_of(arrow->kind), row->out, x < bend));
	if (row->in)
		put_glyph(text, x < bend ? x + 1 : x - 1, head(text, arrow->kind, bend < x));
}

static void put_straight(struct text *text, const struct arrow *arrow)
{
	size_t from = lane_x(text, arrow->from->lane), to = lane_x(text, arrow->to->lane);

	put_stroke(text, from, to, stroke_of(arrow->kind));
	put_glyph(text, from < to ? to - 1 : to + 1, head(text, arrow->kind, from < to));
}

/* What has one end here and the other one nowhere, or where no track leads. */
static void put_stub(struct text *text, const struct row *row)
{
	const struct arrow *arrow = row->out ?: row->in;
	size_t x = lane_x(text, row->point->lane), end = x + text->side;
	const char *glyph = text->utf8 ? "○" : "o";

	if (arrow->from && arrow->to)
		glyph = row->out ? head(text, arrow->kind, true) : "";
	else if (row->out && arrow->kind == MESSAGE && arrow->message->reason)
		glyph = head(text, VOID, true);
	put_stroke(text, x, end + 1, stroke_of(arrow->kind));
	if (row->in)
		put_glyph(text, x + 1, head(text, arrow->kind, false));
	put_glyph(text, end, glyph);
}

static char *stub_words(const struct text *text, const struct row *row)
{
	const struct arrow *arrow = row->out ?: row->in;
	const char *reply = arrow->kind == ANSWER ? "reply " : "";
	char *label = label_of(text->diagram, arrow->message), *words;
	int len;

	if (arrow->from && arrow->to)
		len = asprintf(&words, "%s%s %s P%zu", reply, label, row->out ? "to" : "from",
			       (row->out ? arrow->to : arrow->from)->lane + 1);
	else if (row->out && arrow->kind == MESSAGE && arrow->message->reason)
		len = asprintf(&words, "%s: %s", label, reason_words(arrow->message->reason));
	else
		len = asprintf(&words, "%s%s", reply, label);
	free(label);
	return len < 0 ? need(NULL) : words;
}

/* Events without an arrow say what they are about. */
static void tell_point(struct text *text, const struct point *point)
{
	char words[PRINTABLE_SIZE], *label;

	if (point->kind != LOOKS && point->kind != HANDS_ON)
		return;
	label = label_of(text->diagram, point->message);
	snprintf(words, sizeof(words), "%s %s", point_words[point->kind], label);
	put_aside(text, words);
	free(label);
}

static void put_label_of(struct text *text, const struct arrow *arrow)
{
	char *label;

	if (arrow->kind != MESSAGE && arrow->kind != VOID)
		return;
	label = label_of(text->diagram, arrow->message);
	put_label(text, label);
	free(label);
}

/* Returns whether there is an arrow at the right of the event. */
static bool put_arrow(struct text *text, const struct row *row)
{
	const struct arrow *arrow = row->out ?: row->in;
	const struct route *route;
	char *words;

	if (!arrow) {
		tell_point(text, row->point);
		return false;
	}
	route = route_of(text, arrow);
	if (route) {
		put_route(text, row, route);
		if (row->in)
			put_label_of(text, arrow);
		return lane_x(text, row->point->lane) < track_x(text, route);
	}
	if (is_straight(arrow)) {
		put_straight(text, arrow);
		put_label_of(text, arrow);
		return arrow->from->lane > arrow->to->lane;
	}
	put_stub(text, row);
	words = stub_words(text, row);
	put_aside(text, words);
	free(words);
	return true;
}

static void put_stamp(struct text *text, const struct point *point, bool right)
{
	size_t x = lane_x(text, point->lane);
	char stamp[24];
	int len = snprintf(stamp, sizeof(stamp), "%" PRIu64, point->stamp);

	put_text(text, right ? x - 1 - len : x + 2, stamp);
	put_glyph(text, right ? x - 1 : x + 1, " ");
}

static void draw_row(struct text *text, const struct row *row)
{
	bool right;

	begin_cells(text);
	right = put_arrow(text, row);
	put_glyph(text, lane_x(text, row->point->lane), dot(text, row->point->kind));
	put_stamp(text, row->point, right);
	print_cells(text);
}

/* From event to event; without a file this just measures. */
static void walk(struct text *text)
{
	const struct diagram *diagram = text->diagram;

	memset(text->gaps, 0, (diagram->nr_lanes + 1) * sizeof(*text->gaps));
	for (size_t i = 0; i < diagram->nr_points; i++) {
		const struct point *point = diagram->points[i];
		size_t at = point - diagram->all_points;
		const struct row row = { point, text->out[at], text->in[at] };

		if (row.out && has_track(row.out))
			find_track(text, row.out);
		if (text->file)
			draw_row(text, &row);
		if (row.in && has_track(row.in))
			leave_track(text, row.in);
	}
}

/*
 * All of it
 */

/* An event has one arrow here, but for a sender who is told of it by lines to come. */
static void find_arrows(struct text *text)
{
	const struct diagram *diagram = text->diagram;

	text->routes = need(calloc(diagram->nr_arrows + 1, sizeof(*text->routes)));
	text->out = need(calloc(diagram->nr_points + 1, sizeof(*text->out)));
	text->in = need(calloc(diagram->nr_points + 1, sizeof(*text->in)));
	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		const struct arrow *arrow = &diagram->arrows[i];

		if (arrow->from && (has_track(arrow) || !arrow->to))
			text->out[arrow->from - diagram->all_points] = arrow;
		if (arrow->to)
			text->in[arrow->to - diagram->all_points] = arrow;
	}
}

static size_t longest_label(const struct diagram *diagram)
{
	size_t longest = 0;

	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		char *label = label_of(diagram, diagram->arrows[i].message);
		size_t width = width_of(printable(label));

		if (width > longest)
			longest = width;
		free(label);
	}
	return longest;
}

/*
 * Between the lines there is room for tracks and beside them for a label, if @columns
 * allow; a track takes two columns, and there is one at least.
 */
static void measure(struct text *text, size_t columns)
{
	const struct diagram *diagram = text->diagram;
	size_t lanes = diagram->nr_lanes, label = longest_label(diagram), need_zone, sides, gaps;
	int digits = snprintf(NULL, 0, "%" PRIu64, diagram->largest_stamp);

	text->side = digits + 2;
	text->tracks = MAX_TRACKS;
	walk(text);
	need_zone = 2 * text->tracks_used + label + 4;
	sides = lanes * (2 * text->side + 1) + 4 + label;
	gaps = lanes > 1 || text->last_used ? lanes - !text->last_used : 1;
	text->zone = columns > sides ? (columns - sides) / gaps : 0;
	if (text->zone > need_zone)
		text->zone = need_zone;
	if (text->zone < 3)
		text->zone = 3;
	text->tracks = (text->zone + 1) / 2;
	if (text->tracks > MAX_TRACKS)
		text->tracks = MAX_TRACKS;
	text->width = lane_x(text, lanes ?: 1) + 2 + ASIDE;
}

static void draw_names(struct text *text)
{
	const struct diagram *diagram = text->diagram;
	char name[24];

	for (size_t i = 0; i < diagram->nr_lanes; i++) {
		const struct process *process = diagram->lanes[i];

		fprintf(text->file, "P%zu  ", i + 1);
		if (process->name)
			fprintf(text->file, "%s, ", printable(process->name));
		if (process->pid)
			fprintf(text->file, "process %" PRIu64 ", ", process->pid);
		fprintf(text->file, "participant %" PRIu64 "\n", process->participant);
	}
	fputc('\n', text->file);
	memset(text->cells, 0, text->width * sizeof(*text->cells));
	for (size_t i = 0; i < diagram->nr_lanes; i++) {
		snprintf(name, sizeof(name), "P%zu", i + 1);
		put_text(text, lane_x(text, i), name);
	}
	print_cells(text);
}

static bool has_arrow(const struct diagram *diagram, enum arrow_kind kind, bool from, bool to,
		      bool dropped)
{
	for (size_t i = 0; i < diagram->nr_arrows; i++) {
		const struct arrow *arrow = &diagram->arrows[i];

		if (arrow->kind == kind && !arrow->from == !from && !arrow->to == !to &&
		    (to || !arrow->message->reason == !dropped))
			return true;
	}
	return false;
}

static bool has_point(const struct diagram *diagram, enum point_kind kind)
{
	for (size_t i = 0; i < diagram->nr_points; i++)
		if (diagram->points[i]->kind == kind)
			return true;
	return false;
}

static void tell_sign(const struct text *text, const char *begin, enum stroke stroke,
		      const char *end, const char *meaning)
{
	const char *line = stroke == NONE ? "" : cross(text, stroke, NONE);

	fprintf(text->file, "%s%s%s%s  %s\n", begin, line, line, end, meaning);
}

/* What is in the diagram, and what it is. */
static void draw_legend(const struct text *text)
{
	const struct diagram *diagram = text->diagram;
	const char *event = dot(text, SENDS), *ring = dot(text, LOOKS);
	const char *lacks = lack_words(diagram);

	fputc('\n', text->file);
	if (has_arrow(diagram, MESSAGE, true, true, false))
		tell_sign(text, event, LIGHT, head(text, MESSAGE, true), "message");
	if (has_arrow(diagram, ANSWER, true, true, false))
		tell_sign(text, event, DOUBLE, head(text, ANSWER, true), "reply");
	if (has_arrow(diagram, RECEIPT, true, true, false))
		tell_sign(text, " ", DOTTED, head(text, RECEIPT, true),
			  "the sender is told that it was received");
	if (has_arrow(diagram, TOKEN, true, true, false))
		tell_sign(text, " ", DOTTED, head(text, TOKEN, true), "request handed on");
	if (has_arrow(diagram, VOID, true, true, false))
		tell_sign(text, " ", DOTTED, head(text, VOID, true), "receive that failed");
	if (has_arrow(diagram, MESSAGE, true, false, false))
		tell_sign(text, event, LIGHT, ring, "not received");
	if (has_arrow(diagram, MESSAGE, true, false, true))
		tell_sign(text, event, LIGHT, head(text, VOID, true), "dropped");
	if (has_arrow(diagram, MESSAGE, false, true, false))
		tell_sign(text, ring, LIGHT, head(text, MESSAGE, true), "sent before");
	if (has_point(diagram, TICKS))
		tell_sign(text, dot(text, TICKS), NONE, "   ", "local event");
	if (has_point(diagram, LOOKS))
		tell_sign(text, ring, NONE, "   ", "look");
	tell_sign(text, "3", NONE, "   ", "Lamport stamp");
	if (lacks)
		fprintf(text->file, "\n%s\n", lacks);
}

void draw_text(const struct diagram *diagram, FILE *file, size_t columns)
{
	struct text text = {
		.diagram = diagram,
		.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8"),
	};

	text.gaps = need(calloc(diagram->nr_lanes + 1, sizeof(*text.gaps)));
	find_arrows(&text);
	measure(&text, columns);
	text.cells = need(calloc(text.width, sizeof(*text.cells)));
	text.file = file;
	draw_names(&text);
	walk(&text);
	draw_legend(&text);
	free(text.gaps);
	free(text.routes);
	free(text.out);
	free(text.in);
	free(text.cells);
}
