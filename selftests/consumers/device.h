/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of consumers share, all of which take eventfds and signal or watch them. */
#ifndef SELFTESTS_CONSUMERS_DEVICE_H
#define SELFTESTS_CONSUMERS_DEVICE_H

#include "eventfd.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* True if the counter gets to @count and stays there. */
static inline bool efd_counts(int fd, long long count)
{
	if (!eventually(efd_count(fd) == count))
		return false;
	sleep_ms(QUIET_MS);
	return efd_count(fd) == count;
}

static inline bool efd_stays(int fd, long long count)
{
	sleep_ms(QUIET_MS);
	return efd_count(fd) == count;
}

/* How many descriptors this process has; the one that looks is among them. */
static inline int nr_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/*
 * While a process has one thread only, a look-up of a descriptor takes no reference to
 * the file, and cannot forget to drop one either. This is a second thread.
 */
static inline bool company_start(struct worker *w)
{
	w->fd = efd_create(0, EFD_CLOEXEC);
	return worker_start_asleep(w, worker_read, SYS_read);
}

static inline bool company_end(struct worker *w)
{
	bool ok = efd_write(w->fd, 1) == 8 && worker_join(w);

	close(w->fd);
	return ok;
}

/*
 * A context keeps its id until the last reference is gone, and ids are used again: they stay
 * small only if nobody keeps one. So, if each of some eventfds that have had ids is still held,
 * ids go up by as many; other suites use some at the same time, but not for ever.
 */
#define NR_LEAKS	400

struct leaks {
	struct worker company;
	long long first;
	int n;
};

/* The lowest id that is free: as many as are in use, if none has leaked. */
static inline long long efd_next_id(void)
{
	int fd = efd_create(0, 0);
	long long id = efd_id(fd);

	close(fd);
	return id;
}

static inline bool leaks_begin(struct leaks *leaks)
{
	*leaks = (struct leaks){};
	if (!company_start(&leaks->company))
		return false;
	leaks->first = efd_next_id();
	return leaks->first >= 0;
}

/* The next eventfd, with an id, to be given to who might keep it. Close it. */
static inline int leaks_next(struct leaks *leaks, int flags)
{
	int fd = efd_create(0, flags);

	leaks->n++;
	return fd < 0 || efd_id(fd) >= 0 ? fd : -ENODATA;
}

/* True if nobody has kept them. */
static inline bool leaks_none(struct leaks *leaks)
{
	bool none = eventually(efd_next_id() < leaks->first + leaks->n * 3 / 4);

	return company_end(&leaks->company) && none;
}

/* What is no eventfd, and what a consumer says to it; a negative number is extra. */
enum {
	WRONG_READER,
	WRONG_WRITER,
	WRONG_MEMFD,
	WRONG_EPOLL,
	WRONG_PATH,
	WRONG_CLOSED,
	NR_WRONG,
	WRONG_NUMBER = NR_WRONG
};

struct wrong {
	struct {
		int fd;
		int error;
	} of[NR_WRONG + 1];
	struct worker company;
	int descriptors;	/* before there were these */
	int writer, reader;	/* the other ends of two pipes */
};

static inline bool wrong_open(struct wrong *wrong)
{
	int in[2], out[2], i;
	char path[64];

	*wrong = (struct wrong){ .descriptors = nr_descriptors() };
	if (!company_start(&wrong->company) || pipe2(in, O_CLOEXEC | O_NONBLOCK) ||
	    pipe2(out, O_CLOEXEC | O_NONBLOCK))
		return false;
	wrong->writer = in[1];
	wrong->reader = out[0];
	for (i = 0; i <= NR_WRONG; i++)
		wrong->of[i].error = i < WRONG_PATH ? -EINVAL : -EBADF;
	wrong->of[WRONG_READER].fd = in[0];
	wrong->of[WRONG_WRITER].fd = out[1];
	wrong->of[WRONG_MEMFD].fd = memfd_create("wrong", MFD_CLOEXEC);
	wrong->of[WRONG_EPOLL].fd = epoll_create1(EPOLL_CLOEXEC);
	/* an eventfd, but this descriptor is only a name for it */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", wrong->company.fd);
	wrong->of[WRONG_PATH].fd = open(path, O_PATH | O_CLOEXEC);
	/* a number that nobody gets by chance */
	wrong->of[WRONG_CLOSED].fd = fcntl(in[0], F_DUPFD_CLOEXEC, 700);
	for (i = 0; i < NR_WRONG; i++)
		if (wrong->of[i].fd < 0)
			return false;
	return !close(wrong->of[WRONG_CLOSED].fd);
}

/* "", or what is still there: a pipe of which an end is held does not break. */
static inline const char *wrong_close(struct wrong *wrong)
{
	bool held;
	char byte;
	int i;

	for (i = 0; i < WRONG_CLOSED; i++)
		close(wrong->of[i].fd);
	signal(SIGPIPE, SIG_IGN);
	held = RET(write(wrong->writer, "", 1)) != -EPIPE || RET(read(wrong->reader, &byte, 1));
	close(wrong->writer);
	close(wrong->reader);
	if (held)
		return "a pipe is held";
	if (!company_end(&wrong->company))
		return "the second thread is stuck";
	return nr_descriptors() == wrong->descriptors ? "" : "descriptors were left";
}

static inline const char *wrong_answer(const struct wrong *wrong, int i, int answer)
{
	static char why[64];

	if (answer == wrong->of[i].error)
		return "";
	snprintf(why, sizeof(why), "kind %d: %d, not %d", i, answer, wrong->of[i].error);
	return why;
}

/*
 * Has @call refuse "fd", which is no eventfd: each kind a hundred times, and @number, unless
 * that is 0. "", or what was not as it should; nothing of theirs may be held afterwards.
 */
#define refuses_wrong_fds(number, call)							\
	({										\
		struct wrong wrong_;							\
		const char *why_ = wrong_open(&wrong_) ? "" : "nothing wrong at hand";	\
		int kinds_ = NR_WRONG + ((number) != 0), i_, fd;			\
											\
		wrong_.of[WRONG_NUMBER].fd = number;					\
		for (i_ = 0; !*why_ && i_ < 100 * kinds_; i_++) {			\
			fd = wrong_.of[i_ % kinds_].fd;					\
			why_ = wrong_answer(&wrong_, i_ % kinds_, call);		\
		}									\
		*why_ ? why_ : wrong_close(&wrong_);					\
	})

/* An epoll that watches @fd for @events; or -errno. */
static inline int watch(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int ep = RET(epoll_create1(EPOLL_CLOEXEC)), ret;

	if (ep < 0)
		return ep;
	ret = RET(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	if (!ret)
		return ep;
	close(ep);
	return ret;
}

/* What @ep has to tell within @ms; 0 if nothing. */
static inline int watched(int ep, int ms)
{
	struct epoll_event event;
	int n = RET(epoll_wait(ep, &event, 1, ms));

	return n > 0 ? (int)event.events : n;
}

static inline void worker_poll(struct worker *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };

	w->ret = RET(poll(&pfd, 1, 2 * WAIT_MS));
	w->value = pfd.revents;
}

#endif /* SELFTESTS_CONSUMERS_DEVICE_H */
