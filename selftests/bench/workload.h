/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What processes do with a transport while it is measured. The one that measures does a
 * sample at a time; its children, if there are any, do one thing again and again, until
 * they are killed.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "transport.h"

#define MOST_PROCESSES	64

/* Which of all the cases of a workload. */
struct point {
	unsigned int size;	/* of each message, in bytes */
	unsigned int depth;	/* of the channel, in messages */
	unsigned int processes;	/* on the other side */
	unsigned int batch;	/* messages in one call */
	unsigned int channels;	/* that there are */
};

struct scene;

struct workload {
	void (*child)(struct scene *scene);
	/* Does it, and says how often. */
	unsigned int (*sample)(struct scene *scene);
	/* Before and after each sample, not measured; or NULL. */
	void (*before)(struct scene *scene);
	void (*after)(struct scene *scene);
	bool filled;	/* the channel holds all but one of the messages that it can */
	bool shares;	/* memory, so only by a mailbox that takes files */
	bool huge_pages;	/* may be had for it */
};

extern const struct workload one_way, fan_out, round_trip, request, pair, among_queued;
extern const struct workload among_channels, create_delete, shared_memory, shared_huge_pages;

/* Costs of each operation, by the sample. False if that transport cannot do it. */
bool workload_measure(const struct workload *workload, const struct transport *by,
		      const struct point *at, double *costs, unsigned int nr);

/* Memory cgroups: NULL is the root. Children are where their parent was. */
void group_enter(const char *name);

/* Bytes of kernel memory that a cgroup pays for each message that is queued. */
bool memory_measure(const struct transport *by, const struct point *at, const char *group,
		    double *bytes);

#endif /* WORKLOAD_H */
