/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_CHAIN_H
#define TM_CHAIN_H

#include <linux/blk_types.h>

extern bio_end_io_t *tm_chain_end_io; /* set at load, then constant */

void tm_chain_init(void);

/* It completes another bio: bio_chain(). */
static inline bool tm_chain_has(const struct bio *bio)
{
	return bio->bi_end_io == tm_chain_end_io;
}

/* Instead of calling its bi_end_io. Any context. */
void tm_chain_end(struct bio *bio);

#endif
