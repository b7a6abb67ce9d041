// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "restore/read_back.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "restore/target_compare.h"
#include "restore/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct seen {
	pthread_mutex_t lock;
	uint64_t *missing; /* by chunk: written, and not found so yet */
};

static void on_same(void *context, uint64_t first, uint64_t nr)
{
	struct seen *seen = context;

	pthread_mutex_lock(&seen->lock);
	for (uint64_t n = first; n < first + nr; n++)
		seen->missing[n / 64] &= ~(1ull << n % 64);
	pthread_mutex_unlock(&seen->lock);
}

/* ------------------------------------------------------------------------ edges */

static int finish(struct writer *writer, int r, uint64_t *nr_chunks)
{
	int failed = writer_failure(writer);

	progress_stop(&writer->progress);
	*nr_chunks += writer->nr_compared;
	if (failed < 0)
		return failed;
	return r < 0 ? failure_set(r, "%s", tmc_error_text()) : 0;
}

/* A chunk that the range cuts holds what its hash says of in part only. */
static int read_edge(struct tmc_repo *repo, const struct tmc_point *point, struct target *target,
		     struct tally *tally, uint64_t chunk, uint64_t *nr_chunks)
{
	struct tmc_part part = {.first_chunk = chunk, .nr_chunks = 1};
	struct writer writer;
	struct tmc_sink sink;

	writer_start(&writer, target, tally, WRITER_VERIFY);
	progress_start(&writer.progress, "reading back", false);
	sink = writer_sink(&writer);
	return finish(&writer, tmc_point_extract_part(repo, point, &part, 1, &sink), nr_chunks);
}

static bool is_cut(const struct tally *tally, uint64_t chunk)
{
	uint64_t from = chunk * tally->chunk_bytes;
	uint64_t to = from + tally->chunk_bytes;

	return from < tally->begin || (to > tally->end && tally->end != tally->volume_bytes);
}

static int read_edges(struct tmc_repo *repo, const struct tmc_point *point, struct target *target,
		      struct tally *tally, uint64_t *missing, uint64_t *nr_chunks)
{
	uint64_t ends[2] = {tally_first_chunk(tally), tally_end_chunk(tally) - 1};
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		if (!is_cut(tally, ends[i]) || !bit_is_set(missing, ends[i]))
			continue;
		missing[ends[i] / 64] &= ~(1ull << ends[i] % 64);
		r = read_edge(repo, point, target, tally, ends[i], nr_chunks);
	}
	return r;
}

/* ------------------------------------------------------------------------ whole */

static uint64_t count(const uint64_t *bits, uint64_t end)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < end / 64 + 1; i++)
		nr += (uint64_t)__builtin_popcountll(bits[i]);
	return nr;
}

static int read_whole(struct target_compare *compare, const struct tally *tally,
		      const uint64_t *wanted, struct seen *seen, uint64_t *nr_chunks)
{
	uint64_t nr = count(wanted, tally->nr_chunks), chunk;
	int r;

	compare->chosen = wanted;
	compare->total_bytes = nr * tally->chunk_bytes;
	r = target_compare_run(compare);
	if (r < 0)
		return r;
	chunk = bit_find(seen->missing, compare->first_chunk, compare->end_chunk, true);
	if (chunk < compare->end_chunk)
		return failure_set(-EIO, "%s: does not hold at byte %" PRIu64 " what was written "
				   "there", compare->target->path, chunk * tally->chunk_bytes);
	*nr_chunks += nr;
	return 0;
}

int read_back_point(struct tmc_repo *repo, const struct tmc_point *point, struct target *target,
		    struct tally *tally, bool progress, uint64_t *ret_nr_chunks)
{
	unsigned int fates = 1u << TALLY_WRITTEN | 1u << TALLY_ZEROED;
	CLEANUP_FREE uint64_t *missing = tally_bitmap(tally, fates);
	CLEANUP_FREE uint64_t *wanted = NULL;
	struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .missing = missing};
	struct target_compare compare = {
		.repo = repo,
		.point = point,
		.target = target,
		.first_chunk = tally_first_chunk(tally),
		.end_chunk = tally_end_chunk(tally),
		.verb = "reading back",
		.progress = progress,
		.same = on_same,
		.context = &seen,
	};
	int r;

	*ret_nr_chunks = 0;
	if (!missing)
		return failure_set(-ENOMEM, "restore: out of memory");
	if (compare.first_chunk == compare.end_chunk)
		return 0;
	r = read_edges(repo, point, target, tally, missing, ret_nr_chunks);
	if (r < 0)
		return r;
	wanted = malloc((tally->nr_chunks / 64 + 1) * sizeof(*wanted));
	if (!wanted)
		return failure_set(-ENOMEM, "restore: out of memory");
	memcpy(wanted, missing, (tally->nr_chunks / 64 + 1) * sizeof(*wanted));
	return read_whole(&compare, tally, wanted, &seen, ret_nr_chunks);
}

int read_back_instant(struct tmc_repo *repo, const struct tmc_instant *instant,
		      struct target *target, struct tally *tally, bool progress,
		      uint64_t *ret_nr_chunks)
{
	struct writer writer;
	struct tmc_sink sink;

	*ret_nr_chunks = 0;
	writer_start(&writer, target, tally, WRITER_VERIFY);
	progress_start(&writer.progress, "reading back", progress);
	progress_set_total(&writer.progress, tally->end - tally->begin);
	sink = writer_sink(&writer);
	return finish(&writer, tmc_instant_extract(repo, instant, 0, &sink), ret_nr_chunks);
}
