/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which code of the module was reached, as KCOV tells it (Documentation/dev-tools/kcov.rst). */
#ifndef FUZZ_KCOV_H
#define FUZZ_KCOV_H

#include <stdbool.h>
#include <stdint.h>

bool kcov_open(unsigned int nr);
void kcov_enable(unsigned int at);
void kcov_begin(void);
uint32_t kcov_collect(unsigned int at);
uint32_t kcov_pcs(void);

#endif /* FUZZ_KCOV_H */
