// SPDX-License-Identifier: GPL-2.0
/*
 * efd_fuzz: sequences of operations on eventfds, and what a kernel answers. Reads
 * commands, one per line:
 *
 *	run START COUNT TWICE	for each seed "seed N OPERATIONS HASH"; every
 *				TWICE-th is run twice: "unsteady N" if that
 *				makes a difference; "stopped N" if N was the
 *				last, as too many were broken
 *	hash SEED MASK		the same for one, of which only the operations in
 *				MASK (hexadecimal) are done
 *	show SEED MASK		its trace, line by line, each after "| "
 *	quit
 *
 * What is better than on the stock kernel is not part of the hash but printed,
 * "beyond SEED OPERATION CALL = ANSWER". A sequence that did not do what it was for, as
 * it died, hung, or lacked something, is "broken SEED WHY": two kernels may well give the
 * same trace of that. An answer to a command ends with "end".
 *
 * It is the init of a guest, on the second serial port, or any program on stdin.
 *
 * The same kernel answers the same sequence with the same trace. That is by
 * construction: after each operation all tasks have come to rest, tasks that sleep for
 * the same thing are equal, and what would be a race is not done.
 */
#include "efd_fuzz.h"

#include <asm/ioctls.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#define TRACE_SIZE	(256 * 1024)
#define HANGS_S		20

struct slot slots[SLOTS];
struct profile profile;
unsigned int op_nr;

struct trace {
	size_t len;
	size_t beyond_len;
	unsigned int ops;
	unsigned int op_nr;
	char why[128];		/* it is broken */
	char beyond[TRACE_SIZE / 4];
	char text[TRACE_SIZE];
};

static struct trace *trace;

static uint64_t rnd_state;
static char *pages;		/* one that is there, and one that is not */
static uint64_t current_seed;

/* Random numbers. */

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t rnd(void)
{
	return mix(rnd_state += 0x9e3779b97f4a7c15ull);
}

unsigned int below(unsigned int n)
{
	return rnd() % n;
}

static void seed_for(uint64_t seed, uint64_t place)
{
	rnd_state = mix(seed * 0x9e3779b97f4a7c15ull + 1) ^ mix(place + 0x1234567);
}

/* The trace. */

void say(const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(trace->text + trace->len, TRACE_SIZE - trace->len, fmt, args);
	va_end(args);
	if (trace->len + n < TRACE_SIZE)
		trace->len += n;
	else
		broken("its trace is too long");
}

void say_beyond(const char *fmt, ...)
{
	size_t room = sizeof(trace->beyond) - trace->beyond_len;
	char *at = trace->beyond + trace->beyond_len;
	va_list args;
	int n, m;

	n = snprintf(at, room, "beyond %llu %u ", ull(current_seed), op_nr);
	va_start(args, fmt);
	m = vsnprintf(at + n, room - n, fmt, args);
	va_end(args);
	if ((size_t)(n + m) < room)
		trace->beyond_len += n + m;
	else
		broken("its trace is too long");
}

void broken(const char *fmt, ...)
{
	va_list args;
	int n;

	/* what comes after the first is no wonder */
	if (trace->why[0])
		return;
	n = snprintf(trace->why, sizeof(trace->why), "operation %u: ", trace->op_nr);
	va_start(args, fmt);
	vsnprintf(trace->why + n, sizeof(trace->why) - n, fmt, args);
	va_end(args);
}

const char *result(long ret)
{
	static char text[4][24];
	static int i;
	char *at = text[i++ % 4];

	if (ret < 0 && ret > -4096)
		snprintf(at, sizeof(text[0]), "%s", strerrorname_np(-ret) ?: "?");
	else
		snprintf(at, sizeof(text[0]), "%ld", ret);
	return at;
}

const char *events_text(unsigned int events)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ EPOLLIN, "IN" },    { EPOLLPRI, "PRI" },	   { EPOLLOUT, "OUT" },
		{ EPOLLERR, "ERR" },  { EPOLLHUP, "HUP" },	   { EPOLLRDHUP, "RDHUP" },
		{ POLLNVAL, "NVAL" }, { EPOLLRDNORM, "RDNORM" },   { EPOLLWRNORM, "WRNORM" },
		{ EPOLLET, "ET" },    { EPOLLONESHOT, "ONESHOT" }, { EPOLLEXCLUSIVE, "EXCLUSIVE" },
	};
	static char text[4][96];
	static int turn;
	char *at = text[turn++ % 4];
	unsigned int i, n = 0;

	at[0] = '\0';
	for (i = 0; i < ARRAY_SIZE_(names); i++)
		if (events & names[i].bit) {
			n += sprintf(at + n, "%s%s", n ? "|" : "", names[i].name);
			events &= ~names[i].bit;
		}
	if (events || !n)
		sprintf(at + n, "%s%#x", n ? "|" : "", events);
	return at;
}

/* Eventfds. */

static struct counter *new_counter(void)
{
	struct counter *c = calloc(1, sizeof(*c));

	if (!c)
		_exit(1);
	c->nr = op_nr;
	return c;
}

static long fdinfo_field(int fd, const char *name, int base, uint64_t *value)
{
	char path[64], text[512], *at;
	int info, n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	if (info < 0)
		return -errno;
	n = read(info, text, sizeof(text) - 1);
	close(info);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, name);
	if (!at)
		return -ENOENT;
	*value = strtoull(at + strlen(name), NULL, base);
	return 0;
}

uint64_t count_of(int fd)
{
	uint64_t count = 0;

	fdinfo_field(fd, "eventfd-count:", 16, &count);
	return count;
}

int id_of(int fd)
{
	uint64_t id = 0;

	fdinfo_field(fd, "eventfd-id:", 10, &id);
	return id;
}

bool is_nonblock(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

bool read_sleeps(int fd)
{
	return !is_nonblock(fd) && !count_of(fd);
}

bool write_sleeps(int fd, uint64_t value)
{
	return value != UINT64_MAX && !is_nonblock(fd) && UINT64_MAX - count_of(fd) <= value;
}

uint64_t some_value(int fd)
{
	static const uint64_t edges[] = {
		0,	   0,	       1,	    1,		 2,	     3,
		0xff,	   INT32_MAX,  1ull << 31,  UINT32_MAX,	 1ull << 32, (1ull << 32) + 1,
		INT64_MAX, 1ull << 63, EFD_MAX - 2, EFD_MAX - 1, EFD_MAX,    UINT64_MAX,
	};
	uint64_t bits = rnd();

	if (profile.edges && one_in(2))
		return below(2);
	switch (below(4)) {
	case 0:	/* what just fits, or just not */
		return EFD_MAX - count_of(fd) - 1 + below(3);
	case 1:
		return bits >> below(64);
	default:
		return pick(edges);
	}
}

struct slot *some_slot(void)
{
	unsigned int i = below(SLOTS), n;

	for (n = 0; n < SLOTS; n++, i++)
		if (slots[i % SLOTS].fd >= 0)
			return &slots[i % SLOTS];
	return NULL;
}

static struct slot *free_slot(void)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (slots[i].fd < 0)
			return &slots[i];
	return NULL;
}

static int slot_nr(struct slot *s)
{
	return s - slots;
}

unsigned int some_events(void)
{
	/* clang-format off */
	static const unsigned int some[] = {
		EPOLLIN, EPOLLIN, EPOLLIN, EPOLLOUT, EPOLLOUT,
		EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLOUT,
		0, EPOLLERR, EPOLLHUP, EPOLLPRI | EPOLLIN, EPOLLRDHUP, EPOLLRDNORM | EPOLLWRNORM,
	};
	/* clang-format on */

	return pick(some);
}

void changed(struct counter *c, unsigned int events)
{
	if (profile.aio)
		aio_expect(c, events);
}

/* Buffers. */

void *buffer_at(int which)
{
	long page = sysconf(_SC_PAGESIZE);

	switch (which) {
	case GOOD:
		return pages + 64;
	case CROOKED:
		return pages + 193;
	case STRADDLES:
		return pages + page - 4;
	case UNMAPPED:
		return pages + page;
	case NO_ADDRESS:
		return NULL;
	default:
		return (void *)0xffffffff80000000ull;
	}
}

const char *buffer_name(int which)
{
	static const char *const names[] = {
		"good", "crooked", "straddles", "unmapped", "null", "kernel",
	};

	return names[which];
}

/* What a read has left there. */
const char *buffer_text(int which, long ret)
{
	static char texts[BUFFERS][64];
	unsigned char *at = buffer_at(which);
	int i, n = 0, len = which == STRADDLES ? 4 : which < STRADDLES ? 24 : 0;
	char *text = texts[which];

	text[0] = '\0';
	if (ret != -EAGAIN)
		for (i = 0; i < len; i++)
			n += sprintf(text + n, "%02x", at[i]);
	return text;
}

static int some_buffer(void)
{
	return one_in(6) ? below(BUFFERS) : GOOD;
}

static void put_value(int which, uint64_t first, uint64_t second, uint64_t third)
{
	uint64_t values[3] = { first, second, third };

	if (which <= CROOKED)
		memcpy(buffer_at(which), values, sizeof(values));
	else if (which == STRADDLES)
		memcpy(buffer_at(which), values, 4);
}

/* Operations. */

static void op_create(void)
{
	static const unsigned int counts[] = {
		0, 0, 0, 1, 2, 5, INT32_MAX, 0x80000000, UINT32_MAX,
	};
	struct slot *s = free_slot();
	unsigned int count = pick(counts);
	int flags = below(2) * EFD_SEMAPHORE | below(2) * EFD_NONBLOCK | one_in(3) * EFD_CLOEXEC;
	bool old;
	int fd;

	if (profile.tasks && !one_in(4))
		flags &= ~EFD_NONBLOCK;
	if (one_in(12))
		flags |= 1 << below(32);
	old = one_in(8);
	fd = old ? RET(syscall(SYS_eventfd, count)) : efd_create(count, flags);
	say("eventfd %#x %#x = %s\n", count, flags, fd < 0 ? result(fd) : s ? "ok" : "ok, closed");
	if (fd < 0)
		return;
	if (!s) {
		close(fd);
		return;
	}
	s->fd = fd;
	s->counter = new_counter();
	s->counter->semaphore = !old && (flags & EFD_SEMAPHORE);
}

/* Up to three segments, the last of which may be bad; how many to say there are. */
static int some_segments(struct iovec *iov, int buffer)
{
	static const size_t cuts[][3] = {
		{ 8, 8, 0 }, { 8, 8, 8 }, { 8, 8, 0 }, { 4, 4, 0 },	   { 8, 4, 0 },
		{ 8, 0, 0 }, { 0, 8, 0 }, { 4, 8, 0 }, { 0, 0, 0 },	   { 16, 8, 0 },
		{ 8, 0, 8 }, { 1, 7, 8 }, { 7, 0, 9 }, { 8, SIZE_MAX, 8 },
	};
	static const int counts[] = { 2, 2, 2, 2, 2, 3, 3, 3, 1, 0, UIO_MAXIOV + 1, -1 };
	const size_t *cut = pick(cuts);
	int i;

	for (i = 0; i < 3; i++) {
		iov[i].iov_base = buffer_at(GOOD) + 8 * i;
		iov[i].iov_len = cut[i];
	}
	i = pick(counts);
	if (buffer != GOOD && i > 0 && i <= 3)
		iov[i - 1].iov_base = buffer_at(buffer);
	return i;
}

static const char *segments_text(const struct iovec *iov, int nr)
{
	static char text[80];

	snprintf(text, sizeof(text), "%d:%zd+%zd+%zd", nr, iov[0].iov_len, iov[1].iov_len,
		 iov[2].iov_len);
	return text;
}

static bool make_nonblock(struct slot *s)
{
	say("nonblock %d = %s\n", slot_nr(s), result(RET(efd_set_nonblock(s->fd, true))));
	return is_nonblock(s->fd);
}

static long some_position(void)
{
	return pick(((const long[]){ 0, -1, -1, 8, INT64_MIN }));
}

static void op_read(struct slot *s)
{
	static const size_t lengths[] = {
		8, 8, 8, 8, 8, 12, 16, 7, 4, 1, 0, 4096, SSIZE_MAX, SIZE_MAX,
	};
	/* clang-format off */
	static const int flags[] = {
		0, 0, RWF_NOWAIT, RWF_HIPRI, RWF_DSYNC, RWF_APPEND,
		RWF_NOWAIT | RWF_HIPRI, 1 << 6, 1 << 30,
	};
	/* clang-format on */
	int buffer = some_buffer(), flag = pick(flags), how = below(8), nr;
	size_t len = pick(lengths);
	struct iovec iov[3], one = { buffer_at(buffer), len };
	long pos = some_position(), ret;
	uint64_t held = count_of(s->fd);

	nr = some_segments(iov, buffer);
	if (read_sleeps(s->fd)) {
		if (profile.tasks && start_reader(s, buffer))
			return;
		if ((how < 5 || flag != RWF_NOWAIT) && !make_nonblock(s))
			return;
	}
	memset(pages, 0xa5, sysconf(_SC_PAGESIZE));
	switch (how) {
	case 0 ... 3:
		ret = RET(read(s->fd, buffer_at(buffer), len));
		say("read %d %s %zd = %s", slot_nr(s), buffer_name(buffer), len, result(ret));
		break;
	case 4:
		ret = RET(syscall(SYS_readv, s->fd, iov, (long)nr));
		say("readv %d %s %s = %s", slot_nr(s), segments_text(iov, nr), buffer_name(buffer),
		    result(ret));
		break;
	case 5:
		ret = RET(syscall(SYS_preadv2, s->fd, iov, (long)nr, pos, pos >> 31, flag));
		say("preadv2 %d %s %s %ld %#x = %s", slot_nr(s), segments_text(iov, nr),
		    buffer_name(buffer), pos, flag, result(ret));
		break;
	case 6:
		ret = RET(syscall(SYS_preadv2, s->fd, &one, 1l, -1l, -1l, flag));
		say("preadv2 %d %s %zd %#x = %s", slot_nr(s), buffer_name(buffer), len, flag,
		    result(ret));
		break;
	default:
		ret = RET(syscall(SYS_pread64, s->fd, buffer_at(buffer), len, pos));
		say("pread %d %s %zd %ld = %s", slot_nr(s), buffer_name(buffer), len, pos,
		    result(ret));
		break;
	}
	say(" %s %s\n", buffer_text(GOOD, ret), buffer == GOOD ? "" : buffer_text(buffer, ret));
	/* some bad buffers are found before anything is taken; what is may be back already */
	if (ret == 8 || (ret == -EFAULT && (s->counter->writers || count_of(s->fd) != held)))
		changed(s->counter, EPOLLOUT);
}

static void op_write(struct slot *s)
{
	static const size_t lengths[] = { 8, 8, 8, 8, 8, 8, 4, 7, 9, 16, 0, SSIZE_MAX, SIZE_MAX };
	static const int flags[] = {
		0,	    0,	    RWF_HIPRI, RWF_DSYNC, RWF_SYNC,
		RWF_APPEND, 1 << 5, 1 << 6,    1 << 30,	  RWF_NOWAIT | RWF_DSYNC,
	};
	uint64_t value = some_value(s->fd), second = one_in(2) ? 1 : some_value(s->fd), all = value;
	int buffer = some_buffer(), flag = pick(flags), how = below(8), nr;
	size_t len = pick(lengths);
	struct iovec iov[3], one = { buffer_at(buffer), len };
	long pos = some_position(), ret;
	bool vector = how == 4 || how == 5, more = false;

	nr = some_segments(iov, buffer);
	/* if all of it fits, so does each; the third is like the second */
	if (vector)
		more = __builtin_add_overflow(all, second, &all) ||
		       __builtin_add_overflow(all, second, &all) || all == UINT64_MAX;
	if (write_sleeps(s->fd, value) || more || write_sleeps(s->fd, all)) {
		if (!vector && len == 8 && buffer <= CROOKED && profile.tasks &&
		    start_writer(s, value))
			return;
		if (!is_nonblock(s->fd) && !make_nonblock(s))
			return;
	}
	/* RWF_APPEND and O_APPEND cannot be told apart: see the rules */
	if ((flag & RWF_APPEND) && (fcntl(s->fd, F_GETFL) & O_APPEND))
		flag = 0;
	if (vector) {
		put_value(GOOD, value, second, second);
		if (buffer != GOOD)
			put_value(buffer, second, second, second);
	} else {
		put_value(buffer, value, second, second);
	}
	switch (how) {
	case 0 ... 3:
		ret = RET(write(s->fd, buffer_at(buffer), len));
		say("write %d %s %zd %#llx = %s\n", slot_nr(s), buffer_name(buffer), len,
		    ull(value), result(ret));
		break;
	case 4:
		ret = RET(syscall(SYS_writev, s->fd, iov, (long)nr));
		say("writev %d %s %s %#llx %#llx = %s\n", slot_nr(s), segments_text(iov, nr),
		    buffer_name(buffer), ull(value), ull(second), result(ret));
		break;
	case 5:
		ret = RET(syscall(SYS_pwritev2, s->fd, iov, (long)nr, pos, pos >> 31, flag));
		say("pwritev2 %d %s %s %#llx %#llx %ld %#x = %s\n", slot_nr(s),
		    segments_text(iov, nr), buffer_name(buffer), ull(value), ull(second), pos, flag,
		    result(ret));
		break;
	case 6:
		ret = RET(syscall(SYS_pwritev2, s->fd, &one, 1l, -1l, -1l, flag));
		say("pwritev2 %d %s %zd %#llx %#x = %s\n", slot_nr(s), buffer_name(buffer), len,
		    ull(value), flag, result(ret));
		break;
	default:
		ret = RET(syscall(SYS_pwrite64, s->fd, buffer_at(buffer), len, pos));
		say("pwrite %d %s %zd %ld = %s\n", slot_nr(s), buffer_name(buffer), len, pos,
		    result(ret));
		break;
	}
	if (ret > 0)
		changed(s->counter, EPOLLIN);
}

/* What those who wait for edges live on: a plain write, of nothing too, or a read. */
static void op_nudge(struct slot *s)
{
	uint64_t value = below(2);
	bool reads = one_in(3);
	long ret;

	if (reads ? read_sleeps(s->fd) : write_sleeps(s->fd, value))
		return;
	ret = reads ? efd_read(s->fd, &value) : efd_write(s->fd, value);
	say("%s %d = %s %#llx\n", reads ? "take" : "give", slot_nr(s), result(ret), ull(value));
	if (ret == 8)
		changed(s->counter, reads ? EPOLLOUT : EPOLLIN);
}

static void op_flags(struct slot *s)
{
	static const int bits[] = {
		O_NONBLOCK, O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME, O_SYNC, O_WRONLY,
	};
	int bit = pick(bits), on = 1, was = fcntl(s->fd, F_GETFL);

	/* a write that io_uring has parked would go to a worker thread */
	if (profile.uring && s->counter->requests)
		bit = O_APPEND;
	switch (below(4)) {
	case 0:
		on = below(2) || (profile.uring && s->counter->requests && (was & O_NONBLOCK));
		say("FIONBIO %d %d = %s", slot_nr(s), on, result(RET(ioctl(s->fd, FIONBIO, &on))));
		break;
	default:
		say("F_SETFL %d %#x = %s", slot_nr(s), was ^ bit,
		    result(RET(fcntl(s->fd, F_SETFL, was ^ bit))));
	}
	say(", %#x\n", fcntl(s->fd, F_GETFL));
}

/* By way of a message to ourselves. */
static int pass_on(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { &control, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return -errno;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	ret = RET(sendmsg(pair[0], &msg, 0));
	if (ret >= 0)
		ret = RET(recvmsg(pair[1], &msg, 0));
	if (ret >= 0)
		memcpy(&ret, CMSG_DATA(&control.head), sizeof(int));
	close(pair[0]);
	close(pair[1]);
	return ret;
}

static void op_dup(struct slot *s)
{
	struct slot *to = free_slot();
	int how = below(6), pidfd, fd;

	if (!to)
		return;
	switch (how) {
	case 0:
		fd = RET(fcntl(s->fd, F_DUPFD_CLOEXEC, 0));
		break;
	case 1:
		pidfd = RET(syscall(SYS_pidfd_open, getpid(), 0));
		fd = RET(syscall(SYS_pidfd_getfd, pidfd, s->fd, 0));
		close(pidfd);
		break;
	case 2:
		fd = pass_on(s->fd);
		break;
	default:
		fd = RET(dup(s->fd));
	}
	say("dup %d by %d = %s, %#x %#x\n", slot_nr(s), how, fd < 0 ? result(fd) : "ok",
	    fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
	if (fd < 0)
		return;
	to->fd = fd;
	to->counter = s->counter;
}

/* What a child does to the same eventfd, and that it ends. */
static void op_child(struct slot *s)
{
	unsigned int how = below(4), on = below(2), events = 0;
	uint64_t value = some_value(s->fd);
	int status = -1;
	pid_t pid;

	if ((how == 0 && read_sleeps(s->fd)) || (how == 1 && write_sleeps(s->fd, value)))
		how = 3;
	/* see op_flags() */
	if (how == 2 && profile.uring && s->counter->requests)
		how = 3;
	if (how == 0 && count_of(s->fd))
		events = EPOLLOUT;
	if (how == 1 && value != UINT64_MAX && UINT64_MAX - count_of(s->fd) > value)
		events = EPOLLIN;
	pid = fork();
	if (!pid) {
		switch (how) {
		case 0:
			say("child reads %d = %s", slot_nr(s), result(efd_read(s->fd, &value)));
			say(" %#llx", ull(value));
			break;
		case 1:
			say("child writes %d %#llx = %s", slot_nr(s), ull(value),
			    result(efd_write(s->fd, value)));
			break;
		case 2:
			say("child sets %d %u = %s", slot_nr(s), on,
			    result(RET(efd_set_nonblock(s->fd, on))));
			break;
		default:
			say("child closes %d = %s", slot_nr(s), result(RET(close(s->fd))));
		}
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		broken("a child that dies");
	say(", %#x\n", fcntl(s->fd, F_GETFL));
	if (events)
		changed(s->counter, events);
}

static void op_close(struct slot *s)
{
	int i, others = 0;

	for (i = 0; i < SLOTS; i++)
		others += slots[i].fd >= 0;
	if (others < 2)
		return;
	say("close %d = %s\n", slot_nr(s), result(RET(close(s->fd))));
	s->fd = -1;
}

static void op_poll(void)
{
	struct pollfd fds[SLOTS];
	int n = 1 + below(SLOTS), i, ret;
	struct timespec ts = {};
	struct slot *s;

	for (i = 0; i < n; i++) {
		s = some_slot();
		fds[i].fd = s->fd;
		fds[i].events = some_events();
		fds[i].revents = 0x55;
		say("%s %d:%s", i ? "," : "poll", slot_nr(s), events_text(fds[i].events));
	}
	ret = one_in(2) ? RET(poll(fds, n, 0)) : RET(ppoll(fds, n, &ts, NULL));
	say(" = %s", result(ret));
	for (i = 0; i < n; i++)
		say(" %s", events_text(fds[i].revents));
	say("\n");
}

static void op_select(void)
{
	struct timeval tv = {};
	fd_set set[3];
	int i, k, ret, max = 0;

	for (k = 0; k < 3; k++)
		FD_ZERO(&set[k]);
	say("select");
	for (i = 0; i < SLOTS; i++) {
		if (slots[i].fd < 0)
			continue;
		for (k = 0; k < 3; k++)
			if (one_in(2)) {
				FD_SET(slots[i].fd, &set[k]);
				say(" %c%d", "rwx"[k], i);
			}
		if (slots[i].fd > max)
			max = slots[i].fd;
	}
	ret = RET(select(max + 1, &set[0], &set[1], &set[2], &tv));
	say(" = %s", result(ret));
	for (i = 0; i < SLOTS; i++)
		for (k = 0; k < 3; k++)
			if (slots[i].fd >= 0 && FD_ISSET(slots[i].fd, &set[k]))
				say(" %c%d", "rwx"[k], i);
	say("\n");
}

/* All of it, but for what another run need not repeat. */
static void op_fdinfo(struct slot *s)
{
	char path[64], text[512], *line, *rest = text;
	int info, n, id;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
	info = open(path, O_RDONLY);
	n = RET(read(info, text, sizeof(text) - 1));
	close(info);
	text[n > 0 ? n : 0] = '\0';
	say("fdinfo %d =", slot_nr(s));
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, "mnt_id:", 7) || !strncmp(line, "ino:", 4))
			continue;
		if (!strncmp(line, "eventfd-id: ", 12)) {
			id = strtol(line + 12, &line, 10);
			say(" | eventfd-id: %s%s", id < 0 ? "negative" : "N", line);
			continue;
		}
		say(" | %s", line);
	}
	say("\n");
}

static void op_refused(struct slot *s)
{
	int arg = 0, pipes[2], fd = s->fd, how = below(24);
	struct stat st;
	char text[64], link[64];
	long ret, off = below(3) * 4;

	/* nothing here may sleep */
	if (!is_nonblock(fd) && (how == 13 || how == 14 || how == 15))
		how = 0;
	switch (how) {
	case 0:
		say("lseek %d = %s", slot_nr(s),
		    result(RET(lseek(fd, (long)below(5) - 2, below(7)))));
		break;
	case 1:
		ret = RET(fstat(fd, &st));
		say("fstat %d = %s %#o %ld", slot_nr(s), result(ret), st.st_mode, (long)st.st_size);
		break;
	case 2:
		say("FIOCLEX %d = %s", slot_nr(s), result(RET(ioctl(fd, FIOCLEX))));
		break;
	case 3:
		say("FIONCLEX %d = %s", slot_nr(s), result(RET(ioctl(fd, FIONCLEX))));
		break;
	case 4:
		arg = below(2);
		say("FIOASYNC %d = %s", slot_nr(s), result(RET(ioctl(fd, FIOASYNC, &arg))));
		break;
	case 5:
		say("FIONREAD %d = %s", slot_nr(s), result(RET(ioctl(fd, FIONREAD, &arg))));
		break;
	case 6:
		arg = rnd() | 0x80000000;
		say("ioctl %d %#x = %s", slot_nr(s), arg,
		    result(RET(ioctl(fd, (unsigned int)arg, text))));
		break;
	case 7:
		ret = (long)mmap(NULL, 4096, PROT_READ, 1 + below(2), fd, 0);
		say("mmap %d = %s", slot_nr(s), result(ret == -1 ? -errno : ret));
		break;
	case 8:
		say("ftruncate %d = %s", slot_nr(s), result(RET(ftruncate(fd, below(2)))));
		break;
	case 9:
		say("fsync %d = %s %s", slot_nr(s), result(RET(fsync(fd))),
		    result(RET(fdatasync(fd))));
		break;
	case 10:
		say("fallocate %d = %s", slot_nr(s), result(RET(fallocate(fd, 0, 0, 8))));
		break;
	case 11:
		ret = RET(fcntl(fd, F_GETFD));
		say("F_GETFD %d = %s, %#x", slot_nr(s), result(ret), fcntl(fd, F_GETFL));
		break;
	case 12:
		say("F_GETPIPE_SZ %d = %s", slot_nr(s), result(RET(fcntl(fd, F_GETPIPE_SZ))));
		break;
	case 13:
	case 14:
		if (pipe2(pipes, O_NONBLOCK))
			return;
		ret = write(pipes[1], "\1\0\0\0\0\0\0\0", 8);
		if (how == 13)
			say("splice to %d = %s", slot_nr(s),
			    result(RET(splice(pipes[0], NULL, fd, NULL, 8, off))));
		else
			say("splice from %d = %s", slot_nr(s),
			    result(RET(splice(fd, NULL, pipes[1], NULL, 8, off))));
		say(" %s", result(RET(tee(fd, pipes[1], 8, 0))));
		close(pipes[0]);
		close(pipes[1]);
		break;
	case 15:
		ret = RET(open("/proc/self/stat", O_RDONLY));
		say("sendfile %d = %s", slot_nr(s), result(RET(sendfile(fd, ret, NULL, 8))));
		say(" %s", result(RET(sendfile(ret, fd, NULL, 8))));
		say(" %s", result(RET(copy_file_range(ret, NULL, fd, NULL, 8, 0))));
		close(ret);
		break;
	case 16:
		snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
		say("open %d = %s", slot_nr(s), result(RET(open(text, O_RDWR))));
		ret = readlink(text, link, sizeof(link) - 1);
		link[ret > 0 ? ret : 0] = '\0';
		say(" %s", link);
		break;
	case 17:
		say("flock %d = %s", slot_nr(s), result(RET(syscall(SYS_flock, fd, 2 | 4))));
		say(" %s", result(RET(syscall(SYS_flock, fd, 8))));
		break;
	case 18:
		say("getdents %d = %s", slot_nr(s),
		    result(RET(syscall(SYS_getdents64, fd, text, sizeof(text)))));
		break;
	case 19:
		say("fadvise %d = %s", slot_nr(s),
		    result(RET(syscall(SYS_fadvise64, fd, 0l, 8l, below(6)))));
		break;
	case 20:
		say("readahead %d = %s", slot_nr(s), result(RET(readahead(fd, 0, 8))));
		break;
	case 21:
		say("fgetxattr %d = %s", slot_nr(s),
		    result(RET(syscall(SYS_fgetxattr, fd, "user.x", text, 8))));
		break;
	case 22:
		say("F_SETLEASE %d = %s", slot_nr(s), result(RET(fcntl(fd, F_SETLEASE, F_RDLCK))));
		break;
	default:
		say("F_ADD_SEALS %d = %s", slot_nr(s), result(RET(fcntl(fd, 1033, 1))));
		break;
	}
	say("\n");
}

static void operation(void)
{
	struct slot *s = some_slot();
	unsigned int kind = below(100);

	if (!s) {
		op_create();
		return;
	}
	if (profile.beyond && one_in(3))
		op_beyond();
	else if (profile.edges && profile.tasks && one_in(3))
		one_in(4) ? op_signal() : op_sleep();
	else if (profile.edges && kind < 25)
		op_epoll_ctl();
	else if (profile.edges && kind < 55)
		op_nudge(s);
	else if (profile.posts && one_in(6))
		op_post(s);
	else if (profile.uring && kind < 40)
		op_uring();
	else if (profile.aio && kind < 40)
		op_aio();
	else if (profile.tasks && kind < 30)
		op_sleep();
	else if (profile.tasks && kind < 38)
		op_signal();
	else if (kind < 50)
		op_write(s);
	else if (kind < 64)
		op_read(s);
	else if (kind < 68)
		op_create();
	else if (kind < 72)
		op_flags(s);
	else if (kind < 74)
		op_dup(s);
	else if (kind < 75)
		op_child(s);
	else if (kind < 77)
		op_close(s);
	else if (kind < 82)
		op_poll();
	else if (kind < 84)
		op_select();
	else if (kind < 90)
		op_epoll_ctl();
	else if (kind < 94)
		op_epoll_wait();
	else if (kind < 97)
		op_fdinfo(s);
	else
		op_refused(s);
}

static void choose_profile(uint64_t seed)
{
	unsigned int kind;

	seed_for(seed, ~0ull);
	memset(&profile, 0, sizeof(profile));
	kind = below(10);
	profile.edges = kind < 2 || kind == 7;
	profile.tasks = kind >= 4 && kind < 8;
	profile.uring = kind == 8;
	profile.aio = kind == 9;
	profile.beyond = one_in(3);
	profile.posts = one_in(4);
	profile.ops = 10 + below(MAX_OPS - 9);
}

static void handler(int sig)
{
}

/* One sequence, in a process of its own. */
static void sequence(uint64_t seed, uint64_t mask)
{
	struct sigaction sa = { .sa_handler = handler };
	long page = sysconf(_SC_PAGESIZE);
	size_t before, beyond;
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE))
		_exit(1);
	for (i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	for (i = 0; i < EPOLLS; i++)
		epolls[i].fd = -1;

	choose_profile(seed);
	for (i = 0; i < 2; i++) {
		op_nr = 100 + i;
		seed_for(seed, op_nr);
		op_create();
	}
	for (op_nr = 0; op_nr < profile.ops; op_nr++) {
		if (!(mask >> op_nr & 1))
			continue;
		trace->op_nr = op_nr;
		seed_for(seed, op_nr);
		before = trace->len;
		beyond = trace->beyond_len;
		say("%u ", op_nr);
		before = trace->len - before;
		operation();
		if (trace->text[trace->len - 1] == '\n' || trace->beyond_len > beyond)
			trace->ops++;
		if (trace->text[trace->len - 1] != '\n')
			trace->len -= before;	/* nothing to be done there */
		settle();
		reap_requests();
		if (profile.edges)
			reap_edges();
	}
	for (i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0)
			say("at last %d = %#llx %s\n", i, ull(count_of(slots[i].fd)),
			    events_text(efd_events(slots[i].fd, EPOLLIN | EPOLLOUT)));
	say("asleep = %d\n", nr_sleepers());
	_exit(0);
}

/*
 * How the sequence that @pid is has ended. As its parent, we look once in a second: that a
 * host stands still is one second then, whatever it takes.
 */
static void watch(pid_t pid)
{
	struct timespec second = { .tv_sec = 1 };
	int status, seconds = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (seconds < HANGS_S && waitpid(pid, &status, WNOHANG) != pid)
		seconds += sigtimedwait(&set, NULL, &second) < 0 && errno == EAGAIN;
	if (seconds == HANGS_S) {
		broken("hangs");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	} else if (WIFSIGNALED(status)) {
		broken("dies of %s", strsignal(WTERMSIG(status)));
	} else if (status) {
		broken("ends with %d", WEXITSTATUS(status));
	}
}

/* True if the trace is worth something. */
static bool perform(uint64_t seed, uint64_t mask)
{
	pid_t pid;

	trace->len = 0;
	trace->beyond_len = 0;
	trace->ops = 0;
	trace->op_nr = 0;
	trace->why[0] = '\0';
	current_seed = seed;
	fflush(stdout);
	pid = fork();
	if (!pid)
		sequence(seed, mask);
	if (pid < 0)
		broken("there is no process for it");
	else
		watch(pid);
	if (trace->why[0])
		say("broken: %s\n", trace->why);
	trace->text[trace->len] = '\0';
	trace->beyond[trace->beyond_len] = '\0';
	return !trace->why[0];
}

static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	while (*text)
		h = (h ^ (unsigned char)*text++) * 0x100000001b3ull;
	return h;
}

static void report(uint64_t seed)
{
	printf("%sseed %llu %u %016llx\n", trace->beyond, ull(seed), trace->ops,
	       ull(hash(trace->text)));
	if (trace->why[0])
		printf("broken %llu %s\n", ull(seed), trace->why);
}

/* What a faulty kernel does not answer takes time: not for ever. */
#define MAX_BROKEN	5

static void run(uint64_t start, uint64_t count, unsigned int twice)
{
	uint64_t i, first;
	int nr = 0;

	for (i = start; i < start + count; i++) {
		nr += !perform(i, ~0ull);
		report(i);
		if (nr == MAX_BROKEN) {
			printf("stopped %llu\n", ull(i));
			return;
		}
		if (!twice || i % twice || trace->why[0])
			continue;
		first = hash(trace->text) ^ hash(trace->beyond);
		if (!perform(i, ~0ull))
			printf("broken %llu %s, the second time\n", ull(i), trace->why);
		else if (first != (hash(trace->text) ^ hash(trace->beyond)))
			printf("unsteady %llu\n", ull(i));
	}
}

static void show(void)
{
	char *line, *rest = trace->text;

	while ((line = strsep(&rest, "\n")) && rest)
		printf("| %s\n", line);
	rest = trace->beyond;
	while ((line = strsep(&rest, "\n")) && rest)
		printf("| %s\n", line);
}

static void be_init(void)
{
	struct termios tio;
	int fd;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	if (fd < 0)
		reboot(RB_AUTOBOOT);
	tcgetattr(fd, &tio);
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tcsetattr(fd, TCSANOW, &tio);
	dup2(fd, 0);
	dup2(fd, 1);
	close(fd);
}

int main(void)
{
	unsigned long long a, b, mask;
	unsigned int twice;
	char line[256];
	sigset_t set;

	if (getpid() == 1)
		be_init();
	setvbuf(stdout, NULL, _IOFBF, 65536);
	/* for watch(), which waits for it */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	trace = mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (trace == MAP_FAILED)
		return 1;
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && strncmp(line, "quit", 4)) {
		if (sscanf(line, "run %llu %llu %u", &a, &b, &twice) == 3) {
			run(a, b, twice);
		} else if (sscanf(line, "hash %llu %llx", &a, &mask) == 2) {
			perform(a, mask);
			report(a);
		} else if (sscanf(line, "show %llu %llx", &a, &mask) == 2) {
			perform(a, mask);
			show();
		} else {
			printf("what is '%.*s'?\n", (int)strcspn(line, "\n"), line);
		}
		printf("end\n");
		fflush(stdout);
	}
	if (getpid() == 1) {
		tcdrain(1);
		reboot(RB_AUTOBOOT);
	}
	return 0;
}
