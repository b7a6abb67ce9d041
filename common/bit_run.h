/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Runs in a bitmap: bit n is bit n % 64 of word n / 64.
 */
#ifndef COMMON_BIT_RUN_H
#define COMMON_BIT_RUN_H

#include <stdbool.h>
#include <stdint.h>

static inline bool bit_is_set(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> n % 64 & 1;
}

/** The first bit from n on that is set, or is not; end: none before it. */
static inline uint64_t bit_find(const uint64_t *bits, uint64_t n, uint64_t end, bool set)
{
	while (n < end) {
		uint64_t word = (set ? bits[n / 64] : ~bits[n / 64]) >> n % 64;

		if (word) {
			n += (uint64_t)__builtin_ctzll(word);
			break;
		}
		n += 64 - n % 64;
	}
	return n < end ? n : end;
}

/** From n on up to end. */
static inline void bit_set(uint64_t *bits, uint64_t n, uint64_t end)
{
	for (; n < end; n++)
		bits[n / 64] |= 1ull << n % 64;
}

#endif
