// SPDX-License-Identifier: GPL-2.0
/*
 * DRM sync objects: an eventfd is signalled once when a point of a sync object has
 * a fence, or when that fence is signalled: then from the fence's callback, under its
 * lock and with interrupts off.
 *
 * The device is virtio-gpu, of which only the sync objects matter; fences that are
 * signalled by hand come from sw_sync.
 */
#include "device.h"

#include <drm/drm.h>

#ifndef DRM_IOCTL_SYNCOBJ_EVENTFD
#error "the headers of the kernel under test are needed"
#endif

#define AVAILABLE	DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE

/* sw_sync has no header: it is debugfs only. */
struct sw_sync_fence {
	uint32_t value;
	char name[32];
	int32_t fd;
};

#define SW_SYNC_CREATE_FENCE	_IOWR('W', 0, struct sw_sync_fence)
#define SW_SYNC_INC		_IOW('W', 1, uint32_t)
#define SW_SYNC			"/sys/kernel/debug/sync/sw_sync"

static int drm_open(void)
{
	int fd = RET(open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC));

	return fd >= 0 ? fd : RET(open("/dev/dri/card0", O_RDWR | O_CLOEXEC));
}

/* A handle, or -errno. */
static int obj_create(int drm, uint32_t flags)
{
	struct drm_syncobj_create arg = { .flags = flags };
	int ret = RET(ioctl(drm, DRM_IOCTL_SYNCOBJ_CREATE, &arg));

	return ret ?: (int)arg.handle;
}

static int obj_destroy(int drm, uint32_t handle)
{
	struct drm_syncobj_destroy arg = { .handle = handle };

	return RET(ioctl(drm, DRM_IOCTL_SYNCOBJ_DESTROY, &arg));
}

static int obj_array(int drm, unsigned long request, uint32_t handle)
{
	struct drm_syncobj_array arg = { .handles = (uintptr_t)&handle, .count_handles = 1 };

	return RET(ioctl(drm, request, &arg));
}

static int obj_signal(int drm, uint32_t handle)
{
	return obj_array(drm, DRM_IOCTL_SYNCOBJ_SIGNAL, handle);
}

static int obj_reset(int drm, uint32_t handle)
{
	return obj_array(drm, DRM_IOCTL_SYNCOBJ_RESET, handle);
}

static int obj_signal_point(int drm, uint32_t handle, uint64_t point)
{
	struct drm_syncobj_timeline_array arg = {
		.handles = (uintptr_t)&handle,
		.points = (uintptr_t)&point,
		.count_handles = 1,
	};

	return RET(ioctl(drm, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &arg));
}

static int obj_eventfd(int drm, uint32_t handle, uint64_t point, uint32_t flags, int fd)
{
	struct drm_syncobj_eventfd arg = {
		.handle = handle,
		.flags = flags,
		.point = point,
		.fd = fd,
	};

	return RET(ioctl(drm, DRM_IOCTL_SYNCOBJ_EVENTFD, &arg));
}

/* Makes @point of @to, or all of it if that is 0, what @from is now. */
static int obj_transfer(int drm, uint32_t from, uint32_t to, uint64_t point)
{
	struct drm_syncobj_transfer arg = {
		.src_handle = from,
		.dst_handle = to,
		.dst_point = point,
	};

	return RET(ioctl(drm, DRM_IOCTL_SYNCOBJ_TRANSFER, &arg));
}

/*
 * Puts a fence into the object, that is signalled when @timeline has come to @value. The
 * fence's own file stays open until the end: a timeline that is closed signals its fences
 * under its lock, and if an eventfd's request holds the last reference to one, the fence
 * wants that lock for its own release (sw_sync of 6.12), and the processor hangs.
 */
static int obj_fence(int drm, uint32_t handle, int timeline, uint32_t value)
{
	struct sw_sync_fence fence = { .value = value, .name = "test" };
	struct drm_syncobj_handle arg = {
		.handle = handle,
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
	};
	int ret = RET(ioctl(timeline, SW_SYNC_CREATE_FENCE, &fence));

	if (ret)
		return ret;
	arg.fd = fence.fd;
	return RET(ioctl(drm, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &arg));
}

/* At a number that is the first to be closed when the process is killed: see above. */
static int timeline_open(void)
{
	int fd = RET(open(SW_SYNC, O_RDWR | O_CLOEXEC)), high;

	if (fd < 0)
		return fd;
	high = RET(fcntl(fd, F_DUPFD_CLOEXEC, 1000));
	close(fd);
	return high;
}

/* Moves the timeline on. */
static int advance(int timeline, uint32_t by)
{
	return RET(ioctl(timeline, SW_SYNC_INC, &by));
}

FIXTURE(syncobj)
{
	int drm;
	int timeline;
	uint32_t obj;
	int fd;
};

EFD_BLOCKING_VARIANTS(syncobj);

FIXTURE_SETUP(syncobj)
{
	int handle;

	self->drm = drm_open();
	if (self->drm == -ENOENT)
		SKIP(return, "no DRM device");
	ASSERT_GE(self->drm, 0);
	handle = obj_create(self->drm, 0);
	if (handle == -EOPNOTSUPP)
		SKIP(return, "a DRM device without sync objects");
	ASSERT_GT(handle, 0);
	self->obj = handle;
	self->timeline = timeline_open();
	if (self->timeline == -ENOENT)
		SKIP(return, "no " SW_SYNC);
	ASSERT_GE(self->timeline, 0);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(syncobj)
{
	close(self->fd);
	close(self->timeline);
	close(self->drm);
}

TEST_F(syncobj, refuses_what_is_no_eventfd)
{
	EXPECT_STREQ("", refuses_wrong_fds(-1, obj_eventfd(self->drm, self->obj, 0, 0, fd)));
	/* and none of it is in the way of the right one */
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, obj_signal(self->drm, self->obj));
	EXPECT_EQ(1, efd_count(self->fd));
}

TEST_F(syncobj, refuses_unknown_objects_and_flags)
{
	uint32_t bad[] = {
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL,
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
		DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE,
		1u << 31,
		~0u,
	};
	struct drm_syncobj_eventfd pad = { .handle = self->obj, .fd = self->fd, .pad = 1 };
	struct leaks leaks;
	unsigned int i;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, obj_eventfd(self->drm, self->obj, 0, bad[i], self->fd));
	}
	EXPECT_EQ(-EINVAL, RET(ioctl(self->drm, DRM_IOCTL_SYNCOBJ_EVENTFD, &pad)));
	/* the object is looked up before the descriptor */
	EXPECT_EQ(-ENOENT, obj_eventfd(self->drm, 0, 0, 0, -1));
	EXPECT_EQ(-ENOENT, obj_eventfd(self->drm, self->obj + 1, 0, AVAILABLE, self->fd));
	EXPECT_EQ(0, efd_count(self->fd));

	for (i = 0; i < NR_LEAKS; i++) {
		int fd = leaks_next(&leaks, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(-ENOENT, obj_eventfd(self->drm, self->obj + 1, 0, 0, fd));
		close(fd);
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

TEST_F(syncobj, of_which_the_fence_is_signalled_signals_at_once)
{
	int obj = obj_create(self->drm, DRM_SYNCOBJ_CREATE_SIGNALED);

	ASSERT_GT(obj, 0);
	ASSERT_EQ(0, obj_eventfd(self->drm, obj, 0, 0, self->fd));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, obj_eventfd(self->drm, obj, 0, AVAILABLE, self->fd));
	EXPECT_EQ(2, efd_count(self->fd));
	/* not what has been signalled, but what is there */
	ASSERT_EQ(0, obj_reset(self->drm, obj));
	ASSERT_EQ(0, obj_eventfd(self->drm, obj, 0, 0, self->fd));
	EXPECT_EQ(2, efd_count(self->fd));
}

TEST_F(syncobj, without_a_fence_signals_when_one_comes)
{
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_EQ(POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, obj_signal(self->drm, self->obj));
	EXPECT_EQ(1, efd_count(self->fd));
	EXPECT_EQ(POLLIN | POLLOUT, efd_events(self->fd, POLLIN | POLLOUT));

	/* once only */
	ASSERT_EQ(0, obj_reset(self->drm, self->obj));
	ASSERT_EQ(0, obj_signal(self->drm, self->obj));
	EXPECT_EQ(1, efd_count(self->fd));
}

TEST_F(syncobj, fence_signals_from_its_callback)
{
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 2));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(1, efd_count(self->fd));
}

TEST_F(syncobj, tells_available_from_signalled)
{
	int available = efd_create(0, variant->flags);

	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, AVAILABLE, available));
	EXPECT_EQ(0, efd_count(available));
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	EXPECT_EQ(1, efd_count(available));
	EXPECT_EQ(0, efd_count(self->fd));
	/* one that asks later hears at once */
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, AVAILABLE, available));
	EXPECT_EQ(2, efd_count(available));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(2, efd_count(available));
	EXPECT_EQ(1, efd_count(self->fd));
	close(available);
}

TEST_F(syncobj, signals_each_point_of_a_timeline)
{
	int fds[6], i;

	for (i = 1; i < 6; i++) {
		fds[i] = efd_create(0, variant->flags);
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, i, i & 1 ? AVAILABLE : 0, fds[i]));
	}
	ASSERT_EQ(0, obj_signal_point(self->drm, self->obj, 3));
	for (i = 1; i < 6; i++) {
		EXPECT_EQ(i <= 3, efd_count(fds[i]));
	}
	ASSERT_EQ(0, obj_signal_point(self->drm, self->obj, 4));
	for (i = 1; i < 6; i++) {
		EXPECT_EQ(i <= 4, efd_count(fds[i]));
	}
	/* a point in the past */
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 2, 0, self->fd));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, obj_signal_point(self->drm, self->obj, 1000));
	EXPECT_EQ(1, efd_count(fds[5]));
	for (i = 1; i < 6; i++)
		close(fds[i]);
}

/* A point is reached when all points before it are. */
TEST_F(syncobj, timeline_waits_for_the_fences_of_its_points)
{
	int binary = obj_create(self->drm, 0);
	int third = efd_create(0, variant->flags);

	ASSERT_GT(binary, 0);
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 2, 0, self->fd));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 3, 0, third));
	ASSERT_EQ(0, obj_fence(self->drm, binary, self->timeline, 2));
	ASSERT_EQ(0, obj_transfer(self->drm, binary, self->obj, 2));
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, obj_fence(self->drm, binary, self->timeline, 1));
	ASSERT_EQ(0, obj_transfer(self->drm, binary, self->obj, 3));

	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_EQ(0, efd_count(third));
	ASSERT_EQ(0, advance(self->timeline, 1));
	/* the chain of points goes on in an irq_work */
	EXPECT_EQ(1, efd_drain_to(self->fd, 1));
	EXPECT_EQ(1, efd_drain_to(third, 1));
	close(third);
}

#define MANY	32

TEST_F(syncobj, signals_many_eventfds_of_one_point)
{
	int fds[MANY], i;

	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	for (i = 0; i < MANY; i++) {
		fds[i] = efd_create(i, variant->flags);
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, fds[i]));
		EXPECT_EQ(i, efd_count(fds[i]));
	}
	ASSERT_EQ(0, advance(self->timeline, 1));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(i + 1, efd_count(fds[i]));
		close(fds[i]);
	}
}

TEST_F(syncobj, signals_one_eventfd_once_per_request)
{
	int i;

	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	}
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(MANY, efd_count(self->fd));
	EXPECT_EQ(MANY, efd_drain(self->fd));
	EXPECT_EQ(0, efd_count(self->fd));
}

TEST_F(syncobj, wakes_blocked_reader_from_the_callback)
{
	struct worker w = { .fd = self->fd };

	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(0, advance(self->timeline, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
	EXPECT_EQ(0, efd_count(self->fd));
}

/* As many readers as signals, of which each gives one count: in a semaphore, all return. */
TEST_F(syncobj, wakes_many_blocked_readers_in_one_go)
{
	struct worker w[8] = {};
	long sleeps[8];
	int i;

	for (i = 0; i < 8; i++) {
		w[i].fd = self->fd;
		ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, i + 1));
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	}
	ASSERT_TRUE(all_asleep(w, sleeps, 8, worker_read, SYS_read));
	ASSERT_EQ(0, advance(self->timeline, 8));
	if (variant->flags & EFD_SEMAPHORE) {
		EXPECT_TRUE(eventually(nr_ended(w, 8) == 8));
	} else {
		long long sum = 0;
		bool all;

		/* whoever comes gets what is there by then */
		all = eventually(({
			for (i = 0, sum = 0; i < 8; i++)
				sum += w[i].done ? w[i].value : 0;
			sum == 8;
		}));
		EXPECT_TRUE(all);
		while (nr_ended(w, 8) < 8) {
			int before = nr_ended(w, 8);

			ASSERT_EQ(8, efd_write(self->fd, 1));
			ASSERT_TRUE(eventually(nr_ended(w, 8) > before));
		}
	}
	for (i = 0; i < 8; i++) {
		ASSERT_TRUE(worker_join(&w[i]));
	}
	EXPECT_EQ(0, efd_count(self->fd));
}

TEST_F(syncobj, wakes_poll_and_each_edge_of_epoll)
{
	int ep = watch(self->fd, EPOLLIN | EPOLLET);
	struct worker w = { .fd = self->fd };
	int i;

	ASSERT_GE(ep, 0);
	EXPECT_EQ(0, watched(ep, 0));
	ASSERT_TRUE(worker_start_asleep(&w, worker_poll, SYS_poll));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, i));
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
		EXPECT_EQ(0, watched(ep, 0));
		ASSERT_EQ(0, advance(self->timeline, 1));
		/* also where the counter was not empty before */
		EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
		EXPECT_EQ(0, watched(ep, 0));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(POLLIN, (int)w.value);
	EXPECT_EQ(3, efd_drain(self->fd));
	close(ep);
}

/* "A signal [...] never fails, adds and saturates at ULLONG_MAX." */
TEST_F(syncobj, saturates_a_full_counter)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(-1, efd_count(self->fd));
}

/* Nor does a signal make room. */
TEST_F(syncobj, leaves_a_blocked_writer_asleep)
{
	struct worker w = { .fd = self->fd, .value = 1 };
	int reads = variant->flags & EFD_SEMAPHORE ? 2 : 1;
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_TRUE(worker_start_asleep(&w, worker_write, SYS_write));
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	sleep_ms(QUIET_MS);
	EXPECT_FALSE(w.done);
	/* from ULLONG_MAX to where one more fits */
	while (reads--) {
		EXPECT_FALSE(w.done);
		ASSERT_EQ(8, efd_read(self->fd, &value));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ((long long)(variant->flags & EFD_SEMAPHORE ? EFD_MAX : 1), efd_count(self->fd));
}

TEST_F(syncobj, that_is_destroyed_forgets_who_waits_for_a_fence_to_come)
{
	struct leaks leaks;
	int i;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < NR_LEAKS; i++) {
		int fd = leaks_next(&leaks, variant->flags), obj = obj_create(self->drm, 0);

		ASSERT_GT(obj, 0);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, obj_eventfd(self->drm, obj, i % 3, 0, fd));
		ASSERT_EQ(0, obj_destroy(self->drm, obj));
		ASSERT_EQ(0, efd_count(fd));
		close(fd);
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

TEST_F(syncobj, that_is_destroyed_does_not_stop_its_fence)
{
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, obj_destroy(self->drm, self->obj));
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(1, efd_count(self->fd));
	EXPECT_EQ(-ENOENT, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
}

TEST_F(syncobj, that_is_reset_keeps_who_waits)
{
	int early = efd_create(0, variant->flags);

	/* one hangs on the fence, the other on the object */
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, early));
	ASSERT_EQ(0, obj_reset(self->drm, self->obj));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(1, efd_count(early));
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, obj_signal(self->drm, self->obj));
	EXPECT_EQ(1, efd_count(early));
	EXPECT_EQ(1, efd_count(self->fd));
	close(early);
}

/* A device file that is closed takes its objects along. */
TEST_F(syncobj, of_a_closed_device_lets_go)
{
	struct leaks leaks;
	int round, i;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (round = 0; round < NR_LEAKS / 10; round++) {
		int drm = drm_open(), obj = obj_create(drm, 0), waits = obj_create(drm, 0);

		ASSERT_EQ(0, obj_fence(drm, waits, self->timeline, round + 1));
		for (i = 0; i < 10; i++) {
			int fd = leaks_next(&leaks, variant->flags);

			ASSERT_GE(fd, 0);
			ASSERT_EQ(0, obj_eventfd(drm, i & 1 ? obj : waits, 0, 0, fd));
			close(fd);
		}
		ASSERT_EQ(0, close(drm));
	}
	/* those that hang on fences go with them */
	ASSERT_EQ(0, advance(self->timeline, round));
	EXPECT_TRUE(leaks_none(&leaks));
}

/*
 * "A context outlives its file for whoever holds a reference." The callback drops the
 * last one, with interrupts off. That it is there until then is seen in the next test: here an
 * id may come back that another suite has given up.
 */
TEST_F(syncobj, signals_and_frees_a_closed_eventfd)
{
	struct leaks leaks;
	int i;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 1; i <= NR_LEAKS; i++) {
		int fd = leaks_next(&leaks, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, i));
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, fd));
		close(fd);
		if (i % 10)
			continue;
		ASSERT_EQ(0, advance(self->timeline, 10));
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

/* The id of a context that has lost its file is not given to another. */
TEST_F(syncobj, keeps_the_context_of_a_closed_eventfd)
{
	int fds[MANY], i, j;
	long long ids[MANY];

	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	for (i = 0; i < MANY; i++) {
		fds[i] = efd_create(0, variant->flags);
		ids[i] = efd_id(fds[i]);
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, fds[i]));
		close(fds[i]);
	}
	for (i = 0; i < MANY; i++)
		for (j = 0; j < i; j++) {
			ASSERT_NE(ids[i], ids[j]);
		}
	ASSERT_EQ(0, advance(self->timeline, 1));
}

TEST_F(syncobj, means_the_file_and_not_its_number)
{
	int other = efd_create(0, variant->flags), copy = dup(self->fd);

	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 1));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	ASSERT_EQ(self->fd, dup2(other, self->fd));
	ASSERT_EQ(0, advance(self->timeline, 1));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_EQ(1, efd_count(copy));
	close(other);
	close(copy);
}

/* sw_sync gives its fences up with an error; an eventfd hears of that as of success. */
TEST_F(syncobj, signals_when_the_timeline_is_closed)
{
	ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, 5));
	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, self->fd));
	close(self->timeline);
	EXPECT_EQ(1, efd_count(self->fd));
	self->timeline = -1;
}

TEST_F(syncobj, is_signalled_by_another_process)
{
	struct drm_syncobj_handle out = { .handle = self->obj };
	uint64_t value = 0;
	pid_t pid;

	ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 7, 0, self->fd));
	ASSERT_EQ(0, RET(ioctl(self->drm, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &out)));
	pid = child_start();
	if (!pid) {
		struct drm_syncobj_handle in = { .fd = out.fd };
		int drm = drm_open();

		if (drm < 0 || ioctl(drm, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &in))
			_exit(1);
		_exit(obj_signal_point(drm, in.handle, 7) ? 2 : 0);
	}
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(1u, value);
	EXPECT_EQ(0, child_end(pid));
	close(out.fd);
}

struct racer {
	int drm, timeline, rounds;
	uint32_t obj;		/* 0 is none */
	_Atomic int turn, done;
};

/* On each turn, signals the point of that turn, or moves the timeline on. */
static void race(struct worker *w)
{
	struct racer *r = w->arg;
	int i;

	for (i = 1; i <= r->rounds && !w->ret; i++) {
		if (!soon(r->turn >= i))
			w->ret = -ETIMEDOUT;
		spin(i * 7 % 500);
		if (!w->ret)
			w->ret = r->obj ? obj_signal_point(r->drm, r->obj, i) :
					  advance(r->timeline, 1);
		r->done = i;
	}
}

#define ROUNDS	300

TEST_F(syncobj, signals_once_whoever_comes_first)
{
	struct racer r = { .drm = self->drm, .obj = self->obj, .rounds = ROUNDS };
	struct worker w = { .arg = &r };
	int i;

	ASSERT_TRUE(worker_start(&w, race));
	for (i = 1; i <= ROUNDS; i++) {
		r.turn = i;
		spin(i * 3 % 500);
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, i, i & 1 ? AVAILABLE : 0, self->fd));
		ASSERT_TRUE(soon(r.done == i));
		ASSERT_EQ(i, efd_count(self->fd));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(0, w.ret);
	EXPECT_EQ(ROUNDS, efd_drain(self->fd));
}

/* The fence's callback and the end of the file, at the same time. */
TEST_F(syncobj, survives_close_during_the_signal)
{
	struct racer r = { .timeline = self->timeline, .rounds = ROUNDS };
	struct worker w = { .arg = &r };
	struct leaks leaks;
	int i, ep, fd;

	ASSERT_TRUE(leaks_begin(&leaks));
	ASSERT_TRUE(worker_start(&w, race));
	for (i = 1; i <= ROUNDS; i++) {
		fd = leaks_next(&leaks, variant->flags);
		ASSERT_GE(fd, 0);
		ep = watch(fd, EPOLLIN);
		ASSERT_EQ(0, obj_fence(self->drm, self->obj, self->timeline, i));
		ASSERT_EQ(0, obj_eventfd(self->drm, self->obj, 0, 0, fd));
		r.turn = i;
		spin(i * 3 % 500);
		close(fd);
		close(ep);
		ASSERT_TRUE(soon(r.done == i));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(0, w.ret);
	EXPECT_TRUE(leaks_none(&leaks));
}

TEST_HARNESS_MAIN
