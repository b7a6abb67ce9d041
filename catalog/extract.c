// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reading a whole point. The caller's thread walks the tree, looks up places and
 * plans reads, a few stripes of the volume at a time; workers read in the order of
 * the packs, decode and verify each chunk into its stripe, and deliver a stripe
 * when it is complete. So both the packs and the volume see large requests, however
 * scattered a point lies, and memory does not depend on its size. A chunk that is
 * damaged where the plan says is looked for at its other places, if it has any.
 */
#include "catalog/extract.h"

#include "catalog/blob_read.h"
#include "catalog/point.h"
#include "catalog/read_plan.h"
#include "catalog/repo.h"
#include "catalog/stripe.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"
#include "common/queue.h"
#include "common/threads.h"

#include <errno.h>
#include <stdlib.h>

#define WORKERS_MAX 16
#define PAGE_BYTES  4096

#define PLANNED_BYTES (16u << 20) /* of the volume, by one plan; twice that is in memory */
static_assert(PLANNED_BYTES / TMC_CHUNK_BYTES_MIN <= TMC_PLAN_PIECES, "a plan holds them");

struct extract {
	struct tmc_repo *repo;
	const struct tmc_sink *sink;
	struct tmc_tree tree;
	const uint64_t *left_out; /* by chunk, or NULL */
	uint64_t begin, end;      /* chunks outside are left out too */
	struct first_failure failure;
	struct queue *reads;             /* from the planner to the workers */
	struct tmc_stripe_pool *stripes; /* closed by a failure: nobody waits for more */
	pthread_mutex_t progress_lock; /* done_bytes, calls of progress */
	uint64_t done_bytes;
};

static void add_progress(struct extract *extract, uint64_t bytes)
{
	if (!extract->sink->progress)
		return;
	LOCK_SCOPE(&extract->progress_lock);
	extract->done_bytes += bytes;
	extract->sink->progress(extract->sink->context, extract->done_bytes,
				extract->tree.volume_bytes);
}

static void fail(struct extract *extract, int error)
{
	first_failure_note(&extract->failure, error);
	tmc_stripe_pool_close(extract->stripes);
}

/* ---------------------------------------------------------------------- worker */

struct worker {
	struct extract *extract;
	struct tmc_blob_coder *coder;
	uint8_t *disk;       /* one read, and slack */
	const uint8_t *data; /* where in it the read begins */
	uint8_t *single;     /* one blob, read from another place */
};

static int deliver_run(struct extract *extract, const struct tmc_stripe *stripe, uint32_t nth,
		       uint32_t nr)
{
	uint64_t chunk = stripe->first_chunk + nth;
	size_t bytes = (size_t)tmc_tree_bytes(&extract->tree, chunk, nr);
	int ret = 0;

	if (extract->sink->data)
		ret = extract->sink->data(extract->sink->context, chunk * extract->tree.chunk_bytes,
					  tmc_stripe_room(stripe, &extract->tree, chunk), bytes);
	if (!ret)
		add_progress(extract, bytes);
	return ret;
}

static int deliver_stripe(struct extract *extract, struct tmc_stripe *stripe)
{
	uint32_t nth = 0, nr;
	int ret = 0;

	for (; !ret && (nr = tmc_stripe_run(stripe, &nth)); nth += nr)
		ret = deliver_run(extract, stripe, nth, nr);
	if (!ret)
		tmc_stripe_put(extract->stripes, stripe);
	return ret;
}

static int decode_piece(struct worker *worker, const struct tmc_read *read, bool was_read,
			const struct tmc_piece *piece, const char *what)
{
	uint8_t *raw = tmc_stripe_room(piece->stripe, &worker->extract->tree, piece->chunk);
	struct tmc_blob blob;
	char text[TMC_STORE_TEXT];
	int ret = -EBADMSG;

	if (was_read)
		ret = tmc_blob_decode(worker->coder, &piece->blob,
				      worker->data + (piece->offset - read->offset), what,
				      piece->offset, raw);
	if (!ret)
		return 0;
	return tmc_blob_read(worker->extract->repo, TMC_BLOB_CHUNK, &piece->blob.id, worker->coder,
			     worker->single, raw, &blob, text);
}

static int do_piece(struct worker *worker, const struct tmc_read *read, bool was_read,
		    const struct tmc_piece *piece, const char *what)
{
	const struct tmc_tree *tree = &worker->extract->tree;
	uint32_t bytes = tmc_tree_chunk_bytes(tree, piece->chunk);
	int ret;

	if (piece->blob.raw_bytes != bytes)
		return failure_set(-EBADMSG, "%s is damaged: the chunk at byte %u has another "
				   "length than its volume needs", what, piece->offset);
	ret = decode_piece(worker, read, was_read, piece, what);
	if (ret < 0)
		return ret;
	return tmc_stripe_have(piece->stripe) ? deliver_stripe(worker->extract, piece->stripe) : 0;
}

static int do_read(struct worker *worker, const struct tmc_read *read)
{
	struct tmc_pack_cache *packs = worker->extract->repo->packs;
	char text[TMC_STORE_TEXT];
	struct tmc_pack *pack;
	bool was_read = false;
	int ret = 0;

	if (!tmc_pack_get(packs, &read->pack, &pack)) {
		was_read = !tmc_pack_read_large(packs, pack, worker->disk, read->bytes,
						read->offset, &worker->data);
		tmc_pack_put(packs, pack);
	}
	tmc_pack_describe(packs, &read->pack, text);
	for (uint32_t i = 0; i < read->nr_pieces && !ret; i++)
		ret = do_piece(worker, read, was_read, &read->pieces[i], text);
	return ret;
}

static int init_worker(struct worker *worker)
{
	const struct tmc_limits *limits = &worker->extract->repo->limits;
	size_t disk_bytes = TMC_READ_BYTES + tmc_limits_disk_bytes(limits) + TMC_PACK_SLACK_BYTES;

	worker->coder = tmc_blob_coder_create(limits, worker->extract->repo->keys);
	worker->single = malloc(tmc_limits_disk_bytes(limits));
	worker->disk = aligned_alloc(PAGE_BYTES, disk_bytes - disk_bytes % PAGE_BYTES + PAGE_BYTES);
	if (!worker->coder || !worker->single || !worker->disk)
		return failure_set(-ENOMEM, "out of memory");
	return 0;
}

static void *worker_thread(void *context)
{
	struct worker worker = { .extract = context };
	struct first_failure *failure = &worker.extract->failure;
	struct tmc_read *read;

	if (init_worker(&worker) < 0)
		fail(worker.extract, -ENOMEM);
	while ((read = queue_pop(worker.extract->reads))) {
		int ret = first_failure_get(failure);

		if (!ret)
			ret = do_read(&worker, read);
		if (ret < 0)
			fail(worker.extract, ret);
		free(read);
	}
	tmc_blob_coder_destroy(worker.coder);
	free(worker.single);
	free(worker.disk);
	return NULL;
}

/* --------------------------------------------------------------------- planner */

struct planner {
	struct extract *extract;
	struct tmc_node_reader *reader;
	struct tmc_read_plan *plan;
	struct tmc_stripe *stripe; /* the plan's latest, or NULL */
	uint32_t nr_stripes;       /* of the plan */
	uint32_t nr_max;           /* this time; twice as many each: the first byte comes soon */
	struct tmc_id *ids;  /* fan_out for each level: the nodes on the way down */
	struct tmc_id same;  /* special id of the range below */
	uint64_t same_first, same_nr;
};

/* Stripes of one plan, a power of two. */
static uint32_t nr_planned(const struct tmc_repo *repo)
{
	uint32_t chunk_bytes = repo->limits.chunk_bytes;

	return PLANNED_BYTES / chunk_bytes / tmc_stripe_chunks(chunk_bytes);
}

static int dispatch(struct planner *planner)
{
	struct extract *extract = planner->extract;
	struct tmc_read *read;
	int ret;

	tmc_read_plan_sort(planner->plan);
	while ((ret = first_failure_get(&extract->failure)) == 0 &&
	       (ret = tmc_read_plan_next(planner->plan, &read)) > 0)
		queue_push(extract->reads, read);
	tmc_read_plan_clear(planner->plan);
	planner->stripe = NULL;
	planner->nr_stripes = 0;
	if (planner->nr_max < nr_planned(extract->repo))
		planner->nr_max *= 2;
	return ret;
}

/* Deliver the range of zero or unreadable chunks that has been gathered. */
static int flush_same(struct planner *planner)
{
	const struct tmc_sink *sink = planner->extract->sink;
	const struct tmc_tree *tree = &planner->extract->tree;
	bool zero = tmc_id_equal(&planner->same, &tmc_id_zero);
	int (*deliver)(void *, uint64_t, uint64_t) = zero ? sink->zero : sink->unreadable;
	uint64_t bytes;
	int ret = 0;

	if (!planner->same_nr)
		return 0;
	bytes = tmc_tree_bytes(tree, planner->same_first, planner->same_nr);
	if (deliver)
		ret = deliver(sink->context, planner->same_first * tree->chunk_bytes, bytes);
	planner->same_nr = 0;
	if (!ret)
		add_progress(planner->extract, bytes);
	return ret;
}

static int plan_run(struct planner *planner, uint64_t first, uint64_t nr, const struct tmc_id *id)
{
	int ret = 0;

	if (planner->same_nr && (planner->same_first + planner->same_nr != first ||
				 !tmc_id_equal(&planner->same, id)))
		ret = flush_same(planner);
	if (!planner->same_nr) {
		planner->same_first = first;
		planner->same = *id;
	}
	planner->same_nr += nr;
	return ret;
}

/* Cut to what lies within the part; false: nothing does. */
static bool clip(const struct extract *extract, uint64_t *first, uint64_t *end)
{
	*first = *first > extract->begin ? *first : extract->begin;
	*end = *end < extract->end ? *end : extract->end;
	return *first < *end;
}

static int plan_same(struct planner *planner, uint64_t first, uint64_t nr, const struct tmc_id *id)
{
	const uint64_t *left_out = planner->extract->left_out;
	uint64_t end = first + nr, behind;
	int ret = 0;

	if (!clip(planner->extract, &first, &end))
		return 0;
	if (!left_out)
		return plan_run(planner, first, end - first, id);
	for (; !ret; first = behind) {
		first = bit_find(left_out, first, end, false);
		behind = bit_find(left_out, first, end, true);
		if (first == end)
			break;
		ret = plan_run(planner, first, behind - first, id);
	}
	return ret;
}

/* Of a branch of which nothing is wanted no node is read: a small part costs little. */
static bool is_wanted(const struct extract *extract, uint64_t first, uint64_t nr)
{
	uint64_t end = first + nr;

	return clip(extract, &first, &end) &&
	       (!extract->left_out || bit_find(extract->left_out, first, end, false) < end);
}

/* Waits at most for the stripes of earlier plans: all are dispatched, and fit beside this one. */
static int next_stripe(struct planner *planner, uint64_t first_chunk)
{
	struct extract *extract = planner->extract;
	int ret = planner->nr_stripes == planner->nr_max ? dispatch(planner) : 0;

	if (ret < 0)
		return ret;
	planner->stripe = tmc_stripe_get(extract->stripes, first_chunk);
	planner->nr_stripes++;
	return planner->stripe ? 0 : first_failure_get(&extract->failure);
}

static int plan_chunk(struct planner *planner, uint64_t chunk, const struct tmc_id *id)
{
	struct extract *extract = planner->extract;
	uint64_t first = chunk - chunk % tmc_stripe_chunks(extract->tree.chunk_bytes);
	struct tmc_location location;
	int ret;

	ret = tmc_index_set_find(extract->repo->indexes, TMC_BLOB_CHUNK, id, &location);
	if (!ret && (!planner->stripe || planner->stripe->first_chunk != first))
		ret = next_stripe(planner, first);
	if (ret < 0)
		return ret;
	tmc_stripe_want(planner->stripe, chunk);
	tmc_read_plan_add(planner->plan, chunk, planner->stripe, &location);
	return 0;
}

static int plan_node(struct planner *planner, uint32_t level, uint64_t node,
		     const struct tmc_id *id)
{
	const struct tmc_tree *tree = &planner->extract->tree;
	struct tmc_id *ids = planner->ids + (size_t)level * tree->fan_out;
	uint32_t count = tmc_tree_node_count(tree, level, node);
	uint64_t span = tmc_tree_span_chunks(tree, level);
	int ret = tmc_node_read(planner->reader, tree, level, node, id, ids);

	for (uint32_t i = 0; i < count && !ret; i++) {
		uint64_t nth = node * tree->fan_out + i;
		uint64_t first = nth * span;
		uint64_t left = tree->nr_chunks - first;
		uint64_t nr = left < span ? left : span;

		if (!is_wanted(planner->extract, first, nr))
			continue;
		if (tmc_id_is_special(&ids[i]))
			ret = plan_same(planner, first, nr, &ids[i]);
		else if (level)
			ret = plan_node(planner, level - 1, nth, &ids[i]);
		else
			ret = plan_chunk(planner, first, &ids[i]);
		if (!ret)
			ret = first_failure_get(&planner->extract->failure);
	}
	return ret;
}

static int plan_point(struct extract *extract)
{
	const struct tmc_tree *tree = &extract->tree;
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(extract->repo);
	CLEANUP_FREE struct tmc_read_plan *plan = tmc_read_plan_create();
	CLEANUP_FREE struct tmc_id *ids = malloc((size_t)tree->levels * tree->fan_out *
						 sizeof(*ids));
	struct planner planner = {
		.extract = extract, .reader = reader, .plan = plan, .nr_max = 1, .ids = ids,
	};
	int ret;

	if (!reader || !plan || !ids)
		return failure_set(-ENOMEM, "out of memory");
	if (!tree->nr_chunks)
		return 0;
	if (tmc_id_is_special(&tree->root))
		ret = plan_same(&planner, 0, tree->nr_chunks, &tree->root);
	else
		ret = plan_node(&planner, tree->levels - 1, 0, &tree->root);
	if (!ret)
		ret = flush_same(&planner);
	return ret ? ret : dispatch(&planner);
}

/* A small volume needs no more than it has. */
static struct tmc_stripe_pool *create_stripes(const struct extract *extract)
{
	uint32_t chunk_bytes = extract->repo->limits.chunk_bytes;
	uint64_t nr = extract->tree.nr_chunks / tmc_stripe_chunks(chunk_bytes) + 1;
	uint32_t nr_max = 2 * nr_planned(extract->repo);

	return tmc_stripe_pool_create(nr < nr_max ? (size_t)nr : nr_max, chunk_bytes);
}

uint64_t tmc_extract_end(const struct tmc_tree *tree, const struct tmc_part *part)
{
	if (part->first_chunk >= tree->nr_chunks)
		return part->first_chunk;
	return part->nr_chunks < tree->nr_chunks - part->first_chunk ?
	       part->first_chunk + part->nr_chunks : tree->nr_chunks;
}

int tmc_extract(struct tmc_repo *repo, const struct tmc_tree *tree, const struct tmc_part *part,
		unsigned int nr_workers, const struct tmc_sink *sink)
{
	struct extract extract = {
		.repo = repo, .sink = sink, .tree = *tree, .left_out = part->left_out,
		.begin = part->first_chunk, .end = tmc_extract_end(tree, part),
	};
	struct threads *threads = NULL;
	int ret;

	first_failure_init(&extract.failure);
	pthread_mutex_init(&extract.progress_lock, NULL);
	extract.reads = queue_create(2 * threads_nr(nr_workers, WORKERS_MAX));
	extract.stripes = create_stripes(&extract);
	ret = extract.reads && extract.stripes ? 0 : -ENOMEM;
	if (!ret)
		ret = threads_start(nr_workers, WORKERS_MAX, worker_thread, &extract, &threads);
	if (ret < 0)
		failure_set(ret, "cannot start to read: %s", strerror(-ret));
	else
		ret = plan_point(&extract);
	if (ret < 0)
		first_failure_note(&extract.failure, ret);
	if (extract.reads)
		queue_close(extract.reads);
	threads_join(threads);
	queue_destroy(extract.reads);
	tmc_stripe_pool_destroy(extract.stripes);
	return first_failure_get(&extract.failure);
}

/* What a scan gave is the volume at no time. */
static int refuse_scan(const struct tmc_point *point)
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(&point->id, digits);
	return failure_set(-ENOENT, "restore point %.12s is only the beginning of a stretch of the "
			   "journal, and no image by itself; use \"tidemark restore --at\"", digits);
}

int tmc_extract_load(struct tmc_repo *repo, const struct tmc_point *point,
		     struct tmc_tree *ret_tree)
{
	struct tmc_point loaded;
	int ret = tmc_point_load(repo, &point->id, &loaded, ret_tree);

	return !ret && loaded.moment.settles_seq ? refuse_scan(&loaded) : ret;
}

int tmc_point_extract_part(struct tmc_repo *repo, const struct tmc_point *point,
			   const struct tmc_part *part, unsigned int nr_workers,
			   const struct tmc_sink *sink)
{
	struct tmc_tree tree;
	int ret;

	tmc_repo_enter(repo, "restore");
	ret = tmc_extract_load(repo, point, &tree);
	return ret ? ret : tmc_extract(repo, &tree, part, nr_workers, sink);
}

int tmc_point_extract(struct tmc_repo *repo, const struct tmc_point *point, unsigned int nr_workers,
		      const struct tmc_sink *sink)
{
	const struct tmc_part all = { .nr_chunks = UINT64_MAX };

	return tmc_point_extract_part(repo, point, &all, nr_workers, sink);
}
