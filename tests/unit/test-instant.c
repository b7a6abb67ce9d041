// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Instants of a volume whose every state is kept in memory. A world is three stretches of
 * its life: the second begins before the first has ended by its clock, which was set back and
 * is once more in between, the third a while after the second. Each begins with a scan as docs/journal.md has it: chunks
 * are read while records go on. Between stretches chunks change of which no record tells.
 */
#include "repo_fixture.h"

#include "catalog/replay.h"
#include "catalog/replay_batch.h"

#define CHUNK        4096u
#define SECTOR       512u
#define NR_CHUNKS    20u
#define BYTES        (NR_CHUNKS * CHUNK - 3 * SECTOR)
#define NR_SECTORS   (BYTES / SECTOR)
#define PER_CHUNK    (CHUNK / SECTOR)
#define NR_STRETCHES 3u
#define PER_STRETCH  140u
#define FIRST_SEQ    1000u
#define NR_RECORDS   (NR_STRETCHES * PER_STRETCH)
#define NR_POINTS    64u
#define SECOND       1000000000ull
#define CLOCK_SET    (PER_STRETCH + 70)

/* The device after a record. */
struct moment {
	uint8_t data[BYTES];
	uint8_t bad[NR_SECTORS]; /* cannot be read */
};

struct kept_point {
	struct tmc_point point;
	uint8_t bad[NR_CHUNKS];
};

struct world {
	struct fixture *fixture;
	struct tmc_repo *repo;
	struct moment device;
	struct moment *moments;     /* by record */
	struct tmc_record records[NR_RECORDS];
	uint64_t settles[NR_RECORDS]; /* of a reread: from when on it counts; 0: at once */
	uint64_t stretches[NR_STRETCHES];
	struct kept_point points[NR_POINTS];
	unsigned int nr_points, nr;
	uint64_t seed, time_ns;
	bool present[NR_RECORDS], settled[NR_RECORDS]; /* look_around() */
};

static uint32_t draw(struct world *world, uint32_t below)
{
	world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world->seed >> 33) % below;
}

static bool one_in(struct world *world, uint32_t n)
{
	return !draw(world, n);
}

/* --------------------------------------------------------------------- records */

static uint8_t *make_content(struct world *world, uint64_t bytes)
{
	uint8_t *data = calloc(1, bytes);
	bool zero = one_in(world, 8), text = one_in(world, 3);

	for (uint64_t i = 0; i < bytes && !zero; i++)
		data[i] = (uint8_t)(text ? 'a' + i / 50 % 7 : draw(world, 256));
	return data;
}

static void choose_range(struct world *world, struct tmc_record *record)
{
	uint32_t first = draw(world, NR_SECTORS), max = NR_SECTORS - first, nr;

	if (one_in(world, 4)) { /* whole chunks */
		first -= first % PER_CHUNK;
		nr = PER_CHUNK * (1 + draw(world, 3));
	} else {
		nr = 1 + draw(world, one_in(world, 6) ? 80 : 12);
	}
	max = NR_SECTORS - first;
	record->offset = (uint64_t)first * SECTOR;
	record->bytes = (uint64_t)(nr < max ? nr : max) * SECTOR;
}

static void change_device(struct world *world, uint64_t offset, uint64_t bytes,
			  const uint8_t *content)
{
	if (content)
		memcpy(world->device.data + offset, content, bytes);
	else
		memset(world->device.data + offset, 0, bytes);
	memset(world->device.bad + offset / SECTOR, 0, bytes / SECTOR);
}

static enum tmc_record_type choose_type(struct world *world)
{
	static const enum tmc_record_type types[] = {
		TMC_RECORD_ZEROES, TMC_RECORD_ZEROES, TMC_RECORD_DISCARD, TMC_RECORD_FLUSH,
		TMC_RECORD_FLUSH, TMC_RECORD_MARK, TMC_RECORD_REREAD, TMC_RECORD_CUT,
	};

	return one_in(world, 3) ? types[draw(world, 8)] : TMC_RECORD_WRITE;
}

/* What the device holds when a reread settles is its content. */
static void fill_rereads(struct world *world, unsigned int begin)
{
	for (unsigned int i = begin; i <= world->nr; i++) {
		struct tmc_record *record = &world->records[i];

		if (record->type != TMC_RECORD_REREAD || !record->payload_bytes || record->payload ||
		    world->settles[i] > FIRST_SEQ + world->nr)
			continue;
		record->payload = malloc(record->bytes);
		memcpy((void *)record->payload, world->device.data + record->offset, record->bytes);
	}
}

/* Of a write that failed, or that no record tells: what it left is found out later. */
static void make_reread(struct world *world, struct tmc_record *record, unsigned int begin)
{
	unsigned int last = begin + PER_STRETCH - 1, settles = world->nr + draw(world, 9);
	uint8_t *content;

	if (one_in(world, 3)) {
		memset(world->device.bad + record->offset / SECTOR, 1, record->bytes / SECTOR);
		return;
	}
	content = make_content(world, record->bytes);
	change_device(world, record->offset, record->bytes, content);
	free(content);
	record->payload_bytes = (uint32_t)record->bytes;
	settles = settles < last ? settles : last;
	world->settles[world->nr] = settles > world->nr ? FIRST_SEQ + settles : 0;
}

static void make_mark(struct world *world, struct tmc_record *record)
{
	char text[24];

	record->payload_bytes = (uint32_t)snprintf(text, sizeof(text), "mark %u", draw(world, 6));
	record->payload = strdup(text);
}

static void make_record(struct world *world, unsigned int begin)
{
	struct tmc_record *record = &world->records[world->nr];
	enum tmc_record_type type = world->nr == begin ? TMC_RECORD_CUT : choose_type(world);

	if (world->nr == CLOCK_SET)
		world->time_ns -= 20 * SECOND;
	world->time_ns += draw(world, 4) * SECOND / 2;
	*record = (struct tmc_record){
		.type = type, .seq = FIRST_SEQ + world->nr, .time_ns = world->time_ns,
	};
	if (type != TMC_RECORD_FLUSH && type != TMC_RECORD_MARK && type != TMC_RECORD_CUT)
		choose_range(world, record);
	if (type == TMC_RECORD_WRITE) {
		record->flags = one_in(world, 12) ? TMC_RECORD_PREFLUSH : 0;
		record->payload = make_content(world, record->bytes);
		record->payload_bytes = (uint32_t)record->bytes;
	}
	if (type == TMC_RECORD_WRITE || type == TMC_RECORD_ZEROES)
		change_device(world, record->offset, record->bytes, record->payload);
	if (type == TMC_RECORD_REREAD)
		make_reread(world, record, begin);
	if (type == TMC_RECORD_MARK)
		make_mark(world, record);
	fill_rereads(world, begin);
	world->moments[world->nr++] = world->device;
}

/* Segments end anywhere, but a short one has the clock set back in it. */
static bool ends_segment(struct world *world, unsigned int nth)
{
	return one_in(world, 10) || nth == CLOCK_SET - 3 || nth == CLOCK_SET + 3;
}

static void write_journal(struct world *world, unsigned int stretch, const struct tmc_volume *volume)
{
	unsigned int begin = stretch * PER_STRETCH;
	struct tmc_journal_options options = { .first_seq = FIRST_SEQ + begin };
	struct tmc_journal *journal;

	assert_success(tmc_journal_begin(world->repo, volume, &options, &journal));
	world->stretches[stretch] = tmc_journal_stretch(journal);
	for (unsigned int i = begin; i < begin + PER_STRETCH; i++) {
		if (world->settles[i])
			tmc_journal_settle(journal, world->settles[i]);
		assert_success(tmc_journal_append(journal, &world->records[i]));
		if (ends_segment(world, i))
			assert_success(tmc_journal_seal(journal));
	}
	assert_success(tmc_journal_end(journal));
}

/* ------------------------------------------------------------------------ scan */

static bool is_bad(const struct moment *moment, uint32_t chunk)
{
	uint32_t end = (chunk + 1) * PER_CHUNK < NR_SECTORS ? (chunk + 1) * PER_CHUNK : NR_SECTORS;

	for (uint32_t sector = chunk * PER_CHUNK; sector < end; sector++)
		if (moment->bad[sector])
			return true;
	return false;
}

/* Each chunk as it was after some record of those that were made during the scan. */
static void scan_chunk(struct world *world, struct model *image, uint32_t chunk, unsigned int first,
		       unsigned int last)
{
	const struct moment *moment = &world->moments[first + draw(world, last - first + 1)];

	memcpy(image->data + chunk * CHUNK, moment->data + chunk * CHUNK,
	       model_chunk_size(image, chunk));
	image->unreadable[chunk] = is_bad(moment, chunk);
}

/* dirty: what differs from the parent when the scan begins, after the first record of it. */
static void scan(struct world *world, unsigned int first, const struct kept_point *parent,
		 const uint8_t *dirty)
{
	struct kept_point *point = &world->points[world->nr_points++];
	unsigned int last = first + 20 + draw(world, 30), stretch = first / PER_STRETCH;
	const struct tmc_moment moment = {
		world->stretches[stretch], FIRST_SEQ + first, FIRST_SEQ + last,
	};
	struct model *image = model_create(BYTES, CHUNK);
	struct tmc_volume volume = model_volume(image);
	struct tmc_backup *backup;

	assert_success(tmc_backup_begin(world->repo, &volume, parent ? &parent->point : NULL, 1,
					&backup));
	for (uint32_t chunk = 0; chunk < NR_CHUNKS; chunk++)
		if (dirty[chunk])
			scan_chunk(world, image, chunk, first, last);
	assert_int_equal(put_range(backup, image, 0, NR_CHUNKS, dirty), 0);
	tmc_backup_set_moment(backup, &moment);
	assert_success(tmc_backup_commit(backup, world->records[first].time_ns, BYTES,
					 &point->point));
	for (uint32_t chunk = 0; chunk < NR_CHUNKS; chunk++)
		point->bad[chunk] = dirty[chunk] ? image->unreadable[chunk] : parent->bad[chunk];
	model_destroy(image);
}

/* -------------------------------------------------------------------- instants */

/* The records that are there, and those with a reread that is under way. */
static void look_around(struct world *world)
{
	struct tmc_segment *segments;
	size_t nr;
	int ret = tmc_segment_list(world->repo, "test-volume", &segments, &nr);

	assert_true(!ret || ret == -EBADMSG);
	memset(world->present, 0, sizeof(world->present));
	memset(world->settled, 1, sizeof(world->settled));
	for (size_t i = 0; i < nr; i++) {
		for (uint64_t seq = segments[i].first_seq; seq <= segments[i].last_seq; seq++)
			world->present[seq - FIRST_SEQ] = true;
		for (uint64_t seq = segments[i].first_seq; seq < segments[i].settles_seq; seq++)
			world->settled[seq - FIRST_SEQ] = false;
	}
	free(segments);
}

static bool has_records(const struct world *world, uint64_t base_seq, uint64_t seq)
{
	for (; base_seq < seq; base_seq++)
		if (!world->present[base_seq + 1 - FIRST_SEQ])
			return false;
	return true;
}

static bool makes(const struct world *world, const struct tmc_point *point, uint64_t seq)
{
	const struct tmc_moment *moment = &point->moment;
	unsigned int stretch = (unsigned int)(seq - FIRST_SEQ) / PER_STRETCH;

	return moment->stretch == world->stretches[stretch] && moment->seq <= seq &&
	       moment->settles_seq <= seq && has_records(world, moment->seq, seq);
}

/* Word for word what docs/journal.md says. */
static bool can_be_had(const struct world *world, uint64_t seq)
{
	if (seq < FIRST_SEQ || seq >= FIRST_SEQ + NR_RECORDS)
		return false;
	for (unsigned int i = 0; i < world->nr_points; i++) {
		const struct tmc_moment *moment = &world->points[i].point.moment;

		if (moment->seq == seq && moment->stretch && !moment->settles_seq)
			return true;
		if (world->settled[seq - FIRST_SEQ] && makes(world, &world->points[i].point, seq))
			return true;
	}
	return false;
}

static const struct kept_point *find_point(const struct world *world, const struct tmc_id *id)
{
	for (unsigned int i = 0; i < world->nr_points; i++)
		if (!memcmp(&world->points[i].point.id, id, sizeof(*id)))
			return &world->points[i];
	fail_msg("a base that nobody made");
	return NULL;
}

/* Of a chunk that is lost in part all is lost, until each sector of it has been written. */
static void find_bad(const struct world *world, const struct kept_point *base, uint64_t seq,
		     uint8_t ret_bad[NR_CHUNKS])
{
	struct moment now = { 0 };

	for (uint32_t sector = 0; sector < NR_SECTORS; sector++)
		now.bad[sector] = base->bad[sector / PER_CHUNK];
	for (uint64_t at = base->point.moment.seq + 1; at <= seq; at++) {
		const struct tmc_record *record = &world->records[at - FIRST_SEQ];
		bool reread = record->type == TMC_RECORD_REREAD;

		if (reread || record->type == TMC_RECORD_WRITE || record->type == TMC_RECORD_ZEROES)
			memset(now.bad + record->offset / SECTOR, reread && !record->payload_bytes,
			       record->bytes / SECTOR);
	}
	for (uint32_t chunk = 0; chunk < NR_CHUNKS; chunk++)
		ret_bad[chunk] = is_bad(&now, chunk);
}

static struct model *expect(const struct world *world, uint64_t seq, const uint8_t *bad)
{
	struct model *model = model_create(BYTES, CHUNK);

	memcpy(model->data, world->moments[seq - FIRST_SEQ].data, BYTES);
	memcpy(model->unreadable, bad, NR_CHUNKS);
	return model;
}

static enum extraction extract_instant(struct tmc_repo *repo, const struct tmc_instant *instant,
				       const struct model *model)
{
	struct image image = {
		.model = model,
		.data = malloc(BYTES),
		.seen = calloc(NR_CHUNKS, 1),
		.unreadable = calloc(NR_CHUNKS, 1),
	};
	struct tmc_sink sink = {
		.data = image_data,
		.zero = image_zero,
		.unreadable = image_unreadable,
		.progress = image_progress,
		.context = &image,
	};
	int ret = tmc_instant_extract(repo, instant, 3, &sink);
	enum extraction extraction = judge_image(&image, !ret);

	free(image.data);
	free((void *)image.seen);
	free(image.unreadable);
	return extraction;
}

static enum extraction extract(struct world *world, const struct tmc_instant *instant)
{
	uint8_t bad[NR_CHUNKS];
	enum extraction extraction;
	struct model *model;

	find_bad(world, find_point(world, &instant->base), instant->seq, bad);
	model = expect(world, instant->seq, bad);
	extraction = extract_instant(world->repo, instant, model);
	model_destroy(model);
	return extraction;
}

static int find_seq(struct world *world, uint64_t seq, struct tmc_instant *ret_instant)
{
	struct tmc_when when = { .kind = TMC_WHEN_SEQ, .seq = seq };

	return tmc_instant_find(world->repo, "test-volume", &when, ret_instant);
}

static void check_instant(struct world *world, uint64_t seq)
{
	struct tmc_instant instant;
	int ret = find_seq(world, seq, &instant);

	if (ret != (can_be_had(world, seq) ? 0 : -ENOENT))
		fail_msg("seq %llu: %d, %s", (unsigned long long)seq, ret, tmc_error_text());
	if (ret < 0)
		return;
	assert_int_equal(instant.seq, seq);
	assert_int_equal(instant.time_ns, world->records[seq - FIRST_SEQ].time_ns);
	if (extract(world, &instant) != EXTRACTION_EXACT)
		fail_msg("seq %llu: %s", (unsigned long long)seq, tmc_error_text());
}

static unsigned int check_all(struct world *world)
{
	unsigned int nr = 0;

	look_around(world);
	for (uint64_t seq = FIRST_SEQ - 1; seq <= FIRST_SEQ + NR_RECORDS; seq++) {
		check_instant(world, seq);
		nr += can_be_had(world, seq);
	}
	return nr;
}

static void check_some(struct world *world, unsigned int nr)
{
	look_around(world);
	while (nr--)
		check_instant(world, FIRST_SEQ + draw(world, NR_RECORDS));
}

static struct kept_point *keep(struct world *world, const struct tmc_instant *instant)
{
	struct kept_point *point = &world->points[world->nr_points];
	struct model *model;

	find_bad(world, find_point(world, &instant->base), instant->seq, point->bad);
	assert_success(tmc_instant_keep(world->repo, instant, 3, &point->point));
	model = expect(world, instant->seq, point->bad);
	assert_point_equals(world->repo, &point->point, model);
	model_destroy(model);
	world->nr_points++;
	return point;
}

/* ----------------------------------------------------------------------- world */

static void make_stretch(struct world *world, unsigned int stretch, const uint8_t *dirty,
			 const struct kept_point *parent)
{
	struct model geometry = { .bytes = BYTES };
	struct tmc_volume volume = model_volume(&geometry);

	for (unsigned int i = 0; i < PER_STRETCH; i++)
		make_record(world, stretch * PER_STRETCH);
	write_journal(world, stretch, &volume);
	scan(world, stretch * PER_STRETCH, parent, dirty);
}

/* Another one that begins while the stretch goes on: until it counts, it is no base. */
static void scan_again(struct world *world)
{
	uint8_t dirty[NR_CHUNKS];

	memset(dirty, 1, sizeof(dirty));
	scan(world, 2 * PER_STRETCH + 80, NULL, dirty);
}

/* The end of a stretch is kept, and the next scan reads only what was written since. */
static const struct kept_point *keep_end(struct world *world)
{
	uint64_t seq = FIRST_SEQ + world->nr - 1;
	struct tmc_instant instant;

	assert_success(find_seq(world, seq, &instant));
	return keep(world, &instant);
}

static void change_unseen(struct world *world, uint8_t dirty[NR_CHUNKS])
{
	for (uint32_t chunk = 0; chunk < NR_CHUNKS; chunk++) {
		uint64_t bytes = chunk + 1 < NR_CHUNKS ? CHUNK : BYTES - chunk * CHUNK;
		uint8_t *content;

		dirty[chunk] = one_in(world, 3);
		if (!dirty[chunk] || one_in(world, 3)) /* written, and the same */
			continue;
		content = make_content(world, bytes);
		change_device(world, (uint64_t)chunk * CHUNK, bytes, content);
		free(content);
	}
}

static struct world *make_world(struct fixture *fixture, uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));
	const struct kept_point *parent = NULL;
	uint8_t dirty[NR_CHUNKS];

	world->fixture = fixture;
	world->seed = seed;
	world->time_ns = 1700000000 * SECOND;
	world->moments = calloc(NR_RECORDS, sizeof(*world->moments));
	world->repo = make_repo(fixture->path, CHUNK);
	memset(dirty, 1, sizeof(dirty));
	for (unsigned int stretch = 0; stretch < NR_STRETCHES; stretch++) {
		if (stretch == 1)
			world->time_ns -= 50 * SECOND;
		if (stretch == 2)
			world->time_ns += 500 * SECOND;
		make_stretch(world, stretch, dirty, parent);
		parent = keep_end(world);
		change_unseen(world, dirty);
	}
	scan_again(world);
	return world;
}

static int world_setup(void **state)
{
	struct fixture *fixture;

	if (fixture_setup((void **)&fixture))
		return -1;
	*state = make_world(fixture, 7);
	return 0;
}

static int world_teardown(void **state)
{
	struct world *world = *state;
	int ret;

	tmc_replay_extents = TMC_REPLAY_EXTENTS;
	tmc_batch_bytes = TMC_BATCH_BYTES;
	tmc_repo_close(world->repo);
	ret = fixture_teardown((void **)&world->fixture);
	for (unsigned int i = 0; i < world->nr; i++)
		free((void *)world->records[i].payload);
	free(world->moments);
	free(world);
	return ret;
}

static bool is_flush(const struct tmc_record *record)
{
	return record->type == TMC_RECORD_FLUSH || record->flags & TMC_RECORD_PREFLUSH;
}

/* Of the same interval: what is had all the way. */
static uint64_t before_flush(const struct world *world, uint64_t seq)
{
	for (; can_be_had(world, seq) && can_be_had(world, seq - 1); seq--)
		if (is_flush(&world->records[seq - FIRST_SEQ]))
			return seq - 1;
	return 0;
}

static unsigned int check_flushes(struct world *world)
{
	unsigned int nr_found = 0;

	look_around(world);
	for (uint64_t seq = FIRST_SEQ; seq < FIRST_SEQ + NR_RECORDS; seq++) {
		struct tmc_when when = { .kind = TMC_WHEN_SEQ, .seq = seq, .before_flush = true };
		uint64_t before = before_flush(world, seq);
		struct tmc_instant instant;
		int ret;

		if (!can_be_had(world, seq))
			continue;
		ret = tmc_instant_find(world->repo, "test-volume", &when, &instant);
		assert_int_equal(ret, before ? 0 : -ENOENT);
		if (!ret)
			assert_int_equal(instant.seq, before);
		nr_found += !ret;
	}
	return nr_found;
}

/* ----------------------------------------------------------------------- tests */

static void each_instant_is_what_the_volume_was(void **state)
{
	struct world *world = *state;

	assert_in_range(check_all(world), NR_RECORDS / 3, NR_RECORDS - 60);
}

static void each_instant_of_other_worlds_as_well(void **state)
{
	for (uint64_t seed = 100; seed < (is_long() ? 130 : 103); seed++) {
		struct fixture *fixture;
		struct world *world;

		assert_int_equal(fixture_setup((void **)&fixture), 0);
		world = make_world(fixture, seed);
		assert_true(check_all(world) > NR_RECORDS / 5);
		assert_true(check_flushes(world));
		world_teardown((void **)&world);
	}
}

/* As if the volume were too large for its extents to be kept at once. */
static void the_volume_is_gone_through_in_passes(void **state)
{
	static const uint32_t nr_extents[] = { 1, 7, 8, 20, 50, 200 };
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(nr_extents) / sizeof(*nr_extents); i++) {
		tmc_replay_extents = nr_extents[i];
		check_some(world, 30);
	}
}

/* As if it had more chunks than a thread puts together at once. */
static void threads_share_the_chunks(void **state)
{
	struct world *world = *state;

	for (uint32_t nr_chunks = 1; nr_chunks < 8; nr_chunks += 3) {
		tmc_batch_bytes = nr_chunks * CHUNK;
		check_some(world, 40);
	}
}

static void a_kept_instant_is_a_point_and_later_ones_are_made_from_it(void **state)
{
	struct world *world = *state;
	struct tmc_instant instant;

	look_around(world);
	for (int i = 0; i < 12; i++) {
		uint64_t seq = FIRST_SEQ + draw(world, NR_RECORDS);
		const struct kept_point *point;
		struct tmc_point again;

		if (!can_be_had(world, seq))
			continue;
		assert_success(find_seq(world, seq, &instant));
		point = keep(world, &instant);
		assert_int_equal(point->point.moment.stretch, instant.stretch);
		assert_int_equal(point->point.moment.seq, seq);
		assert_int_equal(point->point.moment.settles_seq, 0);
		assert_int_equal(point->point.cut_time_ns, instant.time_ns);
		assert_success(tmc_instant_keep(world->repo, &instant, 1, &again));
		assert_memory_equal(&again.id, &point->point.id, sizeof(again.id));
		assert_success(find_seq(world, seq, &instant));
		assert_memory_equal(&instant.base, &point->point.id, sizeof(again.id));
	}
	assert_true(world->nr_points > 6 + 4);
	check_all(world);
}

static void intervals_are_the_spans_of_what_can_be_had(void **state)
{
	struct world *world = *state;
	struct tmc_interval *intervals;
	uint64_t seq = FIRST_SEQ - 1;
	size_t nr;

	look_around(world);
	assert_success(tmc_interval_list(world->repo, "test-volume", &intervals, &nr));
	for (size_t i = 0; i < nr; i++) {
		const struct tmc_interval *interval = &intervals[i];

		for (; seq < interval->first_seq; seq++)
			assert_false(can_be_had(world, seq));
		for (; seq <= interval->last_seq; seq++)
			assert_true(can_be_had(world, seq));
		assert_int_equal(interval->stretch,
				 world->stretches[(interval->first_seq - FIRST_SEQ) / PER_STRETCH]);
		assert_int_equal(interval->first_time_ns,
				 world->records[interval->first_seq - FIRST_SEQ].time_ns);
		assert_int_equal(interval->last_time_ns,
				 world->records[interval->last_seq - FIRST_SEQ].time_ns);
		assert_true(!i || interval[-1].stretch != interval->stretch ||
			    interval[-1].last_seq + 1 < interval->first_seq);
	}
	for (; seq < FIRST_SEQ + NR_RECORDS; seq++)
		assert_false(can_be_had(world, seq));
	free(intervals);
}

/* ---------------------------------------------------------------------- damage */

/* The nth file of the journal in the order of seqs. */
static void name_segment(struct world *world, size_t nth, char ret_path[300])
{
	struct tmc_segment *segments;
	char digits[TMC_ID_TEXT];
	size_t nr;

	assert_success(tmc_segment_list(world->repo, "test-volume", &segments, &nr));
	assert_true(nth < nr);
	for (size_t i = 0; i < nr; i++)
		for (size_t n = 0; n + 1 < nr; n++)
			if (segments[n].first_seq > segments[n + 1].first_seq) {
				struct tmc_segment segment = segments[n];

				segments[n] = segments[n + 1];
				segments[n + 1] = segment;
			}
	tmc_id_format(&segments[nth].id, digits);
	snprintf(ret_path, 300, "%s/journal/%s", world->fixture->path, digits);
	free(segments);
}

static void flip(const char *path, size_t at, bool from_end)
{
	size_t bytes;
	uint8_t *data = read_file(path, &bytes);

	data[from_end ? bytes - at : at] ^= 4;
	write_file(path, data, bytes);
	free(data);
}

static void behind_a_lost_segment_a_later_point_is_needed(void **state)
{
	struct world *world = *state;
	unsigned int nr = check_all(world), left;
	char path[300];

	name_segment(world, 7, path);
	assert_int_equal(unlink(path), 0);
	left = check_all(world);
	assert_true(left < nr);
	name_segment(world, 30, path);
	assert_int_equal(unlink(path), 0);
	assert_true(check_all(world) < left);
}

static void a_segment_whose_end_is_damaged_is_as_good_as_lost(void **state)
{
	struct world *world = *state;
	struct tmc_interval *intervals;
	unsigned int nr = check_all(world);
	char path[300];
	size_t nr_intervals;

	name_segment(world, 7, path);
	flip(path, 150, true);
	assert_true(check_all(world) < nr);
	assert_int_equal(tmc_interval_list(world->repo, "test-volume", &intervals, &nr_intervals),
			 -EBADMSG);
	assert_true(nr_intervals);
	free(intervals);
}

/* Wherever a bit has flipped: what comes back is right, or nothing does. */
static void damage_is_never_taken_for_content(void **state)
{
	struct world *world = *state;
	unsigned int refused = 0, exact = 0;
	char paths[12][300];

	for (size_t nth = 0; nth < 12; nth++)
		name_segment(world, nth, paths[nth]);
	for (size_t nth = 0; nth < 12; nth++) {
		struct stat st;

		assert_int_equal(stat(paths[nth], &st), 0);
		flip(paths[nth], draw(world, (uint32_t)st.st_size), false);
	}
	for (unsigned int i = 0; i < NR_RECORDS; i++) {
		struct tmc_instant instant;
		enum extraction extraction;

		if (find_seq(world, FIRST_SEQ + i, &instant) < 0)
			continue;
		extraction = extract(world, &instant);
		assert_int_not_equal(extraction, EXTRACTION_WRONG);
		exact += extraction == EXTRACTION_EXACT;
		refused += extraction == EXTRACTION_REFUSED;
	}
	assert_true(refused && exact > 100);
}

/* --------------------------------------------------------------- times and names */

static int find(struct world *world, struct tmc_when when, struct tmc_instant *ret_instant)
{
	return tmc_instant_find(world->repo, "test-volume", &when, ret_instant);
}

/* By the journal's order, not by the clock's; behind the end of a stretch nothing is known. */
static uint64_t seq_at(const struct world *world, uint64_t time_ns)
{
	for (unsigned int i = NR_RECORDS; i--;) {
		bool ends = i % PER_STRETCH == PER_STRETCH - 1 && i + 1 < NR_RECORDS;

		if (world->records[i].time_ns > time_ns)
			continue;
		return ends && world->records[i].time_ns < time_ns ? 0 : FIRST_SEQ + i;
	}
	return 0;
}

static void a_time_is_that_of_the_last_record_before_it(void **state)
{
	struct world *world = *state;
	uint64_t last_ns = world->records[NR_RECORDS - 1].time_ns;
	unsigned int nr_found = 0, nr_not = 0;
	struct tmc_instant instant;

	look_around(world);
	for (uint64_t ns = world->records[0].time_ns - 3 * SECOND; ns < last_ns + 5 * SECOND;
	     ns += SECOND / 4) {
		uint64_t seq = seq_at(world, ns);
		int ret = find(world, (struct tmc_when){ .kind = TMC_WHEN_TIME, .time_ns = ns },
			       &instant);

		assert_int_equal(ret, seq && can_be_had(world, seq) ? 0 : -ENOENT);
		if (ret)
			assert_non_null(strstr(tmc_error_text(), "(seq "));
		else
			assert_int_equal(instant.seq, seq);
		nr_found += !ret;
		nr_not += ret != 0;
	}
	assert_true(nr_found > 100 && nr_not > 100);
	assert_success(find(world, (struct tmc_when){ .kind = TMC_WHEN_TIME, .time_ns = UINT64_MAX },
			    &instant));
	assert_int_equal(instant.seq, FIRST_SEQ + NR_RECORDS - 1);
}

/* It may have had the record that is asked for. */
static void behind_a_last_segment_that_is_damaged_no_time_is_known(void **state)
{
	struct tmc_when when = { .kind = TMC_WHEN_TIME, .time_ns = UINT64_MAX };
	struct world *world = *state;
	struct tmc_instant instant;
	struct tmc_segment *segments;
	char path[300];
	size_t nr;

	assert_success(tmc_segment_list(world->repo, "test-volume", &segments, &nr));
	free(segments);
	name_segment(world, nr - 1, path);
	flip(path, 150, true);
	assert_int_equal(find(world, when, &instant), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "seq"));
	when.time_ns = world->records[2 * PER_STRETCH + 60].time_ns;
	assert_success(find(world, when, &instant));
}

static void an_instant_can_be_that_before_the_latest_flush(void **state)
{
	assert_true(check_flushes(*state) > 50);
}

static void a_mark_is_the_latest_of_its_name(void **state)
{
	struct tmc_when when = { .kind = TMC_WHEN_MARK };
	struct world *world = *state;
	struct tmc_instant instant;

	look_around(world);
	for (int n = 0; n < 6; n++) {
		unsigned int i = NR_RECORDS;
		char text[24];
		int ret;

		snprintf(text, sizeof(text), "mark %d", n);
		while (i-- && (world->records[i].type != TMC_RECORD_MARK ||
			       strcmp(world->records[i].payload, text)))
			;
		when.mark = text;
		ret = find(world, when, &instant);
		assert_int_equal(ret == 0, i < NR_RECORDS && can_be_had(world, FIRST_SEQ + i));
		assert_true(!ret || ret == -ENOENT);
		if (!ret)
			assert_int_equal(instant.seq, FIRST_SEQ + i);
	}
	when.mark = "mark";
	assert_int_equal(find(world, when, &instant), -ENOENT);
	assert_non_null(strstr(tmc_error_text(), "\"mark\""));
}

static void a_volume_without_a_journal_has_no_instants(void **state)
{
	struct tmc_when when = { .kind = TMC_WHEN_TIME, .time_ns = UINT64_MAX };
	struct world *world = *state;
	struct tmc_interval *intervals;
	struct tmc_instant instant;
	size_t nr;

	assert_int_equal(tmc_instant_find(world->repo, "another", &when, &instant), -ENOENT);
	assert_success(tmc_interval_list(world->repo, "another", &intervals, &nr));
	assert_int_equal(nr, 0);
	free(intervals);
}

/* Whoever has found an instant may find that it is gone. */
static void an_instant_without_its_base_is_refused(void **state)
{
	struct world *world = *state;
	struct tmc_instant instant;
	struct tmc_point point;
	struct tmc_id ids[NR_POINTS];

	assert_success(find_seq(world, FIRST_SEQ + 60, &instant));
	for (unsigned int i = 0; i < world->nr_points; i++)
		ids[i] = world->points[i].point.id;
	assert_success(tmc_forget(world->repo, ids, world->nr_points));
	assert_int_equal(extract(world, &instant), EXTRACTION_REFUSED);
	assert_int_equal(tmc_instant_keep(world->repo, &instant, 1, &point), -ENOENT);
	world->nr_points = 0;
	assert_int_equal(check_all(world), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(each_instant_is_what_the_volume_was),
		cmocka_unit_test(each_instant_of_other_worlds_as_well),
		T(the_volume_is_gone_through_in_passes),
		T(threads_share_the_chunks),
		T(a_kept_instant_is_a_point_and_later_ones_are_made_from_it),
		T(intervals_are_the_spans_of_what_can_be_had),
		T(behind_a_lost_segment_a_later_point_is_needed),
		T(a_segment_whose_end_is_damaged_is_as_good_as_lost),
		T(damage_is_never_taken_for_content),
		T(a_time_is_that_of_the_last_record_before_it),
		T(behind_a_last_segment_that_is_damaged_no_time_is_known),
		T(an_instant_can_be_that_before_the_latest_flush),
		T(a_mark_is_the_latest_of_its_name),
		T(a_volume_without_a_journal_has_no_instants),
		T(an_instant_without_its_base_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
