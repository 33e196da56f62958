// SPDX-License-Identifier: GPL-2.0
/* Events as epoll delivers them: edge-triggered, level-triggered, one-shot, exclusive, nested. */
#include "eventfd.h"

#include <stdatomic.h>
#include <sys/epoll.h>

/* How long a race is provoked; milliseconds. */
#define HAMMER_MS	150

#define NONE		0
#define IN		EPOLLIN
#define OUT		EPOLLOUT
#define ET		EPOLLET

static int ep_create(void)
{
	return RET(epoll_create1(EPOLL_CLOEXEC));
}

/* Adds, changes or deletes @fd, whose number is its data. */
static int ep_ctl(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return RET(epoll_ctl(ep, op, fd, &ev));
}

static int ep_add(int ep, int fd, uint32_t events)
{
	return ep_ctl(ep, EPOLL_CTL_ADD, fd, events);
}

/* Called without libc, so that it is known which system call it is. */
static int ep_wait(int ep, struct epoll_event *ev, int n, int ms)
{
	return RET(syscall(SYS_epoll_pwait, ep, ev, n, ms, NULL, 0));
}

/* The events of the only descriptor in @ep within @ms: 0 if there are none. */
static int ep_events_in(int ep, int ms)
{
	struct epoll_event ev[2] = {};
	int ret = ep_wait(ep, ev, 2, ms);

	return ret > 1 ? -E2BIG : ret < 0 ? ret : (int)ev[0].events;
}

/* Those that are there: a wake has queued its event before the write or read returns. */
static int ep_events(int ep)
{
	return ep_events_in(ep, 0);
}

/* A worker that waits in epoll @fd, of one descriptor, until there are events. */
static void worker_epoll(struct worker *w)
{
	w->ret = ep_events_in(w->fd, -1);
}

static bool waiter_start_asleep(struct worker *w, int ep)
{
	w->fd = ep;
	return worker_start_asleep(w, worker_epoll, SYS_epoll_pwait);
}

/*
 * An eventfd at zero and an epoll without it. O_NONBLOCK must not make a
 * difference to any of this.
 */
FIXTURE(edge)
{
	int fd, ep;
};

EFD_VARIANTS(edge);

FIXTURE_SETUP(edge)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->ep = ep_create();
	ASSERT_GE(self->ep, 0);
}

FIXTURE_TEARDOWN(edge)
{
	close(self->ep);
	close(self->fd);
}

/* "IN: one event per write" */
TEST_F(edge, in_one_per_write)
{
	int i;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	for (i = 0; i < 3; i++) {
		uint64_t value;

		ASSERT_EQ(8, efd_write(self->fd, 1));
		EXPECT_EQ(IN, ep_events(self->ep));
		EXPECT_EQ(NONE, ep_events(self->ep));
		ASSERT_EQ(8, efd_read(self->fd, &value));
	}
}

/* "also non-zero to non-zero": nobody reads, each write is an event. */
TEST_F(edge, in_write_to_non_zero)
{
	int i;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1 + i));
		EXPECT_EQ(IN, ep_events(self->ep));
		EXPECT_EQ(NONE, ep_events(self->ep));
	}
}

/* "and write(0) while non-zero" */
TEST_F(edge, in_write_of_zero_to_non_zero)
{
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "write(0) while non-zero": at MAX-1 as well, where nothing else can be written. */
TEST_F(edge, in_write_of_zero_to_full)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "write(0) at zero gives none." */
TEST_F(edge, in_write_of_zero_to_zero)
{
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(NONE, ep_events(self->ep));
	/* And the next one is not mistaken for an old one. */
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN, ep_events(self->ep));
}

/* "IN: ... none on read": not even on one that leaves something, in a semaphore. */
TEST_F(edge, in_none_on_read)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(NONE, ep_events(self->ep));
	if (variant->flags & EFD_SEMAPHORE) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(NONE, ep_events(self->ep));
	}
}

/* "A count that is there on add is an event" */
TEST_F(edge, in_on_add)
{
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_DEL, self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "several writes before the next epoll_wait are one" */
TEST_F(edge, in_writes_come_together)
{
	int i;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
	}
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "a count that is gone by then is none": by the time that somebody asks. */
TEST_F(edge, in_none_if_read_before)
{
	uint64_t value;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN, ep_events(self->ep));
}

/* "IN: one event per write": one that has failed is none. */
TEST_F(edge, in_none_on_failed_write)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(-EAGAIN, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "OUT: one on add" */
TEST_F(edge, out_on_add)
{
	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	EXPECT_EQ(OUT, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_DEL, self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "OUT: ... one per read": though there was room before it as well. */
TEST_F(edge, out_one_per_read)
{
	uint64_t value;
	int i;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(OUT, ep_events(self->ep));
		EXPECT_EQ(NONE, ep_events(self->ep));
	}
}

/* "OUT: ... one per read": of a semaphore that is not emptied by it. */
TEST_F(edge, out_read_to_non_zero)
{
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	ASSERT_EQ(NONE, ep_events(self->ep));
	for (i = 0; i < (variant->flags & EFD_SEMAPHORE ? 4 : 1); i++) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(OUT, ep_events(self->ep));
		EXPECT_EQ(NONE, ep_events(self->ep));
	}
}

/* "OUT: ... none on write." */
TEST_F(edge, out_none_on_write)
{
	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "OUT: ... one per read": one that has failed is none. */
TEST_F(edge, out_none_on_failed_read)
{
	uint64_t value;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	ASSERT_EQ(-EAGAIN, efd_read(self->fd, &value));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(-EINVAL, RET(read(self->fd, &value, 4)));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "IN|OUT: on add" */
TEST_F(edge, in_out_on_add)
{
	static const struct {
		uint64_t count;
		int events;
	} row[] = {
		{ 0, OUT },
		{ 1, IN | OUT },
		{ EFD_MAX - 1, IN | OUT },
		{ EFD_MAX, IN },
	};
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		fd = efd_create(0, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, row[i].count));
		ASSERT_EQ(0, ep_add(self->ep, fd, IN | OUT | ET));
		EXPECT_EQ(row[i].events, ep_events(self->ep)) TH_LOG("row %zu", i);
		EXPECT_EQ(NONE, ep_events(self->ep));
		close(fd);
	}
}

/* "IN|OUT: ... every write (also write(0) at 0, as OUT)" */
TEST_F(edge, in_out_every_write)
{
	static const struct {
		uint64_t value;
		int events;
	} row[] = {
		{ 0, OUT },	 { 0, OUT },	      { 1, IN | OUT }, { 0, IN | OUT },
		{ 1, IN | OUT }, { EFD_MAX - 2, IN }, { 0, IN },
	};
	size_t i;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		ASSERT_EQ(8, efd_write(self->fd, row[i].value));
		EXPECT_EQ(row[i].events, ep_events(self->ep)) TH_LOG("row %zu", i);
		EXPECT_EQ(NONE, ep_events(self->ep)) TH_LOG("row %zu", i);
	}
}

/* "IN|OUT: ... and every read.": as what the read has left. */
TEST_F(edge, in_out_every_read)
{
	const bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | OUT | ET));
	ASSERT_EQ(IN | OUT, ep_events(self->ep));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(semaphore ? IN | OUT : OUT, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	if (semaphore) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(OUT, ep_events(self->ep));
		EXPECT_EQ(NONE, ep_events(self->ep));
	}
}

/* "IN|OUT: ... every write ... and every read.": those that have failed are none. */
TEST_F(edge, in_out_none_on_failure)
{
	uint64_t value;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	ASSERT_EQ(-EAGAIN, efd_read(self->fd, &value));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(-EAGAIN, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "Never RDNORM, WRNORM, PRI, HUP, RDHUP." */
TEST_F(edge, other_events_never_come)
{
	const uint32_t others = EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG |
				EPOLLPRI | EPOLLHUP | EPOLLRDHUP | EPOLLERR;
	uint64_t value;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, others | ET));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, others | IN | OUT | ET));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? IN | OUT : OUT, ep_events(self->ep));
}

/* EPOLL_CTL_MOD looks anew at what is there: an event, though nothing has happened since. */
TEST_F(edge, modify_asks_again)
{
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, IN | ET));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, OUT | ET));
	EXPECT_EQ(OUT, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	/* And from now on it is OUT that counts. */
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "IN: one event per write", for one that waits; "none on read" does not even wake it. */
TEST_F(edge, in_wakes_waiter)
{
	struct worker w = {};
	uint64_t value;
	long sleeps;

	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(IN, w.ret);
}

/* "OUT: ... one per read, none on write.", for one that waits. */
TEST_F(edge, out_wakes_waiter)
{
	struct worker w = {};
	uint64_t value;
	long sleeps;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(OUT, w.ret);
}

/*
 * "IN|OUT: ... every write ... and every read.": also those of tasks that slept
 * for it; when they are done, what there is comes once.
 */
TEST_F(edge, blocked_readers_make_events)
{
	struct worker reader[2] = { { .fd = self->fd }, { .fd = self->fd } };
	size_t i;

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "nobody sleeps");
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | OUT | ET));
	ASSERT_EQ(OUT, ep_events(self->ep));
	for (i = 0; i < ARRAY_SIZE(reader); i++) {
		ASSERT_TRUE(worker_start_asleep(&reader[i], worker_read, SYS_read));
	}
	for (i = 0; i < ARRAY_SIZE(reader); i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(eventually(reader[0].done + reader[1].done == (int)i + 1));
		EXPECT_EQ(OUT, ep_events(self->ep));
		EXPECT_EQ(NONE, ep_events(self->ep));
	}
	for (i = 0; i < ARRAY_SIZE(reader); i++) {
		ASSERT_TRUE(worker_join(&reader[i]));
		EXPECT_EQ(8, reader[i].ret);
	}
}

/* The same of a writer that had to wait for room. */
TEST_F(edge, blocked_writer_makes_events)
{
	struct worker writer = { .fd = self->fd, .value = 1 };
	int ep_out = ep_create();
	uint64_t value;

	if (variant->flags & EFD_NONBLOCK)
		SKIP(return, "nobody sleeps");
	ASSERT_GE(ep_out, 0);
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(0, ep_add(ep_out, self->fd, OUT | ET));
	ASSERT_EQ(NONE, ep_events(ep_out));
	ASSERT_TRUE(worker_start_asleep(&writer, worker_write, SYS_write));
	ASSERT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&writer));
	EXPECT_EQ(8, writer.ret);
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	/* A semaphore is full again. */
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? NONE : OUT, ep_events(ep_out));
	EXPECT_EQ(NONE, ep_events(ep_out));
	close(ep_out);
}

/*
 * Level-triggered and one-shot.
 */
FIXTURE(level)
{
	int fd, ep;
};

EFD_VARIANTS(level);

FIXTURE_SETUP(level)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->ep = ep_create();
	ASSERT_GE(self->ep, 0);
}

FIXTURE_TEARDOWN(level)
{
	close(self->ep);
	close(self->fd);
}

/* "each event is reported for as long as it holds": IN, until the counter is 0. */
TEST_F(level, in_while_non_zero)
{
	uint64_t value;
	int i;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	for (i = 0; i < (variant->flags & EFD_SEMAPHORE ? 3 : 1); i++) {
		EXPECT_EQ(IN, ep_events(self->ep));
		EXPECT_EQ(IN, ep_events(self->ep));
		ASSERT_EQ(8, efd_read(self->fd, &value));
	}
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* "each event is reported for as long as it holds": OUT, until there is no room. */
TEST_F(level, out_until_full)
{
	uint64_t value;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT));
	EXPECT_EQ(OUT, ep_events(self->ep));
	EXPECT_EQ(OUT, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	EXPECT_EQ(OUT, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(OUT, ep_events(self->ep));
	EXPECT_EQ(OUT, ep_events(self->ep));
}

/* Both at once. */
TEST_F(level, in_and_out)
{
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | OUT));
	EXPECT_EQ(OUT, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN | OUT, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	EXPECT_EQ(IN, ep_events(self->ep));
}

/* "Every write wakes all pollers with EPOLLIN" */
TEST_F(level, write_wakes_waiter)
{
	struct worker w = {};

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(IN, w.ret);
}

/* "every successful read with EPOLLOUT" */
TEST_F(level, read_wakes_waiter)
{
	struct worker w = {};
	uint64_t value;
	long sleeps;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, OUT));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(OUT, w.ret);
}

/* Nothing comes: the wait ends at its timeout and not before. */
TEST_F(level, timeout)
{
	uint64_t start = now_ms();

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_EQ(NONE, ep_events_in(self->ep, 30));
	/* The clock of now_ms() is cut off to milliseconds. */
	EXPECT_LE(start + 29, now_ms());
}

/* EPOLLONESHOT: one event, and then none whatever happens, until it is armed again. */
TEST_F(level, oneshot)
{
	const uint32_t once = IN | EPOLLONESHOT;
	uint64_t value;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, once));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
	/* Armed again, it tells of what came meanwhile. */
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, once));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
	/* Armed at zero, it tells of what comes next. */
	ASSERT_EQ(8, efd_read(self->fd, &value));
	if (variant->flags & EFD_SEMAPHORE)
		ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, once));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN, ep_events(self->ep));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* The same edge-triggered, as event loops with several threads have it. */
TEST_F(level, oneshot_edge)
{
	const uint32_t once = IN | ET | EPOLLONESHOT;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, once));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, once));
	EXPECT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* A spent one does not wake; to arm it does, if there is something. */
TEST_F(level, oneshot_waiter)
{
	struct worker w = {};
	long sleeps;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | EPOLLONESHOT));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, IN | EPOLLONESHOT));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(IN, w.ret);
}

/* EPOLL_CTL_DEL: no event any more, not even one that was there; ADD begins anew. */
TEST_F(level, delete)
{
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_DEL, self->fd, 0));
	EXPECT_EQ(NONE, ep_events(self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(NONE, ep_events(self->ep));
	EXPECT_EQ(-ENOENT, ep_ctl(self->ep, EPOLL_CTL_DEL, self->fd, 0));
	EXPECT_EQ(-ENOENT, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, IN));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	EXPECT_EQ(-EEXIST, ep_add(self->ep, self->fd, IN));
	EXPECT_EQ(IN, ep_events(self->ep));
}

/* DEL under a sleeping waiter: it sleeps on; ADD under it: it gets what is there. */
TEST_F(level, delete_and_add_under_a_waiter)
{
	struct worker w = {};
	long sleeps;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_DEL, self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(still_asleep(&w, sleeps));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(IN, w.ret);
}

/* Closing the last descriptor takes it out of the epoll, events and all. */
TEST_F(level, close_removes)
{
	int fd = efd_create(1, variant->flags), old = fd;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ep_add(self->ep, fd, IN));
	ASSERT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(NONE, ep_events(self->ep));
	/* Another eventfd of that number is another one. */
	fd = efd_create(1, variant->flags);
	ASSERT_EQ(old, fd);
	EXPECT_EQ(NONE, ep_events(self->ep));
	EXPECT_EQ(-ENOENT, ep_ctl(self->ep, EPOLL_CTL_DEL, fd, 0));
	ASSERT_EQ(0, ep_add(self->ep, fd, IN));
	EXPECT_EQ(IN, ep_events(self->ep));
	close(fd);
}

/* As long as there is a duplicate it stays. */
TEST_F(level, close_of_one_of_two)
{
	int fd = efd_create(0, variant->flags), fd2 = dup(fd);

	ASSERT_GE(fd, 0);
	ASSERT_GE(fd2, 0);
	ASSERT_EQ(0, ep_add(self->ep, fd, IN));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(8, efd_write(fd2, 1));
	EXPECT_EQ(IN, ep_events(self->ep));
	ASSERT_EQ(0, close(fd2));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* Closing under a sleeping waiter: it sleeps on, and other eventfds still wake it. */
TEST_F(level, close_under_a_waiter)
{
	int fd = efd_create(0, variant->flags);
	struct worker w = {};

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ep_add(self->ep, fd, IN | OUT | ET));
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_EQ(OUT, ep_events(self->ep));
	ASSERT_TRUE(waiter_start_asleep(&w, self->ep));
	ASSERT_EQ(0, close(fd));
	ASSERT_TRUE(eventually(sleeps_in(w.tid, SYS_epoll_pwait)));
	ASSERT_FALSE(w.done);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(IN, w.ret);
}

/* The epoll goes first: the eventfd is as it was. */
TEST_F(level, close_of_epoll)
{
	int ep = ep_create();
	uint64_t value;

	ASSERT_GE(ep, 0);
	ASSERT_EQ(0, ep_add(ep, self->fd, IN | OUT));
	ASSERT_EQ(0, close(ep));
	ASSERT_EQ(8, efd_write(self->fd, 7));
	ASSERT_EQ(POLLIN | POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(8, efd_read(self->fd, &value));
}

/* "Copies share the readiness": a child writes, the epoll of its parent has the event. */
TEST_F(level, write_in_a_child)
{
	pid_t pid;

	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(efd_write(self->fd, 1) == 8 ? 0 : 1);
	ASSERT_EQ(IN, ep_events_in(self->ep, WAIT_MS));
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(NONE, ep_events(self->ep));
}

/* Two descriptors of one eventfd are two members, and each has the event. */
TEST_F(level, duplicate_in_the_same_epoll)
{
	struct epoll_event ev[3];
	int fd = dup(self->fd);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
	ASSERT_EQ(0, ep_add(self->ep, fd, IN | ET));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(2, ep_wait(self->ep, ev, 3, 0));
	EXPECT_EQ(self->fd + fd, ev[0].data.fd + ev[1].data.fd);
	close(fd);
}

/* Many eventfds in one epoll: those that were written to, each once, and no other. */
TEST_F(level, many_in_one)
{
	enum { MANY = 200 };
	struct epoll_event ev[MANY + 1];
	int fd[MANY], seen[1024] = {}, want = 0, n, i;

	for (i = 0; i < MANY; i++) {
		fd[i] = efd_create(0, variant->flags);
		ASSERT_GE(fd[i], 0);
		ASSERT_LT(fd[i], (int)ARRAY_SIZE(seen));
		ASSERT_EQ(0, ep_add(self->ep, fd[i], IN | (i % 2 ? ET : 0)));
	}
	ASSERT_EQ(0, ep_wait(self->ep, ev, MANY + 1, 0));
	for (i = 0; i < MANY; i += 3, want++) {
		ASSERT_EQ(8, efd_write(fd[i], 1));
	}
	n = ep_wait(self->ep, ev, MANY + 1, 0);
	ASSERT_EQ(want, n);
	for (i = 0; i < n; i++)
		seen[ev[i].data.fd]++;
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(i % 3 ? 0 : 1, seen[fd[i]]) TH_LOG("eventfd %d", i);
	}
	/* The edge-triggered ones have had their say. */
	for (want = 0, i = 0; i < MANY; i += 3)
		want += i % 2 == 0;
	EXPECT_EQ(want, ep_wait(self->ep, ev, MANY + 1, 0));
}

/* One eventfd in many epolls: "plain epoll: always all of them". */
TEST_F(level, one_in_many)
{
	enum { MANY = 64 };
	int ep[MANY], i;
	uint64_t value;

	for (i = 0; i < MANY; i++) {
		ep[i] = ep_create();
		ASSERT_GE(ep[i], 0);
		ASSERT_EQ(0, ep_add(ep[i], self->fd, IN | (i % 2 ? ET : 0)));
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(IN, ep_events(ep[i])) TH_LOG("epoll %d", i);
	}
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(i % 2 ? NONE : IN, ep_events(ep[i])) TH_LOG("epoll %d", i);
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(NONE, ep_events(ep[i])) TH_LOG("epoll %d", i);
	}
}

/* An epoll in an epoll: what is ready inside is ready outside. */
TEST_F(level, nested)
{
	int middle = ep_create(), outer = ep_create();
	uint64_t value;

	ASSERT_GE(middle, 0);
	ASSERT_GE(outer, 0);
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_EQ(0, ep_add(middle, self->ep, IN));
	ASSERT_EQ(0, ep_add(outer, middle, IN));
	EXPECT_EQ(NONE, ep_events(outer));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(IN, ep_events(outer));
	EXPECT_EQ(POLLIN, efd_events(outer, POLLIN));
	EXPECT_EQ(POLLIN, efd_events(self->ep, POLLIN));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(NONE, ep_events(outer));
	EXPECT_EQ(0, efd_events(self->ep, POLLIN));
	close(outer);
	close(middle);
}

/* "IN: one event per write": through an epoll in between as well. */
TEST_F(level, nested_edge)
{
	int outer = ep_create(), i;

	ASSERT_GE(outer, 0);
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_EQ(0, ep_add(outer, self->ep, IN | ET));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		EXPECT_EQ(IN, ep_events(outer));
		EXPECT_EQ(NONE, ep_events(outer));
	}
	close(outer);
}

/* "Every write wakes all pollers": one that waits outside is woken, and so is one inside. */
TEST_F(level, nested_waiters)
{
	struct worker in_outer = {}, in_inner = {};
	int outer = ep_create();

	ASSERT_GE(outer, 0);
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN));
	ASSERT_EQ(0, ep_add(outer, self->ep, IN));
	ASSERT_TRUE(waiter_start_asleep(&in_outer, outer));
	ASSERT_TRUE(waiter_start_asleep(&in_inner, self->ep));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&in_outer));
	ASSERT_TRUE(worker_join(&in_inner));
	EXPECT_EQ(IN, in_outer.ret);
	EXPECT_EQ(IN, in_inner.ret);
	close(outer);
}

/*
 * A crowd of epolls on one eventfd, each with a thread that waits in it.
 */
enum { CROWD = 4 };

FIXTURE(crowd)
{
	int fd, ep[CROWD];
	struct worker w[CROWD];
	long sleeps[CROWD];
};

EFD_VARIANTS(crowd);

FIXTURE_SETUP(crowd)
{
	int i;

	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	for (i = 0; i < CROWD; i++) {
		self->ep[i] = ep_create();
		ASSERT_GE(self->ep[i], 0);
	}
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->fd);
}

/* Sends a thread to sleep in each epoll. */
static bool crowd_sleep(int n, struct worker *w, const int *ep, long *sleeps)
{
	int i;

	for (i = 0; i < n; i++) {
		if (!waiter_start_asleep(&w[i], ep[i]))
			return false;
		sleeps[i] = nr_sleeps(w[i].tid);
	}
	return true;
}

static int crowd_done(int n, const struct worker *w)
{
	int done = 0, i;

	for (i = 0; i < n; i++)
		done += w[i].done;
	return done;
}

/* How many were not woken at all: exact as soon as the write or read is over. */
static int crowd_asleep(int n, struct worker *w, const long *sleeps)
{
	int asleep = 0, i;

	for (i = 0; i < n; i++)
		asleep += still_asleep(&w[i], sleeps[i]);
	return asleep;
}

/* "plain epoll: always all of them" */
TEST_F(crowd, write_wakes_all_plain)
{
	int i;

	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, IN | (i % 2 ? ET : 0)));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < CROWD; i++) {
		ASSERT_TRUE(worker_join(&self->w[i]));
		EXPECT_EQ(IN, self->w[i].ret);
	}
}

/* "plain epoll: always all of them": a read and EPOLLOUT. */
TEST_F(crowd, read_wakes_all_plain)
{
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, OUT | (i % 2 ? ET : 0)));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	for (i = 0; i < CROWD; i++) {
		ASSERT_TRUE(worker_join(&self->w[i]));
		EXPECT_EQ(OUT, self->w[i].ret);
	}
}

/* "EPOLLEXCLUSIVE: one matching epoll per write": the second write is for a second one. */
TEST_F(crowd, exclusive_one_per_write)
{
	int i;

	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, IN | EPOLLEXCLUSIVE));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	for (i = 1; i <= CROWD; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		EXPECT_EQ(CROWD - i, crowd_asleep(CROWD, self->w, self->sleeps));
		ASSERT_TRUE(eventually(crowd_done(CROWD, self->w) >= i));
		ASSERT_EQ(i, crowd_done(CROWD, self->w));
	}
	for (i = 0; i < CROWD; i++) {
		ASSERT_TRUE(worker_join(&self->w[i]));
		EXPECT_EQ(IN, self->w[i].ret);
	}
}

/* "EPOLLEXCLUSIVE: one matching epoll per write": edge-triggered too. */
TEST_F(crowd, exclusive_edge)
{
	int i;

	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, IN | ET | EPOLLEXCLUSIVE));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	for (i = 1; i <= CROWD; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		EXPECT_EQ(CROWD - i, crowd_asleep(CROWD, self->w, self->sleeps));
		ASSERT_TRUE(eventually(crowd_done(CROWD, self->w) >= i));
		ASSERT_EQ(i, crowd_done(CROWD, self->w));
	}
}

/* "EPOLLEXCLUSIVE: one matching epoll": of those that wait for OUT one per read. */
TEST_F(crowd, exclusive_one_per_read)
{
	const bool semaphore = variant->flags & EFD_SEMAPHORE;
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, OUT | EPOLLEXCLUSIVE));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	for (i = 1; i <= CROWD; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(CROWD - i, crowd_asleep(CROWD, self->w, self->sleeps));
		ASSERT_TRUE(eventually(crowd_done(CROWD, self->w) >= i));
		ASSERT_EQ(i, crowd_done(CROWD, self->w));
		/* A write is not for them. */
		if (!semaphore)
			ASSERT_EQ(8, efd_write(self->fd, 1));
		EXPECT_EQ(CROWD - i, crowd_asleep(CROWD, self->w, self->sleeps));
	}
}

/* "one matching epoll": those that wait for OUT do not swallow a write, nor IN a read. */
TEST_F(crowd, exclusive_one_that_matches)
{
	uint64_t value;
	int i;

	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd,
				    (i < 2 ? OUT : IN) | ET | EPOLLEXCLUSIVE));
	}
	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(i < 2 ? OUT : NONE, ep_events(self->ep[i]));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(eventually(crowd_done(2, &self->w[2])));
	EXPECT_EQ(2, crowd_asleep(2, self->w, self->sleeps));
	EXPECT_EQ(1, crowd_asleep(2, &self->w[2], &self->sleeps[2]));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(eventually(crowd_done(2, self->w)));
	EXPECT_EQ(1, crowd_asleep(2, self->w, self->sleeps));
	EXPECT_EQ(1, crowd_asleep(2, &self->w[2], &self->sleeps[2]));
}

/* "EPOLLEXCLUSIVE: one"; "plain epoll: always all of them": mixed, in either order. */
TEST_F(crowd, exclusive_and_plain)
{
	int i;

	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, IN | (i < 2 ? EPOLLEXCLUSIVE : 0)));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(1, crowd_asleep(2, self->w, self->sleeps));
	for (i = 2; i < CROWD; i++) {
		ASSERT_TRUE(worker_join(&self->w[i]));
		EXPECT_EQ(IN, self->w[i].ret);
	}
	ASSERT_TRUE(eventually(crowd_done(2, self->w)));
	EXPECT_EQ(1, crowd_asleep(2, self->w, self->sleeps));
}

static void worker_poll(struct worker *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };

	w->ret = RET(poll(&pfd, 1, -1));
}

static void worker_select(struct worker *w)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(w->fd, &in);
	w->ret = RET(select(w->fd + 1, &in, NULL, NULL, NULL));
}

/* Asleep in whatever system call libc takes for it. */
static bool poller_start_asleep(struct worker *w, void (*call)(struct worker *w))
{
	static const long nr[] = {
#ifdef SYS_poll
		SYS_poll,
#endif
#ifdef SYS_select
		SYS_select,
#endif
#ifdef SYS__newselect
		SYS__newselect,
#endif
#ifdef SYS_ppoll_time64
		SYS_ppoll_time64, SYS_pselect6_time64,
#endif
#ifdef SYS_ppoll
		SYS_ppoll, SYS_pselect6,
#endif
	};
	bool asleep = false, settled;
	size_t i;

	if (!worker_start(w, call))
		return false;
	settled = eventually(({
		for (i = 0; i < ARRAY_SIZE(nr); i++)
			asleep |= sleeps_in(w->tid, nr[i]);
		asleep || w->done;
	}));
	return settled && !w->done;
}

/* "poll, select and plain epoll: always all of them": behind exclusive ones as well. */
TEST_F(crowd, poll_and_select_behind_exclusive)
{
	struct worker p = { .fd = self->fd }, s = { .fd = self->fd };
	int i;

	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, ep_add(self->ep[i], self->fd, IN | EPOLLEXCLUSIVE));
	}
	ASSERT_TRUE(crowd_sleep(CROWD, self->w, self->ep, self->sleeps));
	ASSERT_TRUE(poller_start_asleep(&p, worker_poll));
	ASSERT_TRUE(poller_start_asleep(&s, worker_select));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(CROWD - 1, crowd_asleep(CROWD, self->w, self->sleeps));
	ASSERT_TRUE(worker_join(&p));
	ASSERT_TRUE(worker_join(&s));
	EXPECT_EQ(1, p.ret);
	EXPECT_EQ(1, s.ret);
	ASSERT_TRUE(eventually(crowd_done(CROWD, self->w)));
	EXPECT_EQ(CROWD - 1, crowd_asleep(CROWD, self->w, self->sleeps));
}

/* An exclusive epoll that nobody waits in does not use up the event. */
TEST_F(crowd, exclusive_without_a_waiter)
{
	ASSERT_EQ(0, ep_add(self->ep[0], self->fd, IN | EPOLLEXCLUSIVE));
	ASSERT_EQ(0, ep_add(self->ep[1], self->fd, IN | EPOLLEXCLUSIVE));
	ASSERT_TRUE(waiter_start_asleep(&self->w[1], self->ep[1]));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&self->w[1]));
	EXPECT_EQ(IN, self->w[1].ret);
	EXPECT_EQ(IN, ep_events(self->ep[0]));
}

/*
 * "Event loops (mio/tokio, netty, libuv, libevent) use IN|ET and never read": a
 * task is put up first, then the loop is woken by a write; whatever was put up
 * when epoll_wait returns is done. The next write comes earlier or later from
 * round to round, so a write that is lost is a task that nobody does.
 */
struct loop {
	int fd, ep;
	uint32_t again;			/* if not 0: reads, and arms by EPOLL_CTL_MOD with these */
	atomic_ullong put_up, did, events;
	atomic_bool stop;
	atomic_int errors;
};

static void *loop_main(void *arg)
{
	struct loop *l = arg;
	uint64_t value;

	while (!l->stop) {
		if (ep_events_in(l->ep, 2 * WAIT_MS) != IN)
			break;
		l->events++;
		if (l->again && (efd_read(l->fd, &value) != 8 ||
				 ep_ctl(l->ep, EPOLL_CTL_MOD, l->fd, l->again)))
			break;
		l->did = l->put_up;
	}
	l->errors += !l->stop;
	return NULL;
}

static void *loop_client(void *arg)
{
	uint64_t mine, end = now_ms() + HAMMER_MS;
	struct loop *l = arg;
	unsigned int n;

	for (n = 1; now_ms() < end && !l->errors; n++) {
		mine = ++l->put_up;
		if (efd_write(l->fd, 1) != 8 || !soon(l->did >= mine))
			l->errors++;
		spin(n * 37 % 4096);
	}
	return NULL;
}

/* Ends the loop and its thread: true if it has not failed. */
static bool loop_end(struct loop *l, pthread_t thread)
{
	l->stop = true;
	return efd_write(l->fd, 1) == 8 && !pthread_join(thread, NULL) && !l->errors;
}

FIXTURE(event_loop)
{
	int fd, ep;
};

EFD_VARIANTS(event_loop);

FIXTURE_SETUP(event_loop)
{
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->ep = ep_create();
	ASSERT_GE(self->ep, 0);
	ASSERT_EQ(0, ep_add(self->ep, self->fd, IN | ET));
}

FIXTURE_TEARDOWN(event_loop)
{
	close(self->ep);
	close(self->fd);
}

/* One client: "one event per write", no more and no less. */
TEST_F(event_loop, one_event_per_write)
{
	struct loop l = { .fd = self->fd, .ep = self->ep };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, loop_main, &l));
	loop_client(&l);
	ASSERT_EQ(0, l.errors);
	EXPECT_EQ(l.put_up, l.events);
	ASSERT_TRUE(loop_end(&l, thread));
}

/* Many clients: no task is forgotten. */
TEST_F(event_loop, many_clients)
{
	struct loop l = { .fd = self->fd, .ep = self->ep };
	pthread_t thread, client[4];
	size_t i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, loop_main, &l));
	for (i = 0; i < ARRAY_SIZE(client); i++) {
		ASSERT_EQ(0, pthread_create(&client[i], NULL, loop_client, &l));
	}
	for (i = 0; i < ARRAY_SIZE(client); i++) {
		ASSERT_EQ(0, pthread_join(client[i], NULL));
	}
	ASSERT_EQ(0, l.errors);
	EXPECT_EQ(l.put_up, l.did);
	ASSERT_TRUE(loop_end(&l, thread));
}

/* With EPOLLONESHOT and reads: what comes between the read and the new arming is not lost. */
TEST_F(event_loop, many_clients_oneshot)
{
	struct loop l = { .fd = self->fd, .ep = self->ep, .again = IN | ET | EPOLLONESHOT };
	pthread_t thread, client[4];
	size_t i;

	ASSERT_EQ(0, ep_ctl(self->ep, EPOLL_CTL_MOD, self->fd, l.again));
	ASSERT_EQ(0, pthread_create(&thread, NULL, loop_main, &l));
	for (i = 0; i < ARRAY_SIZE(client); i++) {
		ASSERT_EQ(0, pthread_create(&client[i], NULL, loop_client, &l));
	}
	for (i = 0; i < ARRAY_SIZE(client); i++) {
		ASSERT_EQ(0, pthread_join(client[i], NULL));
	}
	ASSERT_EQ(0, l.errors);
	EXPECT_EQ(l.put_up, l.did);
	ASSERT_TRUE(loop_end(&l, thread));
}

TEST_HARNESS_MAIN
