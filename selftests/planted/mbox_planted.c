// SPDX-License-Identifier: GPL-2.0-only
/*
 * mbox_planted.c - errors that a debug kernel has to find: bug= says which. A net that
 * lets one of them through would let it through in mbox.ko, too.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static char *bug = "";
module_param(bug, charp, 0);

/* So that the compiler does not see what happens, and does not do away with it. */
static unsigned int opaque(unsigned int value)
{
	OPTIMIZER_HIDE_VAR(value);
	return value;
}

static void out_of_bounds(void)
{
	char *bytes = kzalloc(16, GFP_KERNEL);

	if (bytes)
		pr_info("behind the end: %d\n", bytes[opaque(16)]);
	kfree(bytes);
}

static void use_after_free(void)
{
	char *bytes = kzalloc(16, GFP_KERNEL);

	kfree(bytes);
	if (bytes)
		pr_info("after the end: %d\n", READ_ONCE(bytes[opaque(0)]));
}

static LLIST_HEAD(stack);
static struct llist_node plate;

/* The core kernel makes the access, for us. */
static void use_after_free_in_core(void)
{
	struct llist_node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	kfree(node);
	if (node)
		llist_add(node + opaque(0), &stack);
	init_llist_head(&stack);
}

static void leak(void)
{
	char *bytes = kzalloc(1000, GFP_KERNEL);

	pr_info("lost: %d bytes\n", bytes ? 1000 : 0);
}

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void lock_both(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static void lock_inversion(void)
{
	lock_both(&first, &second);
	lock_both(&second, &first);
}

static DEFINE_SPINLOCK(spinlock);

static void sleep_in_atomic(void)
{
	spin_lock(&spinlock);
	msleep(1);
	spin_unlock(&spinlock);
}

static void shift_too_far(void)
{
	pr_info("shifted: %u\n", 1U << opaque(40));
}

static void ring(struct timer_list *timer)
{
}

static void free_active_timer(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, ring, 0);
	mod_timer(timer, jiffies + 100 * HZ);
	kfree(timer);
}

static int contended;

static void contender(void)
{
	contended++;
}

static void stacker(void)
{
	llist_add(&plate, &stack);
	llist_del_first(&stack);
}

static void onlooker(void)
{
	if (stack.first != &plate)
		contended++;
}

static int repeat(void *action)
{
	void (*act)(void) = action;
	unsigned long end = jiffies + 5 * HZ;

	while (time_before(jiffies, end) && !kthread_should_stop()) {
		act();
		cond_resched();
	}
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static void repeat_both(void (*first_act)(void), void (*second_act)(void))
{
	struct task_struct *one = kthread_run(repeat, first_act, "one");
	struct task_struct *other = kthread_run(repeat, second_act, "other");

	msleep(6000);
	if (!IS_ERR(one))
		kthread_stop(one);
	if (!IS_ERR(other))
		kthread_stop(other);
}

static void race(void)
{
	repeat_both(contender, contender);
}

/* What the core kernel does for one of us, the other one looks at. */
static void race_with_core(void)
{
	repeat_both(stacker, onlooker);
}

static const struct {
	const char *name;
	void (*commit)(void);
} bugs[] = {
	{ "out_of_bounds", out_of_bounds },
	{ "use_after_free", use_after_free },
	{ "use_after_free_in_core", use_after_free_in_core },
	{ "leak", leak },
	{ "lock_inversion", lock_inversion },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "shift_too_far", shift_too_far },
	{ "free_active_timer", free_active_timer },
	{ "race", race },
	{ "race_with_core", race_with_core },
};

static int __init planted_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (strcmp(bug, bugs[i].name))
			continue;
		bugs[i].commit();
		return 0;
	}
	return -EINVAL;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Errors for debug kernels to find");
MODULE_AUTHOR("The mbox authors");
MODULE_LICENSE("GPL");
