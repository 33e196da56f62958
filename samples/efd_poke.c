// SPDX-License-Identifier: GPL-2.0
/*
 * efd_poke: a module that signals an eventfd of a process.
 *
 *	insmod efd_poke.ko pid=PID efd=DESCRIPTOR [count=N]
 *
 * It finds the eventfd, takes its context, adds N (1 unless told otherwise), and
 * lets go. How much was really added is in /sys/module/efd_poke/parameters/added.
 * Loading fails with ESRCH, EBADF or EINVAL if there is no such process, no such
 * descriptor, or if it is no eventfd.
 */
#include <linux/module.h>
#include <linux/version.h>

#include "find_eventfd.h"

static int pid;
module_param(pid, int, 0444);
MODULE_PARM_DESC(pid, "process that has the eventfd");

static unsigned int efd;
module_param(efd, uint, 0444);
MODULE_PARM_DESC(efd, "its descriptor there");

static unsigned long long count = 1;
module_param(count, ullong, 0444);
MODULE_PARM_DESC(count, "how much to add");

static unsigned long long added;
module_param(added, ullong, 0444);
MODULE_PARM_DESC(added, "how much was added (read only)");

/*
 * A count in one call: before 6.8, and where eventfd_signal() takes both forms.
 * Between those it can only be called once for each.
 */
#if defined(eventfd_signal) || LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define COUNTS 1
#else
#define COUNTS 0
#endif

static bool counts = COUNTS;
module_param(counts, bool, 0444);
MODULE_PARM_DESC(counts, "this kernel adds a count in one call (read only)");

static u64 poke(struct eventfd_ctx *ctx, u64 n)
{
#if COUNTS
	return eventfd_signal(ctx, n);
#else
	u64 i;

	for (i = 0; i < n; i++) {
		eventfd_signal(ctx);
		cond_resched();
	}
	return n;
#endif
}

static int __init efd_poke_init(void)
{
	struct found_eventfd found;
	int err = find_eventfd(pid, efd, &found);

	if (err)
		return err;

	fput(found.file);
	added = poke(found.ctx, count);
	eventfd_ctx_put(found.ctx);
	pr_info("efd_poke: added %llu to descriptor %u of process %d\n", added, efd, pid);
	return 0;
}
module_init(efd_poke_init);

static void __exit efd_poke_exit(void)
{
}
module_exit(efd_poke_exit);

MODULE_DESCRIPTION("Signals an eventfd of a process");
MODULE_LICENSE("GPL");
