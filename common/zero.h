/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Whether memory holds nothing but zeros.
 */
#ifndef COMMON_ZERO_H
#define COMMON_ZERO_H

#include <stdbool.h>
#include <stddef.h>

bool is_zero(const void *data, size_t bytes);

#endif
