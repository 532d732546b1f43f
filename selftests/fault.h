/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults for tests: what can fail in a system call of this thread, for want of memory or
 * since user memory would not be copied, does so: the first of all, the second, and so
 * on, each in its turn.
 *
 * What counts can be narrowed to one kind, and to what is called from certain code.
 */
#ifndef FAULT_H
#define FAULT_H

#include "mbox_selftest.h"

enum { SLABS = 1, PAGES = 2, COPIES = 4 };

static const struct {
	int kind;
	const char *directory;
} faults[] = {
	{ SLABS, "/sys/kernel/debug/failslab" },
	{ PAGES, "/sys/kernel/debug/fail_page_alloc" },
	{ COPIES, "/sys/kernel/debug/fail_usercopy" },
};

/* From the first address on, up to the second. */
struct code {
	unsigned long begin, end;
};

static const struct code all_code = { 0, ULONG_MAX };
static const struct code no_code = { 1, 1 };

static inline int set_knob(const char *directory, const char *name, unsigned long value)
{
	char path[96], text[24];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(text, sizeof(text), "%#lx", value);
	return put_file(path, text);
}

/* The module's code; what lies behind it is never on the stack of a call to it. */
static inline struct code code_of_module(void)
{
	FILE *modules = fopen("/proc/modules", "re");
	struct code code = no_code;
	unsigned long size, begin;
	char name[64];

	NEED(modules);
	while (fscanf(modules, "%63s %lu %*d %*s %*s %lx%*[^\n]", name, &size, &begin) == 3)
		if (!strcmp(name, "mbox"))
			code = (struct code){ begin, begin + size };
	fclose(modules);
	NEED(code.begin > no_code.begin);
	return code;
}

/* That of a function of the kernel, if it has it: symbols come by rising address. */
static inline struct code code_of_function(const char *function)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	struct code code = no_code;
	unsigned long address;
	bool found = false;
	char name[256];

	NEED(symbols);
	while (fscanf(symbols, "%lx %*c %255s%*[^\n]", &address, name) == 2) {
		if (!strcmp(name, function)) {
			code.begin = address;
			found = true;
		} else if (found && address > code.begin) {
			code.end = address;
			break;
		}
	}
	fclose(symbols);
	return code;
}

/* This thread's; -1 if the kernel cannot make anything fail. */
static inline int open_fault(void)
{
	return open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

/*
 * What counts, from now on and for all: @kinds of faults in what is called from @code.
 * False if the kernel cannot do that.
 */
static inline bool choose_faults(int kinds, struct code code)
{
	/* If anything may fail, single pages must not: the test itself needs those. */
	bool anywhere = !code.begin;
	unsigned int i;

	if (access("/proc/thread-self/fail-nth", W_OK) ||
	    put_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") ||
	    put_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N") ||
	    put_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N") ||
	    set_knob("/sys/kernel/debug/fail_page_alloc", "min-order", anywhere))
		return false;
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct code where = faults[i].kind & kinds ? code : no_code;

		/* A report of each would take longer than all else. */
		if (set_knob(faults[i].directory, "verbose", 0) ||
		    set_knob(faults[i].directory, "require-start", where.begin) ||
		    set_knob(faults[i].directory, "require-end", where.end))
			return false;
	}
	return true;
}

/* What the kernel's search for leaks notes down of each allocation does not count. */
static inline void leave_notes_alone(void)
{
	struct code code = code_of_function("__alloc_object");
	unsigned int i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		set_knob(faults[i].directory, "reject-start", code.begin);
		set_knob(faults[i].directory, "reject-end", code.end);
	}
}

/* For what is to fail anywhere in a system call. -1 if the kernel cannot do that. */
static inline int open_faults(void)
{
	int fault = open_fault();

	return fault >= 0 && choose_faults(SLABS | PAGES | COPIES, all_code) ? fault : -1;
}

static inline void set_fault(int fault, int nth)
{
	char number[8];
	int len = snprintf(number, sizeof(number), "%d", nth);

	NEED(pwrite(fault, number, len, 0) == len);
}

/* Did it come to pass? Otherwise to ask is what fails, or to turn it off. */
static inline bool fault_is_over(int fault)
{
	char number[8] = "";
	bool over = pread(fault, number, sizeof(number) - 1, 0) > 0 && !atoi(number);

	while (pwrite(fault, "0", 1, 0) != 1)
		NEED(errno == EFAULT);
	return over;
}

/*
 * From now on all that this thread needs slabs for in @code fails, also when it is tried
 * again at once; with no_code nothing fails any more. After choose_faults().
 */
static inline void fail_always(struct code code)
{
	const char *slabs = faults[0].directory;
	bool on = code.begin != code.end;

	NEED(!put_file("/sys/kernel/debug/failslab/times", "-1"));
	NEED(!set_knob(slabs, "interval", 1) && !set_knob(slabs, "probability", on ? 100 : 0));
	NEED(!put_file("/sys/kernel/debug/failslab/task-filter", on ? "Y" : "N"));
	NEED(!set_knob(slabs, "require-start", code.begin));
	NEED(!set_knob(slabs, "require-end", code.end));
	NEED(!put_file("/proc/thread-self/make-it-fail", on ? "1" : "0"));
}

#endif /* FAULT_H */
