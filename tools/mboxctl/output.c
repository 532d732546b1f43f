// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How things are written: escaped for terminals, as JSON for programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "mboxctl.h"
#include "netlink.h"

static char *escape_bytes(char *to, const char *from, size_t len)
{
	while (len--)
		to += sprintf(to, "\\x%02x", (unsigned char)*from++);
	return to;
}

/*
 * Only what takes a column of its own is printed: terminals obey control
 * characters, and readers are fooled by those of no width.
 */
const char *printable(const char *text)
{
	static char shown[PRINTABLE_SIZE];
	const char *end = text + strnlen(text, PRINTABLE_MAX);
	int error = errno;
	char *to = shown;

	while (text < end) {
		mbstate_t state = { 0 };
		wchar_t wide;
		size_t len = mbrtowc(&wide, text, end - text, &state);

		if (len > (size_t)(end - text)) {
			len = 1;
			to = escape_bytes(to, text, len);
		} else if (wide == L'\\') {
			to = stpcpy(to, "\\\\");
		} else if (wcwidth(wide) < 1) {
			to = escape_bytes(to, text, len);
		} else {
			to = mempcpy(to, text, len);
		}
		text += len;
	}
	*to = '\0';
	errno = error;
	return shown;
}

int width_of(const char *text)
{
	wchar_t wide[PRINTABLE_SIZE];
	size_t len = mbstowcs(wide, text, PRINTABLE_SIZE);

	return len == (size_t)-1 ? (int)strlen(text) : wcswidth(wide, len);
}

const char *shown_name(const struct mbox_stat *stat)
{
	const char *name = (const char *)stat->name;

	/* Of a mailbox that is called so: there is no such name. */
	if (!*name)
		return stat->kind & MBOX_CREATE_INBOX ? "/inbox" : "-";
	return strcmp(name, "-") ? printable(name) : "\\x2d";
}

const char *user_name(uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? printable(user->pw_name) : NULL;
}

const char *group_name(uint32_t gid)
{
	const struct group *group = getgrgid(gid);

	return group ? printable(group->gr_name) : NULL;
}

const char *shown_user(uint32_t uid)
{
	static char number[16];
	const char *name = user_name(uid);

	if (name)
		return name;
	snprintf(number, sizeof(number), "%" PRIu32, uid);
	return number;
}

bool read_comm(uint64_t pid, char name[COMM_SIZE])
{
	char path[40];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, name, COMM_SIZE - 1);
	close(fd);
	if (len <= 0)
		return false;
	/* It ends with a newline, but may have some within. */
	name[name[len - 1] == '\n' ? len - 1 : len] = '\0';
	return *name;
}

void shown_pid(pid_t pid, bool exists, char text[PID_SIZE])
{
	if (pid)
		snprintf(text, PID_SIZE, "%" PRId32, pid);
	else
		strcpy(text, exists ? "?" : "-");
}

void shown_sender(const struct mbox_envelope *envelope, char text[SENDER_SIZE])
{
	char pid[PID_SIZE];

	shown_pid(envelope->pid, true, pid);
	snprintf(text, SENDER_SIZE, "%s (%s)", pid, shown_user(envelope->uid));
}

void shown_mode(uint32_t mode, char text[MODE_SIZE])
{
	static const char letters[] = "rwxrwxrwx";

	for (int i = 0; letters[i]; i++)
		text[i] = mode & (0400 >> i) ? letters[i] : '-';
	text[MODE_SIZE - 1] = '\0';
}

/* As the options of create call them. */
const struct bit kinds[] = {
	{ MBOX_CREATE_FIXED, "fixed" },
	{ MBOX_CREATE_RESERVE, "reserve" },
	{ MBOX_CREATE_BY_TAG, "by-tag" },
	{ MBOX_CREATE_BY_SENDER, "by-sender" },
	{ MBOX_CREATE_SINGLE, "single" },
	{ MBOX_CREATE_PAIR, "pair" },
	{ MBOX_CREATE_PROCESS, "process-owned" },
	{ MBOX_CREATE_FILES, "files" },
	{ MBOX_CREATE_INBOX, "inbox" },
	{ 0, NULL }
};

const struct bit states[] = {
	{ MBOX_STATE_ORPHAN, "orphan" },
	{ MBOX_STATE_OFFERED, "offered" },
	{ 0, NULL }
};

const struct bit rights[] = {
	{ MBOX_RIGHT_SEND, "send" },
	{ MBOX_RIGHT_RECV, "receive" },
	{ MBOX_RIGHT_MANAGE, "manage" },
	{ 0, NULL }
};

const struct bit gots[] = {
	{ MBOX_GOT_REQUEST, "request" },
	{ MBOX_GOT_FILES_LOST, "files-lost" },
	{ MBOX_GOT_SHARED, "shared" },
	{ 0, NULL }
};

const char *take_bit(const struct bit *names, uint64_t *set)
{
	static char unknown[24];
	uint64_t bit = *set & -*set;

	if (!bit)
		return NULL;
	*set &= ~bit;
	for (; names->name; names++)
		if (names->bit == bit)
			return names->name;
	snprintf(unknown, sizeof(unknown), "0x%" PRIx64, bit);
	return unknown;
}

/*
 * A user's messages are counted only where they are held to a share, and only inboxes
 * have links.
 */
void numbers_of(const struct mbox_stat *stat, struct number numbers[NUMBERS])
{
	const char *no_msgs = stat->max_msgs == MBOX_UNBOUNDED ? "unbounded" : NULL;
	const char *no_bytes = stat->max_bytes == MBOX_UNBOUNDED_BYTES ? "unbounded" : NULL;
	const char *no_count = stat->share < 100 ? NULL : "-";
	const char *no_links = stat->kind & MBOX_CREATE_INBOX ? NULL : "-";
	const struct number all[NUMBERS] = {
		{ "max_msgs", stat->max_msgs, no_msgs },
		{ "max_size", stat->max_size, NULL },
		{ "max_bytes", stat->max_bytes, no_bytes },
		{ "share", stat->share, NULL },
		{ "msgs", stat->msgs, NULL },
		{ "msgs_high", stat->msgs_high, NULL },
		{ "bytes", stat->bytes, NULL },
		{ "bytes_high", stat->bytes_high, NULL },
		{ "user_msgs", stat->user_msgs, no_count },
		{ "user_bytes", stat->user_bytes, no_count },
		{ "senders", stat->senders, NULL },
		{ "receivers", stat->receivers, NULL },
		{ "requests", stat->requests, NULL },
		{ "links", stat->links, no_links },
		{ "sent", stat->sent, NULL },
		{ "received", stat->received, NULL },
		{ "expired", stat->expired, NULL },
		{ "refused", stat->refused, NULL },
		{ "skipped", stat->skipped, NULL },
		{ "filled", stat->filled, NULL },
	};

	memcpy(numbers, all, sizeof(all));
}

size_t utf8_length(const unsigned char *text, size_t len)
{
	/* Least and most that a second byte may be, by the first. */
	unsigned char least = 0x80, most = 0xbf;
	size_t need;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	need = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

	if (text[0] == 0xe0)
		least = 0xa0;
	else if (text[0] == 0xed)
		most = 0x9f;
	else if (text[0] == 0xf0)
		least = 0x90;
	else if (text[0] == 0xf4)
		most = 0x8f;

	if (len < need || text[1] < least || text[1] > most)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static bool is_text(const unsigned char *bytes, size_t len)
{
	while (len) {
		size_t step = *bytes ? utf8_length(bytes, len) : 0;

		if (!step)
			return false;
		bytes += step;
		len -= step;
	}
	return true;
}

/* U+0080 to U+009F are two bytes in UTF-8 and commands to some terminals. */
static bool is_control(const unsigned char *character)
{
	return character[0] < 0x20 || character[0] == 0x7f ||
	       (character[0] == 0xc2 && character[1] < 0xa0);
}

static void write_character(const unsigned char *character, size_t len)
{
	if (is_control(character))
		printf("\\u%04x", character[len - 1]);
	else if (*character == '"' || *character == '\\')
		printf("\\%c", *character);
	else
		fwrite(character, len, 1, stdout);
}

static void write_text(const unsigned char *text, size_t len)
{
	size_t step;

	for (; len; text += step, len -= step) {
		step = utf8_length(text, len);
		write_character(text, step);
	}
}

static void write_base64(const unsigned char *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		unsigned int group = bytes[i] << 16;

		if (i + 1 < len)
			group |= bytes[i + 1] << 8;
		if (i + 2 < len)
			group |= bytes[i + 2];
		putchar(digits[group >> 18]);
		putchar(digits[group >> 12 & 63]);
		putchar(i + 1 < len ? digits[group >> 6 & 63] : '=');
		putchar(i + 2 < len ? digits[group & 63] : '=');
	}
}

void json_key(struct json *json, const char *key)
{
	printf("%s\"%s\":", json->more ? "," : "", key);
	json->more = true;
}

void json_begin(struct json *json)
{
	json->more = false;
	putchar('{');
}

void json_end(void)
{
	putchar('}');
}

void json_number(struct json *json, const char *key, uint64_t number)
{
	json_key(json, key);
	printf("%" PRIu64, number);
}

void json_null(struct json *json, const char *key)
{
	json_key(json, key);
	fputs("null", stdout);
}

void json_bits(struct json *json, const char *key, const struct bit *names, uint64_t set)
{
	const char *name = take_bit(names, &set);

	json_key(json, key);
	putchar('[');
	while (name) {
		printf("\"%s\"", name);
		name = take_bit(names, &set);
		if (name)
			putchar(',');
	}
	putchar(']');
}

void json_bytes(struct json *json, const char *key, const char *key64,
		const void *bytes, size_t len)
{
	bool text = is_text(bytes, len);

	json_key(json, text ? key : key64);
	putchar('"');
	(text ? write_text : write_base64)(bytes, len);
	putchar('"');
}

void json_text(struct json *json, const char *key, const char *text)
{
	json_bytes(json, key, key, text, strlen(text));
}

void json_envelope(struct json *json, const struct mbox_envelope *envelope)
{
	json_number(json, "pid", envelope->pid);
	json_number(json, "uid", envelope->uid);
	json_number(json, "gid", envelope->gid);
	json_number(json, "tag", envelope->tag);
	json_number(json, "sender", envelope->sender);
	json_number(json, "stamp", envelope->stamp);
	json_number(json, "clock", envelope->clock);
	json_bits(json, "got", gots, envelope->got);
	json_number(json, "files", envelope->nr_files);
	json_number(json, "len", envelope->len);
}

void json_name(struct json *json, const struct mbox_stat *stat)
{
	const char *name = (const char *)stat->name;

	if (*name)
		json_bytes(json, "name", "name_base64", name, strlen(name));
	else
		json_null(json, "name");
}

void json_rate(struct json *json, const char *key, double rate)
{
	json_key(json, key);
	printf("%.3f", rate);
}

static void json_mode(struct json *json, uint32_t mode)
{
	json_key(json, "mode");
	printf("\"%04o\"", mode);
}

static void json_grant(const struct netlink_grant *grant)
{
	struct json json;

	json_begin(&json);
	json_number(&json, "pid", grant->pid);
	json_number(&json, "participant", grant->participant);
	json_bits(&json, "rights", rights, grant->rights);
	json_end();
}

static void json_grants(struct json *json, uint64_t id, const struct netlink_grant *grants,
			size_t count)
{
	bool more = false;

	json_key(json, "grants");
	putchar('[');
	for (size_t i = 0; i < count; i++) {
		if (grants[i].id != id)
			continue;
		if (more)
			putchar(',');
		json_grant(&grants[i]);
		more = true;
	}
	putchar(']');
}

uint64_t waited_from(int bucket)
{
	return bucket ? (uint64_t)MBOX_WAITED_FIRST << (bucket - 1) : 0;
}

uint64_t waited_sum(const uint64_t *waited)
{
	uint64_t sum = 0;

	for (int i = 0; i < MBOX_WAITED_BUCKETS; i++)
		sum += waited[i];
	return sum;
}

int waited_percentile(const uint64_t *waited, unsigned int percent)
{
	uint64_t total = waited_sum(waited), rest = 100 - percent, counted = 0;
	uint64_t enough = total - total / 100 * rest - total % 100 * rest / 100;
	int bucket = 0;

	for (; bucket < MBOX_WAITED_BUCKETS - 1; bucket++) {
		counted += waited[bucket];
		if (counted >= enough)
			break;
	}
	return bucket;
}

/* The last bucket has no bound. */
static void json_bucket(int bucket, uint64_t count)
{
	struct json json;

	json_begin(&json);
	json_number(&json, "from", waited_from(bucket));
	if (bucket + 1 < MBOX_WAITED_BUCKETS)
		json_number(&json, "below", waited_from(bucket + 1));
	else
		json_null(&json, "below");
	json_number(&json, "count", count);
	json_end();
}

static void json_waited(struct json *json, const uint64_t waited[MBOX_WAITED_BUCKETS])
{
	bool more = false;

	json_key(json, "waited");
	putchar('[');
	for (int i = 0; i < MBOX_WAITED_BUCKETS; i++) {
		if (!waited[i])
			continue;
		if (more)
			putchar(',');
		json_bucket(i, waited[i]);
		more = true;
	}
	putchar(']');
}

static void json_attributes(struct json *json, const struct mbox_stat *stat)
{
	json_number(json, "id", stat->id);
	json_name(json, stat);
	json_mode(json, stat->mode);
	json_number(json, "uid", stat->uid);
	json_number(json, "gid", stat->gid);
	json_number(json, "pid", stat->pid);
	json_bits(json, "state", states, stat->state);
	json_number(json, "offered", stat->offered);
}

static void json_numbers(struct json *json, const struct mbox_stat *stat)
{
	struct number numbers[NUMBERS];

	numbers_of(stat, numbers);
	json_bits(json, "kind", kinds, stat->kind);
	for (int i = 0; i < NUMBERS; i++) {
		if (numbers[i].instead)
			json_null(json, numbers[i].key);
		else
			json_number(json, numbers[i].key, numbers[i].value);
	}
}

void json_box(const struct netlink_box *box, const struct netlink_grant *grants, size_t count)
{
	struct json json;

	json_begin(&json);
	json_attributes(&json, &box->stat);
	json_grants(&json, box->stat.id, grants, count);
	json_numbers(&json, &box->stat);
	json_waited(&json, box->waited);
	json_end();
}

void json_stat(const struct mbox_stat *stat)
{
	struct json json;

	json_begin(&json);
	json_attributes(&json, stat);
	json_number(&json, "granted", stat->grants);
	json_numbers(&json, stat);
	json_end();
}
