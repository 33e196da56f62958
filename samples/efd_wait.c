// SPDX-License-Identifier: GPL-2.0
/*
 * efd_wait: waits for an eventfd to be signalled, prints what came, and ends.
 *
 *	efd_wait [select|epoll] [seconds]
 *
 * It first prints its pid and the descriptor, which is what efd_poke.ko needs to
 * find this eventfd from inside the kernel:
 *
 *	# efd_wait &
 *	pid=71 efd=3
 *	# insmod efd_poke.ko pid=71 efd=3 count=5
 *	got 5
 *
 * Ends with 0 if it was signalled, 1 on errors, 3 if nothing came in time (10
 * seconds unless told otherwise).
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

static int wait_select(int efd, int seconds)
{
	struct timeval timeout = { .tv_sec = seconds };
	fd_set readable;

	FD_ZERO(&readable);
	FD_SET(efd, &readable);
	return select(efd + 1, &readable, NULL, NULL, &timeout);
}

static int wait_epoll(int efd, int seconds)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, efd, &event))
		return -1;
	return epoll_wait(ep, &event, 1, seconds * 1000);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "select";
	int seconds = argc > 2 ? atoi(argv[2]) : 10;
	uint64_t value;
	int efd, n;

	if (strcmp(how, "select") && strcmp(how, "epoll"))
		errx(1, "usage: efd_wait [select|epoll] [seconds]");
	efd = eventfd(0, EFD_CLOEXEC);
	if (efd < 0)
		err(1, "eventfd");
	printf("pid=%d efd=%d\n", getpid(), efd);
	fflush(stdout);

	n = !strcmp(how, "epoll") ? wait_epoll(efd, seconds) : wait_select(efd, seconds);
	if (n < 0)
		err(1, "%s", how);
	if (!n) {
		printf("nothing came\n");
		return 3;
	}
	if (read(efd, &value, sizeof(value)) != sizeof(value))
		err(1, "read");
	printf("got %llu\n", (unsigned long long)value);
	return 0;
}
