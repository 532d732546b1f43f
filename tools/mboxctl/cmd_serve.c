// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl serve: a command for each request.
 *
 * Each worker is a thread that receives a request, runs the command, replies, and so
 * on: so a worker that has nothing to do is a receiver that waits, as senders that meet
 * a receiver and processes that take turns need it. The first thread has the signals.
 * At the first that is to end mboxctl the workers receive no more, at the second they
 * end their commands.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"
#include "watch.h"

#define MAX_JOBS	256

/* Now and then it is asked whether the caller still waits. */
#define ASK_MS		500

static const struct words words[] = {
	{ EACCES, "no right to receive from it" },
	{ EPERM, "another process has the receiving end" },
	{ 0, NULL }
};

enum { GO_ON, FINISH, HURRY };

struct serving {
	const char *box;
	char **program;
	uint64_t jobs;
	uint64_t count;
	bool timed;
	uint64_t time;
	bool inbox;

	int fd;
	int flags;
	size_t max_reply;
	sigset_t signals;

	/* How many may still be received, if that is counted. */
	_Atomic uint64_t left;
	atomic_int stop;
	atomic_int running;
	/* Guards the exit code, and each message on standard error. */
	pthread_mutex_t lock;
	int code;
};

struct worker {
	struct serving *serving;
	pthread_t thread;
	/* It may have to be woken. */
	atomic_bool receiving;
	struct mbox_large request;
	struct mbox_envelope envelope;
	struct job job;
	struct timespec end;
};

/*
 * Words
 */

static void say(struct worker *worker, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct worker *worker, const char *format, ...)
{
	const struct mbox_envelope *envelope = &worker->envelope;
	va_list args;

	pthread_mutex_lock(&worker->serving->lock);
	fprintf(stderr, "mboxctl: serve: %s %" PRIu64 " of process %" PRId32 ": ",
		envelope->token ? "request" : "message", envelope->seq, envelope->pid);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	pthread_mutex_unlock(&worker->serving->lock);
}

static void wake_first_thread(void)
{
	kill(getpid(), SIGUSR2);
}

/* All workers are to end, and mboxctl with that code if it is the first. */
static void end_all(struct serving *serving, int code)
{
	if (!serving->code)
		serving->code = code;
	atomic_fetch_or(&serving->stop, FINISH);
	wake_first_thread();
}

/*
 * One request
 */

static void discard(struct worker *worker)
{
	if (worker->envelope.token)
		mbox_discard(worker->serving->fd, worker->envelope.token);
}

static bool time_is_up(const struct worker *worker)
{
	struct timespec now;

	if (!worker->serving->timed)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > worker->end.tv_sec ||
	       (now.tv_sec == worker->end.tv_sec && now.tv_nsec >= worker->end.tv_nsec);
}

static int milliseconds_left(const struct worker *worker)
{
	struct timespec now;
	int64_t left;

	if (!worker->serving->timed)
		return ASK_MS;
	clock_gettime(CLOCK_MONOTONIC, &now);
	/* Far away is far enough. */
	if (worker->end.tv_sec > now.tv_sec + 1)
		return ASK_MS;
	left = (worker->end.tv_sec - now.tv_sec) * 1000 +
	       (worker->end.tv_nsec - now.tv_nsec) / 1000000 + 1;
	return left < 0 ? 0 : left < ASK_MS ? left : ASK_MS;
}

static bool caller_has_gone(const struct worker *worker)
{
	return worker->envelope.token &&
	       !mbox_waits(worker->serving->fd, worker->envelope.token);
}

/* NULL when the command has ended, or why it is to be ended. */
static const char *watch(struct worker *worker)
{
	size_t most = worker->serving->max_reply;
	bool runs;

	for (;;) {
		runs = job_runs(&worker->job, milliseconds_left(worker), most);
		if (worker->job.error)
			return strerror(worker->job.error);
		if (worker->job.output.len > most)
			return "its output is larger than a reply may be";
		if (!runs)
			return NULL;
		if (worker->serving->stop & HURRY)
			return "mboxctl was told twice to end";
		if (time_is_up(worker))
			return "its time was up";
		if (caller_has_gone(worker))
			return "the caller has gone";
	}
}

/* The caller does not wait for the end that the command takes its time for. */
static void break_off(struct worker *worker, const char *why)
{
	discard(worker);
	job_end(&worker->job);
	job_finish(&worker->job);
	say(worker, "the command was ended: %s", why);
}

static const char *meaning(int error)
{
	switch (error) {
	case ECANCELED:
		return "the caller has gone";
	case EMSGSIZE:
		return "the caller has no room for the reply";
	case EDQUOT:
	case ENOSPC:
		return "the reply goes beyond a quota; \"mboxctl limits\" shows it";
	default:
		return strerror(error);
	}
}

static void reply(struct worker *worker, const struct message *text, int status)
{
	const struct mbox_reply_options options = { .tag = WEXITSTATUS(status) };
	uint64_t token = worker->envelope.token;
	int fd = worker->serving->fd;

	if (!mbox_reply_with(fd, token, text->bytes, text->len, &options))
		return;
	if (errno != ECANCELED)
		discard(worker);
	say(worker, "%s", meaning(errno));
}

static void conclude(struct worker *worker)
{
	struct message output = worker->job.output;
	int status;

	worker->job.output = (struct message) { 0 };
	status = job_finish(&worker->job);
	if (WIFSIGNALED(status)) {
		discard(worker);
		say(worker, "the command was killed by signal %d", WTERMSIG(status));
	} else if (worker->envelope.token) {
		reply(worker, &output, status);
	} else if (WEXITSTATUS(status)) {
		say(worker, "the command exited with %d", WEXITSTATUS(status));
	}
	free(output.bytes);
}

static void give_up(struct worker *worker, int error)
{
	struct serving *serving = worker->serving;

	discard(worker);
	say(worker, "it is %s", worker->envelope.token ? "discarded" : "lost");
	pthread_mutex_lock(&serving->lock);
	errno = error;
	end_all(serving, program_failed(*serving->program));
	pthread_mutex_unlock(&serving->lock);
}

static void serve_one(struct worker *worker)
{
	struct serving *serving = worker->serving;
	const struct task task = {
		.program = serving->program,
		.signals = &serving->signals,
		.envelope = &worker->envelope,
		.bytes = worker->request.data,
		.len = worker->request.len,
		.collect = worker->envelope.token,
	};
	const char *why;
	int error = job_start(&worker->job, &task);

	if (error) {
		give_up(worker, error);
		return;
	}
	mbox_deadline(&worker->end, serving->time);
	why = watch(worker);
	if (why)
		break_off(worker, why);
	else
		conclude(worker);
}

/*
 * One after the other
 */

static bool take_ticket(struct serving *serving)
{
	uint64_t left = atomic_load(&serving->left);

	if (!serving->count)
		return true;
	while (left)
		if (atomic_compare_exchange_weak(&serving->left, &left, left - 1))
			return true;
	return false;
}

/* Returns 0 or an errno; EINTR when mboxctl is to end. */
static int try_receive(struct worker *worker)
{
	const struct mbox_recv_options options = { .flags = worker->serving->flags };
	int error = EINTR;

	worker->envelope = (struct mbox_envelope) { 0 };
	atomic_store(&worker->receiving, true);
	if (!atomic_load(&worker->serving->stop) &&
	    !mbox_recv_large(worker->serving->fd, &worker->request, &worker->envelope, &options))
		error = 0;
	else if (!atomic_load(&worker->serving->stop))
		error = errno;
	atomic_store(&worker->receiving, false);
	return error;
}

static void cannot_receive(struct serving *serving, int error)
{
	/* The others see that, too. */
	if (error == EIDRM && !serving->count)
		return;
	pthread_mutex_lock(&serving->lock);
	errno = error;
	end_all(serving, fail(words, "%s", printable(serving->box)));
	pthread_mutex_unlock(&serving->lock);
}

static bool receive(struct worker *worker)
{
	int error;

	for (;;) {
		error = try_receive(worker);
		if (!error)
			return true;
		if (worker->envelope.seq) {
			/* It came, but in shared memory, and cannot be used. */
			discard(worker);
			say(worker, "it is lost: %s", strerror(error));
			continue;
		}
		if (error != EINTR)
			cannot_receive(worker->serving, error);
		if (error != EINTR || atomic_load(&worker->serving->stop))
			return false;
	}
}

static void *work(void *data)
{
	struct worker *worker = data;

	while (take_ticket(worker->serving) && receive(worker))
		serve_one(worker);
	mbox_large_free(&worker->request);
	atomic_fetch_sub(&worker->serving->running, 1);
	wake_first_thread();
	return NULL;
}

/*
 * The first thread
 */

static void do_nothing(int signal)
{
	(void)signal;
}

/* To workers SIGUSR1 is to end a system call, to the first thread SIGUSR2. */
static void prepare_signals(struct serving *serving, sigset_t *awaited)
{
	const struct sigaction interrupt = { .sa_handler = do_nothing };

	sigaction(SIGUSR1, &interrupt, NULL);
	sigaction(SIGUSR2, &interrupt, NULL);
	signal(SIGCHLD, SIG_DFL);
	/* Requests are served even if nobody reads what is said about them. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(awaited);
	sigaddset(awaited, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, awaited, NULL);
	sigemptyset(awaited);
	watch_add(awaited, SIGHUP);
	watch_add(awaited, SIGINT);
	watch_add(awaited, SIGTERM);
	sigaddset(awaited, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, awaited, &serving->signals);
}

/*
 * A worker that is about to receive when it is interrupted may wait all the same, so
 * this is to be repeated as long as it returns true.
 */
static bool interrupt_receivers(struct worker *workers, unsigned int nr)
{
	bool any = false;

	for (unsigned int i = 0; i < nr; i++) {
		if (!atomic_load(&workers[i].receiving))
			continue;
		pthread_kill(workers[i].thread, SIGUSR1);
		any = true;
	}
	return any;
}

/* Until all workers have ended. Returns the signal that ends mboxctl, or 0. */
static int wait_for_workers(struct serving *serving, struct worker *workers, unsigned int nr,
			    const sigset_t *awaited)
{
	static const struct timespec soon = { .tv_nsec = 10000000 };
	int signal, last = 0;
	bool again;

	while (atomic_load(&serving->running)) {
		again = atomic_load(&serving->stop) && interrupt_receivers(workers, nr);
		signal = sigtimedwait(awaited, NULL, again ? &soon : NULL);
		if (signal <= 0 || signal == SIGUSR2)
			continue;
		atomic_fetch_or(&serving->stop, last ? HURRY : FINISH);
		last = signal;
	}
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
	return last;
}

static unsigned int start_workers(struct serving *serving, struct worker *workers)
{
	unsigned int nr;
	int error = 0;

	atomic_store(&serving->running, serving->jobs);
	for (nr = 0; nr < serving->jobs && !error; nr++) {
		workers[nr] = (struct worker) { .serving = serving };
		error = pthread_create(&workers[nr].thread, NULL, work, &workers[nr]);
	}
	if (!error)
		return nr;
	nr--;
	atomic_fetch_sub(&serving->running, serving->jobs - nr);
	pthread_mutex_lock(&serving->lock);
	errno = error;
	end_all(serving, fail(NULL, "a thread"));
	pthread_mutex_unlock(&serving->lock);
	return nr;
}

static int serve(struct serving *serving)
{
	static struct worker workers[MAX_JOBS];
	sigset_t awaited;
	int last;

	prepare_signals(serving, &awaited);
	serving->left = serving->count;
	last = wait_for_workers(serving, workers, start_workers(serving, workers), &awaited);
	if (!last)
		return serving->code;
	/* As it ends other programs, now that it is time. */
	signal(last, SIG_DFL);
	raise(last);
	pthread_sigmask(SIG_SETMASK, &serving->signals, NULL);
	return FAILED;
}

static int open_requests(struct serving *serving)
{
	struct inbox inbox;
	int fd;

	if (!serving->inbox)
		return open_box(serving->box, O_RDONLY, words);
	fd = open_own_inbox(&inbox);
	if (fd < 0)
		return fd;
	printf("%" PRId32 " %" PRIu64 "\n", inbox.pid, inbox.participant);
	if (fflush(stdout))
		return -fail(NULL, "standard output");
	return fd;
}

/* As much as the kernel would bring to a caller who has room for all. */
static int find_max_reply(struct serving *serving)
{
	struct mbox_info info;
	struct mbox_stat stat;

	if (mbox_getstat(serving->fd, &stat) || mbox_getinfo(serving->fd, &info))
		return fail(words, "%s", printable(serving->box));
	serving->max_reply = stat.max_size > info.limit_size ? stat.max_size : info.limit_size;
	return DONE;
}

static int take(int option, void *data)
{
	struct serving *serving = data;

	switch (option) {
	case 'j':
		return parse_number("-j", optarg, 1, MAX_JOBS, &serving->jobs);
	case 'c':
		return parse_number("-c", optarg, 1, UINT64_MAX, &serving->count);
	case 't':
		serving->timed = true;
		return parse_seconds("-t", optarg, &serving->time);
	default:
		serving->inbox = true;
		return 0;
	}
}

int cmd_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "jobs", required_argument, NULL, 'j' },
		{ "count", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "inbox", no_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 }
	};
	struct serving serving = {
		.program = cut_program(&argc, argv),
		.jobs = 1,
		.flags = MBOX_TOKEN,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int code = parse_options(argc, argv, "j:c:t:", options, take, &serving);

	if (code)
		return code;
	if (!serving.program || !*serving.program)
		return wrong_usage("which command, behind \"--\"?");
	if (argc != optind + !serving.inbox)
		return wrong_usage(serving.inbox ? "--inbox is the mailbox, and takes no other"
						 : "which mailbox? It takes one.");
	serving.box = serving.inbox ? "the inbox" : argv[optind];
	if (serving.inbox)
		serving.flags |= MBOX_DIRECT;

	serving.fd = open_requests(&serving);
	if (serving.fd < 0)
		return -serving.fd;
	code = find_max_reply(&serving);
	return code ?: serve(&serving);
}
