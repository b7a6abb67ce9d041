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

static uint32_t flipping_compress(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
				  void *ret_stored, uint32_t capacity,
				  enum tmc_codec_kind *ret_kind)
{
	uint32_t bytes = tmc_codec_ops_real.compress(codec, raw, raw_bytes, ret_stored, capacity,
						     ret_kind);

	if (bytes > 40)
		((uint8_t *)ret_stored)[bytes - 7] ^= 0x20; /* among the last literals */
	return bytes;
}

static uint32_t shortening_compress(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
				    void *ret_stored, uint32_t capacity,
				    enum tmc_codec_kind *ret_kind)
{
	return tmc_codec_ops_real.compress(codec, raw, raw_bytes - 1, ret_stored, capacity, ret_kind);
}

static uint32_t lying_compress(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
			       void *ret_stored, uint32_t capacity, enum tmc_codec_kind *ret_kind)
{
	return tmc_codec_ops_real.compress(codec, raw, raw_bytes, ret_stored, capacity, ret_kind) ?
		       capacity + 1 : 0;
}

static const struct tmc_compression compressions[] = {
	{ TMC_COMPRESSION_LZ4, 0 },   { TMC_COMPRESSION_LZ4HC, 0 }, { TMC_COMPRESSION_LZ4HC, 12 },
	{ TMC_COMPRESSION_ZSTD, 0 },  { TMC_COMPRESSION_ZSTD, 1 },  { TMC_COMPRESSION_ZSTD, 19 },
};
#define NR_COMPRESSIONS (sizeof(compressions) / sizeof(*compressions))

static struct model *model_of_texts(void)
{
	struct model *model = model_create(64 * 65536, 65536);

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_TEXT);
	return model;
}

static void a_corrupting_compressor_is_refused(void **state)
{
	static const struct tmc_codec_ops faulty[] = {
		{ .compress = flipping_compress },
		{ .compress = shortening_compress },
		{ .compress = lying_compress },
	};
	struct fixture *fixture = *state;
	struct model *model = model_of_texts();
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct tmc_point point, *points;
	size_t nr;

	for (size_t i = 0; i < 3 * NR_COMPRESSIONS; i++) {
		struct tmc_codec_ops ops = faulty[i / NR_COMPRESSIONS];
		int ret;

		ops.decompress = tmc_codec_ops_real.decompress;
		assert_success(tmc_repo_set_compression(repo, &compressions[i % NR_COMPRESSIONS]));
		tmc_codec_ops = &ops;
		ret = model_backup(repo, model, NULL, NULL, 1, &point);
		tmc_codec_ops = &tmc_codec_ops_real;
		assert_int_equal(ret, -EIO);
		assert_non_null(strstr(tmc_error_text(), "does not decode"));
	}
	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, 0);
	free(points);
	assert_int_equal(count_files(fixture, "packs"), 0);
	assert_success(tmc_repo_set_compression(repo, &compressions[0]));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_true(point.stored_bytes < model->bytes / 4);
	assert_point_equals(repo, &point, model);
	assert_verified(repo, 1);
	tmc_repo_close(repo);
	model_destroy(model);
}

/* ------------------------------------------------------------------- compressions */

static void each_compression_comes_back(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < NR_COMPRESSIONS; i++) {
		struct model *model = model_mixed(100 * 65536 + 77, 65536);
		struct tmc_repo_options options = {
			.chunk_bytes = 65536, .compression = compressions[i],
		};
		struct tmc_repo_info info;
		struct tmc_repo *repo;
		struct tmc_point point;

		assert_success(tmc_repo_create_with(fixture->path, &options));
		assert_success(tmc_repo_open(fixture->path, &repo));
		tmc_repo_get_info(repo, &info);
		assert_int_equal(info.compression.method, compressions[i].method);
		assert_int_equal(info.compression.level, compressions[i].level);
		assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
		assert_point_equals(repo, &point, model);
		assert_verified(repo, 1);
		tmc_repo_close(repo);
		remove_tree(fixture->path);
		model_destroy(model);
	}
}

/* All in one repository; nothing that is stored is stored again in another way. */
static void compressions_mix(void **state)
{
	static const struct tmc_compression none = { TMC_COMPRESSION_NONE, 0 };
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_of_texts();
	struct tmc_point point;

	assert_success(tmc_repo_set_compression(repo, &none));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_true(point.stored_bytes > model->bytes);
	for (size_t i = 0; i < NR_COMPRESSIONS; i++) {
		for (uint64_t chunk = 8 * i; chunk < 8 * i + 8; chunk++)
			model_fill(model, chunk, CONTENT_TEXT);
		assert_success(tmc_repo_set_compression(repo, &compressions[i]));
		assert_success(model_backup(repo, model, NULL, NULL, i + 2, &point));
		assert_in_range(point.stored_bytes, 1, 4 * 65536);
		assert_point_equals(repo, &point, model);
	}
	assert_verified(repo, NR_COMPRESSIONS + 1);
	tmc_repo_close(repo);
	model_destroy(model);
}

static void levels_that_do_not_exist_are_refused(void **state)
{
	static const struct tmc_compression wrong[] = {
		{ TMC_COMPRESSION_LZ4, 1 },	{ TMC_COMPRESSION_NONE, 1 },
		{ TMC_COMPRESSION_LZ4HC, 13 },	{ TMC_COMPRESSION_LZ4HC, -1 },
		{ TMC_COMPRESSION_ZSTD, 20 },	{ TMC_COMPRESSION_ZSTD, -5 },
		{ (enum tmc_compression_method)4, 0 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct tmc_repo_options options = { .chunk_bytes = 65536, .compression = wrong[i] };

		assert_int_equal(tmc_repo_create_with(fixture->path, &options), -EINVAL);
	}
	assert_int_equal(access(fixture->path, F_OK), -1);
}

/* The incompat bits of all objects of a kind, ORed and ANDed. */
struct bits {
	uint64_t any, all;
};

static struct bits incompat_bits(struct fixture *fixture, const char *kind)
{
	struct bits bits = { 0, UINT64_MAX };
	struct file_list list;

	list_files(fixture, kind, &list);
	for (size_t i = 0; i < list.nr; i++) {
		struct tmc_object_header_disk header;
		int fd = open(list.paths[i], O_RDONLY);

		assert_int_equal(read(fd, &header, sizeof(header)), sizeof(header));
		close(fd);
		bits.any |= get_le64(header.incompat);
		bits.all &= get_le64(header.incompat);
	}
	return bits;
}

static void only_objects_with_zstd_say_so(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_of_texts();
	struct tmc_compression zstd = { TMC_COMPRESSION_ZSTD, 0 };
	struct tmc_point point;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(incompat_bits(fixture, "packs").any, 0);
	assert_int_equal(incompat_bits(fixture, "index").any, 0);
	remove_tree(fixture->path);
	tmc_repo_close(repo);
	repo = make_repo(fixture->path, 65536);
	assert_success(tmc_repo_set_compression(repo, &zstd));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(incompat_bits(fixture, "packs").all, TMC_INCOMPAT_ZSTD);
	assert_int_equal(incompat_bits(fixture, "index").all, TMC_INCOMPAT_ZSTD);
	assert_int_equal(incompat_bits(fixture, "points").any, 0);
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
	assert_true(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_ZSTD, 100, 65536));
	assert_false(is_valid(TMC_BLOB_CHUNK, TMC_CODEC_ZSTD, 65536, 65536));
	assert_false(is_valid(TMC_BLOB_CHUNK, 3, 100, 65536));
	assert_false(is_valid(0, TMC_CODEC_RAW, 100, 100));
	assert_false(is_valid(3, TMC_CODEC_RAW, 100, 100));
}

/* A payload that expands to more than its header says writes no byte too many. */
static void assert_bomb_is_refused(enum tmc_compression_method method, uint8_t codec)
{
	struct tmc_compression compression = { .method = method };
	uint8_t *raw = calloc(1, 65536), *disk = malloc(65536 + 48), *out;
	struct tmc_blob blob = { .type = TMC_BLOB_CHUNK, .raw_bytes = 65536 };
	struct tmc_blob_header_disk header;
	struct tmc_blob_coder *coder = tmc_blob_coder_create(&limits, NULL);

	tmc_blob_coder_set_compression(coder, &compression);
	assert_success(tmc_blob_encode(coder, &blob, raw, disk));
	assert_int_equal(blob.codec, codec);
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

static void a_payload_that_expands_further_is_refused(void **state)
{
	assert_bomb_is_refused(TMC_COMPRESSION_LZ4, TMC_CODEC_LZ4);
	assert_bomb_is_refused(TMC_COMPRESSION_ZSTD, TMC_CODEC_ZSTD);
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
		cmocka_unit_test_setup_teardown(each_compression_comes_back, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(compressions_mix, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(levels_that_do_not_exist_are_refused, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(only_objects_with_zstd_say_so, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(a_payload_that_expands_further_is_refused),
		cmocka_unit_test(a_node_is_no_chunk),
		cmocka_unit_test(lz4_has_to_pay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
