// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * From the ring of an imitated module to the journal of a real repository. The volume is zero
 * when the stream begins, and a point says so: each instant can be had, and is compared with
 * what was written.
 */
#include "repo_fixture.h"
#include "imitated_module.h"

#include "agent/live_volume.h"
#include "agent/recorder.h"
#include "common/clock_ns.h"
#include "common/failure.h"

#include <uapi/tidemark.h>

#define SECTOR       512u
#define CHUNK        4096u
#define VOLUME_BYTES (4u << 20)
#define RING_BYTES   (4u << 20)
#define NAME         "imitated"
#define FIRST_SEQ    100u
#define PATIENCE_NS  10000000000u /* of a test that fails */

struct scene {
	struct fixture *fixture;
	struct module *module;
	struct tmc_repo *repo;
	struct live_volume live;
	struct recorder *recorder;
	struct model *volume; /* as it is to be */
	unsigned int seed;
	uint64_t epoch; /* of the open cut */
};

static struct scene *make_scene(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct module_options options = {
		.name = NAME, .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = RING_BYTES, .stall_ms = 60000,
	};

	scene->fixture = *state;
	scene->module = module_create(&options);
	scene->repo = make_repo(scene->fixture->path, CHUNK);
	scene->volume = model_create(VOLUME_BYTES, CHUNK);
	scene->live.fd = -1;
	assert_int_equal(live_volume_open(&scene->live, NAME, scene->fixture->path, scene->repo,
					  NULL), 0);
	return scene;
}

static void start(struct scene *scene, uint64_t rpo_ns, size_t memory_bytes)
{
	struct recorder_request request = {
		.channel = scene->live.channel,
		.source = {.fd = scene->live.fd, .info = scene->live.info},
		.repo = scene->repo,
		.volume = &scene->live.volume,
		.first_seq = FIRST_SEQ,
		.rpo_ns = rpo_ns,
		.memory_bytes = memory_bytes,
	};

	assert_int_equal(recorder_start(&request, &scene->recorder), 0);
}

static void end_scene(struct scene *scene)
{
	live_volume_close(&scene->live);
	tmc_repo_close(scene->repo);
	module_destroy(scene->module);
	model_destroy(scene->volume);
	free(scene);
}

static void stop(struct scene *scene)
{
	assert_int_equal(recorder_stop(scene->recorder), 0);
	scene->recorder = NULL;
}

/* ------------------------------------------------------------------------ waiting */

static struct recorder_status status_of(struct scene *scene)
{
	struct recorder_status status;

	recorder_get_status(scene->recorder, &status);
	return status;
}

static void wait_until(struct scene *scene, bool (*done)(const struct recorder_status *status,
							 uint64_t value), uint64_t value)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	struct recorder_status status = status_of(scene);

	while (!done(&status, value)) {
		if (recorder_failure(scene->recorder) < 0)
			fail_msg("%s", failure_text());
		assert_true(clock_ns(CLOCK_MONOTONIC) < end_ns);
		usleep(1000);
		status = status_of(scene);
	}
}

static bool has_taken(const struct recorder_status *status, uint64_t module_seq)
{
	return status->module_seq >= module_seq;
}

static bool has_stored(const struct recorder_status *status, uint64_t module_seq)
{
	return status->module_seq >= module_seq && status->durable_seq == status->seq;
}

static bool has_begun(const struct recorder_status *status, uint64_t nr_stretches)
{
	return status->nr_stretches == nr_stretches && status->state == RECORDER_RECORDING;
}

static bool has_ended(const struct recorder_status *status, uint64_t nr_stretches)
{
	return status->nr_stretches == nr_stretches && status->state == RECORDER_IDLE;
}

/* ------------------------------------------------------------------------ writing */

static void make_cut(struct scene *scene, enum channel_cut_stream stream)
{
	struct channel_cut_part part = {.channel = scene->live.channel, .stream = stream};

	assert_int_equal(channel_cut(&part, 1, NULL, 0), 0);
	scene->epoch = part.cut.epoch;
	assert_int_equal(channel_abort(scene->live.channel, part.cut.epoch), 0);
}

static void begin_stretch(struct scene *scene, uint64_t nth)
{
	make_cut(scene, CHANNEL_STREAM_STARTS);
	wait_until(scene, has_begun, nth);
}

static void put(struct scene *scene, enum module_op op, uint64_t sector, uint64_t nr)
{
	uint8_t *at = scene->volume->data + sector * SECTOR;
	uint8_t *data = malloc(nr * SECTOR + 1);

	for (uint64_t i = 0; i < nr * SECTOR; i++)
		data[i] = (uint8_t)(rand_r(&scene->seed) >> 4);
	module_write(scene->module, op, sector, nr, data, &scene->seed);
	if (op == MODULE_WRITE)
		memcpy(at, data, nr * SECTOR);
	else if (op == MODULE_FAILING_WRITE)
		memcpy(at, data, nr / 2 * SECTOR);
	else if (op == MODULE_ZEROES)
		memset(at, 0, nr * SECTOR);
	free(data);
}

static void put_any(struct scene *scene)
{
	static const enum module_op ops[] = {
		MODULE_WRITE, MODULE_WRITE, MODULE_WRITE, MODULE_ZEROES, MODULE_DISCARD,
	};
	uint64_t sector = (uint64_t)rand_r(&scene->seed) % (VOLUME_BYTES / SECTOR - 64);

	put(scene, ops[rand_r(&scene->seed) % 5], sector, 1 + (uint64_t)rand_r(&scene->seed) % 64);
}

/* ------------------------------------------------------------------------ reading */

/* The volume was zero at the first record of the stretch. */
static void make_zero_point(struct scene *scene, uint64_t stretch, uint64_t seq)
{
	struct tmc_moment moment = {.stretch = stretch, .seq = seq};
	struct tmc_backup *backup;
	struct tmc_point point;

	assert_success(tmc_backup_begin(scene->repo, &scene->live.volume, NULL, 2, &backup));
	tmc_backup_set_moment(backup, &moment);
	assert_success(tmc_backup_put_zero(backup, 0, scene->live.info->nr_chunks));
	assert_success(tmc_backup_commit(backup, 1, 0, &point));
}

static int extract(struct scene *scene, uint64_t seq, struct model *ret_volume)
{
	struct tmc_when when = {.kind = TMC_WHEN_SEQ, .seq = seq};
	struct image image = {.model = ret_volume, .data = ret_volume->data};
	struct tmc_sink sink = {.data = image_data, .zero = image_zero, .context = &image};
	struct tmc_instant instant;
	int r = tmc_instant_find(scene->repo, NAME, &when, &instant);

	if (r < 0)
		return r;
	image.seen = calloc(ret_volume->nr_chunks, 1);
	assert_success(tmc_instant_extract(scene->repo, &instant, 1, &sink));
	assert_false(image.misused);
	free((void *)image.seen);
	return 0;
}

static void assert_instant(struct scene *scene, uint64_t seq)
{
	struct model *got = model_create(VOLUME_BYTES, CHUNK);

	assert_success(extract(scene, seq, got));
	assert_memory_equal(got->data, scene->volume->data, VOLUME_BYTES);
	model_destroy(got);
}

struct listing {
	struct tmc_record records[64];
	char marks[64][16];
	size_t nr;
};

static int list_record(void *context, const struct tmc_record *record)
{
	struct listing *listing = context;

	assert_true(listing->nr < 64);
	if (record->type == TMC_RECORD_MARK)
		memcpy(listing->marks[listing->nr], record->payload, record->payload_bytes);
	listing->records[listing->nr++] = *record;
	return 0;
}

static void list_journal(struct scene *scene, struct listing *ret_listing)
{
	struct tmc_segment *segments;
	size_t nr;

	memset(ret_listing, 0, sizeof(*ret_listing));
	assert_success(tmc_segment_list(scene->repo, NAME, &segments, &nr));
	for (size_t i = 0; i < nr; i++)
		assert_success(tmc_segment_read(scene->repo, &segments[i], list_record,
						ret_listing));
	free(segments);
}

/* ------------------------------------------------------------------------- tests */

static void records_become_the_journals(void **state)
{
	static const struct tmc_record expected[] = {
		{.type = TMC_RECORD_CUT},
		{.type = TMC_RECORD_WRITE, .offset = 7 * SECTOR, .bytes = 9 * SECTOR},
		{.type = TMC_RECORD_ZEROES, .offset = 8 * SECTOR, .bytes = 2 * SECTOR},
		{.type = TMC_RECORD_DISCARD, .offset = 9 * SECTOR, .bytes = SECTOR},
		{.type = TMC_RECORD_FLUSH},
		{.type = TMC_RECORD_MARK},
		{.type = TMC_RECORD_CUT},
		{.type = TMC_RECORD_WRITE, .offset = VOLUME_BYTES - SECTOR, .bytes = SECTOR},
	};
	const size_t nr = sizeof(expected) / sizeof(*expected);
	struct scene *scene = make_scene(state);
	struct listing *listing = malloc(sizeof(*listing));
	struct recorder_status status;

	start(scene, 1000000000, 8u << 20);
	begin_stretch(scene, 1);
	put(scene, MODULE_WRITE, 7, 9);
	put(scene, MODULE_ZEROES, 8, 2);
	put(scene, MODULE_DISCARD, 9, 1);
	put(scene, MODULE_FLUSH, 0, 0);
	assert_int_equal(module_mark(scene->module, "here"), 0);
	make_cut(scene, CHANNEL_STREAM_GOES_ON);
	put(scene, MODULE_WRITE, VOLUME_BYTES / SECTOR - 1, 1);
	wait_until(scene, has_taken, nr);
	status = status_of(scene);
	assert_int_equal(status.seq, FIRST_SEQ + nr - 1);
	assert_int_equal(status.first_seq, FIRST_SEQ);
	assert_int_equal(status.cut_epoch, scene->epoch);
	assert_int_equal(status.cut_seq, FIRST_SEQ + 6);
	stop(scene);
	list_journal(scene, listing);
	assert_int_equal(listing->nr, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(listing->records[i].seq, FIRST_SEQ + i);
		assert_int_equal(listing->records[i].type, expected[i].type);
		assert_int_equal(listing->records[i].offset, expected[i].offset);
		assert_int_equal(listing->records[i].bytes, expected[i].bytes);
	}
	assert_string_equal(listing->marks[5], "here");
	make_zero_point(scene, status.stretch, FIRST_SEQ);
	assert_instant(scene, FIRST_SEQ + nr - 1);
	free(listing);
	end_scene(scene);
}

static void what_was_recorded_is_durable_after_a_while(void **state)
{
	struct scene *scene = make_scene(state);

	start(scene, 200000000, 8u << 20);
	begin_stretch(scene, 1);
	wait_until(scene, has_stored, 1);
	for (unsigned int i = 0; i < 3; i++) {
		put_any(scene);
		wait_until(scene, has_stored, i + 2);
	}
	stop(scene);
	end_scene(scene);
}

static void what_is_not_durable_has_the_time_of_its_first_record(void **state)
{
	struct scene *scene = make_scene(state);
	uint64_t before_ns = clock_ns(CLOCK_REALTIME_COARSE), oldest_ns; /* as records have it */

	start(scene, 3600000000000u, 8u << 20);
	assert_int_equal(recorder_oldest_ns(scene->recorder), 0);
	begin_stretch(scene, 1);
	wait_until(scene, has_taken, 1);
	oldest_ns = recorder_oldest_ns(scene->recorder);
	assert_in_range(oldest_ns, before_ns, clock_ns(CLOCK_REALTIME));
	usleep(60000);
	put_any(scene);
	wait_until(scene, has_taken, 2);
	assert_int_equal(recorder_oldest_ns(scene->recorder), oldest_ns);
	recorder_hurry(scene->recorder);
	wait_until(scene, has_stored, 2);
	assert_int_equal(recorder_oldest_ns(scene->recorder), 0);
	stop(scene);
	end_scene(scene);
}

/* More than a batch holds lies in the ring when the hurry begins. */
static void a_hurry_takes_all_that_is_in_the_ring(void **state)
{
	struct scene *scene = make_scene(state);

	start(scene, 3600000000000u, 8u << 20);
	begin_stretch(scene, 1);
	module_be_quiet(scene->module, true);
	for (unsigned int i = 0; i < 3; i++)
		put(scene, MODULE_WRITE, i * 2000, 1700);
	recorder_hurry(scene->recorder);
	wait_until(scene, has_stored, 4);
	module_be_quiet(scene->module, false);
	stop(scene);
	end_scene(scene);
}

static void a_stretch_ends_with_the_stream_and_another_follows(void **state)
{
	struct scene *scene = make_scene(state);
	struct recorder_status status[2];
	struct model *got = model_create(VOLUME_BYTES, CHUNK);

	start(scene, 3600000000000u, 8u << 20);
	for (unsigned int i = 0; i < 2; i++) {
		begin_stretch(scene, i + 1);
		put(scene, MODULE_WRITE, 5, 50);
		module_lose_stream(scene->module);
		wait_until(scene, has_ended, i + 1);
		status[i] = status_of(scene);
		assert_int_equal(status[i].durable_seq, FIRST_SEQ + 1 + 2 * i);
		make_zero_point(scene, status[i].stretch, FIRST_SEQ + 2 * i);
		assert_instant(scene, FIRST_SEQ + 1 + 2 * i);
		put(scene, MODULE_WRITE, 30, 10);
		assert_int_equal(module_mark(scene->module, "in vain"), -ENOTCONN);
	}
	assert_true(status[0].stretch != status[1].stretch);
	stop(scene);
	assert_int_equal(extract(scene, FIRST_SEQ + 4, got), -ENOENT);
	model_destroy(got);
	end_scene(scene);
}

/* Whoever owns the recorder can begin a stretch before the end of the last one was seen. */
static void a_stretch_that_begins_ends_the_one_before(void **state)
{
	struct scene *scene = make_scene(state);
	struct recorder_status status;

	start(scene, 3600000000000u, 8u << 20);
	begin_stretch(scene, 1);
	module_be_quiet(scene->module, true);
	put(scene, MODULE_WRITE, 5, 50);
	module_lose_stream(scene->module);
	put(scene, MODULE_WRITE, 5, 50);
	make_cut(scene, CHANNEL_STREAM_STARTS);
	put(scene, MODULE_WRITE, 9, 50);
	module_be_quiet(scene->module, false);
	wait_until(scene, has_begun, 2);
	status = status_of(scene);
	assert_int_equal(status.first_seq, FIRST_SEQ + 2);
	stop(scene);
	end_scene(scene);
}

static void little_memory_only_delays(void **state)
{
	struct scene *scene = make_scene(state);
	struct recorder_status status;
	uint64_t last_seq;

	start(scene, 1000000000, 0);
	begin_stretch(scene, 1);
	for (unsigned int i = 0; i < 24; i++)
		put(scene, MODULE_WRITE, (uint64_t)rand_r(&scene->seed) % 4096, 2048);
	last_seq = module_last_seq(scene->module);
	wait_until(scene, has_taken, last_seq);
	status = status_of(scene);
	assert_int_equal(status.state, RECORDER_RECORDING);
	assert_int_equal(status.nr_bytes, 24u << 20);
	stop(scene);
	make_zero_point(scene, status.stretch, FIRST_SEQ);
	assert_instant(scene, FIRST_SEQ + 24);
	end_scene(scene);
}

static void what_is_in_the_ring_is_kept_at_the_end(void **state)
{
	struct scene *scene = make_scene(state);
	uint64_t stretch;

	start(scene, 3600000000000u, 8u << 20);
	begin_stretch(scene, 1);
	stretch = status_of(scene).stretch;
	module_be_quiet(scene->module, true);
	for (unsigned int i = 0; i < 40; i++)
		put_any(scene);
	stop(scene);
	make_zero_point(scene, stretch, FIRST_SEQ);
	assert_instant(scene, FIRST_SEQ + 40);
	end_scene(scene);
}

/* ------------------------------------------------------------------------ rereads */

static void a_failed_write_is_read_again(void **state)
{
	struct scene *scene = make_scene(state);
	struct recorder_status status;

	start(scene, 200000000, 8u << 20);
	begin_stretch(scene, 1);
	put(scene, MODULE_WRITE, 0, 100);
	put(scene, MODULE_FAILING_WRITE, 40, 100);
	wait_until(scene, has_stored, 4);
	status = status_of(scene);
	assert_int_equal(status.nr_rereads, 1);
	make_zero_point(scene, status.stretch, FIRST_SEQ);
	assert_instant(scene, FIRST_SEQ + 3);
	put(scene, MODULE_WRITE, 60, 10);
	stop(scene);
	assert_instant(scene, FIRST_SEQ + 4);
	end_scene(scene);
}

/* The records behind it are there when it is read: only with them the volume is right. */
static void no_instant_is_had_while_a_reread_is_unsettled(void **state)
{
	struct scene *scene = make_scene(state);
	struct model *got = model_create(VOLUME_BYTES, CHUNK);
	uint64_t stretch;

	start(scene, 3600000000000u, 8u << 20);
	begin_stretch(scene, 1);
	stretch = status_of(scene).stretch;
	put(scene, MODULE_WRITE, 0, 100);
	recorder_hurry(scene->recorder);
	wait_until(scene, has_stored, 2);
	module_be_quiet(scene->module, true);
	put(scene, MODULE_FAILING_WRITE, 40, 100);
	put(scene, MODULE_WRITE, 30, 90);
	put(scene, MODULE_WRITE, 0, 10);
	module_be_quiet(scene->module, false);
	recorder_hurry(scene->recorder);
	wait_until(scene, has_stored, 6);
	put(scene, MODULE_WRITE, 1, 2);
	stop(scene);
	make_zero_point(scene, stretch, FIRST_SEQ);
	assert_success(extract(scene, FIRST_SEQ + 1, got));
	for (unsigned int i = 2; i < 5; i++)
		assert_int_equal(extract(scene, FIRST_SEQ + i, got), -ENOENT);
	assert_success(extract(scene, FIRST_SEQ + 5, got));
	assert_instant(scene, FIRST_SEQ + 6);
	model_destroy(got);
	end_scene(scene);
}

/* What is read by then can be of a write that no record tells. */
static void a_reread_behind_the_end_of_the_stream_makes_no_instant(void **state)
{
	struct scene *scene = make_scene(state);
	struct model *got = model_create(VOLUME_BYTES, CHUNK);
	uint64_t stretch;

	start(scene, 3600000000000u, 8u << 20);
	begin_stretch(scene, 1);
	stretch = status_of(scene).stretch;
	put(scene, MODULE_WRITE, 0, 100);
	recorder_hurry(scene->recorder);
	wait_until(scene, has_stored, 2);
	module_be_quiet(scene->module, true);
	put(scene, MODULE_FAILING_WRITE, 40, 100);
	module_lose_stream(scene->module);
	put(scene, MODULE_WRITE, 40, 100);
	module_be_quiet(scene->module, false);
	wait_until(scene, has_ended, 1);
	stop(scene);
	make_zero_point(scene, stretch, FIRST_SEQ);
	assert_success(extract(scene, FIRST_SEQ + 1, got));
	assert_int_equal(extract(scene, FIRST_SEQ + 3, got), -ENOENT);
	model_destroy(got);
	end_scene(scene);
}

/* ----------------------------------------------------------------------- failures */

/* Until it has failed; then it is stopped. */
static void assert_fails(struct scene *scene, int error, const char *words)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (!recorder_failure(scene->recorder)) {
		assert_true(clock_ns(CLOCK_MONOTONIC) < end_ns);
		recorder_hurry(scene->recorder);
		usleep(1000);
	}
	assert_int_equal(status_of(scene).state, RECORDER_FAILED);
	failure_set(0, "nothing");
	assert_int_equal(recorder_stop(scene->recorder), error);
	if (!strstr(failure_text(), words))
		fail_msg("\"%s\" does not say \"%s\"", failure_text(), words);
}

static void nonsense_ends_it_with_a_sentence(void **state)
{
	static const struct tidemark_record nonsense[] = {
		{.type = TIDEMARK_RECORD_FLUSH, .seq = 1},
		{.type = TIDEMARK_RECORD_FLUSH, .record_bytes = 65},
		{.type = TIDEMARK_RECORD_WRITE, .nr_sectors = 4096, .payload_bytes = 2u << 20},
		{.type = TIDEMARK_RECORD_PRESERVED, .payload_bytes = 2u << 20},
		{.type = 0},
		{.type = TIDEMARK_RECORD_RESCAN + 1},
		{.type = TIDEMARK_RECORD_WRITE, .nr_sectors = 2, .payload_bytes = 512},
		{.type = TIDEMARK_RECORD_WRITE, .sector = VOLUME_BYTES / SECTOR, .nr_sectors = 1,
		 .payload_bytes = 512},
		{.type = TIDEMARK_RECORD_ZEROES, .sector = UINT64_MAX, .nr_sectors = 2},
		{.type = TIDEMARK_RECORD_RESCAN, .sector = 1, .nr_sectors = UINT64_MAX},
		{.type = TIDEMARK_RECORD_MARK, .payload_bytes = 256},
	};
	void *payload = calloc(1, 2u << 20);

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		struct scene *scene = make_scene(state);
		struct listing *listing = malloc(sizeof(*listing));

		start(scene, 3600000000000u, 8u << 20);
		begin_stretch(scene, 1);
		put(scene, MODULE_WRITE, 3, 3);
		module_append(scene->module, &nonsense[i], payload);
		assert_fails(scene, -EPROTO, "ring of the module: ");
		list_journal(scene, listing);
		assert_true(listing->nr <= 2 && (i || listing->nr == 2));
		free(listing);
		end_scene(scene);
		remove_tree(((struct fixture *)*state)->path);
	}
	free(payload);
}

/* The stretch begins with what came before the nonsense, when that is known already. */
static void a_failure_stays_the_state(void **state)
{
	static const struct tidemark_record nonsense = {.type = 0};
	struct scene *scene = make_scene(state);
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	start(scene, 3600000000000u, 8u << 20);
	module_be_quiet(scene->module, true);
	make_cut(scene, CHANNEL_STREAM_STARTS);
	module_append(scene->module, &nonsense, NULL);
	module_be_quiet(scene->module, false);
	while (status_of(scene).seq < FIRST_SEQ) {
		assert_true(clock_ns(CLOCK_MONOTONIC) < end_ns);
		usleep(1000);
	}
	assert_fails(scene, -EPROTO, "ring of the module: ");
	end_scene(scene);
}

static void a_volume_that_goes_away_ends_it(void **state)
{
	struct scene *scene = make_scene(state);
	struct listing *listing = malloc(sizeof(*listing));

	start(scene, 3600000000000u, 8u << 20);
	begin_stretch(scene, 1);
	put(scene, MODULE_WRITE, 3, 3);
	wait_until(scene, has_taken, 2);
	module_break(scene->module, MODULE_GONE);
	assert_fails(scene, -ENODEV, "detached");
	list_journal(scene, listing);
	assert_int_equal(listing->nr, 2);
	free(listing);
	end_scene(scene);
}

static void a_repository_that_fails_ends_it(void **state)
{
	struct scene *scene = make_scene(state);

	start(scene, 100000000, 0);
	begin_stretch(scene, 1);
	wait_until(scene, has_stored, 1);
	remove_tree(scene->fixture->path);
	put(scene, MODULE_WRITE, 100, 2048);
	assert_fails(scene, -ETIMEDOUT, scene->fixture->path);
	end_scene(scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_become_the_journals),
		TEST(what_was_recorded_is_durable_after_a_while),
		TEST(what_is_not_durable_has_the_time_of_its_first_record),
		TEST(a_hurry_takes_all_that_is_in_the_ring),
		TEST(a_stretch_ends_with_the_stream_and_another_follows),
		TEST(a_stretch_that_begins_ends_the_one_before),
		TEST(little_memory_only_delays),
		TEST(what_is_in_the_ring_is_kept_at_the_end),
		TEST(a_failed_write_is_read_again),
		TEST(no_instant_is_had_while_a_reread_is_unsettled),
		TEST(a_reread_behind_the_end_of_the_stream_makes_no_instant),
		TEST(nonsense_ends_it_with_a_sentence),
		TEST(a_failure_stays_the_state),
		TEST(a_volume_that_goes_away_ends_it),
		TEST(a_repository_that_fails_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
