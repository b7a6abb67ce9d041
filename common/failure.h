/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The sentence that goes with a negative errno. A function that fails says once,
 * where the cause is known, what failed and why; callers pass the number on.
 */
#ifndef COMMON_FAILURE_H
#define COMMON_FAILURE_H

/**
 * Remember a sentence for this thread: "<thing>: <why>; <remedy>". The arguments
 * may include failure_text(). Returns error, to be returned in turn.
 */
int failure_set(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The latest sentence of this thread; empty when there was none. */
const char *failure_text(void);

#endif
