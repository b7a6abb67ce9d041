// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What can be read of damaged packs goes to new ones, as it lies there.
 */
#include "catalog/repair.h"

#include "catalog/blob_set.h"
#include "catalog/pack_check.h"
#include "catalog/pack_writer.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

void tmc_repair_store_destroy(struct tmc_repair_store *store)
{
	tmc_blob_set_destroy(store->blobs);
	tmc_pack_writer_destroy(store->packs);
}

int tmc_repair_store_create(struct tmc_repair *repair, struct tmc_index_set *known,
			    struct tmc_repair_store *store)
{
	struct tmc_repo *repo = repair->repo;

	store->blobs = tmc_blob_set_create(repo->store, repo->keys, known, TMC_BLOB_SET_SLOTS);
	if (!store->blobs)
		return failure_set(-ENOMEM, "out of memory");
	return tmc_pack_writer_create(repo->store, repo->keys, &store->packs);
}

int tmc_repair_store_commit(struct tmc_repair *repair, struct tmc_repair_store *store)
{
	int ret = tmc_pack_writer_finish(store->packs);
	const struct tmc_id *packs;
	uint32_t nr_packs;

	if (ret < 0)
		return ret;
	packs = tmc_pack_writer_packs(store->packs, &nr_packs);
	ret = tmc_blob_set_commit(store->blobs, packs, nr_packs);
	return ret ? ret : tmc_store_sync_index(repair->repo->store);
}

struct salvage {
	struct tmc_repair *repair;
	struct tmc_repair_store store;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *raw; /* room for the largest blob */
	int error;
};

/* Whether the blob has a place in a pack that stays. */
static bool stays(const struct tmc_repair *repair, const struct tmc_blob *blob)
{
	struct tmc_location location;

	for (size_t n = 0; n < repair->proof.nr_indexes; n++)
		if (tmc_index_set_find_in(repair->view.indexes, n, blob->type, &blob->id,
					  &location) > 0 &&
		    !tmc_repair_find_bad(repair, &location.pack))
			return true;
	return false;
}

/* As it lies there, once it is proved that these are the bytes. */
static int copy_blob(struct salvage *salvage, const struct tmc_id *pack_id,
		     const struct tmc_entry *found)
{
	struct tmc_pack_cache *packs = salvage->repair->view.packs;
	uint64_t bytes = tmc_blob_disk_bytes(&found->blob);
	struct tmc_entry entry = *found;
	char text[TMC_STORE_TEXT];
	struct tmc_pack *pack;
	int ret = tmc_pack_get(packs, pack_id, &pack);

	if (ret < 0)
		return ret;
	ret = tmc_pack_read(packs, pack, salvage->disk, bytes, found->offset);
	tmc_pack_put(packs, pack);
	if (!ret)
		ret = tmc_blob_decode(salvage->coder, &found->blob, salvage->disk,
				      tmc_pack_describe(packs, pack_id, text), found->offset,
				      salvage->raw);
	if (!ret)
		ret = tmc_pack_writer_append(salvage->store.packs, salvage->disk, bytes, &entry, 1);
	if (ret < 0)
		return ret;
	tmc_blob_set_locate(salvage->store.blobs, &entry, 1);
	salvage->repair->result.salvaged_blobs++;
	salvage->repair->result.salvaged_bytes += bytes;
	return 0;
}

static void salvage_blob(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct salvage *salvage = context;
	int ret;

	if (salvage->error || stays(salvage->repair, &entry->blob))
		return;
	ret = tmc_blob_set_claim(salvage->store.blobs, entry->blob.type, &entry->blob.id);
	if (ret > 0)
		ret = copy_blob(salvage, pack, entry);
	salvage->error = ret < 0 ? ret : 0;
}

static void known_damage(void *context, int error)
{
}

static void no_progress(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
}

static int salvage_packs(struct salvage *salvage)
{
	const struct tmc_pack_check_ops ops = {
		.good = salvage_blob,
		.damage = known_damage,
		.progress = no_progress,
		.context = salvage,
	};
	struct tmc_repair *repair = salvage->repair;
	struct tmc_pack_checker *checker = tmc_pack_checker_create(&repair->view, &ops);

	if (!checker)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < repair->nr_bad && !salvage->error; i++)
		if (!repair->bad[i].missing)
			tmc_pack_check(checker, &repair->bad[i].id, TMC_PACK_EVERY_BYTE);
	tmc_pack_checker_destroy(checker);
	return salvage->error ? salvage->error : tmc_repair_store_commit(repair, &salvage->store);
}

int tmc_repair_salvage_packs(struct tmc_repair *repair)
{
	struct tmc_repo *repo = repair->repo;
	uint32_t disk_bytes = tmc_limits_disk_bytes(&repo->limits);
	CLEANUP_FREE uint8_t *room = malloc(2 * (size_t)disk_bytes);
	struct tmc_index_set *none = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	struct salvage salvage = {
		.repair = repair,
		.coder = tmc_blob_coder_create(&repo->limits, repo->keys),
		.disk = room,
		.raw = room ? room + disk_bytes : NULL,
	};
	int ret = room && none && salvage.coder ? tmc_repair_store_create(repair, none, &salvage.store) :
						  failure_set(-ENOMEM, "out of memory");

	if (!ret)
		ret = salvage_packs(&salvage);
	tmc_repair_store_destroy(&salvage.store);
	tmc_blob_coder_destroy(salvage.coder);
	tmc_index_set_destroy(none);
	return ret;
}
