// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not there: the kernel's fault injection makes each allocation of a call fail in
 * turn, or each copy to and from user space. Needs CONFIG=debug, debugfs and root.
 */
#include <dirent.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "module.h"

#define DEBUGFS	"/sys/kernel/debug/"
#define SLABS	"/sys/kernel/slab/"
#define CGROUPS	"/tmp/memory_test.cgroups"
#define INSTANCES "/sys/kernel/tracing/instances/"

/*
 * What has to be set, and is set back: also allocations that may wait fail; pages do not, as
 * it depends on what is cached when they are needed; and nobody writes to the console about it.
 */
static const struct knob {
	const char *path, *value;
} knobs[] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "failslab/verbose", "0" },
	/* for tasks that ask for it: all_fail() */
	{ DEBUGFS "failslab/task-filter", "Y" },
	{ DEBUGFS "failslab/times", "-1" },
	{ DEBUGFS "failslab/probability", "100" },
	{ DEBUGFS "fail_page_alloc/min-order", "20" },
	{ DEBUGFS "fail_usercopy/verbose", "0" },
};

/* Only caches that are told to fail do: all but those of who watches the others. */
#define CACHE_FILTER	DEBUGFS "failslab/cache-filter"
static const char *const watchers[] = { "kmemleak_object", "debug_objects_cache" };

struct faults {
	int nth;	/* /proc/thread-self/fail-nth */
	int all;	/* and make-it-fail: open, as to open takes memory */
	char old[ARRAY_SIZE(knobs)][16];
};

static bool put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

static bool get_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static bool watches(const char *cache)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(watchers); i++)
		if (!strcmp(cache, watchers[i]))
			return true;
	return false;
}

/*
 * Each cache, for good: without the filter it means nothing. Those that share their memory with
 * others cannot be told, hence slab_nomerge. A kernel without this directory has no watchers.
 */
static bool caches_fail(void)
{
	DIR *slabs = opendir(SLABS);
	struct dirent *cache;
	char path[320], text[4];

	if (!slabs)
		return true;
	if (!get_text(SLABS "filp/failslab", text, sizeof(text)) || text[0] == '0') {
		while ((cache = readdir(slabs))) {
			snprintf(path, sizeof(path), SLABS "%s/failslab", cache->d_name);
			if (cache->d_name[0] != '.' && !watches(cache->d_name) &&
			    !put_text(path, "1"))
				break;
		}
	} else {
		cache = NULL;
	}
	closedir(slabs);
	return !cache && put_text(CACHE_FILTER, "Y");
}

/*
 * From the first cgroup on, and for good, there are such vectors as the next one speaks of. Most
 * machines have had one; here that is not left to the suites that came before.
 */
static void have_had_a_cgroup(void)
{
	mkdir(CGROUPS, 0700);
	if (!mount("none", CGROUPS, "cgroup2", 0, NULL)) {
		put_text(CGROUPS "/cgroup.subtree_control", "+memory");
		mkdir(CGROUPS "/first", 0700);
		rmdir(CGROUPS "/first");
		umount(CGROUPS);
	}
	rmdir(CGROUPS);
}

/*
 * Nor what a cache needs now and then: a new slab takes a vector for the cgroups that pay for
 * its objects. That is one allocation more, and without it things go on.
 */
static bool vectors_do_not_fail(void)
{
	unsigned long long start, end;
	char from[32], to[32];

	if (!code_of("alloc_slab_obj_exts", &start, &end))
		return true;
	snprintf(from, sizeof(from), "%#llx", start);
	snprintf(to, sizeof(to), "%#llx", end);
	return end > start && put_text(DEBUGFS "failslab/reject-start", from) &&
	       put_text(DEBUGFS "failslab/reject-end", to);
}

static bool faults_begin(struct faults *f)
{
	size_t i;

	have_had_a_cgroup();
	f->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	f->all = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (f->nth < 0 || f->all < 0 || !caches_fail() || !vectors_do_not_fail())
		return false;
	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		if (!get_text(knobs[i].path, f->old[i], sizeof(f->old[i])) ||
		    !put_text(knobs[i].path, knobs[i].value))
			return false;
	return true;
}

/* The other way around: what makes things fail goes first. */
static void faults_end(struct faults *f)
{
	size_t i;

	for (i = ARRAY_SIZE(knobs); i-- > 0;)
		if (f->old[i][0])
			put_text(knobs[i].path, f->old[i]);
	put_text(CACHE_FILTER, "N");
}

/* From here on, the @n-th thing of this task that can fail does. */
static bool arm(struct faults *f, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	return pwrite(f->nth, text, len, 0) == len;
}

/* Whether it did. Reading and writing that file can fail as well, and then it has not. */
static bool disarm(struct faults *f)
{
	char text[16] = "";
	ssize_t n = pread(f->nth, text, sizeof(text) - 1, 0);

	while (pwrite(f->nth, "0", 1, 0) != 1)
		;
	return n > 0 && atoi(text) == 0;
}

/* From here on, every allocation of this task fails that may; or none. */
static bool all_fail(struct faults *f, bool fail)
{
	return pwrite(f->all, fail ? "1" : "0", 1, 0) == 1;
}

#define MOST	1000

/* The lowest free number, which the next descriptor will get. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

FIXTURE(memory)
{
	struct faults faults;
};

EFD_VARIANTS(memory);

FIXTURE_SETUP(memory)
{
	bool begun;

	if (geteuid() || access(DEBUGFS "failslab", X_OK))
		SKIP(return, "needs root and fault injection, as CONFIG=debug");
	/* A kernel that can do it is to do all of it: nothing is left out in silence. */
	begun = faults_begin(&self->faults);
	if (!begun)
		faults_end(&self->faults);
	ASSERT_TRUE(begun)
		TH_LOG("needs slab_nomerge and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
}

FIXTURE_TEARDOWN(memory)
{
	faults_end(&self->faults);
}

/* The number of allocations of @create. Each fails in turn, with ENOMEM, and nothing stays. */
static int failures(struct __test_metadata *_metadata, struct faults *f, int (*create)(int flags),
		    int flags)
{
	int next = next_fd(), n, fd;
	bool hit;

	for (n = 1; n < MOST; n++) {
		ASSERT_TRUE(arm(f, n));
		fd = create(flags);
		hit = disarm(f);
		if (!hit)
			break;
		ASSERT_EQ(-ENOMEM, fd);
		ASSERT_EQ(next, next_fd());
	}
	ASSERT_EQ(next, fd);
	close(fd);
	return n - 1;
}

static int create_eventfd(int flags)
{
	return efd_create(1, flags);
}

static int create_timerfd(int flags)
{
	return RET(timerfd_create(CLOCK_MONOTONIC, flags));
}

/* "ENOMEM if there is no memory for the context, the file": as a timerfd, made of as much. */
TEST_F(memory, each_allocation_of_create_can_fail)
{
	int usual = failures(_metadata, &self->faults, create_timerfd, 0), nr;

	nr = failures(_metadata, &self->faults, create_eventfd, variant->flags);
	printf("# memory: eventfd2() fails in %d ways, timerfd_create() in %d\n", nr, usual);
	fflush(stdout);
	EXPECT_LT(1, nr);
	EXPECT_EQ(usual, nr);
	EXPECT_EQ(nr, failures(_metadata, &self->faults, create_eventfd,
			       variant->flags | EFD_CLOEXEC));
}

/* Often, so that a context which is left behind is one of many for who looks for leaks. */
TEST_F(memory, failing_leaves_nothing_behind)
{
	int nr = failures(_metadata, &self->faults, create_eventfd, variant->flags), i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(nr, failures(_metadata, &self->faults, create_eventfd, variant->flags));
	}
}

enum { NO_FAULT, FAILED, DONE_ALL_THE_SAME, WRONG };

/* In a table of descriptors that is full up to its end, and has to grow: for one time only. */
static int create_with_fault(struct faults *f, int n, int flags)
{
	bool hit;
	int fd;

	f->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	do {
		fd = dup(0);
	} while (fd >= 0 && fd < 63);
	if (fd < 0 || !arm(f, n))
		return WRONG;
	fd = efd_create(0, flags);
	hit = disarm(f);
	if (fd == 64)
		return hit ? DONE_ALL_THE_SAME : NO_FAULT;
	return hit && fd == -ENOMEM && next_fd() == 64 ? FAILED : WRONG;
}

TEST_F(memory, table_of_descriptors_cannot_grow)
{
	int nr = failures(_metadata, &self->faults, create_eventfd, variant->flags);
	int n, more = 0, what = FAILED;
	pid_t pid;

	for (n = 1; what != NO_FAULT && n < MOST; n++) {
		pid = child_start();
		if (!pid)
			_exit(create_with_fault(&self->faults, n, variant->flags));
		what = child_end(pid);
		ASSERT_TRUE(what >= NO_FAULT && what < WRONG);
		more += what == FAILED;
	}
	EXPECT_LT(nr, more);
}

/* Ids are kept by the 1024: however many others have, some of these are the first of theirs. */
#define NR_IDS	1100

/* The id that @info shows, or -errno. */
static int shown_id(int info)
{
	char text[256] = "";
	ssize_t ret = RET(pread(info, text, sizeof(text) - 1, 0));
	long long id = number_after(text, "eventfd-id:", 10);

	if (ret < 0)
		return ret;
	return id < 0 ? -ENOMSG : id;
}

/*
 * The first look at many ids, as only now and then, first with the 63rd, an id needs memory. While
 * every allocation of this task fails there is none for the text either: that is from a look
 * before, when another eventfd had this number.
 */
static void first_looks(struct __test_metadata *_metadata, struct faults *f, int flags)
{
	int seen = efd_create(0, flags), fd[NR_IDS], number, info, i, id;
	struct rlimit limit = { NR_IDS + 100, NR_IDS + 100 };
	char path[64];

	ASSERT_LE(0, seen);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	number = dup(seen);
	ASSERT_LE(0, number);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", number);
	info = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, info);
	ASSERT_LE(0, shown_id(info));
	for (i = 0; i < NR_IDS; i++) {
		fd[i] = efd_create(0, flags);
		ASSERT_LE(0, fd[i]);
	}

	for (i = 0; i < NR_IDS; i++) {
		ASSERT_EQ(number, dup2(fd[i], number));
		ASSERT_TRUE(all_fail(f, true));
		id = shown_id(info);
		ASSERT_TRUE(all_fail(f, false));
		ASSERT_LE(0, id);
	}
	/* and there was none, all the while */
	ASSERT_TRUE(all_fail(f, true));
	i = efd_create(0, flags);
	ASSERT_TRUE(all_fail(f, false));
	EXPECT_EQ(-ENOMEM, i);
	for (i = 0; i < NR_IDS; i++)
		close(fd[i]);
	close(info);
	close(number);
	close(seen);
}

/* "That first look does not fail for lack of memory" */
TEST_F(memory, first_look_at_the_id_does_not_fail)
{
	first_looks(_metadata, &self->faults, variant->flags);
}

/*
 * "it waits until there is some": the allocator is told so. Who must not fail, and may not wait
 * either, has it spin.
 */
TEST_F(memory, first_look_at_the_id_may_wait)
{
	char dir[64], path[128], pid[32], line[512];
	FILE *trace;
	int nr = 0;

	snprintf(dir, sizeof(dir), INSTANCES "eventfd-%d", getpid());
	snprintf(path, sizeof(path), "%s/events/kmem/filter", dir);
	snprintf(pid, sizeof(pid), "common_pid == %d", getpid());
	if (mkdir(dir, 0700))
		SKIP(return, "needs a kernel with tracing");
	ASSERT_TRUE(put_text(path, pid));
	snprintf(path, sizeof(path), "%s/events/kmem/enable", dir);
	ASSERT_TRUE(put_text(path, "1"));
	first_looks(_metadata, &self->faults, variant->flags);
	EXPECT_TRUE(put_text(path, "0"));
	snprintf(path, sizeof(path), "%s/trace", dir);
	trace = fopen(path, "r");
	ASSERT_NE(NULL, trace);
	while (fgets(line, sizeof(line), trace)) {
		if (!strstr(line, "__GFP_NOFAIL"))
			continue;
		printf("# memory: %s", line);
		EXPECT_NE(NULL, strstr(line, "GFP_KERNEL"));
		nr++;
	}
	fclose(trace);
	fflush(stdout);
	/* stock has the ids from the beginning */
	EXPECT_TRUE(nr || !in_kallsyms("eventfd_deliver"));
	EXPECT_EQ(0, rmdir(dir));
}

/* What is left, one by one in a semaphore. */
static uint64_t left_in(int fd)
{
	efd_set_nonblock(fd, true);
	return efd_drain(fd);
}

#define SOME	5

/*
 * "Unmapped user buffer: EFAULT and the value is lost (already taken)": the same for a copy
 * that fails in the middle. Whoever copies in a way that is not made to fail has no hits.
 */
static int read_faults(struct __test_metadata *_metadata, struct faults *f, int flags,
		       ssize_t (*call)(int fd, char *buf))
{
	uint64_t share = flags & EFD_SEMAPHORE ? 1 : SOME, value;
	bool hit = true;
	char buf[16];
	ssize_t ret;
	int n, fd;

	for (n = 1; hit && n < MOST; n++) {
		fd = efd_create(SOME, flags);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(arm(f, n));
		ret = call(fd, buf);
		hit = disarm(f);
		if (hit) {
			EXPECT_EQ(-EFAULT, ret);
		} else {
			EXPECT_EQ(8, ret);
			memcpy(&value, buf, 8);
			EXPECT_EQ(share, value);
		}
		EXPECT_EQ(SOME - share, left_in(fd));
		close(fd);
	}
	return n - 2;
}

static ssize_t plain_read(int fd, char *buf)
{
	return RET(read(fd, buf, 8));
}

static ssize_t read_vector(int fd, char *buf)
{
	struct iovec iov = { buf, 8 };

	return RET(readv(fd, &iov, 1));
}

static ssize_t read_two_halves(int fd, char *buf)
{
	struct iovec iov[] = { { buf, 4 }, { buf + 4, 4 } };

	return RET(readv(fd, iov, 2));
}

TEST_F(memory, read_into_a_bad_buffer_loses_the_value)
{
	int plain = read_faults(_metadata, &self->faults, variant->flags, plain_read);

	EXPECT_LE(plain, 1);
	EXPECT_EQ(1, read_faults(_metadata, &self->faults, variant->flags, read_vector));
	EXPECT_EQ(2, read_faults(_metadata, &self->faults, variant->flags, read_two_halves));
}

/* "Bad buffer: EFAULT, nothing changes": and what a vector has added before that, stays. */
static int write_faults(struct __test_metadata *_metadata, struct faults *f, int flags,
			int segments)
{
	uint64_t amount = 2;
	struct iovec iov[] = { { &amount, 8 }, { &amount, 8 } };
	bool hit = true;
	int n, fd, done;
	ssize_t ret;

	for (n = 1; hit && n < MOST; n++) {
		fd = efd_create(SOME, flags);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(arm(f, n));
		ret = segments ? RET(writev(fd, iov, segments)) : efd_write(fd, amount);
		hit = disarm(f);
		/* the segments before the one that faults are done */
		done = hit ? n - 1 : segments ?: 1;
		EXPECT_EQ(done ? 8 * done : -EFAULT, ret);
		EXPECT_EQ(SOME + done * amount, left_in(fd));
		close(fd);
	}
	return n - 2;
}

TEST_F(memory, write_from_a_bad_buffer_changes_nothing)
{
	int plain = write_faults(_metadata, &self->faults, variant->flags, 0);

	EXPECT_LE(plain, 1);
	EXPECT_EQ(1, write_faults(_metadata, &self->faults, variant->flags, 1));
	EXPECT_EQ(2, write_faults(_metadata, &self->faults, variant->flags, 2));
}

/* "a signal from inside a wakeup": it is put off, and that takes no memory. */
TEST_F(memory, signal_inside_a_wakeup_needs_none)
{
	int fd, other, n;
	uint64_t value;
	bool hit = true;
	char path[256];

	snprintf(path, sizeof(path), "%s/efd_listen.ko", dir("MODULES", "/modules"));
	if (access(path, R_OK))
		SKIP(return, "needs %s", path);
	if (!in_kallsyms("eventfd_deliver"))
		SKIP(return, "this kernel drops a signal from inside a wakeup");
	fd = efd_create(0, variant->flags);
	other = efd_create(0, variant->flags | EFD_NONBLOCK);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d keep=1 nest=1 nests=1000 to=%d", getpid(),
			  fd, other));
	for (n = 1; hit && n < MOST; n++) {
		ASSERT_TRUE(arm(&self->faults, n));
		value = efd_write(fd, 1);
		hit = disarm(&self->faults);
		ASSERT_EQ((uint64_t)(hit ? -EFAULT : 8), value);
	}
	EXPECT_TRUE(eventually(efd_read(other, &value) == 8));
	EXPECT_EQ(1u, value);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(-EAGAIN, efd_read(other, &value));
	EXPECT_EQ(0, unload("efd_listen"));
}

TEST_HARNESS_MAIN
