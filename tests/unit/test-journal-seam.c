// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A stretch that another process goes on in: over the seam it is one like any other. Behind what
 * is not its end nobody goes on.
 */
#include "journal_life.h"

static void a_seam_is_no_gap(void **state)
{
	struct life *life = *state;
	struct tmc_interval *intervals;
	bool offered[LIFE_RECORDS + 1];
	size_t nr;

	life_add_stretch(life, 3);
	life_add_point(life, 5, 0);
	for (unsigned int i = 0; i < 5; i++)
		life_continue_stretch(life, 1 + i % 3);
	life_expect_sound(life);
	assert_success(tmc_interval_list(life->repo, "test-volume", &intervals, &nr));
	assert_int_equal(nr, 1);
	assert_int_equal(intervals[0].first_seq, 5);
	assert_int_equal(intervals[0].last_seq, life->nr);
	assert_int_equal(life_check(life, offered), life->nr - 4);
	free(intervals);
}

/* The chain of names goes over it as well. */
static void each_segment_names_the_one_before_the_seam(void **state)
{
	struct life *life = *state;
	struct tmc_segment *segments;
	size_t nr;

	life_add_stretch(life, 1);
	life_continue_stretch(life, 1);
	life_continue_stretch(life, 1);
	assert_success(tmc_segment_list(life->repo, "test-volume", &segments, &nr));
	assert_int_equal(nr, 3);
	for (size_t i = 1; i < nr; i++) {
		assert_int_equal(segments[i].stretch, segments[0].stretch);
		assert_memory_equal(&segments[i].previous, &segments[i - 1].id,
				    sizeof(struct tmc_id));
	}
	free(segments);
}

/* What was given up in front of it takes nothing of it along. */
static void a_stretch_is_given_up_over_the_seam(void **state)
{
	struct life *life = *state;
	bool offered[LIFE_RECORDS + 1];

	life_add_stretch(life, 2);
	life_add_point(life, 5, 0);
	life_continue_stretch(life, 2);
	life_add_point(life, 35, 0);
	life_continue_stretch(life, 1);
	life_age(life, 40, 2 * HOUR_NS);
	life_give_up(life, HOUR_NS, 3);
	life_continue_stretch(life, 1);
	life_sweep(life);
	life_continue_stretch(life, 1);
	life_expect_sound(life);
	life_check(life, offered);
	assert_true(offered[36] && offered[50] && offered[life->nr]);
}

/* -------------------------------------------------------------------- what is no end */

static int try_to_begin(struct life *life, const struct tmc_journal_options *options,
			const char *volume_id)
{
	struct tmc_volume volume = { .volume_bytes = LIFE_BYTES };
	struct tmc_journal *journal;
	int r;

	snprintf(volume.volume_id, sizeof(volume.volume_id), "%s", volume_id);
	r = tmc_journal_begin(life->repo, &volume, options, &journal);
	if (r == 0)
		tmc_journal_abort(journal);
	return r;
}

static struct tmc_journal_options behind_the_end(struct life *life)
{
	return (struct tmc_journal_options){
		.first_seq = life->nr + 1,
		.stretch = life->stretches[life->nr],
		.previous = life_last_segment(life),
	};
}

static void behind_another_segment_than_the_last_nobody_goes_on(void **state)
{
	struct life *life = *state;
	struct tmc_journal_options options;

	life_add_stretch(life, 2);
	options = behind_the_end(life);
	assert_success(try_to_begin(life, &options, "test-volume"));
	life_continue_stretch(life, 1);
	assert_int_equal(try_to_begin(life, &options, "test-volume"), -ESTALE);
	options = behind_the_end(life);
	assert_success(try_to_begin(life, &options, "test-volume"));
}

static void what_a_segment_is_not_is_refused(void **state)
{
	struct life *life = *state;
	struct tmc_journal_options good, bad;

	life_add_stretch(life, 2);
	good = bad = behind_the_end(life);
	assert_int_equal(try_to_begin(life, &good, "another"), -ESTALE);
	bad.stretch++;
	assert_int_equal(try_to_begin(life, &bad, "test-volume"), -ESTALE);
	bad = good;
	bad.first_seq++;
	assert_int_equal(try_to_begin(life, &bad, "test-volume"), -ESTALE);
	bad.first_seq = 0;
	assert_int_equal(try_to_begin(life, &bad, "test-volume"), -ESTALE);
	bad = good;
	bad.previous.bytes[31]++;
	assert_int_equal(try_to_begin(life, &bad, "test-volume"), -ENOENT);
}

/* Its own name is all that proves it. */
static void a_segment_that_is_damaged_is_no_end(void **state)
{
	struct life *life = *state;
	struct tmc_journal_options options;
	char digits[TMC_ID_TEXT], path[300];
	uint8_t *data;
	size_t bytes;

	life_add_stretch(life, 1);
	options = behind_the_end(life);
	tmc_id_format(&options.previous, digits);
	snprintf(path, sizeof(path), "%s/journal/%s", life->fixture->path, digits);
	data = read_file(path, &bytes);
	data[bytes - 300]++;
	write_file(path, data, bytes);
	free(data);
	assert_int_equal(try_to_begin(life, &options, "test-volume"), -EBADMSG);
}

/* An end that dooms list is none: it could be gone before its successor has a name. */
static void what_is_given_up_is_no_end(void **state)
{
	struct life *life = *state;
	struct tmc_journal_options options;

	life_add_stretch(life, 2);
	options = behind_the_end(life);
	life_add_stretch(life, 1);
	life_add_point(life, life->nr, 0);
	life_age(life, life->nr, 2 * HOUR_NS);
	life_give_up(life, HOUR_NS, 2);
	assert_int_equal(try_to_begin(life, &options, "test-volume"), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, life_setup, life_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_seam_is_no_gap),
		TEST(each_segment_names_the_one_before_the_seam),
		TEST(a_stretch_is_given_up_over_the_seam),
		TEST(behind_another_segment_than_the_last_nobody_goes_on),
		TEST(what_a_segment_is_not_is_refused),
		TEST(a_segment_that_is_damaged_is_no_end),
		TEST(what_is_given_up_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
