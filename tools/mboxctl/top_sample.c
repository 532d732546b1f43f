// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What mboxctl top knows: all mailboxes at one moment, and what is different from the
 * moment before.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "top.h"

static uint64_t quantile(const uint64_t counts[MBOX_WAITED_BUCKETS], unsigned int percent)
{
	int bucket = waited_percentile(counts, percent);

	return bucket < MBOX_WAITED_BUCKETS - 1 ? waited_from(bucket + 1) : UINT64_MAX;
}

static void compare_waited(struct row *row, const struct netlink_box *before)
{
	uint64_t counts[MBOX_WAITED_BUCKETS];

	for (int i = 0; i < MBOX_WAITED_BUCKETS; i++)
		counts[i] = row->box->waited[i] - before->waited[i];
	if (!waited_sum(counts))
		return;
	row->p50 = quantile(counts, 50);
	row->p99 = quantile(counts, 99);
}

static void compare(struct row *row, const struct netlink_box *before, double seconds)
{
	const struct mbox_stat *stat = &row->box->stat;

	row->compared = true;
	row->sent = (stat->sent - before->stat.sent) / seconds;
	row->received = (stat->received - before->stat.received) / seconds;
	row->refused = (stat->refused - before->stat.refused) / seconds;
	compare_waited(row, before);
}

/*
 * Both are sorted by id. A mailbox with an id beyond all that were there is new; one
 * that was there but could not be seen has done what it has at some other time.
 */
static void compare_all(struct sample *now, const struct sample *before)
{
	double seconds = (now->at - before->at) / (double)NSEC_PER_SEC;
	uint64_t last = before->count ? before->boxes[before->count - 1].stat.id : 0;
	static const struct netlink_box new;
	size_t j = 0;

	for (size_t i = 0; i < now->count; i++) {
		uint64_t id = now->boxes[i].stat.id;

		now->rows[i].box = &now->boxes[i];
		while (j < before->count && before->boxes[j].stat.id < id)
			j++;
		if (j < before->count && before->boxes[j].stat.id == id)
			compare(&now->rows[i], &before->boxes[j], seconds);
		else if (before->at && id > last)
			compare(&now->rows[i], &new, seconds);
	}
}

int sample_take(struct netlink *netlink, struct sample *sample)
{
	struct mbox_info info;
	struct sample now = { .time = time(NULL) };

	if (netlink_dump(netlink, &now.boxes, &now.count))
		return -1;
	now.at = read_clock(CLOCK_MONOTONIC);
	now.rows = calloc(now.count + 1, sizeof(*now.rows));
	if (!now.rows || netlink_limits(netlink, NULL, &info, &now.usage)) {
		int error = errno;

		sample_free(&now);
		errno = error;
		return -1;
	}
	compare_all(&now, sample);
	sample_free(sample);
	*sample = now;
	return 0;
}

void sample_free(struct sample *sample)
{
	free(sample->boxes);
	free(sample->rows);
}

/* Of an inbox each link has as much room. */
double fill_of(const struct mbox_stat *stat)
{
	double rooms = stat->kind & MBOX_CREATE_INBOX ? stat->links : 1;
	double msgs = 0, bytes = 0;

	if (stat->max_msgs && stat->max_msgs != MBOX_UNBOUNDED && rooms)
		msgs = stat->msgs / (stat->max_msgs * rooms);
	if (stat->max_bytes && stat->max_bytes != MBOX_UNBOUNDED_BYTES && rooms)
		bytes = stat->bytes / (stat->max_bytes * rooms);
	msgs = msgs > bytes ? msgs : bytes;
	return msgs < 1 ? msgs : 1;
}
