// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Appenders copy into a buffer under a lock; a thread writes full buffers and
 * syncs and names finished packs, so that nobody who hashes waits for a disk
 * unless all buffers are full. All writes but the last of a pack are one mebibyte
 * at a multiple of it, and go past the page cache: copying into it would cost a
 * third of a backup's CPU time.
 */
#include "catalog/pack_writer.h"

#include "catalog/object.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"
#include "common/queue.h"

#include <errno.h>
#include <stdlib.h>

#define BUFFER_BYTES (1u << 20)
#define NR_BUFFERS   6

struct buffer {
	size_t bytes;
	struct tmc_draft *draft;
	bool seal;          /* this is the draft's last */
	struct tmc_id name; /* if seal */
	uint8_t data[] __attribute__((aligned(4096)));
};

struct tmc_pack_writer {
	struct tmc_store *store;
	struct tmc_keys *keys;
	pthread_t thread;
	bool thread_runs;
	struct queue *full, *empty; /* of struct buffer; to the thread and back */
	struct first_failure failure;
	_Atomic uint64_t total_bytes;
	uint64_t first_bytes[4]; /* the thread's, until it has ended */
	struct buffer *buffers[NR_BUFFERS];

	pthread_mutex_t lock;  /* all below */
	struct tmc_hash *hash; /* of header and footer */
	struct tmc_draft *draft; /* the pack that is being filled, or NULL */
	struct buffer *buffer;   /* its tail, or NULL */
	uint64_t pack_bytes;
	uint64_t incompat; /* of the packs from here on: what their blobs need, or may need */
	struct tmc_object_header_disk header;
	struct tmc_footer_entry_disk *footer;
	size_t nr_footer, footer_capacity;
	struct tmc_id *packs;
	uint32_t nr_packs, packs_capacity;
};

/* The draft ends here with the buffer that seals it, or with an error. */
static int write_buffer(struct tmc_pack_writer *writer, struct buffer *buffer)
{
	int ret = tmc_store_write(buffer->draft, buffer->data, buffer->bytes);

	if (!buffer->seal)
		return ret;
	if (ret < 0) {
		tmc_store_discard(buffer->draft);
		return ret;
	}
	writer->first_bytes[buffer->name.bytes[0] / 64] |= 1ull << buffer->name.bytes[0] % 64;
	return tmc_store_seal(buffer->draft, TMC_STORE_PACK, &buffer->name);
}

/* After a failure buffers are only handed back, and each draft is dropped with its last. */
static void *writer_thread(void *arg)
{
	struct tmc_pack_writer *writer = arg;
	struct buffer *buffer;
	int ret;

	while ((buffer = queue_pop(writer->full))) {
		if (!first_failure_get(&writer->failure)) {
			ret = write_buffer(writer, buffer);
			if (ret < 0)
				first_failure_note(&writer->failure, ret);
		} else if (buffer->seal) {
			tmc_store_discard(buffer->draft);
		}
		queue_push(writer->empty, buffer);
	}
	return NULL;
}

int tmc_pack_writer_create(struct tmc_store *store, struct tmc_keys *keys,
			   struct tmc_pack_writer **ret_writer)
{
	struct tmc_pack_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return failure_set(-ENOMEM, "out of memory");
	writer->store = store;
	writer->keys = keys;
	first_failure_init(&writer->failure);
	pthread_mutex_init(&writer->lock, NULL);
	writer->full = queue_create(NR_BUFFERS);
	writer->empty = queue_create(NR_BUFFERS);
	writer->hash = tmc_hash_create(keys);
	if (!writer->full || !writer->empty || !writer->hash) {
		tmc_pack_writer_destroy(writer);
		return failure_set(-ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < NR_BUFFERS; i++) {
		writer->buffers[i] = aligned_alloc(4096, sizeof(struct buffer) + BUFFER_BYTES);
		if (!writer->buffers[i]) {
			tmc_pack_writer_destroy(writer);
			return failure_set(-ENOMEM, "out of memory");
		}
		queue_push(writer->empty, writer->buffers[i]);
	}
	if (pthread_create(&writer->thread, NULL, writer_thread, writer)) {
		tmc_pack_writer_destroy(writer);
		return failure_set(-EAGAIN, "cannot start a thread");
	}
	writer->thread_runs = true;
	*ret_writer = writer;
	return 0;
}

static void push_buffer_locked(struct tmc_pack_writer *writer, bool seal, const struct tmc_id *name)
{
	struct buffer *buffer = writer->buffer;

	buffer->draft = writer->draft;
	buffer->seal = seal;
	if (seal) {
		buffer->name = *name;
		writer->draft = NULL;
	}
	writer->buffer = NULL;
	queue_push(writer->full, buffer);
}

static void add_locked(struct tmc_pack_writer *writer, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	writer->pack_bytes += bytes;
	writer->total_bytes += bytes;
	while (bytes) {
		size_t room, part;

		if (!writer->buffer) {
			writer->buffer = queue_pop(writer->empty);
			writer->buffer->bytes = 0;
		}
		room = BUFFER_BYTES - writer->buffer->bytes;
		part = bytes < room ? bytes : room;
		memcpy(writer->buffer->data + writer->buffer->bytes, p, part);
		writer->buffer->bytes += part;
		p += part;
		bytes -= part;
		/* The last buffer of a pack must stay here to carry the seal. */
		if (writer->buffer->bytes == BUFFER_BYTES && bytes)
			push_buffer_locked(writer, false, NULL);
	}
}

static int begin_pack_locked(struct tmc_pack_writer *writer)
{
	int ret = tmc_object_header_init(&writer->header, TMC_OBJECT_PACK, writer->keys);

	if (!ret && writer->incompat)
		tmc_object_header_mark(&writer->header, writer->incompat);
	if (!ret)
		ret = tmc_store_begin(writer->store, &writer->draft);
	if (ret < 0)
		return ret;
	tmc_store_set_direct(writer->draft);
	writer->pack_bytes = 0;
	writer->nr_footer = 0;
	add_locked(writer, &writer->header, sizeof(writer->header));
	return 0;
}

static int seal_pack_locked(struct tmc_pack_writer *writer)
{
	size_t footer_bytes = writer->nr_footer * sizeof(*writer->footer);
	struct tmc_trailer_disk trailer = {
		.nr_blobs = put_le32((uint32_t)writer->nr_footer),
		.footer_offset = put_le64(writer->pack_bytes),
	};
	int ret;

	ret = tmc_hash_start(writer->hash);
	if (!ret)
		ret = tmc_hash_update(writer->hash, &writer->header, sizeof(writer->header));
	if (!ret)
		ret = tmc_hash_update(writer->hash, writer->footer, footer_bytes);
	if (!ret)
		ret = tmc_hash_finish(writer->hash, &trailer.name);
	if (ret < 0)
		return ret;
	memcpy(trailer.magic, TMC_TRAILER_MAGIC, sizeof(trailer.magic));
	trailer.crc = put_le32(crc32c(0, &trailer, offsetof(struct tmc_trailer_disk, crc)));
	if (writer->nr_packs == writer->packs_capacity) {
		uint32_t capacity = writer->packs_capacity ? 2 * writer->packs_capacity : 16;
		void *packs = realloc(writer->packs, capacity * sizeof(*writer->packs));

		if (!packs)
			return failure_set(-ENOMEM, "out of memory");
		writer->packs = packs;
		writer->packs_capacity = capacity;
	}
	writer->packs[writer->nr_packs++] = trailer.name;
	add_locked(writer, writer->footer, footer_bytes);
	add_locked(writer, &trailer, sizeof(trailer));
	push_buffer_locked(writer, true, &trailer.name);
	return 0;
}

static int reserve_footer_locked(struct tmc_pack_writer *writer, size_t nr)
{
	size_t capacity = writer->footer_capacity ? writer->footer_capacity : 512;
	void *footer;

	while (capacity < writer->nr_footer + nr)
		capacity *= 2;
	if (capacity == writer->footer_capacity)
		return 0;
	footer = realloc(writer->footer, capacity * sizeof(*writer->footer));
	if (!footer)
		return failure_set(-ENOMEM, "out of memory");
	writer->footer = footer;
	writer->footer_capacity = capacity;
	return 0;
}

static int append_locked(struct tmc_pack_writer *writer, const void *data, size_t bytes,
			 struct tmc_entry *entries, size_t nr_entries)
{
	uint64_t incompat = writer->incompat;
	uint64_t offset;
	int ret = 0;

	for (size_t i = 0; i < nr_entries; i++)
		incompat |= tmc_blob_incompat(&entries[i].blob);
	/* The header of a pack is written before its blobs are known. */
	if (writer->draft && incompat != writer->incompat)
		ret = seal_pack_locked(writer);
	writer->incompat = incompat;
	if (!ret && !writer->draft)
		ret = begin_pack_locked(writer);
	if (!ret)
		ret = reserve_footer_locked(writer, nr_entries);
	if (ret < 0)
		return ret;
	offset = writer->pack_bytes;
	for (size_t i = 0; i < nr_entries; i++) {
		entries[i].pack = writer->nr_packs;
		entries[i].offset = (uint32_t)offset;
		writer->footer[writer->nr_footer++] = (struct tmc_footer_entry_disk){
			.offset = put_le32((uint32_t)offset),
			.info = tmc_blob_info_put(&entries[i].blob),
			.id = entries[i].blob.id,
		};
		offset += tmc_blob_disk_bytes(&entries[i].blob);
	}
	add_locked(writer, data, bytes);
	return writer->pack_bytes >= TMC_PACK_TARGET_BYTES ? seal_pack_locked(writer) : 0;
}

int tmc_pack_writer_append(struct tmc_pack_writer *writer, const void *data, size_t bytes,
			   struct tmc_entry *entries, size_t nr_entries)
{
	int ret;

	LOCK_SCOPE(&writer->lock);
	ret = first_failure_get(&writer->failure);
	if (!ret) {
		ret = append_locked(writer, data, bytes, entries, nr_entries);
		if (ret < 0)
			first_failure_note(&writer->failure, ret);
	}
	return ret;
}

uint64_t tmc_pack_writer_bytes(const struct tmc_pack_writer *writer)
{
	return writer->total_bytes;
}

/* Also gives up the pack that was not sealed. Waits for the writer thread. */
static void stop_thread(struct tmc_pack_writer *writer)
{
	if (!writer->thread_runs)
		return;
	queue_close(writer->full);
	pthread_join(writer->thread, NULL);
	writer->thread_runs = false;
	tmc_store_discard(writer->draft);
	writer->draft = NULL;
}

int tmc_pack_writer_finish(struct tmc_pack_writer *writer)
{
	int ret;

	{
		LOCK_SCOPE(&writer->lock);
		ret = first_failure_get(&writer->failure);
		if (!ret && writer->draft)
			ret = seal_pack_locked(writer);
	}
	stop_thread(writer);
	if (!ret)
		ret = first_failure_get(&writer->failure);
	if (!ret && writer->nr_packs)
		ret = tmc_store_sync_packs(writer->store, writer->first_bytes);
	return ret;
}

const struct tmc_id *tmc_pack_writer_packs(const struct tmc_pack_writer *writer, uint32_t *ret_nr)
{
	*ret_nr = writer->nr_packs;
	return writer->packs;
}

void tmc_pack_writer_destroy(struct tmc_pack_writer *writer)
{
	if (!writer)
		return;
	stop_thread(writer);
	for (size_t i = 0; i < NR_BUFFERS; i++)
		free(writer->buffers[i]);
	queue_destroy(writer->full);
	queue_destroy(writer->empty);
	tmc_hash_destroy(writer->hash);
	free(writer->footer);
	free(writer->packs);
	free(writer);
}
