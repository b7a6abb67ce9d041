/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The compressor. A table, so that a test can put a faulty one in its place.
 */
#ifndef CATALOG_CODEC_H
#define CATALOG_CODEC_H

#include <stdint.h>

struct tmc_codec {
	/** Bytes written, or 0 when the result does not fit into capacity. */
	uint32_t (*compress)(const void *raw, uint32_t raw_bytes, void *ret_stored,
			     uint32_t capacity);
	/** 0 when exactly raw_bytes came out, else -EBADMSG. Never writes more. */
	int (*decompress)(const void *stored, uint32_t stored_bytes, void *ret_raw,
			  uint32_t raw_bytes);
};

extern const struct tmc_codec tmc_codec_lz4;
extern const struct tmc_codec *tmc_codec; /* set before threads start, then constant */

#endif
