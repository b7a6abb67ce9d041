// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Parts of a point: what is extracted, mapped and compared of them, against the volume that
 * the point was made from.
 */
#include "repo_fixture.h"

#include "common/bit_run.h"

#define CHUNK 4096u
#define WORDS 64u /* more chunks than any volume here has */

struct seen {
	const struct model *model;
	_Atomic uint8_t *times;   /* by chunk */
	uint8_t *content;         /* by chunk, enum tmc_content */
	atomic_bool wrong;
};

static int note(struct seen *seen, enum tmc_content content, uint64_t offset, uint64_t bytes)
{
	if (offset % CHUNK || !bytes || offset + bytes > seen->model->bytes)
		seen->wrong = true;
	for (uint64_t chunk = offset / CHUNK; !seen->wrong && chunk * CHUNK < offset + bytes;
	     chunk++) {
		seen->times[chunk]++;
		seen->content[chunk] = (uint8_t)content;
	}
	return 0;
}

static int on_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct seen *seen = context;

	if (memcmp(seen->model->data + offset, data, bytes))
		seen->wrong = true;
	return note(seen, TMC_CONTENT_DATA, offset, bytes);
}

static int on_zero(void *context, uint64_t offset, uint64_t bytes)
{
	return note(context, TMC_CONTENT_ZERO, offset, bytes);
}

static int on_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	return note(context, TMC_CONTENT_UNREADABLE, offset, bytes);
}

static int on_range(void *context, enum tmc_content content, uint64_t offset, uint64_t bytes)
{
	return note(context, content, offset, bytes);
}

static const struct tmc_sink sink_of_tests = {
	.data = on_data, .zero = on_zero, .unreadable = on_unreadable,
};

static enum tmc_content content_of(const struct model *model, uint64_t chunk)
{
	uint32_t bytes = model_chunk_size(model, chunk);

	if (model->unreadable[chunk])
		return TMC_CONTENT_UNREADABLE;
	for (uint32_t i = 0; i < bytes; i++)
		if (model->data[chunk * CHUNK + i])
			return TMC_CONTENT_DATA;
	return TMC_CONTENT_ZERO;
}

static bool is_in_part(const struct tmc_part *part, uint64_t chunk)
{
	return chunk >= part->first_chunk && chunk - part->first_chunk < part->nr_chunks &&
	       !(part->left_out && bit_is_set(part->left_out, chunk));
}

static void assert_seen(const struct seen *seen, const struct tmc_part *part)
{
	assert_false(seen->wrong);
	for (uint64_t chunk = 0; chunk < seen->model->nr_chunks; chunk++) {
		bool wanted = is_in_part(part, chunk);

		if (seen->times[chunk] != wanted)
			fail_msg("chunk %u came %u times", (unsigned int)chunk, seen->times[chunk]);
		if (wanted)
			assert_int_equal(seen->content[chunk], content_of(seen->model, chunk));
	}
}

static void assert_part(struct tmc_repo *repo, const struct tmc_point *point,
			const struct model *model, const struct tmc_part *part)
{
	struct tmc_sink sink = sink_of_tests;

	for (int way = 0; way < 2; way++) {
		struct seen seen = {
			.model = model,
			.times = calloc(model->nr_chunks + 1, 1),
			.content = calloc(model->nr_chunks + 1, 1),
		};

		sink.context = &seen;
		if (way)
			assert_success(tmc_point_map(repo, point, part, on_range, &seen));
		else
			assert_success(tmc_point_extract_part(repo, point, part, 2, &sink));
		assert_seen(&seen, part);
		free((void *)seen.times);
		free(seen.content);
	}
}

static struct model *make_model(uint64_t bytes)
{
	struct model *model = model_mixed(bytes, CHUNK);

	for (uint64_t i = 0; i < model->nr_chunks / 8; i++) {
		uint64_t chunk = model_random(model) % model->nr_chunks;

		memset(model->data + chunk * CHUNK, 0, CHUNK);
		model->unreadable[chunk] = 1;
	}
	if (model->nr_chunks > 200) /* whole branches of zeros */
		for (uint64_t chunk = 40; chunk < 120; chunk++)
			model_fill(model, chunk, CONTENT_ZERO);
	return model;
}

static void random_bits(struct model *model, uint64_t *bits, unsigned int one_in)
{
	memset(bits, 0, WORDS * sizeof(*bits));
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		if (model_random(model) % one_in == 0)
			bit_set(bits, chunk, chunk + 1);
}

static void each_part_is_what_its_chunks_are(void **state)
{
	static const uint64_t sizes[] = {1, CHUNK, 33 * CHUNK + 1, 1025 * CHUNK - 7};
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct model *model = make_model(sizes[i]);
		uint64_t bits[WORDS];
		struct tmc_point point;

		assert_success(model_backup(repo, model, NULL, NULL, i + 1, &point));
		for (unsigned int round = 0; round < 24; round++) {
			struct tmc_part part = {
				.first_chunk = model_random(model) % (model->nr_chunks + 1),
				.nr_chunks = model_random(model) % (model->nr_chunks + 2),
				.left_out = round % 3 ? bits : NULL,
			};

			random_bits(model, bits, 1 + round / 2);
			if (round % 4 == 0)
				part = (struct tmc_part){.nr_chunks = UINT64_MAX,
							 .left_out = part.left_out};
			assert_part(repo, &point, model, &part);
		}
		model_destroy(model);
	}
	tmc_repo_close(repo);
}

static void a_comparison_tells_each_chunk(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = make_model(300 * CHUNK + 5);
	uint8_t *data = malloc(model->nr_chunks * CHUNK);
	uint64_t changed[WORDS], same[WORDS];
	struct tmc_compare *compare;
	struct tmc_point point;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	memcpy(data, model->data, model->bytes);
	random_bits(model, changed, 5);
	bit_set(changed, 0, 1);
	bit_set(changed, 300, 301);
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++) {
		uint64_t at = model_random(model) % model_chunk_size(model, chunk);

		data[chunk * CHUNK + at] ^= bit_is_set(changed, chunk);
	}
	assert_success(tmc_compare_begin(repo, &point, &compare));
	assert_success(tmc_compare_chunks(compare, 0, (uint32_t)model->nr_chunks, data, same));
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		assert_int_equal(bit_is_set(same, chunk), !bit_is_set(changed, chunk));
	assert_success(tmc_compare_chunks(compare, 300, 1, data + 300 * CHUNK, same));
	assert_int_equal(same[0], 0);
	assert_int_equal(tmc_compare_chunks(compare, 300, 2, data, same), -EINVAL);
	assert_int_equal(tmc_compare_chunks(compare, UINT64_MAX, 1, data, same), -EINVAL);
	tmc_compare_end(compare);
	free(data);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void a_part_may_be_empty(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_create(1024 * CHUNK, CHUNK);
	struct tmc_part nothing = {.first_chunk = 7, .nr_chunks = 0};
	struct tmc_part beyond = {.first_chunk = 5000, .nr_chunks = UINT64_MAX};
	struct tmc_point point;

	model_fill(model, 7, CONTENT_RANDOM);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_part(repo, &point, model, &nothing);
	assert_part(repo, &point, model, &beyond);
	model_destroy(model);
	tmc_repo_close(repo);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_part_is_what_its_chunks_are),
		TEST(a_comparison_tells_each_chunk),
		TEST(a_part_may_be_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
