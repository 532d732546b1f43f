#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What mboxctl tells those who watch: ls in an order and with a choice, show with the
# times in the queue, stat, colours, and what bash completes. What is printed is read
# back and compared with what was done. Needs root and the module, for the last two also
# bash and script.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, other shells expand what is in single quotes, and functions of
# mboxctl.sh call the tests and set variables for them.
# shellcheck disable=SC1091,SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086,SC2119,SC2154,SC2317

. "$(dirname "$0")/mboxctl.sh"

completion=/usr/share/bash-completion/completions/mboxctl

# listed WORD... : the lines of the last output, in that order
listed()
{
	for word; do
		echo "$word"
	done >"$tmp/expected"
	cmp -s "$tmp/expected" "$out" && return
	diff "$tmp/expected" "$out"
	die "that is not what there should be"
}

# Values of a member, a line each, of objects that are a line each.
members()
{
	grep -o "\"$1\":[^],}]*" "$2" | cut -d : -f 2-
}

# many: $a, $b and $c, with 3, 1 and 2 messages, and $a has the smallest id
many()
{
	new -c 8 "$name.b"
	a=$box
	new -c 4 -m 622 "$name.c"
	b=$box
	new -c 2 "$name.a"
	c=$box
	mboxctl send "$a" 1 2 3
	mboxctl send "$b" 1
	mboxctl send "$c" 1 2
}

#
# ls
#

test_ls_sorts_by_id_unless_asked()
{
	many
	try 0 mboxctl ls --ids "$name.*"
	listed "$a" "$b" "$c"
	try 0 mboxctl ls --ids --sort -id "$name.*"
	listed "$c" "$b" "$a"
}

test_ls_sorts_by_a_number_either_way()
{
	many
	try 0 mboxctl ls --ids --sort msgs "$name.*"
	listed "$b" "$c" "$a"
	try 0 mboxctl ls --ids --sort=-msgs "$name.*"
	listed "$a" "$c" "$b"
	try 0 mboxctl ls "$name.*" --sort max_msgs
	same order "$c $b $a " "$(awk 'NR > 1 { print $1 }' "$out" | tr '\n' ' ')"
	try 0 mboxctl ls --json "$name.*" --sort -max_msgs
	same order "$a $b $c " "$(members id "$out" | tr '\n' ' ')"
}

test_ls_sorts_by_name_either_way()
{
	many
	try 0 mboxctl ls --names --sort name "$name.*"
	listed "$name.a" "$name.b" "$name.c"
	try 0 mboxctl ls --names --sort -name "$name.*"
	listed "$name.c" "$name.b" "$name.a"
}

test_ls_has_equals_by_id_in_either_direction()
{
	many
	try 0 mboxctl ls --ids --sort senders "$name.*"
	listed "$a" "$b" "$c"
	try 0 mboxctl ls --ids --sort -senders "$name.*"
	listed "$a" "$b" "$c"
}

test_ls_sorts_by_whatever_json_has_as_a_number()
{
	many
	try 0 mboxctl recv -n "$a"
	try 0 mboxctl recv -n -c 2 "$c"
	try 3 mboxctl send -n "$c" 1 2 3
	try 0 mboxctl show --json "$a"
	keys=$(sed 's/\[[^]]*\]//g' "$out" | grep -oE '"[a-z_]+":[0-9]+' | tr -d '"' | cut -d : -f 1)
	[ "$(echo "$keys" | wc -l)" -ge 20 ] || die "only $keys"
	for key in $keys; do
		try 0 mboxctl ls --json --sort "$key" "$name.*"
		members "$key" "$out" >"$tmp/values"
		same "number of values" 3 "$(wc -l <"$tmp/values")"
		sort -n "$tmp/values" | cmp - "$tmp/values" || die "$key: $(cat "$tmp/values")"
		try 0 mboxctl ls --json --sort "-$key" "$name.*"
		members "$key" "$out" >"$tmp/values"
		sort -rn "$tmp/values" | cmp - "$tmp/values" || die "-$key: $(cat "$tmp/values")"
	done
}

test_ls_takes_patterns_for_names_and_ids()
{
	many
	try 0 mboxctl ls --names "$name.[ab]"
	listed "$name.b" "$name.a"
	try 0 mboxctl ls --names "$name.?" "$a"
	listed "$name.b" "$name.c" "$name.a"
	try 0 mboxctl ls --ids "$c" "$name.b"
	listed "$a" "$c"
	new
	try 0 mboxctl ls --ids "$box" "$name.a"
	listed "$c" "$box"
	try 0 mboxctl ls --ids
	grep -qx "$box" "$out" || die "$(cat "$out")"
}

test_ls_with_nothing_to_list_is_no_error()
{
	new "$name"
	for words in "$name.*" "--full $name" "--pid $$ $name" "--user nobody $name"; do
		try 0 mboxctl ls $words
		same lines 1 "$(wc -l <"$out")"
		grep -q '^ *ID  *NAME ' "$out" || die "$(cat "$out")"
		try 0 mboxctl ls --json $words
		printed '[]\n'
		try 0 mboxctl ls --ids $words
		printed ''
	done
}

test_ls_chooses_by_user()
{
	new "$name.root"
	try 0 as_nobody create "$name.nobody"
	read -r box <"$out"
	echo "$box" >>"$tmp/boxes"
	try 0 mboxctl ls --names --user nobody "$name.*"
	listed "$name.nobody"
	try 0 mboxctl ls --names --user "$(id -u nobody)" "$name.*"
	listed "$name.nobody"
	try 0 mboxctl ls --names --user root "$name.*"
	listed "$name.root"
}

test_ls_chooses_by_owner_and_orphans()
{
	new "$name.orphan"
	own
	owner=$pid
	try 0 mboxctl ls --ids --pid "$owner"
	listed "$box"
	try 0 mboxctl ls --names --orphan "$name*"
	listed "$name.orphan"
	kill "$pid"
	finish
	try 0 mboxctl ls --names --orphan "$name*"
	listed "$name.orphan" "$name"
	try 0 mboxctl ls --names --pid "$owner" "$name*"
	printed ''
}

test_ls_chooses_those_without_room()
{
	new -c 2 "$name.msgs"
	new -c unbounded -b 10 -s 6 "$name.bytes"
	new -c unbounded -b unbounded "$name.unbounded"
	new --rendezvous "$name.rendezvous"
	try 0 mboxctl ls --names --full "$name.*"
	printed ''
	try 0 mboxctl send "$name.msgs" 1
	try 0 mboxctl send "$name.bytes" 1234
	try 0 mboxctl send "$name.unbounded" 1234
	try 0 mboxctl ls --names --full "$name.*"
	printed ''
	try 0 mboxctl send "$name.msgs" 2
	try 0 mboxctl ls --names --full "$name.*"
	listed "$name.msgs"
	# It has room for 5 bytes more, and not for 6.
	try 0 mboxctl send "$name.bytes" 5
	try 0 mboxctl ls --names --full "$name.*"
	listed "$name.msgs" "$name.bytes"
	try 0 mboxctl recv "$name.msgs"
	try 0 mboxctl ls --names --full "$name.*"
	listed "$name.bytes"
}

test_ls_says_full_as_the_kernel_does()
{
	new -c 2 "$name"
	try 0 mboxctl send "$name" 1
	shows "$name" filled 0
	try 0 mboxctl send "$name" 2
	shows "$name" filled 1
	try 0 mboxctl ls --ids --full "$name"
	listed "$box"
}

test_ls_chooses_those_where_somebody_waits()
{
	new -c 1 "$name.send"
	new "$name.recv"
	new "$name.reply"
	new "$name.nobody"
	try 0 mboxctl send "$name.send" 1
	try 0 mboxctl ls --names --waiting "$name.*"
	printed ''
	process mboxctl send "$name.send" 2
	until_shows "$name.send" senders 1
	process mboxctl recv "$name.recv"
	until_shows "$name.recv" receivers 1
	try 0 mboxctl ls --names --waiting "$name.*"
	listed "$name.send" "$name.recv"
	process mboxctl serve "$name.reply" -- sleep 1000
	until_shows "$name.reply" receivers 1
	process mboxctl call "$name.reply" x
	until_shows "$name.reply" requests 1
	until_shows "$name.reply" receivers 0
	try 0 mboxctl ls --names --waiting "$name.*"
	listed "$name.send" "$name.recv" "$name.reply"
}

test_ls_chooses_by_all_that_is_asked_for()
{
	many
	try 0 mboxctl send "$b" 2 3 4
	try 0 mboxctl ls --names --full --orphan --user root --sort name "$name.*"
	listed "$name.a" "$name.c"
	try 0 mboxctl ls --names --full --orphan --user root "$name.[bc]"
	listed "$name.c"
	try 0 mboxctl ls --names --full --orphan --user nobody "$name.*"
	printed ''
	try 0 mboxctl ls --names --full --waiting "$name.*"
	printed ''
}

test_names_are_as_they_are_for_programs_and_ids_where_there_are_none()
{
	odd=$(printf '%s\\\377\302\233' "$name")
	new "$odd"
	new
	try 0 mboxctl ls --names "$box" "$name*"
	printf '%s\n%s\n' "$odd" "$box" | cmp - "$out" || die "$(cat "$out")"
	try 0 script -qec "mboxctl ls --names '$name*'" /dev/null
	tr -d '\r' <"$out" >"$tmp/plain"
	is_ascii "$tmp/plain"
	grep -qxF "$name"'\\\xff\xc2\x9b' "$tmp/plain" || die "$(cat "$out")"
}

test_ls_shows_another_user_what_that_may_see()
{
	new -m 600 "$name.private"
	new -m 602 "$name.send"
	new -m 604 "$name.recv"
	try 0 as_nobody ls --names "'$name.*'"
	listed "$name.send" "$name.recv"
	try 0 as_nobody ls --names --orphan --sort -name "'$name.*'"
	listed "$name.send" "$name.recv"
}

#
# show
#

test_show_counts_what_was_refused_skipped_and_filled()
{
	new -c 3 --by-tag
	for key in refused skipped filled; do
		shows "$box" $key 0
	done
	for tag in 1 2 3; do
		shows "$box" filled 0
		try 0 mboxctl send --tag $tag "$box" x
	done
	shows "$box" filled 1
	try 3 mboxctl send -n "$box" x
	try 4 mboxctl send -t 0 "$box" x
	shows "$box" refused 2
	# It is one that came before its turn, before two others.
	try 0 mboxctl recv -n --tag 3 "$box"
	shows "$box" skipped 1
	try 0 mboxctl recv -n "$box"
	try 0 mboxctl recv -n --tag 2 "$box"
	shows "$box" skipped 1
	try 0 mboxctl send "$box" a b c
	shows "$box" filled 2
	try 0 mboxctl show --json "$box"
	is_json "$out"
	grep -q '"refused":2,"skipped":1,"filled":2,' "$out" || die "$(cat "$out")"
}

# waited_in FILE: "FROM BELOW COUNT" a line, of the JSON that show prints
waited_in()
{
	sed 's/.*"waited":\[//; s/\]}$//; s/},{/}\n{/g' "$1" | tr -d '\n' | tr '}' '\n' |
		sed 's/[^0-9a-z,:]//g; s/[a-z]*:/ /g; s/[ ,]\{1,\}/ /g; s/^ //'
}

test_show_tells_how_long_messages_waited()
{
	new
	shows "$box" waited -
	try 0 mboxctl show --json "$box"
	grep -q '"waited":\[\]}$' "$out" || die "$(cat "$out")"
	try 0 mboxctl send "$box" a b c
	try 0 mboxctl recv -n "$box"
	usleep 300000
	try 0 mboxctl recv -n -c 2 "$box"
	try 0 mboxctl show --json "$box"
	is_json "$out"
	waited_in "$out" >"$tmp/buckets"
	same "messages in all" 3 "$(awk '{ sum += $3 } END { print sum }' "$tmp/buckets")"
	awk '$2 > 300000000 { late += $3 } END { exit late < 2 }' "$tmp/buckets" ||
		die "two waited longer: $(cat "$tmp/buckets")"
}

test_buckets_are_powers_of_two_and_rise()
{
	new
	for _ in 1 2 3 4 5; do
		try 0 mboxctl send "$box" x
		try 0 mboxctl recv -n "$box"
	done
	usleep 50000
	try 0 mboxctl show --json "$box"
	waited_in "$out" >"$tmp/buckets"
	awk '{ size = 1024; while (size < $2) size *= 2
	       wrong = wrong || $3 < 1 || $1 < before || size != $2 ||
	       $1 != (size == 1024 ? 0 : size / 2); before = $2; rows++ }
	     END { exit wrong || !rows }' "$tmp/buckets" || die "$(cat "$tmp/buckets")"
}

test_a_look_is_no_wait_that_has_ended()
{
	new
	try 0 mboxctl send "$box" x
	try 0 mboxctl recv -n --peek "$box"
	shows "$box" waited -
}

# The chart has a row for each bucket from the first to the last: those of --json,
# and between them those that are empty.
test_the_chart_shows_the_buckets()
{
	new
	try 0 mboxctl send "$box" a b c d
	try 0 mboxctl recv -n "$box"
	usleep 200000
	try 0 mboxctl recv -n -c 3 "$box"
	try 0 mboxctl show --json "$box"
	waited_in "$out" >"$tmp/buckets"
	try 0 mboxctl show "$box"
	sed -n '/^waited:/,$p' "$out" | sed 1d >"$tmp/chart"
	same counts "$(awk '{ print $3 }' "$tmp/buckets")" \
		"$(awk '$NF > 0 { print $NF }' "$tmp/chart")"
	same rows "$(awk 'NR == 1 { from = $2 } END { for (rows = 1; from < $2; from *= 2) rows++
		print rows }' "$tmp/buckets")" "$(wc -l <"$tmp/chart")"
	bars_are_fair
}

# The longest bar of the chart is that of the most, and only the empty have none.
bars_are_fair()
{
	awk '{ len = gsub(/#/, "#") }
	     len > 40 || (len > 0) != ($NF > 0) { wrong = 1 }
	     $NF > most { most = $NF; bar = len }
	     END { exit wrong || bar != 40 }' "$tmp/chart" || die "$(cat "$tmp/chart")"
}

# percentile PERCENT: where it is in the chart, by counting
percentile()
{
	awk -v percent="$1" '{ sum += $NF; counted[NR] = sum; below[NR] = $4 " " $5 }
		END { for (i = 1; counted[i] * 100 < sum * percent; i++);
		      print below[i] }' "$tmp/chart"
}

test_percentiles_are_the_ends_of_buckets()
{
	new -c 200
	yes | head -n 100 >"$tmp/in"
	try 0 mboxctl send -l "$box" <"$tmp/in"
	try 0 mboxctl recv -n -c 49 "$box"
	usleep 100000
	try 0 mboxctl recv -n -c 41 "$box"
	usleep 300000
	try 0 mboxctl recv -n -c 9 "$box"
	usleep 500000
	try 0 mboxctl recv -n "$box"
	try 0 mboxctl show "$box"
	sed -n '/^waited:/,$p' "$out" | sed 1d >"$tmp/chart"
	same percentiles "p50 < $(percentile 50), p90 < $(percentile 90), p99 < $(percentile 99)" \
		"$(sed -n 's/^waited: *//p' "$out")"
	bars_are_fair
}

test_show_tells_another_user_as_much()
{
	new -m 604
	try 0 mboxctl send "$box" a b
	try 0 as_nobody recv -n "$box"
	mboxctl show "$box" >"$tmp/root"
	try 0 as_nobody show "$box"
	cmp "$tmp/root" "$out" || die "$(cat "$out")"
	mboxctl show --json "$box" >"$tmp/root"
	try 0 as_nobody show --json "$box"
	cmp "$tmp/root" "$out" || die "$(cat "$out")"
}

#
# stat
#

# watching CODE ARGUMENT...: `stat --json` in the background, once it has written a line;
# not for ever
watching()
{
	code=$1
	shift
	background "$code" $as mboxctl stat --json -i 0.2 -c 500 "$@"
	until_written 1
}

# watching_as_nobody CODE ARGUMENT...: likewise; $pid is mboxctl all the same
watching_as_nobody()
{
	as=exec_as_nobody
	watching "$@"
	as=
}

exec_as_nobody()
{
	exec su -s /bin/sh nobody -c "exec $*"
}

# until_written COUNT: lines in all
until_written()
{
	for _ in $thousand; do
		[ "$(wc -l <"$tmp/late.out")" -ge "$1" ] && return
		usleep 10000
	done
	die "it never wrote $1 lines: $(cat "$tmp/late.out" "$tmp/late.err")"
}

# Once another line has been begun and ended, what was done before is in there.
until_told()
{
	until_written $(($(wc -l <"$tmp/late.out") + 2))
}

are_json()
{
	while read -r line; do
		echo "$line" >"$tmp/line"
		is_json "$tmp/line"
	done <"$1"
}

stop()
{
	kill -TERM "$pid"
	finish
}

# counted KEY: how many that makes, rates times seconds
counted()
{
	sed 's/.*"seconds":\([0-9.]*\),.*"'"$1"'":\([0-9.]*\)[,}].*/\1 \2/' "$tmp/late.out" |
		awk '{ sum += $1 * $2 } END { printf "%.0f\n", sum }'
}

test_stat_tells_rates_of_what_was_done_since_it_began()
{
	new -c 3
	try 0 mboxctl send "$box" before
	watching 0 "$box"
	try 0 mboxctl send "$box" 1 2
	try 3 mboxctl send -n "$box" 3
	try 0 mboxctl recv -n "$box"
	try 0 mboxctl send --expires 0.05 "$box" 4
	until_shows "$box" expired 1
	until_told
	stop
	are_json "$out"
	same sent 3 "$(counted sent_rate)"
	same received 1 "$(counted received_rate)"
	same refused 1 "$(counted refused_rate)"
	same expired 1 "$(counted expired_rate)"
	tail -n 1 "$out" >"$tmp/last"
	for pair in "id:$box" name:null msgs:2 bytes:2 senders:0 receivers:0; do
		grep -q "\"${pair%:*}\":${pair#*:}[,}]" "$tmp/last" || die "no $pair in $(cat "$tmp/last")"
	done
}

test_stat_tells_who_waits()
{
	new -c 1
	try 0 mboxctl send "$box" 12345
	process mboxctl send "$box" x
	process mboxctl send "$box" y
	until_shows "$box" senders 2
	try 0 mboxctl stat --json -i 0.05 -c 1 "$box"
	grep -q '"msgs":1,"bytes":5,"senders":2,"receivers":0}$' "$out" || die "$(cat "$out")"
	new "$name"
	process mboxctl recv "$box"
	until_shows "$box" receivers 1
	try 0 mboxctl stat --json -i 0.05 -c 1 "$name"
	grep -q '"senders":0,"receivers":1}$' "$out" || die "$(cat "$out")"
	grep -q "\"id\":$box,\"name\":\"$name\"," "$out" || die "$(cat "$out")"
}

test_stat_without_names_sums_up_all_and_counts_new_ones_from_their_beginning()
{
	new
	try 0 mboxctl send "$box" before
	watching 0
	try 0 mboxctl send "$box" 1 22
	first=$box
	new
	try 0 mboxctl send "$box" 333
	try 0 mboxctl recv -n "$first"
	until_told
	stop
	are_json "$out"
	same sent 3 "$(counted sent_rate)"
	same received 1 "$(counted received_rate)"
	mboxctl ls --json >"$tmp/all"
	sum_of() { members "$1" "$tmp/all" | awk '{ sum += $1 } END { print sum }'; }
	tail -n 1 "$out" >"$tmp/last"
	same mailboxes "$(members id "$tmp/all" | wc -l)" "$(members mailboxes "$tmp/last")"
	same messages "$(sum_of msgs)" "$(members msgs "$tmp/last")"
	same bytes "$(sum_of bytes)" "$(members bytes "$tmp/last")"
}

# The chance of a mailbox to be seen is that of its rights.
test_stat_shows_another_user_what_that_may_see()
{
	new -m 600 "$name"
	new -m 604
	before=$(as_nobody ls --ids | wc -l)
	try 0 mboxctl send "$box" 1 2 3
	try 0 mboxctl send "$name" 1
	try 0 as_nobody stat --json -i 0.05 -c 1
	same mailboxes "$before" "$(members mailboxes "$out")"
	try 0 as_nobody stat --json -i 0.05 -c 1 "$box"
	same messages 3 "$(members msgs "$out")"
	try 1 as_nobody stat -c 1 "$box" "$name"
	said "$name: no right to it"
	printed ''
}

test_a_mailbox_that_comes_into_sight_is_not_taken_for_a_new_one()
{
	new -m 604 "$name.seen"
	new -m 600 "$name"
	try 0 mboxctl send "$name" 1 2 3
	# It has been there before this one, which nobody sees now.
	new -m 604 "$name.later"
	watching_as_nobody 0
	try 0 mboxctl chmod 604 "$name"
	until_told
	stop
	same sent 0 "$(counted sent_rate)"
}

test_stat_in_a_table_has_titles_and_a_line_each_time()
{
	new -c 1 "$name"
	first=$box
	new
	try 0 mboxctl send "$name" 123
	try 0 mboxctl stat -i 0.05 -c 2 "$name" "$box"
	awk -v name="$name" -v id="$box" 'NR == 1 { wrong = $1 != "NAME" || $NF != "RECEIVERS" || NF != 9 }
	     NR == 2 || NR == 4 { wrong = wrong || $1 != name || $6 != 1 || $7 != 3 }
	     NR == 3 || NR == 5 { wrong = wrong || $1 != id || $6 != 0 || $7 != 0 }
	     NR > 1 { wrong = wrong || NF != 9 || $2 !~ /^[0-9]+\.[0-9]$/ }
	     END { exit wrong || NR != 5 }' "$out" || die "$(cat "$out")"
	try 0 mboxctl stat -i 0.05 -c 3
	same titles "SENT/S RECV/S REFUSED/S EXPIRED/S MSGS BYTES SENDERS RECEIVERS" \
		"$(awk 'NR == 1 { $1 = $1; print }' "$out")"
	same lines 4 "$(wc -l <"$out")"
}

test_stat_takes_as_long_as_its_intervals()
{
	new
	begin=$(centiseconds)
	try 0 mboxctl stat -i 0.2 -c 3 "$box"
	passed=$(($(centiseconds) - begin))
	[ "$passed" -ge 59 ] || die "it took $passed hundredths of a second"
}

test_stat_ends_with_0_when_it_is_interrupted()
{
	new
	for words in '' --json "$box" "$box $box"; do
		interrupted mboxctl stat -i 0.05 -c 1000 $words
		[ "$(wc -l <"$out")" -lt 1000 ] || die "it went on"
	done
}

test_stat_ends_with_0_when_it_is_terminated()
{
	new
	background 0 mboxctl stat -i 100 "$box"
	until_waiting "$pid"
	stop
	printed ''
}

# In ppoll(2), which ends with an interval or by a signal; 309 or 414 in 32 bits.
until_waiting()
{
	for _ in $thousand; do
		grep -qE '^(271|309|414) ' "/proc/$1/syscall" && return
		usleep 10000
	done
	die "process $1 never waited"
}

# What the shell runs in the background ignores SIGINT.
test_stat_goes_on_at_a_signal_that_is_ignored()
{
	watching 0
	kill -INT "$pid"
	until_told
	stop
}

test_stat_ends_with_0_when_the_mailboxes_are_gone()
{
	new "$name.a"
	first=$box
	new "$name.b"
	watching 0 "$name.a" "$name.b"
	until_written 4
	try 0 mboxctl rm "$name.a"
	# Each time had two lines.
	until_told
	until_told
	tail -n 1 "$tmp/late.out" >"$tmp/last"
	grep -q "\"id\":$box," "$tmp/last" || die "$(cat "$tmp/last")"
	same "mailboxes now" 1 "$(tail -n 2 "$tmp/late.out" | cut -d , -f 3 | sort -u | wc -l)"
	# What is called so now is another one.
	new "$name.a"
	try 0 mboxctl rm "$name.b"
	finish
	grep -q "\"id\":$box," "$out" && die "$(cat "$out")"
	true
}

test_stat_that_may_not_look_any_more_says_so()
{
	new -m 604 "$name"
	watching_as_nobody 1 "$name"
	try 0 mboxctl chmod 600 "$name"
	finish
	said "no right to it"
}

test_stat_of_what_is_not_there_fails_at_once()
{
	new
	try 1 mboxctl stat "$box" "$name.missing"
	said "$name.missing: there is no such mailbox"
	printed ''
}

#
# Colours
#

escape=$(printf '\033')

# on_terminal COMMAND: its output goes to $out
on_terminal()
{
	try 0 script -qec "$1" /dev/null
}

test_colours_are_for_terminals_only()
{
	new -c 1 "$name"
	try 0 mboxctl send "$box" x
	TERM=xterm
	export TERM
	for words in ls "show $name" "stat -i 0.05 -c 1 $name"; do
		try 0 mboxctl $words
		grep -q "$escape" "$out" && die "$(cat "$out")"
		on_terminal "mboxctl $words"
		grep -q "$escape\[31m" "$out" || die "$(cat "$out")"
		grep -q "$escape\[1m" "$out" || die "$(cat "$out")"
		for variable in NO_COLOR=1 TERM=dumb TERM=; do
			on_terminal "env $variable mboxctl $words"
			grep -q "$escape" "$out" && die "$variable: $(cat "$out")"
		done
		on_terminal "env NO_COLOR= mboxctl $words"
		grep -q "$escape" "$out" || die "$(cat "$out")"
		on_terminal "mboxctl $(echo "$words" | sed 's/^[a-z]*/& --json/')"
		grep -q "$escape" "$out" && die "$(cat "$out")"
	done
	true
}

test_colours_tell_what_is_full_and_what_is_an_orphan()
{
	export TERM=xterm
	new -c 2 "$name"
	on_terminal "mboxctl ls $name"
	grep -q "$escape\[31m" "$out" && die "$(cat "$out")"
	grep -q "$escape\[33m-$escape\[m" "$out" || die "$(cat "$out")"
	try 0 mboxctl send "$box" x y
	on_terminal "mboxctl ls $name"
	grep -q "$escape\[31m2/2$escape\[m" "$out" || die "$(cat "$out")"
	on_terminal "mboxctl show $name"
	grep -q "$escape\[31m2$escape\[m" "$out" || die "$(cat "$out")"
	grep -q "$escape\[33m- (orphan)$escape\[m" "$out" || die "$(cat "$out")"
	name=$name.owned
	own
	on_terminal "mboxctl ls $name"
	grep -q "$escape\[33m" "$out" && die "$(cat "$out")"
	true
}

test_colours_do_not_move_columns()
{
	export TERM=xterm
	new -c 1 "$name.full"
	try 0 mboxctl send "$box" x
	new -c 1000 "$name.empty"
	try 0 mboxctl ls "$name.*"
	cp "$out" "$tmp/plain"
	on_terminal "mboxctl ls '$name.*'"
	tr -d '\r' <"$out" | sed "s/$escape\[[0-9]*m//g" | cmp - "$tmp/plain" || die "$(cat "$out")"
}

#
# What bash completes
#

# tab WORD...: what the last word becomes, a line each, in $out
tab()
{
	try 0 bash -u -c '. '$completion'
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_mboxctl
		[ ${#COMPREPLY[@]} = 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash mboxctl "$@"
	same "error message" '' "$(cat "$err")"
}

# tabs SCRIPT WORD...: what it asks for by `tab WORD...`, in one shell; each answer is a
# line, with the words that were asked for before it
tabs()
{
	script=$1
	shift
	try 0 bash -u -c '. '$completion'
		tab()
		{
			COMP_WORDS=(mboxctl "$@") COMP_CWORD=$#
			_mboxctl
			for reply in "${COMPREPLY[@]}"; do
				printf "%s: %s\n" "$*" "$reply"
			done
		}
		'"$script" bash "$@"
	same "error message" '' "$(cat "$err")"
}

test_commands_are_completed()
{
	tab ''
	sort "$out" >"$tmp/completed"
	mboxctl help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' | sort >"$tmp/commands"
	[ -s "$tmp/commands" ] || die "there is no command"
	cmp "$tmp/commands" "$tmp/completed" || die "$(cat "$out")"
	tab sho
	listed show
	tab help transf
	listed transfer
	tab --
	listed --help --version
}

test_options_of_each_command_are_completed()
{
	commands=$(mboxctl help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p')
	for command in $commands; do
		mboxctl help "$command" | sed -nE "s/^  .{4}(--[a-z-]+).*/$command -: \1/p"
	done | sort >"$tmp/options"
	[ "$(wc -l <"$tmp/options")" -ge 40 ] || die "$(cat "$tmp/options")"
	tabs 'for command; do tab "$command" -; done' $commands
	sort "$out" | diff "$tmp/options" - || die "these are not the options"
	tab create --r
	listed --rendezvous --reserve
	tab send --prio 3 --no
	listed --nonblock
}

test_mailboxes_are_completed_where_they_belong()
{
	new "$name.one"
	first=$box
	new "$name.two"
	for words in show stat rm send 'send -p 3' 'recv -c 2' 'recv -n other' call accept \
		'chmod 600' 'chown nobody' 'grant' 'rm other' ls 'ls --sort id'; do
		echo "$words"
	done >"$tmp/words"
	while read -r words; do
		printf '%s\n' "$words $name.: $name.one" "$words $name.: $name.two"
	done <"$tmp/words" >"$tmp/expected"
	tabs 'while read -r -a words; do tab "${words[@]}" "$2"; done <"$1"' "$tmp/words" "$name."
	sort "$out" >"$tmp/completed"
	sort "$tmp/expected" | diff - "$tmp/completed" || die "not what belongs there"
	for words in create chmod chown limits help 'show other' 'send other' 'grant other' \
		'send -p' 'recv -t' 'ls --sort'; do
		echo "$words"
	done >"$tmp/words"
	tabs 'while read -r -a words; do tab "${words[@]}" "$2"; done <"$1"' "$tmp/words" "$name."
	printed ''
}

test_ids_are_completed_once_one_is_begun()
{
	new "$name"
	tab show "$box"
	grep -qx "$box" "$out" || die "$(cat "$out")"
	grep -qvE '^[0-9]+$' "$out" && die "$(cat "$out")"
	tab show ''
	grep -qx "$box" "$out" && die "$(cat "$out")"
	new
	tab show ''
	grep -qx "$box" "$out" || die "$(cat "$out")"
}

test_mailboxes_of_others_are_not_completed()
{
	new "$name"
	su -s /bin/sh nobody -c "bash -c '. $completion
		COMP_WORDS=(mboxctl show $name) COMP_CWORD=2
		_mboxctl
		echo \${#COMPREPLY[@]}'" >"$out"
	printed '0\n'
}

# Each is a name, and would do something, or become something else, as a word.
odd_names()
{
	cat <<-'END'
		odd$(touch$IFS$HERE)
		odd`touch${IFS}$HERE`
		odd;touch$IFS$HERE
		odd|touch&
		odd'quoted'
		odd"quoted"
		odd\backslash
		odd*
		odd[a-z]?
		odd{a,b}
		odd$HOME
		odd!!
		odd#comment
		odd:colon
		odd=equals
		odd<in>out
		odd(sub)
		odd~tilde
		~
		*
		$(touch$IFS$HERE)
		a[$(touch$IFS$HERE)]
	END
	printf 'odd\303\244\n'
	printf 'odd\377\233\n'
}

# taken WORD: what the shell makes of it; nothing else happens
taken()
{
	(cd "$tmp/empty" && HERE=$tmp/executed bash -c "printf '%s\n' $1")
}

test_odd_names_are_completed_to_words_that_mean_them()
{
	export HERE="$tmp/executed"
	mkdir "$tmp/empty"
	odd_names >"$tmp/names"
	while IFS= read -r odd; do
		new "$odd"
	done <"$tmp/names"
	tab show ''
	cp "$out" "$tmp/completed"
	while IFS= read -r word; do
		taken "$word"
	done <"$tmp/completed" >"$tmp/taken"
	while IFS= read -r odd; do
		grep -qxF -- "$odd" "$tmp/taken" || die "no $odd in $(cat "$tmp/taken")"
	done <"$tmp/names"
	same "number of words" "$(mboxctl ls --ids | wc -l)" "$(wc -l <"$tmp/taken")"
	[ ! -e "$HERE" ] || die "something was executed"
}

test_odd_names_are_completed_behind_quotes_and_backslashes()
{
	export HERE="$tmp/executed"
	mkdir "$tmp/empty"
	odd_names | grep '^odd' >"$tmp/names"
	while IFS= read -r odd; do
		new "$odd"
	done <"$tmp/names"
	# With the quote that the line has, and that readline adds at the end.
	for quote in "'" '"'; do
		tab show "${quote}odd"
		[ "$(wc -l <"$out")" -ge 5 ] || die "$(cat "$out")"
		cp "$out" "$tmp/completed"
		while IFS= read -r word; do
			taken "$quote$word$quote" >"$tmp/taken"
			same "$quote$word$quote" "$word" "$(cat "$tmp/taken")"
		done <"$tmp/completed"
	done
	tab show 'odd\$\('
	listed 'odd\$\(touch\$IFS\$HERE\)'
	tab show 'odd$('
	listed 'odd\$\(touch\$IFS\$HERE\)'
	tab show 'odd\:'
	listed 'odd\:colon'
	tab show "'odd:"
	listed 'odd:colon'
	[ ! -e "$HERE" ] || die "something was executed"
}

test_what_stands_on_the_line_is_not_executed()
{
	export HERE="$tmp/executed"
	tabs 'for word; do
			tab "$word"
			tab "$word" ""
			tab show "$word"
			tab send "$word" ""
			tab send --pid "$word" ""
			tab send --pid "$word"
			tab ls --user "$word"
			tab grant "$word" "$word" "$word"
			tab serve "$word" -- "$word"
			tab serve "$word" -- "$word" ""
		done' '$(touch $HERE)' '`touch $HERE`' 'a[$(touch $HERE)]' "';touch $HERE;'" \
		'"$(touch $HERE)' '--$(touch $HERE)' '--user=$(touch $HERE)' '*' ''
	[ -s "$out" ] || die "nothing was completed"
	[ ! -e "$HERE" ] || die "something was executed"
}

test_processes_users_rights_and_programs_are_completed()
{
	new "$name"
	for words in 'send --pid' 'send --pid =' "transfer $name" "grant $name" 'ls --pid' \
		"offer --keep $name"; do
		tab $words "$$"
		grep -qx "$$" "$out" || die "$words: $(cat "$out")"
	done
	tab ls --user nob
	listed nobody
	tab ls --user = nob
	listed nobody
	tab ls --user =
	grep -qx root "$out" || die "$(cat "$out")"
	tab grant "$name" 1 ''
	listed send receive manage
	tab grant "$name" 1 send,m
	listed send,manage
	tab serve "$name" -- mboxct
	grep -qx mboxctl "$out" || die "$(cat "$out")"
	tab serve "$name" -- cat mboxct
	printed ''
}

test_in_another_network_namespace_there_is_nothing_to_complete()
{
	new "$name"
	tab show "$name"
	listed "$name"
	unshare -n bash -c ". $completion
		COMP_WORDS=(mboxctl show '') COMP_CWORD=2
		_mboxctl
		echo \${#COMPREPLY[@]}" >"$out" 2>"$err"
	printed '0\n'
	same "error message" '' "$(cat "$err")"
}

# It is there again when the test ends, whatever was seen without it.
test_without_the_module_it_says_so()
{
	rmmod mbox || die "the module is in use"
	for words in '' ls 'show x' 'stat -c 1' limits; do
		mboxctl $words
		echo "exit code $?"
	done >"$tmp/without" 2>&1
	(tab show '') >"$tmp/tab" 2>&1
	insmod /mbox.ko || die "no module any more"
	cat "$tmp/without" "$tmp/tab"
	same messages 5 "$(grep -c "generic netlink: .*is the module loaded?" "$tmp/without")"
	same "exit codes" 5 "$(grep -c '^exit code 1$' "$tmp/without")"
	same lines 10 "$(wc -l <"$tmp/without")"
	same completed '' "$(cat "$tmp/tab")"
}

run_tests "$@"
