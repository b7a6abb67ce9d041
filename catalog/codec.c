// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * LZ4 and LZ4HC write the same blocks. A zstd frame is written without content size,
 * checksum and dictionary: the blob's header and its id say all that. Decoding goes in
 * one piece into raw_bytes of memory, whatever window or size a frame claims.
 *
 * Raw wins unless compression saves a sixteenth: less does not pay for decoding it at
 * every restore.
 */
#include "catalog/codec.h"

#include "common/failure.h"

#include <errno.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <zstd.h>

#define LZ4HC_LEVEL_USUAL 9
#define ZSTD_LEVEL_USUAL  3
#define ZSTD_LEVEL_MAX    19 /* beyond, memory is that of another kind of machine */

void tmc_codec_exit(struct tmc_codec *codec)
{
	free(codec->lz4hc);
	ZSTD_freeCCtx(codec->zstd_compressor);
	ZSTD_freeDCtx(codec->zstd_decompressor);
}

static uint32_t compress_lz4hc(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
			       void *ret_stored, uint32_t capacity)
{
	int level = codec->compression.level ? codec->compression.level : LZ4HC_LEVEL_USUAL;
	int bytes;

	if (!codec->lz4hc)
		codec->lz4hc = malloc((size_t)LZ4_sizeofStateHC());
	if (!codec->lz4hc)
		return 0;
	bytes = LZ4_compress_HC_extStateHC(codec->lz4hc, raw, ret_stored, (int)raw_bytes,
					   (int)capacity, level);
	return bytes > 0 ? (uint32_t)bytes : 0;
}

static ZSTD_CCtx *create_zstd(int level)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();

	if (context &&
	    (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0)))) {
		ZSTD_freeCCtx(context);
		return NULL;
	}
	return context;
}

static uint32_t compress_zstd(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
			      void *ret_stored, uint32_t capacity)
{
	int level = codec->compression.level ? codec->compression.level : ZSTD_LEVEL_USUAL;
	size_t bytes;

	if (!codec->zstd_compressor)
		codec->zstd_compressor = create_zstd(level);
	if (!codec->zstd_compressor)
		return 0;
	bytes = ZSTD_compress2(codec->zstd_compressor, ret_stored, capacity, raw, raw_bytes);
	return ZSTD_isError(bytes) ? 0 : (uint32_t)bytes;
}

static uint32_t compress(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
			 void *ret_stored, uint32_t capacity, enum tmc_codec_kind *ret_kind)
{
	int bytes;

	*ret_kind = TMC_CODEC_LZ4;
	switch (codec->compression.method) {
	case TMC_COMPRESSION_LZ4:
		bytes = LZ4_compress_default(raw, ret_stored, (int)raw_bytes, (int)capacity);
		return bytes > 0 ? (uint32_t)bytes : 0;
	case TMC_COMPRESSION_LZ4HC:
		return compress_lz4hc(codec, raw, raw_bytes, ret_stored, capacity);
	case TMC_COMPRESSION_ZSTD:
		*ret_kind = TMC_CODEC_ZSTD;
		return compress_zstd(codec, raw, raw_bytes, ret_stored, capacity);
	case TMC_COMPRESSION_NONE:
		break;
	}
	return 0;
}

static int decompress_zstd(struct tmc_codec *codec, const void *stored, uint32_t stored_bytes,
			   void *ret_raw, uint32_t raw_bytes)
{
	if (!codec->zstd_decompressor)
		codec->zstd_decompressor = ZSTD_createDCtx();
	if (!codec->zstd_decompressor)
		return -ENOMEM;
	return ZSTD_decompressDCtx(codec->zstd_decompressor, ret_raw, raw_bytes, stored,
				   stored_bytes) == raw_bytes ? 0 : -EBADMSG;
}

static int decompress(struct tmc_codec *codec, enum tmc_codec_kind kind, const void *stored,
		      uint32_t stored_bytes, void *ret_raw, uint32_t raw_bytes)
{
	int bytes;

	if (kind == TMC_CODEC_ZSTD)
		return decompress_zstd(codec, stored, stored_bytes, ret_raw, raw_bytes);
	bytes = LZ4_decompress_safe(stored, ret_raw, (int)stored_bytes, (int)raw_bytes);
	return bytes >= 0 && (uint32_t)bytes == raw_bytes ? 0 : -EBADMSG;
}

const struct tmc_codec_ops tmc_codec_ops_real = {
	.compress = compress,
	.decompress = decompress,
};
const struct tmc_codec_ops *tmc_codec_ops = &tmc_codec_ops_real;

int tmc_codec_encode(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
		     void *ret_stored, void *scratch, enum tmc_codec_kind *ret_kind)
{
	uint32_t capacity = raw_bytes - raw_bytes / 16 - 1;
	uint32_t bytes = 0;

	if (capacity)
		bytes = tmc_codec_ops->compress(codec, raw, raw_bytes, ret_stored, capacity,
						ret_kind);
	if (!bytes)
		return 0;
	if (bytes > capacity ||
	    tmc_codec_ops->decompress(codec, *ret_kind, ret_stored, bytes, scratch, raw_bytes) ||
	    memcmp(raw, scratch, raw_bytes))
		return failure_set(-EIO, "a compressed block does not decode to what it was made "
				   "from: nothing was stored; check this machine's memory and its "
				   "%s library", *ret_kind == TMC_CODEC_ZSTD ? "zstd" : "LZ4");
	return (int)bytes;
}

int tmc_compression_check(const struct tmc_compression *compression)
{
	static const int levels[] = {
		[TMC_COMPRESSION_LZ4] = 0,
		[TMC_COMPRESSION_NONE] = 0,
		[TMC_COMPRESSION_LZ4HC] = LZ4HC_CLEVEL_MAX,
		[TMC_COMPRESSION_ZSTD] = ZSTD_LEVEL_MAX,
	};
	static const char *const names[] = { "lz4", "none", "lz4hc", "zstd" };
	unsigned int method = (unsigned int)compression->method;

	if (method >= sizeof(levels) / sizeof(*levels))
		return failure_set(-EINVAL, "there is no such compression");
	if (compression->level < 0 || compression->level > levels[method])
		return failure_set(-EINVAL, levels[method] ? "%s has no level %d: take one from 1 to %d" :
							     "%s has no levels", names[method],
				   compression->level, levels[method]);
	return 0;
}
