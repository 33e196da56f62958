/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the cases share. A case is a static function that sets something up, times
 * it, and prints one row or more. Each runs in a process of its own, so that it
 * leaves nothing behind; whatever goes wrong ends that process with a message.
 */
#ifndef EFD_BENCH_H
#define EFD_BENCH_H

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct bench_case {
	const char *name;
	void (*run)(const struct bench_case *c);
	long n;		/* how many tasks or watchers, where there are some */
	int flags;	/* of eventfd() */
	bool smp;	/* says something on more than one processor, too */
};

extern const struct bench_case floor_cases[], single_cases[], task_cases[];
extern const struct bench_case herd_cases[], kernel_cases[], memory_cases[];

/* "insn" or "ns": what a tick of the clock stands for on this machine */
extern const char *cost_unit;

void row(const char *name, const char *unit, double value);
double median(double *sample, int n);
void start_thread(void *(*run)(void *), void *arg);
void wait_until_asleep(int threads);

static inline uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Odd, for the median; the timer's interrupts hit fewer than half of them. */
#define BATCHES 15

/*
 * The cost of one @statement: the median of batches of @n each. Nothing is
 * subtracted: the loop is two or three instructions, and the floors are cases.
 */
#define PER_OP(n, statement)						\
	({								\
		double sample_[BATCHES];				\
									\
		for (int b_ = 0; b_ < BATCHES; b_++) {			\
			uint64_t start_ = now();			\
									\
			for (long i_ = 0; i_ < (n); i_++)		\
				statement;				\
			sample_[b_] = (double)(now() - start_) / (n);	\
		}							\
		median(sample_, BATCHES);				\
	})

static inline int new_eventfd(unsigned int count, int flags)
{
	int efd = eventfd(count, flags);

	if (efd < 0)
		err(1, "eventfd");
	return efd;
}

static inline void put(int fd, uint64_t value)
{
	if (write(fd, &value, sizeof(value)) != sizeof(value))
		err(1, "write");
}

static inline uint64_t take(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof(value)) != sizeof(value))
		err(1, "read");
	return value;
}

#endif /* EFD_BENCH_H */
