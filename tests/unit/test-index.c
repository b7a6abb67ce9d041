// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The index: found what is in it, not found what is not, wherever the block; and
 * the table of a backup's own blobs, before and after it overflows into runs.
 */
#include "repo_fixture.h"

#include "catalog/blob_set.h"
#include "catalog/id.h"
#include "catalog/index_block.h"
#include "catalog/index_check.h"
#include "catalog/index_writer.h"
#include "catalog/repo.h"
#include "common/io.h"

#include <openssl/sha.h>
#include <sys/resource.h>

static struct tmc_id nth_id(uint64_t nth)
{
	struct tmc_id id;

	SHA256((const uint8_t *)&nth, sizeof(nth), id.bytes);
	return id;
}

static struct tmc_entry nth_entry(uint64_t nth)
{
	return (struct tmc_entry){
		.blob = {
			.id = nth_id(nth),
			.type = nth % 5 ? TMC_BLOB_CHUNK : TMC_BLOB_NODE,
			.codec = TMC_CODEC_RAW,
			.stored_bytes = 48 + 32 * (uint32_t)(nth % 20),
			.raw_bytes = 48 + 32 * (uint32_t)(nth % 20),
		},
		.pack = (uint32_t)(nth % 300),
		.offset = (uint32_t)nth * 7,
	};
}

static int compare_entries(const void *a, const void *b)
{
	return tmc_entry_compare(a, b);
}

/* An index object with 300 packs. */
static void write_entries(struct tmc_repo *repo, struct tmc_entry *entries, uint64_t nr)
{
	struct tmc_index_writer *writer;
	struct tmc_id packs[300];

	for (uint64_t i = 0; i < 300; i++)
		packs[i] = nth_id(1000000 + i);
	qsort(entries, nr, sizeof(*entries), compare_entries);
	assert_success(tmc_index_writer_begin(repo->store, repo->keys, -1, nr, 300, 0, &writer));
	for (uint64_t i = 0; i < nr; i++)
		assert_success(tmc_index_writer_add(writer, &entries[i]));
	assert_success(tmc_index_writer_finish(writer, packs));
	tmc_index_writer_destroy(writer);
}

/* Entries 0 to nr - 1. */
static void write_index(struct tmc_repo *repo, uint64_t nr)
{
	struct tmc_entry *entries = calloc(nr, sizeof(*entries));

	for (uint64_t i = 0; i < nr; i++)
		entries[i] = nth_entry(i);
	write_entries(repo, entries, nr);
	free(entries);
}

static void expect_entry(const struct tmc_entry *found, uint64_t nth)
{
	struct tmc_entry entry = nth_entry(nth);

	assert_int_equal(tmc_entry_compare(found, &entry), 0);
	assert_int_equal(found->pack, entry.pack);
	assert_int_equal(found->offset, entry.offset);
	assert_int_equal(found->blob.codec, entry.blob.codec);
	assert_int_equal(found->blob.stored_bytes, entry.blob.stored_bytes);
	assert_int_equal(found->blob.raw_bytes, entry.blob.raw_bytes);
}

static void search_all(struct tmc_index *index, uint64_t nr)
{
	for (uint64_t i = 0; i < nr + 100; i++) {
		struct tmc_entry entry = nth_entry(i), found;
		struct tmc_id pack, expected = nth_id(1000000 + entry.pack);
		enum tmc_blob_type other = entry.blob.type == TMC_BLOB_NODE ? TMC_BLOB_CHUNK :
									      TMC_BLOB_NODE;

		assert_int_equal(tmc_index_find(index, entry.blob.type, &entry.blob.id, &found, NULL),
				 i < nr);
		assert_int_equal(tmc_index_find(index, other, &entry.blob.id, &found, NULL), 0);
		if (i >= nr)
			continue;
		assert_int_equal(tmc_index_find(index, entry.blob.type, &entry.blob.id, &found, NULL),
				 1);
		expect_entry(&found, i);
		assert_success(tmc_index_pack(index, found.pack, &pack));
		assert_memory_equal(&pack, &expected, sizeof(pack));
	}
	for (int i = 0; i < 2; i++) { /* the ends of the range of ids */
		struct tmc_entry found;

		assert_int_equal(tmc_index_find(index, TMC_BLOB_CHUNK,
						i ? &tmc_id_unreadable : &tmc_id_zero, &found, NULL),
				 0);
	}
}

static void lookups_on_disk_and_in_memory(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 77, 78, 79, 156, 157, 5000, 19968, 19969, 50000 };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct tmc_repo *repo = make_repo(fixture->path, 65536);
		struct tmc_index *index;
		struct tmc_id *ids;
		size_t nr;

		write_index(repo, sizes[i]);
		assert_success(tmc_store_list(repo->store, TMC_STORE_INDEX, &ids, &nr));
		assert_int_equal(nr, 1);
		assert_success(tmc_index_open(repo->store, repo->keys, &ids[0], &index));
		assert_int_equal(tmc_index_nr_entries(index), sizes[i]);
		search_all(index, sizes[i]);
		assert_success(tmc_index_load(index));
		search_all(index, sizes[i]);
		tmc_index_close(index);
		free(ids);
		tmc_repo_close(repo);
		remove_tree(fixture->path);
	}
}

/* ----------------------------------------------------------------------- filters */

static struct tmc_index *open_only_index(struct tmc_repo *repo)
{
	struct tmc_index *index;
	struct tmc_id *ids;
	size_t nr;

	assert_success(tmc_store_list(repo->store, TMC_STORE_INDEX, &ids, &nr));
	assert_int_equal(nr, 1);
	assert_success(tmc_index_open(repo->store, repo->keys, &ids[0], &index));
	free(ids);
	return index;
}

static uint64_t nr_reads;

static ssize_t counting_pread(int fd, void *data, size_t bytes, off_t offset)
{
	nr_reads++;
	return io_ops_system.pread(fd, data, bytes, offset);
}

static uint64_t count_reads(struct tmc_index *index, uint64_t first, uint64_t nr)
{
	struct io_ops counting = io_ops_system;
	struct tmc_entry found;

	nr_reads = 0;
	counting.pread = counting_pread;
	io_ops = &counting;
	for (uint64_t i = first; i < first + nr; i++) {
		struct tmc_entry entry = nth_entry(i);

		tmc_index_find(index, entry.blob.type, &entry.blob.id, &found, NULL);
	}
	io_ops = &io_ops_system;
	return nr_reads;
}

static void one_read_tells_what_is_not_here_and_two_what_is(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_index *index;

	write_index(repo, 50000);
	index = open_only_index(repo);
	assert_in_range(count_reads(index, 50000, 20000), 20000, 20000 + 20000 / 100);
	assert_in_range(count_reads(index, 0, 20000), 40000, 40000 + 40000 / 100);
	tmc_index_close(index);
	tmc_repo_close(repo);
}

static void a_damaged_filter_costs_time_and_nothing_else(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_index *index;
	uint8_t *data;
	size_t bytes;

	write_index(repo, 30000);
	list_files(fixture, "index", list);
	data = read_file(list->paths[0], &bytes);
	for (size_t block = 1 + 385 + 3; block < bytes / 4096; block++)
		data[block * 4096 + 1000] ^= 1;
	write_file(list->paths[0], data, bytes);
	index = open_only_index(repo);
	assert_in_range(count_reads(index, 0, 1000), 2500, 6000);
	search_all(index, 30000);
	tmc_index_close(index);
	free(data);
	free(list);
	tmc_repo_close(repo);
}

/* As written by somebody whose filters are wrong: checksum and name are right. */
static void a_filter_that_lies_is_found_by_a_check(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct file_list *list = malloc(sizeof(*list));
	uint64_t block = 1 + 257 + 3 + 2, checked;
	struct tmc_id id;
	char path[300], digits[TMC_ID_TEXT];
	uint8_t *data;
	size_t bytes;

	write_index(repo, 20000);
	list_files(fixture, "index", list);
	data = read_file(list->paths[0], &bytes);
	assert_int_equal(bytes, (1 + 257 + 3 + 7) * 4096);
	data[block * 4096 + 700] ^= 1;
	assert_success(tmc_index_block_seal(data + block * 4096, block, (void *)data, NULL));
	SHA256(data, bytes, id.bytes);
	tmc_id_format(&id, digits);
	snprintf(path, sizeof(path), "%s/index/%s", fixture->path, digits);
	write_file(path, data, bytes);
	assert_int_equal(tmc_index_check(repo->store, repo->keys, &id, &checked), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "filter block 2 is not of its entries"));
	tmc_id_parse(strrchr(list->paths[0], '/') + 1, &id);
	assert_success(tmc_index_check(repo->store, repo->keys, &id, &checked));
	free(data);
	free(list);
	tmc_repo_close(repo);
}

static ssize_t lying_pread(int fd, void *data, size_t bytes, off_t offset)
{
	ssize_t ret = io_ops_system.pread(fd, data, bytes, offset);

	if (ret == 4096 && offset == 4096)
		((uint8_t *)data)[700] ^= 1;
	return ret;
}

static void a_scratch_file_that_lies_fails_the_index(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct io_ops lying = io_ops_system;
	struct tmc_index_writer *writer;

	assert_success(tmc_index_writer_begin(repo->store, repo->keys, -1, 20000, 0, 0,
					      &writer));
	for (uint64_t i = 0; i < 20000; i++) {
		struct tmc_entry entry = nth_entry(0);

		for (int byte = 0; byte < 4; byte++) /* ascending, spread over the range of ids */
			entry.blob.id.bytes[byte] = (uint8_t)(i * 214748 >> (24 - 8 * byte));
		assert_success(tmc_index_writer_add(writer, &entry));
	}
	lying.pread = lying_pread;
	io_ops = &lying;
	assert_int_equal(tmc_index_writer_finish(writer, NULL), -EBADMSG);
	io_ops = &io_ops_system;
	tmc_index_writer_destroy(writer);
	assert_int_equal(count_files(fixture, "index"), 0);
	tmc_repo_close(repo);
}

/* All but the last six bytes the same: so they come into one filter block, which overflows. */
static struct tmc_entry crowded_entry(uint64_t nth)
{
	struct tmc_entry entry = nth_entry(nth);

	memset(entry.blob.id.bytes, 0x77, 26);
	return entry;
}

static void ids_that_crowd_into_one_filter_are_found(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_entry *entries = calloc(20000, sizeof(*entries)), found;
	struct tmc_index *index;

	for (uint64_t i = 0; i < 20000; i++)
		entries[i] = i % 4 ? crowded_entry(i) : nth_entry(i);
	write_entries(repo, entries, 20000);
	index = open_only_index(repo);
	for (uint64_t i = 0; i < 20000; i++) {
		struct tmc_entry entry = i % 4 ? crowded_entry(i) : nth_entry(i);
		struct tmc_entry other = crowded_entry(20000 + i);

		assert_int_equal(tmc_index_find(index, entry.blob.type, &entry.blob.id, &found, NULL),
				 1);
		assert_int_equal(found.offset, entry.offset);
		assert_int_equal(tmc_index_find(index, other.blob.type, &other.blob.id, &found, NULL),
				 0);
	}
	tmc_index_close(index);
	free(entries);
	tmc_repo_close(repo);
}

static void there_may_be_more_indexes_than_open_files(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct rlimit before, few = { .rlim_cur = 50 };
	struct tmc_location location;
	size_t nr = 0;

	for (uint64_t i = 0; i < 100; i++) {
		struct tmc_entry entry = nth_entry(i);

		write_entries(repo, &entry, 1);
	}
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_success(tmc_index_set_refresh(repo->indexes));
	while (tmc_index_set_get(repo->indexes, nr))
		nr++;
	assert_int_equal(nr, 100);
	for (uint64_t i = 0; i < 100; i++) {
		struct tmc_entry entry = nth_entry(i);

		if (entry.blob.type == TMC_BLOB_CHUNK)
			assert_success(tmc_index_set_find(repo->indexes, TMC_BLOB_CHUNK,
							  &entry.blob.id, &location));
	}
	setrlimit(RLIMIT_NOFILE, &before);
	tmc_repo_close(repo);
}

/* ---------------------------------------------------------------------- blob set */

static void claim_and_locate(struct tmc_blob_set *set, uint64_t nth, int expected)
{
	struct tmc_entry entry = nth_entry(nth);

	assert_int_equal(tmc_blob_set_claim(set, entry.blob.type, &entry.blob.id), expected);
	assert_int_equal(tmc_blob_set_claim(set, entry.blob.type, &entry.blob.id), 0);
	if (expected)
		tmc_blob_set_locate(set, &entry, 1);
}

static void a_blob_is_claimed_once_however_many_runs(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_blob_set *set = tmc_blob_set_create(repo->store, repo->keys, repo->indexes, 256);
	struct tmc_index *index;
	struct tmc_id packs[300];
	uint64_t nr = 20000; /* 104 runs of 192, merged by eights twice */

	assert_non_null(set);
	for (uint64_t i = 0; i < nr; i++) {
		claim_and_locate(set, i, 1);
		if (i % 3 == 0)
			claim_and_locate(set, i / 2, 0);
	}
	for (uint64_t i = 0; i < 300; i++)
		packs[i] = nth_id(1000000 + i);
	assert_int_equal(count_drafts(fixture), 0); /* scratch files have no names */
	assert_success(tmc_blob_set_commit(set, packs, 300));
	tmc_blob_set_destroy(set);
	assert_success(tmc_index_set_refresh(repo->indexes));
	index = tmc_index_set_get(repo->indexes, 0);
	assert_int_equal(tmc_index_nr_entries(index), nr);
	assert_null(tmc_index_set_get(repo->indexes, 1));
	search_all(index, nr);
	tmc_repo_close(repo);
}

static void a_set_without_blobs_writes_no_index(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_blob_set *set = tmc_blob_set_create(repo->store, repo->keys, repo->indexes, 256);

	assert_success(tmc_blob_set_commit(set, NULL, 0));
	tmc_blob_set_destroy(set);
	assert_int_equal(count_files(fixture, "index"), 0);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(lookups_on_disk_and_in_memory),
		T(one_read_tells_what_is_not_here_and_two_what_is),
		T(a_damaged_filter_costs_time_and_nothing_else),
		T(a_scratch_file_that_lies_fails_the_index),
		T(a_filter_that_lies_is_found_by_a_check),
		T(ids_that_crowd_into_one_filter_are_found),
		T(there_may_be_more_indexes_than_open_files),
		T(a_blob_is_claimed_once_however_many_runs),
		T(a_set_without_blobs_writes_no_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
