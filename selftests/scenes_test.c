// SPDX-License-Identifier: GPL-2.0
/*
 * The sample programs and modules, as scenes: a process waits, and a module
 * signals, or reads, its eventfd from inside the kernel.
 *
 * Needs the samples (SAMPLES and MODULES name their directories, /samples and
 * /modules unless told otherwise) and the right to load modules; skips without.
 */
#include <sys/epoll.h>
#include <sys/select.h>

#include "module.h"

/*
 * Whether this kernel adds a count in one call. Where it does not, the module adds
 * one by one, and who is woken may not find all of it yet.
 */
static bool adds_at_once(void)
{
	int fd = efd_create(0, 0);
	bool yes = !load("efd_poke", "pid=%d efd=%d count=0", getpid(), fd) &&
		   !strcmp(param("efd_poke", "counts"), "Y");

	unload("efd_poke");
	close(fd);
	return yes;
}

/* What makes efd_listen detach its callback. */
static bool detach(void)
{
	FILE *f = param_open("efd_listen", "left", "w");

	return f && fputs("now", f) >= 0 && !fclose(f);
}

FIXTURE(module)
{
	int fd;
};

EFD_BLOCKING_VARIANTS(module);

FIXTURE_SETUP(module)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/efd_poke.ko", dir("MODULES", "/modules"));
	if (access(path, R_OK) || geteuid())
		SKIP(return, "needs root and %s", path);
	/* what a test that was stopped half-way has left */
	unload("efd_poke");
	unload("efd_listen");
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(module)
{
	unload("efd_poke");
	unload("efd_listen");
	close(self->fd);
}

/* What a read gets of @n: all or one. */
#define SHARE(n)	((variant->flags & EFD_SEMAPHORE) && (n) ? 1 : (uint64_t)(n))

static void wait_in_select(struct worker *w)
{
	struct timeval timeout = { .tv_sec = 10 };
	fd_set readable;

	FD_ZERO(&readable);
	FD_SET(w->fd, &readable);
	w->ret = RET(select(w->fd + 1, &readable, NULL, NULL, &timeout));
	if (w->ret == 1)
		w->ret = efd_read(w->fd, &w->value);
}

static void wait_in_epoll(struct worker *w)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0);

	w->ret = RET(epoll_ctl(ep, EPOLL_CTL_ADD, w->fd, &event));
	if (!w->ret)
		w->ret = RET(epoll_pwait(ep, &event, 1, 10000, NULL));
	if (w->ret == 1)
		w->ret = efd_read(w->fd, &w->value);
	close(ep);
}

#ifdef SYS_select
#define NR_SELECT	SYS_select
#elif defined(SYS_pselect6)
#define NR_SELECT	SYS_pselect6
#else
#define NR_SELECT	SYS_pselect6_time64
#endif

/* A user program waits in select() on an eventfd, and a module signals it. */
TEST_F(module, wakes_select)
{
	struct worker w = { .fd = self->fd };
	int count = adds_at_once() ? 5 : 1;

	ASSERT_TRUE(worker_start(&w, wait_in_select));
	ASSERT_TRUE(eventually(sleeps_in(w.tid, NR_SELECT) || sleeps_in(w.tid, SYS_pselect6)));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=%d", getpid(), self->fd, count));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(SHARE(count), w.value);
}

TEST_F(module, wakes_epoll)
{
	struct worker w = { .fd = self->fd };

	ASSERT_TRUE(worker_start_asleep(&w, wait_in_epoll, SYS_epoll_pwait));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d", getpid(), self->fd));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

TEST_F(module, wakes_blocked_reader)
{
	struct worker w = { .fd = self->fd };
	int count = adds_at_once() ? 5 : 1;

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=%d", getpid(), self->fd, count));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(SHARE(count), w.value);
}

/* The count is added to what is there, and all of it is. */
TEST_F(module, adds_a_count)
{
	uint64_t value = 0;

	ASSERT_EQ(8, efd_write(self->fd, 100));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=23", getpid(), self->fd));
	EXPECT_STREQ("23", param("efd_poke", "added"));
	EXPECT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(SHARE(123), value);
}

/*
 * "eventfd_signal(ctx, n) ... adds n and returns the amount really added (less
 * than n only on overflow)"; "adds and saturates at ULLONG_MAX". Where that form
 * does not exist, the module adds one by one: then only the last steps are made.
 */
TEST_F(module, saturates_and_says_so)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 2));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=3", getpid(), self->fd));
	EXPECT_STREQ("3", param("efd_poke", "added"));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, unload("efd_poke"));

	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=2", getpid(), self->fd));
	/* a semaphore is at ULLONG_MAX - 1 after a read: still full for user space */
	EXPECT_TRUE(efd_is_saturated(self->fd, variant->flags));
}

TEST_F(module, reports_what_did_not_fit)
{
	if (!adds_at_once())
		SKIP(return, "this kernel's eventfd_signal() takes no count");
	ASSERT_EQ(8, efd_write(self->fd, 10));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=%llu", getpid(), self->fd,
			  (unsigned long long)UINT64_MAX));
	EXPECT_STREQ("18446744073709551605", param("efd_poke", "added"));
	ASSERT_EQ(0, unload("efd_poke"));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=9", getpid(), self->fd));
	EXPECT_STREQ("0", param("efd_poke", "added"));
	EXPECT_TRUE(efd_is_saturated(self->fd, variant->flags));
}

/* A signal of 0 adds nothing and is one edge all the same. */
TEST_F(module, wakes_with_a_count_of_nothing)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0);

	if (!adds_at_once())
		SKIP(return, "this kernel's eventfd_signal() takes no count");
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event));
	EXPECT_EQ(1, epoll_wait(ep, &event, 1, 0));
	EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d count=0", getpid(), self->fd));
	EXPECT_EQ(1, epoll_wait(ep, &event, 1, 0));
	close(ep);
}

/* Each wrong argument has its errno: no process, no descriptor, no eventfd. */
TEST_F(module, fails_with_the_fitting_error)
{
	int null = open("/dev/null", O_RDONLY), path = open("/proc/self/fd", O_PATH), p[2];
	char link[64];
	int opath;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", self->fd);
	opath = open(link, O_PATH);
	ASSERT_EQ(0, pipe(p));
	ASSERT_GE(opath, 0);
	EXPECT_EQ(-ESRCH, load("efd_poke", "pid=%d efd=%d", 0x3fffffff, self->fd));
	EXPECT_EQ(-EBADF, load("efd_poke", "pid=%d efd=%d", getpid(), 999));
	EXPECT_EQ(-EINVAL, load("efd_poke", "pid=%d efd=%d", getpid(), null));
	EXPECT_EQ(-EINVAL, load("efd_poke", "pid=%d efd=%d", getpid(), path));
	EXPECT_EQ(-EINVAL, load("efd_poke", "pid=%d efd=%d", getpid(), p[1]));
	EXPECT_EQ(-EINVAL, load("efd_poke", "pid=%d efd=%d", getpid(), opath));
	EXPECT_EQ(-ENOENT, unload("efd_poke"));
}

/* The lowest free id is taken: a context that is not freed keeps its from the next eventfd. */
TEST_F(module, leaks_nothing)
{
	int id = efd_id(self->fd), i;

	ASSERT_GE(id, 0);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(-EBADF, load("efd_poke", "pid=%d efd=%d", getpid(), 999));
		EXPECT_EQ(-EINVAL, load("efd_poke", "pid=%d efd=%d", getpid(), 0));
		ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d", getpid(), self->fd));
		ASSERT_EQ(0, unload("efd_poke"));
		close(self->fd);
		self->fd = efd_create(0, variant->flags);
		ASSERT_EQ(id, efd_id(self->fd));
	}
}

/*
 * "they may drain it with `eventfd_ctx_do_read()` there and then, and then nobody
 * else may see the event"
 */
TEST_F(module, consumer_takes_the_event)
{
	struct worker w = { .fd = self->fd };
	long sleeps;

	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d", getpid(), self->fd));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(0, efd_events(self->fd, POLLIN));
	EXPECT_STREQ("1", param("efd_listen", "wakeups"));
	EXPECT_STREQ("1", param("efd_listen", "taken"));
	EXPECT_TRUE(eventually(sleeps_in(w.tid, SYS_read)));
	EXPECT_LE(sleeps, nr_sleeps(w.tid));

	ASSERT_TRUE(detach());
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1u, w.value);
}

/* A semaphore gives a consumer one, as it gives a reader. */
TEST_F(module, consumer_gets_what_a_reader_would)
{
	uint64_t value = 0;

	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d", getpid(), self->fd));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_STREQ("1", param("efd_listen", "taken"));
		EXPECT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(8, efd_read(self->fd, &value));
	} else {
		EXPECT_STREQ("3", param("efd_listen", "taken"));
	}
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
}

/* Keys: IN for a write and a signal, OUT for a read. */
TEST_F(module, consumer_sees_every_change)
{
	uint64_t value;
	char keys[16];

	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d keep=1", getpid(), self->fd));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	snprintf(keys, sizeof(keys), "%d", EPOLLIN);
	EXPECT_STREQ(keys, param("efd_listen", "keys"));
	EXPECT_STREQ("2", param("efd_listen", "wakeups"));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d", getpid(), self->fd));
	EXPECT_STREQ("3", param("efd_listen", "wakeups"));
	EXPECT_STREQ(keys, param("efd_listen", "keys"));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	snprintf(keys, sizeof(keys), "%d", EPOLLIN | EPOLLOUT);
	EXPECT_STREQ("4", param("efd_listen", "wakeups"));
	EXPECT_STREQ(keys, param("efd_listen", "keys"));
	EXPECT_STREQ("0", param("efd_listen", "taken"));
}

/*
 * "`eventfd_signal_allowed` is false inside a callback that a write, a read, a signal
 * ... of an eventfd runs": in each of them, and the signal itself is none of them.
 */
TEST_F(module, callback_must_not_signal)
{
	uint64_t value;

	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d keep=1", getpid(), self->fd));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_STREQ("1", param("efd_listen", "wakeups"));
	EXPECT_STREQ("0", param("efd_listen", "allowed"));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_STREQ("2", param("efd_listen", "wakeups"));
	EXPECT_STREQ("0", param("efd_listen", "allowed"));
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d", getpid(), self->fd));
	EXPECT_STREQ("1", param("efd_poke", "added"));
	EXPECT_STREQ("3", param("efd_listen", "wakeups"));
	EXPECT_STREQ("0", param("efd_listen", "allowed"));
}

/* "`eventfd_ctx_remove_wait_queue` (0 or EAGAIN)" takes what is there */
TEST_F(module, consumer_detaches_with_the_rest)
{
	uint64_t value;

	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d keep=1", getpid(), self->fd));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	ASSERT_TRUE(detach());
	EXPECT_STREQ(SHARE(3) == 1 ? "1" : "3", param("efd_listen", "left"));
	EXPECT_STREQ("1", param("efd_listen", "wakeups"));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(8, efd_read(self->fd, &value));
	}
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_STREQ("1", param("efd_listen", "wakeups"));
}

/*
 * "removal from an empty one is EAGAIN", "`eventfd_ctx_do_read` on an empty
 * semaphore returns 0": it has underflowed once.
 */
TEST_F(module, consumer_detaches_from_an_empty_one)
{
	char again[16];

	snprintf(again, sizeof(again), "%d", -EAGAIN);
	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d", getpid(), self->fd));
	ASSERT_TRUE(detach());
	EXPECT_STREQ(again, param("efd_listen", "left"));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
}

static void worker_write_on(struct worker *w)
{
	_Atomic bool *enough = w->arg;

	for (w->value = 0, w->ret = 8; !*enough && w->ret == 8; w->value++)
		w->ret = efd_write(w->fd, 1);
}

static unsigned long long positive(const char *number)
{
	return number[0] == '-' ? 0 : strtoull(number, NULL, 10);
}

/*
 * "takes the callback off and what is there, in one step": others write all the time, and
 * each write is taken by the callback, or as it goes, or still there. None is lost between.
 */
TEST_F(module, consumer_comes_and_goes)
{
	_Atomic bool enough = false;
	struct worker w = { .fd = self->fd, .arg = &enough };
	unsigned long long sum = 0, heard, written;
	bool good = true;
	int i;

	ASSERT_TRUE(worker_start(&w, worker_write_on));
	for (i = 0; i < 20 && good; i++) {
		good = !load("efd_listen", "pid=%d efd=%d keep=%d", getpid(), self->fd, i % 2) &&
		       eventually(positive(param("efd_listen", "wakeups"))) && detach();
		heard = positive(param("efd_listen", "wakeups"));
		sum += positive(param("efd_listen", "taken"));
		sum += positive(param("efd_listen", "left"));
		/* Were it still there, no write might follow once the module is gone. */
		written = w.value;
		good = good && eventually(w.value > written + 1) &&
		       heard == positive(param("efd_listen", "wakeups"));
		good = good && !unload("efd_listen");
	}
	enough = true;
	ASSERT_TRUE(worker_join(&w));
	EXPECT_TRUE(good) TH_LOG("round %d", i);
	ASSERT_EQ(8, w.ret);
	EXPECT_EQ(w.value, sum + efd_fill(self->fd));
}

/* What detaching takes is room for a writer who had none. */
TEST_F(module, detaching_wakes_a_blocked_writer)
{
	struct worker w = { .fd = self->fd, .value = 1 };
	uint64_t value = 0;

	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d keep=1", getpid(), self->fd));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
	ASSERT_TRUE(detach());
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(1u, value);
}

/*
 * "A context outlives its file for whoever holds a reference": "Releasing the file
 * wakes kernel waiters with EPOLLHUP."
 */
TEST_F(module, consumer_hears_the_end)
{
	char keys[16], again[16];

	snprintf(keys, sizeof(keys), "%d", EPOLLHUP);
	snprintf(again, sizeof(again), "%d", -EAGAIN);
	ASSERT_EQ(0, load("efd_listen", "pid=%d efd=%d", getpid(), self->fd));
	close(self->fd);
	EXPECT_STREQ("1", param("efd_listen", "wakeups"));
	EXPECT_STREQ(keys, param("efd_listen", "keys"));
	ASSERT_TRUE(detach());
	EXPECT_STREQ(again, param("efd_listen", "left"));
}

/*
 * Consumers and sleepers side by side: what a callback does, wherever it stands in the queue.
 */
#define CROWD		3

FIXTURE(consumer)
{
	int fd;
	bool semaphore;
	struct worker w[CROWD];
	long sleeps[CROWD];
};

FIXTURE_VARIANT(consumer)
{
	int flags;
	const char *place;
};

FIXTURE_VARIANT_ADD(consumer, counter) { .place = "" };
FIXTURE_VARIANT_ADD(consumer, counter_exclusive) { .place = "exclusive=1" };
/* before all others, and the last to be called: as KVM's */
FIXTURE_VARIANT_ADD(consumer, counter_priority) { .place = "priority=1" };
FIXTURE_VARIANT_ADD(consumer, semaphore) { .flags = EFD_SEMAPHORE, .place = "" };
FIXTURE_VARIANT_ADD(consumer, semaphore_exclusive) {
	.flags = EFD_SEMAPHORE,
	.place = "exclusive=1",
};

FIXTURE_VARIANT_ADD(consumer, semaphore_priority) {
	.flags = EFD_SEMAPHORE,
	.place = "priority=1",
};

FIXTURE_SETUP(consumer)
{
	char path[256];
	int i;

	snprintf(path, sizeof(path), "%s/efd_listen.ko", dir("MODULES", "/modules"));
	if (access(path, R_OK) || geteuid())
		SKIP(return, "needs root and %s", path);
	SHORT_WAIT();
	unload("efd_listen");
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->semaphore = variant->flags & EFD_SEMAPHORE;
	for (i = 0; i < CROWD; i++)
		self->w[i].fd = self->fd;
}

FIXTURE_TEARDOWN(consumer)
{
	unload("efd_listen");
	close(self->fd);
}

#define LISTEN(params) \
	load("efd_listen", "pid=%d efd=%d %s " params, getpid(), self->fd, variant->place)

/*
 * "a kernel consumer that drains the counter never wakes a blocked writer": it does, and
 * what the writer adds in the room that it made is for the consumer again.
 */
TEST_F(consumer, makes_room_for_a_blocked_writer)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, LISTEN());
	self->w[0].value = self->semaphore ? 1 : 5;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_write, SYS_write));
	/* fits, and makes no room by itself */
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(8, self->w[0].ret);
	/* modulo 2^64 */
	EXPECT_STREQ(self->semaphore ? "2" : "3", param("efd_listen", "taken"));
	ASSERT_TRUE(detach());
	EXPECT_EQ(self->semaphore ? EFD_MAX - 2 : 0, efd_fill(self->fd));
}

/* The same if it is a signal that the consumer takes; of a semaphore it takes no more than that. */
TEST_F(consumer, makes_room_when_signalled)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, LISTEN());
	self->w[0].value = 5;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_write, SYS_write));
	unload("efd_poke");
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d", getpid(), self->fd));
	unload("efd_poke");
	ASSERT_EQ(self->semaphore, still_asleep(&self->w[0], self->sleeps[0]));
	if (!self->semaphore) {
		ASSERT_TRUE(worker_join(&self->w[0]));
		EXPECT_EQ(8, self->w[0].ret);
		EXPECT_STREQ("4", param("efd_listen", "taken"));
	}
}

static void wait_for_room(struct worker *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLOUT };

	w->ret = RET(ppoll(&pfd, 1, NULL, NULL));
	w->value = pfd.revents;
}

/*
 * The same for those who wait for room in poll: the wakeup in which the consumer makes it
 * is one of EPOLLIN, which is not for them.
 */
TEST_F(consumer, makes_room_for_pollers)
{
	if (!strcmp(variant->place, "priority=1"))
		SKIP(return, "the callback in front ends every walk, this one too");
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, LISTEN());
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, wait_for_room, SYS_ppoll));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(1, self->w[0].ret);
	EXPECT_EQ((uint64_t)POLLOUT, self->w[0].value);
}

/* "they may drain it ... there and then, and then nobody else may see the event" */
TEST_F(consumer, takes_it_before_blocked_readers)
{
	int i;

	ASSERT_EQ(0, LISTEN());
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, CROWD, worker_read, SYS_read));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
	}
	EXPECT_STREQ("3", param("efd_listen", "taken"));
	for (i = 0; i < CROWD; i++) {
		EXPECT_TRUE(still_asleep(&self->w[i], self->sleeps[i])) TH_LOG("reader %d", i);
	}
	ASSERT_TRUE(detach());
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(nr_ended(self->w, CROWD) == 1));
}

/* "a blocked reader queued behind an EPOLLEXCLUSIVE waiter is not woken": or behind a consumer. */
TEST_F(consumer, that_only_listens_leaves_it_to_a_blocked_reader)
{
	ASSERT_EQ(0, LISTEN("keep=1"));
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(1u, self->w[0].value);
}

/* "the mirror case leaves a blocked writer asleep at zero" */
TEST_F(consumer, that_only_listens_leaves_it_to_a_blocked_writer)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, LISTEN("keep=1"));
	self->w[0].value = 1;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, 1, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_FALSE(still_asleep(&self->w[0], self->sleeps[0]));
	ASSERT_TRUE(worker_join(&self->w[0]));
	EXPECT_EQ(self->semaphore ? EFD_MAX : 1, efd_fill(self->fd));
}

/* "hear of every write, signal and read once each": asleep before or not. */
TEST_F(consumer, hears_of_each_sleeping_read_once)
{
	char wakeups[16];
	int i;

	ASSERT_EQ(0, LISTEN("keep=1"));
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, CROWD, worker_read, SYS_read));
	for (i = 1; i <= CROWD; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_LE(i, nr_woken(self->w, self->sleeps, CROWD));
		ASSERT_TRUE(eventually(nr_ended(self->w, CROWD) == i));
		snprintf(wakeups, sizeof(wakeups), "%d", 2 * i);
		EXPECT_STREQ(wakeups, param("efd_listen", "wakeups"));
	}
}

TEST_F(consumer, hears_of_each_sleeping_write_once)
{
	char wakeups[16];
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, LISTEN("keep=1"));
	for (i = 0; i < CROWD; i++)
		self->w[i].value = self->semaphore ? 1 : EFD_MAX;
	ASSERT_TRUE(all_asleep(self->w, self->sleeps, CROWD, worker_write, SYS_write));
	for (i = 1; i <= CROWD; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_LE(i, nr_woken(self->w, self->sleeps, CROWD));
		ASSERT_TRUE(eventually(nr_ended(self->w, CROWD) == i));
		snprintf(wakeups, sizeof(wakeups), "%d", 2 * i);
		EXPECT_STREQ(wakeups, param("efd_listen", "wakeups"));
	}
}

/*
 * "a signal from inside a wakeup is dropped with a warning": it comes, once, and soon. That
 * warning would spoil the run, so where the kernel cannot do it, nothing is tried.
 */
FIXTURE(nested)
{
	int fd, other;
};

EFD_BLOCKING_VARIANTS(nested);

FIXTURE_SETUP(nested)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/efd_listen.ko", dir("MODULES", "/modules"));
	if (access(path, R_OK) || geteuid())
		SKIP(return, "needs root and %s", path);
	if (!in_kallsyms("eventfd_deliver"))
		SKIP(return, "this kernel drops a signal from inside a wakeup");
	SHORT_WAIT();
	unload("efd_listen");
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->other = efd_create(0, variant->flags);
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(nested)
{
	unload("efd_listen");
	close(self->fd);
	close(self->other);
}

#define LISTEN_TO(format, ...) \
	load("efd_listen", "pid=%d efd=%d " format, getpid(), self->fd, ##__VA_ARGS__)

/* Becomes true, without being true for too much. */
#define COMES_TO(text, name)	eventually(!strcmp(text, param("efd_listen", name)))

TEST_F(nested, signal_to_itself)
{
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1"));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(COMES_TO("2", "wakeups"));
	EXPECT_EQ(2, efd_drain_to(self->fd, 2));
}

TEST_F(nested, signal_to_another)
{
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1 to=%d", self->other));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
	EXPECT_STREQ("1", param("efd_listen", "wakeups"));
	EXPECT_EQ(5, efd_drain(self->fd));
}

/* The callbacks that a read runs may signal as well as those of a write. */
TEST_F(nested, signal_when_read)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1 to=%d", self->other));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
}

/* Those that a signal runs, too. */
TEST_F(nested, signal_when_signalled)
{
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=2 to=%d", self->other));
	unload("efd_poke");
	ASSERT_EQ(0, load("efd_poke", "pid=%d efd=%d", getpid(), self->fd));
	ASSERT_EQ(0, unload("efd_poke"));
	EXPECT_EQ(2, efd_drain_to(self->other, 2));
	EXPECT_EQ(1, efd_drain(self->fd));
}

/* A consumer that signals itself is called again for each signal. */
TEST_F(nested, signals_of_a_consumer)
{
	ASSERT_EQ(0, LISTEN_TO("nest=1 nests=10"));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(COMES_TO("11", "wakeups"));
	EXPECT_STREQ("11", param("efd_listen", "taken"));
	EXPECT_EQ(0, efd_drain_to(self->fd, 0));
}

TEST_F(nested, signal_wakes_a_blocked_reader)
{
	struct worker w = { .fd = self->other };

	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1 to=%d", self->other));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* As above for one that sleeps on the eventfd whose callback signals: it may read both at once. */
TEST_F(nested, signal_to_itself_wakes_a_blocked_reader)
{
	struct worker w[2] = { { .fd = self->fd }, { .fd = self->fd } };

	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1"));
	ASSERT_TRUE(worker_start_asleep(&w[0], worker_read, SYS_read));
	ASSERT_TRUE(worker_start_asleep(&w[1], worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	/* a counter may have both for the first one */
	EXPECT_TRUE(eventually(nr_ended(w, 2) && w[0].value + w[1].value == 2));
	EXPECT_EQ(0, efd_events(self->fd, POLLIN));
}

TEST_F(nested, signal_wakes_epoll)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0);

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->other, &ev));
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1 to=%d", self->other));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
	EXPECT_EQ((uint32_t)EPOLLIN, ev.events);
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, QUIET_MS));
	EXPECT_EQ(1, efd_drain(self->other));
	close(ep);
}

/* A's callback signals B, whose callback signals A. */
TEST_F(nested, chain_that_comes_back)
{
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1 to=%d echo=1", self->other));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(COMES_TO("2", "wakeups"));
	EXPECT_STREQ("1", param("efd_listen", "echoes"));
	EXPECT_EQ(2, efd_drain_to(self->fd, 2));
	EXPECT_EQ(1, efd_drain_to(self->other, 1));
}

/* "Each of them counts": however many there are by the time that somebody looks. */
TEST_F(nested, thousand_signals)
{
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=250 nests=4 to=%d", self->other));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(efd_count(self->other) == 1000));
	EXPECT_EQ(4, efd_drain_to(self->fd, 4));
	EXPECT_EQ(1000u, efd_count(self->other));
	EXPECT_EQ(1000u, efd_fill(self->other));
}

TEST_F(nested, thousand_signals_to_itself)
{
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1000"));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(efd_count(self->fd) == 1001));
	EXPECT_EQ(1001u, efd_fill(self->fd));
}

/* "they saturate at ULLONG_MAX as others do." */
TEST_F(nested, signals_saturate)
{
	ASSERT_EQ(8, efd_write(self->other, EFD_MAX - 2));
	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=100 to=%d", self->other));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(efd_events(self->other, POLLIN | POLLOUT) == (POLLIN | POLLERR)));
	sleep_ms(QUIET_MS);
	EXPECT_TRUE(efd_is_saturated(self->other, variant->flags));
}

#ifndef EPOLL_URING_WAKE
#define EPOLL_URING_WAKE	(1u << 27)
#endif

/* "EPOLL_URING_WAKE in the mask of such a signal reaches the wake key" */
TEST_F(nested, signal_has_its_mask)
{
	char keys[16];

	ASSERT_EQ(0, LISTEN_TO("keep=1 nest=1 mask=%u", EPOLL_URING_WAKE));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(COMES_TO("2", "wakeups"));
	snprintf(keys, sizeof(keys), "%u", EPOLLIN | EPOLL_URING_WAKE);
	EXPECT_STREQ(keys, param("efd_listen", "keys"));
	EXPECT_EQ(2, efd_drain_to(self->fd, 2));
}

/* "A context that is still owed a signal outlives its file and all references" */
TEST_F(nested, signals_to_one_that_goes_away)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, LISTEN_TO("keep=1 nest=3 to=%d", self->other));
		ASSERT_EQ(8, efd_write(self->fd, 1));
		close(self->other);
		ASSERT_TRUE(detach());
		ASSERT_EQ(0, unload("efd_listen"));
		self->other = efd_create(0, variant->flags);
		ASSERT_GE(self->other, 0);
		EXPECT_EQ(0, efd_drain(self->other));
	}
}

/* Runs SAMPLES/@name and returns its exit status, with its output in @out. */
static int sample(const char *name, char *out, size_t size)
{
	char path[256];
	size_t n;
	FILE *f;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir("SAMPLES", "/samples"), name);
	f = popen(path, "r");
	if (!f)
		return -1;
	n = fread(out, 1, size - 1, f);
	out[n] = 0;
	ret = pclose(f);
	return WIFEXITED(ret) ? WEXITSTATUS(ret) : -1;
}

FIXTURE(sample)
{
	char out[1024];
};

FIXTURE_SETUP(sample)
{
	if (access(dir("SAMPLES", "/samples"), X_OK))
		SKIP(return, "needs the sample programs in %s", dir("SAMPLES", "/samples"));
}

FIXTURE_TEARDOWN(sample)
{
}

TEST_F(sample, parent_and_child_exchange_pids)
{
	int me, other, me2, other2;
	const char *parent;

	ASSERT_EQ(0, sample("efd_talk", self->out, sizeof(self->out)));
	parent = strstr(self->out, "parent: ");
	ASSERT_TRUE(!!parent);
	ASSERT_EQ(2, sscanf(parent, "parent: I am %d, the other is %d", &me, &other));
	parent = strstr(self->out, "child: ");
	ASSERT_TRUE(!!parent);
	ASSERT_EQ(2, sscanf(parent, "child: I am %d, the other is %d", &me2, &other2));
	EXPECT_EQ(me, other2);
	EXPECT_EQ(me2, other);
}

TEST_F(sample, counter_sums_and_semaphore_counts)
{
	ASSERT_EQ(0, sample("efd_modes 4", self->out, sizeof(self->out)));
	EXPECT_STREQ("counter: 4 writes, reads: 4\n"
		     "semaphore: 4 writes, reads: 1 1 1 1\n",
		     self->out);
}

/* Its programs, as scripts/samples takes them out of docs/eventfd.2, print what it shows. */
TEST_F(sample, transcripts_of_the_manual_page)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/eventfd_page", dir("SAMPLES", "/samples"));
	if (access(path, X_OK))
		SKIP(return, "needs %s", path);
	EXPECT_EQ(0, sample("eventfd_page", self->out, sizeof(self->out)));
	EXPECT_STREQ("", self->out);
}

TEST_F(sample, same_exchange_over_eventfd_and_pipe)
{
	long long ns[2] = { 0, 0 };

	ASSERT_EQ(0, sample("efd_vs_pipe 100", self->out, sizeof(self->out)));
	EXPECT_EQ(2, sscanf(self->out,
			    "eventfd 100 rounds, 2 descriptors, %lld ns each\n"
			    "pipe 100 rounds, 4 descriptors, %lld ns each\n",
			    &ns[0], &ns[1]));
	EXPECT_GT(ns[0], 0);
	EXPECT_GT(ns[1], 0);
}

/* The program that waits, and the module, as a reader would try them. */
TEST_F(sample, waiting_program_and_module)
{
	static const char *const how[] = { "select", "epoll" };
	char path[256], line[128] = "";
	int efd, status, count, p[2];
	pid_t pid, said;
	size_t i, n;

	count = adds_at_once() ? 5 : 1;
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		snprintf(path, sizeof(path), "%s/efd_wait", dir("SAMPLES", "/samples"));
		ASSERT_EQ(0, pipe(p));
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			dup2(p[1], 1);
			execl(path, path, how[i], "5", NULL);
			_exit(127);
		}
		close(p[1]);
		n = read(p[0], line, sizeof(line) - 1);
		ASSERT_LT(0, (ssize_t)n);
		line[n] = 0;
		ASSERT_EQ(2, sscanf(line, "pid=%d efd=%d\n", &said, &efd));
		EXPECT_EQ(pid, said);
		status = load("efd_poke", "pid=%d efd=%d count=%d", pid, efd, count);
		if (status == -ENOENT || status == -EPERM) {
			kill(pid, SIGKILL);
			SKIP(return, "needs root and the modules");
		}
		ASSERT_EQ(0, status);
		n = read(p[0], line, sizeof(line) - 1);
		ASSERT_LT(0, (ssize_t)n);
		line[n] = 0;
		snprintf(path, sizeof(path), "got %d\n", count);
		EXPECT_STREQ(path, line);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		close(p[0]);
		ASSERT_EQ(0, unload("efd_poke"));
	}
}

TEST_HARNESS_MAIN
