// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * External sort: a buffer of bounded size, sorted and written as a run to a
 * scratch file when it is full; at the end all runs are merged while they are
 * read. The scratch file is of this process and this machine: plain structs, but
 * it may lie on a store that is not to be trusted with the order of a volume's
 * chunks. So it is sealed, block by block, with a key that ends with the log.
 */
#include "catalog/change_log.h"

#include "catalog/aead.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define BUFFER_FIRST 1024u
#define READ_AHEAD   64u    /* changes of each run in memory while merging: a block */
#define WRITE_BLOCKS 32u

struct block { /* of the scratch file */
	struct tmc_change changes[READ_AHEAD];
	uint8_t tag[TMC_TAG_BYTES];
};

struct run {
	uint64_t block; /* the next in the scratch file */
	uint32_t left;  /* changes of the run from there on */
	uint32_t nr, next; /* of ahead[] */
	struct tmc_change ahead[READ_AHEAD];
};

struct tmc_change_log {
	struct tmc_store *store;
	uint32_t nr_buffer; /* so many changes make a run */
	pthread_mutex_t lock; /* buffer, scratch file; reading is for one thread */
	struct tmc_change *buffer;
	uint32_t nr, capacity;
	int fd;
	struct tmc_aead *aead;
	uint64_t nr_written;

	struct run *runs; /* one for each nr_buffer changes written */
	uint32_t *heap;   /* of runs, the one with the least change on top */
	uint32_t nr_heap;
	uint32_t next;    /* in buffer, which is read in place where nothing was written */
};

struct tmc_change_log *tmc_change_log_create(struct tmc_store *store, uint32_t nr_buffer)
{
	struct tmc_change_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->store = store;
	log->fd = -1;
	log->nr_buffer = nr_buffer;
	pthread_mutex_init(&log->lock, NULL);
	return log;
}

void tmc_change_log_destroy(struct tmc_change_log *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		close(log->fd);
	tmc_aead_destroy(log->aead);
	pthread_mutex_destroy(&log->lock);
	free(log->buffer);
	free(log->runs);
	free(log->heap);
	free(log);
}

static int compare_changes(const void *a, const void *b)
{
	const struct tmc_change *change_a = a, *change_b = b;

	return change_a->first < change_b->first ? -1 : change_a->first > change_b->first;
}

static int scratch_failed(int error)
{
	return failure_set(error, "cannot use a scratch file of the repository: %s",
			   strerror(-error));
}

static int open_scratch_locked(struct tmc_change_log *log)
{
	uint8_t key[TMC_KEY_BYTES];

	if (log->fd >= 0)
		return 0;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return failure_set(-EIO, "the kernel gives no random numbers");
	if (!log->aead)
		log->aead = tmc_aead_create(key);
	if (!log->aead)
		return failure_set(-ENOMEM, "out of memory");
	return tmc_store_scratch(log->store, &log->fd);
}

static uint64_t blocks_of(uint64_t nr_changes)
{
	return (nr_changes + READ_AHEAD - 1) / READ_AHEAD;
}

/* A block is written once, so its number never is another block's nonce. */
static void make_nonce(uint64_t block, uint8_t ret_nonce[TMC_NONCE_BYTES])
{
	memset(ret_nonce, 0, TMC_NONCE_BYTES);
	memcpy(ret_nonce + TMC_NONCE_BYTES - sizeof(block), &block, sizeof(block));
}

static int seal_block(struct tmc_change_log *log, const struct tmc_change *changes, uint32_t nr,
		      uint64_t number, struct block *ret_block)
{
	uint8_t nonce[TMC_NONCE_BYTES];

	make_nonce(number, nonce);
	memset(ret_block, 0, sizeof(*ret_block));
	memcpy(ret_block->changes, changes, nr * sizeof(*changes));
	return tmc_aead_seal(log->aead, nonce, NULL, 0, ret_block->changes,
			     sizeof(ret_block->changes), ret_block->changes);
}

static int spill_locked(struct tmc_change_log *log)
{
	CLEANUP_FREE struct block *blocks = malloc(WRITE_BLOCKS * sizeof(*blocks));
	uint64_t number = log->nr_written / log->nr_buffer * blocks_of(log->nr_buffer);
	int ret = blocks ? open_scratch_locked(log) : failure_set(-ENOMEM, "out of memory");

	if (ret < 0)
		return ret;
	qsort(log->buffer, log->nr, sizeof(*log->buffer), compare_changes);
	for (uint32_t done = 0; done < log->nr;) {
		uint32_t nr_blocks = 0;

		for (; nr_blocks < WRITE_BLOCKS && done < log->nr && !ret; nr_blocks++) {
			uint32_t left = log->nr - done;
			uint32_t nr = left < READ_AHEAD ? left : READ_AHEAD;

			ret = seal_block(log, log->buffer + done, nr, number + nr_blocks,
					 &blocks[nr_blocks]);
			done += nr;
		}
		if (ret < 0)
			return ret;
		ret = io_write_full(log->fd, blocks, nr_blocks * sizeof(*blocks),
				    number * sizeof(*blocks));
		if (ret < 0)
			return scratch_failed(ret);
		number += nr_blocks;
	}
	log->nr_written += log->nr;
	log->nr = 0;
	return 0;
}

static int make_room_locked(struct tmc_change_log *log)
{
	uint32_t capacity = log->capacity ? 2 * log->capacity : BUFFER_FIRST;
	void *buffer;

	if (capacity > log->nr_buffer)
		capacity = log->nr_buffer;
	if (log->nr < log->capacity)
		return 0;
	if (log->capacity == log->nr_buffer)
		return spill_locked(log);
	buffer = realloc(log->buffer, capacity * sizeof(*log->buffer));
	if (!buffer)
		return failure_set(-ENOMEM, "out of memory");
	log->buffer = buffer;
	log->capacity = capacity;
	return 0;
}

int tmc_change_log_add(struct tmc_change_log *log, const struct tmc_change *changes, size_t nr)
{
	LOCK_SCOPE(&log->lock);
	for (size_t i = 0; i < nr; i++) {
		int ret = make_room_locked(log);

		if (ret < 0)
			return ret;
		log->buffer[log->nr++] = changes[i];
	}
	return 0;
}

/* ----------------------------------------------------------------------- merge */

static int fill_run(struct tmc_change_log *log, struct run *run)
{
	uint8_t nonce[TMC_NONCE_BYTES];
	struct block block;
	int ret;

	run->next = 0;
	run->nr = run->left < READ_AHEAD ? run->left : READ_AHEAD;
	ret = io_read_full(log->fd, &block, sizeof(block), run->block * sizeof(block));
	if (ret < 0)
		return scratch_failed(ret);
	make_nonce(run->block, nonce);
	ret = tmc_aead_open(log->aead, nonce, NULL, 0, block.changes, sizeof(block.changes),
			    run->ahead);
	if (ret == -EBADMSG)
		return failure_set(-EIO, "a scratch file of the repository is not what was written: "
				   "look for errors of its disk in the kernel's log");
	run->block++;
	run->left -= run->nr;
	return ret;
}

static uint64_t run_key(const struct tmc_change_log *log, uint32_t nth)
{
	const struct run *run = &log->runs[log->heap[nth]];

	return run->ahead[run->next].first;
}

static void sift_down(struct tmc_change_log *log, uint32_t nth)
{
	for (;;) {
		uint32_t child = 2 * nth + 1, run;

		if (child >= log->nr_heap)
			return;
		if (child + 1 < log->nr_heap && run_key(log, child + 1) < run_key(log, child))
			child++;
		if (run_key(log, nth) <= run_key(log, child))
			return;
		run = log->heap[nth];
		log->heap[nth] = log->heap[child];
		log->heap[child] = run;
		nth = child;
	}
}

int tmc_change_log_rewind(struct tmc_change_log *log)
{
	uint64_t nr_runs;
	int ret = 0;

	log->next = 0;
	if (!log->nr_written) {
		if (log->nr)
			qsort(log->buffer, log->nr, sizeof(*log->buffer), compare_changes);
		return 0;
	}
	if (log->nr)
		ret = spill_locked(log);
	free(log->buffer);
	log->buffer = NULL;
	log->capacity = 0;
	nr_runs = (log->nr_written + log->nr_buffer - 1) / log->nr_buffer;
	log->runs = calloc(nr_runs, sizeof(*log->runs));
	log->heap = calloc(nr_runs, sizeof(*log->heap));
	if (!log->runs || !log->heap)
		return failure_set(-ENOMEM, "out of memory");
	for (uint32_t i = 0; i < nr_runs && !ret; i++) {
		uint64_t left = log->nr_written - (uint64_t)i * log->nr_buffer;

		log->runs[i].block = i * blocks_of(log->nr_buffer);
		log->runs[i].left = left < log->nr_buffer ? (uint32_t)left : log->nr_buffer;
		log->heap[i] = i;
		ret = fill_run(log, &log->runs[i]);
	}
	log->nr_heap = (uint32_t)nr_runs;
	for (uint32_t i = log->nr_heap / 2; i--;)
		sift_down(log, i);
	return ret;
}

int tmc_change_log_next(struct tmc_change_log *log, struct tmc_change *ret_change)
{
	struct run *run;
	int ret = 0;

	if (!log->nr_written) {
		if (log->next == log->nr)
			return 0;
		*ret_change = log->buffer[log->next++];
		return 1;
	}
	if (!log->nr_heap)
		return 0;
	run = &log->runs[log->heap[0]];
	*ret_change = run->ahead[run->next++];
	if (run->next == run->nr) {
		if (!run->left)
			log->heap[0] = log->heap[--log->nr_heap];
		else
			ret = fill_run(log, run);
	}
	sift_down(log, 0);
	return ret < 0 ? ret : 1;
}
