/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Proof that no file system was mounted on a volume between two looks at it: a digest of
 * what each mount that can write changes on the device, before it can write anything else.
 * Which bytes these are stands in docs/reboot.md, per file system. Writes around the file
 * system are in no proof.
 */
#ifndef AGENT_PROOF_H
#define AGENT_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#define PROOF_DIGEST_BYTES 32

/** What was digested, and how. On disk: a number never changes its meaning. */
enum proof_kind {
	PROOF_NONE = 0,
	PROOF_EXT4 = 1,
	PROOF_XFS = 2,
};

struct proof {
	uint32_t kind;
	uint8_t digest[PROOF_DIGEST_BYTES];
};

/** A volume on a device. fd: for reading, with O_DIRECT where it is a device. */
struct proof_source {
	int fd;
	uint64_t start_bytes; /* a multiple of 512 */
	uint64_t volume_bytes;
};

/**
 * Read it past the page cache. PROOF_NONE is no error, and leaves a sentence in
 * failure_text() that says why: no such file system, one that is mounted or was not
 * unmounted. Errors: those of reading, -ENOMEM.
 */
int proof_read(const struct proof_source *source, struct proof *ret_proof);

/** Is it proved? Two times none proves nothing. */
bool proof_equal(const struct proof *before, const struct proof *now);

#endif
