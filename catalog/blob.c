// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Decoding writes at most raw_bytes, which tmc_blob_is_valid() has bounded, whatever the
 * payload says.
 *
 * In an encrypted repository the payload is sealed last and opened first, bound to
 * its header and its repository: nothing that anybody else has made is decompressed.
 */
#include "catalog/blob.h"

#include "catalog/codec.h"
#include "catalog/keys.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

bool tmc_blob_is_valid(const struct tmc_blob *blob, const struct tmc_limits *limits)
{
	uint32_t node_bytes = TMC_NODE_BYTES(limits->fan_out);

	switch (blob->type) {
	case TMC_BLOB_CHUNK:
		if (!blob->raw_bytes || blob->raw_bytes > limits->chunk_bytes)
			return false;
		break;
	case TMC_BLOB_NODE:
		if (blob->raw_bytes < TMC_NODE_BYTES(1) || blob->raw_bytes > node_bytes ||
		    (blob->raw_bytes - TMC_NODE_BYTES(0)) % sizeof(struct tmc_id))
			return false;
		break;
	default:
		return false;
	}
	switch (blob->codec) {
	case TMC_CODEC_RAW:
		return blob->stored_bytes == blob->raw_bytes + limits->seal_bytes;
	case TMC_CODEC_LZ4:
	case TMC_CODEC_ZSTD:
		return blob->stored_bytes > limits->seal_bytes &&
		       blob->stored_bytes < blob->raw_bytes + limits->seal_bytes;
	default:
		return false;
	}
}

struct tmc_blob_info_disk tmc_blob_info_put(const struct tmc_blob *blob)
{
	return (struct tmc_blob_info_disk){
		.type = blob->type,
		.codec = blob->codec,
		.stored_bytes = put_le32(blob->stored_bytes),
		.raw_bytes = put_le32(blob->raw_bytes),
	};
}

bool tmc_blob_info_get(const struct tmc_blob_info_disk *disk, const struct tmc_id *id,
		       struct tmc_blob *ret_blob)
{
	*ret_blob = (struct tmc_blob){
		.id = *id,
		.type = disk->type,
		.codec = disk->codec,
		.stored_bytes = get_le32(disk->stored_bytes),
		.raw_bytes = get_le32(disk->raw_bytes),
	};
	return !get_le16(disk->zero);
}

static struct tmc_blob_header_disk blob_header(const struct tmc_blob *blob)
{
	struct tmc_blob_header_disk header = {
		.info = tmc_blob_info_put(blob),
		.id = blob->id,
	};

	memcpy(header.magic, TMC_BLOB_MAGIC, sizeof(header.magic));
	return header;
}

/* ----------------------------------------------------------------------- coder */

struct tmc_blob_coder {
	struct tmc_keys *keys;
	struct tmc_hash *hash;
	struct tmc_aead *aead; /* NULL where nothing is encrypted */
	uint32_t seal_bytes;
	struct tmc_codec codec;
	uint8_t scratch[]; /* the largest plain content */
};

struct tmc_blob_coder *tmc_blob_coder_create(const struct tmc_limits *limits, struct tmc_keys *keys)
{
	struct tmc_blob_coder *coder = calloc(1, sizeof(*coder) + tmc_limits_raw_bytes(limits));

	if (!coder)
		return NULL;
	coder->keys = keys;
	coder->seal_bytes = limits->seal_bytes;
	coder->hash = tmc_hash_create(keys);
	if (coder->seal_bytes)
		coder->aead = tmc_keys_get_aead(keys, TMC_KEY_BLOB);
	if (coder->hash && (coder->aead || !coder->seal_bytes))
		return coder;
	tmc_blob_coder_destroy(coder);
	return NULL;
}

void tmc_blob_coder_destroy(struct tmc_blob_coder *coder)
{
	if (!coder)
		return;
	tmc_codec_exit(&coder->codec);
	tmc_hash_destroy(coder->hash);
	if (coder->aead)
		tmc_keys_put_aead(coder->keys, TMC_KEY_BLOB, coder->aead);
	free(coder);
}

void tmc_blob_coder_set_compression(struct tmc_blob_coder *coder,
				    const struct tmc_compression *compression)
{
	coder->codec.compression = *compression;
}

struct tmc_hash *tmc_blob_coder_hash(struct tmc_blob_coder *coder)
{
	return coder->hash;
}

struct bound { /* what a sealed payload is bound to */
	struct tmc_blob_info_disk info;
	struct tmc_id id;
	struct tmc_id repo_id;
};
static_assert(sizeof(struct bound) == 76, "format");

static struct bound bind(const struct tmc_blob_coder *coder, const struct tmc_blob *blob)
{
	return (struct bound){
		.info = tmc_blob_info_put(blob),
		.id = blob->id,
		.repo_id = *tmc_keys_repo_id(coder->keys),
	};
}

/* ---------------------------------------------------------------------- encode */

/* Returns the bytes at content, with the codec set. */
static int compress(struct tmc_blob_coder *coder, struct tmc_blob *blob, const void *raw,
		    void *content)
{
	enum tmc_codec_kind kind;
	int bytes = tmc_codec_encode(&coder->codec, raw, blob->raw_bytes, content, coder->scratch,
				     &kind);

	blob->codec = bytes > 0 ? kind : TMC_CODEC_RAW;
	return bytes ? bytes : (int)blob->raw_bytes;
}

static int seal(struct tmc_blob_coder *coder, const struct tmc_blob *blob, const void *content,
		uint32_t bytes, uint8_t *payload)
{
	struct bound bound = bind(coder, blob);

	if (getrandom(payload, TMC_NONCE_BYTES, 0) != TMC_NONCE_BYTES)
		return failure_set(-EIO, "the kernel gives no random numbers");
	return tmc_aead_seal(coder->aead, payload, &bound, sizeof(bound), content, bytes,
			     payload + TMC_NONCE_BYTES);
}

int tmc_blob_encode(struct tmc_blob_coder *coder, struct tmc_blob *blob, const void *raw,
		    void *ret_disk)
{
	uint8_t *payload = (uint8_t *)ret_disk + sizeof(struct tmc_blob_header_disk);
	uint8_t *content = payload + (coder->aead ? TMC_NONCE_BYTES : 0);
	struct tmc_blob_header_disk header;
	int bytes = compress(coder, blob, raw, content);
	int ret = 0;

	if (bytes < 0)
		return bytes;
	blob->stored_bytes = (uint32_t)bytes + coder->seal_bytes;
	if (coder->aead)
		ret = seal(coder, blob, blob->codec == TMC_CODEC_RAW ? raw : content,
			   (uint32_t)bytes, payload);
	else if (blob->codec == TMC_CODEC_RAW)
		memcpy(content, raw, blob->raw_bytes);
	header = blob_header(blob);
	memcpy(ret_disk, &header, sizeof(header));
	return ret;
}

/* ---------------------------------------------------------------------- decode */

/* Where the content is: in the payload, or opened into ret_raw or the scratch. */
static int open_payload(struct tmc_blob_coder *coder, const struct tmc_blob *blob,
			const uint8_t *payload, void *ret_raw, const void **ret_content)
{
	uint32_t bytes = blob->stored_bytes - coder->seal_bytes;
	void *content = blob->codec == TMC_CODEC_RAW ? ret_raw : coder->scratch;
	struct bound bound;

	*ret_content = coder->aead ? content : payload;
	if (!coder->aead)
		return 0;
	bound = bind(coder, blob);
	return tmc_aead_open(coder->aead, payload, &bound, sizeof(bound), payload + TMC_NONCE_BYTES,
			     bytes, content);
}

int tmc_blob_decode(struct tmc_blob_coder *coder, const struct tmc_blob *blob, const void *disk,
		    const char *what, uint64_t offset, void *ret_raw)
{
	const uint8_t *payload = (const uint8_t *)disk + sizeof(struct tmc_blob_header_disk);
	struct tmc_blob_header_disk header = blob_header(blob);
	const void *content;
	struct tmc_id id;
	int ret;

	if (memcmp(disk, &header, sizeof(header)))
		return failure_set(-EBADMSG, "%s is damaged: another block than expected begins at "
				   "byte %llu", what, (unsigned long long)offset);
	ret = open_payload(coder, blob, payload, ret_raw, &content);
	if (ret == -EBADMSG)
		return failure_set(ret, "%s is damaged: the block at byte %llu is not what was "
				   "encrypted", what, (unsigned long long)offset);
	if (ret < 0)
		return ret;
	if (blob->codec != TMC_CODEC_RAW)
		ret = tmc_codec_ops->decompress(&coder->codec, blob->codec, content,
						blob->stored_bytes - coder->seal_bytes, ret_raw,
						blob->raw_bytes);
	else if (content != ret_raw)
		memcpy(ret_raw, content, blob->raw_bytes);
	if (ret == -ENOMEM)
		return failure_set(ret, "out of memory");
	if (ret < 0)
		return failure_set(-EBADMSG, "%s is damaged: the block at byte %llu cannot be "
				   "decompressed", what, (unsigned long long)offset);
	ret = tmc_hash_once(coder->hash, ret_raw, blob->raw_bytes, &id);
	if (ret < 0)
		return ret;
	if (!tmc_id_equal(&id, &blob->id))
		return failure_set(-EBADMSG, "%s is damaged: the block at byte %llu is not what its "
				   "hash says", what, (unsigned long long)offset);
	return 0;
}
