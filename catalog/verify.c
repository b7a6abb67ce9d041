// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Four passes. Packs: every byte of each pack is compared with its hash once, or
 * as much as the level asks for, and each good blob is noted at the index entries
 * that name it. Indexes: each is compared with its name. Segments: each is proved. Points: each tree is walked and
 * has to end at noted entries; a subtree that points share is walked once. For a single
 * point a walk goes before, to collect the packs that it needs.
 *
 * Objects are listed in the order doom, point, index, pack, so that whatever a writer
 * adds meanwhile is either seen with all that it needs or not at all, and whatever a
 * prune removes has been given up as far as we know. Before anything is called missing
 * or lost it is looked for afresh: docs/repository.md, section Readers.
 */
#include "catalog/verify.h"

#include "catalog/generation.h"
#include "catalog/index_check.h"
#include "catalog/note.h"
#include "catalog/point.h"
#include "catalog/reach.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>

#define LOOKS_MAX 100 /* at indexes that others keep adding */

static void report(struct tmc_verify *verify, const char *text)
{
	LOCK_SCOPE(&verify->lock);
	if (verify->options->damage)
		verify->options->damage(verify->options->context, text);
}

void tmc_verify_note(struct tmc_verify *verify, const char *text)
{
	LOCK_SCOPE(&verify->lock);
	if (verify->options->note)
		verify->options->note(verify->options->context, text);
}

void tmc_verify_damage_text(struct tmc_verify *verify, const char *text)
{
	report(verify, text);
	LOCK_SCOPE(&verify->lock);
	verify->result.damaged_objects++;
}

static void note_damage(struct tmc_verify *verify)
{
	tmc_verify_damage_text(verify, failure_text());
}

void tmc_verify_progress(struct tmc_verify *verify, uint64_t done_bytes, uint64_t read_bytes)
{
	const struct tmc_check_options *options = verify->options;

	LOCK_SCOPE(&verify->lock);
	verify->done_bytes += done_bytes;
	verify->result.read_bytes += read_bytes;
	if (options->progress)
		options->progress(options->context, verify->done_bytes, verify->total_bytes);
}

bool tmc_verify_is_given_up(struct tmc_verify *verify, enum tmc_store_kind kind,
			    const struct tmc_id *id)
{
	struct tmc_dooms now;
	bool listed;

	if (tmc_dooms_list(&verify->dooms, kind, id))
		return true;
	tmc_dooms_load(verify->repo->store, verify->repo->keys, &now); /* those that can be read */
	listed = tmc_dooms_list(&now, kind, id);
	tmc_dooms_clear(&now);
	return listed;
}

/* --------------------------------------------------------------------- indexes */

static void note_index_damage(void *context)
{
	struct tmc_verify *verify = context;

	note_damage(verify);
	verify->index_is_short = true;
}

/* An entry whose pack is damaged has been reported with the pack. */
static int check_indexes(struct tmc_verify *verify)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(verify->repo->store, TMC_STORE_INDEX, &ids, &nr);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		uint64_t bytes = 0;

		ret = tmc_index_check(verify->repo->store, verify->repo->keys, &ids[i], &bytes);
		tmc_verify_progress(verify, bytes, bytes);
		if (ret == -ENOMEM)
			return ret;
		if (ret < 0 && ret != -ENOENT) /* merged and swept since it was listed */
			note_index_damage(verify);
	}
	return 0;
}

/* ---------------------------------------------------------------------- points */

static void lose_point(struct tmc_verify *verify, const char *text)
{
	report(verify, text);
	verify->result.damaged_points++;
}

/* What is damaged on the way is found again, and told, when the point is checked. */
static int collect_packs(struct tmc_verify *verify, const struct tmc_point *point)
{
	const struct tmc_reach reach = { .repo = verify->repo, .proof = &verify->proof };
	struct tmc_point loaded;
	struct tmc_tree tree;
	int ret = tmc_point_load(verify->repo, &point->id, &loaded, &tree);

	if (!ret)
		ret = tmc_reach_tree(&reach, &tree);
	return ret == -ENOMEM ? ret : 0;
}

/* Returns 1 where there are indexes that were not there before: look at all once more. */
static int look_afresh(struct tmc_verify *verify)
{
	size_t nr_indexes = verify->proof.nr_indexes;
	int ret = tmc_index_set_refresh(verify->repo->indexes);

	if (!ret)
		ret = tmc_proof_grow(&verify->proof, note_index_damage, verify);
	if (ret < 0 || verify->proof.nr_indexes == nr_indexes)
		return ret;
	if (!verify->whole)
		ret = collect_packs(verify, verify->options->point);
	if (!ret)
		ret = tmc_verify_packs(verify);
	tmc_tree_check_forget(&verify->trees);
	return ret ? ret : 1;
}

/* What a prune has moved meanwhile is where an index says that came meanwhile. */
static int find_loss(struct tmc_verify *verify, const struct tmc_tree *tree,
		     struct tmc_tree_loss *ret_loss)
{
	int ret = tmc_tree_check(&verify->trees, tree, ret_loss);

	for (unsigned int n = 0; n < LOOKS_MAX && !ret && ret_loss->nr; n++) {
		ret = look_afresh(verify);
		if (ret <= 0)
			return ret;
		ret = tmc_tree_check(&verify->trees, tree, ret_loss);
	}
	return ret;
}

static void say_loss(struct tmc_verify *verify, const struct tmc_point *point,
		     const struct tmc_tree *tree, const struct tmc_tree_loss *loss)
{
	char digits[TMC_ID_TEXT], text[TMC_STORE_TEXT + TMC_TEXT_BYTES];

	tmc_id_format(&point->id, digits);
	snprintf(text, sizeof(text), "restore point %s of volume \"%s\" is damaged: %llu of its "
		 "%llu chunks are lost, the first at byte %llu%s", digits, point->volume.name,
		 (unsigned long long)loss->nr, (unsigned long long)tree->nr_chunks,
		 (unsigned long long)(loss->first * tree->chunk_bytes),
		 verify->index_is_short || tmc_index_set_check(verify->repo->indexes) < 0 ?
		 "; what a damaged or lost index knew, \"tidemark repair --index\" finds again in "
		 "the packs" : "");
	lose_point(verify, text);
}

static void say_lost(struct tmc_verify *verify, const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT], text[TMC_STORE_TEXT];

	note_damage(verify);
	tmc_id_format(id, digits);
	snprintf(text, sizeof(text), "restore point %s is lost: it cannot be read", digits);
	lose_point(verify, text);
}

/* One that a prune gives up meanwhile is none any more, whatever is left of it. */
static int check_point(struct tmc_verify *verify, const struct tmc_id *id)
{
	struct tmc_tree_loss loss = { 0 };
	struct first_failure lost;
	struct tmc_point point;
	struct tmc_tree tree;
	int error = tmc_point_load(verify->repo, id, &point, &tree);
	int ret = error ? error : find_loss(verify, &tree, &loss);

	if (ret == -ENOMEM || (ret < 0 && !error))
		return ret;
	first_failure_init(&lost);
	if (error < 0)
		first_failure_note(&lost, error);
	if ((error < 0 || loss.nr) && tmc_verify_is_given_up(verify, TMC_STORE_POINT, id))
		return verify->whole ? 0 : tmc_point_is_doomed(id);
	if (error == -ENOENT && verify->whole) /* swept, or put aside, since it was listed */
		return 0;
	verify->result.points++;
	if (first_failure_get(&lost) < 0)
		say_lost(verify, id);
	else if (loss.nr)
		say_loss(verify, &point, &tree, &loss);
	return 0;
}

/* --------------------------------------------------------------------- records */

static int load_record(struct tmc_repo *repo, enum tmc_store_kind kind, const struct tmc_id *id)
{
	struct tmc_doom doom;
	struct tmc_note note;
	uint64_t generation;
	int ret;

	if (kind == TMC_STORE_NOTE)
		return tmc_note_load(repo, id, &note);
	if (kind == TMC_STORE_LEDGER)
		return tmc_ledger_load(repo, id, &generation);
	ret = tmc_doom_load(repo->store, repo->keys, id, &doom);
	if (!ret)
		tmc_doom_clear(&doom);
	return ret;
}

static int check_records_of(struct tmc_verify *verify, enum tmc_store_kind kind)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(verify->repo->store, kind, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		ret = load_record(verify->repo, kind, &ids[i]);
		if (ret < 0 && ret != -ENOENT && ret != -ENOMEM)
			note_damage(verify);
		if (ret != -ENOMEM)
			ret = 0;
	}
	return ret;
}

/* Small objects that no content depends on. */
static int check_records(struct tmc_verify *verify)
{
	static const enum tmc_store_kind kinds[] = {
		TMC_STORE_DOOM, TMC_STORE_LEDGER, TMC_STORE_NOTE,
	};
	int ret = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !ret; i++)
		ret = check_records_of(verify, kinds[i]);
	return ret;
}

/* ---------------------------------------------------------------------- verify */

/* Dooms first: a point that a sweep removes is then in one of them, or in no list. */
static int list_points(struct tmc_verify *verify, struct tmc_id **ret_ids, size_t *ret_nr)
{
	size_t nr = 0;
	int ret = tmc_store_list(verify->repo->store, TMC_STORE_POINT, ret_ids, ret_nr);

	for (size_t i = 0; !ret && i < *ret_nr; i++)
		if (!tmc_dooms_list(&verify->dooms, TMC_STORE_POINT, &(*ret_ids)[i]))
			(*ret_ids)[nr++] = (*ret_ids)[i];
	*ret_nr = nr;
	return ret;
}

static int run(struct tmc_verify *verify)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	const struct tmc_point *point = verify->options->point;
	size_t nr = 0;
	int ret = tmc_dooms_load(verify->repo->store, verify->repo->keys, &verify->dooms);

	if (ret == -EBADMSG || ret == -EIO) /* a damaged one is told with the records */
		ret = 0;
	if (!ret && !point)
		ret = list_points(verify, &ids, &nr);
	if (!ret)
		ret = tmc_index_set_refresh(verify->repo->indexes);
	if (!ret)
		ret = tmc_proof_init(&verify->proof, verify->repo->indexes, note_index_damage,
				     verify);
	if (!ret && point)
		ret = collect_packs(verify, point);
	if (!ret)
		ret = tmc_verify_packs(verify);
	if (!ret && verify->whole)
		ret = check_indexes(verify);
	if (!ret && verify->whole)
		ret = check_records(verify);
	if (!ret && verify->whole)
		ret = tmc_verify_segments(verify);
	if (!ret && point)
		ret = check_point(verify, &point->id);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = check_point(verify, &ids[i]);
	return ret;
}

static int check_options(const struct tmc_check_options *options)
{
	if (options->level != TMC_CHECK_SAMPLE ||
	    (!options->sample_bytes != !options->sample_ppm && options->sample_ppm <= 1000000u))
		return 0;
	return failure_set(-EINVAL, "a sample has a size in bytes, or up to 1000000 parts per million");
}

int tmc_check(struct tmc_repo *repo, const struct tmc_check_options *options,
	      struct tmc_verify_result *ret_result)
{
	struct tmc_verify verify = {
		.repo = repo, .options = options, .whole = !options->point, .is_first = true,
	};
	int ret = check_options(options);

	pthread_mutex_init(&verify.lock, NULL);
	tmc_tree_check_init(&verify.trees, repo, &verify.proof);
	tmc_repo_enter(repo, "verify");
	if (!ret)
		ret = run(&verify);
	tmc_tree_check_exit(&verify.trees);
	tmc_proof_exit(&verify.proof);
	tmc_dooms_clear(&verify.dooms);
	tmc_id_list_clear(&verify.checked);
	free(verify.packs);
	free(verify.pack_bytes);
	free(verify.every_byte);
	pthread_mutex_destroy(&verify.lock);
	*ret_result = verify.result;
	if (ret < 0)
		return ret;
	if (verify.result.damaged_objects || verify.result.damaged_points)
		return failure_set(-EBADMSG, "the repository is damaged: %llu objects, %llu of %llu "
				   "restore points",
				   (unsigned long long)verify.result.damaged_objects,
				   (unsigned long long)verify.result.damaged_points,
				   (unsigned long long)verify.result.points);
	return 0;
}

int tmc_verify(struct tmc_repo *repo, const struct tmc_point *point, unsigned int nr_workers,
	       void (*damage)(void *context, const char *text),
	       void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes),
	       void *context, struct tmc_verify_result *ret_result)
{
	const struct tmc_check_options options = {
		.point = point,
		.nr_workers = nr_workers,
		.damage = damage,
		.progress = progress,
		.context = context,
	};

	return tmc_check(repo, &options, ret_result);
}
