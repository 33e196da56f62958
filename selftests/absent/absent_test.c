// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel without CONFIG_EVENTFD: who would have been given an eventfd, or have given one to
 * the kernel, is told so, and all else works. Where there are eventfds, the tests fail.
 */
#include "uring.h"

#include <linux/aio_abi.h>

/* "Without CONFIG_EVENTFD both calls answer ENOSYS." */
TEST(calls_are_not_there)
{
	static const int flags[] = { 0, EFD_CLOEXEC | EFD_NONBLOCK, EFD_SEMAPHORE, -1 };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		EXPECT_EQ(-ENOSYS, RET(syscall(SYS_eventfd2, 1, flags[i])));
	}
#ifdef SYS_eventfd
	EXPECT_EQ(-ENOSYS, RET(syscall(SYS_eventfd, 1)));
#endif
}

/* "look-ups give ENOSYS" whatever they are to look up. */
TEST(io_uring_takes_none)
{
	int pipe_fd[2], closed, i, fd;
	struct uring ring;

	URING_SETUP(&ring, 0);
	ASSERT_EQ(0, pipe(pipe_fd));
	closed = dup(pipe_fd[0]);
	close(closed);
	for (i = 0; i < 3; i++) {
		fd = i == 0 ? pipe_fd[0] : i == 1 ? closed : -1;
		EXPECT_EQ(-ENOSYS, uring_register(&ring, IORING_REGISTER_EVENTFD, &fd, 1));
		EXPECT_EQ(-ENOSYS, uring_register(&ring, IORING_REGISTER_EVENTFD_ASYNC, &fd, 1));
	}
	EXPECT_EQ(-ENXIO, uring_register(&ring, IORING_UNREGISTER_EVENTFD, NULL, 0));
	ASSERT_NE(NULL, uring_queue(&ring, IORING_OP_NOP, -1, NULL, 0, 1));
	EXPECT_EQ(0, uring_run(&ring));
}

/* "look-ups give ENOSYS", and what wants none is done. */
TEST(aio_takes_none)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = 1 }, *cbs = &cb;
	struct timespec second = { 1 };
	aio_context_t ctx = 0;
	struct io_event ev;
	char byte;

	ASSERT_EQ(0, RET(syscall(SYS_io_setup, 4, &ctx)));
	cb.aio_buf = (uintptr_t)&byte;
	cb.aio_fildes = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_GE((int)cb.aio_fildes, 0);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = cb.aio_fildes;
	EXPECT_EQ(-ENOSYS, RET(syscall(SYS_io_submit, ctx, 1, &cbs)));
	cb.aio_flags = 0;
	EXPECT_EQ(1, RET(syscall(SYS_io_submit, ctx, 1, &cbs)));
	ASSERT_EQ(1, RET(syscall(SYS_io_getevents, ctx, 1l, 1l, &ev, &second)));
	EXPECT_EQ(1, ev.res);
}

TEST_HARNESS_MAIN
