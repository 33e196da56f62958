// SPDX-License-Identifier: GPL-2.0
/*
 * efd_talk: a parent and its child exchange their pids through two eventfds.
 *
 * An eventfd carries a number as well as a wakeup, and a blocking read waits for
 * it. One eventfd per direction is enough for a conversation; one for both would
 * not do, because a task could read back what it has written itself.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(int efd, uint64_t value)
{
	if (write(efd, &value, sizeof(value)) != sizeof(value))
		err(1, "write");
}

static uint64_t hear(int efd)
{
	uint64_t value;

	if (read(efd, &value, sizeof(value)) != sizeof(value))
		err(1, "read");
	return value;
}

static int talk(const char *who, int out, int in, pid_t other)
{
	pid_t heard;

	tell(out, getpid());
	heard = hear(in);
	printf("%s: I am %d, the other is %d\n", who, getpid(), heard);
	return heard != other;
}

int main(void)
{
	int down = eventfd(0, 0), up = eventfd(0, 0);
	int wrong, status;
	pid_t child;

	if (down < 0 || up < 0)
		err(1, "eventfd");
	alarm(10);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child)
		exit(talk("child", up, down, getppid()));

	wrong = talk("parent", down, up, child);
	if (waitpid(child, &status, 0) < 0)
		err(1, "waitpid");
	return wrong || status;
}
