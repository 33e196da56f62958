/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FIND_EVENTFD_H
#define FIND_EVENTFD_H

#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <linux/version.h>
#include <linux/wait.h>

/*
 * Finds the eventfd behind a descriptor of another process.
 *
 * The direct way, fget_task(), is not exported. 6.12 exports
 * task_lookup_next_fdget_rcu() and newer kernels fget_task_next(), but neither
 * is in all of them. iterate_fd() has been there throughout, 6.1 included, in
 * the same form; it calls back for each open descriptor from a given one on, with
 * the table locked.
 */
struct found_eventfd {
	unsigned int fd;
	struct eventfd_ctx *ctx;
	struct file *file;
};

static int found_descriptor(const void *p, struct file *file, unsigned int fd)
{
	struct found_eventfd *found = (void *)p;

	if (fd == found->fd) {
		found->ctx = eventfd_ctx_fileget(file);
		found->file = get_file(file);
	}
	return 1;	/* that was the one, or there is none: stop */
}

/*
 * The context, with a reference, and the file, with one too; or -ESRCH if there
 * is no such process, -EBADF if it has no such descriptor, -EINVAL if that is no
 * eventfd. Process context.
 */
static int find_eventfd(pid_t nr, unsigned int fd, struct found_eventfd *found)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	if (!task)
		return -ESRCH;

	*found = (struct found_eventfd){ .fd = fd, .ctx = ERR_PTR(-EBADF) };
	task_lock(task);
	if (task->files)
		iterate_fd(task->files, fd, found_descriptor, found);
	task_unlock(task);
	put_task_struct(task);

	if (IS_ERR(found->ctx)) {
		if (found->file)
			fput(found->file);
		return PTR_ERR(found->ctx);
	}
	return 0;
}

/*
 * One signal. Before 6.8 both forms took a count, and only the one without a mask was for
 * modules; the series lets them have the other one as well, which it defines as a macro.
 */
static inline void signal_once(struct eventfd_ctx *ctx, __poll_t mask)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#ifdef eventfd_signal_mask
	if (mask)
		eventfd_signal_mask(ctx, 1, mask);
	else
#endif
		eventfd_signal(ctx, 1);
#else
	if (mask)
		eventfd_signal_mask(ctx, mask);
	else
		eventfd_signal(ctx);
#endif
}

/* Linux 6.13 has a call that sets both, and later on there is no other. */
static inline void set_up_hrtimer(struct hrtimer *timer,
				  enum hrtimer_restart (*function)(struct hrtimer *timer),
				  enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
#else
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
#endif
}

/* As KVM does: before all others, and exclusive, which later kernels do not take for granted. */
static inline void join_in_front(wait_queue_head_t *wqh, wait_queue_entry_t *entry)
{
	entry->flags |= WQ_FLAG_EXCLUSIVE;
	add_wait_queue_priority(wqh, entry);
}

#endif /* FIND_EVENTFD_H */
