// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink.c - the generic netlink family: what may be asked for, and the answers.
 *
 * A request is answered to whoever sent it, and as it was then: a dump goes on when
 * somebody reads from the socket, who may be another process. A program with more
 * rights than the one that opened its socket may not know what it writes there, so
 * what is told must be fit for both.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "mailbox.h"
#include "netlink.h"
#include "ns.h"
#include "process.h"
#include "registry.h"
#include "rights.h"

static const struct cred *opener_of(const struct sk_buff *skb)
{
	const struct socket *socket = NETLINK_CB(skb).sk->sk_socket;

	return socket && socket->file ? socket->file->f_cred : NULL;
}

int mbox_netlink_viewer(struct mbox_viewer *viewer, const struct sk_buff *skb)
{
	const struct cred *opener = opener_of(skb);

	*viewer = mbox_viewer_self(mbox_account_find(current_user_ns(), current_euid()));
	if (IS_ERR(viewer->account))
		return PTR_ERR(viewer->account);
	get_pid(viewer->process);
	mbox_process_get_cred(viewer->cred);
	if (opener && opener != viewer->cred)
		viewer->opener = mbox_process_get_cred(opener);
	return 0;
}

void mbox_netlink_viewer_put(struct mbox_viewer *viewer)
{
	put_cred(viewer->opener);
	put_cred(viewer->cred);
	put_pid(viewer->process);
	mbox_account_put(viewer->account);
}

/* A new message in @skb, or NULL if there is no room. */
static void *begin_answer(struct sk_buff *skb, const struct genl_info *info, u8 cmd)
{
	return genlmsg_put(skb, info->snd_portid, info->snd_seq, &mbox_netlink_family, 0, cmd);
}

static int send_answer(struct sk_buff *skb, struct genl_info *info, void *header)
{
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

/*
 * Mailboxes.
 */

/* 0, -EIDRM, or -EMSGSIZE: there is no room. */
static int put_mailbox(struct sk_buff *skb, struct mbox *mb,
		       const struct mbox_viewer *viewer)
{
	u64 waited[MBOX_WAITED_BUCKETS];
	struct mbox_stat stat;

	if (!mbox_mailbox_stat(mb, viewer, &stat, waited))
		return -EIDRM;
	return nla_put(skb, MBOX_A_STAT, sizeof(stat), &stat) ?:
	       nla_put(skb, MBOX_A_WAITED, sizeof(waited), waited);
}

static struct mbox *find_named(struct mbox_ns *ns, const struct nlattr *attr)
{
	u8 name[MBOX_NAME_SIZE];
	ssize_t len = nla_strscpy(name, attr, sizeof(name));

	if (len <= 0 || memchr(name, 0, len) || !mbox_ns_valid_name(name))
		return ERR_PTR(-EINVAL);
	return mbox_registry_get_named(ns, name);
}

/* The mailbox that is asked for, if the viewer may see it; to be put. */
static struct mbox *find_mailbox(struct mbox_ns *ns, struct nlattr **attrs,
				 const struct mbox_viewer *viewer)
{
	struct mbox *mb;
	int err;

	if (!attrs[MBOX_A_ID] == !attrs[MBOX_A_NAME])
		return ERR_PTR(-EINVAL);
	if (attrs[MBOX_A_ID] && !nla_get_u64(attrs[MBOX_A_ID]))
		return ERR_PTR(-EINVAL);
	if (attrs[MBOX_A_ID])
		mb = mbox_registry_get(ns, nla_get_u64(attrs[MBOX_A_ID]));
	else
		mb = find_named(ns, attrs[MBOX_A_NAME]);
	if (IS_ERR(mb) || mbox_rights_show(mb, viewer))
		return mb;
	err = mbox_rights_refusal(mb);
	mbox_mailbox_put(mb);
	return ERR_PTR(err);
}

static int answer_mailbox(struct genl_info *info, struct mbox *mb,
			  const struct mbox_viewer *viewer)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *header;
	int err;

	if (!skb)
		return -ENOMEM;
	header = begin_answer(skb, info, MBOX_CMD_GET);
	err = header ? put_mailbox(skb, mb, viewer) : -EMSGSIZE;
	if (!err)
		return send_answer(skb, info, header);
	nlmsg_free(skb);
	return err;
}

static int get_mailbox(struct sk_buff *skb, struct genl_info *info)
{
	struct mbox_ns *ns = mbox_registry_ns_of(genl_info_net(info));
	struct mbox_viewer viewer;
	struct mbox *mb;
	int err;

	err = mbox_netlink_viewer(&viewer, skb);
	if (err)
		return err;
	mb = find_mailbox(ns, info->attrs, &viewer);
	err = PTR_ERR_OR_ZERO(mb);
	if (!err) {
		err = answer_mailbox(info, mb, &viewer);
		mbox_mailbox_put(mb);
	}
	mbox_netlink_viewer_put(&viewer);
	return err;
}

/*
 * Dumps.
 */

/**
 * struct dump - a dump under way
 * @viewer: for whom
 * @ns: of what; the socket holds the network namespace
 * @id: the mailbox to go on with, or behind it
 * @end: the last one
 * @grant: how many grants of @id are done
 */
struct dump {
	struct mbox_viewer viewer;
	struct mbox_ns *ns;
	u64 id;
	u64 end;
	u32 grant;
};

static struct dump *dump_of(const struct netlink_callback *cb)
{
	return (struct dump *)cb->args[0];
}

/* Who asks for one mailbox learns whether that is there. */
static int narrow(struct dump *dump, struct nlattr **attrs)
{
	struct mbox *mb;

	if (!attrs[MBOX_A_ID] && !attrs[MBOX_A_NAME])
		return 0;
	mb = find_mailbox(dump->ns, attrs, &dump->viewer);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	dump->id = mb->id;
	dump->end = mb->id;
	mbox_mailbox_put(mb);
	return 0;
}

static int start_dump(struct netlink_callback *cb)
{
	struct dump *dump = kzalloc(sizeof(*dump), MBOX_GFP);
	int err;

	if (!dump)
		return -ENOMEM;
	dump->ns = mbox_registry_ns_of(sock_net(cb->skb->sk));
	dump->end = U64_MAX;
	err = mbox_netlink_viewer(&dump->viewer, cb->skb);
	if (err)
		goto free;
	err = narrow(dump, mbox_compat_dump_attrs(cb));
	if (err)
		goto put;
	cb->args[0] = (long)dump;
	return 0;

put:
	mbox_netlink_viewer_put(&dump->viewer);
free:
	kfree(dump);
	return err;
}

static int end_dump(struct netlink_callback *cb)
{
	struct dump *dump = dump_of(cb);

	mbox_netlink_viewer_put(&dump->viewer);
	kfree(dump);
	return 0;
}

static void *begin_row(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &mbox_netlink_family, NLM_F_MULTI, cmd);

	if (header)
		genl_dump_check_consistent(cb, header);
	return header;
}

static void skip(struct dump *dump)
{
	dump->id++;
	dump->grant = 0;
}

/* The next mailbox that the viewer may see, to be put, or NULL. */
static struct mbox *next_mailbox(struct dump *dump)
{
	for (; dump->id <= dump->end; skip(dump)) {
		struct mbox *mb = mbox_registry_get_next(dump->ns, dump->id);

		if (IS_ERR(mb))
			return NULL;
		/* The one to go on with may have gone. */
		if (mb->id != dump->id)
			dump->grant = 0;
		dump->id = mb->id;
		if (mb->id <= dump->end && mbox_rights_show(mb, &dump->viewer))
			return mb;
		mbox_mailbox_put(mb);
		if (fatal_signal_pending(current))
			return NULL;
		cond_resched();
	}
	return NULL;
}

/* What a dump must see unchanged from its begin to its end; never 0. */
static unsigned int changes(const struct mbox_ns *ns)
{
	return READ_ONCE(ns->changes) ?: 1;
}

/* Whoever reads on after a reader that was killed must not take that for the end. */
static int end_part(const struct sk_buff *skb)
{
	if (!skb->len && fatal_signal_pending(current))
		return -EINTR;
	return skb->len;
}

static int put_row(struct sk_buff *skb, struct netlink_callback *cb, struct mbox *mb)
{
	void *header = begin_row(skb, cb, MBOX_CMD_GET);
	int err;

	if (!header)
		return -EMSGSIZE;
	err = put_mailbox(skb, mb, &dump_of(cb)->viewer);
	if (err)
		genlmsg_cancel(skb, header);
	else
		genlmsg_end(skb, header);
	return err;
}

static int dump_mailboxes(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump *dump = dump_of(cb);
	struct mbox *mb;
	int err = 0;

	cb->seq = changes(dump->ns);
	while (err != -EMSGSIZE && (mb = next_mailbox(dump))) {
		err = put_row(skb, cb, mb);
		mbox_mailbox_put(mb);
		/* What does not fit comes first the next time. */
		if (err != -EMSGSIZE)
			skip(dump);
	}
	return end_part(skb);
}

struct grant_row {
	struct sk_buff *skb;
	struct netlink_callback *cb;
};

static int put_grant(const struct mbox_permit *permit, void *arg)
{
	const struct grant_row *row = arg;
	const struct mbox_viewer *viewer = &dump_of(row->cb)->viewer;
	struct sk_buff *skb = row->skb;
	void *header = begin_row(skb, row->cb, MBOX_CMD_GET_GRANTS);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, MBOX_A_ID, permit->mb->id, MBOX_A_PAD) ||
	    nla_put_s32(skb, MBOX_A_PROCESS, mbox_viewer_living_nr(viewer, permit->holder->pid)) ||
	    nla_put_u64_64bit(skb, MBOX_A_PARTICIPANT, permit->holder->id, MBOX_A_PAD) ||
	    nla_put_u32(skb, MBOX_A_RIGHTS, permit->rights)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* The grants that are left of one mailbox. False if there is no room for all. */
static bool put_grants(struct sk_buff *skb, struct netlink_callback *cb, struct mbox *mb)
{
	struct grant_row row = { .skb = skb, .cb = cb };
	struct dump *dump = dump_of(cb);
	bool all;

	mutex_lock(&mb->ns->lock);
	dump->grant = mbox_rights_each(mb, dump->grant, put_grant, &row);
	all = dump->grant >= mb->access.nr_permits;
	mutex_unlock(&mb->ns->lock);
	return all;
}

static int dump_grants(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump *dump = dump_of(cb);
	struct mbox *mb;
	bool room = true;

	cb->seq = changes(dump->ns);
	while (room && (mb = next_mailbox(dump))) {
		room = put_grants(skb, cb, mb);
		mbox_mailbox_put(mb);
		if (room)
			skip(dump);
	}
	return end_part(skb);
}

/*
 * Limits.
 */

/* By that user, through a socket of its own. */
static bool is_asked_by(const struct sk_buff *skb, kuid_t uid)
{
	const struct cred *opener = opener_of(skb);

	return uid_eq(uid, current_euid()) && (!opener || uid_eq(uid, opener->euid));
}

/*
 * Likewise, by one with the capability. netlink_ns_capable() would pass over the socket's
 * opener if the request has an address.
 */
static bool is_capable(const struct sk_buff *skb, struct user_namespace *user_ns)
{
	const struct socket *socket = NETLINK_CB(skb).sk->sk_socket;

	if (socket && socket->file &&
	    !file_ns_capable(socket->file, user_ns, CAP_SYS_RESOURCE))
		return false;
	return ns_capable(user_ns, CAP_SYS_RESOURCE);
}

static struct mbox_account *account_of(struct sk_buff *skb, const struct nlattr *attr)
{
	struct user_namespace *user_ns = current_user_ns();
	kuid_t uid = current_euid();

	if (attr)
		uid = make_kuid(user_ns, nla_get_u32(attr));
	if (!uid_valid(uid))
		return ERR_PTR(-EINVAL);
	if (!is_asked_by(skb, uid) && !is_capable(skb, user_ns))
		return ERR_PTR(-EACCES);
	return mbox_account_find(user_ns, uid);
}

static int answer_limits(struct genl_info *info, const struct mbox_account *account)
{
	struct mbox_ns *ns = mbox_registry_ns_of(genl_info_net(info));
	struct mbox_usage usage = {};
	struct mbox_info limits = {};
	struct sk_buff *skb;
	void *header;

	mbox_ns_info(ns, &limits);
	mbox_ns_usage(ns, account, current_user_ns(), &usage);
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	header = begin_answer(skb, info, MBOX_CMD_GET_LIMITS);
	if (header && !nla_put(skb, MBOX_A_INFO, sizeof(limits), &limits) &&
	    !nla_put(skb, MBOX_A_USAGE, sizeof(usage), &usage))
		return send_answer(skb, info, header);
	nlmsg_free(skb);
	return -EMSGSIZE;
}

static int get_limits(struct sk_buff *skb, struct genl_info *info)
{
	struct mbox_account *account = account_of(skb, info->attrs[MBOX_A_UID]);
	int err;

	if (IS_ERR(account))
		return PTR_ERR(account);
	err = answer_limits(info, account);
	mbox_account_put(account);
	return err;
}

/*
 * The family.
 */

static const struct nla_policy mailbox_policy[] = {
	[MBOX_A_ID] = { .type = NLA_U64 },
	[MBOX_A_NAME] = { .type = NLA_NUL_STRING },
};

static const struct nla_policy uid_policy[] = {
	[MBOX_A_UID] = { .type = NLA_U32 },
};

static const struct nla_policy events_policy[] = {
	[MBOX_A_EVENTS] = NLA_POLICY_MASK(NLA_U32, MBOX_EVENT_ALL),
};

static const struct nla_policy no_policy[] = {
	[MBOX_A_PAD] = { .type = NLA_REJECT },
};

#define POLICY(_policy)	.policy = (_policy), .maxattr = ARRAY_SIZE(_policy) - 1

static const struct genl_ops ops[] = {
	{
		.cmd = MBOX_CMD_GET,
		POLICY(mailbox_policy),
		.doit = get_mailbox,
		.start = start_dump,
		.dumpit = dump_mailboxes,
		.done = end_dump,
	},
	{
		.cmd = MBOX_CMD_GET_GRANTS,
		POLICY(mailbox_policy),
		.start = start_dump,
		.dumpit = dump_grants,
		.done = end_dump,
	},
	{
		.cmd = MBOX_CMD_GET_LIMITS,
		POLICY(uid_policy),
		.doit = get_limits,
	},
	{
		.cmd = MBOX_CMD_SUBSCRIBE,
		POLICY(events_policy),
		.doit = mbox_listener_subscribe,
	},
	{
		.cmd = MBOX_CMD_UNSUBSCRIBE,
		POLICY(no_policy),
		.doit = mbox_listener_unsubscribe,
	},
};

struct genl_family mbox_netlink_family __ro_after_init = {
	.name = MBOX_GENL_NAME,
	.version = MBOX_GENL_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
};

int __init mbox_netlink_init(void)
{
	int err = mbox_listener_init();

	if (err)
		return err;
	err = genl_register_family(&mbox_netlink_family);
	if (err)
		mbox_listener_exit();
	return err;
}

void mbox_netlink_exit(void)
{
	genl_unregister_family(&mbox_netlink_family);
	mbox_listener_exit();
}
