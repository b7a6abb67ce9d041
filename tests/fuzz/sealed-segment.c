// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Segments of an encrypted repository: what the right key has sealed reaches the parser,
 * be it garbage, and nothing else does.
 */
#include "tests/fuzz/fuzz.h"

FUZZ_ENCRYPTED

#include "tests/fuzz/segment.c"
