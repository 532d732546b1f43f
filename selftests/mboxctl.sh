# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What the tests of mboxctl have in common; the Makefile puts it into each.
#
# A test is a function, test_ and its promise, run in a subshell; `die` ends it
# as failed. What it prints is for whoever looks for the reason.
#
# Formats and lists of arguments are meant to be taken apart, what a test sets is
# meant to end with it, and what is not used here is used by the tests.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2046,SC2059,SC2086

# How often it is looked whether something has happened; made once, since it takes a
# process.
thousand=$(seq 1000)

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
	[ -n "$1" ] || [ -s "$out" ] || return 0
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

# background CODE COMMAND...: `finish` waits for its end and checks the code. What an
# earlier one said is gone before it begins.
background()
{
	late=$1
	shift
	: >"$tmp/late.err"
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

# interrupted COMMAND...: is interrupted once it has written something, and then exits
# with 0. It is in the foreground: what is in the background ignores SIGINT.
interrupted()
{
	: >"$out"
	: >"$err"
	(
		for _ in $thousand; do
			[ ! -s "$out" ] || break
			[ ! -s "$err" ] || break
			usleep 10000
		done
		kill -INT "$(cat "$tmp/interrupted")"
	) &
	try 0 sh -c 'echo $$ >"$0"; exec "$@"' "$tmp/interrupted" "$@"
}

# process COMMAND...: runs it until the test ends; $process is its pid
process()
{
	"$@" &
	process=$!
	echo "$process" >>"$tmp/processes"
}

# own [ARGUMENT...]: makes $name for a process, $pid, that sleeps until it is
# killed, and then counts as finished
own()
{
	background 143 mboxctl create "$@" "$name" -- sleep 1000
	until_shows "$name" pid "$pid"
	box=$(field "$name" id)
	echo "$box" >>"$tmp/boxes"
}

# later CODE USER ARGUMENT...: a process of that user, $pid, that becomes mboxctl
# when it is told to `go`, and then is to be waited for
later()
{
	code=$1
	shift
	mkfifo "$tmp/go"
	background "$code" become_mboxctl "$@"
	exec 9>"$tmp/go"
}

# Opening the pipe waits for the other end.
become_mboxctl()
{
	user=$1
	shift
	exec su -s /bin/sh "$user" -c "read -r go && exec mboxctl $*" <"$tmp/go"
}

go()
{
	echo >&9
	exec 9>&-
	rm "$tmp/go"
}

# limited TUNABLE LIMIT COMMAND...: runs it while that is the limit
limited()
{
	file=/proc/sys/net/mbox/$1
	before=$(cat "$file")
	echo "$2" >"$file"
	shift 2
	("$@")
	failed=$?
	echo "$before" >"$file"
	[ "$failed" -eq 0 ] || exit 1
}

# `unchanged` compares $box with what it was when `remember` was called.
remember()
{
	mboxctl show --json "$box" >"$tmp/before"
}

unchanged()
{
	mboxctl show --json "$box" >"$tmp/after"
	cmp "$tmp/before" "$tmp/after" || die "$(cat "$tmp/before" "$tmp/after")"
}

# Of each line: strings, then numbers, then what is made of them becomes a letter.
fold_json()
{
	sed -E '
		s/"([^"\]|\\["\/bfnrt]|\\u[0-9a-f]{4})*"/S/g
		s/-?(0|[1-9][0-9]*)(\.[0-9]+)?|true|false|null/V/g
		:fold
		s/\{(S:[SV](,S:[SV])*)?\}|\[([SV](,[SV])*)?\]/V/g
		t fold'
}

# is_json FILE: it is one value
is_json()
{
	same "JSON, folded" V "$(tr -d '\n' <"$1" | fold_json)"
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
	for _ in $thousand; do
		[ "$(field "$1" "$2")" = "$3" ] && return
		usleep 10000
	done
	die "$2 never became $3"
}

until_user()
{
	for _ in $thousand; do
		[ "$(stat -c %U "/proc/$1")" = "$2" ] && return
		usleep 10000
	done
	die "process $1 never became one of $2"
}

until_program()
{
	for _ in $thousand; do
		tr '\0' ' ' <"/proc/$1/cmdline" | grep -q "^$2 " && return
		usleep 10000
	done
	die "process $1 never became $2"
}

until_ended()
{
	for _ in $thousand; do
		kill -0 "$1" 2>/dev/null || return 0
		usleep 10000
	done
	die "process $1 never ended"
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

run_test()
(
	tmp=$all/$1
	out=$tmp/out
	err=$tmp/err
	name=$program.$number
	mkdir "$tmp"
	trap clean_up EXIT
	"test_$1"
)

clean_up()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	[ ! -e "$tmp/processes" ] || kill $(cat "$tmp/processes") 2>/dev/null
	[ ! -s "$tmp/boxes" ] || mboxctl rm $(cat "$tmp/boxes") 2>/dev/null
	rm -r "$tmp"
}

# run_tests [-t NAME]: all tests of the script, or that one
run_tests()
{
	program=$(basename "$0" .sh)
	tests=$(sed -n 's/^test_\(.*\)()$/\1/p' "$0")
	[ "$1" != -t ] || tests=$(echo "$tests" | grep -x -- "$2") || {
		echo "# there is no test $2"
		exit 1
	}
	all=$(mktemp -d) || exit 1
	trap 'rm -r "$all"' EXIT
	trap 'exit 1' HUP INT TERM

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
}
