#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mboxctl monitor, from outside: what it writes is compared with what was done. Needs
# root, the module and tmux. Prints KTAP; with -t NAME, of that one test only.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, other shells expand what is in single quotes, and functions of
# mboxctl.sh call the tests and set variables for them.
# shellcheck disable=SC1091,SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086,SC2154,SC2317

. "$(dirname "$0")/mboxctl.sh"

listeners()
{
	mboxctl limits --json | sed -n '/ns_listeners/s/.*"used":\([0-9]*\).*/\1/p'
}

until_listeners()
{
	for _ in $thousand; do
		[ "$(listeners)" != "$1" ] || return 0
		usleep 10000
	done
	cat "$tmp/monitor.err"
	die "there never were $1 listeners"
}

# monitor ARGUMENT...: mboxctl monitor in the background, $monitor, from when it listens
monitor()
{
	there=$(listeners)
	mboxctl monitor "$@" >"$tmp/monitor" 2>"$tmp/monitor.err" &
	monitor=$!
	echo "$monitor" >>"$tmp/processes"
	until_listeners $((there + 1))
}

# are_json FILE: each of its lines is a value
are_json()
{
	same "JSON, folded" V "$(fold_json <"$1" | sort -u)"
}

# Of thousands of lines, up to a loss and from it on: none is torn, and of those before
# the loss, which are all alike, some are looked at closely.
are_whole()
{
	awk -F '"event":' 'NF != 2 || $1 != "{" || !/}$/ { print; wrong = 1 }
		END { exit wrong }' "$1" || die "there are other lines than events"
	sed -n '1,100p; /"event":"lost"/,$p' "$1" >"$tmp/close"
	are_json "$tmp/close"
}

# The events of all lines
told()
{
	sed -E 's/.*"event":"([a-z]*)".*/\1/' "$tmp/monitor" | xargs
}

monitor_ends()
{
	wait "$monitor"
	got=$?
	[ "$got" -eq "$1" ] && return
	cat "$tmp/monitor" "$tmp/monitor.err"
	die "monitor exited with $got instead of $1"
}

stop_monitor()
{
	kill -TERM "$monitor"
	monitor_ends 0
	[ ! -s "$tmp/monitor.err" ] || die "it says $(cat "$tmp/monitor.err")"
}

until_lines()
{
	for _ in $thousand; do
		[ "$(wc -l <"$tmp/monitor")" -lt "$1" ] || return 0
		usleep 10000
	done
	cat "$tmp/monitor" "$tmp/monitor.err"
	die "there never were $1 lines"
}

# until_line PATTERN: in what monitor has written
until_line()
{
	for _ in $thousand; do
		grep -q -- "$1" "$tmp/monitor" && return
		usleep 10000
	done
	cat "$tmp/monitor" "$tmp/monitor.err"
	die "no line ever was like \"$1\""
}

# json_field LINE KEY: of the event itself
json_field()
{
	sed -n "$1s/,\"mailbox\":.*//p" "$tmp/monitor" |
		sed -nE "s/.*[{,]\"$2\":(\[[^]]*\]|\"[^\"]*\"|[^,]*).*/\1/p"
}

# box_field LINE KEY: of the mailbox in it
box_field()
{
	sed -n "$1s/.*\"mailbox\":{//p" "$tmp/monitor" | sed 's/,"before":.*//' |
		sed -nE "s/(.*,|^)\"$2\":(\[[^]]*\]|\"[^\"]*\"|[^,}]*).*/\2/p"
}

# happened LINE KEY VALUE...: what the event is, whatever is not said being none
happened()
{
	line=$1
	shift
	until_lines "$line"
	actor=0 process=0 former=0 rights='[]' event=
	while [ $# -gt 0 ]; do
		eval "$1=\$2"
		shift 2
	done
	same "event $line" "\"$event\" by $actor about $process, not $former, $rights" \
		"$(json_field "$line" event) by $(json_field "$line" actor) about $(
		json_field "$line" process), not $(json_field "$line" former), $(
		json_field "$line" rights)"
}

# A new one. That its creator has ended is told later than it has.
orphan()
{
	new "$@"
	for _ in $thousand; do
		mboxctl ls --orphan --ids | grep -qx "$box" && return
		usleep 10000
	done
	die "$box never became an orphan"
}

# as PID-FILE COMMAND...: the command is the process whose pid is in the file
as()
{
	sh -c 'echo $$ >"$0"; exec "$@"' "$@" >"$out" 2>"$err" || die "$* failed: $(cat "$err")"
	did=$(cat "$1")
}

test_created_and_orphaned_tell_of_who_created_it()
{
	monitor --json "$name"
	as "$tmp/pid" mboxctl create -m 620 -c 7 "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	happened 1 event created actor "$did" process "$did"
	happened 2 event orphaned former "$did"
	for line in 1 2; do
		same id "$box" "$(box_field $line id)"
		same name "\"$name\"" "$(box_field $line name)"
		same mode '"0620"' "$(box_field $line mode)"
		same max_msgs 7 "$(box_field $line max_msgs)"
		same seq "$line" "$(json_field $line seq)"
	done
	same owner "$did" "$(box_field 1 pid)"
	same state '[]' "$(box_field 1 state)"
	same owner 0 "$(box_field 2 pid)"
	same state '["orphan"]' "$(box_field 2 state)"
	stop_monitor
	same lines 2 "$(wc -l <"$tmp/monitor")"
}

test_claimed_tells_of_the_new_owner()
{
	orphan "$name"
	monitor --json "$box"
	background 143 sh -c 'exec mboxctl claim "$0" -- sleep 1000' "$box"
	happened 1 event claimed actor "$pid" process "$pid"
	same owner "$pid" "$(box_field 1 pid)"
	same state '[]' "$(box_field 1 state)"
	kill "$pid"
	owner=$pid
	finish
	happened 2 event orphaned former "$owner"
	stop_monitor
}

test_transferred_tells_of_both_owners()
{
	process sleep 1000
	own
	owner=$pid
	monitor --json "$name"
	as "$tmp/pid" mboxctl transfer "$name" "$process"
	happened 1 event transferred actor "$did" process "$process" former "$owner"
	same owner "$process" "$(box_field 1 pid)"
	kill "$process"
	happened 2 event orphaned former "$process"
	stop_monitor
}

test_offered_tells_to_whom_until_it_is_taken_back_or_accepted()
{
	own
	owner=$pid
	monitor --json "$name"
	process sleep 1000
	as "$tmp/pid" mboxctl offer "$name" "$process"
	happened 1 event offered actor "$did" process "$process"
	same offered "$process" "$(box_field 1 offered)"
	same state '["offered"]' "$(box_field 1 state)"
	as "$tmp/pid" mboxctl offer --withdraw "$name"
	happened 2 event offered actor "$did"
	same offered 0 "$(box_field 2 offered)"
	same state '[]' "$(box_field 2 state)"

	kill "$owner"
	finish
	happened 3 event orphaned former "$owner"
	later 143 root accept "$name" -- sleep 1000
	try 0 mboxctl offer "$name" "$pid"
	happened 4 event offered actor "$(json_field 4 actor)" process "$pid"
	go
	happened 5 event transferred actor "$pid" process "$pid" former 0
	kill "$pid"
	finish
	stop_monitor
}

test_granted_and_revoked_tell_to_whom_and_what()
{
	orphan
	process sleep 1000
	monitor --json "$box"
	as "$tmp/pid" mboxctl grant "$box" "$process" send,receive
	happened 1 event granted actor "$did" process "$process" rights '["send","receive"]'
	same granted 1 "$(box_field 1 granted)"
	participant=$(json_field 1 participant)
	[ "$participant" -gt 0 ] || die "participant $participant"
	as "$tmp/pid" mboxctl revoke "$box" "$process" receive
	happened 2 event revoked actor "$did" process "$process" rights '["receive"]'
	same participant "$participant" "$(json_field 2 participant)"
	same granted 1 "$(box_field 2 granted)"
	kill "$process"
	until_lines 3
	same event '"revoked"' "$(json_field 3 event)"
	same rights '["send"]' "$(json_field 3 rights)"
	same participant "$participant" "$(json_field 3 participant)"
	same granted 0 "$(box_field 3 granted)"
	stop_monitor
}

test_changed_tells_of_mode_user_and_group()
{
	orphan -m 600
	monitor --json "$box"
	as "$tmp/pid" mboxctl chmod 640 "$box"
	happened 1 event changed actor "$did"
	same mode '"0640"' "$(box_field 1 mode)"
	as "$tmp/pid" mboxctl chown nobody:nogroup "$box"
	happened 2 event changed actor "$did"
	same uid "$(id -u nobody)" "$(box_field 2 uid)"
	same gid 65534 "$(box_field 2 gid)"
	stop_monitor
}

test_full_and_space_tell_how_often_and_how_full()
{
	orphan -c 2
	monitor --json -e full,space "$box"
	try 0 mboxctl send "$box" one
	try 0 mboxctl send "$box" two
	until_lines 1
	same event '"full"' "$(json_field 1 event)"
	same count 1 "$(json_field 1 count)"
	same msgs 2 "$(box_field 1 msgs)"
	try 0 mboxctl recv "$box"
	until_lines 2
	same event '"space"' "$(json_field 2 event)"
	same msgs 1 "$(box_field 2 msgs)"
	stop_monitor
}

test_deleted_tells_who_did_it_and_what_it_was()
{
	orphan "$name"
	try 0 mboxctl send "$box" one two
	monitor --json "$name"
	as "$tmp/pid" mboxctl rm "$name"
	happened 1 event deleted actor "$did"
	same id "$box" "$(box_field 1 id)"
	same msgs 2 "$(box_field 1 msgs)"
	stop_monitor
}

test_what_goes_with_its_owner_was_deleted_by_nobody()
{
	monitor --json -e created,deleted "$name"
	background 143 mboxctl create --process-owned "$name" -- sleep 1000
	happened 1 event created actor "$pid" process "$pid"
	kill "$pid"
	finish
	until_lines 2
	same event '"deleted"' "$(json_field 2 event)"
	same actor 0 "$(json_field 2 actor)"
	stop_monitor
}

test_events_come_in_order_and_are_numbered()
{
	monitor --json
	for i in 1 2 3; do
		orphan
		try 0 mboxctl chmod 644 "$box"
		try 0 mboxctl rm "$box"
	done
	until_lines 12
	stop_monitor
	are_json "$tmp/monitor"
	round='created orphaned changed deleted'
	same events "$round $round $round" "$(told)"
	same numbers "$(seq 12)" "$(sed -E 's/.*"seq":([0-9]*).*/\1/' "$tmp/monitor")"
	times=$(sed -E 's/.*"time":([0-9]*).*/\1/' "$tmp/monitor")
	same times "$(echo "$times" | sort -n)" "$times"
}

test_each_line_is_json_whatever_the_name_is()
{
	monitor --json -e created
	for odd in 'a"b' 'back\slash' 'größe' '[]{},:' "$(printf 'not\377utf8')"; do
		try 0 mboxctl create "$odd"
		cat "$out" >>"$tmp/boxes"
	done
	until_lines 5
	stop_monitor
	are_json "$tmp/monitor"
	grep -qF '"name":"a\"b"' "$tmp/monitor" || die "$(cat "$tmp/monitor")"
	grep -qF '"name":"back\\slash"' "$tmp/monitor" || die "$(cat "$tmp/monitor")"
	grep -qF '"name":"größe"' "$tmp/monitor" || die "$(cat "$tmp/monitor")"
	grep -qF '"name_base64":"bm90/3V0Zjg="' "$tmp/monitor" || die "$(cat "$tmp/monitor")"
}

# From each line what changes is taken: the time, and pids.
test_lines_for_people_tell_who_did_what()
{
	process sleep 1000
	monitor "$name"
	orphan -c 1 "$name"
	try 0 mboxctl grant "$box" "$process" send,manage
	try 0 mboxctl revoke "$box" "$process" send
	try 0 mboxctl chmod 666 "$box"
	try 0 mboxctl send "$box" 'four'
	until_line full
	try 0 mboxctl recv "$box"
	until_line space
	try 0 mboxctl transfer "$box" "$process"
	kill "$process"
	until_lines 10
	try 0 mboxctl rm "$box"
	until_lines 11
	stop_monitor
	sed -E 's/^([0-9]{2}:){2}[0-9]{2}\.[0-9]{3} /T /; s/\<'"$process"' \(sleep\)/P/g
		s/\<'"$process"'\>/P/g; s/(by|  )[ ]?[0-9]+( \(mboxctl\))?(,| has|$)/\1 Q\3/g
		s/ +/ /g' "$tmp/monitor" | grep -v 'revoked.*manage' >"$tmp/masked"
	id="$box $name"
	cat >"$tmp/expected" <<-TEXT
	T created $id by Q
	T orphaned $id Q has ended
	T granted $id P may send and manage, by Q
	T revoked $id P may no longer send, by Q
	T changed $id rw-rw-rw- of root:root, by Q
	T full $id 1 of 1 messages, 4 of 4096 bytes
	T space $id 0 of 1 messages, 0 of 4096 bytes
	T transferred $id to P, by Q
	T orphaned $id P has ended
	T deleted $id by Q
	TEXT
	cmp "$tmp/expected" "$tmp/masked" || die "$(cat "$tmp/masked" "$tmp/monitor")"
}

test_people_are_told_of_the_user_and_of_the_group()
{
	orphan
	monitor "$box"
	for owner in root:nogroup nobody:root 4711:4712; do
		try 0 mboxctl chown "$owner" "$box"
		until_line "changed .* rw------- of $owner, by"
	done
	stop_monitor
}

test_a_name_does_not_reach_the_terminal_as_it_is()
{
	monitor -e created
	bad=$(printf 'a\302\233b\\c\377')
	try 0 env mboxctl create "$bad"
	cat "$out" >>"$tmp/boxes"
	until_lines 1
	stop_monitor
	is_ascii "$tmp/monitor"
	grep -qF 'a\xc2\x9bb\\c\xff' "$tmp/monitor" || die "$(cat "$tmp/monitor")"
}

test_only_the_chosen_events_are_shown()
{
	monitor --json -e created,deleted -e changed
	orphan
	try 0 mboxctl chmod 644 "$box"
	try 0 mboxctl send "$box" one
	try 0 mboxctl rm "$box"
	until_lines 3
	stop_monitor
	same events 'created changed deleted' "$(told)"
}

test_only_the_chosen_mailboxes_are_shown()
{
	orphan
	first=$box
	orphan
	monitor --json -e created,changed "$name" "00$first" "$name.b"
	try 0 mboxctl chmod 644 "$first" "$box"
	orphan "$name"
	orphan "$name.c"
	orphan "$name.b"
	try 0 mboxctl rm "$name"
	orphan "$name"
	until_lines 4
	stop_monitor
	same events 'changed created created created' "$(told)"
	same "first id" "$first" "$(box_field 1 id)"
	same "last id" "$(field "$name" id)" "$(box_field 4 id)"
	same names "\"$name\" \"$name.b\" \"$name\"" \
		"$(box_field 2 name) $(box_field 3 name) $(box_field 4 name)"
	same lines 4 "$(wc -l <"$tmp/monitor")"
}

test_count_ends_it_with_0()
{
	monitor --json -e created -c 2
	orphan
	orphan
	monitor_ends 0
	same lines 2 "$(wc -l <"$tmp/monitor")"
}

test_list_begins_with_what_is_there()
{
	own -m 620
	monitor --list --json "$name"
	until_lines 1
	same event '"found"' "$(json_field 1 event)"
	same changes '["there"]' "$(json_field 1 changes)"
	same id "$box" "$(box_field 1 id)"
	same pid "$pid" "$(box_field 1 pid)"
	same mode '"0620"' "$(box_field 1 mode)"
	stop_monitor
	are_json "$tmp/monitor"
	monitor -l "$name"
	until_line "found .* $name  *it is there, owned by $pid (sleep), rw--w---- of root:root\$"
	stop_monitor
}

test_others_are_told_of_what_they_may_see()
{
	there=$(listeners)
	su -s /bin/sh nobody -c 'exec mboxctl monitor --json' >"$tmp/monitor" 2>"$tmp/monitor.err" &
	monitor=$!
	echo "$monitor" >>"$tmp/processes"
	until_listeners $((there + 1))
	orphan -m 600 "$name.secret"
	secret=$box
	orphan -m 622 "$name.open"
	open=$box
	try 0 mboxctl chmod 640 "$secret"
	try 0 mboxctl rm "$secret"
	orphan -m 600 "$name.granted"
	try 0 mboxctl grant "$box" "$monitor" send
	try 0 mboxctl revoke "$box" "$monitor" send
	try 0 mboxctl chmod 640 "$box"
	try 0 mboxctl rm "$open"
	until_lines 5
	stop_monitor
	same events "\
$open created
$open orphaned
$box granted
$box revoked
$open deleted" "$(sed -E 's/.*"event":"([a-z]*)".*"mailbox":\{"id":([0-9]*).*/\2 \1/' \
		"$tmp/monitor")"
	if grep -q secret "$tmp/monitor"; then
		die "it was told of $secret"
	fi
}

# Interrupted from the terminal, since what is in the background ignores that.
test_an_interrupted_monitor_ends_with_0()
{
	export LC_ALL=C.UTF-8 TMUX_TMPDIR="$tmp"
	there=$(listeners)
	tmux -f /dev/null new-session -d -x 80 -y 24 \
		"trap : INT; mboxctl monitor; echo \$? >$tmp/code; exec sleep 1000"
	until_listeners $((there + 1))
	tmux send-keys C-c
	for _ in $thousand; do
		[ ! -s "$tmp/code" ] || break
		usleep 10000
	done
	tmux kill-server
	same code 0 "$(cat "$tmp/code")"
	until_listeners "$there"
	monitor
	stop_monitor
	until_listeners "$there"
}

# Two events of each of the mailboxes in $tmp/many, which change nothing in the end
change_all()
{
	mboxctl chmod 666 $(cat "$tmp/many") || die "not changed"
	mboxctl chmod 600 $(cat "$tmp/many") || die "not changed"
}

# Messages that sockets of generic netlink had no room for
drops()
{
	awk '$2 == 16 { sum += $9 } END { print sum + 0 }' /proc/net/netlink
}

# More of them than there is room for; $changes is how many of each mailbox
too_many()
{
	changes=0
	before=$(drops)
	while [ "$(drops)" = "$before" ]; do
		[ "$changes" -lt 1000 ] || die "none is ever lost"
		change_all
		changes=$((changes + 2))
	done
}

many_boxes()
{
	for _ in $(seq 100); do
		mboxctl create || die "not created"
	done >"$tmp/many"
	cat "$tmp/many" >>"$tmp/boxes"
}

# What a program knows that reads the lines: the last of each mailbox
replayed()
{
	awk '
	function value(text, key) {
		if (!match(text, "\"" key "\":(\\[[^]]*\\]|\"[^\"]*\"|[^,}]*)"))
			return "?"
		return substr(text, RSTART, RLENGTH)
	}
	{
		event = value($0, "event")
		if (event == "\"event\":\"lost\"")
			next
		gone = event == "\"event\":\"deleted\"" || $0 ~ /"changes":\[[^]]*"vanished"/
		sub(/.*"mailbox":/, "")
		sub(/,"before":.*/, "")
		id = value($0, "id")
		known[id] = value($0, "pid") value($0, "mode") value($0, "uid") value($0, "gid") \
			value($0, "state") value($0, "offered")
		if (gone)
			delete known[id]
	}
	END { for (id in known) print id, known[id] }' "$1" | sort
}

# The same of a list
listed()
{
	mboxctl ls --json | grep -v '^[][]' | sed 's/,"grants":\[[^]]*\]//' |
		sed 's/^/"event":"there","mailbox":/' >"$tmp/list"
	replayed "$tmp/list"
}

lost_and_found()
{
	many_boxes
	own -m 600
	owned=$box
	orphan "$name.deleted"
	deleted=$box
	orphan -m 600 "$name.changed"
	changed=$box
	process sleep 1000
	orphan "$name.offered"
	offered=$box
	monitor --list "$@"
	until_line deleted
	kill -STOP "$monitor"
	too_many
	try 0 mboxctl rm "$deleted"
	try 0 mboxctl chmod 644 "$changed"
	try 0 mboxctl transfer "$name" "$process"
	try 0 mboxctl offer "$offered" "$process"
	try 0 mboxctl grant "$offered" "$process" send
	orphan "$name.created"
	kill -CONT "$monitor"
	until_line "found.*$name.created"
	until_line "found.*$name.deleted.*gone\|vanished.*$name.deleted"
}

test_lost_events_are_told_of_and_made_up_for()
{
	lost_and_found --json
	try 0 mboxctl chmod 604 "$changed"
	until_line '"event":"changed".*"mode":"0604"'
	cp "$tmp/monitor" "$tmp/seen"
	listed >"$tmp/listed"
	stop_monitor
	are_whole "$tmp/seen"
	same "lines about losses" 1 "$(grep -c '"event":"lost"' "$tmp/seen")"
	sed '1,/"event":"lost"/d' "$tmp/seen" >"$tmp/after"
	found() { grep -c "^{\"event\":\"found\".*\"changes\":$1,\"mailbox\":{\"id\":$2," "$tmp/after"; }
	same appeared 1 "$(found '\["appeared"\]' "$box")"
	same vanished 1 "$(found '\["vanished"\]' "$deleted")"
	same changed 1 "$(found '\["mode"\]' "$changed")"
	same owner 1 "$(found '\["owner"\]' "$owned")"
	same offered 1 "$(found '\["offer","grants"\]' "$offered")"
	grep -q "\"changes\":\[\"mode\"\].*\"mode\":\"0644\".*\"before\":.*\"mode\":\"0600\"" \
		"$tmp/after" || die "$(cat "$tmp/after")"
	replayed "$tmp/seen" >"$tmp/replayed"
	cmp "$tmp/listed" "$tmp/replayed" || {
		diff "$tmp/listed" "$tmp/replayed"
		die "what was told is not what is there"
	}
}

test_lost_events_are_numbered_too()
{
	many_boxes
	monitor --json -e changed
	kill -STOP "$monitor"
	too_many
	kill -CONT "$monitor"
	until_line '"event":"lost"'
	try 0 mboxctl chmod 640 $(cat "$tmp/many")
	last=$(((changes + 1) * 100))
	until_line "\"event\":\"changed\",\"seq\":$last,"
	stop_monitor
	shown=$(grep -c '"event":"changed"' "$tmp/monitor")
	[ "$shown" -lt "$last" ] || die "none was lost"
	numbers=$(sed -n 's/.*"event":"changed","seq":\([0-9]*\),.*/\1/p' "$tmp/monitor")
	same numbers "$(echo "$numbers" | sort -nu)" "$numbers"
	same "last number" "$last" "$(echo "$numbers" | tail -n 1)"
}

test_people_are_told_of_losses_in_words()
{
	lost_and_found
	stop_monitor
	grep -q ' lost  *\(some\|[0-9]*\) events; what is different now is found by looking$' \
		"$tmp/monitor" || die "$(cat "$tmp/monitor")"
	sed '1,/ lost /d' "$tmp/monitor" >"$tmp/after"
	for text in "$name.created  *it has appeared, no process owns it, rw------- of root:root" \
		"$name.deleted  *it is gone, or cannot be seen any more" \
		"$name.changed  *rw-r--r-- of root:root" \
		"$name  *owned by $process (sleep)" \
		"$name.offered  *offered to $process (sleep), grants to 1 processes, not 0"; do
		grep -q " found  *[0-9]*  $text\$" "$tmp/after" || die "no $text: $(cat "$tmp/after")"
	done
}

test_differences_are_shown_as_the_events_would_have_been()
{
	lost_and_found --json -e created,deleted,transferred
	stop_monitor
	same lines 'appeared owner vanished' "$(sed '1,/"event":"lost"/d' "$tmp/monitor" |
		sed -nE 's/.*"changes":\["([^]]*)"\].*/\1/p' | sort | xargs)"
}

# The pipe is opened for reading, and nobody reads.
monitor_into_pipe()
{
	many_boxes
	mkfifo "$tmp/pipe"
	exec 8<>"$tmp/pipe"
	there=$(listeners)
	mboxctl monitor --json >"$tmp/pipe" 2>"$tmp/monitor.err" &
	monitor=$!
	echo "$monitor" >>"$tmp/processes"
	until_listeners $((there + 1))
}

test_a_reader_who_does_not_read_makes_nothing_grow()
{
	monitor_into_pipe
	change_all
	change_all
	resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$monitor/status")
	too_many
	after=$(awk '/^VmRSS/ { print $2 }' "/proc/$monitor/status")
	[ $((after - resident)) -lt 500 ] || die "it had $resident KiB, and has $after"

	# Nor does it stay when it is told to end.
	kill -TERM "$monitor"
	monitor_ends 0
}

test_what_a_slow_reader_gets_are_whole_lines_and_the_loss()
{
	monitor_into_pipe
	too_many
	cat <&8 >"$tmp/monitor" &
	echo "$!" >>"$tmp/processes"
	until_line '"event":"lost"'
	orphan "$name"
	until_line "\"created\".*\"$name\""
	kill -TERM "$monitor"
	monitor_ends 0
	are_whole "$tmp/monitor"
}

test_monitor_ends_when_its_reader_has_gone()
{
	mkfifo "$tmp/pipe"
	there=$(listeners)
	mboxctl monitor >"$tmp/pipe" 2>"$tmp/monitor.err" &
	monitor=$!
	echo "$monitor" >>"$tmp/processes"
	exec 8<"$tmp/pipe"
	until_listeners $((there + 1))
	exec 8<&-
	monitor_ends 141
	same output '' "$(cat "$tmp/monitor.err")"
}

test_whoever_ignores_broken_pipes_is_told()
{
	mkfifo "$tmp/pipe"
	there=$(listeners)
	(trap '' PIPE && exec mboxctl monitor) >"$tmp/pipe" 2>"$tmp/monitor.err" &
	monitor=$!
	echo "$monitor" >>"$tmp/processes"
	exec 8<"$tmp/pipe"
	until_listeners $((there + 1))
	exec 8<&-
	monitor_ends 1
	same output 'mboxctl: monitor: standard output: Broken pipe' "$(cat "$tmp/monitor.err")"
}

test_more_listeners_than_allowed_are_refused()
{
	limited user_listeners 0 try 1 as_nobody monitor
	said "a quota of its user is used up"
	limited ns_listeners 0 try 1 as_nobody monitor
	said "a quota of the network namespace is used up"
}

test_it_says_that_the_module_has_gone()
{
	rest=$(mboxctl ls --json | sed -nE 's/.*"id":([0-9]+).*/\1/p')
	[ -z "$rest" ] || mboxctl rm $rest
	monitor
	for _ in $thousand; do
		rmmod mbox 2>/dev/null && break
		usleep 10000
	done
	wait "$monitor"
	code=$?
	try 1 mboxctl monitor
	insmod /mbox.ko || die "the module is gone for good"
	same "exit code" 1 "$code"
	same output 'mboxctl: monitor: events: the module has gone' "$(cat "$tmp/monitor.err")"
	said "is the module loaded?"
}

test_wrong_arguments_are_refused()
{
	for arguments in '-c 0' '-c x' '-e nothing' '-e' '-e created,' '-x' '12x' "''"; do
		eval "try 2 mboxctl monitor $arguments"
		said "Usage: mboxctl monitor"
	done
	try 2 mboxctl monitor "$(head -c 64 /dev/zero | tr '\0' x)"
	said "neither a name nor an id"
}

run_tests "$@"
