// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Blocks are gathered into larger writes and hashed as they go out: the name of
 * an index is the hash of all of it.
 */
#include "catalog/index_writer.h"

#include "catalog/index_block.h"
#include "catalog/object.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <stdlib.h>

#define NR_BLOCKS 64

struct tmc_index_writer {
	struct tmc_draft *draft; /* or NULL: to fd */
	int fd;
	uint64_t fd_bytes;
	struct tmc_hash *hash;
	uint64_t nr_entries, nr_added;
	uint32_t nr_packs;
	uint8_t unique[TMC_UNIQUE_BYTES];
	uint64_t nr_blocks;     /* finished ones */
	unsigned int nr_pending; /* of those, still in blocks[] */
	uint8_t blocks[NR_BLOCKS][TMC_INDEX_BLOCK_BYTES];
};

static int flush(struct tmc_index_writer *writer)
{
	size_t bytes = (size_t)writer->nr_pending * TMC_INDEX_BLOCK_BYTES;
	int ret = 0;

	writer->nr_pending = 0;
	if (!writer->draft) {
		ret = io_write_full(writer->fd, writer->blocks, bytes, writer->fd_bytes);
		writer->fd_bytes += bytes;
		return ret < 0 ? failure_set(ret, "cannot write a scratch file of the repository: "
					     "%s", strerror(-ret)) : 0;
	}
	ret = tmc_hash_update(writer->hash, writer->blocks, bytes);
	return ret ? ret : tmc_store_write(writer->draft, writer->blocks, bytes);
}

/* The block that is being filled; its checksum is put when it is finished. */
static void *open_block(struct tmc_index_writer *writer)
{
	return writer->blocks[writer->nr_pending];
}

static int finish_block(struct tmc_index_writer *writer)
{
	uint8_t *block = open_block(writer);
	le32_t crc = put_le32(tmc_index_block_crc(block, writer->nr_blocks, writer->unique));
	int ret = 0;

	memcpy(block + TMC_INDEX_BLOCK_BYTES - sizeof(crc), &crc, sizeof(crc));
	writer->nr_blocks++;
	if (++writer->nr_pending == NR_BLOCKS)
		ret = flush(writer);
	memset(open_block(writer), 0, TMC_INDEX_BLOCK_BYTES);
	return ret;
}

int tmc_index_writer_begin(struct tmc_store *store, const struct tmc_id *repo_id, int scratch_fd,
			   uint64_t nr_entries, uint32_t nr_packs,
			   struct tmc_index_writer **ret_writer)
{
	struct tmc_index_writer *writer = calloc(1, sizeof(*writer));
	struct tmc_index_head_disk *head;
	int ret = 0;

	if (!writer)
		return failure_set(-ENOMEM, "out of memory");
	writer->fd = scratch_fd;
	writer->nr_entries = nr_entries;
	writer->nr_packs = nr_packs;
	writer->hash = tmc_hash_create();
	if (!writer->hash)
		ret = failure_set(-ENOMEM, "out of memory");
	head = open_block(writer);
	if (!ret)
		ret = tmc_hash_start(writer->hash);
	if (!ret)
		ret = tmc_object_header_init(&head->header, TMC_OBJECT_INDEX, repo_id);
	if (!ret && scratch_fd < 0)
		ret = tmc_store_begin(store, &writer->draft);
	if (!ret) {
		memcpy(writer->unique, head->header.unique, sizeof(writer->unique));
		head->nr_entries = put_le64(nr_entries);
		head->nr_packs = put_le32(nr_packs);
		ret = finish_block(writer);
	}
	if (ret < 0) {
		tmc_index_writer_destroy(writer);
		return ret;
	}
	*ret_writer = writer;
	return 0;
}

int tmc_index_writer_add(struct tmc_index_writer *writer, const struct tmc_entry *entry)
{
	struct tmc_index_entries_disk *block = open_block(writer);
	uint64_t nth = writer->nr_added++ % TMC_INDEX_BLOCK_ENTRIES;

	block->entries[nth] = (struct tmc_index_entry_disk){
		.id = entry->blob.id,
		.type = entry->blob.type,
		.codec = entry->blob.codec,
		.pack = put_le32(entry->pack),
		.offset = put_le32(entry->offset),
		.stored_bytes = put_le32(entry->blob.stored_bytes),
		.raw_bytes = put_le32(entry->blob.raw_bytes),
	};
	if (nth == TMC_INDEX_BLOCK_ENTRIES - 1 || writer->nr_added == writer->nr_entries)
		return finish_block(writer);
	return 0;
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
	tmc_hash_destroy(writer->hash);
	free(writer);
}
