// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads a segment. Header and tail bound all lengths by the size of the object; then the name
 * proves header, table and tail, and only then records are looked at. Payloads stand back to
 * back in their order: the lengths in the table give their places, and have to end where it
 * begins.
 */
#include "catalog/segment.h"

#include "catalog/codec.h"
#include "catalog/object.h"
#include "catalog/repo.h"
#include "catalog/segment_proof.h"
#include "common/cleanup.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/zero.h"

#include <errno.h>
#include <stdlib.h>

#define HEADER_BYTES sizeof(struct tmc_object_header_disk)
#define TAIL_BYTES   sizeof(struct tmc_segment_tail_disk)
#define RECORD_BYTES sizeof(struct tmc_segment_record_disk)

enum { STRING_VOLUME_ID = 1 };

struct tmc_segment_reader {
	struct tmc_repo *repo;
	char what[TMC_STORE_TEXT];
	int fd;
	struct tmc_segment_bound bound;
	struct tmc_segment info;
	uint8_t *table; /* plain: strings, then records */
	const struct tmc_segment_record_disk *records;
	uint32_t nr_records;
	uint64_t *places; /* of payloads, by record */
	char volume_id[TMC_TEXT_BYTES];
	struct tmc_hash *hash;
	struct tmc_aead *aead; /* NULL where nothing is encrypted */
	struct tmc_codec codec;
	uint8_t *stored; /* room for the largest payload and its tag */
	uint32_t stored_bytes_max;
};

uint64_t tmc_segment_id_stretch(const struct tmc_id *id)
{
	return get_be64(id->bytes);
}

uint64_t tmc_segment_id_seq(const struct tmc_id *id)
{
	return get_be64(id->bytes + 8);
}

static int damaged(const struct tmc_segment_reader *reader, const char *why)
{
	return failure_set(-EBADMSG, "%s is damaged: %s", reader->what, why);
}

static size_t seal_bytes(const struct tmc_segment_reader *reader)
{
	return tmc_keys_is_encrypted(reader->repo->keys) ? TMC_TAG_BYTES : 0;
}

static int read_part(const struct tmc_segment_reader *reader, void *ret_data, size_t bytes,
		     uint64_t offset)
{
	int ret = io_read_full(reader->fd, ret_data, bytes, offset);

	return ret < 0 ? failure_set(ret == -ENODATA ? -EBADMSG : ret, "cannot read %s: %s",
				     reader->what, strerror(-ret)) : 0;
}

/* ------------------------------------------------------------------------ tail */

static bool follows(const struct tmc_id *previous, const struct tmc_segment *info)
{
	if (tmc_id_equal(previous, &tmc_id_zero))
		return true;
	return tmc_segment_id_stretch(previous) == info->stretch && info->first_seq &&
	       tmc_segment_id_seq(previous) == info->first_seq - 1;
}

static bool sizes_fit(const struct tmc_segment_reader *reader)
{
	const struct tmc_segment_tail_disk *tail = &reader->bound.tail;
	uint64_t nr_records = get_le32(tail->nr_records);
	uint64_t strings_bytes = get_le32(tail->strings_bytes);
	uint64_t table_bytes = get_le32(tail->table_bytes);
	uint64_t offset = get_le64(tail->table_offset);
	uint64_t end = reader->info.bytes - TAIL_BYTES;

	return nr_records && nr_records <= TMC_SEGMENT_RECORDS_MAX &&
	       strings_bytes <= TMC_SEGMENT_STRINGS_BYTES &&
	       table_bytes == strings_bytes + nr_records * RECORD_BYTES &&
	       offset >= HEADER_BYTES && offset <= end &&
	       end - offset == table_bytes + seal_bytes(reader);
}

static bool parse_tail(struct tmc_segment_reader *reader, const struct tmc_id *id)
{
	const struct tmc_segment_tail_disk *tail = &reader->bound.tail;
	struct tmc_segment *info = &reader->info;

	info->id = *id;
	info->previous = tail->previous;
	info->stretch = get_le64(tail->stretch);
	info->first_seq = get_le64(tail->first_seq);
	info->last_seq = get_le64(tail->last_seq);
	info->first_time_ns = get_le64(tail->first_time_ns);
	info->last_time_ns = get_le64(tail->last_time_ns);
	info->settles_seq = get_le64(tail->settles_seq);
	info->payload_bytes = get_le64(tail->payload_bytes);
	info->nr_marks = get_le32(tail->nr_marks);
	info->nr_flushes = get_le32(tail->nr_flushes);
	reader->nr_records = get_le32(tail->nr_records);
	return is_zero(tail->zero, sizeof(tail->zero)) && sizes_fit(reader) && info->stretch &&
	       info->last_seq >= info->first_seq &&
	       info->last_seq - info->first_seq == reader->nr_records - 1 &&
	       info->stretch == tmc_segment_id_stretch(id) &&
	       info->last_seq == tmc_segment_id_seq(id) && follows(&tail->previous, info);
}

static int read_ends(struct tmc_segment_reader *reader, const struct tmc_id *id)
{
	struct tmc_segment_tail_disk *tail = &reader->bound.tail;
	int ret = tmc_store_get(reader->repo->store, TMC_STORE_JOURNAL, id, &reader->fd,
				&reader->info.bytes);

	if (ret < 0)
		return ret;
	if (reader->info.bytes < HEADER_BYTES + RECORD_BYTES + TAIL_BYTES)
		return damaged(reader, "its size makes no sense");
	ret = read_part(reader, &reader->bound.header, HEADER_BYTES, 0);
	if (!ret)
		ret = tmc_object_header_check(&reader->bound.header, TMC_OBJECT_JOURNAL,
					      reader->repo->keys, reader->what, NULL);
	if (!ret)
		ret = read_part(reader, tail, TAIL_BYTES, reader->info.bytes - TAIL_BYTES);
	if (ret < 0)
		return ret;
	if (memcmp(tail->magic, TMC_SEGMENT_MAGIC, sizeof(tail->magic)) ||
	    get_le32(tail->crc) != crc32c(0, tail, offsetof(struct tmc_segment_tail_disk, crc)))
		return damaged(reader, "its end fails its checksum");
	return parse_tail(reader, id) ? 0 : damaged(reader, "its end makes no sense");
}

/* ----------------------------------------------------------------------- table */

static int open_table(struct tmc_segment_reader *reader, size_t bytes)
{
	uint8_t nonce[TMC_NONCE_BYTES];

	tmc_segment_nonce(&reader->bound.header, TMC_SEGMENT_TABLE, nonce);
	return tmc_aead_open(reader->aead, nonce, &reader->bound, sizeof(reader->bound),
			     reader->table, bytes, reader->table);
}

/* Nothing of it is looked at before the name has been proved, and the tag. */
static int read_table(struct tmc_segment_reader *reader)
{
	size_t bytes = get_le32(reader->bound.tail.table_bytes);
	size_t stored_bytes = bytes + seal_bytes(reader);
	struct tmc_id id;
	int ret;

	reader->table = malloc(stored_bytes);
	if (!reader->table)
		return failure_set(-ENOMEM, "out of memory");
	ret = read_part(reader, reader->table, stored_bytes,
			get_le64(reader->bound.tail.table_offset));
	if (!ret)
		ret = tmc_segment_name(reader->hash, &reader->bound, reader->table, stored_bytes,
				       &id);
	if (ret < 0)
		return ret;
	if (!tmc_id_equal(&id, &reader->info.id))
		return damaged(reader, "it is not what its name says");
	ret = reader->aead ? open_table(reader, bytes) : 0;
	return ret == -EBADMSG ? damaged(reader, "it is not what was encrypted") : ret;
}

static bool get_strings(struct tmc_segment_reader *reader, const uint8_t *p, size_t bytes)
{
	unsigned int last_tag = 0;

	while (bytes) {
		struct tmc_string_disk disk;
		unsigned int tag;
		size_t length;

		if (bytes < sizeof(disk))
			return false;
		memcpy(&disk, p, sizeof(disk));
		p += sizeof(disk);
		bytes -= sizeof(disk);
		tag = get_le16(disk.tag);
		length = get_le16(disk.bytes);
		if (length > bytes || tag <= last_tag)
			return false;
		last_tag = tag;
		if (tag == STRING_VOLUME_ID) {
			if (length >= TMC_TEXT_BYTES || memchr(p, 0, length))
				return false;
			memcpy(reader->volume_id, p, length);
		}
		p += length;
		bytes -= length;
	}
	return true;
}

/* Before compression. */
static uint32_t payload_bytes(const struct tmc_segment_record_disk *disk)
{
	bool is_stored = get_le32(disk->stored_bytes);

	switch (disk->type) {
	case TMC_RECORD_WRITE:
	case TMC_RECORD_MARK:
		return (uint32_t)get_le64(disk->bytes);
	case TMC_RECORD_REREAD:
		return is_stored ? (uint32_t)get_le64(disk->bytes) : 0;
	default:
		return 0;
	}
}

static bool range_is_valid(const struct tmc_segment_record_disk *disk)
{
	uint64_t offset = get_le64(disk->offset), bytes = get_le64(disk->bytes);

	switch (disk->type) {
	case TMC_RECORD_WRITE:
	case TMC_RECORD_REREAD:
		if (bytes > TMC_RECORD_BYTES_MAX)
			return false;
		/* fall through */
	case TMC_RECORD_DISCARD:
	case TMC_RECORD_ZEROES:
		return bytes && !(offset % 512) && !(bytes % 512) && offset <= INT64_MAX &&
		       bytes <= INT64_MAX - offset;
	case TMC_RECORD_FLUSH:
	case TMC_RECORD_CUT:
		return !offset && !bytes;
	case TMC_RECORD_MARK:
		return !offset && bytes <= TMC_MARK_BYTES_MAX;
	default:
		return false;
	}
}

static bool payload_is_valid(const struct tmc_segment_record_disk *disk)
{
	uint32_t stored_bytes = get_le32(disk->stored_bytes), bytes = payload_bytes(disk);

	if (!stored_bytes)
		return disk->codec == TMC_CODEC_RAW && is_zero(&disk->proof, sizeof(disk->proof)) &&
		       (!bytes || disk->type == TMC_RECORD_WRITE);
	switch (disk->codec) {
	case TMC_CODEC_RAW:
		return stored_bytes == bytes;
	case TMC_CODEC_LZ4:
	case TMC_CODEC_ZSTD:
		return stored_bytes < bytes;
	default:
		return false;
	}
}

/* The tail is proved by then, and has to say the same as the records. */
static bool sums_fit(const struct tmc_segment_reader *reader, const struct tmc_segment *sums)
{
	const struct tmc_segment *info = &reader->info;

	return sums->payload_bytes == info->payload_bytes && sums->nr_marks == info->nr_marks &&
	       sums->nr_flushes == info->nr_flushes &&
	       get_le64(reader->records[0].time_ns) == info->first_time_ns &&
	       get_le64(reader->records[reader->nr_records - 1].time_ns) == info->last_time_ns;
}

static bool get_records(struct tmc_segment_reader *reader)
{
	uint64_t place = HEADER_BYTES, end = get_le64(reader->bound.tail.table_offset);
	struct tmc_segment sums = { 0 };

	for (uint32_t n = 0; n < reader->nr_records; n++) {
		const struct tmc_segment_record_disk *disk = &reader->records[n];
		uint32_t stored_bytes = get_le32(disk->stored_bytes);

		if (disk->zero ||
		    disk->flags & ~(TMC_RECORD_PREFLUSH | TMC_RECORD_FUA | TMC_RECORD_MORE) ||
		    !range_is_valid(disk) || !payload_is_valid(disk) || stored_bytes > end - place)
			return false;
		reader->places[n] = place;
		place += stored_bytes;
		if (stored_bytes > reader->stored_bytes_max)
			reader->stored_bytes_max = stored_bytes;
		sums.payload_bytes += payload_bytes(disk);
		sums.nr_marks += disk->type == TMC_RECORD_MARK;
		sums.nr_flushes += disk->type == TMC_RECORD_FLUSH ||
				   disk->flags & TMC_RECORD_PREFLUSH;
	}
	return place == end && sums_fit(reader, &sums);
}

static int parse_table(struct tmc_segment_reader *reader)
{
	size_t strings_bytes = get_le32(reader->bound.tail.strings_bytes);

	reader->places = calloc(reader->nr_records, sizeof(*reader->places));
	if (!reader->places)
		return failure_set(-ENOMEM, "out of memory");
	reader->records = (const void *)(reader->table + strings_bytes);
	return get_strings(reader, reader->table, strings_bytes) && get_records(reader) ? 0 :
		       damaged(reader, "it makes no sense");
}

/* ---------------------------------------------------------------- open and look */

static void init_reader(struct tmc_segment_reader *reader, struct tmc_repo *repo,
			const struct tmc_id *id)
{
	reader->repo = repo;
	reader->fd = -1;
	tmc_store_describe(repo->store, TMC_STORE_JOURNAL, id, reader->what);
}

static int prove(struct tmc_segment_reader *reader)
{
	struct tmc_keys *keys = reader->repo->keys;
	int ret;

	reader->hash = tmc_hash_create(keys);
	if (tmc_keys_is_encrypted(keys))
		reader->aead = tmc_keys_get_aead(keys, TMC_KEY_JOURNAL);
	if (!reader->hash || (tmc_keys_is_encrypted(keys) && !reader->aead))
		return failure_set(-ENOMEM, "out of memory");
	ret = read_table(reader);
	return ret ? ret : parse_table(reader);
}

static void close_cleanup(struct tmc_segment_reader **reader)
{
	tmc_segment_close(*reader);
}

int tmc_segment_open(struct tmc_repo *repo, const struct tmc_id *id,
		     struct tmc_segment_reader **ret_reader)
{
	CLEANUP(close_cleanup) struct tmc_segment_reader *reader = calloc(1, sizeof(*reader));
	int ret;

	if (!reader)
		return failure_set(-ENOMEM, "out of memory");
	init_reader(reader, repo, id);
	ret = read_ends(reader, id);
	if (!ret)
		ret = prove(reader);
	if (ret < 0)
		return ret;
	*ret_reader = reader;
	reader = NULL;
	return 0;
}

void tmc_segment_close(struct tmc_segment_reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader->table);
	free(reader->places);
	free(reader->stored);
	tmc_hash_destroy(reader->hash);
	tmc_keys_put_aead(reader->repo->keys, TMC_KEY_JOURNAL, reader->aead);
	tmc_codec_exit(&reader->codec);
	free(reader);
}

static int look_at_ends(struct tmc_repo *repo, const struct tmc_id *id,
			struct tmc_segment *ret_segment)
{
	struct tmc_segment_reader reader = { 0 };
	int ret;

	init_reader(&reader, repo, id);
	ret = read_ends(&reader, id);
	if (reader.fd >= 0)
		close(reader.fd);
	if (!ret)
		*ret_segment = reader.info;
	return ret;
}

int tmc_segment_look(struct tmc_repo *repo, const struct tmc_id *id,
		     struct tmc_segment *ret_segment, char ret_volume_id[TMC_TEXT_BYTES])
{
	CLEANUP(close_cleanup) struct tmc_segment_reader *reader = NULL;
	int ret;

	if (!ret_volume_id)
		return look_at_ends(repo, id, ret_segment);
	ret = tmc_segment_open(repo, id, &reader);
	if (ret < 0)
		return ret;
	*ret_segment = reader->info;
	memcpy(ret_volume_id, reader->volume_id, sizeof(reader->volume_id));
	return 0;
}

/* ------------------------------------------------------------------------ read */

const struct tmc_segment *tmc_segment_info(const struct tmc_segment_reader *reader)
{
	return &reader->info;
}

const char *tmc_segment_volume_id(const struct tmc_segment_reader *reader)
{
	return reader->volume_id;
}

uint32_t tmc_segment_nr_records(const struct tmc_segment_reader *reader)
{
	return reader->nr_records;
}

void tmc_segment_record(const struct tmc_segment_reader *reader, uint32_t n,
			struct tmc_record *ret_record)
{
	const struct tmc_segment_record_disk *disk = &reader->records[n];

	*ret_record = (struct tmc_record){
		.type = (enum tmc_record_type)disk->type,
		.flags = disk->flags,
		.seq = reader->info.first_seq + n,
		.time_ns = get_le64(disk->time_ns),
		.offset = get_le64(disk->offset),
		.bytes = disk->type == TMC_RECORD_MARK ? 0 : get_le64(disk->bytes),
		.payload_bytes = payload_bytes(disk),
	};
}

static int damaged_payload(const struct tmc_segment_reader *reader, uint32_t n, const char *why)
{
	return failure_set(-EBADMSG, "%s is damaged: the content of record %llu %s", reader->what,
			   (unsigned long long)(reader->info.first_seq + n), why);
}

static int reserve_stored(struct tmc_segment_reader *reader)
{
	if (!reader->stored)
		reader->stored = malloc(reader->stored_bytes_max + TMC_TAG_BYTES);
	return reader->stored ? 0 : failure_set(-ENOMEM, "out of memory");
}

static int open_payload(struct tmc_segment_reader *reader, uint32_t n, uint8_t *stored,
			uint32_t bytes, void *ret_content)
{
	const struct tmc_object_header_disk *header = &reader->bound.header;
	uint8_t nonce[TMC_NONCE_BYTES];
	int ret;

	memcpy(stored + bytes, &reader->records[n].proof, TMC_TAG_BYTES);
	tmc_segment_nonce(header, n, nonce);
	ret = tmc_aead_open(reader->aead, nonce, header, sizeof(*header), stored, bytes,
			    ret_content);
	return ret == -EBADMSG ? damaged_payload(reader, n, "is not what was encrypted") : ret;
}

static int prove_payload(struct tmc_segment_reader *reader, uint32_t n, const uint8_t *stored,
			 uint32_t bytes)
{
	struct tmc_proof_disk proof;
	int ret = tmc_segment_proof(reader->hash, stored, bytes, &proof);

	if (!ret && memcmp(&proof, &reader->records[n].proof, sizeof(proof)))
		ret = damaged_payload(reader, n, "is not what its hash says");
	return ret;
}

/* As it was before it was sealed: of what is not compressed right into ret_content. */
static int read_payload(struct tmc_segment_reader *reader, uint32_t n, uint8_t *content)
{
	uint32_t bytes = get_le32(reader->records[n].stored_bytes);
	uint8_t *stored = reader->aead ? reader->stored : content;
	int ret = read_part(reader, stored, bytes, reader->places[n]);

	if (ret < 0)
		return ret;
	return reader->aead ? open_payload(reader, n, stored, bytes, content) :
			      prove_payload(reader, n, stored, bytes);
}

int tmc_segment_payload(struct tmc_segment_reader *reader, uint32_t n, void *ret_payload)
{
	const struct tmc_segment_record_disk *disk = &reader->records[n];
	uint32_t bytes = payload_bytes(disk), stored_bytes = get_le32(disk->stored_bytes);
	bool is_raw = disk->codec == TMC_CODEC_RAW;
	int ret;

	if (!stored_bytes) {
		memset(ret_payload, 0, bytes);
		return 0;
	}
	ret = reserve_stored(reader);
	if (!ret)
		ret = read_payload(reader, n, is_raw ? ret_payload : reader->stored);
	if (ret < 0 || is_raw)
		return ret;
	ret = tmc_codec_ops->decompress(&reader->codec, disk->codec, reader->stored, stored_bytes,
					ret_payload, bytes);
	if (ret == -ENOMEM)
		return failure_set(ret, "out of memory");
	return ret < 0 ? damaged_payload(reader, n, "cannot be decompressed") : 0;
}
