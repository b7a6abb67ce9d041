/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Sizes as people write and read them. Units are powers of 1024 and written
 * K, M, G, T, P; "KiB" and "k" are understood too.
 */
#ifndef COMMON_SIZE_TEXT_H
#define COMMON_SIZE_TEXT_H

#include <stdint.h>

#define SIZE_TEXT_BYTES 24

/** Errors: -EINVAL (no size), -ERANGE (beyond 2^64). */
int size_text_parse(const char *text, uint64_t *ret_bytes);

/** "512 B", "64.0 KiB", "1.5 GiB"; returns ret_text. */
const char *size_text_format(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES]);

/** The shortest exact form that size_text_parse reads back: "64K", "100". */
const char *size_text_exact(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES]);

#endif
