// SPDX-License-Identifier: GPL-2.0
/* Sleeping in read and write: who sleeps, who is woken, and what signals do to it. */
#include "eventfd.h"

#include <sched.h>

#define NR_WORKERS	6

/* True if @w still sleeps in system call @nr, or does so again after a wake that was not for it. */
static bool sleeps_on(struct worker *w, long nr)
{
	return eventually(w->done || sleeps_in(w->tid, nr)) && !w->done;
}

static int nr_done(struct worker *w)
{
	int i, n = 0;

	for (i = 0; i < NR_WORKERS; i++)
		n += w[i].done;
	return n;
}

static uint64_t sum_of_done(struct worker *w)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < NR_WORKERS; i++)
		sum += w[i].done ? w[i].value : 0;
	return sum;
}

/* True if exactly @n of the workers come to an end, and the others sleep on. */
static bool only_n_go(struct worker *w, int n, long nr)
{
	int i;

	if (!eventually(nr_done(w) >= n))
		return false;
	for (i = 0; i < NR_WORKERS; i++)
		if (!eventually(w[i].done || sleeps_in(w[i].tid, nr)))
			return false;
	return nr_done(w) == n;
}

static bool join_all(struct worker *w)
{
	int i;

	for (i = 0; i < NR_WORKERS; i++)
		if (!worker_join(&w[i]))
			return false;
	return true;
}

static void let_others_run(void)
{
	struct sched_param param = {};

	sched_setscheduler(0, SCHED_OTHER, &param);
}

static _Atomic int nr_handled;

static void count_signal(int sig)
{
	nr_handled++;
}

static void handle_sigusr1(void (*handler)(int sig), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
}

static ssize_t read_nowait(int fd, uint64_t *value)
{
	struct iovec iov = { value, sizeof(*value) };

	return RET(preadv2(fd, &iov, 1, -1, RWF_NOWAIT));
}

FIXTURE(block)
{
	int fd;
	bool semaphore;
	struct worker w[NR_WORKERS];
};

EFD_BLOCKING_VARIANTS(block);

FIXTURE_SETUP(block)
{
	int i;

	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->semaphore = variant->flags & EFD_SEMAPHORE;
	for (i = 0; i < NR_WORKERS; i++)
		self->w[i].fd = self->fd;
}

FIXTURE_TEARDOWN(block)
{
	close(self->fd);
}

/* "Zero counter: ... otherwise sleeps": until something is written. */
TEST_F(block, read_of_zero_sleeps_until_a_write)
{
	struct worker *w = &self->w[0];

	ASSERT_TRUE(worker_start_asleep(w, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(self->semaphore ? 1u : 5u, w->value);
	EXPECT_EQ(5 - w->value, efd_fill(self->fd));
}

/* "Zero counter: ... otherwise sleeps": a written 0 leaves it zero. */
TEST_F(block, write_of_zero_does_not_end_a_read)
{
	struct worker *w = &self->w[0];
	int i;

	ASSERT_TRUE(worker_start_asleep(w, worker_read, SYS_read));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 0));
		ASSERT_TRUE(sleeps_on(w, SYS_read));
	}
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(1u, w->value);
}

/* "otherwise sleeps": it does not look again and again, nor is it woken by what changes nothing. */
TEST_F(block, refused_calls_do_not_wake_a_reader)
{
	int other = efd_create(0, variant->flags);
	struct worker *w = &self->w[0];
	uint64_t value = 1;
	long sleeps;

	ASSERT_TRUE(worker_start_asleep(w, worker_read, SYS_read));
	sleeps = nr_sleeps(w->tid);
	ASSERT_LT(0, sleeps);
	EXPECT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	EXPECT_EQ(-EINVAL, RET(write(self->fd, &value, 4)));
	EXPECT_EQ(-EFAULT, RET(write(self->fd, (void *)-4096l, 8)));
	EXPECT_EQ(-EINVAL, RET(read(self->fd, &value, 4)));
	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	EXPECT_EQ(8, efd_write(other, 1));
	sleep_ms(20);
	EXPECT_TRUE(sleeps_on(w, SYS_read));
	EXPECT_EQ(sleeps, nr_sleeps(w->tid));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(worker_join(w));
}

/* "Otherwise EAGAIN or sleep": the same for a write. */
TEST_F(block, refused_calls_do_not_wake_a_writer)
{
	int other = efd_create(1, variant->flags);
	struct worker *w = &self->w[0];
	uint64_t value = 1;
	long sleeps;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	w->value = 1;
	ASSERT_TRUE(worker_start_asleep(w, worker_write, SYS_write));
	sleeps = nr_sleeps(w->tid);
	ASSERT_LT(0, sleeps);
	EXPECT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	EXPECT_EQ(-EFAULT, RET(write(self->fd, (void *)-4096l, 8)));
	EXPECT_EQ(-EINVAL, RET(read(self->fd, &value, 4)));
	if (foreign_addresses()) {
		EXPECT_EQ(-EFAULT, RET(read(self->fd, (void *)-4096l, 8)));
	}
	EXPECT_EQ(8, efd_read(other, &value));
	sleep_ms(20);
	EXPECT_TRUE(sleeps_on(w, SYS_write));
	EXPECT_EQ(sleeps, nr_sleeps(w->tid));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_TRUE(worker_join(w));
}

/* "Otherwise EAGAIN or sleep": "Never a partial add." */
TEST_F(block, write_that_does_not_fit_sleeps_until_a_read)
{
	struct worker *w = &self->w[0];
	uint64_t value = 0;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	w->value = 1;
	ASSERT_TRUE(worker_start_asleep(w, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(self->semaphore ? 1 : EFD_MAX, value);
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(self->semaphore ? EFD_MAX : 1, efd_fill(self->fd));
}

/* "Fits if `ULLONG_MAX - counter > value`": a writer sleeps until there is just enough room. */
TEST_F(block, writer_sleeps_until_there_is_room_for_all_of_it)
{
	struct worker *w = &self->w[0];
	uint64_t value;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	w->value = self->semaphore ? 5 : EFD_MAX;
	ASSERT_TRUE(worker_start_asleep(w, worker_write, SYS_write));
	for (i = 0; self->semaphore && i < 3; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		ASSERT_TRUE(sleeps_on(w, SYS_write)) TH_LOG("room for %d", 2 + i);
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(self->semaphore ? 1 : EFD_MAX - 1, value);
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* "A small write goes past a sleeping big one that does not fit." */
TEST_F(block, small_write_goes_past_a_sleeping_big_one)
{
	struct worker *big = &self->w[0], *small = &self->w[1];
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	big->value = EFD_MAX;
	ASSERT_TRUE(worker_start_asleep(big, worker_write, SYS_write));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(sleeps_on(big, SYS_write));
	if (!self->semaphore)
		return;
	small->value = 1;
	ASSERT_TRUE(worker_start_asleep(small, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(small));
	EXPECT_EQ(8, small->ret);
	EXPECT_TRUE(sleeps_on(big, SYS_write));
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* "Counter mode: returns the counter, sets it to 0. Semaphore mode: returns 1, subtracts 1." */
TEST_F(block, one_write_serves_one_reader_or_as_many_as_it_adds)
{
	uint64_t value;
	int i;

	for (i = 0; i < NR_WORKERS; i++) {
		ASSERT_TRUE(worker_start_asleep(&self->w[i], worker_read, SYS_read));
	}
	ASSERT_EQ(8, efd_write(self->fd, 4));
	ASSERT_TRUE(only_n_go(self->w, self->semaphore ? 4 : 1, SYS_read));
	EXPECT_EQ(4u, sum_of_done(self->w));
	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
}

/* Every sleeping reader is served in the end, by one write each. */
TEST_F(block, one_write_for_each_reader_serves_them_all)
{
	int i;

	for (i = 0; i < NR_WORKERS; i++) {
		ASSERT_TRUE(worker_start_asleep(&self->w[i], worker_read, SYS_read));
	}
	for (i = 1; i <= NR_WORKERS; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(only_n_go(self->w, i, SYS_read)) TH_LOG("write %d", i);
	}
	ASSERT_TRUE(join_all(self->w));
	for (i = 0; i < NR_WORKERS; i++) {
		EXPECT_EQ(8, self->w[i].ret);
		EXPECT_EQ(1u, self->w[i].value);
	}
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* Writes that nobody waits between: a semaphore serves one reader for each of them. */
TEST_F(block, burst_of_writes_loses_nothing)
{
	uint64_t value;
	int i;

	for (i = 0; i < NR_WORKERS; i++) {
		ASSERT_TRUE(worker_start_asleep(&self->w[i], worker_read, SYS_read));
	}
	for (i = 0; i < NR_WORKERS; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
	}
	if (self->semaphore) {
		ASSERT_TRUE(join_all(self->w));
	}
	EXPECT_TRUE(eventually(sum_of_done(self->w) == NR_WORKERS));
	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
}

/* "Fits if `ULLONG_MAX - counter > value`": one read, room for one. */
TEST_F(block, one_read_lets_one_writer_go)
{
	const uint64_t value = self->semaphore ? 1 : EFD_MAX;
	uint64_t got = 0;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	for (i = 0; i < NR_WORKERS; i++) {
		self->w[i].value = value;
		ASSERT_TRUE(worker_start_asleep(&self->w[i], worker_write, SYS_write));
	}
	for (i = 1; i <= NR_WORKERS; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &got));
		EXPECT_EQ(value, got);
		ASSERT_TRUE(only_n_go(self->w, i, SYS_write)) TH_LOG("read %d", i);
	}
	ASSERT_TRUE(join_all(self->w));
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* One read of a counter may make room for several, and all who fit go. */
TEST(all_writers_that_fit_go)
{
	struct worker w[NR_WORKERS] = {};
	uint64_t got = 0;
	int i, fd = efd_create(0, 0);

	alarm(STUCK_S);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(8, efd_write(fd, EFD_MAX));
	for (i = 0; i < NR_WORKERS; i++) {
		w[i].fd = fd;
		w[i].value = 1 + i;
		ASSERT_TRUE(worker_start_asleep(&w[i], worker_write, SYS_write));
	}
	ASSERT_EQ(8, efd_read(fd, &got));
	EXPECT_EQ(EFD_MAX, got);
	ASSERT_TRUE(join_all(w));
	EXPECT_EQ(NR_WORKERS * (NR_WORKERS + 1) / 2u, efd_fill(fd));
}

/* Either the one big writer goes, and then nobody else fits; or all the others, and it does not. */
TEST(big_writer_goes_or_all_the_small_ones)
{
	struct worker w[NR_WORKERS] = {}, *big = &w[2];
	int i, fd = efd_create(0, 0);
	uint64_t got, want;

	alarm(STUCK_S);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(8, efd_write(fd, EFD_MAX));
	for (i = 0; i < NR_WORKERS; i++) {
		w[i].fd = fd;
		w[i].value = &w[i] == big ? EFD_MAX : 1;
		ASSERT_TRUE(worker_start_asleep(&w[i], worker_write, SYS_write));
	}
	ASSERT_EQ(8, efd_read(fd, &got));
	ASSERT_TRUE(eventually(nr_done(w) == (big->done ? 1 : NR_WORKERS - 1)));
	for (i = 0; i < NR_WORKERS; i++) {
		if ((&w[i] == big) != big->done) {
			ASSERT_TRUE(sleeps_on(&w[i], SYS_write));
		}
	}
	want = big->done ? EFD_MAX : NR_WORKERS - 1;
	ASSERT_EQ(8, efd_read(fd, &got));
	EXPECT_EQ(want, got);
	EXPECT_TRUE(join_all(w));
}

/* What a sleeping reader is woken with makes it read; what it makes room for wakes a writer. */
static void write_many(struct worker *w)
{
	int i;

	for (i = 0; i < 300; i++) {
		w->ret = efd_write(w->fd, w->value);
		if (w->ret != 8)
			break;
	}
}

TEST_F(block, full_and_empty_take_turns)
{
	struct worker *w = &self->w[0];
	uint64_t got;
	int i;

	if (self->semaphore) {
		ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	}
	w->value = self->semaphore ? 1 : EFD_MAX;
	ASSERT_TRUE(worker_start(w, write_many));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(8, efd_read(self->fd, &got)) TH_LOG("read %d", i);
		ASSERT_EQ(w->value, got);
	}
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(self->semaphore ? EFD_MAX : 0, efd_fill(self->fd));
}

static void readv_halves(struct worker *w)
{
	struct iovec iov[] = { { &w->value, 4 }, { (char *)&w->value + 4, 4 } };

	w->ret = RET(readv(w->fd, iov, 2));
}

/* "`readv` splits the value over segments": after a sleep too. */
TEST_F(block, readv_sleeps)
{
	struct worker *w = &self->w[0];

	ASSERT_TRUE(worker_start_asleep(w, readv_halves, SYS_readv));
	ASSERT_EQ(8, efd_write(self->fd, 0x1122334455667788));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(self->semaphore ? 1 : 0x1122334455667788ull, w->value);
}

static void read_to_nowhere(struct worker *w)
{
	w->ret = RET(read(w->fd, w->arg, 8));
}

/* "Unmapped user buffer: EFAULT and the value is lost": a reader that has slept, too. */
TEST_F(block, read_to_unmapped_buffer_after_a_sleep)
{
	struct worker *w = &self->w[0];

	w->arg = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(w->arg != MAP_FAILED);
	ASSERT_TRUE(worker_start_asleep(w, read_to_nowhere, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(-EFAULT, w->ret);
	EXPECT_EQ(self->semaphore ? 4u : 0u, efd_fill(self->fd));
}

static void preadv2_without_flags(struct worker *w)
{
	struct iovec iov = { &w->value, 8 };

	w->ret = RET(preadv2(w->fd, &iov, 1, -1, 0));
}

/* Only RWF_NOWAIT keeps preadv2 from sleeping, and only the call that has it. */
TEST_F(block, preadv2_sleeps)
{
	struct worker *w = &self->w[0];
	uint64_t value;

	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_TRUE(worker_start_asleep(w, preadv2_without_flags, SYS_preadv2));
	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_TRUE(sleeps_on(w, SYS_preadv2));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(1u, w->value);
}

static void writev_two(struct worker *w)
{
	uint64_t second = 1;
	struct iovec iov[] = { { &w->value, 8 }, { &second, 8 } };

	w->ret = RET(writev(w->fd, iov, 2));
}

/* "`writev` goes segment by segment": it sleeps for the second with the first one added. */
TEST_F(block, writev_sleeps_between_segments)
{
	struct worker *w = &self->w[0];
	uint64_t value = 0;

	w->value = EFD_MAX;
	ASSERT_TRUE(worker_start_asleep(w, writev_two, SYS_writev));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(self->semaphore ? 1 : EFD_MAX, value);
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(16, w->ret);
	EXPECT_EQ(self->semaphore ? EFD_MAX : 1, efd_fill(self->fd));
}

/* A signal during the second segment: what has been added is what is returned. */
TEST_F(block, writev_interrupted_between_segments_returns_the_first)
{
	struct worker *w = &self->w[0];

	handle_sigusr1(count_signal, 0);
	w->value = EFD_MAX;
	ASSERT_TRUE(worker_start_asleep(w, writev_two, SYS_writev));
	pthread_kill(w->thread, SIGUSR1);
	ASSERT_TRUE(worker_join(w));
	EXPECT_EQ(8, w->ret);
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* Two processes hand a number to and fro; each sleeps while the other works. */
TEST_F(block, ping_pong_of_two_processes)
{
	int ping = self->fd, pong = efd_create(0, variant->flags);
	uint64_t i, value;
	pid_t pid;

	ASSERT_GE(pong, 0);
	pid = child_start();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (i = 1; i <= 1000; i++) {
			if (efd_read(ping, &value) != 8 || value != (self->semaphore ? 1 : i))
				_exit(1);
			if (efd_write(pong, value) != 8)
				_exit(2);
		}
		_exit(0);
	}
	for (i = 1; i <= 1000; i++) {
		ASSERT_EQ(8, efd_write(ping, self->semaphore ? 1 : i));
		ASSERT_EQ(8, efd_read(pong, &value));
		ASSERT_EQ(self->semaphore ? 1 : i, value);
	}
	EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(0u, efd_fill(ping));
	EXPECT_EQ(0u, efd_fill(pong));
}

#define LOCK_ROUNDS	300

static void lock_and_count(struct worker *w)
{
	long *count = w->arg, seen;
	uint64_t value;
	int i;

	for (i = 0; i < LOCK_ROUNDS; i++) {
		w->ret = efd_read(w->fd, &value);
		if (w->ret != 8 || value != 1)
			return;
		seen = __atomic_load_n(count, __ATOMIC_RELAXED);
		if (i % 8 == 0)
			sched_yield();
		__atomic_store_n(count, seen + 1, __ATOMIC_RELAXED);
		w->ret = efd_write(w->fd, 1);
	}
}

/* An eventfd of 1 is a lock: only one can have the 1. */
TEST_F(block, serves_as_a_lock)
{
	long count = 0, before;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	for (i = 0; i < NR_WORKERS; i++) {
		self->w[i].arg = &count;
		ASSERT_TRUE(worker_start(&self->w[i], lock_and_count));
	}
	for (i = 0; i < NR_WORKERS; i++) {
		/* as long as it takes, if only they get on with it */
		do
			before = __atomic_load_n(&count, __ATOMIC_RELAXED);
		while (!eventually(self->w[i].done) &&
		       before != __atomic_load_n(&count, __ATOMIC_RELAXED));
		ASSERT_TRUE(self->w[i].done);
		EXPECT_EQ(8, self->w[i].ret);
	}
	ASSERT_TRUE(join_all(self->w));
	EXPECT_EQ(NR_WORKERS * LOCK_ROUNDS, count);
	EXPECT_EQ(1u, efd_fill(self->fd));
}

/* What holds for a sleeping reader and a sleeping writer alike. */
FIXTURE(sleeper)
{
	int fd;
	long nr;
	void (*call)(struct worker *w);
	struct worker w, w2;
};

FIXTURE_VARIANT(sleeper)
{
	int flags;
	bool write;
};
FIXTURE_VARIANT_ADD(sleeper, counter_read) { .flags = 0 };
FIXTURE_VARIANT_ADD(sleeper, counter_write) { .flags = 0, .write = true };
FIXTURE_VARIANT_ADD(sleeper, semaphore_read) { .flags = EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(sleeper, semaphore_write) { .flags = EFD_SEMAPHORE, .write = true };

FIXTURE_SETUP(sleeper)
{
	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	self->nr = variant->write ? SYS_write : SYS_read;
	self->call = variant->write ? worker_write : worker_read;
	self->w.fd = self->fd;
	self->w2.fd = self->fd;
	/* In counter mode one read lets one of these writers go, as in semaphore mode. */
	self->w.value = variant->flags & EFD_SEMAPHORE ? 1 : EFD_MAX;
	self->w2.value = self->w.value;
	if (variant->write) {
		ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	}
}

FIXTURE_TEARDOWN(sleeper)
{
	close(self->fd);
}

/* Makes what one sleeper sleeps for come true. */
static ssize_t let_go(int fd, bool write)
{
	uint64_t value;

	return write ? efd_read(fd, &value) : efd_write(fd, 1);
}

/* Undoes that before the sleeper has seen it. */
static ssize_t take_back(int fd, struct worker *w, bool write)
{
	uint64_t value;

	return write ? efd_write(fd, w->value) : efd_read(fd, &value);
}

/* What let_go() has been called for has been used up: full again, or empty again. */
#define NOTHING_LEFT	(variant->write ? EFD_MAX : 0)

/* "EINTR without SA_RESTART" */
TEST_F(sleeper, is_interrupted_without_sa_restart)
{
	handle_sigusr1(count_signal, 0);
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	pthread_kill(self->w.thread, SIGUSR1);
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(-EINTR, self->w.ret);
	EXPECT_EQ(1, nr_handled);
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* An interrupted call can be made again, and sleeps again. */
TEST_F(sleeper, sleeps_again_after_eintr)
{
	int i;

	handle_sigusr1(count_signal, 0);
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
		pthread_kill(self->w.thread, SIGUSR1);
		ASSERT_TRUE(worker_join(&self->w));
		EXPECT_EQ(-EINTR, self->w.ret);
	}
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* "restarted with it": the handler runs, and the task sleeps again. */
TEST_F(sleeper, is_restarted_with_sa_restart)
{
	long sleeps;
	int i;

	handle_sigusr1(count_signal, SA_RESTART);
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	for (i = 1; i <= 3; i++) {
		sleeps = nr_sleeps(self->w.tid);
		pthread_kill(self->w.thread, SIGUSR1);
		ASSERT_TRUE(eventually(nr_handled == i));
		ASSERT_TRUE(sleeps_on(&self->w, self->nr));
		EXPECT_LT(sleeps, nr_sleeps(self->w.tid));
	}
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

static int handler_fd;
static bool handler_write;

static void let_go_in_handler(int sig)
{
	nr_handled += let_go(handler_fd, handler_write) == 8;
}

/* "restarted with it": and the handler may be what makes the call go on. */
TEST_F(sleeper, handler_lets_its_own_thread_go)
{
	handler_fd = self->fd;
	handler_write = variant->write;
	handle_sigusr1(let_go_in_handler, SA_RESTART);
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	pthread_kill(self->w.thread, SIGUSR1);
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	EXPECT_EQ(1, nr_handled);
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* A signal that is blocked or ignored does not even wake. */
TEST_F(sleeper, does_not_notice_blocked_and_ignored_signals)
{
	sigset_t set;
	long sleeps;

	handle_sigusr1(count_signal, 0);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, NULL));
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	sleeps = nr_sleeps(self->w.tid);
	pthread_kill(self->w.thread, SIGUSR1);
	pthread_kill(self->w.thread, SIGUSR2);
	sleep_ms(20);
	EXPECT_TRUE(sleeps_on(&self->w, self->nr));
	EXPECT_EQ(sleeps, nr_sleeps(self->w.tid));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	EXPECT_EQ(0, nr_handled);
}

/* "Data that is there wins over a pending signal.": whichever of the two came first. */
TEST_F(sleeper, success_wins_over_a_pending_signal)
{
	int i;

	handle_sigusr1(count_signal, 0);
	ASSERT_TRUE(use_one_cpu());
	for (i = 1; i <= 10; i++) {
		ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
		if (!keep_others_waiting())
			SKIP(return, "cannot be real-time");
		if (i % 2)
			pthread_kill(self->w.thread, SIGUSR1);
		EXPECT_EQ(8, let_go(self->fd, variant->write));
		if (i % 2 == 0)
			pthread_kill(self->w.thread, SIGUSR1);
		let_others_run();
		ASSERT_TRUE(worker_join(&self->w));
		ASSERT_EQ(8, self->w.ret) TH_LOG("round %d", i);
		ASSERT_EQ(i, nr_handled);
	}
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* One of two sleepers gets a signal just when there is something for one: it is not lost. */
TEST_F(sleeper, interrupted_sleeper_does_not_lose_what_is_there)
{
	struct worker *hit, *other;
	int i;

	handle_sigusr1(count_signal, 0);
	ASSERT_TRUE(use_one_cpu());
	for (i = 0; i < 12; i++) {
		ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
		ASSERT_TRUE(worker_start_asleep(&self->w2, self->call, self->nr));
		hit = i & 1 ? &self->w : &self->w2;
		other = i & 1 ? &self->w2 : &self->w;
		if (!keep_others_waiting())
			SKIP(return, "cannot be real-time");
		if (i & 2)
			pthread_kill(hit->thread, SIGUSR1);
		EXPECT_EQ(8, let_go(self->fd, variant->write));
		if (!(i & 2))
			pthread_kill(hit->thread, SIGUSR1);
		let_others_run();

		ASSERT_TRUE(worker_join(hit));
		if (hit->ret == 8) {
			ASSERT_TRUE(sleeps_on(other, self->nr)) TH_LOG("round %d", i);
			ASSERT_EQ(8, let_go(self->fd, variant->write));
		} else {
			ASSERT_EQ(-EINTR, hit->ret) TH_LOG("round %d", i);
		}
		ASSERT_TRUE(worker_join(other)) TH_LOG("round %d", i);
		ASSERT_EQ(8, other->ret);
	}
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* "Toggling O_NONBLOCK ... in another thread does not end a sleep." */
TEST_F(sleeper, is_not_ended_by_o_nonblock)
{
	long sleeps;
	int i;

	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	sleeps = nr_sleeps(self->w.tid);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, efd_set_nonblock(self->fd, i % 2 == 0));
	}
	sleep_ms(20);
	EXPECT_TRUE(sleeps_on(&self->w, self->nr));
	EXPECT_EQ(sleeps, nr_sleeps(self->w.tid));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
}

/*
 * Woken, but somebody else was faster: it sleeps on, and is there for the next time. A
 * kernel may also serve it at once, and then there is nothing left to be faster for.
 */
TEST_F(sleeper, sleeps_on_if_overtaken)
{
	ssize_t ret = 8;
	int i;

	ASSERT_TRUE(use_one_cpu());
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	for (i = 0; i < 5 && ret == 8; i++) {
		if (!keep_others_waiting())
			SKIP(return, "cannot be real-time");
		EXPECT_EQ(8, let_go(self->fd, variant->write));
		efd_set_nonblock(self->fd, true);
		ret = take_back(self->fd, &self->w, variant->write);
		efd_set_nonblock(self->fd, false);
		let_others_run();
		if (ret == 8) {
			ASSERT_TRUE(sleeps_on(&self->w, self->nr));
		}
	}
	if (ret == 8) {
		ASSERT_EQ(8, let_go(self->fd, variant->write));
	} else {
		EXPECT_EQ(-EAGAIN, ret);
	}
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* "O_NONBLOCK (looked at once, on entry)": not again after a wake that came to nothing. */
TEST_F(sleeper, does_not_look_at_o_nonblock_again_after_a_wake)
{
	ssize_t ret;

	ASSERT_TRUE(use_one_cpu());
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	if (!keep_others_waiting())
		SKIP(return, "cannot be real-time");
	EXPECT_EQ(8, let_go(self->fd, variant->write));
	ret = take_back(self->fd, &self->w, variant->write);
	let_others_run();
	if (ret == 8) {
		ASSERT_TRUE(sleeps_on(&self->w, self->nr));
		ASSERT_EQ(8, let_go(self->fd, variant->write));
	} else {
		EXPECT_EQ(-EAGAIN, ret);
	}
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
}

/* A restarted call is a new one: it finds the O_NONBLOCK that was set meanwhile. */
TEST_F(sleeper, restart_looks_at_o_nonblock_anew)
{
	handle_sigusr1(count_signal, SA_RESTART);
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	pthread_kill(self->w.thread, SIGUSR1);
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(-EAGAIN, self->w.ret);
}

/* "... or closing the number in another thread does not end a sleep." Nor does reusing it. */
TEST_F(sleeper, is_not_ended_by_close)
{
	int same = dup(self->fd), another = efd_create(1, variant->flags);
	long sleeps;

	ASSERT_GE(same, 0);
	ASSERT_GE(another, 0);
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	sleeps = nr_sleeps(self->w.tid);
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(self->fd, dup2(another, self->fd));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	sleep_ms(20);
	EXPECT_TRUE(sleeps_on(&self->w, self->nr));
	EXPECT_EQ(sleeps, nr_sleeps(self->w.tid));
	ASSERT_EQ(8, let_go(same, variant->write));
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(8, self->w.ret);
	EXPECT_EQ(NOTHING_LEFT, efd_fill(same));
	EXPECT_EQ(2u, efd_fill(another));
}

/* The same for the last number there is: a signal still ends the sleep. */
TEST_F(sleeper, outlives_the_last_close)
{
	handle_sigusr1(count_signal, 0);
	ASSERT_TRUE(worker_start_asleep(&self->w, self->call, self->nr));
	ASSERT_EQ(0, close(self->fd));
	sleep_ms(20);
	ASSERT_TRUE(sleeps_on(&self->w, self->nr));
	pthread_kill(self->w.thread, SIGUSR1);
	ASSERT_TRUE(worker_join(&self->w));
	EXPECT_EQ(-EINTR, self->w.ret);
}

/* A process that sleeps in the call, and then exits with 42 if that succeeded. */
static pid_t sleeping_child(struct worker *w, void (*call)(struct worker *w), long nr)
{
	pid_t pid = child_start();

	if (!pid) {
		call(w);
		_exit(w->ret == 8 ? 42 : 1);
	}
	return pid > 0 && child_sleeps_in(pid, nr) ? pid : -1;
}

/* SIGKILL ends the sleep, and what was not read or written stays so. */
TEST_F(sleeper, is_killed)
{
	pid_t pid = sleeping_child(&self->w, self->call, self->nr);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, child_end(pid));
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* A killed sleeper is no burden to those before and after it. */
TEST_F(sleeper, goes_on_when_another_is_killed)
{
	pid_t first, second, third;

	first = sleeping_child(&self->w, self->call, self->nr);
	ASSERT_LT(0, first);
	second = sleeping_child(&self->w, self->call, self->nr);
	ASSERT_LT(0, second);
	third = sleeping_child(&self->w, self->call, self->nr);
	ASSERT_LT(0, third);
	kill(second, SIGKILL);
	EXPECT_EQ(-SIGKILL, child_end(second));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_TRUE(eventually(child_has_ended(first) || child_has_ended(third)));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	EXPECT_EQ(42, child_end(first));
	EXPECT_EQ(42, child_end(third));
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* Killed just when there was something for one: if the dead did not take it, the other does. */
TEST_F(sleeper, goes_on_when_the_one_that_was_woken_is_killed)
{
	pid_t killed, other;
	int i;

	ASSERT_TRUE(use_one_cpu());
	for (i = 0; i < 8; i++) {
		pid_t pid[2];

		pid[0] = sleeping_child(&self->w, self->call, self->nr);
		ASSERT_LT(0, pid[0]);
		pid[1] = sleeping_child(&self->w, self->call, self->nr);
		ASSERT_LT(0, pid[1]);
		killed = pid[i & 1];
		other = pid[!(i & 1)];
		if (!keep_others_waiting())
			SKIP(return, "cannot be real-time");
		if (i & 2)
			kill(killed, SIGKILL);
		EXPECT_EQ(8, let_go(self->fd, variant->write));
		kill(killed, SIGKILL);
		let_others_run();
		ASSERT_EQ(-SIGKILL, child_end(killed));

		/* Either it has gone, or it sleeps, and then rightly so. */
		ASSERT_TRUE(eventually(child_has_ended(other) || sleeps_in(other, self->nr)));
		if (sleeps_in(other, self->nr)) {
			uint64_t value = variant->write ? 1 : 0;

			ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
			ASSERT_EQ(-EAGAIN, variant->write ? efd_write(self->fd, value) :
							    efd_read(self->fd, &value))
				TH_LOG("round %d", i);
			ASSERT_EQ(0, efd_set_nonblock(self->fd, false));
			ASSERT_EQ(8, let_go(self->fd, variant->write));
		}
		ASSERT_EQ(42, child_end(other)) TH_LOG("round %d", i);
	}
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

static bool stop_child(pid_t pid)
{
	int status = 0;

	return !kill(pid, SIGSTOP) &&
	       eventually(waitpid(pid, &status, WUNTRACED | WNOHANG) == pid) &&
	       WIFSTOPPED(status);
}

/* "A stop is always restarted": it has no handler. */
TEST_F(sleeper, sleeps_again_after_a_stop)
{
	pid_t pid = sleeping_child(&self->w, self->call, self->nr);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(stop_child(pid));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_TRUE(child_sleeps_in(pid, self->nr));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	EXPECT_EQ(42, child_end(pid));
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* What comes while the process is stopped is there when it goes on. */
TEST_F(sleeper, finds_after_a_stop_what_came_meanwhile)
{
	pid_t pid = sleeping_child(&self->w, self->call, self->nr);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(stop_child(pid));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(42, child_end(pid));
	EXPECT_EQ(NOTHING_LEFT, efd_fill(self->fd));
}

/* A stopped process is no longer in the queue: who sleeps behind it gets what comes. */
TEST_F(sleeper, goes_on_when_another_is_stopped)
{
	pid_t pid = sleeping_child(&self->w, self->call, self->nr);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(worker_start_asleep(&self->w2, self->call, self->nr));
	ASSERT_TRUE(stop_child(pid));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	ASSERT_TRUE(worker_join(&self->w2));
	EXPECT_EQ(8, self->w2.ret);
	kill(pid, SIGCONT);
	ASSERT_TRUE(child_sleeps_in(pid, self->nr));
	ASSERT_EQ(8, let_go(self->fd, variant->write));
	EXPECT_EQ(42, child_end(pid));
}

/*
 * What is written is read once, whoever sleeps, gives up or is interrupted meanwhile.
 *
 * The low half of a unit is 1, so the low half of what a read returns says how many writes it
 * got. @start is what is there at the beginning and at the end. In counter mode LAST, which no
 * sum of units looks like, tells the readers to stop; the one that gets it passes it on.
 */
#define HAMMER_WRITERS	2
#define HAMMER_READERS	3
#define HAMMER_OPS	1500
#define LAST		(1ull << 61)

FIXTURE(hammer)
{
	int fd;
	struct worker writer[HAMMER_WRITERS], reader[HAMMER_READERS];
};

FIXTURE_VARIANT(hammer)
{
	int flags;
	uint64_t start, unit;
	bool nowait, signals;
};
FIXTURE_VARIANT_ADD(hammer, counter) { .unit = 1 };
FIXTURE_VARIANT_ADD(hammer, counter_nowait) { .unit = 1, .nowait = true };
FIXTURE_VARIANT_ADD(hammer, counter_signals) { .unit = 1, .signals = true };
/* Three fit. */
FIXTURE_VARIANT_ADD(hammer, counter_full) { .unit = 1ull << 62 | 1 };
FIXTURE_VARIANT_ADD(hammer, counter_full_signals) { .unit = 1ull << 62 | 1, .signals = true };
FIXTURE_VARIANT_ADD(hammer, semaphore) { .flags = EFD_SEMAPHORE, .unit = 1 };
FIXTURE_VARIANT_ADD(hammer, semaphore_nowait) {
	.flags = EFD_SEMAPHORE,
	.unit = 1,
	.nowait = true,
};
FIXTURE_VARIANT_ADD(hammer, semaphore_signals) {
	.flags = EFD_SEMAPHORE,
	.unit = 1,
	.signals = true,
};
FIXTURE_VARIANT_ADD(hammer, semaphore_full) {
	.flags = EFD_SEMAPHORE,
	.unit = 1,
	.start = EFD_MAX - 2,
};
FIXTURE_VARIANT_ADD(hammer, semaphore_full_signals) {
	.flags = EFD_SEMAPHORE,
	.unit = 1,
	.start = EFD_MAX - 2,
	.signals = true,
};

static struct {
	uint64_t unit;
	bool nowait, semaphore;
	_Atomic long tickets, got, broken;
} hammer;

FIXTURE_SETUP(hammer)
{
	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(8, efd_write(self->fd, variant->start));
	hammer.unit = variant->unit;
	hammer.nowait = variant->nowait;
	hammer.semaphore = variant->flags & EFD_SEMAPHORE;
	hammer.tickets = HAMMER_WRITERS * HAMMER_OPS;
}

FIXTURE_TEARDOWN(hammer)
{
	close(self->fd);
}

static ssize_t hammer_write(int fd, uint64_t value)
{
	ssize_t ret;

	do {
		ret = efd_write(fd, value);
	} while (ret == -EINTR);
	return ret;
}

static ssize_t hammer_read(int fd, uint64_t *value, bool nowait)
{
	ssize_t ret;

	if (nowait) {
		ret = read_nowait(fd, value);
		if (ret != -EAGAIN)
			return ret;
	}
	do {
		ret = efd_read(fd, value);
	} while (ret == -EINTR);
	return ret;
}

static void hammer_writer(struct worker *w)
{
	int i;

	for (i = 0; i < HAMMER_OPS; i++) {
		w->ret = hammer_write(w->fd, hammer.unit);
		if (w->ret != 8)
			return;
	}
}

static void hammer_reader(struct worker *w)
{
	bool nowait = false;
	uint64_t n;

	while (!hammer.semaphore || --hammer.tickets >= 0) {
		w->ret = hammer_read(w->fd, &w->value, nowait);
		if (w->ret != 8)
			return;
		nowait = hammer.nowait && !nowait;
		if (hammer.semaphore) {
			hammer.broken += w->value != 1;
			hammer.got++;
			continue;
		}
		n = w->value & 0xffffffff;
		hammer.got += n;
		hammer.broken += (w->value & ~LAST) != n * hammer.unit;
		if (w->value & LAST) {
			w->ret = hammer_write(w->fd, LAST);
			return;
		}
	}
}

/* Waits for @n workers, and meanwhile sends them signals if asked to. */
static bool hammer_join(struct worker *w, int n, struct worker *others, int nr_others, bool signals)
{
	uint64_t end = now_ms() + WAIT_MS;
	int i, busy;

	do {
		sleep_ms(1);
		for (i = busy = 0; i < n; i++) {
			busy += !w[i].done;
			if (signals && !w[i].done)
				pthread_kill(w[i].thread, SIGUSR1);
		}
		for (i = 0; signals && i < nr_others; i++)
			if (!others[i].done)
				pthread_kill(others[i].thread, SIGUSR1);
	} while (busy && now_ms() < end);
	for (i = 0; !busy && i < n; i++)
		pthread_join(w[i].thread, NULL);
	return !busy;
}

TEST_F(hammer, reads_and_writes_balance)
{
	int i;

	handle_sigusr1(count_signal, 0);
	for (i = 0; i < HAMMER_READERS; i++) {
		self->reader[i].fd = self->fd;
		ASSERT_TRUE(worker_start(&self->reader[i], hammer_reader));
	}
	for (i = 0; i < HAMMER_WRITERS; i++) {
		self->writer[i].fd = self->fd;
		ASSERT_TRUE(worker_start(&self->writer[i], hammer_writer));
	}
	ASSERT_TRUE(hammer_join(self->writer, HAMMER_WRITERS, self->reader, HAMMER_READERS,
				variant->signals));
	if (!hammer.semaphore) {
		ASSERT_EQ(8, hammer_write(self->fd, LAST));
	}
	ASSERT_TRUE(hammer_join(self->reader, HAMMER_READERS, NULL, 0, variant->signals));

	for (i = 0; i < HAMMER_WRITERS; i++) {
		EXPECT_EQ(8, self->writer[i].ret);
	}
	for (i = 0; i < HAMMER_READERS; i++) {
		EXPECT_TRUE(self->reader[i].ret == 8 || self->reader[i].ret == 0);
	}
	EXPECT_EQ(HAMMER_WRITERS * HAMMER_OPS, hammer.got);
	EXPECT_EQ(0, hammer.broken);
	EXPECT_EQ(hammer.semaphore ? variant->start : LAST, efd_fill(self->fd));
}

TEST_HARNESS_MAIN
