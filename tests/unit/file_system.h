/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * File systems in files, as mkfs makes them, and changes to them by hand: nothing is mounted
 * in unit tests.
 */
#ifndef TESTS_UNIT_FILE_SYSTEM_H
#define TESTS_UNIT_FILE_SYSTEM_H

#include "repo_fixture.h"

#include "agent/proof.h"

#define EXT4_BYTES (16ull << 20)
#define XFS_BYTES  (300ull << 20) /* mkfs.xfs makes none that is smaller */

/* options: of mkfs. Skips the test where there is no mkfs of that type. The descriptor. */
FIXTURE int make_file_system(const struct fixture *fixture, const char *type, uint64_t bytes,
			     const char *options)
{
	char command[400], path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fixture->directory, type);
	snprintf(command, sizeof(command), "/usr/sbin/mkfs.%s", type);
	if (access(command, X_OK) < 0)
		skip();
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, (off_t)bytes), errno);
	snprintf(command, sizeof(command), "/usr/sbin/mkfs.%s -q %s %s", type, options, path);
	assert_int_equal(system(command), 0);
	return fd;
}

FIXTURE void flip_at(int fd, uint64_t offset)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
}

FIXTURE struct proof proof_of(int fd, uint64_t start, uint64_t bytes)
{
	struct proof_source source = { .fd = fd, .start_bytes = start, .volume_bytes = bytes };
	struct proof proof;

	assert_return_code(proof_read(&source, &proof), errno);
	return proof;
}

#endif
