// SPDX-License-Identifier: GPL-2.0
/*
 * Many tasks on one eventfd, for as long as EFD_STRESS_MS says: nothing is lost, nothing
 * comes twice, and nobody sleeps who could proceed. stress.h explains how that is seen.
 */
#include <linux/aio_abi.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#include "module.h"
#include "stress.h"
#include "uring.h"

/* What tasks do beside reading and writing: each a loop of its own. */

#define SEGMENTS	4

static void writes_vectors(struct task *t)
{
	struct iovec iov[SEGMENTS];
	struct sum sum;
	ssize_t ret;
	int i;

	for (i = 0; i < SEGMENTS; i++)
		iov[i] = (struct iovec){ &t->amount, 8 };
	while (goes_on(t)) {
		ret = RET(writev(t->fd, iov, SEGMENTS));
		sum = (struct sum){};
		for (i = 0; i < ret / 8; i++)
			sum = sum_add(sum, t->amount);
		if (ret > 0)
			record_done(t, sum, (struct sum){}, ret / 8);
		task_check(t, ret > 0 ? 8 : ret);
	}
}

/* Ends with a file that sleeps. */
static void toggles_nonblock(struct task *t)
{
	int on = 0;

	while (goes_on(t)) {
		on = !on;
		if (!ioctl(t->fd, FIONBIO, &on))
			record_done(t, (struct sum){}, (struct sum){}, 1);
		sched_yield();
	}
	on = 0;
	ioctl(t->fd, FIONBIO, &on);
}

/* What is read is a lock, or as many as there are, and written back. */
static void locks_and_unlocks(struct task *t)
{
	struct stress *s = t->s;

	while (goes_on(t)) {
		if (task_read(t, 0) != 8)
			continue;
		if (s->start == 1 && s->inside++)
			task_fails(t, -EBUSY);
		if (!(record_now(t)->ops & 15))
			sched_yield();
		s->inside = 0;
		while (task_write(t, 1) != 8 && !t->error)
			;
	}
}

/* What it does when it is told that it can, unless that is left to others. */
static void takes_its_turn(struct task *t)
{
	if (leaves_it(t)) {
		t->ret = -EAGAIN;
		sched_yield();
	} else if (t->side == PRODUCER) {
		task_write(t, t->amount);
	} else {
		task_read(t, RWF_NOWAIT);
	}
}

static void polls_and_reads(struct task *t)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLIN };
	int ret;

	while (goes_on(t)) {
		ret = RET(poll(&pfd, 1, -1));
		if (ret == 1 && (pfd.revents & POLLIN))
			takes_its_turn(t);
		else
			task_check(t, ret == -EINTR ? ret : -EPROTO);
	}
}

static void selects_and_reads(struct task *t)
{
	fd_set readable;
	int ret;

	while (goes_on(t)) {
		FD_ZERO(&readable);
		FD_SET(t->fd, &readable);
		ret = RET(select(t->fd + 1, &readable, NULL, NULL, NULL));
		if (ret == 1)
			takes_its_turn(t);
		else
			task_check(t, ret == -EINTR ? ret : -EPROTO);
	}
}

/* For an amount that fits whenever poll says that there is room. */
static void polls_and_writes(struct task *t)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLOUT };
	int ret;

	while (goes_on(t)) {
		if (task_write(t, t->amount) != -EAGAIN)
			continue;
		ret = RET(poll(&pfd, 1, -1));
		if (ret != 1)
			task_check(t, ret == -EINTR ? ret : -EPROTO);
	}
}

/* Level-triggered: one call for each event; otherwise as many as succeed. */
static void epolls(struct task *t)
{
	uint32_t events = (t->side == PRODUCER ? EPOLLOUT : EPOLLIN) | t->s->arg;
	struct epoll_event event = { .events = events };
	int ep = t->s->aux, ret;

	if (ep < 0) {
		ep = epoll_create1(0);
		ret = RET(epoll_ctl(ep, EPOLL_CTL_ADD, t->fd, &event));
		if (ret)
			task_fails(t, ret);
	}
	while (goes_on(t)) {
		ret = RET(epoll_wait(ep, &event, 1, -1));
		if (ret != 1) {
			task_check(t, ret == -EINTR ? ret : -EPROTO);
			continue;
		}
		do {
			takes_its_turn(t);
		} while (t->ret == 8 && (t->s->arg & (EPOLLET | EPOLLONESHOT)));
		if (t->s->arg & EPOLLONESHOT) {
			event.events = events;
			ret = RET(epoll_ctl(ep, EPOLL_CTL_MOD, t->fd, &event));
			if (ret)
				task_fails(t, ret);
		}
	}
	if (t->s->aux < 0)
		close(ep);
}

/* One epoll for all of them. */
static void prepare_epoll(struct stress *s)
{
	struct epoll_event event = { .events = EPOLLIN | s->arg };

	s->aux = epoll_create1(0);
	if (s->aux < 0 || epoll_ctl(s->aux, EPOLL_CTL_ADD, s->fd, &event))
		s->trouble = true;
}

static void close_aux(struct stress *s)
{
	close(s->aux);
}

/* io_uring. */

#define BATCH		8
#define CANCEL_TAG	1000

static struct uring rings[MAX_TASKS];

/* Hands over what is queued, and waits until something is complete. */
static int uring_step(struct task *t, struct uring *ring)
{
	unsigned int nr = ring->queued;
	int ret;

	ret = RET(syscall(SYS_io_uring_enter, ring->fd, nr, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	if (ret >= 0)
		ring->queued -= ret;
	else if (ret != -EINTR || !had_signals)
		task_fails(t, ret);
	return ret;
}

/* Keeps BATCH reads, or writes, under way. */
static void urings(struct task *t)
{
	bool write = t->side == PRODUCER;
	struct uring *ring = &rings[t - t->s->task];
	int under_way = 0, i, wait = 0;
	bool busy[BATCH] = {}, cancelled = false, on;
	uint64_t value[BATCH];
	struct io_uring_cqe cqe;

	do {
		on = goes_on(t) && !t->error;
		for (i = 0; on && i < BATCH; i++) {
			if (busy[i])
				continue;
			value[i] = write ? t->amount : 0;
			uring_queue(ring, write ? IORING_OP_WRITE : IORING_OP_READ, t->fd,
				    &value[i], 8, i);
			busy[i] = true;
			under_way++;
		}
		if (!on && under_way && !cancelled) {
			uring_queue(ring, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, CANCEL_TAG)
				->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
			cancelled = true;
			wait = 1;
		}
		/* what is on its way to a worker thread may have been missed: once more */
		if (under_way + wait && uring_step(t, ring) == -EINTR && !wait)
			cancelled = false;
		while (uring_peek(ring, &cqe)) {
			if (cqe.user_data == CANCEL_TAG) {
				wait = 0;
				continue;
			}
			i = cqe.user_data;
			busy[i] = false;
			under_way--;
			if (cqe.res == 8 && write)
				record_done(t, (struct sum){ value[i] }, (struct sum){}, 1);
			else if (cqe.res == 8)
				task_took(t, value[i]);
			/* a worker thread that slept for it was interrupted */
			if (on || (cqe.res != -ECANCELED && cqe.res != -EINTR))
				task_check(t, cqe.res);
		}
	} while (on || under_way + wait);
}

static void cancel(struct uring *ring, unsigned int tag)
{
	uring_queue(ring, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)tag, 0, CANCEL_TAG);
}

/* A poll, once or (@arg) for as many times as it takes, says when. */
static void ring_polls(struct task *t)
{
	struct uring *ring = &rings[t - t->s->task];
	int events = t->side == PRODUCER ? POLLOUT : POLLIN;
	bool armed = false, cancelled = false, wait = false, told, on;
	struct io_uring_cqe cqe;

	do {
		on = goes_on(t) && !t->error;
		if (on && !armed) {
			uring_queue_poll(ring, t->fd, events, 0)->len = t->s->arg;
			armed = true;
		} else if (!on && armed && !cancelled) {
			cancel(ring, 0);
			cancelled = true;
			wait = true;
		}
		if (armed || wait)
			task_check(t, uring_step(t, ring) == -EINTR ? -EINTR : 8);
		told = false;
		while (uring_peek(ring, &cqe)) {
			if (cqe.user_data == CANCEL_TAG) {
				wait = false;
				continue;
			}
			if (!(cqe.flags & IORING_CQE_F_MORE))
				armed = false;
			told |= cqe.res > 0;
			if (cqe.res <= 0 && (on || cqe.res != -ECANCELED))
				task_fails(t, cqe.res);
		}
		/* an event of many is one for each change: there may be more to do than one call */
		while (on && told) {
			takes_its_turn(t);
			told = t->s->arg && t->ret == 8;
		}
	} while (on || armed || wait);
}

/* Linux native aio. */

static aio_context_t aio[MAX_TASKS];
static int aio_file = -1;

/* Reads something else, and has the kernel signal each read. */
static void aio_signals(struct task *t)
{
	aio_context_t ctx = aio[t - t->s->task];
	struct iocb cb[BATCH], *cbs[BATCH];
	struct io_event events[BATCH];
	char byte[BATCH];
	int i, ret, got;

	for (i = 0; i < BATCH; i++) {
		cb[i] = (struct iocb){
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = aio_file,
			.aio_buf = (uintptr_t)&byte[i],
			.aio_nbytes = 1,
			.aio_flags = IOCB_FLAG_RESFD,
			.aio_resfd = t->fd,
		};
		cbs[i] = &cb[i];
	}
	while (goes_on(t)) {
		if (waits_for_readers(t))
			continue;
		ret = RET(syscall(SYS_io_submit, ctx, (long)BATCH, cbs));
		if (ret > 0)
			record_done(t, (struct sum){ ret }, (struct sum){}, ret);
		for (i = 0; ret == BATCH && i < BATCH; i += got > 0 ? got : 0)
			got = RET(syscall(SYS_io_getevents, ctx, 1l, (long)BATCH, events, NULL));
		task_check(t, ret == BATCH ? 8 : ret);
	}
}

/* A read or a write by way of io_submit(), which sleeps. */
static int aio_does(struct task *t, int op, uint64_t *value)
{
	aio_context_t ctx = aio[t - t->s->task];
	struct iocb cb = {
		.aio_lio_opcode = op,
		.aio_fildes = t->fd,
		.aio_buf = (uintptr_t)value,
		.aio_nbytes = 8,
	};
	struct iocb *cbs = &cb;
	struct io_event event;
	int ret = RET(syscall(SYS_io_submit, ctx, 1l, &cbs));

	if (ret != 1)
		return ret;
	/* it is there */
	while (syscall(SYS_io_getevents, ctx, 1l, 1l, &event, NULL) != 1)
		;
	return event.res;
}

static void aio_reads(struct task *t)
{
	uint64_t value;
	int ret;

	while (goes_on(t)) {
		value = 0;
		ret = aio_does(t, IOCB_CMD_PREAD, &value);
		if (ret == 8)
			task_took(t, value);
		task_check(t, ret);
	}
}

static void aio_writes(struct task *t)
{
	int ret;

	while (goes_on(t)) {
		ret = aio_does(t, IOCB_CMD_PWRITE, &t->amount);
		if (ret == 8)
			record_done(t, (struct sum){ t->amount }, (struct sum){}, 1);
		task_check(t, ret);
	}
}

/* An aio poll says when to read, or to write. */
static void aio_polls(struct task *t)
{
	aio_context_t ctx = aio[t - t->s->task];
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = t->fd,
		.aio_buf = t->side == PRODUCER ? POLLOUT : POLLIN,
	};
	struct iocb *cbs = &cb;
	struct io_event event;
	bool under_way = false;
	int ret;

	while (goes_on(t)) {
		if (!under_way && RET(syscall(SYS_io_submit, ctx, 1l, &cbs)) != 1)
			task_fails(t, -EPROTO);
		under_way = true;
		ret = RET(syscall(SYS_io_getevents, ctx, 1l, 1l, &event, NULL));
		if (ret == 1) {
			under_way = false;
			takes_its_turn(t);
		} else {
			task_check(t, ret);
		}
	}
	if (under_way) {
		syscall(SYS_io_cancel, ctx, &cb, &event);
		while (syscall(SYS_io_getevents, ctx, 1l, 1l, &event, NULL) != 1)
			;
	}
}

/* Descriptors that come and go. */

#define FIRST_DUP	200
#define NR_DUPS		8

static void dups_and_closes(struct task *t)
{
	unsigned int i;

	for (i = 0; goes_on(t); i++) {
		close(FIRST_DUP + i % NR_DUPS);
		if (i % 3)
			sched_yield();
		if (dup2(t->fd, FIRST_DUP + i % NR_DUPS) >= 0)
			record_done(t, (struct sum){}, (struct sum){}, 1);
	}
	for (i = 0; i < NR_DUPS; i++)
		dup2(t->fd, FIRST_DUP + i);
}

static void prepare_dups(struct stress *s)
{
	int i;

	for (i = 0; i < NR_DUPS; i++)
		dup2(s->fd, FIRST_DUP + i);
}

static void close_dups(struct stress *s)
{
	int i;

	for (i = 0; i < NR_DUPS; i++)
		close(FIRST_DUP + i);
}

/* Their number may be taken away while they sleep. */
static void uses_dups(struct task *t)
{
	unsigned int i;
	ssize_t ret;
	int fd;

	for (i = t - t->s->task; goes_on(t); i++) {
		fd = FIRST_DUP + i % NR_DUPS;
		if (t->side == PRODUCER)
			ret = task_write_fd(t, fd, t->amount, 0);
		else
			ret = task_read_fd(t, fd, 0);
		if (ret == -EBADF)
			sched_yield();
		else
			task_check(t, ret);
	}
}

static void forks_and_writes(struct task *t)
{
	pid_t pid;

	while (goes_on(t)) {
		pid = fork();
		if (!pid) {
			task_write(t, t->amount);
			_exit(0);
		}
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (pid < 0)
			task_fails(t, -errno);
	}
}

/* Eventfds whose last descriptor is closed while others are still at it. */

#define FIRST_LIFE	300
#define NR_LIVES	8
#define MAKERS		2

static struct life {
	_Atomic enum { NOT_THERE, THERE, TAKEN } state;
	uint64_t sum;
} lives[NR_LIVES];

/*
 * Makes one, hands a descriptor of it over, by a ticket in ours, writes what it has
 * promised, and closes its own: that, or the other's, is the last close.
 */
static void makes_and_closes(struct task *t)
{
	unsigned int i, left;
	struct life *life;
	int fd;

	for (i = t->arg; goes_on(t); i += MAKERS) {
		life = &lives[i % NR_LIVES];
		if (life->state != NOT_THERE) {
			sched_yield();
			continue;
		}
		fd = efd_create(0, t->s->flags);
		if (fd < 0 || dup2(fd, FIRST_LIFE + i % NR_LIVES) < 0) {
			task_fails(t, fd < 0 ? fd : -errno);
			break;
		}
		left = i / NR_LIVES % 3 + 1;
		life->sum = left;
		life->state = THERE;
		while (!t->error && task_write(t, 1) != 8)
			;
		while (left && !t->error)
			left -= task_check(t, task_write_fd(t, fd, 1, 0)) == 8;
		close(fd);
	}
}

static void takes_and_closes(struct task *t)
{
	uint64_t tickets, sum;
	struct life *life;
	unsigned int i;
	int state;

	while (goes_on(t)) {
		if (task_read(t, 0) != 8)
			continue;
		for (tickets = task_value(t); tickets; tickets--) {
			/* there is one for each ticket */
			for (i = 0;; i = (i + 1) % NR_LIVES) {
				life = &lives[i];
				state = THERE;
				if (atomic_compare_exchange_strong(&life->state, &state, TAKEN))
					break;
			}
			for (sum = 0; sum < life->sum && !t->error;)
				if (task_check(t, task_read_fd(t, FIRST_LIFE + i, 0)) == 8)
					sum += task_value(t);
			if (sum > life->sum)
				task_fails(t, -EOVERFLOW);
			close(FIRST_LIFE + i);
			life->state = NOT_THERE;
		}
	}
}

/* A number of which nobody knows whether it is still the one that it was. */
static void may_be_closed(struct task *t, int ret, int other)
{
	if (ret < 0 && ret != -EBADF && ret != other)
		task_fails(t, ret);
}

/* The poll number @i, if it is still under way. */
static void ends_ring_poll(struct task *t, struct uring *ring, bool *busy, unsigned int i)
{
	struct io_uring_cqe cqe;
	bool wait = busy[i];

	if (wait)
		cancel(ring, i);
	while (busy[i] || wait) {
		uring_step(t, ring);
		while (uring_peek(ring, &cqe)) {
			if (cqe.user_data == CANCEL_TAG) {
				wait = false;
				continue;
			}
			busy[cqe.user_data] = false;
			may_be_closed(t, cqe.res, -ECANCELED);
		}
	}
}

static void ends_aio_poll(aio_context_t ctx, struct iocb *cb, bool *busy, unsigned int i)
{
	struct io_event done;

	if (busy[i])
		syscall(SYS_io_cancel, ctx, &cb[i], &done);
	while (busy[i] && syscall(SYS_io_getevents, ctx, 1l, 1l, &done, NULL) == 1)
		busy[(struct iocb *)(uintptr_t)done.obj - cb] = false;
}

/* What the kernel keeps of an eventfd for somebody, it lets go of whenever that ends. */
static void uses_what_is_closed(struct task *t)
{
	int nr = t - t->s->task, ep = epoll_create1(0), own, ret, fd;
	bool in_ring[NR_LIVES] = {}, in_aio[NR_LIVES] = {};
	struct iocb cb[NR_LIVES], *cbs;
	struct epoll_event event;
	unsigned int i, n;
	bool there;

	for (n = 0; goes_on(t); n++) {
		i = n % NR_LIVES;
		fd = FIRST_LIFE + i;

		/* what is in an epoll goes with the last descriptor */
		event.events = EPOLLIN | EPOLLET;
		ret = RET(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
		there = !ret;
		may_be_closed(t, ret, -EEXIST);
		epoll_wait(ep, &event, 1, 0);
		efd_events(fd, POLLIN | POLLOUT);
		efd_count(fd);
		may_be_closed(t, efd_write(fd, 0), 0);

		/* what a ring or aio polls stays until that ends */
		ends_ring_poll(t, &rings[nr], in_ring, i);
		ends_aio_poll(aio[nr], cb, in_aio, i);
		uring_queue_poll(&rings[nr], fd, POLLIN, i);
		may_be_closed(t, uring_submit(&rings[nr]), 0);
		in_ring[i] = true;

		/* who is told of the end by an eventfd may not know that one any more by then */
		own = efd_create(0, t->s->flags);
		cbs = &cb[i];
		cb[i] = (struct iocb){
			.aio_lio_opcode = IOCB_CMD_POLL,
			.aio_fildes = fd,
			.aio_buf = POLLIN,
			.aio_flags = IOCB_FLAG_RESFD,
			.aio_resfd = own,
		};
		ret = RET(syscall(SYS_io_submit, aio[nr], 1l, &cbs));
		in_aio[i] = ret == 1;
		may_be_closed(t, ret, 0);
		if (n % 16 == 0) {
			uring_register(&rings[nr], IORING_UNREGISTER_EVENTFD, NULL, 0);
			uring_register(&rings[nr], IORING_REGISTER_EVENTFD, &own, 1);
		}
		close(own);
		/* only what was there for all of them */
		if (there && in_aio[i])
			record_done(t, (struct sum){}, (struct sum){}, 1);
	}
	for (i = 0; i < NR_LIVES; i++) {
		ends_ring_poll(t, &rings[nr], in_ring, i);
		ends_aio_poll(aio[nr], cb, in_aio, i);
	}
	close(ep);
}

static void close_lives(struct stress *s)
{
	int i;

	for (i = 0; i < NR_LIVES; i++) {
		close(FIRST_LIFE + i);
		lives[i].state = NOT_THERE;
	}
}

/* Nothing else adds; but what there is to take is not all in ours. */
static void stop_nothing(struct stress *s)
{
}

/* What happens to tasks. */

static bool had_interruptions(struct stress *s)
{
	return s->interrupted;
}

static void send_signals(struct stress *s)
{
	int i;

	for (i = 0; i < 16; i++) {
		syscall(SYS_tgkill, getpid(), s->task[dice(s, s->nr)].tid,
			dice(s, 2) ? SIGUSR1 : SIGUSR2);
		sched_yield();
	}
	usleep(100);
}

/* Not in the rest of a round: what a signal makes up for shows there. */
static void send_signals_at_times(struct stress *s)
{
	if (s->phase == RUN)
		send_signals(s);
	else
		usleep(2000);
}

/*
 * In every second round readers only: then no write is in doubt, and the sum is exact. Not where
 * only those are killed who sleep, and readers never do.
 */
static bool writers_can_be_killed(struct stress *s)
{
	return stress_odd_pair(s) || (s->arg && !s->producers_first);
}

static bool can_be_killed(struct stress *s, struct task *t)
{
	return t->process && !t->done && (t->side == CONSUMER || writers_can_be_killed(s)) &&
	       (!s->arg || sleeps_in(t->tid, t->side == PRODUCER ? SYS_write : SYS_read));
}

static bool had_kills(struct stress *s)
{
	return s->kills;
}

/* Another one takes its place. @arg: only one that is asleep in its call. */
static void kill_one(struct stress *s)
{
	int i, from = dice(s, s->nr);
	struct task *t;

	usleep(200);
	if (s->nr_doubts == MAX_DOUBTS)
		return;
	for (i = 0; i < s->nr; i++) {
		t = &s->task[(from + i) % s->nr];
		if (!can_be_killed(s, t))
			continue;
		kill(t->tid, SIGKILL);
		if (waitpid(t->tid, NULL, 0) != t->tid)
			s->trouble = true;
		stress_bury(s, t);
		if (!task_start(t))
			s->trouble = true;
		return;
	}
}

/* The tests. */

#define STRESS_SETUP(flags, start)					\
	do {								\
		self->s = stress_new(flags, start);			\
		ASSERT_TRUE(!!self->s);					\
	} while (0)

/* A round leaves nothing behind, and what is mapped goes with the process. */
#define NO_TEARDOWN(fixture)						\
	FIXTURE_TEARDOWN(fixture)					\
	{								\
	}

/* What is in it, what is added: who sleeps, and when. */
struct kind {
	int flags;
	uint64_t start, amount[3];
	bool both_ends;
};

static const struct kind counter_small = { 0, 0, { 1, 2, 3 } };
/* writers sleep as well: each of these is too much for what the others leave */
static const struct kind counter_huge = { 0, 0, { EFD_MAX, EFD_MAX - 1, 1ull << 63 }, true };
static const struct kind semaphore_small = { EFD_SEMAPHORE, 0, { 1, 1, 2 } };
/* so full that writers sleep */
static const struct kind semaphore_tight = { EFD_SEMAPHORE, EFD_MAX - 3, { 1, 1, 2 }, true };

FIXTURE(mix)
{
	struct stress *s;
};

FIXTURE_VARIANT(mix)
{
	const struct kind *kind;
	int flags;
};

#define MIX(name)							\
	FIXTURE_VARIANT_ADD(mix, name) { &name };			\
	FIXTURE_VARIANT_ADD(mix, name##_nonblock)			\
	{								\
		&name, EFD_NONBLOCK					\
	}
MIX(counter_small);
MIX(counter_huge);
MIX(semaphore_small);
MIX(semaphore_tight);

FIXTURE_SETUP(mix)
{
	STRESS_SETUP(variant->kind->flags | variant->flags, variant->kind->start);
	/* a full semaphore has no bottom that readers could come to */
	self->s->producers_first = variant->kind != &semaphore_tight;
	self->s->consumers_first = variant->kind->both_ends;
}

NO_TEARDOWN(mix)

static void add_writers(struct stress *s, const struct kind *kind, void (*main)(struct task *t))
{
	int i;

	for (i = 0; i < 3; i++)
		stress_add(s, "writer", PRODUCER, main, kind->amount[i]);
}

static void add_readers(struct stress *s, int nr, void (*main)(struct task *t))
{
	while (nr--)
		stress_add(s, "reader", CONSUMER, main, 0);
}

static void add_pollers(struct stress *s, int nr, void (*main)(struct task *t))
{
	while (nr--)
		stress_add(s, "reader that is told", CONSUMER, main, 0)->way = IS_TOLD;
}

static void add_helper(struct stress *s, const char *name, enum side side,
		       void (*main)(struct task *t), uint64_t amount)
{
	stress_add(s, name, side, main, amount)->way = HELPS;
}

static void add_toggler(struct stress *s)
{
	add_helper(s, "toggler", BYSTANDER, toggles_nonblock, 0);
	s->toggled = true;
}

TEST_F(mix, readers_and_writers)
{
	add_writers(self->s, variant->kind, variant->kind->both_ends ? writes : writes_by_turns);
	if (!variant->kind->both_ends)
		stress_add(self->s, "writer of vectors", PRODUCER, writes_vectors, 1);
	else
		add_helper(self->s, "writer that never sleeps", PRODUCER, tries_to_write,
			   variant->kind->amount[0]);
	add_readers(self->s, 3, reads);
	add_helper(self->s, "reader that never sleeps", CONSUMER, tries_to_read, 0);
	add_helper(self->s, "writer of nothing", BYSTANDER, writes_nothing, 0);
	ASSERT_TRUE(stress_run(self->s));
}

/* poll and select say when: sleepers in poll only, and beside others in read. */
TEST_F(mix, pollers)
{
	struct stress *s = self->s;

	if (!(variant->flags & EFD_NONBLOCK)) {
		add_readers(s, 2, reads);
		add_writers(s, variant->kind, variant->kind->both_ends ? writes : writes_by_turns);
	} else {
		/* in amounts that fit whenever there is room */
		bool huge = variant->kind == &counter_huge;

		stress_add(s, "poller for room", PRODUCER, polls_and_writes, huge ? EFD_MAX : 1);
		stress_add(s, "poller for room", PRODUCER, polls_and_writes, huge ? EFD_MAX : 1);
	}
	add_pollers(s, 2, polls_and_reads);
	add_pollers(s, 1, selects_and_reads);
	s->disturb = send_signals_at_times;
	ASSERT_TRUE(stress_run(s));
}

/* Tasks that use it as a lock: no help from outside, at the end all have unlocked. */
FIXTURE(lock)
{
	struct stress *s;
};

FIXTURE_VARIANT(lock)
{
	int flags;
	int tokens;
};

FIXTURE_VARIANT_ADD(lock, counter) { 0, 1 };
FIXTURE_VARIANT_ADD(lock, semaphore) { EFD_SEMAPHORE, 1 };
FIXTURE_VARIANT_ADD(lock, semaphore_of_three) { EFD_SEMAPHORE, 3 };

FIXTURE_SETUP(lock)
{
	int i;

	STRESS_SETUP(variant->flags, variant->tokens);
	for (i = 0; i < 6; i++)
		stress_add(self->s, "lock", PRODUCER, locks_and_unlocks, 1);
}

NO_TEARDOWN(lock)

TEST_F(lock, is_never_lost)
{
	ASSERT_TRUE(stress_run(self->s));
}

TEST_F(lock, while_nonblock_is_toggled)
{
	add_toggler(self->s);
	ASSERT_TRUE(stress_run(self->s));
}

TEST_F(lock, with_signals)
{
	self->s->disturb = send_signals;
	self->s->had = had_interruptions;
	ASSERT_TRUE(stress_run(self->s));
	EXPECT_TRUE(had_interruptions(self->s));
}

/* Sleepers to whom something happens. */
FIXTURE(disturbed)
{
	struct stress *s;
};

FIXTURE_VARIANT(disturbed)
{
	const struct kind *kind;
};

FIXTURE_VARIANT_ADD(disturbed, counter_small) { &counter_small };
FIXTURE_VARIANT_ADD(disturbed, counter_huge) { &counter_huge };
FIXTURE_VARIANT_ADD(disturbed, semaphore_small) { &semaphore_small };
FIXTURE_VARIANT_ADD(disturbed, semaphore_tight) { &semaphore_tight };

FIXTURE_SETUP(disturbed)
{
	STRESS_SETUP(variant->kind->flags, variant->kind->start);
	self->s->producers_first = variant->kind != &semaphore_tight;
	self->s->consumers_first = variant->kind->both_ends;
}

NO_TEARDOWN(disturbed)

/* It is full meanwhile: then a signal finds writers that sleep. */
static void reads_at_times(struct task *t)
{
	while (goes_on(t)) {
		task_read(t, 0);
		usleep(300);
	}
}

TEST_F(disturbed, by_signals)
{
	bool tight = variant->kind == &semaphore_tight;

	add_writers(self->s, variant->kind, variant->kind->both_ends ? writes : writes_when_empty);
	add_readers(self->s, 4, tight ? reads_at_times : reads);
	self->s->disturb = send_signals;
	self->s->had = had_interruptions;
	ASSERT_TRUE(stress_run(self->s));
	EXPECT_TRUE(had_interruptions(self->s));
}

/* O_NONBLOCK comes and goes: whoever happens to sleep or not. */
TEST_F(disturbed, by_nonblock_that_is_toggled)
{
	add_writers(self->s, variant->kind, writes);
	add_readers(self->s, 3, reads);
	add_toggler(self->s);
	ASSERT_TRUE(stress_run(self->s));
}

/*
 * What a killed reader has taken is in its buffer, in shared memory. Of a killed writer it is
 * not known whether its last write was done: the sum has to be right for one answer.
 */
static void add_processes(struct stress *s, const struct kind *kind)
{
	int i;

	add_writers(s, kind, kind->both_ends ? writes : writes_when_empty);
	add_readers(s, 3, reads);
	for (i = 0; i < s->nr; i++)
		s->task[i].process = true;
	s->disturb = kill_one;
	s->had = had_kills;
}

TEST_F(disturbed, by_sudden_death)
{
	add_processes(self->s, variant->kind);
	ASSERT_TRUE(stress_run(self->s));
	EXPECT_TRUE(had_kills(self->s));
}

TEST_F(disturbed, by_death_in_their_sleep)
{
	self->s->arg = 1;
	add_processes(self->s, variant->kind);
	ASSERT_TRUE(stress_run(self->s));
	EXPECT_TRUE(had_kills(self->s));
}

/* The number that is read from or written to may be closed meanwhile, by anybody. */
FIXTURE(descriptors)
{
	struct stress *s;
};

FIXTURE_VARIANT(descriptors)
{
	int flags;
};

FIXTURE_VARIANT_ADD(descriptors, counter) { 0 };
FIXTURE_VARIANT_ADD(descriptors, semaphore) { EFD_SEMAPHORE };

FIXTURE_SETUP(descriptors)
{
	STRESS_SETUP(variant->flags, 0);
}

NO_TEARDOWN(descriptors)

TEST_F(descriptors, that_come_and_go)
{
	self->s->prepare = prepare_dups;
	self->s->clean = close_dups;
	add_writers(self->s, &counter_small, uses_dups);
	add_readers(self->s, 4, uses_dups);
	stress_add(self->s, "closer", BYSTANDER, dups_and_closes, 0);
	stress_add(self->s, "closer", BYSTANDER, dups_and_closes, 0);
	stress_add(self->s, "forks", PRODUCER, forks_and_writes, 1);
	ASSERT_TRUE(stress_run(self->s));
}

/* Every kind of epoll, and no event is missed. */
FIXTURE(epoll)
{
	struct stress *s;
};

FIXTURE_VARIANT(epoll)
{
	int mode, flags;
};

FIXTURE_VARIANT_ADD(epoll, level) { 0 };
FIXTURE_VARIANT_ADD(epoll, edge) { EPOLLET };
FIXTURE_VARIANT_ADD(epoll, oneshot) { EPOLLONESHOT };
FIXTURE_VARIANT_ADD(epoll, edge_oneshot) { EPOLLET | EPOLLONESHOT };
FIXTURE_VARIANT_ADD(epoll, exclusive) { EPOLLEXCLUSIVE };
FIXTURE_VARIANT_ADD(epoll, exclusive_edge) { EPOLLEXCLUSIVE | EPOLLET };
FIXTURE_VARIANT_ADD(epoll, semaphore_level) { 0, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(epoll, semaphore_edge) { EPOLLET, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(epoll, semaphore_exclusive) { EPOLLEXCLUSIVE, EFD_SEMAPHORE };

FIXTURE_SETUP(epoll)
{
	STRESS_SETUP(variant->flags, 0);
	self->s->arg = variant->mode;
	self->s->aux = -1;
	self->s->disturb = send_signals_at_times;
	stress_add(self->s, "writer", PRODUCER, writes_by_turns, 1);
	stress_add(self->s, "writer", PRODUCER, writes_when_empty, 1);
}

NO_TEARDOWN(epoll)

TEST_F(epoll, each_has_its_own)
{
	add_pollers(self->s, 3, epolls);
	ASSERT_TRUE(stress_run(self->s));
}

/* "a blocked reader queued behind an EPOLLEXCLUSIVE waiter is not woken" */
TEST_F(epoll, beside_sleepers)
{
	if ((variant->mode & EPOLLEXCLUSIVE) && !in_kallsyms("eventfd_serve_sleepers"))
		SKIP(return, "this kernel does not wake sleepers behind an exclusive epoll");
	add_pollers(self->s, 2, epolls);
	add_readers(self->s, 2, reads);
	ASSERT_TRUE(stress_run(self->s));
}

/* One for all of them. */
FIXTURE(epolls)
{
	struct stress *s;
};

FIXTURE_VARIANT(epolls)
{
	int mode, flags;
};

FIXTURE_VARIANT_ADD(epolls, level) { 0 };
FIXTURE_VARIANT_ADD(epolls, edge) { EPOLLET };
FIXTURE_VARIANT_ADD(epolls, oneshot) { EPOLLONESHOT, EFD_SEMAPHORE };

FIXTURE_SETUP(epolls)
{
	STRESS_SETUP(variant->flags, 0);
	self->s->arg = variant->mode;
	self->s->prepare = prepare_epoll;
	self->s->clean = close_aux;
}

NO_TEARDOWN(epolls)

TEST_F(epolls, many_wait_for_one)
{
	stress_add(self->s, "writer", PRODUCER, writes_by_turns, 1);
	stress_add(self->s, "writer", PRODUCER, writes_when_empty, 1);
	add_pollers(self->s, 3, epolls);
	ASSERT_TRUE(stress_run(self->s));
}

/*
 * Nobody sleeps in a call: writers wait for room by other means, and what they write, as much as
 * this returns, fits whenever there is some.
 */
static uint64_t full_or_has_room(struct stress *s)
{
	s->flags |= EFD_NONBLOCK;
	s->consumers_first = true;
	if (!(s->flags & EFD_SEMAPHORE))
		return EFD_MAX;
	s->start = EFD_MAX - 3;
	s->producers_first = false;
	return 1;
}

FIXTURE(room)
{
	struct stress *s;
};

FIXTURE_VARIANT(room)
{
	int mode, flags;
};

FIXTURE_VARIANT_ADD(room, level) { 0 };
FIXTURE_VARIANT_ADD(room, edge) { EPOLLET };
FIXTURE_VARIANT_ADD(room, oneshot) { EPOLLONESHOT };
FIXTURE_VARIANT_ADD(room, exclusive) { EPOLLEXCLUSIVE };
FIXTURE_VARIANT_ADD(room, semaphore_level) { 0, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(room, semaphore_edge) { EPOLLET, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(room, semaphore_edge_oneshot) { EPOLLET | EPOLLONESHOT, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(room, semaphore_exclusive_edge) { EPOLLEXCLUSIVE | EPOLLET, EFD_SEMAPHORE };

FIXTURE_SETUP(room)
{
	STRESS_SETUP(variant->flags, 0);
	self->s->arg = variant->mode;
	self->s->aux = -1;
	self->s->disturb = send_signals_at_times;
}

NO_TEARDOWN(room)

TEST_F(room, is_what_epoll_waits_for)
{
	uint64_t amount = full_or_has_room(self->s);
	int i;

	for (i = 0; i < 3; i++)
		stress_add(self->s, "writer with an epoll", PRODUCER, epolls, amount);
	add_pollers(self->s, 2, polls_and_reads);
	ASSERT_TRUE(stress_run(self->s));
}

/* Requests instead of calls. */
FIXTURE(uring)
{
	struct stress *s;
};

FIXTURE_VARIANT(uring)
{
	const struct kind *kind;
};

FIXTURE_VARIANT_ADD(uring, counter_small) { &counter_small };
FIXTURE_VARIANT_ADD(uring, counter_huge) { &counter_huge };
FIXTURE_VARIANT_ADD(uring, semaphore_small) { &semaphore_small };

FIXTURE_SETUP(uring)
{
	int i;

	STRESS_SETUP(variant->kind->flags, variant->kind->start);
	self->s->consumers_first = variant->kind->both_ends;
	self->s->disturb = send_signals_at_times;
	for (i = 0; i < 8; i++)
		URING_SETUP(&rings[i], 0);
}

NO_TEARDOWN(uring)

static void add_ring(struct stress *s, enum side which, uint64_t amount)
{
	const char *name = which == PRODUCER ? "ring that writes" : "ring that reads";

	stress_add(s, name, which, urings, amount)->way = ASYNC;
}

TEST_F(uring, reads_and_writes)
{
	/* what fits whenever poll says that there is room */
	uint64_t amount = variant->kind == &counter_huge ? EFD_MAX : 1;

	add_ring(self->s, PRODUCER, amount);
	add_ring(self->s, PRODUCER, amount);
	add_ring(self->s, CONSUMER, 0);
	add_ring(self->s, CONSUMER, 0);
	ASSERT_TRUE(stress_run(self->s));
}

TEST_F(uring, beside_sleepers)
{
	uint64_t amount = variant->kind == &counter_huge ? EFD_MAX : 1;

	add_ring(self->s, PRODUCER, amount);
	stress_add(self->s, "writer", PRODUCER, writes, amount);
	add_ring(self->s, CONSUMER, 0);
	add_readers(self->s, 2, reads);
	ASSERT_TRUE(stress_run(self->s));
}

/* Polls of io_uring. */
FIXTURE(ring_poll)
{
	struct stress *s;
};

FIXTURE_VARIANT(ring_poll)
{
	int mode, flags;
};

FIXTURE_VARIANT_ADD(ring_poll, single) { 0 };
FIXTURE_VARIANT_ADD(ring_poll, multishot) { IORING_POLL_ADD_MULTI };
FIXTURE_VARIANT_ADD(ring_poll, semaphore_single) { 0, EFD_SEMAPHORE };
FIXTURE_VARIANT_ADD(ring_poll, semaphore_multishot) { IORING_POLL_ADD_MULTI, EFD_SEMAPHORE };

FIXTURE_SETUP(ring_poll)
{
	int i;

	STRESS_SETUP(variant->flags, 0);
	self->s->arg = variant->mode;
	self->s->disturb = send_signals_at_times;
	for (i = 0; i < 8; i++)
		URING_SETUP(&rings[i], 0);
}

NO_TEARDOWN(ring_poll)

TEST_F(ring_poll, beside_sleepers)
{
	stress_add(self->s, "writer", PRODUCER, writes_by_turns, 1);
	stress_add(self->s, "writer", PRODUCER, writes_when_empty, 1);
	add_pollers(self->s, 2, ring_polls);
	add_readers(self->s, 2, reads);
	ASSERT_TRUE(stress_run(self->s));
}

TEST_F(ring_poll, waits_for_room)
{
	uint64_t amount = full_or_has_room(self->s);

	stress_add(self->s, "writer with a ring's poll", PRODUCER, ring_polls, amount);
	stress_add(self->s, "writer with a ring's poll", PRODUCER, ring_polls, amount);
	add_pollers(self->s, 2, polls_and_reads);
	ASSERT_TRUE(stress_run(self->s));
}

FIXTURE(aio)
{
	struct stress *s;
};

FIXTURE_VARIANT(aio)
{
	int flags;
};

FIXTURE_VARIANT_ADD(aio, counter) { 0 };
FIXTURE_VARIANT_ADD(aio, semaphore) { EFD_SEMAPHORE };

FIXTURE_SETUP(aio)
{
	int i;

	STRESS_SETUP(variant->flags, 0);
	self->s->disturb = send_signals_at_times;
	for (i = 0; i < 8; i++)
		if (syscall(SYS_io_setup, 2 * BATCH, &aio[i]))
			SKIP(return, "no aio here");
	aio_file = memfd_create("stress_test", MFD_CLOEXEC);
	ASSERT_EQ(BATCH, write(aio_file, "01234567", BATCH));
}

NO_TEARDOWN(aio)

TEST_F(aio, signals_reads_and_polls)
{
	stress_add(self->s, "aio signals", PRODUCER, aio_signals, 1);
	stress_add(self->s, "aio signals", PRODUCER, aio_signals, 1);
	add_readers(self->s, 1, aio_reads);
	add_pollers(self->s, 2, aio_polls);
	add_readers(self->s, 1, reads);
	ASSERT_TRUE(stress_run(self->s));
}

/* What fits, and sometimes does not for long: aio's writers sleep among others. */
TEST_F(aio, writes_beside_sleepers)
{
	uint64_t amount = full_or_has_room(self->s);

	if (!in_kallsyms("eventfd_write_iter"))
		SKIP(return, "this kernel has no aio writes to an eventfd");
	self->s->flags &= ~EFD_NONBLOCK;
	stress_add(self->s, "aio writer", PRODUCER, aio_writes, amount);
	stress_add(self->s, "aio writer", PRODUCER, aio_writes, amount);
	stress_add(self->s, "writer", PRODUCER, writes, amount);
	add_readers(self->s, 2, reads);
	add_readers(self->s, 1, aio_reads);
	ASSERT_TRUE(stress_run(self->s));
}

TEST_F(aio, polls_wait_for_room)
{
	uint64_t amount = full_or_has_room(self->s);

	stress_add(self->s, "writer with aio polls", PRODUCER, aio_polls, amount);
	stress_add(self->s, "writer with aio polls", PRODUCER, aio_polls, amount);
	add_pollers(self->s, 2, polls_and_reads);
	ASSERT_TRUE(stress_run(self->s));
}

/* Those who use an eventfd when its last descriptor is closed. */
FIXTURE(lives)
{
	struct stress *s;
};

FIXTURE_VARIANT(lives)
{
	int flags;
};

FIXTURE_VARIANT_ADD(lives, counter) { 0 };
FIXTURE_VARIANT_ADD(lives, semaphore) { EFD_SEMAPHORE };

FIXTURE_SETUP(lives)
{
	int i;

	STRESS_SETUP(variant->flags, 0);
	for (i = 0; i < 8; i++) {
		URING_SETUP(&rings[i], 0);
		if (syscall(SYS_io_setup, 2 * NR_LIVES, &aio[i]))
			SKIP(return, "no aio here");
	}
}

NO_TEARDOWN(lives)

TEST_F(lives, end_while_others_look_on)
{
	struct stress *s = self->s;
	int i;

	for (i = 0; i < MAKERS; i++)
		stress_add(s, "maker", PRODUCER, makes_and_closes, 1)->arg = i;
	add_readers(s, 2, takes_and_closes);
	stress_add(s, "user", BYSTANDER, uses_what_is_closed, 0);
	stress_add(s, "user", BYSTANDER, uses_what_is_closed, 0);
	s->stop = stop_nothing;
	s->clean = close_lives;
	ASSERT_TRUE(stress_run(s));
}

/* Signals of the kernel. */
FIXTURE(kernel)
{
	struct stress *s;
};

FIXTURE_VARIANT(kernel)
{
	int flags;
};

FIXTURE_VARIANT_ADD(kernel, counter) { 0 };
FIXTURE_VARIANT_ADD(kernel, semaphore) { EFD_SEMAPHORE };

FIXTURE_SETUP(kernel)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/efd_storm.ko", dir("MODULES", "/modules"));
	if (access(path, R_OK) || geteuid())
		SKIP(return, "needs root and %s", path);
	unload("efd_storm");
	unload("efd_listen");
	STRESS_SETUP(variant->flags, 0);
	self->s->arg = EPOLLET;
	self->s->aux = -1;
}

FIXTURE_TEARDOWN(kernel)
{
	unload("efd_storm");
	unload("efd_listen");
}

static uint64_t number(const char *module, const char *name)
{
	return strtoull(param(module, name), NULL, 10);
}

static void start_storm(struct stress *s)
{
	if (load("efd_storm", "pid=%d efd=%d period=%d", getpid(), s->fd, 50 << s->round % 4))
		s->trouble = true;
}

/* Where signals come from, and how many have, in all rounds. */
static const char *const source[] = { "interrupt", "softirq", "thread" };
static uint64_t nr_from[ARRAY_SIZE(source)];

static void stop_storm(struct stress *s)
{
	FILE *f = param_open("efd_storm", "stop", "w");
	uint64_t nr;
	size_t i;

	if (!f || fputs("now", f) < 0 || fclose(f))
		s->trouble = true;
	for (i = 0; i < ARRAY_SIZE(source); i++) {
		nr = number("efd_storm", source[i]);
		nr_from[i] += nr;
		s->added += nr;
	}
}

static bool had_all_sources(struct stress *s)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(source) && nr_from[i]; i++)
		;
	return i == ARRAY_SIZE(source);
}

static void clean_storm(struct stress *s)
{
	if (unload("efd_storm"))
		s->trouble = true;
}

/* From a hard interrupt, a softirq and a thread at once, and from user space as well. */
TEST_F(kernel, signals_from_everywhere)
{
	self->s->prepare = start_storm;
	self->s->stop = stop_storm;
	self->s->had = had_all_sources;
	self->s->clean = clean_storm;
	stress_add(self->s, "writer", PRODUCER, writes_when_empty, 1);
	add_readers(self->s, 3, reads);
	add_pollers(self->s, 1, polls_and_reads);
	add_pollers(self->s, 1, epolls);
	ASSERT_TRUE(stress_run(self->s));
	EXPECT_TRUE(had_all_sources(self->s));
}

#define NEST	3

/* What is done to the other one calls a callback each time, which signals ours NEST times. */
static void changes_the_other(struct task *t)
{
	uint64_t value;

	while (goes_on(t)) {
		task_check(t, efd_write(t->s->aux, 1));
		efd_read(t->s->aux, &value);
		record_done(t, (struct sum){}, (struct sum){}, 1);
	}
}

static void start_nesting(struct stress *s)
{
	s->aux = efd_create(0, EFD_NONBLOCK);
	if (load("efd_listen", "pid=%d efd=%d keep=1 nest=%d nests=4294967295 to=%d", getpid(),
		 s->aux, NEST, s->fd))
		s->trouble = true;
}

static void stop_nesting(struct stress *s)
{
	FILE *f;

	if (!eventually(!s->left[PRODUCER]))
		return;
	f = param_open("efd_listen", "left", "w");
	if (!f || fputs("now", f) < 0 || fclose(f))
		s->trouble = true;
	s->added = number("efd_listen", "wakeups") * NEST;
}

static void clean_nesting(struct stress *s)
{
	if (unload("efd_listen"))
		s->trouble = true;
	close(s->aux);
}

/* "Each of them counts, however many there are": they are put off, and none is lost. */
TEST_F(kernel, signals_inside_wakeups)
{
	if (!in_kallsyms("eventfd_deliver"))
		SKIP(return, "this kernel drops a signal from inside a wakeup");
	self->s->prepare = start_nesting;
	self->s->stop = stop_nesting;
	self->s->clean = clean_nesting;
	stress_add(self->s, "writer to another", PRODUCER, changes_the_other, 1);
	stress_add(self->s, "writer to another", PRODUCER, changes_the_other, 1);
	add_readers(self->s, 3, reads);
	add_pollers(self->s, 1, polls_and_reads);
	ASSERT_TRUE(stress_run(self->s));
}

TEST_HARNESS_MAIN
