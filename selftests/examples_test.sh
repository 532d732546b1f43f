#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples of lib/examples, each of which checks what it shows, run to their
# ends and leave no mailbox behind. Needs root and the module. Prints KTAP; with
# -t NAME, of that one test only.

limit=60	# seconds that an example may take; the slowest machine needs few

die()
{
	echo "$*"
	exit 1
}

# try COMMAND...
try()
{
	timeout -s KILL "$limit" "$@"
	status=$?
	[ "$status" -eq 0 ] || die "exit code $status of $*"
}

mailboxes()
{
	mboxctl ls --json >"$all/ls" && grep -c '"id":' "$all/ls"
}

test_hello_brings_a_message_from_a_child_to_its_parent()
{
	try hello >"$tmp/out"
	cat "$tmp/out"
	grep -q 'Hello, parent!$' "$tmp/out" || die "that is not what the child sent"
}

test_stream_brings_a_file_over_unchanged()
{
	dd if=/dev/urandom of="$tmp/file" bs=100003 count=10 2>/dev/null || die "no file"
	mboxctl create -c 4 -s 4096 examples_test.stream >/dev/null || die "no mailbox"
	try stream recv examples_test.stream "$tmp/copy" &
	try stream send examples_test.stream "$tmp/file"
	wait $! || die "not received"
	mboxctl rm examples_test.stream || die "not removed"
	[ "$(sha256sum <"$tmp/copy")" = "$(sha256sum <"$tmp/file")" ] || die "the copy differs"
}

test_producer_consumer_brings_each_item_to_one_consumer_through_a_bounded_buffer()
{
	try producer_consumer
}

test_semaphore_lets_one_process_at_a_time_into_the_critical_section()
{
	try semaphore
}

test_mutex_rendezvous_lets_one_process_at_a_time_into_the_critical_section()
{
	try mutex_rendezvous
}

test_readers_writer_lets_readers_overlap_and_a_writer_never()
{
	try readers_writer
}

test_choice_takes_every_message_of_every_source_and_each_source_in_its_turn()
{
	try choice
}

test_client_server_brings_each_reply_to_the_request_that_it_belongs_to()
{
	try client_server
}

test_process_owned_ends_with_its_server_and_tells_its_clients()
{
	try process_owned
}

test_handover_loses_no_request_and_shows_no_client_an_error()
{
	try handover
}

# Root has every right to every mailbox. Others depend on what they own.
test_handover_is_for_ordinary_users_too()
{
	try su -s /bin/sh nobody -c handover
}

test_causal_puts_right_what_was_received_in_the_wrong_order()
{
	try causal >"$tmp/out"
	cat "$tmp/out"
	grep -qx 'answers before their questions: 2 received, 0 of 3 delivered' "$tmp/out" ||
		die "that is not what the late member has to see"
}

test_lamport_delivers_one_sequence_to_all_that_puts_causes_first()
{
	try lamport
}

test_rpc_brings_each_reply_whoever_gives_it()
{
	try rpc
}

test_direct_names_the_other_process_or_is_told_which_it_was()
{
	try direct
}

test_cristian_keeps_clients_as_near_to_the_server_as_they_know_from_the_round_trip()
{
	try cristian
}

test_berkeley_brings_clocks_together_and_a_broken_one_has_no_influence()
{
	try berkeley
}

test_averaging_brings_clocks_together_though_one_process_lies()
{
	try averaging
}

tests=$(sed -n 's/^test_\(.*\)()$/\1/p' "$0")
[ "$1" != -t ] || tests=$(echo "$tests" | grep -x -- "$2") || {
	echo "# there is no test $2"
	exit 1
}

run_test()
(
	tmp=$all/$1
	mkdir "$tmp" || exit
	"test_$1"
	[ "$(mailboxes)" -eq 0 ] || die "mailboxes are left: $(mboxctl ls)"
)

# Whoever still waits there is told, and ends.
remove_mailboxes()
{
	mboxctl ls --json | sed -n 's/.*"id":\([0-9]*\).*/\1/p' | xargs -r mboxctl rm
}

all=$(mktemp -d) || exit 1
trap 'rm -r "$all"' EXIT
trap 'exit 1' HUP INT TERM
[ "$(mailboxes)" -eq 0 ] || {
	echo "# there are mailboxes already"
	exit 1
}

echo TAP version 13
echo "1..$(echo "$tests" | wc -l)"
number=0
failed=0
for test in $tests; do
	number=$((number + 1))
	if run_test "$test" >"$all/log" 2>&1; then
		sed 's/^/# /' "$all/log"
		echo "ok $number $test"
	else
		sed 's/^/# /' "$all/log"
		echo "not ok $number $test"
		failed=$((failed + 1))
		remove_mailboxes
	fi
done
[ "$failed" -eq 0 ]
