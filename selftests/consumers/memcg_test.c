// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups of version 1: cgroup.event_control ties an eventfd to the usage,
 * to running out of memory and to the pressure of a cgroup.
 *
 * Needs root and the memory controller in a hierarchy of version 1, which every test
 * mounts in a name space of its own; skips without.
 */
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "device.h"

#define MIB		(1l << 20)
#define HOG_MAX		(16 * MIB)

#define USAGE		"memory.usage_in_bytes"
#define MEMSW		"memory.memsw.usage_in_bytes"
#define OOM		"memory.oom_control"
#define PRESSURE	"memory.pressure_level"
#define LIMIT		"memory.limit_in_bytes"

/* Writes to a file of the cgroup @dir: 0 or -errno. */
static int __attribute__((format(printf, 3, 4)))
cg_write(int dir, const char *file, const char *format, ...)
{
	char text[256];
	va_list args;
	int fd, len, ret;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = RET(write(fd, text, len));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* What follows @key in a file of the cgroup, the first number of it for "". */
static long cg_number(int dir, const char *file, const char *key)
{
	char text[1024];
	char *at;
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	int len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	if (len < 0)
		return -1;
	text[len] = 0;
	at = strstr(text, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static int cg_open(int dir, const char *file)
{
	return RET(openat(dir, file, O_RDONLY | O_CLOEXEC));
}

/* Ties @efd to the file @control of the cgroup: 0 or -errno. Nothing but @efd stays open. */
static int cg_register(int dir, int efd, const char *control, const char *args)
{
	int cfd = cg_open(dir, control);
	int ret = cfd;

	if (cfd >= 0) {
		ret = cg_write(dir, "cgroup.event_control", "%d %d %s", efd, cfd, args);
		close(cfd);
	}
	return ret;
}

static int cg_make(int parent, const char *name)
{
	if (mkdirat(parent, name, 0755))
		return -errno;
	return RET(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* A process that died a moment ago may still be in it. */
static bool cg_remove(int parent, const char *name)
{
	return eventually(!unlinkat(parent, name, AT_REMOVEDIR) || errno == ENOENT);
}

/* How many memory cgroups there are, removed ones that something holds on to included. */
static int nr_memcgs(void)
{
	FILE *f = fopen("/proc/cgroups", "r");
	char line[128];
	int n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "memory %*d %d", &n) != 1)
			n = -1;
	if (f)
		fclose(f);
	return n;
}

/*
 * A process in the cgroup that has as much memory as it is told to. On one processor: there,
 * two looks at the thresholds are further apart than what is charged in advance varies.
 */
struct hog {
	pid_t pid;
	int sock;
};

static void hog_main(int dir, int sock)
{
	volatile char *area;
	long has = 0, want;

	if (!use_one_cpu() || cg_write(dir, "cgroup.procs", "0"))
		_exit(1);
	area = mmap(NULL, HOG_MAX, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		_exit(2);
	madvise((void *)area, HOG_MAX, MADV_NOHUGEPAGE);
	while (write(sock, &has, sizeof(has)) == sizeof(has) &&
	       read(sock, &want, sizeof(want)) == sizeof(want)) {
		if (want < has)
			madvise((void *)(area + want), has - want, MADV_DONTNEED);
		for (; has < want; has += 4096)
			area[has] = 1;
		has = want;
	}
	_exit(0);
}

/* Waits until the hog has done what it was told: how many MiB it has then, or -1. */
static long hog_done(struct hog *hog)
{
	struct pollfd pfd = { .fd = hog->sock, .events = POLLIN };
	long has;

	if (poll(&pfd, 1, WAIT_MS) != 1 || read(hog->sock, &has, sizeof(has)) != sizeof(has))
		return -1;
	return has / MIB;
}

static bool hog_tell(struct hog *hog, long mib)
{
	long want = mib * MIB;

	return write(hog->sock, &want, sizeof(want)) == sizeof(want);
}

static bool hog_has(struct hog *hog, long mib)
{
	return hog_tell(hog, mib) && hog_done(hog) == mib;
}

static bool hog_start(struct hog *hog, int dir)
{
	int sock[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return false;
	hog->pid = child_start();
	if (!hog->pid) {
		close(sock[0]);
		hog_main(dir, sock[1]);
	}
	close(sock[1]);
	hog->sock = sock[0];
	return hog->pid > 0 && hog_done(hog) == 0;
}

static void hog_end(struct hog *hog)
{
	if (hog->pid <= 0)
		return;
	kill(hog->pid, SIGKILL);
	child_end(hog->pid);
	close(hog->sock);
	hog->pid = 0;
}

/* A hierarchy of version 1 in a directory of its own, and a cgroup in it. */
struct cg {
	char path[32];
	int root;
	int dir;
	int memcgs;
	struct hog hog;
};

static void cg_remove_all(struct cg *cg)
{
	cg_remove(cg->root, "a/b");
	cg_remove(cg->root, "a");
	cg_remove(cg->root, "c");
}

/* NULL, or why there is none. */
static const char *cg_mount(struct cg *cg)
{
	snprintf(cg->path, sizeof(cg->path), "/tmp/memcg_test.XXXXXX");
	if (geteuid())
		return "needs root";
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no mount name space";
	if (!mkdtemp(cg->path))
		return "no directory to mount on";
	/* busy as long as the last hierarchy is being dismantled, or another has the controller */
	if (!eventually(!mount("memcg_test", cg->path, "cgroup", 0, "memory") || errno != EBUSY)) {
		rmdir(cg->path);
		return "the memory controller is in another hierarchy";
	}
	cg->root = RET(open(cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (cg->root < 0 || faccessat(cg->root, "cgroup.event_control", W_OK, 0)) {
		umount2(cg->path, MNT_DETACH);
		rmdir(cg->path);
		return "no memory controller of version 1";
	}
	return NULL;
}

/*
 * The memory in it is the hog's. First goes what a test that was stopped half-way has left: the
 * hierarchy outlives its mounts.
 */
#define CG_SETUP(cg)							\
	do {								\
		const char *why_ = cg_mount(cg);			\
									\
		if (why_)						\
			SKIP(return, "%s", why_);			\
		cg_remove_all(cg);					\
		(cg)->memcgs = nr_memcgs();				\
		(cg)->dir = cg_make((cg)->root, "a");			\
		ASSERT_GE((cg)->dir, 0);				\
	} while (0)

static void cg_teardown(struct cg *cg)
{
	hog_end(&cg->hog);
	close(cg->dir);
	cg_remove_all(cg);
	close(cg->root);
	umount2(cg->path, MNT_DETACH);
	rmdir(cg->path);
}

/* What was removed is gone, but for @more. */
static bool cg_gone(struct cg *cg, int more)
{
	if (eventually(nr_memcgs() <= cg->memcgs + more))
		return true;
	printf("# %d memory cgroups, were %d\n", nr_memcgs(), cg->memcgs);
	return false;
}

FIXTURE(control)
{
	struct cg cg;
	int fd;
};

FIXTURE_SETUP(control)
{
	CG_SETUP(&self->cg);
	self->fd = efd_create(0, EFD_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(control)
{
	cg_teardown(&self->cg);
	close(self->fd);
}

FIXTURE(memcg)
{
	struct cg cg;
	int fd;
};
EFD_BLOCKING_VARIANTS(memcg);

FIXTURE_SETUP(memcg)
{
	CG_SETUP(&self->cg);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(memcg)
{
	cg_teardown(&self->cg);
	close(self->fd);
}

/* "memory.usage_in_bytes thresholds up and down" */
TEST_F(memcg, threshold_signals_on_the_way_up_and_down)
{
	struct cg *cg = &self->cg;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_TRUE(hog_has(&cg->hog, 2));
	EXPECT_EQ(0, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(1, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 12));
	EXPECT_EQ(0, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(1, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(3, efd_drain(self->fd));
}

TEST_F(memcg, several_thresholds_share_one_eventfd)
{
	struct cg *cg = &self->cg;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	/* out of order, and one twice */
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "9M"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "3M"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "6M"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "6M"));
	ASSERT_TRUE(hog_has(&cg->hog, 4));
	EXPECT_EQ(1, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 12));
	EXPECT_EQ(3, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(4, efd_drain(self->fd));
}

TEST_F(control, threshold_that_was_passed_before_does_not_signal)
{
	struct cg *cg = &self->cg;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(0, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(1, efd_drain(self->fd));
}

TEST_F(control, threshold_of_memory_and_swap_signals)
{
	struct cg *cg = &self->cg;

	if (faccessat(cg->dir, MEMSW, R_OK, 0))
		SKIP(return, "no " MEMSW ", which takes CONFIG_SWAP");
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, MEMSW, "4M"));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(1, efd_drain(self->fd));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(1, efd_drain(self->fd));
}

/* The thresholds of a cgroup count what is in the cgroups below as well. */
TEST_F(control, threshold_counts_cgroups_below)
{
	struct cg *cg = &self->cg;
	int b = cg_make(cg->dir, "b");

	ASSERT_GE(b, 0);
	ASSERT_TRUE(hog_start(&cg->hog, b));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_EQ(0, cg_register(b, self->fd, USAGE, "4M"));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(2, efd_drain(self->fd));
	close(b);
}

/* "adds and saturates at ULLONG_MAX" */
TEST_F(memcg, signal_saturates_a_full_eventfd)
{
	struct cg *cg = &self->cg;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_TRUE(efd_is_saturated(self->fd, variant->flags));
}

/* The user's own reads and writes wake the kernel's callback too, and end nothing. */
TEST_F(control, user_writes_and_reads_leave_it_registered)
{
	struct cg *cg = &self->cg;
	int i, again;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(8, efd_write(self->fd, i));
		ASSERT_EQ(i, efd_drain(self->fd));
	}
	/* the last descriptor counts, not the one that was registered */
	again = dup(self->fd);
	ASSERT_GE(again, 0);
	close(self->fd);
	sleep_ms(QUIET_MS);
	ASSERT_EQ(8, efd_write(again, 5));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(6, efd_drain(again));
	self->fd = again;
}

TEST_F(control, signal_is_an_edge_for_epoll)
{
	int ep = watch(self->fd, EPOLLIN | EPOLLET);
	struct cg *cg = &self->cg;

	ASSERT_GE(ep, 0);
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	EXPECT_EQ(0, watched(ep, 0));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
	EXPECT_EQ(0, watched(ep, 0));
	/* nobody has read: every signal is an edge all the same */
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
	EXPECT_EQ(0, watched(ep, 0));
	EXPECT_EQ(2, efd_drain(self->fd));
	close(ep);
}

/* "OOM event delivered with oom_kill_disable", to who was there before, during and after. */
TEST_F(memcg, running_out_of_memory_signals)
{
	struct cg *cg = &self->cg;
	int during = efd_create(0, variant->flags);
	int after = efd_create(0, variant->flags);
	long long n;

	ASSERT_EQ(0, cg_write(cg->dir, LIMIT, "4M"));
	ASSERT_EQ(0, cg_write(cg->dir, OOM, "1"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, OOM, ""));
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(0, efd_drain(self->fd));
	ASSERT_TRUE(hog_tell(&cg->hog, 8));
	ASSERT_TRUE(eventually(efd_events(self->fd, POLLIN)));
	/* the hog sleeps in its page fault; the kernel may have it try again */
	EXPECT_GE(efd_drain(self->fd), 1);
	ASSERT_TRUE(eventually(cg_number(cg->dir, OOM, "under_oom ") == 1));
	ASSERT_EQ(0, cg_register(cg->dir, during, OOM, "whatever is said here"));
	n = efd_drain(during);
	EXPECT_GE(n, 1);
	EXPECT_LE(n, 2);

	ASSERT_EQ(0, cg_write(cg->dir, LIMIT, "%ld", HOG_MAX));
	EXPECT_EQ(8, hog_done(&cg->hog));
	EXPECT_TRUE(eventually(cg_number(cg->dir, OOM, "under_oom ") == 0));
	efd_drain(self->fd);
	ASSERT_EQ(0, cg_register(cg->dir, after, OOM, ""));
	EXPECT_EQ(0, efd_drain(after));
	EXPECT_EQ(0, efd_drain(self->fd));
	close(during);
	close(after);
}

/* Out of memory in a cgroup is told to the cgroups below, not to those above and beside. */
TEST_F(control, running_out_of_memory_signals_downwards)
{
	struct cg *cg = &self->cg;
	int above = efd_create(0, 0);
	int beside = efd_create(0, 0);
	int b = cg_make(cg->dir, "b");
	int c = cg_make(cg->root, "c");

	ASSERT_GE(b, 0);
	ASSERT_GE(c, 0);
	ASSERT_EQ(0, cg_write(cg->dir, LIMIT, "4M"));
	ASSERT_EQ(0, cg_write(cg->dir, OOM, "1"));
	ASSERT_EQ(0, cg_register(cg->root, above, OOM, ""));
	ASSERT_EQ(0, cg_register(b, self->fd, OOM, ""));
	ASSERT_EQ(0, cg_register(c, beside, OOM, ""));
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_TRUE(hog_tell(&cg->hog, 8));
	EXPECT_TRUE(eventually(efd_events(self->fd, POLLIN)));
	EXPECT_EQ(0, efd_drain(above));
	EXPECT_EQ(0, efd_drain(beside));
	close(above);
	close(beside);
	close(b);
	close(c);
}

/* Reclaims in a cgroup that has nothing to give: that is critical pressure. */
static bool press(int dir)
{
	return !cg_write(dir, "memory.force_empty", "0");
}

TEST_F(control, pressure_signals_all_levels_up_to_its_own)
{
	static const char *const level[] = { "low", "medium", "critical" };
	struct cg *cg = &self->cg;
	int fd[3], i;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	for (i = 0; i < 3; i++) {
		fd[i] = efd_create(0, 0);
		ASSERT_EQ(0, cg_register(cg->dir, fd[i], PRESSURE, level[i]));
	}
	sleep_ms(QUIET_MS);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, efd_drain(fd[i]));
	}
	ASSERT_TRUE(press(cg->dir));
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(eventually(efd_drain(fd[i]) > 0)) TH_LOG("no signal for %s", level[i]);
	}
	for (i = 0; i < 3; i++)
		close(fd[i]);
}

/* Which cgroups hear of pressure further down depends on the mode they asked for. */
TEST_F(control, pressure_goes_up_as_its_mode_says)
{
	static const char *const mode[] = { "low", "low,hierarchy", "low,local" };
	struct cg *cg = &self->cg;
	int b = cg_make(cg->dir, "b");
	int fd[3], i;

	ASSERT_GE(b, 0);
	ASSERT_TRUE(hog_start(&cg->hog, b));
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	for (i = 0; i < 3; i++) {
		fd[i] = efd_create(0, 0);
		ASSERT_EQ(0, cg_register(cg->dir, fd[i], PRESSURE, mode[i]));
	}
	ASSERT_TRUE(press(b));
	EXPECT_TRUE(eventually(efd_events(fd[0], POLLIN) && efd_events(fd[1], POLLIN)));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(0, efd_drain(fd[2]));
	efd_drain(fd[0]);
	efd_drain(fd[1]);

	/* somebody below who listens keeps it from those above that did not insist */
	ASSERT_EQ(0, cg_register(b, self->fd, PRESSURE, "low"));
	ASSERT_TRUE(press(b));
	EXPECT_TRUE(eventually(efd_events(self->fd, POLLIN) && efd_events(fd[1], POLLIN)));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(0, efd_drain(fd[0]));
	EXPECT_EQ(0, efd_drain(fd[2]));
	for (i = 0; i < 3; i++)
		close(fd[i]);
	close(b);
}

/* "rmdir signals what remains", once for each registration. */
TEST_F(memcg, rmdir_signals_what_remains)
{
	struct cg *cg = &self->cg;
	int other = efd_create(0, variant->flags);
	int gone = efd_create(0, variant->flags);
	int stays = dup(gone);
	int inbox = dup(other);

	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "5M"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, OOM, ""));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, PRESSURE, "low"));
	ASSERT_EQ(0, cg_register(cg->dir, other, PRESSURE, "low"));
	ASSERT_EQ(0, cg_register(cg->dir, gone, USAGE, "4M"));
	close(gone);
	close(other);
	EXPECT_EQ(0, efd_drain(self->fd));
	close(cg->dir);
	cg->dir = -1;
	ASSERT_TRUE(cg_remove(cg->root, "a"));
	EXPECT_EQ(4, efd_drain_to(self->fd, 4));
	EXPECT_EQ(1, efd_drain_to(inbox, 1));
	EXPECT_EQ(1, efd_drain_to(stays, 1));
	/* and the cgroup is let go */
	EXPECT_TRUE(cg_gone(cg, 0));
	/* they are eventfds like any other again */
	ASSERT_EQ(8, efd_write(self->fd, 3));
	EXPECT_EQ(3, efd_drain(self->fd));
	close(stays);
	close(inbox);
}

/* The first of several with an eventfd of its own goes, and takes none of the others with it. */
TEST_F(control, closing_one_leaves_the_others)
{
	struct cg *cg = &self->cg;
	int first = efd_create(0, 0);
	int last = efd_create(0, 0);

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, first, USAGE, "3M"));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_EQ(0, cg_register(cg->dir, last, USAGE, "5M"));
	close(first);
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(1, efd_drain(self->fd));
	close(last);
	ASSERT_TRUE(hog_has(&cg->hog, 1));
	EXPECT_EQ(1, efd_drain(self->fd));
}

/*
 * A signal comes with interrupts off and may have more to do than to wake: a poll by aio
 * that sees it tells another eventfd.
 */
TEST_F(control, signal_completes_a_poll_that_signals_another)
{
	struct cg *cg = &self->cg;
	int other = efd_create(0, 0);
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = self->fd,
		.aio_buf = POLLIN,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = other,
	}, *cbs = &cb;
	aio_context_t ctx = 0;

	ASSERT_EQ(0, RET(syscall(SYS_io_setup, 4, &ctx)));
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	/* in both: who polls first must not keep it from the other */
	ASSERT_EQ(0, cg_register(cg->dir, other, USAGE, "4M"));
	ASSERT_EQ(1, RET(syscall(SYS_io_submit, ctx, 1, &cbs)));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(1, efd_drain(self->fd));
	EXPECT_EQ(2, efd_drain_to(other, 2));
	close(other);
}

TEST_F(memcg, threshold_wakes_a_reader)
{
	struct worker w = { .fd = self->fd };
	struct cg *cg = &self->cg;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
	EXPECT_EQ(0, efd_drain(self->fd));
}

TEST_F(memcg, running_out_of_memory_wakes_a_reader)
{
	struct worker w = { .fd = self->fd };
	struct cg *cg = &self->cg;

	ASSERT_EQ(0, cg_write(cg->dir, LIMIT, "4M"));
	ASSERT_EQ(0, cg_write(cg->dir, OOM, "1"));
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, OOM, ""));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_TRUE(hog_tell(&cg->hog, 8));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

TEST_F(memcg, rmdir_wakes_a_reader)
{
	struct worker w = { .fd = self->fd };
	struct cg *cg = &self->cg;

	ASSERT_EQ(0, cg_register(cg->dir, self->fd, PRESSURE, "medium"));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_TRUE(cg_remove(cg->root, "a"));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* One who waits for room stays asleep: a signal makes none. */
TEST_F(memcg, signal_leaves_a_writer_asleep)
{
	struct worker w = { .fd = self->fd, .value = 2 };
	struct cg *cg = &self->cg;
	uint64_t value;

	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_TRUE(eventually(sleeps_in(w.tid, SYS_write)));
	EXPECT_FALSE(w.done);
	/* a semaphore gives its room away one by one */
	while (!w.done && efd_events(self->fd, POLLIN) && efd_read(self->fd, &value) == 8)
		sleep_ms(1);
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
}

static int write_text(struct cg *cg, const char *text)
{
	return cg_write(cg->dir, "cgroup.event_control", "%s", text);
}

static int write_pair(struct cg *cg, int efd, int cfd, const char *args)
{
	return cg_write(cg->dir, "cgroup.event_control", "%d %d%s", efd, cfd, args);
}

TEST_F(control, refuses_what_is_no_eventfd)
{
	struct cg *cg = &self->cg;
	int cfd = cg_open(cg->dir, USAGE);

	ASSERT_GE(cfd, 0);
	EXPECT_STREQ("", refuses_wrong_fds(0, write_pair(cg, fd, cfd, " 4M")));
	/* a minus sign is no digit */
	EXPECT_EQ(-EINVAL, write_pair(cg, -1, cfd, " 4M"));
	EXPECT_EQ(-EBADF, write_pair(cg, 1 << 30, cfd, " 4M"));
	EXPECT_EQ(-EINVAL, write_pair(cg, cfd, cfd, " 4M"));
	/* the right one still works */
	ASSERT_EQ(0, write_pair(cg, self->fd, cfd, " 4M"));
	close(cfd);
	ASSERT_TRUE(cg_remove(cg->root, "a"));
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	EXPECT_TRUE(cg_gone(cg, 0));
}

/* Each refusal has already taken the eventfd, and must let it go. */
TEST_F(control, refuses_wrong_control_files)
{
	struct cg *cg = &self->cg;
	int good = cg_open(cg->dir, USAGE);
	int limit = cg_open(cg->dir, LIMIT);
	int foreign = cg_open(cg->root, USAGE);
	struct leaks leaks;
	struct wrong wrong;
	int i, j, efd;

	ASSERT_GE(good, 0);
	ASSERT_GE(limit, 0);
	ASSERT_GE(foreign, 0);
	ASSERT_TRUE(leaks_begin(&leaks));
	ASSERT_TRUE(wrong_open(&wrong));
	for (i = 0; i < NR_LEAKS; i++) {
		efd = leaks_next(&leaks, 0);
		ASSERT_GE(efd, 0);
		/* of no file, of no cgroup's, and of a cgroup's that has no events */
		j = i % (NR_WRONG + 3);
		switch (i % (NR_WRONG + 3)) {
		case NR_WRONG:
			ASSERT_EQ(-EINVAL, write_pair(cg, efd, limit, " 4M"));
			break;
		case NR_WRONG + 1:
			ASSERT_EQ(-EINVAL, write_pair(cg, efd, foreign, " 4M"));
			break;
		case NR_WRONG + 2:
			ASSERT_EQ(-EINVAL, write_pair(cg, efd, cg->dir, " 4M"));
			break;
		default:
			ASSERT_EQ(wrong.of[j].error, write_pair(cg, efd, wrong.of[j].fd, " 4M"));
		}
		close(efd);
	}
	EXPECT_STREQ("", wrong_close(&wrong));
	EXPECT_TRUE(leaks_none(&leaks));
	ASSERT_EQ(0, write_pair(cg, self->fd, good, " 4M"));
	EXPECT_EQ(0, efd_drain(self->fd));
	close(good);
	close(limit);
	close(foreign);
}

TEST_F(control, refuses_malformed_strings)
{
	static const char *const bad[] = { " ",	  "x",	  "3",	   "3 x",  "x 3",
					   "3,3", "3 3x", "-1 -1", "3\t3", "0x3 3" };
	struct cg *cg = &self->cg;
	int cfd = cg_open(cg->dir, USAGE);
	int oom = cg_open(cg->dir, OOM);
	int pressure = cg_open(cg->dir, PRESSURE);
	unsigned int i;

	ASSERT_GE(cfd, 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(-EINVAL, write_text(cg, bad[i])) TH_LOG("'%s'", bad[i]);
	}
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, cfd, " x"));
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, cfd, " 4Mx"));
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, pressure, ""));
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, pressure, " x"));
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, pressure, " low,x"));
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, pressure, " low x"));
	/* and these will do */
	EXPECT_EQ(0, write_pair(cg, self->fd, cfd, ""));
	EXPECT_EQ(0, write_pair(cg, self->fd, cfd, " 4M \n"));
	EXPECT_EQ(0, write_pair(cg, self->fd, cfd, " -1"));
	EXPECT_EQ(0, write_pair(cg, self->fd, oom, ""));
	EXPECT_EQ(0, write_pair(cg, self->fd, pressure, " critical,hierarchy"));
	close(cfd);
	close(oom);
	close(pressure);
	ASSERT_TRUE(cg_remove(cg->root, "a"));
	/* what was refused is not there */
	EXPECT_EQ(5, efd_drain_to(self->fd, 5));
}

TEST_F(control, wants_a_control_file_that_the_writer_may_read)
{
	struct cg *cg = &self->cg;
	int cfd = cg_open(cg->dir, OOM);
	int pid;

	ASSERT_GE(cfd, 0);
	ASSERT_EQ(0, fchmod(cfd, 0));
	ASSERT_EQ(0, chmod(cg->path, 0755));
	pid = child_start();
	if (!pid) {
		if (syscall(SYS_setresuid, 65534, 65534, 65534))
			_exit(255);
		_exit(-write_pair(cg, self->fd, cfd, ""));
	}
	EXPECT_EQ(EACCES, child_end(pid));
	EXPECT_EQ(0, write_pair(cg, self->fd, cfd, ""));
	close(cfd);
}

TEST_F(control, refuses_a_removed_cgroup)
{
	struct cg *cg = &self->cg;
	int c = cg_make(cg->root, "c");
	int other = cg_open(c, OOM);
	int cfd = cg_open(cg->dir, OOM);
	int control = openat(cg->dir, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
	char text[64];
	int len;

	ASSERT_GE(control, 0);
	ASSERT_GE(other, 0);
	ASSERT_TRUE(cg_remove(cg->root, "c"));
	/* the control file of one that is gone */
	EXPECT_EQ(-EINVAL, write_pair(cg, self->fd, other, ""));
	ASSERT_TRUE(cg_remove(cg->root, "a"));
	len = snprintf(text, sizeof(text), "%d %d", self->fd, cfd);
	EXPECT_EQ(-ENODEV, RET(write(control, text, len)));
	EXPECT_EQ(0, efd_drain(self->fd));
	close(control);
	close(other);
	close(cfd);
	close(c);
	close(cg->dir);
	cg->dir = -1;
	EXPECT_TRUE(cg_gone(cg, 0));
}

/* "close removes it (EPOLLHUP)": all that is registered here is closed while the cgroup lives. */
TEST_F(control, close_ends_the_registration)
{
	static const char *const control[] = { OOM, PRESSURE, OOM };
	struct cg *cg = &self->cg;
	struct leaks leaks;
	int i, efd;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < NR_LEAKS; i++) {
		efd = leaks_next(&leaks, 0);
		ASSERT_GE(efd, 0);
		ASSERT_EQ(0, cg_register(cg->dir, efd, control[i % 3], "low"));
		if (i % 3 == 2) {
			ASSERT_EQ(0, cg_register(cg->dir, efd, PRESSURE, "low"));
		}
		close(efd);
	}
	EXPECT_TRUE(leaks_none(&leaks));
	/* what was closed does not hold the cgroup either */
	close(cg->dir);
	cg->dir = -1;
	ASSERT_TRUE(cg_remove(cg->root, "a"));
	EXPECT_TRUE(cg_gone(cg, 0));
}

/* The end of a process closes its eventfds as well. */
TEST_F(control, end_of_the_process_ends_the_registration)
{
	struct cg *cg = &self->cg;
	int pid, i;

	for (i = 0; i < 4; i++) {
		pid = child_start();
		if (!pid) {
			int efd = efd_create(0, 0);

			_exit(cg_register(cg->dir, efd, USAGE, "4M") ||
			      cg_register(cg->dir, efd, OOM, ""));
		}
		ASSERT_EQ(0, child_end(pid));
	}
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "4M"));
	ASSERT_TRUE(hog_has(&cg->hog, 8));
	EXPECT_EQ(1, efd_drain(self->fd));
}

/* @arg tells when. */
static void worker_close(struct worker *w)
{
	_Atomic bool *now = w->arg;

	while (!*now)
		sched_yield();
	w->ret = RET(close(w->fd));
}

/* rmdir and close, each of which takes the registration down, at the same time. */
TEST_F(control, close_races_with_rmdir)
{
	struct cg *cg = &self->cg;
	int i, c;

	for (i = 0; i < 25; i++) {
		_Atomic bool now = false;
		struct worker w = { .fd = efd_create(0, 0), .arg = &now };

		c = cg_make(cg->root, "c");
		ASSERT_GE(c, 0);
		ASSERT_EQ(0, cg_register(c, w.fd, i & 1 ? OOM : PRESSURE, "low"));
		ASSERT_EQ(0, cg_register(c, w.fd, OOM, "low"));
		close(c);
		ASSERT_TRUE(worker_start(&w, worker_close));
		now = true;
		spin(i * 40);
		ASSERT_TRUE(cg_remove(cg->root, "c"));
		ASSERT_TRUE(worker_join(&w));
		EXPECT_EQ(0, w.ret);
	}
	EXPECT_TRUE(cg_gone(cg, 1));
}

/* close while the thresholds are being passed. */
TEST_F(control, close_races_with_signals)
{
	struct cg *cg = &self->cg;
	int i, efd;

	ASSERT_EQ(0, cg_register(cg->dir, self->fd, USAGE, "2M"));
	ASSERT_TRUE(hog_start(&cg->hog, cg->dir));
	for (i = 0; i < 20; i++) {
		efd = efd_create(0, 0);
		ASSERT_EQ(0, cg_register(cg->dir, efd, USAGE, "2M"));
		ASSERT_TRUE(hog_tell(&cg->hog, i & 1 ? 0 : 4));
		spin(i * 1000);
		close(efd);
		ASSERT_EQ(i & 1 ? 0 : 4, hog_done(&cg->hog));
	}
	EXPECT_EQ(20, efd_drain(self->fd));
}

TEST_HARNESS_MAIN
