/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mbox.pml - how messages change hands, for spin to try in every order of steps: the
 * hand-off, giving up, rights that are taken away, and ends. `run` says with how many
 * processes, and what must go wrong when a step is left out.
 *
 * States are called what the code calls them: a mailbox is LIVE or GONE; a waiter has
 * joined (it is in receivers[], in senders[], or its message has it as its sender), is
 * claimed, is done. Each critical section is one of the code's, from begin() to end():
 *
 *   here                      in kmod/
 *   claim()                   wait.c mbox_wait_claim(): one step, an xchg
 *   finish()                  wait.c mbox_wait_finish(): the result, then done
 *   sleep()                   wait.c sleep_until_done(): the task's state, then done is
 *                             read, then it sleeps
 *   wake_tasks()              wait.c mbox_wakes_tasks(): one step for each task
 *   begin() end() settle()    policy.c, the same names; settle() unlocks between batches
 *   flush()                   wait.c mbox_wakes_flush()
 *   give() offer() accept() drop() decide() cancel() put_back() serve_or_seat()
 *   check_in() leave_choice() dismiss() expire() change()
 *                             policy.c, the same names, with mbox_policy_ or without
 *   hold() unhold()           what give() and decide() do to a request (request.h)
 *   admit()                   rights.c mbox_rights_admit(): the right and the stamp
 *   insist                    rights.c mbox_rights_insist(), by a capability
 *   conclude()                recv.c mbox_recv_end(): to the user, or put back; a token
 *                             is used at once, for one thing or another
 *   Sender, Receiver, Chooser send.c submit(), recv.c claim(), policy.c
 *                             mbox_policy_choose()
 *                             and, in one critical section as here, command_plain.c
 *                             post(), take() and take_seat_to_*(), with
 *                             mbox_policy_hand() for offer() and give()
 *   Poller                    mailbox.c mbox_mailbox_poll()
 *   Deleter                   registry.c mbox_registry_delete(): mark gone, then clear
 *   Owner                     participant.c process_ended(): dead, at once; later
 *                             process_end(), and by that mbox_registry_delete()
 *   Manager                   owner.c, rights.c: what they do by mbox_policy_change()
 *   Clock                     mailbox.c expiry_due(), expire()
 *
 * In every state: a message has one owner, who alone touches it, and is received once at
 * most, by somebody who has the right at that moment, of a mailbox that is not gone; nobody
 * touches a waiter that is done or has returned; who was told of an error keeps the message,
 * which nobody received or will; a synchronous sender was told of success if somebody has
 * claimed its message, and only then, a caller if somebody replied; whoever begins after an
 * owner has died is told EIDRM. When nothing can happen any more (Watch): whoever still
 * sleeps has the right and nothing to be served with, and each message is queued, was
 * received, or dropped for a reason.
 *
 * Not here: priorities, keys, sizes and quotas (they say who is next, not how), slots,
 * files, turns (gate.c), links, tokens that are handed on, and barriers: to spin there is
 * one memory, and each step is seen at once. That the expiry timer is armed is taken for
 * granted, and so is a kill, which looks like a signal to whoever waits.
 */

#ifndef SENDERS
#define SENDERS 1	/* processes that send... */
#endif
#ifndef SENDS
#define SENDS 1		/* ...so many messages each */
#endif
#ifndef RECEIVERS
#define RECEIVERS 1	/* processes that receive... */
#endif
#ifndef CHOOSERS
#define CHOOSERS 0	/* ...of which so many choose among two mailboxes... */
#endif
#ifndef RECEIVES
#define RECEIVES 1	/* ...so many times each */
#endif
#ifndef CAPACITY
#define CAPACITY 1	/* in messages; 0 is a rendezvous */
#endif
#ifndef BATCH
#define BATCH 16	/* MBOX_WAKE_BATCH */
#endif
#ifndef EXPIRING
#define EXPIRING 0	/* how many of the messages expire */
#endif
#ifndef CHANGES
#define CHANGES 0	/* how often rights change */
#endif

#define WAITERS		(SENDERS + RECEIVERS)
#define MESSAGES	(SENDERS * SENDS)
#define NONE		255

#if CHOOSERS
#define MAILBOXES 2
#else
#define MAILBOXES 1
#endif

mtype = { LIVE, GONE };
mtype = { ASYNC, SYNC, CALL };
mtype = { NEW, SENDER, QUEUE, RECEIVER, FREED };
mtype = { OK, EAGAIN, ETIMEDOUT, EKEYREVOKED, EIDRM, EMSGSIZE };
mtype = { ECANCELED, EKEYREJECTED, EOWNERDEAD };

typedef mbox {
	bool lock;
	mtype state = LIVE;
	byte seq;
};

/* Reset to these values when its call returns, so that there are fewer states. */
typedef mbox_waiter {
	bool frame;		/* its call has not returned */
	bool running = true;	/* the task's state, but for that it is woken */
	bool claimed;
	bool done;
	bool held;
	bool privileged;
	bool refuses;		/* of a receiver: its buffer is too small, or it looks only */
	byte stamp;
	byte parcel;		/* the message that it brings, or was given */
	byte from;		/* the mailbox that served it */
	mtype kind;		/* of a sender */
	mtype result;
};

typedef mbox_msg {
	mtype owner = NEW;
	byte seq;
	byte sender = NONE;
	byte caller = NONE;
	byte by = NONE;		/* whoever holds the request */
	bool request;
	bool given;		/* somebody has claimed it, and perhaps put it back */
	bool received;
	bool replied;
	bool dropped;		/* for a reason */
	bool expired;
};

mbox mailbox[MAILBOXES];
mbox_waiter waiter[WAITERS];
mbox_msg msg[MESSAGES];

chan queue[MAILBOXES] = [MESSAGES] of { byte, byte };	/* seq, message */
chan receivers[MAILBOXES] = [RECEIVERS] of { byte };
chan senders[MAILBOXES] = [SENDERS] of { byte };

/* Of mailbox 0: ns->lock, access.seq, who has the right; process-owned: its owner. */
bool ns_lock, dead, killed;
byte access_seq, threads = RECEIVERS;
bool right[WAITERS] = true;

/* Of one that polls: for what, whether it is in poll_wait, and has been woken there. */
byte poll_for;
bool polling, poll_woken;

#define READABLE 1
#define WRITABLE 2

#define is_gone(mb)	(mailbox[mb].state == GONE || (mb == 0 && is_dead))
#ifdef MUTANT_DEAD_ONLY_AFTER_WORK
#define is_dead		false
#else
#define is_dead		dead
#endif

#define has_right(mb, w) (mb != 0 || right[w] || waiter[w].privileged)
#define pass_holds(mb, w) (waiter[w].stamp == access_seq || has_right(mb, w))

#if CAPACITY
#define has_room(mb)	(len(queue[mb]) < CAPACITY)
#define wakes_senders	0
#else
#define has_room(mb)	(len(receivers[mb]) > 0)
#define wakes_senders	WRITABLE
#endif
#define writable(mb)	(has_room(mb) && len(senders[mb]) == 0)
#define readable(mb)	(len(queue[mb]) > 0)

/*
 * A critical section is one step, unless FINE: then it is cut where others look without the
 * lock (and, at the end of a batch, where settle() lets go of it). As to the frames of
 * waiters it makes no difference: that nobody touches one once it is done is asserted.
 */
#ifdef FINE
#define SECTION
#define STEP		d_step
#else
#define SECTION		d_step
#define STEP
#endif

/* What every process has: struct mbox_wakes, and what the inlines need. */
#define LOCALS			\
	byte wakes, nr, poll;	\
	byte a, c, i, r, s;	\
	bool got, taken;	\
	mtype err

/*
 * Waiters.
 */

inline claim(w)
{
#ifdef MUTANT_CLAIM_IN_TWO_STEPS
	got = !waiter[w].claimed;
	waiter[w].claimed = true
#else
	STEP {
		assert(waiter[w].frame);
		got = !waiter[w].claimed;
		waiter[w].claimed = true
	}
#endif
}

inline set_result(mb, w, why)
{
	STEP {
		assert(waiter[w].frame && waiter[w].claimed && !waiter[w].done);
		waiter[w].from = mb;
		waiter[w].result = why
	}
}

inline set_done(w)
{
	STEP {
		assert(waiter[w].frame && waiter[w].claimed && !waiter[w].done);
		waiter[w].done = true
	}
}

inline finish(mb, w, why)
{
#ifdef MUTANT_DONE_BEFORE_RESULT
	set_done(w);
	set_result(mb, w, why);
#else
	set_result(mb, w, why);
#ifdef MUTANT_WAKE_BEFORE_DONE
	waiter[w].running = true;
#endif
	set_done(w);
#endif
#ifndef MUTANT_WAKE_BEFORE_DONE
	if
	:: w == me
	:: w != me && nr == BATCH -> waiter[w].running = true
	:: w != me && nr < BATCH -> STEP { wakes = wakes | (1 << w); nr++ }
	fi
#endif
}

inline wake_tasks()
{
	do
	:: wakes ->
		d_step {
			i = 0;
			do
			:: wakes & (1 << i) -> break
			:: else -> i++
			od;
			wakes = wakes & ~(1 << i);
			waiter[i].running = true;
			i = 0
		}
	:: else -> break
	od
}

/* @signalled: a signal has come. */
inline sleep(w, signalled)
{
	do
	::
#ifdef MUTANT_SLEEP_WITHOUT_RECHECK
		got = waiter[w].done;
		waiter[w].running = false;
#else
		waiter[w].running = false;
		got = waiter[w].done;
#endif
		if
		:: got -> err = waiter[w].result; break
		:: !got && expired -> err = ETIMEDOUT; break
		:: else
		fi;
end_asleep:	if
		:: waiter[w].running
		:: timed || (signalled) -> expired = true
		fi
	od;
	waiter[w].running = true
}

/*
 * One change under the lock and all that follows from it.
 */

inline spin_lock(mb)
{
	STEP { !mailbox[mb].lock -> mailbox[mb].lock = true }
}

inline spin_unlock(mb)
{
	mailbox[mb].lock = false
}

inline begin(mb)
{
	spin_lock(mb)
}

inline end(mb)
{
	spin_unlock(mb);
	poll = (mb == 0 && polling -> poll & poll_for : 0);
	nr = 0;
	got = false;
	taken = false
}

inline flush(mb)
{
	wake_tasks();
	if
	:: poll -> d_step { poll_woken = true; poll = 0 }
	:: else
	fi
}

inline unqueue(mb, x)
{
	queue[mb]??_, eval(x);
	msg[x].sender = NONE
}

inline unseat(mb, w)
{
	assert(waiter[w].frame);
	if
	:: receivers[mb]??[eval(w)] -> receivers[mb]??eval(w)
	:: else
	fi
}

inline hold(x, w)
{
	msg[x].by = w;
	waiter[msg[x].caller].held = true
}

inline unhold(x)
{
	msg[x].by = NONE
}

/* Tells in got whether the caller was told. */
inline decide(mb, x, why)
{
	STEP {
		c = msg[x].caller;
		msg[x].caller = NONE;
		unhold(x)
	}
	if
	:: c == NONE -> got = false
	:: else ->
		claim(c);
		if
		:: got -> finish(mb, c, why)
		:: else
		fi;
		c = NONE
	fi
}

inline drop(mb, x, why)
{
	STEP {
		assert(msg[x].owner == QUEUE);
		c = msg[x].sender;
		unqueue(mb, x);
		msg[x].dropped = (c == NONE);
		msg[x].owner = (c == NONE -> FREED : SENDER);
		poll = poll | WRITABLE
	}
	if
	:: c == NONE
	:: c != NONE && waiter[c].kind == CALL -> decide(mb, x, why)
	:: c != NONE && waiter[c].kind != CALL ->
		claim(c);
		assert(got);
		finish(mb, c, why);
		c = NONE
	fi
}

/*
 * To a claimed receiver: it takes the message, or its buffer is too small or it looks only,
 * then the message stays.
 */
inline give(mb, w, x)
{
	STEP {
		assert(msg[x].owner == QUEUE);
		assert(has_right(mb, w));
		assert(!is_gone(mb))
	}
	if
	:: waiter[w].refuses -> finish(mb, w, EMSGSIZE); taken = false
	:: else ->
		STEP {
			c = msg[x].sender;
			unqueue(mb, x);
			msg[x].owner = RECEIVER;
			msg[x].given = true;
			if
			:: c != NONE && waiter[c].kind == CALL -> hold(x, w); c = NONE
			:: else
			fi;
			poll = poll | WRITABLE
		}
		if
		:: c != NONE -> claim(c); assert(got); finish(mb, c, OK); c = NONE
		:: else
		fi;
		assert(!waiter[w].done);
		waiter[w].parcel = x;
		finish(mb, w, OK);
		taken = true
	fi
}

inline offer(mb, x)
{
	if
	:: msg[x].expired -> drop(mb, x, ETIMEDOUT)
	:: else ->
		do
		:: len(receivers[mb]) == 0 -> break
		:: len(receivers[mb]) ->
			receivers[mb]?r;
#ifdef MUTANT_SERVE_WITHOUT_CLAIM
			STEP { waiter[r].claimed = true; got = true }
#else
			claim(r);
#endif
			if
			:: got ->
				give(mb, r, x);
				if
				:: taken -> break
				:: else
				fi
			:: else
			fi
		od;
		r = 0
	fi
}

inline enqueue(mb, x)
{
	STEP {
		assert(msg[x].owner == QUEUE && len(queue[mb]) < MESSAGES);
		queue[mb]!!msg[x].seq, x
	}
}

inline accept(mb, w)
{
	STEP {
		assert(mailbox[mb].state == LIVE);
		a = waiter[w].parcel;
		assert(msg[a].owner == SENDER);
		msg[a].owner = QUEUE;
		mailbox[mb].seq++;
		msg[a].seq = mailbox[mb].seq
	}
	if
	:: waiter[w].kind == ASYNC ->
		claim(w);
		assert(got);
		finish(mb, w, OK)
	:: waiter[w].kind == SYNC -> msg[a].sender = w
	:: waiter[w].kind == CALL ->
		STEP { msg[a].request = true; msg[a].sender = w; msg[a].caller = w }
	fi;
	enqueue(mb, a);
	poll = poll | READABLE;
	offer(mb, a)
}

#if CAPACITY
#define may_admit(mb)	(len(senders[mb]) && has_room(mb))
#else
#define may_admit(mb)	(len(senders[mb]) > 0)
#endif

#ifdef MUTANT_SETTLE_WHAT_IS_GONE
#define may_settle(mb)	true
#else
#define may_settle(mb)	(!is_gone(mb))
#endif

inline settle(mb)
{
	do
	:: !may_settle(mb) -> break
	:: may_settle(mb) && !may_admit(mb) ->
		poll = poll & (readable(mb) | (writable(mb) << 1));
		break
	:: may_settle(mb) && may_admit(mb) ->
		senders[mb]?s;
		accept(mb, s)
#ifdef FINE
		if
		:: nr >= BATCH -> spin_unlock(mb); wake_tasks(); nr = 0; spin_lock(mb)
		:: else
		fi
#endif
	od;
	a = 0;
	s = 0
}

inline check_in(mb, w)
{
	if
#ifndef MUTANT_JOINS_WHAT_IS_GONE
	:: is_gone(mb) -> err = EIDRM
#endif
	:: else ->
#ifdef MUTANT_JOINS_WITHOUT_RIGHT
		err = OK
#else
		err = (pass_holds(mb, w) -> OK : EKEYREVOKED)
#endif
	fi
}

inline cancel(mb, w, sending)
{
#ifdef MUTANT_CANCEL_WITHOUT_CLAIM
	got = true;
#else
	claim(w);
#endif
	if
	:: got && !sending -> unseat(mb, w)
	:: got && sending ->
		STEP {
			a = waiter[w].parcel;
			if
			:: msg[a].caller == w -> msg[a].caller = NONE; unhold(a)
			:: else
			fi;
			if
			:: waiter[w].held
			:: !waiter[w].held && msg[a].sender == w ->
				unqueue(mb, a);
				msg[a].owner = SENDER
			:: !waiter[w].held && msg[a].sender != w ->
				assert(senders[mb]??[eval(w)]);
				senders[mb]??eval(w)
			fi
		}
		if
		:: waiter[w].held
		:: else ->
			poll = poll | WRITABLE;
#ifndef MUTANT_CANCEL_WITHOUT_SETTLE
			settle(mb);
#endif
			got = true
		fi;
		a = 0
	:: else
	fi
}

/* A caller that only has to wait for its reply. */
#define is_underway(mb, w) (waiter[w].kind == CALL && (waiter[w].held || \
	(CAPACITY > 0 && msg[waiter[w].parcel].sender == w)))

inline has_to_wait(mb, w, sending)
{
	if
	:: waiter[w].done -> err = waiter[w].result
	:: !waiter[w].done && !nonblock -> waits = true
	:: !waiter[w].done && nonblock && sending && is_underway(mb, w) -> waits = true
	:: !waiter[w].done && nonblock && !(sending && is_underway(mb, w)) ->
		cancel(mb, w, sending);
		assert(got);
		err = EAGAIN
	fi;
	nonblock = false;
	timed = timed && waits
}

/* The second half of a call whose waiter has joined. */
inline finish_call(mb, w, sending, signalled)
{
	flush(mb);
	if
	:: waits ->
		sleep(w, signalled);
		if
		:: got
		:: else ->
			SECTION {
				begin(mb);
				cancel(mb, w, sending);
				if
				:: !got -> assert(waiter[w].done); err = waiter[w].result
				:: got && is_gone(mb) -> err = EIDRM
				:: got && !is_gone(mb)
				fi;
				end(mb)
			}
			flush(mb)
		fi
	:: else
	fi
}

inline init_waiter(w, x)
{
	waiter[w].claimed = false;
	waiter[w].done = false;
	waiter[w].held = false;
	waiter[w].parcel = x;
	waiter[w].frame = true
}

/* How long a call may take. */
inline be_patient()
{
	if
	:: nonblock = true
	:: timed = true
	:: skip
	fi
}

inline choose_kind(w)
{
	if
#if CAPACITY
	:: waiter[w].kind = ASYNC
#endif
#ifndef NO_SYNC
	:: waiter[w].kind = SYNC
#endif
#ifdef CALLS
	:: waiter[w].kind = CALL
#endif
	fi
}

inline choose_room(w)
{
	if
	:: skip
#ifdef REFUSES
	:: waiter[w].refuses = true
#endif
	fi
}

/* The right, and the stamp of the state in which it was there. */
inline admit(mb, w, x)
{
	d_step {
		waiter[w].stamp = access_seq;
		late = is_gone(mb) || (mb == 0 && dead);
		if
		:: has_right(mb, w) -> err = OK; init_waiter(w, x)
		:: else -> err = EKEYREVOKED
		fi
	}
}

inline insist(w, x)
{
	d_step { waiter[w].privileged = true; init_waiter(w, x) }
}

/* The call returns: nobody may know of the waiter any more. */
inline leave(w)
{
	waiter[w].frame = false;
	assert(!receivers[0]??[eval(w)]);
	assert(!senders[0]??[eval(w)]);
#if MAILBOXES > 1
	assert(!receivers[1]??[eval(w)]);
	assert(!senders[1]??[eval(w)]);
#endif
	for (i : 0 .. MESSAGES - 1) {
		assert(msg[i].sender != w && msg[i].caller != w)
	}
	i = 0;
	waiter[w].stamp = 0;
	waiter[w].privileged = false;
	waiter[w].refuses = false;
	waiter[w].claimed = false;
	waiter[w].done = false;
	waiter[w].from = 0;
	waiter[w].result = 0;
	late = false;
	waits = false;
	nonblock = false;
	timed = false;
	expired = false
}

#define may_insist(w)	(err == EKEYREVOKED && !waiter[w].held && !right[w])

proctype Sender(byte me)
{
	LOCALS;
	byte mb = me % MAILBOXES, x = me * SENDS;
	bool late, waits, nonblock, timed, expired;

	do
	:: x == (me + 1) * SENDS -> break
	:: else ->
		atomic {
			admit(mb, me, x);
			if
			:: err == OK -> msg[x].owner = SENDER; choose_kind(me); be_patient()
			:: else
			fi
		}
		if
		:: err != OK -> x++
		:: else ->
			do
			::
				SECTION {
					begin(mb);
					check_in(mb, me);
					if
					:: err != OK
					:: else ->
						senders[mb]!me;
						settle(mb);
						has_to_wait(mb, me, true)
					fi;
					end(mb)
				}
				finish_call(mb, me, true, false);
				if
#ifdef INSISTS
				:: may_insist(me) -> insist(me, x)
#endif
				:: break
				fi
			od;
			got = false;
			d_step {
				assert(!late || err == EIDRM);
				if
				:: err == OK ->
					assert(msg[x].owner != SENDER);
					assert(waiter[me].kind != SYNC || msg[x].given);
					assert(waiter[me].kind != CALL || msg[x].replied)
				:: err != OK && waiter[me].held ->
					assert(waiter[me].kind == CALL && !msg[x].replied)
				:: err != OK && !waiter[me].held ->
					assert(msg[x].owner == SENDER && !msg[x].received);
					assert(waiter[me].kind == CALL || !msg[x].given);
					msg[x].owner = FREED;
					msg[x].dropped = true;
					msg[x].seq = 0
				fi;
				leave(me);
				waiter[me].kind = 0;
				waiter[me].held = false;
				err = 0;
				x++
			}
		fi
	od
}

inline serve_or_seat(mb, w)
{
	do
	:: !len(queue[mb]) -> x = NONE; break
	:: len(queue[mb]) ->
		queue[mb]?<_, x>;
		if
		:: msg[x].expired -> drop(mb, x, ETIMEDOUT)
		:: else -> break
		fi
	od;
	if
	:: x == NONE -> STEP { receivers[mb]!w; poll = poll | wakes_senders }
	:: else ->
		claim(w);
		if
		:: got -> give(mb, w, x)
		:: else
		fi
	fi;
	x = NONE;
	settle(mb)
}

/* Its caller waits for it to be received, again: else got is false. */
inline take_back(mb, x)
{
	unhold(x);
	if
	:: msg[x].caller == NONE -> got = false
	:: else ->
#ifdef MUTANT_TAKE_BACK_WITHOUT_RIGHT
		if
		:: true ->
#else
		if
		:: !pass_holds(mb, msg[x].caller) -> decide(mb, x, EKEYREVOKED); got = false
		:: else ->
#endif
			STEP {
				waiter[msg[x].caller].held = false;
				msg[x].sender = msg[x].caller;
				got = true
			}
		fi
	fi
}

inline put_back(mb, x)
{
	SECTION {
		begin(mb);
		if
		:: is_gone(mb) -> got = false
		:: !is_gone(mb) && !msg[x].request -> got = true
		:: !is_gone(mb) && msg[x].request -> take_back(mb, x)
		fi;
		if
		:: got ->
			msg[x].owner = QUEUE;
			enqueue(mb, x);
			poll = poll | READABLE;
#ifndef MUTANT_PUT_BACK_WITHOUT_OFFER
			offer(mb, x);
#endif
			settle(mb)
		:: else -> STEP { msg[x].owner = FREED; msg[x].dropped = true; msg[x].seq = 0 }
		fi;
		end(mb)
	}
	flush(mb)
}

/* Reply, discard, or end with the token. */
inline use_token(mb, x)
{
	if
	:: err = OK
	:: err = ECANCELED
	:: err = EOWNERDEAD
	fi;
	SECTION {
		begin(mb);
		msg[x].replied = (err == OK && msg[x].caller != NONE);
		decide(mb, x, err);
		end(mb)
	}
	flush(mb)
}

inline conclude(w)
{
	d_step {
		x = waiter[w].parcel;
		waiter[w].parcel = NONE;
		assert(msg[x].owner == RECEIVER && !msg[x].received)
	}
	if
	::
		d_step { msg[x].owner = FREED; msg[x].received = true; msg[x].seq = 0 }
		if
		:: msg[x].request -> use_token(mb, x)
		:: else
		fi
#ifdef FAULTS
	:: put_back(mb, x)
#endif
	fi;
	atomic { x = NONE; got = false; taken = false; mb = 0; err = 0 }
}

proctype Receiver(byte me)
{
	LOCALS;
	byte mb, x = NONE, n;
	bool late, waits, nonblock, timed, expired;

	do
	:: n == RECEIVES || killed -> break
	:: else ->
		atomic {
			n++;
			admit(mb, me, NONE);
			if
			:: err == OK -> choose_room(me); be_patient()
			:: else
			fi
		}
		if
		:: err != OK
		:: else ->
			do
			::
				SECTION {
					begin(mb);
					check_in(mb, me);
					if
					:: err != OK
					:: else ->
						serve_or_seat(mb, me);
						has_to_wait(mb, me, false)
					fi;
					end(mb)
				}
				finish_call(mb, me, false, killed);
				if
#ifdef INSISTS
				:: may_insist(me) -> insist(me, NONE)
#endif
				:: break
				fi
			od;
			got = false;
			d_step { assert(!late || err == EIDRM); leave(me) }
			if
			:: err == OK -> conclude(me)
			:: else
			fi
		fi
	od;
	threads--
}

/* Whoever claimed it did so under one of these locks, and was done with it then. */
inline leave_choice(w)
{
	do
	:: joined ->
		joined--;
#ifdef MUTANT_LEAVE_WITHOUT_LOCK
		unseat(joined, w)
#else
		SECTION {
			spin_lock(joined);
			unseat(joined, w);
			spin_unlock(joined)
		}
#endif
	:: else -> break
	od
}

#if CHOOSERS
proctype Chooser(byte me)
{
	LOCALS;
	byte mb, x = NONE, n, joined;
	bool late, waits, nonblock, timed, expired, chosen;

	do
	:: n == RECEIVES || killed -> break
	:: else ->
		atomic {
			n++;
			admit(0, me, NONE);
			if
			:: err == OK -> choose_room(me); be_patient()
			:: else
			fi
		}
		if
		:: err != OK
		:: else ->
			do
			:: chosen || err != OK || joined == MAILBOXES -> break
			:: else ->
				SECTION {
					begin(joined);
					check_in(joined, me);
					if
					:: err == OK ->
						serve_or_seat(joined, me);
						chosen = waiter[me].claimed
					:: else
					fi;
					end(joined)
				}
				flush(joined);
				joined++
			od;
			if
			:: chosen || err != OK
			:: !chosen && err == OK && nonblock -> err = EAGAIN
			:: !chosen && err == OK && !nonblock -> sleep(me, killed)
			fi;
			if
			:: err != OK ->
				SECTION { claim(me) }
				if
				:: !got -> err = OK
				:: else
				fi
			:: else
			fi;
			leave_choice(me);
			got = false;
			d_step {
				if
				:: err == OK ->
					assert(waiter[me].done);
					err = waiter[me].result;
					mb = waiter[me].from
				:: else
				fi;
				leave(me);
				chosen = false
			}
			if
			:: err == OK -> conclude(me)
			:: else
			fi
		fi
	od;
	threads--
}
#endif

/*
 * Those who disturb.
 */

inline dismiss_receivers(mb, why)
{
	for (r : SENDERS .. WAITERS - 1) {
		if
		:: receivers[mb]??[eval(r)] && (why == EIDRM || !pass_holds(mb, r)) ->
			unseat(mb, r);
			claim(r);
			if
			:: got -> finish(mb, r, why)
			:: else
			fi
		:: else
		fi
	}
	r = 0
}

inline revoke_senders(mb)
{
	for (a : 0 .. MESSAGES - 1) {
		if
		:: msg[a].sender != NONE && !pass_holds(mb, msg[a].sender) ->
			drop(mb, a, EKEYREVOKED)
		:: else
		fi
	}
	for (r : 0 .. SENDERS - 1) {
		if
		:: senders[mb]??[eval(r)] && !pass_holds(mb, r) ->
			senders[mb]??eval(r);
			claim(r);
			assert(got);
			finish(mb, r, EKEYREVOKED)
		:: else
		fi
	}
	poll = poll | WRITABLE
}

inline revoke_held(mb)
{
	for (a : 0 .. MESSAGES - 1) {
		if
		:: msg[a].by != NONE && !pass_holds(mb, msg[a].by) ->
			decide(mb, a, EKEYREJECTED)
		:: else
		fi
	}
	a = 0;
	r = 0
}

inline set_rights()
{
#ifdef REVOKES
	right[0] = !right[0];
#endif
#ifdef TRANSFERS
	right[SENDERS] = false;
	right[WAITERS - 1] = true;
#endif
	skip
}

/* Whoever looks without the lock sees all of it or nothing: access.seq. */
inline change(mb)
{
	SECTION {
		begin(mb);
#ifdef MUTANT_CHANGE_IN_TWO_STEPS
		access_seq++;
		set_rights();
#else
		STEP { access_seq++; set_rights() }
#endif
#ifndef MUTANT_CHANGE_WITHOUT_TELLING
		dismiss_receivers(mb, EKEYREVOKED);
		revoke_senders(mb);
		revoke_held(mb);
#endif
		settle(mb);
		end(mb)
	}
	flush(mb)
}

proctype Manager()
{
	LOCALS;
	byte me = NONE, n;

	do
	:: n == CHANGES -> break
	:: else ->
		n++;
		d_step { !ns_lock -> ns_lock = true }
		if
		:: is_gone(0)
		:: else -> change(0)
		fi;
		ns_lock = false
	od
}

/* The next sender, message or request; else got is false. */
inline dismiss_one(mb)
{
	if
	:: len(senders[mb]) ->
		senders[mb]?s;
		claim(s);
		assert(got);
		finish(mb, s, EIDRM);
		s = 0;
		got = true
	:: !len(senders[mb]) && len(queue[mb]) ->
		queue[mb]?<_, a>;
		drop(mb, a, EIDRM);
		got = true
	:: !len(senders[mb]) && !len(queue[mb]) ->
		STEP {
			a = 0;
			do
			:: a == MESSAGES || msg[a].by != NONE -> break
			:: else -> a++
			od
		}
		if
		:: a == MESSAGES -> got = false
		:: else -> decide(mb, a, EIDRM); got = true
		fi
	fi;
	a = 0
}

inline dismiss(mb)
{
	SECTION {
		begin(mb);
		dismiss_receivers(mb, EIDRM);
		poll = READABLE | WRITABLE;
		end(mb)
	}
	flush(mb);
	do
	::
		SECTION {
			begin(mb);
			n = 0;
			got = true;
			do
			:: n == BATCH || !got -> break
			:: n < BATCH && got ->
				dismiss_one(mb);
				if
				:: got -> n++
				:: else
				fi
			od;
			end(mb)
		}
		flush(mb);
		if
		:: n == 0 -> break
		:: else
		fi
	od
}

inline delete(mb)
{
#ifdef MUTANT_DISMISS_BEFORE_GONE
	dismiss(mb);
	got = false;
#endif
	d_step { !ns_lock -> ns_lock = true }
	d_step { !mailbox[mb].lock -> got = (mailbox[mb].state != GONE); mailbox[mb].state = GONE }
	ns_lock = false;
#ifndef MUTANT_DISMISS_BEFORE_GONE
	if
	:: got -> dismiss(mb)
	:: else
	fi
#endif
}

proctype Deleter()
{
	LOCALS;
	byte me = NONE, n;

	delete(0)
}

/* The receivers are its threads: they are killed, and it has ended with the last one. */
proctype Owner()
{
	LOCALS;
	byte me = NONE, n;

	killed = true;
	threads == 0;
	dead = true;
	delete(0)
}

inline expire(mb, x)
{
	SECTION {
		begin(mb);
		if
		:: queue[mb]??[eval(msg[x].seq), eval(x)] -> drop(mb, x, ETIMEDOUT)
		:: else
		fi;
#ifndef MUTANT_EXPIRE_WITHOUT_SETTLE
		settle(mb);
#endif
		end(mb)
	}
	flush(mb)
}

proctype Clock()
{
	LOCALS;
	byte me = NONE, x;

	do
	:: x == EXPIRING -> break
	:: else ->
		msg[x].expired = true;
		expire(0, x);
		x++
	od
}

proctype Poller()
{
	byte events;

	if
	:: poll_for = READABLE
	:: poll_for = WRITABLE
	fi;
#ifndef MUTANT_POLL_AFTER_LOOK
	polling = true;
#endif
	do
	::
		d_step {
			!mailbox[0].lock ->
			events = (is_gone(0) -> READABLE | WRITABLE : readable(0) | (writable(0) << 1))
		}
		if
		:: events & poll_for -> break
		:: else
		fi;
#ifdef MUTANT_POLL_AFTER_LOOK
		polling = true;
#endif
end_polling:	poll_woken -> poll_woken = false
	od;
	polling = false
}

/*
 * When nothing can happen any more: whoever sleeps does so with reason, and nothing is lost.
 */

inline check_waiter(w, mb)
{
	assert(!waiter[w].running && !waiter[w].claimed && !waiter[w].done);
	assert(!is_gone(mb) && has_right(mb, w))
}

inline check_sender(w, mb)
{
	check_waiter(w, mb);
	a = waiter[w].parcel;
	if
	:: senders[mb]??[eval(w)] -> assert(msg[a].owner == SENDER && !has_room(mb))
	:: else ->
		assert(msg[a].owner == QUEUE && msg[a].sender == w);
		assert(len(receivers[mb]) == 0)
	fi
}

inline check_receiver(w, mb)
{
	check_waiter(w, mb);
	assert(receivers[mb]??[eval(w)]);
	assert(len(queue[mb]) == 0)
}

inline check_msg(x, mb)
{
	assert(!(msg[x].received && msg[x].dropped));
	if
	:: msg[x].owner == NEW
	:: msg[x].owner == SENDER -> assert(waiter[x / SENDS].frame)
	:: msg[x].owner == QUEUE ->
		assert(queue[mb]??[eval(msg[x].seq), eval(x)]);
		assert(!is_gone(mb) && !msg[x].expired)
	:: msg[x].owner == FREED -> assert(msg[x].received || msg[x].dropped)
	:: msg[x].owner == RECEIVER -> assert(false)
	fi
}

proctype Watch()
{
	byte a, w;

	timeout;
	d_step {
		for (w : 0 .. SENDERS - 1) {
			if
			:: waiter[w].frame -> check_sender(w, w % MAILBOXES)
			:: else
			fi
		}
		for (w : SENDERS .. WAITERS - 1) {
			if
			:: waiter[w].frame ->
				check_receiver(w, 0);
#if CHOOSERS
				if
				:: w < SENDERS + CHOOSERS -> check_receiver(w, 1)
				:: else
				fi
#endif
			:: else
			fi
		}
		for (w : 0 .. MESSAGES - 1) {
			check_msg(w, (w / SENDS) % MAILBOXES)
		}
		if
		:: polling && is_gone(0) -> assert(false)
		:: polling && poll_for == READABLE -> assert(!readable(0))
		:: polling && poll_for == WRITABLE -> assert(!writable(0))
		:: else
		fi
	}
}

init {
	byte i;

	atomic {
#ifdef TRANSFERS
		right[WAITERS - 1] = (RECEIVERS == 1);
#endif
		for (i : 0 .. SENDERS - 1) {
			run Sender(i)
		}
		for (i : SENDERS .. WAITERS - 1) {
#if CHOOSERS
			if
			:: i < SENDERS + CHOOSERS -> run Chooser(i)
			:: else -> run Receiver(i)
			fi
#else
			run Receiver(i)
#endif
		}
#if CHANGES
		run Manager();
#endif
#ifdef DELETES
		run Deleter();
#endif
#ifdef OWNER_ENDS
		run Owner();
#endif
#if EXPIRING
		run Clock();
#endif
#ifdef POLLS
		run Poller();
#endif
		run Watch()
	}
}
