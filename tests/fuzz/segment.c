// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Segment of the journal. Input: repairs, segment; of an encrypted repository with plain
 * content and room for the table's tag.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/segment.h"
#include "catalog/segment_proof.h"
#include "common/crc32c.h"
#include "common/zero.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER 1u
#define REPAIR_SIZES  2u  /* of the table, by the number of records; the last seq */
#define REPAIR_SUMS   4u  /* what the tail says of the records */
#define REPAIR_PROOFS 8u  /* of payloads; in an encrypted repository they are sealed */
#define REPAIR_SEAL   16u /* of the table */
#define REPAIR_TAIL   32u
#define REPAIR_NAME   64u
#define SEGMENT_BYTES (64u << 10)
#define CAP_BYTES     ((1u << 20) + (512u << 10)) /* payload; reader, decompressor */

#define HEADER_BYTES sizeof(struct tmc_object_header_disk)
#define TAIL_BYTES   sizeof(struct tmc_segment_tail_disk)
#define RECORD_BYTES sizeof(struct tmc_segment_record_disk)

static uint8_t image[SEGMENT_BYTES];
static size_t size;
static struct tmc_segment_bound bound;

static size_t tag_bytes(void)
{
	return fuzz_encrypted ? TMC_TAG_BYTES : 0;
}

/* Whether the table that the tail tells of lies in the image. */
static bool find_records(size_t *ret_table, size_t *ret_records, uint32_t *ret_nr)
{
	uint64_t offset = get_le64(bound.tail.table_offset);
	uint64_t strings_bytes = get_le32(bound.tail.strings_bytes);
	uint64_t nr = get_le32(bound.tail.nr_records);
	uint64_t end = size - TAIL_BYTES - tag_bytes();

	if (offset < HEADER_BYTES || offset > end || !nr ||
	    strings_bytes + nr * RECORD_BYTES > end - offset)
		return false;
	*ret_table = offset;
	*ret_records = offset + strings_bytes;
	*ret_nr = (uint32_t)nr;
	return true;
}

static void repair_sizes(void)
{
	struct tmc_segment_tail_disk *tail = &bound.tail;
	uint64_t end = size - TAIL_BYTES - tag_bytes();
	uint64_t nr = get_le32(tail->nr_records) % (SEGMENT_BYTES / RECORD_BYTES);
	uint64_t bytes = get_le32(tail->strings_bytes) % (TMC_SEGMENT_STRINGS_BYTES + 1) +
			 nr * RECORD_BYTES;

	if (HEADER_BYTES + bytes > end)
		return;
	tail->nr_records = put_le32((uint32_t)nr);
	tail->table_bytes = put_le32((uint32_t)bytes);
	tail->strings_bytes = put_le32((uint32_t)(bytes - nr * RECORD_BYTES));
	tail->table_offset = put_le64(end - bytes);
	tail->last_seq = put_le64(get_le64(tail->first_seq) + nr - 1);
}

static void repair_sums(size_t records, uint32_t nr)
{
	struct tmc_segment_tail_disk *tail = &bound.tail;
	uint32_t nr_marks = 0, nr_flushes = 0;
	uint64_t payload_bytes = 0;

	for (uint32_t n = 0; n < nr; n++) {
		struct tmc_segment_record_disk disk;

		memcpy(&disk, image + records + n * RECORD_BYTES, sizeof(disk));
		if (disk.type == TMC_RECORD_WRITE || disk.type == TMC_RECORD_MARK ||
		    (disk.type == TMC_RECORD_REREAD && get_le32(disk.stored_bytes)))
			payload_bytes += (uint32_t)get_le64(disk.bytes);
		nr_marks += disk.type == TMC_RECORD_MARK;
		nr_flushes += disk.type == TMC_RECORD_FLUSH || disk.flags & TMC_RECORD_PREFLUSH;
		if (!n)
			tail->first_time_ns = disk.time_ns;
		tail->last_time_ns = disk.time_ns;
	}
	tail->payload_bytes = put_le64(payload_bytes);
	tail->nr_marks = put_le32(nr_marks);
	tail->nr_flushes = put_le32(nr_flushes);
}

static struct tmc_proof_disk prove(uint32_t n, uint8_t *stored, uint32_t bytes)
{
	static uint8_t sealed[SEGMENT_BYTES + TMC_TAG_BYTES];
	uint8_t nonce[TMC_NONCE_BYTES];
	struct tmc_proof_disk proof;
	struct tmc_aead *aead;
	struct tmc_id digest;

	if (!fuzz_encrypted) {
		digest = fuzz_hash(stored, bytes);
		memcpy(&proof, &digest, sizeof(proof));
		return proof;
	}
	aead = fuzz_aead(TMC_KEY_JOURNAL);
	tmc_segment_nonce(&bound.header, n, nonce);
	if (tmc_aead_seal(aead, nonce, &bound.header, HEADER_BYTES, stored, bytes, sealed) < 0)
		abort();
	tmc_keys_put_aead(fuzz_repo()->keys, TMC_KEY_JOURNAL, aead);
	memcpy(stored, sealed, bytes);
	memcpy(&proof, sealed + bytes, sizeof(proof));
	return proof;
}

static void repair_proofs(size_t table, size_t records, uint32_t nr)
{
	size_t place = HEADER_BYTES;

	for (uint32_t n = 0; n < nr; n++) {
		uint8_t *at = image + records + n * RECORD_BYTES;
		struct tmc_segment_record_disk disk;
		uint32_t bytes;

		memcpy(&disk, at, sizeof(disk));
		bytes = get_le32(disk.stored_bytes);
		if (bytes > table - place)
			return;
		if (bytes)
			disk.proof = prove(n, image + place, bytes);
		memcpy(at, &disk, sizeof(disk));
		place += bytes;
	}
}

static void seal_table(size_t table, size_t bytes)
{
	struct tmc_aead *aead = fuzz_aead(TMC_KEY_JOURNAL);
	uint8_t nonce[TMC_NONCE_BYTES];

	if (!aead)
		return;
	tmc_segment_nonce(&bound.header, TMC_SEGMENT_TABLE, nonce);
	if (tmc_aead_seal(aead, nonce, &bound, sizeof(bound), image + table, bytes,
			  image + table) < 0)
		abort();
	tmc_keys_put_aead(fuzz_repo()->keys, TMC_KEY_JOURNAL, aead);
}

static struct tmc_id make_name(size_t table, uint8_t repairs)
{
	static uint8_t named[SEGMENT_BYTES];
	size_t bytes = size - TAIL_BYTES - table;
	uint64_t stretch = htobe64(get_le64(bound.tail.stretch));
	uint64_t seq = htobe64(get_le64(bound.tail.last_seq));
	struct tmc_id id = { { 0 } }, digest = { { 1 } };

	memcpy(named, &bound.header, HEADER_BYTES);
	memcpy(named + HEADER_BYTES, image + table, bytes);
	memcpy(named + HEADER_BYTES + bytes, &bound.tail, TAIL_BYTES);
	if (repairs & REPAIR_NAME)
		digest = fuzz_hash(named, HEADER_BYTES + bytes + TAIL_BYTES);
	memcpy(id.bytes, &stretch, 8);
	memcpy(id.bytes + 8, &seq, 8);
	memcpy(id.bytes + 16, &digest, 16);
	return id;
}

static struct tmc_id repair(uint8_t repairs)
{
	size_t table = HEADER_BYTES, records;
	uint32_t nr;

	if (size < HEADER_BYTES + RECORD_BYTES + TAIL_BYTES + TMC_TAG_BYTES)
		return (struct tmc_id){ { 1 } };
	memcpy(&bound.header, image, HEADER_BYTES);
	memcpy(&bound.tail, image + size - TAIL_BYTES, TAIL_BYTES);
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&bound.header);
	if (repairs & REPAIR_SIZES)
		repair_sizes();
	if (find_records(&table, &records, &nr) && repairs & REPAIR_SUMS)
		repair_sums(records, nr);
	if (find_records(&table, &records, &nr) && repairs & REPAIR_PROOFS)
		repair_proofs(table, records, nr);
	if (repairs & REPAIR_TAIL)
		bound.tail.crc = put_le32(crc32c(0, &bound.tail,
						 offsetof(struct tmc_segment_tail_disk, crc)));
	if (repairs & REPAIR_SEAL)
		seal_table(table, size - TAIL_BYTES - tag_bytes() - table);
	memcpy(image, &bound.header, HEADER_BYTES);
	memcpy(image + size - TAIL_BYTES, &bound.tail, TAIL_BYTES);
	return make_name(table, repairs);
}

static void read_record(struct tmc_segment_reader *reader, uint32_t n, bool is_sealed)
{
	struct tmc_record record;
	uint8_t *payload;

	tmc_segment_record(reader, n, &record);
	if (record.payload || record.seq != tmc_segment_info(reader)->first_seq + n ||
	    record.payload_bytes > TMC_RECORD_BYTES_MAX || record.offset % 512 ||
	    record.bytes % 512 || record.offset + record.bytes > INT64_MAX)
		abort();
	if (!record.payload_bytes)
		return;
	payload = malloc(record.payload_bytes); /* ASan watches its end */
	if (!tmc_segment_payload(reader, n, payload) && fuzz_encrypted && !is_sealed &&
	    !is_zero(payload, record.payload_bytes))
		abort();
	free(payload);
}

static void load(const struct tmc_id *id, uint8_t repairs)
{
	struct tmc_segment_reader *reader;
	struct tmc_segment segment;
	int ret = tmc_segment_open(fuzz_repo(), id, &reader);

	if (ret < 0)
		return;
	fuzz_accept(repairs & REPAIR_SEAL);
	if (tmc_segment_look(fuzz_repo(), id, &segment, NULL) < 0 || segment.bytes != size ||
	    strnlen(tmc_segment_volume_id(reader), TMC_TEXT_BYTES) == TMC_TEXT_BYTES)
		abort();
	for (uint32_t n = 0; n < tmc_segment_nr_records(reader); n++)
		read_record(reader, n, repairs & REPAIR_PROOFS);
	tmc_segment_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	struct tmc_id id;

	size = fuzz_bytes(&input, image, sizeof(image));
	id = repair(repairs);
	fuzz_put(TMC_STORE_JOURNAL, &id, image, size);
	fuzz_memory_begin(CAP_BYTES);
	load(&id, repairs);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_JOURNAL, &id);
	return 0;
}
