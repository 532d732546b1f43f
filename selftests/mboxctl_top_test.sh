#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mboxctl top, from outside: on a terminal of tmux, whose screen is looked at, and in
# plain lines. Needs root, the module and tmux. Prints KTAP; with -t NAME, of that one
# test only.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, other shells expand what is in single quotes, and functions of
# mboxctl.sh call the tests and set variables for them.
# shellcheck disable=SC1091,SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086,SC2154,SC2317

. "$(dirname "$0")/mboxctl.sh"

# What fits into the column of names, even if there is not much room.
short=qx

# in_tmux COMMAND...: of a server that ends with the test
in_tmux()
{
	tmux -S "$tmp/socket" -f /dev/null "$@"
}

# terminal WIDTH HEIGHT: with a shell that knows of jobs; in an empty directory, so that
# nobody's files matter
terminal()
{
	export LC_ALL=C.UTF-8
	echo "PS1='ready> '" >"$tmp/profile"
	in_tmux new-session -d -x "$1" -y "$2" "ENV=$tmp/profile exec sh -i" || die "no tmux"
	in_tmux display-message -p '#{pid}' >>"$tmp/processes"
	until_screen '^ready>'
}

screen()
{
	in_tmux capture-pane -p
}

# until_screen PATTERN: one of its lines is like that
until_screen()
{
	for _ in $thousand; do
		screen >"$tmp/now"
		grep -q -e "$1" "$tmp/now" && return
		usleep 50000
	done
	screen
	die "the screen never had \"$1\""
}

until_screen_without()
{
	for _ in $thousand; do
		screen >"$tmp/now"
		grep -q -e "$1" "$tmp/now" || return 0
		usleep 50000
	done
	screen
	die "the screen always had \"$1\""
}

# type_keys KEY...: as tmux calls them
type_keys()
{
	in_tmux send-keys "$@"
}

# top ARGUMENT...: on the terminal, from when it has its screen
top()
{
	type_keys "mboxctl top $*; echo ended with \$?" Enter
	until_screen '^mboxctl top '
	until_screen '^q quit'
}

# The names of this test's mailboxes on the screen, from above to below
names()
{
	screen >"$tmp/now"
	awk -v begin="$short." 'index($2, begin) == 1 {
		printf "%s%s", separator, substr($2, length(begin) + 1)
		separator = " "
	}' "$tmp/now"
}

until_names()
{
	for _ in $thousand; do
		[ "$(names)" != "$1" ] || return 0
		usleep 50000
	done
	screen
	die "the names never were in the order $1"
}

# is_tidy WIDTH HEIGHT: the lines of $tmp/screen are no wider than that, and where they
# are expected; says what is not
is_tidy()
{
	awk -v width="$1" -v height="$2" '
	BEGIN {
		like[1] = "^mboxctl top  [0-9:]+, every "
		like[2] = "^Mailboxes: "
		like[3] = "^Messages:  "
		like[4] = "^Used by root: "
		like[5] = "^Used by all: "
		like[6] = "^$"
		like[7] = width < 80 ? "^ *ID NAME " : "^ *ID NAME .* P99$"
		like[height] = "^q quit"
	}
	length($0) > width { print NR " is wider than " width ": " $0 }
	NR in like && $0 !~ like[NR] { print NR " is not like " like[NR] ": " $0 }
	!(NR in like) && !/^ *[0-9]+ .* [^ ]+$|^$/ { print NR " is no row: " $0 }
	END { if (NR != height) print NR " lines instead of " height }' "$tmp/screen" >"$tmp/untidy"
	[ ! -s "$tmp/untidy" ]
}

# Sooner or later: it may be about to be drawn.
tidy()
{
	for _ in $thousand; do
		screen >"$tmp/screen"
		is_tidy "$@" && return
		usleep 50000
	done
	die "$(cat "$tmp/untidy" "$tmp/screen")"
}

# cell LINE-PATTERN TITLE: what a row has below a title that is flush right with it
cell()
{
	screen >"$tmp/now"
	awk -v like="$1" -v title="$2" '
	/^ *ID NAME/ { end = index($0, title) + length(title) - 1 }
	end && $0 ~ like {
		begin = end
		while (substr($0, begin, 1) != " " && begin > 0)
			begin--
		print substr($0, begin + 1, end - begin)
	}' "$tmp/now"
}

until_cell()
{
	for _ in $thousand; do
		cell "$1" "$2" | grep -qxE -e "$3" && return
		usleep 50000
	done
	screen
	die "$2 of $1 never was $3"
}

# What a test before has left would be in the way.
empty()
{
	rest=$(mboxctl ls --json | sed -nE 's/.*"id":([0-9]+),"name".*/\1/p')
	[ -z "$rest" ] || mboxctl rm $rest
}

test_the_screen_has_head_table_and_foot()
{
	empty
	new -c 2 "$short.a"
	try 0 mboxctl send "$box" one two
	new "$short.b"
	own -m 600
	terminal 80 24
	top -i 0.5
	until_screen "$short.a"
	tidy 80 24
	until_screen '^Mailboxes: 3, 1 with messages, 1 full, 0 waited for, 2 without owner$'
	until_screen '^Messages:  2, 6 bytes; a second: 0 sent, 0 received, 0 refused$'
	until_screen '^Used by root: 3/[0-9.k]* mailboxes, 2/[0-9.k]* msgs, [0-9.KM]*/[0-9.]*[MG] memory'
	until_screen '^Used by all: 3/'
	until_cell "$short.a" MSGS 2/2
	until_cell "$short.a" BYTES 6
	until_cell "$short.a" OWNER -
	until_cell "$short.b" MSGS 0/64
	until_cell " $pid " OWNER "$pid"
	cat "$tmp/screen"
	type_keys q
	until_screen '^ended with 0'
}

test_keys_choose_the_column_and_the_direction()
{
	new "$short.b"
	try 0 mboxctl send "$box" one
	new "$short.c"
	try 0 mboxctl send "$box" one two three
	new "$short.a"
	try 0 mboxctl send "$box" one two
	terminal 80 24
	top -i 0.2 -s id
	until_names 'b c a'
	type_keys r
	until_names 'a c b'
	until_screen ', by id, rising$\|, by id$'
	type_keys Right
	until_names 'a b c'
	type_keys '>'
	type_keys '>'
	until_names 'c a b'
	until_screen ', by msgs$'
	type_keys r
	until_names 'b a c'
	until_screen ', by msgs, rising$'
	type_keys Left
	type_keys '<'
	until_names 'a b c'
	until_screen ', by name, rising$'
	tidy 80 24
	type_keys q
	until_screen '^ended with 0'
	for key in 'id b_c_a' 'name a_b_c' 'msgs c_a_b' 'bytes c_a_b'; do
		type_keys clear Enter
		until_screen_without ended
		top -i 0.2 -s ${key% *}
		until_names "$(echo ${key#* } | tr _ ' ')"
		type_keys q
		until_screen '^ended with 0'
	done
}

# Of all columns: once around, each that is shown becomes the one.
test_the_chosen_column_goes_around()
{
	terminal 80 24
	top -s id
	for column in name owner msgs bytes sent received refused waiting p50 p99 id name; do
		type_keys Right
		until_screen ", by $column\\(, rising\\)\\?\$"
	done
	in_tmux resize-window -x 132 -y 24
	until_screen ' USER .* FILL '
	for column in user owner msgs fill bytes; do
		type_keys Right
		until_screen ", by $column\\(, rising\\)\\?\$"
	done
}

test_rates_are_those_of_the_interval()
{
	new "$short.busy"
	busy=$box
	new -c 1 "$short.full"
	full=$box
	try 0 mboxctl send "$full" one
	(
		while mboxctl send "$busy" x && mboxctl recv "$busy" && mboxctl send -n "$full" x
			[ $? -ne 1 ]; do :; done
	) >"$tmp/traffic" 2>&1 &
	echo "$!" >>"$tmp/processes"
	terminal 80 24
	top -i 1
	until_names 'busy full'
	until_cell "$short.busy" SENT/s '[1-9][0-9]*(\.[0-9])?'
	until_cell "$short.busy" RECV/s '[1-9][0-9]*(\.[0-9])?'
	until_cell "$short.busy" P50 '[0-9.]+(us|ms|s)'
	until_cell "$short.busy" P99 '[0-9.]+(us|ms|s)'
	until_cell "$short.full" REF/s '[1-9][0-9]*(\.[0-9])?'
	until_cell "$short.full" SENT/s 0
	until_screen ', [1-9][0-9.]* refused$'
	until_screen 'a second: [1-9]'
	tidy 80 24
	cat "$tmp/screen"
	kill $(cat "$tmp/processes") 2>/dev/null
}

test_waiting_receivers_and_senders_are_counted()
{
	new "$short.r"
	process mboxctl recv "$box"
	until_shows "$box" receivers 1
	new -c 1 "$short.s"
	try 0 mboxctl send "$box" one
	process mboxctl send "$box" two
	until_shows "$box" senders 1
	terminal 80 24
	top -i 0.5
	until_cell "$short.r" WAIT 1r
	until_cell "$short.s" WAIT 1s
	until_screen ' 2 waited for, '
}

test_rows_are_scrolled()
{
	for i in $(seq 10 40); do
		new "$short.$i"
	done
	terminal 80 24
	top -s name
	until_screen "$short.10"
	until_screen 'rows 1 to 16 of '
	type_keys Down
	until_screen 'rows 2 to 17 of '
	until_screen_without "$short.10"
	type_keys NPage
	until_screen 'rows 18 to 33 of \|rows 16 to 31 of '
	type_keys End
	until_screen 'to \([0-9]*\) of \1$'
	tidy 80 24
	type_keys Down NPage Down
	type_keys PPage Up
	until_screen_without 'to \([0-9]*\) of \1$'
	type_keys Home
	until_screen 'rows 1 to 16 of '
	type_keys Up PPage
	in_tmux resize-window -x 80 -y 30
	until_screen 'rows 1 to 22 of '
	type_keys End
	until_screen 'to \([0-9]*\) of \1$'
	in_tmux resize-window -x 80 -y 60
	until_screen_without 'rows'
	until_screen "$short.10"
	tidy 80 60
}

test_it_pauses_and_goes_on()
{
	terminal 80 24
	top -i 0.2
	for key in p Space; do
		type_keys $key
		until_screen ' PAUSED$'
		new "$short.$key"
		type_keys r
		until_screen ', by sent, rising'
		screen >"$tmp/one"
		usleep 1000000
		screen >"$tmp/two"
		cmp "$tmp/one" "$tmp/two" || die "$(cat "$tmp/two")"
		grep -q "$short.$key" "$tmp/two" && die "$(cat "$tmp/two")"
		type_keys r
		until_screen ', by sent  PAUSED$'
		type_keys $key
		until_screen_without PAUSED
		until_screen "$short.$key"
	done
}

test_the_interval_can_be_changed()
{
	terminal 80 24
	top -i 2
	until_screen ', every 2 s, '
	type_keys +
	until_screen ', every 4 s, '
	type_keys - -
	until_screen ', every 1 s, '
	type_keys - - - - - - - -
	until_screen ', every 0.1 s, '
	type_keys + + + + + + + + + + + + + + + + +
	until_screen ', every 3600 s, '
	new "$short.x"
	type_keys - - - - - - - - - - - -
	until_screen "$short.x"
}

test_help_tells_of_the_keys()
{
	terminal 80 24
	top -i 0.5
	type_keys h
	until_screen 'Any key: back'
	until_screen_without '^Mailboxes'
	screen >"$tmp/screen"
	[ -z "$(awk 'length($0) > 80' "$tmp/screen")" ] || die "$(cat "$tmp/screen")"
	type_keys x
	until_screen '^Mailboxes'
	type_keys '?'
	until_screen 'Any key: back'
	type_keys q
	until_screen '^ended with 0'
}

test_it_fits_any_size()
{
	new -c 4 "$short.a"
	try 0 mboxctl send "$box" x x
	terminal 80 24
	top -i 0.5
	until_screen "$short.a"
	for size in '132 43' '60 24' '200 10' '80 24' '100 30'; do
		in_tmux resize-window -x ${size% *} -y ${size#* }
		tidy $size
	done
	in_tmux resize-window -x 132 -y 43
	until_screen ' USER  *OWNER  *MSGS FILL  *BYTES '
	until_screen "$short.a  *root  *-  *2/4 #####\\.\\.\\.\\.\\. "
	tidy 132 43
	cat "$tmp/screen"
	for size in '20 5' '1 1' '80 24'; do
		in_tmux resize-window -x ${size% *} -y ${size#* }
		usleep 500000
	done
	until_screen '^q quit'
	tidy 80 24
	type_keys q
	until_screen '^ended with 0'
}

# Columns stay where they are, whatever is in the name.
test_names_of_any_kind_keep_the_columns()
{
	new 'größe'
	new '日本語のメールボックスの名前'
	new "$(printf 'esc\033x' | tr '\033' '\302')"
	new "$(printf 'c1\302\233red')"
	new "$short.$(head -c 30 /dev/zero | tr '\0' x)"
	terminal 80 24
	top -i 0.5 -s name
	until_screen 'größe'
	until_screen '日本語'
	until_screen 'c1\\xc2\\x9b'
	until_screen 'esc\\xc2'
	screen >"$tmp/screen"
	sed -i 's/ö/o/; s/ß/s/' "$tmp/screen"
	for wide in 日 本 語 の メ ー ル ボ ッ ク ス 名 前; do
		sed -i "s/$wide/ww/g" "$tmp/screen"
	done
	is_tidy 80 24 || die "$(cat "$tmp/untidy")"
	same widths 1 "$(sed -n '8,$p' "$tmp/screen" | grep -v '^q\|^$' |
		awk '{ print length($0) }' | sort -u | wc -l)"
	until_screen "^ *[0-9]* $short\\.x*+ "
	cat "$tmp/screen"
}

test_the_terminal_is_as_before_however_top_ends()
{
	terminal 80 24
	type_keys 'echo from before; stty -a >'"$tmp/before" Enter
	until_screen '^from before'
	for end in q INT TERM C-c; do
		top
		until_screen_without 'from before'
		case $end in
		q | C-c) type_keys $end ;;
		*) kill -$end $(pidof mboxctl) ;;
		esac
		until_screen '^from before'
		until_screen '^ended with 0'
		until_screen_without '^Mailboxes'
		type_keys 'stty -a >'"$tmp/after; echo compared" Enter
		until_screen '^compared'
		cmp "$tmp/before" "$tmp/after" || die "$end: $(cat "$tmp/after")"
		same cursor 1 "$(in_tmux display-message -p '#{cursor_flag}')"
		same alternate 0 "$(in_tmux display-message -p '#{alternate_on}')"
		type_keys 'clear; echo from before' Enter
		until_screen_without compared
		until_screen '^from before'
	done
}

test_it_can_be_stopped_and_continued()
{
	new "$short.a"
	terminal 80 24
	type_keys 'echo from before; stty -a >'"$tmp/before" Enter
	until_screen '^from before'
	top -i 0.5
	type_keys C-z
	until_screen '^from before'
	until_screen 'Stopped'
	type_keys 'stty -a >'"$tmp/after; echo compared" Enter
	until_screen '^compared'
	cmp "$tmp/before" "$tmp/after" || die "$(cat "$tmp/after")"
	type_keys fg Enter
	until_screen '^Mailboxes'
	until_screen "$short.a"
	until_screen_without compared
	tidy 80 24

	# Without being asked, so that it leaves the terminal as it has it.
	kill -STOP $(pidof mboxctl)
	until_screen 'Stopped'
	type_keys fg Enter
	until_screen_without 'Stopped\|ready>'
	type_keys r
	until_screen ', by sent, rising'
	tidy 80 24
	type_keys q
	until_screen '^from before'
}

test_colours_are_only_where_they_are_wanted()
{
	new -c 1 "$short.full"
	try 0 mboxctl send "$box" one
	red=$(printf '\033\\[[0-9;]*31[0-9;]*m')
	terminal 80 24
	top
	until_screen "$short.full"
	in_tmux capture-pane -ep | grep -q "$red" || die "nothing is red"
	type_keys q
	until_screen '^ended with 0'
	type_keys 'clear; export NO_COLOR=1' Enter
	until_screen_without ended
	top
	until_screen "$short.full"
	in_tmux capture-pane -ep >"$tmp/colours"
	if grep -q "$(printf '\033\\[[0-9;]*[349][0-7][0-9;]*m')" "$tmp/colours"; then
		die "$(cat "$tmp/colours")"
	fi
}

test_a_dumb_terminal_gets_plain_lines()
{
	new "$short.a"
	terminal 80 24
	for dumb in dumb '' nosuchterminal; do
		type_keys "clear; TERM=$dumb mboxctl top -n 1; echo ended with \$?" Enter
		until_screen '^ended with 0'
		until_screen "^ *$box $short.a "
		screen | grep -q '^q quit' && die "$(screen)"
		type_keys clear Enter
		until_screen_without ended
	done
}

test_without_a_terminal_lines_are_plain()
{
	new -c 1 "$short.a"
	try 0 mboxctl send "$box" one
	try 0 env TERM=xterm mboxctl top -n 2 -i 0.2
	is_ascii "$out"
	same pages 2 "$(grep -c '^mboxctl top  ' "$out")"
	same rows 2 "$(grep -c "^ *$box $short.a .* 1/1 " "$out")"
	grep -q 'rates are known next time$' "$out" || die "$(cat "$out")"
	same "lines that end in blanks" 0 "$(grep -c ' $' "$out")"
	try 0 mboxctl top -b -n 1 -s name
	grep -q "^ *ID NAME .* USER .* OWNER .* P99\$" "$out" || die "$(cat "$out")"
}

# The first page knows no rates; the second one those since the first.
test_plain_rates_are_per_second()
{
	new "$short.a"
	background 143 mboxctl top -b -i 2
	for _ in $thousand; do
		[ ! -s "$tmp/late.out" ] || break
		usleep 10000
	done
	try 0 mboxctl send "$box" 1 2 3 4 5 6
	for _ in $thousand; do
		[ "$(grep -c '^mboxctl top' "$tmp/late.out")" -lt 2 ] || break
		usleep 10000
	done
	kill "$pid"
	finish
	row() { grep "^ *$box " "$out" | sed -n "$1p" | awk "{ print \$$2 }"; }
	same "unknown rate" - "$(row 1 7)"
	row 2 7 | grep -qE '^[23]\.[0-9]$' || die "$(cat "$out")"
}

test_top_tells_that_the_module_has_gone()
{
	empty
	terminal 80 24
	top -i 0.2
	for _ in $thousand; do
		rmmod mbox 2>/dev/null && break
		usleep 10000
	done
	until_screen '^mboxctl: top: the list: the module has gone$'
	until_screen '^ended with 1$'
	try 1 mboxctl top -b
	insmod /mbox.ko || die "the module is gone for good"
	said "is the module loaded?"
}

test_wrong_arguments_are_refused()
{
	for arguments in '-i 0' '-i 0.01' '-i 3601' '-i x' '-n 0' '-s colour' '-x' 'box'; do
		try 2 mboxctl top $arguments
		said "Usage: mboxctl top"
	done
}

run_tests "$@"
