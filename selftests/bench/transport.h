/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways for processes to pass messages: mbox and its peers, each in a file of its own and
 * used alike. A channel goes one way, and is there for the process that opened it and the
 * children that this has afterwards. What fails ends the program.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LETTER_SIZE	65536

/* A message: System V wants a type in front of it. With many, they follow each other. */
struct letter {
	long type;
	char data[LETTER_SIZE];
};

/* What a channel is for. */
struct shape {
	size_t size;		/* of each message, in bytes */
	unsigned int depth;	/* about so many, until a sender waits; 0: the default */
	bool shared;		/* several processes send, or several receive */
};

struct channel {
	int in;			/* messages are sent to this, */
	int out;		/* and received from this */
	uint64_t id;
	void *memory;
};

struct transport {
	const char *name;
	bool ours;
	/* False if that cannot be, as it is. */
	bool (*open)(struct channel *channel, const struct shape *shape);
	void (*close)(struct channel *channel);
	/* Both wait. */
	void (*send)(struct channel *channel, struct letter *letter, size_t size);
	void (*receive)(struct channel *channel, struct letter *letter, size_t size);
	/* The same with many in one call, or NULL. To receive waits for one, and says how many. */
	void (*send_many)(struct channel *channel, struct letter *letter, size_t size,
			  unsigned int nr);
	unsigned int (*receive_many)(struct channel *channel, struct letter *letter, size_t size,
				     unsigned int nr);
	/*
	 * A request and its reply in one call; and a reply to the request before (none if
	 * *@token is 0) and the next request. Or NULL.
	 */
	void (*call)(struct channel *channel, struct letter *letter, size_t size);
	void (*serve)(struct channel *channel, struct letter *letter, size_t size,
		      uint64_t *token);
};

#define MANY	64	/* is the most that are sent or received at once */

extern const struct transport mbox, mbox_stream, mbox_by_id, mbox_by_tag, mbox_by_sender;
extern const struct transport mqueue, sysv, seqpacket, dgram, pipes, ring;

#endif /* TRANSPORT_H */
