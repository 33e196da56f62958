// SPDX-License-Identifier: GPL-2.0
/* Readiness as poll, ppoll, select and pselect see it, and waiting for it. */
#include "eventfd.h"

#include <stdatomic.h>
#include <sys/select.h>

#define ALL_EVENTS \
	(POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLRDHUP)

/* How long a race is provoked; milliseconds. */
#define HAMMER_MS	150

/*
 * The system calls that wait. They are called without libc, which would pick
 * another one: a task is looked up by the number of the call it sleeps in.
 * Newer architectures have neither poll nor select.
 */
#ifdef SYS_ppoll_time64
#define NR_PPOLL	SYS_ppoll_time64
#else
#define NR_PPOLL	SYS_ppoll
#endif

#ifdef SYS_poll
#define NR_POLL		SYS_poll
#else
#define NR_POLL		NR_PPOLL
#endif

#ifdef SYS_pselect6_time64
#define NR_PSELECT	SYS_pselect6_time64
#else
#define NR_PSELECT	SYS_pselect6
#endif

#if defined(SYS__newselect)
#define NR_SELECT	SYS__newselect
#elif defined(SYS_select)
#define NR_SELECT	SYS_select
#else
#define NR_SELECT	NR_PSELECT
#endif

struct timespec64 {
	long long sec, nsec;
};

static struct timespec64 timespec64_of(int ms)
{
	return (struct timespec64){ ms / 1000, (ms % 1000) * 1000000ll };
}

/* Each returns how many are ready or -errno, and waits for ever if @ms is negative. */
static int sys_ppoll(struct pollfd *pfd, unsigned int n, int ms)
{
	struct timespec64 ts = timespec64_of(ms);

	return RET(syscall(NR_PPOLL, pfd, n, ms < 0 ? NULL : &ts, NULL, 0));
}

static int sys_poll(struct pollfd *pfd, unsigned int n, int ms)
{
	if (NR_POLL == NR_PPOLL)
		return sys_ppoll(pfd, n, ms);
	return RET(syscall(NR_POLL, pfd, n, ms));
}

static int sys_pselect(int n, fd_set *in, fd_set *out, fd_set *except, int ms)
{
	struct timespec64 ts = timespec64_of(ms);

	return RET(syscall(NR_PSELECT, n, in, out, except, ms < 0 ? NULL : &ts, NULL));
}

static int sys_select(int n, fd_set *in, fd_set *out, fd_set *except, int ms)
{
	long tv[2] = { ms / 1000, (ms % 1000) * 1000l };

	if (NR_SELECT == NR_PSELECT)
		return sys_pselect(n, in, out, except, ms);
	return RET(syscall(NR_SELECT, n, in, out, except, ms < 0 ? NULL : tv));
}

/*
 * The same question put to each of them: waits for @events of @fd, and returns
 * those that hold, or -errno. The three sets of select are IN, OUT and PRI.
 */
static int wait_poll(int fd, int events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret = sys_poll(&pfd, 1, ms);

	return ret < 0 ? ret : pfd.revents;
}

static int wait_ppoll(int fd, int events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret = sys_ppoll(&pfd, 1, ms);

	return ret < 0 ? ret : pfd.revents;
}

static int wait_in_sets(int (*call)(int n, fd_set *in, fd_set *out, fd_set *except, int ms), int fd,
			int events, int ms)
{
	fd_set in, out, except;
	int ret;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	if (events & POLLIN)
		FD_SET(fd, &in);
	if (events & POLLOUT)
		FD_SET(fd, &out);
	if (events & POLLPRI)
		FD_SET(fd, &except);
	ret = call(fd + 1, &in, &out, &except, ms);
	if (ret < 0)
		return ret;
	return (FD_ISSET(fd, &in) ? POLLIN : 0) | (FD_ISSET(fd, &out) ? POLLOUT : 0) |
	       (FD_ISSET(fd, &except) ? POLLPRI : 0);
}

static int wait_select(int fd, int events, int ms)
{
	return wait_in_sets(sys_select, fd, events, ms);
}

static int wait_pselect(int fd, int events, int ms)
{
	return wait_in_sets(sys_pselect, fd, events, ms);
}

struct way {
	int (*wait)(int fd, int events, int ms);
	long nr;
};

static const struct way ways[] = {
	{ wait_poll, NR_POLL },
	{ wait_ppoll, NR_PPOLL },
	{ wait_select, NR_SELECT },
	{ wait_pselect, NR_PSELECT },
};

enum { POLL, PPOLL, SELECT, PSELECT, NR_WAYS };

/* A worker that waits without a timeout for the events in @value; its @arg is the way. */
static void worker_wait(struct worker *w)
{
	const struct way *way = w->arg;

	w->ret = way->wait(w->fd, w->value, -1);
}

static bool waiter_start_asleep(struct worker *w, const struct way *way, int fd, int events)
{
	w->fd = fd;
	w->value = events;
	w->arg = (void *)way;
	return worker_start_asleep(w, worker_wait, way->nr);
}

/*
 * What is ready, asked without waiting.
 */
FIXTURE(ready)
{
	int fd;
};

EFD_VARIANTS(ready);

FIXTURE_SETUP(ready)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(ready)
{
	close(self->fd);
}

/* "POLLIN: counter > 0. POLLOUT: counter < 0xfffffffffffffffe.": at 0 only the second. */
TEST_F(ready, zero_can_be_written)
{
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "POLLIN: counter > 0. POLLOUT: counter < 0xfffffffffffffffe.": at 1 both. */
TEST_F(ready, one_can_be_read_and_written)
{
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN | POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "At MAX-1 only POLLIN." */
TEST_F(ready, full_can_be_read)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "POLLIN: counter > 0. POLLOUT: counter < 0xfffffffffffffffe. All 64 bits count." */
TEST_F(ready, all_64_bits_count)
{
	unsigned int bit;
	uint64_t count;
	short want;
	int fd;

	for (bit = 0; bit <= 64; bit++) {
		count = bit < 64 ? UINT64_C(1) << bit : EFD_MAX - 1;
		want = POLLIN | POLLOUT;
		fd = efd_create(0, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, count));
		EXPECT_EQ(want, efd_events(fd, POLLIN | POLLOUT)) TH_LOG("bit %u", bit);
		/* Fill it up: whatever is left of the way to MAX-1. */
		ASSERT_EQ(8, efd_write(fd, EFD_MAX - count));
		EXPECT_EQ(POLLIN, efd_events(fd, POLLIN | POLLOUT)) TH_LOG("bit %u", bit);
		close(fd);
	}
}

/* "POLLIN: counter > 0.": the initial value counts. */
TEST_F(ready, initial_value_can_be_read)
{
	static const unsigned int initial[] = { 1, 0x80000000, 0xffffffff };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(initial); i++) {
		fd = efd_create(initial[i], variant->flags);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(POLLIN | POLLOUT, efd_events(fd, POLLIN | POLLOUT));
		close(fd);
	}
}

/* "POLLIN: counter > 0.": after a read it depends on what the read has left. */
TEST_F(ready, read_takes_readiness_away)
{
	const bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(semaphore ? POLLIN : 0, efd_events(self->fd, POLLIN));
	if (semaphore) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(0, efd_events(self->fd, POLLIN));
	}
}

/* "POLLOUT: counter < 0xfffffffffffffffe.": one read is enough, whatever it takes. */
TEST_F(ready, read_makes_room)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, efd_events(self->fd, POLLOUT));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLOUT));
}

/* "POLLIN: counter > 0.": a write of zero does not make it so. */
TEST_F(ready, write_of_zero_changes_nothing)
{
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "Never RDNORM, WRNORM, PRI, HUP, RDHUP.": HUP and ERR come unasked, if they come. */
TEST_F(ready, other_events_never_hold)
{
	ASSERT_EQ(POLLOUT, efd_events(self->fd, ALL_EVENTS));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(POLLIN | POLLOUT, efd_events(self->fd, ALL_EVENTS));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	ASSERT_EQ(POLLIN, efd_events(self->fd, ALL_EVENTS));
}

/* "POLLIN: counter > 0. POLLOUT: ...": only what was asked for is reported. */
TEST_F(ready, only_events_asked_for)
{
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLOUT));
	EXPECT_EQ(0, efd_events(self->fd, 0));
}

/* "POLLIN: counter > 0.": to ask takes nothing from it. */
TEST_F(ready, asking_takes_nothing)
{
	uint64_t value = 0;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(POLLIN | POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(1u, value);
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
}

/* "Never RDNORM, WRNORM, PRI": select's third set stays empty; so do sets not asked for. */
TEST_F(ready, select_sets)
{
	const int all = POLLIN | POLLOUT | POLLPRI;
	int i;

	for (i = SELECT; i <= PSELECT; i++) {
		int (*wait)(int fd, int events, int ms) = ways[i].wait;
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		EXPECT_EQ(POLLOUT, wait(fd, all, 0));
		EXPECT_EQ(0, wait(fd, POLLIN | POLLPRI, 0));
		ASSERT_EQ(8, efd_write(fd, 1));
		EXPECT_EQ(POLLIN | POLLOUT, wait(fd, all, 0));
		EXPECT_EQ(POLLIN, wait(fd, POLLIN, 0));
		EXPECT_EQ(POLLOUT, wait(fd, POLLOUT, 0));
		EXPECT_EQ(0, wait(fd, POLLPRI, 0));
		ASSERT_EQ(8, efd_write(fd, EFD_MAX - 1));
		EXPECT_EQ(POLLIN, wait(fd, all, 0));
		EXPECT_EQ(0, wait(fd, POLLOUT | POLLPRI, 0));
		close(fd);
	}
}

/* select counts bits, not descriptors: one eventfd in two sets counts twice. */
TEST_F(ready, select_counts_bits)
{
	fd_set in, out;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(self->fd, &in);
	FD_SET(self->fd, &out);
	EXPECT_EQ(2, sys_select(self->fd + 1, &in, &out, NULL, 0));
}

/* "Copies share the readiness" */
TEST_F(ready, shared_by_dup)
{
	int fd = dup(self->fd);
	uint64_t value;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN | POLLOUT, efd_events(fd, POLLIN | POLLOUT));
	ASSERT_EQ(8, efd_read(fd, &value));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	close(fd);
}

/* "POLLIN: counter > 0.": of each counter for itself, many in one call. */
TEST_F(ready, each_of_many_for_itself)
{
	enum { MANY = 64 };
	struct pollfd pfd[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		pfd[i].fd = efd_create(0, variant->flags);
		pfd[i].events = POLLIN;
		ASSERT_GE(pfd[i].fd, 0);
		if (i % 3 == 0)
			ASSERT_EQ(8, efd_write(pfd[i].fd, 1 + i));
	}
	EXPECT_EQ((MANY + 2) / 3, sys_poll(pfd, MANY, 0));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(i % 3 ? 0 : POLLIN, pfd[i].revents) TH_LOG("eventfd %d", i);
	}
}

/*
 * Waiting, in each of the four calls. O_NONBLOCK is about read and write, so it
 * must not make a difference to any of this.
 */
FIXTURE(wait)
{
	const struct way *way;
	int fd;
};

FIXTURE_VARIANT(wait)
{
	int way, flags;
};

FIXTURE_VARIANT_ADD(wait, poll) { POLL, 0 };
FIXTURE_VARIANT_ADD(wait, poll_semaphore_nonblock) { POLL, EFD_SEMAPHORE | EFD_NONBLOCK };
FIXTURE_VARIANT_ADD(wait, ppoll_semaphore) { PPOLL, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(wait, ppoll_nonblock) { PPOLL, EFD_NONBLOCK };
FIXTURE_VARIANT_ADD(wait, select) { SELECT, 0 };
FIXTURE_VARIANT_ADD(wait, select_semaphore_nonblock) { SELECT, EFD_SEMAPHORE | EFD_NONBLOCK };
FIXTURE_VARIANT_ADD(wait, pselect_semaphore) { PSELECT, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(wait, pselect_nonblock) { PSELECT, EFD_NONBLOCK };

FIXTURE_SETUP(wait)
{
	self->way = &ways[variant->way];
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(wait)
{
	close(self->fd);
}

/* "Every write wakes all pollers with EPOLLIN" */
TEST_F(wait, write_wakes)
{
	struct worker w = {};

	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLIN));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(POLLIN, w.ret);
}

/* "every successful read with EPOLLOUT" */
TEST_F(wait, read_wakes)
{
	struct worker w = {};
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLOUT));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(POLLOUT, w.ret);
}

/* "What is ready is not waited for" */
TEST_F(wait, no_sleep_when_ready)
{
	EXPECT_EQ(POLLOUT, self->way->wait(self->fd, POLLIN | POLLOUT, WAIT_MS));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(POLLIN, self->way->wait(self->fd, POLLIN, WAIT_MS));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	EXPECT_EQ(POLLIN, self->way->wait(self->fd, POLLIN | POLLOUT, WAIT_MS));
}

/* Nothing comes: the wait ends at its timeout and not before. */
TEST_F(wait, timeout)
{
	uint64_t start = now_ms();

	ASSERT_EQ(0, self->way->wait(self->fd, POLLIN, 0));
	ASSERT_EQ(0, self->way->wait(self->fd, POLLIN, 30));
	/* The clock of now_ms() is cut off to milliseconds. */
	EXPECT_LE(start + 29, now_ms());
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	start = now_ms();
	ASSERT_EQ(0, self->way->wait(self->fd, POLLOUT, 30));
	EXPECT_LE(start + 29, now_ms());
}

/*
 * "Every write wakes all pollers with EPOLLIN, zero writes ... included": the
 * poller goes to sleep once more, having found the counter at zero still.
 */
TEST_F(wait, write_of_zero_wakes_in_vain)
{
	struct worker w = {};
	long sleeps;
	int i;

	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLIN));
	for (i = 0; i < 3; i++) {
		sleeps = nr_sleeps(w.tid);
		ASSERT_EQ(8, efd_write(self->fd, 0));
		ASSERT_TRUE(eventually(nr_sleeps(w.tid) > sleeps));
		ASSERT_TRUE(eventually(sleeps_in(w.tid, self->way->nr)));
		ASSERT_FALSE(w.done);
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(POLLIN, w.ret);
}

/* "Every write wakes all pollers with EPOLLIN": so those that wait for POLLOUT sleep on. */
TEST_F(wait, write_does_not_wake_for_pollout)
{
	struct worker w = {};
	uint64_t value;
	long sleeps;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLOUT));
	sleeps = nr_sleeps(w.tid);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 0));
	}
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
}

/* "Never ... PRI": and neither writes nor reads wake those that wait for it. */
TEST_F(wait, nothing_wakes_for_pollpri)
{
	struct worker w = {};
	uint64_t value;
	long sleeps;

	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLPRI));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_TRUE(still_asleep(&w, sleeps));
}

/* Writes that fail wake nobody: they have not changed anything. */
TEST_F(wait, failed_write_does_not_wake)
{
	struct worker w = {};
	uint64_t two[2] = { 1, 1 };
	long sleeps;

	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLIN));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	ASSERT_EQ(-EINVAL, RET(write(self->fd, two, 4)));
	if (!LONG_WRITES)
		ASSERT_EQ(-EINVAL, RET(write(self->fd, two, 16)));
	ASSERT_EQ(-EFAULT, RET(syscall(SYS_write, self->fd, NULL, 8)));
	EXPECT_TRUE(still_asleep(&w, sleeps));
}

/* "poll, select and plain epoll: always all of them": a write, all in the same call. */
TEST_F(wait, write_wakes_everyone)
{
	struct worker w[8] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(waiter_start_asleep(&w[i], self->way, self->fd, POLLIN));
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(worker_join(&w[i]));
		EXPECT_EQ(POLLIN, w[i].ret);
	}
}

/* "poll, select and plain epoll: always all of them": a read, all in the same call. */
TEST_F(wait, read_wakes_everyone)
{
	struct worker w[8] = {};
	uint64_t value;
	size_t i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(waiter_start_asleep(&w[i], self->way, self->fd, POLLOUT));
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(worker_join(&w[i]));
		EXPECT_EQ(POLLOUT, w[i].ret);
	}
}

/* "poll, select and plain epoll: always all of them": in other processes too. */
TEST_F(wait, write_wakes_other_processes)
{
	pid_t pid[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = child_start();
		ASSERT_GE(pid[i], 0);
		if (!pid[i])
			_exit(self->way->wait(self->fd, POLLIN, -1) == POLLIN ? 0 : 1);
	}
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		ASSERT_TRUE(child_sleeps_in(pid[i], self->way->nr));
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		ASSERT_EQ(0, child_end(pid[i]));
	}
}

/* "who polls one descriptor is woken through another" */
TEST_F(wait, write_to_duplicate_wakes)
{
	int fd = dup(self->fd);
	struct worker w = {};

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLIN));
	ASSERT_EQ(8, efd_write(fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(POLLIN, w.ret);
	close(fd);
}

/*
 * "the poller holds on to what it polls": woken, it finds the number invalid, but the
 * event as such was seen.
 */
TEST_F(wait, close_does_not_end_the_wait)
{
	struct worker w = {};
	int fd = dup(self->fd);
	long sleeps;

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(waiter_start_asleep(&w, self->way, fd, POLLIN));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_TRUE(w.ret == POLLIN || w.ret == POLLNVAL) TH_LOG("returned %zd", w.ret);
}

struct bounded {
	const struct way *way;
	int ms;
};

static void worker_wait_bounded(struct worker *w)
{
	const struct bounded *wait = w->arg;

	w->ret = wait->way->wait(w->fd, w->value, wait->ms);
}

/*
 * The same with the last number: the poller itself lets go of the file, when its time is up.
 * How much time it takes to see it asleep depends on the guest.
 */
TEST_F(wait, close_of_last_number)
{
	struct bounded bounded = { self->way, 100 };
	struct worker w = { .value = POLLIN, .arg = &bounded };
	uint64_t start;

	w.fd = efd_create(0, variant->flags);
	ASSERT_GE(w.fd, 0);
	start = now_ms();
	while (!worker_start_asleep(&w, worker_wait_bounded, self->way->nr)) {
		ASSERT_TRUE(worker_join(&w));
		bounded.ms *= 3;
		ASSERT_LT(bounded.ms, (int)WAIT_MS);
		start = now_ms();
	}
	ASSERT_EQ(0, close(w.fd));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_LE(start + bounded.ms - 1, now_ms());
	EXPECT_TRUE(!w.ret || w.ret == POLLIN || w.ret == POLLNVAL) TH_LOG("returned %zd", w.ret);
	EXPECT_EQ(-EBADF, efd_write(w.fd, 1));
}

/*
 * One that loses every event to a reader waits on, and the next event is not
 * lost on it: the counter is up for an instant in each of the rounds.
 */
TEST_F(wait, competing_reader)
{
	struct worker w = {};
	uint64_t value;
	int i;

	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLIN));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_EQ(8, efd_read(self->fd, &value));
	}
	/* It may have seen one of them, or none. */
	ASSERT_TRUE(eventually(w.done || sleeps_in(w.tid, self->way->nr)));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(POLLIN, w.ret);
}

/* The same for POLLOUT: the counter leaves its maximum for an instant only. */
TEST_F(wait, competing_writer)
{
	struct worker w = {};
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(waiter_start_asleep(&w, self->way, self->fd, POLLOUT));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_EQ(8, efd_write(self->fd, value));
	}
	ASSERT_TRUE(eventually(w.done || sleeps_in(w.tid, self->way->nr)));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(POLLOUT, w.ret);
}

/* So many gaps between the two are tried, however slow the machine. */
#define MIN_ROUNDS	300

/*
 * Regression: poll reads the counter before it is queued, and misses the wake
 * of a write in between. The next write comes only when this one was taken, and
 * earlier or later from round to round, so a single miss stops the game.
 */
struct ping_pong {
	pthread_t thread;
	const struct way *way;
	int fd;
	uint64_t refill;
	atomic_ullong taken;
	atomic_bool stop;
};

static void *reader_after_poll(void *arg)
{
	struct ping_pong *pp = arg;
	uint64_t value;
	int got;

	while (!pp->stop) {
		got = pp->way->wait(pp->fd, POLLIN, 2 * WAIT_MS);
		if (got != POLLIN || efd_read(pp->fd, &value) != 8)
			break;
		pp->taken += value;
	}
	return NULL;
}

TEST_F(wait, no_write_is_missed)
{
	struct ping_pong pp = { .way = self->way, .fd = self->fd };
	uint64_t rounds, end = now_ms() + HAMMER_MS;

	ASSERT_EQ(0, pthread_create(&pp.thread, NULL, reader_after_poll, &pp));
	for (rounds = 0; now_ms() < end || rounds < MIN_ROUNDS;) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		rounds++;
		ASSERT_TRUE(soon(pp.taken == rounds)) TH_LOG("round %ju", (uintmax_t)rounds);
		spin(rounds * 37 % 4096);
	}
	/* One more, in case that it polls already. */
	pp.stop = true;
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, pthread_join(pp.thread, NULL));
	EXPECT_EQ(rounds + 1, pp.taken + (efd_events(self->fd, POLLIN) == POLLIN));
}

/* The mirror of it: poll for POLLOUT, and a read in between. */
static void *writer_after_poll(void *arg)
{
	struct ping_pong *pp = arg;

	while (!pp->stop) {
		if (pp->way->wait(pp->fd, POLLOUT, 2 * WAIT_MS) != POLLOUT)
			break;
		pp->taken++;
		if (efd_write(pp->fd, pp->refill) != 8)
			break;
	}
	return NULL;
}

TEST_F(wait, no_read_is_missed)
{
	struct ping_pong pp = {
		.way = self->way,
		.fd = self->fd,
		/* What a read takes. */
		.refill = variant->flags & EFD_SEMAPHORE ? 1 : EFD_MAX,
	};
	uint64_t value, rounds = 0, end = now_ms() + HAMMER_MS;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, pthread_create(&pp.thread, NULL, writer_after_poll, &pp));
	while (now_ms() < end || rounds < MIN_ROUNDS) {
		/* The writer has filled it up again, or is about to. */
		ASSERT_TRUE(soon(!efd_events(self->fd, POLLOUT)));
		spin(rounds * 37 % 4096);
		ASSERT_EQ(8, efd_read(self->fd, &value));
		rounds++;
		ASSERT_TRUE(soon(pp.taken == rounds)) TH_LOG("round %ju", (uintmax_t)rounds);
	}
	ASSERT_TRUE(soon(!efd_events(self->fd, POLLOUT)));
	pp.stop = true;
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_EQ(0, pthread_join(pp.thread, NULL));
}

/*
 * Many at once.
 */
FIXTURE(crowd)
{
	int fd;
};

EFD_VARIANTS(crowd);

FIXTURE_SETUP(crowd)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->fd);
}

/* "poll, select and plain epoll: always all of them": of whatever kind they are. */
TEST_F(crowd, write_wakes_all_kinds)
{
	struct worker w[4 * NR_WAYS] = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(waiter_start_asleep(&w[i], &ways[i % NR_WAYS], self->fd, POLLIN));
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(worker_join(&w[i])) TH_LOG("waiter %zu", i);
		EXPECT_EQ(POLLIN, w[i].ret) TH_LOG("waiter %zu", i);
	}
}

/* "every successful read with EPOLLOUT": pollers of whatever kind. */
TEST_F(crowd, read_wakes_all_kinds)
{
	struct worker w[4 * NR_WAYS] = {};
	uint64_t value;
	size_t i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(waiter_start_asleep(&w[i], &ways[i % NR_WAYS], self->fd, POLLOUT));
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		ASSERT_TRUE(worker_join(&w[i])) TH_LOG("waiter %zu", i);
		EXPECT_EQ(POLLOUT, w[i].ret) TH_LOG("waiter %zu", i);
	}
}

/* One waits for what comes, others for what does not: only the right one is woken. */
TEST_F(crowd, only_who_waits_for_it)
{
	struct worker in = {}, out = {}, pri = {}, none = {};
	long out_sleeps, pri_sleeps, none_sleeps;
	int full = efd_create(0, variant->flags);

	ASSERT_GE(full, 0);
	ASSERT_EQ(8, efd_write(full, EFD_MAX));
	ASSERT_TRUE(waiter_start_asleep(&in, &ways[POLL], self->fd, POLLIN));
	ASSERT_TRUE(waiter_start_asleep(&out, &ways[POLL], full, POLLOUT));
	ASSERT_TRUE(waiter_start_asleep(&pri, &ways[POLL], self->fd, POLLPRI | POLLRDHUP));
	ASSERT_TRUE(waiter_start_asleep(&none, &ways[POLL], self->fd, 0));
	out_sleeps = nr_sleeps(out.tid);
	pri_sleeps = nr_sleeps(pri.tid);
	none_sleeps = nr_sleeps(none.tid);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&in));
	EXPECT_EQ(POLLIN, in.ret);
	EXPECT_TRUE(still_asleep(&out, out_sleeps));
	EXPECT_TRUE(still_asleep(&pri, pri_sleeps));
	EXPECT_TRUE(still_asleep(&none, none_sleeps));
	close(full);
}

struct many {
	struct pollfd pfd[16];
	int n;
};

static void worker_poll_many(struct worker *w)
{
	struct many *m = w->arg;

	w->ret = sys_poll(m->pfd, m->n, -1);
}

/* "Every write wakes all pollers": also who waits for many, and it learns which one it was. */
TEST_F(crowd, one_of_many_wakes)
{
	struct many m = { .n = ARRAY_SIZE(m.pfd) };
	struct worker w = { .arg = &m };
	uint64_t value;
	int i, round;

	for (i = 0; i < m.n; i++) {
		m.pfd[i].fd = efd_create(0, variant->flags);
		m.pfd[i].events = POLLIN;
		ASSERT_GE(m.pfd[i].fd, 0);
	}
	for (round = 0; round < m.n; round += 5) {
		ASSERT_TRUE(worker_start_asleep(&w, worker_poll_many, NR_POLL));
		ASSERT_EQ(8, efd_write(m.pfd[round].fd, 1));
		ASSERT_TRUE(worker_join(&w));
		EXPECT_EQ(1, w.ret);
		for (i = 0; i < m.n; i++) {
			EXPECT_EQ(i == round ? POLLIN : 0, m.pfd[i].revents);
		}
		ASSERT_EQ(8, efd_read(m.pfd[round].fd, &value));
	}
}

/* The same eventfd twice in one call, for different events. */
TEST_F(crowd, twice_in_one_call)
{
	struct many m = { .n = 3 };
	struct worker w = { .arg = &m };

	m.pfd[0] = (struct pollfd){ .fd = self->fd, .events = POLLIN };
	m.pfd[1] = (struct pollfd){ .fd = self->fd, .events = POLLPRI };
	m.pfd[2] = (struct pollfd){ .fd = self->fd, .events = POLLIN };
	ASSERT_TRUE(worker_start_asleep(&w, worker_poll_many, NR_POLL));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(2, w.ret);
	EXPECT_EQ(POLLIN, m.pfd[0].revents);
	EXPECT_EQ(0, m.pfd[1].revents);
	EXPECT_EQ(POLLIN, m.pfd[2].revents);
}

/* A blocked reader takes the first event: the poller may miss that one, but not the second. */
TEST_F(crowd, poller_behind_blocked_reader)
{
	struct worker reader = { .fd = self->fd }, poller = {};

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "nobody sleeps");
	ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
	ASSERT_TRUE(waiter_start_asleep(&poller, &ways[POLL], self->fd, POLLIN));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&reader));
	EXPECT_EQ(8, reader.ret);
	EXPECT_EQ(1u, reader.value);
	ASSERT_TRUE(eventually(poller.done || sleeps_in(poller.tid, NR_POLL)));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&poller));
	EXPECT_EQ(POLLIN, poller.ret);
}

/* The poller came first: the blocked reader gets its event all the same. */
TEST_F(crowd, blocked_reader_behind_poller)
{
	struct worker reader = { .fd = self->fd }, poller[2] = {};

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "nobody sleeps");
	ASSERT_TRUE(waiter_start_asleep(&poller[0], &ways[POLL], self->fd, POLLIN));
	ASSERT_TRUE(waiter_start_asleep(&poller[1], &ways[SELECT], self->fd, POLLIN));
	ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&reader));
	EXPECT_EQ(8, reader.ret);
	EXPECT_EQ(1u, reader.value);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&poller[0]));
	ASSERT_TRUE(worker_join(&poller[1]));
}

/* A blocked writer is no obstacle between a read and those that poll for room. */
TEST_F(crowd, poller_behind_blocked_writer)
{
	struct worker writer = { .fd = self->fd, .value = 1 }, poller = {};
	uint64_t value;

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "nobody sleeps");
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(worker_start_asleep(&writer, worker_write, SYS_write));
	ASSERT_TRUE(waiter_start_asleep(&poller, &ways[POLL], self->fd, POLLOUT));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&writer));
	EXPECT_EQ(8, writer.ret);
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&poller));
	EXPECT_EQ(POLLOUT, poller.ret);
}

/*
 * Two that poll and read against two that write: nothing is lost, nothing is
 * counted twice, nobody sleeps while there is something to read.
 */
enum { CONSUMERS = 2, PRODUCERS = 2 };

struct market {
	int fd;
	atomic_ullong made, taken;
	atomic_bool stop;
	atomic_int errors;
};

static void *consumer(void *arg)
{
	struct market *m = arg;
	uint64_t value;
	ssize_t ret;
	int got;

	while (!m->stop) {
		got = wait_ppoll(m->fd, POLLIN, 2 * WAIT_MS);
		if (got < 0 || m->stop)
			break;
		ret = efd_read(m->fd, &value);
		/* The other one was faster. */
		if (ret == -EAGAIN)
			continue;
		if (ret != 8)
			break;
		m->taken += value;
	}
	m->errors += !m->stop;
	return NULL;
}

static void *producer(void *arg)
{
	struct market *m = arg;
	uint64_t end = now_ms() + HAMMER_MS;
	unsigned int n;

	for (n = 1; now_ms() < end; n++) {
		m->made++;
		if (efd_write(m->fd, 1) != 8) {
			m->errors++;
			break;
		}
		/* Let it become empty, most of the time: pollers that sleep are the point. */
		if (n % 8 && !soon(m->taken >= m->made - 1)) {
			m->errors++;
			break;
		}
		spin(n * 37 % 4096);
	}
	return NULL;
}

TEST_F(crowd, hammered_count_is_conserved)
{
	pthread_t consumers[CONSUMERS], producers[PRODUCERS];
	struct market m = { .fd = self->fd };
	int i;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	for (i = 0; i < CONSUMERS; i++) {
		ASSERT_EQ(0, pthread_create(&consumers[i], NULL, consumer, &m));
	}
	for (i = 0; i < PRODUCERS; i++) {
		ASSERT_EQ(0, pthread_create(&producers[i], NULL, producer, &m));
	}
	for (i = 0; i < PRODUCERS; i++) {
		ASSERT_EQ(0, pthread_join(producers[i], NULL));
	}
	ASSERT_EQ(0, m.errors);
	EXPECT_TRUE(soon(m.taken >= m.made));
	EXPECT_EQ(m.made, m.taken);
	EXPECT_EQ(0, efd_events(self->fd, POLLIN));
	m.stop = true;
	/* Nobody reads this one, so it wakes both. */
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < CONSUMERS; i++) {
		ASSERT_EQ(0, pthread_join(consumers[i], NULL));
	}
	EXPECT_EQ(0, m.errors);
}

TEST_HARNESS_MAIN
