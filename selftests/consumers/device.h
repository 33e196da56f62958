/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of device drivers share that take an eventfd and signal it. */
#ifndef SELFTESTS_CONSUMERS_DEVICE_H
#define SELFTESTS_CONSUMERS_DEVICE_H

#include "eventfd.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* The number behind @key in /proc/self/fdinfo/@fd, in @base; -1 if there is none. */
static inline long long efd_shows(int fd, const char *key, int base)
{
	char path[64], line[128];
	long long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, base);
	if (f)
		fclose(f);
	return value;
}

/* What is in the counter, without taking it. ULLONG_MAX looks like -1. */
static inline long long efd_count(int fd)
{
	return efd_shows(fd, "eventfd-count:", 16);
}

static inline long long efd_id(int fd)
{
	return efd_shows(fd, "eventfd-id:", 10);
}

/* The lowest id that is free: as many as are in use, if none has leaked. */
static inline long long efd_next_id(void)
{
	int fd = efd_create(0, 0);
	long long id = efd_id(fd);

	close(fd);
	return id;
}

/*
 * A context keeps its id until the last reference is gone. So, if each of @n eventfds
 * that have had ids is still held, ids go up by @n; other suites use some at the same
 * time, but not for ever.
 */
#define NR_LEAKS	400
#define nothing_leaked(first, n)	eventually(efd_next_id() < (first) + (n) * 3 / 4)

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

/* What is no eventfd, and what a consumer says to it. */
#define NR_WRONG	5

struct wrong {
	int fd;
	int error;
};

static inline bool wrong_open(struct wrong wrong[NR_WRONG])
{
	int pipes[2], memfd, path, i;
	struct wrong all[NR_WRONG];

	if (pipe2(pipes, O_CLOEXEC))
		return false;
	memfd = memfd_create("wrong", MFD_CLOEXEC);
	path = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	all[0] = (struct wrong){ pipes[0], -EINVAL };
	all[1] = (struct wrong){ pipes[1], -EINVAL };
	all[2] = (struct wrong){ memfd, -EINVAL };
	all[3] = (struct wrong){ path, -EBADF };
	/* a number that nobody gets by chance */
	all[4] = (struct wrong){ fcntl(memfd, F_DUPFD_CLOEXEC, 700), -EBADF };
	for (i = 0; i < NR_WRONG; i++)
		if (all[i].fd < 0)
			return false;
	close(all[4].fd);
	memcpy(wrong, all, sizeof(all));
	return true;
}

static inline void wrong_close(const struct wrong wrong[NR_WRONG])
{
	int i;

	for (i = 0; i < NR_WRONG - 1; i++)
		close(wrong[i].fd);
}

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

	w->ret = RET(poll(&pfd, 1, 20000));
	w->value = pfd.revents;
}

#endif /* SELFTESTS_CONSUMERS_DEVICE_H */
