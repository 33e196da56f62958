// SPDX-License-Identifier: GPL-2.0
/*
 * efd_storm: a module that keeps signalling an eventfd from three places at once: a
 * hard interrupt, a softirq, and a kernel thread.
 *
 *	insmod efd_storm.ko pid=PID efd=DESCRIPTOR [period=US] [batch=N]
 *
 * In each of them it gives N signals (8 unless told otherwise), then again US
 * microseconds later (100); softirqs come with the clock's ticks. In
 * /sys/module/efd_storm/parameters is how many were given from where: interrupt, softirq,
 * thread. A write to the parameter stop ends the storm; after it no more are given.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/timer.h>

#include "find_eventfd.h"

static int pid;
module_param(pid, int, 0444);
static unsigned int efd;
module_param(efd, uint, 0444);
static unsigned int period = 100;
module_param(period, uint, 0444);
static unsigned int batch = 8;
module_param(batch, uint, 0444);

static unsigned long interrupt;
module_param(interrupt, ulong, 0444);
static unsigned long softirq;
module_param(softirq, ulong, 0444);
static unsigned long thread;
module_param(thread, ulong, 0444);

static struct found_eventfd found;
static struct hrtimer hard;
static struct timer_list soft;
static struct task_struct *task;
static bool stopping;

static void give(unsigned long *given)
{
	unsigned int i;

	for (i = 0; i < batch; i++)
		signal_once(found.ctx, 0);
	*given += batch;
}

static enum hrtimer_restart efd_storm_hard(struct hrtimer *timer)
{
	give(&interrupt);
	/* from now on, so that a slow machine gets on between two of them */
	hrtimer_forward_now(timer, ns_to_ktime(period * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static void efd_storm_soft(struct timer_list *timer)
{
	give(&softirq);
	if (!READ_ONCE(stopping))
		mod_timer(timer, jiffies + 1);
}

static int efd_storm_thread(void *unused)
{
	while (!kthread_should_stop()) {
		give(&thread);
		usleep_range(period, 2 * period);
	}
	return 0;
}

static void efd_storm_stop(void)
{
	if (!found.ctx)
		return;
	WRITE_ONCE(stopping, true);
	if (!IS_ERR_OR_NULL(task))
		kthread_stop(task);
	hrtimer_cancel(&hard);
	while (timer_delete_sync(&soft))
		cpu_relax();
	eventfd_ctx_put(found.ctx);
	found.ctx = NULL;
}

static int stop_set(const char *val, const struct kernel_param *kp)
{
	efd_storm_stop();
	return 0;
}

static const struct kernel_param_ops stop_ops = { .set = stop_set };
module_param_cb(stop, &stop_ops, NULL, 0200);

static int __init efd_storm_init(void)
{
	int err;

	if (!period || !batch)
		return -EINVAL;
	err = find_eventfd(pid, efd, &found);
	if (err) {
		found.ctx = NULL;
		return err;
	}
	fput(found.file);

	set_up_hrtimer(&hard, efd_storm_hard, HRTIMER_MODE_REL);
	timer_setup(&soft, efd_storm_soft, 0);
	task = kthread_run(efd_storm_thread, NULL, "efd_storm");
	if (IS_ERR(task)) {
		eventfd_ctx_put(found.ctx);
		return PTR_ERR(task);
	}
	hrtimer_start(&hard, ns_to_ktime(period * NSEC_PER_USEC), HRTIMER_MODE_REL);
	mod_timer(&soft, jiffies + 1);
	return 0;
}
module_init(efd_storm_init);

static void __exit efd_storm_exit(void)
{
	efd_storm_stop();
}
module_exit(efd_storm_exit);

MODULE_DESCRIPTION("Signals an eventfd from interrupts, softirqs and a thread");
MODULE_LICENSE("GPL");
