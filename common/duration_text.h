/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Spans of time as people write them: 5s, 30min, 36h, 7d, 4w, 6m, 2y. Each unit is of a fixed
 * length; months and years are taken as long as the longest ones, 31 and 366 days.
 */
#ifndef COMMON_DURATION_TEXT_H
#define COMMON_DURATION_TEXT_H

#include <stdint.h>

/** 0 needs no unit. Errors: -EINVAL (no span of time), -ERANGE (beyond 2^64 ns). */
int duration_text_parse(const char *text, uint64_t *ret_ns);

#define DURATION_TEXT_BYTES 24

/** About so long, for people: "3s", "90s", "45min", "30h", "12d"; returns ret_text. */
const char *duration_text_format(uint64_t ns, char ret_text[DURATION_TEXT_BYTES]);

#endif
