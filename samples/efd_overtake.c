// SPDX-License-Identifier: GPL-2.0
/*
 * efd_overtake: a reader that is woken in vain, as another is faster.
 *
 *	efd_overtake [times]
 *
 * Two processes share a processor, on which "fast" runs before "late". Late sleeps in a
 * read. Fast writes, which wakes late, and reads itself before late can run: it finds
 * nothing, and goes to sleep again. What fast writes then is for late, and they begin anew.
 *
 * Needs the right to be real-time. It prints the two pids; the tracepoints tell the rest.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void give(int efd)
{
	if (write(efd, &(uint64_t){ 1 }, 8) != 8)
		err(1, "write");
}

static void take(int efd)
{
	uint64_t value;

	if (read(efd, &value, sizeof(value)) != sizeof(value) || value != 1)
		errx(1, "what was written is gone");
}

static int late(int efd, unsigned int times)
{
	prctl(PR_SET_NAME, "late");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (times--)
		take(efd);
	return 0;
}

/* There is nothing that late sleeps in but its read. */
static void until_asleep(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		usleep(1000);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			errx(1, "no state in %s", path);
		fclose(f);
	} while (state != 'S');
}

int main(int argc, char **argv)
{
	const struct sched_param param = { .sched_priority = 10 };
	unsigned int i, times = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	int efd = eventfd(0, 0), status;
	cpu_set_t set;
	pid_t pid;

	if (!times)
		errx(1, "usage: efd_overtake [times]");
	if (efd < 0)
		err(1, "eventfd");
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		_exit(late(efd, times));

	prctl(PR_SET_NAME, "fast");
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "sched_setscheduler");
	alarm(30);
	printf("fast=%d late=%d\n", getpid(), pid);
	for (i = 0; i < times; i++) {
		until_asleep(pid);
		give(efd);
		take(efd);
		until_asleep(pid);
		give(efd);
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		errx(1, "late failed");
	return 0;
}
