/* SPDX-License-Identifier: GPL-2.0 */
/* The driver's side of a split virtqueue, and what all vhost devices want to be told about it. */
#ifndef SELFTESTS_VIRTQ_H
#define SELFTESTS_VIRTQ_H

#include "device.h"

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

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

	vq->desc[head] = (struct vring_desc){
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
#define efd_overflow(fd, signal)					\
	({								\
		efd_drain(fd);						\
		efd_write(fd, EFD_MAX) == 8 && (signal, true) &&	\
			eventually(efd_events(fd, POLLIN) & POLLERR);	\
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

/* A worker's call: takes turns in writing to the two kicks at @arg until @value is set. */
static inline void kick_two(struct worker *w)
{
	const int *kick = w->arg;

	w->ret = 0;
	while (!__atomic_load_n(&w->value, __ATOMIC_SEQ_CST)) {
		if (efd_write(kick[0], 1) != 8 || efd_write(kick[1], 1) != 8)
			w->ret = -1;
		sched_yield();
	}
}

static inline bool kick_two_end(struct worker *w)
{
	__atomic_store_n(&w->value, 1, __ATOMIC_SEQ_CST);
	return worker_join(w) && !w->ret;
}

#endif /* SELFTESTS_VIRTQ_H */
