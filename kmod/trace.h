/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - tracepoints: every operation, every wait, and the path of every message,
 * with the clocks of those who take part (clock.h). Of a message it is the mailbox's
 * number and its own that say which; of a process, its participant id.
 *
 * What a tracepoint tells is for people and tools, and may grow; mboxctl diagram
 * relies on what it reads here.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mbox

#if !defined(MBOX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MBOX_TRACE_H

#include <linux/mbox_netlink.h>
#include <linux/tracepoint.h>

#include "msg.h"
#include "request.h"
#include "wait.h"

#define show_mbox_what(what)					\
	__print_symbolic(what,					\
			 { MBOX_WAIT_SEND, "send" },		\
			 { MBOX_WAIT_RECV, "recv" },		\
			 { MBOX_WAIT_TURN, "turn" },		\
			 { MBOX_WAIT_CHOICE, "choice" },	\
			 { MBOX_WAIT_REPLY, "reply" })

TRACE_DEFINE_ENUM(MBOX_WAIT_SEND);
TRACE_DEFINE_ENUM(MBOX_WAIT_RECV);
TRACE_DEFINE_ENUM(MBOX_WAIT_TURN);
TRACE_DEFINE_ENUM(MBOX_WAIT_CHOICE);
TRACE_DEFINE_ENUM(MBOX_WAIT_REPLY);

#define show_mbox_event(event)					\
	__print_symbolic(event,					\
			 { MBOX_EVENT_CREATED, "created" },	\
			 { MBOX_EVENT_DELETED, "deleted" },	\
			 { MBOX_EVENT_TRANSFERRED, "transferred" }, \
			 { MBOX_EVENT_OFFERED, "offered" },	\
			 { MBOX_EVENT_GRANTED, "granted" },	\
			 { MBOX_EVENT_REVOKED, "revoked" },	\
			 { MBOX_EVENT_ORPHANED, "orphaned" },	\
			 { MBOX_EVENT_CLAIMED, "claimed" },	\
			 { MBOX_EVENT_CHANGED, "changed" },	\
			 { MBOX_EVENT_FULL, "full" },		\
			 { MBOX_EVENT_SPACE, "space" })

TRACE_DEFINE_ENUM(MBOX_EVENT_CREATED);
TRACE_DEFINE_ENUM(MBOX_EVENT_DELETED);
TRACE_DEFINE_ENUM(MBOX_EVENT_TRANSFERRED);
TRACE_DEFINE_ENUM(MBOX_EVENT_OFFERED);
TRACE_DEFINE_ENUM(MBOX_EVENT_GRANTED);
TRACE_DEFINE_ENUM(MBOX_EVENT_REVOKED);
TRACE_DEFINE_ENUM(MBOX_EVENT_ORPHANED);
TRACE_DEFINE_ENUM(MBOX_EVENT_CLAIMED);
TRACE_DEFINE_ENUM(MBOX_EVENT_CHANGED);
TRACE_DEFINE_ENUM(MBOX_EVENT_FULL);
TRACE_DEFINE_ENUM(MBOX_EVENT_SPACE);

/* The mailbox has accepted a message; at a rendezvous: it is offered there. */
TRACE_EVENT(mbox_send,
	TP_PROTO(const struct mbox *mb, const struct mbox_msg *msg),
	TP_ARGS(mb, msg),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, seq)
		__field(u64, from)
		__field(pid_t, pid)
		__field(u64, stamp)
		__field(u32, len)
		__field(u32, prio)
		__field(u64, tag)
		__field(u64, token)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->seq = msg->seq;
		__entry->from = msg->from->id;
		__entry->pid = pid_nr(msg->from->pid);
		__entry->stamp = msg->stamp;
		__entry->len = msg->len;
		__entry->prio = msg->prio;
		__entry->tag = msg->tag;
		__entry->token = mbox_msg_token(msg);
	),
	TP_printk("net=%u id=%llu seq=%llu from=%llu pid=%d stamp=%llu len=%u prio=%u tag=%llu token=%llu",
		  __entry->net, __entry->id, __entry->seq, __entry->from, __entry->pid,
		  __entry->stamp, __entry->len, __entry->prio, __entry->tag, __entry->token)
);

/* A receiver, @by, has it, and that is at @stamp. @waited: nanoseconds in the queue. */
TRACE_EVENT(mbox_recv,
	TP_PROTO(const struct mbox *mb, const struct mbox_msg *msg,
		 const struct mbox_participant *by, u64 stamp, u64 waited),
	TP_ARGS(mb, msg, by, stamp, waited),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, seq)
		__field(u64, from)
		__field(u64, sent)
		__field(u64, by)
		__field(pid_t, pid)
		__field(u64, stamp)
		__field(u32, len)
		__field(u64, token)
		__field(u64, waited)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->seq = msg->seq;
		__entry->from = msg->from->id;
		__entry->sent = msg->stamp;
		__entry->by = by->id;
		__entry->pid = pid_nr(by->pid);
		__entry->stamp = stamp;
		__entry->len = msg->len;
		__entry->token = mbox_msg_token(msg);
		__entry->waited = waited;
	),
	TP_printk("net=%u id=%llu seq=%llu from=%llu sent=%llu by=%llu pid=%d stamp=%llu len=%u token=%llu waited=%llu",
		  __entry->net, __entry->id, __entry->seq, __entry->from, __entry->sent,
		  __entry->by, __entry->pid, __entry->stamp, __entry->len, __entry->token,
		  __entry->waited)
);

/* Somebody, @by, has looked at it, and that was at @stamp. */
TRACE_EVENT(mbox_look,
	TP_PROTO(const struct mbox *mb, const struct mbox_msg *msg,
		 const struct mbox_participant *by, u64 stamp),
	TP_ARGS(mb, msg, by, stamp),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, seq)
		__field(u64, from)
		__field(u64, sent)
		__field(u64, by)
		__field(pid_t, pid)
		__field(u64, stamp)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->seq = msg->seq;
		__entry->from = msg->from->id;
		__entry->sent = msg->stamp;
		__entry->by = by->id;
		__entry->pid = pid_nr(by->pid);
		__entry->stamp = stamp;
	),
	TP_printk("net=%u id=%llu seq=%llu from=%llu sent=%llu by=%llu pid=%d stamp=%llu",
		  __entry->net, __entry->id, __entry->seq, __entry->from, __entry->sent,
		  __entry->by, __entry->pid, __entry->stamp)
);

/* Its receiver could not take it, so it is back in its place, or dropped. */
TRACE_EVENT(mbox_return,
	TP_PROTO(const struct mbox *mb, const struct mbox_msg *msg),
	TP_ARGS(mb, msg),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, seq)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->seq = msg->seq;
	),
	TP_printk("net=%u id=%llu seq=%llu", __entry->net, __entry->id, __entry->seq)
);

/* Nobody will receive it, for @reason, a negative errno. */
TRACE_EVENT(mbox_drop,
	TP_PROTO(const struct mbox *mb, const struct mbox_msg *msg, int reason),
	TP_ARGS(mb, msg, reason),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, seq)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->seq = msg->seq;
		__entry->reason = reason;
	),
	TP_printk("net=%u id=%llu seq=%llu reason=%d",
		  __entry->net, __entry->id, __entry->seq, __entry->reason)
);

/* Its synchronous sender was told of the receipt, and that was at @stamp. */
TRACE_EVENT(mbox_receipt,
	TP_PROTO(const struct mbox *mb, const struct mbox_msg *msg, u64 stamp),
	TP_ARGS(mb, msg, stamp),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, seq)
		__field(u64, who)
		__field(pid_t, pid)
		__field(u64, stamp)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->seq = msg->seq;
		__entry->who = msg->from->id;
		__entry->pid = pid_nr(msg->from->pid);
		__entry->stamp = stamp;
	),
	TP_printk("net=%u id=%llu seq=%llu who=%llu pid=%d stamp=%llu",
		  __entry->net, __entry->id, __entry->seq, __entry->who, __entry->pid,
		  __entry->stamp)
);

/* Whoever has the token has replied. */
TRACE_EVENT(mbox_reply,
	TP_PROTO(const struct mbox_request *request, const struct mbox_msg *reply),
	TP_ARGS(request, reply),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, token)
		__field(u64, who)
		__field(pid_t, pid)
		__field(u64, stamp)
		__field(u32, len)
	),
	TP_fast_assign(
		__entry->net = request->mb->ns->inum;
		__entry->id = request->mb->id;
		__entry->token = request->token;
		__entry->who = reply->from->id;
		__entry->pid = pid_nr(reply->from->pid);
		__entry->stamp = reply->stamp;
		__entry->len = reply->len;
	),
	TP_printk("net=%u id=%llu token=%llu who=%llu pid=%d stamp=%llu len=%u",
		  __entry->net, __entry->id, __entry->token, __entry->who, __entry->pid,
		  __entry->stamp, __entry->len)
);

/* The caller has the reply. */
TRACE_EVENT(mbox_replied,
	TP_PROTO(const struct mbox_request *request, const struct mbox_participant *caller,
		 u64 stamp),
	TP_ARGS(request, caller, stamp),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(u64, token)
		__field(u64, who)
		__field(pid_t, pid)
		__field(u64, stamp)
	),
	TP_fast_assign(
		__entry->net = request->mb->ns->inum;
		__entry->id = request->mb->id;
		__entry->token = request->token;
		__entry->who = caller->id;
		__entry->pid = pid_nr(caller->pid);
		__entry->stamp = stamp;
	),
	TP_printk("net=%u id=%llu token=%llu who=%llu pid=%d stamp=%llu",
		  __entry->net, __entry->id, __entry->token, __entry->who, __entry->pid,
		  __entry->stamp)
);

/* The token was handed on at @stamp, and arrived at @later. */
TRACE_EVENT(mbox_pass,
	TP_PROTO(const struct mbox_request *request, const struct mbox_participant *from,
		 u64 stamp, const struct mbox_participant *to, u64 later),
	TP_ARGS(request, from, stamp, to, later),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, token)
		__field(u64, from)
		__field(u64, stamp)
		__field(u64, to)
		__field(pid_t, pid)
		__field(u64, later)
	),
	TP_fast_assign(
		__entry->net = request->mb->ns->inum;
		__entry->token = request->token;
		__entry->from = from->id;
		__entry->stamp = stamp;
		__entry->to = to->id;
		__entry->pid = pid_nr(to->pid);
		__entry->later = later;
	),
	TP_printk("net=%u token=%llu from=%llu stamp=%llu to=%llu pid=%d later=%llu",
		  __entry->net, __entry->token, __entry->from, __entry->stamp, __entry->to, __entry->pid,
		  __entry->later)
);

/* A local event, of a process in @ns. */
TRACE_EVENT(mbox_tick,
	TP_PROTO(const struct mbox_ns *ns, const struct mbox_participant *who, u64 stamp),
	TP_ARGS(ns, who, stamp),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, who)
		__field(pid_t, pid)
		__field(u64, stamp)
	),
	TP_fast_assign(
		__entry->net = ns->inum;
		__entry->who = who->id;
		__entry->pid = pid_nr(who->pid);
		__entry->stamp = stamp;
	),
	TP_printk("net=%u who=%llu pid=%d stamp=%llu", __entry->net, __entry->who, __entry->pid, __entry->stamp)
);

/* A call begins to sleep. @mb: one of the mailboxes that it may choose. */
TRACE_EVENT(mbox_wait,
	TP_PROTO(const struct mbox *mb, enum mbox_wait_what what),
	TP_ARGS(mb, what),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(int, what)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->what = what;
	),
	TP_printk("net=%u id=%llu what=%s", __entry->net, __entry->id,
		  show_mbox_what(__entry->what))
);

/* It has slept: until it was done, 0, or why. */
TRACE_EVENT(mbox_wake,
	TP_PROTO(const struct mbox *mb, enum mbox_wait_what what, int result),
	TP_ARGS(mb, what, result),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__field(int, what)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		__entry->what = what;
		__entry->result = result;
	),
	TP_printk("net=%u id=%llu what=%s result=%d", __entry->net, __entry->id,
		  show_mbox_what(__entry->what), __entry->result)
);

/* What listeners are told, too (event.c). @process: whom it is about, or NULL. */
TRACE_EVENT(mbox_event,
	TP_PROTO(const struct mbox *mb, enum mbox_event event, struct pid *process),
	TP_ARGS(mb, event, process),
	TP_STRUCT__entry(
		__field(u32, net)
		__field(u64, id)
		__array(char, name, MBOX_NAME_SIZE)
		__field(int, event)
		__field(pid_t, pid)
	),
	TP_fast_assign(
		__entry->net = mb->ns->inum;
		__entry->id = mb->id;
		memcpy(__entry->name, mb->name, MBOX_NAME_SIZE);
		__entry->event = event;
		__entry->pid = pid_nr(process);
	),
	TP_printk("net=%u id=%llu name=%s event=%s pid=%d", __entry->net, __entry->id,
		  __entry->name, show_mbox_event(__entry->event),
		  __entry->pid)
);

/* A system call on a descriptor ends. @result: as it returns, but for poll its mask. */
TRACE_EVENT(mbox_command,
	TP_PROTO(const char *name, long result),
	TP_ARGS(name, result),
	TP_STRUCT__entry(
		__array(char, name, 24)
		__field(long, result)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, sizeof(__entry->name));
		__entry->result = result;
	),
	TP_printk("name=%s result=%ld", __entry->name, __entry->result)
);

#endif /* MBOX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
