// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Removes what a doom lists, once nobody can be using it and everything that is needed
 * has been seen to have another place: invariants 5 to 8 of docs/repository.md. Cut
 * short anywhere, it is done again from the beginning.
 */
#include "catalog/blob_set.h"
#include "catalog/generation.h"
#include "catalog/note.h"
#include "catalog/pack_table.h"
#include "catalog/prune.h"
#include "catalog/survey.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"

#include <errno.h>

#define SURVEYS_MAX 100

struct sweep {
	struct tmc_prune *prune;
	const struct tmc_doom *doom;
	struct tmc_survey survey;
	struct tmc_blob_set *rescued;
	struct tmc_pack_table packs; /* that have what was rescued */
	struct tmc_id_list staying;  /* those, and others that the doom lists in vain */
	struct first_failure failure;
	uint64_t nr_needed;  /* points */
	uint64_t generation; /* the highest of them */
};

/* -------------------------------------------------------------------- sessions */

/* Whether this one may still be using what is doomed: 1, 0 or a negative errno. */
static int is_in_the_way(struct sweep *sweep, const struct tmc_session_info *other)
{
	struct tmc_session *session = tmc_store_session(sweep->prune->repo->store);

	if (other->dead)
		return tmc_session_break(session, other);
	if (tmc_session_avoids(session, other, &sweep->doom->id) ||
	    tmc_session_is_gone(session, other))
		return 0;
	tmc_prune_say(sweep->prune, "what was given up waits for \"%s\", process %s on %s", other->task,
		      other->process, other->host);
	return 1;
}

/* Invariant 6. The list is asked for twice: one that was short must not count. */
static int others_have_left(struct sweep *sweep)
{
	struct tmc_session *session = tmc_store_session(sweep->prune->repo->store);
	int ret = 0;

	for (int round = 0; round < 2 && !ret; round++) {
		CLEANUP_FREE struct tmc_session_info *others = NULL;
		size_t nr = 0;

		ret = tmc_session_list(session, &others, &nr);
		for (size_t i = 0; i < nr && !ret; i++)
			ret = is_in_the_way(sweep, &others[i]);
	}
	return ret < 0 ? ret : !ret;
}

/* ---------------------------------------------------------------------- rescue */

static int rescue(struct sweep *sweep, const struct tmc_blob *blob)
{
	const struct tmc_survey *survey = &sweep->survey;
	struct tmc_location location;
	char digits[TMC_ID_TEXT];

	for (size_t n = 0; n < survey->proof.nr_indexes; n++) {
		struct tmc_entry *entry = &location.entry;
		int ret;

		if (tmc_index_set_find_in(survey->view.indexes, n, blob->type, &blob->id,
					  &location) <= 0 ||
		    tmc_prune_bytes(sweep->prune, TMC_STORE_PACK, &location.pack) <
			    entry->offset + tmc_blob_disk_bytes(&entry->blob))
			continue;
		ret = tmc_pack_table_add(&sweep->packs, &location.pack, &entry->pack);
		if (ret < 0)
			return ret;
		tmc_blob_set_locate(sweep->rescued, entry, 1);
		sweep->prune->result->rescued_blobs++;
		return 0;
	}
	tmc_id_format(&blob->id, digits);
	return failure_set(-EBADMSG, "no pack has %s %s any more: \"tidemark repair\" comes before a "
			   "prune", blob->type == TMC_BLOB_NODE ? "tree node" : "chunk", digits);
}

/* The claim tells: the survey's indexes avoid all dooms. */
static void on_needed(void *context, const struct tmc_location *found)
{
	const struct tmc_blob *blob = &found->entry.blob;
	struct sweep *sweep = context;
	int ret = tmc_blob_set_claim(sweep->rescued, blob->type, &blob->id);

	if (ret > 0)
		ret = rescue(sweep, blob);
	if (ret < 0)
		first_failure_note(&sweep->failure, ret);
}

static bool is_needed(void *context, const struct tmc_survey_point *point)
{
	struct sweep *sweep = context;

	if (tmc_id_list_has(&sweep->doom->points, &point->id))
		return false;
	sweep->nr_needed++;
	if (point->generation > sweep->generation)
		sweep->generation = point->generation;
	return true;
}

static void close_survey(struct sweep *sweep)
{
	tmc_blob_set_destroy(sweep->rescued);
	tmc_pack_table_clear(&sweep->packs);
	tmc_survey_close(&sweep->survey);
	sweep->rescued = NULL;
	sweep->nr_needed = 0;
}

/* Else its packs would seem to stay. */
static bool sees_doom(const struct sweep *sweep)
{
	const struct tmc_dooms *dooms = &sweep->survey.dooms;

	for (size_t i = 0; i < dooms->nr; i++)
		if (tmc_id_equal(&dooms->dooms[i].id, &sweep->doom->id))
			return true;
	return false;
}

/* 1; 0: lists were short, or grow; or a negative errno. */
static int survey_once(struct sweep *sweep)
{
	struct tmc_repo *repo = sweep->prune->repo;
	int ret;

	close_survey(sweep);
	ret = tmc_survey_open(&sweep->survey, repo);
	if (ret < 0 || !sees_doom(sweep))
		return ret;
	sweep->rescued = tmc_blob_set_create(repo->store, repo->keys, sweep->survey.view.indexes,
					     TMC_BLOB_SET_SLOTS);
	if (!sweep->rescued)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_survey_walk(&sweep->survey, is_needed, on_needed, sweep);
	if (!ret)
		ret = first_failure_get(&sweep->failure);
	return ret ? ret : tmc_survey_is_complete(&sweep->survey);
}

/*
 * Packs with what was rescued; and those that an index names which no doom lists: a backup
 * that failed has sealed it since. The next mark finds both of no use.
 */
static int find_staying(struct sweep *sweep)
{
	const struct tmc_proof *proof = &sweep->survey.proof;
	int ret = 0;

	for (uint32_t i = 0; i < sweep->packs.nr && !ret; i++)
		ret = tmc_id_list_add(&sweep->staying, &sweep->packs.packs[i]);
	for (size_t i = 0; i < proof->nr_mentions && !ret; i++)
		if (!sweep->survey.index_is_doomed[proof->mentions[i].number] &&
		    tmc_id_list_has(&sweep->doom->packs, &proof->mentions[i].pack))
			ret = tmc_id_list_add(&sweep->staying, &proof->mentions[i].pack);
	tmc_id_list_sort(&sweep->staying);
	return ret;
}

static int seal_rescued(struct sweep *sweep)
{
	int ret = find_staying(sweep);

	if (!ret)
		ret = tmc_blob_set_commit(sweep->rescued, sweep->packs.packs, sweep->packs.nr);
	return ret ? ret : tmc_store_sync_index(sweep->prune->repo->store);
}

/*
 * Invariant 7. Returns 1, or 0 where nothing is to be removed. A list that was short is
 * seen by the next one, which has more; one that is empty is not believed.
 */
static int survey(struct sweep *sweep)
{
	const struct tmc_doom *doom = sweep->doom;
	int ret = 0;

	for (int n = 0; n < SURVEYS_MAX && !ret; n++)
		ret = survey_once(sweep);
	if (!ret)
		ret = failure_set(-EAGAIN, "restore points are being added faster than they can be "
				  "looked at: run it again later");
	if (ret < 0)
		return ret;
	if (!sweep->nr_needed && (doom->packs.nr || doom->indexes.nr)) {
		tmc_prune_say(sweep->prune, "no restore point is left, so no data is removed: a "
			      "repository that is not wanted any more is removed as a whole");
		return 0;
	}
	ret = seal_rescued(sweep);
	return ret ? ret : 1;
}

/* ---------------------------------------------------------------------- remove */

/* A sweep that was taken for dead must end where repair has put its doom aside. */
static int check_doom(const struct sweep *sweep)
{
	uint64_t ignored;
	int ret = tmc_store_time(sweep->prune->repo->store, TMC_STORE_DOOM, &sweep->doom->id, &ignored);

	return ret == -ENOENT ? failure_set(-EAGAIN, "what was given up has been taken back while it "
					    "was being removed: run it again") : ret;
}

static int remove_one(struct sweep *sweep, enum tmc_store_kind kind, const struct tmc_id *id)
{
	uint64_t bytes = tmc_prune_bytes(sweep->prune, kind, id);
	int ret = check_doom(sweep);

	if (!ret)
		ret = tmc_store_remove(sweep->prune->repo->store, kind, id);
	if (!ret)
		sweep->prune->result->freed_bytes += bytes;
	return ret;
}

static int remove_list(struct sweep *sweep, enum tmc_store_kind kind,
		       const struct tmc_id_list *list)
{
	struct tmc_store *store = sweep->prune->repo->store;
	uint64_t first_bytes[4] = { 0 };
	int ret = 0;

	for (size_t i = 0; i < list->nr && !ret; i++) {
		uint8_t first = list->ids[i].bytes[0];

		if (kind == TMC_STORE_PACK && tmc_id_list_has(&sweep->staying, &list->ids[i]))
			continue;
		ret = remove_one(sweep, kind, &list->ids[i]);
		first_bytes[first / 64] |= 1ull << first % 64;
	}
	if (ret < 0)
		return ret;
	return kind == TMC_STORE_PACK ? tmc_store_sync_packs(store, first_bytes) :
					tmc_store_sync(store, kind);
}

/*
 * Names bring those of a stretch together, the oldest first. Each removal is durable before
 * the next one: what a power cut leaves is the end of a stretch, even if the doom is lost.
 */
static int remove_segments(struct sweep *sweep)
{
	const struct tmc_id_list *segments = &sweep->doom->segments;
	int ret = 0;

	for (size_t i = 0; i < segments->nr && !ret; i++) {
		ret = remove_one(sweep, TMC_STORE_JOURNAL, &segments->ids[i]);
		if (!ret)
			ret = tmc_store_sync(sweep->prune->repo->store, TMC_STORE_JOURNAL);
	}
	return ret;
}

/* Whoever has seen the doom's generation must find none lower (invariant 10). */
static int keep_generation(struct sweep *sweep)
{
	return sweep->generation >= sweep->doom->generation ? 0 :
	       tmc_generation_keep(sweep->prune->repo, sweep->doom->generation);
}

static int remove_all(struct sweep *sweep)
{
	const struct tmc_doom *doom = sweep->doom;
	struct tmc_repo *repo = sweep->prune->repo;
	int ret = keep_generation(sweep);

	if (!ret)
		ret = remove_list(sweep, TMC_STORE_POINT, &doom->points);
	if (!ret)
		ret = tmc_note_remove(repo, &doom->points);
	if (!ret)
		ret = remove_segments(sweep);
	if (!ret)
		ret = remove_list(sweep, TMC_STORE_INDEX, &doom->indexes);
	if (!ret)
		ret = remove_list(sweep, TMC_STORE_PACK, &doom->packs);
	if (!ret)
		ret = tmc_store_remove(repo->store, TMC_STORE_DOOM, &doom->id);
	return ret ? ret : tmc_store_sync(repo->store, TMC_STORE_DOOM);
}

/* ----------------------------------------------------------------------- sweep */

/* If not, nothing that a point needs is in question. */
static bool holds_more_than_segments(const struct tmc_doom *doom)
{
	return doom->points.nr || doom->indexes.nr || doom->packs.nr;
}

/* 1; 0: it waits; or a negative errno. */
static int sweep_doom(struct tmc_prune *prune, const struct tmc_doom *doom)
{
	struct sweep sweep = { .prune = prune, .doom = doom };
	int ret;

	first_failure_init(&sweep.failure);
	ret = others_have_left(&sweep);
	if (ret > 0 && holds_more_than_segments(doom))
		ret = survey(&sweep);
	if (!ret)
		prune->result->waiting_dooms++;
	if (ret > 0) {
		ret = remove_all(&sweep);
		ret = ret ? ret : 1;
	}
	close_survey(&sweep);
	tmc_id_list_clear(&sweep.staying);
	return ret;
}

static int is_ripe(const struct tmc_prune *prune, const struct tmc_doom *doom)
{
	uint64_t time_ns, grace_ns = prune->options->grace_ns;
	int ret = tmc_store_time(prune->repo->store, TMC_STORE_DOOM, &doom->id, &time_ns);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	return !grace_ns || (time_ns <= prune->now_ns && prune->now_ns - time_ns >= grace_ns);
}

static int compare_generations(const void *a, const void *b)
{
	const struct tmc_doom *doom_a = a, *doom_b = b;

	return doom_a->generation < doom_b->generation ? -1 :
							 doom_a->generation > doom_b->generation;
}

static bool lists_segments_alone(const struct tmc_doom *doom)
{
	return !doom->points.nr && !doom->indexes.nr && !doom->packs.nr;
}

/*
 * The oldest first: what its points need is not needed any more by the next. Of a stretch the
 * next one lists later segments, which must not go before those of one that is left.
 */
int tmc_prune_sweep(struct tmc_prune *prune)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	int ret = tmc_dooms_load(prune->repo->store, prune->repo->keys, &dooms);
	bool segments_wait = false;

	if (!ret && dooms.nr)
		qsort(dooms.dooms, dooms.nr, sizeof(*dooms.dooms), compare_generations);
	for (size_t i = 0; i < dooms.nr && ret >= 0; i++) {
		const struct tmc_doom *doom = &dooms.dooms[i];

		if (doom->segments.nr && segments_wait)
			continue;
		ret = prune->journal_only && !lists_segments_alone(doom) ? 0 : is_ripe(prune, doom);
		if (ret > 0)
			ret = sweep_doom(prune, doom);
		segments_wait |= !ret && doom->segments.nr;
	}
	return ret < 0 ? ret : 0;
}
