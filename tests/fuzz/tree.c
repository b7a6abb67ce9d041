// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Trees of a whole repository in which every hash is right and nothing else need be.
 * Input: the size of the volume (u64), roots of two points (a reference each), then
 * blobs: kind, and
 *	a chunk: length (u16);
 *	a node: level, number of references, references;
 *	a node that lies: level, number that it tells, number of references, references;
 *	anything as a node: length, so many bytes.
 * A reference is a byte: 0 the zero id, 255 the unreadable id, n the n-th blob before,
 * else an id that is nowhere. Extraction and verification of the first point have to
 * agree with a judge here who has read docs/format.md; then it is compared with the
 * second.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/index_block.h"
#include "catalog/point.h"
#include "common/crc32c.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NR_BLOBS     60u
#define CHUNK_BYTES  TMC_CHUNK_BYTES_MIN
#define NR_CHUNKS    4096u /* more only takes longer */
#define CAP_BYTES    (16u << 20) /* of extraction: its buffers and plan */

static struct {
	uint8_t pack[NR_BLOBS * (CHUNK_BYTES + 100) + 4096];
	size_t bytes;
	uint32_t nr;
	struct tmc_footer_entry_disk entries[NR_BLOBS];
} built;

/* ------------------------------------------------------------------------ build */

static struct tmc_id reference(uint8_t number)
{
	struct tmc_id id = { { number, 1 } };

	if (number == 0)
		return tmc_id_zero;
	if (number == 255)
		return tmc_id_unreadable;
	return number <= built.nr ? built.entries[number - 1].id : id;
}

static void add_blob(enum tmc_blob_type type, const void *raw, uint32_t bytes)
{
	struct tmc_blob blob = {
		.id = fuzz_hash(raw, bytes), .type = type, .stored_bytes = bytes, .raw_bytes = bytes,
	};
	struct tmc_blob_header_disk header = { .info = tmc_blob_info_put(&blob), .id = blob.id };

	if (!tmc_blob_is_valid(&blob, &fuzz_repo()->limits))
		return;
	for (uint32_t i = 0; i < built.nr; i++)
		if (tmc_id_equal(&built.entries[i].id, &blob.id))
			return;
	built.entries[built.nr++] = (struct tmc_footer_entry_disk){
		.offset = put_le32((uint32_t)built.bytes), .info = header.info, .id = header.id,
	};
	memcpy(header.magic, TMC_BLOB_MAGIC, sizeof(header.magic));
	memcpy(built.pack + built.bytes, &header, sizeof(header));
	memcpy(built.pack + built.bytes + sizeof(header), raw, bytes);
	built.bytes += sizeof(header) + bytes;
}

static void add_chunk(struct fuzz_input *input)
{
	uint8_t raw[CHUNK_BYTES];
	uint16_t bytes = fuzz_u16(input);

	memset(raw, (int)(built.nr + 1), sizeof(raw));
	add_blob(TMC_BLOB_CHUNK, raw, bytes < CHUNK_BYTES ? bytes + 1u : CHUNK_BYTES);
}

static void put_node(struct fuzz_input *input, uint8_t level, uint8_t told, uint8_t nr)
{
	uint8_t raw[TMC_NODE_BYTES(255)];
	struct tmc_id ids[255] = { 0 };

	for (uint32_t i = 0; i < nr; i++)
		ids[i] = reference(fuzz_u8(input));
	tmc_node_put(level, ids, told, raw);
	memcpy(raw + TMC_NODE_BYTES(0), ids, nr * sizeof(*ids));
	add_blob(TMC_BLOB_NODE, raw, TMC_NODE_BYTES(nr));
}

static void add_node(struct fuzz_input *input)
{
	uint8_t level = fuzz_u8(input), nr = fuzz_u8(input);

	put_node(input, level, nr, nr);
}

static void add_lying_node(struct fuzz_input *input)
{
	uint8_t level = fuzz_u8(input), told = fuzz_u8(input), nr = fuzz_u8(input);

	put_node(input, level, told, nr);
}

static void add_anything(struct fuzz_input *input)
{
	uint8_t raw[TMC_NODE_BYTES(TMC_FAN_OUT)];
	uint16_t bytes = fuzz_u16(input);

	fuzz_bytes(input, raw, sizeof(raw));
	add_blob(TMC_BLOB_NODE, raw, bytes < sizeof(raw) ? bytes : (uint32_t)sizeof(raw));
}

static void build_blobs(struct fuzz_input *input)
{
	static void (*const adds[])(struct fuzz_input *) = {
		add_chunk, add_node, add_anything, add_lying_node,
	};

	built.nr = 0;
	built.bytes = sizeof(struct tmc_object_header_disk);
	while (input->left && built.nr < NR_BLOBS)
		adds[fuzz_u8(input) % 4](input);
}

static struct tmc_object_header_disk make_header(const char *type)
{
	struct tmc_object_header_disk header = {
		.version = put_le16(TMC_FORMAT_VERSION), .header_bytes = put_le16(sizeof(header)),
	};

	memcpy(header.magic, TMC_MAGIC, sizeof(header.magic));
	memcpy(header.type, type, sizeof(header.type));
	fuzz_repair_header(&header);
	return header;
}

static struct tmc_id put_pack(void)
{
	struct tmc_object_header_disk header = make_header("PACK");
	struct tmc_trailer_disk trailer = {
		.magic = "TAIL", .nr_blobs = put_le32(built.nr), .footer_offset = put_le64(built.bytes),
	};
	size_t footer_bytes = built.nr * sizeof(*built.entries);
	uint8_t named[sizeof(header) + sizeof(built.entries)];

	memcpy(named, &header, sizeof(header));
	memcpy(named + sizeof(header), built.entries, footer_bytes);
	trailer.name = fuzz_hash(named, sizeof(header) + footer_bytes);
	trailer.crc = put_le32(crc32c(0, &trailer, offsetof(struct tmc_trailer_disk, crc)));
	memcpy(built.pack, &header, sizeof(header));
	memcpy(built.pack + built.bytes, built.entries, footer_bytes);
	memcpy(built.pack + built.bytes + footer_bytes, &trailer, sizeof(trailer));
	fuzz_put(TMC_STORE_PACK, &trailer.name, built.pack,
		 built.bytes + footer_bytes + sizeof(trailer));
	return trailer.name;
}

static int compare_entries(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tmc_id));
}

static struct tmc_id put_index(const struct tmc_id *pack)
{
	static uint8_t blocks[3][TMC_INDEX_BLOCK_BYTES];
	struct tmc_index_head_disk head = {
		.header = make_header("INDX"), .nr_entries = put_le64(built.nr),
		.nr_packs = put_le32(1),
	};
	struct tmc_index_entries_disk table = { 0 };
	struct tmc_id id;

	for (uint32_t i = 0; i < built.nr; i++) {
		const struct tmc_footer_entry_disk *entry = &built.entries[i];

		table.entries[i] = (struct tmc_index_entry_disk){
			.id = entry->id, .type = entry->info.type, .offset = entry->offset,
			.stored_bytes = entry->info.stored_bytes, .raw_bytes = entry->info.raw_bytes,
		};
	}
	qsort(table.entries, built.nr, sizeof(*table.entries), compare_entries);
	memset(blocks, 0, sizeof(blocks));
	memcpy(blocks[0], &head, sizeof(head));
	memcpy(blocks[1], &table, sizeof(table));
	memcpy(blocks[2], pack, sizeof(*pack));
	for (uint32_t i = 0; i < 3; i++)
		tmc_index_block_seal(blocks[i], i, &head.header, NULL);
	id = fuzz_hash(blocks, sizeof(blocks));
	fuzz_put(TMC_STORE_INDEX, &id, blocks, sizeof(blocks));
	return id;
}

static struct tmc_id put_point(const struct tmc_id *root, uint64_t volume_bytes)
{
	struct tmc_point_disk disk = {
		.header = make_header("POIN"), .root = *root,
		.chunk_bytes = put_le32(CHUNK_BYTES), .volume_bytes = put_le64(volume_bytes),
	};
	struct tmc_tree tree;
	struct tmc_id id;

	tmc_tree_init(&tree, root, volume_bytes, &fuzz_repo()->limits);
	disk.levels = put_le32(tree.levels);
	id = fuzz_hash(&disk, sizeof(disk));
	fuzz_put(TMC_STORE_POINT, &id, &disk, sizeof(disk));
	return id;
}

/* ------------------------------------------------------------------------- oracle */

static const struct tmc_footer_entry_disk *find_blob(enum tmc_blob_type type,
						     const struct tmc_id *id)
{
	for (uint32_t i = 0; i < built.nr; i++)
		if (built.entries[i].info.type == type && tmc_id_equal(&built.entries[i].id, id))
			return &built.entries[i];
	return NULL;
}

static bool chunk_is_whole(const struct tmc_tree *tree, uint64_t chunk, const struct tmc_id *id)
{
	const struct tmc_footer_entry_disk *blob = find_blob(TMC_BLOB_CHUNK, id);
	uint64_t left = tree->volume_bytes - chunk * CHUNK_BYTES;

	return tmc_id_is_special(id) ||
	       (blob && get_le32(blob->info.raw_bytes) == (left < CHUNK_BYTES ? left : CHUNK_BYTES));
}

/* span: chunks below the node; first: the first of them. */
static bool node_is_whole(const struct tmc_tree *tree, uint32_t level, uint64_t span,
			  uint64_t first, const struct tmc_id *id)
{
	const struct tmc_footer_entry_disk *blob = find_blob(TMC_BLOB_NODE, id);
	uint64_t left = tree->nr_chunks - first, each = span / TMC_FAN_OUT;
	uint64_t nr = ((left < span ? left : span) + each - 1) / each;
	struct tmc_node_header_disk header = {
		.magic = "NODE", .level = (uint8_t)level, .count = put_le16((uint16_t)nr),
	};
	const uint8_t *raw;
	bool is_whole;

	if (tmc_id_is_special(id))
		return true;
	if (!blob || get_le32(blob->info.raw_bytes) != TMC_NODE_BYTES(nr))
		return false;
	raw = built.pack + get_le32(blob->offset) + sizeof(struct tmc_blob_header_disk);
	is_whole = !memcmp(raw, &header, sizeof(header));
	for (uint64_t i = 0; is_whole && i < nr; i++) {
		struct tmc_id below;

		memcpy(&below, raw + TMC_NODE_BYTES(i), sizeof(below));
		is_whole = level ? node_is_whole(tree, level - 1, each, first + i * each, &below) :
				   chunk_is_whole(tree, first + i, &below);
	}
	return is_whole;
}

static bool point_is_whole(const struct tmc_id *root, uint64_t volume_bytes)
{
	uint64_t span = TMC_FAN_OUT;
	struct tmc_tree tree;

	tmc_tree_init(&tree, root, volume_bytes, &fuzz_repo()->limits);
	for (uint32_t level = 1; level < tree.levels; level++)
		span *= TMC_FAN_OUT;
	return !tree.nr_chunks || node_is_whole(&tree, tree.levels - 1, span, 0, root);
}

/* -------------------------------------------------------------------------- use */

static int count_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	*(_Atomic uint64_t *)context += bytes;
	return 0;
}

static int count_range(void *context, uint64_t offset, uint64_t bytes)
{
	*(_Atomic uint64_t *)context += bytes;
	return 0;
}

static bool extracts(struct tmc_repo *repo, const struct tmc_point *point)
{
	_Atomic uint64_t delivered = 0;
	const struct tmc_sink sink = {
		.data = count_data, .zero = count_range, .unreadable = count_range,
		.context = (void *)&delivered,
	};
	int ret = tmc_point_extract(repo, point, 1, &sink);

	if (delivered > point->volume.volume_bytes ||
	    (!ret && delivered != point->volume.volume_bytes))
		abort();
	return !ret;
}

static void use_points(const struct tmc_id ids[2], bool is_whole)
{
	struct tmc_verify_result result;
	struct tmc_point points[2];
	struct tmc_repo *repo;
	uint64_t bytes;

	if (tmc_repo_open(fuzz_repo_path(), &repo) < 0 ||
	    tmc_point_get(repo, &ids[0], &points[0]) < 0 ||
	    tmc_point_get(repo, &ids[1], &points[1]) < 0)
		abort();
	if (extracts(repo, &points[0]) != is_whole ||
	    !tmc_verify(repo, &points[0], 1, NULL, NULL, NULL, &result) != is_whole ||
	    result.damaged_objects)
		abort();
	if (!tmc_point_diff(repo, &points[0], &points[1], NULL, NULL, &bytes) &&
	    bytes > points[0].volume.volume_bytes)
		abort();
	fuzz_accepted += is_whole;
	tmc_repo_close(repo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint64_t volume_bytes = fuzz_u64(&input) % (NR_CHUNKS * CHUNK_BYTES);
	uint8_t roots[2] = { fuzz_u8(&input), fuzz_u8(&input) };
	struct tmc_id pack, index, points[2], root;
	bool is_whole;

	build_blobs(&input);
	if (!built.nr)
		return 0;
	pack = put_pack();
	index = put_index(&pack);
	for (int i = 0; i < 2; i++) {
		root = reference(roots[i]);
		points[i] = put_point(&root, volume_bytes);
	}
	root = reference(roots[0]);
	is_whole = point_is_whole(&root, volume_bytes);
	fuzz_memory_begin(CAP_BYTES);
	use_points(points, is_whole);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_PACK, &pack);
	fuzz_take(TMC_STORE_INDEX, &index);
	fuzz_take(TMC_STORE_POINT, &points[0]);
	if (!tmc_id_equal(&points[0], &points[1]))
		fuzz_take(TMC_STORE_POINT, &points[1]);
	return 0;
}
