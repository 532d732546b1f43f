// SPDX-License-Identifier: GPL-2.0-only
/*
 * command_message.c - the commands that move a message: send and receive; and clock,
 * which tells what they are stamped by.
 */

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "clock.h"
#include "command.h"
#include "dev.h"
#include "direct.h"
#include "files.h"
#include "mailbox.h"
#include "msg.h"
#include "owner.h"
#include "participant.h"
#include "payload.h"
#include "recv.h"
#include "request.h"
#include "registry.h"
#include "rights.h"
#include "send.h"
#include "trace.h"

static struct mbox_patience patience_of(const struct mbox_command *command, bool nonblock,
					bool timed, u64 deadline)
{
	struct mbox_patience patience = {
		.nonblock = nonblock || (command->file->f_flags & O_NONBLOCK),
		.timed = timed,
	};

	if (timed)
		patience.deadline = mbox_wait_time(deadline);
	return patience;
}

/* That it goes to a process: one of three. */
#define PROCESS_FLAGS	(MBOX_SEND_PID | MBOX_SEND_PIDFD | MBOX_SEND_PARTICIPANT)

#define SEND_FLAGS	(MBOX_SEND_NONBLOCK | MBOX_SEND_TIMEOUT | \
			 MBOX_SEND_SYNC | MBOX_SEND_EXPIRES | MBOX_SEND_OFFER | \
			 MBOX_SEND_STAMP | MBOX_SEND_SHARED | PROCESS_FLAGS)

int mbox_command_check_send(const struct mbox_command *command, const struct mbox_send *send)
{
	if (send->flags & ~SEND_FLAGS || send->prio > MBOX_PRIO_MAX ||
	    send->reserved || send->reserved2 || send->reserved3 ||
	    send->nr_files > MBOX_FILES_MAX)
		return -EINVAL;
	if (send->flags & MBOX_SEND_OFFER && !send->offer)
		return -EINVAL;
	if (hweight64(send->flags & PROCESS_FLAGS) > 1)
		return -EINVAL;
	return command->file->f_mode & FMODE_WRITE ? 0 : -EBADF;
}

static enum mbox_address send_address(u64 flags)
{
	if (flags & MBOX_SEND_PIDFD)
		return MBOX_BY_PIDFD;
	return flags & MBOX_SEND_PARTICIPANT ? MBOX_BY_ID : MBOX_BY_PID;
}

/* Where it is to go, to be put. */
struct mbox *mbox_command_send_target(const struct mbox_command *command,
				      const struct mbox_send *send)
{
	if (!(send->flags & PROCESS_FLAGS))
		return mbox_command_target(command, send->id);
	return mbox_command_inbox(command, send_address(send->flags), send->id);
}

static struct mbox *inbox_for(const struct mbox_command *command,
			      struct mbox_participant *whose)
{
	struct mbox_participant *self;
	struct mbox *mb;

	if (mbox_is_dead(whose))
		return ERR_PTR(-ESRCH);
	self = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(self))
		return ERR_CAST(self);
	mb = mbox_direct_inbox(whose, self);
	mbox_participant_put(self);
	return mb;
}

/* The inbox of a process, to be put. */
struct mbox *mbox_command_inbox(const struct mbox_command *command, enum mbox_address how,
				u64 address)
{
	struct mbox_participant *whose = mbox_participant_resolve(how, address);
	struct mbox *mb;

	if (IS_ERR(whose))
		return ERR_CAST(whose);
	mb = inbox_for(command, whose);
	mbox_participant_put(whose);
	return mb;
}

/* The message is delivered: that this cannot be told would be no use to know. */
static void tell_sent(const struct mbox_command *command, struct mbox_send *send,
		      const struct mbox_receipt *receipt, bool sync)
{
	send->receiver = receipt->receiver;
	send->stamp = receipt->stamp;
	if (sync)
		(void)mbox_command_reply(command, send, offsetof(struct mbox_send, receiver),
					 offsetofend(struct mbox_send, receiver));
	if (send->flags & MBOX_SEND_STAMP)
		(void)mbox_command_reply(command, send, offsetof(struct mbox_send, stamp),
					 offsetofend(struct mbox_send, stamp));
}

static struct mbox_deed *write_deed(u64 id)
{
	struct mbox *mb = mbox_registry_get(mbox_registry_ns(), id);
	struct mbox_deed *deed;

	if (IS_ERR(mb))
		return ERR_CAST(mb);
	deed = mbox_owner_write_deed(mb);
	mbox_mailbox_put(mb);
	return deed;
}

static int post(const struct mbox_command *command, struct mbox *mb,
		const struct mbox_send *send, struct mbox_posting *posting,
		struct mbox_receipt *receipt)
{
	int err;

	posting->payer = mbox_callers_payer(&command->mf->callers);
	if (IS_ERR(posting->payer))
		return PTR_ERR(posting->payer);
	err = mbox_send_user(mb, send, posting, receipt);
	mbox_account_put(posting->payer);
	return err;
}

static int post_with_deed(const struct mbox_command *command, struct mbox *mb,
			  const struct mbox_send *send, struct mbox_posting *posting,
			  struct mbox_receipt *receipt)
{
	int err;

	posting->deed = write_deed(send->offer);
	if (IS_ERR(posting->deed))
		return PTR_ERR(posting->deed);
	err = post(command, mb, send, posting, receipt);
	/* If there was not even a message. */
	if (posting->deed)
		posting->deed->release(posting->deed);
	return err;
}

/* Whether the calling process may send to it: then @posting says by what right. */
int mbox_command_admit_sender(struct mbox *mb, struct mbox_posting *posting)
{
	mbox_rights_ask(&posting->pass, MBOX_RIGHT_SEND);
	return mbox_rights_admit(mb, &posting->pass) ? 0 : mbox_rights_refusal(mb);
}

/* Send what has been admitted; @posting says who, and what it is a request of if any. */
int mbox_command_post(const struct mbox_command *command, struct mbox *mb,
		      const struct mbox_send *send, struct mbox_posting *posting,
		      struct mbox_receipt *receipt)
{
	posting->patience = patience_of(command, send->flags & MBOX_SEND_NONBLOCK,
					send->flags & MBOX_SEND_TIMEOUT, send->deadline);
	if (send->flags & MBOX_SEND_OFFER)
		return post_with_deed(command, mb, send, posting, receipt);
	return post(command, mb, send, posting, receipt);
}

static int send_as(const struct mbox_command *command, struct mbox_send *send,
		   struct mbox_participant *self)
{
	struct mbox *mb = mbox_command_send_target(command, send);
	struct mbox_posting posting = { .from = self };
	struct mbox_receipt receipt;
	int err;

	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = mbox_command_admit_sender(mb, &posting);
	if (!err)
		err = mbox_command_post(command, mb, send, &posting, &receipt);
	if (!err)
		tell_sent(command, send, &receipt,
			  send->flags & MBOX_SEND_SYNC || mbox_is_rendezvous(mb));
	mbox_mailbox_put(mb);
	return err;
}

int mbox_command_send(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_participant *self;
	int err;

	err = mbox_command_check_send(command, &arg->send);
	if (err)
		return err;
	self = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(self))
		return PTR_ERR(self);
	err = send_as(command, &arg->send, self);
	mbox_participant_put(self);
	return err;
}

#define RECV_FLAGS	(MBOX_RECV_NONBLOCK | MBOX_RECV_TIMEOUT | MBOX_RECV_TRUNCATE | \
			 MBOX_RECV_PEEK | MBOX_RECV_LEAST | MBOX_RECV_MATCH |	       \
			 MBOX_RECV_CHOICE | MBOX_RECV_ACCEPT |		       \
			 MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT |	       \
			 MBOX_RECV_FILES | MBOX_RECV_TOKEN | MBOX_RECV_REPLY | \
			 MBOX_RECV_DIRECT)

/* What one that looks only does not do. */
#define TAKING_FLAGS	(MBOX_RECV_ACCEPT | MBOX_RECV_FILES | MBOX_RECV_TOKEN | MBOX_RECV_REPLY)

static bool valid_match(u64 flags)
{
	switch (flags & (MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT)) {
	case 0:
		return true;
	case MBOX_RECV_PIDFD:
	case MBOX_RECV_PARTICIPANT:
		return flags & MBOX_RECV_MATCH;
	default:
		return false;
	}
}

static bool valid_recv(const struct mbox_recv *recv)
{
	u64 flags = recv->flags;

	if (flags & ~RECV_FLAGS || recv->nth > MBOX_PEEK_MAX || recv->reserved)
		return false;
	if (recv->nr_files > (flags & MBOX_RECV_FILES ? MBOX_FILES_MAX : 0))
		return false;
	if (!valid_match(flags))
		return false;
	if (flags & MBOX_RECV_PEEK && flags & TAKING_FLAGS)
		return false;
	if (recv->nth && !(flags & MBOX_RECV_PEEK))
		return false;
	if (recv->nth && flags & (MBOX_RECV_LEAST | MBOX_RECV_MATCH))
		return false;
	if (flags & MBOX_RECV_DIRECT && (recv->id || flags & MBOX_RECV_CHOICE))
		return false;
	if (!(flags & MBOX_RECV_CHOICE))
		return true;
	return !(flags & (MBOX_RECV_PEEK | MBOX_RECV_MATCH)) && !recv->id &&
	       recv->nr_ids && recv->nr_ids <= MBOX_CHOICE_MAX;
}

/* @nr_files: how many there are, which may become 0 meanwhile for one that looks only. */
static u32 got_of(const struct mbox_recv *recv, const struct mbox_msg *msg, u32 nr_files)
{
	const struct mbox_rare *rare = mbox_msg_rare(msg);
	u32 got = msg->shared ? MBOX_GOT_SHARED : 0;

	if (!rare)
		return got;
	if (nr_files < rare->nr_files ||
	    (!(recv->flags & MBOX_RECV_PEEK) && nr_files > recv->nr_files))
		got |= MBOX_GOT_FILES_LOST;
	if (rare->request)
		got |= MBOX_GOT_REQUEST;
	return got;
}

static void fill_envelope(struct mbox_recv *recv, const struct mbox *mb,
			  const struct mbox_msg *msg, const struct mbox_wish *wish)
{
	struct user_namespace *user_ns = current_user_ns();
	/* Of what is only looked at, files may be taken away at any moment. */
	u32 nr_files = mbox_msg_nr_files(msg);

	recv->len = msg->len;
	recv->seq = msg->seq;
	recv->prio = msg->prio;
	recv->pid = pid_vnr(msg->from->pid);
	recv->uid = from_kuid_munged(user_ns, mbox_msg_uid(msg));
	recv->gid = from_kgid_munged(user_ns, mbox_msg_gid(msg));
	recv->tag = msg->tag;
	recv->from = mb->id;
	recv->owned = 0;
	recv->stamp = msg->stamp;
	recv->clock = wish->stamp;
	recv->time = mbox_wait_user_time(msg->time);
	recv->realtime = ktime_to_ns(msg->realtime);
	recv->sender = msg->from->id;
	recv->token = recv->flags & MBOX_RECV_TOKEN ? mbox_msg_token(msg) : 0;
	recv->tid = msg->thread ? pid_vnr(msg->thread) : recv->pid;
	recv->got = got_of(recv, msg, nr_files);
	recv->nr_files = nr_files;
}

/* Everything that goes to the user, so that the receive can still be undone. */
static int deliver(const struct mbox_command *command, struct mbox_recv *recv,
		   const struct mbox *mb, const struct mbox_msg *msg,
		   const struct mbox_wish *wish)
{
	size_t len = min_t(u64, msg->len, recv->size);
	int err;

	if (!mbox_payload_to_user(u64_to_user_ptr(recv->buf), msg, len))
		return -EFAULT;
	if (mbox_files_clear_slots(u64_to_user_ptr(recv->files), recv->nr_files))
		return -EFAULT;
	fill_envelope(recv, mb, msg, wish);
	err = mbox_command_reply(command, recv, offsetof(struct mbox_recv, len),
				 offsetof(struct mbox_recv, match));
	return err ?: mbox_command_reply(command, recv, offsetof(struct mbox_recv, owned),
					 offsetofend(struct mbox_recv, nr_files));
}

static int tell_owned(const struct mbox_command *command, struct mbox_recv *recv, u64 id)
{
	recv->owned = id;
	return mbox_command_reply(command, recv, offsetof(struct mbox_recv, owned),
				  offsetofend(struct mbox_recv, owned));
}

/*
 * The ownership is taken last, when all else has succeeded and the caller has
 * been told: nothing after that could be undone.
 */
static int deliver_deed(const struct mbox_command *command, struct mbox_recv *recv,
			const struct mbox *mb, const struct mbox_msg *msg,
			const struct mbox_wish *wish)
{
	struct mbox_deed *deed = mbox_msg_deed(msg);
	struct mbox_heir heir;
	int err;

	err = mbox_owner_charge_deed(&heir, deed);
	if (err)
		return err;
	err = deliver(command, recv, mb, msg, wish);
	if (!err)
		err = tell_owned(command, recv, deed->mb->id);
	if (!err)
		err = mbox_owner_accept_deed(&heir, deed);
	if (err == -ESTALE)
		err = tell_owned(command, recv, 0);
	mbox_owner_heir_free(&heir);
	return err;
}

static int deliver_all(const struct mbox_command *command, struct mbox_recv *recv,
		       const struct mbox *mb, const struct mbox_msg *msg,
		       const struct mbox_wish *wish)
{
	const struct mbox_deed *deed = mbox_msg_deed(msg);
	const struct mbox_files *files;
	u32 slots = recv->nr_files;
	int err;

	if (recv->flags & MBOX_RECV_ACCEPT && deed && deed->valid)
		err = deliver_deed(command, recv, mb, msg, wish);
	else
		err = deliver(command, recv, mb, msg, wish);
	/* For good, so at last. */
	if (err || !slots)
		return err;
	/* Only who takes the message has slots, and so the files. */
	files = mbox_msg_files(msg);
	if (files)
		mbox_files_install(files, u64_to_user_ptr(recv->files), slots);
	return err;
}

/* What the caller can use to make room, and nothing else. */
static int tell_needs(const struct mbox_command *command, struct mbox_recv *recv,
		      const struct mbox *mb, const struct mbox_wish *wish)
{
	int err;

	recv->len = wish->room;
	recv->from = mb->id;
	recv->nr_files = wish->files_room;
	err = mbox_command_reply(command, recv, offsetof(struct mbox_recv, len),
				 offsetofend(struct mbox_recv, len));
	if (!err)
		err = mbox_command_reply(command, recv, offsetof(struct mbox_recv, from),
					 offsetofend(struct mbox_recv, from));
	if (!err)
		err = mbox_command_reply(command, recv, offsetof(struct mbox_recv, nr_files),
					 offsetofend(struct mbox_recv, nr_files));
	return err ?: -EMSGSIZE;
}

/* What came of it, the message or an error, to the caller. */
int mbox_command_conclude_recv(const struct mbox_command *command, struct mbox_recv *recv,
			       struct mbox *mb, struct mbox_msg *msg, const struct mbox_wish *wish)
{
	int err;

	if (PTR_ERR(msg) == -EMSGSIZE)
		return tell_needs(command, recv, mb, wish);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	err = deliver_all(command, recv, mb, msg, wish);
	mbox_recv_end(mb, msg, wish, !err);
	return err;
}

static enum mbox_address address_of(u64 flags)
{
	if (flags & MBOX_RECV_PIDFD)
		return MBOX_BY_PIDFD;
	return flags & MBOX_RECV_PARTICIPANT ? MBOX_BY_ID : MBOX_BY_PID;
}

/* What one that has ended has left is there, or nothing is. */
static int receive_left(const struct mbox_command *command, struct mbox_recv *recv,
			struct mbox *mb, struct mbox_wish *wish, struct mbox_pass *pass,
			const struct mbox_patience *patience)
{
	int err;

	wish->left = true;
	err = mbox_command_conclude_recv(command, recv, mb,
					 mbox_recv_claim(mb, wish, pass, patience), wish);
	return err == -EAGAIN ? -ESRCH : err;
}

/* From one that has a link with the receiver from now on, and is missed when it ends. */
static int receive_linked(const struct mbox_command *command, struct mbox_recv *recv,
			  struct mbox *mb, struct mbox_wish *wish, struct mbox_pass *pass,
			  const struct mbox_patience *patience,
			  struct mbox_participant *sender)
{
	struct mbox_account *payer = mbox_callers_payer(&command->mf->callers);
	int err;

	if (IS_ERR(payer))
		return PTR_ERR(payer);
	wish->link = mbox_direct_link(sender, wish->who, payer);
	mbox_account_put(payer);
	/* It may have ended just now. */
	if (wish->link == ERR_PTR(-ESRCH) && mbox_is_dead(sender)) {
		wish->link = NULL;
		return receive_left(command, recv, mb, wish, pass, patience);
	}
	if (IS_ERR(wish->link))
		return PTR_ERR(wish->link);
	err = mbox_command_conclude_recv(command, recv, mb,
					 mbox_recv_claim(mb, wish, pass, patience), wish);
	mbox_link_put(wish->link);
	return err;
}

static int receive_from(const struct mbox_command *command, struct mbox_recv *recv,
			struct mbox *mb, struct mbox_wish *wish, struct mbox_pass *pass,
			const struct mbox_patience *patience)
{
	struct mbox_participant *sender;
	int err;

	sender = mbox_participant_resolve(address_of(recv->flags), recv->match);
	if (sender == ERR_PTR(-ESRCH) && recv->flags & MBOX_RECV_PARTICIPANT)
		return receive_left(command, recv, mb, wish, pass, patience);
	if (IS_ERR(sender))
		return PTR_ERR(sender);
	wish->key = sender->id;
	if (mbox_is_dead(sender))
		err = receive_left(command, recv, mb, wish, pass, patience);
	else if (mbox_is_inbox(mb))
		err = receive_linked(command, recv, mb, wish, pass, patience, sender);
	else
		err = mbox_command_conclude_recv(command, recv, mb,
						 mbox_recv_claim(mb, wish, pass, patience), wish);
	mbox_participant_put(sender);
	return err;
}

static int receive(const struct mbox_command *command, struct mbox_recv *recv, struct mbox *mb,
		   struct mbox_wish *wish, const struct mbox_patience *patience)
{
	struct mbox_pass pass;

	mbox_rights_ask(&pass, MBOX_RIGHT_RECV);
	if (!mbox_rights_admit(mb, &pass))
		return mbox_rights_refusal(mb);
	if (wish->flags & MBOX_RECV_MATCH) {
		if (mb->kind & MBOX_CREATE_BY_SENDER)
			return receive_from(command, recv, mb, wish, &pass, patience);
		if (!(mb->kind & MBOX_CREATE_BY_TAG) ||
		    recv->flags & (MBOX_RECV_PIDFD | MBOX_RECV_PARTICIPANT))
			return -EOPNOTSUPP;
	}
	return mbox_command_conclude_recv(command, recv, mb,
					  mbox_recv_claim(mb, wish, &pass, patience), wish);
}

/**
 * struct choice - the mailboxes of a MBOX_RECV_CHOICE
 * @ids: as the caller gave them
 * @mbs: held; in the order of @ids, turned so that the first is the one to look
 *	at first
 * @passes: the right to receive from each of @mbs
 * @nr: how many are held
 */
struct choice {
	u64 ids[MBOX_CHOICE_MAX];
	struct mbox *mbs[MBOX_CHOICE_MAX];
	struct mbox_pass passes[MBOX_CHOICE_MAX];
	unsigned int nr;
};

static int check_choice(struct choice *choice)
{
	unsigned int i;

	for (i = 0; i < choice->nr; i++) {
		mbox_rights_ask(&choice->passes[i], MBOX_RIGHT_RECV);
		if (!mbox_rights_admit(choice->mbs[i], &choice->passes[i]))
			return mbox_rights_refusal(choice->mbs[i]);
	}
	for (i = 0; i < choice->nr; i++)
		if (choice->mbs[i]->kind & MBOX_CREATE_SINGLE)
			return -EOPNOTSUPP;
	return 0;
}

static int hold_choice(struct choice *choice, unsigned int nr, unsigned int first)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!choice->ids[i])
			return -EINVAL;
	for (i = 0; i < nr; i++) {
		struct mbox *mb = mbox_registry_get(mbox_registry_ns(),
						    choice->ids[(first + i) % nr]);

		if (IS_ERR(mb))
			return PTR_ERR(mb);
		choice->mbs[choice->nr++] = mb;
	}
	return check_choice(choice);
}

/*
 * The next place in the list comes first the next time. A mailbox that is in it
 * more than once was served at the first of its places.
 */
static void remember_choice(struct mbox_file *mf, const struct choice *choice,
			    const struct mbox *from, unsigned int first)
{
	unsigned int i = 0;

	if (!from)
		return;
	while (choice->mbs[i] != from)
		i++;
	WRITE_ONCE(mf->next_choice, (first + i + 1) % choice->nr);
}

static int choose(const struct mbox_command *command, struct mbox_recv *recv,
		  struct mbox_wish *wish, const struct mbox_patience *patience)
{
	unsigned int nr = recv->nr_ids, first = READ_ONCE(command->mf->next_choice) % nr;
	struct mbox *from = NULL;
	struct choice *choice;
	struct mbox_msg *msg;
	int err;

	choice = kmalloc(sizeof(*choice), MBOX_GFP);
	if (!choice)
		return -ENOMEM;
	choice->nr = 0;
	err = -EFAULT;
	if (!copy_from_user(choice->ids, u64_to_user_ptr(recv->ids), nr * sizeof(u64)))
		err = hold_choice(choice, nr, first);
	if (!err) {
		msg = mbox_recv_choose(choice->mbs, choice->passes, nr, wish, patience,
				       &from);
		err = mbox_command_conclude_recv(command, recv, from, msg, wish);
		remember_choice(command->mf, choice, from, first);
	}
	while (choice->nr)
		mbox_mailbox_put(choice->mbs[--choice->nr]);
	kfree(choice);
	return err;
}

/* Files that are not wanted, or not all, do not stand in the way of the message. */
static bool takes_any(u64 flags)
{
	return !(flags & MBOX_RECV_FILES) || flags & MBOX_RECV_TRUNCATE;
}

static int receive_as(const struct mbox_command *command, struct mbox_recv *recv,
		      struct mbox_wish *wish, const struct mbox_patience *patience)
{
	struct mbox *mb;
	int err;

	if (recv->flags & MBOX_RECV_CHOICE)
		return choose(command, recv, wish, patience);
	if (recv->flags & MBOX_RECV_DIRECT)
		mb = mbox_direct_inbox(wish->who, wish->who);
	else
		mb = mbox_command_target(command, recv->id);
	if (IS_ERR(mb))
		return PTR_ERR(mb);
	err = receive(command, recv, mb, wish, patience);
	mbox_mailbox_put(mb);
	return err;
}

int mbox_command_recv(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_recv *recv = &arg->recv;
	struct mbox_wish wish = { .flags = recv->flags, .nth = recv->nth };
	struct mbox_patience patience;
	int err = 0;

	if (!valid_recv(recv))
		return -EINVAL;
	if (!(command->file->f_mode & FMODE_READ))
		return -EBADF;
	if (recv->flags & MBOX_RECV_PIDFD) {
		err = mbox_participant_check_pidfd(recv->match);
		if (err)
			return err;
	}
	patience = patience_of(command, recv->flags & MBOX_RECV_NONBLOCK || recv->nth,
			       recv->flags & MBOX_RECV_TIMEOUT, recv->deadline);
	wish.key = recv->match;
	wish.room = recv->flags & MBOX_RECV_TRUNCATE ? SIZE_MAX : recv->size;
	wish.files_room = takes_any(recv->flags) ? U32_MAX : recv->nr_files;
	wish.who = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(wish.who))
		return PTR_ERR(wish.who);
	if (recv->flags & MBOX_RECV_REPLY)
		err = mbox_command_reply_first(command, u64_to_user_ptr(recv->reply), wish.who);
	if (!err)
		err = receive_as(command, recv, &wish, &patience);
	mbox_participant_put(wish.who);
	return err;
}

/*
 * The calling process's clock.
 */

int mbox_command_clock(const struct mbox_command *command, union mbox_argument *arg)
{
	struct mbox_clock *clock = &arg->clock;
	struct mbox_participant *self;

	if (clock->flags & ~MBOX_CLOCK_TICK)
		return -EINVAL;
	self = mbox_callers_self(&command->mf->callers);
	if (IS_ERR(self))
		return PTR_ERR(self);
	if (clock->flags & MBOX_CLOCK_TICK) {
		clock->stamp = mbox_clock_tick(&self->clock);
		trace_mbox_tick(mbox_registry_ns(), self, clock->stamp);
	} else {
		clock->stamp = atomic64_read(&self->clock);
	}
	clock->participant = self->id;
	mbox_participant_put(self);
	return mbox_command_reply(command, clock, offsetof(struct mbox_clock, stamp),
				  sizeof(*clock));
}
