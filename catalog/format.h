/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What lies on disk, as structs: docs/format.md in C. Nothing here has padding or
 * alignment; all fields are byte arrays.
 */
#ifndef CATALOG_FORMAT_H
#define CATALOG_FORMAT_H

#include "common/bytes.h"
#include "tidemark.h"

#include <assert.h>

#define TMC_MAGIC         "\x89TMK\r\n\x1a\n"
#define TMC_FORMAT_VERSION 1
#define TMC_UNIQUE_BYTES  16

enum tmc_object_type { /* four letters on disk */
	TMC_OBJECT_CONFIG,
	TMC_OBJECT_PACK,
	TMC_OBJECT_INDEX,
	TMC_OBJECT_POINT,
	TMC_OBJECT_DOOM,
	TMC_OBJECT_LEDGER,
	TMC_OBJECT_NOTE,
	TMC_OBJECT_KEY,
	TMC_OBJECT_JOURNAL,
};

enum tmc_incompat { /* bits of a header */
	TMC_INCOMPAT_ENCRYPTED = 1 << 0,
	TMC_INCOMPAT_ZSTD = 1 << 1,
	TMC_INCOMPAT_SEGMENTS = 1 << 2, /* of a doom: it lists some */
};

struct tmc_object_header_disk {
	uint8_t magic[8];
	uint8_t type[4];
	le16_t version;
	le16_t header_bytes;
	le64_t incompat;
	le64_t ro_compat;
	le64_t compat;
	struct tmc_id repo_id;
	uint8_t unique[TMC_UNIQUE_BYTES];
	le64_t begun_ns;
	uint8_t zero[28];
	le32_t crc;
};
static_assert(sizeof(struct tmc_object_header_disk) == 128, "format");

/* ro_compat bits of config */
#define TMC_RO_COMPAT_SESSIONS 1ull /* sessions and dooms are heeded by whoever writes */

#define TMC_HASH_SHA256 1
#define TMC_HASH_HMAC   2
#define TMC_FAN_OUT     32
#define TMC_FAN_OUT_MAX 1024

struct tmc_config_disk {
	struct tmc_object_header_disk header;
	le32_t chunk_bytes;
	le32_t fan_out;
	le32_t hash;
	uint8_t compression; /* enum tmc_compression_method */
	uint8_t level;
	uint8_t zero[82];
	struct tmc_id check;
};
static_assert(sizeof(struct tmc_config_disk) == 256, "format");

struct tmc_key_slot_disk {
	struct tmc_object_header_disk header;
	le32_t log2_n;
	le32_t r;
	le32_t p;
	uint8_t zero[4];
	uint8_t salt[32];
	uint8_t label[64];
	uint8_t nonce[24];
	uint8_t sealed[80];
	uint8_t zero2[40];
};
static_assert(sizeof(struct tmc_key_slot_disk) == 384, "format");

enum tmc_blob_type {
	TMC_BLOB_CHUNK = 1,
	TMC_BLOB_NODE = 2,
};

enum tmc_codec_kind {
	TMC_CODEC_RAW = 0,
	TMC_CODEC_LZ4 = 1,
	TMC_CODEC_ZSTD = 2,
};

#define TMC_BLOB_MAGIC "BLOB"

struct tmc_blob_info_disk { /* shared by blob header, footer entry */
	uint8_t type;
	uint8_t codec;
	le16_t zero;
	le32_t stored_bytes;
	le32_t raw_bytes;
};

struct tmc_blob_header_disk {
	uint8_t magic[4];
	struct tmc_blob_info_disk info;
	struct tmc_id id;
};
static_assert(sizeof(struct tmc_blob_header_disk) == 48, "format");

struct tmc_footer_entry_disk {
	le32_t offset;
	struct tmc_blob_info_disk info;
	struct tmc_id id;
};
static_assert(sizeof(struct tmc_footer_entry_disk) == 48, "format");

#define TMC_BLOB_SEAL_BYTES 40u /* nonce and tag of an encrypted payload */

#define TMC_TRAILER_MAGIC "TAIL"

struct tmc_trailer_disk {
	uint8_t magic[4];
	le32_t nr_blobs;
	le64_t footer_offset;
	uint8_t zero[12];
	le32_t crc;
	struct tmc_id name;
};
static_assert(sizeof(struct tmc_trailer_disk) == 64, "format");

#define TMC_INDEX_BLOCK_BYTES 4096u

struct tmc_index_entry_disk {
	struct tmc_id id;
	uint8_t type;
	uint8_t codec;
	le16_t zero;
	le32_t pack;
	le32_t offset;
	le32_t stored_bytes;
	le32_t raw_bytes;
};
static_assert(sizeof(struct tmc_index_entry_disk) == 52, "format");

#define TMC_INDEX_BLOCK_ENTRIES 78u
#define TMC_INDEX_BLOCK_PACKS   127u

struct tmc_index_head_disk {
	struct tmc_object_header_disk header;
	le64_t nr_entries;
	le32_t nr_packs;
	le32_t nr_filter_blocks;
	uint8_t zero[3948];
	le32_t crc;
};
static_assert(sizeof(struct tmc_index_head_disk) == TMC_INDEX_BLOCK_BYTES, "format");

struct tmc_index_entries_disk {
	struct tmc_index_entry_disk entries[TMC_INDEX_BLOCK_ENTRIES];
	uint8_t zero[36];
	le32_t crc;
};
static_assert(sizeof(struct tmc_index_entries_disk) == TMC_INDEX_BLOCK_BYTES, "format");

struct tmc_index_packs_disk {
	struct tmc_id packs[TMC_INDEX_BLOCK_PACKS];
	uint8_t zero[28];
	le32_t crc;
};
static_assert(sizeof(struct tmc_index_packs_disk) == TMC_INDEX_BLOCK_BYTES, "format");

#define TMC_INDEX_FILTER_BUCKETS 2048u
#define TMC_INDEX_FILTER_IDS     3384u  /* a block has room for */
#define TMC_INDEX_FILTER_MEAN    3072u  /* writers aim at; 5.6 standard deviations less */
#define TMC_INDEX_FILTER_MIN     19969u /* entries of an index from which on it has filters */

struct tmc_index_filter_disk {
	le64_t first;
	le32_t nr;
	uint8_t buckets[(TMC_INDEX_FILTER_BUCKETS + TMC_INDEX_FILTER_IDS + 8) / 8];
	uint8_t fingerprints[TMC_INDEX_FILTER_IDS];
	uint8_t tag[16];
	le32_t crc;
};
static_assert(sizeof(struct tmc_index_filter_disk) == TMC_INDEX_BLOCK_BYTES, "format");

#define TMC_NODE_MAGIC "NODE"

struct tmc_node_header_disk {
	uint8_t magic[4];
	uint8_t level;
	uint8_t zero;
	le16_t count;
	uint8_t zero2[8];
};
static_assert(sizeof(struct tmc_node_header_disk) == 16, "format");

#define TMC_NODE_BYTES(count) ((uint32_t)(sizeof(struct tmc_node_header_disk) + \
					  (count) * sizeof(struct tmc_id)))

#define TMC_DOOM_BYTES_MAX (1u << 30)

struct tmc_doom_disk { /* then so many ids of points, of indexes, of packs, of segments */
	struct tmc_object_header_disk header;
	le64_t generation;
	le32_t nr_points;
	le32_t nr_indexes;
	le32_t nr_packs;
	le32_t nr_segments;
	uint8_t zero[8];
};
static_assert(sizeof(struct tmc_doom_disk) == 160, "format");

struct tmc_ledger_disk {
	struct tmc_object_header_disk header;
	le64_t generation;
	uint8_t zero[24];
};
static_assert(sizeof(struct tmc_ledger_disk) == 160, "format");

#define TMC_POINT_BYTES_MAX 65536u

struct tmc_point_disk {
	struct tmc_object_header_disk header;
	struct tmc_id parent;
	struct tmc_id root;
	le32_t levels;
	le32_t chunk_bytes;
	le64_t volume_bytes;
	le64_t cut_time_ns;
	le64_t changed_bytes;
	le64_t read_bytes;
	le64_t stored_bytes;
	le64_t unreadable_chunks;
	le32_t strings_bytes;
	le32_t nr_strings;
	le64_t generation;
	le64_t stretch;
	le64_t seq;
	le64_t settles_seq;
	uint8_t zero[32];
};
static_assert(sizeof(struct tmc_point_disk) == 320, "format");

struct tmc_string_disk {
	le16_t tag;
	le16_t bytes;
};
static_assert(sizeof(struct tmc_string_disk) == 4, "format");

#define TMC_NOTE_BYTES_MAX 65536u

struct tmc_note_disk {
	struct tmc_object_header_disk header;
	struct tmc_id point;
	le64_t time_ns;
	le32_t strings_bytes;
	le32_t nr_strings;
	uint8_t zero[16];
};
static_assert(sizeof(struct tmc_note_disk) == 192, "format");

#define TMC_SEGMENT_TARGET_BYTES  (16u << 20) /* readers do not rely on it */
#define TMC_SEGMENT_RECORDS_MAX   (1u << 20)
#define TMC_SEGMENT_STRINGS_BYTES 1024u /* at most */
#define TMC_SEGMENT_MAGIC         "JTAL"

/* The first 16 bytes of the hash of what is stored, or the tag that seals it. */
struct tmc_proof_disk {
	uint8_t bytes[16];
};

/* A segment's table: so many bytes of strings, then records. */
struct tmc_segment_record_disk {
	uint8_t type;  /* enum tmc_record_type */
	uint8_t flags;
	uint8_t codec; /* enum tmc_codec_kind */
	uint8_t zero;
	le32_t stored_bytes; /* of the payload; 0 where bytes of a write are all zero */
	le64_t time_ns;
	le64_t offset;
	le64_t bytes; /* of a mark: of its text */
	struct tmc_proof_disk proof;
};
static_assert(sizeof(struct tmc_segment_record_disk) == 48, "format");

struct tmc_segment_tail_disk {
	uint8_t magic[4];
	le32_t nr_records;
	le64_t table_offset;
	le32_t table_bytes; /* plain: without the seal */
	le32_t strings_bytes;
	le64_t stretch;
	le64_t first_seq;
	le64_t last_seq;
	le64_t first_time_ns;
	le64_t last_time_ns;
	le64_t settles_seq;
	le64_t payload_bytes;
	le32_t nr_marks;
	le32_t nr_flushes;
	struct tmc_id previous;
	uint8_t zero[68];
	le32_t crc;
};
static_assert(sizeof(struct tmc_segment_tail_disk) == 192, "format");

#endif
