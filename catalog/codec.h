/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The compressors, behind a table so that a test can put a faulty one in their place.
 */
#ifndef CATALOG_CODEC_H
#define CATALOG_CODEC_H

#include "catalog/format.h"

/** What one thread compresses and decompresses with; made when it is first needed. */
struct tmc_codec {
	struct tmc_compression compression; /* of what is written */
	void *lz4hc;
	void *zstd_compressor, *zstd_decompressor;
};

void tmc_codec_exit(struct tmc_codec *codec);

struct tmc_codec_ops {
	/** Bytes written, of ret_kind; or 0 when the result does not fit into capacity. */
	uint32_t (*compress)(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
			     void *ret_stored, uint32_t capacity, enum tmc_codec_kind *ret_kind);
	/** 0 when exactly raw_bytes came out, else -EBADMSG; -ENOMEM. Never writes more. */
	int (*decompress)(struct tmc_codec *codec, enum tmc_codec_kind kind, const void *stored,
			  uint32_t stored_bytes, void *ret_raw, uint32_t raw_bytes);
};

extern const struct tmc_codec_ops tmc_codec_ops_real;
extern const struct tmc_codec_ops *tmc_codec_ops; /* set before threads start, then constant */

/**
 * Compress where it pays, and prove that it comes back (docs/format.md, invariant 7). Returns
 * the bytes at ret_stored, which has room for raw_bytes; 0: it does not pay. scratch: room for
 * raw_bytes. Errors: -EIO (the compressor is faulty).
 */
int tmc_codec_encode(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
		     void *ret_stored, void *scratch, enum tmc_codec_kind *ret_kind);

/** Errors: -EINVAL (no such method, or no such level of it). */
int tmc_compression_check(const struct tmc_compression *compression);

#endif
