// SPDX-License-Identifier: GPL-2.0-or-later
/* Copyright (C) 2026 the Tidemark authors */
#include "channel.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct tidemark_devno devno_of(const char *node)
{
	struct stat st;

	if (stat(node, &st) || !S_ISBLK(st.st_mode))
		errx(1, "%s: not a block device", node);
	return (struct tidemark_devno){ major(st.st_rdev), minor(st.st_rdev) };
}

int channel_open(void)
{
	int fd = open("/dev/" TIDEMARK_DEVICE_NAME, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "/dev/" TIDEMARK_DEVICE_NAME);
	return fd;
}

static void *map(int fd, size_t bytes, int protection, off_t offset)
{
	void *p = mmap(NULL, bytes, protection, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		err(1, "mmap at %ld", (long)offset);
	return p;
}

void channel_bind(struct channel *c, const char *mapped_node, uint32_t ring_bytes)
{
	struct tidemark_bind bind = {
		.abi = TIDEMARK_ABI_VERSION,
		.mapped = devno_of(mapped_node),
		.ring_bytes = ring_bytes,
	};
	long page = sysconf(_SC_PAGESIZE);

	c->fd = channel_open();
	if (ioctl(c->fd, TIDEMARK_IOC_BIND, &bind))
		err(1, "BIND");
	c->info = bind.info;
	c->ring_bytes = bind.ring_bytes;
	c->consumer = map(c->fd, (size_t)page, PROT_READ | PROT_WRITE, 0);
	c->producer = map(c->fd, (size_t)page, PROT_READ, page);
	c->data = map(c->fd, 2 * (size_t)c->ring_bytes, PROT_READ, 2 * page);
}

void channel_cut(struct channel *c, uint32_t flags)
{
	struct tidemark_cut_volume volume = { .channel_fd = c->fd, .flags = flags };
	struct tidemark_cut cut = { .nr_volumes = 1, .volumes = (uintptr_t)&volume };

	if (ioctl(c->fd, TIDEMARK_IOC_CUT, &cut))
		err(1, "CUT");
	c->epoch = volume.epoch;
	c->frozen = volume.frozen_chunks;
}

uint64_t *channel_read_frozen(struct channel *c)
{
	uint64_t *words = calloc(c->info.nr_chunks / 64 + 1, sizeof(*words));
	struct tidemark_read_frozen read = {
		.nr_chunks = c->info.nr_chunks,
		.words = (uintptr_t)words,
	};

	if (!words || ioctl(c->fd, TIDEMARK_IOC_READ_FROZEN, &read))
		err(1, "READ_FROZEN");
	return words;
}

bool channel_release(struct channel *c, uint64_t chunk)
{
	uint64_t word = 0;
	struct tidemark_release release = {
		.epoch = c->epoch,
		.first_chunk = chunk,
		.nr_chunks = 1,
		.words = (uintptr_t)&word,
	};

	if (ioctl(c->fd, TIDEMARK_IOC_RELEASE, &release))
		err(errno == ESTALE ? 3 : 1, "RELEASE");
	return word & 1;
}

void channel_end(struct channel *c, uint32_t how)
{
	struct tidemark_end end = { .epoch = c->epoch, .how = how };

	memcpy(end.base, "the tests' own", 14);
	if (ioctl(c->fd, TIDEMARK_IOC_END, &end))
		err(errno == ESTALE ? 3 : 1, "END");
}

uint32_t channel_chunk_bytes(const struct channel *c, uint64_t chunk)
{
	uint64_t left = c->info.volume_bytes - chunk * c->info.chunk_bytes;

	return left < c->info.chunk_bytes ? (uint32_t)left : c->info.chunk_bytes;
}

void channel_drain(struct channel *c, void (*take)(void *context, const struct tidemark_record *r),
		   void *context)
{
	uint64_t end = __atomic_load_n(&c->producer->producer_pos, __ATOMIC_ACQUIRE);

	while (c->consumed != end) {
		const struct tidemark_record *r =
			(const void *)(c->data + c->consumed % c->ring_bytes);

		if (r->seq != ++c->last_seq)
			errx(1, "record %llu where %llu was due", (unsigned long long)r->seq,
			     (unsigned long long)c->last_seq);
		take(context, r);
		c->consumed += r->record_bytes;
		__atomic_store_n(&c->consumer->consumer_pos, c->consumed, __ATOMIC_RELEASE);
	}
}

uint32_t channel_stream_state(const struct channel *c)
{
	return __atomic_load_n(&c->producer->stream_state, __ATOMIC_ACQUIRE);
}
