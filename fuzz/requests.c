// SPDX-License-Identifier: GPL-2.0
/*
 * Requests by io_uring and aio. What io_uring completes is there when a system call
 * returns. What aio completes may take a work item, but it is known when one comes.
 */
#include "efd_fuzz.h"

#define TAGS	64

static struct uring ring = { .fd = -1 };
static unsigned int next_tag;
static uint64_t buffers[TAGS][2];	/* all of them registered, as one */
static struct iovec vectors[TAGS][2];

/* io_uring */

/*
 * What does not fit although poll says that there is room is tried again and again, and
 * then by a worker thread: so it fits, or it is the least that a full counter refuses.
 */
static uint64_t value_for_uring(int fd)
{
	uint64_t value = some_value(fd), room = EFD_MAX - count_of(fd);

	if (value == UINT64_MAX || value <= room)
		return value;
	return room ?: 1;
}

#define FILES	4		/* registered ones */

static bool registered(void)
{
	int files[FILES] = { -1, -1, -1, -1 };
	struct iovec all = { buffers, sizeof(buffers) };

	return !uring_register(&ring, IORING_REGISTER_BUFFERS, &all, 1) &&
	       !uring_register(&ring, IORING_REGISTER_FILES, files, FILES);
}

static bool ring_there(void)
{
	static const unsigned int flags[] = {
		0,
		0,
		IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	int fd, ret;

	if (ring.fd >= 0)
		return true;
	ret = uring_open(&ring, pick(flags));
	if (ret < 0) {
		broken("io_uring_setup = %s", result(ret));
		return false;
	}
	fd = fcntl(ring.fd, F_DUPFD, 250);
	close(ring.fd);
	ring.fd = fd;
	if (!registered())
		broken("io_uring does not register");
	return true;
}

static void reap_uring(void)
{
	struct io_uring_cqe cqe;
	int i;

	if (ring.fd < 0)
		return;
	for (i = 0; i < 2; i++) {
		syscall(SYS_io_uring_enter, ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
		while (uring_peek(&ring, &cqe))
			say("  cqe %llu = %s %#x %#llx\n", ull(cqe.user_data), result(cqe.res),
			    cqe.flags, ull(cqe.user_data < TAGS ? buffers[cqe.user_data][0] : 0));
	}
}

/* The file is not that of a number, but a registered one. */
static void use_registered(struct io_uring_sqe *sqe, struct slot *s, unsigned int tag)
{
	struct io_uring_files_update update = {
		.offset = tag % FILES,	/* another than that of one that is linked to this */
		.fds = (uintptr_t)&s->fd,
	};
	int ret = uring_register(&ring, IORING_REGISTER_FILES_UPDATE, &update, 1);

	say(" registered %u = %s", update.offset, result(ret));
	sqe->fd = update.offset;
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prepare(bool may_link, bool may_write)
{
	struct slot *s = some_slot();
	unsigned int tag = next_tag++ % TAGS, kind = below(16), len = one_in(5) ? below(20) : 8;
	struct io_uring_sqe *sqe;
	unsigned int events;
	uint64_t value;
	bool fixed;

	/* a write to a blocking eventfd would take a worker, and so would two that do not fit */
	if ((!may_write || !is_nonblock(s->fd) || count_of(s->fd) == UINT64_MAX) && kind >= 5 &&
	    kind <= 8)
		kind = below(5);
	s->counter->requests = true;
	memset(buffers[tag], 0, sizeof(buffers[tag]));
	vectors[tag][0] = (struct iovec){ buffers[tag], 8 };
	vectors[tag][1] = (struct iovec){ buffers[tag] + 1, 8 };
	switch (kind) {
	case 0 ... 2:
		fixed = one_in(3);
		sqe = uring_queue(&ring, fixed ? IORING_OP_READ_FIXED : IORING_OP_READ, s->fd,
				  buffers[tag], len, tag);
		sqe->off = -(uint64_t)below(2);
		say("uring %u READ%s %d %u", tag, fixed ? "_FIXED" : "", (int)(s - slots), len);
		break;
	case 3:
		vectors[tag][0].iov_len = 4;
		vectors[tag][1] = (struct iovec){ (char *)buffers[tag] + 4, 4 };
		fallthrough;
	case 4:
		sqe = uring_queue(&ring, IORING_OP_READV, s->fd, vectors[tag], 2, tag);
		sqe->off = -1;
		say("uring %u READV %d", tag, (int)(s - slots));
		break;
	case 5 ... 7:
		value = value_for_uring(s->fd);
		buffers[tag][0] = value;
		fixed = one_in(3);
		sqe = uring_queue(&ring, fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, s->fd,
				  buffers[tag], len, tag);
		sqe->off = -1;
		say("uring %u WRITE%s %d %u %#llx", tag, fixed ? "_FIXED" : "", (int)(s - slots),
		    len, ull(value));
		break;
	case 8:
		value = value_for_uring(s->fd);
		buffers[tag][0] = value;
		buffers[tag][1] = 1;
		sqe = uring_queue(&ring, IORING_OP_WRITEV, s->fd, vectors[tag], 1 + below(2), tag);
		sqe->off = -1;
		say("uring %u WRITEV %d %u %#llx", tag, (int)(s - slots), sqe->len, ull(value));
		break;
	case 9 ... 12:
		events = some_events() | (one_in(4) ? EPOLLET : 0) |
			 (one_in(6) ? EPOLLEXCLUSIVE : 0);
		sqe = uring_queue_poll(&ring, s->fd, events, tag);
		sqe->len = one_in(4) ? IORING_POLL_ADD_MULTI : 0;
		say("uring %u POLL %d %s %u", tag, (int)(s - slots), events_text(events), sqe->len);
		break;
	case 13:
		sqe = uring_queue(&ring, IORING_OP_POLL_REMOVE, -1, NULL, 0, tag);
		sqe->addr = below(tag + 1);
		say("uring %u POLL_REMOVE %llu", tag, ull(sqe->addr));
		break;
	case 14:
		sqe = uring_queue(&ring, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, tag);
		sqe->addr = below(tag + 1);
		say("uring %u CANCEL %llu", tag, ull(sqe->addr));
		break;
	default:
		sqe = uring_queue(&ring, IORING_OP_NOP, -1, NULL, 0, tag);
		say("uring %u NOP", tag);
	}
	if (kind <= 12 && one_in(4))
		use_registered(sqe, s, tag);
	/* the last one must not be: that goes to a worker thread */
	if (may_link && one_in(2)) {
		sqe->flags |= IOSQE_IO_LINK;
		say(" link");
	}
}

static void uring_post(struct slot *s);

void op_uring(void)
{
	bool two = one_in(4);

	if (!ring_there())
		return;
	if (one_in(8)) {
		uring_post(some_slot());
		return;
	}
	prepare(two, true);
	if (two) {
		say(", ");
		prepare(false, false);
	}
	say(" = %s\n", result(uring_submit(&ring)));
}

/* aio */

#define IOCBS	32

static aio_context_t aio;
static struct iocb iocbs[IOCBS];
static unsigned int nr_iocbs;
static struct pending {
	struct counter *counter;	/* NULL: complete */
	unsigned int events;
	bool expected;
	bool reports;
} pending[IOCBS];
static int report_fd = -1;
static uint64_t reported;

void aio_expect(struct counter *c, unsigned int events)
{
	unsigned int i;

	for (i = 0; i < nr_iocbs; i++)
		if (pending[i].counter == c && (pending[i].events & events))
			pending[i].expected = true;
}

static void reap_aio(void)
{
	struct io_event ev[IOCBS];
	struct timespec ts = { SETTLE_MS / 1000, SETTLE_MS % 1000 * 1000000 };
	unsigned int i, nr;
	int expected = 0, reports = 0, got, k;

	if (!aio)
		return;
	for (i = 0; i < nr_iocbs; i++)
		expected += pending[i].counter && pending[i].expected;
	if (!expected)
		ts = (struct timespec){};
	got = RET(syscall(SYS_io_getevents, aio, (long)expected, (long)IOCBS, ev, &ts));
	if (got < 0)
		say("  io_getevents = %s\n", result(got));
	/* work items come in their own order */
	for (nr = 0; nr < nr_iocbs; nr++)
		for (k = 0; k < got; k++) {
			if (ev[k].data != nr)
				continue;
			say("  aio %u = %s %lld %#llx\n", nr, result(ev[k].res),
			    (long long)ev[k].res2, ull(buffers[nr][0]));
			pending[nr].counter = NULL;
			reports += pending[nr].reports;
		}
	for (i = 0; i < nr_iocbs; i++)
		pending[i].expected = false;
	if (reports) {
		if (__builtin_add_overflow(reported, reports, &reported))
			reported = UINT64_MAX;
		settles(count_of(report_fd) == reported ||
			(int64_t)(count_of(report_fd) - reported) > 0);
		reported = count_of(report_fd);
		say("  reported %#llx %s\n", ull(reported),
		    events_text(efd_events(report_fd, POLLIN | POLLOUT)));
	}
}

static void open_report(void)
{
	int fd;

	if (report_fd >= 0)
		return;
	fd = efd_create(one_in(3) ? 7 : 0, below(2) * EFD_SEMAPHORE | EFD_NONBLOCK);
	report_fd = fcntl(fd, F_DUPFD, 260);
	close(fd);
	if (one_in(3))
		efd_write(report_fd, EFD_MAX - 1 - count_of(report_fd));
	reported = count_of(report_fd);
}

void op_aio(void)
{
	struct slot *s = some_slot();
	unsigned int nr = nr_iocbs, kind = below(12), len = one_in(5) ? below(20) : 8;
	struct iocb *cb = &iocbs[nr], *list = cb;
	struct io_event ev;
	uint64_t value = 0;
	int ret;

	if (!aio && syscall(SYS_io_setup, IOCBS, &aio)) {
		broken("io_setup = %s", result(-errno));
		return;
	}
	if (kind == 0 && report_fd >= 0) {
		ret = efd_read(report_fd, &value);
		reported = count_of(report_fd);
		say("read reports = %s %#llx\n", result(ret), ull(value));
		return;
	}
	if (kind == 1 && nr) {
		nr = below(nr);
		ret = RET(syscall(SYS_io_cancel, aio, &iocbs[nr], &ev));
		if (ret == -EINPROGRESS)
			pending[nr].expected = true;
		say("aio %u cancel = %s\n", nr, result(ret));
		return;
	}
	if (nr == IOCBS || (kind < 6 && read_sleeps(s->fd)))
		return;
	memset(cb, 0, sizeof(*cb));
	memset(buffers[nr], 0, sizeof(buffers[nr]));
	cb->aio_data = nr;
	cb->aio_fildes = s->fd;
	pending[nr] = (struct pending){ .counter = s->counter };
	if (one_in(3)) {
		open_report();
		cb->aio_flags = IOCB_FLAG_RESFD;
		cb->aio_resfd = report_fd;
		pending[nr].reports = true;
	}
	if (kind < 6) {
		cb->aio_lio_opcode = kind < 5 ? IOCB_CMD_PREAD : IOCB_CMD_PREADV;
		vectors[nr][0] = (struct iovec){ buffers[nr], 8 };
		cb->aio_buf = kind < 5 ? (uintptr_t)buffers[nr] : (uintptr_t)vectors[nr];
		cb->aio_nbytes = kind < 5 ? len : 1;
		say("aio %u %s %d %u", nr, kind < 5 ? "PREAD" : "PREADV", (int)(s - slots), len);
	} else {
		cb->aio_lio_opcode = kind < 11 ? IOCB_CMD_POLL : IOCB_CMD_FSYNC;
		cb->aio_buf = kind < 11 ? some_events() : 0;
		pending[nr].events = cb->aio_buf;
		pending[nr].expected = kind < 11 && efd_events(s->fd, cb->aio_buf);
		s->counter->requests = true;
		say("aio %u %s %d %s", nr, kind < 11 ? "POLL" : "FSYNC", (int)(s - slots),
		    events_text(cb->aio_buf));
	}
	say("%s", pending[nr].reports ? " resfd" : "");
	ret = RET(syscall(SYS_io_submit, aio, 1l, &list));
	say(" = %s\n", result(ret));
	nr_iocbs++;
	if (ret != 1) {
		pending[nr].counter = NULL;
	} else if (kind < 6) {
		pending[nr].expected = true;
		changed(s->counter, EPOLLOUT);
	}
}

/* Signals. */

/*
 * The kernel adds one, or a few. A read by aio of an eventfd that has something is
 * complete, and has been reported, when io_submit() returns. That takes a counter
 * where no write does: to ULLONG_MAX.
 */
void op_post(struct slot *s)
{
	struct iocb cbs[4], *list[4];
	static aio_context_t ctx;
	struct io_event ev[4];
	static int source = -1;
	uint64_t value[4];
	int n = 1, i, fd;
	long ret;

	if (!s->counter->readers && !s->counter->writers)
		n += below(4);
	if (one_in(3) && count_of(s->fd) < EFD_MAX && !s->counter->writers &&
	    !s->counter->requests) {
		say("fill %u = %s\n", s->counter->nr,
		    result(efd_write(s->fd, EFD_MAX - count_of(s->fd))));
		changed(s->counter, EPOLLIN);
		settle();
	}
	if (source < 0) {
		fd = efd_create(UINT32_MAX, EFD_SEMAPHORE);
		source = fcntl(fd, F_DUPFD, 270);
		close(fd);
	}
	ret = ctx ? 0 : RET(syscall(SYS_io_setup, 4, &ctx));
	if (ret)
		broken("io_setup = %s", result(ret));
	for (i = 0; i < n; i++) {
		list[i] = &cbs[i];
		cbs[i] = (struct iocb){
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = source,
			.aio_buf = (uintptr_t)&value[i],
			.aio_nbytes = 8,
			.aio_flags = IOCB_FLAG_RESFD,
			.aio_resfd = s->fd,
		};
	}
	ret = RET(syscall(SYS_io_submit, ctx, (long)n, list));
	say("post %d %d = %s", (int)(s - slots), n, result(ret));
	say(" %s\n", result(RET(syscall(SYS_io_getevents, ctx, 0l, 4l, ev, NULL))));
	changed(s->counter, EPOLLIN);
}

/* The same by io_uring, which says in the wakeup that it is its own. */
static void uring_post(struct slot *s)
{
	long ret;

	/* a request of this ring that waits for it would complete, and that is reported to it */
	if (s->counter->requests)
		return;
	ret = uring_register(&ring, IORING_REGISTER_EVENTFD, &s->fd, 1);
	uring_queue(&ring, IORING_OP_NOP, -1, NULL, 0, TAGS);
	say("uring post %d = %s", (int)(s - slots), result(ret));
	say(" %s", result(uring_submit(&ring)));
	say(" %s\n", result(uring_register(&ring, IORING_UNREGISTER_EVENTFD, NULL, 0)));
}

void reap_requests(void)
{
	reap_uring();
	reap_aio();
}
