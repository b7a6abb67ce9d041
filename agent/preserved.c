// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two first-in-first-out stores: slots in memory, slots in a file. The consumer
 * empties memory first, so that the producer finds room there again. The file
 * is written and read outside the lock: the producer alone moves its end, the
 * consumer alone its start, and each moves after the I/O is done. A producer
 * that finds the file read to its end begins again at zero (nobody reads then),
 * so that the file does not grow for ever.
 *
 * The file's content is checked by CRC: it becomes part of a restore point, and
 * came over a disk without one.
 */
#include "agent/preserved.h"
#include "common/cleanup.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

struct entry {
	uint64_t chunk;
	uint32_t bytes;
	uint32_t crc; /* of a spilled entry's payload */
	uint32_t kind;
	uint32_t zero;
};

struct preserved {
	pthread_mutex_t lock; /* all below but the constants */
	pthread_cond_t changed;
	char *spill_dir;      /* constant, as are the next four */
	uint32_t chunk_bytes;
	size_t nr_slots;
	struct entry *entries;
	uint8_t *payloads;
	size_t first_slot;
	size_t used_slots;
	int spill_fd; /* constant too */
	uint64_t spill_start;
	uint64_t spill_end;
	uint64_t spilled_bytes;
	bool closed;
	bool cancelled;
};

static void cleanup_preserved(struct preserved **preserved)
{
	preserved_destroy(*preserved);
}

void preserved_destroy(struct preserved *preserved)
{
	if (!preserved)
		return;
	if (preserved->payloads && preserved->payloads != MAP_FAILED)
		munmap(preserved->payloads,
		       (preserved->nr_slots + 1) * (size_t)preserved->chunk_bytes);
	if (preserved->spill_fd >= 0)
		close(preserved->spill_fd);
	free(preserved->entries);
	free(preserved->spill_dir);
	free(preserved);
}

static int open_spill(const char *dir)
{
	CLEANUP_FREE char *path = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd < 0 ? -errno : fd;
	/* Network file systems and the like: the same in two steps. */
	if (asprintf(&path, "%s/.tidemark-spill-XXXXXX", dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static uint64_t spill_slot_bytes(const struct preserved *preserved)
{
	return sizeof(struct entry) + preserved->chunk_bytes;
}

static int spill_failure(const struct preserved *preserved, const char *what, int error)
{
	return failure_set(error, "%s: cannot %s the spill file for chunks that were overwritten "
			   "during the backup: %s", preserved->spill_dir, what, strerror(-error));
}

int preserved_create(const char *spill_dir, uint32_t chunk_bytes, size_t memory_bytes,
		     struct preserved **ret_preserved)
{
	CLEANUP(cleanup_preserved) struct preserved *preserved = calloc(1, sizeof(*preserved));

	if (!preserved)
		return failure_set(-ENOMEM, "preserved chunks: out of memory");
	*preserved = (struct preserved){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.spill_dir = strdup(spill_dir),
		.chunk_bytes = chunk_bytes,
		.nr_slots = memory_bytes / chunk_bytes,
		.entries = calloc(memory_bytes / chunk_bytes + 1, sizeof(struct entry)),
		.payloads = mmap(NULL, memory_bytes + chunk_bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
		.spill_fd = -1,
	};
	if (!preserved->spill_dir || !preserved->entries || preserved->payloads == MAP_FAILED)
		return failure_set(-ENOMEM, "preserved chunks: out of memory");
	preserved->spill_fd = open_spill(spill_dir);
	if (preserved->spill_fd < 0)
		return spill_failure(preserved, "make", preserved->spill_fd);
	*ret_preserved = preserved;
	preserved = NULL;
	return 0;
}

/* Where the next one goes: at the start again once everything has been read. */
static uint64_t spill_position(struct preserved *preserved)
{
	LOCK_SCOPE(&preserved->lock);
	if (preserved->spill_start == preserved->spill_end)
		preserved->spill_start = preserved->spill_end = 0;
	return preserved->spill_end;
}

static int spill(struct preserved *preserved, struct entry *entry, const void *payload)
{
	uint64_t end;
	int r;

	end = spill_position(preserved);
	entry->crc = crc32c(0, payload, entry->bytes);
	r = io_write_full(preserved->spill_fd, entry, sizeof(*entry), end);
	if (r == 0)
		r = io_write_full(preserved->spill_fd, payload, entry->bytes, end + sizeof(*entry));
	if (r < 0)
		return spill_failure(preserved, "write", r);
	LOCK_SCOPE(&preserved->lock);
	preserved->spill_end = end + spill_slot_bytes(preserved);
	preserved->spilled_bytes += entry->bytes;
	pthread_cond_signal(&preserved->changed);
	return 0;
}

/* False: no slot is free. The slot behind the used ones is the producer's alone. */
static bool push_to_memory(struct preserved *preserved, const struct entry *entry,
			   const void *payload)
{
	size_t slot;

	pthread_mutex_lock(&preserved->lock);
	slot = preserved->used_slots < preserved->nr_slots ?
		       (preserved->first_slot + preserved->used_slots) % preserved->nr_slots :
		       SIZE_MAX;
	pthread_mutex_unlock(&preserved->lock);
	if (slot == SIZE_MAX)
		return false;
	preserved->entries[slot] = *entry;
	if (entry->bytes)
		memcpy(preserved->payloads + slot * preserved->chunk_bytes, payload, entry->bytes);
	LOCK_SCOPE(&preserved->lock);
	preserved->used_slots++;
	pthread_cond_signal(&preserved->changed);
	return true;
}

int preserved_push(struct preserved *preserved, enum preserved_kind kind, uint64_t chunk,
		   const void *payload, uint32_t bytes)
{
	struct entry entry = {.chunk = chunk, .bytes = bytes, .kind = kind};

	if (bytes > preserved->chunk_bytes)
		return failure_set(-EPROTO,
				   "preserved chunks: a payload of %u bytes in chunks of %u", bytes,
				   preserved->chunk_bytes);
	if (push_to_memory(preserved, &entry, payload))
		return 0;
	return spill(preserved, &entry, payload);
}

void preserved_close(struct preserved *preserved)
{
	LOCK_SCOPE(&preserved->lock);
	preserved->closed = true;
	pthread_cond_broadcast(&preserved->changed);
}

void preserved_cancel(struct preserved *preserved)
{
	LOCK_SCOPE(&preserved->lock);
	preserved->cancelled = true;
	pthread_cond_broadcast(&preserved->changed);
}

static bool is_empty_locked(const struct preserved *preserved)
{
	return !preserved->used_slots && preserved->spill_start == preserved->spill_end;
}

int preserved_wait(struct preserved *preserved)
{
	LOCK_SCOPE(&preserved->lock);
	while (is_empty_locked(preserved) && !preserved->closed && !preserved->cancelled)
		pthread_cond_wait(&preserved->changed, &preserved->lock);
	return !preserved->cancelled && !is_empty_locked(preserved);
}

/* What lies in front, without taking it; spilled: it is in the file. */
struct front {
	struct entry entry;
	size_t slot;
	uint64_t offset;
	bool spilled;
};

/* 1: there is one, 0: none. */
static int look_at_front(struct preserved *preserved, struct front *ret_front)
{
	int r;

	{
		LOCK_SCOPE(&preserved->lock);
		if (is_empty_locked(preserved))
			return 0;
		*ret_front = (struct front){
			.slot = preserved->first_slot,
			.offset = preserved->spill_start,
			.spilled = !preserved->used_slots,
		};
		if (!ret_front->spilled)
			ret_front->entry = preserved->entries[ret_front->slot];
	}
	if (!ret_front->spilled)
		return 1;
	r = io_read_full(preserved->spill_fd, &ret_front->entry, sizeof(ret_front->entry),
			 ret_front->offset);
	if (r < 0)
		return spill_failure(preserved, "read", r);
	if (ret_front->entry.bytes > preserved->chunk_bytes)
		return spill_failure(preserved, "read", -EBADMSG);
	return 1;
}

static int take_front(struct preserved *preserved, const struct front *front, void *to)
{
	if (front->spilled) {
		int r = io_read_full(preserved->spill_fd, to, front->entry.bytes,
				     front->offset + sizeof(front->entry));

		if (r == 0 && crc32c(0, to, front->entry.bytes) != front->entry.crc)
			r = -EBADMSG;
		if (r < 0)
			return spill_failure(preserved, "read", r);
	} else if (front->entry.bytes) {
		memcpy(to, preserved->payloads + front->slot * preserved->chunk_bytes,
		       front->entry.bytes);
	}
	return 0;
}

static void drop_front(struct preserved *preserved, const struct front *front)
{
	LOCK_SCOPE(&preserved->lock);
	if (!front->spilled) {
		preserved->first_slot = (preserved->first_slot + 1) % preserved->nr_slots;
		preserved->used_slots--;
		return;
	}
	preserved->spill_start += spill_slot_bytes(preserved);
}

static bool follows(const struct preserved *preserved, const struct preserved_batch *batch,
		    const struct entry *entry, size_t used_bytes, size_t buffer_bytes)
{
	return entry->kind == batch->kind &&
	       entry->chunk == batch->first_chunk + batch->nr_chunks &&
	       used_bytes % preserved->chunk_bytes == 0 &&
	       used_bytes + entry->bytes <= buffer_bytes;
}

int preserved_take(struct preserved *preserved, void *buffer, size_t buffer_bytes,
		   struct preserved_batch *ret_batch)
{
	struct preserved_batch batch = {0};
	size_t used_bytes = 0;
	struct front front;
	int r;

	while ((r = look_at_front(preserved, &front)) > 0) {
		if (!batch.nr_chunks) {
			batch.kind = front.entry.kind == PRESERVED_CONTENT ? PRESERVED_CONTENT :
									     PRESERVED_UNREADABLE;
			batch.first_chunk = front.entry.chunk;
		}
		if (!follows(preserved, &batch, &front.entry, used_bytes, buffer_bytes))
			break;
		r = take_front(preserved, &front, (uint8_t *)buffer + used_bytes);
		if (r < 0)
			return r;
		drop_front(preserved, &front);
		used_bytes += front.entry.bytes;
		batch.nr_chunks++;
	}
	if (r < 0)
		return r;
	*ret_batch = batch;
	return 0;
}

uint64_t preserved_spilled_bytes(struct preserved *preserved)
{
	LOCK_SCOPE(&preserved->lock);
	return preserved->spilled_bytes;
}
