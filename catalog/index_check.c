// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The name proves that the bytes are those that were written; the rest proves
 * that who wrote them made no mistake: a lookup trusts the order and the filters.
 */
#include "catalog/index_check.h"

#include "catalog/index.h"
#include "catalog/index_filter.h"
#include "catalog/keys.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define READ_BYTES (1u << 20)

static int check_name(struct tmc_keys *keys, int fd, uint64_t bytes, const struct tmc_id *id,
		      const char *what)
{
	CLEANUP_HASH struct tmc_hash *hash = tmc_hash_create(keys);
	CLEANUP_FREE uint8_t *data = malloc(READ_BYTES);
	struct tmc_id real_id;
	int ret;

	if (!hash || !data)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_hash_start(hash);
	for (uint64_t offset = 0; offset < bytes && !ret;) {
		size_t part = bytes - offset < READ_BYTES ? (size_t)(bytes - offset) : READ_BYTES;

		ret = io_read_full(fd, data, part, offset);
		if (ret < 0)
			return failure_set(ret, "cannot read %s: %s", what, strerror(-ret));
		ret = tmc_hash_update(hash, data, part);
		offset += part;
	}
	if (!ret)
		ret = tmc_hash_finish(hash, &real_id);
	if (ret < 0)
		return ret;
	return tmc_id_equal(&real_id, id) ? 0 :
	       failure_set(-EBADMSG, "%s is damaged: it is not what its name says", what);
}

static int check_filter(struct tmc_index *index, struct tmc_filter_builder *builder)
{
	struct tmc_index_filter_disk filter;
	int ret = tmc_index_read_filter(index, builder->block, &filter);

	if (ret < 0)
		return ret;
	if (memcmp(&filter, &builder->filter, offsetof(struct tmc_index_filter_disk, tag)))
		return failure_set(-EBADMSG, "%s is damaged: filter block %u is not of its entries",
				   tmc_index_text(index), builder->block);
	tmc_filter_builder_done(builder);
	return 0;
}

static int check_in_filter(struct tmc_index *index, struct tmc_filter_builder *builder,
			   const struct tmc_entry *entry)
{
	int ret = 0;

	while (!ret && tmc_filter_builder_is_full(builder, &entry->blob.id))
		ret = check_filter(index, builder);
	if (!ret)
		tmc_filter_builder_add(builder, &entry->blob.id);
	return ret;
}

static int check_entries(struct tmc_index *index)
{
	struct tmc_index_cursor cursor = { .index = index };
	struct tmc_filter_builder builder;
	struct tmc_entry entry, before;
	int ret = 0;

	tmc_filter_builder_init(&builder, tmc_index_nr_filter_blocks(index));
	for (uint64_t nth = 0; (ret = tmc_index_next(&cursor, &entry)) > 0; nth++) {
		if (nth && tmc_entry_compare(&before, &entry) >= 0)
			return failure_set(-EBADMSG, "%s is damaged: it is out of order",
					   tmc_index_text(index));
		before = entry;
		ret = builder.nr_filter_blocks ? check_in_filter(index, &builder, &entry) : 0;
		if (ret < 0)
			return ret;
	}
	while (!ret && builder.block < builder.nr_filter_blocks)
		ret = check_filter(index, &builder);
	return ret;
}

int tmc_index_check(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		    uint64_t *ret_bytes)
{
	CLEANUP_CLOSE int fd = -1;
	struct tmc_index *index;
	char text[TMC_STORE_TEXT];
	int ret = tmc_store_get(store, TMC_STORE_INDEX, id, &fd, ret_bytes);

	if (ret < 0)
		return ret;
	tmc_store_describe(store, TMC_STORE_INDEX, id, text);
	ret = check_name(keys, fd, *ret_bytes, id, text);
	if (!ret)
		ret = tmc_index_open(store, keys, id, &index);
	if (ret < 0)
		return ret;
	ret = check_entries(index);
	tmc_index_close(index);
	return ret;
}
