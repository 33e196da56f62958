// SPDX-License-Identifier: GPL-2.0
/*
 * efd_contexts: a module that signals an eventfd from every context that may, and that
 * hangs watchers of every kind on its wait queue.
 *
 *	insmod efd_contexts.ko pid=PID efd=DESCRIPTOR
 *
 * In /sys/module/efd_contexts/parameters:
 *
 * from		write a context's name, and it signals once from there: process, irqs_off,
 *		hard_irq, tasklet, timer, hrtimer, workqueue, rcu, other_cpu, nmi (which may
 *		not itself, and has an irq_work do it). Over when the write is; EINVAL for
 *		another name, EOPNOTSUPP if there is no such context here, ETIMEDOUT
 * where	what it was like there: task, soft or hard; off, with interrupts off; cpu,
 *		on another processor; nmi, after one
 * watch	write plain, exclusive, priority or draining, and a watcher of that kind
 *		joins the queue, ENOSPC after 8. The last two take the count as KVM does;
 *		exclusive and priority ones say that they were the one to be woken, a
 *		priority one only when there was a count to take
 * seen		a word for each call of a watcher, KIND:EVENTS:STATE: the events in hexadecimal;
 *		l if the queue was locked, o if interrupts were off (as far as its lock turns
 *		them off, which on PREEMPT_RT it does not), g if the guard said that no signal
 *		is allowed. A write forgets them
 * taken	what the watchers took, all together
 * rounds	write N, and a watcher comes and goes N times; reads as in how many of them it
 *		was not given, as it left, exactly what was added while it was there. For
 *		an eventfd that counts, to which others add 1 at a time
 * forget	a write lets go of the file: no watcher can join any longer, and a close() in user
 *		space is the last one
 * leave	a write has all watchers leave, oldest first, each taking what is there, in
 *		one step; reads as the last result, a count or -11 (EAGAIN) for nothing
 */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/smp.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "find_eventfd.h"

static int pid;
module_param(pid, int, 0444);
static unsigned int efd;
module_param(efd, uint, 0444);

static struct found_eventfd found;

/* Signals */

static DECLARE_COMPLETION(given);
static int giver_cpu;
static bool after_nmi;
static char where[32];
module_param_string(where, where, sizeof(where), 0444);

static void give(void)
{
	scnprintf(where, sizeof(where), "%s%s%s%s",
		  in_hardirq()	       ? "hard" :
		  in_serving_softirq() ? "soft" :
					 "task",
		  irqs_disabled() ? ",off" : "", raw_smp_processor_id() != giver_cpu ? ",cpu" : "",
		  after_nmi ? ",nmi" : "");
	signal_once(found.ctx, 0);
	complete(&given);
}

static void give_by_irq_work(struct irq_work *work)
{
	give();
}

static struct irq_work irq_work = IRQ_WORK_INIT_HARD(give_by_irq_work);

static void give_by_tasklet(struct tasklet_struct *tasklet)
{
	give();
}

static DECLARE_TASKLET(tasklet, give_by_tasklet);

static void give_by_timer(struct timer_list *timer)
{
	give();
}

static DEFINE_TIMER(timer, give_by_timer);

static enum hrtimer_restart give_by_hrtimer(struct hrtimer *timer)
{
	give();
	return HRTIMER_NORESTART;
}

static struct hrtimer hrtimer;

static void give_by_work(struct work_struct *work)
{
	give();
}

static DECLARE_WORK(work, give_by_work);

static void give_by_rcu(struct rcu_head *head)
{
	give();
}

static struct rcu_head rcu;

static void give_by_call(void *unused)
{
	give();
}

static int ask_process(void)
{
	give();
	return 0;
}

static int ask_irqs_off(void)
{
	unsigned long flags;

	local_irq_save(flags);
	give();
	local_irq_restore(flags);
	return 0;
}

static int ask_hard_irq(void)
{
	irq_work_queue(&irq_work);
	return 0;
}

static int ask_tasklet(void)
{
	tasklet_schedule(&tasklet);
	return 0;
}

static int ask_timer(void)
{
	mod_timer(&timer, jiffies + 1);
	return 0;
}

static int ask_hrtimer(void)
{
	hrtimer_start(&hrtimer, ns_to_ktime(100 * NSEC_PER_USEC), HRTIMER_MODE_REL_HARD);
	return 0;
}

static int ask_workqueue(void)
{
	schedule_work(&work);
	return 0;
}

static int ask_rcu(void)
{
	call_rcu(&rcu, give_by_rcu);
	return 0;
}

static int ask_other_cpu(void)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, get_cpu());
	int err = -EOPNOTSUPP;

	if (cpu < nr_cpu_ids)
		err = smp_call_function_single(cpu, give_by_call, NULL, 1);
	put_cpu();
	return err;
}

#ifdef CONFIG_X86_LOCAL_APIC
static bool nmi_wanted;

static int efd_contexts_nmi(unsigned int type, struct pt_regs *regs)
{
	if (!nmi_wanted)
		return NMI_DONE;
	nmi_wanted = false;
	after_nmi = in_nmi();
	irq_work_queue(&irq_work);
	return NMI_HANDLED;
}

static int ask_nmi(void)
{
	int err = register_nmi_handler(NMI_LOCAL, efd_contexts_nmi, 0, "efd_contexts");

	if (err)
		return err;
	nmi_wanted = true;
	apic->send_IPI_mask(cpumask_of(get_cpu()), NMI_VECTOR);
	put_cpu();
	if (!wait_for_completion_timeout(&given, 10 * HZ))
		err = -ETIMEDOUT;
	unregister_nmi_handler(NMI_LOCAL, "efd_contexts");
	if (!err)
		complete(&given);
	return err;
}
#else
static int ask_nmi(void)
{
	return -EOPNOTSUPP;
}
#endif

static const struct {
	const char *name;
	int (*signal)(void);
	bool no_sleep;	/* on PREEMPT_RT an eventfd's lock is one that sleeps */
} contexts[] = {
	{ "process", ask_process },
	{ "irqs_off", ask_irqs_off, true },
	{ "hard_irq", ask_hard_irq, true },
	{ "tasklet", ask_tasklet },
	{ "timer", ask_timer },
	{ "hrtimer", ask_hrtimer, true },
	{ "workqueue", ask_workqueue },
	{ "rcu", ask_rcu },
	{ "other_cpu", ask_other_cpu, true },
	{ "nmi", ask_nmi, true },
};

static int from_set(const char *val, const struct kernel_param *kp)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(contexts); i++)
		if (sysfs_streq(val, contexts[i].name))
			break;
	if (i == ARRAY_SIZE(contexts))
		return -EINVAL;
	if (contexts[i].no_sleep && IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;

	reinit_completion(&given);
	after_nmi = false;
	migrate_disable();
	giver_cpu = smp_processor_id();
	err = contexts[i].signal();
	if (!err && !wait_for_completion_timeout(&given, 10 * HZ))
		err = -ETIMEDOUT;
	migrate_enable();
	return err;
}

static const struct kernel_param_ops from_ops = { .set = from_set };
module_param_cb(from, &from_ops, NULL, 0200);

/* Watchers */

enum kind { PLAIN, EXCLUSIVE, PRIORITY, DRAINING };

static const char *const kinds[] = { "plain", "exclusive", "priority", "draining" };

static struct watcher {
	wait_queue_entry_t entry;
	enum kind kind;
} watchers[8];

static unsigned int nr_watchers;
static wait_queue_head_t *queue;
static unsigned long long taken;
module_param(taken, ullong, 0444);
static s64 left;

/* what was seen, under the lock of the queue */
static char seen[512];
static int seen_len;

static int efd_contexts_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct watcher *watcher = container_of(entry, struct watcher, entry);
	bool in = key_to_poll(key) & EPOLLIN;
	u64 count;

	seen_len += scnprintf(seen + seen_len, sizeof(seen) - seen_len, "%s%s:%x:%s%s%s",
			      seen_len ? " " : "", kinds[watcher->kind],
			      (__force u32)key_to_poll(key),
			      spin_is_locked(&queue->lock) ? "l" : "",
			      irqs_disabled() || IS_ENABLED(CONFIG_PREEMPT_RT) ? "o" : "",
			      eventfd_signal_allowed() ? "" : "g");
	if (in && (watcher->kind == PRIORITY || watcher->kind == DRAINING)) {
		eventfd_ctx_do_read(found.ctx, &count);
		taken += count;
	}
	return watcher->kind == EXCLUSIVE || (watcher->kind == PRIORITY && in);
}

static void efd_contexts_join(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	struct watcher *watcher = &watchers[nr_watchers];

	queue = wqh;
	init_waitqueue_func_entry(&watcher->entry, efd_contexts_wake);
	switch (watcher->kind) {
	case PRIORITY:
		join_in_front(wqh, &watcher->entry);
		break;
	case EXCLUSIVE:
		add_wait_queue_exclusive(wqh, &watcher->entry);
		break;
	default:
		add_wait_queue(wqh, &watcher->entry);
	}
}

static int watch_set(const char *val, const struct kernel_param *kp)
{
	struct poll_table_struct pt;
	int kind = sysfs_match_string(kinds, val);

	if (kind < 0)
		return kind;
	if (!found.file)
		return -EBADF;
	if (nr_watchers == ARRAY_SIZE(watchers))
		return -ENOSPC;
	watchers[nr_watchers].kind = kind;
	init_poll_funcptr(&pt, efd_contexts_join);
	vfs_poll(found.file, &pt);
	nr_watchers++;
	return 0;
}

static const struct kernel_param_ops watch_ops = { .set = watch_set };
module_param_cb(watch, &watch_ops, NULL, 0200);

static int seen_get(char *buf, const struct kernel_param *kp)
{
	unsigned long flags;
	int len = 0;

	if (queue) {
		spin_lock_irqsave(&queue->lock, flags);
		len = sysfs_emit(buf, "%.*s", seen_len, seen);
		spin_unlock_irqrestore(&queue->lock, flags);
	}
	return len + sysfs_emit_at(buf, len, "\n");
}

static int seen_set(const char *val, const struct kernel_param *kp)
{
	unsigned long flags;

	if (!queue)
		return 0;
	spin_lock_irqsave(&queue->lock, flags);
	seen_len = 0;
	taken = 0;
	spin_unlock_irqrestore(&queue->lock, flags);
	return 0;
}

static const struct kernel_param_ops seen_ops = { .get = seen_get, .set = seen_set };
module_param_cb(seen, &seen_ops, NULL, 0644);

static void efd_contexts_leave(void)
{
	unsigned int i;
	u64 count;

	for (i = 0; i < nr_watchers; i++) {
		int err = eventfd_ctx_remove_wait_queue(found.ctx, &watchers[i].entry, &count);

		left = err ?: count;
	}
	nr_watchers = 0;
}

static int leave_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lld\n", left);
}

static int leave_set(const char *val, const struct kernel_param *kp)
{
	efd_contexts_leave();
	return 0;
}

static const struct kernel_param_ops leave_ops = { .get = leave_get, .set = leave_set };
module_param_cb(leave, &leave_ops, NULL, 0644);

/* A watcher that counts its calls, and what it is to be given. */
static unsigned long calls;
static unsigned int odd;

static int efd_contexts_count(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	calls += !!(key_to_poll(key) & EPOLLIN);
	return 0;
}

static void efd_contexts_meet(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	queue = wqh;
}

static int rounds_set(const char *val, const struct kernel_param *kp)
{
	struct poll_table_struct pt;
	wait_queue_entry_t entry;
	unsigned int n;
	u64 count;
	int err = kstrtouint(val, 0, &n);

	if (err)
		return err;
	if (!found.file)
		return -EBADF;
	init_poll_funcptr(&pt, efd_contexts_meet);
	vfs_poll(found.file, &pt);
	init_waitqueue_func_entry(&entry, efd_contexts_count);
	for (odd = 0; n; n--) {
		spin_lock_irq(&queue->lock);
		eventfd_ctx_do_read(found.ctx, &count);
		calls = 0;
		__add_wait_queue(queue, &entry);
		spin_unlock_irq(&queue->lock);
		cpu_relax();
		err = eventfd_ctx_remove_wait_queue(found.ctx, &entry, &count);
		odd += calls != (err ? 0 : count);
		cond_resched();
	}
	return 0;
}

static int rounds_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%u\n", odd);
}

static const struct kernel_param_ops rounds_ops = { .get = rounds_get, .set = rounds_set };
module_param_cb(rounds, &rounds_ops, NULL, 0644);

/* Lets go of the file, and keeps the context: a close in user space is then the last one. */
static int forget_set(const char *val, const struct kernel_param *kp)
{
	if (found.file)
		fput(found.file);
	found.file = NULL;
	return 0;
}

static const struct kernel_param_ops forget_ops = { .set = forget_set };
module_param_cb(forget, &forget_ops, NULL, 0200);

static int __init efd_contexts_init(void)
{
	int err;

	set_up_hrtimer(&hrtimer, give_by_hrtimer, HRTIMER_MODE_REL_HARD);
	err = find_eventfd(pid, efd, &found);
	if (err)
		found = (struct found_eventfd){};
	return err;
}
module_init(efd_contexts_init);

static void __exit efd_contexts_exit(void)
{
	/* what was late, and would come after us */
	irq_work_sync(&irq_work);
	tasklet_kill(&tasklet);
	while (timer_delete_sync(&timer))
		cpu_relax();
	hrtimer_cancel(&hrtimer);
	flush_work(&work);
	rcu_barrier();
	efd_contexts_leave();
	if (found.file)
		fput(found.file);
	eventfd_ctx_put(found.ctx);
}
module_exit(efd_contexts_exit);

MODULE_DESCRIPTION("Signals an eventfd from every context, and watches its queue");
MODULE_LICENSE("GPL");
