// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Makes a damaged repository sound. First everything is read, and nothing written:
 * which packs and indexes are damaged, what points lose. Then, step by step, each
 * durable before what it replaces goes aside: the index from the packs, what can be
 * read of damaged packs in new packs, indexes that no longer name damaged packs,
 * and points in whose trees the lost chunks are unreadable. docs/repository.md has
 * the order and why a repair that is cut short anywhere can be repeated.
 */
#include "catalog/blob_set.h"
#include "catalog/index_check.h"
#include "catalog/index_merge.h"
#include "catalog/note.h"
#include "catalog/pack_check.h"
#include "catalog/pack_writer.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "catalog/tree_repair.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"
#include "common/threads.h"

#include <errno.h>
#include <stdio.h>

#define WORKERS_MAX 16

struct bad_pack {
	struct tmc_id id;
	bool missing;
};

struct repair {
	struct tmc_repo *repo;
	const struct tmc_repair_options *options;
	struct tmc_repair_result result;
	bool index_is_short; /* damaged, or a point misses a blob */
	bool quiet;          /* what is said of points now will be said again */

	struct tmc_repo view; /* the repository as it is now, with indexes and packs of its own */
	struct tmc_proof proof;

	enum tmc_pack_depth depth; /* constant while workers run, as the next two */
	struct tmc_id *packs;
	size_t nr_packs;
	atomic_size_t next_pack;
	struct first_failure failure; /* that is no damage */

	pthread_mutex_t lock; /* all below, and calls of the options' callbacks */
	uint64_t done_bytes, total_bytes;
	struct bad_pack *bad; /* sorted once the workers have ended */
	size_t nr_bad;
};

/* What is there and cannot be read, against what would better be tried again. */
static bool is_damage(int error)
{
	return error == -EBADMSG || error == -EIO;
}

static void say(struct repair *repair, const char *text)
{
	LOCK_SCOPE(&repair->lock);
	if (repair->options->say)
		repair->options->say(repair->options->context, text);
}

static int put_aside(struct repair *repair, enum tmc_store_kind kind, const struct tmc_id *id)
{
	char object[TMC_STORE_TEXT], text[TMC_STORE_TEXT + 32];
	int ret = tmc_store_put_aside(repair->repo->store, kind, id);

	if (ret < 0)
		return ret;
	repair->result.put_aside++;
	tmc_store_describe(repair->repo->store, kind, id, object);
	snprintf(text, sizeof(text), "%s was put aside", object);
	say(repair, text);
	return 0;
}

/* ------------------------------------------------------------------------ view */

static void close_view(struct repair *repair)
{
	tmc_proof_exit(&repair->proof);
	tmc_index_set_destroy(repair->view.indexes);
	tmc_pack_cache_destroy(repair->view.packs);
	memset(&repair->proof, 0, sizeof(repair->proof));
	repair->view.indexes = NULL;
	repair->view.packs = NULL;
}

/* An index that cannot tell its packs has been named with the indexes. */
static void ignore(void *context)
{
}

/* Forget what was, and look at what is. */
static int open_view(struct repair *repair)
{
	struct tmc_repo *repo = repair->repo;
	int ret;

	close_view(repair);
	repair->view.indexes = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	repair->view.packs = tmc_pack_cache_create(repo->store, repo->keys);
	if (!repair->view.indexes || !repair->view.packs)
		return failure_set(-ENOMEM, "out of memory");
	tmc_index_set_avoid(repair->view.indexes, &repo->avoided);
	ret = tmc_index_set_refresh(repair->view.indexes);
	return ret ? ret : tmc_proof_init(&repair->proof, repair->view.indexes, ignore, NULL);
}

/* ----------------------------------------------------------------------- packs */

struct worker {
	struct repair *repair;
	int error; /* of the pack at hand */
};

static void on_good(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct worker *worker = context;

	tmc_proof_add_blob(&worker->repair->proof, pack, entry);
}

static void on_damage(void *context, int error)
{
	struct worker *worker = context;

	if (is_damage(error)) {
		say(worker->repair, failure_text());
		worker->error = error;
	} else {
		first_failure_note(&worker->repair->failure, error);
	}
}

static void on_progress(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
	struct repair *repair = ((struct worker *)context)->repair;
	const struct tmc_repair_options *options = repair->options;

	LOCK_SCOPE(&repair->lock);
	repair->done_bytes += pack_bytes;
	if (options->progress)
		options->progress(options->context, repair->done_bytes, repair->total_bytes);
}

static bool is_missing(struct repair *repair, const struct tmc_id *pack)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;

	return tmc_store_get(repair->repo->store, TMC_STORE_PACK, pack, &fd, &bytes) == -ENOENT;
}

static int add_bad(struct repair *repair, const struct tmc_id *pack)
{
	bool missing = is_missing(repair, pack);
	struct bad_pack *bad;

	LOCK_SCOPE(&repair->lock);
	bad = realloc(repair->bad, (repair->nr_bad + 1) * sizeof(*bad));
	if (!bad)
		return failure_set(-ENOMEM, "out of memory");
	repair->bad = bad;
	bad[repair->nr_bad++] = (struct bad_pack){ .id = *pack, .missing = missing };
	repair->result.missing_packs += missing;
	repair->result.damaged_packs += !missing;
	return 0;
}

static void *check_thread(void *context)
{
	struct repair *repair = context;
	struct worker worker = { .repair = repair };
	const struct tmc_pack_check_ops ops = {
		.good = on_good, .damage = on_damage, .progress = on_progress, .context = &worker,
	};
	struct tmc_pack_checker *checker = tmc_pack_checker_create(&repair->view, &ops);
	size_t nth;

	if (!checker)
		first_failure_note(&repair->failure, failure_set(-ENOMEM, "out of memory"));
	while (checker && (nth = atomic_fetch_add(&repair->next_pack, 1)) < repair->nr_packs) {
		int ret = 0;

		worker.error = 0;
		tmc_pack_check(checker, &repair->packs[nth], repair->depth);
		if (worker.error)
			ret = add_bad(repair, &repair->packs[nth]);
		if (ret < 0)
			first_failure_note(&repair->failure, ret);
	}
	tmc_pack_checker_destroy(checker);
	return NULL;
}

static int compare_bad(const void *a, const void *b)
{
	return tmc_id_compare(&((const struct bad_pack *)a)->id, &((const struct bad_pack *)b)->id);
}

static const struct bad_pack *find_bad(const struct repair *repair, const struct tmc_id *pack)
{
	const struct bad_pack key = { .id = *pack };

	return repair->nr_bad ? bsearch(&key, repair->bad, repair->nr_bad, sizeof(key), compare_bad)
			      : NULL;
}

/* Those that are there, then those that an index names and are not. */
static int list_packs(struct repair *repair)
{
	const struct tmc_proof *proof = &repair->proof;
	size_t nr_listed;
	void *packs;
	int ret;

	free(repair->packs);
	repair->packs = NULL;
	ret = tmc_store_list(repair->repo->store, TMC_STORE_PACK, &repair->packs, &nr_listed);
	if (ret < 0)
		return ret;
	packs = realloc(repair->packs, (nr_listed + proof->nr_mentions + 1) * sizeof(struct tmc_id));
	if (!packs)
		return failure_set(-ENOMEM, "out of memory");
	repair->packs = packs;
	repair->nr_packs = nr_listed;
	for (size_t i = 0; i < proof->nr_mentions; i++) {
		const struct tmc_id *pack = &proof->mentions[i].pack;

		if ((i && tmc_id_equal(pack, &proof->mentions[i - 1].pack)) ||
		    (nr_listed && bsearch(pack, packs, nr_listed, sizeof(*pack), tmc_id_compare)))
			continue;
		repair->packs[repair->nr_packs++] = *pack;
	}
	return 0;
}

static void sum_up(struct repair *repair)
{
	repair->done_bytes = repair->total_bytes = 0;
	for (size_t i = 0; i < repair->nr_packs; i++) {
		CLEANUP_CLOSE int fd = -1;
		uint64_t bytes;

		if (!tmc_store_get(repair->repo->store, TMC_STORE_PACK, &repair->packs[i], &fd, &bytes))
			repair->total_bytes += bytes;
	}
}

/* Look at all packs anew; sets bad and the proof. */
static int check_packs(struct repair *repair, enum tmc_pack_depth depth)
{
	struct threads *threads;
	int ret = open_view(repair);

	repair->depth = depth;
	repair->next_pack = 0;
	repair->nr_bad = 0;
	if (!ret)
		ret = list_packs(repair);
	if (ret < 0)
		return ret;
	sum_up(repair);
	ret = threads_start(repair->options->nr_workers, WORKERS_MAX, check_thread, repair, &threads);
	if (ret < 0)
		return failure_set(ret, "cannot start to read: %s", strerror(-ret));
	threads_join(threads);
	if (repair->nr_bad)
		qsort(repair->bad, repair->nr_bad, sizeof(*repair->bad), compare_bad);
	return first_failure_get(&repair->failure);
}

/* ---------------------------------------------------------------------- points */

struct rewriting { /* of one point */
	struct repair *repair;
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
	struct repair *repair = rewriting->repair;
	struct tmc_tree_repair tree_repair = {
		.repo = &repair->view,
		.proof = &repair->proof,
		.blobs = blobs,
		.packs = packs,
		.lost = repair->options->lost && !repair->quiet ? on_lost : NULL,
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

static void say_lost_point(struct repair *repair, const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT], text[TMC_STORE_TEXT];

	tmc_id_format(id, digits);
	snprintf(text, sizeof(text), "restore point %s is lost: it cannot be read", digits);
	if (repair->quiet)
		return;
	say(repair, failure_text());
	say(repair, text);
}

static int walk_point(struct repair *repair, const struct tmc_id *id, struct rewriting *rewriting,
		      struct tmc_blob_set *blobs, struct tmc_pack_writer *packs)
{
	int ret = tmc_point_load(repair->repo, id, &rewriting->point, &rewriting->tree);

	rewriting->repair = repair;
	rewriting->point.id = *id;
	if (ret == -ENOENT) /* pruned since it was listed */
		return 0;
	if (is_damage(ret)) {
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
static int walk_points(struct repair *repair, struct tmc_blob_set *blobs,
		       struct tmc_pack_writer *packs, struct rewriting **ret_rewritings,
		       size_t *ret_nr)
{
	CLEANUP(tmc_dooms_clear) struct tmc_dooms dooms = { 0 };
	CLEANUP_FREE struct tmc_id *ids = NULL;
	CLEANUP_FREE struct rewriting *rewritings = NULL;
	size_t nr;
	int ret = tmc_dooms_load(repair->repo->store, repair->repo->keys, &dooms);

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

/* ------------------------------------------------------------------------ plan */

static int check_indexes(struct repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_INDEX, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		uint64_t bytes;

		ret = tmc_index_check(repair->repo->store, repair->repo->keys, &ids[i], &bytes);
		if (ret == -ENOENT) /* merged and swept since it was listed */
			ret = 0;
		if (!is_damage(ret))
			continue;
		say(repair, failure_text());
		repair->result.damaged_indexes++;
		ret = 0;
	}
	return ret;
}

/* Everything is read; nothing is written. */
static int plan(struct repair *repair)
{
	CLEANUP_FREE struct rewriting *rewritings = NULL;
	size_t nr;
	int ret = check_indexes(repair);

	if (!ret)
		ret = check_packs(repair, TMC_PACK_EVERY_BYTE);
	if (ret < 0)
		return ret;
	repair->quiet = repair->options->apply;
	ret = walk_points(repair, NULL, NULL, &rewritings, &nr);
	repair->quiet = false;
	repair->index_is_short = repair->result.damaged_indexes || repair->result.rewritten_points;
	return ret;
}

/* --------------------------------------------------------------------- salvage */

/* Blobs on their way to new packs. */
struct store {
	struct tmc_index_set *known; /* what need not be stored */
	struct tmc_blob_set *blobs;
	struct tmc_pack_writer *packs;
};

static void destroy_store(struct store *store)
{
	tmc_blob_set_destroy(store->blobs);
	tmc_pack_writer_destroy(store->packs);
}

static int create_store(struct repair *repair, struct tmc_index_set *known, struct store *store)
{
	struct tmc_repo *repo = repair->repo;

	store->blobs = tmc_blob_set_create(repo->store, repo->keys, known, TMC_BLOB_SET_SLOTS);
	if (!store->blobs)
		return failure_set(-ENOMEM, "out of memory");
	return tmc_pack_writer_create(repo->store, repo->keys, &store->packs);
}

/* Packs durable, then the index that names them: invariant 1. */
static int commit_store(struct repair *repair, struct store *store)
{
	int ret = tmc_pack_writer_finish(store->packs);
	const struct tmc_id *packs;
	uint32_t nr_packs;

	if (ret < 0)
		return ret;
	packs = tmc_pack_writer_packs(store->packs, &nr_packs);
	ret = tmc_blob_set_commit(store->blobs, packs, nr_packs);
	return ret ? ret : tmc_store_sync_index(repair->repo->store);
}

struct salvage {
	struct repair *repair;
	struct store store;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *raw; /* room for the largest blob */
	int error;
};

/* Whether the blob has a place in a pack that stays. */
static bool stays(const struct repair *repair, const struct tmc_blob *blob)
{
	struct tmc_location location;

	for (size_t n = 0; n < repair->proof.nr_indexes; n++)
		if (tmc_index_set_find_in(repair->view.indexes, n, blob->type, &blob->id,
					  &location) > 0 &&
		    !find_bad(repair, &location.pack))
			return true;
	return false;
}

/* As it lies there, once it is proved that these are the bytes. */
static int copy_blob(struct salvage *salvage, const struct tmc_id *pack_id,
		     const struct tmc_entry *found)
{
	struct tmc_pack_cache *packs = salvage->repair->view.packs;
	uint64_t bytes = tmc_blob_disk_bytes(&found->blob);
	struct tmc_entry entry = *found;
	char text[TMC_STORE_TEXT];
	struct tmc_pack *pack;
	int ret = tmc_pack_get(packs, pack_id, &pack);

	if (ret < 0)
		return ret;
	ret = tmc_pack_read(packs, pack, salvage->disk, bytes, found->offset);
	tmc_pack_put(packs, pack);
	if (!ret)
		ret = tmc_blob_decode(salvage->coder, &found->blob, salvage->disk,
				      tmc_pack_describe(packs, pack_id, text), found->offset,
				      salvage->raw);
	if (!ret)
		ret = tmc_pack_writer_append(salvage->store.packs, salvage->disk, bytes, &entry, 1);
	if (ret < 0)
		return ret;
	tmc_blob_set_locate(salvage->store.blobs, &entry, 1);
	salvage->repair->result.salvaged_blobs++;
	salvage->repair->result.salvaged_bytes += bytes;
	return 0;
}

static void salvage_blob(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct salvage *salvage = context;
	int ret;

	if (salvage->error || stays(salvage->repair, &entry->blob))
		return;
	ret = tmc_blob_set_claim(salvage->store.blobs, entry->blob.type, &entry->blob.id);
	if (ret > 0)
		ret = copy_blob(salvage, pack, entry);
	salvage->error = ret < 0 ? ret : 0;
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
	struct repair *repair = salvage->repair;
	struct tmc_pack_checker *checker = tmc_pack_checker_create(&repair->view, &ops);

	if (!checker)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < repair->nr_bad && !salvage->error; i++)
		if (!repair->bad[i].missing)
			tmc_pack_check(checker, &repair->bad[i].id, TMC_PACK_EVERY_BYTE);
	tmc_pack_checker_destroy(checker);
	return salvage->error ? salvage->error : commit_store(repair, &salvage->store);
}

static int salvage_all(struct repair *repair)
{
	struct tmc_repo *repo = repair->repo;
	uint32_t disk_bytes = tmc_limits_disk_bytes(&repo->limits);
	CLEANUP_FREE uint8_t *room = malloc(2 * (size_t)disk_bytes);
	struct tmc_index_set *none = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	struct salvage salvage = {
		.repair = repair,
		.coder = tmc_blob_coder_create(&repo->limits, repo->keys),
		.disk = room,
		.raw = room ? room + disk_bytes : NULL,
	};
	int ret = room && none && salvage.coder ? create_store(repair, none, &salvage.store) :
						  failure_set(-ENOMEM, "out of memory");

	if (!ret)
		ret = salvage_packs(&salvage);
	destroy_store(&salvage.store);
	tmc_blob_coder_destroy(salvage.coder);
	tmc_index_set_destroy(none);
	return ret;
}

/* --------------------------------------------------------------------- indexes */

static int choose_place(void *context, const struct tmc_merge_place *places, size_t nr,
			struct tmc_merge_place *ret_place)
{
	for (size_t i = 0; i < nr; i++) {
		if (find_bad(context, &places[i].pack))
			continue;
		*ret_place = places[i];
		return 1;
	}
	return 0;
}

static bool names_bad_pack(const struct repair *repair, size_t number)
{
	const struct tmc_proof *proof = &repair->proof;

	for (size_t i = 0; i < proof->nr_mentions; i++)
		if (proof->mentions[i].number == number && find_bad(repair, &proof->mentions[i].pack))
			return true;
	return false;
}

/* Indexes that name packs that go, or are gone: what they say of others goes into a new one. */
static int replace_indexes(struct repair *repair)
{
	CLEANUP_FREE struct tmc_index **indexes = calloc(repair->proof.nr_indexes + 1,
							 sizeof(*indexes));
	struct tmc_index_merge merge = {
		.store = repair->repo->store,
		.keys = repair->repo->keys,
		.indexes = indexes,
		.choose = choose_place,
		.context = repair,
	};
	uint64_t nr_entries;
	int ret;

	if (!indexes)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t n = 0; n < repair->proof.nr_indexes; n++)
		if (names_bad_pack(repair, n))
			indexes[merge.nr_indexes++] = tmc_index_set_get(repair->view.indexes, n);
	if (!merge.nr_indexes)
		return 0;
	ret = tmc_index_merge(&merge, &nr_entries);
	if (!ret)
		ret = tmc_store_sync_index(repair->repo->store);
	for (size_t i = 0; i < merge.nr_indexes && !ret; i++)
		ret = put_aside(repair, TMC_STORE_INDEX, tmc_index_id(indexes[i]));
	return ret;
}

static int replace_packs(struct repair *repair)
{
	int ret = salvage_all(repair);

	if (!ret)
		ret = replace_indexes(repair);
	for (size_t i = 0; i < repair->nr_bad && !ret; i++)
		if (!repair->bad[i].missing)
			ret = put_aside(repair, TMC_STORE_PACK, &repair->bad[i].id);
	return ret;
}

/* -------------------------------------------------------------- points, in place */

/* What was said of a point is said of its replacement too. */
static int copy_note(struct repair *repair, const struct tmc_id *from, const struct tmc_id *to)
{
	const struct tmc_point original = { .id = *from };
	CLEANUP_FREE struct tmc_note *notes = NULL;
	const struct tmc_note *note;
	struct tmc_note copy;
	size_t nr;
	int ret = tmc_note_list(repair->repo, &notes, &nr);

	if (ret < 0 && !is_damage(ret))
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
static int find_replacement(struct repair *repair, struct rewriting *rewriting, bool *ret_found)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr;
	int ret = tmc_point_list(repair->repo, &points, &nr);

	*ret_found = false;
	for (size_t i = 0; i < nr && (!ret || is_damage(ret)); i++) {
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
	return is_damage(ret) ? 0 : ret; /* damaged points are dealt with in turn */
}

static int replace_point(struct repair *repair, struct rewriting *rewriting)
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
		ret = put_aside(repair, TMC_STORE_POINT, &old);
	return ret;
}

static int replace_points(struct repair *repair)
{
	CLEANUP_FREE struct rewriting *rewritings = NULL;
	struct store store = { 0 };
	size_t nr = 0;
	int ret = create_store(repair, repair->view.indexes, &store);

	if (!ret)
		ret = walk_points(repair, store.blobs, store.packs, &rewritings, &nr);
	if (!ret)
		ret = commit_store(repair, &store);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = replace_point(repair, &rewritings[i]);
	destroy_store(&store);
	return ret;
}

/* The point that stands in for one that is whole again. */
static int retire_replacement(struct repair *repair, const struct tmc_point *original)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr;
	int ret = tmc_point_list(repair->repo, &points, &nr);

	for (size_t i = 0; i < nr && !ret; i++)
		if (stands_in_for(&points[i], original) &&
		    points[i].unreadable_chunks > original->unreadable_chunks)
			ret = put_aside(repair, TMC_STORE_POINT, &points[i].id);
	return ret;
}

static int return_point(struct repair *repair, const struct tmc_id *id)
{
	struct tmc_tree_repair tree_repair = { .repo = &repair->view, .proof = &repair->proof };
	struct tmc_point point;
	struct tmc_tree tree;
	int ret = tmc_point_load_aside(repair->repo, id, &point, &tree);

	if (is_damage(ret) || ret == -ENOENT)
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

/* A later backup has stored again what was lost: the original is whole. */
static int return_points(struct repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_ASIDE_POINT, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++)
		ret = return_point(repair, &ids[i]);
	return ret;
}

static int put_notes_aside(struct repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_NOTE, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_note note;

		ret = tmc_note_load(repair->repo, &ids[i], &note);
		if (ret == -ENOENT) /* replaced since it was listed */
			ret = 0;
		if (!is_damage(ret))
			continue;
		say(repair, failure_text());
		repair->result.damaged_notes++;
		ret = repair->options->apply ? put_aside(repair, TMC_STORE_NOTE, &ids[i]) : 0;
	}
	return ret;
}

/* ---------------------------------------------------------------------- repair */

static int repair_index(struct repair *repair)
{
	struct tmc_index_repair ignored;
	int ret = tmc_repair_index(repair->repo, NULL, NULL, &ignored);

	repair->result.put_aside += ignored.put_aside;
	return ret == -EBADMSG ? 0 : ret; /* damaged packs are known, and next */
}

static int apply(struct repair *repair)
{
	int ret = 0;

	if (repair->index_is_short)
		ret = repair_index(repair);
	if (!ret && repair->index_is_short)
		ret = open_view(repair);
	if (!ret && repair->nr_bad)
		ret = replace_packs(repair);
	if (!ret)
		ret = check_packs(repair, TMC_PACK_STRUCTURE);
	if (!ret && repair->nr_bad)
		ret = failure_set(-EAGAIN, "%zu packs were damaged while the repository was being "
				  "repaired: run it again", repair->nr_bad);
	if (!ret)
		ret = replace_points(repair);
	return ret ? ret : return_points(repair);
}

static int run(struct repair *repair)
{
	int ret = tmc_keys_check(repair->repo->keys);

	if (!ret && repair->repo->ro_compat)
		ret = failure_set(-EPROTONOSUPPORT, "a newer Tidemark has changed the repository so "
				  "that this one may only read it: install a newer version");
	if (!ret)
		ret = tmc_repo_enter(repair->repo, "repair");
	if (!repair->options->apply && (ret == -EACCES || ret == -EROFS))
		ret = 0; /* who only reads may do without a session */
	if (!ret)
		ret = plan(repair);
	if (!ret)
		ret = put_notes_aside(repair);
	if (ret < 0)
		return ret;
	return repair->options->apply ? apply(repair) : return_points(repair);
}

static int verdict(const struct repair *repair)
{
	const struct tmc_repair_result *result = &repair->result;

	if (repair->options->apply)
		return result->lost_points || result->rewritten_points ?
		       failure_set(-EBADMSG, "the repository is sound again, but %llu restore points have "
				   "lost parts and %llu are lost",
				   (unsigned long long)result->rewritten_points,
				   (unsigned long long)result->lost_points) : 0;
	if (result->damaged_packs || result->missing_packs || result->damaged_indexes ||
	    result->damaged_notes || result->rewritten_points || result->lost_points)
		return failure_set(-EBADMSG, "the repository is damaged: \"tidemark repair --apply\" "
				   "makes it sound, and keeps what can be read");
	return 0;
}

int tmc_repair(struct tmc_repo *repo, const struct tmc_repair_options *options,
	       struct tmc_repair_result *ret_result)
{
	struct repair repair = { .repo = repo, .options = options, .view = *repo };
	int ret;

	repair.view.indexes = NULL;
	repair.view.packs = NULL;
	pthread_mutex_init(&repair.lock, NULL);
	first_failure_init(&repair.failure);
	ret = run(&repair);
	close_view(&repair);
	free(repair.packs);
	free(repair.bad);
	pthread_mutex_destroy(&repair.lock);
	*ret_result = repair.result;
	return ret ? ret : verdict(&repair);
}
