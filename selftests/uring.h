/* SPDX-License-Identifier: GPL-2.0 */
/* Just enough of io_uring, without liburing, for the eventfd tests. */
#ifndef SELFTESTS_URING_H
#define SELFTESTS_URING_H

#include "eventfd.h"

#include <dirent.h>
#include <linux/io_uring.h>

#define URING_ENTRIES	32

struct uring {
	int fd;
	unsigned int queued;
	unsigned int *sq_tail;
	unsigned int *sq_mask;
	unsigned int *sq_array;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int *cq_mask;
	unsigned int *cq_flags;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

/* 0, or -errno. The mappings go with the process. */
static inline int uring_open(struct uring *r, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	size_t sq_size, cq_size;
	char *ring;

	memset(r, 0, sizeof(*r));
	r->fd = RET(syscall(SYS_io_uring_setup, URING_ENTRIES, &p));
	if (r->fd < 0)
		return r->fd;
	if (!(p.features & IORING_FEAT_SINGLE_MMAP) || !(p.features & IORING_FEAT_EXT_ARG)) {
		close(r->fd);
		return -ENOSYS;
	}
	sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	ring = mmap(NULL, sq_size > cq_size ? sq_size : cq_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (ring == MAP_FAILED || r->sqes == MAP_FAILED) {
		close(r->fd);
		return -ENOMEM;
	}
	r->sq_tail = (unsigned int *)(ring + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(ring + p.sq_off.ring_mask);
	r->sq_array = (unsigned int *)(ring + p.sq_off.array);
	r->cq_head = (unsigned int *)(ring + p.cq_off.head);
	r->cq_tail = (unsigned int *)(ring + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(ring + p.cq_off.ring_mask);
	r->cq_flags = (unsigned int *)(ring + p.cq_off.flags);
	r->cqes = (struct io_uring_cqe *)(ring + p.cq_off.cqes);
	return 0;
}

/* For a fixture's setup. */
#define URING_SETUP(ring, flags)						\
	do {									\
		int ret_ = uring_open(ring, flags);				\
										\
		if (ret_ == -ENOSYS || ret_ == -EPERM)				\
			SKIP(return, "no io_uring here: %s", strerror(-ret_));	\
		ASSERT_EQ(0, ret_);						\
	} while (0)

static inline int uring_register(struct uring *r, unsigned int op, const void *arg, unsigned int nr)
{
	return RET(syscall(SYS_io_uring_register, r->fd, op, arg, nr));
}

/* Prepares a request, which uring_submit() then hands over; @tag comes back with the result. */
static inline struct io_uring_sqe *uring_queue(struct uring *r, int op, int fd, const void *addr,
					       unsigned int len, unsigned int tag)
{
	unsigned int tail = *r->sq_tail, i = tail & *r->sq_mask;
	struct io_uring_sqe *sqe = &r->sqes[i];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)addr;
	sqe->len = len;
	sqe->user_data = tag;
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	r->queued++;
	return sqe;
}

static inline struct io_uring_sqe *uring_queue_poll(struct uring *r, int fd, unsigned int events,
						    unsigned int tag)
{
	struct io_uring_sqe *sqe = uring_queue(r, IORING_OP_POLL_ADD, fd, NULL, 0, tag);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	events = events << 16 | events >> 16;
#endif
	sqe->poll32_events = events;
	return sqe;
}

/* The number of requests taken, or -errno; waits for nothing. */
static inline int uring_submit(struct uring *r)
{
	unsigned int nr = r->queued;

	r->queued = 0;
	return RET(syscall(SYS_io_uring_enter, r->fd, nr, 0, 0, NULL, 0));
}

/* Takes the oldest completion, if there is one. */
static inline bool uring_peek(struct uring *r, struct io_uring_cqe *cqe)
{
	unsigned int head = *r->cq_head;

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*cqe = r->cqes[head & *r->cq_mask];
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

/* Takes the next completion, which may be up to @ms milliseconds away. */
static inline bool uring_wait_ms(struct uring *r, struct io_uring_cqe *cqe, unsigned int ms)
{
	struct __kernel_timespec ts = { 0, 5000000 };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	uint64_t end = now_ms() + ms;

	do {
		if (uring_peek(r, cqe))
			return true;
		syscall(SYS_io_uring_enter, r->fd, 0, 1,
			IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	} while (now_ms() < end);
	return uring_peek(r, cqe);
}

static inline bool uring_wait(struct uring *r, struct io_uring_cqe *cqe)
{
	return uring_wait_ms(r, cqe, WAIT_MS);
}

/* No completion there, and none that comes. */
static inline bool uring_quiet(struct uring *r)
{
	struct io_uring_cqe cqe;

	return !uring_wait_ms(r, &cqe, QUIET_MS);
}

/* The result of the next request to complete, or -ETIMEDOUT. */
static inline int uring_result(struct uring *r)
{
	struct io_uring_cqe cqe;

	return uring_wait(r, &cqe) ? cqe.res : -ETIMEDOUT;
}

/* Waits for @nr completions whose tags are below @nr, and sorts the results by tag. */
static inline bool uring_results(struct uring *r, int *res, unsigned int nr)
{
	struct io_uring_cqe cqe;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!uring_wait(r, &cqe) || cqe.user_data >= nr)
			return false;
		res[cqe.user_data] = cqe.res;
	}
	return true;
}

/* Submits what has been queued, a single request, and waits for its result. */
static inline int uring_run(struct uring *r)
{
	int ret = uring_submit(r);

	return ret < 0 ? ret : uring_result(r);
}

/* Among the tasks of this process, as many as are listed, io_uring's worker threads; or -1. */
static inline int uring_workers_listed(int *listed)
{
	char path[288], name[32];
	struct dirent *entry;
	int nr = 0;
	FILE *f;
	DIR *dir;

	*listed = 0;
	dir = opendir("/proc/self/task");
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		(*listed)++;
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strncmp(name, "iou-wrk", 7))
			nr++;
		fclose(f);
	}
	closedir(dir);
	return nr;
}

/*
 * The worker threads that io_uring has started for this process. The list ends early where a
 * thread ends at that moment: it is good if the next one is as long.
 */
static inline int uring_workers(void)
{
	int nr = -1, before = -1, listed = 0, i;

	for (i = 0; i < 100 && listed != before; i++) {
		before = listed;
		nr = uring_workers_listed(&listed);
	}
	return nr;
}

#endif /* SELFTESTS_URING_H */
