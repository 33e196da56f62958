// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring: reading, writing and polling an eventfd, and an eventfd that a ring
 * signals for its completions.
 */
#include "uring.h"

#include <sys/epoll.h>

static struct io_uring_sqe *queue_read(struct uring *r, int fd, uint64_t *value, unsigned int tag)
{
	return uring_queue(r, IORING_OP_READ, fd, value, sizeof(*value), tag);
}

static struct io_uring_sqe *queue_write(struct uring *r, int fd, const uint64_t *value,
					unsigned int tag)
{
	return uring_queue(r, IORING_OP_WRITE, fd, value, sizeof(*value), tag);
}

/* Asks to cancel the request with tag @target, of which @op is ASYNC_CANCEL or POLL_REMOVE. */
static void queue_cancel(struct uring *r, int op, unsigned int target, unsigned int tag)
{
	struct io_uring_sqe *sqe = uring_queue(r, op, -1, NULL, 0, tag);

	sqe->addr = target;
}

/* @nr NOPs in one submission, and all their completions taken; 0 if that went well. */
static int run_nops(struct uring *r, int nr, unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe;
	int i, ret;

	for (i = 0; i < nr; i++) {
		sqe = uring_queue(r, IORING_OP_NOP, -1, NULL, 0, 0);
		sqe->flags = sqe_flags;
	}
	ret = uring_submit(r);
	if (ret != nr)
		return ret < 0 ? ret : -EBUSY;
	for (i = 0, ret = 0; i < nr && !ret; i++)
		ret = uring_result(r);
	return ret;
}

/* Whether the request goes on after this completion. */
static bool more_to_come(const struct io_uring_cqe *cqe)
{
	return cqe->flags & IORING_CQE_F_MORE;
}

/* For the tests that have a ring signal @fd: @how is one of the two ways to register. */
static int register_efd(struct uring *r, int how, int fd)
{
	return uring_register(r, how, &fd, 1);
}

FIXTURE(uring)
{
	struct uring ring;
	int fd;
};

EFD_VARIANTS(uring);

FIXTURE_SETUP(uring)
{
	URING_SETUP(&self->ring, 0);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(uring)
{
	close(self->ring.fd);
	close(self->fd);
}

/* "Counter mode: returns the counter, sets it to 0. Semaphore mode: returns 1, subtracts 1." */
TEST_F(uring, read_takes_what_is_there)
{
	bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value = 0;

	ASSERT_EQ(8, efd_write(self->fd, 3));
	queue_read(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(semaphore ? 1u : 3u, value);
	EXPECT_EQ(semaphore ? 2 : 0, efd_drain(self->fd));
}

/*
 * "io_uring READ on an empty eventfd arms a poll, even on an O_NONBLOCK one, and
 * completes at the next write."
 */
TEST_F(uring, read_of_an_empty_one_completes_at_the_next_write)
{
	bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value = 0;

	queue_read(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(semaphore ? 1u : 2u, value);
	EXPECT_EQ(semaphore ? 1 : 0, efd_drain(self->fd));
}

/* "arms a poll": and so no thread is made that sleeps in its place. */
TEST_F(uring, read_of_an_empty_one_needs_no_worker_thread)
{
	uint64_t value = 0;

	ASSERT_EQ(0, uring_workers());
	queue_read(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	EXPECT_EQ(0, uring_workers());
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(0, uring_workers());
}

/* A parked READ that finds nothing, after a write of zero has woken it, parks again. */
TEST_F(uring, parked_read_is_not_completed_by_a_zero_write)
{
	uint64_t value = 0;

	queue_read(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(1u, value);
}

/* Two parked READs share what comes; the one that gets nothing stays parked. */
TEST_F(uring, parked_reads_compete)
{
	uint64_t value[2] = { 0, 0 };
	struct io_uring_cqe first, second;

	queue_read(&self->ring, self->fd, &value[0], 0);
	queue_read(&self->ring, self->fd, &value[1], 1);
	ASSERT_EQ(2, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(uring_wait(&self->ring, &first));
	EXPECT_EQ(8, first.res);
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(uring_wait(&self->ring, &second));
	EXPECT_EQ(8, second.res);
	EXPECT_NE(first.user_data, second.user_data);
	EXPECT_EQ(1u, value[0]);
	EXPECT_EQ(1u, value[1]);
	EXPECT_EQ(0, efd_drain(self->fd));
}

/* "A semaphore post of n completes n of them.": two of three. */
TEST_F(uring, semaphore_post_of_two_completes_two_reads)
{
	uint64_t value[3] = { 0 };
	int i;

	if (!(variant->flags & EFD_SEMAPHORE))
		SKIP(return, "for semaphores");
	for (i = 0; i < 3; i++)
		queue_read(&self->ring, self->fd, &value[i], i);
	ASSERT_EQ(3, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(8, uring_result(&self->ring));
	EXPECT_TRUE(uring_quiet(&self->ring));
	EXPECT_EQ(2u, value[0] + value[1] + value[2]);
}

/* A READ that is cancelled takes nothing from later writes. */
TEST_F(uring, parked_read_can_be_cancelled)
{
	uint64_t value = 42;
	int res[2];

	queue_read(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	queue_cancel(&self->ring, IORING_OP_ASYNC_CANCEL, 0, 1);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_results(&self->ring, res, 2));
	EXPECT_EQ(-ECANCELED, res[0]);
	EXPECT_EQ(0, res[1]);
	ASSERT_EQ(8, efd_write(self->fd, 3));
	EXPECT_TRUE(uring_quiet(&self->ring));
	EXPECT_EQ(42u, value);
	EXPECT_EQ(3, efd_drain(self->fd));
}

/* "Shorter than 8 bytes: EINVAL": "8 or more: returns 8, the rest untouched." */
TEST_F(uring, read_length)
{
	uint64_t value[2] = { 0, 42 };

	uring_queue(&self->ring, IORING_OP_READ, self->fd, value, 7, 0);
	EXPECT_EQ(-EINVAL, uring_run(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	uring_queue(&self->ring, IORING_OP_READ, self->fd, value, 7, 0);
	EXPECT_EQ(-EINVAL, uring_run(&self->ring));
	uring_queue(&self->ring, IORING_OP_READ, self->fd, value, 16, 0);
	EXPECT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(1u, value[0]);
	EXPECT_EQ(42u, value[1]);
}

/* "Zero counter: EAGAIN with ... RWF_NOWAIT": there the request says that it will not wait. */
TEST_F(uring, read_that_may_not_wait_is_told_of_an_empty_counter)
{
	uint64_t value;
	struct io_uring_sqe *sqe;

	sqe = queue_read(&self->ring, self->fd, &value, 0);
	sqe->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(-EAGAIN, uring_run(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	sqe = queue_read(&self->ring, self->fd, &value, 0);
	sqe->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(8, uring_run(&self->ring));
}

/* "With RWF_NOWAIT ... a WRITE to a full one": the same. */
TEST_F(uring, write_that_may_not_wait_is_told_of_a_full_counter)
{
	struct io_uring_sqe *sqe;
	uint64_t value = 1;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	sqe = queue_write(&self->ring, self->fd, &value, 0);
	sqe->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(-EAGAIN, uring_run(&self->ring));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "io_uring WRITE adds as write(2) does": however long stock takes for it. */
TEST_F(uring, write_adds)
{
	uint64_t value = 5;

	ASSERT_EQ(8, efd_write(self->fd, 2));
	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(7, efd_drain(self->fd));
}

/* "io_uring WRITE adds ... up to 0xfffffffffffffffe." */
TEST_F(uring, write_up_to_the_brim)
{
	uint64_t value = EFD_MAX;

	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
}

/*
 * "Value 0 is legal: it succeeds at MAX-1": on stock, a WRITE to a blocking one
 * waits for POLLOUT before it is tried, and completes at the next read only.
 */
TEST_F(uring, zero_write_at_the_brim)
{
	struct io_uring_cqe cqe;
	uint64_t value = 0;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	if (!uring_wait_ms(&self->ring, &cqe, QUIET_MS)) {
		EXPECT_FALSE(variant->flags & EFD_NONBLOCK);
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_TRUE(uring_wait(&self->ring, &cqe));
	}
	EXPECT_EQ(8, cqe.res);
}

/* Every write is a wakeup: one made by a ring, too. */
TEST_F(uring, write_wakes_a_blocked_reader)
{
	struct worker w = { .fd = self->fd };
	uint64_t value = 1;

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "no blocked readers");
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* "io_uring WRITE of 4 or 16 bytes: EINVAL." */
TEST_F(uring, write_of_a_wrong_length_is_refused)
{
	static const unsigned int length[] = { 4, 7, 9, 16 };
	uint64_t value[2] = { 1, 100 };
	int added = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(length); i++) {
		bool fine = length[i] > 8 && LONG_WRITES;

		uring_queue(&self->ring, IORING_OP_WRITE, self->fd, value, length[i], 0);
		EXPECT_EQ(fine ? 8 : -EINVAL, uring_run(&self->ring))
			TH_LOG("length %u", length[i]);
		added += fine;
	}
	EXPECT_EQ(added, efd_drain(self->fd));
}

/* "Value 0xffffffffffffffff: EINVAL, always." */
TEST_F(uring, write_of_all_ones_is_refused)
{
	uint64_t value = UINT64_MAX;

	queue_write(&self->ring, self->fd, &value, 0);
	EXPECT_EQ(-EINVAL, uring_run(&self->ring));
	EXPECT_EQ(0, efd_drain(self->fd));
}

/* "A WRITE that does not fit parks until a read makes room" */
TEST_F(uring, write_to_a_full_one_completes_at_the_next_read)
{
	uint64_t value = 1, seen = 0;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 1 : EFD_MAX, seen);
	ASSERT_EQ(8, uring_result(&self->ring));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		EXPECT_EQ(1, efd_drain(self->fd));
	}
}

/* "one that is cancelled adds nothing" */
TEST_F(uring, parked_write_can_be_cancelled)
{
	uint64_t value = 7, seen = 0;
	int res[2];

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	queue_cancel(&self->ring, IORING_OP_ASYNC_CANCEL, 0, 1);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_results(&self->ring, res, 2));
	EXPECT_TRUE(res[0] == -ECANCELED || res[0] == -EINTR) TH_LOG("write: %d", res[0]);
	EXPECT_TRUE(res[1] == 0 || res[1] == -EALREADY) TH_LOG("cancel: %d", res[1]);
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_TRUE(uring_quiet(&self->ring));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_EQ(POLLIN | POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		EXPECT_EQ(0, efd_drain(self->fd));
	}
}

/* "io_uring WRITEV 8+8 gives 16." */
TEST_F(uring, writev_adds_each_segment)
{
	uint64_t value[2] = { 5, 6 };
	struct iovec iov[2] = { { &value[0], 8 }, { &value[1], 8 } };

	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, iov, 2, 0);
	ASSERT_EQ(16, uring_run(&self->ring));
	EXPECT_EQ(11, efd_drain(self->fd));
}

/* "one that does not fit waits, with those before it added", or ends it if nothing may wait */
TEST_F(uring, writev_waits_between_segments)
{
	uint64_t value[3] = { EFD_MAX, 0, 2 }, seen = 0;
	struct iovec iov[3] = { { &value[0], 8 }, { &value[1], 8 }, { &value[2], 8 } };
	bool semaphore = variant->flags & EFD_SEMAPHORE;

	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, iov, 3, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	if (variant->flags & EFD_NONBLOCK) {
		EXPECT_EQ(16, uring_result(&self->ring));
		EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
		return;
	}
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_EQ(semaphore ? 1 : EFD_MAX, seen);
	if (semaphore) {
		ASSERT_TRUE(uring_quiet(&self->ring));
		ASSERT_EQ(8, efd_read(self->fd, &seen));
	}
	EXPECT_EQ(24, uring_result(&self->ring));
	if (semaphore) {
		EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		EXPECT_EQ(2, efd_drain(self->fd));
	}
}

/* "4+4 EINVAL; 8+4 returns 8": a ring answers as writev(2) does. */
TEST_F(uring, writev_of_wrong_lengths)
{
	uint64_t value[2] = { 5, 6 };
	struct iovec halves[2] = { { &value[0], 4 }, { &value[1], 4 } };
	struct iovec short_end[2] = { { &value[0], 8 }, { &value[1], 4 } };

	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, halves, 2, 0);
	EXPECT_EQ(-EINVAL, uring_run(&self->ring));
	EXPECT_EQ(0, efd_drain(self->fd));
	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, short_end, 2, 0);
	EXPECT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(5, efd_drain(self->fd));
}

/* "`readv` splits the value over segments (4+4 works)" */
TEST_F(uring, readv_splits_the_value)
{
	uint32_t half[3] = { 0, 42, 0 };
	struct iovec iov[2] = { { &half[0], 4 }, { &half[2], 4 } };
	uint64_t value, want = variant->flags & EFD_SEMAPHORE ? 1 : 1ull << 32 | 7;

	ASSERT_EQ(8, efd_write(self->fd, 1ull << 32 | 7));
	uring_queue(&self->ring, IORING_OP_READV, self->fd, iov, 2, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(42u, half[1]);
	half[1] = half[2];
	memcpy(&value, half, sizeof(value));
	EXPECT_EQ(want, value);
}

/* The same for one that had to wait: the segments are kept until then. */
TEST_F(uring, parked_readv_splits_the_value)
{
	uint32_t half[2] = { 42, 42 };
	struct iovec iov[2] = { { &half[0], 4 }, { &half[1], 4 } };
	uint64_t value;

	uring_queue(&self->ring, IORING_OP_READV, self->fd, iov, 2, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	memset(iov, 0, sizeof(iov));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, uring_result(&self->ring));
	memcpy(&value, half, sizeof(value));
	EXPECT_EQ(1u, value);
}

/* READ_FIXED and WRITE_FIXED: the data comes from, and goes to, pages and not addresses. */
TEST_F(uring, fixed_buffers)
{
	uint64_t value[2] = { 5, 0 };
	struct iovec iov = { value, sizeof(value) };
	int ret;

	ret = uring_register(&self->ring, IORING_REGISTER_BUFFERS, &iov, 1);
	if (ret == -ENOMEM || ret == -EPERM)
		SKIP(return, "may not lock memory");
	ASSERT_EQ(0, ret);
	uring_queue(&self->ring, IORING_OP_WRITE_FIXED, self->fd, &value[0], 8, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	uring_queue(&self->ring, IORING_OP_READ_FIXED, self->fd, &value[1], 8, 0);
	ASSERT_EQ(8, uring_run(&self->ring));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 1u : 5u, value[1]);
}

/* As above, with a READ_FIXED that has to wait. */
TEST_F(uring, parked_read_into_a_fixed_buffer)
{
	uint64_t value = 0;
	struct iovec iov = { &value, sizeof(value) };
	int ret;

	ret = uring_register(&self->ring, IORING_REGISTER_BUFFERS, &iov, 1);
	if (ret == -ENOMEM || ret == -EPERM)
		SKIP(return, "may not lock memory");
	ASSERT_EQ(0, ret);
	uring_queue(&self->ring, IORING_OP_READ_FIXED, self->fd, &value, 8, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(1u, value);
}

/* An eventfd among the registered files of a ring, with no descriptor of its own left. */
TEST_F(uring, registered_file)
{
	int lonely = efd_create(0, variant->flags);
	uint64_t out = 1, in = 0;
	struct io_uring_sqe *sqe;

	ASSERT_GE(lonely, 0);
	ASSERT_EQ(0, uring_register(&self->ring, IORING_REGISTER_FILES, &lonely, 1));
	ASSERT_EQ(0, close(lonely));
	sqe = queue_read(&self->ring, 0, &in, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	sqe = queue_write(&self->ring, 0, &out, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	ASSERT_EQ(1, uring_submit(&self->ring));
	EXPECT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(1u, in);
}

/* "POLLIN: counter > 0. POLLOUT: counter < 0xfffffffffffffffe." */
TEST_F(uring, poll_of_a_ready_one)
{
	uring_queue_poll(&self->ring, self->fd, POLLIN | POLLOUT, 0);
	EXPECT_EQ(POLLOUT, uring_run(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	uring_queue_poll(&self->ring, self->fd, POLLIN | POLLOUT, 0);
	EXPECT_EQ(POLLIN | POLLOUT, uring_run(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	uring_queue_poll(&self->ring, self->fd, POLLIN | POLLOUT, 0);
	EXPECT_EQ(POLLIN, uring_run(&self->ring));
}

/* "Every write wakes all pollers with EPOLLIN" */
TEST_F(uring, poll_in_completes_at_a_write)
{
	uring_queue_poll(&self->ring, self->fd, POLLIN, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	EXPECT_EQ(POLLIN, uring_result(&self->ring));
	EXPECT_EQ(3, efd_drain(self->fd));
}

/* "every successful read [wakes] with EPOLLOUT" */
TEST_F(uring, poll_out_completes_at_a_read)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	uring_queue_poll(&self->ring, self->fd, POLLOUT, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(POLLOUT, uring_result(&self->ring));
}

/* "Every write wakes all pollers": those of one ring, too. */
TEST_F(uring, one_write_completes_all_polls)
{
	int i;

	for (i = 0; i < 4; i++)
		uring_queue_poll(&self->ring, self->fd, POLLIN, i);
	ASSERT_EQ(4, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(POLLIN, uring_result(&self->ring));
	}
}

/* A poll that is removed sees no more writes. */
TEST_F(uring, poll_can_be_removed)
{
	int res[2];

	uring_queue_poll(&self->ring, self->fd, POLLIN, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	queue_cancel(&self->ring, IORING_OP_POLL_REMOVE, 0, 1);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_results(&self->ring, res, 2));
	EXPECT_EQ(-ECANCELED, res[0]);
	EXPECT_EQ(0, res[1]);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(uring_quiet(&self->ring));
	queue_cancel(&self->ring, IORING_OP_POLL_REMOVE, 0, 1);
	EXPECT_EQ(-ENOENT, uring_run(&self->ring));
}

/* One completion per write, "zero writes and writes to a non-zero counter included". */
TEST_F(uring, multishot_poll_completes_once_per_write)
{
	static const uint64_t value[] = { 1, 1, 0, 5, 0 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	size_t i;

	sqe = uring_queue_poll(&self->ring, self->fd, POLLIN, 0);
	sqe->len = IORING_POLL_ADD_MULTI;
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	for (i = 0; i < ARRAY_SIZE(value); i++) {
		ASSERT_EQ(8, efd_write(self->fd, value[i]));
		ASSERT_TRUE(uring_wait(&self->ring, &cqe)) TH_LOG("write %zu", i);
		EXPECT_EQ(POLLIN, cqe.res);
		EXPECT_TRUE(more_to_come(&cqe));
		EXPECT_TRUE(uring_quiet(&self->ring)) TH_LOG("write %zu", i);
	}
}

/* "every successful read with EPOLLOUT": one completion per read, none per write. */
TEST_F(uring, multishot_poll_for_room_completes_once_per_read)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	sqe = uring_queue_poll(&self->ring, self->fd, POLLOUT, 0);
	sqe->len = IORING_POLL_ADD_MULTI;
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_TRUE(uring_wait(&self->ring, &cqe)) TH_LOG("read %d", i);
		EXPECT_EQ(POLLOUT, cqe.res);
		EXPECT_TRUE(more_to_come(&cqe));
		ASSERT_EQ(8, efd_write(self->fd, 1));
		EXPECT_TRUE(uring_quiet(&self->ring)) TH_LOG("read %d", i);
	}
}

/* A multishot poll goes on until it is removed. */
TEST_F(uring, multishot_poll_can_be_removed)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int i;

	sqe = uring_queue_poll(&self->ring, self->fd, POLLIN, 0);
	sqe->len = IORING_POLL_ADD_MULTI;
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(POLLIN, uring_result(&self->ring));
	queue_cancel(&self->ring, IORING_OP_POLL_REMOVE, 0, 1);
	ASSERT_EQ(1, uring_submit(&self->ring));
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(uring_wait(&self->ring, &cqe));
		EXPECT_EQ(cqe.user_data ? 0 : -ECANCELED, cqe.res);
		EXPECT_FALSE(more_to_come(&cqe));
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(uring_quiet(&self->ring));
}

/* "EBADF for what is no descriptor, EINVAL for what is no eventfd." */
TEST_F(uring, register_refuses_what_is_no_eventfd)
{
	int pipe_fd[2], o_path, closed;
	char path[32];

	closed = dup(self->fd);
	ASSERT_GE(closed, 0);
	ASSERT_EQ(0, close(closed));
	EXPECT_EQ(-EBADF, register_efd(&self->ring, IORING_REGISTER_EVENTFD, closed));
	EXPECT_EQ(-EBADF, register_efd(&self->ring, IORING_REGISTER_EVENTFD, -1));

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	o_path = open(path, O_PATH);
	ASSERT_GE(o_path, 0);
	EXPECT_EQ(-EBADF, register_efd(&self->ring, IORING_REGISTER_EVENTFD, o_path));
	close(o_path);

	ASSERT_EQ(0, pipe(pipe_fd));
	EXPECT_EQ(-EINVAL, register_efd(&self->ring, IORING_REGISTER_EVENTFD, pipe_fd[0]));
	EXPECT_EQ(-EINVAL, register_efd(&self->ring, IORING_REGISTER_EVENTFD_ASYNC, pipe_fd[1]));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	EXPECT_EQ(-EINVAL, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->ring.fd));

	/* None of them has been left registered. */
	EXPECT_EQ(-ENXIO, uring_register(&self->ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
}

/* One eventfd per ring, and one must be there to be taken away. */
TEST_F(uring, register_twice_and_unregister_twice)
{
	EXPECT_EQ(-ENXIO, uring_register(&self->ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	EXPECT_EQ(-EBUSY, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	EXPECT_EQ(-EBUSY, register_efd(&self->ring, IORING_REGISTER_EVENTFD_ASYNC, self->fd));
	EXPECT_EQ(0, uring_register(&self->ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
	EXPECT_EQ(-ENXIO, uring_register(&self->ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
	EXPECT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
}

/* A kernel signal adds 1: for a batch of completions, not for each. */
TEST_F(uring, ring_signals_once_per_batch)
{
	int i;

	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	ASSERT_EQ(0, run_nops(&self->ring, 3, 0));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	}
	EXPECT_EQ(3, efd_drain_to(self->fd, 3));
}

/* Nothing is signalled before a ring is told to, or after it is told not to. */
TEST_F(uring, ring_signals_only_while_registered)
{
	ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	EXPECT_EQ(0, efd_drain_to(self->fd, 0));
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	EXPECT_EQ(0, efd_drain_to(self->fd, 0));
	ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	ASSERT_EQ(0, uring_register(&self->ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
	ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	EXPECT_EQ(0, efd_drain_to(self->fd, 0));
}

/* IORING_CQ_EVENTFD_DISABLED does the same for a while. */
TEST_F(uring, ring_signals_only_while_enabled)
{
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	__atomic_store_n(self->ring.cq_flags, IORING_CQ_EVENTFD_DISABLED, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, run_nops(&self->ring, 3, 0));
	EXPECT_EQ(0, efd_drain_to(self->fd, 0));
	__atomic_store_n(self->ring.cq_flags, 0, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
}

/* REGISTER_EVENTFD_ASYNC: only what a worker thread completes is signalled. */
TEST_F(uring, ring_registered_async_signals_from_workers_only)
{
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD_ASYNC, self->fd));
	ASSERT_EQ(0, run_nops(&self->ring, 3, 0));
	EXPECT_EQ(0, efd_drain_to(self->fd, 0));
	ASSERT_EQ(0, run_nops(&self->ring, 1, IOSQE_ASYNC));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
}

/* "A context outlives its file for whoever holds a reference." */
TEST_F(uring, registered_eventfd_survives_close_of_its_descriptor)
{
	int copy = dup(self->fd);

	ASSERT_GE(copy, 0);
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, copy));
	ASSERT_EQ(0, close(copy));
	ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
}

/* As above, with no descriptor left at all. */
TEST_F(uring, registered_eventfd_may_be_gone_altogether)
{
	int lonely = efd_create(0, variant->flags);

	ASSERT_GE(lonely, 0);
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, lonely));
	ASSERT_EQ(0, close(lonely));
	EXPECT_EQ(0, run_nops(&self->ring, 1, 0));
	EXPECT_EQ(0, uring_register(&self->ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
}

/* "It wakes blocked readers as a write does." */
TEST_F(uring, ring_wakes_a_blocked_reader)
{
	struct worker w = { .fd = self->fd };

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "no blocked readers");
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* "every kernel signal with EPOLLIN | mask": what epoll hands out has no bit of the mask. */
TEST_F(uring, ring_signal_is_an_edge_each_time)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int epfd, i;

	epfd = epoll_create1(0);
	if (epfd < 0 && errno == ENOSYS)
		SKIP(return, "no epoll");
	ASSERT_GE(epfd, 0);
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, &ev));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
		ASSERT_EQ(1, epoll_wait(epfd, &ev, 1, WAIT_MS)) TH_LOG("signal %d", i);
		EXPECT_EQ((uint32_t)EPOLLIN, ev.events);
		EXPECT_EQ(0, epoll_wait(epfd, &ev, 1, 0)) TH_LOG("signal %d", i);
	}
	close(epfd);
}

/* "adds and saturates at ULLONG_MAX" */
TEST_F(uring, ring_signals_saturate)
{
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, run_nops(&self->ring, 1, 0));
		EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	}
	EXPECT_TRUE(efd_is_saturated(self->fd, variant->flags));
}

/* A READ parked on the eventfd that its own ring signals: it takes 2, then 1 is added. */
TEST_F(uring, parked_read_of_the_eventfd_of_its_ring)
{
	bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value = 0;

	ASSERT_EQ(0, register_efd(&self->ring, IORING_REGISTER_EVENTFD, self->fd));
	queue_read(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(1, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(semaphore ? 1u : 2u, value);
	EXPECT_EQ(semaphore ? 2 : 1, efd_drain_to(self->fd, semaphore ? 2 : 1));
}

#define HAMMER_NR	200

struct hammer {
	struct uring ring;
	int fd;
};

static void worker_hammer(struct worker *w)
{
	struct hammer *h = w->arg;
	int i;

	w->ret = uring_open(&h->ring, 0);
	if (w->ret)
		return;
	w->ret = register_efd(&h->ring, IORING_REGISTER_EVENTFD, h->fd);
	for (i = 0; i < HAMMER_NR && !w->ret; i++)
		w->ret = run_nops(&h->ring, 1, 0);
}

/* "That guard is per task": two tasks that signal at a time lose nothing. */
TEST_F(uring, signals_of_two_rings_all_count)
{
	struct hammer h[2] = { { .fd = self->fd }, { .fd = self->fd } };
	struct worker w[2] = { { .arg = &h[0] }, { .arg = &h[1] } };

	ASSERT_TRUE(worker_start(&w[0], worker_hammer));
	ASSERT_TRUE(worker_start(&w[1], worker_hammer));
	ASSERT_TRUE(worker_join(&w[0]));
	ASSERT_TRUE(worker_join(&w[1]));
	ASSERT_EQ(0, w[0].ret);
	ASSERT_EQ(0, w[1].ret);
	EXPECT_EQ(2 * HAMMER_NR, efd_drain_to(self->fd, 2 * HAMMER_NR));
}

/*
 * Rings whose completions signal eventfds that rings poll. An io_uring that
 * defers its work signals from inside the wakeup, and has to go round about.
 */
FIXTURE(circle)
{
	struct uring ring[2];
	int fd[2];
};

FIXTURE_VARIANT(circle)
{
	unsigned int ring_flags;
	unsigned int poll_flags;
	int efd_flags;
};

FIXTURE_VARIANT_ADD(circle, once) {};

FIXTURE_VARIANT_ADD(circle, once_semaphore) { .efd_flags = EFD_SEMAPHORE };

FIXTURE_VARIANT_ADD(circle, multishot) { .poll_flags = IORING_POLL_ADD_MULTI };

FIXTURE_VARIANT_ADD(circle, once_deferred) {
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(circle, multishot_deferred) {
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	.poll_flags = IORING_POLL_ADD_MULTI,
};

FIXTURE_SETUP(circle)
{
	int i, ret;

	for (i = 0; i < 2; i++) {
		ret = uring_open(&self->ring[i], variant->ring_flags);
		if (ret == -ENOSYS || ret == -EPERM)
			SKIP(return, "no io_uring here: %s", strerror(-ret));
		if (ret == -EINVAL && variant->ring_flags)
			SKIP(return, "no DEFER_TASKRUN before 6.1");
		ASSERT_EQ(0, ret);
		self->fd[i] = efd_create(0, variant->efd_flags);
		ASSERT_GE(self->fd[i], 0);
		ASSERT_EQ(0, register_efd(&self->ring[i], IORING_REGISTER_EVENTFD, self->fd[i]));
	}
}

FIXTURE_TEARDOWN(circle)
{
	int i;

	for (i = 0; i < 2; i++) {
		close(self->ring[i].fd);
		close(self->fd[i]);
	}
}

/* More completions than this, after one write, are a circle that has no end. */
#define CIRCLE_MAX	12

/*
 * Counts the completions of both rings until they keep still, and the first @want
 * have had one; stops at CIRCLE_MAX of either. A result other than POLLIN ends it
 * with a negative count.
 */
static void circle_run(struct uring *ring, int want, int *nr)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct io_uring_cqe cqe;
	bool more, missing;
	int i;

	nr[0] = 0;
	nr[1] = 0;
	do {
		more = false;
		missing = false;
		for (i = 0; i < 2; i++) {
			if (uring_wait_ms(&ring[i], &cqe, 2 * QUIET_MS)) {
				if (cqe.res != POLLIN) {
					nr[i] = -1;
					return;
				}
				nr[i]++;
				more = true;
			}
			if (i < want && !nr[i])
				missing = true;
		}
	} while ((more || (missing && now_ms() < end)) && nr[0] < CIRCLE_MAX && nr[1] < CIRCLE_MAX);
}

/* The signal of a deferred ring comes, though nobody enters the ring. */
TEST_F(circle, ring_signals_another_eventfd_than_it_polls)
{
	int b = efd_create(0, variant->efd_flags);
	struct pollfd pfd = { .fd = self->fd[0], .events = POLLIN };
	struct io_uring_sqe *sqe;

	ASSERT_GE(b, 0);
	sqe = uring_queue_poll(&self->ring[0], b, POLLIN, 0);
	sqe->len = variant->poll_flags;
	ASSERT_EQ(1, uring_submit(&self->ring[0]));
	ASSERT_EQ(0, efd_events(self->fd[0], POLLIN));
	ASSERT_EQ(8, efd_write(b, 1));
	ASSERT_EQ(1, poll(&pfd, 1, WAIT_MS));
	EXPECT_EQ(POLLIN, uring_result(&self->ring[0]));
	EXPECT_LE(1, efd_drain(self->fd[0]));
	EXPECT_EQ(1, efd_drain(b));
	close(b);
}

/*
 * On Linux 6.1, a completion of a multishot poll gives its signal while io_uring has the
 * request in hand: it cannot end it, only make it look once more, and so on. 6.12 gives
 * it afterwards.
 */
#define CIRCLES_GO_ON(variant)	((variant)->poll_flags && linux_before(6, 2))

/* A ring that polls its own registered eventfd: it comes to an end, and the signal counts. */
TEST_F(circle, ring_polls_its_own_eventfd)
{
	struct io_uring_sqe *sqe;
	int nr[2];

	if (CIRCLES_GO_ON(variant))
		SKIP(return, "io_uring of this version goes on");
	sqe = uring_queue_poll(&self->ring[0], self->fd[0], POLLIN, 0);
	sqe->len = variant->poll_flags;
	ASSERT_EQ(1, uring_submit(&self->ring[0]));
	ASSERT_TRUE(uring_quiet(&self->ring[0]));
	ASSERT_EQ(8, efd_write(self->fd[0], 5));
	circle_run(self->ring, 1, nr);
	EXPECT_LE(1, nr[0]);
	EXPECT_GT(CIRCLE_MAX, nr[0]);
	EXPECT_EQ(0, nr[1]);
	EXPECT_LE(6, efd_drain_to(self->fd[0], 6));
}

/*
 * "EPOLL_URING_WAKE in a signal's mask reaches the wake key": io_uring then ends
 * a multishot poll, as it would be fed by its own completions.
 */
TEST_F(circle, multishot_poll_of_the_own_eventfd_is_ended)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int nr = 0;

	if (!variant->poll_flags)
		SKIP(return, "for multishot polls");
	if (CIRCLES_GO_ON(variant))
		SKIP(return, "io_uring of this version goes on");
	sqe = uring_queue_poll(&self->ring[0], self->fd[0], POLLIN, 0);
	sqe->len = variant->poll_flags;
	ASSERT_EQ(1, uring_submit(&self->ring[0]));
	ASSERT_TRUE(uring_quiet(&self->ring[0]));
	ASSERT_EQ(8, efd_write(self->fd[0], 1));
	do {
		ASSERT_TRUE(uring_wait(&self->ring[0], &cqe));
		EXPECT_EQ(POLLIN, cqe.res);
		nr++;
		ASSERT_GT(CIRCLE_MAX, nr);
	} while (more_to_come(&cqe));
	ASSERT_EQ(8, efd_write(self->fd[0], 1));
	EXPECT_TRUE(uring_quiet(&self->ring[0]));
}

/* The same circle with an epoll instance in between, which hands the bit on. */
TEST_F(circle, ring_polls_its_own_eventfd_through_epoll)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct io_uring_sqe *sqe;
	int epfd, nr[2];

	if (CIRCLES_GO_ON(variant))
		SKIP(return, "io_uring of this version goes on");
	epfd = epoll_create1(0);
	if (epfd < 0 && errno == ENOSYS)
		SKIP(return, "no epoll");
	ASSERT_GE(epfd, 0);
	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd[0], &ev));
	sqe = uring_queue_poll(&self->ring[0], epfd, POLLIN, 0);
	sqe->len = variant->poll_flags;
	ASSERT_EQ(1, uring_submit(&self->ring[0]));
	ASSERT_TRUE(uring_quiet(&self->ring[0]));
	ASSERT_EQ(8, efd_write(self->fd[0], 5));
	circle_run(self->ring, 1, nr);
	EXPECT_LE(1, nr[0]);
	EXPECT_GT(CIRCLE_MAX, nr[0]);
	EXPECT_LE(6, efd_drain_to(self->fd[0], 6));
	close(epfd);
}

/* "two that signal each other, come to an end" */
TEST_F(circle, two_rings_signal_each_other)
{
	struct io_uring_sqe *sqe;
	int i, nr[2];

	for (i = 0; i < 2; i++) {
		sqe = uring_queue_poll(&self->ring[i], self->fd[!i], POLLIN, 0);
		sqe->len = variant->poll_flags;
		ASSERT_EQ(1, uring_submit(&self->ring[i]));
		ASSERT_TRUE(uring_quiet(&self->ring[i]));
	}
	ASSERT_EQ(8, efd_write(self->fd[0], 5));
	circle_run(self->ring, 2, nr);
	for (i = 0; i < 2; i++) {
		EXPECT_LE(1, nr[i]) TH_LOG("ring %d", i);
		EXPECT_GT(CIRCLE_MAX, nr[i]) TH_LOG("ring %d", i);
	}
	EXPECT_LE(6, efd_drain_to(self->fd[0], 6));
	EXPECT_LE(1, efd_drain_to(self->fd[1], 1));
	/* And both are still good for use. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(8, efd_write(self->fd[i], 1));
		EXPECT_LE(1, efd_drain(self->fd[i]));
	}
}

TEST_HARNESS_MAIN
