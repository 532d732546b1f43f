// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message that is read from standard input, or from a command.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mboxctl.h"

/* Room for one more byte. */
static int make_room(struct message *message)
{
	size_t room = message->room ? 2 * message->room : 4096;
	char *bytes;

	if (message->len < message->room)
		return 0;
	bytes = realloc(message->bytes, room);
	if (!bytes)
		return -1;
	message->bytes = bytes;
	message->room = room;
	return 0;
}

int read_message(struct message *message, size_t max_size, int end)
{
	int byte;

	message->len = 0;
	while ((byte = getc_unlocked(stdin)) != EOF && byte != end) {
		if (message->len == max_size) {
			errno = EMSGSIZE;
			return -1;
		}
		if (make_room(message))
			return -1;
		message->bytes[message->len++] = byte;
	}
	if (ferror(stdin))
		return -1;
	return byte != EOF || message->len;
}

ssize_t read_some(struct message *message, int fd)
{
	ssize_t got;

	if (make_room(message))
		return -1;
	got = read(fd, message->bytes + message->len, message->room - message->len);
	if (got > 0)
		message->len += got;
	return got;
}
