/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_ENDS_H
#define MBOX_ENDS_H

#include "mbox.h"

void mbox_ends_process(struct mbox_participant *participant);

#endif /* MBOX_ENDS_H */
