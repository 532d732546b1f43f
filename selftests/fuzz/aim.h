/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aims: what would make sense in the world as it is, most often; else there are no errors. */
#ifndef FUZZ_AIM_H
#define FUZZ_AIM_H

#include "oracle.h"

#define NO_PID		4194303		/* no process gets that */

uint64_t aim_any(const struct world *world, uint8_t byte);
bool aim_has_token(const struct world *world, unsigned int who);
bool aim_may_take_request(const struct world *world, unsigned int who);
bool aim_exists(const struct world *world, unsigned int who, enum what what);
uint64_t aim_mailbox(const struct world *world, unsigned int who, unsigned int fd, uint8_t byte,
		     enum what what);
uint64_t aim_owned(const struct world *world, unsigned int who, unsigned int fd, uint8_t byte);
uint64_t aim_source(const struct world *world, unsigned int who, unsigned int fd, uint8_t byte);
int aim_target(const struct world *world, unsigned int who, unsigned int fd, uint64_t id);
int32_t aim_pid(const struct world *world, uint8_t byte);
uint64_t aim_token(const struct world *world, unsigned int who, uint8_t byte);
uint64_t aim_tag(const struct world *world, int box, uint8_t byte);
int32_t aim_granted(const struct world *world, int box, uint8_t byte);
unsigned int aim_fd(const struct world *world, unsigned int who, const struct op *op,
		    enum what what);

#endif /* FUZZ_AIM_H */
