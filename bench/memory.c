// SPDX-License-Identifier: GPL-2.0
/*
 * Memory.
 */
#include <string.h>
#include <sys/resource.h>

#include "efd_bench.h"

/* What is in use in all slab caches, by /proc/slabinfo. */
static double slab_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned long active, size;
	double sum = 0;
	char line[512];

	if (!f)
		err(1, "/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %lu %*u %lu", &active, &size) == 2)
			sum += (double)active * size;
	fclose(f);
	return sum;
}

/*
 * Bytes of slab for each eventfd that is open: the context, the file, and what
 * else is allocated along with them. The table of descriptors is not in it: it has
 * been grown before. Objects are counted as the allocator counts them, to within
 * one slab of each cache, which many eventfds make small.
 */
static void bench_slab(const struct bench_case *c)
{
	struct rlimit limit = { c->n + 100, c->n + 100 };
	double before;
	long i;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
	if (dup2(0, c->n + 50) < 0)
		err(1, "dup2");
	before = slab_bytes();
	for (i = 0; i < c->n; i++)
		new_eventfd(0, 0);
	row(c->name, "bytes", (slab_bytes() - before) / c->n);
}

const struct bench_case memory_cases[] = {
	{ "slab", bench_slab, 16384 },
	{},
};
