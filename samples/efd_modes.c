// SPDX-License-Identifier: GPL-2.0
/*
 * efd_modes: what the two modes make of the same writes.
 *
 *	efd_modes [n]
 *
 * A counter gives everything to the first read. A semaphore gives one to each.
 */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void show(const char *name, int flags, unsigned int n)
{
	int efd = eventfd(0, flags | EFD_NONBLOCK);
	uint64_t value;
	unsigned int i;

	if (efd < 0)
		err(1, "eventfd");
	for (i = 1; i <= n; i++)
		if (write(efd, &(uint64_t){ 1 }, sizeof(value)) != sizeof(value))
			err(1, "write");
	printf("%s: %u writes, reads:", name, n);
	while (read(efd, &value, sizeof(value)) == sizeof(value))
		printf(" %llu", (unsigned long long)value);
	if (errno != EAGAIN)
		err(1, "read");
	printf("\n");
	close(efd);
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? strtoul(argv[1], NULL, 0) : 5;

	show("counter", 0, n);
	show("semaphore", EFD_SEMAPHORE, n);
	return 0;
}
