// SPDX-License-Identifier: GPL-2.0
/*
 * efd_vs_pipe: two processes hand a turn back and forth, over eventfds and over
 * pipes, and what each exchange costs.
 *
 *	efd_vs_pipe [rounds]
 *
 * The two do the same work but for the two functions at the top. The times are
 * those of this machine at this moment, good for a comparison side by side and
 * for nothing else.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One direction: where to read, where to write, and how many descriptors it took. */
struct way {
	int in, out, fds;
};

static struct way eventfd_way(void)
{
	int efd = eventfd(0, 0);

	if (efd < 0)
		err(1, "eventfd");
	return (struct way){ efd, efd, 1 };
}

static struct way pipe_way(void)
{
	int p[2];

	if (pipe(p))
		err(1, "pipe");
	return (struct way){ p[0], p[1], 2 };
}

static void pass(const struct way *w)
{
	if (write(w->out, &(uint64_t){ 1 }, 8) != 8)
		err(1, "write");
}

static void await(const struct way *w)
{
	uint64_t turn;

	if (read(w->in, &turn, sizeof(turn)) != sizeof(turn) || turn != 1)
		errx(1, "the turn got lost");
}

static void exchange(const char *name, struct way (*make)(void), unsigned int rounds)
{
	struct way there = make(), back = make();
	struct timespec a, b;
	unsigned int i;
	int status;
	pid_t child;

	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		for (i = 0; i < rounds; i++) {
			await(&there);
			pass(&back);
		}
		_exit(0);
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < rounds; i++) {
		pass(&there);
		await(&back);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (waitpid(child, &status, 0) < 0 || status)
		errx(1, "the child failed");
	printf("%-8s %u rounds, %d descriptors, %lld ns each\n", name, rounds,
	       there.fds + back.fds,
	       ((b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec) / rounds);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;

	if (!rounds)
		errx(1, "usage: efd_vs_pipe [rounds]");
	alarm(30);
	exchange("eventfd", eventfd_way, rounds);
	exchange("pipe", pipe_way, rounds);
	return 0;
}
