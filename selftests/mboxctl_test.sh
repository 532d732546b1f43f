#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mboxctl from outside: what each command does, prints and exits with. Needs
# root and the module. Prints KTAP; with -t NAME, of that one test only.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, other shells expand what is in single quotes, and functions of
# mboxctl.sh call the tests and set variables for them.
# shellcheck disable=SC1091,SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086,SC2154,SC2317

. "$(dirname "$0")/mboxctl.sh"

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
	sed 's/"pid":[0-9]*,"state":\[\]/"pid":0,"state":["orphan"]/' "$out" >"$tmp/created"
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
	try 2 mboxctl create --process-owned -m 600 -- true
	said "-m with bits of 0222 only"
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
	sed -E 's/("(time|realtime|sender|stamp|clock)"):[1-9][0-9]*/\1:N/g' "$out" >"$tmp/masked"
	sender=$(cat "$tmp/pid")
	printf '{"seq":1,"prio":7,"box":%s,"tid":%s,"time":N,"realtime":N,"pid":%s,"uid":0,"gid":0,"tag":0,"sender":N,"stamp":N,"clock":N,"got":[],"files":0,"len":3,"text":"one"}\n' \
		"$box" "$sender" "$sender" >"$tmp/expected"
	cmp "$tmp/expected" "$tmp/masked" || die "$(cat "$out")"
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
		--files
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
	grep -q '"expired":1,' "$out" || die "$(cat "$out")"
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
	grep -q "\"box\":$first,.*,\"len\":3,\"text\":\"one\"}" "$out" || die "$(cat "$out")"
	shows "$name.a" msgs 1
	try 0 mboxctl recv -n "$name.a"
	background 0 mboxctl recv -t 30 --json "$name.a" "$name.b"
	until_shows "$name.a" receivers 1
	until_shows "$name.b" receivers 1
	try 0 mboxctl send -n "$name.b" met
	finish
	grep -q "\"box\":$box,.*,\"len\":3,\"text\":\"met\"}" "$out" || die "$(cat "$out")"
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
	limited max_msgs 2 try 1 mboxctl send "$box" a b c
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
		create --share 0
		create --share 101
		create --share half
		create --rendezvous --share 50
		create --process-owned
		create --json -- true
		create --
		create a b -- true
		create --inbox
		create --inbox -m 600 -- true
		create --inbox --share 50 -- true
		create --inbox --by-tag -- true
		create --inbox --rendezvous -- true
		serve
		serve $box
		serve $box --
		serve -- cat
		serve $box $box -- cat
		serve --inbox $box -- cat
		serve -j 0 $box -- cat
		serve -j 257 $box -- cat
		serve -c 0 $box -- cat
		serve -t 1s $box -- cat
		send
		send -p 32 $box x
		send -p '' $box x
		send -n -t 1 $box x
		send -t -1 $box x
		send -t 1e3 $box x
		send -t . $box x
		send -l $box x
		send --pid
		send --pid 0 x
		send --pid 2147483648 x
		send --pid 1 --participant 1 x
		send --participant 0 x
		send --participant first x
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
		recv -l --long $box
		recv --long --json $box
		recv --inbox $box
		recv -n -t 1 $box
		recv --nonsense $box
		ls -l
		ls --sort
		ls --sort nothing
		ls --sort --id
		ls --user no-such-user
		ls --pid 0
		ls --full=1
		show
		show $box $box
		stat -i 0 $box
		stat -i never $box
		stat -c 0 $box
		transfer $box
		transfer $box 1 1
		transfer $box 0
		transfer $box init
		transfer $box 2147483648
		transfer --withdraw $box
		offer $box
		offer $box 0
		offer --withdraw
		offer --withdraw $box 1
		offer --withdraw --keep $box
		accept
		accept $box $box
		accept $box --
		accept -- $box
		claim
		claim $box $box
		claim $box --
		grant $box 1
		grant $box send 1
		grant $box 1 ''
		grant $box 1 send,
		grant $box 1 sen
		grant $box 1 sends
		grant $box 1 send receive
		revoke $box 1
		revoke $box 1 all
		chmod $box
		chmod 600
		chmod u+w $box
		chmod 1600 $box
		chmod 0100 $box
		chmod '' $box
		chown $box
		chown nobody
		chown '' $box
		chown : $box
		chown nobody: $box
		chown no-such-user $box
		chown :no-such-group $box
		chown 4294967295 $box
		chown -- -1 $box
		limits $box
		limits --user
		limits --user no-such-user
		rm
		rm -f $box
		help nonsense
		help ls show
	END
	shows "$box" sent 0
}

test_what_cannot_be_a_name_is_wrong_usage_for_every_command()
{
	for bad in a/b 1a "$(printf %064d 0 | tr 0 a)" "''"; do
		for words in "send -n $bad x" "recv -n $bad" "rm $bad" "show $bad" "stat -c 1 $bad"; do
			eval try 2 mboxctl $words
			said "neither a name nor an id"
		done
	done
}

test_help_and_version_work_for_every_command()
{
	try 0 mboxctl --version
	grep -q '^mboxctl [0-9]' "$out" || die "$(cat "$out")"
	try 0 mboxctl help
	for command in create send recv call serve ls show stat transfer offer accept claim grant revoke \
		chmod chown limits rm help; do
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
	for words in 'send x y' 'recv x' create 'rm x'; do
		try 1 unshare -m sh -c \
			"mount --make-rprivate / && mount -t tmpfs none /dev && exec mboxctl $words"
		said "/dev/mbox" "is the module loaded?"
		printed ''
	done
}

test_to_watch_takes_no_device()
{
	new "$name"
	mboxctl ls >"$tmp/ls"
	try 0 unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs none /dev && exec mboxctl'
	cmp "$tmp/ls" "$out" || die "$(cat "$out")"
	mboxctl show --json "$name" >"$tmp/shown"
	try 0 unshare -m sh -c "mount --make-rprivate / && mount -t tmpfs none /dev &&
		exec mboxctl show --json $name"
	cmp "$tmp/shown" "$out" || die "$(cat "$out")"
	for words in limits 'stat -i 0.01 -c 1' 'monitor -l | head -n 1' 'top -n 1'; do
		try 0 unshare -m sh -c "mount --make-rprivate / && mount -t tmpfs none /dev &&
			mboxctl $words"
		[ -s "$out" ] || die "$words tells nothing"
	done
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
	grep -q "\"uid\":$(id -u nobody),\"gid\":$(id -g nobody),\"tag\":0,.*,\"text\":\"hello\"" "$out" ||
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

test_create_runs_a_program_that_owns_the_mailbox_and_knows_its_id()
{
	umask 027
	try 7 mboxctl create -m 622 "$name" -- \
		sh -c 'echo "$$ $MBOX_ID $(umask)"; mboxctl show "$MBOX_ID"; exit 7'
	echo "$name" >>"$tmp/boxes"
	read -r owner id mask <"$out"
	same pid "$owner" "$(awk '$1 == "pid:" { print $2 }' "$out")"
	same id "$id" "$(field "$name" id)"
	same umask 0027 "$mask"
	shows "$name" mode 0622
	try 0 mboxctl show "$name"
	grep -q '^pid: *- (orphan)$' "$out" || die "$(cat "$out")"
}

test_create_passes_no_descriptor_to_its_program()
{
	try 0 mboxctl create "$name" -- ls -l /proc/self/fd
	echo "$name" >>"$tmp/boxes"
	same "open mailboxes" '' "$(grep /dev/mbox "$out")"
	try 0 mboxctl claim "$name" -- ls -l /proc/self/fd
	same "open mailboxes" '' "$(grep /dev/mbox "$out")"
}

test_create_that_cannot_run_its_program_leaves_no_mailbox()
{
	try 127 mboxctl create "$name" -- no-such-program
	said "no-such-program: there is no such program"
	printed ''
	try 1 mboxctl show "$name"
	said "there is no such mailbox"
	try 126 mboxctl create "$name" -- /dev/null
	said "/dev/null: Permission denied"
	try 1 mboxctl show "$name"
}

test_a_process_owned_mailbox_is_received_from_by_its_program_and_ends_with_it()
{
	background 0 mboxctl create --process-owned "$name" -- mboxctl recv -l -c 2 "$name"
	until_shows "$name" receivers 1
	box=$(field "$name" id)
	shows "$name" pid "$pid"
	shows "$name" kind process-owned
	shows "$name" mode 0200
	try 1 mboxctl recv -n "$name"
	said "no right to receive from it"
	try 0 mboxctl send "$name" one two
	finish
	printed 'one\ntwo\n'
	try 1 mboxctl show "$box"
	said "the mailbox is gone"
	try 1 mboxctl show "$name"
	said "there is no such mailbox"
}

test_nothing_of_a_process_owned_mailbox_can_be_passed_on()
{
	own --process-owned
	process sleep 1000
	remember
	for words in "transfer $name $process" "offer $name $process" "offer --withdraw $name" \
		"accept $name" "claim $name" "grant $name $process send" \
		"revoke $name $process send" "chown nobody $name"; do
		try 1 mboxctl $words
		said "$name: it is process-owned: nothing of it can be passed on"
		printed ''
	done
	try 1 mboxctl chmod 620 "$name"
	said "bits of 0222 only"
	unchanged
	try 0 mboxctl chmod 222 "$name"
	shows "$name" mode 0222
}

test_the_share_of_a_user_is_shown_counted_and_held()
{
	new -m 622 --share 50 -c 4 -s 8
	shows "$box" share 50
	shows "$box" user_msgs 0
	try 1 mboxctl send "$box" 1 22 3
	said "2 of 3 messages sent" "the share of it that one user may have"
	shows "$box" user_msgs 2
	shows "$box" user_bytes 3
	try 0 as_nobody send -n "$box" 4
	try 0 mboxctl show --json "$box"
	is_json "$out"
	grep -q '"share":50,"msgs":3,.*,"user_msgs":2,"user_bytes":3,' "$out" || die "$(cat "$out")"
}

test_the_share_is_by_default_what_the_system_says()
{
	new
	shows "$box" share "$(cat /proc/sys/net/mbox/default_share)"
	limited default_share 30 try 0 mboxctl create
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	shows "$box" share 30
}

test_messages_of_a_user_are_not_shown_where_they_are_not_counted()
{
	new --share 100
	try 0 mboxctl send "$box" x
	shows "$box" user_msgs -
	shows "$box" user_bytes -
	try 0 mboxctl show --json "$box"
	grep -q '"user_msgs":null,"user_bytes":null,' "$out" || die "$(cat "$out")"
}

test_ls_tells_owners_from_orphans()
{
	own
	try 0 mboxctl ls
	same pid "$pid" "$(awk -v id="$box" '$1 == id { print $5 }' "$out")"
	try 0 mboxctl ls --json
	grep -q "^{\"id\":$box,.*\"pid\":$pid,\"state\":\[\]," "$out" || die "$(cat "$out")"
	kill "$pid"
	finish
	try 0 mboxctl ls
	same pid - "$(awk -v id="$box" '$1 == id { print $5 }' "$out")"
	try 0 mboxctl ls --json
	grep -q "^{\"id\":$box,.*\"pid\":0,\"state\":\[\"orphan\"\]," "$out" || die "$(cat "$out")"
}

# In a pid namespace of its own, nobody outside can be seen.
test_an_owner_that_cannot_be_seen_is_no_orphan()
{
	own
	process sleep 1000
	try 0 mboxctl offer "$box" "$process"
	try 0 mboxctl grant "$box" "$process" send
	try 0 unshare -p -f mboxctl show "$box"
	for pair in 'pid: *?' 'offered: *?' 'grants: *? send (participant [1-9][0-9]*)'; do
		grep -q "^$pair\$" "$out" || die "no $pair in $(cat "$out")"
	done
	try 0 unshare -p -f mboxctl ls
	same pid '?' "$(awk -v id="$box" '$1 == id { print $5 }' "$out")"
}

test_transfer_gives_the_mailbox_as_it_is_to_another_process()
{
	own
	process sleep 1000
	try 0 mboxctl send "$name" one
	try 0 mboxctl send -p 1 "$name" two
	mboxctl show --json "$name" | sed "s/\"pid\":$pid/\"pid\":$process/" >"$tmp/before"
	try 0 mboxctl transfer "$name" "$process"
	printed ''
	unchanged
	try 0 mboxctl recv -n -l -c 2 "$name"
	printed 'two\none\n'
	kill "$pid"
	finish
	shows "$name" pid "$process"
}

test_transfer_with_keep_lets_the_former_owner_receive()
{
	own
	process sleep 1000
	try 0 mboxctl transfer "$name" "$process" --keep
	shows "$name" pid "$process"
	try 0 mboxctl show "$name"
	grep -q "^grants: *$pid receive (participant [1-9][0-9]*)\$" "$out" || die "$(cat "$out")"
}

test_transfer_makes_the_mailbox_one_of_the_user_of_the_process()
{
	new "$name"
	later 0 nobody ls
	until_user "$pid" nobody
	try 0 mboxctl transfer "$name" "$pid"
	shows "$name" pid "$pid"
	shows "$name" uid "$(id -u nobody)"
	shows "$name" gid "$(id -g nobody)"
	go
	finish
	shows "$name" pid -
	try 0 as_nobody rm "$name"
}

test_transfer_that_fails_says_why_and_changes_nothing()
{
	own -m 666
	remember
	try 1 as_nobody transfer "$name" 1
	said "$name: no right to transfer it"
	try 1 mboxctl transfer "$name" 2147483647
	said "$name: there is no such process"
	try 1 mboxctl transfer "$name.missing" 1
	said "there is no such mailbox"
	limited max_grants 0 try 1 mboxctl transfer --keep "$name" 1
	said "$name: it has as many grants as the limit allows"
	unchanged

	try 0 as_nobody create
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	remember
	try 1 as_nobody transfer "$box" "$pid"
	said "you may not signal that process" "offer it"
	unchanged
}

# In a user namespace of its own, it is another account that would pay.
test_transfer_beyond_the_quota_of_the_user_exits_1_and_changes_nothing()
{
	try 0 as_nobody create "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	remember
	process su -s /bin/sh nobody -c 'exec unshare -U sleep 1000'
	until_program "$process" sleep
	limited user_mailboxes 0 try 1 as_nobody transfer "$name" "$process"
	said "$name: the user of that process has no quota left for it"
	unchanged
	try 0 as_nobody transfer "$name" "$process"
	shows "$name" pid "$process"
}

test_an_offer_is_shown_replaced_and_withdrawn()
{
	own
	remember
	shows "$name" offered -
	process sleep 1000
	first=$process
	process sleep 1000
	try 0 mboxctl offer "$name" "$first"
	printed ''
	shows "$name" offered "$first"
	try 0 mboxctl offer --keep "$name" "$process"
	shows "$name" offered "$process"
	shows "$name" pid "$pid"
	try 0 mboxctl show --json "$name"
	is_json "$out"
	grep -q "\"pid\":$pid,\"state\":\[\"offered\"\],\"offered\":$process," "$out" ||
		die "$(cat "$out")"
	try 0 mboxctl offer --withdraw "$name"
	unchanged
}

test_an_offer_that_fails_says_why_and_changes_nothing()
{
	own -m 666
	process sleep 1000
	try 0 mboxctl offer "$name" "$process"
	remember
	try 1 as_nobody offer "$name" "$process"
	said "$name: no right to offer it"
	try 1 as_nobody offer --withdraw "$name"
	said "$name: no right to offer it"
	try 1 mboxctl offer "$name" 2147483647
	said "$name: there is no such process"
	unchanged
}

test_accept_takes_what_is_offered_and_leaves_an_orphan_of_that_user()
{
	own
	owner=$pid
	echo "$owner" >>"$tmp/processes"
	try 0 mboxctl send "$name" kept
	later 0 nobody accept "$name"
	try 0 mboxctl offer --keep "$name" "$pid"
	go
	finish
	printed "$name: it is of user nobody now, and owned by no process\n"
	shows "$name" pid -
	shows "$name" offered -
	shows "$name" uid "$(id -u nobody)"
	try 0 mboxctl show "$name"
	grep -q "^grants: *$owner receive (participant [1-9][0-9]*)\$" "$out" || die "$(cat "$out")"
	try 0 as_nobody recv -n "$name"
	printed kept
}

test_accept_runs_a_program_that_owns_the_mailbox()
{
	own
	echo "$pid" >>"$tmp/processes"
	later 0 nobody accept "$name" -- sh -c "'"'echo "$$ $MBOX_ID"; mboxctl show "$MBOX_ID"'"'"
	try 0 mboxctl offer "$name" "$pid"
	accepter=$pid
	go
	finish
	same "pid and id" "$accepter $box" "$(sed -n 1p "$out")"
	same owner "$accepter" "$(awk '$1 == "pid:" { print $2 }' "$out")"
	same user "$(id -u nobody)" "$(awk '$1 == "uid:" { print $2 }' "$out")"
}

test_an_orphan_can_be_offered_and_accepted()
{
	new "$name"
	later 0 nobody accept "$name"
	try 0 mboxctl offer "$name" "$pid"
	shows "$name" offered "$pid"
	try 0 mboxctl show --json "$name"
	grep -q '"pid":0,"state":\["orphan","offered"\],' "$out" || die "$(cat "$out")"
	go
	finish
	shows "$name" uid "$(id -u nobody)"
	shows "$name" offered -
}

test_accept_of_what_is_not_offered_says_so_and_changes_nothing()
{
	own -m 666
	process sleep 1000
	try 0 mboxctl offer "$name" "$process"
	remember
	for user in root nobody; do
		try 1 su -s /bin/sh "$user" -c "exec mboxctl accept $name"
		said "$name: it is not offered to this process" "exec mboxctl accept"
		printed ''
	done
	unchanged
}

test_accept_beyond_the_quota_of_the_user_exits_1_and_changes_nothing()
{
	own
	echo "$pid" >>"$tmp/processes"
	remember
	later 1 nobody accept "$name"
	try 0 mboxctl offer "$name" "$pid"
	limited user_mailboxes 0 accept_beyond
	finish
	said "$name: a quota of its user is used up"
	unchanged
}

accept_beyond()
{
	go
	until_ended "$pid"
}

test_claim_leaves_an_orphan_of_the_claimers_user()
{
	try 0 as_nobody create -m 666 "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	try 0 mboxctl send "$name" kept
	try 0 as_nobody claim "$name"
	printed "$name: it is of user nobody now, and owned by no process\n"
	shows "$name" uid "$(id -u nobody)"
	try 0 mboxctl claim "$name"
	printed "$name: it is of user root now, and owned by no process\n"
	shows "$name" uid 0
	shows "$name" gid 0
	shows "$name" pid -
	shows "$name" msgs 1
}

test_claim_runs_a_program_that_owns_the_mailbox()
{
	new "$name"
	try 0 mboxctl send "$name" one two
	try 7 mboxctl claim "$name" -- \
		sh -c 'echo $$; mboxctl show "$MBOX_ID"; mboxctl recv -n -l -c 2 "$MBOX_ID"; exit 7'
	same owner "$(sed -n 1p "$out")" "$(awk '$1 == "pid:" { print $2 }' "$out")"
	same messages 'one two' "$(tail -n 2 "$out" | tr '\n' ' ' | sed 's/ $//')"
	shows "$name" pid -
}

test_claim_that_cannot_run_its_program_says_what_has_become_of_the_mailbox()
{
	try 0 as_nobody create "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	try 127 mboxctl claim "$name" -- no-such-program
	said "no-such-program: there is no such program"
	printed "$name: it is of user root now, and owned by no process\n"
	shows "$name" uid 0
	shows "$name" pid -
}

test_claim_that_fails_says_why_and_changes_nothing()
{
	own -m 666
	remember
	try 1 mboxctl claim "$name"
	said "$name: a process owns it"
	printed ''
	unchanged
	kill "$pid"
	finish
	remember
	try 1 as_nobody claim "$name" -- echo "run all the same"
	said "$name: you are not its user, nor have CAP_IPC_OWNER"
	printed ''
	unchanged
}

test_a_grant_lets_a_process_of_another_user_receive_until_it_ends()
{
	new -m 600 "$name"
	later 0 nobody recv -n "$name"
	try 0 mboxctl send "$name" hello
	try 0 mboxctl grant "$name" "$pid" receive
	printed ''
	try 0 mboxctl show "$name"
	grep -q "^grants: *$pid receive (participant [1-9][0-9]*)\$" "$out" || die "$(cat "$out")"
	go
	finish
	printed hello
	until_shows "$name" grants -
}

# "PID RIGHT,..." a line, of what show has printed
granted_in()
{
	sed -n 's/^grants: *\([0-9]* [a-z,]*\) (participant [1-9][0-9]*)$/\1/p' "$1"
}

test_rights_are_added_shown_and_taken_back_one_by_one()
{
	new "$name"
	process sleep 1000
	first=$process
	process sleep 1000
	try 0 mboxctl grant "$name" "$first" send
	try 0 mboxctl grant "$name" "$first" manage,receive
	try 0 mboxctl grant "$name" "$process" manage
	try 0 mboxctl show "$name"
	same grants "$first send,receive,manage;$process manage;" \
		"$(granted_in "$out" | sort -n | tr '\n' ';')"
	try 0 mboxctl show --json "$name"
	is_json "$out"
	cp "$out" "$tmp/shown"
	for object in "{\"pid\":$first,\"participant\":[1-9][0-9]*,\"rights\":\[\"send\",\"receive\",\"manage\"\]}" \
		"{\"pid\":$process,\"participant\":[1-9][0-9]*,\"rights\":\[\"manage\"\]}"; do
		grep -q -- "$object" "$out" || die "no $object in $(cat "$out")"
	done
	try 0 mboxctl ls --json
	is_json "$out"
	grep -qF -- "$(cat "$tmp/shown")" "$out" || die "$(cat "$tmp/shown" "$out")"
	try 0 mboxctl revoke "$name" "$first" send,manage
	printed ''
	try 0 mboxctl revoke "$name" "$process" manage
	try 0 mboxctl show "$name"
	same grants "$first receive" "$(granted_in "$out")"
}

test_a_revoked_receiver_that_waits_is_told()
{
	new "$name"
	later 1 nobody recv "$name"
	try 0 mboxctl grant "$name" "$pid" receive
	go
	until_shows "$name" receivers 1
	try 0 mboxctl revoke "$name" "$pid" receive
	finish
	said "$name: the right to do that has been taken away"
	shows "$name" receivers 0
}

test_a_grant_or_revocation_that_fails_says_why_and_changes_nothing()
{
	own -m 666
	process sleep 1000
	try 0 mboxctl grant "$name" "$pid" receive
	remember
	for verb in grant revoke; do
		try 1 as_nobody "$verb" "$name" "$pid" receive
		said "$name: no right to manage it"
	done
	try 1 mboxctl grant "$name" 2147483647 send
	said "$name: there is no such process"
	try 1 mboxctl revoke "$name" "$process" send
	said "$name: that process has no grant"
	limited max_grants 1 try 1 mboxctl grant "$name" "$process" send
	said "$name: it has as many grants as the limit allows"
	unchanged
}

test_chmod_changes_the_mode_of_each_and_goes_on_after_an_error()
{
	umask 077
	new "$name"
	first=$box
	new
	try 1 mboxctl chmod 646 "$name" "$name.missing" "$box"
	said "$name.missing: there is no such mailbox"
	shows "$first" mode 0646
	shows "$box" mode 0646
	try 0 as_nobody send "$box" x
	try 0 as_nobody recv -n "$box"
	try 0 mboxctl chmod 0 "$box"
	shows "$box" mode 0000
	try 1 as_nobody send "$box" x
}

test_chmod_by_another_user_is_refused()
{
	new -m 666 "$name"
	remember
	try 1 as_nobody chmod 600 "$name"
	said "$name: no right to change its mode"
	unchanged
}

test_chown_takes_names_and_numbers_of_user_group_or_both()
{
	own
	while read -r words uid gid; do
		try 0 mboxctl chown "$words" "$name"
		printed ''
		same "uid and gid after $words" "$uid $gid" "$(field "$name" uid) $(field "$name" gid)"
	done <<-END
		nobody $(id -u nobody) 0
		:nogroup $(id -u nobody) $(id -g nobody)
		root:root 0 0
		12345:54321 12345 54321
		0 0 54321
		:0 0 0
	END
	shows "$name" pid "$pid"
	try 0 mboxctl chown nobody "$name"
	try 0 as_nobody send -n "$name" x
}

test_chown_goes_on_after_an_error()
{
	new
	first=$box
	new
	try 1 mboxctl chown nobody "$first" "$name.missing" "$box"
	said "$name.missing: there is no such mailbox"
	shows "$first" uid "$(id -u nobody)"
	shows "$box" uid "$(id -u nobody)"
}

test_chown_without_privilege_is_refused_even_to_its_user()
{
	try 0 as_nobody create "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	remember
	for owner in nobody root :nogroup; do
		try 1 as_nobody chown "$owner" "$name"
		said "$name: that takes CAP_IPC_OWNER"
	done
	unchanged
}

# limit TUNABLE: what the last table says of it: used, limit, error
limit()
{
	awk -v tunable="net.mbox.$1" '$NF == tunable { print $(NF - 3), $(NF - 2), $(NF - 1) }' "$out"
}

# Each is set to a value of its own, so that none is taken for another.
test_limits_lists_every_tunable_with_its_value_and_error()
{
	value=80
	for file in /proc/sys/net/mbox/*; do
		# What it bounds is time, and no error comes of it.
		[ "${file##*/}" != spin_us ] || continue
		value=$((value + 1))
		echo "$file $(cat "$file")" >>"$tmp/before"
		echo "net.mbox.${file##*/} $value" >>"$tmp/set"
		echo "$value" >"$file"
	done
	mboxctl limits >"$out"
	while read -r file value; do
		echo "$value" >"$file"
	done <"$tmp/before"
	sed 1d "$out" | awk '{ print $NF, $(NF - 2) }' | sort >"$tmp/listed"
	cmp "$tmp/set" "$tmp/listed" || die "$(cat "$tmp/set" "$out")"

	cat >"$tmp/errors" <<-END
		max_msgs ENOBUFS
		max_size EINVAL
		max_bytes ENOBUFS
		max_grants EMLINK
		default_share EXFULL
		user_mailboxes EDQUOT
		user_msgs EDQUOT
		user_bytes EDQUOT
		user_files EDQUOT
		user_listeners EDQUOT
		ns_mailboxes ENOSPC
		ns_msgs ENOSPC
		ns_bytes ENOSPC
		ns_files ENOSPC
		ns_listeners ENOSPC
	END
	sed '1d;s/net.mbox.//' "$out" | awk '{ print $NF, $(NF - 1) }' >"$tmp/listed"
	cmp "$tmp/errors" "$tmp/listed" || die "$(cat "$out")"
}

test_limits_shows_what_is_used()
{
	try 0 mboxctl limits
	boxes=$(limit ns_mailboxes | cut -d ' ' -f 1)
	msgs=$(limit ns_msgs | cut -d ' ' -f 1)
	bytes=$(limit ns_bytes | cut -d ' ' -f 1)
	new
	try 0 as_nobody create "$name"
	echo "$name" >>"$tmp/boxes"
	try 0 as_nobody send "$name" 1 2 3
	try 0 mboxctl send "$name" 4
	try 0 as_nobody limits
	same "mailboxes of nobody" 1 "$(limit user_mailboxes | cut -d ' ' -f 1)"
	same "messages of nobody" 3 "$(limit user_msgs | cut -d ' ' -f 1)"
	[ "$(limit user_bytes | cut -d ' ' -f 1)" -ge 3 ] || die "$(cat "$out")"
	grep -q '^mailboxes of user nobody ' "$out" || die "$(cat "$out")"
	same "mailboxes of all" $((boxes + 2)) "$(limit ns_mailboxes | cut -d ' ' -f 1)"
	same "messages of all" $((msgs + 4)) "$(limit ns_msgs | cut -d ' ' -f 1)"
	[ "$(limit ns_bytes | cut -d ' ' -f 1)" -gt "$bytes" ] || die "$(cat "$out")"
	same "used of a mailbox" - "$(limit max_msgs | cut -d ' ' -f 1)"
	cp "$out" "$tmp/table"
	try 0 mboxctl limits --user nobody
	cmp "$tmp/table" "$out" || die "$(cat "$tmp/table" "$out")"
	try 0 mboxctl limits --user "$(id -u nobody)"
	cmp "$tmp/table" "$out" || die "$(cat "$out")"
}

test_limits_json_is_an_array_of_the_same()
{
	try 0 mboxctl limits --user nobody
	sed 1d "$out" | awk '{ sub(/.* of user [^ ]*/, "USER&"); print $NF, $(NF - 1),
		/^USER/ ? 65534 : "-", $(NF - 3), $(NF - 2) }' >"$tmp/table"
	try 0 mboxctl limits --user nobody --json
	is_json "$out"
	sed '1d;$d' "$out" | awk -F '[:,{}"]+' '{ delete value; for (i = 2; i < NF; i += 2)
		value[$i] = $(i + 1); print value["tunable"], value["errno"],
		"uid" in value ? value["uid"] : "-", "used" in value ? value["used"] : "-",
		value["limit"] }' >"$tmp/json"
	cmp "$tmp/table" "$tmp/json" || die "$(cat "$tmp/table" "$tmp/json" "$out")"
}

test_limits_of_another_user_are_for_the_privileged()
{
	try 0 as_nobody limits --user nobody
	try 1 as_nobody limits --user root
	said "root: what another user has used is for those with CAP_SYS_RESOURCE"
	printed ''
}

test_who_meets_a_quota_is_told_which_and_where_to_look()
{
	try 0 as_nobody create "$name"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	for words in "user_mailboxes create" "user_msgs send $name x" "user_bytes send $name x"; do
		limited "${words%% *}" 0 try 1 as_nobody ${words#* }
		said "a quota of its user is used up" "mboxctl limits"
		printed ''
	done
	for words in "ns_mailboxes create" "ns_msgs send $name x" "ns_bytes send $name x"; do
		limited "${words%% *}" 0 try 1 as_nobody ${words#* }
		said "a quota of the network namespace is used up" "mboxctl limits"
		printed ''
	done
	shows "$name" sent 0
}

run_tests "$@"
