// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Blobs: encoding proves itself, decoding believes nothing.
 */
#include "repo_fixture.h"

#include "catalog/blob.h"
#include "catalog/codec.h"

static const struct tmc_limits limits = { .chunk_bytes = 65536, .fan_out = 32 };

/* ------------------------------------------------------------------ compressors */

static uint32_t flipping_compress(const void *raw, uint32_t raw_bytes, void *ret_stored,
				  uint32_t capacity)
{
	uint32_t bytes = tmc_codec_lz4.compress(raw, raw_bytes, ret_stored, capacity);

	if (bytes > 40)
		((uint8_t *)ret_stored)[bytes - 7] ^= 0x20; /* among the last literals */
	return bytes;
}

static uint32_t shortening_compress(const void *raw, uint32_t raw_bytes, void *ret_stored,
				    uint32_t capacity)
{
	return tmc_codec_lz4.compress(raw, raw_bytes - 1, ret_stored, capacity);
}

static uint32_t lying_compress(const void *raw, uint32_t raw_bytes, void *ret_stored,
			       uint32_t capacity)
{
	return tmc_codec_lz4.compress(raw, raw_bytes, ret_stored, capacity) ? capacity + 1 : 0;
}

static void a_corrupting_compressor_is_refused(void **state)
{
	static uint32_t (*const compressors[])(const void *, uint32_t, void *, uint32_t) = {
		flipping_compress, shortening_compress, lying_compress,
	};
	struct fixture *fixture = *state;
	struct model *model = model_create(64 * 65536, 65536);
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_point point, *points;
	size_t nr;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_TEXT);
	for (size_t i = 0; i < 3; i++) {
		struct tmc_codec codec = { compressors[i], tmc_codec_lz4.decompress };
		int ret;

		tmc_codec = &codec;
		ret = model_backup(repo, model, NULL, NULL, 1, &point);
		tmc_codec = &tmc_codec_lz4;
		assert_int_equal(ret, -EIO);
		assert_non_null(strstr(tmc_error_text(), "does not decode"));
	}
	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, 0);
	free(points);
	assert_int_equal(count_files(fixture, "packs"), 0);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_true(point.stored_bytes < model->bytes / 4);
	assert_point_equals(repo, &point, model);
	assert_verified(repo, 1);
	tmc_repo_close(repo);
	model_destroy(model);
}

/* ------------------------------------------------------------------------ bounds */

static bool is_valid(uint8_t type, uint8_t codec, uint32_t stored_bytes, uint32_t raw_bytes)
{
	struct tmc_blob blob = {
		.type = type, .codec = codec, .stored_bytes = stored_bytes, .raw_bytes = raw_bytes,
	};

	return tmc_blob_is_valid(&blob, &limits);
}

static void lengths_are_bounded(void **state)
{
	assert_true(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_RAW, 65536, 65536));
	assert_true(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_RAW, 1, 1));
	assert_true(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_LZ4, 1, 65536));
	assert_true(is_valid(TMC_BLOB_NODE, TMC_CODEC_RAW, 1040, 1040));
	assert_true(is_valid(TMC_BLOB_NODE, TMC_CODEC_LZ4, 40, 48));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_LZ4, 1000, 65537)); /* a bomb */
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_LZ4, 1000, UINT32_MAX));
	assert_false(is_valid(TMC_BLOB_NODE, TMC_CODEC_LZ4, 100, 1072));
	assert_false(is_valid(TMC_BLOB_NODE, TMC_CODEC_LZ4, 100, 1039));
	assert_false(is_valid(TMC_BLOB_NODE, TMC_CODEC_RAW, 16, 16));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_RAW, 0, 0));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_LZ4, 0, 65536));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_LZ4, 65536, 65536));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_LZ4, UINT32_MAX, 65536));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_RAW, 65535, 65536));
	assert_false(is_valid(TMC_BLOB_CHUNK, 2, 100, 65536));
	assert_false(is_valid(0, TMC_CODEC_RAW, 100, 100));
	assert_false(is_valid(3, TMC_CODEC_RAW, 100, 100));
}

/* A payload that expands to more than its header says writes no byte too many. */
static void a_payload_that_expands_further_is_refused(void **state)
{
	uint8_t *raw = calloc(1, 65536), *disk = malloc(65536 + 48), *out;
	struct tmc_blob blob = { .type = TMC_BLOB_CHUNK, .raw_bytes = 65536 };
	struct tmc_blob_header_disk header;
	struct tmc_blob_coder *coder = tmc_blob_coder_create(&limits, NULL);

	assert_success(tmc_blob_encode(coder, &blob, raw, disk));
	assert_int_equal(blob.codec, TMC_CODEC_LZ4);
	blob.raw_bytes = 5000;
	memcpy(&header, disk, sizeof(header));
	header.info = tmc_blob_info_put(&blob);
	memcpy(disk, &header, sizeof(header));
	out = malloc(5000); /* ASan watches its end */
	assert_int_equal(tmc_blob_decode(coder, &blob, disk, "it", 0, out), -EBADMSG);
	tmc_blob_coder_destroy(coder);
	free(raw);
	free(disk);
	free(out);
}

static void a_node_is_no_chunk(void **state)
{
	uint8_t raw[1040] = "NODE", disk[1040 + 48], out[1040];
	struct tmc_blob blob = { .type = TMC_BLOB_CHUNK, .raw_bytes = sizeof(raw) };
	struct tmc_blob_coder *coder = tmc_blob_coder_create(&limits, NULL);

	assert_success(tmc_hash_once(tmc_blob_coder_hash(coder), raw, sizeof(raw), &blob.id));
	assert_success(tmc_blob_encode(coder, &blob, raw, disk));
	assert_success(tmc_blob_decode(coder, &blob, disk, "it", 0, out));
	assert_memory_equal(raw, out, sizeof(raw));
	blob.type = TMC_BLOB_NODE;
	assert_int_equal(tmc_blob_decode(coder, &blob, disk, "it", 0, out), -EBADMSG);
	tmc_blob_coder_destroy(coder);
}

static void lz4_has_to_pay(void **state)
{
	struct model *model = model_create(65536, 65536);
	uint8_t *disk = malloc(65536 + 48);
	struct tmc_blob_coder *coder = tmc_blob_coder_create(&limits, NULL);
	struct tmc_blob blob = { .type = TMC_BLOB_CHUNK, .raw_bytes = 65536 };

	model_fill(model, 0, CONTENT_RANDOM);
	memset(model->data, 0, 1000); /* LZ4 would save 1.5 % */
	assert_success(tmc_blob_encode(coder, &blob, model->data, disk));
	assert_int_equal(blob.codec, TMC_CODEC_RAW);
	assert_int_equal(blob.stored_bytes, 65536);
	memset(model->data, 0, 10000);
	assert_success(tmc_blob_encode(coder, &blob, model->data, disk));
	assert_int_equal(blob.codec, TMC_CODEC_LZ4);
	for (uint32_t bytes = 1; bytes < 64; bytes++) { /* no capacity is too small */
		blob = (struct tmc_blob){ .type = TMC_BLOB_CHUNK, .raw_bytes = bytes };
		assert_success(tmc_blob_encode(coder, &blob, model->data, disk));
		assert_true(tmc_blob_is_valid(&blob, &limits));
	}
	model_destroy(model);
	tmc_blob_coder_destroy(coder);
	free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_corrupting_compressor_is_refused, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(a_payload_that_expands_further_is_refused),
		cmocka_unit_test(a_node_is_no_chunk),
		cmocka_unit_test(lz4_has_to_pay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
