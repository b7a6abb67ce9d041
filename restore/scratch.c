// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A block's bit is set behind the write of all of it: a process that dies in between has not
 * answered the request, which its successor gets again. A part of a block that is still the
 * image's is put together under a lock; others write while it does so, but not that block.
 */
#include "restore/scratch.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_BYTES 4096u
#define NR_LOCKS    64u

struct scratch {
	struct tmc_image *image;
	uint64_t bytes;
	int fd;
	_Atomic uint64_t *written; /* by block; shared with whoever is forked */
	size_t written_bytes;      /* of that memory */
	pthread_mutex_t locks[NR_LOCKS]; /* block n: its part writes, number n % NR_LOCKS */
};

static bool is_written(const struct scratch *scratch, uint64_t block)
{
	return atomic_load(&scratch->written[block / 64]) >> block % 64 & 1;
}

static void set_written(struct scratch *scratch, uint64_t first, uint64_t end)
{
	for (uint64_t block = first; block < end; block++)
		atomic_fetch_or(&scratch->written[block / 64], 1ull << block % 64);
}

/* Behind the last byte of the run of blocks from offset on that are all written, or all not. */
static uint64_t find_run(const struct scratch *scratch, uint64_t offset, uint64_t end)
{
	uint64_t block = offset / BLOCK_BYTES;
	bool written = is_written(scratch, block);

	while (++block * BLOCK_BYTES < end && is_written(scratch, block) == written)
		;
	return block * BLOCK_BYTES < end ? block * BLOCK_BYTES : end;
}

static int read_range(const struct scratch *scratch, uint64_t offset, uint8_t *data, size_t bytes)
{
	uint64_t end = offset + bytes;

	while (offset < end) {
		uint64_t behind = find_run(scratch, offset, end);
		size_t part = (size_t)(behind - offset);
		int r = is_written(scratch, offset / BLOCK_BYTES) ?
			io_read_full(scratch->fd, data, part, offset) :
			tmc_image_read(scratch->image, offset, data, part);

		if (r < 0)
			return r;
		data += part;
		offset = behind;
	}
	return 0;
}

static int on_read(void *context, uint64_t offset, void *data, uint32_t bytes)
{
	return read_range(context, offset, data, bytes);
}

/* data NULL: zeros. */
static int write_blocks(struct scratch *scratch, uint64_t offset, const uint8_t *data,
			uint64_t bytes)
{
	int r;

	if (data)
		r = io_write_full(scratch->fd, data, (size_t)bytes, offset);
	else
		r = fallocate(scratch->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)bytes) < 0 ? -errno : 0;
	if (r == 0)
		set_written(scratch, offset / BLOCK_BYTES, (offset + bytes) / BLOCK_BYTES);
	return r;
}

/* The last block of a volume may be a short one; the file has all of it. */
static int write_part(struct scratch *scratch, uint64_t offset, const uint8_t *data, size_t bytes)
{
	uint64_t block = offset / BLOCK_BYTES, begin = block * BLOCK_BYTES;
	uint64_t left = scratch->bytes - begin;
	uint8_t whole[BLOCK_BYTES] = {0};
	int r;

	LOCK_SCOPE(&scratch->locks[block % NR_LOCKS]);
	r = read_range(scratch, begin, whole, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES);
	if (r < 0)
		return r;
	if (data)
		memcpy(whole + (offset - begin), data, bytes);
	else
		memset(whole + (offset - begin), 0, bytes);
	return write_blocks(scratch, begin, whole, BLOCK_BYTES);
}

static int write_range(struct scratch *scratch, uint64_t offset, const uint8_t *data,
		       uint64_t bytes)
{
	int r = 0;

	while (r == 0 && bytes) {
		uint64_t ahead = BLOCK_BYTES - offset % BLOCK_BYTES;
		uint64_t part = bytes - bytes % BLOCK_BYTES;

		if (ahead == BLOCK_BYTES && part)
			r = write_blocks(scratch, offset, data, part);
		else
			r = write_part(scratch, offset, data,
				       (size_t)(part = bytes < ahead ? bytes : ahead));
		offset += part;
		bytes -= part;
		data = data ? data + part : NULL;
	}
	return r;
}

static int on_write(void *context, uint64_t offset, const void *data, uint32_t bytes)
{
	return write_range(context, offset, data, bytes);
}

static int on_zero(void *context, uint64_t offset, uint64_t bytes)
{
	return write_range(context, offset, NULL, bytes);
}

struct server_backend scratch_backend(struct scratch *scratch)
{
	return (struct server_backend){
		.read = on_read, .write = on_write, .zero = on_zero, .context = scratch,
	};
}

void scratch_set_image(struct scratch *scratch, struct tmc_image *image)
{
	scratch->image = image;
	for (unsigned int i = 0; i < NR_LOCKS; i++)
		pthread_mutex_init(&scratch->locks[i], NULL);
}

uint64_t scratch_written_bytes(const struct scratch *scratch)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < scratch->written_bytes / sizeof(uint64_t); i++)
		nr += (uint64_t)__builtin_popcountll(atomic_load(&scratch->written[i]));
	return nr * BLOCK_BYTES;
}

/* --------------------------------------------------------------------- open, close */

void scratch_close(struct scratch *scratch)
{
	if (!scratch)
		return;
	if (scratch->written)
		munmap((void *)scratch->written, scratch->written_bytes);
	if (scratch->fd >= 0)
		close(scratch->fd);
	free(scratch);
}

static int make_file(struct scratch *scratch, const char *directory)
{
	uint64_t nr_blocks = (scratch->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;

	scratch->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (scratch->fd < 0 || ftruncate(scratch->fd, (off_t)(nr_blocks * BLOCK_BYTES)) < 0)
		return failure_set(-errno, "%s: what is written to the point cannot be kept there: "
				   "%s", directory, strerror(errno));
	return 0;
}

static int make_record(struct scratch *scratch)
{
	uint64_t nr_blocks = (scratch->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	void *written;

	scratch->written_bytes = (size_t)(nr_blocks / 64 + 1) * sizeof(uint64_t);
	written = mmap(NULL, scratch->written_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (written == MAP_FAILED)
		return failure_set(-ENOMEM, "out of memory");
	scratch->written = written;
	return 0;
}

int scratch_open(const char *directory, uint64_t bytes, struct scratch **ret_scratch)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));
	int r;

	if (!scratch)
		return failure_set(-ENOMEM, "out of memory");
	scratch->fd = -1;
	scratch->bytes = bytes;
	r = make_file(scratch, directory);
	if (r == 0)
		r = make_record(scratch);
	if (r < 0)
		scratch_close(scratch);
	else
		*ret_scratch = scratch;
	return r;
}
