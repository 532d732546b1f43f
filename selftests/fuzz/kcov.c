// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kcov.c - one area for each process that takes part. What is counted is steps from one
 * basic block to the next, by a hash: a loop that runs once more is nothing new.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kcov.h"

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0

#define AREAS		16
#define WORDS		(16UL << 10)
#define STEPS		(1U << 18)

static int fds[AREAS];
static unsigned long *areas[AREAS];
static unsigned long *mine;		/* the area of this thread */
static uint8_t steps[STEPS / 8], pcs[STEPS / 8];
static uint32_t nr_pcs;

/* False if this kernel has no KCOV: then nothing is collected. */
bool kcov_open(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fds[i] = open("/sys/kernel/debug/kcov", O_RDWR);
		if (fds[i] < 0 || ioctl(fds[i], KCOV_INIT_TRACE, WORDS))
			return false;
		areas[i] = mmap(NULL, WORDS * sizeof(unsigned long), PROT_READ | PROT_WRITE,
				MAP_SHARED, fds[i], 0);
		if (areas[i] == MAP_FAILED) {
			areas[i] = NULL;
			return false;
		}
	}
	return true;
}

/* From now on what this thread does goes to the area @at. */
void kcov_enable(unsigned int at)
{
	mine = NULL;
	if (areas[at] && !ioctl(fds[at], KCOV_ENABLE, KCOV_TRACE_PC))
		mine = areas[at];
}

void kcov_begin(void)
{
	if (mine)
		__atomic_store_n(&mine[0], 0, __ATOMIC_RELAXED);
}

static bool is_new(uint8_t *set, uint64_t value)
{
	uint32_t bit = (value * 0x9e3779b97f4a7c15) >> 46;
	bool new = !(set[bit / 8] & 1 << bit % 8);

	set[bit / 8] |= 1 << bit % 8;
	return new;
}

/* How many steps there were in the area that nobody made before. */
uint32_t kcov_collect(unsigned int at)
{
	const unsigned long *area = areas[at];
	unsigned long nr, i, last = 0;
	uint32_t new = 0;

	if (!area)
		return 0;
	nr = __atomic_load_n(&area[0], __ATOMIC_RELAXED);
	if (nr > WORDS - 1)
		nr = WORDS - 1;
	for (i = 1; i <= nr; i++) {
		new += is_new(steps, area[i] ^ last << 17);
		nr_pcs += is_new(pcs, area[i]);
		last = area[i];
	}
	return new;
}

uint32_t kcov_pcs(void)
{
	return nr_pcs;
}
