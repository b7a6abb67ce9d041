// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A pack's footer, which its name proves, tells its blobs; those that are needed go over
 * as they are stored, once their ids have proved them.
 */
#include "catalog/repack.h"

#include "catalog/blob_set.h"
#include "catalog/pack_check.h"
#include "catalog/pack_use.h"
#include "catalog/pack_writer.h"
#include "catalog/prune.h"
#include "catalog/survey.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct repack {
	struct tmc_prune *prune;
	struct tmc_survey *survey;
	struct tmc_blob_set *blobs;
	struct tmc_pack_writer *packs;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *raw; /* room for the largest blob */
	uint64_t done_bytes, total_bytes;
	int error; /* of the pack at hand */
};

static int copy_blob(struct repack *repack, const struct tmc_id *pack_id,
		     const struct tmc_entry *found)
{
	struct tmc_pack_cache *packs = repack->survey->view.packs;
	uint64_t bytes = tmc_blob_disk_bytes(&found->blob);
	struct tmc_entry entry = *found;
	char text[TMC_STORE_TEXT];
	struct tmc_pack *pack;
	int ret = tmc_pack_get(packs, pack_id, &pack);

	if (ret < 0)
		return ret;
	ret = tmc_pack_read(packs, pack, repack->disk, bytes, found->offset);
	tmc_pack_put(packs, pack);
	if (!ret)
		ret = tmc_blob_decode(repack->coder, &found->blob, repack->disk,
				      tmc_pack_describe(packs, pack_id, text), found->offset,
				      repack->raw);
	if (!ret)
		ret = tmc_pack_writer_append(repack->packs, repack->disk, bytes, &entry, 1);
	if (ret < 0)
		return ret;
	tmc_blob_set_locate(repack->blobs, &entry, 1);
	repack->prune->result->copied_blobs++;
	repack->prune->result->copied_bytes += bytes;
	return 0;
}

static void on_blob(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct repack *repack = context;
	int ret;

	if (repack->error || !tmc_survey_needs(repack->survey, entry->blob.type, &entry->blob.id))
		return;
	ret = tmc_blob_set_claim(repack->blobs, entry->blob.type, &entry->blob.id);
	if (ret > 0)
		ret = copy_blob(repack, pack, entry);
	repack->error = ret < 0 ? ret : 0;
}

static void on_damage(void *context, int error)
{
	struct repack *repack = context;

	if (!repack->error)
		repack->error = error;
}

static void on_checked(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
	const struct tmc_prune_options *options;
	struct repack *repack = context;

	options = repack->prune->options;
	repack->done_bytes += pack_bytes;
	if (options->progress)
		options->progress(options->context, repack->done_bytes, repack->total_bytes);
}

static int copy_packs(struct repack *repack, const struct tmc_pack_uses *uses)
{
	const struct tmc_pack_check_ops ops = {
		.good = on_blob, .damage = on_damage, .progress = on_checked, .context = repack,
	};
	struct tmc_pack_checker *checker = tmc_pack_checker_create(&repack->survey->view, &ops);

	if (!checker)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < uses->nr; i++)
		if (uses->packs[i].fate == TMC_PACK_COPIED)
			repack->total_bytes += uses->packs[i].bytes;
	for (size_t i = 0; i < uses->nr && !repack->error; i++)
		if (uses->packs[i].fate == TMC_PACK_COPIED)
			tmc_pack_check(checker, &uses->packs[i].id, TMC_PACK_STRUCTURE);
	tmc_pack_checker_destroy(checker);
	return repack->error ? repack->error : tmc_blob_set_publish(repack->blobs, repack->packs);
}

/* Nothing is taken for stored because a pack that goes has it. */
static int list_what_goes(const struct tmc_survey *survey, const struct tmc_pack_uses *uses,
			  struct tmc_dooms *ret_dooms, struct tmc_doom *doom)
{
	const struct tmc_dooms *dooms = &survey->dooms;
	int ret = 0;

	for (size_t i = 0; i < uses->nr && !ret; i++)
		if (uses->packs[i].fate == TMC_PACK_GOES || uses->packs[i].fate == TMC_PACK_COPIED)
			ret = tmc_id_list_add(&doom->packs, &uses->packs[i].id);
	ret_dooms->dooms = ret ? NULL : calloc(dooms->nr + 1, sizeof(*ret_dooms->dooms));
	if (!ret_dooms->dooms)
		return failure_set(-ENOMEM, "out of memory");
	if (dooms->nr)
		memcpy(ret_dooms->dooms, dooms->dooms, dooms->nr * sizeof(*dooms->dooms));
	ret_dooms->dooms[dooms->nr] = *doom;
	ret_dooms->nr = dooms->nr + 1;
	return 0;
}

static int run(struct repack *repack, const struct tmc_pack_uses *uses)
{
	struct tmc_repo *repo = repack->prune->repo;
	struct tmc_index_set *indexes = repack->survey->view.indexes;
	uint32_t disk_bytes = tmc_limits_disk_bytes(&repo->limits);
	CLEANUP_FREE uint8_t *room = malloc(2 * (size_t)disk_bytes);
	int ret = tmc_pack_writer_create(repo->store, repo->keys, &repack->packs);

	if (ret < 0)
		return ret;
	repack->blobs = tmc_blob_set_create(repo->store, repo->keys, indexes, TMC_BLOB_SET_SLOTS);
	repack->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	repack->disk = room;
	repack->raw = room ? room + disk_bytes : NULL;
	if (!room || !repack->blobs || !repack->coder)
		return failure_set(-ENOMEM, "out of memory");
	return copy_packs(repack, uses);
}

int tmc_repack(struct tmc_prune *prune, struct tmc_survey *survey,
	       const struct tmc_pack_uses *uses)
{
	struct repack repack = { .prune = prune, .survey = survey };
	struct tmc_dooms goes = { 0 }; /* borrows all but its array */
	struct tmc_doom doom = { 0 };
	int ret = list_what_goes(survey, uses, &goes, &doom);

	prune->result->copied_bytes = 0; /* so far what was planned */
	if (!ret) {
		tmc_index_set_avoid(survey->view.indexes, &goes);
		ret = run(&repack, uses);
		tmc_index_set_avoid(survey->view.indexes, &survey->dooms);
	}
	tmc_blob_set_destroy(repack.blobs);
	tmc_pack_writer_destroy(repack.packs);
	tmc_blob_coder_destroy(repack.coder);
	tmc_doom_clear(&doom);
	free(goes.dooms);
	return ret;
}
