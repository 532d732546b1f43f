// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory cgroups, and what queued messages take there: see workload.h. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure.h"
#include "workload.h"

#define GROUPS	"/sys/fs/cgroup"

/* Counters are brought up to date every two seconds. */
#define SETTLED	3000000

void group_enter(const char *name)
{
	char path[128];

	if (name) {
		measure_set(GROUPS "/cgroup.subtree_control", "+memory");
		snprintf(path, sizeof(path), GROUPS "/%s", name);
		if (mkdir(path, 0755) && errno != EEXIST)
			err(1, "cannot make %s", path);
	}
	snprintf(path, sizeof(path), GROUPS "/%s/cgroup.procs", name ? name : "");
	measure_set(path, "0");
}

/* All that the kernel took on behalf of this cgroup, in bytes. */
static long long kernel_memory(const char *group)
{
	long long bytes = -1;
	char line[128];
	FILE *file;

	usleep(SETTLED);
	snprintf(line, sizeof(line), GROUPS "/%s/memory.stat", group);
	file = fopen(line, "r");
	if (!file)
		err(1, "cannot open %s", line);
	while (bytes < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "kernel %lld", &bytes);
	fclose(file);
	if (bytes < 0)
		errx(1, "the kernel does not tell what memory it took");
	return bytes;
}

/* The first thousand fills what was reserved, and pages that were not full. */
bool memory_measure(const struct transport *by, const struct point *at, const char *group,
		    double *bytes)
{
	struct shape shape = { .size = at->size, .depth = at->depth };
	unsigned int begin = at->depth / 50, i;
	struct channel channel;
	struct letter letter = { 0 };
	long long before = 0;

	if (!by->open(&channel, &shape))
		return false;
	for (i = 0; i < at->depth; i++) {
		if (i == begin)
			before = kernel_memory(group);
		by->send(&channel, &letter, at->size);
	}
	*bytes = (double)(kernel_memory(group) - before) / (at->depth - begin);
	by->close(&channel);
	return true;
}
