// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl: mailboxes of the kernel by hand and from scripts. The table of
 * commands, and main(), which runs one of them.
 */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mboxctl.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{ "create", "[-m MODE] [-c MSGS] [-s SIZE] [-b BYTES] [--share PERCENT]\n"
	  "           [--rendezvous | --reserve] [--fixed] [--by-tag | --by-sender]\n"
	  "           [--single | --pair] [--files] [--json] [NAME]\n"
	  "       mboxctl create [OPTION...] [--process-owned | --inbox] [NAME]\n"
	  "           -- PROGRAM [ARG...]",
	  cmd_create,
	  "make a mailbox, print its id\n"
	  "  -m, --mode MODE        who may receive (r) and send (w), octal [0600]\n"
	  "  -c, --max-msgs MSGS    capacity in messages, or \"unbounded\" [64]\n"
	  "  -s, --max-size SIZE    largest message in bytes [4K]\n"
	  "  -b, --max-bytes BYTES  capacity in bytes, or \"unbounded\" [MSGS times SIZE]\n"
	  "      --share PERCENT    what the messages of one user may take up [see limits]\n"
	  "      --rendezvous       hold nothing: sender and receiver meet\n"
	  "      --reserve          set memory for MSGS times SIZE bytes aside\n"
	  "      --fixed            each message has exactly SIZE bytes\n"
	  "      --by-tag           recv can pick messages by --tag\n"
	  "      --by-sender        recv can pick messages by --from\n"
	  "      --single           one process receives at a time, the others wait\n"
	  "      --pair             for one sending and one receiving process\n"
	  "      --files            messages may bring files, while an owner lives\n"
	  "      --process-owned    PROGRAM alone receives; gone when it ends\n"
	  "      --inbox            the inbox of PROGRAM, to be sent to by --pid\n"
	  "      --json             print all its attributes as a JSON object\n"
	  "PROGRAM owns the mailbox; its environment has the id as MBOX_ID.\n" },
	{ "send", "[OPTION...] BOX MESSAGE...\n"
	  "       mboxctl send [OPTION...] [-l] BOX\n"
	  "       mboxctl send [OPTION...] --pid PID | --participant ID [MESSAGE...]", cmd_send,
	  "send arguments, or standard input, to a mailbox or a process\n"
	  "  -p, --prio PRIO        priority, 0 to 31, the highest [0]\n"
	  "  -n, --nonblock         exit with 3 instead of waiting\n"
	  "  -t, --timeout SECONDS  wait no longer, exit with 4\n"
	  "  -l, --lines            standard input: a message a line\n"
	  "      --sync             wait until it is received, print the receiver's pid\n"
	  "      --tag TAG          a number for the receiver [0]\n"
	  "      --expires SECONDS  the message disappears after that time\n"
	  "      --pid PID          to that process, instead of a mailbox\n"
	  "      --participant ID   likewise, by its participant id\n"
	  "What follows BOX is messages, even where it begins with a dash.\n" },
	{ "recv", "[OPTION...] BOX...\n"
	  "       mboxctl recv [OPTION...] --inbox", cmd_recv,
	  "receive from a mailbox to standard output\n"
	  "  -c, --count COUNT      how many messages [1]\n"
	  "  -f, --follow           go on until the mailbox is gone\n"
	  "  -n, --nonblock         exit with 3 instead of waiting\n"
	  "  -t, --timeout SECONDS  wait no longer, exit with 4\n"
	  "  -l, --lines            write a newline after each message\n"
	  "      --tag TAG          only messages with that tag\n"
	  "      --from PID         only messages from that process\n"
	  "      --least            the lowest priority first\n"
	  "      --peek[=NTH]       look, do not take; pass over NTH messages [0]\n"
	  "      --inbox            what is sent to this process; says which that is\n"
	  "      --long             write a line about each message before it\n"
	  "      --json             write a JSON object a line\n"
	  "With more than one BOX: from whichever has a message first.\n" },
	{ "call", "[OPTION...] BOX [MESSAGE]\n"
	  "       mboxctl call [OPTION...] --pid PID | --participant ID [MESSAGE]", cmd_call,
	  "send a request, write its reply to standard output\n"
	  "  -p, --prio PRIO        priority of the request, 0 to 31, the highest [0]\n"
	  "  -n, --nonblock         exit with 203 instead of waiting for room\n"
	  "  -t, --timeout SECONDS  wait no longer, exit with 204\n"
	  "  -l, --lines            write a newline after the reply\n"
	  "      --tag TAG          a number for the receiver [0]\n"
	  "      --pid PID          to that process, instead of a mailbox\n"
	  "      --participant ID   likewise, by its participant id\n"
	  "      --json             write a JSON object\n"
	  "Without MESSAGE: standard input. The exit status is the tag of the reply, which\n"
	  "is the exit status of the command with serve; what mboxctl itself has to say is\n"
	  "200 more than elsewhere, 205 if the request was received but not replied to, and\n"
	  "206 if the reply cannot be written.\n" },
	{ "serve", "[-j JOBS] [-c COUNT] [-t SECONDS] BOX -- COMMAND [ARG...]\n"
	  "       mboxctl serve [OPTION...] --inbox -- COMMAND [ARG...]", cmd_serve,
	  "run a command for each request, reply with its output\n"
	  "  -j, --jobs JOBS        so many at once [1]\n"
	  "  -c, --count COUNT      how many requests, then end\n"
	  "  -t, --timeout SECONDS  end a command that takes longer\n"
	  "      --inbox            what is sent to this process; prints its pid and\n"
	  "                         participant id\n"
	  "COMMAND has the request on standard input and facts about it in the environment\n"
	  "(MBOX_PID, MBOX_UID, MBOX_TAG, ...); its exit status is the tag of the reply.\n" },
	{ "ls", "[OPTION...] [PATTERN...]", cmd_ls,
	  "list the mailboxes you may see\n"
	  "      --sort KEY         by \"name\", or what a number is called in --json [id];\n"
	  "                         with a dash before it: the largest first\n"
	  "      --user USER        only those of that user\n"
	  "      --pid PID          only those that the process owns\n"
	  "      --full             only those without room for a message of its largest size\n"
	  "      --orphan           only those whose owner has ended\n"
	  "      --waiting          only those where somebody waits\n"
	  "      --names            a name a line; the id, where there is none\n"
	  "      --ids              an id a line\n"
	  "      --json             as an array of JSON objects\n"
	  "PATTERN is for names and ids, as shells have it for names of files: 'job*'.\n" },
	{ "show", "[--json] BOX", cmd_show,
	  "show the attributes and counters of a mailbox\n"
	  "      --json             as a JSON object\n" },
	{ "stat", "[-i SECONDS] [-c COUNT] [--json] [BOX...]", cmd_stat,
	  "show how much happens, in all mailboxes or in some\n"
	  "  -i, --interval SECONDS time between two lines [1]\n"
	  "  -c, --count COUNT      how many times [without end]\n"
	  "      --json             write a JSON object a line\n" },
	{ "transfer", "[--keep] BOX PID", cmd_transfer,
	  "make a process that you may signal the owner\n"
	  "      --keep             the former owner may still receive\n" },
	{ "offer", "[--keep] BOX PID\n"
	  "       mboxctl offer --withdraw BOX", cmd_offer,
	  "offer the ownership to a process\n"
	  "      --keep             the former owner may still receive\n"
	  "      --withdraw         take the offer back\n" },
	{ "accept", "BOX [-- PROGRAM [ARG...]]", cmd_accept,
	  "take what is offered to this process, and run PROGRAM in it\n"
	  "Without PROGRAM, no process owns the mailbox afterwards. The environment of\n"
	  "PROGRAM has the id as MBOX_ID.\n" },
	{ "claim", "BOX [-- PROGRAM [ARG...]]", cmd_claim,
	  "own a mailbox whose owner has ended, and run PROGRAM\n"
	  "Without PROGRAM, no process owns the mailbox afterwards. The environment of\n"
	  "PROGRAM has the id as MBOX_ID.\n" },
	{ "grant", "BOX PID RIGHT[,RIGHT...]", cmd_grant,
	  "give a process the right to send, receive or manage\n" },
	{ "revoke", "BOX PID RIGHT[,RIGHT...]", cmd_revoke,
	  "take back what was granted to a process\n" },
	{ "chmod", "MODE BOX...", cmd_chmod,
	  "change who may receive (r) and send (w), in octal\n" },
	{ "chown", "[USER][:GROUP] BOX...", cmd_chown,
	  "change the user and the group of mailboxes\n" },
	{ "limits", "[--user USER] [--json]", cmd_limits,
	  "show every limit and what is used of it\n"
	  "      --user USER        of that user, instead of yours\n"
	  "      --json             as an array of JSON objects\n" },
	{ "monitor", "[-l] [-e EVENT[,EVENT...]] [-c COUNT] [--json] [BOX...]", cmd_monitor,
	  "follow what happens to mailboxes, a line an event\n"
	  "  -l, --list             begin with the mailboxes that there are\n"
	  "  -e, --events EVENTS    only these: created, deleted, transferred, offered,\n"
	  "                         granted, revoked, orphaned, claimed, changed, full, space\n"
	  "  -c, --count COUNT      how many events, then end\n"
	  "      --json             write a JSON object a line\n"
	  "Without BOX: all that you may see. A name may be of a mailbox yet to come.\n" },
	{ "top", "[-b] [-i SECONDS] [-n COUNT] [-s KEY]", cmd_top,
	  "watch how busy mailboxes are\n"
	  "  -b, --batch            plain lines, as without a terminal\n"
	  "  -i, --interval SECONDS from one look to the next [2]\n"
	  "  -n, --count COUNT      how many looks, then end\n"
	  "  -s, --sort KEY         by which column: id, name, owner, msgs, bytes, sent,\n"
	  "                         received, refused, waiting, p50, p99, fill or user [sent]\n"
	  "q ends it, h tells of the other keys.\n" },
	{ "diagram", "[-d SECONDS] [-c COUNT] [--pid PID]... [--text | --svg] [-o FILE]\n"
	  "           [--record FILE] [BOX...] [-- PROGRAM [ARG...]]\n"
	  "       mboxctl diagram --read FILE [OPTION...] [BOX...]", cmd_diagram,
	  "draw who sends what to whom, as a space-time diagram\n"
	  "  -d, --duration SECONDS how long to record [until interrupted]\n"
	  "  -c, --count COUNT      until so many messages were received\n"
	  "      --pid PID          what that process sends or receives; may be repeated\n"
	  "      --text             as text\n"
	  "      --svg              as a picture [if FILE ends in .svg]\n"
	  "  -o, --output FILE      write the diagram there [standard output]\n"
	  "      --record FILE      keep the recording, too\n"
	  "      --read FILE        draw that recording, or what trace-cmd report prints\n"
	  "While PROGRAM runs, if there is one; what it and its descendants send or receive,\n"
	  "unless --pid or BOX says something else. To record takes root.\n" },
	{ "rm", "BOX...", cmd_rm,
	  "delete mailboxes\n" },
	{ "help", "[COMMAND]", cmd_help,
	  "say how a command is used\n" },
};

const struct command *command;

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static int help_all(void)
{
	puts("Usage: mboxctl [COMMAND [ARGUMENT...]]\n"
	     "       mboxctl --version\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *help = commands[i].help;

		printf("  %-9s%.*s\n", commands[i].name, (int)strcspn(help, "\n"), help);
	}
	puts("\nWithout a command: ls. BOX is the name or the id of a mailbox.\n"
	     "\"mboxctl help COMMAND\" tells more, mboxctl(1) all.");
	return DONE;
}

static int help_one(const struct command *about)
{
	printf("Usage: mboxctl %s %s\n\n%s", about->name, about->usage, about->help);
	return DONE;
}

static int cmd_help(int argc, char **argv)
{
	const struct command *about;

	if (argc == 1)
		return help_all();
	if (argc > 2)
		return wrong_usage("one command at a time");
	about = find_command(argv[1]);
	if (!about)
		return wrong_usage("%s: there is no such command", printable(argv[1]));
	return help_one(about);
}

/*
 * A mailbox must not become standard input or output because somebody closed
 * those: what is printed would be sent. The dummies fail when they are used.
 */
static void fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static int run(int argc, char **argv)
{
	char title[32];

	command = find_command(argv[0]);
	if (!command)
		return wrong_usage("%s: there is no such command", printable(argv[0]));
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return help_one(command);

	/* getopt begins its messages with argv[0]. */
	snprintf(title, sizeof(title), "mboxctl: %s", command->name);
	argv[0] = title;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	static char *state[] = { "ls", NULL };
	int code;

	/* A message is to reach a log that many write in one piece. */
	setlinebuf(stderr);
	setlocale(LC_CTYPE, "");
	fill_standard_descriptors();

	if (argc < 2)
		code = run(1, state);
	else if (!strcmp(argv[1], "--version"))
		code = puts("mboxctl " VERSION) == EOF;
	else if (!strcmp(argv[1], "--help"))
		code = help_all();
	else
		code = run(argc - 1, argv + 1);

	if (code == DONE && (fflush(stdout) || ferror(stdout)))
		code = fail(NULL, "standard output");
	return code;
}
