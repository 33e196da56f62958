// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own users of eventfd: io_uring, which reads and writes one as any
 * file; aio, which signals one; and a module that signals one in a loop.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "efd_bench.h"

/* One ring, one request at a time: no library is needed for that. */
struct ring {
	int fd;
	uint32_t *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static struct ring new_ring(void)
{
	struct io_uring_params p = {};
	struct ring r;
	size_t size;
	char *map;

	r.fd = syscall(SYS_io_uring_setup, 4, &p);
	if (r.fd < 0)
		err(1, "io_uring_setup");
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		errx(1, "this io_uring is too old");
	size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	if (size < p.sq_off.array + p.sq_entries * sizeof(uint32_t))
		size = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r.fd,
		   IORING_OFF_SQ_RING);
	r.sqes = mmap(NULL, p.sq_entries * sizeof(*r.sqes), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, r.fd, IORING_OFF_SQES);
	if (map == MAP_FAILED || r.sqes == MAP_FAILED)
		err(1, "mmap of the ring");
	r.sq_tail = (uint32_t *)(map + p.sq_off.tail);
	r.sq_mask = (uint32_t *)(map + p.sq_off.ring_mask);
	r.sq_array = (uint32_t *)(map + p.sq_off.array);
	r.cq_head = (uint32_t *)(map + p.cq_off.head);
	r.cq_tail = (uint32_t *)(map + p.cq_off.tail);
	r.cq_mask = (uint32_t *)(map + p.cq_off.ring_mask);
	r.cqes = (struct io_uring_cqe *)(map + p.cq_off.cqes);
	return r;
}

/* Submits one transfer of eight bytes, and waits until it is done. */
static void transfer(struct ring *r, int opcode, int fd, uint64_t *value)
{
	uint32_t tail = *r->sq_tail, index = tail & *r->sq_mask, head = *r->cq_head;

	r->sqes[index] = (struct io_uring_sqe){
		.opcode	= opcode,
		.fd	= fd,
		.addr	= (uintptr_t)value,
		.len	= sizeof(*value),
	};
	r->sq_array[index] = index;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		err(1, "io_uring_enter");
	if (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) != head + 1)
		errx(1, "io_uring: no completion");
	if (r->cqes[head & *r->cq_mask].res != sizeof(*value))
		errx(1, "io_uring: %s", strerror(-r->cqes[head & *r->cq_mask].res));
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
}

static void uring(const struct bench_case *c, int opcode, int efd, long n)
{
	struct ring r = new_ring();
	uint64_t value = 1;

	row(c->name, cost_unit, PER_OP(n, transfer(&r, opcode, efd, &value)));
}

/*
 * A write by io_uring, submitted and completed, to an eventfd as most are made. It
 * has room: the write never needs to wait. Not: several requests in one call.
 */
static void bench_uring_write_blocking(const struct bench_case *c)
{
	uring(c, IORING_OP_WRITE, new_eventfd(0, 0), 20);
}

/* The same to one with O_NONBLOCK. */
static void bench_uring_write_nonblock(const struct bench_case *c)
{
	uring(c, IORING_OP_WRITE, new_eventfd(0, EFD_NONBLOCK), 300);
}

/* A read by io_uring of a semaphore that has plenty. Not: one that has to wait. */
static void bench_uring_read(const struct bench_case *c)
{
	uring(c, IORING_OP_READ, new_eventfd(1000000, EFD_SEMAPHORE), 300);
}

/*
 * Eight bytes of a file in memory by aio; with an eventfd to be signalled, or as
 * the floor of that without. Nobody waits for the signal, and none is taken back.
 */
static void aio(const struct bench_case *c, int resfd)
{
	struct iocb iocb = { .aio_lio_opcode = IOCB_CMD_PREAD }, *list = &iocb;
	aio_context_t ctx = 0;
	struct io_event event;
	char path[] = "/tmp/efd_bench.XXXXXX";
	int fd = mkstemp(path);
	uint64_t value;
	double cost;

	if (fd < 0 || unlink(path))
		err(1, "%s", path);
	put(fd, 1);
	if (syscall(SYS_io_setup, 4, &ctx))
		err(1, "io_setup");
	iocb.aio_fildes = fd;
	iocb.aio_buf = (uintptr_t)&value;
	iocb.aio_nbytes = sizeof(value);
	if (resfd >= 0) {
		iocb.aio_flags = IOCB_FLAG_RESFD;
		iocb.aio_resfd = resfd;
	}
	cost = PER_OP(300, {
		if (syscall(SYS_io_submit, ctx, 1, &list) != 1)
			err(1, "io_submit");
		if (syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) != 1)
			err(1, "io_getevents");
	});
	row(c->name, cost_unit, cost);
}

/* Floor of aio-resfd: the same without an eventfd. */
static void bench_aio_plain(const struct bench_case *c)
{
	aio(c, -1);
}

/* aio that reports to an eventfd: finding it, the signal, and letting it go. */
static void bench_aio_resfd(const struct bench_case *c)
{
	aio(c, new_eventfd(0, 0));
}

/*
 * eventfd_signal() in a loop, inside a module, with N epoll instances that watch.
 * The way into the kernel is not in it. Nobody sleeps in epoll_wait(), and all but
 * the first signal find the event listed already: this is the walk along the
 * watchers, not their wakeups.
 */
static void bench_signal(const struct bench_case *c)
{
	static const char result[] = "/sys/module/efd_bench_mod/parameters/per_signal_x1000";
	int efd = new_eventfd(0, 0), module, ep;
	struct epoll_event event = { .events = EPOLLIN };
	unsigned long value;
	char param[64];
	FILE *f;
	long i;

	for (i = 0; i < c->n; i++) {
		ep = epoll_create1(0);
		if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, efd, &event))
			err(1, "epoll");
	}
	module = open("/modules/efd_bench_mod.ko", O_RDONLY | O_CLOEXEC);
	if (module < 0)
		err(1, "/modules/efd_bench_mod.ko");
	snprintf(param, sizeof(param), "efd=%d", efd);
	if (syscall(SYS_finit_module, module, param, 0))
		err(1, "finit_module");
	f = fopen(result, "r");
	if (!f || fscanf(f, "%lu", &value) != 1)
		err(1, "%s", result);
	fclose(f);
	if (syscall(SYS_delete_module, "efd_bench_mod", O_NONBLOCK))
		err(1, "delete_module");
	row(c->name, cost_unit, value / 1000.0);
}

const struct bench_case kernel_cases[] = {
	{ "uring-write-blocking",	bench_uring_write_blocking },
	{ "uring-write-nonblock",	bench_uring_write_nonblock },
	{ "uring-read",			bench_uring_read },
	{ "aio-plain",			bench_aio_plain },
	{ "aio-resfd",			bench_aio_resfd },
	{ "signal-0",			bench_signal, 0 },
	{ "signal-1",			bench_signal, 1 },
	{ "signal-64",			bench_signal, 64 },
	{},
};
