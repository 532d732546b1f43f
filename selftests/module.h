/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module itself, for tests that let it go and come. */
#ifndef MODULE_H
#define MODULE_H

#include "mbox_selftest.h"

#define MODULE	"/mbox.ko"

/* How many use the module, as lsmod shows it; -1 if it is not there. */
static inline int users_of_module(void)
{
	FILE *modules = fopen("/proc/modules", "re");
	char name[64];
	int count, result = -1;

	NEED(modules);
	while (fscanf(modules, "%63s %*d %d%*[^\n]", name, &count) == 2)
		if (!strcmp(name, "mbox"))
			result = count;
	fclose(modules);
	return result;
}

static inline int load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), error;

	NEED(fd >= 0);
	error = error_of(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return error;
}

static inline int unload(void)
{
	return error_of(syscall(SYS_delete_module, "mbox", O_NONBLOCK));
}

/* Before a test that lets it go. Namespaces of earlier tests may still be ending. */
static inline void await_module(void)
{
	WAIT_UNTIL(users_of_module() == 0);
}

/* And after it, whatever came of that. */
static inline void restore_module(void)
{
	if (users_of_module() < 0)
		NEED(!load());
	sweep();
}

#define SKIP_IF_MISSING() do {						\
	if (access(MODULE, R_OK))					\
		SKIP(return, "no " MODULE " to load again");		\
} while (0)

#endif /* MODULE_H */
