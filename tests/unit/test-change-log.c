// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Changes come back in ascending order, from memory and through runs on disk.
 */
#include "repo_fixture.h"

#include "catalog/change_log.h"
#include "catalog/chunk_set.h"
#include "catalog/repo.h"

static void sort_and_check(struct tmc_repo *repo, uint64_t nr, uint32_t nr_buffer)
{
	struct tmc_change_log *log = tmc_change_log_create(repo->store, nr_buffer);
	struct tmc_change change;

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t chunk = i * 7919 % nr; /* a prime: each once */

		change = (struct tmc_change){ .first = 3 * chunk, .nr = 1 + chunk % 3 };
		memcpy(change.id.bytes, &chunk, sizeof(chunk));
		assert_success(tmc_change_log_add(log, &change, 1));
	}
	assert_success(tmc_change_log_rewind(log));
	for (uint64_t i = 0; i < nr; i++) {
		assert_int_equal(tmc_change_log_next(log, &change), 1);
		assert_int_equal(change.first, 3 * i);
		assert_int_equal(change.nr, 1 + i % 3);
		assert_memory_equal(change.id.bytes, &i, sizeof(i));
	}
	assert_int_equal(tmc_change_log_next(log, &change), 0);
	assert_int_equal(tmc_change_log_next(log, &change), 0);
	tmc_change_log_destroy(log);
}

static void any_number_of_runs(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129, 1000, 5000 };
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		sort_and_check(repo, numbers[i], 64);
		sort_and_check(repo, numbers[i], 100);
		sort_and_check(repo, numbers[i], 65536);
	}
	assert_int_equal(count_drafts(fixture), 0);
	tmc_repo_close(repo);
}

/* The scratch file has no name any more; this process has it open. */
static void flip_a_byte_of_the_scratch_file(void)
{
	unsigned int nr_flipped = 0;

	for (int fd = 3; fd < 100; fd++) {
		char link[64], path[512] = "";
		uint8_t byte;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, path, sizeof(path) - 1) < 0 || !strstr(path, " (deleted)"))
			continue;
		assert_int_equal(pread(fd, &byte, 1, 5000), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
		nr_flipped++;
	}
	assert_int_equal(nr_flipped, 1);
}

static void a_store_that_changes_the_scratch_file_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_change_log *log = tmc_change_log_create(repo->store, 100);
	struct tmc_change change = { .nr = 1 };
	int ret;

	for (change.first = 0; change.first < 1000; change.first++)
		assert_success(tmc_change_log_add(log, &change, 1));
	flip_a_byte_of_the_scratch_file();
	ret = tmc_change_log_rewind(log);
	while (ret >= 0 && (ret = tmc_change_log_next(log, &change)) > 0)
		;
	assert_int_equal(ret, -EIO);
	assert_non_null(strstr(tmc_error_text(), "not what was written"));
	tmc_change_log_destroy(log);
	tmc_repo_close(repo);
}

static void a_chunk_is_in_a_set_once(void **state)
{
	struct tmc_chunk_set *set = tmc_chunk_set_create();
	uint64_t chosen[2] = { 0x5555555555555555u, 0x5555555555555555u };
	uint64_t chunk;

	assert_int_equal(tmc_chunk_set_first_missing(set), 0);
	assert_int_equal(tmc_chunk_set_add(set, 32700, 128, chosen, &chunk), 0); /* over a page */
	assert_int_equal(tmc_chunk_set_nr(set), 64);
	assert_int_equal(tmc_chunk_set_add(set, 32700, 128, NULL, &chunk), -EINVAL);
	assert_int_equal(chunk, 32700);
	assert_int_equal(tmc_chunk_set_nr(set), 64); /* all or nothing */
	assert_int_equal(tmc_chunk_set_add(set, 32701, 128, chosen, &chunk), 0);
	assert_int_equal(tmc_chunk_set_nr(set), 128);
	assert_int_equal(tmc_chunk_set_add(set, 0, 32700, NULL, &chunk), 0);
	assert_int_equal(tmc_chunk_set_first_missing(set), 32828);
	assert_int_equal(tmc_chunk_set_add(set, 32828, 100000 - 32828, NULL, &chunk), 0);
	assert_int_equal(tmc_chunk_set_nr(set), 100000);
	assert_int_equal(tmc_chunk_set_first_missing(set), 100000);
	assert_int_equal(tmc_chunk_set_add(set, 99999, 1, NULL, &chunk), -EINVAL);
	assert_int_equal(chunk, 99999);
	tmc_chunk_set_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_number_of_runs, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_store_that_changes_the_scratch_file_is_noticed,
						fixture_setup, fixture_teardown),
		cmocka_unit_test(a_chunk_is_in_a_set_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
