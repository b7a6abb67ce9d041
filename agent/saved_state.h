/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is kept of an attachment when it ends: a file for each volume, which is used once, by
 * the next attachment of that volume. docs/reboot.md says when it may be.
 *
 *   file    = head run[nr_runs] sha256
 *   head    = magic version chunk_bytes volume_bytes nr_chunks nr_runs
 *             proof_kind zero proof base volume_id
 *   run     = first_chunk nr_chunks             ascending, apart from each other, not empty
 *   sha256  = of all in front of it
 *
 * All numbers are little-endian. A file that is torn, of another version, or makes no sense
 * is none: whoever wrote it, the volume is read as a whole.
 */
#ifndef AGENT_SAVED_STATE_H
#define AGENT_SAVED_STATE_H

#include "agent/attachment.h"
#include "agent/chunk_runs.h"
#include "agent/proof.h"
#include "common/bytes.h"

#include <tidemark.h>

#define SAVED_STATE_DIRECTORY "/var/lib/tidemark/state"

#define SAVED_STATE_MAGIC   "TMSTATE\n"
#define SAVED_STATE_VERSION 1u

struct saved_state_disk {
	uint8_t magic[8];
	le32_t version;
	le32_t chunk_bytes;
	le64_t volume_bytes;
	le64_t nr_chunks;
	le64_t nr_runs;
	le32_t proof_kind; /* enum proof_kind, never PROOF_NONE */
	le32_t zero;
	uint8_t proof[PROOF_DIGEST_BYTES];
	uint8_t base[ATTACHMENT_BASE_BYTES];
	char volume_id[TMC_TEXT_BYTES]; /* zero behind the text */
};

struct saved_run_disk {
	le64_t first_chunk;
	le64_t nr_chunks;
};

_Static_assert(sizeof(struct saved_state_disk) == 368, "format");
_Static_assert(sizeof(struct saved_run_disk) == 16, "format");

struct saved_state {
	char volume_id[TMC_TEXT_BYTES];
	uint64_t volume_bytes;
	uint64_t nr_chunks;
	uint32_t chunk_bytes;
	uint8_t base[ATTACHMENT_BASE_BYTES];
	struct proof proof;
	struct chunk_runs dirty;
};

/**
 * Durable when it returns; the directory is made if need be. What was there of this volume is
 * removed before anything else is done. Errors: those of the file system, with a sentence.
 */
int saved_state_write(const char *directory, const struct saved_state *state);

/**
 * Errors, each with a sentence: -ENOENT (there is none of this volume), -EBADMSG (the file
 * cannot be used), those of reading, -ENOMEM. Clear *ret_state in each case.
 */
int saved_state_read(const char *directory, const char *volume_id, struct saved_state *ret_state);

/** Is there any, of whatever volume? */
bool saved_state_any(const char *directory);

/** Gone for good when it returns; none is no error. Errors: those of the file system. */
int saved_state_remove(const char *directory, const char *volume_id);

void saved_state_clear(struct saved_state *state);

#endif
