// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A pack's footer, which its name proves, tells its blobs; those that are needed go over
 * as they are stored, once their ids have proved them.
 */
#include "catalog/repack.h"

#include "catalog/blob_copy.h"
#include "catalog/pack_check.h"
#include "catalog/pack_use.h"
#include "catalog/prune.h"
#include "catalog/survey.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct repack {
	struct tmc_prune *prune;
	struct tmc_survey *survey;
	struct tmc_blob_copy *copy;
	uint64_t done_bytes, total_bytes;
	int error; /* of the pack at hand */
};

static void on_blob(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct repack *repack = context;
	int ret;

	if (repack->error || !tmc_survey_needs(repack->survey, entry->blob.type, &entry->blob.id))
		return;
	ret = tmc_blob_copy_take(repack->copy, pack, entry);
	if (ret < 0)
		repack->error = ret;
	if (ret <= 0)
		return;
	repack->prune->result->copied_blobs++;
	repack->prune->result->copied_bytes += tmc_blob_disk_bytes(&entry->blob);
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
	return repack->error ? repack->error : tmc_blob_copy_publish(repack->copy);
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
	struct tmc_repo *view = &repack->survey->view;
	int ret = tmc_blob_copy_create(view, view->indexes, &repack->copy);

	return ret ? ret : copy_packs(repack, uses);
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
	tmc_blob_copy_destroy(repack.copy);
	tmc_doom_clear(&doom);
	free(goes.dooms);
	return ret;
}
