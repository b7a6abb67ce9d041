/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Little-endian integers as they lie on disk: byte arrays in a struct, so that
 * they have no alignment and cannot be used without a conversion.
 */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint8_t bytes[2]; } le16_t;
typedef struct { uint8_t bytes[4]; } le32_t;
typedef struct { uint8_t bytes[8]; } le64_t;

#define BYTES_ACCESSORS(bits)                                          \
	static inline uint##bits##_t get_le##bits(le##bits##_t value)  \
	{                                                              \
		uint##bits##_t raw;                                    \
		memcpy(&raw, value.bytes, sizeof(raw));                \
		return le##bits##toh(raw);                             \
	}                                                              \
	static inline le##bits##_t put_le##bits(uint##bits##_t value)  \
	{                                                              \
		le##bits##_t ret;                                      \
		value = htole##bits(value);                            \
		memcpy(ret.bytes, &value, sizeof(value));              \
		return ret;                                            \
	}

BYTES_ACCESSORS(16)
BYTES_ACCESSORS(32)
BYTES_ACCESSORS(64)

static inline uint64_t get_be64(const uint8_t *bytes)
{
	uint64_t raw;

	memcpy(&raw, bytes, sizeof(raw));
	return be64toh(raw);
}

#endif
