// SPDX-License-Identifier: GPL-2.0
/*
 * efd_bench: what eventfd costs, case by case.
 *
 *	efd_bench [-u insn|ns] [-c cpus] [-l] [pattern...]
 *	efd_bench [-u insn|ns] -x name command...
 *
 * Prints a line "name TAB unit TAB value" for each figure as it is found, for the
 * cases that match one of the patterns, or for all. -u says what a nanosecond of
 * the clock stands for: under QEMU's -icount shift=0 it is one instruction, and
 * then the clock must be the TSC, which is checked. -c leaves out what means
 * nothing on that many processors. -l lists the cases. -x times a command instead,
 * from fork to end; what that prints goes to stderr.
 *
 * Ends with 0 if all cases gave their figures, 1 if one did not, 2 if none was
 * asked for by that name.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "efd_bench.h"

const char *cost_unit = "ns";

static const struct bench_case *const groups[] = {
	floor_cases, single_cases, task_cases, herd_cases, kernel_cases, memory_cases,
};

#define GROUPS (int)(sizeof(groups) / sizeof(*groups))

void row(const char *name, const char *unit, double value)
{
	printf("%s\t%s\t%.3f\n", name, unit, value);
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *sample, int n)
{
	qsort(sample, n, sizeof(*sample), compare);
	return n % 2 ? sample[n / 2] : (sample[n / 2 - 1] + sample[n / 2]) / 2;
}

/* A thread with a small stack: there may be a thousand of them. */
void start_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	error = pthread_create(&thread, &attr, run, arg);
	if (error)
		errx(1, "pthread_create: %s", strerror(error));
	pthread_attr_destroy(&attr);
}

/* How many threads sleep. The main thread does not, as it asks. */
static int asleep(void)
{
	char path[300], line[256], *state;
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	FILE *stat;
	int n = 0;

	if (!tasks)
		err(1, "/proc/self/task");
	while ((task = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
		stat = fopen(path, "r");
		if (!stat)
			continue;
		state = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
		n += state && state[2] == 'S';
		fclose(stat);
	}
	closedir(tasks);
	return n;
}

void wait_until_asleep(int threads)
{
	while (asleep() < threads)
		usleep(1000);
}

/* On this clock an instruction is a nanosecond, or no figure means anything. */
static void check_clock(void)
{
	const char *path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
	char name[32] = "";
	FILE *f = fopen(path, "r");

	if (!f || !fgets(name, sizeof(name), f))
		err(1, "%s", path);
	fclose(f);
	if (strcmp(name, "tsc\n"))
		errx(1, "the clock source is %.*s, not tsc: it does not count instructions",
		     (int)strcspn(name, "\n"), name);
}

/*
 * A case in its own process. A guest that has nothing left to run jumps to the
 * next timer: a case that hangs is ended by its alarm at once.
 */
static bool run_case(const struct bench_case *c)
{
	int status;
	pid_t child;

	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		alarm(120);
		c->run(c);
		exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		err(1, "waitpid");
	if (!status)
		return true;
	if (WIFSIGNALED(status))
		fprintf(stderr, "efd_bench: %s: %s\n", c->name,
			WTERMSIG(status) == SIGALRM ? "hangs" : strsignal(WTERMSIG(status)));
	printf("# failed: %s\n", c->name);
	fflush(stdout);
	return false;
}

/* A program that we did not write. */
static int time_command(const char *name, char **argv)
{
	uint64_t start = now();
	pid_t child = fork();
	int status;

	if (child < 0)
		err(1, "fork");
	if (!child) {
		dup2(2, 1);
		execv(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (waitpid(child, &status, 0) < 0)
		err(1, "waitpid");
	if (status) {
		printf("# failed: %s\n", name);
		return 1;
	}
	row(name, cost_unit, now() - start);
	return 0;
}

static bool wanted(const struct bench_case *c, int cpus, char **patterns)
{
	if (cpus > 1 && !c->smp)
		return false;
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, c->name, 0))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	int opt, i, cpus = 1, matched = 0, failed = 0;
	const char *command = NULL;
	const struct bench_case *c;
	bool list = false;

	while ((opt = getopt(argc, argv, "+u:c:lx:")) != -1) {
		switch (opt) {
		case 'u':
			cost_unit = optarg;
			break;
		case 'c':
			cpus = atoi(optarg);
			break;
		case 'l':
			list = true;
			break;
		case 'x':
			command = optarg;
			break;
		default:
			errx(2, "usage: efd_bench [-u insn|ns] [-c cpus] [-l] [pattern...]\n"
			     "       efd_bench [-u insn|ns] -x name command...");
		}
	}
	if (!list && !strcmp(cost_unit, "insn"))
		check_clock();
	if (command && optind < argc)
		return time_command(command, argv + optind);

	for (i = 0; i < GROUPS; i++) {
		for (c = groups[i]; c->name; c++) {
			if (!wanted(c, cpus, argv + optind))
				continue;
			matched++;
			if (list)
				printf("%s\n", c->name);
			else if (!run_case(c))
				failed++;
		}
	}
	if (!matched)
		errx(2, "no case matches");
	return failed ? 1 : 0;
}
