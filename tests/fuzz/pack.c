// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Pack. Input: repairs, pack; of an encrypted repository with plain content between
 * nonces and room for tags. Checked as verification does it: by its footer, or
 * walked by its blobs' own headers where the footer is damaged.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/codec.h"
#include "catalog/pack_check.h"
#include "common/crc32c.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER  1u
#define REPAIR_IDS     2u /* of the blobs: an id is that of what the payload decodes to */
#define REPAIR_FOOTER  4u /* is that of the blobs */
#define REPAIR_TRAILER 8u
#define REPAIR_NAME    16u
#define EVERY_BYTE     32u /* not a repair: the depth of the check */
#define REPAIR_SEAL    64u
#define PACK_BYTES     (64u << 10)
#define CAP_BYTES      ((2u << 20) + (256u << 10)) /* window; footer, blob, decompressor */

static uint8_t image[PACK_BYTES];
static bool is_sealed;
static size_t size, footer_at;
static uint32_t nr_blobs;

/* The id of a blob, or what there is for one where the payload cannot be decoded. */
static void repair_id(struct tmc_blob_header_disk *header, const uint8_t *content)
{
	static uint8_t raw[TMC_CHUNK_BYTES_MIN];
	static struct tmc_codec codec;
	struct tmc_blob blob;

	if (!tmc_blob_info_get(&header->info, &header->id, &blob) ||
	    !tmc_blob_is_valid(&blob, &fuzz_repo()->limits))
		return;
	if (blob.codec == TMC_CODEC_RAW)
		header->id = fuzz_hash(content, blob.raw_bytes);
	else if (!tmc_codec_ops->decompress(&codec, blob.codec, content,
					    blob.stored_bytes - fuzz_repo()->limits.seal_bytes, raw,
					    blob.raw_bytes))
		header->id = fuzz_hash(raw, blob.raw_bytes);
}

/* In place; the nonce is what stands there. */
static void seal(const struct tmc_blob_header_disk *header, uint8_t *payload)
{
	const struct {
		struct tmc_blob_info_disk info;
		struct tmc_id id, repo_id;
	} bound = { header->info, header->id, fuzz_repo()->info.id };
	uint32_t stored_bytes = get_le32(header->info.stored_bytes);
	uint8_t *content = payload + TMC_NONCE_BYTES;
	struct tmc_aead *aead;

	if (!fuzz_encrypted || stored_bytes < TMC_BLOB_SEAL_BYTES)
		return;
	aead = fuzz_aead(TMC_KEY_BLOB);
	if (tmc_aead_seal(aead, payload, &bound, sizeof(bound), content,
			  stored_bytes - TMC_BLOB_SEAL_BYTES, content) < 0)
		abort();
	tmc_keys_put_aead(fuzz_repo()->keys, TMC_KEY_BLOB, aead);
}

/* Blob by blob as far as the headers go; the footer is built behind the last. */
static void repair_blobs(uint8_t repairs)
{
	struct tmc_footer_entry_disk entries[256];
	size_t offset = sizeof(struct tmc_object_header_disk);

	nr_blobs = 0;
	while (offset + sizeof(struct tmc_blob_header_disk) < size && nr_blobs < 256) {
		struct tmc_blob_header_disk header;
		size_t next;

		memcpy(&header, image + offset, sizeof(header));
		next = offset + sizeof(header) + get_le32(header.info.stored_bytes);
		if (memcmp(header.magic, TMC_BLOB_MAGIC, sizeof(header.magic)) || next > size)
			break;
		if (repairs & REPAIR_IDS)
			repair_id(&header, image + offset + sizeof(header) +
						   (fuzz_encrypted ? TMC_NONCE_BYTES : 0));
		if (repairs & REPAIR_SEAL)
			seal(&header, image + offset + sizeof(header));
		memcpy(image + offset, &header, sizeof(header));
		entries[nr_blobs++] = (struct tmc_footer_entry_disk){
			.offset = put_le32((uint32_t)offset), .info = header.info, .id = header.id,
		};
		offset = next;
	}
	if (repairs & REPAIR_FOOTER &&
	    offset + nr_blobs * sizeof(*entries) + sizeof(struct tmc_trailer_disk) <= PACK_BYTES) {
		footer_at = offset;
		memcpy(image + footer_at, entries, nr_blobs * sizeof(*entries));
		size = footer_at + nr_blobs * sizeof(*entries) + sizeof(struct tmc_trailer_disk);
	}
}

static struct tmc_id repair_trailer(uint8_t repairs)
{
	static uint8_t named[PACK_BYTES];
	size_t header_bytes = sizeof(struct tmc_object_header_disk), footer_bytes;
	struct tmc_trailer_disk trailer;
	struct tmc_id id = { { 1 } };

	memcpy(&trailer, image + size - sizeof(trailer), sizeof(trailer));
	if (repairs & REPAIR_TRAILER) {
		memset(&trailer, 0, sizeof(trailer));
		memcpy(trailer.magic, TMC_TRAILER_MAGIC, sizeof(trailer.magic));
		trailer.nr_blobs = put_le32(nr_blobs);
		trailer.footer_offset = put_le64(footer_at);
	}
	if (get_le64(trailer.footer_offset) <= size - sizeof(trailer))
		footer_at = get_le64(trailer.footer_offset);
	footer_bytes = size - sizeof(trailer) - footer_at;
	memcpy(named, image, header_bytes);
	memcpy(named + header_bytes, image + footer_at, footer_bytes);
	if (repairs & REPAIR_NAME) {
		id = fuzz_hash(named, header_bytes + footer_bytes);
		trailer.name = id;
	}
	trailer.crc = put_le32(crc32c(0, &trailer, offsetof(struct tmc_trailer_disk, crc)));
	memcpy(image + size - sizeof(trailer), &trailer, sizeof(trailer));
	return id;
}

static struct tmc_id repair(uint8_t repairs)
{
	struct tmc_object_header_disk header;

	if (size < sizeof(header) + sizeof(struct tmc_trailer_disk))
		return (struct tmc_id){ { 1 } };
	memcpy(&header, image, sizeof(header));
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&header);
	memcpy(image, &header, sizeof(header));
	footer_at = sizeof(header);
	repair_blobs(repairs);
	return repair_trailer(repairs);
}

static unsigned int nr_damaged;
static enum tmc_pack_depth depth; /* what the structure alone says is authentic by the name */

static void note_good(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	if (entry->offset + tmc_blob_disk_bytes(&entry->blob) > size ||
	    !tmc_blob_is_valid(&entry->blob, &fuzz_repo()->limits))
		abort();
	if (fuzz_encrypted && depth == TMC_PACK_EVERY_BYTE && !is_sealed)
		abort();
}

static void note_damage(void *context, int error)
{
	nr_damaged++;
}

static void note_progress(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
}

/* A pack that is open stays so: not the one of the input before. */
static void forget_packs(void)
{
	struct tmc_repo *repo = fuzz_repo();

	tmc_pack_cache_destroy(repo->packs);
	repo->packs = tmc_pack_cache_create(repo->store, repo->keys);
	if (!repo->packs)
		abort();
}

static void check_pack(const struct tmc_id *id)
{
	static const struct tmc_pack_check_ops ops = {
		.good = note_good, .damage = note_damage, .progress = note_progress,
	};
	struct tmc_pack_checker *checker = tmc_pack_checker_create(fuzz_repo(), &ops);

	if (!checker)
		abort();
	nr_damaged = 0;
	tmc_pack_check(checker, id, depth);
	fuzz_accepted += !nr_damaged;
	tmc_pack_checker_destroy(checker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	struct tmc_id id;

	size = fuzz_bytes(&input, image, sizeof(image) / 2);
	is_sealed = repairs & REPAIR_SEAL;
	depth = repairs & EVERY_BYTE ? TMC_PACK_EVERY_BYTE : TMC_PACK_STRUCTURE;
	id = repair(repairs);
	fuzz_put(TMC_STORE_PACK, &id, image, size);
	forget_packs();
	fuzz_memory_begin(CAP_BYTES);
	check_pack(&id);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_PACK, &id);
	return 0;
}
