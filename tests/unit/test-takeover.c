// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A protection that goes on where another one has left off: the same channel, the same stretch,
 * nothing read again. Where that cannot be, it begins as if there had been none before.
 */
#include "protection_scene.h"

#include "agent/handover.h"

#include <signal.h>
#include <sys/wait.h>

static int set_up_store(void **state)
{
	int r = set_up(state);
	struct scene *scene = *state;

	scene->settings.store = &scene->store;
	return r;
}

static unsigned int count_stretches(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_segment *segments;
	unsigned int nr_stretches = 0;
	size_t nr;

	assert_success(tmc_segment_list(repo, NAME, &segments, &nr));
	for (size_t i = 0; i < nr; i++)
		nr_stretches += i == 0 || segments[i].stretch != segments[i - 1].stretch;
	free(segments);
	tmc_repo_close(repo);
	return nr_stretches;
}

static unsigned int count_intervals(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_interval *intervals;
	size_t nr;

	assert_success(tmc_interval_list(repo, NAME, &intervals, &nr));
	free(intervals);
	tmc_repo_close(repo);
	return (unsigned int)nr;
}

static void check_repository(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_verify_result result;

	assert_success(tmc_verify(repo, NULL, 2, print_damage, NULL, (void *)"", &result));
	tmc_repo_close(repo);
}

static void expect_one_stretch_of(struct scene *scene, unsigned int nr_intervals)
{
	assert_int_equal(module_nr_channels(scene->module), 1);
	assert_int_equal(count_stretches(scene), 1);
	assert_int_equal(count_intervals(scene), nr_intervals);
	check_repository(scene);
}

static void expect_one_stretch(struct scene *scene)
{
	expect_one_stretch_of(scene, 1);
}

/* Stopped in order, with three records in the ring. */
static void leave(struct scene *scene)
{
	touch(scene, 10, 5);
	start(scene);
	wait_for_streaming(scene);
	touch(scene, 20, 5);
	stop(scene);
	touch(scene, 30, 3);
	assert_non_null(module_page(scene->module));
}

static void restart(struct scene *scene)
{
	struct protection_status status;

	stop(scene);
	usleep(20000);
	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, 0);
	assert_int_equal(status.nr_gaps, 0);
}

/* The writers come later: a write that is on its way when a stretch begins makes a reread. */
static void a_restart_goes_on_in_the_same_stretch(void **state)
{
	struct scene *scene = *state;
	unsigned int seed = 21;

	scene->settings.points_ns = 300 * MS;
	start(scene);
	wait_for_streaming(scene);
	begin_writing(scene, 21);
	for (unsigned int i = 0; i < 15; i++) {
		usleep((useconds_t)rand_r(&seed) % 150000);
		restart(scene);
	}
	promise_everything(scene);
	end_well(scene);
	assert_int_equal(scene->nr_drops, 0);
	expect_one_stretch(scene);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
}

static void a_volume_at_rest_is_taken_over_as_well(void **state)
{
	struct scene *scene = *state;

	start(scene);
	wait_for_streaming(scene);
	for (unsigned int i = 0; i < 4; i++) {
		restart(scene);
		touch(scene, 10 + i, i % 2);
	}
	end_well(scene);
	expect_one_stretch(scene);
	check_end(scene, VOLUME_BYTES);
}

/* What a write that failed had left there settles behind the seam. */
static void rereads_are_unsettled_over_the_seam(void **state)
{
	struct scene *scene = *state;
	struct writers_options options = {
		.seed = 22, .pause_us = 3000, .first_sector = 13, .fail = true,
	};

	scene->writes_fail = true;
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	wait_for_streaming(scene);
	for (unsigned int i = 0; i < 10; i++) {
		usleep(60000);
		restart(scene);
	}
	promise_everything(scene);
	end_well(scene);
	assert_int_equal(module_nr_channels(scene->module), 1);
	assert_int_equal(count_stretches(scene), 1);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

static bool can_be_had(struct scene *scene, uint64_t seq)
{
	struct tmc_when when = {.kind = TMC_WHEN_SEQ, .seq = seq};
	uint8_t *data = calloc(2, VOLUME_BYTES);
	struct tmc_repo *repo = open_repo(scene);
	int r = look_at(repo, &when, data);

	assert_true(r == 0 || r == -ENOENT);
	tmc_repo_close(repo);
	free(data);
	return r == 0;
}

static bool is_durable(const struct protection_status *status, uint64_t seq)
{
	return status->recorder.durable_seq >= seq;
}

/* The process before had read sectors again when more than these three was on its way. */
static void what_is_unsettled_is_not_offered_behind_the_seam(void **state)
{
	struct scene *scene = *state;
	struct handover_page *page;
	struct handover handover;

	leave(scene);
	page = module_page(scene->module);
	assert_int_equal(handover_read(page, &handover), 0);
	handover.unsettled_until = module_last_seq(scene->module) + 2;
	handover_write(page, &handover);
	scene->settings.acknowledge_ns = 3600000 * MS;
	start(scene);
	wait_until(scene, is_durable, handover.seq + 3);
	touch(scene, 40, 2);
	end_well(scene);
	for (uint64_t i = 1; i <= 3; i++)
		assert_false(can_be_had(scene, handover.seq + i));
	expect_one_stretch_of(scene, 2);
	check_end(scene, VOLUME_BYTES);
}

static bool has_taken(const struct protection_status *status, uint64_t seq)
{
	return status->recorder.seq >= seq;
}

static void what_is_not_durable_is_not_handed_over(void **state)
{
	struct scene *scene = *state;
	struct handover handover;
	uint64_t seq;

	scene->settings.rpo_ns = 3600000 * MS;
	scene->settings.acknowledge_ns = 3600000 * MS;
	start(scene);
	seq = wait_for_streaming(scene).recorder.seq;
	touch(scene, 7, 3);
	wait_until(scene, has_taken, seq + 3);
	if (handover_read(module_page(scene->module), &handover) == 0)
		assert_true(handover.position <
			    module_page(scene->module)->consumer.consumer_pos);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* Nobody has drained the ring; what it held is of the stretch, and the next one is a gap away. */
static void a_ring_that_was_full_meanwhile_is_kept(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	begin_writing(scene, 23);
	start(scene);
	wait_for_streaming(scene);
	usleep(100000);
	stop(scene);
	usleep(50000);
	assert_int_equal(module_mark(scene->module, "in the ring"), 1);
	module_lose_stream(scene->module);
	usleep(100000);
	start(scene);
	status = wait_until(scene, had_gaps, 1);
	assert_true(status.scan_bytes < VOLUME_BYTES / 4);
	promise(scene, 0, scene->start_ns - 100 * MS);
	promise(scene, clock_ns(CLOCK_REALTIME), UINT64_MAX);
	usleep(100000);
	end_well(scene);
	assert_int_equal(module_nr_channels(scene->module), 1);
	assert_int_equal(count_stretches(scene), 2);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

static void a_cut_that_was_left_open_is_given_up(void **state)
{
	struct scene *scene = *state;
	struct channel_cut_part part = {.stream = CHANNEL_STREAM_GOES_ON};

	start(scene);
	wait_for_streaming(scene);
	stop(scene);
	touch(scene, 40, 3);
	part.channel = module_channel(scene->module);
	assert_int_equal(channel_cut(&part, 1, NULL, 0), 0);
	start(scene);
	wait_for_streaming(scene);
	touch(scene, 50, 3);
	end_well(scene);
	expect_one_stretch(scene);
	check_end(scene, VOLUME_BYTES);
}

/* -------------------------------------------------------------- what is no takeover */

/* As without any handover: what was written since the last commit is read. */
static void expect_new_channel(struct scene *scene, uint64_t scan_bytes)
{
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, scan_bytes);
	assert_int_equal(module_nr_channels(scene->module), 2);
	assert_true(scene->nr_drops >= 1);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
	check_repository(scene);
}

static void what_was_consumed_and_is_not_durable_is_read_again(void **state)
{
	struct scene *scene = *state;

	leave(scene);
	module_page(scene->module)->consumer.consumer_pos += 64 + SECTOR;
	expect_new_channel(scene, 3 * CHUNK);
}

static void a_damaged_handover_is_none(void **state)
{
	struct scene *scene = *state;
	struct handover_page *page;

	leave(scene);
	page = module_page(scene->module);
	page->copies[0].handover.seq ^= 1;
	page->copies[1].handover.seq ^= 1;
	expect_new_channel(scene, 3 * CHUNK);
}

/* Each claim is checked, though the checksum fits. */
static void forge(struct scene *scene, void (*change)(struct handover *handover))
{
	struct handover_page *page;
	struct handover handover;

	leave(scene);
	page = module_page(scene->module);
	assert_int_equal(handover_read(page, &handover), 0);
	change(&handover);
	handover_write(page, &handover);
	expect_new_channel(scene, 3 * CHUNK);
}

static void change_volume_id(struct handover *handover)
{
	handover->volume_id[0]++;
}

static void change_segment(struct handover *handover)
{
	handover->segment.bytes[20]++;
}

static void change_stretch(struct handover *handover)
{
	handover->stretch++;
}

static void change_seq(struct handover *handover)
{
	handover->seq++;
}

static void change_module_seq(struct handover *handover)
{
	handover->module_seq += 100;
}

static void change_repository(struct handover *handover)
{
	handover->repository.bytes[5]++;
}

static void a_handover_of_another_volume_is_none(void **state)
{
	forge(*state, change_volume_id);
}

static void a_handover_of_another_repository_is_none(void **state)
{
	forge(*state, change_repository);
}

static void a_segment_that_is_not_there_is_no_predecessor(void **state)
{
	forge(*state, change_segment);
}

static void a_segment_of_another_stretch_is_no_predecessor(void **state)
{
	forge(*state, change_stretch);
}

static void a_segment_that_ends_elsewhere_is_no_predecessor(void **state)
{
	forge(*state, change_seq);
}

static void a_record_that_is_yet_to_come_is_no_end(void **state)
{
	forge(*state, change_module_seq);
}

static void a_handover_for_another_repository_is_none(void **state)
{
	struct scene *scene = *state;

	leave(scene);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
	assert_success(tmc_repo_create(scene->fixture->path, CHUNK));
	expect_new_channel(scene, VOLUME_BYTES);
}

/* Whoever he is: invariant 2. */
static void a_stretch_that_somebody_else_went_on_in_is_left_alone(void **state)
{
	struct scene *scene = *state;
	struct tmc_volume volume = {.volume_id = NAME, .volume_bytes = VOLUME_BYTES};
	struct tmc_record record = {.type = TMC_RECORD_FLUSH};
	struct tmc_journal_options options = {0};
	struct handover handover;
	struct tmc_journal *journal;
	struct tmc_repo *repo;

	leave(scene);
	assert_int_equal(handover_read(module_page(scene->module), &handover), 0);
	options.first_seq = record.seq = handover.seq + 1;
	options.stretch = handover.stretch;
	options.previous = handover.segment;
	repo = open_repo(scene);
	assert_success(tmc_journal_begin(repo, &volume, &options, &journal));
	assert_success(tmc_journal_append(journal, &record));
	assert_success(tmc_journal_end(journal));
	tmc_repo_close(repo);
	expect_new_channel(scene, 3 * CHUNK);
}

static void what_a_living_process_has_is_not_taken(void **state)
{
	struct scene *scene = *state;
	struct handover_page *page;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	leave(scene);
	page = module_page(scene->module);
	page->owner = handover_owner((uint32_t)child);
	expect_new_channel(scene, 3 * CHUNK);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void what_a_dead_process_had_is_taken(void **state)
{
	struct scene *scene = *state;

	leave(scene);
	module_page(scene->module)->owner ^= 1; /* of an earlier one with the same id */
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, 0);
	end_well(scene);
	expect_one_stretch(scene);
	check_end(scene, VOLUME_BYTES);
}

/* A scan that was not at its end when it stopped leaves no stretch to go on in. */
static void a_scan_that_is_stopped_is_not_gone_on_with(void **state)
{
	struct scene *scene = *state;

	scene->settings.scan_bytes_per_second = 1u << 20;
	start(scene);
	wait_until(scene, has_scanned, 1u << 18);
	stop(scene);
	assert_null(module_page(scene->module));
	scene->settings.scan_bytes_per_second = 0;
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* Nor is one that has ended, while the next one begins in the same channel. */
static void a_stretch_that_has_ended_is_not_gone_on_with(void **state)
{
	struct scene *scene = *state;
	struct handover handover;

	touch(scene, 0, 200);
	start(scene);
	wait_for_streaming(scene);
	assert_int_equal(handover_read(module_page(scene->module), &handover), 0);
	stop(scene);
	scene->settings.scan_bytes_per_second = 1u << 16;
	start(scene);
	wait_for_streaming(scene);
	touch(scene, 0, 200);
	module_lose_stream(scene->module);
	wait_until(scene, is_in, PROTECTION_SCANNING);
	assert_int_equal(handover_read(module_page(scene->module), &handover), -ENODATA);
	stop(scene);
	assert_null(module_page(scene->module));
	scene->settings.scan_bytes_per_second = 0;
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* What is consumed when the repository fails is not durable: the channel is closed. */
static void a_repository_that_fails_at_the_end_hands_nothing_over(void **state)
{
	struct scene *scene = *state;

	start(scene);
	wait_for_streaming(scene);
	module_be_quiet(scene->module, true);
	touch(scene, 60, 4);
	take_repository_away(scene);
	stop(scene);
	assert_null(module_page(scene->module));
	bring_repository_back(scene);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_store, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_restart_goes_on_in_the_same_stretch),
		TEST(a_volume_at_rest_is_taken_over_as_well),
		TEST(rereads_are_unsettled_over_the_seam),
		TEST(what_is_unsettled_is_not_offered_behind_the_seam),
		TEST(what_is_not_durable_is_not_handed_over),
		TEST(a_ring_that_was_full_meanwhile_is_kept),
		TEST(a_cut_that_was_left_open_is_given_up),
		TEST(what_was_consumed_and_is_not_durable_is_read_again),
		TEST(a_damaged_handover_is_none),
		TEST(a_handover_of_another_volume_is_none),
		TEST(a_handover_of_another_repository_is_none),
		TEST(a_segment_that_is_not_there_is_no_predecessor),
		TEST(a_segment_of_another_stretch_is_no_predecessor),
		TEST(a_segment_that_ends_elsewhere_is_no_predecessor),
		TEST(a_record_that_is_yet_to_come_is_no_end),
		TEST(a_handover_for_another_repository_is_none),
		TEST(a_stretch_that_somebody_else_went_on_in_is_left_alone),
		TEST(what_a_living_process_has_is_not_taken),
		TEST(what_a_dead_process_had_is_taken),
		TEST(a_scan_that_is_stopped_is_not_gone_on_with),
		TEST(a_stretch_that_has_ended_is_not_gone_on_with),
		TEST(a_repository_that_fails_at_the_end_hands_nothing_over),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
