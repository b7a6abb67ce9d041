// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Rebuilds the index from the packs, as a backup would have made it: blobs are
 * claimed against the intact index objects, and what none of them knows is written
 * as one more, in bounded memory. Order: names of packs durable, new index durable,
 * damaged index objects put aside. Whatever cuts that short, nothing is lost by it.
 */
#include "catalog/blob_set.h"
#include "catalog/index_check.h"
#include "catalog/pack_check.h"
#include "catalog/pack_table.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct rebuild {
	struct tmc_repo *repo;
	struct tmc_index_set *intact;
	struct tmc_blob_set *blobs;
	struct tmc_pack_table packs; /* that the new index names */
	struct tmc_id *damaged;      /* index objects */
	size_t nr_damaged;
	int error; /* of what a pack's blobs were noted with */
	bool pack_damaged;
	void (*damage)(void *context, const char *text);
	void *context;
	struct tmc_index_repair result;
};

static void report(struct rebuild *rebuild)
{
	if (rebuild->damage)
		rebuild->damage(rebuild->context, failure_text());
}

/* --------------------------------------------------------------------- indexes */

static int sort_out_index(struct rebuild *rebuild, const struct tmc_id *id)
{
	struct tmc_repo *repo = rebuild->repo;
	uint64_t bytes;
	int ret = tmc_index_check(repo->store, repo->keys, id, &bytes);

	if (!ret)
		ret = tmc_index_set_add(rebuild->intact, id);
	if (ret == -ENOENT) /* a prune has just removed it */
		return 0;
	if (ret != -EBADMSG && ret != -EIO)
		return ret;
	report(rebuild);
	rebuild->damaged[rebuild->nr_damaged++] = *id;
	return 0;
}

static int sort_out_indexes(struct rebuild *rebuild)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(rebuild->repo->store, TMC_STORE_INDEX, &ids, &nr);

	if (ret < 0)
		return ret;
	rebuild->damaged = calloc(nr + 1, sizeof(*rebuild->damaged));
	if (!rebuild->damaged)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr && !ret; i++)
		ret = sort_out_index(rebuild, &ids[i]);
	return ret;
}

/* ----------------------------------------------------------------------- packs */

static int note_blob(struct rebuild *rebuild, const struct tmc_id *pack,
		     const struct tmc_entry *blob)
{
	struct tmc_entry entry = *blob;
	int ret = tmc_blob_set_claim(rebuild->blobs, entry.blob.type, &entry.blob.id);

	if (ret <= 0)
		return ret;
	ret = tmc_pack_table_add(&rebuild->packs, pack, &entry.pack);
	if (ret < 0)
		return ret;
	tmc_blob_set_locate(rebuild->blobs, &entry, 1);
	rebuild->result.added_blobs++;
	return 0;
}

static void on_good(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct rebuild *rebuild = context;

	if (!rebuild->error)
		rebuild->error = note_blob(rebuild, pack, entry);
}

static void on_damage(void *context, int error)
{
	struct rebuild *rebuild = context;

	report(rebuild);
	rebuild->pack_damaged = true;
}

static void on_checked(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
}

static int survey_packs(struct rebuild *rebuild)
{
	const struct tmc_pack_check_ops ops = {
		.good = on_good, .damage = on_damage, .progress = on_checked, .context = rebuild,
	};
	struct tmc_pack_checker *checker = tmc_pack_checker_create(rebuild->repo, &ops);
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(rebuild->repo->store, TMC_STORE_PACK, &ids, &nr);

	if (!checker)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr && !ret; i++) {
		rebuild->pack_damaged = false;
		tmc_pack_check(checker, &ids[i], TMC_PACK_STRUCTURE);
		rebuild->result.packs++;
		rebuild->result.damaged_packs += rebuild->pack_damaged;
		ret = rebuild->error;
	}
	tmc_pack_checker_destroy(checker);
	return ret;
}

/* ---------------------------------------------------------------------- rebuild */

/* A backup that was cut short may have left packs whose names are not durable yet. */
static int sync_packs(struct rebuild *rebuild)
{
	uint64_t first_bytes[4] = { 0 };

	for (uint32_t i = 0; i < rebuild->packs.nr; i++) {
		uint8_t first = rebuild->packs.packs[i].bytes[0];

		first_bytes[first / 64] |= 1ull << first % 64;
	}
	return rebuild->packs.nr ? tmc_store_sync_packs(rebuild->repo->store, first_bytes) : 0;
}

static int run(struct rebuild *rebuild)
{
	struct tmc_store *store = rebuild->repo->store;
	int ret = sort_out_indexes(rebuild);

	if (!ret)
		ret = survey_packs(rebuild);
	if (!ret)
		ret = sync_packs(rebuild);
	if (!ret)
		ret = tmc_blob_set_commit(rebuild->blobs, rebuild->packs.packs, rebuild->packs.nr);
	if (!ret)
		ret = tmc_store_sync_index(store);
	for (size_t i = 0; i < rebuild->nr_damaged && !ret; i++) {
		ret = tmc_store_put_aside(store, TMC_STORE_INDEX, &rebuild->damaged[i]);
		if (!ret)
			rebuild->result.put_aside++;
	}
	return ret;
}

static int create_parts(struct rebuild *rebuild)
{
	struct tmc_repo *repo = rebuild->repo;
	int ret = tmc_keys_check(repo->keys);

	if (!ret)
		ret = tmc_repo_check_writable(repo);
	if (!ret)
		ret = tmc_repo_enter(repo, "repair");
	if (ret < 0)
		return ret;
	rebuild->intact = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	if (rebuild->intact)
		rebuild->blobs = tmc_blob_set_create(repo->store, repo->keys, rebuild->intact,
						     TMC_BLOB_SET_SLOTS);
	return rebuild->blobs ? 0 : failure_set(-ENOMEM, "out of memory");
}

int tmc_repair_index(struct tmc_repo *repo, void (*damage)(void *context, const char *text),
		     void *context, struct tmc_index_repair *ret_result)
{
	struct rebuild rebuild = { .repo = repo, .damage = damage, .context = context };
	int ret = create_parts(&rebuild);

	if (!ret)
		ret = run(&rebuild);
	tmc_blob_set_destroy(rebuild.blobs);
	tmc_index_set_destroy(rebuild.intact);
	tmc_pack_table_clear(&rebuild.packs);
	free(rebuild.damaged);
	*ret_result = rebuild.result;
	if (!ret && rebuild.result.damaged_packs)
		ret = failure_set(-EBADMSG, "the index is rebuilt, but %llu of %llu packs are damaged: "
				  "\"tidemark verify\" tells which restore points that concerns",
				  (unsigned long long)rebuild.result.damaged_packs,
				  (unsigned long long)rebuild.result.packs);
	return ret;
}
