/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's side of a split virtqueue, and what all vhost devices want to be told about
 * it; and descriptors that are no eventfds.
 */
#ifndef SELFTESTS_VIRTQ_H
#define SELFTESTS_VIRTQ_H

#include "eventfd.h"

#include <dirent.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define VIRTQ_SIZE	16
#define VIRTQ_BUF	256

/* Driver and device share it; the device is told user addresses, as they are. */
struct virtq {
	struct vring_desc desc[VIRTQ_SIZE];
	struct {
		uint16_t flags, idx, ring[VIRTQ_SIZE], used_event;
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[VIRTQ_SIZE];
		uint16_t avail_event;
	} used __attribute__((aligned(4)));
	unsigned char buf[VIRTQ_SIZE][VIRTQ_BUF];
};

/* An array of queues, page aligned: one region of memory for the device. */
static inline struct virtq *virtqs_create(int n)
{
	void *p = mmap(NULL, n * sizeof(struct virtq), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline size_t virtqs_bytes(int n)
{
	return (n * sizeof(struct virtq) + 4095) & ~4095ul;
}

/* The buffer that the next virtq_add() gives away. */
static inline unsigned char *virtq_next(struct virtq *vq)
{
	return vq->buf[vq->avail.idx % VIRTQ_SIZE];
}

/* Makes @head available, whatever it is. */
static inline void virtq_publish(struct virtq *vq, uint16_t head)
{
	vq->avail.ring[vq->avail.idx % VIRTQ_SIZE] = head;
	__atomic_store_n(&vq->avail.idx, vq->avail.idx + 1, __ATOMIC_SEQ_CST);
}

/* Gives the device a buffer of @len bytes, to read from or (VRING_DESC_F_WRITE) to write to. */
static inline void virtq_add(struct virtq *vq, unsigned int len, uint16_t flags)
{
	uint16_t head = vq->avail.idx % VIRTQ_SIZE;

	vq->desc[head] = (struct vring_desc) {
		.addr = (uintptr_t)vq->buf[head],
		.len = len,
		.flags = flags,
	};
	virtq_publish(vq, head);
}

/* How many buffers the device has given back, ever. */
static inline uint16_t virtq_used(struct virtq *vq)
{
	return __atomic_load_n(&vq->used.idx, __ATOMIC_SEQ_CST);
}

#define FRAME_HDR	sizeof(struct virtio_net_hdr_v1)
#define FRAME_LEN	(FRAME_HDR + 60)

/* Gives the device a broadcast of a type that nobody listens to, to send. */
static inline void virtq_add_frame(struct virtq *vq)
{
	unsigned char *frame = virtq_next(vq);

	memset(frame, 0, FRAME_LEN);
	memset(frame + FRAME_HDR, 0xff, 6);
	frame[FRAME_HDR + 6] = 2;
	frame[FRAME_HDR + 12] = 0x88;
	frame[FRAME_HDR + 13] = 0xb5;
	virtq_add(vq, FRAME_LEN, 0);
}

/* Tells @dev of eventfd @fd, as command @cmd of ring @index. */
static inline int vring_fd(int dev, unsigned long cmd, unsigned int index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return RET(ioctl(dev, cmd, &file));
}

static inline int vring_state(int dev, unsigned long cmd, unsigned int index, unsigned int num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	return RET(ioctl(dev, cmd, &state));
}

/* Where ring @index of @dev is; @log is where writes to it are logged, or 0. */
static inline int vring_setup(int dev, unsigned int index, struct virtq *vq, uint64_t log)
{
	struct vhost_vring_addr addr = {
		.index = index,
		.flags = log ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)&vq->avail,
		.used_user_addr = (uintptr_t)&vq->used,
		.log_guest_addr = log,
	};

	return vring_state(dev, VHOST_SET_VRING_NUM, index, VIRTQ_SIZE) ?:
	       vring_state(dev, VHOST_SET_VRING_BASE, index, 0) ?:
	       RET(ioctl(dev, VHOST_SET_VRING_ADDR, &addr));
}

/* What the counter holds, without taking it: past its end it is -1. LLONG_MIN if not told. */
static inline long long efd_count(int fd)
{
	char path[64], line[128];
	unsigned long long count;
	bool told = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && !told && fgets(line, sizeof(line), f))
		told = sscanf(line, "eventfd-count: %llx", &count) == 1;
	if (f)
		fclose(f);
	return told ? (long long)count : LLONG_MIN;
}

/* True if the counter gets to @count and stays there. */
static inline bool efd_counts(int fd, long long count)
{
	if (!eventually(efd_count(fd) == count))
		return false;
	sleep_ms(QUIET_MS);
	return efd_count(fd) == count;
}

static inline bool efd_stays(int fd, long long count)
{
	sleep_ms(QUIET_MS);
	return efd_count(fd) == count;
}

/* What work items keep signalling, and one may be late, has come to rest. */
static inline bool efd_rests(int fd)
{
	long long count = efd_count(fd);
	int i;

	for (i = 0; i < 15; i++)
		if (!efd_stays(fd, count))
			return false;
	return true;
}

/* Drives the counter past its end, as only a kernel signal can; @signal makes one to @fd. */
#define efd_overflow(fd, signal) ({					\
	efd_drain(fd);							\
	efd_write(fd, EFD_MAX) == 8 && (signal, true) &&		\
		eventually(efd_events(fd, POLLIN) & POLLERR);		\
})

/* Counts what an epoll instance watches: a file that is gone is not watched any more. */
static inline int nr_watched(int ep)
{
	char path[64], line[128];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, "tfd:", 4);
	if (f)
		fclose(f);
	return n;
}

static inline int epoll_of(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	return ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) ? -1 : ep;
}

static inline int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/*
 * Has @attach(arg, fd) refuse descriptors that are no eventfds, a hundred times each:
 * NULL, or what went wrong. Nothing of theirs may be held afterwards: a pipe
 * whose reader is held would not break.
 */
static inline const char *refuses_wrong_fds(int (*attach)(void *arg, int fd), void *arg)
{
	enum { CLOSED, NEGATIVE, PIPE, REGULAR, EPOLL, PATH, NR };
	static char why[96];
	const int want[NR] = {
		[CLOSED] = -EBADF, [NEGATIVE] = -EBADF, [PATH] = -EBADF,
		[PIPE] = -EINVAL, [REGULAR] = -EINVAL, [EPOLL] = -EINVAL,
	};
	/* alone, a process has its descriptors looked up without a reference to forget */
	static struct worker company;
	int pipefd[2], wrong[NR], fds, i, n, ret;

	company.fd = efd_create(0, 0);
	if (!worker_start_asleep(&company, worker_read, SYS_read))
		return "no second thread";
	fds = nr_fds();
	signal(SIGPIPE, SIG_IGN);
	if (pipe(pipefd))
		return "no pipe";
	wrong[NEGATIVE] = -2;
	wrong[PIPE] = pipefd[0];
	wrong[REGULAR] = memfd_create("wrong", 0);
	wrong[EPOLL] = epoll_create1(0);
	wrong[PATH] = open("/proc/self/exe", O_PATH);
	/* the last one to be made, so that nothing takes its number */
	wrong[CLOSED] = dup(pipefd[0]);
	close(wrong[CLOSED]);
	for (i = 0; i < NR; i++) {
		for (n = 0; n < 100; n++) {
			ret = attach(arg, wrong[i]);
			if (ret != want[i]) {
				snprintf(why, sizeof(why), "kind %d, descriptor %d: %d, not %d",
					 i, wrong[i], ret, want[i]);
				return why;
			}
		}
	}
	for (i = PIPE; i < NR; i++)
		close(wrong[i]);
	ret = RET(write(pipefd[1], "", 1));
	close(pipefd[1]);
	if (ret != -EPIPE)
		return "the pipe is held";
	if (nr_fds() != fds)
		return "descriptors were left";
	efd_write(company.fd, 1);
	if (!worker_join(&company))
		return "the second thread is stuck";
	close(company.fd);
	return NULL;
}

#endif /* SELFTESTS_VIRTQ_H */
