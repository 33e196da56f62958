// SPDX-License-Identifier: GPL-2.0
/*
 * Where the stock kernel falls short and ours does not, by the letters of docs/design.md.
 * The file beyond-stock names the tests that the stock kernel must fail;
 * it passes the others, which say what the improvements must not break.
 */
#include "module.h"
#include "uring.h"

#include <linux/aio_abi.h>
#include <sys/epoll.h>

/* from Linux 6.9 on */
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND	0x20
#endif

#define SETUP()								\
	do {								\
		SHORT_WAIT();						\
		alarm(STUCK_S);						\
	} while (0)

static ssize_t write_nowait(int fd, uint64_t value)
{
	struct iovec iov = { &value, sizeof(value) };

	return RET(pwritev2(fd, &iov, 1, -1, RWF_NOWAIT));
}

static ssize_t read_nowait(int fd, uint64_t *value)
{
	struct iovec iov = { value, sizeof(*value) };

	return RET(preadv2(fd, &iov, 1, -1, RWF_NOWAIT));
}

static _Atomic int nr_handled;

static void count_signal(int sig)
{
	nr_handled++;
}

static void handle_sigusr1(int flags)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
}

/* Exactly @want end, and nobody else has even been woken for it. */
static bool only_these_were_woken(struct worker *w, const long *sleeps, int n, int want)
{
	return eventually(nr_ended(w, n) >= want) && nr_woken(w, sleeps, n) == want;
}

/* It was woken, found nothing, and sleeps again. */
static bool lost(struct worker *w, long sleeps)
{
	struct task_status status = {};

	return eventually(w->done || ((status = task_status(w->tid)).state == 'S' &&
				      status.sleeps > sleeps)) &&
	       !w->done;
}

/*
 * A: writes that are asked not to wait, or to wait elsewhere
 */
FIXTURE(inline)
{
	struct uring ring;
	int fd;
};

EFD_BLOCKING_VARIANTS(inline);

FIXTURE_SETUP(inline)
{
	SETUP();
	URING_SETUP(&self->ring, 0);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(inline)
{
	close(self->ring.fd);
	close(self->fd);
}

/* The result of the one request that is queued, if io_uring_enter() itself brings it. */
static int result_at_once(struct uring *r)
{
	struct io_uring_cqe cqe;
	int ret = uring_submit(r);

	if (ret != 1)
		return ret < 0 ? ret : -EBUSY;
	return uring_peek(r, &cqe) ? cqe.res : -EINPROGRESS;
}

static struct io_uring_sqe *queue_write(struct uring *r, int fd, const uint64_t *value,
					unsigned int tag)
{
	return uring_queue(r, IORING_OP_WRITE, fd, value, sizeof(*value), tag);
}

static void queue_cancel(struct uring *r, unsigned int target, unsigned int tag)
{
	uring_queue(r, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, tag)->addr = target;
}

/*
 * "io_uring WRITE on a blocking eventfd is retried up to 128 times and then handed to a worker
 * thread": not here, io_uring_enter() completes it.
 */
TEST_F(inline, uring_write)
{
	uint64_t value = 3;
	int i;

	for (i = 0; i < 1000; i++) {
		queue_write(&self->ring, self->fd, &value, 0);
		ASSERT_EQ(8, result_at_once(&self->ring)) TH_LOG("write %d", i);
	}
	EXPECT_EQ(0, uring_workers());
	EXPECT_EQ(3000u, efd_fill(self->fd));
}

/* The same of a vector, if nothing follows that may have to wait; two for who may not wait. */
TEST_F(inline, uring_writev)
{
	uint64_t value[2] = { 5, 6 };
	struct iovec iov[2] = { { &value[0], 8 }, { &value[1], 0 } };

	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, iov, 2, 0);
	ASSERT_EQ(8, result_at_once(&self->ring));
	iov[1].iov_len = 4;
	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, iov + 1, 1, 0);
	ASSERT_EQ(-EINVAL, result_at_once(&self->ring));
	iov[1].iov_len = 8;
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, iov, 2, 0);
	ASSERT_EQ(16, result_at_once(&self->ring));
	EXPECT_EQ(0, uring_workers());
	EXPECT_EQ(16u, efd_fill(self->fd));
}

/* The same: refused at once, and nothing is added. */
TEST_F(inline, uring_write_that_is_wrong)
{
	static const unsigned int length[] = { 4, 7, 9, 16 };
	uint64_t value[2] = { 1, 100 };
	unsigned int added = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(length); i++) {
		bool fine = length[i] > 8 && LONG_WRITES;

		uring_queue(&self->ring, IORING_OP_WRITE, self->fd, value, length[i], 0);
		EXPECT_EQ(fine ? 8 : -EINVAL, result_at_once(&self->ring))
			TH_LOG("length %u", length[i]);
		added += fine;
	}
	value[0] = UINT64_MAX;
	queue_write(&self->ring, self->fd, value, 0);
	EXPECT_EQ(-EINVAL, result_at_once(&self->ring));
	uring_queue(&self->ring, IORING_OP_WRITE, self->fd, NULL, 8, 0);
	EXPECT_EQ(-EFAULT, result_at_once(&self->ring));
	EXPECT_EQ(0, uring_workers());
	EXPECT_EQ(added, efd_fill(self->fd));
}

/* The same for a registered buffer, also if the eight bytes lie on two pages. */
TEST_F(inline, uring_write_fixed)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const int offset[] = { 0, 4096 - 8, 4096 - 4, 4096 - 1, 4096, 8192 - 8 };
	struct iovec iov = { pages, 8192 };
	uint64_t value = 0x0102030405060708;
	size_t i;
	int ret;

	ASSERT_TRUE(pages != MAP_FAILED);
	ret = uring_register(&self->ring, IORING_REGISTER_BUFFERS, &iov, 1);
	if (ret == -ENOMEM || ret == -EPERM)
		SKIP(return, "may not lock memory");
	ASSERT_EQ(0, ret);
	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		memcpy(pages + offset[i], &value, 8);
		uring_queue(&self->ring, IORING_OP_WRITE_FIXED, self->fd, pages + offset[i], 8, 0);
		ASSERT_EQ(8, result_at_once(&self->ring)) TH_LOG("offset %d", offset[i]);
		memset(pages, 0xff, 8192);
	}
	uring_queue(&self->ring, IORING_OP_WRITE_FIXED, self->fd, pages, 16, 0);
	EXPECT_EQ(-EINVAL, result_at_once(&self->ring));
	EXPECT_EQ(0, uring_workers());
	EXPECT_EQ(value * ARRAY_SIZE(offset), efd_fill(self->fd));
}

/* "One that does not fit parks on a poll, without a thread" */
TEST_F(inline, uring_write_to_a_full_one_parks)
{
	uint64_t value = 1, seen = 0;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	queue_write(&self->ring, self->fd, &value, 0);
	ASSERT_EQ(-EINPROGRESS, result_at_once(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	EXPECT_EQ(0, uring_workers());
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 1 : EFD_MAX, seen);
	ASSERT_EQ(8, uring_result(&self->ring));
	EXPECT_EQ(0, uring_workers());
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? EFD_MAX : 1, efd_fill(self->fd));
}

/* As above for several: each completes once there is room, and all that they add is there. */
TEST_F(inline, uring_parked_writes_all_complete)
{
	bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value[8], seen, sum = 0;
	int res[8], i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < 8; i++) {
		value[i] = semaphore ? 1 : 1 + i;
		sum += value[i];
		queue_write(&self->ring, self->fd, &value[i], i);
	}
	ASSERT_EQ(8, uring_submit(&self->ring));
	ASSERT_TRUE(uring_quiet(&self->ring));
	for (i = 0; i < (semaphore ? 8 : 1); i++) {
		ASSERT_EQ(8, efd_read(self->fd, &seen));
	}
	ASSERT_TRUE(uring_results(&self->ring, res, 8));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(8, res[i]);
	}
	EXPECT_EQ(0, uring_workers());
	EXPECT_EQ(semaphore ? EFD_MAX : sum, efd_fill(self->fd));
}

/* "one that is cancelled adds nothing, never a part.": however it came to park. */
TEST_F(inline, uring_cancelled_write_adds_nothing)
{
	static const unsigned int flags[] = { 0, IOSQE_ASYNC, IOSQE_IO_LINK };
	uint64_t value = 7, seen;
	int res[3];
	size_t i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 2));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		queue_write(&self->ring, self->fd, &value, 0)->flags = flags[i];
		/* linked to it, it would follow if the first one had written */
		queue_write(&self->ring, self->fd, &value, 1);
		ASSERT_EQ(2, uring_submit(&self->ring));
		ASSERT_TRUE(uring_quiet(&self->ring));
		queue_cancel(&self->ring, 0, 2);
		if (flags[i] != IOSQE_IO_LINK)
			queue_cancel(&self->ring, 1, 2);
		ASSERT_LE(1, uring_submit(&self->ring));
		for (res[0] = res[1] = 1; res[0] == 1 || res[1] == 1;) {
			struct io_uring_cqe cqe;

			ASSERT_TRUE(uring_wait(&self->ring, &cqe)) TH_LOG("flags %u", flags[i]);
			res[cqe.user_data] = cqe.res;
		}
		EXPECT_TRUE(res[0] == -ECANCELED || res[0] == -EINTR) TH_LOG("%d", res[0]);
		EXPECT_TRUE(res[1] == -ECANCELED || res[1] == -EINTR) TH_LOG("%d", res[1]);
		while (uring_wait_ms(&self->ring, &(struct io_uring_cqe){}, QUIET_MS))
			;
	}
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_TRUE(uring_quiet(&self->ring));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? EFD_MAX - 3 : 0, efd_fill(self->fd));
}

/* As above: and there is somebody who sleeps for it. */
TEST_F(inline, uring_write_serves_a_blocked_reader)
{
	struct worker w = { .fd = self->fd };
	uint64_t value = 1;

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	queue_write(&self->ring, self->fd, &value, 0);
	EXPECT_EQ(8, result_at_once(&self->ring));
	EXPECT_EQ(0, uring_workers());
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* "`pwritev2` with RWF_NOWAIT adds at once what fits, EAGAIN for what does not" */
TEST_F(inline, pwritev2_nowait)
{
	uint64_t value[] = { 5, EFD_MAX - 5, 1, 0 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 }, { value + 2, 8 }, { value + 3, 8 } };

	ASSERT_EQ(8, RET(pwritev2(self->fd, iov, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(8, RET(pwritev2(self->fd, iov + 1, 2, -1, RWF_NOWAIT)));
	EXPECT_EQ(-EAGAIN, RET(pwritev2(self->fd, iov + 2, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(-EAGAIN, RET(pwritev2(self->fd, iov + 2, 2, -1, RWF_NOWAIT | RWF_HIPRI)));
	EXPECT_EQ(8, RET(pwritev2(self->fd, iov + 3, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(-EINVAL, write_nowait(self->fd, UINT64_MAX));
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* As above: where nothing has to wait it is writev(), in every detail. */
TEST_F(inline, pwritev2_nowait_answers_as_writev)
{
	uint64_t value[] = { 1, 2 };
	char *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* clang-format off */
	const struct iovec shape[][2] = {
		{ { value, 8 }, { value + 1, 8 } },
		{ { value, 4 }, { value + 1, 4 } },
		{ { value, 8 }, { value + 1, 4 } },
		{ { value, 4 }, { value + 1, 8 } },
		{ { value, 8 }, { value + 1, 0 } },
		{ { value, 0 }, { value + 1, 8 } },
		{ { value, 16 }, { value, 8 } },
		{ { value, 8 }, { hole + 4096, 8 } },
		{ { hole + 4096, 8 }, { value, 8 } },
		{ { value, 8 }, { hole + 4092, 8 } },
	};
	/* clang-format on */
	int other = efd_create(0, variant->flags);
	size_t i;

	ASSERT_TRUE(hole != MAP_FAILED);
	ASSERT_EQ(0, munmap(hole + 4096, 4096));
	ASSERT_EQ(8, efd_write(other, 3));
	ASSERT_EQ(8, RET(pwritev2(self->fd, &(struct iovec){ (uint64_t[]){ 3 }, 8 }, 1, -1,
				  RWF_NOWAIT)));
	for (i = 0; i < ARRAY_SIZE(shape); i++) {
		EXPECT_EQ(RET(writev(other, shape[i], 2)),
			  RET(pwritev2(self->fd, shape[i], 2, -1, RWF_NOWAIT)))
			TH_LOG("shape %zu", i);
	}
	EXPECT_EQ(efd_fill(other), efd_fill(self->fd));
	close(other);
}

/* "any flag but RWF_HIPRI and RWF_NOWAIT: EOPNOTSUPP": which does not make the others good. */
TEST_F(inline, pwritev2_other_flags_are_refused)
{
	uint64_t value[] = { 5, 7 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 } };
	unsigned int bit, append;

	for (append = 0; append < 2; append++) {
		for (bit = 1; bit < 32; bit++) {
			int flag = 1u << bit;

			/* nor can O_APPEND and RWF_APPEND be told apart */
			if (flag == RWF_NOWAIT || (append && flag == RWF_APPEND))
				continue;
			EXPECT_EQ(-EOPNOTSUPP, RET(pwritev2(self->fd, iov, 1, -1, flag)))
				TH_LOG("bit %u", bit);
			EXPECT_EQ(-EOPNOTSUPP,
				  RET(pwritev2(self->fd, iov, 2, -1, flag | RWF_NOWAIT)))
				TH_LOG("bit %u", bit);
		}
		EXPECT_EQ(0, fcntl(self->fd, F_SETFL, fcntl(self->fd, F_GETFL) | O_APPEND));
	}
	/* nor does O_APPEND, which is not the call's, change a thing */
	EXPECT_EQ(16, RET(writev(self->fd, iov, 2)));
	EXPECT_EQ(16, RET(pwritev2(self->fd, iov, 2, -1, 0)));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(25u, efd_fill(self->fd));
}

/* "RWF_APPEND, which means nothing then" */
TEST_F(inline, append_means_nothing_to_who_has_it)
{
	uint64_t value[] = { 5, 7 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 } };

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, fcntl(self->fd, F_GETFL) | O_APPEND));
	EXPECT_EQ(8, RET(pwritev2(self->fd, iov, 1, -1, RWF_APPEND)));
	EXPECT_EQ(16, RET(pwritev2(self->fd, iov, 2, -1, RWF_APPEND | RWF_NOWAIT)));
	/* "With RWF_NOAPPEND as well it is EINVAL": for every file that has ->write_iter */
	EXPECT_EQ(linux_before(6, 9) ? -EOPNOTSUPP : -EINVAL,
		  RET(pwritev2(self->fd, iov, 1, -1, RWF_APPEND | RWF_NOAPPEND)));
	EXPECT_EQ(17u, efd_fill(self->fd));
}

/* The same: with O_APPEND on the file, too. */
TEST_F(inline, o_append_changes_nothing)
{
	uint64_t value[] = { 5, 7 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 } };

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, fcntl(self->fd, F_GETFL) | O_APPEND));
	EXPECT_EQ(8, write_nowait(self->fd, 1));
	uring_queue(&self->ring, IORING_OP_WRITEV, self->fd, iov, 1, 0);
	EXPECT_EQ(8, result_at_once(&self->ring));
	EXPECT_EQ(16, RET(writev(self->fd, iov, 2)));
	EXPECT_EQ(18u, efd_fill(self->fd));
}

/* The result of one aio request; what io_submit() refuses counts as the result. */
static long long aio_run_flags(aio_context_t ctx, int op, int fd, const void *buf, size_t len,
			       int flags)
{
	struct timespec ts = { 2, 0 };
	struct iocb cb = {
		.aio_lio_opcode = op,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
		.aio_rw_flags = flags,
	}, *list = &cb;
	struct io_event ev;
	int ret = RET(syscall(SYS_io_submit, ctx, 1, &list));

	if (ret != 1)
		return ret;
	ret = RET(syscall(SYS_io_getevents, ctx, 1l, 1l, &ev, &ts));
	return ret == 1 ? (long long)ev.res : ret ?: -ETIMEDOUT;
}

static long long aio_run(aio_context_t ctx, int op, int fd, const void *buf, size_t len)
{
	return aio_run_flags(ctx, op, fd, buf, len, 0);
}

/* "aio PWRITE adds as write(2), and PWRITEV as writev(2) ...; they refuse what those refuse" */
TEST_F(inline, aio_pwrite)
{
	static const size_t length[] = { 4, 7, 9, 16 };
	uint64_t value[2] = { 5, 6 }, all_ones = UINT64_MAX;
	struct iovec iov[2] = { { &value[0], 8 }, { &value[1], 8 } };
	void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	aio_context_t ctx = 0;
	unsigned int sum = 26;
	size_t i;

	if (syscall(SYS_io_setup, 8, &ctx))
		SKIP(return, "no aio here: %s", strerror(errno));
	ASSERT_EQ(8, aio_run(ctx, IOCB_CMD_PWRITE, self->fd, value, 8));
	for (i = 0; i < ARRAY_SIZE(length); i++) {
		bool fine = length[i] > 8 && LONG_WRITES;

		EXPECT_EQ(fine ? 8 : -EINVAL,
			  aio_run(ctx, IOCB_CMD_PWRITE, self->fd, value, length[i]))
			TH_LOG("length %zu", length[i]);
		sum += fine ? value[0] : 0;
	}
	/* "Only a PWRITE of 0 bytes does nothing and returns 0" */
	EXPECT_EQ(0, aio_run(ctx, IOCB_CMD_PWRITE, self->fd, value, 0));
	EXPECT_EQ(-EINVAL, aio_run(ctx, IOCB_CMD_PWRITE, self->fd, &all_ones, 8));
	EXPECT_EQ(-EFAULT, aio_run(ctx, IOCB_CMD_PWRITE, self->fd, hole, 8));
	EXPECT_EQ(16, aio_run(ctx, IOCB_CMD_PWRITEV, self->fd, iov, 2));
	/* "such an aio PWRITEV with RWF_NOWAIT is EAGAIN" */
	EXPECT_EQ(-EAGAIN, aio_run_flags(ctx, IOCB_CMD_PWRITEV, self->fd, iov, 2, RWF_NOWAIT));
	EXPECT_EQ(8, aio_run_flags(ctx, IOCB_CMD_PWRITEV, self->fd, iov, 1, RWF_NOWAIT));
	iov[1].iov_len = 4;
	EXPECT_EQ(8, aio_run(ctx, IOCB_CMD_PWRITEV, self->fd, iov, 2));
	EXPECT_EQ(sum, efd_fill(self->fd));
	/* what is refused at the brim is not the zero: "it succeeds at MAX-1" */
	value[0] = 0;
	EXPECT_EQ(8, aio_run(ctx, IOCB_CMD_PWRITE, self->fd, value, 8));
}

/*
 * B: nobody is woken in vain
 */
#define HERD		8

FIXTURE(herd)
{
	int fd;
	bool semaphore;
	struct worker w[HERD];
	long sleeps[HERD];
};

EFD_BLOCKING_VARIANTS(herd);

FIXTURE_SETUP(herd)
{
	int i;

	SETUP();
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->semaphore = variant->flags & EFD_SEMAPHORE;
	for (i = 0; i < HERD; i++)
		self->w[i].fd = self->fd;
}

FIXTURE_TEARDOWN(herd)
{
	close(self->fd);
}

/* "every post wakes all blocked readers, and every read wakes the others again": one wakes one. */
TEST_F(herd, one_write_wakes_one_reader)
{
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(only_these_were_woken(self->w, self->sleeps, HERD, 1));
	EXPECT_TRUE(self->w[0].done);
	EXPECT_EQ(8, self->w[0].ret);
	EXPECT_EQ(1u, self->w[0].value);
}

/* As above: one for all that a counter holds, one for each that a semaphore holds. */
TEST_F(herd, write_wakes_as_many_as_it_serves)
{
	uint64_t want = self->semaphore ? 3 : 1;
	size_t i;

	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, self->semaphore ? 3 : 5));
	EXPECT_TRUE(only_these_were_woken(self->w, self->sleeps, HERD, want));
	for (i = 0; i < want; i++) {
		EXPECT_TRUE(self->w[i].done);
		EXPECT_EQ(self->semaphore ? 1u : 5u, self->w[i].value);
	}
}

/* As above: those who were not woken are there for what comes later, each for its own. */
TEST_F(herd, the_others_are_served_by_what_comes_later)
{
	int i;

	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, HERD, 1));
	if (self->semaphore) {
		ASSERT_EQ(8, efd_write(self->fd, HERD - 1));
	}
	for (i = 2; i <= HERD && !self->semaphore; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, HERD, i));
	}
	for (i = 0; i < HERD; i++) {
		ASSERT_TRUE(worker_join(&self->w[i]));
		EXPECT_EQ(8, self->w[i].ret);
		EXPECT_EQ(1u, self->w[i].value);
	}
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* As above: a second write finds somebody on the way already, who will take it along. */
TEST_F(herd, two_writes_before_the_reader_runs)
{
	int i, want = self->semaphore ? 2 : 1;

	ASSERT_TRUE(use_one_cpu());
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	if (!keep_others_waiting())
		SKIP(return, "cannot be real-time");
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(1, nr_woken(self->w, self->sleeps, HERD));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(want, nr_woken(self->w, self->sleeps, HERD));
	EXPECT_TRUE(only_these_were_woken(self->w, self->sleeps, HERD, want));
	for (i = 0; i < want; i++) {
		EXPECT_EQ(self->semaphore ? 1u : 2u, self->w[i].value);
	}
}

/* As above for readers: a write of zero is for pollers only. */
TEST_F(herd, zero_writes_wake_no_reader)
{
	int i;

	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 0));
	}
	EXPECT_EQ(0, nr_woken(self->w, self->sleeps, HERD));
}

/* As above for writers: a write makes no room. */
TEST_F(herd, writes_wake_no_writer)
{
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 2));
	for (i = 0; i < HERD; i++)
		self->w[i].value = 5;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_write, SYS_write));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(0, nr_woken(self->w, self->sleeps, HERD));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(0, nr_woken(self->w, self->sleeps, HERD));
}

/* As above: neither do poll, epoll and what they are told. */
TEST_F(herd, pollers_wake_nobody)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int ep = epoll_create1(0);

	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, nr_woken(self->w, self->sleeps, HERD));
	close(ep);
}

/* As above for writers: one read lets one go, where that is all that fits. */
TEST_F(herd, one_read_wakes_one_writer)
{
	uint64_t seen;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < HERD; i++)
		self->w[i].value = self->semaphore ? 1 : EFD_MAX;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_write, SYS_write));
	for (i = 1; i <= HERD; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &seen));
		ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, HERD, i));
		EXPECT_TRUE(self->w[i - 1].done);
		EXPECT_EQ(8, self->w[i - 1].ret);
	}
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* "the blocked writes that fit, the oldest first, past those that do not" */
TEST_F(herd, read_lets_the_writers_go_that_fit)
{
	static const uint64_t counter[] = { EFD_MAX - 10, 20, 3, EFD_MAX, 7, 1 };
	static const uint64_t semaphore[] = { 3, 1, 1, 2 };
	static const bool fits[] = { true, false, true, false, true, false };
	const int n = self->semaphore ? 4 : 6;
	uint64_t seen;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < n; i++)
		self->w[i].value = self->semaphore ? semaphore[i] : counter[i];
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, n, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	if (!self->semaphore) {
		ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, n, 3));
		for (i = 0; i < n; i++) {
			EXPECT_EQ(fits[i], self->w[i].done) TH_LOG("writer %d", i);
		}
	} else {
		/* room for one, for one, for one that nobody wants, for two, for one, ... */
		ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, n, 1));
		EXPECT_TRUE(self->w[1].done);
		ASSERT_EQ(8, efd_read(self->fd, &seen));
		ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, n, 2));
		EXPECT_TRUE(self->w[2].done);
		ASSERT_EQ(8, efd_read(self->fd, &seen));
		EXPECT_EQ(2, nr_woken(self->w, self->sleeps, n));
		ASSERT_EQ(8, efd_read(self->fd, &seen));
		ASSERT_TRUE(only_these_were_woken(self->w, self->sleeps, n, 3));
		EXPECT_TRUE(self->w[3].done);
		EXPECT_FALSE(self->w[0].done);
	}
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* As above: the read itself adds for the writer, who need not run for that. */
TEST_F(herd, blocked_write_is_there_when_the_read_returns)
{
	uint64_t seen;

	ASSERT_TRUE(use_one_cpu());
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	self->w[0].value = self->semaphore ? 1 : 5;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_write, SYS_write));
	if (!keep_others_waiting())
		SKIP(return, "cannot be real-time");
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_EQ(self->semaphore ? POLLIN : POLLIN | POLLOUT,
		  efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_FALSE(self->w[0].done);
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(8, self->w[0].ret);
	EXPECT_EQ(self->semaphore ? EFD_MAX : 5, efd_fill(self->fd));
}

/* "A write or read that had to sleep is one edge as well, whoever adds or takes for it." */
TEST_F(herd, blocked_write_is_one_edge)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0), i;
	uint64_t seen;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < HERD; i++)
		self->w[i].value = self->semaphore ? 1 : EFD_MAX;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_write, SYS_write));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	for (i = 1; i <= HERD; i++) {
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
		ASSERT_EQ(8, efd_read(self->fd, &seen));
		ASSERT_TRUE(eventually(nr_ended(self->w, HERD) == i));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
		EXPECT_EQ((uint32_t)EPOLLIN, ev.events);
	}
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	close(ep);
}

/* "OUT: ... one per read, none on write": also for a read that had to sleep. */
TEST_F(herd, served_reader_is_one_edge)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(0), i;

	ASSERT_TRUE(all_asleep(self->w, self->sleeps, HERD, worker_read, SYS_read));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	for (i = 1; i <= HERD; i++) {
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(eventually(nr_ended(self->w, HERD) == i));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
		EXPECT_EQ((uint32_t)EPOLLOUT, ev.events);
	}
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	close(ep);
}

/*
 * C: who sleeps is woken, whoever listens beside
 */
#define BESIDE		3

FIXTURE(beside)
{
	int fd, ep[BESIDE];
	bool semaphore;
	struct worker w[BESIDE], poller[BESIDE];
	long sleeps[BESIDE];
};

EFD_BLOCKING_VARIANTS(beside);

FIXTURE_SETUP(beside)
{
	int i;

	SETUP();
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->semaphore = variant->flags & EFD_SEMAPHORE;
	for (i = 0; i < BESIDE; i++) {
		self->w[i].fd = self->fd;
		self->ep[i] = epoll_create1(0);
		ASSERT_GE(self->ep[i], 0);
	}
}

FIXTURE_TEARDOWN(beside)
{
	close(self->fd);
}

static void worker_epoll(struct worker *w)
{
	struct epoll_event ev;

	w->ret = RET(syscall(SYS_epoll_pwait, w->fd, &ev, 1, 10000, NULL, 0));
}

static void worker_ppoll(struct worker *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = w->value };
	struct timespec ts = { 10, 0 };

	w->ret = RET(syscall(SYS_ppoll, &pfd, 1, &ts, NULL, 0));
}

/* A task that waits in @ep for @events of @fd. */
static bool epoll_asleep(struct worker *w, int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	w->fd = ep;
	return !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) &&
	       worker_start_asleep(w, worker_epoll, SYS_epoll_pwait);
}

static bool poll_asleep(struct worker *w, int fd, short events)
{
	w->fd = fd;
	w->value = events;
	return worker_start_asleep(w, worker_ppoll, SYS_ppoll);
}

/*
 * "a blocked reader queued behind an EPOLLEXCLUSIVE waiter is not woken though the counter is
 * non-zero": it is.
 */
TEST_F(beside, reader_behind_an_exclusive_epoll)
{
	ASSERT_TRUE(epoll_asleep(&self->poller[0], self->ep[0], self->fd,
				 EPOLLIN | EPOLLEXCLUSIVE));
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(8, self->w[0].ret);
	EXPECT_EQ(1u, self->w[0].value);
}

/* "the mirror case leaves a blocked writer asleep at zero" */
TEST_F(beside, writer_behind_an_exclusive_epoll)
{
	uint64_t seen;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	self->w[0].value = 1;
	ASSERT_TRUE(epoll_asleep(&self->poller[0], self->ep[0], self->fd,
				 EPOLLOUT | EPOLLEXCLUSIVE));
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	ASSERT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(8, self->w[0].ret);
	EXPECT_EQ(self->semaphore ? EFD_MAX : 1, efd_fill(self->fd));
}

/* The same for several of each: a write for each reader serves them all. */
TEST_F(beside, readers_behind_several_exclusive_epolls)
{
	int i;

	for (i = 0; i < BESIDE; i++) {
		ASSERT_TRUE(epoll_asleep(&self->poller[i], self->ep[i], self->fd,
					 EPOLLIN | EPOLLEXCLUSIVE));
	}
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, BESIDE, worker_read, SYS_read));
	for (i = 1; i <= BESIDE; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_LE(i, nr_woken(self->w, self->sleeps, BESIDE)) TH_LOG("write %d", i);
		ASSERT_TRUE(eventually(nr_ended(self->w, BESIDE) == i)) TH_LOG("write %d", i);
	}
	EXPECT_EQ(0u, efd_fill(self->fd));
}

TEST_F(beside, writers_behind_several_exclusive_epolls)
{
	uint64_t seen;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < BESIDE; i++) {
		ASSERT_TRUE(epoll_asleep(&self->poller[i], self->ep[i], self->fd,
					 EPOLLOUT | EPOLLEXCLUSIVE));
		self->w[i].value = self->semaphore ? 1 : EFD_MAX;
	}
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, BESIDE, worker_write, SYS_write));
	for (i = 1; i <= BESIDE; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &seen));
		ASSERT_LE(i, nr_woken(self->w, self->sleeps, BESIDE)) TH_LOG("read %d", i);
		ASSERT_TRUE(eventually(nr_ended(self->w, BESIDE) == i)) TH_LOG("read %d", i);
	}
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* "Here both are woken, whoever stands on the queue.": and so are those on the queue. */
TEST_F(beside, exclusive_epoll_plain_epoll_poll_and_reader)
{
	ASSERT_TRUE(epoll_asleep(&self->poller[0], self->ep[0], self->fd,
				 EPOLLIN | EPOLLEXCLUSIVE));
	ASSERT_TRUE(epoll_asleep(&self->poller[1], self->ep[1], self->fd, EPOLLIN));
	ASSERT_TRUE(poll_asleep(&self->poller[2], self->fd, POLLIN));
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	/* the reader may have been faster than those who only look: this one nobody takes */
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(nr_ended(self->poller, BESIDE) == BESIDE));
	EXPECT_EQ(1u, efd_fill(self->fd));
}

TEST_F(beside, exclusive_epoll_plain_epoll_poll_and_writer)
{
	uint64_t seen;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(epoll_asleep(&self->poller[0], self->ep[0], self->fd,
				 EPOLLOUT | EPOLLEXCLUSIVE));
	ASSERT_TRUE(epoll_asleep(&self->poller[1], self->ep[1], self->fd, EPOLLOUT));
	ASSERT_TRUE(poll_asleep(&self->poller[2], self->fd, POLLOUT));
	self->w[0].value = self->semaphore ? 1 : EFD_MAX;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	ASSERT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	ASSERT_EQ(8, efd_read(self->fd, &seen));
	EXPECT_TRUE(eventually(nr_ended(self->poller, BESIDE) == BESIDE));
}

/*
 * H: "a woken reader can be overtaken for ever by others that never sleep": only once
 */
FIXTURE(overtaken)
{
	int fd;
	bool semaphore;
	struct worker w[3];
	long sleeps[3];
};

EFD_BLOCKING_VARIANTS(overtaken);

FIXTURE_SETUP(overtaken)
{
	int i;

	SETUP();
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->semaphore = variant->flags & EFD_SEMAPHORE;
	for (i = 0; i < 3; i++)
		self->w[i].fd = self->fd;
	ASSERT_TRUE(use_one_cpu());
	if (!keep_others_waiting())
		SKIP(return, "cannot be real-time");
}

FIXTURE_TEARDOWN(overtaken)
{
	close(self->fd);
}

/* Writes 1, which wakes a reader, and takes it away before that one can run. */
static bool steal(int fd)
{
	uint64_t value;

	return efd_write(fd, 1) == 8 && read_nowait(fd, &value) == 8 && value == 1;
}

/* A reader who has lost once is given what comes next: nobody can take it away. */
TEST_F(overtaken, only_once)
{
	struct worker *w = &self->w[0];
	uint64_t value;

	ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(lost(w, self->sleeps[0]));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_FALSE(w->done);
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(1u, w->value);
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* "It is given what it would have read": no more is kept for it. */
TEST_F(overtaken, is_given_what_it_would_have_read)
{
	struct worker *w = &self->w[0];
	uint64_t value;

	ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(lost(w, self->sleeps[0]));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	if (self->semaphore) {
		ASSERT_EQ(8, read_nowait(self->fd, &value));
		ASSERT_EQ(8, read_nowait(self->fd, &value));
	}
	ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(self->semaphore ? 1u : 3u, w->value);
}

/* A write of nothing gives nothing: it is no turn. */
TEST_F(overtaken, is_given_nothing_by_a_zero_write)
{
	struct worker *w = &self->w[0];
	uint64_t value;

	ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(lost(w, self->sleeps[0]));
	self->sleeps[0] = nr_sleeps(w->tid);
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(0, nr_woken(w, self->sleeps, 1));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(1u, w->value);
}

/* "For pollers that is one read, at that time." */
TEST_F(overtaken, is_one_edge_when_it_is_given)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	struct worker *w = &self->w[0];
	int ep = epoll_create1(0);
	uint64_t value;

	ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(lost(w, self->sleeps[0]));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	close(ep);
}

/* Reads on and on until it gets LAST; counts in @value how often it got something. */
#define LAST		(1ull << 61)

static _Atomic long nr_results;

static void worker_read_on(struct worker *w)
{
	uint64_t value;

	do {
		w->ret = efd_read(w->fd, &value);
		if (w->ret != 8)
			return;
		nr_results++;
	} while (!(value & LAST) && !w->value);
}

/* However many takes there are for each time that it may run, it loses once at most. */
TEST_F(overtaken, at_most_once_each_time)
{
	struct worker *w = &self->w[0];
	int round, i, losses = 0, most = 0;
	unsigned int seed = 1;
	uint64_t value;
	long results;

	nr_results = 0;
	w->value = 0;
	ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read_on, SYS_read));
	for (round = 0; round < 100 && most < 3; round++) {
		results = nr_results;
		for (i = 1 + rand_r(&seed) % 5; i > 0; i--) {
			ASSERT_EQ(8, efd_write(self->fd, 1));
			while (read_nowait(self->fd, &value) == 8)
				;
		}
		ASSERT_TRUE(lost(w, self->sleeps[0])) TH_LOG("round %d", round);
		self->sleeps[0] = nr_sleeps(w->tid);
		losses = nr_results == results ? losses + 1 : 0;
		most = losses > most ? losses : most;
	}
	EXPECT_EQ(1, most);
	EXPECT_LE(49, nr_results);
	w->value = 1;
	ASSERT_EQ(8, efd_write(self->fd, LAST));
	EXPECT_TRUE(worker_join(w));
}

/* "Given is given": a signal does not undo it, with and without SA_RESTART. */
TEST_F(overtaken, is_given_it_with_a_signal)
{
	struct worker *w = &self->w[0];
	uint64_t value;
	int i;

	for (i = 0; i < 4; i++) {
		nr_handled = 0;
		handle_sigusr1(i & 1 ? SA_RESTART : 0);
		ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read, SYS_read));
		ASSERT_TRUE(steal(self->fd));
		ASSERT_TRUE(lost(w, self->sleeps[0]));
		if (i & 2)
			pthread_kill(w->thread, SIGUSR1);
		ASSERT_EQ(8, efd_write(self->fd, 1));
		if (!(i & 2))
			pthread_kill(w->thread, SIGUSR1);
		ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value)) TH_LOG("round %d", i);
		ASSERT_TRUE(worker_join(w));
		EXPECT_EQ(8, w->ret) TH_LOG("round %d", i);
		EXPECT_EQ(1u, w->value);
		EXPECT_EQ(1, nr_handled);
		/* once only: neither is a restarted call to read it again */
		EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	}
}

/* A signal ends the sleep of one that has lost as of any other; the others have their turn then. */
TEST_F(overtaken, and_interrupted)
{
	handle_sigusr1(0);
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 2, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(lost(&self->w[0], self->sleeps[0]));
	pthread_kill(self->w[0].thread, SIGUSR1);
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(-EINTR, self->w[0].ret);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&self->w[1]));
	EXPECT_EQ(8, self->w[1].ret);
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* Woken, interrupted and overtaken, all before it runs: whoever comes next is served. */
TEST_F(overtaken, while_interrupted)
{
	handle_sigusr1(0);
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 2, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	pthread_kill(self->w[0].thread, SIGUSR1);
	ASSERT_EQ(8, read_nowait(self->fd, &self->w[2].value));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(-EINTR, self->w[0].ret);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&self->w[1]));
	EXPECT_EQ(8, self->w[1].ret);
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* What was given to one that is then killed counts as read, and hinders nobody. */
TEST_F(overtaken, and_killed)
{
	struct worker *w = &self->w[0];
	uint64_t value;
	long sleeps;
	pid_t pid;

	pid = child_start();
	ASSERT_LE(0, pid);
	if (!pid) {
		efd_read(self->fd, &value);
		_exit(0);
	}
	ASSERT_TRUE(child_sleeps_in(pid, SYS_read));
	sleeps = nr_sleeps(pid);
	ASSERT_TRUE(all_asleep(w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(eventually(nr_sleeps(pid) > sleeps && sleeps_in(pid, SYS_read)));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	kill(pid, SIGKILL);
	ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	EXPECT_EQ(-SIGKILL, child_end(pid));
	EXPECT_EQ(0, efd_events(self->fd, POLLIN));
	EXPECT_EQ(0, nr_woken(w, self->sleeps, 1));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(1u, w->value);
}

/* Several that have lost are served in the order in which they lost. */
TEST_F(overtaken, in_the_order_of_their_losses)
{
	static const int order[] = { 1, 2, 0 };
	struct sched_param param = {};
	uint64_t value;
	int i, j;

	if (!self->semaphore)
		SKIP(return, "a counter has something for one at a time");
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 3, worker_read, SYS_read));
	for (i = 0; i < 3; i++) {
		/* who runs first loses first */
		param.sched_priority = 4 - i;
		ASSERT_EQ(0, pthread_setschedparam(self->w[order[i]].thread, SCHED_FIFO, &param));
	}
	ASSERT_EQ(8, efd_write(self->fd, 3));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(8, read_nowait(self->fd, &value));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(lost(&self->w[i], self->sleeps[i]));
	}
	for (i = 0; i < 3; i++)
		self->sleeps[i] = nr_sleeps(self->w[i].tid);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
		ASSERT_TRUE(worker_join(&self->w[order[i]])) TH_LOG("turn %d", i);
		for (j = i + 1; j < 3; j++) {
			EXPECT_TRUE(still_asleep(&self->w[order[j]], self->sleeps[order[j]]));
		}
	}
}

/* One that has lost goes before one that has not, who came before it. */
TEST_F(overtaken, goes_before_who_has_not_lost)
{
	uint64_t value;

	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 3, worker_read, SYS_read));
	ASSERT_TRUE(steal(self->fd));
	ASSERT_TRUE(lost(&self->w[0], self->sleeps[0]));
	EXPECT_EQ(0, nr_woken(self->w + 1, self->sleeps + 1, 2));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(0, nr_woken(self->w + 1, self->sleeps + 1, 2));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&self->w[1]));
	EXPECT_EQ(0, nr_woken(self->w + 2, self->sleeps + 2, 1));
}

/*
 * A count that goes over the border of 32 bits and back, all the time: a semaphore can, as a
 * read takes but one. Where it takes two loads to read it, they have to belong together.
 */
/*
 * How long to look for it. Where it may be found, until it is: two processors of a busy host may
 * be one for long. Shorter with the whole series, which eventfd_deliver() is a sign of.
 */
static unsigned int torn_ms(void)
{
	if (sizeof(long) == 8)
		return 10000;
	return in_kallsyms("eventfd_deliver") ? 3000 : 30000;
}

/* Such a kernel finds them here, too, if that takes a while. */
static bool finds_data_races(void)
{
	return !access("/sys/kernel/debug/kcsan", F_OK);
}

FIXTURE(torn)
{
	int fd;
	struct worker w;
	_Atomic bool enough;
};

FIXTURE_SETUP(torn)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "takes two processors");
	if (sizeof(long) == 8 && !finds_data_races())
		SKIP(return, "one load cannot be torn");
	self->fd = efd_create(UINT32_MAX, EFD_SEMAPHORE | EFD_NONBLOCK);
	ASSERT_GE(self->fd, 0);
	self->w.fd = self->fd;
	self->w.arg = &self->enough;
}

FIXTURE_TEARDOWN(torn)
{
	close(self->fd);
}

static bool use_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static void worker_to_and_fro(struct worker *w)
{
	_Atomic bool *enough = w->arg;
	uint64_t value;

	w->ret = use_cpu(1) ? 8 : -errno;
	while (w->ret == 8 && !*enough) {
		w->ret = efd_write(w->fd, 1);
		if (w->ret == 8)
			w->ret = efd_read(w->fd, &value);
		w->value++;
	}
}

/*
 * "poll reads the counter in two halves and can see 0 while it goes from 0xffffffff to
 * 0x100000000"
 */
TEST_F_TIMEOUT(torn, poll_sees_the_whole, 60)
{
	uint64_t end = now_ms() + torn_ms(), nothing = 0;
	unsigned long long polls = 0, times;

	ASSERT_TRUE(use_cpu(0));
	ASSERT_TRUE(worker_start(&self->w, worker_to_and_fro));
	do {
		nothing += efd_events(self->fd, POLLIN | POLLOUT) != (POLLIN | POLLOUT);
	} while (++polls % 64 || (!nothing && now_ms() < end));
	self->enough = true;
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	times = self->w.value;
	EXPECT_LT(10u, times);
	EXPECT_EQ(0u, nothing)
		TH_LOG("in %llu polls, %llu times over the border", polls, times);
}

/*
 * All of it at once: what was written was read or is left, and everybody ends.
 */
#define MIX_READERS	3
#define MIX_WRITERS	3
#define MIX_MS		500

FIXTURE(mix)
{
	int fd;
	struct worker reader[MIX_READERS], writer[MIX_WRITERS], thief;
};

FIXTURE_VARIANT(mix)
{
	int flags;
	uint64_t start, most;
};

FIXTURE_VARIANT_ADD(mix, counter) { .most = 3 };
FIXTURE_VARIANT_ADD(mix, counter_full) { .most = EFD_MAX };
FIXTURE_VARIANT_ADD(mix, semaphore) { .flags = EFD_SEMAPHORE, .most = 1 };
FIXTURE_VARIANT_ADD(mix, semaphore_full) {
	.flags = EFD_SEMAPHORE,
	.start = EFD_MAX - 2,
	.most = 3,
};

static struct {
	uint64_t most;
	_Atomic bool stop_writers, stop_readers;
} mix;

FIXTURE_SETUP(mix)
{
	/* every kernel passes: it has all the time that others have */
	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(8, efd_write(self->fd, variant->start));
	mix.most = variant->most;
	handle_sigusr1(0);
}

FIXTURE_TEARDOWN(mix)
{
	close(self->fd);
}

/* What a worker has read or written is summed up in its value, modulo 2^64. */
static void mix_reader(struct worker *w)
{
	uint64_t value;

	while (!mix.stop_readers) {
		w->ret = efd_read(w->fd, &value);
		if (w->ret == 8)
			w->value += value;
		else if (w->ret != -EINTR)
			return;
	}
	w->ret = 0;
}

static void mix_thief(struct worker *w)
{
	uint64_t value;

	while (!mix.stop_readers) {
		w->ret = read_nowait(w->fd, &value);
		if (w->ret == 8)
			w->value += value;
		else if (w->ret == -EAGAIN)
			sched_yield();
		else
			return;
	}
	w->ret = 0;
}

static void mix_writer(struct worker *w)
{
	unsigned int seed = w->tid;
	uint64_t value;

	while (!mix.stop_writers) {
		value = mix.most == EFD_MAX ? EFD_MAX >> rand_r(&seed) % 5 :
					      rand_r(&seed) % (mix.most + 1);
		w->ret = efd_write(w->fd, value);
		if (w->ret == 8)
			w->value += value;
		else if (w->ret != -EINTR)
			return;
	}
	w->ret = 0;
}

/* "Nothing is lost and nothing comes twice": whatever signals and thieves do, full or not. */
TEST_F(mix, written_is_read_and_left)
{
	uint64_t end, sum = 0, left = variant->start, more = 0;
	struct worker *all[MIX_READERS + MIX_WRITERS + 1];
	unsigned int seed = 1;
	int i, n = 0;

	for (i = 0; i < MIX_READERS; i++)
		all[n++] = &self->reader[i];
	for (i = 0; i < MIX_WRITERS; i++)
		all[n++] = &self->writer[i];
	all[n++] = &self->thief;
	for (i = 0; i < n; i++) {
		all[i]->fd = self->fd;
		ASSERT_TRUE(worker_start(all[i], i < MIX_READERS ? mix_reader :
						 i < n - 1	 ? mix_writer :
								   mix_thief));
	}
	for (end = now_ms() + MIX_MS; now_ms() < end; sleep_ms(1))
		pthread_kill(all[rand_r(&seed) % (n - 1)]->thread, SIGUSR1);

	/* From here on without signals: a wakeup that is missing now stays missing. */
	sleep_ms(QUIET_MS);
	mix.stop_writers = true;
	ASSERT_TRUE(eventually(nr_ended(self->writer, MIX_WRITERS) == MIX_WRITERS));
	mix.stop_readers = true;
	ASSERT_TRUE(worker_join(&self->thief));
	for (end = now_ms() + WAIT_MS; now_ms() < end;) {
		if (nr_ended(self->reader, MIX_READERS) == MIX_READERS)
			break;
		/* one for each that sleeps, never more than one at a time */
		if (!(efd_events(self->fd, POLLIN) & POLLIN) && efd_write(self->fd, 1) == 8)
			more++;
		sched_yield();
	}
	EXPECT_EQ(MIX_READERS, nr_ended(self->reader, MIX_READERS));
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, all[i]->ret) TH_LOG("worker %d", i);
	}
	for (i = 0; i < MIX_READERS; i++)
		sum += self->reader[i].value;
	sum += self->thief.value;
	for (i = 0; i < MIX_WRITERS; i++)
		left += self->writer[i].value;
	EXPECT_EQ(left + more - sum, efd_fill(self->fd));
}

TEST_HARNESS_MAIN
