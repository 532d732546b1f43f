#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mboxctl in conversations, from outside: calls, those who serve them, and messages
# from process to process. Needs root and the module. Prints KTAP; with -t NAME, of
# that one test only.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, other shells expand what is in single quotes, and functions of
# mboxctl.sh call the tests and set variables for them.
# shellcheck disable=SC1091,SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086,SC2154,SC2317

. "$(dirname "$0")/mboxctl.sh"

# serve ARGUMENT...: mboxctl serve in the background, $server, until the test ends
serve()
{
	mboxctl serve "$@" >"$tmp/serve.out" 2>"$tmp/serve.err" &
	server=$!
	echo "$server" >>"$tmp/processes"
}

# server_ends CODE: it has ended, or does now
server_ends()
{
	wait "$server"
	got=$?
	[ "$got" -eq "$1" ] && return
	cat "$tmp/serve.err"
	die "serve exited with $got instead of $1"
}

server_said()
{
	for text; do
		grep -qF -- "$text" "$tmp/serve.err" && continue
		cat "$tmp/serve.err"
		die "serve does not say \"$text\""
	done
}

until_server_said()
{
	for _ in $thousand; do
		grep -qF -- "$1" "$tmp/serve.err" && return
		usleep 10000
	done
	cat "$tmp/serve.err"
	die "serve never said \"$1\""
}

until_exists()
{
	for _ in $thousand; do
		[ ! -s "$1" ] || return 0
		usleep 10000
	done
	die "nobody wrote $1"
}

# until_inbox PID: sets $box to the inbox of that process
until_inbox()
{
	for _ in $thousand; do
		box=$(mboxctl ls | awk -v pid="$1" '$2 == "/inbox" && $5 == pid { print $1 }')
		[ -z "$box" ] || return 0
		usleep 10000
	done
	die "process $1 never had an inbox"
}

# A process, $sender, that sends the lines of descriptor 9 to the process that the
# first one names
sender()
{
	mkfifo "$tmp/lines"
	sh -c 'read -r to && exec mboxctl send -l --pid "$to"' <"$tmp/lines" &
	sender=$!
	echo "$sender" >>"$tmp/processes"
	exec 9>"$tmp/lines"
}

# Says nothing, for those who are told nothing but the exit code.
silent()
{
	[ ! -s "$err" ] || die "it says \"$(cat "$err")\""
}

test_call_prints_the_reply_and_nothing_else()
{
	new
	serve -c 2 "$box" -- sh -c 'printf "got "; cat'
	try 0 mboxctl call "$box" hello
	printed 'got hello'
	silent
	try 0 mboxctl call -t 30 -p 31 --tag 7 -l "$box" again
	printed 'got again\n'
	server_ends 0
	shows "$box" received 2
	shows "$box" requests 0
}

test_call_takes_standard_input_and_brings_binary_data_back_unchanged()
{
	dd if=/dev/urandom of="$tmp/data" bs=50001 count=1 2>/dev/null
	new -s 64K
	serve "$box" -- cat
	try 0 mboxctl call "$box" <"$tmp/data"
	same sha256 "$(sha256sum <"$tmp/data")" "$(sha256sum <"$out")"
	try 0 mboxctl call "$box" </dev/null
	printed ''
	try 0 mboxctl call "$box" ''
	printed ''
}

test_a_reply_may_be_larger_than_the_mailbox_takes()
{
	new -s 8
	serve "$box" -- head -c 100000 /dev/zero
	try 0 mboxctl call "$box" x
	same bytes 100000 "$(wc -c <"$out")"
}

test_the_exit_status_of_the_command_is_that_of_the_call()
{
	new
	serve "$box" -- sh -c 'read -r code; echo "this is $code"; exit $code'
	for code in 0 1 2 3 4 77 126 127 199 201 254 255; do
		try "$code" mboxctl call "$box" "$code"
		printed "this is $code\n"
		silent
	done
}

test_what_call_itself_has_to_say_is_200_more()
{
	new -c 1
	try 201 mboxctl call "$name" x
	said "there is no such mailbox"
	try 201 mboxctl call "$box" </dev/zero
	said "larger than its max_size"
	try 204 mboxctl call -t 0.1 "$box" x
	said "there was no reply in time"
	try 0 mboxctl send "$box" fills
	try 203 mboxctl call -n "$box" x
	said "there is no room"
	try 204 mboxctl call -t 0 "$box" x
	shows "$box" msgs 1
	try 0 mboxctl recv -n "$box"
	printed fills
	try 3 mboxctl recv -n "$box"
	while read -r arguments; do
		eval "try 202 mboxctl $arguments </dev/null"
		said "Usage: mboxctl call "
		printed ''
	done <<-END
		call
		call $box a b
		call -p 32 $box x
		call -n -t 1 $box x
		call -t soon $box x
		call -l --json $box x
		call --tag '' $box x
		call --pid 0 x
		call --pid 1 --participant 1 x
		call --pid 1 a b
		call 1x x
	END
	shows "$box" sent 1
}

test_call_json_tells_who_replied()
{
	new
	serve "$box" -- sh -c 'printf two; exit 9'
	try 9 mboxctl call --json "$box" one
	is_json "$out"
	sed -E 's/("(sender|stamp|clock)"):[1-9][0-9]*/\1:N/g' "$out" >"$tmp/masked"
	printf '{"pid":%s,"uid":0,"gid":0,"tag":9,"sender":N,"stamp":N,"clock":N,"got":[],"files":0,"len":3,"text":"two"}\n' \
		"$server" >"$tmp/expected"
	cmp "$tmp/expected" "$tmp/masked" || die "$(cat "$out")"
}

test_a_request_that_is_only_received_is_discarded()
{
	new
	background 205 mboxctl call "$box" hello
	until_shows "$box" msgs 1
	try 0 mboxctl recv --peek --json "$box"
	grep -q '"got":\["request"\]' "$out" || die "$(cat "$out")"
	try 0 mboxctl recv -n "$box"
	printed hello
	finish
	said "$box: the request was received and discarded"
	printed ''
}

test_a_call_is_told_when_the_server_is_killed()
{
	new
	serve "$box" -- sleep 1000
	background 205 mboxctl call "$box" x
	until_shows "$box" requests 1
	kill -KILL "$server"
	finish
	said "who received the request has ended"
	shows "$box" requests 0
}

test_a_call_is_told_when_the_mailbox_is_removed()
{
	new
	background 201 mboxctl call "$box" x
	until_shows "$box" msgs 1
	try 0 mboxctl rm "$box"
	finish
	said "the mailbox is gone"
	new
	serve "$box" -- sleep 1000
	background 201 mboxctl call "$box" x
	until_shows "$box" requests 1
	try 0 mboxctl rm "$box"
	finish
	said "the mailbox is gone"
}

test_a_call_is_told_when_the_server_loses_its_right()
{
	new -m 666
	su -s /bin/sh nobody -c "exec mboxctl serve $box -- sleep 1000" 2>"$tmp/serve.err" &
	server=$!
	echo "$server" >>"$tmp/processes"
	background 205 mboxctl call "$box" x
	until_shows "$box" requests 1
	try 0 mboxctl chmod 622 "$box"
	finish
	said "has lost the right"
}

test_a_call_without_the_right_to_send_is_refused()
{
	new "$name"
	try 201 as_nobody call "$name" x
	said "$name"
	shows "$box" sent 0
}

test_a_reply_that_cannot_be_written_is_told_lost()
{
	new
	serve "$box" -- echo x
	mboxctl call "$box" x >/dev/full 2>"$err"
	same "exit code" 206 $?
	said "the reply is lost" "No space left"
}

test_an_interrupted_call_dies_of_the_signal()
{
	new
	background 143 mboxctl call "$box" x
	until_shows "$box" msgs 1
	kill -TERM "$pid"
	finish
	shows "$box" msgs 0
}

# The pid is that of the caller: sh becomes mboxctl.
test_the_command_is_told_about_the_request_in_its_environment()
{
	new
	MBOX_PID='$(reboot)' MBOX_REQUEST=no KEPT=kept serve -c 1 "$box" -- env
	sh -c 'echo $$ >"$1"; exec mboxctl call --tag 18446744073709551615 -p 3 "$2" x' sh \
		"$tmp/pid" "$box" >"$out" || die "not called"
	pid=$(cat "$tmp/pid")
	for variable in "MBOX_ID=$box" MBOX_SEQ=1 MBOX_REQUEST=1 MBOX_PRIO=3 \
		MBOX_TAG=18446744073709551615 "MBOX_PID=$pid" "MBOX_TID=$pid" MBOX_UID=0 \
		MBOX_GID=0 'MBOX_SENDER=[1-9][0-9]*' 'MBOX_STAMP=[1-9][0-9]*' \
		'MBOX_TIME=[1-9][0-9]*\.[0-9]\{9\}' KEPT=kept; do
		same "number of lines $variable" 1 "$(grep -cx "$variable" "$out")"
	done
	same "number of variables" 12 "$(grep -c ^MBOX_ "$out")"
	age=$(($(date +%s) - $(sed -n 's/MBOX_TIME=\(.*\)\..*/\1/p' "$out")))
	[ "${age#-}" -lt 1000 ] || die "it was sent $age seconds ago"
	pid=
}

test_the_sender_is_told_as_another_user()
{
	new -m 622 "$name"
	serve "$box" -- sh -c 'echo "$MBOX_UID $MBOX_GID"'
	try 0 as_nobody call "$name" x
	printed "$(id -u nobody) $(id -g nobody)\n"
}

test_nothing_of_a_request_is_interpreted()
{
	new
	serve "$box" -- sh -c 'cat; echo "$1"' sh '$(touch '"$tmp"'/made)'
	for text in '$(touch '"$tmp"'/made)' '`touch '"$tmp"'/made`' "; touch $tmp/made" \
		"'; touch $tmp/made; '" -- --help '| touch '"$tmp"'/made' '%s%n'; do
		try 0 mboxctl call "$box" "$text"
		printf '%s$(touch %s)\n' "$text" "$tmp/made" >"$tmp/expected"
		cmp "$tmp/expected" "$out" || die "$(cat "$out")"
	done
	[ ! -e "$tmp/made" ] || die "something was executed"
}

test_the_command_gets_no_descriptor_but_the_first_three()
{
	new
	serve -j 3 "$box" -- sh -c 'ls /proc/self/fd | wc -l'
	try 0 mboxctl call "$box" x
	same descriptors 4 "$(cat "$out")"
}

test_serve_ends_after_as_many_as_it_was_told()
{
	new
	serve -j 3 -c 4 "$box" -- cat
	for i in 1 2 3 4; do
		try 0 mboxctl call "$box" "$i"
		printed "$i"
	done
	server_ends 0
	try 204 mboxctl call -t 0 "$box" 5
}

test_commands_run_as_many_at_once_as_serve_was_told()
{
	new
	serve -j 3 "$box" -- sh -c 'echo x >>"$0"
		while [ "$(wc -l <"$0")" -lt 3 ]; do usleep 10000; done' "$tmp/there"
	for i in 1 2; do
		mboxctl call -t 60 "$box" x &
	done
	try 0 mboxctl call -t 60 "$box" x
	shows "$box" sent 3
}

test_commands_run_one_at_a_time_by_default()
{
	new
	serve "$box" -- sh -c 'mkdir "$0" && usleep 50000 && rmdir "$0"' "$tmp/busy"
	for i in 1 2 3; do
		mboxctl call "$box" x || echo failed >>"$tmp/failed" &
		calls="$calls $!"
	done
	wait $calls
	[ ! -e "$tmp/failed" ] || die "two were there at once"
	shows "$box" received 3
}

test_show_and_ls_tell_of_requests_that_wait_for_their_reply()
{
	new
	serve -j 2 "$box" -- sh -c 'cat "$0"' "$tmp/fifo"
	mkfifo "$tmp/fifo"
	background 0 mboxctl call "$box" x
	until_shows "$box" requests 1
	try 0 mboxctl ls
	grep -q "^ *$box .* 1 recv 1 reply\$" "$out" || die "$(cat "$out")"
	try 0 mboxctl show --json "$box"
	grep -q '"requests":1,"links":null,' "$out" || die "$(cat "$out")"
	shows "$box" links -
	echo answer >"$tmp/fifo"
	finish
	printed 'answer\n'
	shows "$box" requests 0
}

test_a_command_that_takes_too_long_is_ended_with_all_it_has_started()
{
	new
	serve -t 0.3 "$box" -- sh -c 'sleep 1000 & echo $! >"$0"; sleep 1001 & echo $! >"$0.2"
		wait' "$tmp/pid"
	try 205 mboxctl call "$box" x
	said discarded
	until_server_said "its time was up"
	server_said "request 1 of process"
	until_ended "$(cat "$tmp/pid")"
	until_ended "$(cat "$tmp/pid.2")"
}

test_a_command_that_does_not_want_to_end_is_killed()
{
	new
	serve -t 0.3 "$box" -- sh -c 'trap "" TERM; echo $$ >"$0"; while :; do sleep 1; done' \
		"$tmp/pid"
	try 205 mboxctl call "$box" x
	until_server_said "its time was up"
	until_ended "$(cat "$tmp/pid")"
}

test_a_command_that_says_too_much_is_ended()
{
	new
	serve "$box" -- sh -c 'read -r size; echo $$ >"$0"; head -c "$size" /dev/zero' "$tmp/pid"
	try 205 mboxctl call "$box" 9999999999
	said discarded
	until_server_said "larger than a reply may be"
	until_ended "$(cat "$tmp/pid")"
	size=$(cat /proc/sys/net/mbox/max_size)
	try 205 mboxctl call "$box" $((size + 1))
	try 0 mboxctl call "$box" "$size"
	same bytes "$size" "$(wc -c <"$out")"
}

test_a_killed_command_is_no_reply()
{
	new
	serve "$box" -- sh -c 'echo begun; kill -KILL $$'
	try 205 mboxctl call "$box" x
	printed ''
	until_server_said "the command was killed by signal 9"
}

test_a_command_that_cannot_be_run_ends_serve()
{
	new
	serve "$box" -- no-such-program
	try 205 mboxctl call "$box" x
	server_ends 127
	server_said "no-such-program: there is no such program" "it is discarded"
	serve -j 3 "$box" -- /etc
	try 205 mboxctl call "$box" x
	server_ends 126
	serve "$box" -- no-such-program
	try 0 mboxctl send "$box" x
	server_ends 127
	server_said "message 3 of process" "it is lost"
}

test_a_message_is_served_too_and_its_output_is_that_of_serve()
{
	new
	serve -c 2 "$box" -- sh -c 'echo "$MBOX_REQUEST $(cat)"; exit 3'
	try 0 mboxctl send "$box" one two
	server_ends 0
	same output '0 one,0 two,' "$(tr '\n' , <"$tmp/serve.out")"
	server_said "message 1 of process" "message 2 of process" "the command exited with 3"
}

test_the_reply_does_not_wait_for_what_the_command_leaves_behind()
{
	new
	serve "$box" -- sh -c 'sleep 1000 & echo $! >"$0"; echo early' "$tmp/pid"
	try 0 mboxctl call -t 60 "$box" x
	cat "$tmp/pid" >>"$tmp/processes"
	printed 'early\n'
	kill -0 "$(cat "$tmp/pid")" || die "it was ended"
}

test_a_command_need_not_read_its_input_or_keep_its_output()
{
	new -s 1M
	serve "$box" -- sh -c 'exec >&-; usleep 100000'
	head -c 1000000 /dev/zero >"$tmp/in"
	try 0 mboxctl call "$box" <"$tmp/in"
	printed ''
}

test_an_idle_serve_dies_of_the_signal_and_takes_nothing()
{
	for signal in TERM HUP; do
		new
		serve -j 3 "$box" -- cat
		until_shows "$box" receivers 3
		kill -"$signal" "$server"
		server_ends $((128 + $(kill -l "$signal")))
		shows "$box" receivers 0
		try 0 mboxctl send "$box" kept
		shows "$box" msgs 1
	done
}

# What the shell runs in the background ignores SIGINT, too.
test_serve_goes_on_at_signals_that_are_ignored()
{
	new
	trap '' HUP
	serve "$box" -- cat
	until_shows "$box" receivers 1
	kill -HUP "$server"
	kill -INT "$server"
	try 0 mboxctl call -t 10 "$box" x
	printed x
	kill -TERM "$server"
	server_ends 143
}

test_the_request_at_hand_is_answered_before_serve_dies_of_the_signal()
{
	new
	mkfifo "$tmp/fifo"
	serve -j 2 "$box" -- sh -c 'cat "$0"' "$tmp/fifo"
	background 0 mboxctl call "$box" x
	until_shows "$box" requests 1
	kill -TERM "$server"
	until_shows "$box" receivers 0
	try 0 mboxctl send "$box" kept
	kill -0 "$server" || die "it did not wait"
	echo answer >"$tmp/fifo"
	finish
	printed 'answer\n'
	server_ends 143
	shows "$box" msgs 1
}

# The worker that waits shows that the first signal has come.
test_a_second_signal_ends_the_command_and_discards_its_request()
{
	new
	serve -j 2 "$box" -- sh -c 'echo $$ >"$0"; exec sleep 1000' "$tmp/pid"
	background 205 mboxctl call "$box" x
	until_exists "$tmp/pid"
	until_shows "$box" receivers 1
	kill -TERM "$server"
	until_shows "$box" receivers 0
	shows "$box" requests 1
	kill -TERM "$server"
	finish
	said discarded
	server_ends 143
	server_said "told twice to end"
	until_ended "$(cat "$tmp/pid")"
}

# The signal is pending when serve is made to go on, and so are the requests.
test_what_comes_with_the_signal_is_answered_or_stays()
{
	new
	serve -j 2 "$box" -- cat
	until_shows "$box" receivers 2
	kill -STOP "$server"
	until_shows "$box" receivers 0
	mboxctl call -t 60 "$box" x >"$tmp/one" 2>&1 &
	calls=$!
	mboxctl call -t 60 "$box" x >"$tmp/two" 2>&1 &
	calls="$calls $!"
	until_shows "$box" msgs 2
	kill -TERM "$server"
	kill -CONT "$server"
	server_ends 143
	serve "$box" -- cat
	wait $calls
	same replies xx "$(cat "$tmp/one" "$tmp/two")"
}

test_the_command_is_ended_when_its_caller_has_gone()
{
	new
	serve "$box" -- sh -c 'echo $$ >"$0"; exec sleep 1000' "$tmp/pid"
	try 204 mboxctl call -t 1 "$box" x
	until_exists "$tmp/pid"
	until_ended "$(cat "$tmp/pid")"
	until_server_said "the caller has gone"
	shows "$box" requests 0
}

test_serve_ends_with_0_when_the_mailbox_is_removed()
{
	new
	serve -j 3 "$box" -- cat
	until_shows "$box" receivers 3
	try 0 mboxctl rm "$box"
	server_ends 0
	new
	serve -c 5 "$box" -- cat
	until_shows "$box" receivers 1
	try 0 mboxctl rm "$box"
	server_ends 1
	server_said "the mailbox is gone"
}

test_serve_is_told_when_it_loses_its_right()
{
	new -m 666
	su -s /bin/sh nobody -c "exec mboxctl serve -j 3 $box -- cat" 2>"$tmp/serve.err" &
	server=$!
	echo "$server" >>"$tmp/processes"
	until_shows "$box" receivers 3
	try 0 mboxctl chmod 622 "$box"
	server_ends 1
	server_said "the right to do that has been taken away"
}

# An idle worker is a receiver that waits, as a sender that does not wait must have it.
test_serve_meets_senders_takes_turns_and_keeps_its_end()
{
	for kind in --rendezvous --single --pair; do
		new $kind
		serve -j 3 "$box" -- cat
		until_shows "$box" receivers 3
		for i in 1 2 3; do
			until_shows "$box" receivers 3
			try 0 mboxctl call -n "$box" "$i"
			printed "$i"
		done
	done
}

# Each serve is ended while calls are on their way; the next one goes on.
test_no_request_is_lost_or_answered_twice_when_servers_come_and_go()
{
	new
	for caller in 1 2 3; do
		{
			for i in $(seq 8); do
				mboxctl call -t 200 "$box" "$caller.$i" || echo " failed: $?"
			done >"$tmp/caller.$caller"
		} 2>&1 &
		calls="$calls $!"
	done
	for _ in $(seq 6); do
		serve -j 2 "$box" -- sh -c 'cat; echo; echo "$MBOX_SEQ" >>"$0"' "$tmp/served"
		usleep 300000
		kill -TERM "$server"
		server_ends 143
	done
	serve -j 2 "$box" -- sh -c 'cat; echo; echo "$MBOX_SEQ" >>"$0"' "$tmp/served"
	wait $calls
	for caller in 1 2 3; do
		same "replies to $caller" "$(for i in $(seq 8); do echo "$caller.$i"; done)" \
			"$(cat "$tmp/caller.$caller")"
	done
	same "requests served" 24 "$(wc -l <"$tmp/served")"
	same "different ones" 24 "$(sort -u "$tmp/served" | wc -l)"
}

test_recv_long_writes_a_line_about_each_message()
{
	new
	sh -c 'echo $$ >"$1"; exec mboxctl send -p 7 --tag 9 "$2" one' sh "$tmp/pid" "$box" ||
		die "not sent"
	try 0 mboxctl send "$box" ''
	try 0 mboxctl recv -n -c 2 --long "$box"
	sed -E 's/ at [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6},/ at T,/
		s/(stamp|participant) [1-9][0-9]*/\1 N/g; s/from [0-9]+ /from P /' "$out" >"$tmp/masked"
	grep -q "^1: 3 bytes from $(cat "$tmp/pid") (root) at " "$out" || die "$(cat "$out")"
	printf '%s\n' '1: 3 bytes from P (root) at T, stamp N of participant N, prio 7, tag 9' one \
		'2: 0 bytes from P (root) at T, stamp N of participant N' '' >"$tmp/expected"
	cmp "$tmp/expected" "$tmp/masked" || die "$(cat "$out")"
}

test_a_process_receives_what_is_sent_to_its_pid()
{
	background 0 mboxctl recv --inbox -l -c 3
	try 0 mboxctl send -t 60 --pid "$pid" hello ''
	echo more | try 0 mboxctl send --pid "$pid" --prio 0
	receiver=$pid
	finish
	printed 'hello\n\nmore\n\n'
	said "mboxctl: recv: this is process $receiver, participant "
}

test_a_process_receives_what_is_sent_to_its_participant_id()
{
	background 0 mboxctl recv --inbox --json
	until_exists "$tmp/late.err"
	id=$(sed 's/.*, participant //' "$tmp/late.err")
	try 0 mboxctl send --participant "$id" --tag 5 hello
	finish
	is_json "$out"
	grep -q '"tag":5,.*"text":"hello"}$' "$out" || die "$(cat "$out")"
	try 1 mboxctl send --participant "$id" late
	said "participant $id: "
	try 1 mboxctl send --participant 18446744073709551615 x
	said "participant 18446744073709551615: there is no such process"
}

test_what_is_sent_to_a_process_before_it_receives_is_kept()
{
	later 0 root recv --inbox -n -l -c 2
	try 0 mboxctl send --pid "$pid" early
	try 0 mboxctl send --pid "$pid" bird
	go
	finish
	printed 'early\nbird\n'
}

test_the_inbox_is_empty_at_first()
{
	try 3 mboxctl recv --inbox -n
	said "there is no message"
	try 4 mboxctl recv --inbox -t 0.1
	said "there was no message in time"
	try 1 mboxctl recv --inbox -n --tag 1
	said "--by-tag"
	printed ''
}

test_what_one_process_sends_can_be_picked_from_the_inbox()
{
	sender
	background 0 mboxctl recv --inbox --from "$sender" -l
	until_inbox "$pid"
	until_shows "$box" receivers 1
	try 0 mboxctl send --pid "$pid" other
	echo "$pid" >&9
	echo mine >&9
	finish
	printed 'mine\n'
}

test_who_waits_for_a_process_is_told_when_it_ends()
{
	sender
	background 1 mboxctl recv --inbox --from "$sender"
	until_inbox "$pid"
	until_shows "$box" receivers 1
	kill -KILL "$sender"
	finish
	said "the process has ended, and sent no more"
}

test_follow_of_the_inbox_goes_on_until_the_signal_and_the_inbox_with_it()
{
	background 143 mboxctl recv --inbox -f -l
	until_inbox "$pid"
	for text in one two; do
		try 0 mboxctl send --pid "$pid" "$text"
	done
	until_shows "$box" received 2
	kill -TERM "$pid"
	finish
	printed 'one\ntwo\n'
	try 1 mboxctl show "$box"
	said "the mailbox is gone"
}

test_serve_answers_calls_to_its_process()
{
	serve --inbox -c 3 -- sh -c 'cat; echo " of $MBOX_PID $MBOX_REQUEST"'
	until_exists "$tmp/serve.out"
	read -r number id <"$tmp/serve.out"
	same pid "$server" "$number"
	sh -c 'echo $$ >"$1"; exec mboxctl call --pid "$2" one' sh "$tmp/pid" "$server" >"$out" ||
		die "not called"
	printed "one of $(cat "$tmp/pid") 1\n"
	try 0 mboxctl call --participant "$id" two
	grep -q '^two of [1-9][0-9]* 1$' "$out" || die "$(cat "$out")"
	try 0 mboxctl send --pid "$server" three
	server_ends 0
	grep -q '^three of [1-9][0-9]* 0$' "$tmp/serve.out" || die "$(cat "$tmp/serve.out")"
	[ "$(wc -l <"$tmp/serve.out")" -eq 2 ] || die "$(cat "$tmp/serve.out")"
	try 201 mboxctl call --participant "$id" x
	said "participant $id: "
}

test_who_may_not_signal_a_process_may_not_send_to_it()
{
	process sleep 1000
	try 1 as_nobody send --pid "$process" x
	said "process $process: you may not signal it"
	try 201 as_nobody call --pid "$process" x
	said "process $process: you may not signal it"
}

test_an_inbox_can_be_opened_to_those_who_may_not_signal()
{
	mboxctl create --inbox -m 222 -- mboxctl serve --inbox -- sh -c 'echo "$MBOX_UID"' \
		>"$tmp/serve.out" 2>"$tmp/serve.err" &
	server=$!
	echo "$server" >>"$tmp/processes"
	until_exists "$tmp/serve.out"
	try 0 as_nobody call --pid "$server" x
	printed "$(id -u nobody)\n"
	until_inbox "$server"
	try 0 mboxctl chmod 0 "$box"
	try 201 as_nobody call --pid "$server" x
	said "you may not signal it"
}

# The second sender finds room, since that is counted for each.
test_create_makes_the_inbox_of_a_program_as_it_is_told()
{
	background 143 mboxctl create --inbox -c 2 -s 3 -b 100 --fixed -- sleep 1000
	until_inbox "$pid"
	shows "$box" max_msgs 2
	shows "$box" max_size 3
	shows "$box" max_bytes 100
	shows "$box" mode 0000
	try 1 mboxctl send --pid "$pid" 12
	said "not exactly as large"
	for _ in 1 2; do
		try 3 mboxctl send -n --pid "$pid" abc def ghi
		said "process $pid" "2 of 3 messages sent" "there is no room"
	done
	shows "$box" msgs 4
	kill "$pid"
	finish
}

test_create_makes_an_inbox_like_that_of_the_kernel_by_default()
{
	process sleep 1000
	try 0 mboxctl send --pid "$process" x
	until_inbox "$process"
	for key in max_msgs max_size max_bytes mode kind share; do
		echo "$key $(field "$box" "$key")" >>"$tmp/kernel"
	done
	background 143 mboxctl create --inbox -- sleep 1000
	until_inbox "$pid"
	for key in max_msgs max_size max_bytes mode kind share; do
		echo "$key $(field "$box" "$key")" >>"$tmp/create"
	done
	cmp "$tmp/kernel" "$tmp/create" || die "$(cat "$tmp/kernel" "$tmp/create")"
	kill "$pid"
	finish
}

test_create_names_the_argument_that_is_out_of_range_for_an_inbox()
{
	try 2 mboxctl create --inbox -b 100 -- true
	said "-b 100: it holds not even one message of 65536 bytes"
	for words in '' "$name"; do
		limited max_size 65535 \
			try 2 mboxctl create --inbox $words -- true
		said "-s 65536: the limit is 65535"
	done
}

test_create_of_a_second_inbox_is_refused()
{
	later 1 root create --inbox -- true
	try 0 mboxctl send --pid "$pid" x
	go
	finish
	said "the process has an inbox"
}

test_ls_and_show_tell_of_inboxes_and_their_links()
{
	process sleep 1000
	sender
	echo "$process" >&9
	echo 12345 >&9
	until_inbox "$process"
	until_shows "$box" msgs 1
	try 0 mboxctl ls
	same line "$box /inbox --------- root $process 1/64x1 5 64K -" \
		"$(awk -v id="$box" '$1 == id { $1 = $1; print }' "$out")"
	shows "$box" links 1
	try 0 mboxctl show "$box"
	grep -q '^kind: .*\<by-sender\>.*\<process-owned\>.*\<files\> inbox$' "$out" ||
		die "$(cat "$out")"
	try 0 mboxctl show --json "$box"
	is_json "$out"
	grep -q '"name":null,.*"inbox"\],.*"requests":0,"links":1,' "$out" || die "$(cat "$out")"
	exec 9>&-
	wait "$sender"
	until_shows "$box" links 0
	shows "$box" msgs 1
}

test_a_process_that_has_ended_is_no_such_process()
{
	process true
	wait "$process"
	try 1 mboxctl send --pid "$process" x
	said "process $process: there is no such process"
	try 201 mboxctl call --pid "$process" x
	said "process $process: there is no such process"
}

test_a_call_to_a_process_is_told_when_that_ends()
{
	process sleep 1000
	background 201 mboxctl call --pid "$process" x
	until_inbox "$process"
	until_shows "$box" msgs 1
	kill -KILL "$process"
	finish
	said "process $process: the process has ended"
	serve --inbox -- sleep 1000
	until_exists "$tmp/serve.out"
	background 205 mboxctl call --pid "$server" x
	until_inbox "$server"
	until_shows "$box" requests 1
	kill -KILL "$server"
	finish
	said "process $server: who received the request has ended"
}

test_limits_counts_no_files_where_there_are_none()
{
	try 0 mboxctl limits
	grep -q '^files in flight of user root  *0 .* EDQUOT  *net.mbox.user_files$' "$out" ||
		die "$(cat "$out")"
	grep -q '^files in flight of all  *0 .* ENOSPC  *net.mbox.ns_files$' "$out" ||
		die "$(cat "$out")"
}

run_tests "$@"
