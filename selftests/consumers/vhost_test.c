// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-net on a tap: the kick, call, error and log eventfds of a network card whose driver
 * is this program. A kick is a callback on the eventfd's wait queue that wakes a
 * worker; the others are signals of that worker.
 */
#include "virtq.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { RX, TX, NR_RINGS };

#define FEATURES	(1ull << VIRTIO_F_VERSION_1)

struct card {
	int dev, tap, out;
	struct virtq *vq;
	int kick[NR_RINGS], call[NR_RINGS];
	uint64_t features;
	uint64_t log;
};

/* A tap that is up, whose frames have the header that a modern virtio card wants. */
static int tap_create(char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = FRAME_HDR;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "eventfd%%d");
	if (tap < 0 || sock < 0 || ioctl(tap, TUNSETIFF, &ifr) ||
	    ioctl(tap, TUNSETVNETHDRSZ, &size))
		return -1;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return -1;
	ifr.ifr_flags |= IFF_UP | IFF_NOARP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		return -1;
	close(sock);
	return tap;
}

/* What is sent here comes out of the tap. */
static int sender_create(const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) ||
	    setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name) + 1))
		return -1;
	return sock;
}

/* One packet to the card. */
static int packet_in(struct card *card)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_BROADCAST),
	};

	return RET(sendto(card->out, "packet", 6, 0, (void *)&to, sizeof(to)));
}

static int set_backend(struct card *card, int index, int fd)
{
	return vring_fd(card->dev, VHOST_NET_SET_BACKEND, index, fd);
}

static int set_kick(struct card *card, int index, int fd)
{
	return vring_fd(card->dev, VHOST_SET_VRING_KICK, index, fd);
}

static int set_call(struct card *card, int index, int fd)
{
	return vring_fd(card->dev, VHOST_SET_VRING_CALL, index, fd);
}

static int set_err(struct card *card, int index, int fd)
{
	return vring_fd(card->dev, VHOST_SET_VRING_ERR, index, fd);
}

static int set_log_fd(struct card *card, int fd)
{
	return RET(ioctl(card->dev, VHOST_SET_LOG_FD, &fd));
}

/* All but the eventfds: from SET_OWNER to a card that is ready to run. */
static int card_setup(struct card *card)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} mem = {
		.head.nregions = 1,
		.region = {
			.guest_phys_addr = (uintptr_t)card->vq,
			.userspace_addr = (uintptr_t)card->vq,
			.memory_size = virtqs_bytes(NR_RINGS),
		},
	};

	return RET(ioctl(card->dev, VHOST_SET_OWNER)) ?:
	       RET(ioctl(card->dev, VHOST_SET_FEATURES, &card->features)) ?:
	       RET(ioctl(card->dev, VHOST_SET_MEM_TABLE, &mem)) ?:
	       vring_setup(card->dev, RX, &card->vq[RX], 0) ?:
	       vring_setup(card->dev, TX, &card->vq[TX], card->log);
}

/*
 * Returns when the card has done all that it was kicked for. It takes what it finds until it
 * ends, kicked or not, so this comes before what must wait for a kick. Every ioctl of
 * the device, not of a ring, ends so; this one does nothing else.
 */
static bool card_settled(struct card *card)
{
	return RET(ioctl(card->dev, VHOST_SET_LOG_BASE, NULL)) == -EFAULT;
}

/* A backend that can be written to makes the card look at its ring at once. */
static int card_run(struct card *card)
{
	int ret = set_backend(card, RX, card->tap) ?: set_backend(card, TX, card->tap);

	return ret ?: card_settled(card) ? 0 : -EIO;
}

/* Sends one frame, kicking with @kick: whether it was sent. */
static bool sends(struct card *card, int kick)
{
	uint16_t used = virtq_used(&card->vq[TX]) + 1;

	virtq_add_frame(&card->vq[TX]);
	return efd_write(kick, 1) == 8 && eventually(virtq_used(&card->vq[TX]) == used);
}

/* What sends() would do, if @kick were a kick. Leaves the frame there. */
static bool does_not_send(struct card *card, int kick)
{
	uint16_t used = virtq_used(&card->vq[TX]);

	if (!card_settled(card))
		return false;
	virtq_add_frame(&card->vq[TX]);
	if (efd_write(kick, 1) != 8)
		return false;
	sleep_ms(QUIET_MS);
	return virtq_used(&card->vq[TX]) == used;
}

static void add_rx_buffer(struct card *card)
{
	virtq_add(&card->vq[RX], VIRTQ_BUF, VRING_DESC_F_WRITE);
}

FIXTURE(vhost)
{
	struct card card;
};
EFD_BLOCKING_VARIANTS(vhost);

FIXTURE_SETUP(vhost)
{
	struct card *card = &self->card;
	char name[IFNAMSIZ];
	int i;

	card->dev = RET(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
	if (card->dev == -ENOENT || access("/dev/net/tun", F_OK))
		SKIP(return, "needs /dev/vhost-net and /dev/net/tun");
	ASSERT_GE(card->dev, 0);
	card->tap = tap_create(name);
	ASSERT_GE(card->tap, 0);
	card->out = sender_create(name);
	ASSERT_GE(card->out, 0);
	card->vq = virtqs_create(NR_RINGS);
	ASSERT_NE(card->vq, NULL);
	card->features = FEATURES;
	ASSERT_EQ(card_setup(card), 0);
	for (i = 0; i < NR_RINGS; i++) {
		card->kick[i] = efd_create(0, variant->flags);
		card->call[i] = efd_create(0, variant->flags);
		ASSERT_GE(card->call[i], 0);
		ASSERT_EQ(set_kick(card, i, card->kick[i]), 0);
		ASSERT_EQ(set_call(card, i, card->call[i]), 0);
	}
	ASSERT_EQ(card_run(card), 0);
}

FIXTURE_TEARDOWN(vhost)
{
	struct card *card = &self->card;
	int i;

	close(card->dev);
	close(card->tap);
	close(card->out);
	for (i = 0; i < NR_RINGS; i++) {
		close(card->kick[i]);
		close(card->call[i]);
	}
	munmap(card->vq, virtqs_bytes(NR_RINGS));
}

/* A kick is a wakeup and nothing else: what was written stays. */
TEST_F(vhost, n_kicks_give_n_calls_and_are_not_drained)
{
	struct card *card = &self->card;
	int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_TRUE(sends(card, card->kick[TX]));
		ASSERT_TRUE(eventually(efd_count(card->call[TX]) == i));
		EXPECT_EQ(efd_count(card->kick[TX]), i);
	}
	EXPECT_TRUE(efd_stays(card->call[TX], 5));
	EXPECT_EQ(efd_count(card->kick[RX]), 0);
	EXPECT_EQ(efd_count(card->call[RX]), 0);
}

TEST_F(vhost, a_packet_in_calls_without_a_kick)
{
	struct card *card = &self->card;
	int i;

	for (i = 0; i < 5; i++)
		add_rx_buffer(card);
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(packet_in(card), 6);
		ASSERT_TRUE(eventually(virtq_used(&card->vq[RX]) == i));
		ASSERT_TRUE(eventually(efd_count(card->call[RX]) == i));
	}
	EXPECT_TRUE(efd_stays(card->call[RX], 5));
	EXPECT_EQ(efd_count(card->kick[RX]), 0);
	EXPECT_EQ(efd_count(card->call[TX]), 0);
}

/* The card takes buffers of the receiving ring only when it has been told that there are some. */
TEST_F(vhost, a_kick_lets_a_waiting_packet_in)
{
	struct card *card = &self->card;

	ASSERT_EQ(packet_in(card), 6);
	ASSERT_TRUE(card_settled(card));
	ASSERT_EQ(efd_count(card->call[RX]), 0);
	add_rx_buffer(card);
	ASSERT_TRUE(efd_stays(card->call[RX], 0));
	ASSERT_EQ(efd_write(card->kick[RX], 1), 8);
	EXPECT_TRUE(efd_counts(card->call[RX], 1));
	EXPECT_EQ(virtq_used(&card->vq[RX]), 1);
}

/*
 * "Every write wakes all pollers with EPOLLIN, zero writes and writes to a non-zero counter
 * included"
 */
TEST_F(vhost, a_write_of_zero_is_a_kick)
{
	struct card *card = &self->card;

	virtq_add_frame(&card->vq[TX]);
	ASSERT_EQ(efd_write(card->kick[TX], 0), 8);
	EXPECT_TRUE(eventually(virtq_used(&card->vq[TX]) == 1));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	EXPECT_EQ(efd_count(card->kick[TX]), 0);
}

/* "every successful read with EPOLLOUT" */
TEST_F(vhost, a_read_is_no_kick)
{
	struct card *card = &self->card;
	uint64_t value;

	ASSERT_TRUE(sends(card, card->kick[TX]));
	ASSERT_TRUE(card_settled(card));
	virtq_add_frame(&card->vq[TX]);
	ASSERT_EQ(efd_read(card->kick[TX], &value), 8);
	EXPECT_TRUE(efd_stays(card->call[TX], 1));
	EXPECT_EQ(virtq_used(&card->vq[TX]), 1);
}

TEST_F(vhost, a_full_eventfd_kicks_no_more_until_it_is_read)
{
	struct card *card = &self->card;
	uint64_t value;

	efd_set_nonblock(card->kick[TX], true);
	ASSERT_EQ(efd_write(card->kick[TX], EFD_MAX), 8);
	ASSERT_TRUE(card_settled(card));
	virtq_add_frame(&card->vq[TX]);
	EXPECT_EQ(efd_write(card->kick[TX], 1), -EAGAIN);
	EXPECT_TRUE(efd_stays(card->call[TX], 0));
	ASSERT_EQ(efd_read(card->kick[TX], &value), 8);
	EXPECT_EQ(efd_write(card->kick[TX], 1), 8);
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
}

TEST_F(vhost, ten_thousand_kicks_lose_nothing)
{
	struct card *card = &self->card;
	uint64_t end = now_ms() + WAIT_MS;
	int added = 0, kicks = 0;

	while (kicks < 10000 && now_ms() < end) {
		if ((uint16_t)(added - virtq_used(&card->vq[TX])) < VIRTQ_SIZE) {
			virtq_add_frame(&card->vq[TX]);
			added++;
		}
		ASSERT_EQ(efd_write(card->kick[TX], 1), 8);
		kicks++;
	}
	EXPECT_TRUE(eventually(virtq_used(&card->vq[TX]) == (uint16_t)added));
	EXPECT_EQ(efd_count(card->kick[TX]), kicks);
	EXPECT_TRUE(eventually(efd_count(card->call[TX]) > 0));
	EXPECT_LE(efd_count(card->call[TX]), added);
}

TEST_F(vhost, a_call_wakes_a_blocked_reader)
{
	struct card *card = &self->card;
	struct worker w = { .fd = card->call[TX] };

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_TRUE(sends(card, card->kick[TX]));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.ret, 8);
	EXPECT_EQ(w.value, 1u);
	EXPECT_TRUE(efd_stays(card->call[TX], 0));
}

/* A reader of the kick competes with nobody: the card does not read it. */
TEST_F(vhost, a_kick_reaches_the_card_and_a_blocked_reader)
{
	struct card *card = &self->card;
	struct worker w = { .fd = card->kick[TX] };

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_TRUE(sends(card, card->kick[TX]));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.ret, 8);
	EXPECT_EQ(w.value, 1u);
	EXPECT_EQ(efd_count(card->kick[TX]), 0);
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
}

/* "Edge-triggered epoll. IN: one event per write, also non-zero to non-zero" */
TEST_F(vhost, each_call_is_an_edge)
{
	struct card *card = &self->card;
	int ep = watch(card->call[TX], EPOLLIN | EPOLLET);
	int i;

	ASSERT_GE(ep, 0);
	for (i = 1; i <= 5; i++) {
		EXPECT_EQ(watched(ep, 0), 0);
		ASSERT_TRUE(sends(card, card->kick[TX]));
		EXPECT_EQ(watched(ep, WAIT_MS), EPOLLIN);
	}
	EXPECT_EQ(watched(ep, QUIET_MS), 0);
	EXPECT_EQ(efd_count(card->call[TX]), 5);
	close(ep);
}

TEST_F(vhost, a_call_eventfd_can_be_replaced)
{
	struct card *card = &self->card;
	int other = efd_create(0, variant->flags);
	int i;

	for (i = 1; i <= 10; i++) {
		ASSERT_TRUE(sends(card, card->kick[TX]));
		ASSERT_TRUE(eventually(efd_count(card->call[TX]) == i));
		ASSERT_EQ(set_call(card, TX, other), 0);
		ASSERT_TRUE(sends(card, card->kick[TX]));
		ASSERT_TRUE(eventually(efd_count(other) == i));
		ASSERT_EQ(set_call(card, TX, card->call[TX]), 0);
	}
	EXPECT_TRUE(efd_stays(card->call[TX], 10));
	EXPECT_EQ(efd_count(other), 10);
	close(other);
}

TEST_F(vhost, a_kick_eventfd_can_be_replaced)
{
	struct card *card = &self->card;
	int other = efd_create(0, variant->flags);
	uint16_t used;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(sends(card, card->kick[TX]));
		efd_drain(card->kick[TX]);
		ASSERT_EQ(set_kick(card, TX, other), 0);
		/* the old one is nothing to the card */
		used = virtq_used(&card->vq[TX]);
		ASSERT_TRUE(does_not_send(card, card->kick[TX]));
		ASSERT_EQ(efd_write(other, 1), 8);
		ASSERT_TRUE(eventually(virtq_used(&card->vq[TX]) == used + 1));
		efd_drain(other);
		efd_drain(card->kick[TX]);
		ASSERT_EQ(set_kick(card, TX, card->kick[TX]), 0);
	}
	EXPECT_TRUE(efd_counts(card->call[TX], 10));
	close(other);
}

TEST_F(vhost, a_count_that_is_there_before_kicks_at_once)
{
	struct card *card = &self->card;
	int other = efd_create(3, variant->flags);

	virtq_add_frame(&card->vq[TX]);
	ASSERT_EQ(set_kick(card, TX, other), 0);
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	EXPECT_EQ(efd_count(other), 3);
	close(other);
}

TEST_F(vhost, minus_one_detaches)
{
	struct card *card = &self->card;
	int err = efd_create(0, variant->flags);

	ASSERT_EQ(set_err(card, TX, err), 0);
	ASSERT_EQ(set_call(card, TX, VHOST_FILE_UNBIND), 0);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_stays(card->call[TX], 0));
	/* and once more, of what is not there */
	EXPECT_EQ(set_call(card, TX, VHOST_FILE_UNBIND), 0);

	ASSERT_EQ(set_kick(card, TX, VHOST_FILE_UNBIND), 0);
	EXPECT_TRUE(does_not_send(card, card->kick[TX]));
	EXPECT_EQ(set_kick(card, TX, VHOST_FILE_UNBIND), 0);

	ASSERT_EQ(set_err(card, TX, VHOST_FILE_UNBIND), 0);
	EXPECT_EQ(set_err(card, TX, VHOST_FILE_UNBIND), 0);
	/* what was published while there was no kick, and a bad one */
	virtq_publish(&card->vq[TX], VIRTQ_SIZE);
	ASSERT_EQ(set_call(card, TX, card->call[TX]), 0);
	ASSERT_EQ(set_kick(card, TX, card->kick[TX]), 0);
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	EXPECT_EQ(efd_count(err), 0);
	close(err);
}

/* The card holds the file, not the number. */
TEST_F(vhost, a_closed_number_still_kicks_through_another)
{
	struct card *card = &self->card;
	int kick = dup(card->kick[TX]), call = dup(card->call[TX]);

	close(card->kick[TX]);
	close(card->call[TX]);
	ASSERT_TRUE(sends(card, kick));
	EXPECT_TRUE(efd_counts(call, 1));
	card->kick[TX] = kick;
	card->call[TX] = call;
}

/*
 * The file of a kick lives as long as the card polls it, so there is no EPOLLHUP; that of a
 * call does not, and signals go to a context that nobody can read.
 */
TEST_F(vhost, eventfds_may_be_closed_while_in_use)
{
	struct card *card = &self->card;
	int kick_watch = watch(card->kick[TX], EPOLLIN);
	int call_watch = watch(card->call[TX], EPOLLIN);
	int other = efd_create(0, variant->flags);
	int call = efd_create(0, variant->flags);

	ASSERT_TRUE(sends(card, card->kick[TX]));
	close(card->kick[TX]);
	close(card->call[TX]);
	EXPECT_EQ(nr_watched(kick_watch), 1);
	EXPECT_TRUE(eventually(!nr_watched(call_watch)));
	ASSERT_EQ(set_kick(card, TX, other), 0);
	EXPECT_TRUE(eventually(!nr_watched(kick_watch)));
	/* called into the void */
	ASSERT_TRUE(sends(card, other));
	ASSERT_EQ(set_call(card, TX, call), 0);
	ASSERT_TRUE(sends(card, other));
	EXPECT_TRUE(eventually(efd_count(call) >= 1));
	card->kick[TX] = other;
	card->call[TX] = call;
	close(kick_watch);
	close(call_watch);
}

TEST_F(vhost, eventfds_outlive_the_card)
{
	struct card *card = &self->card;
	int ep = watch(card->kick[TX], EPOLLIN | EPOLLET);

	ASSERT_TRUE(sends(card, card->kick[TX]));
	ASSERT_TRUE(efd_counts(card->call[TX], 1));
	close(card->dev);
	card->dev = -1;
	EXPECT_EQ(efd_write(card->kick[TX], 1), 8);
	EXPECT_EQ(efd_count(card->kick[TX]), 2);
	EXPECT_EQ(efd_write(card->call[TX], 1), 8);
	EXPECT_EQ(efd_drain(card->call[TX]), 2);
	/* the card has let go of the file */
	close(card->kick[TX]);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	card->kick[TX] = ep;
}

TEST_F(vhost, two_rings_share_a_call)
{
	struct card *card = &self->card;
	int i;

	ASSERT_EQ(set_call(card, RX, card->call[TX]), 0);
	for (i = 1; i <= 3; i++) {
		add_rx_buffer(card);
		ASSERT_EQ(packet_in(card), 6);
		ASSERT_TRUE(eventually(virtq_used(&card->vq[RX]) == i));
		ASSERT_TRUE(sends(card, card->kick[TX]));
	}
	EXPECT_TRUE(efd_counts(card->call[TX], 6));
	/* one leaves, the other stays */
	ASSERT_EQ(set_call(card, RX, VHOST_FILE_UNBIND), 0);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 7));
}

TEST_F(vhost, two_rings_share_a_kick)
{
	struct card *card = &self->card;

	ASSERT_EQ(set_kick(card, RX, card->kick[TX]), 0);
	ASSERT_EQ(packet_in(card), 6);
	ASSERT_TRUE(card_settled(card));
	ASSERT_EQ(efd_count(card->call[RX]), 0);
	add_rx_buffer(card);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	EXPECT_TRUE(efd_counts(card->call[RX], 1));
	EXPECT_EQ(efd_count(card->kick[TX]), 1);
	ASSERT_EQ(set_kick(card, RX, VHOST_FILE_UNBIND), 0);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 2));
}

/* The signal of a call kicks the same ring, and finds nothing to do there. */
TEST_F(vhost, a_ring_may_call_its_own_kick)
{
	struct card *card = &self->card;

	ASSERT_EQ(set_call(card, TX, card->kick[TX]), 0);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->kick[TX], 2));
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->kick[TX], 4));
}

TEST_F(vhost, the_call_of_a_ring_kicks_another)
{
	struct card *card = &self->card;

	ASSERT_EQ(set_call(card, TX, card->kick[RX]), 0);
	ASSERT_EQ(packet_in(card), 6);
	ASSERT_TRUE(card_settled(card));
	ASSERT_EQ(efd_count(card->call[RX]), 0);
	add_rx_buffer(card);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->kick[RX], 1));
	EXPECT_TRUE(efd_counts(card->call[RX], 1));
}

/* "adds and saturates at ULLONG_MAX" */
TEST_F(vhost, calls_overflow_and_a_full_eventfd_is_no_kick)
{
	struct card *card = &self->card;
	int other = efd_create(0, variant->flags);

	ASSERT_TRUE(efd_overflow(card->call[TX], sends(card, card->kick[TX])));
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_stays(card->call[TX], -1));
	/* POLLERR is not polled, and leaves a card that has no kick */
	EXPECT_EQ(set_kick(card, TX, card->call[TX]), -EINVAL);
	EXPECT_EQ(set_kick(card, TX, other), 0);
	ASSERT_TRUE(sends(card, other));
	EXPECT_TRUE(efd_is_saturated(card->call[TX], variant->flags));
	close(other);
}

TEST_F(vhost, a_bad_head_signals_the_error)
{
	struct card *card = &self->card;
	int err = efd_create(0, variant->flags);
	int i;

	ASSERT_EQ(set_err(card, TX, err), 0);
	virtq_publish(&card->vq[TX], VIRTQ_SIZE);
	/* it is never taken, so each kick finds it again */
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(efd_write(card->kick[TX], 1), 8);
		ASSERT_TRUE(eventually(efd_count(err) == i));
	}
	EXPECT_TRUE(efd_stays(err, 5));
	EXPECT_EQ(efd_count(card->call[TX]), 0);
	/* another to tell, and a ring that is mended */
	ASSERT_EQ(set_err(card, TX, card->call[RX]), 0);
	ASSERT_EQ(efd_write(card->kick[TX], 1), 8);
	EXPECT_TRUE(efd_counts(card->call[RX], 1));
	EXPECT_EQ(efd_count(err), 5);
	card->vq[TX].avail.idx--;
	ASSERT_EQ(set_backend(card, TX, -1), 0);
	ASSERT_EQ(vring_state(card->dev, VHOST_SET_VRING_BASE, TX, 0), 0);
	ASSERT_EQ(set_backend(card, TX, card->tap), 0);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	close(err);
}

TEST_F(vhost, an_address_outside_memory_signals_the_error_to_a_reader)
{
	struct card *card = &self->card;
	struct worker w = { .fd = efd_create(0, variant->flags) };

	ASSERT_EQ(set_err(card, TX, w.fd), 0);
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	card->vq[TX].desc[0] = (struct vring_desc){ .addr = 4096, .len = FRAME_LEN };
	virtq_publish(&card->vq[TX], 0);
	ASSERT_EQ(efd_write(card->kick[TX], 1), 8);
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.ret, 8);
	EXPECT_GE(w.value, 1u);
	EXPECT_EQ(efd_count(card->call[TX]), 0);
	close(w.fd);
}

/* Error and call are one eventfd: a signal is a signal. */
TEST_F(vhost, an_error_adds_to_the_calls)
{
	struct card *card = &self->card;

	ASSERT_EQ(set_err(card, TX, card->call[TX]), 0);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	ASSERT_TRUE(eventually(efd_count(card->call[TX]) == 1));
	ASSERT_TRUE(card_settled(card));
	virtq_publish(&card->vq[TX], VIRTQ_SIZE + 1);
	ASSERT_EQ(efd_write(card->kick[TX], 1), 8);
	EXPECT_TRUE(efd_counts(card->call[TX], 2));
}

/* With the writes to the used ring logged, each is told by the log's eventfd. */
TEST_F(vhost, writes_to_the_ring_signal_the_log)
{
	struct card *card = &self->card;
	int log_fd = efd_create(0, variant->flags);
	uint64_t bits[16] = {};
	uint64_t base = (uintptr_t)bits;
	struct worker w = { .fd = log_fd };

	ASSERT_EQ(set_backend(card, TX, -1), 0);
	ASSERT_EQ(RET(ioctl(card->dev, VHOST_SET_LOG_BASE, &base)), 0);
	/* page 1 of what the driver calls its memory */
	ASSERT_EQ(vring_setup(card->dev, TX, &card->vq[TX], 4096), 0);
	ASSERT_EQ(set_log_fd(card, log_fd), 0);
	ASSERT_EQ(set_backend(card, TX, card->tap), 0);
	EXPECT_TRUE(eventually(efd_count(log_fd) > 0));
	ASSERT_TRUE(card_settled(card));
	efd_drain(log_fd);
	EXPECT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	bits[0] = 0;
	ASSERT_TRUE(sends(card, card->kick[TX]));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.ret, 8);
	EXPECT_TRUE(eventually(*(volatile uint64_t *)bits & 2));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));

	ASSERT_EQ(set_log_fd(card, VHOST_FILE_UNBIND), 0);
	efd_drain(log_fd);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_stays(log_fd, 0));
	close(log_fd);
}

/* "close races a kernel holder": eventfds come and go while others write to them */
TEST_F(vhost, eventfds_are_swapped_under_fire)
{
	struct card *card = &self->card;
	struct worker w = { .arg = card->kick };
	int i, added = 0;

	ASSERT_TRUE(worker_start(&w, kick_two));
	for (i = 0; i < 200; i++) {
		if ((uint16_t)(added - virtq_used(&card->vq[TX])) < VIRTQ_SIZE) {
			virtq_add_frame(&card->vq[TX]);
			added++;
		}
		EXPECT_EQ(set_kick(card, TX, card->kick[i % 2]), 0);
		EXPECT_EQ(set_call(card, TX, i % 3 ? card->call[i % 2] : VHOST_FILE_UNBIND), 0);
		if (!(i % 16)) {
			EXPECT_EQ(set_kick(card, TX, VHOST_FILE_UNBIND), 0);
		}
	}
	EXPECT_TRUE(eventually(virtq_used(&card->vq[TX]) == (uint16_t)added));
	ASSERT_TRUE(kick_two_end(&w));
	ASSERT_EQ(set_kick(card, TX, card->kick[TX]), 0);
	ASSERT_EQ(set_call(card, TX, card->call[TX]), 0);
	ASSERT_TRUE(card_settled(card));
	efd_drain(card->call[TX]);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
}

/* Card and kicks end at the same time. */
TEST_F(vhost, a_card_is_closed_under_fire)
{
	struct card *card = &self->card;
	struct worker w = { .arg = card->kick };
	int i;

	ASSERT_TRUE(worker_start(&w, kick_two));
	for (i = 0; i < 20; i++) {
		close(card->dev);
		card->dev = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
		memset(card->vq, 0, virtqs_bytes(NR_RINGS));
		ASSERT_EQ(card_setup(card), 0);
		ASSERT_EQ(set_kick(card, TX, card->kick[TX]), 0);
		ASSERT_EQ(set_kick(card, RX, card->kick[RX]), 0);
		ASSERT_EQ(set_call(card, TX, card->call[TX]), 0);
		ASSERT_EQ(card_run(card), 0);
		virtq_add_frame(&card->vq[TX]);
	}
	EXPECT_TRUE(eventually(virtq_used(&card->vq[TX]) == 1));
	ASSERT_TRUE(kick_two_end(&w));
}

/* "a non-eventfd descriptor handed to KVM, vhost, VFIO, aio, io_uring" */
TEST_F(vhost, wrong_descriptors_are_refused_and_change_nothing)
{
	struct card *card = &self->card;
	int err = efd_create(0, variant->flags);

	ASSERT_EQ(set_err(card, TX, err), 0);
	EXPECT_STREQ("", refuses_wrong_fds(-2, set_kick(card, TX, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, set_call(card, TX, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, set_err(card, TX, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, set_log_fd(card, fd)));
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	ASSERT_TRUE(card_settled(card));
	virtq_publish(&card->vq[TX], VIRTQ_SIZE);
	ASSERT_EQ(efd_write(card->kick[TX], 1), 8);
	EXPECT_TRUE(efd_counts(err, 1));
	close(err);
}

/* What is given again is the same one: nothing is held twice, and nothing is kicked anew. */
TEST_F(vhost, the_same_eventfd_may_be_set_again)
{
	struct card *card = &self->card;
	int ep = watch(card->kick[TX], EPOLLIN);
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(set_kick(card, TX, card->kick[TX]), 0);
		ASSERT_EQ(set_call(card, TX, card->call[TX]), 0);
	}
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
	ASSERT_EQ(set_kick(card, TX, VHOST_FILE_UNBIND), 0);
	close(card->kick[TX]);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	card->kick[TX] = ep;
}

TEST_F(vhost, an_eventfd_is_no_backend)
{
	struct card *card = &self->card;
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(set_backend(card, TX, card->kick[TX]), -ENOTSOCK);
		ASSERT_EQ(set_backend(card, TX, 1000), -ENOTSOCK);
	}
	EXPECT_EQ(set_kick(card, TX, card->tap), -EINVAL);
	EXPECT_EQ(set_kick(card, TX, card->dev), -EINVAL);
	ASSERT_TRUE(sends(card, card->kick[TX]));
	EXPECT_TRUE(efd_counts(card->call[TX], 1));
}

TEST_F(vhost, a_ring_that_is_not_there_takes_no_eventfd)
{
	struct card *card = &self->card;

	EXPECT_EQ(set_kick(card, NR_RINGS, card->kick[TX]), -ENOBUFS);
	EXPECT_EQ(set_call(card, NR_RINGS, card->call[TX]), -ENOBUFS);
	EXPECT_EQ(set_err(card, NR_RINGS, card->call[TX]), -ENOBUFS);
	EXPECT_EQ(set_backend(card, NR_RINGS, card->tap), -ENOBUFS);
	EXPECT_EQ(RET(ioctl(card->dev, VHOST_SET_VRING_KICK, NULL)), -EFAULT);
	EXPECT_EQ(RET(ioctl(card->dev, VHOST_SET_LOG_FD, NULL)), -EFAULT);
}

TEST(a_card_without_an_owner_takes_no_eventfd)
{
	struct card card = { .dev = RET(open("/dev/vhost-net", O_RDWR | O_CLOEXEC)) };
	int fd = efd_create(0, 0);

	if (card.dev == -ENOENT)
		SKIP(return, "needs /dev/vhost-net");
	ASSERT_GE(card.dev, 0);
	EXPECT_EQ(set_kick(&card, TX, fd), -EPERM);
	EXPECT_EQ(set_call(&card, TX, fd), -EPERM);
	EXPECT_EQ(set_err(&card, TX, fd), -EPERM);
	EXPECT_EQ(set_log_fd(&card, fd), -EPERM);
	close(card.dev);
	close(fd);
}

TEST_HARNESS_MAIN
