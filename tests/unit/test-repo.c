// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Making, opening and listing repositories; what is none, or of the future.
 */
#include "repo_fixture.h"

#include "catalog/object.h"
#include "common/crc32c.h"

static void create_and_open(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo_info info;
	struct tmc_repo *repo;

	assert_success(tmc_repo_create(fixture->path, 8192));
	assert_success(tmc_repo_open(fixture->path, &repo));
	tmc_repo_get_info(repo, &info);
	assert_int_equal(info.chunk_bytes, 8192);
	assert_true(info.created_ns > 1500000000ull * 1000000000);
	tmc_repo_close(repo);
	assert_int_equal(tmc_repo_create(fixture->path, 8192), -EEXIST);
}

static void two_repositories_differ(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo_info infos[2];

	for (int i = 0; i < 2; i++) {
		struct tmc_repo *repo = make_repo(fixture->path, 4096);

		tmc_repo_get_info(repo, &infos[i]);
		tmc_repo_close(repo);
		remove_tree(fixture->path);
	}
	assert_memory_not_equal(&infos[0].id, &infos[1].id, sizeof(infos[0].id));
}

static void impossible_chunk_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 2048, 4097, 65535, 2097152, UINT32_MAX };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		assert_int_equal(tmc_repo_create(fixture->path, sizes[i]), -EINVAL);
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void a_directory_in_use_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	assert_int_equal(mkdir(fixture->path, 0700), 0);
	snprintf(path, sizeof(path), "%s/letter", fixture->path);
	write_file(path, "dear", 4);
	assert_int_equal(tmc_repo_create(fixture->path, 4096), -ENOTEMPTY);
	assert_int_equal(unlink(path), 0);
	assert_success(tmc_repo_create(fixture->path, 4096));
}

static void a_creation_that_was_cut_short_can_be_repeated(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	assert_int_equal(mkdir(fixture->path, 0700), 0);
	snprintf(path, sizeof(path), "%s/packs", fixture->path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sessions", fixture->path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sessions/0", fixture->path);
	write_file(path, "half a config", 13);
	assert_success(tmc_repo_create(fixture->path, 4096));
}

static void what_is_no_repository_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo;
	char path[128];

	assert_int_equal(tmc_repo_open(fixture->path, &repo), -ENOENT);
	assert_non_null(strstr(tmc_error_text(), fixture->path));
	assert_int_equal(tmc_repo_open(fixture->directory, &repo), -EMEDIUMTYPE);
	snprintf(path, sizeof(path), "%s/file", fixture->directory);
	write_file(path, "", 0);
	assert_int_equal(tmc_repo_open(path, &repo), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/config", fixture->directory);
	write_file(path, "[core]\n\tbare = true\n", 20); /* somebody else's */
	assert_int_equal(tmc_repo_open(fixture->directory, &repo), -EMEDIUMTYPE);
}

/* -------------------------------------------------------------- newer versions */

static void change_header(const char *path, void (*change)(struct tmc_object_header_disk *header))
{
	size_t bytes;
	uint8_t *data = read_file(path, &bytes);
	struct tmc_object_header_disk header;

	memcpy(&header, data, sizeof(header));
	change(&header);
	header.crc = put_le32(crc32c(0, &header, offsetof(struct tmc_object_header_disk, crc)));
	memcpy(data, &header, sizeof(header));
	write_file(path, data, bytes);
	free(data);
}

static void make_version_2(struct tmc_object_header_disk *header)
{
	header->version = put_le16(2);
}

static void add_incompat_bit(struct tmc_object_header_disk *header)
{
	header->incompat = put_le64(1ull << 63);
}

static void newer_objects_are_told_from_damaged_ones(void **state)
{
	static void (*const changes[])(struct tmc_object_header_disk *) = {
		make_version_2, add_incompat_bit,
	};
	static const char *const directories[] = { "packs", "index", "points" };
	struct fixture *fixture = *state;
	struct file_list *files = calloc(1, sizeof(*files));
	struct model *model = model_mixed(20 * 4096, 4096);

	for (size_t c = 0; c < 2; c++) {
		struct tmc_repo *repo = make_repo(fixture->path, 4096);
		struct tmc_point point;
		char path[128];

		assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
		tmc_repo_close(repo);
		for (size_t d = 0; d < 3; d++) {
			struct tmc_sink sink = { 0 };
			size_t bytes;
			uint8_t *data;

			list_files(fixture, directories[d], files);
			data = read_file(files->paths[0], &bytes);
			change_header(files->paths[0], changes[c]);
			assert_success(tmc_repo_open(fixture->path, &repo));
			assert_int_equal(tmc_point_extract(repo, &point, 1, &sink),
					 -EPROTONOSUPPORT);
			assert_non_null(strstr(tmc_error_text(), "newer"));
			tmc_repo_close(repo);
			write_file(files->paths[0], data, bytes);
			free(data);
		}
		snprintf(path, sizeof(path), "%s/config", fixture->path);
		change_header(path, changes[c]);
		assert_int_equal(tmc_repo_open(fixture->path, &repo), -EPROTONOSUPPORT);
		assert_non_null(strstr(tmc_error_text(), "newer"));
		remove_tree(fixture->path);
	}
	free(files);
	model_destroy(model);
}

/* ----------------------------------------------------------------------- points */

static void list_is_sorted_by_time(void **state)
{
	static const uint64_t times[] = { 500, 100, 900, 300 };
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(10 * 4096, 4096);
	struct tmc_point point, *points;
	size_t nr;

	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, 0);
	free(points);
	for (size_t i = 0; i < 4; i++)
		assert_success(model_backup(repo, model, NULL, NULL, times[i], &point));
	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, 4);
	for (size_t i = 1; i < nr; i++)
		assert_true(points[i - 1].cut_time_ns < points[i].cut_time_ns);
	free(points);
	model_destroy(model);
	tmc_repo_close(repo);
}

static int backup_as(struct tmc_repo *repo, const struct model *model, const char *volume_id,
		     uint64_t time, struct tmc_point *ret_point)
{
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;
	int ret;

	memset(volume.volume_id, 0, sizeof(volume.volume_id));
	snprintf(volume.volume_id, sizeof(volume.volume_id), "%s", volume_id);
	ret = tmc_backup_begin(repo, &volume, NULL, 1, &backup);
	if (ret < 0)
		return ret;
	put_range(backup, model, 0, model->nr_chunks, NULL);
	return tmc_backup_commit(backup, time, 0, ret_point);
}

static void find_by_name(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(4096, 4096);
	struct tmc_point points[3], found;
	char digits[TMC_ID_TEXT];

	assert_int_equal(tmc_point_find(repo, "latest", NULL, &found), -ENOENT);
	assert_success(backup_as(repo, model, "a", 10, &points[0]));
	assert_success(backup_as(repo, model, "b", 30, &points[1]));
	assert_success(backup_as(repo, model, "a", 20, &points[2]));
	assert_success(tmc_point_find(repo, "latest", NULL, &found));
	assert_memory_equal(&found, &points[1], sizeof(found));
	assert_success(tmc_point_find(repo, "latest", "a", &found));
	assert_memory_equal(&found, &points[2], sizeof(found));
	assert_int_equal(tmc_point_find(repo, "latest", "c", &found), -ENOENT);

	tmc_id_format(&points[0].id, digits);
	assert_success(tmc_point_find(repo, digits, NULL, &found));
	assert_memory_equal(&found, &points[0], sizeof(found));
	assert_int_equal(tmc_point_find(repo, digits, "b", &found), -ENOENT);
	digits[20] = '\0';
	assert_success(tmc_point_find(repo, digits, "a", &found));
	assert_memory_equal(&found, &points[0], sizeof(found));
	digits[3] = '\0';
	assert_int_equal(tmc_point_find(repo, digits, NULL, &found), -EINVAL);
	assert_int_equal(tmc_point_find(repo, "", NULL, &found), -EINVAL);
	assert_int_equal(tmc_point_find(repo, "newest", NULL, &found), -EINVAL);
	assert_int_equal(tmc_point_find(repo, "../../../etc", NULL, &found), -EINVAL);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* As of one cut over two volumes: their drafts grow side by side in one handle. */
static void points_of_a_group_know_it(void **state)
{
	static const char group[] = "0123456789abcdef0123456789abcdef-2";
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *models[2] = { model_mixed(700 * 4096, 4096), model_mixed(300 * 4096 + 5, 4096) };
	struct tmc_backup *backups[2];
	struct tmc_point points[3], found;

	for (int i = 0; i < 2; i++) {
		struct tmc_volume volume = model_volume(models[i]);

		assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backups[i]));
		tmc_backup_set_group(backups[i], group);
	}
	for (uint64_t chunk = 0; chunk < 700; chunk += 100)
		for (int i = 0; i < 2; i++)
			if (chunk < models[i]->nr_chunks)
				assert_success(put_range(backups[i], models[i], chunk,
							 chunk + 100 < models[i]->nr_chunks ?
							 100 : models[i]->nr_chunks - chunk, NULL));
	for (int i = 0; i < 2; i++)
		assert_success(tmc_backup_commit(backups[i], 7, 0, &points[i]));
	assert_success(model_backup(repo, models[0], &points[0], NULL, 8, &points[2]));
	for (int i = 0; i < 3; i++) {
		assert_success(tmc_point_get(repo, &points[i].id, &found));
		assert_string_equal(found.group, i < 2 ? group : "");
		assert_string_equal(points[i].group, found.group);
		assert_point_equals(repo, &found, models[i % 2]);
	}
	for (int i = 0; i < 2; i++)
		model_destroy(models[i]);
	tmc_repo_close(repo);
}

static void an_ambiguous_name_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(4096, 4096);
	struct tmc_point point, found;
	char seen[65536] = { 0 };
	char prefix[5] = "";
	unsigned int nr = 0;

	while (!prefix[0] && nr++ < 2000) { /* by the birthday, some 300 */
		unsigned int key;

		assert_success(backup_as(repo, model, "a", nr, &point));
		key = point.id.bytes[0] * 256u + point.id.bytes[1];
		if (seen[key])
			snprintf(prefix, sizeof(prefix), "%04x", key);
		seen[key] = 1;
	}
	assert_int_not_equal(prefix[0], 0);
	assert_int_equal(tmc_point_find(repo, prefix, NULL, &found), -ENOTUNIQ);
	model_destroy(model);
	tmc_repo_close(repo);
}

static int failing_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	usleep(100000); /* until all that may be under way is */
	return -ENOSPC;
}

/* Of a volume that is larger than what is under way at a time: nobody waits for ever. */
static void a_sinks_error_ends_the_extraction(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_create(80 * 1048576, 65536);
	struct tmc_sink sink = { .data = failing_data };
	struct tmc_point point;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_ALMOST_ZERO);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(tmc_point_extract(repo, &point, 2, &sink), -ENOSPC);
	model_destroy(model);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(create_and_open),
		T(two_repositories_differ),
		T(impossible_chunk_sizes_are_refused),
		T(a_directory_in_use_is_left_alone),
		T(a_creation_that_was_cut_short_can_be_repeated),
		T(what_is_no_repository_is_told),
		T(newer_objects_are_told_from_damaged_ones),
		T(list_is_sorted_by_time),
		T(find_by_name),
		T(points_of_a_group_know_it),
		T(an_ambiguous_name_is_refused),
		T(a_sinks_error_ends_the_extraction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
