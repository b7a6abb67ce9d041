// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Writes first inputs for the harnesses into DIRECTORY/<harness>/: the objects of a
 * small repository, in the form that each harness takes.
 */
#include "tests/unit/repo_fixture.h"

#include "catalog/doom.h"
#include "catalog/format.h"
#include "catalog/generation.h"
#include "catalog/index_filter.h"
#include "catalog/repo.h"

#define BLOCK TMC_INDEX_BLOCK_BYTES

static const char *directory;

static FILE *begin_seed(const char *harness, const char *name)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, harness);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", directory, harness, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	fputc(0xff, file); /* all repairs */
	return file;
}

static void put_seed(const char *harness, const char *name, const void *data, size_t bytes)
{
	FILE *file = begin_seed(harness, name);

	fwrite(data, 1, bytes, file);
	fclose(file);
}

/* Blocks without the zeros at their end, without their checksums. */
static void put_blocks(const char *harness, const char *name, const uint8_t *data, size_t bytes)
{
	FILE *file = begin_seed(harness, name);

	for (size_t block = 0; block < bytes; block += BLOCK) {
		uint16_t length = BLOCK - 4;
		le16_t disk;

		while (length && !data[block + length - 1u])
			length--;
		disk = put_le16(length);
		fwrite(&disk, sizeof(disk), 1, file);
		fwrite(data + block, 1, length, file);
	}
	fclose(file);
}

/* Small indexes have no filter, though readers take one. */
static void put_index_with_filter(const uint8_t *data, size_t bytes)
{
	uint8_t *longer = calloc(1, bytes + BLOCK);
	struct tmc_filter_builder builder;
	struct tmc_index_head_disk head;
	uint64_t nr;

	memcpy(longer, data, bytes);
	memcpy(&head, data, sizeof(head));
	nr = get_le64(head.nr_entries);
	head.nr_filter_blocks = put_le32(1);
	memcpy(longer, &head, sizeof(head));
	tmc_filter_builder_init(&builder, 1);
	for (uint64_t i = 0; i < nr; i++) {
		struct tmc_id id;

		memcpy(&id, data + (1 + i / TMC_INDEX_BLOCK_ENTRIES) * BLOCK +
				    i % TMC_INDEX_BLOCK_ENTRIES * sizeof(struct tmc_index_entry_disk),
		       sizeof(id));
		tmc_filter_builder_add(&builder, &id);
	}
	memcpy(longer + bytes, &builder.filter, sizeof(builder.filter));
	put_blocks("index", "with-filter", longer, bytes + BLOCK);
	put_blocks("sealed-index", "with-filter", longer, bytes + BLOCK);
	free(longer);
}

/* Content that is not compressed anew, between what encryption puts around it. */
static void put_sealed_pack(const char *name, const uint8_t *data, size_t bytes)
{
	const size_t header_bytes = sizeof(struct tmc_blob_header_disk);
	static const uint8_t zero[TMC_BLOB_SEAL_BYTES];
	size_t offset = sizeof(struct tmc_object_header_disk);
	FILE *file = begin_seed("sealed-pack", name);

	fwrite(data, 1, offset, file);
	while (offset + header_bytes < bytes && !memcmp(data + offset, TMC_BLOB_MAGIC, 4)) {
		struct tmc_blob_header_disk header;
		uint32_t stored_bytes;

		memcpy(&header, data + offset, header_bytes);
		stored_bytes = get_le32(header.info.stored_bytes);
		header.info.stored_bytes = put_le32(stored_bytes + TMC_BLOB_SEAL_BYTES);
		fwrite(&header, 1, header_bytes, file);
		fwrite(zero, 1, TMC_NONCE_BYTES, file);
		fwrite(data + offset + header_bytes, 1, stored_bytes, file);
		fwrite(zero, 1, TMC_TAG_BYTES, file);
		offset += header_bytes + stored_bytes;
	}
	fwrite(data + offset, 1, bytes - offset, file);
	fclose(file);
}

/* With room for the table's tag. */
static void put_sealed_segment(const char *name, const uint8_t *data, size_t bytes)
{
	static const uint8_t zero[TMC_TAG_BYTES];
	size_t table_end = bytes - sizeof(struct tmc_segment_tail_disk);
	FILE *file = begin_seed("sealed-segment", name);

	fwrite(data, 1, table_end, file);
	fwrite(zero, 1, sizeof(zero), file);
	fwrite(data + table_end, 1, bytes - table_end, file);
	fclose(file);
}

static void put_object(const struct fixture *fixture, const char *kind, const char *name)
{
	struct file_list files;
	size_t bytes;
	uint8_t *data;

	list_files(fixture, kind, &files);
	data = read_file(files.paths[0], &bytes);
	if (!strcmp(kind, "packs")) {
		put_seed("pack", name, data, bytes);
		put_sealed_pack(name, data, bytes);
	} else if (!strcmp(kind, "points")) {
		put_seed("point", name, data, bytes);
		put_seed("sealed-point", name, data, bytes);
	} else if (!strcmp(kind, "journal")) {
		put_seed("segment", name, data, bytes);
		put_sealed_segment(name, data, bytes);
	} else if (strcmp(kind, "index")) {
		put_seed(name, name, data, bytes);
	} else {
		put_blocks("index", name, data, bytes);
		put_blocks("sealed-index", name, data, bytes);
		put_index_with_filter(data, bytes);
	}
	free(data);
}

static void put_config(const struct fixture *fixture)
{
	char path[128];
	uint8_t asked_for = TMC_OBJECT_CONFIG;
	size_t bytes;
	uint8_t *data;
	FILE *file;

	snprintf(path, sizeof(path), "%s/config", fixture->path);
	data = read_file(path, &bytes);
	put_seed("config", "config", data, bytes);
	file = begin_seed("header", "config");
	fputc(asked_for, file);
	fwrite(data, 1, sizeof(struct tmc_object_header_disk), file);
	fclose(file);
	free(data);
}

/*
 * 40 chunks, as tests/fuzz/tree.c takes them: three chunks, a node of 32 of them and one
 * of 8, and a root. The last node may lie and have fewer than it tells.
 */
static void put_tree(const char *name, bool lies)
{
	static const uint8_t chunks[] = { 0, 0xff, 0x0f, 0, 0xff, 0x1f, 0, 0xff, 0x2f };
	FILE *file = begin_seed("tree", name);
	le64_t volume_bytes = put_le64(40 * 4096);

	rewind(file);
	fwrite(&volume_bytes, sizeof(volume_bytes), 1, file);
	fputs("\x06\x04", file); /* roots: the sixth blob; the fourth, which is none */
	fwrite(chunks, 1, sizeof(chunks), file);
	fwrite("\x01\x00\x20", 1, 3, file);
	for (int i = 0; i < 32; i++)
		fputc(i % 7 == 6 ? 255 : i % 4, file);
	fwrite("\x03\x00\x08", 1, 3, file);
	fputc(lies ? 5 : 8, file);
	for (int i = 0; i < (lies ? 5 : 8); i++)
		fputc(1 + i % 3, file);
	fwrite("\x01\x01\x02\x04\x05", 1, 5, file);
	fclose(file);
}

/* One of each small object, none of which a backup makes. */
static int make_records(const struct fixture *fixture)
{
	struct tmc_note note = { .nr_tags = 2, .tags = { "weekly", "kept" }, .text = "why" };
	struct tmc_id ids[4] = { { { 1 } }, { { 2 } }, { { 3 } }, { { 4 } } };
	struct tmc_doom doom = {
		.generation = 3, .points = { ids, 2 }, .indexes = { ids, 1 }, .packs = { ids, 4 },
		.segments = { ids, 3 },
	};
	struct tmc_slot_secret secret = { .master = { 1 } };
	struct tmc_repo *repo;
	struct tmc_id ignored;
	int ret = tmc_repo_open(fixture->path, &repo);

	if (!ret)
		ret = tmc_note_put(repo, &note);
	if (!ret)
		ret = tmc_doom_store(repo->store, repo->keys, &doom);
	if (!ret)
		ret = tmc_generation_keep(repo, 9);
	if (!ret)
		ret = tmc_key_slot_store(repo->store, repo->keys, "fuzz", "label", &secret, &ignored);
	if (ret < 0)
		fprintf(stderr, "%s\n", tmc_error_text());
	else
		tmc_repo_close(repo);
	return ret;
}

/* One record of each type, and of each kind of content. */
static int append_records(struct tmc_journal *journal)
{
	static uint8_t text[1024], noise[512], zero[4096];
	struct tmc_record records[] = {
		{ .type = TMC_RECORD_CUT },
		{ .type = TMC_RECORD_WRITE, .bytes = sizeof(text), .payload = text },
		{ .type = TMC_RECORD_WRITE, .flags = TMC_RECORD_PREFLUSH | TMC_RECORD_FUA,
		  .offset = 8192, .bytes = sizeof(noise), .payload = noise },
		{ .type = TMC_RECORD_WRITE, .bytes = sizeof(zero), .payload = zero },
		{ .type = TMC_RECORD_DISCARD, .offset = 4096, .bytes = 4096 },
		{ .type = TMC_RECORD_ZEROES, .bytes = 512 },
		{ .type = TMC_RECORD_FLUSH },
		{ .type = TMC_RECORD_MARK, .payload = "before" },
		{ .type = TMC_RECORD_REREAD, .bytes = sizeof(text), .payload = text },
	};
	int ret = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)('a' + i / 7 % 23);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * i * 7 + i / 3);
	for (size_t i = 0; i < sizeof(records) / sizeof(*records) && !ret; i++) {
		records[i].seq = 5 + i;
		records[i].time_ns = 1000 + i;
		if (records[i].payload)
			records[i].payload_bytes = records[i].type == TMC_RECORD_MARK ?
						   6 : (uint32_t)records[i].bytes;
		ret = tmc_journal_append(journal, &records[i]);
	}
	return ret;
}

static int make_segment(const struct fixture *fixture, const struct tmc_compression *compression)
{
	struct tmc_volume volume = { .volume_id = "v", .name = "n", .volume_bytes = 1 << 20 };
	const struct tmc_journal_options options = { .first_seq = 5 };
	struct tmc_journal *journal;
	struct tmc_repo *repo;
	int ret = tmc_repo_open(fixture->path, &repo);

	if (!ret)
		ret = tmc_repo_set_compression(repo, compression);
	if (!ret)
		ret = tmc_journal_begin(repo, &volume, &options, &journal);
	if (!ret) {
		append_records(journal);
		ret = tmc_journal_end(journal);
	}
	if (ret < 0)
		fprintf(stderr, "%s\n", tmc_error_text());
	else
		tmc_repo_close(repo);
	return ret;
}

static int make_repository(const struct fixture *fixture, const struct tmc_compression *compression)
{
	struct model *model = model_create(11 * 4096 + 200, 4096);
	struct tmc_point point;
	struct tmc_repo *repo;
	int ret;

	for (unsigned int i = 0; i < 11; i++)
		model_fill(model, i, i % 4 ? CONTENT_TEXT : CONTENT_DUPLICATE);
	model_fill(model, 11, CONTENT_RANDOM);
	ret = tmc_repo_create(fixture->path, 4096);
	if (!ret)
		ret = tmc_repo_open(fixture->path, &repo);
	if (!ret)
		ret = tmc_repo_set_compression(repo, compression);
	if (!ret)
		ret = model_backup(repo, model, NULL, NULL, 1, &point);
	if (ret < 0)
		fprintf(stderr, "%s\n", tmc_error_text());
	else
		tmc_repo_close(repo);
	model_destroy(model);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct tmc_compression lz4 = { TMC_COMPRESSION_LZ4, 0 };
	static const struct tmc_compression zstd = { TMC_COMPRESSION_ZSTD, 3 };
	struct fixture *fixture;

	if (argc != 2 || fixture_setup((void **)&fixture))
		return 2;
	directory = argv[1];
	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	if (make_repository(fixture, &lz4) < 0)
		return 1;
	put_config(fixture);
	put_object(fixture, "packs", "pack");
	put_object(fixture, "index", "index");
	put_object(fixture, "points", "point");
	if (make_records(fixture) < 0 || make_segment(fixture, &lz4) < 0)
		return 1;
	put_object(fixture, "journal", "segment");
	put_object(fixture, "doom", "doom");
	put_object(fixture, "ledger", "ledger");
	put_object(fixture, "notes", "note");
	put_object(fixture, "keys", "key");
	remove_tree(fixture->path);
	if (make_repository(fixture, &zstd) < 0 || make_segment(fixture, &zstd) < 0)
		return 1;
	put_object(fixture, "journal", "zstd");
	put_object(fixture, "packs", "zstd");
	put_tree("two-levels", false);
	put_tree("lying-node", true);
	return fixture_teardown((void **)&fixture);
}
