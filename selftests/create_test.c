// SPDX-License-Identifier: GPL-2.0
/* Making an eventfd: initial value, flags, errors. */
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "eventfd.h"

FIXTURE(create)
{
	int fd;
};

EFD_VARIANTS(create);

FIXTURE_SETUP(create)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(create)
{
	close(self->fd);
}

/* "Always O_RDWR." */
TEST_F(create, access_mode_and_status_flags)
{
	EXPECT_EQ(O_RDWR | (variant->flags & EFD_NONBLOCK), fcntl(self->fd, F_GETFL));
}

/* Without EFD_CLOEXEC the descriptor stays open over exec. */
TEST_F(create, cloexec_is_off_unless_asked_for)
{
	int fd = efd_create(0, variant->flags | EFD_CLOEXEC);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);
}

/* "`n` is 32 bits; 0xffffffff is fine." */
TEST_F(create, initial_value)
{
	static const unsigned int initial[] = { 0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff };
	uint64_t value, want;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(initial); i++) {
		fd = efd_create(initial[i], variant->flags | EFD_NONBLOCK);
		ASSERT_GE(fd, 0);
		want = variant->flags & EFD_SEMAPHORE ? 1 : initial[i];
		if (initial[i]) {
			EXPECT_EQ(8, efd_read(fd, &value));
			EXPECT_EQ(want, value);
		} else {
			EXPECT_EQ(-EAGAIN, efd_read(fd, &value));
		}
		close(fd);
	}
}

/* "Any flag outside EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK: EINVAL" */
TEST(unknown_flags_are_refused)
{
	const unsigned int known = EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK;
	unsigned int bit;
	int fd;

	for (bit = 0; bit < 32; bit++) {
		fd = efd_create(0, 1u << bit);
		if (known & (1u << bit)) {
			EXPECT_GE(fd, 0) TH_LOG("bit %u", bit);
			close(fd);
		} else {
			EXPECT_EQ(-EINVAL, fd) TH_LOG("bit %u", bit);
			EXPECT_EQ(-EINVAL, efd_create(0, known | 1u << bit)) TH_LOG("bit %u", bit);
		}
	}
}

/* "`eventfd(n)` = `eventfd2(n, 0)`" */
TEST(old_call)
{
#ifdef SYS_eventfd
	uint64_t value = 0;
	int fd = RET(syscall(SYS_eventfd, 7, 0xdeadbeef));

	ASSERT_GE(fd, 0);
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL));
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(8, efd_read(fd, &value));
	EXPECT_EQ(7u, value);
	close(fd);
#else
	SKIP(return, "this architecture has only eventfd2");
#endif
}

/* The numbers of the two calls, not only those of the headers; 0: there is no such call. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define NR_EVENTFD	284
#define NR_EVENTFD2	290
#elif defined(__i386__)
#define NR_EVENTFD	323
#define NR_EVENTFD2	328
#elif defined(__aarch64__) || defined(__riscv)
#define NR_EVENTFD	0
#define NR_EVENTFD2	19
#endif

/*
 * "On x86-64 the numbers of the two calls are 284 and 290", "On i386 they are 323 and 328;
 * architectures that came later have only `eventfd2`"
 */
TEST(numbers)
{
#ifdef NR_EVENTFD2
	int old = NR_EVENTFD ? RET(syscall(NR_EVENTFD, 7)) : -1;
	int fd = RET(syscall(NR_EVENTFD2, 8, EFD_NONBLOCK));
	uint64_t value = 0;

#ifdef SYS_eventfd
	ASSERT_GE(old, 0);
	EXPECT_EQ(O_RDWR, fcntl(old, F_GETFL));
	EXPECT_EQ(8, efd_read(old, &value));
	EXPECT_EQ(7u, value);
#else
	ASSERT_EQ(-1, old);
#endif
	ASSERT_GE(fd, 0);
	EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	EXPECT_EQ(8, efd_read(fd, &value));
	EXPECT_EQ(8u, value);
	EXPECT_EQ(-EAGAIN, efd_read(fd, &value));
#else
	SKIP(return, "nothing is promised for this architecture");
#endif
}

/* "The lowest number that is free, which may be 0" */
TEST(descriptor_zero)
{
	pid_t pid = child_start();

	if (!pid) {
		close(0);
		_exit(efd_create(0, 0) || fcntl(0, F_GETFD) < 0);
	}
	EXPECT_EQ(0, child_end(pid));
}

/* "EMFILE ... as usual": and nothing is left behind by the failure. */
TEST(descriptor_limit)
{
	struct rlimit limit = { 3, 3 };
	int fd = efd_create(0, 0);

	ASSERT_GE(fd, 0);
	close(fd);
	limit.rlim_max = fd;
	limit.rlim_cur = fd;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, efd_create(0, 0));
}

/* A guest that was booted for the tests alone: its command line says where the results go. */
static bool guest_of_our_own(void)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/cmdline", "r");

	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
	}
	return strstr(line, "eventfd.tests=");
}

/* "ENFILE": the system-wide limit, which root may exceed. */
TEST(system_limit)
{
	char old[32] = "";
	int knob, fd;

	/* whoever is killed in here leaves a machine on which nobody can open a file */
	if (!guest_of_our_own())
		SKIP(return, "no file for the whole machine: only in a guest with nothing else");
	knob = open("/proc/sys/fs/file-max", O_RDWR);
	if (knob < 0 || geteuid())
		SKIP(return, "needs root and /proc/sys");
	ASSERT_LT(0, read(knob, old, sizeof(old) - 1));
	/* 0, since the kernel's running count of files may be behind by a few */
	ASSERT_EQ(1, pwrite(knob, "0", 1, 0));
	if (setresuid(65534, 65534, 0)) {
		pwrite(knob, old, strlen(old), 0);
		SKIP(return, "cannot drop privileges");
	}
	fd = efd_create(0, 0);
	setresuid(0, 0, 0);
	EXPECT_LT(0, pwrite(knob, old, strlen(old), 0));
	EXPECT_EQ(-ENFILE, fd);
}

/* What the memory controller has charged the cgroup @dir with; -1 if there is none. */
static long long charged(const char *dir)
{
	char path[128];
	long long bytes = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.current", dir);
	f = fopen(path, "r");
	if (f && fscanf(f, "%lld", &bytes) != 1)
		bytes = -1;
	if (f)
		fclose(f);
	return bytes;
}

static bool put(const char *dir, const char *file, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "w");
	return f && (fputs(text, f) >= 0) & !fclose(f);
}

/* Many, since charges are taken from the cgroup in advance, up to 256 KiB per processor. */
#define NR_CHARGED	20000

/* Half of them in this time, or it is not for this kernel. */
#define TOO_SLOW_MS	4000

/*
 * The memory of an eventfd is charged "to the creator's memory cgroup": the context as
 * well, which a timerfd's is not.
 */
TEST(memory_is_charged)
{
	const char *root = "/tmp/create_test.cgroup", *dir = "/tmp/create_test.cgroup/test";
	struct rlimit limit = { 3 * NR_CHARGED, 3 * NR_CHARGED };
	long long *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long timer, event;
	int i, status;
	uint64_t end;
	pid_t pid;

	ASSERT_TRUE(bytes != MAP_FAILED);
	mkdir(root, 0700);
	if (mount("none", root, "cgroup2", 0, NULL))
		SKIP(return, "needs root and cgroups");
	put(root, "cgroup.subtree_control", "+memory");
	mkdir(dir, 0700);
	pid = child_start();
	if (!pid) {
		bytes[0] = -1;
		/* the table of descriptors is charged, too: all of it now */
		if (!put(dir, "cgroup.procs", "0") || setrlimit(RLIMIT_NOFILE, &limit) ||
		    dup2(1, 3 * NR_CHARGED - 1) < 0)
			_exit(0);
		bytes[0] = charged(dir);
		end = now_ms() + TOO_SLOW_MS;
		for (i = 0; i < NR_CHARGED; i++) {
			if (timerfd_create(CLOCK_MONOTONIC, 0) < 0)
				_exit(1);
			if (now_ms() > end)
				_exit(2);
		}
		bytes[1] = charged(dir);
		for (i = 0; i < NR_CHARGED; i++)
			if (efd_create(0, 0) < 0)
				_exit(1);
		bytes[2] = charged(dir);
		_exit(0);
	}
	/* it has much to do: its own limit, and its alarm, are patience enough */
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	EXPECT_TRUE(eventually(!rmdir(dir)));
	umount(root);
	rmdir(root);
	if (status == 2)
		SKIP(return, "this kernel is too slow for so many");
	ASSERT_EQ(0, status);
	if (bytes[0] < 0)
		SKIP(return, "needs root and the memory controller");
	timer = bytes[1] - bytes[0];
	event = bytes[2] - bytes[1];
	EXPECT_GE(event - timer, NR_CHARGED * 48)
		TH_LOG("timerfd %lld, eventfd %lld bytes", timer / NR_CHARGED, event / NR_CHARGED);
}

TEST_HARNESS_MAIN
