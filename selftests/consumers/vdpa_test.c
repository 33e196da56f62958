// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-vdpa: a simulated network card gives back what it is sent. There is no
 * vhost worker: the device's own kick handler runs inside the eventfd's wakeup, and its
 * calls are signalled with bottom halves off.
 */
#include "vdpa.h"

enum { RX, TX, NR_RINGS };

struct sim {
	char name[32];
	int dev;
	struct virtq *vq;
	int kick[NR_RINGS], call[NR_RINGS];
};

/* From SET_OWNER to a card that runs. */
static int sim_start(struct sim *sim)
{
	int ret, i;

	ret = vdpa_init(sim->dev) ?: vdpa_map(sim->dev, sim->vq, virtqs_bytes(NR_RINGS));
	for (i = 0; i < NR_RINGS; i++) {
		ret = ret ?: vring_setup(sim->dev, i, &sim->vq[i], 0);
		ret = ret ?: vdpa_set_kick(sim->dev, i, sim->kick[i]);
		ret = ret ?: vdpa_set_call(sim->dev, i, sim->call[i]);
		ret = ret ?: vdpa_enable(sim->dev, i);
	}
	return ret ?: vdpa_run(sim->dev);
}

/* A card of its own for each test, named @id: 0 or -errno. */
static int sim_create(struct sim *sim, const char *id, int flags)
{
	int ret, i;

	snprintf(sim->name, sizeof(sim->name), "efd-%s-%d", id, getpid());
	ret = vdpa_new("vdpasim_net", sim->name);
	if (ret)
		return ret;
	sim->dev = vdpa_open(sim->name);
	sim->vq = virtqs_create(NR_RINGS);
	for (i = 0; i < NR_RINGS; i++) {
		sim->kick[i] = efd_create(0, flags);
		sim->call[i] = efd_create(0, flags);
	}
	return sim->dev < 0 ? sim->dev : sim_start(sim);
}

static int sim_destroy(struct sim *sim)
{
	int i;

	close(sim->dev);
	for (i = 0; i < NR_RINGS; i++) {
		close(sim->kick[i]);
		close(sim->call[i]);
	}
	munmap(sim->vq, virtqs_bytes(NR_RINGS));
	return vdpa_del(sim->name);
}

/* A frame to send, and room for it to come back. */
static void add_frame(struct sim *sim)
{
	virtq_add(&sim->vq[RX], VIRTQ_BUF, VRING_DESC_F_WRITE);
	virtq_add_frame(&sim->vq[TX]);
}

static bool sends(struct sim *sim, int kick)
{
	uint16_t used = virtq_used(&sim->vq[RX]) + 1;

	add_frame(sim);
	return efd_write(kick, 1) == 8 && eventually(virtq_used(&sim->vq[RX]) == used);
}

/*
 * Returns when the card is not at work. It takes what it finds until it ends, kicked or not,
 * and tells its status only then.
 */
static bool sim_settled(struct sim *sim)
{
	uint8_t status;

	return !ioctl(sim->dev, VHOST_VDPA_GET_STATUS, &status);
}

static bool does_not_send(struct sim *sim, int kick)
{
	uint16_t used = virtq_used(&sim->vq[TX]);

	if (!sim_settled(sim))
		return false;
	add_frame(sim);
	if (efd_write(kick, 1) != 8)
		return false;
	sleep_ms(QUIET_MS);
	return virtq_used(&sim->vq[TX]) == used;
}

FIXTURE(vdpa)
{
	struct sim sim;
};
EFD_BLOCKING_VARIANTS(vdpa);

FIXTURE_SETUP(vdpa)
{
	int ret = sim_create(&self->sim, "a", variant->flags);

	if (ret == -ENOENT || ret == -ENODEV)
		SKIP(return, "needs the vdpa_sim_net simulator");
	ASSERT_EQ(ret, 0);
}

FIXTURE_TEARDOWN(vdpa)
{
	EXPECT_EQ(sim_destroy(&self->sim), 0);
}

TEST_F(vdpa, n_kicks_give_n_calls_and_are_not_drained)
{
	struct sim *sim = &self->sim;
	int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_TRUE(sends(sim, sim->kick[TX]));
		ASSERT_TRUE(eventually(efd_count(sim->call[TX]) == i));
		ASSERT_TRUE(eventually(efd_count(sim->call[RX]) == i));
		EXPECT_EQ(efd_count(sim->kick[TX]), i);
	}
	EXPECT_TRUE(efd_stays(sim->call[TX], 5));
	EXPECT_EQ(efd_count(sim->call[RX]), 5);
	EXPECT_EQ(efd_count(sim->kick[RX]), 0);
}

/* Each buffer is called for, as the simulator does it; in fives, and then it schedules itself. */
TEST_F(vdpa, one_kick_gives_as_many_calls_as_buffers)
{
	struct sim *sim = &self->sim;
	int i;

	for (i = 0; i < VIRTQ_SIZE; i++)
		add_frame(sim);
	ASSERT_TRUE(efd_stays(sim->call[TX], 0));
	ASSERT_EQ(efd_write(sim->kick[TX], 7), 8);
	EXPECT_TRUE(efd_counts(sim->call[TX], VIRTQ_SIZE));
	EXPECT_EQ(efd_count(sim->call[RX]), VIRTQ_SIZE);
	EXPECT_EQ(efd_count(sim->kick[TX]), 7);
}

/*
 * "Every write wakes all pollers with EPOLLIN, zero writes and writes to a non-zero counter
 * included"
 */
TEST_F(vdpa, a_write_of_zero_is_a_kick)
{
	struct sim *sim = &self->sim;

	add_frame(sim);
	ASSERT_EQ(efd_write(sim->kick[TX], 0), 8);
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));
	EXPECT_EQ(efd_count(sim->kick[TX]), 0);
}

/* "every successful read with EPOLLOUT" */
TEST_F(vdpa, a_read_is_no_kick)
{
	struct sim *sim = &self->sim;
	uint64_t value;

	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	ASSERT_TRUE(sim_settled(sim));
	add_frame(sim);
	ASSERT_EQ(efd_read(sim->kick[TX], &value), 8);
	EXPECT_TRUE(efd_stays(sim->call[TX], 1));
}

TEST_F(vdpa, thousands_of_kicks_lose_nothing)
{
	struct sim *sim = &self->sim;
	uint64_t end = now_ms() + WAIT_MS;
	int added = 0, kicks = 0;

	while (kicks < 5000 && now_ms() < end) {
		/* the buffer to receive into comes first, so what is received is what is free */
		if ((uint16_t)(added - virtq_used(&sim->vq[RX])) < VIRTQ_SIZE) {
			add_frame(sim);
			added++;
		}
		ASSERT_EQ(efd_write(sim->kick[TX], 1), 8);
		kicks++;
	}
	EXPECT_TRUE(eventually(virtq_used(&sim->vq[RX]) == (uint16_t)added));
	EXPECT_TRUE(efd_counts(sim->call[TX], added));
	EXPECT_EQ(efd_count(sim->call[RX]), added);
	EXPECT_EQ(efd_count(sim->kick[TX]), kicks);
}

TEST_F(vdpa, a_call_wakes_a_blocked_reader)
{
	struct sim *sim = &self->sim;
	struct worker w = { .fd = sim->call[RX] };

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.ret, 8);
	EXPECT_EQ(w.value, 1u);
	EXPECT_TRUE(efd_stays(sim->call[RX], 0));
}

/* "Edge-triggered epoll. IN: one event per write, also non-zero to non-zero" */
TEST_F(vdpa, each_call_is_an_edge)
{
	struct sim *sim = &self->sim;
	int ep = watch(sim->call[TX], EPOLLIN | EPOLLET);
	int i;

	ASSERT_GE(ep, 0);
	for (i = 1; i <= 5; i++) {
		EXPECT_EQ(watched(ep, 0), 0);
		ASSERT_TRUE(sends(sim, sim->kick[TX]));
		EXPECT_EQ(watched(ep, WAIT_MS), EPOLLIN);
	}
	EXPECT_EQ(watched(ep, QUIET_MS), 0);
	close(ep);
}

TEST_F(vdpa, a_count_that_is_there_before_kicks_at_once)
{
	struct sim *sim = &self->sim;
	int other = efd_create(3, variant->flags);

	add_frame(sim);
	ASSERT_EQ(vdpa_set_kick(sim->dev, TX, other), 0);
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));
	EXPECT_EQ(efd_count(other), 3);
	close(other);
}

TEST_F(vdpa, kick_and_call_can_be_replaced)
{
	struct sim *sim = &self->sim;
	int kick = efd_create(0, variant->flags), call = efd_create(0, variant->flags);
	int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_TRUE(sends(sim, sim->kick[TX]));
		ASSERT_TRUE(eventually(efd_count(sim->call[TX]) == i));
		efd_drain(sim->kick[TX]);
		ASSERT_EQ(vdpa_set_kick(sim->dev, TX, kick), 0);
		ASSERT_EQ(vdpa_set_call(sim->dev, TX, call), 0);
		/* the old one is nothing to the card */
		ASSERT_TRUE(does_not_send(sim, sim->kick[TX]));
		ASSERT_EQ(efd_write(kick, 1), 8);
		ASSERT_TRUE(eventually(efd_count(call) == i));
		efd_drain(sim->kick[TX]);
		efd_drain(kick);
		ASSERT_EQ(vdpa_set_kick(sim->dev, TX, sim->kick[TX]), 0);
		ASSERT_EQ(vdpa_set_call(sim->dev, TX, sim->call[TX]), 0);
	}
	EXPECT_TRUE(efd_stays(sim->call[TX], 5));
	EXPECT_EQ(efd_count(call), 5);
	EXPECT_EQ(efd_count(sim->call[RX]), 10);
	close(kick);
	close(call);
}

TEST_F(vdpa, minus_one_detaches)
{
	struct sim *sim = &self->sim;

	ASSERT_EQ(vdpa_set_call(sim->dev, TX, VHOST_FILE_UNBIND), 0);
	EXPECT_EQ(vdpa_set_call(sim->dev, TX, VHOST_FILE_UNBIND), 0);
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[RX], 1));
	EXPECT_EQ(efd_count(sim->call[TX]), 0);
	ASSERT_EQ(vdpa_set_kick(sim->dev, TX, VHOST_FILE_UNBIND), 0);
	EXPECT_EQ(vdpa_set_kick(sim->dev, TX, VHOST_FILE_UNBIND), 0);
	EXPECT_TRUE(does_not_send(sim, sim->kick[TX]));
	ASSERT_EQ(vdpa_set_call(sim->dev, TX, sim->call[TX]), 0);
	/* what was written meanwhile counts now */
	ASSERT_EQ(vdpa_set_kick(sim->dev, TX, sim->kick[TX]), 0);
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));
}

TEST_F(vdpa, eventfds_may_be_closed_while_in_use)
{
	struct sim *sim = &self->sim;
	int ep = watch(sim->kick[TX], EPOLLIN);
	int other = efd_create(0, variant->flags);
	int kick = dup(sim->kick[TX]);

	close(sim->kick[TX]);
	close(sim->call[TX]);
	ASSERT_TRUE(sends(sim, kick));
	close(kick);
	EXPECT_EQ(nr_watched(ep), 1);
	ASSERT_EQ(vdpa_set_kick(sim->dev, TX, other), 0);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	ASSERT_TRUE(sends(sim, other));
	EXPECT_TRUE(efd_counts(sim->call[RX], 2));
	sim->kick[TX] = other;
	sim->call[TX] = ep;
}

TEST_F(vdpa, eventfds_outlive_the_device)
{
	struct sim *sim = &self->sim;
	int ep = watch(sim->kick[TX], EPOLLIN);

	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	ASSERT_TRUE(efd_counts(sim->call[TX], 1));
	close(sim->dev);
	EXPECT_EQ(efd_write(sim->kick[TX], 1), 8);
	EXPECT_EQ(efd_count(sim->kick[TX]), 2);
	EXPECT_EQ(efd_write(sim->call[TX], 1), 8);
	EXPECT_EQ(efd_drain(sim->call[TX]), 2);
	close(sim->kick[TX]);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	sim->kick[TX] = ep;
	/* another driver of the same device, with eventfds of its own */
	memset(sim->vq, 0, virtqs_bytes(NR_RINGS));
	sim->dev = vdpa_open(sim->name);
	ASSERT_GE(sim->dev, 0);
	sim->kick[TX] = efd_create(0, variant->flags);
	efd_drain(sim->call[RX]);
	ASSERT_EQ(sim_start(sim), 0);
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));
	close(ep);
}

TEST_F(vdpa, two_rings_share_a_call)
{
	struct sim *sim = &self->sim;

	ASSERT_EQ(vdpa_set_call(sim->dev, RX, sim->call[TX]), 0);
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[TX], 2));
}

TEST_F(vdpa, two_rings_share_a_kick)
{
	struct sim *sim = &self->sim;

	ASSERT_EQ(vdpa_set_kick(sim->dev, RX, sim->kick[TX]), 0);
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));
	EXPECT_EQ(efd_count(sim->kick[TX]), 1);
	ASSERT_EQ(vdpa_set_kick(sim->dev, TX, VHOST_FILE_UNBIND), 0);
	/* any ring will do: the simulator looks at all of them */
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[TX], 2));
}

/* The kick handler runs inside a wakeup that is itself a kernel signal of the same device. */
TEST_F(vdpa, a_ring_may_call_its_own_kick)
{
	struct sim *sim = &self->sim;

	ASSERT_EQ(vdpa_set_call(sim->dev, TX, sim->kick[TX]), 0);
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->kick[TX], 2));
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->kick[TX], 4));
}

/* Two devices, each the other's driver: what one has sent makes the other send. */
TEST_F(vdpa, the_calls_of_two_devices_kick_each_other)
{
	struct sim *a = &self->sim, b = {};
	int i;

	ASSERT_EQ(sim_create(&b, "b", variant->flags), 0);
	ASSERT_EQ(vdpa_set_call(a->dev, TX, b.kick[TX]), 0);
	ASSERT_EQ(vdpa_set_call(b.dev, TX, a->kick[TX]), 0);
	for (i = 1; i <= 5; i++) {
		add_frame(&b);
		ASSERT_TRUE(sends(a, a->kick[TX]));
		ASSERT_TRUE(eventually(virtq_used(&b.vq[RX]) == i));
		ASSERT_TRUE(eventually(efd_count(b.kick[TX]) == i));
		ASSERT_TRUE(eventually(efd_count(a->kick[TX]) == 2 * i));
	}
	EXPECT_TRUE(efd_stays(a->kick[TX], 10));
	EXPECT_EQ(efd_count(b.kick[TX]), 5);
	EXPECT_EQ(sim_destroy(&b), 0);
}

/* "adds and saturates at ULLONG_MAX" */
TEST_F(vdpa, calls_overflow_and_a_full_eventfd_is_no_kick)
{
	struct sim *sim = &self->sim;
	int other = efd_create(0, variant->flags);

	ASSERT_TRUE(efd_overflow(sim->call[TX], sends(sim, sim->kick[TX])));
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_stays(sim->call[TX], -1));
	EXPECT_EQ(vdpa_set_kick(sim->dev, TX, sim->call[TX]), -EINVAL);
	EXPECT_EQ(vdpa_set_kick(sim->dev, TX, other), 0);
	ASSERT_TRUE(sends(sim, other));
	EXPECT_TRUE(efd_is_saturated(sim->call[TX], variant->flags));
	close(other);
}

/*
 * Handlers come and go while others write. Only of kicks: 6.12 itself swaps the call of
 * a vhost-vdpa ring without a lock against the device that signals it.
 */
TEST_F(vdpa, kicks_are_swapped_under_fire)
{
	struct sim *sim = &self->sim;
	struct worker w = { .arg = sim->kick };
	int i, added = 0;

	ASSERT_TRUE(worker_start(&w, kick_two));
	for (i = 0; i < 200; i++) {
		if ((uint16_t)(added - virtq_used(&sim->vq[RX])) < VIRTQ_SIZE) {
			add_frame(sim);
			added++;
		}
		EXPECT_EQ(vdpa_set_kick(sim->dev, TX, sim->kick[i % 2]), 0);
		if (!(i % 16)) {
			EXPECT_EQ(vdpa_set_kick(sim->dev, TX, VHOST_FILE_UNBIND), 0);
		}
	}
	EXPECT_TRUE(eventually(virtq_used(&sim->vq[RX]) == (uint16_t)added));
	ASSERT_TRUE(kick_two_end(&w));
	EXPECT_TRUE(efd_counts(sim->call[TX], added));
	EXPECT_EQ(efd_count(sim->call[RX]), added);
}

/* The simulator has no config interrupts, but its eventfd is taken and given back. */
TEST_F(vdpa, a_config_call_is_held_and_let_go)
{
	struct sim *sim = &self->sim;
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(vdpa_set_config_call(sim->dev, sim->kick[RX]), 0);
		ASSERT_EQ(vdpa_set_config_call(sim->dev, sim->call[RX]), 0);
		if (i % 2) {
			ASSERT_EQ(vdpa_set_config_call(sim->dev, VHOST_FILE_UNBIND), 0);
		}
	}
	EXPECT_EQ(vdpa_set_config_call(sim->dev, sim->kick[RX]), 0);
	/* the context is held, the file is not */
	close(sim->kick[RX]);
	sim->kick[RX] = -1;
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));
	EXPECT_EQ(efd_count(sim->call[RX]), 1);
}

/* "a non-eventfd descriptor handed to KVM, vhost, VFIO, aio, io_uring" */
TEST_F(vdpa, wrong_descriptors_are_refused_and_change_nothing)
{
	struct sim *sim = &self->sim;
	int log = sim->call[RX];

	EXPECT_STREQ("", refuses_wrong_fds(-2, vdpa_set_kick(sim->dev, TX, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, vdpa_set_call(sim->dev, TX, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, vring_fd(sim->dev, VHOST_SET_VRING_ERR, TX, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, vdpa_set_config_call(sim->dev, fd)));
	ASSERT_TRUE(sends(sim, sim->kick[TX]));
	EXPECT_TRUE(efd_counts(sim->call[TX], 1));

	EXPECT_EQ(vdpa_set_kick(sim->dev, 3, sim->kick[TX]), -ENOBUFS);
	EXPECT_EQ(vdpa_set_call(sim->dev, 3, sim->call[TX]), -ENOBUFS);
	EXPECT_EQ(RET(ioctl(sim->dev, VHOST_VDPA_SET_CONFIG_CALL, NULL)), -EFAULT);
	EXPECT_EQ(RET(ioctl(sim->dev, VHOST_SET_VRING_KICK, NULL)), -EFAULT);
	/* there is no log */
	EXPECT_LT(RET(ioctl(sim->dev, VHOST_SET_LOG_FD, &log)), 0);
}

TEST_HARNESS_MAIN
