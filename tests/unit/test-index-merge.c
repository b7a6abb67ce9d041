// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One index of several: it knows what they knew, each blob once, and names the
 * packs that it needs and no others.
 */
#include "repo_fixture.h"

#include "catalog/index_merge.h"
#include "catalog/index_writer.h"
#include "catalog/repo.h"

#include <openssl/sha.h>

#define NR_PACKS 10

static struct tmc_id nth_id(uint64_t nth)
{
	struct tmc_id id;

	SHA256((const uint8_t *)&nth, sizeof(nth), id.bytes);
	return id;
}

/* Source s has a place of its own for each blob: its offset says which. */
static struct tmc_entry nth_entry(uint64_t nth, uint32_t source)
{
	return (struct tmc_entry){
		.blob = {
			.id = nth_id(nth),
			.type = TMC_BLOB_CHUNK,
			.codec = TMC_CODEC_RAW,
			.stored_bytes = 4096,
			.raw_bytes = 4096,
		},
		.pack = (uint32_t)(nth % NR_PACKS),
		.offset = (uint32_t)nth * 8 + source,
	};
}

static struct tmc_id nth_pack(uint32_t source, uint32_t pack)
{
	return nth_id(1000000 + source * 1000 + pack);
}

static int compare_entries(const void *a, const void *b)
{
	return tmc_entry_compare(a, b);
}

/* Source s has the blobs that s + 1 divides: source 0 all. */
static uint64_t write_source(struct tmc_repo *repo, uint32_t source, uint64_t nr)
{
	struct tmc_entry *entries = calloc(nr, sizeof(*entries));
	struct tmc_index_writer *writer;
	struct tmc_id packs[NR_PACKS];
	uint64_t nr_entries = 0;

	for (uint64_t i = 0; i < nr; i += source + 1)
		entries[nr_entries++] = nth_entry(i, source);
	for (uint32_t i = 0; i < NR_PACKS; i++)
		packs[i] = nth_pack(source, i);
	qsort(entries, nr_entries, sizeof(*entries), compare_entries);
	assert_success(tmc_index_writer_begin(repo->store, repo->keys, -1, nr_entries, NR_PACKS,
					      0, &writer));
	for (uint64_t i = 0; i < nr_entries; i++)
		assert_success(tmc_index_writer_add(writer, &entries[i]));
	assert_success(tmc_index_writer_finish(writer, packs));
	tmc_index_writer_destroy(writer);
	free(entries);
	return nr_entries;
}

struct sources {
	struct tmc_repo *repo;
	struct tmc_index *indexes[4]; /* by source; the last one is the merged one */
	size_t nr;
};

/* The index object that no one has opened yet. */
static struct tmc_index *open_new(struct sources *sources)
{
	struct tmc_index *index = NULL;
	struct tmc_id *ids;
	size_t nr;

	assert_success(tmc_store_list(sources->repo->store, TMC_STORE_INDEX, &ids, &nr));
	assert_int_equal(nr, sources->nr + 1);
	for (size_t i = 0; i < nr; i++) {
		bool known = false;

		for (size_t n = 0; n < sources->nr; n++)
			known |= tmc_id_equal(&ids[i], tmc_index_id(sources->indexes[n]));
		if (!known)
			assert_success(tmc_index_open(sources->repo->store, sources->repo->keys,
						      &ids[i], &index));
	}
	free(ids);
	sources->indexes[sources->nr++] = index;
	return index;
}

static void make_sources(struct fixture *fixture, uint64_t nr, struct sources *sources)
{
	*sources = (struct sources){ .repo = make_repo(fixture->path, 4096) };
	for (uint32_t i = 0; i < 3; i++) {
		write_source(sources->repo, i, nr);
		open_new(sources);
	}
}

static void close_sources(struct sources *sources)
{
	for (size_t i = 0; i < sources->nr; i++)
		tmc_index_close(sources->indexes[i]);
	tmc_repo_close(sources->repo);
}

static struct tmc_index_merge merge_of(const struct sources *sources)
{
	return (struct tmc_index_merge){
		.store = sources->repo->store,
		.keys = sources->repo->keys,
		.indexes = sources->indexes,
		.nr_indexes = 3,
	};
}

static void expect_place(struct tmc_index *index, uint64_t nth, uint32_t source)
{
	struct tmc_entry entry = nth_entry(nth, source), found;
	struct tmc_id pack, expected = nth_pack(source, entry.pack);

	assert_int_equal(tmc_index_find(index, TMC_BLOB_CHUNK, &entry.blob.id, &found, NULL), 1);
	assert_int_equal(found.offset, entry.offset);
	assert_int_equal(found.blob.stored_bytes, entry.blob.stored_bytes);
	assert_success(tmc_index_pack(index, found.pack, &pack));
	assert_memory_equal(&pack, &expected, sizeof(pack));
}

static void the_merged_index_knows_each_blob_once(void **state)
{
	static const uint64_t sizes[] = { 1, 100, 30000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct fixture *fixture = *state;
		struct tmc_index_merge merge;
		struct sources sources;
		struct tmc_index *index;
		uint64_t nr;

		make_sources(fixture, sizes[i], &sources);
		merge = merge_of(&sources);
		assert_success(tmc_index_merge(&merge, &nr));
		assert_int_equal(nr, sizes[i]);
		index = open_new(&sources);
		assert_int_equal(tmc_index_nr_entries(index), sizes[i]);
		for (uint64_t nth = 0; nth < sizes[i]; nth++)
			expect_place(index, nth, 0);
		close_sources(&sources);
		remove_tree(fixture->path);
	}
}

/* The last place there is; no blob that 5 divides; the packs of source 2 have moved. */
static int choose(void *context, const struct tmc_merge_place *places, size_t nr,
		  struct tmc_merge_place *ret_place)
{
	const struct tmc_merge_place *last = &places[nr - 1];
	uint32_t source = last->entry.offset % 8, nth = last->entry.offset / 8;

	if (places[0].entry.offset % 8 || ret_place->entry.offset != places[0].entry.offset)
		return -EINVAL; /* not as the header says */
	*ret_place = *last;
	if (source == 2) {
		ret_place->pack = nth_id(77);
		ret_place->entry.offset = nth;
	}
	return nth % 5 != 0;
}

static void places_are_chosen_dropped_and_moved(void **state)
{
	struct tmc_id moved = nth_id(77), pack;
	struct tmc_index_merge merge;
	struct tmc_entry found;
	struct sources sources;
	struct tmc_index *index;
	uint64_t nr;

	make_sources(*state, 3000, &sources);
	merge = merge_of(&sources);
	merge.choose = choose;
	assert_success(tmc_index_merge(&merge, &nr));
	assert_int_equal(nr, 2400);
	index = open_new(&sources);
	/* Of source 0 packs 1, 3, 7, 9: odd, not of 5; of source 1 2, 4, 6, 8; and the new one. */
	assert_int_equal(tmc_index_nr_packs(index), 9);
	for (uint64_t nth = 0; nth < 3000; nth++) {
		struct tmc_id id = nth_id(nth);

		assert_int_equal(tmc_index_find(index, TMC_BLOB_CHUNK, &id, &found, NULL),
				 nth % 5 != 0);
		if (nth % 5 == 0)
			continue;
		if (nth % 3) {
			expect_place(index, nth, nth % 2 ? 0 : 1);
			continue;
		}
		assert_int_equal(found.offset, nth);
		assert_success(tmc_index_pack(index, found.pack, &pack));
		assert_memory_equal(&pack, &moved, sizeof(pack));
	}
	close_sources(&sources);
}

static int choose_nothing(void *context, const struct tmc_merge_place *places, size_t nr,
			  struct tmc_merge_place *ret_place)
{
	return 0;
}

static void an_index_of_nothing_is_not_written(void **state)
{
	struct tmc_index_merge merge;
	struct sources sources;
	uint64_t nr;

	make_sources(*state, 100, &sources);
	merge = merge_of(&sources);
	merge.choose = choose_nothing;
	assert_success(tmc_index_merge(&merge, &nr));
	assert_int_equal(nr, 0);
	assert_int_equal(count_files(*state, "index"), 3);
	close_sources(&sources);
}

static void a_damaged_index_is_not_merged(void **state)
{
	struct fixture *fixture = *state;
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_index_merge merge;
	struct sources sources;
	uint8_t *data;
	size_t bytes;
	uint64_t nr;

	make_sources(fixture, 1000, &sources);
	list_files(fixture, "index", list);
	data = read_file(list->paths[1], &bytes);
	data[4096 + 2000] ^= 1;
	write_file(list->paths[1], data, bytes);
	merge = merge_of(&sources);
	assert_int_equal(tmc_index_merge(&merge, &nr), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "is damaged at byte 4096"));
	assert_int_equal(count_files(fixture, "index"), 3);
	free(data);
	free(list);
	close_sources(&sources);
}

#define NR_POINTS 6

static void every_point_is_restored_from_the_merged_index_alone(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *models[NR_POINTS];
	struct tmc_point points[NR_POINTS];
	struct tmc_index *indexes[NR_POINTS];
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_index_merge merge = {
		.store = repo->store, .keys = repo->keys, .indexes = indexes,
	};
	uint64_t nr;

	for (size_t i = 0; i < NR_POINTS; i++) {
		models[i] = model_mixed(1 << 20, 4096);
		models[i]->seed += i;
		for (uint64_t chunk = 0; chunk < 30 * i; chunk++)
			model_fill(models[i], chunk, CONTENT_RANDOM);
		assert_success(model_backup(repo, models[i], NULL, NULL, i + 1, &points[i]));
	}
	list_files(fixture, "index", list);
	assert_success(tmc_index_set_refresh(repo->indexes));
	while (tmc_index_set_get(repo->indexes, merge.nr_indexes)) {
		indexes[merge.nr_indexes] = tmc_index_set_get(repo->indexes, merge.nr_indexes);
		merge.nr_indexes++;
	}
	assert_int_equal(merge.nr_indexes, NR_POINTS);
	assert_success(tmc_index_merge(&merge, &nr));
	for (size_t i = 0; i < list->nr; i++)
		assert_int_equal(unlink(list->paths[i]), 0);
	tmc_repo_close(repo);
	assert_success(tmc_repo_open(fixture->path, &repo));
	for (size_t i = 0; i < NR_POINTS; i++) {
		assert_point_equals(repo, &points[i], models[i]);
		model_destroy(models[i]);
	}
	assert_verified(repo, NR_POINTS);
	free(list);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(the_merged_index_knows_each_blob_once),
		T(places_are_chosen_dropped_and_moved),
		T(an_index_of_nothing_is_not_written),
		T(a_damaged_index_is_not_merged),
		T(every_point_is_restored_from_the_merged_index_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
