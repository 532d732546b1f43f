#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mboxctl from outside: what each command does, prints and exits with. Needs
# root and the module. Prints KTAP; with -t NAME, of that one test only.
#
# A test is a function, test_ and its promise, run in a subshell; `die` ends it
# as failed. What it prints is for whoever looks for the reason.
#
# Formats and lists of arguments are meant to be taken apart, and what a test
# sets is meant to end with it.
# shellcheck disable=SC2030,SC2031,SC2046,SC2059,SC2086

die()
{
	echo "$*"
	exit 1
}

# try CODE COMMAND...: runs it; $out and $err hold what it printed
try()
{
	want=$1
	shift
	"$@" >"$out" 2>"$err"
	got=$?
	[ "$got" -eq "$want" ] && return
	cat "$err"
	die "exit code $got instead of $want: $*"
}

same()
{
	[ "$2" = "$3" ] || die "$1 is \"$3\" instead of \"$2\""
}

# printed FORMAT: all of the last output, to the byte
printed()
{
	printf "$1" >"$tmp/expected"
	cmp -s "$tmp/expected" "$out" && return
	cat "$out"
	die "that is not \"$1\""
}

# said TEXT...: words of the last error message
said()
{
	for text; do
		grep -qF -- "$text" "$err" && continue
		cat "$err"
		die "that does not say \"$text\""
	done
}

# new [ARGUMENT...]: makes a mailbox, $box, that goes away with the test
new()
{
	try 0 mboxctl create "$@"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
}

# background CODE COMMAND...: `finish` waits for its end and checks the code
background()
{
	late=$1
	shift
	"$@" >"$tmp/late.out" 2>"$tmp/late.err" &
	pid=$!
}

finish()
{
	wait "$pid"
	got=$?
	pid=
	cp "$tmp/late.out" "$out"
	cp "$tmp/late.err" "$err"
	[ "$got" -eq "$late" ] && return
	cat "$err"
	die "exit code $got instead of $late, in the background"
}

field()
{
	mboxctl show "$1" | awk -v key="$2:" '$1 == key { print $2 }'
}

shows()
{
	same "$2" "$3" "$(field "$1" "$2")"
}

# A process in the background needs its time until it waits.
until_shows()
{
	for _ in $(seq 1000); do
		[ "$(field "$1" "$2")" = "$3" ] && return
		usleep 10000
	done
	die "$2 never became $3"
}

as_nobody()
{
	su -s /bin/sh nobody -c "exec mboxctl $*"
}

centiseconds()
{
	awk '{ print int($1 * 100) }' /proc/uptime
}

is_ascii()
{
	same "number of control and high bytes" 0 \
		"$(LC_ALL=C tr -d '\n -~' <"$1" | wc -c)"
}

test_create_prints_an_id_and_the_name_finds_the_same_mailbox()
{
	new "$name"
	same id "$box" "$(field "$name" id)"
	shows "$box" name "$name"
}

test_create_takes_sizes_and_mode_and_show_tells_them()
{
	umask 077
	new -m 642 -c 5 -s 2K -b 6k
	shows "$box" max_msgs 5
	shows "$box" max_size 2048
	shows "$box" max_bytes 6144
	shows "$box" mode 0642
	try 0 mboxctl show "$box"
	grep -q '^mode: *0642 (rw-r---w-)$' "$out" || die "no such mode in letters"
}

test_create_by_default_lets_the_user_send_and_receive()
{
	new
	shows "$box" mode 0600
	shows "$box" pid -
	shows "$box" name -
}

test_create_can_make_a_mailbox_for_empty_messages()
{
	new -s 0
	shows "$box" max_size 0
	try 0 mboxctl send "$box" ''
	try 1 mboxctl send "$box" x
	try 0 mboxctl recv -n "$box"
	printed ''
}

test_create_of_a_taken_name_exits_1_and_leaves_the_mailbox()
{
	new "$name"
	try 1 mboxctl create "$name"
	said "$name" taken
	same id "$box" "$(field "$name" id)"
}

test_create_json_is_the_object_of_show_json()
{
	try 0 mboxctl create --json -c 3 "$name"
	sed 's/"pid":[0-9]*/"pid":0/' "$out" >"$tmp/created"
	box=$(field "$name" id)
	echo "$box" >>"$tmp/boxes"
	try 0 mboxctl show --json "$box"
	cmp "$tmp/created" "$out" || die "$(cat "$tmp/created" "$out")"
	grep -q "^{\"id\":$box,\"name\":\"$name\",\"mode\":\"0600\",.*\"max_msgs\":3,.*}\$" "$out" ||
		die "$(cat "$out")"
}

test_create_names_the_argument_that_is_out_of_range()
{
	try 2 mboxctl create -c 4294967294
	said "-c 4294967294: the limit is"
	try 2 mboxctl create -s 4294967295
	said "-s 4294967295: the limit is"
	try 2 mboxctl create -b 1000000000G
	said "the limit is"
	try 2 mboxctl create -s 100 -b 99
	said "-b 99"
	try 2 mboxctl create --reserve -c 1000 -s 1M
	said "--reserve of 1000 times 1048576 bytes: the limit is"
	for bad in '' 7th 'two words' a/b "$(printf 'esc\033')" "$(printf '%064d' 0 | tr 0 n)"; do
		try 2 mboxctl create "$bad"
		said "not a name"
	done
}

test_binary_data_comes_back_unchanged()
{
	dd if=/dev/urandom of="$tmp/data" bs=50001 count=1 2>/dev/null
	new -s 64K
	try 0 mboxctl send "$box" <"$tmp/data"
	shows "$box" msgs 1
	shows "$box" bytes 50001
	try 0 mboxctl recv -n "$box"
	same sha256 "$(sha256sum <"$tmp/data")" "$(sha256sum <"$out")"
	shows "$box" msgs 0
}

test_standard_input_is_one_message_even_if_empty()
{
	new
	printf 'a\n\nb' >"$tmp/in"
	try 0 mboxctl send "$box" <"$tmp/in"
	try 0 mboxctl send "$box" </dev/null
	shows "$box" msgs 2
	try 0 mboxctl recv -n "$box"
	printed 'a\n\nb'
	try 0 mboxctl recv -n "$box"
	printed ''
}

test_each_argument_is_a_message()
{
	new
	try 0 mboxctl send "$box" one '' 'two words'
	shows "$box" msgs 3
	try 0 mboxctl recv -n -l -c 3 "$box"
	printed 'one\n\ntwo words\n'
}

test_arguments_behind_the_mailbox_are_messages_whatever_they_look_like()
{
	new
	try 0 mboxctl send -p 0 -- "$box" -n -- --prio=7
	try 0 mboxctl recv -n -l -c 3 "$box"
	printed '-n\n--\n--prio=7\n'
	try 0 mboxctl send "$box" --lines -n
	try 0 mboxctl recv -n -l -c 2 "$box"
	printed '--lines\n-n\n'
}

test_lines_are_messages_without_their_newline()
{
	new
	printf 'one\n\nthree' >"$tmp/in"
	try 0 mboxctl send -l "$box" <"$tmp/in"
	shows "$box" msgs 3
	try 0 mboxctl recv -n -c 3 --json "$box"
	same texts 'one,,three,' "$(sed 's/.*"text":"\(.*\)"}/\1/' "$out" | tr '\n' ,)"
}

test_no_line_is_no_message()
{
	new
	try 0 mboxctl send -l "$box" </dev/null
	shows "$box" msgs 0
}

test_recv_adds_nothing_to_the_bytes_unless_asked()
{
	new
	try 0 mboxctl send "$box" a b c d
	try 0 mboxctl recv -n -c 2 "$box"
	printed 'ab'
	try 0 mboxctl recv -n -c 2 --lines "$box"
	printed 'c\nd\n'
}

test_higher_priorities_come_first_and_equal_ones_in_order()
{
	new
	try 0 mboxctl send "$box" low1
	try 0 mboxctl send -p 31 "$box" high1 high2
	try 0 mboxctl send --prio 5 "$box" middle
	try 0 mboxctl send "$box" low2
	try 0 mboxctl recv -n -l -c 5 "$box"
	printed 'high1\nhigh2\nmiddle\nlow1\nlow2\n'
}

test_send_with_nonblock_to_a_full_mailbox_exits_3_and_tells_how_many_it_sent()
{
	new -c 2
	try 3 mboxctl send -n "$box" a b c
	said "2 of 3 messages sent" "there is no room"
	shows "$box" msgs 2
	try 3 mboxctl send --nonblock "$box" </dev/null
	try 0 mboxctl recv -n -c 2 "$box"
	printed 'ab'
}

test_recv_with_nonblock_on_an_empty_mailbox_exits_3()
{
	new
	try 3 mboxctl recv -n "$box"
	said "there is no message"
	printed ''
	try 0 mboxctl send "$box" a b
	try 3 mboxctl recv -n -c 3 "$box"
	said "2 of 3 messages received"
	printed 'ab'
}

test_follow_with_nonblock_takes_all_there_is()
{
	new
	try 0 mboxctl send "$box" a b
	try 3 mboxctl recv -f -n "$box"
	printed 'ab'
}

test_send_with_timeout_to_a_full_mailbox_exits_4_and_not_before()
{
	new -c 1
	begin=$(centiseconds)
	try 4 mboxctl send -t 0.25 "$box" a b
	passed=$(($(centiseconds) - begin))
	[ "$passed" -ge 24 ] || die "it waited for $passed hundredths of a second"
	said "1 of 2 messages sent" "in time"
	shows "$box" msgs 1
}

test_recv_with_timeout_on_an_empty_mailbox_exits_4_and_not_before()
{
	new
	begin=$(centiseconds)
	try 4 mboxctl recv --timeout 0.25 "$box"
	passed=$(($(centiseconds) - begin))
	[ "$passed" -ge 24 ] || die "it waited for $passed hundredths of a second"
	said "in time"
	printed ''
}

test_a_timeout_of_0_still_takes_what_is_there()
{
	new
	try 0 mboxctl send -t 0 "$box" a
	try 0 mboxctl recv -t 0 "$box"
	printed a
	try 4 mboxctl recv -t 0 "$box"
}

feed()
{
	for i in $(seq 40); do
		mboxctl send "$1" "$i" || return
		usleep 30000
	done
}

# With a timeout for each message it would get all forty.
test_the_timeout_is_one_for_the_whole_command()
{
	new
	background 0 feed "$box"
	try 4 mboxctl recv -c 1000 -l -t 0.5 "$box"
	[ "$(wc -l <"$out")" -lt 40 ] || die "it waited for all of them"
	finish
}

test_a_waiting_recv_gets_the_message_that_comes()
{
	new
	background 0 mboxctl recv -t 30 "$box"
	until_shows "$box" receivers 1
	try 0 mboxctl ls
	grep -q "^ *$box .* 1 recv\$" "$out" || die "$(cat "$out")"
	try 0 mboxctl send "$box" hello
	finish
	printed hello
	shows "$box" receivers 0
}

test_a_waiting_send_gets_the_room_that_comes()
{
	new -c 1
	try 0 mboxctl send "$box" first
	background 0 mboxctl send -t 30 "$box" second
	until_shows "$box" senders 1
	try 0 mboxctl ls
	grep -q "^ *$box .* 1 send\$" "$out" || die "$(cat "$out")"
	try 0 mboxctl recv -n "$box"
	finish
	try 0 mboxctl recv -n "$box"
	printed second
}

test_a_message_larger_than_max_size_is_refused_and_the_rest_told()
{
	new -s 3
	printf 1234 >"$tmp/in"
	try 1 mboxctl send "$box" <"$tmp/in"
	said "larger than its max_size"
	shows "$box" msgs 0
	try 1 mboxctl send "$box" 123 1234 1
	said "1 of 3 messages sent"
	printf '1\n123\n1234\n1\n' >"$tmp/in"
	try 1 mboxctl send -l "$box" <"$tmp/in"
	said "2 messages sent" "larger than its max_size"
	try 0 mboxctl recv -n -l -c 3 "$box"
	printed '123\n1\n123\n'
	shows "$box" msgs 0
}

# If it were all read first, it would take endless memory.
test_endless_input_is_refused_once_it_is_too_long()
{
	new
	try 1 mboxctl send "$box" </dev/zero
	said "larger than its max_size"
	shows "$box" msgs 0
}

test_follow_ends_with_0_when_the_mailbox_is_removed()
{
	new
	background 0 mboxctl recv -f -l "$box"
	until_shows "$box" receivers 1
	try 0 mboxctl send "$box" one two
	until_shows "$box" received 2
	until_shows "$box" receivers 1
	try 0 mboxctl rm "$box"
	finish
	printed 'one\ntwo\n'
}

test_a_waiting_recv_is_told_when_the_mailbox_is_removed()
{
	new
	background 1 mboxctl recv "$box"
	until_shows "$box" receivers 1
	try 0 mboxctl rm "$box"
	finish
	said "the mailbox is gone"
}

test_a_waiting_send_is_told_when_the_mailbox_is_removed()
{
	new -c 1
	background 1 mboxctl send "$box" a b
	until_shows "$box" senders 1
	try 0 mboxctl rm "$box"
	finish
	said "1 of 2 messages sent" "the mailbox is gone"
}

# 143 is death by SIGTERM: no handler came between.
test_an_interrupted_recv_dies_of_the_signal_and_takes_nothing()
{
	new
	background 143 mboxctl recv -f "$box"
	until_shows "$box" receivers 1
	kill -TERM "$pid"
	finish
	shows "$box" receivers 0
	try 0 mboxctl send "$box" kept
	try 0 mboxctl recv -n "$box"
	printed kept
}

test_recv_json_tells_the_envelope()
{
	new
	sh -c 'echo $$ >"$1"; exec mboxctl send -p 7 "$2" one' sh "$tmp/pid" "$box" ||
		die "not sent"
	try 0 mboxctl send "$box" two
	try 0 mboxctl recv -n --json "$box"
	printed '{"seq":1,"prio":7,"pid":'"$(cat "$tmp/pid")"',"uid":0,"gid":0,"tag":0,"box":'"$box"',"len":3,"text":"one"}\n'
	try 0 mboxctl recv -n --json "$box"
	grep -q '^{"seq":2,"prio":0,.*"text":"two"}$' "$out" || die "$(cat "$out")"
}

test_recv_json_escapes_what_json_and_terminals_do_not_take()
{
	new
	printf 'q" b\\ nl\n esc\033 del\177 c1\302\233 \303\251\340\240\200\360\237\230\200' >"$tmp/in"
	try 0 mboxctl send "$box" <"$tmp/in"
	try 0 mboxctl recv -n --json "$box"
	sed 's/.*"text"://' "$out" >"$tmp/text"
	printf '"q\\" b\\\\ nl\\u000a esc\\u001b del\\u007f c1\\u009b \303\251\340\240\200\360\237\230\200"}\n' >"$tmp/expected"
	cmp "$tmp/expected" "$tmp/text" || die "$(cat "$tmp/text")"
}

# NUL, a byte alone, characters cut short, some longer than need be, a surrogate,
# and what comes after the last character
test_recv_json_gives_in_base64_what_is_not_text()
{
	new
	for bytes in 'a\000b' '\377' 'ab\303' '\340\240' '\300\257' '\340\237\277' \
		'\355\240\200' '\364\220\200\200'; do
		printf "$bytes" >"$tmp/in"
		try 0 mboxctl send "$box" <"$tmp/in"
		try 0 mboxctl recv -n --json "$box"
		grep -q '"text"' "$out" && die "$(cat "$out")"
		sed 's/.*"base64":"\(.*\)"}$/\1/' "$out" | base64 -d >"$tmp/back"
		cmp "$tmp/in" "$tmp/back" || die "$(cat "$out")"
	done
}

test_ls_has_a_line_that_says_what_was_done()
{
	new -m 620 -c 8 -s 1K -b 4K "$name"
	try 0 mboxctl send "$box" 12345 678
	try 0 mboxctl ls
	same line "$box $name rw--w---- root - 2/8 8/4K 1K -" \
		"$(awk -v id="$box" '$1 == id { $1 = $1; print }' "$out")"
	same titles "ID NAME MODE OWNER PID MSGS BYTES LARGEST WAITING" \
		"$(awk 'NR == 1 { $1 = $1; print }' "$out")"
}

test_ls_puts_numbers_right_and_text_left_in_columns()
{
	new -c 1 "$name"
	new -c 1000 "$name.longer"
	try 0 mboxctl send "$box" 1 2 3
	try 0 mboxctl ls
	grep -q ' $' "$out" && die "a line ends in blanks"
	awk 'NR == 1 { name = index($0, "NAME"); msgs = index($0, "MSGS") + 3; next }
	     { line = substr($0, 1, msgs); wrong = wrong || substr($0, name, 1) == " " ||
	       substr($0, name - 1, 1) != " " || line !~ /\/[0-9]+$/ ||
	       substr($0, msgs + 1, 1) != " " }
	     END { exit wrong || NR < 3 }' "$out" || die "$(cat "$out")"
}

test_without_arguments_it_does_what_ls_does()
{
	new "$name"
	try 0 mboxctl ls
	cp "$out" "$tmp/ls"
	try 0 mboxctl
	cmp "$tmp/ls" "$out" || die "$(cat "$out")"
}

test_ls_json_is_an_array_of_what_show_json_prints()
{
	new "$name"
	new
	try 0 mboxctl show --json "$box"
	cp "$out" "$tmp/shown"
	try 0 mboxctl show --json "$name"
	cat "$out" >>"$tmp/shown"
	try 0 mboxctl ls --json
	same brackets '[ ]' "$(sed -n '1p;$p' "$out" | tr '\n' ' ' | sed 's/ $//')"
	sed '1d;$d;s/,$//' "$out" >"$tmp/listed"
	while read -r object; do
		grep -qxF -- "$object" "$tmp/listed" || die "$object is not in $(cat "$out")"
	done <"$tmp/shown"
	same "lines without a comma behind" 1 "$(sed '1d;$d' "$out" | grep -cv ',$')"
}

test_show_counts_what_was_done()
{
	new -c 4
	try 0 mboxctl send "$box" 1 22 333
	try 0 mboxctl recv -n -c 2 "$box"
	for pair in msgs=1 msgs_high=3 bytes=3 bytes_high=6 sent=3 received=2 senders=0 receivers=0; do
		shows "$box" "${pair%=*}" "${pair#*=}"
	done
	try 0 mboxctl show --json "$box"
	for pair in msgs:1 msgs_high:3 bytes:3 bytes_high:6 sent:3 received:2; do
		grep -q "\"${pair%:*}\":${pair#*:}[,}]" "$out" || die "no $pair in $(cat "$out")"
	done
}

test_names_with_odd_bytes_reach_the_terminal_escaped()
{
	odd=$(printf '%s\\\377\302\233' "$name")
	shown="$name"'\\\xff\xc2\x9b'
	LC_ALL=C
	export LC_ALL
	new "$odd"
	try 0 mboxctl ls
	is_ascii "$out"
	grep -qF -- " $shown " "$out" || die "no $shown in $(cat "$out")"
	try 0 mboxctl show "$odd"
	is_ascii "$out"
	grep -qF -- "$shown" "$out" || die "no $shown in $(cat "$out")"
	try 1 mboxctl create "$odd"
	is_ascii "$err"
	said "$shown"
	try 0 mboxctl show --json "$odd"
	is_ascii "$out"
	same name "$odd" "$(sed 's/.*"name_base64":"\([^"]*\)".*/\1/' "$out" | base64 -d)"
}

test_rm_deletes_each_and_goes_on_after_an_error()
{
	new "$name"
	first=$box
	new
	try 1 mboxctl rm "$name" "$name.missing" "$box"
	said "$name.missing: there is no such mailbox"
	for id in "$first" "$box"; do
		try 1 mboxctl show "$id"
		said "the mailbox is gone"
	done
}

test_a_name_is_free_again_and_an_id_never()
{
	new "$name"
	old=$box
	try 0 mboxctl rm "$old"
	try 1 mboxctl send "$name" x
	said "there is no such mailbox"
	new "$name"
	[ "$box" -gt "$old" ] || die "id $box after $old"
	try 1 mboxctl recv -n "$old"
	said "the mailbox is gone"
}

test_an_id_never_given_out_is_no_such_mailbox()
{
	try 1 mboxctl show 18446744073709551615
	said "there is no such mailbox"
}

# Sends the lines of $tmp/fifo to $box; opening it waits for a writer.
send_fifo()
{
	exec mboxctl send -l "$box" <"$tmp/fifo"
}

test_create_makes_every_kind_and_show_names_it()
{
	while read -r options; do
		new $options
		try 0 mboxctl show "$box"
		same kind "$(echo "${options:--}" | sed 's/--//g')" \
			"$(sed -n 's/^kind: *//p' "$out")"
		try 0 mboxctl show --json "$box"
		same kinds "[$(echo "$options" | sed 's/--\([a-z-]*\)/"\1"/g;s/ /,/g')]" \
			"$(sed 's/.*"kind":\(\[[^]]*\]\).*/\1/' "$out")"
	done <<-END

		--fixed
		--reserve
		--by-tag
		--by-sender
		--single
		--pair
		--fixed --reserve --by-tag --pair
	END
}

test_create_rendezvous_holds_nothing()
{
	new --rendezvous
	shows "$box" max_msgs 0
	shows "$box" max_bytes 0
	try 3 mboxctl send -n "$box" x
	said "nobody waits to receive it"
	try 4 mboxctl send -t 0 "$box" x
	said "nobody received it in time"
	shows "$box" msgs 0
}

test_create_unbounded_has_no_bound_in_messages_or_bytes()
{
	new -c unbounded
	shows "$box" max_msgs unbounded
	shows "$box" max_bytes unbounded
	try 0 mboxctl ls
	same line "$box - rw------- root - 0 0 4K -" \
		"$(awk -v id="$box" '$1 == id { $1 = $1; print }' "$out")"
	try 0 mboxctl show --json "$box"
	grep -q '"max_msgs":null,"max_size":4096,"max_bytes":null,' "$out" || die "$(cat "$out")"
	new -c unbounded -b 8K
	shows "$box" max_msgs unbounded
	shows "$box" max_bytes 8192
	new -c 3 -b unbounded
	shows "$box" max_msgs 3
	shows "$box" max_bytes unbounded
}

test_fixed_takes_messages_of_that_size_only()
{
	new --fixed -s 3
	try 1 mboxctl send "$box" 12
	said "not exactly as large"
	try 1 mboxctl send "$box" 1234
	try 0 mboxctl send "$box" 123
	try 0 mboxctl recv -n "$box"
	printed 123
}

test_reserve_holds_as_many_as_were_reserved()
{
	new --reserve -c 2 -s 8
	try 3 mboxctl send -n "$box" 1 2 3
	said "2 of 3 messages sent" "there is no room"
	try 0 mboxctl recv -n -c 2 "$box"
	printed 12
}

test_send_sync_waits_for_the_receiver_and_prints_its_pid()
{
	new
	background 0 mboxctl send --sync "$box" one
	until_shows "$box" senders 1
	sh -c 'echo $$ >"$1"; exec mboxctl recv -n "$2"' sh "$tmp/pid" "$box" >"$tmp/got" ||
		die "nothing to receive"
	finish
	printed "$(cat "$tmp/pid")\n"
	same message one "$(cat "$tmp/got")"
	shows "$box" msgs 0
}

test_send_sync_that_nobody_receives_takes_its_message_back()
{
	new
	try 3 mboxctl send --sync -n "$box" x
	said "nobody waits to receive it"
	try 4 mboxctl send --sync -t 0.05 "$box" x
	said "nobody received it in time"
	printed ''
	shows "$box" msgs 0
	try 3 mboxctl recv -n "$box"
}

test_send_at_a_rendezvous_meets_the_receiver()
{
	new --rendezvous
	background 0 mboxctl recv -t 30 -l -c 2 "$box"
	until_shows "$box" receivers 1
	try 0 mboxctl send -t 30 "$box" one
	printed ''
	try 0 mboxctl send -t 30 --sync "$box" two
	same receiver "$pid" "$(cat "$out")"
	finish
	printed 'one\ntwo\n'
}

test_tags_reach_the_receiver_and_pick_messages()
{
	new --by-tag
	try 0 mboxctl send --tag 18446744073709551615 "$box" most
	try 0 mboxctl send "$box" none
	try 0 mboxctl send --tag 7 "$box" seven1 seven2
	try 0 mboxctl recv -n -l -c 2 --tag 7 "$box"
	printed 'seven1\nseven2\n'
	try 3 mboxctl recv -n --tag 7 "$box"
	try 0 mboxctl recv -n -l --tag 0 "$box"
	printed 'none\n'
	try 0 mboxctl recv -n --json "$box"
	grep -q '"tag":18446744073709551615,.*"text":"most"' "$out" || die "$(cat "$out")"
}

test_messages_of_one_process_can_be_picked()
{
	new --by-sender
	try 0 mboxctl send "$box" other
	mkfifo "$tmp/fifo"
	background 0 send_fifo
	exec 9>"$tmp/fifo"
	echo mine >&9
	until_shows "$box" msgs 2
	try 0 mboxctl recv -n --from "$pid" "$box"
	printed mine
	try 3 mboxctl recv -n --from "$pid" "$box"
	sender=$pid
	exec 9>&-
	finish
	try 1 mboxctl recv -n --from "$sender" "$box"
	said "there is no process to match"
	shows "$box" msgs 1
}

test_what_cannot_be_picked_is_refused_and_nothing_taken()
{
	new
	try 0 mboxctl send --tag 1 "$box" plain
	try 1 mboxctl recv -n --tag 1 "$box"
	said "not created with"
	try 1 mboxctl recv -n --from 1 "$box"
	shows "$box" msgs 1
	new --by-sender
	try 0 mboxctl send "$box" x
	try 1 mboxctl recv -n --tag 0 "$box"
	said "not created with"
	new --by-tag
	try 0 mboxctl send --tag 1 "$box" x
	try 1 mboxctl recv -n --from 1 "$box"
	said "not created with"
	shows "$box" msgs 1
}

test_least_receives_the_lowest_priority_first()
{
	new
	try 0 mboxctl send -p 9 "$box" high
	try 0 mboxctl send -p 1 "$box" low1 low2
	try 0 mboxctl recv -n -l -c 3 --least "$box"
	printed 'low1\nlow2\nhigh\n'
}

test_peek_shows_messages_and_leaves_them()
{
	new
	try 3 mboxctl recv -n --peek "$box"
	try 0 mboxctl send "$box" a b c d
	try 0 mboxctl recv --peek "$box"
	printed a
	try 0 mboxctl recv --peek=2 "$box"
	printed c
	try 0 mboxctl recv --peek=1 -c 3 "$box"
	printed bcd
	try 3 mboxctl recv --peek=4 "$box"
	said "there is no message"
	try 3 mboxctl recv --peek -c 5 "$box"
	said "4 of 5 messages shown"
	printed abcd
	shows "$box" msgs 4
	mboxctl recv --peek "$box" >/dev/full 2>"$err"
	same "exit code" 1 $?
	grep -q lost "$err" && die "$(cat "$err")"
	try 0 mboxctl send -p 1 "$box" e
	try 0 mboxctl recv --peek "$box"
	printed e
	try 0 mboxctl recv --peek --least "$box"
	printed a
}

test_a_message_that_expires_is_gone_and_counted()
{
	new
	try 0 mboxctl send --expires 0.05 "$box" short
	try 0 mboxctl send --expires 1000 "$box" long
	until_shows "$box" expired 1
	try 3 mboxctl recv -n -c 2 "$box"
	printed long
	try 0 mboxctl show --json "$box"
	grep -q '"expired":1}$' "$out" || die "$(cat "$out")"
	try 4 mboxctl send --expires 0 "$box" late
	shows "$box" sent 2
}

test_recv_from_several_takes_one_message_and_tells_from_which()
{
	new "$name.a"
	first=$box
	new --rendezvous "$name.b"
	try 3 mboxctl recv -n "$name.a" "$name.b"
	said "there is no message"
	try 0 mboxctl send "$name.a" one two
	try 0 mboxctl recv -n --json "$name.b" "$name.a"
	grep -q "\"box\":$first,\"len\":3,\"text\":\"one\"}" "$out" || die "$(cat "$out")"
	shows "$name.a" msgs 1
	try 0 mboxctl recv -n "$name.a"
	background 0 mboxctl recv -t 30 --json "$name.a" "$name.b"
	until_shows "$name.a" receivers 1
	until_shows "$name.b" receivers 1
	try 0 mboxctl send -n "$name.b" met
	finish
	grep -q "\"box\":$box,\"len\":3,\"text\":\"met\"}" "$out" || die "$(cat "$out")"
	shows "$name.a" receivers 0
}

# The larger one decides how much room a message needs.
test_recv_from_several_takes_the_largest_message_of_each()
{
	new -s 4 "$name.a"
	new -s 64K "$name.b"
	head -c 65536 /dev/zero | mboxctl send "$name.b" || die "not sent"
	try 0 mboxctl recv -n "$name.a" "$name.b"
	same length 65536 "$(wc -c <"$out")"
}

test_follow_of_several_ends_when_the_last_is_removed()
{
	new "$name.a"
	new "$name.b"
	background 0 mboxctl recv -f -l "$name.a" "$name.b"
	until_shows "$name.a" receivers 1
	try 0 mboxctl rm "$name.a"
	until_shows "$name.b" receivers 1
	try 0 mboxctl send "$name.b" still
	until_shows "$name.b" received 1
	try 0 mboxctl rm "$name.b"
	finish
	printed 'still\n'
}

test_single_lets_one_process_in_and_the_next_after_it()
{
	new --single
	background 0 mboxctl recv -t 30 "$box"
	until_shows "$box" receivers 1
	try 3 mboxctl recv -n "$box"
	said "another process is receiving from it"
	try 4 mboxctl recv -t 0 "$box"
	try 1 mboxctl recv -n "$box" "$box"
	said "takes no part in a choice"
	try 0 mboxctl send "$box" x
	finish
	printed x
	try 0 mboxctl send "$box" y
	try 0 mboxctl recv -n "$box"
}

test_pair_has_an_end_for_one_process_until_it_ends()
{
	new --pair
	background 0 mboxctl recv -t 30 "$box"
	until_shows "$box" receivers 1
	try 1 mboxctl recv -n "$box"
	said "another process has the receiving end"
	try 0 mboxctl send "$box" x
	finish
	try 3 mboxctl recv -n "$box"
	mkfifo "$tmp/fifo"
	background 0 send_fifo
	exec 9>"$tmp/fifo"
	echo x >&9
	until_shows "$box" msgs 1
	try 1 mboxctl send "$box" y
	said "another process has the sending end"
	exec 9>&-
	finish
	try 0 mboxctl send "$box" y
	shows "$box" msgs 2
}

# The limit is lowered where it has no other effect: only the unbounded heed it.
test_an_unbounded_mailbox_that_meets_the_limit_exits_1()
{
	new -c unbounded
	limit=$(cat /proc/sys/net/mbox/max_msgs)
	echo 2 >/proc/sys/net/mbox/max_msgs
	mboxctl send "$box" a b c >"$out" 2>"$err"
	got=$?
	echo "$limit" >/proc/sys/net/mbox/max_msgs
	same "exit code" 1 "$got"
	said "2 of 3 messages sent" "limits of the system"
	shows "$box" msgs 2
}

test_wrong_usage_exits_2_and_says_how_it_is_used()
{
	new
	while read -r arguments; do
		eval "try 2 mboxctl $arguments"
		printed ''
		said mboxctl help
	done <<-END
		nonsense
		--nonsense
		''
	END
	while read -r arguments; do
		eval "try 2 mboxctl $arguments </dev/null"
		printed ''
		said "Usage: mboxctl ${arguments%% *} "
	done <<-END
		create -c 0
		create -c 1K
		create -s 1T
		create -s 4G
		create -b 0
		create -b 99999999999G
		create -m 1666
		create -m 8
		create -m ''
		create -m
		create a b
		create -c endless
		create -c 4294967295
		create -b 18446744073709551615
		create --rendezvous -c 1
		create --rendezvous -b unbounded
		create --rendezvous --reserve
		create --reserve -b 4K
		create --reserve -c unbounded
		create --by-tag --by-sender
		create --single --pair
		send
		send -p 32 $box x
		send -p '' $box x
		send -n -t 1 $box x
		send -t -1 $box x
		send -t 1e3 $box x
		send -t . $box x
		send -l $box x
		send --tag '' $box x
		send --expires -1 $box x
		send --expires 1s $box x
		send 0 x
		send 1x x
		send 18446744073709551616 x
		send '' x
		recv
		recv $(seq 65 | tr '\n' ' ')
		recv --tag 1 $box $box
		recv --from 1 $box $box
		recv --peek $box $box
		recv --tag 1 --from 1 $box
		recv --tag -1 $box
		recv --tag 18446744073709551616 $box
		recv --from 2147483648 $box
		recv --peek=64 $box
		recv --peek=63 -c 2 $box
		recv --peek=2 -c 18446744073709551615 $box
		recv --peek -f $box
		recv --peek --least -c 2 $box
		recv --peek=1 --tag 1 $box
		recv -c 0 $box
		recv -c -1 $box
		recv -c 2 -f $box
		recv -l --json $box
		recv -n -t 1 $box
		recv --nonsense $box
		ls $box
		ls -l
		show
		show $box $box
		rm
		rm -f $box
		help nonsense
		help ls show
	END
	shows "$box" sent 0
}

test_help_and_version_work_for_every_command()
{
	try 0 mboxctl --version
	grep -q '^mboxctl [0-9]' "$out" || die "$(cat "$out")"
	try 0 mboxctl help
	for command in create send recv ls show rm help; do
		try 0 mboxctl help
		grep -q "^  $command " "$out" || die "help does not list $command"
		try 0 mboxctl help "$command"
		grep -q "^Usage: mboxctl $command" "$out" || die "$(cat "$out")"
		try 0 mboxctl "$command" --help
	done
}

test_a_message_that_cannot_be_written_is_told_lost()
{
	new
	try 0 mboxctl send "$box" a b
	mboxctl recv -c 2 "$box" >/dev/full 2>"$err"
	same "exit code" 1 $?
	said "message 1 is lost" "No space left"
	shows "$box" msgs 1
}

test_a_reader_that_has_gone_ends_recv_with_an_error()
{
	new
	mkfifo "$tmp/fifo"
	mboxctl recv -f "$box" >"$tmp/fifo" 2>"$err" &
	pid=$!
	{ mboxctl send "$box" a; head -c 1; } <"$tmp/fifo" >/dev/null
	try 0 mboxctl send "$box" b
	wait "$pid"
	same "exit code" 1 $?
	said "message 2 is lost" "Broken pipe"
}

test_recv_takes_nothing_when_its_output_is_closed()
{
	new
	try 0 mboxctl send "$box" kept
	mboxctl recv -n "$box" >&- 2>"$err"
	same "exit code" 1 $?
	said "standard output"
	shows "$box" msgs 1
}

# Else the mailbox would be descriptor 0 or 1, and be read or written as such.
test_closed_standard_descriptors_do_not_become_the_mailbox()
{
	new
	try 0 mboxctl send "$box" kept
	mboxctl send "$box" <&- 2>"$err"
	same "exit code" 1 $?
	said "standard input"
	shows "$box" sent 1
	shows "$box" received 0
	mboxctl send "$box" more <&- >&- 2>&-
	same "exit code" 0 $?
	shows "$box" msgs 2

	mboxctl send "$box" more "$(printf %05000d 0)" 2>&-
	same "exit code" 1 $?
	shows "$box" msgs 3

	mboxctl create "$name" >&- 2>"$err"
	same "exit code" 1 $?
	echo "$name" >>"$tmp/boxes"
	shows "$name" msgs 0
}

test_without_the_device_it_says_so_and_exits_1()
{
	try 1 unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs none /dev && exec mboxctl'
	said "/dev/mbox" "is the module loaded?"
	try 1 unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs none /dev && exec mboxctl send x y'
	said "/dev/mbox" "is the module loaded?"
}

test_another_user_without_rights_can_do_nothing_and_sees_nothing()
{
	new "$name"
	try 0 mboxctl send "$box" secret
	for words in "send -n $name x" "recv -n $name" "show $name" "rm $name" "show $box"; do
		try 1 as_nobody $words
		said "no right"
		printed ''
	done
	try 0 as_nobody ls --json
	grep -q "\"id\":$box," "$out" && die "$(cat "$out")"
	shows "$box" msgs 1
}

test_another_user_may_send_where_the_mode_says_so_and_no_more()
{
	new -m 602 "$name"
	try 0 as_nobody send -n "$name" hello
	try 1 as_nobody recv -n "$name"
	said "no right to receive from it"
	try 0 as_nobody show "$name"
	try 0 as_nobody ls --json
	grep -q "\"id\":$box," "$out" || die "$(cat "$out")"
	try 1 as_nobody rm "$name"
	said "no right to delete it"
	try 0 mboxctl recv -n --json "$name"
	grep -q "\"uid\":$(id -u nobody),\"gid\":$(id -g nobody),\"tag\":0,\"box\":$box,\"len\":5,\"text\":\"hello\"" "$out" ||
		die "$(cat "$out")"
}

test_another_user_may_receive_where_the_mode_says_so_and_no_more()
{
	new -m 604 "$name"
	try 0 mboxctl send "$name" hello
	try 1 as_nobody send -n "$name" x
	said "no right to send to it"
	try 0 as_nobody show "$name"
	try 1 as_nobody rm "$name"
	said "no right to delete it"
	try 0 as_nobody recv -n "$name"
	printed hello
}

test_a_user_owns_what_the_user_creates()
{
	try 0 as_nobody create "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	try 0 mboxctl ls
	same owner nobody "$(awk -v id="$box" '$1 == id { print $4 }' "$out")"
	same uid "$(id -u nobody)" "$(field "$box" uid)"
	try 0 as_nobody send "$name" mine
	try 0 as_nobody recv -n "$name"
	printed mine
	try 0 as_nobody rm "$name"
	try 1 mboxctl show "$box"
}

tests=$(sed -n 's/^test_\(.*\)()$/\1/p' "$0")
[ "$1" != -t ] || tests=$(echo "$tests" | grep -x -- "$2") || {
	echo "# there is no test $2"
	exit 1
}

run_test()
(
	tmp=$all/$1
	out=$tmp/out
	err=$tmp/err
	name=mboxctl_test.$number
	mkdir "$tmp"
	trap clean_up EXIT
	"test_$1"
)

clean_up()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	[ ! -s "$tmp/boxes" ] || mboxctl rm $(cat "$tmp/boxes") 2>/dev/null
	rm -r "$tmp"
}

device_mode=$(stat -c %a /dev/mbox) || exit 1
all=$(mktemp -d) || exit 1
trap 'chmod "$device_mode" /dev/mbox; rm -r "$all"' EXIT
trap 'exit 1' HUP INT TERM
# Rights to the device are not what is tested here.
chmod 666 /dev/mbox

echo TAP version 13
echo "1..$(echo "$tests" | wc -l)"
number=0
failed=0
for test in $tests; do
	number=$((number + 1))
	if run_test "$test" >"$all/log" 2>&1; then
		echo "ok $number $test"
	else
		sed 's/^/# /' "$all/log"
		echo "not ok $number $test"
		failed=$((failed + 1))
	fi
done
[ "$failed" -eq 0 ]
