/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Bytes as lower-case hex digits and back.
 */
#ifndef COMMON_HEX_H
#define COMMON_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** ret_text: 2 * bytes digits and a NUL. */
void hex_format(const uint8_t *data, size_t bytes, char *ret_text);

/** Exactly 2 * bytes lower-case digits and nothing else; false if not. */
bool hex_parse(const char *text, uint8_t *ret_data, size_t bytes);

#endif
