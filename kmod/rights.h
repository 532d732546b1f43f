/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MBOX_RIGHTS_H
#define MBOX_RIGHTS_H

#include <linux/cred.h>

#include "mbox.h"

/* The first two are those of the mode bits. */
#define MBOX_RIGHT_SEND		02
#define MBOX_RIGHT_RECV		04
#define MBOX_RIGHT_MANAGE	010

bool mbox_rights_have(const struct mbox *mb, unsigned int right);
bool mbox_rights_see(const struct mbox *mb);
bool mbox_rights_stream(const struct mbox *mb, unsigned int right,
			const struct pid *opener, const struct cred *opener_cred);

#endif /* MBOX_RIGHTS_H */
