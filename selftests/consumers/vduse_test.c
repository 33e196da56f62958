// SPDX-License-Identifier: GPL-2.0
/*
 * VDUSE: a vDPA device that is a program, this one, and driven by vhost-vdpa, from here as
 * well. A write to the driver's kick runs vduse inside the eventfd's wakeup, where it asks
 * eventfd_signal_allowed() and leaves the signal of the program's kickfd to a work item. Interrupts
 * go the other way: the program injects them, and the driver's call eventfd is signalled.
 */
#include "vdpa.h"

#include <linux/vduse.h>

#define NR_RINGS	2

struct soft {
	char name[32];
	/* what makes devices, the program's end and the driver's */
	int control, dev, drv;
	/* the thread that answers the kernel's requests, ended by @stop */
	struct worker daemon;
	int stop;
	struct virtq *vq;
	/* the driver writes @kick, the program reads @kickfd; it injects, the driver reads @call */
	int kick[NR_RINGS], kickfd[NR_RINGS], call[NR_RINGS], config;
};

/* Says yes to whatever the driver does: status and memory. */
static void answer_requests(struct worker *w)
{
	struct soft *soft = w->arg;
	struct pollfd pfd[2] = {
		{ .fd = soft->dev, .events = POLLIN },
		{ .fd = soft->stop, .events = POLLIN },
	};
	struct vduse_dev_request request;

	while (poll(pfd, 2, -1) > 0 && !pfd[1].revents) {
		struct vduse_dev_response response = { .result = VDUSE_REQ_RESULT_OK };

		if (read(soft->dev, &request, sizeof(request)) != sizeof(request))
			continue;
		response.request_id = request.request_id;
		if (request.type == VDUSE_GET_VQ_STATE)
			response.vq_state.index = request.vq_state.index;
		w->ret = RET(write(soft->dev, &response, sizeof(response)));
	}
}

static int setup_kickfd(struct soft *soft, unsigned int index, int fd)
{
	struct vduse_vq_eventfd setup = { .index = index, .fd = fd };

	return RET(ioctl(soft->dev, VDUSE_VQ_SETUP_KICKFD, &setup));
}

static int inject(struct soft *soft, uint32_t index)
{
	return RET(ioctl(soft->dev, VDUSE_VQ_INJECT_IRQ, &index));
}

static int inject_config(struct soft *soft)
{
	return RET(ioctl(soft->dev, VDUSE_DEV_INJECT_CONFIG_IRQ));
}

/* The program's end: a block device, as far as that matters. */
static int soft_create_program(struct soft *soft)
{
	struct {
		struct vduse_dev_config head;
		uint8_t config[64];
	} config = {
		.head = {
			.device_id = VIRTIO_ID_BLOCK,
			.features = VDPA_FEATURES,
			.vq_num = NR_RINGS,
			.vq_align = 4096,
			.config_size = sizeof(config.config),
		},
	};
	uint64_t version = VDUSE_API_VERSION;
	char path[64];
	int ret, i;

	memcpy(config.head.name, soft->name, sizeof(soft->name));
	ret = RET(ioctl(soft->control, VDUSE_SET_API_VERSION, &version)) ?:
	      RET(ioctl(soft->control, VDUSE_CREATE_DEV, &config));
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/vduse/%s", soft->name);
	if (!eventually(!access(path, F_OK)))
		return -ENOENT;
	soft->dev = RET(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
	if (soft->dev < 0)
		return soft->dev;
	for (i = 0; i < NR_RINGS; i++) {
		struct vduse_vq_config setup = { .index = i, .max_size = VIRTQ_SIZE };

		ret = ret ?: RET(ioctl(soft->dev, VDUSE_VQ_SETUP, &setup));
	}
	return ret;
}

/* The driver's end. Opening it resets the device, so the program's kickfds come after that. */
static int soft_start(struct soft *soft)
{
	int ret, i;

	soft->drv = vdpa_open(soft->name);
	if (soft->drv < 0)
		return soft->drv;
	ret = vdpa_init(soft->drv) ?: vdpa_map(soft->drv, soft->vq, virtqs_bytes(NR_RINGS));
	ret = ret ?: vdpa_set_config_call(soft->drv, soft->config);
	for (i = 0; i < NR_RINGS; i++) {
		ret = ret ?: vring_setup(soft->drv, i, &soft->vq[i], 0);
		ret = ret ?: setup_kickfd(soft, i, soft->kickfd[i]);
		ret = ret ?: vdpa_set_kick(soft->drv, i, soft->kick[i]);
		ret = ret ?: vdpa_set_call(soft->drv, i, soft->call[i]);
		ret = ret ?: vdpa_enable(soft->drv, i);
	}
	return ret ?: vdpa_run(soft->drv);
}

static int soft_create(struct soft *soft, int flags)
{
	int ret, i;

	snprintf(soft->name, sizeof(soft->name), "efd-soft-%d", getpid());
	ret = soft_create_program(soft);
	if (ret)
		return ret;
	soft->vq = virtqs_create(NR_RINGS);
	for (i = 0; i < NR_RINGS; i++) {
		soft->kick[i] = efd_create(0, flags);
		soft->kickfd[i] = efd_create(0, flags);
		soft->call[i] = efd_create(0, flags);
	}
	soft->config = efd_create(0, flags);
	soft->stop = efd_create(0, 0);
	soft->daemon.arg = soft;
	if (!worker_start(&soft->daemon, answer_requests))
		return -ETIMEDOUT;
	return vdpa_new("vduse", soft->name) ?: soft_start(soft);
}

static int soft_destroy(struct soft *soft)
{
	char name[VDUSE_NAME_MAX] = {};
	int ret, i;

	close(soft->drv);
	ret = vdpa_del(soft->name);
	efd_write(soft->stop, 1);
	if (!worker_join(&soft->daemon))
		return -ETIMEDOUT;
	close(soft->dev);
	for (i = 0; i < NR_RINGS; i++) {
		close(soft->kick[i]);
		close(soft->kickfd[i]);
		close(soft->call[i]);
	}
	close(soft->config);
	close(soft->stop);
	munmap(soft->vq, virtqs_bytes(NR_RINGS));
	memcpy(name, soft->name, sizeof(soft->name));
	return ret ?: RET(ioctl(soft->control, VDUSE_DESTROY_DEV, name));
}

FIXTURE(vduse)
{
	struct soft soft;
};
EFD_BLOCKING_VARIANTS(vduse);

FIXTURE_SETUP(vduse)
{
	struct soft *soft = &self->soft;

	soft->control = RET(open("/dev/vduse/control", O_RDWR | O_CLOEXEC));
	if (soft->control == -ENOENT)
		SKIP(return, "needs /dev/vduse/control");
	ASSERT_GE(soft->control, 0);
	ASSERT_EQ(soft_create(soft, variant->flags), 0);
}

FIXTURE_TEARDOWN(vduse)
{
	EXPECT_EQ(soft_destroy(&self->soft), 0);
	close(self->soft.control);
}

/* "The guard must be per task": what may not be signalled inside the wakeup comes by a work item */
TEST_F(vduse, a_kick_arrives_through_the_guard)
{
	struct soft *soft = &self->soft;
	int i;

	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[0]) == i));
		/* it is a wakeup, never drained */
		EXPECT_EQ(efd_count(soft->kick[0]), i);
	}
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 10));
	EXPECT_EQ(efd_count(soft->kickfd[1]), 0);
	EXPECT_EQ(efd_count(soft->call[0]), 0);
}

/* Kicks that come while one is on its way are one kick, as the work item is one. */
TEST_F(vduse, a_burst_of_kicks_is_never_lost)
{
	struct soft *soft = &self->soft;
	long long before;
	int i, n;

	for (n = 0; n < 20; n++) {
		before = efd_count(soft->kickfd[0]);
		for (i = 0; i < 50; i++) {
			ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		}
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[0]) > before));
	}
	EXPECT_EQ(efd_count(soft->kick[0]), 1000);
	EXPECT_LE(efd_count(soft->kickfd[0]), 1000);
}

TEST_F(vduse, a_write_of_zero_is_a_kick_and_a_read_is_none)
{
	struct soft *soft = &self->soft;
	uint64_t value;

	ASSERT_EQ(efd_write(soft->kick[0], 0), 8);
	ASSERT_TRUE(efd_counts(soft->kickfd[0], 1));
	ASSERT_EQ(efd_write(soft->kick[0], 5), 8);
	ASSERT_TRUE(efd_counts(soft->kickfd[0], 2));
	ASSERT_EQ(efd_read(soft->kick[0], &value), 8);
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 2));
}

TEST_F(vduse, a_kick_wakes_a_blocked_program)
{
	struct soft *soft = &self->soft;
	struct worker w = { .fd = soft->kickfd[1] };
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
		ASSERT_EQ(efd_write(soft->kick[1], 1), 8);
		ASSERT_TRUE(worker_join(&w));
		EXPECT_EQ(w.ret, 8);
		EXPECT_EQ(w.value, 1u);
	}
	EXPECT_TRUE(efd_stays(soft->kickfd[1], 0));
}

TEST_F(vduse, an_injected_interrupt_calls)
{
	struct soft *soft = &self->soft;
	int i;

	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(inject(soft, 0), 0);
		ASSERT_TRUE(eventually(efd_count(soft->call[0]) == i));
	}
	ASSERT_EQ(inject(soft, 1), 0);
	EXPECT_TRUE(efd_counts(soft->call[1], 1));
	EXPECT_EQ(efd_count(soft->call[0]), 10);
	EXPECT_EQ(inject(soft, NR_RINGS), -EINVAL);
}

TEST_F(vduse, an_injected_interrupt_wakes_a_blocked_driver)
{
	struct soft *soft = &self->soft;
	struct worker w = { .fd = soft->call[0] };

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(inject(soft, 0), 0);
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.ret, 8);
	EXPECT_EQ(w.value, 1u);
}

/* "Edge-triggered epoll. IN: one event per write, also non-zero to non-zero" */
TEST_F(vduse, each_interrupt_and_each_kick_is_an_edge)
{
	struct soft *soft = &self->soft;
	int call = watch(soft->call[0], EPOLLIN | EPOLLET);
	int kickfd = watch(soft->kickfd[0], EPOLLIN | EPOLLET);
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(inject(soft, 0), 0);
		EXPECT_EQ(watched(call, WAIT_MS), EPOLLIN);
		ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		EXPECT_EQ(watched(kickfd, WAIT_MS), EPOLLIN);
	}
	EXPECT_EQ(watched(call, QUIET_MS), 0);
	EXPECT_EQ(watched(kickfd, 0), 0);
	close(call);
	close(kickfd);
}

/* Signalled under a spinlock with interrupts off. */
TEST_F(vduse, a_config_interrupt_calls)
{
	struct soft *soft = &self->soft;
	struct worker w = { .fd = soft->config };
	int other = efd_create(0, variant->flags);
	int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(inject_config(soft), 0);
		ASSERT_TRUE(eventually(efd_count(soft->config) == i));
	}
	efd_drain(soft->config);
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(inject_config(soft), 0);
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(w.value, 1u);

	ASSERT_EQ(vdpa_set_config_call(soft->drv, other), 0);
	ASSERT_EQ(inject_config(soft), 0);
	EXPECT_TRUE(efd_counts(other, 1));
	ASSERT_EQ(vdpa_set_config_call(soft->drv, VHOST_FILE_UNBIND), 0);
	ASSERT_EQ(inject_config(soft), 0);
	EXPECT_TRUE(efd_stays(other, 1));
	EXPECT_EQ(efd_count(soft->config), 0);
	close(other);
}

/* Interrupt, wakeup, guard, work item, kickfd: the call of a ring is its own kick. */
TEST_F(vduse, an_interrupt_that_is_a_kick_arrives_through_the_guard)
{
	struct soft *soft = &self->soft;
	int i;

	ASSERT_EQ(vdpa_set_call(soft->drv, 0, soft->kick[0]), 0);
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(inject(soft, 0), 0);
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[0]) == i));
		EXPECT_EQ(efd_count(soft->kick[0]), i);
	}
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 10));
}

TEST_F(vduse, a_config_interrupt_that_is_a_kick_arrives_through_the_guard)
{
	struct soft *soft = &self->soft;
	int i;

	ASSERT_EQ(vdpa_set_config_call(soft->drv, soft->kick[1]), 0);
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(inject_config(soft), 0);
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[1]) == i));
	}
	EXPECT_EQ(efd_count(soft->kick[1]), 10);
}

/* From ring to ring: the kickfd of one is the kick of the other. */
TEST_F(vduse, a_kick_passes_through_two_rings)
{
	struct soft *soft = &self->soft;
	int i;

	ASSERT_EQ(setup_kickfd(soft, 0, soft->kick[1]), 0);
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[1]) == i));
		EXPECT_EQ(efd_count(soft->kick[1]), i);
	}
	EXPECT_TRUE(efd_stays(soft->kickfd[1], 10));
}

/*
 * A ring whose kickfd is its own kick kicks itself for ever, by a work item each time. It
 * neither locks up nor overflows the stack, and ends when it is told to.
 */
TEST_F(vduse, a_kick_that_kicks_itself_goes_on_until_it_is_detached)
{
	struct soft *soft = &self->soft;
	long long end;

	ASSERT_EQ(setup_kickfd(soft, 0, soft->kick[0]), 0);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(eventually(efd_count(soft->kick[0]) > 100));
	ASSERT_EQ(setup_kickfd(soft, 0, VDUSE_EVENTFD_DEASSIGN), 0);
	end = efd_count(soft->kick[0]);
	EXPECT_TRUE(efd_stays(soft->kick[0], end));
	/* the one that came too late is kept for the next kickfd */
	ASSERT_EQ(setup_kickfd(soft, 0, soft->kickfd[0]), 0);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 1));
	EXPECT_EQ(efd_count(soft->kick[0]), end);
}

TEST_F(vduse, two_rings_that_kick_each_other_go_on_until_one_is_detached)
{
	struct soft *soft = &self->soft;
	long long end[NR_RINGS];

	ASSERT_EQ(setup_kickfd(soft, 0, soft->kick[1]), 0);
	ASSERT_EQ(setup_kickfd(soft, 1, soft->kick[0]), 0);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(eventually(efd_count(soft->kick[0]) > 100));
	ASSERT_EQ(vdpa_set_kick(soft->drv, 0, VHOST_FILE_UNBIND), 0);
	/* what is on its way arrives, and then all is quiet */
	EXPECT_TRUE(eventually(efd_rests(soft->kick[0])));
	end[0] = efd_count(soft->kick[0]);
	end[1] = efd_count(soft->kick[1]);
	EXPECT_TRUE(efd_stays(soft->kick[0], end[0]));
	EXPECT_EQ(efd_count(soft->kick[1]), end[1]);
}

/* The guard goes down after a wakeup: the task that kicked may be told of other things. */
TEST_F(vduse, a_task_that_has_kicked_may_be_signalled_at_once)
{
	struct soft *soft = &self->soft;
	int i;

	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		/* signalled by this very task */
		ASSERT_EQ(inject(soft, 0), 0);
		ASSERT_EQ(efd_count(soft->call[0]), i);
		/* and so is this, as what waits for a kickfd is signalled when one comes */
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[0]) == i));
	}
}

TEST_F(vduse, a_kick_without_a_kickfd_waits_for_one)
{
	struct soft *soft = &self->soft;
	int other = efd_create(0, variant->flags);

	ASSERT_EQ(setup_kickfd(soft, 0, VDUSE_EVENTFD_DEASSIGN), 0);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 0));
	ASSERT_EQ(setup_kickfd(soft, 0, other), 0);
	EXPECT_TRUE(efd_counts(other, 1));
	/* it was one, and is gone */
	ASSERT_EQ(setup_kickfd(soft, 0, soft->kickfd[0]), 0);
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 0));
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 1));
	EXPECT_EQ(efd_count(other), 1);
	close(other);
}

TEST_F(vduse, a_count_that_is_there_before_kicks_at_once)
{
	struct soft *soft = &self->soft;
	int other = efd_create(3, variant->flags);

	ASSERT_EQ(vdpa_set_kick(soft->drv, 0, other), 0);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 1));
	EXPECT_EQ(efd_count(other), 3);
	close(other);
}

TEST_F(vduse, kick_kickfd_and_call_can_be_replaced)
{
	struct soft *soft = &self->soft;
	int kick = efd_create(0, variant->flags), kickfd = efd_create(0, variant->flags);
	int call = efd_create(0, variant->flags);
	int i;

	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		ASSERT_TRUE(eventually(efd_count(soft->kickfd[0]) == i));
		ASSERT_EQ(inject(soft, 0), 0);
		ASSERT_TRUE(eventually(efd_count(soft->call[0]) == i));
		efd_drain(soft->kick[0]);
		ASSERT_EQ(vdpa_set_kick(soft->drv, 0, kick), 0);
		ASSERT_EQ(vdpa_set_call(soft->drv, 0, call), 0);
		ASSERT_EQ(setup_kickfd(soft, 0, kickfd), 0);
		/* the old one is nothing to the device */
		ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
		ASSERT_TRUE(efd_stays(kickfd, i - 1));
		ASSERT_EQ(efd_write(kick, 1), 8);
		ASSERT_TRUE(eventually(efd_count(kickfd) == i));
		ASSERT_EQ(inject(soft, 0), 0);
		ASSERT_TRUE(eventually(efd_count(call) == i));
		efd_drain(soft->kick[0]);
		efd_drain(kick);
		ASSERT_EQ(vdpa_set_kick(soft->drv, 0, soft->kick[0]), 0);
		ASSERT_EQ(vdpa_set_call(soft->drv, 0, soft->call[0]), 0);
		ASSERT_EQ(setup_kickfd(soft, 0, soft->kickfd[0]), 0);
	}
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 5));
	EXPECT_EQ(efd_count(soft->call[0]), 5);
	close(kick);
	close(kickfd);
	close(call);
}

TEST_F(vduse, eventfds_may_be_closed_while_in_use)
{
	struct soft *soft = &self->soft;
	int ep = watch(soft->kickfd[0], EPOLLIN);
	int kick = dup(soft->kick[0]);
	int kickfd = efd_create(0, variant->flags), call = efd_create(0, variant->flags);

	close(soft->kick[0]);
	close(soft->kickfd[0]);
	close(soft->call[0]);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	ASSERT_EQ(efd_write(kick, 1), 8);
	/* a context that nobody can read is signalled */
	ASSERT_EQ(inject(soft, 0), 0);
	sleep_ms(QUIET_MS);
	ASSERT_EQ(setup_kickfd(soft, 0, kickfd), 0);
	ASSERT_EQ(vdpa_set_call(soft->drv, 0, call), 0);
	ASSERT_EQ(efd_write(kick, 1), 8);
	EXPECT_TRUE(eventually(efd_count(kickfd) >= 1));
	ASSERT_EQ(inject(soft, 0), 0);
	EXPECT_TRUE(efd_counts(call, 1));
	soft->kick[0] = kick;
	soft->kickfd[0] = kickfd;
	soft->call[0] = call;
	close(ep);
}

/* A reset takes the program's kickfd away, and the end of the driver its kick. */
TEST_F(vduse, eventfds_outlive_the_driver)
{
	struct soft *soft = &self->soft;
	int ep = watch(soft->kick[0], EPOLLIN);

	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	ASSERT_TRUE(efd_counts(soft->kickfd[0], 1));
	close(soft->drv);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_stays(soft->kickfd[0], 1));
	EXPECT_EQ(inject(soft, 0), -EINVAL);
	EXPECT_EQ(efd_drain(soft->kick[0]), 2);
	close(soft->kick[0]);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	close(ep);
	/* another driver */
	soft->kick[0] = efd_create(0, variant->flags);
	ASSERT_EQ(soft_start(soft), 0);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 2));
	ASSERT_EQ(inject(soft, 0), 0);
	EXPECT_TRUE(efd_counts(soft->call[0], 1));
}

/* "adds and saturates at ULLONG_MAX" */
TEST_F(vduse, interrupts_and_kicks_overflow)
{
	struct soft *soft = &self->soft;

	ASSERT_TRUE(efd_overflow(soft->call[0], inject(soft, 0)));
	ASSERT_TRUE(efd_overflow(soft->kickfd[0], efd_write(soft->kick[0], 1)));
	ASSERT_EQ(inject(soft, 0), 0);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_stays(soft->kickfd[0], -1));
	EXPECT_TRUE(efd_is_saturated(soft->call[0], variant->flags));
	EXPECT_TRUE(efd_is_saturated(soft->kickfd[0], variant->flags));
}

/*
 * Not of calls: 6.12 itself swaps the call of a vhost-vdpa ring without a lock against
 * the device that signals it.
 */
TEST_F(vduse, kicks_and_kickfds_are_swapped_under_fire)
{
	struct soft *soft = &self->soft;
	struct worker w = { .arg = soft->kick };
	int i;

	ASSERT_TRUE(worker_start(&w, kick_two));
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(setup_kickfd(soft, 0,
				       i % 3 ? soft->kickfd[i % 2] : VDUSE_EVENTFD_DEASSIGN),
			  0);
		EXPECT_EQ(vdpa_set_kick(soft->drv, 0,
					i % 5 ? soft->kick[i % 2] : VHOST_FILE_UNBIND),
			  0);
		EXPECT_EQ(inject(soft, i % 2), 0);
	}
	ASSERT_TRUE(kick_two_end(&w));
	EXPECT_EQ(efd_count(soft->call[0]), 100);
	EXPECT_EQ(efd_count(soft->call[1]), 100);
	ASSERT_EQ(setup_kickfd(soft, 0, soft->kickfd[0]), 0);
	ASSERT_EQ(vdpa_set_kick(soft->drv, 0, soft->kick[0]), 0);
	/* the last of the old ones has arrived when nothing moves */
	EXPECT_TRUE(eventually(efd_rests(soft->kickfd[0])));
	efd_drain(soft->kickfd[0]);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 1));
}

/* "a non-eventfd descriptor handed to KVM, vhost, VFIO, aio, io_uring" */
TEST_F(vduse, wrong_descriptors_are_refused_and_change_nothing)
{
	struct soft *soft = &self->soft;

	/* less than -1 is taken to mean nothing at all */
	EXPECT_STREQ("", refuses_wrong_fds(0, setup_kickfd(soft, 0, fd)));
	EXPECT_EQ(setup_kickfd(soft, 0, -2), 0);
	EXPECT_STREQ("", refuses_wrong_fds(-2, vdpa_set_kick(soft->drv, 0, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, vdpa_set_call(soft->drv, 0, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-2, vdpa_set_config_call(soft->drv, fd)));
	EXPECT_EQ(setup_kickfd(soft, NR_RINGS, soft->kickfd[0]), -EINVAL);
	EXPECT_EQ(RET(ioctl(soft->dev, VDUSE_VQ_SETUP_KICKFD, NULL)), -EFAULT);
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 1));
	ASSERT_EQ(inject(soft, 0), 0);
	EXPECT_TRUE(efd_counts(soft->call[0], 1));
	ASSERT_EQ(inject_config(soft), 0);
	EXPECT_TRUE(efd_counts(soft->config, 1));
}

/* What is set a hundred times is held once. */
TEST_F(vduse, the_same_eventfds_may_be_set_again)
{
	struct soft *soft = &self->soft;
	int ep = watch(soft->kickfd[0], EPOLLIN);
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(setup_kickfd(soft, 0, soft->kickfd[0]), 0);
		ASSERT_EQ(vdpa_set_kick(soft->drv, 0, soft->kick[0]), 0);
		ASSERT_EQ(vdpa_set_call(soft->drv, 0, soft->call[0]), 0);
		ASSERT_EQ(vdpa_set_config_call(soft->drv, soft->config), 0);
	}
	ASSERT_EQ(efd_write(soft->kick[0], 1), 8);
	EXPECT_TRUE(efd_counts(soft->kickfd[0], 1));
	close(soft->kickfd[0]);
	EXPECT_TRUE(eventually(!nr_watched(ep)));
	soft->kickfd[0] = ep;
}

TEST_HARNESS_MAIN
