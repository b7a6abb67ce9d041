// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The file of a saved state: it comes back as it was, or not at all; whatever a power cut
 * leaves, whatever somebody put there, and whichever volume it was of.
 */
#include "crash_states.h"
#include "repo_fixture.h"

#include "agent/saved_state.h"

#include <errno.h>
#include <openssl/sha.h>

#define ID        "part:aaaa-01"
#define NR_CHUNKS 1000u

static struct saved_state made(unsigned int seed)
{
	struct saved_state state = {
		.volume_id = ID,
		.volume_bytes = NR_CHUNKS * 65536ull - 512,
		.nr_chunks = NR_CHUNKS,
		.chunk_bytes = 65536,
		.base = { 1, (uint8_t)seed },
		.proof = { .kind = PROOF_XFS, .digest = { 7, (uint8_t)seed } },
	};

	for (uint64_t chunk = seed % 5; chunk + 9 < NR_CHUNKS; chunk += 10 + seed % 7)
		assert_success(chunk_runs_add(&state.dirty, chunk, 1 + chunk % 8));
	return state;
}

static void expect_same(const struct saved_state *a, const struct saved_state *b)
{
	assert_string_equal(a->volume_id, b->volume_id);
	assert_int_equal(a->volume_bytes, b->volume_bytes);
	assert_int_equal(a->nr_chunks, b->nr_chunks);
	assert_int_equal(a->chunk_bytes, b->chunk_bytes);
	assert_memory_equal(a->base, b->base, sizeof(a->base));
	assert_true(proof_equal(&a->proof, &b->proof));
	assert_int_equal(a->dirty.nr, b->dirty.nr);
	assert_memory_equal(a->dirty.runs, b->dirty.runs, a->dirty.nr * sizeof(*a->dirty.runs));
}

static const char *directory_of(void **state)
{
	return ((struct fixture *)*state)->path;
}

static void what_was_saved_comes_back(void **state)
{
	struct saved_state saved = made(1), read;

	assert_false(saved_state_any(directory_of(state)));
	assert_int_equal(saved_state_read(directory_of(state), ID, &read), -ENOENT);
	assert_success(saved_state_write(directory_of(state), &saved));
	assert_true(saved_state_any(directory_of(state)));
	assert_success(saved_state_read(directory_of(state), ID, &read));
	expect_same(&saved, &read);
	saved_state_clear(&read);
	assert_int_equal(saved_state_read(directory_of(state), "part:other", &read), -ENOENT);
	saved_state_clear(&saved);
}

static void nothing_dirty_is_a_state_too(void **state)
{
	struct saved_state saved = made(1), read;

	chunk_runs_clear(&saved.dirty);
	assert_success(saved_state_write(directory_of(state), &saved));
	assert_success(saved_state_read(directory_of(state), ID, &read));
	assert_int_equal(read.dirty.nr, 0);
	saved_state_clear(&read);
}

static void what_is_removed_is_gone(void **state)
{
	struct saved_state saved = made(1), read;

	assert_success(saved_state_remove(directory_of(state), ID));
	assert_success(saved_state_write(directory_of(state), &saved));
	assert_success(saved_state_remove(directory_of(state), "part:other"));
	assert_success(saved_state_read(directory_of(state), ID, &read));
	saved_state_clear(&read);
	assert_success(saved_state_remove(directory_of(state), ID));
	assert_int_equal(saved_state_read(directory_of(state), ID, &read), -ENOENT);
	assert_success(saved_state_remove(directory_of(state), ID));
	saved_state_clear(&saved);
}

/* ------------------------------------------------------------------------- hostile */

struct file {
	char path[200];
	uint8_t data[8192];
	size_t bytes;
};

static struct file file_of(const char *directory, const struct saved_state *saved)
{
	struct file file = { .bytes = 0 };
	char command[300];
	FILE *names;
	int fd;

	assert_success(saved_state_write(directory, saved));
	snprintf(command, sizeof(command), "ls %s/*.state", directory);
	names = popen(command, "r");
	assert_non_null(fgets(file.path, sizeof(file.path), names));
	pclose(names);
	file.path[strcspn(file.path, "\n")] = '\0';
	fd = open(file.path, O_RDONLY);
	file.bytes = (size_t)read(fd, file.data, sizeof(file.data));
	close(fd);
	return file;
}

static void put_file(const struct file *file, size_t bytes)
{
	int fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, file->data, bytes), bytes);
	close(fd);
}

static void expect_refused(const char *directory)
{
	struct saved_state read;

	assert_int_equal(saved_state_read(directory, ID, &read), -EBADMSG);
	saved_state_clear(&read);
}

static void a_file_with_any_byte_changed_or_missing_is_none(void **state)
{
	struct saved_state saved = made(3);
	struct file file = file_of(directory_of(state), &saved);

	for (size_t i = 0; i < file.bytes; i++) {
		file.data[i] ^= 0x10;
		put_file(&file, file.bytes);
		expect_refused(directory_of(state));
		file.data[i] ^= 0x10;
		put_file(&file, i);
		expect_refused(directory_of(state));
	}
	file.data[file.bytes] = 0;
	put_file(&file, file.bytes + 1);
	expect_refused(directory_of(state));
	saved_state_clear(&saved);
}

/* With a digest that is right: somebody who knows the format. */
static void expect_refused_with(const char *directory, const struct file *file, size_t offset,
				size_t bytes, uint64_t value)
{
	struct file forged = *file;
	size_t content = file->bytes - SHA256_DIGEST_LENGTH;

	memcpy(forged.data + offset, &value, bytes);
	SHA256(forged.data, content, forged.data + content);
	put_file(&forged, forged.bytes);
	expect_refused(directory);
}

static void a_file_that_makes_no_sense_is_none(void **state)
{
	const char *directory = directory_of(state);
	size_t run = sizeof(struct saved_state_disk);
	struct saved_state saved = made(3);
	struct file file = file_of(directory, &saved);
	uint8_t zero[32] = {0};

	expect_refused_with(directory, &file, 8, 4, 2);            /* version */
	expect_refused_with(directory, &file, 12, 4, 0);           /* chunk size */
	expect_refused_with(directory, &file, 12, 4, 65537);
	expect_refused_with(directory, &file, 12, 4, 2048);
	expect_refused_with(directory, &file, 16, 8, 0);           /* volume */
	expect_refused_with(directory, &file, 16, 8, ~0ull);
	expect_refused_with(directory, &file, 24, 8, NR_CHUNKS + 1);
	expect_refused_with(directory, &file, 32, 8, saved.dirty.nr + 1);
	expect_refused_with(directory, &file, 32, 8, 1ull << 60);  /* times 16 is 0 */
	expect_refused_with(directory, &file, 40, 4, PROOF_NONE);
	expect_refused_with(directory, &file, 44, 4, 1);
	expect_refused_with(directory, &file, 112, 4, 0x61616161); /* another volume's */
	expect_refused_with(directory, &file, 112 + 255, 1, 'a');  /* no end */
	expect_refused_with(directory, &file, run, 8, NR_CHUNKS);
	expect_refused_with(directory, &file, run, 8, ~0ull);
	expect_refused_with(directory, &file, run + 8, 8, 0);
	expect_refused_with(directory, &file, run + 8, 8, NR_CHUNKS + 1);
	expect_refused_with(directory, &file, run + 8, 8, ~0ull);
	expect_refused_with(directory, &file, run + 16, 8, 0);     /* before the first */
	memcpy(file.data + 80, zero, 32);
	expect_refused_with(directory, &file, 44, 4, 0);           /* no base */
	saved_state_clear(&saved);
}

static void what_is_no_file_is_none(void **state)
{
	struct saved_state saved = made(3);
	struct file file = file_of(directory_of(state), &saved);

	assert_return_code(unlink(file.path), errno);
	assert_return_code(mkfifo(file.path, 0600), errno);
	expect_refused(directory_of(state));
	assert_return_code(unlink(file.path), errno);
	assert_return_code(symlink("/dev/zero", file.path), errno);
	expect_refused(directory_of(state));
	saved_state_clear(&saved);
}

/* ------------------------------------------------------------------------ power cuts */

static int read_rebuilt(const char *directory, const char *where, unsigned int *ret_seed)
{
	struct saved_state read, written;
	int r = saved_state_read(directory, ID, &read);

	if (r < 0 && r != -ENOENT)
		fail_msg("%s: %d", where, r);
	*ret_seed = r == 0 ? read.base[1] : 0;
	if (r == 0) {
		written = made(*ret_seed);
		expect_same(&read, &written);
		saved_state_clear(&written);
	}
	saved_state_clear(&read);
	return r;
}

static void judge_write(void *context, unsigned int nr_done, const char *where)
{
	unsigned int seed;

	if (read_rebuilt(context, where, &seed) < 0 && nr_done == 1)
		fail_msg("%s: what was saved is gone", where);
}

static void judge_rest(void *context, unsigned int nr_done, const char *where)
{
	unsigned int seed;
	int r = read_rebuilt(context, where, &seed);

	if (r == 0 && seed == 1 && nr_done >= 2)
		fail_msg("%s: what was replaced is there again", where);
	if (r == 0 && nr_done == 3)
		fail_msg("%s: what was used is there again", where);
}

static void judge_trace(struct fixture *fixture, const struct trace *trace,
			void (*judge)(void *context, unsigned int nr_done, const char *where))
{
	struct crash_states states = { .scratch = "none", .trace = trace, .judge = judge };
	char rebuilt[128];

	snprintf(rebuilt, sizeof(rebuilt), "%s/rebuilt", fixture->directory);
	states.path = rebuilt;
	states.context = rebuilt;
	crash_states_judge(&states);
	print_message("%zu states, %zu of them differ\n", states.ret_nr_states,
		      states.ret_nr_judged);
	assert_true(states.ret_nr_judged > 3);
}

static void write_traced(const char *path, unsigned int seed)
{
	struct saved_state saved = made(seed);

	assert_success(saved_state_write(path, &saved));
	trace_done();
	saved_state_clear(&saved);
}

static void what_was_saved_survives_a_power_cut(void **state)
{
	struct fixture *fixture = *state;
	struct trace *trace;

	assert_return_code(mkdir(fixture->path, 0700), errno);
	trace_start(fixture->path);
	write_traced(fixture->path, 1);
	trace = trace_stop();
	judge_trace(fixture, trace, judge_write);
	trace_destroy(trace);
}

static void what_was_replaced_or_used_never_comes_back(void **state)
{
	struct fixture *fixture = *state;
	struct trace *trace;

	assert_return_code(mkdir(fixture->path, 0700), errno);
	trace_start(fixture->path);
	write_traced(fixture->path, 1);
	write_traced(fixture->path, 2);
	assert_success(saved_state_remove(fixture->path, ID));
	trace_done();
	trace = trace_stop();
	judge_trace(fixture, trace, judge_rest);
	trace_destroy(trace);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_saved_comes_back),
		T(nothing_dirty_is_a_state_too),
		T(what_is_removed_is_gone),
		T(a_file_with_any_byte_changed_or_missing_is_none),
		T(a_file_that_makes_no_sense_is_none),
		T(what_is_no_file_is_none),
		T(what_was_saved_survives_a_power_cut),
		T(what_was_replaced_or_used_never_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
