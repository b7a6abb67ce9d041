// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Dooms are read first, then points, then ledgers: a sweep writes its ledger, and
 * removes older ones, before its doom goes. So what is read meanwhile is not too low.
 */
#include "catalog/generation.h"

#include "catalog/doom.h"
#include "catalog/object.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>

static void raise_to(uint64_t *generation, uint64_t other)
{
	if (other > *generation)
		*generation = other;
}

static int read_dooms(struct tmc_repo *repo, uint64_t *generation)
{
	struct tmc_dooms dooms;
	int ret = tmc_dooms_load(repo->store, repo->keys, &dooms);

	for (size_t i = 0; i < dooms.nr; i++)
		raise_to(generation, dooms.dooms[i].generation);
	tmc_dooms_clear(&dooms);
	return ret;
}

static int read_points(struct tmc_repo *repo, uint64_t *generation)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(repo->store, TMC_STORE_POINT, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_point point;

		ret = tmc_point_load(repo, &ids[i], &point, NULL);
		if (!ret)
			raise_to(generation, point.generation);
		else if (ret == -EBADMSG || ret == -ENOENT)
			ret = 0;
	}
	return ret;
}

static const struct tmc_object_kind ledger_kind = {
	.store_kind = TMC_STORE_LEDGER,
	.type = TMC_OBJECT_LEDGER,
	.bytes_min = sizeof(struct tmc_ledger_disk),
	.bytes_max = sizeof(struct tmc_ledger_disk) + 64, /* and the seal */
};

static int load_ledger(struct tmc_repo *repo, const struct tmc_id *id, uint64_t *ret_generation)
{
	CLEANUP_FREE uint8_t *image = NULL;
	struct tmc_ledger_disk disk;
	char what[TMC_STORE_TEXT];
	size_t bytes;
	int ret = tmc_object_load(repo->store, repo->keys, &ledger_kind, id, &image, &bytes);

	if (ret < 0)
		return ret;
	memcpy(&disk, image, sizeof(disk));
	if (bytes != sizeof(disk) || !is_zero(disk.zero, sizeof(disk.zero)))
		return failure_set(-EBADMSG, "%s is damaged: it makes no sense",
				   tmc_store_describe(repo->store, TMC_STORE_LEDGER, id, what));
	*ret_generation = get_le64(disk.generation);
	return 0;
}

static int read_ledgers(struct tmc_repo *repo, uint64_t *generation)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(repo->store, TMC_STORE_LEDGER, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		uint64_t one = 0;

		ret = load_ledger(repo, &ids[i], &one);
		raise_to(generation, one);
		if (ret == -ENOENT)
			ret = 0;
	}
	return ret;
}

int tmc_generation_get(struct tmc_repo *repo, uint64_t *ret_generation)
{
	int ret;

	*ret_generation = 0;
	ret = read_dooms(repo, ret_generation);
	if (!ret)
		ret = read_points(repo, ret_generation);
	return ret ? ret : read_ledgers(repo, ret_generation);
}

int tmc_generation_keep(struct tmc_repo *repo, uint64_t generation)
{
	struct tmc_ledger_disk disk = { .generation = put_le64(generation) };
	CLEANUP_FREE struct tmc_id *ids = NULL;
	struct tmc_id kept;
	size_t nr = 0;
	int ret = tmc_store_list(repo->store, TMC_STORE_LEDGER, &ids, &nr);

	if (!ret)
		ret = tmc_object_store(repo->store, repo->keys, &ledger_kind, &disk, sizeof(disk),
				       &kept);
	for (size_t i = 0; i < nr && !ret; i++) {
		uint64_t older = UINT64_MAX;

		if (!load_ledger(repo, &ids[i], &older) && older <= generation)
			ret = tmc_store_remove(repo->store, TMC_STORE_LEDGER, &ids[i]);
	}
	return ret;
}
