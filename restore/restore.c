// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The order of the steps: find what is meant, check, open, find out what is to be written, and
 * only then write it (docs/restore.md, invariant 1). The catalog reads in the order that is
 * cheapest and checks each chunk against its hash before it comes here.
 */
#include "restore/restore.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "restore/journal_volume.h"
#include "restore/read_back.h"
#include "restore/stream.h"
#include "restore/target.h"
#include "restore/target_compare.h"
#include "restore/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct restore {
	const struct restore_request *request;
	struct restore_result *result;
	struct tmc_repo *repo;
	struct target target;
	struct tracker tracker;
	uint64_t *left_out; /* chunks that need not be written; NULL: none */
	bool to_stdout;
};

void restore_result_clear(struct restore_result *result)
{
	tally_clear(&result->tally);
}

static bool is_in_place(const struct restore *restore)
{
	return restore->request->method != RESTORE_WHOLE;
}

static bool is_instant(const struct restore *restore)
{
	return restore->request->when != NULL;
}

/* ------------------------------------------------------------------------- plan */

static void on_same(void *context, uint64_t first, uint64_t nr)
{
	struct restore *restore = context;

	tally_note_chunks(&restore->result->tally, TALLY_SAME, first, nr);
}

static int on_unreadable(void *context, uint64_t first_chunk, uint64_t nr_chunks)
{
	struct restore *restore = context;

	tally_note_chunks(&restore->result->tally, TALLY_UNREADABLE, first_chunk, nr_chunks);
	return 0;
}

static void note_known(struct tally *tally, const uint64_t *changed)
{
	uint64_t end = tally_end_chunk(tally);
	uint64_t first = bit_find(changed, tally_first_chunk(tally), end, false);

	while (first < end) {
		uint64_t behind = bit_find(changed, first, end, true);

		tally_note_chunks(tally, TALLY_KNOWN, first, behind - first);
		first = bit_find(changed, behind, end, false);
	}
}

/* All of the range, or where the tracker is believed what it does not know to be unchanged. */
static int compare(struct restore *restore, const uint64_t *changed)
{
	struct restore_result *result = restore->result;
	struct tally *tally = &result->tally;
	struct target_compare request = {
		.repo = restore->repo,
		.point = &result->point,
		.target = &restore->target,
		.first_chunk = tally_first_chunk(tally),
		.end_chunk = tally_end_chunk(tally),
		.chosen = changed,
		.total_bytes = tally_bytes(tally, TALLY_INCOMPLETE),
		.verb = "comparing",
		.progress = restore->request->progress,
		.same = on_same,
		.context = restore,
	};

	result->nr_compared = tally_nr_chunks(tally, TALLY_INCOMPLETE);
	return target_compare_run(&request);
}

static int compare_changed(struct restore *restore)
{
	struct restore_result *result = restore->result;
	CLEANUP_FREE uint64_t *changed = calloc(result->tally.nr_chunks / 64 + 1, sizeof(*changed));
	char volume_id[TMC_TEXT_BYTES] = "";
	int believed, r = 0;

	if (!changed)
		return failure_set(-ENOMEM, "restore: out of memory");
	if (restore->tracker.channel)
		r = tracker_identify(&restore->tracker, volume_id);
	if (r < 0)
		return r;
	believed = tracker_find_changed(&restore->tracker, restore->repo, &result->point, volume_id,
					changed);
	result->basis = believed ? RESTORE_BY_TRACKER : RESTORE_BY_HASH;
	if (believed)
		result->base = restore->tracker.base.id;
	else
		memcpy(result->why, restore->tracker.why, sizeof(result->why));
	if (believed)
		note_known(&result->tally, changed);
	return compare(restore, believed ? changed : NULL);
}

static int note_unreadable(struct restore *restore)
{
	const struct tmc_point *point = &restore->result->point;
	int r = point->unreadable_chunks ?
		tmc_point_unreadable(restore->repo, point, on_unreadable, restore) : 0;

	return r < 0 ? failure_set(r, "%s", tmc_error_text()) : 0;
}

static int plan_point(struct restore *restore)
{
	int r = note_unreadable(restore);

	if (r == 0 && is_in_place(restore))
		r = compare_changed(restore);
	if (r < 0)
		return r;
	restore->left_out = tally_bitmap(&restore->result->tally,
					 1u << TALLY_SAME | 1u << TALLY_KNOWN);
	return restore->left_out ? 0 : failure_set(-ENOMEM, "restore: out of memory");
}

/* What an instant holds is not known before it is made: its chunks are compared as they come. */
static int plan(struct restore *restore)
{
	if (!is_instant(restore))
		return plan_point(restore);
	restore->result->basis = is_in_place(restore) ? RESTORE_BY_BYTES : RESTORE_BY_NOTHING;
	return 0;
}

static struct tmc_part part_of(const struct restore *restore)
{
	const struct tally *tally = &restore->result->tally;
	uint64_t first = tally_first_chunk(tally);

	return (struct tmc_part){first, tally_end_chunk(tally) - first, restore->left_out};
}

/* ------------------------------------------------------------------------ write */

static int extract(struct restore *restore, bool only_looks)
{
	struct restore_result *result = restore->result;
	bool by_bytes = result->basis == RESTORE_BY_BYTES;
	struct tmc_part part = part_of(restore);
	struct writer writer;
	struct tmc_sink sink;
	int failed, r;

	writer_start(&writer, &restore->target, &result->tally,
		     by_bytes ? WRITER_DELTA : WRITER_WRITE);
	writer.only_looks = only_looks;
	progress_start(&writer.progress, "restoring", restore->request->progress);
	progress_set_total(&writer.progress, tally_bytes(&result->tally, TALLY_INCOMPLETE));
	sink = writer_sink(&writer);
	if (is_instant(restore))
		r = tmc_instant_extract(restore->repo, &result->instant, 0, &sink);
	else
		r = tmc_point_extract_part(restore->repo, &result->point, &part, 0, &sink);
	progress_stop(&writer.progress);
	result->nr_compared += writer.nr_compared;
	failed = writer_failure(&writer);
	if (failed < 0)
		return failed;
	return r < 0 ? failure_set(r, "%s", tmc_error_text()) : 0;
}

static int read_back(struct restore *restore)
{
	const struct restore_request *request = restore->request;
	struct restore_result *result = restore->result;
	int r = target_sync(&restore->target);

	if (r < 0)
		return r;
	result->is_read_back = true;
	if (is_instant(restore))
		return read_back_instant(restore->repo, &result->instant, &restore->target,
					 &result->tally, request->progress, &result->nr_read_back);
	return read_back_point(restore->repo, &result->point, &restore->target, &result->tally,
			       request->progress, &result->nr_read_back);
}

static int check_alone(struct restore *restore)
{
	CLEANUP_FREE uint64_t *written = tally_bitmap(&restore->result->tally,
						      1u << TALLY_WRITTEN | 1u << TALLY_ZEROED);

	if (!written)
		return failure_set(-ENOMEM, "restore: out of memory");
	return tracker_check_alone(&restore->tracker, written);
}

static int write_all(struct restore *restore)
{
	int r = target_begin(&restore->target);

	if (r == 0)
		r = extract(restore, false);
	if (r == 0 && (restore->request->read_back || is_in_place(restore)))
		r = read_back(restore);
	if (r == 0)
		r = check_alone(restore);
	if (r == 0)
		r = target_finish(&restore->target);
	return r < 0 ? failure_set(r, "%s; %s is incomplete", failure_text(),
				   restore->request->target) : 0;
}

static int begin(const struct restore_request *request, struct restore_result *result)
{
	int r = request->begins ? request->begins(request->context, result) : 0;

	if (r == 0)
		result->stage = RESTORE_BEGUN;
	return r;
}

/* ---------------------------------------------------------------------- dry run */

static int on_range(void *context, enum tmc_content content, uint64_t offset, uint64_t bytes)
{
	struct tally *tally = context;

	tally_note(tally, content == TMC_CONTENT_DATA ? TALLY_WRITTEN : TALLY_ZEROED, offset,
		   bytes);
	return 0;
}

static int look(struct restore *restore)
{
	struct tmc_part part = part_of(restore);
	int r;

	if (is_instant(restore))
		return extract(restore, true);
	r = tmc_point_map(restore->repo, &restore->result->point, &part, on_range,
			  &restore->result->tally);
	return r < 0 ? failure_set(r, "%s", tmc_error_text()) : 0;
}

/* ----------------------------------------------------------------------- target */

static bool has_range(const struct restore *restore)
{
	const struct tally *tally = &restore->result->tally;

	return tally->begin != 0 || tally->end != tally->volume_bytes;
}

static enum target_how how_of(const struct restore *restore)
{
	if (restore->request->method == RESTORE_RESUME)
		return TARGET_RESUME;
	return is_in_place(restore) || has_range(restore) ? TARGET_IN_PLACE : TARGET_REPLACE;
}

static int check(const struct restore *restore, enum target_kind *ret_kind)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	const struct tally *tally = &restore->result->tally;
	struct target_check target = {
		.tree = &tree,
		.swaps = "/proc/swaps",
		.repository = restore->request->repository,
		.path = restore->request->target,
		.point = &restore->result->point,
		.force = restore->request->force,
		.how = how_of(restore),
		.delta = is_in_place(restore),
		.needed_bytes = tally->end,
	};
	int r = block_tree_open_system(&tree);

	return r < 0 ? r : target_check(&target, ret_kind);
}

static int open_target(struct restore *restore, enum target_kind kind)
{
	const struct restore_request *request = restore->request;
	enum target_how how = request->dry_run ? TARGET_LOOK : how_of(restore);
	int r = 0;

	/* First, so that nobody makes an image of what is about to change. */
	if (kind == TARGET_DEVICE && is_in_place(restore))
		r = tracker_open(request->target, &restore->tracker);
	if (r == 0)
		r = target_open(kind, how, request->target, restore->result->tally.volume_bytes,
				&restore->target);
	restore->target.only_grows = has_range(restore);
	return r;
}

static int prepare_target(struct restore *restore)
{
	enum target_kind kind;
	int r = check(restore, &kind);

	if (r == 0)
		r = open_target(restore, kind);
	return r < 0 ? r : plan(restore);
}

/* -------------------------------------------------------------- standard output */

static int check_stdout(const struct restore *restore)
{
	if (is_instant(restore))
		return failure_set(-EINVAL, "standard output: an instant of a journal cannot be "
				   "written in order; restore it into a file");
	if (is_in_place(restore))
		return failure_set(-EINVAL, "standard output: holds nothing that could stay");
	return restore->request->dry_run ? 0 : stream_check(STDOUT_FILENO);
}

static int write_stdout(struct restore *restore)
{
	return stream_run(restore->repo, &restore->result->point, &restore->result->tally,
			  STDOUT_FILENO, restore->request->progress);
}

/* ------------------------------------------------------------------- what is meant */

static int find_instant(struct tmc_repo *repo, const struct restore_request *request,
			struct restore_result *result)
{
	struct tmc_volume volume;
	int r = journal_volume_find(repo, request->volume, &volume);

	if (r < 0)
		return r;
	r = tmc_instant_find(repo, volume.volume_id, request->when, &result->instant);
	if (r < 0)
		return failure_set(r, "%s: %s", volume.name, tmc_error_text());
	result->point.volume = result->instant.volume;
	return 0;
}

/* A scan is refused here too: before the target is touched. */
static int find_point(struct tmc_repo *repo, const struct restore_request *request,
		      struct restore_result *result)
{
	int r = tmc_point_find(repo, request->point, NULL, &result->point);

	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	if (result->point.moment.settles_seq)
		return failure_set(-ENOENT, "restore point %s is only the beginning of a stretch "
				   "of the journal, and no image by itself; use \"tidemark restore "
				   "--at\"", request->point);
	return 0;
}

static int find_range(struct restore *restore)
{
	const struct restore_request *request = restore->request;
	struct restore_result *result = restore->result;
	uint64_t volume_bytes = result->point.volume.volume_bytes;
	uint64_t end = request->end ? request->end : volume_bytes;
	struct tmc_repo_info info;

	tmc_repo_get_info(restore->repo, &info);
	result->is_keyed = info.encrypted;
	if (end > volume_bytes || request->begin > end || (request->end && request->begin == end))
		return failure_set(-ERANGE, "the range from byte %" PRIu64 " to byte %" PRIu64
				   " does not lie within the volume, which has %" PRIu64 " bytes",
				   request->begin, end, volume_bytes);
	return tally_init(&result->tally, volume_bytes, info.chunk_bytes, request->begin, end);
}

/* ------------------------------------------------------------------------ stages */

static int prepare(struct restore *restore)
{
	const struct restore_request *request = restore->request;
	int r = request->when ? find_instant(restore->repo, request, restore->result) :
				find_point(restore->repo, request, restore->result);

	if (r == 0)
		r = find_range(restore);
	if (r < 0)
		return r;
	return restore->to_stdout ? check_stdout(restore) : prepare_target(restore);
}

static int carry_out(struct restore *restore)
{
	int r;

	if (restore->request->dry_run)
		return look(restore);
	r = begin(restore->request, restore->result);
	if (r < 0)
		return r;
	return restore->to_stdout ? write_stdout(restore) : write_all(restore);
}

static void count_ms(struct restore_result *result, uint64_t start_ns)
{
	result->elapsed_ms += (clock_ns(CLOCK_MONOTONIC) - start_ns) / 1000000u;
}

static void begin_result(const struct restore_request *request, struct restore_result *ret_result)
{
	*ret_result = (struct restore_result){
		.method = request->method,
		.dry_run = request->dry_run,
		.start_ns = clock_ns(CLOCK_REALTIME),
	};
}

int restore_open(struct tmc_repo *repo, const struct restore_request *request,
		 struct restore_result *ret_result, struct restore **ret_restore)
{
	struct restore *restore = calloc(1, sizeof(*restore));
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	int r;

	begin_result(request, ret_result);
	if (!restore)
		return failure_set(-ENOMEM, "restore: out of memory");
	*restore = (struct restore){
		.request = request,
		.result = ret_result,
		.repo = repo,
		.target = {.fd = -1, .direct_fd = -1},
		.to_stdout = strcmp(request->target, RESTORE_STDOUT) == 0,
	};
	r = prepare(restore);
	count_ms(ret_result, start_ns);
	if (r < 0)
		restore_close(restore);
	else
		*ret_restore = restore;
	return r;
}

int restore_write(struct restore *restore)
{
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	int r = carry_out(restore);

	if (r == 0 && !restore->request->dry_run)
		restore->result->stage = RESTORE_COMPLETE;
	count_ms(restore->result, start_ns);
	return r;
}

void restore_close(struct restore *restore)
{
	if (!restore)
		return;
	target_close(&restore->target);
	tracker_close(&restore->tracker);
	free(restore->left_out);
	free(restore);
}

/* --------------------------------------------------------------------------- run */

static void close_repo(struct tmc_repo **repo)
{
	if (*repo)
		tmc_repo_close(*repo);
}

static void close_restore(struct restore **restore)
{
	restore_close(*restore);
}

int restore_run(const struct restore_request *request, struct restore_result *ret_result)
{
	CLEANUP(close_repo) struct tmc_repo *repo = NULL;
	CLEANUP(close_restore) struct restore *restore = NULL;
	int r = tmc_repo_open(request->repository, &repo);

	begin_result(request, ret_result);
	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	r = restore_open(repo, request, ret_result, &restore);
	return r < 0 ? r : restore_write(restore);
}
