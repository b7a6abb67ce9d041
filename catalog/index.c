// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Interpolation between the blocks that are known to lie below and above: ids
 * are uniform, so two or three probes will do; after a few more, halving takes
 * over, so that ids chosen by an enemy cost log n and not n.
 *
 * In a large index a filter block narrows that down before: to nothing where the id
 * is not here, to one block where it is. A filter block that is damaged costs time.
 *
 * pread instead of a mapping: see docs/format.md. Each block that is read is
 * checked, each time. What an entry says is checked by whoever reads the pack.
 */
#include "catalog/index.h"

#include "catalog/index_block.h"
#include "catalog/index_filter.h"
#include "catalog/keys.h"
#include "catalog/object.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/zero.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

struct tmc_index {
	struct tmc_keys *keys;
	int fd; /* -1 once there is an image */
	struct tmc_id id; /* zero for a scratch run */
	uint64_t bytes;
	uint64_t nr_entries;
	uint64_t nr_entry_blocks;
	uint32_t nr_packs;
	uint32_t nr_filter_blocks;
	uint32_t pack_bound; /* of entries' pack numbers; the packs of a run have no names yet */
	struct tmc_object_header_disk header;
	uint8_t *image; /* all blocks, checked; or NULL */
	/* Blocks of pack names: few, asked for at every lookup, kept once they were. */
	struct tmc_index_packs_disk *_Atomic *pack_blocks;
	char text[TMC_STORE_TEXT];
};

static uint64_t div_round_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static uint32_t nr_pack_blocks(const struct tmc_index *index)
{
	return (uint32_t)div_round_up(index->nr_packs, TMC_INDEX_BLOCK_PACKS);
}

/* The number of the n-th filter block. */
static uint64_t filter_block(const struct tmc_index *index, uint32_t nth)
{
	return 1 + index->nr_entry_blocks + nr_pack_blocks(index) + nth;
}

static int index_damaged(const struct tmc_index *index, uint64_t block)
{
	return failure_set(-EBADMSG, "%s is damaged at byte %llu", index->text,
			   (unsigned long long)(block * TMC_INDEX_BLOCK_BYTES));
}

static int open_block(struct tmc_index *index, uint64_t number, void *block)
{
	struct tmc_aead *aead = NULL;
	int ret;

	if (tmc_keys_is_encrypted(index->keys)) {
		aead = tmc_keys_get_aead(index->keys, TMC_KEY_INDEX);
		if (!aead)
			return failure_set(-ENOMEM, "out of memory");
	}
	ret = tmc_index_block_open(block, number, &index->header, aead);
	tmc_keys_put_aead(index->keys, TMC_KEY_INDEX, aead);
	return ret == -EBADMSG ? index_damaged(index, number) : ret;
}

static int read_block(struct tmc_index *index, uint64_t number, void *ret_block)
{
	int ret;

	if (index->image) {
		memcpy(ret_block, index->image + number * TMC_INDEX_BLOCK_BYTES,
		       TMC_INDEX_BLOCK_BYTES);
		return 0;
	}
	ret = io_read_full(index->fd, ret_block, TMC_INDEX_BLOCK_BYTES,
			   number * TMC_INDEX_BLOCK_BYTES);
	if (ret == -ENODATA)
		return index_damaged(index, number);
	if (ret < 0)
		return failure_set(ret, "cannot read %s: %s", index->text, strerror(-ret));
	return open_block(index, number, ret_block);
}

static int read_head(struct tmc_index *index)
{
	struct tmc_index_head_disk head;
	int ret;

	if (index->bytes < sizeof(head) || index->bytes % TMC_INDEX_BLOCK_BYTES)
		return failure_set(-EBADMSG, "%s is damaged: it is cut off", index->text);
	ret = io_read_full(index->fd, &head, sizeof(head), 0);
	if (ret < 0)
		return failure_set(ret, "cannot read %s: %s", index->text, strerror(-ret));
	ret = tmc_object_header_check(&head.header, TMC_OBJECT_INDEX, index->keys, index->text,
				      NULL);
	if (ret < 0)
		return ret;
	index->header = head.header;
	ret = open_block(index, 0, &head);
	if (ret < 0)
		return ret;
	index->nr_entries = get_le64(head.nr_entries);
	index->nr_packs = get_le32(head.nr_packs);
	index->nr_filter_blocks = get_le32(head.nr_filter_blocks);
	index->pack_bound = index->nr_packs;
	index->nr_entry_blocks = div_round_up(index->nr_entries, TMC_INDEX_BLOCK_ENTRIES);
	if (!index->nr_entries || !is_zero(head.zero, sizeof(head.zero)))
		return index_damaged(index, 0);
	if (index->nr_entries > index->bytes ||
	    index->bytes / TMC_INDEX_BLOCK_BYTES != 1 + index->nr_entry_blocks +
						     nr_pack_blocks(index) +
						     index->nr_filter_blocks)
		return failure_set(-EBADMSG, "%s is damaged: its size is not what it says",
				   index->text);
	index->pack_blocks = calloc(nr_pack_blocks(index) + 1u, sizeof(*index->pack_blocks));
	if (!index->pack_blocks)
		return failure_set(-ENOMEM, "out of memory");
	return 0;
}

static int open_fd(struct tmc_index *index, struct tmc_keys *keys,
		   struct tmc_index **ret_index)
{
	int ret;

	index->keys = keys;
	ret = read_head(index);
	if (ret < 0) {
		tmc_index_close(index);
		return ret;
	}
	*ret_index = index;
	return 0;
}

int tmc_index_open(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		   struct tmc_index **ret_index)
{
	struct tmc_index *index = calloc(1, sizeof(*index));
	int ret;

	if (!index)
		return failure_set(-ENOMEM, "out of memory");
	index->id = *id;
	tmc_store_describe(store, TMC_STORE_INDEX, id, index->text);
	ret = tmc_store_get(store, TMC_STORE_INDEX, id, &index->fd, &index->bytes);
	if (ret < 0) {
		free(index);
		return ret;
	}
	return open_fd(index, keys, ret_index);
}

int tmc_index_open_scratch(int fd, struct tmc_keys *keys, struct tmc_index **ret_index)
{
	struct tmc_index *index = calloc(1, sizeof(*index));
	off_t end = lseek(fd, 0, SEEK_END);
	int ret;

	if (!index || end < 0) {
		free(index);
		close(fd);
		return failure_set(-ENOMEM, "out of memory");
	}
	index->fd = fd;
	index->bytes = (uint64_t)end;
	snprintf(index->text, sizeof(index->text), "a scratch file of this backup");
	ret = open_fd(index, keys, ret_index);
	if (ret < 0)
		return ret;
	index->pack_bound = UINT32_MAX;
	return 0;
}

void tmc_index_close(struct tmc_index *index)
{
	if (!index)
		return;
	for (uint32_t i = 0; index->pack_blocks && i < nr_pack_blocks(index); i++)
		free(index->pack_blocks[i]);
	free(index->pack_blocks);
	if (index->fd >= 0)
		close(index->fd);
	free(index->image);
	free(index);
}

int tmc_index_load(struct tmc_index *index)
{
	CLEANUP_FREE uint8_t *image = malloc(index->bytes);
	uint64_t nr_blocks = index->bytes / TMC_INDEX_BLOCK_BYTES;

	if (!image)
		return failure_set(-ENOMEM, "out of memory");
	for (uint64_t block = 0; block < nr_blocks; block++) {
		int ret = read_block(index, block, image + block * TMC_INDEX_BLOCK_BYTES);

		if (ret < 0)
			return ret;
	}
	index->image = image;
	image = NULL;
	close(index->fd);
	index->fd = -1;
	return 0;
}

const char *tmc_index_text(const struct tmc_index *index)
{
	return index->text;
}

const struct tmc_id *tmc_index_id(const struct tmc_index *index)
{
	return &index->id;
}

uint64_t tmc_index_bytes(const struct tmc_index *index)
{
	return index->bytes;
}

uint64_t tmc_index_nr_entries(const struct tmc_index *index)
{
	return index->nr_entries;
}

uint32_t tmc_index_nr_packs(const struct tmc_index *index)
{
	return index->nr_packs;
}

uint32_t tmc_index_nr_filter_blocks(const struct tmc_index *index)
{
	return index->nr_filter_blocks;
}

int tmc_index_read_filter(struct tmc_index *index, uint32_t nth,
			  struct tmc_index_filter_disk *ret_filter)
{
	return read_block(index, filter_block(index, nth), ret_filter);
}

static uint32_t entries_in_block(const struct tmc_index *index, uint64_t block)
{
	uint64_t left = index->nr_entries - (block - 1) * TMC_INDEX_BLOCK_ENTRIES;

	return left < TMC_INDEX_BLOCK_ENTRIES ? (uint32_t)left : TMC_INDEX_BLOCK_ENTRIES;
}

static int get_entry(const struct tmc_index *index, const struct tmc_index_entry_disk *disk,
		     uint64_t block, struct tmc_entry *ret_entry)
{
	*ret_entry = (struct tmc_entry){
		.blob = {
			.id = disk->id,
			.type = disk->type,
			.codec = disk->codec,
			.stored_bytes = get_le32(disk->stored_bytes),
			.raw_bytes = get_le32(disk->raw_bytes),
		},
		.pack = get_le32(disk->pack),
		.offset = get_le32(disk->offset),
	};
	if (get_le16(disk->zero) || ret_entry->pack >= index->pack_bound)
		return index_damaged(index, block);
	return 0;
}

static int compare_key(const struct tmc_index_entry_disk *disk, enum tmc_blob_type type,
		       const struct tmc_id *id)
{
	int order = memcmp(&disk->id, id, sizeof(*id));

	return order ? order : (int)disk->type - (int)type;
}

int tmc_entry_compare(const struct tmc_entry *a, const struct tmc_entry *b)
{
	int order = memcmp(&a->blob.id, &b->blob.id, sizeof(a->blob.id));

	return order ? order : (int)a->blob.type - (int)b->blob.type;
}

static int find_in_block(struct tmc_index *index, const struct tmc_index_entries_disk *disk,
			 uint64_t block, enum tmc_blob_type type, const struct tmc_id *id,
			 struct tmc_entry *ret_entry, uint64_t *ret_position)
{
	uint32_t low = 0, high = entries_in_block(index, block);

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = compare_key(&disk->entries[middle], type, id);

		if (!order) {
			if (ret_position)
				*ret_position = (block - 1) * TMC_INDEX_BLOCK_ENTRIES + middle;
			return get_entry(index, &disk->entries[middle], block, ret_entry) ?: 1;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* The blocks, low to high, that may have the entry: what its filter block says, if it can. */
static void narrow(struct tmc_index *index, const struct tmc_id *id, uint64_t *low, uint64_t *high)
{
	struct tmc_filter_key key = tmc_filter_key(id, index->nr_filter_blocks);
	struct tmc_index_filter_disk filter;
	uint64_t first;
	uint32_t nr;

	if (tmc_index_read_filter(index, key.block, &filter) < 0 ||
	    !tmc_index_filter_find(&filter, index->nr_entries, &key, &first, &nr))
		return;
	*low = 1 + first / TMC_INDEX_BLOCK_ENTRIES;
	*high = nr ? 1 + (first + nr - 1) / TMC_INDEX_BLOCK_ENTRIES : 0;
}

/* A block where it lies in memory, or as it is read to buffer. */
static int get_block(struct tmc_index *index, uint64_t number,
		     struct tmc_index_entries_disk *buffer,
		     const struct tmc_index_entries_disk **ret_block)
{
	*ret_block = buffer;
	if (!index->image)
		return read_block(index, number, buffer);
	*ret_block = (const void *)(index->image + number * TMC_INDEX_BLOCK_BYTES);
	return 0;
}

#define NR_INTERPOLATIONS 6

int tmc_index_find(struct tmc_index *index, enum tmc_blob_type type, const struct tmc_id *id,
		   struct tmc_entry *ret_entry, uint64_t *ret_position)
{
	uint64_t low = 1, high = index->nr_entry_blocks; /* the block is among these */
	uint64_t low_key = 0, high_key = UINT64_MAX, key = get_be64(id->bytes);
	const struct tmc_index_entries_disk *disk;
	struct tmc_index_entries_disk buffer;

	if (index->nr_filter_blocks)
		narrow(index, id, &low, &high);
	for (unsigned int probe = 0; low <= high; probe++) {
		uint64_t block = low + (high - low) / 2;
		uint32_t nr;
		int ret;

		if (probe < NR_INTERPOLATIONS && key >= low_key && key <= high_key &&
		    high_key > low_key)
			block = low + (uint64_t)((unsigned __int128)(key - low_key) * (high - low) /
						 (high_key - low_key));
		ret = get_block(index, block, &buffer, &disk);
		if (ret < 0)
			return ret;
		nr = entries_in_block(index, block);
		if (compare_key(&disk->entries[0], type, id) > 0) {
			high = block - 1;
			high_key = get_be64(disk->entries[0].id.bytes);
		} else if (compare_key(&disk->entries[nr - 1], type, id) < 0) {
			low = block + 1;
			low_key = get_be64(disk->entries[nr - 1].id.bytes);
		} else {
			return find_in_block(index, disk, block, type, id, ret_entry,
					     ret_position);
		}
	}
	return 0;
}

/* Two threads may read a block at once; one of the copies is kept. */
static int get_pack_block(struct tmc_index *index, uint32_t nth,
			  const struct tmc_index_packs_disk **ret_block)
{
	struct tmc_index_packs_disk *kept = index->pack_blocks[nth], *block;
	int ret;

	*ret_block = kept;
	if (kept)
		return 0;
	block = malloc(sizeof(*block));
	if (!block)
		return failure_set(-ENOMEM, "out of memory");
	ret = read_block(index, 1 + index->nr_entry_blocks + nth, block);
	if (ret < 0 || !atomic_compare_exchange_strong(&index->pack_blocks[nth], &kept, block))
		free(block);
	*ret_block = kept ? kept : block;
	return ret;
}

int tmc_index_pack(struct tmc_index *index, uint32_t pack, struct tmc_id *ret_id)
{
	const struct tmc_index_packs_disk *block;
	int ret;

	if (pack >= index->nr_packs)
		return index_damaged(index, 0);
	ret = get_pack_block(index, pack / TMC_INDEX_BLOCK_PACKS, &block);
	if (!ret)
		*ret_id = block->packs[pack % TMC_INDEX_BLOCK_PACKS];
	return ret;
}

int tmc_index_next(struct tmc_index_cursor *cursor, struct tmc_entry *ret_entry)
{
	uint64_t block = 1 + cursor->position / TMC_INDEX_BLOCK_ENTRIES;
	uint32_t nth = cursor->position % TMC_INDEX_BLOCK_ENTRIES;
	int ret;

	if (cursor->position == cursor->index->nr_entries)
		return 0;
	if (!nth) {
		ret = read_block(cursor->index, block, &cursor->block);
		if (ret < 0)
			return ret;
	}
	cursor->position++;
	return get_entry(cursor->index, &cursor->block.entries[nth], block, ret_entry) ?: 1;
}
