// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What goes: points that were given up, packs of which too little is needed, indexes
 * that name such packs, say mostly what nobody needs, or are too many. Before the
 * doom is sealed, what is needed of all these stands elsewhere, durably.
 *
 * A blob may be needed that only an earlier doom has: the sweep of that one rescues it.
 */
#include "catalog/expiry.h"
#include "catalog/generation.h"
#include "catalog/index_merge.h"
#include "catalog/index_tidy.h"
#include "catalog/pack_use.h"
#include "catalog/point.h"
#include "catalog/prune.h"
#include "catalog/repack.h"
#include "catalog/survey.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"

#include <errno.h>

struct mark {
	struct tmc_prune *prune;
	struct tmc_survey survey;
	struct tmc_pack_uses packs;
	bool *index_goes; /* by number */
	bool others_live; /* besides us */
	struct tmc_doom doom;
	struct first_failure failure; /* of the walk */
	uint64_t nr_staying;
};

/* ---------------------------------------------------------------------- points */

/* A point that an earlier doom lists has gone before. */
static bool stays(void *context, const struct tmc_survey_point *point)
{
	const struct mark *mark = context;

	return !tmc_id_list_has(&mark->doom.points, &point->id) &&
	       !tmc_dooms_list(&mark->survey.dooms, TMC_STORE_POINT, &point->id);
}

static bool is_there(const struct mark *mark, const struct tmc_id *id)
{
	for (size_t i = 0; i < mark->survey.nr_points; i++)
		if (tmc_id_equal(&mark->survey.points[i].id, id))
			return true;
	return false;
}

static int choose_points(struct mark *mark)
{
	const struct tmc_prune_options *options = mark->prune->options;
	int ret = 0;

	for (size_t i = 0; i < options->nr_points && !ret; i++) {
		const struct tmc_id *id = &options->points[i];

		if (tmc_dooms_list(&mark->survey.dooms, TMC_STORE_POINT, id))
			ret = tmc_point_is_doomed(id);
		else if (!is_there(mark, id))
			ret = tmc_point_is_missing(id);
		else
			ret = tmc_id_list_add(&mark->doom.points, id);
	}
	tmc_id_list_sort(&mark->doom.points);
	for (size_t i = 0; i < mark->survey.nr_points; i++)
		mark->nr_staying += stays(mark, &mark->survey.points[i]);
	mark->prune->result->points = mark->doom.points.nr;
	mark->prune->result->kept_points = mark->nr_staying;
	return ret;
}

/* --------------------------------------------------------------------- journal */

static int choose_segments(struct mark *mark)
{
	const struct tmc_prune_options *options = mark->prune->options;
	const struct tmc_expiry expiry = {
		.volume_id = options->journal_volume_id,
		.keep_ns = options->keep_journal_ns,
		.now_ns = mark->prune->now_ns,
		.points = &mark->doom.points,
	};

	if (!options->keep_journal_ns)
		return 0;
	return tmc_expiry_choose(mark->prune->repo, &expiry, &mark->doom.segments,
				 &mark->prune->result->journal);
}

/* ----------------------------------------------------------------------- packs */

static bool is_good_place(const struct mark *mark, const struct tmc_location *location)
{
	return !mark->survey.index_is_doomed[location->number] &&
	       tmc_pack_uses_stays(&mark->packs, &location->pack);
}

/* The blob counts for one pack. */
static void on_needed(void *context, const struct tmc_location *found)
{
	struct mark *mark = context;
	const struct tmc_blob *blob = &found->entry.blob;
	struct tmc_location location = *found;
	bool exists = false;
	char digits[TMC_ID_TEXT];

	for (size_t n = 0; n < mark->survey.proof.nr_indexes; n++) {
		if (tmc_index_set_find_in(mark->survey.view.indexes, n, blob->type, &blob->id,
					  &location) <= 0)
			continue;
		exists |= tmc_pack_uses_find(&mark->packs, &location.pack) != NULL;
		if (!is_good_place(mark, &location))
			continue;
		tmc_pack_uses_find(&mark->packs, &location.pack)->needed_bytes +=
			tmc_blob_disk_bytes(&location.entry.blob);
		return;
	}
	if (exists) /* in a doom: to be rescued */
		return;
	tmc_id_format(&blob->id, digits);
	first_failure_note(&mark->failure,
			   failure_set(-EBADMSG, "no pack has %s %s any more", blob->type ==
				       TMC_BLOB_NODE ? "tree node" : "chunk", digits));
}

static int damage_ends_it(int error)
{
	char text[1024];

	if (error != -EBADMSG)
		return error;
	snprintf(text, sizeof(text), "%s", failure_text());
	return failure_set(error, "%s; nothing was given up: \"tidemark repair\" comes first", text);
}

static int find_needed(struct mark *mark)
{
	int ret = tmc_survey_walk(&mark->survey, stays, on_needed, mark);

	return ret ? ret : first_failure_get(&mark->failure);
}

static int check_others(struct mark *mark)
{
	CLEANUP_FREE struct tmc_session_info *others = NULL;
	size_t nr;
	int ret = tmc_session_list(tmc_store_session(mark->prune->repo->store), &others, &nr);

	mark->others_live = nr > 0;
	return ret;
}

/* What is later than this may belong to a backup that is running. */
static uint64_t young_ns(const struct mark *mark)
{
	uint64_t now_ns = mark->prune->now_ns, grace_ns = mark->prune->options->grace_ns;

	if (!mark->others_live)
		return UINT64_MAX;
	return grace_ns < now_ns ? now_ns - grace_ns : 0;
}

static int choose_packs(struct mark *mark)
{
	const struct tmc_prune_options *options = mark->prune->options;
	const struct tmc_pack_rules rules = {
		.below_percent = options->repack_below_percent,
		.copied_bytes_max = options->repack_bytes_max,
		.young_ns = young_ns(mark),
	};
	struct tmc_prune_result *result = mark->prune->result;
	int ret = tmc_pack_uses_choose(&mark->packs, mark->prune->repo->store, &rules);

	for (size_t i = 0; i < mark->packs.nr && !ret; i++) {
		const struct tmc_pack_use *use = &mark->packs.packs[i];

		if (use->fate != TMC_PACK_GOES && use->fate != TMC_PACK_COPIED)
			continue;
		ret = tmc_id_list_add(&mark->doom.packs, &use->id);
		result->pack_bytes += use->bytes;
		result->copied_bytes += use->needed_bytes;
	}
	result->packs = mark->doom.packs.nr;
	return ret; /* sorted as the packs are */
}

/* --------------------------------------------------------------------- indexes */

static struct tmc_index *index_of(const struct mark *mark, size_t number)
{
	return tmc_index_set_get(mark->survey.view.indexes, number);
}

/* A pack that goes, or that somebody has lost. */
static void find_lost_packs(struct mark *mark)
{
	const struct tmc_proof *proof = &mark->survey.proof;

	for (size_t i = 0; i < proof->nr_mentions; i++) {
		const struct tmc_pack_use *use = tmc_pack_uses_find(&mark->packs,
								   &proof->mentions[i].pack);

		if (!use || use->fate == TMC_PACK_GOES || use->fate == TMC_PACK_COPIED)
			mark->index_goes[proof->mentions[i].number] = true;
	}
}

static bool is_young(const struct mark *mark, size_t number)
{
	uint64_t time_ns;

	return tmc_store_time(mark->prune->repo->store, TMC_STORE_INDEX,
			      tmc_index_id(index_of(mark, number)), &time_ns) < 0 ||
	       time_ns > young_ns(mark);
}

static bool is_mostly_unneeded(const struct mark *mark, size_t number)
{
	uint64_t nr = tmc_index_nr_entries(index_of(mark, number)), nr_needed = 0;

	for (uint64_t position = 0; position < nr; position++)
		nr_needed += tmc_proof_is_set(&mark->survey.proof, number, position,
					      TMC_PROOF_NEEDED);
	return nr_needed < nr - nr_needed;
}

static unsigned int size_of(const struct mark *mark, size_t number)
{
	return tmc_index_size(tmc_index_nr_entries(index_of(mark, number)));
}

/* Eight of a size are one of the next, so few are asked for each blob. */
static void find_crowds(struct mark *mark)
{
	unsigned int nr_of_size[TMC_NR_INDEX_SIZES] = { 0 };

	for (size_t n = 0; n < mark->survey.proof.nr_indexes; n++)
		if (!mark->index_goes[n] && !mark->survey.index_is_doomed[n])
			nr_of_size[size_of(mark, n)]++;
	for (size_t n = 0; n < mark->survey.proof.nr_indexes; n++)
		mark->index_goes[n] |= nr_of_size[size_of(mark, n)] >= TMC_INDEX_CROWD;
}

static int choose_indexes(struct mark *mark)
{
	size_t nr = mark->survey.proof.nr_indexes;
	int ret = 0;

	mark->index_goes = calloc(nr + 1, sizeof(*mark->index_goes));
	if (!mark->index_goes)
		return failure_set(-ENOMEM, "out of memory");
	find_lost_packs(mark);
	for (size_t n = 0; n < nr; n++)
		mark->index_goes[n] |= !is_young(mark, n) && is_mostly_unneeded(mark, n);
	find_crowds(mark);
	for (size_t n = 0; n < nr && !ret; n++) {
		mark->index_goes[n] &= !mark->survey.index_is_doomed[n];
		if (mark->index_goes[n])
			ret = tmc_id_list_add(&mark->doom.indexes, tmc_index_id(index_of(mark, n)));
	}
	tmc_id_list_sort(&mark->doom.indexes);
	mark->prune->result->indexes = mark->doom.indexes.nr;
	return ret;
}

struct merging {
	const struct mark *mark;
	size_t *numbers; /* in the survey, by the merge's */
};

static int choose_place(void *context, const struct tmc_merge_place *places, size_t nr,
			struct tmc_merge_place *ret_place)
{
	const struct merging *merging = context;
	const struct mark *mark = merging->mark;

	if (!tmc_proof_is_set(&mark->survey.proof, merging->numbers[places[0].number],
			      places[0].position, TMC_PROOF_NEEDED))
		return 0;
	for (size_t i = 0; i < nr; i++) {
		if (!tmc_pack_uses_stays(&mark->packs, &places[i].pack))
			continue;
		*ret_place = places[i];
		return 1;
	}
	return 0; /* copied */
}

static int merge_indexes(struct mark *mark)
{
	size_t nr = mark->survey.proof.nr_indexes;
	CLEANUP_FREE struct tmc_index **indexes = calloc(nr + 1, sizeof(*indexes));
	CLEANUP_FREE size_t *numbers = calloc(nr + 1, sizeof(*numbers));
	struct merging merging = { .mark = mark, .numbers = numbers };
	struct tmc_index_merge merge = {
		.store = mark->prune->repo->store,
		.keys = mark->prune->repo->keys,
		.indexes = indexes,
		.choose = choose_place,
		.context = &merging,
	};
	uint64_t nr_entries;
	int ret;

	if (!indexes || !numbers)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t n = 0; n < nr; n++) {
		if (!mark->index_goes[n])
			continue;
		numbers[merge.nr_indexes] = n;
		indexes[merge.nr_indexes++] = index_of(mark, n);
	}
	ret = merge.nr_indexes ? tmc_index_merge(&merge, &nr_entries) : 0;
	return ret ? ret : tmc_store_sync_index(mark->prune->repo->store);
}

/* ------------------------------------------------------------------------ mark */

static int choose(struct mark *mark)
{
	int ret = tmc_survey_open(&mark->survey, mark->prune->repo);

	if (!ret)
		ret = choose_points(mark);
	if (!ret && !mark->nr_staying) {
		tmc_prune_say(mark->prune, "no restore point stays, so no data is given up: a repository "
			      "that is not wanted any more is removed as a whole");
		return 0;
	}
	if (!ret)
		ret = choose_segments(mark);
	if (!ret)
		ret = tmc_pack_uses_list(&mark->packs, mark->prune->repo->store, &mark->survey.dooms);
	if (!ret)
		ret = check_others(mark);
	if (!ret)
		ret = find_needed(mark);
	if (!ret)
		ret = choose_packs(mark);
	return ret ? ret : choose_indexes(mark);
}

static int seal(struct mark *mark)
{
	const struct tmc_doom *doom = &mark->doom;

	if (!doom->points.nr && !doom->packs.nr && !doom->indexes.nr && !doom->segments.nr)
		return 0;
	return tmc_generation_seal(mark->prune->repo, &mark->doom);
}

static int carry_out(struct mark *mark)
{
	int ret = 0;

	if (mark->doom.packs.nr)
		ret = tmc_repack(mark->prune, &mark->survey, &mark->packs);
	if (!ret && mark->doom.indexes.nr)
		ret = merge_indexes(mark);
	return ret ? ret : seal(mark);
}

int tmc_prune_mark(struct tmc_prune *prune)
{
	struct mark mark = { .prune = prune };
	int ret;

	first_failure_init(&mark.failure);
	ret = choose(&mark);
	if (!ret && !prune->options->dry_run)
		ret = carry_out(&mark);
	tmc_survey_close(&mark.survey);
	tmc_pack_uses_clear(&mark.packs);
	tmc_doom_clear(&mark.doom);
	free(mark.index_goes);
	return damage_ends_it(ret);
}
