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

static const struct tmc_object_kind ledger_kind = {
	.store_kind = TMC_STORE_LEDGER,
	.type = TMC_OBJECT_LEDGER,
	.bytes_min = sizeof(struct tmc_ledger_disk),
	.bytes_max = sizeof(struct tmc_ledger_disk) + 64, /* and the seal */
};

int tmc_ledger_load(struct tmc_repo *repo, const struct tmc_id *id, uint64_t *ret_generation)
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

static int load_doom(struct tmc_repo *repo, const struct tmc_id *id, uint64_t *ret_generation)
{
	struct tmc_doom doom;
	int ret = tmc_doom_load(repo->store, repo->keys, id, &doom);

	if (ret < 0)
		return ret;
	*ret_generation = doom.generation;
	tmc_doom_clear(&doom);
	return 0;
}

static int load_point(struct tmc_repo *repo, const struct tmc_id *id, uint64_t *ret_generation)
{
	struct tmc_point point;
	int ret = tmc_point_load(repo, id, &point, NULL);

	if (!ret)
		*ret_generation = point.generation;
	return ret;
}

static const struct source { /* in the order in which they are read */
	enum tmc_store_kind kind;
	int (*load)(struct tmc_repo *repo, const struct tmc_id *id, uint64_t *ret_generation);
	bool may_fail; /* such damage is no reason to stop */
} sources[] = {
	{ TMC_STORE_DOOM, load_doom, false },
	{ TMC_STORE_POINT, load_point, true },
	{ TMC_STORE_LEDGER, tmc_ledger_load, false },
};
#define NR_SOURCES (sizeof(sources) / sizeof(*sources))

/* nr_damaged NULL: damage is an error, where it is not passed over. */
static int read_source(struct tmc_repo *repo, const struct source *source, uint64_t *generation,
		       uint64_t *nr_damaged)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(repo->store, source->kind, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		uint64_t one = 0;

		ret = source->load(repo, &ids[i], &one);
		if (!ret)
			raise_to(generation, one);
		if (nr_damaged && (ret == -EBADMSG || ret == -EIO)) {
			++*nr_damaged;
			ret = 0;
		}
		if (ret == -ENOENT || (ret == -EBADMSG && source->may_fail))
			ret = 0;
	}
	return ret;
}

int tmc_generation_get(struct tmc_repo *repo, uint64_t *ret_generation)
{
	int ret = 0;

	*ret_generation = 0;
	for (size_t i = 0; i < NR_SOURCES && !ret; i++)
		ret = read_source(repo, &sources[i], ret_generation, NULL);
	return ret;
}

/*
 * Each number was given to a point or a doom that followed the one below it, and who
 * removes the highest leaves a ledger that is as high. So of n objects that cannot be
 * read none is higher than what can be read and n, unless one of them is that ledger.
 */
int tmc_generation_bound(struct tmc_repo *repo, uint64_t *ret_generation)
{
	uint64_t nr_damaged = 0;
	int ret = 0;

	*ret_generation = 0;
	for (size_t i = 0; i < NR_SOURCES && !ret; i++)
		ret = read_source(repo, &sources[i], ret_generation, &nr_damaged);
	*ret_generation += nr_damaged;
	return ret;
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

		if (!tmc_ledger_load(repo, &ids[i], &older) && older <= generation)
			ret = tmc_store_remove(repo->store, TMC_STORE_LEDGER, &ids[i]);
	}
	return ret;
}

int tmc_generation_seal(struct tmc_repo *repo, struct tmc_doom *doom)
{
	int ret = tmc_generation_get(repo, &doom->generation);

	doom->generation++;
	return ret ? ret : tmc_doom_store(repo->store, repo->keys, doom);
}
