/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to mailboxes, in lines on standard output: for people, or in JSON
 * (happening.c).
 */
#ifndef MBOXCTL_HAPPENING_H
#define MBOXCTL_HAPPENING_H

#include "known.h"

/* Names of MBOX_EVENT_BIT()s. */
extern const struct bit events[];

/* The number of events is not known. */
#define SOME	0

void write_event(const struct netlink_event *event, bool json);
void write_lost(uint64_t count, bool json);
/* What was found by looking. @first: there was no look before. */
void write_found(const struct change *change, bool first, bool json);

#endif /* MBOXCTL_HAPPENING_H */
