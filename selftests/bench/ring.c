// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A ring in shared memory, for one sender and one receiver: the least that passing bytes
 * can cost. It has no rights, no limits and no order but one, and each side trusts the
 * other; the kernel is asked only to sleep and to wake.
 */
#include <err.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "transport.h"

#define LINE		64
#define DEFAULT_DEPTH	64

/* Each side writes to a line of its own. */
struct memory {
	size_t bytes;
	size_t size;
	uint32_t slots;
	_Alignas(LINE) _Atomic uint32_t sent;
	_Atomic uint32_t sender_sleeps;
	_Alignas(LINE) _Atomic uint32_t received;
	_Atomic uint32_t receiver_sleeps;
	_Alignas(LINE) char data[];
};

static bool ring_open(struct channel *channel, const struct shape *shape)
{
	uint32_t slots = shape->depth ? shape->depth : DEFAULT_DEPTH;
	size_t bytes = sizeof(struct memory) + slots * shape->size;
	struct memory *memory;

	if (shape->shared)
		return false;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "ring: no memory");
	memory->bytes = bytes;
	memory->size = shape->size;
	memory->slots = slots;
	channel->memory = memory;
	return true;
}

static void ring_close(struct channel *channel)
{
	struct memory *memory = channel->memory;

	munmap(memory, memory->bytes);
}

/*
 * Says that it sleeps before it looks once more, and the other side looks whether
 * somebody sleeps after it has moved: one of the two sees the other.
 */
static void sleep_while(_Atomic uint32_t *counter, uint32_t seen, _Atomic uint32_t *sleeps)
{
	atomic_store(sleeps, 1);
	if (atomic_load(counter) == seen &&
	    syscall(SYS_futex, counter, FUTEX_WAIT, seen, NULL, NULL, 0) &&
	    errno != EAGAIN && errno != EINTR)
		err(1, "ring: cannot sleep");
	atomic_store(sleeps, 0);
}

static void move_on(_Atomic uint32_t *counter, uint32_t value, _Atomic uint32_t *sleeps)
{
	atomic_store(counter, value);
	if (atomic_load(sleeps) && atomic_exchange(sleeps, 0))
		syscall(SYS_futex, counter, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static char *slot(struct memory *memory, uint32_t number)
{
	return memory->data + number % memory->slots * memory->size;
}

static void ring_send(struct channel *channel, struct letter *letter, size_t size)
{
	struct memory *memory = channel->memory;
	uint32_t sent = atomic_load_explicit(&memory->sent, memory_order_relaxed), received;

	while (sent - (received = atomic_load(&memory->received)) == memory->slots)
		sleep_while(&memory->received, received, &memory->sender_sleeps);
	memcpy(slot(memory, sent), letter->data, size);
	move_on(&memory->sent, sent + 1, &memory->receiver_sleeps);
}

static void ring_receive(struct channel *channel, struct letter *letter, size_t size)
{
	struct memory *memory = channel->memory;
	uint32_t received = atomic_load_explicit(&memory->received, memory_order_relaxed);

	while (atomic_load(&memory->sent) == received)
		sleep_while(&memory->sent, received, &memory->receiver_sleeps);
	memcpy(letter->data, slot(memory, received), size);
	move_on(&memory->received, received + 1, &memory->sender_sleeps);
}

const struct transport ring = {
	.name = "ring", .open = ring_open, .close = ring_close,
	.send = ring_send, .receive = ring_receive,
};
