/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Small reads of a volume for those who look for a proof on it: any offset and length,
 * from a descriptor that only reads what is aligned. What is on the volume may be anything:
 * each read is checked against the volume's size.
 */
#ifndef AGENT_PROOF_READER_H
#define AGENT_PROOF_READER_H

#include "agent/proof.h"
#include "common/bytes.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#define PROOF_HEAD_BYTES        4096u
#define PROOF_READER_BYTES_MAX  (512u << 10) /* of one read */

struct proof_reader {
	const struct proof_source *source;
	uint8_t *buffer; /* aligned, a block more than the longest read */
};

/** Errors: -ENOMEM. */
int proof_reader_open(const struct proof_source *source, struct proof_reader *ret_reader);
void proof_reader_close(struct proof_reader *reader);

/**
 * Up to PROOF_READER_BYTES_MAX bytes at offset of the volume. *ret_data is the reader's, up
 * to its next read. Errors: -ENODATA and a sentence (beyond the volume's end), those of
 * reading.
 */
int proof_reader_read(struct proof_reader *reader, uint64_t offset, size_t bytes,
		      const uint8_t **ret_data);

static inline uint16_t proof_le16(const uint8_t *at)
{
	uint16_t raw;

	memcpy(&raw, at, sizeof(raw));
	return le16toh(raw);
}

static inline uint32_t proof_le32(const uint8_t *at)
{
	uint32_t raw;

	memcpy(&raw, at, sizeof(raw));
	return le32toh(raw);
}

static inline uint16_t proof_be16(const uint8_t *at)
{
	uint16_t raw;

	memcpy(&raw, at, sizeof(raw));
	return be16toh(raw);
}

static inline uint32_t proof_be32(const uint8_t *at)
{
	uint32_t raw;

	memcpy(&raw, at, sizeof(raw));
	return be32toh(raw);
}

#endif
