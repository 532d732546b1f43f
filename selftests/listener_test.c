// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events: each is told as it happened, in order, to those who may know of it, and to
 * nobody else. Nobody waits for those who listen, and these know what they have missed.
 */
#include "fault.h"
#include "module.h"
#include "netlink.h"

#include <linux/filter.h>

#define ANY_RIGHT	(MBOX_RIGHT_SEND | MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE)

/*
 * Root listens. Users come and go, and do something.
 */
FIXTURE(listener) {
	int fd;
	struct watcher *root;
	struct puppet *owner;
	struct puppet *other;		/* another user */
	struct puppet *fellow;		/* of the owner's user */
	uint64_t owner_id;		/* participant ids */
	uint64_t other_id;
	uint64_t fellow_id;
};

FIXTURE_SETUP(listener)
{
	begin_accounts();
	self->fd = device(O_RDWR);
	self->owner = new_puppet(self->fd, OWNER, OWNER);
	self->other = new_puppet(self->fd, STRANGER, STRANGER);
	self->fellow = new_puppet(self->fd, OWNER, OWNER);
	self->owner_id = participant_of(self->owner);
	self->other_id = participant_of(self->other);
	self->fellow_id = participant_of(self->fellow);
	self->root = new_listener(NULL);
}

static void end_puppet(struct puppet *puppet)
{
	if (!waitpid(puppet->pid, NULL, WNOHANG))
		kill_puppet(puppet);
}

FIXTURE_TEARDOWN(listener)
{
	close_watcher(self->root);
	end_puppet(self->owner);
	end_puppet(self->other);
	end_puppet(self->fellow);
	WAIT_UNTIL(!listeners(self->fd));
	end_accounts(self->fd);
}

#define EXPECT_SILENCE(watcher)	EXPECT_TRUE(is_silent(watcher))

/* The mailbox was there before the test begins to look. */
static uint64_t told_creation(FIXTURE_DATA(listener) *self, struct mbox_create attr)
{
	uint64_t id = create_by(self->owner, attr);
	struct news news = next_news(self->root);

	NEED(news.event == MBOX_EVENT_CREATED && news.stat.id == id);
	self->root->seq = news.seq;
	self->root->time = realtime();
	return id;
}

TEST_F(listener, is_told_of_creation_and_deletion_of_each_kind)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(each_kind); i++) {
		uint64_t id = create_by(self->owner, each_kind[i]);
		struct mbox_stat stat = state(self->fd, id);

		EXPECT_NEWS(self->root, .event = MBOX_EVENT_CREATED, .actor = self->owner->pid,
			    .process = self->owner->pid, .participant = self->owner_id,
			    .stat = stat);
		EXPECT_EQ(OWNER, stat.uid);
		EXPECT_EQ(0, delete_by(self->fellow, id));
		EXPECT_NEWS(self->root, .event = MBOX_EVENT_DELETED, .actor = self->fellow->pid,
			    .process = self->owner->pid, .participant = self->owner_id,
			    .stat = stat);
	}
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_how_a_mailbox_was_that_is_gone)
{
	uint64_t id = told_creation(self, public(3));
	struct mbox_stat stat;

	ASSERT_EQ(0, post_by(self->other, id, "text"));
	ASSERT_EQ(0, post_by(self->other, id, "more"));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_RECV));
	EXPECT_EQ(MBOX_EVENT_GRANTED, next_news(self->root).event);
	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_EQ(MBOX_EVENT_OFFERED, next_news(self->root).event);
	self->root->seq += 2;
	stat = state(self->fd, id);
	EXPECT_EQ(1, stat.msgs);
	EXPECT_EQ(4, stat.bytes);
	EXPECT_EQ(1, stat.grants);
	EXPECT_EQ(self->other->pid, stat.offered);
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_DELETED, .actor = self->owner->pid,
		    .process = self->owner->pid, .participant = self->owner_id, .stat = stat);
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_what_goes_with_its_owner_and_that_nobody_did_it)
{
	struct mbox_create attr = attributes(1, 1);
	uint64_t id, inbox;
	struct mbox_stat stat;
	int i;

	attr.flags = MBOX_CREATE_PROCESS;
	attr.mode = 0;
	id = told_creation(self, attr);
	attr.flags = MBOX_CREATE_INBOX;
	inbox = told_creation(self, attr);
	stat = state(self->fd, id);
	kill_puppet(self->owner);
	for (i = 0; i < 2; i++) {
		struct news news = next_news(self->root);

		EXPECT_EQ(EVERY_EVENT | HAS(MBOX_A_PROCESS) | HAS(MBOX_A_PARTICIPANT), news.has);
		EXPECT_EQ(MBOX_EVENT_DELETED, news.event);
		EXPECT_EQ(self->root->seq + 1 + i, news.seq);
		EXPECT_EQ(self->owner_id, news.participant);
		EXPECT_EQ(self->owner->pid, news.process);
		EXPECT_EQ(0, news.stat.pid);
		EXPECT_TRUE(news.stat.id == id || news.stat.id == inbox);
		if (news.stat.id == id)
			EXPECT_EQ(0, memcmp(stat.name, news.stat.name, sizeof(stat.name)));
	}
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_who_made_an_inbox_and_whose_it_is)
{
	struct mbox_send how = {
		.flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK, .id = self->owner->pid,
	};

	ASSERT_EQ(0, send_by(self->fellow, how, "text"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_CREATED, .actor = self->fellow->pid,
		    .process = self->owner->pid, .participant = self->owner_id);
	EXPECT_EQ(EAGAIN, recv_by(self->other, (struct mbox_recv){
		.flags = MBOX_RECV_DIRECT | MBOX_RECV_NONBLOCK }));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_CREATED, .actor = self->other->pid,
		    .process = self->other->pid, .participant = self->other_id);
	ASSERT_EQ(0, send_by(self->fellow, how, "more"));
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_transfers)
{
	uint64_t id = told_creation(self, attributes(1, 1));
	struct puppet *me = myself(self->fd);

	ASSERT_EQ(0, transfer_by(self->owner, id, self->fellow->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = self->owner->pid,
		    .process = self->fellow->pid, .participant = self->fellow_id,
		    .former = self->owner->pid, .stat = state(self->fd, id));
	/* Root may, and is not the owner. */
	ASSERT_EQ(0, transfer_by(me, id, self->other->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = getpid(),
		    .process = self->other->pid, .participant = self->other_id,
		    .former = self->fellow->pid, .stat = state(self->fd, id));
	EXPECT_EQ(STRANGER, state(self->fd, id).uid);
	/* To oneself. */
	ASSERT_EQ(0, transfer_by(self->other, id, self->other->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = self->other->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .former = self->other->pid, .stat = state(self->fd, id));
	/* Those that fail are not told. */
	EXPECT_EQ(EPERM, transfer_by(self->other, id, self->owner->pid, 0));
	EXPECT_EQ(ESRCH, transfer_by(self->other, id, 99999, 0));
	EXPECT_EQ(EACCES, transfer_by(self->owner, id, self->owner->pid, 0));
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_the_right_that_the_former_owner_keeps)
{
	uint64_t id = told_creation(self, attributes(1, 1));

	ASSERT_EQ(0, transfer_by(self->owner, id, self->fellow->pid, MBOX_TRANSFER_KEEP));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_GRANTED, .actor = self->owner->pid,
		    .process = self->owner->pid, .participant = self->owner_id,
		    .rights = MBOX_RIGHT_RECV);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = self->owner->pid,
		    .process = self->fellow->pid, .participant = self->fellow_id,
		    .former = self->owner->pid, .stat = state(self->fd, id));
	ASSERT_EQ(0, offer_by(self->fellow, id, self->other->pid, MBOX_TRANSFER_KEEP));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_OFFERED, .actor = self->fellow->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .stat = state(self->fd, id));
	ASSERT_EQ(0, accept_by(self->other, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_GRANTED, .actor = self->other->pid,
		    .process = self->fellow->pid, .participant = self->fellow_id,
		    .rights = MBOX_RIGHT_RECV);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = self->other->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .former = self->fellow->pid, .stat = state(self->fd, id));
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_offers_and_what_becomes_of_them)
{
	uint64_t id = told_creation(self, attributes(1, 1));

	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_OFFERED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .stat = state(self->fd, id));
	EXPECT_EQ(self->other->pid, state(self->fd, id).offered);
	/* Another one takes its place. */
	ASSERT_EQ(0, offer_by(self->fellow, id, self->fellow->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_OFFERED, .actor = self->fellow->pid,
		    .process = self->fellow->pid, .participant = self->fellow_id,
		    .stat = state(self->fd, id));
	EXPECT_EQ(EACCES, accept_by(self->other, id));
	ASSERT_EQ(0, offer_by(self->owner, id, 0, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_OFFERED, .actor = self->owner->pid,
		    .stat = state(self->fd, id));
	/* There is none to take back. */
	ASSERT_EQ(0, offer_by(self->owner, id, 0, 0));
	EXPECT_SILENCE(self->root);
	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_OFFERED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id);
	ASSERT_EQ(0, accept_by(self->other, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = self->other->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .former = self->owner->pid, .stat = state(self->fd, id));
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_ownership_that_comes_with_a_message)
{
	uint64_t post_office = told_creation(self, public(2));
	uint64_t id = told_creation(self, attributes(1, 1));
	struct mbox_recv how = {
		.flags = MBOX_RECV_ACCEPT | MBOX_RECV_NONBLOCK, .id = post_office,
	};

	ASSERT_EQ(0, grant_by(self->owner, post_office, self->other->pid, MBOX_RIGHT_RECV));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_GRANTED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_RECV);
	ASSERT_EQ(0, send_by(self->owner, (struct mbox_send){
		.flags = MBOX_SEND_OFFER, .id = post_office, .offer = id }, "yours"));
	EXPECT_SILENCE(self->root);
	ASSERT_EQ(0, recv_by(self->other, how));
	EXPECT_EQ(id, self->other->recv.owned);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_TRANSFERRED, .actor = self->other->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .former = self->owner->pid, .stat = state(self->fd, id));
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_which_rights_are_new_or_lost)
{
	uint64_t id = told_creation(self, attributes(1, 1));

	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_SEND));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_GRANTED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_SEND, .stat = state(self->fd, id));
	ASSERT_EQ(0, grant_by(self->fellow, id, self->other->pid, ANY_RIGHT));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_GRANTED, .actor = self->fellow->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_RECV | MBOX_RIGHT_MANAGE, .stat = state(self->fd, id));
	/* It has that. */
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_RECV));
	EXPECT_SILENCE(self->root);
	ASSERT_EQ(0, revoke_by(self->owner, id, self->other->pid, MBOX_RIGHT_SEND));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_REVOKED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_SEND, .stat = state(self->fd, id));
	ASSERT_EQ(0, revoke_by(self->other, id, self->other->pid,
			       MBOX_RIGHT_SEND | MBOX_RIGHT_RECV));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_REVOKED, .actor = self->other->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_RECV, .stat = state(self->fd, id));
	ASSERT_EQ(0, revoke_by(self->owner, id, self->other->pid, ANY_RIGHT));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_REVOKED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_MANAGE, .stat = state(self->fd, id));
	EXPECT_EQ(0, state(self->fd, id).grants);
	EXPECT_EQ(ESRCH, revoke_by(self->owner, id, self->other->pid, ANY_RIGHT));
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_a_grant_that_goes_with_its_holder_and_that_nobody_did_it)
{
	uint64_t id = told_creation(self, attributes(1, 1));

	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid,
			      MBOX_RIGHT_SEND | MBOX_RIGHT_MANAGE));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_GRANTED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id,
		    .rights = MBOX_RIGHT_SEND | MBOX_RIGHT_MANAGE);
	kill_puppet(self->other);
	wait_for_news(self->root);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_REVOKED, .process = self->other->pid,
		    .participant = self->other_id,
		    .rights = MBOX_RIGHT_SEND | MBOX_RIGHT_MANAGE, .stat = state(self->fd, id));
	EXPECT_EQ(0, state(self->fd, id).grants);
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_orphans_and_who_claims_them)
{
	uint64_t id = told_creation(self, attributes(1, 1));
	pid_t former = self->owner->pid;

	kill_puppet(self->owner);
	wait_for_news(self->root);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_ORPHANED, .former = former,
		    .stat = state(self->fd, id));
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, id).state);
	EXPECT_EQ(EACCES, claim_by(self->other, id));
	ASSERT_EQ(0, claim_by(self->fellow, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_CLAIMED, .actor = self->fellow->pid,
		    .process = self->fellow->pid, .participant = self->fellow_id,
		    .stat = state(self->fd, id));
	EXPECT_EQ(EBUSY, claim_by(self->fellow, id));
	EXPECT_SILENCE(self->root);
	kill_puppet(self->fellow);
	wait_for_news(self->root);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_ORPHANED, .former = self->fellow->pid,
		    .stat = state(self->fd, id));
	/* Without an owner. */
	ASSERT_EQ(0, delete(self->fd, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_DELETED, .actor = getpid());
	EXPECT_SILENCE(self->root);
}

/* Whoever comes first, the work item or the claim. */
TEST_F(listener, is_told_of_the_orphan_before_the_claim)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		uint64_t id = create_by(owner, attributes(1, 1));
		uint64_t participant = participant_of(owner);

		EXPECT_NEWS(self->root, .event = MBOX_EVENT_CREATED, .actor = owner->pid,
			    .process = owner->pid, .participant = participant);
		NEED(!kill(owner->pid, SIGKILL));
		WAIT_UNTIL(claim_by(self->fellow, id) == 0);
		EXPECT_NEWS(self->root, .event = MBOX_EVENT_ORPHANED, .former = owner->pid);
		EXPECT_NEWS(self->root, .event = MBOX_EVENT_CLAIMED, .actor = self->fellow->pid,
			    .process = self->fellow->pid, .participant = self->fellow_id,
			    .stat = state(self->fd, id));
		NEED(join(owner->pid) == -SIGKILL);
		munmap(owner, PAGE);
	}
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_what_becomes_of_an_offer_when_its_maker_ends)
{
	uint64_t id = told_creation(self, attributes(1, 1));

	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_OFFERED, .actor = self->owner->pid,
		    .process = self->other->pid, .participant = self->other_id);
	kill_puppet(self->owner);
	wait_for_news(self->root);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_ORPHANED, .former = self->owner->pid,
		    .stat = state(self->fd, id));
	EXPECT_EQ(MBOX_STATE_ORPHAN, state(self->fd, id).state);
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_told_of_changes_of_mode_user_and_group)
{
	uint64_t id = told_creation(self, attributes(1, 1));
	struct puppet *me = myself(self->fd);
	struct mbox_change group = { .flags = MBOX_CHANGE_GID, .id = id, .gid = 7 };

	ASSERT_EQ(0, chmod_by(self->owner, id, 0640));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_CHANGED, .actor = self->owner->pid,
		    .stat = state(self->fd, id));
	EXPECT_EQ(0640, state(self->fd, id).mode);
	ASSERT_EQ(0, chown_by(me, id, STRANGER, 5));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_CHANGED, .actor = getpid(),
		    .stat = state(self->fd, id));
	EXPECT_EQ(STRANGER, state(self->fd, id).uid);
	ASSERT_EQ(0, call(self->fd, MBOX_IOC_CHANGE, &group));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_CHANGED, .actor = getpid(),
		    .stat = state(self->fd, id));
	EXPECT_EQ(7, state(self->fd, id).gid);
	EXPECT_EQ(EACCES, chown_by(self->owner, id, OWNER, OWNER));
	EXPECT_EQ(EINVAL, chmod_by(self->owner, id, 0777));
	EXPECT_SILENCE(self->root);
}

/*
 * What is subscribed.
 */

TEST_F(listener, is_told_of_the_events_of_its_mask_only_and_numbers_count_those)
{
	uint32_t event;

	for (event = 0; event <= MBOX_EVENT_CHANGED; event++) {
		struct watcher *one = new_watcher(NULL);
		struct puppet *owner = new_puppet(self->fd, OWNER, OWNER);
		struct news news;
		unsigned int count = 0;
		uint64_t id;

		ASSERT_EQ(0, subscribe_to(one, MBOX_EVENT_BIT(event)));
		id = create_by(owner, attributes(1, 1));
		ASSERT_EQ(0, offer_by(owner, id, self->other->pid, 0));
		ASSERT_EQ(0, grant_by(owner, id, self->other->pid, MBOX_RIGHT_SEND));
		ASSERT_EQ(0, revoke_by(owner, id, self->other->pid, MBOX_RIGHT_SEND));
		ASSERT_EQ(0, transfer_by(owner, id, owner->pid, 0));
		ASSERT_EQ(0, chmod_by(owner, id, 0));
		kill_puppet(owner);
		WAIT_UNTIL(!claim_by(self->fellow, id));
		ASSERT_EQ(0, delete_by(self->fellow, id));
		while (poll_news(one, &news)) {
			EXPECT_EQ(event, news.event);
			EXPECT_EQ(++count, news.seq);
			EXPECT_EQ(id, news.stat.id);
		}
		EXPECT_EQ(1, count);
		close_watcher(one);
	}
}

TEST_F(listener, may_change_its_mask_and_goes_on_counting)
{
	struct watcher *one = new_watcher(NULL);
	uint64_t id;

	ASSERT_EQ(0, subscribe_to(one, MBOX_EVENT_BIT(MBOX_EVENT_CREATED)));
	id = create_by(self->owner, attributes(1, 1));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_NEWS(one, .event = MBOX_EVENT_CREATED, .actor = self->owner->pid,
		    .process = self->owner->pid, .participant = self->owner_id);
	EXPECT_SILENCE(one);
	ASSERT_EQ(0, subscribe_to(one, MBOX_EVENT_BIT(MBOX_EVENT_DELETED)));
	id = create_by(self->owner, attributes(1, 1));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_NEWS(one, .event = MBOX_EVENT_DELETED, .actor = self->owner->pid,
		    .process = self->owner->pid, .participant = self->owner_id);
	EXPECT_SILENCE(one);
	ASSERT_EQ(0, subscribe_to(one, 0));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_SILENCE(one);
	ASSERT_EQ(0, subscribe(one));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_NEWS(one, .event = MBOX_EVENT_DELETED, .actor = self->owner->pid,
		    .process = self->owner->pid, .participant = self->owner_id);
	EXPECT_EQ(3, one->seq);
	EXPECT_EQ(2, listeners(self->fd));
	close_watcher(one);
}

TEST_F(listener, refuses_unknown_events_and_attributes_and_stays_as_it_was)
{
	struct watcher *one = new_watcher(NULL);
	struct nl_msg *msg;
	uint64_t id;
	int bit;

	for (bit = __MBOX_EVENT_MAX; bit < 32; bit++) {
		EXPECT_EQ(EINVAL, subscribe_to(one, 1U << bit));
		EXPECT_EQ(EINVAL, subscribe_to(one, MBOX_EVENT_ALL | 1U << bit));
	}
	msg = with_id(new_request(MBOX_CMD_SUBSCRIBE, 0), 1);
	EXPECT_EQ(EINVAL, request(one, msg, NULL, NULL));
	msg = new_request(MBOX_CMD_SUBSCRIBE, 0);
	NEED(!nla_put_u64(msg, MBOX_A_EVENTS, 1));
	EXPECT_EQ(EINVAL, request(one, msg, NULL, NULL));
	msg = new_request(MBOX_CMD_SUBSCRIBE, 0);
	NEED(!nla_put_u16(msg, MBOX_A_EVENTS, 1));
	EXPECT_EQ(EINVAL, request(one, msg, NULL, NULL));
	msg = new_request(MBOX_CMD_UNSUBSCRIBE, 0);
	NEED(!nla_put_u32(msg, MBOX_A_EVENTS, 1));
	EXPECT_EQ(EINVAL, request(one, msg, NULL, NULL));
	EXPECT_EQ(EOPNOTSUPP, request(one, new_request(MBOX_CMD_EVENT, 0), NULL, NULL));
	EXPECT_EQ(EOPNOTSUPP, request(one, new_request(MBOX_CMD_SUBSCRIBE, NLM_F_DUMP), NULL,
				      NULL));
	EXPECT_EQ(1, listeners(self->fd));
	/* A subscription outlives a refusal. */
	EXPECT_EQ(EINVAL, subscribe_to(self->root, 1U << 31));
	EXPECT_EQ(1, listeners(self->fd));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_EQ(id, next_news(self->root).stat.id);
	EXPECT_SILENCE(one);
	close_watcher(one);
}

TEST_F(listener, is_told_nothing_after_it_unsubscribes_and_counts_anew_when_it_comes_back)
{
	uint64_t id = told_creation(self, attributes(1, 1));

	ASSERT_EQ(0, unsubscribe(self->root));
	EXPECT_EQ(0, listeners(self->fd));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_SILENCE(self->root);
	/* Once more is no error. */
	ASSERT_EQ(0, unsubscribe(self->root));
	ASSERT_EQ(0, subscribe(self->root));
	EXPECT_EQ(1, listeners(self->fd));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_EQ(1, next_news(self->root).seq);
	/* What was told before can still be read. */
	ASSERT_EQ(0, delete_by(self->owner, id));
	ASSERT_EQ(0, unsubscribe(self->root));
	EXPECT_EQ(MBOX_EVENT_DELETED, next_news(self->root).event);
	EXPECT_SILENCE(self->root);
}

TEST_F(listener, is_one_socket_each)
{
	struct watcher *second = new_listener(NULL);
	uint64_t id = create_by(self->owner, attributes(1, 1));

	EXPECT_EQ(2, listeners(self->fd));
	EXPECT_EQ(id, next_news(self->root).stat.id);
	EXPECT_EQ(id, next_news(second).stat.id);
	ASSERT_EQ(0, unsubscribe(second));
	EXPECT_EQ(1, listeners(self->fd));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_EQ(2, next_news(self->root).seq);
	EXPECT_SILENCE(second);
	close_watcher(second);
}

TEST_F(listener, lasts_as_long_as_somebody_has_its_socket)
{
	struct watcher *one = new_listener(NULL);
	int copy = dup(socket_of(one));
	pid_t child = spawn();
	struct watcher *again;
	uint64_t id;

	if (!child) {
		pause();
		_exit(0);
	}
	close_watcher(one);
	EXPECT_EQ(2, listeners(self->fd));
	id = create_by(self->owner, attributes(1, 1));
	again = new_watcher_at(NULL, copy, copy);
	EXPECT_EQ(id, next_news(again).stat.id);
	close_watcher(again);
	/* The child has it. */
	EXPECT_EQ(2, listeners(self->fd));
	end(child);
	WAIT_UNTIL(listeners(self->fd) == 1);
}

TEST_F(listener, is_one_however_many_subscribe_through_its_socket_at_once)
{
	enum { PROCESSES = 4, ROUNDS = 200 };
	struct watcher *one = new_watcher(NULL);
	pid_t children[PROCESSES];
	struct news news;
	uint64_t id;
	int i;

	/* Those who write do not read: nothing is to be answered. */
	nl_socket_disable_auto_ack(one->sk);
	for (i = 0; i < PROCESSES; i++) {
		int round;

		children[i] = spawn();
		if (children[i])
			continue;
		for (round = 0; round < ROUNDS; round++)
			write_to_kernel(one, new_request((round + i) % 4 ? MBOX_CMD_SUBSCRIBE :
							 MBOX_CMD_UNSUBSCRIBE, 0));
		write_to_kernel(one, new_request(MBOX_CMD_SUBSCRIBE, 0));
		_exit(0);
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, join(children[i]));
	EXPECT_EQ(2, listeners(self->fd));
	EXPECT_EQ(2, listeners_of(self->fd, 0));
	id = create_by(self->owner, attributes(1, 1));
	ASSERT_TRUE(poll_news(one, &news));
	EXPECT_EQ(id, news.stat.id);
	EXPECT_SILENCE(one);
	close_watcher(one);
	EXPECT_EQ(1, listeners(self->fd));
}

TEST_F(listener, misses_what_its_own_filter_drops_and_is_not_told_of_that)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };
	int fd = socket_of(self->root), unused = 0;
	uint64_t id;

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_SILENCE(self->root);
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_EQ(2, next_news(self->root).seq);
}

TEST_F(listener, is_told_nothing_of_what_was_before)
{
	uint64_t id = create_by(self->owner, public(1)), marker;
	struct watcher *late;

	ASSERT_EQ(0, post_by(self->owner, id, "x"));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0600));
	EXPECT_EQ(MBOX_EVENT_CREATED, next_news(self->root).event);
	EXPECT_EQ(MBOX_EVENT_CHANGED, next_news(self->root).event);
	EXPECT_EQ(MBOX_EVENT_FULL, next_news(self->root).event);
	late = new_listener(NULL);
	EXPECT_SILENCE(late);
	marker = create_by(self->owner, public(1));
	EXPECT_EQ(marker, next_news(late).stat.id);
	late->seq++;
	/* It was full then: that it is no longer is news. */
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_NEWS(late, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
	EXPECT_SILENCE(late);
	close_watcher(late);
}

/* The room that its socket has for what it has not read. */
static void narrow(struct watcher *watcher)
{
	int size = 1;

	NEED(!setsockopt(socket_of(watcher), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
}

static void widen(struct watcher *watcher)
{
	int size = 64 << 20;

	NEED(!setsockopt(socket_of(watcher), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
}

/*
 * Full and space.
 */

/* So many messages at most, of one byte each. */
static uint64_t small_box(FIXTURE_DATA(listener) *self, uint32_t msgs)
{
	struct mbox_create attr = attributes(msgs, 1);

	attr.mode = 0666;
	return told_creation(self, attr);
}

/* What is told late, and was to be told by now, has been told then. */
static void let_all_be_told(FIXTURE_DATA(listener) *self)
{
	int fd = mailbox(attributes(1, 1)), i;
	struct watcher *watcher = new_listener(NULL);
	uint64_t id = state(fd, 0).id;
	struct letter letter;

	for (i = 0; i < 3; i++) {
		struct news news;

		NEED(!post(fd, 0, "x", 0));
		do
			news = next_news(watcher);
		while (news.event != MBOX_EVENT_FULL || news.stat.id != id);
		NEED(!fetch(fd, 0, &letter));
		do
			news = next_news(watcher);
		while (news.event != MBOX_EVENT_SPACE || news.stat.id != id);
	}
	NEED(!delete(fd, 0));
	close(fd);
	close_watcher(watcher);
	(void)self;
}

/* Nothing more of that mailbox is told until the next that is: it is read and passed over. */
static bool is_told_no_more(FIXTURE_DATA(listener) *self, uint64_t id)
{
	struct news news;
	bool silent = true;

	let_all_be_told(self);
	while (poll_news(self->root, &news)) {
		silent = silent && news.stat.id != id;
		self->root->seq = news.seq;
	}
	self->root->time = realtime();
	return silent;
}

TEST_F(listener, is_told_when_a_mailbox_becomes_full_and_has_space_again)
{
	uint64_t id = small_box(self, 2);

	ASSERT_EQ(0, post_by(self->other, id, "a"));
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, post_by(self->other, id, "b"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1, .stat = state(self->fd, id));
	EXPECT_EQ(1, state(self->fd, id).filled);
	EXPECT_EQ(EAGAIN, post_by(self->other, id, "c"));
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_EQ(1, state(self->fd, id).filled);
	EXPECT_TRUE(is_told_no_more(self, id));
	/* To look is no change. */
	ASSERT_EQ(0, post_by(self->other, id, "a"));
	ASSERT_EQ(0, post_by(self->other, id, "b"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1);
	ASSERT_EQ(0, recv_by(self->owner, (struct mbox_recv){ .id = id, .flags = MBOX_RECV_PEEK }));
	EXPECT_TRUE(is_told_no_more(self, id));
	EXPECT_EQ(2, state(self->fd, id).filled);
}

TEST_F(listener, is_told_that_bytes_are_full_when_the_largest_message_does_not_fit)
{
	struct mbox_create attr = { .max_msgs = 10, .max_bytes = 10, .max_size = 6, .mode = 0666 };
	uint64_t id = told_creation(self, attr);

	ASSERT_EQ(0, post_by(self->other, id, "1234"));
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, post_by(self->other, id, "5"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1, .stat = state(self->fd, id));
	/* There is room for this one. */
	ASSERT_EQ(0, post_by(self->other, id, "678"));
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
	EXPECT_EQ(1, state(self->fd, id).filled);
	EXPECT_TRUE(is_told_no_more(self, id));
}

TEST_F(listener, is_told_that_reserved_buffers_are_taken)
{
	struct mbox_create attr = {
		.flags = MBOX_CREATE_RESERVE, .max_msgs = 2, .max_size = 8, .mode = 0666,
		.max_bytes = MBOX_UNBOUNDED_BYTES,
	};
	uint64_t id = told_creation(self, attr);

	ASSERT_EQ(0, post_by(self->other, id, ""));
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, post_by(self->other, id, ""));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1, .stat = state(self->fd, id));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
	EXPECT_EQ(1, state(self->fd, id).filled);
}

TEST_F(listener, is_told_that_what_is_unbounded_has_reached_the_limit_of_the_system)
{
	struct mbox_create attr = {
		.max_msgs = MBOX_UNBOUNDED, .max_bytes = MBOX_UNBOUNDED_BYTES, .max_size = 8,
		.mode = 0666,
	};
	uint64_t id = told_creation(self, attr);

	NEED(!set_tunable("max_msgs", 2));
	ASSERT_EQ(0, post_by(self->other, id, "a"));
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, post_by(self->other, id, "b"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1, .stat = state(self->fd, id));
	EXPECT_EQ(ENOBUFS, post_by(self->other, id, "c"));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
	EXPECT_EQ(1, state(self->fd, id).filled);
}

TEST_F(listener, is_told_of_the_room_that_waiting_senders_take)
{
	uint64_t id = small_box(self, 1);

	ASSERT_EQ(0, post_by(self->other, id, "a"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1);
	begin_send(self->other, (struct mbox_send){ .id = id }, "b");
	wait_for_senders(self->fd, id, 1);
	EXPECT_TRUE(is_told_no_more(self, id));
	/* The one that waits takes the room. */
	ASSERT_EQ(0, fetch_by(self->owner, id));
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_TRUE(is_told_no_more(self, id));
	EXPECT_EQ(1, state(self->fd, id).filled);
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
}

TEST_F(listener, is_told_of_the_room_that_expired_messages_leave)
{
	uint64_t id = small_box(self, 1);
	struct mbox_send how = {
		.flags = MBOX_SEND_EXPIRES, .id = id, .expires = now() + 50 * MSEC,
	};

	ASSERT_EQ(0, send_by(self->other, how, "x"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1);
	wait_for_news(self->root);
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_SPACE, .stat = state(self->fd, id));
	EXPECT_EQ(1, state(self->fd, id).expired);
}

TEST_F(listener, is_never_told_that_a_rendezvous_or_an_inbox_is_full)
{
	struct mbox_create attr = { .max_size = 8, .mode = 0666 };
	uint64_t id = told_creation(self, attr), inbox;
	struct mbox_create inbox_attr = attributes(1, 8);
	struct mbox_send how = {
		.flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK, .id = self->owner->pid,
	};

	begin_send(self->other, (struct mbox_send){ .id = id }, "x");
	wait_for_senders(self->fd, id, 1);
	EXPECT_TRUE(is_told_no_more(self, id));
	ASSERT_EQ(0, fetch_by(self->owner, id));
	ASSERT_EQ(0, end_act(self->other));
	EXPECT_TRUE(is_told_no_more(self, id));
	EXPECT_EQ(0, state(self->fd, id).filled);
	inbox_attr.flags = MBOX_CREATE_INBOX;
	inbox_attr.mode = 0;
	inbox = told_creation(self, inbox_attr);
	ASSERT_EQ(0, send_by(self->fellow, how, "x"));
	EXPECT_EQ(EAGAIN, send_by(self->fellow, how, "x"));
	EXPECT_TRUE(is_told_no_more(self, inbox));
	EXPECT_EQ(0, state(self->fd, inbox).filled);
}

TEST_F(listener, is_not_told_of_a_message_that_returns)
{
	uint64_t id = small_box(self, 1);
	struct mbox_recv how = {
		.id = id, .flags = MBOX_RECV_NONBLOCK, .buf = (uintptr_t)unmapped(), .size = 1,
	};
	struct news news;
	unsigned int told = 0, filled = 1;
	bool full = true;

	ASSERT_EQ(0, post_by(self->other, id, "x"));
	EXPECT_NEWS(self->root, .event = MBOX_EVENT_FULL, .count = 1);
	EXPECT_EQ(EFAULT, call(self->fd, MBOX_IOC_RECV, &how));
	EXPECT_EQ(1, state(self->fd, id).msgs);
	let_all_be_told(self);
	/* It may have been seen to go and to come back, both or none. */
	while (poll_news(self->root, &news)) {
		if (news.stat.id != id)
			continue;
		told++;
		EXPECT_EQ(full ? MBOX_EVENT_SPACE : MBOX_EVENT_FULL, news.event);
		full = news.event == MBOX_EVENT_FULL;
		filled += news.count;
	}
	EXPECT_TRUE(full);
	EXPECT_EQ(0, told % 2);
	EXPECT_EQ(filled, state(self->fd, id).filled);
}

/*
 * Read until all that happened so far has been told: full and space come in turn, each
 * full says how often, and the sum is right. The largest count of one event.
 */
static uint32_t follow(struct __test_metadata *_metadata, FIXTURE_DATA(listener) *self,
		       uint64_t id, bool *full, uint64_t *filled)
{
	struct mbox_stat stat = state(self->fd, id);
	uint32_t most = 0;

	while (*filled < stat.filled || *full != (stat.msgs == stat.max_msgs)) {
		struct news news = next_news(self->root);

		EXPECT_EQ(id, news.stat.id);
		EXPECT_EQ(++self->root->seq, news.seq);
		ASSERT_EQ(*full ? MBOX_EVENT_SPACE : MBOX_EVENT_FULL, news.event);
		EXPECT_EQ(*full, news.count == 0);
		*full = !*full;
		*filled += news.count;
		EXPECT_LE(*filled, news.stat.filled);
		if (news.count > most)
			most = news.count;
	}
	EXPECT_EQ(*filled, stat.filled);
	self->root->time = realtime();
	return most;
}

/* In any of the four combinations of what is known and what is. */
TEST_F_TIMEOUT(listener, is_told_how_often_what_changes_quickly_became_full, 120)
{
	enum { CHANGES = 40, ROUNDS = 60, ENOUGH = 6 };
	uint64_t id = small_box(self, 1), filled = 0;
	unsigned int coalesced[2][2] = { }, round;
	int fd = descriptor(id, O_RDWR | O_NONBLOCK);
	bool full = false;

	for (round = 0; round < ROUNDS; round++) {
		bool was_full = full, is_full = state(fd, 0).msgs;
		int i, changes = CHANGES + round % 3;
		struct letter letter;

		EXPECT_EQ(is_full, was_full);
		for (i = 0; i < changes; i++) {
			ASSERT_EQ(0, is_full ? fetch(fd, 0, &letter) : post(fd, 0, "x", 0));
			is_full = !is_full;
		}
		if (follow(_metadata, self, id, &full, &filled) > 1)
			coalesced[was_full][full]++;
		if (coalesced[0][0] >= ENOUGH && coalesced[0][1] && coalesced[1][0] &&
		    coalesced[1][1])
			break;
	}
	EXPECT_LT(0, coalesced[0][0]);
	EXPECT_LT(0, coalesced[0][1]);
	EXPECT_LT(0, coalesced[1][0]);
	EXPECT_LT(0, coalesced[1][1]);
	EXPECT_EQ(filled, state(fd, 0).filled);
	EXPECT_TRUE(is_told_no_more(self, id));
	close(fd);
}

TEST_F(listener, is_told_right_of_what_changes_while_many_send_and_receive)
{
	enum { MSGS = 400, PAIRS = 3 };
	uint64_t id = small_box(self, 2), filled = 0;
	pid_t children[2 * PAIRS];
	bool full = false;
	int i;

	widen(self->root);
	for (i = 0; i < 2 * PAIRS; i++) {
		struct letter letter;
		int j;

		children[i] = spawn();
		if (children[i])
			continue;
		for (j = 0; j < MSGS; j++)
			NEED(!(i % 2 ? fetch_and_wait(self->fd, id, &letter) :
				       post_and_wait(self->fd, id, "x", 0)));
		_exit(0);
	}
	for (i = 0; i < 2 * PAIRS; i++)
		EXPECT_EQ(0, join(children[i]));
	follow(_metadata, self, id, &full, &filled);
	EXPECT_FALSE(full);
	EXPECT_TRUE(is_told_no_more(self, id));
}

/*
 * Who is told.
 */

static bool hears(struct watcher *watcher, uint32_t event, uint64_t id)
{
	struct news news;

	if (!poll_news(watcher, &news))
		return false;
	NEED(news.seq == ++watcher->seq);
	if (news.event != event || news.stat.id != id)
		fprintf(stderr, "# heard %u of %llu\n", news.event,
			(unsigned long long)news.stat.id);
	return news.event == event && news.stat.id == id;
}

TEST_F(listener, of_another_user_is_told_of_what_it_may_see_only)
{
	struct watcher *other = new_listener(self->other);
	struct watcher *fellow = new_listener(self->fellow);
	uint64_t hidden = create_by(self->owner, attributes(1, 1));
	uint64_t open = create_by(self->owner, public(1));

	EXPECT_TRUE(hears(other, MBOX_EVENT_CREATED, open));
	EXPECT_SILENCE(other);
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_CREATED, hidden));
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_CREATED, open));
	ASSERT_EQ(0, offer_by(self->owner, hidden, self->fellow->pid, 0));
	ASSERT_EQ(0, transfer_by(self->owner, hidden, self->owner->pid, 0));
	ASSERT_EQ(0, chmod_by(self->owner, hidden, 0640));
	ASSERT_EQ(0, delete_by(self->owner, hidden));
	EXPECT_SILENCE(other);
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_OFFERED, hidden));
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_TRANSFERRED, hidden));
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_CHANGED, hidden));
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_DELETED, hidden));
	ASSERT_EQ(0, delete_by(self->owner, open));
	EXPECT_TRUE(hears(other, MBOX_EVENT_DELETED, open));
	EXPECT_TRUE(hears(fellow, MBOX_EVENT_DELETED, open));
	EXPECT_SILENCE(other);
	EXPECT_SILENCE(fellow);
	close_watcher(other);
	close_watcher(fellow);
}

TEST_F(listener, is_told_last_of_that_by_which_it_may_not_see_any_more)
{
	struct watcher *other = new_listener(self->other);
	uint64_t id = create_by(self->owner, attributes(1, 1));

	EXPECT_SILENCE(other);
	/* By mode. */
	ASSERT_EQ(0, chmod_by(self->owner, id, 0602));
	EXPECT_TRUE(hears(other, MBOX_EVENT_CHANGED, id));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0600));
	EXPECT_TRUE(hears(other, MBOX_EVENT_CHANGED, id));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0640));
	EXPECT_SILENCE(other);
	/* By group. */
	ASSERT_EQ(0, chown_by(myself(self->fd), id, OWNER, STRANGER));
	EXPECT_TRUE(hears(other, MBOX_EVENT_CHANGED, id));
	ASSERT_EQ(0, chown_by(myself(self->fd), id, OWNER, OWNER));
	EXPECT_TRUE(hears(other, MBOX_EVENT_CHANGED, id));
	EXPECT_SILENCE(other);
	/* By a grant. */
	ASSERT_EQ(0, grant_by(self->owner, id, self->fellow->pid, MBOX_RIGHT_SEND));
	EXPECT_SILENCE(other);
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_SEND));
	EXPECT_TRUE(hears(other, MBOX_EVENT_GRANTED, id));
	ASSERT_EQ(0, revoke_by(self->owner, id, self->fellow->pid, MBOX_RIGHT_SEND));
	EXPECT_TRUE(hears(other, MBOX_EVENT_REVOKED, id));
	ASSERT_EQ(0, revoke_by(self->owner, id, self->other->pid, MBOX_RIGHT_SEND));
	EXPECT_TRUE(hears(other, MBOX_EVENT_REVOKED, id));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0600));
	EXPECT_SILENCE(other);
	/* By an offer: withdrawn, replaced, void by a transfer. */
	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_OFFERED, id));
	ASSERT_EQ(0, offer_by(self->owner, id, 0, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_OFFERED, id));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0600));
	EXPECT_SILENCE(other);
	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_OFFERED, id));
	ASSERT_EQ(0, offer_by(self->owner, id, self->fellow->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_OFFERED, id));
	ASSERT_EQ(0, chmod_by(self->owner, id, 0600));
	EXPECT_SILENCE(other);
	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_OFFERED, id));
	ASSERT_EQ(0, transfer_by(self->owner, id, self->fellow->pid, MBOX_TRANSFER_KEEP));
	EXPECT_TRUE(hears(other, MBOX_EVENT_GRANTED, id));
	EXPECT_TRUE(hears(other, MBOX_EVENT_TRANSFERRED, id));
	ASSERT_EQ(0, chmod_by(self->fellow, id, 0600));
	EXPECT_SILENCE(other);
	/* By ownership. */
	ASSERT_EQ(0, transfer_by(myself(self->fd), id, self->other->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_TRANSFERRED, id));
	ASSERT_EQ(0, transfer_by(myself(self->fd), id, self->owner->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_TRANSFERRED, id));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_SILENCE(other);
	close_watcher(other);
}

TEST_F(listener, is_told_last_that_its_offer_went_with_the_owner)
{
	struct watcher *other = new_listener(self->other);
	uint64_t id = create_by(self->owner, attributes(1, 1));

	ASSERT_EQ(0, offer_by(self->owner, id, self->other->pid, 0));
	EXPECT_TRUE(hears(other, MBOX_EVENT_OFFERED, id));
	kill_puppet(self->owner);
	wait_for_news(other);
	EXPECT_TRUE(hears(other, MBOX_EVENT_ORPHANED, id));
	ASSERT_EQ(0, claim_by(self->fellow, id));
	EXPECT_SILENCE(other);
	close_watcher(other);
}

/* A mailbox that cannot be made for its name is its maker's, for a moment, and has an id. */
TEST_F(listener, is_not_told_of_what_gets_the_id_that_its_own_mailbox_did_not_get)
{
	struct watcher *other = new_listener(self->other);
	struct mbox_create attr = attributes(1, 1);
	uint64_t taken, id;

	strcpy((char *)attr.name, "taken");
	taken = create_by(self->other, attr);
	EXPECT_TRUE(hears(other, MBOX_EVENT_CREATED, taken));
	EXPECT_EQ(EEXIST, try_create_by(self->other, attr));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_EQ(taken + 1, id);
	EXPECT_SILENCE(other);
	close_watcher(other);
}

TEST_F(listener, is_told_full_and_space_only_of_what_it_may_see)
{
	struct watcher *other = new_listener(self->other);
	struct mbox_create attr = attributes(1, 1);
	uint64_t id = create_by(self->owner, attr);
	struct news news;

	ASSERT_EQ(0, post_by(self->owner, id, "x"));
	EXPECT_EQ(MBOX_EVENT_CREATED, next_news(self->root).event);
	EXPECT_EQ(MBOX_EVENT_FULL, next_news(self->root).event);
	EXPECT_SILENCE(other);
	ASSERT_EQ(0, chmod_by(self->owner, id, 0604));
	EXPECT_TRUE(hears(other, MBOX_EVENT_CHANGED, id));
	EXPECT_EQ(MBOX_EVENT_CHANGED, next_news(self->root).event);
	ASSERT_EQ(0, fetch_by(self->owner, id));
	EXPECT_EQ(MBOX_EVENT_SPACE, next_news(self->root).event);
	/* One listener is told after the other. */
	news = next_news(other);
	EXPECT_EQ(MBOX_EVENT_SPACE, news.event);
	EXPECT_EQ(2, news.seq);
	close_watcher(other);
}

static int become_stranger(struct puppet *me)
{
	(void)me;
	NEED(!setresgid(STRANGER, STRANGER, STRANGER));
	return error_of(setresuid(STRANGER, STRANGER, STRANGER));
}

/* Credentials are those of the subscription, not those of now, and not the opener's. */
TEST_F(listener, sees_with_the_credentials_that_it_had_when_it_subscribed)
{
	struct puppet *changing = new_puppet_after(self->fd, respect_limits);
	struct watcher *watcher = new_listener(changing);
	uint64_t id;

	ASSERT_EQ(0, ask(changing, become_stranger));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_TRUE(hears(watcher, MBOX_EVENT_CREATED, id));
	/* To subscribe again only changes the mask. */
	ASSERT_EQ(0, subscribe(watcher));
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_TRUE(hears(watcher, MBOX_EVENT_DELETED, id));
	ASSERT_EQ(0, unsubscribe(watcher));
	ASSERT_EQ(0, subscribe(watcher));
	watcher->seq = 0;
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_SILENCE(watcher);
	ASSERT_EQ(0, chmod_by(self->owner, id, 0604));
	EXPECT_TRUE(hears(watcher, MBOX_EVENT_CHANGED, id));
	close_watcher(watcher);
	kill_puppet(changing);
}

/* Subscribed by root, through a socket that a user had opened: that one may read it. */
/* As a set-user-ID program does that the process executes while others have the socket. */
TEST_F(listener, sees_nothing_of_what_its_process_owns_with_more_rights)
{
	struct mbox_create attr = attributes(1, 1);
	struct watcher *watcher;

	NEED(!seteuid(STRANGER));
	watcher = new_listener(NULL);
	NEED(!seteuid(0));
	NEED(!call(self->fd, MBOX_IOC_CREATE, &attr));
	EXPECT_SILENCE(watcher);
	ASSERT_EQ(0, delete(self->fd, attr.id));
	EXPECT_SILENCE(watcher);
	close_watcher(watcher);
}

/* Another user has a mailbox, which the process is granted. */
static uint64_t grant_private(FIXTURE_DATA(listener) *self, const struct puppet *whom)
{
	uint64_t id = create_by(self->other, attributes(1, 1));

	NEED(!grant_by(self->other, id, whom->pid, MBOX_RIGHT_SEND));
	return id;
}

static void expect_blindness_after(struct __test_metadata *_metadata, FIXTURE_DATA(listener) *self,
				   struct puppet *who, act_fn *change)
{
	struct watcher *watcher = new_listener(who);
	uint64_t id = grant_private(self, who);

	EXPECT_TRUE(hears(watcher, MBOX_EVENT_GRANTED, id));
	ASSERT_EQ(0, ask(who, change));
	grant_private(self, who);
	EXPECT_SILENCE(watcher);
	ASSERT_EQ(0, delete_by(self->other, id));
	EXPECT_SILENCE(watcher);
	close_watcher(watcher);
	kill_puppet(who);
}

static int become_owner_of_two_groups(struct puppet *me)
{
	(void)me;
	NEED(!setgroups(0, NULL) && !setresgid(OWNER, OWNER, SENDER));
	NEED(!setresuid(OWNER, OWNER, OWNER));
	NEED(!prctl(PR_SET_DUMPABLE, 1) && !prctl(PR_SET_PDEATHSIG, SIGKILL));
	return 0;
}

static int take_the_other_group(struct puppet *me)
{
	(void)me;
	return error_of(setegid(SENDER));
}

/* As that of a set-group-ID program. */
TEST_F(listener, sees_nothing_of_what_its_process_is_granted_in_another_group)
{
	struct puppet *who = new_puppet_after(self->fd, become_owner_of_two_groups);

	expect_blindness_after(_metadata, self, who, take_the_other_group);
}

TEST_F(listener, sees_nothing_of_what_its_process_is_granted_in_another_user_namespace)
{
	struct puppet *who = new_puppet(self->fd, OWNER, OWNER);

	expect_blindness_after(_metadata, self, who, enter_user_namespace);
}

static int become_owner_with_capabilities(struct puppet *me)
{
	(void)me;
	become_with(OWNER, 0);
	return 0;
}

/* Of the thread, and not only those in effect. */
static int drop_capabilities(struct puppet *me)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { };

	(void)me;
	return error_of(syscall(SYS_capset, &header, none));
}

/* As that of a program with capabilities: here another thread has some. */
TEST_F(listener, sees_nothing_of_what_its_process_is_granted_with_more_capabilities)
{
	struct puppet *who = new_puppet_after(self->fd, become_owner_with_capabilities);
	struct puppet *thread = new_thread(who);
	struct watcher *able = new_listener(who), *unable;
	uint64_t id;

	ASSERT_EQ(0, ask(thread, drop_capabilities));
	unable = new_listener(thread);
	id = grant_private(self, who);
	EXPECT_TRUE(hears(able, MBOX_EVENT_GRANTED, id));
	EXPECT_SILENCE(unable);
	ASSERT_EQ(0, ask(who, drop_capabilities));
	id = grant_private(self, who);
	EXPECT_TRUE(hears(able, MBOX_EVENT_GRANTED, id));
	EXPECT_TRUE(hears(unable, MBOX_EVENT_GRANTED, id));
	close_watcher(able);
	close_watcher(unable);
	kill_puppet(who);
}

/* Who changes the credentials of a thread interrupts what it does. */
static pthread_barrier_t changed;

static void *listen_once(void *arg)
{
	struct watcher *watcher;

	pthread_barrier_wait(&changed);
	watcher = new_listener(NULL);
	if (write(*(int *)arg, "x", 1) != 1)
		_exit(1);
	_exit(next_news(watcher).event != MBOX_EVENT_GRANTED);
}

/* Each thread has credentials of its own then, which are equal. */
TEST_F(listener, sees_what_its_process_was_granted_whichever_thread_listens)
{
	uint64_t id = create_by(self->owner, attributes(1, 1));
	int ends[2], status;
	pthread_t thread;
	pid_t child;
	char c;

	NEED(!pipe(ends));
	child = fork();
	if (!child) {
		NEED(!setresuid(STRANGER, STRANGER, STRANGER));
		NEED(!pthread_barrier_init(&changed, NULL, 2));
		NEED(!pthread_create(&thread, NULL, listen_once, &ends[1]));
		NEED(!setresuid(STRANGER, STRANGER, STRANGER));
		pthread_barrier_wait(&changed);
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(ends[0], &c, 1));
	EXPECT_EQ(0, grant_by(self->owner, id, child, MBOX_RIGHT_SEND));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(ends[0]);
	close(ends[1]);
}

TEST_F(listener, sees_no_more_than_the_opener_of_its_socket)
{
	struct watcher *theirs = new_watcher(self->other);
	int ours = borrow(self->other, theirs->fd);
	struct watcher *lent = new_watcher_at(NULL, ours, ours);
	uint64_t id, open;

	ASSERT_EQ(0, subscribe(lent));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_SILENCE(lent);
	open = create_by(self->owner, public(1));
	EXPECT_TRUE(hears(lent, MBOX_EVENT_CREATED, open));
	/* A grant is for the process, and so nothing that its opener has for certain. */
	ASSERT_EQ(0, grant_by(self->owner, id, self->other->pid, MBOX_RIGHT_SEND));
	EXPECT_SILENCE(lent);
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_SILENCE(lent);
	drop_watcher(theirs);
	close_watcher(lent);
}

/* The reverse: a user through root's socket. */
TEST_F(listener, sees_no_more_through_a_socket_of_root)
{
	struct watcher *watcher = new_watcher(NULL);
	struct puppet *user = new_puppet(self->fd, STRANGER, STRANGER);
	struct watcher *theirs = new_watcher_at(user, socket_of(watcher), dup(socket_of(watcher)));
	uint64_t id;

	ASSERT_EQ(0, subscribe(theirs));
	EXPECT_EQ(1, listeners_of(self->fd, STRANGER));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_SILENCE(theirs);
	ASSERT_EQ(0, grant_by(self->owner, id, user->pid, MBOX_RIGHT_SEND));
	EXPECT_TRUE(hears(theirs, MBOX_EVENT_GRANTED, id));
	/* Once it is reaped nobody can tell any more with which rights it was. */
	NEED(!kill(user->pid, SIGKILL));
	wait_for_news(theirs);
	EXPECT_TRUE(hears(theirs, MBOX_EVENT_REVOKED, id));
	kill_puppet(user);
	ASSERT_EQ(0, delete_by(self->owner, id));
	EXPECT_SILENCE(theirs);
	drop_watcher(theirs);
	close_watcher(watcher);
}

static int half_fellow(struct puppet *me)
{
	(void)me;
	/* Whoever is OWNER may signal it, but it is STRANGER's. */
	NEED(!setgroups(0, NULL) && !setresgid(STRANGER, STRANGER, STRANGER));
	return error_of(setresuid(STRANGER, STRANGER, OWNER));
}

/* Also where it is the listener itself that sends to it. */
TEST_F(listener, sees_no_inbox_since_it_may_signal_its_owner)
{
	struct puppet *half = new_puppet_after(self->fd, half_fellow);
	struct watcher *fellow = new_listener(self->fellow);
	struct mbox_send how = {
		.flags = MBOX_SEND_PID | MBOX_SEND_NONBLOCK, .id = half->pid,
	};
	struct news news;

	ASSERT_EQ(0, send_by(self->fellow, how, "text"));
	news = next_news(self->root);
	EXPECT_EQ(MBOX_EVENT_CREATED, news.event);
	EXPECT_EQ(STRANGER, news.stat.uid);
	EXPECT_SILENCE(fellow);
	kill_puppet(half);
	EXPECT_EQ(MBOX_EVENT_DELETED, next_news(self->root).event);
	EXPECT_SILENCE(fellow);
	close_watcher(fellow);
}

TEST_F(listener, is_told_pids_as_it_sees_them)
{
	struct puppet *inner = new_puppet_memory(self->fd);
	struct watcher *inside;
	struct news news;
	uint64_t id;
	pid_t pid;

	pid = spawn_as_first();
	if (!pid)
		obey(inner);
	inner->pid = pid;
	WAIT_UNTIL(told(&inner->tid));
	inside = new_listener(inner);
	id = create_by(self->owner, public(1));
	EXPECT_NEWS(inside, .event = MBOX_EVENT_CREATED, .participant = self->owner_id,
		    .has = HAS(MBOX_A_ACTOR) | HAS(MBOX_A_PROCESS));
	ASSERT_EQ(0, transfer_by(self->owner, id, self->fellow->pid, 0));
	EXPECT_NEWS(inside, .event = MBOX_EVENT_TRANSFERRED, .participant = self->fellow_id,
		    .has = HAS(MBOX_A_ACTOR) | HAS(MBOX_A_PROCESS) | HAS(MBOX_A_FORMER));
	id = create_by(inner, public(1));
	news = next_news(inside);
	EXPECT_EQ(1, news.actor);
	EXPECT_EQ(1, news.process);
	EXPECT_EQ(1, news.stat.pid);
	while (poll_news(self->root, &news))
		;
	EXPECT_EQ(id, news.stat.id);
	EXPECT_EQ(inner->pid, news.actor);
	EXPECT_EQ(inner->pid, news.process);
	EXPECT_EQ(inner->pid, news.stat.pid);
	close_watcher(inside);
	kill_puppet(inner);
}

TEST_F(listener, is_told_users_as_it_sees_them)
{
	struct puppet *user = new_puppet(self->fd, STRANGER, STRANGER);
	struct watcher *inside;
	struct news news;
	uint64_t id;

	NEED(!ask(user, enter_user_namespace));
	inside = new_listener(user);
	id = create_by(self->other, attributes(1, 1));
	news = next_news(inside);
	EXPECT_EQ(id, news.stat.id);
	EXPECT_EQ(0, news.stat.uid);
	EXPECT_EQ(0, news.stat.gid);
	create_by(self->owner, public(1));
	news = next_news(inside);
	EXPECT_EQ(65534, news.stat.uid);
	EXPECT_EQ(65534, news.stat.gid);
	/* Root there is nobody special here. */
	create_by(self->owner, attributes(1, 1));
	EXPECT_SILENCE(inside);
	close_watcher(inside);
	kill_puppet(user);
}

TEST_F(listener, hears_of_its_own_network_namespace_only)
{
	struct puppet *there = new_puppet(self->fd, 0, 0);
	struct watcher *outside = new_watcher(there), *inside;
	uint64_t id;

	ASSERT_EQ(0, ask(there, leave_network_namespace));
	inside = new_listener(there);
	/* The namespace is that of the socket, wherever the process is now. */
	ASSERT_EQ(0, subscribe(outside));
	EXPECT_EQ(2, listeners(self->fd));
	EXPECT_EQ(1, own_usage(there).ns_listeners);
	id = create_by(self->owner, public(1));
	EXPECT_SILENCE(inside);
	EXPECT_TRUE(hears(outside, MBOX_EVENT_CREATED, id));
	EXPECT_EQ(id, next_news(self->root).stat.id);
	id = create_by(there, public(1));
	EXPECT_TRUE(hears(inside, MBOX_EVENT_CREATED, id));
	EXPECT_SILENCE(self->root);
	EXPECT_SILENCE(outside);
	close_watcher(outside);
	EXPECT_EQ(1, listeners(self->fd));
	EXPECT_EQ(1, own_usage(there).ns_listeners);
	close_watcher(inside);
	EXPECT_EQ(0, own_usage(there).ns_listeners);
	kill_puppet(there);
	WAIT_UNTIL(!usage_of(self->fd, 0).user_mailboxes);
}

/*
 * How many may listen.
 */

static int try_to_listen(struct puppet *who, struct watcher **watcher)
{
	*watcher = new_watcher(who);
	return subscribe(*watcher);
}

TEST_F(listener, is_one_of_as_many_as_the_quota_of_its_user_allows)
{
	struct watcher *watchers[4];
	struct mbox_usage usage;

	NEED(!set_tunable("user_listeners", 2));
	EXPECT_EQ(0, try_to_listen(self->owner, &watchers[0]));
	EXPECT_EQ(1, listeners_of(self->fd, OWNER));
	EXPECT_EQ(0, try_to_listen(self->fellow, &watchers[1]));
	EXPECT_EQ(EDQUOT, try_to_listen(self->fellow, &watchers[2]));
	usage = usage_of(self->fd, OWNER);
	EXPECT_EQ(2, usage.user_listeners);
	EXPECT_EQ(2, usage.user_listeners_limit);
	EXPECT_EQ(3, usage.ns_listeners);
	EXPECT_LT(0, usage.user_bytes);
	/* Who listens may change its mind all the same. */
	EXPECT_EQ(0, subscribe(watchers[0]));
	/* Another user has a quota of its own. */
	EXPECT_EQ(0, try_to_listen(self->other, &watchers[3]));
	close_watcher(watchers[0]);
	EXPECT_EQ(1, listeners_of(self->fd, OWNER));
	EXPECT_EQ(0, subscribe(watchers[2]));
	/* The puppet has two: its end is the end of both. */
	drop_watcher(watchers[1]);
	drop_watcher(watchers[2]);
	EXPECT_EQ(2, listeners_of(self->fd, OWNER));
	kill_puppet(self->fellow);
	WAIT_UNTIL(!listeners_of(self->fd, OWNER));
	EXPECT_EQ(0, usage_of(self->fd, OWNER).user_bytes);
	close_watcher(watchers[3]);
	EXPECT_EQ(0, listeners_of(self->fd, STRANGER));
}

TEST_F(listener, is_one_of_as_many_as_the_network_namespace_allows)
{
	struct puppet *tame = new_puppet_after(self->fd, respect_limits);
	struct watcher *watchers[4];

	NEED(!set_tunable("ns_listeners", 2));
	EXPECT_EQ(0, try_to_listen(self->owner, &watchers[0]));
	EXPECT_EQ(ENOSPC, try_to_listen(self->other, &watchers[1]));
	EXPECT_EQ(0, listeners_of(self->fd, STRANGER));
	EXPECT_EQ(0, usage_of(self->fd, STRANGER).user_bytes);
	EXPECT_EQ(ENOSPC, try_to_listen(tame, &watchers[2]));
	EXPECT_EQ(2, usage_of(self->fd, 0).ns_listeners);
	EXPECT_EQ(2, usage_of(self->fd, 0).ns_listeners_limit);
	/* With CAP_SYS_RESOURCE one goes beyond. */
	EXPECT_EQ(0, try_to_listen(NULL, &watchers[3]));
	EXPECT_EQ(3, listeners(self->fd));
	close_watcher(watchers[3]);
	ASSERT_EQ(0, unsubscribe(watchers[0]));
	EXPECT_EQ(0, subscribe(watchers[1]));
	EXPECT_EQ(ENOSPC, subscribe(watchers[0]));
	drop_watcher(watchers[1]);
	kill_puppet(self->other);
	WAIT_UNTIL(listeners(self->fd) == 1);
	EXPECT_EQ(0, subscribe(watchers[2]));
	close_watcher(watchers[0]);
	close_watcher(watchers[2]);
	kill_puppet(tame);
}

TEST_F(listener, is_exempt_from_the_quota_of_users_if_it_is_root)
{
	struct puppet *tame = new_puppet_after(self->fd, respect_limits);
	struct puppet *strong = new_puppet_after(self->fd, become_owner_beyond_limits);
	struct watcher *watchers[3];

	NEED(!set_tunable("user_listeners", 0));
	EXPECT_EQ(EDQUOT, try_to_listen(self->owner, &watchers[0]));
	EXPECT_EQ(0, try_to_listen(tame, &watchers[1]));
	EXPECT_EQ(0, try_to_listen(strong, &watchers[2]));
	EXPECT_EQ(1, listeners_of(self->fd, OWNER));
	close_watcher(watchers[0]);
	close_watcher(watchers[1]);
	close_watcher(watchers[2]);
	kill_puppet(tame);
	kill_puppet(strong);
}

/*
 * Those who do not read.
 */

TEST_F(listener, that_does_not_read_learns_how_much_it_has_missed)
{
	enum { COUNT = 200, ROUNDS = 3 };
	struct watcher *slow = new_listener(NULL);
	unsigned int i, round;
	uint64_t seq = 0;

	narrow(slow);
	widen(self->root);
	for (round = 1; round <= ROUNDS; round++) {
		uint64_t last = 0, ids[COUNT];
		unsigned int read = 0;
		struct news news;
		struct rows rows;

		for (i = 0; i < COUNT; i++)
			ids[i] = create_by(self->owner, attributes(1, 1));
		EXPECT_EQ(ENOBUFS, socket_says(slow));
		/* Once. */
		EXPECT_EQ(0, socket_says(slow));
		while (poll_news(slow, &news)) {
			EXPECT_EQ(++seq, news.seq);
			EXPECT_EQ(ids[read++], news.stat.id);
		}
		EXPECT_LT(0, read);
		EXPECT_LT(read, COUNT);
		/* The gap is what was lost, and a dump makes up for that. */
		rows = dump(slow);
		EXPECT_EQ(COUNT, rows.nr);
		for (i = 0; i < COUNT; i++)
			EXPECT_TRUE(has_seen(&rows, ids[i]));
		free_rows(&rows);
		EXPECT_SILENCE(slow);
		ASSERT_EQ(0, chmod_by(self->owner, ids[0], 0666));
		news = next_news(slow);
		EXPECT_EQ(MBOX_EVENT_CHANGED, news.event);
		seq += COUNT - read + 1;
		EXPECT_EQ(seq, news.seq);
		EXPECT_SILENCE(slow);
		/* Others have lost nothing. */
		for (i = 0; i <= COUNT; i++) {
			news = next_news(self->root);
			EXPECT_EQ(++last + self->root->seq, news.seq);
			EXPECT_EQ(ids[i % COUNT], news.stat.id);
		}
		self->root->seq += last;
		EXPECT_SILENCE(self->root);
		/* Tell nobody of the end of the round. */
		ASSERT_EQ(0, subscribe_to(slow, 0));
		ASSERT_EQ(0, subscribe_to(self->root, 0));
		for (i = 0; i < COUNT; i++)
			ASSERT_EQ(0, delete_by(self->owner, ids[i]));
		ASSERT_EQ(0, subscribe(slow));
		ASSERT_EQ(0, subscribe(self->root));
		EXPECT_EQ(2, listeners(self->fd));
	}
	close_watcher(slow);
}

TEST_F(listener, keeps_nobody_waiting_who_sends_or_creates)
{
	enum { ROUNDS = 300, PROCESSES = 4 };
	struct watcher *slow = new_listener(NULL);
	struct watcher *slower = new_listener(self->other);
	pid_t children[PROCESSES];
	int i;

	narrow(slow);
	narrow(slower);
	for (i = 0; i < PROCESSES; i++) {
		int round;

		children[i] = spawn();
		if (children[i])
			continue;
		for (round = 0; round < ROUNDS; round++) {
			struct letter letter;
			int fd = mailbox(public(1));

			NEED(!post(fd, 0, "x", 0));
			NEED(!fetch(fd, 0, &letter));
			NEED(!delete(fd, 0));
			close(fd);
		}
		_exit(0);
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, join(children[i]));
	EXPECT_EQ(ENOBUFS, socket_says(slow));
	EXPECT_EQ(ENOBUFS, socket_says(slower));
	EXPECT_EQ(0, info(self->fd).mailboxes);
	close_watcher(slow);
	close_watcher(slower);
}

/* What a subscriber asks is answered through the same socket. */
TEST_F(listener, that_is_full_can_still_be_answered_once_it_has_read)
{
	struct watcher *slow = new_listener(NULL);
	uint64_t id = 0;
	struct news news;
	struct seen seen;
	int i;

	narrow(slow);
	for (i = 0; i < 50; i++)
		id = create_by(self->owner, attributes(1, 1));
	EXPECT_EQ(ENOBUFS, socket_says(slow));
	while (poll_news(slow, &news))
		;
	EXPECT_EQ(0, get_by_id(slow, id, &seen));
	EXPECT_TRUE(same_state(seen.stat, state(self->fd, id)));
	EXPECT_EQ(0, unsubscribe(slow));
	close_watcher(slow);
}

TEST_F(listener, misses_an_event_that_there_is_no_memory_for_and_knows_that)
{
	int fault = open_faults(), nth;
	unsigned int lost = 0, refused = 0;
	bool came_to_pass = true;
	uint64_t seq = 0;

	if (fault < 0)
		SKIP(return, "the kernel cannot make allocations fail");
	for (nth = 1; came_to_pass; nth++) {
		struct mbox_create attr = attributes(1, 1);
		struct news news;
		int error, said;

		ASSERT_GT(200, nth);
		set_fault(fault, nth);
		error = call(self->fd, MBOX_IOC_CREATE, &attr);
		came_to_pass = fault_is_over(fault);
		said = socket_says(self->root);
		/* One whose id could not be told was there for a moment. */
		if (error && !said) {
			ASSERT_EQ(EFAULT, error);
			ASSERT_TRUE(poll_news(self->root, &news));
			EXPECT_EQ(MBOX_EVENT_CREATED, news.event);
			ASSERT_TRUE(poll_news(self->root, &news));
			EXPECT_EQ(MBOX_EVENT_DELETED, news.event);
			seq += 2;
			EXPECT_EQ(seq, news.seq);
		}
		if (error) {
			refused++;
			continue;
		}
		seq++;
		if (said == ENOBUFS) {
			EXPECT_TRUE(came_to_pass);
			EXPECT_SILENCE(self->root);
			lost++;
		} else {
			ASSERT_TRUE(poll_news(self->root, &news));
			EXPECT_EQ(seq, news.seq);
			EXPECT_EQ(attr.id, news.stat.id);
		}
		ASSERT_EQ(0, delete(self->fd, attr.id));
		ASSERT_TRUE(poll_news(self->root, &news));
		EXPECT_EQ(++seq, news.seq);
		EXPECT_EQ(MBOX_EVENT_DELETED, news.event);
	}
	EXPECT_LT(0, lost);
	EXPECT_LT(0, refused);
}

/*
 * The dump that is begun after an event was read shows what that was about, or what
 * came later.
 */
TEST_F(listener, finds_what_it_was_told_of_in_a_dump)
{
	int go[2], i;
	char byte = 0;
	pid_t child;

	NEED(!pipe(go));
	child = spawn();
	if (!child) {
		while (read(go[0], &byte, 1) == 1) {
			int fd = mailbox(attributes(1, 1));

			NEED(!delete(fd, 0));
			close(fd);
		}
		_exit(0);
	}
	widen(self->root);
	/* One step ahead, for else it might be told of more than it can read. */
	NEED(write(go[1], &byte, 1) == 1);
	for (i = 0; i < 100; i++) {
		struct news news = next_news(self->root);
		struct seen seen;
		int error;

		NEED(write(go[1], &byte, 1) == 1);
		error = get_by_id(self->root, news.stat.id, &seen);
		EXPECT_TRUE(error == EIDRM || (error == 0 && news.event == MBOX_EVENT_CREATED));
	}
	end(child);
	ASSERT_EQ(0, unsubscribe(self->root));
}

/*
 * Ports.
 */

static int bind_port(uint32_t port)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_pid = port };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	NEED(fd >= 0);
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	NEED(errno == EADDRINUSE);
	close(fd);
	return -1;
}

/* Whoever binds a port after a subscriber gets nothing that was for that. */
TEST_F_TIMEOUT(listener, is_a_socket_and_not_a_port, 120)
{
	enum { ROUNDS = 200, PORT = 123456 };
	pid_t child;
	int i;

	ASSERT_EQ(0, unsubscribe(self->root));
	child = spawn();
	if (!child) {
		for (;;) {
			int fd = mailbox(public(1));

			NEED(!chmod_by(myself(fd), state(fd, 0).id, 0));
			NEED(!delete(fd, 0));
			close(fd);
		}
	}
	for (i = 0; i < ROUNDS; i++) {
		int fd = bind_port(PORT), heir;
		struct watcher *watcher = new_watcher_at(NULL, fd, fd);

		ASSERT_EQ(0, subscribe(watcher));
		drop_watcher(watcher);
		WAIT_UNTIL((heir = bind_port(PORT)) >= 0);
		usleep(i % 4 * 500);
		EXPECT_EQ(EAGAIN, error_of(recv(heir, &i, 0, MSG_PEEK | MSG_DONTWAIT)));
		close(heir);
	}
	EXPECT_EQ(0, listeners(self->fd));
	end(child);
}

/* A new owner of the port ends, and so must not end the subscription of the old one. */
TEST_F(listener, outlives_others_of_the_same_port_in_other_network_namespaces)
{
	enum { PORT = 123457 };
	int fd = bind_port(PORT);
	struct watcher *watcher = new_watcher_at(NULL, fd, fd);
	pid_t child;
	uint64_t id;

	ASSERT_EQ(0, subscribe(watcher));
	child = spawn();
	if (!child) {
		struct watcher *there;

		NEED(!unshare(CLONE_NEWNET));
		fd = bind_port(PORT);
		NEED(fd >= 0);
		there = new_watcher_at(NULL, fd, fd);
		NEED(!subscribe(there));
		close_watcher(there);
		fd = bind_port(PORT);
		close(fd);
		_exit(0);
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(2, listeners(self->fd));
	id = create_by(self->owner, attributes(1, 1));
	EXPECT_TRUE(hears(watcher, MBOX_EVENT_CREATED, id));
	close_watcher(watcher);
}

/*
 * Storms.
 */

/* Mailboxes come, change and go, for ever. */
static void make_news(unsigned int seed)
{
	struct puppet *me = myself(device(O_RDWR));

	for (;;) {
		struct mbox_create attr = public(1 + rand_r(&seed) % 2);
		struct letter letter;
		uint64_t id;
		pid_t child;

		if (rand_r(&seed) % 4 == 0) {
			attr.flags = MBOX_CREATE_PROCESS;
			attr.mode = 0222;
		}
		id = create_by(me, attr);
		post(me->fd, id, "x", 0);
		fetch(me->fd, id, &letter);
		post(me->fd, id, "x", 0);
		chmod_by(me, id, rand_r(&seed) % 2 ? 0222 : 0);
		child = spawn();
		if (!child) {
			pause();
			_exit(0);
		}
		grant_by(me, id, child, MBOX_RIGHT_SEND);
		offer_by(me, id, child, 0);
		if (rand_r(&seed) % 2)
			revoke_by(me, id, child, MBOX_RIGHT_SEND);
		if (rand_r(&seed) % 2)
			transfer_by(me, id, child, MBOX_TRANSFER_KEEP);
		end(child);
		delete(me->fd, id);
	}
}

/* Subscribe, read some, and end it in one way or another, for ever. */
static void listen_now_and_then(unsigned int seed)
{
	for (;;) {
		struct watcher *watcher = new_watcher(NULL);
		struct news news;
		uint64_t seq = 0;
		int i;

		NEED(!subscribe(watcher));
		if (rand_r(&seed) % 2)
			narrow(watcher);
		for (i = rand_r(&seed) % 20; i; i--) {
			if (socket_says(watcher) == ENOBUFS)
				continue;
			if (!poll_news(watcher, &news)) {
				usleep(rand_r(&seed) % 1000);
				continue;
			}
			NEED(news.seq > seq);
			seq = news.seq;
		}
		if (rand_r(&seed) % 8 == 0)
			_exit(0);
		close_watcher(watcher);
	}
}

/* A process that makes processes of that kind, and kills them. */
static void kill_now_and_then(void (*act)(unsigned int seed), unsigned int seed)
{
	for (;;) {
		pid_t child = spawn();

		if (!child)
			act(rand_r(&seed));
		usleep(rand_r(&seed) % 60000);
		kill(child, SIGKILL);
		join(child);
	}
}

/* A network namespace in which there is news and somebody listens, and that ends. */
static void live_elsewhere(unsigned int seed)
{
	int i;

	NEED(!unshare(CLONE_NEWNET));
	for (i = 0; i < 4; i++) {
		if (spawn())
			continue;
		if (i % 2)
			make_news(seed + i);
		else
			listen_now_and_then(seed + i);
	}
	for (;;)
		pause();
}

TEST_F_TIMEOUT(listener, storms_leave_nothing_behind, 120)
{
	enum { SECONDS = 3, PROCESSES = 6 };
	pid_t children[PROCESSES];
	uint64_t end_at;
	struct news news;
	int i;

	widen(self->root);
	for (i = 0; i < PROCESSES; i++) {
		children[i] = spawn();
		if (children[i])
			continue;
		if (i < 2)
			make_news(i);
		else if (i < 4)
			kill_now_and_then(listen_now_and_then, i);
		else if (i < 5)
			kill_now_and_then(make_news, i);
		else
			kill_now_and_then(live_elsewhere, i);
	}
	end_at = now() + SECONDS * 1000 * MSEC;
	while (now() < end_at) {
		int said = socket_says(self->root);

		if (!said && poll_news(self->root, &news)) {
			EXPECT_LT(self->root->seq, news.seq);
			self->root->seq = news.seq;
		} else {
			usleep(1000);
		}
	}
	for (i = 0; i < PROCESSES; i++)
		end(children[i]);
	ASSERT_EQ(0, unsubscribe(self->root));
	WAIT_UNTIL(!listeners(self->fd));
	while (socket_says(self->root) != EAGAIN)
		poll_news(self->root, &news);
	/* Wherever it was, it is over. */
	sweep();
	WAIT_UNTIL(!listeners_of(self->fd, 0));
}

/*
 * The module goes.
 */
FIXTURE(module) {
};

FIXTURE_SETUP(module)
{
	begin();
	await_module();
}

FIXTURE_TEARDOWN(module)
{
	family_number = 0;
	restore_module();
}

TEST_F(module, goes_while_somebody_listens_who_is_told)
{
	struct watcher *watcher;
	int again;

	SKIP_IF_MISSING();
	for (again = 0; again < 3; again++) {
		family_number = 0;
		watcher = new_listener(NULL);
		EXPECT_EQ(0, users_of_module());
		ASSERT_EQ(0, unload());
		EXPECT_EQ(ENODEV, socket_says(watcher));
		EXPECT_EQ(EAGAIN, socket_says(watcher));
		if (again == 1)
			close_watcher(watcher);
		ASSERT_EQ(0, load());
		if (again == 1)
			continue;
		/* Through the same socket, of the family that is there now. */
		family_number = 0;
		EXPECT_EQ(0, subscribe(watcher));
		close(mailbox(attributes(1, 1)));
		EXPECT_EQ(1, next_news(watcher).seq);
		close_watcher(watcher);
		sweep();
	}
}

TEST_F(module, goes_and_wakes_those_who_wait_for_news)
{
	uint32_t *tid = shared(sizeof(*tid));
	pid_t child;

	SKIP_IF_MISSING();
	family();
	child = spawn();
	if (!child) {
		struct watcher *watcher = new_listener(NULL);
		char byte;

		tell(tid, getpid());
		_exit(error_of(recv(socket_of(watcher), &byte, 1, 0)));
	}
	WAIT_UNTIL(told(tid) && sleeps(told(tid)));
	ASSERT_EQ(0, unload());
	EXPECT_EQ(ENODEV, join(child));
}

TEST_F(module, goes_while_listeners_in_other_network_namespaces_are_told)
{
	uint32_t *ready = shared(sizeof(*ready));
	pid_t child;

	SKIP_IF_MISSING();
	family();
	child = spawn();
	if (!child) {
		struct watcher *watcher;

		NEED(!unshare(CLONE_NEWNET));
		watcher = new_listener(NULL);
		tell(ready, true);
		WAIT_UNTIL(socket_says(watcher) != EAGAIN || !told(ready));
		tell(ready, 2);
		WAIT_UNTIL(told(ready) == 3);
		close_watcher(watcher);
		_exit(0);
	}
	WAIT_UNTIL(told(ready));
	ASSERT_EQ(0, unload());
	WAIT_UNTIL(told(ready) == 2);
	tell(ready, 3);
	EXPECT_EQ(0, join(child));
}

TEST_F(module, goes_while_listeners_come_and_go)
{
	enum { ROUNDS = 6, PROCESSES = 3 };
	int round, i;

	SKIP_IF_MISSING();
	for (round = 0; round < ROUNDS; round++) {
		pid_t children[PROCESSES];

		family_number = 0;
		family();
		for (i = 0; i < PROCESSES; i++) {
			children[i] = spawn();
			while (!children[i]) {
				struct watcher *watcher = new_watcher(NULL);

				/* The family goes at any moment. */
				if (subscribe(watcher) || socket_says(watcher) == ENODEV)
					_exit(0);
				close_watcher(watcher);
			}
		}
		usleep(20000 + round * 6000);
		/* Whoever is in the middle of a request holds it for that long. */
		WAIT_UNTIL(unload() == 0);
		for (i = 0; i < PROCESSES; i++)
			EXPECT_EQ(0, join(children[i]));
		ASSERT_EQ(0, load());
	}
}

TEST_HARNESS_MAIN
