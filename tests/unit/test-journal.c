// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Segments of the journal: what was appended comes back, in the order and with the names that
 * docs/journal.md promises; what is not what was appended is refused.
 */
#include "repo_fixture.h"

#include "catalog/codec.h"
#include "catalog/repo.h"
#include "catalog/segment.h"

#define CHUNK        4096u
#define VOLUME_BYTES (1ull << 30)
#define NR_MAX       4096u
#define NR_SEGMENTS  64u

/* What one stretch was given, and what the library told of it. */
struct tape {
	struct tmc_journal *journal;
	uint64_t stretch, first_seq;
	struct tmc_record records[NR_MAX];
	unsigned int nr;
	uint64_t seed;
	struct tmc_id durable[NR_SEGMENTS]; /* the library's thread's, until it has ended */
	uint64_t last_seqs[NR_SEGMENTS];
	atomic_uint nr_durable;
	const char *path; /* in which a durable one has to lie */
	bool misused;
};

static uint64_t next_random(struct tape *tape)
{
	tape->seed = tape->seed * 6364136223846793005u + 1442695040888963407u;
	return tape->seed >> 24;
}

static void note_durable(void *context, const struct tmc_id *segment, uint64_t last_seq)
{
	struct tape *tape = context;
	char digits[TMC_ID_TEXT], name[300];
	unsigned int nr = tape->nr_durable;

	tmc_id_format(segment, digits);
	snprintf(name, sizeof(name), "%s/journal/%s", tape->path, digits);
	tape->misused |= nr == NR_SEGMENTS || access(name, F_OK) ||
			 (nr && tape->last_seqs[nr - 1] >= last_seq);
	if (nr < NR_SEGMENTS) {
		tape->durable[nr] = *segment;
		tape->last_seqs[nr] = last_seq;
	}
	tape->nr_durable++;
}

static const struct tmc_volume volume = {
	.volume_id = "volume-one", .name = "vol", .host = "unit", .volume_bytes = VOLUME_BYTES,
};

static struct tape *begin_of(struct fixture *fixture, struct tmc_repo *repo,
			     const struct tmc_volume *of, uint64_t first_seq)
{
	struct tape *tape = calloc(1, sizeof(*tape));
	const struct tmc_journal_options options = {
		.first_seq = first_seq, .durable = note_durable, .context = tape,
	};

	tape->seed = first_seq + 1;
	tape->first_seq = first_seq;
	tape->path = fixture->path;
	assert_success(tmc_journal_begin(repo, of, &options, &tape->journal));
	tape->stretch = tmc_journal_stretch(tape->journal);
	assert_true(tape->stretch);
	return tape;
}

static struct tape *begin(struct fixture *fixture, struct tmc_repo *repo, uint64_t first_seq)
{
	return begin_of(fixture, repo, &volume, first_seq);
}

static void destroy(struct tape *tape)
{
	for (unsigned int i = 0; i < tape->nr; i++)
		free((void *)tape->records[i].payload);
	free(tape);
}

static uint8_t *make_content(struct tape *tape, enum content content, uint32_t bytes)
{
	uint8_t *data = calloc(1, bytes ? bytes : 1);
	uint64_t value = next_random(tape);

	for (uint32_t i = 0; i < bytes; i++) {
		if (content == CONTENT_RANDOM)
			data[i] = (uint8_t)next_random(tape);
		else if (content == CONTENT_TEXT)
			data[i] = (uint8_t)('a' + (i / 7 + (i % 64 ? 0 : value)) % 23);
		else if (content == CONTENT_DUPLICATE)
			data[i] = (uint8_t)(1 + value % 4 + i % 3);
	}
	if (content == CONTENT_ALMOST_ZERO)
		data[bytes - 1] = 1;
	return data;
}

/* The next record of the tape; its payload stays there. */
static struct tmc_record *make_record(struct tape *tape, enum tmc_record_type type,
				      enum content content, uint32_t bytes)
{
	struct tmc_record *record = &tape->records[tape->nr];
	bool has_range = type != TMC_RECORD_FLUSH && type != TMC_RECORD_CUT &&
			 type != TMC_RECORD_MARK;
	bool has_payload = type == TMC_RECORD_WRITE || type == TMC_RECORD_MARK ||
			   type == TMC_RECORD_REREAD;

	assert_true(tape->nr < NR_MAX);
	*record = (struct tmc_record){
		.type = type,
		.flags = (unsigned int)(next_random(tape) % 8),
		.seq = tape->first_seq + tape->nr,
		.time_ns = 1000000000u + next_random(tape) % 1000000u,
		.offset = has_range ? next_random(tape) % (VOLUME_BYTES - bytes + 1) / 512 * 512 : 0,
		.bytes = has_range ? bytes : 0,
		.payload = has_payload ? make_content(tape, content, bytes) : NULL,
		.payload_bytes = has_payload ? bytes : 0,
	};
	tape->nr++;
	return record;
}

static int append(struct tape *tape, enum tmc_record_type type, enum content content,
		  uint32_t bytes)
{
	return tmc_journal_append(tape->journal, make_record(tape, type, content, bytes));
}

/* Each type, each kind of content, sizes from the smallest to the largest. */
static void append_all_kinds(struct tape *tape)
{
	static const uint32_t sizes[] = { 512, 1024, 4096, 65536, 131072 - 512, 1048576 };

	assert_success(append(tape, TMC_RECORD_CUT, CONTENT_ZERO, 0));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned int content = 0; content < NR_CONTENTS; content++)
			assert_success(append(tape, TMC_RECORD_WRITE, (enum content)content,
					      sizes[i]));
	assert_success(append(tape, TMC_RECORD_DISCARD, CONTENT_ZERO, 512u << 20));
	assert_success(append(tape, TMC_RECORD_ZEROES, CONTENT_ZERO, 1536));
	assert_success(append(tape, TMC_RECORD_FLUSH, CONTENT_ZERO, 0));
	assert_success(append(tape, TMC_RECORD_MARK, CONTENT_TEXT, 1));
	assert_success(append(tape, TMC_RECORD_MARK, CONTENT_TEXT, TMC_MARK_BYTES_MAX));
	assert_success(append(tape, TMC_RECORD_MARK, CONTENT_TEXT, 0));
	for (unsigned int content = 0; content < NR_CONTENTS; content++)
		assert_success(append(tape, TMC_RECORD_REREAD, (enum content)content, 8192));
	/* One that could not be read. */
	make_record(tape, TMC_RECORD_REREAD, CONTENT_ZERO, 8192)->payload_bytes = 0;
	assert_success(tmc_journal_append(tape->journal, &tape->records[tape->nr - 1]));
}

/* -------------------------------------------------------------------- expectations */

static void expect_record(const struct tmc_record *record, const struct tmc_record *expected)
{
	assert_int_equal(record->type, expected->type);
	assert_int_equal(record->flags, expected->flags);
	assert_int_equal(record->seq, expected->seq);
	assert_int_equal(record->time_ns, expected->time_ns);
	assert_int_equal(record->offset, expected->offset);
	assert_int_equal(record->bytes, expected->bytes);
	assert_int_equal(record->payload_bytes, expected->payload_bytes);
}

static void expect_info(const struct tape *tape, const struct tmc_segment *info)
{
	const struct tmc_record *records = &tape->records[info->first_seq - tape->first_seq];
	uint64_t nr = info->last_seq - info->first_seq + 1, payload_bytes = 0;
	uint32_t nr_marks = 0, nr_flushes = 0;

	for (uint64_t i = 0; i < nr; i++) {
		payload_bytes += records[i].payload_bytes;
		nr_marks += records[i].type == TMC_RECORD_MARK;
		nr_flushes += records[i].type == TMC_RECORD_FLUSH ||
			      records[i].flags & TMC_RECORD_PREFLUSH;
	}
	assert_int_equal(info->payload_bytes, payload_bytes);
	assert_int_equal(info->nr_marks, nr_marks);
	assert_int_equal(info->nr_flushes, nr_flushes);
	assert_int_equal(info->first_time_ns, records[0].time_ns);
	assert_int_equal(info->last_time_ns, records[nr - 1].time_ns);
	assert_int_equal(info->stretch, tape->stretch);
}

/* Returns its last seq. */
static uint64_t expect_segment(struct tmc_repo *repo, const struct tape *tape,
			       const struct tmc_id *id, uint64_t first_seq)
{
	struct tmc_segment_reader *reader;
	const struct tmc_segment *info;
	struct tmc_record record;

	assert_success(tmc_segment_open(repo, id, &reader));
	info = tmc_segment_info(reader);
	assert_int_equal(info->first_seq, first_seq);
	assert_int_equal(tmc_segment_nr_records(reader), info->last_seq - first_seq + 1);
	assert_int_equal(tmc_segment_id_stretch(id), tape->stretch);
	assert_int_equal(tmc_segment_id_seq(id), info->last_seq);
	assert_string_equal(tmc_segment_volume_id(reader), volume.volume_id);
	expect_info(tape, info);
	for (uint32_t n = 0; n < tmc_segment_nr_records(reader); n++) {
		const struct tmc_record *expected = &tape->records[first_seq - tape->first_seq + n];
		uint8_t *payload = malloc(expected->payload_bytes + 1u);

		tmc_segment_record(reader, n, &record);
		assert_null(record.payload);
		expect_record(&record, expected);
		assert_success(tmc_segment_payload(reader, n, payload));
		if (expected->payload_bytes)
			assert_memory_equal(payload, expected->payload, expected->payload_bytes);
		free(payload);
	}
	first_seq = info->last_seq;
	tmc_segment_close(reader);
	return first_seq;
}

/* All that was appended is in the segments that were told, and no other. */
static void expect_tape(struct tmc_repo *repo, const struct tape *tape)
{
	struct tmc_segment *segments, segment;
	struct tmc_id previous = { { 0 } };
	uint64_t seq = tape->first_seq;
	unsigned int nr_own = 0;
	size_t nr;

	assert_false(tape->misused);
	assert_success(tmc_segment_list(repo, volume.volume_id, &segments, &nr));
	for (size_t i = 0; i < nr; i++) {
		if (segments[i].stretch != tape->stretch)
			continue;
		assert_true(nr_own < tape->nr_durable);
		assert_memory_equal(&segments[i].id, &tape->durable[nr_own], sizeof(struct tmc_id));
		assert_memory_equal(&segments[i].previous, &previous, sizeof(previous));
		assert_success(tmc_segment_look(repo, &segments[i].id, &segment, NULL));
		assert_memory_equal(&segment, &segments[i], sizeof(segment));
		previous = segments[i].id;
		assert_int_equal(tape->last_seqs[nr_own++], segments[i].last_seq);
		seq = expect_segment(repo, tape, &segments[i].id, seq) + 1;
	}
	assert_int_equal(nr_own, tape->nr_durable);
	assert_int_equal(seq, tape->first_seq + tape->nr);
	free(segments);
}

/* ------------------------------------------------------------------------ tests */

static void every_record_comes_back(void **state)
{
	static const struct tmc_compression compressions[] = {
		{ TMC_COMPRESSION_LZ4, 0 }, { TMC_COMPRESSION_NONE, 0 },
		{ TMC_COMPRESSION_LZ4HC, 0 }, { TMC_COMPRESSION_ZSTD, 0 },
	};
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);

	for (size_t i = 0; i < sizeof(compressions) / sizeof(*compressions); i++) {
		struct tape *tape;

		assert_success(tmc_repo_set_compression(repo, &compressions[i]));
		tape = begin(fixture, repo, 1000 * i + 1);
		append_all_kinds(tape);
		assert_success(tmc_journal_end(tape->journal));
		assert_int_equal(tape->nr_durable, 1);
		expect_tape(repo, tape);
		destroy(tape);
	}
	assert_int_equal(count_files(fixture, "journal"), 4);
	assert_int_equal(count_drafts(fixture), 0);
	tmc_repo_close(repo);
}

static uint64_t object_bytes(struct tmc_repo *repo, const struct tape *tape)
{
	struct tmc_segment segment;

	assert_success(tmc_segment_look(repo, &tape->durable[0], &segment, NULL));
	return segment.bytes;
}

static void zeros_and_what_compresses_take_little(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	static const uint64_t limits[NR_CONTENTS] = {
		[CONTENT_ZERO] = 1000,
		[CONTENT_RANDOM] = (1 << 20) + 1000,
		[CONTENT_TEXT] = 200000,
		[CONTENT_DUPLICATE] = 50000,
		[CONTENT_ALMOST_ZERO] = 50000,
	};

	for (unsigned int content = 0; content < NR_CONTENTS; content++) {
		struct tape *tape = begin(fixture, repo, content * 10);

		assert_success(append(tape, TMC_RECORD_WRITE, (enum content)content, 1 << 20));
		assert_success(tmc_journal_end(tape->journal));
		assert_true(object_bytes(repo, tape) < limits[content]);
		destroy(tape);
	}
	tmc_repo_close(repo);
}

/* Sealed on demand, and by itself when it is large. */
static void segments_of_a_stretch_follow_each_other(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 77);

	assert_success(tmc_journal_seal(tape->journal)); /* nothing to do */
	for (int i = 0; i < 10; i++) {
		for (int n = 0; n < 5 * i + 1; n++)
			assert_success(append(tape, TMC_RECORD_WRITE,
					      (enum content)(n % NR_CONTENTS), 4096));
		assert_success(tmc_journal_seal(tape->journal));
		assert_success(tmc_journal_seal(tape->journal));
	}
	for (int i = 0; i < 36; i++)
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_RANDOM, 1 << 20));
	assert_success(tmc_journal_end(tape->journal));
	assert_int_equal(tape->nr_durable, 13);
	expect_tape(repo, tape);
	destroy(tape);
	tmc_repo_close(repo);
}

/* Their table alone makes it large. */
static void a_segment_of_many_small_records_is_full(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);
	struct tmc_record record = { .type = TMC_RECORD_FLUSH, .seq = 1, .time_ns = 5 };
	struct tmc_segment *segments;
	size_t nr;

	for (; record.seq <= 360000; record.seq++)
		assert_success(tmc_journal_append(tape->journal, &record));
	assert_success(tmc_journal_end(tape->journal));
	assert_success(tmc_segment_list(repo, NULL, &segments, &nr));
	assert_int_equal(nr, 2);
	assert_in_range(segments[0].bytes, TMC_SEGMENT_TARGET_BYTES,
			TMC_SEGMENT_TARGET_BYTES + 100);
	assert_int_equal(segments[0].nr_flushes + segments[1].nr_flushes, 360000);
	free(segments);
	destroy(tape);
	tmc_repo_close(repo);
}

static void a_list_is_of_one_volume_or_of_all(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_volume other = volume;
	struct tmc_segment *segments;
	struct tape *tapes[6];
	size_t nr;

	assert_success(tmc_segment_list(repo, NULL, &segments, &nr));
	assert_int_equal(nr, 0);
	free(segments);
	strcpy(other.volume_id, "volume-two");
	for (int i = 0; i < 6; i++) {
		tapes[i] = begin_of(fixture, repo, i % 2 ? &other : &volume, 100 * (uint64_t)i);
		for (int n = 0; n < 3; n++) {
			struct tmc_record *record =
				make_record(tapes[i], TMC_RECORD_WRITE, CONTENT_TEXT, 4096);

			record->time_ns = (uint64_t)(100 - i);
			assert_success(tmc_journal_append(tapes[i]->journal, record));
			assert_success(tmc_journal_seal(tapes[i]->journal));
		}
	}
	for (int i = 0; i < 6; i++)
		assert_success(tmc_journal_end(tapes[i]->journal));
	assert_success(tmc_segment_list(repo, NULL, &segments, &nr));
	assert_int_equal(nr, 18);
	for (int i = 0; i < 18; i++) { /* the latest stretch has the earliest time */
		assert_int_equal(segments[i].stretch, tapes[5 - i / 3]->stretch);
		assert_int_equal(segments[i].first_seq, 100 * (5 - i / 3) + i % 3);
	}
	free(segments);
	assert_success(tmc_segment_list(repo, "volume-two", &segments, &nr));
	assert_int_equal(nr, 9);
	assert_int_equal(segments[0].stretch, tapes[5]->stretch);
	assert_int_equal(segments[8].stretch, tapes[1]->stretch);
	free(segments);
	assert_success(tmc_segment_list(repo, "volume-three", &segments, &nr));
	assert_int_equal(nr, 0);
	free(segments);
	for (int i = 0; i < 6; i++)
		destroy(tapes[i]);
	tmc_repo_close(repo);
}

static uint64_t settles_of(struct tmc_repo *repo, const struct tape *tape, unsigned int segment)
{
	struct tmc_segment info;

	assert_success(tmc_segment_look(repo, &tape->durable[segment], &info, NULL));
	return info.settles_seq;
}

/* Each segment that holds instants which may be wrong says so. */
static void unsettled_segments_say_so(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);

	for (int i = 0; i < 5; i++) { /* two records each */
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 512));
		if (i == 1)
			tmc_journal_settle(tape->journal, 8);
		tmc_journal_settle(tape->journal, i == 1 ? 5 : 0);
		assert_success(append(tape, TMC_RECORD_REREAD, CONTENT_TEXT, 512));
		assert_success(tmc_journal_seal(tape->journal));
	}
	assert_success(tmc_journal_end(tape->journal));
	assert_int_equal(settles_of(repo, tape, 0), 0);
	assert_int_equal(settles_of(repo, tape, 1), 8);
	assert_int_equal(settles_of(repo, tape, 2), 8);
	assert_int_equal(settles_of(repo, tape, 3), 8);
	assert_int_equal(settles_of(repo, tape, 4), 0);
	destroy(tape);
	tmc_repo_close(repo);
}

static void what_settles_later_is_unsettled_until_then(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);

	for (int i = 0; i < 5; i++) { /* two records each */
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 512));
		if (i == 1)
			tmc_journal_settle(tape->journal, UINT64_MAX);
		if (i == 3)
			tmc_journal_settle(tape->journal, 7);
		assert_success(append(tape, TMC_RECORD_REREAD, CONTENT_TEXT, 512));
		assert_success(tmc_journal_seal(tape->journal));
	}
	assert_success(tmc_journal_end(tape->journal));
	assert_int_equal(settles_of(repo, tape, 0), 0);
	assert_true(settles_of(repo, tape, 1) == UINT64_MAX);
	assert_true(settles_of(repo, tape, 2) == UINT64_MAX);
	assert_int_equal(settles_of(repo, tape, 3), 7);
	assert_int_equal(settles_of(repo, tape, 4), 0);
	destroy(tape);
	tmc_repo_close(repo);
}

static int collect(void *context, const struct tmc_record *record)
{
	struct tape *tape = context;
	struct tmc_record *copy = &tape->records[tape->nr++];

	*copy = *record;
	copy->payload = NULL;
	if (record->payload) {
		copy->payload = malloc(record->payload_bytes + 1u);
		memcpy((void *)copy->payload, record->payload, record->payload_bytes);
	}
	return record->seq == 4 && tape->seed ? -ECANCELED : 0;
}

static void reading_gives_records_and_marks(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1), *back = calloc(1, sizeof(*back));
	struct tmc_segment segment;

	append_all_kinds(tape);
	assert_success(tmc_journal_end(tape->journal));
	segment.id = tape->durable[0];
	assert_success(tmc_segment_read(repo, &segment, collect, back));
	assert_int_equal(back->nr, tape->nr);
	for (unsigned int i = 0; i < tape->nr; i++) {
		expect_record(&back->records[i], &tape->records[i]);
		if (tape->records[i].type == TMC_RECORD_MARK)
			assert_memory_equal(back->records[i].payload, tape->records[i].payload,
					    tape->records[i].payload_bytes);
		else
			assert_null(back->records[i].payload);
	}
	destroy(back);
	back = calloc(1, sizeof(*back));
	back->seed = 1;
	assert_int_equal(tmc_segment_read(repo, &segment, collect, back), -ECANCELED);
	assert_int_equal(back->nr, 4);
	segment.id.bytes[31] ^= 1;
	assert_int_equal(tmc_segment_read(repo, &segment, collect, back), -ENOENT);
	destroy(back);
	destroy(tape);
	tmc_repo_close(repo);
}

/* ---------------------------------------------------------------------- refusals */

static void what_makes_no_sense_is_refused(void **state)
{
	static const uint8_t data[TMC_RECORD_BYTES_MAX + 512] = { 1 };
	static const struct tmc_record wrong[] = {
		{ .type = TMC_RECORD_FLUSH, .seq = 9 },
		{ .type = TMC_RECORD_FLUSH, .seq = 11 },
		{ .type = TMC_RECORD_FLUSH, .seq = 10, .flags = 8 },
		{ .type = TMC_RECORD_FLUSH, .seq = 10, .bytes = 512 },
		{ .type = TMC_RECORD_CUT, .seq = 10, .payload = data, .payload_bytes = 512 },
		{ .type = (enum tmc_record_type)0, .seq = 10 },
		{ .type = (enum tmc_record_type)8, .seq = 10 },
		{ .type = TMC_RECORD_WRITE, .seq = 10 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .bytes = 512 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .bytes = 1024, .payload = data,
		  .payload_bytes = 512 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .bytes = 511, .payload = data,
		  .payload_bytes = 511 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .offset = 8, .bytes = 512, .payload = data,
		  .payload_bytes = 512 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .offset = VOLUME_BYTES, .bytes = 512,
		  .payload = data, .payload_bytes = 512 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .offset = UINT64_MAX - 511, .bytes = 512,
		  .payload = data, .payload_bytes = 512 },
		{ .type = TMC_RECORD_WRITE, .seq = 10, .bytes = sizeof(data), .payload = data,
		  .payload_bytes = sizeof(data) },
		{ .type = TMC_RECORD_REREAD, .seq = 10, .bytes = 1024, .payload = data,
		  .payload_bytes = 512 },
		{ .type = TMC_RECORD_DISCARD, .seq = 10, .bytes = VOLUME_BYTES + 512 },
		{ .type = TMC_RECORD_ZEROES, .seq = 10, .bytes = 512, .payload = data,
		  .payload_bytes = 512 },
		{ .type = TMC_RECORD_MARK, .seq = 10, .payload = data, .payload_bytes = 256 },
	};
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct tape *tape = begin(fixture, repo, 10);

		if (tmc_journal_append(tape->journal, &wrong[i]) != -EINVAL)
			fail_msg("record %zu was taken", i);
		assert_true(strlen(tmc_error_text()) > 20);
		assert_int_equal(append(tape, TMC_RECORD_FLUSH, CONTENT_ZERO, 0), -EINVAL);
		assert_int_equal(tmc_journal_seal(tape->journal), -EINVAL);
		assert_int_equal(tmc_journal_end(tape->journal), -EINVAL);
		destroy(tape);
	}
	assert_int_equal(count_files(fixture, "journal"), 0);
	tmc_repo_close(repo);
}

static void volumes_that_are_none_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	const struct tmc_journal_options options = { .first_seq = 1 };
	struct tmc_volume wrong = volume;
	struct tmc_journal *journal;

	wrong.volume_bytes = TMC_BYTES_UNKNOWN;
	assert_int_equal(tmc_journal_begin(repo, &wrong, &options, &journal), -EINVAL);
	wrong.volume_bytes = 1000;
	assert_int_equal(tmc_journal_begin(repo, &wrong, &options, &journal), -EINVAL);
	wrong.volume_bytes = 1024;
	wrong.volume_id[0] = '\0';
	assert_int_equal(tmc_journal_begin(repo, &wrong, &options, &journal), -EINVAL);
	tmc_repo_close(repo);
}

static uint32_t flipping_compress(struct tmc_codec *codec, const void *raw, uint32_t raw_bytes,
				  void *ret_stored, uint32_t capacity,
				  enum tmc_codec_kind *ret_kind)
{
	uint32_t bytes = tmc_codec_ops_real.compress(codec, raw, raw_bytes, ret_stored, capacity,
						     ret_kind);

	if (bytes > 40)
		((uint8_t *)ret_stored)[bytes - 7] ^= 0x20; /* among the last literals */
	return bytes;
}

static void a_corrupting_compressor_is_refused(void **state)
{
	static const struct tmc_codec_ops *const real = &tmc_codec_ops_real;
	struct tmc_codec_ops faulty = *real;
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);

	faulty.compress = flipping_compress;
	tmc_codec_ops = &faulty;
	assert_int_equal(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536), -EIO);
	tmc_codec_ops = real;
	assert_non_null(strstr(tmc_error_text(), "does not decode"));
	assert_int_equal(append(tape, TMC_RECORD_FLUSH, CONTENT_ZERO, 0), -EIO);
	assert_int_equal(tmc_journal_end(tape->journal), -EIO);
	assert_int_equal(count_files(fixture, "journal"), 0);
	destroy(tape);
	tmc_repo_close(repo);
}

/* ------------------------------------------------------------------------ damage */

static void file_of(struct fixture *fixture, const struct tmc_id *id, char ret_path[300])
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(id, digits);
	snprintf(ret_path, 300, "%s/journal/%s", fixture->path, digits);
}

/* Three segments of a few records each, every kind of content among them. */
static struct tape *make_stretch(struct fixture *fixture, struct tmc_repo *repo, uint64_t first_seq)
{
	struct tape *tape = begin(fixture, repo, first_seq);

	for (int i = 0; i < 3; i++) {
		assert_success(append(tape, TMC_RECORD_CUT, CONTENT_ZERO, 0));
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 1024));
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_RANDOM, 512));
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_RANDOM, 512));
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_ZERO, 4096));
		assert_success(append(tape, TMC_RECORD_MARK, CONTENT_TEXT, 20));
		assert_success(tmc_journal_seal(tape->journal));
	}
	assert_success(tmc_journal_end(tape->journal));
	assert_int_equal(tape->nr_durable, 3);
	return tape;
}

static void expect_damage(struct tmc_repo *repo, const struct tmc_id *id, size_t where)
{
	struct tmc_segment segment;
	char digits[TMC_ID_TEXT];
	int ret = tmc_segment_check(repo, id, true, &segment);

	if (ret != -EBADMSG && ret != -EPROTONOSUPPORT)
		fail_msg("byte %zu: %d", where, ret);
	tmc_id_format(id, digits);
	if (!strstr(tmc_error_text(), digits))
		fail_msg("byte %zu: \"%s\" does not name it", where, tmc_error_text());
}

static void each_flipped_bit_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = make_stretch(fixture, repo, 1);
	const struct tmc_id *id = &tape->durable[1];
	struct tmc_segment segment;
	char path[300];
	size_t bytes;
	uint8_t *data;

	file_of(fixture, id, path);
	data = read_file(path, &bytes);
	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_file(path, data, bytes);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_damage(repo, id, bit / 8);
	}
	for (size_t part = 0; part < bytes; part++) {
		write_file(path, data, part);
		expect_damage(repo, id, part);
	}
	data = realloc(data, bytes + 1);
	data[bytes] = 0;
	write_file(path, data, bytes + 1);
	expect_damage(repo, id, bytes);
	write_file(path, data, bytes);
	assert_success(tmc_segment_check(repo, id, true, &segment));
	free(data);
	destroy(tape);
	tmc_repo_close(repo);
}

static void copy_file(const char *from, const char *to)
{
	size_t bytes;
	uint8_t *data = read_file(from, &bytes);

	write_file(to, data, bytes);
	free(data);
}

/* A segment in the place of a later one, of one of another stretch; both ways. */
static void a_segment_at_another_name_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = make_stretch(fixture, repo, 1);
	struct tape *other = make_stretch(fixture, repo, 100);
	const struct tmc_id *ids[] = { &tape->durable[0], &tape->durable[1], &other->durable[1] };
	char paths[3][300], saved[300];

	snprintf(saved, sizeof(saved), "%s/saved", fixture->directory);
	for (int i = 0; i < 3; i++)
		file_of(fixture, ids[i], paths[i]);
	for (int to = 0; to < 3; to++)
		for (int from = 0; from < 3; from++) {
			if (from == to)
				continue;
			copy_file(paths[to], saved);
			copy_file(paths[from], paths[to]);
			expect_damage(repo, ids[to], 0);
			copy_file(saved, paths[to]);
		}
	destroy(tape);
	destroy(other);
	tmc_repo_close(repo);
}

/* Records 3 and 4 have payloads of one size, back to back. */
static void swapped_and_replayed_payloads_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = make_stretch(fixture, repo, 1);
	struct tmc_segment_reader *reader;
	size_t bytes, other_bytes, at = 0;
	char path[300], other_path[300];
	uint8_t *data, *other, payload[1024];

	file_of(fixture, &tape->durable[1], path);
	file_of(fixture, &tape->durable[0], other_path);
	data = read_file(path, &bytes);
	other = read_file(other_path, &other_bytes);
	assert_success(tmc_segment_open(repo, &tape->durable[1], &reader));
	while (at + 1024 < bytes && memcmp(data + at, tape->records[8].payload, 512))
		at++;
	if (at + 1024 == bytes) /* encrypted: behind the record of text */
		at = sizeof(struct tmc_object_header_disk);
	for (size_t i = 0; i < 512; i++) {
		uint8_t byte = data[at + i];

		data[at + i] = data[at + 512 + i];
		data[at + 512 + i] = byte;
	}
	write_file(path, data, bytes);
	assert_int_equal(tmc_segment_payload(reader, 2, payload), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "record 9"));
	memcpy(data + 128, other + 128, 1024 < other_bytes - 128 ? 1024 : other_bytes - 128);
	write_file(path, data, bytes);
	assert_int_equal(tmc_segment_payload(reader, 1, payload), -EBADMSG);
	assert_int_equal(tmc_segment_payload(reader, 2, payload), -EBADMSG);
	assert_success(tmc_segment_payload(reader, 0, payload));
	tmc_segment_close(reader);
	free(data);
	free(other);
	destroy(tape);
	tmc_repo_close(repo);
}

static void a_segment_of_another_repository_is_recognised(void **state)
{
	struct fixture *fixture = *state, elsewhere = *fixture;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK), *other;
	struct tape *tape = make_stretch(fixture, repo, 1), *theirs;
	struct tmc_segment *segments;
	char from[300], to[300];
	size_t nr;

	snprintf(elsewhere.path, sizeof(elsewhere.path), "%s/other", fixture->directory);
	other = make_repo(elsewhere.path, CHUNK);
	theirs = make_stretch(&elsewhere, other, 1);
	file_of(&elsewhere, &theirs->durable[0], from);
	file_of(fixture, &theirs->durable[0], to);
	copy_file(from, to);
	expect_damage(repo, &theirs->durable[0], 0);
	assert_non_null(strstr(tmc_error_text(), "another repository"));
	assert_int_equal(tmc_segment_list(repo, volume.volume_id, &segments, &nr), -EBADMSG);
	assert_int_equal(nr, 3);
	free(segments);
	destroy(tape);
	destroy(theirs);
	tmc_repo_close(repo);
	tmc_repo_close(other);
}

/* ------------------------------------------------------------- verify and repair */

static char said[4096];

static void note_said(void *context, const char *text)
{
	size_t length = strlen(said);

	snprintf(said + length, sizeof(said) - length, "%s\n", text);
}

static struct tmc_verify_result check(struct tmc_repo *repo, enum tmc_check_level level,
				      int expected)
{
	const struct tmc_check_options options = {
		.level = level,
		.sample_ppm = level == TMC_CHECK_SAMPLE ? 1000000 : 0,
		.damage = note_said,
		.note = note_said,
	};
	struct tmc_verify_result result;

	said[0] = '\0';
	assert_int_equal(tmc_check(repo, &options, &result), expected);
	return result;
}

/* One that is damaged is named; it goes aside, and then nothing is damaged any more. */
static void damage_is_named_and_put_aside(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = make_stretch(fixture, repo, 1);
	struct tmc_repair_options options = { 0 };
	struct tmc_repair_result repaired;
	struct tmc_verify_result result;
	struct tmc_segment *segments;
	char path[300];
	size_t bytes, nr;
	uint8_t *data;

	result = check(repo, TMC_CHECK_EVERY_BYTE, 0);
	assert_int_equal(result.segments, 3);
	assert_int_equal(result.damaged_segments, 0);
	file_of(fixture, &tape->durable[1], path);
	data = read_file(path, &bytes);
	data[150] ^= 1; /* of a payload */
	write_file(path, data, bytes);
	free(data);
	assert_int_equal(check(repo, TMC_CHECK_STRUCTURE, 0).segments, 3);
	assert_int_equal(check(repo, TMC_CHECK_SAMPLE, 0).segments, 3);
	result = check(repo, TMC_CHECK_EVERY_BYTE, -EBADMSG);
	assert_int_equal(result.segments, 3);
	assert_int_equal(result.damaged_segments, 1);
	assert_int_equal(result.damaged_objects, 1);
	assert_non_null(strstr(said, strrchr(path, '/')));
	assert_int_equal(tmc_repair(repo, &options, &repaired), -EBADMSG);
	assert_int_equal(repaired.damaged_segments, 1);
	assert_int_equal(repaired.put_aside, 0);
	options.apply = true;
	assert_int_equal(tmc_repair(repo, &options, &repaired), -EBADMSG);
	assert_int_equal(repaired.put_aside, 1);
	assert_int_equal(count_files(fixture, "aside"), 1);
	assert_success(tmc_repair(repo, &options, &repaired));
	assert_int_equal(repaired.damaged_segments, 0);
	result = check(repo, TMC_CHECK_EVERY_BYTE, 0);
	assert_int_equal(result.segments, 2);
	assert_non_null(strstr(said, "records 7 to 12 "));
	assert_success(tmc_segment_list(repo, NULL, &segments, &nr));
	assert_int_equal(nr, 2);
	free(segments);
	destroy(tape);
	tmc_repo_close(repo);
}

static void a_gap_is_named_and_retention_is_none(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = make_stretch(fixture, repo, 1);
	struct tmc_verify_result result;
	char path[300], expected[200];

	file_of(fixture, &tape->durable[1], path);
	assert_int_equal(remove(path), 0);
	result = check(repo, TMC_CHECK_STRUCTURE, -EBADMSG);
	assert_int_equal(result.segments, 2);
	assert_int_equal(result.damaged_segments, 1);
	snprintf(expected, sizeof(expected), "records 7 to 12 of stretch %016llx are missing",
		 (unsigned long long)tape->stretch);
	assert_non_null(strstr(said, expected));
	file_of(fixture, &tape->durable[0], path);
	assert_int_equal(remove(path), 0);
	result = check(repo, TMC_CHECK_EVERY_BYTE, 0);
	assert_int_equal(result.segments, 1);
	destroy(tape);
	tmc_repo_close(repo);
}

/* The first one tells the volume; where it is damaged the next one does. */
static void a_list_leaves_out_what_is_damaged(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = make_stretch(fixture, repo, 1);
	struct tmc_segment *segments;
	char path[300];
	size_t nr;

	file_of(fixture, &tape->durable[0], path);
	write_file(path, "x", 1);
	assert_int_equal(tmc_segment_list(repo, volume.volume_id, &segments, &nr), -EBADMSG);
	assert_int_equal(nr, 2);
	assert_memory_equal(&segments[0].id, &tape->durable[1], sizeof(struct tmc_id));
	free(segments);
	assert_int_equal(tmc_segment_list(repo, "another", &segments, &nr), -EBADMSG);
	assert_int_equal(nr, 0);
	free(segments);
	destroy(tape);
	tmc_repo_close(repo);
}

/* -------------------------------------------------------------------------- end */

static void what_is_aborted_leaves_what_was_durable(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);

	tmc_journal_abort(NULL);
	assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536));
	assert_success(tmc_journal_seal(tape->journal));
	while (!tape->nr_durable)
		usleep(1000);
	assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536));
	tmc_journal_abort(tape->journal);
	assert_int_equal(tape->nr_durable, 1);
	assert_int_equal(count_files(fixture, "journal"), 1);
	assert_int_equal(count_drafts(fixture), 0);
	assert_int_equal(expect_segment(repo, tape, &tape->durable[0], 1), 1);
	destroy(tape);
	tmc_repo_close(repo);
}

static atomic_bool store_is_held;

static void hold_store(enum tmc_store_call call, enum tmc_store_kind kind)
{
	while (call == TMC_STORE_CALL_SEAL && kind == TMC_STORE_JOURNAL && store_is_held)
		usleep(1000);
}

static atomic_bool has_appended;

static void *append_one(void *context)
{
	int ret = append(context, TMC_RECORD_WRITE, CONTENT_TEXT, 4096);

	has_appended = true;
	return ret ? context : NULL;
}

/* One is being stored, one waits: the third is not begun before the first is durable. */
static void who_needs_a_third_segment_waits(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape;
	pthread_t thread;
	void *failed;

	has_appended = false;
	store_is_held = true;
	tmc_store_hooks.before = hold_store;
	tape = begin(fixture, repo, 1);
	for (int i = 0; i < 2; i++) {
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 4096));
		assert_success(tmc_journal_seal(tape->journal));
	}
	assert_int_equal(pthread_create(&thread, NULL, append_one, tape), 0);
	usleep(50000);
	assert_false(has_appended);
	assert_int_equal(tape->nr_durable, 0);
	store_is_held = false;
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_success(tmc_journal_end(tape->journal));
	tmc_store_hooks.before = NULL;
	assert_int_equal(tape->nr_durable, 3);
	expect_tape(repo, tape);
	destroy(tape);
	tmc_repo_close(repo);
}

/* The directory is gone after the first of three. */
static void a_failure_of_the_store_is_sticky(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);
	char from[128], to[128];
	int ret = 0;

	snprintf(from, sizeof(from), "%s/journal", fixture->path);
	snprintf(to, sizeof(to), "%s/elsewhere", fixture->path);
	assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536));
	assert_success(tmc_journal_seal(tape->journal));
	while (!tape->nr_durable)
		usleep(1000);
	assert_int_equal(rename(from, to), 0);
	assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536));
	tmc_journal_seal(tape->journal);
	for (int i = 0; i < 2000 && !ret; i++) {
		usleep(1000);
		ret = tmc_journal_seal(tape->journal);
	}
	assert_int_equal(ret, -ENOENT);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536), -ENOENT);
	assert_int_equal(tmc_journal_end(tape->journal), -ENOENT);
	assert_non_null(strstr(tmc_error_text(), "rename"));
	assert_int_equal(tape->nr_durable, 1);
	assert_int_equal(count_files(fixture, "journal"), 1);
	assert_int_equal(count_drafts(fixture), 0);
	destroy(tape);
	tmc_repo_close(repo);
}

/* Its name still tells which seqs have been used. */
static void a_damaged_segment_has_used_its_seqs(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);
	char path[512], text[TMC_ID_TEXT];
	uint64_t seq;

	assert_success(tmc_segment_last_seq(repo, volume.volume_id, &seq));
	assert_int_equal(seq, 0);
	for (int i = 0; i < 3; i++) {
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 512));
		assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 512));
		assert_success(tmc_journal_seal(tape->journal));
	}
	assert_success(tmc_journal_end(tape->journal));
	assert_success(tmc_segment_last_seq(repo, volume.volume_id, &seq));
	assert_int_equal(seq, 6);
	tmc_id_format(&tape->durable[2], text);
	snprintf(path, sizeof(path), "%s/journal/%s", fixture->path, text);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(tmc_segment_last_seq(repo, volume.volume_id, &seq), -EBADMSG);
	assert_int_equal(seq, 6);
	destroy(tape);
	tmc_repo_close(repo);
}

/* A stretch lasts for months. */
static void a_journal_keeps_no_sweep_waiting(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK), *other;
	const struct tmc_prune_options options = { .grace_ns = 0 };
	struct model *model = model_create(4 * CHUNK, CHUNK);
	struct tape *tape = begin(fixture, repo, 1);
	struct tmc_prune_result result;
	struct tmc_point point;

	model_fill(model, 1, CONTENT_RANDOM);
	assert_success(tmc_repo_open(fixture->path, &other));
	assert_success(model_backup(other, model, NULL, NULL, 1, &point));
	assert_success(model_backup(other, model, NULL, NULL, 2, &point));
	assert_success(tmc_forget(other, &point.id, 1));
	assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536));
	tmc_repo_close(other);
	assert_success(tmc_prune(repo, &options, &result));
	assert_int_equal(result.waiting_dooms, 0);
	assert_int_equal(count_files(fixture, "doom"), 0);
	assert_success(append(tape, TMC_RECORD_WRITE, CONTENT_TEXT, 65536));
	assert_success(tmc_journal_end(tape->journal));
	assert_int_equal(count_files(fixture, "journal"), 1);
	destroy(tape);
	model_destroy(model);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(every_record_comes_back),
		T(zeros_and_what_compresses_take_little),
		T(segments_of_a_stretch_follow_each_other),
		T(a_segment_of_many_small_records_is_full),
		T(a_list_is_of_one_volume_or_of_all),
		T(unsettled_segments_say_so),
		T(what_settles_later_is_unsettled_until_then),
		T(reading_gives_records_and_marks),
		T(what_makes_no_sense_is_refused),
		T(volumes_that_are_none_are_refused),
		T(a_corrupting_compressor_is_refused),
		T(each_flipped_bit_is_noticed),
		T(a_segment_at_another_name_is_refused),
		T(swapped_and_replayed_payloads_are_refused),
		T(a_segment_of_another_repository_is_recognised),
		T(damage_is_named_and_put_aside),
		T(a_gap_is_named_and_retention_is_none),
		T(a_list_leaves_out_what_is_damaged),
		T(what_is_aborted_leaves_what_was_durable),
		T(who_needs_a_third_segment_waits),
		T(a_failure_of_the_store_is_sticky),
		T(a_damaged_segment_has_used_its_seqs),
		T(a_journal_keeps_no_sweep_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
