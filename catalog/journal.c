// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Writes a stretch of the journal. Whoever appends compresses and proves the payload right
 * into the image of the segment that is being filled; a thread ends images with table and
 * tail, stores them and makes their names durable, one after the other: a segment is named
 * after its predecessor (docs/journal.md, crash order 1), whose name it says.
 *
 *	empty --append--> filled --seal--> full --thread--> durable: named, told, empty again
 *
 * There are two images, so that one is filled while another one is stored; who needs a third
 * waits. Nothing is stored after a failure, whoever met it.
 */
#include "catalog/codec.h"
#include "catalog/object.h"
#include "catalog/repo.h"
#include "catalog/segment.h"
#include "catalog/session.h"
#include "catalog/segment_proof.h"
#include "common/cleanup.h"
#include "common/crc32c.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/queue.h"
#include "common/zero.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define NR_SEGMENTS  2
#define DIRECT_BYTES (1u << 20) /* from so many on an image goes past the page cache */
#define PAGE_BYTES   4096u
#define NR_RECORDS   1024u /* at first */

#define HEADER_BYTES sizeof(struct tmc_object_header_disk)
#define TAIL_BYTES   sizeof(struct tmc_segment_tail_disk)
#define RECORD_BYTES sizeof(struct tmc_segment_record_disk)

/* What is full at the target has grown by one record, and there is room for tags. */
#define IMAGE_BYTES (TMC_SEGMENT_TARGET_BYTES + TMC_RECORD_BYTES_MAX + PAGE_BYTES)

static_assert(TMC_SEGMENT_TARGET_BYTES / RECORD_BYTES < TMC_SEGMENT_RECORDS_MAX,
	      "a segment is full before it has too many records");

struct segment {
	struct tmc_object_header_disk header;
	uint8_t *image; /* header and payloads; then, in the thread, table and tail */
	size_t bytes;
	struct tmc_segment_record_disk *records;
	uint32_t nr_records, capacity;
	uint64_t first_seq;
	uint64_t settles_seq;
	uint64_t payload_bytes;
	uint32_t nr_marks, nr_flushes;
};

struct crypt { /* what one thread proves and seals with */
	struct tmc_hash *hash;
	struct tmc_aead *aead; /* NULL where nothing is encrypted */
};

struct tmc_journal {
	struct tmc_repo *repo; /* constant, as all down to strings */
	struct tmc_journal_options options;
	uint64_t volume_bytes;
	uint64_t stretch;
	uint8_t strings[TMC_SEGMENT_STRINGS_BYTES];
	uint32_t strings_bytes;
	struct tmc_store *store; /* with a session of its own, which avoids every doom */
	bool thread_runs;
	pthread_t thread;
	struct queue *full, *empty; /* of struct segment; to the thread and back */
	struct first_failure failure;
	atomic_bool dropped; /* nothing more is wanted */
	struct segment segments[NR_SEGMENTS];

	struct crypt payload_crypt; /* the caller's, as the next five */
	struct tmc_codec codec;
	uint8_t *scratch;
	struct segment *filled; /* NULL: the next record begins one */
	uint64_t next_seq;
	uint64_t settles_seq;

	struct crypt table_crypt; /* the thread's */
	struct tmc_id previous;
};

static size_t seal_bytes(const struct tmc_journal *journal)
{
	return journal->table_crypt.aead ? TMC_TAG_BYTES : 0;
}

/* ----------------------------------------------------------------------- store */

static struct tmc_segment_tail_disk make_tail(const struct tmc_journal *journal,
					      const struct segment *segment)
{
	size_t table_bytes = journal->strings_bytes + segment->nr_records * RECORD_BYTES;
	struct tmc_segment_tail_disk tail = {
		.nr_records = put_le32(segment->nr_records),
		.table_offset = put_le64(segment->bytes),
		.table_bytes = put_le32((uint32_t)table_bytes),
		.strings_bytes = put_le32(journal->strings_bytes),
		.stretch = put_le64(journal->stretch),
		.first_seq = put_le64(segment->first_seq),
		.last_seq = put_le64(segment->first_seq + segment->nr_records - 1),
		.first_time_ns = segment->records[0].time_ns,
		.last_time_ns = segment->records[segment->nr_records - 1].time_ns,
		.settles_seq = put_le64(segment->settles_seq),
		.payload_bytes = put_le64(segment->payload_bytes),
		.nr_marks = put_le32(segment->nr_marks),
		.nr_flushes = put_le32(segment->nr_flushes),
		.previous = journal->previous,
	};

	memcpy(tail.magic, TMC_SEGMENT_MAGIC, sizeof(tail.magic));
	tail.crc = put_le32(crc32c(0, &tail, offsetof(struct tmc_segment_tail_disk, crc)));
	return tail;
}

static int seal_table(struct tmc_aead *aead, const struct tmc_segment_bound *bound, uint8_t *table,
		      size_t bytes)
{
	uint8_t nonce[TMC_NONCE_BYTES];

	tmc_segment_nonce(&bound->header, TMC_SEGMENT_TABLE, nonce);
	return tmc_aead_seal(aead, nonce, bound, sizeof(*bound), table, bytes, table);
}

/* Table and tail, behind the payloads. */
static int end_image(struct tmc_journal *journal, struct segment *segment, struct tmc_id *ret_id)
{
	const struct tmc_segment_bound bound = { segment->header, make_tail(journal, segment) };
	size_t records_bytes = segment->nr_records * RECORD_BYTES;
	size_t table_bytes = journal->strings_bytes + records_bytes;
	uint8_t *table = segment->image + segment->bytes;
	int ret = 0;

	memcpy(table, journal->strings, journal->strings_bytes);
	memcpy(table + journal->strings_bytes, segment->records, records_bytes);
	if (journal->table_crypt.aead)
		ret = seal_table(journal->table_crypt.aead, &bound, table, table_bytes);
	table_bytes += seal_bytes(journal);
	if (!ret)
		ret = tmc_segment_name(journal->table_crypt.hash, &bound, table, table_bytes,
				       ret_id);
	memcpy(table + table_bytes, &bound.tail, sizeof(bound.tail));
	segment->bytes += table_bytes + sizeof(bound.tail);
	return ret;
}

static int write_image(struct tmc_draft *draft, const struct segment *segment)
{
	size_t direct = 0;
	int ret = 0;

	if (segment->bytes >= DIRECT_BYTES) {
		direct = segment->bytes / PAGE_BYTES * PAGE_BYTES;
		tmc_store_set_direct(draft);
		ret = tmc_store_write(draft, segment->image, direct);
	}
	if (!ret && segment->bytes > direct)
		ret = tmc_store_write(draft, segment->image + direct, segment->bytes - direct);
	return ret;
}

static int store_segment(struct tmc_journal *journal, struct segment *segment)
{
	uint64_t last_seq = segment->first_seq + segment->nr_records - 1;
	struct tmc_draft *draft;
	struct tmc_id id;
	int ret = end_image(journal, segment, &id);

	if (!ret)
		ret = tmc_store_begin(journal->store, &draft);
	if (ret < 0)
		return ret;
	ret = write_image(draft, segment);
	if (ret < 0) {
		tmc_store_discard(draft);
		return ret;
	}
	ret = tmc_store_seal(draft, TMC_STORE_JOURNAL, &id);
	if (ret < 0)
		return ret;
	journal->previous = id;
	if (journal->options.durable)
		journal->options.durable(journal->options.context, &id, last_seq);
	return 0;
}

static void *journal_thread(void *arg)
{
	struct tmc_journal *journal = arg;
	struct segment *segment;

	while ((segment = queue_pop(journal->full))) {
		int ret = 0;

		if (!atomic_load(&journal->dropped) && !first_failure_get(&journal->failure))
			ret = store_segment(journal, segment);
		if (ret < 0)
			first_failure_note(&journal->failure, ret);
		queue_push(journal->empty, segment);
	}
	return NULL;
}

/* ----------------------------------------------------------------------- begin */

static int create_crypt(struct tmc_keys *keys, struct crypt *ret_crypt)
{
	ret_crypt->hash = tmc_hash_create(keys);
	if (tmc_keys_is_encrypted(keys))
		ret_crypt->aead = tmc_keys_get_aead(keys, TMC_KEY_JOURNAL);
	return ret_crypt->hash && (ret_crypt->aead || !tmc_keys_is_encrypted(keys)) ? 0 :
		       failure_set(-ENOMEM, "out of memory");
}

static void destroy_crypt(struct tmc_keys *keys, struct crypt *crypt)
{
	tmc_hash_destroy(crypt->hash);
	tmc_keys_put_aead(keys, TMC_KEY_JOURNAL, crypt->aead);
}

static void put_string(struct tmc_journal *journal, unsigned int tag, const char *text)
{
	uint8_t *p = journal->strings + journal->strings_bytes;
	size_t bytes = strnlen(text, TMC_TEXT_BYTES - 1);
	struct tmc_string_disk disk = {
		.tag = put_le16((uint16_t)tag),
		.bytes = put_le16((uint16_t)bytes),
	};

	static_assert(3 * (sizeof(disk) + TMC_TEXT_BYTES - 1) <= TMC_SEGMENT_STRINGS_BYTES,
		      "there is room for all strings");
	if (!bytes)
		return;
	memcpy(p, &disk, sizeof(disk));
	memcpy(p + sizeof(disk), text, bytes);
	journal->strings_bytes += (uint32_t)(sizeof(disk) + bytes);
}

static int check_volume(const struct tmc_volume *volume)
{
	if (!volume->volume_id[0])
		return failure_set(-EINVAL, "a volume without an id can have no journal");
	if (volume->volume_bytes > INT64_MAX || volume->volume_bytes % 512)
		return failure_set(-EINVAL, "a volume of %llu bytes can have no journal: its size "
				   "is no multiple of 512, or not known",
				   (unsigned long long)volume->volume_bytes);
	return 0;
}

/* After this look nobody else appends there: invariant 2. */
static int check_stretch(struct tmc_repo *repo, const struct tmc_volume *volume,
			 const struct tmc_journal_options *options)
{
	return options->stretch ? tmc_segment_check_end(repo, volume->volume_id, options->stretch,
							options->first_seq, &options->previous) : 0;
}

static void destroy(struct tmc_journal *journal)
{
	if (journal->thread_runs) {
		queue_close(journal->full);
		pthread_join(journal->thread, NULL);
	}
	for (size_t i = 0; i < NR_SEGMENTS; i++) {
		free(journal->segments[i].image);
		free(journal->segments[i].records);
	}
	queue_destroy(journal->full);
	queue_destroy(journal->empty);
	destroy_crypt(journal->repo->keys, &journal->payload_crypt);
	destroy_crypt(journal->repo->keys, &journal->table_crypt);
	tmc_codec_exit(&journal->codec);
	free(journal->scratch);
	tmc_store_close(journal->store);
	free(journal);
}

static void destroy_cleanup(struct tmc_journal **journal)
{
	if (*journal)
		destroy(*journal);
}

static int create_segments(struct tmc_journal *journal)
{
	journal->full = queue_create(NR_SEGMENTS);
	journal->empty = queue_create(NR_SEGMENTS);
	journal->scratch = malloc(TMC_RECORD_BYTES_MAX);
	if (!journal->full || !journal->empty || !journal->scratch)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < NR_SEGMENTS; i++) {
		struct segment *segment = &journal->segments[i];

		segment->image = aligned_alloc(PAGE_BYTES, IMAGE_BYTES);
		segment->records = malloc(NR_RECORDS * RECORD_BYTES);
		segment->capacity = NR_RECORDS;
		if (!segment->image || !segment->records)
			return failure_set(-ENOMEM, "out of memory");
		queue_push(journal->empty, segment);
	}
	return 0;
}

/*
 * A stretch lasts for months, and needs nothing of what it finds: no sweep has to wait for
 * it. The handle's own session may be one that others have to wait for.
 */
static int enter(struct tmc_journal *journal)
{
	int ret = tmc_repo_check_writable(journal->repo);

	if (!ret)
		ret = tmc_store_open(tmc_store_path(journal->repo->store), &journal->store);
	if (!ret)
		ret = tmc_store_enter(journal->store, "journal");
	return ret ? ret : tmc_session_avoid_all(tmc_store_session(journal->store));
}

static int start(struct tmc_journal *journal)
{
	struct tmc_keys *keys = journal->repo->keys;
	int ret = create_segments(journal);

	if (!ret)
		ret = create_crypt(keys, &journal->payload_crypt);
	if (!ret)
		ret = create_crypt(keys, &journal->table_crypt);
	while (!ret && !journal->stretch)
		if (getrandom(&journal->stretch, sizeof(journal->stretch), 0) !=
		    sizeof(journal->stretch))
			ret = failure_set(-EIO, "the kernel gives no random numbers");
	if (!ret)
		ret = enter(journal);
	if (ret < 0)
		return ret;
	if (pthread_create(&journal->thread, NULL, journal_thread, journal))
		return failure_set(-EAGAIN, "cannot start a thread");
	journal->thread_runs = true;
	return 0;
}

int tmc_journal_begin(struct tmc_repo *repo, const struct tmc_volume *volume,
		      const struct tmc_journal_options *options, struct tmc_journal **ret_journal)
{
	CLEANUP(destroy_cleanup) struct tmc_journal *journal = NULL;
	int ret = check_volume(volume);

	if (!ret)
		ret = tmc_keys_check(repo->keys);
	if (!ret)
		ret = check_stretch(repo, volume, options);
	if (ret < 0)
		return ret;
	journal = calloc(1, sizeof(*journal));
	if (!journal)
		return failure_set(-ENOMEM, "out of memory");
	journal->repo = repo;
	journal->options = *options;
	journal->volume_bytes = volume->volume_bytes;
	journal->next_seq = options->first_seq;
	journal->stretch = options->stretch;
	journal->previous = options->previous;
	journal->codec.compression = repo->compression;
	first_failure_init(&journal->failure);
	put_string(journal, 1, volume->volume_id);
	put_string(journal, 2, volume->name);
	put_string(journal, 3, volume->host);
	ret = start(journal);
	if (ret < 0)
		return ret;
	*ret_journal = journal;
	journal = NULL;
	return 0;
}

uint64_t tmc_journal_stretch(const struct tmc_journal *journal)
{
	return journal->stretch;
}

/* ---------------------------------------------------------------------- append */

static int refuse(const struct tmc_record *record, const char *why)
{
	return failure_set(-EINVAL, "record %llu cannot be kept in the journal: %s",
			   (unsigned long long)record->seq, why);
}

static int check_range(const struct tmc_journal *journal, const struct tmc_record *record)
{
	if (!record->bytes || record->offset % 512 || record->bytes % 512)
		return refuse(record, "offset and size have to be multiples of 512");
	if (record->offset > journal->volume_bytes ||
	    record->bytes > journal->volume_bytes - record->offset)
		return refuse(record, "it lies beyond the end of its volume");
	return 0;
}

static int check_content(const struct tmc_journal *journal, const struct tmc_record *record)
{
	int ret = check_range(journal, record);

	if (!ret && record->bytes > TMC_RECORD_BYTES_MAX)
		ret = refuse(record, "it has too many bytes");
	if (!ret && record->payload_bytes != record->bytes &&
	    (record->type == TMC_RECORD_WRITE || record->payload_bytes))
		ret = refuse(record, "its content is not as long as it says");
	return ret;
}

static int check_record(const struct tmc_journal *journal, const struct tmc_record *record)
{
	if (record->seq != journal->next_seq)
		return failure_set(-EINVAL, "record %llu cannot be kept in the journal, where "
				   "record %llu is the next", (unsigned long long)record->seq,
				   (unsigned long long)journal->next_seq);
	if (record->flags & ~(TMC_RECORD_PREFLUSH | TMC_RECORD_FUA | TMC_RECORD_MORE))
		return refuse(record, "it has unknown flags");
	if (record->type == TMC_RECORD_WRITE || record->type == TMC_RECORD_REREAD)
		return check_content(journal, record);
	if (record->payload_bytes > (record->type == TMC_RECORD_MARK ? TMC_MARK_BYTES_MAX : 0))
		return refuse(record, record->type == TMC_RECORD_MARK ?
			      "a mark has at most 255 bytes" : "its kind has no content");
	switch (record->type) {
	case TMC_RECORD_DISCARD:
	case TMC_RECORD_ZEROES:
		return check_range(journal, record);
	case TMC_RECORD_FLUSH:
	case TMC_RECORD_CUT:
	case TMC_RECORD_MARK:
		return record->offset || record->bytes ?
			       refuse(record, "its kind has no place on a volume") : 0;
	default:
		return refuse(record, "it is of no known kind");
	}
}

/* Waits while both are being stored. */
static int begin_segment(struct tmc_journal *journal)
{
	struct segment *segment = queue_pop(journal->empty);
	int ret = first_failure_get(&journal->failure);

	if (!ret)
		ret = tmc_object_header_init(&segment->header, TMC_OBJECT_JOURNAL,
					     journal->repo->keys);
	if (ret < 0) {
		queue_push(journal->empty, segment);
		return ret;
	}
	if (journal->codec.compression.method == TMC_COMPRESSION_ZSTD)
		tmc_object_header_mark(&segment->header, TMC_INCOMPAT_ZSTD);
	memcpy(segment->image, &segment->header, HEADER_BYTES);
	segment->bytes = HEADER_BYTES;
	segment->nr_records = 0;
	segment->first_seq = journal->next_seq;
	segment->payload_bytes = 0;
	segment->nr_marks = segment->nr_flushes = 0;
	journal->filled = segment;
	return 0;
}

static int reserve_record(struct segment *segment)
{
	void *records;

	if (segment->nr_records < segment->capacity)
		return 0;
	records = realloc(segment->records, 2 * segment->capacity * RECORD_BYTES);
	if (!records)
		return failure_set(-ENOMEM, "out of memory");
	segment->records = records;
	segment->capacity *= 2;
	return 0;
}

/* The tag moves from behind the payload into the table. */
static int seal_payload(struct tmc_aead *aead, const struct segment *segment, const void *content,
			uint32_t bytes, struct tmc_proof_disk *ret_proof)
{
	uint8_t *stored = segment->image + segment->bytes;
	uint8_t nonce[TMC_NONCE_BYTES];
	int ret;

	static_assert(sizeof(*ret_proof) == TMC_TAG_BYTES, "format");
	tmc_segment_nonce(&segment->header, segment->nr_records, nonce);
	ret = tmc_aead_seal(aead, nonce, &segment->header, HEADER_BYTES, content, bytes, stored);
	memcpy(ret_proof, stored + bytes, sizeof(*ret_proof));
	return ret;
}

static int put_payload(struct tmc_journal *journal, struct segment *segment,
		       const struct tmc_record *record, struct tmc_segment_record_disk *disk)
{
	uint8_t *stored = segment->image + segment->bytes;
	uint32_t bytes = record->payload_bytes;
	enum tmc_codec_kind kind = TMC_CODEC_RAW;
	int ret;

	if (!bytes || (record->type == TMC_RECORD_WRITE && is_zero(record->payload, bytes)))
		return 0;
	ret = tmc_codec_encode(&journal->codec, record->payload, bytes, stored, journal->scratch,
			       &kind);
	if (ret < 0)
		return ret;
	disk->codec = ret ? kind : TMC_CODEC_RAW;
	bytes = ret ? (uint32_t)ret : bytes;
	disk->stored_bytes = put_le32(bytes);
	if (journal->payload_crypt.aead) {
		ret = seal_payload(journal->payload_crypt.aead, segment,
				   ret ? stored : record->payload, bytes, &disk->proof);
	} else {
		if (!ret)
			memcpy(stored, record->payload, bytes);
		ret = tmc_segment_proof(journal->payload_crypt.hash, stored, bytes, &disk->proof);
	}
	segment->bytes += bytes;
	return ret;
}

static void count(struct segment *segment, const struct tmc_record *record)
{
	segment->nr_records++;
	segment->payload_bytes += record->payload_bytes;
	segment->nr_marks += record->type == TMC_RECORD_MARK;
	segment->nr_flushes += record->type == TMC_RECORD_FLUSH ||
			       record->flags & TMC_RECORD_PREFLUSH;
}

static bool is_full(const struct tmc_journal *journal, const struct segment *segment)
{
	return segment->bytes + journal->strings_bytes + segment->nr_records * RECORD_BYTES +
	       seal_bytes(journal) + TAIL_BYTES >= TMC_SEGMENT_TARGET_BYTES;
}

static void push_segment(struct tmc_journal *journal)
{
	journal->filled->settles_seq = journal->settles_seq;
	if (journal->settles_seq <= journal->next_seq) /* what comes later is right */
		journal->settles_seq = 0;
	queue_push(journal->full, journal->filled);
	journal->filled = NULL;
}

static int append(struct tmc_journal *journal, const struct tmc_record *record)
{
	struct tmc_segment_record_disk disk = {
		.type = (uint8_t)record->type,
		.flags = (uint8_t)record->flags,
		.time_ns = put_le64(record->time_ns),
		.offset = put_le64(record->offset),
		.bytes = put_le64(record->type == TMC_RECORD_MARK ? record->payload_bytes :
								    record->bytes),
	};
	int ret = journal->filled ? 0 : begin_segment(journal);

	if (!ret)
		ret = reserve_record(journal->filled);
	if (!ret)
		ret = put_payload(journal, journal->filled, record, &disk);
	if (ret < 0)
		return ret;
	journal->filled->records[journal->filled->nr_records] = disk;
	count(journal->filled, record);
	journal->next_seq++;
	if (is_full(journal, journal->filled))
		push_segment(journal);
	return 0;
}

int tmc_journal_append(struct tmc_journal *journal, const struct tmc_record *record)
{
	int ret = first_failure_get(&journal->failure);

	if (!ret)
		ret = check_record(journal, record);
	if (!ret)
		ret = append(journal, record);
	if (ret < 0)
		first_failure_note(&journal->failure, ret);
	return ret;
}

void tmc_journal_settle(struct tmc_journal *journal, uint64_t settles_seq)
{
	if (journal->settles_seq == UINT64_MAX || settles_seq > journal->settles_seq)
		journal->settles_seq = settles_seq;
}

/* ------------------------------------------------------------------------- end */

int tmc_journal_seal(struct tmc_journal *journal)
{
	int ret = first_failure_get(&journal->failure);

	if (!ret && journal->filled)
		push_segment(journal);
	return ret;
}

int tmc_journal_end(struct tmc_journal *journal)
{
	int ret;

	tmc_journal_seal(journal);
	queue_close(journal->full);
	pthread_join(journal->thread, NULL);
	journal->thread_runs = false;
	ret = first_failure_get(&journal->failure);
	destroy(journal);
	return ret;
}

void tmc_journal_abort(struct tmc_journal *journal)
{
	if (!journal)
		return;
	atomic_store(&journal->dropped, true);
	destroy(journal);
}
