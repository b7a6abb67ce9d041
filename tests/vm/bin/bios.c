// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Change a range of a block device by one kind of bio.
 *
 *   bios KIND NODE OFFSET LENGTH
 *
 *     write         O_DIRECT, from one buffer
 *     vector        O_DIRECT, from pieces of 512 bytes to 4 KiB, one in each second page
 *     huge          O_DIRECT, from huge pages: few segments, each of many pages
 *     fua           O_DIRECT, RWF_DSYNC: FUA, or a flush after it where there is no FUA
 *     nowait        O_DIRECT, RWF_NOWAIT
 *     atomic        O_DIRECT, RWF_ATOMIC: all or nothing
 *     uring         O_DIRECT, by io_uring
 *     uring-nowait  the same with RWF_NOWAIT
 *     polled        O_DIRECT, by io_uring with IORING_SETUP_IOPOLL
 *     buffered      through the page cache, then fsync()
 *     mapped        through a shared mapping, then msync()
 *     discard       BLKDISCARD
 *     secure-erase  BLKSECDISCARD
 *     zeroes        BLKZEROOUT
 *     punch         fallocate(), punching a hole
 *     flush         fsync() and nothing else; the range is not looked at
 *
 * OFFSET and LENGTH are bytes. What is written is random, so that a change that was
 * missed shows. The program sees to it that the whole range is handed over by one
 * call, not that the kernel makes one bio of it.
 *
 * Exit status 0; 77 where the kernel or the device does not have the kind; 1 with a
 * line on stderr.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif

#define HUGE_PAGE (2UL << 20)
#define NOT_THERE 77
#define TRIES     10000

struct range {
	int fd;
	uint64_t offset, length;
};

/* What a kind does; 0 or a negative errno. */
typedef int (*kind_fn)(const struct range *range, int flags);

static void fill(uint8_t *at, uint64_t length)
{
	while (length) {
		ssize_t got = getrandom(at, length < (1 << 20) ? length : 1 << 20, 0);

		if (got < 0)
			err(1, "getrandom");
		at += got;
		length -= (uint64_t)got;
	}
}

static void *filled_buffer(uint64_t length, uint64_t alignment)
{
	uint64_t whole = (length + alignment - 1) / alignment * alignment;
	void *buffer = aligned_alloc(alignment, whole);

	if (!buffer)
		err(1, "%llu bytes", (unsigned long long)length);
	if (alignment == HUGE_PAGE && madvise(buffer, whole, MADV_HUGEPAGE))
		err(1, "huge pages");
	fill(buffer, length);
	return buffer;
}

static int whole(ssize_t done, uint64_t wanted)
{
	if (done < 0)
		return -errno;
	return (uint64_t)done == wanted ? 0 : -EIO;
}

/* -------------------------------------------------------------- system calls */
static int write_vector(const struct range *r, const struct iovec *vector, int nr, int flags)
{
	ssize_t done;
	int tries = 0;

	/* NOWAIT may be told to come back: where that never ends, it is a finding. */
	do {
		if (tries)
			usleep(1000);
		done = pwritev2(r->fd, vector, nr, (off_t)r->offset, flags);
	} while (done < 0 && errno == EAGAIN && flags & RWF_NOWAIT && ++tries < TRIES);
	return whole(done, r->length);
}

static int do_write(const struct range *r, int flags)
{
	struct iovec one = { filled_buffer(r->length, 4096), r->length };

	return write_vector(r, &one, 1, flags);
}

static int do_huge(const struct range *r, int flags)
{
	struct iovec one = { filled_buffer(r->length, HUGE_PAGE), r->length };

	return write_vector(r, &one, 1, flags);
}

static int do_vector(const struct range *r, int flags)
{
	static const uint64_t sizes[] = { 512, 4096, 1024, 2560 };
	struct iovec vector[1024];
	uint8_t *buffer = filled_buffer(sizeof(vector) / sizeof(*vector) * 8192, 4096);
	uint64_t left = r->length;
	int block, nr = 0;

	if (ioctl(r->fd, BLKSSZGET, &block))
		return -errno;
	for (; left; nr++) {
		uint64_t size = block > 512 ? 4096 : sizes[nr % 4];

		if (nr == 1024)
			return -E2BIG;
		if (size > left)
			size = left;
		vector[nr] = (struct iovec){ buffer + (uint64_t)nr * 8192, size };
		left -= size;
	}
	return write_vector(r, vector, nr, flags);
}

static int do_buffered(const struct range *r, int flags)
{
	int result = do_write(r, flags);

	return result ?: fsync(r->fd) ? -errno : 0;
}

static int do_mapped(const struct range *r, int flags)
{
	void *data = filled_buffer(r->length, 4096);
	void *map = mmap(NULL, r->length, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
			 (off_t)r->offset);

	(void)flags;
	if (map == MAP_FAILED)
		return -errno;
	memcpy(map, data, r->length);
	return msync(map, r->length, MS_SYNC) ? -errno : 0;
}

static int do_flush(const struct range *r, int flags)
{
	(void)flags;
	return fsync(r->fd) ? -errno : 0;
}

static int call_with_range(const struct range *r, unsigned long request)
{
	uint64_t range[2] = { r->offset, r->length };

	return ioctl(r->fd, request, range) ? -errno : 0;
}

static int do_discard(const struct range *r, int flags)
{
	(void)flags;
	return call_with_range(r, BLKDISCARD);
}

static int do_secure_erase(const struct range *r, int flags)
{
	(void)flags;
	return call_with_range(r, BLKSECDISCARD);
}

static int do_zeroes(const struct range *r, int flags)
{
	(void)flags;
	return call_with_range(r, BLKZEROOUT);
}

static int do_punch(const struct range *r, int flags)
{
	(void)flags;
	return fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r->offset,
			 (off_t)r->length) ? -errno : 0;
}

/* ------------------------------------------------------------------ io_uring */
/* One request at a time, without liburing; the layout is in io_uring_setup(2). */
struct ring {
	int fd;
	bool polled;
	struct io_uring_params params;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
};

static void *map_ring(const struct ring *ring, size_t bytes, off_t offset)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, offset);

	if (map == MAP_FAILED)
		err(1, "io_uring: mmap");
	return map;
}

static int open_ring(struct ring *ring)
{
	struct io_uring_params *p = &ring->params;

	p->flags = ring->polled ? IORING_SETUP_IOPOLL : 0;
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, p);
	if (ring->fd < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	ring->sq = map_ring(ring, p->sq_off.array + p->sq_entries * sizeof(uint32_t),
			    IORING_OFF_SQ_RING);
	ring->cq = map_ring(ring, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
			    IORING_OFF_CQ_RING);
	ring->sqes = map_ring(ring, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	return 0;
}

static uint32_t *sq_word(const struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring->sq + offset);
}

static uint32_t *cq_word(const struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring->cq + offset);
}

static void queue_write(struct ring *ring, const struct range *r, void *data, int flags)
{
	uint32_t tail = *sq_word(ring, ring->params.sq_off.tail);
	uint32_t slot = tail & *sq_word(ring, ring->params.sq_off.ring_mask);

	ring->sqes[slot] = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE,
		.fd = r->fd,
		.off = r->offset,
		.addr = (uintptr_t)data,
		.len = (uint32_t)r->length,
		.rw_flags = flags,
	};
	sq_word(ring, ring->params.sq_off.array)[slot] = slot;
	__atomic_store_n(sq_word(ring, ring->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
}

static int wait_for_result(struct ring *ring)
{
	struct io_uring_cqe *cqes = (void *)(ring->cq + ring->params.cq_off.cqes);
	uint32_t *head = cq_word(ring, ring->params.cq_off.head);
	uint32_t mask = *cq_word(ring, ring->params.cq_off.ring_mask);
	uint32_t *tail = cq_word(ring, ring->params.cq_off.tail);
	unsigned int to_submit = 1;
	int result;

	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head) {
		int done = (int)syscall(SYS_io_uring_enter, ring->fd, to_submit, 1,
					IORING_ENTER_GETEVENTS, NULL, 0);

		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (done > 0)
			to_submit = 0;
	}
	result = cqes[*head & mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static int write_by_ring(struct ring *ring, const struct range *r, int flags)
{
	void *data = filled_buffer(r->length, 4096);
	int result = open_ring(ring);
	int tries = 0;

	while (!result) {
		queue_write(ring, r, data, flags);
		result = wait_for_result(ring);
		if (result >= 0)
			return (uint64_t)result == r->length ? 0 : -EIO;
		if (result == -EAGAIN && flags & RWF_NOWAIT && ++tries < TRIES) {
			usleep(1000);
			result = 0;
		}
	}
	return result;
}

static int do_uring(const struct range *r, int flags)
{
	struct ring ring = { 0 };

	return write_by_ring(&ring, r, flags);
}

static int do_polled(const struct range *r, int flags)
{
	struct ring ring = { .polled = true };

	return write_by_ring(&ring, r, flags);
}

/* ---------------------------------------------------------------------- kinds */
static const struct kind {
	const char *name;
	kind_fn run;
	int open_flags;
	int flags;
} kinds[] = {
	{ "write", do_write, O_WRONLY | O_DIRECT, 0 },
	{ "vector", do_vector, O_WRONLY | O_DIRECT, 0 },
	{ "huge", do_huge, O_WRONLY | O_DIRECT, 0 },
	{ "fua", do_write, O_WRONLY | O_DIRECT, RWF_DSYNC },
	{ "nowait", do_write, O_WRONLY | O_DIRECT, RWF_NOWAIT },
	{ "atomic", do_write, O_WRONLY | O_DIRECT, RWF_ATOMIC },
	{ "uring", do_uring, O_WRONLY | O_DIRECT, 0 },
	{ "uring-nowait", do_uring, O_WRONLY | O_DIRECT, RWF_NOWAIT },
	{ "polled", do_polled, O_WRONLY | O_DIRECT, 0 },
	{ "buffered", do_buffered, O_WRONLY, 0 },
	{ "mapped", do_mapped, O_RDWR, 0 },
	{ "discard", do_discard, O_WRONLY, 0 },
	{ "secure-erase", do_secure_erase, O_WRONLY, 0 },
	{ "zeroes", do_zeroes, O_WRONLY, 0 },
	{ "punch", do_punch, O_WRONLY, 0 },
	{ "flush", do_flush, O_WRONLY, 0 },
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	errx(1, "%s: no such kind", name);
}

int main(int argc, char **argv)
{
	const struct kind *kind;
	struct range range;
	int result;

	if (argc != 5)
		errx(1, "usage: bios KIND NODE OFFSET LENGTH");
	kind = find_kind(argv[1]);
	range.fd = open(argv[2], kind->open_flags | O_CLOEXEC);
	if (range.fd < 0)
		err(1, "%s", argv[2]);
	range.offset = strtoull(argv[3], NULL, 0);
	range.length = strtoull(argv[4], NULL, 0);
	result = kind->run(&range, kind->flags);
	if (result == -EOPNOTSUPP)
		return NOT_THERE;
	if (result) {
		errno = -result;
		err(1, "%s: %s", argv[2], kind->name);
	}
	return 0;
}
