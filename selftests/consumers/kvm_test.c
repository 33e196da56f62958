// SPDX-License-Identifier: GPL-2.0
/*
 * KVM and its eventfds: an ioeventfd is signalled by a guest's store, an irqfd interrupts
 * the guest, a resamplefd tells of the end of an interrupt; and the event channels of
 * Hyper-V and Xen.
 *
 * The guest is a few bytes of real mode code. Where nothing has to be handled by it, it
 * does not run: what is pending is then read from its interrupt controllers.
 */
#include "device.h"

#include <linux/kvm.h>

/* The guest's memory: interrupt vectors, what we look at, stack, code. */
#define MEM_SIZE	0x10000
#define TAKEN_EDGE	0x500		/* how many of each the guest has handled */
#define TAKEN_LEVEL	0x504
#define TAKEN_MSI	0x508
#define HOLD		0x50c		/* the level handler does not end while this is set */
#define SEND_PORT	0x510		/* what the Xen hypercall points to */
#define STACK		0x1000

enum {
	CODE_IDLE	= 0x1000,
	CODE_EDGE	= 0x1040,
	CODE_LEVEL	= 0x1080,
	CODE_MSI	= 0x10c0,
	CODE_HYPERCALL	= 0x1100,
	CODE_PIO	= 0x2000,	/* + 0x40 * length */
	CODE_MMIO	= 0x3000,
};

/* Nothing is there but what a test puts there. */
#define EXIT_PORT	0x10
#define PORT		0xc050
#define MMIO		0xd0000000u
#define APIC		0xfee00000u

#define GSI_EDGE	3
#define GSI_LEVEL	5
#define GSI_MSI		24
#define GSI_NONE	30		/* without a route */
#define VECTOR_PIC	0x20
#define VECTOR_MSI	0x40
#define VECTOR_OTHER	0x51

/* clang-format off */
static const struct {
	uint16_t at;
	uint8_t code[24];
} guest_code[] = {
	{ CODE_IDLE, {
		0xfb,					/* sti */
		0xf4,					/* hlt */
		0xeb, 0xfd,				/* jmp to the hlt */
	} },
	{ CODE_EDGE, {
		0x66, 0xff, 0x06, 0x00, 0x05,		/* inc dword [TAKEN_EDGE] */
		0x50,					/* push ax */
		0xb0, 0x20,				/* mov al, 0x20 */
		0xe6, 0x20,				/* out 0x20, al: end of interrupt */
		0x58,					/* pop ax */
		0xcf,					/* iret */
	} },
	{ CODE_LEVEL, {
		0x66, 0xff, 0x06, 0x04, 0x05,		/* inc dword [TAKEN_LEVEL] */
		0x80, 0x3e, 0x0c, 0x05, 0x00,		/* cmp byte [HOLD], 0 */
		0x75, 0xf9,				/* jne to the cmp */
		0x50,					/* push ax */
		0xb0, 0x20,				/* mov al, 0x20 */
		0xe6, 0x20,				/* out 0x20, al */
		0x58,					/* pop ax */
		0xcf,					/* iret */
	} },
	{ CODE_MSI, {
		0x66, 0xff, 0x06, 0x08, 0x05,		/* inc dword [TAKEN_MSI] */
		0x26, 0x66, 0xc7, 0x06, 0xb0, 0x00,	/* mov dword es:[0xb0], ... */
		0x00, 0x00, 0x00, 0x00,			/* ... 0: end of interrupt */
		0xcf,					/* iret */
	} },
	{ CODE_HYPERCALL, {
		0x0f, 0x01, 0xd9,			/* vmmcall */
		0xe6, EXIT_PORT,			/* out EXIT_PORT, al */
	} },
	{ CODE_PIO + 0x40, {
		0xee,					/* out dx, al */
		0xe2, 0xfd,				/* loop to the out */
		0xe6, EXIT_PORT,			/* out EXIT_PORT, al */
	} },
	{ CODE_PIO + 0x80, {
		0xef,					/* out dx, ax */
		0xe2, 0xfd,				/* loop */
		0xe6, EXIT_PORT,
	} },
	{ CODE_PIO + 0x100, {
		0x66, 0xef,				/* out dx, eax */
		0xe2, 0xfc,				/* loop */
		0xe6, EXIT_PORT,
	} },
	{ CODE_MMIO + 0x40, {
		0x64, 0x88, 0x07,			/* mov fs:[bx], al */
		0xe2, 0xfb,				/* loop to the mov */
		0xe6, EXIT_PORT,
	} },
	{ CODE_MMIO + 0x80, {
		0x64, 0x89, 0x07,			/* mov fs:[bx], ax */
		0xe2, 0xfb,				/* loop */
		0xe6, EXIT_PORT,
	} },
	{ CODE_MMIO + 0x100, {
		0x64, 0x66, 0x89, 0x07,			/* mov fs:[bx], eax */
		0xe2, 0xfa,				/* loop */
		0xe6, EXIT_PORT,
	} },
};
/* clang-format on */

struct vm {
	int kvm, fd, vcpu;
	const char *missing;		/* what there is not, if it is not our fault */
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	struct worker runner;
	bool started;
	_Atomic bool stop;
};

static void on_signal(int sig)
{
}

static bool vm_create(struct vm *vm)
{
	vm->fd = -1;
	vm->vcpu = -1;
	vm->mem = MAP_FAILED;
	vm->run = MAP_FAILED;
	vm->missing = "needs /dev/kvm";
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return false;
	vm->missing = "KVM_CREATE_VM fails: no nested virtualization here";
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	return vm->fd >= 0;
}

static int vm_route(struct vm *vm, uint8_t vector)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[3];
	} table = {
		.head.nr = 3,
		.entries = {
			{ .gsi = GSI_EDGE, .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { KVM_IRQCHIP_PIC_MASTER, GSI_EDGE } },
			{ .gsi = GSI_LEVEL, .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { KVM_IRQCHIP_PIC_MASTER, GSI_LEVEL } },
			{ .gsi = GSI_MSI, .type = KVM_IRQ_ROUTING_MSI,
			  .u.msi = { .address_lo = APIC, .data = vector } },
		},
	};

	return RET(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &table));
}

/* The interrupt controllers as a guest's firmware would leave them. */
static int vm_program_irqchips(struct vm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_lapic_state apic;
	int ret = RET(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));

	if (ret)
		return ret;
	chip.chip.pic.irq_base = VECTOR_PIC;
	chip.chip.pic.imr = 0;
	chip.chip.pic.elcr = 1 << GSI_LEVEL;
	ret = RET(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip)) ?:
	      RET(ioctl(vm->vcpu, KVM_GET_LAPIC, &apic));
	if (ret)
		return ret;
	apic.regs[0xf1] |= 1;	/* enabled: bit 8 of the spurious vector register */
	return RET(ioctl(vm->vcpu, KVM_SET_LAPIC, &apic)) ?: vm_route(vm, VECTOR_MSI);
}

static void vm_set_vector(struct vm *vm, int vector, uint16_t code)
{
	memcpy(vm->mem + 4 * vector, &(uint32_t){ code }, 4);
}

static void vm_load(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(guest_code); i++)
		memcpy(vm->mem + guest_code[i].at, guest_code[i].code,
		       sizeof(guest_code[i].code));
	vm_set_vector(vm, VECTOR_PIC + GSI_EDGE, CODE_EDGE);
	vm_set_vector(vm, VECTOR_PIC + GSI_LEVEL, CODE_LEVEL);
	vm_set_vector(vm, VECTOR_MSI, CODE_MSI);
}

static void set_base(struct kvm_segment *segment, uint32_t base)
{
	segment->base = base;
	segment->selector = 0;
	segment->limit = 0xffff;
}

/* A segment's base need not be its selector times 16: so we reach all addresses. */
static int vm_set_segments(struct vm *vm)
{
	struct kvm_sregs sregs;
	int ret = RET(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs));

	if (ret)
		return ret;
	set_base(&sregs.cs, 0);
	set_base(&sregs.ds, 0);
	set_base(&sregs.ss, 0);
	set_base(&sregs.es, APIC);
	set_base(&sregs.fs, MMIO);
	return RET(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs));
}

static int vm_prepare(struct vm *vm)
{
	struct kvm_userspace_memory_region memory = { .memory_size = MEM_SIZE };
	struct sigaction action = { .sa_handler = on_signal };
	int ret = RET(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));

	if (ret)
		return ret;
	vm->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->mem == MAP_FAILED)
		return -errno;
	memory.userspace_addr = (uintptr_t)vm->mem;
	ret = RET(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &memory));
	if (ret)
		return ret;
	vm->vcpu = RET(ioctl(vm->fd, KVM_CREATE_VCPU, 0));
	if (vm->vcpu < 0)
		return vm->vcpu;
	vm->run_size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		return -errno;
	/* what ends KVM_RUN */
	sigaction(SIGUSR1, &action, NULL);
	vm_load(vm);
	return vm_set_segments(vm) ?: vm_program_irqchips(vm);
}

/* Runs the guest: why that ended, or -errno. */
static int vm_run(struct vm *vm)
{
	int ret = RET(ioctl(vm->vcpu, KVM_RUN, 0));

	return ret ?: (int)vm->run->exit_reason;
}

static int vm_set_regs(struct vm *vm, struct kvm_regs regs)
{
	regs.rflags = 2;
	regs.rsp = STACK;
	return RET(ioctl(vm->vcpu, KVM_SET_REGS, &regs));
}

/* What the guest has left to us is done, so that it can be sent elsewhere. */
static int vm_settle(struct vm *vm)
{
	int ret;

	vm->run->immediate_exit = 1;
	ret = vm_run(vm);
	vm->run->immediate_exit = 0;
	return ret == -EINTR ? 0 : -EPROTO;
}

static bool vm_exited(struct vm *vm, int reason)
{
	return reason == KVM_EXIT_IO && vm->run->io.port == EXIT_PORT;
}

static void worker_idle(struct worker *w)
{
	struct vm *vm = w->arg;

	do {
		w->ret = vm_run(vm);
	} while (w->ret == -EINTR && !vm->stop);
}

/* The guest handles interrupts from here on, in a thread of its own. */
static bool vm_start(struct vm *vm)
{
	vm->stop = false;
	vm->runner.arg = vm;
	vm->started = !vm_set_regs(vm, (struct kvm_regs){ .rip = CODE_IDLE }) &&
		      worker_start(&vm->runner, worker_idle);
	return vm->started;
}

static bool vm_kicked_out(struct vm *vm)
{
	if (!vm->runner.done)
		pthread_kill(vm->runner.thread, SIGUSR1);
	return vm->runner.done;
}

/* True if all was well with the guest up to now. */
static bool vm_stop(struct vm *vm)
{
	if (!vm->started)
		return true;
	vm->started = false;
	vm->stop = true;
	vm->run->immediate_exit = 1;
	if (!eventually(vm_kicked_out(vm)) || !worker_join(&vm->runner))
		return false;
	vm->run->immediate_exit = 0;
	return vm->runner.ret == -EINTR;
}

static void vm_destroy(struct vm *vm)
{
	vm_stop(vm);
	if (vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	if (vm->mem != MAP_FAILED)
		munmap(vm->mem, MEM_SIZE);
}

/* How many of these interrupts the guest has handled. */
static unsigned int taken(struct vm *vm, int gsi)
{
	int at = gsi == GSI_EDGE ? TAKEN_EDGE : gsi == GSI_LEVEL ? TAKEN_LEVEL : TAKEN_MSI;

	return *(_Atomic uint32_t *)(vm->mem + at);
}

/* Exactly @n, also a little later. */
static bool taken_exactly(struct vm *vm, int gsi, unsigned int n)
{
	if (!eventually(taken(vm, gsi) >= n))
		return false;
	sleep_ms(QUIET_MS);
	return taken(vm, gsi) == n;
}

static void hold(struct vm *vm, bool yes)
{
	*(_Atomic uint8_t *)(vm->mem + HOLD) = yes;
}

/* Whether an interrupt waits in the local APIC; takes it back if so and @clear. */
static bool vector_pending(struct vm *vm, int vector, bool clear)
{
	struct kvm_lapic_state apic;
	char *irr = apic.regs + 0x200 + vector / 32 * 16 + vector % 32 / 8;
	bool yes;

	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &apic))
		return false;
	yes = *irr & (1 << vector % 8);
	*irr &= ~(1 << vector % 8);
	if (yes && clear)
		ioctl(vm->vcpu, KVM_SET_LAPIC, &apic);
	return yes;
}

static bool line_pending(struct vm *vm, int irq, bool clear)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	bool yes;

	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chip))
		return false;
	yes = chip.chip.pic.irr & (1 << irq);
	chip.chip.pic.irr &= ~(1 << irq);
	if (yes && clear)
		ioctl(vm->fd, KVM_SET_IRQCHIP, &chip);
	return yes;
}

static bool pending_or_clear(struct vm *vm, int gsi, bool clear)
{
	return gsi == GSI_MSI ? vector_pending(vm, VECTOR_MSI, clear) :
				line_pending(vm, gsi, clear);
}

/* Whether the guest, which does not run, would be interrupted. */
static bool pending(struct vm *vm, int gsi)
{
	return pending_or_clear(vm, gsi, false);
}

/* The same, and it is not any more. */
static bool take_back(struct vm *vm, int gsi)
{
	return pending_or_clear(vm, gsi, true);
}

static bool never_pending(struct vm *vm, int gsi)
{
	sleep_ms(QUIET_MS);
	return !pending(vm, gsi);
}

static int irqfd(struct vm *vm, int fd, int gsi, int flags)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi, .flags = flags };

	return RET(ioctl(vm->fd, KVM_IRQFD, &args));
}

static int irqfd_assign(struct vm *vm, int fd, int gsi)
{
	return irqfd(vm, fd, gsi, 0);
}

static int irqfd_deassign(struct vm *vm, int fd, int gsi)
{
	return irqfd(vm, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}

static int irqfd_resample(struct vm *vm, int fd, int resamplefd)
{
	struct kvm_irqfd args = {
		.fd = fd,
		.gsi = GSI_LEVEL,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = resamplefd,
	};

	return RET(ioctl(vm->fd, KVM_IRQFD, &args));
}

/* ioeventfd */

/* What the guest stores, and where: @off is from PORT or from MMIO. */
struct kick {
	bool mmio;
	unsigned int len;
	unsigned int off;
	uint32_t value;
	unsigned int times;
};

/* How many of the stores came out to us, or a negative number if something is wrong. */
static int kick(struct vm *vm, struct kick k)
{
	uint64_t mask = k.len == 4 ? UINT32_MAX : (1ull << 8 * k.len) - 1, data;
	struct kvm_regs regs = {
		.rip = (k.mmio ? CODE_MMIO : CODE_PIO) + 0x40 * k.len,
		.rax = k.value,
		.rbx = k.off,
		.rcx = k.times ?: 1,
		.rdx = PORT + k.off,
	};
	struct kvm_run *run = vm->run;
	int reason, missed = 0;

	if (vm_set_regs(vm, regs))
		return -EINVAL;
	for (;; missed++) {
		reason = vm_run(vm);
		if (vm_exited(vm, reason))
			return vm_settle(vm) ?: missed;
		data = 0;
		if (!k.mmio && reason == KVM_EXIT_IO && run->io.port == PORT + k.off &&
		    run->io.size == k.len)
			memcpy(&data, (char *)run + run->io.data_offset, k.len);
		else if (k.mmio && reason == KVM_EXIT_MMIO && run->mmio.is_write &&
			 run->mmio.phys_addr == MMIO + k.off && run->mmio.len == k.len)
			memcpy(&data, run->mmio.data, k.len);
		else
			return -EPROTO;
		if (data != (k.value & mask))
			return -EILSEQ;
	}
}

struct kick_job {
	struct vm *vm;
	struct kick kick;
};

static void worker_kick(struct worker *w)
{
	struct kick_job *job = w->arg;

	w->ret = kick(job->vm, job->kick);
}

FIXTURE(ioeventfd)
{
	struct vm vm;
	int fd;
};

FIXTURE_VARIANT(ioeventfd)
{
	bool mmio;
	unsigned int len;
};
FIXTURE_VARIANT_ADD(ioeventfd, pio) { .mmio = false, .len = 2 };
FIXTURE_VARIANT_ADD(ioeventfd, mmio) { .mmio = true, .len = 4 };

FIXTURE_SETUP(ioeventfd)
{
	if (!vm_create(&self->vm))
		SKIP(return, "%s (%s)", self->vm.missing, strerror(errno));
	ASSERT_EQ(0, vm_prepare(&self->vm));
	self->fd = efd_create(0, EFD_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(ioeventfd)
{
	vm_destroy(&self->vm);
}

/* What a test says, it says last. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define KICK(...)	((struct kick){ .mmio = variant->mmio, .len = variant->len, __VA_ARGS__ })

/* On the variant's bus and of its length, unless told otherwise. */
#define IOEVENTFD(...)							\
	((struct kvm_ioeventfd){					\
		.addr = variant->mmio ? MMIO : PORT, .len = variant->len, __VA_ARGS__ })

static int ioeventfd(struct vm *vm, bool mmio, unsigned int flags, struct kvm_ioeventfd args)
{
	args.flags |= flags | (mmio ? 0 : KVM_IOEVENTFD_FLAG_PIO);
	return RET(ioctl(vm->fd, KVM_IOEVENTFD, &args));
}

#define ASSIGN(...)							\
	ioeventfd(&self->vm, variant->mmio, 0, IOEVENTFD(__VA_ARGS__))
#define DEASSIGN(...)							\
	ioeventfd(&self->vm, variant->mmio, KVM_IOEVENTFD_FLAG_DEASSIGN, IOEVENTFD(__VA_ARGS__))
#define MATCH(v)	.flags = KVM_IOEVENTFD_FLAG_DATAMATCH, .datamatch = (v)

/* Of exactly this length and to exactly this address; everything else is ours. */
TEST_F(ioeventfd, is_signalled_by_a_store)
{
	unsigned int len;

	for (len = 1; len <= 4; len *= 2) {
		ASSERT_EQ(0, ASSIGN(.fd = self->fd, .len = len));
		EXPECT_EQ(0, kick(&self->vm, KICK(.len = len, .value = 0x12345678)));
		EXPECT_EQ(1, efd_count(self->fd));
		EXPECT_EQ(1, kick(&self->vm, KICK(.len = len == 4 ? 1 : 2 * len)));
		EXPECT_EQ(1, kick(&self->vm, KICK(.len = len, .off = 4)));
		EXPECT_EQ(1, efd_drain(self->fd));
		ASSERT_EQ(0, DEASSIGN(.fd = self->fd, .len = len));
		EXPECT_EQ(1, kick(&self->vm, KICK(.len = len, .value = 0x12345678)));
		EXPECT_EQ(0, efd_count(self->fd));
	}
}

TEST_F(ioeventfd, counts_each_store)
{
	int semaphore = efd_create(0, EFD_SEMAPHORE);

	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	ASSERT_EQ(0, ASSIGN(.fd = semaphore, .addr = (variant->mmio ? MMIO : PORT) + 8));
	EXPECT_EQ(0, kick(&self->vm, KICK(.times = 100)));
	EXPECT_EQ(0, kick(&self->vm, KICK(.times = 9, .off = 8)));
	EXPECT_EQ(100, efd_count(self->fd));
	EXPECT_EQ(9, efd_count(semaphore));
	EXPECT_EQ(9, efd_drain(semaphore));
}

TEST_F(ioeventfd, is_chosen_by_the_value)
{
	int other = efd_create(0, 0);

	ASSERT_EQ(0, ASSIGN(.fd = self->fd, MATCH(0x11)));
	ASSERT_EQ(0, ASSIGN(.fd = other, MATCH(0x22)));
	EXPECT_EQ(0, kick(&self->vm, KICK(.value = 0x11, .times = 3)));
	EXPECT_EQ(0, kick(&self->vm, KICK(.value = 0x22)));
	EXPECT_EQ(1, kick(&self->vm, KICK(.value = 0x33)));
	/* all of it counts */
	EXPECT_EQ(1, kick(&self->vm, KICK(.value = 0x111)));
	EXPECT_EQ(3, efd_count(self->fd));
	EXPECT_EQ(1, efd_count(other));

	ASSERT_EQ(0, DEASSIGN(.fd = self->fd, MATCH(0x11)));
	EXPECT_EQ(1, kick(&self->vm, KICK(.value = 0x11)));
	EXPECT_EQ(0, kick(&self->vm, KICK(.value = 0x22)));
	EXPECT_EQ(2, efd_count(other));
}

TEST_F(ioeventfd, of_length_zero_takes_stores_of_any)
{
	unsigned int len;

	ASSERT_EQ(0, ASSIGN(.fd = self->fd, .len = 0));
	for (len = 1; len <= 4; len *= 2) {
		EXPECT_EQ(0, kick(&self->vm, KICK(.len = len)));
	}
	EXPECT_EQ(3, efd_count(self->fd));
	ASSERT_EQ(0, DEASSIGN(.fd = self->fd, .len = 0));
	EXPECT_EQ(1, kick(&self->vm, KICK()));
}

/* "Only kernel signals reach ULLONG_MAX; there they saturate, and poll reports EPOLLERR." */
TEST_F(ioeventfd, saturates)
{
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX - 1));
	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	EXPECT_EQ(0, kick(&self->vm, KICK()));
	EXPECT_EQ((long long)EFD_MAX, efd_count(self->fd));
	EXPECT_EQ(POLLIN, efd_events(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, kick(&self->vm, KICK(.times = 3)));
	EXPECT_TRUE(efd_is_saturated(self->fd, 0));
	EXPECT_EQ(0, kick(&self->vm, KICK()));
	EXPECT_EQ(1, efd_count(self->fd));
}

TEST_F(ioeventfd, wakes_a_blocked_reader)
{
	struct worker reader = { .fd = self->fd };
	int round;

	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	for (round = 0; round < 3; round++) {
		ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
		EXPECT_EQ(0, kick(&self->vm, KICK()));
		ASSERT_TRUE(worker_join(&reader));
		EXPECT_EQ(8, reader.ret);
		EXPECT_EQ(1u, reader.value);
	}
	EXPECT_EQ(0, efd_count(self->fd));
}

TEST_F(ioeventfd, wakes_a_poller)
{
	struct worker poller = { .fd = self->fd };

	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	ASSERT_TRUE(worker_start_asleep(&poller, worker_poll, SYS_poll));
	EXPECT_EQ(0, kick(&self->vm, KICK()));
	ASSERT_TRUE(worker_join(&poller));
	EXPECT_EQ(1, poller.ret);
	EXPECT_EQ(POLLIN, (int)poller.value);
}

static void worker_epoll(struct worker *w)
{
	struct epoll_event event = {};

	w->ret = RET(epoll_pwait(w->fd, &event, 1, 20000, NULL));
	w->value = event.events;
}

/* Edge-triggered: "one event per write, also non-zero to non-zero". */
TEST_F(ioeventfd, wakes_epoll_each_time)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct worker waiter = { .fd = epoll_create1(EPOLL_CLOEXEC) };
	int round;

	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	ASSERT_EQ(0, epoll_ctl(waiter.fd, EPOLL_CTL_ADD, self->fd, &event));
	for (round = 1; round <= 3; round++) {
		ASSERT_TRUE(worker_start_asleep(&waiter, worker_epoll, SYS_epoll_pwait));
		EXPECT_EQ(0, kick(&self->vm, KICK()));
		ASSERT_TRUE(worker_join(&waiter));
		EXPECT_EQ(1, waiter.ret);
		EXPECT_EQ((uint32_t)EPOLLIN, waiter.value);
		EXPECT_EQ(round, efd_count(self->fd));
		EXPECT_EQ(0, epoll_wait(waiter.fd, &event, 1, 0));
	}
}

TEST_F(ioeventfd, loses_nothing_to_a_busy_reader)
{
	struct kick_job job = { &self->vm, KICK(.times = 1000) };
	struct worker kicker = { .arg = &job };
	struct worker reader = { .fd = self->fd };
	uint64_t sum = 0;

	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	ASSERT_TRUE(worker_start(&kicker, worker_kick));
	while (sum < 1000) {
		ASSERT_TRUE(worker_start(&reader, worker_read));
		ASSERT_TRUE(worker_join(&reader));
		ASSERT_EQ(8, reader.ret);
		sum += reader.value;
	}
	ASSERT_TRUE(worker_join(&kicker));
	EXPECT_EQ(0, kicker.ret);
	EXPECT_EQ(1000u, sum);
	EXPECT_EQ(0, efd_count(self->fd));
}

/* Each store is either ours or the eventfd's, whatever the moment. */
TEST_F(ioeventfd, comes_and_goes_while_the_guest_stores)
{
	struct kick_job job = { &self->vm, KICK(.times = 800) };
	struct worker kicker = { .arg = &job };
	int rounds = 0;

	ASSERT_TRUE(worker_start(&kicker, worker_kick));
	while (!kicker.done && rounds < 10000) {
		ASSERT_EQ(0, ASSIGN(.fd = self->fd));
		spin(rounds % 7 * 1000);
		ASSERT_EQ(0, DEASSIGN(.fd = self->fd));
		rounds++;
	}
	ASSERT_TRUE(worker_join(&kicker));
	EXPECT_GE(kicker.ret, 0);
	EXPECT_EQ(800u, kicker.ret + efd_count(self->fd));
}

/* "A context outlives its file for whoever holds a reference." */
TEST_F(ioeventfd, outlives_its_descriptor)
{
	int again = efd_create(0, 0);

	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	close(self->fd);
	EXPECT_EQ(0, kick(&self->vm, KICK(.times = 3)));
	EXPECT_EQ(-EBADF, DEASSIGN(.fd = self->fd));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = again));
	EXPECT_EQ(-EEXIST, ASSIGN(.fd = again));
	EXPECT_EQ(0, efd_count(again));
}

TEST_F(ioeventfd, is_refused)
{
	uint64_t addr = variant->mmio ? MMIO : PORT;
	int other = efd_create(0, 0);

	EXPECT_EQ(-EINVAL, ASSIGN(.fd = self->fd, .len = 3));
	EXPECT_EQ(-EINVAL, ASSIGN(.fd = self->fd, .len = 16));
	EXPECT_EQ(-EINVAL, ASSIGN(.fd = self->fd, .addr = UINT64_MAX - 1, .len = 4));
	EXPECT_EQ(-EINVAL, ASSIGN(.fd = self->fd, .flags = 1u << 31));
	EXPECT_EQ(-EINVAL, ASSIGN(.fd = self->fd, .len = 0, MATCH(0)));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = self->fd));

	ASSERT_EQ(0, ASSIGN(.fd = self->fd, MATCH(1)));
	EXPECT_EQ(-EEXIST, ASSIGN(.fd = other, MATCH(1)));
	EXPECT_EQ(-EEXIST, ASSIGN(.fd = other));
	EXPECT_EQ(-EEXIST, ASSIGN(.fd = other, .len = 0));
	EXPECT_EQ(0, ASSIGN(.fd = other, .len = 1));
	/* the same one may be used in many places */
	EXPECT_EQ(0, ASSIGN(.fd = self->fd, MATCH(2)));
	EXPECT_EQ(0, ASSIGN(.fd = self->fd, .addr = addr + 8));

	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = other, MATCH(1)));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = self->fd));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = self->fd, MATCH(3)));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = self->fd, MATCH(1), .len = 1));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = self->fd, MATCH(1), .addr = addr + 8));
	EXPECT_EQ(0, kick(&self->vm, KICK(.value = 1)));
	EXPECT_EQ(1, efd_count(self->fd));
	EXPECT_EQ(0, DEASSIGN(.fd = self->fd, MATCH(1)));
	EXPECT_EQ(-ENOENT, DEASSIGN(.fd = self->fd, MATCH(1)));
	EXPECT_EQ(0, efd_count(other));
}

TEST_F(ioeventfd, refuses_wrong_descriptors)
{
	EXPECT_STREQ("", refuses_wrong_fds(-1, ASSIGN(.fd = fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-1, ASSIGN(.fd = fd, .len = 0)));
	ASSERT_EQ(0, ASSIGN(.fd = self->fd));
	EXPECT_STREQ("", refuses_wrong_fds(-1, DEASSIGN(.fd = fd)));
	EXPECT_EQ(0, kick(&self->vm, KICK()));
	EXPECT_EQ(1, efd_count(self->fd));
}

/* irqfd */

FIXTURE(irqfd)
{
	struct vm vm;
	int fd, semaphore;
};

/* The PIC's is injected by a work item, the MSI under the lock of the eventfd. */
FIXTURE_VARIANT(irqfd)
{
	int gsi;
};
FIXTURE_VARIANT_ADD(irqfd, pic) { .gsi = GSI_EDGE };
FIXTURE_VARIANT_ADD(irqfd, msi) { .gsi = GSI_MSI };

FIXTURE_SETUP(irqfd)
{
	if (!vm_create(&self->vm))
		SKIP(return, "%s (%s)", self->vm.missing, strerror(errno));
	ASSERT_EQ(0, vm_prepare(&self->vm));
	self->fd = efd_create(0, EFD_CLOEXEC);
	self->semaphore = efd_create(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	ASSERT_GE(self->semaphore, 0);
}

FIXTURE_TEARDOWN(irqfd)
{
	vm_destroy(&self->vm);
}

TEST_F(irqfd, interrupts_the_guest_once_per_write)
{
	unsigned int i;

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	ASSERT_TRUE(vm_start(&self->vm));
	for (i = 1; i <= 5; i++) {
		EXPECT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(eventually(taken(&self->vm, variant->gsi) == i));
	}
	EXPECT_TRUE(taken_exactly(&self->vm, variant->gsi, 5));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_TRUE(vm_stop(&self->vm));
}

/* "they may drain it with eventfd_ctx_do_read() there and then" */
TEST_F(irqfd, takes_the_whole_count)
{
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 7));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_TRUE(taken_exactly(&self->vm, variant->gsi, 1));
	EXPECT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_TRUE(taken_exactly(&self->vm, variant->gsi, 2));
	EXPECT_TRUE(vm_stop(&self->vm));
	EXPECT_EQ(0, efd_drain(self->fd));
}

TEST_F(irqfd, leaves_a_semaphore_the_rest)
{
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->semaphore, 3));
	EXPECT_EQ(2, efd_count(self->semaphore));
	EXPECT_TRUE(taken_exactly(&self->vm, variant->gsi, 1));
	EXPECT_EQ(8, efd_write(self->semaphore, 1));
	EXPECT_EQ(2, efd_count(self->semaphore));
	EXPECT_TRUE(taken_exactly(&self->vm, variant->gsi, 2));
	EXPECT_TRUE(vm_stop(&self->vm));
	EXPECT_EQ(2, efd_drain(self->semaphore));
}

/* Every write is told, also one that adds nothing; a read is not. */
TEST_F(irqfd, hears_of_zero_writes_and_not_of_reads)
{
	ASSERT_EQ(8, efd_write(self->semaphore, 2));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(8, efd_write(self->fd, 0));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(0, efd_count(self->fd));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(8, efd_read(self->semaphore, &(uint64_t){ 0 }));
	EXPECT_TRUE(never_pending(&self->vm, variant->gsi));
	EXPECT_EQ(1, efd_count(self->semaphore));
}

/*
 * "and then nobody else may see the event: raise, callback and wake are one critical
 * section"
 */
TEST_F(irqfd, leaves_nothing_for_others_to_see)
{
	struct worker reader = { .fd = self->fd }, poller = { .fd = self->fd };
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int round, ep = epoll_create1(EPOLL_CLOEXEC);
	long reads, polls;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event));
	ASSERT_TRUE(worker_start_asleep(&poller, worker_poll, SYS_poll));
	ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
	reads = nr_sleeps(reader.tid);
	polls = nr_sleeps(poller.tid);
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	for (round = 1; round <= 10; round++) {
		EXPECT_EQ(8, efd_write(self->fd, round));
		EXPECT_TRUE(still_asleep(&reader, reads));
		EXPECT_TRUE(still_asleep(&poller, polls));
		EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
		EXPECT_EQ(0, efd_count(self->fd));
		EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	}
	/* nor are they forgotten */
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&reader));
	EXPECT_EQ(8, reader.ret);
	EXPECT_EQ(8, efd_write(self->fd, 1));
	ASSERT_TRUE(worker_join(&poller));
	EXPECT_EQ(1, poller.ret);
	EXPECT_EQ(1, epoll_wait(ep, &event, 1, 0));
}

TEST_F(irqfd, injects_at_once_what_was_there_before)
{
	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_EQ(8, efd_write(self->semaphore, 5));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(5, efd_count(self->fd));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(0, efd_count(self->fd));

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(5, efd_count(self->semaphore));
	EXPECT_EQ(8, efd_write(self->semaphore, 1));
	EXPECT_EQ(5, efd_count(self->semaphore));
}

/* "eventfd_ctx_remove_wait_queue (0 or EAGAIN)" takes what a read would get. */
TEST_F(irqfd, takes_once_more_when_it_is_deassigned)
{
	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_EQ(8, efd_write(self->semaphore, 5));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->semaphore, variant->gsi));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_EQ(4, efd_count(self->semaphore));
	/* what they had to inject, they have injected by now */
	EXPECT_TRUE(take_back(&self->vm, variant->gsi));

	EXPECT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(8, efd_write(self->semaphore, 2));
	EXPECT_TRUE(never_pending(&self->vm, variant->gsi));
	EXPECT_EQ(2, efd_count(self->fd));
	EXPECT_EQ(6, efd_count(self->semaphore));
}

/* "removal from an empty one is EAGAIN"; a semaphore "once underflowed" */
TEST_F(irqfd, does_not_underflow_when_it_is_deassigned)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
		ASSERT_EQ(0, irqfd_deassign(&self->vm, self->semaphore, variant->gsi));
		ASSERT_EQ(0, efd_count(self->semaphore));
	}
	EXPECT_EQ(POLLOUT, efd_events(self->semaphore, POLLIN | POLLOUT));
	EXPECT_EQ(0, efd_drain(self->semaphore));
	EXPECT_TRUE(never_pending(&self->vm, variant->gsi));
}

/* A semaphore that the callback has emptied does not underflow either. */
TEST_F(irqfd, does_not_underflow_on_a_zero_write)
{
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	EXPECT_EQ(8, efd_write(self->semaphore, 0));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(0, efd_count(self->semaphore));
	EXPECT_EQ(8, efd_write(self->semaphore, 1));
	EXPECT_EQ(0, efd_count(self->semaphore));
}

/* The guest's own store interrupts it: one callback inside of one kernel signal. */
TEST_F(irqfd, may_be_an_ioeventfd_too)
{
	struct kvm_ioeventfd port = { .fd = self->fd, .addr = PORT, .len = 1 };
	int i;

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	ASSERT_EQ(0, ioeventfd(&self->vm, false, 0, port));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, kick(&self->vm, (struct kick){ .len = 1 }));
		EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
		EXPECT_EQ(0, efd_count(self->fd));
	}
}

TEST_F(irqfd, takes_the_count_even_without_a_route)
{
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, GSI_NONE));
	EXPECT_EQ(8, efd_write(self->fd, 3));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_EQ(0, irqfd_deassign(&self->vm, self->fd, GSI_NONE));
	EXPECT_TRUE(never_pending(&self->vm, variant->gsi));
}

TEST_F(irqfd, is_busy)
{
	int i;

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(-EBUSY, irqfd_assign(&self->vm, self->fd, variant->gsi));
		ASSERT_EQ(-EBUSY, irqfd_assign(&self->vm, self->fd, GSI_NONE));
	}
	/* two on one line are well */
	EXPECT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	EXPECT_EQ(8, efd_write(self->semaphore, 1));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));

	/* the wrong line, or none at all: nothing to do */
	EXPECT_EQ(0, irqfd_deassign(&self->vm, self->fd, GSI_NONE));
	EXPECT_EQ(-EBUSY, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
}

TEST_F(irqfd, refuses_what_it_does_not_know)
{
	struct vm bare;

	EXPECT_EQ(-EINVAL, irqfd(&self->vm, self->fd, variant->gsi, 1 << 2));
	EXPECT_EQ(-EINVAL, irqfd(&self->vm, self->fd, variant->gsi, 1 << 31));
	/* no interrupt controller, no interrupts */
	ASSERT_TRUE(vm_create(&bare));
	EXPECT_EQ(-EINVAL, irqfd_assign(&bare, self->fd, variant->gsi));
	EXPECT_EQ(-EINVAL, irqfd_resample(&bare, self->fd, self->semaphore));
	vm_destroy(&bare);
}

TEST_F(irqfd, refuses_wrong_descriptors)
{
	EXPECT_STREQ("", refuses_wrong_fds(-1, irqfd_assign(&self->vm, fd, variant->gsi)));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_STREQ("", refuses_wrong_fds(-1, irqfd_deassign(&self->vm, fd, variant->gsi)));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
}

TEST_F(irqfd, ends_with_the_last_descriptor)
{
	int other = dup(self->fd), i;

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	close(self->fd);
	EXPECT_EQ(8, efd_write(other, 1));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	close(other);
	EXPECT_TRUE(never_pending(&self->vm, variant->gsi));

	for (i = 0; i < 100; i++) {
		other = efd_create(i % 2, i % 3 ? EFD_SEMAPHORE : 0);
		ASSERT_EQ(0, irqfd_assign(&self->vm, other, variant->gsi));
		ASSERT_EQ(8, efd_write(other, 1));
		close(other);
	}
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
}

TEST_F(irqfd, ends_with_the_guest)
{
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(0, efd_count(self->fd));
	vm_destroy(&self->vm);
	EXPECT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(2, efd_count(self->fd));

	ASSERT_TRUE(vm_create(&self->vm));
	ASSERT_EQ(0, vm_prepare(&self->vm));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
}

/*
 * A write at any moment of the life of an irqfd: it is either injected, by the time that
 * the irqfd is gone, or still in the counter.
 */
struct race {
	int fd;
	_Atomic int round, done;
};

static void worker_race(struct worker *w)
{
	struct race *race = w->arg;
	int round;

	for (round = 1; w->ret != -1; round++) {
		while (race->round != round) {
			if (race->round < 0)
				return;
			sched_yield();
		}
		spin(round * 37 % 50 * 100);
		if (efd_write(race->fd, 1) != 8)
			return;
		race->done = round;
	}
}

TEST_F(irqfd, loses_no_write_when_it_comes_and_goes)
{
	struct race race = { .fd = self->fd };
	struct worker writer = { .arg = &race };
	uint64_t end = now_ms() + 400;
	bool injected;
	int round;

	ASSERT_TRUE(worker_start(&writer, worker_race));
	for (round = 1; round <= 400 && now_ms() < end; round++) {
		race.round = round;
		spin(round * 61 % 50 * 100);
		ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
		spin(round * 17 % 30 * 100);
		ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
		ASSERT_TRUE(soon(race.done == round));
		injected = take_back(&self->vm, variant->gsi);
		ASSERT_EQ(injected ? 0 : 1, efd_count(self->fd));
		efd_drain(self->fd);
	}
	race.round = -1;
	ASSERT_TRUE(worker_join(&writer));
}

/* Two of them on one guest, and writers that never wait for anything. */
static void worker_storm(struct worker *w)
{
	struct race *race = w->arg;

	while (race->round >= 0)
		efd_write(w->fd, w->value);
}

TEST_F(irqfd, comes_and_goes_in_a_storm_of_writes)
{
	struct race race = { .round = 0 };
	struct worker writers[] = {
		{ .arg = &race, .fd = self->fd, .value = 1 },
		{ .arg = &race, .fd = self->semaphore, .value = 1 },
	};
	uint64_t end = now_ms() + 300;
	int round;

	ASSERT_TRUE(vm_start(&self->vm));
	ASSERT_TRUE(worker_start(&writers[0], worker_storm));
	ASSERT_TRUE(worker_start(&writers[1], worker_storm));
	for (round = 0; round < 300 && now_ms() < end; round++) {
		ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
		ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, GSI_MSI));
		ASSERT_EQ(0, irqfd_deassign(&self->vm, self->semaphore, GSI_MSI));
		ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
	}
	race.round = -1;
	ASSERT_TRUE(worker_join(&writers[0]));
	ASSERT_TRUE(worker_join(&writers[1]));

	/* and works as ever */
	efd_drain(self->fd);
	EXPECT_TRUE(vm_stop(&self->vm));
	take_back(&self->vm, variant->gsi);
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(pending(&self->vm, variant->gsi)));
	EXPECT_EQ(0, efd_count(self->fd));
}

TEST_F(irqfd, lets_a_blocked_writer_go_when_it_is_deassigned)
{
	struct worker writer = { .fd = self->fd, .value = 3 };

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	ASSERT_TRUE(worker_start_asleep(&writer, worker_write, SYS_write));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, variant->gsi));
	ASSERT_TRUE(worker_join(&writer));
	EXPECT_EQ(8, writer.ret);
	EXPECT_EQ(3, efd_count(self->fd));
}

/* "a kernel consumer that drains the counter never wakes a blocked writer": on stock. */
TEST_F(irqfd, beyond_lets_a_blocked_writer_go_when_it_drains)
{
	struct worker writer = { .fd = self->fd, .value = 3 };

	SHORT_WAIT();
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	ASSERT_TRUE(worker_start_asleep(&writer, worker_write, SYS_write));
	/* the only one that fits */
	EXPECT_EQ(8, efd_write(self->fd, 0));
	EXPECT_TRUE(eventually(take_back(&self->vm, variant->gsi)));
	ASSERT_TRUE(worker_join(&writer));
	EXPECT_EQ(8, writer.ret);
	EXPECT_EQ(0, efd_count(self->fd));
}

/* The same for who waits for room in poll. */
TEST_F(irqfd, beyond_tells_pollers_of_the_room_when_it_drains)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	SHORT_WAIT();
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event));
	ASSERT_EQ(0, epoll_wait(ep, &event, 1, 0));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, variant->gsi));
	EXPECT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(1, epoll_wait(ep, &event, 1, WAIT_MS));
	EXPECT_EQ((uint32_t)EPOLLOUT, event.events);
	EXPECT_EQ(0, efd_count(self->fd));
}

/* What it leaves of a semaphore is for the others: stock ends the walk with the irqfd. */
TEST_F(irqfd, beyond_leaves_the_rest_to_a_blocked_reader)
{
	struct worker reader = { .fd = self->semaphore };

	SHORT_WAIT();
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->semaphore, variant->gsi));
	ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
	EXPECT_EQ(8, efd_write(self->semaphore, 3));
	ASSERT_TRUE(worker_join(&reader));
	EXPECT_EQ(8, reader.ret);
	EXPECT_EQ(1u, reader.value);
	EXPECT_EQ(1, efd_count(self->semaphore));
}

/* resamplefd */

FIXTURE(resamplefd)
{
	struct vm vm;
	int fd, resample;
};

FIXTURE_SETUP(resamplefd)
{
	if (!vm_create(&self->vm))
		SKIP(return, "%s (%s)", self->vm.missing, strerror(errno));
	ASSERT_EQ(0, vm_prepare(&self->vm));
	self->fd = efd_create(0, EFD_CLOEXEC);
	self->resample = efd_create(0, EFD_CLOEXEC);
	ASSERT_GE(self->resample, 0);
}

FIXTURE_TEARDOWN(resamplefd)
{
	hold(&self->vm, false);
	vm_destroy(&self->vm);
}

TEST_F(resamplefd, is_signalled_at_the_end_of_an_interrupt)
{
	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	hold(&self->vm, true);
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 7));
	EXPECT_EQ(0, efd_count(self->fd));
	EXPECT_TRUE(taken_exactly(&self->vm, GSI_LEVEL, 1));
	EXPECT_EQ(0, efd_count(self->resample));
	/* nobody lowers the line */
	EXPECT_TRUE(pending(&self->vm, GSI_LEVEL));
	hold(&self->vm, false);
	EXPECT_TRUE(efd_counts(self->resample, 1));
	EXPECT_FALSE(pending(&self->vm, GSI_LEVEL));
	EXPECT_EQ(1u, taken(&self->vm, GSI_LEVEL));
	EXPECT_TRUE(vm_stop(&self->vm));
}

/* A device whose line is still raised writes again, and so on. */
TEST_F(resamplefd, lets_a_raised_line_interrupt_again)
{
	struct worker device = { .fd = self->resample };
	unsigned int i;

	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	ASSERT_TRUE(vm_start(&self->vm));
	for (i = 1; i <= 5; i++) {
		ASSERT_TRUE(worker_start_asleep(&device, worker_read, SYS_read));
		EXPECT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(worker_join(&device));
		EXPECT_EQ(8, device.ret);
		EXPECT_EQ(1u, device.value);
		EXPECT_EQ(i, taken(&self->vm, GSI_LEVEL));
	}
	EXPECT_TRUE(taken_exactly(&self->vm, GSI_LEVEL, 5));
	EXPECT_EQ(0, efd_count(self->resample));
	EXPECT_TRUE(vm_stop(&self->vm));
}

/* The end of an interrupt is a kernel signal, and its callback raises the line again. */
TEST_F(resamplefd, may_be_the_irqfd_itself)
{
	unsigned int n;

	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->fd));
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(taken(&self->vm, GSI_LEVEL) >= 5));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, GSI_LEVEL));
	EXPECT_TRUE(eventually(!pending(&self->vm, GSI_LEVEL)));
	sleep_ms(QUIET_MS);
	n = taken(&self->vm, GSI_LEVEL);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(n, taken(&self->vm, GSI_LEVEL));
	EXPECT_TRUE(vm_stop(&self->vm));
}

TEST_F(resamplefd, may_be_another_irqfd)
{
	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->resample, GSI_MSI));
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(taken_exactly(&self->vm, GSI_LEVEL, 1));
	EXPECT_TRUE(taken_exactly(&self->vm, GSI_MSI, 1));
	EXPECT_EQ(0, efd_count(self->resample));
	EXPECT_TRUE(vm_stop(&self->vm));
}

/* A line that several share: each is told, whoever raised it. */
TEST_F(resamplefd, are_all_told_if_they_share_a_line)
{
	int fd = efd_create(0, 0), resample = efd_create(0, EFD_SEMAPHORE);

	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	ASSERT_EQ(0, irqfd_resample(&self->vm, fd, resample));
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(fd, 1));
	EXPECT_TRUE(efd_counts(self->resample, 1));
	EXPECT_TRUE(efd_counts(resample, 1));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, fd, GSI_LEVEL));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(efd_counts(self->resample, 2));
	EXPECT_EQ(1, efd_count(resample));
	EXPECT_TRUE(vm_stop(&self->vm));
}

/* "A context outlives its file for whoever holds a reference." */
TEST_F(resamplefd, outlives_its_descriptor)
{
	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	close(self->resample);
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(taken_exactly(&self->vm, GSI_LEVEL, 1));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(taken_exactly(&self->vm, GSI_LEVEL, 2));
	EXPECT_TRUE(vm_stop(&self->vm));
}

TEST_F(resamplefd, lowers_the_line_when_it_is_deassigned)
{
	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(pending(&self->vm, GSI_LEVEL)));
	ASSERT_EQ(0, irqfd_deassign(&self->vm, self->fd, GSI_LEVEL));
	EXPECT_FALSE(pending(&self->vm, GSI_LEVEL));
	EXPECT_EQ(0, efd_count(self->resample));
}

/* "Releasing the file wakes kernel waiters with EPOLLHUP": that is how KVM gets to know. */
TEST_F(resamplefd, ends_when_the_irqfd_is_closed)
{
	int i, fd;

	for (i = 0; i < 20; i++) {
		fd = efd_create(0, i % 2 ? EFD_SEMAPHORE : 0);
		ASSERT_EQ(0, irqfd_resample(&self->vm, fd, self->resample));
		EXPECT_EQ(8, efd_write(fd, 1));
		ASSERT_TRUE(eventually(pending(&self->vm, GSI_LEVEL)));
		close(fd);
		ASSERT_TRUE(eventually(!pending(&self->vm, GSI_LEVEL)));
	}
	/* nobody is told any more but who comes now */
	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(efd_counts(self->resample, 1));
	EXPECT_TRUE(vm_stop(&self->vm));
}

TEST_F(resamplefd, is_ignored_unless_asked_for)
{
	struct kvm_irqfd args = { .fd = self->fd, .gsi = GSI_EDGE, .resamplefd = -1 };

	EXPECT_EQ(0, RET(ioctl(self->vm.fd, KVM_IRQFD, &args)));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(eventually(pending(&self->vm, GSI_EDGE)));
}

TEST_F(resamplefd, refuses_wrong_descriptors)
{
	int before = nr_descriptors(), i;

	EXPECT_STREQ("", refuses_wrong_fds(-1, irqfd_resample(&self->vm, self->fd, fd)));
	EXPECT_STREQ("", refuses_wrong_fds(-1, irqfd_resample(&self->vm, fd, self->resample)));
	ASSERT_EQ(0, irqfd_resample(&self->vm, self->fd, self->resample));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(-EBUSY, irqfd_resample(&self->vm, self->fd, self->resample));
	}
	EXPECT_EQ(before, nr_descriptors());
	/* none of those that failed is told */
	ASSERT_TRUE(vm_start(&self->vm));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(efd_counts(self->resample, 1));
	EXPECT_TRUE(vm_stop(&self->vm));
}

/* What comes in one kind only: MSI, and the event channels of other hypervisors */

FIXTURE(guest)
{
	struct vm vm;
	int fd;
};

FIXTURE_SETUP(guest)
{
	if (!vm_create(&self->vm))
		SKIP(return, "%s (%s)", self->vm.missing, strerror(errno));
	ASSERT_EQ(0, vm_prepare(&self->vm));
	self->fd = efd_create(0, EFD_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(guest)
{
	vm_destroy(&self->vm);
}

/*
 * "injected in atomic context": it is there when the write is done, and when the guest
 * that has signalled itself is back. A work item could not have done it meanwhile.
 */
TEST_F(guest, msi_is_there_at_once)
{
	struct kvm_ioeventfd port = { .fd = self->fd, .addr = PORT, .len = 1 };
	int i;

	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, GSI_MSI));
	ASSERT_EQ(0, ioeventfd(&self->vm, false, 0, port));
	ASSERT_TRUE(use_one_cpu());
	if (!keep_others_waiting())
		SKIP(return, "needs SCHED_FIFO");
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(8, efd_write(self->fd, 1));
		ASSERT_TRUE(take_back(&self->vm, GSI_MSI));
		ASSERT_EQ(0, efd_count(self->fd));
		ASSERT_EQ(0, kick(&self->vm, (struct kick){ .len = 1 }));
		ASSERT_TRUE(take_back(&self->vm, GSI_MSI));
		ASSERT_EQ(0, efd_count(self->fd));
	}
}

TEST_F(guest, msi_is_moved_by_a_new_route)
{
	ASSERT_EQ(0, irqfd_assign(&self->vm, self->fd, GSI_MSI));
	ASSERT_EQ(0, vm_route(&self->vm, VECTOR_OTHER));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(vector_pending(&self->vm, VECTOR_OTHER, true));
	EXPECT_FALSE(vector_pending(&self->vm, VECTOR_MSI, false));
	ASSERT_EQ(0, vm_route(&self->vm, VECTOR_MSI));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_TRUE(vector_pending(&self->vm, VECTOR_MSI, true));
	EXPECT_FALSE(vector_pending(&self->vm, VECTOR_OTHER, false));
}

/* Makes one hypercall: its result, -ENOSYS if it came out to us, or another -errno. */
static long long hypercall(struct vm *vm, struct kvm_regs regs)
{
	bool ours = false;
	int reason;

	regs.rip = CODE_HYPERCALL;
	if (vm_set_regs(vm, regs))
		return -EINVAL;
	reason = vm_run(vm);
	if (reason == KVM_EXIT_XEN) {
		ours = true;
		reason = vm_run(vm);
	}
	if (!vm_exited(vm, reason) || vm_settle(vm) || ioctl(vm->vcpu, KVM_GET_REGS, &regs))
		return -EPROTO;
	return ours ? -ENOSYS : (long long)regs.rax;
}

#define HV_CONNECTION	7

static int hv_eventfd(struct vm *vm, uint32_t connection, int fd, uint32_t flags)
{
	struct kvm_hyperv_eventfd args = { .conn_id = connection, .fd = fd, .flags = flags };

	return RET(ioctl(vm->fd, KVM_HYPERV_EVENTFD, &args));
}

/* A guest that knows that it is on Hyper-V: in protected mode, and it has said its name. */
static int hv_prepare(struct vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[3];
	} cpuid = {
		.head.nent = 3,
		.entries = {
			{ .function = 0x40000000, .eax = 0x40000003 },
			{ .function = 0x40000001, .eax = 0x31237648 },	/* Hv#1 */
			{ .function = 0x40000003, .ebx = 1 << 5 },	/* may signal events */
		},
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = 0x40000000, .data = 1 } };
	struct kvm_sregs sregs;
	int ret = RET(ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid)) ?:
		  RET(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs));

	if (ret)
		return ret;
	sregs.cr0 |= 1;
	sregs.cs.type = 11;	/* code that can be read */
	ret = RET(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs));
	if (ret)
		return ret;
	return ioctl(vm->vcpu, KVM_SET_MSRS, &msrs) == 1 ? 0 : -EPROTO;
}

/* HVCALL_SIGNAL_EVENT, with its argument in a register. */
static long long hv_signal(struct vm *vm, uint32_t connection)
{
	return hypercall(vm, (struct kvm_regs){ .rax = 1 << 16 | 0x5d, .rcx = connection });
}

TEST_F(guest, hyperv_channel_signals)
{
	struct worker reader = { .fd = self->fd };
	int i;

	if (ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_EVENTFD) <= 0)
		SKIP(return, "no KVM_CAP_HYPERV_EVENTFD");
	ASSERT_EQ(0, hv_prepare(&self->vm));
	ASSERT_EQ(0, hv_eventfd(&self->vm, HV_CONNECTION, self->fd, 0));
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(0, hv_signal(&self->vm, HV_CONNECTION));
		EXPECT_EQ(i, efd_count(self->fd));
	}
	EXPECT_NE(0, hv_signal(&self->vm, HV_CONNECTION + 1));
	EXPECT_EQ(3, efd_drain(self->fd));
	ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
	EXPECT_EQ(0, hv_signal(&self->vm, HV_CONNECTION));
	ASSERT_TRUE(worker_join(&reader));
	EXPECT_EQ(1u, reader.value);

	ASSERT_EQ(0, hv_eventfd(&self->vm, HV_CONNECTION, -1, KVM_HYPERV_EVENTFD_DEASSIGN));
	EXPECT_NE(0, hv_signal(&self->vm, HV_CONNECTION));
	EXPECT_EQ(0, efd_count(self->fd));
	/* the end of the guest ends it too, and it outlives its descriptor until then */
	ASSERT_EQ(0, hv_eventfd(&self->vm, HV_CONNECTION, self->fd, 0));
	close(self->fd);
	EXPECT_EQ(0, hv_signal(&self->vm, HV_CONNECTION));
}

TEST_F(guest, hyperv_channel_is_refused)
{
	if (ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_EVENTFD) <= 0)
		SKIP(return, "no KVM_CAP_HYPERV_EVENTFD");
	EXPECT_STREQ("", refuses_wrong_fds(-1, hv_eventfd(&self->vm, HV_CONNECTION, fd, 0)));
	EXPECT_EQ(-EINVAL, hv_eventfd(&self->vm, HV_CONNECTION, self->fd, 1 << 1));
	EXPECT_EQ(-EINVAL, hv_eventfd(&self->vm, 1 << 24, self->fd, 0));
	EXPECT_EQ(-ENOENT, hv_eventfd(&self->vm, HV_CONNECTION, self->fd,
				      KVM_HYPERV_EVENTFD_DEASSIGN));
	EXPECT_EQ(0, hv_eventfd(&self->vm, HV_CONNECTION, self->fd, 0));
	EXPECT_EQ(-EEXIST, hv_eventfd(&self->vm, HV_CONNECTION, self->fd, 0));
	EXPECT_EQ(0, hv_eventfd(&self->vm, HV_CONNECTION + 1, self->fd, 0));
}

#define XEN_PORT		9
#define XEN_INTERDOMAIN		2

static int xen_eventfd(struct vm *vm, uint32_t port, int fd, uint32_t flags)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = {
			.send_port = port,
			.type = XEN_INTERDOMAIN,
			.flags = flags,
			.deliver.eventfd.fd = fd,
		},
	};

	return RET(ioctl(vm->fd, KVM_XEN_HVM_SET_ATTR, &attr));
}

static bool xen_missing(struct vm *vm)
{
	return !(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM) &
		 KVM_XEN_HVM_CONFIG_EVTCHN_SEND);
}

static int xen_prepare(struct vm *vm)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = 0x40000200,
	};

	return RET(ioctl(vm->fd, KVM_XEN_HVM_CONFIG, &config));
}

/* event_channel_op(EVTCHNOP_send, &port) */
static long long xen_send(struct vm *vm, uint32_t port)
{
	memcpy(vm->mem + SEND_PORT, &port, sizeof(port));
	return hypercall(vm, (struct kvm_regs){ .rax = 32, .rbx = 4, .rcx = SEND_PORT });
}

TEST_F(guest, xen_channel_signals)
{
	struct worker reader = { .fd = self->fd };
	int i;

	if (xen_missing(&self->vm))
		SKIP(return, "no KVM_XEN_HVM_CONFIG_EVTCHN_SEND");
	ASSERT_EQ(0, xen_prepare(&self->vm));
	ASSERT_EQ(0, xen_eventfd(&self->vm, XEN_PORT, self->fd, 0));
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(0, xen_send(&self->vm, XEN_PORT));
		EXPECT_EQ(i, efd_count(self->fd));
	}
	EXPECT_EQ(-ENOSYS, xen_send(&self->vm, XEN_PORT + 1));
	EXPECT_EQ(3, efd_drain(self->fd));
	ASSERT_TRUE(worker_start_asleep(&reader, worker_read, SYS_read));
	EXPECT_EQ(0, xen_send(&self->vm, XEN_PORT));
	ASSERT_TRUE(worker_join(&reader));
	EXPECT_EQ(1u, reader.value);

	ASSERT_EQ(0, xen_eventfd(&self->vm, XEN_PORT, -1, KVM_XEN_EVTCHN_DEASSIGN));
	EXPECT_EQ(-ENOSYS, xen_send(&self->vm, XEN_PORT));
	EXPECT_EQ(0, efd_count(self->fd));
	/* all at once */
	ASSERT_EQ(0, xen_eventfd(&self->vm, XEN_PORT, self->fd, 0));
	ASSERT_EQ(0, xen_eventfd(&self->vm, XEN_PORT + 1, self->fd, 0));
	ASSERT_EQ(0, xen_eventfd(&self->vm, 0, -1, KVM_XEN_EVTCHN_RESET));
	EXPECT_EQ(-ENOSYS, xen_send(&self->vm, XEN_PORT));
	/* with the guest, long after its descriptor */
	ASSERT_EQ(0, xen_eventfd(&self->vm, XEN_PORT, self->fd, 0));
	close(self->fd);
	EXPECT_EQ(0, xen_send(&self->vm, XEN_PORT));
}

TEST_F(guest, xen_channel_is_refused)
{
	if (xen_missing(&self->vm))
		SKIP(return, "no KVM_XEN_HVM_CONFIG_EVTCHN_SEND");
	EXPECT_STREQ("", refuses_wrong_fds(-1, xen_eventfd(&self->vm, XEN_PORT, fd, 0)));
	EXPECT_EQ(-EINVAL, xen_eventfd(&self->vm, 0, self->fd, 0));
	EXPECT_EQ(-EINVAL, xen_eventfd(&self->vm, 4096, self->fd, 0));
	EXPECT_EQ(-ENOENT, xen_eventfd(&self->vm, XEN_PORT, self->fd, KVM_XEN_EVTCHN_DEASSIGN));
	EXPECT_EQ(0, xen_eventfd(&self->vm, XEN_PORT, self->fd, 0));
	EXPECT_EQ(-EEXIST, xen_eventfd(&self->vm, XEN_PORT, self->fd, 0));
	/* where an eventfd is signalled, nothing can be changed */
	EXPECT_EQ(-EINVAL, xen_eventfd(&self->vm, XEN_PORT, self->fd, KVM_XEN_EVTCHN_UPDATE));
}

/* Every way for @fd to be looked up in a guest; false if there is no such way. */
static bool look_up(struct vm *vm, int fd, int way, int *ret)
{
	struct kvm_ioeventfd port = { .fd = fd, .addr = PORT, .len = 1 };

	switch (way) {
	case 0:
		*ret = ioeventfd(vm, false, 0, port);
		return true;
	case 1:
		port.addr += 8;
		*ret = ioeventfd(vm, false, 0, port) ?:
		       ioeventfd(vm, false, KVM_IOEVENTFD_FLAG_DEASSIGN, port);
		return true;
	case 2:
		*ret = irqfd_deassign(vm, fd, GSI_LEVEL);
		return true;
	case 3:
		*ret = irqfd_assign(vm, fd, GSI_EDGE) ?: irqfd_deassign(vm, fd, GSI_EDGE);
		return true;
	case 4:
		*ret = irqfd_resample(vm, fd, fd) ?: irqfd_deassign(vm, fd, GSI_LEVEL);
		return true;
	case 5:
		*ret = hv_eventfd(vm, HV_CONNECTION, fd, 0);
		return true;
	case 6:
		*ret = xen_eventfd(vm, XEN_PORT, fd, 0);
		return true;
	}
	return false;
}

/*
 * What is signalled is the context, and nobody keeps the file: the last close is still
 * seen, by an irqfd that then lowers its line.
 */
TEST_F(guest, keeps_no_file)
{
	int fd, way, ret, resample = efd_create(0, 0);
	struct worker other = {};

	ASSERT_TRUE(company_start(&other));
	ASSERT_EQ(0, xen_prepare(&self->vm));
	for (way = 0; fd = efd_create(0, 0), look_up(&self->vm, fd, way, &ret); way++) {
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, irqfd_resample(&self->vm, fd, resample));
		ASSERT_EQ(8, efd_write(fd, 1));
		ASSERT_TRUE(eventually(pending(&self->vm, GSI_LEVEL)));
		close(fd);
		ASSERT_TRUE(eventually(!pending(&self->vm, GSI_LEVEL)));
	}
	EXPECT_EQ(7, way);
	EXPECT_TRUE(company_end(&other));
}

/* Undoes what look_up() leaves. */
static void forget(struct vm *vm, int fd)
{
	struct kvm_ioeventfd port = { .fd = fd, .addr = PORT, .len = 1 };

	ioeventfd(vm, false, KVM_IOEVENTFD_FLAG_DEASSIGN, port);
	hv_eventfd(vm, HV_CONNECTION, -1, KVM_HYPERV_EVENTFD_DEASSIGN);
	xen_eventfd(vm, XEN_PORT, -1, KVM_XEN_EVTCHN_DEASSIGN);
}

/*
 * "Ids are unique while alive": a context that somebody holds has its id still, and one that
 * comes back tells of a context that is gone.
 */
TEST_F(guest, keeps_no_context)
{
	long long ids[24];
	int fd, way, ret, i, j, again;

	ASSERT_EQ(0, xen_prepare(&self->vm));
	for (way = 0;; way++) {
		again = 0;
		for (i = 0; i < (int)ARRAY_SIZE(ids); i++) {
			fd = efd_create(0, 0);
			ids[i] = efd_id(fd);
			for (j = 0; j < i; j++)
				again += ids[j] == ids[i];
			if (!look_up(&self->vm, fd, way, &ret))
				return;
			ASSERT_EQ(0, ret);
			forget(&self->vm, fd);
			close(fd);
		}
		EXPECT_GT(again, 0);
	}
}

TEST_HARNESS_MAIN
