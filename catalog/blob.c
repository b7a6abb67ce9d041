// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Raw wins unless LZ4 saves a sixteenth: less does not pay for decoding it at
 * every restore. Decoding writes at most raw_bytes, which tmc_blob_is_valid()
 * has bounded, whatever the payload says.
 */
#include "catalog/blob.h"

#include "catalog/codec.h"
#include "common/failure.h"

#include <errno.h>

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
		return blob->stored_bytes == blob->raw_bytes;
	case TMC_CODEC_LZ4:
		return blob->stored_bytes && blob->stored_bytes < blob->raw_bytes;
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

int tmc_blob_encode(struct tmc_blob *blob, const void *raw, void *scratch, void *ret_disk)
{
	uint8_t *payload = (uint8_t *)ret_disk + sizeof(struct tmc_blob_header_disk);
	uint32_t capacity = blob->raw_bytes - blob->raw_bytes / 16 - 1;
	struct tmc_blob_header_disk header;

	blob->stored_bytes = capacity ? tmc_codec->compress(raw, blob->raw_bytes, payload, capacity)
				      : 0;
	if (blob->stored_bytes) {
		blob->codec = TMC_CODEC_LZ4;
		if (blob->stored_bytes > capacity ||
		    tmc_codec->decompress(payload, blob->stored_bytes, scratch, blob->raw_bytes) ||
		    memcmp(raw, scratch, blob->raw_bytes))
			return failure_set(-EIO, "a compressed block does not decode to what it was "
					   "made from: nothing was stored; check this machine's "
					   "memory and its LZ4 library");
	} else {
		blob->codec = TMC_CODEC_RAW;
		blob->stored_bytes = blob->raw_bytes;
		memcpy(payload, raw, blob->raw_bytes);
	}
	header = blob_header(blob);
	memcpy(ret_disk, &header, sizeof(header));
	return 0;
}

int tmc_blob_decode(const struct tmc_blob *blob, const void *disk, struct tmc_hash *hash,
		    const char *what, uint64_t offset, void *ret_raw)
{
	const uint8_t *payload = (const uint8_t *)disk + sizeof(struct tmc_blob_header_disk);
	struct tmc_blob_header_disk header = blob_header(blob);
	struct tmc_id id;
	int ret;

	if (memcmp(disk, &header, sizeof(header)))
		return failure_set(-EBADMSG, "%s is damaged: another block than expected begins at "
				   "byte %llu", what, (unsigned long long)offset);
	if (blob->codec == TMC_CODEC_RAW)
		memcpy(ret_raw, payload, blob->raw_bytes);
	else if (tmc_codec->decompress(payload, blob->stored_bytes, ret_raw, blob->raw_bytes))
		return failure_set(-EBADMSG, "%s is damaged: the block at byte %llu cannot be "
				   "decompressed", what, (unsigned long long)offset);
	ret = tmc_hash_once(hash, ret_raw, blob->raw_bytes, &id);
	if (ret < 0)
		return ret;
	if (!tmc_id_equal(&id, &blob->id))
		return failure_set(-EBADMSG, "%s is damaged: the block at byte %llu is not what its "
				   "hash says", what, (unsigned long long)offset);
	return 0;
}
