// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Requests and their replies.
 */
#include <sys/ioctl.h>

#include "internal.h"

static void fill_envelope(struct mbox_envelope *envelope, const struct mbox_call *call)
{
	*envelope = (struct mbox_envelope) {
		.len = call->reply_len,
		.pid = call->pid,
		.uid = call->uid,
		.gid = call->gid,
		.tag = call->reply_tag,
		.stamp = call->stamp,
		.clock = call->clock,
		.sender = call->sender,
		.got = call->got,
		.nr_files = call->nr_reply_files,
	};
}

ssize_t mbox_call_with(int fd, const void *request, size_t len, void *reply, size_t size,
		       struct mbox_envelope *envelope,
		       const struct mbox_call_options *options)
{
	static const struct mbox_call_options defaults;
	struct mbox_call call = {
		.buf = (uintptr_t)request,
		.len = len,
		.reply = (uintptr_t)reply,
		.size = size,
	};

	if (!options)
		options = &defaults;
	if (options->flags & ~(MBOX_NONBLOCK | MBOX_TRUNCATE | MBOX_SHARED | DIRECT_FLAGS) ||
	    !is_zero(options->reserved, sizeof(options->reserved)))
		return invalid();
	call.prio = options->prio;
	call.tag = options->tag;
	call.files = (uintptr_t)options->files;
	call.nr_files = options->nr_files;
	call.reply_files = (uintptr_t)options->reply_files;
	call.nr_reply_files = options->nr_reply_files;
	if (options->flags & MBOX_NONBLOCK)
		call.flags |= MBOX_CALL_NONBLOCK;
	if (options->flags & MBOX_TRUNCATE)
		call.flags |= MBOX_CALL_TRUNCATE;
	if (options->flags & MBOX_SHARED)
		call.flags |= MBOX_CALL_SHARED;
	if (set_process(&call.id, options->process, options->flags, &call.flags) ||
	    set_time(&call.deadline, options->deadline, &call.flags, MBOX_CALL_TIMEOUT))
		return -1;
	if (ioctl(fd, MBOX_IOC_CALL, &call))
		return -1;
	if (envelope)
		fill_envelope(envelope, &call);
	return call.reply_len < size ? call.reply_len : size;
}

ssize_t mbox_call(int fd, const void *request, size_t len, void *reply, size_t size,
		  struct mbox_envelope *envelope, const struct timespec *deadline)
{
	const struct mbox_call_options options = { .deadline = deadline };

	return mbox_call_with(fd, request, len, reply, size, envelope, &options);
}

static int fill_reply(struct mbox_reply *reply, uint64_t token, const void *buf, size_t len,
		      const struct mbox_reply_options *options)
{
	*reply = (struct mbox_reply) { .token = token, .buf = (uintptr_t)buf, .len = len };
	if (!options)
		return 0;
	if (options->flags & ~MBOX_SHARED ||
	    !is_zero(options->reserved, sizeof(options->reserved)))
		return invalid();
	if (options->flags & MBOX_SHARED)
		reply->flags |= MBOX_REPLY_SHARED;
	reply->tag = options->tag;
	reply->files = (uintptr_t)options->files;
	reply->nr_files = options->nr_files;
	return 0;
}

int mbox_reply_with(int fd, uint64_t token, const void *buf, size_t len,
		    const struct mbox_reply_options *options)
{
	struct mbox_reply reply;

	if (fill_reply(&reply, token, buf, len, options))
		return -1;
	return ioctl(fd, MBOX_IOC_REPLY, &reply);
}

int mbox_reply(int fd, uint64_t token, const void *buf, size_t len)
{
	return mbox_reply_with(fd, token, buf, len, NULL);
}

/*
 * A signal whose handler was installed with SA_RESTART restarts the system call with
 * the same structures, in which the kernel has noted that the reply was given; after
 * any other return @answer says so.
 */
ssize_t mbox_reply_recv(int fd, struct mbox_answer *answer, void *buf, size_t size,
			struct mbox_envelope *envelope,
			const struct mbox_recv_options *options)
{
	struct mbox_recv_options receive = { 0 };
	struct mbox_recv recv = { .buf = (uintptr_t)buf, .size = size };
	struct mbox_reply reply;
	int error;

	if (options)
		receive = *options;
	receive.flags |= MBOX_TOKEN;
	if (!is_zero(answer->reserved, sizeof(answer->reserved)))
		return invalid();
	if (fill_reply(&reply, answer->token, answer->buf, answer->len, answer->options))
		return -1;
	if (answer->token) {
		recv.flags = MBOX_RECV_REPLY;
		recv.reply = (uintptr_t)&reply;
	}
	error = mbox_internal_receive(fd, &recv, &receive) ? errno : 0;
	if (answer->token && reply.done) {
		answer->token = 0;
		answer->error = -reply.result;
	}
	if (!error || !answer->token)
		mbox_internal_envelope(envelope, &recv, error);
	return error ? fail(error) : received(&recv);
}

int mbox_discard(int fd, uint64_t token)
{
	struct mbox_reply reply = { .flags = MBOX_REPLY_DISCARD, .token = token };

	return ioctl(fd, MBOX_IOC_REPLY, &reply);
}

int mbox_waits(int fd, uint64_t token)
{
	struct mbox_token request = { .token = token };
	int before = errno;

	if (!ioctl(fd, MBOX_IOC_TOKEN, &request))
		return 1;
	if (errno != ECANCELED)
		return -1;
	errno = before;
	return 0;
}

int mbox_pass(int fd, uint64_t token, pid_t pid, int flags)
{
	struct mbox_token request = { .flags = MBOX_TOKEN_PASS, .token = token, .pid = pid };

	if (flags & ~MBOX_PIDFD)
		return invalid();
	if (flags & MBOX_PIDFD)
		request.flags |= MBOX_TOKEN_PIDFD;
	return ioctl(fd, MBOX_IOC_TOKEN, &request);
}
