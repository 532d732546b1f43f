/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_GATE_H
#define MBOX_GATE_H

#include "wait.h"

enum mbox_end { MBOX_END_SEND, MBOX_END_RECV };

int mbox_gate_take_end(struct mbox *mb, enum mbox_end end);
int mbox_gate_enter(struct mbox *mb, const struct mbox_pass *pass,
		    const struct mbox_patience *patience);
void mbox_gate_let_in(struct mbox *mb, struct mbox_wakes *wakes);
void mbox_gate_free_end(struct mbox *mb, enum mbox_end end, const struct pid *process);
void mbox_gate_leave(struct mbox *mb);
void mbox_gate_clear(struct mbox_gate *gate);

#endif /* MBOX_GATE_H */
