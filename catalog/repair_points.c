// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What points have lost, and points without that in their place. One whose tree is
 * whole again gets its name back.
 */
#include "catalog/repair.h"

#include "catalog/blob_set.h"
#include "catalog/note.h"
#include "catalog/pack_writer.h"
#include "catalog/point.h"
#include "catalog/tree_repair.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>

#define RANGES_MAX (1u << 20) /* of a point that are told: more is what nobody reads */

struct rewriting { /* of one point */
	struct tmc_repair *repair;
	struct tmc_point point;
	struct tmc_tree tree; /* the repaired one */
	bool lost;            /* the object cannot be read */
	bool damaged;
};

static void on_lost(void *context, uint64_t first, uint64_t nr)
{
	struct rewriting *rewriting = context;
	const struct tmc_repair_options *options = rewriting->repair->options;
	const struct tmc_tree *tree = &rewriting->tree;

	options->lost(options->context, &rewriting->point, first * tree->chunk_bytes,
		      tmc_tree_bytes(tree, first, nr));
}

static int rewrite_tree(struct rewriting *rewriting, struct tmc_blob_set *blobs,
			struct tmc_pack_writer *packs)
{
	struct tmc_repair *repair = rewriting->repair;
	struct tmc_tree_repair tree_repair = {
		.repo = &repair->view,
		.proof = &repair->proof,
		.blobs = blobs,
		.packs = packs,
		.lost = repair->options->lost && !repair->quiet ? on_lost : NULL,
		.ranges_max = RANGES_MAX,
		.context = rewriting,
	};
	int ret = tmc_tree_repair(&tree_repair, &rewriting->tree);

	repair->result.lost_bytes += tree_repair.lost_bytes;
	rewriting->damaged = tree_repair.lost_chunks != 0;
	if (ret < 0 || !rewriting->damaged)
		return ret;
	rewriting->tree.root = tree_repair.root;
	rewriting->point.parent = rewriting->point.id; /* the original */
	rewriting->point.unreadable_chunks = tree_repair.unreadable_chunks;
	return 0;
}

static void say_lost_point(struct tmc_repair *repair, const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT], text[TMC_STORE_TEXT];

	tmc_id_format(id, digits);
	snprintf(text, sizeof(text), "restore point %s is lost: it cannot be read", digits);
	if (repair->quiet)
		return;
	tmc_repair_say(repair, failure_text());
	tmc_repair_say(repair, text);
}

static int walk_point(struct tmc_repair *repair, const struct tmc_id *id,
		      struct rewriting *rewriting, struct tmc_blob_set *blobs,
		      struct tmc_pack_writer *packs)
{
	int ret = tmc_point_load(repair->repo, id, &rewriting->point, &rewriting->tree);

	rewriting->repair = repair;
	rewriting->point.id = *id;
	if (ret == -ENOENT) /* pruned since it was listed */
		return 0;
	if (tmc_repair_is_damage(ret)) {
		say_lost_point(repair, id);
		rewriting->lost = true;
		repair->result.lost_points++;
		return 0;
	}
	if (!ret)
		ret = rewrite_tree(rewriting, blobs, packs);
	repair->result.rewritten_points += rewriting->damaged;
	return ret;
}

/* Walk all points; blobs NULL: store nothing. ret_rewritings: freed with free(). */
static int walk_points(struct tmc_repair *repair, struct tmc_blob_set *blobs,
		       struct tmc_pack_writer *packs, struct rewriting **ret_rewritings,
		       size_t *ret_nr)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	CLEANUP_FREE struct tmc_id *ids = NULL;
	CLEANUP_FREE struct rewriting *rewritings = NULL;
	size_t nr;
	int ret = tmc_dooms_load(repair->repo->store, repair->repo->keys, &dooms);

	if (tmc_repair_is_damage(ret) && !repair->options->apply)
		ret = 0; /* named before; what it lists counts as not doomed */
	if (!ret)
		ret = tmc_store_list(repair->repo->store, TMC_STORE_POINT, &ids, &nr);
	if (ret < 0)
		return ret;
	repair->result.rewritten_points = repair->result.lost_points = 0;
	repair->result.lost_bytes = 0;
	rewritings = calloc(nr + 1, sizeof(*rewritings));
	if (!rewritings)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr && !ret; i++)
		if (!tmc_dooms_list(&dooms, TMC_STORE_POINT, &ids[i]))
			ret = walk_point(repair, &ids[i], &rewritings[i], blobs, packs);
	if (ret < 0)
		return ret;
	*ret_rewritings = rewritings;
	*ret_nr = nr;
	rewritings = NULL;
	return 0;
}

int tmc_repair_look_at_points(struct tmc_repair *repair)
{
	CLEANUP_FREE struct rewriting *rewritings = NULL;
	size_t nr;

	return walk_points(repair, NULL, NULL, &rewritings, &nr);
}

/* -------------------------------------------------------------------- in place */

/* What was said of a point is said of its replacement too. */
static int copy_note(struct tmc_repair *repair, const struct tmc_id *from, const struct tmc_id *to)
{
	const struct tmc_point original = { .id = *from };
	CLEANUP_FREE struct tmc_note *notes = NULL;
	const struct tmc_note *note;
	struct tmc_note copy;
	size_t nr;
	int ret = tmc_note_list(repair->repo, &notes, &nr);

	if (ret < 0 && !tmc_repair_is_damage(ret))
		return ret;
	note = tmc_note_of(notes, nr, &original);
	if (!note)
		return 0;
	copy = *note;
	copy.point = *to;
	return tmc_note_put(repair->repo, &copy);
}

static bool stands_in_for(const struct tmc_point *point, const struct tmc_point *original)
{
	return tmc_id_equal(&point->parent, &original->id) &&
	       point->cut_time_ns == original->cut_time_ns &&
	       !strcmp(point->volume.volume_id, original->volume.volume_id);
}

/* A repair that was cut short may have stored the replacement, and left the original. */
static int find_replacement(struct tmc_repair *repair, struct rewriting *rewriting,
			    bool *ret_found)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr;
	int ret = tmc_point_list(repair->repo, &points, &nr);

	*ret_found = false;
	for (size_t i = 0; i < nr && (!ret || tmc_repair_is_damage(ret)); i++) {
		struct tmc_point loaded;
		struct tmc_tree tree;

		if (!stands_in_for(&points[i], &rewriting->point) ||
		    tmc_point_load(repair->repo, &points[i].id, &loaded, &tree) < 0 ||
		    !tmc_id_equal(&tree.root, &rewriting->tree.root))
			continue;
		*ret_found = true;
		rewriting->point.id = points[i].id;
		break;
	}
	return tmc_repair_is_damage(ret) ? 0 : ret; /* damaged points are dealt with in turn */
}

static int replace_point(struct tmc_repair *repair, struct rewriting *rewriting)
{
	struct tmc_id old = rewriting->point.id;
	bool found = false;
	int ret = 0;

	if (rewriting->damaged)
		ret = find_replacement(repair, rewriting, &found);
	if (!ret && rewriting->damaged && !found)
		ret = tmc_point_store(repair->repo, &rewriting->tree, &rewriting->point);
	if (!ret && rewriting->damaged)
		ret = copy_note(repair, &old, &rewriting->point.id);
	if (!ret && (rewriting->damaged || rewriting->lost))
		ret = tmc_repair_put_aside(repair, TMC_STORE_POINT, &old);
	return ret;
}

int tmc_repair_replace_points(struct tmc_repair *repair)
{
	struct tmc_repo *repo = repair->repo;
	CLEANUP_FREE struct rewriting *rewritings = NULL;
	struct tmc_blob_set *blobs = tmc_blob_set_create(repo->store, repo->keys, repair->view.indexes,
							 TMC_BLOB_SET_SLOTS);
	struct tmc_pack_writer *packs = NULL;
	size_t nr = 0;
	int ret = blobs ? tmc_pack_writer_create(repo->store, repo->keys, &packs) :
			  failure_set(-ENOMEM, "out of memory");

	if (!ret)
		ret = walk_points(repair, blobs, packs, &rewritings, &nr);
	if (!ret)
		ret = tmc_blob_set_publish(blobs, packs);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = replace_point(repair, &rewritings[i]);
	tmc_blob_set_destroy(blobs);
	tmc_pack_writer_destroy(packs);
	return ret;
}

/* The point that stands in for one that is whole again. */
static int retire_replacement(struct tmc_repair *repair, const struct tmc_point *original)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr;
	int ret = tmc_point_list(repair->repo, &points, &nr);

	for (size_t i = 0; i < nr && !ret; i++)
		if (stands_in_for(&points[i], original) &&
		    points[i].unreadable_chunks > original->unreadable_chunks)
			ret = tmc_repair_put_aside(repair, TMC_STORE_POINT, &points[i].id);
	return ret;
}

static int return_point(struct tmc_repair *repair, const struct tmc_id *id)
{
	struct tmc_tree_repair tree_repair = {
		.repo = &repair->view, .proof = &repair->proof, .only_lasting = true,
	};
	struct tmc_point point;
	struct tmc_tree tree;
	int ret = tmc_point_load_aside(repair->repo, id, &point, &tree);

	if (tmc_repair_is_damage(ret) || ret == -ENOENT)
		return 0;
	if (!ret)
		ret = tmc_tree_repair(&tree_repair, &tree);
	if (ret < 0 || tree_repair.lost_chunks)
		return ret;
	repair->result.returned_points++;
	if (!repair->options->apply)
		return 0;
	ret = tmc_store_take_back_point(repair->repo->store, id);
	if (ret == -EEXIST)
		return 0;
	return ret ? ret : retire_replacement(repair, &point);
}

int tmc_repair_return_points(struct tmc_repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_ASIDE_POINT, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++)
		ret = return_point(repair, &ids[i]);
	return ret;
}
