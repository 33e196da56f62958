// SPDX-License-Identifier: GPL-2.0
/*
 * efd_meddle SEED SECONDS: what trinity does not do to its own eventfds, as it writes the 8
 * bytes that they take only by chance. This looks for those that its tasks have open, takes one
 * after the other, and for a moment some threads write to it, read and poll it. The amounts are
 * random, most of them at a boundary.
 *
 * A file stays as it is, for trinity has it too: where it is blocking, so are the calls. Whoever
 * sleeps in one is sent signals, at random, and when the moment is over until it is back. That
 * tasks of trinity come and go is no error: one that is gone has nothing to take.
 */
#include <dirent.h>

/* the helpers of the tests, without the harness */
#define __KSELFTEST_HARNESS_H
#include "../selftests/eventfd.h"

#define MEDDLERS	4
#define MOST		16	/* that are looked at, of what there is */
#define LINK		"anon_inode:[eventfd]"

static bool over;

static __thread uint64_t state;

/* splitmix64 */
static uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return rnd() % n;
}

#define one_in(n)	(!below(n))

/* Others change the counter meanwhile: what is left is near, if not right. */
static uint64_t some_amount(int fd)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return 1;
	case 3:
		return EFD_MAX;
	case 4:
	case 5:
		/* and one more or less; of all of it, one more is no amount */
		return EFD_MAX - efd_count(fd) - 1 + below(3);
	default:
		return rnd() >> below(64);
	}
}

static void some_call(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = rnd() & (POLLIN | POLLOUT | POLLPRI) };
	uint64_t value;
	struct iovec iov = { &value, sizeof(value) };
	int flags = one_in(4) ? RWF_NOWAIT : 0;

	switch (below(8)) {
	case 0:
		poll(&pfd, 1, below(20));
		break;
	case 1:
		sleep_ms(below(8));
		break;
	case 2:
	case 3:
	case 4:
		preadv2(fd, &iov, 1, -1, flags);
		break;
	default:
		value = some_amount(fd);
		/* half of them the plain way, which has a path of its own */
		if (flags || one_in(2))
			pwritev2(fd, &iov, 1, -1, flags);
		else
			efd_write(fd, value);
	}
}

/* @value is where its random numbers begin. */
static void meddle(struct worker *w)
{
	state = w->value;
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		some_call(w->fd);
}

/* Its only use is to end a call. */
static void on_signal(int sig)
{
}

/* Some threads at one eventfd, for some milliseconds. None can outlast it by sleeping. */
static void meddle_with(int fd)
{
	struct worker meddlers[MEDDLERS] = {};
	uint64_t end = now_ms() + 50 + below(300);
	int nr, i;

	__atomic_store_n(&over, false, __ATOMIC_RELAXED);
	for (nr = 0; nr < MEDDLERS; nr++) {
		meddlers[nr].call = meddle;
		meddlers[nr].value = rnd();
		meddlers[nr].fd = fd;
		/* trinity can take so much memory that there is none */
		if (pthread_create(&meddlers[nr].thread, NULL, worker_main, &meddlers[nr]))
			break;
	}
	while (now_ms() < end) {
		sleep_ms(1 + below(15));
		i = below(MEDDLERS);
		if (i < nr)
			pthread_kill(meddlers[i].thread, SIGUSR1);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < nr; i++) {
		/* one that comes just before the call is in vain */
		while (!meddlers[i].done) {
			pthread_kill(meddlers[i].thread, SIGUSR1);
			sleep_ms(1);
		}
		pthread_join(meddlers[i].thread, NULL);
	}
}

static bool is_eventfd(const char *path)
{
	char link[64];
	ssize_t n = readlink(path, link, sizeof(link));

	return n == sizeof(LINK) - 1 && !memcmp(link, LINK, n);
}

static bool is_trinity(int pid)
{
	char path[64], comm[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, comm, sizeof(comm) - 1) < 0)
		comm[0] = '\0';
	close(fd);
	return !strncmp(comm, "trinity", 7);
}

/*
 * The numbers in directory @path that are what is looked for, up to MOST of them, drawn by
 * lot. A @pid of 0: tasks.
 */
static int numbers_in(const char *path, int pid, int *numbers)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0, nr, at;
	char link[64];

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		nr = atoi(entry->d_name);
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, nr);
		if (!(pid ? is_eventfd(link) : is_trinity(nr)))
			continue;
		at = n++;
		if (at >= MOST)
			at = below(n);
		if (at < MOST)
			numbers[at] = nr;
	}
	closedir(dir);
	return n < MOST ? n : MOST;
}

/* Some of the eventfds that a task of trinity has: to look for them takes long. */
static unsigned int meddle_with_some(uint64_t end)
{
	int pids[MOST], numbers[MOST];
	int n = numbers_in("/proc", 0, pids), pidfd, fd, i, pid;
	unsigned int taken = 0;
	char path[64];

	if (!n)
		return 0;
	pid = pids[below(n)];
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	n = numbers_in(path, pid, numbers);
	for (i = 0; i < n && now_ms() < end; i++) {
		fd = syscall(SYS_pidfd_getfd, pidfd, numbers[i], 0);
		if (fd < 0)
			continue;
		/* what was one a moment ago may be another file now */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (is_eventfd(path)) {
			meddle_with(fd);
			taken++;
		}
		close(fd);
		sleep_ms(below(100));
	}
	close(pidfd);
	return taken;
}

int main(int argc, char *argv[])
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int seconds, taken = 0;
	uint64_t end;

	if (argc != 3)
		return 2;
	state = strtoull(argv[1], NULL, 0);
	seconds = atoi(argv[2]);
	/* without SA_RESTART */
	sigaction(SIGUSR1, &action, NULL);
	/* what no signal of ours ends is ended by this one, and that is a failure */
	alarm(seconds + 60);

	end = now_ms() + seconds * 1000ull;
	while (now_ms() < end) {
		taken += meddle_with_some(end);
		sleep_ms(20);
	}
	printf("efd_meddle has taken %u eventfds\n", taken);
	return 0;
}
