// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a prune removes, what it keeps, and when it would rather do nothing
 * (docs/repository.md, invariants 5 to 10).
 */
#include "repo_fixture.h"

#include "catalog/doom.h"
#include "catalog/repo.h"
#include "catalog/session.h"

#include <time.h>

#define NR_CHUNKS 400u
#define HOUR_NS   3600000000000ull
#define POINTS    12

/* A repository with versions of one volume, and what each has to give back. */
struct scene {
	struct fixture *fixture;
	struct tmc_repo *repo;
	struct model *model;
	struct tmc_point points[POINTS];
	struct model *models[POINTS];
	unsigned int nr;
	struct tmc_prune_result result;
	char said[256];
};

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture))
		return -1;
	scene->repo = make_repo(scene->fixture->path, 4096);
	scene->model = model_create(NR_CHUNKS * 4096, 4096);
	for (unsigned int chunk = 0; chunk < NR_CHUNKS; chunk++)
		model_fill(scene->model, chunk, CONTENT_RANDOM);
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	memset(&tmc_store_hooks, 0, sizeof(tmc_store_hooks));
	tmc_repo_close(scene->repo);
	for (unsigned int i = 0; i < scene->nr; i++)
		model_destroy(scene->models[i]);
	model_destroy(scene->model);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* As a new process would. */
static void reopen(struct scene *scene)
{
	tmc_repo_close(scene->repo);
	assert_success(tmc_repo_open(scene->fixture->path, &scene->repo));
}

static void remember(struct scene *scene, const struct tmc_point *point)
{
	struct model *copy = model_create(scene->model->bytes, 4096);

	memcpy(copy->data, scene->model->data, copy->nr_chunks * 4096);
	scene->points[scene->nr] = *point;
	scene->models[scene->nr++] = copy;
	assert_true(scene->nr <= POINTS);
}

static void back_up_with(struct scene *scene, struct tmc_repo *repo)
{
	struct tmc_point point;

	assert_success(model_backup(repo, scene->model, NULL, NULL, scene->nr + 1, &point));
	remember(scene, &point);
}

/* New content in chunks first to end - 1, and a point of it. */
static void add_version(struct scene *scene, unsigned int first, unsigned int end)
{
	for (unsigned int chunk = first; chunk < end; chunk++)
		model_fill(scene->model, chunk, CONTENT_RANDOM);
	back_up_with(scene, scene->repo);
}

static void say(void *context, const char *text)
{
	struct scene *scene = context;

	snprintf(scene->said, sizeof(scene->said), "%s", text);
}

static struct tmc_prune_options usual(struct scene *scene)
{
	return (struct tmc_prune_options){
		.repack_below_percent = 50,
		.repack_bytes_max = UINT64_MAX,
		.say = say,
		.context = scene,
	};
}

/* Give up points first to end - 1; 0 of them: only what is of no use goes. */
static int prune_as_open(struct scene *scene, unsigned int first, unsigned int end,
			 const struct tmc_prune_options *usual_options)
{
	struct tmc_prune_options options = *usual_options;
	struct tmc_id ids[POINTS];

	for (unsigned int i = first; i < end; i++)
		ids[i - first] = scene->points[i].id;
	options.points = ids;
	options.nr_points = end - first;
	scene->said[0] = '\0';
	return tmc_prune(scene->repo, &options, &scene->result);
}

static int prune(struct scene *scene, unsigned int first, unsigned int end,
		 const struct tmc_prune_options *options)
{
	reopen(scene);
	return prune_as_open(scene, first, end, options);
}

static void prune_now(struct scene *scene, unsigned int first, unsigned int end)
{
	struct tmc_prune_options options = usual(scene);

	assert_success(prune(scene, first, end, &options));
}

/* Points first to the last one are there, whole, and nothing else is. */
static void expect_points_from(struct scene *scene, unsigned int first)
{
	struct tmc_verify_result result;
	struct tmc_point *points;
	size_t nr;

	reopen(scene);
	assert_success(tmc_point_list(scene->repo, &points, &nr));
	assert_int_equal(nr, scene->nr - first);
	for (size_t i = 0; i < nr; i++)
		assert_memory_equal(&points[i].id, &scene->points[first + i].id, sizeof(struct tmc_id));
	free(points);
	for (unsigned int i = first; i < scene->nr; i++)
		assert_point_equals(scene->repo, &scene->points[i], scene->models[i]);
	assert_success(tmc_verify(scene->repo, NULL, 2, print_damage, NULL, (void *)"", &result));
}

static uint64_t pack_bytes(struct scene *scene)
{
	struct tmc_stats stats;

	assert_success(tmc_repo_stats(scene->repo, TMC_STATS_CHEAP, &stats));
	return stats.pack_bytes;
}

static uint64_t unneeded_bytes(struct scene *scene)
{
	struct tmc_stats stats;

	reopen(scene);
	assert_success(tmc_repo_stats(scene->repo, TMC_STATS_WALK, &stats));
	return stats.unneeded_bytes;
}

/* A sum of all that lies in the repository but for sessions. */
static uint64_t fingerprint(struct scene *scene)
{
	static const char *const directories[] = { "packs", "index", "points", "doom", "ledger", "notes" };
	struct file_list *files = calloc(1, sizeof(*files));
	uint64_t sum = 0;

	for (size_t d = 0; d < sizeof(directories) / sizeof(*directories); d++) {
		list_files(scene->fixture, directories[d], files);
		for (size_t i = 0; i < files->nr; i++) {
			const char *name = strrchr(files->paths[i], '/') + 1;
			uint64_t hash = 14695981039346656037u;

			for (; *name; name++)
				hash = (hash ^ (uint8_t)*name) * 1099511628211u;
			sum += hash;
		}
	}
	free(files);
	return sum;
}

/* Make what is in a directory look older than it is. */
static void age(struct scene *scene, const char *directory, int64_t age_ns)
{
	struct file_list *files = calloc(1, sizeof(*files));

	list_files(scene->fixture, directory, files);
	for (size_t i = 0; i < files->nr; i++) {
		struct timespec times[2];

		clock_gettime(CLOCK_REALTIME, &times[0]);
		times[0].tv_sec -= (time_t)(age_ns / 1000000000);
		times[1] = times[0];
		assert_int_equal(utimensat(AT_FDCWD, files->paths[i], times, 0), 0);
	}
	free(files);
}

/* ------------------------------------------------------------------ what it frees */

static void a_point_goes_with_what_only_it_needs(void **state)
{
	struct scene *scene = *state;
	uint64_t before;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS); /* shares nothing */
	add_version(scene, 0, 10);        /* shares most of that */
	before = pack_bytes(scene);
	prune_now(scene, 0, 1);
	assert_int_equal(scene->result.points, 1);
	assert_int_equal(scene->result.kept_points, 2);
	assert_int_equal(scene->result.packs, 1);
	assert_true(scene->result.freed_bytes >= NR_CHUNKS * 4096);
	assert_int_equal(scene->result.pending_bytes, 0);
	assert_int_equal(scene->result.rescued_blobs, 0); /* the mark had seen to all */
	expect_points_from(scene, 1);
	assert_true(pack_bytes(scene) < before - NR_CHUNKS * 4096);
	assert_int_equal(count_files(scene->fixture, "doom"), 0);
	assert_int_equal(count_drafts(scene->fixture), 0);
	prune_now(scene, 0, 0); /* and then there is nothing left to do */
	assert_int_equal(scene->result.packs + scene->result.indexes + scene->result.freed_bytes, 0);
	expect_points_from(scene, 1);
}

static void a_dry_run_tells_what_would_go_and_changes_nothing(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);
	struct tmc_prune_result foretold;
	uint64_t before;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 300);
	add_version(scene, 0, 10);
	before = fingerprint(scene);
	options.dry_run = true;
	assert_success(prune(scene, 0, 2, &options));
	assert_int_equal(fingerprint(scene), before);
	expect_points_from(scene, 0);
	foretold = scene->result;
	assert_true(foretold.packs == 1 && foretold.copied_bytes > 0);
	prune_now(scene, 0, 2);
	assert_int_equal(scene->result.points, foretold.points);
	assert_int_equal(scene->result.packs, foretold.packs);
	assert_int_equal(scene->result.pack_bytes, foretold.pack_bytes);
	assert_int_equal(scene->result.copied_bytes, foretold.copied_bytes);
	assert_int_equal(scene->result.indexes, foretold.indexes);
	expect_points_from(scene, 2);
}

/* The first pack keeps a quarter, the second three quarters of what it had. */
static void what_is_needed_of_a_pack_that_goes_is_copied(void **state)
{
	struct scene *scene = *state;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 300);
	prune_now(scene, 0, 1);
	assert_int_equal(scene->result.packs, 1);
	assert_true(scene->result.copied_blobs >= 100);
	assert_true(scene->result.copied_bytes >= 100 * 4096);
	assert_true(scene->result.copied_bytes < 120 * 4096);
	assert_int_equal(scene->result.rescued_blobs, 0);
	expect_points_from(scene, 1);
	assert_true(unneeded_bytes(scene) < 60000);
}

static void a_pack_that_is_needed_enough_stays(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 300);
	options.repack_below_percent = 20;
	assert_success(prune(scene, 0, 1, &options));
	assert_int_equal(scene->result.packs, 0);
	assert_int_equal(scene->result.copied_blobs, 0);
	assert_int_equal(scene->result.indexes, 1); /* most of it is not needed: written anew */
	assert_int_equal(scene->result.rescued_blobs, 0);
	expect_points_from(scene, 1);
	assert_true(unneeded_bytes(scene) > 290 * 4096);
}

/* Of three packs, of which 40 of 400, 80 of 360 and 120 of 280 chunks are needed. */
static void copying_begins_with_the_least_needed_and_ends_at_the_bound(void **state)
{
	static const struct {
		uint64_t bound;
		unsigned int packs;
	} cases[] = { { 0, 0 }, { 38 * 4096, 0 }, { 70 * 4096, 1 }, { 160 * 4096, 2 }, { 400 * 4096, 3 } };
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 40, NR_CHUNKS);
	add_version(scene, 120, NR_CHUNKS);
	add_version(scene, 240, NR_CHUNKS);
	options.dry_run = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		options.repack_bytes_max = cases[i].bound;
		assert_success(prune(scene, 0, 3, &options));
		assert_int_equal(scene->result.packs, cases[i].packs);
		assert_true(scene->result.copied_bytes <= cases[i].bound);
	}
	options.dry_run = false;
	options.repack_bytes_max = 70 * 4096;
	assert_success(prune(scene, 0, 3, &options));
	assert_int_equal(scene->result.packs, 1);
	expect_points_from(scene, 3);
}

/* Copies leave one index each. */
static void many_small_indexes_become_one(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);
	struct tmc_copy_result copied[10];
	struct tmc_verify_result verified;
	struct tmc_copy *copy;
	struct tmc_repo *to;
	struct tmc_id *ids;
	char path[128];
	size_t nr;

	for (unsigned int i = 0; i < 10; i++)
		add_version(scene, 10 * i, 10 * i + 10);
	snprintf(path, sizeof(path), "%s/to", scene->fixture->directory);
	to = make_repo(path, 4096);
	assert_success(tmc_copy_begin(scene->repo, to, &copy));
	for (unsigned int i = 0; i < 10; i++)
		assert_success(tmc_copy_point(copy, &scene->points[i], NULL, NULL, &copied[i]));
	assert_int_equal(tmc_prune(to, &options, &scene->result), -EBUSY);
	tmc_copy_end(copy);
	assert_success(tmc_store_list(to->store, TMC_STORE_INDEX, &ids, &nr));
	free(ids);
	assert_int_equal(nr, 10);
	assert_success(tmc_prune(to, &options, &scene->result));
	assert_int_equal(scene->result.packs, 0);
	assert_success(tmc_store_list(to->store, TMC_STORE_INDEX, &ids, &nr));
	free(ids);
	assert_true(nr <= 2);
	for (unsigned int i = 0; i < 10; i++)
		assert_point_equals(to, &copied[i].point, scene->models[i]);
	assert_success(tmc_verify(to, NULL, 2, print_damage, NULL, (void *)"", &verified));
	tmc_repo_close(to);
}

/* How many indexes a new backup asks. */
static size_t nr_indexes(struct scene *scene)
{
	struct tmc_id *ids;
	size_t nr, nr_heeded = 0;

	reopen(scene);
	assert_success(tmc_repo_enter(scene->repo, "backup"));
	assert_success(tmc_store_list(scene->repo->store, TMC_STORE_INDEX, &ids, &nr));
	for (size_t i = 0; i < nr; i++)
		nr_heeded += !tmc_dooms_list(&scene->repo->avoided, TMC_STORE_INDEX, &ids[i]);
	free(ids);
	return nr_heeded;
}

static void backups_merge_indexes_between_two_prunes(void **state)
{
	struct scene *scene = *state;
	struct tmc_point point;

	for (unsigned int i = 0; i < 50; i++) {
		model_fill(scene->model, i, CONTENT_RANDOM);
		assert_success(model_backup(scene->repo, scene->model, NULL, NULL, i + 1, &point));
		if (i % 5 == 0) /* else one is enough */
			remember(scene, &point);
		else
			assert_success(tmc_forget(scene->repo, &point.id, 1));
		assert_true(nr_indexes(scene) <= 16);
	}
	assert_true(count_files(scene->fixture, "index") >= 50);
	expect_points_from(scene, 0);
	prune_now(scene, 0, 0);
	assert_true(count_files(scene->fixture, "index") <= 16);
	expect_points_from(scene, 0);
}

static void what_a_backup_has_left_that_was_cut_short_goes(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);
	struct file_list *files = calloc(1, sizeof(*files));
	struct tmc_repo *reader;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	list_files(scene->fixture, "points", files);
	for (size_t i = 0; i < files->nr; i++) { /* the second was never published */
		char digits[TMC_ID_TEXT];

		tmc_id_format(&scene->points[0].id, digits);
		if (strcmp(strrchr(files->paths[i], '/') + 1, digits))
			assert_int_equal(unlink(files->paths[i]), 0);
	}
	scene->nr--;
	model_destroy(scene->models[scene->nr]);
	free(files);
	assert_success(tmc_repo_open(scene->fixture->path, &reader));
	assert_success(tmc_repo_enter(reader, "backup"));
	options.grace_ns = HOUR_NS;
	assert_success(prune(scene, 0, 0, &options)); /* it may be the other one's */
	assert_int_equal(scene->result.packs, 0);
	tmc_repo_close(reader);
	prune_now(scene, 0, 0);
	assert_int_equal(scene->result.packs, 1);
	assert_int_equal(scene->result.copied_blobs, 0);
	expect_points_from(scene, 0);
	assert_true(unneeded_bytes(scene) < 60000);
}

static void notes_go_with_their_points(void **state)
{
	struct scene *scene = *state;
	struct tmc_note note = { .nr_tags = 1, .tags = { "kept" } }, *notes;
	size_t nr;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 10);
	for (unsigned int i = 0; i < 2; i++) {
		note.point = scene->points[i].id;
		assert_success(tmc_note_put(scene->repo, &note));
	}
	prune_now(scene, 0, 1);
	assert_success(tmc_note_list(scene->repo, &notes, &nr));
	assert_int_equal(nr, 1);
	assert_non_null(tmc_note_of(notes, nr, &scene->points[1]));
	free(notes);
	expect_points_from(scene, 1);
}

/* ------------------------------------------------------------------ when it frees */

static void nothing_is_removed_before_the_grace_is_over(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);

	options.grace_ns = HOUR_NS;
	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	assert_success(prune(scene, 0, 1, &options));
	assert_int_equal(scene->result.freed_bytes, 0);
	assert_true(scene->result.pending_bytes >= NR_CHUNKS * 4096);
	assert_int_equal(count_files(scene->fixture, "points"), 2);
	expect_points_from(scene, 1);
	age(scene, "doom", HOUR_NS - HOUR_NS / 30);
	assert_success(prune(scene, 0, 0, &options));
	assert_int_equal(scene->result.freed_bytes, 0);
	age(scene, "doom", HOUR_NS);
	assert_success(prune(scene, 0, 0, &options));
	assert_true(scene->result.freed_bytes >= NR_CHUNKS * 4096);
	assert_int_equal(scene->result.pending_bytes, 0);
	assert_int_equal(count_files(scene->fixture, "points"), 1);
	expect_points_from(scene, 1);
}

static void a_store_whose_clock_went_back_only_waits(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);

	options.grace_ns = HOUR_NS;
	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	assert_success(prune(scene, 0, 1, &options));
	age(scene, "doom", -5 * (int64_t)HOUR_NS);
	assert_success(prune(scene, 0, 0, &options));
	assert_int_equal(scene->result.freed_bytes, 0);
	expect_points_from(scene, 1);
}

/* Invariant 6: who began before the doom may still read what it lists. */
static void who_reads_what_is_doomed_is_waited_for(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *reader, *later;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	assert_success(tmc_repo_open(scene->fixture->path, &reader));
	assert_success(tmc_repo_enter(reader, "restore"));
	prune_now(scene, 0, 1);
	assert_int_equal(scene->result.freed_bytes, 0);
	assert_int_equal(scene->result.waiting_dooms, 1);
	assert_non_null(strstr(scene->said, "\"restore\""));
	assert_point_equals(reader, &scene->points[0], scene->models[0]);
	assert_success(tmc_repo_open(scene->fixture->path, &later));
	assert_success(tmc_repo_enter(later, "restore")); /* avoids it: is not waited for */
	tmc_repo_close(reader);
	prune_now(scene, 0, 0);
	assert_int_equal(scene->result.waiting_dooms, 0);
	assert_true(scene->result.freed_bytes >= NR_CHUNKS * 4096);
	assert_point_equals(later, &scene->points[1], scene->models[1]);
	tmc_repo_close(later);
	expect_points_from(scene, 1);
}

/* Point 0 is doomed, and a writer that began before found in its packs all of point 2. */
static void need_again_what_is_doomed(struct scene *scene)
{
	struct tmc_prune_options options = usual(scene);
	struct tmc_repo *writer;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	assert_success(tmc_repo_open(scene->fixture->path, &writer));
	assert_success(tmc_repo_enter(writer, "backup"));
	options.grace_ns = HOUR_NS;
	age(scene, "packs", 2 * HOUR_NS); /* or they might be the writer's */
	assert_success(prune(scene, 0, 1, &options));
	assert_int_equal(scene->result.packs, 1);
	memcpy(scene->model->data, scene->models[0]->data, NR_CHUNKS * 4096);
	back_up_with(scene, writer);
	assert_int_equal(scene->points[2].stored_bytes, 0);
	tmc_repo_close(writer);
}

/* Invariant 7. */
static void what_is_doomed_and_needed_again_is_rescued(void **state)
{
	struct scene *scene = *state;

	need_again_what_is_doomed(scene);
	prune_now(scene, 0, 0);
	assert_true(scene->result.rescued_blobs >= NR_CHUNKS);
	expect_points_from(scene, 1);
	prune_now(scene, 0, 0);
	assert_int_equal(scene->result.rescued_blobs, 0);
	expect_points_from(scene, 1);
	prune_now(scene, 1, 2);
	expect_points_from(scene, 2);
}

static void a_handle_that_pruned_backs_up_rightly(void **state)
{
	struct scene *scene = *state;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	prune_now(scene, 0, 1);
	memcpy(scene->model->data, scene->models[0]->data, NR_CHUNKS * 4096);
	back_up_with(scene, scene->repo);
	assert_true(scene->points[2].stored_bytes > NR_CHUNKS * 4096);
	expect_points_from(scene, 1);
}

/* Repair puts a doom aside that is damaged, while a sweep of it may still be running. */
static struct scene *disturbed;

static void take_doom_away(enum tmc_store_call call, enum tmc_store_kind kind)
{
	struct file_list *files;

	if (call != TMC_STORE_CALL_REMOVE || kind != TMC_STORE_PACK)
		return;
	files = calloc(1, sizeof(*files));
	list_files(disturbed->fixture, "doom", files);
	for (size_t i = 0; i < files->nr; i++)
		unlink(files->paths[i]);
	free(files);
}

static void a_sweep_ends_where_its_doom_is_gone(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	disturbed = scene;
	tmc_store_hooks.before = take_doom_away;
	assert_int_equal(prune(scene, 0, 2, &options), -EAGAIN);
	tmc_store_hooks.before = NULL;
	assert_int_equal(count_files(scene->fixture, "packs"), 2);
	prune_now(scene, 0, 0);
	assert_int_equal(count_files(scene->fixture, "packs"), 1);
	expect_points_from(scene, 2);
}

/* --------------------------------------------------------------------- generation */

static void the_generation_does_not_fall_with_the_newest_points(void **state)
{
	struct scene *scene = *state;
	uint64_t before, after;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 10);
	add_version(scene, 0, 10);
	prune_now(scene, 1, 3);
	assert_success(tmc_repo_get_generation(scene->repo, &before));
	assert_true(before > scene->points[2].generation);
	for (unsigned int i = 1; i < 3; i++)
		model_destroy(scene->models[i]);
	scene->nr = 1;
	expect_points_from(scene, 0);
	assert_success(tmc_repo_get_generation(scene->repo, &after));
	assert_int_equal(after, before);
	add_version(scene, 0, 10);
	assert_int_equal(scene->points[1].generation, before + 1);
}

/* ------------------------------------------------------------------------- refusals */

static void what_cannot_be_done_is_refused(void **state)
{
	struct scene *scene = *state;
	struct tmc_prune_options options = usual(scene);
	struct tmc_volume volume = model_volume(scene->model);
	struct tmc_id unknown = { { 1 } };
	struct tmc_backup *backup;
	struct tmc_repo *other;
	uint64_t before;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 10);
	before = fingerprint(scene);
	options.repack_below_percent = 101;
	assert_int_equal(prune(scene, 0, 1, &options), -EINVAL);
	options = usual(scene);
	options.points = &unknown;
	options.nr_points = 1;
	assert_int_equal(tmc_prune(scene->repo, &options, &scene->result), -ENOENT);
	assert_int_equal(tmc_forget(scene->repo, &unknown, 1), -ENOENT);

	options = usual(scene);
	assert_success(tmc_repo_open(scene->fixture->path, &other));
	assert_success(tmc_repo_enter(other, "prune"));
	assert_int_equal(prune(scene, 0, 1, &options), -EBUSY);
	assert_non_null(strstr(tmc_error_text(), "another prune"));
	tmc_repo_close(other);

	reopen(scene);
	assert_success(tmc_backup_begin(scene->repo, &volume, NULL, 1, &backup));
	assert_int_equal(tmc_prune(scene->repo, &options, &scene->result), -EBUSY);
	assert_int_equal(tmc_forget(scene->repo, &unknown, 1), -EBUSY);
	tmc_backup_abort(backup);
	assert_int_equal(fingerprint(scene), before);
	prune_now(scene, 0, 1);
	expect_points_from(scene, 1);
}

static void a_point_twice_in_the_list_goes_once(void **state)
{
	struct scene *scene = *state;
	struct tmc_id twice[2];

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 10);
	twice[0] = twice[1] = scene->points[0].id;
	assert_success(tmc_forget(scene->repo, twice, 2));
	assert_int_equal(tmc_forget(scene->repo, twice, 1), -ENOENT);
	expect_points_from(scene, 1);
	prune_now(scene, 0, 0);
	expect_points_from(scene, 1);
	assert_int_equal(count_files(scene->fixture, "doom"), 0);
}

static void data_of_the_last_points_is_not_removed(void **state)
{
	struct scene *scene = *state;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	prune_now(scene, 0, 2);
	assert_non_null(strstr(scene->said, "no restore point"));
	assert_int_equal(count_files(scene->fixture, "packs"), 2);
	prune_now(scene, 0, 0);
	assert_int_equal(count_files(scene->fixture, "packs"), 2);
	add_version(scene, 0, 10);
	prune_now(scene, 0, 0);
	expect_points_from(scene, 2);
}

/* Invariant 8, and R11. Damage to what nobody needs is no damage. */
static void where_anything_needed_is_damaged_nothing_goes(void **state)
{
	static const char *const directories[] = { "packs", "index", "points" };
	struct scene *scene = *state;
	struct file_list *files = calloc(1, sizeof(*files));
	struct tmc_prune_options options = usual(scene);
	unsigned int nr_refused = 0;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 300);
	add_version(scene, 0, 10);
	for (size_t d = 0; d < 3; d++) {
		list_files(scene->fixture, directories[d], files);
		for (size_t i = 0; i < files->nr; i++) {
			uint64_t before = fingerprint(scene), without;
			size_t bytes;
			uint8_t *data = read_file(files->paths[i], &bytes);
			int ret;

			assert_int_equal(unlink(files->paths[i]), 0);
			without = fingerprint(scene);
			assert_true(without != before);
			ret = d == 2 ? -EBADMSG : prune(scene, 0, 1, &options);
			if (ret < 0) {
				assert_int_equal(ret, -EBADMSG);
				assert_int_equal(fingerprint(scene), without);
				nr_refused++;
			}
			write_file(files->paths[i], data, 100); /* cut off */
			ret = prune(scene, 0, 1, &options);
			assert_int_equal(ret, -EBADMSG);
			assert_int_equal(fingerprint(scene), before);
			write_file(files->paths[i], data, bytes);
			free(data);
		}
	}
	assert_int_equal(nr_refused, 9);
	free(files);
	expect_points_from(scene, 0);
	prune_now(scene, 0, 1);
	expect_points_from(scene, 1);
}

/* ------------------------------------------------------------------- listings (R11) */

enum listing_fault {
	LISTING_FAILS,
	LISTING_IS_EMPTY,
	LISTING_LACKS_THE_FIRST,
	LISTING_LACKS_THE_LAST,
	NR_LISTING_FAULTS,
};

static struct {
	enum listing_fault fault;
	int at; /* how many listings from now; below 1: it has come to that */
} listing;

static int faulty_list(enum tmc_store_kind kind, struct tmc_id *ids, size_t *nr)
{
	if (--listing.at)
		return 0;
	if (listing.fault == LISTING_FAILS)
		return -EIO;
	if (listing.fault == LISTING_LACKS_THE_FIRST && *nr)
		memmove(ids, ids + 1, (*nr - 1) * sizeof(*ids));
	if (listing.fault == LISTING_IS_EMPTY)
		*nr = 0;
	else if (*nr)
		--*nr;
	return 0;
}

/* Begin with an empty repository. */
static void start_over(struct scene *scene)
{
	while (scene->nr)
		model_destroy(scene->models[--scene->nr]);
	tmc_repo_close(scene->repo);
	remove_tree(scene->fixture->path);
	scene->repo = make_repo(scene->fixture->path, 4096);
}

static void share_half(struct scene *scene)
{
	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, 300);
	add_version(scene, 300, 310);
}

/* One listing of a prune that gives up the first nr points is wrong: each, in each way. */
static void let_lists_be_wrong(struct scene *scene, void (*prepare)(struct scene *scene),
			       unsigned int nr)
{
	struct tmc_prune_options options = usual(scene);
	unsigned int nr_failed = 0, nr_runs = 0;

	for (listing.fault = 0; listing.fault < NR_LISTING_FAULTS; listing.fault++) {
		for (int at = 1, met = 1; met; at++) {
			start_over(scene);
			prepare(scene);
			reopen(scene);
			listing.at = at;
			tmc_store_hooks.listed = faulty_list;
			nr_failed += prune_as_open(scene, 0, nr, &options) < 0;
			met = listing.at < 1;
			tmc_store_hooks.listed = NULL;
			nr_runs++;
			for (int n = 0; n < 2; n++) { /* and what was begun is brought to its end */
				for (unsigned int i = 1; i < scene->nr; i++)
					assert_point_equals(scene->repo, &scene->points[i],
							    scene->models[i]);
				prune_now(scene, 0, 0);
			}
		}
	}
	print_message("%u runs, %u of them refused\n", nr_runs, nr_failed);
	assert_true(nr_runs > 40 && nr_failed > 10);
}

static void no_list_that_is_wrong_loses_a_point(void **state)
{
	let_lists_be_wrong(*state, share_half, 1);
	let_lists_be_wrong(*state, need_again_what_is_doomed, 0);
}

static struct {
	char name[TMC_SESSION_NAME];
	int at; /* as above */
} hidden;

static void hide_session(char *names, size_t name_bytes, size_t *nr)
{
	if (--hidden.at)
		return;
	for (size_t i = 0; i < *nr; i++)
		if (!strcmp(names + i * name_bytes, hidden.name)) {
			memmove(names + i * name_bytes, names + (i + 1) * name_bytes,
				(*nr - i - 1) * name_bytes);
			--*nr;
		}
}

static void a_reader_that_a_list_lacks_is_waited_for_all_the_same(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *reader;
	int at;

	add_version(scene, 0, NR_CHUNKS);
	add_version(scene, 0, NR_CHUNKS);
	assert_success(tmc_repo_open(scene->fixture->path, &reader));
	assert_success(tmc_repo_enter(reader, "restore"));
	strcpy(hidden.name, tmc_session_directory(tmc_store_session(reader->store)) +
			    strlen("sessions/"));
	prune_now(scene, 0, 1);
	for (at = 1; hidden.at < 1; at++) {
		hidden.at = at;
		tmc_store_hooks.listed_names = hide_session;
		prune_now(scene, 0, 0);
		tmc_store_hooks.listed_names = NULL;
		assert_int_equal(scene->result.freed_bytes, 0);
		assert_point_equals(reader, &scene->points[0], scene->models[0]);
	}
	assert_true(at > 3);
	tmc_repo_close(reader);
	expect_points_from(scene, 1);
}

/* ------------------------------------------------------------------------- at random */

/* Backups, prunes with and without grace, readers that stay for a while. */
static void any_order_of_backups_and_prunes_keeps_what_it_should(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *reader = NULL;
	unsigned int first = 0;

	for (unsigned int round = 0; round < 120; round++) {
		struct tmc_prune_options options = usual(scene);
		unsigned int chunk = (unsigned int)(model_random(scene->model) % (NR_CHUNKS - 60));
		uint64_t choice = model_random(scene->model) % 8;

		if (scene->nr == POINTS) { /* start over with the last two */
			for (unsigned int i = 0; i < POINTS - 2; i++)
				model_destroy(scene->models[i]);
			memmove(scene->models, scene->models + POINTS - 2, 2 * sizeof(*scene->models));
			memmove(scene->points, scene->points + POINTS - 2, 2 * sizeof(*scene->points));
			scene->nr = 2;
			first = first > POINTS - 2 ? first - (POINTS - 2) : 0;
			tmc_repo_close(reader);
			reader = NULL;
		}
		reopen(scene);
		if (choice < 3) {
			add_version(scene, chunk, chunk + 60);
		} else if (choice == 3) {
			tmc_repo_close(reader);
			reader = NULL;
			assert_success(tmc_repo_open(scene->fixture->path, &reader));
			assert_success(tmc_repo_enter(reader, "restore"));
		} else if (choice == 4) {
			tmc_repo_close(reader);
			reader = NULL;
		} else {
			unsigned int end = first + (unsigned int)(model_random(scene->model) % 3);

			end = end + 1 < scene->nr ? end : first;
			options.grace_ns = choice == 5 ? HOUR_NS : 0;
			options.repack_below_percent = (uint32_t)(model_random(scene->model) % 101);
			options.repack_bytes_max = model_random(scene->model) % (200 * 4096);
			assert_success(prune(scene, first, end, &options));
			first = end;
		}
		for (unsigned int i = first; i < scene->nr; i++)
			assert_point_equals(scene->repo, &scene->points[i], scene->models[i]);
	}
	tmc_repo_close(reader);
	prune_now(scene, 0, 0);
	prune_now(scene, 0, 0);
	assert_int_equal(count_files(scene->fixture, "doom"), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_point_goes_with_what_only_it_needs),
		T(a_dry_run_tells_what_would_go_and_changes_nothing),
		T(what_is_needed_of_a_pack_that_goes_is_copied),
		T(a_pack_that_is_needed_enough_stays),
		T(copying_begins_with_the_least_needed_and_ends_at_the_bound),
		T(many_small_indexes_become_one),
		T(backups_merge_indexes_between_two_prunes),
		T(what_a_backup_has_left_that_was_cut_short_goes),
		T(notes_go_with_their_points),
		T(nothing_is_removed_before_the_grace_is_over),
		T(a_store_whose_clock_went_back_only_waits),
		T(who_reads_what_is_doomed_is_waited_for),
		T(what_is_doomed_and_needed_again_is_rescued),
		T(a_handle_that_pruned_backs_up_rightly),
		T(a_sweep_ends_where_its_doom_is_gone),
		T(the_generation_does_not_fall_with_the_newest_points),
		T(what_cannot_be_done_is_refused),
		T(a_point_twice_in_the_list_goes_once),
		T(data_of_the_last_points_is_not_removed),
		T(where_anything_needed_is_damaged_nothing_goes),
		T(no_list_that_is_wrong_loses_a_point),
		T(a_reader_that_a_list_lacks_is_waited_for_all_the_same),
		T(any_order_of_backups_and_prunes_keeps_what_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
