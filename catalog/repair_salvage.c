// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What can be read of damaged packs goes to new ones, as it lies there.
 */
#include "catalog/repair.h"

#include "catalog/blob_copy.h"
#include "catalog/pack_check.h"
#include "common/failure.h"

#include <errno.h>

struct salvage {
	struct tmc_repair *repair;
	struct tmc_blob_copy *copy;
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

static void salvage_blob(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct salvage *salvage = context;
	int ret;

	if (salvage->error || stays(salvage->repair, &entry->blob))
		return;
	ret = tmc_blob_copy_take(salvage->copy, pack, entry);
	if (ret < 0)
		salvage->error = ret;
	if (ret <= 0)
		return;
	salvage->repair->result.salvaged_blobs++;
	salvage->repair->result.salvaged_bytes += tmc_blob_disk_bytes(&entry->blob);
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
	return salvage->error ? salvage->error : tmc_blob_copy_publish(salvage->copy);
}

int tmc_repair_salvage_packs(struct tmc_repair *repair)
{
	struct tmc_repo *repo = repair->repo;
	struct tmc_index_set *none = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	struct salvage salvage = { .repair = repair };
	int ret = none ? tmc_blob_copy_create(&repair->view, none, &salvage.copy) :
			 failure_set(-ENOMEM, "out of memory");

	if (!ret)
		ret = salvage_packs(&salvage);
	tmc_blob_copy_destroy(salvage.copy);
	tmc_index_set_destroy(none);
	return ret;
}
