/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the eventfd tests share: calls that return -errno, and tasks that can be
 * proved to sleep in a given system call.
 *
 * A sentence in quotes above a test is the sentence of docs/semantics.md that the
 * test proves. No wait here is without a bound.
 */
#ifndef SELFTESTS_EVENTFD_H
#define SELFTESTS_EVENTFD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#ifndef EFD_SEMAPHORE
#define EFD_SEMAPHORE	1
#define EFD_CLOEXEC	O_CLOEXEC
#define EFD_NONBLOCK	O_NONBLOCK
#endif

/* The largest count that user space can write. */
#define EFD_MAX		(UINT64_MAX - 1)

/*
 * How long something that must happen may take, slow guests included; milliseconds.
 * EFD_WAIT_MS in the environment is for kernels on which much does not happen.
 */
static inline unsigned int wait_ms(void)
{
	const char *env = getenv("EFD_WAIT_MS");

	return env ? atoi(env) : 8000;
}

#define WAIT_MS		wait_ms()

/* A test that hangs is ended after this many seconds: when two waits could have been in vain. */
static inline unsigned int stuck_s(void)
{
	unsigned int s = 4 + 2 * WAIT_MS / 1000;

	return s < 20 ? 20 : s;
}

#define STUCK_S		stuck_s()

#ifdef TEST_HARNESS_MAIN
/* The harness has a limit of its own: not before that. */
static void __attribute__((constructor(KSELFTEST_PRIO_XFAIL + 1))) harness_timeouts(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;
	int least = STUCK_S + 10;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			if (t->timeout < least)
				t->timeout = least;
}

/*
 * The harness maps a page for each test, and each of its forks, two for a test, copies all these
 * mappings: on a kernel that watches itself, a third of all the work. As they are side
 * by side, one mapping can take their place.
 */
static void __attribute__((constructor(KSELFTEST_PRIO_XFAIL + 2))) harness_one_mapping(void)
{
	const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
	size_t page = sysconf(_SC_PAGESIZE), n = 0;
	char *low = (char *)UINTPTR_MAX, *high = NULL, *at, *copy;
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next) {
			at = (char *)t;
			/* a test without a fixture has no page */
			if ((uintptr_t)at % page)
				continue;
			n++;
			low = at < low ? at : low;
			high = at > high ? at : high;
		}
	if (n < 2 || sizeof(*t) > page || (size_t)(high - low) != (n - 1) * page)
		return;
	copy = malloc(n * page);
	if (!copy)
		return;
	memcpy(copy, low, n * page);
	if (mmap(low, n * page, PROT_READ | PROT_WRITE, flags, -1, 0) == low)
		memcpy(low, copy, n * page);
	free(copy);
}
#endif

/* For a test that some kernels fail, and that has nothing slow in it. */
#define SHORT_WAIT()	setenv("EFD_WAIT_MS", "2000", 0)

/* How long to listen for what must not come; milliseconds. */
#define QUIET_MS	20

/* The result of a system call as the kernel returns it: -errno on failure. */
#define RET(call)							\
	({								\
		ssize_t ret_ = (call);					\
		ret_ < 0 ? -errno : ret_;				\
	})

static inline int efd_create(unsigned int count, int flags)
{
	return RET(syscall(SYS_eventfd2, count, flags));
}

static inline ssize_t efd_write(int fd, uint64_t value)
{
	return RET(write(fd, &value, sizeof(value)));
}

static inline ssize_t efd_read(int fd, uint64_t *value)
{
	return RET(read(fd, value, sizeof(*value)));
}

/*
 * Where user space and the kernel have address spaces of their own, no address is outside
 * user space: each may be mapped, and the answer comes when it is used. Nor is one of 32 bits
 * outside that of a 64-bit kernel.
 */
static inline bool foreign_addresses(void)
{
	struct utsname name;

#ifdef __s390x__
	return false;
#endif
	uname(&name);
	return sizeof(long) == 8 || !strstr(name.machine, "64");
}

/*
 * What user space is told has changed twice, with Linux 6.5 and 6.9. Whoever implements
 * eventfd: a kernel answers as those of its version do.
 */
static inline bool linux_before(unsigned int major, unsigned int minor)
{
	unsigned int ours[2] = { 0, 0 };
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &ours[0], &ours[1]);
	return ours[0] < major || (ours[0] == major && ours[1] < minor);
}

/* A write may be longer than 8 bytes: the first 8 count. */
#define LONG_WRITES	linux_before(6, 9)

/* fdinfo does not tell the mode. */
#define MODE_UNTOLD	linux_before(6, 5)

/* The events of @fd out of @events (and POLLERR, POLLHUP, POLLNVAL), at once. */
static inline int efd_events(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret = RET(poll(&pfd, 1, 0));

	return ret < 0 ? ret : pfd.revents;
}

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000l };

	nanosleep(&ts, NULL);
}

/*
 * Evaluates @cond until it holds, or WAIT_MS have passed; says whether it held. Looks less
 * often with time, as where things take long, looking is what slows them down.
 */
#define eventually(cond)						\
	({								\
		uint64_t begin_ = now_ms(), gone_ = 0;			\
		bool ok_;						\
									\
		while (!(ok_ = (cond)) && gone_ < WAIT_MS) {		\
			sleep_ms(gone_ < 80 ? 1 + gone_ / 4 : 20);	\
			gone_ = now_ms() - begin_;			\
		}							\
		ok_;							\
	})

/*
 * A line of /proc/TID/syscall starts with the number of the system call that
 * the task sleeps in, and is "running" as long as it does not sleep.
 */
static inline bool sleeps_in(pid_t tid, long nr)
{
	char path[64], line[256] = "";
	FILE *f;
	bool yes;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	yes = fgets(line, sizeof(line), f) && line[0] >= '0' && line[0] <= '9' &&
	      strtol(line, NULL, 10) == nr;
	fclose(f);
	return yes;
}

/* The state of a task, '?' if it is gone, and how often it has gone to sleep, at one time. */
struct task_status {
	char state;
	long sleeps;
};

static inline struct task_status task_status(pid_t tid)
{
	struct task_status status = { '?', -1 };
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "State:\t", 7))
			status.state = line[7];
		else if (!strncmp(line, "voluntary_ctxt_switches:", 24))
			status.sleeps = strtol(line + 24, NULL, 10);
	}
	if (f)
		fclose(f);
	return status;
}

/* How often the task has gone to sleep, ever: unchanged if it was not woken. */
static inline long nr_sleeps(pid_t tid)
{
	return task_status(tid).sleeps;
}

/*
 * True if @tid sleeps and has not been woken since nr_sleeps() said @sleeps: exact
 * as soon as the call that could have woken it is over. sleeps_in() is not, it
 * takes a task that was woken but is not yet in a run queue for a sleeping one.
 */
static inline bool not_woken(pid_t tid, long sleeps)
{
	struct task_status status = task_status(tid);

	return status.state == 'S' && status.sleeps == sleeps;
}

/* For what takes microseconds: true as soon as @cond holds, false after WAIT_MS. */
#define soon(cond)							\
	({								\
		uint64_t end_ = now_ms() + WAIT_MS;			\
		bool ok_;						\
									\
		while (!(ok_ = (cond)) && now_ms() < end_)		\
			sched_yield();					\
		ok_;							\
	})

static inline void spin(unsigned int n)
{
	while (n--)
		__asm__ volatile("" : : : "memory");
}

/*
 * A thread that makes one call, and what came of it. Set @fd and @value as the
 * call wants them; worker_read() and worker_write() are ready-made calls.
 */
struct worker {
	pthread_t thread;
	void (*call)(struct worker *w);
	void *arg;
	int fd;
	uint64_t value;
	ssize_t ret;
	_Atomic pid_t tid;
	_Atomic bool done;
};

static inline void worker_read(struct worker *w)
{
	w->ret = efd_read(w->fd, &w->value);
}

static inline void worker_write(struct worker *w)
{
	w->ret = efd_write(w->fd, w->value);
}

static inline void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->tid = syscall(SYS_gettid);
	w->call(w);
	w->done = true;
	return NULL;
}

static inline bool worker_start(struct worker *w, void (*call)(struct worker *w))
{
	w->call = call;
	w->tid = 0;
	w->done = false;
	return !pthread_create(&w->thread, NULL, worker_main, w) && eventually(w->tid);
}

/* Starts @w and sees it asleep in system call @nr. */
static inline bool worker_start_asleep(struct worker *w, void (*call)(struct worker *w), long nr)
{
	return worker_start(w, call) && eventually(w->done || sleeps_in(w->tid, nr)) && !w->done;
}

/* True if @w ended within the bound. A false leaves it running: end the test. */
static inline bool worker_join(struct worker *w)
{
	if (!eventually(w->done))
		return false;
	return !pthread_join(w->thread, NULL);
}

static inline bool still_asleep(struct worker *w, long sleeps)
{
	return !w->done && not_woken(w->tid, sleeps);
}

/* Starts @n workers one after the other, and notes how often each has slept by then. */
static inline bool all_asleep(struct worker *w, long *sleeps, int n,
			      void (*call)(struct worker *w), long nr)
{
	int i;

	for (i = 0; i < n; i++)
		if (!worker_start_asleep(&w[i], call, nr))
			return false;
	for (i = 0; i < n; i++)
		sleeps[i] = nr_sleeps(w[i].tid);
	return true;
}

/* Exact as still_asleep() is: how many have been woken since, those that have ended included. */
static inline int nr_woken(struct worker *w, const long *sleeps, int n)
{
	int i, woken = 0;

	for (i = 0; i < n; i++)
		woken += !still_asleep(&w[i], sleeps[i]);
	return woken;
}

static inline int nr_ended(struct worker *w, int n)
{
	int i, ended = 0;

	for (i = 0; i < n; i++)
		ended += w[i].done;
	return ended;
}

/* The number behind @key in @text, in @base, as 64 bits; LLONG_MIN if it is not there. */
static inline long long number_after(const char *text, const char *key, int base)
{
	const char *at = strstr(text, key);

	return at ? (long long)strtoull(at + strlen(key), NULL, base) : LLONG_MIN;
}

static inline long long fdinfo_number(int fd, const char *key, int base)
{
	char path[64], text[512];
	ssize_t len;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return LLONG_MIN;
	len = read(info, text, sizeof(text) - 1);
	close(info);
	text[len > 0 ? len : 0] = 0;
	return number_after(text, key, base);
}

/* What the counter holds, without taking it. ULLONG_MAX looks like -1. */
static inline long long efd_count(int fd)
{
	return fdinfo_number(fd, "eventfd-count:", 16);
}

static inline long long efd_id(int fd)
{
	return fdinfo_number(fd, "eventfd-id:", 10);
}

/* Everything is done on one processor from here on, by the threads to come as well. */
static inline bool use_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/*
 * With use_one_cpu(): the others are woken, but run only while this thread sleeps, as it
 * does in eventually(). They also run once they were kept waiting for most of a second,
 * unless the scheduler's guard against that is off, as it is in the guest.
 */
static inline bool keep_others_waiting(void)
{
	struct sched_param param = { .sched_priority = 10 };

	return !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

/*
 * The four kinds of eventfd that most rules hold for alike. Use:
 *	FIXTURE(x) { int fd; };
 *	EFD_VARIANTS(x);
 *	FIXTURE_SETUP(x) { self->fd = efd_create(0, variant->flags); ... }
 */
#define EFD_VARIANTS(fixture)								\
	FIXTURE_VARIANT(fixture)							\
	{										\
		int flags;								\
	};										\
	FIXTURE_VARIANT_ADD(fixture, counter) { .flags = 0 };				\
	FIXTURE_VARIANT_ADD(fixture, counter_nonblock) { .flags = EFD_NONBLOCK };	\
	FIXTURE_VARIANT_ADD(fixture, semaphore) { .flags = EFD_SEMAPHORE };		\
	FIXTURE_VARIANT_ADD(fixture, semaphore_nonblock)				\
	{										\
		.flags = EFD_SEMAPHORE | EFD_NONBLOCK					\
	}

/* The two of them that sleep. */
#define EFD_BLOCKING_VARIANTS(fixture)					\
	FIXTURE_VARIANT(fixture)					\
	{								\
		int flags;						\
	};								\
	FIXTURE_VARIANT_ADD(fixture, counter) { .flags = 0 };		\
	FIXTURE_VARIANT_ADD(fixture, semaphore)				\
	{								\
		.flags = EFD_SEMAPHORE					\
	}

static inline int efd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/*
 * What the counter holds, in either mode, found by how much more fits. Leaves it
 * at EFD_MAX, so this is the last look at it. Not while readers sleep: they would read.
 */
static inline uint64_t efd_fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	uint64_t room = 0;
	int bit;

	efd_set_nonblock(fd, true);
	for (bit = 63; bit >= 0; bit--)
		if (efd_write(fd, 1ull << bit) == 8)
			room |= 1ull << bit;
	fcntl(fd, F_SETFL, flags);
	return EFD_MAX - room;
}

/* Takes all that is in the counter, without sleeping and in either mode. */
static inline long long efd_drain(int fd)
{
	uint64_t value;
	long long sum = 0;
	int flags = fcntl(fd, F_GETFL);
	int reads;

	efd_set_nonblock(fd, true);
	for (reads = 0; reads < 1000 && efd_read(fd, &value) == 8; reads++)
		sum += value;
	fcntl(fd, F_SETFL, flags);
	return sum;
}

/*
 * A signal of the kernel's has lifted the counter to ULLONG_MAX: what that looks like, and what
 * one read takes, which in a semaphore leaves no room for a write yet.
 */
static inline bool efd_is_saturated(int fd, int flags)
{
	bool semaphore = flags & EFD_SEMAPHORE;
	uint64_t value;

	return efd_events(fd, POLLIN | POLLOUT) == (POLLIN | POLLERR) &&
	       efd_read(fd, &value) == 8 && value == (semaphore ? 1 : UINT64_MAX) &&
	       efd_events(fd, POLLIN | POLLOUT) == (semaphore ? POLLIN : POLLOUT);
}

/* Drains until there was @want in all; what came shortly after counts as well. */
static inline long long efd_drain_to(int fd, long long want)
{
	long long sum = 0;

	eventually((sum += efd_drain(fd)) >= want);
	sleep_ms(QUIET_MS);
	return sum + efd_drain(fd);
}

/* A fork whose child outlives neither the test nor a bound. */
static inline pid_t child_start(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(STUCK_S);
	}
	return pid;
}

/* Says so without taking the exit status away from child_end(). */
static inline bool child_has_ended(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid;
}

/* Sees a child asleep in system call @nr. */
static inline bool child_sleeps_in(pid_t pid, long nr)
{
	return eventually(sleeps_in(pid, nr) || child_has_ended(pid)) && !child_has_ended(pid);
}

/* The exit status of a child, or minus the signal that ended it, or -1000 if it did not end. */
static inline int child_end(pid_t pid)
{
	int status;

	if (!eventually(waitpid(pid, &status, WNOHANG) == pid))
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif /* SELFTESTS_EVENTFD_H */
