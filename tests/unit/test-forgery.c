// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A store that has read docs/format.md and can write what it likes, but has no
 * key: nothing that it makes up, swaps, brings from elsewhere or strips of its
 * encryption is taken for the repository's own. Names, checksums and headers are
 * put right each time, so that only the key stands against it.
 */
#include "repo_fixture.h"

#include "catalog/blob.h"
#include "catalog/codec.h"
#include "catalog/id.h"
#include "catalog/index.h"
#include "catalog/index_block.h"
#include "catalog/object.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "common/crc32c.h"

#undef tmc_repo_create
#undef tmc_repo_open

#define CHUNK 4096

struct scene {
	struct fixture *fixture;
	struct tmc_repo *repo;  /* unlocked */
	struct tmc_repo *other; /* of another id, with the same master key */
	struct tmc_repo *plain;
	struct model *model;
	struct tmc_point point, other_point, plain_point;
};

static struct tmc_repo *make(struct scene *scene, const char *name, const char *passphrase)
{
	struct tmc_repo_options options = { .chunk_bytes = CHUNK, .passphrase = passphrase };
	struct tmc_repo *repo;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", scene->fixture->directory, name);
	assert_success(tmc_repo_create_with(path, &options));
	assert_success(tmc_repo_open(path, &repo));
	return repo;
}

/* A slot that gives the other repository the first one's master key. */
static void share_master(struct scene *scene)
{
	struct tmc_slot_secret secret = { .config_digest = scene->other->config_digest };
	struct tmc_id ignored;

	memcpy(secret.master, tmc_keys_master(scene->repo->keys), sizeof(secret.master));
	assert_success(tmc_key_slot_store(scene->other->store, scene->other->keys, "shared", "",
					  &secret, &ignored));
	assert_success(tmc_repo_unlock(scene->other, "shared"));
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	fixture_setup((void **)&scene->fixture);
	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	scene->repo = make(scene, "repo", "passphrase");
	scene->other = make(scene, "other", "passphrase");
	scene->plain = make(scene, "plain", NULL);
	assert_success(tmc_repo_unlock(scene->repo, "passphrase"));
	share_master(scene);
	scene->model = model_create(100 * CHUNK, CHUNK);
	for (uint64_t chunk = 0; chunk < 100; chunk++)
		model_fill(scene->model, chunk, chunk % 2 ? CONTENT_RANDOM : CONTENT_TEXT);
	assert_success(model_backup(scene->repo, scene->model, NULL, NULL, 1, &scene->point));
	assert_success(model_backup(scene->other, scene->model, NULL, NULL, 1, &scene->other_point));
	assert_success(model_backup(scene->plain, scene->model, NULL, NULL, 1, &scene->plain_point));
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	tmc_repo_close(scene->repo);
	tmc_repo_close(scene->other);
	tmc_repo_close(scene->plain);
	model_destroy(scene->model);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* ---------------------------------------------------------------------- objects */

static uint8_t *read_object(struct tmc_repo *repo, enum tmc_store_kind kind,
			    const struct tmc_id *id, size_t *ret_bytes)
{
	char path[TMC_STORE_TEXT];

	return read_file(tmc_store_describe(repo->store, kind, id, path), ret_bytes);
}

/* As somebody without the key names it: there is no other hash that he could take. */
static struct tmc_id put_object(struct tmc_repo *repo, enum tmc_store_kind kind, const void *data,
				size_t bytes)
{
	struct tmc_hash *hash = tmc_hash_create(NULL);
	char path[TMC_STORE_TEXT];
	struct tmc_id id;

	assert_success(tmc_hash_once(hash, data, bytes, &id));
	tmc_hash_destroy(hash);
	write_file(tmc_store_describe(repo->store, kind, &id, path), data, bytes);
	return id;
}

static void change_header(uint8_t *data, const struct tmc_repo *repo, uint64_t incompat,
			  const char *type)
{
	struct tmc_object_header_disk header;

	memcpy(&header, data, sizeof(header));
	header.repo_id = repo->info.id;
	header.incompat = put_le64(incompat);
	if (type)
		memcpy(header.type, type, sizeof(header.type));
	header.crc = put_le32(crc32c(0, &header, offsetof(struct tmc_object_header_disk, crc)));
	memcpy(data, &header, sizeof(header));
}

/* The name too is the enemy's choice here: only the tag is left to find out. */
static int open_under_right_name(struct tmc_repo *repo, uint8_t *data, size_t bytes)
{
	struct tmc_hash *hash = tmc_hash_create(repo->keys);
	char path[TMC_STORE_TEXT];
	struct tmc_point point;
	struct tmc_id id;
	int ret;

	assert_success(tmc_hash_once(hash, data, bytes, &id));
	tmc_hash_destroy(hash);
	tmc_store_describe(repo->store, TMC_STORE_POINT, &id, path);
	write_file(path, data, bytes);
	ret = tmc_point_load(repo, &id, &point, NULL);
	unlink(path);
	return ret;
}

static void a_plain_point_is_not_listed(void **state)
{
	struct scene *scene = *state;
	struct tmc_point *points, point;
	struct tmc_id id;
	size_t bytes, nr;
	uint8_t *data = read_object(scene->plain, TMC_STORE_POINT, &scene->plain_point.id, &bytes);

	change_header(data, scene->repo, 0, NULL);
	id = put_object(scene->repo, TMC_STORE_POINT, data, bytes);
	assert_int_equal(tmc_point_list(scene->repo, &points, &nr), -EBADMSG);
	assert_int_equal(nr, 1);
	assert_memory_equal(&points[0].id, &scene->point.id, sizeof(id));
	free(points);
	assert_int_equal(tmc_point_load(scene->repo, &id, &point, NULL), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "not encrypted"));
	assert_int_equal(open_under_right_name(scene->repo, data, bytes), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "not encrypted"));
	change_header(data, scene->repo, TMC_INCOMPAT_ENCRYPTED, NULL);
	id = put_object(scene->repo, TMC_STORE_POINT, data, bytes);
	assert_int_equal(tmc_point_load(scene->repo, &id, &point, NULL), -EBADMSG);
	assert_int_equal(open_under_right_name(scene->repo, data, bytes), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "not what was encrypted"));
	free(data);
}

/* Its header with another unique, type, time or repository: each is bound to the body. */
static void a_point_is_bound_to_its_header(void **state)
{
	static const size_t places[] = { 24, 32, 72, 87, 88, 95 };
	struct scene *scene = *state;
	size_t bytes;
	uint8_t *data = read_object(scene->repo, TMC_STORE_POINT, &scene->point.id, &bytes);

	assert_success(open_under_right_name(scene->repo, data, bytes));
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		data[places[i]] ^= 1;
		change_header(data, scene->repo, TMC_INCOMPAT_ENCRYPTED, NULL);
		assert_int_equal(open_under_right_name(scene->repo, data, bytes), -EBADMSG);
		data[places[i]] ^= 1;
	}
	free(data);
}

/* The master key is the same: the keys are not, and the repository is bound besides. */
static void a_point_of_another_repository_is_refused(void **state)
{
	struct scene *scene = *state;
	size_t bytes;
	uint8_t *data = read_object(scene->other, TMC_STORE_POINT, &scene->other_point.id, &bytes);

	assert_int_equal(open_under_right_name(scene->repo, data, bytes), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "another repository"));
	change_header(data, scene->repo, TMC_INCOMPAT_ENCRYPTED, NULL);
	assert_int_equal(open_under_right_name(scene->repo, data, bytes), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "not what was encrypted"));
	free(data);
}

/* A small object of another type under a point's name, and the other way round. */
static void a_type_is_not_taken_for_another(void **state)
{
	static const struct tmc_object_kind kind = {
		.store_kind = TMC_STORE_POINT, .type = TMC_OBJECT_INDEX,
		.bytes_min = 128, .bytes_max = 65536,
	};
	struct scene *scene = *state;
	char path[TMC_STORE_TEXT];
	uint8_t image[512] = { 0 }, *data;
	struct tmc_point point;
	struct tmc_id id;
	size_t bytes;

	assert_success(tmc_object_store(scene->repo->store, scene->repo->keys, &kind, image,
					sizeof(image), &id));
	assert_int_equal(tmc_point_load(scene->repo, &id, &point, NULL), -EBADMSG);
	data = read_object(scene->repo, TMC_STORE_POINT, &id, &bytes);
	unlink(tmc_store_describe(scene->repo->store, TMC_STORE_POINT, &id, path));
	change_header(data, scene->repo, TMC_INCOMPAT_ENCRYPTED, "POIN");
	assert_int_equal(open_under_right_name(scene->repo, data, bytes), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "not what was encrypted"));
	free(data);
}

/* ------------------------------------------------------------------------ blobs */

static struct tmc_blob_coder *coder_of(struct tmc_repo *repo)
{
	struct tmc_blob_coder *coder = tmc_blob_coder_create(&repo->limits, repo->keys);

	assert_non_null(coder);
	return coder;
}

static void encode(struct tmc_repo *repo, const void *raw, uint8_t type, uint32_t bytes,
		   struct tmc_blob *ret_blob, uint8_t *ret_disk)
{
	struct tmc_blob_coder *coder = coder_of(repo);

	*ret_blob = (struct tmc_blob){ .type = type, .raw_bytes = bytes };
	assert_success(tmc_hash_once(tmc_blob_coder_hash(coder), raw, bytes, &ret_blob->id));
	assert_success(tmc_blob_encode(coder, ret_blob, raw, ret_disk));
	assert_true(tmc_blob_is_valid(ret_blob, &repo->limits));
	tmc_blob_coder_destroy(coder);
}

static void refuse_blob(struct tmc_repo *repo, const struct tmc_blob *blob, uint8_t *disk)
{
	struct tmc_blob_coder *coder = coder_of(repo);
	struct tmc_blob_header_disk header = { .info = tmc_blob_info_put(blob), .id = blob->id };
	uint8_t raw[CHUNK];

	memcpy(header.magic, TMC_BLOB_MAGIC, sizeof(header.magic));
	memcpy(disk, &header, sizeof(header));
	assert_int_equal(tmc_blob_decode(coder, blob, disk, "it", 0, raw), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "not what was encrypted"));
	tmc_blob_coder_destroy(coder);
}

/* Every field of the header is bound to the payload, so is the repository. */
static void a_payload_is_bound_to_its_header(void **state)
{
	struct scene *scene = *state;
	uint8_t raw[1040] = "NODE", disk[2][CHUNK + 48 + 40], copy[CHUNK + 48 + 40];
	struct tmc_blob blobs[2], blob;

	for (size_t i = 0; i < 2; i++) {
		for (size_t n = 16; n < sizeof(raw); n++)
			raw[n] = (uint8_t)rand();
		encode(scene->repo, raw, TMC_BLOB_NODE, sizeof(raw), &blobs[i], disk[i]);
		assert_int_equal(blobs[i].codec, TMC_CODEC_RAW);
	}
	memcpy(copy, disk[0], sizeof(copy));
	refuse_blob(scene->repo, &blobs[1], copy); /* another id */
	memcpy(copy, disk[0], sizeof(copy));
	blob = blobs[0];
	blob.type = TMC_BLOB_CHUNK;
	refuse_blob(scene->repo, &blob, copy);
	memcpy(copy, disk[0], sizeof(copy));
	blob = blobs[0];
	blob.codec = TMC_CODEC_LZ4;
	blob.raw_bytes++;
	refuse_blob(scene->repo, &blob, copy);
	memcpy(copy, disk[0], sizeof(copy));
	refuse_blob(scene->other, &blobs[0], copy);
}

/* What is in no way authentic never reaches a decompressor. */
static unsigned int nr_decompressed;

static int counting_decompress(struct tmc_codec *codec, enum tmc_codec_kind kind,
			       const void *stored, uint32_t stored_bytes, void *ret_raw,
			       uint32_t raw_bytes)
{
	nr_decompressed++;
	return tmc_codec_ops_real.decompress(codec, kind, stored, stored_bytes, ret_raw,
						  raw_bytes);
}

static void nothing_forged_is_decompressed(void **state)
{
	struct tmc_codec_ops ops = tmc_codec_ops_real;
	struct scene *scene = *state;
	uint8_t raw[CHUNK] = "text", disk[CHUNK + 48 + 40];
	struct tmc_blob blob;

	encode(scene->repo, raw, TMC_BLOB_CHUNK, sizeof(raw), &blob, disk);
	assert_int_equal(blob.codec, TMC_CODEC_LZ4);
	ops.decompress = counting_decompress;
	tmc_codec_ops = &ops;
	for (size_t at = 48; at < 48 + blob.stored_bytes; at++) {
		disk[at] ^= 0x10;
		refuse_blob(scene->repo, &blob, disk);
		disk[at] ^= 0x10;
	}
	tmc_codec_ops = &tmc_codec_ops_real;
	assert_int_equal(nr_decompressed, 0);
}

/* The content of a plain repository, under the header of one that is encrypted. */
static void a_plain_pack_gives_nothing(void **state)
{
	struct scene *scene = *state;
	struct tmc_id *ids;
	char path[TMC_STORE_TEXT];
	size_t nr, bytes;
	uint8_t *data;

	assert_success(tmc_store_list(scene->plain->store, TMC_STORE_PACK, &ids, &nr));
	data = read_object(scene->plain, TMC_STORE_PACK, &ids[0], &bytes);
	free(ids);
	change_header(data, scene->repo, 0, NULL);
	assert_success(tmc_store_list(scene->repo->store, TMC_STORE_PACK, &ids, &nr));
	assert_int_equal(nr, 1);
	write_file(tmc_store_describe(scene->repo->store, TMC_STORE_PACK, &ids[0], path), data, bytes);
	free(ids);
	free(data);
	assert_int_equal(extract_point(scene->repo, &scene->point, scene->model),
			 EXTRACTION_REFUSED);
}

/* ---------------------------------------------------------------------- indexes */

static struct tmc_id only_index(struct tmc_repo *repo)
{
	struct tmc_id *ids, id;
	size_t nr;

	assert_success(tmc_store_list(repo->store, TMC_STORE_INDEX, &ids, &nr));
	assert_int_equal(nr, 1);
	id = ids[0];
	free(ids);
	return id;
}

/* Checksums put right, as anybody can. */
static void fix_blocks(uint8_t *data, size_t bytes)
{
	for (uint64_t n = 0; n < bytes / 4096; n++) {
		le64_t number = put_le64(n);
		le32_t crc;
		uint32_t sum = crc32c(0, data + 72, 16);

		sum = crc32c(sum, &number, sizeof(number));
		crc = put_le32(crc32c(sum, data + n * 4096, 4092));
		memcpy(data + n * 4096 + 4092, &crc, sizeof(crc));
	}
}

/* Opens it and looks up everything that the point needs. */
static bool index_is_refused(struct tmc_repo *repo, uint8_t *data, size_t bytes)
{
	struct tmc_id name = { .bytes = { 0x77 } };
	struct tmc_index_cursor cursor = { 0 };
	struct tmc_entry entry;
	char path[TMC_STORE_TEXT];
	int ret;

	fix_blocks(data, bytes);
	write_file(tmc_store_describe(repo->store, TMC_STORE_INDEX, &name, path), data, bytes);
	ret = tmc_index_open(repo->store, repo->keys, &name, &cursor.index);
	if (!ret) {
		while ((ret = tmc_index_next(&cursor, &entry)) > 0)
			;
		for (uint32_t i = 0; !ret && i < tmc_index_nr_packs(cursor.index); i++)
			ret = tmc_index_pack(cursor.index, i, &name);
		tmc_index_close(cursor.index);
	}
	unlink(path);
	if (ret < 0 && ret != -EBADMSG)
		fail_msg("%d: %s", ret, tmc_error_text());
	return ret < 0;
}

static void an_index_is_bound_block_by_block(void **state)
{
	struct scene *scene = *state;
	struct tmc_id id = only_index(scene->repo), other_id = only_index(scene->other);
	uint8_t *data, *other, *plain, block[4096];
	size_t bytes, other_bytes;

	data = read_object(scene->repo, TMC_STORE_INDEX, &id, &bytes);
	other = read_object(scene->other, TMC_STORE_INDEX, &other_id, &other_bytes);
	assert_true(bytes >= 4 * 4096);
	assert_false(index_is_refused(scene->repo, data, bytes));
	memcpy(block, data + 4096, 4096); /* two blocks swapped */
	memcpy(data + 4096, data + 2 * 4096, 4096);
	memcpy(data + 2 * 4096, block, 4096);
	assert_true(index_is_refused(scene->repo, data, bytes));
	memcpy(data + 2 * 4096, data + 4096, 4096);
	memcpy(data + 4096, block, 4096);
	assert_false(index_is_refused(scene->repo, data, bytes));
	data[128] ^= 1; /* the counts of block 0 */
	assert_true(index_is_refused(scene->repo, data, bytes));
	data[128] ^= 1;
	data[500] ^= 1; /* an entry */
	data[4096 + 500] ^= 1;
	assert_true(index_is_refused(scene->repo, data, bytes));
	change_header(other, scene->repo, TMC_INCOMPAT_ENCRYPTED, NULL);
	assert_true(index_is_refused(scene->repo, other, other_bytes));
	other_id = only_index(scene->plain);
	plain = read_object(scene->plain, TMC_STORE_INDEX, &other_id, &other_bytes);
	change_header(plain, scene->repo, 0, NULL);
	assert_true(index_is_refused(scene->repo, plain, other_bytes));
	change_header(plain, scene->repo, TMC_INCOMPAT_ENCRYPTED, NULL);
	assert_true(index_is_refused(scene->repo, plain, other_bytes));
	free(data);
	free(other);
	free(plain);
}

/* An index that has been replaced, put back: it may be of no use, but never misleads. */
static void a_replayed_index_is_harmless(void **state)
{
	struct scene *scene = *state;
	struct tmc_id id = only_index(scene->repo), *packs;
	char path[TMC_STORE_TEXT];
	size_t nr;

	assert_success(tmc_store_list(scene->repo->store, TMC_STORE_PACK, &packs, &nr));
	model_fill(scene->model, 3, CONTENT_RANDOM);
	unlink(tmc_store_describe(scene->repo->store, TMC_STORE_PACK, &packs[0], path));
	free(packs);
	assert_success(model_backup(scene->repo, scene->model, NULL, NULL, 1, &scene->point));
	assert_int_equal(access(tmc_store_describe(scene->repo->store, TMC_STORE_INDEX, &id, path),
				F_OK), 0);
	assert_int_equal(extract_point(scene->repo, &scene->point, scene->model), EXTRACTION_EXACT);
}

/* ----------------------------------------------------------------------- config */

static struct tmc_repo *open_with_config(struct scene *scene,
					 void (*change)(struct tmc_config_disk *config))
{
	struct tmc_hash *hash = tmc_hash_create(NULL);
	struct tmc_config_disk config;
	struct tmc_repo *repo;
	char path[128];
	size_t bytes;
	uint8_t *data;

	snprintf(path, sizeof(path), "%s/repo/config", scene->fixture->directory);
	data = read_file(path, &bytes);
	assert_int_equal(bytes, sizeof(config));
	memcpy(&config, data, sizeof(config));
	free(data);
	change(&config);
	config.header.crc = put_le32(crc32c(0, &config.header,
					    offsetof(struct tmc_object_header_disk, crc)));
	assert_success(tmc_hash_once(hash, &config, offsetof(struct tmc_config_disk, check),
				     &config.check));
	tmc_hash_destroy(hash);
	write_file(path, &config, sizeof(config));
	snprintf(path, sizeof(path), "%s/repo", scene->fixture->directory);
	assert_success(tmc_repo_open(path, &repo));
	return repo;
}

static void remove_encryption(struct tmc_config_disk *config)
{
	config->header.incompat = put_le64(0);
	config->hash = put_le32(TMC_HASH_SHA256);
}

static void double_chunks(struct tmc_config_disk *config)
{
	config->chunk_bytes = put_le32(2 * CHUNK);
}

static void change_time(struct tmc_config_disk *config)
{
	config->header.begun_ns = put_le64(1);
}

static void a_config_without_encryption_is_noticed(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *repo = open_with_config(scene, remove_encryption);
	struct tmc_point *points;
	size_t nr;

	assert_int_equal(tmc_point_list(repo, &points, &nr), -EBADMSG);
	assert_int_equal(nr, 0);
	assert_non_null(strstr(tmc_error_text(), "is encrypted, its repository is not"));
	free(points);
	assert_int_equal(tmc_repo_unlock(repo, "passphrase"), -EKEYREJECTED);
	tmc_repo_close(repo);
}

static void another_config_does_not_fit_the_key(void **state)
{
	static void (*const changes[])(struct tmc_config_disk *) = { double_chunks, change_time };
	struct scene *scene = *state;
	char text[TMC_RECOVERY_BYTES];

	assert_success(tmc_key_export(scene->repo, text));
	for (size_t i = 0; i < 2; i++) {
		struct tmc_repo *repo = open_with_config(scene, changes[i]);

		assert_int_equal(tmc_repo_unlock(repo, "passphrase"), -EBADMSG);
		assert_non_null(strstr(tmc_error_text(), "has been changed"));
		assert_int_equal(tmc_repo_unlock_recovery(repo, text), -EBADMSG);
		tmc_repo_close(repo);
	}
}

/* ---------------------------------------------------------------------- secrecy */

/* No piece of the content, its names or its plain hashes is anywhere in the store. */
static struct scene *searched;

static int search_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct tmc_hash *hash = tmc_hash_create(NULL);
	uint8_t *data;
	size_t bytes;

	if (type != FTW_F || !st->st_size) {
		tmc_hash_destroy(hash);
		return 0;
	}
	data = read_file(path, &bytes);
	for (uint64_t chunk = 0; chunk < 100; chunk += 7) {
		const uint8_t *plain = searched->model->data + chunk * CHUNK;
		struct tmc_id id;

		assert_success(tmc_hash_once(hash, plain, CHUNK, &id));
		assert_null(memmem(data, bytes, plain, 32));
		assert_null(memmem(data, bytes, &id, sizeof(id)));
	}
	assert_null(memmem(data, bytes, searched->point.volume.volume_id,
			   strlen(searched->point.volume.volume_id)));
	free(data);
	tmc_hash_destroy(hash);
	return 0;
}

static void the_store_sees_no_content_and_no_names(void **state)
{
	char path[128];

	searched = *state;
	assert_true(strlen(searched->point.volume.volume_id) > 8);
	snprintf(path, sizeof(path), "%s/repo", searched->fixture->directory);
	assert_int_equal(nftw(path, search_one, 16, FTW_PHYS), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_plain_point_is_not_listed),
		T(a_point_is_bound_to_its_header),
		T(a_point_of_another_repository_is_refused),
		T(a_type_is_not_taken_for_another),
		T(a_payload_is_bound_to_its_header),
		T(nothing_forged_is_decompressed),
		T(a_plain_pack_gives_nothing),
		T(an_index_is_bound_block_by_block),
		T(a_replayed_index_is_harmless),
		T(a_config_without_encryption_is_noticed),
		T(another_config_does_not_fit_the_key),
		T(the_store_sees_no_content_and_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
