/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a mount of ext4, or of ext3 and ext2 by ext4's driver, changes first: the superblock,
 * which it writes before it returns, with the times and the count of mounts.
 */
#ifndef AGENT_PROOF_EXT4_H
#define AGENT_PROOF_EXT4_H

#include "agent/proof_reader.h"

#include <stdbool.h>

/** Is this ext2, 3 or 4? head: the volume's first PROOF_HEAD_BYTES. */
bool proof_ext4_is(const uint8_t *head);

/** 0 and a digest, -ENODATA and a sentence: it proves nothing; other errors: of reading. */
int proof_ext4_read(struct proof_reader *reader, const uint8_t *head,
		    uint8_t ret_digest[PROOF_DIGEST_BYTES]);

#endif
