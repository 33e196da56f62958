// SPDX-License-Identifier: GPL-2.0
/*
 * efd_listen: a module that reads an eventfd from inside the kernel, as KVM does.
 *
 *	insmod efd_listen.ko pid=PID efd=DESCRIPTOR [keep=1]
 *
 * It hangs a callback on the eventfd's wait queue. The callback takes the count
 * at once, so that nobody else sees it; with keep=1 it only listens. What it saw
 * is in /sys/module/efd_listen/parameters: wakeups, how many; taken, the sum of
 * what it took; keys, all events of all wakeups; allowed, in how many of them it
 * might have signalled an eventfd itself. A write to the parameter left detaches the callback and takes what is there, in one step; a read then shows
 * it, or -11 (EAGAIN) if that was nothing.
 */
#include <linux/module.h>
#include <linux/poll.h>

#include "find_eventfd.h"

static int pid;
module_param(pid, int, 0444);
static unsigned int efd;
module_param(efd, uint, 0444);
static bool keep;
module_param(keep, bool, 0444);

static unsigned long wakeups;
module_param(wakeups, ulong, 0444);
static unsigned long long taken;
module_param(taken, ullong, 0444);
static unsigned int keys;
module_param(keys, uint, 0444);
static unsigned long allowed;
module_param(allowed, ulong, 0444);
static s64 left;

static struct found_eventfd found;
static wait_queue_head_t *queue;
static wait_queue_entry_t entry;
static bool attached;

/* Called under the lock of the wait queue, which covers all that it touches. */
static int efd_listen_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	u64 count;

	wakeups++;
	keys |= (__force u32)key_to_poll(key);
	allowed += eventfd_signal_allowed();
	if ((key_to_poll(key) & EPOLLIN) && !keep) {
		eventfd_ctx_do_read(found.ctx, &count);
		taken += count;
	}
	return 0;
}

static void efd_listen_join(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	queue = wqh;
	add_wait_queue(wqh, &entry);
}

static void efd_listen_stop(void)
{
	u64 count;
	int err;

	if (!attached)
		return;
	err = eventfd_ctx_remove_wait_queue(found.ctx, &entry, &count);
	left = err ?: count;
	attached = false;
	eventfd_ctx_put(found.ctx);
}

static int left_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lld\n", left);
}

static int left_set(const char *val, const struct kernel_param *kp)
{
	efd_listen_stop();
	return 0;
}

static const struct kernel_param_ops left_ops = { .get = left_get, .set = left_set };
module_param_cb(left, &left_ops, NULL, 0644);

static int __init efd_listen_init(void)
{
	struct poll_table_struct pt;
	int err = find_eventfd(pid, efd, &found);

	if (err)
		return err;

	init_waitqueue_func_entry(&entry, efd_listen_wake);
	init_poll_funcptr(&pt, efd_listen_join);
	vfs_poll(found.file, &pt);
	attached = true;
	fput(found.file);
	return 0;
}
module_init(efd_listen_init);

static void __exit efd_listen_exit(void)
{
	efd_listen_stop();
}
module_exit(efd_listen_exit);

MODULE_DESCRIPTION("Listens to an eventfd of a process");
MODULE_LICENSE("GPL");
