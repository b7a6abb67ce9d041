// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads of a point at random, by several threads, against the volume it was made from; and
 * the cache below them, against what it promises.
 */
#include "repo_fixture.h"

#include "common/block_cache.h"

#include <pthread.h>

#define CHUNK 4096u

static struct model *make_model(uint64_t bytes)
{
	struct model *model = model_mixed(bytes, CHUNK);

	for (uint64_t chunk = 3; chunk < model->nr_chunks; chunk += 29) {
		memset(model->data + chunk * CHUNK, 0, model_chunk_size(model, chunk));
		model->unreadable[chunk] = 1;
	}
	return model;
}

static bool has_unreadable(const struct model *model, uint64_t offset, size_t bytes)
{
	for (uint64_t chunk = offset / CHUNK; bytes && chunk <= (offset + bytes - 1) / CHUNK; chunk++)
		if (model->unreadable[chunk])
			return true;
	return false;
}

/* Is a read what it must be? Asserts nothing: it may be another thread. */
static bool read_is_right(struct tmc_image *image, const struct model *model, uint64_t offset,
			  size_t bytes)
{
	uint8_t *buffer = malloc(bytes + 1);
	bool right;
	int ret;

	buffer[bytes] = 0x5a;
	ret = tmc_image_read(image, offset, buffer, bytes);
	if (has_unreadable(model, offset, bytes))
		right = ret == -EIO;
	else
		right = ret == 0 && memcmp(buffer, model->data + offset, bytes) == 0;
	right = right && buffer[bytes] == 0x5a;
	free(buffer);
	return right;
}

struct reader {
	pthread_t thread;
	struct tmc_image *image;
	const struct model *model;
	unsigned int seed;
	unsigned int nr_wrong;
};

static void *read_at_random(void *context)
{
	struct reader *reader = context;
	uint64_t volume_bytes = reader->model->bytes;

	for (int i = 0; i < 400; i++) {
		uint64_t offset = (uint64_t)rand_r(&reader->seed) % (volume_bytes + 1);
		uint64_t left = volume_bytes - offset;
		size_t bytes = (size_t)rand_r(&reader->seed) % (4 * CHUNK);

		if (bytes > left)
			bytes = (size_t)left;
		reader->nr_wrong += !read_is_right(reader->image, reader->model, offset, bytes);
	}
	return NULL;
}

static void read_by_threads(struct tmc_image *image, const struct model *model)
{
	struct reader readers[4];

	for (unsigned int i = 0; i < 4; i++) {
		readers[i] = (struct reader){.image = image, .model = model, .seed = i + 1};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_at_random,
						&readers[i]), 0);
	}
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].nr_wrong, 0);
	}
}

static void reads_give_what_the_volume_had(void **state)
{
	static const uint64_t sizes[] = {1, CHUNK, 700 * CHUNK + 513};
	static const uint64_t caches[] = {0, 8 * CHUNK, 1u << 30};
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct model *model = make_model(sizes[i]);
		struct tmc_point point;

		assert_success(model_backup(repo, model, NULL, NULL, i + 1, &point));
		for (size_t n = 0; n < sizeof(caches) / sizeof(*caches); n++) {
			struct tmc_image *image;

			assert_success(tmc_image_open(repo, &point, caches[n], &image));
			assert_int_equal(tmc_image_bytes(image), model->bytes);
			read_by_threads(image, model);
			tmc_image_close(image);
		}
		model_destroy(model);
	}
	tmc_repo_close(repo);
}

static void beyond_the_end_nothing_is_read(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_mixed(3 * CHUNK + 5, CHUNK);
	struct tmc_image *image;
	struct tmc_point point;
	uint8_t buffer[16];

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_success(tmc_image_open(repo, &point, 0, &image));
	assert_success(tmc_image_read(image, model->bytes, buffer, 0));
	assert_int_equal(tmc_image_read(image, model->bytes, buffer, 1), -EINVAL);
	assert_int_equal(tmc_image_read(image, model->bytes - 1, buffer, 2), -EINVAL);
	assert_int_equal(tmc_image_read(image, UINT64_MAX, buffer, 16), -EINVAL);
	tmc_image_close(image);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* Whatever byte of a pack is another one, no read gives a wrong one. */
static void damage_is_an_error_and_never_data(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_mixed(40 * CHUNK, CHUNK);
	struct file_list *packs = malloc(sizeof(*packs));
	unsigned int nr_refused = 0;
	struct tmc_point point;
	size_t bytes;
	uint8_t *pack;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	list_files(fixture, "packs", packs);
	assert_int_equal(packs->nr, 1);
	pack = read_file(packs->paths[0], &bytes);
	for (size_t at = 100; at < bytes; at += bytes / 60) {
		struct tmc_image *image;

		pack[at] ^= 0x10;
		write_file(packs->paths[0], pack, bytes);
		pack[at] ^= 0x10;
		if (tmc_image_open(repo, &point, 1u << 20, &image) < 0)
			continue;
		for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++) {
			uint8_t buffer[CHUNK];
			int ret = tmc_image_read(image, chunk * CHUNK, buffer, CHUNK);

			if (ret == 0)
				assert_memory_equal(buffer, model->data + chunk * CHUNK, CHUNK);
			nr_refused += ret == -EBADMSG;
		}
		tmc_image_close(image);
	}
	assert_true(nr_refused > 10);
	free(pack);
	free(packs);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* ----------------------------------------------------------------------- cache */

struct filling {
	_Atomic unsigned int nr;
	int result;
};

static int fill_with_number(void *context, uint64_t number, void *data)
{
	struct filling *filling = context;

	filling->nr++;
	memcpy(data, &number, sizeof(number));
	return filling->result;
}

static uint64_t get_and_put(struct block_cache *cache, uint64_t number, struct filling *filling)
{
	const uint8_t *data;
	uint64_t found;

	assert_success(block_cache_get(cache, number, fill_with_number, filling, &data));
	memcpy(&found, data, sizeof(found));
	block_cache_put(cache, number);
	return found;
}

static void the_least_recently_used_block_goes(void **state)
{
	struct block_cache *cache = block_cache_create(3, 64);
	struct filling filling = {0};

	for (uint64_t number = 0; number < 3; number++)
		assert_int_equal(get_and_put(cache, number << 40, &filling), number << 40);
	get_and_put(cache, 0, &filling);
	assert_int_equal(filling.nr, 3);
	get_and_put(cache, 7, &filling); /* for 1 << 40 */
	get_and_put(cache, 0, &filling);
	get_and_put(cache, 2ull << 40, &filling);
	assert_int_equal(filling.nr, 4);
	get_and_put(cache, 1ull << 40, &filling);
	assert_int_equal(filling.nr, 5);
	block_cache_destroy(cache);
}

static void a_failure_is_not_remembered(void **state)
{
	struct block_cache *cache = block_cache_create(1, 64);
	struct filling filling = {.result = -EIO};
	const uint8_t *data;

	for (unsigned int i = 1; i < 3; i++) {
		assert_int_equal(block_cache_get(cache, 5, fill_with_number, &filling, &data), -EIO);
		assert_int_equal(filling.nr, i);
	}
	filling.result = 0;
	assert_int_equal(get_and_put(cache, 5, &filling), 5);
	block_cache_destroy(cache);
}

struct user {
	pthread_t thread;
	struct block_cache *cache;
	struct filling *filling;
	unsigned int seed;
	unsigned int nr_wrong;
};

static void *use_cache(void *context)
{
	struct user *user = context;

	for (int i = 0; i < 5000; i++) {
		uint64_t number = (uint64_t)rand_r(&user->seed) % 5;
		const uint8_t *data;
		uint64_t found;

		if (block_cache_get(user->cache, number, fill_with_number, user->filling, &data) < 0) {
			user->nr_wrong++;
			continue;
		}
		memcpy(&found, data, sizeof(found));
		user->nr_wrong += found != number;
		block_cache_put(user->cache, number);
	}
	return NULL;
}

/* Fewer blocks than threads: they wait for each other, and all come through. */
static void threads_share_few_blocks(void **state)
{
	struct block_cache *cache = block_cache_create(2, 64);
	struct filling filling = {0};
	struct user users[6];

	for (unsigned int i = 0; i < 6; i++) {
		users[i] = (struct user){.cache = cache, .filling = &filling, .seed = i + 1};
		assert_int_equal(pthread_create(&users[i].thread, NULL, use_cache, &users[i]), 0);
	}
	for (unsigned int i = 0; i < 6; i++) {
		pthread_join(users[i].thread, NULL);
		assert_int_equal(users[i].nr_wrong, 0);
	}
	block_cache_destroy(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_give_what_the_volume_had),
		TEST(beyond_the_end_nothing_is_read),
		TEST(damage_is_an_error_and_never_data),
		cmocka_unit_test(the_least_recently_used_block_goes),
		cmocka_unit_test(a_failure_is_not_remembered),
		cmocka_unit_test(threads_share_few_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
