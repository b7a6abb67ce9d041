// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is doomed is avoided (docs/repository.md, invariant 3), and the generation
 * grows (10).
 */
#include "repo_fixture.h"

#include "catalog/doom.h"
#include "catalog/generation.h"
#include "catalog/object.h"
#include "catalog/repo.h"
#include "catalog/session.h"

/* Every object of a kind goes into a list. */
static void take_all(struct tmc_repo *repo, enum tmc_store_kind kind, struct tmc_id_list *list)
{
	assert_success(tmc_store_list(repo->store, kind, &list->ids, &list->nr));
}

static void seal_doom(struct tmc_repo *repo, struct tmc_doom *doom)
{
	doom->generation = 7;
	assert_success(tmc_doom_store(repo->store, repo->keys, doom));
	tmc_doom_clear(doom);
}

static struct tmc_repo *reopen(struct fixture *fixture, struct tmc_repo *repo)
{
	tmc_repo_close(repo);
	assert_success(tmc_repo_open(fixture->path, &repo));
	return repo;
}

static void a_doomed_point_is_no_longer_shown(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = model_mixed(20 * 4096, 4096);
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct tmc_point point, other, found, *points;
	struct tmc_doom doom = { 0 };
	char digits[TMC_ID_TEXT];
	size_t nr;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	take_all(repo, TMC_STORE_POINT, &doom.points);
	assert_success(model_backup(repo, model, NULL, NULL, 2, &other));
	seal_doom(repo, &doom);
	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, 1);
	assert_memory_equal(&points[0].id, &other.id, sizeof(other.id));
	free(points);
	tmc_id_format(&point.id, digits);
	assert_int_equal(tmc_point_find(repo, digits, NULL, &found), -ENOENT);
	assert_int_equal(tmc_point_get(repo, &point.id, &found), -ENOENT);
	assert_success(tmc_point_get(repo, &other.id, &found));
	repo = reopen(fixture, repo);
	assert_int_equal(model_backup(repo, model, &point, NULL, 3, &found), -ENOENT);
	assert_success(model_backup(repo, model, &other, NULL, 3, &found));
	tmc_repo_close(repo);
	model_destroy(model);
}

/* What is stored again is stored although the old copy can still be read. */
static void expect_stored_again(struct fixture *fixture, enum tmc_store_kind kind)
{
	struct model *model = model_mixed(20 * 4096, 4096);
	struct tmc_repo *repo = make_repo(fixture->path, 4096), *older;
	struct tmc_point point, again;
	struct tmc_doom doom = { 0 };

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	repo = reopen(fixture, repo);
	assert_success(model_backup(repo, model, NULL, NULL, 2, &again));
	assert_int_equal(again.stored_bytes, 0);
	repo = reopen(fixture, repo);
	assert_success(tmc_repo_open(fixture->path, &older));
	assert_success(tmc_repo_enter(older, "backup")); /* before the doom: need not avoid it */
	take_all(repo, kind, kind == TMC_STORE_PACK ? &doom.packs : &doom.indexes);
	seal_doom(repo, &doom);
	repo = reopen(fixture, repo);
	assert_success(model_backup(repo, model, NULL, NULL, 3, &again));
	assert_true(again.stored_bytes >= point.stored_bytes);
	assert_success(model_backup(older, model, NULL, NULL, 4, &again));
	assert_int_equal(again.stored_bytes, 0);
	assert_point_equals(repo, &again, model);
	tmc_repo_close(older);
	tmc_repo_close(repo);
	model_destroy(model);
}

static void nothing_is_taken_from_a_doomed_pack(void **state)
{
	expect_stored_again(*state, TMC_STORE_PACK);
}

static void nothing_is_taken_through_a_doomed_index(void **state)
{
	expect_stored_again(*state, TMC_STORE_INDEX);
}

/* A handle that has looked before its session began forgets what it saw. */
static void what_was_seen_before_the_session_counts_for_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = model_mixed(20 * 4096, 4096);
	struct tmc_repo *repo = make_repo(fixture->path, 4096), *early;
	struct tmc_point point, again;
	struct tmc_doom doom = { 0 };
	struct tmc_location location;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	repo = reopen(fixture, repo);
	assert_success(tmc_repo_open(fixture->path, &early));
	assert_int_not_equal(tmc_index_set_find(early->indexes, TMC_BLOB_CHUNK, &point.id, &location),
			     0); /* opens all indexes */
	take_all(repo, TMC_STORE_INDEX, &doom.indexes);
	for (size_t i = 0; i < doom.indexes.nr; i++)
		assert_success(tmc_store_remove(repo->store, TMC_STORE_INDEX, &doom.indexes.ids[i]));
	tmc_doom_clear(&doom);
	assert_success(model_backup(early, model, NULL, NULL, 2, &again));
	assert_true(again.stored_bytes > 0);
	tmc_repo_close(early);
	repo = reopen(fixture, repo);
	assert_point_equals(repo, &again, model);
	tmc_repo_close(repo);
	model_destroy(model);
}

static void a_session_says_which_dooms_it_avoids(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096), *reader;
	struct tmc_doom doom = { 0 }, later = { 0 };
	struct tmc_session_info *others;
	struct tmc_session *session;
	size_t nr;

	seal_doom(repo, &doom);
	session = tmc_store_session(repo->store);
	assert_success(tmc_repo_open(fixture->path, &reader));
	assert_success(tmc_repo_enter(reader, "restore"));
	seal_doom(repo, &later);
	assert_success(tmc_session_list(session, &others, &nr));
	assert_int_equal(nr, 1);
	assert_true(tmc_session_avoids(session, &others[0], &doom.id));
	assert_false(tmc_session_avoids(session, &others[0], &later.id));
	free(others);
	tmc_repo_close(reader);
	tmc_repo_close(repo);
}

/* Whoever cannot read a doom cannot avoid it: no backup, and the remedy is said. */
static void any_damage_to_a_doom_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = model_mixed(4 * 4096, 4096);
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct file_list *files = calloc(1, sizeof(*files));
	struct tmc_point point, *points;
	struct tmc_doom doom = { 0 };
	size_t bytes, nr;
	uint8_t *data;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	take_all(repo, TMC_STORE_PACK, &doom.packs);
	take_all(repo, TMC_STORE_POINT, &doom.points);
	take_all(repo, TMC_STORE_INDEX, &doom.segments); /* some ids */
	seal_doom(repo, &doom);
	tmc_repo_close(repo);
	list_files(fixture, "doom", files);
	assert_int_equal(files->nr, 1);
	data = read_file(files->paths[0], &bytes);
	for (size_t at = 0; at <= bytes; at++) { /* flip each byte, then cut it off at each */
		for (int cut = 0; cut < 2; cut++) {
			struct tmc_dooms dooms;

			if (at == bytes)
				break;
			data[at] ^= cut ? 0 : 0x40;
			write_file(files->paths[0], data, cut ? at : bytes);
			data[at] ^= cut ? 0 : 0x40;
			assert_success(tmc_repo_open(fixture->path, &repo));
			assert_true(tmc_dooms_load(repo->store, repo->keys, &dooms) < 0);
			assert_int_equal(dooms.nr, 0);
			tmc_dooms_clear(&dooms);
			tmc_repo_close(repo);
		}
	}
	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_int_equal(model_backup(repo, model, NULL, NULL, 1, &point), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "repair --apply"));
	assert_int_equal(tmc_point_list(repo, &points, &nr), -EBADMSG);
	assert_int_equal(nr, 1);
	free(points);
	tmc_repo_close(repo);
	assert_int_equal(unlink(files->paths[0]), 0); /* as it was told */
	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	tmc_repo_close(repo);
	free(data);
	free(files);
	model_destroy(model);
}

static uint64_t incompat_of(struct tmc_repo *repo, const struct tmc_id *id)
{
	struct tmc_object_header_disk header;
	char path[TMC_STORE_TEXT];
	size_t bytes;
	uint8_t *data;

	data = read_file(tmc_store_describe(repo->store, TMC_STORE_DOOM, id, path), &bytes);
	memcpy(&header, data, sizeof(header));
	free(data);
	return get_le64(header.incompat);
}

/* One without segments is what it was before there were any. */
static void a_doom_says_whether_it_lists_segments(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct tmc_id ids[] = { { { 1 } }, { { 2 } }, { { 3 } } };
	struct tmc_doom doom = { .points = { ids, 1 }, .segments = { ids + 1, 2 } };
	struct tmc_doom before = { .points = { ids, 1 } }, loaded;
	struct tmc_dooms dooms;

	assert_success(tmc_doom_store(repo->store, repo->keys, &doom));
	assert_true(incompat_of(repo, &doom.id) & TMC_INCOMPAT_SEGMENTS);
	assert_success(tmc_doom_load(repo->store, repo->keys, &doom.id, &loaded));
	assert_int_equal(loaded.points.nr, 1);
	assert_int_equal(loaded.segments.nr, 2);
	assert_memory_equal(loaded.segments.ids, ids + 1, 2 * sizeof(*ids));
	tmc_doom_clear(&loaded);
	assert_success(tmc_dooms_load(repo->store, repo->keys, &dooms));
	assert_true(tmc_dooms_list(&dooms, TMC_STORE_JOURNAL, &ids[1]));
	assert_false(tmc_dooms_list(&dooms, TMC_STORE_JOURNAL, &ids[0]));
	assert_false(tmc_dooms_list(&dooms, TMC_STORE_POINT, &ids[1]));
	assert_false(tmc_dooms_list(&dooms, TMC_STORE_PACK, &ids[1]));
	tmc_dooms_clear(&dooms);
	assert_success(tmc_doom_store(repo->store, repo->keys, &before));
	assert_false(incompat_of(repo, &before.id) & TMC_INCOMPAT_SEGMENTS);
	tmc_repo_close(repo);
}

static void expect_refused(struct tmc_repo *repo, enum tmc_incompat incompat, uint32_t nr_segments)
{
	const struct tmc_object_kind kind = {
		.store_kind = TMC_STORE_DOOM, .type = TMC_OBJECT_DOOM, .incompat = incompat,
	};
	struct {
		struct tmc_doom_disk disk;
		struct tmc_id ids[1];
	} image = { .disk = { .nr_segments = put_le32(nr_segments) }, .ids = { { { 7 } } } };
	struct tmc_doom doom;
	struct tmc_id id;

	assert_success(tmc_object_store(repo->store, repo->keys, &kind, &image,
					sizeof(image.disk) + nr_segments * sizeof(id), &id));
	assert_int_equal(tmc_doom_load(repo->store, repo->keys, &id, &doom), -EBADMSG);
}

static void a_doom_that_says_so_in_vain_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);

	expect_refused(repo, 0, 1);
	expect_refused(repo, TMC_INCOMPAT_SEGMENTS, 0);
	tmc_repo_close(repo);
}

static void the_generation_grows_with_points_dooms_and_ledgers(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = model_mixed(4 * 4096, 4096);
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct tmc_point point, loaded;
	struct tmc_doom doom = { 0 };
	uint64_t generation;

	assert_success(tmc_generation_get(repo, &generation));
	assert_int_equal(generation, 0);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_success(model_backup(repo, model, NULL, NULL, i, &point));
		assert_int_equal(point.generation, i);
		assert_success(tmc_point_get(repo, &point.id, &loaded));
		assert_int_equal(loaded.generation, i);
	}
	seal_doom(repo, &doom); /* with 7 */
	assert_success(tmc_generation_get(repo, &generation));
	assert_int_equal(generation, 7);
	assert_success(tmc_generation_keep(repo, 9));
	assert_success(tmc_generation_keep(repo, 12));
	assert_int_equal(count_files(fixture, "ledger"), 1);
	assert_success(model_backup(repo, model, NULL, NULL, 4, &point));
	assert_int_equal(point.generation, 13);
	tmc_repo_close(repo);
	model_destroy(model);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(a_doomed_point_is_no_longer_shown),
		T(nothing_is_taken_from_a_doomed_pack),
		T(nothing_is_taken_through_a_doomed_index),
		T(what_was_seen_before_the_session_counts_for_nothing),
		T(a_session_says_which_dooms_it_avoids),
		T(any_damage_to_a_doom_is_refused),
		T(a_doom_says_whether_it_lists_segments),
		T(a_doom_that_says_so_in_vain_is_refused),
		T(the_generation_grows_with_points_dooms_and_ledgers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
