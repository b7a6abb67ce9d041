// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A config that is missing or damaged is made anew from the points, or not at all.
 */
#include "faults.h"
#include "repo_fixture.h"

#include "catalog/config.h"
#include "catalog/format.h"
#include "catalog/repo.h"
#include "catalog/session.h"
#include "common/crc32c.h"

#undef tmc_repo_create
#undef tmc_repo_open

#define CHUNK 8192u

static struct {
	struct fixture *fixture;
	struct model *model;
	struct tmc_point point;
	struct tmc_repo_info info;
	char path[200]; /* of config */
	uint8_t *config;
	size_t bytes;
} scene;

static void make_repository(uint32_t nr_chunks, const char *passphrase)
{
	const struct tmc_repo_options options = {
		.chunk_bytes = CHUNK, .passphrase = passphrase,
		.compression = { TMC_COMPRESSION_ZSTD, 3 },
	};
	struct tmc_repo *repo;

	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	scene.model = model_mixed(nr_chunks * (uint64_t)CHUNK - 77, CHUNK);
	assert_success(tmc_repo_create_with(scene.fixture->path, &options));
	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	if (passphrase)
		assert_success(tmc_repo_unlock(repo, passphrase));
	tmc_repo_get_info(repo, &scene.info);
	assert_success(model_backup(repo, scene.model, NULL, NULL, 1, &scene.point));
	tmc_repo_close(repo);
	snprintf(scene.path, sizeof(scene.path), "%s/config", scene.fixture->path);
	scene.config = read_file(scene.path, &scene.bytes);
}

static int setup(void **state)
{
	memset(&scene, 0, sizeof(scene));
	return fixture_setup((void **)&scene.fixture);
}

static int teardown(void **state)
{
	model_destroy(scene.model);
	free(scene.config);
	return fixture_teardown((void **)&scene.fixture);
}

static void assert_usable(void)
{
	struct tmc_repo_info info;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	tmc_repo_get_info(repo, &info);
	assert_memory_equal(&info.id, &scene.info.id, sizeof(info.id));
	assert_int_equal(info.chunk_bytes, CHUNK);
	assert_true(repo->heeds_sessions);
	assert_point_equals(repo, &scene.point, scene.model);
	assert_verified(repo, 1);
	tmc_repo_close(repo);
}

static void a_missing_config_is_made_anew(void **state)
{
	struct tmc_repo *repo;

	make_repository(100, NULL);
	assert_int_equal(tmc_repair_config(scene.fixture->path, true), 0);
	assert_int_equal(unlink(scene.path), 0);
	assert_int_equal(tmc_repo_open(scene.fixture->path, &repo), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "tidemark repair"));
	assert_int_equal(tmc_repair_config(scene.fixture->path, false), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "repair --apply"));
	assert_int_equal(access(scene.path, F_OK), -1);
	assert_int_equal(tmc_repair_config(scene.fixture->path, true), 1);
	assert_usable();
	assert_int_equal(tmc_repair_config(scene.fixture->path, true), 0);
	assert_int_equal(count_files(scene.fixture, "aside"), 0);
}

/* Each byte of it, and each length. */
static void any_damage_to_config_is_repaired(void **state)
{
	char aside[200];

	make_repository(10, NULL);
	snprintf(aside, sizeof(aside), "%s/aside/config", scene.fixture->path);
	for (size_t at = 0; at < scene.bytes; at++) {
		for (int cut = 0; cut < 2; cut++) {
			size_t bytes = cut ? at : scene.bytes, aside_bytes;
			uint8_t *data;

			scene.config[at] ^= cut ? 0 : 0x10;
			write_file(scene.path, scene.config, bytes);
			assert_int_equal(tmc_repair_config(scene.fixture->path, true), 1);
			data = read_file(aside, &aside_bytes);
			assert_int_equal(aside_bytes, bytes);
			assert_memory_equal(data, scene.config, bytes);
			free(data);
			scene.config[at] ^= cut ? 0 : 0x10;
			assert_int_equal(unlink(aside), 0);
			assert_int_equal(tmc_repair_config(scene.fixture->path, true), 0);
		}
	}
	assert_usable();
}

static void a_config_that_can_be_read_stays(void **state)
{
	uint8_t *data;

	make_repository(10, NULL);
	assert_int_equal(tmc_repair_config(scene.fixture->path, true), 0);
	data = read_file(scene.path, &scene.bytes);
	assert_memory_equal(data, scene.config, scene.bytes);
	free(data);
}

static void a_repair_that_is_killed_anywhere_is_finished_by_the_next(void **state)
{
	bool fired = true;
	char aside[200];
	unsigned int at;

	make_repository(10, NULL);
	for (at = 1; fired; at++) {
		scene.config[20] ^= 1;
		write_file(scene.path, scene.config, scene.bytes);
		scene.config[20] ^= 1;
		faults_arm(FAULT_KILL, at);
		tmc_repair_config(scene.fixture->path, true);
		fired = faults_fired();
		faults_disarm();
		if (tmc_repair_config(scene.fixture->path, true) < 0)
			fail_msg("call %u: %s", at, tmc_error_text());
		assert_usable();
		assert_int_equal(count_files(scene.fixture, "aside"), 1);
		snprintf(aside, sizeof(aside), "%s/aside", scene.fixture->path);
		remove_tree(aside);
	}
	assert_true(at > 6);
}

static void expect_refused(const char *why)
{
	struct tmc_repo *repo;

	unlink(scene.path);
	for (int apply = 0; apply < 2; apply++) {
		assert_int_equal(tmc_repair_config(scene.fixture->path, apply), -EBADMSG);
		if (!strstr(tmc_error_text(), why))
			fail_msg("%s", tmc_error_text());
	}
	assert_int_equal(access(scene.path, F_OK), -1);
	assert_int_equal(tmc_repo_open(scene.fixture->path, &repo), -EBADMSG);
}

static void that_of_an_encrypted_repository_is_not(void **state)
{
	char command[300];

	make_repository(10, "passphrase");
	expect_refused("is encrypted");
	snprintf(command, sizeof(command), "rm -r %s/keys", scene.fixture->path);
	assert_int_equal(system(command), 0);
	expect_refused("is encrypted");
}

static void without_a_point_that_can_be_read_it_is_not(void **state)
{
	struct file_list files;

	make_repository(10, NULL);
	list_files(scene.fixture, "points", &files);
	assert_int_equal(files.nr, 1);
	write_file(files.paths[0], scene.config, scene.bytes);
	expect_refused("no restore point");
}

/* Nobody knows which of them is the stranger. */
static void with_points_of_two_repositories_it_is_not(void **state)
{
	struct file_list files;
	struct fixture other;
	struct tmc_point point;
	struct tmc_repo *repo;
	char command[700];

	make_repository(10, NULL);
	snprintf(other.path, sizeof(other.path), "%.60s/other", scene.fixture->directory);
	assert_success(tmc_repo_create(other.path, CHUNK));
	assert_success(tmc_repo_open(other.path, &repo));
	assert_success(model_backup(repo, scene.model, NULL, NULL, 1, &point));
	tmc_repo_close(repo);
	list_files(&other, "points", &files);
	snprintf(command, sizeof(command), "cp %s %s/points/", files.paths[0], scene.fixture->path);
	assert_int_equal(system(command), 0);
	expect_refused("several repositories");
}

/* Trees of another fan-out, as a reader has to take them, and as nobody writes them. */
static void where_trees_are_of_another_kind_it_is_not(void **state)
{
	struct tmc_hash *hash = tmc_hash_create(NULL);
	struct tmc_config_disk config;
	struct tmc_point point;
	struct tmc_repo *repo;
	struct file_list files;

	make_repository(100, NULL);
	list_files(scene.fixture, "points", &files);
	assert_int_equal(unlink(files.paths[0]), 0);
	memcpy(&config, scene.config, sizeof(config));
	config.fan_out = put_le32(64);
	assert_success(tmc_hash_once(hash, &config, offsetof(struct tmc_config_disk, check),
				     &config.check));
	tmc_hash_destroy(hash);
	write_file(scene.path, &config, sizeof(config));
	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	assert_success(model_backup(repo, scene.model, NULL, NULL, 1, &point));
	tmc_repo_close(repo);
	expect_refused("tells what was in it");
}

static void an_empty_directory_is_no_repository(void **state)
{
	assert_int_equal(mkdir(scene.fixture->path, 0700), 0);
	scene.model = model_create(0, CHUNK);
	assert_int_equal(tmc_repair_config(scene.fixture->path, true), -EMEDIUMTYPE);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_missing_config_is_made_anew),
		T(any_damage_to_config_is_repaired),
		T(a_config_that_can_be_read_stays),
		T(a_repair_that_is_killed_anywhere_is_finished_by_the_next),
		T(that_of_an_encrypted_repository_is_not),
		T(without_a_point_that_can_be_read_it_is_not),
		T(with_points_of_two_repositories_it_is_not),
		T(where_trees_are_of_another_kind_it_is_not),
		T(an_empty_directory_is_no_repository),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
