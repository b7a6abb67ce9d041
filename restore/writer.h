/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * From the catalog's sink to the target: cut to the range, compared first where that is asked
 * for, and noted in the tally. Chunks come in any order, from several threads.
 */
#ifndef RESTORE_WRITER_H
#define RESTORE_WRITER_H

#include "common/first_failure.h"
#include "common/progress.h"
#include "restore/tally.h"
#include "restore/target.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <tidemark.h>

enum writer_mode {
	WRITER_WRITE,
	WRITER_DELTA,  /* only chunks whose bytes differ from the target's */
	WRITER_VERIFY, /* reads back what the tally says was written; an error if it differs */
};

struct writer {
	struct target *target;
	struct tally *tally;
	enum writer_mode mode;
	bool only_looks; /* nothing is written: the tally says what would be */
	struct progress progress;
	struct first_failure failure; /* of the target, not of the catalog */
	atomic_uint_fast64_t nr_compared; /* chunks, by their bytes */
};

/** Its progress is the caller's to start and to stop. */
void writer_start(struct writer *writer, struct target *target, struct tally *tally,
		  enum writer_mode mode);

/** What to extract with; of this writer. */
struct tmc_sink writer_sink(struct writer *writer);

/** 0, or the target's failure with its sentence. */
int writer_failure(struct writer *writer);

#endif
