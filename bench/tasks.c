// SPDX-License-Identifier: GPL-2.0
/*
 * Several tasks. On one processor, and only there, the time from start to end is
 * the cost of all that happens in between, whoever runs: nothing is ever idle.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "efd_bench.h"

/* A child that dies with its parent. */
static pid_t fork_partner(void)
{
	pid_t child = fork();

	if (child < 0)
		err(1, "fork");
	if (!child)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

/*
 * Two processes, a turn there and back: two posts, two blocking reads, and two
 * switches between address spaces. Not: two processors that wake each other.
 */
static void bench_pingpong_eventfd(const struct bench_case *c)
{
	int there = new_eventfd(0, 0), back = new_eventfd(0, 0);

	if (!fork_partner())
		for (;;)
			put(back, take(there));
	row(c->name, cost_unit, PER_OP(200, (put(there, 1), take(back))));
}

/* Yardstick: the same with two pipes. */
static void bench_pingpong_pipe(const struct bench_case *c)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back))
		err(1, "pipe");
	if (!fork_partner())
		for (;;)
			put(back[1], take(there[0]));
	row(c->name, cost_unit, PER_OP(200, (put(there[1], 1), take(back[0]))));
}

static void futex(uint32_t *word, int op, uint32_t value)
{
	if (syscall(SYS_futex, word, op, value, NULL, NULL, 0) < 0 && errno != EAGAIN)
		err(1, "futex");
}

static void set_turn(uint32_t *turn, uint32_t value)
{
	__atomic_store_n(turn, value, __ATOMIC_RELEASE);
	futex(turn, FUTEX_WAKE, 1);
}

static void await_turn(uint32_t *turn, uint32_t value)
{
	while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != value)
		futex(turn, FUTEX_WAIT, !value);
}

/* Yardstick: the same with a word of shared memory. It has no descriptor. */
static void bench_pingpong_futex(const struct bench_case *c)
{
	uint32_t *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (turn == MAP_FAILED)
		err(1, "mmap");
	if (!fork_partner()) {
		for (;;) {
			await_turn(turn, 1);
			set_turn(turn, 0);
		}
	}
	row(c->name, cost_unit, PER_OP(200, (set_turn(turn, 1), await_turn(turn, 0))));
}

struct lock {
	int efd;
	long rounds;
	bool yield;
	volatile long inside;	/* what the lock protects */
	pthread_barrier_t gate;
};

static void *lock_task(void *arg)
{
	struct lock *lock = arg;
	long i;

	for (;;) {
		pthread_barrier_wait(&lock->gate);
		for (i = 0; i < lock->rounds; i++) {
			take(lock->efd);
			lock->inside++;
			if (lock->yield)
				sched_yield();
			put(lock->efd, 1);
		}
		pthread_barrier_wait(&lock->gate);
	}
	return NULL;
}

/* N threads take turns at a semaphore; the time of all, per turn. */
static void bench_lock_with(const struct bench_case *c, long rounds, bool yield)
{
	struct lock lock = {
		.efd	= new_eventfd(1, EFD_SEMAPHORE),
		.rounds	= rounds,
		.yield	= yield,
	};
	double sample[5];
	uint64_t start;
	long i;

	pthread_barrier_init(&lock.gate, NULL, c->n + 1);
	for (i = 0; i < c->n; i++)
		start_thread(lock_task, &lock);
	for (i = 0; i < 5; i++) {
		wait_until_asleep(c->n);
		start = now();
		pthread_barrier_wait(&lock.gate);
		pthread_barrier_wait(&lock.gate);
		sample[i] = (double)(now() - start) / (rounds * c->n);
	}
	if (lock.inside != 5 * rounds * c->n)
		errx(1, "two threads were inside at once");
	row(c->name, cost_unit, median(sample, 5));
}

/*
 * A semaphore eventfd as a lock around almost nothing. The timer takes the
 * processor from a thread now and then, seldom while it has the lock: this is the
 * uncontended price, with the C library's for programs that have threads.
 */
static void bench_lock(const struct bench_case *c)
{
	bench_lock_with(c, 8000, false);
}

/*
 * The same, but who has the lock lets the others run into it: every turn finds
 * tasks asleep, and each post wakes somebody. The worst case, not a usual one.
 */
static void bench_lock_yield(const struct bench_case *c)
{
	bench_lock_with(c, 2000, true);
}

const struct bench_case task_cases[] = {
	{ "pingpong-eventfd",	bench_pingpong_eventfd },
	{ "pingpong-pipe",	bench_pingpong_pipe },
	{ "pingpong-futex",	bench_pingpong_futex },
	{ "lock-1",		bench_lock, 1, .smp = true },
	{ "lock-4",		bench_lock, 4, .smp = true },
	{ "lock-yield-1",	bench_lock_yield, 1, .smp = true },
	{ "lock-yield-4",	bench_lock_yield, 4, .smp = true },
	{},
};

/* As far as user space can fill a counter: only into an empty one does it fit. */
#define FULL (UINT64_MAX - 1)

struct herd {
	int efd;
	bool writers;
	volatile uint64_t served_at;
	volatile long served;
};

static void *herd_task(void *arg)
{
	struct herd *herd = arg;

	for (;;) {
		if (herd->writers)
			put(herd->efd, FULL);
		else
			take(herd->efd);
		herd->served_at = now();
		herd->served++;
	}
	return NULL;
}

/*
 * N blocked tasks, and one change that lets just one of them go on. Three rows:
 *   NAME	from the change until that one is back in its program
 *   NAME-all	until all is quiet again: with what those cost who were woken in vain
 *   NAME-sleeps	how many tasks went back to sleep for it; 1 is the one that had
 *		been served
 * Who makes the change has the lowest priority, so that it goes on after all the
 * others are asleep again. Not: tasks on other processors.
 */
static void bench_herd(const struct bench_case *c, bool writers)
{
	struct herd herd = { .efd = new_eventfd(0, c->flags), .writers = writers };
	long i, want, sleeps, rounds = c->n > 100 ? 15 : 101;
	double first[101], all[101];
	struct sched_param param = {};
	struct rusage usage;
	char name[64];
	uint64_t start;

	if (writers)
		put(herd.efd, FULL);
	for (i = 0; i < c->n; i++)
		start_thread(herd_task, &herd);
	wait_until_asleep(c->n);
	if (sched_setscheduler(0, SCHED_IDLE, &param))
		err(1, "sched_setscheduler");

	getrusage(RUSAGE_SELF, &usage);
	sleeps = usage.ru_nvcsw;
	for (i = 0; i < rounds; i++) {
		want = herd.served + 1;
		start = now();
		if (writers)
			take(herd.efd);
		else
			put(herd.efd, 1);
		while (herd.served != want)
			sched_yield();
		all[i] = now() - start;
		first[i] = herd.served_at - start;
	}
	getrusage(RUSAGE_SELF, &usage);
	sleeps = usage.ru_nvcsw - sleeps;
	if (herd.served != rounds)
		errx(1, "%ld changes let %ld tasks go on", rounds, herd.served);

	row(c->name, cost_unit, median(first, rounds));
	snprintf(name, sizeof(name), "%s-all", c->name);
	row(name, cost_unit, median(all, rounds));
	snprintf(name, sizeof(name), "%s-sleeps", c->name);
	row(name, "sleeps", (double)sleeps / rounds);
}

/* One post, N blocked readers. In counter mode the reader takes all there is, but
 * there is only one.
 */
static void bench_post(const struct bench_case *c)
{
	bench_herd(c, false);
}

/* One read that empties a full counter, N blocked writers, each of whom fills it. */
static void bench_drain(const struct bench_case *c)
{
	bench_herd(c, true);
}

const struct bench_case herd_cases[] = {
	{ "post-1",		bench_post,	1, EFD_SEMAPHORE },
	{ "post-8",		bench_post,	8, EFD_SEMAPHORE },
	{ "post-64",		bench_post,	64, EFD_SEMAPHORE },
	{ "post-256",		bench_post,	256, EFD_SEMAPHORE },
	{ "post-1024",		bench_post,	1024, EFD_SEMAPHORE },
	{ "post-counter-1",	bench_post,	1 },
	{ "post-counter-8",	bench_post,	8 },
	{ "post-counter-64",	bench_post,	64 },
	{ "post-counter-256",	bench_post,	256 },
	{ "post-counter-1024",	bench_post,	1024 },
	{ "drain-1",		bench_drain,	1 },
	{ "drain-8",		bench_drain,	8 },
	{ "drain-64",		bench_drain,	64 },
	{ "drain-256",		bench_drain,	256 },
	{},
};
