// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * stream: a file goes through a mailbox, a chunk a message. An empty message
 * marks the end.
 *
 *	stream send NAME FILE [CHUNK]
 *	stream recv NAME OUT
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <mbox.h>

#define DEFAULT_CHUNK	65536

struct tally {
	uint64_t messages;
	uint64_t bytes;
	uint64_t total;		/* bytes to come altogether, 0 if unknown */
	double begin;
	double shown;		/* when progress was told last */
};

static double now(void)
{
	struct timespec ts;

	mbox_deadline(&ts, 0);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double mib_per_second(const struct tally *tally, double seconds)
{
	return seconds > 0 ? tally->bytes / 1048576.0 / seconds : 0;
}

static void begin(struct tally *tally, uint64_t total)
{
	*tally = (struct tally) { .total = total, .begin = now() };
	tally->shown = tally->begin;
}

/* Twice a second for people, a line each second for logs. */
static void show_progress(struct tally *tally)
{
	double time = now();
	int terminal;

	if (time - tally->shown < 0.5)
		return;
	terminal = isatty(STDERR_FILENO);
	if (!terminal && time - tally->shown < 1)
		return;
	tally->shown = time;

	if (tally->total)
		fprintf(stderr, "%3.0f %%, ", 100.0 * tally->bytes / tally->total);
	fprintf(stderr, "%.1f MiB, %.1f MiB/s%s", tally->bytes / 1048576.0,
		mib_per_second(tally, time - tally->begin),
		terminal ? "   \r" : "\n");
}

static void count(struct tally *tally, size_t len)
{
	tally->messages++;
	tally->bytes += len;
	show_progress(tally);
}

/* The end mark is counted too, as the mailbox's own counters do. */
static void conclude(const struct tally *tally, const char *verb)
{
	double seconds = now() - tally->begin;

	if (isatty(STDERR_FILENO) && tally->shown > tally->begin)
		fputc('\n', stderr);
	printf("%s %" PRIu64 " messages, %" PRIu64 " bytes, %.2f s, %.1f MiB/s\n",
	       verb, tally->messages, tally->bytes, seconds,
	       mib_per_second(tally, seconds));
	if (fflush(stdout))
		err(1, "standard output");
}

static int open_mailbox(const char *name, int oflag, uint32_t *max_size)
{
	int fd = mbox_open(name, oflag | O_CLOEXEC);
	struct mbox_stat stat;

	if (fd < 0)
		err(1, "mailbox %s", name);
	if (mbox_getstat(fd, &stat))
		err(1, "mailbox %s", name);
	if (stat.max_size == 0)
		errx(1, "mailbox %s takes empty messages only", name);
	*max_size = stat.max_size;
	return fd;
}

static size_t parse_chunk(const char *text, uint32_t max_size)
{
	unsigned long chunk;
	char *end;

	if (!text)
		return max_size < DEFAULT_CHUNK ? max_size : DEFAULT_CHUNK;
	errno = 0;
	chunk = strtoul(text, &end, 10);
	if (errno || end == text || *end || strchr(text, '-') ||
	    chunk < 1 || chunk > max_size)
		errx(1, "CHUNK %s: the mailbox takes 1 to %" PRIu32 " bytes a message",
		     text, max_size);
	return chunk;
}

static void *allocate(size_t size)
{
	void *buf = malloc(size);

	if (!buf)
		err(1, "%zu bytes of memory", size);
	return buf;
}

static void send_file(const char *name, const char *path, const char *chunk_text)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct tally tally;
	struct stat stat;
	uint32_t max_size;
	size_t chunk;
	ssize_t len;
	char *buf;
	int mbox;

	if (file < 0 || fstat(file, &stat))
		err(1, "%s", path);
	mbox = open_mailbox(name, O_WRONLY, &max_size);
	chunk = parse_chunk(chunk_text, max_size);
	buf = allocate(chunk);

	begin(&tally, S_ISREG(stat.st_mode) ? stat.st_size : 0);
	do {
		len = read(file, buf, chunk);
		if (len < 0)
			err(1, "%s", path);
		if (mbox_send(mbox, buf, len, 0, 0, NULL))
			err(1, "mailbox %s", name);
		count(&tally, len);
	} while (len > 0);

	conclude(&tally, "sent");
	free(buf);
	close(file);
	close(mbox);
}

static void write_all(int file, const char *path, const char *buf, size_t len)
{
	ssize_t done;

	for (; len; buf += done, len -= done) {
		done = write(file, buf, len);
		if (done < 0)
			err(1, "%s", path);
	}
}

static void receive_file(const char *name, const char *path)
{
	struct tally tally;
	uint32_t max_size;
	ssize_t len;
	char *buf;
	int file;
	int mbox;

	mbox = open_mailbox(name, O_RDONLY, &max_size);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (file < 0)
		err(1, "%s", path);
	buf = allocate(max_size);

	tally.messages = 0;
	do {
		len = mbox_recv(mbox, buf, max_size, NULL, 0, NULL);
		if (len < 0)
			err(1, "mailbox %s", name);
		/* Waiting for the sender to begin is not part of the rate. */
		if (tally.messages == 0)
			begin(&tally, 0);
		write_all(file, path, buf, len);
		count(&tally, len);
	} while (len > 0);

	if (close(file))
		err(1, "%s", path);
	conclude(&tally, "received");
	free(buf);
	close(mbox);
}

int main(int argc, char **argv)
{
	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "send"))
		send_file(argv[2], argv[3], argv[4]);
	else if (argc == 4 && !strcmp(argv[1], "recv"))
		receive_file(argv[2], argv[3]);
	else
		errx(1, "usage: stream send NAME FILE [CHUNK] | stream recv NAME OUT");
	return 0;
}
