// SPDX-License-Identifier: GPL-2.0-only
/*
 * rights.c - who may do what with a mailbox. Asked at each call, of the calling
 * process; the answer depends on nothing that can change under us.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/sched/signal.h>
#include <linux/uidgid.h>

#include "rights.h"

/* The class that fits best decides alone, as it does for files. */
static unsigned int mode_rights(const struct mbox *mb)
{
	umode_t mode = mb->mode;

	if (uid_eq(current_euid(), mb->uid))
		mode >>= 6;
	else if (in_egroup_p(mb->gid))
		mode >>= 3;
	return mode & (MBOX_RIGHT_SEND | MBOX_RIGHT_RECV);
}

/* What @process has with the current credentials, but for its capabilities. */
static unsigned int rights_of(const struct mbox *mb, const struct pid *process)
{
	unsigned int rights = mode_rights(mb);

	if (process == mb->owner)
		rights |= MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE;
	if (uid_eq(current_euid(), mb->uid))
		rights |= MBOX_RIGHT_MANAGE;
	return rights;
}

static bool process_has(const struct mbox *mb, unsigned int right,
			const struct pid *process)
{
	return (rights_of(mb, process) & right) ||
	       ns_capable(mb->ns->user_ns, CAP_IPC_OWNER);
}

bool mbox_rights_have(const struct mbox *mb, unsigned int right)
{
	return process_has(mb, right, task_tgid(current));
}

/* Any right at all. Listings ask it of every mailbox, so a no is not audited. */
bool mbox_rights_see(const struct mbox *mb)
{
	return rights_of(mb, task_tgid(current)) ||
	       ns_capable_noaudit(mb->ns->user_ns, CAP_IPC_OWNER);
}

/*
 * read and write happen without a program's knowing, say to what it was given
 * as standard output. So it takes the right of both, the process that calls and
 * the one that opened the descriptor, as it was then.
 */
bool mbox_rights_stream(const struct mbox *mb, unsigned int right,
			const struct pid *opener, const struct cred *opener_cred)
{
	const struct cred *saved;
	bool has;

	if (!mbox_rights_have(mb, right))
		return false;
	if (opener == task_tgid(current) && opener_cred == current_cred())
		return true;
	saved = override_creds(opener_cred);
	has = process_has(mb, right, opener);
	revert_creds(saved);
	return has;
}
