/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Instants as people write them, in local time: "2026-11-27 15:04", with seconds
 * "15:04:05" and fractions of them "15:04:05.25"; a time alone is today's; "@1795788245"
 * counts seconds since 1970; "-30s", "-5min", "-2h", "-1d", "-1w" count back from now.
 */
#ifndef COMMON_TIME_TEXT_H
#define COMMON_TIME_TEXT_H

#include <stdint.h>

#define TIME_TEXT_BYTES 32

/**
 * now_ns: what relative times and "today" refer to. Of an hour that comes twice mktime()
 * chooses one. Errors: -EINVAL (no instant), -ERANGE (before 1970, or too late).
 */
int time_text_parse(const char *text, uint64_t now_ns, uint64_t *ret_ns);

/** "2026-11-27 15:04:05.250", as parse reads it back to the millisecond; returns ret_text. */
const char *time_text_format(uint64_t ns, char ret_text[TIME_TEXT_BYTES]);

#endif
