// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Restores in place, on image files: what is written, what is left, and what stands after
 * an interruption, a damaged pack, and a disk that lies.
 */
#include "restore_scene.h"

#include "common/bit_run.h"
#include "faults.h"

static bool chunk_is(const struct model *model, const uint8_t *data, const uint8_t *other,
		     uint64_t chunk)
{
	uint64_t offset = chunk * model->chunk_bytes;

	return memcmp(data + offset, other + offset, model_chunk_size(model, chunk)) == 0;
}

/* Exactly the chunks that differed were written. */
static void assert_only_changes(const struct scene *scene, const uint8_t *before)
{
	const struct tally *tally = &scene->result.tally;

	for (uint64_t chunk = 0; chunk < scene->model->nr_chunks; chunk++)
		assert_int_equal(bit_is_set(tally->bits[TALLY_SAME], chunk),
				 chunk_is(scene->model, scene->model->data, before, chunk));
}

static void what_differs_is_written_and_nothing_else(void **state)
{
	static const struct {
		uint64_t bytes;
		uint32_t chunk_bytes;
		uint64_t nr_changes;
	} cases[] = {
		{1, 4096, 0}, {4096, 4096, 1}, {300 * 4096 + 77, 4096, 40},
		{5 * 65536 + 512, 65536, 2}, {3 * 1048576 - 1, 1048576, 1}, {700 * 4096, 4096, 700},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture *fixture = *state;
		struct scene scene;
		uint8_t *before;

		remove_tree(fixture->path);
		scene_open(&scene, fixture,
			   scene_model(cases[i].bytes, cases[i].chunk_bytes, i > 1));
		before = changed_content(scene.model, cases[i].nr_changes);
		write_file(scene.image, before, cases[i].bytes);
		assert_restored(&scene);
		assert_file_is(scene.image, scene.model->data, scene.model->bytes);
		assert_accounted(&scene);
		assert_only_changes(&scene, before);
		assert_int_equal(scene.result.nr_compared, scene.model->nr_chunks);
		assert_int_equal(scene.result.nr_read_back + tally_nr_chunks(&scene.result.tally,
									     TALLY_SAME),
				 scene.model->nr_chunks);
		/* And once more: nothing differs. */
		assert_restored(&scene);
		assert_int_equal(tally_bytes(&scene.result.tally, TALLY_SAME), scene.model->bytes);
		assert_int_equal(tally_nr_chunks(&scene.result.tally, TALLY_UNREADABLE),
				 scene.point.unreadable_chunks);
		free(before);
		scene_close(&scene);
	}
}

/* Holes beyond its old end are zeros already. */
static void a_file_of_another_size_gets_the_right_one(void **state)
{
	static const uint64_t sizes[] = {0, 1, 4096 * 3 + 5, 200 * 4096, 90 * 4096 + 1, 90 * 4096};
	struct scene scene;

	scene_open(&scene, *state, scene_model(90 * 4096 + 1, 4096, true));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t *before = malloc(200 * 4096);

		memset(before, 0x33, 200 * 4096);
		write_file(scene.image, before, sizes[i]);
		assert_restored(&scene);
		assert_file_is(scene.image, scene.model->data, scene.model->bytes);
		assert_accounted(&scene);
		free(before);
	}
	scene_close(&scene);
}

static void assert_old_or_new(const struct scene *scene, const uint8_t *before)
{
	const struct model *model = scene->model;
	const struct tally *tally = &scene->result.tally;
	size_t bytes;
	uint8_t *found = read_file(scene->image, &bytes);

	assert_int_equal(bytes, model->bytes);
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++) {
		bool is_new = chunk_is(model, found, model->data, chunk);

		if (!is_new && !chunk_is(model, found, before, chunk))
			fail_msg("chunk %u is neither the old nor the new one", (unsigned int)chunk);
		/* What is said to be right is right. */
		for (int fate = 0; !is_new && scene->result.stage == RESTORE_BEGUN &&
				   fate < TALLY_NR_FATES; fate++)
			assert_false(bit_is_set(tally->bits[fate], chunk));
	}
	free(found);
}

/* LONG=1 takes every call; without it calls that only read are sampled. */
static void interrupt_everywhere(void **state, enum fault fault)
{
	unsigned int step = fault == FAULT_KILL || fault == FAULT_ENOSPC || is_long() ? 1 : 7;
	unsigned int nr_failed = 0, at = 1;
	struct scene scene;
	uint8_t *before;

	scene_open(&scene, *state, scene_model(300 * 4096 + 3000, 4096, true));
	before = changed_content(scene.model, 25);
	for (bool fired = true; fired; at += step) {
		int r;

		write_file(scene.image, before, scene.model->bytes);
		faults_arm(fault, at);
		r = scene_restore(&scene);
		fired = faults_fired();
		faults_disarm();
		nr_failed += r < 0;
		if (r < 0)
			assert_true(strlen(failure_text()) > 10);
		else
			assert_file_is(scene.image, scene.model->data, scene.model->bytes);
		assert_old_or_new(&scene, before);
		assert_restored(&scene);
		assert_file_is(scene.image, scene.model->data, scene.model->bytes);
		assert_accounted(&scene);
	}
	if (fault == FAULT_EINTR || fault == FAULT_SHORT)
		assert_int_equal(nr_failed, 0);
	else
		assert_true(nr_failed > 2);
	free(before);
	scene_close(&scene);
}

static void killed_at_each_write_it_is_exact_when_run_again(void **state)
{
	interrupt_everywhere(state, FAULT_KILL);
}

static void a_full_disk_at_each_write_leaves_old_or_new(void **state)
{
	interrupt_everywhere(state, FAULT_ENOSPC);
}

static void an_error_of_each_call_leaves_old_or_new(void **state)
{
	interrupt_everywhere(state, FAULT_EIO);
}

static void short_and_interrupted_transfers_are_gone_on_with(void **state)
{
	struct fixture *fixture = *state;

	interrupt_everywhere(state, FAULT_SHORT);
	remove_tree(fixture->path);
	interrupt_everywhere(state, FAULT_EINTR);
}

/* -------------------------------------------------------------------- damage */

/* Random content does not shrink, so that it lies in a pack as it is. */
static void damage_chunk(const struct scene *scene, uint64_t chunk)
{
	const uint8_t *content = scene->model->data + chunk * scene->model->chunk_bytes;
	struct file_list *list = malloc(sizeof(*list));
	bool found = false;

	list_files(scene->fixture, "packs", list);
	for (size_t i = 0; i < list->nr; i++) {
		size_t bytes;
		uint8_t *data = read_file(list->paths[i], &bytes);
		uint8_t *at = memmem(data, bytes, content, 64);

		if (at) {
			at[7] ^= 4;
			assert_int_equal(chmod(list->paths[i], 0600), 0);
			write_file(list->paths[i], data, bytes);
			found = true;
		}
		free(data);
	}
	free(list);
	assert_true(found);
}

static void a_damaged_pack_leaves_what_it_should_have_given(void **state)
{
	struct model *model = model_create(500 * 4096, 4096);
	struct scene scene;
	uint8_t *before;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, chunk % 5 ? CONTENT_RANDOM : CONTENT_ZERO);
	scene_open(&scene, *state, model);
	damage_chunk(&scene, 333);
	before = changed_content(model, 50);
	/* It is not needed: nobody minds. */
	memcpy(before + 333 * 4096, model->data + 333 * 4096, 4096);
	write_file(scene.image, before, model->bytes);
	assert_restored(&scene);
	assert_file_is(scene.image, model->data, model->bytes);
	/* It is. */
	before[333 * 4096 + 99] ^= 1;
	write_file(scene.image, before, model->bytes);
	assert_int_equal(scene_restore(&scene), -EBADMSG);
	assert_non_null(strstr(failure_text(), "is incomplete"));
	assert_int_equal(scene.result.stage, RESTORE_BEGUN);
	assert_old_or_new(&scene, before);
	for (int fate = 0; fate < TALLY_NR_FATES; fate++)
		assert_false(bit_is_set(scene.result.tally.bits[fate], 333));
	assert_true(tally_bytes(&scene.result.tally, TALLY_INCOMPLETE) >= 4096);
	free(before);
	scene_close(&scene);
}

/* ------------------------------------------------------------- disks that fail */

static struct {
	ino_t inode;      /* of the target */
	uint64_t begin, end; /* where it is bad */
	bool lies;        /* writes there are dropped; else reads there fail */
} bad;

static bool is_bad(int fd, uint64_t offset, uint64_t bytes)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == bad.inode && offset < bad.end &&
	       offset + bytes > bad.begin;
}

static ssize_t bad_pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (!bad.lies && is_bad(fd, (uint64_t)offset, bytes)) {
		errno = EIO;
		return -1;
	}
	return io_ops_system.pread(fd, data, bytes, offset);
}

static ssize_t bad_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	if (bad.lies && is_bad(fd, (uint64_t)offset, bytes))
		return (ssize_t)bytes;
	bad.begin = is_bad(fd, (uint64_t)offset, bytes) ? bad.end : bad.begin; /* remapped */
	return io_ops_system.pwrite(fd, data, bytes, offset);
}

static struct io_ops bad_ops;

static void make_bad(const struct scene *scene, uint64_t begin, uint64_t end, bool lies)
{
	struct stat st;

	assert_int_equal(stat(scene->image, &st), 0);
	bad.inode = st.st_ino;
	bad.begin = begin;
	bad.end = end;
	bad.lies = lies;
	bad_ops = io_ops_system;
	bad_ops.pread = bad_pread;
	bad_ops.pwrite = bad_pwrite;
	io_ops = &bad_ops;
}

static void what_the_target_cannot_read_is_written(void **state)
{
	struct model *model = model_create(400 * 4096, 4096);
	struct scene scene;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	scene_open(&scene, *state, model);
	write_file(scene.image, model->data, model->bytes);
	make_bad(&scene, 70 * 4096 + 512, 71 * 4096, false);
	assert_restored(&scene);
	io_ops = &io_ops_system;
	assert_file_is(scene.image, model->data, model->bytes);
	assert_int_equal(tally_nr_chunks(&scene.result.tally, TALLY_WRITTEN), 1);
	assert_true(bit_is_set(scene.result.tally.bits[TALLY_WRITTEN], 70));
	scene_close(&scene);
}

static void a_disk_that_drops_a_write_is_found(void **state)
{
	struct model *model = model_create(400 * 4096, 4096);
	struct scene scene;
	uint8_t *before;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	scene_open(&scene, *state, model);
	before = changed_content(model, 0);
	before[200 * 4096 + 5] ^= 1;
	write_file(scene.image, before, model->bytes);
	make_bad(&scene, 200 * 4096, 201 * 4096, true);
	assert_int_equal(scene_restore(&scene), -EIO);
	io_ops = &io_ops_system;
	assert_non_null(strstr(failure_text(), "byte 819200"));
	assert_int_equal(scene.result.stage, RESTORE_BEGUN);
	free(before);
	scene_close(&scene);
}

/* -------------------------------------------------------------------- untouched */

static int refuse_to_begin(void *context, const struct restore_result *result)
{
	assert_int_equal(result->stage, RESTORE_NOT_BEGUN);
	return failure_set(-ENOSPC, "there is no room for the manifest");
}

static void nothing_is_touched_before_it_begins(void **state)
{
	struct scene scene;
	uint8_t *before;

	scene_open(&scene, *state, scene_model(100 * 4096 + 9, 4096, true));
	before = changed_content(scene.model, 20);
	write_file(scene.image, before, 50 * 4096);
	for (int method = RESTORE_WHOLE; method <= RESTORE_RESUME; method++) {
		scene.request.method = (enum restore_method)method;
		scene.request.dry_run = false;
		scene.request.begins = refuse_to_begin;
		assert_int_equal(scene_restore(&scene), -ENOSPC);
		assert_int_equal(scene.result.stage, RESTORE_NOT_BEGUN);
		assert_file_is(scene.image, before, 50 * 4096);
		scene.request.dry_run = true;
		assert_restored(&scene);
		assert_file_is(scene.image, before, 50 * 4096);
		assert_accounted(&scene);
	}
	free(before);
	scene_close(&scene);
}

/* What a dry run says is what is done then. */
static void a_dry_run_says_what_is_done(void **state)
{
	uint64_t written, zeroed, same;
	struct scene scene;
	uint8_t *before;

	scene_open(&scene, *state, scene_model(300 * 4096 + 9, 4096, true));
	before = changed_content(scene.model, 50);
	write_file(scene.image, before, scene.model->bytes);
	scene.request.dry_run = true;
	assert_restored(&scene);
	written = tally_bytes(&scene.result.tally, TALLY_WRITTEN);
	zeroed = tally_bytes(&scene.result.tally, TALLY_ZEROED);
	same = tally_bytes(&scene.result.tally, TALLY_SAME);
	scene.request.dry_run = false;
	assert_restored(&scene);
	assert_int_equal(tally_bytes(&scene.result.tally, TALLY_WRITTEN), written);
	assert_int_equal(tally_bytes(&scene.result.tally, TALLY_ZEROED), zeroed);
	assert_int_equal(tally_bytes(&scene.result.tally, TALLY_SAME), same);
	free(before);
	scene_close(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_differs_is_written_and_nothing_else),
		TEST(a_file_of_another_size_gets_the_right_one),
		TEST(killed_at_each_write_it_is_exact_when_run_again),
		TEST(a_full_disk_at_each_write_leaves_old_or_new),
		TEST(an_error_of_each_call_leaves_old_or_new),
		TEST(short_and_interrupted_transfers_are_gone_on_with),
		TEST(a_damaged_pack_leaves_what_it_should_have_given),
		TEST(what_the_target_cannot_read_is_written),
		TEST(a_disk_that_drops_a_write_is_found),
		TEST(nothing_is_touched_before_it_begins),
		TEST(a_dry_run_says_what_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
