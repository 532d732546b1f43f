/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - how rhashtables change. Who locks a bucket sets a bit of its head, which
 * others that try the same, or move what is in it, read plainly: to KCSAN that is a race,
 * so that it is kept from watching. Lookups read what is marked.
 */
#ifndef MBOX_TABLE_H
#define MBOX_TABLE_H

#include <linux/errno.h>
#include <linux/kcsan-checks.h>
#include <linux/rhashtable.h>

/* Of what has a key of its own. That the table cannot grow means that memory is short. */
static __always_inline int mbox_table_add(struct rhashtable *table, struct rhash_head *node,
					  const struct rhashtable_params params)
{
	int err;

	kcsan_disable_current();
	err = rhashtable_insert_fast(table, node, params);
	kcsan_enable_current();
	return err ? -ENOMEM : 0;
}

/* Likewise, but -EEXIST if there is something with that key. */
static __always_inline int mbox_table_add_new(struct rhashtable *table, struct rhash_head *node,
					      const struct rhashtable_params params)
{
	int err;

	kcsan_disable_current();
	err = rhashtable_lookup_insert_fast(table, node, params);
	kcsan_enable_current();
	return !err || err == -EEXIST ? err : -ENOMEM;
}

/* Nothing happens if it is not in the table. */
static __always_inline void mbox_table_remove(struct rhashtable *table,
					      struct rhash_head *node,
					      const struct rhashtable_params params)
{
	kcsan_disable_current();
	rhashtable_remove_fast(table, node, params);
	kcsan_enable_current();
}

#endif
