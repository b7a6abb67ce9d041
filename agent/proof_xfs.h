/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a mount of xfs (v5) changes first: the block of its log in front of the log's head.
 * Before anything else a mount overwrites the blocks there, with headers that name the log's
 * tail of that moment; a clean unmount moves the head on, so that the block in front of it
 * has never been written by a mount with this tail. The superblock alone would not do: a
 * mount that ends in a power cut may have written data in place, and neither it nor the log.
 */
#ifndef AGENT_PROOF_XFS_H
#define AGENT_PROOF_XFS_H

#include "agent/proof_reader.h"

#include <stdbool.h>

/** Is this xfs? head: the volume's first PROOF_HEAD_BYTES. */
bool proof_xfs_is(const uint8_t *head);

/** 0 and a digest, -ENODATA and a sentence: it proves nothing; other errors: of reading. */
int proof_xfs_read(struct proof_reader *reader, const uint8_t *head,
		   uint8_t ret_digest[PROOF_DIGEST_BYTES]);

#endif
