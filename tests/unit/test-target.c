// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Files as targets of a restore: what is refused, and what ends up in them.
 */
#include "common/failure.h"
#include "restore/target.h"
#include "restore/target_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_sysfs.h"

#include <errno.h>
#include <fcntl.h>

#define MIB (1u << 20)

struct place {
	struct fake_sysfs fake;
	struct tmc_point point;
	struct target_check check;
	char repository[96];
	char swaps[96];
	char path[128];
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	fake_begin(&place->fake);
	fake_device(&place->fake, "devices/loop0", 30, 50);
	fake_file(&place->fake, "Filename Type Size\n", "swaps");
	fake_file(&place->fake, "x", "repo/object");
	fake_open(&place->fake);
	snprintf(place->repository, sizeof(place->repository), "%s/repo", place->fake.root);
	snprintf(place->swaps, sizeof(place->swaps), "%s/swaps", place->fake.root);
	snprintf(place->path, sizeof(place->path), "%s/image", place->fake.root);
	place->point.volume.volume_bytes = 3 * MIB + 1536;
	place->check = (struct target_check){
		.tree = &place->fake.tree,
		.swaps = place->swaps,
		.repository = place->repository,
		.path = place->path,
		.point = &place->point,
		.needed_bytes = place->point.volume.volume_bytes,
	};
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	fake_end(&place->fake);
	free(place);
	return 0;
}

static void refused(struct place *place, int error, const char *text)
{
	enum target_kind kind;

	assert_int_equal(target_check(&place->check, &kind), error);
	if (!strstr(failure_text(), text))
		fail_msg("\"%s\" does not say \"%s\"", failure_text(), text);
}

static void a_new_file_is_allowed(void **state)
{
	struct place *place = *state;
	enum target_kind kind;

	assert_int_equal(target_check(&place->check, &kind), 0);
	assert_int_equal(kind, TARGET_NEW_FILE);
}

static void a_file_with_content_needs_force(void **state)
{
	struct place *place = *state;
	enum target_kind kind;

	fake_file(&place->fake, "", "image");
	assert_int_equal(target_check(&place->check, &kind), 0);
	assert_int_equal(kind, TARGET_FILE);
	fake_file(&place->fake, "precious", "image");
	refused(place, -ETXTBSY, "--force");
	place->check.force = TARGET_FORCE;
	assert_int_equal(target_check(&place->check, &kind), 0);
}

static void the_repository_is_no_target_even_with_force(void **state)
{
	struct place *place = *state;

	place->check.force = TARGET_FORCE;
	snprintf(place->path, sizeof(place->path), "%s/object", place->repository);
	refused(place, -ETXTBSY, "inside the repository");
	snprintf(place->path, sizeof(place->path), "%s/new", place->repository);
	refused(place, -ETXTBSY, "inside the repository");
	snprintf(place->path, sizeof(place->path), "%s/link", place->fake.root);
	assert_int_equal(symlink(place->repository, place->path), 0);
	snprintf(place->path, sizeof(place->path), "%s/link/object", place->fake.root);
	refused(place, -ETXTBSY, "inside the repository");
}

static void a_name_that_begins_like_the_repository_is_allowed(void **state)
{
	struct place *place = *state;
	enum target_kind kind;

	snprintf(place->path, sizeof(place->path), "%s/repository.img", place->fake.root);
	assert_int_equal(target_check(&place->check, &kind), 0);
}

static void a_file_in_use_is_refused_even_with_force(void **state)
{
	struct place *place = *state;

	place->check.force = TARGET_FORCE;
	fake_file(&place->fake, "", "image");
	fake_file(&place->fake, place->path, "devices/loop0/loop/backing_file");
	refused(place, -ETXTBSY, "loop device");
	snprintf(place->path, sizeof(place->path), "%s/other", place->fake.root);
	fake_file(&place->fake, "", "other");
	fake_file(&place->fake, place->path, "swaps");
	fake_file(&place->fake, " file 1 2\n", "swaps");
	refused(place, -ETXTBSY, "swap");
}

static void what_is_not_there_is_said(void **state)
{
	struct place *place = *state;

	snprintf(place->path, sizeof(place->path), "%s/no/such/image", place->fake.root);
	refused(place, -ENOENT, "no such directory");
	snprintf(place->path, sizeof(place->path), "/dev/no-such-disk");
	refused(place, -ENOENT, "no such block device");
	snprintf(place->path, sizeof(place->path), "%s", place->fake.root);
	refused(place, -EINVAL, "neither a block device nor a file");
	snprintf(place->path, sizeof(place->path), "/dev/null");
	refused(place, -EINVAL, "neither a block device nor a file");
}

static void content_holes_and_an_odd_end_arrive(void **state)
{
	struct place *place = *state;
	uint64_t bytes = place->point.volume.volume_bytes;
	uint8_t *data = aligned_alloc(4096, MIB);
	uint8_t *seen = malloc(bytes);
	struct target target;
	struct stat st;
	FILE *file;

	memset(data, 0x5a, MIB);
	assert_int_equal(target_open(TARGET_NEW_FILE, TARGET_REPLACE, place->path, bytes, &target), 0);
	assert_int_equal(target_begin(&target), 0);
	assert_int_equal(target_write(&target, 0, data, MIB), 0);
	assert_int_equal(target_zero(&target, MIB, 2 * MIB), 0);
	assert_int_equal(target_write(&target, 3 * MIB, data, 1536), 0);
	assert_int_equal(target_finish(&target), 0);
	target_close(&target);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_size, bytes);
	assert_true((uint64_t)st.st_blocks * 512 < bytes);
	file = fopen(place->path, "r");
	assert_int_equal(fread(seen, 1, bytes, file), bytes);
	fclose(file);
	for (uint64_t i = 0; i < bytes; i++)
		assert_int_equal(seen[i], i < MIB || i >= 3 * MIB ? 0x5a : 0);
	free(seen);
	free(data);
}

static void a_restore_that_did_not_finish_leaves_no_file(void **state)
{
	struct place *place = *state;
	struct target target;

	assert_int_equal(target_open(TARGET_NEW_FILE, TARGET_REPLACE, place->path, MIB, &target), 0);
	assert_int_equal(target_begin(&target), 0);
	target_close(&target);
	assert_int_equal(access(place->path, F_OK), -1);
}

static void a_forced_file_keeps_nothing_of_what_it_held(void **state)
{
	struct place *place = *state;
	char seen[16] = "";
	struct target target;
	FILE *file;

	fake_file(&place->fake, "precious", "image");
	assert_int_equal(target_open(TARGET_FILE, TARGET_REPLACE, place->path, 8, &target), 0);
	assert_int_equal(target_begin(&target), 0);
	assert_int_equal(target_zero(&target, 0, 8), 0);
	assert_int_equal(target_finish(&target), 0);
	target_close(&target);
	file = fopen(place->path, "r");
	assert_int_equal(fread(seen, 1, sizeof(seen), file), 8);
	fclose(file);
	assert_memory_equal(seen, "\0\0\0\0\0\0\0\0", 8);
}

/* What is not written stays, so it must be the volume that it is about. */
static void a_file_in_place_must_hold_the_volume(void **state)
{
	struct place *place = *state;
	enum target_kind kind;

	place->check.how = TARGET_IN_PLACE;
	assert_int_equal(target_check(&place->check, &kind), 0);
	fake_file(&place->fake, "precious", "image");
	refused(place, -ETXTBSY, "does not hold the file system");
	place->check.force = TARGET_FORCE;
	assert_int_equal(target_check(&place->check, &kind), 0);
	assert_int_equal(kind, TARGET_FILE);
}

static void what_a_restore_left_may_be_in_use(void **state)
{
	struct place *place = *state;
	char partial[160];
	enum target_kind kind;

	place->check.how = TARGET_RESUME;
	snprintf(partial, sizeof(partial), "%s.partial", place->path);
	fake_file(&place->fake, "half", "image.partial");
	assert_int_equal(target_check(&place->check, &kind), 0);
	assert_int_equal(kind, TARGET_NEW_FILE);
	fake_file(&place->fake, partial, "devices/loop0/loop/backing_file");
	refused(place, -ETXTBSY, "loop device");
}

static void opening_changes_nothing(void **state)
{
	struct place *place = *state;
	struct target target;
	char seen[16] = "";
	FILE *file;

	fake_file(&place->fake, "precious", "image");
	for (int how = TARGET_REPLACE; how <= TARGET_LOOK; how++) {
		assert_int_equal(target_open(TARGET_FILE, (enum target_how)how, place->path, 3,
					     &target), 0);
		target_close(&target);
	}
	file = fopen(place->path, "r");
	assert_int_equal(fread(seen, 1, sizeof(seen), file), 8);
	fclose(file);
	assert_memory_equal(seen, "precious", 8);
}

static void a_locked_file_is_in_use(void **state)
{
	struct place *place = *state;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1};
	struct target target;
	int fd;

	fake_file(&place->fake, "precious", "image");
	fd = open(place->path, O_RDWR);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(target_open(TARGET_FILE, TARGET_REPLACE, place->path, 8, &target),
			 -ETXTBSY);
	close(fd);
	assert_int_equal(target_open(TARGET_FILE, TARGET_REPLACE, place->path, 8, &target), 0);
	target_close(&target);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_file_is_allowed),
		TEST(a_file_with_content_needs_force),
		TEST(the_repository_is_no_target_even_with_force),
		TEST(a_name_that_begins_like_the_repository_is_allowed),
		TEST(a_file_in_use_is_refused_even_with_force),
		TEST(what_is_not_there_is_said),
		TEST(content_holes_and_an_odd_end_arrive),
		TEST(a_restore_that_did_not_finish_leaves_no_file),
		TEST(a_forced_file_keeps_nothing_of_what_it_held),
		TEST(a_file_in_place_must_hold_the_volume),
		TEST(what_a_restore_left_may_be_in_use),
		TEST(opening_changes_nothing),
		TEST(a_locked_file_is_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
