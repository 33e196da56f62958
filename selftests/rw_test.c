// SPDX-License-Identifier: GPL-2.0
/* Reading and writing as far as nothing sleeps: lengths, values, limits, bad buffers, vectors. */
#include "eventfd.h"

/* What a read of a counter that holds @count returns. */
static uint64_t taken(int flags, uint64_t count)
{
	return flags & EFD_SEMAPHORE ? 1 : count;
}

/* An address below which a page is mapped, and above which nothing is accessible. */
static char *page_edge(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + page, page, PROT_NONE))
		return NULL;
	return map + page;
}

/* Addresses that no user space can have. */
static const uintptr_t not_user[] = {
	-4096ul,
	-8ul,
#if __SIZEOF_POINTER__ == 8
	1ul << 63,
#endif
};

static bool all_bytes(const void *buf, size_t len, unsigned char byte)
{
	const unsigned char *p = buf;

	while (len--)
		if (*p++ != byte)
			return false;
	return true;
}

static ssize_t read_nowait(int fd, uint64_t *value)
{
	struct iovec iov = { value, sizeof(*value) };

	return RET(preadv2(fd, &iov, 1, -1, RWF_NOWAIT));
}

FIXTURE(rw)
{
	int fd;
};

EFD_VARIANTS(rw);

FIXTURE_SETUP(rw)
{
	alarm(STUCK_S);
	self->fd = efd_create(0, variant->flags);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(rw)
{
	close(self->fd);
}

/* "Counter mode: returns the counter, sets it to 0. Semaphore mode: returns 1, subtracts 1." */
TEST_F(rw, read_takes_all_or_one)
{
	uint64_t value = 0;
	int i;

	ASSERT_EQ(8, efd_write(self->fd, 3));
	for (i = variant->flags & EFD_SEMAPHORE ? 3 : 1; i > 0; i--) {
		ASSERT_EQ(8, efd_read(self->fd, &value));
		EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 1 : 3u, value);
	}
	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* What is written adds up until it is read. */
TEST_F(rw, writes_add_up)
{
	uint64_t value = 0;

	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	ASSERT_EQ(8, efd_write(self->fd, 41));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(taken(variant->flags, 42), value);
	EXPECT_EQ(42 - value, efd_fill(self->fd));
}

/* The initial value counts like a written one, and may be passed by writes. */
TEST_F(rw, initial_value_is_added_to)
{
	int fd = efd_create(0xffffffff, variant->flags);
	uint64_t value = 0;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(8, efd_write(fd, 2));
	ASSERT_EQ(8, efd_read(fd, &value));
	EXPECT_EQ(taken(variant->flags, 0x100000001), value);
	EXPECT_EQ(0x100000001 - value, efd_fill(fd));
	close(fd);
}

/* One eventfd knows nothing of another. */
TEST_F(rw, eventfds_are_independent)
{
	int other = efd_create(7, variant->flags);
	uint64_t value = 0;

	ASSERT_GE(other, 0);
	ASSERT_EQ(8, efd_write(self->fd, 5));
	ASSERT_EQ(8, efd_read(other, &value));
	EXPECT_EQ(taken(variant->flags, 7), value);
	EXPECT_EQ(7 - value, efd_fill(other));
	EXPECT_EQ(5u, efd_fill(self->fd));
	close(other);
}

/* "Shorter than 8 bytes: EINVAL, before the counter is looked at." */
TEST_F(rw, short_read_of_zero_is_invalid)
{
	uint64_t value = 0;
	size_t len;

	for (len = 0; len < 8; len++) {
		EXPECT_EQ(-EINVAL, RET(read(self->fd, &value, len))) TH_LOG("length %zu", len);
	}
	EXPECT_EQ(0u, value);
}

/* "Shorter than 8 bytes: EINVAL": neither the counter nor the buffer is touched. */
TEST_F(rw, short_read_takes_nothing)
{
	uint64_t value = 0;
	size_t len;

	ASSERT_EQ(8, efd_write(self->fd, UINT64_MAX / 2));
	for (len = 0; len < 8; len++) {
		EXPECT_EQ(-EINVAL, RET(read(self->fd, &value, len))) TH_LOG("length %zu", len);
		EXPECT_EQ(-EINVAL, RET(read(self->fd, NULL, len))) TH_LOG("length %zu", len);
	}
	EXPECT_EQ(0u, value);
	EXPECT_EQ(UINT64_MAX / 2, efd_fill(self->fd));
}

/* "8 or more: returns 8, the rest untouched." */
TEST_F(rw, long_read_returns_8_and_leaves_the_rest)
{
	static const size_t length[] = { 8, 9, 15, 16, 17, 4096, 65536 };
	static char buf[65536];
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(length); i++) {
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, 0x1122334455667788));
		memset(buf, 0xa5, sizeof(buf));
		EXPECT_EQ(8, RET(read(fd, buf, length[i]))) TH_LOG("length %zu", length[i]);
		memcpy(&value, buf, 8);
		EXPECT_EQ(taken(variant->flags, 0x1122334455667788), value);
		EXPECT_TRUE(all_bytes(buf + 8, sizeof(buf) - 8, 0xa5));
		close(fd);
	}
}

/* "8 or more: returns 8, the rest untouched": so only the first 8 bytes need be there. */
TEST_F(rw, long_read_does_not_need_the_rest)
{
	char *edge = page_edge();
	uint64_t value;

	ASSERT_TRUE(!!edge);
	ASSERT_EQ(8, efd_write(self->fd, 5));
	EXPECT_EQ(8, RET(read(self->fd, edge - 8, 4096)));
	memcpy(&value, edge - 8, 8);
	EXPECT_EQ(taken(variant->flags, 5), value);
}

/* A buffer need not be aligned. */
TEST_F(rw, unaligned_buffers)
{
	const uint64_t want = taken(variant->flags, 0x1122334455667788);
	uint64_t value = 0x1122334455667788;
	char buf[24];
	int i;

	for (i = 1; i < 8; i++) {
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		memcpy(buf + i, &value, 8);
		EXPECT_EQ(8, RET(write(fd, buf + i, 8)));
		memset(buf, 0xa5, sizeof(buf));
		EXPECT_EQ(8, RET(read(fd, buf + i, 8)));
		EXPECT_EQ(0, memcmp(buf + i, &want, 8));
		EXPECT_TRUE(all_bytes(buf, i, 0xa5));
		EXPECT_TRUE(all_bytes(buf + i + 8, sizeof(buf) - i - 8, 0xa5));
		close(fd);
	}
}

/* "Zero counter: EAGAIN with O_NONBLOCK": as often as one asks, and the buffer is not touched. */
TEST_F(rw, nonblocking_read_of_zero)
{
	char *edge = page_edge();
	uint64_t value = 77;

	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	EXPECT_EQ(-EAGAIN, efd_read(self->fd, &value));
	EXPECT_EQ(-EAGAIN, efd_read(self->fd, &value));
	EXPECT_EQ(77u, value);
	EXPECT_EQ(-EAGAIN, RET(read(self->fd, edge, 8)));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(-EAGAIN, efd_read(self->fd, &value));
}

/* "EAGAIN with O_NONBLOCK ... or RWF_NOWAIT" */
TEST_F(rw, rwf_nowait_read)
{
	uint64_t value = 77;

	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	EXPECT_EQ(77u, value);
	ASSERT_EQ(8, efd_write(self->fd, 2));
	EXPECT_EQ(8, read_nowait(self->fd, &value));
	EXPECT_EQ(taken(variant->flags, 2), value);
	EXPECT_EQ(2 - value, efd_fill(self->fd));
}

/* RWF_NOWAIT is for the one call, and leaves O_NONBLOCK as it was. */
TEST_F(rw, rwf_nowait_leaves_the_status_flags)
{
	uint64_t value;

	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	EXPECT_EQ(O_RDWR | (variant->flags & EFD_NONBLOCK), fcntl(self->fd, F_GETFL));
}

/* "O_NONBLOCK (looked at once, on entry)": of each call, not when the eventfd is made. */
TEST_F(rw, nonblock_is_looked_at_by_every_call)
{
	uint64_t value;

	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	EXPECT_EQ(-EAGAIN, efd_read(self->fd, &value));
	ASSERT_EQ(0, efd_set_nonblock(self->fd, false));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	EXPECT_EQ(-EAGAIN, efd_write(self->fd, 1));
	ASSERT_EQ(0, efd_set_nonblock(self->fd, false));
	EXPECT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(taken(variant->flags, EFD_MAX), value);
}

/* "Unmapped user buffer: EFAULT and the value is lost (already taken)" */
TEST_F(rw, read_to_unmapped_buffer_loses_the_value)
{
	void *rdonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *buf[] = { NULL, page_edge(), rdonly };
	size_t i;

	ASSERT_TRUE(rdonly != MAP_FAILED);
	ASSERT_TRUE(!!buf[1]);
	for (i = 0; i < ARRAY_SIZE(buf); i++) {
		int fd = efd_create(9, variant->flags);

		ASSERT_GE(fd, 0);
		EXPECT_EQ(-EFAULT, RET(read(fd, buf[i], 8))) TH_LOG("buffer %zu", i);
		EXPECT_EQ(9 - taken(variant->flags, 9), efd_fill(fd)) TH_LOG("buffer %zu", i);
		close(fd);
	}
}

/* "a buffer that straddles the edge gets its first bytes": the value is lost all the same. */
TEST_F(rw, read_over_the_edge_of_the_mapping)
{
	const uint64_t count = 0x1122334455667788;
	const uint64_t value = taken(variant->flags, count);
	char *edge = page_edge();
	int i, n;

	ASSERT_TRUE(!!edge);
	for (i = 1; i < 8; i++) {
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, count));
		memset(edge - 16, 0xa5, 16);
		EXPECT_EQ(-EFAULT, RET(read(fd, edge - i, 8)));
		/*
		 * How many is the processor's way of copying: all of them on x86, on others
		 * what was done before the store that faults, but always the first.
		 */
		for (n = 0; n < i && edge[n - i] == ((char *)&value)[n]; n++)
			;
#if defined(__x86_64__) || defined(__i386__)
		EXPECT_EQ(i, n);
#else
		EXPECT_GE(n, 1);
#endif
		EXPECT_TRUE(all_bytes(edge - i + n, i - n, 0xa5)) TH_LOG("%d bytes of room", i);
		EXPECT_TRUE(all_bytes(edge - 16, 16 - i, 0xa5));
		EXPECT_EQ(count - value, efd_fill(fd));
		close(fd);
	}
}

/* "An address outside user space: EFAULT with the counter kept." */
TEST_F(rw, read_to_foreign_address_keeps_the_counter)
{
	size_t i;

	if (!foreign_addresses())
		SKIP(return, "every address is one of user space here");
	for (i = 0; i < ARRAY_SIZE(not_user); i++) {
		EXPECT_EQ(-EFAULT, RET(read(self->fd, (void *)not_user[i], 8)));
	}
	ASSERT_EQ(8, efd_write(self->fd, 9));
	for (i = 0; i < ARRAY_SIZE(not_user); i++) {
		EXPECT_EQ(-EFAULT, RET(read(self->fd, (void *)not_user[i], 8)));
		EXPECT_EQ(-EFAULT, RET(read(self->fd, (void *)not_user[i], 4)));
	}
	EXPECT_EQ(9u, efd_fill(self->fd));
}

/* The same for a vector, no matter which segment is outside. */
TEST_F(rw, readv_to_foreign_address_keeps_the_counter)
{
	uint64_t value = 77;
	struct iovec iov[] = { { &value, 8 }, { (void *)not_user[0], 8 } };

	if (!foreign_addresses())
		SKIP(return, "every address is one of user space here");
	ASSERT_EQ(8, efd_write(self->fd, 9));
	EXPECT_EQ(-EFAULT, RET(readv(self->fd, iov, 2)));
	EXPECT_EQ(-EFAULT, RET(readv(self->fd, iov + 1, 1)));
	EXPECT_EQ(77u, value);
	EXPECT_EQ(9u, efd_fill(self->fd));
}

/* "`readv` splits the value over segments (4+4 works); only the first 8 bytes of room are used." */
TEST_F(rw, readv_splits_the_value)
{
	/* clang-format off */
	static const size_t split[][9] = {
		{ 8 }, { 4, 4 }, { 1, 7 }, { 7, 1 }, { 8, 8 }, { 4, 8 }, { 3, 3, 3 }, { 2, 4096 },
		{ 0, 8 }, { 8, 0 }, { 3, 0, 5 }, { 0, 0, 4, 0, 4 }, { 16, 16 },
		{ 1, 1, 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1, 1, 1, 1 },
	};
	/* clang-format on */
	const uint64_t count = 0x1122334455667788;
	const uint64_t want = taken(variant->flags, count);
	static char buf[9][4096];
	struct iovec iov[9];
	char got[8];
	size_t i, j, n;

	for (i = 0; i < ARRAY_SIZE(split); i++) {
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, count));
		memset(buf, 0xa5, sizeof(buf));
		for (j = 0; j < 9; j++)
			iov[j] = (struct iovec){ buf[j], split[i][j] };
		EXPECT_EQ(8, RET(readv(fd, iov, 9))) TH_LOG("split %zu", i);

		for (n = j = 0; j < 9; j++) {
			size_t used = split[i][j] < 8 - n ? split[i][j] : 8 - n;

			memcpy(got + n, buf[j], used);
			n += used;
			EXPECT_TRUE(all_bytes(buf[j] + used, sizeof(buf[j]) - used, 0xa5))
				TH_LOG("split %zu segment %zu", i, j);
		}
		EXPECT_EQ(0, memcmp(got, &want, 8)) TH_LOG("split %zu", i);
		EXPECT_EQ(count - want, efd_fill(fd)) TH_LOG("split %zu", i);
		close(fd);
	}
}

/* "Shorter than 8 bytes: EINVAL": all segments together. (No bytes at all: the VFS returns 0.) */
TEST_F(rw, short_readv_is_invalid)
{
	char buf[8];
	struct iovec iov[] = { { buf, 4 }, { buf + 4, 3 } };

	EXPECT_EQ(-EINVAL, RET(readv(self->fd, iov, 2)));
	ASSERT_EQ(8, efd_write(self->fd, 9));
	EXPECT_EQ(-EINVAL, RET(readv(self->fd, iov, 2)));
	EXPECT_EQ(-EINVAL, RET(readv(self->fd, iov, 1)));
	iov[0].iov_len = 0;
	EXPECT_EQ(0, RET(readv(self->fd, iov, 1)));
	EXPECT_EQ(9u, efd_fill(self->fd));
}

/* "Unmapped user buffer: EFAULT and the value is lost ...": half a value arrives. */
TEST_F(rw, readv_with_a_bad_second_segment)
{
	const uint64_t want = taken(variant->flags, 0x1122334455667788);
	char buf[8];
	struct iovec iov[] = { { buf, 4 }, { NULL, 4 } };

	memset(buf, 0xa5, sizeof(buf));
	ASSERT_EQ(8, efd_write(self->fd, 0x1122334455667788));
	EXPECT_EQ(-EFAULT, RET(readv(self->fd, iov, 2)));
	EXPECT_EQ(0, memcmp(buf, &want, 4));
	EXPECT_TRUE(all_bytes(buf + 4, 4, 0xa5));
	EXPECT_EQ(0x1122334455667788 - want, efd_fill(self->fd));
}

/* "only the first 8 bytes of room are used": what comes after them may be unmapped. */
TEST_F(rw, readv_does_not_need_the_rest)
{
	uint64_t value = 0;
	struct iovec iov[] = { { &value, 8 }, { NULL, 8 } };

	ASSERT_EQ(8, efd_write(self->fd, 9));
	EXPECT_EQ(8, RET(readv(self->fd, iov, 2)));
	EXPECT_EQ(taken(variant->flags, 9), value);
}

/* "Length other than 8: EINVAL", the address being good or not. */
TEST_F(rw, write_of_other_length_is_invalid)
{
	static const size_t length[] = { 0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 24, 4096 };
	static uint64_t buf[512] = { 1, 100, 100 };
	unsigned int added = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(length); i++) {
		bool fine = length[i] > 8 && LONG_WRITES;

		EXPECT_EQ(fine ? 8 : -EINVAL, RET(write(self->fd, buf, length[i])))
			TH_LOG("length %zu", length[i]);
		EXPECT_EQ(fine ? -EFAULT : -EINVAL, RET(write(self->fd, NULL, length[i])))
			TH_LOG("length %zu", length[i]);
		added += fine;
	}
	EXPECT_EQ(added, efd_fill(self->fd));
}

/* "Length other than 8: EINVAL": full or not. */
TEST_F(rw, write_of_other_length_to_a_full_counter_is_invalid)
{
	uint64_t value[2] = { 1, 1 };

	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(-EINVAL, RET(write(self->fd, value, 4)));
	if (LONG_WRITES)
		efd_set_nonblock(self->fd, true);
	EXPECT_EQ(LONG_WRITES ? -EAGAIN : -EINVAL, RET(write(self->fd, value, 16)));
}

/* "Bad buffer: EFAULT, nothing changes." */
TEST_F(rw, write_from_bad_buffer_changes_nothing)
{
	char *edge = page_edge();
	size_t i;

	ASSERT_TRUE(!!edge);
	ASSERT_EQ(8, efd_write(self->fd, 9));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(-EFAULT, RET(write(self->fd, edge - i, 8))) TH_LOG("%zu bytes", i);
	}
	for (i = 0; i < ARRAY_SIZE(not_user); i++) {
		EXPECT_EQ(-EFAULT, RET(write(self->fd, (void *)not_user[i], 8)));
	}
	EXPECT_EQ(9u, efd_fill(self->fd));
	/* Also where a good value would not fit. */
	EXPECT_EQ(-EFAULT, RET(write(self->fd, edge, 8)));
}

static _Atomic bool stop_coming_and_going;

static void worker_comes_and_goes(struct worker *w)
{
	size_t page = sysconf(_SC_PAGESIZE);

	while (!stop_coming_and_going) {
		mprotect(w->arg, page, PROT_NONE);
		mprotect(w->arg, page, PROT_READ | PROT_WRITE);
	}
}

/* "Bad buffer: EFAULT, nothing changes": also one that is good again at the second look. */
TEST_F(rw, write_from_a_buffer_that_comes_and_goes)
{
	uint64_t begin = now_ms(), passed, written = 0, refused = 0, one = 1;
	char *buf = page_edge() - sysconf(_SC_PAGESIZE);
	struct worker w = { .arg = buf };
	ssize_t ret;

	memcpy(buf, &one, sizeof(one));
	stop_coming_and_going = false;
	ASSERT_TRUE(worker_start(&w, worker_comes_and_goes));
	do {
		ret = RET(write(self->fd, buf, 8));
		written += ret == 8;
		refused += ret == -EFAULT;
		passed = now_ms() - begin;
	} while ((ret == 8 || ret == -EFAULT) && passed < WAIT_MS &&
		 (passed < 100 || !written || !refused));
	stop_coming_and_going = true;
	ASSERT_TRUE(worker_join(&w));
	EXPECT_TRUE(ret == 8 || ret == -EFAULT) TH_LOG("%zd", ret);
	EXPECT_TRUE(written && refused);
	EXPECT_EQ(written, efd_fill(self->fd));
}

/* "Value 0xffffffffffffffff: EINVAL, always." */
TEST_F(rw, all_ones_is_never_written)
{
	ASSERT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
	ASSERT_EQ(1u, efd_fill(self->fd));
	ASSERT_EQ(-EINVAL, efd_write(self->fd, UINT64_MAX));
}

/* "Fits if `ULLONG_MAX - counter > value`, so user writes stop at 0xfffffffffffffffe." */
TEST_F(rw, what_fits)
{
	static const struct {
		uint64_t count, value;
		bool fits;
	} row[] = {
		{ 0, EFD_MAX, true },
		{ 0, 1ull << 63, true },
		{ 1, EFD_MAX - 1, true },
		{ 1, EFD_MAX, false },
		{ 1ull << 63, (1ull << 63) - 2, true },
		{ 1ull << 63, (1ull << 63) - 1, false },
		{ 1ull << 63, 1ull << 63, false },
		{ EFD_MAX - 1, 0, true },
		{ EFD_MAX - 1, 1, true },
		{ EFD_MAX - 1, 2, false },
		{ EFD_MAX, 0, true },
		{ EFD_MAX, 1, false },
		{ EFD_MAX, 2, false },
		{ EFD_MAX, 1ull << 32, false },
		{ EFD_MAX, EFD_MAX, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, row[i].count));
		if (!row[i].fits)
			efd_set_nonblock(fd, true);
		EXPECT_EQ(row[i].fits ? 8 : -EAGAIN, efd_write(fd, row[i].value))
			TH_LOG("row %zu", i);
		EXPECT_EQ(row[i].count + (row[i].fits ? row[i].value : 0), efd_fill(fd))
			TH_LOG("row %zu", i);
		close(fd);
	}
}

/* "Never a partial add." and what was refused fits as soon as it has been made room for. */
TEST_F(rw, refused_write_fits_after_a_read)
{
	uint64_t value = 0;

	ASSERT_EQ(0, efd_set_nonblock(self->fd, true));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	EXPECT_EQ(-EAGAIN, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(taken(variant->flags, EFD_MAX), value);
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? -EAGAIN : 8, efd_write(self->fd, 2));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? EFD_MAX : 3, efd_fill(self->fd));
}

/* "Value 0 is legal: it succeeds at MAX-1" */
TEST_F(rw, zero_may_always_be_written)
{
	uint64_t value;

	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(-EAGAIN, read_nowait(self->fd, &value));
	ASSERT_EQ(8, efd_write(self->fd, EFD_MAX));
	ASSERT_EQ(8, efd_write(self->fd, 0));
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* "1<<32 can be read and written." An int in between has made it 0, once. */
TEST_F(rw, values_beyond_32_bits)
{
	static const uint64_t count[] = {
		1ull << 31,	    1ull << 32, 1ull << 33, 3ull << 32,
		0xffffffff00000000, 1ull << 63, EFD_MAX,
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(count); i++) {
		int fd = efd_create(0, variant->flags);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(8, efd_write(fd, count[i]));
		value = 0;
		ASSERT_EQ(8, read_nowait(fd, &value)) TH_LOG("value %zu", i);
		EXPECT_EQ(taken(variant->flags, count[i]), value) TH_LOG("value %zu", i);
		EXPECT_EQ(count[i] - value, efd_fill(fd)) TH_LOG("value %zu", i);
		close(fd);
	}
}

/* Carry and borrow go over the 32-bit border. */
TEST_F(rw, counts_over_the_32_bit_border)
{
	uint64_t value = 0;

	ASSERT_EQ(8, efd_write(self->fd, 0xffffffff));
	ASSERT_EQ(8, efd_write(self->fd, 1));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	EXPECT_EQ(taken(variant->flags, 1ull << 32), value);
	EXPECT_EQ(variant->flags & EFD_SEMAPHORE ? 0xffffffff : 0, efd_fill(self->fd));
}

/*
 * "`writev` goes segment by segment: 8+8 returns 16 and adds both; 4+4 EINVAL; 8+4 returns
 * 8; 8+0 returns 8; 0+8 EINVAL; a second segment that does not fit on O_NONBLOCK returns 8."
 */
TEST_F(rw, writev_goes_segment_by_segment)
{
	static const struct {
		const char *name;
		uint64_t before;
		struct {
			int len;
			uint64_t value;
		} seg[3];
		ssize_t ret;
		uint64_t after;
		struct {
			ssize_t ret;
			uint64_t after;
		} long_writes; /* if another */
	} row[] = {
		{ "8", 0, { { 8, 5 } }, 8, 5 },
		{ "8+8", 0, { { 8, 5 }, { 8, 7 } }, 16, 12 },
		{ "8+8+8", 1, { { 8, 5 }, { 8, 0 }, { 8, 7 } }, 24, 13 },
		{ "16", 2, { { 16, 5 } }, -EINVAL, 2, { 8, 7 } },
		{ "16+8", 2, { { 16, 5 }, { 8, 7 } }, -EINVAL, 2, { 8, 7 } },
		{ "4+4", 2, { { 4, 5 }, { 4, 7 } }, -EINVAL, 2 },
		{ "4+8", 2, { { 4, 5 }, { 8, 7 } }, -EINVAL, 2 },
		{ "1+7", 2, { { 1, 5 }, { 7, 7 } }, -EINVAL, 2 },
		{ "8+4", 2, { { 8, 5 }, { 4, 7 } }, 8, 7 },
		{ "8+4+4", 2, { { 8, 5 }, { 4, 7 }, { 4, 7 } }, 8, 7 },
		{ "8+8+4", 2, { { 8, 5 }, { 8, 7 }, { 4, 7 } }, 16, 14 },
		{ "8+16", 2, { { 8, 5 }, { 16, 7 } }, 8, 7, { 16, 14 } },
		{ "8+9+8", 2, { { 8, 5 }, { 9, 7 }, { 8, 1 } }, 8, 7, { 16, 14 } },
		{ "8+0", 2, { { 8, 5 }, { 0, 7 } }, 8, 7 },
		{ "8+0+8", 2, { { 8, 5 }, { 0, 7 }, { 8, 7 } }, 16, 14 },
		{ "0+8", 2, { { 0, 5 }, { 8, 7 } }, -EINVAL, 2 },
		{ "nothing", 2, { { 0, 5 }, { 0, 7 } }, 0, 2 },
		{ "refused value first", 2, { { 8, UINT64_MAX }, { 8, 7 } }, -EINVAL, 2 },
		{ "refused value second", 2, { { 8, 5 }, { 8, UINT64_MAX } }, 8, 7 },
		{ "bad address first", 2, { { -8, 0 }, { 8, 7 } }, -EFAULT, 2 },
		{ "bad address second", 2, { { 8, 5 }, { -8, 0 }, { 8, 7 } }, 8, 7 },
		{ "first does not fit", 5, { { 8, EFD_MAX }, { 8, 7 } }, -EAGAIN, 5 },
		{ "second does not fit", 5, { { 8, 5 }, { 8, EFD_MAX - 9 } }, 8, 10 },
		{ "third fits, second not", 5, { { 8, 5 }, { 8, EFD_MAX }, { 8, 1 } }, 8, 10 },
		{ "second just fits", 5, { { 8, 5 }, { 8, EFD_MAX - 10 } }, 16, EFD_MAX },
	};
	uint64_t buf[3][2];
	struct iovec iov[3];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		bool other = row[i].long_writes.ret && LONG_WRITES;
		int fd = efd_create(row[i].before, variant->flags);

		ASSERT_GE(fd, 0);
		for (j = 0; j < 3; j++) {
			buf[j][0] = row[i].seg[j].value;
			buf[j][1] = row[i].seg[j].value;
			iov[j].iov_base = row[i].seg[j].len < 0 ? NULL : buf[j];
			iov[j].iov_len = abs(row[i].seg[j].len);
		}
		/* Otherwise the rows with a value that does not fit would sleep. */
		if (strstr(row[i].name, "fit"))
			efd_set_nonblock(fd, true);
		EXPECT_EQ(other ? row[i].long_writes.ret : row[i].ret, RET(writev(fd, iov, 3)))
			TH_LOG("%s", row[i].name);
		EXPECT_EQ(other ? row[i].long_writes.after : row[i].after, efd_fill(fd))
			TH_LOG("%s", row[i].name);
		close(fd);
	}
}

/* "An address outside user space": of any segment, then not even the first one is added. */
TEST_F(rw, writev_from_foreign_address_adds_nothing)
{
	uint64_t value = 5;
	struct iovec iov[] = { { &value, 8 }, { (void *)not_user[0], 8 } };

	if (!foreign_addresses())
		SKIP(return, "every address is one of user space here");
	EXPECT_EQ(-EFAULT, RET(writev(self->fd, iov, 2)));
	EXPECT_EQ(0u, efd_fill(self->fd));
}

/* "`pwritev2` with any flag but RWF_HIPRI and RWF_NOWAIT: EOPNOTSUPP." */
TEST_F(rw, pwritev2_flags)
{
	uint64_t value[] = { 5, 7 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 } };
	unsigned int bit;

	EXPECT_EQ(16, RET(pwritev2(self->fd, iov, 2, -1, 0)));
	EXPECT_EQ(16, RET(pwritev2(self->fd, iov, 2, -1, RWF_HIPRI)));
	for (bit = 0; bit < 32; bit++) {
		int flag = 1u << bit;

		if (flag == RWF_HIPRI || flag == RWF_NOWAIT)
			continue;
		EXPECT_EQ(-EOPNOTSUPP, RET(pwritev2(self->fd, iov, 1, -1, flag)))
			TH_LOG("bit %u", bit);
		EXPECT_EQ(-EOPNOTSUPP, RET(pwritev2(self->fd, iov, 2, -1, flag | RWF_HIPRI)))
			TH_LOG("bit %u", bit);
	}
	EXPECT_EQ(24u, efd_fill(self->fd));
}

/*
 * "Stock: EOPNOTSUPP. Here `pwritev2` with RWF_NOWAIT adds at once what fits, EAGAIN for what does
 * not, whatever O_NONBLOCK says": a kernel that takes the flag must do it right.
 */
TEST_F(rw, rwf_nowait_write_works_or_is_refused)
{
	uint64_t value[] = { 5, EFD_MAX - 5, 1, 0 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 }, { value + 2, 8 } };
	ssize_t ret = RET(pwritev2(self->fd, iov, 1, -1, RWF_NOWAIT));

	if (ret == -EOPNOTSUPP) {
		EXPECT_EQ(0u, efd_fill(self->fd));
		return;
	}
	ASSERT_EQ(8, ret);
	EXPECT_EQ(8, RET(pwritev2(self->fd, iov + 1, 2, -1, RWF_NOWAIT)));
	EXPECT_EQ(-EAGAIN, RET(pwritev2(self->fd, iov + 2, 1, -1, RWF_NOWAIT)));
	iov[2].iov_len = 4;
	EXPECT_EQ(-EINVAL, RET(pwritev2(self->fd, iov + 2, 1, -1, RWF_NOWAIT)));
	iov[2] = (struct iovec){ value + 3, 8 };
	EXPECT_EQ(8, RET(pwritev2(self->fd, iov + 2, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(EFD_MAX, efd_fill(self->fd));
}

/* The flag of the call is refused, the status flag of the file is not: O_APPEND means nothing. */
TEST_F(rw, o_append_changes_nothing)
{
	uint64_t value[] = { 5, 7 };
	struct iovec iov[] = { { value, 8 }, { value + 1, 8 } };

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, fcntl(self->fd, F_GETFL) | O_APPEND));
	EXPECT_EQ(8, efd_write(self->fd, 1));
	EXPECT_EQ(16, RET(writev(self->fd, iov, 2)));
	EXPECT_EQ(13u, efd_fill(self->fd));
}

/* "pread, pwrite, offsets: ESPIPE." */
TEST_F(rw, offsets_are_refused)
{
	uint64_t value = 5;
	struct iovec iov = { &value, 8 };
	off_t offset;

	ASSERT_EQ(8, efd_write(self->fd, 9));
	for (offset = 0; offset <= 8; offset += 8) {
		EXPECT_EQ(-ESPIPE, RET(pread(self->fd, &value, 8, offset)));
		EXPECT_EQ(-ESPIPE, RET(pwrite(self->fd, &value, 8, offset)));
		EXPECT_EQ(-ESPIPE, RET(preadv(self->fd, &iov, 1, offset)));
		EXPECT_EQ(-ESPIPE, RET(pwritev(self->fd, &iov, 1, offset)));
		EXPECT_EQ(-ESPIPE, RET(preadv2(self->fd, &iov, 1, offset, RWF_NOWAIT)));
		EXPECT_EQ(-ESPIPE, RET(pwritev2(self->fd, &iov, 1, offset, RWF_HIPRI)));
	}
	EXPECT_EQ(5u, value);
	EXPECT_EQ(9u, efd_fill(self->fd));
}

/* "lseek: 0 for every valid whence." */
TEST_F(rw, lseek_stays_at_zero)
{
	static const off_t offset[] = { 0, 1, 8, -1, 1l << 30 };
	uint64_t value;
	size_t i;
	int whence;

	ASSERT_EQ(8, efd_write(self->fd, 9));
	ASSERT_EQ(8, efd_read(self->fd, &value));
	for (whence = SEEK_SET; whence <= SEEK_HOLE; whence++)
		for (i = 0; i < ARRAY_SIZE(offset); i++) {
			EXPECT_EQ(0, RET(lseek(self->fd, offset[i], whence)))
				TH_LOG("whence %d, offset %zu", whence, i);
		}
	EXPECT_EQ(-EINVAL, RET(lseek(self->fd, 0, SEEK_HOLE + 1)));
	EXPECT_EQ(-EINVAL, RET(lseek(self->fd, 0, -1)));
	EXPECT_EQ(9 - value, efd_fill(self->fd));
}

/* xorshift64: the same numbers in every run. */
static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t random_value(uint64_t *state, uint64_t room)
{
	switch (next(state) % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return room;
	case 3:
		return room + 1;
	case 4:
		return room - next(state) % 4;
	case 5:
		return next(state) >> next(state) % 64;
	default:
		return next(state) % 4;
	}
}

/*
 * A model of all that reads and writes do as far as they do not sleep. What would sleep is
 * left out or asked with RWF_NOWAIT, everything else must not, O_NONBLOCK or not.
 */
TEST_F(rw, random_calls_do_as_the_model_does)
{
	const bool nonblock = variant->flags & EFD_NONBLOCK;
	uint64_t seed = 0x9e3779b97f4a7c15, count, added, read, value;
	ssize_t want;
	int round, i;

	for (round = 0; round < 100; round++) {
		int fd = efd_create(round, variant->flags);

		ASSERT_GE(fd, 0);
		added = round;
		read = 0;
		for (i = 0; i < 100; i++) {
			count = added - read;
			if (next(&seed) % 2) {
				value = 77;
				want = count ? 8 : -EAGAIN;
				ASSERT_EQ(want,
					  nonblock ? efd_read(fd, &value) : read_nowait(fd, &value))
					TH_LOG("round %d, call %d", round, i);
				ASSERT_EQ(count ? taken(variant->flags, count) : 77, value)
					TH_LOG("round %d, call %d", round, i);
				read += count ? value : 0;
				continue;
			}
			/* Small values in the even rounds, all sizes in the others. */
			value = round % 2 ? random_value(&seed, EFD_MAX - count) : next(&seed) % 3;
			want = value == UINT64_MAX ? -EINVAL :
			       value <= EFD_MAX - count ? 8 :
							  -EAGAIN;
			if (want == -EAGAIN && !nonblock)
				continue;
			ASSERT_EQ(want, efd_write(fd, value))
				TH_LOG("round %d, call %d", round, i);
			added += want == 8 ? value : 0;
		}
		ASSERT_EQ(added - read, efd_fill(fd)) TH_LOG("round %d", round);
		close(fd);
	}
}

TEST_HARNESS_MAIN
