/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A chunk or a node as it is stored in a pack.
 */
#ifndef CATALOG_BLOB_H
#define CATALOG_BLOB_H

#include "catalog/format.h"
#include "catalog/id.h"

struct tmc_keys;

struct tmc_blob {
	struct tmc_id id;
	uint8_t type;  /* enum tmc_blob_type */
	uint8_t codec; /* enum tmc_codec_kind */
	uint32_t stored_bytes;
	uint32_t raw_bytes;
};

/** A blob and its place; pack counts in whatever table goes with the entry. */
struct tmc_entry {
	struct tmc_blob blob;
	uint32_t pack;
	uint32_t offset;
};

/** What bounds every length that comes from disk. */
struct tmc_limits {
	uint32_t chunk_bytes;
	uint32_t fan_out;
	uint32_t seal_bytes; /* that encryption adds to a payload: TMC_BLOB_SEAL_BYTES or 0 */
};

static inline uint64_t tmc_blob_disk_bytes(const struct tmc_blob *blob)
{
	return sizeof(struct tmc_blob_header_disk) + (uint64_t)blob->stored_bytes;
}

/** The largest plain content of any blob. */
static inline uint32_t tmc_limits_raw_bytes(const struct tmc_limits *limits)
{
	uint32_t node_bytes = TMC_NODE_BYTES(limits->fan_out);

	return limits->chunk_bytes > node_bytes ? limits->chunk_bytes : node_bytes;
}

/** The largest blob with its header. */
static inline uint32_t tmc_limits_disk_bytes(const struct tmc_limits *limits)
{
	return (uint32_t)sizeof(struct tmc_blob_header_disk) + tmc_limits_raw_bytes(limits) +
	       limits->seal_bytes;
}

/** Whether type, codec and lengths are allowed. */
bool tmc_blob_is_valid(const struct tmc_blob *blob, const struct tmc_limits *limits);

/** What an object that holds or names this blob must say in its header's incompat. */
static inline uint64_t tmc_blob_incompat(const struct tmc_blob *blob)
{
	return blob->codec == TMC_CODEC_ZSTD ? TMC_INCOMPAT_ZSTD : 0;
}

struct tmc_blob_info_disk tmc_blob_info_put(const struct tmc_blob *blob);
/** False if its zero bytes are not. */
bool tmc_blob_info_get(const struct tmc_blob_info_disk *disk, const struct tmc_id *id,
		       struct tmc_blob *ret_blob);

struct tmc_blob_coder; /**< what one thread needs to encode and decode */

/** NULL: out of memory, or the repository is locked. */
struct tmc_blob_coder *tmc_blob_coder_create(const struct tmc_limits *limits, struct tmc_keys *keys);
void tmc_blob_coder_destroy(struct tmc_blob_coder *coder);

/** How this coder compresses; LZ4 if nothing is said. */
void tmc_blob_coder_set_compression(struct tmc_blob_coder *coder,
				    const struct tmc_compression *compression);

/** The hash that makes ids. It is the coder's: between its calls anybody's. */
struct tmc_hash *tmc_blob_coder_hash(struct tmc_blob_coder *coder);

/**
 * Encode plain bytes: header and payload at ret_disk, which has room for the
 * header, blob->raw_bytes and the limits' seal_bytes. In: id, type, raw_bytes; out:
 * the rest. Proves that the payload can be decoded (invariant 7).
 * Errors: -EIO (the compressor is faulty, no randomness).
 */
int tmc_blob_encode(struct tmc_blob_coder *coder, struct tmc_blob *blob, const void *raw,
		    void *ret_disk);

/**
 * Decode and verify what lies at disk: tmc_blob_disk_bytes(blob) bytes that must
 * be the valid blob that the caller expects. what, offset: for the error.
 * Errors: -EBADMSG.
 */
int tmc_blob_decode(struct tmc_blob_coder *coder, const struct tmc_blob *blob, const void *disk,
		    const char *what, uint64_t offset, void *ret_raw);

#endif
