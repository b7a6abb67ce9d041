/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A protection against an imitated module and a real repository, under writers that name
 * instants. Two things hold in every test: a cut is committed only when what it lets the module
 * forget can be had from the repository (docs/journal.md, invariant 6), and an instant that is
 * offered is what was there.
 */
#ifndef TESTS_UNIT_PROTECTION_SCENE_H
#define TESTS_UNIT_PROTECTION_SCENE_H

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
	struct channel_store store; /* of the next two; settings name it where a test wants it */
	atomic_uint nr_puts, nr_drops;
	struct protection *protection;
	struct writers *writers;
	char away[96];                /* the repository, while it is not there */
	atomic_bool is_away;
	atomic_uint nr_commits_checked, nr_commits_unchecked, nr_parts_checked, nr_lies;
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

FIXTURE int picture_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct picture *picture = context;

	if (offset + bytes > picture->bytes)
		return -EIO;
	memcpy(picture->data + offset, data, bytes);
	return 0;
}

FIXTURE int picture_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct picture *picture = context;

	if (offset + bytes > picture->bytes)
		return -EIO;
	memset(picture->data + offset, 0, bytes);
	return 0;
}

FIXTURE int look_at(struct tmc_repo *repo, const struct tmc_when *when, uint8_t *ret_data)
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
FIXTURE uint64_t seq_of_base(struct tmc_repo *repo, const uint8_t *base)
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

/* unread: by chunk, what the base says that it has not; NULL: nothing. */
FIXTURE bool holds(const struct module_commit *commit, const uint8_t *data, const uint8_t *unread)
{
	for (uint64_t at = 0; at < commit->bytes; at += CHUNK) {
		size_t bytes = commit->bytes - at < CHUNK ? commit->bytes - at : CHUNK;

		if (commit->leaves[at / CHUNK] && !(unread && unread[at / CHUNK]) &&
		    memcmp(commit->content + at, data + at, bytes))
			return false;
	}
	return true;
}

struct part {
	struct picture picture;
	uint8_t unread[NR_CHUNKS];
};

FIXTURE int part_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	return picture_data(&((struct part *)context)->picture, offset, data, bytes);
}

FIXTURE int part_zero(void *context, uint64_t offset, uint64_t bytes)
{
	return picture_zero(&((struct part *)context)->picture, offset, bytes);
}

FIXTURE int part_unread(void *context, uint64_t offset, uint64_t bytes)
{
	struct part *part = context;

	memset(part->unread + offset / CHUNK, 1, (bytes + CHUNK - 1) / CHUNK);
	return 0;
}

/* A scan is never extracted: a point of the same content is, which is forgotten again. */
FIXTURE int look_at_part(struct tmc_repo *repo, const struct tmc_point *scan, struct part *part)
{
	struct tmc_sink sink = {
		.data = part_data, .zero = part_zero, .unreadable = part_unread, .context = part,
	};
	struct tmc_backup *backup;
	struct tmc_point same;
	int r = tmc_backup_begin(repo, &scan->volume, scan, 1, &backup);

	if (r == 0)
		r = tmc_backup_commit(backup, 1, 0, &same);
	if (r == 0)
		r = tmc_point_extract(repo, &same, 1, &sink);
	return r < 0 ? r : tmc_forget(repo, &same.id, 1);
}

/* 1: the base is the part of a scan, and has what it says; 0: it is none. */
FIXTURE int part_holds(const char *path, const struct module_commit *commit)
{
	struct part *part = calloc(1, sizeof(*part));
	struct tmc_repo *repo;
	struct tmc_point scan;
	struct tmc_id id;
	int r;

	memcpy(id.bytes, commit->base, sizeof(id.bytes));
	part->picture = (struct picture){.data = calloc(2, VOLUME_BYTES), .bytes = VOLUME_BYTES};
	r = tmc_repo_open(path, &repo);
	if (r == 0) {
		r = tmc_point_get(repo, &id, &scan);
		if (r == 0)
			r = look_at_part(repo, &scan, part) == 0 &&
			    holds(commit, part->picture.data, part->unread);
		tmc_repo_close(repo);
	}
	free(part->picture.data);
	free(part);
	return r > 0;
}

/* In the protection's thread, where the test must not fail. */
FIXTURE void check_commit(void *context, const struct module_commit *commit)
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
	if (r == 0 && holds(commit, data, NULL)) {
		scene->nr_commits_checked++;
	} else if (r == -ENODATA && part_holds(scene->fixture->path, commit)) {
		scene->nr_parts_checked++;
	} else if (r == -ENOENT || (r < 0 && scene->is_away)) { /* unsettled */
		scene->nr_commits_unchecked++;
	} else {
		print_error("a commit forgets what is not durable: %d, %s\n", r, tmc_error_text());
		scene->nr_lies++;
	}
	free(data);
}

FIXTURE void say(const struct protection_settings *settings, enum protection_event event,
		 const char *text)
{
	if (getenv("SAY"))
		print_message("%s %s\n", event == PROTECTION_WARNING ? "!" : " ", text);
}

/* ---------------------------------------------------------------- kept channels */

FIXTURE int take_channel(void *context, const char *name)
{
	struct scene *scene = context;

	return module_keep_channel(scene->module);
}

FIXTURE void put_channel(void *context, const char *name, int fd)
{
	struct scene *scene = context;

	scene->nr_puts++;
	module_keep_channel(scene->module);
}

FIXTURE void drop_channel(void *context, const char *name)
{
	struct scene *scene = context;

	scene->nr_drops++;
	module_give_channel_back(scene->module);
}

/* ----------------------------------------------------------------------- scenes */

FIXTURE int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct module_options options = {
		.name = NAME, .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = 1u << 20, .stall_ms = 20000, .flight_us = 1000,
		.committing = check_commit, .context = scene,
	};

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	setenv("STATE_DIRECTORY", scene->fixture->directory, 1);
	scene->module = module_create(&options);
	scene->settings = (struct protection_settings){
		.name = NAME, .device = NAME, .repository = scene->fixture->path,
		.rpo_ns = 100 * MS, .acknowledge_ns = 50 * MS, .memory_bytes = 8u << 20,
	};
	scene->store = (struct channel_store){
		.take = take_channel, .put = put_channel, .drop = drop_channel, .context = scene,
	};
	snprintf(scene->away, sizeof(scene->away), "%s.away", scene->fixture->path);
	assert_success(tmc_repo_create(scene->fixture->path, CHUNK));
	*state = scene;
	return 0;
}

FIXTURE int tear_down(void **state)
{
	struct scene *scene = *state;

	if (scene->protection)
		protection_stop(scene->protection);
	module_give_channel_back(scene->module);
	module_destroy(scene->module);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

FIXTURE void start(struct scene *scene)
{
	scene->start_ns = clock_ns(CLOCK_REALTIME);
	assert_int_equal(protection_start(&scene->settings, say, &scene->protection), 0);
}

FIXTURE void stop(struct scene *scene)
{
	protection_stop(scene->protection);
	scene->protection = NULL;
}

FIXTURE struct protection_status status_of(struct scene *scene)
{
	struct protection_status status;

	protection_get_status(scene->protection, &status);
	return status;
}

FIXTURE bool is_in(const struct protection_status *status, uint64_t state)
{
	return status->state == state;
}

FIXTURE bool had_gaps(const struct protection_status *status, uint64_t nr)
{
	return status->nr_gaps >= nr && status->state == PROTECTION_STREAMING;
}

FIXTURE bool has_scanned(const struct protection_status *status, uint64_t bytes)
{
	return status->state == PROTECTION_SCANNING && status->scanned_bytes >= bytes;
}

FIXTURE bool has_recorded(const struct protection_status *status, uint64_t seq)
{
	return status->state == PROTECTION_SCANNING && status->recorder.durable_seq >= seq;
}

FIXTURE bool is_durable_since(const struct protection_status *status, uint64_t time_ns)
{
	return status->state == PROTECTION_STREAMING && status->durable_ns >= time_ns;
}

FIXTURE struct protection_status
wait_until(struct scene *scene,
	   bool (*done)(const struct protection_status *status, uint64_t value), uint64_t value)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	struct protection_status status = status_of(scene);

	while (!done(&status, value)) {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("still %s, %s", protection_state_name(status.state),
				 status.reason);
		usleep(1000);
		status = status_of(scene);
	}
	return status;
}

/* As the module sees it, too: an end of the stream is noticed a little later. */
FIXTURE struct protection_status wait_for_streaming(struct scene *scene)
{
	struct protection_status status;

	do
		status = wait_until(scene, is_in, PROTECTION_STREAMING);
	while (!module_stands(scene->module) && usleep(1000) == 0);
	return status;
}

FIXTURE void wait_for_commits(struct scene *scene, unsigned int nr)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (scene->nr_commits_checked < nr && clock_ns(CLOCK_MONOTONIC) < end_ns)
		usleep(1000);
	assert_true(scene->nr_commits_checked >= nr);
}

FIXTURE void begin_writing(struct scene *scene, unsigned int seed)
{
	struct writers_options options = {.seed = seed, .pause_us = 4000, .first_sector = 13};

	scene->writers = writers_start(scene->module, &options);
}

/* An open directory can still be written to when its name is gone, so its journal goes first. */
FIXTURE void take_repository_away(struct scene *scene)
{
	char journal[128], aside[160];

	scene->is_away = true;
	snprintf(journal, sizeof(journal), "%s/journal", scene->fixture->path);
	snprintf(aside, sizeof(aside), "%s.aside", journal);
	rename(journal, aside);
	write_file(journal, "", 0);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
}

FIXTURE void bring_repository_back(struct scene *scene)
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
FIXTURE void touch(struct scene *scene, uint64_t first_chunk, unsigned int nr)
{
	uint8_t data[SECTOR];
	unsigned int seed = nr;

	for (unsigned int i = 0; i < nr; i++) {
		memset(data, (int)(first_chunk + i), sizeof(data));
		module_write(scene->module, MODULE_WRITE,
			     (first_chunk + i) * (CHUNK / SECTOR) + i % 8, 1, data, &seed);
	}
}

/* --------------------------------------------------------------------- judgement */

FIXTURE struct tmc_repo *open_repo(struct scene *scene)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	return repo;
}

/* Told as durable, in a stretch with a point: it has to be there. */
FIXTURE bool is_promised(const struct scene *scene, const struct writers_mark *mark)
{
	const struct span *told = scene->told;

	for (unsigned int i = 0; i < scene->nr_told && mark->stands; i++)
		if (mark->time_ns >= told[i].begin_ns && mark->time_ns < told[i].end_ns)
			return true;
	return false;
}

FIXTURE void check_mark(struct scene *scene, struct tmc_repo *repo, const struct writers_mark *mark,
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
FIXTURE void check_marks(struct scene *scene, size_t nr_at_least)
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
FIXTURE void promise(struct scene *scene, uint64_t begin_ns, uint64_t end_ns)
{
	scene->told[scene->nr_told++] = (struct span){.begin_ns = begin_ns, .end_ns = end_ns};
}

FIXTURE void promise_everything(struct scene *scene)
{
	promise(scene, 0, UINT64_MAX);
}

/* Nobody writes any more, and it has been stopped cleanly. */
FIXTURE void check_end(struct scene *scene, uint64_t bytes)
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
FIXTURE void end_well(struct scene *scene)
{
	if (!scene->protection)
		start(scene);
	if (scene->writers)
		writers_stop(scene->writers);
	wait_for_streaming(scene);
	stop(scene);
}

#endif
