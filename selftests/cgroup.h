/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory cgroups for tests, below the root of the hierarchy that the guest has. */
#ifndef CGROUP_H
#define CGROUP_H

#include "mbox_selftest.h"

#define CGROUPS "/sys/fs/cgroup"

static inline int set_cgroup(const char *cgroup, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", cgroup, file);
	return put_file(path, text);
}

static inline void read_cgroup(const char *cgroup, const char *file, char *text, size_t size)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", cgroup, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0);
	len = read(fd, text, size - 1);
	NEED(len >= 0);
	text[len] = '\0';
	close(fd);
}

/* The number that follows @key, or the first one. */
static inline long long cgroup_number(const char *cgroup, const char *file, const char *key)
{
	char text[4096], *found;

	read_cgroup(cgroup, file, text, sizeof(text));
	found = strstr(text, key);
	NEED(found);
	return strtoll(found + strlen(key), NULL, 10);
}

static inline long long charged_to(const char *cgroup)
{
	return cgroup_number(cgroup, "memory.current", "");
}

static inline void enter_cgroup(const char *cgroup, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	NEED(!set_cgroup(cgroup, "cgroup.procs", text));
}

/* Nothing that is in it outlives it; if it does not exist, that is fine. */
static inline void end_cgroup(const char *cgroup)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s", cgroup);
	if (set_cgroup(cgroup, "cgroup.kill", "1"))
		return;
	WAIT_UNTIL(!cgroup_number(cgroup, "cgroup.events", "populated "));
	NEED(!rmdir(path));
}

static inline void new_cgroup(const char *cgroup)
{
	char path[128];

	end_cgroup(cgroup);
	snprintf(path, sizeof(path), CGROUPS "/%s", cgroup);
	NEED(!mkdir(path, 0755));
}

/* False if this kernel, or whoever mounted the hierarchy, has none. */
static inline bool use_memory_cgroups(bool yes)
{
	return !put_file(CGROUPS "/cgroup.subtree_control", yes ? "+memory" : "-memory");
}

#endif /* CGROUP_H */
