// SPDX-License-Identifier: GPL-2.0-or-later
/* The workloads, and how each is measured: see workload.h. */
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mbox.h>

#include "measure.h"
#include "workload.h"

#define BURST		64	/* messages of a sample between processes that do not wait */
#define PAIRS		16	/* operations of one within a process */
#define WARM_UP		4	/* samples */
#define FILLING		42
/* A pipe writes to a page again only when all of it was read: it needs another one. */
#define SLACK		256	/* messages */

struct scene {
	const struct workload *workload;
	const struct transport *by;
	struct point at;
	struct letter *letter;
	struct channel there, back;
	struct channel *many;
	unsigned int opened;	/* of @many */
	uint64_t token;
	struct mbox_large large;
	int mailbox;		/* that takes @large */
	pid_t children[MOST_PROCESSES];
};

static void send_one(struct scene *scene, struct channel *channel)
{
	scene->by->send(channel, scene->letter, scene->at.size);
}

static void receive_one(struct scene *scene, struct channel *channel)
{
	scene->by->receive(channel, scene->letter, scene->at.size);
}

/*
 * One way, to one or from several senders; and to one of several receivers.
 */

static void send_batch(struct scene *scene)
{
	unsigned int i, nr = scene->at.batch;

	if (nr > 1 && scene->by->send_many) {
		scene->by->send_many(&scene->there, scene->letter, scene->at.size, nr);
		return;
	}
	for (i = 0; i < nr; i++)
		send_one(scene, &scene->there);
}

static unsigned int receive_batch(struct scene *scene, unsigned int nr)
{
	if (scene->at.batch > 1 && scene->by->receive_many)
		return scene->by->receive_many(&scene->there, scene->letter, scene->at.size,
					       nr < scene->at.batch ? nr : scene->at.batch);
	receive_one(scene, &scene->there);
	return 1;
}

static unsigned int receive_burst(struct scene *scene)
{
	unsigned int got = 0;

	while (got < BURST)
		got += receive_batch(scene, BURST - got);
	return BURST;
}

static void receive_always(struct scene *scene)
{
	receive_one(scene, &scene->there);
}

static unsigned int send_burst(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < BURST; i++)
		send_one(scene, &scene->there);
	return BURST;
}

/*
 * There and back.
 */

static void echo(struct scene *scene)
{
	receive_one(scene, &scene->there);
	send_one(scene, &scene->back);
}

static unsigned int go_and_return(struct scene *scene)
{
	send_one(scene, &scene->there);
	receive_one(scene, &scene->back);
	return 1;
}

static void serve(struct scene *scene)
{
	if (scene->by->serve)
		scene->by->serve(&scene->there, scene->letter, scene->at.size, &scene->token);
	else
		echo(scene);
}

static unsigned int call(struct scene *scene)
{
	if (!scene->by->call)
		return go_and_return(scene);
	scene->by->call(&scene->there, scene->letter, scene->at.size);
	return 1;
}

/*
 * In one process, without waiting.
 */

static unsigned int send_and_receive(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		send_one(scene, &scene->there);
		receive_one(scene, &scene->there);
	}
	return PAIRS;
}

static unsigned int open_and_close(struct scene *scene)
{
	struct shape shape = { .size = scene->at.size };
	struct channel channel;
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		scene->by->open(&channel, &shape);
		scene->by->close(&channel);
	}
	return PAIRS;
}

/* Some are found sooner than others. */
static unsigned int send_and_receive_anywhere(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		struct channel *channel = &scene->many[i * 389 % scene->opened];

		send_one(scene, channel);
		receive_one(scene, channel);
	}
	return PAIRS;
}

/*
 * Memory that is filled in place and handed over: neither to fill it nor to read it is
 * what that costs.
 */

static void fill_in_place(struct scene *scene)
{
	if (mbox_large_alloc(&scene->large, scene->at.size))
		err(1, "no memory for %u bytes", scene->at.size);
	memset(scene->large.data, FILLING, scene->at.size);
}

static unsigned int hand_over(struct scene *scene)
{
	if (mbox_send_filled(scene->mailbox, &scene->large, NULL) ||
	    mbox_recv_large(scene->mailbox, &scene->large, NULL, NULL))
		err(1, "cannot hand over %u bytes", scene->at.size);
	return 1;
}

static void check_and_free(struct scene *scene)
{
	const char *data = scene->large.data;

	if (scene->large.len != scene->at.size || data[scene->at.size - 1] != FILLING)
		errx(1, "other memory came than was sent");
	mbox_large_free(&scene->large);
}

const struct workload one_way = { .child = send_batch, .sample = receive_burst };
const struct workload fan_out = { .child = receive_always, .sample = send_burst };
const struct workload round_trip = { .child = echo, .sample = go_and_return };
const struct workload request = { .child = serve, .sample = call };
const struct workload pair = { .sample = send_and_receive };
const struct workload among_queued = { .sample = send_and_receive, .filled = true };
const struct workload among_channels = { .sample = send_and_receive_anywhere };
const struct workload create_delete = { .sample = open_and_close };
const struct workload shared_memory = {
	.before = fill_in_place, .sample = hand_over, .after = check_and_free, .shares = true,
};
const struct workload shared_huge_pages = {
	.before = fill_in_place, .sample = hand_over, .after = check_and_free, .shares = true,
	.huge_pages = true,
};

/*
 * Children.
 */

static void child_has_failed(int signal)
{
	(void)signal;
	_exit(1);
}

/* On several processors, the two sides have one each. */
static void take_processor(bool first)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(first ? 0 : sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "cannot choose a processor");
}

static void be_a_child(struct scene *scene)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		err(1, "cannot die with the parent");
	take_processor(false);
	for (;;)
		scene->workload->child(scene);
}

static void start(struct scene *scene)
{
	unsigned int i;

	signal(SIGCHLD, child_has_failed);
	for (i = 0; i < scene->at.processes; i++) {
		scene->children[i] = fork();
		if (scene->children[i] < 0)
			err(1, "cannot fork");
		if (!scene->children[i])
			be_a_child(scene);
	}
}

static void stop(struct scene *scene)
{
	unsigned int i;

	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < scene->at.processes; i++)
		kill(scene->children[i], SIGKILL);
	for (i = 0; i < scene->at.processes; i++)
		waitpid(scene->children[i], NULL, 0);
}

/*
 * Scenes.
 */

static bool open_channels(struct scene *scene)
{
	struct shape shape = {
		.size = scene->at.size,
		.depth = scene->at.depth + (scene->workload->filled ? SLACK : 0),
		.shared = scene->at.processes > 1,
	};

	return scene->by->open(&scene->there, &shape) && scene->by->open(&scene->back, &shape);
}

static void close_channels(struct scene *scene)
{
	scene->by->close(&scene->there);
	scene->by->close(&scene->back);
}

static void open_many(struct scene *scene)
{
	struct rlimit files = { .rlim_cur = 3 * scene->at.channels, .rlim_max = 3 * scene->at.channels };
	struct shape shape = { .size = scene->at.size, .depth = scene->at.depth };

	if (!scene->at.channels)
		return;
	if (files.rlim_cur > 1024 && setrlimit(RLIMIT_NOFILE, &files))
		err(1, "cannot have more files");
	scene->many = calloc(scene->at.channels, sizeof(*scene->many));
	if (!scene->many)
		errx(1, "no memory");
	for (; scene->opened < scene->at.channels; scene->opened++)
		scene->by->open(&scene->many[scene->opened], &shape);
	/* The kernel enlarges its tables when it finds the time. */
	usleep(1000000);
}

static void close_many(struct scene *scene)
{
	while (scene->opened)
		scene->by->close(&scene->many[--scene->opened]);
	free(scene->many);
}

static void open_mailbox(struct scene *scene)
{
	struct mbox_attr attr = { .max_msgs = 1, .flags = MBOX_FILES | MBOX_EMPTY_ONLY, .mode = 0600 };

	scene->mailbox = mbox_create(NULL, &attr, 0);
	if (scene->mailbox < 0)
		err(1, "cannot create a mailbox");
}

static void close_mailbox(struct scene *scene)
{
	if (mbox_delete(scene->mailbox))
		err(1, "cannot delete the mailbox");
	close(scene->mailbox);
}

static void fill(struct scene *scene)
{
	unsigned int i;

	for (i = 1; i < scene->at.depth; i++)
		send_one(scene, &scene->there);
}

/* So that a page that is written to for the first time is not part of it. */
static struct letter *new_letter(void)
{
	struct letter *letter = malloc(sizeof(*letter));

	if (!letter)
		errx(1, "no memory");
	memset(letter, FILLING, sizeof(*letter));
	return letter;
}

static double sample(struct scene *scene)
{
	const struct workload *workload = scene->workload;
	unsigned int times;
	uint64_t cost;

	if (workload->before)
		workload->before(scene);
	cost = measure_now();
	times = workload->sample(scene);
	cost = measure_now() - cost;
	if (workload->after)
		workload->after(scene);
	return (double)cost / times;
}

static void take_samples(struct scene *scene, double *costs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < WARM_UP; i++)
		sample(scene);
	for (i = 0; i < nr; i++)
		costs[i] = sample(scene);
}

/* Some kernels have none. */
static bool set_huge_pages(bool allowed)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

	if (access(path, F_OK))
		return !allowed;
	measure_set(path, allowed ? "advise" : "never");
	return true;
}

bool workload_measure(const struct workload *workload, const struct transport *by,
		      const struct point *at, double *costs, unsigned int nr)
{
	struct scene scene = { .workload = workload, .by = by, .at = *at };

	take_processor(true);
	if (workload->shares && !set_huge_pages(workload->huge_pages))
		return false;
	if (workload->shares)
		open_mailbox(&scene);
	else if (!open_channels(&scene))
		return false;
	scene.letter = new_letter();
	if (workload->filled)
		fill(&scene);
	open_many(&scene);
	start(&scene);
	take_samples(&scene, costs, nr);
	stop(&scene);
	close_many(&scene);
	if (workload->shares)
		close_mailbox(&scene);
	else
		close_channels(&scene);
	free(scene.letter);
	return true;
}
