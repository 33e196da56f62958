// SPDX-License-Identifier: GPL-2.0
/*
 * The floors, and what one task does with one descriptor: system calls that find
 * what they want, and never sleep. All of it goes through the C library, as it
 * does for those who use it.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "efd_bench.h"

static int open_null(int mode)
{
	int fd = open("/dev/null", mode);

	if (fd < 0)
		err(1, "/dev/null");
	return fd;
}

/*
 * Two instructions, and nothing else: tells whether the clock counts what it
 * claims to count, and says nothing about any kernel. Where there is no assembler
 * for it there is no such row.
 */
static void bench_loop(const struct bench_case *c)
{
#ifdef __x86_64__
	double sample[BATCHES];
	unsigned long n;
	uint64_t start;
	int i;

	for (i = 0; i < BATCHES; i++) {
		n = 100000;
		start = now();
		asm volatile("1: dec %0; jnz 1b" : "+r"(n) : : "cc");
		sample[i] = (now() - start) / 100000.0;
	}
	row(c->name, cost_unit, median(sample, BATCHES));
#endif
}

/* The way into the kernel and back; no file. */
static void bench_getppid(const struct bench_case *c)
{
	row(c->name, cost_unit, PER_OP(1000, getppid()));
}

/* The same, and finding the file, and asking the security module: all that a
 * write costs before it gets to the driver. It is not an anonymous inode, and
 * fsnotify looks at its parent directory.
 */
static void bench_null_write(const struct bench_case *c)
{
	int fd = open_null(O_WRONLY);

	row(c->name, cost_unit, PER_OP(1000, put(fd, 1)));
}

/* As null-write; the driver returns the end of the file. */
static void bench_null_read(const struct bench_case *c)
{
	int fd = open_null(O_RDONLY);
	uint64_t value;

	row(c->name, cost_unit, PER_OP(1000, if (read(fd, &value, sizeof(value))) err(1, "read")));
}

/* A post that nobody waits for. Not: wakeups, contention. */
static void bench_write(const struct bench_case *c)
{
	int efd = new_eventfd(0, 0);

	row(c->name, cost_unit, PER_OP(1000, put(efd, 1)));
}

/* A read that finds nothing and says so, as an event loop's last one does. */
static void bench_read_empty(const struct bench_case *c)
{
	int efd = new_eventfd(0, EFD_NONBLOCK);
	uint64_t value;

	row(c->name, cost_unit,
	    PER_OP(1000, if (read(efd, &value, sizeof(value)) != -1) errx(1, "not empty")));
}

/* A post and the read that takes it, in one task. Not: the switch between two. */
static void bench_write_read(const struct bench_case *c)
{
	int efd = new_eventfd(0, 0);

	row(c->name, cost_unit, PER_OP(1000, (put(efd, 1), take(efd))));
}

/* poll(2) of one readable eventfd: the readiness, and poll's own work around it. */
static void bench_poll(const struct bench_case *c)
{
	struct pollfd pfd = { .fd = new_eventfd(1, 0), .events = POLLIN };

	row(c->name, cost_unit, PER_OP(1000, if (poll(&pfd, 1, -1) != 1) err(1, "poll")));
}

/*
 * The heart of an event loop: a post, and the edge-triggered event that it makes,
 * in one task. The counter is never read: such loops do not.
 */
static void bench_epoll_et(const struct bench_case *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int efd = new_eventfd(0, 0), ep = epoll_create1(0);
	double cost;

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, efd, &event))
		err(1, "epoll");
	cost = PER_OP(1000, {
		put(efd, 1);
		if (epoll_wait(ep, &event, 1, -1) != 1)
			err(1, "epoll_wait");
	});
	row(c->name, cost_unit, cost);
}

/*
 * A new eventfd, and its end. Most of it is the file and its memory; close runs
 * the last of it as task work on the way out.
 */
static void bench_create_close(const struct bench_case *c)
{
	row(c->name, cost_unit, PER_OP(300, close(new_eventfd(0, 0))));
}

/* Yardstick: what those pay who use a pipe for the same. */
static void bench_pipe_write_read(const struct bench_case *c)
{
	int p[2];

	if (pipe(p))
		err(1, "pipe");
	row(c->name, cost_unit, PER_OP(1000, (put(p[1], 1), take(p[0]))));
}

/* Yardstick: two files, an inode and a ring, against one file. */
static void bench_pipe_create_close(const struct bench_case *c)
{
	double cost;
	int p[2];

	cost = PER_OP(300, {
		if (pipe(p))
			err(1, "pipe");
		close(p[0]);
		close(p[1]);
	});
	row(c->name, cost_unit, cost);
}

const struct bench_case floor_cases[] = {
	{ "loop",		bench_loop, .smp = true },
	{ "getppid",		bench_getppid },
	{ "null-write",		bench_null_write },
	{ "null-read",		bench_null_read },
	{},
};

const struct bench_case single_cases[] = {
	{ "write",		bench_write, .smp = true },
	{ "read-empty",		bench_read_empty },
	{ "write-read",		bench_write_read },
	{ "poll",		bench_poll },
	{ "epoll-et",		bench_epoll_et },
	{ "create-close",	bench_create_close },
	{ "pipe-write-read",	bench_pipe_write_read },
	{ "pipe-create-close",	bench_pipe_create_close },
	{},
};
