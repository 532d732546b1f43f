// SPDX-License-Identifier: GPL-2.0-only
/*
 * listener.c - those who subscribed to events, and the messages that they are sent.
 *
 * A listener is a netlink socket, and what it may see is what the process may see that
 * subscribed. Each event is made for each listener, since each has numbers of its own
 * for processes and users, and for events.
 *
 * Messages are put into the listener's socket itself, not sent to its port: whoever
 * binds that port between the end of the socket and our learning of it would get what
 * is not meant for it.
 *
 * Locks: all listeners of a namespace, and what is in them, are guarded by ns->lock.
 * When a socket ends, netlink says so, to a notifier that may sleep.
 */

#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "event.h"
#include "mailbox.h"
#include "netlink.h"
#include "ns.h"
#include "registry.h"
#include "rights.h"

/**
 * struct listener - a socket that is sent events
 * @node: in ns->listeners
 * @sk: the socket (a reference)
 * @portid: its port, while it lives
 * @ns: whose events; it outlives the listener, since @sk holds the network namespace
 * @viewer: whoever subscribed, with references
 * @events: which ones; MBOX_EVENT_BIT()s
 * @seq: number of the event that was meant for it last
 * @saw: id of the mailbox that it could see before the change under way, or 0
 */
struct listener {
	struct list_head node;
	struct sock *sk;
	u32 portid;
	struct mbox_ns *ns;
	struct mbox_viewer viewer;
	u32 events;
	u64 seq;
	u64 saw;
};

static const struct mbox_cost cost = { .listeners = 1, .bytes = sizeof(struct listener) };

/*
 * Events.
 */

static void look(struct mbox *mb)
{
	struct listener *listener;

	list_for_each_entry(listener, &mb->ns->listeners, node)
		if (mbox_rights_show(mb, &listener->viewer))
			listener->saw = mb->id;
}

static int put_pid_of(struct sk_buff *skb, int attr, const struct mbox_viewer *viewer,
		      struct pid *process)
{
	return process ? nla_put_s32(skb, attr, mbox_viewer_nr(viewer, process)) : 0;
}

static int put_process(struct sk_buff *skb, const struct mbox_viewer *viewer,
		       const struct mbox_participant *process)
{
	if (!process)
		return 0;
	return put_pid_of(skb, MBOX_A_PROCESS, viewer, process->pid) ?:
	       nla_put_u64_64bit(skb, MBOX_A_PARTICIPANT, process->id, MBOX_A_PAD);
}

static int put_former(struct sk_buff *skb, const struct mbox_viewer *viewer,
		      const struct mbox_participant *former)
{
	return former ? put_pid_of(skb, MBOX_A_FORMER, viewer, former->pid) : 0;
}

static int put_news(struct sk_buff *skb, struct mbox *mb, const struct mbox_news *news,
		    const struct listener *listener)
{
	const struct mbox_viewer *viewer = &listener->viewer;
	struct mbox_stat stat;

	mbox_mailbox_stat(mb, viewer, &stat, NULL);
	return nla_put_u32(skb, MBOX_A_EVENT, news->event) ?:
	       nla_put_u64_64bit(skb, MBOX_A_SEQ, listener->seq, MBOX_A_PAD) ?:
	       nla_put_u64_64bit(skb, MBOX_A_TIME, ktime_get_real_ns(), MBOX_A_PAD) ?:
	       nla_put(skb, MBOX_A_STAT, sizeof(stat), &stat) ?:
	       put_pid_of(skb, MBOX_A_ACTOR, viewer, news->actor) ?:
	       put_process(skb, viewer, news->process) ?:
	       put_former(skb, viewer, news->former) ?:
	       (news->rights ? nla_put_u32(skb, MBOX_A_RIGHTS, news->rights) : 0) ?:
	       (news->count ? nla_put_u32(skb, MBOX_A_COUNT, news->count) : 0);
}

/* Sockets are full by the memory that messages take: so no more than is needed. */
static size_t event_size(void)
{
	return nla_total_size(sizeof(struct mbox_stat)) +
	       3 * nla_total_size_64bit(sizeof(u64)) + 6 * nla_total_size(sizeof(u32));
}

/* A message with the event, or NULL. */
static struct sk_buff *write(struct mbox *mb, const struct mbox_news *news,
			     const struct listener *listener)
{
	struct sk_buff *skb;
	void *header;

	skb = genlmsg_new(event_size(), GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!skb)
		return NULL;
	header = genlmsg_put(skb, 0, 0, &mbox_netlink_family, 0, MBOX_CMD_EVENT);
	if (!header || put_news(skb, mb, news, listener)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, header);
	return skb;
}

static void report(struct sock *sk, int error)
{
	WRITE_ONCE(sk->sk_err, error);
	sk_error_report(sk);
}

/*
 * What there is no room for is lost, and the listener told so. What its own filter drops
 * (-EPERM) it did not want.
 */
static void send(struct mbox *mb, const struct mbox_news *news, struct listener *listener)
{
	struct sk_buff *skb;
	int err;

	listener->seq++;
	skb = write(mb, news, listener);
	err = skb ? sock_queue_rcv_skb(listener->sk, skb) : -ENOMEM;
	if (!err)
		return;
	kfree_skb(skb);
	if (err != -EPERM)
		report(listener->sk, ENOBUFS);
}

static void tell(struct mbox *mb, const struct mbox_news *news)
{
	struct listener *listener;

	list_for_each_entry(listener, &mb->ns->listeners, node) {
		bool saw = listener->saw == mb->id;

		listener->saw = 0;
		if (listener->events & MBOX_EVENT_BIT(news->event) &&
		    (saw || mbox_rights_show(mb, &listener->viewer)))
			send(mb, news, listener);
	}
}

static const struct mbox_audience audience = { .look = look, .tell = tell };

/*
 * Subscriptions.
 */

static struct listener *find(const struct mbox_ns *ns, const struct sock *sk)
{
	struct listener *listener;

	list_for_each_entry(listener, &ns->listeners, node)
		if (listener->sk == sk)
			return listener;
	return NULL;
}

static void free_listener(struct listener *listener)
{
	sock_put(listener->sk);
	mbox_netlink_viewer_put(&listener->viewer);
	kfree(listener);
}

static void end(struct listener *listener)
{
	if (!listener)
		return;
	mbox_ns_uncharge(listener->ns, listener->viewer.account, &cost);
	free_listener(listener);
}

/* Nobody finds it yet, and it is charged. */
static struct listener *begin(struct mbox_ns *ns, const struct sk_buff *skb)
{
	struct listener *listener = kzalloc(sizeof(*listener), MBOX_GFP);
	int err;

	if (!listener)
		return ERR_PTR(-ENOMEM);
	listener->sk = NETLINK_CB(skb).sk;
	listener->portid = NETLINK_CB(skb).portid;
	listener->ns = ns;
	err = mbox_netlink_viewer(&listener->viewer, skb);
	if (err) {
		kfree(listener);
		return ERR_PTR(err);
	}
	listener->viewer.later = true;
	sock_hold(listener->sk);
	err = mbox_ns_charge(ns, listener->viewer.account, &cost);
	if (!err)
		return listener;
	free_listener(listener);
	return ERR_PTR(err);
}

/* Change what there is, or add one. What is left of @fresh is not needed. */
static int subscribe(struct mbox_ns *ns, const struct sock *sk, u32 events,
		     struct listener **fresh)
{
	struct listener *listener;

	/* Not killable: netlink does not tell anybody of EINTR. */
	mutex_lock(&ns->lock);
	listener = find(ns, sk);
	if (!listener && *fresh) {
		listener = *fresh;
		*fresh = NULL;
		list_add_tail(&listener->node, &ns->listeners);
	}
	if (listener)
		listener->events = events;
	mutex_unlock(&ns->lock);
	return listener ? 0 : -ENOENT;
}

int mbox_listener_subscribe(struct sk_buff *skb, struct genl_info *info)
{
	struct mbox_ns *ns = mbox_registry_ns_of(genl_info_net(info));
	const struct nlattr *attr = info->attrs[MBOX_A_EVENTS];
	u32 events = attr ? nla_get_u32(attr) : MBOX_EVENT_ALL;
	const struct sock *sk = NETLINK_CB(skb).sk;
	struct listener *fresh = NULL;
	int err;

	err = subscribe(ns, sk, events, &fresh);
	if (err != -ENOENT)
		return err;
	fresh = begin(ns, skb);
	if (IS_ERR(fresh))
		return PTR_ERR(fresh);
	err = subscribe(ns, sk, events, &fresh);
	end(fresh);
	return err;
}

static bool has_socket(const struct listener *listener, const void *sk)
{
	return listener->sk == sk;
}

/* Take the listeners out that are meant, and end them. */
static void end_those(struct mbox_ns *ns, const void *meant,
		      bool (*is_meant)(const struct listener *listener, const void *meant))
{
	struct listener *listener, *next;
	LIST_HEAD(ended);

	/* Who ends its own has begun it before. */
	if (!mbox_ns_has_listeners(ns))
		return;
	mutex_lock(&ns->lock);
	list_for_each_entry_safe(listener, next, &ns->listeners, node)
		if (is_meant(listener, meant))
			list_move(&listener->node, &ended);
	mutex_unlock(&ns->lock);
	list_for_each_entry_safe(listener, next, &ended, node)
		end(listener);
}

int mbox_listener_unsubscribe(struct sk_buff *skb, struct genl_info *info)
{
	end_those(mbox_registry_ns_of(genl_info_net(info)), NETLINK_CB(skb).sk, has_socket);
	return 0;
}

/* Another socket may have the port already. */
static bool has_ended(const struct listener *listener, const void *portid)
{
	return listener->portid == *(const u32 *)portid && sock_flag(listener->sk, SOCK_DEAD);
}

static int socket_ended(struct notifier_block *block, unsigned long event, void *arg)
{
	const struct netlink_notify *notify = arg;

	if (event == NETLINK_URELEASE && notify->protocol == NETLINK_GENERIC)
		end_those(mbox_registry_ns_of(notify->net), &notify->portid, has_ended);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = socket_ended };

int mbox_listener_init(void)
{
	int err = mbox_event_init(&audience);

	if (err)
		return err;
	err = netlink_register_notifier(&notifier);
	if (err)
		mbox_event_exit();
	return err;
}

/* Those who still listen are told that there will be nothing more. */
static bool is_told(const struct listener *listener, const void *nothing)
{
	report(listener->sk, ENODEV);
	return true;
}

/* Nobody can subscribe any more. */
void mbox_listener_exit(void)
{
	struct net *net;

	netlink_unregister_notifier(&notifier);
	down_read(&net_rwsem);
	for_each_net(net)
		end_those(mbox_registry_ns_of(net), NULL, is_told);
	up_read(&net_rwsem);
	mbox_event_exit();
}
