// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "synthetic.h"

#include "catalog/blob_set.h"
#include "catalog/change_log.h"
#include "catalog/index_writer.h"
#include "catalog/pack_writer.h"
#include "catalog/point.h"
#include "catalog/tree_builder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNKS_IN_PACK 4000u
#define DISK_BYTES     (sizeof(struct tmc_blob_header_disk) + SYNTHETIC_CHUNK_BYTES)

#define must(expression)                                                                   \
	do {                                                                               \
		if ((expression) < 0) {                                                    \
			fprintf(stderr, "%s: %s\n", #expression, tmc_error_text());        \
			abort();                                                           \
		}                                                                          \
	} while (0)

struct order {
	uint64_t key;
	uint64_t nth;
};

struct build {
	struct tmc_repo *repo;
	uint64_t nr_chunks;
	struct tmc_pack_writer *writer;
	struct tmc_entry real[SYNTHETIC_REAL];
	uint32_t nr_real;
	struct tmc_id *packs; /* written ones, then sparse ones */
	uint32_t nr_packs, nr_written;
};

static uint64_t scramble(uint64_t value)
{
	value += 0x9e3779b97f4a7c15u;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

struct tmc_id synthetic_id(uint64_t nth)
{
	struct tmc_id id;

	for (unsigned int i = 0; i < 4; i++) {
		uint64_t word = scramble(4 * nth + i);

		memcpy(id.bytes + 8 * i, &word, sizeof(word));
	}
	return id;
}

static struct tmc_entry nth_entry(const struct build *build, uint64_t nth)
{
	if (nth < build->nr_real)
		return build->real[nth];
	return (struct tmc_entry){
		.blob = {
			.id = synthetic_id(nth),
			.type = TMC_BLOB_CHUNK,
			.codec = TMC_CODEC_RAW,
			.stored_bytes = SYNTHETIC_CHUNK_BYTES,
			.raw_bytes = SYNTHETIC_CHUNK_BYTES,
		},
		.pack = build->nr_written + (uint32_t)(nth / CHUNKS_IN_PACK),
		.offset = (uint32_t)(sizeof(struct tmc_object_header_disk) +
				     nth % CHUNKS_IN_PACK * DISK_BYTES),
	};
}

static int compare_order(const void *a, const void *b)
{
	const struct order *order_a = a, *order_b = b;

	return order_a->key < order_b->key ? -1 : order_a->key > order_b->key;
}

static void write_chunk_index(const struct build *build)
{
	struct order *order = malloc(build->nr_chunks * sizeof(*order));
	struct tmc_index_writer *writer;

	for (uint64_t i = 0; i < build->nr_chunks; i++) {
		struct tmc_entry entry = nth_entry(build, i);

		order[i] = (struct order){ .key = get_be64(entry.blob.id.bytes), .nth = i };
	}
	qsort(order, build->nr_chunks, sizeof(*order), compare_order);
	must(tmc_index_writer_begin(build->repo->store, build->repo->keys, -1, build->nr_chunks,
				    build->nr_packs, 0, &writer));
	for (uint64_t i = 0; i < build->nr_chunks; i++) {
		struct tmc_entry entry = nth_entry(build, order[i].nth);

		must(tmc_index_writer_add(writer, &entry));
	}
	must(tmc_index_writer_finish(writer, build->packs));
	tmc_index_writer_destroy(writer);
	free(order);
}

/* After the written packs, so many as the chunks need. */
static void name_packs(struct build *build, const struct tmc_id *written, uint32_t nr_written)
{
	build->nr_written = nr_written;
	build->nr_packs = nr_written + (uint32_t)(build->nr_chunks / CHUNKS_IN_PACK) + 1;
	build->packs = calloc(build->nr_packs, sizeof(*build->packs));
	for (uint32_t i = 0; i < build->nr_packs; i++)
		build->packs[i] = i < nr_written ? written[i] : synthetic_id(UINT32_MAX + 1ull + i);
}

void synthetic_index(struct tmc_repo *repo, uint64_t nr)
{
	struct build build = { .repo = repo, .nr_chunks = nr };

	name_packs(&build, NULL, 0);
	write_chunk_index(&build);
	must(tmc_store_sync_index(repo->store));
	free(build.packs);
}

static void store_real_chunks(struct build *build)
{
	struct tmc_blob_coder *coder = tmc_blob_coder_create(&build->repo->limits,
							     build->repo->keys);
	struct tmc_hash *hash = tmc_blob_coder_hash(coder);
	uint64_t raw[SYNTHETIC_CHUNK_BYTES / sizeof(uint64_t)];
	uint8_t *disk = malloc(tmc_limits_disk_bytes(&build->repo->limits));

	for (uint32_t i = 0; i < SYNTHETIC_REAL; i++) {
		struct tmc_entry *entry = &build->real[i];

		for (size_t n = 0; n < sizeof(raw) / sizeof(*raw); n++)
			raw[n] = scramble(i * 100000ull + n);
		entry->blob = (struct tmc_blob){ .type = TMC_BLOB_CHUNK, .raw_bytes = sizeof(raw) };
		must(tmc_hash_once(hash, raw, sizeof(raw), &entry->blob.id));
		must(tmc_blob_encode(coder, &entry->blob, raw, disk));
		must(tmc_pack_writer_append(build->writer, disk, tmc_blob_disk_bytes(&entry->blob),
					    entry, 1));
	}
	build->nr_real = SYNTHETIC_REAL;
	free(disk);
	tmc_blob_coder_destroy(coder);
}

static void make_sparse_packs(const struct build *build, const char *path)
{
	char digits[TMC_ID_TEXT], name[512];

	for (uint32_t i = build->nr_written; i < build->nr_packs; i++) {
		int fd;

		tmc_id_format(&build->packs[i], digits);
		snprintf(name, sizeof(name), "%s/packs/%.2s", path, digits);
		mkdir(name, 0777);
		snprintf(name, sizeof(name), "%s/packs/%.2s/%s", path, digits, digits);
		fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		must(ftruncate(fd, CHUNKS_IN_PACK * DISK_BYTES + 4096));
		close(fd);
	}
}

static void build_tree(struct build *build, struct tmc_tree *tree)
{
	struct tmc_repo *repo = build->repo;
	struct tmc_tree_build work = {
		.repo = repo,
		.packs = build->writer,
		.parent = tree,
		.blobs = tmc_blob_set_create(repo->store, repo->keys, repo->indexes,
					     TMC_BLOB_SET_SLOTS),
		.changes = tmc_change_log_create(repo->store, TMC_CHANGE_LOG_BUFFER),
	};
	const struct tmc_id *written;
	uint32_t nr_written;

	for (uint64_t i = 0; i < build->nr_chunks; i++) {
		struct tmc_change change = { .first = i, .nr = 1 };

		change.id = i < build->nr_real ? build->real[i].blob.id : synthetic_id(i);
		must(tmc_change_log_add(work.changes, &change, 1));
	}
	must(tmc_tree_build(&work));
	must(tmc_pack_writer_finish(build->writer));
	written = tmc_pack_writer_packs(build->writer, &nr_written);
	name_packs(build, written, nr_written);
	must(tmc_blob_set_commit(work.blobs, written, nr_written));
	tree->root = work.root;
	tmc_blob_set_destroy(work.blobs);
	tmc_change_log_destroy(work.changes);
}

void synthetic_repo(const char *path, uint64_t nr_chunks)
{
	struct build build = { .nr_chunks = nr_chunks };
	struct tmc_point point = {
		.volume = {
			.volume_id = "synthetic",
			.volume_bytes = nr_chunks * SYNTHETIC_CHUNK_BYTES,
		},
		.chunk_bytes = SYNTHETIC_CHUNK_BYTES,
		.cut_time_ns = 1,
	};
	struct tmc_tree tree;

	must(tmc_repo_create(path, SYNTHETIC_CHUNK_BYTES));
	must(tmc_repo_open(path, &build.repo));
	must(tmc_pack_writer_create(build.repo->store, build.repo->keys, &build.writer));
	tmc_tree_init(&tree, &tmc_id_zero, point.volume.volume_bytes, &build.repo->limits);
	store_real_chunks(&build);
	build_tree(&build, &tree);
	make_sparse_packs(&build, path);
	write_chunk_index(&build);
	must(tmc_store_sync_index(build.repo->store));
	must(tmc_point_store(build.repo, &tree, &point));
	free(build.packs);
	tmc_pack_writer_destroy(build.writer);
	tmc_repo_close(build.repo);
}
