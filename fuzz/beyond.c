// SPDX-License-Identifier: GPL-2.0
/*
 * What the stock kernel does worse, each on an eventfd of its own, so that nothing is
 * left of the difference when the operation is over. The lines that these print are
 * compared under fuzz/rules. "like" is followed by what the plain call answers.
 */
#include "efd_fuzz.h"

static const char *flags_text(int flags)
{
	return flags & EFD_SEMAPHORE ? flags & EFD_NONBLOCK ? "sem|nb" : "sem" :
	       flags & EFD_NONBLOCK ? "nb" : "0";
}

/* One with @count in it, which may be more than eventfd2() takes. */
static int with_count(uint64_t count, int flags)
{
	int fd = efd_create(0, flags);

	if (count && efd_write(fd, count) != 8)
		say("  no eventfd with %#llx in it\n", (unsigned long long)count);
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

static void some_vectors(uint64_t *values, struct iovec *iov, int *nr)
{
	static const int cuts[][2] = { { 8, 8 }, { 8, 8 }, { 4, 4 }, { 8, 4 }, { 8, 0 }, { 0, 8 }, { 9, 8 } };
	const int *cut = pick(cuts);

	*nr = 1 + below(2);
	iov[0] = (struct iovec){ values, one_in(4) ? (size_t)cut[0] : 8 };
	iov[1] = (struct iovec){ values + 1, cut[1] };
}

/* A: pwritev2() with RWF_NOWAIT, which writes what fits and never sleeps */
static void nowait(void)
{
	uint64_t count = some_count(), values[2] = { some_amount(count), 1 };
	int flags = below(4), extra = one_in(3) ? RWF_HIPRI : 0, nr, fd, like, append = one_in(5);
	struct iovec iov[2];
	long ret, plain;

	flags = (flags & 1) * EFD_SEMAPHORE | (flags >> 1) * EFD_NONBLOCK;
	some_vectors(values, iov, &nr);
	fd = with_count(count, flags);
	like = with_count(count, flags | EFD_NONBLOCK);
	if (append)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND);
	ret = RET(pwritev2(fd, iov, nr, -1, RWF_NOWAIT | extra));
	plain = RET(writev(like, iov, nr));
	say_beyond("pwritev2-nowait %s %#llx %#llx %zd+%zd = %s, %#llx like %s, %#llx\n", flags_text(flags),
		   (unsigned long long)count, (unsigned long long)values[0], iov[0].iov_len, nr > 1 ? iov[1].iov_len : 0,
		   result(ret), (unsigned long long)count_of(fd), result(plain), (unsigned long long)count_of(like));
	close(fd);
	close(like);
}

/* A: RWF_APPEND, if the file has O_APPEND anyway */
static void append(void)
{
	uint64_t count = some_count(), values[2] = { some_amount(count), 1 };
	int nr, fd = with_count(count, EFD_NONBLOCK), like = with_count(count, EFD_NONBLOCK);
	struct iovec iov[2];
	long ret, plain;

	some_vectors(values, iov, &nr);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND);
	ret = RET(pwritev2(fd, iov, nr, -1, RWF_APPEND));
	plain = RET(writev(like, iov, nr));
	say_beyond("pwritev2-append %#llx %#llx = %s, %#llx like %s, %#llx\n", (unsigned long long)count,
		   (unsigned long long)values[0], result(ret), (unsigned long long)count_of(fd),
		   result(plain), (unsigned long long)count_of(like));
	close(fd);
	close(like);
}

/* A: aio's PWRITE and PWRITEV */
static void aio_pwrite(void)
{
	uint64_t count = some_count(), values[2] = { some_amount(count), 1 };
	int vector = below(2), nr = 1, fd, like;
	struct timespec ts = { 1, 0 };
	struct iovec iov[2];
	aio_context_t ctx = 0;
	struct io_event ev = {};
	struct iocb cb = {}, *list = &cb;
	long ret, plain;

	some_vectors(values, iov, &nr);
	fd = with_count(count, EFD_NONBLOCK);
	like = with_count(count, EFD_NONBLOCK);
	cb.aio_lio_opcode = vector ? IOCB_CMD_PWRITEV : IOCB_CMD_PWRITE;
	cb.aio_fildes = fd;
	cb.aio_buf = vector ? (uintptr_t)iov : (uintptr_t)values;
	cb.aio_nbytes = vector ? (size_t)nr : iov[0].iov_len;
	ret = RET(syscall(SYS_io_setup, 1, &ctx));
	if (!ret)
		ret = RET(syscall(SYS_io_submit, ctx, 1l, &list));
	if (ret == 1) {
		ret = RET(syscall(SYS_io_getevents, ctx, 1l, 1l, &ev, &ts));
		ret = ret == 1 ? ev.res : -ETIMEDOUT;
	}
	plain = vector ? RET(writev(like, iov, nr)) : RET(write(like, values, iov[0].iov_len));
	say_beyond("aio-%s %#llx %#llx = %s, %#llx like %s, %#llx\n", vector ? "pwritev" : "pwrite",
		   (unsigned long long)count, (unsigned long long)values[0], result(ret),
		   (unsigned long long)count_of(fd), result(plain), (unsigned long long)count_of(like));
	syscall(SYS_io_destroy, ctx);
	close(fd);
	close(like);
}

/* A: a write by io_uring to a blocking eventfd, done without a worker thread */
static void uring_write(void)
{
	uint64_t count = some_count(), value = some_amount(count), got = 0;
	int full = value != UINT64_MAX && UINT64_MAX - count <= value, before, during, fd;
	struct io_uring_cqe cqe = { .res = -ETIMEDOUT };
	struct uring ring;
	bool early;

	if (uring_open(&ring, 0) < 0)
		return;
	fd = with_count(count, 0);
	before = uring_workers();
	/* more than there is room for, though there is some: then nothing is better */
	if (!full || count >= EFD_MAX) {
		uring_queue(&ring, IORING_OP_WRITE, fd, &value, 8, 0)->off = -1;
		uring_submit(&ring);
		early = uring_wait_ms(&ring, &cqe, full ? QUIET_MS : 1000);
		during = uring_workers();
		if (!early && efd_read(fd, &got) == 8)
			uring_wait_ms(&ring, &cqe, 1000);
		say_beyond("uring-write %#llx %#llx = %s%s%s, %#llx\n", (unsigned long long)count,
			   (unsigned long long)value, result(cqe.res), early ? "" : " late",
			   during > before ? " worker" : "", (unsigned long long)count_of(fd));
	}
	close(ring.fd);
	close(fd);
}

/* When @n workers have come to rest, by how often they have slept. */
static void rest(struct worker *w, int n)
{
	long sum = 0, last = -1;
	uint64_t end = now_ms() + SETTLE_MS;
	struct task_status st;
	int i, awake;

	do {
		if (last != -1)
			sched_yield();
		last = sum;
		for (i = awake = sum = 0; i < n; i++) {
			if (w[i].done) {
				sum += 1000000;
				continue;
			}
			st = task_status(w[i].tid);
			awake += st.state != 'S';
			sum += st.sleeps;
		}
	} while ((awake || sum != last) && now_ms() < end);
}

static void epoll_waiter(struct worker *w)
{
	struct epoll_event ev;

	w->ret = RET(epoll_wait(w->fd, &ev, 1, -1));
}

/*
 * B: how many of those who sleep are woken for what serves a few;
 * C: and whether those behind an exclusive epoll are.
 */
static void sleepers(bool exclusive)
{
	int flags = below(2) * EFD_SEMAPHORE, n = exclusive ? 1 : 1 + below(6), i, ep = -1;
	bool writers = below(2);
	uint64_t value = writers ? 1ull << 63 : 1 + below(4);
	struct epoll_event ev = { .events = (writers ? EPOLLOUT : EPOLLIN) | EPOLLEXCLUSIVE };
	int fd = with_count(writers ? EFD_MAX : 0, flags);
	struct worker w[6], listener = {};
	long sleeps[6];

	if (writers && (flags & EFD_SEMAPHORE))
		value = 1;
	memset(w, 0, sizeof(w));
	if (exclusive) {
		ep = epoll_create1(0);
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		listener.fd = ep;
		worker_start_asleep(&listener, epoll_waiter, SYS_epoll_wait);
		rest(&listener, 1);
	}
	for (i = 0; i < n; i++) {
		w[i].fd = fd;
		w[i].value = value;
		worker_start(&w[i], writers ? worker_write : worker_read);
		soon(w[i].done || task_status(w[i].tid).state == 'S');
	}
	rest(w, n);
	for (i = 0; i < n; i++)
		sleeps[i] = nr_sleeps(w[i].tid);
	if (writers)
		efd_read(fd, &value);
	else
		efd_write(fd, value);
	rest(w, n);
	say_beyond("%s %s%s %d %#llx = %d woken, %d done, %#llx\n", writers ? "writers" : "readers",
		   flags_text(flags), exclusive ? " behind" : "", n, (unsigned long long)value,
		   nr_woken(w, sleeps, n), nr_ended(w, n), (unsigned long long)count_of(fd));
	/* and away with them: there is no poller now, so each wakes the next */
	if (ep >= 0) {
		worker_join(&listener);
		close(ep);
	}
	for (i = 0; i < 2 * n + 2; i++) {
		efd_set_nonblock(fd, true);
		if (writers)
			efd_drain(fd);
		else
			efd_write(fd, n);
		rest(w, n);
	}
	for (i = 0; i < n; i++)
		if (!worker_join(&w[i])) {
			say("  %s: not to be woken\n", writers ? "writer" : "reader");
			_exit(1);
		}
	close(fd);
}

void op_beyond(void)
{
	switch (below(12)) {
	case 0: case 1: case 2:
		nowait();
		break;
	case 3: case 4:
		append();
		break;
	case 5: case 6: case 7:
		aio_pwrite();
		break;
	case 8:
		uring_write();
		break;
	case 9: case 10:
		sleepers(false);
		break;
	default:
		sleepers(true);
	}
}
