// SPDX-License-Identifier: GPL-2.0
/*
 * VFIO: interrupts of devices that end in eventfd_signal(), and eventfds that the kernel
 * itself listens to: a write to one unmasks an interrupt or becomes a write to a register.
 *
 * Two devices. mtty is a serial port that exists in the kernel only: its interrupts come
 * from process context. QEMU's edu is a PCI device that interrupts when it is told
 * to: these are real ones. Each is there once, so nothing here runs at the same time.
 */
#include "device.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>

#define TRIGGER		VFIO_IRQ_SET_ACTION_TRIGGER
#define MASK		VFIO_IRQ_SET_ACTION_MASK
#define UNMASK		VFIO_IRQ_SET_ACTION_UNMASK

#define INTX		VFIO_PCI_INTX_IRQ_INDEX
#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define ERR		VFIO_PCI_ERR_IRQ_INDEX
#define REQ		VFIO_PCI_REQ_IRQ_INDEX

/* The descriptor that takes an eventfd away. */
#define NONE		(-1)

/* Registers of edu. */
#define EDU_LIVENESS	0x04	/* reads as the complement of what was written */
#define EDU_STATUS	0x24
#define EDU_RAISE	0x60	/* bits to set in the status, and an interrupt */
#define EDU_ACK		0x64	/* bits to clear */

/* Registers of mtty. */
#define UART_IER	1
#define UART_IER_THRI	2	/* interrupts at once if there is nothing to send */

struct device {
	int fd, group, container;
	off_t bar, config;
	char name[64];
};

/* sysfs */

static int __attribute__((format(printf, 2, 3)))
sysfs_write(const char *text, const char *format, ...)
{
	char path[512];
	va_list args;
	int fd, ret;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = RET(open(path, O_WRONLY | O_CLOEXEC));
	if (fd < 0)
		return fd;
	ret = RET(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* The number of the device's IOMMU group, or -1. */
static int group_of(const char *bus, const char *name)
{
	char path[512], target[512];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/iommu_group", bus, name);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -1;
	target[len] = 0;
	return atoi(strrchr(target, '/') + 1);
}

static bool sysfs_is(const char *want, const char *name, const char *file)
{
	char path[512], line[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", name, file);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return !strncmp(line, want, strlen(want));
}

static bool edu_find(char name[64])
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		found = sysfs_is("0x1234", entry->d_name, "vendor") &&
			sysfs_is("0x11e8", entry->d_name, "device");
		if (found)
			snprintf(name, 64, "%.63s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* VFIO */

static int region(int fd, int index, off_t *offset)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	int ret = RET(ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info));

	*offset = info.offset;
	return ret;
}

static int device_info(int fd)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return RET(ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
}

static void device_close(struct device *dev)
{
	close(dev->fd);
	close(dev->group);
	close(dev->container);
	dev->fd = -1;
	dev->group = -1;
	dev->container = -1;
}

/* Opens device @dev->name of the group at @path: 0 or -errno. */
static int device_open(struct device *dev, const char *path, int iommu)
{
	int ret;

	dev->fd = -1;
	dev->container = RET(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
	dev->group = RET(open(path, O_RDWR | O_CLOEXEC));
	ret = dev->container < 0 ? dev->container : dev->group < 0 ? dev->group : 0;
	ret = ret ?: RET(ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container));
	ret = ret ?: RET(ioctl(dev->container, VFIO_SET_IOMMU, iommu));
	if (!ret)
		dev->fd = RET(ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, dev->name));
	ret = ret ?: dev->fd < 0 ? dev->fd : 0;
	ret = ret ?: region(dev->fd, VFIO_PCI_BAR0_REGION_INDEX, &dev->bar);
	ret = ret ?: region(dev->fd, VFIO_PCI_CONFIG_REGION_INDEX, &dev->config);
	if (ret)
		device_close(dev);
	return ret;
}

static int set_irqs(const struct device *dev, int index, int start, int count, uint32_t flags,
		    const void *data, size_t len)
{
	struct {
		struct vfio_irq_set set;
		uint8_t data[64];
	} arg = {
		.set = {
			.argsz = sizeof(arg.set) + len,
			.flags = flags,
			.index = index,
			.start = start,
			.count = count,
		},
	};

	if (len)
		memcpy(arg.set.data, data, len);
	return RET(ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &arg));
}

static int irq_eventfd(const struct device *dev, int index, uint32_t action, int fd)
{
	return set_irqs(dev, index, 0, 1, action | VFIO_IRQ_SET_DATA_EVENTFD, &fd, sizeof(fd));
}

static int irq_none(const struct device *dev, int index, uint32_t action)
{
	return set_irqs(dev, index, 0, 1, action | VFIO_IRQ_SET_DATA_NONE, NULL, 0);
}

static int irq_bool(const struct device *dev, int index, uint32_t action, uint8_t yes)
{
	return set_irqs(dev, index, 0, 1, action | VFIO_IRQ_SET_DATA_BOOL, &yes, sizeof(yes));
}

static int irq_disable(const struct device *dev, int index)
{
	return set_irqs(dev, index, 0, 0, TRIGGER | VFIO_IRQ_SET_DATA_NONE, NULL, 0);
}

static int ioeventfd(const struct device *dev, off_t offset, uint64_t data, uint32_t size, int fd)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg),
		.flags = size,
		.offset = offset,
		.data = data,
		.fd = fd,
	};

	return RET(ioctl(dev->fd, VFIO_DEVICE_IOEVENTFD, &arg));
}

/* edu */

static bool edu_write(const struct device *dev, int reg, uint32_t value)
{
	return pwrite(dev->fd, &value, sizeof(value), dev->bar + reg) == sizeof(value);
}

static uint32_t edu_read(const struct device *dev, int reg)
{
	uint32_t value = 0;

	return pread(dev->fd, &value, sizeof(value), dev->bar + reg) == sizeof(value) ? value : ~0u;
}

/* Has vfio-pci drive it, unless it does. */
static int edu_bind(const char *name)
{
	int ret = sysfs_write("Y", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");

	ret = ret ?: sysfs_write("vfio-pci", "/sys/bus/pci/devices/%s/driver_override", name);
	return ret ?: sysfs_write(name, "/sys/bus/pci/drivers_probe");
}

/* 0, -errno, or 1 if there is none. */
static int edu_open(struct device *dev)
{
	char path[64];
	uint16_t command;
	int ret;

	if (!edu_find(dev->name))
		return 1;
	ret = edu_bind(dev->name);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", group_of("pci", dev->name));
	ret = device_open(dev, path, VFIO_NOIOMMU_IOMMU);
	if (ret)
		return ret;
	/* an MSI is a write to memory by the device */
	if (pread(dev->fd, &command, 2, dev->config + PCI_COMMAND) != 2)
		return -EIO;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(dev->fd, &command, 2, dev->config + PCI_COMMAND) != 2)
		return -EIO;
	/* what the last one has left */
	return edu_write(dev, EDU_ACK, ~0u) ? 0 : -EIO;
}

static void edu_close(struct device *dev)
{
	if (dev->fd >= 0)
		edu_write(dev, EDU_ACK, ~0u);
	device_close(dev);
}

/* What the device does, whatever it seems to do to those who use it through VFIO. */
static bool edu_masks_intx(const struct device *dev)
{
	uint16_t command = 0;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", dev->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		command = PCI_COMMAND_INTX_DISABLE;
	close(fd);
	return command & PCI_COMMAND_INTX_DISABLE;
}

/* How many MSIs there were, on all processors, whatever their eventfd says. */
static long edu_interrupts(const struct device *dev)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[512], what[96];
	long sum = -1;

	snprintf(what, sizeof(what), "vfio-msi[0](%s)", dev->name);
	while (f && sum < 0 && fgets(line, sizeof(line), f)) {
		char *next = strchr(line, ':'), *p;

		if (!next || !strstr(line, what))
			continue;
		sum = 0;
		do {
			p = next + 1;
			sum += strtol(p, &next, 10);
		} while (next != p && *next == ' ');
	}
	if (f)
		fclose(f);
	return sum;
}

/* mtty */

#define MTTY_UUID	"6b2b6f5e-0d5c-4c57-9a5e-2f1f3c7e9d01"
#define MTTY_DEVICE	"/sys/bus/mdev/devices/" MTTY_UUID

static void mtty_remove(void)
{
	if (!access(MTTY_DEVICE, F_OK))
		sysfs_write("1", MTTY_DEVICE "/remove");
}

/* Makes one and opens it: 0, -errno, or 1 if there is no driver. */
static int mtty_make(struct device *dev)
{
	char path[64];
	int ret;

	mtty_remove();
	ret = sysfs_write(MTTY_UUID, "/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1/create");
	if (ret)
		return ret == -ENOENT ? 1 : ret;
	snprintf(dev->name, sizeof(dev->name), "%s", MTTY_UUID);
	snprintf(path, sizeof(path), "/dev/vfio/%d", group_of("mdev", dev->name));
	return device_open(dev, path, VFIO_TYPE1v2_IOMMU);
}

/* It does not know its interrupts until it has been asked what it is. */
static int mtty_open(struct device *dev)
{
	return mtty_make(dev) ?: device_info(dev->fd);
}

static bool uart_write(const struct device *dev, int reg, uint8_t value)
{
	return pwrite(dev->fd, &value, 1, dev->bar + reg) == 1;
}

/*
 * What holds for every interrupt, wherever it comes from.
 */
FIXTURE(interrupt)
{
	struct device dev;
	int fd;
};

FIXTURE_VARIANT(interrupt)
{
	int index;
	bool hard;	/* of edu, and a real one */
	bool mtty;
	bool keeps;	/* its eventfd, when told to use what is none */
	int flags;
};

FIXTURE_VARIANT_ADD(interrupt, mtty_intx) { .index = INTX, .mtty = true };
FIXTURE_VARIANT_ADD(interrupt, mtty_msi) { .index = MSI, .mtty = true };
FIXTURE_VARIANT_ADD(interrupt, mtty_msi_semaphore) {
	.index = MSI,
	.mtty = true,
	.flags = EFD_SEMAPHORE,
};
FIXTURE_VARIANT_ADD(interrupt, edu_intx) { .index = INTX, .hard = true, .keeps = true };
FIXTURE_VARIANT_ADD(interrupt, edu_msi) { .index = MSI, .hard = true };
FIXTURE_VARIANT_ADD(interrupt, edu_msi_semaphore) {
	.index = MSI,
	.hard = true,
	.flags = EFD_SEMAPHORE,
};
FIXTURE_VARIANT_ADD(interrupt, edu_req) { .index = REQ, .keeps = true };

FIXTURE_SETUP(interrupt)
{
	int ret;

	self->dev.fd = -1;
	self->fd = -1;
	ret = variant->mtty ? mtty_open(&self->dev) : edu_open(&self->dev);
	if (ret == 1)
		SKIP(return, "no device %s", variant->mtty ? "mtty" : "edu");
	ASSERT_EQ(0, ret);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(interrupt)
{
	close(self->fd);
	if (variant->mtty) {
		device_close(&self->dev);
		mtty_remove();
	} else {
		edu_close(&self->dev);
	}
}

static int attach(const struct device *dev, const FIXTURE_VARIANT(interrupt) *variant, int fd)
{
	return irq_eventfd(dev, variant->index, TRIGGER, fd);
}

/* One interrupt; it has happened on return, but a hard one may not have signalled yet. */
static int fire(const struct device *dev, const FIXTURE_VARIANT(interrupt) *variant)
{
	long before;
	int ret;

	if (!variant->hard) {
		ret = irq_none(dev, variant->index, TRIGGER);
		if (!ret && variant->index == INTX)
			ret = irq_none(dev, INTX, UNMASK);
		return ret;
	}
	before = variant->index == MSI ? edu_interrupts(dev) : 0;
	if (before < 0)
		return -ENOENT;
	if (!edu_write(dev, EDU_RAISE, 1))
		return -EIO;
	/* the handler of an INTx first looks whether it is pending, and then masks it */
	if (!eventually(variant->index == MSI ? edu_interrupts(dev) > before :
						edu_masks_intx(dev)))
		return -ETIMEDOUT;
	if (!edu_write(dev, EDU_ACK, 1))
		return -EIO;
	return variant->index == INTX ? irq_none(dev, INTX, UNMASK) : 0;
}

#define FIRE()		fire(&self->dev, variant)
#define ATTACH(fd)	attach(&self->dev, variant, fd)

/* Not earlier and not more than that. */
#define COUNTS(fd, n)	(eventually(efd_count(fd) >= (n)) && efd_count(fd) == (n))

TEST_F(interrupt, adds_one)
{
	int i;

	ASSERT_EQ(0, ATTACH(self->fd));
	EXPECT_EQ(0, efd_count(self->fd));
	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, FIRE());
		ASSERT_TRUE(COUNTS(self->fd, i));
	}
	EXPECT_EQ(20, efd_drain_to(self->fd, 20));
}

TEST_F(interrupt, refuses_what_is_no_eventfd)
{
	EXPECT_STREQ("", refuses_wrong_fds(0, ATTACH(fd)));
	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_EQ(0, FIRE());
	EXPECT_TRUE(COUNTS(self->fd, 1));
}

/* Some drivers let go of the old one before they look at the new one. */
TEST_F(interrupt, keeps_or_loses_its_eventfd_to_what_is_none)
{
	struct wrong wrong;
	int i, n = 0;

	ASSERT_TRUE(wrong_open(&wrong));
	for (i = 0; i < NR_WRONG; i++) {
		ASSERT_EQ(0, ATTACH(self->fd));
		ASSERT_EQ(wrong.of[i].error, ATTACH(wrong.of[i].fd));
		if (variant->keeps) {
			ASSERT_EQ(0, FIRE());
			n++;
		} else {
			EXPECT_EQ(variant->mtty ? -EINVAL : 0,
				  irq_none(&self->dev, variant->index, TRIGGER));
		}
		EXPECT_TRUE(COUNTS(self->fd, n));
	}
	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_EQ(0, FIRE());
	EXPECT_TRUE(COUNTS(self->fd, n + 1));
	EXPECT_STREQ("", wrong_close(&wrong));
}

TEST_F(interrupt, wakes_blocked_reader)
{
	struct worker w = { .fd = self->fd };
	int i;

	ASSERT_EQ(0, ATTACH(self->fd));
	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
		ASSERT_EQ(0, FIRE());
		ASSERT_TRUE(worker_join(&w));
		EXPECT_EQ(8, w.ret);
		EXPECT_EQ(1u, w.value);
	}
	EXPECT_EQ(0, efd_count(self->fd));
}

/* One interrupt is for one of several readers. */
TEST_F(interrupt, is_read_once)
{
	struct worker w[3] = { { .fd = self->fd }, { .fd = self->fd }, { .fd = self->fd } };
	long sleeps[3];
	int i;

	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_TRUE(all_asleep(w, sleeps, 3, worker_read, SYS_read));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, FIRE());
		ASSERT_TRUE(eventually(nr_ended(w, 3) >= i));
		sleep_ms(QUIET_MS);
		EXPECT_EQ(i, nr_ended(w, 3));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(worker_join(&w[i]));
		EXPECT_EQ(1u, w[i].value);
	}
}

TEST_F(interrupt, wakes_poll_and_each_edge_of_epoll)
{
	int ep = watch(self->fd, EPOLLIN | EPOLLET), i;
	struct worker w = { .fd = self->fd };

	ASSERT_GE(ep, 0);
	ASSERT_EQ(0, ATTACH(self->fd));
	EXPECT_EQ(0, watched(ep, 0));
	ASSERT_TRUE(worker_start_asleep(&w, worker_poll, SYS_poll));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, FIRE());
		/* also where the counter was not empty before */
		EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
		EXPECT_EQ(0, watched(ep, QUIET_MS));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(POLLIN, (int)w.value);
	EXPECT_EQ(5, efd_drain_to(self->fd, 5));
	close(ep);
}

/* "A signal [...] never fails, adds and saturates at ULLONG_MAX." */
TEST_F(interrupt, saturates_a_full_counter)
{
	int ep = watch(self->fd, EPOLLIN | EPOLLET), i;

	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, FIRE());
		EXPECT_EQ(EPOLLIN | EPOLLERR, watched(ep, WAIT_MS));
		EXPECT_EQ(POLLIN | POLLERR, efd_events(self->fd, POLLIN | POLLOUT));
		/* as ULLONG_MAX looks */
		EXPECT_EQ(-1, efd_count(self->fd));
	}
	close(ep);
}

TEST_F(interrupt, moves_to_another_eventfd)
{
	int other = efd_create(0, variant->flags), i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, ATTACH(self->fd));
		ASSERT_EQ(0, FIRE());
		EXPECT_TRUE(COUNTS(self->fd, i));
		EXPECT_EQ(i - 1, efd_count(other));
		ASSERT_EQ(0, ATTACH(other));
		ASSERT_EQ(0, FIRE());
		EXPECT_TRUE(COUNTS(other, i));
		EXPECT_EQ(i, efd_count(self->fd));
	}
	close(other);
}

TEST_F(interrupt, is_taken_away)
{
	int i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, ATTACH(self->fd));
		ASSERT_EQ(0, FIRE());
		EXPECT_TRUE(COUNTS(self->fd, i));
		ASSERT_EQ(0, ATTACH(NONE));
		/* not by its device: without a handler it would disturb others */
		irq_none(&self->dev, variant->index, TRIGGER);
		EXPECT_EQ(i, efd_count(self->fd));
	}
}

TEST_F(interrupt, means_the_file_and_not_its_number)
{
	int copy = dup(self->fd), other = efd_create(0, variant->flags);

	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_EQ(self->fd, dup2(other, self->fd));
	ASSERT_EQ(0, FIRE());
	EXPECT_TRUE(COUNTS(copy, 1));
	EXPECT_EQ(0, efd_count(self->fd));
	close(copy);
	close(other);
}

/* "A context outlives its file for whoever holds a reference." */
TEST_F(interrupt, does_not_mind_a_closed_eventfd)
{
	int fd = efd_create(0, variant->flags), ep = watch(fd, EPOLLIN), i;

	ASSERT_EQ(0, ATTACH(fd));
	close(fd);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, FIRE());
	}
	EXPECT_EQ(0, watched(ep, 0));
	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_EQ(0, FIRE());
	EXPECT_TRUE(COUNTS(self->fd, 1));
	close(ep);
}

TEST_F(interrupt, lets_go_of_each_eventfd)
{
	struct leaks leaks;
	int i, fd;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < NR_LEAKS; i++) {
		fd = leaks_next(&leaks, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, ATTACH(fd));
		close(fd);
	}
	ASSERT_EQ(0, ATTACH(NONE));
	EXPECT_TRUE(leaks_none(&leaks));
}

/*
 * On a kernel that watches itself a device takes a second to open, and more where others are at
 * work: as many rounds as half a minute has, but not so few that a leak could be another suite's.
 */
TEST_F_TIMEOUT(interrupt, lets_go_when_the_device_is_closed, 120)
{
	uint64_t end = now_ms() + 30000;
	struct leaks leaks;
	int i, fd;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < NR_LEAKS / 4 && (i < NR_LEAKS / 16 || now_ms() < end); i++) {
		fd = leaks_next(&leaks, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, ATTACH(fd));
		close(fd);
		close(self->dev.fd);
		self->dev.fd =
			RET(ioctl(self->dev.group, VFIO_GROUP_GET_DEVICE_FD, self->dev.name));
		ASSERT_GE(self->dev.fd, 0);
		ASSERT_EQ(0, device_info(self->dev.fd));
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

struct closer {
	_Atomic int turn, fd, done;
	int rounds;
};

static void close_on_turn(struct worker *w)
{
	struct closer *c = w->arg;
	int i;

	for (i = 1; i <= c->rounds; i++) {
		if (!soon(c->turn >= i))
			return;
		spin(i * 37 % 5000);
		close(c->fd);
		c->done = i;
	}
}

TEST_F(interrupt, survives_close_at_the_same_time)
{
	struct closer c = { .rounds = 50 };
	struct worker w = { .arg = &c };
	int i, ep;

	ASSERT_TRUE(worker_start(&w, close_on_turn));
	for (i = 1; i <= c.rounds; i++) {
		c.fd = efd_create(0, variant->flags);
		ep = watch(c.fd, EPOLLIN);
		ASSERT_EQ(0, ATTACH(c.fd));
		c.turn = i;
		ASSERT_EQ(0, FIRE());
		ASSERT_TRUE(soon(c.done == i));
		close(ep);
	}
	ASSERT_TRUE(worker_join(&w));
	ASSERT_EQ(0, ATTACH(self->fd));
	ASSERT_EQ(0, FIRE());
	EXPECT_TRUE(COUNTS(self->fd, 1));
}

/*
 * The serial port.
 */
FIXTURE(mtty)
{
	struct device dev;
	int fd;
};

EFD_BLOCKING_VARIANTS(mtty);

FIXTURE_SETUP(mtty)
{
	int ret = mtty_open(&self->dev);

	if (ret == 1)
		SKIP(return, "no device mtty");
	ASSERT_EQ(0, ret);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(mtty)
{
	close(self->fd);
	device_close(&self->dev);
	mtty_remove();
}

TEST_F(mtty, intx_is_masked_until_told_otherwise)
{
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, INTX, UNMASK, 0));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, INTX, UNMASK, 1));
	/* what came meanwhile is lost */
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, INTX, TRIGGER, 0));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, INTX, TRIGGER, 1));
	EXPECT_EQ(2, efd_count(self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, UNMASK));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, MASK));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, TRIGGER));
	EXPECT_EQ(2, efd_count(self->fd));
}

TEST_F(mtty, register_write_interrupts)
{
	int i;

	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	for (i = 1; i <= 100; i++) {
		ASSERT_TRUE(uart_write(&self->dev, UART_IER, UART_IER_THRI));
		ASSERT_EQ(i, efd_count(self->fd));
	}
	ASSERT_EQ(0, irq_disable(&self->dev, MSI));
	ASSERT_TRUE(uart_write(&self->dev, UART_IER, UART_IER_THRI));
	EXPECT_EQ(100, efd_drain(self->fd));
}

TEST_F(mtty, has_one_kind_of_interrupt_at_a_time)
{
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_none(&self->dev, MSI, TRIGGER));
	ASSERT_EQ(0, irq_disable(&self->dev, INTX));
	EXPECT_EQ(-EINVAL, irq_none(&self->dev, INTX, TRIGGER));
	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, MSI, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
}

TEST_F(mtty, knows_what_it_cannot_do)
{
	struct wrong wrong;
	int i;

	ASSERT_TRUE(wrong_open(&wrong));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, INTX, MASK, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, INTX, UNMASK, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, MSI, UNMASK, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, MSIX, TRIGGER, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, ERR, TRIGGER, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, REQ, TRIGGER, self->fd));
	/* whatever the descriptor is: it is not looked at */
	for (i = 0; i < NR_WRONG; i++) {
		EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, INTX, UNMASK, wrong.of[i].fd));
	}
	ASSERT_EQ(0, irq_none(&self->dev, INTX, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
	EXPECT_STREQ("", wrong_close(&wrong));
}

TEST_F(mtty, wants_to_be_asked_first)
{
	device_close(&self->dev);
	ASSERT_EQ(0, mtty_make(&self->dev));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, MSI, TRIGGER, NONE));
	ASSERT_EQ(0, device_info(self->dev.fd));
	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, MSI, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
}

/*
 * The PCI device.
 */
FIXTURE(edu)
{
	struct device dev;
	int fd;		/* for the trigger */
	int in;		/* for what the kernel listens to */
};

EFD_BLOCKING_VARIANTS(edu);

FIXTURE_SETUP(edu)
{
	int ret = edu_open(&self->dev);

	if (ret == 1)
		SKIP(return, "no device edu");
	ASSERT_EQ(0, ret);
	self->fd = efd_create(0, variant->flags);
	self->in = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
	ASSERT_GE(self->in, 0);
}

FIXTURE_TEARDOWN(edu)
{
	close(self->fd);
	close(self->in);
	edu_close(&self->dev);
}

/* What a kernel listener leaves of @n. */
#define REST(n) (variant->flags & EFD_SEMAPHORE ? (n) - 1 : 0)

#define BURST		500

/* Interrupts that come too fast become one: what the kernel has counted is right. */
TEST_F(edu, msi_burst_is_counted)
{
	struct worker w = { .fd = self->fd };
	long before, sum;
	int i;

	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	before = edu_interrupts(&self->dev);
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	for (i = 0; i < BURST; i++) {
		ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
	}
	ASSERT_TRUE(worker_join(&w));
	sum = w.value;
	EXPECT_TRUE(eventually(edu_interrupts(&self->dev) - before ==
			       (sum += efd_drain(self->fd))));
	EXPECT_GT(sum, 0);
	EXPECT_LE(sum, BURST);
}

/* Ends the thread that reads. */
#define LAST		(1u << 30)

static void read_to_the_last(struct worker *w)
{
	_Atomic uint64_t *sum = w->arg;
	uint64_t value = 0;

	while (efd_read(w->fd, &value) == 8 && value < LAST)
		*sum += value;
}

TEST_F(edu, msi_burst_is_read_whole)
{
	_Atomic uint64_t sum = 0;
	struct worker w = { .fd = self->fd, .arg = &sum };
	long before;
	int i;

	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	before = edu_interrupts(&self->dev);
	ASSERT_TRUE(worker_start_asleep(&w, read_to_the_last, SYS_read));
	for (i = 0; i < BURST; i++) {
		ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
	}
	EXPECT_TRUE(eventually(sum && edu_interrupts(&self->dev) - before == (long)sum));
	EXPECT_LE(sum, (unsigned int)BURST);
	/* the reader of a semaphore reads until the test ends */
	if (!(variant->flags & EFD_SEMAPHORE)) {
		ASSERT_EQ(8, efd_write(self->fd, LAST));
		ASSERT_TRUE(worker_join(&w));
	}
}

TEST_F(edu, loops_back)
{
	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, MSI, TRIGGER));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, MSI, TRIGGER, 0));
	EXPECT_EQ(1, efd_count(self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, MSI, TRIGGER, 1));
	EXPECT_EQ(2, efd_count(self->fd));
	ASSERT_EQ(0, irq_disable(&self->dev, MSI));
	EXPECT_EQ(-EINVAL, irq_none(&self->dev, MSI, TRIGGER));

	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, TRIGGER));
	ASSERT_EQ(0, irq_bool(&self->dev, INTX, TRIGGER, 0));
	ASSERT_EQ(0, irq_bool(&self->dev, INTX, TRIGGER, 1));
	EXPECT_EQ(4, efd_count(self->fd));

	/* another one, on the same eventfd */
	ASSERT_EQ(0, irq_eventfd(&self->dev, REQ, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_bool(&self->dev, REQ, TRIGGER, 0));
	ASSERT_EQ(0, irq_bool(&self->dev, REQ, TRIGGER, 1));
	ASSERT_EQ(0, irq_none(&self->dev, REQ, TRIGGER));
	EXPECT_EQ(6, efd_count(self->fd));
	ASSERT_EQ(0, irq_disable(&self->dev, REQ));
	EXPECT_EQ(-EINVAL, irq_none(&self->dev, REQ, TRIGGER));
	EXPECT_EQ(6, efd_drain(self->fd));
}

TEST_F(edu, knows_what_it_cannot_do)
{
	int two[] = { self->fd, self->in };

	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, MSI, MASK, self->in));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, MSI, UNMASK, self->in));
	/* it has one MSI, no MSI-X, and is not PCI Express */
	EXPECT_EQ(-EINVAL, set_irqs(&self->dev, MSI, 0, 2, TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD, two,
				    sizeof(two)));
	EXPECT_EQ(-EINVAL, set_irqs(&self->dev, MSI, 1, 1, TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD, two,
				    sizeof(two)));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, MSIX, TRIGGER, self->fd));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, ERR, TRIGGER, self->fd));
	/* two kinds of data, and less of it than promised */
	EXPECT_EQ(-EINVAL,
		  set_irqs(&self->dev, MSI, 0, 1,
			   TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_DATA_NONE, two, 4));
	EXPECT_EQ(-EINVAL,
		  set_irqs(&self->dev, MSI, 0, 1, TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD, two, 2));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, REQ, TRIGGER, -2));
	ASSERT_EQ(0, irq_disable(&self->dev, MSI));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	EXPECT_EQ(-ENOTTY, irq_eventfd(&self->dev, INTX, MASK, self->in));
	EXPECT_EQ(-EINVAL, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
}

/* INTx, and its unmasking */

/* An interrupt that stays pending, and masked. */
#define PENDING()								\
	do {									\
		ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));	\
		ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));		\
		ASSERT_TRUE(COUNTS(self->fd, 1));				\
	} while (0)

TEST_F(edu, intx_is_masked_until_told_otherwise)
{
	PENDING();
	sleep_ms(QUIET_MS);
	EXPECT_EQ(1, efd_count(self->fd));
	/* still pending: it comes again */
	ASSERT_EQ(0, irq_none(&self->dev, INTX, UNMASK));
	EXPECT_TRUE(COUNTS(self->fd, 2));
	ASSERT_TRUE(edu_write(&self->dev, EDU_ACK, 1));
	ASSERT_EQ(0, irq_none(&self->dev, INTX, UNMASK));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(2, efd_count(self->fd));
	ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
	EXPECT_TRUE(COUNTS(self->fd, 3));
}

TEST_F(edu, write_to_an_eventfd_unmasks_intx)
{
	int i;

	PENDING();
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
	for (i = 2; i <= 20; i++) {
		ASSERT_EQ(8, efd_write(self->in, 1));
		/* who listens takes it, before the write is over */
		ASSERT_EQ(0, efd_count(self->in));
		ASSERT_TRUE(COUNTS(self->fd, i));
	}
	ASSERT_TRUE(edu_write(&self->dev, EDU_ACK, 1));
	ASSERT_EQ(8, efd_write(self->in, 1));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(20, efd_count(self->fd));
	ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
	EXPECT_TRUE(COUNTS(self->fd, 21));
}

/* "they may drain it with eventfd_ctx_do_read() there and then": a read's worth of it. */
TEST_F(edu, unmask_takes_what_a_read_takes)
{
	PENDING();
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
	ASSERT_EQ(8, efd_write(self->in, 5));
	EXPECT_EQ(REST(5), efd_count(self->in));
	EXPECT_TRUE(COUNTS(self->fd, 2));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(2, efd_count(self->fd));
	/* who leaves takes once more, but that unmasks nothing */
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, NONE));
	EXPECT_EQ(REST(5) ? REST(5) - 1 : 0, efd_count(self->in));
	EXPECT_EQ(2, efd_count(self->fd));
}

TEST_F(edu, unmask_hears_of_what_was_there_before)
{
	PENDING();
	ASSERT_EQ(8, efd_write(self->in, 3));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
	EXPECT_TRUE(COUNTS(self->fd, 2));
	/* and leaves it there */
	EXPECT_EQ(3, efd_count(self->in));
	/* until it leaves */
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, NONE));
	EXPECT_EQ(REST(3), efd_count(self->in));
}

TEST_F(edu, intx_is_unmasked_by_one_eventfd_only)
{
	int other = efd_create(0, variant->flags), round;

	PENDING();
	for (round = 0; round < 100; round++) {
		ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
		ASSERT_EQ(-EBUSY, irq_eventfd(&self->dev, INTX, UNMASK, other));
		ASSERT_EQ(-EBUSY, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
		ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, NONE));
	}
	ASSERT_EQ(8, efd_write(self->in, 1));
	EXPECT_EQ(1, efd_count(self->in));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, other));
	ASSERT_EQ(8, efd_write(other, 1));
	EXPECT_EQ(0, efd_count(other));
	EXPECT_TRUE(COUNTS(self->fd, 2));
	close(other);
}

TEST_F(edu, unmask_refuses_what_is_no_eventfd)
{
	PENDING();
	EXPECT_STREQ("", refuses_wrong_fds(0, irq_eventfd(&self->dev, INTX, UNMASK, fd)));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
	/* looked at before who is there */
	EXPECT_STREQ("", refuses_wrong_fds(0, irq_eventfd(&self->dev, INTX, UNMASK, fd)));
	ASSERT_EQ(8, efd_write(self->in, 1));
	EXPECT_TRUE(COUNTS(self->fd, 2));
}

/* "Releasing the file wakes kernel waiters with EPOLLHUP." */
TEST_F(edu, unmask_ends_with_its_eventfd)
{
	struct leaks leaks;
	int i, fd;

	ASSERT_TRUE(leaks_begin(&leaks));
	PENDING();
	for (i = 0; i < NR_LEAKS; i++) {
		fd = leaks_next(&leaks, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, fd));
		/* the file is gone on return, and with it who listened */
		close(fd);
	}
	EXPECT_TRUE(leaks_none(&leaks));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->in));
	ASSERT_EQ(8, efd_write(self->in, 1));
	EXPECT_TRUE(COUNTS(self->fd, 2));
}

/*
 * The interrupt signals the eventfd that unmasks it: the callback takes the count in hard
 * interrupt context, and finds it pending again, until somebody does something about it.
 */
TEST_F(edu, intx_unmasks_itself)
{
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, self->fd));
	ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
	sleep_ms(QUIET_MS);
	ASSERT_TRUE(edu_write(&self->dev, EDU_ACK, 1));
	ASSERT_TRUE(eventually(!edu_masks_intx(&self->dev)));
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, NONE));
	ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
	EXPECT_TRUE(COUNTS(self->fd, 1));
}

/* ioeventfd: a write to an eventfd becomes a write to a register */

#define IOEVENTFD(reg, value, fd)	ioeventfd(&self->dev, self->dev.bar + (reg), value, 4, fd)

TEST_F(edu, write_to_an_eventfd_is_an_msi_to_another)
{
	int i;

	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	ASSERT_EQ(0, IOEVENTFD(EDU_RAISE, 1, self->in));
	for (i = 1; i <= 50; i++) {
		ASSERT_EQ(8, efd_write(self->in, 1));
		/* the register was written and the count taken before the write was over */
		ASSERT_EQ(0, efd_count(self->in));
		ASSERT_TRUE(COUNTS(self->fd, i));
	}
	EXPECT_EQ(1u, edu_read(&self->dev, EDU_STATUS));
	ASSERT_EQ(0, IOEVENTFD(EDU_RAISE, 1, NONE));
	ASSERT_EQ(8, efd_write(self->in, 1));
	EXPECT_EQ(1, efd_count(self->in));
	sleep_ms(QUIET_MS);
	EXPECT_EQ(50, efd_drain(self->fd));
}

TEST_F(edu, ioeventfd_takes_what_a_read_takes)
{
	ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 0x12345678, self->in));
	ASSERT_EQ(8, efd_write(self->in, 7));
	EXPECT_EQ(REST(7), efd_count(self->in));
	EXPECT_EQ(~0x12345678u, edu_read(&self->dev, EDU_LIVENESS));
}

TEST_F(edu, ioeventfd_hears_of_what_was_there_before)
{
	ASSERT_EQ(8, efd_write(self->in, 3));
	ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 77, self->in));
	EXPECT_EQ(~77u, edu_read(&self->dev, EDU_LIVENESS));
	EXPECT_EQ(3, efd_count(self->in));
}

TEST_F(edu, ioeventfd_hears_of_a_write_of_nothing)
{
	ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 99, self->in));
	ASSERT_EQ(8, efd_write(self->in, 0));
	EXPECT_EQ(~99u, edu_read(&self->dev, EDU_LIVENESS));
	EXPECT_EQ(0, efd_count(self->in));
}

/* Who is asleep in a read gets what the kernel leaves. */
TEST_F(edu, ioeventfd_comes_before_a_blocked_reader)
{
	struct worker w = { .fd = self->in };

	ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 5, self->in));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(8, efd_write(self->in, 1));
	EXPECT_EQ(~5u, edu_read(&self->dev, EDU_LIVENESS));
	sleep_ms(QUIET_MS);
	EXPECT_FALSE(w.done);
	ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 5, NONE));
	ASSERT_EQ(8, efd_write(self->in, 1));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
}

/* Each hears of the write, though the first has taken the count. */
TEST_F(edu, ioeventfds_share_an_eventfd)
{
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, IOEVENTFD(EDU_RAISE, 1u << i, self->in));
	}
	ASSERT_EQ(0, irq_eventfd(&self->dev, MSI, TRIGGER, self->fd));
	ASSERT_EQ(8, efd_write(self->in, 20));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 12 : 0, efd_count(self->in));
	EXPECT_EQ(0xffu, edu_read(&self->dev, EDU_STATUS));
	EXPECT_TRUE(eventually(efd_count(self->fd) > 0));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, IOEVENTFD(EDU_RAISE, 1u << i, NONE));
	}
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 4 : 0, efd_count(self->in));
}

/* A hard interrupt signals, and who listens, in there, stops the device. */
TEST_F(edu, intx_is_acknowledged_by_ioeventfd)
{
	int i;

	ASSERT_EQ(0, IOEVENTFD(EDU_ACK, 1, self->fd));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(edu_write(&self->dev, EDU_RAISE, 1));
		ASSERT_TRUE(eventually(!edu_read(&self->dev, EDU_STATUS)));
		ASSERT_EQ(0, irq_none(&self->dev, INTX, UNMASK));
	}
	EXPECT_EQ(0, efd_count(self->fd));
}

TEST_F(edu, ioeventfd_refuses_what_is_no_eventfd)
{
	struct wrong wrong;
	int i;

	EXPECT_STREQ("", refuses_wrong_fds(0, IOEVENTFD(EDU_LIVENESS, 3, fd)));
	EXPECT_EQ(-ENODEV, IOEVENTFD(EDU_LIVENESS, 3, NONE));
	EXPECT_EQ(-EINVAL, IOEVENTFD(EDU_LIVENESS, 3, -2));
	ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 3, self->in));
	EXPECT_STREQ("", refuses_wrong_fds(0, IOEVENTFD(EDU_LIVENESS, 4, fd)));
	ASSERT_TRUE(wrong_open(&wrong));
	for (i = 0; i < NR_WRONG; i++) {
		EXPECT_EQ(-EEXIST, IOEVENTFD(EDU_LIVENESS, 3, wrong.of[i].fd));
	}
	EXPECT_STREQ("", wrong_close(&wrong));
	ASSERT_EQ(8, efd_write(self->in, 1));
	EXPECT_EQ(~3u, edu_read(&self->dev, EDU_LIVENESS));
}

TEST_F(edu, ioeventfd_refuses_what_it_cannot_write)
{
	off_t reg = self->dev.bar + EDU_LIVENESS;

	EXPECT_EQ(-EINVAL, ioeventfd(&self->dev, reg, 1, 0, self->in));
	EXPECT_EQ(-EINVAL, ioeventfd(&self->dev, reg, 1, 3, self->in));
	EXPECT_EQ(-EINVAL, ioeventfd(&self->dev, reg, 1, 16, self->in));
	EXPECT_EQ(-EINVAL, ioeventfd(&self->dev, self->dev.bar + (1 << 20) - 3, 1, 4, self->in));
	EXPECT_EQ(-EINVAL, ioeventfd(&self->dev, self->dev.config, 1, 4, self->in));
	ASSERT_EQ(0, ioeventfd(&self->dev, reg, 1, 4, self->in));
	EXPECT_EQ(-EEXIST, ioeventfd(&self->dev, reg, 1, 4, self->in));
	EXPECT_EQ(-EEXIST, ioeventfd(&self->dev, reg, 1, 4, self->fd));
	/* that is another one */
	EXPECT_EQ(0, ioeventfd(&self->dev, reg, 1, 2, self->fd));
}

/* The listener goes with its eventfd, the entry stays until it is told to go. */
TEST_F(edu, ioeventfd_ends_with_its_eventfd)
{
	struct leaks leaks;
	int i, fd;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < NR_LEAKS; i++) {
		fd = leaks_next(&leaks, variant->flags);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, i, fd));
		close(fd);
		ASSERT_EQ(-EEXIST, IOEVENTFD(EDU_LIVENESS, i, self->in));
		ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, i, NONE));
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

TEST_F(edu, ioeventfds_end_with_the_device)
{
	struct leaks leaks;
	int i, round, fd;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 50; i++) {
			fd = leaks_next(&leaks, variant->flags);
			ASSERT_GE(fd, 0);
			ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, i, fd));
			if (!(i & 1)) {
				ASSERT_EQ(100 + i, dup2(fd, 100 + i));
			}
			close(fd);
		}
		close(self->dev.fd);
		for (i = 0; i < 50; i += 2) {
			/* nobody listens any more */
			ASSERT_EQ(8, efd_write(100 + i, 1));
			ASSERT_EQ(1, efd_count(100 + i));
			close(100 + i);
		}
		self->dev.fd =
			RET(ioctl(self->dev.group, VFIO_GROUP_GET_DEVICE_FD, self->dev.name));
		ASSERT_GE(self->dev.fd, 0);
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

/* The end of the file and the order to let go, at the same time. */
TEST_F(edu, listeners_survive_close_at_the_same_time)
{
	struct closer c = { .rounds = 200 };
	struct worker w = { .arg = &c };
	struct leaks leaks;
	int i;

	ASSERT_TRUE(leaks_begin(&leaks));
	ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, TRIGGER, self->fd));
	ASSERT_TRUE(worker_start(&w, close_on_turn));
	for (i = 1; i <= c.rounds; i++) {
		c.fd = leaks_next(&leaks, variant->flags);
		ASSERT_GE(c.fd, 0);
		ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 1, c.fd));
		ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, c.fd));
		c.turn = i;
		ASSERT_EQ(0, IOEVENTFD(EDU_LIVENESS, 1, NONE));
		ASSERT_EQ(0, irq_eventfd(&self->dev, INTX, UNMASK, NONE));
		ASSERT_TRUE(soon(c.done == i));
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_TRUE(leaks_none(&leaks));
}

/* Whoever has the device is asked to give it back when its driver is taken away. */
TEST_F(edu, req_asks_for_the_device)
{
	struct worker w = { .fd = self->fd };
	pid_t pid;

	ASSERT_EQ(0, irq_eventfd(&self->dev, REQ, TRIGGER, self->fd));
	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	/* the child must not have the device open: that would be for ever */
	pid = child_start();
	if (!pid) {
		device_close(&self->dev);
		_exit(sysfs_write(self->dev.name, "/sys/bus/pci/drivers/vfio-pci/unbind") ? 1 : 0);
	}
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
	EXPECT_FALSE(child_has_ended(pid));
	edu_close(&self->dev);
	EXPECT_EQ(0, child_end(pid));
	EXPECT_EQ(0, edu_open(&self->dev));
}

TEST_HARNESS_MAIN
