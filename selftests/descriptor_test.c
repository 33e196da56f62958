// SPDX-License-Identifier: GPL-2.0
/* The rest of the descriptor: what /proc shows of it, and the calls it has no answer to. */
#include "eventfd.h"

#include <linux/magic.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <termios.h>

/* How long a race is provoked; milliseconds. */
#define HAMMER_MS	150

/* The whole of /proc/PID/fdinfo/FD; @pid 0 is the caller. False if there is none. */
static bool fdinfo_read(pid_t pid, int fd, char *text, size_t size)
{
	char path[64];
	ssize_t len = -1;
	int info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid ? pid : getpid(), fd);
	info = open(path, O_RDONLY);
	if (info < 0)
		return false;
	len = read(info, text, size - 1);
	close(info);
	if (len < 0)
		return false;
	text[len] = '\0';
	return true;
}

struct info {
	unsigned long long count;
	int id, semaphore;		/* -1 where that is not told */
};

/* The lines that are an eventfd's own, as any program would parse them. */
static bool fdinfo_of(pid_t pid, int fd, struct info *info)
{
	char text[512];
	const char *own;

	if (!fdinfo_read(pid, fd, text, sizeof(text)))
		return false;
	own = strstr(text, "eventfd-count:");
	info->semaphore = -1;
	return own && sscanf(own, "eventfd-count: %llx eventfd-id: %d eventfd-semaphore: %d",
			     &info->count, &info->id, &info->semaphore) == (MODE_UNTOLD ? 2 : 3);
}

static bool fdinfo(int fd, struct info *info)
{
	return fdinfo_of(0, fd, info);
}

/* Whether @fd has this count. */
static bool fdinfo_count(int fd, uint64_t count)
{
	struct info info = {};

	return fdinfo(fd, &info) && info.count == count;
}

FIXTURE(descriptor)
{
	int fd;
};

EFD_VARIANTS(descriptor);

FIXTURE_SETUP(descriptor)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(descriptor)
{
	close(self->fd);
}

/*
 * "fdinfo, after the generic lines, exactly: `eventfd-count: %16llx`,
 * `eventfd-id: %d`, `eventfd-semaphore: %d`": these, in this order, and no more.
 */
TEST_F(descriptor, fdinfo_is_exactly_this)
{
	static const uint64_t count[] = { 0, 1, 0xab, 0xffffffff, UINT64_C(0x123456789a), EFD_MAX };
	char text[512], want[256];
	unsigned int flags;
	int fd, own, id, n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(count); i++) {
		fd = efd_create(0, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, count[i]));
		ASSERT_TRUE(fdinfo_read(0, fd, text, sizeof(text)));
		own = 0;
		n = sscanf(text, "pos:\t0\nflags:\t0%o\nmnt_id:\t%*d\nino:\t%*u\n%n", &flags, &own);
		ASSERT_EQ(1, n) TH_LOG("%s", text);
		ASSERT_LT(0, own) TH_LOG("%s", text);
		EXPECT_EQ(O_RDWR | (variant->flags & EFD_NONBLOCK),
			  (int)flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC));
		ASSERT_EQ(1, sscanf(text + own, "eventfd-count: %*x eventfd-id: %d", &id))
			TH_LOG("%s", text);
		snprintf(want, sizeof(want),
			 "eventfd-count: %16llx\neventfd-id: %d\neventfd-semaphore: %d\n",
			 (unsigned long long)count[i], id, !!(variant->flags & EFD_SEMAPHORE));
		if (MODE_UNTOLD)
			*strstr(want, "eventfd-semaphore") = '\0';
		EXPECT_STREQ(want, text + own);
		close(fd);
	}
}

/* "`eventfd-count: %16llx`": follows writes and reads. */
TEST_F(descriptor, fdinfo_count_follows)
{
	const bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value;

	ASSERT_TRUE(fdinfo_count(self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	EXPECT_TRUE(fdinfo_count(self->fd, 3));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_TRUE(fdinfo_count(self->fd, 3));
	ASSERT_EQ(8, efd_write(self->fd, UINT64_C(1) << 32));
	EXPECT_TRUE(fdinfo_count(self->fd, (UINT64_C(1) << 32) + 3));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_TRUE(fdinfo_count(self->fd, semaphore ? (UINT64_C(1) << 32) + 2 : 0));
	if (!semaphore)
		ASSERT_EQ(8, efd_write(self->fd, (UINT64_C(1) << 32) + 2));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - (UINT64_C(1) << 32) - 2));
	EXPECT_TRUE(fdinfo_count(self->fd, EFD_MAX));
}

/* "`eventfd-count: %16llx`": the initial value, which is never negative. */
TEST_F(descriptor, fdinfo_initial_value)
{
	static const unsigned int initial[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(initial); i++) {
		fd = efd_create(initial[i], variant->flags);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(fdinfo_count(fd, initial[i])) TH_LOG("initial value %zu", i);
		close(fd);
	}
}

/* Looking takes nothing: the count is there to be read afterwards. */
TEST_F(descriptor, fdinfo_takes_nothing)
{
	uint64_t value = 0;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(fdinfo_count(self->fd, 1));
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(1u, value);
}

/* "`eventfd-semaphore: %d`" */
TEST_F(descriptor, fdinfo_semaphore)
{
	struct info info;

	if (MODE_UNTOLD)
		SKIP(return, "this version does not tell");
	ASSERT_TRUE(fdinfo(self->fd, &info));
	EXPECT_EQ(!!(variant->flags & EFD_SEMAPHORE), info.semaphore);
	/* It is the eventfd that is one, whatever happens to the status flags. */
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, variant->flags ^ EFD_NONBLOCK));
	ASSERT_TRUE(fdinfo(self->fd, &info));
	EXPECT_EQ(!!(variant->flags & EFD_SEMAPHORE), info.semaphore);
}

/* The position stays 0: reads, writes and seeks do not move it. */
TEST_F(descriptor, fdinfo_position)
{
	char text[512];
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_EQ(0, RET(lseek(self->fd, 100, SEEK_SET)));
	ASSERT_TRUE(fdinfo_read(0, self->fd, text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "pos:\t0\n", 7)) TH_LOG("%s", text);
}

/* "Ids are unique while alive and never negative." */
TEST_F(descriptor, ids_are_unique)
{
	enum { MANY = 300 };
	int fd[MANY], i, j;
	struct info info[MANY];

	for (i = 0; i < MANY; i++) {
		fd[i] = efd_create(0, variant->flags);
		ASSERT_GE(fd[i], 0);
	}
	/* Out of order, in case that looking is what hands them out. */
	for (i = 0; i < MANY; i++) {
		j = i * 7 % MANY;
		ASSERT_TRUE(fdinfo(fd[j], &info[j]));
		ASSERT_GE(info[j].id, 0);
	}
	for (i = 0; i < MANY; i++)
		for (j = 0; j < i; j++) {
			ASSERT_NE(info[i].id, info[j].id) TH_LOG("eventfd %d and %d", i, j);
		}
}

/* "Ids are unique while alive": when others have gone their ids may come back, but not ours. */
TEST_F(descriptor, ids_stay_unique)
{
	enum { FEW = 16 };
	int fd[FEW], i, j, round;
	struct info info[FEW], now;

	for (i = 0; i < FEW; i++) {
		fd[i] = efd_create(0, variant->flags);
		ASSERT_GE(fd[i], 0);
		ASSERT_TRUE(fdinfo(fd[i], &info[i]));
	}
	for (round = 0; round < 20; round++) {
		i = round * 5 % FEW;
		ASSERT_EQ(0, close(fd[i]));
		fd[i] = efd_create(0, variant->flags);
		ASSERT_GE(fd[i], 0);
		ASSERT_TRUE(fdinfo(fd[i], &info[i]));
		ASSERT_GE(info[i].id, 0);
		for (j = 0; j < FEW; j++) {
			ASSERT_TRUE(fdinfo(fd[j], &now));
			ASSERT_EQ(info[j].id, now.id);
			ASSERT_TRUE(i == j || info[i].id != info[j].id);
		}
	}
}

/* "Ids are unique while alive": all over the system, not in one process only. */
TEST_F(descriptor, ids_are_unique_among_processes)
{
	enum { FEW = 32 };
	int mine[FEW], theirs[FEW], pipe_fd[2], hold[2], fd, i, j;
	struct info info;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(pipe_fd));
	ASSERT_EQ(0, pipe(hold));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(hold[1]);
		for (i = 0; i < FEW; i++) {
			fd = efd_create(0, variant->flags);
			theirs[i] = fdinfo(fd, &info) ? info.id : -1;
		}
		if (write(pipe_fd[1], theirs, sizeof(theirs)) != sizeof(theirs))
			_exit(1);
		/* Keep them until the parent has made its own, or is gone. */
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
	}
	ASSERT_EQ((ssize_t)sizeof(theirs), read(pipe_fd[0], theirs, sizeof(theirs)));
	for (i = 0; i < FEW; i++) {
		fd = efd_create(0, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_TRUE(fdinfo(fd, &info));
		mine[i] = info.id;
	}
	for (i = 0; i < FEW; i++) {
		ASSERT_GE(theirs[i], 0);
		for (j = 0; j < FEW; j++) {
			ASSERT_NE(mine[i], theirs[j]);
		}
	}
	close(hold[1]);
	EXPECT_EQ(0, child_end(pid));
}

struct many_ids {
	int flags, fd[100], id[100];
};

static void worker_many_ids(struct worker *w)
{
	struct many_ids *m = w->arg;
	struct info info;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m->fd); i++) {
		m->fd[i] = efd_create(0, m->flags);
		m->id[i] = fdinfo(m->fd[i], &info) ? info.id : -1;
	}
}

/* "Ids are unique while alive": made at the same time by several threads. */
TEST_F(descriptor, ids_are_unique_among_threads)
{
	struct worker w[3] = {};
	struct many_ids m[3] = {};
	size_t i, j, n = ARRAY_SIZE(m[0].id);

	for (i = 0; i < ARRAY_SIZE(w); i++) {
		m[i].flags = variant->flags;
		w[i].arg = &m[i];
		ASSERT_TRUE(worker_start(&w[i], worker_many_ids));
	}
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(worker_join(&w[i]));
	}
	for (i = 0; i < 3 * n; i++) {
		ASSERT_GE(m[i / n].id[i % n], 0);
		for (j = 0; j < i; j++) {
			ASSERT_NE(m[i / n].id[i % n], m[j / n].id[j % n]);
		}
	}
}

/* Two that look at the same moment: all that is slow is done before they meet. */
struct same_id {
	int fd;
	atomic_int *there;
	int id;
};

static void worker_same_id(struct worker *w)
{
	struct same_id *s = w->arg;
	uint64_t end = now_ms() + WAIT_MS;
	char path[64], text[512] = "";
	const char *own;
	int info;

	s->id = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
	info = open(path, O_RDONLY);
	++*s->there;
	while (*s->there < 2 && now_ms() < end)
		;
	if (info < 0 || pread(info, text, sizeof(text) - 1, 0) < 0)
		return;
	own = strstr(text, "eventfd-id: ");
	if (own)
		s->id = atoi(own + strlen("eventfd-id: "));
	close(info);
}

/* One eventfd has one id, also if two look for the first time together. */
TEST_F(descriptor, id_is_the_same_for_two_at_once)
{
	struct info now;
	int round;

	for (round = 0; round < 50; round++) {
		atomic_int there = 0;
		int fd = efd_create(0, variant->flags);
		struct same_id s[2] = { { fd, &there }, { fd, &there } };
		struct worker w[2] = { { .arg = &s[0] }, { .arg = &s[1] } };

		ASSERT_GE(fd, 0);
		ASSERT_TRUE(worker_start(&w[0], worker_same_id));
		ASSERT_TRUE(worker_start(&w[1], worker_same_id));
		ASSERT_TRUE(worker_join(&w[0]));
		ASSERT_TRUE(worker_join(&w[1]));
		ASSERT_GE(s[0].id, 0);
		ASSERT_EQ(s[0].id, s[1].id);
		ASSERT_TRUE(fdinfo(fd, &now));
		ASSERT_EQ(s[0].id, now.id);
		close(fd);
	}
}

/* "One eventfd has one id, whoever looks": and one count. */
TEST_F(descriptor, fdinfo_is_shared)
{
	struct info info, dup_info, child_info = {};
	int fd = dup(self->fd), hold[2];
	pid_t pid;
	char c;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, pipe(hold));
	ASSERT_EQ(8, efd_write(self->fd, 42));
	ASSERT_TRUE(fdinfo(self->fd, &info));
	ASSERT_TRUE(fdinfo(fd, &dup_info));
	EXPECT_EQ(info.id, dup_info.id);
	EXPECT_EQ(42u, dup_info.count);
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(hold[1]);
		if (!fdinfo(self->fd, &child_info) || child_info.id != info.id ||
		    child_info.count != 42)
			_exit(1);
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 2);
	}
	/* From outside: /proc/PID/fdinfo of the child. */
	ASSERT_TRUE(fdinfo_of(pid, self->fd, &child_info));
	EXPECT_EQ(info.id, child_info.id);
	EXPECT_EQ(42u, child_info.count);
	close(hold[1]);
	EXPECT_EQ(0, child_end(pid));
}

struct carrying {
	int fd;
	atomic_bool stop;
	atomic_int errors;
};

/* Counts 0, 0xffffffff, 0x100000000, 0, ... */
static void worker_carry(struct worker *w)
{
	struct carrying *c = w->arg;
	uint64_t value;

	while (!c->stop && !c->errors)
		if (efd_write(c->fd, 0xffffffff) != 8 || efd_write(c->fd, 1) != 8 ||
		    efd_read(c->fd, &value) != 8)
			c->errors++;
}

/* "`eventfd-count: %16llx`": all of its 64 bits from the same moment. */
TEST(fdinfo_count_is_whole)
{
	struct carrying c = { .fd = efd_create(0, 0) };
	uint64_t end = now_ms() + HAMMER_MS;
	struct worker w = { .arg = &c };
	struct info info;

	ASSERT_GE(c.fd, 0);
	ASSERT_TRUE(worker_start(&w, worker_carry));
	while (now_ms() < end) {
		ASSERT_TRUE(fdinfo(c.fd, &info));
		ASSERT_TRUE(!info.count || info.count == 0xffffffff || info.count == 1ull << 32)
			TH_LOG("count %llx", info.count);
	}
	c.stop = true;
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(0, c.errors);
}

/* "`readlink /proc/self/fd/N` is `anon_inode:[eventfd]`" */
TEST_F(descriptor, name)
{
	char path[64], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_LT(0, readlink(path, name, sizeof(name) - 1));
	EXPECT_STREQ("anon_inode:[eventfd]", name);
}

/* "re-opening that path: ENXIO (O_PATH works)." */
TEST_F(descriptor, cannot_be_opened)
{
	char path[64];
	struct stat st;
	uint64_t value;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	fd = RET(open(path, O_PATH));
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0600u, st.st_mode);
	EXPECT_EQ(-EBADF, efd_read(fd, &value));
	EXPECT_EQ(-EBADF, efd_write(fd, 1));
	close(fd);
	if (geteuid())
		SKIP(return, "the inode belongs to root");
	EXPECT_EQ(-ENXIO, RET(open(path, O_RDONLY)));
	EXPECT_EQ(-ENXIO, RET(open(path, O_WRONLY)));
	EXPECT_EQ(-ENXIO, RET(open(path, O_RDWR)));
	EXPECT_EQ(-ENXIO, RET(open(path, O_RDWR | O_NONBLOCK)));
}

/* "fstat: mode 0600 without a type." */
TEST_F(descriptor, mode_has_no_type)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(0600u, st.st_mode);
	EXPECT_EQ(0, st.st_size);
}

/* It lives in the file system of the anonymous inodes. */
TEST_F(descriptor, file_system)
{
	struct statfs fs;

	ASSERT_EQ(0, fstatfs(self->fd, &fs));
	EXPECT_EQ(ANON_INODE_FS_MAGIC, fs.f_type);
}

/* Whether @fd, at zero, sleeps in read until it is written to; whether it does not. */
static bool read_sleeps(int fd)
{
	struct worker w = { .fd = fd };

	if (!worker_start_asleep(&w, worker_read, SYS_read))
		return false;
	return efd_write(fd, 1) == 8 && worker_join(&w) && w.ret == 8;
}

static bool read_does_not_sleep(int fd)
{
	struct worker w = { .fd = fd };

	if (!worker_start(&w, worker_read))
		return false;
	return worker_join(&w) && w.ret == -EAGAIN;
}

/* "ioctl: FIONBIO ... work": and it is the duplicates' as well, like O_NONBLOCK. */
TEST_F(descriptor, fionbio)
{
	int fd = dup(self->fd), on = 1, off = 0;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, RET(ioctl(self->fd, FIONBIO, &on)));
	EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	EXPECT_TRUE(read_does_not_sleep(self->fd));
	EXPECT_TRUE(read_does_not_sleep(fd));
	ASSERT_EQ(0, RET(ioctl(fd, FIONBIO, &off)));
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL));
	EXPECT_TRUE(read_sleeps(self->fd));
	EXPECT_TRUE(read_sleeps(fd));
	EXPECT_EQ(-EFAULT, RET(ioctl(fd, FIONBIO, NULL)));
	close(fd);
}

/* "dup, fork, ... share the counter and O_NONBLOCK": F_SETFL sets and clears it. */
TEST_F(descriptor, f_setfl)
{
	int fd = dup(self->fd);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	EXPECT_TRUE(read_does_not_sleep(fd));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL));
	EXPECT_TRUE(read_sleeps(self->fd));
	close(fd);
}

/* The access mode cannot be changed, EFD_SEMAPHORE is no status flag, O_DIRECT is refused. */
TEST_F(descriptor, f_setfl_of_other_flags)
{
	const int nonblock = variant->flags & EFD_NONBLOCK;
	uint64_t value = 0;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDONLY | nonblock));
	EXPECT_EQ(O_RDWR | nonblock, fcntl(self->fd, F_GETFL));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, variant->flags ^ EFD_SEMAPHORE));
	EXPECT_EQ(O_RDWR | nonblock, fcntl(self->fd, F_GETFL));
	EXPECT_EQ(-EINVAL, RET(fcntl(self->fd, F_SETFL, O_DIRECT)));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 1u : 2u, value);
}

/* "FIOCLEX, FIONCLEX work": for the one descriptor; "EFD_CLOEXEC belongs to the descriptor." */
TEST_F(descriptor, fioclex)
{
	int fd = dup(self->fd);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fcntl(self->fd, F_GETFD));
	ASSERT_EQ(0, RET(ioctl(self->fd, FIOCLEX)));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	ASSERT_EQ(0, RET(ioctl(self->fd, FIONCLEX)));
	EXPECT_EQ(0, fcntl(self->fd, F_GETFD));
	close(fd);
}

/* No SIGIO: an owner can be set, O_ASYNC is taken in silence, and nothing comes of it. */
TEST_F(descriptor, no_sigio)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, fcntl(self->fd, F_SETOWN, getpid()));
	EXPECT_EQ(getpid(), fcntl(self->fd, F_GETOWN));
	EXPECT_EQ(0, fcntl(self->fd, F_SETFL, O_ASYNC));
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, sigpending(&pending));
	EXPECT_EQ(0, sigismember(&pending, SIGIO));
}

/*
 * All anonymous files share one inode, so a watch of one hears of all that are watched
 * for: eventfds are not, which spares every read and write the question.
 */
TEST_F(descriptor, is_not_watched)
{
	int watch = RET(inotify_init1(IN_NONBLOCK));
	char path[64], event[1024];

	if (watch == -ENOSYS)
		SKIP(return, "needs inotify");
	ASSERT_GE(watch, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_GE(inotify_add_watch(watch, path, IN_MODIFY), 0);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(-EAGAIN, RET(read(watch, event, sizeof(event))));
	close(watch);
}

/*
 * Calls that are refused. The count is the same afterwards, and they do not sleep.
 */
FIXTURE(refused)
{
	int fd, file, pipe[2];
};

EFD_VARIANTS(refused);

FIXTURE_SETUP(refused)
{
	FILE *file = tmpfile();

	ASSERT_TRUE(!!file);
	self->file = fileno(file);
	ASSERT_EQ(16, write(self->file, "0123456789abcdef", 16));
	ASSERT_EQ(0, lseek(self->file, 0, SEEK_SET));
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(8, write(self->pipe[1], "\1\0\0\0\0\0\0\0", 8));
	self->fd = efd_create(5, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(refused)
{
	uint64_t value, count = 0;

	EXPECT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	while (efd_read(self->fd, &value) == 8)
		count += value;
	EXPECT_EQ(5u, count);
	close(self->fd);
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->file);
}

/* "FIOASYNC, FIONREAD and unknown ones ENOTTY." */
TEST_F(refused, ioctl)
{
	int arg[128] = { 1 };

	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, FIOASYNC, arg)));
	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, FIONREAD, arg)));
	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, TCGETS, arg)));
	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, TIOCGWINSZ, arg)));
	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, 0, arg)));
	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, 0x1234abcd, arg)));
	EXPECT_EQ(-ENOTTY, RET(ioctl(self->fd, _IOWR('e', 1, long), arg)));
}

/* "mmap ENODEV" */
TEST_F(refused, mmap)
{
	static const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prot); i++) {
		errno = 0;
		EXPECT_TRUE(mmap(NULL, 4096, prot[i], MAP_SHARED, self->fd, 0) == MAP_FAILED);
		EXPECT_EQ(ENODEV, errno);
		errno = 0;
		EXPECT_TRUE(mmap(NULL, 4096, prot[i], MAP_PRIVATE, self->fd, 0) == MAP_FAILED);
		EXPECT_EQ(ENODEV, errno);
	}
}

/* "splice ... EINVAL": from it and to it. */
TEST_F(refused, splice)
{
	EXPECT_EQ(-EINVAL, RET(splice(self->fd, NULL, self->pipe[1], NULL, 8, 0)));
	EXPECT_EQ(-EINVAL, RET(splice(self->pipe[0], NULL, self->fd, NULL, 8, 0)));
	EXPECT_EQ(-EINVAL, RET(splice(self->fd, NULL, self->pipe[1], NULL, 8, SPLICE_F_NONBLOCK)));
	EXPECT_EQ(-EINVAL, RET(splice(self->pipe[0], NULL, self->fd, NULL, 8, SPLICE_F_NONBLOCK)));
	/* No pipe at all. */
	EXPECT_EQ(-EINVAL, RET(splice(self->fd, NULL, self->file, NULL, 8, 0)));
}

/* "tee ... EINVAL": neither side is a pipe. */
TEST_F(refused, tee)
{
	EXPECT_EQ(-EINVAL, RET(tee(self->fd, self->pipe[1], 8, 0)));
	EXPECT_EQ(-EINVAL, RET(tee(self->pipe[0], self->fd, 8, 0)));
}

/* "sendfile ... EINVAL": from it, to it, and from one to another. */
TEST_F(refused, sendfile)
{
	int other = efd_create(1, variant->flags);

	ASSERT_GE(other, 0);
	EXPECT_EQ(-EINVAL, RET(sendfile(self->fd, self->file, NULL, 8)));
	EXPECT_EQ(-EINVAL, RET(sendfile(self->file, self->fd, NULL, 8)));
	EXPECT_EQ(-EINVAL, RET(sendfile(self->pipe[1], self->fd, NULL, 8)));
	EXPECT_EQ(-EINVAL, RET(sendfile(self->fd, other, NULL, 8)));
	close(other);
}

/* "pread, pwrite, offsets: ESPIPE.": an offset into an eventfd, with sendfile. */
TEST_F(refused, sendfile_from_an_offset)
{
	off_t offset = 0;

	EXPECT_EQ(-ESPIPE, RET(sendfile(self->file, self->fd, &offset, 8)));
}

/* "copy_file_range EINVAL": from it, to it, and from one to another. */
TEST_F(refused, copy_file_range)
{
	int other = efd_create(1, variant->flags);

	ASSERT_GE(other, 0);
	EXPECT_EQ(-EINVAL, RET(copy_file_range(self->fd, NULL, self->file, NULL, 8, 0)));
	EXPECT_EQ(-EINVAL, RET(copy_file_range(self->file, NULL, self->fd, NULL, 8, 0)));
	EXPECT_EQ(-EINVAL, RET(copy_file_range(self->fd, NULL, other, NULL, 8, 0)));
	close(other);
}

/* "ftruncate, fsync EINVAL; fallocate ENODEV." */
TEST_F(refused, truncate_sync_allocate)
{
	EXPECT_EQ(-EINVAL, RET(ftruncate(self->fd, 0)));
	EXPECT_EQ(-EINVAL, RET(ftruncate(self->fd, 8)));
	EXPECT_EQ(-EINVAL, RET(fsync(self->fd)));
	EXPECT_EQ(-EINVAL, RET(fdatasync(self->fd)));
	EXPECT_EQ(-ENODEV, RET(fallocate(self->fd, 0, 0, 8)));
}

/* It is no directory. */
TEST_F(refused, directory)
{
	char buf[256];

	EXPECT_EQ(-ENOTDIR, RET(syscall(SYS_getdents64, self->fd, buf, sizeof(buf))));
	EXPECT_EQ(-ENOTDIR, RET(fchdir(self->fd)));
	EXPECT_EQ(-ENOTDIR, RET(openat(self->fd, "x", O_RDONLY)));
	EXPECT_EQ(-ENOTDIR, RET(openat(self->fd, ".", O_RDONLY)));
}

/* It is no pipe and no memfd either. */
TEST_F(refused, pipe_size_and_seals)
{
	EXPECT_EQ(-EBADF, RET(fcntl(self->fd, F_GETPIPE_SZ)));
	EXPECT_EQ(-EINVAL, RET(fcntl(self->fd, F_GET_SEALS)));
}

/* It has no attributes, and takes none. */
TEST_F(refused, attributes)
{
	char buf[16] = "x";

	EXPECT_EQ(-ENODATA, RET(fgetxattr(self->fd, "user.eventfd", buf, sizeof(buf))));
	EXPECT_EQ(-EPERM, RET(fsetxattr(self->fd, "user.eventfd", buf, 1, 0)));
}

TEST_HARNESS_MAIN
