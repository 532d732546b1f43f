// SPDX-License-Identifier: GPL-2.0-only
/*
 * rights.c - who may do what with a mailbox, by ownership, mode bits and permits
 * (as grants are called here).
 *
 * Asked at each call, of the calling process, without a lock: what is read is one
 * state of mailbox->access, or it is read again. A waiter keeps the stamp of that
 * state; it is seated only if that is still the state, and asked again whenever
 * it changes. So a right that is taken away is gone for everybody who has not
 * been served yet:
 *
 *   caller                          whoever revokes
 *   mbox_rights_admit(): has it     ns->lock, held by it
 *   lock                            mailbox->lock
 *   stamp is old: not seated          change, new stamp
 *     asks again, is told             who is seated and has lost it is told
 *   unlock                          unlock
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "event.h"
#include "gate.h"
#include "limits.h"
#include "ns.h"
#include "participant.h"
#include "policy.h"
#include "process.h"
#include "rights.h"

/* The class that fits best decides alone, as it does for files. */
static unsigned int mode_rights(const struct mbox_access *access)
{
	umode_t mode = READ_ONCE(access->mode);

	if (uid_eq(current_euid(), READ_ONCE(access->uid)))
		mode >>= 6;
	else if (in_egroup_p(READ_ONCE(access->gid)))
		mode >>= 3;
	return mode & (MBOX_RIGHT_SEND | MBOX_RIGHT_RECV);
}

#define GUARDED(mb)	(lockdep_is_held(&(mb)->lock) || lockdep_is_held(&(mb)->ns->lock))

/* Under RCU or one of the locks, like those that follow. */
static struct mbox_permit *find_permit(const struct mbox *mb, const struct pid *process)
{
	struct mbox_permit *permit;

	hash_for_each_possible_rcu(mb->access.permits, permit, node,
				   (unsigned long)process, GUARDED(mb))
		if (permit->holder->pid == process)
			return permit;
	return NULL;
}

static bool is_owner(const struct mbox *mb, const struct pid *process)
{
	const struct mbox_participant *owner;

	owner = rcu_dereference_check(mb->access.owner, GUARDED(mb));
	return owner && owner->pid == process;
}

/* Whatever else says so: process-owned mailboxes have one receiver. */
static unsigned int allowed(const struct mbox *mb, const struct pid *process)
{
	if (!(mb->kind & MBOX_CREATE_PROCESS))
		return MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE;
	return MBOX_RIGHT_MANAGE |
	       (is_owner(mb, process) ? MBOX_RIGHT_RECV : MBOX_RIGHT_SEND);
}

/* What @process has with the current credentials, but for its capabilities. */
static unsigned int rights_of(const struct mbox *mb, const struct pid *process)
{
	const struct mbox_access *access = &mb->access;
	unsigned int rights = mode_rights(access);
	const struct mbox_permit *permit;

	if (is_owner(mb, process))
		rights |= MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE;
	if (uid_eq(current_euid(), READ_ONCE(access->uid)))
		rights |= MBOX_RIGHT_MANAGE;
	permit = find_permit(mb, process);
	if (permit)
		rights |= READ_ONCE(permit->rights);
	return rights & allowed(mb, process);
}

/* The same, at one moment. */
static unsigned int look(const struct mbox *mb, const struct pid *process,
			 unsigned int *stamp)
{
	unsigned int rights;

	rcu_read_lock();
	do {
		*stamp = read_seqcount_begin(&mb->access.seq);
		rights = rights_of(mb, process);
	} while (read_seqcount_retry(&mb->access.seq, *stamp));
	rcu_read_unlock();
	return rights;
}

/* Whoever may signal a process that it can see may send to that. */
static bool may_signal_owner(const struct mbox *mb)
{
	const struct mbox_participant *owner;
	struct pid *pid = NULL;
	bool may;

	rcu_read_lock();
	owner = rcu_dereference(mb->access.owner);
	if (owner)
		pid = get_pid(owner->pid);
	rcu_read_unlock();
	may = pid_vnr(pid) && !mbox_process_may_signal(pid);
	put_pid(pid);
	return may;
}

/* What the mailbox knows nothing of: it is asked once, for all of a call. */
static bool has_beyond(const struct mbox *mb, const struct pid *process, unsigned int right)
{
	bool possible;

	rcu_read_lock();
	possible = allowed(mb, process) & right;
	rcu_read_unlock();
	if (possible && mbox_is_inbox(mb) && right == MBOX_RIGHT_SEND && may_signal_owner(mb))
		return true;
	return possible && ns_capable(mb->ns->user_ns, CAP_IPC_OWNER);
}

/* For what does not wait. */
bool mbox_rights_have(const struct mbox *mb, unsigned int right)
{
	struct pid *process = task_tgid(current);
	unsigned int stamp;

	return look(mb, process, &stamp) & right || has_beyond(mb, process, right);
}

bool mbox_rights_privileged(const struct mbox *mb)
{
	return ns_capable(mb->ns->user_ns, CAP_IPC_OWNER);
}

static bool is_offered(const struct mbox *mb, const struct pid *process)
{
	const struct mbox_participant *to;
	bool offered;

	rcu_read_lock();
	to = mbox_offered_to(mb);
	offered = to && to->pid == process;
	rcu_read_unlock();
	return offered;
}

/*
 * Any right at all, with the current credentials. Listings ask it of every mailbox, so a
 * no is not audited.
 */
static bool sees(const struct mbox *mb, const struct pid *process)
{
	unsigned int stamp;

	return look(mb, process, &stamp) || is_offered(mb, process) ||
	       ns_capable_noaudit(mb->ns->user_ns, CAP_IPC_OWNER);
}

/* Whether the calling process may know of it. */
bool mbox_rights_see(const struct mbox *mb)
{
	return sees(mb, task_tgid(current)) || (mbox_is_inbox(mb) && may_signal_owner(mb));
}

/* Likewise, whoever gave it its socket: that one may read from it, too. */
static bool opener_sees(const struct mbox *mb)
{
	return mode_rights(&mb->access) ||
	       uid_eq(current_euid(), READ_ONCE(mb->access.uid)) ||
	       ns_capable_noaudit(mb->ns->user_ns, CAP_IPC_OWNER);
}

/*
 * Under ns->lock. An offer is void when the owner has ended; whoever it was made to is
 * told of that, and so is a viewer for as long as it is there.
 */
static bool was_offered(const struct mbox *mb, const struct pid *process)
{
	const struct mbox_participant *to;

	to = rcu_dereference_protected(mb->offer.to, lockdep_is_held(&mb->ns->lock));
	return to && to->pid == process;
}

static bool is_no_more(const struct cred *now, const struct cred *then)
{
	return now == then ||
	       (now->user_ns == then->user_ns && uid_eq(now->euid, then->euid) &&
		gid_eq(now->egid, then->egid) &&
		cap_issubset(now->cap_permitted, then->cap_permitted));
}

/*
 * What a process owns and was granted is not the viewer's any more once the process has
 * other or more rights than when it asked: then it may be a set-user-ID program, and
 * others may hold the socket.
 */
static const struct pid *process_of(const struct mbox_viewer *viewer)
{
	const struct task_struct *leader;
	bool same;

	rcu_read_lock();
	leader = pid_task(viewer->process, PIDTYPE_TGID);
	same = leader && is_no_more(__task_cred(leader), viewer->cred);
	rcu_read_unlock();
	return same ? viewer->process : NULL;
}

/* Whether the viewer may know of it; of one that is told @later: under ns->lock. */
bool mbox_rights_show(const struct mbox *mb, const struct mbox_viewer *viewer)
{
	const struct pid *process = process_of(viewer);
	bool is_asking = !viewer->later && process == task_tgid(current);
	const struct cred *saved = override_creds(viewer->cred);
	bool shows = is_asking ? mbox_rights_see(mb) : sees(mb, process);

	revert_creds(saved);
	if (viewer->later && was_offered(mb, process))
		shows = true;
	if (!shows || !viewer->opener)
		return shows;
	saved = override_creds(viewer->opener);
	shows = opener_sees(mb);
	revert_creds(saved);
	return shows;
}

/* What one without a right is told: of what is gone nobody has any. */
int mbox_rights_refusal(const struct mbox *mb)
{
	return mbox_is_gone(mb) ? -EIDRM : -EACCES;
}

/*
 * Passes.
 */

static bool actor_holds(const struct mbox *mb, const struct mbox_actor *actor,
			unsigned int right)
{
	const struct cred *saved;
	bool has;

	if (actor->privileged)
		return true;
	saved = override_creds(actor->cred);
	has = rights_of(mb, actor->process) & right;
	revert_creds(saved);
	return has;
}

/*
 * Of one who waits, or is about to. One who could stay by a capability that it has
 * not used is told, too: then it may insist, and takes a new seat.
 */
static bool pass_holds(const struct mbox *mb, const struct mbox_pass *pass)
{
	unsigned int i;

	lockdep_assert_held(&mb->lock);
	for (i = 0; i < pass->nr; i++)
		if (!actor_holds(mb, &pass->actors[i], pass->right))
			return false;
	return true;
}

/* What the calling process is about to do. */
void mbox_rights_ask(struct mbox_pass *pass, unsigned int right)
{
	pass->right = right;
	pass->holds = pass_holds;
	pass->nr = 1;
	pass->actors[0] = (struct mbox_actor) {
		.process = task_tgid(current),
		.cred = current_cred(),
	};
}

/*
 * read and write happen without a program's knowing, say to what it was given
 * as standard output. So it takes the right of both, the process that calls and
 * the one that opened the descriptor, as it was then.
 */
void mbox_rights_ask_opener(struct mbox_pass *pass, const struct pid *opener,
			    const struct cred *opener_cred)
{
	if (opener == task_tgid(current) && opener_cred == current_cred())
		return;
	pass->actors[pass->nr++] = (struct mbox_actor) {
		.process = opener,
		.cred = opener_cred,
	};
}

static bool admit_actor(const struct mbox *mb, struct mbox_actor *actor,
			unsigned int right, unsigned int *stamp)
{
	actor->privileged = !(look(mb, actor->process, stamp) & right);
	return !actor->privileged || has_beyond(mb, actor->process, right);
}

/* Whether all actors have the right now. */
bool mbox_rights_admit(const struct mbox *mb, struct mbox_pass *pass)
{
	const struct cred *saved;
	unsigned int later;
	bool has;

	if (!admit_actor(mb, &pass->actors[0], pass->right, &pass->stamp))
		return false;
	if (pass->nr == 1)
		return true;
	saved = override_creds(pass->actors[1].cred);
	has = admit_actor(mb, &pass->actors[1], pass->right, &later);
	revert_creds(saved);
	return has;
}

static int insist_actor(const struct mbox *mb, struct mbox_actor *actor,
			unsigned int right)
{
	const struct cred *saved = override_creds(actor->cred);
	unsigned int stamp;
	int found = 0;

	if (!actor->privileged && !(look(mb, actor->process, &stamp) & right)) {
		actor->privileged = has_beyond(mb, actor->process, right);
		found = actor->privileged ? 1 : -EKEYREVOKED;
	}
	revert_creds(saved);
	return found;
}

/* For mbox_rights_known(). */
bool mbox_rights_learn(const struct mbox *mb, struct mbox_caller *caller, unsigned int right,
		       unsigned int *stamp)
{
	unsigned int rights = look(mb, caller->process, stamp);

	WRITE_ONCE(caller->known, (u64)*stamp << 32 | rights);
	return rights & right;
}

/* For mbox_rights_known_of_both(). */
bool mbox_rights_learn_of_both(const struct mbox *mb, struct mbox_caller *caller,
			       const struct pid *opener, const struct cred *opener_cred,
			       unsigned int right, unsigned int *stamp)
{
	unsigned int rights = look(mb, caller->process, stamp), later;
	const struct cred *saved = override_creds(opener_cred);

	rights &= look(mb, opener, &later);
	revert_creds(saved);
	if (later == *stamp)
		WRITE_ONCE(caller->known_of_both, (u64)*stamp << 32 | rights);
	return later == *stamp && rights & right;
}

/*
 * After -EKEYREVOKED: whether a capability makes up for what was lost: 1, 0 if
 * nothing is lost now, else -EKEYREVOKED. What a capability gives nobody takes
 * away, so a call comes here with a 1 once for each actor at most.
 */
int mbox_rights_insist(const struct mbox *mb, struct mbox_pass *pass)
{
	unsigned int i;
	int found = 0;

	for (i = 0; i < pass->nr && found >= 0; i++)
		found = insist_actor(mb, &pass->actors[i], pass->right) ?: found;
	return found;
}

/*
 * Whatever says who may do what is changed by @change, and by nothing else. To be
 * followed by mbox_event_tell().
 */
void mbox_rights_change(struct mbox *mb, void (*change)(struct mbox *mb, void *arg),
			void *arg)
{
	lockdep_assert_held(&mb->ns->lock);
	mbox_event_look(mb);
	mbox_policy_change(mb, change, arg);
}

/*
 * Permits.
 */

/* For a process that is to get @rights, and is yet to be named; or NULL. */
struct mbox_permit *mbox_rights_alloc(struct mbox *mb, unsigned int rights)
{
	struct mbox_permit *permit = kzalloc(sizeof(*permit), MBOX_GFP);

	if (!permit)
		return NULL;
	INIT_LIST_HEAD(&permit->tie);
	permit->mb = mb;
	permit->rights = rights;
	return permit;
}

void mbox_rights_free(struct mbox_permit *permit)
{
	if (!permit)
		return;
	mbox_participant_put(permit->holder);
	kfree_rcu(permit, rcu);
}

static void add_permit(struct mbox *mb, void *arg)
{
	struct mbox_permit *permit = arg;

	hash_add_rcu(mb->access.permits, &permit->node, (unsigned long)permit->holder->pid);
	mb->access.nr_permits++;
	mbox_ns_changed(mb->ns);
}

/* Of a MBOX_CREATE_PAIR mailbox, that its holder had by what it loses. */
static void free_ends(struct mbox *mb, const struct mbox_permit *permit, unsigned int lost)
{
	if (lost & MBOX_RIGHT_SEND)
		mbox_gate_free_end(mb, MBOX_END_SEND, permit->holder->pid);
	if (lost & MBOX_RIGHT_RECV)
		mbox_gate_free_end(mb, MBOX_END_RECV, permit->holder->pid);
}

static void remove_permit(struct mbox *mb, void *arg)
{
	struct mbox_permit *permit = arg;

	free_ends(mb, permit, permit->rights);
	hash_del_rcu(&permit->node);
	mb->access.nr_permits--;
	mbox_ns_changed(mb->ns);
}

struct rights_change {
	struct mbox_permit *permit;
	unsigned int rights;
};

static void set_rights(struct mbox *mb, void *arg)
{
	const struct rights_change *change = arg;
	struct mbox_permit *permit = change->permit;

	free_ends(mb, permit, permit->rights & ~change->rights);
	WRITE_ONCE(permit->rights, change->rights);
}

static void tell(struct mbox *mb, enum mbox_event event, const struct mbox_participant *holder,
		 unsigned int rights, struct pid *actor)
{
	const struct mbox_news news = {
		.event = event,
		.actor = actor,
		.process = holder,
		.rights = rights,
	};

	mbox_event_tell(mb, &news);
}

static void extend(struct mbox *mb, struct mbox_permit *permit, unsigned int rights)
{
	struct rights_change change = { .permit = permit, .rights = permit->rights | rights };

	rights &= ~permit->rights;
	if (!rights)
		return;
	mbox_rights_change(mb, set_rights, &change);
	tell(mb, MBOX_EVENT_GRANTED, permit->holder, rights, task_tgid(current));
}

static void reduce(struct mbox *mb, struct mbox_permit *permit, unsigned int rights)
{
	struct rights_change change = { .permit = permit, .rights = permit->rights & ~rights };

	rights &= permit->rights;
	mbox_rights_change(mb, set_rights, &change);
	tell(mb, MBOX_EVENT_REVOKED, permit->holder, rights, task_tgid(current));
}

static void end_permit(struct mbox *mb, struct mbox_permit *permit, struct pid *actor)
{
	mbox_rights_change(mb, remove_permit, permit);
	tell(mb, MBOX_EVENT_REVOKED, permit->holder, permit->rights, actor);
	mbox_participant_untie(&permit->tie);
	mbox_rights_free(permit);
}

/* Whether the limit allows one for this process. */
bool mbox_rights_room(const struct mbox *mb, const struct pid *process)
{
	return find_permit(mb, process) ||
	       mb->access.nr_permits < READ_ONCE(mbox_limits.max_grants);
}

/* 0, and the permit is the mailbox's; -ESRCH if its holder has ended. */
int mbox_rights_grant(struct mbox *mb, struct mbox_permit *permit)
{
	struct mbox_permit *former = find_permit(mb, permit->holder->pid);
	int err;

	if (former) {
		extend(mb, former, permit->rights);
		mbox_rights_free(permit);
		return 0;
	}
	err = mbox_participant_tie(permit->holder, &permit->tie, &permit->holder->permits);
	if (err)
		return err;
	mbox_rights_change(mb, add_permit, permit);
	tell(mb, MBOX_EVENT_GRANTED, permit->holder, permit->rights, task_tgid(current));
	return 0;
}

/* 0, or -ESRCH if it was granted none of them. */
int mbox_rights_revoke(struct mbox *mb, struct pid *process, unsigned int rights)
{
	struct mbox_permit *permit = find_permit(mb, process);

	if (!permit || !(permit->rights & rights))
		return -ESRCH;
	if (permit->rights & ~rights)
		reduce(mb, permit, rights);
	else
		end_permit(mb, permit, task_tgid(current));
	return 0;
}

/* A process that was granted something has ended. */
void mbox_rights_ended(struct mbox *mb, struct mbox_participant *holder)
{
	struct mbox_permit *permit;

	mutex_lock(&mb->ns->lock);
	permit = find_permit(mb, holder->pid);
	if (permit)
		end_permit(mb, permit, NULL);
	mutex_unlock(&mb->ns->lock);
}

/* Of a mailbox that is gone: nobody has a seat any more, or takes one. */
void mbox_rights_clear(struct mbox *mb)
{
	struct mbox_permit *permit;
	struct hlist_node *next;
	unsigned int i;

	lockdep_assert_held(&mb->ns->lock);
	hash_for_each_safe(mb->access.permits, i, next, permit, node) {
		spin_lock(&mb->lock);
		remove_permit(mb, permit);
		spin_unlock(&mb->lock);
		mbox_participant_untie(&permit->tie);
		mbox_rights_free(permit);
	}
}

/* The first @nr of the permits, for @viewer, and how many there are. */
u32 mbox_rights_list(struct mbox *mb, const struct mbox_viewer *viewer,
		     struct mbox_granted *granted, u32 nr)
{
	const struct mbox_permit *permit;
	unsigned int i;
	u32 at = 0;

	lockdep_assert_held(&mb->ns->lock);
	hash_for_each(mb->access.permits, i, permit, node) {
		if (at == nr)
			break;
		granted[at].pid = mbox_viewer_living_nr(viewer, permit->holder->pid);
		granted[at++].rights = permit->rights;
	}
	return mb->access.nr_permits;
}

/*
 * Each of the permits, from the one that is behind @from others on, until @each fails:
 * how many there were up to that, all in all.
 */
u32 mbox_rights_each(struct mbox *mb, u32 from,
		     int (*each)(const struct mbox_permit *permit, void *arg), void *arg)
{
	const struct mbox_permit *permit;
	unsigned int i;
	u32 at = 0;

	lockdep_assert_held(&mb->ns->lock);
	hash_for_each(mb->access.permits, i, permit, node) {
		if (at >= from && each(permit, arg))
			break;
		at++;
	}
	return at;
}
