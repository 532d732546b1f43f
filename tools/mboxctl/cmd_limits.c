// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mboxctl limits: what the system allows, and what is used of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mboxctl.h"
#include "netlink.h"

/* Whose limit it is; what one mailbox holds is shown with the mailbox. */
enum scope { MAILBOX, USER, NAMESPACE };

struct limit {
	const char *tunable;
	const char *error;
	enum scope scope;
	const char *what;
	uint64_t used;
	uint64_t limit;
};

#define LIMITS	15

static void fill(struct limit limits[LIMITS], const struct mbox_info *info,
		 const struct mbox_usage *usage)
{
	const struct limit all[LIMITS] = {
		{ "net.mbox.max_msgs", "ENOBUFS", MAILBOX,
		  "messages in a mailbox", 0, info->limit_msgs },
		{ "net.mbox.max_size", "EINVAL", MAILBOX,
		  "bytes of a message", 0, info->limit_size },
		{ "net.mbox.max_bytes", "ENOBUFS", MAILBOX,
		  "bytes in a mailbox", 0, info->limit_bytes },
		{ "net.mbox.max_grants", "EMLINK", MAILBOX,
		  "grants of a mailbox", 0, usage->limit_grants },
		{ "net.mbox.default_share", "EXFULL", MAILBOX,
		  "percent of a mailbox for one user", 0, usage->default_share },
		{ "net.mbox.user_mailboxes", "EDQUOT", USER,
		  "mailboxes of user ", usage->user_mailboxes, usage->user_mailboxes_limit },
		{ "net.mbox.user_msgs", "EDQUOT", USER,
		  "messages of user ", usage->user_msgs, usage->user_msgs_limit },
		{ "net.mbox.user_bytes", "EDQUOT", USER,
		  "bytes of memory of user ", usage->user_bytes, usage->user_bytes_limit },
		{ "net.mbox.user_files", "EDQUOT", USER,
		  "files in flight of user ", usage->user_files, usage->user_files_limit },
		{ "net.mbox.user_listeners", "EDQUOT", USER,
		  "subscriptions of user ", usage->user_listeners, usage->user_listeners_limit },
		{ "net.mbox.ns_mailboxes", "ENOSPC", NAMESPACE,
		  "mailboxes of all", usage->ns_mailboxes, usage->ns_mailboxes_limit },
		{ "net.mbox.ns_msgs", "ENOSPC", NAMESPACE,
		  "messages of all", usage->ns_msgs, usage->ns_msgs_limit },
		{ "net.mbox.ns_bytes", "ENOSPC", NAMESPACE,
		  "bytes of memory of all", usage->ns_bytes, usage->ns_bytes_limit },
		{ "net.mbox.ns_files", "ENOSPC", NAMESPACE,
		  "files in flight of all", usage->ns_files, usage->ns_files_limit },
		{ "net.mbox.ns_listeners", "ENOSPC", NAMESPACE,
		  "subscriptions of all", usage->ns_listeners, usage->ns_listeners_limit },
	};

	memcpy(limits, all, sizeof(all));
}

static void print_limit(const struct limit *limit, const char *user, int width)
{
	char what[PRINTABLE_SIZE + 32], used[24] = "-";

	snprintf(what, sizeof(what), "%s%s", limit->what, limit->scope == USER ? user : "");
	if (limit->scope != MAILBOX)
		snprintf(used, sizeof(used), "%" PRIu64, limit->used);
	printf("%-*s  %12s  %12" PRIu64 "  %-7s  %s\n", width, what, used, limit->limit,
	       limit->error, limit->tunable);
}

static void print_table(const struct limit limits[LIMITS], uint32_t uid)
{
	const char *user = shown_user(uid);
	int width = strlen("percent of a mailbox for one user");
	int longest = strlen("bytes of memory of user ") + strlen(user);

	if (longest > width)
		width = longest;
	printf("%-*s  %12s  %12s  %-7s  %s\n", width, "WHAT", "USED", "LIMIT", "ERROR", "TUNABLE");
	for (int i = 0; i < LIMITS; i++)
		print_limit(&limits[i], user, width);
}

static void print_json(const struct limit limits[LIMITS], uint32_t uid)
{
	struct json json;

	for (int i = 0; i < LIMITS; i++) {
		fputs(i ? ",\n" : "[\n", stdout);
		json_begin(&json);
		json_text(&json, "tunable", limits[i].tunable);
		json_text(&json, "errno", limits[i].error);
		if (limits[i].scope == USER)
			json_number(&json, "uid", uid);
		if (limits[i].scope != MAILBOX)
			json_number(&json, "used", limits[i].used);
		json_number(&json, "limit", limits[i].limit);
		json_end();
	}
	puts("\n]");
}

struct asking {
	const char *user;
	uint32_t uid;
	bool json;
};

static int show_limits(const struct asking *asking)
{
	static const struct words words[] = {
		{ EACCES, "what another user has used is for those with CAP_SYS_RESOURCE" },
		{ EINVAL, "there is no such user" },
		{ 0, NULL }
	};
	struct limit limits[LIMITS];
	struct netlink *netlink = netlink_open();
	struct mbox_usage usage;
	struct mbox_info info;
	int code = DONE;

	if (!netlink)
		return FAILED;
	if (netlink_limits(netlink, asking->user ? &asking->uid : NULL, &info, &usage))
		code = fail(words, "%s", asking->user ? printable(asking->user) : "the limits");
	netlink_close(netlink);
	if (code)
		return code;

	fill(limits, &info, &usage);
	(asking->json ? print_json : print_table)(limits, usage.uid);
	return DONE;
}

static int take(int option, void *data)
{
	struct asking *asking = data;

	if (option == 'j')
		asking->json = true;
	else
		asking->user = optarg;
	return 0;
}

int cmd_limits(int argc, char **argv)
{
	static const struct option options[] = {
		{ "user", required_argument, NULL, 'u' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct asking asking = { 0 };
	int code;

	code = parse_options(argc, argv, "", options, take, &asking);
	if (code)
		return code;
	if (optind < argc)
		return wrong_usage("it takes no names; show tells about one mailbox");
	if (asking.user)
		code = parse_user(asking.user, &asking.uid);
	return code ?: show_limits(&asking);
}
