// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which packs are damaged or missing, and which blobs of the others are good.
 */
#include "catalog/repair.h"

#include "catalog/pack_check.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/lock_scope.h"
#include "common/threads.h"

#include <errno.h>

#define WORKERS_MAX 16

struct worker {
	struct tmc_repair *repair;
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

	if (tmc_repair_is_damage(error)) {
		tmc_repair_say(worker->repair, failure_text());
		worker->error = error;
	} else {
		first_failure_note(&worker->repair->failure, error);
	}
}

static void on_progress(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
	struct tmc_repair *repair = ((struct worker *)context)->repair;
	const struct tmc_repair_options *options = repair->options;

	LOCK_SCOPE(&repair->lock);
	repair->done_bytes += pack_bytes;
	if (options->progress)
		options->progress(options->context, repair->done_bytes, repair->total_bytes);
}

static bool is_missing(struct tmc_repair *repair, const struct tmc_id *pack)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;

	return tmc_store_get(repair->repo->store, TMC_STORE_PACK, pack, &fd, &bytes) == -ENOENT;
}

static int add_bad(struct tmc_repair *repair, const struct tmc_id *pack)
{
	bool missing = is_missing(repair, pack);
	struct tmc_bad_pack *bad;

	LOCK_SCOPE(&repair->lock);
	bad = realloc(repair->bad, (repair->nr_bad + 1) * sizeof(*bad));
	if (!bad)
		return failure_set(-ENOMEM, "out of memory");
	repair->bad = bad;
	bad[repair->nr_bad++] = (struct tmc_bad_pack){ .id = *pack, .missing = missing };
	repair->result.missing_packs += missing;
	repair->result.damaged_packs += !missing;
	return 0;
}

static void *check_thread(void *context)
{
	struct tmc_repair *repair = context;
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
	const struct tmc_bad_pack *bad_a = a, *bad_b = b;

	return tmc_id_compare(&bad_a->id, &bad_b->id);
}

const struct tmc_bad_pack *tmc_repair_find_bad(const struct tmc_repair *repair,
					       const struct tmc_id *pack)
{
	const struct tmc_bad_pack key = { .id = *pack };

	return repair->nr_bad ? bsearch(&key, repair->bad, repair->nr_bad, sizeof(key), compare_bad)
			      : NULL;
}

/* Those that are there, then those that an index names and are not. */
static int list_packs(struct tmc_repair *repair)
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

static void sum_up(struct tmc_repair *repair)
{
	repair->done_bytes = repair->total_bytes = 0;
	for (size_t i = 0; i < repair->nr_packs; i++) {
		CLEANUP_CLOSE int fd = -1;
		uint64_t bytes;

		if (!tmc_store_get(repair->repo->store, TMC_STORE_PACK, &repair->packs[i], &fd, &bytes))
			repair->total_bytes += bytes;
	}
}

int tmc_repair_check_packs(struct tmc_repair *repair, enum tmc_pack_depth depth)
{
	struct threads *threads;
	int ret = tmc_repair_open_view(repair);

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
