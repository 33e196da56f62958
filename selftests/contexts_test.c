// SPDX-License-Identifier: GPL-2.0
/*
 * Signals from every context that may give one, and what callbacks on the wait queue are
 * told: in which order, with which events, under which locks.
 *
 * Needs the module efd_contexts (MODULES names its directory, /modules unless told
 * otherwise) and the right to load it; skips without.
 */
#include <sys/epoll.h>

#include "module.h"

#define MODULE	"efd_contexts"

/* Writes @word to parameter @name of the module: 0 or -errno. */
static int set(const char *name, const char *word)
{
	FILE *f = param_open(MODULE, name, "w");
	int ret;

	if (!f)
		return -errno;
	setvbuf(f, NULL, _IONBF, 0);
	ret = fputs(word, f) < 0 ? -errno : 0;
	fclose(f);
	return ret;
}

#define seen()	param(MODULE, "seen")

/* For a fixture's setup: the module knows @fd. */
#define MODULE_SETUP(fd)							\
	do {									\
		int ret_;							\
										\
		/* what a test that was stopped half-way has left */		\
		unload(MODULE);							\
		ret_ = load(MODULE, "pid=%d efd=%d", getpid(), fd);		\
		if (ret_ == -ENOENT || ret_ == -EPERM || ret_ == -ENOSYS)	\
			SKIP(return, "no %s: %s", MODULE, strerror(-ret_));	\
		ASSERT_EQ(0, ret_);						\
	} while (0)

FIXTURE(from)
{
	int fd;
};

/* @where, or @rt under PREEMPT_RT: it has to be true there, or the test is not what it says. */
FIXTURE_VARIANT(from)
{
	const char *where;
	const char *name;
	const char *rt;
};

FIXTURE_VARIANT_ADD(from, process) { .name = "process", .where = "task" };
FIXTURE_VARIANT_ADD(from, irqs_off) { .name = "irqs_off", .where = "task,off" };
FIXTURE_VARIANT_ADD(from, hard_irq) { .name = "hard_irq", .where = "hard,off" };
FIXTURE_VARIANT_ADD(from, tasklet) { .name = "tasklet", .where = "soft" };
FIXTURE_VARIANT_ADD(from, timer) { .name = "timer", .where = "soft" };
FIXTURE_VARIANT_ADD(from, hrtimer) { .name = "hrtimer", .where = "hard,off" };
FIXTURE_VARIANT_ADD(from, workqueue) { .name = "workqueue", .where = "task" };
/* PREEMPT_RT has threads for it. */
FIXTURE_VARIANT_ADD(from, rcu) { .name = "rcu", .where = "soft", .rt = "task" };
FIXTURE_VARIANT_ADD(from, other_cpu) { .name = "other_cpu", .where = "hard,off,cpu" };
FIXTURE_VARIANT_ADD(from, nmi) { .name = "nmi", .where = "hard,off,nmi" };

FIXTURE_SETUP(from)
{
	int ret;

	self->fd = efd_create(0, 0);
	ASSERT_GE(self->fd, 0);
	MODULE_SETUP(self->fd);
	ret = set("from", variant->name);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no eventfd may be signalled from %s here", variant->name);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(1, efd_drain(self->fd));
}

FIXTURE_TEARDOWN(from)
{
	unload(MODULE);
	close(self->fd);
}

/* It is the context that it says: work may be done on any processor, unless asked otherwise. */
TEST_F(from, is_what_it_says)
{
	const char *expected = variant->where;
	struct utsname name;
	char where[64], *cpu;

	uname(&name);
	if (variant->rt && strstr(name.version, "PREEMPT_RT"))
		expected = variant->rt;
	ASSERT_EQ(0, set("from", variant->name));
	snprintf(where, sizeof(where), "%.63s", param(MODULE, "where"));
	cpu = strstr(where, ",cpu");
	if (cpu && !strstr(expected, ",cpu"))
		memmove(cpu, cpu + 4, strlen(cpu + 4) + 1);
	EXPECT_STREQ(expected, where);
}

/* "A signal may come from any context that may take a spinlock, hard interrupt included." */
TEST_F(from, each_signal_adds_one)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, set("from", variant->name));
	}
	EXPECT_EQ(20, efd_drain(self->fd));
}

/* ... and a blocked reader is woken from there. */
TEST_F(from, wakes_a_blocked_reader)
{
	struct worker w = { .fd = self->fd };

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(0, set("from", variant->name));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* ... and pollers, each time. */
TEST_F(from, is_an_edge_each_time)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), i;

	ASSERT_EQ(0, RET(epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event)));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, set("from", variant->name));
		EXPECT_EQ(1, epoll_wait(ep, &event, 1, WAIT_MS));
		EXPECT_EQ((uint32_t)EPOLLIN, event.events);
		EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
	}
	close(ep);
}

/* ... and there, too, it ends at ULLONG_MAX. */
TEST_F(from, saturates)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, set("from", variant->name));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, set("from", variant->name));
	EXPECT_TRUE(efd_is_saturated(self->fd, 0));
}

/* "under the queue's lock with interrupts off", and the guard is up. */
TEST_F(from, callbacks_see_it_locked_and_guarded)
{
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("from", variant->name));
	EXPECT_STREQ("plain:1:log", seen());
}

/* "they may drain it with `eventfd_ctx_do_read()` there and then" */
TEST_F(from, consumer_takes_it_there)
{
	struct worker w = { .fd = self->fd };
	long sleeps;

	ASSERT_EQ(0, set("watch", "priority"));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(0, set("from", variant->name));
	EXPECT_STREQ("1", param(MODULE, "taken"));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	EXPECT_EQ(0, efd_events(self->fd, POLLIN));

	ASSERT_EQ(0, set("leave", "all"));
	ASSERT_EQ(0, set("from", variant->name));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1u, w.value);
}

FIXTURE(watch)
{
	int fd;
};

EFD_BLOCKING_VARIANTS(watch);

FIXTURE_SETUP(watch)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	MODULE_SETUP(self->fd);
}

FIXTURE_TEARDOWN(watch)
{
	unload(MODULE);
	close(self->fd);
}

/* What one read gets of @n. */
#define SHARE(n)	((variant->flags & EFD_SEMAPHORE) ? 1 : (n))

/* True if each word of @words begins as that of @want: what comes after that may differ. */
static bool begin(const char *words, const char *want)
{
	size_t len;

	for (; *want; want += len + !!want[len]) {
		len = strcspn(want, " ");
		if (strncmp(words, want, len))
			return false;
		words += strcspn(words, " ");
		words += !!*words;
	}
	return !*words;
}

/* "hear of every write, signal and read once each", writes of zero included */
TEST_F(watch, each_write_is_told)
{
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_STREQ("plain:1:log plain:1:log plain:1:log", seen());
}

/* ... and of no read that fails. */
TEST_F(watch, each_read_is_told)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_STREQ("plain:4:log", seen());
	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	ASSERT_EQ(-EAGAIN, efd_read(self->fd, &value));
	EXPECT_STREQ("plain:4:log", seen());
}

/* "Plain entries are all called, the youngest first, then of exclusive ones the oldest." */
TEST_F(watch, one_exclusive_callback_is_told)
{
	ASSERT_EQ(0, set("watch", "exclusive"));
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("watch", "exclusive"));
	ASSERT_EQ(0, set("watch", "draining"));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_STREQ("draining:1:log plain:1:log exclusive:1:log", seen());
	EXPECT_EQ(SHARE(5), atoi(param(MODULE, "taken")));
	EXPECT_EQ(5 - SHARE(5), efd_drain(self->fd));
}

/* "One that is also exclusive and returns 1, as KVM's, ends the walk." */
TEST_F(watch, priority_callback_ends_the_walk)
{
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("watch", "exclusive"));
	ASSERT_EQ(0, set("watch", "priority"));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_STREQ("priority:1:log", seen());
	EXPECT_EQ(SHARE(5), atoi(param(MODULE, "taken")));
}

/* ... but what it does not take, the others are told of. */
TEST_F(watch, priority_callback_lets_others_hear_of_room)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("watch", "exclusive"));
	ASSERT_EQ(0, set("watch", "priority"));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_STREQ("priority:4:log plain:4:log exclusive:4:log", seen());
}

/* "and then nobody else may see the event" */
TEST_F(watch, who_polls_sees_nothing_of_what_was_taken)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	uint64_t value;

	ASSERT_EQ(0, RET(epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event)));
	ASSERT_EQ(0, set("watch", "priority"));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(0, epoll_wait(ep, &event, 1, QUIET_MS));
	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	EXPECT_EQ(-EAGAIN, efd_read(self->fd, &value));
	close(ep);
}

/* `eventfd_ctx_remove_wait_queue` takes what is there: "0 or EAGAIN" */
TEST_F(watch, leaving_takes_what_is_there)
{
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	ASSERT_EQ(0, set("leave", "all"));
	EXPECT_EQ(SHARE(3), atoi(param(MODULE, "leave")));
	efd_drain(self->fd);
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("leave", "all"));
	EXPECT_EQ(-EAGAIN, atoi(param(MODULE, "leave")));
	EXPECT_EQ(0, efd_drain(self->fd));
}

/* ... which is room for others, who are told; who has left is told nothing any longer. */
TEST_F(watch, leaving_is_told_to_who_stays)
{
	ASSERT_EQ(0, set("watch", "exclusive"));
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, set("seen", "forget"));
	ASSERT_EQ(0, set("leave", "all"));
	EXPECT_TRUE(begin(seen(), "plain:4:lo")) TH_LOG("seen: %s", seen());
	ASSERT_EQ(0, set("seen", "forget"));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_STREQ("", seen());
}

static void worker_write_on(struct worker *w)
{
	_Atomic bool *enough = w->arg;

	do {
		w->ret = efd_write(w->fd, 1);
	} while (w->ret == 8 && !*enough);
}

/*
 * "takes the callback off and what is there, in one step": it is given what it was told of,
 * however often others write meanwhile.
 */
TEST_F(watch, leaving_is_one_step)
{
	_Atomic bool enough = false;
	struct worker w = { .fd = self->fd, .arg = &enough };

	if (variant->flags & EFD_SEMAPHORE)
		SKIP(return, "a semaphore gives one at a time");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "takes two processors");
	ASSERT_TRUE(worker_start(&w, worker_write_on));
	EXPECT_EQ(0, set("rounds", "20000"));
	enough = true;
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_STREQ("0", param(MODULE, "rounds"));
}

/* "Releasing the file wakes kernel waiters with EPOLLHUP." */
TEST_F(watch, close_is_told_as_hangup)
{
	ASSERT_EQ(0, set("watch", "exclusive"));
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("watch", "draining"));
	ASSERT_EQ(0, set("forget", "file"));
	ASSERT_STREQ("", seen());
	close(self->fd);
	EXPECT_TRUE(eventually(*seen()));
	EXPECT_TRUE(begin(seen(), "draining:10:lo plain:10:lo exclusive:10:lo"))
		TH_LOG("seen: %s", seen());
	self->fd = -1;
}

/* "A context outlives its file for whoever holds a reference." */
TEST_F(watch, context_outlives_its_file)
{
	ASSERT_EQ(0, set("watch", "plain"));
	ASSERT_EQ(0, set("forget", "file"));
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(eventually(*seen()));
	ASSERT_EQ(0, set("seen", "forget"));
	ASSERT_EQ(0, set("from", "process"));
	ASSERT_EQ(0, set("from", "process"));
	EXPECT_STREQ("plain:1:log plain:1:log", seen());
	ASSERT_EQ(0, set("leave", "all"));
	EXPECT_EQ(SHARE(2), atoi(param(MODULE, "leave")));
}

TEST_HARNESS_MAIN
