// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Blocks are gathered into larger writes and hashed as they go out, encrypted
 * where that is so: the name of an index is the hash of all of it. Filter blocks
 * are made on the way and stand at the end: until then they wait in a scratch file,
 * so that memory is bounded.
 */
#include "catalog/index_writer.h"

#include "catalog/index.h"
#include "catalog/index_block.h"
#include "catalog/keys.h"
#include "catalog/index_filter.h"
#include "catalog/object.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NR_BLOCKS 64

struct tmc_index_writer {
	struct tmc_draft *draft; /* or NULL: to fd */
	int fd;
	uint64_t fd_bytes;
	struct tmc_hash *hash;
	uint64_t nr_entries, nr_added;
	uint32_t nr_packs;
	struct tmc_keys *keys;
	struct tmc_aead *aead; /* NULL where nothing is encrypted */
	struct tmc_object_header_disk header;
	uint64_t nr_blocks;     /* finished ones */
	unsigned int nr_pending; /* of those, still in blocks[] */
	int filter_fd;           /* finished filter blocks, or -1 */
	struct tmc_filter_builder filter;
	struct tmc_entry latest;
	uint8_t blocks[NR_BLOCKS][TMC_INDEX_BLOCK_BYTES];
};

static int scratch_failed(int error)
{
	return failure_set(error, "cannot use a scratch file of the repository: %s",
			   strerror(-error));
}

static int flush(struct tmc_index_writer *writer)
{
	size_t bytes = (size_t)writer->nr_pending * TMC_INDEX_BLOCK_BYTES;
	int ret = 0;

	writer->nr_pending = 0;
	if (!writer->draft) {
		ret = io_write_full(writer->fd, writer->blocks, bytes, writer->fd_bytes);
		writer->fd_bytes += bytes;
		return ret < 0 ? scratch_failed(ret) : 0;
	}
	ret = tmc_hash_update(writer->hash, writer->blocks, bytes);
	return ret ? ret : tmc_store_write(writer->draft, writer->blocks, bytes);
}

/* The block that is being filled; its checksum is put when it is finished. */
static void *open_block(struct tmc_index_writer *writer)
{
	return writer->blocks[writer->nr_pending];
}

static int push_block(struct tmc_index_writer *writer)
{
	int ret = 0;

	writer->nr_blocks++;
	if (++writer->nr_pending == NR_BLOCKS)
		ret = flush(writer);
	memset(open_block(writer), 0, TMC_INDEX_BLOCK_BYTES);
	return ret;
}

static int finish_block(struct tmc_index_writer *writer)
{
	int ret = tmc_index_block_seal(open_block(writer), writer->nr_blocks, &writer->header,
				       writer->aead);

	return ret ? ret : push_block(writer);
}

int tmc_index_writer_begin(struct tmc_store *store, struct tmc_keys *keys, int scratch_fd,
			   uint64_t nr_entries, uint32_t nr_packs, uint64_t incompat,
			   struct tmc_index_writer **ret_writer)
{
	struct tmc_index_writer *writer = calloc(1, sizeof(*writer));
	struct tmc_index_head_disk *head;
	int ret = 0;

	if (!writer)
		return failure_set(-ENOMEM, "out of memory");
	writer->fd = scratch_fd;
	writer->filter_fd = -1;
	tmc_filter_builder_init(&writer->filter, tmc_index_filter_blocks(nr_entries));
	writer->nr_entries = nr_entries;
	writer->nr_packs = nr_packs;
	writer->keys = keys;
	writer->hash = tmc_hash_create(keys);
	if (tmc_keys_is_encrypted(keys))
		writer->aead = tmc_keys_get_aead(keys, TMC_KEY_INDEX);
	if (!writer->hash || (tmc_keys_is_encrypted(keys) && !writer->aead))
		ret = failure_set(-ENOMEM, "out of memory");
	head = open_block(writer);
	if (!ret)
		ret = tmc_hash_start(writer->hash);
	if (!ret)
		ret = tmc_object_header_init(&head->header, TMC_OBJECT_INDEX, keys);
	if (!ret && incompat)
		tmc_object_header_mark(&head->header, incompat);
	if (!ret && scratch_fd < 0)
		ret = tmc_store_begin(store, &writer->draft);
	if (!ret && writer->filter.nr_filter_blocks)
		ret = tmc_store_scratch(store, &writer->filter_fd);
	if (!ret) {
		writer->header = head->header;
		head->nr_entries = put_le64(nr_entries);
		head->nr_packs = put_le32(nr_packs);
		head->nr_filter_blocks = put_le32(writer->filter.nr_filter_blocks);
		ret = finish_block(writer);
	}
	if (ret < 0) {
		tmc_index_writer_destroy(writer);
		return ret;
	}
	*ret_writer = writer;
	return 0;
}

/* Sealed for where it will stand, which is known before. */
static uint64_t filter_number(const struct tmc_index_writer *writer, uint32_t nth)
{
	return 1 + (writer->nr_entries + TMC_INDEX_BLOCK_ENTRIES - 1) / TMC_INDEX_BLOCK_ENTRIES +
	       (writer->nr_packs + (uint64_t)TMC_INDEX_BLOCK_PACKS - 1) / TMC_INDEX_BLOCK_PACKS + nth;
}

static int keep_filter_block(struct tmc_index_writer *writer)
{
	struct tmc_filter_builder *filter = &writer->filter;
	int ret = tmc_index_block_seal(&filter->filter, filter_number(writer, filter->block),
				       &writer->header, writer->aead);

	if (ret < 0)
		return ret;
	ret = io_write_full(writer->filter_fd, &filter->filter, sizeof(filter->filter),
			    (uint64_t)filter->block * TMC_INDEX_BLOCK_BYTES);
	tmc_filter_builder_done(filter);
	return ret < 0 ? scratch_failed(ret) : 0;
}

/* A scratch file is as little to be trusted as any: what it changes would hide entries. */
static int take_filter_block(struct tmc_index_writer *writer, uint32_t nth)
{
	struct tmc_index_filter_disk check;
	int ret = io_read_full(writer->filter_fd, open_block(writer), TMC_INDEX_BLOCK_BYTES,
			       (uint64_t)nth * TMC_INDEX_BLOCK_BYTES);

	if (ret < 0)
		return scratch_failed(ret);
	memcpy(&check, open_block(writer), sizeof(check));
	ret = tmc_index_block_open(&check, writer->nr_blocks, &writer->header, writer->aead);
	if (ret < 0)
		return failure_set(ret, "a scratch file of the repository is not what was written "
				   "to it: check its disk and this machine's memory");
	return push_block(writer);
}

static int add_to_filter(struct tmc_index_writer *writer, const struct tmc_id *id)
{
	int ret = 0;

	while (!ret && tmc_filter_builder_is_full(&writer->filter, id))
		ret = keep_filter_block(writer);
	if (!ret)
		tmc_filter_builder_add(&writer->filter, id);
	return ret;
}

static int add_filter_blocks(struct tmc_index_writer *writer)
{
	int ret = 0;

	while (!ret && writer->filter.block < writer->filter.nr_filter_blocks)
		ret = keep_filter_block(writer);
	for (uint32_t i = 0; !ret && i < writer->filter.nr_filter_blocks; i++)
		ret = take_filter_block(writer, i);
	return ret;
}

int tmc_index_writer_add(struct tmc_index_writer *writer, const struct tmc_entry *entry)
{
	struct tmc_index_entries_disk *block = open_block(writer);
	uint64_t nth = writer->nr_added++ % TMC_INDEX_BLOCK_ENTRIES;
	int ret = 0;

	if (writer->nr_added > 1 && tmc_entry_compare(&writer->latest, entry) >= 0)
		return failure_set(-EIO, "an index got its entries out of order");
	writer->latest = *entry;
	block->entries[nth] = (struct tmc_index_entry_disk){
		.id = entry->blob.id,
		.type = entry->blob.type,
		.codec = entry->blob.codec,
		.pack = put_le32(entry->pack),
		.offset = put_le32(entry->offset),
		.stored_bytes = put_le32(entry->blob.stored_bytes),
		.raw_bytes = put_le32(entry->blob.raw_bytes),
	};
	if (writer->filter.nr_filter_blocks)
		ret = add_to_filter(writer, &entry->blob.id);
	if (!ret && (nth == TMC_INDEX_BLOCK_ENTRIES - 1 || writer->nr_added == writer->nr_entries))
		ret = finish_block(writer);
	return ret;
}

static int add_packs(struct tmc_index_writer *writer, const struct tmc_id *packs)
{
	static const struct tmc_id none;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < writer->nr_packs; i++) {
		struct tmc_index_packs_disk *block = open_block(writer);
		uint32_t nth = i % TMC_INDEX_BLOCK_PACKS;

		block->packs[nth] = packs ? packs[i] : none;
		if (nth == TMC_INDEX_BLOCK_PACKS - 1 || i + 1 == writer->nr_packs)
			ret = finish_block(writer);
	}
	return ret;
}

int tmc_index_writer_finish(struct tmc_index_writer *writer, const struct tmc_id *packs)
{
	struct tmc_draft *draft = writer->draft;
	struct tmc_id name;
	int ret;

	if (writer->nr_added != writer->nr_entries)
		return failure_set(-EIO, "an index got another number of entries than announced");
	ret = add_packs(writer, packs);
	if (!ret)
		ret = add_filter_blocks(writer);
	if (!ret)
		ret = flush(writer);
	if (ret < 0 || !draft)
		return ret;
	ret = tmc_hash_finish(writer->hash, &name);
	if (ret < 0)
		return ret;
	writer->draft = NULL;
	return tmc_store_seal(draft, TMC_STORE_INDEX, &name);
}

void tmc_index_writer_destroy(struct tmc_index_writer *writer)
{
	if (!writer)
		return;
	tmc_store_discard(writer->draft);
	if (writer->filter_fd >= 0)
		close(writer->filter_fd);
	tmc_hash_destroy(writer->hash);
	tmc_keys_put_aead(writer->keys, TMC_KEY_INDEX, writer->aead);
	free(writer);
}

void tmc_index_writer_cleanup(struct tmc_index_writer **writer)
{
	tmc_index_writer_destroy(*writer);
}
