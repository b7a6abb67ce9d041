// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What of the journal is given up, and what is not (docs/journal.md, "What is given up"). Of
 * a stretch that begins at seq 1, segments hold records 1 to 10, 11 to 20, and so on.
 */
#include "journal_life.h"

#include "catalog/repo.h"
#include "catalog/segment.h"

#define KEEP_NS (48 * HOUR_NS)
#define OLD_NS  (50 * HOUR_NS)

static void expect_left(struct life *life, uint64_t seq, uint64_t first_seq)
{
	assert_int_equal(life_first_seq(life, seq), first_seq);
}

/* ------------------------------------------------------------------------- by age */

static void what_is_old_goes_up_to_a_point(void **state)
{
	bool before[LIFE_RECORDS + 1], after[LIFE_RECORDS + 1];
	struct life *life = *state;

	life_add_stretch(life, 10);
	life_add_point(life, 1, 0);
	life_add_point(life, 25, 0);
	life_add_point(life, 70, 0);
	life_give_up(life, KEEP_NS, 0);
	life_age(life, 60, OLD_NS);
	assert_int_equal(life_check(life, before), 100);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 21);
	life_check(life, after);
	for (uint64_t seq = 25; seq <= 100; seq++)
		assert_true(after[seq]);
	assert_false(after[24]);
	assert_true(after[1]); /* the point is there all the same */
	assert_false(after[2]);
	life_give_up(life, KEEP_NS, 0);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 21);
	life_expect_sound(life);
}

/* A point right at the end of what is old: all of that goes. */
static void the_end_of_a_segment_is_a_limit_like_any_other(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 6);
	life_add_point(life, 30, 0);
	life_add_point(life, 50, 0);
	life_age(life, 30, OLD_NS);
	life_give_up(life, KEEP_NS, 3);
	expect_left(life, 1, 31);
	life_age(life, 49, OLD_NS);
	life_give_up(life, KEEP_NS, 0);
	life_age(life, 50, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 51);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 51);
	life_expect_sound(life);
}

static void what_is_behind_the_latest_exact_point_stays(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 8);
	life_add_point(life, 1, 12);
	life_age(life, 80, OLD_NS);
	life_give_up(life, KEEP_NS, 0); /* none is exact */
	life_add_point(life, 12, 0);
	life_give_up(life, KEEP_NS, 1);
	life_give_up(life, 0, 0);
	expect_left(life, 1, 11);
	life_add_point(life, 80, 0);
	life_give_up(life, KEEP_NS, 6); /* and the last one of the volume */
	expect_left(life, 1, 71);
	life_sweep(life);
	life_give_up(life, 0, 0);
	assert_int_equal(life_first_file(life, 1), 71);
	life_expect_sound(life);
}

static void what_a_scan_needs_stays(void **state)
{
	struct life *life = *state;
	const struct tmc_point *scan;

	life_add_stretch(life, 9);
	scan = life_add_point(life, 15, 32);
	life_add_point(life, 60, 0);
	life_age(life, 90, OLD_NS);
	life_give_up(life, KEEP_NS, 1); /* in front of the scan */
	expect_left(life, 1, 11);
	life_add_point(life, 32, 0);
	life_age(life, 50, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 31);
	life_forget(life, scan);
	life_give_up(life, KEEP_NS, 0);
	life_age(life, 90, OLD_NS);
	life_give_up(life, KEEP_NS, 3);
	expect_left(life, 1, 61);
	life_sweep(life);
	life_expect_sound(life);
}

/* From a reread that is under way on nothing is whole until it has ended. */
static void a_scan_whose_instants_begin_later_waits_for_a_point_there(void **state)
{
	const struct tmc_journal_options options = { .first_seq = 1 };
	const struct model geometry = { .bytes = LIFE_BYTES };
	const struct tmc_volume volume = model_volume(&geometry);
	struct tmc_record flush = { .type = TMC_RECORD_FLUSH, .time_ns = 1 };
	struct life *life = *state;
	struct tmc_journal *journal;

	assert_success(tmc_journal_begin(life->repo, &volume, &options, &journal));
	for (uint64_t seq = 1; seq <= 60; seq++) {
		if (seq == 15)
			tmc_journal_settle(journal, 27);
		flush.seq = seq;
		assert_success(tmc_journal_append(journal, &flush));
		life->stretches[seq] = tmc_journal_stretch(journal);
		if (seq % 10 == 0)
			assert_success(tmc_journal_seal(journal));
	}
	assert_success(tmc_journal_end(journal));
	life->nr = 60;
	life_add_point(life, 2, 12);
	life_add_point(life, 40, 0);
	life_age(life, 60, OLD_NS);
	life_give_up(life, KEEP_NS, 0); /* segments settle at once, or at 27 */
	life_add_point(life, 27, 0);
	life_give_up(life, KEEP_NS, 4);
	expect_left(life, 1, 41);
}

/* ------------------------------------------------------------- good for nothing */

static void what_is_in_front_of_the_first_point_goes_whatever_its_age(void **state)
{
	bool before[LIFE_RECORDS + 1], after[LIFE_RECORDS + 1];
	struct life *life = *state;
	const struct tmc_point *first;

	life_add_stretch(life, 8);
	first = life_add_point(life, 3, 0);
	life_add_point(life, 34, 0);
	life_add_point(life, 55, 0);
	life_give_up(life, KEEP_NS, 0);
	life_forget(life, first);
	life_check(life, before);
	life_give_up(life, KEEP_NS, 3);
	expect_left(life, 1, 31);
	life_check(life, after);
	assert_memory_equal(before, after, sizeof(before));
	life_sweep(life);
	life_check(life, after);
	assert_memory_equal(before, after, sizeof(before));
	life_expect_sound(life);
}

/* The point before it is older than what is left: nothing leads from there to here. */
static void also_where_an_older_point_is_left(void **state)
{
	struct life *life = *state;
	const struct tmc_point *second;

	life_add_stretch(life, 8);
	life_add_point(life, 5, 0);
	second = life_add_point(life, 30, 0);
	life_add_point(life, 62, 0);
	life_age(life, 30, OLD_NS);
	life_give_up(life, KEEP_NS, 3);
	life_forget(life, second);
	life_give_up(life, KEEP_NS, 3);
	expect_left(life, 1, 61);
}

static void a_single_scan_keeps_what_is_in_front_of_it(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 5);
	life_add_point(life, 25, 40);
	life_age(life, 50, OLD_NS);
	life_give_up(life, KEEP_NS, 0);
	life_add_point(life, 41, 0); /* not at the first instant */
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 21);
}

static void a_stretch_without_points_goes_once_it_is_old(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 4);
	life_give_up(life, 0, 0); /* its scan may be under way */
	life_add_stretch(life, 3);
	life_give_up(life, KEEP_NS, 0);
	life_age(life, 20, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 21);
	life_age(life, 70, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 0);
	expect_left(life, 41, 41);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 0);
	assert_int_equal(life_first_file(life, 41), 41);
	life_expect_sound(life);
}

/* ----------------------------------------------------------------- more than one */

static void each_stretch_has_its_own_limit(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 5); /* 1 to 50 */
	life_add_point(life, 1, 11);
	life_add_point(life, 11, 0);
	life_add_point(life, 44, 0);
	life_add_stretch(life, 5); /* to 100 */
	life_add_point(life, 51, 77);
	life_add_point(life, 90, 0);
	life_add_stretch(life, 5); /* to 150 */
	life_add_point(life, 101, 0);
	life_add_point(life, 130, 0);
	life_age(life, 140, OLD_NS);
	life_give_up(life, KEEP_NS, 5 + 0 + 3); /* of the second one a scan needs all */
	expect_left(life, 1, 0);
	expect_left(life, 51, 51);
	expect_left(life, 101, 131);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 0);
	assert_int_equal(life_first_file(life, 51), 51);
	assert_int_equal(life_first_file(life, 101), 131);
	life_expect_sound(life);
}

/* Until a later one stands the module's base may be in it. */
static void the_end_of_an_old_stretch_goes_once_a_later_one_stands(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 5);
	life_add_point(life, 25, 0);
	life_add_stretch(life, 3);
	life_age(life, 50, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 1, 21);
	life_add_point(life, 51, 60);
	life_give_up(life, KEEP_NS, 0);
	life_add_point(life, 60, 0);
	life_give_up(life, KEEP_NS, 3);
	expect_left(life, 1, 0);
	expect_left(life, 51, 51);
	life_sweep(life);
	life_expect_sound(life);
}

static void a_stretch_that_is_partly_old_goes_up_to_a_point(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 5);
	life_add_point(life, 25, 0);
	life_add_stretch(life, 3);
	life_add_point(life, 51, 0);
	life_age(life, 40, OLD_NS);
	life_give_up(life, KEEP_NS, 2 + 0);
	expect_left(life, 1, 21);
	expect_left(life, 51, 51);
}

static void rules_spare_what_spans_of_instants_begin_with(void **state)
{
	const struct tmc_retention rules = { .last = 1 };
	struct life *life = *state;
	struct tmc_point *points;
	size_t nr;
	uint32_t reasons[8] = { 0 };

	life_add_stretch(life, 5);
	life_add_point(life, 11, 0);
	life_add_point(life, 30, 0);
	life_add_stretch(life, 3);
	life_add_point(life, 51, 60);
	life_add_point(life, 60, 0);
	life_add_point(life, 70, 0);
	life_add_point(life, 80, 0);
	assert_success(tmc_point_list(life->repo, &points, &nr));
	assert_int_equal(nr, 6);
	assert_success(tmc_retention_apply(&rules, points, nr, NULL, 0, UINT64_MAX, reasons));
	assert_success(tmc_retention_keep_journal(life->repo, points, nr, reasons));
	for (size_t i = 0; i < nr; i++) {
		uint64_t seq = points[i].moment.seq;
		bool begins = seq == 11 || (seq == 60 && !points[i].moment.settles_seq);

		assert_int_equal(reasons[i] & TMC_KEEP_JOURNAL, begins ? TMC_KEEP_JOURNAL : 0);
		assert_int_equal(!reasons[i], seq == 30 || seq == 70);
	}
	free(points);
}

static void another_volume_is_left_alone(void **state)
{
	const struct tmc_volume other = { .volume_id = "other", .volume_bytes = 1 << 20 };
	const struct tmc_journal_options options = { .first_seq = 1000 };
	const struct tmc_record cut = { .type = TMC_RECORD_CUT, .seq = 1000 };
	struct tmc_journal_forgotten result;
	struct life *life = *state;
	struct tmc_journal *journal;

	life_add_stretch(life, 3);
	life_add_point(life, 30, 0);
	assert_success(tmc_journal_begin(life->repo, &other, &options, &journal));
	assert_success(tmc_journal_append(journal, &cut));
	assert_success(tmc_journal_end(journal));
	life_reopen(life);
	assert_success(tmc_journal_forget(life->repo, "other", 0, false, &result));
	assert_int_equal(result.segments, 0);
	assert_int_equal(result.kept_segments, 1);
	/* The last one of either volume stays. */
	assert_success(tmc_journal_forget(life->repo, NULL, 0, false, &result));
	assert_int_equal(result.segments, 2);
	assert_int_equal(result.kept_segments, 2);
}

/* ------------------------------------------------------------------------- clocks */

/* The host took it for 1970, or for a year to come. */
static void what_hosts_say_of_the_time_counts_for_nothing(void **state)
{
	struct life *life = *state;

	life->time_ns = 0;
	life_add_stretch(life, 3);
	life_add_point(life, 30, 0);
	life->time_ns = UINT64_MAX / 2;
	life_add_stretch(life, 3);
	life_add_point(life, 31, 0);
	life_add_point(life, 60, 0);
	life_give_up(life, KEEP_NS, 3); /* in front of the first point */
	expect_left(life, 31, 31);
	life_age(life, 60, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	expect_left(life, 31, 51);
}

static void a_store_whose_clock_was_set_back_gives_up_less(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 4);
	life_add_point(life, 1, 0);
	life_add_point(life, 40, 0);
	life_age(life, 40, (uint64_t)-(int64_t)OLD_NS); /* written in the future */
	life_give_up(life, KEEP_NS, 0);
	life_give_up(life, 1, 0);
	life_age(life, 40, OLD_NS);
	life_age(life, 20, OLD_NS); /* the later ones seem young */
	life_give_up(life, KEEP_NS, 0);
}

/* ------------------------------------------------------------------------- damage */

static void nothing_goes_where_anything_is_damaged(void **state)
{
	static const char *const directories[] = { "journal", "points", "doom" };
	struct file_list *files = calloc(1, sizeof(*files));
	struct tmc_journal_forgotten result;
	struct tmc_doom doom = { .generation = 99 };
	struct life *life = *state;

	life_add_stretch(life, 6);
	life_add_point(life, 1, 0);
	life_add_point(life, 33, 0);
	assert_success(tmc_doom_store(life->repo->store, life->repo->keys, &doom));
	life_age(life, 60, OLD_NS);
	for (size_t d = 0; d < sizeof(directories) / sizeof(*directories); d++) {
		uint8_t *data;
		size_t bytes;

		list_files(life->fixture, directories[d], files);
		data = read_file(files->paths[0], &bytes);
		write_file(files->paths[0], data, bytes - 1);
		life_reopen(life);
		assert_int_equal(tmc_journal_forget(life->repo, NULL, KEEP_NS, false, &result),
				 -EBADMSG);
		assert_int_equal(count_files(life->fixture, "doom"), 1);
		write_file(files->paths[0], data, bytes);
		free(data);
	}
	free(files);
	life_age(life, 60, OLD_NS);
	life_give_up(life, KEEP_NS, 3);
}

/* ------------------------------------------------------------------------ readers */

static int count_record(void *context, const struct tmc_record *record)
{
	++*(unsigned int *)context;
	return 0;
}

static int read_all(struct tmc_repo *repo, const struct tmc_segment *segments, size_t nr)
{
	int ret = 0;

	for (size_t i = 0; i < nr && !ret; i++) {
		unsigned int nr_records = 0;

		ret = tmc_segment_read(repo, &segments[i], count_record, &nr_records);
		if (!ret)
			assert_int_equal(nr_records, LIFE_SEGMENT);
	}
	return ret;
}

/* Whoever has listed before can read, and keeps the sweep waiting; then it is gone. */
static void who_has_listed_before_can_read(void **state)
{
	const struct tmc_prune_options options = { .repack_below_percent = 50 };
	struct tmc_prune_result result;
	struct tmc_segment *segments;
	struct life *life = *state;
	struct tmc_repo *reader;
	size_t nr;

	life_add_stretch(life, 6);
	life_add_point(life, 35, 0);
	life_reopen(life);
	assert_success(tmc_repo_open(life->fixture->path, &reader));
	assert_success(tmc_repo_enter(reader, "restore"));
	assert_success(tmc_segment_list(reader, "test-volume", &segments, &nr));
	assert_int_equal(nr, 6);
	life_give_up(life, KEEP_NS, 3);
	life_reopen(life);
	assert_success(tmc_prune(life->repo, &options, &result));
	assert_int_equal(result.waiting_dooms, 1);
	assert_true(result.pending_bytes > 0);
	assert_success(read_all(reader, segments, nr));
	tmc_repo_close(reader);
	life_sweep(life);
	assert_int_equal(read_all(life->repo, segments, nr), -ENOENT);
	assert_success(read_all(life->repo, segments + 3, nr - 3));
	free(segments);
}

/* -------------------------------------------------------------------------- sweep */

static void set_time_of_doom(struct life *life, int64_t ahead_s)
{
	struct file_list *files = calloc(1, sizeof(*files));
	struct timespec times[2];

	list_files(life->fixture, "doom", files);
	assert_int_equal(files->nr, 1);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec += ahead_s;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, files->paths[0], times, 0), 0);
	free(files);
}

/* The first doom seems to be of the future: the second must not overtake it. */
static void later_segments_do_not_go_first(void **state)
{
	const struct tmc_prune_options options = { .grace_ns = 1, .repack_below_percent = 50 };
	struct tmc_prune_result result;
	struct life *life = *state;

	life_add_stretch(life, 6);
	life_add_point(life, 25, 0);
	life_give_up(life, KEEP_NS, 2);
	set_time_of_doom(life, 1000);
	life_add_point(life, 45, 0);
	life_age(life, 60, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	life_reopen(life);
	usleep(20000);
	assert_success(tmc_prune(life->repo, &options, &result));
	assert_int_equal(result.freed_bytes, 0);
	assert_int_equal(life_first_file(life, 1), 1);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 41);
	life_expect_sound(life);
}

/* -------------------------------------------------------------------------- prune */

static void prune_with(struct life *life, const struct tmc_point *point, bool dry_run,
		       uint64_t keep_ns, struct tmc_prune_result *result)
{
	const struct tmc_prune_options options = {
		.points = point ? &point->id : NULL,
		.nr_points = point != NULL,
		.grace_ns = HOUR_NS,
		.repack_below_percent = 50,
		.keep_journal_ns = keep_ns,
		.dry_run = dry_run,
	};

	life_reopen(life);
	assert_success(tmc_prune(life->repo, &options, result));
}

/* What the points that go with it would have made possible does not count. */
static void a_prune_gives_up_points_and_segments_in_one_doom(void **state)
{
	struct tmc_prune_result planned, result;
	struct life *life = *state;
	const struct tmc_point *first;
	struct tmc_stats stats;
	uint64_t bytes;

	life_add_stretch(life, 8);
	first = life_add_point(life, 2, 0);
	life_add_point(life, 44, 0);
	assert_success(tmc_repo_stats(life->repo, TMC_STATS_CHEAP, &stats));
	assert_int_equal(stats.segments, 8);
	bytes = stats.segment_bytes;
	prune_with(life, NULL, false, 0, &result);
	assert_int_equal(result.journal.segments + result.journal.kept_segments, 0);
	prune_with(life, first, true, KEEP_NS, &planned);
	prune_with(life, first, false, KEEP_NS, &result);
	assert_int_equal(count_files(life->fixture, "doom"), 1);
	assert_int_equal(result.journal.segments, 4);
	assert_memory_equal(&planned.journal, &result.journal, sizeof(result.journal));
	assert_int_equal(planned.points, result.points);
	assert_int_equal(life_first_seq(life, 1), 41);
	assert_true(result.pending_bytes >= result.journal.bytes);
	life_expect_sound(life);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 41);
	assert_success(tmc_repo_stats(life->repo, TMC_STATS_CHEAP, &stats));
	assert_int_equal(stats.segments, 4);
	assert_int_equal(stats.segment_bytes, bytes - result.journal.bytes);
	life_expect_sound(life);
}

static uint64_t sweep_journal(struct life *life)
{
	uint64_t bytes = 0;

	life_reopen(life);
	assert_success(tmc_journal_sweep(life->repo, 0, &bytes));
	return bytes;
}

/* As tidemarkd does it, which frees nothing else. */
static void the_journal_is_swept_by_itself(void **state)
{
	struct life *life = *state;

	life_add_stretch(life, 6);
	life_add_point(life, 15, 0);
	life_add_point(life, 45, 0);
	assert_int_equal(sweep_journal(life), 0);
	life_age(life, 60, OLD_NS);
	life_give_up(life, KEEP_NS, 4);
	life_forget(life, &life->points[0]);
	assert_int_equal(life_first_file(life, 1), 1);
	assert_true(sweep_journal(life) > 0);
	assert_int_equal(life_first_file(life, 41), 41);
	assert_int_equal(count_files(life->fixture, "doom"), 1); /* the point's */
	assert_int_equal(count_files(life->fixture, "points"), 2);
	life_expect_sound(life);
}

/* A doom of points as well is left to a prune, and so is what comes behind it. */
static void segments_of_a_doom_that_is_passed_over_go_first(void **state)
{
	struct tmc_prune_result result;
	struct life *life = *state;

	life_add_stretch(life, 9);
	life_add_point(life, 25, 0);
	life_add_point(life, 45, 0);
	life_add_point(life, 65, 0);
	life_age(life, 50, OLD_NS);
	prune_with(life, &life->points[0], false, KEEP_NS, &result);
	assert_int_equal(result.journal.segments, 4);
	life_age(life, 90, OLD_NS);
	life_give_up(life, KEEP_NS, 2);
	assert_int_equal(sweep_journal(life), 0);
	assert_int_equal(life_first_file(life, 1), 1);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 61), 61);
	life_expect_sound(life);
}

static void where_no_point_stays_the_journal_does(void **state)
{
	struct tmc_prune_result result;
	struct life *life = *state;
	const struct tmc_point *point;

	life_add_stretch(life, 4);
	point = life_add_point(life, 30, 0);
	life_age(life, 40, OLD_NS);
	prune_with(life, point, false, KEEP_NS, &result);
	assert_int_equal(result.points, 1);
	assert_int_equal(result.journal.segments, 0);
	assert_int_equal(life_first_seq(life, 1), 1);
}

/* -------------------------------------------------------------------------- repair */

static void damage_the_doom(struct life *life)
{
	struct file_list *files = calloc(1, sizeof(*files));
	uint8_t *data;
	size_t bytes;

	list_files(life->fixture, "doom", files);
	assert_int_equal(files->nr, 1);
	data = read_file(files->paths[0], &bytes);
	data[bytes / 2] ^= 1;
	write_file(files->paths[0], data, bytes);
	free(data);
	free(files);
}

static void repair(struct life *life)
{
	const struct tmc_repair_options options = { .apply = true, .nr_workers = 1 };
	struct tmc_repair_result result;

	life_reopen(life);
	assert_success(tmc_repair(life->repo, &options, &result));
	assert_int_equal(result.damaged_dooms, 1);
	assert_int_equal(result.damaged_segments, 0);
}

static void a_doom_that_goes_aside_brings_its_segments_back(void **state)
{
	bool before[LIFE_RECORDS + 1], after[LIFE_RECORDS + 1];
	struct tmc_segment *segments;
	struct life *life = *state;
	size_t nr;

	life_add_stretch(life, 6);
	life_add_point(life, 1, 0);
	life_add_point(life, 45, 0);
	life_check(life, before);
	life_age(life, 60, OLD_NS);
	life_give_up(life, KEEP_NS, 4);
	damage_the_doom(life);
	life_reopen(life);
	assert_int_equal(tmc_segment_list(life->repo, NULL, &segments, &nr), -EBADMSG);
	assert_int_equal(nr, 6); /* nobody knows better */
	free(segments);
	repair(life);
	expect_left(life, 1, 1);
	life_check(life, after);
	assert_memory_equal(before, after, sizeof(before));
	life_expect_sound(life);
	life_give_up(life, KEEP_NS, 4);
	life_sweep(life);
	assert_int_equal(life_first_file(life, 1), 41);
}

static unsigned int removals, removals_max;
static char doom_path[300];

/* As if the sweep were killed between two removals, and the doom were put aside. */
static void lose_doom(enum tmc_store_call call, enum tmc_store_kind kind)
{
	if (call != TMC_STORE_CALL_REMOVE || kind != TMC_STORE_JOURNAL || removals++ < removals_max)
		return;
	tmc_store_hooks.before = NULL;
	assert_int_equal(unlink(doom_path), 0);
}

/* Wherever the sweep ends: an end of the stretch is left, and all that it offers is right. */
static void a_sweep_that_is_cut_short_leaves_an_end_of_the_stretch(void **state)
{
	const struct tmc_prune_options options = { .repack_below_percent = 50 };
	struct file_list *files = calloc(1, sizeof(*files));
	bool offered[LIFE_RECORDS + 1];
	struct tmc_prune_result result;
	struct life *life = *state;

	life_add_stretch(life, 12);
	life_add_point(life, 1, 0);
	life_add_point(life, 25, 0);
	life_add_point(life, 118, 0);
	life_age(life, 120, OLD_NS);
	for (removals_max = 0; removals_max < 3; removals_max++) {
		uint64_t left = life_first_file(life, 1);

		life_give_up(life, KEEP_NS, UINT64_MAX);
		list_files(life->fixture, "doom", files);
		assert_int_equal(files->nr, 1);
		snprintf(doom_path, sizeof(doom_path), "%s", files->paths[0]);
		removals = 0;
		tmc_store_hooks.before = lose_doom;
		life_reopen(life);
		assert_int_equal(tmc_prune(life->repo, &options, &result), -EAGAIN);
		assert_null(tmc_store_hooks.before);
		life_reopen(life);
		left += (removals_max + 1) * LIFE_SEGMENT;
		assert_int_equal(life_first_file(life, 1), left);
		expect_left(life, 1, life_first_file(life, 1));
		life_check(life, offered);
		assert_true(offered[1] && offered[118] && offered[120]);
		life_expect_sound(life);
	}
	free(files);
}

/* ------------------------------------------------------------------------- verify */

static void what_is_given_up_is_neither_damaged_nor_missing(void **state)
{
	struct file_list *files = calloc(1, sizeof(*files));
	const struct tmc_repair_options options = { .nr_workers = 1 };
	struct tmc_repair_result repaired;
	struct life *life = *state;
	struct tmc_id *ids;
	char path[TMC_STORE_TEXT];
	size_t nr;

	life_add_stretch(life, 6);
	life_add_point(life, 45, 0);
	life_give_up(life, KEEP_NS, 4);
	assert_success(tmc_store_list(life->repo->store, TMC_STORE_JOURNAL, &ids, &nr));
	assert_int_equal(nr, 6);
	tmc_store_describe(life->repo->store, TMC_STORE_JOURNAL, &ids[1], path);
	write_file(path, "x", 1);
	tmc_store_describe(life->repo->store, TMC_STORE_JOURNAL, &ids[2], path);
	assert_int_equal(unlink(path), 0);
	life_expect_sound(life);
	assert_success(tmc_repair(life->repo, &options, &repaired));
	assert_int_equal(repaired.damaged_segments, 0);
	life_sweep(life);
	life_expect_sound(life);
	assert_int_equal(life_first_file(life, 1), 41);
	free(ids);
	free(files);
}

/* ------------------------------------------------------------------- at random */

static void live(struct life *life)
{
	unsigned int nr_stretches = 1 + life_draw(life, 3);

	for (unsigned int i = 0; i < nr_stretches; i++) {
		unsigned int nr_segments = 1 + life_draw(life, 9), nr_points = life_draw(life, 6);
		uint64_t first = life->nr + 1;

		life_add_stretch(life, nr_segments);
		for (unsigned int n = 0; n < nr_points; n++) {
			uint64_t seq = first + life_draw(life, nr_segments * LIFE_SEGMENT);
			uint64_t settles = seq + 1 + life_draw(life, 15);

			settles = settles > life->nr ? life->nr : settles;
			life_add_point(life, seq, life_draw(life, 3) || settles <= seq ? 0 : settles);
		}
	}
}

/* What is young and can be had can be had afterwards, and nothing else comes up. */
static void expect_young(const struct life *life, const bool before[], const bool after[],
			 uint64_t old_end)
{
	for (uint64_t seq = 1; seq <= life->nr; seq++) {
		if (after[seq] && !before[seq])
			fail_msg("seq %llu is new", (unsigned long long)seq);
		if (seq > old_end && before[seq] && !after[seq])
			fail_msg("seq %llu was given up", (unsigned long long)seq);
	}
}

static unsigned int give_up_at_random(struct life *life)
{
	bool before[LIFE_RECORDS + 1], after[LIFE_RECORDS + 1];
	uint64_t old_end = life_draw(life, (uint32_t)life->nr + 1);
	unsigned int nr_before, nr_after;

	if (life->nr_points && life_draw(life, 2)) {
		const struct tmc_point *point =
			&life->points[life_draw(life, life->nr_points)];
		struct tmc_point ignored;

		life_reopen(life);
		if (!tmc_point_get(life->repo, &point->id, &ignored))
			life_forget(life, point);
	}
	life_age(life, old_end, OLD_NS);
	nr_before = life_check(life, before);
	life_give_up(life, KEEP_NS, UINT64_MAX);
	nr_after = life_check(life, after);
	expect_young(life, before, after, old_end / LIFE_SEGMENT * LIFE_SEGMENT);
	if (life_draw(life, 2))
		life_sweep(life);
	life_check(life, before);
	assert_memory_equal(before, after, sizeof(before));
	life_expect_sound(life);
	return nr_before - nr_after;
}

static void whatever_there_is_what_is_young_stays(void **state)
{
	unsigned int nr_given_up = 0;

	for (uint64_t seed = 1; seed <= (is_long() ? 100 : 12); seed++) {
		struct life *life;

		assert_int_equal(life_setup((void **)&life), 0);
		life->seed = seed;
		live(life);
		for (int i = 0; i < 3; i++)
			nr_given_up += give_up_at_random(life);
		assert_int_equal(life_teardown((void **)&life), 0);
	}
	assert_true(nr_given_up > 50);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, life_setup, life_teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_old_goes_up_to_a_point),
		T(the_end_of_a_segment_is_a_limit_like_any_other),
		T(what_is_behind_the_latest_exact_point_stays),
		T(what_a_scan_needs_stays),
		T(a_scan_whose_instants_begin_later_waits_for_a_point_there),
		T(what_is_in_front_of_the_first_point_goes_whatever_its_age),
		T(also_where_an_older_point_is_left),
		T(a_single_scan_keeps_what_is_in_front_of_it),
		T(a_stretch_without_points_goes_once_it_is_old),
		T(each_stretch_has_its_own_limit),
		T(the_end_of_an_old_stretch_goes_once_a_later_one_stands),
		T(a_stretch_that_is_partly_old_goes_up_to_a_point),
		T(rules_spare_what_spans_of_instants_begin_with),
		T(another_volume_is_left_alone),
		T(what_hosts_say_of_the_time_counts_for_nothing),
		T(a_store_whose_clock_was_set_back_gives_up_less),
		T(nothing_goes_where_anything_is_damaged),
		T(who_has_listed_before_can_read),
		T(later_segments_do_not_go_first),
		T(a_prune_gives_up_points_and_segments_in_one_doom),
		T(the_journal_is_swept_by_itself),
		T(segments_of_a_doom_that_is_passed_over_go_first),
		T(where_no_point_stays_the_journal_does),
		T(a_doom_that_goes_aside_brings_its_segments_back),
		T(a_sweep_that_is_cut_short_leaves_an_end_of_the_stretch),
		T(what_is_given_up_is_neither_damaged_nor_missing),
		cmocka_unit_test(whatever_there_is_what_is_young_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
