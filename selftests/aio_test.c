// SPDX-License-Identifier: GPL-2.0
/*
 * Linux native aio: reading an eventfd, being told of completions by one, and
 * what a counter looks like that such signals have driven to its very end.
 */
#include "eventfd.h"

#include <linux/aio_abi.h>
#include <sys/epoll.h>
#include <sys/select.h>

/* No resfd. */
#define NONE		(-1)

static int aio_submit(aio_context_t ctx, struct iocb *cb)
{
	return RET(syscall(SYS_io_submit, ctx, 1, &cb));
}

/* Between @min and @max completions; waits at most @ms for the first @min. */
static int aio_events(aio_context_t ctx, int min, int max, struct io_event *ev, int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000l };

	return RET(syscall(SYS_io_getevents, ctx, (long)min, (long)max, ev, &ts));
}

/* The result of the next request to complete, or -ETIMEDOUT. */
static long long aio_result(aio_context_t ctx)
{
	struct io_event ev;
	int n = aio_events(ctx, 1, 1, &ev, WAIT_MS);

	if (n < 0)
		return n;
	return n ? (long long)ev.res : -ETIMEDOUT;
}

static bool aio_quiet(aio_context_t ctx)
{
	struct io_event ev;

	return !aio_events(ctx, 1, 1, &ev, QUIET_MS);
}

static struct iocb aio_rw(int op, int fd, void *buf, size_t len, int resfd)
{
	struct iocb cb = {
		.aio_lio_opcode = op,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
	};

	if (resfd != NONE) {
		cb.aio_flags = IOCB_FLAG_RESFD;
		cb.aio_resfd = resfd;
	}
	return cb;
}

static struct iocb aio_poll(int fd, short events, int resfd)
{
	struct iocb cb = aio_rw(IOCB_CMD_POLL, fd, NULL, 0, resfd);

	cb.aio_buf = (unsigned short)events;
	return cb;
}

/* A file on tmpfs with eight bytes in it. */
static int file_create(void)
{
	int fd = memfd_create("aio_test", MFD_CLOEXEC);

	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, "01234567", 8) != 8) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Has the kernel signal @resfd once. */
static int aio_signal(aio_context_t ctx, int file, int resfd)
{
	char byte;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, file, &byte, 1, resfd);
	int ret = aio_submit(ctx, &cb);

	return ret < 0 ? ret : aio_result(ctx);
}

/* Submits @cb from a thread of its own. */
struct submission {
	aio_context_t ctx;
	struct iocb cb;
};

static void worker_submit(struct worker *w)
{
	struct submission *s = w->arg;

	w->ret = aio_submit(s->ctx, &s->cb);
}

/* For a fixture's setup. */
#define AIO_SETUP(ctx)								\
	do {									\
		int ret_ = RET(syscall(SYS_io_setup, 64, (ctx)));		\
										\
		if (ret_ == -ENOSYS || ret_ == -EPERM)				\
			SKIP(return, "no aio here: %s", strerror(-ret_));	\
		ASSERT_EQ(0, ret_);						\
	} while (0)

/*
 * No teardown destroys the aio context: io_destroy() waits for a thread that a
 * failed test has left asleep in io_submit(). The end of the process does it.
 */
FIXTURE(aio)
{
	aio_context_t ctx;
	int file;
	int fd;
	int other;
};

EFD_VARIANTS(aio);

FIXTURE_SETUP(aio)
{
	AIO_SETUP(&self->ctx);
	self->file = file_create();
	ASSERT_GE(self->file, 0);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->other = efd_create(0, variant->flags);
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(aio)
{
	close(self->other);
	close(self->fd);
	close(self->file);
}

/* "aio PREAD works" */
TEST_F(aio, pread_takes_what_read_would)
{
	bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value = 0;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, NONE);

	ASSERT_EQ(8, efd_write(self->fd, 3));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(semaphore ? 1u : 3u, value);
	EXPECT_EQ(semaphore ? 2 : 0, efd_drain(self->fd));
}

/* "8 or more: returns 8, the rest untouched." */
TEST_F(aio, pread_leaves_the_rest_of_a_long_buffer_alone)
{
	uint64_t value[2] = { 0, 42 };
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, value, 16, NONE);

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(1u, value[0]);
	EXPECT_EQ(42u, value[1]);
}

/* "Shorter than 8 bytes: EINVAL, before the counter is looked at." */
TEST_F(aio, short_pread_is_refused)
{
	uint64_t value;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, &value, 7, NONE);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(-EINVAL, aio_result(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(-EINVAL, aio_result(self->ctx));
	EXPECT_EQ(2, efd_drain(self->fd));
}

/* "`readv` splits the value over segments (4+4 works)" */
TEST_F(aio, preadv_splits_the_value)
{
	uint32_t half[3] = { 0, 42, 0 };
	struct iovec iov[2] = { { &half[0], 4 }, { &half[2], 4 } };
	struct iocb cb = aio_rw(IOCB_CMD_PREADV, self->fd, iov, 2, NONE);
	uint64_t value, want = variant->flags & EFD_SEMAPHORE ? 1 : 1ull << 32 | 7;

	ASSERT_EQ(8, efd_write(self->fd, 1ull << 32 | 7));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(42u, half[1]);
	half[1] = half[2];
	memcpy(&value, half, sizeof(value));
	EXPECT_EQ(want, value);
}

/* "Zero counter: EAGAIN with O_NONBLOCK ... or RWF_NOWAIT" */
TEST_F(aio, pread_that_may_not_sleep_is_told_of_an_empty_counter)
{
	uint64_t value;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, NONE);

	if (!(variant->flags & EFD_NONBLOCK))
		cb.aio_rw_flags = RWF_NOWAIT;
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(-EAGAIN, aio_result(self->ctx));
}

/* "resfd adds 1", after the read has taken what there was. */
TEST_F(aio, pread_may_report_to_the_eventfd_it_reads)
{
	uint64_t value = 0;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, self->fd);

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(1u, value);
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
}

/* "Stock: EINVAL. Here aio PWRITE adds as write(2)": refused, or it adds the value. */
TEST_F(aio, pwrite_is_refused_or_adds)
{
	uint64_t value = 5;
	struct iocb cb = aio_rw(IOCB_CMD_PWRITE, self->fd, &value, 8, NONE);
	int ret = aio_submit(self->ctx, &cb);

	if (ret == -EINVAL) {
		EXPECT_EQ(0, efd_drain(self->fd));
		EXPECT_TRUE(aio_quiet(self->ctx));
		return;
	}
	ASSERT_EQ(1, ret);
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(5, efd_drain(self->fd));
}

/* As above; "8+8 returns 16 and adds both" */
TEST_F(aio, pwritev_is_refused_or_adds)
{
	uint64_t value[2] = { 5, 6 };
	struct iovec iov[2] = { { &value[0], 8 }, { &value[1], 8 } };
	struct iocb cb = aio_rw(IOCB_CMD_PWRITEV, self->fd, iov, 2, NONE);
	int ret = aio_submit(self->ctx, &cb);

	if (ret == -EINVAL) {
		EXPECT_EQ(0, efd_drain(self->fd));
		EXPECT_TRUE(aio_quiet(self->ctx));
		return;
	}
	ASSERT_EQ(1, ret);
	EXPECT_EQ(16, aio_result(self->ctx));
	EXPECT_EQ(11, efd_drain(self->fd));
}

/*
 * "Length other than 8: EINVAL", whether it is the call or its result that says so. That of 0 is
 * in the suite beyond.
 */
TEST_F(aio, pwrite_of_a_wrong_length_is_refused)
{
	static const size_t length[] = { 4, 7, 9, 16 };
	uint64_t value[2] = { 5, 600 };
	int ret, added = 0;
	struct iocb cb;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(length); i++) {
		bool fine = false;

		cb = aio_rw(IOCB_CMD_PWRITE, self->fd, value, length[i], NONE);
		ret = aio_submit(self->ctx, &cb);
		if (ret == 1) {
			ret = aio_result(self->ctx);
			fine = length[i] > 8 && LONG_WRITES;
		}
		EXPECT_EQ(fine ? 8 : -EINVAL, ret) TH_LOG("length %zu", length[i]);
		added += fine ? 5 : 0;
	}
	EXPECT_EQ(added, efd_drain(self->fd));
}

/* "aio PWRITE ... sleep inside io_submit where those sleep." */
TEST_F(aio, pwrite_that_does_not_fit_fails_or_sleeps)
{
	uint64_t value = 0;
	struct submission s = { self->ctx };
	struct worker w = { .arg = &s };
	int ret;

	s.cb = aio_rw(IOCB_CMD_PWRITE, self->fd, &value, 8, NONE);
	ret = aio_submit(self->ctx, &s.cb);
	if (ret == -EINVAL)
		SKIP(return, "no aio PWRITE");
	ASSERT_EQ(1, ret);
	ASSERT_EQ(8, aio_result(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	value = 1;
	if (variant->flags & EFD_NONBLOCK) {
		ASSERT_EQ(1, aio_submit(self->ctx, &s.cb));
		EXPECT_EQ(-EAGAIN, aio_result(self->ctx));
	} else {
		ASSERT_TRUE(worker_start_asleep(&w, worker_submit, SYS_io_submit));
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_TRUE(worker_join(&w));
		EXPECT_EQ(1, w.ret);
		EXPECT_EQ(8, aio_result(self->ctx));
	}
}

/* "resfd adds 1" */
TEST_F(aio, resfd_counts_file_requests)
{
	char buf[8] = "";
	struct iocb rd = aio_rw(IOCB_CMD_PREAD, self->file, buf, 8, self->fd);
	struct iocb wr = aio_rw(IOCB_CMD_PWRITE, self->file, buf, 8, self->fd);

	ASSERT_EQ(1, aio_submit(self->ctx, &rd));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(0, memcmp(buf, "01234567", 8));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	ASSERT_EQ(1, aio_submit(self->ctx, &wr));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
}

/* "resfd adds 1": for each request, not for each call; only where one was asked for. */
TEST_F(aio, resfd_counts_each_request_of_a_batch)
{
	char buf[4];
	struct iocb cb[4];
	struct iocb *list[4];
	struct io_event ev[4];
	int i;

	for (i = 0; i < 4; i++) {
		cb[i] = aio_rw(IOCB_CMD_PREAD, self->file, &buf[i], 1, i ? self->fd : NONE);
		list[i] = &cb[i];
	}
	ASSERT_EQ(4, RET(syscall(SYS_io_submit, self->ctx, 4, list)));
	EXPECT_EQ(4, aio_events(self->ctx, 4, 4, ev, WAIT_MS));
	EXPECT_EQ(3, efd_drain_to(self->fd, 3));
}

/* A request that fails has completed as well. */
TEST_F(aio, resfd_counts_a_request_that_fails)
{
	uint64_t value;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, &value, 1, self->other);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(-EINVAL, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
}

/*
 * "A resfd that is no descriptor: EBADF; one that is no eventfd: EINVAL. The request is not
 * made."
 */
TEST_F(aio, bad_resfd_is_refused)
{
	char path[32], buf = 'x';
	struct iocb cb = aio_rw(IOCB_CMD_PWRITE, self->file, &buf, 1, NONE);
	int pipe_fd[2], o_path, epfd, closed;

	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = -1;
	EXPECT_EQ(-EBADF, aio_submit(self->ctx, &cb));

	closed = dup(self->fd);
	ASSERT_GE(closed, 0);
	ASSERT_EQ(0, close(closed));
	cb.aio_resfd = closed;
	EXPECT_EQ(-EBADF, aio_submit(self->ctx, &cb));

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	o_path = open(path, O_PATH);
	ASSERT_GE(o_path, 0);
	cb.aio_resfd = o_path;
	EXPECT_EQ(-EBADF, aio_submit(self->ctx, &cb));
	close(o_path);

	cb.aio_resfd = self->file;
	EXPECT_EQ(-EINVAL, aio_submit(self->ctx, &cb));

	ASSERT_EQ(0, pipe(pipe_fd));
	cb.aio_resfd = pipe_fd[1];
	EXPECT_EQ(-EINVAL, aio_submit(self->ctx, &cb));
	close(pipe_fd[0]);
	close(pipe_fd[1]);

	epfd = epoll_create1(0);
	if (epfd >= 0) {
		cb.aio_resfd = epfd;
		EXPECT_EQ(-EINVAL, aio_submit(self->ctx, &cb));
		close(epfd);
	}

	EXPECT_TRUE(aio_quiet(self->ctx));
	EXPECT_EQ(1, pread(self->file, &buf, 1, 0));
	EXPECT_EQ('0', buf);
}

/* "every kernel signal [wakes all pollers] with EPOLLIN": while non-zero as well. */
TEST_F(aio, signal_is_an_edge_each_time)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int epfd, i;

	epfd = epoll_create1(0);
	if (epfd < 0 && errno == ENOSYS)
		SKIP(return, "no epoll");
	ASSERT_GE(epfd, 0);
	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, &ev));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
		ASSERT_EQ(1, epoll_wait(epfd, &ev, 1, WAIT_MS)) TH_LOG("signal %d", i);
		EXPECT_EQ((uint32_t)EPOLLIN, ev.events);
		EXPECT_EQ(0, epoll_wait(epfd, &ev, 1, 0)) TH_LOG("signal %d", i);
	}
	close(epfd);
}

/* "Only kernel signals get there.": what is at MAX-1 takes a signal to get beyond. */
TEST_F(aio, signal_goes_where_no_write_can)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
}

static void worker_ppoll(struct worker *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	struct timespec ts = { 20, 0 };

	w->ret = RET(syscall(SYS_ppoll, &pfd, 1, &ts, NULL, 0));
}

/* "every kernel signal": a task in poll(2), too. */
TEST_F(aio, signal_wakes_a_task_in_poll)
{
	struct worker w = { .fd = self->fd };

	ASSERT_TRUE(worker_start_asleep(&w, worker_ppoll, SYS_ppoll));
	ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
}

struct hammer {
	aio_context_t ctx;
	int file;
	int resfd;
};

#define HAMMER_NR	200

static void worker_hammer(struct worker *w)
{
	struct hammer *h = w->arg;
	int i, ret;

	w->ret = 0;
	for (i = 0; i < HAMMER_NR; i++) {
		ret = aio_signal(h->ctx, h->file, h->resfd);
		if (ret == 1)
			w->ret++;
	}
}

/* "That guard is per task": two tasks that signal at a time lose nothing. */
TEST_F(aio, signals_of_two_tasks_all_count)
{
	struct hammer h[2] = {
		{ self->ctx, self->file, self->fd },
		{ 0, self->file, self->fd },
	};
	struct worker w[2] = { { .arg = &h[0] }, { .arg = &h[1] } };

	ASSERT_EQ(0, RET(syscall(SYS_io_setup, 8, &h[1].ctx)));
	ASSERT_TRUE(worker_start(&w[0], worker_hammer));
	ASSERT_TRUE(worker_start(&w[1], worker_hammer));
	ASSERT_TRUE(worker_join(&w[0]));
	ASSERT_TRUE(worker_join(&w[1]));
	ASSERT_EQ(HAMMER_NR, w[0].ret);
	ASSERT_EQ(HAMMER_NR, w[1].ret);
	EXPECT_EQ(2 * HAMMER_NR, efd_drain(self->fd));
}

/* The eventfds that let a task sleep. */
FIXTURE(sleeping_aio)
{
	aio_context_t ctx;
	int file;
	int fd;
};

EFD_BLOCKING_VARIANTS(sleeping_aio);

FIXTURE_SETUP(sleeping_aio)
{
	AIO_SETUP(&self->ctx);
	self->file = file_create();
	ASSERT_GE(self->file, 0);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(sleeping_aio)
{
	close(self->fd);
	close(self->file);
}

/* "aio PREAD works (and sleeps inside io_submit on an empty counter)" */
TEST_F(sleeping_aio, pread_sleeps_in_io_submit_until_a_write)
{
	uint64_t value = 0;
	struct submission s = { self->ctx, aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, NONE) };
	struct worker w = { .arg = &s };

	ASSERT_TRUE(worker_start_asleep(&w, worker_submit, SYS_io_submit));
	EXPECT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(1u, value);
	EXPECT_EQ(0, efd_drain(self->fd));
}

/* "so does PREADV": and 4+4 works. */
TEST_F(sleeping_aio, preadv_sleeps_in_io_submit_until_a_write)
{
	uint32_t half[2] = { 42, 42 };
	struct iovec iov[2] = { { &half[0], 4 }, { &half[1], 4 } };
	struct submission s = { self->ctx, aio_rw(IOCB_CMD_PREADV, self->fd, iov, 2, NONE) };
	struct worker w = { .arg = &s };
	uint64_t value;

	ASSERT_TRUE(worker_start_asleep(&w, worker_submit, SYS_io_submit));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(8, aio_result(self->ctx));
	memcpy(&value, half, sizeof(value));
	EXPECT_EQ(1u, value);
}

/* A sleeper inside io_submit is a reader like others: a kernel signal wakes it. */
TEST_F(sleeping_aio, pread_is_woken_by_a_signal)
{
	uint64_t value = 0;
	struct submission s = { self->ctx, aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, NONE) };
	struct worker w = { .arg = &s };
	aio_context_t second = 0;

	ASSERT_EQ(0, RET(syscall(SYS_io_setup, 4, &second)));
	ASSERT_TRUE(worker_start_asleep(&w, worker_submit, SYS_io_submit));
	ASSERT_EQ(1, aio_signal(second, self->file, self->fd));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(1u, value);
}

static void nothing(int sig)
{
}

/* "otherwise sleeps, interruptibly": aio never restarts, whatever SA_RESTART says. */
TEST_F(sleeping_aio, pread_is_interrupted_by_a_signal_handler)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	uint64_t value = 0;
	struct submission s = { self->ctx, aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, NONE) };
	struct worker w = { .arg = &s };

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_TRUE(worker_start_asleep(&w, worker_submit, SYS_io_submit));
	ASSERT_EQ(0, pthread_kill(w.thread, SIGUSR1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(-EINTR, aio_result(self->ctx));
	EXPECT_EQ(0u, value);
}

/* A signal from the kernel ends a plain read(2), too. */
TEST_F(sleeping_aio, signal_wakes_a_blocked_reader)
{
	struct worker w = { .fd = self->fd };

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* Counters that the kernel has driven to ULLONG_MAX. */
FIXTURE(saturated)
{
	aio_context_t ctx;
	int file;
	int fd;
};

EFD_VARIANTS(saturated);

FIXTURE_SETUP(saturated)
{
	AIO_SETUP(&self->ctx);
	self->file = file_create();
	ASSERT_GE(self->file, 0);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
}

FIXTURE_TEARDOWN(saturated)
{
	close(self->fd);
	close(self->file);
}

/* "POLLERR: counter == ULLONG_MAX (then IN|ERR, no OUT).": and none of the others. */
TEST_F(saturated, poll_shows_in_and_err)
{
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, -1));
	EXPECT_EQ(POLLERR, efd_events(self->fd, 0));
	EXPECT_EQ(POLLERR, efd_events(self->fd, POLLOUT));
}

/* As above, through epoll. */
TEST_F(saturated, epoll_shows_in_and_err)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };
	int epfd;

	epfd = epoll_create1(0);
	if (epfd < 0 && errno == ENOSYS)
		SKIP(return, "no epoll");
	ASSERT_GE(epfd, 0);
	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(1, epoll_wait(epfd, &ev, 1, WAIT_MS));
	EXPECT_EQ((uint32_t)(EPOLLIN | EPOLLERR), ev.events);
	close(epfd);
}

/* "select's write set also fires on POLLERR." */
TEST_F(saturated, select_fires_for_reading_and_writing)
{
	struct timeval tv = { 0 };
	fd_set in, out, pri;

	/* for writing only because of POLLERR: there is no room */
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&pri);
	FD_SET(self->fd, &in);
	FD_SET(self->fd, &out);
	FD_SET(self->fd, &pri);
	EXPECT_EQ(2, select(self->fd + 1, &in, &out, &pri, &tv));
	EXPECT_TRUE(FD_ISSET(self->fd, &in));
	EXPECT_TRUE(FD_ISSET(self->fd, &out));
	EXPECT_FALSE(FD_ISSET(self->fd, &pri));
}

/* "A read returns all ones and sets the counter to 0; of a semaphore it returns 1" */
TEST_F(saturated, read_gives_all_ones_or_one)
{
	uint64_t value = 0;

	ASSERT_EQ(8, efd_read(self->fd, &value));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_EQ(1u, value);
		EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(1u, value);
		EXPECT_EQ(POLLIN | POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		EXPECT_EQ(UINT64_MAX, value);
		EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	}
}

/* The same by way of aio. */
TEST_F(saturated, aio_pread_gives_all_ones_or_one)
{
	uint64_t value = 0, want = variant->flags & EFD_SEMAPHORE ? 1 : UINT64_MAX;
	struct iocb cb = aio_rw(IOCB_CMD_PREAD, self->fd, &value, 8, NONE);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(8, aio_result(self->ctx));
	EXPECT_EQ(want, value);
}

/* "It never sleeps, never fails, adds and saturates at ULLONG_MAX." */
TEST_F(saturated, further_signals_do_not_wrap)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
		EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	}
	EXPECT_TRUE(efd_is_saturated(self->fd, variant->flags));
}

/* A semaphore that a read has taken to MAX-1 saturates once more. */
TEST_F(saturated, signal_after_a_read_counts_again)
{
	uint64_t value;

	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		EXPECT_EQ(1, efd_drain(self->fd));
	}
}

/* "At ULLONG_MAX no value fits: 0 is EAGAIN or sleeps" */
TEST_F(saturated, zero_write_fails_or_sleeps)
{
	struct worker w = { .fd = self->fd };
	uint64_t value;

	if (variant->flags & EFD_NONBLOCK) {
		EXPECT_EQ(-EAGAIN, efd_write(self->fd, 0));
		EXPECT_EQ(-EAGAIN, efd_write(self->fd, 1));
		EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_TRUE(worker_join(&w));
		EXPECT_EQ(8, w.ret);
	}
}

/* "One read makes room: of a semaphore, for a write of 0." */
TEST_F(saturated, zero_write_fits_when_a_semaphore_has_gone_down_by_one)
{
	uint64_t value;

	if (!(variant->flags & EFD_SEMAPHORE))
		SKIP(return, "a read of a counter leaves zero");
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "0xffffffffffffffff is EINVAL, as always." */
TEST_F(saturated, write_of_all_ones_is_refused_and_does_not_sleep)
{
	EXPECT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "One read makes room": a writer who sleeps for it gets it. */
TEST_F(saturated, read_wakes_a_blocked_writer)
{
	struct worker w = { .fd = self->fd };
	uint64_t value;

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "no blocked writers");
	w.value = 1;
	ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	if (variant->flags & EFD_SEMAPHORE) {
		/* At MAX-1 there is room for a zero only. */
		EXPECT_FALSE(w.done);
		EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
		ASSERT_EQ(8, efd_read(self->fd, &value));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	} else {
		EXPECT_EQ(1, efd_drain(self->fd));
	}
}

/* "A signal makes none: a blocked writer sleeps on." */
TEST_F(saturated, signal_does_not_let_a_blocked_writer_go)
{
	struct worker w = { .fd = self->fd };
	uint64_t value;

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "no blocked writers");
	ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
	ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
	sleep_ms(QUIET_MS);
	EXPECT_TRUE(eventually(w.done || sleeps_in(w.tid, SYS_write)));
	EXPECT_FALSE(w.done);
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
}

/* "every kernel signal with EPOLLIN | mask, saturated or not" */
TEST_F(saturated, signal_is_an_edge_each_time)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int epfd, i;

	epfd = epoll_create1(0);
	if (epfd < 0 && errno == ENOSYS)
		SKIP(return, "no epoll");
	ASSERT_GE(epfd, 0);
	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, &ev));
	ASSERT_EQ(1, epoll_wait(epfd, &ev, 1, WAIT_MS));
	ASSERT_EQ(0, epoll_wait(epfd, &ev, 1, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, aio_signal(self->ctx, self->file, self->fd));
		ASSERT_EQ(1, epoll_wait(epfd, &ev, 1, WAIT_MS)) TH_LOG("signal %d", i);
		EXPECT_EQ((uint32_t)(EPOLLIN | EPOLLERR), ev.events);
		EXPECT_EQ(0, epoll_wait(epfd, &ev, 1, 0)) TH_LOG("signal %d", i);
	}
	close(epfd);
}

/* A poll request for POLLOUT sees POLLERR, as poll(2) does, and can report to the same eventfd. */
TEST_F(saturated, aio_poll_for_room_sees_the_overflow)
{
	struct iocb cb = aio_poll(self->fd, POLLOUT, self->fd);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	EXPECT_EQ(POLLERR, aio_result(self->ctx));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
}

/* IOCB_CMD_POLL on eventfds; the fixture is that of the other requests. */
FIXTURE(aio_poll)
{
	aio_context_t ctx;
	int fd;
	int other;
};

EFD_VARIANTS(aio_poll);

FIXTURE_SETUP(aio_poll)
{
	AIO_SETUP(&self->ctx);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->other = efd_create(0, variant->flags);
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(aio_poll)
{
	close(self->other);
	close(self->fd);
}

/* "at once if ready" */
TEST_F(aio_poll, completes_at_once_if_ready)
{
	struct iocb in = aio_poll(self->fd, POLLIN, self->other);
	struct iocb both = aio_poll(self->fd, POLLIN | POLLOUT, self->other);

	ASSERT_EQ(1, aio_submit(self->ctx, &both));
	EXPECT_EQ(POLLOUT, aio_result(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(1, aio_submit(self->ctx, &in));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	ASSERT_EQ(1, aio_submit(self->ctx, &both));
	EXPECT_EQ(POLLIN | POLLOUT, aio_result(self->ctx));
	EXPECT_EQ(3, efd_drain_to(self->other, 3));
}

/* "at every write with EPOLLIN" */
TEST_F(aio_poll, completes_at_a_write)
{
	struct iocb cb = aio_poll(self->fd, POLLIN, NONE);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(5, efd_drain(self->fd));
	EXPECT_TRUE(aio_quiet(self->ctx));
}

/* "at every write with EPOLLIN, a zero write included" */
TEST_F(aio_poll, completes_at_a_zero_write)
{
	struct iocb cb = aio_poll(self->fd, POLLIN, NONE);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(0, efd_drain(self->fd));
}

/* A poll on one eventfd with another as resfd. */
TEST_F(aio_poll, reports_to_another_eventfd)
{
	struct iocb cb = aio_poll(self->fd, POLLIN, self->other);

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	EXPECT_EQ(0, efd_drain(self->other));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	EXPECT_EQ(5, efd_drain(self->fd));
}

/* "to the same one ...: it never deadlocks." */
TEST_F(aio_poll, reports_to_the_eventfd_it_polls)
{
	struct iocb cb = aio_poll(self->fd, POLLIN, self->fd);
	struct worker w = { .fd = self->fd, .value = 5 };

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_TRUE(worker_start(&w, worker_write));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(6, efd_drain_to(self->fd, 6));
	EXPECT_TRUE(aio_quiet(self->ctx));
}

/* "at every successful read with EPOLLOUT" */
TEST_F(aio_poll, for_room_completes_at_a_read)
{
	struct iocb cb = aio_poll(self->fd, POLLOUT, self->other);
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(POLLOUT, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
}

/* "at every write with EPOLLIN": and not with EPOLLOUT. */
TEST_F(aio_poll, for_room_does_not_complete_at_a_write)
{
	struct iocb cb = aio_poll(self->fd, POLLOUT, self->other);

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_TRUE(aio_quiet(self->ctx));
	EXPECT_EQ(0, efd_drain(self->other));
}

/* The signal comes from inside the wakeup that a read makes. */
TEST_F(aio_poll, for_room_reports_to_the_eventfd_it_polls)
{
	struct iocb cb = aio_poll(self->fd, POLLOUT, self->fd);
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(POLLOUT, aio_result(self->ctx));
	if (variant->flags & EFD_SEMAPHORE) {
		/* One less and one more: full again. */
		EXPECT_TRUE(eventually(efd_events(self->fd, POLLIN | POLLOUT) == POLLIN));
	} else {
		EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	}
}

/* "One write completes all." */
TEST_F(aio_poll, one_write_completes_all)
{
	struct iocb cb[4];
	struct io_event ev[4];
	int i;

	for (i = 0; i < 4; i++) {
		cb[i] = aio_poll(self->fd, POLLIN, self->other);
		ASSERT_EQ(1, aio_submit(self->ctx, &cb[i]));
	}
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(4, aio_events(self->ctx, 4, 4, ev, WAIT_MS));
	EXPECT_EQ(4, efd_drain_to(self->other, 4));
}

/* "in a chain": the resfd of one request is what the next one waits for. */
TEST_F(aio_poll, chain_of_eight)
{
	struct iocb cb[8];
	struct io_event ev[8];
	int fd[9], i;

	fd[0] = self->fd;
	for (i = 0; i < 8; i++) {
		fd[i + 1] = efd_create(0, variant->flags);
		ASSERT_GE(fd[i + 1], 0);
		cb[i] = aio_poll(fd[i], POLLIN, fd[i + 1]);
		ASSERT_EQ(1, aio_submit(self->ctx, &cb[i]));
	}
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(fd[0], 3));
	ASSERT_EQ(8, aio_events(self->ctx, 8, 8, ev, WAIT_MS));
	EXPECT_EQ(3, efd_drain(fd[0]));
	for (i = 1; i < 9; i++) {
		EXPECT_EQ(1, efd_drain_to(fd[i], 1)) TH_LOG("eventfd %d", i);
		close(fd[i]);
	}
}

/* "in a circle": two that point at each other. */
TEST_F(aio_poll, mutual_pair)
{
	struct iocb cb[2] = {
		aio_poll(self->fd, POLLIN, self->other),
		aio_poll(self->other, POLLIN, self->fd),
	};
	struct io_event ev[2];

	ASSERT_EQ(1, aio_submit(self->ctx, &cb[0]));
	ASSERT_EQ(1, aio_submit(self->ctx, &cb[1]));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(2, aio_events(self->ctx, 2, 2, ev, WAIT_MS));
	EXPECT_EQ(2, efd_drain_to(self->fd, 2));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	EXPECT_TRUE(aio_quiet(self->ctx));
}

#define PAIR_ROUNDS	50

struct pair {
	aio_context_t ctx;
	int fd;
	int resfd;
};

/* Rounds of: poll @fd, write to it, see the request complete, take what there is. */
static void worker_pair(struct worker *w)
{
	struct pair *p = w->arg;
	struct iocb cb = aio_poll(p->fd, POLLIN, p->resfd);
	int i;

	w->ret = 0;
	for (i = 0; i < PAIR_ROUNDS; i++) {
		if (aio_submit(p->ctx, &cb) != 1)
			return;
		if (efd_write(p->fd, 1) != 8)
			return;
		if (aio_result(p->ctx) < 0)
			return;
		w->value += efd_drain(p->fd);
		w->ret++;
	}
}

/* The same pair driven from both ends at a time. */
TEST_F(aio_poll, mutual_pair_under_two_tasks)
{
	struct pair p[2] = {
		{ self->ctx, self->fd, self->other },
		{ 0, self->other, self->fd },
	};
	struct worker w[2] = { { .arg = &p[0] }, { .arg = &p[1] } };
	long long rest[2];

	ASSERT_EQ(0, RET(syscall(SYS_io_setup, 8, &p[1].ctx)));
	ASSERT_TRUE(worker_start(&w[0], worker_pair));
	ASSERT_TRUE(worker_start(&w[1], worker_pair));
	ASSERT_TRUE(worker_join(&w[0]));
	ASSERT_TRUE(worker_join(&w[1]));
	ASSERT_EQ(PAIR_ROUNDS, w[0].ret);
	ASSERT_EQ(PAIR_ROUNDS, w[1].ret);
	rest[0] = efd_drain_to(self->fd, 2 * PAIR_ROUNDS - w[0].value);
	rest[1] = efd_drain_to(self->other, 2 * PAIR_ROUNDS - w[1].value);
	EXPECT_EQ(2u * PAIR_ROUNDS, w[0].value + rest[0]);
	EXPECT_EQ(2u * PAIR_ROUNDS, w[1].value + rest[1]);
}

static int epoll_of(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = epoll_create1(0);

	if (epfd >= 0 && epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev)) {
		close(epfd);
		return -1;
	}
	return epfd;
}

/* The wakeup reaches aio through an epoll instance. */
TEST_F(aio_poll, through_epoll)
{
	int epfd = epoll_of(self->fd);
	struct iocb cb = aio_poll(epfd, POLLIN, self->other);

	if (epfd < 0)
		SKIP(return, "no epoll");
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_LT(0, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	EXPECT_EQ(1, efd_drain(self->fd));
	close(epfd);
}

/* The same, and the report goes back to the eventfd that the epoll watches. */
TEST_F(aio_poll, through_epoll_back_to_the_same_eventfd)
{
	int inner = epoll_of(self->fd);
	int outer = inner < 0 ? -1 : epoll_of(inner);
	struct iocb cb = aio_poll(outer, POLLIN, self->fd);
	struct worker w = { .fd = self->fd, .value = 5 };

	if (outer < 0)
		SKIP(return, "no epoll");
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_TRUE(worker_start(&w, worker_write));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_LT(0, aio_result(self->ctx));
	EXPECT_EQ(6, efd_drain_to(self->fd, 6));
	close(outer);
	close(inner);
}

/* "A context outlives its file for whoever holds a reference." */
TEST_F(aio_poll, resfd_may_be_closed_meanwhile)
{
	int copy = dup(self->other);
	struct iocb cb = aio_poll(self->fd, POLLIN, copy);

	ASSERT_GE(copy, 0);
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_EQ(0, close(copy));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
}

/* As above, with no descriptor left at all. */
TEST_F(aio_poll, resfd_may_be_gone_altogether)
{
	int lonely = efd_create(0, variant->flags);
	struct iocb cb = aio_poll(self->fd, POLLIN, lonely);

	ASSERT_GE(lonely, 0);
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_EQ(0, close(lonely));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain(self->fd));
}

/* The request holds the eventfd that it polls, which another number still reaches. */
TEST_F(aio_poll, polled_descriptor_may_be_closed_meanwhile)
{
	int copy = dup(self->fd);
	struct iocb cb = aio_poll(copy, POLLIN, self->other);

	ASSERT_GE(copy, 0);
	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_EQ(0, close(copy));
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
}

/* A cancelled request leaves the wait queue, and completes with no events. */
TEST_F(aio_poll, io_cancel_ends_a_pending_one)
{
	struct iocb cb = aio_poll(self->fd, POLLIN, self->other);
	struct io_event ev;

	ASSERT_EQ(1, aio_submit(self->ctx, &cb));
	ASSERT_TRUE(aio_quiet(self->ctx));
	EXPECT_EQ(-EINPROGRESS, RET(syscall(SYS_io_cancel, self->ctx, &cb, &ev)));
	EXPECT_EQ(0, aio_result(self->ctx));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	EXPECT_TRUE(aio_quiet(self->ctx));
	EXPECT_EQ(0, efd_drain(self->other));
	EXPECT_EQ(3, efd_drain(self->fd));
}

static void worker_destroy(struct worker *w)
{
	w->ret = RET(syscall(SYS_io_destroy, *(aio_context_t *)w->arg));
}

/* io_destroy() cancels what is pending, and ends. */
TEST_F(aio_poll, io_destroy_ends_a_pending_one)
{
	struct iocb cb[3] = {
		aio_poll(self->fd, POLLIN, self->other),
		aio_poll(self->fd, POLLIN, self->fd),
		aio_poll(self->fd, POLLIN, NONE),
	};
	struct worker w = { .arg = &self->ctx };
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, aio_submit(self->ctx, &cb[i]));
	}
	ASSERT_TRUE(aio_quiet(self->ctx));
	ASSERT_TRUE(worker_start(&w, worker_destroy));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(0, w.ret);
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	EXPECT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(2, efd_drain(self->fd));
	EXPECT_EQ(0, efd_drain(self->other));
}

/* So does the end of the process; the eventfd that others hold goes on. */
TEST_F(aio_poll, exit_ends_a_pending_one)
{
	struct iocb cb = aio_poll(self->fd, POLLIN, self->other);
	aio_context_t ctx = 0;
	pid_t pid;

	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (syscall(SYS_io_setup, 4, &ctx))
			_exit(1);
		_exit(aio_submit(ctx, &cb) == 1 ? 0 : 2);
	}
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	EXPECT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(2, efd_drain(self->fd));
	EXPECT_EQ(0, efd_drain(self->other));
}

TEST_HARNESS_MAIN
