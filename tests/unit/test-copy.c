// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points copied from one repository to another.
 */
#include "repo_fixture.h"

#include "common/io.h"

#define CHUNK     4096u
#define NR_POINTS 3

struct scene {
	struct fixture *fixture;
	struct fixture target; /* its path alone */
	struct tmc_repo *from, *to;
	struct model *models[NR_POINTS];
	struct tmc_point points[NR_POINTS];
};

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture))
		return -1;
	snprintf(scene->target.path, sizeof(scene->target.path), "%.60s/target",
		 scene->fixture->directory);
	scene->from = make_repo(scene->fixture->path, CHUNK);
	scene->to = make_repo(scene->target.path, CHUNK);
	for (int i = 0; i < NR_POINTS; i++) {
		scene->models[i] = model_mixed(1100 * CHUNK - 100, CHUNK);
		for (uint64_t chunk = 500; i && chunk < 510; chunk++)
			model_fill(scene->models[i], chunk, CONTENT_RANDOM);
		if (i == 2) {
			scene->models[i]->unreadable[700] = 1;
			for (uint64_t chunk = 0; chunk < 5; chunk++)
				model_fill(scene->models[i], chunk, CONTENT_TEXT);
		}
		assert_success(model_backup(scene->from, scene->models[i],
					    i ? &scene->points[i - 1] : NULL, NULL, (uint64_t)i + 1,
					    &scene->points[i]));
	}
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	tmc_repo_close(scene->from);
	tmc_repo_close(scene->to);
	for (int i = 0; i < NR_POINTS; i++)
		model_destroy(scene->models[i]);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static int copy_one(struct scene *scene, int nth, struct tmc_copy_result *ret_result)
{
	struct tmc_copy *copy;
	int ret = tmc_copy_begin(scene->from, scene->to, &copy);

	if (ret < 0)
		return ret;
	ret = tmc_copy_point(copy, &scene->points[nth], NULL, NULL, ret_result);
	tmc_copy_end(copy);
	return ret;
}

static void copied_points_are_exact_and_keep_what_is_said_of_them(void **state)
{
	struct scene *scene = *state;
	struct tmc_note note = { .point = scene->points[1].id, .nr_tags = 1, .tags = { "keep" } };
	struct tmc_copy_result results[NR_POINTS];
	struct tmc_note *notes;
	struct tmc_copy *copy;
	size_t nr;

	assert_success(tmc_note_put(scene->from, &note));
	assert_success(tmc_copy_begin(scene->from, scene->to, &copy));
	for (int i = 0; i < NR_POINTS; i++)
		assert_success(tmc_copy_point(copy, &scene->points[i], NULL, NULL, &results[i]));
	tmc_copy_end(copy);
	for (int i = 0; i < NR_POINTS; i++) {
		assert_false(results[i].known);
		assert_point_equals(scene->to, &results[i].point, scene->models[i]);
		assert_int_equal(results[i].point.cut_time_ns, scene->points[i].cut_time_ns);
		assert_int_equal(results[i].point.changed_bytes, scene->points[i].changed_bytes);
		assert_int_equal(results[i].point.unreadable_chunks,
				 scene->points[i].unreadable_chunks);
		assert_memory_equal(&results[i].point.volume, &scene->points[i].volume,
				    sizeof(struct tmc_volume));
	}
	assert_true(results[0].copied_blobs > 500);
	assert_in_range(results[1].copied_blobs, 10, 10 + 3); /* a node for each level */
	assert_verified(scene->to, NR_POINTS);
	assert_success(tmc_note_list(scene->to, &notes, &nr));
	assert_true(tmc_note_has_tag(tmc_note_of(notes, nr, &results[1].point), "keep"));
	assert_int_equal(nr, 1);
	free(notes);
}

/* Stored bytes go over as they are: no chunk is compressed twice. */
static void both_repositories_hold_the_same_blobs(void **state)
{
	struct scene *scene = *state;
	struct tmc_copy_result result;
	struct tmc_stats from, to;

	for (int i = 0; i < NR_POINTS; i++)
		assert_success(copy_one(scene, i, &result));
	assert_success(tmc_repo_stats(scene->from, TMC_STATS_WALK, &from));
	assert_success(tmc_repo_stats(scene->to, TMC_STATS_WALK, &to));
	assert_int_equal(to.chunks, from.chunks);
	assert_int_equal(to.chunk_stored_bytes, from.chunk_stored_bytes);
	assert_int_equal(to.nodes, from.nodes);
	assert_int_equal(to.index_entries, from.index_entries);
}

static void a_copy_that_is_repeated_copies_nothing(void **state)
{
	struct scene *scene = *state;
	struct tmc_copy_result first, second;

	assert_success(copy_one(scene, 1, &first));
	assert_success(copy_one(scene, 1, &second));
	assert_true(second.known);
	assert_memory_equal(&second.point.id, &first.point.id, sizeof(first.point.id));
	assert_int_equal(second.copied_bytes, 0);
	assert_int_equal(count_files(&scene->target, "points"), 1);
}

/* Ids are the target's own: each blob goes through its plain content, both ways. */
static void points_go_into_an_encrypted_repository_and_out_of_it(void **state)
{
	const struct tmc_repo_options options = { .chunk_bytes = CHUNK, .passphrase = "of the fixture" };
	struct scene *scene = *state;
	struct tmc_copy_result in, out;
	struct tmc_repo *sealed;
	struct tmc_copy *copy;
	char path[100];

	snprintf(path, sizeof(path), "%.60s/sealed", scene->fixture->directory);
	assert_success(tmc_repo_create_with(path, &options));
	assert_success(tmc_repo_open(path, &sealed));
	if (!getenv("TIDEMARK_UNIT_ENCRYPTED")) /* else the fixture has unlocked it */
		assert_int_equal(tmc_copy_begin(scene->from, sealed, &copy), -ENOKEY);
	assert_success(tmc_repo_unlock(sealed, "of the fixture"));
	assert_success(tmc_copy_begin(scene->from, sealed, &copy));
	for (int i = 1; i < NR_POINTS; i++)
		assert_success(tmc_copy_point(copy, &scene->points[i], NULL, NULL, &in));
	tmc_copy_end(copy);
	assert_in_range(in.copied_blobs, 5, 5 + 6);
	assert_point_equals(sealed, &in.point, scene->models[2]);
	assert_verified(sealed, 2);
	assert_success(tmc_copy_begin(sealed, scene->to, &copy));
	assert_success(tmc_copy_point(copy, &in.point, NULL, NULL, &out));
	tmc_copy_end(copy);
	assert_point_equals(scene->to, &out.point, scene->models[2]);
	assert_verified(scene->to, 1);
	tmc_repo_close(sealed);
}

static void chunks_of_another_size_are_refused(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *other;
	struct tmc_copy *copy;
	char path[100];

	snprintf(path, sizeof(path), "%s/other", scene->fixture->directory);
	other = make_repo(path, 2 * CHUNK);
	assert_int_equal(tmc_copy_begin(scene->from, other, &copy), -EINVAL);
	assert_non_null(strstr(tmc_error_text(), "--chunk-size 4096"));
	assert_int_equal(tmc_copy_begin(scene->from, scene->from, &copy), -EINVAL);
	tmc_repo_close(other);
}

static void a_damaged_source_makes_no_point(void **state)
{
	struct scene *scene = *state;
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_copy_result result;
	size_t bytes;
	uint8_t *data;

	list_files(scene->fixture, "packs", list);
	for (size_t i = 0; i < list->nr; i++) {
		data = read_file(list->paths[i], &bytes);
		data[128 + 48 + 1000] ^= 1; /* in the first blob's content */
		write_file(list->paths[i], data, bytes);
		free(data);
	}
	assert_int_equal(copy_one(scene, 2, &result), -EBADMSG);
	assert_int_equal(count_files(&scene->target, "points"), 0);
	assert_verified(scene->to, 0);
	free(list);
}

static int nr_writes_left;

static ssize_t failing_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	if (!nr_writes_left--) {
		errno = ENOSPC;
		return -1;
	}
	return io_ops_system.pwrite(fd, data, bytes, offset);
}

static void a_copy_that_fails_anywhere_leaves_nothing_bad(void **state)
{
	static struct io_ops failing;
	struct scene *scene = *state;
	struct tmc_copy_result result;
	int nth = 0, ret;

	do {
		failing = io_ops_system;
		failing.pwrite = failing_pwrite;
		nr_writes_left = nth++;
		io_ops = &failing;
		ret = copy_one(scene, 0, &result);
		io_ops = &io_ops_system;
		assert_true(ret == 0 || ret == -ENOSPC);
		assert_verified(scene->to, ret == 0);
	} while (ret < 0);
	assert_true(nth > 3);
	assert_point_equals(scene->to, &result.point, scene->models[0]);
}

/* The journal is not copied: what counts only together with it is not, what is exact is. */
static void a_copy_has_no_moment(void **state)
{
	const struct tmc_moment moments[] = { { 7, 1, 0 }, { 7, 1, 2 } };
	struct scene *scene = *state;
	struct tmc_volume volume = model_volume(scene->models[2]);
	struct tmc_copy_result result;

	for (int i = 0; i < 2; i++) {
		struct tmc_backup *backup;

		assert_success(tmc_backup_begin(scene->from, &volume, &scene->points[2], 1, &backup));
		tmc_backup_set_moment(backup, &moments[i]);
		assert_success(tmc_backup_commit(backup, 9, 0, &scene->points[i]));
	}
	assert_success(copy_one(scene, 0, &result));
	assert_int_equal(result.point.moment.stretch, 0);
	assert_int_equal(result.point.moment.seq, 0);
	assert_int_equal(copy_one(scene, 1, &result), -ENOENT);
	assert_non_null(strstr(tmc_error_text(), "journal"));
	assert_int_equal(count_files(&scene->target, "points"), 1);
	assert_int_equal(tmc_point_extract(scene->from, &scene->points[1], 1, &(struct tmc_sink){ 0 }),
			 -ENOENT);
	assert_non_null(strstr(tmc_error_text(), "restore --at"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(copied_points_are_exact_and_keep_what_is_said_of_them),
		T(both_repositories_hold_the_same_blobs),
		T(a_copy_that_is_repeated_copies_nothing),
		T(points_go_into_an_encrypted_repository_and_out_of_it),
		T(chunks_of_another_size_are_refused),
		T(a_damaged_source_makes_no_point),
		T(a_copy_has_no_moment),
		T(a_copy_that_fails_anywhere_leaves_nothing_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
