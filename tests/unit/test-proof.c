// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Proofs on file systems as mkfs makes them: each byte that a mount changes is in them, what
 * is not clean has none, and what makes no sense has none and harms nobody.
 */
#include "file_system.h"

#include "common/failure.h"

#define EXT4_SUPER 1024u

static struct fixture *fixture_of(void **state)
{
	return *state;
}

/* Changed by hand at offset, the volume has another proof, and with that undone the same. */
static void expect_covered(int fd, uint64_t bytes, uint64_t offset)
{
	struct proof before = proof_of(fd, 0, bytes);
	struct proof now;

	flip_at(fd, offset);
	now = proof_of(fd, 0, bytes);
	assert_false(proof_equal(&before, &now));
	flip_at(fd, offset);
	now = proof_of(fd, 0, bytes);
	assert_true(proof_equal(&before, &now));
}

static void expect_none(int fd, uint64_t bytes, const char *why)
{
	struct proof proof = proof_of(fd, 0, bytes);

	assert_int_equal(proof.kind, PROOF_NONE);
	assert_false(proof_equal(&proof, &proof));
	assert_non_null(strstr(failure_text(), why));
}

/* With the byte as it is given, there is none; then it is put back. */
static void expect_none_with(int fd, uint64_t bytes, uint64_t offset, uint8_t value, const char *why)
{
	uint8_t before;

	assert_int_equal(pread(fd, &before, 1, (off_t)offset), 1);
	assert_int_equal(pwrite(fd, &value, 1, (off_t)offset), 1);
	expect_none(fd, bytes, why);
	assert_int_equal(pwrite(fd, &before, 1, (off_t)offset), 1);
}

/* ----------------------------------------------------------------------------- ext4 */

static uint64_t ext4_journal(int fd)
{
	uint8_t map[60];
	uint32_t low;

	assert_int_equal(pread(fd, map, sizeof(map), EXT4_SUPER + 268), sizeof(map));
	memcpy(&low, map + 20, sizeof(low));
	return low * 1024ull;
}

static void each_field_that_a_mount_of_ext4_changes_is_in_its_proof(void **state)
{
	static const unsigned int fields[] = {
		44,  /* time of the mount */
		48,  /* time of the write */
		52,  /* mounts since it was checked */
		64,  /* time of the check */
		376, /* kilobytes written */
		104, /* UUID */
	};
	int fd = make_file_system(fixture_of(state), "ext4", EXT4_BYTES, "-F -b 1024");
	uint64_t journal = ext4_journal(fd);

	assert_int_equal(proof_of(fd, 0, EXT4_BYTES).kind, PROOF_EXT4);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect_covered(fd, EXT4_BYTES, EXT4_SUPER + fields[i]);
	expect_covered(fd, EXT4_BYTES, journal + 24); /* its sequence */
	close(fd);
}

static void an_ext4_that_is_not_clean_has_no_proof(void **state)
{
	int fd = make_file_system(fixture_of(state), "ext4", EXT4_BYTES, "-F -b 1024");
	uint64_t journal = ext4_journal(fd);
	uint8_t incompat;

	assert_int_equal(pread(fd, &incompat, 1, EXT4_SUPER + 96), 1);
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 58, 0, "not unmounted");
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 96, incompat | 4, "not unmounted");
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 96, incompat | 8, "journal of another");
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 102, 1, "not unmounted");
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 232, 12, "not unmounted");
	expect_none_with(fd, EXT4_BYTES, journal + 31, 1, "not unmounted");
	expect_none_with(fd, EXT4_BYTES, journal, 0, "not where it should be");
	assert_int_equal(proof_of(fd, 0, EXT4_BYTES).kind, PROOF_EXT4);
	close(fd);
}

static void an_ext4_without_or_with_another_kind_of_journal_has_a_proof(void **state)
{
	static const char *const options[] = {
		"-F -O ^has_journal", "-F -O ^extents,^64bit", "-F -b 4096", "-F -O 64bit,metadata_csum",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int fd = make_file_system(fixture_of(state), "ext4", EXT4_BYTES, options[i]);

		assert_int_equal(proof_of(fd, 0, EXT4_BYTES).kind, PROOF_EXT4);
		expect_covered(fd, EXT4_BYTES, EXT4_SUPER + 52);
		close(fd);
	}
}

/* The journal's map points anywhere, at any depth. */
static void an_ext4_that_makes_no_sense_has_no_proof(void **state)
{
	int fd = make_file_system(fixture_of(state), "ext4", EXT4_BYTES, "-F");
	uint8_t super[1024], random[60];
	unsigned int seed = 4;

	assert_int_equal(pread(fd, super, sizeof(super), EXT4_SUPER), sizeof(super));
	for (unsigned int i = 0; i < 3000; i++) {
		for (size_t j = 0; j < sizeof(random); j++)
			random[j] = (uint8_t)rand_r(&seed);
		/* The header: a magic, entries, and a depth that is followed. */
		memcpy(random, "\x0a\xf3\x01\x00\x04\x00", 6);
		random[6] = (uint8_t)(rand_r(&seed) % 8);
		random[7] = 0;
		if (i % 3 == 0)
			memset(random + 16, 0, 8);
		assert_int_equal(pwrite(fd, random, sizeof(random), EXT4_SUPER + 268), 60);
		assert_int_equal(proof_of(fd, 0, EXT4_BYTES).kind, PROOF_NONE);
	}
	assert_int_equal(pwrite(fd, super, sizeof(super), EXT4_SUPER), sizeof(super));
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 24, 99, "makes no sense");
	expect_none_with(fd, EXT4_BYTES, EXT4_SUPER + 253, 0, "does not say where the journal is");
	close(fd);
}

/* ------------------------------------------------------------------------------ xfs */

static uint64_t get_be(int fd, uint64_t offset, unsigned int bytes)
{
	uint8_t raw[8];
	uint64_t number = 0;

	assert_int_equal(pread(fd, raw, bytes, (off_t)offset), bytes);
	for (unsigned int i = 0; i < bytes; i++)
		number = number << 8 | raw[i];
	return number;
}

static void put_be(int fd, uint64_t offset, unsigned int bytes, uint64_t number)
{
	uint8_t raw[8];

	for (unsigned int i = bytes; i-- > 0; number >>= 8)
		raw[i] = (uint8_t)number;
	assert_int_equal(pwrite(fd, raw, bytes, (off_t)offset), bytes);
}

static uint64_t xfs_log(int fd)
{
	uint64_t start = get_be(fd, 48, 8);
	unsigned int bits = (unsigned int)get_be(fd, 124, 1);

	return ((start >> bits) * get_be(fd, 84, 4) + (start & ((1ull << bits) - 1))) *
	       get_be(fd, 4, 4);
}

static uint64_t xfs_log_blocks(int fd)
{
	return get_be(fd, 96, 4) * get_be(fd, 4, 4) / 512;
}

/* An empty header, as a mount writes them in front of the head. */
static void put_stale(int fd, uint64_t log, uint64_t block, uint32_t cycle, uint64_t tail)
{
	static const uint8_t zero[512];

	assert_int_equal(pwrite(fd, zero, 512, (off_t)(log + 512 * block)), 512);
	put_be(fd, log + 512 * block, 4, 0xfeedbabe);
	put_be(fd, log + 512 * block + 4, 4, cycle);
	put_be(fd, log + 512 * block + 8, 4, 2);
	put_be(fd, log + 512 * block + 16, 8, (uint64_t)cycle << 32 | block);
	put_be(fd, log + 512 * block + 24, 8, tail);
}

/* The record of an unmount: a header and a block. */
static void put_unmount(int fd, uint64_t log, uint64_t block, uint32_t cycle, uint64_t tail)
{
	put_stale(fd, log, block, cycle, tail);
	put_be(fd, log + 512 * block + 12, 4, 512);
	put_be(fd, log + 512 * block + 40, 4, 1);
	put_be(fd, log + 512 * block + 320, 4, 32768);
	put_be(fd, log + 512 * (block + 1), 4, cycle);
	put_be(fd, log + 512 * (block + 1) + 4, 4, 8);
	put_be(fd, log + 512 * (block + 1) + 8, 2, 0xaa20);
}

/* All blocks from first to last, of a record's middle in that cycle. */
static void put_cycle(int fd, uint64_t log, uint64_t first, uint64_t end, uint32_t cycle)
{
	for (uint64_t block = first; block < end; block++)
		put_be(fd, log + 512 * block, 4, cycle);
}

static int make_xfs(void **state)
{
	return make_file_system(fixture_of(state), "xfs", XFS_BYTES, "-f");
}

static void what_a_mount_of_xfs_changes_is_in_its_proof(void **state)
{
	int fd = make_xfs(state);
	uint64_t log = xfs_log(fd);

	assert_int_equal(proof_of(fd, 0, XFS_BYTES).kind, PROOF_XFS);
	expect_covered(fd, XFS_BYTES, 151);         /* free blocks */
	expect_covered(fd, XFS_BYTES, 247);         /* LSN of its last write */
	expect_covered(fd, XFS_BYTES, log + 300);   /* the unmount record */
	expect_covered(fd, XFS_BYTES, log + 1024 + 100); /* the block in front of the head */
	close(fd);
}

/* The first mount of all: nothing but the blocks in front of the head is changed. */
static void a_mount_of_xfs_that_wrote_no_record_is_found(void **state)
{
	int fd = make_xfs(state);
	uint64_t log = xfs_log(fd);
	uint64_t tail = get_be(fd, log + 24, 8);

	put_stale(fd, log, 2, 0, tail);
	expect_none(fd, XFS_BYTES, "not unmounted");
	/* As an earlier mount left it, with the tail of then: that is in order. */
	put_stale(fd, log, 2, 0, tail - 1);
	assert_int_equal(proof_of(fd, 0, XFS_BYTES).kind, PROOF_XFS);
	expect_covered(fd, XFS_BYTES, log + 1024 + 31);
	close(fd);
}

static void a_clean_head_anywhere_in_the_log_of_xfs_is_found(void **state)
{
	int fd = make_xfs(state);
	uint64_t log = xfs_log(fd), nr = xfs_log_blocks(fd);
	static const uint64_t heads[] = { 2, 3, 64, 511, 599, 600, 601, 602, 4097, 9999, 0, 1 };

	put_cycle(fd, log, 0, nr, 6);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint64_t head = heads[i] > 1 ? heads[i] : nr - heads[i];

		put_cycle(fd, log, 0, head, 7);
		put_unmount(fd, log, head - 2, 7, 7ull << 32);
		assert_int_equal(proof_of(fd, 0, XFS_BYTES).kind, PROOF_XFS);
		put_stale(fd, log, head % nr, head == nr ? 7 : 6, 7ull << 32);
		expect_none(fd, XFS_BYTES, "not unmounted");
		put_stale(fd, log, head % nr, head == nr ? 7 : 6, 5);
		assert_int_equal(proof_of(fd, 0, XFS_BYTES).kind, PROOF_XFS);
		put_cycle(fd, log, 0, nr, 6);
	}
	close(fd);
}

static void an_xfs_that_is_not_clean_has_no_proof(void **state)
{
	int fd = make_xfs(state);
	uint64_t log = xfs_log(fd);

	expect_none_with(fd, XFS_BYTES, log + 43, 2, "not unmounted");      /* operations */
	expect_none_with(fd, XFS_BYTES, log + 512 + 9, 0, "not unmounted"); /* no such flag */
	expect_none_with(fd, XFS_BYTES, log + 14, 4, "not unmounted");      /* longer */
	expect_none_with(fd, XFS_BYTES, log + 23, 1, "not unmounted");      /* elsewhere */
	expect_none_with(fd, XFS_BYTES, log + 3, 1, "not unmounted");       /* no header */
	/* A record behind that of the unmount. */
	put_stale(fd, log, 2, 1, 1ull << 32);
	put_be(fd, log + 3 * 512, 4, 1);
	expect_none(fd, XFS_BYTES, "not unmounted");
	close(fd);
}

static void an_xfs_that_makes_no_sense_has_no_proof(void **state)
{
	int fd = make_xfs(state);
	uint8_t super[512];
	unsigned int seed = 5;

	assert_int_equal(pread(fd, super, sizeof(super), 0), sizeof(super));
	expect_none_with(fd, XFS_BYTES, 101, super[101] & 0xf4, "older than version 5");
	for (unsigned int i = 0; i < 3000; i++) {
		/* Where the log is, how long, and the numbers that this is computed from. */
		put_be(fd, 48, 8, (uint64_t)rand_r(&seed) << (rand_r(&seed) % 32));
		put_be(fd, 84, 4, (uint64_t)rand_r(&seed));
		put_be(fd, 96, 4, (uint64_t)rand_r(&seed) >> (rand_r(&seed) % 24));
		put_be(fd, 124, 1, (uint64_t)rand_r(&seed) % 64);
		put_be(fd, 4, 4, 512u << (rand_r(&seed) % 9));
		assert_int_equal(proof_of(fd, 0, XFS_BYTES).kind, PROOF_NONE);
	}
	put_be(fd, 48, 8, 0);
	expect_none(fd, XFS_BYTES, "another device");
	close(fd);
}

/* --------------------------------------------------------------------------- others */

static void two_file_systems_or_none_have_no_proof(void **state)
{
	int fd = make_xfs(state);

	put_be(fd, EXT4_SUPER + 56, 2, 0x53ef);
	expect_none(fd, XFS_BYTES, "two file systems");
	put_be(fd, EXT4_SUPER + 56, 2, 0);
	put_be(fd, 0, 4, 0);
	expect_none(fd, XFS_BYTES, "no file system");
	expect_none(fd, 1024, "beyond its end");
	close(fd);
}

/* A range of a device, which begins at any sector, has the proof of its file system. */
static void a_proof_does_not_depend_on_where_the_volume_lies(void **state)
{
	int fd = make_file_system(fixture_of(state), "ext4", EXT4_BYTES, "-F");
	struct proof proof = proof_of(fd, 0, EXT4_BYTES), moved;
	uint8_t *data = malloc(EXT4_BYTES);

	assert_int_equal(pread(fd, data, EXT4_BYTES, 0), EXT4_BYTES);
	assert_int_equal(pwrite(fd, data, EXT4_BYTES, 5 * 512), EXT4_BYTES);
	moved = proof_of(fd, 5ull * 512, EXT4_BYTES);
	assert_true(proof_equal(&proof, &moved));
	free(data);
	close(fd);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(each_field_that_a_mount_of_ext4_changes_is_in_its_proof),
		T(an_ext4_that_is_not_clean_has_no_proof),
		T(an_ext4_without_or_with_another_kind_of_journal_has_a_proof),
		T(an_ext4_that_makes_no_sense_has_no_proof),
		T(what_a_mount_of_xfs_changes_is_in_its_proof),
		T(a_mount_of_xfs_that_wrote_no_record_is_found),
		T(a_clean_head_anywhere_in_the_log_of_xfs_is_found),
		T(an_xfs_that_is_not_clean_has_no_proof),
		T(an_xfs_that_makes_no_sense_has_no_proof),
		T(two_file_systems_or_none_have_no_proof),
		T(a_proof_does_not_depend_on_where_the_volume_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
