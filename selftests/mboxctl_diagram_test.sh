#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mboxctl diagram, from outside: what it draws of recordings, and what it records.
# Needs root, the module and tracefs. Prints KTAP; with -t NAME, of that one test only.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, other shells expand what is in single quotes, and functions of
# mboxctl.sh call the tests and set variables for them.
# shellcheck disable=SC1091,SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086,SC2154,SC2317

. "$(dirname "$0")/mboxctl.sh"

tracing=/sys/kernel/tracing
export LC_ALL=C

# Lines of a recording, as the kernel has them: task, time, event.
line()
{
	printf '%16s-%-7d [%03d] ..... %5d.%06d: %s\n' "$1" "$2" 1 7 "$3" "$4"
}

# happens TASK PID "EVENT FIELDS": a line for $tmp/rec, each later than the one before
happens()
{
	clock=$((clock + 1))
	line "$1" "$2" "$clock" "$3" >>"$tmp/rec"
}

sent()
{
	happens "$1" "$2" "mbox_send: net=9 id=$5 seq=$6 from=$3 pid=$2 stamp=$4 len=2 prio=0 tag=0 token=${7:-0}"
}

# received TASK PID WHO STAMP ID SEQ FROM SENT [TOKEN]
received()
{
	happens "$1" "$2" "mbox_recv: net=9 id=$5 seq=$6 from=$7 sent=$8 by=$3 pid=$2 stamp=$4 len=2 token=${9:-0} waited=5"
}

# Two messages of ann to bob by two ways, and one of bob that nobody receives
write_small()
{
	echo "# mailbox 9 3 jobs" >"$tmp/rec"
	sent ann 301 11 1 3 1
	sent ann 301 11 2 4 1
	received bob 302 12 2 3 1 11 1
	received bob 302 12 3 4 1 11 2
	sent bob 302 12 4 3 2
}

# Everything there is: a call whose request is handed on, a look, a receive that fails,
# a synchronous sender, messages that are dropped
write_large()
{
	echo "# mailbox 9 3 jobs" >"$tmp/rec"
	sent ann 301 11 1 3 1 77
	happens bob 302 "mbox_look: net=9 id=3 seq=1 from=11 sent=1 by=12 pid=302 stamp=2"
	received bob 302 12 3 3 1 11 1 77
	happens bob 302 "mbox_return: net=9 id=3 seq=1"
	received bob 302 12 4 3 1 11 1 77
	happens bob 302 "mbox_tick: who=12 pid=302 stamp=5"
	happens bob 302 "mbox_pass: token=77 from=12 stamp=6 to=13 pid=303 later=7"
	happens eve 303 "mbox_reply: net=9 id=3 token=77 who=13 pid=303 stamp=8 len=2"
	happens ann 301 "mbox_replied: net=9 id=3 token=77 who=11 pid=301 stamp=9"
	sent eve 303 13 9 3 2
	received bob 302 12 10 3 2 13 9
	happens eve 303 "mbox_receipt: net=9 id=3 seq=2 who=13 pid=303 stamp=11"
	sent ann 301 11 10 3 3
	happens ann 301 "mbox_drop: net=9 id=3 seq=3 reason=-110"
	received bob 302 12 11 3 4 14 5
}

draw()
{
	try 0 mboxctl diagram --read "$tmp/rec" "$@"
}

# arrows FILE: a line for each in a picture: kind, mailbox, number, ends with stamps
arrows()
{
	sed -n 's/^<g class="arrow \([^"]*\)"\([^>]*\)>.*/\1 \2/p' "$1" |
		sed -E 's/data-(id|seq|from|sent|to|stamp|token|reason)="([^"]*)"/\1=\2/g
			s/ data-mailbox="[^"]*"//; s/ +/ /g' | sort
}

# events FILE: likewise: kind, process, stamp
events()
{
	sed -n 's/^<g class="event \([a-z]*\)" data-process="\(P[0-9]*\)" .*data-stamp="\([0-9]*\)".*/\1 \2 \3/p' "$1"
}

# in_order FILE: arrows and lines of processes go to the right
in_order()
{
	sed -n 's/^<g class="arrow .*<path class="path" d="M\([0-9.]*\),[0-9.]* Q[^ ]* \([0-9.]*\),.*/\1 \2/p' \
		"$1" >"$tmp/ends"
	same "arrows with ends" "$(arrows "$1" | wc -l)" "$(wc -l <"$tmp/ends")"
	awk '$1 >= $2 { exit 1 }' "$tmp/ends" || die "an arrow goes back: $(cat "$tmp/ends")"
	sed -n 's/^<g class="event .* data-process="\(P[0-9]*\)" .*data-stamp="\([0-9]*\)".*\(cx="\|class="dot" d="M\)\([0-9.]*\).*/\1 \2 \4/p' \
		"$1" | sort -k 1,1 -k 2,2n >"$tmp/places"
	same "events with places" "$(events "$1" | wc -l)" "$(wc -l <"$tmp/places")"
	awk '$1 == process && $3 <= x { exit 1 } { process = $1; x = $3 }' "$tmp/places" ||
		die "a process goes back: $(cat "$tmp/places")"
}

is_picture()
{
	grep -q '^<svg xmlns="http://www.w3.org/2000/svg" .*viewBox="0 0 ' "$1" ||
		die "$1 is no picture: $(head -n 3 "$1")"
	same "last line of the picture" '</svg>' "$(tail -n 1 "$1")"
	# Each element that is begun is ended: those that end themselves go first.
	sed 's/<[^>]*\/>//g' "$1" | grep -o '<[a-z]*[ >]' | tr -d '< >' | sort >"$tmp/begun"
	grep -o '</[a-z]*>' "$1" | tr -d '</>' | sort >"$tmp/ended"
	cmp "$tmp/begun" "$tmp/ended" || die "what is begun is not what is ended"
}

nothing_left()
{
	same "instances left" '' "$(ls "$tracing/instances")"
}

# diagram CODE ARGUMENT...: in the background, recording from now on; then `finish`
diagram()
{
	code=$1
	shift
	background "$code" mboxctl diagram "$@"
	for _ in $thousand; do
		! grep -q '^mboxctl: diagram: recording$' "$tmp/late.err" || return 0
		usleep 10000
	done
	die "it never recorded: $(cat "$tmp/late.err")"
}

stop()
{
	kill -TERM "$pid"
	finish
	nothing_left
}

# json KEY: a number of the last output
json()
{
	sed -n "s/.*\"$1\":\([0-9]*\)[,}].*/\1/p" "$out"
}

test_text_has_a_line_an_event()
{
	write_small
	draw
	cat >"$tmp/expected" <<-'END'
		P1  ann, process 301, participant 11
		P2  bob, process 302, participant 12

		    P1                    P2
		  1 *---.                 |
		  2 *---+-.               |
		    |   '-+-- jobs #1 --->* 2
		    |     '---- 4 #1 ---->* 3
		    |                   4 *--o  jobs #2

		*-->  message
		*--o  not received
		3     Lamport stamp
	END
	cmp "$tmp/expected" "$out" || die "$(cat "$out")"
}

test_a_picture_has_each_event_and_each_arrow()
{
	write_small
	draw -o "$tmp/x.svg"
	printed ''
	is_picture "$tmp/x.svg"
	events "$tmp/x.svg" >"$tmp/events"
	printf '%s\n' 'send P1 1' 'send P1 2' 'receive P2 2' 'receive P2 3' 'send P2 4' |
		cmp - "$tmp/events" || die "$(cat "$tmp/events")"
	arrows "$tmp/x.svg" >"$tmp/arrows"
	printf '%s\n' 'message id=3 seq=1 from=P1 sent=1 to=P2 stamp=2' \
		'message id=4 seq=1 from=P1 sent=2 to=P2 stamp=3' \
		'message open id=3 seq=2 from=P2 sent=4' |
		cmp - "$tmp/arrows" || die "$(cat "$tmp/arrows")"
	same "names of processes" 'ann bob' \
		"$(sed -n 's/.*class="process".*data-name="\([^"]*\)".*/\1/p' "$tmp/x.svg" | xargs)"
}

test_calls_and_all_else_that_happens_to_a_message_are_drawn()
{
	write_large
	draw -o "$tmp/x.svg"
	is_picture "$tmp/x.svg"
	events "$tmp/x.svg" | sort >"$tmp/events"
	printf '%s\n' 'look P2 2' 'pass P2 6' 'passed P3 7' 'receipt P3 11' 'receive P2 10' \
		'receive P2 11' 'receive P2 4' 'replied P1 9' 'reply P3 8' 'send P1 1' \
		'send P1 10' 'send P3 9' 'tick P2 5' 'void P2 3' |
		cmp - "$tmp/events" || die "$(cat "$tmp/events")"
	arrows "$tmp/x.svg" >"$tmp/arrows"
	sort >"$tmp/expected" <<-END
		message dropped id=3 seq=3 from=P1 sent=10 reason=expired
		message from-before id=3 seq=4 to=P2 stamp=11
		message id=3 seq=1 token=77 from=P1 sent=1 to=P2 stamp=4
		message id=3 seq=2 from=P3 sent=9 to=P2 stamp=10
		receipt id=3 seq=2 from=P2 sent=10 to=P3 stamp=11
		reply id=3 seq=1 token=77 from=P3 sent=8 to=P1 stamp=9
		token id=3 seq=1 token=77 from=P2 sent=6 to=P3 stamp=7
		void id=3 seq=1 token=77 from=P1 sent=1 to=P2 stamp=3
	END
	cmp "$tmp/expected" "$tmp/arrows" || die "$(cat "$tmp/arrows")"
	draw
	for row in 'look #1' 'pass #1' '#3: expired' 'told that it was received' \
		'request handed on' 'receive that failed' 'sent before' 'local event'; do
		grep -qF -- "$row" "$out" || die "no $row: $(cat "$out")"
	done
}

test_nothing_goes_back_in_time()
{
	write_large
	draw --svg
	same arrows 8 "$(arrows "$out" | wc -l)"
	in_order "$out"
	# To oneself, too.
	write_small
	sent bob 302 12 5 3 3
	received bob 302 12 6 3 3 12 5
	draw --svg
	in_order "$out"
}

test_events_are_put_in_order_where_the_trace_is_not()
{
	write_large
	# All but what a message that failed came to is said by stamps.
	grep -v 'mbox_return\|seq=1 .*stamp=3 ' "$tmp/rec" >"$tmp/forward"
	cp "$tmp/forward" "$tmp/rec"
	draw --svg
	arrows "$out" >"$tmp/arrows"
	sed -n '1!G;h;$p' "$tmp/forward" >"$tmp/rec"
	draw --svg
	arrows "$out" | cmp - "$tmp/arrows" || die "$(arrows "$out")"
	in_order "$out"
}

test_what_is_drawn_twice_is_the_same()
{
	write_large
	for form in --text --svg; do
		draw "$form"
		cp "$out" "$tmp/first"
		draw "$form"
		cmp "$tmp/first" "$out" || die "$form"
	done
	draw -o "$tmp/x.svg"
	cmp "$tmp/first" "$tmp/x.svg" || die "-o is not --svg"
	mboxctl diagram --read - --svg <"$tmp/rec" >"$tmp/x.svg" || die "standard input"
	cmp "$tmp/first" "$tmp/x.svg" || die "standard input is another"
}

test_pids_and_boxes_choose_messages()
{
	write_large
	sent zoe 304 15 1 8 1
	received bob 302 12 12 8 1 15 1
	draw --svg 8
	same arrows 'message id=8 seq=1 from=P2 sent=1 to=P1 stamp=12' "$(arrows "$out")"
	draw --svg jobs
	same "arrows of jobs" 8 "$(arrows "$out" | wc -l)"
	draw --svg jobs 8
	same "arrows of both" 9 "$(arrows "$out" | wc -l)"
	draw --svg --pid 304
	same arrows 'message id=8 seq=1 from=P2 sent=1 to=P1 stamp=12' "$(arrows "$out")"
	draw --svg --pid 303
	same "arrows of 303" 6 "$(arrows "$out" | wc -l)"
	draw --svg --pid 304 --pid 303
	same "arrows of both" 7 "$(arrows "$out" | wc -l)"
	draw --svg --pid 304 jobs
	said "there were no messages"
	is_picture "$out"
	draw nowhere
	said "there were no messages"
	draw --svg -c 2
	same "receives" 2 "$(events "$out" | grep -c '^\(receive\|void\) ')"
}

test_network_namespaces_are_told_apart()
{
	write_small
	happens zoe 304 "mbox_send: net=8 id=3 seq=2 from=15 pid=304 stamp=1 token=0"
	received ann 301 11 5 3 2 12 4
	draw --svg
	arrows "$out" >"$tmp/arrows"
	printf '%s\n' 'message id=3 seq=1 from=P1 sent=1 to=P2 stamp=2' \
		'message id=3 seq=2 from=P2 sent=4 to=P1 stamp=5' \
		'message id=4 seq=1 from=P1 sent=2 to=P2 stamp=3' \
		'message open id=3 seq=2 from=P3 sent=1' |
		cmp - "$tmp/arrows" || die "$(cat "$tmp/arrows")"
	# Of what is of another one or nobody knows what, the kernel tells this much.
	happens yan 305 "mbox_pass: token=5 from=16 stamp=1 to=17 pid=306 later=2"
	happens yan 305 "mbox_tick: who=16 pid=305 stamp=2"
	draw --svg
	arrows "$out" | cmp - "$tmp/arrows" || die "$(arrows "$out")"
	same processes 3 "$(grep -c 'class="process"' "$out")"
}

test_width_is_that_of_the_terminal()
{
	write_large
	COLUMNS=200 draw
	cp "$out" "$tmp/wide"
	COLUMNS=40 draw
	cmp -s "$tmp/wide" "$out" && die "it is the same"
	same "events" "$(grep -c '^ .*|' "$tmp/wide")" "$(grep -c '^ .*|' "$out")"
	: >"$tmp/rec"
	for i in $(seq 30); do
		sent many "$((400 + i))" "$((20 + i))" 1 "$i" 1
		received one 302 12 $((i + 1)) "$i" 1 $((20 + i)) 1
	done
	draw
	same "events" 60 "$(grep -c '^ .*[*]' "$out")"
	draw --svg
	is_picture "$out"
}

test_lines_of_other_tools_are_read()
{
	cat >"$tmp/rec" <<-'END'
		cpus=2
		             ann-301   [001] d..1.    12.000001: sched_switch:         prev_comm=ann
		             ann-301   [001]    12.000001: mbox_send:            net=9 id=3 seq=1 from=11 pid=301 stamp=1 len=2 prio=0 tag=0 token=0
		bob 302 [000]    12.000003: mbox:mbox_recv: net=9 id=3 seq=1 from=11 sent=1 by=12 pid=302 stamp=2 len=2 token=0 waited=7
		           eve-303     (    303) [000] .....    12.000004: mbox_tick: who=13 pid=303 stamp=1
		           eve-303     (    303) [000] .....    12.000005: mbox_command: name=send result=0
		12.000006: mbox_send: stamp=2 pid=303 from=13 net=9 id=3 new=x seq=2 token=0
	END
	draw --svg
	arrows "$out" >"$tmp/arrows"
	printf '%s\n' 'message id=3 seq=1 from=P1 sent=1 to=P2 stamp=2' \
		'message open id=3 seq=2 from=P3 sent=2' | cmp - "$tmp/arrows" || die "$(cat "$out")"
	draw
	grep -q '^P3  eve, process 303, participant 13$' "$out" || die "$(cat "$out")"
	grep -q '^P2  process 302, participant 12$' "$out" || die "$(cat "$out")"
}

test_lost_events_are_told()
{
	for lost in 'CPU:1 [LOST 17 EVENTS]' 'CPU:0 [3 EVENTS DROPPED]'; do
		write_small
		draw
		! grep -q lost "$out" || die "nothing was lost"
		echo "$lost" >>"$tmp/rec"
		draw
		said "The kernel has lost events"
		grep -q "The kernel has lost events" "$out" || die "$(cat "$out")"
		draw --svg
		is_picture "$out"
		grep -q "The kernel has lost events" "$out" || die "$(cat "$out")"
	done
	# A process may be called so.
	write_small
	happens '[LOST 1 EVENTS]' 301 "mbox_tick: who=11 pid=301 stamp=7"
	draw
	! grep -q 'has lost' "$out" || die "nothing was lost"
}

test_what_the_kernel_loses_meanwhile_is_told()
{
	new -c unbounded
	seq 1000 >"$tmp/numbers"
	diagram 0 "$box"
	echo 4 >"$tracing/instances/mboxctl.$pid/buffer_size_kb"
	kill -STOP "$pid"
	mboxctl send -l "$box" <"$tmp/numbers" || die "not sent"
	kill -CONT "$pid"
	stop
	said "The kernel has lost events"
	grep -q "The kernel has lost events" "$out" || die "$(tail "$out")"
}

test_damaged_lines_are_errors_with_their_number()
{
	while read -r damaged; do
		write_small
		happens ann 301 "$damaged"
		try 1 mboxctl diagram --read "$tmp/rec"
		said "$tmp/rec: line 7: "
		printed ''
	done <<-END
		mbox_send: net=9 id=3 seq=5 from=11 pid=301 stamp=7 len=2
		mbox_send: net=9 id=3 seq=5 from=11 pid=301 stamp= token=0
		mbox_send: net=9 id=3 seq=5 from=11 pid=301 stamp=7x token=0
		mbox_send: net=9 id=3 seq=5 from=11 pid=301 stamp=99999999999999999999 token=0
		mbox_send: net=9 id=3 seq=5 from=11 pid=99999999999 stamp=7 token=0
		mbox_tick: who=11 pid=301
		mbox_return: net=9 id=3
		mbox_pass: token=1 from=11 stamp=7 to=12 pid=302
		mbox_recv: net=9
	END
	write_small
	received bob 302 12 5 3 2 12 4
	received ann 301 11 2 3 2 12 4
	sent ann 301 11 9 5 1
	received bob 302 12 9 5 1 11 9
	try 1 mboxctl diagram --read "$tmp/rec"
	said "line 8: " "its stamp is not larger"
}

test_garbage_is_passed_over()
{
	head -c 300000 /dev/urandom >"$tmp/rec"
	draw
	said "there were no messages"
	draw --svg
	is_picture "$out"
	head -c 3000000 /dev/zero >"$tmp/rec"
	printf '\n' >>"$tmp/rec"
	write_small >/dev/null
	cp "$tmp/rec" "$tmp/small"
	{
		head -c 3000000 /dev/zero | tr '\0' x
		echo
		cat "$tmp/small"
		head -c 10000 /dev/urandom | tr -d '#:'
		printf '\nunknown\n# unknown\n#\n\n# process twelve 3 x\n# process 11\n# program x\n'
	} >"$tmp/rec"
	draw --svg
	same arrows 3 "$(arrows "$out" | wc -l)"
	: >"$tmp/rec"
	draw
	said "there were no messages"
}

test_what_nobody_could_read_is_cut()
{
	awk 'BEGIN {
		for (i = 1; i <= 30000; i++)
			printf "a-1 [000] 1.0: mbox_tick: who=%d pid=%d stamp=%d\n", i % 9, i, i
	}' >"$tmp/rec"
	draw --pid 1
	said "too many events"
	awk 'BEGIN {
		for (i = 1; i <= 3000; i++)
			printf "a-1 [000] 1.0: mbox_send: net=1 id=1 seq=%d from=%d pid=%d stamp=1 token=0\n", i, i, i
	}' >"$tmp/rec"
	draw
	said "too many events"
	draw --svg
	is_picture "$out"
}

# Names of processes are bytes of their choice.
test_hostile_names_are_harmless()
{
	escape=$(printf '\033')
	hostile="<script>&\"' ${escape}[31m"
	printf '# process 11 301 %s\n# process 12 302 a\\x0ab\\x00\\x9b\\xff\\x5c]]>\n' \
		"$hostile" >"$tmp/names"
	printf '# mailbox 9 3 --><b>"%s\342\200\256\n' "$escape" >>"$tmp/names"
	write_small
	cat "$tmp/rec" "$tmp/names" >"$tmp/both"
	mv "$tmp/both" "$tmp/rec"
	happens '12.0: mbox_tick' 301 "mbox_tick: who=11 pid=301 stamp=9"
	sent '1.2:mbox_tick: ' 301 11 10 3 3
	happens "$(printf '\n# process 11')" 301 "mbox_tick: who=11 pid=301 stamp=11"
	printf '# process 11 301 %s\n' "$hostile" >>"$tmp/rec"
	draw
	is_ascii "$out"
	grep -qF '<script>&"'"' \\x1b[31m" "$out" || die "$(cat "$out")"
	draw --svg
	is_ascii "$out"
	is_picture "$out"
	! grep -q '<script\|<b>\|-->' "$out" || die "$(cat "$out")"
	grep -qF '&#60;script&#62;&#38;&#34;&#39; \x1b[31m' "$out" || die "$(cat "$out")"
	events "$out" >"$tmp/events"
	for event in 'tick P1 9' 'send P1 10' 'tick P1 11'; do
		grep -qx "$event" "$tmp/events" || die "no $event: $(cat "$tmp/events")"
	done
}

test_wrong_usage_is_told()
{
	write_small
	while read -r arguments; do
		eval "try 2 mboxctl diagram $arguments"
		said "Usage: mboxctl diagram "
		printed ''
	done <<-END
		-c 0
		-c x
		-d soon
		--pid 0
		--pid init
		--text --svg
		--read $tmp/rec -d 1
		--read $tmp/rec --record $tmp/x
		--read $tmp/rec -- true
		--
		--what
	END
	nothing_left
}

test_files_that_cannot_be_used_are_told()
{
	try 1 mboxctl diagram --read "$tmp/none"
	said "$tmp/none: No such file"
	try 1 mboxctl diagram --read "$tmp"
	said "$tmp: Is a directory"
	write_small
	try 1 mboxctl diagram --read "$tmp/rec" -o "$tmp/none/x.svg"
	said "$tmp/none/x.svg"
	try 1 mboxctl diagram --read "$tmp/rec" -o /dev/full
	said "/dev/full: No space left"
	mboxctl diagram --read "$tmp/rec" >/dev/full 2>"$err"
	same "exit code" 1 $?
	said "standard output"
	try 1 mboxctl diagram --record /dev/full -- mboxctl ls
	said "/dev/full"
	try 1 mboxctl diagram -o "$tmp/none/x" -- touch "$tmp/ran"
	[ ! -e "$tmp/ran" ] || die "the program was run"
	nothing_left
	# An input that is the output, too, has been read before.
	draw -o "$tmp/rec"
	grep -q '^P1  ann' "$tmp/rec" || die "$(cat "$tmp/rec")"
	# What is drawn over has nothing of what was there.
	head -c 100000 /dev/zero >"$tmp/x.svg"
	write_small
	draw -o "$tmp/x.svg"
	is_picture "$tmp/x.svg"
}

test_recording_takes_root()
{
	try 1 as_nobody diagram -d 1
	said "recording takes root"
	try 1 as_nobody diagram -- true
	said "recording takes root"
	nothing_left
	write_small
	chmod 755 "$all" "$tmp"
	su -s /bin/sh nobody -c "exec mboxctl diagram --read $tmp/rec" >"$out" ||
		die "reading takes root"
}

test_what_is_missing_is_told()
{
	try 1 unshare -m sh -c 'umount -l /sys/kernel/debug
		umount -l /sys/kernel/tracing && exec mboxctl diagram -d 0'
	said "tracefs is not mounted"
	mkdir "$tmp/empty"
	try 1 unshare -m sh -c 'umount -l /sys/kernel/debug
		mount --bind "$1" /sys/kernel/tracing && exec mboxctl diagram -d 0' sh "$tmp/empty"
	said "tracefs is not mounted"
	mkdir "$tmp/empty/events"
	try 1 unshare -m sh -c 'mount --bind "$1" /sys/kernel/tracing &&
		exec mboxctl diagram -d 0' sh "$tmp/empty"
	said "the module mbox is not loaded"
}

# What mboxctl itself tells of its messages is the other side of what is drawn.
test_what_is_recorded_is_what_was_done()
{
	new "$name"
	diagram 0 --record "$tmp/rec" -o "$tmp/x.svg"
	: >"$tmp/done"
	for i in 1 2 3; do
		try 0 mboxctl send "$name" "$i"
		try 0 mboxctl recv --json "$name"
		echo "message id=$box seq=$(json seq) sent=$(json stamp) stamp=$(json clock)" \
			>>"$tmp/done"
	done
	try 0 mboxctl send "$name" 4
	stop
	printed ''
	arrows "$tmp/x.svg" | sed 's/ \(from\|to\)=P[0-9]*//g' | sort >"$tmp/arrows"
	echo "message open id=$box seq=4 sent=1" >>"$tmp/done"
	sort -o "$tmp/done" "$tmp/done"
	cmp "$tmp/done" "$tmp/arrows" || die "$(cat "$tmp/done" "$tmp/arrows")"
	same processes 7 "$(grep -c 'class="process"' "$tmp/x.svg")"
	grep -q "^# mailbox [0-9]* $box $name\$" "$tmp/rec" || die "$(cat "$tmp/rec")"
	draw -o "$tmp/again.svg"
	cmp "$tmp/x.svg" "$tmp/again.svg" || die "the recording gives another diagram"
}

test_calls_receipts_and_drops_are_recorded()
{
	new --rendezvous
	desk=$box
	new
	diagram 0 --record "$tmp/rec" --svg
	mboxctl serve -c 1 "$box" -- cat &
	server=$!
	try 0 mboxctl call "$box" x
	wait "$server"
	mboxctl send --sync "$desk" y >"$tmp/receiver" &
	sender=$!
	try 0 mboxctl recv --json "$desk"
	clock=$(json clock)
	wait "$sender"
	try 0 mboxctl send --expires 2 "$box" z
	until_shows "$box" expired 1
	try 3 mboxctl recv -n "$box"
	try 0 mboxctl send "$box" again
	try 0 mboxctl recv --peek "$box"
	try 4 mboxctl send -t 0.1 "$desk" nobody
	try 0 mboxctl rm "$box"
	stop
	is_picture "$out"
	arrows "$out" | sed 's/ \(from\|to\)=P[0-9]*//g; s/token=[0-9]*/token=T/' >"$tmp/arrows"
	for arrow in "message id=$box seq=1 token=T sent=1 stamp=2" \
		"reply id=$box seq=1 token=T sent=3 stamp=4" \
		"message id=$desk seq=1 sent=1 stamp=$clock" \
		"receipt id=$desk seq=1 sent=$clock stamp=$((clock + 1))" \
		"message dropped id=$box seq=2 sent=1 reason=expired" \
		"message dropped id=$box seq=3 sent=1 reason=mailbox gone" \
		"message dropped id=$desk seq=2 sent=1 reason=withdrawn"; do
		grep -qxF "$arrow" "$tmp/arrows" || die "no $arrow: $(cat "$tmp/arrows" "$tmp/rec")"
	done
	same arrows 7 "$(wc -l <"$tmp/arrows")"
	same looks 1 "$(events "$out" | grep -c '^look ')"
	cp "$out" "$tmp/live"
	draw --svg
	cmp "$tmp/live" "$out" || die "the recording gives another diagram"
}

test_direct_messages_are_messages_between_processes()
{
	process sleep 1000
	diagram 0 --svg
	mboxctl send --pid "$process" x || die "not sent"
	mboxctl recv --inbox -t 30 >"$tmp/got" 2>"$tmp/inbox.err" &
	receiver=$!
	mboxctl send --pid "$receiver" y || die "not sent"
	wait "$receiver" || die "not received"
	stop
	grep -q '^<g class="arrow message"' "$out" || die "$(cat "$out")"
	grep -q '^<g class="arrow message open"' "$out" || die "$(cat "$out")"
	# The other inbox may be gone before anybody asks what it is.
	grep -q "<title>message #1 of inbox [0-9]*: not received</title>" "$out" || die "$(cat "$out")"
}

# What others do meanwhile is not of the program.
test_a_program_is_recorded_with_its_descendants_alone()
{
	new "$name"
	new "$name.other"
	try 0 mboxctl send "$name.other" before
	try 0 mboxctl diagram --record "$tmp/rec" --svg -- sh -c '
		(mboxctl send "$1" x; mboxctl send "$1" y)
		su -s /bin/sh root -c "mboxctl recv $1"
		mboxctl recv "$1.other"' sh "$name"
	grep -q '^xbefore<svg' "$out" || die "$(head -n 2 "$out")"
	sed -i 's/^xbefore//' "$out"
	arrows "$out" | sed 's/ id=[0-9]*//; s/=P[0-9]*/=P/g' | sort >"$tmp/arrows"
	sort >"$tmp/expected" <<-END
		message seq=1 from=P sent=1 to=P stamp=2
		message open seq=2 from=P sent=1
		message from-before seq=1 to=P stamp=2
	END
	cmp "$tmp/expected" "$tmp/arrows" || die "$(cat "$tmp/arrows" "$tmp/rec")"
	cp "$out" "$tmp/live"
	draw --svg
	cmp "$tmp/live" "$out" || die "the recording gives another diagram"
	nothing_left
	(
		usleep 300000
		mboxctl send "$name.other" other
		mboxctl recv "$name.other"
	) >/dev/null &
	try 0 mboxctl diagram -- sh -c 'mboxctl send "$1" z; sleep 1; mboxctl recv "$1"' sh "$name"
	wait $!
	! grep -q other "$out" || die "$(cat "$out")"
}

test_the_exit_status_is_that_of_the_program()
{
	for code in 0 1 7 200; do
		try "$code" mboxctl diagram -- sh -c "exit $code"
		said "there were no messages"
	done
	try 137 mboxctl diagram -- sh -c 'kill -KILL $$'
	try 127 mboxctl diagram -- "$tmp/none"
	said "there is no such program"
	printed ''
	: >"$tmp/program"
	try 126 mboxctl diagram -- "$tmp/program"
	# Of the two, that of the program counts.
	try 3 mboxctl diagram -o /dev/full -- sh -c 'exit 3'
	try 1 mboxctl diagram -o /dev/full -- true
	nothing_left
}

test_a_program_has_the_descriptors_and_signals_of_others()
{
	try 0 mboxctl diagram -o "$tmp/x" -- sh -c 'ls /proc/self/fd | wc -l
		grep ^SigBlk /proc/self/status'
	printf '4\nSigBlk:\t0000000000000000\n' | cmp - "$out" || die "$(cat "$out")"
	try 141 mboxctl diagram -- sh -c 'kill -PIPE $$'
}

# The other shell catches it all the same.
test_whoever_ignores_its_children_is_told_of_the_program()
{
	try 7 timeout -s KILL 20 bash -c 'trap "" CHLD; exec mboxctl diagram -- sh -c "exit 7"'
	said "there were no messages"
	nothing_left
}

test_recording_ends_after_its_time()
{
	begin=$(centiseconds)
	try 0 mboxctl diagram -d 0.3
	[ $(($(centiseconds) - begin)) -ge 30 ] || die "it was too short"
	said "mboxctl: diagram: recording" "there were no messages"
	nothing_left
	# A program goes on.
	new
	try 0 mboxctl diagram -d 2 -- sh -c 'mboxctl send "$0" x
		while grep -q 1 "$2"/instances/*/tracing_on; do usleep 20000; done
		mboxctl recv "$0" >"$1"' "$box" "$tmp/got" "$tracing"
	same got x "$(cat "$tmp/got")"
	grep -q '\*--o' "$out" || die "$(cat "$out")"
}

test_recording_ends_after_as_many_messages_as_it_was_told()
{
	new "$name"
	diagram 0 -c 2 --svg "$name"
	for i in 1 2 3; do
		try 0 mboxctl send "$name" "$i"
	done
	for i in 1 2; do
		kill -0 "$pid" || die "it ended too early"
		try 0 mboxctl recv "$name"
	done
	finish
	nothing_left
	same receives 2 "$(events "$out" | grep -c receive)"
	same arrows 3 "$(arrows "$out" | wc -l)"
	# Others do not count.
	diagram 0 -c 1 "$box"
	new
	try 0 mboxctl send "$box" x
	try 0 mboxctl recv "$box"
	usleep 300000
	kill -0 "$pid" || die "it counted another mailbox"
	try 0 mboxctl recv "$name"
	finish
}

# What happens first to the mailbox is what counts.
test_a_receive_of_what_was_sent_before_counts()
{
	new "$name"
	try 0 mboxctl send "$name" x
	diagram 0 -c 1 --record "$tmp/rec" --svg "$name"
	try 0 mboxctl recv "$name"
	finish
	grep -q 'class="arrow message from-before"' "$out" || die "$(cat "$out")"
	cp "$out" "$tmp/live"
	draw -c 1 --svg "$name"
	cmp "$tmp/live" "$out" || die "the recording gives another diagram"
}

test_signals_end_it_and_the_diagram_is_drawn()
{
	new
	interrupted mboxctl diagram
	said "there were no messages"
	nothing_left
	for signal in TERM HUP; do
		diagram 0
		try 0 mboxctl send "$box" x
		kill -"$signal" "$pid"
		finish
		nothing_left
		grep -q '\*--o' "$out" || die "$signal: $(cat "$out")"
	done
	for signal in TERM HUP; do
		background 3 mboxctl diagram -- sh -c 'trap "exit 3" TERM HUP
			mboxctl send "$0" x
			: >"$1"; while :; do sleep 0.1; done' "$box" "$tmp/there.$signal"
		for _ in $thousand; do
			[ ! -e "$tmp/there.$signal" ] || break
			usleep 10000
		done
		kill -"$signal" "$pid"
		finish
		nothing_left
		grep -q '\*--o' "$out" || die "$signal: $(cat "$out")"
	done
}

# What the shell runs in the background ignores SIGINT, too.
test_recording_goes_on_at_signals_that_are_ignored()
{
	new
	trap '' HUP
	diagram 0
	kill -HUP "$pid"
	kill -INT "$pid"
	usleep 300000
	try 0 mboxctl send "$box" x
	stop
	grep -q '\*--o' "$out" || die "$(cat "$out" "$err")"
}

test_what_was_left_by_a_killed_one_is_removed()
{
	diagram 137 -d 1000
	killed=$pid
	kill -KILL "$pid"
	finish
	[ -d "$tracing/instances/mboxctl.$killed" ] || die "nothing was left"
	try 0 mboxctl diagram -d 0
	nothing_left
}

# Two at a time do not disturb each other, nor what somebody traces by hand.
test_others_may_trace_too()
{
	new
	before=$(cat "$tracing/tracing_on" "$tracing/set_event" "$tracing/current_tracer")
	diagram 0 --svg "$box"
	mboxctl diagram -d 0.2 >/dev/null 2>&1 || die "the second one failed"
	try 0 mboxctl send "$box" x
	stop
	same arrows 1 "$(arrows "$out" | wc -l)"
	same "the trace of all" "$before" \
		"$(cat "$tracing/tracing_on" "$tracing/set_event" "$tracing/current_tracer")"
}

test_many_messages_are_all_recorded()
{
	new -c unbounded
	seq 500 >"$tmp/numbers"
	try 0 mboxctl diagram --svg --record "$tmp/rec" -o "$tmp/x.svg" -- sh -c '
		mboxctl recv -c 500 -l "$0" >"$1" & mboxctl send -l "$0" <"$2"; wait' \
		"$box" "$tmp/got" "$tmp/numbers"
	cmp "$tmp/numbers" "$tmp/got" || die "not all came"
	same arrows 500 "$(arrows "$tmp/x.svg" | grep -c '^message id')"
	arrows "$tmp/x.svg" | sed 's/.*sent=\([0-9]*\) .*stamp=\([0-9]*\)/\1 \2/' |
		awk '$1 >= $2 { exit 1 }' || die "a stamp does not rise"
	draw -o "$tmp/again.svg"
	cmp "$tmp/x.svg" "$tmp/again.svg" || die "the recording gives another diagram"
}

# The other namespace has a mailbox of the same number.
test_other_network_namespaces_are_not_recorded()
{
	diagram 0 --svg
	try 0 unshare -n sh -c 'box=$(mboxctl create) && mboxctl send "$box" x &&
		mboxctl recv "$box"'
	stop
	said "there were no messages"
}

run_tests "$@"
