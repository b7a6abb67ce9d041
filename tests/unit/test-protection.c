// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Protections against an imitated module and real repositories, under writers that name
 * instants. Two things hold in every test: a cut is committed only when what it lets the module
 * forget can be had from the repository (docs/journal.md, invariant 6), and an instant that is
 * offered is what was there.
 */
#include "repo_fixture.h"
#include "imitated_module.h"
#include "imitated_writers.h"

#include "agent/protection.h"
#include "common/clock_ns.h"

#define SECTOR       512u
#define CHUNK        4096u
#define VOLUME_BYTES (4u << 20)
#define NR_CHUNKS    (VOLUME_BYTES / CHUNK)
#define NAME         "imitated"
#define MS           1000000ull
#define PATIENCE_NS  (20000 * MS) /* of a test that fails */
#define MARKS_LOOKED_AT 40u

struct scene {
	struct fixture *fixture;
	struct module *module;
	struct protection_settings settings;
	struct protection *protection;
	struct writers *writers;
	char away[96];                /* the repository, while it is not there */
	atomic_bool is_away;
	atomic_uint nr_commits_checked, nr_commits_unchecked, nr_lies;
	struct span {
		uint64_t begin_ns, end_ns;
	} told[64]; /* of an agent: what of its life was durable, as it said */
	unsigned int nr_told;
	bool writes_fail; /* now and then */
	uint64_t start_ns;
};

/* -------------------------------------------------------------------- instants */

struct picture {
	uint8_t *data;
	uint64_t bytes;
};

static int picture_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct picture *picture = context;

	if (offset + bytes > picture->bytes)
		return -EIO;
	memcpy(picture->data + offset, data, bytes);
	return 0;
}

static int picture_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct picture *picture = context;

	if (offset + bytes > picture->bytes)
		return -EIO;
	memset(picture->data + offset, 0, bytes);
	return 0;
}

static int look_at(struct tmc_repo *repo, const struct tmc_when *when, uint8_t *ret_data)
{
	struct picture picture = {.data = ret_data};
	struct tmc_sink sink = {
		.data = picture_data, .zero = picture_zero, .context = &picture,
	};
	struct tmc_instant instant;
	int r = tmc_instant_find(repo, NAME, when, &instant);

	picture.bytes = r < 0 ? 0 : instant.volume.volume_bytes;
	return r < 0 ? r : tmc_instant_extract(repo, &instant, 1, &sink);
}

/* ---------------------------------------------------------------- the module's side */

/* The last seq of the segment that is the base; 0: there is none. */
static uint64_t seq_of_base(struct tmc_repo *repo, const uint8_t *base)
{
	struct tmc_segment *segments = NULL;
	uint64_t seq = 0;
	size_t nr = 0;

	tmc_segment_list(repo, NAME, &segments, &nr);
	for (size_t i = 0; i < nr; i++)
		if (memcmp(segments[i].id.bytes, base, sizeof(segments[i].id.bytes)) == 0)
			seq = segments[i].last_seq;
	free(segments);
	return seq;
}

static bool holds(const struct module_commit *commit, const uint8_t *data)
{
	for (uint64_t at = 0; at < commit->bytes; at += CHUNK) {
		size_t bytes = commit->bytes - at < CHUNK ? commit->bytes - at : CHUNK;

		if (commit->leaves[at / CHUNK] && memcmp(commit->content + at, data + at, bytes))
			return false;
	}
	return true;
}

/* In the protection's thread, where the test must not fail. */
static void check_commit(void *context, const struct module_commit *commit)
{
	struct scene *scene = context;
	struct tmc_when when = {.kind = TMC_WHEN_SEQ};
	uint8_t *data = calloc(2, VOLUME_BYTES);
	struct tmc_repo *repo;
	int r = tmc_repo_open(scene->fixture->path, &repo);

	if (r == 0) {
		when.seq = seq_of_base(repo, commit->base);
		r = when.seq ? look_at(repo, &when, data) : -ENODATA;
		tmc_repo_close(repo);
	}
	if (r == 0 && holds(commit, data)) {
		scene->nr_commits_checked++;
	} else if (r == -ENOENT || (r < 0 && scene->is_away)) { /* unsettled */
		scene->nr_commits_unchecked++;
	} else {
		print_error("a commit forgets what is not durable: %d, %s\n", r, tmc_error_text());
		scene->nr_lies++;
	}
	free(data);
}

static void say(const struct protection_settings *settings, enum protection_event event,
		const char *text)
{
	if (getenv("SAY"))
		print_message("%s %s\n", event == PROTECTION_WARNING ? "!" : " ", text);
}

/* ----------------------------------------------------------------------- scenes */

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct module_options options = {
		.name = NAME, .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = 1u << 20, .stall_ms = 20000, .flight_us = 1000,
		.committing = check_commit, .context = scene,
	};

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	scene->module = module_create(&options);
	scene->settings = (struct protection_settings){
		.name = NAME, .device = NAME, .repository = scene->fixture->path,
		.rpo_ns = 100 * MS, .acknowledge_ns = 50 * MS, .memory_bytes = 8u << 20,
	};
	snprintf(scene->away, sizeof(scene->away), "%s.away", scene->fixture->path);
	assert_success(tmc_repo_create(scene->fixture->path, CHUNK));
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	if (scene->protection)
		protection_stop(scene->protection);
	module_destroy(scene->module);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static void start(struct scene *scene)
{
	scene->start_ns = clock_ns(CLOCK_REALTIME);
	assert_int_equal(protection_start(&scene->settings, say, &scene->protection), 0);
}

static void stop(struct scene *scene)
{
	protection_stop(scene->protection);
	scene->protection = NULL;
}

static struct protection_status status_of(struct scene *scene)
{
	struct protection_status status;

	protection_get_status(scene->protection, &status);
	return status;
}

static bool is_in(const struct protection_status *status, uint64_t state)
{
	return status->state == state;
}

static bool had_gaps(const struct protection_status *status, uint64_t nr)
{
	return status->nr_gaps >= nr && status->state == PROTECTION_STREAMING;
}

static bool has_scanned(const struct protection_status *status, uint64_t bytes)
{
	return status->state == PROTECTION_SCANNING && status->scanned_bytes >= bytes;
}

static bool has_recorded(const struct protection_status *status, uint64_t seq)
{
	return status->state == PROTECTION_SCANNING && status->recorder.durable_seq >= seq;
}

static bool is_durable_since(const struct protection_status *status, uint64_t time_ns)
{
	return status->state == PROTECTION_STREAMING && status->durable_ns >= time_ns;
}

static struct protection_status wait_until(struct scene *scene,
					   bool (*done)(const struct protection_status *status,
							uint64_t value), uint64_t value)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	struct protection_status status = status_of(scene);

	while (!done(&status, value)) {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("still %s, %s", protection_state_name(status.state), status.reason);
		usleep(1000);
		status = status_of(scene);
	}
	return status;
}

/* As the module sees it, too: an end of the stream is noticed a little later. */
static struct protection_status wait_for_streaming(struct scene *scene)
{
	struct protection_status status;

	do
		status = wait_until(scene, is_in, PROTECTION_STREAMING);
	while (!module_stands(scene->module) && usleep(1000) == 0);
	return status;
}

static void begin_writing(struct scene *scene, unsigned int seed)
{
	struct writers_options options = {.seed = seed, .pause_us = 4000, .first_sector = 13};

	scene->writers = writers_start(scene->module, &options);
}

/* An open directory can still be written to when its name is gone, so its journal goes first. */
static void take_repository_away(struct scene *scene)
{
	char journal[128], aside[160];

	scene->is_away = true;
	snprintf(journal, sizeof(journal), "%s/journal", scene->fixture->path);
	snprintf(aside, sizeof(aside), "%s.aside", journal);
	rename(journal, aside);
	write_file(journal, "", 0);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
}

static void bring_repository_back(struct scene *scene)
{
	char journal[128], aside[160];

	snprintf(journal, sizeof(journal), "%s/journal", scene->away);
	snprintf(aside, sizeof(aside), "%s.aside", journal);
	assert_int_equal(remove(journal), 0);
	rename(aside, journal);
	assert_int_equal(rename(scene->away, scene->fixture->path), 0);
	scene->is_away = false;
}

/* A few single writes, each to a chunk of its own. */
static void touch(struct scene *scene, uint64_t first_chunk, unsigned int nr)
{
	uint8_t data[SECTOR];
	unsigned int seed = nr;

	for (unsigned int i = 0; i < nr; i++) {
		memset(data, (int)(first_chunk + i), sizeof(data));
		module_write(scene->module, MODULE_WRITE, (first_chunk + i) * (CHUNK / SECTOR) + i % 8, 1,
			     data, &seed);
	}
}

/* --------------------------------------------------------------------- judgement */

static struct tmc_repo *open_repo(struct scene *scene)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	return repo;
}

/* Told as durable, in a stretch with a point: it has to be there. */
static bool is_promised(const struct scene *scene, const struct writers_mark *mark)
{
	for (unsigned int i = 0; i < scene->nr_told && mark->stands; i++)
		if (mark->time_ns >= scene->told[i].begin_ns && mark->time_ns < scene->told[i].end_ns)
			return true;
	return false;
}

static void check_mark(struct scene *scene, struct tmc_repo *repo, const struct writers_mark *mark,
		       uint8_t *data)
{
	struct tmc_when when = {.kind = TMC_WHEN_MARK, .mark = mark->name};
	int r = look_at(repo, &when, data);

	if (r == -ENOENT && (!is_promised(scene, mark) ||
			     (scene->writes_fail && strstr(tmc_error_text(), "cannot be had"))))
		return; /* the latter: in a span that a reread makes doubtful */
	if (r < 0)
		fail_msg("%s: %s", mark->name, tmc_error_text());
	if (memcmp(data + mark->sector * SECTOR, mark->content, WRITERS_SECTORS * SECTOR))
		fail_msg("%s is not what was there", mark->name);
}

/* Some of each part of the time. Frees the writers, who have stopped. */
static void check_marks(struct scene *scene, size_t nr_at_least)
{
	uint8_t *data = calloc(2, VOLUME_BYTES);
	struct tmc_repo *repo = open_repo(scene);
	size_t nr = 0, step;

	while (writers_mark(scene->writers, nr))
		nr++;
	assert_true(nr >= nr_at_least);
	step = nr / MARKS_LOOKED_AT + 1;
	for (size_t i = 0; i < nr; i += step)
		check_mark(scene, repo, writers_mark(scene->writers, i), data);
	tmc_repo_close(repo);
	free(data);
	writers_free(scene->writers);
	scene->writers = NULL;
}

/* What is recorded when a clean stop begins becomes durable, and what comes later may. */
static void promise(struct scene *scene, uint64_t begin_ns, uint64_t end_ns)
{
	scene->told[scene->nr_told++] = (struct span){.begin_ns = begin_ns, .end_ns = end_ns};
}

static void promise_everything(struct scene *scene)
{
	promise(scene, 0, UINT64_MAX);
}

/* Nobody writes any more, and it has been stopped cleanly. */
static void check_end(struct scene *scene, uint64_t bytes)
{
	uint8_t *data = calloc(2, VOLUME_BYTES), *volume = malloc(bytes);
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_interval *intervals;
	struct tmc_when when = {.kind = TMC_WHEN_SEQ};
	uint8_t base[MODULE_BASE_BYTES];
	size_t nr;

	assert_success(tmc_interval_list(repo, NAME, &intervals, &nr));
	assert_true(nr > 0);
	when.seq = intervals[nr - 1].last_seq;
	assert_success(look_at(repo, &when, data));
	module_read(scene->module, 0, bytes / SECTOR, volume);
	assert_memory_equal(data, volume, bytes);
	assert_int_equal(module_dirty_chunks(scene->module), 0);
	module_get_base(scene->module, base);
	assert_int_equal(seq_of_base(repo, base), when.seq);
	assert_int_equal(scene->nr_lies, 0);
	assert_true(scene->nr_commits_checked > 0);
	free(intervals);
	tmc_repo_close(repo);
	free(volume);
	free(data);
}

/* Once more, so that everything is durable. */
static void end_well(struct scene *scene)
{
	if (!scene->protection)
		start(scene);
	if (scene->writers)
		writers_stop(scene->writers);
	wait_for_streaming(scene);
	stop(scene);
}

/* ------------------------------------------------------------------------ tests */

static void a_volume_is_protected_from_the_first_scan_on(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	scene->settings.points_ns = 100 * MS;
	begin_writing(scene, 1);
	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, VOLUME_BYTES);
	assert_int_equal(status.volume_bytes, VOLUME_BYTES);
	usleep(800000);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 20);
	check_end(scene, VOLUME_BYTES);
	assert_true(scene->nr_commits_checked > 3);
	assert_int_equal(scene->nr_commits_unchecked, 0);
}

static void a_second_start_reads_what_was_written_meanwhile(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	begin_writing(scene, 2);
	end_well(scene);
	writers_free(scene->writers);
	touch(scene, 100, 7);
	assert_int_equal(module_dirty_chunks(scene->module), 7);
	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, 7 * CHUNK);
	assert_int_equal(status.scanned_bytes, 7 * CHUNK);
	begin_writing(scene, 3);
	usleep(300000);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
}

static void a_gap_costs_what_was_written_in_it(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	start(scene);
	wait_for_streaming(scene);
	begin_writing(scene, 4);
	for (unsigned int i = 0; i < 3; i++) {
		usleep(200000);
		module_lose_stream(scene->module);
		status = wait_until(scene, had_gaps, i + 1);
		assert_true(status.scan_bytes < VOLUME_BYTES / 4);
		assert_true(module_is_streaming(scene->module));
	}
	usleep(200000);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 20);
	check_end(scene, VOLUME_BYTES);
}

/* The ring holds a few writes, and whoever finds no room waits 2 ms. */
static void a_ring_that_is_too_small_makes_gaps_and_no_lies(void **state)
{
	struct scene *scene = *state;
	uint64_t nr_gaps = 0;
	struct writers_options hurried = {.seed = 5, .pause_us = 200, .first_sector = 13};
	struct module_options options = {
		.name = "small", .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = 65536, .stall_ms = 2, .flight_us = 100,
		.committing = check_commit, .context = scene,
	};

	module_destroy(scene->module);
	options.name = NAME;
	scene->module = module_create(&options);
	scene->writers = writers_start(scene->module, &hurried);
	start(scene);
	wait_for_streaming(scene);
	for (unsigned int i = 0; i < 10; i++) {
		usleep(60000);
		module_be_quiet(scene->module, true);
		usleep(20000);
		module_be_quiet(scene->module, false);
		nr_gaps = status_of(scene).nr_gaps;
	}
	promise_everything(scene);
	end_well(scene);
	assert_true(nr_gaps > 0);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
}

static void the_stream_can_be_lost_while_it_scans(void **state)
{
	struct scene *scene = *state;

	scene->settings.scan_bytes_per_second = 8u << 20;
	begin_writing(scene, 6);
	start(scene);
	wait_until(scene, has_scanned, 1u << 20);
	module_lose_stream(scene->module);
	wait_until(scene, had_gaps, 1);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 1);
	check_end(scene, VOLUME_BYTES);
}

/* Refused, or as it was. */
static void check_instant(struct scene *scene, const struct tmc_when *when, const uint8_t *expected)
{
	uint8_t *data = malloc(VOLUME_BYTES);
	struct tmc_repo *repo = open_repo(scene);
	int r = look_at(repo, when, data);

	assert_true(r == 0 || r == -ENOENT);
	if (r == 0)
		assert_memory_equal(data, expected, VOLUME_BYTES);
	tmc_repo_close(repo);
	free(data);
}

/* The scan has read the first half; what it reads now is in records, or in none. */
static struct protection_status begin_slow_scan(struct scene *scene)
{
	struct protection_status status;

	scene->settings.scan_bytes_per_second = 4u << 20;
	start(scene);
	status = wait_until(scene, has_scanned, VOLUME_BYTES / 2);
	module_be_quiet(scene->module, true);
	return status;
}

/* Between the mark and the last read there is a write that the scan has seen. */
static void instants_begin_behind_the_last_read_of_a_scan(void **state)
{
	struct scene *scene = *state;
	struct tmc_when when = {.kind = TMC_WHEN_MARK, .mark = "before"};
	uint8_t *before = malloc(VOLUME_BYTES);

	touch(scene, NR_CHUNKS - 4, 4);
	module_read(scene->module, 0, VOLUME_BYTES / SECTOR, before);
	begin_slow_scan(scene);
	assert_int_equal(module_mark(scene->module, "before"), 0);
	touch(scene, NR_CHUNKS - 8, 8);
	wait_until(scene, has_scanned, VOLUME_BYTES);
	usleep(500000); /* what the last read has to rest, and more */
	module_be_quiet(scene->module, false);
	end_well(scene);
	check_instant(scene, &when, before);
	check_end(scene, VOLUME_BYTES);
	free(before);
}

/* Nothing has told the agent of the hole when the scan reads what no record tells. */
static void what_is_read_behind_a_hole_is_no_instant(void **state)
{
	struct scene *scene = *state;
	struct tmc_when when = {.kind = TMC_WHEN_SEQ};
	uint8_t *before = malloc(VOLUME_BYTES);

	touch(scene, 0, 4);
	touch(scene, NR_CHUNKS - 4, 4);
	module_read(scene->module, 0, VOLUME_BYTES / SECTOR, before);
	when.seq = begin_slow_scan(scene).recorder.first_seq;
	module_lose_stream(scene->module);
	touch(scene, NR_CHUNKS - 8, 8);
	wait_until(scene, has_scanned, VOLUME_BYTES);
	usleep(500000);
	module_be_quiet(scene->module, false);
	end_well(scene);
	check_instant(scene, &when, before);
	check_end(scene, VOLUME_BYTES);
	free(before);
}

/* Their parts are read last. */
static void marks_that_come_while_it_scans_are_right(void **state)
{
	struct scene *scene = *state;
	struct writers_options options = {
		.seed = 14, .pause_us = 3000,
		.first_sector = VOLUME_BYTES / SECTOR - WRITERS_NR * WRITERS_SECTORS,
	};

	scene->settings.scan_bytes_per_second = 8u << 20;
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	wait_for_streaming(scene);
	promise(scene, scene->start_ns, UINT64_MAX);
	end_well(scene);
	check_marks(scene, 10);
	check_end(scene, VOLUME_BYTES);
}

static void the_stream_is_seen_to_go_on_while_it_scans(void **state)
{
	struct scene *scene = *state;
	uint64_t seq;

	scene->settings.scan_bytes_per_second = 4u << 20;
	start(scene);
	seq = wait_until(scene, has_scanned, VOLUME_BYTES / 4).recorder.seq;
	touch(scene, 7, 3);
	wait_until(scene, has_recorded, seq + 3);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static size_t count_segments(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_segment *segments;
	size_t nr;

	assert_success(tmc_segment_list(repo, NAME, &segments, &nr));
	free(segments);
	tmc_repo_close(repo);
	return nr;
}

/* At most the one of a cut that was made just then comes yet. */
static void an_idle_volume_makes_no_segments(void **state)
{
	struct scene *scene = *state;
	size_t nr;

	start(scene);
	wait_for_streaming(scene);
	touch(scene, 7, 3);
	usleep(500000);
	nr = count_segments(scene);
	usleep(1000000);
	assert_true(count_segments(scene) <= nr + 1);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void writes_that_fail_are_read_again(void **state)
{
	struct scene *scene = *state;
	struct writers_options options = {
		.seed = 7, .pause_us = 4000, .first_sector = 13, .fail = true,
	};

	scene->settings.points_ns = 100 * MS;
	scene->writes_fail = true;
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	wait_for_streaming(scene);
	usleep(700000);
	module_lose_stream(scene->module);
	wait_until(scene, had_gaps, 1);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 10);
	check_end(scene, VOLUME_BYTES);
}

static void what_is_said_to_be_durable_is(void **state)
{
	struct scene *scene = *state;
	uint64_t before_ns, told_ns;

	start(scene);
	wait_for_streaming(scene);
	module_be_quiet(scene->module, true);
	touch(scene, 5, 1);
	before_ns = clock_ns(CLOCK_REALTIME);
	usleep(1300000);
	told_ns = status_of(scene).durable_ns;
	assert_true(told_ns < before_ns);
	module_be_quiet(scene->module, false);
	wait_until(scene, is_durable_since, before_ns);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* ------------------------------------------------------------------- dying agents */

/* As a killed one: nothing more becomes durable. */
static void kill_agent(struct scene *scene, unsigned int *seed)
{
	bool drops = rand_r(seed) % 2;

	if (drops)
		take_repository_away(scene);
	promise(scene, scene->start_ns, status_of(scene).durable_ns);
	module_break(scene->module, rand_r(seed) % 2 ? MODULE_GONE : MODULE_NONSENSE);
	stop(scene);
	if (drops)
		bring_repository_back(scene);
}

static void agents_that_die_lose_nothing_that_was_durable(void **state)
{
	struct scene *scene = *state;
	unsigned int seed = 8;

	scene->settings.points_ns = 60 * MS;
	begin_writing(scene, 9);
	for (unsigned int i = 0; i < 30; i++) {
		start(scene);
		if (i % 3 == 0)
			wait_for_streaming(scene);
		usleep((useconds_t)rand_r(&seed) % 120000);
		kill_agent(scene, &seed);
	}
	end_well(scene);
	check_marks(scene, 10);
	check_end(scene, VOLUME_BYTES);
}

/* One of the things that happen to a protection that runs. */
static void befall(struct scene *scene, unsigned int *seed)
{
	switch (rand_r(seed) % 6) {
	case 0:
		module_lose_stream(scene->module);
		break;
	case 1:
		module_be_quiet(scene->module, true);
		usleep((useconds_t)rand_r(seed) % 60000);
		module_be_quiet(scene->module, false);
		break;
	case 2:
		kill_agent(scene, seed);
		start(scene);
		break;
	case 3:
		promise(scene, scene->start_ns, clock_ns(CLOCK_REALTIME));
		stop(scene);
		start(scene);
		break;
	default:
		usleep((useconds_t)rand_r(seed) % 100000);
		break;
	}
}

static void check_repository(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_verify_result result;

	assert_success(tmc_verify(repo, NULL, 2, print_damage, NULL, (void *)"", &result));
	assert_true(result.segments > 0);
	tmc_repo_close(repo);
}

/* In a small ring, under writers that fail now and then. LONG=1: many times, each another one. */
static void whatever_happens_no_instant_is_wrong(void **state)
{
	struct scene *scene = *state;
	unsigned int seed = is_long() ? (unsigned int)clock_ns(CLOCK_REALTIME) : 13;
	struct writers_options options = {
		.pause_us = 3000,
		.first_sector = seed % (VOLUME_BYTES / SECTOR - WRITERS_NR * WRITERS_SECTORS),
	};
	struct module_options small = {
		.name = NAME, .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = 131072, .stall_ms = 3, .flight_us = 2000,
		.committing = check_commit, .context = scene,
	};

	print_message("seed %u\n", seed);
	options.seed = seed;
	options.fail = scene->writes_fail = seed % 2;
	scene->settings.points_ns = 100 * MS;
	module_destroy(scene->module);
	scene->module = module_create(&small);
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	for (unsigned int i = 0; i < 40; i++) {
		scene->settings.scan_bytes_per_second = rand_r(&seed) % 3 ? 0 : 16u << 20;
		befall(scene, &seed);
	}
	end_well(scene);
	check_marks(scene, 1);
	check_end(scene, VOLUME_BYTES);
	check_repository(scene);
}

static void the_repository_goes_away_and_comes_back(void **state)
{
	struct scene *scene = *state;

	begin_writing(scene, 10);
	start(scene);
	wait_for_streaming(scene);
	usleep(200000);
	take_repository_away(scene);
	wait_until(scene, is_in, PROTECTION_WAITING);
	promise(scene, scene->start_ns, status_of(scene).durable_ns);
	assert_false(module_is_streaming(scene->module));
	bring_repository_back(scene);
	end_well(scene);
	check_marks(scene, 10);
	check_end(scene, VOLUME_BYTES);
}

/* -------------------------------------------------------------------------- bases */

static void a_base_that_nobody_knows_means_that_all_is_read(void **state)
{
	static const uint8_t base[MODULE_BASE_BYTES] = {1, 2, 3};
	struct scene *scene = *state;

	touch(scene, 50, 50);
	end_well(scene);
	touch(scene, 60, 5);
	module_set_base(scene->module, base);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void the_base_of_another_repository_is_none(void **state)
{
	struct scene *scene = *state;

	touch(scene, 50, 50);
	end_well(scene);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
	assert_success(tmc_repo_create(scene->fixture->path, CHUNK));
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void forget_all_points(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_point *points;
	size_t nr;

	assert_success(tmc_point_list(repo, &points, &nr));
	for (size_t i = 0; i < nr; i++)
		assert_success(tmc_forget(repo, &points[i].id, 1));
	free(points);
	tmc_repo_close(repo);
}

static void a_stretch_without_a_point_is_no_base(void **state)
{
	struct scene *scene = *state;

	touch(scene, 50, 50);
	end_well(scene);
	forget_all_points(scene);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void make_point(struct scene *scene, struct tmc_point *ret_point)
{
	struct model *model = model_create(VOLUME_BYTES, CHUNK);
	struct tmc_volume volume = {.volume_id = NAME, .name = NAME, .volume_bytes = VOLUME_BYTES};
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_backup *backup;

	module_read(scene->module, 0, VOLUME_BYTES / SECTOR, model->data);
	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	assert_success(put_range(backup, model, 0, NR_CHUNKS, NULL));
	assert_success(tmc_backup_commit(backup, clock_ns(CLOCK_REALTIME), VOLUME_BYTES, ret_point));
	tmc_repo_close(repo);
	model_destroy(model);
}

static void a_backup_s_point_is_a_base(void **state)
{
	struct scene *scene = *state;
	struct tmc_point point;

	touch(scene, 200, 40);
	make_point(scene, &point);
	module_set_base(scene->module, point.id.bytes);
	touch(scene, 210, 3);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, 3 * CHUNK);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void a_volume_of_another_size_is_read_anew(void **state)
{
	struct scene *scene = *state;
	const uint64_t smaller = VOLUME_BYTES - 5 * CHUNK - 3 * SECTOR;

	begin_writing(scene, 11);
	end_well(scene);
	writers_free(scene->writers);
	scene->writers = NULL;
	module_resize(scene->module, smaller);
	touch(scene, 30, 3);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).volume_bytes, smaller);
	end_well(scene);
	check_end(scene, smaller);
}

/* --------------------------------------------------------------------------- stop */

static void it_can_be_stopped_in_each_state(void **state)
{
	struct scene *scene = *state;

	begin_writing(scene, 12);
	start(scene);
	stop(scene);
	scene->settings.scan_bytes_per_second = 1u << 20;
	start(scene);
	wait_until(scene, is_in, PROTECTION_SCANNING);
	stop(scene);
	scene->settings.scan_bytes_per_second = 0;
	start(scene);
	wait_for_streaming(scene);
	usleep(100000);
	promise(scene, scene->start_ns, clock_ns(CLOCK_REALTIME));
	stop(scene);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
	start(scene);
	wait_until(scene, is_in, PROTECTION_WAITING);
	stop(scene);
	assert_int_equal(rename(scene->away, scene->fixture->path), 0);
	start(scene);
	promise(scene, scene->start_ns, UINT64_MAX);
	end_well(scene);
	check_marks(scene, 1);
	check_end(scene, VOLUME_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_volume_is_protected_from_the_first_scan_on),
		TEST(a_second_start_reads_what_was_written_meanwhile),
		TEST(a_gap_costs_what_was_written_in_it),
		TEST(a_ring_that_is_too_small_makes_gaps_and_no_lies),
		TEST(the_stream_can_be_lost_while_it_scans),
		TEST(instants_begin_behind_the_last_read_of_a_scan),
		TEST(what_is_read_behind_a_hole_is_no_instant),
		TEST(marks_that_come_while_it_scans_are_right),
		TEST(the_stream_is_seen_to_go_on_while_it_scans),
		TEST(an_idle_volume_makes_no_segments),
		TEST(writes_that_fail_are_read_again),
		TEST(what_is_said_to_be_durable_is),
		TEST(agents_that_die_lose_nothing_that_was_durable),
		TEST(whatever_happens_no_instant_is_wrong),
		TEST(the_repository_goes_away_and_comes_back),
		TEST(a_base_that_nobody_knows_means_that_all_is_read),
		TEST(the_base_of_another_repository_is_none),
		TEST(a_stretch_without_a_point_is_no_base),
		TEST(a_backup_s_point_is_a_base),
		TEST(a_volume_of_another_size_is_read_anew),
		TEST(it_can_be_stopped_in_each_state),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
