// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that sleep, and epoll instances. Nothing here is left to chance: readers that
 * sleep on one counter are equal, so are writers, and where a task that takes something
 * would race with one that only looks, one of them is not started.
 */
#include "efd_fuzz.h"

#include <sys/select.h>

struct epoll epolls[EPOLLS] = { { .fd = -1 }, { .fd = -1 } };

enum kind { NOBODY, READER, WRITER, POLLER, EPOLL_WAITER };

static struct task {
	struct worker w;
	enum kind kind;
	int how;
	int buffer;
	int dup;
	int status;		/* of /proc/TID/status */
	unsigned int born;
	struct counter *counter[2];
	struct pollfd fds[2];
	int nr_fds;
	struct epoll *epoll;
	struct epoll_event events[8];
} tasks[WORKERS];

static struct task *free_task(void)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (tasks[i].kind == NOBODY) {
			memset(&tasks[i], 0, sizeof(tasks[i]));
			tasks[i].born = op_nr;
			tasks[i].dup = -1;
			return &tasks[i];
		}
	return NULL;
}

int nr_sleepers(void)
{
	int i, nr = 0;

	for (i = 0; i < WORKERS; i++)
		nr += tasks[i].kind != NOBODY;
	return nr;
}

/* Coming to rest. */

bool look_at(int status, char *state, long *sleeps)
{
	char text[4096], *at;
	ssize_t n = pread(status, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "State:\t");
	*state = at ? at[7] : '?';
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	*sleeps = at ? strtol(at + 25, NULL, 10) : -1;
	return true;
}

/*
 * All asleep or done, twice, and none has run in between: each of them can only be woken
 * by another that runs. A look that finds what the last rest left is one.
 */
static bool at_rest(void)
{
	static long last;
	long sum = 0, sleeps;
	bool same;
	char state;
	int i;

	for (i = 0; i < WORKERS; i++) {
		if (tasks[i].kind == NOBODY)
			continue;
		if (tasks[i].w.done) {
			sum += (i + 1) * 100000000l;
			continue;
		}
		if (!tasks[i].w.tid || !look_at(tasks[i].status, &state, &sleeps) || state != 'S')
			return false;
		sum += sleeps * (2 * i + 1) + (i + 1) * 1000000000l;
	}
	same = sum == last;
	last = sum;
	return same;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void tell(struct task *t, char *line, size_t room)
{
	struct epoll_event *ev;
	int i, n;

	switch (t->kind) {
	case READER:
		snprintf(line, room, "  reader of %u = %s %#llx", t->counter[0]->nr,
			 result(t->w.ret),
			 t->buffer <= CROOKED && t->w.ret == 8 ? ull(t->w.value) : 0);
		break;
	case WRITER:
		snprintf(line, room, "  writer to %u, %#llx = %s", t->counter[0]->nr,
			 ull(t->w.value), result(t->w.ret));
		break;
	case POLLER:
		n = snprintf(line, room, "  poller %u = %s", t->born, result(t->w.ret));
		for (i = 0; i < t->nr_fds && t->w.ret >= 0; i++)
			n += snprintf(line + n, room - n, " %s", events_text(t->fds[i].revents));
		break;
	default:
		n = snprintf(line, room, "  epoll_wait %u = %s", t->born, result(t->w.ret));
		for (i = 0; i < t->w.ret; i++) {
			ev = &t->events[i];
			n += snprintf(line + n, room - n, " %u:%s", ev->data.u32,
				      events_text(ev->events));
		}
	}
}

/* Waits until nobody runs, and tells what has come to its end, equal ones sorted. */
void settle(void)
{
	char lines[WORKERS][128];
	struct task *t;
	int i, nr = 0;

	if (!nr_sleepers())
		return;
	if (!settles(at_rest()))
		broken("restless");

	for (i = 0; i < WORKERS; i++) {
		t = &tasks[i];
		if (t->kind == NOBODY || !t->w.done)
			continue;
		pthread_join(t->w.thread, NULL);
		tell(t, lines[nr++], sizeof(lines[0]));
		if (t->kind == READER)
			t->counter[0]->readers--;
		else if (t->kind == WRITER)
			t->counter[0]->writers--;
		else if (t->kind == EPOLL_WAITER)
			t->epoll->waiters--;
		else
			while (t->nr_fds)
				t->counter[--t->nr_fds]->pollers--;
		close(t->status);
		if (t->dup >= 0)
			close(t->dup);
		t->kind = NOBODY;
	}
	qsort(lines, nr, sizeof(lines[0]), by_name);
	for (i = 0; i < nr; i++)
		say("%s\n", lines[i]);
}

int start_thread(struct worker *w, void (*call)(struct worker *w))
{
	char path[64];
	int fd, status;

	w->call = call;
	w->tid = 0;
	w->done = false;
	if (pthread_create(&w->thread, NULL, worker_main, w) || !settles(w->tid)) {
		broken("no thread");
		_exit(1);
	}
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", w->tid);
	fd = open(path, O_RDONLY);
	/* out of the way: numbers of descriptors are part of what is compared */
	status = fcntl(fd, F_DUPFD, 400);
	close(fd);
	return status;
}

static void start(struct task *t, enum kind of, void (*call)(struct worker *w))
{
	t->kind = of;
	t->status = start_thread(&t->w, call);
}

/* The task's own number for what it sleeps on, or that of the slot. */
static int own_fd(struct task *t, struct slot *s)
{
	if (one_in(3)) {
		s->counter->numbered = true;
		return s->fd;
	}
	t->dup = fcntl(s->fd, F_DUPFD, 300);
	return t->dup;
}

/* Readers and writers. */

static void call_read(struct worker *w)
{
	struct task *t = (struct task *)w;
	void *buf = t->buffer <= CROOKED ? &w->value : buffer_at(t->buffer);
	struct iovec iov[2] = { { buf, 4 }, { (char *)buf + 4, 4 } };
	struct iovec one = { buf, 8 };

	switch (t->how) {
	case 0:
		w->ret = RET(readv(w->fd, iov, t->buffer <= CROOKED ? 2 : 1));
		break;
	case 1:
		w->ret = RET(preadv2(w->fd, &one, 1, -1, 0));
		break;
	default:
		w->ret = RET(read(w->fd, buf, 8));
	}
}

static void call_write(struct worker *w)
{
	struct task *t = (struct task *)w;
	struct iovec one = { &w->value, 8 };

	w->ret = t->how ? RET(write(w->fd, &w->value, 8)) : RET(writev(w->fd, &one, 1));
}

bool epoll_sleeps_on(struct counter *c)
{
	int i;

	for (i = 0; i < EPOLLS; i++)
		if (epolls[i].waiters && (c->epolls >> i & 1))
			return true;
	return false;
}

/* A task that takes would race with who looks, and sleep on behind an exclusive poller. */
static bool may_sleep_on(struct counter *c)
{
	return !c->pollers && !epoll_sleeps_on(c) && !c->exclusive && !c->requests;
}

bool start_reader(struct slot *s, int buffer)
{
	struct counter *c = s->counter;
	struct task *t = free_task();

	if (!t || !may_sleep_on(c) || c->writers || c->readers >= 4)
		return false;
	if (c->readers)
		buffer = c->buffer;
	c->buffer = buffer;
	/* part of a bad buffer would do: then the call matters */
	t->how = buffer <= CROOKED ? below(4) : 2;
	t->buffer = buffer;
	t->counter[0] = c;
	t->w.fd = own_fd(t, s);
	c->readers++;
	say("reader of %u, %s\n", c->nr, buffer_name(buffer));
	start(t, READER, call_read);
	return true;
}

/* Whether all that sleep in write, and one more with @amount, fit into an empty counter. */
static bool all_fit(struct counter *c, uint64_t amount)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (tasks[i].kind == WRITER && tasks[i].counter[0] == c &&
		    __builtin_add_overflow(amount, tasks[i].w.value, &amount))
			return false;
	return amount <= EFD_MAX;
}

/*
 * Writers of different amounts: which of them is first must not matter. A read of a
 * counter makes room for all of them, or they are equal. One of a semaphore makes room
 * for those only that lack 1, and these are equal.
 */
bool start_writer(struct slot *s, uint64_t amount)
{
	struct counter *c = s->counter;
	struct task *t = free_task();

	if (!t || !may_sleep_on(c) || c->readers || c->writers >= 4)
		return false;
	if (!c->writers)
		c->mixed = false;
	else if (!c->semaphore && !all_fit(c, amount))
		amount = c->amount;
	if (c->writers && amount != c->amount)
		c->mixed = true;
	if (c->mixed && !c->semaphore && !all_fit(c, amount))
		return false;
	c->amount = amount;
	t->how = below(4);
	t->counter[0] = c;
	t->w.fd = own_fd(t, s);
	t->w.value = amount;
	c->writers++;
	say("writer to %u, %#llx\n", c->nr, ull(amount));
	start(t, WRITER, call_write);
	return true;
}

/* Pollers. */

static void call_poll(struct worker *w)
{
	struct task *t = (struct task *)w;
	fd_set in, out;
	int i, max = 0;

	if (t->how) {
		w->ret = RET(t->how > 1 ? poll(t->fds, t->nr_fds, -1) :
			     ppoll(t->fds, t->nr_fds, NULL, NULL));
		return;
	}
	FD_ZERO(&in);
	FD_ZERO(&out);
	for (i = 0; i < t->nr_fds; i++) {
		if (t->fds[i].events & POLLIN)
			FD_SET(t->fds[i].fd, &in);
		if (t->fds[i].events & POLLOUT)
			FD_SET(t->fds[i].fd, &out);
		if (t->fds[i].fd > max)
			max = t->fds[i].fd;
	}
	w->ret = RET(select(max + 1, &in, &out, NULL, NULL));
	for (i = 0; i < t->nr_fds && w->ret >= 0; i++)
		t->fds[i].revents = FD_ISSET(t->fds[i].fd, &in) * POLLIN |
				    FD_ISSET(t->fds[i].fd, &out) * POLLOUT;
}

static void start_poller(void)
{
	struct task *t = free_task();
	int n = 1 + below(2), i;
	struct slot *s[2];

	if (!t)
		return;
	t->how = below(4);
	for (i = 0; i < n; i++) {
		s[i] = some_slot();
		t->fds[i].fd = s[i]->fd;
		t->fds[i].events = some_events();
		if (s[i]->counter->readers || s[i]->counter->writers)
			return;
	}
	if (poll(t->fds, n, 0))
		return;
	say("poller");
	for (i = 0; i < n; i++) {
		t->counter[i] = s[i]->counter;
		t->counter[i]->pollers++;
		say(" %d:%s", (int)(s[i] - slots), events_text(t->fds[i].events));
	}
	say("\n");
	t->nr_fds = n;
	start(t, POLLER, call_poll);
}

static void call_epoll_wait(struct worker *w)
{
	struct task *t = (struct task *)w;

	w->ret = RET(epoll_wait(w->fd, t->events, 8, -1));
}

/* Whether somebody sleeps in read or write on one of its counters. */
static bool has_sleepers(int ep)
{
	int i, k;

	for (i = 0; i < WORKERS; i++)
		for (k = 0; k < 2; k++)
			if ((tasks[i].kind == READER || tasks[i].kind == WRITER) &&
			    tasks[i].counter[k] && (tasks[i].counter[k]->epolls >> ep & 1))
				return true;
	return false;
}

static void start_epoll_waiter(void)
{
	int i = below(EPOLLS);
	struct task *t = free_task();

	if (!t || epolls[i].fd < 0 || epolls[i].waiters || has_sleepers(i) ||
	    efd_events(epolls[i].fd, POLLIN))
		return;
	t->epoll = &epolls[i];
	t->epoll->waiters++;
	t->w.fd = epolls[i].fd;
	say("epoll waiter %d\n", i);
	start(t, EPOLL_WAITER, call_epoll_wait);
}

void op_sleep(void)
{
	static const uint64_t amounts[] = { 1, 1, 2, 5, 1ull << 62, 1ull << 63, EFD_MAX };
	struct slot *s = some_slot();
	uint64_t value;

	/* how many of those who wait can go on, and is the first of them in the others' way? */
	if (s->counter->writers > 1 && one_in(2)) {
		value = 0;
		say("drain %u = %s", s->counter->nr, result(efd_read(s->fd, &value)));
		say(" %#llx\n", ull(value));
		changed(s->counter, EPOLLOUT);
		return;
	}
	switch (below(10)) {
	case 0 ... 3:
		if (read_sleeps(s->fd))
			start_reader(s, one_in(8) ? below(BUFFERS) : GOOD);
		break;
	case 4 ... 6:
		value = one_in(4) ? some_value(s->fd) : pick(amounts);
		if (is_nonblock(s->fd) || value == UINT64_MAX || s->counter->readers)
			break;
		if (!write_sleeps(s->fd, value) && value) {
			uint64_t fill = EFD_MAX - count_of(s->fd) - below(2);

			/* at most what the writer then lacks */
			if (write_sleeps(s->fd, fill) || fill > EFD_MAX)
				break;
			say("fill %u %#llx = %s\n", s->counter->nr, ull(fill),
			    result(efd_write(s->fd, fill)));
			settle();
		}
		if (write_sleeps(s->fd, value))
			start_writer(s, value);
		break;
	case 7:
	case 8:
		start_poller();
		break;
	default:
		start_epoll_waiter();
	}
}

static uint64_t amount_of(const struct task *t)
{
	return t->kind == WRITER ? t->w.value : 0;
}

/* To one of those who sleep; which of equal ones must not matter. */
void op_signal(void)
{
	int sig = one_in(3) ? SIGUSR2 : SIGUSR1;
	struct counter *c = some_slot()->counter;
	struct task *t, *found = NULL;
	int i;
	bool restart = true;

	for (i = 0; i < WORKERS; i++) {
		t = &tasks[i];
		if (t->kind == NOBODY || t->counter[0] != c)
			continue;
		if (!found || amount_of(t) < amount_of(found) ||
		    (amount_of(t) == amount_of(found) && t->born < found->born))
			found = t;
		restart = restart && t->kind != POLLER;
	}
	/* whether a reader is older than one of these, or not there any more, is chance */
	for (i = 0; i < WORKERS && (!found || found->kind == EPOLL_WAITER); i++)
		if (tasks[i].kind == EPOLL_WAITER && (!found || tasks[i].born < found->born))
			found = &tasks[i];
	if (!found)
		return;
	if (!restart || c->exclusive || c->numbered)
		sig = SIGUSR1;
	say("signal %s = ", sig == SIGUSR1 ? "USR1" : "USR2");
	say("%s\n", result(RET(syscall(SYS_tgkill, getpid(), found->w.tid, sig))));
}

/* epoll */

void op_epoll_ctl(void)
{
	/* clang-format off */
	static const unsigned int modes[] = {
		0, 0, EPOLLET, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT, EPOLLEXCLUSIVE,
		EPOLLEXCLUSIVE | EPOLLET, EPOLLWAKEUP,
	};
	/* clang-format on */
	int i = below(EPOLLS), op = 1 + below(3), fd;
	struct slot *s = some_slot();
	struct counter *c = s->counter;
	struct epoll_event ev = { .events = some_events() | pick(modes), .data.u32 = op_nr };

	if (one_in(2))
		op = EPOLL_CTL_ADD;
	/* whoever slept in front of it would be behind it after a signal */
	if ((ev.events & EPOLLEXCLUSIVE) && (c->readers || c->writers))
		ev.events &= ~EPOLLEXCLUSIVE;
	if (epolls[i].waiters && (c->readers || c->writers))
		return;
	if (epolls[i].fd < 0) {
		fd = epoll_create1(0);
		epolls[i].fd = fcntl(fd, F_DUPFD, 200 + i);
		close(fd);
	}
	if (ev.events & EPOLLEXCLUSIVE)
		c->exclusive = true;
	c->epolls |= 1u << i;
	say("epoll_ctl %d %s %d %s = ", i,
	    op == EPOLL_CTL_ADD ? "ADD" :
	    op == EPOLL_CTL_MOD ? "MOD" :
				  "DEL",
	    (int)(s - slots), events_text(ev.events));
	say("%s\n", result(RET(epoll_ctl(epolls[i].fd, op, s->fd, &ev))));
}

static int by_data(const void *a, const void *b)
{
	const struct epoll_event *x = a;
	const struct epoll_event *y = b;

	if (x->data.u32 == y->data.u32)
		return 0;
	return x->data.u32 < y->data.u32 ? -1 : 1;
}

/* In which order several tasks have touched theirs is up to the scheduler. */
static void in_order(struct epoll_event *ev, int n)
{
	if (profile.tasks && n > 0)
		qsort(ev, n, sizeof(*ev), by_data);
}

void op_epoll_wait(void)
{
	struct epoll_event ev[8];
	int i = below(EPOLLS), max = profile.tasks ? 8 : 1 + below(8), n, k;

	if (epolls[i].fd < 0 || epolls[i].waiters)
		return;
	n = RET(epoll_wait(epolls[i].fd, ev, max, 0));
	say("epoll_wait %d %d = %s", i, max, result(n));
	in_order(ev, n);
	for (k = 0; k < n; k++)
		say(" %u:%s", ev[k].data.u32, events_text(ev[k].events));
	say("\n");
}

void reap_edges(void)
{
	struct epoll_event ev[8];
	int i, k, n;

	for (i = 0; i < EPOLLS; i++) {
		/* who waits there has taken them */
		if (epolls[i].fd < 0 || epolls[i].waiters)
			continue;
		n = RET(epoll_wait(epolls[i].fd, ev, 8, 0));
		in_order(ev, n);
		for (k = 0; k < n; k++)
			say("  event %d %u:%s\n", i, ev[k].data.u32, events_text(ev[k].events));
	}
}
