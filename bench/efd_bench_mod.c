// SPDX-License-Identifier: GPL-2.0
/*
 * efd_bench_mod: signals an eventfd of the task that loads it, in a loop, and says
 * what one signal cost.
 *
 *	efd=DESCRIPTOR [loops=N]
 *
 * The answer, in thousandths of a nanosecond, is in the parameter per_signal_x1000:
 * the median of a few loops, so that the timer's interrupts do not count.
 */
#include <linux/eventfd.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sort.h>

static unsigned int efd;
module_param(efd, uint, 0444);

static unsigned int loops = 1000;
module_param(loops, uint, 0444);

static unsigned long per_signal_x1000;
module_param(per_signal_x1000, ulong, 0444);

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static int __init efd_bench_init(void)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(efd);
	u64 sample[15], start;
	unsigned int i, j;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	for (i = 0; i < ARRAY_SIZE(sample); i++) {
		start = ktime_get_ns();
		for (j = 0; j < loops; j++)
			eventfd_signal(ctx);
		sample[i] = ktime_get_ns() - start;
		cond_resched();
	}
	eventfd_ctx_put(ctx);

	sort(sample, ARRAY_SIZE(sample), sizeof(*sample), compare, NULL);
	per_signal_x1000 = div_u64(sample[ARRAY_SIZE(sample) / 2] * 1000, loops);
	return 0;
}
module_init(efd_bench_init);

static void __exit efd_bench_exit(void)
{
}
module_exit(efd_bench_exit);

MODULE_DESCRIPTION("Signals an eventfd in a loop");
MODULE_LICENSE("GPL");
