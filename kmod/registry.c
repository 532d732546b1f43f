// SPDX-License-Identifier: GPL-2.0-only
/*
 * registry.c - how a mailbox comes into a namespace, is found, and leaves it.
 *
 * The registry's reference keeps a mailbox alive that nobody uses, and the
 * module loaded for it.
 */

#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "event.h"
#include "mailbox.h"
#include "ns.h"
#include "owner.h"
#include "registry.h"
#include "rights.h"

static unsigned int net_id;

struct mbox_ns *mbox_registry_ns_of(struct net *net)
{
	struct mbox_ns **slot = net_generic(net, net_id);

	return *slot;
}

/* The calling process's. */
struct mbox_ns *mbox_registry_ns(void)
{
	return mbox_registry_ns_of(current->nsproxy->net_ns);
}

/* A thread's; one that has ended has none. */
static bool thread_shares_ns(struct task_struct *thread)
{
	const struct nsproxy *nsproxy;
	bool shares;

	task_lock(thread);
	nsproxy = thread->nsproxy;
	shares = nsproxy && nsproxy->net_ns == current->nsproxy->net_ns;
	task_unlock(thread);
	return shares;
}

/* Whether a process, with one of its threads, is in the caller's network namespace. */
bool mbox_registry_shares_ns(struct pid *process)
{
	struct task_struct *leader, *thread;
	bool shares = false;

	rcu_read_lock();
	leader = pid_task(process, PIDTYPE_TGID);
	if (leader) {
		/* for_each_thread(), which debug kernels do not let modules use. */
		list_for_each_entry_rcu(thread, &leader->signal->thread_head, thread_node) {
			shares = thread_shares_ns(thread);
			if (shares)
				break;
		}
	}
	rcu_read_unlock();
	return shares;
}

/* It has come or is about to go, and still has its owner, unless that was what ended it. */
static void tell(struct mbox *mb, enum mbox_event event, bool by_caller)
{
	const struct mbox_news news = {
		.event = event,
		.actor = by_caller ? task_tgid(current) : NULL,
		.process = rcu_dereference_protected(mb->access.owner,
						     lockdep_is_held(&mb->ns->lock)),
	};

	mbox_event_tell(mb, &news);
}

/*
 * It has an owner before it can be found. If it fails when it has been found already, by its
 * name, it ends like others.
 */
static int publish(struct mbox *mb, struct mbox_heir *owner)
{
	int err;

	if (mb->ns->over)
		return -ESTALE;
	err = mbox_owner_first(mb, owner);
	if (err)
		return err;
	err = mbox_ns_add(mb->ns, mb);
	if (err) {
		mbox_mailbox_mark_gone(mb);
		mbox_owner_clear(mb);
		return err;
	}
	mbox_owner_show_inbox(mb);
	tell(mb, MBOX_EVENT_CREATED, true);
	return 0;
}

/*
 * Give a mailbox its owner, an id and, if it has a name, that name. From now on it
 * is found, and the registry holds it. -ESTALE if its network namespace has ended, which
 * is none that a process is in.
 */
int mbox_registry_add(struct mbox *mb, struct mbox_heir *owner)
{
	int err;

	/* Before it is found: it may be deleted at once. */
	mbox_mailbox_get(mb);
	__module_get(THIS_MODULE);
	err = mutex_lock_killable(&mb->ns->lock);
	if (!err) {
		err = publish(mb, owner);
		mutex_unlock(&mb->ns->lock);
	}
	if (err) {
		if (READ_ONCE(mb->state) == MBOX_GONE)
			mbox_mailbox_clear(mb);
		module_put(THIS_MODULE);
		mbox_mailbox_put(mb);
	}
	return err;
}

static int unpublish(struct mbox *mb, bool by_caller)
{
	lockdep_assert_held(&mb->ns->lock);
	/* Its owner has ended before it came to be in the registry, or after. */
	if (mb->kind & MBOX_CREATE_PROCESS && !rcu_access_pointer(mb->access.owner))
		return -EIDRM;
	if (by_caller && !mbox_rights_have(mb, MBOX_RIGHT_MANAGE))
		return mbox_rights_refusal(mb);
	if (!mbox_mailbox_mark_gone(mb))
		return -EIDRM;
	mbox_ns_remove(mb->ns, mb);
	tell(mb, MBOX_EVENT_DELETED, by_caller);
	mbox_rights_clear(mb);
	mbox_owner_clear(mb);
	return 0;
}

/*
 * End a mailbox, if need be because the caller wants to: then it takes the right.
 * The name is free before anybody is told, so that whoever is woken can create its
 * successor.
 */
int mbox_registry_delete(struct mbox *mb, bool by_caller)
{
	int err;

	mutex_lock(&mb->ns->lock);
	err = unpublish(mb, by_caller);
	mutex_unlock(&mb->ns->lock);
	if (err)
		return err;
	mbox_mailbox_clear(mb);
	mbox_mailbox_put(mb);
	module_put(THIS_MODULE);
	return 0;
}

/* Under RCU: a reference to @mb, if there is one to take. */
static struct mbox *get_live(struct mbox *mb)
{
	if (!mb || mbox_is_gone(mb))
		return NULL;
	return refcount_inc_not_zero(&mb->refs) ? mb : NULL;
}

/*
 * The mailbox, -ENOENT if there never was one, or -EIDRM if there was. The last
 * id is read first: an id that was given out by then is in the table, or was.
 */
struct mbox *mbox_registry_get(struct mbox_ns *ns, u64 id)
{
	/* Pairs with the release in mbox_ns_add(). */
	u64 last_id = smp_load_acquire(&ns->last_id);
	struct mbox *mb;

	rcu_read_lock();
	mb = get_live(mbox_ns_find_id(ns, id));
	rcu_read_unlock();
	return mb ?: ERR_PTR(id > last_id ? -ENOENT : -EIDRM);
}

struct mbox *mbox_registry_get_named(struct mbox_ns *ns, const u8 name[MBOX_NAME_SIZE])
{
	struct mbox *mb;

	rcu_read_lock();
	mb = get_live(mbox_ns_find_name(ns, name));
	rcu_read_unlock();
	return mb ?: ERR_PTR(-ENOENT);
}

/*
 * The mailbox with the smallest id from @id on, or -ENOENT. Whoever lists mailboxes takes no
 * lock for it: a thousand that do would keep those waiting who create and delete.
 */
struct mbox *mbox_registry_get_next(struct mbox_ns *ns, u64 id)
{
	struct mbox *mb, *live;
	unsigned int seq;
	bool changed;

	do {
		/* With PREEMPT_RT it may sleep: not under RCU. */
		seq = read_seqcount_begin(&ns->order_seq);
		rcu_read_lock();
		mb = mbox_ns_find_next(ns, id);
		changed = read_seqcount_retry(&ns->order_seq, seq);
		live = changed ? NULL : get_live(mb);
		/* It may be one that is being ended. */
		if (mb && !changed)
			id = mb->id + 1;
		rcu_read_unlock();
	} while (changed || (mb && !live));
	return live ?: ERR_PTR(-ENOENT);
}

static int __net_init net_init(struct net *net)
{
	struct mbox_ns **slot = net_generic(net, net_id);

	*slot = mbox_ns_alloc(net->user_ns, net->ns.inum);
	return *slot ? 0 : -ENOMEM;
}

static struct mbox *get_any(struct mbox_ns *ns)
{
	struct mbox *mb;

	mutex_lock(&ns->lock);
	mb = mbox_ns_find_next(ns, 0);
	if (mb)
		mbox_mailbox_get(mb);
	mutex_unlock(&ns->lock);
	return mb;
}

/* No process is left inside, but processes outside may have links that were made inside. */
static void __net_exit net_exit(struct net *net)
{
	struct mbox_ns *ns = mbox_registry_ns_of(net);
	struct mbox *mb;

	mutex_lock(&ns->lock);
	WRITE_ONCE(ns->over, true);
	mutex_unlock(&ns->lock);
	while ((mb = get_any(ns))) {
		mbox_registry_delete(mb, false);
		mbox_mailbox_put(mb);
		cond_resched();
	}
	mbox_ns_put(ns);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &net_id,
	.size = sizeof(struct mbox_ns *),
};

int mbox_registry_init(void)
{
	return register_pernet_subsys(&net_ops);
}

void mbox_registry_exit(void)
{
	unregister_pernet_subsys(&net_ops);
	/* kfree_rcu() and the tables need no code of ours, but be plain about it. */
	rcu_barrier();
}
