/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * An eventfd that is readable from when it is rung on, for whoever waits in poll().
 */
#ifndef COMMON_BELL_H
#define COMMON_BELL_H

#include <stdint.h>
#include <unistd.h>

/** From any thread. */
static inline void bell_ring(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* only when the counter is full: it rings already */
}

/** It does not ring any more; of one that does not block. */
static inline void bell_silence(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* it did not ring */
}

#endif
