// SPDX-License-Identifier: GPL-2.0
/*
 * What the stock kernel does worse, each on eventfds of its own, so that nothing is
 * left of the difference when the operation is over. What both must answer alike goes
 * into the trace. What the series does better is said in words, and fuzz/rules has the
 * words of either kernel.
 */
#include "efd_fuzz.h"

#include <sys/inotify.h>

#define CROWD	6

static const char *flags_text(int flags)
{
	static const char *const names[] = { "0", "sem", "nb", "sem|nb" };

	return names[!!(flags & EFD_SEMAPHORE) + 2 * !!(flags & EFD_NONBLOCK)];
}

/* One with @count in it, which may be more than eventfd2() takes. */
static int with_count(uint64_t count, int flags)
{
	int fd = efd_create(0, flags);

	if (fd < 0 || (count && efd_write(fd, count) != 8))
		broken("no eventfd with %#llx in it", ull(count));
	return fd;
}

static uint64_t some_count(void)
{
	return pick(((const uint64_t[]){ 0, 0, 1, 5, UINT32_MAX, EFD_MAX - 1, EFD_MAX }));
}

static uint64_t some_amount(uint64_t count)
{
	return one_in(2) ? EFD_MAX - count - 1 + below(3) :
	       pick(((const uint64_t[]){ 0, 1, 2, 1ull << 32, EFD_MAX, UINT64_MAX }));
}

/* A: writes that the stock kernel refuses, each beside a plain one that it does not. */

static struct beside {
	int fd;
	int plain_fd;
	uint64_t count;
	uint64_t values[2];
	struct iovec iov[2];
	int nr;
	long plain;		/* what the plain call has returned */
} beside;

static void prepare(struct beside *b, int flags)
{
	static const int cuts[][2] = {
		{ 8, 8 }, { 8, 8 }, { 8, 8 }, { 4, 4 }, { 8, 4 }, { 8, 0 }, { 0, 8 }, { 9, 8 },
	};
	const int *cut = pick(cuts);

	b->count = some_count();
	b->values[0] = some_amount(b->count);
	b->values[1] = 1;
	b->nr = 1 + below(2);
	b->iov[0] = (struct iovec){ &b->values[0], cut[0] };
	b->iov[1] = (struct iovec){ &b->values[1], cut[1] };
	b->fd = with_count(b->count, flags);
	b->plain_fd = with_count(b->count, flags | EFD_NONBLOCK);
}

/*
 * @refused is what the stock kernel says. Where the plain call says that too, or has
 * nothing to write, both kernels must say the same; with 0, nowhere.
 */
static void compare(struct beside *b, const char *call, long ret, long refused)
{
	uint64_t count = count_of(b->fd), plain_count = count_of(b->plain_fd);
	bool empty = !(b->iov[0].iov_len + (b->nr > 1 ? b->iov[1].iov_len : 0));

	say("%s %#llx %#llx %d:%zd+%zd", call, ull(b->count), ull(b->values[0]), b->nr,
	    b->iov[0].iov_len, b->iov[1].iov_len);
	say(", plain = %s, %#llx", result(b->plain), ull(plain_count));
	if (b->plain == refused || (empty && refused == -EOPNOTSUPP))
		say(", this = %s, %#llx", result(ret), ull(count));
	else if (ret == b->plain && count == plain_count)
		say_beyond("%s = as the plain call\n", call);
	else if (!ret && count == b->count)
		say_beyond("%s = 0, nothing written\n", call);
	else if (count == b->count)
		say_beyond("%s = %s\n", call, result(ret));
	else
		say_beyond("%s = %s, but written\n", call, result(ret));
	say("\n");
	close(b->fd);
	close(b->plain_fd);
}

/* pwritev2() with RWF_NOWAIT, which writes what fits and never sleeps */
static void nowait(void)
{
	int flags = below(2) * EFD_SEMAPHORE | below(2) * EFD_NONBLOCK;
	int extra = one_in(3) ? RWF_HIPRI : 0, append = one_in(5);
	struct beside *b = &beside;
	long ret;

	prepare(b, flags);
	if (append)
		fcntl(b->fd, F_SETFL, fcntl(b->fd, F_GETFL) | O_APPEND);
	ret = RET(pwritev2(b->fd, b->iov, b->nr, -1, RWF_NOWAIT | extra));
	b->plain = RET(writev(b->plain_fd, b->iov, b->nr));
	compare(b, "pwritev2 NOWAIT", ret, -EOPNOTSUPP);
}

/* RWF_APPEND, if the file has O_APPEND anyway */
static void append(void)
{
	struct beside *b = &beside;
	long ret;

	prepare(b, EFD_NONBLOCK);
	fcntl(b->fd, F_SETFL, fcntl(b->fd, F_GETFL) | O_APPEND);
	ret = RET(pwritev2(b->fd, b->iov, b->nr, -1, RWF_APPEND));
	b->plain = RET(writev(b->plain_fd, b->iov, b->nr));
	compare(b, "pwritev2 APPEND", ret, -EOPNOTSUPP);
}

/* aio's PWRITE and PWRITEV. One context for all: to end one takes milliseconds. */
static void aio_pwrite(void)
{
	struct iocb cb = {}, *list = &cb;
	struct timespec ts = { 1, 0 };
	static aio_context_t ctx;
	struct beside *b = &beside;
	struct io_event ev = {};
	bool vector = below(2);
	long ret;

	prepare(b, EFD_NONBLOCK);
	cb.aio_lio_opcode = vector ? IOCB_CMD_PWRITEV : IOCB_CMD_PWRITE;
	cb.aio_fildes = b->fd;
	cb.aio_buf = vector ? (uintptr_t)b->iov : (uintptr_t)b->values;
	cb.aio_nbytes = vector ? (size_t)b->nr : b->iov[0].iov_len;
	if (!ctx && syscall(SYS_io_setup, 1, &ctx))
		broken("io_setup = %s", result(-errno));
	ret = RET(syscall(SYS_io_submit, ctx, 1l, &list));
	if (ret == 1) {
		ret = RET(syscall(SYS_io_getevents, ctx, 1l, 1l, &ev, &ts));
		ret = ret == 1 ? ev.res : -ETIMEDOUT;
	}
	if (vector) {
		b->plain = RET(writev(b->plain_fd, b->iov, b->nr));
		compare(b, "aio PWRITEV", ret, -EINVAL);
		return;
	}
	b->iov[1].iov_len = 0;
	b->plain = RET(write(b->plain_fd, b->values, b->iov[0].iov_len));
	/* to write nothing is what a vector of nothing is, and no plain call */
	if (cb.aio_nbytes)
		compare(b, "aio PWRITE", ret, -EINVAL);
	else
		compare(b, "aio PWRITE of nothing", ret, 0);
}

/* A: a write by io_uring to a blocking eventfd, done without a worker thread */
static void uring_write(void)
{
	static struct uring ring = { .fd = -1 };
	uint64_t count = some_count(), value = some_amount(count), got = 0;
	bool fits = value == UINT64_MAX || UINT64_MAX - count > value, full = count >= EFD_MAX;
	struct io_uring_cqe cqe = { .res = -ETIMEDOUT };
	bool early;
	int fd;

	/* more than there is room for, though there is some: then nothing is better */
	if (!fits && !full)
		return;
	if (ring.fd < 0 && uring_open(&ring, 0) < 0) {
		broken("no io_uring");
		return;
	}
	fd = with_count(count, 0);
	uring_queue(&ring, IORING_OP_WRITE, fd, &value, 8, 0)->off = -1;
	uring_submit(&ring);
	/* to wait for room is to wait for the read below */
	early = uring_wait_ms(&ring, &cqe, full ? 0 : SETTLE_MS);
	if (full) {
		efd_read(fd, &got);
		if (!early)
			uring_wait_ms(&ring, &cqe, SETTLE_MS);
	}
	say("uring-write %#llx %#llx = %s, %#llx, %#llx\n", ull(count), ull(value), result(cqe.res),
	    ull(got), ull(count_of(fd)));
	say_beyond("uring write%s = %s%s\n",
		   !full ? "" :
		   fits	 ? " that needs no room" :
			   " to a full one",
		   early ? "at once" : "after a read", uring_workers() ? ", by a worker" : "");
	close(fd);
}

/* Tasks that sleep. */

static struct sleeper {
	struct worker w;
	int status;
	long sleeps;
	bool asleep;
} crowd[CROWD];

static void start_sleeper(struct sleeper *s, int fd, void (*call)(struct worker *w))
{
	s->w.fd = fd;
	s->status = start_thread(&s->w, call);
}

/* Whether the first @n have come to rest, by how often they have slept: @last is that. */
static bool crowd_at_rest(int n, long *last)
{
	long sum = 0;
	bool same;
	char state;
	int i;

	for (i = 0; i < n; i++) {
		crowd[i].asleep = !crowd[i].w.done;
		if (crowd[i].w.done) {
			sum += 1000000;
			continue;
		}
		if (!look_at(crowd[i].status, &state, &crowd[i].sleeps) || state != 'S')
			return false;
		sum += crowd[i].sleeps + 1;
	}
	same = sum == *last;
	*last = sum;
	return same;
}

static void rest(int n)
{
	long last = 0;

	if (!settles(crowd_at_rest(n, &last)))
		broken("restless");
}

static bool gone(struct sleeper *s)
{
	if (!s->w.done)
		syscall(SYS_tgkill, getpid(), s->w.tid, SIGUSR1);
	return s->w.done;
}

/* By a signal, whatever they wait for. */
static void send_away(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (!settles(gone(&crowd[i]))) {
			broken("not even a signal wakes it");
			_exit(1);
		}
		pthread_join(crowd[i].w.thread, NULL);
		close(crowd[i].status);
	}
}

/* B: how many of those who sleep are woken for what serves a few. */
static void all_or_some(void)
{
	int flags = below(2) * EFD_SEMAPHORE, n = 1 + below(CROWD), i, fd, able = 0, woken = 0;
	bool writers = below(2), semaphore = flags;
	long sleeps[CROWD];
	uint64_t value;

	if (writers)
		value = semaphore || one_in(3) ? 1 : 1ull << (62 + below(2));
	else
		value = 1 + below(4);
	fd = with_count(writers ? EFD_MAX : 0, flags);
	for (i = 0; i < n; i++) {
		crowd[i].w.value = value;
		start_sleeper(&crowd[i], fd, writers ? worker_write : worker_read);
		rest(i + 1);
		sleeps[i] = crowd[i].sleeps;
	}
	if (writers)
		efd_read(fd, &value);
	else
		efd_write(fd, value);
	rest(n);
	for (i = 0; i < n; i++) {
		able += crowd[i].w.done;
		woken += !crowd[i].asleep || crowd[i].sleeps != sleeps[i];
	}
	say("%d %s %s %#llx = %d done, %#llx", n, writers ? "writers" : "readers",
	    flags_text(flags), ull(value), able, ull(count_of(fd)));
	if (able == n)
		say(", %d woken", woken);
	else
		say_beyond("%s %s = %s woken\n", flags_text(flags), writers ? "writers" : "readers",
			   woken == n	 ? "all" :
			   woken == able ? "who can proceed" :
					   "some");
	say("\n");
	send_away(n);
	close(fd);
}

static void epoll_waiter(struct worker *w)
{
	struct epoll_event ev;

	w->ret = RET(epoll_wait(w->fd, &ev, 1, -1));
	w->value = ev.events;
}

/*
 * C: whether one behind an exclusive poller is woken, and gets what it should. The poller
 * runs first: what it sees is what whoever makes the change has left.
 */
static void one_behind(void)
{
	int flags = below(2) * EFD_SEMAPHORE, ep = epoll_create1(0), fd;
	struct worker *poller = &crowd[0].w, *behind = &crowd[1].w;
	bool writer = below(2), right;
	struct epoll_event ev = { .events = (writer ? EPOLLOUT : EPOLLIN) | EPOLLEXCLUSIVE };
	struct sched_param first = { .sched_priority = 10 };
	uint64_t amount = writer && flags ? 1 : 1 + below(3), share = flags ? 1 : amount;
	uint64_t got = 0, left, count;
	long ret;

	fd = with_count(writer ? EFD_MAX : 0, flags);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	start_sleeper(&crowd[0], ep, epoll_waiter);
	rest(1);
	sched_setscheduler(poller->tid, SCHED_FIFO, &first);
	behind->value = amount;
	start_sleeper(&crowd[1], fd, writer ? worker_write : worker_read);
	rest(2);
	ret = writer ? efd_read(fd, &got) : efd_write(fd, amount);
	rest(2);
	count = count_of(fd);
	say("behind %s %#llx = %s, %#llx\n", flags_text(flags), ull(amount), result(ret), ull(got));

	left = !writer ? amount : flags ? EFD_MAX - 1 : 0;
	if (behind->done)
		left += writer ? amount : -share;
	right = count == left;
	if (behind->done)
		right = right && behind->ret == 8 && (writer || behind->value == share);
	say_beyond("%s behind an exclusive poller %s = %s, the poller %s\n",
		   writer ? "writer" : "reader", flags_text(flags),
		   !right	  ? "wrong" :
		   !behind->done ? "sleeps on" :
				   "done",
		   !poller->done    ? "asleep" :
		   poller->ret == 1 ? events_text(poller->value) :
				      "wrong");
	send_away(2);
	close(ep);
	close(fd);
}

/* H: a reader that was woken, while others do not let it run, and has found nothing. */
static void lose_twice(void)
{
	int flags = below(2) * EFD_SEMAPHORE, fd = with_count(0, flags), i;
	struct sched_param first = { .sched_priority = 10 }, usual = {};
	uint64_t value, posts = 1 + below(3);
	bool done, has_it;
	long ret[2];

	start_sleeper(&crowd[0], fd, worker_read);
	rest(1);
	efd_set_nonblock(fd, true);
	for (i = 0; i < 2; i++) {
		value = 0;
		sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
		efd_write(fd, flags ? 1 : posts);
		ret[i] = efd_read(fd, &value);
		sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &usual);
		rest(1);
	}
	say("overtaken %s %#llx = %s, %#llx\n", flags_text(flags), ull(posts), result(ret[0]),
	    ull(count_of(fd)));
	done = crowd[0].w.done;
	has_it = done && crowd[0].w.ret == 8 && crowd[0].w.value == (flags ? 1 : posts);
	say_beyond("overtaken again %s = %s, %s\n", flags_text(flags), result(ret[1]),
		   !done  ? "sleeps on" :
		   has_it ? "has it" :
			    "wrong");
	send_away(1);
	close(fd);
}

/*
 * G: all anonymous files are one to inotify, so that it tells everybody of everybody. So nobody
 * asks for what is opened and closed: io_uring lets go of its files when the sequence before
 * this one is over, some time later.
 */
static void watch(void)
{
	/* one for all: to close it is to wait */
	static int in = -1;
	int fd = with_count(1, EFD_NONBLOCK), reads = below(2), i, n;
	struct inotify_event ev[8];
	unsigned int mask = 0;
	uint64_t value;
	char path[64];
	long wd;

	if (in < 0) {
		n = inotify_init1(IN_NONBLOCK);
		in = fcntl(n, F_DUPFD, 280);
		close(n);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wd = RET(inotify_add_watch(in, path, IN_ACCESS | IN_MODIFY));
	if (reads)
		efd_read(fd, &value);
	else
		efd_write(fd, 1);
	n = RET(read(in, ev, sizeof(ev)));
	for (i = 0; i < n / (int)sizeof(ev[0]); i++)
		mask |= ev[i].mask;
	say("watched = %s\n", wd < 0 ? result(wd) : "ok");
	say_beyond("watched %s = %s\n", reads ? "read" : "write",
		   n == -EAGAIN	     ? "silent" :
		   mask == IN_ACCESS ? "ACCESS" :
		   mask == IN_MODIFY ? "MODIFY" :
				       "more");
	inotify_rm_watch(in, wd);
	while (read(in, ev, sizeof(ev)) > 0)
		;
	close(fd);
}

/* G: ids are for those who are looked at. Mostly: what ended before may free some late. */
static void look_at_ids(void)
{
	int i, first, second, of_first, of_second, created = 0;
	bool same = false, other = false;

	for (i = 0; i < 9; i++) {
		first = with_count(0, 0);
		second = with_count(0, 0);
		of_second = id_of(second);
		of_first = id_of(first);
		same |= of_first == of_second;
		other |= of_second != id_of(second);
		created += of_first < of_second;
		close(first);
		close(second);
	}
	say("ids = %s%s\n", same ? "the same" : "two", other ? " and another" : "");
	say_beyond("ids = in the order of %s\n", created > 4 ? "creation" : "looking");
}

void op_beyond(void)
{
	unsigned int kind = below(64);

	if (kind < 14)
		nowait();
	else if (kind < 20)
		append();
	else if (kind < 34)
		aio_pwrite();
	else if (kind < 35)
		uring_write();
	else if (kind < 45)
		all_or_some();
	else if (kind < 52)
		one_behind();
	else if (kind < 56)
		lose_twice();
	else if (kind < 60)
		watch();
	else
		look_at_ids();
}
