// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints, as somebody sees them who reads the trace: each test has an instance of
 * tracefs for itself, in which all of them are on. Needs root and a kernel with tracing.
 */
#include <sys/stat.h>

#include "module.h"

#define TRACEFS	"/sys/kernel/tracing/"

static bool put_in(const char *dir, const char *file, const char *text)
{
	char path[256];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* One event, as far as it is looked at. What it lacks is -1, or empty. */
struct event {
	char name[32], kind[64], flags[64];
	unsigned long ctx;
	int task, fd, id, pid, served;
	long long count, amount, sleepers;
};

#define MOST_EVENTS	128

FIXTURE(trace)
{
	char instance[64];
	struct event events[MOST_EVENTS];
	int nr, fd;
};

FIXTURE_SETUP(trace)
{
	struct stat st;

	if (stat(TRACEFS "events", &st))
		SKIP(return, "needs root and a kernel with tracing");
	if (stat(TRACEFS "events/eventfd", &st))
		SKIP(return, "this kernel has no tracepoints of eventfd");
	snprintf(self->instance, sizeof(self->instance), TRACEFS "instances/eventfd-%d", getpid());
	ASSERT_EQ(0, mkdir(self->instance, 0700));
	/* without entropy, pointers would be hidden, and all alike */
	ASSERT_TRUE(put_in(self->instance, "trace_options", "nohash-ptr"));
	ASSERT_TRUE(put_in(self->instance, "events/eventfd/enable", "1"));
	self->fd = -1;
}

FIXTURE_TEARDOWN(trace)
{
	if (self->instance[0])
		rmdir(self->instance);
}

static long long number(const char *line, const char *key, int base)
{
	const char *at = strstr(line, key);

	return at ? (long long)strtoull(at + strlen(key), NULL, base) : -1;
}

static void word(const char *line, const char *key, char *text)
{
	const char *at = strstr(line, key);

	text[0] = 0;
	if (at)
		sscanf(at + strlen(key), "%63s", text);
}

/* "     comm-123     [001] d..2.    12.345678: eventfd_read: ctx=... " */
static bool parse(const char *line, struct event *e)
{
	const char *name = strstr(line, ": eventfd_"), *cpu = strstr(line, " [");
	const char *task = cpu;

	if (!name || !cpu)
		return false;
	while (task > line && task[-1] != '-')
		task--;
	e->task = atoi(task);
	snprintf(e->name, sizeof(e->name), "%.*s", (int)strcspn(name + 10, ":"), name + 10);
	line = name + 10;
	e->ctx = number(line, " ctx=", 16);
	e->fd = number(line, " fd=", 10);
	e->id = number(line, " id=", 10);
	e->pid = number(line, " pid=", 10);
	e->served = number(line, " served=", 10);
	e->count = number(line, " count=", 10);
	e->amount = number(line, " amount=", 10);
	e->sleepers = number(line, " sleepers=", 10);
	word(line, " kind=", e->kind);
	word(line, " flags=", e->flags);
	return true;
}

/* The events so far, of the eventfd that this test has created first: others are not ours. */
static int look(FIXTURE_DATA(trace) *self)
{
	char path[128], line[512];
	unsigned long ctx = 0;
	struct event e;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", self->instance);
	f = fopen(path, "r");
	self->nr = 0;
	while (f && self->nr < MOST_EVENTS && fgets(line, sizeof(line), f)) {
		if (!parse(line, &e))
			continue;
		if (!ctx && !strcmp(e.name, "create") && e.task == getpid())
			ctx = e.ctx;
		if (ctx && e.ctx == ctx)
			self->events[self->nr++] = e;
	}
	if (f)
		fclose(f);
	return self->nr;
}

/* The names of the events, one word each. */
static const char *story(FIXTURE_DATA(trace) *self)
{
	static char text[MOST_EVENTS * 32];
	int i;

	look(self);
	text[0] = 0;
	for (i = 0; i < self->nr; i++)
		sprintf(text + strlen(text), "%s%s", i ? " " : "", self->events[i].name);
	return text;
}

/*
 * Linux 6.1 keeps the format of a line where it then puts the pieces that it prints, if
 * pointers are to be shown: the first string is lost.
 */
#define LOSES_A_STRING	linux_before(6, 2)

/* "`eventfd_create` tells the descriptor, the count, and the flags" */
TEST_F(trace, creation)
{
	const struct event *e = self->events;

	self->fd = efd_create(5, EFD_SEMAPHORE | EFD_NONBLOCK);
	ASSERT_STREQ("create", story(self));
	EXPECT_EQ(self->fd, e->fd);
	EXPECT_EQ(5, e->count);
	EXPECT_STREQ(LOSES_A_STRING ? "" : "SEMAPHORE|NONBLOCK", e->flags);
	EXPECT_EQ(getpid(), e->task);
}

/* "the count before, and the amount" */
TEST_F(trace, changes_of_the_counter)
{
	const struct event *e = self->events;
	uint64_t value;

	self->fd = efd_create(0, EFD_NONBLOCK);
	ASSERT_EQ(8, efd_write(self->fd, 3));
	ASSERT_EQ(8, efd_write(self->fd, 4));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_STREQ("create write write read", story(self));
	EXPECT_EQ(0, e[1].count);
	EXPECT_EQ(3, e[1].amount);
	EXPECT_EQ(3, e[2].count);
	EXPECT_EQ(4, e[2].amount);
	EXPECT_EQ(0, e[2].sleepers);
	EXPECT_EQ(7, e[3].count);
	EXPECT_EQ(7, e[3].amount);
	EXPECT_EQ(getpid(), e[3].task);
}

/* "What a reader takes is 1 from a semaphore" */
TEST_F(trace, a_semaphore_gives_one)
{
	const struct event *e = self->events;
	uint64_t value;

	self->fd = efd_create(3, EFD_SEMAPHORE);
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_STREQ("create read", story(self));
	EXPECT_EQ(3, e[1].count);
	EXPECT_EQ(1, e[1].amount);
}

/* "What fails leaves no trace" */
TEST_F(trace, failures_leave_none)
{
	uint64_t value = UINT64_MAX;

	self->fd = efd_create(0, EFD_NONBLOCK);
	ASSERT_EQ(-EAGAIN, efd_read(self->fd, &value));
	ASSERT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(-EAGAIN, efd_write(self->fd, 1));
	EXPECT_STREQ("create write", story(self));
	EXPECT_EQ((long long)EFD_MAX, self->events[1].amount);
}

/* The same of a consumer that looks, and finds nothing. */
TEST_F(trace, a_consumer_that_finds_nothing)
{
	int err;

	self->fd = efd_create(0, EFD_NONBLOCK);
	err = load("efd_listen", "pid=%d efd=%d", getpid(), self->fd);
	if (err == -ENOENT)
		SKIP(return, "needs %s/efd_listen.ko", dir("MODULES", "/modules"));
	ASSERT_EQ(0, err);
	EXPECT_EQ(8, efd_write(self->fd, 3));
	EXPECT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(0, unload("efd_listen"));
	ASSERT_STREQ("create write read write", story(self));
	EXPECT_EQ(3, self->events[2].amount);
}

/* "the id of fdinfo, or -1 as long as nobody has looked there" */
TEST_F(trace, the_id_is_that_of_fdinfo)
{
	long long id;

	self->fd = efd_create(0, 0);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	id = efd_id(self->fd);
	ASSERT_LE(0, id);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_STREQ("create write write", story(self));
	EXPECT_EQ(-1, self->events[1].id);
	EXPECT_EQ(id, self->events[2].id);
}

/* "`eventfd_release` comes with the last descriptor" */
TEST_F(trace, the_last_close)
{
	int other;

	self->fd = efd_create(9, 0);
	other = dup(self->fd);
	close(self->fd);
	ASSERT_STREQ("create", story(self));
	close(other);
	ASSERT_STREQ("create release", story(self));
	EXPECT_EQ(9, self->events[1].count);
}

/* "who goes to sleep, who is woken, and by whom; and how many sleep then" */
TEST_F(trace, a_reader_sleeps_and_is_woken)
{
	const struct event *e = self->events;
	struct worker w = {};

	self->fd = efd_create(0, 0);
	w.fd = self->fd;
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_STREQ("create wait", story(self));
	ASSERT_EQ(8, efd_write(self->fd, 2));
	ASSERT_TRUE(worker_join(&w));
	ASSERT_STREQ("create wait write wake read", story(self));

	EXPECT_EQ(w.tid, e[1].task);
	EXPECT_EQ(w.tid, e[1].pid);
	EXPECT_STREQ("reader", e[1].kind);
	EXPECT_EQ(1, e[1].sleepers);
	EXPECT_EQ(getpid(), e[2].task);
	EXPECT_EQ(1, e[2].sleepers);
	EXPECT_EQ(getpid(), e[3].task);
	EXPECT_EQ(w.tid, e[3].pid);
	EXPECT_EQ(0, e[3].served);
	EXPECT_EQ(2, e[3].count);
	EXPECT_EQ(0, e[3].sleepers);
	EXPECT_EQ(w.tid, e[4].task);
	EXPECT_EQ(2, e[4].amount);
}

#define CROWD	101

/* "Of more than 100, it says 100" */
TEST_F(trace, sleepers_are_counted_up_to_100)
{
	const struct event *e = self->events;
	struct worker w[CROWD] = {};
	long sleeps[CROWD];
	int i;

	self->fd = efd_create(0, EFD_SEMAPHORE);
	for (i = 0; i < CROWD; i++)
		w[i].fd = self->fd;
	ASSERT_TRUE(all_asleep(w, sleeps, CROWD, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, CROWD));
	for (i = 0; i < CROWD; i++) {
		ASSERT_TRUE(worker_join(&w[i]));
	}
	ASSERT_LT(CROWD + 1, look(self));
	for (i = 1; i <= CROWD; i++) {
		EXPECT_STREQ("wait", e[i].name);
		EXPECT_EQ(i < 100 ? i : 100, e[i].sleepers);
	}
	EXPECT_STREQ("write", e[i].name);
	EXPECT_EQ(100, e[i].sleepers);
}

/* "What is done for a sleeper is recorded by whoever does it, and `eventfd_wake` ... follows" */
TEST_F(trace, a_writer_is_served)
{
	const struct event *e = self->events;
	struct worker w = { .value = 6 };
	uint64_t value;

	self->fd = efd_create(0, 0);
	w.fd = self->fd;
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(worker_join(&w));
	ASSERT_STREQ("create write wait read write wake", story(self));

	EXPECT_STREQ("writer", e[2].kind);
	EXPECT_EQ(getpid(), e[3].task);
	EXPECT_EQ(1, e[3].sleepers);
	EXPECT_EQ(getpid(), e[4].task);
	EXPECT_EQ(0, e[4].count);
	EXPECT_EQ(6, e[4].amount);
	EXPECT_EQ(w.tid, e[5].pid);
	EXPECT_EQ(1, e[5].served);
	EXPECT_EQ(6, e[5].count);
}

/* "A wakeup in vain is followed by `eventfd_wait` with kind=loser" */
TEST_F(trace, a_wakeup_in_vain)
{
	const struct event *e = self->events;
	struct worker w = {};
	uint64_t value;

	self->fd = efd_create(0, 0);
	w.fd = self->fd;
	ASSERT_TRUE(use_one_cpu());
	if (!keep_others_waiting())
		SKIP(return, "cannot be real-time");
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(eventually(!strcmp("create wait write wake read wait", story(self))));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
	ASSERT_STREQ("create wait write wake read wait write read wake", story(self));

	EXPECT_STREQ("loser", e[5].kind);
	EXPECT_EQ(w.tid, e[5].pid);
	EXPECT_EQ(getpid(), e[7].task);
	EXPECT_EQ(w.tid, e[8].pid);
	EXPECT_EQ(1, e[8].served);
}

/* "`eventfd_signal` is by whoever signals" */
TEST_F(trace, a_signal)
{
	const struct event *e = self->events;
	int err;

	self->fd = efd_create(1, 0);
	err = load("efd_poke", "pid=%d efd=%d count=4", getpid(), self->fd);
	if (err == -ENOENT)
		SKIP(return, "needs %s/efd_poke.ko", dir("MODULES", "/modules"));
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, unload("efd_poke"));
	ASSERT_STREQ("create signal", story(self));
	EXPECT_EQ(1, e[1].count);
	EXPECT_EQ(4, e[1].amount);
	EXPECT_EQ(getpid(), e[1].task);
}

/* "A signal from a wakeup callback is `eventfd_put_off` there, and `eventfd_signal` later" */
TEST_F(trace, a_signal_that_has_to_wait)
{
	const struct event *e = self->events;
	int other, err;

	self->fd = efd_create(0, EFD_NONBLOCK);
	other = efd_create(0, 0);
	err = load("efd_listen", "pid=%d efd=%d keep=1 nest=1 to=%d", getpid(), other, self->fd);
	if (err == -ENOENT)
		SKIP(return, "needs %s/efd_listen.ko", dir("MODULES", "/modules"));
	ASSERT_EQ(0, err);
	ASSERT_EQ(8, efd_write(other, 1));
	EXPECT_TRUE(eventually(!strcmp("create put_off signal", story(self))));
	EXPECT_EQ(0, unload("efd_listen"));
	EXPECT_EQ(getpid(), e[1].task);
	EXPECT_EQ(1, e[1].amount);
	EXPECT_NE(getpid(), e[2].task);
	EXPECT_EQ(1, e[2].amount);
}

/* "Those that are off record nothing" */
TEST_F(trace, off_means_off)
{
	ASSERT_TRUE(put_in(self->instance, "events/eventfd/eventfd_write/enable", "0"));
	self->fd = efd_create(0, 0);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(1, efd_drain(self->fd));
	EXPECT_STREQ("create read", story(self));
}

/* What /samples/efd_trace says of what is done until it is told that this is all. */
FIXTURE(recipe)
{
	char text[4096];
	FILE *f;
	pid_t pid;
	int fd;
};

FIXTURE_SETUP(recipe)
{
	struct stat st;

	if (stat(TRACEFS "events/eventfd", &st))
		SKIP(return, "needs root and a kernel with tracepoints of eventfd");
	if (access("/samples/efd_trace", X_OK))
		SKIP(return, "needs /samples/efd_trace");
	self->fd = efd_create(0, 0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(recipe)
{
	close(self->fd);
}

/* Starts it, and sees it listen. */
static bool ask(FIXTURE_DATA(recipe) *self, const char *question, unsigned int seconds)
{
	char command[128], line[128];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return false;
	snprintf(command, sizeof(command), "exec /samples/efd_trace %s %u", question, seconds);
	self->pid = child_start();
	if (!self->pid) {
		/* a shell cannot trap what was ignored when it began, as in the background */
		signal(SIGINT, SIG_DFL);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(ends[1]);
	self->f = fdopen(ends[0], "r");
	return self->f && fgets(line, sizeof(line), self->f) && strstr(line, "listening");
}

/*
 * Ends it by @sig; or 0, and it ends when its time is up. Whether it then did end, with success
 * and in half of the time that a waiter gets.
 */
static bool answered(FIXTURE_DATA(recipe) *self, int sig)
{
	uint64_t start = now_ms();
	size_t n;

	kill(self->pid, sig);
	n = fread(self->text, 1, sizeof(self->text) - 1, self->f);
	self->text[n] = 0;
	fclose(self->f);
	return !child_end(self->pid) && now_ms() - start < STUCK_S * 500;
}

/* Whether a line of the answer has these words, with any space between them. */
static bool says(FIXTURE_DATA(recipe) *self, const char *words)
{
	char text[4096], *line, *save, *word, squeezed[512];

	memcpy(text, self->text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		squeezed[0] = 0;
		for (word = strtok(line, " "); word; word = strtok(NULL, " "))
			snprintf(squeezed + strlen(squeezed), sizeof(squeezed) - strlen(squeezed),
				 "%s ", word);
		if (strstr(squeezed, words))
			return true;
	}
	printf("# recipe: nowhere in there is '%s':\n%s", words, self->text);
	return false;
}

/* "`efd_trace who` tells who signals, and who writes, how often, and how much in all" */
TEST_F(recipe, who)
{
	char words[128], name[32] = "";
	int other = efd_create(0, 0), err;

	prctl(PR_GET_NAME, name);
	snprintf(words, sizeof(words), "who %lld", efd_id(self->fd));
	ASSERT_LE(0, efd_id(other));
	ASSERT_TRUE(ask(self, words, STUCK_S));
	ASSERT_EQ(8, efd_write(self->fd, 3));
	ASSERT_EQ(8, efd_write(self->fd, 4));
	ASSERT_EQ(8, efd_write(other, 123456789));
	err = load("efd_poke", "pid=%d efd=%d count=9", getpid(), self->fd);
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, unload("efd_poke"));
	ASSERT_TRUE(answered(self, SIGINT));
	snprintf(words, sizeof(words), "2 7 write %s-%d", name, getpid());
	EXPECT_TRUE(says(self, words));
	snprintf(words, sizeof(words), "1 9 signal %s-%d", name, getpid());
	EXPECT_TRUE(says(self, words));
	EXPECT_TRUE(!strstr(self->text, "123456789"));
	close(other);
}

/* "`efd_trace sleeps` shows, ... a histogram" */
TEST_F(recipe, sleeps)
{
	struct worker w = { .fd = self->fd };
	int i;

	ASSERT_TRUE(ask(self, "sleeps", 0));
	ASSERT_TRUE(answered(self, 0));
	EXPECT_STREQ("", self->text);
	ASSERT_TRUE(ask(self, "sleeps", STUCK_S));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(worker_join(&w));
	}
	ASSERT_TRUE(answered(self, SIGTERM));
	EXPECT_TRUE(says(self, "reader: 3 sleeps"));
}

/* "`efd_trace vain` shows who was woken in vain, and who was faster" */
TEST_F(recipe, vain)
{
	struct worker w = { .fd = self->fd };
	char words[128], name[32] = "";
	uint64_t value;
	long sleeps;

	prctl(PR_GET_NAME, name);
	ASSERT_TRUE(use_one_cpu());
	ASSERT_TRUE(ask(self, "vain", STUCK_S));
	if (!keep_others_waiting())
		SKIP(return, "cannot be real-time");
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	sleeps = nr_sleeps(w.tid);
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	ASSERT_TRUE(eventually(nr_sleeps(w.tid) > sleeps));
	ASSERT_TRUE(answered(self, SIGINT));
	snprintf(words, sizeof(words), "1 %s-%d %s-%d", LOSES_A_STRING ? "" : name, w.tid, name,
		 getpid());
	EXPECT_TRUE(says(self, words));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&w));
}

TEST_HARNESS_MAIN
