// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * LZ4 blocks at the default level: the rest of the pipeline costs more than the
 * bytes that a higher one would save.
 */
#include "catalog/codec.h"

#include <errno.h>
#include <lz4.h>

static uint32_t lz4_compress(const void *raw, uint32_t raw_bytes, void *ret_stored,
			     uint32_t capacity)
{
	int bytes = LZ4_compress_default(raw, ret_stored, (int)raw_bytes, (int)capacity);

	return bytes > 0 ? (uint32_t)bytes : 0;
}

static int lz4_decompress(const void *stored, uint32_t stored_bytes, void *ret_raw,
			  uint32_t raw_bytes)
{
	int bytes = LZ4_decompress_safe(stored, ret_raw, (int)stored_bytes, (int)raw_bytes);

	return bytes >= 0 && (uint32_t)bytes == raw_bytes ? 0 : -EBADMSG;
}

const struct tmc_codec tmc_codec_lz4 = {
	.compress = lz4_compress,
	.decompress = lz4_decompress,
};
const struct tmc_codec *tmc_codec = &tmc_codec_lz4;
