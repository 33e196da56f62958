// SPDX-License-Identifier: GPL-2.0
/*
 * FunctionFS: a USB function in user space names an eventfd in its descriptors, that is
 * signalled for each event on ep0 and for each transfer that aio does and that names no
 * eventfd of its own. The other end of the cable is usbfs on the same machine.
 *
 * Needs root, dummy_hcd and configfs; skips without.
 */
#include <linux/aio_abi.h>
#include <linux/usb/ch9.h>
#include <linux/usb/functionfs.h>
#include <linux/usbdevice_fs.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "device.h"

#define NAME		"eventfd_test"
#define UDC		"dummy_udc.0"
#define VENDOR		0x1d6b
#define PRODUCT		0xefd0

/* Up to 64 bytes dummy_hcd takes off the function at once, whether the host asks or not. */
#define LEN		100

/* In the blob instead of an eventfd: no FUNCTIONFS_EVENTFD. */
#define NONE		(-100)

static int put(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = RET(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* A vendor's interface with a bulk endpoint in each direction, at one speed. */
struct function {
	struct usb_interface_descriptor intf;
	struct usb_endpoint_descriptor_no_audio in;
	struct usb_endpoint_descriptor_no_audio out;
} __attribute__((packed));

static struct function function(int packet)
{
	return (struct function) {
		.intf = {
			.bLength = sizeof(struct usb_interface_descriptor),
			.bDescriptorType = USB_DT_INTERFACE,
			.bNumEndpoints = 2,
			.bInterfaceClass = USB_CLASS_VENDOR_SPEC,
		},
		.in = {
			.bLength = sizeof(struct usb_endpoint_descriptor_no_audio),
			.bDescriptorType = USB_DT_ENDPOINT,
			.bEndpointAddress = 1 | USB_DIR_IN,
			.bmAttributes = USB_ENDPOINT_XFER_BULK,
			.wMaxPacketSize = packet,
		},
		.out = {
			.bLength = sizeof(struct usb_endpoint_descriptor_no_audio),
			.bDescriptorType = USB_DT_ENDPOINT,
			.bEndpointAddress = 2 | USB_DIR_OUT,
			.bmAttributes = USB_ENDPOINT_XFER_BULK,
			.wMaxPacketSize = packet,
		},
	};
}

/* Writes the descriptors, with @efd in them: 0 or -errno. */
static int write_descs(int ep0, int efd, unsigned int more_flags)
{
	struct usb_functionfs_descs_head_v2 head = {
		.magic = FUNCTIONFS_DESCRIPTORS_MAGIC_V2,
		.flags = FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC | more_flags,
	};
	struct {
		unsigned int fs, hs;
	} count = { 3, 3 };
	struct function fs = function(64), hs = function(512);
	/* clang-format off */
	struct iovec part[] = {
		{ &head, sizeof(head) },
		{ &efd, efd == NONE ? 0 : sizeof(efd) },
		{ &count, sizeof(count) },
		{ &fs, sizeof(fs) },
		{ &hs, sizeof(hs) },
	};
	/* clang-format on */
	char blob[256];
	int i, len = 0;
	ssize_t ret;

	for (i = 0; i < 5; i++)
		head.length += part[i].iov_len;
	if (efd != NONE)
		head.flags |= FUNCTIONFS_EVENTFD;
	for (i = 0; i < 5; i++) {
		memcpy(blob + len, part[i].iov_base, part[i].iov_len);
		len += part[i].iov_len;
	}
	ret = RET(write(ep0, blob, len));
	return ret == len ? 0 : ret;
}

static int write_strings(int ep0)
{
	struct usb_functionfs_strings_head head = {
		.magic = FUNCTIONFS_STRINGS_MAGIC,
		.length = sizeof(head),
	};
	ssize_t ret = RET(write(ep0, &head, sizeof(head)));

	return ret == sizeof(head) ? 0 : ret;
}

/* A gadget with one function, both ends of it, and the eventfds. */
struct gadget {
	char path[32];
	int config;		/* the configfs */
	int dir;		/* the gadget in it */
	int files;		/* the functionfs */
	int ep0, in, out;
	int host;
	int efd, resfd;
	aio_context_t aio;
};

static int gadget_unbind(struct gadget *g)
{
	return put(g->dir, "UDC", "\n");
}

/* Also what a test that was stopped half-way has left. */
static void gadget_remove(int config)
{
	int dir = openat(config, "usb_gadget/" NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	put(dir, "UDC", "\n");
	unlinkat(dir, "configs/c.1/f", 0);
	eventually(!unlinkat(dir, "functions/ffs." NAME, AT_REMOVEDIR) || errno != EBUSY);
	unlinkat(dir, "configs/c.1", AT_REMOVEDIR);
	close(dir);
	eventually(!unlinkat(config, "usb_gadget/" NAME, AT_REMOVEDIR) || errno != EBUSY);
}

static int open_dir(const char *base, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return RET(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* All is private to this process, but for the gadget itself. NULL, or why it is not possible. */
static const char *mounts(struct gadget *g)
{
	char path[64];

	snprintf(g->path, sizeof(g->path), "/tmp/functionfs_test.XXXXXX");
	if (geteuid())
		return "needs root";
	if (access("/sys/class/udc/" UDC, F_OK))
		return "no " UDC;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no mount name space";
	if (!mkdtemp(g->path) || mount(NAME, g->path, "tmpfs", 0, NULL))
		return "no directory to mount on";
	snprintf(path, sizeof(path), "%s/config", g->path);
	if (mkdir(path, 0755) || mount(NAME, path, "configfs", 0, NULL))
		return "no configfs";
	g->config = open_dir(g->path, "config");
	if (faccessat(g->config, "usb_gadget", F_OK, 0))
		return "no gadgets in configfs";
	return NULL;
}

static bool gadget_make(struct gadget *g)
{
	char path[64], target[96], id[16];

	gadget_remove(g->config);
	if (mkdirat(g->config, "usb_gadget/" NAME, 0755))
		return false;
	g->dir = RET(openat(g->config, "usb_gadget/" NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (g->dir < 0)
		return false;
	snprintf(id, sizeof(id), "%#x", VENDOR);
	if (put(g->dir, "idVendor", id))
		return false;
	snprintf(id, sizeof(id), "%#x", PRODUCT);
	if (put(g->dir, "idProduct", id))
		return false;
	snprintf(target, sizeof(target), "%s/config/usb_gadget/" NAME "/functions/ffs." NAME,
		 g->path);
	if (mkdirat(g->dir, "configs/c.1", 0755) || mkdirat(g->dir, "functions/ffs." NAME, 0755) ||
	    symlinkat(target, g->dir, "configs/c.1/f"))
		return false;
	snprintf(path, sizeof(path), "%s/ffs", g->path);
	if (mkdir(path, 0755) || mount(NAME, path, "functionfs", 0, NULL))
		return false;
	g->files = open_dir(g->path, "ffs");
	if (g->files < 0)
		return false;
	g->ep0 = RET(openat(g->files, "ep0", O_RDWR | O_CLOEXEC));
	return g->ep0 >= 0;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void gadget_teardown(struct gadget *g)
{
	char path[64];

	shut(&g->host);
	if (g->dir >= 0)
		gadget_unbind(g);
	/* every transfer has ended */
	if (g->aio)
		syscall(SYS_io_destroy, g->aio);
	shut(&g->in);
	shut(&g->out);
	shut(&g->ep0);
	shut(&g->files);
	snprintf(path, sizeof(path), "%s/ffs", g->path);
	umount2(path, 0);
	shut(&g->dir);
	if (g->config >= 0)
		gadget_remove(g->config);
	shut(&g->config);
	umount2(g->path, MNT_DETACH);
	rmdir(g->path);
	shut(&g->efd);
	shut(&g->resfd);
}

/* Gives the function its descriptors, and opens its endpoints: 0 or -errno. */
static int gadget_describe(struct gadget *g, int efd)
{
	int ret = write_descs(g->ep0, efd, 0) ?: write_strings(g->ep0);

	if (ret)
		return ret;
	g->in = RET(openat(g->files, "ep1", O_RDWR | O_CLOEXEC));
	g->out = RET(openat(g->files, "ep2", O_RDWR | O_CLOEXEC));
	return g->in < 0 ? g->in : g->out < 0 ? g->out : 0;
}

/* The next event on ep0, waits for it; -1 if there is none. */
static int next_event(struct gadget *g, struct usb_functionfs_event *ev)
{
	struct pollfd pfd = { .fd = g->ep0, .events = POLLIN };
	struct usb_functionfs_event unused;

	ev = ev ?: &unused;
	if (poll(&pfd, 1, WAIT_MS) != 1 || read(g->ep0, ev, sizeof(*ev)) != sizeof(*ev))
		return -1;
	return ev->type;
}

/*
 * Unplugs it: how many events that made, -1 if it did not work. DISABLE is one of them; UNBIND
 * comes after it and drops it from ep0's queue. The suspended bus may be another.
 */
static int gadget_disconnect(struct gadget *g)
{
	int type, n = 1;

	if (gadget_unbind(g))
		return -1;
	do {
		type = next_event(g, NULL);
		n++;
	} while (type == FUNCTIONFS_SUSPEND);
	return type == FUNCTIONFS_UNBIND ? n : -1;
}

static long read_number(int dir, const char *name, const char *file, int base)
{
	char path[300], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", name, file);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, base);
}

/* Opens the device from the host's side, with its interface claimed: -1 if it is not there. */
static int host_open(void)
{
	DIR *d = opendir("/sys/bus/usb/devices");
	struct dirent *entry;
	unsigned int intf = 0;
	char path[64];
	int fd = -1;

	while (d && fd < 0 && (entry = readdir(d))) {
		if (read_number(dirfd(d), entry->d_name, "idVendor", 16) != VENDOR ||
		    read_number(dirfd(d), entry->d_name, "idProduct", 16) != PRODUCT)
			continue;
		snprintf(path, sizeof(path), "/dev/bus/usb/%03ld/%03ld",
			 read_number(dirfd(d), entry->d_name, "busnum", 10),
			 read_number(dirfd(d), entry->d_name, "devnum", 10));
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, USBDEVFS_CLAIMINTERFACE, &intf))
			shut(&fd);
	}
	if (d)
		closedir(d);
	return fd;
}

/* Plugs it in, and takes the two events that this makes. */
static bool gadget_connect(struct gadget *g)
{
	return !put(g->dir, "UDC", UDC) &&
	       next_event(g, NULL) == FUNCTIONFS_BIND &&
	       next_event(g, NULL) == FUNCTIONFS_ENABLE &&
	       eventually((g->host = host_open()) >= 0);
}

static int host_bulk(struct gadget *g, int endpoint, void *data, int len)
{
	struct usbdevfs_bulktransfer bulk = {
		.ep = endpoint,
		.len = len,
		.timeout = WAIT_MS,
		.data = data,
	};

	return RET(ioctl(g->host, USBDEVFS_BULK, &bulk));
}

/* What the host reads of the function. */
static int host_in(struct gadget *g, void *data, int len)
{
	return host_bulk(g, 1 | USB_DIR_IN, data, len);
}

static int host_out(struct gadget *g, void *data, int len)
{
	return host_bulk(g, 2 | USB_DIR_OUT, data, len);
}

/* A control request to the interface, a worker's call: @arg is the request. */
static void worker_control(struct worker *w)
{
	w->ret = RET(ioctl(w->fd, USBDEVFS_CONTROL, w->arg));
}

static struct iocb transfer(int op, int fd, void *data, int len, int resfd)
{
	struct iocb cb = {
		.aio_lio_opcode = op,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)data,
		.aio_nbytes = len,
	};

	if (resfd != NONE) {
		cb.aio_flags = IOCB_FLAG_RESFD;
		cb.aio_resfd = resfd;
	}
	return cb;
}

static int submit(struct gadget *g, struct iocb *cb)
{
	return RET(syscall(SYS_io_submit, g->aio, 1, &cb));
}

/* Up to @max completions at once or after a while. */
static int completions(struct gadget *g, int min, int max, struct io_event *ev, int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000l };

	return RET(syscall(SYS_io_getevents, g->aio, (long)min, (long)max, ev, &ts));
}

static long long completion(struct gadget *g)
{
	struct io_event ev;
	int n = completions(g, 1, 1, &ev, WAIT_MS);

	if (n < 0)
		return n;
	return n ? (long long)ev.res : -ETIMEDOUT;
}

#define GADGET_SETUP(g, flags)								\
	do {										\
		const char *why_;							\
											\
		*(g) = (struct gadget){ "", -1, -1, -1, -1, -1, -1, -1, -1, -1, 0 };	\
		why_ = mounts(g);							\
		if (why_) {								\
			gadget_teardown(g);						\
			SKIP(return, "%s", why_);					\
		}									\
		(g)->efd = efd_create(0, flags);					\
		(g)->resfd = efd_create(0, flags);					\
		ASSERT_GE((g)->efd, 0);							\
		ASSERT_GE((g)->resfd, 0);						\
		ASSERT_EQ(0, RET(syscall(SYS_io_setup, 64, &(g)->aio)));		\
		ASSERT_TRUE(gadget_make(g));						\
	} while (0)

/* Descriptors are written, nothing is plugged in. */
FIXTURE(descs)
{
	struct gadget g;
};

FIXTURE_SETUP(descs)
{
	GADGET_SETUP(&self->g, 0);
}

FIXTURE_TEARDOWN(descs)
{
	gadget_teardown(&self->g);
}

TEST_F(descs, refuse_what_is_no_eventfd)
{
	struct gadget *g = &self->g;

	EXPECT_STREQ("", refuses_wrong_fds(-1, write_descs(g->ep0, fd, 0)));
	EXPECT_EQ(-EBADF, write_descs(g->ep0, 1 << 30, 0));
	EXPECT_EQ(-EINVAL, write_descs(g->ep0, g->ep0, 0));
	/* a flag that there is not is looked at before the eventfd */
	EXPECT_EQ(-ENOSYS, write_descs(g->ep0, g->efd, 1u << 31));
	EXPECT_EQ(-ENOSYS, write_descs(g->ep0, -1, 1u << 31));
	/* the right one still works */
	ASSERT_EQ(0, gadget_describe(g, g->efd));
	ASSERT_TRUE(gadget_connect(g));
	EXPECT_EQ(2, efd_drain_to(g->efd, 2));
}

/* The function lets go of its eventfd when the last file is closed. */
TEST_F(descs, closing_the_function_lets_the_eventfd_go)
{
	struct gadget *g = &self->g;
	struct leaks leaks;
	int i, efd;

	ASSERT_TRUE(leaks_begin(&leaks));
	for (i = 0; i < NR_LEAKS; i++) {
		efd = leaks_next(&leaks, 0);
		ASSERT_GE(efd, 0);
		ASSERT_EQ(0, write_descs(g->ep0, efd, 0));
		if (i & 1) {
			ASSERT_EQ(0, write_strings(g->ep0));
		}
		/* either may be the first to go */
		if (i & 2)
			close(efd);
		close(g->ep0);
		g->ep0 = RET(openat(g->files, "ep0", O_RDWR | O_CLOEXEC));
		ASSERT_GE(g->ep0, 0);
		if (!(i & 2)) {
			EXPECT_EQ(0, efd_drain(efd));
			close(efd);
		}
	}
	EXPECT_TRUE(leaks_none(&leaks));
}

TEST_F(descs, without_the_flag_nobody_is_signalled)
{
	struct gadget *g = &self->g;
	char data[LEN] = "to the host", seen[LEN];
	struct iocb cb;

	ASSERT_EQ(0, gadget_describe(g, NONE));
	ASSERT_TRUE(gadget_connect(g));
	cb = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, g->resfd);
	ASSERT_EQ(1, submit(g, &cb));
	ASSERT_EQ(LEN, host_in(g, seen, LEN));
	EXPECT_EQ(1, efd_drain_to(g->resfd, 1));
	EXPECT_EQ(0, efd_drain(g->efd));
}

/* "BIND, ENABLE, DISABLE, UNBIND events", and SETUP: each adds one. */
FIXTURE(events)
{
	struct gadget g;
};
EFD_BLOCKING_VARIANTS(events);

FIXTURE_SETUP(events)
{
	GADGET_SETUP(&self->g, variant->flags);
	ASSERT_EQ(0, gadget_describe(&self->g, self->g.efd));
}

FIXTURE_TEARDOWN(events)
{
	gadget_teardown(&self->g);
}

TEST_F(events, all_signal)
{
	struct usbdevfs_ctrltransfer none = {
		.bRequestType = 0x41,
		.bRequest = 1,
		.timeout = WAIT_MS,
	};
	char data[4] = "";
	struct usbdevfs_ctrltransfer four = {
		.bRequestType = 0xc1,
		.bRequest = 2,
		.timeout = WAIT_MS,
		.wLength = sizeof(data),
		.data = data,
	};
	struct worker w = { .arg = &none };
	struct usb_functionfs_event ev;
	struct gadget *g = &self->g;
	int n;

	EXPECT_EQ(0, efd_drain(g->efd));
	ASSERT_EQ(0, put(g->dir, "UDC", UDC));
	ASSERT_EQ(FUNCTIONFS_BIND, next_event(g, NULL));
	ASSERT_EQ(FUNCTIONFS_ENABLE, next_event(g, NULL));
	EXPECT_EQ(2, efd_drain_to(g->efd, 2));
	ASSERT_TRUE(eventually((g->host = host_open()) >= 0));

	w.fd = g->host;
	ASSERT_TRUE(worker_start(&w, worker_control));
	ASSERT_EQ(FUNCTIONFS_SETUP, next_event(g, &ev));
	EXPECT_EQ(1, efd_drain(g->efd));
	EXPECT_EQ(1, ev.u.setup.bRequest);
	EXPECT_EQ(0, RET(read(g->ep0, NULL, 0)));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(0, w.ret);

	w.arg = &four;
	ASSERT_TRUE(worker_start(&w, worker_control));
	ASSERT_EQ(FUNCTIONFS_SETUP, next_event(g, &ev));
	EXPECT_EQ(1, efd_drain(g->efd));
	EXPECT_EQ(2, ev.u.setup.bRequest);
	EXPECT_EQ(4, RET(write(g->ep0, "efd!", 4)));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(4, w.ret);
	EXPECT_EQ(0, memcmp(data, "efd!", 4));
	EXPECT_EQ(0, efd_drain(g->efd));

	/* the second drops the first from ep0's queue, but both are counted */
	n = gadget_disconnect(g);
	EXPECT_GE(n, 2);
	EXPECT_EQ(n, efd_drain(g->efd));
}

TEST_F(events, wake_a_reader)
{
	struct gadget *g = &self->g;
	struct worker w = { .fd = g->efd };
	unsigned long long sum;
	int n;

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(0, put(g->dir, "UDC", UDC));
	ASSERT_TRUE(worker_join(&w));
	ASSERT_EQ(8, w.ret);
	sum = w.value;
	ASSERT_EQ(FUNCTIONFS_BIND, next_event(g, NULL));
	ASSERT_EQ(FUNCTIONFS_ENABLE, next_event(g, NULL));
	EXPECT_EQ(2u, sum + efd_drain_to(g->efd, 2 - sum));

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	n = gadget_disconnect(g);
	EXPECT_GE(n, 2);
	ASSERT_TRUE(worker_join(&w));
	ASSERT_EQ(8, w.ret);
	EXPECT_EQ(n, (int)w.value + efd_drain(g->efd));
}

TEST_F(events, are_edges_for_epoll)
{
	struct gadget *g = &self->g;
	int ep = watch(g->efd, EPOLLIN | EPOLLET);
	int n;

	ASSERT_GE(ep, 0);
	EXPECT_EQ(0, watched(ep, 0));
	ASSERT_EQ(0, put(g->dir, "UDC", UDC));
	EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
	ASSERT_EQ(FUNCTIONFS_BIND, next_event(g, NULL));
	ASSERT_EQ(FUNCTIONFS_ENABLE, next_event(g, NULL));
	watched(ep, 0);
	EXPECT_EQ(0, watched(ep, 0));
	/* nobody has read the eventfd: one more is an edge all the same */
	n = gadget_disconnect(g);
	EXPECT_GE(n, 2);
	EXPECT_EQ(EPOLLIN, watched(ep, WAIT_MS));
	EXPECT_EQ(2 + n, efd_drain(g->efd));
	close(ep);
}

/* The function holds the eventfd itself, not the number that it was told. */
TEST_F(events, reach_a_duplicate_or_nobody)
{
	struct gadget *g = &self->g;
	int again = dup(g->efd);

	shut(&g->efd);
	ASSERT_TRUE(gadget_connect(g));
	EXPECT_EQ(2, efd_drain_to(again, 2));
	close(again);
	/* nobody is there to see it, and nobody is hurt */
	EXPECT_GE(gadget_disconnect(g), 2);
}

/* Closing the function's files unplugs it; that too is told before the eventfd is let go. */
TEST_F(events, come_from_closing_the_function)
{
	struct gadget *g = &self->g;

	ASSERT_TRUE(gadget_connect(g));
	EXPECT_EQ(2, efd_drain_to(g->efd, 2));
	shut(&g->host);
	shut(&g->in);
	shut(&g->out);
	EXPECT_EQ(0, efd_drain(g->efd));
	shut(&g->ep0);
	EXPECT_GE(efd_drain_to(g->efd, 1), 1);
}

/* "adds and saturates at ULLONG_MAX" */
TEST_F(events, saturate_a_full_eventfd)
{
	struct gadget *g = &self->g;

	ASSERT_EQ(8, efd_write(g->efd, EFD_MAX));
	ASSERT_TRUE(gadget_connect(g));
	EXPECT_TRUE(efd_is_saturated(g->efd, variant->flags));
}

/* Transfers, with the function plugged in and its first events taken. */
FIXTURE(transfers)
{
	struct gadget g;
};

FIXTURE_SETUP(transfers)
{
	struct gadget *g = &self->g;

	/* one by one is as good as all at once to see how many there were */
	GADGET_SETUP(g, EFD_SEMAPHORE);
	ASSERT_EQ(0, gadget_describe(g, g->efd));
	ASSERT_TRUE(gadget_connect(g));
	ASSERT_EQ(2, efd_drain_to(g->efd, 2));
}

FIXTURE_TEARDOWN(transfers)
{
	gadget_teardown(&self->g);
}

/* With RESFD that one is told, without it the function's, and never both. */
TEST_F(transfers, signal_resfd_or_the_function_s_eventfd)
{
	char data[LEN] = "a bulk transfer", seen[LEN];
	struct gadget *g = &self->g;
	const int told[] = { g->resfd, NONE, g->efd };
	struct iocb cb;
	int i, out;

	for (i = 0; i < 6; i++) {
		out = i & 1;
		memset(seen, 0, sizeof(seen));
		if (out)
			cb = transfer(IOCB_CMD_PREAD, g->out, seen, LEN, told[i / 2]);
		else
			cb = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, told[i / 2]);
		ASSERT_EQ(1, submit(g, &cb));
		EXPECT_EQ(0, efd_drain(g->resfd));
		EXPECT_EQ(0, efd_drain(g->efd));
		ASSERT_EQ(LEN, out ? host_out(g, data, LEN) : host_in(g, seen, LEN));
		ASSERT_EQ(LEN, completion(g));
		EXPECT_EQ(0, memcmp(data, seen, LEN));
		EXPECT_EQ(i / 2 != 0, efd_drain_to(g->efd, i / 2 != 0));
		EXPECT_EQ(i / 2 == 0, efd_drain_to(g->resfd, i / 2 == 0));
	}
}

static void worker_ep_write(struct worker *w)
{
	w->ret = RET(write(w->fd, w->arg, LEN));
}

/* read(2) and write(2) on an endpoint tell nobody but their caller. */
TEST_F(transfers, without_aio_signal_nobody)
{
	struct gadget *g = &self->g;
	char data[LEN] = "nothing but bytes", seen[LEN];
	struct worker w = { .fd = g->in, .arg = data };

	ASSERT_TRUE(worker_start_asleep(&w, worker_ep_write, SYS_write));
	EXPECT_EQ(LEN, host_in(g, seen, LEN));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(LEN, w.ret);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(0, efd_drain(g->efd));
	EXPECT_EQ(0, efd_drain(g->resfd));
}

TEST_F(transfers, signal_once_each)
{
	struct gadget *g = &self->g;
	char data[LEN] = "one of many", seen[LEN];
	struct io_event ev[32];
	struct iocb cb[32];
	int i;

	for (i = 0; i < 32; i++) {
		cb[i] = transfer(IOCB_CMD_PWRITE, g->in, data, LEN,
				 i & 1 ? NONE : g->resfd);
		ASSERT_EQ(1, submit(g, &cb[i]));
	}
	EXPECT_EQ(0, efd_drain(g->resfd));
	for (i = 0; i < 32; i++) {
		ASSERT_EQ(LEN, host_in(g, seen, LEN));
	}
	EXPECT_EQ(16, efd_drain_to(g->resfd, 16));
	EXPECT_EQ(16, efd_drain_to(g->efd, 16));
	EXPECT_EQ(32, completions(g, 32, 32, ev, WAIT_MS));
}

TEST_F(transfers, wake_a_reader_of_resfd)
{
	struct gadget *g = &self->g;
	struct worker w = { .fd = g->resfd };
	char data[LEN] = "wake up", seen[LEN];
	struct iocb cb = transfer(IOCB_CMD_PREAD, g->out, seen, LEN, g->resfd);

	ASSERT_TRUE(worker_start_asleep(&w, worker_read, SYS_read));
	ASSERT_EQ(1, submit(g, &cb));
	ASSERT_EQ(LEN, host_out(g, data, LEN));
	ASSERT_TRUE(worker_join(&w));
	EXPECT_EQ(8, w.ret);
	EXPECT_EQ(1u, w.value);
	/* whoever has read it finds the completion */
	EXPECT_EQ(LEN, completion(g));
}

TEST_F(transfers, refuse_what_is_no_eventfd)
{
	char data[LEN] = "once", seen[LEN];
	struct gadget *g = &self->g;
	const char *why;
	struct iocb cb;

	why = refuses_wrong_fds(-1, ({
		cb = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, fd);
		submit(g, &cb);
	}));
	EXPECT_STREQ("", why);
	cb = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, g->in);
	EXPECT_EQ(-EINVAL, submit(g, &cb));
	/* nothing of it was queued: the host gets what comes after */
	data[0] = 'O';
	cb = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, g->resfd);
	ASSERT_EQ(1, submit(g, &cb));
	ASSERT_EQ(LEN, host_in(g, seen, LEN));
	EXPECT_EQ('O', seen[0]);
	EXPECT_EQ(1, efd_drain_to(g->resfd, 1));
	EXPECT_EQ(0, efd_drain(g->efd));
}

/* A transfer that is cancelled ends like any other: with a signal. */
TEST_F(transfers, that_are_cancelled_signal)
{
	struct gadget *g = &self->g;
	char data[LEN] = "cancelled", seen[LEN];
	struct io_event ev;
	struct iocb cb[2];
	int i;

	for (i = 0; i < 2; i++) {
		cb[i] = transfer(IOCB_CMD_PWRITE, g->in, data, LEN,
				 i ? NONE : g->resfd);
		ASSERT_EQ(1, submit(g, &cb[i]));
	}
	sleep_ms(QUIET_MS);
	EXPECT_EQ(0, efd_drain(g->resfd));
	EXPECT_EQ(0, efd_drain(g->efd));
	EXPECT_EQ(-EINPROGRESS, RET(syscall(SYS_io_cancel, g->aio, &cb[0], &ev)));
	EXPECT_EQ(-ECONNRESET, completion(g));
	EXPECT_EQ(1, efd_drain_to(g->resfd, 1));
	EXPECT_EQ(0, efd_drain(g->efd));
	EXPECT_EQ(-EINPROGRESS, RET(syscall(SYS_io_cancel, g->aio, &cb[1], &ev)));
	EXPECT_EQ(-ECONNRESET, completion(g));
	EXPECT_EQ(1, efd_drain_to(g->efd, 1));
	EXPECT_EQ(0, efd_drain(g->resfd));
	/* there is no second time */
	EXPECT_EQ(-EINVAL, RET(syscall(SYS_io_cancel, g->aio, &cb[0], &ev)));
	/* the endpoint works on */
	cb[0] = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, g->resfd);
	ASSERT_EQ(1, submit(g, &cb[0]));
	ASSERT_EQ(LEN, host_in(g, seen, LEN));
	EXPECT_EQ(1, efd_drain_to(g->resfd, 1));
}

/* Closing the endpoint's descriptor ends nothing; unplugging ends all that is pending. */
TEST_F(transfers, that_are_pending_signal_when_unplugged)
{
	struct gadget *g = &self->g;
	char data[LEN] = "pending", seen[LEN];
	struct iocb cb[4];
	int i, n;

	for (i = 0; i < 4; i++) {
		if (i & 1)
			cb[i] = transfer(IOCB_CMD_PREAD, g->out, seen, LEN, g->resfd);
		else
			cb[i] = transfer(IOCB_CMD_PWRITE, g->in, data, LEN, g->resfd);
		ASSERT_EQ(1, submit(g, &cb[i]));
	}
	shut(&g->in);
	shut(&g->out);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(0, efd_drain(g->resfd));
	n = gadget_disconnect(g);
	EXPECT_GE(n, 2);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-ESHUTDOWN, completion(g));
	}
	EXPECT_EQ(4, efd_drain_to(g->resfd, 4));
	EXPECT_EQ(n, efd_drain_to(g->efd, n));
}

/* The context of a pending transfer's eventfd outlives its last descriptor. */
TEST_F(transfers, that_are_pending_keep_what_they_signal)
{
	struct gadget *g = &self->g;
	char data[LEN] = "nobody's", seen[LEN];
	int gone = efd_create(0, 0);
	int kept = efd_create(0, 0);
	int again = dup(kept);
	struct iocb cb[2] = {
		transfer(IOCB_CMD_PWRITE, g->in, data, LEN, gone),
		transfer(IOCB_CMD_PWRITE, g->in, data, LEN, kept),
	};

	ASSERT_EQ(1, submit(g, &cb[0]));
	ASSERT_EQ(1, submit(g, &cb[1]));
	close(gone);
	close(kept);
	ASSERT_EQ(LEN, host_in(g, seen, LEN));
	ASSERT_EQ(LEN, host_in(g, seen, LEN));
	EXPECT_EQ(LEN, completion(g));
	EXPECT_EQ(LEN, completion(g));
	EXPECT_EQ(1, efd_drain_to(again, 1));
	close(again);
}

/* io_destroy() cancels what is pending, and returns when all of it has signalled. */
TEST_F(transfers, that_are_pending_signal_when_the_context_is_destroyed)
{
	struct gadget *g = &self->g;
	char seen[LEN];
	struct iocb cb[3];
	int i;

	for (i = 0; i < 3; i++) {
		cb[i] = transfer(IOCB_CMD_PREAD, g->out, seen, LEN, g->resfd);
		ASSERT_EQ(1, submit(g, &cb[i]));
	}
	ASSERT_EQ(0, RET(syscall(SYS_io_destroy, g->aio)));
	g->aio = 0;
	EXPECT_EQ(3, efd_drain_to(g->resfd, 3));
	EXPECT_EQ(0, efd_drain(g->efd));
}

/* A process that ends with transfers pending. */
TEST_F(transfers, that_are_pending_signal_when_the_process_ends)
{
	struct gadget *g = &self->g;
	int pid = child_start();

	if (!pid) {
		struct iocb cb;
		char seen[LEN];

		g->aio = 0;
		if (syscall(SYS_io_setup, 4, &g->aio))
			_exit(1);
		cb = transfer(IOCB_CMD_PREAD, g->out, seen, LEN, g->resfd);
		_exit(submit(g, &cb) != 1);
	}
	ASSERT_EQ(0, child_end(pid));
	EXPECT_EQ(1, efd_drain_to(g->resfd, 1));
	EXPECT_EQ(0, efd_drain(g->efd));
}

TEST_HARNESS_MAIN
