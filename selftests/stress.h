/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rounds in which many tasks work on one eventfd, and what has to come out of each:
 *
 *	what was there + what was written = what was read + what is left
 *
 * and nobody who could proceed sleeps on. A round ends in this order, so that a lost wakeup
 * shows: one side is told to leave (say the writers), and must. The other side goes on, and
 * must get to where it can do nothing more (the counter at zero). That needs no help: who is
 * still asleep when there is something for it has not been woken. Only then are all told to
 * leave, and who sleeps rightly is sent a signal.
 *
 * Who is never in need of a wakeup would hide that another has not had one: it empties the
 * counter, or its next call wakes the others after all. So half a round is without such tasks,
 * and if some of a side sleep in their calls and others are told when to make theirs, then the
 * work is left to the former or to the latter, by turns.
 *
 * All who produce or consume have to get to do something: until they have, there are more rounds.
 *
 * Sums are of 128 bits. What a task has done is in memory that it shares, in a form that is
 * whole at every moment: it may be killed at any.
 */
#ifndef SELFTESTS_STRESS_H
#define SELFTESTS_STRESS_H

#include "eventfd.h"

#include <dirent.h>
#include <stdatomic.h>

struct sum {
	uint64_t low, high;
};

static inline struct sum sum_add(struct sum sum, uint64_t amount)
{
	sum.low += amount;
	sum.high += sum.low < amount;
	return sum;
}

static inline struct sum sum_plus(struct sum a, struct sum b)
{
	a = sum_add(a, b.low);
	a.high += b.high;
	return a;
}

static inline struct sum sum_minus(struct sum a, struct sum b)
{
	a.high -= b.high + (a.low < b.low);
	a.low -= b.low;
	return a;
}

enum side { PRODUCER, CONSUMER, BYSTANDER, NR_SIDES };
enum phase { RUN, REST, STOP, END };

/* How a task waits until it can proceed. */
enum way {
	SLEEPS,		/* in its call */
	IS_TOLD,	/* by poll and the like; may also listen, and leave it to others */
	ASYNC,		/* by a request that is under way */
	HELPS,		/* not at all, and others may need no wakeup because of it */
};

/* What a task has done: added, taken, and how often. */
struct record {
	struct sum in, out;
	uint64_t ops;
	uint64_t value;		/* what the read under way has got: 0 until it has */
	uint64_t pending;	/* what the write under way adds, done or not */
};

#define MAX_TASKS	16
#define MAX_DOUBTS	12

struct stress;

struct task {
	/* set by the test */
	const char *name;
	enum side side;
	enum way way;
	void (*main)(struct task *t);
	uint64_t amount;	/* a producer's */
	int arg;
	bool process;		/* not a thread: can be killed */

	struct stress *s;
	bool early;		/* what there is to do in the rest of a round is for others */
	int fd;
	ssize_t ret;		/* of the last call */
	bool nowait;		/* which was told not to wait */
	bool was_last;
	int error;
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic bool begun, done;
	uint64_t ops;		/* in all rounds */
	_Atomic unsigned int turn;
	struct record record[2];
} __attribute__((aligned(64)));

struct stress {
	_Atomic int phase;
	_Atomic int left[NR_SIDES];	/* tasks that are not done */
	_Atomic bool trouble;
	_Atomic unsigned int interrupted; /* calls that ended so while it RUNs, in all rounds */
	enum side first;		/* the side that leaves first */
	int round;

	/* set by the test */
	int flags;			/* of the eventfd */
	bool toggled;			/* O_NONBLOCK, by somebody */
	uint64_t start;			/* what is in it */
	bool consumers_first, producers_first;	/* who may leave first */
	void (*prepare)(struct stress *s);	/* before the tasks of a round start */
	void (*disturb)(struct stress *s);	/* again and again while they run */
	void (*stop)(struct stress *s);		/* ends what else adds, and sets @added */
	void (*clean)(struct stress *s);
	uint64_t added;
	int arg, aux;
	bool (*had)(struct stress *s);	/* whether what it is about has been there */
	volatile int inside;		/* a lock of the test's */
	unsigned int seed;

	int fd;
	int nr;
	int nr_doubts;
	uint64_t doubt[MAX_DOUBTS];	/* writes of which nobody knows whether they were done */
	uint64_t ops, lost, kills;
	struct task task[MAX_TASKS];
};

static inline unsigned int stress_ms(void)
{
	const char *env = getenv("EFD_STRESS_MS");
	int ms = env ? atoi(env) : 0;

	return ms > 0 ? ms : 100;
}

/* Tests last as long as they are told to: so do the harness's limits. */
static void __attribute__((constructor(KSELFTEST_PRIO_XFAIL + 1))) stress_timeouts(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			t->timeout += stress_ms() / 1000 * 2 + 3 * WAIT_MS / 1000;
}

#define stress_log(format, ...)	fprintf(stderr, "# " format "\n", ##__VA_ARGS__)

static inline unsigned int dice(struct stress *s, unsigned int n)
{
	s->seed = s->seed * 1103515245 + 12345;
	return (s->seed >> 16) % n;
}

/* The test's own part of a task's work. */

/* Whether what there is to do now is for others than @t: who is told of it goes on listening. */
static inline bool leaves_it(struct task *t)
{
	return t->early && atomic_load_explicit(&t->s->phase, memory_order_relaxed) != RUN;
}

static inline bool has_to_leave(struct task *t)
{
	int phase = t->s->phase;

	if (phase == REST)
		return t->early && t->way != IS_TOLD;
	return phase == END || (phase == STOP && t->early);
}

/*
 * Whether @t is to make another call. Who may sleep is told by a signal; who never sleeps
 * leaves when it has found nothing to do after the others were gone.
 */
static inline bool goes_on(struct task *t)
{
	struct stress *s = t->s;
	int phase = atomic_load_explicit(&s->phase, memory_order_relaxed);

	if (__builtin_expect(phase == RUN, 1))
		return true;
	if (has_to_leave(t))
		return false;
	if (phase == REST)
		return true;
	if (t->side == s->first || t->side == BYSTANDER)
		return false;
	if (t->was_last && t->ret == -EAGAIN)
		return false;
	t->was_last = !s->left[s->first] && !s->left[BYSTANDER];
	return true;
}

static inline struct record *record_now(struct task *t)
{
	return &t->record[t->turn & 1];
}

/* From one moment to the next, @in, @out and @ops count as well. */
static inline void record_done(struct task *t, struct sum in, struct sum out, uint64_t ops)
{
	unsigned int turn = atomic_load_explicit(&t->turn, memory_order_relaxed);
	struct record *now = &t->record[turn & 1], *next = &t->record[~turn & 1];

	next->in = sum_plus(now->in, in);
	next->out = sum_plus(now->out, out);
	next->ops = now->ops + ops;
	next->value = 0;
	next->pending = 0;
	atomic_store_explicit(&t->turn, turn + 1, memory_order_release);
}

static inline void task_fails(struct task *t, int error)
{
	if (!t->error)
		t->error = error ?: -ERANGE;
	t->s->trouble = true;
}

/* The signals that this task has had since the last look: USR1 interrupts, USR2 only seems to. */
#define HAD_USR1	1
#define HAD_USR2	2

static __thread volatile sig_atomic_t had_signals;

static inline void on_signal(int sig)
{
	had_signals |= sig == SIGUSR1 ? HAD_USR1 : HAD_USR2;
}

/* A call that did not do it: only because it was told not to wait, or of a signal that came. */
static inline ssize_t task_check(struct task *t, ssize_t ret)
{
	bool interrupted = ret == -EINTR && had_signals, refused = t->nowait || t->s->toggled;

	had_signals = 0;
	t->ret = ret;
	t->nowait = false;
	t->s->interrupted += interrupted && t->s->phase == RUN;
	if (ret == 8 || interrupted)
		return ret;
	if (ret == -EAGAIN && (refused || (t->s->flags & EFD_NONBLOCK)))
		sched_yield();
	else
		task_fails(t, ret);
	return ret;
}

/* What a read or a write says; a signal that does not interrupt must not seem to have done so. */
static inline ssize_t task_called(struct task *t, ssize_t ret, int flags)
{
	t->nowait = flags & RWF_NOWAIT;
	return ret == -EINTR && !(had_signals & HAD_USR1) ? -ERESTART : ret;
}

static inline void task_took(struct task *t, uint64_t value)
{
	if (t->s->flags & EFD_SEMAPHORE ? value != 1 : !value)
		task_fails(t, -ENODATA);
	record_done(t, (struct sum){}, (struct sum){ value }, 1);
}

/* What the last read took. */
static inline uint64_t task_value(struct task *t)
{
	return t->record[~t->turn & 1].value;
}

static inline ssize_t task_read_fd(struct task *t, int fd, int flags)
{
	struct record *now = record_now(t);
	struct iovec iov = { &now->value, 8 };
	ssize_t ret;

	/* the page is there from here on: who is killed in the call gets what it has taken */
	now->value = 0;
	if (flags)
		ret = RET(preadv2(fd, &iov, 1, -1, flags));
	else
		ret = RET(read(fd, &now->value, 8));
	if (ret == 8)
		task_took(t, now->value);
	return task_called(t, ret, flags);
}

static inline ssize_t task_read(struct task *t, int flags)
{
	return task_check(t, task_read_fd(t, t->fd, flags));
}

static inline ssize_t task_write_fd(struct task *t, int fd, uint64_t amount, int flags)
{
	struct record *now = record_now(t);
	struct iovec iov = { &amount, 8 };
	ssize_t ret;

	now->pending = amount;
	atomic_signal_fence(memory_order_seq_cst);
	if (flags)
		ret = RET(pwritev2(fd, &iov, 1, -1, flags));
	else
		ret = RET(write(fd, &amount, 8));
	if (ret == 8)
		record_done(t, (struct sum){ amount }, (struct sum){}, 1);
	else
		now->pending = 0;
	return task_called(t, ret, flags);
}

static inline ssize_t task_write(struct task *t, uint64_t amount)
{
	return task_check(t, task_write_fd(t, t->fd, amount, 0));
}

/* What most tasks do: each a loop of its own. */

static inline void reads(struct task *t)
{
	while (goes_on(t))
		task_read(t, 0);
}

/* Never sleeps, also where others do. */
static inline void tries_to_read(struct task *t)
{
	while (goes_on(t))
		task_read(t, RWF_NOWAIT);
}

static inline void writes(struct task *t)
{
	while (goes_on(t))
		task_write(t, t->amount);
}

/* Never sleeps, or, on a kernel that cannot be asked for that, is one more of those who do. */
static inline void tries_to_write(struct task *t)
{
	int flags = RWF_NOWAIT;
	ssize_t ret;

	while (goes_on(t)) {
		ret = task_write_fd(t, t->fd, t->amount, flags);
		if (ret == -EOPNOTSUPP && flags)
			flags = 0;
		else
			task_check(t, ret);
	}
}

/* Only what was there has been read: sleepers fall asleep and are woken as often as can be. */
static inline void writes_when_empty(struct task *t)
{
	while (goes_on(t)) {
		if (efd_events(t->fd, POLLIN))
			sched_yield();
		else
			task_write(t, t->amount);
	}
}

/* In the rest of a round, readers are to fall asleep: they would not if there is too much. */
static inline bool waits_for_readers(struct task *t)
{
	if (t->s->phase == RUN || !efd_events(t->fd, POLLIN))
		return false;
	sched_yield();
	return true;
}

static inline void writes_by_turns(struct task *t)
{
	if (t->s->round % 2)
		writes_when_empty(t);
	while (goes_on(t))
		if (!waits_for_readers(t))
			task_write(t, t->amount);
}

/* Adds nothing, and wakes all the same. */
static inline void writes_nothing(struct task *t)
{
	while (goes_on(t)) {
		switch (task_check(t, efd_write(t->fd, 0))) {
		case 8:
			record_done(t, (struct sum){}, (struct sum){}, 1);
			break;
		case -EAGAIN:
			task_fails(t, -EAGAIN);
		}
		sched_yield();
	}
}

/* The rounds. */

static inline struct stress *stress_new(int flags, uint64_t start)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct stress *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
	s->flags = flags;
	s->start = start;
	s->producers_first = true;
	s->seed = 1;
	return s;
}

static inline struct task *stress_add(struct stress *s, const char *name, enum side side,
				      void (*main)(struct task *t), uint64_t amount)
{
	struct task *t = &s->task[s->nr++];

	t->name = name;
	t->side = side;
	t->main = main;
	t->amount = amount;
	t->s = s;
	return t;
}

static inline void *task_thread(void *arg)
{
	struct task *t = arg;

	t->tid = syscall(SYS_gettid);
	t->begun = true;
	t->main(t);
	t->s->left[t->side]--;
	t->done = true;
	return NULL;
}

static inline bool task_start(struct task *t)
{
	pthread_attr_t attr;
	pid_t pid;
	int ret;

	t->done = false;
	t->was_last = false;
	t->nowait = false;
	t->ret = 0;
	t->tid = 0;
	t->fd = t->s->fd;
	if (t->process) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			task_thread(t);
			_exit(0);
		}
		t->tid = pid;
		return pid > 0;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	ret = pthread_create(&t->thread, &attr, task_thread, t);
	pthread_attr_destroy(&attr);
	return !ret;
}

static inline struct sum stress_sum(struct stress *s, bool in)
{
	struct sum sum = { in ? s->start : 0 };
	int i;

	for (i = 0; i < s->nr; i++)
		sum = sum_plus(sum, in ? record_now(&s->task[i])->in :
					 record_now(&s->task[i])->out);
	return in ? sum_add(sum, s->added) : sum;
}

/* The first side has left, and the other has nothing that it could do. */
static inline bool stress_settled(struct stress *s)
{
	uint64_t count;
	int i;

	if (s->left[s->first] || s->left[BYSTANDER])
		return false;
	count = efd_count(s->fd);
	if (s->first == PRODUCER) {
		/* nothing adds any more, but what the kernel may still have to deliver */
		if (count && s->left[CONSUMER])
			return false;
		return !s->stop || !s->left[CONSUMER] ||
		       stress_sum(s, true).low == stress_sum(s, false).low;
	}
	for (i = 0; i < s->nr; i++)
		if (s->task[i].side == PRODUCER && !s->task[i].done &&
		    s->task[i].amount < UINT64_MAX - count)
			return false;
	return true;
}

/*
 * All that have not ended are asleep, and have not woken up since @sleeps, which is then set
 * anew. That includes the threads that io_uring has for us: one of them that was woken may wait
 * for a processor while all tasks sleep.
 */
static inline bool stress_still(struct stress *s, long *sleeps)
{
	DIR *threads = opendir("/proc/self/task");
	struct task_status status;
	struct dirent *entry;
	bool still = true;
	long sum = 0;
	pid_t tid;
	int i;

	while (threads && (entry = readdir(threads))) {
		tid = atoi(entry->d_name);
		if (!tid || tid == getpid())
			continue;
		status = task_status(tid);
		still &= status.state == 'S';
		sum += status.sleeps;
	}
	if (threads)
		closedir(threads);
	for (i = 0; i < s->nr; i++) {
		if (!s->task[i].process || s->task[i].done)
			continue;
		status = task_status(s->task[i].tid);
		still &= status.state == 'S';
		sum += status.sleeps;
	}
	still &= sum == *sleeps;
	*sleeps = sum;
	return still;
}

static inline void stress_show(struct stress *s, const char *what)
{
	char path[64], call[128];
	struct task *t;
	FILE *f;
	int i;

	stress_log("%s: round %d, counter %#llx, %d producers, %d consumers not done", what,
		   s->round, (unsigned long long)efd_count(s->fd), s->left[PRODUCER],
		   s->left[CONSUMER]);
	for (i = 0; i < s->nr; i++) {
		t = &s->task[i];
		if (t->done)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/syscall", t->tid);
		f = fopen(path, "r");
		if (!f || !fgets(call, sizeof(call), f))
			call[0] = 0;
		if (f)
			fclose(f);
		call[strcspn(call, "\n ")] = 0;
		stress_log("%s (task %d, amount %#llx): state %c, call %s, after %llu", t->name, i,
			   (unsigned long long)t->amount, task_status(t->tid).state, call,
			   (unsigned long long)record_now(t)->ops);
	}
}

/*
 * Asleep at so many looks, all of them, though there is something to do: woken by nobody. The
 * time alone says nothing, it also goes by while the host has no processor for the guest.
 */
#define STILL_LOOKS	10
#define STILL_MS	(WAIT_MS / 8)

static inline bool stress_settle(struct stress *s)
{
	uint64_t end = now_ms() + WAIT_MS, look = now_ms();
	int i, still = 0;
	long sleeps = -1;

	while (!stress_settled(s)) {
		if (s->trouble)
			return false;
		if (now_ms() >= look) {
			still = stress_still(s, &sleeps) ? still + 1 : 0;
			look = now_ms() + STILL_MS / STILL_LOOKS;
		}
		if (still == STILL_LOOKS || now_ms() >= end) {
			stress_show(s, still == STILL_LOOKS ? "not woken" : "no end");
			for (i = 0; i < s->nr; i++)
				s->lost += !s->task[i].done &&
					   (s->task[i].side == s->first || !s->left[s->first]);
			return false;
		}
		usleep(200);
	}
	return true;
}

/* Who has to leave now does, by a signal if need be. */
static inline bool stress_leave(struct stress *s)
{
	uint64_t end = now_ms() + WAIT_MS;
	bool all;
	int i;

	do {
		all = true;
		for (i = 0; i < s->nr; i++) {
			if (s->task[i].done || !has_to_leave(&s->task[i]))
				continue;
			all = false;
			/* also a process that has not even started yet */
			if (s->task[i].tid)
				syscall(SYS_tgkill, s->task[i].process ? s->task[i].tid : getpid(),
					s->task[i].tid, SIGUSR1);
		}
		if (!all)
			usleep(200);
	} while (!all && now_ms() < end);
	if (!all) {
		stress_show(s, "deaf to signals");
		s->lost++;
		s->trouble = true;
	}
	return all;
}

static inline bool stress_release(struct stress *s)
{
	bool all;
	int i;

	s->phase = END;
	all = stress_leave(s);
	for (i = 0; i < s->nr; i++) {
		if (s->task[i].process)
			kill(s->task[i].tid, SIGKILL);
		if (s->task[i].process)
			waitpid(s->task[i].tid, NULL, 0);
		else if (s->task[i].done)
			pthread_join(s->task[i].thread, NULL);
	}
	return all;
}

/* Takes over what a killed process has done. Of its last write nobody knows: a doubt. */
static inline void stress_bury(struct stress *s, struct task *t)
{
	struct record *last = record_now(t);

	/* a read puts its value there before anybody can know that it was done */
	if (last->value) {
		last->out = sum_add(last->out, last->value);
		last->ops++;
	}
	last->value = 0;
	if (last->pending)
		s->doubt[s->nr_doubts++] = last->pending;
	last->pending = 0;
	s->kills++;
}

/* Whether some of the writes in doubt, all done, make up for @missing. */
static inline bool stress_explained(struct stress *s, struct sum missing)
{
	unsigned int set;
	struct sum sum;
	int i;

	for (set = 0; set < 1u << s->nr_doubts; set++) {
		sum = (struct sum){};
		for (i = 0; i < s->nr_doubts; i++)
			if (set & (1u << i))
				sum = sum_add(sum, s->doubt[i]);
		if (sum.low == missing.low && sum.high == missing.high)
			return true;
	}
	return false;
}

static inline void stress_balance(struct stress *s)
{
	struct sum out = sum_add(stress_sum(s, false), efd_fill(s->fd)), in = stress_sum(s, true);
	struct sum missing = sum_minus(out, in);

	if (stress_explained(s, missing))
		return;
	s->trouble = true;
	stress_log("in %#llx:%016llx, out and left %#llx:%016llx, of which left %#llx, %d in doubt",
		   (unsigned long long)in.high, (unsigned long long)in.low,
		   (unsigned long long)out.high, (unsigned long long)out.low,
		   (unsigned long long)(out.low - stress_sum(s, false).low), s->nr_doubts);
	if (missing.high >> 63)
		missing = sum_minus(in, out);
	s->lost += missing.high || missing.low >> 32 ? 1 : missing.low;
}

/* Of two kinds of rounds that come by turns, and each of them in rounds of both parities. */
static inline bool stress_odd_pair(struct stress *s)
{
	return (s->round ^ s->round >> 1) & 1;
}

/* Who leaves it to others in the rest of this round. Says if there are sides with both kinds. */
static inline bool stress_divide(struct stress *s)
{
	unsigned int kinds[NR_SIDES] = {};
	bool mixed = false;
	struct task *t;
	int i;

	for (i = 0; i < s->nr; i++)
		if (s->task[i].way != HELPS)
			kinds[s->task[i].side] |= s->task[i].way == SLEEPS ? 1 : 2;
	for (i = 0; i < s->nr; i++) {
		t = &s->task[i];
		t->early = t->way == HELPS ||
			   (kinds[t->side] == 3 && (t->way == SLEEPS) == stress_odd_pair(s));
		mixed |= kinds[t->side] == 3;
	}
	return mixed;
}

/* Who has not done anything yet goes first; apart from that, each is the first once. */
static inline bool stress_start(struct stress *s)
{
	int turn, i, nr;

	for (turn = 0; turn < 2; turn++)
		for (i = 0; i < s->nr; i++) {
			nr = (i + s->round) % s->nr;
			if (turn != !!s->task[nr].ops)
				continue;
			if (!task_start(&s->task[nr])) {
				stress_log("task %d does not start", nr);
				return false;
			}
		}
	return true;
}

static inline bool stress_begun(struct stress *s)
{
	int i;

	for (i = 0; i < s->nr; i++)
		if (!s->task[i].begun)
			return false;
	return true;
}

/* Until the time is over, and all have begun, which on a slow machine they may not have by then. */
static inline void stress_pass(struct stress *s, unsigned int ms)
{
	uint64_t begun = now_ms();

	while (!s->trouble &&
	       (now_ms() < begun + ms || (!stress_begun(s) && now_ms() < begun + WAIT_MS))) {
		if (s->disturb)
			s->disturb(s);
		else
			usleep(2000);
	}
}

/* All who are there to do something have, in some round. */
static inline bool stress_had_turns(struct stress *s, bool show)
{
	bool all = true;
	struct task *t;
	int i;

	for (i = 0; i < s->nr; i++) {
		t = &s->task[i];
		if (t->ops)
			continue;
		all = false;
		if (show)
			stress_log("%s (task %d, amount %#llx) has done nothing in %d rounds",
				   t->name, i, (unsigned long long)t->amount, s->round);
	}
	return all;
}

static inline bool stress_round(struct stress *s, unsigned int ms)
{
	bool consumers;
	int i;

	s->phase = RUN;
	consumers = s->consumers_first && (!s->producers_first || s->round % 2);
	s->first = consumers ? CONSUMER : PRODUCER;
	s->fd = efd_create(0, s->flags);
	s->nr_doubts = 0;
	s->added = 0;
	if (s->fd < 0 || efd_write(s->fd, s->start) != 8)
		return false;
	memset(s->left, 0, sizeof(s->left));
	for (i = 0; i < s->nr; i++) {
		s->left[s->task[i].side]++;
		memset(s->task[i].record, 0, sizeof(s->task[i].record));
		s->task[i].turn = 0;
		s->task[i].error = 0;
		s->task[i].begun = false;
	}
	if (s->prepare)
		s->prepare(s);
	if (!stress_start(s))
		return false;

	stress_pass(s, (ms + 1) / 2);
	s->phase = REST;
	stress_leave(s);
	stress_pass(s, ms / 2);
	s->phase = STOP;
	stress_leave(s);
	if (s->stop)
		s->stop(s);
	if (!s->trouble && !stress_settle(s))
		s->trouble = true;
	if (!stress_release(s))
		return false;
	for (i = 0; i < s->nr; i++)
		if (s->task[i].error)
			stress_log("%s got %s", s->task[i].name, strerror(-s->task[i].error));
	stress_balance(s);
	for (i = 0; i < s->nr; i++) {
		s->task[i].ops += record_now(&s->task[i])->ops;
		s->ops += record_now(&s->task[i])->ops;
	}
	s->ops += s->added;
	if (s->clean)
		s->clean(s);
	close(s->fd);
	return !s->trouble;
}

/* Rounds until the time is over; true if nothing was lost. Short ones find more at their ends. */
static inline bool stress_run(struct stress *s)
{
	static const unsigned int part[] = { 20, 30, 20, 100 };
	unsigned int ms, least = stress_ms() < 80 ? (stress_ms() + 3) / 4 : 20;
	uint64_t begun = now_ms(), end = begun + stress_ms();
	/* each side goes first, and each kind of a side is left alone before it does */
	int rounds = stress_divide(s) && s->consumers_first && s->producers_first ? 3 : 2;
	bool good = true;

	for (s->round = 0; good; s->round++) {
		if (now_ms() >= end && s->round >= rounds &&
		    ((stress_had_turns(s, false) && (!s->had || s->had(s))) ||
		     now_ms() >= end + WAIT_MS))
			break;
		stress_divide(s);
		ms = part[s->round % ARRAY_SIZE(part)] * (stress_ms() > 2000 ? 5 : 1);
		if (now_ms() + ms > end)
			ms = now_ms() + least > end ? least : end - now_ms();
		good = stress_round(s, ms);
	}
	if (good)
		good = stress_had_turns(s, true);
	if (!good && !s->lost)
		s->lost = 1;
	printf("# stress: %llu operations, %llu lost, %d rounds, %llu ms\n",
	       (unsigned long long)s->ops, (unsigned long long)s->lost, s->round,
	       (unsigned long long)(now_ms() - begun));
	fflush(stdout);
	return good;
}

#endif /* SELFTESTS_STRESS_H */
