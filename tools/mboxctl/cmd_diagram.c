// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl diagram: who sent what to whom, and when, as a space-time diagram.
 *
 * What is drawn is always made of the lines of a recording, be they read from a file or
 * just come from the kernel: so both give the same diagram. Where lines of the kernel
 * do not tell how a process or a mailbox is called, lines of our own are put between
 * them while that can be asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mboxctl.h"
#include "spacetime.h"
#include "tracing.h"
#include "watch.h"

/* How often the trace is read, even if poll(2) does not tell of anything. */
#define LOOK_MS		100

/* How wide text is where no terminal shows it. */
#define TEXT_COLUMNS	80

struct asking {
	bool timed;
	uint64_t time;
	uint64_t count;
	struct choice choice;
	bool text;
	bool svg;
	const char *output;
	const char *record;
	const char *read;
	char **program;
};

struct session {
	const struct asking *asking;
	struct recording recording;
	uint64_t received;
	/* Where the recording is kept, or NULL. */
	FILE *kept;
	/* To ask for the names of mailboxes, or -1. */
	int device;
	/* No more is recorded: it is enough, or a line was damaged. */
	bool enough;
	bool damaged;
	/* PROGRAM while it runs, and its status, as waitpid(2) has it. */
	pid_t program;
	int status;
};

/*
 * Lines
 */

static const char damage[] = "it is damaged: a number is missing, or is none";

static int fail_at_line(const char *name, uint64_t line, const char *what)
{
	const struct words words[] = { { EPROTO, what }, { 0, NULL } };

	errno = EPROTO;
	return fail(words, "%s: line %" PRIu64, printable(name), line);
}

static void warn(const char *text)
{
	fprintf(stderr, "mboxctl: diagram: %s\n", text);
}

static void keep(struct session *session, const char *line)
{
	if (session->kept)
		fprintf(session->kept, "%s\n", line);
}

/*
 * Names
 */

static void take_own_line(struct session *session, char *line)
{
	const struct event *event;

	line[strcspn(line, "\n")] = '\0';
	recording_take(&session->recording, line, &event);
	keep(session, line);
	free(line);
}

/* When somebody is seen for the first time. */
static void ask_for_process(struct session *session, uint64_t participant)
{
	struct process *process = recording_process(&session->recording, participant);
	char name[COMM_SIZE];

	if (process->asked)
		return;
	process->asked = true;
	if (read_comm(process->pid, name))
		take_own_line(session, process_line(participant, process->pid, name));
}

/* Likewise. */
static void ask_for_box(struct session *session, uint64_t net, uint64_t id)
{
	struct box *box = recording_box(&session->recording, net, id);
	struct mbox_stat stat;

	if (box->asked)
		return;
	box->asked = true;
	if (session->device < 0 || mbox_next(session->device, id, &stat) || stat.id != id)
		return;
	take_own_line(session, box_line(net, id, (const char *)stat.name,
					stat.kind & MBOX_CREATE_INBOX));
}

/*
 * Lines of others
 */

/*
 * Takes a line, and keeps it unless it is passed over. How a mailbox is called comes
 * before what happens to it, since it may have been chosen by that name.
 */
static const struct event *take_line(struct session *session, const char *line)
{
	const struct asking *asking = session->asking;
	struct recording *recording = &session->recording;
	const struct event *event;
	enum taken taken = recording_take(recording, line, &event);

	if (event && event->id && !asking->read)
		ask_for_box(session, event->net, event->id);
	if (taken != PASSED_OVER)
		keep(session, line);
	session->damaged = taken == DAMAGED;
	if (event && is_chosen_receive(recording, &asking->choice, event))
		session->received++;
	session->enough = session->damaged || recording->full ||
			  (asking->count && session->received >= asking->count);
	return event;
}

static int read_recording(struct session *session)
{
	const char *name = session->asking->read;
	bool standard = !strcmp(name, "-");
	FILE *file = standard ? stdin : fopen(name, "re");
	static char line[LINE_MAX_BYTES];

	if (!file)
		return fail(NULL, "%s", printable(name));
	while (!session->enough && read_line(file, line))
		take_line(session, line);
	if (ferror(file))
		return fail(NULL, "%s", printable(name));
	if (session->damaged)
		return fail_at_line(name, session->recording.lines, damage);
	if (!standard)
		fclose(file);
	return DONE;
}

static bool take_traced(const char *line, void *data)
{
	struct session *session = data;
	const struct event *event;
	char *ours;

	if (session->enough)
		return false;
	/* What some process has in its name is not to look like one of our lines. */
	if (*line == '#') {
		if (asprintf(&ours, " %s", line) < 0)
			exit(fail(NULL, "the recording"));
		event = take_line(session, ours);
		free(ours);
	} else {
		event = take_line(session, line);
	}
	if (!event || session->enough)
		return !session->enough;
	if (event->who)
		ask_for_process(session, event->who);
	if (event->to)
		ask_for_process(session, event->to);
	return true;
}

/*
 * Recording
 */

/* Of what is no file, nothing is left over. */
static void empty(FILE *file)
{
	if (ftruncate(fileno(file), 0))
		errno = 0;
}

static int start_program(struct session *session, const sigset_t *signals)
{
	char **program = session->asking->program;
	sigset_t defaults;
	posix_spawnattr_t attributes;
	int error;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, signals);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	error = posix_spawnp(&session->program, *program, NULL, &attributes, program, environ);
	posix_spawnattr_destroy(&attributes);
	if (!error) {
		take_own_line(session, program_line(session->program));
		return DONE;
	}
	session->program = 0;
	errno = error;
	return program_failed(*program);
}

/* What a terminal sends to all of them has reached PROGRAM already. */
static void take_signal(struct session *session, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		if (session->program &&
		    waitpid(session->program, &session->status, WNOHANG))
			session->program = 0;
		return;
	}
	session->enough = true;
	if (session->program && info.ssi_code != SI_KERNEL)
		kill(session->program, info.ssi_signo);
}

static int64_t now_ms(void)
{
	return read_clock(CLOCK_MONOTONIC) / 1000000;
}

static bool goes_on(const struct session *session)
{
	return !session->enough && (!session->asking->program || session->program);
}

static void follow(struct session *session, struct tracing *tracing, int signals)
{
	const struct asking *asking = session->asking;
	uint64_t limit = asking->timed ? asking->time / 1000000 : INT64_MAX / 2;
	int64_t end = now_ms() + (limit < INT64_MAX / 2 ? (int64_t)limit : INT64_MAX / 2);
	struct pollfd fds[] = {
		{ .fd = tracing->pipe, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};

	while (goes_on(session)) {
		int64_t left = end - now_ms();

		if (left <= 0)
			break;
		fds[1].revents = 0;
		poll(fds, 2, left < LOOK_MS ? left : LOOK_MS);
		tracing_read(tracing, take_traced, session);
		if (fds[1].revents)
			take_signal(session, signals);
	}
}

/* What was traced before all this ended is part of it, whoever had ended it. */
static void read_rest(struct session *session, struct tracing *tracing)
{
	bool counted = session->asking->count &&
		       session->received >= session->asking->count;

	tracing_stop(tracing);
	session->enough = counted || session->damaged || session->recording.full;
	while (tracing_read(tracing, take_traced, session))
		;
}

static void wait_for_program(struct session *session, int signals)
{
	while (session->program)
		take_signal(session, signals);
}

static int end_recording(const struct session *session)
{
	if (session->damaged)
		return fail_at_line("the trace", session->recording.lines, damage);
	if (session->kept && (fflush(session->kept) || ferror(session->kept)))
		return fail(NULL, "%s", printable(session->asking->record));
	return DONE;
}

static int record_with(struct session *session, struct tracing *tracing,
		       const sigset_t *awaited, const sigset_t *before)
{
	int signals = signalfd(-1, awaited, SFD_CLOEXEC);
	int code;

	if (signals < 0)
		return fail(NULL, "the recording");
	code = session->asking->program ? start_program(session, before) : DONE;
	if (!code) {
		if (!session->asking->program)
			warn("recording");
		follow(session, tracing, signals);
		read_rest(session, tracing);
	}
	tracing_end(tracing);
	wait_for_program(session, signals);
	close(signals);
	return code ?: end_recording(session);
}

static int record(struct session *session)
{
	struct tracing tracing;
	sigset_t awaited, before;
	int code;

	sigemptyset(&awaited);
	watch_add(&awaited, SIGINT);
	watch_add(&awaited, SIGTERM);
	watch_add(&awaited, SIGHUP);
	sigaddset(&awaited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &awaited, &before);
	/* Else the kernel would not tell of PROGRAM's end. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	code = tracing_begin(&tracing, session->asking->program);
	if (!code) {
		session->device = mbox_device();
		if (session->kept)
			empty(session->kept);
		code = record_with(session, &tracing, &awaited, &before);
	}
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}

/*
 * Drawing
 */

static bool ends_in_svg(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len >= 4 && !strcmp(name + len - 4, ".svg");
}

static size_t columns_of(FILE *file)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t number;

	if (!ioctl(fileno(file), TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	if (columns && read_digits(&columns, &number) && !*columns && number <= INT16_MAX)
		return number;
	return TEXT_COLUMNS;
}

static int draw(struct session *session, FILE *file)
{
	const struct asking *asking = session->asking;
	struct diagram diagram;
	uint64_t line = lay_out(&diagram, &session->recording, &asking->choice);

	if (line)
		return fail_at_line(asking->read ?: "the trace", line,
				    "its stamp is not larger than that of what happened before");
	if (lack_words(&diagram))
		warn(lack_words(&diagram));
	if (!diagram.nr_points)
		warn("there were no messages");
	if (file != stdout)
		empty(file);
	if (asking->svg || (!asking->text && ends_in_svg(asking->output)))
		draw_svg(&diagram, file);
	else
		draw_text(&diagram, file, columns_of(file));
	return DONE;
}

/* What is in it stays until something else is written. */
static int open_file(const char *name, FILE **file)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	*file = fd < 0 ? NULL : fdopen(fd, "w");
	return *file ? DONE : fail(NULL, "%s", printable(name));
}

static int close_file(const char *name, FILE *file)
{
	bool failed = fflush(file) || ferror(file);

	if (failed)
		return fail(NULL, "%s", printable(name));
	return file == stdout ? DONE : fclose(file) ? fail(NULL, "%s", printable(name)) : DONE;
}

/* Files are opened before it is too late; but not one that is to be read first. */
static int make_diagram(struct session *session)
{
	const struct asking *asking = session->asking;
	FILE *file = stdout;
	int code = DONE;

	if (asking->read)
		code = read_recording(session);
	if (!code && asking->output)
		code = open_file(asking->output, &file);
	if (!code && asking->record)
		code = open_file(asking->record, &session->kept);
	if (!code && !asking->read)
		code = record(session);
	if (!code)
		code = draw(session, file);
	if (!code && asking->output)
		code = close_file(asking->output, file);
	return code;
}

/* The status of PROGRAM, as shells have it, if it has failed. */
static int code_of(const struct session *session, int code)
{
	if (WIFSIGNALED(session->status))
		return 128 + WTERMSIG(session->status);
	return WEXITSTATUS(session->status) ?: code;
}

/*
 * Arguments
 */

static int add_pid(struct choice *choice, const char *text)
{
	pid_t pid;
	int code = parse_pid(text, &pid);

	choice->pids = grow(choice->pids, choice->nr_pids, sizeof(*choice->pids));
	choice->pids[choice->nr_pids++] = pid;
	return code;
}

enum { PID = 256, TEXT, SVG, RECORD, READ };

static int take(int option, void *data)
{
	struct asking *asking = data;

	switch (option) {
	case 'd':
		asking->timed = true;
		return parse_seconds("-d", optarg, &asking->time);
	case 'c':
		return parse_number("-c", optarg, 1, UINT64_MAX, &asking->count);
	case 'o':
		asking->output = optarg;
		return 0;
	case PID:
		return add_pid(&asking->choice, optarg);
	case TEXT:
		asking->text = true;
		return 0;
	case SVG:
		asking->svg = true;
		return 0;
	case RECORD:
		asking->record = optarg;
		return 0;
	default:
		asking->read = optarg;
		return 0;
	}
}

static int check(const struct asking *asking)
{
	if (asking->text && asking->svg)
		return wrong_usage("as text, or as a picture?");
	if (asking->read && (asking->program || asking->record || asking->timed))
		return wrong_usage("--read takes no PROGRAM, and neither -d nor --record");
	if (asking->program && !*asking->program)
		return wrong_usage("which program, behind \"--\"?");
	return 0;
}

int cmd_diagram(int argc, char **argv)
{
	static const struct option options[] = {
		{ "duration", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "output", required_argument, NULL, 'o' },
		{ "pid", required_argument, NULL, PID },
		{ "text", no_argument, NULL, TEXT },
		{ "svg", no_argument, NULL, SVG },
		{ "record", required_argument, NULL, RECORD },
		{ "read", required_argument, NULL, READ },
		{ NULL, 0, NULL, 0 }
	};
	struct asking asking = { .program = cut_program(&argc, argv) };
	struct session session = { .asking = &asking, .device = -1 };
	int code = parse_options(argc, argv, "d:c:o:", options, take, &asking);

	if (!code)
		code = check(&asking);
	if (code)
		return code;
	asking.choice.boxes = argv + optind;
	return code_of(&session, make_diagram(&session));
}
