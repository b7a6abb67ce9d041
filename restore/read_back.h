/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Whether a target holds what was written to it, read from the disk and not from memory.
 */
#ifndef RESTORE_READ_BACK_H
#define RESTORE_READ_BACK_H

#include "restore/tally.h"
#include "restore/target.h"

#include <stdbool.h>
#include <tidemark.h>

/**
 * Of a point, after target_sync(): the chunks that the tally says were written. By hash; those
 * that are only in part within the range by their bytes. ret_nr_chunks: how many. Errors, with
 * a sentence: -EIO (it holds something else), those of extraction.
 */
int read_back_point(struct tmc_repo *repo, const struct tmc_point *point, struct target *target,
		    struct tally *tally, bool progress, uint64_t *ret_nr_chunks);

/** Of an instant: by bytes. */
int read_back_instant(struct tmc_repo *repo, const struct tmc_instant *instant,
		      struct target *target, struct tally *tally, bool progress,
		      uint64_t *ret_nr_chunks);

#endif
