/* SPDX-License-Identifier: GPL-2.0 */
/*
 * efd_fuzz: what its parts share. A sequence is a list of operations, each of which
 * draws its parameters from the seed and its own place only: to leave out some does
 * not change the others.
 */
#ifndef EFD_FUZZ_H
#define EFD_FUZZ_H

#include <dirent.h>
#include <linux/aio_abi.h>
#include <sys/epoll.h>

/* the helpers of the tests, without the harness, which is for one file */
#define __KSELFTEST_HARNESS_H
#include "../selftests/uring.h"

#define __printf(text, first)	__attribute__((format(printf, text, first)))

#define fallthrough	__attribute__((fallthrough))

#define SLOTS		6	/* descriptors */
#define EPOLLS		2
#define WORKERS		12
#define MAX_OPS		40
#define SETTLE_MS	6000	/* for what must happen */
#define SETTLE_LOOKS	100

/* A counter, and who sleeps on it: what keeps two kernels from answering by chance. */
struct counter {
	unsigned int nr;
	bool semaphore;
	bool exclusive;		/* has had an exclusive poller: nobody sleeps behind one */
	bool requests;		/* io_uring or aio wait on it */
	bool numbered;		/* somebody slept under a number that may mean another file */
	int readers;
	int writers;
	int pollers;
	unsigned int epolls;	/* instances that it is in */
	uint64_t amount;	/* what the last writer that went to sleep on it adds */
	bool mixed;		/* and not all of them that */
	int buffer;		/* where all readers that sleep on it read to */
};

struct slot {
	int fd;			/* -1: empty */
	struct counter *counter;
};

/* What this sequence has in it. */
struct profile {
	bool edges;		/* every event is looked for after every operation */
	bool tasks;
	bool uring;
	bool aio;
	bool beyond;
	bool posts;		/* the kernel signals: has an aio context */
	unsigned int ops;
};

extern struct slot slots[SLOTS];
extern struct profile profile;
extern unsigned int op_nr;

/* random numbers: the same for the same seed and operation */
uint64_t rnd(void);
unsigned int below(unsigned int n);
#define one_in(n)	(!below(n))
#define ARRAY_SIZE_(a)	(sizeof(a) / sizeof((a)[0]))
#define pick(table)	((table)[below(ARRAY_SIZE_(table))])

/*
 * For what takes microseconds. A host that stood still is no reason to give up: it takes time,
 * and looks too.
 */
#define settles(cond)							\
	({								\
		uint64_t end_ = now_ms() + SETTLE_MS;			\
		int looks_ = 0;						\
		bool ok_;						\
									\
		while (!(ok_ = (cond)) &&				\
		       (++looks_ < SETTLE_LOOKS || now_ms() < end_))	\
			sched_yield();					\
		ok_;							\
	})

/* the trace */
void say(const char *fmt, ...) __printf(1, 2);
void say_beyond(const char *fmt, ...) __printf(1, 2);
/* no answer of the kernel's: what the sequence was for has not been done, and no trace is right */
void broken(const char *fmt, ...) __printf(1, 2);
#define ull(value)	((unsigned long long)(value))
const char *result(long ret);
const char *events_text(unsigned int events);

/* eventfds */
struct slot *some_slot(void);
uint64_t count_of(int fd);
int id_of(int fd);
bool is_nonblock(int fd);
uint64_t some_value(int fd);
bool read_sleeps(int fd);
bool write_sleeps(int fd, uint64_t value);
unsigned int some_events(void);
/* the counter has been read or written: what waits for that will hear of it */
void changed(struct counter *c, unsigned int events);

/* buffers of read and write; the last ones are bad */
enum buffer { GOOD, CROOKED, STRADDLES, UNMAPPED, NO_ADDRESS, KERNEL_ADDRESS, BUFFERS };
void *buffer_at(int which);
const char *buffer_name(int which);
const char *buffer_text(int which, long ret);

/* tasks.c */
struct epoll {
	int fd;
	unsigned int waiters;
};

extern struct epoll epolls[EPOLLS];
/* starts one, and returns its /proc/TID/status for look_at(): state, and how often it has slept */
int start_thread(struct worker *w, void (*call)(struct worker *w));
bool look_at(int status, char *state, long *sleeps);
bool start_reader(struct slot *s, int buffer);
bool start_writer(struct slot *s, uint64_t amount);
void op_sleep(void);
void op_signal(void);
void settle(void);
int nr_sleepers(void);
void op_epoll_ctl(void);
void op_epoll_wait(void);
void reap_edges(void);
bool epoll_sleeps_on(struct counter *c);

/* requests.c */
void op_uring(void);
void op_aio(void);
void op_post(struct slot *s);
void reap_requests(void);
void aio_expect(struct counter *c, unsigned int events);

/* beyond.c */
void op_beyond(void);

#endif /* EFD_FUZZ_H */
