// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "scenario_journal.h"

#include "catalog/repo.h"
#include "catalog/segment.h"

#define SEGMENT_RECORDS 3u
#define RECORD_BYTES    SCENARIO_RECORD_BYTES

/* Every third one does not compress. */
static void fill(uint64_t seq, uint8_t ret_data[RECORD_BYTES])
{
	uint64_t value = seq * 6364136223846793005u + 1;

	memset(ret_data, (int)seq, RECORD_BYTES);
	for (uint32_t i = 0; i < (seq % 3 ? 8 : RECORD_BYTES); i++) {
		value = value * 6364136223846793005u + 1442695040888963407u;
		ret_data[i] = (uint8_t)(value >> 32);
	}
}

static struct tmc_record record_of(uint64_t seq, const uint8_t *data)
{
	return (struct tmc_record){
		.type = TMC_RECORD_WRITE,
		.seq = seq,
		.time_ns = 1000 + seq,
		.offset = seq % 7 * 512,
		.bytes = RECORD_BYTES,
		.payload = data,
		.payload_bytes = RECORD_BYTES,
	};
}

struct tmc_record scenario_record(uint64_t seq, uint8_t ret_data[SCENARIO_RECORD_BYTES])
{
	fill(seq, ret_data);
	return record_of(seq, ret_data);
}

/* In the library's thread; who reads it has waited for that one's end. */
static void note_durable(void *context, const struct tmc_id *segment, uint64_t last_seq)
{
	struct world *world = context;
	const struct world_segment told = {
		.id = *segment, .last_seq = last_seq, .made_by = world->step,
	};

	if (world->nr_segments < WORLD_SEGMENTS)
		world->segments[world->nr_segments] = told;
	world->nr_segments++;
}

static int append_segments(struct world *world, struct tmc_journal *journal, unsigned int nr)
{
	int ret = 0;

	for (unsigned int i = 0; i < nr * SEGMENT_RECORDS && !ret; i++) {
		uint8_t data[RECORD_BYTES];
		struct tmc_record record = record_of(world->next_seq, data);

		fill(world->next_seq++, data);
		ret = tmc_journal_append(journal, &record);
		if (!ret && i % SEGMENT_RECORDS == SEGMENT_RECORDS - 1)
			ret = tmc_journal_seal(journal);
	}
	return ret;
}

static int begin(struct world *world, struct tmc_journal **ret_journal)
{
	const struct tmc_volume volume = model_volume(world->model);
	const struct tmc_journal_options options = {
		.first_seq = ++world->next_seq, .durable = note_durable, .context = world,
	};
	struct tmc_volume whole = volume;

	whole.volume_bytes = volume.volume_bytes / 512 * 512;
	return tmc_journal_begin(world->repo, &whole, &options, ret_journal);
}

int scenario_write_stretch(struct world *world)
{
	struct tmc_journal *journal;
	int ret = begin(world, &journal);

	if (ret < 0)
		return ret;
	world->stretch = tmc_journal_stretch(journal);
	world->stretch_seq = world->next_seq;
	append_segments(world, journal, 3);
	ret = tmc_journal_end(journal);
	assert_true(world->nr_segments <= WORLD_SEGMENTS);
	return ret;
}

int scenario_abort_stretch(struct world *world)
{
	struct tmc_journal *journal;
	int ret = begin(world, &journal);

	if (ret < 0)
		return ret;
	ret = append_segments(world, journal, 2);
	tmc_journal_abort(journal);
	assert_true(world->nr_segments <= WORLD_SEGMENTS);
	return ret;
}

/* ------------------------------------------------------------------------ give up */

static int keep(struct world *world, unsigned int nr_segments)
{
	const struct tmc_moment moment = {
		.stretch = world->stretch,
		.seq = world->stretch_seq + nr_segments * SEGMENT_RECORDS - 1,
	};
	const struct tmc_volume volume = model_volume(world->model);
	struct tmc_backup *backup;
	struct tmc_point point;
	int ret = tmc_backup_begin(world->repo, &volume, NULL, 1, &backup);

	if (ret < 0)
		return ret;
	put_range(backup, world->model, 0, world->model->nr_chunks, NULL);
	tmc_backup_set_moment(backup, &moment);
	ret = tmc_backup_commit(backup, world->step, world->model->bytes, &point);
	if (!ret)
		world_add_point(world, &point);
	return ret;
}

int scenario_keep_first(struct world *world)
{
	return keep(world, 1);
}

int scenario_keep_second(struct world *world)
{
	return keep(world, 2);
}

static void note_taken(struct world *world, uint64_t end_seq, bool may_stay)
{
	for (unsigned int i = 0; i < world->nr_segments; i++) {
		struct world_segment *segment = &world->segments[i];

		if (segment->taken_by || segment->last_seq >= end_seq)
			continue;
		segment->taken_by = world->step;
		segment->may_stay = may_stay;
	}
}

int scenario_forget_segments(struct world *world)
{
	struct tmc_journal_forgotten forgotten;

	note_taken(world, world->stretch_seq + SEGMENT_RECORDS, false);
	return tmc_journal_forget(world->repo, NULL, 0, false, &forgotten);
}

/* Whether the second segment counts as old is the clock's affair. */
void scenario_note_pruned(struct world *world)
{
	note_taken(world, world->stretch_seq + 2 * SEGMENT_RECORDS, true);
}

/* --------------------------------------------------------------------------- read */

static int read_segment(struct tmc_repo *repo, const struct tmc_id *id, const char *where)
{
	struct tmc_segment_reader *reader;
	int ret = tmc_segment_open(repo, id, &reader);

	if (ret < 0)
		return ret;
	for (uint32_t n = 0; n < tmc_segment_nr_records(reader) && !ret; n++) {
		uint8_t data[RECORD_BYTES], payload[RECORD_BYTES];
		struct tmc_record record, expected;

		tmc_segment_record(reader, n, &record);
		expected = record_of(record.seq, NULL);
		fill(record.seq, data);
		if (memcmp(&record, &expected, sizeof(record)))
			fail_msg("%s: record %llu is another one", where,
				 (unsigned long long)record.seq);
		ret = tmc_segment_payload(reader, n, payload);
		if (!ret && memcmp(data, payload, sizeof(data)))
			fail_msg("%s: record %llu came back wrong", where,
				 (unsigned long long)record.seq);
	}
	tmc_segment_close(reader);
	return ret;
}

static unsigned int count_staying(const struct world *world)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < world->nr_segments; i++)
		nr += !world->segments[i].taken_by;
	return nr;
}

int scenario_read_segments(struct world *world)
{
	struct tmc_segment *segments;
	size_t nr;
	int ret = tmc_segment_list(world->repo, "test-volume", &segments, &nr);

	if (!ret)
		assert_true(nr >= count_staying(world));
	for (size_t i = 0; i < nr && !ret; i++)
		ret = read_segment(world->repo, &segments[i].id, "read");
	free(segments);
	return ret;
}

static bool is_listed(const struct tmc_segment *segments, size_t nr, const struct tmc_id *id)
{
	for (size_t i = 0; i < nr; i++)
		if (!memcmp(&segments[i].id, id, sizeof(*id)))
			return true;
	return false;
}

static void expect_order(const struct tmc_segment *segments, size_t nr, bool given_up,
			 const char *where)
{
	static const struct tmc_id none;

	for (size_t i = 0; i < nr; i++) {
		const struct tmc_segment *segment = &segments[i];
		bool is_first = !i || segments[i - 1].stretch != segment->stretch;

		if (is_first && !given_up && memcmp(&segment->previous, &none, sizeof(none)))
			fail_msg("%s: segment %zu has no predecessor", where, i);
		if (!is_first && memcmp(&segment->previous, &segments[i - 1].id, sizeof(none)))
			fail_msg("%s: segment %zu does not follow the one before it", where, i);
	}
}

/* Of what is there, given up or not. */
static void expect_files(struct tmc_repo *repo, bool given_up, const char *where)
{
	struct tmc_segment segments[WORLD_SEGMENTS];
	struct tmc_id *ids;
	size_t nr;

	assert_success(tmc_store_list(repo->store, TMC_STORE_JOURNAL, &ids, &nr));
	assert_true(nr <= WORLD_SEGMENTS);
	for (size_t i = 0; i < nr; i++)
		assert_success(tmc_segment_look(repo, &ids[i], &segments[i], NULL));
	expect_order(segments, nr, given_up, where);
	free(ids);
}

static bool is_given_up(const struct world *world, unsigned int nr_done)
{
	for (unsigned int i = 0; i < world->nr_segments; i++)
		if (world->segments[i].taken_by && world->segments[i].taken_by <= nr_done + 1)
			return true;
	return false;
}

static void expect_told(const struct world *world, const struct tmc_segment *segments, size_t nr,
			unsigned int nr_done, const char *where)
{
	for (unsigned int i = 0; i < world->nr_segments; i++) {
		const struct world_segment *segment = &world->segments[i];
		bool taken = segment->taken_by && segment->taken_by <= nr_done + 1;
		bool listed = is_listed(segments, nr, &segment->id);

		if (segment->made_by <= nr_done && !taken && !listed)
			fail_msg("%s: segment %u is lost", where, i);
		if (taken && segment->taken_by <= nr_done && !segment->may_stay && listed)
			fail_msg("%s: segment %u has come back", where, i);
	}
}

void scenario_expect_segments(const struct world *world, struct tmc_repo *repo,
			      unsigned int nr_done, const char *where)
{
	bool given_up = is_given_up(world, nr_done);
	struct tmc_segment *segments;
	size_t nr;

	if (tmc_segment_list(repo, NULL, &segments, &nr) < 0)
		fail_msg("%s: the list of segments: %s", where, tmc_error_text());
	expect_order(segments, nr, given_up, where);
	expect_files(repo, given_up, where);
	for (size_t i = 0; i < nr; i++)
		if (read_segment(repo, &segments[i].id, where) < 0)
			fail_msg("%s: segment %zu: %s", where, i, tmc_error_text());
	expect_told(world, segments, nr, nr_done, where);
	free(segments);
}
