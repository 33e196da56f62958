// SPDX-License-Identifier: GPL-2.0
/* Several descriptors, several processes, one eventfd. */
#include "eventfd.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/socket.h>

/* What gcc says of the harness's own use of setjmp() depends on what it inlines. */
#pragma GCC diagnostic ignored "-Wclobbered"

/* How this program is started again by exec_with(): what it is to do, a descriptor, a value. */
#define AFTER_EXEC	"--after-exec"

static bool send_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { "", 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1;
}

static int receive_fd(int sock, int flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	int fd = -1;

	if (recvmsg(sock, &msg, flags) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

/* The ways to get another descriptor for the same eventfd within one process. */
static int by_dup(int fd)
{
	return dup(fd);
}

static int by_dup2(int fd)
{
	int target = open("/dev/null", O_RDONLY);

	return dup2(fd, target);
}

static int by_dup3(int fd)
{
	int target = open("/dev/null", O_RDONLY);

	return dup3(fd, target, O_CLOEXEC);
}

static int by_dupfd(int fd)
{
	return fcntl(fd, F_DUPFD, 100);
}

static int by_dupfd_cloexec(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 100);
}

static int by_socket_flags(int fd, int flags)
{
	int sock[2], got = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		return -1;
	if (send_fd(sock[0], fd))
		got = receive_fd(sock[1], flags);
	close(sock[0]);
	close(sock[1]);
	return got;
}

static int by_socket(int fd)
{
	return by_socket_flags(fd, 0);
}

static int by_socket_cloexec(int fd)
{
	return by_socket_flags(fd, MSG_CMSG_CLOEXEC);
}

static int get_fd_of(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), got;

	if (pidfd < 0)
		return -1;
	got = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	close(pidfd);
	return got;
}

static int by_pidfd(int fd)
{
	return get_fd_of(getpid(), fd);
}

static const struct way {
	const char *name;
	int (*copy)(int fd);
	int cloexec;
} ways[] = {
	{ "dup", by_dup, 0 },
	{ "dup2", by_dup2, 0 },
	{ "dup3(O_CLOEXEC)", by_dup3, FD_CLOEXEC },
	{ "F_DUPFD", by_dupfd, 0 },
	{ "F_DUPFD_CLOEXEC", by_dupfd_cloexec, FD_CLOEXEC },
	{ "SCM_RIGHTS", by_socket, 0 },
	{ "SCM_RIGHTS with MSG_CMSG_CLOEXEC", by_socket_cloexec, FD_CLOEXEC },
	{ "pidfd_getfd", by_pidfd, FD_CLOEXEC },
};

FIXTURE(share)
{
	int fd;
	bool semaphore;
};

EFD_VARIANTS(share);

FIXTURE_SETUP(share)
{
	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->semaphore = variant->flags & EFD_SEMAPHORE;
}

FIXTURE_TEARDOWN(share)
{
	close(self->fd);
}

/* "dup, fork, SCM_RIGHTS, pidfd_getfd share the counter": in both directions. */
TEST_F(share, copy_shares_the_counter)
{
	const struct way *way;
	uint64_t value;
	int fd, copy;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		fd = efd_create(0, variant->flags);
		ASSERT_GE(fd, 0);
		copy = way->copy(fd);
		ASSERT_GE(copy, 0) TH_LOG("%s", way->name);
		ASSERT_NE(fd, copy);
		ASSERT_EQ(8, efd_write(fd, 5));
		ASSERT_EQ(8, efd_write(copy, 7));
		value = 0;
		ASSERT_EQ(8, efd_read(copy, &value)) TH_LOG("%s", way->name);
		EXPECT_EQ(self->semaphore ? 1u : 12u, value) TH_LOG("%s", way->name);
		ASSERT_EQ(8, efd_write(copy, 9));
		ASSERT_EQ(8, efd_read(fd, &value)) TH_LOG("%s", way->name);
		EXPECT_EQ(self->semaphore ? 1u : 9u, value) TH_LOG("%s", way->name);
		EXPECT_EQ(self->semaphore ? 19u : 0u, efd_fill(copy)) TH_LOG("%s", way->name);
		close(copy);
		close(fd);
	}
}

/* "... share the counter and O_NONBLOCK": the flag, and what a read does for it. */
TEST_F(share, copy_shares_o_nonblock)
{
	const struct way *way;
	uint64_t value;
	int copy;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		copy = way->copy(self->fd);
		ASSERT_GE(copy, 0) TH_LOG("%s", way->name);
		EXPECT_EQ(fcntl(self->fd, F_GETFL), fcntl(copy, F_GETFL)) TH_LOG("%s", way->name);
		ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
		EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(copy, F_GETFL)) TH_LOG("%s", way->name);
		ASSERT_EQ(-EAGAIN, efd_read(copy, &value)) TH_LOG("%s", way->name);
		ASSERT_EQ(0, efd_set_nonblock(copy, false));
		EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL)) TH_LOG("%s", way->name);
		close(copy);
	}
}

/* "EFD_CLOEXEC belongs to the descriptor.": a copy has its own, whatever the first one has. */
TEST_F(share, copy_has_its_own_cloexec)
{
	const struct way *way;
	int cloexec, copy;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		for (cloexec = 0; cloexec <= FD_CLOEXEC; cloexec += FD_CLOEXEC) {
			int fd = efd_create(0, variant->flags | (cloexec ? EFD_CLOEXEC : 0));

			ASSERT_GE(fd, 0);
			copy = way->copy(fd);
			ASSERT_GE(copy, 0) TH_LOG("%s", way->name);
			EXPECT_EQ(way->cloexec, fcntl(copy, F_GETFD)) TH_LOG("%s", way->name);
			EXPECT_EQ(cloexec, fcntl(fd, F_GETFD)) TH_LOG("%s", way->name);
			ASSERT_EQ(0, fcntl(copy, F_SETFD, FD_CLOEXEC - way->cloexec));
			EXPECT_EQ(cloexec, fcntl(fd, F_GETFD)) TH_LOG("%s", way->name);
			close(copy);
			close(fd);
		}
	}
}

/* A copy is as good as the first: the counter lives until the last of them is closed. */
TEST_F(share, copy_keeps_the_counter_alive)
{
	const struct way *way;
	int fd, copy;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		fd = efd_create(3, variant->flags);
		ASSERT_GE(fd, 0);
		copy = way->copy(fd);
		ASSERT_GE(copy, 0) TH_LOG("%s", way->name);
		ASSERT_EQ(0, close(fd));
		EXPECT_EQ(-EBADF, efd_write(fd, 1));
		EXPECT_EQ(8, efd_write(copy, 4)) TH_LOG("%s", way->name);
		EXPECT_EQ(7u, efd_fill(copy)) TH_LOG("%s", way->name);
		close(copy);
	}
}

/* The last close ends the counter: the next eventfd of that number starts anew. */
TEST_F(share, last_close_ends_the_counter)
{
	int i, fd, last = -1;

	for (i = 0; i < 100; i++) {
		fd = efd_create(0, variant->flags | EFD_NONBLOCK);
		ASSERT_GE(fd, 0);
		ASSERT_TRUE(last < 0 || fd == last);
		last = fd;
		ASSERT_EQ(-EAGAIN, RET(read(fd, &(uint64_t){ 0 }, 8)));
		ASSERT_EQ(8, efd_write(fd, EFD_MAX));
		ASSERT_EQ(0, close(fd));
		ASSERT_EQ(-EBADF, efd_write(fd, 1));
	}
}

/* dup2 over an eventfd closes that one, and only that descriptor of it. */
TEST_F(share, dup2_replaces_one_descriptor)
{
	int other = efd_create(0, variant->flags), copy = dup(self->fd);

	ASSERT_GE(other, 0);
	ASSERT_GE(copy, 0);
	ASSERT_EQ(self->fd, dup2(other, self->fd));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_EQ(8, efd_write(copy, 7));
	EXPECT_EQ(5u, efd_fill(other));
	EXPECT_EQ(7u, efd_fill(copy));
}

/* A descriptor under way in a message keeps the eventfd alive all alone. */
TEST_F(share, message_keeps_the_counter_alive)
{
	int fd = efd_create(3, variant->flags), sock[2];

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_TRUE(send_fd(sock[0], fd));
	ASSERT_EQ(8, efd_write(fd, 4));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, close(sock[0]));
	fd = receive_fd(sock[1], 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(O_RDWR | (variant->flags & EFD_NONBLOCK), fcntl(fd, F_GETFL));
	EXPECT_EQ(7u, efd_fill(fd));
}

/* ... and goes with the message if nobody receives it. */
TEST_F(share, message_that_nobody_receives)
{
	int i, sock[2];

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
		ASSERT_TRUE(send_fd(sock[0], self->fd));
		close(sock[0]);
		close(sock[1]);
	}
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_EQ(5u, efd_fill(self->fd));
}

/* "SCM_RIGHTS": to another process, which made no eventfd and inherited none. */
TEST_F(share, message_to_another_process)
{
	uint64_t value = 0;
	int sock[2], fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->fd);
		fd = receive_fd(sock[1], 0);
		if (fd < 0 || efd_read(fd, &value) != 8 || value != 1)
			_exit(1);
		_exit(efd_write(fd, 41) == 8 ? 0 : 2);
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(send_fd(sock[0], self->fd));
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(41u, efd_fill(self->fd));
}

/* "pidfd_getfd": from another process, and what is got outlives that process. */
TEST_F(share, pidfd_getfd_from_another_process)
{
	int copy, ready[2], number = -1;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		number = efd_create(0, variant->flags);
		efd_write(number, 7);
		if (write(ready[1], &number, sizeof(number)) != sizeof(number))
			_exit(1);
		pause();
	}
	ASSERT_EQ((ssize_t)sizeof(number), read(ready[0], &number, sizeof(number)));
	ASSERT_GE(number, 0);
	copy = get_fd_of(pid, number);
	ASSERT_GE(copy, 0);
	kill(pid, SIGKILL);
	ASSERT_EQ(-SIGKILL, child_end(pid));
	EXPECT_EQ(O_RDWR | (variant->flags & EFD_NONBLOCK), fcntl(copy, F_GETFL));
	EXPECT_EQ(7u, efd_fill(copy));
}

/* "fork ... share[s] the counter": what the parent wrote the child reads, and the reverse. */
TEST_F(share, child_and_parent_share_the_counter)
{
	uint64_t value = 0;
	pid_t pid;

	ASSERT_EQ(8, efd_write(self->fd, 3));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (efd_read(self->fd, &value) != 8 || value != (self->semaphore ? 1 : 3))
			_exit(1);
		_exit(efd_write(self->fd, 100) == 8 ? 0 : 2);
	}
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(self->semaphore ? 102u : 100u, efd_fill(self->fd));
}

/* "fork ... share[s] ... O_NONBLOCK": set by the child, seen by the parent. */
TEST_F(share, child_and_parent_share_o_nonblock)
{
	const bool other = !(variant->flags & EFD_NONBLOCK);
	pid_t pid = child_start();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(efd_set_nonblock(self->fd, other) ? 1 : 0);
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(O_RDWR | (other ? O_NONBLOCK : 0), fcntl(self->fd, F_GETFL));
}

/* "EFD_CLOEXEC belongs to the descriptor.": the child has its own, and its own number. */
TEST_F(share, child_has_its_own_descriptor)
{
	pid_t pid = child_start();

	ASSERT_GE(pid, 0);
	if (!pid) {
		if (fcntl(self->fd, F_SETFD, FD_CLOEXEC))
			_exit(1);
		_exit(close(self->fd) ? 2 : 0);
	}
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(0, fcntl(self->fd, F_GETFD));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_EQ(5u, efd_fill(self->fd));
}

/* The child keeps the eventfd when the parent closes it. */
TEST_F(share, child_goes_on_when_the_parent_closes)
{
	int closed[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(closed));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(closed[1]);
		if (read(closed[0], &byte, 1))
			_exit(1);
		_exit(efd_fill(self->fd) == 5 ? 0 : 2);
	}
	ASSERT_EQ(0, close(self->fd));
	close(closed[1]);
	EXPECT_EQ(0, child_end(pid));
}

/* Many processes add, nothing is lost. */
TEST_F(share, many_children_write)
{
	pid_t pid[4];
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = child_start();
		ASSERT_GE(pid[i], 0);
		if (!pid[i]) {
			for (n = 0; n < 1000; n++)
				if (efd_write(self->fd, 1 + i) != 8)
					_exit(1);
			_exit(0);
		}
	}
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		EXPECT_EQ(0, child_end(pid[i])) TH_LOG("child %zu", i);
	}
	EXPECT_EQ(1000u * (1 + 2 + 3 + 4), efd_fill(self->fd));
}

/* The child of vfork lives on the stack of its parent, so it gets a function for itself. */
static __attribute__((noinline)) pid_t vfork_write_and_close(int fd)
{
	static const uint64_t one = 1;
	pid_t pid = vfork();

	if (!pid) {
		if (write(fd, &one, sizeof(one)) != sizeof(one))
			_exit(1);
		_exit(close(fd) ? 2 : 0);
	}
	return pid;
}

/* A child of vfork has a table of descriptors of its own, and the same eventfd. */
TEST_F(share, child_of_vfork)
{
	pid_t pid = vfork_write_and_close(self->fd);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(1u, efd_fill(self->fd));
}

/* With CLONE_FILES the descriptors are the same too: made by the one, used by the other. */
TEST_F(share, child_of_clone_files)
{
	int *number = mmap(NULL, sizeof(*number), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	pid_t pid;

	ASSERT_TRUE(number != MAP_FAILED);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	/* the arguments of clone() are in another order on s390x */
	pid = syscall(SYS_clone3, &args, sizeof(args));
	ASSERT_GE(pid, 0);
	if (!pid) {
		*number = efd_create(0, variant->flags | EFD_CLOEXEC);
		if (*number < 0 || efd_write(*number, 9) != 8)
			_exit(1);
		_exit(efd_write(self->fd, 6) == 8 && !close(self->fd) ? 0 : 2);
	}
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(-EBADF, efd_write(self->fd, 1));
	EXPECT_EQ(FD_CLOEXEC, fcntl(*number, F_GETFD));
	EXPECT_EQ(9u, efd_fill(*number));
	close(*number);
}

/* In the program that was started: exits with 0 if @fd reads @want, or is closed if that is 0. */
static int after_exec(int fd, uint64_t want)
{
	uint64_t value = 0;

	alarm(STUCK_S);
	if (!want)
		return fcntl(fd, F_GETFD) == -1 && errno == EBADF ? 0 : 1;
	if (fcntl(fd, F_GETFD) != 0)
		return 2;
	if (efd_read(fd, &value) != 8)
		return 3;
	if (value != want)
		return 4;
	return efd_write(fd, 1000) == 8 ? 0 : 5;
}

static void exec_with(int fd, uint64_t want)
{
	char number[16], value[32];

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(value, sizeof(value), "%llu", (unsigned long long)want);
	execl("/proc/self/exe", "share_test", AFTER_EXEC, number, value, NULL);
	_exit(99);
}

/* Without EFD_CLOEXEC the new program has the descriptor, the counter and O_NONBLOCK. */
TEST_F(share, exec_keeps_the_descriptor)
{
	pid_t pid;

	ASSERT_EQ(8, efd_write(self->fd, 7));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_with(self->fd, self->semaphore ? 1 : 7);
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(O_RDWR | (variant->flags & EFD_NONBLOCK), fcntl(self->fd, F_GETFL));
	EXPECT_EQ(self->semaphore ? 1006u : 1000u, efd_fill(self->fd));
}

/* "EFD_CLOEXEC": the new program does not have the descriptor, and the old one still does. */
TEST_F(share, exec_closes_with_efd_cloexec)
{
	int fd = efd_create(7, variant->flags | EFD_CLOEXEC);
	pid_t pid;

	ASSERT_GE(fd, 0);
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_with(fd, 0);
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(7u, efd_fill(fd));
	close(fd);
}

/* "EFD_CLOEXEC belongs to the descriptor.": of two for one eventfd, exec closes the one. */
TEST_F(share, exec_keeps_a_copy_without_cloexec)
{
	int fd = efd_create(7, variant->flags | EFD_CLOEXEC), copy = dup(fd);
	pid_t pid;

	ASSERT_GE(copy, 0);
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_with(copy, self->semaphore ? 1 : 7);
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(self->semaphore ? 1006u : 1000u, efd_fill(fd));
}

/* ... and FD_CLOEXEC set or cleared later counts, not the flag at creation. */
TEST_F(share, exec_looks_at_the_flag_of_the_moment)
{
	int fd = efd_create(7, variant->flags | EFD_CLOEXEC);
	pid_t pid;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fcntl(fd, F_SETFD, 0));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFD, FD_CLOEXEC));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_with(fd, self->semaphore ? 1 : 7);
	ASSERT_EQ(0, child_end(pid));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid)
		exec_with(self->fd, 0);
	ASSERT_EQ(0, child_end(pid));
}

/* Sharing while one sleeps. */
FIXTURE(share_asleep)
{
	int fd;
	struct worker w;
};

EFD_BLOCKING_VARIANTS(share_asleep);

FIXTURE_SETUP(share_asleep)
{
	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->w.fd = self->fd;
}

FIXTURE_TEARDOWN(share_asleep)
{
	close(self->fd);
}

/* "Who sleeps on one descriptor is woken through another" */
TEST_F(share_asleep, write_to_a_copy_wakes_a_reader)
{
	const struct way *way;
	int copy;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		copy = way->copy(self->fd);
		ASSERT_GE(copy, 0) TH_LOG("%s", way->name);
		ASSERT_TRUE(worker_start_asleep(&self->w, worker_read, SYS_read));
		ASSERT_EQ(8, efd_write(copy, 1));
		ASSERT_TRUE(worker_join(&self->w)) TH_LOG("%s", way->name);
		EXPECT_EQ(8, self->w.ret);
		EXPECT_EQ(1u, self->w.value);
		close(copy);
	}
}

/* The same for a writer who sleeps for room. */
TEST_F(share_asleep, read_of_a_copy_wakes_a_writer)
{
	const struct way *way;
	uint64_t value;
	int copy;

	self->w.value = variant->flags & EFD_SEMAPHORE ? 1 : EFD_MAX;
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		copy = way->copy(self->fd);
		ASSERT_GE(copy, 0) TH_LOG("%s", way->name);
		ASSERT_TRUE(worker_start_asleep(&self->w, worker_write, SYS_write));
		ASSERT_EQ(8, efd_read(copy, &value));
		ASSERT_TRUE(worker_join(&self->w)) TH_LOG("%s", way->name);
		EXPECT_EQ(8, self->w.ret);
		close(copy);
	}
}

/* A child that sleeps is woken by its parent. */
TEST_F(share_asleep, parent_wakes_the_child)
{
	uint64_t value = 0;
	pid_t pid = child_start();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(efd_read(self->fd, &value) == 8 && value == 1 ? 0 : 1);
	ASSERT_TRUE(child_sleeps_in(pid, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(0, child_end(pid));
}

/* A parent that sleeps is woken by its child, which first sees it asleep. */
TEST_F(share_asleep, child_wakes_the_parent)
{
	pid_t parent = getpid(), pid = child_start();
	uint64_t value = 0;

	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!eventually(sleeps_in(parent, SYS_read)))
			_exit(1);
		_exit(efd_write(self->fd, 1) == 8 ? 0 : 2);
	}
	EXPECT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(1u, value);
	EXPECT_EQ(0, child_end(pid));
}

/* O_NONBLOCK is shared, a sleep is not: a child that sleeps is not disturbed by the parent's. */
TEST_F(share_asleep, o_nonblock_of_the_parent_leaves_the_child_asleep)
{
	uint64_t value = 0;
	pid_t pid = child_start();
	long sleeps;

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(efd_read(self->fd, &value) == 8 && value == 1 ? 0 : 1);
	ASSERT_TRUE(child_sleeps_in(pid, SYS_read));
	sleeps = nr_sleeps(pid);
	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	EXPECT_EQ(-EAGAIN, efd_read(self->fd, &value));
	sleep_ms(20);
	EXPECT_TRUE(sleeps_in(pid, SYS_read));
	EXPECT_EQ(sleeps, nr_sleeps(pid));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(0, child_end(pid));
}

/* A child asleep goes on when the parent closes its descriptor; a grandchild wakes it. */
TEST_F(share_asleep, child_sleeps_on_when_the_parent_closes)
{
	uint64_t value = 0;
	pid_t pid = child_start(), waker;
	int go[2];
	char byte;

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(efd_read(self->fd, &value) == 8 && value == 1 ? 0 : 1);
	ASSERT_TRUE(child_sleeps_in(pid, SYS_read));
	ASSERT_EQ(0, pipe(go));
	waker = child_start();
	ASSERT_GE(waker, 0);
	if (!waker) {
		close(go[1]);
		if (read(go[0], &byte, 1))
			_exit(1);
		_exit(efd_write(self->fd, 1) == 8 ? 0 : 2);
	}
	ASSERT_EQ(0, close(self->fd));
	sleep_ms(20);
	EXPECT_TRUE(sleeps_in(pid, SYS_read));
	close(go[1]);
	EXPECT_EQ(0, child_end(waker));
	EXPECT_EQ(0, child_end(pid));
}

/*
 * Parent and child tell each other their process ids, each through an eventfd of its own, and
 * each in the value: the child's answer is to what it was told.
 */
TEST(parent_and_child_exchange_their_pids)
{
	int down = efd_create(0, 0), up = efd_create(0, 0);
	uint64_t value = 0;
	pid_t pid;

	alarm(STUCK_S);
	ASSERT_GE(down, 0);
	ASSERT_GE(up, 0);
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (efd_read(down, &value) != 8 || value != (uint64_t)getppid())
			_exit(1);
		if (efd_write(up, (uint64_t)getpid() << 32 | value) != 8)
			_exit(2);
		if (efd_read(down, &value) != 8 || value != (uint64_t)getpid())
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(8, efd_write(down, getpid()));
	ASSERT_EQ(8, efd_read(up, &value));
	EXPECT_EQ((uint64_t)pid << 32 | getpid(), value);
	ASSERT_EQ(8, efd_write(down, value >> 32));
	EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(0u, efd_fill(down));
	EXPECT_EQ(0u, efd_fill(up));
	close(down);
	close(up);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], AFTER_EXEC))
		return after_exec(atoi(argv[2]), strtoull(argv[3], NULL, 10));
	return test_harness_run(argc, argv);
}
