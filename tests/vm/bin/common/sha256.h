/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef VM_SHA256_H
#define VM_SHA256_H

#include <stddef.h>

enum { SHA256_HEX_SIZE = 65 };

/* Hash @size bytes at @data; @ret_hex receives lower-case digits and a NUL. */
void sha256_hex(const void *data, size_t size, char ret_hex[SHA256_HEX_SIZE]);

#endif
