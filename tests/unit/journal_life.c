// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "journal_life.h"

#include "catalog/repo.h"
#include "catalog/segment.h"

#include <time.h>

uint32_t life_draw(struct life *life, uint32_t below)
{
	life->seed = life->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(life->seed >> 33) % below;
}

int life_setup(void **state)
{
	struct life *life = calloc(1, sizeof(*life));

	if (fixture_setup((void **)&life->fixture))
		return -1;
	life->seed = 5;
	life->time_ns = 1700000000000000000u;
	life->states = calloc(LIFE_RECORDS + 1, sizeof(*life->states));
	life->repo = make_repo(life->fixture->path, LIFE_CHUNK);
	*state = life;
	return 0;
}

int life_teardown(void **state)
{
	struct life *life = *state;
	int ret;

	memset(&tmc_store_hooks, 0, sizeof(tmc_store_hooks));
	tmc_repo_close(life->repo);
	ret = fixture_teardown((void **)&life->fixture);
	free(life->states);
	free(life);
	return ret;
}

void life_reopen(struct life *life)
{
	tmc_repo_close(life->repo);
	assert_success(tmc_repo_open(life->fixture->path, &life->repo));
}

/* --------------------------------------------------------------------- stretches */

static void write_record(struct life *life, struct tmc_journal *journal, bool is_first)
{
	uint8_t content[8 * 512];
	uint32_t first = life_draw(life, LIFE_BYTES / 512), nr = 1 + life_draw(life, 8);
	struct tmc_record record = {
		.type = is_first ? TMC_RECORD_CUT : TMC_RECORD_WRITE,
		.seq = ++life->nr,
		.time_ns = life->time_ns += 1000000000u,
	};

	assert_true(life->nr <= LIFE_RECORDS);
	nr = first + nr > LIFE_BYTES / 512 ? LIFE_BYTES / 512 - first : nr;
	if (!is_first) {
		for (uint32_t i = 0; i < nr * 512; i++)
			content[i] = (uint8_t)life_draw(life, 256);
		record.offset = (uint64_t)first * 512;
		record.bytes = nr * 512;
		record.payload = content;
		record.payload_bytes = nr * 512;
		memcpy(life->device + record.offset, content, record.bytes);
	}
	assert_success(tmc_journal_append(journal, &record));
	memcpy(life->states[life->nr], life->device, LIFE_BYTES);
	life->stretches[life->nr] = tmc_journal_stretch(journal);
}

static struct tmc_volume life_volume(void)
{
	const struct model geometry = { .bytes = LIFE_BYTES };

	return model_volume(&geometry);
}

static void write_segments(struct life *life, const struct tmc_journal_options *options,
			   unsigned int nr_segments)
{
	const struct tmc_volume volume = life_volume();
	struct tmc_journal *journal;

	assert_success(tmc_journal_begin(life->repo, &volume, options, &journal));
	for (unsigned int i = 0; i < nr_segments * LIFE_SEGMENT; i++) {
		write_record(life, journal, !i && !options->stretch);
		if (i % LIFE_SEGMENT == LIFE_SEGMENT - 1)
			assert_success(tmc_journal_seal(journal));
	}
	assert_success(tmc_journal_end(journal));
}

void life_add_stretch(struct life *life, unsigned int nr_segments)
{
	const struct tmc_journal_options options = { .first_seq = life->nr + 1 };

	write_segments(life, &options, nr_segments);
}

struct tmc_id life_last_segment(struct life *life)
{
	struct tmc_segment *segments;
	struct tmc_id id = { 0 };
	size_t nr;

	assert_success(tmc_segment_list(life->repo, "test-volume", &segments, &nr));
	for (size_t i = 0; i < nr; i++)
		if (segments[i].last_seq == life->nr)
			id = segments[i].id;
	free(segments);
	return id;
}

void life_continue_stretch(struct life *life, unsigned int nr_segments)
{
	const struct tmc_journal_options options = {
		.first_seq = life->nr + 1,
		.stretch = life->stretches[life->nr],
		.previous = life_last_segment(life),
	};

	life_reopen(life);
	write_segments(life, &options, nr_segments);
}

/* ------------------------------------------------------------------------ points */

/* Of a scan each chunk is as it was at some time of it. */
const struct tmc_point *life_add_point(struct life *life, uint64_t seq, uint64_t settles_seq)
{
	const struct tmc_moment moment = { life->stretches[seq], seq, settles_seq };
	const struct tmc_volume volume = life_volume();
	struct tmc_point *point = &life->points[life->nr_points++];
	struct model *image = model_create(LIFE_BYTES, LIFE_CHUNK);
	struct tmc_backup *backup;

	assert_true(life->nr_points <= LIFE_POINTS);
	for (uint32_t chunk = 0; chunk < LIFE_CHUNKS; chunk++) {
		uint64_t at = settles_seq ? seq + life_draw(life, (uint32_t)(settles_seq - seq + 1)) :
					    seq;

		memcpy(image->data + chunk * LIFE_CHUNK, life->states[at] + chunk * LIFE_CHUNK,
		       model_chunk_size(image, chunk));
	}
	assert_success(tmc_backup_begin(life->repo, &volume, NULL, 1, &backup));
	assert_int_equal(put_range(backup, image, 0, LIFE_CHUNKS, NULL), 0);
	tmc_backup_set_moment(backup, &moment);
	assert_success(tmc_backup_commit(backup, seq * 1000000000u, LIFE_BYTES, point));
	model_destroy(image);
	return point;
}

void life_forget(struct life *life, const struct tmc_point *point)
{
	life_reopen(life);
	assert_success(tmc_forget(life->repo, &point->id, 1));
}

/* ---------------------------------------------------------------------- segments */

static void set_age(const char *path, uint64_t age_ns)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= (time_t)(age_ns / 1000000000u);
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

void life_age(struct life *life, uint64_t seq, uint64_t age_ns)
{
	struct tmc_id *ids;
	size_t nr;

	assert_success(tmc_store_list(life->repo->store, TMC_STORE_JOURNAL, &ids, &nr));
	for (size_t i = 0; i < nr; i++) {
		char path[TMC_STORE_TEXT];

		tmc_store_describe(life->repo->store, TMC_STORE_JOURNAL, &ids[i], path);
		set_age(path, tmc_segment_id_seq(&ids[i]) <= seq ? age_ns : 0);
	}
	free(ids);
}

uint64_t life_first_seq(struct life *life, uint64_t seq)
{
	struct tmc_segment *segments;
	uint64_t first = 0;
	size_t nr;

	assert_success(tmc_segment_list(life->repo, "test-volume", &segments, &nr));
	for (size_t i = nr; i--;)
		if (segments[i].stretch == life->stretches[seq])
			first = segments[i].first_seq;
	free(segments);
	return first;
}

uint64_t life_first_file(struct life *life, uint64_t seq)
{
	uint64_t first = 0, next = 0;
	struct tmc_id *ids;
	size_t nr;

	assert_success(tmc_store_list(life->repo->store, TMC_STORE_JOURNAL, &ids, &nr));
	for (size_t i = 0; i < nr; i++) {
		uint64_t last = tmc_segment_id_seq(&ids[i]);

		if (tmc_segment_id_stretch(&ids[i]) != life->stretches[seq])
			continue;
		first = first ? first : last + 1 - LIFE_SEGMENT;
		assert_true(!next || last == next);
		next = last + LIFE_SEGMENT;
	}
	free(ids);
	return first;
}

/* ---------------------------------------------------------------------- instants */

static int extract(const struct life *life, struct tmc_repo *repo,
		   const struct tmc_instant *instant)
{
	struct model *model = model_create(LIFE_BYTES, LIFE_CHUNK);
	struct image image = {
		.model = model,
		.data = malloc(LIFE_BYTES),
		.seen = calloc(LIFE_CHUNKS, 1),
		.unreadable = calloc(LIFE_CHUNKS, 1),
	};
	struct tmc_sink sink = {
		.data = image_data,
		.zero = image_zero,
		.unreadable = image_unreadable,
		.progress = image_progress,
		.context = &image,
	};
	int ret = tmc_instant_extract(repo, instant, 1, &sink);

	memcpy(model->data, life->states[instant->seq], LIFE_BYTES);
	if (judge_image(&image, !ret) == EXTRACTION_WRONG)
		ret = -EILSEQ;
	free(image.data);
	free((void *)image.seen);
	free(image.unreadable);
	model_destroy(model);
	return ret;
}

int life_extract(const struct life *life, struct tmc_repo *repo, uint64_t seq)
{
	const struct tmc_when when = { .kind = TMC_WHEN_SEQ, .seq = seq };
	struct tmc_instant instant;
	int ret = tmc_instant_find(repo, "test-volume", &when, &instant);

	return ret ? ret : extract(life, repo, &instant);
}

static void check_instant(struct life *life, uint64_t seq)
{
	int ret = life_extract(life, life->repo, seq);

	if (ret)
		fail_msg("seq %llu: %d, %s", (unsigned long long)seq, ret, tmc_error_text());
}

unsigned int life_check(struct life *life, bool ret_offered[LIFE_RECORDS + 1])
{
	struct tmc_interval *intervals;
	unsigned int nr_instants = 0;
	size_t nr;

	memset(ret_offered, 0, LIFE_RECORDS + 1);
	assert_success(tmc_interval_list(life->repo, "test-volume", &intervals, &nr));
	for (size_t i = 0; i < nr; i++)
		for (uint64_t seq = intervals[i].first_seq; seq <= intervals[i].last_seq; seq++) {
			assert_in_range(seq, 1, life->nr);
			check_instant(life, seq);
			ret_offered[seq] = true;
			nr_instants++;
		}
	free(intervals);
	return nr_instants;
}

void life_expect_sound(struct life *life)
{
	struct tmc_verify_result result;

	life_reopen(life);
	assert_success(tmc_verify(life->repo, NULL, 1, print_damage, NULL, (void *)"", &result));
}

/* ----------------------------------------------------------------------- give up */

static void expect_kept(struct life *life, const struct tmc_journal_forgotten *result)
{
	bool offered[LIFE_RECORDS + 1];
	struct tmc_segment *segments;
	uint64_t bytes = 0;
	size_t nr;

	assert_success(tmc_segment_list(life->repo, NULL, &segments, &nr));
	for (size_t i = 0; i < nr; i++)
		bytes += segments[i].bytes;
	assert_int_equal(result->kept_segments, nr);
	assert_int_equal(result->kept_bytes, bytes);
	assert_int_equal(result->kept_instants, life_check(life, offered));
	free(segments);
}

void life_give_up(struct life *life, uint64_t keep_ns, uint64_t expected_segments)
{
	struct tmc_journal_forgotten planned, result;
	size_t nr_dooms;

	life_reopen(life);
	nr_dooms = count_files(life->fixture, "doom");
	assert_success(tmc_journal_forget(life->repo, NULL, keep_ns, true, &planned));
	assert_int_equal(count_files(life->fixture, "doom"), nr_dooms);
	assert_success(tmc_journal_forget(life->repo, "test-volume", keep_ns, false, &result));
	assert_int_equal(count_files(life->fixture, "doom"), nr_dooms + (result.segments > 0));
	assert_memory_equal(&planned, &result, sizeof(result));
	if (expected_segments != UINT64_MAX)
		assert_int_equal(result.segments, expected_segments);
	assert_int_equal(result.segments > 0, result.bytes > 0);
	assert_int_equal(result.segments > 0, result.last_time_ns > 0);
	life_reopen(life);
	expect_kept(life, &result);
}

void life_sweep(struct life *life)
{
	const struct tmc_prune_options options = { .repack_below_percent = 50 };
	struct tmc_prune_result result;

	life_reopen(life);
	assert_success(tmc_prune(life->repo, &options, &result));
	assert_int_equal(result.waiting_dooms, 0);
	assert_int_equal(result.pending_bytes, 0);
	assert_int_equal(count_files(life->fixture, "doom"), 0);
	life_reopen(life);
}
