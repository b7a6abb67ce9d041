// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Nothing is compressed or sealed anew: what is stored does not depend on its place.
 */
#include "catalog/blob_copy.h"

#include "catalog/blob_set.h"
#include "catalog/pack_writer.h"
#include "catalog/repo.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

struct tmc_blob_copy {
	struct tmc_repo *repo;
	struct tmc_blob_set *blobs;
	struct tmc_pack_writer *packs;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *raw; /* room for the largest blob */
};

int tmc_blob_copy_create(struct tmc_repo *repo, struct tmc_index_set *known,
			 struct tmc_blob_copy **ret_copy)
{
	uint32_t disk_bytes = tmc_limits_disk_bytes(&repo->limits);
	struct tmc_blob_copy *copy = calloc(1, sizeof(*copy));
	int ret;

	if (!copy)
		return failure_set(-ENOMEM, "out of memory");
	copy->repo = repo;
	copy->blobs = tmc_blob_set_create(repo->store, repo->keys, known, TMC_BLOB_SET_SLOTS);
	copy->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	copy->disk = malloc(disk_bytes);
	copy->raw = malloc(disk_bytes);
	ret = copy->blobs && copy->coder && copy->disk && copy->raw ?
	      tmc_pack_writer_create(repo->store, repo->keys, &copy->packs) :
	      failure_set(-ENOMEM, "out of memory");
	if (ret < 0) {
		tmc_blob_copy_destroy(copy);
		return ret;
	}
	*ret_copy = copy;
	return 0;
}

void tmc_blob_copy_destroy(struct tmc_blob_copy *copy)
{
	if (!copy)
		return;
	tmc_blob_set_destroy(copy->blobs);
	tmc_pack_writer_destroy(copy->packs);
	tmc_blob_coder_destroy(copy->coder);
	free(copy->disk);
	free(copy->raw);
	free(copy);
}

/* Reads the blob to disk. */
static int prove(struct tmc_blob_copy *copy, const struct tmc_id *pack_id,
		 const struct tmc_entry *entry)
{
	struct tmc_pack_cache *packs = copy->repo->packs;
	char text[TMC_STORE_TEXT];
	struct tmc_pack *pack;
	int ret = tmc_pack_get(packs, pack_id, &pack);

	if (ret < 0)
		return ret;
	ret = tmc_pack_read(packs, pack, copy->disk, tmc_blob_disk_bytes(&entry->blob), entry->offset);
	tmc_pack_put(packs, pack);
	tmc_pack_describe(packs, pack_id, text);
	return ret ? ret : tmc_blob_decode(copy->coder, &entry->blob, copy->disk, text, entry->offset,
					   copy->raw);
}

int tmc_blob_copy_take(struct tmc_blob_copy *copy, const struct tmc_id *pack,
		       const struct tmc_entry *entry)
{
	struct tmc_entry copied = *entry;
	int ret = tmc_blob_set_claim(copy->blobs, entry->blob.type, &entry->blob.id);

	if (ret <= 0)
		return ret;
	ret = prove(copy, pack, entry);
	if (!ret)
		ret = tmc_pack_writer_append(copy->packs, copy->disk, tmc_blob_disk_bytes(&entry->blob),
					     &copied, 1);
	if (ret < 0)
		return ret;
	tmc_blob_set_locate(copy->blobs, &copied, 1);
	return 1;
}

int tmc_blob_copy_publish(struct tmc_blob_copy *copy)
{
	return tmc_blob_set_publish(copy->blobs, copy->packs);
}
